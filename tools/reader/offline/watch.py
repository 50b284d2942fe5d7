"""Two that look at what opens: a search for given byte strings, and the values themselves when they are asked for."""
from typing import Iterator, NamedTuple, Optional

from . import rows, system
from .codec import Malformed, category_name, time_text
from .fixpoint import Step, Watcher
from .pile import Pile

RowId = tuple[bytes, int, int, rows.RowHead]
PLACES_KEPT = 20


class Joiner:
    """Puts the pieces of long rows together. docs/FORMAT.md, "Rows": the length stands in the first four bytes."""

    def __init__(self) -> None:
        self.pieces: dict[RowId, dict[int, bytes]] = {}

    def add(self, sid: bytes, name: rows.RowName, head: rows.RowHead, plain: bytes) -> Optional[bytes]:
        """The whole content, once its last piece is there."""
        if name.group == 0 and rows.content_length(plain) <= len(plain):
            return plain
        row = (sid, name.record, name.category, head)
        pieces = self.pieces.setdefault(row, {})
        pieces[name.group] = plain
        joined = b""
        for group in range(len(pieces)):
            if group not in pieces:
                return None
            joined += pieces[group]
        if rows.content_length(joined) > len(joined):
            return None
        del self.pieces[row]
        return joined


class Sighting(NamedTuple):
    canary: int             # line of its file, from 1
    where: str
    is_raw: bool            # in a file as it lies, not in something that was opened


class Canaries(Watcher):
    """Looks for byte strings in all that opens and in the files as they lie. Reports their line numbers, never themselves."""

    def __init__(self, words: list[tuple[int, bytes]]) -> None:
        self.words = words
        self.joiner = Joiner()
        self.sightings: list[Sighting] = []
        self.seen: dict[tuple[int, bool], int] = {}

    def look(self, raw: bytes, where: str) -> None:
        for line, word in self.words:
            if word in raw:
                self.note(line, where, False)

    def note(self, line: int, where: str, is_raw: bool) -> None:
        count = self.seen[line, is_raw] = self.seen.get((line, is_raw), 0) + 1
        if count <= PLACES_KEPT:
            self.sightings.append(Sighting(line, where, is_raw))

    def opened(self, what: str, plain: bytes, step: Step) -> None:
        self.look(plain, what)

    def row(self, sid: bytes, name: rows.RowName, head: rows.RowHead, plain: bytes, step: Step) -> None:
        """A word that lies across two pieces is in neither."""
        joined = self.joiner.add(sid, name, head, plain)
        if joined is not None and joined is not plain:
            self.look(joined, step.what + ", joined")

    def look_at_files(self, pile: Pile) -> None:
        for file in pile.files:
            for line, word in self.words:
                at = file.map.find(word)
                if at >= 0:
                    self.note(line, f"{file.path}, byte {at}", True)


def read_words(raw: bytes) -> list[tuple[int, bytes]]:
    """One byte string a line, without the line's end; empty lines are left out, `hex:` begins one in hexadecimal."""
    words = []
    for line, word in enumerate(raw.split(b"\n"), 1):
        word = word.rstrip(b"\r")
        if word.startswith(b"hex:"):
            word = bytes.fromhex(word[4:].decode("latin-1"))
        if word:
            words.append((line, word))
    return words


class Values(Watcher):
    """Keeps the content of every row that opened, for --show-values."""

    def __init__(self) -> None:
        self.joiner = Joiner()
        self.contents: dict[bytes, list[tuple[rows.RowName, rows.RowHead, bytes]]] = {}

    def row(self, sid: bytes, name: rows.RowName, head: rows.RowHead, plain: bytes, step: Step) -> None:
        joined = self.joiner.add(sid, name, head, plain)
        if joined is not None:
            self.contents.setdefault(sid, []).append((name, head, joined))

    def of(self, sid: bytes, vault: bytes, collections: dict[tuple[bytes, int], system.Collection]) -> Iterator[dict[str, object]]:
        """The rows of a subject, with the names of their fields where the schema could be opened."""
        for name, head, content in sorted(self.contents.get(sid, []), key=lambda row: (row[0], row[1])):
            shown: dict[str, object] = {"record": name.record, "category": category_name(name.category),
                                        "key_version": head.key_version, "row_version": head.row_version}
            try:
                parsed = rows.parse_content(content)
            except Malformed as wrong:
                yield {**shown, "malformed": str(wrong), "content": content}
                continue
            collection = collections.get((vault, parsed.collection))
            names = collection.fields if collection else {}
            names = {0: "external_id"} if parsed.collection == 0 else names
            yield {**shown, "collection": collection.name if collection else parsed.collection,
                   "updated": time_text(parsed.updated),
                   "fields": {names.get(field, str(field)): value for field, value in parsed.fields.items()}}
