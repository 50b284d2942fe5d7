"""The files that were given, whatever they are called. They are mapped for reading only; nothing is ever written."""
import mmap
import os
import stat
from typing import Iterator, NamedTuple, Union

from .codec import Malformed

EMPTY, DATA, KEEPER, RAW_KEEPER, JOURNAL, NOTE, SHARE, LOCK, UNKNOWN = (
    "empty file", "data file", "keeper file", "raw keeper", "journal", "signed note", "share of an unseal key",
    "lock table of a data file (no data)", "unknown")


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
        self.map: Union[mmap.mmap, bytes] = b""
        self.summary = ""                   # what it holds, in words
        self.damage: list[str] = []         # what could not be read
        self.notes: list[str] = []          # what is worth knowing and no damage

    def open(self) -> None:
        """Map it. Raises OSError."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.size = os.lseek(descriptor, 0, os.SEEK_END)        # right for partitions too, where stat says 0
            if self.size:
                self.map = mmap.mmap(descriptor, self.size, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)

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
    for folder, below, names in os.walk(path, onerror=complain):
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
LMDB_MAGIC = (0xBEEFC0DE).to_bytes(4, "little")
RAW_SIZE = 3 << 20


def recognise(file: File) -> str:
    """What a file is, by its content alone. Each kind has a second mark, for files whose beginning is damaged."""
    if file.size == 0:
        return EMPTY
    head = bytes(file.map[:4096])
    if head.startswith(b"VTKEEPER") or bytes(file.map[4096:4104]) == b"VTKEEPER":
        return KEEPER
    if file.size >= RAW_SIZE and (head.startswith(b"VTKRAWE1") or b"VTKFLOOR" in (file.map[4096:4104], file.map[8192:8200])):
        return RAW_KEEPER
    if head.startswith(b"VTJOURNL") or file.map[:1 << 20].find(b"VTJR") >= 0 and looks_like_records(file):
        return JOURNAL
    if head[:4] == LMDB_MAGIC:
        return LOCK
    if head[16:20] == LMDB_MAGIC or has_numbered_pages(file):
        return DATA
    if head.startswith(NOTE_HEADS):
        return NOTE
    if head.strip().startswith(b"vaultd-share-1-"):
        return SHARE
    return UNKNOWN


def looks_like_records(file: File) -> bool:
    """A record's head behind its mark: a known kind and three zeroes. docs/FORMAT.md, "Journal"."""
    at = file.map[:1 << 20].find(b"VTJR")
    return file.map[at + 4:at + 5] in (b"\1", b"\2", b"\3", b"\4") and file.map[at + 5:at + 8] == b"\0\0\0"


def has_numbered_pages(file: File) -> bool:
    """A data file without its first pages: among the rest, pages stand at the place that their number says."""
    looked_at = range(2 * 4096, min(file.size, 1 << 24) - 16, 4096)
    hits = sum(1 for at in looked_at
               if int.from_bytes(file.map[at:at + 8], "little") == at // 4096 and file.map[at + 10] in (1, 2, 4))
    return hits >= 3 and hits * 10 >= len(looked_at)
