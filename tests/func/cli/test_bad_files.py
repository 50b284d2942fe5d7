#!/usr/bin/python3
"""Files that are broken, hostile or not what was meant, given to vaultctl with a real vault behind it: the exit status, one
sentence, no value in it, and nothing imported or applied.

    test_bad_files.py VAULTCTL VAULTD SOURCE_DIR
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

VAULTCTL, VAULTD, SOURCE = sys.argv[1:4]
sys.path.insert(0, os.path.join(SOURCE, "tests", "support"))
from vault_client import Daemon   # pylint: disable=wrong-import-position

CANARY = b"canary-7f3a"
MAPPING = b"name: people\nsubject: id\ncolumns: {mail: profile.email, town: profile.city}\nignore: [remarks]\n"
HEAD = b"id,mail,town\r\n"
ROW = b"%s-1,%s@example.com,Rome\r\n" % (CANARY, CANARY)
DEEP = 1000


class BadFiles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(VAULTD)
        cls.addClassCleanup(cls.daemon.remove)
        cls.folder = tempfile.mkdtemp(prefix="vaultctl-func-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        with cls.daemon.client("administrator") as client:
            for name in ("profile", "cards"):
                with open(os.path.join(SOURCE, "docs", "examples", "schemas", name + ".yaml"), encoding="utf-8") as handle:
                    client.call("schema.apply", schema=handle.read())

    def path(self, name, content=None):
        path = os.path.join(self.folder, name)
        if content is not None:
            with open(path, "wb") as handle:
                handle.write(content)
        return path

    def run_(self, role, *words):
        environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "VAULTD_ADDR": self.daemon.address,
                       "VAULTD_CACERT": self.daemon.said["ca"],
                       "VAULTD_CREDENTIAL_FILE": os.path.join(self.daemon.said["credentials"], role)}
        return subprocess.run([VAULTCTL, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, env=environment,
                              start_new_session=True, check=False)

    def counts(self):
        with self.daemon.client("operator") as client:
            store = client.call("vault.status")["store"]
            schemas = client.call("schema.list")
            templates = client.call("template.list")
            return [store[key] for key in ("subjects", "rows", "tokens")], schemas, templates

    def assert_refused(self, what, done, exit_status, sentence):
        """One line, one sentence and its code, without anything of the file's content."""
        self.assertEqual((done.returncode, done.stdout), (exit_status, b""), f"{what}: {done.stderr}")
        self.assertRegex(done.stderr.decode(), r"\Avaultctl: [A-Z][^\n]*\. \([a-z-]+(, [^)\n]*)?\)\n\Z", what)
        self.assertIn(sentence, done.stderr.decode(), what)
        self.assertNotIn(CANARY, done.stderr, what)

    def import_(self, path, mapping=MAPPING, *more):
        return self.run_("application", "import", "--file", path, "--mapping", self.path("mapping.yaml", mapping), *more)

    # Files of rows

    def test_a_broken_csv_imports_nothing_and_the_line_is_said(self):
        good = HEAD + ROW * 0
        many = b"".join(b"%s-%d,,\r\n" % (CANARY, number) for number in range(2000))
        cases = {
            "stray quote": (good + b'x,%s "y",z\r\n' % CANARY, "Line 2: a quote stands inside an unquoted cell"),
            "text behind a quote": (good + b'x,"%s"y,z\r\n' % CANARY, "Line 2: text follows a closing quote"),
            "open quote": (good + ROW + b'x,"%s\r\n' % CANARY, "ends inside a quoted cell"),
            "broken behind two thousand good rows": (HEAD + many + b'x,"%s\r\n' % CANARY, "ends inside a quoted cell"),
            "NUL": (good + b"x,%s\0,z\r\n" % CANARY, "Line 2: a NUL byte"),
            "invalid UTF-8": (good + b"x,%s\xff,z\r\n" % CANARY, "Line 2: a cell is not valid UTF-8"),
            "UTF-16": ((HEAD + ROW).decode().encode("utf-16"), "Line 1"),
            "Latin-1": (good + "x,canaré,z\r\n".encode("latin-1"), "Line 2: a cell is not valid UTF-8"),
            "binary": (bytes(range(256)) * 64, "Line 1"),
            "too few cells": (good + ROW + b"%s\r\n" % CANARY, "The record on line 3 has 1 cells; the header has 3"),
            "too many cells": (good + b"a,b,c,%s\r\n" % CANARY, "The record on line 2 has 4 cells; the header has 3"),
            "empty": (b"", "The file is empty"),
            "only a mark": (b"\xef\xbb\xbf", "The file is empty"),
            "no header": (ROW, "The file has no column id, which the mapping names"),
            "a column more": (b"id,mail,town,%s\r\n" % CANARY, "Column 4 of the file is neither mapped nor ignored"),
            "a column missing": (b"id,mail\r\nx,y@example.com\r\n", "The file has no column town"),
            "a column twice": (b"id,mail,town,mail\r\n", "Columns 2 and 4 have the same name"),
            "a column without a name": (b"id,mail,,town\r\n", "Column 3 of the header has no name"),
            "another subject": (HEAD.replace(b"id,", b"customer,"), "The file has no column id, which the mapping names"),
            "another separator": (HEAD.replace(b",", b";"), "The header is one column with a semicolon in it"),
            "tabs": (HEAD.replace(b",", b"\t"), "The header is one column with a tab in it"),
            "a column of security codes": (b"id,mail,town,CVV 2\r\n", "security code"),
        }
        before = self.counts()
        for what, (content, sentence) in cases.items():
            path = self.path("bad.csv", content)
            self.assert_refused(what, self.import_(path), 3, sentence)
            self.assertFalse(os.path.exists(path + ".rejects.csv"), what)
        self.assertEqual(self.counts(), before)

    def test_sizes_past_the_limits_import_nothing(self):
        before = self.counts()
        cell = b"x" * ((256 << 10) + 1)
        cases = {"a cell": HEAD + ROW + b"y,%s,z\r\n" % cell, "a record": HEAD + b"y" * (1 << 20) + b",z,\r\n",
                 "columns": b",".join(b"c%d" % number for number in range(513)) + b"\r\n"}
        for what, content in cases.items():
            self.assert_refused(what, self.import_(self.path("large.csv", content)), 3, "(too-large")
        line = b'{"id": "x", "town": "%s"}\n' % (b"y" * (2 << 20))
        self.assert_refused("a line", self.import_(self.path("large.jsonl", line)), 3, "Line 1 ")
        self.assertEqual(self.counts(), before)

    def test_broken_json_lines_import_nothing_and_the_line_is_said(self):
        good = b'{"id": "%s-9", "mail": "j@example.com"}\n' % CANARY
        wrong = {"no JSON": CANARY, "cut off": b'{"id": "%s"' % CANARY, "an array": b'["%s"]' % CANARY, "a text": b'"%s"' % CANARY,
                 "two values": good.strip() * 2, "a key twice": b'{"id": "a", "id": "%s"}' % CANARY,
                 "invalid UTF-8": b'{"id": "%s\xff"}' % CANARY, "NUL": b'{"id": "%s\0"}' % CANARY,
                 "escaped NUL": b'{"id": "%s\\u0000"}' % CANARY, "half a surrogate": b'{"id": "\\ud800 %s"}' % CANARY,
                 "deep": b'{"id": ' + b"[" * DEEP + b"]" * DEEP + b"}", "a number too large": b'{"id": 1e999}',
                 "not a number": b'{"id": NaN}', "a comment": b'// %s' % CANARY}
        before = self.counts()
        for what, line in wrong.items():
            done = self.import_(self.path("bad.jsonl", good * 1500 + line + b"\n"))
            self.assert_refused(what, done, 3, "Line 1501 is not one JSON object")
        self.assertEqual(self.counts(), before)

    def test_what_is_no_file_of_rows_is_refused_before_anything_is_asked(self):
        before = self.counts()
        pipe = self.path("pipe")
        os.mkfifo(pipe)
        cases = [(self.folder, 3, "regular file"), (self.path("nothing-there.csv"), 5, "does not exist"),
                 (pipe, 3, "regular file"), ("/dev/zero", 3, "regular file"), ("/dev/null", 3, "regular file"),
                 ("/proc/self/mem", 8, "could not be read" if os.geteuid() == 0 else "could not be opened")]
        for path, exit_status, sentence in cases:
            self.assert_refused(path, self.import_(path), exit_status, sentence)
        self.assert_refused("no mapping", self.run_("application", "import", "--file", self.path("x.csv", HEAD)), 3, "--mapping")
        for mapping, exit_status, sentence in ((self.folder, 8, "could not be read"),
                                               (self.path("nothing-there.yaml"), 5, "does not exist")):
            done = self.run_("application", "import", "--file", self.path("x.csv", HEAD), "--mapping", mapping)
            self.assert_refused(mapping, done, exit_status, sentence)
        self.assertEqual(self.counts(), before)

    def test_marks_and_line_ends_of_other_systems_are_no_fault(self):
        rows = {"crlf.csv": HEAD + b"crlf,crlf@example.com,Rome\r\n", "lf.csv": b"id,mail,town\nlf,lf@example.com,Rome\n",
                "cr.csv": b"id,mail,town\rcr,cr@example.com,Rome\r",
                "mark.csv": b"\xef\xbb\xbf" + HEAD + b"mark,mark@example.com,Rome",
                "mark.jsonl": b'\xef\xbb\xbf{"id": "mark-json", "mail": "m@example.com"}\r\n',
                "order.csv": b"remarks,town,id,mail\n%s,Rome,order,o@example.com\n\n" % CANARY}
        for name, content in rows.items():
            before = self.counts()[0][0]
            done = self.import_(self.path(name, content))
            self.assertEqual(done.returncode, 0, (name, done.stderr))
            self.assertEqual(self.counts()[0][0], before + 1, name)

    def test_refused_rows_are_numbered_alike_here_and_in_the_vault(self):
        """Rows of data from 1, the header and empty lines not counted; the line is the file's."""
        content = HEAD + b'num-1,"one@example.com","two\r\nlines"\r\n\r\nnum-2,%s,x\r\nnum-3,three@example.com,\r\n' % CANARY
        path = self.path("numbers.csv", content)
        done = self.import_(path)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(path + ".rejects.csv", encoding="utf-8") as handle:
            rejects = handle.read().splitlines()
        self.assertEqual(rejects[0], "record,line,field,status,reason")
        self.assertRegex(rejects[1], r"^2,5,[a-z._]+,invalid-value,")
        self.assertEqual(len(rejects), 2)
        self.assertNotIn(CANARY.decode(), "".join(rejects))
        with self.daemon.client("application") as client:
            answer = client.call("record.import", file_sha256="ef" * 32, first_record=2,
                                 rows=[{"id": "num-9", "mail": "wrong"}],
                                 mapping={"name": "people", "subject": "id", "columns": {"mail": "profile.email"}})
        self.assertEqual([item["record"] for item in answer["rejected"]], [2])

    # Mappings and schemas

    def test_a_hostile_mapping_is_refused_and_nothing_is_sent(self):
        path = self.path("fine.csv", HEAD + ROW)
        base = "name: people\nsubject: id\n"
        cases = {
            "an alias": ("a: &a [x]\nb: *a\n", "Line 1"),
            "a bomb": ("a: &a [x,x]\n" + "".join(f"k{n}: &k{n} [*a,*a]\n" for n in range(9)), "Line 1"),
            "a merge key": (base + "<<: {columns: {}}\n", "Line 3"),
            "nesting": (base + "columns: " + "[" * DEEP + "]" * DEEP + "\n", "too-large"),
            "a tag": (base + "columns: !!python/object {mail: profile.email}\n", "Line 3"),
            "two documents": (base + "---\n" + base, "Line 3"),
            "a key twice": (base + "name: x\n", "key twice"),
            "a tab": ("name:\n\t- x\n", "Line 2"),
            "no map": ("- x\n", "map"),
            "nothing": ("", "map"),
            "an unknown key": (base + "columns: {mail: profile.email}\nexec: rm\n", "Line 4"),
            "no columns": (base, "columns"),
            "a security code as a column": (base + "columns: {cvv: profile.city}\n", "security code"),
            "a security code in disguise": (base + "columns: {card-Verification_Value: profile.city}\n", "security code"),
            "a security code as a target": (base + "columns: {x: cards.cvc2}\n", "security code"),
            "a number as a target": (base + "columns: {mail: 7}\n", "Line 3"),
            "NUL": (base + "columns: {mail\0: profile.email}\n", "("),
            "not there": (base + "columns: {mail: people.email, town: profile.city}\n", "no collection people"),
            "no such field": (base + "columns: {mail: profile.mail, town: profile.city}\n", "no field mail"),
        }
        before = self.counts()
        for what, (text, sentence) in cases.items():
            done = self.import_(path, text.encode())
            with self.subTest(what):
                self.assertIn(done.returncode, (3, 5), what)
                self.assert_refused(what, done, done.returncode, sentence)
        unread = {"invalid UTF-8": b"name: \xff\n", "binary": bytes(range(256)), "UTF-16": MAPPING.decode().encode("utf-16")}
        for what, raw in unread.items():
            self.assert_refused(what, self.import_(path, raw), 3, "")
        self.assert_refused("large", self.import_(path, b"# " + b"x" * (1 << 20) + b"\n"), 3, "too-large")
        self.assertEqual(self.counts(), before)

    def test_a_hostile_schema_is_refused_and_nothing_is_applied(self):
        base = "name: hostile\nfields:\n  - {name: city, type: text, category: A}\n"
        field = "name: hostile\nfields: [{name: %s, type: %s, category: B}]\n"
        cases = {
            "an alias": ("a: &a [x]\nb: *a\n", "Line 1"),
            "nesting": ("name: hostile\nfields: " + "[" * DEEP + "]" * DEEP + "\n", "too-large"),
            "a key twice": (base + "name: x\n", "key twice"),
            "two documents": (base + "---\n" + base, "Line 4"),
            "no fields": ("name: hostile\n", "fields"),
            "empty": (" \n", "map"),
            "an unknown type": (field % ("x", "magic"), "Line 2"),
            "an unknown category": ("name: hostile\nfields: [{name: x, type: text, category: Z}]\n", "Line 2"),
            "a bad name": (field % ("'; drop'", "text"), "Line 2"),
            "fewer fields than are applied": (base.replace("hostile", "profile"), "would be removed, and records may hold it"),
        }
        for name in ("cvv", "CVV", "cvc", "cvv2", "c_v_v", "cvv-2", "card_cvv", "cvvcode", "security_code", "card_security_code",
                     "verification_value", "cid", "pin", "my_cvv_field", "cvv_x", "pin_block", "track1", "track_2",
                     "magnetic_stripe",
                     "csc", "cav2"):
            cases[f"field {name}"] = (field % (name, "text"), "")
        for kind in ("cvv", "cvc", "pin", "track2", "security_code"):
            cases[f"type {kind}"] = (field % ("x", kind), "")
        before = self.counts()
        for what, (text, sentence) in cases.items():
            done = self.run_("administrator", "schema", "apply", self.path("schema.yaml", text.encode()))
            with self.subTest(what):
                self.assertIn(done.returncode, (3, 5), what)
                self.assert_refused(what, done, done.returncode, sentence)
        self.assertEqual(self.counts(), before)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
