"""The offline reader against a vault like one in production: what was forgotten opens from no file, and the controls do.

usage: test_reader.py VAULTD VAULTCTL SOURCE_DIR

Three keepers of which two are needed, a journal, and three ways to unseal. Files of three times are kept: before anything is
forgotten, while it is pending, and after the epoch has closed. Then the reader is given piles of them. Each negative finding
has its positive control: with former slots of as many keepers as are needed, the same files must open.
"""
import csv
import glob
import hashlib
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from vault_client import Client, Daemon, VaultError  # noqa: E402

VAULTD, VAULTCTL, SOURCE = sys.argv[1:4]
RAW = sys.argv[4:] == ["raw"]
READER = os.path.join(SOURCE, "tools", "reader", "vault-reader")
EXAMPLES = os.path.join(SOURCE, "docs", "examples")
KEEPERS = ("one", "two", "three")
PASSPHRASE = "correct horse battery staple"
LONG_NOTE = "".join(f"remark {number} of a long note. " for number in range(700)) + "the end of a long note"
TEMPLATE = "templates:\n  - {name: opaque, format: opaque, collection: cards, field: number}\n"
LATE_SCHEMA = "name: late\ndoc: what came later\nfields:\n  - {name: text, type: text, category: H, doc: text}\n"
LATE_TEXT = "added in a later epoch"
CALLER_KEY = "request-0001"


def read_people():
    with open(os.path.join(EXAMPLES, "sample", "people.csv"), encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def tree_state(root):
    """Every file below with its bytes and times."""
    state = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as handle:
                state[path] = (hashlib.sha256(handle.read()).hexdigest(), os.stat(path).st_mtime_ns)
    return state


class World:
    """The vault, and the files that were kept of it."""

    def __init__(self, raw_keepers=()):
        self.raw_keepers = raw_keepers
        self.root = tempfile.mkdtemp(prefix="vaultd-reader-")
        self.secrets = {}
        self.daemon = None

    def path(self, *names):
        return os.path.join(self.root, *names)

    def write(self, name, content):
        with open(self.path(name), "wb") as handle:
            handle.write(content)
        return self.path(name)

    def remove(self):
        if self.daemon is not None:
            self.daemon.remove()
        shutil.rmtree(self.root, ignore_errors=True)

    def configure(self):
        for name in (*KEEPERS, "journal"):
            os.mkdir(self.path(name))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=vaultd", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.path("server.key"),
                        "-out", self.path("server.pem")], check=True, capture_output=True)
        os.chmod(self.path("server.key"), 0o600)
        keepers = ", ".join(f"{{name: {name}, {'raw' if name in self.raw_keepers else 'file'}: {self.path(name)}/keeper.vtk}}"
                            for name in KEEPERS)
        self.write("vaultd.yaml", f"""
data_dir: {self.path("data")}
listen: 127.0.0.1:0
tls: {{certificate: {self.path("server.pem")}, key: {self.path("server.key")}}}
keepers: [{keepers}]
quorum: 2
journal: {{dir: {self.path("journal")}}}
store: {{ballast_mib: 1}}
brake: {{shreds_per_hour: 3}}
""".encode())

    def start(self):
        self.daemon = Daemon(VAULTD, directory=self.root, dev=False, arguments=["--config", self.path("vaultd.yaml")])

    def initialise(self):
        key_file = os.urandom(32).hex()
        self.write("unseal.key", key_file.encode())
        self.write("passphrase", PASSPHRASE.encode() + b"\n")
        with self.daemon.local(timeout=120) as local:
            answer = local.call("vault.init", passphrase=PASSPHRASE, key_file=key_file, shares=5, threshold=3)
        for number, share in enumerate(answer["shares"], 1):
            self.write(f"share-{number}", share.encode() + b"\n")
        self.secrets["administrator"] = answer["credentials"][0]["secret"]
        with self.client("administrator") as client:
            for role in ("application", "privacy", "operator", "auditor"):
                self.secrets[role] = client.call("credential.create", name=role, role=role)["secret"]

    def client(self, role):
        return Client(self.daemon.address, self.path("server.pem"), self.secrets[role], timeout=120)

    def unseal(self):
        with self.daemon.local(timeout=120) as local:
            local.call("vault.unseal", passphrase=PASSPHRASE)

    def keep(self, name):
        """Stop, copy what an operator or a thief could have copied, go on."""
        if self.daemon.stop() != 0:
            raise RuntimeError("the daemon did not end well")
        os.makedirs(self.path("kept", name))
        shutil.copy(self.path("data", "store", "data.mdb"), self.path("kept", name, "data.mdb"))
        for folder in (*KEEPERS, "journal"):
            shutil.copytree(self.path(folder), self.path("kept", name, folder))
        self.daemon.start()
        self.unseal()

    def fill(self):
        with self.client("administrator") as client:
            for path in sorted(glob.glob(os.path.join(EXAMPLES, "schemas", "*.yaml"))):
                with open(path, encoding="utf-8") as handle:
                    client.call("schema.apply", schema=handle.read())
            client.call("template.apply", template=TEMPLATE)
        self.write("credential", self.secrets["application"].encode() + b"\n")
        os.chmod(self.path("credential"), 0o600)
        environment = dict(os.environ, VAULTD_ADDR=self.daemon.address, VAULTD_CACERT=self.path("server.pem"),
                           VAULTD_CREDENTIAL_FILE=self.path("credential"))
        subprocess.run([VAULTCTL, "import", "--file", os.path.join(EXAMPLES, "sample", "people.csv"), "--mapping",
                        os.path.join(EXAMPLES, "import", "people.yaml")], env=environment, check=True, capture_output=True)

    def choose(self):
        """Eight people of whom much is kept, and what of them is looked for."""
        people = [row for row in read_people() if all(row[field] for field in ("card_pan", "ip", "ssn", "email"))]
        names = ("shredded", "partial", "by_record", "corrected", "deleted", "control", "held", "waiting")
        self.people = dict(zip(names, people[2:10]))
        self.sids, self.cards = {}, {}
        with self.client("privacy") as client:
            for name, row in self.people.items():
                self.sids[name] = client.call("subject.show", subject=row["external_id"], purpose="testing")["sid"]
                cards = client.call("record.list", subject=row["external_id"], collection="cards", purpose="testing")["records"]
                self.cards[name] = cards[0]["record"]
                profile = client.call("record.get", subject=row["external_id"], collection="profile", view="plain",
                                      purpose="testing")
                row.update({field: profile["fields"][field] for field in ("email", "ip")})      # as they are stored
            client.call("record.put", subject=self.external("control"), collection="notes", fields={"text": LONG_NOTE})
        with self.client("application") as client:
            self.token = client.call("token.create", template="opaque", subject=self.external("control"),
                                     record=self.cards["control"], idempotency_key=CALLER_KEY)["token"]

    def external(self, name):
        return self.people[name]["external_id"]

    def forget(self):
        with self.client("privacy") as client:
            client.call("subject.shred", subject=self.external("shredded"))
            client.call("subject.shred", subject=self.external("partial"), category="F")
            client.call("subject.shred", subject=self.external("by_record"), record=self.cards["by_record"])
            if client.call("subject.shred", subject=self.external("waiting"))["state"] != "waiting":
                raise RuntimeError("the brake let a fourth request pass")
            client.call("hold.place", subject=self.external("held"), reason="litigation")
            client.call("record.correct", subject=self.external("corrected"), collection="profile",
                        fields={"email": "after.correction@example.org"})

    def live_through_it(self):
        self.configure()
        self.start()
        self.initialise()
        self.fill()
        self.choose()
        self.keep("before")
        with self.client("operator") as client:
            client.call("backup.create", to=self.path("backup"))
        self.forget()
        self.keep("pending")
        with self.client("operator") as client:
            client.call("epoch.close")
        # Nothing is pending then; a deletion in a collection that forgets by record takes a key all the same.
        with self.client("privacy") as client:
            deleted = client.call("record.delete", subject=self.external("deleted"), collection="cards",
                                  record=self.cards["deleted"])
        if not deleted["is_forgotten_with_epoch"]:
            raise RuntimeError("a card was deleted and is not forgotten")
        # A category that nobody had before: its key is added to blocks whose subjects keep their own keys.
        with self.client("administrator") as client:
            client.call("schema.apply", schema=LATE_SCHEMA)
        with self.client("privacy") as client:
            client.call("record.put", subject=self.external("control"), collection="late", fields={"text": LATE_TEXT})
        with self.client("operator") as client:
            client.call("epoch.close")
        self.keep("after")

    def read(self, *arguments):
        """(exit code, report) of the reader."""
        done = subprocess.run([READER, "--quiet", "--json", *arguments], capture_output=True, timeout=300, check=False)
        if done.returncode == 2 or not done.stdout:
            return done.returncode, done.stderr.decode()
        return done.returncode, json.loads(done.stdout)


WORLD = World()


def setUpModule():
    try:
        WORLD.live_through_it()
    except BaseException:
        WORLD.remove()
        raise


def tearDownModule():
    WORLD.remove()


class Reader(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.key_file = ["--unseal", "keyfile:" + WORLD.path("unseal.key")]
        self.shares = [argument for number in (2, 4, 5) for argument in ("--unseal", "share:" + WORLD.path(f"share-{number}"))]
        self.all_secrets = [*self.key_file, "--unseal", "passphrase:" + WORLD.path("passphrase"), *self.shares]
        self.passive = [WORLD.path("kept", when, name) for when in ("before", "pending", "after")
                        for name in ("data.mdb", "journal")]
        self.passive.append(WORLD.path("backup"))
        self.present = [WORLD.path(name) for name in KEEPERS]

    @staticmethod
    def former(*names):
        return [WORLD.path("kept", "before", name) for name in names]

    def forgotten(self):
        """The scopes of what was forgotten. The values that were corrected have no scope: they are canaries."""
        cards = [f"{WORLD.sids[name]}/*/{WORLD.cards[name]}" for name in ("by_record", "deleted")]
        return [WORLD.sids["shredded"], WORLD.sids["partial"] + "/F", *cards]

    def alive(self):
        return [WORLD.sids["control"], WORLD.sids["control"] + "/F", WORLD.sids["partial"] + "/A", WORLD.sids["by_record"] + "/A",
                WORLD.sids["corrected"] + "/A", f"{WORLD.sids['control']}/B/{WORLD.cards['control']}", WORLD.sids["held"],
                WORLD.sids["waiting"]]

    def expectations(self):
        for scope in self.forgotten():
            yield from ("--expect-unreadable", scope)
        for scope in self.alive():
            yield from ("--expect-readable", scope)

    def held(self, report):
        return {(verdict["expected"], verdict["of"]): verdict["holds"] for verdict in report["expectations"]}

    def canary_files(self):
        """Values that must be nowhere, and values that must be found."""
        shredded, partial = WORLD.people["shredded"], WORLD.people["partial"]
        by_record, corrected, deleted, control = (WORLD.people[name] for name in ("by_record", "corrected", "deleted", "control"))
        gone = [shredded["email"], shredded["external_id"], partial["ip"], "".join(filter(str.isdigit, by_record["card_pan"])),
                corrected["email"], "".join(filter(str.isdigit, deleted["card_pan"]))]
        there = [partial["email"], by_record["email"], "after.correction@example.org", control["ip"], control["external_id"],
                 "".join(filter(str.isdigit, control["card_pan"])), "the end of a long note"]
        return WORLD.write("gone", "\n".join(gone).encode()), WORLD.write("there", "\n".join(there).encode())

    def test_files_of_all_times_with_the_present_keepers_and_every_unseal_secret_do_not_open_what_was_forgotten(self):
        gone, there = self.canary_files()
        code, report = WORLD.read(*self.all_secrets, *self.passive, *self.present, *self.expectations(), "--canary", gone,
                                  "--canary-control", there, "--exhaustive")
        self.assertEqual([verdict for verdict in report["expectations"] if not verdict["holds"]], [])
        self.assertEqual(code, 0, report["files"])
        self.assertEqual(len(report["expectations"]), 4 + 8 + 6 + 7)
        self.assertEqual(report["readable_though_forgotten"], [])
        for what in ("holds", "approvals", "waiting requests"):
            counts = report["opened"][what]
            self.assertEqual((counts["opened"], counts["all"] > 0), (counts["all"], True), what)
        subjects = report["subjects"]
        self.assertEqual(len(subjects), len(read_people()))
        nothing = [sid for sid, subject in subjects.items()
                   if not any(tally["readable"] for tally in subject["categories"].values())]
        self.assertEqual(nothing, [WORLD.sids["shredded"]])
        self.assertEqual({(key["incarnation"], key["epoch"]) for key in report["root_keys"]}, {(1, 3)})

    def test_what_was_forgotten_lies_there_and_says_by_what_it_was_erased(self):
        _, report = WORLD.read(*self.key_file, *self.passive, *self.present)
        shredded = report["subjects"][WORLD.sids["shredded"]]["categories"]
        self.assertEqual({"A", "B", "C", "D", "F", "L", "admin"} - set(shredded), set())
        for tally in shredded.values():
            self.assertEqual((tally["readable"], tally["sealed"]), (0, 0))
            self.assertEqual({reason.split(",")[0] for reason in tally["erased"]}, {"shred"})
            self.assertTrue(all("gone from epoch 2 on" in reason and "certificate" in reason for reason in tally["erased"]))
        partial = report["subjects"][WORLD.sids["partial"]]["categories"]
        self.assertEqual(sum(partial["F"]["erased"].values()), 1)
        self.assertTrue(all(tally["readable"] and not tally["erased"] for name, tally in partial.items() if name != "F"))
        corrected = report["subjects"][WORLD.sids["corrected"]]["categories"]["A"]
        self.assertTrue(corrected["readable"])
        self.assertTrue(all("key was taken out" in reason for reason in corrected["erased"]), corrected)
        self.assertTrue(corrected["erased"])
        entries = {name: report["subjects"][sid]["index_entries"] for name, sid in WORLD.sids.items()}
        self.assertEqual((entries["shredded"], entries["control"] > 0), (0, True))

    def test_former_slots_of_as_many_keepers_as_are_needed_open_it_again(self):
        gone, _ = self.canary_files()
        for pair in (("one", "two"), ("two", "three")):
            code, report = WORLD.read(*self.key_file, *self.passive, *self.present, *self.former(*pair), *self.expectations(),
                                      "--canary", gone)
            self.assertEqual(code, 1)
            held = self.held(report)
            self.assertEqual([held["unreadable", scope] for scope in self.forgotten()], [False] * 4)
            self.assertEqual([held["readable", scope] for scope in self.alive()], [True] * 8)
            self.assertEqual([holds for (expected, _), holds in held.items() if expected == "absent"], [False] * 6)
            self.assertGreater(len(report["readable_though_forgotten"]), 5)

    def test_former_slots_and_a_later_copy_open_what_was_added_to_somebody_in_between(self):
        """The subject's key is that of the former epoch, and adding a category left it as it was."""
        late = WORLD.sids["control"] + "/H"
        stores = [WORLD.path("kept", when, "data.mdb") for when in ("before", "after")]
        word = WORLD.write("late", LATE_TEXT.encode())
        code, report = WORLD.read(*self.key_file, *stores, *self.former("one", "two"), "--expect-readable", late,
                                  "--canary-control", word)
        self.assertEqual((code, self.held(report)), (0, {("readable", late): True, ("present", "canary of line 1"): True}))
        self.assertEqual({by["epoch"] for by in report["subjects"][WORLD.sids["control"]]["categories"]["H"]["by"]}, {1})
        code, report = WORLD.read(*self.key_file, *stores, *self.former("one", "two"), "--expect-unreadable", late)
        self.assertEqual((code, self.held(report)), (1, {("unreadable", late): False}))
        code, report = WORLD.read(*self.key_file, *stores, *self.former("one"), "--expect-unreadable", late)
        self.assertEqual((code, self.held(report)), (0, {("unreadable", late): True}))

    def test_rows_that_lie_in_free_pages_alone_open_with_former_slots(self):
        """The store of after the shred has them in no page in use, and a journal has no rows."""
        files = [WORLD.path("kept", "after", "data.mdb"), WORLD.path("kept", "after", "journal")]
        code, report = WORLD.read(*self.key_file, *files, *self.former("one", "two"), "--expect-unreadable", WORLD.sids["shredded"])
        self.assertEqual((code, self.held(report)), (1, {("unreadable", WORLD.sids["shredded"]): False}))
        tallies = report["subjects"][WORLD.sids["shredded"]]["categories"].values()
        self.assertGreater(sum(tally["readable"] for tally in tallies), 0)
        self.assertEqual({number for tally in tallies if tally["readable"] for number in tally["files"]}, {0})

    def test_what_the_vault_keeps_beside_rows_opens_too(self):
        """The control of each kind: were its context not what docs/FORMAT.md says, nothing of it would open or fail."""
        _, report = WORLD.read(*self.key_file, *self.passive, *self.present, *self.former("one", "two"))
        opened = report["opened"]
        for what in ("audit payloads about subjects", "configuration objects", "ledger entries", "pending requests",
                     "rows of closing batches"):
            self.assertGreater(opened[what]["opened"], 0, what)
            self.assertEqual(opened[what]["closed_in_use"], 0, what)

    def changed(self, name, pattern, change):
        """A copy of the last store in which each of these places of it is changed."""
        with open(WORLD.path("kept", "after", "data.mdb"), "rb") as handle:
            content = bytearray(handle.read())
        places = [found.start() for found in re.finditer(pattern, content, re.DOTALL)]
        for at in places:
            change(content, at)
        return WORLD.write(name, bytes(content)), len(places)

    def test_rows_open_though_no_file_says_whose_they_are(self):
        sid = bytes.fromhex(WORLD.sids["control"])

        def rename(content, at):
            content[at + 2] ^= 0xff
        changed, count = self.changed("renamed", b"\x1a\0(?=" + re.escape(sid) + b")", rename)
        self.assertGreater(count, 3)
        code, report = WORLD.read(*self.key_file, WORLD.path("kept", "after", "data.mdb"), *self.present)
        whole = report["subjects"][WORLD.sids["control"]]["categories"]
        code, report = WORLD.read(*self.key_file, changed, *self.present)
        self.assertEqual((code, report["untried"]), (0, {}))
        self.assertGreater(report["orphans"], 3)
        found = report["subjects"][WORLD.sids["control"]]["categories"]
        self.assertEqual({name: tally["readable"] for name, tally in found.items()},
                         {name: tally["readable"] for name, tally in whole.items()})

    def test_pages_of_the_tree_and_long_rows_open_though_nothing_names_them(self):
        """Every node that says in which page its value lies is made to say page 0."""
        def lose(content, at):
            key_length = content[at + 6]
            content[at + 8 + key_length:at + 16 + key_length] = bytes(8)
        nodes = b"(?=" + struct.pack("<HHHH", 4080, 0, 1, 18) + b"|..\0\0\1\0\x0c\0.{12}.{3}\0{5})"
        changed, count = self.changed("nameless", nodes, lose)
        self.assertGreater(count, 50)
        word = WORLD.write("end", b"the end of a long note")
        readable = [argument for scope in self.alive() for argument in ("--expect-readable", scope)]
        code, report = WORLD.read(*self.key_file, changed, *self.present, "--canary-control", word, *readable)
        self.assertEqual((code, report["untried"]), (3, {}))
        self.assertTrue(any("is damaged" in line for line in report["files"][0]["damage"]))
        self.assertEqual([verdict["of"] for verdict in report["expectations"] if not verdict["holds"]], [])
        self.assertGreater(self.readable(report), 1000)

    def test_the_chain_says_which_secret_and_which_slots_opened_it(self):
        scope = self.forgotten()[0]
        _, report = WORLD.read(*self.key_file, *self.passive, *self.former("one", "three"), "--expect-unreadable", scope)
        chain = report["expectations"][0]["chain"]
        self.assertEqual([line.split(" ")[0] for line in (part.strip() for part in chain)][:3], ["row", "key", "subject"])
        text = "\n".join(chain)
        for words in ("page", "root record of epoch 1", "root key of incarnation 1, epoch 1", "share 1 (2 of 3 needed)",
                      "share 3 (2 of 3 needed)", self.former("one")[0], self.former("three")[0], "unseal key", "(key file)",
                      WORLD.path("unseal.key")):
            self.assertIn(words, text)
        self.assertNotIn(WORLD.path("one"), text.replace(self.former("one")[0], ""))

    def test_former_slots_of_one_keeper_fewer_do_not(self):
        for name in KEEPERS:
            code, report = WORLD.read(*self.key_file, *self.passive, *self.present, *self.former(name), *self.expectations())
            self.assertEqual([verdict["of"] for verdict in report["expectations"] if not verdict["holds"]], [])
            self.assertEqual(code, 0)

    def test_one_former_keeper_and_all_else_of_that_time_opens_nothing_at_all(self):
        _, report = WORLD.read(*self.all_secrets, WORLD.path("kept", "before", "data.mdb"), *self.former("two"))
        self.assertEqual(self.readable(report), 0)
        self.assertEqual(report["root_keys"], [])

    @staticmethod
    def readable(report):
        return sum(tally["readable"] + tally["damaged"] for subject in report["subjects"].values()
                   for tally in subject["categories"].values())

    def test_without_an_unseal_secret_nothing_opens(self):
        code, report = WORLD.read(*self.passive, *self.present, *self.former(*KEEPERS), "--expect-readable", WORLD.sids["control"])
        self.assertEqual(code, 1)
        self.assertEqual((self.readable(report), report["unseal_keys"], report["root_keys"], report["trees"]), (0, [], [], []))
        self.assertEqual(report["opened"]["ledger entries"]["opened"], 0)
        self.assertGreater(report["opened"]["ledger entries"]["all"], 0)

    def test_without_a_keeper_nothing_opens(self):
        _, report = WORLD.read(*self.all_secrets, *self.passive)
        self.assertEqual((self.readable(report), report["root_keys"]), (0, []))
        self.assertEqual(len(report["unseal_keys"]), 1)

    def test_each_way_to_unseal_opens_the_same(self):
        store = [WORLD.path("kept", "after", "data.mdb"), *self.present[:2]]
        counts = set()
        for secret in (self.key_file, ["--unseal", "passphrase:" + WORLD.path("passphrase")], self.shares):
            code, report = WORLD.read(*secret, *store)
            self.assertEqual(code, 0)
            counts.add(self.readable(report))
        self.assertEqual(len(counts), 1)
        self.assertGreater(counts.pop(), 1000)

    def test_too_few_shares_or_a_wrong_secret_open_nothing(self):
        store = [WORLD.path("kept", "after", "data.mdb"), *self.present]
        other = WORLD.write("other.key", os.urandom(32))
        wrong = WORLD.write("wrong", b"correct horse")
        for secret in (self.shares[:4], ["--unseal", "keyfile:" + other], ["--unseal", "passphrase:" + wrong]):
            code, report = WORLD.read(*secret, *store)
            self.assertEqual((code, self.readable(report), report["unseal_keys"]), (0, 0, []))

    def test_a_damaged_and_a_truncated_file_are_reported_and_the_others_are_read(self):
        with open(WORLD.path("kept", "after", "data.mdb"), "rb") as handle:
            whole = handle.read()
        damaged = bytearray(whole)
        for at in range(20_000, len(damaged), 25_013):
            damaged[at] ^= 0x40
        truncated = WORLD.write("truncated", whole[:len(whole) // 2 + 1000])
        damaged = WORLD.write("damaged", bytes(damaged))
        code, report = WORLD.read(*self.key_file, damaged, truncated, WORLD.path("kept", "before", "data.mdb"),
                                  WORLD.path("kept", "after", "journal"), *self.present)     # whose pages are whole
        self.assertEqual(code, 3)
        files = {file["path"]: file for file in report["files"]}
        self.assertTrue(any("its key fits, its tag does not" in line for line in files[damaged]["damage"]), files[damaged])
        self.assertTrue(any("behind the end of the file" in line for line in files[truncated]["damage"]), files[truncated])
        self.assertEqual(files[WORLD.path("kept", "before", "data.mdb")]["damage"], [])
        some = sum(1 for subject in report["subjects"].values()
                   if any(tally["readable"] for tally in subject["categories"].values()))
        self.assertGreater(some, len(read_people()) * 9 // 10)
        # A copy without its first pages, beside a whole one.
        headless = WORLD.write("headless", bytes(16384) + whole[16384:])
        code, report = WORLD.read(*self.key_file, headless, WORLD.path("journal"), *self.present)
        self.assertEqual(code, 3)
        self.assertIn("both meta pages are damaged", report["files"][0]["damage"][0])
        self.assertGreater(self.readable(report), 1000)

    def test_a_changed_byte_of_a_row_does_not_hide_it(self):
        """The tag does not fit, and whoever wants to read does not mind."""
        with open(WORLD.path("kept", "before", "data.mdb"), "rb") as handle:
            damaged = bytearray(handle.read())
        code, report = WORLD.read(*self.key_file, WORLD.path("kept", "before", "data.mdb"), *self.former("one", "two"), "--why",
                                  WORLD.sids["shredded"] + "/F")
        self.assertEqual(code, 0)
        row = report["subjects"][WORLD.sids["shredded"]]["chains"]["F"][0]
        damaged[int(row.rpartition("byte ")[2].rstrip("]")) + 17 + 78 + 60] ^= 1
        path = WORLD.write("one-byte", bytes(damaged))
        code, report = WORLD.read(*self.key_file, path, *self.former("one", "two"), "--expect-unreadable",
                                  WORLD.sids["shredded"] + "/F")
        self.assertEqual(code, 1)
        self.assertEqual(report["subjects"][WORLD.sids["shredded"]]["categories"]["F"]["damaged"], 1)

    def test_files_damaged_at_random_are_read_to_their_end(self):
        """Bits, bytes, page headers and lengths: whatever stands there is reported, never followed into a failure."""
        sources = [WORLD.path("kept", "after", "data.mdb"), WORLD.path("kept", "pending", "data.mdb"), *self.former("one", "two"),
                   *self.present, WORLD.path("backup", "manifest"), *glob.glob(WORLD.path("journal", "*"))]
        sources = [os.path.join(path, "keeper.vtk") if os.path.isdir(path) else path for path in sources]
        for seed in range(4):
            dice, paths = random.Random(seed), []
            for number, source in enumerate(sources):
                with open(source, "rb") as handle:
                    content = bytearray(handle.read())
                for _ in range(max(2, len(content) // 3000)):
                    at = dice.randrange(len(content))
                    at = at // 4096 * 4096 + dice.randrange(24) if dice.random() < 0.3 else at
                    content[at:at + dice.choice((1, 1, 2, 60))] = dice.randbytes(dice.choice((1, 2, 60)))
                whole = len(content) if seed != 3 else dice.randrange(len(content))
                paths.append(WORLD.write(f"random-{number}", bytes(content[:whole])))
            code, report = WORLD.read(*self.key_file, *paths, "--show-values", "--exhaustive")
            self.assertIn(code, (1, 3), (seed, report if isinstance(report, str) else None))
            self.assertEqual(len(report["files"]), len(sources))
            if seed != 3:                       # whole in length: what is left of the third says itself how little that is
                damaged = [file["kind"] for file in report["files"] if file["damage"]]
                self.assertEqual({"data file", "journal"} - set(damaged), set(), seed)  # keepers and notes may have been lucky
                named = self.every_sid() & set(report["subjects"])
                self.assertGreater(len(named), len(read_people()) * 9 // 10, seed)

    @staticmethod
    def every_sid():
        _, report = WORLD.read(WORLD.path("kept", "before", "data.mdb"))
        return set(report["subjects"])

    def test_an_unknown_file_is_named_as_unknown(self):
        unknown = WORLD.write("unknown", os.urandom(300_000))
        for option, expected in (([], 3), (["--ignore-unknown"], 0)):
            code, report = WORLD.read(unknown, WORLD.path("kept", "after", "data.mdb"), *option)
            self.assertEqual(code, expected)
            self.assertEqual([file["kind"] for file in report["files"]], ["unknown", "data file"])

    def test_files_are_known_by_what_they_hold(self):
        with tempfile.TemporaryDirectory(prefix="vaultd-reader-") as flat:
            sources = [WORLD.path("kept", "after", "data.mdb"), *(os.path.join(path, "keeper.vtk") for path in self.present),
                       WORLD.path("backup", "manifest"), *glob.glob(WORLD.path("journal", "*"))]
            for number, source in enumerate(sources):
                shutil.copy(source, os.path.join(flat, f"{number}.jpg"))
            code, report = WORLD.read(*self.key_file, flat, "--expect-readable", WORLD.sids["control"])
        self.assertEqual(code, 0)
        self.assertEqual([file["kind"] for file in report["files"]], ["data file", *["keeper file"] * 3, "signed note", "journal"])

    def test_a_file_that_is_not_there_is_told_and_the_others_are_read(self):
        code, report = WORLD.read(*self.key_file, WORLD.path("kept", "after", "data.mdb"), *self.present, WORLD.path("nowhere"))
        self.assertEqual(code, 3)
        self.assertEqual([item["path"] for item in report["unreadable_files"]], [WORLD.path("nowhere")])
        self.assertGreater(self.readable(report), 1000)

    def test_a_subject_that_no_file_names_shows_nothing(self):
        code, report = WORLD.read(*self.key_file, WORLD.path("kept", "after", "data.mdb"), "--expect-unreadable", "00" * 16)
        self.assertEqual(code, 1)
        self.assertIn("no file names this subject", report["expectations"][0]["why"])

    def test_wrong_usage_is_refused(self):
        store = WORLD.path("kept", "after", "data.mdb")
        for arguments in (["--unseal", "key:" + WORLD.path("unseal.key"), store], ["--unseal", "keyfile:/nonexistent", store],
                          ["--unseal", "share:" + WORLD.path("unseal.key"), store], ["--expect-readable", "x", store], [],
                          ["--expect-readable", WORLD.sids["control"] + "/Z", store]):
            code, _ = WORLD.read(*arguments)
            self.assertEqual(code, 2, arguments)

    def test_values_are_shown_only_when_asked_for(self):
        store = [WORLD.path("kept", "after", "data.mdb"), *self.present]
        shown = {}
        for more in ((), ("--show-values",)):
            done = subprocess.run([READER, *self.key_file, *store, *more], capture_output=True, timeout=300, check=True)
            shown[more] = (done.stdout + done.stderr).decode()
        control = WORLD.people["control"]
        for value in (control["email"], control["external_id"], "after.correction@example.org", "the end of a long note"):
            self.assertNotIn(value, shown[()])
            self.assertIn(value, shown["--show-values",])
        _, report = WORLD.read(*self.key_file, *store, "--show-values")
        rows = report["subjects"][WORLD.sids["control"]]["rows"]
        self.assertEqual([row["fields"]["email"] for row in rows if "email" in row["fields"]], [control["email"]])
        texts = [row["fields"]["text"] for row in rows if row["collection"] == "notes"]
        self.assertIn(LONG_NOTE, texts)

    def test_a_token_row_and_a_kept_answer_open_for_who_has_the_token_and_the_callers_key(self):
        store = [WORLD.path("kept", "after", "data.mdb"), *self.present]
        _, report = WORLD.read(*self.key_file, *store)
        self.assertEqual((report["opened"]["token rows"], report["opened"]["kept answers"]),
                         ({"opened": 0, "all": 1, "closed_in_use": 1},) * 2)
        token, caller = WORLD.write("token", WORLD.token.encode()), WORLD.write("caller-key", CALLER_KEY.encode())
        _, report = WORLD.read(*self.key_file, *store, "--token", token, "--caller-key", caller)
        self.assertEqual((report["opened"]["token rows"]["opened"], report["opened"]["kept answers"]["opened"]), (1, 1))

    def test_the_backup_is_known_by_its_manifest_and_signed_by_the_vault(self):
        _, report = WORLD.read(*self.key_file, WORLD.path("backup"), WORLD.path("kept", "after", "data.mdb"), *self.present)
        manifest = report["manifests"][0]
        self.assertEqual(manifest["signature"], "signed by the vault")
        copy = next(file["number"] for file in report["files"] if file["path"].endswith("backup/store/data.mdb"))
        self.assertEqual(manifest["copies"], [copy])
        self.assertEqual({(note["states"][0], note["signature"]) for note in report["certificates"]},
                         {("effective", "signed by the vault")})

    def test_nothing_is_written(self):
        before, code = (tree_state(WORLD.path("kept")), tree_state(os.path.dirname(READER))), None
        code, report = WORLD.read(*self.key_file, WORLD.path("kept"))
        self.assertEqual((code, len(report["readable_though_forgotten"]) > 5), (1, True))       # former slots are among them
        self.assertEqual((tree_state(WORLD.path("kept")), tree_state(os.path.dirname(READER))), before)


# Of the place, not of the keeper: any other refusal to start is a failure.
MEDIUM_REFUSED = re.compile(r"exit 3: vaultd: The keeper raw \S+ cannot be opened: (.*a raw keeper cannot lie|"
                            r"The raw keeper's file (lies|is compressed)|A part of the raw keeper's file is|"
                            r"Wh\w+ (devices )?the raw keeper|This build or vault does not support that)", re.IGNORECASE)


class RawKeepers(unittest.TestCase):
    """Two of three keepers of class E1. They refuse file systems that keep old blocks, so a machine may not allow this test;
    with VT_REQUIRE_RAW_KEEPER=1 it must."""

    def setUp(self):
        self.world = World(raw_keepers=("one", "two"))
        self.addCleanup(self.world.remove)
        self.world.configure()
        try:
            self.world.start()
        except RuntimeError as refusal:
            if not MEDIUM_REFUSED.search(str(refusal)) or os.environ.get("VT_REQUIRE_RAW_KEEPER") == "1":
                raise
            self.skipTest(f"no raw keeper in a file here: {refusal}")
        self.world.initialise()

    def test_their_shares_are_merged_from_the_stripes_and_former_ones_open_what_was_forgotten(self):
        world = self.world
        with world.client("administrator") as client:
            client.call("schema.apply", schema="name: p\ndoc: p\nfields:\n  - {name: n, type: text, category: A, doc: n}\n")
        with world.client("application") as client:
            sids = [client.call("subject.create", external_id=name, records={"p": {"n": name}})["sid"] for name in ("ada", "bob")]
        world.keep("before")
        with world.client("privacy") as client:
            client.call("subject.shred", subject="ada", now=True)
        world.keep("after")
        pile = ["--unseal", "keyfile:" + world.path("unseal.key"), world.path("kept", "before", "data.mdb"),
                world.path("kept", "after", "data.mdb"), "--expect-unreadable", sids[0], "--expect-readable", sids[1]]
        present = [world.path("kept", "after", name) for name in KEEPERS]
        code, report = world.read(*pile, *present[:2])
        self.assertEqual(code, 0, report)
        self.assertEqual([file["kind"] for file in report["files"]], ["data file"] * 2 + ["raw keeper"] * 2)
        code, report = world.read(*pile, *present, world.path("kept", "before", "one"))
        self.assertEqual(code, 0, report["expectations"])
        code, report = world.read(*pile, *present, world.path("kept", "before", "one"), world.path("kept", "before", "two"))
        self.assertEqual((code, [verdict["holds"] for verdict in report["expectations"]]), (1, [False, True]))
        # The files and keys of two vaults in one pile: each opens with its own, and both have a certificate 1.
        other = Reader("setUp")
        other.setUp()
        code, report = world.read(*pile, *present, *other.key_file, *other.passive, *other.present, *other.expectations())
        self.assertEqual((code, [verdict["of"] for verdict in report["expectations"] if not verdict["holds"]]), (0, []))
        self.assertEqual(len(report["unseal_keys"]), 2)
        self.assertEqual(sorted(note["number"] for note in report["certificates"]), [1, 1, 2, 3])


class Rotated(unittest.TestCase):
    """Runs before the take-over: the places of a rotation of keys, which name whom it has come to, lie in the files."""

    def test_places_of_a_rotation_open(self):
        with WORLD.client("administrator") as client:
            job = client.call("key.rotate", what="tenant", key="index")["job"]
            state = "running"
            while state == "running":
                state = client.call("job.status", job=job)["jobs"][0]["state"]
            self.assertEqual(state, "done")
        WORLD.keep("rotated")
        reader = Reader("setUp")
        reader.setUp()
        code, report = WORLD.read(*reader.key_file, *reader.passive, WORLD.path("kept", "rotated"), *reader.present,
                                  *reader.expectations())
        self.assertGreater(report["opened"]["places of rotations"]["opened"], 0)
        self.assertEqual([verdict for verdict in report["expectations"] if not verdict["holds"]], [])
        self.assertEqual(code, 0, report["files"])


class TakeOver(unittest.TestCase):
    """Runs last: the backup from before the shreds becomes the vault, as its next incarnation."""

    def test_files_of_two_incarnations_do_not_open_what_was_forgotten_and_open_the_rest(self):
        with WORLD.client("operator") as client:
            client.call("backup.restore", **{"from": WORLD.path("backup"), "take_over": True})
        for _ in range(600):
            try:
                with WORLD.daemon.local() as local:
                    if local.call("vault.health")["state"] == "sealed":
                        break
            except (ConnectionError, OSError):
                pass
            time.sleep(0.05)
        WORLD.unseal()
        WORLD.keep("taken")
        reader = Reader("setUp")
        reader.setUp()
        pile = [*reader.key_file, *reader.passive, WORLD.path("kept", "taken"), *reader.present]
        code, report = WORLD.read(*pile, *reader.expectations())
        self.assertEqual([verdict for verdict in report["expectations"] if not verdict["holds"]], [])
        self.assertEqual(code, 0, [file for file in report["files"] if file["damage"]])
        self.assertEqual({key["incarnation"] for key in report["root_keys"]}, {2})
        self.assertIn("take-over", {entry["operation"] for entry in report["ledger"]})
        self.assertEqual(len(report["subjects"]), len(read_people()))
        code, report = WORLD.read(*pile, *reader.former("one", "two"), *reader.expectations())
        self.assertEqual(code, 1)
        self.assertEqual([reader.held(report)["unreadable", scope] for scope in reader.forgotten()], [False] * 4)
        self.assertEqual({key["incarnation"] for key in report["root_keys"]}, {1, 2})


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *(("RawKeepers",) if RAW else ("Reader", "TakeOver"))], verbosity=2)
