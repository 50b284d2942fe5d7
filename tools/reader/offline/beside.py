"""What the vault keeps beside rows and keys: opened with the system and tenant keys that the fixpoint has reached.

Nothing here leads to a further key. docs/FORMAT.md, the sections that system.py names.
"""
from typing import Iterable, Iterator, Optional

from . import system, tables
from .codec import ZERO16, Malformed, number
from .collect import Item
from .fixpoint import Fixpoint, Key
from .pile import Place


# Rows under the ledger key whose context is made of their key.
SEALED_BY_KEY = (
    (tables.PENDING, system.pending_context, "pending request"), (tables.HOLD, system.hold_context, "hold"),
    (tables.APPROVAL, system.approval_context, "approval"), (tables.WAITING, system.waiting_context, "waiting request"))


class Beside:
    """Ledger, pending requests, holds, approvals, configuration, audit payloads, tokens, kept answers: how many opened, and
    what they said."""

    def __init__(self, fix: Fixpoint) -> None:
        self.fix = fix
        self.found = fix.found
        self.pile = fix.pile
        self.ledger: set[system.LedgerEntry] = set()
        self.collections: dict[tuple[bytes, int], system.Collection] = {}   # (vault, number)
        self.counts: dict[str, list[int]] = {}                              # what -> [opened, all, closed and in use]

    def run(self) -> None:
        self.open_system()
        self.open_tokens()
        self.open_kept_answers()

    def count(self, what: str, item: Item) -> None:
        counts = self.counts.setdefault(what, [0, 0, 0])
        counts[0] += item.step is not None
        counts[1] += 1
        counts[2] += item.step is None and bool(item.used)

    def open_first(self, item: Item, tries: Iterable[tuple[Key, bytes]], before_seal: int, what: str) -> Optional[bytes]:
        """The plaintext by the first key and context that fit."""
        for key, ctx in tries:
            plain = self.fix.open_item(item, key, ctx, before_seal, what)
            if plain is not None:
                return plain
        return None

    def open_system(self) -> None:
        ledger_keys = list(self.fix.keys_named(0, "sys:ledger"))
        for item in self.found.all_of(tables.LEDGER):
            self.open_ledger_entry(item, ledger_keys)
            self.count("ledger entries", item)
        for table, make_context, what in SEALED_BY_KEY:
            for item in self.found.all_of(table):
                incarnation = number(self.pile.read(item.place), 0, 8)
                self.open_first(item, ((key, make_context(vault, incarnation, name)) for vault, _, key in ledger_keys
                                       for name in item.names), 8, what)
                self.count(what + "s", item)
        for item in self.found.all_of(tables.META):
            name = item.names[0]
            if name != b"root":
                self.open_meta(name, item, ledger_keys)
                self.count("places of rotations" if name.startswith(b"rotate.") else "rows of closing batches", item)
        for item in self.found.all_of(tables.CONFIG):
            self.open_config(item)
            self.count("configuration objects", item)
        for item in self.found.all_of(tables.AUDIT):
            self.open_audit(item)

    def open_ledger_entry(self, item: Item, keys: list[tuple[bytes, int, Key]]) -> None:
        incarnation = number(self.pile.read(item.place), 0, 8)
        for name in item.names:
            sequence = number(name, 0, 8)
            tries = ((key, system.ledger_context(vault, incarnation, sequence)) for vault, _, key in keys)
            plain = self.open_first(item, tries, 8, f"ledger entry {sequence}")
            if plain is not None:
                self.take_ledger_entry(item, sequence, plain)
                return

    def take_ledger_entry(self, item: Item, sequence: int, plain: bytes) -> None:
        if item.is_damaged:
            return
        try:
            entry = system.parse_ledger_entry(sequence, plain)
        except Malformed as wrong:
            self.fix.complain(item, str(wrong))
            return
        self.ledger.add(entry)
        if entry.scope.sid != ZERO16:
            self.found.subjects.add(entry.scope.sid)

    def open_meta(self, name: bytes, item: Item, ledger_keys: list[tuple[bytes, int, Key]]) -> None:
        """The batch of a closing epoch, or the place of a rotation."""
        raw = self.pile.read(item.place)
        before_seal = 9 if name.startswith(b"rotate.") else 8
        tries = ((key, ctx) for vault, _, key in ledger_keys for ctx in self.meta_contexts(vault, name, raw))
        self.open_first(item, tries, before_seal, name.decode("latin-1"))

    def meta_contexts(self, vault: bytes, name: bytes, raw: bytes) -> Iterator[bytes]:
        if name.startswith(b"rotate."):
            yield system.rotation_context(vault, number(raw, 1, 8), bytes.fromhex(name[7:].decode("latin-1")))
            return
        part = int(name[8:], 16) if name[7:8] == b"/" else 0
        for record, _ in self.found.roots.values():
            yield system.closing_context(vault, number(raw, 0, 8), record.epoch, record.attempt, part)

    def open_config(self, item: Item) -> None:
        raw = self.pile.read(item.place)
        for key_bytes in item.names:
            name = system.config_name(key_bytes)
            for vault, tenant, key in self.fix.keys_named(name.tenant, "ten:config" if name.tenant else "sys:config"):
                if item.step is not None or tenant != name.tenant:
                    continue
                plain = self.fix.open_item(item, key, system.config_context(vault, name, raw), 16, "configuration object")
                if plain is not None and name.kind == system.COLLECTION and not item.is_damaged:
                    self.take_collection(vault, item, plain)

    def take_collection(self, vault: bytes, item: Item, plain: bytes) -> None:
        """Of the versions of a collection the newest is kept: field numbers are never used twice."""
        try:
            collection = system.parse_collection(plain)
        except Malformed as wrong:
            self.fix.complain(item, str(wrong))
            return
        known = self.collections.get((vault, collection.number))
        if known is None or known.version < collection.version:
            self.collections[vault, collection.number] = collection

    def open_audit(self, item: Item) -> None:
        """The sealed payloads of one row of the log."""
        try:
            payloads = list(system.audit_items(self.pile.read(item.place)))
        except Malformed as wrong:
            if item.used:
                self.fix.complain(item, str(wrong))
            return
        for payload in payloads:
            sealed = Item(Place(item.place.file, item.place.at + payload.at, payload.length))
            sealed.used = item.used
            self.open_payload(payload, sealed)

    def open_payload(self, payload: system.AuditItem, sealed: Item) -> None:
        """A payload about a subject lies under its audit key. One about nobody is not written by any version yet."""
        if payload.origin == ZERO16:
            self.count("audit payloads about nobody", sealed)
            return
        self.found.subjects.add(payload.origin)
        subject = self.fix.subjects.get(payload.origin)
        if subject is not None:
            tries = ((key, payload.context(subject.vault)) for key in subject.audit_keys)
            self.open_first(sealed, tries, 0, f"audit payload about {payload.origin.hex()}")
        self.count("audit payloads about subjects", sealed)

    # What opens only with somebody else's secret.

    def open_tokens(self) -> None:
        keys = list(self.fix.keys_named(1, "ten:token-seal"))
        for item in self.found.all_of(tables.TOKEN):
            incarnation = number(self.pile.read(item.place), 0, 8)
            tries = ((Key(system.token_key(key.key, text), key.step), system.token_context(vault, incarnation, tenant, name))
                     for text in self.fix.secrets.tokens for name in item.names for vault, tenant, key in keys)
            self.open_first(item, tries, 12, "token row")
            self.count("token rows", item)

    def open_kept_answers(self) -> None:
        keys = list(self.fix.keys_named(0, "sys:idempotency"))
        for item in self.found.all_of(tables.IDEMPOTENCY):
            self.open_first(item, self.kept_answer_tries(item, keys), 16, "kept answer")
            self.count("kept answers", item)

    def kept_answer_tries(self, item: Item, keys: list[tuple[bytes, int, Key]]) -> Iterator[tuple[Key, bytes]]:
        incarnation = number(self.pile.read(item.place), 8, 8)
        tenants = sorted({0} | {tenant for _, tenant, _, _ in self.fix.named})
        for vault, _, key in keys:
            for text in self.fix.secrets.caller_keys:
                for name in item.names:
                    if system.kept_answer_hash(key.key, text) == name[16:]:
                        sealing = Key(system.kept_answer_key(key.key, text), key.step)
                        yield from ((sealing, system.kept_answer_context(vault, incarnation, tenant, name)) for tenant in tenants)
