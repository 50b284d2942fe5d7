"""A call that works, for every command of the table, and what its handler must refuse inside arguments that fit the table.

A command without a row here fails the test until it gets one. Rows stand in the order in which the calls are made, each of
them once, against a vault prepared by World: what destroys or rotates comes late.

    "group.verb": Example(role, {argument: value}, ...)

A value that is a function gets the world. `refused` holds (arguments instead of or besides the example's, status, field):
field None when the refusal names none.
"""
import os

CANARY = "canary-7c1f"              # also a valid name, so that it gets past the table
HASH = "ab" * 32
ABSENT = object()                   # leaves an argument of the example out

SCHEMA = """
name: tickets
doc: Support tickets.
cardinality: many
fields:
  - {name: subject_line, type: text, category: A, doc: As typed.}
"""
TEMPLATE = "templates: [{name: card-two, format: opaque, collection: cards, field: number}]"
DIGITS = "templates: [{{name: card-digits, format: digits, collection: cards, field: number, keep_last: {}}}]"
MAPPING = {"name": "small", "subject": "id", "columns": {"mail": "profile.email"}}
ID = "0" * 31 + "1"


class Example:
    """One call. `where` is "dev", or "fresh": a vault of its own that is initialised, sealed and unsealed over the socket."""

    def __init__(self, role, arguments=None, refused=(), where="dev"):
        self.role = role
        self.arguments = arguments or {}
        self.refused = refused
        self.where = where


def subject_of(name):
    return lambda world: world.subjects[name]


def token_of(name):
    return lambda world: world.tokens[name]


def record_of(name):
    return lambda world: world.records[name]


def path_of(name):
    return lambda world: os.path.join(world.daemon.root, name)


# What every argument of these names refuses, wherever it stands.
UNKNOWN = {
    "collection": "not-found",
    "field": "unknown-field",
    "view": "argument",
    "template": "not-found",
    "purpose": "purpose",
    "tenant": "not-found",
    "role": "argument",
    "what": "argument",
    "key": "argument",
}
WHO = [({"subject": ABSENT}, "argument", "subject"), ({"sid": ID}, "argument", "subject"),
       ({"subject": CANARY}, "not-found", "subject"), ({"subject": ABSENT, "sid": ID}, "not-found", "sid")]
WHICH = [({"record": 1 << 40}, "not-found", "record")]
FIELDS = [({"fields": {CANARY: "x"}}, "unknown-field", None),
          ({"fields": {"email": CANARY}}, "invalid-value", "email"),
          ({"fields": {"email": 7}}, "type", "email"),
          ({"fields": {"email": {CANARY: CANARY}}}, "type", "email"),
          ({"fields": {"email": [CANARY]}}, "type", "email")]
ONE_OR_MANY = [({"token": ABSENT}, "argument", "token"), ({"tokens": [CANARY]}, "argument", "token"),
               ({"token": CANARY}, "not-found", "token")]


EXAMPLES = {
    "vault.health": Example(None),
    "vault.version": Example(None),
    "auth.login": Example(None, {"credential": lambda world: world.daemon.credential("auditor")}, [
        ({"credential": "vsk_" + CANARY}, "unauthenticated", None)]),
    "vault.status": Example("auditor"),
    "keeper.list": Example("operator"),
    "keeper.check": Example("operator"),
    "keeper.change": Example("administrator", {"dry_run": True}, [
        ({"lost": [CANARY]}, "argument", "lost"), ({"leave": [CANARY]}, "argument", "leave"), ({"leave": [[7]]}, "type", "leave"),
        ({"dry_run": False}, "state", None)]),
    "epoch.status": Example("operator"),
    "job.status": Example("operator", {}, [({"job": ID}, "not-found", "job")]),
    "schema.apply": Example("administrator", {"schema": SCHEMA}, [
        ({"schema": CANARY}, "argument", None),
        ({"schema": "name: x\nfields: [{name: cvv, type: text, category: B}]"}, "refused-type", "fields[0]"),
        ({"schema": "name: profile\nfields: [{name: city, type: text, category: A}]"}, "state", "given_name"),
        ({"schema": "a: &a [*a]\n"}, "parse", None)]),
    "schema.show": Example("application", {"collection": "profile"}),
    "schema.list": Example("auditor"),
    "template.apply": Example("administrator", {"template": TEMPLATE}, [
        ({"template": TEMPLATE.replace("card-two", "card")}, "state", "templates"),
        ({"template": CANARY}, "argument", "templates"),
        ({"template": TEMPLATE.replace("cards", CANARY)}, "not-found", "collection"),
        ({"template": DIGITS.format(5)}, "argument", "keep_last"), ({"template": DIGITS.format(16)}, "argument", "keep_last"),
        ({"template": DIGITS.format(-1)}, "argument", "keep_last"),
        ({"template": DIGITS.format(4).replace("digits", "opaque")}, "argument", "keep_last")]),
    "template.show": Example("application", {"name": "card"}, [({"name": CANARY}, "not-found", "name")]),
    "template.list": Example("application"),
    "credential.create": Example("administrator", {"name": "made", "role": "auditor", "expires_at": "2099-01-01T00:00:00Z"}, [
        ({"name": "operator"}, "exists", "name")]),
    "credential.list": Example("administrator"),
    "subject.create": Example("application", {"external_id": "conform-new", "records": {"profile": {"email": "new@example.com"}}}, [
        ({"external_id": subject_of("ada")}, "exists", "external_id"),
        ({"records": {CANARY: {}}}, "not-found", "records"),
        ({"records": {"profile": CANARY}}, "type", "records"),
        ({"records": {"profile": [CANARY]}}, "type", "records"),
        ({"records": {"profile": {CANARY: 1}}}, "unknown-field", None),
        ({"records": {"profile": {"email": CANARY}}}, "invalid-value", "email"),
        ({"records": {"profile": {"email": [CANARY]}}}, "type", "email"),
        ({"records": {"profile": [{}, {}]}}, "exists", "collection"),
        ({"records": {"calls": {}}}, "state", "records")]),
    "subject.show": Example("privacy", {"subject": subject_of("ada"), "purpose": "testing"}, WHO),
    "subject.list": Example("privacy", {"limit": 1, "purpose": "testing"}),
    "subject.find": Example("application", {"collection": "profile", "field": "email", "value": "ada@example.com",
                                            "purpose": "testing"}, [
        ({"field": "city"}, "state", "field"),
        ({"value": CANARY}, "invalid-value", "value"), ({"value": None}, "type", "value"),
        ({"value": 7}, "type", "value"), ({"value": {CANARY: CANARY}}, "type", "value"),
        ({"value": [CANARY]}, "type", "value")]),
    "record.put": Example("application", {"subject": subject_of("ada"), "collection": "profile",
                                          "record": record_of("ada"), "fields": {"city": "London"}},
                          WHO + WHICH + FIELDS + [({"record": ABSENT}, "exists", "collection"),
                                                  ({"other_subject": subject_of("bob")}, "argument", "other_subject")]),
    "record.get": Example("application", {"subject": subject_of("ada"), "collection": "profile", "purpose": "testing"},
                          WHO + WHICH + [({"fields": [CANARY]}, "unknown-field", "fields")]),
    "record.list": Example("application", {"subject": subject_of("ada"), "collection": "cards", "purpose": "testing"}, WHO),
    "record.correct": Example("application", {"subject": subject_of("ada"), "collection": "profile",
                                              "fields": {"city": "Paris"}}, WHO + WHICH + FIELDS),
    "record.import": Example("application", {"file_sha256": HASH, "mapping": MAPPING, "first_record": 1,
                                             "rows": [{"id": "imported-1", "mail": "imported@example.com"}]}, [
        ({"file_sha256": CANARY}, "argument", "file_sha256"),
        ({"mapping": {}}, "argument", None), ({"mapping": {"else": CANARY}}, "argument", None),
        ({"mapping": dict(MAPPING, columns={"mail": CANARY})}, "argument", "columns"),
        ({"mapping": dict(MAPPING, columns={"mail": "people.email"})}, "not-found", "columns"),
        ({"mapping": dict(MAPPING, columns={"mail": "profile.mail"})}, "unknown-field", "columns"),
        ({"mapping": dict(MAPPING, columns={"cvv": "profile.email"})}, "refused-type", "columns")]),
    "record.import-status": Example("application", {"file_sha256": HASH}, [
        ({"file_sha256": CANARY}, "argument", "file_sha256")]),
    "token.create": Example("application", {"template": "card", "value": "4111111111111111"}, [
        ({"value": ABSENT}, "argument", "value"), ({"values": []}, "argument", "value"), ({"items": []}, "argument", "value"),
        ({"record": 7}, "argument", "record"), ({"subject": CANARY}, "not-found", "subject"),
        ({"value": CANARY}, "invalid-value", "value"), ({"value": 7}, "type", "value"),
        ({"value": None}, "type", "value"),
        ({"value": [CANARY]}, "type", "value"), ({"value": {CANARY: CANARY}}, "type", "value"),
        ({"value": ABSENT, "values": ["4111111111111111"], "record": 7}, "argument", "record"),
        ({"value": ABSENT, "items": [], "subject": subject_of("ada")}, "argument", "subject"),
        ({"value": ABSENT, "record": 7}, "argument", "subject")]),
    "token.show": Example("application", {"token": token_of("ada")}, [({"token": CANARY}, "not-found", "token")]),
    "token.reveal": Example("application", {"token": token_of("ada"), "purpose": "billing"}, ONE_OR_MANY),
    "token.disable": Example("application", {"token": token_of("ada")}, ONE_OR_MANY),
    "token.enable": Example("application", {"token": token_of("ada")}, ONE_OR_MANY),
    "token.revoke": Example("application", {"token": token_of("ada")}, ONE_OR_MANY),
    "subject.export": Example("privacy", {"subject": subject_of("ada"), "purpose": "rights"}, WHO),
    "audit.tail": Example("auditor", {"limit": 2}),
    "audit.prove": Example("auditor", {"sequence": 0}, [
        ({"from_size": 1}, "argument", "sequence"), ({"sequence": ABSENT}, "argument", "sequence"),
        ({"sequence": 1 << 40}, "not-found", "sequence"),
        ({"sequence": ABSENT, "from_size": 1 << 40}, "not-found", "from_size")]),
    "audit.verify": Example("auditor"),
    "audit.checkpoint": Example("auditor"),
    "audit.export": Example("auditor", {"from": 0, "limit": 1}),
    "subject.shred": Example("privacy", {"subject": subject_of("bob"), "reference": "case"}, WHO + [
        ({"token": token_of("ada")}, "argument", "subject"), ({"category": CANARY}, "argument", "category"),
        ({"category": "K"}, "not-found", "category"), ({"record": 7}, "state", "record"),
        ({"subjects": ["nobody"]}, "argument", "subject"),
        ({"subject": ABSENT, "subjects": ["nobody"], "record": 7}, "argument", "record"),
        ({"subject": ABSENT, "subjects": ["nobody"], "sid": ID}, "argument", "sid"),
        ({"subject": ABSENT, "subjects": ["nobody"], "token": CANARY}, "argument", "token"),
        ({"subject": ABSENT, "subjects": ["nobody"], "dry_run": True}, "argument", "dry_run"),
        ({"subject": ABSENT, "subjects": ["nobody"], "category": CANARY}, "argument", "category")]),
    "certificate.show": Example("auditor", {"number": lambda world: world.pending["certificate"]}, [
        ({"number": 1 << 40}, "not-found", "number")]),
    "certificate.verify": Example("application", {"note": lambda world: world.pending["note"]}),
    "subject.cancel-shred": Example("privacy", {"certificate": lambda world: world.pending["certificate"]}, [
        ({"certificate": 1 << 40}, "not-found", "certificate")]),
    "hold.place": Example("privacy", {"subject": subject_of("fay"), "category": "B", "reason": "litigation", "matter": "case"}, [
        ({"subject": CANARY}, "not-found", "subject"), ({"sid": ID}, "argument", "sid"),
        ({"subject": ABSENT, "sid": ID}, "not-found", "sid"), ({"category": CANARY}, "argument", "category"),
        ({"subject": ABSENT, "category": ABSENT}, "argument", "subject")]),
    "hold.list": Example("privacy", {"limit": 1}),
    "hold.release": Example("privacy", {"hold": lambda world: world.holds[0]}, [({"hold": ID}, "not-found", "hold")]),
    "approval.list": Example("auditor", {"all": True}, [({"approval": ID}, "not-found", "approval")]),
    "approval.grant": Example("approver", {"approval": lambda world: world.approvals[0], "items": 0}, [
        ({"approval": ID}, "not-found", "approval"), ({"items": 7}, "state", "items")]),
    "approval.deny": Example("approver", {"approval": lambda world: world.approvals[1]}, [
        ({"approval": ID}, "not-found", "approval")]),
    "key.status": Example("administrator", {}, [({"subject": CANARY}, "not-found", "subject")]),
    "key.rotate": Example("administrator", {"what": "tenant", "key": "config"}, [
        ({"what": "subject", "key": ABSENT}, "argument", "subject"),
        ({"what": "subject", "key": ABSENT, "subject": CANARY}, "not-found", "subject"),
        ({"what": "subject", "key": ABSENT, "subject": subject_of("ada"), "category": CANARY}, "argument", "category"),
        ({"what": "unseal", "key": ABSENT}, "argument", "passphrase"),
        ({"what": "unseal", "key": ABSENT, "key_file": CANARY}, "argument", "key_file"),
        ({"what": "unseal", "key": ABSENT, "shares": 3}, "argument", "threshold"),
        ({"what": "unseal", "key": ABSENT, "shares": 2, "threshold": 3}, "argument", "threshold"),
        ({"what": "unseal", "key": ABSENT, "shares": 5, "threshold": 1}, "argument", "threshold")]),
    "backup.create": Example("operator", {"to": path_of("backup-of-the-example")}, [
        ({"to": CANARY}, "argument", "to"), ({"to": path_of("data")}, "exists", "to")]),
    "backup.verify": Example("operator", {"from": path_of("backup")}, [
        ({"from": CANARY}, "argument", "from"), ({"from": path_of(CANARY)}, "not-found", "from")]),
    "backup.list": Example("operator"),
    "backup.restore": Example("operator", {"from": path_of("backup"), "to": path_of("restored"), "check_only": True}, [
        ({"take_over": True}, "argument", "check_only"), ({"check_only": False}, "argument", "check_only"),
        ({"from": CANARY}, "argument", "from"), ({"to": CANARY}, "argument", "to"),
        ({"from": path_of(CANARY)}, "not-found", "from")]),
    "store.check": Example("operator"),
    "clock.set": Example("operator", {"now": "2031-01-01T00:00:00Z"}),
    "record.delete": Example("application", {"subject": subject_of("ada"), "collection": "profile"}, WHO + WHICH),
    "epoch.close": Example("operator"),
    "credential.revoke": Example("administrator", {"name": "made"}, [({"name": CANARY}, "not-found", "name")]),
    "vault.init": Example("operator", {"passphrase": "correct horse"}, [
        ({"passphrase": ABSENT}, "argument", "passphrase"), ({"shares": 3}, "argument", "threshold"),
        ({"passphrase": "elevenchars"}, "argument", "passphrase"), ({"shares": 5, "threshold": 1}, "argument", "threshold"),
        ({"key_file": CANARY}, "argument", "key_file")], where="fresh"),
    "vault.seal": Example("operator", where="fresh"),
    "vault.unseal": Example("operator", {"passphrase": "correct horse"}, [
        ({"passphrase": CANARY}, "wrong-secret", None), ({"key_file": CANARY}, "argument", "passphrase"),
        ({"passphrase": ABSENT}, "argument", "passphrase"), ({"passphrase": ABSENT, "share": CANARY}, "wrong-secret", None),
        ({"passphrase": ABSENT, "key_file": CANARY}, "argument", "key_file"),
        ({"passphrase": ABSENT, "key_file": "ab" * 32}, "wrong-secret", None)], where="fresh"),
}
