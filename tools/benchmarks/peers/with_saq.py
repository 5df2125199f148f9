import asyncio
import os
import sys
import time

import work
from saq import Queue

queue = Queue.from_url(os.environ["REDIS_URL"])


async def noop(ctx):
    pass


async def note(ctx, *, number):
    await asyncio.sleep(0.02)
    work.note(number)


async def stamp(ctx, *, asked):
    work.stamp(asked)


settings = {
    "queue": queue, "functions": [noop, note, stamp], "concurrency": int(os.environ.get("SLOTS", "100")),
    "timers": {"sweep": 5},
}


async def main(kind, count):
    await queue.connect()
    if kind == "stamp":
        for _ in range(count):
            await queue.enqueue("stamp", asked=time.time())
            await asyncio.sleep(0.05)
    elif kind == "note":
        for number in range(count):
            await queue.enqueue("note", number=number, ttl=1, retries=3, timeout=10, heartbeat=5)
    else:
        start = time.perf_counter()
        if kind == "single":
            for _ in range(count):
                await queue.enqueue("noop", ttl=-1)
        else:
            for _ in range(count // 100):
                await asyncio.gather(*(queue.enqueue("noop", ttl=-1) for _ in range(100)))
        print(count / (time.perf_counter() - start))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
