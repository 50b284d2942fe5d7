"""Opens what opens: the least fixpoint of keys over everything that was collected.

    secrets -> wraps -> unseal keys -> slots -> shares -> root keys -> root records -> pages of the tree
        -> subject keys -> key blocks -> data keys -> rows
        -> system and tenant keys -> what beside.py opens

No arrow leads back, and everything sealed is known before the first key is tried. So each key is tried once on all that it
could open, in this order, and then there is nothing more that any key could open. That holds for every version of everything
in every file alike: nothing is left out for being old, deleted, aborted or replaced.

Each thing that opens remembers a Step: by what it was opened, and where it lay. Root keys are followed from the newest to the
oldest, so a chain goes through a former epoch only if no later one leads there.
"""
from typing import Callable, Iterator, NamedTuple, Optional

from . import rows, shamir, tables, tree, wraps
from .codec import Malformed, category_name, packed
from .collect import Found, Item
from .pile import Place
from .seal import Damaged, DoesNotOpen, open_sealed

ORPHAN_TRIES = 2_000_000                    # rows of unknown subjects against all keys, unless told to try all


class Step:
    """Why something is open: what it is, where it lay, and what opened it. The step of a root record names that."""
    __slots__ = ("what", "place", "parents", "root")

    def __init__(self, what: str, place: Optional[Place], *parents: "Step") -> None:
        self.what = what
        self.place = place
        self.parents = parents
        self.root: Optional[tree.RootRecord] = None


def root_of(step: Step) -> Optional[tree.RootRecord]:
    """The root record through which something was reached."""
    while step.root is None and step.parents:
        step = step.parents[0]
    return step.root


class Secrets(NamedTuple):
    """What people hold: (content, what it was called)."""
    passphrases: list[tuple[bytes, str]]
    key_files: list[tuple[bytes, str]]
    shares: list[tuple[wraps.SetShare, str]]
    tokens: list[bytes]                         # for beside.py
    caller_keys: list[bytes]


class Key(NamedTuple):
    """A key of 32 bytes, and how it was reached."""
    key: bytes
    step: Step


class Subject(NamedTuple):
    """What is known of a subject's keys. `keys`: (category, record, version) -> every key ever seen under this name."""
    vault: bytes
    tenant: int
    keys: dict[tuple[int, int, int], list[Key]]
    audit_keys: list[Key]
    blocks: dict[tuple[int, int], tree.KeyBlock]            # (incarnation, version) -> block


class Watcher:
    """Sees all that opens, as it opens."""

    def opened(self, what: str, plain: bytes, step: Step) -> None:
        """Anything: pages, key blocks, rows, entries."""

    def row(self, sid: bytes, name: rows.RowName, head: rows.RowHead, plain: bytes, step: Step) -> None:
        """A row, or one piece of a long one."""


class Fixpoint:
    """The keys reached so far, and all that they opened."""

    def __init__(self, found: Found, secrets: Secrets, watchers: list[Watcher], progress: Callable[[str], None],
                 is_exhaustive: bool) -> None:
        self.found = found
        self.pile = found.pile
        self.secrets = secrets
        self.watchers = watchers
        self.progress = progress
        self.is_exhaustive = is_exhaustive
        self.unseal_keys: dict[bytes, Step] = {}
        self.root_keys: dict[tuple[bytes, int, int, bytes], list[Key]] = {}     # vault, incarnation, epoch, attempt
        self.shares: dict[tuple[bytes, int, int, bytes, int, int], dict[shamir.Share, Step]] = {}
        self.opened_roots: list[tuple[tree.RootRecord, Step, int, int]] = []    # record, step, pages opened, pages missing
        self.links: set[tree.Link] = set()
        self.missing: list[tuple[tree.Link, Step]] = []
        self.named: dict[tuple[bytes, int, int, int], list[Key]] = {}           # vault, tenant, name, version
        self.subject_keys: dict[tuple[bytes, int, bytes, int], list[Key]] = {}  # vault, tenant, sid, key-block version
        self.subjects: dict[bytes, Subject] = {}
        self.index_entries: dict[bytes, dict[tree.IndexEntry, Step]] = {}       # sid -> its entries in the index
        self.rows_of: dict[bytes, list[tuple[rows.RowName, rows.RowHead, Item]]] = {}      # sid -> opened rows
        self.pages_opened = 0
        self.orphan_rows = 0                # rows whose subject no file names
        self.orphans_untried = 0

    def run(self) -> None:
        self.open_wraps()
        self.open_slots()
        self.combine_shares()
        self.open_roots()
        self.progress(f"{self.pages_opened} pages of the tree opened")
        self.open_key_blocks()
        self.progress(f"key blocks of {len(self.subjects)} subjects opened")
        self.open_rows()
        self.open_orphan_rows()
        self.complain_of_unopened()

    # One seal.

    def open_item(self, item: Item, key: Key, ctx: bytes, before_seal: int, what: str) -> Optional[bytes]:
        """The plaintext of an item's seal, or None. Where the key fits and the tag does not, it is what can still be read."""
        try:
            plain = open_sealed(key.key, ctx, self.pile.read(item.place)[before_seal:])
            item.is_damaged = False
        except (DoesNotOpen, Malformed):
            return None
        except Damaged as damage:
            plain = damage.plain
            item.is_damaged = True
            what += ", changed bytes in it"
            if item.used:
                self.complain(item, f"{what}: its key fits, its tag does not")
        item.step = Step(what, item.place, key.step)
        for watcher in self.watchers:
            watcher.opened(what, plain, item.step)
        return plain

    def complain(self, item: Item, text: str) -> None:
        """What is in use and wrong is damage of its file. What lies in free pages is often half overwritten."""
        if item.used or not item.is_damaged:
            self.pile.files[item.place.file].damage.append(f"byte {item.place.at}: {text}")

    def complain_of_unopened(self) -> None:
        """What is in use, has its key reached, and does not open: the salt or the commitment of its seal was changed. In free
        pages that is no surprise; findings.py counts it as remnants."""
        followed: dict[tuple[bytes, int], int] = {}         # page -> files of the vaults that name it
        for link in self.links:
            page = (link_name(link), link.page_version)
            followed[page] = followed.get(page, 0) | self.found.vault_files.get(link.vault, 0)
        for item in self.found.all_of(tables.PAGE):
            version = tree.page_head(self.pile.read(item.place)).page_version
            if item.step is None and any(followed.get((name, version), 0) & item.used for name in item.names):
                self.complain(item, "a page of the tree does not open with its key")
        blocks = {(sid, version) for _, _, sid, version in self.subject_keys}
        for sid, items in self.found.key_blocks.items():
            for item in items:
                if item.used and item.step is None and (sid, tree.key_block_head(self.pile.read(item.place))[1]) in blocks:
                    self.complain(item, "a key block does not open with its key")
        for item in self.found.all_of(tables.ROW):
            if item.used and item.step is None and self.has_key(item):
                self.complain(item, "a row does not open with its key")

    def has_key(self, item: Item) -> bool:
        head = rows.row_head(self.pile.read(item.place))
        return any((name.category, head.key_record(name.record), head.key_version) in self.subjects[sid].keys
                   for name in map(rows.row_name, item.names)
                   for sid in self.found.owners_of(name.record, item) if sid in self.subjects)

    # Secrets, unseal keys, shares, root keys.

    def open_wraps(self) -> None:
        for wrap, place in self.found.wraps.items():
            for secret, step in self.secrets_for(wrap):
                try:
                    key = wrap.open(secret)
                except DoesNotOpen:
                    continue
                except (Damaged, Malformed) as wrong:
                    self.pile.files[place.file].damage.append(f"{wrap.text()}: {wrong or 'damaged'}")
                    continue
                self.unseal_keys.setdefault(key, Step(f"unseal key of vault {wrap.vault.hex()[:8]}", place,
                                                      Step(f"{wrap.text()}", place, step)))

    def secrets_for(self, wrap: wraps.Wrap) -> Iterator[tuple[bytes, Step]]:
        """What may open a wrap: each given secret of its method, made into 32 bytes."""
        if wrap.method == wraps.PASSPHRASE:
            for passphrase, name in self.secrets.passphrases:
                self.progress(f"scrypt for {wrap.text()}")
                yield wraps.passphrase_secret(wrap, passphrase), Step(f"passphrase {name}", None)
        elif wrap.method == wraps.KEY_FILE:
            for content, name in self.secrets.key_files:
                yield content, Step(f"key file {name}", None)
        elif wrap.method == wraps.SHARE_SET:
            ours = {share.x: (share, name) for share, name in self.secrets.shares if wraps.share_belongs(wrap, share)}
            if len(ours) >= wrap.params[0]:
                chosen = sorted(ours.items())[:wrap.params[0]]
                steps = [Step(f"share {x} of the set: {name}", None) for x, (_, name) in chosen]
                yield shamir.combine([(x, share.value) for x, (share, _) in chosen]), \
                    Step(f"key of the share set, from {len(chosen)} shares", None, *steps)

    def open_slots(self) -> None:
        for slot in self.found.slots:
            for unseal_key, step in self.unseal_keys.items():
                try:
                    value = open_sealed(unseal_key, slot.context(), slot.sealed)
                except (DoesNotOpen, Malformed):
                    continue
                except Damaged:
                    self.pile.files[slot.file].damage.append(f"the share of epoch {slot.epoch} in {slot.where} was changed")
                    continue
                what = (f"share {slot.x} ({slot.threshold} of {slot.of} needed) of epoch {slot.epoch}, "
                        f"keeper {slot.keeper:016x}, {slot.where}")
                name = (slot.vault, slot.incarnation, slot.epoch, slot.attempt, slot.threshold, slot.of)
                self.shares.setdefault(name, {}).setdefault((slot.x, value), Step(what, Place(slot.file, 0, 0), step))

    def combine_shares(self) -> None:
        """Every root key that enough shares make. Which of several is the right one shows when it opens a root record."""
        for (vault, incarnation, epoch, attempt, threshold, _), shares in self.shares.items():
            for chosen in shamir.choices(list(shares), threshold):
                step = Step(f"root key of incarnation {incarnation}, epoch {epoch}, attempt {attempt.hex()[:8]}", None,
                            *(shares[share] for share in chosen))
                key = shamir.combine(chosen)
                known = self.root_keys.setdefault((vault, incarnation, epoch, attempt), [])
                if len(key) == 32 and all(other.key != key for other in known):
                    known.append(Key(key, step))

    # The tree.

    def open_roots(self) -> None:
        """From the newest to the oldest; those with changed bytes last, whatever their age."""
        newest_first = sorted(self.found.roots.values(), reverse=True,
                              key=lambda pair: (pair[0].incarnation, pair[0].epoch, pair[0].page_version))
        opened = [(record, item, plain) for record, item in newest_first for plain in [self.open_root(record, item)] if plain]
        for record, item, plain in sorted(opened, key=lambda root: root[1].is_damaged):
            self.open_tree(record, item, plain)
        self.open_misplaced()

    def open_root(self, record: tree.RootRecord, item: Item) -> Optional[bytes]:
        what = f"root record of epoch {record.epoch}, page version {record.page_version}"
        for key in self.root_keys.get((record.vault, record.incarnation, record.epoch, record.attempt), []):
            plain = self.open_item(item, key, record.context(), tables.ROOT_VALUE - len(record.sealed), what)
            if plain is not None:
                return plain
        return None

    def open_tree(self, record: tree.RootRecord, item: Item, plain: bytes) -> None:
        step = step_of(item)
        step.root = record
        before, missing = self.pages_opened, len(self.missing)
        try:
            links = tree.parse_root_page(plain, record)
        except Malformed as wrong:
            self.complain(item, str(wrong))
            return
        self.follow([(link, step) for link in links])
        self.opened_roots.append((record, step, self.pages_opened - before, len(self.missing) - missing))

    def follow(self, waiting: list[tuple[tree.Link, Step]]) -> None:
        """Open the pages that these links name, and all below them. A link that was followed once is not followed again."""
        while waiting:
            link, step = waiting.pop()
            if link in self.links:
                continue
            self.links.add(link)
            for item in self.found.pages_by_name.get((link_name(link), link.page_version), []):
                if self.open_page(link, item, step, waiting):
                    break
            else:
                self.missing.append((link, step))

    def open_page(self, link: tree.Link, item: Item, step: Step, waiting: list[tuple[tree.Link, Step]]) -> bool:
        raw = self.pile.read(item.place)
        what = f"page {link.page_id} of {tree.TREES.get(link.tree, link.tree)}, version {link.page_version}"
        plain = self.open_item(item, Key(link.key, step), tree.page_context(link, tree.page_head(raw)), 24, what)
        if plain is None:
            return False
        self.pages_opened += 1
        try:
            for thing in tree.parse_page(plain, link):
                self.take(thing, link, step_of(item), waiting)
        except Malformed as wrong:
            self.complain(item, str(wrong))
        return not item.is_damaged          # a whole copy of it may lie elsewhere

    def take(self, thing: tree.Found, link: tree.Link, step: Step, waiting: list[tuple[tree.Link, Step]]) -> None:
        """What an opened page held. Of one with changed bytes that may be noise, which opens nothing."""
        if isinstance(thing, tree.Link):
            waiting.append((thing, step))
        elif isinstance(thing, tree.SubjectEntry):
            keys = self.subject_keys.setdefault((link.vault, link.tenant, thing.sid, thing.version), [])
            add_key(keys, thing.key, Step(f"subject key of {thing.sid.hex()}, key-block version {thing.version}", None, step))
        elif isinstance(thing, tree.NamedKey):
            keys = self.named.setdefault((link.vault, link.tenant, thing.name, thing.version), [])
            add_key(keys, thing.key, Step(f"key {tree.key_name(link.tenant, thing.name)}, version {thing.version}", None, step))
        else:
            self.take_index_entry(thing, step)

    def take_index_entry(self, entry: tree.IndexEntry, step: Step) -> None:
        """An index entry names a sid and a record: who has K_idx can test guesses of a value on its hash, and learns whose it
        is. (The values of deterministic tokens have other data there, which is the sid of nobody.)"""
        record, sid = entry.record(), entry.data[:16]
        if sid not in self.found.subjects:
            return
        self.index_entries.setdefault(sid, {}).setdefault(entry, step)
        if record in self.found.rows and record not in self.found.owners:
            self.found.owner(sid, record, 1 << step.place.file if step.place else 0)

    def open_misplaced(self) -> None:
        """Pages of the right version that no leaf names, or names wrongly, as free pages may."""
        while True:
            waiting: list[tuple[tree.Link, Step]] = []
            still_missing = []
            for link, step in self.missing:
                items = [item for item in self.found.pages_by_version.get(link.page_version, []) if item.step is None]
                if not any(self.open_page(link, item, step, waiting) for item in items):
                    still_missing.append((link, step))
            self.missing = still_missing
            if not waiting:
                return
            self.follow(waiting)

    def keys_named(self, tenant_or_system: int, label: str) -> Iterator[tuple[bytes, int, Key]]:
        """(vault, tenant, key) of every version of a named key that was reached."""
        for (vault, tenant, name, _), keys in self.named.items():
            if bool(tenant) == bool(tenant_or_system) and tree.key_name(tenant, name) == label:
                for key in keys:
                    yield vault, tenant, key

    # Key blocks and rows.

    def open_key_blocks(self) -> None:
        for (vault, tenant, sid, version), keys in self.subject_keys.items():
            loose = self.found.loose_key_blocks if self.is_exhaustive else []
            for item in [*self.found.key_blocks.get(sid, []), *loose]:
                raw = self.pile.read(item.place)
                incarnation, said = tree.key_block_head(raw)
                if said != version or item.step is not None:
                    continue
                ctx = tree.key_block_context(vault, incarnation, tenant, sid, version)
                for key in keys:
                    plain = self.open_item(item, key, ctx, 12, f"key block of {sid.hex()}, version {version}")
                    if plain is not None:
                        self.take_key_block(vault, tenant, sid, (incarnation, version), plain, item)

    def take_key_block(self, vault: bytes, tenant: int, sid: bytes, name: tuple[int, int], plain: bytes,
                       item: Item) -> None:
        try:
            block = tree.parse_key_block(plain)
        except Malformed as wrong:
            self.complain(item, str(wrong))
            return
        subject = self.subjects.setdefault(sid, Subject(vault, tenant, {}, [], {}))
        if not item.is_damaged:
            subject.blocks[name] = block
        add_key(subject.audit_keys, block.audit_key, step_of(item))
        for data_key in block.keys:
            known = subject.keys.setdefault((data_key.category, data_key.record, data_key.version), [])
            add_key(known, data_key.key, step_of(item))

    def open_rows(self) -> None:
        for record, items in self.found.rows.items():
            for item in items:
                for sid in sorted(self.found.owners.get(record, ())):
                    item.is_looked_at = True
                    if item.step is None and sid in self.subjects:
                        self.open_row(item, sid)

    def open_row(self, item: Item, sid: bytes) -> bool:
        """Try all keys that could have sealed this row, under each name that it had."""
        subject, raw = self.subjects[sid], self.pile.read(item.place)
        head = rows.row_head(raw)
        for name in map(rows.row_name, item.names):
            ctx = rows.row_context(subject.vault, subject.tenant, sid, name, head)
            for key in subject.keys.get((name.category, head.key_record(name.record), head.key_version), []):
                if self.try_row(item, sid, name, head, key, ctx):
                    return True
        return False

    def try_row(self, item: Item, sid: bytes, name: rows.RowName, head: rows.RowHead, key: Key, ctx: bytes) -> bool:
        what = (f"row of {sid.hex()}, record {name.record}, category {category_name(name.category)}, piece {name.group}, "
                f"data key version {head.key_version}, row version {head.row_version}")
        plain = self.open_item(item, key, ctx, 17, what)
        if plain is None:
            return False
        self.rows_of.setdefault(sid, []).append((name, head, item))
        for watcher in self.watchers:
            watcher.row(sid, name, head, plain, step_of(item))
        return True

    def open_orphan_rows(self) -> None:
        """Rows whose subject no file names, tried against every key that could be theirs: whoever has the files can do that."""
        orphans = [item for item in self.found.all_of(tables.ROW) if not item.is_looked_at]
        self.orphan_rows = len(orphans)
        by_key: dict[tuple[int, int, int], list[bytes]] = {}
        for sid, subject in self.subjects.items():
            for name in subject.keys:
                by_key.setdefault(name, []).append(sid)
        tries = 0
        for item in orphans:
            head, name = rows.row_head(self.pile.read(item.place)), rows.row_name(item.names[0])
            sids = by_key.get((name.category, head.key_record(name.record), head.key_version), [])
            tries += len(sids)
            if tries > ORPHAN_TRIES and not self.is_exhaustive:
                self.orphans_untried += 1
            elif any(self.open_row(item, sid) for sid in sids):
                item.is_looked_at = True
        if self.is_exhaustive:
            self.open_loose_rows(by_key)

    def open_loose_rows(self, by_key: dict[tuple[int, int, int], list[bytes]]) -> None:
        """Long rows in free pages of which not even the record is known: every key, every record of its subject."""
        for item in self.found.loose_rows:
            head = rows.row_head(self.pile.read(item.place))
            for (category, key_record, version), sids in by_key.items():
                if version != head.key_version or bool(key_record) != bool(head.key_kind) or item.step is not None:
                    continue
                for sid in sids:
                    if any(self.try_loose(item, head, sid, category, record, version) for record in
                           ([key_record] if key_record else self.found.records.get(sid, ()))):
                        break

    def try_loose(self, item: Item, head: rows.RowHead, sid: bytes, category: int, record: int, version: int) -> bool:
        subject = self.subjects[sid]
        for group in range(4):
            name = rows.RowName(record, category, group)
            ctx = rows.row_context(subject.vault, subject.tenant, sid, name, head)
            for key in subject.keys[category, head.key_record(record), version]:
                if self.try_row(item, sid, name, head, key, ctx):
                    return True
        return False


def link_name(link: tree.Link) -> bytes:
    """The key of PAGE under which the page lies."""
    return b"".join((packed(link.tenant, 8), bytes([link.tree, link.level]), packed(link.page_id, 8)))


def step_of(item: Item) -> Step:
    """How an opened item was opened."""
    assert isinstance(item.step, Step)
    return item.step


def add_key(keys: list[Key], key: bytes, step: Step) -> None:
    """Note a key, unless it is known: the first way to it is kept, that of the newest root."""
    if all(other.key != key for other in keys):
        keys.append(Key(key, step))
