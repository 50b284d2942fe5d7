#!/usr/bin/python3
"""SEAL a second time, written from docs/FORMAT.md alone: the ten worked vectors in seal.json.

Shares nothing with the C code, OpenSSL included: AES and GHASH are spelt out below; SHA-256 and HMAC are Python's.
Without arguments it writes seal.json beside itself; with --check it compares instead, compares docs/FORMAT.md too,
opens each vector, and tries that a changed byte anywhere keeps it shut. Slow and not constant-time: for checking only.
"""
import hashlib
import hmac
import json
import os
import re
import sys

VERSION, AES_256_GCM = 1, 1
HERE = os.path.dirname(os.path.abspath(__file__))
PATH = os.path.join(HERE, "seal.json")
HEADER = os.path.join(HERE, "..", "..", "libvault", "crypto", "aead.h")
FORMAT = os.path.join(HERE, "..", "..", "docs", "FORMAT.md")


# --- AES-256 (FIPS 197) -----------------------------------------------------------------------------------------------
def field_mul(a, b):
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = a << 1 ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def make_sbox():
    sbox = []
    for value in range(256):
        inverse = next((i for i in range(256) if field_mul(value, i) == 1), 0)
        turned = inverse
        for _ in range(4):
            inverse = (inverse << 1 | inverse >> 7) & 0xFF
            turned ^= inverse
        sbox.append(turned ^ 0x63)
    return sbox


SBOX = make_sbox()


def expand_key(key):
    words = [list(key[i:i + 4]) for i in range(0, 32, 4)]
    rcon = 1
    for i in range(8, 60):
        word = list(words[-1])
        if i % 8 == 0:
            word = [SBOX[b] for b in word[1:] + word[:1]]
            word[0] ^= rcon
            rcon = field_mul(rcon, 2)
        elif i % 8 == 4:
            word = [SBOX[b] for b in word]
        words.append([a ^ b for a, b in zip(word, words[i - 8])])
    return [sum(words[i:i + 4], []) for i in range(0, 60, 4)]


def mix_column(column):
    return [field_mul(column[i], 2) ^ field_mul(column[(i + 1) % 4], 3) ^ column[(i + 2) % 4] ^ column[(i + 3) % 4]
            for i in range(4)]


def encrypt_block(round_keys, block):
    state = [a ^ b for a, b in zip(block, round_keys[0])]
    for number in range(1, 15):
        state = [SBOX[b] for b in state]
        state = [state[(i + 4 * (i % 4)) % 16] for i in range(16)]
        if number != 14:
            state = sum((mix_column(state[i:i + 4]) for i in range(0, 16, 4)), [])
        state = [a ^ b for a, b in zip(state, round_keys[number])]
    return bytes(state)


# --- GCM with an IV of 96 bits (NIST SP 800-38D) ---------------------------------------------------------------------
def ghash_mul(x, y):
    product = 0
    for bit in range(127, -1, -1):
        if x >> bit & 1:
            product ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return product


def padded(data):
    return data + bytes(-len(data) % 16)


def ghash(hash_key, data):
    total = 0
    for i in range(0, len(data), 16):
        total = ghash_mul(total ^ int.from_bytes(data[i:i + 16], "big"), hash_key)
    return total.to_bytes(16, "big")


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def gcm(key, iv, aad, text, is_encrypting):
    """(text en- or deciphered, tag of the ciphertext)"""
    round_keys = expand_key(key)
    out = b""
    for i in range(0, len(text), 16):
        counter = iv + (i // 16 + 2).to_bytes(4, "big")
        out += xor(text[i:i + 16], encrypt_block(round_keys, counter))
    cipher = out if is_encrypting else text
    hash_key = int.from_bytes(encrypt_block(round_keys, bytes(16)), "big")
    lengths = (8 * len(aad)).to_bytes(8, "big") + (8 * len(cipher)).to_bytes(8, "big")
    digest = ghash(hash_key, padded(aad) + padded(cipher) + lengths)
    return out, xor(digest, encrypt_block(round_keys, iv + b"\x00\x00\x00\x01"))


# --- SEAL (docs/FORMAT.md) -------------------------------------------------------------------------------------------
def hkdf(ikm, salt, info, length):
    prk = hmac.new(salt, ikm, hashlib.sha256).digest()
    okm, block = b"", b""
    while len(okm) < length:
        block = hmac.new(prk, block + info + bytes([len(okm) // 32 + 1]), hashlib.sha256).digest()
        okm += block
    return okm[:length]


def derive(key, ctx, salt):
    info = b"vs1" + ctx[24:25] + hashlib.sha256(ctx).digest()
    okm = hkdf(key, salt, info, 64)
    return okm[:32], okm[32:]


def seal(key, ctx, plain, salt, iv):
    encryption_key, commitment = derive(key, ctx, salt)
    header = bytes([VERSION, AES_256_GCM]) + salt + commitment + iv
    cipher, tag = gcm(encryption_key, iv, header + ctx, plain, True)
    return header + cipher + tag


def unseal(key, ctx, sealed):
    """The plaintext, or None when it does not open."""
    if len(sealed) < 94 or sealed[0] != VERSION or sealed[1] != AES_256_GCM:
        return None
    header, cipher, tag = sealed[:78], sealed[78:-16], sealed[-16:]
    encryption_key, commitment = derive(key, ctx, header[2:34])
    if not hmac.compare_digest(commitment, header[34:66]):
        return None
    plain, expected = gcm(encryption_key, header[66:78], header + ctx, cipher, False)
    return plain if hmac.compare_digest(tag, expected) else None


# --- the vectors -----------------------------------------------------------------------------------------------------
def made(label, length):
    """Bytes that look random and can be made again."""
    out, number = b"", 0
    while len(out) < length:
        out += hashlib.sha256(b"vaultd SEAL vector|%s|%d" % (label.encode(), number)).digest()
        number += 1
    return out[:length]


def number(value, length):
    return value.to_bytes(length, "big")


# name, kind, tenant, the kind's own fields, length of the plaintext
CASES = [
    ("page", 1, 0, number(1, 1) + number(2, 1) + number(77, 8) + number(3, 8) + number(9, 8), 64),
    ("root page", 2, 0, number(12, 8) + number(9, 8), 64),
    ("key block", 3, 1, made("sid", 16) + number(4, 4), 96),
    ("row, empty", 4, 1, made("sid", 16) + number(2, 2) + number(5, 8) + number(0, 2) + number(1, 4) + number(1, 4), 0),
    ("row, one byte", 4, 1, made("sid", 16) + number(2, 2) + number(6, 8) + number(0, 2) + number(1, 4) +
     number(1, 4), 1),
    ("row, 256 bytes", 4, 2**64 - 1, made("sid", 16) + number(65535, 2) + number(7, 8) + number(1, 2) + number(2, 4) +
     number(3, 4), 256),
    ("slot", 5, 0, number(1, 8) + number(9, 8) + made("attempt", 16) + number(2, 1) + number(3, 1) + number(1, 1), 32),
    ("audit payload", 6, 1, bytes(16) + made("payload", 16), 15),
    ("configuration", 10, 1, number(2, 1) + made("name", 16) + number(1, 8), 17),
    ("chunk", 14, 1, made("sid", 16) + number(8, 8) + number(3, 2) + number(0, 4) + number(1, 1) + number(1, 4), 33),
]


def make_vector(index, case):
    name, kind, tenant, fields, length = case
    label = "%d" % index
    key, salt, iv = made(label + "key", 32), made(label + "salt", 32), made(label + "iv", 12)
    plain = made(label + "p", length)
    ctx = made("vault", 16) + number(index + 1, 8) + number(kind, 1) + number(tenant, 8) + fields
    encryption_key, commitment = derive(key, ctx, salt)
    parts = {"key": key, "context": ctx, "context_sha256": hashlib.sha256(ctx).digest(), "salt": salt, "iv": iv,
             "encryption_key": encryption_key, "commitment": commitment, "plain": plain,
             "sealed": seal(key, ctx, plain, salt, iv)}
    return {"name": name, **{part: value.hex() for part, value in parts.items()}}


def as_text(vectors):
    """One vector a line: easy to read without a JSON library."""
    return "[\n" + ",\n".join(json.dumps(vector) for vector in vectors) + "\n]\n"


def check_parts():
    """The parts against FIPS 197 C.3 and a CAVP answer, before anything is built on them."""
    block = encrypt_block(expand_key(bytes(range(32))), bytes.fromhex("00112233445566778899aabbccddeeff"))
    assert block.hex() == "8ea2b7ca516745bfeafc49904b496089", "AES-256"
    cipher, tag = gcm(bytes.fromhex("4c8ebfe1444ec1b2d503c6986659af2c94fafe945f72c1e8486a5acfedb8a0f8"),
                      bytes.fromhex("473360e0ad24889959858995"), b"", bytes.fromhex("7789b41cb3ee548814ca0b388c10b343"),
                      True)
    assert cipher.hex() == "d2c78110ac7e8f107c0df0570bd7c90c", "GCM ciphertext"
    assert tag.hex() == "c26a379b6d98ef2852ead8ce83a833a7", "GCM tag"


def check_opening(vector):
    key, ctx, sealed = (bytes.fromhex(vector[part]) for part in ("key", "context", "sealed"))
    assert unseal(key, ctx, sealed).hex() == vector["plain"], vector["name"]
    for part, data in (("sealed", sealed), ("context", ctx), ("key", key)):
        for at in range(len(data)):
            changed = data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1:]
            given = {"key": key, "ctx": ctx, "sealed": sealed, {"context": "ctx"}.get(part, part): changed}
            assert unseal(**given) is None, "%s opens with byte %d of its %s changed" % (vector["name"], at, part)
    return len(sealed) + len(ctx) + len(key)


def check_kinds(document):
    """The kinds of the header, with their fields, are those of the document."""
    with open(HEADER, encoding="utf-8") as file:
        kinds = file.read().split("enum vt_seal_kind {")[1].split("};")[0]
    found = re.findall(r"VT_SEAL_\w+ = (\d+),(?:\s+/\* (.*?) \*/)?", kinds)
    assert len(found) == kinds.count("VT_SEAL_"), "a kind that this check cannot read"
    for kind, fields in found:
        row = re.search(r"(?m)^\| %s \| [^|]* \| ([^|]*) \|$" % kind, document)
        assert row, "docs/FORMAT.md lacks kind " + kind
        assert not fields or row[1] == fields.replace(" | ", ", "), "docs/FORMAT.md: kind %s has %s" % (kind, fields)


def check_document(vectors):
    """docs/FORMAT.md shows these vectors and no others; its worked example is the fifth."""
    with open(FORMAT, encoding="utf-8") as file:
        document = file.read()
    check_kinds(document)
    rows = ["| %d | %s | %d | %d | `%s` |" % (i + 1, v["name"], len(v["context"]) // 2, len(v["plain"]) // 2,
                                             hashlib.sha256(bytes.fromhex(v["sealed"])).hexdigest())
            for i, v in enumerate(vectors)]
    assert "\n".join(rows) in document, "the table in docs/FORMAT.md should be:\n" + "\n".join(rows)
    example = "".join(document.split("### Worked example")[1].split("```")[1].split())
    for part in ("key", "context", "context_sha256", "salt", "encryption_key", "commitment", "iv", "sealed"):
        assert vectors[4][part] in example, "the worked example in docs/FORMAT.md has another " + part


def main():
    check_parts()
    text = as_text([make_vector(index, case) for index, case in enumerate(CASES)])
    if sys.argv[1:] == ["--check"]:
        with open(PATH, encoding="ascii") as file:
            kept = file.read()
        assert kept == text, "seal.json is not what this program makes"
        vectors = json.loads(kept)
        check_document(vectors)
        changes = sum(check_opening(vector) for vector in vectors)
        print("%d vectors agree and open; %d changed bytes stay shut" % (len(CASES), changes))
        return
    with open(PATH, "w", encoding="ascii") as file:
        file.write(text)


if __name__ == "__main__":
    main()
