"""One vault and three remote keepers of which two are needed, each a process of its own: class E4 by the wire.

usage: test_remote.py VAULTD

The keepers are stopped, started again, lied to; who else than the vault may ask them is tried. In namespaces of their own, where
the kernel allows it, one is cut off, one is restarted, one is slow.
"""
import hashlib
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

import msgpack

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from vault_client import Client, Daemon, VaultError  # noqa: E402

VAULTD = sys.argv[1]
KEEPERS = ("one", "two", "three")
CAP_IPC_LOCK = 14               # linux/capability.h
PASSPHRASE = "correct horse battery staple"
SCHEMA = """
name: profile
doc: People.
fields:
  - {name: email, type: email, category: A, index: many, doc: address}
"""


def locks_memory():
    """The run time libraries of sanitizers answer mlockall themselves, and lock nothing."""
    with open(VAULTD, "rb") as handle:
        program = handle.read()
    return b"__asan_init" not in program and b"__tsan_init" not in program


def may_lock_memory():
    """Keepers lock all that they have, and a user's limit is a few MiB."""
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    with open("/proc/self/status") as status:
        capabilities = int(re.search(r"^CapEff:\s*(\S+)", status.read(), re.MULTILINE).group(1), 16)
    return not locks_memory() or limit == resource.RLIM_INFINITY or bool(capabilities >> CAP_IPC_LOCK & 1)


def begin_again_with_sudo():
    """The same test of the same user, who may lock memory: whoever may use sudo, as for the packages, has that. Returns if not."""
    if os.geteuid() == 0 or shutil.which("sudo") is None or shutil.which("setpriv") is None:
        return
    allowed = ["sudo", "-n", "setpriv", f"--reuid={os.getuid()}", f"--regid={os.getgid()}", "--init-groups",
               "--inh-caps=+ipc_lock", "--ambient-caps=+ipc_lock", "--"]
    if subprocess.run([*allowed, "true"], capture_output=True, stdin=subprocess.DEVNULL).returncode == 0:
        environment = [f"{name}={value}" for name, value in os.environ.items()]
        os.execvp("sudo", [*allowed, "env", "-i", *environment, sys.executable, *sys.argv])


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class Authority:
    """A CA and what it signs, in files."""

    def __init__(self, root, name="ca"):
        self.root = root
        self.certificate, self.key = self.path(name + ".pem"), self.path(name + ".key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                f"/CN={name}", "-keyout", self.key, "-out", self.certificate)

    def path(self, name):
        return os.path.join(self.root, name)

    def issue(self, name, address="127.0.0.1"):
        """(certificate, key) of a peer; the key is for its owner only."""
        certificate, key, request, extra = (self.path(f"{name}.{suffix}") for suffix in ("pem", "key", "csr", "ext"))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", key,
                "-out", request)
        with open(extra, "w", encoding="ascii") as handle:
            handle.write(f"subjectAltName=IP:{address}\n")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial", "-days", "2",
                "-extfile", extra, "-out", certificate)
        os.chmod(key, 0o600)
        return certificate, key


def fingerprint(certificate):
    with open(certificate, encoding="ascii") as handle:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(handle.read())).hexdigest()


def free_port(address="127.0.0.1"):
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


class Keeper:
    """A process `vaultd --keeper`."""

    def __init__(self, world, name, address="127.0.0.1", port=None, prefix=()):
        self.name = name
        self.data = world.path("keeper-" + name)
        self.address = f"{address}:{port or free_port(address)}"
        self.prefix = list(prefix)
        certificate, key = world.authority.issue("keeper-" + name, address)
        self.config = world.write(f"keeper-{name}.yaml", f"""
data_dir: {self.data}
tls: {{certificate: {certificate}, key: {key}}}
keeper:
  name: {name}
  listen: "{self.address}"
  client_ca: {world.authority.certificate}
  vaults: ["{fingerprint(world.vault_certificate)}"]
""".encode())
        self.log_path = world.path(f"keeper-{name}.log")
        self.process = None
        self.said = {}
        self.start()

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*self.prefix, VAULTD, "--keeper", "--config", self.config], stdout=subprocess.PIPE,
                                            stderr=log)
        self.said = {}
        for line in self.process.stdout:
            word = line.decode().rstrip("\n")
            if word == "ready":
                return
            name, _, value = word.partition("=")
            self.said[name] = value
        code = self.process.wait()
        self.process.stdout.close()
        self.process = None
        raise RuntimeError(f"the keeper did not start, exit {code}: {self.log()[-2000:]}")

    def stop(self):
        """As an operator would. Returns the exit code."""
        self.process.terminate()
        code = self.process.wait(60)
        self.process.stdout.close()
        self.process = None
        return code

    def restart(self):
        self.stop()
        self.start()

    def remove(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait(60)
            self.process.stdout.close()
            self.process = None

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as handle:
            return handle.read()

    def floor_file(self):
        with open(os.path.join(self.data, "keeper.floor"), "rb") as handle:
            return handle.read()


class Asker:
    """The protocol again, from its description: a client of a keeper's."""

    def __init__(self, address, ca, certificate=None, key=None):
        host, port = address.rsplit(":", 1)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(ca)
        if certificate is not None:
            context.load_cert_chain(certificate, key)
        plain = socket.create_connection((host, int(port)), timeout=30)
        try:
            self.socket = context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise
        self.unpacker = msgpack.Unpacker(raw=False)
        self.next_id = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send_bytes(self, raw):
        self.socket.sendall(raw)

    def receive(self):
        """The next message, or None when the keeper has closed the connection."""
        while True:
            for message in self.unpacker:
                return message
            try:
                raw = self.socket.recv(1 << 16)
            except (ssl.SSLError, ConnectionError):
                return None
            if not raw:
                return None
            self.unpacker.feed(raw)

    def ask(self, operation, vault=bytes(16), **fields):
        self.next_id += 1
        self.send_bytes(msgpack.packb([0, self.next_id, "keeper." + operation, {"version": 1, "vault": vault, **fields}]))
        message = self.receive()
        if message is None:
            raise ConnectionError("the keeper closed the connection")
        kind, answered, error, result = message
        if (kind, answered) != (1, self.next_id):
            raise ValueError("not the answer")
        if error is not None:
            raise VaultError(error)
        return result


class World:
    """A directory with certificates, keepers and a vault."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="vaultd-remote-")
        self.authority = Authority(self.root)
        self.vault_certificate, self.vault_key = self.authority.issue("vault")
        self.server_certificate, self.server_key = self.authority.issue("server")
        self.keepers = {}
        self.daemon = None
        self.secrets = {}

    def path(self, *names):
        return os.path.join(self.root, *names)

    def write(self, name, content):
        with open(self.path(name), "wb") as handle:
            handle.write(content)
        return self.path(name)

    def configure(self, deadline_ms=5000, listen="127.0.0.1:0"):
        keepers = ", ".join(f"{{name: {keeper.name}, remote: '{keeper.address}', verifier: '{keeper.said['verifier']}'}}"
                            for keeper in self.keepers.values())
        os.makedirs(self.path("journal"), exist_ok=True)
        self.write("vaultd.yaml", f"""
data_dir: {self.path("data")}
listen: {listen}
tls: {{certificate: {self.server_certificate}, key: {self.server_key}}}
keepers: [{keepers}]
quorum: 2
remote:
  ca: {self.authority.certificate}
  certificate: {self.vault_certificate}
  key: {self.vault_key}
  deadline_ms: {deadline_ms}
journal: {{dir: {self.path("journal")}}}
store: {{ballast_mib: 1}}
""".encode())

    def start(self):
        self.daemon = Daemon(VAULTD, directory=self.root, dev=False, arguments=["--config", self.path("vaultd.yaml")])

    def initialise(self):
        with self.daemon.local(timeout=120) as local:
            answer = local.call("vault.init", passphrase=PASSPHRASE)
        self.secrets["administrator"] = answer["credentials"][0]["secret"]
        with self.client("administrator") as client:
            for role in ("application", "privacy", "operator"):
                self.secrets[role] = client.call("credential.create", name=role, role=role)["secret"]
            client.call("schema.apply", schema=SCHEMA)

    def client(self, role, timeout=120):
        return Client(self.daemon.address, self.authority.certificate, self.secrets[role], timeout=timeout)

    def unseal(self):
        with self.daemon.local(timeout=120) as local:
            local.call("vault.unseal", passphrase=PASSPHRASE)

    def create(self, name):
        with self.client("application") as client:
            client.call("subject.create", external_id=name, records={"profile": {"email": f"{name}@example.org"}})

    def listed(self):
        with self.client("operator") as client:
            return {keeper["name"]: keeper for keeper in client.call("keeper.list")["keepers"]}

    def asker(self, name):
        return Asker(self.keepers[name].address, self.authority.certificate, self.vault_certificate, self.vault_key)

    def vault_id(self):
        with self.asker(KEEPERS[0]) as asker:
            return asker.ask("floor")["vault"]

    def slots(self, name):
        with self.asker(name) as asker:
            return asker.ask("read", vault=asker.ask("floor")["vault"])["slots"]

    def remove(self):
        if self.daemon is not None:
            self.daemon.remove()
        for keeper in self.keepers.values():
            keeper.remove()
        shutil.rmtree(self.root, ignore_errors=True)


class Remote(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.remove)
        for name in KEEPERS:
            self.world.keepers[name] = Keeper(self.world, name)
        self.world.configure()
        self.world.start()
        self.world.initialise()
        for name in ("ada", "grace", "mary"):
            self.world.create(name)

    def shred(self, name):
        with self.world.client("privacy") as client:
            return client.call("subject.shred", subject=name, now=True)

    def readable(self, name):
        with self.world.client("privacy") as client:
            return client.refused("record.get", subject=name, collection="profile", purpose="testing")

    def wait_until(self, holds, seconds=60):
        deadline = time.monotonic() + seconds
        while not holds():
            self.assertLess(time.monotonic(), deadline, "it never came to be")
            time.sleep(0.2)

    def test_a_shred_is_effective_with_three_receipts_of_class_e4(self):
        result = self.shred("ada")
        self.assertEqual(result["state"], "effective")
        with self.world.client("privacy") as client:
            note = client.call("certificate.show", number=result["certificate"])["note"]
        erased = [line for line in note.splitlines() if " E4 erased receipt " in line]
        self.assertEqual(len(erased), 3, note)
        self.assertEqual(self.readable("ada"), "not-found")
        self.assertEqual(self.readable("grace"), "ok")
        listed = self.world.listed()
        said = {name: (keeper["class"], keeper["reachable"], keeper["counts_for_final"]) for name, keeper in listed.items()}
        self.assertEqual(said, {name: ("E4", True, True) for name in KEEPERS})
        for keeper in listed.values():
            self.assertEqual(keeper["floor_epoch"], 2)
            self.assertEqual(keeper["verifier_key"], self.world.keepers[keeper["name"]].said["verifier"])

    def test_no_share_is_ever_in_a_keepers_files(self):
        self.shred("ada")
        for name, keeper in self.world.keepers.items():
            (slot,) = self.world.slots(name)
            self.assertEqual((slot["epoch"], slot["state"], slot["k"], slot["m"]), (2, 2, 2, 3))
            share = slot["share"]
            for folder, _, files in os.walk(self.world.root):
                for file in filter(lambda file: not file.endswith(".sock"), files):
                    with open(os.path.join(folder, file), "rb") as handle:
                        raw = handle.read()
                    self.assertFalse(any(share[at:at + 8] in raw for at in range(0, len(share) - 7, 4)), file)
            self.assertEqual(len(keeper.floor_file()), 8192)
            self.assertEqual(os.listdir(keeper.data), ["keeper.floor"])

    def test_with_a_keeper_stopped_shreds_wait_and_its_return_heals(self):
        stopped = self.world.keepers["two"]
        self.assertEqual(stopped.stop(), 0)
        self.assertIn("the share of this keeper is gone", stopped.log())
        with self.world.client("privacy") as client:
            self.assertEqual(client.refused("subject.shred", subject="ada", now=True), "keeper")
        self.assertEqual(self.readable("ada"), "shred-pending")
        self.world.create("joan")                               # other work goes on
        self.assertEqual(self.readable("joan"), "ok")
        self.wait_until(lambda: not self.world.listed()["two"]["reachable"])
        self.assertTrue(self.world.listed()["one"]["reachable"])
        with self.world.client("operator") as client:
            self.assertIn("A keeper did not answer when it was last asked.", client.call("vault.status")["warnings"])
        self.assertIn("event=keeper.away name=two", self.world.daemon.log())
        stopped.start()
        self.assertIn("holds no share until its vault closes the next epoch", stopped.log())
        # By itself, and with it goes what was pending.
        self.wait_until(lambda: [slot["epoch"] for slot in self.world.slots("two")] == [2], 120)
        self.assertEqual(self.readable("ada"), "not-found")
        self.assertTrue(self.world.listed()["two"]["reachable"])
        self.assertIn("event=keeper.back name=two", self.world.daemon.log())

    def test_the_vault_opens_with_two_of_three_and_not_with_one(self):
        self.world.keepers["three"].stop()
        self.assertEqual(self.world.daemon.stop(), 0)
        self.world.daemon.start()
        self.world.unseal()
        self.assertEqual(self.readable("grace"), "ok")
        self.assertEqual(self.world.daemon.stop(), 0)
        self.world.keepers["two"].restart()
        self.world.daemon.start()
        with self.world.daemon.local() as local:
            self.assertEqual(local.refused("vault.unseal", passphrase=PASSPHRASE), "keeper")
        self.assertEqual([slot["epoch"] for slot in self.world.slots("one")], [1])

    def test_only_the_vaults_own_certificate_may_ask(self):
        keeper = self.world.keepers["one"]
        ca = self.world.authority.certificate
        other = self.world.authority.issue("stranger")
        foreign = Authority(self.world.root, "other-ca").issue("foreign")
        of_a_keeper = (self.world.path("keeper-two.pem"), self.world.path("keeper-two.key"))
        for certificate, key in (other, foreign, of_a_keeper, (None, None)):
            with self.subTest(certificate=certificate):
                try:
                    with Asker(keeper.address, ca, certificate, key) as asker:
                        with self.assertRaises((ConnectionError, ssl.SSLError)):
                            asker.ask("read")
                except (ConnectionError, ssl.SSLError):
                    pass                        # refused in the handshake already
        self.assertEqual(len(self.world.slots("one")), 1)
        keeper.stop()
        self.assertRegex(keeper.log(), r"event=keeper.refused strangers=2 failures=2")

    def test_shares_are_not_shown_to_another_vault_with_the_right_certificate(self):
        with self.world.asker("one") as asker:
            self.assertEqual(asker.ask("read", vault=b"x" * 16), {"slots": []})
            with self.assertRaises(VaultError) as refused:
                asker.ask("raise_floor", vault=b"x" * 16, incarnation=1, epoch=1, commit=1 << 40)
            self.assertEqual(refused.exception.status, "conflict")

    def test_hostile_bytes_end_their_connection_and_nothing_else(self):
        vault = self.world.vault_id()
        share = bytes(126)
        cases = [b"\x00", b"GET / HTTP/1.1\r\n\r\n", b"\xdd\xff\xff\xff\xff", msgpack.packb([2, "keeper.read", {}]),
                 msgpack.packb([0, 1, "keeper.read", {"version": 1, "vault": vault, "more": bytes(4000)}]),
                 b"\x94\x00\x01\xa1x" + b"\x91" * 4000, os.urandom(3000)]
        for raw in cases:
            with self.subTest(raw=raw[:16]), self.world.asker("one") as asker:
                try:
                    asker.send_bytes(raw)
                    while asker.receive() is not None:
                        pass
                except (ConnectionError, ssl.SSLError, msgpack.exceptions.UnpackException):
                    pass
        for operation, fields, status in (("read", {"version": 2}, "format-version"), ("forget", {}, "unsupported"),
                                          ("read", {"more": 1}, "argument"), ("floor", {"vault": b"short"}, "argument"),
                                          ("prepare", {"vault": vault, "incarnation": 1, "epoch": 9, "attempt": bytes(16), "k": 2,
                                                       "m": 3, "x": 1, "share": share}, "conflict"),
                                          ("finalize", {"vault": vault, "incarnation": 1, "epoch": 0, "attempt": bytes(16),
                                                        "commit": 0}, "rollback")):
            with self.subTest(operation=operation, fields=list(fields)), self.world.asker("one") as asker:
                message = {"version": 1, "vault": bytes(16), **fields}
                asker.send_bytes(msgpack.packb([0, 5, "keeper." + operation, message]))
                kind, answered, error, _ = asker.receive()
                self.assertEqual((kind, answered, error["status"]), (1, 5, status))
        self.assertEqual(self.shred("ada")["state"], "effective")

    def test_a_vault_does_not_take_another_keeper_for_its_own(self):
        stopped = self.world.keepers["two"]
        stopped.stop()
        os.rename(stopped.data, stopped.data + ".away")
        stopped.start()                         # same address, same TLS certificate, another identity
        with self.world.client("privacy") as client:
            self.assertEqual(client.refused("subject.shred", subject="ada", now=True), "keeper")
        self.assertIn("It is another keeper than the setting", self.world.daemon.log())
        with self.world.asker("two") as asker:
            self.assertEqual(asker.ask("floor")["epoch"], 0)

    def test_a_keeper_takes_new_certificates_without_a_restart(self):
        keeper = self.world.keepers["one"]
        before = fingerprint(self.world.path("keeper-one.pem"))
        self.world.authority.issue("keeper-one")
        self.assertNotEqual(before, fingerprint(self.world.path("keeper-one.pem")))
        keeper.process.send_signal(signal.SIGHUP)

        def served():
            with self.world.asker("one") as asker:
                return hashlib.sha256(asker.socket.getpeercert(binary_form=True)).hexdigest()
        self.wait_until(lambda: served() != before)
        self.assertEqual(len(self.world.slots("one")), 1)

    def test_strangers_who_say_nothing_do_not_keep_the_vault_out(self):
        keeper = self.world.keepers["one"]
        host, port = keeper.address.rsplit(":", 1)
        strangers = [socket.create_connection((host, int(port)), timeout=30) for _ in range(150)]
        try:
            with self.world.asker("one") as asker:              # the vault's connection from before, and a fresh one
                self.assertEqual(asker.ask("floor")["epoch"], 1)
            self.assertEqual(self.shred("ada")["state"], "effective")
        finally:
            for stranger in strangers:
                stranger.close()
        keeper.stop()
        self.assertIn("event=keeper.refused strangers=", keeper.log())

    def run_keeper(self, *arguments, prefix=()):
        """(exit code, what it said) of a start that is refused or only checks."""
        done = subprocess.run([*prefix, VAULTD, "--keeper", *arguments], capture_output=True, timeout=60, check=False)
        return done.returncode, (done.stdout + done.stderr).decode()

    def test_what_does_not_fit_is_refused_at_the_start_with_a_sentence(self):
        keeper = self.world.keepers["one"]
        self.assertEqual(self.run_keeper("--config", keeper.config, "--check-config")[0], 0)
        for arguments, code, sentence in (
                ((), 3, "The setting data_dir is missing"),
                (("--config", self.world.path("vaultd.yaml")), 3, "The setting keeper.client_ca is missing"),
                (("--config", keeper.config, "--dev"), 3, "--keeper goes with --config and --data only"),
                (("--config", keeper.config, "--listen", "127.0.0.1:0"), 3, "The setting listen is one of a vault"),
                (("--config", keeper.config), 8, "Another process uses this data directory"),
                (("--config", keeper.config, "--data", self.world.path("nowhere", "below")), 8, "cannot be made")):
            with self.subTest(arguments=arguments):
                got, said = self.run_keeper(*arguments)
                self.assertEqual(got, code, said)
                self.assertIn(sentence, said)
        keeper.stop()
        os.chmod(self.world.path("keeper-one.key"), 0o644)
        got, said = self.run_keeper("--config", keeper.config)
        self.assertEqual(got, 5, said)
        self.assertIn("its mode must be 0600", said)

    @unittest.skipUnless(locks_memory(), "built with a sanitizer")
    @unittest.skipIf(os.geteuid() != 0 or shutil.which("setpriv") is None, "only root can give up the right to lock memory")
    def test_a_keeper_whose_memory_cannot_be_locked_does_not_start(self):
        keeper = self.world.keepers["one"]
        keeper.stop()
        prefix = ["prlimit", "--memlock=65536:65536", "setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"]
        got, said = self.run_keeper("--config", keeper.config, prefix=prefix)
        self.assertEqual(got, 7, said)
        self.assertIn("memory cannot be locked", said)

    @unittest.skipUnless(locks_memory(), "built with a sanitizer")
    def test_a_keeper_is_not_dumped_and_not_swapped(self):
        with open(f"/proc/{self.world.keepers['one'].process.pid}/status", encoding="ascii") as handle:
            status = dict(line.split(":", 1) for line in handle if ":" in line)
        self.assertGreater(int(status["VmLck"].split()[0]), 1024)
        self.assertEqual(int(status["VmSwap"].split()[0]), 0)
        with open(f"/proc/{self.world.keepers['one'].process.pid}/limits", encoding="ascii") as handle:
            (core,) = [line for line in handle if line.startswith("Max core file size")]
        self.assertEqual(core.split()[4:6], ["0", "0"])


class Namespaces:
    """One network for the vault and one for each keeper, joined pairwise; this machine's own is left alone."""

    def __init__(self):
        self.holders = []
        self.hub = self.hold()
        self.inside(self.hub, "ip", "link", "set", "lo", "up")

    def hold(self):
        holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep 3600"], stdout=subprocess.PIPE)
        self.holders.append(holder)
        if holder.stdout.readline() != b"\n":
            raise RuntimeError("a network namespace cannot be made")
        return holder.pid

    @staticmethod
    def prefix(pid):
        return ["nsenter", "--target", str(pid), "--net"]

    def inside(self, pid, *command):
        subprocess.run([*self.prefix(pid), *command], check=True, capture_output=True)

    def join(self, number):
        """(holder, address) of a new network beside the hub."""
        pid = self.hold()
        self.inside(self.hub, "ip", "link", "add", f"to{number}", "type", "veth", "peer", "name", "eth", "netns", str(pid))
        for where, device, host in ((self.hub, f"to{number}", 1), (pid, "eth", 2)):
            self.inside(where, "ip", "addr", "add", f"10.77.{number}.{host}/24", "dev", device)
            self.inside(where, "ip", "link", "set", device, "up")
        return pid, f"10.77.{number}.2"

    def cut(self, pid, address, is_cut):
        self.inside(pid, "ip", "addr", "del" if is_cut else "add", f"{address}/24", "dev", "eth")

    def remove(self):
        for holder in self.holders:
            holder.kill()
            holder.wait()
            holder.stdout.close()


def why_no_namespaces():
    """None when they can be had."""
    for tool in ("unshare", "nsenter", "ip"):
        if shutil.which(tool) is None:
            return f"there is no {tool}"
    tried = subprocess.run(["unshare", "--net", "ip", "link", "add", "veth0", "type", "veth", "peer", "name", "veth1"],
                           capture_output=True, check=False)
    return None if tried.returncode == 0 else "network namespaces are not allowed here: " + tried.stderr.decode().strip()


WHY_NOT = why_no_namespaces()


@unittest.skipIf(WHY_NOT, WHY_NOT)
class Partitioned(unittest.TestCase):
    def setUp(self):
        self.namespaces = Namespaces()
        self.addCleanup(self.namespaces.remove)
        self.world = world = World()
        self.addCleanup(world.remove)
        self.places = {}
        for number, name in enumerate(KEEPERS, 1):
            self.places[name] = pid, address = self.namespaces.join(number)
            world.keepers[name] = Keeper(world, name, address, 7471, self.namespaces.prefix(pid))
        world.configure(deadline_ms=1000)
        nsenter, *where = self.namespaces.prefix(self.namespaces.hub)
        world.daemon = Daemon(shutil.which(nsenter), directory=world.root, dev=False,
                              arguments=[*where, VAULTD, "--config", world.path("vaultd.yaml")])
        world.client = self.client              # its port is in another network; the local socket is a file
        world.initialise()
        for name in ("ada", "grace"):
            world.create(name)

    def client(self, role, timeout=120):
        client = Client(path=self.world.daemon.said["socket"], timeout=timeout)
        client.call("auth.login", credential=self.world.secrets[role])
        return client

    def reachable(self):
        return {name for name, keeper in self.world.listed().items() if keeper["reachable"]}

    def wait_until_reachable(self, names):
        deadline = time.monotonic() + 90
        while self.reachable() != set(names):
            self.assertLess(time.monotonic(), deadline, f"reachable are {self.reachable()}")
            time.sleep(0.2)

    def test_one_cut_off_one_slow_and_one_restarted_hold_shreds_up_and_nothing_else(self):
        keepers = self.world.keepers
        self.wait_until_reachable(KEEPERS)
        self.namespaces.cut(*self.places["one"], True)
        keepers["three"].process.send_signal(signal.SIGSTOP)
        keepers["two"].restart()
        with self.client("privacy") as shredding, self.client("application") as application, self.client("privacy") as reading:
            asked = shredding.send("subject.shred", subject="ada", now=True)
            for number in range(20):            # all the while the epoch thread waits for keepers
                name = f"meanwhile-{number}"
                application.call("subject.create", external_id=name, records={"profile": {"email": f"{name}@example.org"}})
                self.assertEqual(reading.refused("record.get", subject=name, collection="profile", purpose="testing"), "ok")
            with self.assertRaises(VaultError) as refused:
                shredding.receive(asked)
            self.assertEqual(refused.exception.status, "keeper")
            self.assertEqual(reading.refused("record.get", subject="ada", collection="profile", purpose="testing"),
                             "shred-pending")
        self.assertEqual(self.reachable(), {"two"})
        self.namespaces.cut(*self.places["one"], False)
        keepers["three"].process.send_signal(signal.SIGCONT)
        self.wait_until_reachable(KEEPERS)
        with self.client("privacy") as client:
            result = client.call("subject.shred", subject="ada", now=True)
            self.assertEqual(result["state"], "effective")
            self.assertEqual(client.call("certificate.show", number=result["certificate"])["note"].count(" E4 erased receipt "), 3)
        self.assertEqual(len({keeper["floor_epoch"] for keeper in self.world.listed().values()}), 1)
        # Each has a share of its own again: with any one of them away the vault opens.
        for name in KEEPERS:
            self.assertEqual(self.world.daemon.stop(), 0)
            self.namespaces.cut(*self.places[name], True)
            self.world.daemon.start()
            self.world.unseal()
            with self.client("privacy") as client:
                self.assertEqual(client.refused("record.get", subject="grace", collection="profile", purpose="testing"), "ok")
            self.namespaces.cut(*self.places[name], False)


if __name__ == "__main__":
    if not may_lock_memory():
        begin_again_with_sudo()
        print("SKIPPED: memory may not be locked here: a keeper needs a higher limit (ulimit -l), root, or sudo")
        sys.exit(0)
    unittest.main(argv=sys.argv[:1], verbosity=2)
