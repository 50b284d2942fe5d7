"""Signed notes: manifests of backups, checkpoints, receipts. docs/FORMAT.md, "Signed notes" and the sections of each.

They hold no key and no person. They are read to say which copy a file is and what a shred was; a signature is checked when
the fixpoint has reached the key that signs.
"""
import base64
import binascii
import hashlib
from typing import NamedTuple, Optional

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .codec import Malformed

MANIFEST = "vaultd backup manifest v1"


class Note(NamedTuple):
    """The text, its first line, its `key: value` lines, and its signatures: name, key id, signature."""
    text: str
    title: str
    lines: dict[str, str]
    signatures: list[tuple[str, bytes, bytes]]


def parse_note(raw: bytes) -> Note:
    """text that ends in LF, LF, then lines `U+2014 SP name SP base64(key id 4 | signature 64)`."""
    try:
        whole = raw.decode("utf-8")
    except UnicodeDecodeError as wrong:
        raise Malformed("a note that is not UTF-8") from wrong
    text, gap, tail = whole.rpartition("\n\n")
    if not gap:
        raise Malformed("a note without signatures")
    signatures = []
    for line in tail.splitlines():
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "\u2014":
            raise Malformed("a note with a line that is no signature")
        try:
            signature = base64.b64decode(parts[2], validate=True)
        except binascii.Error as wrong:
            raise Malformed("a note with a signature that is no base64") from wrong
        signatures.append((parts[1], signature[:4], signature[4:]))
    text += "\n"
    lines = dict(line.split(": ", 1) for line in text.splitlines()[1:] if ": " in line)
    return Note(text, text.splitlines()[0], lines, signatures)


def is_signed_by(note: Note, name: str, seed: bytes) -> Optional[bool]:
    """Whether the key of this seed signed the note; None when it says it did not."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    key_id = hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]
    for signer, said, signature in note.signatures:
        if (signer, said) == (name, key_id):
            try:
                private.public_key().verify(signature, note.text.encode())
                return True
            except InvalidSignature:
                return False
    return None
