"""A client and a daemon for functional tests, in Python: an implementation of the protocol that shares no code with ours.

    with Daemon(BINARY) as daemon, daemon.client("application") as client:
        client.call("vault.health")

Run with /usr/bin/python3, which has msgpack.
"""
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

import msgpack

ROLES = ("application", "privacy", "approver", "operator", "administrator", "auditor")


class VaultError(Exception):
    """The vault refused: status is the stable code, error the whole map."""

    def __init__(self, error):
        super().__init__(f"{error.get('status')}: {error.get('message')}")
        self.error = error
        self.status = error.get("status")
        self.code = error.get("code")
        self.field = error.get("field")
        self.certificate = error.get("certificate")


class Client:
    """One connection. call() waits for its answer; send() and receive() pipeline."""

    def __init__(self, address=None, ca=None, credential=None, path=None, timeout=60):
        self.unpacker = msgpack.Unpacker(raw=False, strict_map_key=True, max_buffer_size=256 << 20)
        self.next_id = 1
        self.answers = {}
        self.socket = self.connect_local(path, timeout) if path is not None else self.connect_tls(address, ca, timeout)
        try:
            if credential is not None:
                self.call("auth.login", credential=credential)
        except BaseException:
            self.socket.close()         # who never gets the object cannot close it
            raise

    @staticmethod
    def connect_local(path, timeout):
        plain = socket.socket(socket.AF_UNIX)
        try:
            plain.settimeout(timeout)
            plain.connect(path)
        except BaseException:
            plain.close()
            raise
        return plain

    @staticmethod
    def connect_tls(address, ca, timeout):
        host, port = address.rsplit(":", 1)
        context = ssl.create_default_context(cafile=ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        plain = socket.create_connection((host, int(port)), timeout=timeout)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_bytes(self, raw):
        self.socket.sendall(raw)

    def send(self, method, **params):
        """Send a call without waiting. Returns its id."""
        message_id = self.next_id
        self.next_id += 1
        self.send_bytes(msgpack.packb([0, message_id, method, params]))
        return message_id

    def receive_message(self):
        """The next message [1, id, error, result], or None when the vault has closed the connection."""
        while True:
            for message in self.unpacker:
                return message
            raw = self.socket.recv(1 << 16)
            if not raw:
                return None
            self.unpacker.feed(raw)

    def receive(self, message_id):
        """Wait for the answer of one id; answers of others are kept."""
        while message_id not in self.answers:
            message = self.receive_message()
            if message is None:
                raise ConnectionError("the vault closed the connection")
            kind, answered, error, result = message
            if kind != 1:
                raise ValueError("not a reply")
            self.answers[answered] = (error, result)
        error, result = self.answers.pop(message_id)
        if error is not None:
            raise VaultError(error)
        return result

    def call(self, method, **params):
        """Call and wait. Raises VaultError."""
        return self.receive(self.send(method, **params))

    def refused(self, method, **params):
        """The stable code that a call is refused with; "ok" when it is not."""
        try:
            self.call(method, **params)
        except VaultError as refusal:
            return refusal.status
        return "ok"


class Daemon:
    """vaultd in a process of its own, in dev mode on a free loopback port unless told otherwise."""

    def __init__(self, binary, directory=None, arguments=(), dev=True, environment=None):
        self.binary = binary
        self.owns = directory is None
        self.root = tempfile.mkdtemp(prefix="vaultd-func-") if directory is None else directory
        self.data = os.path.join(self.root, "data")
        self.arguments = list(arguments)
        self.dev = dev
        self.environment = environment
        self.process = None
        self.said = {}
        self.log_path = os.path.join(self.root, "log")
        self.start()

    def start(self, *more, timeout=120):
        """Start, or start again after a stop or a kill; waits until it says ready."""
        command = [self.binary]
        if self.dev:
            command += ["--dev", "--data", self.data, "--listen", "127.0.0.1:0"]
        command += self.arguments + list(more)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=self.environment)
        self.said = {}
        deadline = time.monotonic() + timeout
        for line in self.process.stdout:
            word = line.decode().rstrip("\n")
            if word == "ready":
                return self
            key, _, value = word.partition("=")
            self.said[key] = value
            if time.monotonic() > deadline:
                break
        code = self.process.wait()
        self.process.stdout.close()
        raise RuntimeError(f"vaultd did not start, exit {code}: {self.log()[-2000:]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

    @property
    def address(self):
        return self.said["address"]

    @property
    def pid(self):
        return self.process.pid

    def credential(self, role):
        with open(os.path.join(self.said["credentials"], role), encoding="ascii") as handle:
            return handle.read().strip()

    def client(self, role=None, timeout=60):
        """A connection over TLS, logged in as the role unless it is None."""
        credential = self.credential(role) if role is not None else None
        return Client(self.address, self.said["ca"], credential, timeout=timeout)

    def local(self, timeout=60):
        """A connection over the local socket: the operator."""
        return Client(path=self.said["socket"], timeout=timeout)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as handle:
            return handle.read()

    def stop(self, signal_number=signal.SIGTERM, timeout=60):
        """End it. Returns the exit code; negative: the signal that killed it."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        return self.wait(timeout)

    def wait(self, timeout=60):
        """Wait until it has ended by itself. Returns the exit code."""
        code = self.process.wait(timeout)
        self.process.stdout.close()
        self.process = None
        return code

    def kill(self):
        """As a power cut would: no drain."""
        return self.stop(signal.SIGKILL)

    def remove(self):
        if self.process is not None:
            self.kill()
        if self.owns:
            shutil.rmtree(self.root, ignore_errors=True)
