"""Keeper files and raw keepers, with the shares that they hold or still show. docs/FORMAT.md, "Keeper file", "Raw keeper".

Both blocks of a keeper are read, also one that is not whole and the older of two: an erasure that was not finished would be
seen here. What is not a share of a root key does not open.
"""
from typing import Iterator, NamedTuple

from .codec import Fields, Malformed, packed
from .pile import File
from .seal import SLOT, context
from .stripes import BLOCK, RAW_COPIES, is_whole, raw_copies

VERSION = 1
SLOTS = 3
FIRST_SLOT = 104
SLOT_LENGTH = 296
STATES = {1: "prepared", 2: "committed"}


class Slot(NamedTuple):
    """A sealed share and all that its context needs."""
    file: int
    where: str                  # which block of the file
    keeper: int
    vault: bytes
    incarnation: int
    epoch: int
    attempt: bytes
    threshold: int
    of: int
    x: int
    state: int
    sealed: bytes

    def context(self) -> bytes:
        return context(self.vault, self.incarnation, SLOT, 0, packed(self.keeper, 8), packed(self.epoch, 8), self.attempt,
                       bytes([self.threshold, self.of, self.x]))


def keeper_blocks(file: File) -> Iterator[tuple[str, bytes]]:
    """The blocks of a keeper file, by name."""
    for index in range(2):
        block = file.map[BLOCK * index:BLOCK * (index + 1)]
        if len(block) < BLOCK:
            file.damage.append(f"block {index} is cut short")
        elif block.strip(b"\0"):
            yield f"block {index}", block


def raw_blocks(file: File) -> Iterator[tuple[str, bytes]]:
    """The blocks that a raw keeper's two copies merge to, as far as they are there."""
    copies = dict(raw_copies(file.map))
    for index in range(len(RAW_COPIES)):
        if index in copies:
            yield f"copy {index}", copies[index]
        else:
            file.damage.append(f"copy {index} is cut short")


def slots_of(file: File, where: str, block: bytes) -> Iterator[Slot]:
    """The slots of a block, all three of them: one past their number that is not zero is an erasure that was not done. A block that
    is not whole is read as far as it makes sense, and said to be damaged."""
    if not is_whole(block):
        file.damage.append(f"{where} is not whole")
    if block[:8] != b"VTKEEPER":
        return
    if block[8] != VERSION:
        file.damage.append(f"{where} is of version {block[8]}; this reader knows {VERSION}")
        return
    fields = Fields(block)
    fields.bytes(24)
    keeper, vault = fields.number(8), fields.bytes(16)
    for index in range(SLOTS):
        raw = block[FIRST_SLOT + SLOT_LENGTH * index:FIRST_SLOT + SLOT_LENGTH * (index + 1)]
        if index >= block[9]:
            if not raw.strip(b"\0"):
                continue
            file.damage.append(f"slot {index + 1} of {where} is past its {block[9]} slots and is not zero")
        slot = Fields(raw)
        state, threshold, of, x, length = (slot.number(width) for width in (1, 1, 1, 1, 2))
        slot.bytes(2)
        incarnation, epoch, attempt, share = slot.number(8), slot.number(8), slot.bytes(16), slot.bytes(256)
        if not 0 < length <= len(share):
            file.damage.append(f"slot {index + 1} of {where} has a share of {length} bytes")
            continue
        yield Slot(file.number, where, keeper, vault, incarnation, epoch, attempt, threshold, of, x, state, share[:length])


def read_keeper(file: File, is_raw: bool) -> list[Slot]:
    """All slots of a keeper of either class."""
    slots = [slot for where, block in (raw_blocks if is_raw else keeper_blocks)(file) for slot in slots_of(file, where, block)]
    if not slots and not file.damage:
        file.notes.append("no slot in it")
    held = sorted({(slot.incarnation, slot.epoch, STATES.get(slot.state, str(slot.state))) for slot in slots})
    file.summary = f"keeper {slots[0].keeper:016x}, " if slots else ""
    file.summary += "shares of " + ", ".join(f"incarnation {number} epoch {epoch} ({state})" for number, epoch, state in held) \
        if held else "no share"
    return slots


def check_size(file: File) -> None:
    if file.size < BLOCK:
        raise Malformed("too short for a keeper file")
