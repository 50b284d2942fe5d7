#!/usr/bin/python3
"""vaultctl and a real vault, as people use them: over TLS, with a credential of each role.

    test_vaultctl.py VAULTCTL VAULTD SOURCE_DIR
"""
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

VAULTCTL, VAULTD, SOURCE = sys.argv[1:4]
sys.path.insert(0, os.path.join(SOURCE, "tests", "support"))
from vault_client import Daemon   # pylint: disable=wrong-import-position

SCHEMAS = os.path.join(SOURCE, "docs", "examples", "schemas")
CANARY = "canary-7f3a"


class WithVault(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(VAULTD)
        cls.folder = tempfile.mkdtemp(prefix="vaultctl-func-")

    @classmethod
    def tearDownClass(cls):
        cls.daemon.remove()
        shutil.rmtree(cls.folder)

    def run_(self, role, *words, stdin=b"", env=None):
        environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "VAULTD_ADDR": self.daemon.address,
                       "VAULTD_CACERT": self.daemon.said["ca"], "VAULTD_PURPOSE": "service", **(env or {})}
        if role is not None:
            environment["VAULTD_CREDENTIAL_FILE"] = os.path.join(self.daemon.said["credentials"], role)
        return subprocess.run([VAULTCTL, *words], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                              env=environment, start_new_session=True, check=False)

    def good(self, role, *words, **more):
        done = self.run_(role, *words, "--format", "json", **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def refused(self, role, *words, **more):
        """Exit status and stable code."""
        done = self.run_(role, *words, **more)
        self.assertEqual(done.stdout, b"")
        self.assertTrue(done.stderr.startswith(b"vaultctl: "), done.stderr)
        return done.returncode, done.stderr.decode().rsplit("(", 1)[1].rstrip(")\n").split(",")[0]

    def path(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as handle:
            handle.write(content)
        return path


class Story(WithVault):
    def test_a_person_is_kept_read_and_forgotten_with_a_certificate_that_verifies_here(self):
        self.good("administrator", "schema", "apply", os.path.join(SCHEMAS, "profile.yaml"))
        records = '{"profile": {"given_name": "Ada", "email": "' + CANARY + '@example.org"}}'
        self.good("application", "subject", "create", "ada", "--records", "-", stdin=records.encode())
        plain = self.good("application", "record", "get", "ada", "--collection", "profile", "--view", "plain")
        self.assertEqual(plain["fields"]["email"], CANARY + "@example.org")
        masked = self.run_("application", "record", "get", "ada", "--collection", "profile")
        self.assertNotIn(CANARY.encode(), masked.stdout)

        self.assertEqual(self.good("privacy", "subject", "shred", "ada", "--dry-run")["counts"]["records"], 1)
        self.assertEqual(self.refused("privacy", "subject", "shred", "ada"), (3, "argument"))
        shredded = self.good("privacy", "subject", "shred", "ada", "--now", "--yes")
        self.assertEqual(shredded["state"], "effective")
        self.assertEqual(self.refused("application", "record", "get", "ada", "--collection", "profile"), (5, "not-found"))

        number = str(shredded["certificate"])
        shown = self.good("auditor", "certificate", "show", number)
        note = self.path("note", shown["note"].encode())
        self.assertTrue(self.good("auditor", "certificate", "verify", note)["is_authentic"])
        offline = self.good(None, "certificate", "verify", note, "--key", shown["verifier_key"],
                            env={"VAULTD_ADDR": "127.0.0.1:1"})
        self.assertEqual((offline["number"], offline["state"]), (shredded["certificate"], "effective"))
        forged = self.path("forged", shown["note"].replace("effective", "final", 1).encode())
        self.assertEqual(self.refused(None, "certificate", "verify", forged, "--key", shown["verifier_key"]),
                         (8, "authenticity"))
        asked = self.run_("auditor", "certificate", "verify", forged, "--format", "json")
        changed = "The text or its proof has been changed: this is not what the vault signed."
        self.assertEqual((asked.returncode, json.loads(asked.stdout)), (8, {"is_authentic": False, "reason": changed}))
        self.assertIn(changed.encode() + b" (authenticity)", asked.stderr)

    def test_what_is_not_the_certificate_that_was_handed_out_is_refused_here_with_a_reason(self):
        for name in ("bob", "eve"):
            self.good("application", "subject", "create", name)
        shown = []
        for name in ("bob", "eve"):
            shredded = self.good("privacy", "subject", "shred", name, "--now", "--yes")
            shown.append(self.good("auditor", "certificate", "show", str(shredded["certificate"])))
        key, note, other = shown[1]["verifier_key"], shown[1]["note"], shown[0]["note"]
        text, proof = note.split("\n\n", 1)
        index = re.search(r"\nindex (\d+)\n", proof).group(1)
        changed = "The text or its proof has been changed: this is not what the vault signed."
        name, _, rest = key.partition("+")
        # A well-formed key of another vault: its id fits its name and bytes.
        stranger = name.replace(name[7:39], "0" * 32)
        bytes_of_key = base64.b64decode(rest.split("+", 1)[1])
        key_id = hashlib.sha256(stranger.encode() + b"\n" + bytes_of_key).hexdigest()[:8]
        strangers_key = f"{stranger}+{key_id}+{base64.b64encode(bytes_of_key).decode()}"
        for what, file, with_key, status, sentence in (
                ("text", note.replace("\nsubjects: 1\n", "\nsubjects: 2\n"), key, 8, changed),
                ("index", note.replace(f"\nindex {index}\n", f"\nindex {int(index) + 1}\n"), key, 8, changed),
                ("proof", text + "\n\n" + other.split("\n\n", 1)[1], key, 8, changed),
                ("checkpoint", note[:-20] + ("A" if note[-20] != "A" else "B") + note[-19:], key, 8,
                 "Signature line 1, by a known key, is bad."),
                ("other vault", note, strangers_key, 8, "No known key has signed the note."),
                ("cut", note[:-30], key, 3, "The note does not end in a signature line."),
                ("no proof", text + "\n", key, 3, "The certificate has no proof behind its text."),
                ("former version", note.replace("destruction v2", "destruction v1"), key, 8,
                 "This is a certificate of another version than 2, which is read here.")):
            done = self.run_(None, "certificate", "verify", self.path("tried", file.encode()), "--key", with_key)
            self.assertIn(sentence.encode(), done.stderr, what)
            self.assertEqual(done.stdout, b"", what)
            self.assertEqual(done.returncode, status, what)
        self.assertEqual(self.good(None, "certificate", "verify", self.path("tried", note.encode()), "--key", key)["state"],
                         "effective")

    def test_a_value_becomes_a_token_and_comes_back(self):
        self.good("administrator", "schema", "apply",
                  self.path("s.yaml", b"name: secrets\ncardinality: many\nfields:\n  - {name: word, type: text, category: B}\n"))
        self.good("administrator", "template", "apply",
                  self.path("t.yaml", b"templates:\n  - {name: word, format: opaque, collection: secrets, field: word}\n"))
        token = self.run_("application", "tokenize", "-", "--template", "word", "--only", "token", stdin=b"open sesame\n")
        self.assertEqual(token.returncode, 0, token.stderr)
        token = token.stdout.decode().strip()
        self.assertEqual(self.good("application", "detokenize", token, "--view", "plain")["value"], "open sesame")


class Files(WithVault):
    def said(self, *words):
        done = self.run_("application", *words)
        self.assertEqual((done.returncode, done.stdout), (3, b""))
        return done.stderr.decode()

    def test_a_file_is_named_with_or_without_an_at_sign_wherever_one_is_asked_for(self):
        schema = self.path("notes.yaml", b"name: notes\nfields:\n  - {name: line, type: text, category: H}\n")
        many = self.path("many.yaml", b"name: lines\ncardinality: many\nfields:\n  - {name: line, type: text, category: H}\n")
        template = self.path("template.yaml", b"templates:\n  - {name: line, format: opaque, collection: lines, field: line}\n")
        self.assertEqual(self.good("administrator", "schema", "apply", "@" + schema)["collections"][0]["name"], "notes")
        self.good("administrator", "schema", "apply", many)
        self.good("administrator", "template", "apply", "@" + template)
        rows, mapping = self.path("r.csv", b"id,text\nada,hello\n"), self.path(
            "m.yaml", b"name: m\nsubject: id\ncolumns: {text: notes.line}\n")
        self.assertEqual(self.good("application", "import", "--file", "@" + rows, "--mapping", "@" + mapping)["imported"], 1)
        fields = self.path("f.json", b'{"line": "bye"}')
        self.good("application", "record", "correct", "ada", "--collection", "notes", "--fields", "@" + fields)
        self.assertEqual(self.good("application", "record", "get", "ada", "--collection", "notes", "--view", "plain")
                         ["fields"]["line"], "bye")

    def test_a_file_given_where_its_content_is_wanted_is_refused_with_what_to_type(self):
        fields = self.path("g.json", b"{}")
        said = self.said("record", "correct", "ada", "--collection", "notes", "--fields", fields)
        self.assertIn("A file of JSON is given as @FILE.", said)
        self.assertNotIn(fields, said)

    def test_words_where_options_are_wanted_are_refused_with_the_right_form(self):
        said = self.said("subject", "find", CANARY)
        self.assertEqual(said, "vaultctl: The command takes options, no words. Type: vaultctl subject find --collection NAME "
                               "--field NAME --value VALUE|@FILE|- --purpose NAME [--options]. (argument)\n")


class Import(WithVault):
    def test_the_sample_file_goes_in_once_and_a_second_run_sends_nothing(self):
        for schema in sorted(os.listdir(SCHEMAS)):
            self.good("administrator", "schema", "apply", os.path.join(SCHEMAS, schema))
        sample = os.path.join(SOURCE, "docs", "examples", "sample", "people.csv")
        words = ["import", "--file", sample, "--mapping", os.path.join(SOURCE, "docs", "examples", "import", "people.yaml"),
                 "--batch", "7", "--rejects", os.path.join(self.folder, "rejects.csv")]
        first = self.good("application", *words)
        self.assertGreater(first["imported"], 0)
        self.assertEqual(first["imported"] + first["rejected"], first["records"])
        self.assertEqual(first["skipped"], 0)
        again = self.good("application", *words)
        self.assertEqual((again["imported"], again["skipped"]), (0, first["records"]))
        listed = self.good("application", "subject", "list", "--limit", "1000")["subjects"]
        self.assertEqual(len(listed), first["imported"])


class Connecting(WithVault):
    def test_health_needs_no_credential_and_status_does(self):
        self.assertEqual(self.good(None, "health"), {"state": "ready"})
        self.assertEqual(self.refused(None, "status"), (4, "unauthenticated"))
        self.assertEqual(self.good("operator", "status")["state"], "ready")
        self.assertEqual(self.refused("application", "subject", "shred", "ada", "--yes"), (4, "forbidden"))

    def test_an_empty_credential_file_is_said_to_be_empty(self):
        empty = self.path("empty.credential", b"")
        done = self.run_(None, "status", env={"VAULTD_CREDENTIAL_FILE": empty})
        self.assertEqual(done.returncode, 4)
        self.assertIn(b"The file of the credential is empty.", done.stderr)

    def test_a_key_file_of_another_length_is_refused_by_its_length(self):
        short = self.path("short.key", b"\xff" * 31)
        done = self.run_("operator", "unseal", "--socket", self.daemon.said["socket"], "--key-file-file", short)
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"A key file has 32 bytes", done.stderr)

    def test_a_wrong_credential_is_refused_and_not_shown(self):
        done = self.run_(None, "status", env={"VAULTD_CREDENTIAL": "vsk_" + CANARY})
        self.assertEqual(done.returncode, 4)
        self.assertNotIn(CANARY.encode(), done.stdout + done.stderr)

    def test_the_local_operator_needs_no_credential(self):
        done = self.run_(None, "--socket", self.daemon.said["socket"], "status", "--only", "state")
        self.assertEqual((done.returncode, done.stdout), (0, b"ready\n"))

    def test_a_sealed_vault_says_its_status_over_the_socket_whatever_credential_is_set(self):
        self.good("operator", "seal", "--yes")
        self.addCleanup(self.open_again)
        over_tls = self.run_("operator", "status")
        self.assertEqual(over_tls.returncode, 2)
        self.assertEqual(over_tls.stderr, b"vaultctl: The vault is sealed. On its machine, run: vaultctl unseal --socket PATH. "
                                          b"(sealed)\n")
        done = self.run_("operator", "--socket", self.daemon.said["socket"], "status", "--only", "state")
        self.assertEqual((done.returncode, done.stdout), (0, b"sealed\n"))
        self.assertEqual(self.refused("operator", "--socket", self.daemon.said["socket"], "epoch", "status"), (2, "sealed"))

    def open_again(self):
        key = os.path.join(self.daemon.data, "keeper", "unseal.key")
        opened = self.good(None, "unseal", "--socket", self.daemon.said["socket"], "--key-file-file", key)
        self.assertEqual(opened["state"], "ready")

    def test_a_vault_under_another_authority_or_pin_is_not_spoken_to(self):
        with Daemon(VAULTD) as other:
            wrong = {"VAULTD_CACERT": other.said["ca"]}
            self.assertEqual(self.refused("operator", "status", env=wrong), (9, "tls"))
        self.assertEqual(self.refused("operator", "status", "--pin", "00" * 32), (9, "tls"))
        self.assertEqual(self.refused("operator", "status", "--pin", "00"), (3, "argument"))

    def test_without_an_authority_no_vault_is_trusted(self):
        done = subprocess.run([VAULTCTL, "--addr", self.daemon.address, "health"], stdout=subprocess.PIPE, timeout=60,
                              stderr=subprocess.PIPE, env={"HOME": "/nonexistent"}, start_new_session=True, check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"(argument, field cacert)", done.stderr)

    def test_nobody_at_the_address_is_said_so(self):
        self.assertEqual(self.refused("operator", "status", "--addr", "127.0.0.1:1"), (9, "connect"))
        done = subprocess.run([VAULTCTL, "--addr", "127.0.0.1:1", "--cacert", self.daemon.said["ca"], "health"],
                              stderr=subprocess.PIPE, timeout=60, check=False)
        self.assertEqual(done.stderr, b"vaultctl: No vault answers at 127.0.0.1 port 1: check that vaultd runs and listens there. "
                                      b"(connect, field addr)\n")

    def test_an_address_with_an_impossible_port_is_refused_by_the_options_name(self):
        for address in ("127.0.0.1:99999", "127.0.0.1:65536", "127.0.0.1:0", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:000080",
                        "[::1]:99999", "[::1", ":7470", ""):
            done = subprocess.run([VAULTCTL, "--addr", address, "health"], stderr=subprocess.PIPE, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stderr),
                             (3, b"vaultctl: The vault's address, of --addr or VAULTD_ADDR, must be HOST or HOST:PORT, the port 1 "
                                 b"to 65535. (argument, field addr)\n"), address)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
