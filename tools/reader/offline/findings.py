"""What the fixpoint means for each subject and category, and whether it is what was expected."""
import hashlib
from typing import Iterator, NamedTuple, Optional

from . import certificates, notes, rows, system, tables, tree
from .beside import Beside
from .codec import category_number
from .collect import Found, Item
from .fixpoint import Fixpoint, Step, root_of, step_of
from .pile import DATA


class Tally:
    """The rows of one subject and category. A row is one ciphertext: it counts once, in however many files it lies."""

    def __init__(self) -> None:
        self.readable = 0
        self.damaged = 0                            # in use, and readable where their bytes were not changed
        self.partial = 0                            # the same in free pages: half overwritten
        self.sealed = 0
        self.erased: dict[str, int] = {}            # by what -> rows
        self.files = 0                              # bit i: some row of it lies in file i
        self.epochs: set[tuple[int, int]] = set()   # (incarnation, epoch) of the roots that led to what is readable
        self.step: Optional[Step] = None            # how the first readable row was reached

    def add_open(self, item: Item) -> None:
        self.files |= item.files
        if not item.is_damaged:
            self.readable += 1
        elif item.used:
            self.damaged += 1
        else:
            self.partial += 1
        root = root_of(step_of(item))
        if root is not None:
            self.epochs.add((root.incarnation, root.epoch))
        self.step = self.step or step_of(item)

    def add_closed(self, item: Item, reason: Optional[str]) -> None:
        self.files |= item.files
        if reason is None:
            self.sealed += 1
        else:
            self.erased[reason] = self.erased.get(reason, 0) + 1


class Scope(NamedTuple):
    """SID, SID/CATEGORY or SID/CATEGORY/RECORD, `*` for any category."""
    text: str
    sid: bytes
    category: int
    record: int

    def covers(self, category: int, record: int) -> bool:
        return self.category in (0, category) and self.record in (0, record)


def parse_scope(text: str) -> Scope:
    """Raises ValueError."""
    parts = text.split("/")
    sid = bytes.fromhex(parts[0])
    if len(sid) != 16 or len(parts) > 3:
        raise ValueError("want SID[/CATEGORY[/RECORD]], the sid as 32 hex digits")
    category = category_number(parts[1]) if len(parts) > 1 and parts[1] != "*" else 0
    return Scope(text, sid, category, int(parts[2]) if len(parts) > 2 else 0)


class Verdict(NamedTuple):
    """An expectation and what became of it."""
    expected: str               # unreadable, readable, absent, present
    of: str
    holds: bool
    why: str
    step: Optional[Step]        # how what should be unreadable was reached


class Findings:
    """Everything that a report says."""

    def __init__(self, found: Found, fix: Fixpoint, beside: Beside) -> None:
        self.found = found
        self.fix = fix
        self.ledger: dict[bytes, list[system.LedgerEntry]] = {}         # sid -> what was forgotten of it, oldest first
        for entry in sorted(beside.ledger):
            if entry.operation in system.FORGETTING:
                self.ledger.setdefault(entry.scope.sid, []).append(entry)
        self.sequences = {entry.sequence for entry in beside.ledger}
        self.subjects: dict[bytes, dict[int, Tally]] = {sid: {} for sid in sorted(found.subjects)}
        self.nobodys = Tally()                      # rows of which no file says whose they are
        self.remnants = 0                           # rows in free pages that are half overwritten: their key does not open them
        self.tally()

    # Rows.

    def tally(self) -> None:
        for sid, opened in self.fix.rows_of.items():
            whole = {(name, head) for name, head, item in opened if not item.is_damaged}
            for name, head, item in opened:
                if item.used or not item.is_damaged or (name, head) not in whole:       # no half of what is there whole
                    self.of(sid, name.category).add_open(item)
        for item in self.found.all_of(tables.ROW):
            if item.step is None:
                self.add_closed(item)

    def of(self, sid: bytes, category: int) -> Tally:
        return self.subjects.setdefault(sid, {}).setdefault(category, Tally())

    def add_closed(self, item: Item) -> None:
        """A row that did not open, under the subject that its record belongs to."""
        if not item.used and self.fix.has_key(item):
            self.remnants += 1
            return
        head = rows.row_head(self.found.pile.read(item.place))
        for name in map(rows.row_name, item.names):
            for sid in self.found.owners_of(name.record, item):
                self.of(sid, name.category).add_closed(item, self.reason(sid, name, head))
                return
        self.nobodys.add_closed(item, None)

    def reason(self, sid: bytes, name: rows.RowName, head: rows.RowHead) -> Optional[str]:
        """What erased a row that does not open; None when nothing says that anything did."""
        entry = self.forgotten_by(sid, name.category, name.record)
        if entry is not None:
            certificate = f", certificate {entry.certificate}" if entry.certificate else ""
            return f"{system.OPERATIONS[entry.operation]}{certificate}, gone from epoch {entry.gone_from()} on"
        for scope, sequence in sorted(self.found.acted_on.get(sid, ()), key=lambda pair: pair[1]):
            if scope.covers(sid, name.category, name.record) and sequence not in self.sequences:
                return f"ledger entry {sequence}, which did not open"
        return self.key_taken_out(sid, name, head)

    def forgotten_by(self, sid: bytes, category: int, record: int) -> Optional[system.LedgerEntry]:
        return next((entry for entry in self.ledger.get(sid, ()) if entry.scope.covers(sid, category, record)), None)

    def key_taken_out(self, sid: bytes, name: rows.RowName, head: rows.RowHead) -> Optional[str]:
        """docs/FORMAT.md, "Rows": when the key block has no such key, the row is erased; nothing else says so."""
        subject = self.fix.subjects.get(sid)
        if subject is None or not subject.blocks:
            return None
        newest = max(subject.blocks)
        key = (name.category, head.key_record(name.record), head.key_version)
        if all((held.category, held.record, held.version) != key for held in subject.blocks[newest].keys):
            return f"its key was taken out: the newest key block, version {newest[1]}, has none of version {head.key_version}"
        return None

    def readable_though_forgotten(self) -> Iterator[tuple[bytes, int, system.LedgerEntry, Step]]:
        """Rows that a ledger entry says are forgotten, and that open through a root of an earlier epoch though a later one is
        there. What was deleted in an epoch that has not closed yet is not forgotten."""
        newest = max((record.epoch for record, *_ in self.fix.trees), default=0)
        for sid, categories in self.subjects.items():
            for name, _, item in self.fix.rows_of.get(sid, []):
                entry = self.forgotten_by(sid, name.category, name.record)
                root = root_of(step_of(item))
                if entry is not None and root is not None and root.epoch < entry.gone_from() <= newest:
                    yield sid, name.category, entry, step_of(item)

    # Expectations.

    def keys_within(self, scope: Scope) -> Optional[Step]:
        """How a data key of the scope was reached, if one was. A category's key does not count for one of its records."""
        subject = self.fix.subjects.get(scope.sid)
        for (category, record, _), keys in (subject.keys if subject else {}).items():
            if scope.category in (0, category) and (scope.record == 0 or scope.record == record):
                return keys[0].step
        if scope.category == 0 and scope.record == 0:
            for (_, _, sid), keys in self.fix.subject_keys.items():
                if sid == scope.sid:
                    return keys[0].step
        return None

    def entries_within(self, scope: Scope) -> list[Step]:
        """How index entries of the scope were reached. An entry names a record and no category."""
        if scope.category:
            return []
        return [step for entry, step in self.fix.index_entries.get(scope.sid, {}).items()
                if scope.record in (0, entry.record())]

    def rows_within(self, scope: Scope) -> list[Item]:
        return [item for name, _, item in self.fix.rows_of.get(scope.sid, []) if scope.covers(name.category, name.record)]

    def closed_within(self, scope: Scope) -> int:
        return sum(tally.sealed + sum(tally.erased.values()) for category, tally in self.subjects.get(scope.sid, {}).items()
                   if scope.category in (0, category))

    def expect_unreadable(self, scope: Scope) -> Verdict:
        opened = self.rows_within(scope)
        if scope.sid not in self.found.subjects:
            return Verdict("unreadable", scope.text, False, "no file names this subject, so nothing is shown", None)
        if opened:
            return Verdict("unreadable", scope.text, False, f"{len(opened)} rows open", step_of(opened[0]))
        step = self.keys_within(scope)
        if step is not None:
            return Verdict("unreadable", scope.text, False, "no row of it opens, but its key is reached", step)
        entries = self.entries_within(scope)
        if entries:
            return Verdict("unreadable", scope.text, False, f"no row of it opens, but {len(entries)} entries of the index name it",
                           entries[0])
        return Verdict("unreadable", scope.text, True, f"{self.closed_within(scope)} rows lie there and none opens", None)

    def expect_readable(self, scope: Scope) -> Verdict:
        opened = [item for item in self.rows_within(scope) if not item.is_damaged]
        return Verdict("readable", scope.text, bool(opened), f"{len(opened)} rows open", None)

    # What surrounds.

    def certificate_signature(self, certificate: certificates.Certificate) -> str:
        """Whether the text leads to a checkpoint of its vault's log, and who signed that."""
        checkpoint = certificates.proven_by(certificate, self.found.logs.get(certificate.file))
        if checkpoint is None:
            return "NOT proven: the text does not lead to a checkpoint" if certificate.proof is not None else \
                "not proven: the log of certificates is not there as a whole"
        if checkpoint.origin != certificate.origin():
            return "NOT proven: the checkpoint is that of another log"
        return self.signature(checkpoint.note, certificate.origin())

    def manifest_signature(self, note: notes.Note) -> str:
        return self.signature(note, f"vaultd/{note.lines.get('vault', '')}/{note.lines.get('incarnation', '')}")

    def signature(self, note: notes.Note, name: str) -> str:
        """Who signed a manifest or a checkpoint, as far as the signing key was reached."""
        answers = [notes.is_signed_by(note, name, key.key) for _, _, key in self.fix.keys_named(0, "sys:certificate-sign")]
        if True in answers:
            return "signed by the vault"
        return "NOT signed by the vault" if answers else "signature not checked: the vault's key was not reached"

    def manifests(self) -> Iterator[tuple[notes.Note, int, str, list[int]]]:
        """(manifest, its file, about its signature, data files that are exactly the copy that it describes)."""
        digests: dict[int, str] = {}
        if self.found.manifests:
            digests = {file.number: hashlib.sha256(file.map).hexdigest() for file in self.found.pile.files if file.kind == DATA}
        for note, file in self.found.manifests:
            same = [number for number, digest in digests.items() if digest == note.lines.get("file-sha256")]
            yield note, file, self.manifest_signature(note), same


def chain(step: Step, depth: int = 0) -> Iterator[tuple[int, Step]]:
    """A step and what led to it, what was opened last first."""
    yield depth, step
    for parent in step.parents:
        yield from chain(parent, depth + 1)
