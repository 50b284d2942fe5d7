"""Every command and every argument of the command table, against a real daemon over TLS: what is missing, mistyped, too large,
malformed, unknown or not allowed is refused with the status that the table promises, in a sentence that names the argument and
never its value, and nothing changes.

usage: test_conform.py VAULTD GENDOC_TABLE SOURCE_DIR

The table is the compiled one, written by gendoc_table. A new command fails here until examples.py has a call of it.
"""
import glob
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

import msgpack

VAULTD, GENDOC_TABLE, SOURCE = sys.argv[1:4]
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "..", "support"))
from examples import ABSENT, CANARY, EXAMPLES, UNKNOWN  # noqa: E402
from vault_client import ROLES, Daemon, VaultError  # noqa: E402

TEMPLATES = """
templates:
  - {name: card, format: digits, collection: cards, field: number, keep_last: 4}
"""
VALUE_BYTES = 1 << 20               # one text on the wire, whatever the argument: a longer one ends the connection
TEXTS = ("text", "name", "external_id", "id", "token", "time", "secret")
ITEMS = {"list_of_name": "name", "list_of_token": "token", "list_of_external_id": "external_id"}
UNLOGGED = ("vault.health", "vault.version")    # all others leave an entry in the log before they are answered
EFFECTS = {"reads": "read", "writes": "write", "destroys": "destroy", "operates": "system"}
# The duties of docs/PROTOCOL.md, on purpose not read from the table: what a role calls nothing of, and what reads people.
READS_PEOPLE = {"record.get", "record.list", "subject.find", "subject.show", "subject.list", "subject.export", "token.reveal"}
OPERATING = ("backup", "store", "clock", "epoch.close", "vault.init", "vault.seal", "vault.unseal")
ADMINISTERING = ("credential", "key.rotate", "schema.apply", "template.apply")
LOG = ("audit.tail", "audit.prove", "audit.verify", "audit.export", "audit.checkpoint")
DECIDING = ("approval.grant", "approval.deny")
FORBIDDEN = {
    "application": OPERATING + ADMINISTERING + LOG + ("subject.shred", "subject.cancel-shred", "subject.export", "hold",
                                                "approval"),
    "privacy": OPERATING + ADMINISTERING + LOG + DECIDING,
    "approver": OPERATING + ADMINISTERING + LOG + ("subject", "record", "token", "hold"),
    "operator": ADMINISTERING + LOG + DECIDING + ("subject", "record", "token", "hold"),
    "administrator": OPERATING + LOG + DECIDING + ("subject", "record", "token", "hold"),
    "auditor": OPERATING + ADMINISTERING + DECIDING + ("subject", "record", "token", "hold"),
}
ELSEWHERE = {"tenant": "elsewhere"}     # is looked at when the arguments and the role have been found right


def load_table():
    with tempfile.NamedTemporaryFile(prefix="vaultd-table-") as handle:
        subprocess.run([GENDOC_TABLE, handle.name], check=True, timeout=60)
        return json.load(handle)


TABLE = load_table()
COMMANDS = {command["name"]: command for command in TABLE["commands"]}


class Raw(bytes):
    """msgpack that no packer would write."""


def pack(value):
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, dict):
        return b"\xdf" + struct.pack(">I", len(value)) + b"".join(pack(part) for pair in value.items() for part in pair)
    if isinstance(value, (list, tuple)):
        return b"\xdd" + struct.pack(">I", len(value)) + b"".join(pack(item) for item in value)
    return msgpack.packb(value)


def raw_text(raw):
    return Raw(b"\xdb" + struct.pack(">I", len(raw)) + raw)


def pack_twice(params, name):
    """The map with one of its keys a second time."""
    whole = pack(params)
    again = pack(name) + pack(params.get(name, CANARY))
    first = b"" if name in params else again
    return b"\xdf" + struct.pack(">I", len(params) + (1 if name in params else 2)) + whole[5:] + first + again


class Case:
    """One call that must be refused: what is sent and what must come back."""

    def __init__(self, what, command, params, status, field=None, names=False, closes=False):
        self.what = f"{command}: {what}"
        self.command = command
        self.params = params if isinstance(params, bytes) else pack(params)
        self.status = status
        self.field = field
        self.names = names              # whether the sentence must name the field
        self.closes = closes            # whether the frame itself is refused, and the connection ended

    def frame(self, number):
        return b"\x94\x00" + msgpack.packb(number) + msgpack.packb(self.command) + self.params


# What is wrong with one argument -----------------------------------------------------------------------------------------

KINDS = {"nil": None, "bool": True, "int": 7, "negative": -7, "float": 1.5, "float32": Raw(b"\xca\x3f\xc0\x00\x00"),
         "text": CANARY, "bytes": CANARY.encode(), "array": [CANARY], "empty array": [], "map": {CANARY: CANARY},
         "empty map": {}}
RIGHT_KINDS = {"bool": ("bool",), "int": ("int", "negative"), "map": ("map", "empty map"), "bytes": ("bytes",),
               "value": tuple(KINDS)}
EXTENSION = Raw(b"\xc7\x0b\x05" + CANARY.encode())
UNPARSED = {"not a number": Raw(b"\xcb\x7f\xf8" + bytes(6)),
            "infinite": Raw(b"\xcb\x7f\xf0" + bytes(6)), "invalid UTF-8": raw_text(CANARY.encode() + b"\xff"),
            "overlong UTF-8": raw_text(b"\xc0\xaf" + CANARY.encode()), "surrogate": raw_text(b"\xed\xa0\x80"),
            "key that is no text": {7: CANARY}, "key twice inside": Raw(b"\x82" + 2 * (msgpack.packb(CANARY) + b"\x01")),
            "key of invalid UTF-8": Raw(b"\x81\xa1\xff\x01")}


def right_kinds(kind):
    if kind in TEXTS:
        return ("text",)
    if kind.startswith("list"):
        return ("array", "empty array")
    return RIGHT_KINDS[kind]


def text_wrongs(kind, most):
    """(what, value, status) of texts that do not fit."""
    yield "empty", "", "argument"
    yield "NUL", "a\0" + CANARY, "argument" if most > 16 else "too-large"
    long = CANARY.ljust(most + 1, "x")
    yield "oversized", long, "argument" if kind in ("id", "time") else "too-large"
    if kind == "name":
        for bad in ("Canary-7c1f", "7canary", "canary 7c1f", "canaré", "canary/7c1f", "-canary"):
            yield "malformed", bad, "argument"
    if kind == "id":
        for bad in ("canary-7c1f".ljust(32, "0"), "0" * 31, "g" * 32, "0" * 31 + " "):
            yield "malformed", bad, "argument"
    if kind == "time":
        for bad in (CANARY, "2026-13-01T00:00:00Z", "2026-07-01", "2026-07-01T00:00:00", "0", "2026-07-01T00:00:00Z\n"):
            yield "malformed", bad, "argument"


def int_wrongs(arg):
    least = 1 if arg["positive"] else 0
    for value in (least - 1, -1, -(1 << 31) - 1, -(1 << 63)):
        yield "out of bounds", value, "argument"
    for value in {arg["max"] + 1, 1 << 63, (1 << 64) - 1}:
        yield "out of bounds", value, "too-large"


def list_wrongs(arg):
    kind = ITEMS.get(arg["kind"])
    yield "oversized", ["x"] * (arg["max"] + 1), "too-large"
    if kind is None:
        return
    for what, value in KINDS.items():
        if what != "text":
            yield f"item of {what}", ["x", value], "type"
    for what, value, status in text_wrongs(kind, arg["item_max"]):
        yield f"item {what}", ["x", value], status


def wrongs(arg):
    """(what, value, status): values of an argument that the table refuses, with the argument named."""
    for what, value in KINDS.items():
        if what not in right_kinds(arg["kind"]):
            yield f"{what} for {arg['kind']}", value, "type"
    if arg["kind"] in TEXTS:
        yield from text_wrongs(arg["kind"], arg["max"])
    if arg["kind"] == "int":
        yield from int_wrongs(arg)
    if arg["kind"].startswith("list"):
        yield from list_wrongs(arg)


def edges(arg):
    """Values at the limits, which fit."""
    if arg["kind"] in ("text", "secret", "external_id", "token"):
        yield from ("x", "x" * min(arg["max"], VALUE_BYTES))
    if arg["kind"] == "name" and arg["name"] not in ELSEWHERE:
        yield from ("x", "x" * arg["max"])
    if arg["kind"] == "int":
        yield from (1 if arg["positive"] else 0, arg["max"])
    if arg["kind"].startswith("list"):
        yield from ([], ["x"] * arg["max"])


def cases_of_argument(command, arg, valid):
    name = command["name"]
    for what, value, status in wrongs(arg):
        if isinstance(value, str) and len(value.encode()) > VALUE_BYTES:
            yield Case(f"{arg['name']} {what}", name, dict(valid, **{arg["name"]: value}), "too-large", closes=True)
        else:
            yield Case(f"{arg['name']} {what}", name, dict(valid, **{arg["name"]: value}), status, arg["name"], True)
    for what, value in UNPARSED.items():
        yield Case(f"{arg['name']} {what}", name, dict(valid, **{arg["name"]: value}), "parse")
    yield Case(f"{arg['name']} extension", name, dict(valid, **{arg["name"]: EXTENSION}), "parse", closes=True)
    yield Case(f"{arg['name']} twice", name, pack_twice(valid, arg["name"]), "parse")
    if arg["required"]:
        left = {key: value for key, value in valid.items() if key != arg["name"]}
        yield Case(f"{arg['name']} missing", name, left, "argument", arg["name"], True)
    if not command["local_only"]:
        for value in edges(arg):
            params = dict(dict(valid, **{arg["name"]: value}), **ELSEWHERE)
            yield Case(f"{arg['name']} at a limit", name, params, "not-found", "tenant")
        unknown = UNKNOWN.get(arg["name"])
        if unknown is not None and arg["kind"] == "name":
            yield Case(f"{arg['name']} unknown", name, dict(valid, **{arg["name"]: CANARY}), unknown, arg["name"])


def cases_of_command(command, valid):
    name = command["name"]
    yield Case("unknown argument", name, dict(valid, **{CANARY: CANARY}), "argument")
    yield Case("unknown argument with a known one's value", name, dict(valid, **{"tenant ": "default"}), "argument")
    for what, raw in (("byte that msgpack never uses", b"\xc1"), ("timestamp", b"\xd6\xff\x00\x00\x00\x01")):
        yield Case(what, name, dict(valid, **{CANARY: Raw(raw)}), "parse", closes=True)
    yield Case("empty key", name, dict(valid, **{"": CANARY}), "argument")
    for what, params in KINDS.items():
        if "map" not in what:
            yield Case(f"params {what}", name, pack(params), "protocol")
    for what, params in UNPARSED.items():
        yield Case(f"params {what}", name, pack(params), "parse")
    if command["needs_purpose"]:
        left = {key: value for key, value in valid.items() if key != "purpose"}
        yield Case("purpose missing", name, left, "purpose", "purpose", True)
    if command["effect"] == "operates" and not command["local_only"]:
        yield Case("idempotency key", name, dict(valid, idempotency_key=CANARY), "unsupported", "idempotency_key")
    for arg in command["args"] + TABLE["common_args"]:
        yield from cases_of_argument(command, arg, valid)


# The vault that is called -------------------------------------------------------------------------------------------------

class World:
    """A dev daemon with a little of everything in it, and a connection for each role."""

    def __init__(self):
        self.daemon = Daemon(VAULTD, arguments=["--test-clock", "2030-01-01T00:00:00Z"])
        self.clients = {role: self.daemon.client(role) for role in ROLES}
        self.subjects = {"ada": "conform-ada", "bob": "conform-bob", "eve": "conform-eve", "fay": "conform-fay"}
        self.tokens, self.records = {}, {}
        for path in sorted(glob.glob(os.path.join(SOURCE, "docs", "examples", "schemas", "*.yaml"))):
            with open(path, encoding="utf-8") as handle:
                self.clients["administrator"].call("schema.apply", schema=handle.read())
        self.clients["administrator"].call("template.apply", template=TEMPLATES)
        for name, external_id in self.subjects.items():
            records = {"profile": {"email": f"{name}@example.com", "city": "Rome"}, "cards": [{"number": "4111111111111111"}]}
            made = self.clients["application"].call("subject.create", external_id=external_id, records=records)
            self.records[name] = made["records"]["profile"][0]
            self.tokens[name] = self.clients["application"].call(
                "token.create", template="card", subject=external_id, record=made["records"]["cards"][0])["token"]
        self.clients["operator"].call("backup.create", to=os.path.join(self.daemon.root, "backup"))
        self.pending = self.clients["privacy"].call("subject.shred", subject=self.subjects["eve"], reference="case")
        self.holds = [self.clients["privacy"].call("hold.place", subject=self.subjects["fay"], reason="dispute")["hold"]
                      for _ in range(2)]
        self.approvals = [self.clients["privacy"].call("hold.release", hold=hold)["approval"] for hold in self.holds]

    def close(self):
        for client in self.clients.values():
            client.close()
        code = self.daemon.stop()
        log = self.daemon.log()
        self.daemon.remove()
        return code, log

    def arguments(self, example, more=None):
        """The example's arguments, made of this world, with some of them replaced or left out."""
        wished = dict(example.arguments, **(more or {}))
        made = {name: value(self) if callable(value) else value for name, value in wished.items()}
        return {name: value for name, value in made.items() if value is not ABSENT}

    def audit_size(self):
        return self.clients["auditor"].call("vault.status")["audit"]["size"]

    def log_from(self, sequence):
        """Entries of the audit log and its size, before the entry of this look."""
        tail = self.clients["auditor"].call("audit.tail", **{"from": sequence, "limit": 100})
        return tail["leaves"], tail["size"]

    def snapshot(self):
        """What calls that are refused must leave as it is."""
        status = self.clients["operator"].call("vault.status")
        administrator, operator = self.clients["administrator"], self.clients["operator"]
        return {
            "store": {key: status["store"][key] for key in ("subjects", "rows", "tokens")},
            "state": [status[key] for key in ("state", "epoch", "pending_shreds", "incarnation")],
            "schemas": administrator.call("schema.list"),
            "templates": administrator.call("template.list"),
            "credentials": administrator.call("credential.list"),
            "keys": administrator.call("key.status")["keys"],
            "jobs": [job["state"] for job in operator.call("job.status")["jobs"] if "backup" not in job["kind"]],
            "backups": operator.call("backup.list"),
        }

    def checked(self):
        """What store.check counts, but for the audit log, which refusals make longer."""
        check = self.clients["operator"].call("store.check")
        counts = {key: value for key, value in check["counts"].items() if key not in ("audit_leaves", "pages")}
        return check["is_sound"], check["faults"], counts


def exchange(client, cases):
    """Send some calls, then take their answers. Returns the error maps in order; None for a call that was carried out."""
    answers, base = {}, client.next_id
    client.next_id += len(cases)
    client.send_bytes(b"".join(case.frame(base + at) for at, case in enumerate(cases)))
    while len(answers) < len(cases):
        message = client.receive_message()
        if message is None:
            silent = [case.what for at, case in enumerate(cases) if at not in answers]
            raise ConnectionError(f"the vault closed the connection, unanswered: {silent[:3]}")
        answers[message[1] - base] = message[2]
    return [answers[at] for at in range(len(cases))]


def chunks(cases):
    """At most so many calls and bytes at once that both sides' buffers hold them."""
    chunk, size = [], 0
    for case in cases:
        if chunk and (len(chunk) == 100 or size + len(case.params) > 100000):
            yield chunk
            chunk, size = [], 0
        chunk.append(case)
        size += len(case.params)
    if chunk:
        yield chunk


class Conform(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.problems = []

    def tearDown(self):
        """All that a test found, not only the first."""
        self.assertEqual(self.problems, [])

    def note(self, check, *arguments):
        try:
            check(*arguments)
        except AssertionError as problem:
            self.problems.append(str(problem)[-400:])

    @classmethod
    def setUpClass(cls):
        cls.world = World()

    @classmethod
    def tearDownClass(cls):
        code, log = cls.world.close()
        assert code == 0, log
        assert "canary" not in log.lower(), "a value that was sent lies in the log"

    def assert_unchanged(self, before):
        now = self.world.snapshot()
        self.assertEqual({key: now[key] for key in now if now[key] != before[key]}, {}, "refused calls changed something")

    def assert_sentence(self, error, what):
        message = error["message"]
        self.assertRegex(message, r"^[A-Z][^\n]{8,300}\.$", what)
        self.assertNotIn("canary", repr(error).lower(), what)
        self.assertEqual(error["code"], TABLE["statuses"][error["status"]], what)
        self.assertLessEqual(set(error), {"status", "code", "message", "field", "retry_after_ms", "certificate"}, what)

    def assert_declared(self, case, error):
        """A status is the command's own or a common one; three of the common ones belong to one argument each."""
        own = set(COMMANDS[case.command]["errors"])
        self.assertNotEqual(error["message"], "No such object.", case.what)     # it is always known which
        if error["status"] in own:
            return
        self.assertIn(error["status"], TABLE["errors"], case.what)
        if error["status"] == "not-found":
            self.assertEqual(error.get("field"), "tenant", case.what)
        if error["status"] in ("state", "unsupported") and not COMMANDS[case.command]["local_only"]:
            self.assertEqual(error.get("field"), "idempotency_key", case.what)

    def assert_refused(self, case, error):
        self.assertIsNotNone(error, f"{case.what}: was carried out")
        said = (error["status"], error.get("field"))
        self.assertEqual(said, (case.status, case.field), f"\n{case.what}: {error['message']}")
        self.assert_sentence(error, case.what)
        self.assert_declared(case, error)
        if case.names:
            self.assertIn(case.field, error["message"], case.what)

    def assert_closes(self, role, case):
        with self.world.daemon.client(role) as client:
            client.send_bytes(case.frame(7))
            kind, number, error, result = client.receive_message()
            self.assertEqual((kind, number, error["status"], result), (1, 7, case.status, None), case.what)
            self.assert_sentence(error, case.what)
            self.assertIsNone(client.receive_message(), case.what)

    def run_cases(self, role, cases):
        """Make the calls; returns how many of them the audit log must hold: those that could be read."""
        for case in cases:
            if case.closes:
                self.note(self.assert_closes, role, case)
        cases = [case for case in cases if not case.closes]
        with self.world.daemon.client(role) as client:
            for chunk in chunks(cases):
                for case, error in zip(chunk, exchange(client, chunk)):
                    self.note(self.assert_refused, case, error)
        return sum(case.status not in ("parse", "protocol") for case in cases)

    def examples(self, where="dev"):
        for name, example in EXAMPLES.items():
            if example.where == where:
                yield COMMANDS[name], example

    # The table

    def test_every_command_of_the_table_has_an_example_and_the_reverse(self):
        self.assertEqual(sorted(EXAMPLES), sorted(COMMANDS))

    def test_every_example_is_of_a_role_that_may_and_names_arguments_of_the_table(self):
        common = {arg["name"] for arg in TABLE["common_args"]}
        for name, example in EXAMPLES.items():
            command = COMMANDS[name]
            self.assertTrue(command["is_public"] or example.role in command["roles"], name)
            known = {arg["name"] for arg in command["args"]} | common
            for arguments in (example.arguments, *(more for more, _, _ in example.refused)):
                self.assertLessEqual(set(arguments), known, name)

    # Arguments

    def test_a_wrong_argument_is_refused_by_name_and_changes_nothing(self):
        world, count = self.world, 0
        before, checked = world.snapshot(), world.checked()
        self.assertEqual(checked[:2], (True, []))
        for name, example in EXAMPLES.items():
            command = COMMANDS[name]
            cases = list(cases_of_command(command, world.arguments(example)))
            leaves = world.audit_size()
            audited = self.run_cases(example.role or "auditor", cases)
            logins = 1 + sum(case.closes for case in cases)
            expected = leaves + 1 + logins + (0 if command["unaudited"] else audited)
            self.assertEqual(world.audit_size(), expected, f"{name}: leaves of refused calls")
            count += len(cases)
        self.assertGreater(count, 5000)
        self.assert_unchanged(before)
        self.assertEqual(world.checked(), checked)

    def test_what_does_not_fit_inside_an_argument_is_refused_and_changes_nothing(self):
        world = self.world
        before = world.snapshot()
        for command, example in self.examples():
            cases = [Case(repr(more), command["name"], world.arguments(example, more), status, field)
                     for more, status, field in example.refused]
            self.run_cases(example.role or "auditor", cases)
        self.assert_unchanged(before)

    def test_nesting_past_the_limit_ends_the_connection_with_a_sentence(self):
        world = self.world
        before = world.snapshot()
        for name, example in EXAMPLES.items():
            args = COMMANDS[name]["args"]
            inside = args[len(args) // 2]["name"] if args else "request_id"
            for deep in (Raw(b"\x91" * 1000 + b"\xc0"), Raw(b"\x81\xa1k" * 1000 + b"\xc0")):
                params = dict(world.arguments(example), **{inside: deep})
                self.assert_closes(example.role or "auditor", Case(f"{inside} too deep", name, params, "too-large", closes=True))
        self.assert_unchanged(before)

    def test_nesting_up_to_the_limit_is_left_to_the_command(self):
        world = self.world
        before = world.snapshot()
        deep = CANARY
        for _ in range(12):
            deep = [{CANARY: deep}] if isinstance(deep, str) else [deep]
        for command, example in self.examples():
            for arg in command["args"]:
                if arg["kind"] not in ("map", "list", "value"):
                    continue
                value = {CANARY: deep} if arg["kind"] == "map" else deep
                params = dict(world.arguments(example), **{arg["name"]: value}, **ELSEWHERE)
                case = Case(f"{arg['name']} deep", command["name"], params, "not-found", "tenant")
                self.run_cases(example.role, [case])
        self.assert_unchanged(before)

    # Who calls

    def test_each_role_may_call_what_the_table_says_and_nothing_else(self):
        world = self.world
        before = world.snapshot()
        for role in ROLES:
            cases = []
            for name, example in EXAMPLES.items():
                command = COMMANDS[name]
                may = command["is_public"] or (role in command["roles"] and not command["local_only"])
                params = dict(world.arguments(example), **ELSEWHERE)
                cases.append(Case(f"as {role}", name, params, "not-found" if may else "forbidden", "tenant" if may else None))
            self.run_cases(role, cases)
        self.assert_unchanged(before)

    def test_duties_are_apart_and_reads_of_people_need_a_purpose_whatever_the_table_says(self):
        self.assertEqual({name for name, command in COMMANDS.items() if command["needs_purpose"]}, READS_PEOPLE)
        self.assertEqual(set(FORBIDDEN), set(ROLES))
        for role, names in FORBIDDEN.items():
            may = [name for name, command in COMMANDS.items() if role in command["roles"]]
            self.assertTrue(may, role)
            for name in names:
                self.assertTrue(any(name in (command, command.split(".")[0]) for command in COMMANDS), name)
                self.assertEqual([command for command in may if name in (command, command.split(".")[0])], [], role)

    def test_the_local_socket_may_what_the_operator_may_and_what_is_local_only(self):
        with self.world.daemon.local() as client:
            cases = []
            for name, example in EXAMPLES.items():
                may = COMMANDS[name]["is_public"] or "operator" in COMMANDS[name]["roles"]
                params = dict(self.world.arguments(example), **ELSEWHERE)
                cases.append(Case("over the socket", name, params, "not-found" if may else "forbidden",
                                  "tenant" if may else None))
            for chunk in chunks(cases):
                for case, error in zip(chunk, exchange(client, chunk)):
                    self.note(self.assert_refused, case, error)

    def test_without_a_login_nothing_is_answered_but_what_is_public(self):
        before, size = self.world.snapshot(), self.world.audit_size()
        with self.world.daemon.client() as client:
            cases = []
            for name, example in EXAMPLES.items():
                if not COMMANDS[name]["is_public"]:
                    for params in (self.world.arguments(example), {}, {CANARY: CANARY}):
                        cases.append(Case("without a login", name, params, "unauthenticated"))
            cases.append(Case("no such command", "canary." + CANARY, {}, "unauthenticated"))
            for chunk in chunks(cases):
                for case, error in zip(chunk, exchange(client, chunk)):
                    self.assertEqual(error["status"], "unauthenticated", case.what)
                    self.assert_sentence(error, case.what)
                    self.assertNotIn("field", error)
        self.assert_unchanged(before)
        self.assertGreaterEqual(self.world.audit_size(), size)

    # Batches

    def test_items_of_a_batch_are_held_to_the_table_one_by_one(self):
        client, ada = self.world.clients["application"], self.world.subjects["ada"]
        card = "4111111111111111"
        wrong = [({"value": card, "subject": 7}, "type", "subject"), ({"value": card, "subject": ""}, "argument", "subject"),
                 ({"value": card, "subjet": ada}, "argument", None), ({"value": card, "record": "7"}, "type", "record"),
                 ({"subject": ada, "record": 0}, "argument", "record"), ({"subject": ada, "record": -1}, "argument", "record"),
                 ({"subject": ada, "record": 1 << 63}, "too-large", "record"), ({"subject": ada}, "argument", "value"),
                 ({"value": card, "subject": "x" * 257}, "too-large", "subject"), (CANARY, "type", "items"),
                 ({"value": CANARY}, "invalid-value", None), ({"value": card, "tenant": "default"}, "argument", None),
                 ({"value": card, "subject": CANARY}, "not-found", "subject"), ({}, "argument", "value"), (None, "type", "items")]
        before = self.world.snapshot()
        answers = client.call("token.create", template="card", items=[item for item, _, _ in wrong])["tokens"]
        for (item, status, field), answer in zip(wrong, answers, strict=True):
            self.assert_sentence(answer, repr(item))
            self.assertEqual((answer["status"], answer.get("field") if field else None), (status, field), repr(item))
        self.assert_unchanged(before)

    def test_rows_of_an_import_are_refused_one_by_one(self):
        wrong = [(CANARY, "type"), (None, "type"), ([CANARY], "type"), ({}, "argument"),
                 ({"id": "", "mail": "a@example.com"}, "argument"),
                 ({"id": 7}, "type"), ({"id": "x" * 257}, "argument"), ({"id": CANARY, "mail": CANARY}, "invalid-value"),
                 ({"id": CANARY, "mail": {"a": 1}}, "type"), ({"id": CANARY, "mial": "a@example.com"}, "unknown-field"),
                 ({"id": self.world.subjects["ada"], "mail": "a@example.com"}, "exists")]
        before = self.world.snapshot()
        mapping = EXAMPLES["record.import"].arguments["mapping"]
        answer = self.world.clients["application"].call("record.import", file_sha256="cd" * 32, mapping=mapping, first_record=5,
                                                        rows=[row for row, _ in wrong])
        self.assertEqual((answer["imported"], answer["rejected_count"]), (0, len(wrong)))
        for at, ((row, status), said) in enumerate(zip(wrong, answer["rejected"], strict=True)):
            self.assertEqual((said["record"], said["status"]), (5 + at, status), f"{row!r}: {said['message']}")
            self.assert_sentence({key: said[key] for key in said if key != "record"}, repr(row))
        self.assert_unchanged(before)

    # What works; last, since it changes the vault (tests run in order of name)

    def test_zz_every_example_succeeds_once(self):
        world = self.world
        for command, example in self.examples():
            client, size = world.clients[example.role or "auditor"], world.log_from(0)[1]
            try:
                result = client.call(command["name"], **world.arguments(example))
                self.note(self.assert_result, command, result)
                self.note(self.assert_logged, command, example, size)
            except VaultError as refusal:
                self.problems.append(f"{command['name']}: {refusal}")
        self.assertEqual(world.checked()[:2], (True, []))

    def assert_logged(self, command, example, size):
        """Since a look at the log: that look's own entry, the call's, and what jobs of the vault did meanwhile."""
        name = command["name"]
        own = [leaf for leaf in self.world.log_from(size)[0] if leaf["command"] == name]
        if name == "audit.tail":
            own = own[1:]
        if name in UNLOGGED:
            self.assertEqual(own, [], name)
            return
        self.assertEqual([(leaf["effect"], leaf["status"]) for leaf in own], [(EFFECTS[command["effect"]], "ok")], name)
        self.assertEqual(own[0].get("purpose"), example.arguments.get("purpose"), name)
        self.assertNotEqual(own[0]["principal"], "0" * 32, name)

    def test_zzz_a_category_of_many_subjects_is_shredded_and_the_rest_of_them_kept(self):
        application, privacy = self.world.clients["application"], self.world.clients["privacy"]
        names = ["conform-one", "conform-two"]
        for name in names:
            records = {"profile": {"email": "kept@example.com", "ip": "192.0.2.7"}}
            application.call("subject.create", external_id=name, records=records)
        answer = privacy.call("subject.shred", subjects=names, category="F", now=True)
        self.assertEqual([item["state"] for item in answer["items"]], ["effective", "effective"])
        for name in names:
            fields = application.call("record.get", subject=name, collection="profile", view="plain", purpose="testing")["fields"]
            self.assertEqual(fields, {"email": "kept@example.com"})

    def test_zzz_a_backup_that_a_rotation_overtakes_is_made_and_listed_once(self):
        administrator, operator = self.world.clients["administrator"], self.world.clients["operator"]
        before = len(operator.call("backup.list")["backups"])
        for number in range(2):
            rotation = administrator.send("key.rotate", what="tenant", key="audit")
            operator.call("backup.create", to=os.path.join(self.world.daemon.root, f"overtaken-{number}"))
            job = administrator.receive(rotation)["job"]
            while administrator.call("job.status", job=job)["jobs"][0]["state"] == "running":
                pass
        self.assertEqual(len(operator.call("backup.list")["backups"]), before + 2)

    def assert_result(self, command, result):
        known = {result["name"]: result for result in command["results"]}
        self.assertLessEqual(set(result), set(known), command["name"])
        for name, row in known.items():
            if row["required"]:
                self.assertIn(name, result, command["name"])
        types = {"bool": bool, "int": int, "bytes": bytes, "map": dict, "list": list}
        for name, value in result.items():
            wanted = types.get(known[name]["kind"], object if known[name]["kind"] == "value" else str)
            self.assertIsInstance(value, wanted, f"{command['name']}: {name}")

    def test_zz_a_fresh_vault_is_initialised_sealed_and_unsealed(self):
        directory = tempfile.mkdtemp(prefix="conform-", dir=self.world.daemon.root)
        tls = os.path.join(self.world.daemon.data, "tls")
        path = os.path.join(directory, "vaultd.yaml")
        with open(path, "w", encoding="utf-8") as handle:
            handle.write(f"data_dir: {directory}/data\nlisten: 127.0.0.1:0\n"
                         f"tls: {{certificate: {tls}/server.pem, key: {tls}/server.key}}\n"
                         f"keepers: [{{name: local, file: {directory}/keeper.vtk}}]\njournal: {{dir: {directory}/journal}}\n")
        fresh = Daemon(VAULTD, directory=directory, dev=False, arguments=["--config", path])
        self.addCleanup(fresh.remove)
        with fresh.local() as client:
            for command, example in self.examples("fresh"):
                for more, status, field in example.refused:
                    case = Case(repr(more), command["name"], self.world.arguments(example, more), status, field)
                    self.assert_refused(case, exchange(client, [case])[0])
                self.assert_result(command, client.call(command["name"], **self.world.arguments(example)))
            self.assertEqual(client.call("vault.health"), {"state": "ready"})
        self.assertEqual(fresh.stop(), 0)
        self.assertNotIn("canary", fresh.log())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
