#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/hooks.h"
#include "libvault/codec/text.h"
#include "libvault/codec/limits.h"
#include "libvault/crypto/digest.h"

enum { PATH_BYTES_MAX = 256, PRIVATE_DIR = 0700, PRIVATE_FILE = 0600 };

static vault_status unsafe(struct vt_err *err)
{
    return vt_fail(err, VAULT_E_PROTOCOL, "files", "The package names a file outside its directory; nothing more is written.");
}

/* Relative, of plain parts: nothing that could lead out of the directory or hide in it. */
static bool is_safe_path(struct vt_bytes path)
{
    if (path.len == 0 || path.len >= PATH_BYTES_MAX || path.data[path.len - 1] == '/') return false;
    size_t begin = 0;
    for (size_t i = 0; i <= path.len; i++) {
        if (i < path.len && (path.data[i] < 0x20 || path.data[i] == 0x7f || path.data[i] == '\\')) return false;
        if (i < path.len && path.data[i] != '/') continue;
        if (i == begin || path.data[begin] == '.') return false;
        begin = i + 1;
    }
    return true;
}

static VT_RESULT check_sha256(const struct vt_value *file, struct vt_bytes content, struct vt_err *err)
{
    uint8_t wanted[VT_SHA256_LEN], found[VT_SHA256_LEN];
    const struct vt_value *given = vt_value_get(file, "sha256");
    const bool is_raw = given != NULL && given->kind == VT_VALUE_BYTES && given->bytes.len == sizeof wanted;
    if (is_raw) memcpy(wanted, given->bytes.data, sizeof wanted);
    if (!is_raw && vt_hex_decode(vt_value_get_text(file, "sha256"), wanted, sizeof wanted) != VAULT_OK)
        return vt_fail(err, VAULT_E_PROTOCOL, "sha256", "A file of the package has no SHA-256.");
    VT_TRY(vt_sha256_one(content, found));
    if (vt_bytes_equal(VT_BYTES_OF(wanted), VT_BYTES_OF(found))) return VAULT_OK;
    return vt_fail(err, VAULT_E_AUTHENTICITY, "sha256", "A file of the package does not have the SHA-256 it should have.");
}

/* Make the directories of "a/b/c.csv" below @p root, and hand out that of the file. */
static VT_RESULT open_parent(int root, char *path, int *out_dir, const char **out_name)
{
    int dir = dup(root);
    VT_ENSURE(dir >= 0, VAULT_E_IO);
    char *part = path;
    for (char *slash = strchr(part, '/'); slash != NULL; slash = strchr(part, '/')) {
        *slash = '\0';
        const bool is_made = mkdirat(dir, part, PRIVATE_DIR) == 0 || errno == EEXIST;
        const int below = is_made ? openat(dir, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        close(dir);
        VT_ENSURE(below >= 0, VAULT_E_IO);
        dir = below;
        part = slash + 1;
    }
    *out_dir = dir;
    *out_name = part;
    return VAULT_OK;
}

static VT_RESULT write_file(int fd, struct vt_bytes content)
{
    while (content.len != 0) {
        const ssize_t len = write(fd, content.data, content.len);
        if (len < 0 && errno == EINTR) continue;
        VT_ENSURE(len > 0, VAULT_E_IO);
        content = vt_bytes(content.data + len, content.len - (size_t)len);
    }
    return fsync(fd) == 0 ? VAULT_OK : VAULT_E_IO;
}

static VT_RESULT put_file(int root, const struct vt_value *file, struct vt_bytes content, struct vt_err *err)
{
    const struct vt_bytes path = vt_value_get_text(file, "path");
    if (!is_safe_path(path)) return unsafe(err);
    VT_TRY(check_sha256(file, content, err));
    char copy[PATH_BYTES_MAX];
    memcpy(copy, path.data, path.len);
    copy[path.len] = '\0';
    int dir;
    const char *name;
    VT_TRY(open_parent(root, copy, &dir, &name));
    const int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, PRIVATE_FILE);
    close(dir);
    if (fd < 0) return vt_fail(err, VAULT_E_IO, "to", "A file of the package could not be made.");
    const vault_status status = write_file(fd, content);
    if (close(fd) != 0 || status != VAULT_OK)
        return vt_fail(err, VAULT_E_IO, "to", "A file of the package could not be written.");
    return VAULT_OK;
}

static bool is_empty_dir(int fd)
{
    const int copy = dup(fd);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    if (dir == NULL) return false;
    bool is_empty = true;
    for (const struct dirent *entry = readdir(dir); entry != NULL && is_empty; entry = readdir(dir))
        is_empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(dir);
    return is_empty;
}

static VT_RESULT open_target(const char *path, int *out_fd, struct vt_err *err)
{
    const bool is_made = mkdir(path, PRIVATE_DIR) == 0;
    if (!is_made && errno != EEXIST) return vt_fail(err, VAULT_E_IO, "to", "The directory for the package cannot be made.");
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return vt_fail(err, VAULT_E_IO, "to", "The directory for the package cannot be opened.");
    if (!is_made && !is_empty_dir(fd)) {
        close(fd);
        return vt_fail(err, VAULT_E_EXISTS, "to", "The directory for the package is not empty.");
    }
    *out_fd = fd;
    return VAULT_OK;
}

static VT_RESULT piece_append(const struct vt_value *piece, struct vt_buf *whole, struct vt_err *err)
{
    const struct vt_value *content = vt_value_get(piece, "content");
    const bool has_content = content != NULL && (content->kind == VT_VALUE_BYTES || content->kind == VT_VALUE_TEXT);
    if (!has_content) return vt_fail(err, VAULT_E_PROTOCOL, "content", "A file of the package has no content.");
    if (vt_value_get_int(piece, "offset", 0) != (int64_t)whole->len)
        return vt_fail(err, VAULT_E_PROTOCOL, "offset", "A piece of a file of the package is missing.");
    return vt_buf_append(whole, content->bytes);
}

/* A long file comes in pieces, one behind the other, each with its offset; the hash is the whole file's. */
static VT_RESULT put_files(int root, const struct vt_value *files, struct vt_err *err)
{
    for (size_t first = 0, next; first < files->array.count; first = next) {
        const struct vt_value *file = &files->array.items[first];
        const struct vt_bytes path = vt_value_get_text(file, "path");
        VT_AUTO(vt_buf) whole = VT_BUF_INIT(VT_LIMIT_REPLY_BYTES);
        for (next = first; next < files->array.count; next++) {
            const struct vt_value *piece = &files->array.items[next];
            if (!vt_bytes_equal(vt_value_get_text(piece, "path"), path)) break;
            VT_TRY(piece_append(piece, &whole, err));
        }
        VT_TRY(put_file(root, file, vt_buf_bytes(&whole), err));
    }
    return VAULT_OK;
}

/* Without the contents: they are in the directory now, not for the screen. */
static VT_RESULT summarise(struct vt_cli *cli, const struct vt_value *result, const struct vt_value *files)
{
    struct vt_value summary = vt_value_map(), names = vt_value_array();
    for (size_t i = 0; i < files->array.count; i++) {
        const struct vt_value *file = &files->array.items[i];
        struct vt_value row = vt_value_map();
        VT_TRY(vt_value_put(cli->pool, &row, "path", vt_value_text(vt_value_get_text(file, "path")), NULL));
        const int64_t bytes = (int64_t)vt_value_get(file, "content")->bytes.len;
        VT_TRY(vt_value_put(cli->pool, &row, "bytes", vt_value_int(bytes), NULL));
        VT_TRY(vt_value_push(cli->pool, &names, row, NULL));
    }
    VT_TRY(vt_value_put(cli->pool, &summary, "files", names, NULL));
    const struct vt_value *held = vt_value_get(result, "held");
    if (held != NULL) VT_TRY(vt_value_put(cli->pool, &summary, "held", *held, NULL));
    return vt_cli_print(cli, &summary);
}

VT_RESULT vt_cli_export(struct vt_cli *cli)
{
    const char *to = vt_cli_extra(&cli->line, "to");
    if (to == NULL && !cli->settings.is_json)
        return vt_fail(&cli->error.text, VAULT_E_ARGUMENT, "to",
                       "The package is files: name a directory for them with --to, or take it whole with --format json.");
    if (to == NULL) return vt_cli_generic(cli, false);
    VT_TRY(vt_cli_complete(cli, false));
    int root = -1;
    VT_TRY(open_target(to, &root, &cli->error.text));
    vault_status status = vt_cli_connect(cli);
    const struct vt_value *result = NULL;
    if (status == VAULT_OK) status = vt_cli_call(cli, cli->line.command->name, &cli->line.params, &result);
    const struct vt_value *files = status == VAULT_OK ? vt_value_get(result, "files") : NULL;
    if (status == VAULT_OK && (files == NULL || files->kind != VT_VALUE_ARRAY))
        status = vt_fail(&cli->error.text, VAULT_E_PROTOCOL, "files", "The answer holds no package.");
    if (status == VAULT_OK) status = put_files(root, files, &cli->error.text);
    close(root);
    return status == VAULT_OK ? summarise(cli, result, files) : status;
}
