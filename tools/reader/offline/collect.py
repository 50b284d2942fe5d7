"""All that lies in the files, found and indexed; nothing is opened here.

A thing that lies in several files, or in several pages of one, is one item: the same bytes are the same bytes. What is kept
of it is where it lies, not what it is, so that memory grows with the number of things and not with their size.
"""
import hashlib
import sys
from typing import Callable, Iterator, Optional

from . import certificates, journal, keepers, lmdb, notes, system, tables, tree, wraps
from .codec import ZERO16, Malformed, UnknownVersion, number, want_version
from .pile import DATA, JOURNAL, KEEPER, NOTE, RAW_KEEPER, SHARE, File, Pile, Place
from .seal import HEADER, MARK, OVERHEAD

STORE_FORMAT = 3
# A value too long for a leaf has one of these lengths: pieces of long rows, blocks of more than 14 and up to 256 keys.
LOOSE_ROWS = tuple(17 + OVERHEAD + padded for padded in (2048, 3968))
LOOSE_KEY_BLOCKS = tuple(12 + OVERHEAD + padded for padded in (2048, 3968, *range(4096, 5 * 4096 + 1, 4096)))


def digest_of(raw: bytes) -> bytes:
    return hashlib.blake2b(raw, digest_size=16).digest()


class Item:
    """One ciphertext. `names` are the keys under which tables had it; a free page may pair it with a wrong one."""
    __slots__ = ("place", "files", "used", "names", "step", "is_damaged")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.files = 0                      # bit i: file i has it
        self.used = 0                       # bit i: file i has it in use, not only in a free page
        self.names: tuple[bytes, ...] = ()
        self.step: Optional[object] = None  # how it was opened
        self.is_damaged = False


class Found:
    """Everything that the files hold, by what it is."""

    def __init__(self, pile: Pile) -> None:
        self.pile = pile
        self.items: dict[int, dict[bytes, Item]] = {}               # table -> digest of the value -> item
        self.slots: list[keepers.Slot] = []
        self.wraps: dict[wraps.Wrap, Item] = {}
        self.roots: dict[bytes, tuple[tree.RootRecord, Item]] = {}
        self.pages_by_name: dict[tuple[bytes, int], list[Item]] = {}        # (key, page version)
        self.pages_in_use: dict[bytes, list[Item]] = {}             # key -> those that some file has in use, of any version
        self.pages_by_version: dict[int, list[Item]] = {}
        self.key_blocks: dict[bytes, list[Item]] = {}               # sid
        self.rows: dict[int, list[Item]] = {}                       # record
        self.owners: dict[int, set[bytes]] = {}                     # record -> sids; see owners_of()
        self.sid_files: dict[bytes, int] = {}                       # sid -> bit i: file i says which records it has
        self.vault_files: dict[bytes, int] = {}                     # vault -> bit i: file i has a root record of it
        self.records: dict[bytes, set[int]] = {}                    # sid -> records
        self.acted_on: dict[bytes, set[tuple[system.Scope, int]]] = {}      # sid -> (scope, ledger sequence)
        self.loose: dict[int, dict[bytes, Item]] = {tables.ROW: {}, tables.KEYBLOCK: {}}    # first bytes -> value without a name
        self.certificates: dict[tuple[str, int], dict[str, certificates.Certificate]] = {}  # (vault id, number) -> by state
        self.logs: dict[int, certificates.Log] = {}                 # file -> its log of certificates
        self.manifests: list[tuple[notes.Note, int]] = []           # note, file
        self.subjects: set[bytes] = set()                           # every sid that any file names
        self.vouched_for: set[bytes] = set()                        # those that another table than RECORD names

    # Items.

    def item(self, table: int, raw: bytes, place: Place, is_used: bool, name: bytes) -> tuple[Item, bool]:
        """The item of this value, and whether this name of it is new."""
        of_table = self.items.setdefault(table, {})
        digest = digest_of(raw)
        item = of_table.get(digest)
        if item is None:
            item = of_table[digest] = Item(place)
        bit = 1 << place.file
        item.files |= bit
        if is_used:
            item.used |= bit
        if name in item.names:
            return item, False
        item.names += (name,)
        return item, True

    def vouch_for(self, sid: bytes) -> None:
        self.subjects.add(sid)
        self.vouched_for.add(sid)

    def owner(self, sid: bytes, record: int, files: int) -> None:
        self.subjects.add(sid)
        self.sid_files[sid] = self.sid_files.get(sid, 0) | files
        self.owners.setdefault(record, set()).add(sid)
        self.records.setdefault(sid, set()).add(record)

    def owners_of(self, record: int, item: Item) -> list[bytes]:
        """Whose record it may be. Two vaults in one pile number their records alike: files of the row's own vault come first."""
        return self.kin_of(record, item) or sorted(self.owners.get(record, ()))

    def kin_of(self, record: int, item: Item) -> list[bytes]:
        """Whose record it is by what the files of the row's own vault say."""
        kin = item.files
        for files in self.vault_files.values():
            if files & item.files:
                kin |= files
        return [sid for sid in sorted(self.owners.get(record, ())) if self.sid_files[sid] & kin]

    def all_of(self, table: int) -> Iterator[Item]:
        return iter(self.items.get(table, {}).values())

    # One entry of a table, from whatever file.

    def entry(self, table: int, key: bytes, place: Place, is_used: bool) -> None:
        """Sort one entry in. Raises Malformed when it is not what its table says."""
        if table == tables.RECORD:
            self.owner(key[:16], number(key, 18, 8), 1 << place.file)
        elif table == tables.LEDGER_SID:
            scope = system.parse_scope(key)
            if scope.sid == ZERO16:                         # a take-over is about nobody
                return
            self.vouch_for(scope.sid)
            self.acted_on.setdefault(scope.sid, set()).add((scope, number(key, 26, 8)))
        elif table == tables.STORE:
            self.check_store(key, self.pile.read(place), is_used)
        else:
            taker = TAKERS.get(table)
            if taker is not None:
                taker(self, key, self.pile.read(place), place, is_used)

    @staticmethod
    def check_store(key: bytes, raw: bytes, is_used: bool) -> None:
        if key == b"format" and is_used:
            want_version("a store", int.from_bytes(raw, "big"), STORE_FORMAT)

    def take_page(self, key: bytes, raw: bytes, place: Place, is_used: bool) -> None:
        item, is_new = self.item(tables.PAGE, raw, place, is_used, key)
        version = tree.page_head(raw).page_version
        if len(item.names) == 1 and is_new:
            self.pages_by_version.setdefault(version, []).append(item)
        if is_new:
            self.pages_by_name.setdefault((key, version), []).append(item)
        if is_used and item not in self.pages_in_use.setdefault(key, []):
            self.pages_in_use[key].append(item)

    def take_key_block(self, key: bytes, raw: bytes, place: Place, is_used: bool) -> None:
        item, is_new = self.item(tables.KEYBLOCK, raw, place, is_used, key)
        if is_new:
            self.vouch_for(key)
            self.key_blocks.setdefault(key, []).append(item)

    def take_row(self, key: bytes, raw: bytes, place: Place, is_used: bool) -> None:
        item, is_new = self.item(tables.ROW, raw, place, is_used, key)
        if is_new:
            self.rows.setdefault(number(key, 0, 8), []).append(item)

    def take_pending(self, key: bytes, raw: bytes, place: Place, is_used: bool) -> None:
        scope = system.parse_scope(key)
        self.vouch_for(scope.sid)
        self.item(tables.PENDING, raw, place, is_used, key)

    def take_hold(self, key: bytes, raw: bytes, place: Place, is_used: bool) -> None:
        if key[8:24] != ZERO16:
            self.subjects.add(key[8:24])
        self.item(tables.HOLD, raw, place, is_used, key)

    def take_waiting(self, key: bytes, raw: bytes, place: Place, is_used: bool) -> None:
        self.subjects.add(key[16:32])
        self.item(tables.WAITING, raw, place, is_used, key)

    def take_certificate(self, key: bytes, raw: bytes, place: Place, is_used: bool) -> None:
        self.certificate(number(key, 1, 8), certificates.parse_row(raw, place.file), is_used)

    def certificate(self, count: int, certificate: certificates.Certificate, is_used: bool) -> None:
        states = self.certificates.setdefault((certificate.lines.get("vault", ""), count), {})
        state = certificate.lines.get("state", "")
        if is_used or state not in states:
            states[state] = certificate

    def take_log(self, key: bytes, raw: bytes, place: Place, is_used: bool) -> None:
        if is_used:
            self.logs.setdefault(place.file, certificates.Log()).take(key, raw)

    def take_meta(self, key: bytes, raw: bytes, place: Place, is_used: bool) -> None:
        if key == b"root":
            self.take_root(key, raw, place, is_used)
        elif key == b"wraps":
            held, is_whole = wraps.parse_wraps(raw)
            for wrap in held:
                item = self.wraps.setdefault(wrap, Item(place))
                item.files |= 1 << place.file
                item.used |= is_used << place.file
            if not is_whole:
                raise Malformed("the wraps of the unseal key do not fit their hash")
        elif key.startswith((b"closing", b"rotate.")):
            self.item(tables.META, raw, place, is_used, key)

    def take_root(self, key: bytes, raw: bytes, place: Place, is_used: bool) -> None:
        item, is_new = self.item(tables.META, raw, place, is_used, key)
        if is_new:
            self.roots[raw] = (tree.parse_root_record(raw), item)
        vault = self.roots[raw][0].vault
        self.vault_files[vault] = self.vault_files.get(vault, 0) | 1 << place.file

    # Files.

    def read_file(self, file: File) -> None:
        """All that one file holds. What cannot be read becomes a line of file.damage."""
        readers: dict[str, Callable[[File], None]] = {
            DATA: self.read_data, JOURNAL: self.read_journal, KEEPER: self.read_keeper, RAW_KEEPER: self.read_keeper,
            NOTE: self.read_note, SHARE: self.read_share}
        reader = readers.get(file.kind)
        if reader is None:
            return
        try:
            reader(file)
        except Malformed as wrong:
            file.damage.append(str(wrong))

    def read_data(self, file: File) -> None:
        data = lmdb.open_data_file(file)
        counts, of_meta, unknown = [0, 0], set(), set()
        for entry in data.entries():
            counts[entry.table is None] += self.data_entry(file, entry)
            if entry.table == b"meta":
                of_meta.add(entry.key)
            elif entry.table is not None and entry.table not in tables.NAMES:
                unknown.add(entry.table)
        file.damage += [f"a table {lmdb.table_text(name)} that no version known here has: its entries are read by their shape"
                        for name in sorted(unknown)]
        file.damage += [f"table meta has no {name}" for name in ("root", "wraps") if of_meta and name.encode() not in of_meta]
        for at in data.unnamed_values():
            self.take_loose(file, at)
        commit = f"transaction {data.newest.transaction}" if data.newest else "no meta page"
        file.summary = f"{commit}, {counts[0]} entries in use, {counts[1]} in free pages"

    def data_entry(self, file: File, entry: lmdb.Entry) -> bool:
        """Sort in one entry of a data file; False when it is none of ours."""
        head = file.map[entry.at:entry.at + 80]
        table = None if entry.table is None else tables.NAMES.get(entry.table)
        if table is None:
            table = tables.table_by_shape(entry.key, entry.length, head)
            if table is None:
                return False
        elif tables.is_ignored(table, entry.key):
            return True
        elif not tables.fits(table, entry.key, entry.length, head):
            name = lmdb.table_text(entry.table or b"")
            file.damage.append(f"an entry of table {name} at byte {entry.at} has another shape than its section")
            return False
        self.sort_in(file, table, entry.key, Place(file.number, entry.at, entry.length), entry.table is not None)
        return True

    def sort_in(self, file: File, table: int, key: bytes, place: Place, is_used: bool) -> None:
        """entry(), where what is malformed is damage if it is in use, and a remnant otherwise."""
        try:
            self.entry(table, key, place, is_used)
        except UnknownVersion as wrong:
            file.damage.append(f"byte {place.at}: {wrong}")
        except Malformed as wrong:
            if is_used:
                file.damage.append(f"byte {place.at}: {wrong}")

    def take_loose(self, file: File, at: int) -> None:
        """A value that no leaf in use names: by its shape a page of the tree, a row or a key block. Each begins with an
        incarnation, of which the first bytes are zero."""
        head = file.map[at:at + 26]
        if head[:6] != bytes(6):
            return
        if head[24:26] == MARK and at + tables.PAGE_VALUE <= file.size:
            raw = file.map[at:at + tables.PAGE_VALUE]
            item, is_new = self.item(tables.PAGE, raw, Place(file.number, at, tables.PAGE_VALUE), False, b"")
            if is_new and len(item.names) == 1:
                self.pages_by_version.setdefault(tree.page_head(raw).page_version, []).append(item)
        for table, before_seal, lengths in ((tables.ROW, 17, LOOSE_ROWS), (tables.KEYBLOCK, 12, LOOSE_KEY_BLOCKS)):
            if head[before_seal:before_seal + 2] == MARK and at + before_seal + OVERHEAD <= file.size:
                place = Place(file.number, at, min(lengths[-1], file.size - at))
                self.loose[table].setdefault(file.map[at:at + before_seal + HEADER], Item(place)).files |= 1 << file.number

    def nameless(self, table: int) -> list[Item]:
        """The values of a table whose name is not known for certain: no file has them in use, and under the names that free leaves
        give them they did not open. Call it when all that has a name was tried."""
        known, lengths = self.items.get(table, {}), LOOSE_ROWS if table == tables.ROW else LOOSE_KEY_BLOCKS
        found = []
        for item in self.loose[table].values():
            raw = self.pile.read(item.place)
            same = [known.get(digest_of(raw[:length])) for length in lengths if length <= len(raw)]
            if not any(other is not None and (other.used or other.step) for other in same):
                found.append(item)
        return found

    def read_journal(self, file: File) -> None:
        records = journal.open_journal(file)
        for row in records.rows():
            head = file.map[row.at:row.at + 80]
            if not tables.fits(row.table, row.key, row.length, head):
                if tables.is_ignored(row.table, row.key):
                    continue
                file.damage.append(f"byte {row.at}: a row of table {row.table} has another shape than its section")
                continue
            self.sort_in(file, row.table, row.key, Place(file.number, row.at, row.length), False)
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(records.kinds.items()))
        file.summary = f"{records.records} records" + (f": {kinds}" if kinds else "")

    def read_keeper(self, file: File) -> None:
        keepers.check_size(file)
        self.slots += keepers.read_keeper(file, file.kind == RAW_KEEPER)

    def read_note(self, file: File) -> None:
        raw = bytes(file.map[:1 << 20])
        if raw.startswith(certificates.TITLE.encode()):
            self.read_certificate(file, raw)
            return
        note = notes.parse_note(raw)
        file.summary = note.title
        if note.title == notes.MANIFEST:
            self.manifests.append((note, file.number))
            file.summary += f", backup {note.lines.get('backup', '')[:8]}, epoch {note.lines.get('epoch', '')}"

    def read_certificate(self, file: File, raw: bytes) -> None:
        certificate = certificates.parse_file(raw, file.number)
        file.summary = certificates.FIRST_LINE
        if certificate.lines.get("number", "").isdigit():
            self.certificate(int(certificate.lines["number"]), certificate, True)

    def read_share(self, file: File) -> None:
        file.notes.append("not used: give it with --unseal share:FILE")


Taker = Callable[[Found, bytes, bytes, Place, bool], None]


def sealed_taker(table: int) -> Taker:
    """For tables of which only the ciphertexts matter."""
    def take(found: Found, key: bytes, raw: bytes, place: Place, is_used: bool) -> None:
        found.item(table, raw, place, is_used, key)
    return take


TAKERS: dict[int, Taker] = {
    tables.META: Found.take_meta, tables.PAGE: Found.take_page, tables.KEYBLOCK: Found.take_key_block, tables.ROW: Found.take_row,
    tables.PENDING: Found.take_pending, tables.HOLD: Found.take_hold, tables.WAITING: Found.take_waiting,
    tables.CERTIFICATE: Found.take_certificate, tables.CERTIFICATE_LOG: Found.take_log,
    **{table: sealed_taker(table) for table in (tables.TOKEN, tables.AUDIT, tables.LEDGER, tables.CONFIG, tables.IDEMPOTENCY,
                                                tables.APPROVAL)}}


def collect(pile: Pile, progress: Callable[[str], None]) -> Found:
    """Read every file of the pile."""
    found = Found(pile)
    for file in pile.files:
        progress(f"reading {file.path}: {file.kind}, {file.size} bytes")
        found.read_file(file)
    return found


def to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
