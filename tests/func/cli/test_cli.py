#!/usr/bin/python3
"""vaultctl against answers that a test makes up: import, packages, jobs, refusals, broken peers.

    test_cli.py VAULTCTL
"""
import hashlib
import json
import os
import pty
import select
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import unittest

from fake_vault import FakeVault, Raw, Refusal

VAULTCTL = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else None
CANARY = "canary-7f3a"


def run(*words, fake=None, stdin=b"", env=None):
    """Without a terminal: a session of its own has none to ask on."""
    arguments = [VAULTCTL] + (["--socket", fake.path] if fake is not None else []) + list(words)
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **(env or {})}
    return subprocess.run(arguments, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
                          timeout=60, start_new_session=True, check=False)


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vaultctl-func-")

    def tearDown(self):
        shutil.rmtree(self.folder)

    def path(self, name, content=None):
        path = os.path.join(self.folder, name)
        if content is not None:
            with open(path, "wb") as handle:
                handle.write(content)
        return path

    def read(self, path):
        with open(path, "rb") as handle:
            return handle.read()


class Words(unittest.TestCase):
    def test_the_version_is_said_without_a_vault(self):
        done = run("--version")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertRegex(done.stdout, rb"^vaultctl [0-9]+\.[0-9]+\.[0-9]+\n$")

    def test_a_word_that_is_no_command_is_named_in_a_sentence(self):
        for words, said in ((("shred",), b"shred"), (("subject", "frob"), b"subject frob"), (("help", "nosuch"), b"nosuch")):
            done = run(*words)
            self.assertEqual((done.returncode, done.stderr),
                             (3, b"vaultctl: There is no command " + said + b". Try: vaultctl help. (argument)\n"))

    def test_bash_offers_what_may_follow(self):
        script = run("completion", "bash").stdout.decode()
        for words, offered in ((("completion", ""), "bash zsh fish"), (("help", "subj"), "subject"), (("--vers",), "--version"),
                               (("subject", "shr"), "shred"), (("unseal", "--key-file-f"), "--key-file-file")):
            typed = " ".join(f"'{word}'" for word in ("vaultctl", *words))
            done = subprocess.run(["bash", "-c", f"{script}\nCOMP_WORDS=({typed}) COMP_CWORD={len(words)}; _vaultctl\n"
                                                 "echo ${COMPREPLY[@]}"], stdout=subprocess.PIPE, timeout=60, check=True)
            self.assertEqual(done.stdout.decode(), offered + "\n")


MAPPING = b"name: people\nsubject: external_id\ncolumns:\n  email: profile.email\n  city: profile.city\n"


class Import(Folder):
    def people(self, count, name="people.csv"):
        rows = "".join(f"id-{i},{CANARY}-{i}@example.org,\r\n" for i in range(1, count + 1))
        return self.path(name, ("external_id,email,city\r\n" + rows).encode())

    def import_(self, fake, path, *words):
        return run("import", "--file", path, "--mapping", self.path("people.yaml", MAPPING), "--format", "json", *words,
                   fake=fake)

    def test_every_row_is_sent_once_with_its_number_and_absent_cells_left_out(self):
        got = {}

        def answer(method, params):
            if method == "record.import-status":
                return {"ranges": []}
            for i, row in enumerate(params["rows"]):
                self.assertNotIn(params["first_record"] + i, got)
                got[params["first_record"] + i] = row
            return {"imported": len(params["rows"]), "rejected": [], "skipped": False}

        path = self.people(1234)
        with FakeVault(answer) as fake:
            done = self.import_(fake, path, "--batch", "100")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(got), list(range(1, 1235)))
        self.assertEqual(got[7], {"external_id": "id-7", "email": f"{CANARY}-7@example.org"})
        summary = json.loads(done.stdout)
        self.assertEqual((summary["records"], summary["imported"], summary["skipped"]), (1234, 1234, 0))
        self.assertEqual(summary["file_sha256"], hashlib.sha256(self.read(path)).hexdigest())
        self.assertEqual(fake.calls[1][1]["mapping"]["subject"], "external_id")

    def test_answers_that_come_out_of_order_belong_to_the_right_rows(self):
        def answer(method, params):
            if method == "record.import-status":
                return {"ranges": []}
            rejected = [{"record": params["first_record"], "status": "invalid-value", "field": "email", "message": "No."}]
            return {"imported": len(params["rows"]) - 1, "rejected": rejected, "skipped": False}

        with FakeVault(answer, hold=3) as fake:
            done = self.import_(fake, self.people(30), "--batch", "10", "--in-flight", "3")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["rejected"], 3)

    def test_refused_rows_are_written_with_line_and_reason_and_never_a_value(self):
        def answer(method, params):
            if method == "record.import-status":
                return {"ranges": []}
            rejected = [{"record": 2, "status": "invalid-value", "field": "email", "message": "Not an address."}]
            return {"imported": len(params["rows"]) - 1, "rejected": rejected, "skipped": False}

        path = self.path("people.csv", b'external_id,email,city\r\na,"two\r\nlines",x\r\nb,canary-7f3a,y\r\n')
        with FakeVault(answer) as fake:
            done = self.import_(fake, path)
            strict = self.import_(fake, path, "--strict", "--rejects", self.path("other.csv"))
        self.assertEqual(done.returncode, 0, done.stderr)
        rejects = path + ".rejects.csv"
        self.assertEqual(self.read(rejects),
                         b"record,line,field,status,reason\r\n2,4,email,invalid-value,Not an address.\r\n")
        self.assertEqual(stat.S_IMODE(os.stat(rejects).st_mode), 0o600)
        self.assertEqual(strict.returncode, 3)
        self.assertNotIn(CANARY.encode(), done.stdout + done.stderr + strict.stdout + strict.stderr)

    def test_a_new_file_begins_a_new_file_of_rejects_and_a_run_that_goes_on_appends(self):
        ranges = []

        def answer(method, params):
            if method == "record.import-status":
                return {"ranges": ranges}
            rejected = [{"record": params["first_record"], "status": "invalid-value", "field": "email", "message": "No."}]
            return {"imported": len(params["rows"]) - 1, "rejected": rejected, "skipped": False}

        def line(number):
            return b"%d,%d,email,invalid-value,No.\r\n" % (number, number + 1)

        header = b"record,line,field,status,reason\r\n"
        rejects = self.path("people.csv.rejects.csv")
        with FakeVault(answer) as fake:
            first = self.import_(fake, self.people(4))
            ranges.append({"first_record": 1, "count": 2, "rejected": 1})
            again = self.import_(fake, self.people(4))
            self.assertEqual(self.read(rejects), header + line(1) + line(3))
            ranges.clear()
            second, third = self.import_(fake, self.people(5)), self.import_(fake, self.people(6))
        self.assertEqual((first.stderr, again.stderr), (b"", b""))
        for number, done in ((1, second), (2, third)):
            self.assertEqual(done.stderr.decode(), f"The refused rows of an earlier import are in {rejects}.{number} now.\n")
        self.assertEqual(self.read(rejects + ".1"), header + line(1) + line(3))
        self.assertEqual((self.read(rejects + ".2"), self.read(rejects)), (header + line(1), header + line(1)))

    def test_a_second_run_sends_only_what_is_not_done(self):
        sent = []

        def answer(method, params):
            if method == "record.import-status":
                return {"ranges": [{"first_record": 1, "count": 10, "rejected": 0},
                                   {"first_record": 21, "count": 5, "rejected": 0}]}
            sent.extend(range(params["first_record"], params["first_record"] + len(params["rows"])))
            return {"imported": len(params["rows"]), "rejected": [], "skipped": False}

        with FakeVault(answer) as fake:
            done = self.import_(fake, self.people(30), "--batch", "100")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(sent), list(range(11, 21)) + list(range(26, 31)))
        self.assertEqual(json.loads(done.stdout)["skipped"], 15)

    def test_rows_that_an_earlier_run_was_refused_are_counted_again_and_fail_a_strict_run(self):
        def answer(_method, _params):
            return {"ranges": [{"first_record": 1, "count": 20, "imported": 16, "rejected": 4},
                               {"first_record": 21, "count": 10, "imported": 7, "rejected": 3}]}

        with FakeVault(answer) as fake:
            again = self.import_(fake, self.people(30))
            strict = self.import_(fake, self.people(30), "--strict")
        self.assertEqual((again.returncode, strict.returncode), (0, 3), again.stderr)
        summary = json.loads(again.stdout)
        self.assertEqual((summary["skipped"], summary["rejected"], summary["rejected_before"]), (30, 0, 7))
        self.assertIn(b"Earlier runs were refused rows; the file of rejects of that time says", strict.stderr)

    def test_no_row_is_sent_when_the_reasons_of_refused_ones_could_not_be_written(self):
        sent = []

        def answer(method, params):
            if method == "record.import-status":
                return {"ranges": []}
            sent.extend(params["rows"])
            return {"imported": len(params["rows"]), "rejected": [], "skipped": False}

        path = self.people(3)
        with FakeVault(answer) as fake:
            done = self.import_(fake, path, "--rejects", path + "/no-folder.csv")
        self.assertEqual((done.returncode, sent), (8, []))
        self.assertIn(b"name another one with --rejects", done.stderr)

    def test_refused_rows_are_written_into_a_file_and_no_pipe_or_device(self):
        sent = []

        def answer(method, params):
            if method == "record.import-status":
                return {"ranges": []}
            sent.extend(params["rows"])
            return {"imported": len(params["rows"]), "rejected": [], "skipped": False}

        os.mkfifo(self.path("pipe"))
        reader = os.open(self.path("pipe"), os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        os.mkfifo(self.path("lonely"))
        for rejects in (self.path("pipe"), self.path("lonely"), "/dev/null", self.folder):
            with FakeVault(answer) as fake:
                done = self.import_(fake, self.people(3), "--rejects", rejects)
            self.assertEqual((done.returncode, sent), (8, []), rejects)
            self.assertIn(b"name another one with --rejects", done.stderr)

    def test_an_import_without_refused_rows_leaves_no_file_for_them(self):
        def answer(method, params):
            return {"ranges": []} if method == "record.import-status" else \
                {"imported": len(params["rows"]), "rejected": [], "skipped": False}

        path = self.people(3, "clean.csv")
        with FakeVault(answer) as fake:
            self.assertEqual(self.import_(fake, path).returncode, 0)
        self.assertFalse(os.path.exists(path + ".rejects.csv"))

    def test_a_busy_vault_is_asked_again_and_a_sealed_one_is_not(self):
        state = {"busy": 2, "imported": 0}

        def answer(method, params):
            if method == "record.import-status":
                return {"ranges": []}
            if state["busy"] > 0:
                state["busy"] -= 1
                raise Refusal("busy", 42, retry_after_ms=1)
            state["imported"] += len(params["rows"])
            return {"imported": len(params["rows"]), "rejected": [], "skipped": False}

        def sealed(method, _params):
            if method == "record.import-status":
                return {"ranges": []}
            raise Refusal("sealed", 40, "The vault is sealed.")

        path = self.people(25)
        with FakeVault(answer) as fake:
            self.assertEqual(self.import_(fake, path, "--batch", "10").returncode, 0)
        self.assertEqual(state["imported"], 25)
        with FakeVault(sealed) as fake:
            done = self.import_(fake, path)
        self.assertEqual((done.returncode, done.stderr),
                         (2, b"vaultctl: The vault is sealed. On its machine, run: vaultctl unseal --socket PATH. (sealed)\n"))

    def test_json_lines_keep_their_types_and_a_broken_line_is_named_without_its_text(self):
        rows = []

        def answer(method, params):
            if method == "record.import-status":
                return {"ranges": []}
            rows.extend(params["rows"])
            return {"imported": len(params["rows"]), "rejected": [], "skipped": False}

        good = self.path("a.jsonl", b'{"external_id": "a", "email": null, "city": "x"}\n\n{"external_id": "b", "city": 7}')
        bad = self.path("b.jsonl", b'{"external_id": "a"}\n{"external_id": "canary-7f3a"\n')
        with FakeVault(answer) as fake:
            self.assertEqual(self.import_(fake, good).returncode, 0)
            self.assertEqual(rows, [{"external_id": "a", "city": "x"}, {"external_id": "b", "city": 7}])
            done = self.import_(fake, bad)
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"Line 2 ", done.stderr)
        self.assertNotIn(CANARY.encode(), done.stderr)

    def test_a_mapping_with_a_slip_is_refused_before_anything_is_sent(self):
        with FakeVault(lambda *_: {}) as fake:
            done = run("import", "--file", self.people(1), "--mapping", self.path("bad.yaml", b"name: people\nbogus: 1\n"),
                       fake=fake)
        self.assertEqual(done.returncode, 3)
        self.assertEqual(fake.calls, [])

    def test_a_pipe_is_refused_as_it_cannot_be_read_twice(self):
        pipe = self.path("pipe")
        os.mkfifo(pipe)
        keeper = os.open(pipe, os.O_RDWR)
        with FakeVault(lambda *_: {}) as fake:
            done = self.import_(fake, pipe)
        os.close(keeper)
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"read twice", done.stderr)


def package(*files):
    return {"files": [{"path": path, "content": content, "sha256": digest} for path, content, digest in files],
            "held": {"profile": {"held": 1, "exported": 1, "withheld": 0}}}


def hashed(path, content):
    return path, content, hashlib.sha256(content).hexdigest()


class Export(Folder):
    def export(self, answer, to):
        with FakeVault(lambda *_: answer) as fake:
            return run("subject", "export", "ada", "--purpose", "access", "--to", to, fake=fake)

    def test_the_package_is_written_privately_and_as_it_was_sent(self):
        to = self.path("out")
        done = self.export(package(hashed("manifest.json", b"{}"), hashed("profile/profile.csv", b"a\r\n")), to)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.read(os.path.join(to, "profile", "profile.csv")), b"a\r\n")
        self.assertEqual(stat.S_IMODE(os.stat(to).st_mode), 0o700)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(to, "manifest.json")).st_mode), 0o600)

    def test_without_a_directory_the_package_is_asked_for_as_json_only(self):
        with FakeVault(lambda *_: package(hashed("a.csv", b"a\r\n"))) as fake:
            refused = run("subject", "export", "ada", "--purpose", "access", fake=fake)
            self.assertEqual((refused.returncode, refused.stdout, fake.calls), (3, b"", []))
            self.assertIn(b"name a directory for them with --to", refused.stderr)
            done = run("subject", "export", "ada", "--purpose", "access", "--format", "json", fake=fake)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["files"][0]["path"], "a.csv")

    def test_no_path_leads_out_of_the_directory(self):
        for path in ("../x", "/tmp/x", "a/../../x", "a//x", ".", "a/.", "", "a/", ".x/y", "a\\x", "a\nx"):
            to = self.path("out")
            done = self.export(package(hashed(path, b"x")), to)
            self.assertEqual(done.returncode, 9, path)
            self.assertEqual(os.listdir(to), [], path)
            self.assertFalse(os.path.exists(self.path("x")))
            os.rmdir(to)

    def test_a_file_that_differs_from_its_hash_is_not_written(self):
        to = self.path("out")
        done = self.export(package(("a.csv", b"x", hashlib.sha256(b"y").hexdigest())), to)
        self.assertEqual(done.returncode, 8)
        self.assertEqual(os.listdir(to), [])

    def test_a_directory_with_something_in_it_is_left_alone_and_nothing_is_asked(self):
        to = self.path("out")
        os.mkdir(to)
        self.path("out/mine", b"mine")
        with FakeVault(lambda *_: package()) as fake:
            done = run("subject", "export", "ada", "--purpose", "access", "--to", to, fake=fake)
        self.assertEqual((done.returncode, fake.calls), (5, []))


class Words(Folder):
    def test_a_refusal_is_one_sentence_with_field_and_code_and_its_own_exit_status(self):
        def answer(*_):
            raise Refusal("erased", 21, "The data has been erased.", field="subject", certificate=12)

        with FakeVault(answer) as fake:
            done = run("subject", "show", "ada", "--purpose", "care", fake=fake)
        self.assertEqual(done.returncode, 6)
        self.assertEqual(done.stderr, b"vaultctl: The data has been erased. (erased, field subject, certificate 12)\n")
        self.assertEqual(done.stdout, b"")

    def test_a_status_that_is_not_known_is_no_success(self):
        def answer(*_):
            raise Refusal("from-the-future", 4711)

        with FakeVault(answer) as fake:
            self.assertEqual(run("health", fake=fake).returncode, 9)

    def test_a_peer_that_does_not_speak_the_protocol_is_told_from_a_vault(self):
        for raw in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x94\x01\x00\xc0\xc1", b"\x94\x01\xcd\x30\x39\xc0\x80"):
            def answer(*_, raw=raw):
                raise Raw(raw)

            with FakeVault(answer) as fake:
                self.assertEqual(run("health", fake=fake, env={"VAULTD_TIMEOUT": "5"}).returncode, 9, raw)

    def test_a_vault_that_says_nothing_is_left_at_the_deadline(self):
        import threading
        quiet = threading.Event()
        with FakeVault(lambda *_: quiet.wait(20) and {}) as fake:
            done = run("health", "--timeout", "1", fake=fake)
            quiet.set()
        self.assertEqual(done.returncode, 7)

    def test_what_destroys_asks_unless_told_yes_or_dry(self):
        with FakeVault(lambda *_: {"state": "pending"}) as fake:
            self.assertEqual(run("subject", "shred", "ada", fake=fake).returncode, 3)
            self.assertEqual(fake.calls, [])
            self.assertEqual(run("subject", "shred", "ada", "--dry-run", fake=fake).returncode, 0)
            self.assertEqual(run("subject", "shred", "ada", "--yes", fake=fake).returncode, 0)
        self.assertEqual([params for _, params in fake.calls], [{"subject": "ada", "dry_run": True}, {"subject": "ada"}])

    def test_a_job_is_followed_to_its_end_and_its_failure_is_ours(self):
        states = ["running", "running", "done"]

        def answer(method, params):
            if method == "key.rotate":
                return {"job": "00" * 16}
            self.assertEqual(params, {"job": "00" * 16})
            return {"jobs": [{"id": "00" * 16, "state": states.pop(0), "done": 1, "total": 2, "message": "Too few keepers."}]}

        with FakeVault(answer) as fake:
            self.assertEqual(run("key", "rotate", "tree", fake=fake).returncode, 0)
            self.assertEqual(len(fake.calls), 4)
            states.append("failed")
            done = run("key", "rotate", "tree", fake=fake)
        self.assertEqual(done.returncode, 5)
        self.assertIn(b"Too few keepers.", done.stderr)

    def test_what_is_stored_cannot_steer_a_terminal(self):
        with FakeVault(lambda *_: {"value": "a\x1b]0;x\x07\u009bm\tb"}) as fake:
            done = run("detokenize", "tok", "--purpose", "care", fake=fake)
            bare = run("detokenize", "tok", "--purpose", "care", "--only", "value", fake=fake)
        self.assertEqual(done.stdout, b"value  a\\x1b]0;x\\x07\\x9bm\\x09b\n")
        self.assertEqual(bare.stdout, "a\x1b]0;x\x07\u009bm\tb\n".encode())

    def test_personal_values_come_from_files_and_standard_input(self):
        with FakeVault(lambda *_: {"token": "t"}) as fake:
            run("tokenize", "-", "--template", "card", fake=fake, stdin=b"4111111111111111\n")
            run("tokenize", "@" + self.path("v", b"4111111111111111\n"), "--template", "card", fake=fake)
            run("tokenize", "@@x", "--template", "card", fake=fake)
            run("tokenize", "--template", "card", "--values", "1", "--values", "2", fake=fake)
        self.assertEqual([params.get("value", params.get("values")) for _, params in fake.calls],
                         ["4111111111111111", "4111111111111111", "@x", ["1", "2"]])

    def test_a_file_of_a_secret_that_others_may_read_is_used_with_a_warning(self):
        warning = b"vaultctl: warning: the file for %s is open to others than its owner: give it mode 0600.\n"
        credential, passphrase = self.path("credential", CANARY.encode()), self.path("passphrase", b"open sesame\n")
        with FakeVault(lambda *_: {"state": "ready"}) as fake:
            for mode, is_open in ((0o600, False), (0o400, False), (0o640, True), (0o604, True)):
                os.chmod(credential, mode)
                os.chmod(passphrase, mode)
                done = run("status", "--credential-file", credential, fake=fake)
                self.assertEqual((done.returncode, done.stderr), (0, warning % b"credential" if is_open else b""), oct(mode))
                done = run("unseal", "--passphrase-file", passphrase, fake=fake)
                self.assertEqual((done.returncode, done.stderr), (0, warning % b"passphrase" if is_open else b""), oct(mode))
            piped = run("unseal", "--passphrase-file", "-", fake=fake, stdin=b"open sesame\n")
        self.assertEqual((piped.returncode, piped.stderr), (0, b""))

    def test_a_warning_that_nobody_can_be_given_fails_nothing(self):
        passphrase = self.path("passphrase", b"open sesame\n")
        os.chmod(passphrase, 0o644)
        for error in (">/dev/full", ">&-"):
            with FakeVault(lambda *_: {"state": "ready"}) as fake:
                words = [VAULTCTL, "--socket", fake.path, "unseal", "--passphrase-file", passphrase]
                done = subprocess.run(["sh", "-c", f'exec "$@" 2{error}', "sh", *words], stdout=subprocess.PIPE, timeout=60,
                                      stdin=subprocess.DEVNULL, start_new_session=True, check=False)
            self.assertEqual((done.returncode, fake.calls), (0, [("vault.unseal", {"passphrase": "open sesame"})]), error)
            self.assertIn(b"ready", done.stdout)

    def test_the_first_secrets_come_with_a_warning_and_the_passphrase_not_from_argv(self):
        result = {"vault_id": "00" * 16, "shares": [], "credentials": ["vsk_x"]}
        with FakeVault(lambda *_: result) as fake:
            refused = run("init", "--passphrase=" + CANARY, fake=fake)
            self.assertEqual((refused.returncode, fake.calls), (3, []))
            self.assertNotIn(CANARY.encode(), refused.stderr)
            nobody = run("init", fake=fake)
            self.assertEqual((nobody.returncode, fake.calls), (3, []))
            done = run("init", "--passphrase-file", self.path("pass", b"open sesame\n"), fake=fake)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(fake.calls, [("vault.init", {"passphrase": "open sesame"})])
        self.assertIn(b"vsk_x", done.stdout)
        self.assertIn(b"shown this once", done.stderr)

    def test_the_nearer_setting_wins_and_an_unknown_one_is_refused_with_its_line(self):
        config = self.path("config.yaml", b"tenant: from-file\npurpose: from-file\n")
        with FakeVault(lambda *_: {"subjects": []}) as fake:
            run("subject", "list", "--config", config, fake=fake)
            run("subject", "list", "--config", config, fake=fake, env={"VAULTD_TENANT": "from-env"})
            run("subject", "list", "--config", config, "--tenant", "from-flag", fake=fake, env={"VAULTD_TENANT": "from-env"})
            bad = run("subject", "list", "--config", self.path("bad.yaml", b"tenant: a\ncredential: vsk_x\n"), fake=fake)
        self.assertEqual([params["tenant"] for _, params in fake.calls], ["from-file", "from-env", "from-flag"])
        self.assertEqual({params["purpose"] for _, params in fake.calls}, {"from-file"})
        self.assertEqual(bad.returncode, 3)
        self.assertIn(b"Line 2", bad.stderr)


class Terminal(Folder):
    """With a terminal of its own, as a person has it."""

    def talk(self, fake, words, answers, env=None):
        """Type each answer when its question has been asked. Returns exit status and all that the screen showed."""
        pid, screen = pty.fork()
        if pid == 0:
            environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **(env or {})}
            os.execve(VAULTCTL, [VAULTCTL, "--socket", fake.path] + words, environment)
        shown, answers = b"", list(answers)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if not select.select([screen], [], [], 1)[0]:
                continue
            try:
                piece = os.read(screen, 4096)
            except OSError:
                break
            if not piece:
                break
            shown += piece
            if answers and answers[0][0] in shown:
                os.write(screen, answers.pop(0)[1] + b"\n")
        os.close(screen)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown

    def test_a_passphrase_is_asked_twice_and_never_shown(self):
        with FakeVault(lambda *_: {"vault_id": "00" * 16, "shares": [], "credentials": []}) as fake:
            code, shown = self.talk(fake, ["init"], [(b"passphrase (", CANARY.encode()), (b"again", CANARY.encode())])
            self.assertEqual(code, 0, shown)
            self.assertEqual(fake.calls, [("vault.init", {"passphrase": CANARY})])
            self.assertNotIn(CANARY.encode(), shown)
            code, shown = self.talk(fake, ["init"], [(b"passphrase (", b"one"), (b"again", b"two")])
        self.assertEqual((code, len(fake.calls)), (3, 1))

    def test_only_the_right_word_confirms(self):
        with FakeVault(lambda *_: {"state": "pending"}) as fake:
            code, _ = self.talk(fake, ["subject", "shred", "ada"], [(b"to go on: ", b"yes")])
            self.assertEqual((code, fake.calls), (7, []))
            code, _ = self.talk(fake, ["subject", "shred", "ada"], [(b"to go on: ", b"shred")])
        self.assertEqual((code, len(fake.calls)), (0, 1))


if __name__ == "__main__":
    unittest.main()
