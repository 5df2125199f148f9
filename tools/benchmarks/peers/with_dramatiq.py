import os
import sys
import time

import dramatiq
import work
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Retries

# Of its middleware only what repeats: the others cost and change nothing here.
broker = RedisBroker(url=os.environ["REDIS_URL"], middleware=[Retries()], heartbeat_timeout=10000, maintenance_chance=10000)
dramatiq.set_broker(broker)


@dramatiq.actor
def noop():
    pass


@dramatiq.actor
def note(number):
    time.sleep(0.02)
    work.note(number)


@dramatiq.actor
def stamp(asked):
    work.stamp(asked)


if __name__ == "__main__":
    kind, count = sys.argv[1], int(sys.argv[2])
    if kind == "stamp":
        for _ in range(count):
            stamp.send(time.time())
            time.sleep(0.05)
    elif kind == "note":
        for number in range(count):
            note.send(number)
    else:
        work.timed(count, lambda: [noop.send() for _ in range(count)])
