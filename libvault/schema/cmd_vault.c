/* libvault/schema/cmd_vault.c - the vault itself: login, life, status, keys, epochs, backups. Ids 1 to 99. */
#include "libvault/schema/cmd_internal.h"

const struct vt_command VT_CMD_AUTH_LOGIN = {
    .id = 1, .name = "auth.login", .summary = "Say who calls, once per connection.", .since = "0.1",
    .scope = VT_SCOPE_PUBLIC, .effect = VT_OPERATES, .flags = VT_WHILE_SEALED, .source = "docs/PROTOCOL.md",
    .args = VT_FIELDS({"credential", VT_T_SECRET, VT_REQUIRED | VT_PERSONAL, 128, "the credential's secret, vsk_..."}),
    .results = VT_FIELDS({"principal", VT_T_ID, VT_REQUIRED, 0, "who the vault takes the caller for"},
                         {"name", VT_T_NAME, VT_REQUIRED, 0, "the credential's name"},
                         {"role", VT_T_NAME, VT_REQUIRED, 0, "its role"}),
    .errors = VT_ERRORS(VAULT_E_UNAUTHENTICATED, VAULT_E_CREDENTIAL_REVOKED),
};

const struct vt_command VT_CMD_VAULT_HEALTH = {
    .id = 2, .name = "vault.health", .summary = "Whether it is ready, sealed, or otherwise not serving.", .since = "0.1",
    .scope = VT_SCOPE_PUBLIC, .effect = VT_READS, .flags = VT_WHILE_SEALED | VT_UNAUDITED | VT_TOP_LEVEL,
    .source = "docs/OPERATIONS.md",
    .results = VT_FIELDS({"state", VT_T_NAME, VT_REQUIRED, 0, "ready, sealed, not-initialised, read-only, disk-full or taking-over"},
                         {"reason", VT_T_TEXT, 0, 0, "why it has sealed itself: a full sentence"}),
};

const struct vt_command VT_CMD_VAULT_VERSION = {
    .id = 3, .name = "vault.version", .summary = "Version and limits.", .since = "0.1",
    .scope = VT_SCOPE_PUBLIC, .effect = VT_READS, .flags = VT_WHILE_SEALED | VT_UNAUDITED | VT_TOP_LEVEL,
    .source = "docs/PROTOCOL.md",
    .results = VT_FIELDS({"version", VT_T_TEXT, VT_REQUIRED, 0, "of the daemon"},
                         {"limits", VT_T_MAP, VT_REQUIRED, 0, "those of the wire, and of record keys and index holders"}),
};

const struct vt_command VT_CMD_VAULT_STATUS = {
    .id = 4, .name = "vault.status", .summary = "What is true now: seal, epoch, keepers, pending shreds, memory lock, loss bound.",
    .since = "0.1", .scope = VT_SCOPE_STATUS, .effect = VT_READS, .flags = VT_WHILE_SEALED | VT_TOP_LEVEL,
    .source = "docs/OPERATIONS.md",
    .results = VT_FIELDS({"state", VT_T_NAME, VT_REQUIRED, 0, "as vault.health"},
                         {"reason", VT_T_TEXT, 0, 0, "as vault.health"},
                         {"vault_id", VT_T_ID, 0, 0, "random identity"},
                         {"incarnation", VT_T_INT, 0, 0, "rises with each take-over"},
                         {"epoch", VT_T_INT, 0, 0, "of the root key"},
                         {"commit_number", VT_T_INT, 0, 0, "of the last durable commit"},
                         {"pending_shreds", VT_T_INT, 0, 0, "requests that wait for the epoch to close"},
                         {"brake", VT_T_MAP, 0, 0, "on mass shredding: on, per_hour, used, delay_s, approvals and requests that wait"},
                         {"holds", VT_T_INT, 0, 0, "in force"},
                         {"dropped_since", VT_T_TIME, 0, 0, "keys of corrected or deleted records wait for that, too"},
                         {"next_close_at", VT_T_TIME, 0, 0, "when it closes at the latest; absent while none can close"},
                         {"keepers", VT_T_LIST, 0, 0, "name, class, reachable, floor, same device, last_error"},
                         {"tolerance", VT_T_MAP, 0, 0, "as keeper.list"},
                         {"can_become_final", VT_T_BOOL, 0, 0, "whether the keepers would do for final certificates"},
                         {"journal", VT_T_MAP, 0, 0, "records, bytes, unsynced commits, the commit that it covers from, same device"},
                         {"loss_bound", VT_T_TEXT, 0, 0, "one sentence: what losing the disk now would cost"},
                         {"memory", VT_T_MAP, 0, 0, "secret arena: in use, mapped, locked; stacks of threads: mapped, locked; limit"},
                         {"connections", VT_T_MAP, 0, 0,
                          "memory held for calls and answers: now, most, limits; stops and refusals for want of it"},
                         {"store", VT_T_MAP, 0, 0, "bytes used, file, entries, full"},
                         {"audit", VT_T_MAP, 0, 0, "tree size"},
                         {"backup", VT_T_MAP, 0, 0, "how many are registered, and when the last was made"},
                         {"last_restore", VT_T_MAP, 0, 0, "the take-over that made this incarnation: when, backup, job, report"},
                         {"jobs", VT_T_LIST, 0, 0, "imports, rotations under way"},
                         {"warnings", VT_T_LIST, VT_REQUIRED, 0, "full sentences"}),
};

const struct vt_command VT_CMD_VAULT_INIT = {
    .id = 5, .name = "vault.init", .summary = "Initialise an empty vault, once.", .since = "0.1",
    .scope = VT_SCOPE_UNSEAL, .effect = VT_OPERATES, .flags = VT_WHILE_SEALED | VT_SLOW | VT_LOCAL_ONLY | VT_TOP_LEVEL,
    .source = "docs/OPERATIONS.md",
    .args = VT_FIELDS({"passphrase", VT_T_SECRET, VT_PERSONAL, 1024, "wrap the unseal key by this passphrase"},
                      {"key_file", VT_T_SECRET, VT_PERSONAL, 4096, "wrap it by this key file's content"},
                      {"shares", VT_T_INT, VT_POSITIVE, 255, "wrap it by this many Shamir shares"},
                      {"threshold", VT_T_INT, VT_POSITIVE, 255, "of which so many open it"}),
    .results = VT_FIELDS({"vault_id", VT_T_ID, VT_REQUIRED, 0, "random identity"},
                         {"shares", VT_T_LIST, VT_PERSONAL, 0, "share texts, shown once"},
                         {"credentials", VT_T_LIST, VT_PERSONAL, 0, "the first administrator's secret, shown once"}),
    .errors = VT_ERRORS(VAULT_E_EXISTS, VAULT_E_KEEPER, VAULT_E_ARGUMENT),
};

const struct vt_command VT_CMD_VAULT_UNSEAL = {
    .id = 6, .name = "vault.unseal", .summary = "Open the vault with a passphrase, key file or share.", .since = "0.1",
    .scope = VT_SCOPE_UNSEAL, .effect = VT_OPERATES, .flags = VT_WHILE_SEALED | VT_SLOW | VT_LOCAL_ONLY | VT_TOP_LEVEL,
    .source = "docs/OPERATIONS.md",
    .args = VT_FIELDS({"passphrase", VT_T_SECRET, VT_PERSONAL, 1024, "the passphrase"},
                      {"key_file", VT_T_SECRET, VT_PERSONAL, 4096, "the key file's content"},
                      {"share", VT_T_SECRET, VT_PERSONAL, 512, "one Shamir share; repeat until none is missing"}),
    .results = VT_FIELDS({"state", VT_T_NAME, VT_REQUIRED, 0, "ready or sealed"},
                         {"shares_needed", VT_T_INT, 0, 0, "shares still missing"}),
    .errors = VT_ERRORS(VAULT_E_WRONG_SECRET, VAULT_E_KEEPER, VAULT_E_ROLLBACK, VAULT_E_NOT_INITIALISED, VAULT_E_STATE),
};

const struct vt_command VT_CMD_VAULT_SEAL = {
    .id = 7, .name = "vault.seal", .summary = "Forget every key in memory; nothing is served until unsealed.", .since = "0.1",
    .scope = VT_SCOPE_OPERATE, .effect = VT_OPERATES, .flags = VT_SLOW | VT_TOP_LEVEL | VT_CONFIRM | VT_WHILE_TAKING_OVER,
    .source = "docs/OPERATIONS.md",
};

const struct vt_command VT_CMD_KEY_ROTATE = {
    .id = 20, .name = "key.rotate", .summary = "Rotate the unseal key, the root key, a subject's data keys or a tenant's keys.",
    .since = "0.1", .scope = VT_SCOPE_ADMIN, .effect = VT_OPERATES, .flags = VT_SLOW | VT_LIVE_ONLY,
    .source = "NIST SP 800-57 part 1",
    .args = VT_FIELDS({"what", VT_T_NAME, VT_REQUIRED | VT_POSITIONAL, 0, "unseal, root, tree, subject or tenant"},
                      {"subject", VT_T_EXTERNAL_ID, VT_PERSONAL | VT_IDENTIFIES, 256, "for subject: whose data keys"},
                      {"category", VT_T_TEXT, 0, 64, "for subject: only this category"},
                      {"key", VT_T_NAME, 0, 0, "for tenant: index, place, token, token-seal, audit or config; all when absent"},
                      {"passphrase", VT_T_SECRET, VT_PERSONAL, 1024, "for unseal: the new passphrase"},
                      {"key_file", VT_T_SECRET, VT_PERSONAL, 4096, "for unseal: the new key file's content"},
                      {"shares", VT_T_INT, VT_POSITIVE, 255, "for unseal: this many new Shamir shares"},
                      {"threshold", VT_T_INT, VT_POSITIVE, 255, "for unseal: of which so many open it"},
                      {"destroy_now", VT_T_BOOL, 0, 0, "for subject: destroy the old versions at once; older backups of these rows go dark"}),
    .results = VT_FIELDS({"job", VT_T_ID, VT_REQUIRED, 0, "ask job.status for progress"},
                         {"shares", VT_T_LIST, VT_PERSONAL, 0, "new share texts, shown once"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_RUNNING, VAULT_E_LIMIT, VAULT_E_BUSY, VAULT_E_KEEPER, VAULT_E_HELD),
};

const struct vt_command VT_CMD_KEY_STATUS = {
    .id = 21, .name = "key.status", .summary = "Every key type: versions, age, rows left per version, rotations under way.",
    .since = "0.1", .scope = VT_SCOPE_STATUS, .effect = VT_READS, .flags = VT_SLOW, .source = "PCI DSS v4.0.1 requirement 3.7",
    .args = VT_FIELDS({"subject", VT_T_EXTERNAL_ID, VT_PERSONAL | VT_IDENTIFIES, 256, "list this subject's data keys"}),
    .results = VT_FIELDS({"keys", VT_T_LIST, VT_REQUIRED, 0, "name, version, created_at, state, rows, is_floor"},
                         {"rotations", VT_T_LIST, VT_REQUIRED, 0, "under way or stopped: job, what, stage, done, total"},
                         {"jobs", VT_T_LIST, VT_REQUIRED, 0, "as job.status"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND),
};

const struct vt_command VT_CMD_KEEPER_LIST = {
    .id = 22, .name = "keeper.list", .summary = "The keepers of the root key: class, floor, reachable.", .since = "0.1",
    .scope = VT_SCOPE_STATUS, .effect = VT_READS, .flags = VT_WHILE_SEALED, .source = "docs/KEYS.md",
    .results = VT_FIELDS({"keepers", VT_T_LIST, VT_REQUIRED, 0,
                          "one map each; id as in certificates; last_error: why the last change was refused"},
                         {"quorum", VT_T_INT, VT_REQUIRED, 0, "k"},
                         {"tolerance", VT_T_MAP, VT_REQUIRED, 0,
                          "for opening, preparing and erasing: possible, needed, present, may_fail; as they last answered"}),
};

const struct vt_command VT_CMD_KEEPER_CHECK = {
    .id = 25, .name = "keeper.check", .summary = "Ask every keeper now: what it holds, whether its share fits, its receipt.",
    .since = "0.1", .scope = VT_SCOPE_STATUS, .effect = VT_READS, .flags = VT_SLOW | VT_WHILE_SEALED,
    .source = "docs/OPERATIONS.md",
    .results = VT_FIELDS({"is_sound", VT_T_BOOL, VT_REQUIRED, 0, "every keeper answers and holds a share that fits"},
                         {"keepers", VT_T_LIST, VT_REQUIRED, 0,
                          "as keeper.list, and vault (this, none, another), holds, share (fits, wrong, none, unchecked), receipt "
                          "of the present epoch's close (verified, missing, wrong)"},
                         {"tolerance", VT_T_MAP, VT_REQUIRED, 0, "as keeper.list"},
                         {"findings", VT_T_LIST, VT_REQUIRED, 0, "full sentences"}),
    .errors = VT_ERRORS(VAULT_E_BUSY),
};

const struct vt_command VT_CMD_KEEPER_CHANGE = {
    .id = 26, .name = "keeper.change", .summary = "Give the shares of the next epoch to the keepers of the settings; it begins now.",
    .since = "0.1", .scope = VT_SCOPE_ADMIN, .effect = VT_DESTROYS, .flags = VT_SLOW | VT_CONFIRM, .source = "docs/OPERATIONS.md",
    .args = VT_FIELDS({"leave", VT_T_LIST, 0, 16, "names of keepers that give their share up; take them out of the settings afterwards"},
                      {"lost", VT_T_LIST, 0, 16, "names, or ids of former ones, that are gone for good with what they held: your word, recorded"},
                      {"dry_run", VT_T_BOOL, 0, 0, "say what would be done"}),
    .results = VT_FIELDS({"stay", VT_T_LIST, VT_REQUIRED, 0, "name, id"}, {"join", VT_T_LIST, VT_REQUIRED, 0, "name, id"},
                         {"leave", VT_T_LIST, VT_REQUIRED, 0, "name, id"}, {"lost", VT_T_LIST, VT_REQUIRED, 0, "name, id"},
                         {"quorum", VT_T_INT, VT_REQUIRED, 0, "of the settings"},
                         {"epoch", VT_T_INT, VT_REQUIRED, 0, "the present one"}),
    .errors = VT_ERRORS(VAULT_E_KEEPER, VAULT_E_STATE, VAULT_E_BUSY),
};

const struct vt_command VT_CMD_EPOCH_STATUS = {
    .id = 23, .name = "epoch.status", .summary = "The epoch and what waits for its close.", .since = "0.1",
    .scope = VT_SCOPE_STATUS, .effect = VT_READS, .source = "docs/ERASURE.md",
    .results = VT_FIELDS({"epoch", VT_T_INT, VT_REQUIRED, 0, "number"}, {"pending", VT_T_INT, VT_REQUIRED, 0, "shreds waiting"},
                         {"dropped_since", VT_T_TIME, 0, 0, "keys of corrected or deleted records wait since then"},
                         {"next_close_at", VT_T_TIME, 0, 0, "at the latest"}),
};

const struct vt_command VT_CMD_EPOCH_CLOSE = {
    .id = 24, .name = "epoch.close", .summary = "Close the epoch now: pending shreds, corrections and deletions become effective.", .since = "0.1",
    .scope = VT_SCOPE_OPERATE, .effect = VT_DESTROYS, .flags = VT_SLOW, .source = "docs/ERASURE.md",
    .results = VT_FIELDS({"epoch", VT_T_INT, VT_REQUIRED, 0, "the new epoch"},
                         {"certificates", VT_T_LIST, VT_REQUIRED, 0, "numbers that became effective"}),
    .errors = VT_ERRORS(VAULT_E_KEEPER),
};

const struct vt_command VT_CMD_BACKUP_CREATE = {
    .id = 30, .name = "backup.create", .summary = "Copy the whole vault, hot; its keyring dies with its epoch.", .since = "0.1",
    .scope = VT_SCOPE_OPERATE, .effect = VT_OPERATES, .flags = VT_SLOW | VT_LIVE_ONLY, .source = "docs/OPERATIONS.md",
    .args = VT_FIELDS({"to", VT_T_TEXT, VT_REQUIRED, 4096, "directory on the daemon's machine; must not exist"},
                      {"expires_at", VT_T_TIME, 0, 0, "when this copy will be destroyed; certificates name it"}),
    .results = VT_FIELDS({"backup", VT_T_ID, VT_REQUIRED, 0, "registered id"}, {"bytes", VT_T_INT, VT_REQUIRED, 0, "copied"},
                         {"epoch", VT_T_INT, VT_REQUIRED, 0, "whose root key opens its keyring"},
                         {"commit_number", VT_T_INT, VT_REQUIRED, 0, "state that it holds"}),
    .errors = VT_ERRORS(VAULT_E_EXISTS, VAULT_E_IO, VAULT_E_DISK_FULL, VAULT_E_BUSY),
};

const struct vt_command VT_CMD_BACKUP_VERIFY = {
    .id = 31, .name = "backup.verify", .summary = "Check a backup's manifest and bytes, and say what it can still reveal.",
    .since = "0.1", .scope = VT_SCOPE_OPERATE, .effect = VT_READS, .flags = VT_SLOW, .source = "docs/OPERATIONS.md",
    .args = VT_FIELDS({"from", VT_T_TEXT, VT_REQUIRED | VT_IDENTIFIES, 4096, "directory of the backup"}),
    .results = VT_FIELDS({"backup", VT_T_ID, VT_REQUIRED, 0, "id from its manifest"},
                         {"is_authentic", VT_T_BOOL, VT_REQUIRED, 0, "manifest signed by this vault"},
                         {"epoch", VT_T_INT, VT_REQUIRED, 0, "of its keyring"},
                         {"opens_alone", VT_T_BOOL, VT_REQUIRED, 0, "whether its own keyring still opens"},
                         {"subjects", VT_T_INT, VT_REQUIRED, 0, "subjects in it"},
                         {"erased_since", VT_T_INT, VT_REQUIRED, 0, "of them forgotten since"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_CORRUPT, VAULT_E_AUTHENTICITY, VAULT_E_FORMAT),
};

const struct vt_command VT_CMD_BACKUP_LIST = {
    .id = 32, .name = "backup.list", .summary = "Registered backups and when they expire.", .since = "0.1",
    .scope = VT_SCOPE_OPERATE, .effect = VT_READS, .source = "docs/OPERATIONS.md",
    .results = VT_FIELDS({"backups", VT_T_LIST, VT_REQUIRED, 0, "id, created_at, epoch, bytes (0: under way, or cut off), expires_at"}),
};

const struct vt_command VT_CMD_BACKUP_RESTORE = {
    .id = 33, .name = "backup.restore", .summary = "Build a new environment from a backup, without whatever has been forgotten.",
    .since = "0.1", .scope = VT_SCOPE_OPERATE, .effect = VT_OPERATES, .flags = VT_SLOW | VT_CONFIRM,
    .source = "docs/OPERATIONS.md",
    .args = VT_FIELDS({"from", VT_T_TEXT, VT_REQUIRED | VT_IDENTIFIES, 4096, "directory of the backup"},
                      {"to", VT_T_TEXT, 0, 4096, "with check_only: data directory to build; must not exist"},
                      {"check_only", VT_T_BOOL, 0, 0, "build it to be served read-only beside the live vault"},
                      {"take_over", VT_T_BOOL, 0, 0, "make it the vault: new incarnation, root re-key, this one is fenced"}),
    .results = VT_FIELDS({"job", VT_T_ID, VT_REQUIRED, 0, "for progress"},
                         {"report", VT_T_MAP, VT_REQUIRED, 0,
                          "subjects and rows kept, erased since, lost updates, keys without rows, index conflicts"},
                         {"restarts", VT_T_BOOL, VT_REQUIRED, 0, "the vault closes now and opens as the restored one"},
                         {"next", VT_T_TEXT, VT_REQUIRED, 0, "what is left to do"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_CORRUPT, VAULT_E_AUTHENTICITY, VAULT_E_FORMAT, VAULT_E_EXISTS,
                        VAULT_E_BUSY, VAULT_E_STATE, VAULT_E_KEEPER, VAULT_E_DISK_FULL, VAULT_E_CANCELLED,
                        VAULT_E_UNSUPPORTED),
};

const struct vt_command VT_CMD_STORE_CHECK = {
    .id = 34, .name = "store.check",
    .summary = "Walk the store's pages and tables, open what the vault's keys open, and say what is wrong.", .since = "0.1",
    .scope = VT_SCOPE_OPERATE, .effect = VT_READS, .flags = VT_SLOW, .source = "docs/OPERATIONS.md",
    .results = VT_FIELDS({"is_sound", VT_T_BOOL, VT_REQUIRED, 0, "nothing wrong was found"},
                         {"counts", VT_T_MAP, VT_REQUIRED, 0, "pages, subjects, key blocks, rows, tokens, audit leaves"},
                         {"faults", VT_T_LIST, VT_REQUIRED, 0, "full sentences"}),
};

const struct vt_command VT_CMD_JOB_STATUS = {
    .id = 35, .name = "job.status", .summary = "Progress of slow work.", .since = "0.1", .scope = VT_SCOPE_STATUS,
    .effect = VT_READS, .flags = VT_WHILE_TAKING_OVER, .source = "docs/OPERATIONS.md",
    .args = VT_FIELDS({"job", VT_T_ID, VT_IDENTIFIES, 0, "one job; all when absent"}),
    .results = VT_FIELDS({"jobs", VT_T_LIST, VT_REQUIRED, 0, "id, kind, state, done, total, started_at, resumed, message"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND),
};

const struct vt_command VT_CMD_CLOCK_SET = {
    .id = 36, .name = "clock.set", .summary = "Set the test clock; what is signed meanwhile says so.", .since = "0.1",
    .scope = VT_SCOPE_OPERATE, .effect = VT_OPERATES, .flags = VT_TEST_ONLY, .source = "docs/OPERATIONS.md",
    .args = VT_FIELDS({"now", VT_T_TIME, VT_REQUIRED, 0, "the new time"}),
};
