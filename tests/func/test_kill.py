"""Kill the daemon at every step of an epoch and at random points under load; start it again; look at what it promised.

usage: test_kill.py VAULTD ROUNDS

Acknowledged writes are there, acknowledged shreds stay, requests that were pending are pending or effective, the control subject
reads, the log verifies, and the start always recovers. A round that is to die at a step must die there. The seed is printed;
VT_SEED repeats a run. Needs a build with fault hooks.
"""
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from vault_client import Daemon, VaultError  # noqa: E402

VAULTD = sys.argv[1]
ROUNDS = int(sys.argv[2])
SEED = int(os.environ.get("VT_SEED", random.randrange(1 << 32)))
STEPS = ["S1.frozen", "S2.keeper", "S2.prepared", "S3.sealed", "S3.journal", "commit.before", "S4.committed", "commit.after",
         "S5.fenced", "S6.keeper", "S6.finalized", "S7.recorded", "journal.written", "journal.synced", "commit.journaled"]
SAMPLE = 100
STEP_TIMEOUT_S = 120
SCHEMA = """
name: profile
doc: People.
fields:
  - {name: email, type: email, category: A, index: many, doc: address}
  - {name: note, type: text, category: D, doc: anything}
"""


class Kill(unittest.TestCase):
    def setUp(self):
        self.dice = random.Random(SEED)
        root = tempfile.mkdtemp(prefix="vaultd-kill-")
        self.addCleanup(shutil.rmtree, root, ignore_errors=True)
        journal = os.path.join(root, "journal")
        os.mkdir(journal, 0o700)
        self.daemon = Daemon(VAULTD, directory=root, arguments=["--journal", journal])
        self.addCleanup(self.daemon.remove)
        self.written = {}           # acknowledged: external id -> note
        self.unsure = {}            # sent, never answered
        self.shredded = set()       # acknowledged as effective
        self.asked = set()          # asked for, answered or not
        self.checked = set()        # looked at in some round
        self.refusals = []          # under load nothing is refused: it is answered, or the connection breaks
        self.number = 0
        with self.daemon.client("administrator") as client:
            client.call("schema.apply", schema=SCHEMA)

    def create(self, client):
        self.number += 1
        name, note = f"sub-{self.number}", f"note {self.number}"
        self.unsure[name] = note
        client.call("subject.create", external_id=name,
                    records={"profile": {"email": f"{name}@example.org", "note": note}})
        self.written[name] = self.unsure.pop(name)

    def shred(self, client, name):
        self.asked.add(name)
        result = client.call("subject.shred", subject=name, now=True)
        if result["state"] == "effective":
            self.shredded.add(name)

    def load(self, stop):
        """Write and shred until the connection breaks."""
        try:
            with self.daemon.client("application") as application, self.daemon.client("privacy") as privacy:
                while not stop.is_set():
                    self.create(application)
                    alive = [name for name in self.written if name not in self.asked and name != "sub-1"]
                    if len(alive) > 5 and self.dice.random() < 0.2:
                        self.shred(privacy, self.dice.choice(alive))
        except VaultError as refusal:
            self.refusals.append(str(refusal))
        except OSError:
            pass

    def check(self, everything=False):
        """Whatever this round has touched, and a sample of what is older; at the end all there is."""
        fresh = [name for name in self.written if name not in self.checked or name in self.asked and name not in self.shredded]
        older = [name for name in self.written if name in self.checked]
        names = self.written if everything else {*fresh, *self.dice.sample(older, min(len(older), SAMPLE))}
        with self.daemon.client("privacy") as client:
            for name in names:
                note = self.written[name]
                self.checked.add(name)
                status = client.refused("record.get", subject=name, collection="profile", view="plain", purpose="testing")
                if name in self.shredded:
                    self.assertEqual(status, "not-found", f"a shred of {name} was undone")
                elif name in self.asked:
                    self.assertIn(status, ("ok", "not-found", "shred-pending"))
                else:
                    self.assertEqual(status, "ok", f"the acknowledged write of {name} was lost")
                    result = client.call("record.get", subject=name, collection="profile", view="plain", purpose="testing")
                    self.assertEqual(result["fields"]["note"], note)
        with self.daemon.client("operator") as client:
            # What was asked for and left pending becomes effective now.
            client.call("epoch.close")
            check = client.call("store.check")
            self.assertTrue(check["is_sound"], check["faults"])
        with self.daemon.client("auditor") as client:
            self.assertTrue(client.call("audit.verify")["is_sound"])

    def die_at_step(self, crash):
        """Under load, until the step kills it; the start itself may pass the step."""
        try:
            self.daemon.start()
        except RuntimeError as failure:
            self.daemon.process = None
            self.assertIn(f"exit {-signal.SIGKILL}:", str(failure))
            return
        with self.load_running():
            deadline = time.monotonic() + STEP_TIMEOUT_S
            while self.daemon.process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            self.assertEqual(self.daemon.process.poll(), -signal.SIGKILL, f"the step {crash} was never reached")
            self.daemon.wait()

    def die_at_any_point(self):
        self.daemon.start()
        with self.load_running():
            time.sleep(self.dice.random() * 0.7)
            self.assertEqual(self.daemon.kill(), -signal.SIGKILL)

    @contextlib.contextmanager
    def load_running(self):
        stop = threading.Event()
        worker = threading.Thread(target=self.load, args=(stop,))
        worker.start()
        try:
            yield
        finally:
            stop.set()
            worker.join(60)
        self.assertFalse(worker.is_alive())
        self.assertEqual(self.refusals, [])

    def round(self, crash=None):
        environment = dict(os.environ)
        environment.pop("VAULT_TEST_CRASH", None)
        if crash:
            environment["VAULT_TEST_CRASH"] = crash
        self.daemon.environment = environment
        self.daemon.stop()
        if crash:
            self.die_at_step(crash)
        else:
            self.die_at_any_point()
        environment.pop("VAULT_TEST_CRASH", None)
        self.daemon.start()
        self.check()

    def test_killed_at_every_step_and_at_random_points(self):
        print(f"seed {SEED}", flush=True)
        with self.daemon.client("application") as client:
            for _ in range(8):
                self.create(client)
        first = len(self.written)
        for count in range(ROUNDS):
            step = STEPS[count] if count < len(STEPS) else None
            if count >= 2 * len(STEPS) and count % 3 == 0:
                step = f"{self.dice.choice(STEPS)}:{self.dice.randrange(1, 6)}"
            with self.subTest(round=count, step=step):
                self.round(step)
        self.check(everything=True)
        self.assertGreater(len(self.written), first)
        self.assertTrue(self.shredded)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
