"""The life of three file keepers of which two are needed, through vaultctl: one lost and given up, one back from an old copy, one
more, one less.

usage: test_keepers.py VAULTD VAULTCTL SOURCE_DIR
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from vault_client import Client, Daemon  # noqa: E402

VAULTD, VAULTCTL, SOURCE = sys.argv[1:4]
PASSPHRASE = "correct horse battery staple"
SCHEMA = "name: profile\nfields: [{name: email, type: email, category: A}]\n"


class World:
    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="vaultd-keepers-")
        self.secrets = {}
        self.names = ["one", "two", "three"]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=vaultd", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.path("server.key"),
                        "-out", self.path("server.pem")], check=True, capture_output=True)
        os.chmod(self.path("server.key"), 0o600)
        self.configure()
        self.daemon = Daemon(VAULTD, directory=self.root, dev=False, arguments=["--config", self.path("vaultd.yaml")])
        with self.daemon.local(timeout=120) as local:
            answer = local.call("vault.init", passphrase=PASSPHRASE)
        self.keep_secret("administrator", answer["credentials"][0]["secret"])
        with self.client("administrator") as client:
            for role in ("application", "privacy", "operator"):
                self.keep_secret(role, client.call("credential.create", name=role, role=role)["secret"])
            client.call("schema.apply", schema=SCHEMA)

    def path(self, *names):
        return os.path.join(self.root, *names)

    def keeper(self, name):
        return self.path(name, "keeper.vtk")

    def configure(self):
        for name in self.names:
            os.makedirs(self.path(name), exist_ok=True)
        keepers = ", ".join(f"{{name: {name}, file: {self.keeper(name)}}}" for name in self.names)
        with open(self.path("vaultd.yaml"), "w", encoding="utf-8") as handle:
            handle.write(f"""
data_dir: {self.path("data")}
listen: 127.0.0.1:0
tls: {{certificate: {self.path("server.pem")}, key: {self.path("server.key")}}}
keepers: [{keepers}]
quorum: 2
store: {{ballast_mib: 1}}
""")

    def keep_secret(self, role, secret):
        self.secrets[role] = secret
        with open(os.open(self.path(role), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as handle:
            handle.write(secret + "\n")

    def client(self, role):
        return Client(self.daemon.address, self.path("server.pem"), self.secrets[role], timeout=120)

    def stop(self):
        assert self.daemon.stop() == 0

    def start(self):
        self.daemon.start()
        with self.daemon.local(timeout=120) as local:
            local.call("vault.unseal", passphrase=PASSPHRASE)

    def vaultctl(self, role, *words):
        """(exit code, result) of a command."""
        environment = dict(os.environ, VAULTD_ADDR=self.daemon.address, VAULTD_CACERT=self.path("server.pem"),
                           VAULTD_CREDENTIAL_FILE=self.path(role))
        done = subprocess.run([VAULTCTL, *words, "--format", "json"], env=environment, capture_output=True, check=False,
                              timeout=120)
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else done.stderr.decode()

    def check(self):
        return self.vaultctl("operator", "keeper", "check")[1]

    def shred(self, subject):
        """What subject.shred with `now` says: a result, or the name of the error."""
        with self.client("application") as client:
            client.call("subject.create", external_id=subject, records={"profile": {"email": subject + "@example.org"}})
        with self.client("privacy") as client:
            return client.call("subject.shred", subject=subject)["certificate"]

    def state(self, certificate):
        with self.client("privacy") as client:
            return client.call("certificate.show", number=certificate)["certificate"]["state"]

    def close(self):
        return self.vaultctl("operator", "epoch", "close")[0]

    def remove(self):
        self.daemon.remove()
        shutil.rmtree(self.root, ignore_errors=True)


class Keepers(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.remove)

    def by_name(self, check, key):
        return {keeper["name"]: keeper[key] for keeper in check["keepers"]}

    def test_a_sound_set_says_how_many_may_fail(self):
        check = self.world.check()
        self.assertEqual((check["is_sound"], check["findings"]), (True, []))
        self.assertEqual(self.by_name(check, "share"), {"one": "fits", "two": "fits", "three": "fits"})
        tolerance = {name: (need["possible"], need["may_fail"]) for name, need in check["tolerance"].items()}
        self.assertEqual(tolerance, {"opening": (True, 1), "preparing": (True, 0), "erasing": (True, 1)})
        self.assertEqual(self.world.vaultctl("operator", "status")[1]["tolerance"], check["tolerance"])

    def test_a_lost_keeper_is_replaced_on_the_administrators_word(self):
        world = self.world
        world.stop()
        os.unlink(world.keeper("three"))
        world.start()                                       # it starts and serves without it
        number = world.shred("ada")
        self.assertNotEqual(world.close(), 0)
        self.assertEqual(world.state(number), "pending")
        check = world.check()
        self.assertFalse(check["is_sound"])
        self.assertIn("Keeper three does not answer.", check["findings"])
        self.assertEqual(check["tolerance"]["opening"], {"possible": True, "needed": 2, "present": 2, "may_fail": 0})
        self.assertEqual(check["tolerance"]["preparing"], {"possible": False, "needed": 3, "present": 2, "may_fail": 0})
        code, said = world.vaultctl("administrator", "keeper", "change", "--yes")
        self.assertNotEqual(code, 0)
        self.assertFalse(os.path.exists(world.keeper("three")))
        code, said = world.vaultctl("administrator", "keeper", "change", "--lost", "three", "--yes")
        self.assertEqual(code, 0, said)
        self.assertEqual([[item["name"] for item in said[part]] for part in ("stay", "join", "leave", "lost")],
                         [["one", "two"], ["three"], [], ["three"]])
        self.assertEqual(world.close(), 0)
        self.assertEqual(world.state(number), "effective")
        check = world.check()
        self.assertEqual(self.by_name(check, "share"), {"one": "fits", "two": "fits", "three": "fits"})
        world.stop()
        os.rename(world.keeper("one"), world.path("away"))
        world.start()                                       # the new one opens it together with one other
        os.rename(world.path("away"), world.keeper("one"))
        self.assertTrue(world.check()["is_sound"])          # and that one is taken back without a restart

    def test_a_keeper_that_comes_back_from_an_old_copy_erases_it(self):
        world = self.world
        world.stop()
        shutil.copy(world.keeper("two"), world.path("copy"))
        world.start()
        number = world.shred("ada")
        self.assertEqual(world.close(), 0)
        self.assertEqual(world.state(number), "effective")
        world.stop()
        shutil.copy(world.path("copy"), world.keeper("two"))
        world.start()
        check = world.check()
        self.assertEqual(self.by_name(check, "holds")["two"], [])
        self.assertEqual(self.by_name(check, "share"), {"one": "fits", "two": "none", "three": "fits"})
        world.shred("bob")
        self.assertEqual(world.close(), 0)
        self.assertTrue(world.check()["is_sound"])

    def test_one_more_and_one_less(self):
        world = self.world
        world.stop()
        world.names.append("four")
        world.configure()
        world.start()
        self.assertFalse(os.path.exists(world.keeper("four")))
        number = world.shred("ada")
        self.assertEqual(world.close(), 0)                  # the line alone changes nothing
        code, said = world.vaultctl("administrator", "keeper", "change", "--leave", "one", "--dry-run", "--yes")
        self.assertEqual((code, os.path.exists(world.keeper("four"))), (0, False), said)
        code, said = world.vaultctl("administrator", "keeper", "change", "--leave", "one", "--yes")
        self.assertEqual(code, 0, said)
        self.assertEqual({name: len(holds) for name, holds in self.by_name(world.check(), "holds").items()},
                         {"one": 0, "two": 1, "three": 1, "four": 1})
        world.stop()
        world.names.remove("one")
        world.configure()
        os.unlink(world.keeper("one"))
        world.start()
        self.assertTrue(world.check()["is_sound"])
        second = world.shred("bob")
        self.assertEqual(world.close(), 0)
        self.assertEqual([world.state(number), world.state(second)], ["effective", "effective"])

    def test_a_change_that_leaves_too_few_is_refused(self):
        code, said = self.world.vaultctl("administrator", "keeper", "change", "--leave", "one", "--leave", "two", "--yes")
        self.assertNotEqual(code, 0, said)
        self.assertTrue(self.world.check()["is_sound"])
        code, _ = self.world.vaultctl("operator", "keeper", "change", "--leave", "one", "--yes")
        self.assertNotEqual(code, 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
