"""The files that were given, whatever they are called. They are mapped for reading only; nothing is ever written."""
import codecs
import mmap
import os
import re
import stat
from typing import Iterator, NamedTuple

from .codec import Bytes, Malformed
from .stripes import is_whole, raw_copies

EMPTY, DATA, KEEPER, RAW_KEEPER, FLOOR, JOURNAL, NOTE, SHARE, LOCK, TEXT, ZEROES, UNKNOWN = (
    "empty file", "data file", "keeper file", "raw keeper", "floor file of a keeper (no share)", "journal", "signed note",
    "share of an unseal key", "lock table of a data file (no data)", "text that is none of a vault's", "nothing but zeroes",
    "unknown")
READ_AT_ONCE = 1 << 20


class Place(NamedTuple):
    """Where some bytes lie: file number, offset, length."""
    file: int
    at: int
    length: int


class File:
    """One file of the pile, what it is, and what was noticed about it."""

    def __init__(self, number: int, path: str) -> None:
        self.number = number
        self.path = path
        self.kind = UNKNOWN
        self.size = 0
        self.map: Bytes = b""
        self.summary = ""                   # what it holds, in words
        self.damage: list[str] = []         # what could not be read
        self.notes: list[str] = []          # what is worth knowing and no damage

    def open(self) -> None:
        """Map it. Raises OSError."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.size = os.lseek(descriptor, 0, os.SEEK_END)        # right for partitions too, where stat says 0
            self.read_through(descriptor)
            if self.size:
                self.map = mmap.mmap(descriptor, self.size, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)

    def read_through(self, descriptor: int) -> None:
        """Read it once before it is mapped: a bad block of the medium is an OSError here, and the end of the process there."""
        at = 0
        while at < self.size:
            length = len(os.pread(descriptor, READ_AT_ONCE, at))
            if not length:
                raise OSError(f"it ends at byte {at} of {self.size}")
            at += length

    def chunks(self) -> Iterator[bytes]:
        return (self.map[at:at + READ_AT_ONCE] for at in range(0, self.size, READ_AT_ONCE))

    def read(self, at: int, length: int) -> bytes:
        """Exactly these bytes. Raises Malformed where the file is shorter."""
        if at < 0 or at + length > self.size:
            raise Malformed(f"the file ends before byte {at + length}")
        return self.map[at:at + length]


class Pile:
    """All files, numbered in the order in which they were given."""

    def __init__(self) -> None:
        self.files: list[File] = []
        self.unreadable: list[tuple[str, str]] = []         # path, why

    def add(self, path: str) -> None:
        """A file, a partition, or a directory with all below it."""
        for name in paths_below(path, self.unreadable):
            file = File(len(self.files), name)
            try:
                file.open()
            except (OSError, ValueError) as wrong:
                self.unreadable.append((name, str(wrong)))
                continue
            file.kind = recognise(file)
            self.files.append(file)

    def read(self, place: Place) -> bytes:
        return self.files[place.file].read(place.at, place.length)


def paths_below(path: str, unreadable: list[tuple[str, str]]) -> Iterator[str]:
    """Regular files and block devices, sorted by path. Sockets, pipes and links that lead nowhere are said to be unread."""
    def complain(wrong: OSError) -> None:
        unreadable.append((str(wrong.filename), wrong.strerror or str(wrong)))

    if not os.path.isdir(path):
        yield from readable_kind(path, unreadable)
        return
    seen = set()
    for folder, below, names in os.walk(path, onerror=complain, followlinks=True):
        about = os.stat(folder)
        if (about.st_dev, about.st_ino) in seen:        # by another link: it may lead back to itself
            below.clear()
            continue
        seen.add((about.st_dev, about.st_ino))
        below.sort()
        for name in sorted(names):
            yield from readable_kind(os.path.join(folder, name), unreadable)


def readable_kind(path: str, unreadable: list[tuple[str, str]]) -> Iterator[str]:
    try:
        mode = os.stat(path).st_mode
    except OSError as wrong:
        unreadable.append((path, wrong.strerror or str(wrong)))
        return
    if stat.S_ISREG(mode) or stat.S_ISBLK(mode):
        yield path
    elif not stat.S_ISSOCK(mode):               # a running vault's socket holds nothing
        unreadable.append((path, "neither a file, a directory nor a partition"))


NOTE_HEADS = (b"vaultd backup manifest v1\n", b"vaultd certificate of destruction v", b"vaultd keeper receipt v1\n",
              b"vaultd export manifest v1\n", b"c2sp.org/tlog-proof@v1\n", b"vaultd/")
CONTROL = re.compile("[\0-\x08\x0e-\x1f\x7f]")
LMDB_MAGIC = (0xBEEFC0DE).to_bytes(4, "little")
LATER_PAGES = (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)        # where a second meta page may begin


def recognise(file: File) -> str:
    """What a file is, by its content alone. Each kind has a second mark, for files whose beginning is damaged; what is sure comes
    first."""
    if file.size == 0:
        return EMPTY
    head = bytes(file.map[:4096])
    if head.startswith(b"VTKEEPER") or file.map[4096:4104] == b"VTKEEPER":
        return KEEPER
    if head.startswith(b"VTKRAWE1") or b"VTKFLOOR" in (file.map[4096:4104], file.map[8192:8200]):
        return RAW_KEEPER
    if b"VTKRAME4" in (head[:8], file.map[4096:4104]):
        return FLOOR
    if head.startswith(b"VTJOURNL"):
        return JOURNAL
    if head[:4] == LMDB_MAGIC:
        return LOCK
    if any(file.map[at + 16:at + 20] == LMDB_MAGIC for at in (0, *LATER_PAGES)) or has_numbered_pages(file):
        return DATA
    if has_records(file):
        return JOURNAL
    if head.startswith(NOTE_HEADS):
        return NOTE
    if head.strip().startswith(b"vaultd-share-1-"):
        return SHARE
    return recognise_the_rest(file)


def recognise_the_rest(file: File) -> str:
    """What is nothing of a vault for certain is told from what this reader does not understand."""
    if any(is_whole(block) for _, block in raw_copies(file.map)):
        return RAW_KEEPER
    if not any(chunk.strip(b"\0") for chunk in file.chunks()):
        return ZEROES
    return TEXT if is_text(file) else UNKNOWN


def is_text(file: File) -> bool:
    """UTF-8 without control characters: settings, certificates, lists."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        return not any(CONTROL.search(decoder.decode(chunk)) for chunk in file.chunks()) and decoder.decode(b"", True) == ""
    except UnicodeDecodeError:
        return False


def has_records(file: File) -> bool:
    """A journal without its head: a record's head behind its mark has a known kind and three zeroes. docs/FORMAT.md, "Journal"."""
    return re.search(rb"VTJR[\1-\4]\0\0\0", file.map[:1 << 20]) is not None


def has_numbered_pages(file: File) -> bool:
    """A data file without its first pages: among the rest, pages stand at the place that their number says."""
    looked_at = range(2 * 4096, min(file.size, 1 << 24) - 16, 4096)
    hits = sum(1 for at in looked_at
               if int.from_bytes(file.map[at:at + 8], "little") == at // 4096 and file.map[at + 10] in (1, 2, 4))
    return hits >= 3 and hits * 10 >= len(looked_at)
