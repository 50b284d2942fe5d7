"""Which table an entry belongs to. docs/FORMAT.md, "Tables" and the sections that describe the values.

A page that is in use says its table; a free one does not, so there the shape of key and value has to say it. A wrong guess
does no harm: what is sealed opens only as what it is.
"""
import re
from typing import Optional

from .seal import MARK, OVERHEAD

META, PAGE, KEYBLOCK, RECORD, ROW, TOKEN, AUDIT, AUDIT_NODE, LEDGER, LEDGER_SID, PENDING, CERTIFICATE, CONFIG, JOB, \
    IDEMPOTENCY, BACKUP, BLOB, CERTIFICATE_LOG, HOLD, APPROVAL, WAITING = range(21)
STORE = 21                              # the store's own: format, commit_base

NAMES = {b"meta": META, b"page": PAGE, b"keyblock": KEYBLOCK, b"record": RECORD, b"row": ROW, b"token": TOKEN, b"audit": AUDIT,
         b"audit_node": AUDIT_NODE, b"ledger": LEDGER, b"ledger_sid": LEDGER_SID, b"pending": PENDING,
         b"certificate": CERTIFICATE, b"config": CONFIG, b"job": JOB, b"idempotency": IDEMPOTENCY, b"backup": BACKUP,
         b"blob": BLOB, b"certificate_log": CERTIFICATE_LOG, b"hold": HOLD, b"approval": APPROVAL, b"waiting": WAITING,
         b"store": STORE}

PAGE_VALUE = 4080
TOKEN_VALUE = 170
ROOT_VALUE = 671
LEDGER_VALUE = 8 + OVERHEAD + 80
PENDING_VALUE = 8 + OVERHEAD + 176
HOLD_VALUE = 8 + OVERHEAD + 112
APPROVAL_VALUE = 8 + OVERHEAD + 256

# Table -> (lengths of its keys, length of its values or None, bytes before the seal or None when the value is not sealed).
SHAPES = {
    PAGE: ((18,), PAGE_VALUE, 24),
    KEYBLOCK: ((16,), None, 12),
    RECORD: ((26,), 1, None),
    ROW: ((12,), None, 17),
    TOKEN: ((9, 17), TOKEN_VALUE, 12),
    AUDIT_NODE: ((9,), 32, None),
    LEDGER: ((8,), LEDGER_VALUE, 8),
    LEDGER_SID: ((34,), 0, None),
    PENDING: ((26,), PENDING_VALUE, 8),
    CONFIG: ((25,), None, 16),
    JOB: ((24,), 13, None),
    IDEMPOTENCY: ((32,), None, 16),
    BACKUP: ((16,), 41, None),
    HOLD: ((42,), HOLD_VALUE, 8),
    APPROVAL: ((17,), APPROVAL_VALUE, 8),
    WAITING: ((42,), PENDING_VALUE, 8),
    STORE: ((6, 11), None, None),
}
META_NAME = re.compile(rb"root|wraps|closing(/[0-9a-f]{8})?|rotate\.[0-9a-f]{32}")     # those that lead to something


NOT_READ = (AUDIT_NODE, JOB, BACKUP, BLOB)      # nothing of a person and no key


def is_ignored(table: int, key: bytes) -> bool:
    """Whether entries of this table, or of META under this name, say nothing that is looked for here."""
    return table in NOT_READ or table == META and META_NAME.fullmatch(key) is None


def fits(table: int, key: bytes, length: int, head: bytes) -> bool:
    """Whether a value of this length with these first bytes can be one of the table."""
    if table == META:
        return META_NAME.fullmatch(key) is not None and (key != b"root" or length == ROOT_VALUE)
    if table == AUDIT:
        return len(key) == 8 and length >= 109 and head[:1] == b"\1" and 1 <= head[1] <= 5
    if table == CERTIFICATE:
        return len(key) == 9 and head[:1] == b"\2" and head[12:].startswith(b"vaultd ")
    if table == CERTIFICATE_LOG:
        return len(key) == 9 and length > 0
    if table == STORE:
        return key in (b"format", b"commit_base")
    if table not in SHAPES:
        return False
    key_lengths, value_length, before_seal = SHAPES[table]
    if len(key) not in key_lengths or value_length not in (None, length):
        return False
    if before_seal is None:
        return table != RECORD or head[:1] == b"\1"
    return length >= before_seal + OVERHEAD and head[before_seal:before_seal + 2] == MARK


BY_SHAPE = (ROW, PAGE, KEYBLOCK, RECORD, TOKEN, LEDGER, LEDGER_SID, PENDING, HOLD, APPROVAL, WAITING, CONFIG, IDEMPOTENCY,
            AUDIT, CERTIFICATE, META)


def table_by_shape(key: bytes, length: int, head: bytes) -> Optional[int]:
    """The table that such an entry must be of, or None. Only tables that say something about a person or a key."""
    return next((table for table in BY_SHAPE if fits(table, key, length, head)), None)
