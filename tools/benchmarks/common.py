"""What the benchmarks share: a report, SQL and Redis by their own clients, processes with their CPU time and memory."""

import json
import os
import signal
import socket
import statistics
import subprocess
import threading
import time
import urllib.parse

TICK = os.sysconf("SC_CLK_TCK")


def plain(url):
    """The same servers without TLS: on loopback it measures OpenSSL."""
    return url + ("&" if "?" in url else "?") + "sslmode=disable"


DATABASE_URL = plain(os.environ["DATABASE_URL"])
REDIS_URL = os.environ["REDIS_URL"]


class Report:
    """Rows of one name, one unit and the value of every run; the median is the row's value."""

    def __init__(self, path, settings):
        self.path = path
        self.settings = settings
        self.rows = {}
        #: Rows of an earlier run: measured again, they begin anew.
        self.kept = set()

    def add(self, name, value, unit):
        if name in self.kept:
            self.kept.remove(name)
            del self.rows[name]
        row = self.rows.setdefault(name, {"name": name, "value": 0, "unit": unit, "runs": []})
        row["runs"].append(round(value, 3))
        row["value"] = round(statistics.median(row["runs"]), 3)
        print(f"  {name}: {number(value)} {unit}", flush=True)
        self.write()  # what was measured is kept, however the run ends

    def value(self, name):
        return self.rows[name]["value"] if name in self.rows else None

    def write(self):
        report = {"verdict": "pass", "settings": self.settings, "rows": list(self.rows.values())}
        with open(self.path + ".new", "w") as file:
            json.dump(report, file, indent=1)
        os.replace(self.path + ".new", self.path)

    def markdown(self, names=None):
        """The rows as they are, of these names or all."""
        lines = ["| what | median | unit | runs |", "|---|---:|---|---|"]
        for row in self.rows.values():
            if names is None or row["name"] in names:
                runs = ", ".join(number(run) for run in row["runs"]) if len(row["runs"]) > 1 else ""
                lines.append(f"| {row['name']} | {number(row['value'])} | {row['unit']} | {runs} |")
        return "\n".join(lines)

    def crossed(self, corner, rows, columns, name):
        """A table of values: `rows` and `columns` are (title, key) pairs, `name(row, column)` the name of a row of the report."""
        lines = [f"| {corner} | " + " | ".join(title for title, _ in columns) + " |", "|---" * (len(columns) + 1) + "|"]
        for title, row in rows:
            values = [self.value(name(row, column)) for _, column in columns]
            if any(value is not None for value in values):
                lines.append(f"| {title} | " + " | ".join("-" if value is None else number(value) for value in values) + " |")
        return "\n".join(lines)


def number(value):
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value == int(value) else f"{value:.2f}"


class SQL:
    """One session of psql that stays open."""

    def __init__(self, schema=None, setup=""):
        self.process = subprocess.Popen(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", DATABASE_URL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lock = threading.Lock()
        self.run(f"SET client_min_messages = warning; SET jit = off; SET idle_in_transaction_session_timeout = 0; {setup}")
        if schema:
            self.run(f"SET search_path = {schema}")

    def run(self, sql):
        """The first column of the first row, or None."""
        with self.lock:
            self.process.stdin.write(f"{sql};\n\\echo ---\n")
            self.process.stdin.flush()
            lines = []
            while True:
                line = self.process.stdout.readline()
                if not line:
                    raise SystemExit(f"psql ended during: {sql[:200]}")
                if line == "---\n":
                    return lines[0].split("|")[0] if lines else None
                lines.append(line.rstrip("\n"))

    def number(self, sql):
        return float(self.run(sql) or 0)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Redis:
    """A few commands over one socket."""

    def __init__(self):
        url = urllib.parse.urlparse(REDIS_URL)
        self.socket = socket.create_connection((url.hostname, url.port))
        self.file = self.socket.makefile("rb")
        if url.password:
            self.run("AUTH", url.password)

    def run(self, *words):
        parts = [str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        return self.reply()

    def reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if int(rest) < 0:
                return None
            return self.file.read(int(rest) + 2)[:-2].decode(errors="replace")
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return rest.decode()


class Child:
    """A process of ours, or a family of them: what they used, and their end."""

    def __init__(self, command, env=None, quiet=True):
        self.log = None if not quiet else subprocess.DEVNULL
        self.process = subprocess.Popen(
            command, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            start_new_session=True)
        self.pid = self.process.pid

    def family(self):
        found, todo = [], [self.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/children") as file:
                        todo += [int(word) for word in file.read().split()]
            except FileNotFoundError:
                pass
        return found

    def cpu(self):
        return sum(cpu_seconds(pid) for pid in self.family())

    def memory(self):
        """Resident megabytes."""
        return sum(resident(pid) for pid in self.family())

    def kill(self):
        for pid in self.family():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.kill()


def cpu_seconds(pid, with_children=False):
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(field) for field in fields[11:15 if with_children else 13]) / TICK


def resident(pid):
    try:
        with open(f"/proc/{pid}/status") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) / 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


class Server:
    """PostgreSQL as the kernel sees it: the CPU time of the postmaster, of its children and of those that have ended."""

    def __init__(self, sql):
        backend = int(sql.run("SELECT pg_backend_pid()"))
        with open(f"/proc/{backend}/stat") as file:
            self.postmaster = int(file.read().rsplit(")", 1)[1].split()[1])

    def cpu(self):
        with open(f"/proc/{self.postmaster}/task/{self.postmaster}/children") as file:
            children = [int(word) for word in file.read().split()]
        return cpu_seconds(self.postmaster, True) + sum(cpu_seconds(pid) for pid in children)


def machine(sql, redis):
    """What a reader needs to know about where the figures come from."""
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")
    settings = {
        name: sql.run(f"SHOW {name}")
        for name in ["server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size"]
    }
    info = dict(line.split(":", 1) for line in redis.run("INFO", "server").split("\r\n") if ":" in line)
    return {
        "cores": os.cpu_count(), "cpu": model, "kernel": os.uname().release, "date": time.strftime("%Y-%m-%d %H:%M"),
        "redis": info.get("redis_version"), "redis_appendonly": redis.run("CONFIG", "GET", "appendonly")[1],
        "tls": "off (loopback)", **{f"postgres_{name}": value for name, value in settings.items()},
    }


def until(condition, seconds, pause=0.05):
    """Whether it came true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(pause)
    return False
