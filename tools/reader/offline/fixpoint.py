"""Opens what opens: the least fixpoint of keys over everything that was collected.

    secrets -> wraps -> unseal keys -> slots -> shares -> root keys -> root records -> pages of the tree
        -> subject keys -> key blocks -> data keys -> rows
        -> system and tenant keys -> what beside.py opens

No arrow leads back, and everything sealed is known before the first key is tried. So each key is tried once on all that it
could open, in this order, and then there is nothing more that any key could open. That holds for every version of everything
in every file alike: nothing is left out for being old, deleted, aborted or replaced.

Each thing that opens remembers a Step: by what it was opened, and where it lay. Root keys are followed from the newest to the
oldest, so a chain goes through a former epoch only if no later one leads there.

What a value says of itself in the clear is tried first and not believed: where a file has it in use and it does not open so, it
is tried as what leads to it says, and the difference is damage.
"""
from collections import Counter
from typing import Callable, Iterator, NamedTuple, Optional, Sequence

from . import rows, shamir, tables, tree, wraps
from .codec import Malformed, category_name, packed
from .collect import LOOSE_KEY_BLOCKS, LOOSE_ROWS, Found, Item
from .pile import Place
from .seal import Damaged, DoesNotOpen, open_sealed

TRIES = 2_000_000                           # of keys on values of which not all is known, each kind of them, unless told to try all
GROUPS = -(-(4 << 20) // 3968)              # pieces that a row may have: docs/FORMAT.md, "Rows"
Owner = tuple[bytes, int, bytes]            # vault, tenant, sid


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


Below = tuple[list[tree.Link], list[tuple[bytes, int]]]     # pages; sid and version of key blocks


class Tree(NamedTuple):
    """A root record that opened, and the links of its root page."""
    record: tree.RootRecord
    item: Item
    links: list[tree.Link]


class Watcher:
    """Sees all that opens, as it opens."""

    def opened(self, what: str, plain: bytes, step: Step) -> None:
        """Anything: pages, key blocks, rows, entries."""

    def row(self, sid: bytes, name: rows.RowName, head: rows.RowHead, plain: bytes, step: Step) -> None:
        """A row, or one piece of a long one."""


class Candidate(NamedTuple):
    """Whose a row without a name may be."""
    sid: bytes
    record: int
    category: int
    key: Key


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
        self.doubtful: set[bytes] = set()                                       # unseal keys of wraps that were changed
        self.root_keys: dict[tuple[bytes, int, int, bytes], list[Key]] = {}     # vault, incarnation, epoch, attempt
        self.shares: dict[tuple[bytes, int, int, bytes, int, int], dict[shamir.Share, Step]] = {}
        self.trees: list[Tree] = []
        self.links: set[tree.Link] = set()
        self.missing: list[tuple[tree.Link, Step]] = []
        self.below: dict[tree.Link, Below] = {}                                 # page -> what it names
        self.named: dict[tuple[bytes, int, int, int], list[Key]] = {}           # vault, tenant, name, version
        self.subject_keys: dict[Owner, list[Key]] = {}
        self.block_versions: dict[Owner, set[int]] = {}                         # those that subject entries name
        self.opened_blocks: set[tuple[bytes, int]] = set()                      # sid, version
        self.subjects: dict[bytes, Subject] = {}
        self.index_entries: dict[bytes, dict[tree.IndexEntry, Step]] = {}       # sid -> its entries in the index
        self.rows_of: dict[bytes, list[tuple[rows.RowName, rows.RowHead, Item]]] = {}      # sid -> opened rows
        self.pages_of: Counter[tree.RootRecord] = Counter()                    # root through which it was reached first -> pages
        self.orphan_rows = 0                # rows whose subject no file names
        self.nameless_closed = 0            # values without a name that no key opens
        self.tries_left = 0
        self.untried: Counter[str] = Counter()                                  # what -> how many were not tried with every key

    def run(self) -> None:
        self.open_wraps()
        self.open_slots()
        self.drop_doubtful()
        self.combine_shares()
        self.open_roots()
        self.progress(f"{self.pages_of.total()} pages of the tree opened")
        self.open_key_blocks()
        self.progress(f"key blocks of {len(self.subjects)} subjects opened")
        self.open_rows()
        self.open_orphan_rows()
        self.open_nameless_rows()
        self.complain_of_unopened()
        self.complain_of_trees()

    # One seal.

    def open_item(self, item: Item, key: Key, ctx: bytes, before_seal: int, what: str,
                  lengths: Sequence[int] = ()) -> Optional[bytes]:
        """The plaintext of an item's seal, or None. Where the key fits and the tag does not, it is what can still be read.
        `lengths` are those that the value may have when its length is not known: a wrong one does not fit the tag either."""
        whole = item.place
        for length in [length for length in lengths if length <= whole.length] or [whole.length]:
            item.place = whole._replace(length=length)
            try:
                plain = open_sealed(key.key, ctx, self.pile.read(item.place)[before_seal:])
                item.is_damaged = False
                break
            except (DoesNotOpen, Malformed):
                item.place = whole
                return None
            except Damaged as damage:
                plain = damage.plain
                item.is_damaged = True
        if item.is_damaged:
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
        blocks = {(sid, version) for (_, _, sid), versions in self.block_versions.items() for version in versions}
        for sid, items in self.found.key_blocks.items():
            for item in items:
                if item.used and item.step is None and (sid, tree.key_block_head(self.pile.read(item.place))[1]) in blocks:
                    self.complain(item, "a key block does not open with its key")
        for item in self.found.all_of(tables.ROW):
            if item.used and item.step is None:
                if self.has_key(item):
                    self.complain(item, "a row does not open with its key")
                elif not any(self.found.owners.get(name.record) for name in map(rows.row_name, item.names)):
                    self.complain(item, "a row of a record that nobody has")

    def complain_of_trees(self) -> None:
        """What a tree in use names must be there: docs/FORMAT.md, "Keyring"."""
        for record, item in self.found.roots.values():
            if item.used and item.step is None and record.key_name() in self.root_keys:
                self.complain(item, f"the root record of epoch {record.epoch} does not open with its key")
        for one in self.trees:
            if one.item.used:
                missing, without_block = self.lost_in(one)
                if missing:
                    first = page_text(missing[0])
                    self.complain(one.item, f"{len(missing)} pages of the tree of this root record are missing, such as {first}")
                if without_block:
                    self.complain(one.item, f"{len(without_block)} subjects of the tree of this root record have no key block that "
                                            "opens")

    def lost_in(self, one: Tree) -> tuple[list[tree.Link], list[tuple[bytes, int]]]:
        """Pages that did not open, and (sid, version) of key blocks that did not, of all that a root record leads to."""
        missing, without_block = [], []
        seen, waiting = set(), list(one.links)
        while waiting:
            link = waiting.pop()
            if link in seen:
                continue
            seen.add(link)
            pages, blocks = self.below.get(link, ([], []))
            waiting += pages
            without_block += [block for block in blocks if block not in self.opened_blocks]
            if link not in self.below:
                missing.append(link)
        return missing, without_block

    def has_key(self, item: Item) -> bool:
        head = rows.row_head(self.pile.read(item.place))
        return any((name.category, head.key_record(name.record), head.key_version) in self.subjects[sid].keys
                   for name in map(rows.row_name, item.names)
                   for sid in self.found.owners_of(name.record, item) if sid in self.subjects)

    # Secrets, unseal keys, shares, root keys.

    def open_wraps(self) -> None:
        """A wrap that cannot even be tried is damage of its file, and the others are tried."""
        for wrap, item in self.found.wraps.items():
            try:
                for secret, step in self.secrets_for(wrap):
                    self.open_wrap(wrap, item, secret, step)
            except Malformed as wrong:
                item.is_damaged = True
                self.complain(item, f"{wrap.text()}: {wrong}")

    def open_wrap(self, wrap: wraps.Wrap, item: Item, secret: bytes, step: Step) -> None:
        try:
            key = wrap.open(secret)
        except DoesNotOpen:
            return
        except Damaged as damage:
            item.is_damaged = True
            self.complain(item, f"{wrap.text()}: its secret fits, its tag does not")
            key = damage.plain
        if not item.is_damaged:
            self.doubtful.discard(key)
        elif key not in self.unseal_keys:
            self.doubtful.add(key)
        self.unseal_keys.setdefault(key, Step(f"unseal key of vault {wrap.vault.hex()[:8]}", item.place,
                                              Step(f"{wrap.text()}", item.place, step)))

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
            threshold = wraps.share_threshold(wrap)
            ours = {share.x: (share, name) for share, name in self.secrets.shares if wraps.share_belongs(wrap, share)}
            if len(ours) >= threshold:
                chosen = sorted(ours.items())[:threshold]
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
                except Damaged as damage:           # whether the share itself was changed, shows when a root record opens
                    self.pile.files[slot.file].damage.append(f"the share of epoch {slot.epoch} in {slot.where} was changed")
                    value = damage.plain
                self.doubtful.discard(unseal_key)
                what = (f"share {slot.x} ({slot.threshold} of {slot.of} needed) of epoch {slot.epoch}, "
                        f"keeper {slot.keeper:016x}, {slot.where}")
                name = (slot.vault, slot.incarnation, slot.epoch, slot.attempt, slot.threshold, slot.of)
                self.shares.setdefault(name, {}).setdefault((slot.x, value), Step(what, Place(slot.file, 0, 0), step))

    def drop_doubtful(self) -> None:
        """A half overwritten wrap may still give its key, or noise: what opened no slot was noise."""
        for key in self.doubtful:
            del self.unseal_keys[key]

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
        opened = [(item, *found) for record, item in newest_first for found in [self.open_root(record, item)] if found]
        for item, record, plain in sorted(opened, key=lambda root: root[0].is_damaged):
            self.open_tree(record, item, plain)
        self.open_misplaced()

    def open_root(self, record: tree.RootRecord, item: Item) -> Optional[tuple[tree.RootRecord, bytes]]:
        """The record as its key names it, and its root page."""
        name = record.key_name()
        others = [other for other in self.root_keys if other != name] if item.used else []
        for vault, incarnation, epoch, attempt in (name, *others):
            meant = record._replace(vault=vault, incarnation=incarnation, epoch=epoch)
            for key in self.root_keys.get((vault, incarnation, epoch, attempt), []):
                what = f"root record of epoch {epoch}, page version {record.page_version}"
                plain = self.open_item(item, key, meant.context(), tables.ROOT_VALUE - len(record.sealed), what)
                if plain is not None:
                    if (vault, incarnation, epoch, attempt) != name:
                        self.complain(item, f"{what}: what it says of itself in the clear was changed")
                    return meant, plain
        return None

    def open_tree(self, record: tree.RootRecord, item: Item, plain: bytes) -> None:
        step = step_of(item)
        step.root = record
        try:
            links = tree.parse_root_page(plain, record)
        except Malformed as wrong:
            self.complain(item, str(wrong))
            return
        if not tree.root_page_agrees(plain, record):
            self.complain(item, "commit number or attempt of a root page differ from those of its record")
        self.trees.append(Tree(record, item, links))
        self.follow([(link, step) for link in links])

    def follow(self, waiting: list[tuple[tree.Link, Step]]) -> None:
        """Open the pages that these links name, and all below them. A link that was followed once is not followed again."""
        while waiting:
            link, step = waiting.pop()
            if link in self.links:
                continue
            self.links.add(link)
            if not any(self.open_page(link, item, step, waiting) for item in self.pages_for(link)):
                self.missing.append((link, step))

    def pages_for(self, link: tree.Link) -> Iterator[Item]:
        """The pages that have the link's name and version; then those in use that have the name and say another version."""
        name = link_name(link)
        exact = self.found.pages_by_name.get((name, link.page_version), [])
        yield from exact
        yield from (item for item in self.found.pages_in_use.get(name, []) if item.step is None and item not in exact)

    def open_page(self, link: tree.Link, item: Item, step: Step, waiting: list[tuple[tree.Link, Step]]) -> bool:
        head = tree.page_head(self.pile.read(item.place))
        what = page_text(link)
        plain = self.open_item(item, Key(link.key, step), tree.page_context(link, head), 24, what)
        if plain is None:
            return False
        if head.page_version != link.page_version:
            self.complain(item, f"{what}, says that it is of version {head.page_version}")
        if link not in self.below:
            root = root_of(step)
            self.pages_of.update([root] if root else [])
        pages, blocks = self.below.setdefault(link, ([], []))
        before = len(waiting)
        try:
            for thing in tree.parse_page(plain, link):
                self.take(thing, link, step_of(item), waiting)
                if isinstance(thing, tree.SubjectEntry) and not item.is_damaged:
                    blocks.append((thing.sid, thing.version))
                    self.found.subjects.add(thing.sid)
        except Malformed as wrong:
            self.complain(item, str(wrong))
        pages += [below for below, _ in waiting[before:]]
        return not item.is_damaged          # a whole copy of it may lie elsewhere

    def take(self, thing: tree.Found, link: tree.Link, step: Step, waiting: list[tuple[tree.Link, Step]]) -> None:
        """What an opened page held. Of one with changed bytes that may be noise, which opens nothing."""
        if isinstance(thing, tree.Link):
            waiting.append((thing, step))
        elif isinstance(thing, tree.SubjectEntry):
            owner = (link.vault, link.tenant, thing.sid)
            self.block_versions.setdefault(owner, set()).add(thing.version)
            what = f"subject key of {thing.sid.hex()}, key-block version {thing.version}"
            add_key(self.subject_keys.setdefault(owner, []), thing.key, Step(what, None, step))
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
        self.found.records.setdefault(sid, set()).add(record)
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
        """Every key that a subject ever had is tried on every block of it: adding a data key makes a new block and leaves the
        subject's key as it is."""
        for owner in self.subject_keys:
            for item in self.found.key_blocks.get(owner[2], []):
                if item.step is None:
                    self.open_key_block(item, owner)
        self.tries_left = TRIES
        for item in self.found.nameless(tables.KEYBLOCK):
            if not self.may_try(sum(map(len, self.subject_keys.values()))):
                self.untried["key blocks without a name"] += 1
            elif not any(self.open_key_block(item, owner, LOOSE_KEY_BLOCKS) for owner in self.subject_keys):
                self.nameless_closed += 1

    def may_try(self, count: int) -> bool:
        """Whether so many tries more are within the limit. Once it is passed nothing more is tried."""
        self.tries_left -= count
        return self.is_exhaustive or self.tries_left >= 0

    def open_key_block(self, item: Item, owner: Owner, lengths: Sequence[int] = ()) -> bool:
        """With the version that the block says, and if it is in use with those that subject entries say."""
        vault, tenant, sid = owner
        incarnation, said = tree.key_block_head(self.pile.read(item.place))
        others = self.block_versions[owner] - {said} if item.used else ()
        for version in (said, *sorted(others)):
            ctx = tree.key_block_context(vault, incarnation, tenant, sid, version)
            what = f"key block of {sid.hex()}, version {version}"
            for key in self.subject_keys[owner]:
                plain = self.open_item(item, key, ctx, 12, what, lengths)
                if plain is not None:
                    if version != said:
                        self.complain(item, f"{what}, says that it is of version {said}")
                    self.opened_blocks.add((sid, version))
                    self.take_key_block(vault, tenant, sid, (incarnation, version), plain, item)
                    return True
        return False

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
                    if item.step is None and sid in self.subjects:
                        self.open_row(item, sid)

    def open_row(self, item: Item, sid: bytes) -> bool:
        """Try all keys that could have sealed this row, under each name that it had."""
        subject, said = self.subjects[sid], rows.row_head(self.pile.read(item.place))
        for name in map(rows.row_name, item.names):
            for head in self.heads_of(item, subject, name, said):
                ctx = rows.row_context(subject.vault, subject.tenant, sid, name, head)
                for key in subject.keys.get((name.category, head.key_record(name.record), head.key_version), []):
                    if self.try_row(item, sid, name, head, key, ctx):
                        if head != said:
                            self.complain(item, "a row says another key of itself than the one that opens it")
                        return True
        return False

    @staticmethod
    def heads_of(item: Item, subject: Subject, name: rows.RowName, said: rows.RowHead) -> Iterator[rows.RowHead]:
        """What the row says of itself; and if it is in use, the same with each other key of its category."""
        yield said
        for category, record, version in subject.keys if item.used else ():
            head = said._replace(key_kind=rows.RECORD_KEY if record else 0, key_version=version)
            if category == name.category and record in (0, name.record) and head != said:
                yield head

    def try_row(self, item: Item, sid: bytes, name: rows.RowName, head: rows.RowHead, key: Key, ctx: bytes,
                lengths: Sequence[int] = ()) -> bool:
        what = (f"row of {sid.hex()}, record {name.record}, category {category_name(name.category)}, piece {name.group}, "
                f"data key version {head.key_version}, row version {head.row_version}")
        plain = self.open_item(item, key, ctx, 17, what, lengths)
        if plain is None:
            return False
        self.rows_of.setdefault(sid, []).append((name, head, item))
        for watcher in self.watchers:
            watcher.row(sid, name, head, plain, step_of(item))
        return True

    def open_orphan_rows(self) -> None:
        """Rows of which no file says for certain whose they are, tried with every key that could be theirs: whoever has the files
        can do that."""
        orphans = [item for item in self.found.all_of(tables.ROW) if item.step is None and not self.has_certain_owner(item)]
        self.orphan_rows = len(orphans)
        by_key: dict[tuple[int, int, int], list[bytes]] = {}
        for sid, subject in self.subjects.items():
            for key in subject.keys:
                by_key.setdefault(key, []).append(sid)
        self.tries_left = TRIES
        for item in orphans:
            head, names = rows.row_head(self.pile.read(item.place)), [rows.row_name(name) for name in item.names]
            sids = {sid for name in names
                    for sid in by_key.get((name.category, head.key_record(name.record), head.key_version), [])}
            if self.may_try(len(sids)):
                any(self.open_row(item, sid) for sid in sorted(sids))
            else:
                self.untried["rows without a subject"] += 1

    def has_certain_owner(self, item: Item) -> bool:
        """RECORD has no seal, so one changed bit makes a row that of somebody who never was."""
        return any(sid in self.subjects or sid in self.found.vouched_for for name in map(rows.row_name, item.names)
                   for sid in self.found.kin_of(name.record, item))

    def open_nameless_rows(self) -> None:
        """Pieces of long rows of which not even the record is known: each key, each record of its subject, first pieces first."""
        waiting = self.found.nameless(tables.ROW)
        candidates: dict[tuple[int, int], list[Candidate]] = {}
        self.tries_left, untried = TRIES, set()
        for group in range(GROUPS):
            for item in [item for item in waiting if item.step is None]:
                head = rows.row_head(self.pile.read(item.place))
                kind = (head.key_kind, head.key_version)
                if kind not in candidates:
                    candidates[kind] = list(self.candidates(*kind))
                if self.may_try(len(candidates[kind])):
                    any(self.try_nameless(item, head, group, candidate) for candidate in candidates[kind])
                else:
                    untried.add(item)
            if untried:
                break
        closed = [item for item in waiting if item.step is None]
        if untried:
            self.untried["long rows without a name"] = len(closed)
        else:
            self.nameless_closed += len(closed)

    def candidates(self, key_kind: int, version: int) -> Iterator[Candidate]:
        """All that a row with a key of this kind and version may be."""
        for sid, subject in self.subjects.items():
            for (category, key_record, of_key), keys in subject.keys.items():
                if of_key == version and bool(key_record) == (key_kind == rows.RECORD_KEY):
                    records = (key_record,) if key_record else sorted(self.found.records.get(sid, ()))
                    yield from (Candidate(sid, record, category, key) for record in records for key in keys)

    def try_nameless(self, item: Item, head: rows.RowHead, group: int, candidate: Candidate) -> bool:
        subject, name = self.subjects[candidate.sid], rows.RowName(candidate.record, candidate.category, group)
        ctx = rows.row_context(subject.vault, subject.tenant, candidate.sid, name, head)
        return self.try_row(item, candidate.sid, name, head, candidate.key, ctx, LOOSE_ROWS)


def page_text(link: tree.Link) -> str:
    return f"page {link.page_id} of {tree.TREES.get(link.tree, link.tree)}, version {link.page_version}"


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
