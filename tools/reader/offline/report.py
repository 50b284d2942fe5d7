"""The findings as JSON and as text. The JSON has a format number of its own; a change that breaks a reader of it raises it."""
from collections import Counter
from typing import Iterator, Optional

from . import system
from .beside import Beside
from .certificates import Certificate
from .codec import category_name, time_text
from .collect import Item
from .findings import Asked, Findings, Tally, Verdict, chain
from .fixpoint import Step, root_of
from .pile import UNKNOWN, Place
from .tree import RootRecord
from .watch import Canaries, Values

JSON_FORMAT = 2


class Report:
    """One run's report."""

    def __init__(self, findings: Findings, beside: Beside, verdicts: list[Verdict], why: list[Asked], canaries: Optional[Canaries],
                 values: Optional[Values], exit_code: int) -> None:
        self.findings = findings
        self.found = findings.found
        self.fix = findings.fix
        self.beside = beside
        self.verdicts = verdicts
        self.why = why
        self.canaries = canaries
        self.values = values
        self.exit_code = exit_code

    # What both share.

    def where(self, place: Optional[Place]) -> str:
        if place is None:
            return ""
        path = self.found.pile.files[place.file].path
        return f"{path}, byte {place.at}" if place.length else path

    def chain(self, step: Optional[Step]) -> list[str]:
        """The way to something that is open, a line each, what was opened last first; indented by how far it is."""
        if step is None:
            return []
        return ["  " * depth + part.what + (f" [{self.where(part.place)}]" if part.place else "") for depth, part in chain(step)]

    def files_of(self, mask: int) -> list[int]:
        return [file.number for file in self.found.pile.files if mask >> file.number & 1]

    def trees(self) -> Iterator[tuple[RootRecord, Item, int]]:
        """(root record, its item, pages that are missing): of one in use all of its tree, of a former one those first met by it."""
        first_met = Counter(root_of(step) for _, step in self.fix.missing)
        for one in self.fix.trees:
            yield one.record, one.item, len(self.fix.lost_in(one)[0]) if one.item.used else first_met[one.record]

    def values_of(self, sid: bytes) -> Iterator[dict[str, object]]:
        subject = self.fix.subjects.get(sid)
        if self.values is not None and subject is not None:
            yield from self.values.of(sid, subject.vault, self.beside.collections)

    def chains_wanted(self, sid: bytes) -> list[tuple[str, list[str]]]:
        """The chains of a subject that was asked for with --why, one for each category that opens."""
        wanted = []
        for category, tally in sorted(self.findings.subjects.get(sid, {}).items()):
            if tally.step is not None and any(asked.scope.sid == sid and asked.scope.category in (0, category)
                                              for asked in self.why):
                wanted.append((category_name(category), self.chain(tally.step)))
        return wanted

    # JSON.

    def json(self) -> dict[str, object]:
        return {
            "format": JSON_FORMAT,
            "exit_code": self.exit_code,
            "files": [{"number": file.number, "path": file.path, "size": file.size, "kind": file.kind, "summary": file.summary,
                       "damage": file.damage, "notes": file.notes} for file in self.found.pile.files],
            "unreadable_files": [{"path": path, "why": why} for path, why in self.found.pile.unreadable],
            "unseal_keys": [self.chain(step) for step in self.fix.unseal_keys.values()],
            "root_keys": [{"incarnation": incarnation, "epoch": epoch, "attempt": attempt.hex(), "chain": self.chain(key.step)}
                          for (_, incarnation, epoch, attempt), keys in sorted(self.fix.root_keys.items()) for key in keys],
            "trees": [{"vault": record.vault.hex(), "incarnation": record.incarnation, "epoch": record.epoch,
                       "page_version": record.page_version, "commit": record.commit, "in_use": bool(item.used),
                       "pages_opened": self.fix.pages_of[record], "pages_missing": missing}
                      for record, item, missing in self.trees()],
            "opened": {what: {"opened": counts[0], "all": counts[1], "closed_in_use": counts[2]}
                       for what, counts in sorted(self.beside.counts.items())},
            "manifests": [{"backup": note.lines.get("backup"), "epoch": note.lines.get("epoch"), "file": file,
                           "signature": signature, "copies": same}
                          for note, file, signature, same in self.findings.manifests()],
            "ledger": [{"sequence": entry.sequence, "operation": system.OPERATIONS.get(entry.operation, entry.operation),
                        "sid": entry.scope.sid.hex(),
                        "category": category_name(entry.scope.category) if entry.scope.category else None,
                        "record": entry.scope.record or None, "certificate": entry.certificate, "epoch": entry.epoch,
                        "time": time_text(entry.time)} for entry in sorted(self.beside.ledger)],
            "certificates": [{"vault": vault, "number": number, "states": sorted(states), "scope": note.lines.get("scope"),
                              "epochs": note.lines.get("epochs"), "signature": self.findings.certificate_signature(note)}
                             for (vault, number), states in sorted(self.found.certificates.items()) for note in [newest(states)]],
            "subjects": {sid.hex(): self.subject_json(sid, categories) for sid, categories in self.findings.subjects.items()},
            "rows_without_subject": self.findings.nobodys.sealed,
            "remnants": self.findings.remnants,
            "orphans": self.fix.orphan_rows,
            "nameless": self.fix.nameless_closed,
            "untried": dict(sorted(self.fix.untried.items())),
            "readable_though_forgotten": [
                {"sid": sid.hex(), "category": category_name(category), "operation": system.OPERATIONS[entry.operation],
                 "certificate": entry.certificate, "chain": self.chain(step)}
                for sid, category, entry, step in self.findings.readable_though_forgotten()],
            "expectations": [{"expected": verdict.expected, "of": verdict.of, "holds": verdict.holds, "why": verdict.why,
                              "chain": self.chain(verdict.step)} for verdict in self.verdicts],
            "canaries": self.canaries_json(),
        }

    def subject_json(self, sid: bytes, categories: dict[int, Tally]) -> dict[str, object]:
        shown: dict[str, object] = {"categories": {category_name(category): {
            "readable": tally.readable, "damaged": tally.damaged, "partial": tally.partial, "sealed": tally.sealed,
            "erased": tally.erased,
            "files": self.files_of(tally.files),
            "by": [{"incarnation": incarnation, "epoch": epoch} for incarnation, epoch in sorted(tally.epochs)]}
            for category, tally in sorted(categories.items())}}
        shown["index_entries"] = len(self.fix.index_entries.get(sid, ()))
        shown["unopened_ledger_entries"] = self.findings.unopened_entries(sid)
        wanted = self.chains_wanted(sid)
        if wanted:
            shown["chains"] = dict(wanted)
        if self.values is not None:
            shown["rows"] = list(self.values_of(sid))
        return shown

    def canaries_json(self) -> Optional[dict[str, object]]:
        if self.canaries is None:
            return None
        return {"looked_for": len(self.canaries.words),
                "found": [{"line": line, "raw": is_raw, "times": times}
                          for (line, is_raw), times in sorted(self.canaries.seen.items())],
                "places": [{"line": sighting.canary, "raw": sighting.is_raw, "where": sighting.where}
                           for sighting in self.canaries.sightings]}

    # Text.

    def text(self) -> Iterator[str]:
        yield from self.files_text()
        yield from self.keys_text()
        yield from self.subjects_text()
        yield from self.checks_text()

    def files_text(self) -> Iterator[str]:
        yield "Files"
        for file in self.found.pile.files:
            kind = "NOT UNDERSTOOD" if file.kind == UNKNOWN else file.kind
            yield f"  {file.number:3} {file.path}: {kind}" + (f": {file.summary}" if file.summary else "")
            yield from (f"        DAMAGED: {line}" for line in shortened(file.damage))
            yield from (f"        {line}" for line in file.notes)
        for path, why in self.found.pile.unreadable:
            yield f"      {path}: NOT READ: {why}"
        for note, number, signature, same in self.findings.manifests():
            copies = ", ".join(map(str, same)) or "none of the data files"
            yield f"  manifest {number} of backup {note.lines.get('backup', '')[:8]}: {signature}; describes {copies}"

    def keys_text(self) -> Iterator[str]:
        yield "Keys"
        if not self.fix.unseal_keys:
            yield "  no unseal key was reached: give --unseal"
        for step in self.fix.unseal_keys.values():
            yield from ("  " + line for line in self.chain(step))
        for keys in self.fix.root_keys.values():
            for key in keys:
                yield "  " + key.step.what
                yield from (f"    {share.what} [{self.where(share.place)}]" for share in key.step.parents)
        for record, item, missing in self.trees():
            words = "MISSING" if item.used else "not in the files (in use in none of them)"
            yield (f"  tree of incarnation {record.incarnation}, epoch {record.epoch}, page version {record.page_version}: "
                   f"{self.fix.pages_of[record]} pages not met before" + (f", {missing} {words}" if missing else ""))
        for what, counts in sorted(self.beside.counts.items()):
            rest = counts[1] - counts[0] - counts[2]
            yield f"  {what}: {counts[0]} of {counts[1]} opened" + (f"; {rest} of the others lie in no page in use" if rest else "")
        for (_, number), states in sorted(self.found.certificates.items()):
            note = newest(states)
            yield (f"  certificate {number}: {note.lines.get('state')}, {note.lines.get('scope')}, epochs "
                   f"{note.lines.get('epochs')}; {self.findings.certificate_signature(note)}")

    def subjects_text(self) -> Iterator[str]:
        subjects = self.findings.subjects
        readable = sum(1 for categories in subjects.values() if any(tally.step is not None for tally in categories.values()))
        yield f"Subjects: {len(subjects)} named in the files; of {readable} something is readable"
        for sid, categories in subjects.items():
            entries = ", ".join(map(str, self.findings.unopened_entries(sid)))
            rest = f"; ledger entries that did not open: {entries}" if entries else ""
            yield f"  {sid.hex()}  {tallies_text(categories)}{rest}"
            for category, lines in self.chains_wanted(sid):
                yield f"    why category {category} is readable:"
                yield from ("      " + line for line in lines)
            if self.values is not None:
                yield from (f"    {row}" for row in self.values_of(sid))
        if self.findings.nobodys.sealed:
            yield f"  {self.findings.nobodys.sealed} rows of which no file says whose they are did not open"
        if self.findings.remnants:
            yield f"  {self.findings.remnants} remnants of rows in free pages are half overwritten and open with no key"
        if self.fix.nameless_closed:
            yield f"  {self.fix.nameless_closed} values in free pages, of which no page says what they are, open with no key"
        for what, count in sorted(self.fix.untried.items()):
            yield f"  NOT TRIED with every key: {count} {what}; --exhaustive tries them"

    def checks_text(self) -> Iterator[str]:
        forgotten = list(self.findings.readable_though_forgotten())
        if forgotten:
            yield f"{len(forgotten)} rows are readable that the ledger says are forgotten. The first:"
            yield from ("  " + line for line in self.chain(forgotten[0][3]))
        for verdict in self.verdicts:
            yield f"{'as expected' if verdict.holds else 'NOT AS EXPECTED'}: {verdict.expected} {verdict.of}: {verdict.why}"
            yield from ("    " + line for line in self.chain(verdict.step))
        if self.canaries is not None:
            yield f"Canaries: {len(self.canaries.words)} looked for"
            for sighting in self.canaries.sightings:
                yield f"  line {sighting.canary}{' IN THE CLEAR' if sighting.is_raw else ''}: {sighting.where}"


def newest(states: dict[str, Certificate]) -> Certificate:
    """Of the texts of one certificate that of the last state."""
    return next(states[state] for state in ("final", "effective", "pending", *states) if state in states)


def shortened(lines: list[str], most: int = 20) -> list[str]:
    return lines if len(lines) <= most else [*lines[:most], f"and {len(lines) - most} more of the kind"]


def tallies_text(categories: dict[int, Tally]) -> str:
    """All categories of a subject in one line: what opens by which epoch, what does not, and why."""
    groups: dict[str, list[str]] = {}
    for category, tally in sorted(categories.items()):
        epochs = "/".join(str(epoch) for _, epoch in sorted(tally.epochs))
        counts = {f"readable by epoch {epochs}": tally.readable, f"damaged, readable in part by epoch {epochs}": tally.damaged,
                  f"half overwritten in free pages, the rest readable by epoch {epochs}": tally.partial,
                  "sealed": tally.sealed, **{f"erased ({what})": count for what, count in sorted(tally.erased.items())}}
        for what, count in counts.items():
            if count:
                groups.setdefault(what, []).append(f"{category_name(category)} {count}")
    return "; ".join(f"{what}: {', '.join(counts)}" for what, counts in groups.items()) or "no row in the files"
