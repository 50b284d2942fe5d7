"""A restored backup becomes the vault, with the real daemon: in dev mode and sealed by a passphrase, and killed at every step.

usage: test_take_over.py VAULTD VAULTCTL [kill]

Back up, change, shred, take over, read back. The former incarnation's files, put back, are refused. With "kill" the daemon dies at
each step of a take-over instead, and what starts again is exactly the old vault or exactly the new one. That needs a build with
fault hooks.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from vault_client import Client, Daemon, VaultError  # noqa: E402

VAULTD, VAULTCTL = sys.argv[1:3]
KILLS = sys.argv[3:] == ["kill"]
STEPS = ["takeover.still", "S2.keeper", "S2.prepared", "takeover.built", "takeover.begun", "takeover.indexed", "takeover.rekeyed",
         "takeover.whole", "takeover.closed", "takeover.renamed", "takeover.installed", "S5.fenced", "S6.keeper", "S6.finalized",
         "recover.settled"]
BEFORE = STEPS[:STEPS.index("takeover.renamed")]
SCHEMA = """
name: profile
doc: People.
fields:
  - {name: email, type: email, category: A, index: many, doc: address}
---
name: cards
doc: Cards.
cardinality: many
forget: record
fields:
  - {name: number, type: pan, category: B, index: many, options: {policy: token}, doc: number}
"""
TEMPLATE = "templates:\n  - {name: opaque, format: opaque, collection: cards, field: number}\n"
PAN = "4000001234567899"


class Vault:
    """Somebody who stays, somebody whose address changes, somebody who is shredded; the backup lies between."""

    def __init__(self, test, daemon, clients):
        self.test, self.daemon, self.clients = test, daemon, clients
        self.backup = os.path.join(daemon.root, "b1")
        self.tokens = {}

    def fill(self):
        with self.clients("administrator") as client:
            for schema in SCHEMA.split("---\n"):
                client.call("schema.apply", schema=schema)
            client.call("template.apply", template=TEMPLATE)
        with self.clients("application") as client:
            for name in ("ada", "bob", "eve"):
                client.call("subject.create", external_id=name, records={"profile": {"email": f"{name}@example.org"}})
                self.tokens[name] = client.call("token.create", template="opaque", subject=name, value=PAN)["token"]
        with self.clients("operator") as client:
            client.call("backup.create", to=self.backup)
        with self.clients("privacy") as client:
            record = client.call("record.get", subject="bob", collection="profile", purpose="testing")["record"]
            client.call("record.put", subject="bob", collection="profile", record=record, fields={"email": "new@example.org"})
            client.call("subject.shred", subject="ada", now=True)

    def email(self, name):
        with self.clients("privacy") as client:
            return client.call("record.get", subject=name, collection="profile", view="plain", purpose="testing")["fields"]["email"]

    def found(self, value):
        with self.clients("application") as client:
            try:
                found = client.call("subject.find", collection="profile", field="email", value=value, purpose="testing")
                return len(found["matches"])
            except VaultError as refusal:
                self.test.assertEqual(refusal.status, "not-found")
                return 0

    def status(self):
        with self.daemon.local() as client:
            return client.call("vault.status")

    def check(self, is_new):
        """Exactly the one or exactly the other; nobody who was forgotten in either."""
        now, other = ("bob@example.org", "new@example.org") if is_new else ("new@example.org", "bob@example.org")
        self.test.assertEqual(self.status()["incarnation"], 2 if is_new else 1)
        self.test.assertEqual(self.email("bob"), now)
        self.test.assertEqual((self.found(now), self.found(other)), (1, 0))
        self.test.assertEqual(self.email("eve"), "eve@example.org")
        with self.clients("privacy") as client:
            self.test.assertEqual(client.refused("record.get", subject="ada", collection="profile", purpose="testing"), "not-found")
            self.test.assertEqual(client.refused("token.reveal", token=self.tokens["ada"], purpose="testing"), "erased")
        with self.clients("application") as client:
            value = client.call("token.reveal", token=self.tokens["bob"], view="plain", purpose="testing")["value"]
            self.test.assertEqual(value, PAN)
            client.call("subject.create", external_id=f"later-{time.monotonic_ns()}")
        with self.clients("operator") as client:
            client.call("epoch.close")
            check = client.call("store.check")
            self.test.assertTrue(check["is_sound"], check["faults"])
        with self.clients("auditor") as client:
            self.test.assertTrue(client.call("audit.verify")["is_sound"])

    def wait_for(self, state):
        """Until it answers again, and says so."""
        for _ in range(600):
            try:
                with self.daemon.local() as client:
                    if client.call("vault.health")["state"] == state:
                        return
            except (ConnectionError, OSError):
                pass
            time.sleep(0.05)
        self.test.fail(f"the vault did not become {state}: {self.daemon.log()[-2000:]}")

    def left(self):
        return [name for name in os.listdir(self.daemon.data) if name.startswith("restore.")]


@unittest.skipIf(KILLS, "the other half")
class TakeOver(unittest.TestCase):
    def test_in_dev_mode_the_vault_comes_back_as_the_backup_was(self):
        daemon = Daemon(VAULTD)
        self.addCleanup(daemon.remove)
        vault = Vault(self, daemon, daemon.client)
        vault.fill()
        environment = dict(os.environ, VAULTD_ADDR=daemon.address, VAULTD_CACERT=daemon.said["ca"],
                           VAULTD_CREDENTIAL_FILE=os.path.join(daemon.said["credentials"], "operator"))
        done = subprocess.run([VAULTCTL, "--format", "json", "backup", "restore", "--from", vault.backup, "--take-over", "--yes"],
                              env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        said = json.loads(done.stdout)
        self.assertEqual((said["report"]["subjects_in_backup"], said["report"]["subjects_erased"]), (3, 1))
        vault.wait_for("ready")
        vault.check(is_new=True)
        last = vault.status()["last_restore"]
        self.assertEqual((last["job"], last["incarnation"], last["report"]), (said["job"], 2, said["report"]))
        self.assertEqual(vault.left(), [])
        # And from the same backup, signed by the incarnation before, once more; then a start like any other.
        with daemon.client("operator", timeout=120) as client:
            client.call("backup.restore", **{"from": vault.backup, "take_over": True})
        vault.wait_for("ready")
        self.assertEqual(vault.status()["incarnation"], 3)
        self.assertEqual(daemon.stop(), 0)
        daemon.start()
        self.assertEqual(vault.status()["incarnation"], 3)
        self.assertEqual(vault.email("bob"), "bob@example.org")

    def test_the_former_incarnation_put_back_is_refused_by_name(self):
        daemon = Daemon(VAULTD)
        self.addCleanup(daemon.remove)
        vault = Vault(self, daemon, daemon.client)
        vault.fill()
        self.assertEqual(daemon.stop(), 0)
        former = os.path.join(daemon.root, "former")
        shutil.copytree(os.path.join(daemon.data, "store"), former)
        daemon.start()
        with daemon.client("operator", timeout=120) as client:
            client.call("backup.restore", **{"from": vault.backup, "take_over": True})
        vault.wait_for("ready")
        self.assertEqual(daemon.stop(), 0)
        shutil.rmtree(os.path.join(daemon.data, "store"))
        shutil.copytree(former, os.path.join(daemon.data, "store"))
        with self.assertRaises(RuntimeError) as refused:
            daemon.start()
        self.assertIn("incarnation 1", str(refused.exception))
        self.assertIn("another restore has taken over", str(refused.exception))

    def test_sealed_by_a_passphrase_it_waits_to_be_unsealed(self):
        dev = Daemon(VAULTD)            # for its TLS certificates
        self.addCleanup(dev.remove)
        root = os.path.join(dev.root, "production")
        data, keeper, tls = os.path.join(root, "data"), os.path.join(root, "keeper"), os.path.join(dev.data, "tls")
        os.makedirs(keeper)
        certificate, key = (os.path.join(tls, name) for name in ("server.pem", "server.key"))
        settings = f"""
data_dir: {data}
listen: 127.0.0.1:0
tls: {{certificate: {certificate}, key: {key}}}
keepers: [{{name: one, file: {keeper}/one.vtk}}]
quorum: 1
journal: {{dir: {root}/journal}}
"""
        config = os.path.join(root, "vaultd.yaml")
        with open(config, "w", encoding="ascii") as handle:
            handle.write(settings)
        daemon = Daemon(VAULTD, directory=root, dev=False, arguments=["--config", config])
        self.addCleanup(daemon.remove)
        secrets = {}
        with daemon.local(timeout=120) as local:
            secrets["administrator"] = local.call("vault.init", passphrase="correct horse")["credentials"][0]["secret"]

        def clients(role):
            return Client(daemon.address, dev.said["ca"], secrets[role], timeout=120)
        with clients("administrator") as client:
            for role in ("application", "privacy", "operator", "auditor"):
                secrets[role] = client.call("credential.create", name=role, role=role)["secret"]
        vault = Vault(self, daemon, clients)
        vault.fill()
        with clients("operator") as client:
            client.call("backup.restore", **{"from": vault.backup, "take_over": True})
        vault.wait_for("sealed")
        status = vault.status()
        self.assertEqual((status["incarnation"], status["last_restore"]["report"]["subjects_erased"]), (2, 1))
        with daemon.local(timeout=120) as local:
            self.assertEqual(local.refused("vault.unseal", passphrase="wrong"), "wrong-secret")
            local.call("vault.unseal", passphrase="correct horse")
        vault.check(is_new=True)
        self.assertEqual(daemon.stop(), 0)


@unittest.skipUnless(KILLS, "the other half")
class Kill(unittest.TestCase):
    def test_killed_at_every_step_it_is_the_old_vault_or_the_new_one(self):
        base = Daemon(VAULTD)
        self.addCleanup(base.remove)
        vault = Vault(self, base, base.client)
        vault.fill()
        self.assertEqual(base.stop(), 0)
        for step in STEPS:
            with self.subTest(step=step):
                self.round(vault, step)

    def round(self, base, step):
        root = os.path.join(base.daemon.root, "round")
        shutil.rmtree(root, ignore_errors=True)
        os.makedirs(root)
        shutil.copytree(base.daemon.data, os.path.join(root, "data"))
        daemon = Daemon(VAULTD, directory=root, environment=dict(os.environ))
        vault = Vault(self, daemon, daemon.client)
        vault.tokens = base.tokens
        try:
            daemon.stop()
            # Steps that an unsealing passes too are those of the second one.
            daemon.environment = dict(os.environ, VAULT_TEST_CRASH=step if step != "recover.settled" else "recover.settled:2")
            daemon.start()
            try:
                with daemon.client("operator", timeout=120) as client:
                    client.call("backup.restore", **{"from": base.backup, "take_over": True})
            except (ConnectionError, OSError):
                pass
            self.assertEqual(daemon.wait(60), -signal.SIGKILL)
            daemon.environment = dict(os.environ)
            daemon.start()
            vault.check(is_new=step not in BEFORE)
            self.assertEqual(vault.left(), [])
        finally:
            daemon.remove()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
