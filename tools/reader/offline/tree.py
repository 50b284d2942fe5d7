"""The keyring: root records, pages of the tree, key blocks. docs/FORMAT.md, "Keyring"."""
from typing import Iterator, NamedTuple, Union

from .codec import Fields, Malformed, number, packed, want_version
from .seal import KEY_BLOCK, OVERHEAD, PAGE, ROOT_PAGE, context

T_SYS, T_DIR, T_SUB, T_IDX, T_TEN, TENANT_PAGE = range(1, 7)
TREES = {T_SYS: "T_sys", T_DIR: "T_dir", T_SUB: "T_sub", T_IDX: "T_idx", T_TEN: "T_ten", TENANT_PAGE: "tenant page"}
LEAF_PAGE, INNER_PAGE, TENANT_PAGE_KIND = 1, 2, 3
ENTRY, SLOT, FIRST = 65, 56, 16
MAXIMUM_ENTRIES = 60
FORMER_INCARNATION = 256

SYSTEM_NAMES = ("sys:ledger", "sys:config", "sys:audit-sign", "sys:certificate-sign", "sys:audit", "sys:window",
                "sys:idempotency")
TENANT_NAMES = ("ten:index", "ten:place", "ten:token-lookup", "ten:token-seal", "ten:audit", "ten:config")


class RootRecord(NamedTuple):
    """META `root`."""
    vault: bytes
    incarnation: int
    epoch: int
    attempt: bytes
    page_version: int
    commit: int
    sealed: bytes

    def key_name(self) -> tuple[bytes, int, int, bytes]:
        """Which root key opens it."""
        return self.vault, self.incarnation, self.epoch, self.attempt

    def context(self) -> bytes:
        return context(self.vault, self.incarnation, ROOT_PAGE, 0, packed(self.page_version, 8), packed(self.epoch, 8))


class Link(NamedTuple):
    """A slot: which page it names, under which key. An address in the tree that a parent gives to its child."""
    vault: bytes
    tenant: int
    tree: int
    level: int
    page_id: int
    key: bytes
    page_version: int


class PageHead(NamedTuple):
    """What a page's value says in the clear."""
    incarnation: int
    page_version: int
    epoch: int


class NamedKey(NamedTuple):
    name: int
    key: bytes
    version: int


class SubjectEntry(NamedTuple):
    sid: bytes
    key: bytes              # KS
    version: int            # of the key block


class IndexEntry(NamedTuple):
    hash: bytes
    data: bytes

    def record(self) -> int:
        return number(self.data, 16, 8)


Found = Union[Link, NamedKey, SubjectEntry, IndexEntry]


def parse_root_record(raw: bytes) -> RootRecord:
    fields = Fields(raw)
    want_version("a root record", fields.number(1))
    return RootRecord(fields.bytes(16), fields.number(8), fields.number(8), fields.bytes(16), fields.number(8), fields.number(8),
                      fields.bytes(OVERHEAD + 512))


def parse_slot(raw: bytes, at: int, vault: bytes, tenant: int, tree: int, level: int) -> Iterator[Link]:
    """A slot of 56 bytes; one that is all zero names nothing."""
    if raw[at:at + SLOT].strip(b"\0"):
        yield Link(vault, tenant, tree, level, number(raw, at, 8), raw[at + 8:at + 40], number(raw, at + 40, 8))


def parse_root_page(raw: bytes, record: RootRecord) -> list[Link]:
    want_version("a root page", raw[0])
    return [*parse_slot(raw, 48, record.vault, 0, T_SYS, 0), *parse_slot(raw, 104, record.vault, 0, T_DIR, 0)]


def root_page_agrees(raw: bytes, record: RootRecord) -> bool:
    """Whether commit number and attempt are those that the record says in the clear."""
    return number(raw, 16, 8) == record.commit and raw[24:40] == record.attempt


def page_head(raw: bytes) -> PageHead:
    return PageHead(number(raw, 0, 8), number(raw, 8, 8), number(raw, 16, 8))


def page_context(link: Link, head: PageHead) -> bytes:
    return context(link.vault, head.incarnation, PAGE, link.tenant, bytes([link.tree, link.level]), packed(link.page_id, 8),
                   packed(link.page_version, 8), packed(head.epoch, 8))


def parse_page(raw: bytes, link: Link) -> Iterator[Found]:
    """What a page names or holds: links to pages below, keys, subjects, index entries."""
    want_version("a page", raw[0])
    kind, count = raw[1], number(raw, 2, 2)
    if kind == LEAF_PAGE:
        if count > MAXIMUM_ENTRIES:
            raise Malformed(f"a leaf page with {count} entries")
        for at in range(FIRST, FIRST + ENTRY * count, ENTRY):
            yield from parse_entry(raw[at:at + 16], raw[at + 16:at + ENTRY], link)
    elif kind == INNER_PAGE:
        for at in range(FIRST, FIRST + SLOT * 64, SLOT):
            yield from parse_slot(raw, at, link.vault, link.tenant, link.tree, link.level + 1)
    elif kind == TENANT_PAGE_KIND:
        tenant = number(raw, 16, 8)
        for at, tree in ((48, T_SUB), (104, T_IDX), (160, T_TEN)):
            yield from parse_slot(raw, at, link.vault, tenant, tree, 0)
    else:
        raise Malformed(f"a page of kind {kind}")


def parse_entry(position: bytes, payload: bytes, link: Link) -> Iterator[Found]:
    """Section "Entries", by tree."""
    if link.tree == T_DIR:
        tenant = number(position, 8, 8)
        yield Link(link.vault, tenant, TENANT_PAGE, 0, number(payload, 0, 8), payload[8:40], number(payload, 40, 8))
    elif link.tree == T_SUB:
        yield SubjectEntry(position, payload[:32], number(payload, 32, 4))
    elif link.tree == T_IDX:
        yield IndexEntry(payload[:16], payload[16:40])
    elif number(payload, 45, 2) != FORMER_INCARNATION:
        yield NamedKey(number(payload, 45, 2), payload[:32], number(payload, 32, 4))


def key_name(tenant: int, name: int) -> str:
    names = TENANT_NAMES if tenant else SYSTEM_NAMES
    return names[name] if name < len(names) else f"name {name}"


# Key blocks.

class DataKey(NamedTuple):
    category: int
    record: int             # 0: the key of the category
    version: int
    key: bytes


class KeyBlock(NamedTuple):
    removed: int            # highest version of a key that was taken out
    audit_key: bytes
    keys: list[DataKey]


def key_block_head(raw: bytes) -> tuple[int, int]:
    """(incarnation, key-block version) in front of the seal."""
    return number(raw, 0, 8), number(raw, 8, 4)


def key_block_context(vault: bytes, incarnation: int, tenant: int, sid: bytes, version: int) -> bytes:
    return context(vault, incarnation, KEY_BLOCK, tenant, sid, packed(version, 4))


def parse_key_block(raw: bytes) -> KeyBlock:
    want_version("a key block", raw[0])
    count = number(raw, 2, 2)
    if 72 + 64 * count > len(raw):
        raise Malformed(f"a key block of {len(raw)} bytes with {count} keys")
    keys = [DataKey(number(raw, at, 2), number(raw, at + 2, 8), number(raw, at + 10, 4), raw[at + 32:at + 64])
            for at in range(72, 72 + 64 * count, 64)]
    return KeyBlock(number(raw, 4, 4), raw[8:40], keys)
