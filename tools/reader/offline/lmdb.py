"""Every page of an LMDB data file: those in use, free ones with what they still hold, and pieces left between.

docs/FORMAT.md, "Pages". Nothing is trusted: the tables of the file are walked only to know which pages are in use, and to say
what is wrong with those; what is read are all pages, one after another, each from its first byte to its last. LMDB's numbers
are in the byte order of the machine; this reader knows little-endian.
"""
import re
import struct
from typing import Iterator, NamedTuple, Optional

from .codec import Malformed
from .pile import LMDB_MAGIC, File
from .seal import OVERHEAD

BRANCH, LEAF, OVERFLOW, META = 1, 2, 4, 8
BIG_DATA, SUB_TABLE = 1, 2
HEADER = 16
PAGE_NUMBER_NONE = (1 << 64) - 1
MAXIMUM_DEPTH = 32

# (length of the key, bytes before the seal) of what lies in leaf pages: row, key block, root record, token rows, ledger entry,
# pending request, configuration, kept answer, hold and waiting request, approval.
SEALED_SHAPES = ((12, 17), (16, 12), (4, 65), (9, 12), (17, 12), (8, 8), (26, 8), (25, 16), (32, 16), (42, 8),
                 (17, 8))
HEADLESS_SHAPES = ((12, 17), (16, 12))      # read also where the eight bytes before the key are gone
FEW_ZEROES = 6                              # among 64 bytes of noise
SEAL_MARK = re.compile(b"(?=\x01\x01)")
# The same for what does not begin with a seal: key length, key and first bytes of an audit row and of the wraps.
OTHER_NODE = re.compile(rb"(?=\x08\0(.{8})\x01[\x01-\x05][\0\1]|\x05\0(wraps)\x01)", re.DOTALL)


class Meta(NamedTuple):
    """A meta page: which commit it stands for, and where its tables begin."""
    page_size: int
    last_page: int
    transaction: int
    main_root: int


class Node(NamedTuple):
    """A node of a leaf. Places are counted from the beginning of its page."""
    key: bytes
    flags: int
    at: int                 # of the data, or of the number of the first page of big data
    length: int             # of the data
    is_sound: bool          # it ends where the next one begins


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
        self.table_of: dict[int, bytes] = {}            # page in use, of a run the first -> name of its table
        if self.newest is None:
            file.damage.append("both meta pages are damaged: which pages are in use is not known")
            return
        if len(self.metas) == 1:
            file.damage.append("one of the two meta pages is damaged: a later commit may be there than the one that is read as "
                               "in use")
        self.walk()

    @staticmethod
    def meta_places() -> tuple[int, ...]:
        return (0, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)     # page 1 of each page size that LMDB may have chosen

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
            for node in self.nodes(page):
                if node.flags & SUB_TABLE and node.length == 48:
                    yield node.key, struct.unpack_from("<Q", self.raw_page(page), node.at + 40)[0]
                else:
                    self.file.damage.append(f"page {page} of the main table holds something that is no table")

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
            self.complain_of_directory(page, name, flags)
            if flags & BRANCH:
                waiting += [(child, depth + 1) for child in self.children(page)]
            else:
                self.note_runs(page, name)
                yield page

    def lost(self, page: int, name: bytes) -> None:
        where = "lies behind the end of the file" if (page + 1) * self.page_size > self.file.size else "is damaged"
        self.file.damage.append(f"page {page} of table {table_text(name)} {where}")

    def complain_of_directory(self, page: int, name: bytes, flags: int) -> None:
        """LMDB keeps the nodes of a page close together, from `upper` to its end, so a changed number in any of them shows."""
        raw = self.raw_page(page)
        lower, upper = struct.unpack_from("<HH", raw, 12)
        ends = self.node_ends(raw)
        wrong = "its directory" if len(ends) != (lower - HEADER) // 2 or lower % 2 or min(ends, default=len(raw)) != upper else ""
        if not wrong and flags & LEAF and not all(node.is_sound for node in self.nodes(page)):
            wrong = "the length of a node"
        if not wrong and flags & BRANCH and any(even(at + 8 + struct.unpack_from("<H", raw, at + 6)[0]) != end
                                                for at, end in ends.items()):
            wrong = "the length of a key"
        if wrong:
            self.file.damage.append(f"page {page} of table {table_text(name)} is damaged: {wrong}")

    def note_runs(self, page: int, name: bytes) -> None:
        """The overflow runs that a leaf in use names. One whose numbers of pages differ is not noted as in use: what lies there is
        looked at by its shape too."""
        for node in self.nodes(page):
            if node.flags & BIG_DATA:
                first = self.first_page(page, node)
                pages = (HEADER + node.length + self.page_size - 1) // self.page_size
                if self.flags_of(first) != OVERFLOW or (first + pages) * self.page_size > self.file.size:
                    self.lost(first, name)
                elif struct.unpack_from("<I", self.file.map, first * self.page_size + 12)[0] != pages:
                    self.file.damage.append(f"the value at page {first} of table {table_text(name)} has another number of pages "
                                            "than its length needs")
                else:
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

    def raw_page(self, page: int) -> bytes:
        return self.file.map[page * self.page_size:(page + 1) * self.page_size]

    @staticmethod
    def node_ends(raw: bytes) -> dict[int, int]:
        """Where the nodes of a page begin, and where the next one in the page, or the page itself, shows that they end."""
        lower, upper = struct.unpack_from("<HH", raw, 12)
        if not HEADER <= lower <= upper <= len(raw):
            return {}
        offsets = struct.unpack_from(f"<{(lower - HEADER) // 2}H", raw, HEADER)
        good = sorted({at for at in offsets if upper <= at <= len(raw) - 8})
        return dict(zip(good, [*good[1:], len(raw)]))

    def children(self, page: int) -> Iterator[int]:
        raw = self.raw_page(page)
        for at in self.node_ends(raw):
            low, high, flags = struct.unpack_from("<HHH", raw, at)
            yield low | high << 16 | flags << 32

    def nodes(self, page: int) -> Iterator[Node]:
        """The nodes of a leaf. One whose length does not fit is as long as its length or its place in the page lets it be:
        what is sealed can be read from its beginning on."""
        raw = self.raw_page(page)
        for at, end in self.node_ends(raw).items():
            low, high, flags, key_length = struct.unpack_from("<HHHH", raw, at)
            length, data = low | high << 16, at + 8 + key_length
            stored = 8 if flags & BIG_DATA else length
            if even(data + stored) == end:
                yield Node(raw[at + 8:data], flags, data, length, True)
            elif data <= len(raw):
                fitting = length if data + length <= len(raw) else 0
                yield Node(raw[at + 8:data], flags & ~BIG_DATA, data, max(fitting, end - data, 0), False)

    def first_page(self, page: int, node: Node) -> int:
        return int(struct.unpack_from("<Q", self.file.map, page * self.page_size + node.at)[0])

    # All pages, one after another.

    def pages(self) -> range:
        """Those behind the meta pages, with what is left of a last one that was cut off."""
        return range(2, -(-self.file.size // self.page_size))

    def entries(self) -> Iterator[Entry]:
        """What every leaf holds, and what was left anywhere else: between nodes and directory, behind a value, in pages that
        are none any more."""
        for page in self.pages():
            known: set[int] = set()
            if self.flags_of(page) == LEAF:
                for node in self.nodes(page):
                    known.add(node.at)
                    yield from self.entry(page, node)
            yield from self.carve(page, known)

    def entry(self, page: int, node: Node) -> Iterator[Entry]:
        at = page * self.page_size + node.at
        if node.flags & BIG_DATA:
            at = self.first_page(page, node) * self.page_size + HEADER
        if not node.flags & SUB_TABLE and at + node.length <= self.file.size:
            yield Entry(self.table_of.get(page), node.key, at, node.length)

    def carve(self, page: int, known: set[int]) -> Iterator[Entry]:
        """Nodes that no directory names, found by the two bytes with which a sealed thing begins. The field before them may end
        in the same byte, so each place counts, also those that overlap."""
        raw, base = self.raw_page(page), page * self.page_size
        if not raw.strip(b"\0"):
            return
        taken: set[int] = set()
        for found in (sealed_nodes(raw, known, taken), other_nodes(raw, known), headless_nodes(raw, taken)):
            for key, data, length in found:
                yield Entry(None, key, base + data, length)

    def unnamed_values(self) -> Iterator[int]:
        """Where values could lie that need pages of their own and that no leaf in use names. A free leaf may have named them, and
        wrongly: by now the run can be another's."""
        for page in self.pages():
            if page not in self.table_of:
                yield page * self.page_size + HEADER


Carved = tuple[bytes, int, int]         # key, place of the data in its page, length


def sealed_nodes(raw: bytes, known: set[int], taken: set[int]) -> Iterator[Carved]:
    """Those of which the directory does not know. `taken` gets the places of all seals that belong to some node."""
    for found in SEAL_MARK.finditer(raw):
        mark = found.start()
        for key_length, before_seal in SEALED_SHAPES:
            data = mark - before_seal
            if data in known:
                taken.add(mark)
                break
            length = node_length(raw, data - key_length - 8, key_length)
            if length is not None and length >= before_seal + OVERHEAD:
                taken.add(mark)
                yield raw[data - key_length:data], data, length


def other_nodes(raw: bytes, known: set[int]) -> Iterator[Carved]:
    for found in OTHER_NODE.finditer(raw):
        key = found.group(1) or found.group(2)
        data = found.start() + 2 + len(key)
        length = node_length(raw, data - len(key) - 8, len(key))
        if data not in known and length is not None:
            yield key, data, length


def headless_nodes(raw: bytes, taken: set[int]) -> Iterator[Carved]:
    """Rows and key blocks of which the eight bytes before the key were overwritten: known by the zeroes of their incarnation
    before, and the noise of salt and commitment behind. How long they are is not known; what is sealed can be read from its
    beginning on."""
    for found in SEAL_MARK.finditer(raw):
        mark = found.start()
        if not taken.isdisjoint((mark - 1, mark, mark + 1)) or raw[mark + 2:mark + 66].count(0) > FEW_ZEROES or \
                raw[mark + 2:mark + 3] == b"\1":        # of three such bytes the first is the end of a version
            continue
        for key_length, before_seal in HEADLESS_SHAPES:
            data = mark - before_seal
            if data - key_length >= HEADER and len(raw) - mark >= OVERHEAD and raw[data:data + 6] == bytes(6):
                yield raw[data - key_length:data], data, len(raw) - data


def node_length(raw: bytes, at: int, key_length: int) -> Optional[int]:
    """The length of the data of a node at this place of a page, or None when there is none with such a key."""
    if at < HEADER:
        return None
    low, high, flags, said = struct.unpack_from("<HHHH", raw, at)
    length = low | high << 16
    return length if said == key_length and flags == 0 and at + 8 + said + length <= len(raw) else None


def even(length: int) -> int:
    return length + 1 & ~1


def table_text(name: bytes) -> str:
    return name.decode("latin-1") or "main"


def open_data_file(file: File) -> DataFile:
    if file.size < 2 * 512:
        raise Malformed("too short for a data file")
    return DataFile(file)
