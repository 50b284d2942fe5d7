"""All that lies in the files, found and indexed; nothing is opened here.

A thing that lies in several files, or in several pages of one, is one item: the same bytes are the same bytes. What is kept
of it is where it lies, not what it is, so that memory grows with the number of things and not with their size.
"""
import hashlib
import sys
from typing import Callable, Iterator, Optional

from . import certificates, journal, keepers, lmdb, notes, system, tables, tree, wraps
from .codec import ZERO16, Malformed, UnknownVersion, number
from .pile import DATA, JOURNAL, KEEPER, NOTE, RAW_KEEPER, SHARE, File, Pile, Place
from .seal import MARK, OVERHEAD

LOOSE_ROWS = (17 + OVERHEAD + 2048, 17 + OVERHEAD + 3968)           # a value too long for a leaf has one of these lengths
LOOSE_KEY_BLOCKS = (12 + OVERHEAD + 2048, 12 + OVERHEAD + 3968)


class Item:
    """One ciphertext. `names` are the keys under which tables had it; a free page may pair it with a wrong one."""
    __slots__ = ("place", "files", "used", "names", "step", "is_damaged", "is_looked_at")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.files = 0                      # bit i: file i has it
        self.used = 0                       # bit i: file i has it in use, not only in a free page
        self.names: tuple[bytes, ...] = ()
        self.step: Optional[object] = None  # how it was opened
        self.is_damaged = False
        self.is_looked_at = False           # a row whose subject is known


class Found:
    """Everything that the files hold, by what it is."""

    def __init__(self, pile: Pile) -> None:
        self.pile = pile
        self.items: dict[int, dict[bytes, Item]] = {}               # table -> digest of the value -> item
        self.slots: list[keepers.Slot] = []
        self.wraps: dict[wraps.Wrap, Place] = {}
        self.roots: dict[bytes, tuple[tree.RootRecord, Item]] = {}
        self.pages_by_name: dict[tuple[bytes, int], list[Item]] = {}        # (key, page version)
        self.pages_by_version: dict[int, list[Item]] = {}
        self.key_blocks: dict[bytes, list[Item]] = {}               # sid
        self.rows: dict[int, list[Item]] = {}                       # record
        self.owners: dict[int, set[bytes]] = {}                     # record -> sids; see owners_of()
        self.sid_files: dict[bytes, int] = {}                       # sid -> bit i: file i says which records it has
        self.vault_files: dict[bytes, int] = {}                     # vault -> bit i: file i has a root record of it
        self.records: dict[bytes, set[int]] = {}                    # sid -> records
        self.acted_on: dict[bytes, set[tuple[system.Scope, int]]] = {}      # sid -> (scope, ledger sequence)
        self.pending: set[system.Scope] = set()
        self.loose_rows: list[Item] = []
        self.loose_key_blocks: list[Item] = []
        self.meta: dict[tuple[bytes, bytes], Item] = {}             # (name, digest): closing batches, places of rotations
        self.certificates: dict[tuple[str, int], dict[str, certificates.Certificate]] = {}  # (vault id, number) -> by state
        self.logs: dict[int, certificates.Log] = {}                 # file -> its log of certificates
        self.manifests: list[tuple[notes.Note, int]] = []           # note, file
        self.subjects: set[bytes] = set()                           # every sid that any file names

    # Items.

    def item(self, table: int, raw: bytes, place: Place, is_used: bool, name: bytes) -> tuple[Item, bool]:
        """The item of this value, and whether this name of it is new."""
        of_table = self.items.setdefault(table, {})
        digest = hashlib.blake2b(raw, digest_size=16).digest()
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

    def owner(self, sid: bytes, record: int, files: int) -> None:
        self.subjects.add(sid)
        self.sid_files[sid] = self.sid_files.get(sid, 0) | files
        self.owners.setdefault(record, set()).add(sid)
        self.records.setdefault(sid, set()).add(record)

    def owners_of(self, record: int, item: Item) -> list[bytes]:
        """Whose record it may be. Two vaults in one pile number their records alike: files of the row's own vault come first."""
        sids = sorted(self.owners.get(record, ()))
        kin = item.files
        for files in self.vault_files.values():
            if files & item.files:
                kin |= files
        return [sid for sid in sids if self.sid_files[sid] & kin] or sids

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
            self.subjects.add(scope.sid)
            self.acted_on.setdefault(scope.sid, set()).add((scope, number(key, 26, 8)))
        else:
            taker = TAKERS.get(table)
            if taker is not None:
                taker(self, key, self.pile.read(place), place, is_used)

    def take_page(self, key: bytes, raw: bytes, place: Place, is_used: bool) -> None:
        item, is_new = self.item(tables.PAGE, raw, place, is_used, key)
        version = tree.page_head(raw).page_version
        if len(item.names) == 1 and is_new:
            self.pages_by_version.setdefault(version, []).append(item)
        if is_new:
            self.pages_by_name.setdefault((key, version), []).append(item)

    def take_key_block(self, key: bytes, raw: bytes, place: Place, is_used: bool) -> None:
        item, is_new = self.item(tables.KEYBLOCK, raw, place, is_used, key)
        if is_new:
            self.subjects.add(key)
            self.key_blocks.setdefault(key, []).append(item)

    def take_row(self, key: bytes, raw: bytes, place: Place, is_used: bool) -> None:
        item, is_new = self.item(tables.ROW, raw, place, is_used, key)
        if is_new:
            self.rows.setdefault(number(key, 0, 8), []).append(item)

    def take_pending(self, key: bytes, raw: bytes, place: Place, is_used: bool) -> None:
        scope = system.parse_scope(key)
        self.subjects.add(scope.sid)
        if is_used:
            self.pending.add(scope)
        self.item(tables.PENDING, raw, place, is_used, key)

    def take_certificate(self, key: bytes, raw: bytes, place: Place, is_used: bool) -> None:
        for certificate in certificates.parse_row(raw, place.file):
            self.certificate(number(key, 0, 8), certificate, is_used)

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
                self.wraps.setdefault(wrap, place)
            if not is_whole:
                raise Malformed("the wraps of the unseal key do not fit their hash")
        elif key.startswith((b"closing", b"rotate.")):
            item, _ = self.item(tables.META, raw, place, is_used, key)
            self.meta[key, raw[:64]] = item

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
        counts = [0, 0]
        for entry in data.entries():
            counts[entry.table is None] += self.data_entry(file, entry)
        for at in data.unnamed_runs():
            self.loose(file, at)
        commit = f"transaction {data.newest.transaction}" if data.newest else "no meta page"
        file.summary = f"{commit}, {counts[0]} entries in use, {counts[1]} in free pages"

    def data_entry(self, file: File, entry: lmdb.Entry) -> bool:
        """Sort in one entry of a data file; False when it is none of ours."""
        head = file.map[entry.at:entry.at + 80]
        if entry.table is None:
            table = tables.table_by_shape(entry.key, entry.length, head)
        else:
            table = tables.NAMES.get(entry.table)
            if table == tables.META and not tables.fits(table, entry.key, entry.length, head):
                return True
            if table is not None and not tables.fits(table, entry.key, entry.length, head) and table in TAKERS:
                name = entry.table.decode("latin-1")
                file.damage.append(f"an entry of table {name} at byte {entry.at} has another shape than its section")
                return False
        if table is None:
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

    def loose(self, file: File, at: int) -> None:
        """A value in a free overflow page that nothing names: by its shape a page of the tree, a row or a key block."""
        head = file.map[at:at + 26]
        if head[24:26] == MARK and at + tables.PAGE_VALUE <= file.size:
            raw = file.map[at:at + tables.PAGE_VALUE]
            item, is_new = self.item(tables.PAGE, raw, Place(file.number, at, tables.PAGE_VALUE), False, b"")
            if is_new and len(item.names) == 1:
                self.pages_by_version.setdefault(tree.page_head(raw).page_version, []).append(item)
        elif head[17:19] == MARK and head[8] in (0, 1):
            self.loose_rows += [Item(Place(file.number, at, length)) for length in LOOSE_ROWS if at + length <= file.size]
        elif head[12:14] == MARK:
            self.loose_key_blocks += [Item(Place(file.number, at, length)) for length in LOOSE_KEY_BLOCKS
                                      if at + length <= file.size]

    def read_journal(self, file: File) -> None:
        records = journal.open_journal(file)
        for row in records.rows():
            head = file.map[row.at:row.at + 80]
            if not tables.fits(row.table, row.key, row.length, head):
                if row.table == tables.META:
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
    tables.PENDING: Found.take_pending, tables.CERTIFICATE: Found.take_certificate, tables.CERTIFICATE_LOG: Found.take_log,
    **{table: sealed_taker(table) for table in (tables.TOKEN, tables.AUDIT, tables.LEDGER, tables.CONFIG, tables.IDEMPOTENCY)}}


def collect(pile: Pile, progress: Callable[[str], None]) -> Found:
    """Read every file of the pile."""
    found = Found(pile)
    for file in pile.files:
        progress(f"reading {file.path}: {file.kind}, {file.size} bytes")
        found.read_file(file)
    return found


def to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
