#!/usr/bin/python3
"""Writes the seed inputs of the fuzz targets: tests/fuzz/corpus/<target>/<name>, the same bytes on every run.

    make_corpus.py            write them all
    make_corpus.py --check    fail when one is missing or differs, or a target has none

A target's seeds are a function below, named in CORPORA. Inputs that once broke something lie beside them under names of
their own; they are not written here and not removed.
"""
import hashlib
import pathlib
import struct
import sys

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"


def msgpack_str(text):
    raw = text.encode()
    return bytes([0xA0 | len(raw)]) + raw if len(raw) < 32 else b"\xd9" + bytes([len(raw)]) + raw


def msgpack():
    """The formats of the specification, one of each, and what must be refused."""
    request = b"\x94\x00\x07" + msgpack_str("subject.show") + b"\x81" + msgpack_str("subject") + msgpack_str("s-1")
    return {
        "nil": b"\xc0",
        "bools": b"\x92\xc2\xc3",
        "ints": b"\x9a\x00\x7f\xe0\xff\xcc\xff\xcd\xff\xff\xce\xff\xff\xff\xff\xcf" + b"\xff" * 8
                + b"\xd0\x80\xd1\x80\x00",
        "wide-ints": b"\x92\xd2\x80\x00\x00\x00\xd3\x80" + bytes(7),
        "floats": b"\x92\xca\x3f\x80\x00\x00\xcb" + struct.pack(">d", -0.1),
        "not-finite": b"\xcb\x7f\xf0" + bytes(6),
        "texts": b"\x94\xa0\xa3ada\xd9\x02\xc3\xa9\xda\x00\x01x",
        "text-32": b"\xdb\x00\x00\x00\x03abc",
        "bad-utf8": b"\xa2\xc3\x28",
        "bytes": b"\x93\xc4\x01\xff\xc5\x00\x02\x00\x01\xc6\x00\x00\x00\x00",
        "arrays": b"\x93\x90\xdc\x00\x01\xc0\xdd\x00\x00\x00\x01\x01",
        "maps": b"\x93\x80\xde\x00\x01\xa1a\x01\xdf\x00\x00\x00\x01\xa1b\x02",
        "map-of-17": b"\xde\x00\x11" + b"".join(msgpack_str(f"k{i:02}") + bytes([i]) for i in range(17)),
        "key-twice": b"\x82\xa1a\x01\xa1a\x02",
        "key-no-text": b"\x81\x01\x02",
        "depth-16": b"\x91" * 16 + b"\xc0",
        "depth-17": b"\x91" * 17 + b"\xc0",
        "array-of-4g": b"\xdd\xff\xff\xff\xff",
        "map-of-4g": b"\xdf\xff\xff\xff\xff",
        "ext": b"\xd4\x01\x00",
        "never-used": b"\xc1",
        "trailing": b"\xc0\xc0",
        "cut": b"\x93\xa5ab",
        "request": request,
    }


def csv():
    """The first byte is the length of the pieces."""
    files = {
        "empty": b"",
        "rfc4180": b'aaa,bbb,ccc\r\nzzz,"y ""y"" y",xxx\r\n',
        "breaks-inside": b'"1\n2\r3\r\n4",x\r\ny,z',
        "absent-and-empty": b'a,,""\r\n,\r\n""\r\n\r\n',
        "lf": b"a,b\nc,d\n",
        "cr": b'a,b\rc,"d\r\n"\r',
        "cr-among-crlf": b"a\r\nb\rc\r\n",
        "mark": b"\xef\xbb\xbfname,e-mail\r\nAda,ada@example.org\r\n",
        "half-mark": b"\xef\xbb",
        "stray-quote": b'a"b\r\n',
        "behind-quote": b'"a"b\r\n',
        "open-quote": b'a,"b\r\n',
        "nul": b"a\x00b",
        "bad-utf8": b"ok\r\nx,\xc3(\r\n",
        "formulas": b"=1+1,+1,-1,@x,'q,\xef\xbc\x9d1\r\n\"\t\",\"\r\"\r\n",
        "columns": b"," * 511,
        "columns-too-many": b"," * 512,
    }
    return {name: bytes([len(name) % 16]) + raw for name, raw in files.items()}


def yaml():
    return {
        "empty": b"",
        "scalars": b"- null\n- ~\n- true\n- False\n- 12\n- -7\n- 0o17\n- 0xff\n- 1.5e3\n- .5\n- text\n- 'it''s'\n"
                   b'- "\\u00e9\\n"\n',
        "schema": b"name: cards\nforget: record\nfields:\n  - {name: pan, type: pan}\n  - name: expiry\n    type: text\n",
        "blocks": b"a: |\n  one\n  two\nb: >-\n  folded\n  text\n",
        "flow": b'{a: [1, 2, {b: c}], "d": {}}',
        "anchors": b"a: &x 1\nb: *x\n",
        "tags": b"- !!str 1\n- !!int '2'\n- !!float 3\n- !local x\n",
        "tag-directive": b"%TAG ! tag:example.org,2000:\n---\n!x y\n",
        "two-documents": b"a\n---\nb\n",
        "key-twice": b"a: 1\na: 2\n",
        "complex-key": b"? [a]\n: b\n",
        "leading-zero": b"zip: 01234\n",
        "not-finite": b"- .inf\n- .nan\n",
        "depth-16": b"[" * 16 + b"]" * 16,
        "depth-17": b"[" * 17 + b"]" * 17,
        "bytes-look-alike": b"{$bytes: AA==}",
        "uint64": b"18446744073709551615",
        "mark": b"\xef\xbb\xbfa: b\n",
        "utf16": "a: b\n".encode("utf-16"),
    }


def json():
    return {
        "empty": b"",
        "scalars": b'[null,true,false,0,-0,12,-7,1.5,1e3,-0.0,"text",""]',
        "integers": b"[9007199254740993,9223372036854775807,-9223372036854775808,9223372036854775808,"
                    b"18446744073709551615]",
        "integer-too-wide": b"18446744073709551616",
        "double-too-wide": b"1e400",
        "escapes": b'"\\u00e9\\ud83d\\ude00\\n\\t\\"\\\\\\/"',
        "nul": b'"\\u0000"',
        "nul-byte": b"[1\x00]",
        "lone-surrogate": b'"\\ud83d"',
        "bytes": b'{"a":{"$bytes":"AQID"},"b":[{"$bytes":""}]}',
        "bytes-bad": b'{"$bytes":"AQI"}',
        "bytes-and-more": b'{"$bytes":"AQID","x":1}',
        "key-twice": b'{"a":1,"\\u0061":2}',
        "nested": b'{"a":{"b":[{"c":[]},{}]}}',
        "depth-16": b"[" * 16 + b"]" * 16,
        "depth-17": b"[" * 17 + b"]" * 17,
        "bad-utf8": b'"\xc3("',
        "cut": b'{"a":["x',
        "trailing": b"{} 1",
        "call": b'{"purpose":"support","subject":"s-1","fields":["email"]}\n',
    }


def text():
    """The first byte chooses the function: 0 to 3 normal forms, 4 base64, 5 base32, 6 numbers."""
    marked = "S\u0307\u0323 \u00e5A\u030a \u1100\u1161\u11a8 \ufb01 \u0130\u0345 \u00ad\u200b\u3000\u2028".encode()
    seeds = {f"form-{form}": bytes([form]) + marked for form in range(4)}
    seeds |= {f"marks-{form}": bytes([form]) + b"a" + "\u0315\u0316\u0323\u0345\u05b0".encode() * 9
              for form in range(4)}
    seeds |= {f"base64-{name}": b"\x04" + raw for name, raw in
              {"1": b"Zg==", "2": b"Zm8=", "3": b"Zm9v", "bits": b"Zh==", "space": b"Zm 9"}.items()}
    seeds |= {f"base32-{name}": b"\x05" + raw for name, raw in
              {"1": b"my", "5": b"mzxw6ytb", "id": b"a" * 26, "bits": b"mz", "case": b"MY"}.items()}
    seeds |= {f"number-{name}": b"\x06" + raw for name, raw in
              {"tenth": b"0.1", "small": b"5e-324", "large": b"1.7976931348623157e308", "past": b"1e309",
               "zero": b"-0.0", "hex": b"0x10"}.items()}
    return seeds


def seal():
    """Sealed by the second implementation under the key and context of fuzz_seal.c, then damaged."""
    sys.path.insert(0, str(CORPUS.parent.parent / "vectors"))
    sys.dont_write_bytecode = True
    import make_seal_vectors as second
    key = b"\x01\x02\x03" + bytes(29)
    ctx = b"\x09" + bytes(15) + struct.pack(">QBQ", 1, 4, 1)
    whole = {n: second.seal(key, ctx, b"p" * n, b"s" * 32, b"i" * 12) for n in (0, 1, 16, 100)}
    row = whole[100]
    return {f"opens-{n}": raw for n, raw in whole.items()} | {
        "empty": b"",
        "version": b"\x02" + row[1:],
        "algorithm": row[:1] + b"\x02" + row[2:],
        "cut-header": row[:70],
        "cut-tag": row[:-1],
        "salt": row[:2] + b"x" + row[3:],
        "commitment": row[:34] + bytes([row[34] ^ 1]) + row[35:],
        "iv": row[:66] + b"x" + row[67:],
        "ciphertext": row[:78] + bytes([row[78] ^ 1]) + row[79:],
        "tag": row[:-1] + bytes([row[-1] ^ 1]),
        "other-context": second.seal(key, ctx[:-1] + b"\x02", b"p", b"s" * 32, b"i" * 12),
        "other-key": second.seal(bytes(32), ctx, b"p", b"s" * 32, b"i" * 12),
    }


DASH = "\u2014 "
SAYING = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER = DASH + ("PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
                "\n")
ENOCH = DASH + ("EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ="
                "\n")
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"


def note():
    """Published notes and checkpoints; the first byte chooses the parser."""
    checkpoint = "example.com/behind-the-sofa\n20852163\n" + ROOT
    proof = "c2sp.org/tlog-proof@v1\n"
    inputs = {
        "note": (0, SAYING + "\n" + PETER),
        "note-two": (0, SAYING + "\n" + PETER + ENOCH),
        "note-unknown": (0, SAYING + "\n" + ENOCH),
        "note-bad": (0, SAYING + "\n" + PETER.replace("nAM=", "nBM=")),
        "note-short-signature": (0, SAYING + "\n" + DASH + "PeterNeumann x08go/ZJ\n"),
        "note-no-signature": (0, SAYING),
        "note-blank-lines": (0, "a\n\nb\n\n" + PETER),
        "note-control": (0, "a\tb\n\n" + PETER),
        "key": (1, "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"),
        "key-other-algorithm": (1, "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"),
        "key-upper-case": (1, "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"),
        "checkpoint": (2, checkpoint),
        "checkpoint-empty": (2, "o\n0\n" + ROOT),
        "checkpoint-largest": (2, "o\n18446744073709551615\n" + ROOT),
        "checkpoint-extension": (2, checkpoint + "one\ntwo\n"),
        "checkpoint-leading-zero": (2, "o\n01\n" + ROOT),
        "proof": (3, proof + "index 5\n" + ROOT * 3 + "\n" + checkpoint + "\n" + PETER),
        "proof-extra": (3, proof + "extra YWJj\nindex 0\n\n" + checkpoint + "\n" + PETER),
        "proof-long": (3, proof + "index 5\n" + ROOT * 66 + "\n" + checkpoint),
        "proof-version": (3, "c2sp.org/tlog-proof@v2\nindex 0\n\nx"),
    }
    return {name: bytes([kind]) + body.encode() for name, (kind, body) in inputs.items()}


def certificate():
    """Texts and whole files of the second implementation, one of each state, and what must be refused."""
    sys.path.insert(0, str(CORPUS.parent.parent / "vectors"))
    sys.dont_write_bytecode = True
    import make_certificate_vectors as second
    time, full = second.TIME, second.FINAL
    file = second.certificate("final")
    head, _, checkpoint = file[len(full) + 1:].partition("\n\n")
    seeds = {
        "pending": second.PENDING,
        "effective": second.EFFECTIVE,
        "final": full,
        "doubled": full + full,
        "cut": full[:700],
        "version": full.replace("destruction v2", "destruction v1"),
        "many-keepers": full.replace("keepers: 3", "keepers: 18446744073709551615"),
        "swapped": full.replace("backup 1", "backup 2", 1),
        "offset-time": full.replace(time, "2026-07-01T02:00:00+02:00"),
        "file-pending": second.certificate("pending"),
        "file-effective": second.certificate("effective"),
        "file-final": file,
        "file-version": file.replace("destruction v2", "destruction v1"),
        "file-forged": file.replace("state: final", "state: effective"),
        "file-index": file.replace("\nindex 10\n", "\nindex 9\n"),
        "file-extra": file.replace("\nindex 10\n", "\nextra YWJj\nindex 10\n"),
        "file-cut": file[:-40],
        "file-no-proof": full + "\n",
        "file-note": second.signed(full),
        "file-long-path": full + "\n" + head + "\n" + head.rsplit("\n", 1)[1] + "\n\n" + checkpoint,
        "file-size": file.replace("/certificates\n11\n", "/certificates\n18446744073709551615\n"),
    }
    return {name: text.encode() for name, text in seeds.items()}


def audit_row():
    """Rows with and without names and items; docs/FORMAT.md "Audit log"."""
    def row(purpose=b"", recipient=b"", items=b"", effect=1, version=1):
        head = struct.pack(">BBBBBHHIQqQQ", version, effect, 0, len(purpose), len(recipient), 7, 0, 1, 0,
                           1782864000000, 1, 1)
        return head + b"p" * 16 + b"r" * 16 + hashlib.sha256(items).digest() + purpose + recipient + items

    def item(kind, body, origin=b"o" * 16, payload_id=b"i" * 16):
        return bytes([kind]) + origin + payload_id + struct.pack(">I", len(body)) + body

    sealed = item(1, b"sealed")
    evidence = item(2, b"e" * 32, bytes(16), bytes(16))
    return {
        "bare": row(),
        "names": row(b"customer-support", b"acme"),
        "items": row(b"customer-support", b"", sealed + evidence + item(1, b"")),
        "item-cut": row(items=sealed[:-1]),
        "item-kind": row(items=item(3, b"x")),
        "item-of-4g": row(items=sealed[:33] + b"\xff\xff\xff\xff"),
        "bad-evidence": row(items=item(2, b"e" * 31, bytes(16), bytes(16))),
        "effect": row(effect=6),
        "version": row(version=2),
        "long-name": row(b"n" * 65),
        "bad-name": row(b"two words"),
        "cut": row()[:100],
        "other-hash": row(items=sealed)[:-1] + b"x",
    }


def schema():
    """Collections and mappings; the examples of docs/ lie beside them as files of their own."""
    return {
        "security-code": b"name: p\nfields: [{name: cvv, type: text, category: B}]\n",
        "options": b"name: p\nfields:\n  - {name: a, type: enum, category: A, options: {values: [x, 'on', '1']}}\n"
                   b"  - {name: b, type: integer, category: A, options: {min: -5, max: 5}}\n"
                   b"  - {name: c, type: text, category: A, also: [B, U], options: {max: 9}, doc: \"a\\x85b\"}\n",
        "field-twice": b"name: p\nfields: [{name: a, type: text, category: A}, {name: a, type: text, category: A}]\n",
        "json-column": b"name: m\nsubject: id\ncolumns: {a: {field: b.c, as: json}}\nignore: [x]\nguarded: true\n",
    }


def field_types():
    """The first byte chooses the type by its place in the table, the second its options: 1 reserved, 2 token."""
    names = ("text integer boolean enum json blob token url name address country region postal_code language birth_date"
             " date datetime time duration email phone ip mac device_id pan card_expiry iban account_number us_ssn"
             " driver_licence passport government_id health_id").split()
    values = {
        "text": "=1+1", "integer": "-9223372036854775808", "boolean": "1", "enum": "self", "json": "{}", "blob": "x",
        "token": "call-000001", "url": "https://[2001:db8::1]:8443/a%20b?q#f", "name": "Jose\u0301",
        "address": "1 St\n2",
        "country": "us", "region": "us-ca", "postal_code": "97614-5832", "language": "zh-hans-cn-x-a",
        "birth_date": "2024-02-29", "date": "0001-01-01", "datetime": "1996-12-19T16:39:57.5-08:00",
        "time": "08:15:30.25",
        "duration": "14401", "email": '"odd, 83"@b\u00fccher.example', "phone": "+1 (857) 555-0155",
        "ip": "2001:0DB8:65CC:A844:0000:0000:0000:0592", "mac": "0000.5E00.53AF",
        "device_id": "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", "pan": "4111 1111 1111 1111", "card_expiry": "01/30",
        "iban": "gb29 nwbk 6016 1331 9268 19", "account_number": "12-34-56 12345678", "us_ssn": "987654321",
        "driver_licence": "CA-ZZ3892619", "passport": "l01x00t47", "government_id": "900101-1234",
        "health_id": "1EG4-TE5-MK73",
    }
    return {f"{name}-{options}": bytes([names.index(name), options]) + value.encode()
            for name, value in values.items() for options in (0, 3)}


def record_row():
    return {
        "empty": b"\x91\x01",
        "all": b"\x9b\x01\x01\xa3Ada\x02\x07\x03\xc3\x04\x81\xa1a\x91\xc0\x05\xabNNN-NN-NNNN",
        "other-format": b"\x91\x02",
        "unknown-number": b"\x93\x01\x09\xa1x",
        "twice": b"\x95\x01\x01\xa1x\x01\xa1y",
        "wrong-kind": b"\x93\x01\x01\x07",
        "no-value": b"\x92\x01\x01",
        "nil": b"\x93\x01\x04\xc0",
    }


def scan():
    return {
        "card": b"paid by phone with 4000 0006 9151 3198 12/30",
        "ssn": b"reads 957-13-9461 over the line",
        "iban": b"refund to gb29 nwbk 6016 1331 9268 19.",
        "phone": b"also reachable at +1 (212) 555-0185",
        "email": "<j\u00f6rg@b\u00fccher.example>, bo@example.org.".encode(),
        "ip": b"203.0.113.174:443 [2001:db8::1]",
        "none": b"order 4000005847632470 build 1.2.3.4.5 part 12-345-6789-0 ref GB00TEST00000012345678",
    }


def store_pages():
    """Changes to a sound data file: offset 3, value 1. Offsets: docs/FORMAT.md "Store"."""
    def change(*pairs):
        return b"".join(struct.pack(">IB", offset, value)[1:] for offset, value in pairs)

    metas = (0, 4096)
    return {
        "none": b"",
        "last-page": change(*((meta + 136 + 5, 0x40) for meta in metas)),
        "page-size": change(*((meta + 40 + 1, 0x20) for meta in metas)),
        "free-root": change(*((meta + 80, 0x03) for meta in metas)),
        "main-depth": change(*((meta + 88 + 6, 0xFF) for meta in metas)),
        "page-flags": change(*((page * 4096 + 10, 0x04) for page in range(2, 12))),
        "first-node": change(*((page * 4096 + 16, 0xFE) for page in range(2, 12))),
        "lower": change(*((page * 4096 + 13, 0x0F) for page in range(2, 12))),
        "short-value": change(*((page * 4096 + offset, 4) for page in range(2, 12) for offset in range(3900, 4096, 4))),
    }


def page():
    """The first byte chooses the kind, 0x80 the stored value itself; docs/FORMAT.md "Keyring"."""
    def head(kind, count):
        return bytes([1, kind]) + struct.pack(">H", count) + bytes(12)

    def slot(number, bits, kind=1):
        return struct.pack(">Q", number) + b"k" * 32 + struct.pack(">QBB", 1, kind, bits) + bytes(6)

    entries = b"".join(bytes([i]) * 16 + b"p" * 49 for i in range(3))
    halves = slot(1, 1) * 32 + slot(2, 1) * 32
    key = struct.pack(">HQIBBQQ", 3, 0, 1, 1, 0, 1782864000000, 0) + b"d" * 32
    block = bytes([1, 0]) + struct.pack(">HI", 2, 4) + b"a" * 32 + b"y" * 32 + key + key.replace(b"\x00\x03", b"\x00\x04", 1)
    root_head = bytes([1]) + b"v" * 16 + struct.pack(">QQ", 1, 3) + b"t" * 16 + struct.pack(">QQ", 7, 9)
    root = bytes([1]) + bytes(7) + struct.pack(">QQ", 5, 9) + b"t" * 16 + bytes(8) + slot(1, 6) + slot(2, 6)
    return {
        "leaf": b"\x00" + head(1, 3) + entries,
        "leaf-full": b"\x00" + head(1, 60) + entries * 20,
        "leaf-too-many": b"\x00" + head(1, 61),
        "leaf-version": b"\x00\x02" + head(1, 0)[1:],
        "inner": b"\x01" + head(2, 0) + halves,
        "inner-crooked": b"\x01" + head(2, 0) + slot(1, 1) * 31 + slot(2, 1) * 33,
        "inner-no-child": b"\x01" + head(2, 0),
        "tenant": b"\x02" + head(3, 2),
        "root": b"\x03" + root_head + root,
        "root-other-commit": b"\x03" + root_head[:-1] + b"x" + root,
        "block": b"\x04" + block,
        "block-too-many": b"\x04" + block[:2] + b"\xff\xff" + block[4:],
        "block-cut": b"\x04" + block[:71],
        "value": b"\x80" + bytes(4080),
        "value-root": b"\x83" + root_head + bytes(590),
        "value-block": b"\x84" + bytes(256),
    }


def config():
    full = ("data_dir: /var/lib/vaultd\nlisten: 127.0.0.1:7470\ntls:\n  certificate: /etc/vaultd/tls.pem\n"
            "  key: /etc/vaultd/tls.key\nkeepers:\n  - {name: local, file: /var/lib/vaultd-keeper/slot}\nquorum: 1\n"
            "journal:\n  dir: /mnt/journal\n  sync_interval_ms: 0\nepoch: {close_after_count: 1000, close_after_s: 900}\n"
            "purposes: [customer-support, billing]\nlog_level: info\n")
    texts = {
        "empty": "",
        "full": full,
        "unknown": full + "colour: red\n",
        "twice": full + "quorum: 2\n",
        "range": full.replace("quorum: 1", "quorum: 0"),
        "type": full.replace("quorum: 1", "quorum: one"),
        "list": "- a\n- b\n",
        "keeper-text": "keepers: [x]\n",
        "keeper-unknown": "keepers: [{name: a, file: /b, colour: red}]\n",
        "keeper-many": "keepers:\n" + "".join(f"  - {{name: k{i}, file: /k/{i}}}\n" for i in range(17)),
        "purposes-map": "purposes: {a: b}\n",
        "nested": "tls: {certificate: {a: b}}\n",
        "null": "data_dir: null\nlisten: ~\n",
        "cut": full[:90],
    }
    return {name: text.encode() for name, text in texts.items()}


def rpc():
    """The first byte is the length of the pieces."""
    def frame(kind, number, *rest):
        return bytes([0x92 + len(rest), kind]) + number + b"".join(rest)

    call = frame(0, b"\x07", msgpack_str("subject.show"), b"\x81" + msgpack_str("subject") + msgpack_str("s-1"))
    error = b"\x82" + msgpack_str("status") + b"\x0c" + msgpack_str("code") + msgpack_str("not_found")
    streams = {
        "call": call,
        "three-calls": call * 3,
        "number-of-32-bits": frame(0, b"\xce\xff\xff\xff\xff", b"\xa0", b"\x80"),
        "number-too-wide": frame(0, b"\xcf" + b"\xff" * 8, b"\xa0", b"\x80"),
        "number-negative": frame(0, b"\xff", b"\xa0", b"\x80"),
        "params-array": frame(0, b"\x01", msgpack_str("x"), b"\x90"),
        "method-binary": frame(0, b"\x01", b"\xc4\x01x", b"\x80"),
        "notification": b"\x93\x02" + msgpack_str("x") + b"\x80",
        "result": frame(1, b"\x01", b"\xc0", b"\x80"),
        "error": frame(1, b"\x01", error, b"\xc0"),
        "both": frame(1, b"\x01", error, b"\x80"),
        "cut": call[:-3],
        "deep": frame(0, b"\x01", msgpack_str("x"), b"\x81\xa1a" + b"\x91" * 40 + b"\xc0"),
        "array-of-4g": b"\xdd\xff\xff\xff\xff",
        "not-an-array": b"\x07",
    }
    return {name: bytes([len(name)]) + raw for name, raw in streams.items()}


def keeper_frame():
    """The first byte is the operation that an answer belongs to."""
    def binary(raw):
        return b"\xc4" + bytes([len(raw)]) + raw

    def table(**fields):
        return bytes([0x80 | len(fields)]) + b"".join(msgpack_str(name) + value for name, value in fields.items())

    def call(operation, **fields):
        common = {"version": b"\x01", "vault": binary(bytes(16))}
        return b"\x94\x00\x01" + msgpack_str("keeper." + operation) + table(**common, **fields)

    def answer(result):
        return b"\x94\x01\x01\xc0" + result

    attempt = {"incarnation": b"\x01", "epoch": b"\x02", "attempt": binary(b"a" * 16)}
    shared = {**attempt, "k": b"\x02", "m": b"\x03", "x": b"\x01", "share": binary(b"s" * 126)}
    slot = {"state": b"\x02", "vault": binary(bytes(16)), **shared}
    floor = {"vault": binary(bytes(16)), "incarnation": b"\x01", "epoch": b"\x02", "commit": b"\x03"}
    frames = {
        "info": call("info"),
        "read": call("read"),
        "floor": call("floor"),
        "prepare": call("prepare", **shared),
        "finalize": call("finalize", **attempt, commit=b"\x07"),
        "abort": call("abort", **attempt),
        "raise-floor": call("raise_floor", incarnation=b"\x01", epoch=b"\x02", commit=b"\x09"),
        "of-info": answer(table(version=b"\x01", keeper=binary(bytes(8)), verifier=msgpack_str("vaultd-keeper/x"))),
        "of-read": answer(table(slots=b"\x92" + table(**slot) * 2)),
        "of-read-none": answer(table(slots=b"\x90")),
        "of-floor": answer(table(**floor)),
        "of-finalize": answer(table(receipt=binary(b"a receipt\n"))),
        "of-abort": answer(b"\x80"),
        "refused": b"\x94\x01\x01" + table(status=msgpack_str("conflict"), code=b"\x17", message=msgpack_str("No.")) + b"\xc0",
        "cut": call("prepare", **shared)[:-3],
    }
    operations = {"of-read": 1, "of-read-none": 1, "of-floor": 2, "of-finalize": 4, "of-abort": 5}
    return {name: bytes([operations.get(name, 0)]) + raw for name, raw in frames.items()}


# One a line, so that targets come and go without touching each other.
CORPORA = {made.__name__: made for made in (
    msgpack,
    csv,
    yaml,
    json,
    text,
    seal,
    note,
    certificate,
    audit_row,
    schema,
    field_types,
    record_row,
    scan,
    page,
    store_pages,
    config,
    keeper_frame,
    rpc,
)}


def check():
    wrong = 0
    for target, seeds in CORPORA.items():
        for name, raw in seeds().items():
            path = CORPUS / target / name
            if not path.is_file() or path.read_bytes() != raw:
                print(f"{path}: missing or different: run make_corpus.py")
                wrong += 1
    for folder in sorted(CORPUS.iterdir()):
        if not any(folder.iterdir()):
            print(f"{folder}: empty")
            wrong += 1
    return 1 if wrong else 0


def write():
    for target, seeds in CORPORA.items():
        (CORPUS / target).mkdir(parents=True, exist_ok=True)
        for name, raw in seeds().items():
            (CORPUS / target / name).write_bytes(raw)
    return 0


if __name__ == "__main__":
    sys.exit(check() if sys.argv[1:] == ["--check"] else write())
