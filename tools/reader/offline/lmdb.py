"""Every page of an LMDB data file: those in use, free ones with what they still hold, and pieces left between.

docs/FORMAT.md, "Pages". Nothing is trusted: the tables of the file are walked only to know which pages are in use; what is
read are all pages, one after another. LMDB's numbers are in the byte order of the machine; this reader knows little-endian.
"""
import re
import struct
from typing import Iterator, NamedTuple, Optional

from .codec import Malformed
from .pile import LMDB_MAGIC, File

BRANCH, LEAF, OVERFLOW, META = 1, 2, 4, 8
BIG_DATA, SUB_TABLE = 1, 2
HEADER = 16
PAGE_NUMBER_NONE = (1 << 64) - 1
MAXIMUM_DEPTH = 32


class Meta(NamedTuple):
    """A meta page: which commit it stands for, and where its tables begin."""
    page_size: int
    last_page: int
    transaction: int
    main_root: int


class Entry(NamedTuple):
    """A key and where its value lies. `table` is the name of the table for pages in use, None for all others."""
    table: Optional[bytes]
    key: bytes
    at: int
    length: int


class DataFile:
    """The pages of one file."""

    def __init__(self, file: File) -> None:
        self.file = file
        self.metas = [meta for meta in (self.read_meta(at) for at in self.meta_places()) if meta is not None]
        self.page_size = self.metas[0].page_size if self.metas else 4096
        self.newest = max(self.metas, key=lambda meta: meta.transaction, default=None)
        self.table_of: dict[int, bytes] = {}            # page in use -> name of its table
        self.run_of: dict[int, int] = {}                # first page of an overflow run in use -> pages
        self.named: set[int] = set()                    # first pages of overflow runs that some leaf names
        if self.newest is None:
            file.damage.append("both meta pages are damaged: which pages are in use is not known")
        else:
            self.walk()

    @staticmethod
    def meta_places() -> tuple[int, ...]:
        return (0, 4096, 8192, 16384, 32768, 65536)      # page 1 of each page size that LMDB may have chosen

    def read_meta(self, at: int) -> Optional[Meta]:
        """The meta page there, or None. Fields as in the table of section "Pages"."""
        if self.file.map[at + 16:at + 20] != LMDB_MAGIC or at + 16 + 136 > self.file.size:
            return None
        raw = self.file.map[at:at + 16 + 136]
        version, = struct.unpack_from("<I", raw, 20)
        page_size, = struct.unpack_from("<I", raw, 40)
        main_root, last_page, transaction = struct.unpack_from("<QQQ", raw, 16 + 24 + 48 + 40)
        if version != 1 or page_size not in (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536):
            self.file.damage.append(f"the meta page at byte {at} has version {version} and page size {page_size}")
            return None
        if at not in (0, page_size) or not raw[10] & META:
            return None
        return Meta(page_size, last_page, transaction, main_root)

    # The tables of the newest commit, to know which pages are in use.

    def walk(self) -> None:
        assert self.newest is not None
        for name, root in self.sub_tables(self.newest.main_root):
            for _ in self.walk_table(root, name):
                pass

    def sub_tables(self, root: int) -> Iterator[tuple[bytes, int]]:
        for page in self.walk_table(root, b""):
            for key, flags, at, length in self.nodes(page):
                if flags & SUB_TABLE and length == 48:
                    yield key, struct.unpack_from("<Q", self.file.map, at + 40)[0]

    def walk_table(self, root: int, name: bytes) -> Iterator[int]:
        """The leaf pages of a table; every page on the way is noted as in use."""
        waiting = [] if root == PAGE_NUMBER_NONE else [(root, 0)]
        while waiting:
            page, depth = waiting.pop()
            flags = self.flags_of(page)
            if depth > MAXIMUM_DEPTH or page in self.table_of or flags is None or not flags & (BRANCH | LEAF):
                self.lost(page, name)
                continue
            self.table_of[page] = name
            if flags & BRANCH:
                waiting += [(child, depth + 1) for child in self.children(page)]
            else:
                self.note_runs(page, name)
                yield page

    def lost(self, page: int, name: bytes) -> None:
        where = "lies behind the end of the file" if (page + 1) * self.page_size > self.file.size else "is damaged"
        self.file.damage.append(f"page {page} of table {name.decode('latin-1') or 'main'} {where}")

    def note_runs(self, page: int, name: bytes) -> None:
        for _, flags, at, length in self.nodes(page):
            if flags & BIG_DATA:
                first, = struct.unpack_from("<Q", self.file.map, at)
                pages = (HEADER + length + self.page_size - 1) // self.page_size
                if self.flags_of(first) != OVERFLOW or (first + pages) * self.page_size > self.file.size:
                    self.lost(first, name)
                else:
                    self.run_of[first] = pages
                    self.table_of[first] = name

    # One page.

    def flags_of(self, page: int) -> Optional[int]:
        """The flags of a page that stands where its own number says, else None."""
        at = page * self.page_size
        if at + self.page_size > self.file.size:
            return None
        number, flags = struct.unpack_from("<QxxH", self.file.map, at)
        flags &= 0x1f                                   # those that a page in a file may have
        return flags if number == page and flags in (BRANCH, LEAF, OVERFLOW) else None

    def node_places(self, raw: bytes) -> Iterator[int]:
        """Where the nodes of a page begin, counted from its own beginning."""
        lower, upper = struct.unpack_from("<HH", raw, 12)
        if HEADER <= lower <= upper <= len(raw):
            for offset, in struct.iter_unpack("<H", raw[HEADER:HEADER + (lower - HEADER) // 2 * 2]):
                if upper <= offset <= len(raw) - 8:
                    yield offset

    def raw_page(self, page: int) -> bytes:
        return self.file.map[page * self.page_size:(page + 1) * self.page_size]

    def children(self, page: int) -> Iterator[int]:
        raw = self.raw_page(page)
        for at in self.node_places(raw):
            low, high, flags = struct.unpack_from("<HHH", raw, at)
            yield low | high << 16 | flags << 32

    def nodes(self, page: int) -> Iterator[tuple[bytes, int, int, int]]:
        """(key, flags, place in the file, length) of each node of a leaf; the place is that of the run's number for big data."""
        raw = self.raw_page(page)
        for at in self.node_places(raw):
            low, high, flags, key_length = struct.unpack_from("<HHHH", raw, at)
            length = low | high << 16
            data = at + 8 + key_length
            if data + (8 if flags & BIG_DATA else length) <= len(raw):
                yield raw[at + 8:data], flags, page * self.page_size + data, length

    # All pages, one after another.

    def pages(self) -> Iterator[tuple[int, Optional[int]]]:
        """(number, flags) of each page behind the meta pages; the later pages of a run in use are passed over."""
        page, end = 2, self.file.size // self.page_size
        while page < end:
            yield page, self.flags_of(page)
            page += self.run_of.get(page, 1)

    def entries(self) -> Iterator[Entry]:
        """What every leaf holds, and what was left anywhere else: between nodes and directory, behind a value, in pages that
        are none any more."""
        for page, flags in self.pages():
            base, end = page * self.page_size, (page + self.run_of.get(page, 1)) * self.page_size
            if flags == LEAF:
                yield from self.leaf(page)
            if flags in (LEAF, BRANCH):
                lower, upper = struct.unpack_from("<HH", self.file.map, base + 12)
                if HEADER <= lower <= upper <= self.page_size:
                    yield from self.carve(base + lower, base + upper, end)
            else:
                yield from self.carve(base, end, end)

    def leaf(self, page: int) -> Iterator[Entry]:
        table = self.table_of.get(page)
        for key, flags, at, length in self.nodes(page):
            if flags & SUB_TABLE:
                continue
            if flags & BIG_DATA:
                first, = struct.unpack_from("<Q", self.file.map, at)
                at = first * self.page_size + HEADER
                if self.flags_of(first) != OVERFLOW or at + length > self.file.size:
                    continue                            # for a page in use the walk has said so
                self.named.add(first)
            yield Entry(table, key, at, length)

    def carve(self, begin: int, end: int, limit: int) -> Iterator[Entry]:
        """Nodes that no directory names any more, found by the two bytes with which a sealed thing begins. The field before
        them may end in the same byte, so each place counts, also those that overlap."""
        if not self.file.map[begin:end].strip(b"\0"):
            return
        for found in re.finditer(b"(?=\x01\x01)", self.file.map[begin:end]):
            for key_length, before_seal in SEALED_SHAPES:
                data = begin + found.start() - before_seal
                at = data - key_length - 8
                if at < begin:
                    continue
                low, high, flags, said = struct.unpack_from("<HHHH", self.file.map, at)
                length = low | high << 16
                if said == key_length and flags == 0 and data + length <= limit and length >= before_seal + 94:
                    yield Entry(None, self.file.map[at + 8:data], data, length)

    def unnamed_runs(self) -> Iterator[int]:
        """Places of values in free overflow pages that no leaf names any more. Call it after entries()."""
        for page, flags in self.pages():
            if flags == OVERFLOW and page not in self.named:
                yield page * self.page_size + HEADER


# (length of the key, bytes before the seal) of what lies in leaf pages: root record, key block, row, token rows, ledger
# entry, pending request, configuration, kept answer.
SEALED_SHAPES = ((4, 65), (16, 12), (12, 17), (9, 12), (17, 12), (8, 8), (26, 8), (25, 16), (32, 16))


def open_data_file(file: File) -> DataFile:
    if file.size < 2 * 512:
        raise Malformed("too short for a data file")
    return DataFile(file)
