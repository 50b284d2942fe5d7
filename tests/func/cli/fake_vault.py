"""A vault that says what a test tells it to say: msgpack-RPC on a Unix socket, so that vaultctl meets answers that a
real vault gives rarely or never. Run with /usr/bin/python3, which has msgpack.

    with FakeVault(lambda method, params: {"state": "ready"}) as fake:
        run("health", socket=fake.path)
"""
import os
import shutil
import socket
import tempfile
import threading

import msgpack


class Refusal(Exception):
    """Answered as the vault's error map."""

    def __init__(self, status, code, message="Refused.", **more):
        super().__init__(status)
        self.error = {"status": status, "code": code, "message": message, **more}


class Raw(Exception):
    """These bytes are sent instead of a reply; empty: the connection is closed."""

    def __init__(self, raw):
        super().__init__("raw")
        self.raw = raw


class FakeVault:
    """answer(method, params) gives a result map, or raises Refusal or Raw. With hold=n, n calls are gathered and
    answered backwards."""

    def __init__(self, answer, hold=1):
        self.answer = answer
        self.hold = hold
        self.calls = []
        self.folder = tempfile.mkdtemp(prefix="vaultctl-fake-")
        self.path = os.path.join(self.folder, "sock")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(4)
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)
        shutil.rmtree(self.folder)

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self.converse(connection)

    def reply(self, message):
        _, message_id, method, params = message
        self.calls.append((method, params))
        try:
            return msgpack.packb([1, message_id, None, self.answer(method, params)])
        except Refusal as refusal:
            return msgpack.packb([1, message_id, refusal.error, None])

    def converse(self, connection):
        try:
            self.exchange(connection)
        except ConnectionError:
            return      # the client has gone, as clients may

    def exchange(self, connection):
        unpacker = msgpack.Unpacker(raw=False, max_buffer_size=64 << 20)
        held = []
        while True:
            raw = connection.recv(1 << 16)
            if not raw:
                return
            unpacker.feed(raw)
            try:
                held += [self.reply(message) for message in unpacker]
            except Raw as instead:
                connection.sendall(instead.raw)
                return
            if len(held) >= self.hold or held and self.calls[-1][0] != "record.import":
                connection.sendall(b"".join(reversed(held)))
                held = []
