"""What the documents tell a newcomer to type, typed as it stands: the tour of README.md, and with its vault the example of
docs/PROTOCOL.md. Only the port is another, since tests run beside each other.

usage: test_docs.py VAULTD VAULTCTL SOURCE_DIR
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

VAULTD, VAULTCTL, SOURCE = sys.argv[1:4]
PORT_OF_THE_DOCUMENTS = "7470"


def block(document, heading, language=""):
    """The first fenced block of that language behind a heading."""
    with open(os.path.join(SOURCE, document), encoding="utf-8") as handle:
        text = handle.read()
    return re.search(rf"^## {heading}$.*?^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL).group(1)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


class Documents(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="vaultd-docs-")
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        self.port = free_port()
        os.mkdir(os.path.join(self.root, "bin"))
        self.program("vaultd", f'exec "{VAULTD}" --listen 127.0.0.1:{self.port} "$@"')
        self.program("vaultctl", f'exec "{VAULTCTL}" "$@"')

    def program(self, name, line):
        path = os.path.join(self.root, "bin", name)
        with open(path, "w", encoding="utf-8") as handle:
            handle.write(f"#!/bin/sh\n{line}\n")
        os.chmod(path, 0o755)

    def run_script(self, script):
        """Exit status, output, errors. Whatever the script started ends with it."""
        empty = os.path.join(self.root, "empty")
        os.mkdir(empty)
        environment = {"PATH": os.path.join(self.root, "bin") + ":/usr/bin:/bin", "HOME": self.root,
                       "VAULTD_ADDR": f"127.0.0.1:{self.port}"}
        process = subprocess.Popen(["bash", "-c", script], cwd=empty, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        try:
            output, errors = process.communicate(timeout=120)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, output, errors

    def test_the_tour_of_the_readme_and_the_example_of_the_protocol_do_what_they_say(self):
        example = block("docs/PROTOCOL.md", "Example", "python")
        self.assertIn(f", {PORT_OF_THE_DOCUMENTS},", example)
        with open(os.path.join(self.root, "example.py"), "w", encoding="utf-8") as handle:
            handle.write(example.replace(f", {PORT_OF_THE_DOCUMENTS},", f", {self.port},"))
        tour, stop = block("README.md", "Five minutes").rsplit("kill %1", 1)
        self.assertEqual(stop, "\n")
        script = f"{tour}/usr/bin/python3 ../example.py && echo example done\nkill %1\nwait %1; echo stopped $?\n"
        code, output, errors = self.run_script(script)
        self.assertEqual(code, 0, errors)
        for line in ("value  411111******1111", "value  4111111111111111", "opens_alone   no", "erased_since  1", "is_sound  yes",
                     "certificate  1", "example done", "stopped 0"):
            self.assertIn(f"\n{line}\n", output)
        self.assertIn("\n411111******1111\nexample done\n", output)
        refused = [line for line in errors.splitlines() if line.startswith(("vaultctl: ", "vaultd: ", "bash: "))]
        self.assertEqual(refused, ["vaultctl: The data has been erased. (erased, certificate 1)"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
