import os
import sys
import time

import work
from celery import Celery

app = Celery("with_celery", broker=os.environ["REDIS_URL"])
app.conf.update(
    task_ignore_result=True, worker_prefetch_multiplier=64, broker_transport_options={"visibility_timeout": 30},
    worker_send_task_events=False, task_acks_late=os.environ.get("ACKS_LATE") == "1", worker_hijack_root_logger=False)


@app.task
def noop():
    pass


@app.task
def note(number):
    time.sleep(0.02)
    work.note(number)


@app.task
def stamp(asked):
    work.stamp(asked)


if __name__ == "__main__":
    kind, count = sys.argv[1], int(sys.argv[2])
    with app.pool.acquire(block=True) as connection, app.amqp.producer_pool.acquire(block=True) as producer:
        if kind == "stamp":
            for _ in range(count):
                stamp.apply_async((time.time(),), producer=producer)
                time.sleep(0.05)
        elif kind == "note":
            for number in range(count):
                note.apply_async((number,), producer=producer)
        else:
            work.timed(count, lambda: [noop.apply_async(producer=producer) for _ in range(count)])
