"""Blocks of keepers, and how a raw keeper splits them over stripes. docs/FORMAT.md, "Keeper file", "Raw keeper"."""
import hashlib
from typing import Iterator

from .codec import Bytes, packed

BLOCK = 4096
STRIPES = 256
RAW_COPIES = (1 << 20, 2 << 20)


def is_whole(block: bytes) -> bool:
    return hashlib.sha256(block[:BLOCK - 32]).digest() == block[BLOCK - 32:]


def hash_stripe(stripe: bytes) -> bytes:
    """H: 128 pieces of 32 bytes, piece j replaced by SHA-256(j as 4 bytes | piece)."""
    return b"".join(hashlib.sha256(packed(j, 4) + stripe[32 * j:32 * j + 32]).digest() for j in range(BLOCK // 32))


def exclusive_or(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def merge_stripes(copy: bytes) -> bytes:
    """The block that 256 stripes hold: d(255) XOR s(256), d(i) = H(d(i-1) XOR s(i)), d(0) = 0."""
    chain = bytes(BLOCK)
    for index in range(STRIPES - 1):
        chain = hash_stripe(exclusive_or(chain, copy[BLOCK * index:BLOCK * (index + 1)]))
    return exclusive_or(chain, copy[BLOCK * (STRIPES - 1):BLOCK * STRIPES])


def raw_copies(whole: Bytes) -> Iterator[tuple[int, bytes]]:
    """(number, block) of each copy of a raw keeper that is there in full. A copy of noise merges to noise."""
    for index, at in enumerate(RAW_COPIES):
        copy = whole[at:at + STRIPES * BLOCK]
        if len(copy) == STRIPES * BLOCK:
            yield index, merge_stripes(copy)
