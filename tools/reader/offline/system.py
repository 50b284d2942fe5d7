"""What the vault keeps besides rows and keys, each sealed under a key that the fixpoint may reach.

docs/FORMAT.md, "Ledger, pending requests, certificates", "Holds", "Approvals", "Closing row", "Configuration objects",
"Tokens", "Audit log", "Kept answers", "Rotation".
"""
import hmac
from typing import Any, Iterator, NamedTuple

from .codec import Fields, Malformed, number, packed, want_version
from .rows import unpacked
from .seal import (APPROVAL, AUDIT_PAYLOAD, CLOSING_BATCH, CONFIG, HOLD, JOB_STATE, KEPT_ANSWER, LEDGER_ENTRY, PENDING, TOKEN,
                   WAITING, context)

OPERATIONS = {1: "shred", 2: "correction", 3: "token revoked", 4: "credential revoked", 5: "policy", 6: "record deleted",
              7: "take-over"}
SHRED, RECORD_DELETED = 1, 6
FORGETTING = (SHRED, 2, RECORD_DELETED)
COLLECTION = 1                          # kind of a configuration object; the others are opened and not looked into


class Scope(NamedTuple):
    """sid 16 | category 2 | record 8; 0 is all."""
    sid: bytes
    category: int
    record: int

    def covers(self, sid: bytes, category: int, record: int) -> bool:
        return self.sid == sid and self.category in (0, category) and self.record in (0, record)


    def covers_all(self) -> bool:
        return self.category == 0 and self.record == 0


def parse_scope(raw: bytes) -> Scope:
    return Scope(raw[:16], number(raw, 16, 2), number(raw, 18, 8))


class LedgerEntry(NamedTuple):
    sequence: int
    operation: int
    scope: Scope
    certificate: int
    epoch: int
    time: int

    def gone_from(self) -> int:
        """The first epoch that has no key of it: a shred names that, a deletion the epoch in which it was done."""
        return self.epoch if self.operation == SHRED else self.epoch + 1


def ledger_context(vault: bytes, incarnation: int, sequence: int) -> bytes:
    return context(vault, incarnation, LEDGER_ENTRY, 0, packed(sequence, 8))


def parse_ledger_entry(sequence: int, raw: bytes) -> LedgerEntry:
    fields = Fields(raw)
    want_version("a ledger entry", fields.number(1))
    operation = fields.number(1)
    fields.bytes(16 + 8)
    return LedgerEntry(sequence, operation, parse_scope(fields.bytes(26)), fields.number(8), fields.number(8), fields.number(8))


def pending_context(vault: bytes, incarnation: int, key: bytes) -> bytes:
    return context(vault, incarnation, PENDING, 0, key)


def hold_context(vault: bytes, incarnation: int, key: bytes) -> bytes:
    return context(vault, incarnation, HOLD, 0, key)


def approval_context(vault: bytes, incarnation: int, key: bytes) -> bytes:
    """The first byte of the key says whether it has ended; the seal stays the same then."""
    return context(vault, incarnation, APPROVAL, 0, key[1:])


def waiting_context(vault: bytes, incarnation: int, key: bytes) -> bytes:
    return context(vault, incarnation, WAITING, 0, key)


def closing_context(vault: bytes, incarnation: int, epoch: int, attempt: bytes, part: int) -> bytes:
    return context(vault, incarnation, CLOSING_BATCH, 0, packed(epoch, 8), attempt, packed(part, 4))


def rotation_context(vault: bytes, incarnation: int, job: bytes) -> bytes:
    return context(vault, incarnation, JOB_STATE, 0, job)


# Configuration objects.

class ConfigName(NamedTuple):
    """Key of CONFIG."""
    kind: int
    tenant: int
    name_hash: bytes


def config_name(key: bytes) -> ConfigName:
    return ConfigName(key[0], number(key, 1, 8), key[9:25])


def config_context(vault: bytes, name: ConfigName, raw: bytes) -> bytes:
    """raw begins with incarnation 8 | version 8."""
    return context(vault, number(raw, 0, 8), CONFIG, name.tenant, bytes([name.kind]), name.name_hash, raw[8:16])


class Collection(NamedTuple):
    number: int
    name: str
    version: int
    fields: dict[int, str]


def parse_collection(raw: bytes) -> Collection:
    """length of name 2 | name | number 2 | msgpack map. Field n of the schema has the n-th number of `field_ids`."""
    fields = Fields(raw)
    name = fields.bytes(fields.number(2)).decode("utf-8", "replace")
    collection = fields.number(2)
    schema: Any = unpacked(fields.bytes(fields.left()))
    try:
        names = [field["name"] for field in schema["schema"]["fields"]]
        return Collection(collection, name, schema["version"], dict(zip(schema["field_ids"], names)))
    except (KeyError, TypeError) as wrong:
        raise Malformed("a collection that is not as its section says") from wrong


# Tokens: a row opens only for who knows the token's text.

def token_key(seal_key: bytes, text: bytes) -> bytes:
    return hmac.digest(seal_key, text, "sha256")


def token_context(vault: bytes, incarnation: int, tenant: int, key: bytes) -> bytes:
    return context(vault, incarnation, TOKEN, tenant, key.ljust(17, b"\0"))


# Audit payloads.

class AuditItem(NamedTuple):
    """A sealed payload of a leaf: the only thing in the log that is not in the clear."""
    incarnation: int
    tenant: int
    origin: bytes
    payload_id: bytes
    at: int                 # in the row
    length: int

    def context(self, vault: bytes) -> bytes:
        return context(vault, self.incarnation, AUDIT_PAYLOAD, self.tenant, self.origin, self.payload_id)


def audit_items(raw: bytes) -> Iterator[AuditItem]:
    """The sealed items of a row of AUDIT: leaf | item*."""
    want_version("an audit leaf", raw[0])
    tenant, incarnation = number(raw, 29, 8), number(raw, 37, 8)
    at = 109 + raw[3] + raw[4]
    while at < len(raw):
        if at + 37 > len(raw) or at + 37 + number(raw, at + 33, 4) > len(raw):
            raise Malformed("an audit row ends inside an item")
        length = number(raw, at + 33, 4)
        if raw[at] == 1:
            yield AuditItem(incarnation, tenant, raw[at + 1:at + 17], raw[at + 17:at + 33], at + 37, length)
        at += 37 + length


# Kept answers: one opens only for who knows the caller's key.

def kept_answer_hash(idempotency_key: bytes, caller_key: bytes) -> bytes:
    return hmac.digest(idempotency_key, b"idempotency-row:1" + caller_key, "sha256")[:16]


def kept_answer_key(idempotency_key: bytes, caller_key: bytes) -> bytes:
    return hmac.digest(idempotency_key, b"idempotency-seal:1" + caller_key, "sha256")


def kept_answer_context(vault: bytes, incarnation: int, tenant: int, key: bytes) -> bytes:
    return context(vault, incarnation, KEPT_ANSWER, tenant, key)
