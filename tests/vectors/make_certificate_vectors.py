#!/usr/bin/python3
"""Certificates of destruction made a second time, from docs/FORMAT.md alone ("Signed notes", "Log of certificates",
"Certificate of destruction"): tests/vectors/certificate/, the same bytes on every run.

    make_certificate_vectors.py            write them
    make_certificate_vectors.py --check    fail when one is missing or differs

`key` is the verifier key; `pending`, `effective` and `final` are files that verify with it.
"""
import base64
import hashlib
import pathlib
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

FOLDER = pathlib.Path(__file__).resolve().parent / "certificate"
SEED = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ORIGIN = "vaultd/000102030405060708090a0b0c0d0e0f/1/certificates"
LEAVES = 11
PLACES = {"pending": 2, "effective": 7, "final": 10}

HEAD = "vaultd certificate of destruction v2\nvault: 000102030405060708090a0b0c0d0e0f\nincarnation: 1\nnumber: 42\n"
COUNTS = "subjects: 1\nrecords: 3\nrows: 12\nindex entries: 5\ndeterministic tokens: 2\nblobs: 0\n"
METHOD = "method: cryptographic erase, NIST SP 800-88 Rev. 1\n"
TIME = "2026-07-01T00:00:00.000Z"
PENDING = (HEAD + "state: pending\nreference commitment: none\nrequest: none\nscope: whole subject\n" + COUNTS
           + f"categories: 0\nlegal basis: ccpa-1798.105\nrequested: {TIME}\neffective: not yet\n"
           "final: never (keeper class E0 does not count towards final)\nepochs: not yet\nattempt: not yet\n" + METHOD
           + "keepers: 1\nkeeper 1: id 7 class E0 waiting\nthreshold: 1 of 1\ncustodians: 0\nrecovery window: none\n"
           "index era: none\nsoftware: vaultd 0.1.0\nbackups: 0\nkept: 0\nexclusions: 0\napprovals: 0\n"
           "assumptions: 0\ntest clock: yes\n")
FINAL = (HEAD + "state: final\nreference commitment: " + "c4" * 32 + "\nrequest: " + "10" * 16
         + "\nscope: categories\n" + COUNTS + "categories: 2\ncategory 1: A\ncategory 2: online-activity\n"
         f"legal basis: gdpr-17-1-b\nrequested: {TIME}\neffective: {TIME}\nfinal: {TIME}\nepochs: 17 to 18\nattempt: "
         + "20" * 16 + "\n" + METHOD + "keepers: 3\nkeeper 1: id 7 class E1 erased receipt " + "31" * 32
         + "\nkeeper 2: id 8 class E2 attested receipt " + "32" * 32 + "\nkeeper 3: id 9 class E4 erased receipt "
         + "33" * 32 + "\nthreshold: 2 of 3\ncustodians: 1\ncustodian 1: id 9 class E0 erased receipt " + "34" * 32
         + f"\nrecovery window: closed {TIME}\nindex era: closed {TIME}\nsoftware: vaultd 0.1.0\nbackups: 2\nbackup 1: "
         + "40" * 16 + f" expires {TIME}\nbackup 2: " + "41" * 16 + " never expires\nkept: 1\nkept 1: hold 4\n"
         "exclusions: 1\nexclusion 1: export 1\napprovals: 1\napproval 1: " + "50" * 16 + f" at {TIME}\n"
         "assumptions: 1\nassumption 1: E0: logically overwritten\ntest clock: no\n")
EFFECTIVE = (FINAL.replace("state: final", "state: effective")
             .replace("keeper 2: id 8 class E2 attested receipt " + "32" * 32, "keeper 2: id 8 class E2 waiting")
             .replace(f"\nfinal: {TIME}", f"\nfinal: not before {TIME}")
             .replace(f"recovery window: closed {TIME}", f"recovery window: open until {TIME}"))
TEXTS = {"pending": PENDING, "effective": EFFECTIVE, "final": FINAL}


def base64_line(raw):
    return base64.b64encode(raw).decode() + "\n"


# RFC 6962 sections 2.1 and 2.1.1.

def leaf_hash(text):
    return hashlib.sha256(b"\0" + text.encode()).digest()


def split(leaves):
    return 1 << (len(leaves) - 1).bit_length() - 1


def root(leaves):
    if len(leaves) == 1:
        return leaves[0]
    k = split(leaves)
    return hashlib.sha256(b"\1" + root(leaves[:k]) + root(leaves[k:])).digest()


def path(place, leaves):
    if len(leaves) == 1:
        return []
    k = split(leaves)
    if place < k:
        return path(place, leaves[:k]) + [root(leaves[k:])]
    return path(place - k, leaves[k:]) + [root(leaves[:k])]


def key_id(public):
    return hashlib.sha256(ORIGIN.encode() + b"\n\1" + public).digest()[:4]


def public_key():
    return SEED.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def verifier_key():
    public = public_key()
    return f"{ORIGIN}+{key_id(public).hex()}+{base64.b64encode(bytes([1]) + public).decode()}"


def signed(text):
    signature = key_id(public_key()) + SEED.sign(text.encode())
    return f"{text}\n\u2014 {ORIGIN} " + base64_line(signature)


def certificate(state):
    leaves = [leaf_hash(f"leaf {place}\n") for place in range(LEAVES)]
    for name, place in PLACES.items():
        leaves[place] = leaf_hash(TEXTS[name])
    proof = "".join(map(base64_line, path(PLACES[state], leaves)))
    checkpoint = signed(f"{ORIGIN}\n{LEAVES}\n" + base64_line(root(leaves)))
    return TEXTS[state] + f"\nc2sp.org/tlog-proof@v1\nindex {PLACES[state]}\n{proof}\n{checkpoint}"


def vectors():
    return {"key": verifier_key()} | {state: certificate(state) for state in TEXTS}


def write():
    FOLDER.mkdir(exist_ok=True)
    for name, text in vectors().items():
        (FOLDER / name).write_bytes(text.encode())
    return 0


def check():
    wrong = [name for name, text in vectors().items()
             if not (FOLDER / name).is_file() or (FOLDER / name).read_bytes() != text.encode()]
    for name in wrong:
        print(f"{FOLDER / name} is not what this program writes", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(check() if sys.argv[1:] == ["--check"] else write())
