"""The parts of the offline reader against published vectors and against bytes made here from docs/FORMAT.md.

usage: test_reader_parts.py SOURCE_DIR
"""
import contextlib
import errno
import hashlib
import io
import json
import os
import struct
import subprocess
import sys
import tempfile
import types
import unittest

SOURCE = sys.argv[1]
sys.path.insert(0, os.path.join(SOURCE, "tools", "reader"))
from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: E402
from offline import (certificates, codec, collect, findings, fixpoint, journal, keepers, lmdb, main, notes, pile,  # noqa: E402
                     rows, seal, shamir, stripes, system, tables, tree, watch, wraps)


class Primitives(unittest.TestCase):
    def test_products_are_those_of_fips_197_section_4_2(self):
        for left, right, product in ((0x57, 0x83, 0xc1), (0x57, 0x02, 0xae), (0x57, 0x04, 0x47), (0x57, 0x10, 0x07),
                                     (0x57, 0x13, 0xfe)):
            self.assertEqual(shamir.multiply(left, right), product)

    def test_an_inverse_times_its_value_is_one(self):
        for value in range(1, 256):
            self.assertEqual(shamir.multiply(value, shamir.inverse(value)), 1)

    def test_the_shares_of_draft_mcgrew_tss_section_9_combine(self):
        first, second = (1, bytes.fromhex("b9fa07e185")), (2, bytes.fromhex("f5409b4511"))
        for shares in ([first, second], [second, first]):
            self.assertEqual(shamir.combine(shares).hex(), "7465737400")

    def test_fewer_shares_than_needed_are_no_choice(self):
        self.assertEqual(list(shamir.choices([(1, b"a"), (1, b"b")], 2)), [])
        self.assertEqual(len(list(shamir.choices([(1, b"a"), (2, b"b"), (3, b"c")], 2))), 3)

    def test_hkdf_is_that_of_rfc_5869_appendix_a(self):
        for key, salt, info, length, output in (
                ("0b" * 22, "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9", 42,
                 "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
                (bytes(range(0x50)).hex(), bytes(range(0x60, 0xb0)).hex(), bytes(range(0xb0, 0x100)).hex(), 82,
                 "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
                 "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"),
                ("0b" * 22, "", "", 42, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")):
            self.assertEqual(seal.hkdf(*map(bytes.fromhex, (key, salt, info)), length).hex(), output)

    def test_scrypt_is_that_of_rfc_7914_section_12(self):
        for passphrase, salt, cost, block, parallel, output in (
                (b"", b"", 16, 1, 1, "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
                                     "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"),
                (b"password", b"NaCl", 1024, 8, 16, "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                                                    "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"),
                (b"pleaseletmein", b"SodiumChloride", 16384, 8, 1,
                 "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
                 "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887")):
            self.assertEqual(wraps.scrypt(passphrase, salt, cost, block, parallel, 64).hex(), output)

    def test_a_signed_note_is_checked_with_the_key_of_its_name(self):
        # RFC 8032 section 7.1, test 1: the seed; the signature is over another text, so it must be refused.
        seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
        public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        signature = bytes.fromhex("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
                                  "d25bf5f0595bbe24655141438e7a100b")
        name = "vaultd/ab/1"
        key_id = hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]
        line = notes.base64.b64encode(key_id + signature).decode()
        note = notes.parse_note(f"title\nkey: value\n\n\u2014 {name} {line}\n".encode())
        self.assertEqual((note.title, note.lines), ("title", {"key": "value"}))
        self.assertIs(notes.is_signed_by(note, name, seed), False)
        self.assertIsNone(notes.is_signed_by(note, "vaultd/ab/2", seed))
        empty = note._replace(text="")                  # what test 1 did sign
        self.assertIs(notes.is_signed_by(empty, name, seed), True)


class Seals(unittest.TestCase):
    def setUp(self):
        with open(os.path.join(SOURCE, "tests", "vectors", "seal.json"), encoding="ascii") as handle:
            self.vectors = [{name: value if name == "name" else bytes.fromhex(value) for name, value in vector.items()}
                            for vector in json.load(handle)]

    def test_the_ten_vectors_of_the_format_open(self):
        self.assertEqual(len(self.vectors), 10)
        for vector in self.vectors:
            self.assertEqual(seal.open_sealed(vector["key"], vector["context"], vector["sealed"]), vector["plain"], vector["name"])

    def test_another_key_or_context_does_not_open(self):
        for vector in self.vectors:
            for key, context in ((bytes(32), vector["context"]), (vector["key"], vector["context"][:-1] + b"\xff")):
                with self.assertRaises(seal.DoesNotOpen):
                    seal.open_sealed(key, context, vector["sealed"])

    def test_a_changed_byte_behind_the_commitment_is_told_from_a_wrong_key_and_the_rest_can_be_read(self):
        vector = self.vectors[5]
        changed = bytearray(vector["sealed"])
        changed[seal.HEADER + 3] ^= 1
        with self.assertRaises(seal.Damaged) as damage:
            seal.open_sealed(vector["key"], vector["context"], bytes(changed))
        self.assertEqual(damage.exception.plain[4:], vector["plain"][4:])
        self.assertEqual(damage.exception.plain[3] ^ 1, vector["plain"][3])

    def test_unknown_versions_and_short_seals_are_refused_by_name(self):
        vector = self.vectors[0]
        with self.assertRaisesRegex(codec.UnknownVersion, "version 2"):
            seal.open_sealed(vector["key"], vector["context"], b"\x02" + vector["sealed"][1:])
        with self.assertRaisesRegex(codec.UnknownVersion, "algorithm 9"):
            seal.open_sealed(vector["key"], vector["context"], b"\x01\x09" + vector["sealed"][2:])
        with self.assertRaises(codec.Malformed):
            seal.open_sealed(vector["key"], vector["context"], vector["sealed"][:93])


class Certificates(unittest.TestCase):
    """Files of tests/vectors/certificate, and rows and a log made from their texts."""

    def setUp(self):
        self.files = {}
        for state in ("pending", "effective", "final"):
            with open(os.path.join(SOURCE, "tests", "vectors", "certificate", state), "rb") as handle:
                self.files[state] = handle.read()

    def test_a_file_leads_to_its_checkpoint_and_the_key_of_the_log_has_signed_it(self):
        for state, raw in self.files.items():
            certificate = certificates.parse_file(raw, 0)
            checkpoint = certificates.proven_by(certificate, None)
            self.assertEqual((certificate.lines["state"], checkpoint.size, checkpoint.origin), (state, 11, certificate.origin()))
            self.assertIs(notes.is_signed_by(checkpoint.note, certificate.origin(), bytes(range(32))), True)
            self.assertIsNone(notes.is_signed_by(checkpoint.note, certificate.origin(), bytes(32)))

    def test_a_file_that_was_changed_leads_nowhere(self):
        raw = self.files["final"]
        for before, after in ((b"rows: 12", b"rows: 13"), (b"\nindex 10\n", b"\nindex 9\n"), (b"\n11\n", b"\n12\n"),
                              (b"\n11\n", b"\n10\n"), (b"\nZRPj", b"\nZRPk")):
            self.assertIn(before, raw)
            self.assertIsNone(certificates.proven_by(certificates.parse_file(raw.replace(before, after), 0), None))

    def test_what_is_no_certificate_of_this_version_is_refused(self):
        raw = self.files["effective"]
        with self.assertRaises(codec.UnknownVersion):
            certificates.parse_file(raw.replace(b"destruction v2", b"destruction v1"), 0)
        for wrong in (b"hello\n\nindex 1\n\n", raw[:raw.index(b"\n\n") + 1], raw.replace(b"tlog-proof@v1", b"tlog-proof@v2"),
                      raw.replace(b"index 7", b"index x"), raw.replace(b"=\n\nvaultd", b"\n\nvaultd"), b""):
            with self.assertRaises(codec.Malformed):
                certificates.parse_file(wrong, 0)

    def row(self, state, place):
        """The row of a certificate in this state with this place in the log."""
        raw = self.files[state]
        return struct.pack(">B3xQ", 2, place) + raw[:raw.index(b"\n\n") + 1]

    def log_of(self, found, size):
        """A log of this many leaves with the certificates at their places; every size has a checkpoint that nobody signed."""
        leaves = [hashlib.sha256(b"\0" + bytes([place])).digest() for place in range(size)]
        for certificate in found:
            leaves[certificate.index] = certificates.leaf_hash(certificate.text)
        log, sizes = certificates.Log(), (33, 64, size)
        for tile in range(0, size, 32):
            log.take(b"\0" + struct.pack(">Q", tile // 32), b"".join(leaves[tile:tile + 32]))
        for covered in sizes:
            root = notes.base64.b64encode(log.root(0, covered)).decode()
            note = f"vaultd/x/1/certificates\n{covered}\n{root}\n\n\u2014 x {notes.base64.b64encode(bytes(68)).decode()}\n"
            log.take(b"\xff" + struct.pack(">Q", covered), note.encode())
        return log

    def test_a_row_is_proven_by_the_log_beside_it(self):
        found = [certificates.parse_row(self.row(state, place), 0)
                 for state, place in (("pending", 3), ("effective", 40), ("final", 69))]
        self.assertEqual([certificate.lines["state"] for certificate in found], ["pending", "effective", "final"])
        log = self.log_of(found, 70)
        self.assertEqual([certificates.proven_by(certificate, log).size for certificate in found], [33, 64, 70])
        self.assertIsNone(certificates.proven_by(found[0]._replace(index=4), log))
        self.assertIsNone(certificates.proven_by(found[0]._replace(text=found[1].text), log))
        self.assertIsNone(certificates.proven_by(found[0], None))
        del log.tiles[1]
        log.roots.clear()
        self.assertEqual([certificates.proven_by(certificate, log) for certificate in found], [None] * 3)

    def test_a_row_that_is_cut_or_of_another_version_is_refused(self):
        raw = self.row("final", 1)
        for wrong in (b"", raw[:12], raw[:40]):
            with self.assertRaises(codec.Malformed):
                certificates.parse_row(wrong, 0)
        with self.assertRaises(codec.UnknownVersion):
            certificates.parse_row(b"\1" + raw[1:], 0)


class InFiles(unittest.TestCase):
    """What needs a file: made here, byte for byte."""

    def file(self, content, name="f"):
        root = tempfile.TemporaryDirectory(prefix="vaultd-reader-")
        self.addCleanup(root.cleanup)
        path = os.path.join(root.name, name)
        with open(path, "wb") as handle:
            handle.write(content)
        found = pile.Pile()
        found.add(path)
        self.assertEqual(found.unreadable, [])
        self.pile = found
        return found.files[0]


class CertificateFiles(InFiles):
    def found(self, content):
        file = self.file(content)
        found = collect.Found(self.pile)
        found.read_file(file)
        return file, found

    def test_a_certificate_that_was_handed_out_is_known_by_its_content(self):
        with open(os.path.join(SOURCE, "tests", "vectors", "certificate", "effective"), "rb") as handle:
            raw = handle.read()
        file, found = self.found(raw)
        self.assertEqual((file.kind, file.summary, file.damage), (pile.NOTE, "vaultd certificate of destruction v2", []))
        states = found.certificates["000102030405060708090a0b0c0d0e0f", 42]
        self.assertEqual([*states], ["effective"])
        self.assertEqual(certificates.proven_by(states["effective"], None).size, 11)

    def test_one_without_its_proof_and_one_of_version_1_are_damage(self):
        with open(os.path.join(SOURCE, "tests", "vectors", "certificate", "final"), "rb") as handle:
            raw = handle.read()
        for wrong, why in ((raw[:raw.index(b"\n\n") + 1], "proof"),
                           (raw.replace(b"destruction v2", b"destruction v1"), "version 1")):
            file, found = self.found(wrong)
            self.assertEqual(file.kind, pile.NOTE)
            self.assertIn(why, " ".join(file.damage))
            self.assertEqual(found.certificates, {})


def keeper_block(slots=1, sequence=1):
    """docs/FORMAT.md, "Keeper file"."""
    slot = struct.pack(">BBBBH2xQQ16s256s", 2, 2, 3, 1, 126, 7, 5, b"a" * 16, b"S" * 126)
    head = struct.pack(">8sBB6xQQ16sQQQ32s", b"VTKEEPER", 1, slots, sequence, 0x1234, b"v" * 16, 7, 5, 9, b"e" * 32)
    block = (head + slot * slots).ljust(4064, b"\0")
    return block + hashlib.sha256(block).digest()


def exclusive_or(left, right):
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def split_stripes(block):
    """docs/FORMAT.md, "Raw keeper", the other way round: 255 random stripes, and the last that makes them the block."""
    chain, stripes = bytes(4096), []
    for _ in range(255):
        stripe = os.urandom(4096)
        mixed = exclusive_or(chain, stripe)
        chain = b"".join(hashlib.sha256(struct.pack(">I", j) + mixed[32 * j:32 * j + 32]).digest() for j in range(128))
        stripes.append(stripe)
    return b"".join(stripes) + exclusive_or(chain, block)


class Keepers(InFiles):
    def test_both_blocks_of_a_keeper_file_are_read(self):
        file = self.file(keeper_block() + keeper_block(2, 2))
        self.assertEqual(file.kind, pile.KEEPER)
        slots = keepers.read_keeper(file, False)
        self.assertEqual([slot.where for slot in slots], ["block 0", "block 1", "block 1"])
        slot = slots[0]
        self.assertEqual((slot.keeper, slot.vault, slot.incarnation, slot.epoch, slot.threshold, slot.of, slot.x, slot.sealed),
                         (0x1234, b"v" * 16, 7, 5, 2, 3, 1, b"S" * 126))
        self.assertEqual(file.damage, [])

    def test_a_block_that_is_not_whole_is_said_to_be_and_read_all_the_same(self):
        block = bytearray(keeper_block())
        block[4000] ^= 1
        file = self.file(bytes(block) + keeper_block())
        self.assertEqual(len(keepers.read_keeper(file, False)), 2)
        self.assertEqual(file.damage, ["block 0 is not whole"])

    def test_a_keeper_file_is_known_by_its_second_block_when_the_first_is_gone(self):
        self.assertEqual(self.file(bytes(4096) + keeper_block()).kind, pile.KEEPER)

    def test_a_raw_keepers_copies_are_merged_from_their_stripes(self):
        raw = b"VTKRAWE1\x01".ljust(1 << 20, b"\0") + split_stripes(keeper_block()) + split_stripes(keeper_block(2))
        file = self.file(raw)
        self.assertEqual(file.kind, pile.RAW_KEEPER)
        slots = keepers.read_keeper(file, True)
        self.assertEqual(([slot.where for slot in slots], file.damage), (["copy 0", "copy 1", "copy 1"], []))

    def test_a_raw_keeper_is_known_by_any_of_its_marks_and_by_a_copy_alone(self):
        copy = split_stripes(keeper_block())
        floor = bytes(4096) + b"VTKFLOOR\1"
        for raw, slots, damage in ((b"VTKRAWE1\1".ljust(1 << 20, b"\0") + copy + copy[:-1], 1, ["copy 1 is cut short"]),
                                   (b"VTKRAWE1\1", 0, ["copy 0 is cut short", "copy 1 is cut short"]),
                                   (floor.ljust(1 << 20, b"\0") + copy, 1, ["copy 1 is cut short"]),
                                   (os.urandom(1 << 20) + copy + copy, 2, []),
                                   (os.urandom(1 << 20) + copy + os.urandom(1 << 20), 1, ["copy 1 is not whole"])):
            file = self.file(raw)
            self.assertEqual(file.kind, pile.RAW_KEEPER)
            self.assertEqual((len(keepers.read_keeper(file, True)), file.damage), (slots, damage))

    def test_a_keeper_of_shares_in_memory_has_a_floor_file_and_no_share_in_it(self):
        self.assertEqual(self.file(b"VTKRAME4\1".ljust(8192, b"\0")).kind, pile.FLOOR)

    def test_a_block_of_another_version_is_said_and_the_other_one_is_read(self):
        block = bytearray(keeper_block(2))
        block[8] = 9
        file = self.file(bytes(block) + keeper_block(2))
        self.assertEqual([slot.where for slot in keepers.read_keeper(file, False)], ["block 1", "block 1"])
        self.assertIn("block 0 is of version 9; this reader knows 1", file.damage)

    def test_a_share_past_the_number_of_slots_is_read_and_said(self):
        """What an erasure must have made zero."""
        block = bytearray(keeper_block(2)[:4064])
        block[9] = 1
        file = self.file(bytes(block) + hashlib.sha256(block).digest() + bytes(4096))
        self.assertEqual(len(keepers.read_keeper(file, False)), 2)
        self.assertEqual(file.damage, ["slot 2 of block 0 is past its 1 slots and is not zero"])

    def test_one_changed_bit_in_any_stripe_loses_the_copy(self):
        whole = split_stripes(keeper_block())
        self.assertEqual(stripes.merge_stripes(whole), keeper_block())
        for at in (5, 4096 * 100, 4096 * 254 + 4095):
            broken = bytearray(whole)
            broken[at] ^= 1
            self.assertFalse(stripes.is_whole(stripes.merge_stripes(bytes(broken))))

    def test_a_share_with_a_misspelling_is_refused(self):
        value, set_id, x, k, n = os.urandom(32), b"\1\2\3\4", 2, 3, 5
        check = hashlib.sha256(b"vaultd share 1" + set_id + bytes([x, k, n]) + value).digest()[:4]
        payload = wraps.base64.b32encode(value + check).decode().rstrip("=").lower()
        text = f"vaultd-share-1-01020304-2-3-of-5-{payload}"
        self.assertEqual(wraps.parse_share(text.upper() + "\n"), wraps.SetShare(set_id, x, k, n, value))
        other = "a" if text[-10] != "a" else "b"
        with self.assertRaises(codec.Malformed):
            wraps.parse_share(text[:-10] + other + text[-9:])

    def test_a_key_file_is_taken_raw_as_hex_and_as_base64(self):
        raw = os.urandom(32)
        for content in (raw, b" " + raw.hex().encode() + b"\n", wraps.base64.b64encode(raw) + b"\r\n"):
            self.assertEqual(wraps.key_file_secret(content), raw)
        with self.assertRaises(codec.Malformed):
            wraps.key_file_secret(b"no key")


def leaf_page(number, nodes, lower_garbage=b""):
    """An LMDB leaf, docs/FORMAT.md, "Pages". nodes: (key, data, flags, length said), in ascending order of place from the end."""
    body, offsets, upper = b"", [], 4096
    for key, data, flags, length in nodes:
        node = struct.pack("<HHHH", length & 0xffff, length >> 16, flags, len(key)) + key + data
        node += b"\0" * (len(node) % 2)
        upper -= len(node)
        offsets.append(upper)
        body = node + body
    lower = 16 + 2 * len(offsets)
    page = struct.pack("<QHHHH", number, 0, lmdb.LEAF, lower, upper) + struct.pack(f"<{len(offsets)}H", *offsets)
    return page + lower_garbage.rjust(upper - lower, b"\0") + body


def overflow(number, value, pages=1):
    return (struct.pack("<QHHI", number, 0, lmdb.OVERFLOW, pages) + value).ljust(4096 * pages, b"\0")


def table_record(root):
    return struct.pack("<IHHQQQQQ", 0, 0, 1, 0, 1, 0, 1, root)


def data_file(of_tables, further=()):
    """A whole data file: meta pages 0 and 1, the main table in page 2, a leaf for each table from page 3 on, further pages."""
    last = 2 + len(of_tables) + len(further)
    metas = b""
    for number in (0, 1):
        meta = struct.pack("<QHHHH", number, 0, lmdb.META, 0, 0) + struct.pack("<IIQQ", 0xBEEFC0DE, 1, 0, 1 << 20)
        meta += struct.pack("<IHHQQQQQ", 4096, 8, 0, 0, 0, 0, 0, lmdb.PAGE_NUMBER_NONE) + table_record(2)
        metas += (meta + struct.pack("<QQ", last, 1 + number)).ljust(4096, b"\0")
    main = leaf_page(2, [(name, table_record(3 + place), lmdb.SUB_TABLE, 48) for place, name in enumerate(of_tables)])
    leaves = [leaf_page(3 + place, nodes) for place, nodes in enumerate(of_tables.values())]
    return metas + main + b"".join(leaves) + b"".join(further)


def small(key, value):
    return key, value, 0, len(value)


def big(key, value, first):
    return key, struct.pack("<Q", first), lmdb.BIG_DATA, len(value)


def row_value(size=64):
    return struct.pack(">QBII", 1, 0, 1, 1) + seal.MARK + os.urandom(76 + 16 + size)


class DataFiles(InFiles):
    def entries(self, content):
        file = self.file(content)
        self.assertEqual(file.kind, pile.DATA)
        data = lmdb.open_data_file(file)
        return file, [(entry.table, bytes(entry.key), file.read(entry.at, entry.length)) for entry in data.entries()], data

    def test_without_meta_pages_every_leaf_is_read_and_that_is_said(self):
        key, value = b"r" * 12, row_value()
        pages = b"".join(leaf_page(number, [(key, value, 0, len(value))]) for number in range(2, 8))
        file, entries, _ = self.entries(bytes(8192) + pages)
        self.assertEqual(entries, [(None, key, value)] * 6)
        self.assertIn("both meta pages are damaged", file.damage[0])

    def test_a_node_that_no_directory_names_any_more_is_found(self):
        key, value = b"k" * 12, row_value()
        node = struct.pack("<HHHH", len(value), 0, 0, len(key)) + key + value
        pages = b"".join(leaf_page(number, [], node + b"\0" * (len(node) % 2)) for number in range(2, 6))
        _, entries, _ = self.entries(bytes(8192) + pages)
        self.assertEqual(entries, [(None, key, value)] * 4)

    def test_a_value_in_an_overflow_page_is_followed_and_one_that_nothing_names_is_found(self):
        value = os.urandom(4080)
        runs = b"".join(struct.pack("<QHHI", number, 0, lmdb.OVERFLOW, 1) + value for number in (2, 3))
        page = leaf_page(4, [(b"p" * 18, struct.pack("<Q", 2), lmdb.BIG_DATA, 4080)])
        _, entries, data = self.entries(bytes(8192) + runs + page)
        self.assertEqual(entries, [(None, b"p" * 18, value)])
        self.assertEqual(list(data.unnamed_values()), [number * 4096 + 16 for number in (2, 3, 4)])      # no page is in use

    def test_a_node_behind_a_value_and_one_in_a_page_that_is_none_are_found(self):
        key, value = b"k" * 12, row_value()
        node = struct.pack("<HHHH", len(value), 0, 0, len(key)) + key + value
        good = b"".join(leaf_page(number, []) for number in range(4, 10))
        run = struct.pack("<QHHI", 2, 0, lmdb.OVERFLOW, 1) + os.urandom(2000).replace(b"\1\1", b"\1\2") + node
        _, entries, _ = self.entries(bytes(8192) + run.ljust(4096, b"\0") + (bytes(1000) + node).ljust(4096, b"\0") + good)
        self.assertEqual(entries, [(None, key, value)] * 2)

    def test_a_page_that_names_itself_wrongly_is_no_page(self):
        key, value = b"r" * 12, row_value()
        good = b"".join(leaf_page(number, [(key, value, 0, len(value))]) for number in range(2, 8))
        lost = leaf_page(99, [(b"x" * 26, b"", 0, 0)])
        _, entries, _ = self.entries(bytes(8192) + good + lost)
        self.assertEqual(len(entries), 6)

    def test_a_directory_that_points_outside_its_page_is_not_followed(self):
        key, value = b"r" * 12, row_value()
        good = b"".join(leaf_page(number, [(key, value, 0, len(value))]) for number in range(2, 8))
        bad = bytearray(leaf_page(8, [(key, value, 0, len(value))]))
        bad[16:18] = b"\xff\xff"
        _, entries, _ = self.entries(bytes(8192) + good + bytes(bad))
        self.assertEqual(entries, [(None, key, value)] * 7)                  # carved

    def test_shapes_tell_tables_apart(self):
        sealed = seal.MARK + bytes(300)
        for table, key, value in (
                (tables.ROW, bytes(12), bytes(17) + sealed), (tables.PAGE, bytes(18), bytes(24) + seal.MARK + bytes(4054)),
                (tables.KEYBLOCK, bytes(16), bytes(12) + sealed), (tables.RECORD, bytes(26), b"\1"), (None, bytes(26), b""),
                (tables.PENDING, bytes(26), (bytes(8) + sealed)[:278]), (tables.CONFIG, bytes(25), bytes(16) + sealed),
                (tables.LEDGER, bytes(8), (bytes(8) + sealed)[:182]), (tables.LEDGER_SID, bytes(34), b""),
                (tables.AUDIT, bytes(8), b"\1\2" + bytes(107)),
                (tables.CERTIFICATE, bytes(9), b"\2" + bytes(11) + b"vaultd certificate"),
                (tables.HOLD, bytes(42), (bytes(8) + sealed)[:214]), (tables.WAITING, bytes(42), (bytes(8) + sealed)[:278]),
                (tables.APPROVAL, bytes(17), bytes(8) + seal.MARK + bytes(348)),
                (tables.TOKEN, bytes(17), (bytes(12) + sealed)[:170]),
                (tables.TOKEN, bytes(9), (bytes(12) + sealed)[:170]), (tables.IDEMPOTENCY, bytes(32), bytes(16) + sealed),
                (tables.META, b"root", bytes(671)), (None, bytes(12), bytes(200)), (None, bytes(9), bytes(32))):
            self.assertEqual(tables.table_by_shape(key, len(value), value[:80]), table)


class ChangedDataFiles(InFiles):
    """One bit of what LMDB itself writes: the row is found all the same, and that not all was well is said."""
    KEY = struct.pack(">QHH", 9, 6, 0)

    def setUp(self):
        self.value = row_value()
        self.page = 3 * 4096                            # the leaf of table row
        self.whole = data_file({b"row": [small(self.KEY, self.value), small(b"\xff" * 12, row_value(128))]})

    def collected(self, content):
        file = self.file(bytes(content))
        self.assertEqual(file.kind, pile.DATA)
        found = collect.collect(self.pile, lambda text: None)
        return file, found

    def changed(self, *places, table=b"row"):
        content = bytearray(self.whole)
        for at, bits in places:
            content[at] ^= bits
        file, found = self.collected(content)
        return file.damage, found.items.get(tables.ROW, {}), table

    def place(self, nth):
        """Where the n-th node of the leaf lies in the file."""
        return self.page + struct.unpack_from("<H", self.whole, self.page + 16 + 2 * nth)[0]

    def test_a_whole_file_has_no_damage(self):
        damage, found, _ = self.changed()
        self.assertEqual((damage, len(found)), ([], 2))

    def test_a_changed_directory_hides_no_row_and_is_said(self):
        for at, bits, what in ((self.page + 13, 0x80, "lower"), (self.page + 12, 0x02, "one node fewer"),
                               (self.page + 15, 0x80, "upper"), (self.page + 17, 0x80, "an offset"),
                               (self.page + 16, 0x04, "an offset inside the page")):
            damage, found, _ = self.changed((at, bits))
            self.assertTrue(damage and damage[0].startswith("page 3 of table row is damaged: "), what)
            self.assertIn(collect.digest_of(self.value), found, what)

    def test_a_changed_length_of_a_node_hides_no_row_and_is_said(self):
        node = self.place(0)
        for at, bits, what in ((node + 1, 0x40, "past the page"), (node, 0x10, "a little"), (node + 2, 1, "64 KiB")):
            damage, found, _ = self.changed((at, bits))
            self.assertEqual(damage, ["page 3 of table row is damaged: the length of a node"], what)
            values = [self.pile.read(item.place) for item in found.values()]
            self.assertTrue(any(value.startswith(self.value[:-16]) for value in values), what)

    def test_a_page_that_is_no_leaf_any_more_is_said_and_carved(self):
        for at, bits in ((self.page, 0x20), (self.page + 10, 0x06)):
            damage, found, _ = self.changed((at, bits))
            self.assertEqual((damage, len(found)), (["page 3 of table row is damaged"], 2))

    def test_one_meta_page_that_is_gone_is_said(self):
        damage, found, _ = self.changed((4096 + 16, 1))
        self.assertIn("one of the two meta pages is damaged", damage[0])
        self.assertEqual(len(found), 2)

    def test_a_table_of_another_name_is_read_by_its_shapes_and_said(self):
        _, found = self.collected(data_file({b"rov": [small(self.KEY, self.value)]}))
        self.assertEqual(len(found.items[tables.ROW]), 1)
        self.assertIn("a table rov that no version known here has", found.pile.files[0].damage[0])

    def test_a_root_record_of_another_length_is_damage_in_a_data_file_and_in_a_journal(self):
        longer = b"\2" + bytes(700)
        wraps_row = small(b"wraps", b"\1" + bytes(18) + hashlib.sha256(b"\1" + bytes(18)).digest())
        file, _ = self.collected(data_file({b"meta": [small(b"root", longer), wraps_row]}))
        self.assertIn("an entry of table meta at byte", file.damage[0])
        row = struct.pack(">BH", tables.META, 4) + b"root" + struct.pack(">I", len(longer)) + longer
        file = self.file(journal_file([bytes(104) + row]))
        found = collect.collect(self.pile, lambda text: None)
        self.assertEqual((len(file.damage), found.roots), (1, {}))
        self.assertIn("a row of table 0 has another shape", file.damage[0])

    def test_a_store_without_a_root_record_and_one_of_another_format_are_said(self):
        file, _ = self.collected(data_file({b"meta": [small(b"closed", b"x")], b"store": [small(b"format", b"\0\0\0\4")]}))
        self.assertEqual([line for line in file.damage if line.startswith("table")],
                         ["table meta has no root", "table meta has no wraps"])
        self.assertIn("a store of version 4", file.damage[0])

    def test_a_run_that_says_more_pages_than_it_has_hides_none_of_them(self):
        """The node's length is the only witness of how long a value is, and one changed bit of it must not swallow what follows."""
        value, page = row_value(2048), bytes(8) + struct.pack(">QQ", 7, 1) + seal.MARK + os.urandom(4054)
        for length, damage in ((len(value), False), (len(value) + 3 * 4096, True)):
            node = (self.KEY, struct.pack("<Q", 4), lmdb.BIG_DATA, length)
            further = [overflow(4, value), overflow(5, page), overflow(6, page[::-1]), leaf_page(7, [small(b"s" * 26, b"\1")])]
            file, found = self.collected(data_file({b"row": [node]}, further))
            self.assertEqual((len(found.items[tables.PAGE]), len(found.owners), bool(file.damage)), (1, 1, damage))
        self.assertEqual(len(found.nameless(tables.ROW)), 1)            # of unknown length now, but not lost

    def test_a_free_leaf_that_names_a_run_wrongly_does_not_hide_what_lies_there(self):
        page = bytes(8) + struct.pack(">QQ", 7, 1) + seal.MARK + os.urandom(4054)
        stale = leaf_page(4, [big(self.KEY, bytes(4079), 3)])
        for further in ((overflow(3, page), stale), (overflow(3, page),)):
            _, found = self.collected(data_file({}, further))
            self.assertEqual([len(items) for items in found.pages_by_version.values()], [1])

    def test_a_cut_file_is_read_to_its_last_byte(self):
        last = bytearray(4096)
        last[3000:] = struct.pack("<HHHH", len(self.value), 0, 0, 12) + b"k" * 12 + row_value()
        _, found = self.collected(self.whole + bytes(last))
        self.assertEqual(len(found.items[tables.ROW]), 3)

    def test_a_row_whose_node_begins_under_a_newer_directory_is_found(self):
        node = bytes(20) + self.KEY + self.value
        _, found = self.collected(data_file({b"row": []}, [leaf_page(4, [], node + b"\0" * (len(node) % 2))]))
        values = [self.pile.read(item.place) for item in found.items[tables.ROW].values()]
        self.assertEqual([value[:len(self.value)] for value in values], [self.value])

    def test_wraps_and_audit_rows_that_no_directory_names_are_found(self):
        held = b"\1" + b"v" * 16 + b"\0\1" + b"\2" + b"w" * 16 + bytes(8) + b"\0\x20" + bytes(32) + os.urandom(126)
        held += hashlib.sha256(held).digest()
        audit = b"\1\2" + bytes(107) + b"\1" + b"s" * 16 + b"p" * 16 + struct.pack(">I", 95) + seal.MARK + os.urandom(93)
        gap = b"".join(struct.pack("<HHHH", len(value), 0, 0, len(key)) + key + value + b"\0" * ((len(key) + len(value)) % 2)
                       for key, value in ((b"wraps", held), (bytes(8), audit)))
        _, found = self.collected(data_file({b"row": []}, [leaf_page(4, [], gap)]))
        self.assertEqual((len(found.wraps), len(found.items[tables.AUDIT])), (1, 1))


def journal_file(bodies, first=1):
    """docs/FORMAT.md, "Journal"."""
    head = b"VTJOURNL\1" + bytes(7) + b"v" * 16 + struct.pack(">Q", first) + bytes(32)
    raw, previous = head + hashlib.sha256(head).digest(), bytes(32)
    for number, body in enumerate(bodies, first):
        start = b"VTJR\1" + bytes(3) + struct.pack(">QQ", len(body), number) + previous
        record = start + hashlib.sha256(start).digest()[:8] + body
        previous = hashlib.sha256(record).digest()
        raw += record + previous
    return raw


def journal_body(key, value):
    return bytes(8 + 96) + struct.pack(">BH", tables.KEYBLOCK, len(key)) + key + struct.pack(">I", len(value)) + value


class Journals(InFiles):
    def setUp(self):
        self.bodies = [journal_body(bytes([number]) * 16, bytes(12) + seal.MARK + os.urandom(300)) for number in range(3)]

    def rows(self, content):
        file = self.file(content)
        self.assertEqual(file.kind, pile.JOURNAL)
        return file, [bytes(row.key) for row in journal.open_journal(file).rows()]

    def test_each_row_of_each_record_is_read(self):
        file, keys = self.rows(journal_file(self.bodies))
        self.assertEqual(keys, [bytes([number]) * 16 for number in range(3)])
        self.assertEqual((file.damage, file.notes), ([], []))

    def test_a_deleted_row_has_no_value(self):
        deleted = bytes(104) + struct.pack(">BH", 2, 16) + b"d" * 16 + b"\xff\xff\xff\xff"
        _, keys = self.rows(journal_file([deleted + self.bodies[0][104:]]))
        self.assertEqual(keys, [bytes(16)])

    def test_a_torn_record_is_read_as_far_as_it_goes(self):
        whole = journal_file(self.bodies)
        file, keys = self.rows(whole[:-33])
        self.assertEqual(len(keys), 2)
        self.assertIn("is torn", file.notes[0])
        file, keys = self.rows(whole[:-32])                 # the hash alone is missing
        self.assertEqual(len(keys), 3)
        self.assertEqual(file.damage, [])

    def test_damage_in_the_middle_is_reported_and_the_records_behind_it_are_read(self):
        whole = bytearray(journal_file(self.bodies))
        second = bytes(whole).find(b"VTJR", 200)
        whole[second + 9] ^= 1                              # its length
        file, keys = self.rows(bytes(whole))
        self.assertEqual(keys, [bytes(16), b"\2" * 16])
        self.assertTrue(any("damaged" in line for line in file.damage), file.damage)

    def test_a_whole_record_whose_rows_do_not_end_with_it_is_damage(self):
        for rest in (struct.pack(">BH", 2, 60000) + b"d" * 30, b"\2", struct.pack(">BH2sI", 2, 2, b"kk", 9) + b"v"):
            file, keys = self.rows(journal_file([self.bodies[0] + rest]))
            self.assertEqual((len(keys), len(file.damage)), (1, 1))
            self.assertIn("do not end where it ends", file.damage[0])

    def test_a_journal_without_its_head_is_known_by_its_records(self):
        file, keys = self.rows(b"\0" * 104 + journal_file(self.bodies)[104:])
        self.assertEqual(len(keys), 3)
        self.assertIn("the file's head is damaged", file.damage)


VAULT, TENANT, SID = b"v" * 16, 1, b"s" * 16
HEAD = rows.RowHead(1, 0, 1, 1)


def sealed(key, context, plain):
    """docs/FORMAT.md, "Sealing"."""
    salt, iv = os.urandom(32), os.urandom(12)
    material = seal.hkdf(key, salt, b"vs1" + context[24:25] + hashlib.sha256(context).digest(), 64)
    header = seal.MARK + salt + material[32:] + iv
    return header + AESGCM(material[:32]).encrypt(iv, plain, header + context)


def row_of(key, name, length=64, head=HEAD, sid=SID, said=None):
    said = said or head
    context = rows.row_context(VAULT, TENANT, sid, name, head)
    return struct.pack(">QBII", *said[:4]) + sealed(key, context, (struct.pack(">I", 30) + b"\1").ljust(length, b"\0"))


def key_block(subject_key, version, keys, said=None, removed=0, sid=SID):
    """keys: {(category, record, version): key}. Padded as docs/FORMAT.md, "Key blocks", says."""
    block = struct.pack(">BBHI64x", 1, 0, len(keys), removed)
    block += b"".join(struct.pack(">HQIBBQQ", *name, 1, 0, 0, 0) + key for name, key in keys.items())
    padded = next(length for length in (*range(64, 1025, 64), 2048, 3968, *range(4096, 20481, 4096)) if length >= len(block))
    context = tree.key_block_context(VAULT, 1, TENANT, sid, version)
    return struct.pack(">QI", 1, said or version) + sealed(subject_key, context, block.ljust(padded, b"\0"))


class Opening(InFiles):
    """Values made here, in a data file made here, and the key that leads to them."""

    def setUp(self):
        self.step = fixpoint.Step("given", None)
        self.subject_key, self.data_key, self.page_key, self.root_key = (os.urandom(32) for _ in range(4))
        self.name = rows.RowName(9, 6, 0)

    def opener(self, *files, is_exhaustive=False, secrets=None):
        root = tempfile.TemporaryDirectory(prefix="vaultd-reader-")
        self.addCleanup(root.cleanup)
        self.pile = pile.Pile()
        for number, content in enumerate(files):
            path = os.path.join(root.name, str(number))
            with open(path, "wb") as handle:
                handle.write(content)
            self.pile.add(path)
        self.found = collect.collect(self.pile, lambda text: None)
        secrets = secrets or fixpoint.Secrets([], [], [], [], [])
        return fixpoint.Fixpoint(self.found, secrets, [], lambda text: None, is_exhaustive)

    def damage(self):
        return [line for file in self.pile.files for line in file.damage]

    def with_subject_key(self, *files, versions=(1,), **more):
        fix = self.opener(*files, **more)
        fix.subject_keys[VAULT, TENANT, SID] = [fixpoint.Key(self.subject_key, self.step)]
        fix.block_versions[VAULT, TENANT, SID] = set(versions)
        fix.open_key_blocks()
        return fix

    def with_data_keys(self, *files, keys=None, sid=SID, **more):
        fix = self.opener(*files, **more)
        keys = keys or {(6, 0, 1): self.data_key}
        held = {name: [fixpoint.Key(key, self.step)] for name, key in keys.items()}
        fix.subjects[sid] = fixpoint.Subject(VAULT, TENANT, held, [], {})
        fix.open_rows()
        fix.open_orphan_rows()
        fix.open_nameless_rows()
        fix.complain_of_unopened()
        return fix

    @staticmethod
    def opened(fix):
        return sum(map(len, fix.rows_of.values()))

    @staticmethod
    def record(sid=SID, record=9):
        return small(sid + struct.pack(">HQ", 1, record), b"\1")

    def row_key(self, name=None):
        return struct.pack(">QHH", *(name or self.name))

    # Key blocks.

    def test_a_subjects_key_opens_each_version_of_its_block(self):
        """Adding a data key makes a new block under the same key, which an older subject entry gave."""
        for version in (1, 2, 7):
            value = key_block(self.subject_key, version, {(6, 0, 1): self.data_key})
            fix = self.with_subject_key(data_file({b"keyblock": [small(SID, value)]}))
            self.assertEqual((list(fix.subjects[SID].keys), self.damage()), ([(6, 0, 1)], []), version)

    def test_a_block_in_use_that_says_another_version_is_opened_with_that_of_its_subject_entry_and_said(self):
        value = key_block(self.subject_key, 1, {(6, 0, 1): self.data_key}, said=5)
        fix = self.with_subject_key(data_file({b"keyblock": [small(SID, value)]}))
        self.assertEqual(list(fix.subjects), [SID])
        self.assertIn("says that it is of version 5", self.damage()[0])

    def test_key_blocks_of_every_length_are_found_without_their_name_and_tried_without_being_told_to(self):
        for count in (15, 30, 31, 60, 61, 128, 256):
            keys = {(6, record, 1): self.data_key for record in range(count)}
            value = key_block(self.subject_key, 1, keys)
            fix = self.with_subject_key(data_file({}, [overflow(3, value, -(-(len(value) + 16) // 4096))]))
            self.assertEqual(len(fix.subjects[SID].keys) if SID in fix.subjects else 0, count)

    def test_key_blocks_past_the_limit_of_tries_are_counted_as_untried(self):
        value = key_block(self.subject_key, 1, {(6, record, 1): self.data_key for record in range(61)})
        content = data_file({}, [overflow(3, value, 2)])
        for is_exhaustive, untried in ((False, {"key blocks without a name": 1}), (True, {})):
            fix = self.opener(content, is_exhaustive=is_exhaustive)
            fix.subject_keys[VAULT, TENANT, SID] = [fixpoint.Key(self.subject_key, self.step)]
            fix.block_versions[VAULT, TENANT, SID] = {1}
            limit, fixpoint.TRIES = fixpoint.TRIES, 0
            self.addCleanup(setattr, fixpoint, "TRIES", limit)
            fix.open_key_blocks()
            fixpoint.TRIES = limit
            self.assertEqual((dict(fix.untried), SID in fix.subjects), (untried, is_exhaustive))

    # Rows.

    def test_a_row_in_use_that_says_another_key_version_is_opened_and_said(self):
        value = row_of(self.data_key, self.name, said=HEAD._replace(key_version=1 << 20))
        fix = self.with_data_keys(data_file({b"row": [small(self.row_key(), value)], b"record": [self.record()]}))
        self.assertEqual(self.opened(fix), 1)
        self.assertIn("a row says another key of itself", self.damage()[0])

    def test_a_changed_sid_of_a_record_does_not_hide_whose_row_it_is(self):
        value = row_of(self.data_key, self.name)
        for sid, orphans in ((SID, 0), (b"S" + SID[1:], 1)):
            fix = self.with_data_keys(data_file({b"row": [small(self.row_key(), value)], b"record": [self.record(sid)]}))
            self.assertEqual((self.opened(fix), fix.orphan_rows), (1, orphans))

    def test_a_row_of_whom_a_key_block_names_and_whose_key_is_gone_is_no_orphan(self):
        other = b"o" * 16
        value = row_of(os.urandom(32), self.name, sid=other)
        fix = self.with_data_keys(data_file({b"row": [small(self.row_key(), value)], b"record": [self.record(other)],
                                             b"keyblock": [small(other, key_block(os.urandom(32), 1, {}))]}))
        self.assertEqual((self.opened(fix), fix.orphan_rows, self.damage()), (0, 0, []))

    def test_a_row_in_use_of_a_record_that_nobody_has_is_said(self):
        self.with_data_keys(data_file({b"row": [small(self.row_key(), row_of(os.urandom(32), self.name))]}))
        self.assertIn("a row of a record that nobody has", self.damage()[0])

    def test_orphans_past_the_limit_of_tries_are_counted_as_untried(self):
        content = data_file({b"row": [small(self.row_key(), row_of(self.data_key, self.name))]})
        limit, fixpoint.TRIES = fixpoint.TRIES, 0
        self.addCleanup(setattr, fixpoint, "TRIES", limit)
        fix = self.with_data_keys(content)
        self.assertEqual((self.opened(fix), dict(fix.untried)), (0, {"rows without a subject": 1}))
        fix = self.with_data_keys(content, is_exhaustive=True)
        self.assertEqual((self.opened(fix), dict(fix.untried)), (1, {}))

    def test_pieces_of_long_rows_are_found_without_their_name_up_to_the_last_that_there_can_be(self):
        self.assertEqual(fixpoint.GROUPS, 1058)
        for group, length in ((0, 3968), (4, 3968), (5, 2048), (1057, 2048)):
            value = row_of(self.data_key, self.name._replace(group=group), length)
            fix = self.with_data_keys(data_file({b"record": [self.record()]}, [overflow(4, value)]))
            self.assertEqual((self.opened(fix), dict(fix.untried), self.damage()), (1, {}, []), group)
            self.assertEqual(fix.rows_of[SID][0][0].group, group)
            self.assertFalse(fix.rows_of[SID][0][2].is_damaged)

    def test_a_free_leaf_that_names_a_long_row_as_another_does_not_hide_it(self):
        value = row_of(self.data_key, self.name, 3968)
        for stale in ([], [big(struct.pack(">QHH", 77, 6, 0), value, 4)]):
            fix = self.with_data_keys(data_file({b"record": [self.record()]}, [overflow(4, value), leaf_page(5, stale)]))
            self.assertEqual(self.opened(fix), 1)

    def test_a_long_row_that_another_file_has_in_use_is_not_looked_for_under_other_names(self):
        value = row_of(os.urandom(32), self.name, 3968)
        files = (data_file({b"record": [self.record()]}, [overflow(4, value)]),
                 data_file({b"row": [big(self.row_key(), value, 4)]}, [overflow(4, value)]))
        for chosen, closed in ((files[:1], 1), (files, 0)):
            self.assertEqual(self.with_data_keys(*chosen).nameless_closed, closed)

    # The tree.

    def link(self):
        return tree.Link(VAULT, TENANT, tree.T_SUB, 0, 5, self.page_key, 7)

    def page(self, said=7):
        """A leaf of T_sub with one subject. (version 1, kind 1, count 1)"""
        body = struct.pack(">BBH12x", 1, tree.LEAF_PAGE, 1) + SID + self.subject_key + struct.pack(">I", 1) + bytes(13)
        context = tree.page_context(self.link(), tree.PageHead(1, 7, 1))
        return struct.pack(">QQQ", 1, said, 1) + sealed(self.page_key, context, body.ljust(3962, b"\0"))

    def root(self, epoch=1, commit=5, said_epoch=None, said_commit=None):
        """A root record whose T_dir slot names the page as if it were one: levels and trees are those of the link."""
        plain = struct.pack(">B7xQQ16s8x", 1, 99, commit, b"a" * 16).ljust(104, b"\0")
        plain += struct.pack(">Q32sQB", 6, self.page_key, 7, tree.LEAF_PAGE)
        context = seal.context(VAULT, 1, seal.ROOT_PAGE, 0, struct.pack(">QQ", 7, epoch))
        return struct.pack(">B16sQQ16sQQ", 1, VAULT, 1, said_epoch or epoch, b"a" * 16, 7, said_commit or commit) + \
            sealed(self.root_key, context, plain.ljust(512, b"\0"))

    def meta(self, root):
        nothing = b"\1" + VAULT + bytes(2)
        return [small(b"root", root), small(b"wraps", nothing + hashlib.sha256(nothing).digest())]

    def with_root_key(self, *files):
        fix = self.opener(*files)
        fix.root_keys[VAULT, 1, 1, b"a" * 16] = [fixpoint.Key(self.root_key, self.step)]
        fix.open_roots()
        fix.complain_of_unopened()
        fix.complain_of_trees()
        return fix

    def dir_page(self):
        """The page that the root record names: an empty leaf of T_dir."""
        link = tree.Link(VAULT, 0, tree.T_DIR, 0, 6, self.page_key, 7)
        body = struct.pack(">BBH12x", 1, tree.LEAF_PAGE, 0)
        context = tree.page_context(link, tree.PageHead(1, 7, 1))
        return fixpoint.link_name(link), struct.pack(">QQQ", 1, 7, 1) + sealed(self.page_key, context, body.ljust(3962, b"\0"))

    def test_a_root_record_and_its_page_open_without_damage(self):
        key, page = self.dir_page()
        fix = self.with_root_key(data_file({b"meta": self.meta(self.root()), b"page": [big(key, page, 5)]}, [overflow(5, page)]))
        self.assertEqual((len(fix.trees), fix.missing, self.damage()), (1, [], []))

    def test_a_root_record_in_use_that_does_not_open_with_its_key_is_said(self):
        root = bytearray(self.root())
        root[70] ^= 1                                   # in the salt
        fix = self.with_root_key(data_file({b"meta": self.meta(bytes(root))}))
        self.assertEqual(fix.trees, [])
        self.assertIn("the root record of epoch 1 does not open with its key", self.damage()[0])

    def test_a_root_record_in_use_that_says_another_epoch_is_opened_and_said(self):
        fix = self.with_root_key(data_file({b"meta": self.meta(self.root(said_epoch=3))}))
        self.assertEqual([one.record.epoch for one in fix.trees], [1])
        self.assertIn("what it says of itself in the clear was changed", self.damage()[0])

    def test_a_root_record_whose_commit_number_differs_is_said_and_followed(self):
        fix = self.with_root_key(data_file({b"meta": self.meta(self.root(said_commit=6))}))
        self.assertEqual((len(fix.trees), len(fix.links)), (1, 1))
        self.assertIn("commit number or attempt of a root page differ", self.damage()[0])

    def test_a_page_that_a_tree_in_use_names_and_that_is_not_there_is_damage(self):
        self.with_root_key(data_file({b"meta": self.meta(self.root())}))
        self.assertIn("1 pages of the tree of this root record are missing, such as page 6 of T_dir, version 7", self.damage()[0])
        key, page = self.dir_page()
        fix = self.with_root_key(data_file({b"meta": self.meta(self.root())}, [overflow(4, page)]))      # of which no leaf knows
        self.assertEqual((len(fix.missing), self.damage()), (0, []))
        # A former root's pages may be gone: a journal keeps the record, and no file the tree.
        row = struct.pack(">BH", tables.META, 4) + b"root" + struct.pack(">I", 671) + self.root()
        fix = self.with_root_key(journal_file([bytes(104) + row]))
        self.assertEqual((len(fix.trees), len(fix.missing), self.damage()), (1, 1, []))

    def test_a_page_in_use_that_says_another_version_is_opened_with_that_of_its_link_and_said(self):
        for said, damage in ((7, 0), (7 ^ 64, 1)):
            key, page = fixpoint.link_name(self.link()), self.page(said)
            fix = self.opener(data_file({b"page": [big(key, page, 4)]}, [overflow(4, page)]))
            fix.follow([(self.link(), self.step)])
            self.assertEqual((list(fix.subject_keys), fix.missing), ([(VAULT, TENANT, SID)], []))
            self.assertEqual([line.endswith(f"says that it is of version {said}") for line in self.damage()], [True] * damage)
            self.assertIn(SID, self.found.subjects)     # though nothing but the tree names it

    def test_a_subject_of_a_tree_in_use_without_a_key_block_that_opens_is_said(self):
        link = self.link()
        page = self.page()
        block = key_block(self.subject_key, 1, {})
        for sid, lines in ((SID, 0), (b"S" * 16, 1)):
            fix = self.opener(data_file({b"page": [big(fixpoint.link_name(link), page, 6)], b"keyblock": [small(sid, block)],
                                         b"meta": self.meta(self.root())}, [overflow(6, page)]))
            item = next(item for _, item in self.found.roots.values())
            fix.trees = [fixpoint.Tree(next(iter(self.found.roots.values()))[0], item, [link])]
            item.step = self.step
            fix.follow([(link, self.step)])
            fix.open_key_blocks()
            fix.complain_of_trees()
            self.assertEqual(len(self.damage()), lines, self.damage())

    # Shares and wraps.

    def test_a_share_whose_tag_alone_was_changed_is_used_and_said(self):
        unseal_key, secret = os.urandom(32), os.urandom(32)
        slot = keepers.Slot(0, "block 0", 1, VAULT, 1, 1, b"a" * 16, 1, 1, 1, 2, b"")
        share = bytearray(sealed(unseal_key, slot.context(), secret))
        share[-1] ^= 1
        fix = self.opener(b"x")
        self.found.slots = [slot._replace(sealed=bytes(share))]
        fix.unseal_keys[unseal_key] = self.step
        fix.open_slots()
        fix.combine_shares()
        self.assertEqual([key.key for keys in fix.root_keys.values() for key in keys], [secret])
        self.assertEqual(self.damage(), ["the share of epoch 1 in block 0 was changed"])

    def wrap(self, method, params, secret=None, unseal_key=bytes(32)):
        made = wraps.Wrap(VAULT, method, b"w" * 16, 0, params, bytes(126))
        if secret is None:
            return made
        key = seal.hkdf(secret, b"w" * 16, b"vaultd unseal wrap 1" + bytes([method]) + hashlib.sha256(params).digest(), 32)
        return made._replace(sealed=sealed(key, seal.context(VAULT, 0, seal.WRAP, 0, bytes([method]), b"w" * 16), unseal_key))

    def test_wraps_with_parameters_that_are_none_are_said_and_the_others_are_tried(self):
        secret, unseal_key = os.urandom(32), os.urandom(32)
        share = wraps.SetShare(b"wwww", 1, 1, 1, bytes(32))
        secrets = fixpoint.Secrets([(b"p", "p")], [(secret, "k")], [(share, "s")], [], [])
        bad = [self.wrap(wraps.PASSPHRASE, bytes(32) + struct.pack(">QII", *numbers)) for numbers in
               ((3, 8, 1), (0, 8, 1), (16, 0, 1), (16, 8, 0), (1 << 63, 1 << 31, 1), (2, 8, 1 << 31))]
        bad += [self.wrap(wraps.PASSPHRASE, b"x" * 40), self.wrap(wraps.SHARE_SET, b""), self.wrap(wraps.SHARE_SET, bytes(50)),
                self.wrap(wraps.SHARE_SET, b"\1\5" + bytes(48))]
        fix = self.opener(b"x", secrets=secrets)
        for wrap in (*bad, self.wrap(wraps.KEY_FILE, bytes(32), secret, unseal_key)):
            item = self.found.wraps[wrap] = collect.Item(pile.Place(0, 0, 0))
            item.used = 1
        fix.open_wraps()
        self.assertEqual((list(fix.unseal_keys), len(self.damage())), ([unseal_key], len(bad)))

    def test_a_wrap_whose_tag_alone_was_changed_gives_its_key_and_is_said(self):
        secret, unseal_key = os.urandom(32), os.urandom(32)
        wrap = self.wrap(wraps.KEY_FILE, bytes(32), secret, unseal_key)
        wrap = wrap._replace(sealed=wrap.sealed[:-1] + bytes([wrap.sealed[-1] ^ 1]))
        fix = self.opener(b"x", secrets=fixpoint.Secrets([], [(secret, "k")], [], [], []))
        item = self.found.wraps[wrap] = collect.Item(pile.Place(0, 0, 0))
        item.used = 1
        fix.open_wraps()
        self.assertEqual((list(fix.unseal_keys), len(self.damage())), ([unseal_key], 1))
        slot = keepers.Slot(0, "block 0", 1, VAULT, 1, 1, b"a" * 16, 1, 1, 1, 2, b"")
        for slots, kept in (([slot._replace(sealed=sealed(unseal_key, slot.context(), bytes(32)))], [unseal_key]), ([], [])):
            self.found.slots = slots
            fix.doubtful = {unseal_key}
            fix.open_slots()
            fix.drop_doubtful()
            self.assertEqual(list(fix.unseal_keys), kept)           # noise opens no slot


    # What it means.

    def findings(self, fix, *entries):
        return findings.Findings(self.found, fix, types.SimpleNamespace(ledger=set(entries)))

    @staticmethod
    def entry(operation=system.SHRED, category=0, record=0, epoch=2):
        return system.LedgerEntry(1, operation, system.Scope(SID, category, record), 7, epoch, 0)

    def asked(self, *parts):
        return findings.parse_asked("/".join([SID.hex(), *parts]))

    def test_a_row_is_erased_when_its_key_was_taken_out_and_sealed_when_its_key_is_newer_than_the_block(self):
        for version, removed, sealed_rows, erased in ((1, 1, 0, 1), (1, 0, 1, 0), (2, 1, 1, 0), (3, 5, 0, 1)):
            value = row_of(os.urandom(32), self.name, head=HEAD._replace(key_version=version))
            block = key_block(self.subject_key, 1, {(6, 0, 9): self.data_key}, removed=removed)
            fix = self.with_subject_key(data_file({b"row": [small(self.row_key(), value)], b"record": [self.record()],
                                                   b"keyblock": [small(SID, block)]}))
            fix.open_rows()
            tally = self.findings(fix).subjects[SID][6]
            self.assertEqual((tally.sealed, sum(tally.erased.values())), (sealed_rows, erased), (version, removed))

    def test_a_ledger_entry_that_did_not_open_erases_nothing(self):
        fix = self.opener(data_file({b"row": [small(self.row_key(), row_of(self.data_key, self.name))], b"record": [self.record()],
                                     b"ledger_sid": [small(SID + struct.pack(">HQQ", 0, 0, 4), b"")]}))
        found = self.findings(fix)
        self.assertEqual((found.subjects[SID][6].sealed, found.subjects[SID][6].erased, found.unopened_entries(SID)), (1, {}, [4]))

    def forgotten(self, entry, root_epoch, newest, head=HEAD, before=False):
        """How many rows are found readable though forgotten: one row, opened through a root of an epoch."""
        tables_of = {b"row": [small(self.row_key(), row_of(self.data_key, self.name, head=head))], b"record": [self.record()]}
        if before:
            tables_of[b"meta"] = self.meta(self.root(epoch=1))
        fix = self.opener(data_file(tables_of))
        record = tree.parse_root_record(self.root(epoch=root_epoch))
        self.step = fixpoint.Step("root", None)
        self.step.root = record
        key_record = self.name.record if head.key_kind else 0
        fix.subjects[SID] = fixpoint.Subject(VAULT, TENANT, {(6, key_record, 1): [fixpoint.Key(self.data_key, self.step)]}, [], {})
        fix.trees = [fixpoint.Tree(tree.parse_root_record(self.root(epoch=epoch)), collect.Item(pile.Place(0, 0, 0)), [])
                     for epoch in (root_epoch, newest)]
        fix.open_rows()
        self.assertEqual(self.opened(fix), 1)
        return len(list(self.findings(fix, entry).readable_though_forgotten()))

    def test_a_row_whose_key_was_never_taken_out_is_readable_though_forgotten_by_the_newest_root_too(self):
        of_record, shred, deleted = HEAD._replace(key_kind=1), system.SHRED, system.RECORD_DELETED
        for entry, root_epoch, newest, head, before, count in (
                (self.entry(), 1, 2, HEAD, False, 1),                       # former slots
                (self.entry(), 2, 2, HEAD, False, 1),                       # the key is in the present tree
                (self.entry(), 1, 1, HEAD, False, 0),                       # its epoch has not closed
                (self.entry(shred, 6, 9), 3, 3, HEAD, False, 1),            # a record does not come back
                (self.entry(shred, 6), 3, 3, HEAD, True, 1),                # a category: written before it was shredded
                (self.entry(shred, 6), 3, 3, HEAD, False, 0),               # or perhaps since
                (self.entry(deleted, 0, 9, 1), 3, 3, of_record, False, 1),
                (self.entry(deleted, 0, 9, 1), 3, 3, HEAD, False, 0),       # deleted, and the category's key stays
                (self.entry(deleted, 0, 9, 1), 1, 3, HEAD, False, 1)):
            self.assertEqual(self.forgotten(entry, root_epoch, newest, head, before), count, (entry, root_epoch, newest))

    def test_unreadable_is_not_shown_of_what_does_not_lie_there(self):
        block = small(SID, key_block(os.urandom(32), 1, {}))
        rows_there = {b"row": [small(self.row_key(), row_of(os.urandom(32), self.name))], b"record": [self.record()]}
        for of_tables, parts, holds, why in (
                (rows_there, (), True, "1 rows lie there and none opens"), (rows_there, ("F",), True, "1 rows lie there"),
                (rows_there, ("F", "9"), True, "1 rows lie there"), (rows_there, ("G",), False, "nothing of it lies in the files"),
                (rows_there, ("F", "8"), False, "nothing of it lies in the files"),
                ({b"record": [self.record()]}, (), False, "nothing of it lies in the files"),
                ({b"keyblock": [block]}, (), True, "no row and 1 key blocks lie there and none opens"),
                ({b"keyblock": [block]}, ("F",), False, "nothing of it lies in the files"),
                ({b"row": []}, (), False, "no file names this subject")):
            verdict = self.findings(self.opener(data_file(of_tables))).expect_unreadable(self.asked(*parts))
            self.assertEqual((verdict.holds, verdict.why[:len(why)]), (holds, why), parts)

    def test_a_verdict_says_that_not_everything_was_tried(self):
        value = row_of(os.urandom(32), self.name)
        fix = self.opener(data_file({b"row": [small(self.row_key(), value)], b"record": [self.record()]}))
        fix.untried["long rows without a name"] = 3
        self.assertIn("but 3 values were not tried with every key", self.findings(fix).expect_unreadable(self.asked()).why)


class Piles(unittest.TestCase):
    def setUp(self):
        root = tempfile.TemporaryDirectory(prefix="vaultd-reader-")
        self.addCleanup(root.cleanup)
        self.root = root.name

    def path(self, *names):
        return os.path.join(self.root, *names)

    def write(self, *names, content=b"VTKEEPER" + bytes(8184)):
        with open(self.path(*names), "wb") as handle:
            handle.write(content)

    def run_reader(self, *arguments):
        with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(io.StringIO()) as errors:
            code = main.main(["--quiet", *arguments])
        return code, said.getvalue() + errors.getvalue()

    def test_links_to_directories_are_followed_once(self):
        os.mkdir(self.path("pile"))
        os.mkdir(self.path("now"))
        self.write("now", "keeper")
        for name, to in (("a", "now"), ("b", "now"), ("c", "pile")):
            os.symlink(self.path(to), self.path("pile", name))
        found = pile.Pile()
        found.add(self.path("pile"))
        self.assertEqual(([file.path for file in found.files], found.unreadable), ([self.path("pile", "a", "keeper")], []))

    def test_a_block_that_the_medium_does_not_give_is_told_and_the_other_files_are_read(self):
        self.write("a", content=bytes(3 << 20))
        self.write("b")

        def pread(descriptor, length, at):
            if at == 2 << 20:
                raise OSError(errno.EIO, "Input/output error")
            return whole(descriptor, length, at)
        whole = os.pread
        self.addCleanup(setattr, os, "pread", whole)
        os.pread = pread
        found = pile.Pile()
        found.add(self.root)
        self.assertEqual(([file.path for file in found.files], [path for path, _ in found.unreadable]),
                         ([self.path("b")], [self.path("a")]))

    def test_a_data_file_that_holds_the_mark_of_a_journal_is_a_data_file(self):
        self.write("data", content=data_file({b"row": []}, [b"VTJR\2\0\0\0".ljust(4096, b"\0")]))
        found = pile.Pile()
        found.add(self.path("data"))
        self.assertEqual(found.files[0].kind, pile.DATA)

    def test_what_is_not_understood_counts_as_not_read_unless_told_otherwise(self):
        self.write("image", content=os.urandom(5000))
        self.write("settings", content=b"listen: 127.0.0.1\n")
        code, text = self.run_reader(self.root)
        self.assertEqual((code, "image: NOT UNDERSTOOD" in text), (3, True))
        self.assertEqual(self.run_reader("--ignore-unknown", self.root)[0], 0)
        self.assertEqual(self.run_reader(self.path("settings"))[0], 0)

    def test_a_file_whose_name_is_no_text_is_named_all_the_same(self):
        with open(os.fsencode(self.root) + b"/\xff", "wb") as handle:
            handle.write(b"text\n")
        for more in ([], ["--json"]):
            done = subprocess.run([os.path.join(SOURCE, "tools", "reader", "vault-reader"), *more, self.root], capture_output=True,
                                  env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"}, timeout=120, check=False)
            self.assertEqual((done.returncode, b"udcff" in done.stdout, b"Error" in done.stderr), (0, True, False), done.stderr)

    def test_canaries_of_which_there_is_none_are_refused(self):
        self.write("none", content=b"\n\n")
        self.write("data", content=b"text\n")
        for option in ("--canary", "--canary-control"):
            code, text = self.run_reader(option, self.path("none"), self.path("data"))
            self.assertEqual((code, "nothing would be looked for" in text), (2, True))

    def test_a_finding_that_the_forgotten_is_readable_fails(self):
        self.write("data", content=b"text\n")
        self.addCleanup(setattr, findings.Findings, "readable_though_forgotten", findings.Findings.readable_though_forgotten)
        step = fixpoint.Step("row", None)
        entry = system.LedgerEntry(1, system.SHRED, system.Scope(SID, 0, 0), 7, 2, 0)
        findings.Findings.readable_though_forgotten = lambda _: iter([(SID, 6, entry, step)])
        code, text = self.run_reader(self.path("data"))
        self.assertEqual((code, "1 rows are readable that the ledger says are forgotten" in text), (1, True))


class Words(InFiles):
    def test_what_is_nothing_of_a_vault_is_told_from_what_is_not_understood(self):
        long = "# settings é\n".encode() * 200_000                  # more than is looked at in one go, letters across its edge
        for content, kind in ((b"", pile.EMPTY), (bytes(3 << 20), pile.ZEROES), (b"hello\tthere\r\n", pile.TEXT), (long, pile.TEXT),
                              (long + b"\0", pile.UNKNOWN), (long[:-2], pile.UNKNOWN), (os.urandom(100_000), pile.UNKNOWN),
                              (b"%PDF-1.4\n%\xe2\xe3", pile.UNKNOWN), (os.urandom(3 << 20), pile.UNKNOWN)):
            self.assertEqual(self.file(content).kind, kind, content[:20])

    def test_a_word_across_two_pieces_of_a_row_is_found_when_they_are_joined(self):
        content = struct.pack(">I", 5000) + b"x" * 3960 + b"CANARY" + b"y" * (5000 - 3966)
        pieces = [content[:3968], content[3968:]]
        name, head = rows.RowName(1, 1, 0), rows.RowHead(1, 0, 1, 1)
        for order in ((0, 1), (1, 0)):
            canaries = watch.Canaries([(1, b"CANARY")])
            for group in order:
                canaries.opened("piece", pieces[group], watch.Step("piece", None))
                canaries.row(b"s" * 16, name._replace(group=group), head, pieces[group], watch.Step("row", None))
            self.assertEqual(canaries.seen, {(1, False): 1})

    def test_canaries_are_lines_or_hex(self):
        self.assertEqual(watch.read_words(b"one\r\n\nhex:00ff\n"), [(1, b"one"), (3, b"\0\xff")])

    def test_scopes_are_a_sid_a_category_and_a_record(self):
        sid = "00112233445566778899aabbccddeeff"
        self.assertEqual(findings.parse_asked(sid).scope, (bytes.fromhex(sid), 0, 0))
        self.assertEqual(findings.parse_asked(sid + "/f/7").scope[1:], (6, 7))
        self.assertEqual(findings.parse_asked(sid + "/*/7").scope[1:], (0, 7))
        self.assertEqual(findings.parse_asked(sid + "/admin").scope[1:], (0xffff, 0))
        for wrong in ("00", sid + "/Z", sid + "/A/x", sid + "/A/1/2", "g" * 32):
            with self.assertRaises(ValueError):
                findings.parse_asked(wrong)

    def test_a_row_of_an_unknown_version_is_refused(self):
        with self.assertRaises(codec.UnknownVersion):
            rows.parse_content(struct.pack(">I", 40) + b"\2" + bytes(39))

    def test_a_failure_of_the_reader_has_an_exit_code_of_its_own_and_shows_no_value(self):
        def fail(*_):
            raise KeyError("a value")
        self.addCleanup(setattr, main, "run", main.run)
        main.run = fail
        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(main.main(["--quiet", os.devnull]), 4)
        self.assertIn("KeyError in test_reader_parts.py line", said.getvalue())
        self.assertNotIn("a value", said.getvalue())

    def test_files_are_only_looked_at(self):
        file = self.file(b"VTKEEPER" + bytes(100))
        with self.assertRaises(TypeError):
            file.map[0] = 1


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
