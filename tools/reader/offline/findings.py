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


class Asked(NamedTuple):
    """SID, SID/CATEGORY or SID/CATEGORY/RECORD, `*` for any category; and how it was written."""
    text: str
    scope: system.Scope


def parse_asked(text: str) -> Asked:
    """Raises ValueError."""
    parts = text.split("/")
    sid = bytes.fromhex(parts[0])
    if len(sid) != 16 or len(parts) > 3:
        raise ValueError("want SID[/CATEGORY[/RECORD]], the sid as 32 hex digits")
    category = category_number(parts[1]) if len(parts) > 1 and parts[1] != "*" else 0
    return Asked(text, system.Scope(sid, category, int(parts[2]) if len(parts) > 2 else 0))


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
        self.closed: dict[bytes, list[tuple[int, int]]] = {}            # sid -> category, record of each row that did not open
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
                self.closed.setdefault(sid, []).append((name.category, name.record))
                return
        self.nobodys.add_closed(item, None)

    def reason(self, sid: bytes, name: rows.RowName, head: rows.RowHead) -> Optional[str]:
        """What erased a row that does not open; None when nothing says that anything did."""
        entry = self.forgotten_by(sid, name.category, name.record)
        if entry is not None:
            certificate = f", certificate {entry.certificate}" if entry.certificate else ""
            return f"{system.OPERATIONS[entry.operation]}{certificate}, gone from epoch {entry.gone_from()} on"
        return self.key_taken_out(sid, name, head)

    def unopened_entries(self, sid: bytes) -> list[int]:
        """Ledger entries of which only the name says that they are about this subject. They explain nothing: their key was not
        reached, and no more may that of its rows have been."""
        return sorted(sequence for _, sequence in self.found.acted_on.get(sid, ()) if sequence not in self.sequences)

    def forgotten_by(self, sid: bytes, category: int, record: int) -> Optional[system.LedgerEntry]:
        return next((entry for entry in self.ledger.get(sid, ()) if entry.scope.covers(sid, category, record)), None)

    def key_taken_out(self, sid: bytes, name: rows.RowName, head: rows.RowHead) -> Optional[str]:
        """docs/FORMAT.md, "Rows": when the key block has no such key, the row is erased; nothing else says so. The block says up
        to which version it has taken keys out; a row with a later one is of after this block."""
        subject = self.fix.subjects.get(sid)
        if subject is None or not subject.blocks:
            return None
        newest = max(subject.blocks)
        block, key = subject.blocks[newest], (name.category, head.key_record(name.record), head.key_version)
        if head.key_version <= block.removed and all((held.category, held.record, held.version) != key for held in block.keys):
            return f"its key was taken out: the newest key block, version {newest[1]}, has none of version {head.key_version}"
        return None

    def readable_though_forgotten(self) -> Iterator[tuple[bytes, int, system.LedgerEntry, Step]]:
        """Rows that a ledger entry says are forgotten, and that open though a root of an epoch in which they are gone is there.
        What was deleted in an epoch that has not closed yet is not forgotten."""
        newest = max((one.record.epoch for one in self.fix.trees), default=0)
        for sid, categories in self.subjects.items():
            for name, head, item in self.fix.rows_of.get(sid, []):
                entry = self.forgotten_by(sid, name.category, name.record)
                root = root_of(step_of(item))
                if entry is not None and root is not None and entry.gone_from() <= newest and \
                        (root.epoch < entry.gone_from() or self.outlived(entry, head, item)):
                    yield sid, name.category, entry, step_of(item)

    def outlived(self, entry: system.LedgerEntry, head: rows.RowHead, item: Item) -> bool:
        """Whether a row that opens through a later root ought not to: its key was never taken out. A subject and a record never
        come back; in a category that was shredded new rows may have been written since, and a deletion takes the key only where
        the collection forgets by record."""
        if entry.operation == system.RECORD_DELETED:
            return head.key_kind == rows.RECORD_KEY
        return entry.scope.category == 0 or entry.scope.record != 0 or bool(item.used & self.files_before(entry.gone_from()))

    def files_before(self, epoch: int) -> int:
        """Bit i: file i is a store of an earlier epoch."""
        files = 0
        for record, item in self.found.roots.values():
            files |= item.used if record.epoch < epoch else 0
        return files

    # Expectations.

    def keys_within(self, scope: system.Scope) -> Optional[Step]:
        """How a data key of the scope was reached, if one was. A category's key does not count for one of its records."""
        subject = self.fix.subjects.get(scope.sid)
        for (category, record, _), keys in (subject.keys if subject else {}).items():
            if scope.category in (0, category) and (scope.record == 0 or scope.record == record):
                return keys[0].step
        if scope.covers_all():
            for (_, _, sid), keys in self.fix.subject_keys.items():
                if sid == scope.sid:
                    return keys[0].step
        return None

    def entries_within(self, scope: system.Scope) -> list[Step]:
        """How index entries of the scope were reached. An entry names a record and no category."""
        if scope.category:
            return []
        return [step for entry, step in self.fix.index_entries.get(scope.sid, {}).items()
                if scope.record in (0, entry.record())]

    def rows_within(self, scope: system.Scope) -> list[Item]:
        return [item for name, _, item in self.fix.rows_of.get(scope.sid, [])
                if scope.covers(scope.sid, name.category, name.record)]

    def closed_within(self, scope: system.Scope) -> str:
        """How much of the scope lies there and did not open; empty when nothing does, so that nothing is shown."""
        count = sum(scope.covers(scope.sid, category, record) for category, record in self.closed.get(scope.sid, ()))
        if count or not scope.covers_all():
            return f"{count} rows" if count else ""
        blocks = sum(item.step is None for item in self.found.key_blocks.get(scope.sid, ()))
        return f"no row and {blocks} key blocks" if blocks else ""

    def expect_unreadable(self, asked: Asked) -> Verdict:
        """It fails where there is nothing that could have opened, too."""
        opened, key, entries = self.rows_within(asked.scope), self.keys_within(asked.scope), self.entries_within(asked.scope)
        closed = self.closed_within(asked.scope)
        if opened:
            return Verdict("unreadable", asked.text, False, f"{len(opened)} rows open", step_of(opened[0]))
        if key is not None:
            return Verdict("unreadable", asked.text, False, "no row of it opens, but its key is reached", key)
        if entries:
            why = f"no row of it opens, but {len(entries)} entries of the index name it"
            return Verdict("unreadable", asked.text, False, why, entries[0])
        if asked.scope.sid not in self.found.subjects:
            return Verdict("unreadable", asked.text, False, "no file names this subject, so nothing is shown", None)
        if not closed:
            return Verdict("unreadable", asked.text, False, "nothing of it lies in the files, so nothing is shown", None)
        rest = f"; but {sum(self.fix.untried.values())} values were not tried with every key" if self.fix.untried else ""
        return Verdict("unreadable", asked.text, True, f"{closed} lie there and none opens{rest}", None)

    def expect_readable(self, asked: Asked) -> Verdict:
        opened = [item for item in self.rows_within(asked.scope) if not item.is_damaged]
        return Verdict("readable", asked.text, bool(opened), f"{len(opened)} rows open", None)

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
