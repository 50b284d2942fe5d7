#!/usr/bin/python3
"""Links in the documents lead somewhere: a file that exists, a heading that its document has. So does what documents and sources
say in words: the name of a document of docs/, then one or more of its headings in quotation marks.

    links.py ROOT     look at README.md and docs/ beneath ROOT, and at the sources beside them
    links.py --self   see that a broken link of each kind is found, and a good one is not
"""
import os
import re
import sys
import tempfile

FENCED = re.compile(r"(?ms)^```.*?^```[^\n]*$")
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"(?m)^#{1,6} +(.+?) *$")
SOURCES = (".c", ".h", ".py", ".sh", ".txt")
FOLDERS = ("cli", "libvault", "tests", "tools", "vaultd")
BREAK = re.compile(r"\s*\n[ \t]*(?:\*|#|//)?[ \t]*")          # a comment goes on in the next line
CITED = re.compile(r'\b([A-Z]{2,}\.md)\)?,? ("[^"]+"(?:(?:,| and|, and)? "[^"]+")*)')
QUOTED = re.compile(r'"([^"]+)"')


def read(path):
    with open(path, encoding="utf-8") as file:
        return FENCED.sub("", file.read())


def anchors(path):
    """As the common renderers name headings: small letters, hyphens for blanks, nothing else but letters and digits."""
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(read(path))}


def documents(root):
    yield os.path.join(root, "README.md")
    for folder, _, names in sorted(os.walk(os.path.join(root, "docs"))):
        for name in sorted(names):
            if name.endswith(".md"):
                yield os.path.join(folder, name)


def sources(root):
    for top in FOLDERS:
        for folder, _, names in sorted(os.walk(os.path.join(root, top))):
            for name in sorted(names):
                path = os.path.join(folder, name)
                if name.endswith(SOURCES) and os.path.abspath(path) != os.path.abspath(__file__):
                    yield path


def headings(path):
    return set(HEADING.findall(read(path))) if os.path.exists(path) else set()


def citations(root, path):
    """Documents and headings that are named in words: (document, heading, whether it is there)."""
    with open(path, encoding="utf-8") as file:
        text = BREAK.sub(" ", file.read())
    for name, quoted in CITED.findall(text):
        for heading in QUOTED.findall(quoted):
            yield name, heading, heading in headings(os.path.join(root, "docs", name))


def fault_of(path, target):
    if re.match(r"[a-z]+:", target):
        return None
    name, _, anchor = target.partition("#")
    there = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
    if not os.path.exists(there):
        return "no such file"
    if anchor and anchor not in anchors(there):
        return "no such heading"
    return None


def check(root):
    """Complaints, and how many links and citations were looked at."""
    complaints, count = [], 0
    for path in [*documents(root), *sources(root)]:
        for name, heading, is_there in citations(root, path):
            count += 1
            if not is_there:
                complaints.append(f'{os.path.relpath(path, root)}: {name} "{heading}": no such heading')
    for path in documents(root):
        for target in LINK.findall(CODE.sub("", read(path))):
            count += 1
            fault = fault_of(path, target)
            if fault:
                complaints.append(f"{os.path.relpath(path, root)}: {target}: {fault}")
    return complaints, count


def check_self():
    with tempfile.TemporaryDirectory() as root:
        os.mkdir(os.path.join(root, "docs"))
        with open(os.path.join(root, "README.md"), "w", encoding="utf-8") as file:
            file.write("[a](docs/A.md) [b](docs/A.md#two-words) [c](https://example.com/x) `[d](gone)`\n"
                       "[e](docs/GONE.md) [f](docs/A.md#gone)\n```\n[g](gone)\n```\n")
        with open(os.path.join(root, "docs", "A.md"), "w", encoding="utf-8") as file:
            file.write("# Two words\n[up](../README.md) [here](#two-words) [gone](#nowhere)\n")
        os.mkdir(os.path.join(root, "cli"))
        with open(os.path.join(root, "cli", "a.c"), "w", encoding="utf-8") as file:
            file.write('/* docs/AB.md "Two\n * words", "Gone"; docs/AB.md, "Two words"; docs/NO.md "x" */\n"docs/AB.md", "Gone"\n')
        with open(os.path.join(root, "docs", "AB.md"), "w", encoding="utf-8") as file:
            file.write("# Two words\n")
        complaints, count = check(root)
    assert count == 12, count
    assert complaints == [os.path.join("cli", "a.c") + ': AB.md "Gone": no such heading',
                          os.path.join("cli", "a.c") + ': NO.md "x": no such heading',
                          "README.md: docs/GONE.md: no such file", "README.md: docs/A.md#gone: no such heading",
                          os.path.join("docs", "A.md") + ": #nowhere: no such heading"], complaints


def main():
    if sys.argv[1:] == ["--self"]:
        check_self()
        return
    complaints, count = check(sys.argv[1])
    assert count > 0, "no link was found at all"
    print("\n".join(complaints))
    print(f"{count} links, {len(complaints)} broken")
    sys.exit(1 if complaints else 0)


main()
