"""Opens what opens in a pile of a vault's files, and says what that is and why. Writes nothing anywhere.

Each PATH is a data file, a backup, a keeper's file or partition, a journal, or a directory of such, of whatever time; what it
is, is seen by its content. Copy a running vault's files first, or stop it: what changes while it is read looks damaged.

exit status:
  0  everything was read, and every expectation holds
  1  an expectation does not hold, or what the ledger says is forgotten can be read
  2  wrong usage
  3  some file could not be read, not all of it, or not understood, or not every key was tried on everything;
     nothing of 1 was found
  4  the reader itself failed: nothing is shown
"""
import argparse
import io
import json
import os
import sys
import traceback
from typing import Callable, Optional

from . import collect, wraps
from .beside import Beside
from .codec import Malformed
from .findings import Asked, Findings, Verdict, parse_asked
from .fixpoint import Fixpoint, Secrets, Watcher
from .pile import UNKNOWN, Pile
from .report import Report
from .watch import Canaries, Values, read_words

OK, NOT_AS_EXPECTED, USAGE, NOT_ALL_READ, FAILED = range(5)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="vault-reader", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = made.add_argument
    add("paths", nargs="+", metavar="PATH", help="file or directory")
    add("--unseal", action="append", default=[], metavar="WHAT:FILE",
        help="passphrase:FILE, keyfile:FILE or share:FILE; repeat it for each that you have")
    add("--token", action="append", default=[], metavar="FILE", help="tokens, one a line: their rows open for who has them")
    add("--caller-key", action="append", default=[], metavar="FILE", help="idempotency keys, one a line: kept answers")
    add("--expect-unreadable", action="append", default=[], metavar="SID[/CATEGORY[/RECORD]]",
        help="fail if a row of it opens or its key is reached; category * is any")
    add("--expect-readable", action="append", default=[], metavar="SID[/CATEGORY[/RECORD]]", help="fail if no row of it opens")
    add("--why", action="append", default=[], metavar="SID[/CATEGORY]", help="show what led to it")
    add("--canary", metavar="FILE", help="byte strings, one a line: fail if one is in a file or in anything that opens")
    add("--canary-control", metavar="FILE", help="the same, but fail unless each is in something that opens and in no file")
    add("--show-values", action="store_true", help="print what is readable")
    add("--exhaustive", action="store_true", help="try every key on all that lost its name, however long that takes")
    add("--ignore-unknown", action="store_true", help="files that are not understood do not count as not read")
    add("--json", action="store_true", help="report as JSON")
    add("--quiet", action="store_true", help="no progress on stderr")
    return made


def read_whole(path: str) -> bytes:
    with open(path, "rb") as handle:
        return handle.read()


def lines_of(paths: list[str]) -> list[bytes]:
    return [line.strip() for path in paths for line in read_whole(path).splitlines() if line.strip()]


def read_secrets(options: argparse.Namespace) -> Secrets:
    """The unseal secrets. Raises ValueError, OSError, Malformed."""
    secrets = Secrets([], [], [], lines_of(options.token), lines_of(options.caller_key))
    for given in options.unseal:
        kind, _, path = given.partition(":")
        if kind not in ("passphrase", "keyfile", "share") or not path:
            raise ValueError(f"--unseal {given}: want passphrase:FILE, keyfile:FILE or share:FILE")
        content = read_whole(path)
        if kind == "passphrase":
            secrets.passphrases.append((one_line(content), path))
        elif kind == "keyfile":
            secrets.key_files.append((wraps.key_file_secret(content), path))
        else:
            secrets.shares.extend((wraps.parse_share(line.decode("utf-8", "replace")), path) for line in content.splitlines()
                                  if line.strip())
    return secrets


def one_line(content: bytes) -> bytes:
    """A passphrase's file without the line break at its end. docs/FORMAT.md, "Wraps"."""
    return content.removesuffix(b"\n").removesuffix(b"\r")


def read_scopes(texts: list[str]) -> list[Asked]:
    scopes = []
    for text in texts:
        try:
            scopes.append(parse_asked(text))
        except ValueError as wrong:
            raise ValueError(f"{text}: {wrong}") from wrong
    return scopes


def read_canaries(path: Optional[str]) -> Optional[Canaries]:
    if path is None:
        return None
    words = read_words(read_whole(path))
    if not words:
        raise ValueError(f"{path}: no byte string in it, so nothing would be looked for")
    return Canaries(words)


class Question:
    """What was asked, read from the arguments and checked. Raises ValueError, OSError, Malformed."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.secrets = read_secrets(options)
        self.unreadable = read_scopes(options.expect_unreadable)
        self.readable = read_scopes(options.expect_readable)
        self.why = read_scopes(options.why)
        self.canary = read_canaries(options.canary)
        self.control = read_canaries(options.canary_control)
        self.values = Values() if options.show_values else None

    def watchers(self) -> list[Watcher]:
        return [watcher for watcher in (self.canary, self.control, self.values) if watcher is not None]

    def verdicts(self, findings: Findings) -> list[Verdict]:
        verdicts = [findings.expect_unreadable(asked) for asked in self.unreadable]
        verdicts += [findings.expect_readable(asked) for asked in self.readable]
        for canaries, name in ((self.canary, "absent"), (self.control, "present")):
            if canaries is not None:
                canaries.look_at_files(findings.found.pile)
                verdicts += [self.canary_verdict(canaries, line, name) for line, _ in canaries.words]
        return verdicts

    @staticmethod
    def canary_verdict(canaries: Canaries, line: int, expected: str) -> Verdict:
        opened, raw = canaries.seen.get((line, False), 0), canaries.seen.get((line, True), 0)
        holds = not raw and bool(opened) == (expected == "present")
        why = f"{opened} times in what opened, in {raw} files in the clear"
        return Verdict(expected, f"canary of line {line}", holds, why, None)


def run(options: argparse.Namespace, question: Question, progress: Callable[[str], None]) -> Report:
    """Read, open, judge."""
    pile = Pile()
    for path in options.paths:
        pile.add(path)
    found = collect.collect(pile, progress)
    fix = Fixpoint(found, question.secrets, question.watchers(), progress, options.exhaustive)
    fix.run()
    beside = Beside(fix)
    beside.run()
    findings = Findings(found, fix, beside)
    verdicts = question.verdicts(findings)
    exit_code = OK
    not_understood = not options.ignore_unknown and any(file.kind == UNKNOWN for file in pile.files)
    if pile.unreadable or fix.untried or not_understood or any(file.damage for file in pile.files):
        exit_code = NOT_ALL_READ
    if not all(verdict.holds for verdict in verdicts) or any(findings.readable_though_forgotten()):
        exit_code = NOT_AS_EXPECTED
    return Report(findings, beside, verdicts, question.why, question.canary, question.values, exit_code)


def main(arguments: Optional[list[str]] = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")   # a file's name may be any bytes
    options = parser().parse_intermixed_args(arguments)     # files and options in any order
    progress = (lambda text: None) if options.quiet else collect.to_stderr
    try:
        question = Question(options)
    except (ValueError, OSError, Malformed) as wrong:
        print(f"vault-reader: {wrong}", file=sys.stderr)
        return USAGE
    try:
        report = run(options, question, progress)
    except Exception as wrong:                              # pylint: disable=broad-exception-caught
        print(failure_text(wrong), file=sys.stderr)
        return FAILED
    try:
        if options.json:
            json.dump(report.json(), sys.stdout, indent=1, default=shown)
            print()
        else:
            for line in report.text():
                print(line)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return report.exit_code


def failure_text(wrong: Exception) -> str:
    """Where the reader failed, without the text of the exception, which can hold what was read."""
    last = traceback.extract_tb(wrong.__traceback__)[-1]
    return (f"vault-reader: the reader itself failed, {type(wrong).__name__} in {os.path.basename(last.filename)} line "
            f"{last.lineno}. That is a mistake in it: nothing is shown about these files.")


def shown(value: object) -> str:
    """Values that JSON has no form for: bytes of a field, as hex."""
    return value.hex() if isinstance(value, bytes) else str(value)
