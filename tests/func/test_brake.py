"""Forgetting as a weapon, with the real binaries: a brake of two requests an hour, a hold, approvals by two people, a restart.

usage: test_brake.py VAULTD VAULTCTL SOURCE_DIR
"""
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from vault_client import Daemon, VaultError  # noqa: E402

VAULTD, VAULTCTL, SOURCE = sys.argv[1:4]
CONFIG = "brake: {mode: on, shreds_per_hour: 2, delay_s: 0}\n"


class Brake(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="vaultd-brake-")
        self.addCleanup(self.directory.cleanup)
        config = os.path.join(self.directory.name, "vaultd.yaml")
        with open(config, "w", encoding="utf-8") as handle:
            handle.write(CONFIG)
        self.daemon = Daemon(VAULTD, arguments=["--config", config])
        self.addCleanup(self.daemon.remove)
        with open(os.path.join(SOURCE, "docs/examples/schemas/profile.yaml"), encoding="utf-8") as handle:
            schema = handle.read()
        with self.daemon.client("administrator") as client:
            client.call("schema.apply", schema=schema)
            secret = client.call("credential.create", name="second", role="approver")["secret"]
        second = os.path.join(self.daemon.said["credentials"], "second")
        with os.fdopen(os.open(second, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as handle:
            handle.write(secret + "\n")
        with self.daemon.client("application") as client:
            for name in ("ada", "bob", "eve", "fay"):
                client.call("subject.create", external_id=name, records={"profile": {"email": f"{name}@example.com"}})

    def as_role(self, role, *arguments, expect=0):
        """vaultctl with the credential of a role, or of the second approver. Returns what it printed."""
        environment = dict(os.environ, VAULTD_ADDR=self.daemon.address, VAULTD_CACERT=self.daemon.said["ca"],
                           VAULTD_CREDENTIAL_FILE=os.path.join(self.daemon.said["credentials"], role))
        done = subprocess.run([VAULTCTL, "--format", "json", *arguments], env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, expect, done.stderr)
        return json.loads(done.stdout) if expect == 0 and done.stdout else done.stderr

    def is_readable(self, name):
        with self.daemon.client("privacy") as client:
            try:
                client.call("record.get", subject=name, collection="profile", purpose="rights")
                return True
            except VaultError:
                return False

    def await_state(self, approval, state):
        deadline = time.monotonic() + 30
        while self.as_role("privacy", "approval", "list", "--approval", approval)["approvals"][0]["state"] != state:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)

    def test_what_is_held_back_waits_readable_over_a_restart_until_two_others_approve(self):
        for name in ("ada", "bob"):
            self.assertEqual(self.as_role("privacy", "subject", "shred", name, "--yes")["state"], "pending")
        waiting = self.as_role("privacy", "subject", "shred", "eve", "--yes")
        self.assertEqual(waiting["state"], "waiting")
        self.assertEqual([self.is_readable(name) for name in ("ada", "eve")], [False, True])
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.as_role("privacy", "subject", "shred", "fay", "--yes")["approval"], waiting["approval"])
        brake = self.as_role("operator", "status")["brake"]
        self.assertEqual((brake["on"], brake["per_hour"], brake["used"], brake["requests"]), (True, 2, 2, 2))
        grant = ("approval", "grant", waiting["approval"], "--items", "2", "--yes")
        self.as_role("privacy", *grant, expect=4)
        self.assertEqual(self.as_role("approver", *grant)["state"], "waiting")
        self.as_role("approver", *grant, expect=4)
        self.assertTrue(self.is_readable("eve"))
        self.assertEqual(self.as_role("second", *grant)["state"], "delayed")
        self.await_state(waiting["approval"], "done")
        self.assertEqual([self.is_readable(name) for name in ("eve", "fay")], [False, False])
        note = self.as_role("privacy", "subject", "shred", "eve", "--now", "--yes")["note"]
        self.assertIn("\napprovals: 2\n", note)

    def test_a_hold_stops_a_shred_and_takes_one_back_until_somebody_else_releases_it(self):
        self.assertEqual(self.as_role("privacy", "subject", "shred", "ada", "--yes")["state"], "pending")
        hold = self.as_role("privacy", "hold", "place", "ada", "--reason", "litigation", "--matter", "canary-matter")
        self.assertEqual(hold["taken_back"], 1)
        self.assertTrue(self.is_readable("ada"))
        self.assertIn("hold", self.as_role("privacy", "subject", "shred", "ada", "--yes", expect=5))
        self.daemon.kill()
        self.daemon.start()
        self.as_role("privacy", "subject", "shred", "ada", "--yes", expect=5)
        self.assertEqual(self.as_role("operator", "status")["holds"], 1)
        release = self.as_role("privacy", "hold", "release", hold["hold"], "--yes")
        self.as_role("approver", "approval", "grant", release["approval"], "--items", "0", "--yes")
        self.assertEqual(self.as_role("privacy", "hold", "list")["holds"], [])
        self.assertEqual(self.as_role("privacy", "subject", "shred", "ada", "--now", "--yes")["state"], "effective")
        self.daemon.stop()
        for where, _, names in os.walk(self.daemon.root):
            for name in names:
                if name.endswith(".sock"):
                    continue
                with open(os.path.join(where, name), "rb") as handle:
                    self.assertNotIn(b"canary-matter", handle.read(), name)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
