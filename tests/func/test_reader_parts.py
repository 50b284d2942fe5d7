"""The parts of the offline reader against published vectors and against bytes made here from docs/FORMAT.md.

usage: test_reader_parts.py SOURCE_DIR
"""
import hashlib
import json
import os
import struct
import sys
import tempfile
import unittest

SOURCE = sys.argv[1]
sys.path.insert(0, os.path.join(SOURCE, "tools", "reader"))
from offline import certificates, codec, findings, journal, keepers, lmdb, notes, pile, rows, seal  # noqa: E402
from offline import shamir, tables, watch, wraps  # noqa: E402


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

    def row(self, *places):
        """The row of a certificate whose states have these places in the log."""
        texts = [raw[:raw.index(b"\n\n") + 1] for raw in self.files.values()]
        return b"".join(struct.pack(">BBHIQ", 2, state, 0, len(text), place) + text
                        for state, (place, text) in enumerate(zip(places, texts), 1))

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
        found = certificates.parse_row(self.row(3, 40, 69), 0)
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
        raw = self.row(1, 2)
        for wrong in (raw[:10], raw[:-1], raw + b"\2"):
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
        return found.files[0]


def keeper_block(slots=1, sequence=1):
    """docs/FORMAT.md, "Keeper file"."""
    slot = struct.pack(">BBBBH2xQQ16s256s", 2, 2, 3, 1, 126, 7, 5, b"a" * 16, b"S" * 126)
    head = struct.pack(">8sBB6xQQ16sQQQ32s", b"VTKEEPER", 1, slots, sequence, 0x1234, b"v" * 16, 7, 5, 9, b"e" * 32)
    block = (head + slot * slots).ljust(4064, b"\0")
    return block + hashlib.sha256(block).digest()


def split_stripes(block):
    """docs/FORMAT.md, "Raw keeper", the other way round: 255 random stripes, and the last that makes them the block."""
    chain, stripes = bytes(4096), []
    for _ in range(255):
        stripe = os.urandom(4096)
        mixed = bytes(a ^ b for a, b in zip(chain, stripe))
        chain = b"".join(hashlib.sha256(struct.pack(">I", j) + mixed[32 * j:32 * j + 32]).digest() for j in range(128))
        stripes.append(stripe)
    return b"".join(stripes) + bytes(a ^ b for a, b in zip(chain, block))


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

    def test_one_changed_bit_in_any_stripe_loses_the_copy(self):
        whole = split_stripes(keeper_block())
        self.assertEqual(keepers.merge_stripes(whole), keeper_block())
        for at in (5, 4096 * 100, 4096 * 254 + 4095):
            broken = bytearray(whole)
            broken[at] ^= 1
            self.assertFalse(keepers.is_whole(keepers.merge_stripes(bytes(broken))))

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
    """An LMDB leaf, docs/FORMAT.md, "Pages". nodes: (key, data, flags, length said)."""
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
        self.assertEqual(list(data.unnamed_runs()), [3 * 4096 + 16])

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
        self.assertEqual(len(entries), 6)

    def test_shapes_tell_tables_apart(self):
        sealed = seal.MARK + bytes(300)
        for table, key, value in (
                (tables.ROW, bytes(12), bytes(17) + sealed), (tables.PAGE, bytes(18), bytes(24) + seal.MARK + bytes(4054)),
                (tables.KEYBLOCK, bytes(16), bytes(12) + sealed), (tables.RECORD, bytes(26), b""),
                (tables.PENDING, bytes(26), (bytes(8) + sealed)[:262]), (tables.CONFIG, bytes(25), bytes(16) + sealed),
                (tables.LEDGER, bytes(8), (bytes(8) + sealed)[:182]), (tables.LEDGER_SID, bytes(34), b""),
                (tables.AUDIT, bytes(8), b"\1\2" + bytes(107)),
                (tables.CERTIFICATE, bytes(8), b"\2" + bytes(15) + b"vaultd certificate"),
                (tables.TOKEN, bytes(9), (bytes(12) + sealed)[:170]), (tables.IDEMPOTENCY, bytes(32), bytes(16) + sealed),
                (tables.META, b"root", bytes(671)), (None, bytes(12), bytes(200)), (None, bytes(9), bytes(32))):
            self.assertEqual(tables.table_by_shape(key, len(value), value[:80]), table)


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

    def test_a_journal_without_its_head_is_known_by_its_records(self):
        file, keys = self.rows(b"\0" * 104 + journal_file(self.bodies)[104:])
        self.assertEqual(len(keys), 3)
        self.assertIn("the file's head is damaged", file.damage)


class Words(InFiles):
    def test_what_is_no_file_of_a_vault_is_unknown(self):
        for content in (b"hello", os.urandom(100_000), b"%PDF-1.4", bytes(5000)):
            self.assertEqual(self.file(content).kind, pile.UNKNOWN)
        self.assertEqual(self.file(b"").kind, pile.EMPTY)

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
        self.assertEqual(findings.parse_scope(sid)[1:], (bytes.fromhex(sid), 0, 0))
        self.assertEqual(findings.parse_scope(sid + "/f/7")[2:], (6, 7))
        self.assertEqual(findings.parse_scope(sid + "/*/7")[2:], (0, 7))
        self.assertEqual(findings.parse_scope(sid + "/admin")[2:], (0xffff, 0))
        for wrong in ("00", sid + "/Z", sid + "/A/x", sid + "/A/1/2", "g" * 32):
            with self.assertRaises(ValueError):
                findings.parse_scope(wrong)

    def test_a_row_of_an_unknown_version_is_refused(self):
        with self.assertRaises(codec.UnknownVersion):
            rows.parse_content(struct.pack(">I", 40) + b"\2" + bytes(39))

    def test_files_are_only_looked_at(self):
        file = self.file(b"VTKEEPER" + bytes(100))
        with self.assertRaises(TypeError):
            file.map[0] = 1


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
