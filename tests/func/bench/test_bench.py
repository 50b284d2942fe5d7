"""The load generator against servers that we wrote to answer well, badly, late or not at all: what it counts is what
was sent, what failed is said, and a stall is felt by every call that fell due meanwhile.
Run as test_bench.py PATH-OF-BENCH."""
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

BENCH = sys.argv.pop(1)


class Server:
    """A RESP server over TLS on a loopback port of its own; answer(command, count) gives the bytes or None to close."""

    def __init__(self, certificate, key, answer):
        self.answer = answer
        self.commands = {}
        self.lock = threading.Lock()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(plain,), daemon=True).start()

    def serve(self, plain):
        try:
            with self.context.wrap_socket(plain, server_side=True) as peer, peer.makefile("rb") as stream:
                while (words := self.read_command(stream)) is not None:
                    with self.lock:
                        self.commands[words[0]] = self.commands.get(words[0], 0) + 1
                    said = self.answer(words)
                    if said is None:
                        return
                    peer.sendall(said)
        except (OSError, ValueError):
            pass

    @staticmethod
    def read_command(stream):
        head = stream.readline()
        if not head:
            return None
        words = []
        for _ in range(int(head[1:])):
            length = int(stream.readline()[1:])
            words.append(stream.read(length + 2)[:-2].decode())
        return words

    def close(self):
        self.listener.close()


def well(words):
    """What redis answers to a SET, GET, MSET, MGET of keys that are there."""
    if words[0] in ("SET", "MSET"):
        return b"+OK\r\n"
    if words[0] == "GET":
        return b"$1\r\nx\r\n"
    return b"*%d\r\n" % (len(words) - 1) + b"$1\r\nx\r\n" * (len(words) - 1)


class Bench(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="vaultd-bench-")
        cls.ca, cls.key = os.path.join(cls.dir, "cert.pem"), os.path.join(cls.dir, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", cls.key, "-out", cls.ca, "-days", "2", "-subj", "/CN=bench",
                        "-addext", "subjectAltName=IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir)

    def run_bench(self, answer, *options, ca=None):
        server = Server(self.ca, self.key, answer)
        self.addCleanup(server.close)
        out = os.path.join(self.dir, "out.json")
        if os.path.exists(out):
            os.remove(out)
        done = subprocess.run([BENCH, "redis", "--port", str(server.port), "--ca", ca or self.ca, "--json", out,
                               "--connections", "4", "--warmup", "0", *options],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        figures = None
        if os.path.exists(out):
            with open(out, encoding="utf-8") as handle:
                figures = json.load(handle)
        return done, figures, server

    def test_it_counts_what_it_sent_once_each(self):
        done, figures, server = self.run_bench(well, "--mix", "set", "--calls", "500", "--pipeline", "3", "--threads", "2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(server.commands, {"SET": 500})
        self.assertEqual(figures["ops"]["set"]["calls"], 500)
        self.assertEqual(figures["ops"]["set"]["items"], 500)
        self.assertEqual(figures["unanswered"], 0)

    def test_what_is_read_was_prepared_before(self):
        done, figures, server = self.run_bench(well, "--mix", "get", "--keys", "1000", "--calls", "50", "--batch", "7")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(server.commands, {"MSET": 10, "MGET": 50})
        self.assertEqual(figures["ops"]["get"]["items"], 350)

    def test_a_mix_sends_every_operation_by_its_weight(self):
        done, figures, _ = self.run_bench(well, "--mix", "get=9,set=1", "--calls", "2000", "--keys", "100")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(figures["ops"]["get"]["calls"] + figures["ops"]["set"]["calls"], 2000)
        self.assertGreater(figures["ops"]["get"]["calls"], 1700)
        self.assertGreater(figures["ops"]["set"]["calls"], 100)

    def test_a_failed_call_fails_the_run_in_the_servers_words(self):
        done, figures, _ = self.run_bench(lambda words: b"-ERR no room\r\n", "--mix", "set", "--calls", "10")
        self.assertEqual(done.returncode, 1)
        self.assertIn("10 of 10 items of set failed, the first with: ERR no room", done.stderr)
        self.assertEqual(figures["ops"]["set"]["failed_items"], 10)

    def test_preparing_that_fails_ends_the_run_before_it_measures(self):
        done, figures, _ = self.run_bench(lambda words: b"-ERR full\r\n", "--mix", "get", "--calls", "10")
        self.assertEqual(done.returncode, 1)
        self.assertIn("Preparing by set failed: ERR full", done.stderr)
        self.assertIsNone(figures)

    def test_a_server_that_hangs_up_fails_the_run(self):
        done, figures, _ = self.run_bench(lambda words: None, "--mix", "set", "--calls", "10")
        self.assertEqual(done.returncode, 1)
        self.assertIn("Receiving failed", done.stderr)
        self.assertIsNone(figures)

    def test_bytes_that_are_no_protocol_fail_the_run(self):
        done, _, _ = self.run_bench(lambda words: b"HTTP/1.1 200 OK\r\n\r\n", "--mix", "set", "--calls", "10")
        self.assertEqual(done.returncode, 1)
        self.assertIn("what the protocol does not allow", done.stderr)

    def test_a_reply_too_many_fails_the_run(self):
        done, _, _ = self.run_bench(lambda words: b"+OK\r\n+OK\r\n", "--mix", "set", "--calls", "10")
        self.assertEqual(done.returncode, 1)
        self.assertIn("what the protocol does not allow", done.stderr)

    def test_a_certificate_that_we_do_not_trust_fails_the_run(self):
        other = os.path.join(self.dir, "other.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", os.devnull, "-out", other, "-days", "2", "-subj", "/CN=other"], check=True,
                       stderr=subprocess.DEVNULL)
        done, _, _ = self.run_bench(well, "--mix", "set", "--calls", "10", ca=other)
        self.assertEqual(done.returncode, 1)
        self.assertIn("certificate verify failed", done.stderr)

    def test_nobody_listening_fails_the_run(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        done = subprocess.run([BENCH, "redis", "--port", str(port), "--ca", self.ca, "--mix", "set"], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)
        self.assertIn("Connection refused", done.stderr)

    def test_a_window_without_an_answer_fails_the_run(self):
        def late(words):
            time.sleep(0.5)
            return well(words)

        done, _, _ = self.run_bench(late, "--mix", "set", "--seconds", "0.1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("No call was answered within the window", done.stderr)

    def test_a_stall_is_felt_by_every_call_that_fell_due_meanwhile(self):
        """A server that answers nobody before 600 ms have passed: in closed loop four calls would notice. The load is the
        same whatever the server does, and half of it fell due at least 300 ms before the first answer."""
        first = []
        lock = threading.Lock()

        def late(words):
            with lock:
                first.append(time.monotonic())
            time.sleep(max(0.0, first[0] + 0.6 - time.monotonic()))
            return well(words)

        load = ("--mix", "set", "--rate", "400", "--seconds", "0.6")
        prompt_run, prompt, _ = self.run_bench(well, *load)
        late_run, stalled, _ = self.run_bench(late, *load)
        self.assertEqual((prompt_run.returncode, late_run.returncode), (0, 0), prompt_run.stderr + late_run.stderr)
        self.assertAlmostEqual(stalled["ops"]["set"]["calls"], prompt["ops"]["set"]["calls"], delta=2)
        self.assertGreater(stalled["ops"]["set"]["calls"], 150)
        self.assertGreater(stalled["ops"]["set"]["latency_us"]["p50"], 200000)


if __name__ == "__main__":
    unittest.main()
