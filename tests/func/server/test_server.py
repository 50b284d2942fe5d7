"""The daemon as clients meet it: who logs in, what is refused and how, hostile and slow peers, and how it ends.
Run as test_server.py PATH-OF-VAULTD."""
import os
import re
import select
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import msgpack

BINARY = sys.argv.pop(1)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from vault_client import ROLES, Client, Daemon, VaultError  # noqa: E402


def locks_memory():
    """The run time libraries of sanitizers answer mlock themselves, and lock nothing."""
    with open(BINARY, "rb") as handle:
        program = handle.read()
    return b"__asan_init" not in program and b"__tsan_init" not in program


def closed(client):
    """Whether the vault has ended the connection: nothing more comes but the end, whatever its manner."""
    try:
        while client.receive_message() is not None:
            pass
    except (ConnectionError, ssl.SSLError):
        pass
    return True


def live_credential(daemon, role):
    """A role's credential of a daemon that may have ended."""
    with open(os.path.join(daemon.data, "credentials", role), encoding="ascii") as handle:
        return handle.read().strip()


def send_until_blocked(client, raw):
    """Send what the vault takes while we read nothing. Returns what is left."""
    client.socket.settimeout(2)
    sent = 0
    try:
        while sent < len(raw):
            sent += client.socket.send(raw[sent:sent + 16384])
    except TimeoutError:
        pass
    client.socket.settimeout(60)
    return raw[sent:]


def exchange(client, raw, count):
    """Send and receive at the same time, on one thread as TLS sockets want it. Returns the messages."""
    messages, sent = [], 0
    client.socket.setblocking(False)
    while len(messages) < count:
        readable, writable, _ = select.select([client.socket], [client.socket] if sent < len(raw) else [], [], 60)
        if not readable and not writable:
            raise TimeoutError(f"{len(messages)} of {count} answers came")
        try:
            if writable:
                sent += client.socket.send(raw[sent:sent + 16384])
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError, BlockingIOError):
            pass
        try:
            while chunk := client.socket.recv(1 << 16):
                client.unpacker.feed(chunk)
        except (ssl.SSLWantReadError, BlockingIOError):
            pass
        messages.extend(client.unpacker)
    client.socket.settimeout(60)
    return messages


class Served(unittest.TestCase):
    """Tests that one daemon can stand in turn, none of which may disturb the next."""

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(BINARY)

    @classmethod
    def tearDownClass(cls):
        code = cls.daemon.stop()
        log = cls.daemon.log()
        cls.daemon.remove()
        assert code == 0, log

    def tearDown(self):
        with self.daemon.client("operator") as client:
            self.assertEqual(client.call("vault.health"), {"state": "ready"})

    # Who calls

    def test_health_and_version_answer_before_login(self):
        with self.daemon.client() as client:
            self.assertEqual(client.call("vault.health"), {"state": "ready"})
            self.assertEqual(client.call("vault.version")["limits"]["frame_bytes"], 16 << 20)

    def test_nothing_else_answers_before_login(self):
        with self.daemon.client() as client:
            for method in ("vault.status", "subject.show", "token.reveal", "no.such.command", ""):
                self.assertEqual(client.refused(method), "unauthenticated", method)

    def test_each_role_logs_in_with_its_file_and_is_told_who_it_is(self):
        for role in ROLES:
            with self.daemon.client() as client:
                said = client.call("auth.login", credential=self.daemon.credential(role))
                self.assertEqual((said["name"], said["role"]), (role, role))
                self.assertEqual(len(said["principal"]), 32)

    def test_a_wrong_credential_is_refused_and_the_right_one_taken_afterwards(self):
        right = self.daemon.credential("operator")
        with self.daemon.client() as client:
            for wrong in ("", "vsk_", right[:-1] + ("a" if right[-1] != "a" else "b"), right.upper(), "x" * 128):
                self.assertIn(client.refused("auth.login", credential=wrong), ("unauthenticated", "argument"), len(wrong))
                self.assertEqual(client.refused("vault.status"), "unauthenticated")
            client.call("auth.login", credential=right)
            self.assertEqual(client.call("vault.status")["state"], "ready")

    def test_calls_sent_behind_a_login_without_waiting_are_those_of_the_credential(self):
        with self.daemon.client() as client:
            login = client.send("auth.login", credential=self.daemon.credential("operator"))
            status = [client.send("vault.status") for _ in range(10)]
            client.receive(login)
            self.assertEqual({client.receive(each)["state"] for each in status}, {"ready"})

    def test_a_second_login_on_a_connection_changes_who_calls(self):
        with self.daemon.client("operator") as client:
            client.call("auth.login", credential=self.daemon.credential("application"))
            self.assertEqual(client.refused("vault.status"), "forbidden")

    def test_a_role_is_refused_what_is_not_its_duty(self):
        with self.daemon.client("application") as client:
            self.assertEqual(client.refused("epoch.close"), "forbidden")
        with self.daemon.client("administrator") as client:
            self.assertEqual(client.refused("subject.list", purpose="service"), "forbidden")

    def test_the_local_socket_is_the_operators_and_ours_alone(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.daemon.said["socket"]).st_mode), 0o600)
        with self.daemon.local() as client:
            self.assertEqual(client.call("vault.status")["state"], "ready")
            self.assertEqual(client.refused("subject.list", purpose="service"), "forbidden")

    # What is sent

    def test_a_thousand_pipelined_calls_are_answered_once_each(self):
        with self.daemon.client("operator") as client:
            sent = [client.send("epoch.status") for _ in range(1000)]
            answered = [client.receive_message() for _ in sent]
            self.assertEqual(sorted(message[1] for message in answered), sent)
            self.assertEqual({message[2] for message in answered}, {None})

    def test_more_calls_than_may_be_under_way_wait_and_are_answered_too(self):
        count = 5000
        raw = b"".join(msgpack.packb([0, number, "epoch.status", {}]) for number in range(count))
        for client in (self.daemon.client("operator"), self.daemon.local()):
            with client:
                answered = exchange(client, raw, count)
                self.assertEqual(sorted(message[1] for message in answered), list(range(count)))
                self.assertEqual({message[2] for message in answered}, {None})

    def test_an_unknown_command_and_a_wrong_argument_leave_the_connection_whole(self):
        with self.daemon.client("operator") as client:
            self.assertEqual(client.refused("no.such.command"), "argument")
            self.assertEqual(client.refused("vault.status", nonsense=1), "argument")
            self.assertEqual(client.refused("vault.status", tenant=7), "type")
            self.assertEqual(client.call("vault.health"), {"state": "ready"})

    def test_params_that_are_no_map_are_refused_under_their_id(self):
        with self.daemon.client("operator") as client:
            for params in (b"\x90", b"\xc0", b"\x05", b"\xa1x"):
                client.send_bytes(b"\x94\x00\x07\xacvault.health" + params)
                kind, answered, error, result = client.receive_message()
                self.assertEqual((kind, answered, error["status"], result), (1, 7, "protocol", None))
            self.assertEqual(client.call("vault.health"), {"state": "ready"})

    def test_a_key_twice_and_an_extension_type_are_refused_under_their_id(self):
        with self.daemon.client("operator") as client:
            client.send_bytes(b"\x94\x00\x08\xacvault.health\x82\xa1k\x01\xa1k\x01")
            self.assertEqual(client.receive_message()[1:3][0], 8)
            client.send_bytes(b"\x94\x00\x09\xacvault.health\x81\xa1k\xd4\x00\x00")
            message = client.receive_message()
            self.assertEqual((message[1], message[2]["status"]), (9, "parse"))

    def test_bytes_that_are_no_request_end_the_connection(self):
        for raw in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\xc1", b"\x00", b"\x93\x02\xa1x\x80", b"\x94\x01\x01\xc0\xc0",
                    b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", *(bytes([first]) + b"\xc1" * 4096 for first in range(256))):
            with self.daemon.client() as client:
                client.send_bytes(raw)
                self.assertTrue(closed(client), raw[:20])

    def test_bytes_that_are_no_tls_end_the_connection(self):
        host, port = self.daemon.address.rsplit(":", 1)
        for raw in (b"GET / HTTP/1.1\r\n\r\n", b"\x94\x00\x01\xacvault.health\x80", bytes(4096)):
            with socket.create_connection((host, int(port)), timeout=30) as plain:
                plain.sendall(raw)
                try:
                    while plain.recv(4096):
                        pass
                except ConnectionError:
                    pass

    def test_older_tls_is_refused(self):
        host, port = self.daemon.address.rsplit(":", 1)
        context = ssl.create_default_context(cafile=self.daemon.said["ca"])
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with socket.create_connection((host, int(port)), timeout=30) as plain:
            with self.assertRaises(ssl.SSLError):
                context.wrap_socket(plain, server_hostname=host)

    def test_a_frame_past_the_limit_before_login_is_refused_with_its_id_and_the_connection_ended(self):
        with self.daemon.client() as client:
            client.send_bytes(b"\x94\x00\x05\xacvault.health\x81\xa1k\xdb" + (20000).to_bytes(4, "big") + bytes(20000))
            kind, answered, error, _ = client.receive_message()
            self.assertEqual((kind, answered, error["status"]), (1, 5, "too-large"))
            self.assertTrue(closed(client))

    def test_the_same_frame_is_read_after_login(self):
        with self.daemon.client("operator") as client:
            self.assertEqual(client.refused("vault.health", k="x" * 20000), "argument")

    def test_a_frame_past_sixteen_mebibyte_is_refused_with_its_id(self):
        with self.daemon.client("operator") as client:
            item = b"\xdb" + (1 << 20).to_bytes(4, "big") + b"x" * (1 << 20)
            try:
                client.send_bytes(b"\x94\x00\x05\xacvault.health\x81\xa1k\xdc\x00\x11" + 17 * item)
            except (ConnectionError, ssl.SSLError):
                pass                                    # it stopped listening before we had sent all of it
            message = client.receive_message()
            self.assertEqual((message[1], message[2]["status"]), (5, "too-large"))
            self.assertTrue(closed(client))

    def test_deep_nesting_and_too_many_items_are_refused_with_their_id(self):
        for params in (b"\x81\xa1k" + b"\x91" * 100000 + b"\xc0", b"\x81\xa1k\xdd" + (1 << 20).to_bytes(4, "big"),
                       b"\x81\xa1k\xdf\xff\xff\xff\xff"):
            with self.daemon.client("operator") as client:
                client.send_bytes(b"\x94\x00\x05\xacvault.health" + params)
                message = client.receive_message()
                self.assertEqual((message[1], message[2]["status"]), (5, "too-large"))
                self.assertTrue(closed(client))

    def test_a_frame_sent_byte_by_byte_is_one_frame(self):
        with self.daemon.client() as client:
            for byte in b"\x94\x00\x07\xacvault.health\x80":
                client.send_bytes(bytes([byte]))
            self.assertEqual(client.receive_message(), [1, 7, None, {"state": "ready"}])

    # How peers behave

    def test_a_half_closed_connection_gets_its_answers_and_the_end(self):
        with self.daemon.client("operator") as client:
            sent = [client.send("epoch.status") for _ in range(200)]
            socket.socket.shutdown(client.socket, socket.SHUT_WR)
            answered = [client.receive_message() for _ in sent]
            self.assertEqual(sorted(message[1] for message in answered), sent)
            self.assertTrue(closed(client))
        with self.daemon.local() as client:
            sent = client.send("epoch.status")
            client.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(client.receive(sent)["pending"], 0)
            self.assertIsNone(client.receive_message())

    def test_a_peer_that_vanishes_with_calls_under_way_disturbs_nobody(self):
        for _ in range(20):
            client = self.daemon.client("operator")
            for _ in range(50):
                client.send("epoch.status")
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            client.close()                              # a reset, answers unread

    def test_a_slow_reader_holds_nobody_up_and_loses_nothing(self):
        count = 80000                                   # more, either way, than the kernel's buffers hold
        with self.daemon.client() as slow, self.daemon.client("operator") as quick:
            params = {"request_id": "x" * 64}
            raw = b"".join(msgpack.packb([0, number, "vault.version", params]) for number in range(count))
            left = send_until_blocked(slow, raw)        # nobody reads: the vault stops listening to us
            self.assertNotEqual(left, b"")
            for _ in range(100):
                self.assertEqual(quick.call("vault.status")["state"], "ready")
            answered = exchange(slow, left, count)
            self.assertEqual(sorted(message[1] for message in answered), list(range(count)))

    def test_many_connections_at_once_are_all_served(self):
        clients = [self.daemon.client() for _ in range(100)]
        sent = [client.send("vault.health") for client in clients]
        self.assertEqual([client.receive(each)["state"] for client, each in zip(clients, sent)], ["ready"] * 100)
        for client in clients:
            client.close()

    # What is written where

    def test_credentials_lie_in_files_of_ours_alone_and_nowhere_else(self):
        printed = self.daemon.log() + repr(self.daemon.said)
        with open(f"/proc/{self.daemon.pid}/cmdline", encoding="utf-8") as handle:
            printed += handle.read()
        for role in ROLES:
            path = os.path.join(self.daemon.said["credentials"], role)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            self.assertNotIn(self.daemon.credential(role), printed)
        self.assertIn("DEV MODE", printed)

    def test_what_callers_send_is_never_in_the_log(self):
        with self.daemon.client("application") as client:
            client.refused("canary.method.7c1f")
            client.refused("subject.show", subject="canary-subject-7c1f", purpose="service")
            client.refused("auth.login", credential="canary-credential-7c1f")
        self.assertNotIn("canary", self.daemon.log())


class Life(unittest.TestCase):
    """Starting, restarting, ending."""

    def daemon(self, **options):
        daemon = Daemon(BINARY, **options)
        self.addCleanup(daemon.remove)
        return daemon

    def fails(self, *arguments):
        """Run vaultd, expect it to end by itself. Returns (exit code, what it said)."""
        done = subprocess.run([BINARY, *arguments], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        return done.returncode, done.stderr

    def config(self, daemon_or_dir, text):
        directory = tempfile.mkdtemp(prefix="vaultd-func-")
        self.addCleanup(lambda: subprocess.run(["rm", "-rf", directory], check=True))
        path = os.path.join(directory, "vaultd.yaml")
        with open(path, "w", encoding="utf-8") as handle:
            handle.write(text)
        return path

    def test_sigterm_and_sigint_end_it_with_exit_code_zero(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            self.assertEqual(self.daemon().stop(number), 0)

    def test_the_local_socket_is_gone_after_a_stop(self):
        daemon = self.daemon()
        path = daemon.said["socket"]
        self.assertEqual(daemon.stop(), 0)
        self.assertFalse(os.path.exists(path))

    def test_calls_under_way_at_sigterm_are_answered_or_refused_as_shutting_down(self):
        daemon = self.daemon()
        with daemon.client("operator") as client:
            sent = [client.send("vault.status") for _ in range(1000)]
            client.receive(sent[0])
            daemon.process.send_signal(signal.SIGTERM)
            refused = 0
            try:
                for each in sent[1:]:
                    try:
                        client.receive(each)
                    except VaultError as refusal:
                        self.assertEqual(refusal.status, "shutting-down")
                        refused += 1
            except (ConnectionError, ssl.SSLError):
                self.fail("the connection ended with calls unanswered")
            self.assertLess(refused, 999)
            self.assertTrue(closed(client))
        self.assertEqual(daemon.wait(), 0)

    def test_what_was_acknowledged_is_there_after_a_kill(self):
        daemon = self.daemon()
        with daemon.client("administrator") as client:
            secret = client.call("credential.create", name="kept", role="auditor")["secret"]
        old = daemon.credential("operator")
        self.assertEqual(daemon.kill(), -signal.SIGKILL)
        daemon.start()
        self.assertEqual(daemon.credential("operator"), old)
        with daemon.client() as client:
            self.assertEqual(client.call("auth.login", credential=secret)["name"], "kept")

    def test_a_revoked_credential_is_refused_at_its_next_call(self):
        daemon = self.daemon()
        with daemon.client("administrator") as admin, daemon.client("operator") as client:
            self.assertEqual(client.call("vault.status")["state"], "ready")
            admin.call("credential.revoke", name="operator")
            self.assertEqual(client.refused("vault.status"), "credential-revoked")
            self.assertTrue(closed(client))
            with daemon.client() as again:
                self.assertEqual(again.refused("auth.login", credential=daemon.credential("operator")), "credential-revoked")

    def test_a_second_daemon_on_the_same_data_is_refused(self):
        daemon = self.daemon()
        code, said = self.fails("--dev", "--data", daemon.data, "--listen", "127.0.0.1:0")
        self.assertEqual(code, 8, said)
        self.assertIn("Another process uses this data directory.", said)
        with daemon.local() as client:
            self.assertEqual(client.call("vault.health"), {"state": "ready"})

    def test_a_port_on_which_somebody_answers_is_refused(self):
        daemon, other = self.daemon(), tempfile.mkdtemp(prefix="vaultd-func-")
        self.addCleanup(lambda: subprocess.run(["rm", "-rf", other], check=True))
        code, said = self.fails("--dev", "--data", other, "--listen", daemon.address)
        self.assertEqual(code, 9, said)
        self.assertIn("Somebody else answers", said)

    def test_a_data_directory_that_others_may_enter_is_refused(self):
        with tempfile.TemporaryDirectory(prefix="vaultd-func-") as directory:
            os.chmod(directory, 0o755)
            code, said = self.fails("--dev", "--data", directory, "--listen", "127.0.0.1:0")
            self.assertEqual(code, 5, said)
            self.assertIn("mode 0700", said)

    def test_sighup_reads_the_tls_certificate_again(self):
        daemon = self.daemon()
        tls = os.path.join(daemon.data, "tls")
        kept = daemon.client("operator")
        self.addCleanup(kept.close)
        with open(os.path.join(tls, "server.pem"), "r+", encoding="ascii") as handle:
            whole = handle.read()
            handle.seek(0)
            handle.truncate()
        daemon.process.send_signal(signal.SIGHUP)
        self.wait_for_log(daemon, r"event=server.reload status=(?!ok)")
        with daemon.client() as client:                 # the old one stays in use
            self.assertEqual(client.call("vault.health"), {"state": "ready"})
        with open(os.path.join(tls, "server.pem"), "w", encoding="ascii") as handle:
            handle.write(whole)
        daemon.process.send_signal(signal.SIGHUP)
        self.wait_for_log(daemon, r"event=server.reload status=ok")
        self.assertEqual(kept.call("vault.status")["state"], "ready")
        self.assertEqual(daemon.stop(), 0)

    def test_sighup_reads_the_settings_again_and_refuses_wrong_ones(self):
        path = self.config(None, "log: {level: info}\n")
        daemon = self.daemon(arguments=["--config", path])
        with open(path, "w", encoding="utf-8") as handle:
            handle.write("log: {level: loud}\n")
        daemon.process.send_signal(signal.SIGHUP)
        self.wait_for_log(daemon, r"event=server.reload status=invalid-value message=.*line 1: log.level must be")
        with open(path, "w", encoding="utf-8") as handle:
            handle.write("quorum: 3\n")
        daemon.process.send_signal(signal.SIGHUP)
        self.wait_for_log(daemon, r"event=server.reload status=invalid-value message=.*quorum is larger")
        with open(path, "w", encoding="utf-8") as handle:
            handle.write("log: {level: error}\n")
        daemon.process.send_signal(signal.SIGHUP)
        with daemon.client("operator") as client:
            self.assertEqual(client.call("vault.status")["state"], "ready")
        self.assertEqual(daemon.stop(), 0)
        self.assertNotIn("event=server.stopped", daemon.log())

    def wait_for_log(self, daemon, pattern):
        for _ in range(600):
            if re.search(pattern, daemon.log()):
                return
            threading.Event().wait(0.05)
        self.fail(f"{pattern} never came: {daemon.log()}")

    def test_a_connection_that_never_speaks_tls_is_closed(self):
        daemon = self.daemon(arguments=["--config", self.config(None, "timeouts: {handshake_ms: 300}\n")])
        host, port = daemon.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=60) as plain:
            self.assertEqual(plain.recv(1), b"")

    def test_a_connection_that_never_logs_in_is_closed(self):
        daemon = self.daemon(arguments=["--config", self.config(None, "timeouts: {login_ms: 300}\n")])
        with daemon.client() as client, daemon.client("operator") as other:
            self.assertTrue(closed(client))
            self.assertEqual(other.call("vault.status")["state"], "ready")

    def test_calls_before_login_do_not_keep_a_connection_open(self):
        daemon = self.daemon(arguments=["--config", self.config(None, "timeouts: {login_ms: 300}\n")])
        with daemon.client() as client:
            try:
                for _ in range(600):
                    client.call("vault.health")
                    threading.Event().wait(0.05)
                self.fail("the connection was never closed")
            except (ConnectionError, ssl.SSLError):
                pass

    def test_strangers_cannot_keep_the_operator_out(self):
        daemon = self.daemon(arguments=["--config", self.config(None, "connections: {max: 2}\n")])
        with daemon.client() as first, daemon.client() as second, daemon.local() as operator:
            self.assertEqual(operator.call("vault.status")["state"], "ready")
            self.assertEqual(first.call("vault.health"), second.call("vault.health"))

    @unittest.skipUnless(locks_memory(), "built with a sanitizer")
    @unittest.skipIf(shutil.which("prlimit") is None or (os.geteuid() == 0 and shutil.which("setpriv") is None),
                     "the right to lock memory cannot be given up here")
    def test_status_says_that_stacks_of_threads_are_not_locked_when_only_the_arena_is(self):
        folder = tempfile.mkdtemp(prefix="vaultd-func-")
        self.addCleanup(shutil.rmtree, folder)
        limited = os.path.join(folder, "limited")
        less = "setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock" if os.geteuid() == 0 else ""
        with open(limited, "w", encoding="ascii") as handle:
            handle.write(f'#!/bin/sh\nexec prlimit --memlock=1048576:1048576 {less} "{os.path.abspath(BINARY)}" "$@"\n')
        os.chmod(limited, 0o700)
        daemon = Daemon(limited)
        self.addCleanup(daemon.remove)
        with daemon.client("operator") as client:
            status = client.call("vault.status")
        self.assertEqual(status["memory"]["limit_bytes"], 1048576)
        self.assertGreater(status["memory"]["stack_bytes"], 1048576)
        self.assertLessEqual(status["memory"]["locked_stack_bytes"] + status["memory"]["locked_bytes"], 1048576)
        self.assertTrue([warning for warning in status["warnings"] if "memory that is not locked" in warning])

    def test_dev_mode_listens_on_loopback_only(self):
        for listen in ("0.0.0.0:0", "[::]:0", "192.0.2.1:0", "localhost.example:0"):
            with tempfile.TemporaryDirectory(prefix="vaultd-func-") as directory:
                code, said = self.fails("--dev", "--data", directory, "--listen", listen)
                self.assertEqual(code, 3, said)
                self.assertIn("loopback", said)

    def test_an_idle_connection_is_closed(self):
        daemon = self.daemon(arguments=["--config", self.config(None, "timeouts: {idle_ms: 300}\n")])
        with daemon.client("operator") as client:
            self.assertTrue(closed(client))

    def test_connections_past_the_maximum_are_turned_away(self):
        daemon = self.daemon(arguments=["--config", self.config(None, "connections: {max: 2}\n")])
        with daemon.client() as first, daemon.client() as second:
            with self.assertRaises((ConnectionError, ssl.SSLError)):
                with daemon.client() as third:
                    third.call("vault.health")
            self.assertEqual(first.call("vault.health"), second.call("vault.health"))

    def test_a_full_queue_answers_busy_and_loses_nothing(self):
        settings = "committer: {queue: 16, batch: 1}\nthreads: {network: 1}\n"
        daemon = self.daemon(arguments=["--config", self.config(None, settings)])
        with daemon.client("operator") as client:
            sent, busy, fine = [client.send("epoch.status") for _ in range(1000)], 0, 0
            for each in sent:
                try:
                    client.receive(each)
                    fine += 1
                except VaultError as refusal:
                    self.assertEqual(refusal.status, "busy")
                    self.assertGreater(refusal.error["retry_after_ms"], 0)
                    busy += 1
            self.assertGreater(fine, 15)
            self.assertGreater(busy, 0)
            self.assertEqual(client.call("epoch.status")["pending"], 0)

    def bounded(self, connection_mib, total_mib):
        """A daemon with little memory for calls, and ada, whose record is of 250,000 bytes."""
        settings = (f"connections: {{memory_mib: {connection_mib}, memory_total_mib: {total_mib}}}\n"
                    "threads: {network: 1}\n")
        daemon = self.daemon(arguments=["--config", self.config(None, settings)])
        with daemon.client("administrator") as client:
            client.call("schema.apply", schema="name: letters\ndoc: Long ones.\ncardinality: many\n"
                                               "fields: [{name: body, type: text, options: {max: 262144}, category: A, doc: b}]\n")
        with daemon.client("application") as client:
            client.call("subject.create", external_id="ada")
            self.letter = client.call("record.put", subject="ada", collection="letters",
                                      fields={"body": "x" * 250000})["record"]
        return daemon

    def letters(self, count):
        """Requests for the letter, as one piece of bytes."""
        params = {"subject": "ada", "collection": "letters", "record": self.letter, "purpose": "service", "view": "plain"}
        return b"".join(msgpack.packb([0, number, "record.get", params]) for number in range(count))

    def held(self, local):
        return local.call("vault.status")["connections"]

    def anonymous_mib(self, daemon):
        with open(f"/proc/{daemon.pid}/status", encoding="ascii") as handle:
            return next(int(line.split()[1]) // 1024 for line in handle if line.startswith("RssAnon:"))

    def test_a_client_that_asks_for_much_and_reads_nothing_is_waited_for_and_the_memory_it_holds_is_bounded(self):
        daemon, count = self.bounded(32, 128), 400              # 200 MB, if all were held at once
        with daemon.local() as local, daemon.client("application") as greedy, daemon.client("operator") as quick:
            before_mib = self.anonymous_mib(daemon)
            left = send_until_blocked(greedy, self.letters(count))
            while self.held(local)["stalls"] == 0:
                time.sleep(0.05)
            for _ in range(100):
                self.assertEqual(quick.call("vault.status")["state"], "ready")
            held = self.held(local)
            self.assertLess(held["most_held_bytes"], 48 << 20)
            self.assertLess(self.anonymous_mib(daemon) - before_mib, 160)
            answered = exchange(greedy, left, count)
            self.assertEqual(sorted(message[1] for message in answered), list(range(count)))
            self.assertEqual([message[2] for message in answered if message[2] is not None], [])
            self.assertLess(self.held(local)["most_held_bytes"], 48 << 20)
            self.assertEqual(self.held(local)["busy"], 0)
            while self.held(local)["held_bytes"] > 4 << 20:
                time.sleep(0.05)
        self.assertEqual(daemon.stop(), 0)
        self.assertRegex(daemon.log(), "event=conn.memory stalls=[1-9][0-9]* busy=0 held_bytes=")

    def test_many_such_clients_together_are_bounded_too_and_who_asks_for_little_is_served(self):
        daemon = self.bounded(32, 48)
        with daemon.local() as local, daemon.client("operator") as quick:
            greedy = [daemon.client("application") for _ in range(6)]
            for client in greedy:
                client.socket.settimeout(1)
                try:
                    client.send_bytes(self.letters(150))
                except TimeoutError:
                    pass
            while self.held(local)["stalls"] < 2:
                time.sleep(0.05)
            for _ in range(100):
                self.assertEqual(quick.call("vault.status")["state"], "ready")
            self.assertLess(self.held(local)["most_held_bytes"], 80 << 20)
            for client in greedy:
                client.close()
            while self.held(local)["held_bytes"] > 4 << 20:
                time.sleep(0.05)
            with daemon.client("application") as again:         # and when they have gone, large answers come again
                self.assertEqual(len(exchange(again, self.letters(10), 10)), 10)

    def test_exports_that_nobody_takes_are_refused_as_busy_rather_than_piled_up(self):
        daemon, count = self.bounded(32, 48), 30                # 5 MB each, and no telling before they have run
        with daemon.client("application") as client:
            for _ in range(19):
                client.call("record.put", subject="ada", collection="letters", fields={"body": "y" * 250000})
        with daemon.local() as local, daemon.client("privacy") as greedy:
            params = {"subject": "ada", "purpose": "rights"}
            raw = b"".join(msgpack.packb([0, number, "subject.export", params]) for number in range(count))
            self.assertEqual(send_until_blocked(greedy, raw), b"")
            while self.held(local)["busy"] == 0:
                time.sleep(0.05)
            answered = exchange(greedy, b"", count)
            self.assertEqual(sorted(message[1] for message in answered), list(range(count)))
            refused = [message[2] for message in answered if message[2] is not None]
            self.assertEqual({error["status"] for error in refused}, {"busy"})
            self.assertGreater(min(error["retry_after_ms"] for error in refused), 0)
            self.assertLess(len(refused), count)
            self.assertEqual(self.held(local)["busy"], len(refused))
            greedy.call("subject.export", **params)             # and when there is room it is answered again

    def test_parts_of_large_calls_that_never_end_are_refused_when_their_memory_is_needed(self):
        daemon = self.bounded(32, 48)
        params = {f"p{number}": "x" * 1000000 for number in range(14)}
        part = msgpack.packb([0, 77, "vault.version", params])[:-1]
        with daemon.local() as local, daemon.client("operator") as quick:
            hoarders, refused = [daemon.client("application") for _ in range(6)], 0
            for client in hoarders:
                client.socket.settimeout(2)
                try:
                    client.send_bytes(part)
                except OSError:                                 # stopped, or refused and closed already
                    pass
            while self.held(local)["busy"] == 0:
                time.sleep(0.05)
            for _ in range(100):
                self.assertEqual(quick.call("vault.status")["state"], "ready")
            self.assertLess(self.held(local)["most_held_bytes"], 80 << 20)
            for client in hoarders:
                try:
                    message = client.receive_message()
                except OSError:
                    continue
                self.assertEqual((message[1], message[2]["status"]), (77, "busy"))
                refused += 1
            self.assertGreater(refused, 0)
            self.assertLess(refused, len(hoarders))             # no more than need be
            for client in hoarders:
                client.close()
        self.assertEqual(daemon.stop(), 0)

    def test_a_part_of_a_large_call_that_came_while_there_was_room_is_refused_when_its_memory_is_needed(self):
        daemon = self.bounded(32, 34)
        part = msgpack.packb([0, 77, "vault.version", {f"p{number}": "x" * 1000000 for number in range(14)}])[:-1]
        with daemon.local() as local:
            hoarders = [daemon.client("application") for _ in range(2)]         # a buffer of 16 MiB each
            for client in hoarders:
                client.send_bytes(part)
            while self.held(local)["held_bytes"] < 32 << 20:
                time.sleep(0.05)
            time.sleep(0.6)                                     # each has been looked at since
            self.assertEqual((self.held(local)["stalls"], self.held(local)["busy"]), (0, 0))
            raw = msgpack.packb([0, 78, "vault.version", {"p": "x" * 250000}])
            others = [daemon.client("application") for _ in range(20)]          # a buffer of 256 KiB each
            for client in others:
                client.send_bytes(raw[:180000])
            refused = select.select([client.socket for client in hoarders], [], [], 60)[0]
            self.assertEqual(len(refused), 1)                   # which is enough
            message = next(client for client in hoarders if client.socket in refused).receive_message()
            self.assertEqual((message[1], message[2]["status"]), (77, "busy"))
            for client in others:
                client.send_bytes(raw[180000:])
                message = client.receive_message()
                self.assertEqual((message[1], message[2]["status"]), (78, "argument"))
            self.assertEqual(self.held(local)["busy"], 1)
            for client in hoarders + others:
                client.close()

    def test_parts_of_small_calls_are_read_to_their_end_even_when_they_hold_all_the_memory_there_is(self):
        daemon, parts = self.bounded(32, 32), (180000, 181000, 200000)
        raw = msgpack.packb([0, 77, "vault.version", {"p": "x" * 250000}])
        with daemon.local() as local:
            clients = [daemon.client("application") for _ in range(150)]        # a buffer of 256 KiB each
            for client in clients:
                client.send_bytes(raw[:parts[0]])
            while self.held(local)["held_bytes"] < 36 << 20:
                time.sleep(0.05)
            for begin, end in zip(parts, parts[1:]):
                for client in clients:
                    client.send_bytes(raw[begin:end])
                time.sleep(0.6)                                 # each is looked at twice meanwhile
            self.assertGreaterEqual(self.held(local)["held_bytes"], 32 << 20)
            for client in clients:
                client.send_bytes(raw[parts[-1]:])
            for client in clients:
                message = client.receive_message()
                self.assertEqual((message[1], message[2]["status"]), (77, "argument"))
                client.close()
            self.assertEqual(self.held(local)["busy"], 0)
        self.assertEqual(daemon.stop(), 0)

    def test_where_the_store_of_a_vault_is_gone_nothing_is_made_in_its_place(self):
        live = self.daemon()
        live.stop()
        gone = os.path.join(live.root, "gone")
        path = self.config(None, f"data_dir: {gone}\nlisten: 127.0.0.1:0\ntls: {{certificate: {live.data}/tls/server.pem, "
                                 f"key: {live.data}/tls/server.key}}\n"
                                 f"keepers: [{{name: local, file: {live.data}/keeper/keeper-1.vtk}}]\n")
        code, said = self.fails("--config", path)
        self.assertEqual(code, 5, said)
        self.assertIn("keeper local holds a share of some vault already: put the store's files back", said)
        self.assertFalse(os.path.exists(gone))

    def test_a_production_vault_starts_sealed_and_is_opened_over_the_local_socket(self):
        made = self.daemon()                            # its TLS certificates will do
        made.stop()
        directory = tempfile.mkdtemp(prefix="vaultd-func-")
        self.addCleanup(lambda: subprocess.run(["rm", "-rf", directory], check=True))
        data, keeper, journal = (os.path.join(directory, name) for name in ("data", "keeper.vtk", "journal"))
        elsewhere = self.other_device(directory)
        if elsewhere is not None:
            journal = os.path.join(elsewhere, "journal")
        settings = (f"data_dir: {data}\nlisten: 127.0.0.1:0\ntls: {{certificate: {made.data}/tls/server.pem, "
                    f"key: {made.data}/tls/server.key}}\nkeepers: [{{name: local, file: {keeper}}}]\n"
                    f"journal: {{dir: {journal}}}\n")
        daemon = Daemon(BINARY, directory=directory, dev=False, arguments=["--config", self.config(None, settings)])
        self.addCleanup(daemon.remove)
        ca = os.path.join(made.data, "tls", "ca.pem")
        with daemon.local() as local:
            self.assertEqual(local.call("vault.health"), {"state": "not-initialised"})
            self.assertEqual(local.refused("epoch.status"), "not-initialised")
            secret = local.call("vault.init", passphrase="correct horse")["credentials"][0]["secret"]
            with self.assertRaisesRegex(VaultError, "^exists: The vault is initialised already"):
                local.call("vault.init", passphrase="another")
            with self.assertRaisesRegex(VaultError, "^state: The vault is open"):
                local.call("vault.unseal", passphrase="correct horse")
        with Client(daemon.address, ca, secret) as client:
            self.assertEqual(client.call("vault.status")["state"], "ready")
            self.assertEqual(client.refused("vault.unseal", passphrase="x"), "forbidden")
        self.assertEqual(daemon.stop(), 0)

        daemon.start()
        with Client(daemon.address, ca) as client, daemon.local() as local:
            self.assertEqual(client.call("vault.health"), {"state": "sealed"})
            self.assertEqual(client.refused("auth.login", credential=secret), "sealed")
            self.assertEqual(local.refused("vault.unseal", passphrase="wrong"), "wrong-secret")
            self.assertEqual(client.call("vault.health"), {"state": "sealed"})
            self.assertEqual(local.call("vault.unseal", passphrase="correct horse")["state"], "ready")
            client.call("auth.login", credential=secret)
            self.assertEqual(client.call("vault.status")["state"], "ready")
            self.assertIn("everything: no backup is registered", client.call("vault.status")["loss_bound"])
            local.call("backup.create", to=os.path.join(directory, "backup"))
            made_at = local.call("backup.list")["backups"][0]["created_at"]
            status = client.call("vault.status")
            self.assertEqual(status["journal"]["same_device"], elsewhere is None)
            self.assertEqual(status["backup"], {"registered": 1, "last": made_at})
            if elsewhere is not None:
                self.assertIn(f"since the backup of {made_at}; backup", status["loss_bound"])
                self.assertFalse([sentence for sentence in status["warnings"] if "journal" in sentence])
        self.assertEqual(daemon.stop(), 0)

    def other_device(self, directory):
        """A directory on another device than this one, or None where the machine has none."""
        if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(directory).st_dev:
            return None
        other = tempfile.mkdtemp(prefix="vaultd-func-", dir="/dev/shm")
        self.addCleanup(shutil.rmtree, other)
        return other

    def test_a_journal_beside_the_store_is_a_warning_and_no_help_against_a_lost_disk(self):
        root = tempfile.mkdtemp(prefix="vaultd-func-")
        self.addCleanup(shutil.rmtree, root)
        daemon = Daemon(BINARY, directory=root, arguments=["--journal", os.path.join(root, "journal")])
        self.addCleanup(daemon.remove)
        with daemon.local() as local:
            local.call("backup.create", to=os.path.join(root, "backup"))
            status = local.call("vault.status")
        self.assertTrue(status["journal"]["same_device"])
        self.assertIn("would lose everything: the journal, which reaches back to the backup", status["loss_bound"])
        self.assertIn("The journal lies on the store's own device: losing the disk loses both.", status["warnings"])
        self.assertEqual(daemon.stop(), 0)

    def test_a_copy_is_served_read_only_with_the_live_vaults_keeper_untouched(self):
        live = self.daemon()
        self.assertEqual(live.stop(), 0)
        copy = os.path.join(live.root, "copy")
        shutil.copytree(os.path.join(live.data, "store"), os.path.join(copy, "store"))
        os.chmod(copy, 0o700)
        keeper = os.path.join(live.data, "keeper", "keeper-1.vtk")
        arguments = ["--dev", "--read-only", "--data", copy, "--listen", "127.0.0.1:0", "--keeper-file", keeper,
                     "--unseal-key", os.path.join(live.data, "keeper", "unseal.key")]
        with open(keeper, "rb") as handle:
            before = handle.read()
        served = Daemon(BINARY, directory=live.root, dev=False, arguments=arguments)
        self.addCleanup(served.remove)
        credential = live_credential(live, "administrator")
        with Client(served.address, served.said["ca"], credential) as client:
            self.assertEqual(client.call("vault.health"), {"state": "read-only"})
            self.assertEqual(client.call("vault.status")["state"], "read-only")
            self.assertEqual(client.refused("credential.create", name="x", role="auditor"), "read-only")
        with served.local() as local:
            self.assertEqual(local.refused("epoch.close"), "read-only")
        self.assertEqual(served.stop(), 0)
        with open(keeper, "rb") as handle:
            self.assertEqual(handle.read(), before)
        live.start()                                    # and the live vault's lock was never taken

    def test_a_restored_copy_is_served_while_the_live_vault_goes_on_until_its_epoch_closes(self):
        live = self.daemon()
        self.assertEqual(live.stop(), 0)
        backup, copy, stolen = (os.path.join(live.root, name) for name in ("backup", "copy", "stolen"))
        shutil.copytree(os.path.join(live.data, "store"), os.path.join(stolen, "store"))
        os.chmod(stolen, 0o700)
        live.start()
        keeper = os.path.join(live.data, "keeper", "keeper-1.vtk")
        served_as = ["--dev", "--read-only", "--listen", "127.0.0.1:0", "--keeper-file", keeper,
                     "--unseal-key", os.path.join(live.data, "keeper", "unseal.key"), "--data"]
        arguments = [*served_as, copy]
        with live.client("operator") as operator:
            operator.call("backup.create", to=backup)
            operator.call("backup.restore", **{"from": backup, "to": copy, "check_only": True})
            operator.call("backup.list")                            # a commit that the copy does not have
            with live.local() as local:
                copied_to = local.call("vault.status")["commit_number"]
                while local.call("keeper.list")["keepers"][0]["floor_commit"] < copied_to:
                    time.sleep(0.1)
            served = Daemon(BINARY, directory=live.root, dev=False, arguments=arguments)
            self.addCleanup(served.remove)
            with served.local() as local:
                self.assertEqual(local.call("vault.health"), {"state": "read-only"})
            self.assertEqual(served.stop(), 0)
        code, said = self.fails(*served_as, stolen)                 # what no restore has built is an older copy as ever
        self.assertEqual(code, 8, said)
        self.assertIn("below the floor of keeper keeper-1", said)
        with live.client("application") as application, live.client("privacy") as privacy:
            application.call("subject.create", external_id="ada")
            privacy.call("subject.shred", subject="ada", now=True)
        code, said = self.fails(*arguments)
        self.assertNotEqual(code, 0)
        self.assertIn("The live vault has closed the epoch of this copy", said)

    def test_a_copy_that_is_served_seals_itself_when_the_live_vault_closes_its_epoch(self):
        live = self.daemon()
        backup, copy = (os.path.join(live.root, name) for name in ("backup", "copy"))
        with live.client("application") as application, live.client("operator") as operator:
            application.call("subject.create", external_id="ada")
            operator.call("backup.create", to=backup)
            operator.call("backup.restore", **{"from": backup, "to": copy, "check_only": True})
        unseal_key = os.path.join(live.data, "keeper", "unseal.key")
        arguments = ["--dev", "--read-only", "--listen", "127.0.0.1:0", "--unseal-key", unseal_key, "--data", copy,
                     "--keeper-file", os.path.join(live.data, "keeper", "keeper-1.vtk")]
        served = Daemon(BINARY, directory=live.root, dev=False, arguments=arguments)
        self.addCleanup(served.remove)
        with Client(served.address, served.said["ca"], live_credential(live, "privacy")) as reader:
            reader.call("subject.show", subject="ada", purpose="rights")
            with live.client("privacy") as privacy:
                privacy.call("subject.shred", subject="ada", now=True)
            health = reader.call("vault.health")
            while health["state"] != "sealed":
                time.sleep(0.05)
                health = reader.call("vault.health")
            self.assertIn("The live vault has closed the epoch of this copy, so it has sealed itself", health["reason"])
            with self.assertRaises(VaultError) as refused:
                reader.call("subject.show", subject="ada", purpose="rights")
            self.assertEqual(refused.exception.status, "sealed")
            self.assertIn(health["reason"], str(refused.exception))
        with served.local() as local:
            self.assertEqual(local.call("vault.status")["reason"], health["reason"])
            with open(unseal_key, encoding="ascii") as handle, self.assertRaises(VaultError) as refused:
                local.call("vault.unseal", key_file=handle.read())
            self.assertIn("has closed the epoch of this copy: restore the backup", str(refused.exception))
        self.assertEqual(len(re.findall("event=vault.sealed_itself reason=epoch-closed", served.log())), 1)
        self.assertEqual(served.stop(), 0)
        with live.local() as local:
            self.assertEqual(local.call("vault.health"), {"state": "ready"})

    def test_nothing_is_initialised_when_serving_read_only(self):
        with tempfile.TemporaryDirectory(prefix="vaultd-func-") as directory:
            code, said = self.fails("--dev", "--read-only", "--data", directory, "--listen", "127.0.0.1:0")
            self.assertEqual(code, 2, said)

    def test_a_test_clock_starts_where_it_is_told_and_can_be_set(self):
        daemon = self.daemon(arguments=["--test-clock", "2031-02-03T04:05:06Z"])
        with daemon.client("auditor") as client:
            self.assertTrue(any("2031-02-03T04:" in repr(value) for value in [client.call("audit.tail")]))

    # Settings and flags

    def test_flags_that_do_not_exist_or_do_not_belong_are_refused(self):
        for arguments, sentence in ((["--nonsense"], "There is no option --nonsense; see --help."),
                                    (["--dev", "--nonsense=x"], "There is no option --nonsense; see --help."),
                                    (["-x", "--dev"], "No option has one letter; see --help."),
                                    (["--dev", "--c"], "There is no option --c; see --help."),
                                    (["--dev=x"], "The option --dev takes no value; see --help."),
                                    (["--dev", "--data"], "The option --data wants a value; see --help."),
                                    (["--config"], "The option --config wants a value; see --help."),
                                    (["--dev", "word"], "A word belongs to no option; see --help."),
                                    (["--unseal-key", "x"], "--unseal-key goes with --dev"),
                                    (["--dev", "--test-clock", "tomorrow"], "--test-clock wants a time"),
                                    (["--quorum", "0"], "--quorum: "), (["--quorum", "two"], "--quorum: ")):
            code, said = self.fails(*arguments)
            self.assertEqual(code, 3, (arguments, said))
            self.assertIn(sentence, said)

    def test_a_word_that_is_no_option_is_not_said_back(self):
        strange = "There is no option of such a name; see --help."
        for arguments, sentence in ((["--dev", "correct-horse"], "A word belongs to no option; see --help."),
                                    (["--\x1b[31mhorse"], strange), (["--Horse"], strange), (["--horse7=x"], strange),
                                    (["--" + "horse" * 8], strange), (["-\x1b"], "No option has one letter; see --help."),
                                    (["--dev", "-horse"], "No option has one letter; see --help.")):
            code, said = self.fails(*arguments)
            self.assertEqual(code, 3, (arguments, said))
            self.assertIn(sentence, said)
            self.assertNotIn("orse", said)
            self.assertNotIn("\x1b[31m", said)

    def test_a_port_past_65535_is_refused_and_not_cut_to_another_one(self):
        folder = tempfile.mkdtemp(prefix="vaultd-func-")
        self.addCleanup(shutil.rmtree, folder)
        for listen in ("127.0.0.1:65536", "127.0.0.1:99999", "127.0.0.1:4294967297", "127.0.0.1:-1", "127.0.0.1:http"):
            code, said = self.fails("--dev", "--data", folder, "--listen", listen)
            self.assertEqual(code, 3, listen)
            self.assertIn("the port 0 to 65535", said)
            path = self.config(None, f"listen: {listen}\n")
            code, said = self.fails("--config", path, "--check-config")
            self.assertEqual(code, 3, listen)
            self.assertIn(f"{path} line 1: listen must be HOST:PORT", said)

    def test_a_keeper_inside_the_data_directory_is_refused_in_the_check_and_at_the_start(self):
        folder = tempfile.mkdtemp(prefix="vaultd-func-")
        self.addCleanup(shutil.rmtree, folder)
        path = self.config(None, f"data_dir: {folder}/data\ntls: {{certificate: /c, key: /k}}\n"
                                 f"keepers: [{{name: near, file: {folder}/data/keeper.vtk}}]\n")
        for arguments in (["--check-config"], []):
            code, said = self.fails("--config", path, *arguments)
            self.assertEqual(code, 3, said)
            self.assertIn("The keeper near lies in data_dir", said)
        self.assertEqual(os.listdir(folder), [])

    def test_check_config_names_file_and_line(self):
        path = self.config(None, "listen: 127.0.0.1:0\n\nlisen: 127.0.0.1:1\n")
        code, said = self.fails("--config", path, "--check-config")
        self.assertEqual(code, 3)
        self.assertIn(f"{path} line 3: There is no setting lisen; --sample-config", said)

    def test_check_config_says_what_is_missing(self):
        code, said = self.fails("--config", self.config(None, "listen: 127.0.0.1:0\n"), "--check-config")
        self.assertEqual(code, 3)
        self.assertIn("The setting data_dir is missing: add it to the file", said)
        code, said = self.fails("--listen", "127.0.0.1:0")
        self.assertEqual(code, 3)
        self.assertIn("The setting data_dir is missing: name a file with --config, or try vaultd out with --dev", said)

    def test_check_config_refuses_in_dev_mode_what_the_start_refuses(self):
        folder = tempfile.mkdtemp(prefix="vaultd-func-")
        self.addCleanup(shutil.rmtree, folder)
        for settings, sentence in (("quorum: 3\n", "The quorum is larger than the number of keepers"),
                                   ("keeper: {name: far}\n", "The setting keeper.name is one of a keeper's process"),
                                   ("listen: 192.0.2.1:7470\n", "Dev mode listens on a loopback address only")):
            path = self.config(None, settings)
            for arguments in (["--check-config"], []):
                code, said = self.fails("--dev", "--data", f"{folder}/data", "--config", path, *arguments)
                self.assertEqual(code, 3, said)
                self.assertIn(sentence, said)
        done = subprocess.run([BINARY, "--dev", "--data", f"{folder}/data", "--check-config"], text=True, stdout=subprocess.PIPE,
                              check=True)
        self.assertIn("The settings are in order", done.stdout)
        self.assertEqual(os.listdir(folder), [])

    def test_check_config_refuses_more_memory_for_one_connection_than_for_all(self):
        path = self.config(None, "data_dir: /d\ntls: {certificate: /c, key: /k}\nkeepers: [{name: k, file: /k1}]\n"
                                 "connections: {memory_mib: 64, memory_total_mib: 63}\n")
        code, said = self.fails("--config", path, "--check-config")
        self.assertEqual(code, 3)
        self.assertIn("One connection's memory is larger than connections.memory_total_mib", said)

    def test_print_config_says_where_each_value_is_from(self):
        path = self.config(None, "quorum: 2\n")
        done = subprocess.run([BINARY, "--config", path, "--listen", "127.0.0.1:1", "--print-config"], text=True,
                              stdout=subprocess.PIPE, check=True)
        self.assertIn(f"quorum = 2  # {path}:1\n", done.stdout)
        self.assertIn("listen = 127.0.0.1:1  # --listen\n", done.stdout)
        self.assertIn("threads.workers = 4  # default\n", done.stdout)

    def test_version_and_help_answer_without_a_vault(self):
        for flag, word in (("--version", "vaultd 0."), ("--help", "usage: vaultd")):
            done = subprocess.run([BINARY, flag], text=True, stdout=subprocess.PIPE, check=True)
            self.assertIn(word, done.stdout)


if __name__ == "__main__":
    unittest.main()
