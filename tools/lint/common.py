"""What the lints share: finding files, blanking comments and strings, reporting. --root DIR checks another tree."""
import argparse
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCE_FOLDERS = ("libvault", "vaultd", "cli", "tools", "tests", "docs", ".ci")
SKIPPED_FOLDERS = {"__pycache__", ".git", ".cache"}


class Report:
    """Collects complaints as file:line: text, prints them, and turns them into an exit code."""

    def __init__(self, name):
        self.name = name
        self.complaints = []
        self.looked_at = 0

    def complain(self, path, line, text):
        self.complaints.append(f"{path}:{line}: {text}")

    def exit_code(self):
        if self.looked_at == 0:
            self.complaints.append(f"lint/{self.name}: found nothing to look at")
        for complaint in self.complaints:
            print(complaint)
        print(f"lint/{self.name}: {self.looked_at} looked at, {len(self.complaints)} complaints")
        return 1 if self.complaints else 0


def options(description, *extra):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--root", default=TOP, help="top of the tree to check")
    for name, default, text in extra:
        parser.add_argument(name, default=default, help=text)
    return parser.parse_args()


def files(root, suffixes=None, folders=SOURCE_FOLDERS, with_top=False):
    """Paths relative to root, sorted, of the files below the source folders; suffixes None: all of them."""
    found = []
    if with_top:
        found += [name for name in os.listdir(root) if name != ".git" and os.path.isfile(os.path.join(root, name))]
    for folder in folders:
        for where, below, names in os.walk(os.path.join(root, folder)):
            below[:] = [name for name in below if name not in SKIPPED_FOLDERS and not name.startswith("build")]
            found += [os.path.relpath(os.path.join(where, name), root) for name in names]
    return sorted(path for path in found if suffixes is None or path.endswith(tuple(suffixes)))


def read(root, path):
    """The text of a file, or None when it is not text."""
    with open(os.path.join(root, path), "rb") as handle:
        raw = handle.read()
    if b"\0" in raw:
        return None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


_NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def code_only(text):
    """C text with comments and literals blanked; lines and columns stay where they were."""
    return _NOISE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


class Accepted:
    """Uses that are accepted with a reason: lines `path: what: reason` of a file. One that is used no more is an error."""

    def __init__(self, root, path, report):
        self.path, self.report, self.lines, self.used = path, report, {}, set()
        text = read(root, path) if os.path.exists(os.path.join(root, path)) else None
        for number, line in enumerate((text or "").splitlines(), 1):
            parts = [part.strip() for part in line.split(":", 2)]
            if not line.strip() or line.startswith("#"):
                continue
            if len(parts) != 3 or not parts[2]:
                report.complain(path, number, "want path: what: reason")
                continue
            self.lines[(parts[0], parts[1])] = number

    def has(self, path, what):
        self.used.add((path, what))
        return (path, what) in self.lines

    def complain_of_unused(self):
        for (path, what), number in self.lines.items():
            if (path, what) not in self.used:
                self.report.complain(self.path, number, f"{path} no longer needs {what}: remove the line")


def finish(report):
    sys.exit(report.exit_code())
