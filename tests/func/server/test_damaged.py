"""Starting with files that are foreign, cut off, flipped, emptied or not there: the exit code, one sentence that says which file
or what to do, and every file left as it was. The vault itself opens again when they are put back.
Run as test_damaged.py PATH-OF-VAULTD."""
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BINARY = sys.argv.pop(1)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from vault_client import Daemon  # noqa: E402

KEEPER, UNSEAL = "data/keeper/keeper-1.vtk", "data/keeper/unseal.key"
STORE, JOURNAL = "data/store/data.mdb", "journal/journal-0000000000000001.vtj"
CERTIFICATE, KEY = "data/tls/server.pem", "data/tls/server.key"
OURS = {"lock.mdb", "vault.lock", "log"}      # rewritten at each start, by design
SCHEMA = "name: profile\nfields: [{name: email, type: email, category: A}]\n"


def read(path):
    with open(path, "rb") as handle:
        return handle.read()


def make(root):
    """A vault with a journal and a closed epoch, stopped."""
    config = os.path.join(root, "vaultd.yaml")
    with open(config, "w", encoding="utf-8") as handle:
        handle.write(f"journal: {{dir: {root}/journal}}\nstore: {{ballast_mib: 0}}\n")
    daemon = Daemon(BINARY, directory=root, arguments=["--config", config])
    with daemon.client("administrator") as client:
        client.call("schema.apply", schema=SCHEMA)
    with daemon.client("application") as client:
        for name in ("kept", "gone"):
            client.call("subject.create", external_id=name, records={"profile": {"email": "a@example.com"}})
    with daemon.client("privacy") as client:
        client.call("subject.shred", subject="gone", now=True)
    assert daemon.stop() == 0, daemon.log()


def flipped(*places):
    def flip(content):
        changed = bytearray(content)
        for place in places:
            changed[place if place >= 0 else len(changed) // 2] ^= 1
        return bytes(changed)
    return flip


class Damaged(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base = tempfile.mkdtemp(prefix="vaultd-func-")
        cls.addClassCleanup(shutil.rmtree, cls.base)
        cls.whole, cls.other = (os.path.join(cls.base, name) for name in ("whole", "other"))
        for root in (cls.whole, cls.other):
            os.mkdir(root, 0o700)
            make(root)

    def copy(self):
        root = tempfile.mkdtemp(prefix="copy-", dir=self.base)
        self.addCleanup(shutil.rmtree, root, ignore_errors=True)
        shutil.copytree(self.whole, root, dirs_exist_ok=True)
        config = os.path.join(root, "vaultd.yaml")
        with open(config, encoding="utf-8") as handle:
            text = handle.read().replace(self.whole, root)
        with open(config, "w", encoding="utf-8") as handle:
            handle.write(text)
        return root

    def files(self, root):
        found = {}
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)
                if name not in OURS and os.path.isfile(path):
                    found[os.path.relpath(path, root)] = hashlib.sha256(read(path)).hexdigest()
        return found

    def start(self, root):
        return subprocess.run([BINARY, "--dev", "--data", os.path.join(root, "data"), "--listen", "127.0.0.1:0", "--config",
                               os.path.join(root, "vaultd.yaml")], capture_output=True, text=True, timeout=60, check=False)

    def assert_stops(self, what, root, code, sentence):
        before = self.files(root)
        done = self.start(root)
        said = [line for line in done.stderr.splitlines() if line.startswith("vaultd: ")]
        self.assertEqual((done.returncode, len(said)), (code, 1), f"{what}: {done.stderr}")
        self.assertRegex(said[0], r"^vaultd: \S.*\.$", what)
        self.assertTrue(re.search(sentence, said[0]), f"{what}: {said[0]}")
        self.assertNotIn("ready", done.stdout, what)
        self.assertEqual(self.files(root), before, what)

    def damage(self, file, change):
        """Each (what, content -> content) of one file in a vault of its own; None takes the file away."""
        root = self.copy()
        path = os.path.join(root, file)
        if change is None:
            os.remove(path)
        else:
            with open(path, "r+b") as handle:
                content = change(handle.read())
                handle.seek(0)
                handle.truncate()
                handle.write(content)
        return root

    def assert_each_stops(self, file, cases):
        for what, (change, code, sentence) in cases.items():
            with self.subTest(f"{file} {what}"):
                self.assert_stops(what, self.damage(file, change), code, sentence)

    def foreign(self, file):
        content = read(os.path.join(self.other, file))
        return lambda _: content

    def test_the_undamaged_copy_starts_and_has_what_it_had(self):
        root = self.copy()
        daemon = Daemon(BINARY, directory=root, arguments=["--config", os.path.join(root, "vaultd.yaml")])
        self.addCleanup(daemon.remove)
        with daemon.client("application") as client:
            self.assertEqual(client.refused("record.get", subject="kept", collection="profile", purpose="testing"), "ok")
            self.assertEqual(client.refused("record.get", subject="gone", collection="profile", purpose="testing"), "not-found")
        self.assertEqual(daemon.stop(), 0)

    def test_a_keeper_that_is_not_this_vaults_whole_file_stops_the_start(self):
        damaged = "keeper-1.vtk cannot be opened: Stored data is damaged"
        self.assert_each_stops(KEEPER, {
            "empty": (lambda _: b"", 8, damaged),
            "half": (lambda content: content[:4096], 8, damaged),
            "zeros": (lambda content: bytes(len(content)), 8, damaged),
            "random": (lambda content: os.urandom(len(content)), 8, damaged),
            "flipped in both blocks": (flipped(100, 4196), 8, damaged),
            "foreign": (self.foreign(KEEPER), 7, "belongs to another vault"),
            "missing": (None, 7, "keeper-1.vtk cannot be opened: it is not there"),
        })
        root = self.copy()
        os.chmod(os.path.join(root, KEEPER), 0o644)
        self.assert_stops("readable by others", root, 5, "mode 0600")

    def test_an_unseal_key_that_does_not_fit_stops_the_start(self):
        none = "The unseal key file is none"
        self.assert_each_stops(UNSEAL, {
            "empty": (lambda _: b"", 3, none),
            "zeros": (lambda content: bytes(len(content)), 3, none),
            "longer": (lambda content: 2 * content, 3, none),
            "half": (lambda content: content[:32], 4, "does not open this vault"),
            "another digit": (lambda content: content[:7] + (b"1" if content[7:8] == b"0" else b"0") + content[8:], 4,
                              "does not open this vault"),
            "no digit": (lambda content: content[:7] + b"g" + content[8:], 3, none),
            "foreign": (self.foreign(UNSEAL), 4, "does not open this vault"),
            "missing": (None, 5, "unseal.key cannot be used"),
        })
        root = self.copy()
        os.chmod(os.path.join(root, UNSEAL), 0o644)
        self.assert_stops("readable by others", root, 5, "can be read by others")

    def test_a_store_that_is_damaged_or_foreign_stops_the_start(self):
        damaged = "store cannot be opened: Stored data is damaged"
        self.assert_each_stops(STORE, {
            "cut": (lambda content: content[:len(content) // 2], 8, damaged),
            "zeros": (lambda content: bytes(len(content)), 8, damaged),
            "random": (lambda content: os.urandom(len(content)), 8, damaged),
            "both heads flipped": (flipped(*range(16, 60), *range(4112, 4156)), 8, damaged),
            "foreign": (self.foreign(STORE), 4, "does not open this vault"),
        })

    def test_a_store_that_is_gone_is_never_made_anew_beside_its_keeper(self):
        sentence = "store is empty, but keeper keeper-1 holds a share of some vault already: put the store's files back"
        for what, change in {"missing": None, "empty": lambda _: b"", "folder missing": None}.items():
            root = self.damage(STORE, change)
            store = os.path.dirname(os.path.join(root, STORE))
            if what == "folder missing":
                shutil.rmtree(store)
            held = sorted(os.listdir(store)) if os.path.isdir(store) else None
            for _ in range(2):              # nor at the second try
                self.assert_stops(what, root, 5, sentence)
                self.assertEqual(sorted(os.listdir(store)) if os.path.isdir(store) else None, held, what)
            os.makedirs(store, mode=0o700, exist_ok=True)
            shutil.copy(os.path.join(self.whole, STORE), os.path.join(root, STORE))
            daemon = Daemon(BINARY, directory=root, arguments=["--config", os.path.join(root, "vaultd.yaml")])
            with daemon.client("operator") as client:
                self.assertEqual(client.call("vault.status")["state"], "ready")
            self.assertEqual(daemon.stop(), 0)

    def test_a_journal_that_is_damaged_or_foreign_stops_the_start(self):
        self.assert_each_stops(JOURNAL, {
            "flipped": (flipped(-1), 8, "journal cannot be opened: Stored data is damaged"),
            "head flipped": (flipped(0), 8, "journal cannot be opened: Stored data is damaged"),
            "foreign": (self.foreign(JOURNAL), 5, "The journal belongs to another vault"),
        })
        root = self.copy()
        shutil.rmtree(os.path.join(root, "journal"))
        with open(os.path.join(root, "journal"), "w", encoding="ascii") as handle:
            handle.write("x")
        self.assert_stops("a file", root, 8, "journal cannot be opened")

    def test_a_lost_journal_is_begun_anew_and_status_says_what_that_costs(self):
        root = self.copy()

        # Where the test's files lie on one device, as they mostly do, the journal is lost with the store.
        reaches = "since the backup of |which reaches back to the backup of "

        def losses(daemon):
            with daemon.client("operator") as client:
                return client.call("vault.status")["loss_bound"]

        def backup(daemon, name):
            with daemon.client("operator") as client:
                client.call("backup.create", to=os.path.join(root, name))

        def start():
            daemon = Daemon(BINARY, directory=root, arguments=["--config", os.path.join(root, "vaultd.yaml")])
            self.addCleanup(daemon.stop)
            return daemon

        def create(daemon, name):
            with daemon.client("application") as client:
                client.call("subject.create", external_id=name, records={"profile": {"email": "n@example.com"}})

        daemon = start()
        self.assertIn("everything: no backup is registered", losses(daemon))
        backup(daemon, "one")
        self.assertRegex(losses(daemon), reaches)
        create(daemon, "after the backup")
        self.assertEqual(daemon.stop(), 0)
        shutil.rmtree(os.path.join(root, "journal"))
        daemon = start()
        self.assertIn("everything: the journal does not reach back", losses(daemon))
        backup(daemon, "two")
        self.assertRegex(losses(daemon), reaches)
        self.assertEqual(daemon.stop(), 0)

    def test_a_tls_certificate_or_key_that_is_none_stops_the_start(self):
        none, unfit = "server.pem holds no TLS certificate in PEM", "server.key does not hold the unencrypted key of"
        self.assert_each_stops(CERTIFICATE, {
            "empty": (lambda _: b"", 3, none), "half": (lambda content: content[:len(content) // 2], 3, none),
            "random": (lambda content: os.urandom(len(content)), 3, none), "foreign": (self.foreign(CERTIFICATE), 3, unfit),
            "missing": (None, 8, "server.pem cannot be read: No such file"),
        })
        self.assert_each_stops(KEY, {
            "empty": (lambda _: b"", 3, unfit), "half": (lambda content: content[:len(content) // 2], 3, unfit),
            "random": (lambda content: os.urandom(len(content)), 3, unfit), "foreign": (self.foreign(KEY), 3, unfit),
            "missing": (None, 8, "server.key cannot be read: No such file"),
        })
        root = self.copy()
        os.chmod(os.path.join(root, KEY), 0o644)
        self.assert_stops("readable by others", root, 5, "server.key is open to others than its owner: its mode must be 0600")

    def test_a_config_file_with_a_mistake_stops_the_start_with_its_line(self):
        for text, code, sentence in (("data_dir: [x]\n", 3, "line 1"), ("\n\nlisten: 7\n", 3, "line 3"),
                                     ("a: &a [*a]\n", 3, "ine 1"),
                                     ("quorum: 0\n", 3, "line 1"), ("quorum: 2\n", 3, "quorum"),
                                     ("threads: {workers: 99999}\n", 3, "line 1"), ("log: {level: loud}\n", 3, "line 1"),
                                     ("[" * 1000, 3, ""), ("x" * (2 << 20), 3, ""), ("listen: \0\n", 3, ""),
                                     ("listen: 127.0.0.1:0\nlisten: 127.0.0.1:1\n", 3, "twice"), ("- x\n", 3, "")):
            root = self.copy()
            with open(os.path.join(root, "vaultd.yaml"), "w", encoding="utf-8") as handle:
                handle.write(text)
            with self.subTest(text[:40]):
                self.assert_stops(text[:40], root, code, sentence)
        root = self.copy()
        os.remove(os.path.join(root, "vaultd.yaml"))
        self.assert_stops("missing", root, 8, "vaultd.yaml")
        os.mkdir(os.path.join(root, "vaultd.yaml"))
        self.assert_stops("a directory", root, 8, "vaultd.yaml")


if __name__ == "__main__":
    unittest.main()
