import asyncio
import os
import sys
import time

import work
from arq import create_pool
from arq.connections import RedisSettings

SETTINGS = RedisSettings.from_dsn(os.environ["REDIS_URL"])


async def noop(ctx):
    pass


async def note(ctx, number):
    await asyncio.sleep(0.02)
    work.note(number)


async def stamp(ctx, asked):
    work.stamp(asked)


class WorkerSettings:
    functions = [noop, note, stamp]
    redis_settings = SETTINGS
    max_jobs = int(os.environ.get("SLOTS", "100"))
    poll_delay = 0.01
    keep_result = 0
    job_timeout = 10


async def main(kind, count):
    pool = await create_pool(SETTINGS)
    if kind == "stamp":
        for _ in range(count):
            await pool.enqueue_job("stamp", time.time())
            await asyncio.sleep(0.05)
    elif kind == "note":
        for number in range(count):
            await pool.enqueue_job("note", number)
    else:
        start = time.perf_counter()
        if kind == "single":
            for _ in range(count):
                await pool.enqueue_job("noop")
        else:
            for _ in range(count // 100):
                await asyncio.gather(*(pool.enqueue_job("noop") for _ in range(100)))
        print(count / (time.perf_counter() - start))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
