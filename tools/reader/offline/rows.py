"""Rows: what is stored of a person. docs/FORMAT.md, "Rows"."""
from typing import NamedTuple

import msgpack

from .codec import Fields, Malformed, number, packed, want_version
from .seal import ROW, context

RECORD_KEY = 1                      # key kind: the record's own key


class RowName(NamedTuple):
    """Key of ROW: whose it is, is said by RECORD."""
    record: int
    category: int
    group: int


class RowHead(NamedTuple):
    """What a row's value says in the clear."""
    incarnation: int
    key_kind: int
    key_version: int
    row_version: int

    def key_record(self, record: int) -> int:
        """The record under which the data key stands in the key block; 0 for the key of a category."""
        return record if self.key_kind == RECORD_KEY else 0


def row_name(key: bytes) -> RowName:
    return RowName(number(key, 0, 8), number(key, 8, 2), number(key, 10, 2))


def row_head(raw: bytes) -> RowHead:
    return RowHead(number(raw, 0, 8), raw[8], number(raw, 9, 4), number(raw, 13, 4))


def row_context(vault: bytes, tenant: int, sid: bytes, name: RowName, head: RowHead) -> bytes:
    return context(vault, head.incarnation, ROW, tenant, sid, packed(name.category, 2), packed(name.record, 8),
                   packed(name.group, 2), packed(head.row_version, 4), packed(head.key_version, 4))


class Content(NamedTuple):
    """A whole row: its pieces joined, without the padding."""
    collection: int
    side: int
    created: int
    updated: int
    references: int
    fields: dict[int, object]


def content_length(first_piece: bytes) -> int:
    """The length of a row's content, its own four bytes included; pieces beyond the first may be needed."""
    return 4 + number(first_piece, 0, 4)


def unpacked(raw: bytes) -> object:
    """msgpack, or Malformed: what was damaged can be anything, maps as keys of maps too."""
    try:
        return msgpack.unpackb(raw, raw=False, strict_map_key=False)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as wrong:
        raise Malformed("not msgpack") from wrong


def parse_content(raw: bytes) -> Content:
    fields = Fields(raw[:content_length(raw)])
    fields.bytes(4)
    want_version("a row", fields.number(1))
    side, collection, created, updated = (fields.number(width) for width in (1, 2, 8, 8))
    fields.bytes(16)
    references = fields.number(2)
    fields.bytes(43 * references)
    array = unpacked(fields.bytes(fields.left()))
    if not isinstance(array, list) or not array or array[0] != 1:
        raise Malformed("the fields of a row do not begin with their version")
    values = array[1:]
    if collection == 0:                     # the subject's own row: [1, external id]
        return Content(collection, side, created, updated, references, {0: values[0] if values else None})
    if not all(isinstance(field, int) for field in values[0::2]):
        raise Malformed("a field of a row has no number")
    return Content(collection, side, created, updated, references, dict(zip(values[0::2], values[1::2])))
