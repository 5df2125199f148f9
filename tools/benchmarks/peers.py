"""make bench-peers: the same jobs through other queues, on the same servers, in the same run. peers.py <directory>.
PEERS=a,b and PARTS=speed,crash choose; rows of the others are kept."""

import json
import os
import shutil
import subprocess
import sys
import time

import common
import own
from common import Child, Redis, Report, SQL, machine, until

DIRECTORY = os.path.abspath(sys.argv[1])
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers")
VENV = f"{DIRECTORY}/venv/bin"
VENV_ARQ = f"{DIRECTORY}/venv-arq/bin"
NOTES = f"{DIRECTORY}/executions.log"
RUNS = int(os.environ.get("RUNS", "3"))
PARTS = os.environ.get("PARTS", "speed,crash").split(",")
#: What a crash is tried on: jobs of 20 ms, ten at a time.
CRASH_JOBS = 1000
#: How long a crashed queue may take to run what is left, after its last sign of life.
PATIENCE = 45


class Peer:
    """A queue: how it is set up, filled, worked and looked at. All workers share two cores with the servers."""

    store = "redis"
    jobs = 20000
    processes = 2

    def __init__(self, sql, redis):
        self.sql, self.redis = sql, redis

    def python(self, *arguments):
        return [f"{VENV}/python", f"{HERE}/with_{self.name}.py", *map(str, arguments)]

    def ask(self, *arguments):
        """Runs the peer's own client."""
        answer = subprocess.run(
            self.python(*arguments), cwd=HERE, stdout=subprocess.PIPE, text=True, check=True, env=environment())
        return answer.stdout.strip().splitlines()[-1:] or [""]

    def prepare(self):
        self.redis.run("FLUSHALL")

    def fill(self, jobs, kind="batch"):
        return float(self.ask(kind, jobs)[0])

    def notes(self, jobs):
        self.ask("note", jobs)

    def stamps(self, count):
        self.ask("stamp", count)

    def start(self, slots):
        """One process of workers."""
        return Child(self.command(slots), environment(SLOTS=str(slots)))


class Sidekiq(Peer):
    name, jobs, settings = "sidekiq", 100000, "6.4.1 (Debian), Ruby 3.1, hiredis; 2 processes x 10 threads; push_bulk of 1000"
    slots = 10

    def python(self, *arguments):
        return ["ruby", f"{HERE}/with_sidekiq.rb", *map(str, arguments)]

    def command(self, slots):
        return ["sidekiq", "-q", "default", "-c", str(slots), "-r", f"{HERE}/with_sidekiq.rb"]

    def left(self):
        return self.redis.run("LLEN", "queue:default")


class Celery(Peer):
    name, jobs, settings = "celery", 10000, "5.7.0, Redis; 2 x prefork 1, prefetch 64, early ack (its standard), no results, no gossip, mingle or heartbeat"
    slots = 1

    def command(self, slots):
        pool = ["-P", "threads"] if slots > 1 else ["-P", "prefork"]
        return [f"{VENV}/celery", "--workdir", HERE, "-A", "with_celery", "worker", *pool, "-c", str(slots), "-l", "ERROR", "--without-gossip",
                "--without-mingle", "--without-heartbeat", "-n", f"w{time.time()}@%h"]

    def left(self):
        return self.redis.run("LLEN", "celery") + self.redis.run("HLEN", "unacked")


class CeleryLate(Celery):
    """After a crash only: acknowledged when done, delivered again after 30 s (its standard is an hour)."""

    settings = "the same with task_acks_late and a visibility timeout of 30 s"

    def start(self, slots):
        return Child(self.command(slots), environment(ACKS_LATE="1"))


class Dramatiq(Peer):
    name, jobs, settings = "dramatiq", 20000, "2.2.1, Redis; 2 processes x 8 threads; of its middleware only Retries"
    slots = 8

    def command(self, slots):
        return [f"{VENV}/dramatiq", "with_dramatiq", "--path", HERE, "-p", "1", "-t", str(slots)]

    def left(self):
        return self.redis.run("HLEN", "dramatiq:default.msgs")


class Arq(Peer):
    name, jobs, settings = "arq", 10000, "0.28.0; 2 processes x 100 jobs, poll_delay 10 ms, keep_result 0; a hundred enqueues at once"
    slots = 100

    def python(self, *arguments):
        return [f"{VENV_ARQ}/python", f"{HERE}/with_arq.py", *map(str, arguments)]

    def command(self, slots):
        return [f"{VENV_ARQ}/arq", "--custom-log-dict", "logging_off.OFF", "with_arq.WorkerSettings"]

    def start(self, slots):
        return Child(self.command(slots), environment(SLOTS=str(slots), PYTHONPATH=HERE))

    def left(self):
        return self.redis.run("ZCARD", "arq:queue")


class Saq(Peer):
    name, jobs, settings = "saq", 10000, "0.26.4, Redis; 2 processes x 100 jobs; a hundred enqueues at once"
    slots = 100

    def command(self, slots):
        return [f"{VENV}/saq", "with_saq.settings", "--quiet"]

    def start(self, slots):
        return Child(self.command(slots), environment(SLOTS=str(slots), PYTHONPATH=HERE))

    def left(self):
        return self.redis.run("LLEN", "saq:default:queued") + self.redis.run("LLEN", "saq:default:active")


class Tables(Peer):
    store = "postgres"

    def prepare(self):
        self.sql.run("DROP SCHEMA IF EXISTS peers CASCADE")
        self.sql.run("CREATE SCHEMA peers")
        self.ask("install", 0)

    def command(self, slots):
        return self.python("work", slots)


class Procrastinate(Tables):
    name, jobs, settings = "procrastinate", 5000, "3.10.0, psycopg 3; 2 processes x 100 jobs, LISTEN/NOTIFY, jobs kept; batch_defer of 1000"
    slots = 100

    def left(self):
        return self.sql.number("SELECT count(*) FROM peers.procrastinate_jobs WHERE status IN ('todo', 'doing')")


class PgQueuer(Tables):
    name, jobs, settings = "pgqueuer", 50000, "1.6.0, asyncpg, uvloop; 2 processes, batch_size 100, its log kept; enqueue of 1000"
    slots = 100

    def left(self):
        return self.sql.number("SELECT count(*) FROM peers.pgqueuer")


class Ours(Peer):
    name, store, settings = "cloudoptim", "both", f"2 workers x {own.SLOTS} slots (three quarters of them for work), history kept"

    def prepare(self):
        own.bench("prepare")

    def fill(self, jobs, kind="batch"):
        return float(own.bench("singles", jobs, 1) if kind == "single" else own.bench("fill", jobs))

    def notes(self, jobs):
        own.bench("fill", jobs)

    def start(self, slots):
        return OurWorker()

    def left(self):
        return self.sql.number(f"SELECT count(*) FROM {own.SCHEMA}.job")


class OurWorker:
    """A fleet of its own: ten jobs at a time (a quarter of the slots is kept for interruptions)."""

    def __init__(self):
        self.fleet = own.Fleet(1, slots=13, sleep_ms=20, executions=NOTES)

    def kill(self):
        """The worker and the scheduler that leads."""
        self.fleet.workers[0].kill()
        self.fleet.scheduler.kill()

    def stop(self):
        self.fleet.stop()


def environment(**more):
    url = common.DATABASE_URL + "&options=-c%20search_path%3Dpeers%20-c%20jit%3Doff"
    return {**os.environ, "DATABASE_URL": url, "EXECUTIONS": NOTES, "PYTHONDONTWRITEBYTECODE": "1", **more}


def executed():
    """What ran to its end, by number."""
    with open(NOTES) as file:
        return [line.strip() for line in file if line.strip()]


def drain(peer):
    """Jobs a second between the first sight of progress and the end."""
    peer.prepare()
    peer.fill(peer.jobs)
    children = [peer.start(peer.slots) for _ in range(peer.processes)]
    seen = []

    def is_empty():
        left = peer.left()
        seen.append((time.monotonic(), left))
        return left == 0

    done = until(is_empty, 180, pause=0.1)
    for child in children:
        child.stop()
    moving = [(at, left) for at, left in seen if left < peer.jobs]
    if not done or len(moving) < 2:
        raise SystemExit(f"{peer.name} did not drain: {seen[-1:]}")
    return moving[0][1] / (moving[-1][0] - moving[0][0])


def pickup(peer):
    """Milliseconds from asking to the start of the job, for a worker that is idle."""
    peer.prepare()
    open(NOTES, "w").close()
    child = peer.start(peer.slots)
    peer.stamps(5)  # connections and caches are made now
    until(lambda: len(executed()) == 5, 30)
    peer.stamps(105)
    until(lambda: len(executed()) == 110, 30)
    delays = sorted(float(line) for line in executed()[10:])
    child.stop()
    return delays[len(delays) // 2], delays[len(delays) * 99 // 100]


def speed(report, peer):
    peer.prepare()
    single = min(2000, peer.jobs)
    for _ in range(RUNS):
        report.add(f"{peer.name}: enqueue one a call", peer.fill(single, "single"), "jobs/s")
        if peer.name not in ("celery", "dramatiq"):
            report.add(f"{peer.name}: enqueue in batches", peer.fill(peer.jobs), "jobs/s")
        report.add(f"{peer.name}: drain", drain(peer), "jobs/s")
    median, worst = pickup(peer)
    report.add(f"{peer.name}: submit to start, p50, idle", median, "ms")
    report.add(f"{peer.name}: submit to start, p99, idle", worst, "ms")


def our_speed(report, sql):
    own.bench("prepare")
    for _ in range(RUNS):
        report.add("cloudoptim: enqueue one a call", float(own.bench("singles", 4000, 1)), "jobs/s")
        report.add("cloudoptim: enqueue in batches", float(own.bench("fill", 100000)), "jobs/s")
        report.add("cloudoptim: drain", own.Drain(sql, 100000, 2).rate, "jobs/s")
    own.bench("prepare")
    delays = json.loads(own.bench("pickup", 500, 0))
    for percentile in ("p50", "p99"):
        report.add(f"cloudoptim: submit to start, {percentile}, idle", delays[f"submit_to_start_{percentile}"], "ms")


def crash(report, peer, label, flush):
    """Kills the workers, or empties Redis, at two fifths of the jobs; then counts what ran, and what ran twice."""
    peer.prepare()
    open(NOTES, "w").close()
    peer.notes(CRASH_JOBS)
    child = peer.start(10)
    until(lambda: len(executed()) > CRASH_JOBS * 2 / 5, 60, pause=0.02)
    at = time.monotonic()
    if flush:
        peer.redis.run("FLUSHALL")
    else:
        child.kill()
        child = peer.start(10)
    state = {"count": 0, "moved": time.monotonic()}

    def is_over():
        count = len(executed())
        if count != state["count"]:
            state.update(count=count, moved=time.monotonic())
        return len(set(executed())) == CRASH_JOBS or time.monotonic() - state["moved"] > PATIENCE

    until(is_over, 300, pause=0.2)
    time.sleep(1)
    ran = executed()
    child.stop()
    what = "Redis flushed" if flush else "SIGKILL"
    report.add(f"{label}: {what}, jobs that never ran", CRASH_JOBS - len(set(ran)), "jobs")
    report.add(f"{label}: {what}, jobs that ran twice", len(ran) - len(set(ran)), "jobs")
    if len(set(ran)) == CRASH_JOBS:
        report.add(f"{label}: {what}, until all had run", state["moved"] - at, "s")


def tables(report):
    """The tables of docs/performance.md: the fastest first."""
    names = sorted(
        {row.split(":")[0] for row in report.rows}, key=lambda name: -(report.value(f"{name}: drain") or 0))
    speed = report.crossed(
        "queue", [(name, name) for name in names if report.value(f"{name}: drain")],
        [("drain, jobs/s", "drain"), ("enqueue one a call, jobs/s", "enqueue one a call"),
         ("enqueue in batches, jobs/s", "enqueue in batches"), ("submit to start, p50, ms", "submit to start, p50, idle"),
         ("p99, ms", "submit to start, p99, idle")], lambda name, what: f"{name}: {what}")
    crashes = report.crossed(
        f"of {CRASH_JOBS} jobs", [(name, name) for name in names],
        [(f"{word}: {what}", f"{word}, {key}") for word in ("SIGKILL", "Redis flushed")
         for what, key in (("never ran", "jobs that never ran"), ("ran twice", "jobs that ran twice"), ("all had run after, s", "until all had run"))],
        lambda name, what: f"{name}: {what}")
    settings = "\n".join(f"- {name}: {text}" for name, text in report.settings["peers"].items())
    return f"{speed}\n\n{crashes}\n\nSettings:\n\n{settings}"


def main():
    sql, redis = SQL(), Redis()
    peers = [kind(sql, redis) for kind in (Sidekiq, PgQueuer, Dramatiq, Saq, Arq, Celery, Procrastinate)]
    wanted = os.environ.get("PEERS", "").split(",")
    peers = [peer for peer in peers if wanted == [""] or peer.name in wanted]
    report = Report(f"{DIRECTORY}/report.json", {
        **machine(sql, redis), "runs": RUNS, "crash_jobs": CRASH_JOBS, "crash_patience_s": PATIENCE,
        "peers": {"cloudoptim": Ours.settings, **{peer.name: peer.settings for peer in peers}},
    })
    if ("PARTS" in os.environ or "PEERS" in os.environ) and os.path.exists(report.path):
        with open(report.path) as file:
            kept = json.load(file)
        # What is measured now is measured anew.
        names = [peer.name for peer in peers] + (["cloudoptim"] if wanted == [""] or "cloudoptim" in wanted else [])
        crashes = ("SIGKILL", "Redis flushed")

        def is_kept(name):
            part = "crash" if any(word in name for word in crashes) else "speed"
            return part not in PARTS or name.split(":")[0].split(",")[0] not in names

        report.rows = {row["name"]: row for row in kept["rows"] if is_kept(row["name"])}
        report.settings["peers"] = {**kept["settings"]["peers"], **report.settings["peers"]}
    if "speed" in PARTS:
        if wanted == [""] or "cloudoptim" in wanted:
            our_speed(report, sql)
        for peer in peers:
            speed(report, peer)
    if "crash" in PARTS:
        if wanted == [""] or "cloudoptim" in wanted:
            for flush in (False, True):
                crash(report, Ours(sql, redis), "cloudoptim", flush)
        for peer in peers:
            crash(report, peer, peer.name, False)
            if peer.store == "redis":
                crash(report, peer, peer.name, True)
            if peer.name == "celery":
                crash(report, CeleryLate(sql, redis), "celery, late ack", False)
    report.write()
    with open(f"{DIRECTORY}/report.md", "w") as file:
        file.write(tables(report) + "\n")
    shutil.rmtree(f"{HERE}/__pycache__", ignore_errors=True)
    print(f"\n{tables(report)}\n\n{DIRECTORY}/report.json")


main()
