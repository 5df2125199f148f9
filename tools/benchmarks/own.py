"""The queue as the benchmarks run it: every role a process of QueueBench, measured from outside."""

import os
import subprocess
import time
import uuid

import common
from common import Child, Server, until

BINARY = os.environ.get("QUEUE_BENCH", ".build/release/QueueBench")
SCHEMA = "queue_bench"
SLOTS = int(os.environ.get("SLOTS", "1000"))


def bench(*arguments, database=None, prefix="bench"):
    """What a command of QueueBench printed last."""
    answer = subprocess.run(
        [BINARY, *map(str, arguments)], env={**os.environ, "DATABASE_URL": database or common.DATABASE_URL, "BENCH_PREFIX": prefix},
        stdout=subprocess.PIPE, text=True, check=True)
    lines = answer.stdout.strip().splitlines()
    return lines[-1] if lines else ""


class Fleet:
    """A scheduler and workers on one schema."""

    def __init__(self, workers, slots=SLOTS, queues=1, sleep_ms=0, database=None, redis=None, executions=None):
        self.prefix = uuid.uuid4().hex[:12]
        self.env = {"DATABASE_URL": database or common.DATABASE_URL, "REDIS_URL": redis or common.REDIS_URL, "BENCH_PREFIX": self.prefix}
        self.arguments = ["worker", str(slots), str(queues), str(sleep_ms)] + ([executions] if executions else [])
        list_max = max(1000, 4 * slots * workers // max(1, queues))
        self.scheduler = Child([BINARY, "scheduler", str(list_max)], self.env)
        self.workers = [self.start_worker() for _ in range(workers)]
        self.gone_cpu = 0

    def start_worker(self):
        return Child([BINARY, *self.arguments], self.env)

    def replace_worker(self):
        """SIGKILL to the oldest worker; another starts at once."""
        old = self.workers.pop(0)
        self.gone_cpu += old.cpu()
        old.kill()
        self.workers.append(self.start_worker())

    def cpu(self):
        return self.gone_cpu + self.scheduler.cpu() + sum(worker.cpu() for worker in self.workers)

    def stop(self):
        for child in self.workers + [self.scheduler]:
            child.process.terminate()
        for child in self.workers + [self.scheduler]:
            child.stop()


class Drain:
    """Jobs that are there already, and the time from the first claim to the last settlement, by the server's clock."""

    def __init__(self, sql, jobs, workers, slots=SLOTS, queues=1, kill_every=None, database=None, redis=None, clean=True,
                 limited=False):
        server = Server(sql)
        if clean:
            bench("prepare")
        if limited:
            bench("limit")
        sql.run(f"SET search_path = {SCHEMA}")
        sql.run("CHECKPOINT")  # so that none falls into the measurement
        first = sql.run("SELECT uuid_v7()")
        bench("fill", jobs, queues)
        wal, cpu = sql.run("SELECT pg_current_wal_lsn()"), server.cpu()
        fleet = Fleet(workers, slots, queues, database=database, redis=redis)
        self.memory = 0
        killed_at = time.monotonic()
        self.kills = 0

        def is_empty():
            nonlocal killed_at
            self.memory = max([self.memory] + [worker.memory() for worker in fleet.workers])
            if kill_every and time.monotonic() - killed_at >= kill_every:
                killed_at = time.monotonic()
                self.kills += 1
                fleet.replace_worker()
            # From the newest end: the oldest entries of the index are dead ones.
            return sql.run("SELECT id FROM job ORDER BY id DESC LIMIT 1") is None

        done = until(is_empty, 600, pause=0.1)
        self.cpu_own, self.cpu_server = fleet.cpu(), server.cpu() - cpu
        self.wal = sql.number(f"SELECT pg_current_wal_lsn() - '{wal}'::pg_lsn")
        rows = f"FROM job_history WHERE id > '{first}'"
        self.seconds = sql.number(f"SELECT extract(epoch FROM max(finished_at) - min(claimed_at)) {rows}")
        self.done = int(sql.number(f"SELECT count(*) {rows}"))
        self.repeated = int(sql.number(f"SELECT count(*) {rows} AND fence > 1"))
        self.dead_rows = sql.number("SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables WHERE schemaname = "
                                    f"'{SCHEMA}' AND relname = 'job'")
        fleet.stop()
        if not done:
            raise SystemExit(f"the fleet did not end: {self.done} of {jobs} jobs")
        self.jobs = jobs
        self.rate = jobs / self.seconds


def memory_of_idle_worker():
    """Resident megabytes of a worker that has nothing to do, after five seconds."""
    bench("prepare")
    fleet = Fleet(1)
    time.sleep(5)
    value = fleet.workers[0].memory()
    fleet.stop()
    return value
