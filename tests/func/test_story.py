"""The whole main job, end to end, over TLS with the real daemon and the real client.

usage: test_story.py VAULTD VAULTCTL SOURCE_DIR

Import people and calls; tokenise every card; search every file for canary values; reveal, export, back up, shred a person and
one category of another, show the certificates; restore the backup beside the live vault and look at what is missing; rotate.
"""
import csv
import glob
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from vault_client import Daemon, VaultError  # noqa: E402

VAULTD, VAULTCTL, SOURCE = sys.argv[1:4]
EXAMPLES = os.path.join(SOURCE, "docs", "examples")
TEMPLATES = """
templates:
  - {name: card, format: digits, collection: cards, field: number, keep_last: 4}
  - {name: card-opaque, format: opaque, collection: cards, field: number}
"""


def read_rows(name):
    with open(os.path.join(EXAMPLES, "sample", name), encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def luhn_is_valid(digits):
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def files_below(*folders):
    for folder in folders:
        for root, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(root, name)
                if os.path.isfile(path):
                    yield path


class Story(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(VAULTD)
        cls.addClassCleanup(cls.daemon.remove)
        cls.people = read_rows("people.csv")
        cls.calls = read_rows("calls.csv")

    def ctl(self, role, *arguments, expect=0):
        environment = dict(os.environ, VAULTD_ADDR=self.daemon.address, VAULTD_CACERT=self.daemon.said["ca"],
                           VAULTD_CREDENTIAL_FILE=os.path.join(self.daemon.said["credentials"], role))
        done = subprocess.run([VAULTCTL, "--format", "json", *arguments], env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=300, check=False)
        self.assertEqual(done.returncode, expect, done.stderr.decode())
        return done

    def canaries(self):
        """Values that must lie in no file in the clear; short and common ones are left out."""
        found = set()
        for row in self.people:
            for column in ("email", "phone", "ssn", "card_pan", "iban", "street", "driver_licence", "external_id"):
                value = row[column].strip()
                if len(value) >= 9:
                    found.add(value.encode())
        return found

    def assert_no_canary(self, *folders):
        """grep is quick where thousands of words are looked for in many megabytes; it must find what it is shown."""
        words = os.path.join(self.daemon.root, "canaries")
        self.assertGreater(len(self.canaries()), 1000)
        with open(words, "wb") as handle:
            handle.write(b"\n".join(sorted(self.canaries())) + b"\n")
        files = list(files_below(*folders))
        self.assertGreater(sum(os.path.getsize(path) for path in files), 1 << 20)
        grep = ["grep", "-laFf", words]
        self.assertEqual(subprocess.run(grep + [words], capture_output=True, check=False).returncode, 0)
        found = subprocess.run(grep + files, capture_output=True, check=False, env=dict(os.environ, LC_ALL="C"))
        self.assertEqual((found.returncode, found.stdout), (1, b""), "a value lies in the clear")
        os.remove(words)

    def test_story(self):
        self.apply_schemas()
        self.import_sample()
        self.tokenise_cards()
        self.assert_no_canary(self.daemon.data)
        self.assert_no_canary_in_log()
        self.reveal_some()
        self.export_one()
        self.back_up()
        self.shred()
        self.show_certificates()
        self.restore_and_look()
        self.verify_log()
        self.rotate()

    def apply_schemas(self):
        with self.daemon.client("administrator") as client:
            for path in sorted(glob.glob(os.path.join(EXAMPLES, "schemas", "*.yaml"))):
                with open(path, encoding="utf-8") as handle:
                    result = client.call("schema.apply", schema=handle.read())
                self.assertEqual({item["state"] for item in result["collections"]}, {"created"})
            self.collections = [item["name"] for item in client.call("schema.list")["collections"]]
            self.assertIn("calls", self.collections)
            result = client.call("template.apply", template=TEMPLATES)
            self.assertEqual([item["state"] for item in result["templates"]], ["created", "created"])
            self.assertEqual(client.refused("schema.apply", schema="name: x\nfields: [{name: cvv, type: text, category: B}]"),
                             "refused-type")

    def import_sample(self):
        for name in ("people", "calls"):
            self.ctl("application", "import", "--file", os.path.join(EXAMPLES, "sample", name + ".csv"),
                     "--mapping", os.path.join(EXAMPLES, "import", name + ".yaml"))
        with self.daemon.client("privacy") as client:
            first, last = self.people[0], self.people[-1]
            for row in (first, last):
                result = client.call("record.get", subject=row["external_id"], collection="profile", view="plain",
                                     purpose="testing")
                self.assertEqual(result["fields"]["given_name"], row["given_name"])
        # A second import of the same file finds everything done.
        before = self.count_subjects()
        self.ctl("application", "import", "--file", os.path.join(EXAMPLES, "sample", "people.csv"),
                 "--mapping", os.path.join(EXAMPLES, "import", "people.yaml"))
        self.assertEqual(self.count_subjects(), before)
        self.assertEqual(before, len(self.people))

    def count_subjects(self):
        count, after = 0, None
        with self.daemon.client("privacy") as client:
            while True:
                more = {"after": after} if after else {}
                page = client.call("subject.list", limit=100, purpose="testing", **more)
                count += len(page["subjects"])
                after = page.get("next")
                if after is None:
                    return count

    def tokenise_cards(self):
        items = []
        with self.daemon.client("privacy") as client:
            for row in self.people:
                if row["card_pan"]:
                    page = client.call("record.list", subject=row["external_id"], collection="cards", purpose="testing")
                    items.append({"subject": row["external_id"], "record": page["records"][0]["record"]})
        self.tokens = {}
        with self.daemon.client("application") as client:
            result = client.call("token.create", template="card", items=items)
        for item, answer in zip(items, result["tokens"]):
            self.tokens[item["subject"]] = answer["token"]
        pans = {row["external_id"]: "".join(filter(str.isdigit, row["card_pan"])) for row in self.people}
        for external_id, token in self.tokens.items():
            self.assertFalse(luhn_is_valid(token))
            self.assertEqual(len(token), len(pans[external_id]))
            self.assertEqual(token[-4:], pans[external_id][-4:])
            self.assertNotEqual(token, pans[external_id])
        self.pans = pans

    def assert_no_canary_in_log(self):
        log = self.daemon.log().encode()
        self.assertIn(b"event=", log)
        for canary in self.canaries():
            self.assertNotIn(canary, log)

    def reveal_some(self):
        chosen = sorted(self.tokens)[:20]
        with self.daemon.client("application") as client:
            result = client.call("token.reveal", tokens=[self.tokens[name] for name in chosen], view="plain", purpose="billing")
            self.assertEqual([item["value"] for item in result["values"]], [self.pans[name] for name in chosen])
            masked = client.call("token.reveal", token=self.tokens[chosen[0]], view="last4", purpose="billing")["value"]
            self.assertNotIn(self.pans[chosen[0]][:12], masked)
            self.assertEqual(client.refused("token.reveal", token=self.tokens[chosen[0]]), "purpose")
        with self.daemon.client("administrator") as client:
            self.assertEqual(client.refused("token.reveal", token=self.tokens[chosen[0]], purpose="billing"), "forbidden")

    def export_one(self):
        target = os.path.join(self.daemon.root, "package")
        person = self.people[5]
        self.ctl("privacy", "subject", "export", person["external_id"], "--purpose", "rights", "--to", target)
        with open(os.path.join(target, "manifest.json"), encoding="utf-8") as handle:
            manifest = json.load(handle)
        self.assertTrue(manifest["files"])
        with open(os.path.join(target, "records", "profile.jsonl"), encoding="utf-8") as handle:
            text = handle.read()
        self.assertIn(json.dumps(person["given_name"], ensure_ascii=False)[1:-1], text)
        if person["ssn"]:
            for path in files_below(target):
                with open(path, "rb") as handle:
                    self.assertNotIn(person["ssn"].encode(), handle.read())

    def everything(self, client, name):
        """All values of a person, by collection and record."""
        shown = {}
        sent = [(collection, client.send("record.list", subject=name, collection=collection, view="plain", purpose="testing",
                                         limit=1000)) for collection in self.collections]
        for collection, number in sent:
            page = client.receive(number)
            self.assertNotIn("next", page)
            shown[collection] = {record["record"]: record["fields"] for record in page["records"]}
        return shown

    def back_up(self):
        with self.daemon.client("privacy") as client:
            self.held = {row["external_id"]: self.everything(client, row["external_id"]) for row in self.people}
        self.assertTrue(all(held["profile"] for held in self.held.values()))
        self.backup = os.path.join(self.daemon.root, "b1")
        with self.daemon.client("operator") as client:
            client.call("backup.create", to=self.backup)
            self.assertTrue(client.call("backup.verify", **{"from": self.backup})["opens_alone"])
        self.assert_no_canary(self.backup)

    def shred(self):
        with_card = [row["external_id"] for row in self.people if row["card_pan"] and row["ip"]]
        self.person, self.partial, self.control = with_card[3], with_card[4], with_card[5]
        with self.daemon.client("privacy") as client:
            whole = client.call("subject.shred", subject=self.person, now=True, reference="case 1")
            part = client.call("subject.shred", subject=self.partial, category="F", now=True)
        self.assertEqual(whole["state"], "effective")
        self.assertEqual(part["state"], "effective")
        self.certificates = [whole, part]

    def show_certificates(self):
        with self.daemon.client("auditor") as client:
            for certificate in self.certificates:
                shown = client.call("certificate.show", number=certificate["certificate"])
                self.assertEqual(shown["state"], "effective")
                self.assertIn("certificate of destruction", shown["note"])
                self.assertTrue(client.call("certificate.verify", note=shown["note"])["is_authentic"])
                self.assertFalse(client.call("certificate.verify", note=shown["note"].replace("1", "2", 1))["is_authentic"])

    def assert_gone(self, privacy):
        self.assertIn(privacy.refused("record.get", subject=self.person, collection="profile", purpose="testing"),
                      ("not-found", "erased"))
        with self.assertRaises(VaultError) as refusal:
            privacy.call("token.reveal", token=self.tokens[self.person], purpose="testing")
        self.assertEqual(refusal.exception.status, "erased")
        self.assertEqual(refusal.exception.certificate, self.certificates[0]["certificate"])
        part = privacy.call("record.get", subject=self.partial, collection="profile", view="plain", purpose="testing")
        self.assertNotIn("ip", part["fields"])
        self.assertIn("F", part["erased"])
        whole = privacy.call("record.get", subject=self.control, collection="profile", view="plain", purpose="testing")
        self.assertIn("ip", whole["fields"])
        shown = privacy.call("token.reveal", token=self.tokens[self.control], view="plain", purpose="testing")["value"]
        self.assertEqual(shown, self.pans[self.control])

    def restore_and_look(self):
        with self.daemon.client("privacy") as client:
            self.assert_gone(client)
        root = tempfile.mkdtemp(prefix="vaultd-restored-", dir=self.daemon.root)
        with self.daemon.client("operator") as client:
            verified = client.call("backup.verify", **{"from": self.backup})
            self.assertFalse(verified["opens_alone"])
            self.assertEqual(verified["erased_since"], 1)
            report = client.call("backup.restore", **{"from": self.backup, "to": os.path.join(root, "data"),
                                                      "check_only": True})["report"]
        self.assertEqual(report["subjects_in_backup"], len(self.people))
        self.assertEqual(report["subjects_erased"], 1)
        self.assertEqual(report["subjects_kept"], len(self.people) - 1)
        self.assertGreater(report["rows_erased"], 1)
        keeper = os.path.join(self.daemon.data, "keeper")
        restored = Daemon(VAULTD, directory=root, arguments=["--read-only", "--keeper-file", os.path.join(keeper, "keeper-1.vtk"),
                                                             "--unseal-key", os.path.join(keeper, "unseal.key")])
        try:
            from vault_client import Client
            secret = self.daemon.credential("privacy")
            with Client(restored.address, restored.said["ca"], secret) as client:
                self.assert_gone(client)
                self.assertEqual(client.refused("subject.shred", subject=self.control), "read-only")
                for name, held in self.held.items():
                    if name not in (self.person, self.partial):
                        self.assertEqual(self.everything(client, name), held)
                left = self.everything(client, self.partial)
                self.assertEqual(left["cards"], self.held[self.partial]["cards"])
                (was,), (now,) = self.held[self.partial]["profile"].values(), left["profile"].values()
                self.assertEqual(now, {key: value for key, value in was.items() if key in now})
                self.assertIn("ip", was)
        finally:
            restored.remove()

    def verify_log(self):
        with self.daemon.client("auditor") as client:
            result = client.call("audit.verify")
            self.assertTrue(result["is_sound"])
            self.assertGreater(result["size"], 10)
        with self.daemon.client("operator") as client:
            check = client.call("store.check")
            self.assertTrue(check["is_sound"], check["faults"])

    def rotate(self):
        with self.daemon.client("administrator") as client:
            job = client.call("key.rotate", what="tree")["job"]
            state = "running"
            while state == "running":
                state = client.call("job.status", job=job)["jobs"][0]["state"]
            self.assertEqual(state, "done")
        with self.daemon.client("privacy") as client:
            self.assert_gone(client)
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon.start()
        with self.daemon.client("privacy") as client:
            self.assert_gone(client)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
