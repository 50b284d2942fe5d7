"""The one authenticated encryption of the vault. docs/FORMAT.md, "SEAL"."""
import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .codec import Malformed, UnknownVersion, packed

VERSION = 1
ALGORITHM_AES_256_GCM = 1
MARK = bytes([VERSION, ALGORITHM_AES_256_GCM])      # how every sealed thing begins
HEADER = 78
TAG = 16
OVERHEAD = HEADER + TAG

# Kinds of context, docs/FORMAT.md, "Contexts".
PAGE, ROOT_PAGE, KEY_BLOCK, ROW, SLOT, AUDIT_PAYLOAD, WRAP, TOKEN, LEDGER_ENTRY, CONFIG, PENDING, KEPT_ANSWER = range(1, 13)
JOB_STATE = 16
CLOSING_BATCH = 17
HOLD = 18
APPROVAL = 19
WAITING = 20


class DoesNotOpen(Exception):
    """Another key, another context, or bytes that were changed before the tag: the commitment differs."""


class Damaged(Exception):
    """The key and the context are right, the commitment shows it, and the ciphertext or its tag has been changed.

    A vault refuses such bytes. Somebody who only wants to read does not need the tag: `plain` is what the cipher gives,
    right wherever the ciphertext was not changed.
    """

    def __init__(self, plain: bytes) -> None:
        super().__init__("a ciphertext was changed")
        self.plain = plain


def hkdf(key: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF with SHA-256, RFC 5869. An empty salt is a salt of 32 zeroes, as section 2.2 says."""
    pseudorandom = hmac.digest(salt or bytes(32), key, "sha256")
    output, block, count = b"", b"", 0
    while len(output) < length:
        count += 1
        block = hmac.digest(pseudorandom, block + info + bytes([count]), "sha256")
        output += block
    return output[:length]


def context(vault: bytes, incarnation: int, kind: int, tenant: int, *fields: bytes) -> bytes:
    """vault id 16 | incarnation 8 | kind 1 | tenant 8 | the kind's own fields, each of fixed width."""
    return b"".join((vault, packed(incarnation, 8), packed(kind, 1), packed(tenant, 8), *fields))


def open_sealed(key: bytes, ctx: bytes, sealed: bytes) -> bytes:
    """The plaintext. Raises DoesNotOpen, Damaged, Malformed or UnknownVersion. Section "Opening"."""
    if len(sealed) < OVERHEAD:
        raise Malformed("too short for a seal")
    if sealed[:2] != MARK:
        raise UnknownVersion(f"a seal of version {sealed[0]}, algorithm {sealed[1]}")
    salt, commitment, iv = sealed[2:34], sealed[34:66], sealed[66:78]
    material = hkdf(key, salt, b"vs1" + ctx[24:25] + hashlib.sha256(ctx).digest(), 64)
    if not hmac.compare_digest(material[32:], commitment):
        raise DoesNotOpen()
    try:
        return AESGCM(material[:32]).decrypt(iv, sealed[HEADER:], sealed[:HEADER] + ctx)
    except InvalidTag as wrong:
        raise Damaged(without_tag(material[:32], iv, sealed[HEADER:-TAG])) from wrong


def without_tag(key: bytes, iv: bytes, ciphertext: bytes) -> bytes:
    """AES-GCM without its tag: counter mode from 2 on, NIST SP 800-38D section 7.2."""
    return Cipher(algorithms.AES(key), modes.CTR(iv + packed(2, 4))).decryptor().update(ciphertext)
