"""make bench: the queue's own figures. bench.py <directory> [quick]. PARTS=a,b runs some parts and keeps the rows of the others
(enqueue, drain, distance, history, kill, pickup, growth)."""

import json
import os
import re
import socket
import subprocess
import sys
import urllib.parse

import common
from common import Redis, Report, SQL, machine
from own import Drain, SCHEMA, SLOTS, bench, memory_of_idle_worker

JOBS = int(os.environ.get("JOBS", "100000"))
RUNS = int(os.environ.get("RUNS", "3"))
HISTORY = int(os.environ.get("HISTORY", "10000000"))
PARTS = os.environ.get("PARTS", "enqueue,drain,distance,history,kill,pickup,growth").split(",")


class Distance:
    """Both servers behind proxies that add a round trip."""

    def __init__(self, milliseconds):
        self.proxies = []
        self.database = self.forward(common.DATABASE_URL, milliseconds)
        self.redis = self.forward(common.REDIS_URL, milliseconds)

    def forward(self, url, milliseconds):
        parts = urllib.parse.urlparse(url)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        here = os.path.dirname(os.path.abspath(__file__))
        proxy = subprocess.Popen(
            [sys.executable, f"{here}/delay.py", str(port), str(parts.port), str(milliseconds)], stdout=subprocess.PIPE)
        proxy.stdout.readline()
        self.proxies.append(proxy)
        return url.replace(f":{parts.port}", f":{port}", 1)

    def end(self):
        for proxy in self.proxies:
            proxy.terminate()
            proxy.wait()


class HeldSnapshot:
    """A transaction that looked once and stays open: nothing that dies after it can be removed."""

    def __init__(self):
        self.sql = SQL()
        self.sql.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
        self.sql.run("SELECT count(*) FROM pg_class")

    def end(self):
        self.sql.run("ROLLBACK")
        self.sql.close()


def enqueue(report):
    bench("prepare")
    for _ in range(RUNS):
        report.add("enqueue, one a call, 1 caller", float(bench("singles", 4000, 1)), "jobs/s")
        report.add("enqueue, one a call, 16 callers", float(bench("singles", 16000, 16)), "jobs/s")
        report.add("enqueue, batches of 1000, 1 caller", float(bench("fill", 200000, 1, 1)), "jobs/s")
        report.add("enqueue, batches of 1000, 2 callers", float(bench("fill", 200000, 1, 2)), "jobs/s")


def drain(report, sql):
    for workers in (1, 2, 4):
        for _ in range(RUNS):
            run = Drain(sql, JOBS, workers)
            name = f"drain, {workers} worker{'s' if workers > 1 else ''}"
            report.add(name, run.rate, "jobs/s")
            if workers == 2:
                report.add("CPU of scheduler and workers (2 workers)", run.cpu_own / JOBS * 1e6, "s per million jobs")
                report.add("CPU of PostgreSQL (2 workers)", run.cpu_server / JOBS * 1e6, "s per million jobs")
                report.add("WAL (2 workers)", run.wal / JOBS, "bytes per job")
                report.add("memory of a busy worker (2 workers)", run.memory, "MB")
                report.add("dead rows in job after the drain (2 workers)", run.dead_rows, "rows")
    for _ in range(RUNS):
        report.add("drain, 2 workers, every claim under an operator's limit and rate", Drain(sql, JOBS // 2, 2, limited=True).rate, "jobs/s")
    report.add("memory of an idle worker", memory_of_idle_worker(), "MB")


def crossings(report, sql, label, clean):
    """Workers x round trip, once each."""
    for milliseconds in (0, 1):
        distance = Distance(milliseconds) if milliseconds else None
        for workers in (1, 2, 4):
            name = f"drain, {workers} worker{'s' if workers > 1 else ''}"
            if milliseconds:
                name += ", 1 ms round trip"
            name += label
            if name in report.rows and "drain" in PARTS:
                continue
            run = Drain(
                sql, JOBS, workers, clean=clean, database=distance and distance.database, redis=distance and distance.redis)
            report.add(name, run.rate, "jobs/s")
        if distance:
            distance.end()


def held(report, sql, label, clean):
    """A snapshot is held while 300,000 jobs come and go, and while the measured ones do."""
    if clean:
        bench("prepare")
    snapshot = HeldSnapshot()
    Drain(sql, 3 * JOBS, 2, clean=False)
    crossings(report, sql, label + ", held xmin", clean=False)
    snapshot.end()


def make_history(sql, rows):
    sql.run(f"SET search_path = {SCHEMA}")
    sql.run(f"""
        INSERT INTO job_history (id, queue, kind, tenant, target, lane, fence, worker_id, run_at, claimed_at, attempt, crashes,
                                 interrupts, snoozes, args, created_at, outcome)
        SELECT encode(int8send((((extract(epoch FROM now()) - 86400) * 1000)::bigint + n / 1000) << 16 | 28672 | n % 4096)
                      || int8send((-9223372036854775808)::bigint + n), 'hex')::uuid,
               'default', 'noop', '', '', 2, 1, '00000000-0000-7000-8000-000000000001', now(), now(), 1, 0, 0, 0, '{{}}', now(),
               'done'
          FROM generate_series(1, {rows}) AS n""")
    sql.run("ANALYZE job_history")


def history(report, sql):
    bench("prepare")
    make_history(sql, HISTORY // 10)
    million = f"{HISTORY // 10_000_000} million" if HISTORY >= 10_000_000 else f"{HISTORY // 10}"
    report.add(f"growth: history of {million} rows, 2 workers", Drain(sql, JOBS, 2, clean=False).rate, "jobs/s")
    make_history(sql, HISTORY - HISTORY // 10)
    label = f", history of {HISTORY // 1_000_000} million"
    report.add(f"enqueue, batches of 1000, 1 caller{label}", float(bench("fill", 200000, 1, 1)), "jobs/s")
    Drain(sql, 1000, 2, clean=False)
    crossings(report, sql, label, clean=False)
    held(report, sql, label, clean=False)


def kill(report, sql):
    run = Drain(sql, 10 * JOBS, 2)
    report.add(f"drain of {10 * JOBS // 1000} thousand, 2 workers", run.rate, "jobs/s")
    run = Drain(sql, 10 * JOBS, 2, kill_every=10)
    report.add(f"drain of {10 * JOBS // 1000} thousand, 2 workers, one killed every 10 s", run.rate, "jobs/s")
    report.add("workers killed in it", run.kills, "times")
    report.add("jobs lost in it", 10 * JOBS - run.done, "jobs")
    report.add("jobs claimed a second time in it", run.repeated, "jobs")


def pickup(report):
    half = int((report.value("drain, 1 worker") or 20000) / 2)
    for _ in range(RUNS):
        for label, jobs, load in (("idle", 1000, 0), ("at half load", 500, half)):
            bench("prepare")
            delays = json.loads(bench("pickup", jobs, load))
            for name, value in sorted(delays.items()):
                what, percentile = name.rsplit("_", 1)
                report.add(f"{what.replace('_', ' ')}, {percentile}, {label}", value, "ms")


def growth(report, sql):
    for backlog in (JOBS // 10, JOBS, 3 * JOBS):
        report.add(f"growth: backlog of {backlog:,}, 2 workers", Drain(sql, backlog, 2).rate, "jobs/s")
    for queues in (10, 100, 1000):
        report.add(f"growth: {queues} queues, 2 workers", Drain(sql, JOBS, 2, queues=queues).rate, "jobs/s")
    for workers in (1, 2, 4, 8):
        report.add(f"growth: {workers} workers of 250 slots", Drain(sql, JOBS, workers, slots=250).rate, "jobs/s")


def raw(report, directory):
    """What the servers do without us, in the same minute."""

    def pgbench(sql, clients):
        path = f"{directory}/raw.sql"
        with open(path, "w") as file:
            file.write(sql)
        answer = subprocess.run(
            ["pgbench", "-n", "-M", "prepared", "-T", "3", "-c", str(clients), "-f", path, common.DATABASE_URL],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        return float(re.search(r"tps = ([\d.]+)", answer.stdout)[1])

    sql = SQL()
    sql.run("DROP TABLE IF EXISTS public.raw; CREATE TABLE public.raw (id bigint, text text)")
    report.add("raw: pgbench, one row a transaction, 1 client", pgbench("INSERT INTO public.raw VALUES (1, 'x');", 1), "rows/s")
    rows = 1000 * pgbench("INSERT INTO public.raw SELECT n, 'x' FROM generate_series(1, 1000) n;", 1)
    report.add("raw: pgbench, a thousand rows a transaction, 1 client", rows, "rows/s")
    url = urllib.parse.urlparse(common.REDIS_URL)
    answer = subprocess.run(
        ["redis-benchmark", "-h", url.hostname, "-p", str(url.port), "--user", "default", "-a", url.password, "-t", "lpush", "-n",
         "20000", "-c", "1", "-q", "--csv"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    report.add("raw: redis-benchmark, LPUSH, 1 client", float(answer.stdout.strip().splitlines()[-1].split(",")[1].strip('"')), "calls/s")
    sql.run("DROP TABLE public.raw")
    sql.close()


def quick(report, sql, directory):
    raw(report, directory)
    one, many, calls = (report.rows[name]["value"] for name in list(report.rows)[:3])
    bench("prepare")
    report.add("enqueue, one a call, 1 caller", float(bench("singles", 300, 1)), "jobs/s")
    report.add("enqueue, batches of 1000, 1 caller", float(bench("fill", 10000, 1, 1)), "jobs/s")
    run = Drain(sql, 10000, 2)
    report.add("drain, 2 workers", run.rate, "jobs/s")
    limited = Drain(sql, 2000, 2, limited=True)
    report.add("drain, 2 workers, every claim under an operator's limit and rate", limited.rate, "jobs/s")
    report.add("jobs lost", 12000 - run.done - limited.done, "jobs")
    bench("prepare")
    delays = json.loads(bench("pickup", 200, 0))
    report.add("push to start, p50, idle", delays["push_to_start_p50"], "ms")
    print("ratios to the raw servers, of the same minute:")
    report.add("ratio: one a call / raw row a transaction", report.value("enqueue, one a call, 1 caller") / one, "times")
    report.add("ratio: batches / raw thousand rows a transaction", report.value("enqueue, batches of 1000, 1 caller") / many, "times")
    report.add("ratio: drain / raw thousand rows a transaction", run.rate / many, "times")
    report.add("ratio: push to start / (raw transaction + LPUSH)",
               delays["push_to_start_p50"] / (1000 / one + 1000 / calls), "times")
    return run.done + limited.done == 12000


def tables(report):
    """The tables of docs/performance.md."""
    places = [
        ("none", ""), ("1 ms round trip", ", 1 ms round trip"), ("held xmin", ", held xmin"),
        ("1 ms, held xmin", ", 1 ms round trip, held xmin")]
    history = f", history of {HISTORY // 1_000_000} million"

    def with_history(place):
        return place.replace(", held", history + ", held") if "held" in place else place + history

    columns = [("1 worker", "1 worker"), ("2 workers", "2 workers"), ("4 workers", "4 workers")]
    rows = [(title, place) for title, place in places]
    rows += [(f"{HISTORY // 1_000_000} million rows of history" + (f", {title}" if place else ""), with_history(place)) for title, place in places]
    matrix = report.crossed("drain, jobs/s, with", rows, columns, lambda row, column: f"drain, {column}{row}")
    shown = {f"drain, {column}{row}" for _, row in rows for _, column in columns}
    rest = [name for name in report.rows if name not in shown]
    return f"{matrix}\n\n{report.markdown(rest)}"


def main():
    directory = sys.argv[1]
    is_quick = sys.argv[2:] == ["quick"]
    sql, redis = SQL(), Redis()
    settings = {
        **machine(sql, redis), "jobs": JOBS, "runs": RUNS, "slots": SLOTS, "binary": os.environ.get("QUEUE_BENCH", "release build"),
        "load": "no-op jobs, empty parameters; servers, scheduler and workers share the cores",
    }
    report = Report(f"{directory}/report.json", settings)
    if "PARTS" in os.environ and os.path.exists(report.path):
        with open(report.path) as file:
            report.rows = {row["name"]: row for row in json.load(file)["rows"]}
        report.kept = set(report.rows)
    if is_quick:
        if not quick(report, sql, directory):
            sys.exit("bench-quick: jobs were lost")
    else:
        if "enqueue" in PARTS:
            enqueue(report)
        if "drain" in PARTS:
            drain(report, sql)
        if "distance" in PARTS:
            crossings(report, sql, "", clean=True)
            held(report, sql, "", clean=True)
        if "history" in PARTS:
            history(report, sql)
        if "kill" in PARTS:
            kill(report, sql)
        if "pickup" in PARTS:
            pickup(report)
        if "growth" in PARTS:
            growth(report, sql)
    report.write()
    with open(f"{directory}/report.md", "w") as file:
        file.write(tables(report) + "\n")
    print(f"\n{tables(report)}\n\n{directory}/report.json")


main()
