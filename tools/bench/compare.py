"""Alternate runs against vaultd and against redis beside it on this machine, and print their ratios.

redis-server runs with TLS, `appendonly yes`, `appendfsync always`: it stores plaintext and audits nothing, and is the
yardstick of docs/PERFORMANCE.md. Runs alternate because this machine, like any, has moods: a ratio is the median over
rounds of vaultd's figure over that of the redis run just before it. Both are driven by the same generator on the same
cores. Everything lies in a new directory below TMPDIR, on loopback ports that the kernel chose, and is removed at the end;
only processes started here are stopped."""
import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

# name, operation of redis, operation of vaultd, what both get
PAIRS = [
    ("tokenize", "set", "tokenize", []),
    ("detokenize", "get", "detokenize", []),
    ("tokenize, pipeline 16", "set", "tokenize", ["--pipeline", "16"]),
    ("detokenize, pipeline 16", "get", "detokenize", ["--pipeline", "16"]),
    ("tokenize, batches of 100", "set", "tokenize", ["--batch", "100"]),
    ("detokenize, batches of 100", "get", "detokenize", ["--batch", "100"]),
]
TO_THE_END = ["--connections", "1", "--warmup", "0", "--seconds", "3600"]
# name, operation of vaultd, what it gets; redis has nothing like them
ALONE = [
    ("create subjects", "create", []),
    ("import subjects, calls of 1,000 rows", "import", ["--batch", "1000", "--connections", "4"]),
    ("shred one subject, effective", "shred", [*TO_THE_END, "--calls", "200", "--keys", "300"]),
    ("shred 10,000 subjects, effective", "shred", [*TO_THE_END, "--calls", "1", "--keys", "10000", "--batch", "10000"]),
]
PEOPLE = "bench-people"     # the generator's collection
KIB_SUBJECT_TEXT = 317      # each of three: with the other seven fields of the load's people 1 KiB
# {subject} is somebody made for it, {key_file} the file that unseals the vault: it stays what it is
ROTATIONS = [["root"], ["unseal", "--key-file-file", "{key_file}"], ["tree"], ["subject", "--subject", "{subject}"],
             ["subject", "--subject", "{subject}", "--destroy-now"], ["tenant", "--key", "config"],
             ["tenant", "--key", "audit"], ["tenant", "--key", "token"], ["tenant", "--key", "token-seal"],
             ["tenant", "--key", "place"], ["tenant", "--key", "index"]]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Redis:
    name = "redis"

    def __init__(self, where):
        self.where = os.path.join(where, "redis")
        os.mkdir(self.where)
        self.ca, key = os.path.join(self.where, "cert.pem"), os.path.join(self.where, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", self.ca, "-days", "2", "-subj", "/CN=bench",
                        "-addext", "subjectAltName=IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL)
        self.port = free_port()
        self.log = open(os.path.join(self.where, "log"), "wb")
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--tls-port", str(self.port), "--bind", "127.0.0.1", "--tls-cert-file", self.ca,
             "--tls-key-file", key, "--tls-ca-cert-file", self.ca, "--tls-auth-clients", "no", "--tls-protocols", "TLSv1.3",
             "--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0", "--save", "",
             "--dir", self.where, "--daemonize", "no"], stdout=self.log, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL)
        wait_for_port(self)

    def options(self):
        return ["--port", str(self.port), "--ca", self.ca, "--server-pid", str(self.process.pid)]

    def stop(self):
        stop_process(self.process)


class Vaultd:
    """A vault in dev mode: the same code paths as production, a key file and one E0 keeper beside the data."""
    name = "vaultd"

    def __init__(self, where, build):
        self.where, self.binary = os.path.join(where, "vaultd"), os.path.join(build, "vaultd/vaultd")
        os.mkdir(self.where, 0o700)
        self.log = open(os.path.join(where, "vaultd.log"), "ab")
        self.start()

    def start(self):
        began = time.monotonic()
        self.process = subprocess.Popen([self.binary, "--dev", "--data", self.where, "--listen", "127.0.0.1:0"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True)
        said = {}
        for line in self.process.stdout:
            name, _, value = line.rstrip("\n").partition("=")
            said[name] = value
            if name == "ready":
                break
        if "ready" not in said:
            give_up(self, "did not get ready")
        self.start_seconds = time.monotonic() - began
        self.port, self.ca = int(said["address"].rpartition(":")[2]), said["ca"]
        self.credentials = said["credentials"]

    def options(self, role="application"):
        return ["--port", str(self.port), "--ca", self.ca, "--server-pid", str(self.process.pid),
                "--credential-file", os.path.join(self.credentials, role),
                "--admin-credential-file", os.path.join(self.credentials, "administrator")]

    def stored_bytes(self):
        """What the files take on disk; the store grows ahead, and that counts."""
        return sum(os.stat(os.path.join(where, name)).st_blocks * 512
                   for where, _, names in os.walk(self.where) for name in names)

    def stop(self):
        stop_process(self.process)
        self.process.stdout.close()


def give_up(server, what):
    server.log.flush()
    with open(server.log.name, encoding="utf-8", errors="replace") as handle:
        sys.exit(f"compare: {server.name} {what}:\n{handle.read()[-2000:]}")


def wait_for_port(server, seconds=30):
    """Until somebody accepts connections, or the process ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.01)
    give_up(server, f"does not listen on port {server.port}")


def stop_process(process, seconds=30):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Failed(Exception):
    """A run of the generator that failed: such figures are no figures."""


class Meter:
    def __init__(self, arguments, where):
        self.bench = os.path.join(arguments.build, "tools/bench/bench")
        self.arguments, self.where = arguments, where
        self.figures = []
        needed = [self.bench] + ([os.path.join(arguments.build, "vaultd/vaultd")] if arguments.only != "redis" else [])
        for program in needed:
            if not os.access(program, os.X_OK):
                sys.exit(f"compare: there is no {program}: build it first, or run tools/bench/run.sh")

    def run(self, server, operation, *extra, role="application"):
        """The figures of one run of the generator; Failed when it says that they are none."""
        out = os.path.join(self.where, "figures.json")
        common = ["--connections", str(self.arguments.connections), "--seconds", str(self.arguments.seconds),
                  "--warmup", str(self.arguments.warmup), "--keys", str(self.arguments.keys),
                  "--value-size", str(self.arguments.value_size), "--threads", str(self.arguments.threads)]
        options = server.options(role) if server.name == "vaultd" else server.options()
        done = subprocess.run([self.bench, server.name, "--mix", operation, "--json", out, *options, *common, *extra],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Failed(f"{server.name} {operation} {' '.join(extra)}: {done.stderr.strip()}")
        with open(out, encoding="utf-8") as handle:
            figures = json.load(handle)
        self.figures.append(figures)
        return figures


def row_of(figures, operation):
    """(items a second, p50 ms, p99 ms, server CPU us an item) of one run."""
    op = figures["ops"][operation]
    cpu = figures["server_cpu_us_per_call"] * op["calls"] / op["items"]
    return op["items_per_s"], op["latency_us"]["p50"] / 1000, op["latency_us"]["p99"] / 1000, cpu


def show(name, server, rows, ratio=""):
    rate, p50, p99, cpu = (statistics.median(column) for column in zip(*rows))
    print(f"| {name} | {server} | {rate:,.0f} | {p50:.2f} | {p99:.2f} | {cpu:.1f} | {ratio} |", flush=True)


def head():
    print("| case | server | items/s | p50 ms | p99 ms | server CPU us an item | ratio to redis |")
    print("|---|---|---:|---:|---:|---:|---:|", flush=True)


def measure_pair(meter, servers, pair):
    name, redis_operation, vault_operation, extra = pair
    operations = {"redis": redis_operation, "vaultd": vault_operation}
    rows = {server.name: [] for server in servers}
    for _ in range(meter.arguments.rounds):
        for server in servers:
            figures = meter.run(server, operations[server.name], *extra)
            rows[server.name].append(row_of(figures, operations[server.name]))
    for server, of_server in rows.items():
        ratio = ""
        if server == "vaultd" and "redis" in rows:
            ratios = [mine[0] / theirs[0] for mine, theirs in zip(of_server, rows["redis"])]
            ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        show(name, server, of_server, ratio)
    return {server: statistics.median(row[0] for row in of_server) for server, of_server in rows.items()}


def measure_latency(meter, servers, rate):
    """Open loop at the same rate for both: half of what the vault could do at most."""
    operations = {"redis": "set", "vaultd": "detokenize"}
    for server in servers:
        rows = [row_of(meter.run(server, operations[server.name], "--rate", f"{rate:.0f}"), operations[server.name])
                for _ in range(meter.arguments.rounds)]
        show(f"{operations[server.name]}, open loop at {rate:,.0f}/s", server.name, rows)


def measure_alone(meter, vaultd, case):
    name, operation, extra = case
    role = "privacy" if operation == "shred" else "application"
    rows = [row_of(meter.run(vaultd, operation, *extra, role=role), operation) for _ in range(meter.arguments.rounds)]
    show(name, "vaultd", rows)


def measure_weight(meter, vaultd):
    """What a vault with many subjects needs: disk, memory after the load, time from start to ready."""
    count = meter.arguments.subjects
    if count == 0:
        return measure_rest(meter, vaultd)
    before = vaultd.stored_bytes()
    figures = meter.run(vaultd, "create", "--pipeline", "8", "--warmup", "0", "--calls", str(count),
                        "--seconds", "3600")
    stored = vaultd.stored_bytes() - before
    vaultd.stop()
    vaultd.start()
    rested = meter.run(vaultd, "detokenize", "--keys", "1000")
    room = "within what they had grown before"
    if stored > 0:
        room = f"by {stored / 2**20:.0f} MiB, {stored / count:,.0f} bytes each"
    print(f"\n{count:,} subjects: files grew {room}; resident beside the page cache "
          f"{figures['server_anon_kib'] / 1024:.0f} MiB after they were made, {rested['server_anon_kib'] / 1024:.0f} MiB after a "
          f"restart and a run of detokenize; from start to ready, unsealed: {vaultd.start_seconds:.2f} s", flush=True)


def measure_rest(meter, vaultd):
    """Time from start to ready, and memory, of the vault as it is now."""
    vaultd.stop()
    vaultd.start()
    rested = meter.run(vaultd, "detokenize", "--keys", "1000")
    print(f"\nresident beside the page cache {rested['server_anon_kib'] / 1024:.0f} MiB after a restart and a run of "
          f"detokenize; from start to ready, unsealed: {vaultd.start_seconds:.2f} s", flush=True)


def measure_preload(meter, vaultd):
    """Subjects of 1 KiB in three categories, three of their ten fields indexed, imported as a file would be."""
    count = meter.arguments.preload
    before = vaultd.stored_bytes()
    figures = meter.run(vaultd, "import", "--batch", "1000", "--connections", "4", "--warmup", "0", "--calls",
                        str((count + 999) // 1000), "--seconds", "86400", "--value-size", str(KIB_SUBJECT_TEXT))
    show(f"import {count:,} subjects of 1 KiB first", "vaultd", [row_of(figures, "import")])
    grown = (vaultd.stored_bytes() - before) / count
    print(f"\nfiles grew by {grown:,.0f} bytes for each subject of 1,024 bytes, keyring, index and audit log included: "
          f"{grown / 1024:.1f} x; resident beside the page cache {figures['server_anon_kib'] / 1024:.0f} MiB\n", flush=True)
    head()


def vaultctl(meter, vaultd, *words, role="administrator"):
    """What a command answers."""
    done = subprocess.run([os.path.join(meter.arguments.build, "cli/vaultctl"), *words, "--format", "json", "--addr",
                           f"127.0.0.1:{vaultd.port}", "--cacert", vaultd.ca, "--credential-file",
                           os.path.join(vaultd.credentials, role)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"vaultctl {' '.join(words)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def rotated_subject(meter, vaultd):
    """Somebody with rows in three categories, made when first asked for."""
    if not hasattr(vaultd, "rotated"):
        person = {"given_name": "Ada", "city": "Bern", "note": "none"}
        vaultctl(meter, vaultd, "subject", "create", "rotated", "--records", json.dumps({PEOPLE: person}), role="application")
        vaultd.rotated = "rotated"
    return vaultd.rotated


def measure_rotation(meter, vaultd, words):
    """From the call to the end of its job, everything served meanwhile."""
    name = f"rotate {' '.join(words)}"
    given = {"key_file": os.path.join(vaultd.where, "keeper/unseal.key")}
    if "{subject}" in words:
        given["subject"] = rotated_subject(meter, vaultd)
    words = [word.format(**given) for word in words]
    began = time.monotonic()
    job = vaultctl(meter, vaultd, "key", "rotate", *words)["job"]
    while True:
        state = next(row for row in vaultctl(meter, vaultd, "job", "status", "--job", job)["jobs"])
        if state["state"] != "running":
            break
        time.sleep(0.02)
    took = time.monotonic() - began
    if state["state"] != "done":
        raise Failed(f"{name}: {state}")
    print(f"| {name} | vaultd | {1 / took:,.2f} | {took * 1000:,.2f} |  |  |  |", flush=True)


def cases(meter, servers):
    """(name, what to call) of each case, in order."""
    best = {}

    def pair(which):
        best[which[0]] = measure_pair(meter, servers, which)

    vaultd = next((server for server in servers if server.name == "vaultd"), None)
    if vaultd is not None and meter.arguments.preload:
        yield "preload", lambda: measure_preload(meter, vaultd)
    for which in PAIRS:
        yield which[0], lambda which=which: pair(which)
    if vaultd is None:
        return
    if "detokenize" in best:
        yield "latency", lambda: measure_latency(meter, servers, best["detokenize"]["vaultd"] / 2)
    for which in ALONE:
        yield which[0], lambda which=which: measure_alone(meter, vaultd, which)
    for words in ROTATIONS:
        yield f"rotate {' '.join(words)}", lambda words=words: measure_rotation(meter, vaultd, words)
    yield "weight", lambda: measure_weight(meter, vaultd)


def measure_all(meter, servers):
    """True when every case that was wanted has figures."""
    failures = []
    head()
    for name, measure in cases(meter, servers):
        if not meter.arguments.wants(name):
            continue
        try:
            measure()
        except Failed as failed:
            failures.append(name)
            print(f"compare: {name}: {failed}", file=sys.stderr, flush=True)
    return not failures


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release", help="build folder")
    parser.add_argument("--only", choices=["redis", "vaultd"], help="one server alone; then there are no ratios")
    parser.add_argument("--case", action="append", default=[],
                        help="only cases whose name holds this, or latency, or weight; may be repeated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--warmup", type=float, default=2)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1, help="of the generator")
    parser.add_argument("--keys", type=int, default=100000, help="values prepared for reading")
    parser.add_argument("--value-size", type=int, default=64)
    parser.add_argument("--preload", type=int, default=0, help="import so many subjects of 1 KiB before everything else")
    parser.add_argument("--subjects", type=int, default=100000, help="for the case weight, created one by one; 0: none more")
    parser.add_argument("--json", help="write every run's figures there, one JSON object a line")
    arguments = parser.parse_args()
    arguments.wants = lambda name: not arguments.case or any(part in name for part in arguments.case)
    return arguments


def main():
    arguments = parse_arguments()
    where = tempfile.mkdtemp(prefix="vaultd-bench-")
    servers = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        meter = Meter(arguments, where)
        if arguments.only != "vaultd":
            servers.append(Redis(where))
        if arguments.only != "redis":
            servers.append(Vaultd(where, arguments.build))
        is_complete = measure_all(meter, servers)
        if arguments.json:
            with open(arguments.json, "w", encoding="utf-8") as handle:
                handle.writelines(json.dumps(figures) + "\n" for figures in meter.figures)
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(where)
    return 0 if is_complete else 1


if __name__ == "__main__":
    sys.exit(main())
