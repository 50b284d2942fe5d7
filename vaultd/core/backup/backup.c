#include "vaultd/core/backup/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/clock.h"
#include "libvault/base/fault.h"
#include "libvault/codec/text.h"
#include "libvault/crypto/digest.h"
#include "vaultd/core/audit/audit.h"
#include "vaultd/core/store/sync_dir.h"

enum { FILE_PIECE_LEN = 1 << 20, ENTRY_FORMAT = 1 };

static VT_RESULT path_join(const char *dir, const char *name, char out_path[VT_BACKUP_PATH_MAX])
{
    const int len = snprintf(out_path, VT_BACKUP_PATH_MAX, "%s/%s", dir, name);
    return len > 0 && len < VT_BACKUP_PATH_MAX ? VAULT_OK : VAULT_E_TOO_LARGE;
}

static vault_status status_of_errno(void)
{
    if (errno == ENOSPC || errno == EDQUOT) return VAULT_E_DISK_FULL;
    if (errno == EEXIST) return VAULT_E_EXISTS;
    return errno == ENOENT ? VAULT_E_NOT_FOUND : VAULT_E_IO;
}

/* For reading, and nothing but a file: opening a pipe that nobody writes to would hold its worker for ever. */
static VT_RESULT file_open(const char *path, int *out_fd)
{
    struct stat about;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return status_of_errno();
    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode)) {
        *out_fd = fd;
        return VAULT_OK;
    }
    close(fd);
    return VAULT_E_FORMAT;
}

static VT_RESULT hash_fd(int fd, uint8_t *piece, struct vt_backup_manifest *manifest)
{
    VT_AUTO_PTR(vt_sha256_stream) stream = NULL;
    VT_TRY(vt_sha256_stream_new(&stream));
    manifest->bytes = 0;
    for (;;) {
        const ssize_t got = read(fd, piece, FILE_PIECE_LEN);
        VT_ENSURE(got >= 0, VAULT_E_IO);
        if (got == 0) break;
        VT_TRY(vt_sha256_stream_update(stream, vt_bytes(piece, (size_t)got)));
        manifest->bytes += (uint64_t)got;
    }
    return vt_sha256_stream_finish(stream, manifest->file_hash);
}

static VT_RESULT hash_file(const char *dir, struct vt_backup_manifest *manifest)
{
    char path[VT_BACKUP_PATH_MAX];
    VT_TRY(path_join(dir, "store/data.mdb", path));
    int fd;
    VT_TRY(file_open(path, &fd));
    uint8_t *piece = vt_malloc(FILE_PIECE_LEN);
    const vault_status status = piece != NULL ? hash_fd(fd, piece, manifest) : VAULT_E_MEMORY;
    free(piece);
    close(fd);
    return status;
}

/* Manifest ----------------------------------------------------------------------------------------------------------- */

static VT_RESULT manifest_write(const struct vt_backup_manifest *manifest, struct vt_buf *out)
{
    char id[33], vault[33], root[65], file[65], created[VT_TIME_TEXT_LEN];
    vt_hex_encode(VT_BYTES_OF(manifest->backup_id), id);
    vt_hex_encode(VT_BYTES_OF(manifest->vault_id), vault);
    vt_hex_encode(VT_BYTES_OF(manifest->root_hash), root);
    vt_hex_encode(VT_BYTES_OF(manifest->file_hash), file);
    vt_time_format(manifest->created_at_ms, created);
    return vt_buf_printf(out,
                         VT_BACKUP_FIRST_LINE "\nbackup: %s\nvault: %s\nincarnation: %llu\ncommit: %llu\nepoch: %llu\n"
                         "root-page-sha256: %s\naudit-size: %llu\ncreated: %s\nbytes: %llu\nfile-sha256: %s\n",
                         id, vault, (unsigned long long)manifest->incarnation, (unsigned long long)manifest->commit_number,
                         (unsigned long long)manifest->epoch, root, (unsigned long long)manifest->audit_size, created,
                         (unsigned long long)manifest->bytes, file);
}

/* Writing what was read must give the same text, so a loose reader is strict all the same. */
static VT_RESULT manifest_read(struct vt_bytes text, struct vt_backup_manifest *out_manifest)
{
    struct vt_backup_manifest manifest = {.epoch = 0};
    char copy[VT_BACKUP_MANIFEST_MAX], id[33], vault[33], root[65], file[65], created[VT_TIME_TEXT_LEN];
    unsigned long long incarnation, commit, epoch, audit, bytes;
    VT_ENSURE(text.len < sizeof copy, VAULT_E_FORMAT);
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    const int fields = sscanf(copy,
                              VT_BACKUP_FIRST_LINE "\nbackup: %32s\nvault: %32s\nincarnation: %llu\ncommit: %llu\nepoch: %llu\n"
                              "root-page-sha256: %64s\naudit-size: %llu\ncreated: %24s\nbytes: %llu\nfile-sha256: %64s\n",
                              id, vault, &incarnation, &commit, &epoch, root, &audit, created, &bytes, file);
    VT_ENSURE(fields == 10, VAULT_E_FORMAT);
    manifest.incarnation = incarnation;
    manifest.commit_number = commit;
    manifest.epoch = epoch;
    manifest.audit_size = audit;
    manifest.bytes = bytes;
    VT_TRY(vt_hex_decode(vt_bytes_str(id), manifest.backup_id, sizeof manifest.backup_id));
    VT_TRY(vt_hex_decode(vt_bytes_str(vault), manifest.vault_id, sizeof manifest.vault_id));
    VT_TRY(vt_hex_decode(vt_bytes_str(root), manifest.root_hash, sizeof manifest.root_hash));
    VT_TRY(vt_hex_decode(vt_bytes_str(file), manifest.file_hash, sizeof manifest.file_hash));
    VT_ENSURE(vt_time_parse(created, strlen(created), &manifest.created_at_ms), VAULT_E_FORMAT);
    VT_AUTO(vt_buf) again = VT_BUF_INIT(VT_BACKUP_MANIFEST_MAX);
    VT_TRY(manifest_write(&manifest, &again));
    VT_ENSURE(vt_bytes_equal(vt_buf_bytes(&again), text), VAULT_E_FORMAT);
    *out_manifest = manifest;
    return VAULT_OK;
}

static VT_RESULT file_write(const char *path, struct vt_bytes bytes)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return status_of_errno();
    const ssize_t written = write(fd, bytes.data, bytes.len);
    const bool is_whole = written == (ssize_t)bytes.len && fsync(fd) == 0;
    const vault_status failure = is_whole ? VAULT_OK : written < 0 ? status_of_errno() : VAULT_E_IO;
    close(fd);
    return failure;
}

static VT_RESULT file_read(const char *path, struct vt_buf *out)
{
    uint8_t *space;
    int fd;
    VT_TRY(file_open(path, &fd));
    const vault_status reserved = vt_buf_reserve(out, VT_BACKUP_MANIFEST_MAX, &space);
    const ssize_t got = reserved == VAULT_OK ? read(fd, space, VT_BACKUP_MANIFEST_MAX) : -1;
    close(fd);
    VT_TRY(reserved);
    VT_ENSURE(got >= 0, VAULT_E_IO);
    vt_buf_commit(out, (size_t)got);
    return VAULT_OK;
}

/* Creating ----------------------------------------------------------------------------------------------------------- */

/* What the copy says of itself: the live store has moved on meanwhile. */
static VT_RESULT copy_facts(const char *dir, struct vt_backup_manifest *manifest)
{
    char path[VT_BACKUP_PATH_MAX];
    VT_AUTO_PTR(vt_store) copy = NULL;
    struct vt_root_record root;
    const struct vt_store_lmdb_options options = {.is_read_only = true, .must_exist = true};
    VT_TRY(path_join(dir, "store", path));
    VT_TRY(vt_store_lmdb_open(path, &options, &copy));
    struct vt_txn *txn;
    VT_TRY(vt_txn_begin_read(copy, &txn));
    vault_status status = vt_keyring_root_record(txn, &root);
    if (status == VAULT_OK) status = vt_audit_log_size(txn, &manifest->audit_size);
    manifest->commit_number = vt_store_commit_number(txn);
    vt_txn_abort(txn);
    VT_TRY(status);
    memcpy(manifest->vault_id, root.vault_id.bytes, sizeof manifest->vault_id);
    memcpy(manifest->root_hash, root.root_hash, sizeof manifest->root_hash);
    manifest->incarnation = root.incarnation;
    manifest->epoch = root.epoch;
    return VAULT_OK;
}

static VT_RESULT manifest_put(const char *dir, const struct vt_note_signer *signer, const struct vt_backup_manifest *manifest)
{
    char path[VT_BACKUP_PATH_MAX];
    VT_AUTO(vt_buf) text = VT_BUF_INIT(VT_BACKUP_MANIFEST_MAX);
    VT_AUTO(vt_buf) note = VT_BUF_INIT(VT_BACKUP_MANIFEST_MAX);
    VT_TRY(manifest_write(manifest, &text));
    VT_TRY(vt_note_sign(vt_buf_bytes(&text), signer, 1, &note));
    VT_TRY(path_join(dir, "manifest", path));
    VT_TRY(file_write(path, vt_buf_bytes(&note)));
    VT_TRY(vt_sync_dir(dir));
    return vt_sync_parent(dir);
}

static VT_RESULT create_in(const struct vt_backup_options *options, struct vt_backup_manifest *manifest)
{
    char path[VT_BACKUP_PATH_MAX];
    VT_TRY(path_join(options->to_dir, "store", path));
    VT_TRY(vt_store_copy(options->store, path, options->progress, options->progress_context));
    vt_fault_step("backup.copied");
    VT_TRY(hash_file(options->to_dir, manifest));
    VT_TRY(copy_facts(options->to_dir, manifest));
    return manifest_put(options->to_dir, options->signer, manifest);
}

static void remove_partial(const char *dir)
{
    static const char *const NAMES[] = {"manifest", "store/data.mdb", "store/lock.mdb", "store/lock", "store"};
    for (size_t i = 0; i < VT_ARRAY_LEN(NAMES); i++) {
        char path[VT_BACKUP_PATH_MAX];
        if (path_join(dir, NAMES[i], path) == VAULT_OK && remove(path) != 0 && errno != ENOENT) continue;
    }
    if (rmdir(dir) != 0) return;        /* what is left there is not ours to take away */
}

/* What no second try would mend is the argument's fault, not an I/O error. */
VT_RESULT vt_backup_make_dir(const char *dir, const char *field, struct vt_err *err)
{
    if (mkdir(dir, 0700) == 0) return VAULT_OK;
    if (field == NULL) {
        const vault_status status = errno == ENOENT ? VAULT_E_IO : status_of_errno();
        return vt_fail(err, status, NULL, "A directory cannot be made in the vault's own: %s.", strerror(errno));
    }
    switch (errno) {
    case EACCES:
    case EPERM:
    case EROFS:
        return vt_fail(err, VAULT_E_ARGUMENT, field, "The daemon's user may not make a directory there: %s.", strerror(errno));
    case ENOENT:
        return vt_fail(err, VAULT_E_ARGUMENT, field, "The directory above the one to be made does not exist.");
    case ENOTDIR:
        return vt_fail(err, VAULT_E_ARGUMENT, field, "What stands above the directory to be made is no directory.");
    case ENAMETOOLONG:
    case ELOOP:
    case EINVAL:
        return vt_fail(err, VAULT_E_ARGUMENT, field, "No directory can have that path: %s.", strerror(errno));
    case EEXIST:
        return vt_fail(err, VAULT_E_EXISTS, field, "The directory exists already: name one that is to be made.");
    default:
        return vt_fail(err, status_of_errno(), field, "The directory cannot be made: %s.", strerror(errno));
    }
}

VT_RESULT vt_backup_create(const struct vt_backup_options *options, struct vt_backup_manifest *out_manifest,
                           struct vt_err *err)
{
    struct vt_backup_manifest manifest = {.created_at_ms = options->now_ms};
    memcpy(manifest.backup_id, options->backup_id, sizeof manifest.backup_id);
    VT_TRY(vt_backup_make_dir(options->to_dir, "to", err));
    const vault_status status = create_in(options, &manifest);
    if (status != VAULT_OK) {
        remove_partial(options->to_dir);
        return vt_fail(err, status, "to", "The backup could not be written and has been removed: %s", vault_status_text(status));
    }
    *out_manifest = manifest;
    return VAULT_OK;
}

/* Opening ------------------------------------------------------------------------------------------------------------ */

VT_RESULT vt_backup_open(const char *from_dir, const struct vt_note_verifier *verifiers, size_t count,
                         struct vt_backup_manifest *out_manifest, struct vt_store **out_store, struct vt_err *err)
{
    char path[VT_BACKUP_PATH_MAX];
    struct vt_backup_manifest manifest, present;
    struct vt_bytes text;
    VT_AUTO(vt_buf) note = VT_BUF_INIT(2 * VT_BACKUP_MANIFEST_MAX);
    VT_TRY(path_join(from_dir, "manifest", path));
    const vault_status read = file_read(path, &note);
    if (read != VAULT_OK) return vt_fail(err, read, "from", "There is no readable backup manifest in that directory.");
    const vault_status verified = vt_note_verify(vt_buf_bytes(&note), verifiers, count, &text, NULL);
    if (verified != VAULT_OK)
        return vt_fail(err, VAULT_E_AUTHENTICITY, "from", "The backup's manifest was not signed by this vault, or was altered.");
    VT_TRY(manifest_read(text, &manifest));
    VT_TRY(hash_file(from_dir, &present));
    if (present.bytes != manifest.bytes || memcmp(present.file_hash, manifest.file_hash, sizeof present.file_hash) != 0)
        return vt_fail(err, VAULT_E_CORRUPT, "from", "The backup's bytes are not those that its manifest was signed over.");
    const struct vt_store_lmdb_options options = {.is_read_only = true, .must_exist = true};
    VT_TRY(path_join(from_dir, "store", path));
    VT_TRY(vt_store_lmdb_open(path, &options, out_store));
    *out_manifest = manifest;
    return VAULT_OK;
}

VT_RESULT vt_backup_count(struct vt_store *copy, struct vt_keyring_view *view, vt_tenant_id tenant, uint64_t *out_subjects,
                          uint64_t *out_erased)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    struct vt_bytes key, value;
    uint64_t subjects = 0, erased = 0;
    VT_TRY(vt_txn_begin_read(copy, &txn));
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    VT_TRY(vt_cursor_open(txn, VT_TABLE_KEYBLOCK, &cursor));
    vault_status status;
    while ((status = vt_cursor_next(cursor, &key, &value)) == VAULT_OK) {
        struct vt_sid sid;
        const struct vt_subject_keys *keys;
        VT_ENSURE(key.len == sizeof sid.bytes, VAULT_E_CORRUPT);
        memcpy(sid.bytes, key.data, sizeof sid.bytes);
        const vault_status alive = vt_keyring_subject_keys(view, tenant, &sid, &keys);
        VT_ENSURE(alive == VAULT_OK || alive == VAULT_E_NOT_FOUND, alive);
        subjects++;
        erased += alive == VAULT_E_NOT_FOUND;
    }
    VT_ENSURE(status == VAULT_E_NOT_FOUND, status);
    *out_subjects = subjects;
    *out_erased = erased;
    return VAULT_OK;
}

/* The register ------------------------------------------------------------------------------------------------------- */

void vt_backup_entry_encode(const struct vt_backup_entry *entry, uint8_t out_value[VT_BACKUP_ENTRY_LEN])
{
    out_value[0] = ENTRY_FORMAT;
    vt_put_u64(out_value + 1, (uint64_t)entry->created_at_ms);
    vt_put_u64(out_value + 9, entry->epoch);
    vt_put_u64(out_value + 17, entry->commit_number);
    vt_put_u64(out_value + 25, entry->bytes);
    vt_put_u64(out_value + 33, (uint64_t)entry->expires_at_ms);
}

VT_RESULT vt_backup_entry_decode(struct vt_bytes key, struct vt_bytes value, struct vt_backup_entry *out_entry)
{
    VT_ENSURE(value.len >= 1 && value.data[0] == ENTRY_FORMAT, VAULT_E_FORMAT);
    VT_ENSURE(value.len == VT_BACKUP_ENTRY_LEN && key.len == sizeof out_entry->backup_id, VAULT_E_CORRUPT);
    memcpy(out_entry->backup_id, key.data, sizeof out_entry->backup_id);
    out_entry->created_at_ms = (int64_t)vt_get_u64(value.data + 1);
    out_entry->epoch = vt_get_u64(value.data + 9);
    out_entry->commit_number = vt_get_u64(value.data + 17);
    out_entry->bytes = vt_get_u64(value.data + 25);
    out_entry->expires_at_ms = (int64_t)vt_get_u64(value.data + 33);
    return VAULT_OK;
}

VT_RESULT vt_backup_each(struct vt_txn *txn, vt_backup_visitor visitor, void *context)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;
    vault_status status;
    VT_TRY(vt_cursor_open(txn, VT_TABLE_BACKUP, &cursor));
    while ((status = vt_cursor_next(cursor, &key, &value)) == VAULT_OK) {
        struct vt_backup_entry entry;
        VT_TRY(vt_backup_entry_decode(key, value, &entry));
        VT_TRY(visitor(context, &entry));
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}
