"""Numbers and texts as docs/FORMAT.md, "Conventions", writes them: big-endian, lower-case base32 without padding."""
import base64
import binascii
import mmap
from datetime import datetime, timezone
from typing import Union

ZERO16 = bytes(16)
Bytes = Union[mmap.mmap, bytes]         # of a file: what slices of it are, is bytes


class Malformed(Exception):
    """Bytes that are not what they were taken for. The text says what is wrong with them, and holds no value."""


class UnknownVersion(Malformed):
    """A version that this reader does not know. It is never guessed at."""


class Fields:
    """Reads fields of fixed width one after another, and refuses to read past the end."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.at = 0

    def bytes(self, length: int) -> bytes:
        if length > len(self.raw) - self.at:
            raise Malformed(f"ends {length - len(self.raw) + self.at} bytes early")
        self.at += length
        return self.raw[self.at - length:self.at]

    def number(self, length: int) -> int:
        return int.from_bytes(self.bytes(length), "big")

    def left(self) -> int:
        return len(self.raw) - self.at


def number(raw: bytes, at: int, length: int) -> int:
    """The unsigned number of so many bytes at a place that is known to be there."""
    return int.from_bytes(raw[at:at + length], "big")


def packed(value: int, length: int) -> bytes:
    return value.to_bytes(length, "big")


def want_version(what: str, version: int, known: int = 1) -> None:
    if version != known:
        raise UnknownVersion(f"{what} of version {version}; this reader knows {known}")


def base32(text: str) -> bytes:
    """RFC 4648 without padding, capitals or not."""
    try:
        return base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except binascii.Error as wrong:
        raise Malformed("not base32") from wrong


def time_text(milliseconds: int) -> str:
    """Milliseconds since 1970, as docs/FORMAT.md writes times in texts."""
    if milliseconds >= 1 << 63:
        milliseconds -= 1 << 64
    try:
        moment = datetime.fromtimestamp(milliseconds // 1000, timezone.utc)
    except (OverflowError, ValueError, OSError):
        return f"{milliseconds} ms"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


CATEGORY_ADMINISTRATION = 0xffff
CATEGORY_UNCLASSIFIED = 13


def category_name(number_of: int) -> str:
    """docs/FORMAT.md, "Conventions": 1 to 12 are A to L, 13 is U, 0xffff is the subject's own administration."""
    if 1 <= number_of <= 12:
        return chr(ord("A") + number_of - 1)
    return {CATEGORY_UNCLASSIFIED: "U", CATEGORY_ADMINISTRATION: "admin"}.get(number_of, str(number_of))


def category_number(name: str) -> int:
    """The other way round; a plain number is taken too. Raises ValueError."""
    for candidate in [*range(1, 14), CATEGORY_ADMINISTRATION]:
        if category_name(candidate).lower() == name.lower():
            return int(candidate)
    value = int(name)
    if not 1 <= value <= 0xffff:
        raise ValueError("a category is 1 to 65535, A to L, U or admin")
    return value
