import asyncio
import os
import sys
import time

import procrastinate
import work

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ["DATABASE_URL"]))


@app.task(name="noop")
async def noop():
    pass


@app.task(name="note")
async def note(number):
    await asyncio.sleep(0.02)
    work.note(number)


@app.task(name="stamp")
async def stamp(asked):
    work.stamp(asked)


async def main(kind, count):
    async with app.open_async():
        if kind == "install":
            await app.schema_manager.apply_schema_async()
        elif kind == "work":
            await app.run_worker_async(concurrency=count, delete_jobs="never", fetch_job_polling_interval=1)
        elif kind == "stamp":
            for _ in range(count):
                await stamp.defer_async(asked=time.time())
                await asyncio.sleep(0.05)
        elif kind == "note":
            await note.batch_defer_async(*({"number": number} for number in range(count)))
        else:
            start = time.perf_counter()
            if kind == "single":
                for _ in range(count):
                    await noop.defer_async()
            else:
                for _ in range(count // 1000):
                    await noop.batch_defer_async(*({} for _ in range(1000)))
            print(count / (time.perf_counter() - start))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
