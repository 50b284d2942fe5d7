"""Kill the daemon in the middle of a rotation; start it again; it goes on by itself, and everything reads.

usage: test_rotation.py VAULTD

Some hundred people, cards shared through deterministic tokens, writers at work meanwhile. The step at which the daemon dies is
counted by a fault hook, so the build must have them. One test kills at random points; VT_SEED repeats it.
"""
import os
import random
import signal
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from vault_client import Daemon, VaultError  # noqa: E402

VAULTD = sys.argv[1]
PEOPLE = 300
SEED = int(os.environ.get("VT_SEED", random.randrange(1 << 32)))
CARDS = ["4000001234567899", "4111111111111111", "5105105105105100"]
SCHEMAS = """
collections:
  - name: profile
    doc: People.
    fields:
      - {name: login, type: email, category: A, index: unique, doc: login}
      - {name: town, type: email, category: D, index: many, doc: shared by many}
  - name: cards
    doc: Cards.
    cardinality: many
    fields:
      - {name: number, type: pan, category: B, index: many, options: {policy: token}, doc: number}
"""
TEMPLATES = """
templates:
  - {name: same, format: opaque, collection: cards, field: number, deterministic: true}
  - {name: digits, format: digits, collection: cards, field: number, keep_last: 4, deterministic: true}
"""


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)


class Rotation(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon(VAULTD)
        self.addCleanup(self.daemon.remove)
        self.people = {}            # acknowledged: external id -> login
        self.tokens = {}            # (template, card) -> token
        with self.daemon.client("administrator") as client:
            client.call("schema.apply", schema=SCHEMAS)
            client.call("template.apply", template=TEMPLATES)
        with self.daemon.client("application") as client:
            for _ in range(PEOPLE):
                self.create(client)
            for number, name in enumerate(list(self.people)[:30]):
                for template in ("same", "digits"):
                    self.tokenize(client, name, template, CARDS[number % len(CARDS)])

    def create(self, client):
        name = f"p-{len(self.people)}"
        records = {"profile": {"login": f"{name}@example.org", "town": f"t{len(self.people) % 7}@example.org"}}
        try:
            client.call("subject.create", external_id=name, records=records)
        except VaultError as refusal:       # the answer to an earlier try was lost with the daemon
            if refusal.status != "exists":
                raise
        self.people[name] = f"{name}@example.org"

    def tokenize(self, client, name, template, card):
        token = client.call("token.create", template=template, subject=name, value=card)["token"]
        self.assertEqual(self.tokens.setdefault((template, card), token), token)

    def write_until_it_breaks(self, stop):
        try:
            with self.daemon.client("application") as client:
                while not stop.is_set():
                    self.create(client)
        except (ConnectionError, OSError):
            pass

    def rotate_and_die(self, step, **what):
        """Die before the given step of the rotation, counted from 1."""
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon.environment = dict(os.environ, VAULT_TEST_CRASH=f"rotation.step:{step}")
        self.daemon.start()
        stop = threading.Event()
        writer = threading.Thread(target=self.write_until_it_breaks, args=(stop,))
        writer.start()
        try:
            with self.daemon.client("administrator") as client:
                job = client.call("key.rotate", **what)["job"]
        except (ConnectionError, OSError):
            job = None                      # it died before it had answered
        wait_until(lambda: self.daemon.process.poll() is not None)
        stop.set()
        writer.join(60)
        self.assertFalse(writer.is_alive())
        self.assertEqual(self.daemon.kill(), -signal.SIGKILL)
        self.daemon.environment = None
        self.daemon.start()
        return job

    def job_of(self, client):
        jobs = [job for job in client.call("job.status")["jobs"] if job["kind"].startswith("key.rotate")]
        self.assertEqual(len(jobs), 1)
        return jobs[0]

    def goes_on(self, job):
        with self.daemon.client("administrator") as client:
            wait_until(lambda: self.job_of(client)["state"] != "running")
            ended = self.job_of(client)
            self.assertEqual((ended["state"], ended["resumed"]), ("done", True), ended)
            if job is not None:
                self.assertEqual(ended["id"], job)
            status = client.call("key.status")
            self.assertEqual(status["rotations"], [])
            return status["keys"]

    def everything_is_right(self):
        with self.daemon.client("application") as client:
            for name, login in self.people.items():
                found = client.call("subject.find", collection="profile", field="login", value=login, purpose="service")
                self.assertEqual(len(found["matches"]), 1)
                got = client.call("record.get", subject=name, collection="profile", view="plain", purpose="service")
                self.assertEqual(got["fields"]["login"], login)
            for (template, card), token in self.tokens.items():
                revealed = client.call("token.reveal", token=token, view="plain", purpose="billing")
                self.assertEqual(revealed["value"], card)
                self.tokenize(client, f"p-{len(self.people) - 1}", template, card)
            taken = {"profile": {"login": self.people["p-0"]}}
            self.assertEqual(client.refused("subject.create", external_id="other", records=taken), "exists")
        with self.daemon.client("operator") as client:
            check = client.call("store.check")
            self.assertTrue(check["is_sound"], check["faults"])

    def versions(self, keys, name):
        return [key["version"] for key in keys if key["name"] == name]

    def test_an_index_rotation_goes_on_after_a_kill(self):
        for round_, step in enumerate((1, 4, 7), 2):
            with self.subTest(step=step):
                keys = self.goes_on(self.rotate_and_die(step, what="tenant", key="index"))
                self.assertEqual(self.versions(keys, "tenant index"), [round_])
                self.everything_is_right()

    def test_an_era_of_the_index_goes_on_after_a_kill(self):
        for round_, step in enumerate((2, 3), 2):
            with self.subTest(step=step):
                keys = self.goes_on(self.rotate_and_die(step, what="tenant", key="place"))
                self.assertEqual(self.versions(keys, "tenant place"), [round_])
                self.everything_is_right()

    def test_all_keys_of_the_tenant_go_on_after_a_kill(self):
        keys = self.goes_on(self.rotate_and_die(15, what="tenant"))
        for name in ("index", "place", "config", "audit"):
            self.assertEqual(self.versions(keys, f"tenant {name}"), [2], name)
        for name in ("token", "token-seal"):
            self.assertEqual(self.versions(keys, f"tenant {name}"), [2, 1], name)
        self.everything_is_right()

    def test_a_rotation_of_the_tree_goes_on_after_a_kill(self):
        for step in (2, 3):
            with self.subTest(step=step):
                self.goes_on(self.rotate_and_die(step, what="tree"))
                self.everything_is_right()

    def test_a_rotation_of_a_subject_goes_on_after_a_kill_and_closes_its_epoch(self):
        for round_, step in enumerate((2, 3, 5), 2):
            with self.subTest(step=step):
                job = self.rotate_and_die(step, what="subject", subject="p-0", destroy_now=True)
                self.goes_on(job)
                with self.daemon.client("administrator") as client:
                    keys = client.call("key.status", subject="p-0")["keys"]
                self.assertEqual({key["version"] for key in keys}, {round_})
                self.assertEqual({key["state"] for key in keys}, {"live"})
                self.everything_is_right()

    def test_a_rotation_that_is_killed_over_and_over_comes_to_its_end(self):
        print(f"seed {SEED}", flush=True)
        dice = random.Random(SEED)
        with self.daemon.client("administrator") as client:
            job = client.call("key.rotate", what="tenant", key="index")["job"]
        for _ in range(8):
            stop = threading.Event()
            writer = threading.Thread(target=self.write_until_it_breaks, args=(stop,))
            writer.start()
            time.sleep(dice.random() * 0.1)
            stop.set()
            self.assertEqual(self.daemon.kill(), -signal.SIGKILL)
            writer.join(60)
            self.assertFalse(writer.is_alive())
            self.daemon.start()
        with self.daemon.client("administrator") as client:
            wait_until(lambda: client.call("key.status")["rotations"] == [])
            keys = client.call("key.status")["keys"]
            self.assertLessEqual({item["id"] for item in client.call("job.status")["jobs"]}, {job})
        self.assertEqual(self.versions(keys, "tenant index"), [2])
        self.everything_is_right()

    def test_a_rotation_under_way_when_the_daemon_stops_goes_on_when_it_starts(self):
        with self.daemon.client("administrator") as client:
            job = client.call("key.rotate", what="tenant", key="index")["job"]
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon.start()
        with self.daemon.client("administrator") as client:
            wait_until(lambda: client.call("key.status")["rotations"] == [])
            keys = client.call("key.status")["keys"]
            self.assertLessEqual({item["id"] for item in client.call("job.status")["jobs"]}, {job})
        self.assertEqual(self.versions(keys, "tenant index"), [2])
        self.everything_is_right()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
