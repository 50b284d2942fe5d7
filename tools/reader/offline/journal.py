"""The journal's records and what they hold. docs/FORMAT.md, "Journal".

Every row of every record is taken, aborted records and torn tails too: whether a record counts for a roll-forward is no
matter to somebody who only wants to read. Hashes are checked in order to say what is damaged.
"""
import hashlib
from typing import Generator, Iterator, NamedTuple

from .codec import Malformed, number, want_version
from .pile import File

FILE_HEAD = 8 + 1 + 7 + 16 + 8 + 32 + 32
RECORD_HEAD = 4 + 1 + 3 + 8 + 8 + 32 + 8
ROOT_SUMMARY = 96
DELETED = (1 << 32) - 1
KINDS = {1: "commit", 2: "commit that closed an epoch", 3: "aborted", 4: "gap"}
MARK = b"VTJR"


class JournalRow(NamedTuple):
    """A row that a commit wrote. Rows that it deleted are left out: they have no value."""
    table: int
    key: bytes
    at: int
    length: int


class Journal:
    """One journal file, read from its first record to its last byte."""

    def __init__(self, file: File) -> None:
        self.file = file
        self.records = 0
        self.kinds: dict[str, int] = {}
        self.previous = b""

    def rows(self) -> Iterator[JournalRow]:
        at = self.read_head()
        while at < self.file.size:
            found = self.file.map.find(MARK, at)
            if found < 0:
                self.file.notes.append(f"{self.file.size - at} bytes behind the last record are a torn tail")
                return
            if found != at:
                self.file.damage.append(f"no record at byte {at}; the next begins at byte {found}")
            at = yield from self.record(found)

    def read_head(self) -> int:
        head = self.file.map[:FILE_HEAD]
        if len(head) < FILE_HEAD or head[:8] != b"VTJOURNL" or hashlib.sha256(head[:72]).digest() != head[72:]:
            self.file.damage.append("the file's head is damaged")
            return 0 if head[:8] != b"VTJOURNL" else FILE_HEAD
        want_version("a journal", head[8])
        self.previous = head[40:72]
        return FILE_HEAD

    def record(self, at: int) -> Generator[JournalRow, None, int]:
        """The rows of the record that begins here. Returns the place of the next one."""
        head = self.file.map[at:at + RECORD_HEAD]
        if len(head) < RECORD_HEAD or hashlib.sha256(head[:56]).digest()[:8] != head[56:]:
            self.file.damage.append(f"the head of the record at byte {at} is damaged")
            return at + 4
        body_at, length = at + RECORD_HEAD, number(head, 8, 8)
        end = body_at + length
        digest = self.file.map[end:end + 32]
        if len(digest) < 32:
            self.file.notes.append(f"the last record, at byte {at}, is torn: {end + 32 - self.file.size} bytes are missing")
            end = min(end, self.file.size)
        elif hashlib.sha256(self.file.map[at:end]).digest() != digest:
            self.file.damage.append(f"the record at byte {at} does not fit its hash")
        elif self.previous and head[24:56] != self.previous:
            self.file.damage.append(f"the record at byte {at} does not follow the one before it")
        self.records += 1
        kind = KINDS.get(head[4], f"kind {head[4]}")
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        self.previous = digest
        rest = yield from self.body(body_at, end)
        if rest and len(digest) == 32:
            self.file.damage.append(f"the rows of the record at byte {at} do not end where it ends")
        return end + 32

    def body(self, at: int, end: int) -> Generator[JournalRow, None, int]:
        """commit number 8 | root record 96 | rows, as far as they are there. Returns how many bytes behind the last are no row."""
        at += 8 + ROOT_SUMMARY
        while at + 3 <= end:
            table, key_length = self.file.map[at], number(self.file.map[at + 1:at + 3], 0, 2)
            value_at = at + 3 + key_length + 4
            if value_at > end:
                return end - at
            key = self.file.map[at + 3:value_at - 4]
            length = number(self.file.map[value_at - 4:value_at], 0, 4)
            if length == DELETED:
                at = value_at
                continue
            if value_at + length > end:
                return end - at
            yield JournalRow(table, key, value_at, length)
            at = value_at + length
        return end - at


def open_journal(file: File) -> Journal:
    if file.size < 4:
        raise Malformed("too short for a journal")
    return Journal(file)
