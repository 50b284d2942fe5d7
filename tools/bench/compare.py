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

# name, operation of redis or None, of vaultd, what both get, figure (latency cases: at half of the greatest rate)
CASES = [
    ("tokenize", "set", "tokenize", []),
    ("detokenize", "get", "detokenize", []),
    ("tokenize, pipeline 16", "set", "tokenize", ["--pipeline", "16"]),
    ("detokenize, pipeline 16", "get", "detokenize", ["--pipeline", "16"]),
    ("tokenize, batches of 100", "set", "tokenize", ["--batch", "100"]),
    ("detokenize, batches of 100", "get", "detokenize", ["--batch", "100"]),
]


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
        self.log.close()


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
    server.log.flush()
    with open(server.log.name, encoding="utf-8", errors="replace") as handle:
        sys.exit(f"compare: {server.name} does not listen on port {server.port}:\n{handle.read()[-2000:]}")


def stop_process(process, seconds=30):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Meter:
    def __init__(self, arguments, where):
        self.bench = os.path.join(arguments.build, "tools/bench/bench")
        self.arguments, self.where = arguments, where
        self.figures = []
        if not os.access(self.bench, os.X_OK):
            sys.exit(f"compare: there is no {self.bench}: build it first, or run tools/bench/run.sh")

    def run(self, server, operation, *extra):
        """One run of the generator; ends everything when it fails, since such figures are no figures."""
        out = os.path.join(self.where, "figures.json")
        common = ["--connections", str(self.arguments.connections), "--seconds", str(self.arguments.seconds),
                  "--warmup", str(self.arguments.warmup), "--keys", str(self.arguments.keys),
                  "--value-size", str(self.arguments.value_size), "--threads", str(self.arguments.threads)]
        done = subprocess.run([self.bench, server.name, "--mix", operation, "--json", out, *server.options(), *common,
                               *extra], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"compare: {server.name} {operation} {' '.join(extra)}: {done.stderr.strip()}\n{done.stdout}")
        with open(out, encoding="utf-8") as handle:
            figures = json.load(handle)
        self.figures.append(figures)
        return figures, figures["ops"][operation]


def measure_case(meter, servers, case):
    """Rows of (server, items a second, p99 us, server CPU us a call), one a round for each server."""
    _, redis_operation, vault_operation, extra = case
    rows = {server.name: [] for server in servers}
    for _ in range(meter.arguments.rounds):
        for server in servers:
            operation = redis_operation if server.name == "redis" else vault_operation
            figures, of_operation = meter.run(server, operation, *extra)
            rows[server.name].append((of_operation["items_per_s"], of_operation["latency_us"]["p99"],
                                      figures["server_cpu_us_per_call"]))
    return rows


def show_case(case, rows):
    for name, figures in rows.items():
        rate, p99, cpu = (statistics.median(column) for column in zip(*figures))
        ratio = ""
        if name != "redis" and "redis" in rows:
            ratios = [mine[0] / theirs[0] for mine, theirs in zip(figures, rows["redis"])]
            ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"| {case[0]} | {name} | {rate:,.0f} | {p99 / 1000:.2f} | {cpu:.1f} | {ratio} |", flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release", help="build folder")
    parser.add_argument("--only", choices=["redis", "vaultd"], help="one server alone; then there are no ratios")
    parser.add_argument("--case", action="append", help="only cases whose name holds this; may be repeated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--warmup", type=float, default=2)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1, help="of the generator")
    parser.add_argument("--keys", type=int, default=100000, help="values prepared for reading")
    parser.add_argument("--value-size", type=int, default=64)
    parser.add_argument("--json", help="write every run's figures there, one JSON object a line")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    vaultd = os.path.join(arguments.build, "vaultd/vaultd")
    if arguments.only != "redis":
        sys.exit(f"compare: there is no way to start {vaultd} yet; --only redis measures the yardstick alone")
    where = tempfile.mkdtemp(prefix="vaultd-bench-")
    servers = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        meter = Meter(arguments, where)
        servers.append(Redis(where))
        print("| case | server | items/s | p99 ms | server CPU us a call | ratio |\n|---|---|---:|---:|---:|---:|")
        for case in CASES:
            if not arguments.case or any(part in case[0] for part in arguments.case):
                show_case(case, measure_case(meter, servers, case))
        if arguments.json:
            with open(arguments.json, "w", encoding="utf-8") as handle:
                handle.writelines(json.dumps(figures) + "\n" for figures in meter.figures)
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(where)


if __name__ == "__main__":
    main()
