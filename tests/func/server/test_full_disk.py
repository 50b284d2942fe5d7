"""A disk that is really full, below a real daemon: what is refused, what the reserve file keeps going, and that service resumes.

usage: test_full_disk.py VAULTD

Runs in a mount namespace of its own, with a small file system in memory; skipped where neither root nor a user namespace may mount,
unless VT_REQUIRE_MOUNT=1 says that here they must be able to.
"""
import ctypes
import os
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from vault_client import Daemon, VaultError  # noqa: E402

VAULTD = sys.argv[1]
CLONE_NEWNS, CLONE_NEWUSER, MS_REC, MS_PRIVATE = 0x00020000, 0x10000000, 1 << 14, 1 << 18
PEOPLE, READS, RESUME_S = 20, 200, 60
SCHEMA = "name: notes\ncardinality: many\nfields: [{name: line, type: text, category: A, doc: anything}]"
libc = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def enter_namespace():
    """Mounts from here on are seen by this process and its children alone, and end with them."""
    user, group = os.getuid(), os.getgid()
    check(libc.unshare(CLONE_NEWNS | (CLONE_NEWUSER if user != 0 else 0)))
    if user != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as handle:
                handle.write(text)
    check(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))


def mount_small(path, megabytes):
    check(libc.mount(b"tmpfs", path.encode(), b"tmpfs", 0, f"size={megabytes}m".encode()))


class FullDisk(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="vaultd-full-")
        self.addCleanup(os.rmdir, self.root)
        try:
            enter_namespace()
            mount_small(self.root, 16)
        except OSError as failure:
            if os.environ.get("VT_REQUIRE_MOUNT") == "1":
                raise
            self.skipTest(f"mounting is not permitted: {failure}")
        self.addCleanup(lambda: check(libc.umount(self.root.encode())))
        config = os.path.join(self.root, "vaultd.yaml")
        with open(config, "w", encoding="ascii") as handle:
            handle.write("store: {ballast_mib: 1}\n")
        self.daemon = Daemon(VAULTD, directory=self.root, arguments=["--config", config])
        self.addCleanup(self.daemon.remove)

    def fill(self):
        """Somebody else's file takes all that is left."""
        path = os.path.join(self.root, "filler")
        with open(path, "wb", buffering=0) as handle, self.assertRaises(OSError):
            while True:
                handle.write(bytes(4096))
        return path

    def create(self, name, line="x" * 3000):
        with self.daemon.client("application") as client:
            client.call("subject.create", external_id=name, records={"notes": [{"line": line}]})

    def refused_create(self, name):
        with self.assertRaises(VaultError) as refusal:
            self.create(name)
        return refusal.exception.error

    def read(self, client, count):
        """Pipelined. Returns how many answered, and the statuses of the others."""
        sent = [client.send("record.list", subject=f"person-{1 + at % (PEOPLE - 1)}", collection="notes", view="plain",
                            purpose="testing") for at in range(count)]
        answered, refusals = 0, set()
        for number in sent:
            try:
                self.assertEqual(len(client.receive(number)["records"]), 1)
                answered += 1
            except VaultError as refusal:
                refusals.add(refusal.status)
        return answered, refusals

    def read_until_refused(self):
        with self.daemon.client("privacy") as client:
            self.assertEqual(self.read(client, READS), (READS, set()))
            for _ in range(1000):
                answered, refusals = self.read(client, READS)
                if refusals:
                    self.assertEqual(refusals, {"disk-full"})
                if answered == 0:
                    return
        self.fail("reads went on without a place for their entries in the log")

    def status(self):
        with self.daemon.client("operator") as client:
            return client.call("vault.status")

    def resume(self):
        """Nothing but calls tell it that there is room again."""
        deadline = time.monotonic() + RESUME_S
        while True:
            try:
                return self.create("later")
            except VaultError as refusal:
                self.assertEqual(refusal.status, "disk-full")
                self.assertLess(time.monotonic(), deadline, "service did not resume")
                time.sleep(0.05)

    def look(self, shredded):
        with self.daemon.client("privacy") as client:
            for at in range(PEOPLE):
                name = f"person-{at}"
                if name in shredded:
                    self.assertEqual(client.refused("record.list", subject=name, collection="notes", purpose="testing"),
                                     "not-found")
                else:
                    records = client.call("record.list", subject=name, collection="notes", view="plain",
                                          purpose="testing")["records"]
                    self.assertEqual([record["fields"]["line"] for record in records], [f"line of {name}"])
            self.assertEqual(client.refused("subject.show", subject="never", purpose="testing"), "not-found")
        with self.daemon.client("operator") as client:
            self.assertTrue(client.call("store.check")["is_sound"])
        with self.daemon.client("auditor") as client:
            self.assertTrue(client.call("audit.verify")["is_sound"])

    def refused_on_small_disks(self, lefts, command, **arguments):
        """With some pages left, then more: refused, and nothing is left but what was there."""
        target = os.path.join(self.root, "small")
        with self.daemon.client("operator") as client:
            for left in lefts:
                os.mkdir(target)
                mount_small(target, 1)
                with open(os.path.join(target, "filler"), "wb", buffering=0) as handle:
                    handle.write(bytes((256 - left) * 4096))
                self.assertEqual(client.refused(command, to=os.path.join(target, "made"), **arguments), "disk-full", left)
                self.assertEqual(os.listdir(target), ["filler"])
                check(libc.umount(target.encode()))
                os.rmdir(target)
            self.assertEqual(client.call("vault.health"), {"state": "ready"})

    def prepare_what_is_stopped(self):
        """A person whose shred is pending, a case that waits for approvers, a credential."""
        with self.daemon.client("administrator") as client:
            client.call("credential.create", name="stolen", role="privacy")
        with self.daemon.client("privacy") as client:
            hold = client.call("hold.place", subject="person-3", reason="litigation")["hold"]
            self.approval = client.call("hold.release", hold=hold)["approval"]
            self.certificate = client.call("subject.shred", subject="person-1")["certificate"]

    def stop_destruction(self):
        """What destroys goes on while the disk is full, so what stops it does, too."""
        with self.daemon.client("privacy") as client:
            pending = client.call("subject.shred", subject="person-2")
            self.assertEqual(pending["state"], "pending")
            self.assertEqual(client.call("hold.place", subject="person-2", reason="litigation")["taken_back"], 1)
            self.assertEqual(client.call("subject.cancel-shred", certificate=self.certificate)["state"], "cancelled")
        with self.daemon.client("approver") as client:
            self.assertEqual(client.call("approval.deny", approval=self.approval)["state"], "denied")
        with self.daemon.client("administrator") as client:
            self.assertEqual(client.call("credential.revoke", name="stolen")["state"], "revoked")
        self.assertEqual(self.refused_create("never")["status"], "disk-full")

    def test_a_backup_onto_a_full_disk_is_refused_and_the_vault_serves_on(self):
        self.refused_on_small_disks(range(0, 32), "backup.create")

    def test_a_restored_copy_onto_a_full_disk_is_refused_and_removed(self):
        backup = os.path.join(self.root, "backup")
        with self.daemon.client("operator") as client:
            client.call("backup.create", to=backup)
        self.refused_on_small_disks(range(0, 32), "backup.restore", **{"from": backup, "check_only": True})

    def test_writes_are_refused_reads_and_shreds_go_on_then_reads_stop_and_with_room_all_resumes(self):
        with self.daemon.client("administrator") as client:
            client.call("schema.apply", schema=SCHEMA)
        for at in range(PEOPLE):
            self.create(f"person-{at}", f"line of person-{at}")
        self.prepare_what_is_stopped()
        filler = self.fill()
        error = self.refused_create("never")
        self.assertEqual(error["status"], "disk-full")
        self.assertGreater(error["retry_after_ms"], 0)
        self.assertEqual((self.status()["state"], self.status()["store"]["full"]), ("disk-full", True))
        self.stop_destruction()
        with self.daemon.client("privacy") as client:
            self.assertEqual(client.call("subject.shred", subject="person-0", now=True)["state"], "effective")
        self.read_until_refused()
        self.assertEqual(self.refused_create("never")["status"], "disk-full")
        with self.daemon.client() as client:
            self.assertEqual(client.call("vault.health")["state"], "disk-full")
        os.remove(filler)
        self.resume()
        self.assertEqual((self.status()["state"], self.status()["store"]["full"]), ("ready", False))
        self.look({"person-0"})
        self.daemon.kill()
        self.daemon.start()
        self.look({"person-0"})


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
