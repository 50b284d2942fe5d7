"""Certificates of destruction and the log of which they are leaves. docs/FORMAT.md, "Log of certificates" and "Certificate
of destruction".

A row of the store has the text and the place of its leaf; the log beside it leads to a signed checkpoint. A certificate that
was handed out is a file that carries its own way there.
"""
import base64
import binascii
import hashlib
from typing import NamedTuple, Optional

from . import notes
from .codec import Malformed, UnknownVersion, number

TITLE = "vaultd certificate of destruction v"
FIRST_LINE = TITLE + "2"
PROOF_LINE = "c2sp.org/tlog-proof@v1"
ROW_VERSION, ROW_HEAD = 2, 12
TILE, CHECKPOINT, HASH = 32, 255, 32


class Proof(NamedTuple):
    """From the leaf's sibling towards the root, and the note that signs the root."""
    path: list[bytes]
    checkpoint: notes.Note


class Certificate(NamedTuple):
    """A text, its `key: value` lines, and the place of its leaf; the proof when it came along."""
    text: str
    lines: dict[str, str]
    index: int
    file: int
    proof: Optional[Proof]

    def origin(self) -> str:
        """Of the log that must have it."""
        return f"vaultd/{self.lines.get('vault', '')}/{self.lines.get('incarnation', '')}/certificates"


def of_text(raw: bytes, index: int, file: int, proof: Optional[Proof]) -> Certificate:
    """A text as a certificate; other versions are refused."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as wrong:
        raise Malformed("a certificate that is not UTF-8") from wrong
    title = text.split("\n", 1)[0]
    if title != FIRST_LINE:
        if title.startswith(TITLE):
            raise UnknownVersion(f"a certificate of version {title[len(TITLE):]}")
        raise Malformed("no certificate where one should be")
    lines = dict(line.split(": ", 1) for line in text.splitlines()[1:] if ": " in line)
    return Certificate(text, lines, index, file, proof)


def parse_row(raw: bytes, file: int) -> Certificate:
    """The value of a row of CERTIFICATE: version 1 | zero 3 | index 8 | text."""
    if len(raw) <= ROW_HEAD:
        raise Malformed("a certificate's row ends early")
    if raw[0] != ROW_VERSION:
        raise UnknownVersion(f"a certificate's row of version {raw[0]}")
    return of_text(raw[ROW_HEAD:], number(raw, 4, 8), file, None)


def parse_file(raw: bytes, file: int) -> Certificate:
    """text | LF | c2sp.org/tlog-proof@v1 LF, index, hashes | LF | checkpoint"""
    text, gap, rest = raw.partition(b"\n\n")
    certificate = of_text(text + b"\n", 0, file, None)
    head, second_gap, checkpoint = rest.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    if not gap or not second_gap or lines[0] != PROOF_LINE or len(lines) < 2 or not lines[1].startswith("index "):
        raise Malformed("a certificate without the proof that belongs behind it")
    try:
        path = [base64.b64decode(line, validate=True) for line in lines[2:]]
        index = int(lines[1][len("index "):])
    except (binascii.Error, ValueError) as wrong:
        raise Malformed("a certificate with a proof that cannot be read") from wrong
    if any(len(step) != HASH for step in path):
        raise Malformed("a certificate with a proof that cannot be read")
    return certificate._replace(index=index, proof=Proof(path, notes.parse_note(checkpoint)))


# The tree: RFC 6962 section 2.1.

def leaf_hash(text: str) -> bytes:
    return hashlib.sha256(b"\0" + text.encode()).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def root_by_path(leaf: bytes, index: int, size: int, path: list[bytes]) -> Optional[bytes]:
    """RFC 9162 section 2.1.3.2; None when the path does not fit the place."""
    if index >= size:
        return None
    node, last = index, size - 1
    for step in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            leaf = node_hash(step, leaf)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            leaf = node_hash(leaf, step)
        node, last = node >> 1, last >> 1
    return leaf if last == 0 else None


class Checkpoint(NamedTuple):
    """What a note of three lines says: origin, size, root."""
    origin: str
    size: int
    root: bytes
    note: notes.Note


def checkpoint_of(note: notes.Note) -> Checkpoint:
    lines = note.text.splitlines()
    try:
        return Checkpoint(lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True), note)
    except (IndexError, ValueError) as wrong:
        raise Malformed("a checkpoint that cannot be read") from wrong


class Log:
    """The table certificate_log of one data file."""

    def __init__(self) -> None:
        self.tiles: dict[int, bytes] = {}
        self.checkpoints: dict[int, Checkpoint] = {}
        self.roots: dict[tuple[int, int], Optional[bytes]] = {}

    def take(self, key: bytes, raw: bytes) -> None:
        index = number(key, 1, 8)
        if key[0] == 0:
            self.tiles[index] = raw
        elif key[0] == CHECKPOINT:
            self.checkpoints[index] = checkpoint_of(notes.parse_note(raw))

    def leaf(self, index: int) -> Optional[bytes]:
        at = index % TILE * HASH
        found = self.tiles.get(index // TILE, b"")[at:at + HASH]
        return found if len(found) == HASH else None

    def root(self, begin: int, end: int) -> Optional[bytes]:
        """Of the leaves from begin to before end; None when one is missing. Computed from the leaves alone."""
        if end - begin == 1:
            return self.leaf(begin)
        if (begin, end) not in self.roots:
            middle = begin + (1 << (end - begin - 1).bit_length() - 1)
            left, right = self.root(begin, middle), self.root(middle, end)
            self.roots[begin, end] = node_hash(left, right) if left is not None and right is not None else None
        return self.roots[begin, end]

    def checkpoint_for(self, certificate: Certificate) -> Optional[Checkpoint]:
        """The first that covers it, when the leaves lead there; None when they do not."""
        size = min((size for size in self.checkpoints if size > certificate.index), default=None)
        if size is None or self.leaf(certificate.index) != leaf_hash(certificate.text):
            return None
        checkpoint = self.checkpoints[size]
        return checkpoint if checkpoint.size == size and self.root(0, size) == checkpoint.root else None


def proven_by(certificate: Certificate, log: Optional[Log]) -> Optional[Checkpoint]:
    """The checkpoint that has the certificate in its tree, by its own proof or by the log beside it; None: neither."""
    if certificate.proof is None:
        return log.checkpoint_for(certificate) if log is not None else None
    checkpoint = checkpoint_of(certificate.proof.checkpoint)
    root = root_by_path(leaf_hash(certificate.text), certificate.index, checkpoint.size, certificate.proof.path)
    return checkpoint if root == checkpoint.root else None
