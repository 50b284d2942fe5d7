#!/usr/bin/python3
"""Writes the seed inputs of the fuzz targets: tests/fuzz/corpus/<target>/<name>, the same bytes on every run.

    make_corpus.py            write them all
    make_corpus.py --check    fail when one is missing or differs, or a target has none

A target's seeds are a function below, named in CORPORA. Inputs that once broke something lie beside them under names of
their own; they are not written here and not removed.
"""
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


CORPORA = {"msgpack": msgpack, "csv": csv, "yaml": yaml, "json": json, "text": text, "seal": seal}


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
