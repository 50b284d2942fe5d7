"""The wrapped unseal key, and the secrets that open it. docs/FORMAT.md, "Wraps"."""
import base64
import binascii
import hashlib
import hmac
import re
from typing import NamedTuple

from .codec import Fields, Malformed, base32, number, packed, want_version
from .seal import WRAP, context, hkdf, open_sealed

PASSPHRASE, KEY_FILE, SHARE_SET = 1, 2, 3
METHODS = {PASSPHRASE: "passphrase", KEY_FILE: "key file", SHARE_SET: "share set"}
SCRYPT_MAXIMUM = 1 << 23            # N * r
SEALED_KEY = 94 + 32


class Wrap(NamedTuple):
    """One way to open an unseal key."""
    vault: bytes
    method: int
    wrap_id: bytes
    created: int
    params: bytes
    sealed: bytes

    def open(self, secret: bytes) -> bytes:
        """The unseal key, given the secret of the method. Raises DoesNotOpen."""
        info = b"vaultd unseal wrap 1" + bytes([self.method]) + hashlib.sha256(self.params).digest()
        key = hkdf(secret, self.wrap_id, info, 32)
        return open_sealed(key, context(self.vault, 0, WRAP, 0, bytes([self.method]), self.wrap_id), self.sealed)

    def text(self) -> str:
        return f"wrap {self.wrap_id.hex()[:8]} ({METHODS.get(self.method, f'method {self.method}')})"


def parse_wraps(raw: bytes) -> tuple[list[Wrap], bool]:
    """META `wraps`, and whether it is whole: a vault refuses one that is not, but what it holds may open all the same."""
    fields = Fields(raw)
    want_version("wraps", fields.number(1))
    vault, count = fields.bytes(16), fields.number(2)
    wraps = []
    for _ in range(count):
        method, wrap_id, created = fields.number(1), fields.bytes(16), fields.number(8)
        wraps.append(Wrap(vault, method, wrap_id, created, fields.bytes(fields.number(2)), fields.bytes(SEALED_KEY)))
    return wraps, hashlib.sha256(raw[:fields.at]).digest() == fields.bytes(32)


def scrypt(passphrase: bytes, salt: bytes, cost: int, block: int, parallel: int, length: int) -> bytes:
    """RFC 7914. The limit on memory is what these parameters need and a little."""
    return hashlib.scrypt(passphrase, salt=salt, n=cost, r=block, p=parallel, dklen=length,
                          maxmem=128 * block * (cost + parallel + 2) + (1 << 20))


def passphrase_secret(wrap: Wrap, passphrase: bytes) -> bytes:
    """scrypt, RFC 7914, with the parameters of the wrap: salt 32, N 8, r 4, p 4."""
    cost, block, parallel = number(wrap.params, 32, 8), number(wrap.params, 40, 4), number(wrap.params, 44, 4)
    if len(wrap.params) != 48 or cost * block > SCRYPT_MAXIMUM or block * parallel > SCRYPT_MAXIMUM:
        raise Malformed("scrypt parameters that this reader does not take")
    try:
        return scrypt(passphrase, wrap.params[:32], cost, block, parallel, 32)
    except (ValueError, OverflowError, MemoryError) as wrong:
        raise Malformed("scrypt parameters that are none") from wrong


def key_file_secret(content: bytes) -> bytes:
    """32 raw bytes, or 64 hex digits, or 44 base64 characters, the texts between white space."""
    if len(content) == 32:
        return content
    text = content.strip()
    if re.fullmatch(rb"[0-9A-Fa-f]{64}", text):
        return bytes.fromhex(text.decode())
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as wrong:
        raise Malformed("not a key file") from wrong
    if len(raw) != 32:
        raise Malformed("not a key file")
    return raw


class SetShare(NamedTuple):
    """A share of a share set's key, as its text says."""
    set_id: bytes
    x: int
    threshold: int
    of: int
    value: bytes


SHARE_TEXT = re.compile(r"vaultd-share-1-([0-9a-f]{8})-(\d+)-(\d+)-of-(\d+)-([a-z2-7]+)")


def parse_share(text: str) -> SetShare:
    """The text of a share; capitals are taken, white space is ignored."""
    match = SHARE_TEXT.fullmatch("".join(text.split()).lower())
    if match is None:
        raise Malformed("not the text of a share")
    x, threshold, of = (int(group) for group in match.group(2, 3, 4))
    payload, set_id = base32(match.group(5)), bytes.fromhex(match.group(1))
    if len(payload) != 36 or not 1 <= threshold <= of <= 255 or not 1 <= x <= of:
        raise Malformed("not the text of a share")
    check = hashlib.sha256(b"vaultd share 1" + set_id + bytes([x, threshold, of]) + payload[:32]).digest()[:4]
    if payload[32:] != check:
        raise Malformed("a share with a misspelling: its check does not fit")
    return SetShare(set_id, x, threshold, of, payload[:32])


def share_threshold(wrap: Wrap) -> int:
    """How many shares the set's key needs. Raises Malformed. params: k 1, n 1, salt 32, n checks of 16."""
    if len(wrap.params) < 34 or not 1 <= wrap.params[0] <= wrap.params[1] or len(wrap.params) != 34 + 16 * wrap.params[1]:
        raise Malformed("parameters of a share set that are none")
    return wrap.params[0]


def share_belongs(wrap: Wrap, share: SetShare) -> bool:
    """Whether the share is the x-th of the wrap's set, whose parameters share_threshold() has looked at."""
    if wrap.method != SHARE_SET or wrap.wrap_id[:4] != share.set_id or wrap.params[1] < share.x:
        return False
    check = hmac.digest(share.value, b"vaultd share check 1" + wrap.wrap_id + packed(share.x, 1) + wrap.params[2:34], "sha256")[:16]
    at = 34 + 16 * (share.x - 1)
    return hmac.compare_digest(check, wrap.params[at:at + 16])
