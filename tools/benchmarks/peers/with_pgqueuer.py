import asyncio
import os
import sys
import time
from datetime import timedelta

import asyncpg
import uvloop
import work
from pgqueuer import AsyncpgDriver, PgQueuer, Queries


async def main(kind, count):
    driver = AsyncpgDriver(await asyncpg.connect(os.environ["DATABASE_URL"]))
    queries = Queries(driver)
    if kind == "install":
        await queries.install()
    elif kind == "work":
        pgq = PgQueuer(driver)

        @pgq.entrypoint("noop")
        async def noop(job):
            pass

        @pgq.entrypoint("note")
        async def note(job):
            await asyncio.sleep(0.02)
            work.note(job.payload.decode())

        @pgq.entrypoint("stamp")
        async def stamp(job):
            work.stamp(float(job.payload))

        await pgq.run(batch_size=count, heartbeat_timeout=timedelta(seconds=10))
    elif kind == "stamp":
        for _ in range(count):
            await queries.enqueue("stamp", str(time.time()).encode())
            await asyncio.sleep(0.05)
    elif kind == "note":
        await queries.enqueue(["note"] * count, [str(number).encode() for number in range(count)], [0] * count)
    else:
        start = time.perf_counter()
        if kind == "single":
            for _ in range(count):
                await queries.enqueue("noop", None)
        else:
            for _ in range(count // 1000):
                await queries.enqueue(["noop"] * 1000, [None] * 1000, [0] * 1000)
        print(count / (time.perf_counter() - start))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
