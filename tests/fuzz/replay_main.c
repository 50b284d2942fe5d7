/* Feeds each file of the folder named on the command line to a fuzz target, where libFuzzer is not at hand. A folder
 * that is missing or empty fails: it would prove nothing. */
#include <dirent.h>
#include <sys/stat.h>

#include "libvault/base/buf.h"
#include "tests/fuzz/fuzz.h"

enum { INPUT_MAX = 16 << 20 };

static VT_RESULT read_file(const char *path, struct vt_buf *out)
{
    FILE *file = fopen(path, "rb");
    VT_ENSURE(file != NULL, VAULT_E_IO);
    uint8_t piece[4096];
    vault_status status = VAULT_OK;
    for (size_t got; status == VAULT_OK && (got = fread(piece, 1, sizeof piece, file)) != 0;)
        status = vt_buf_append(out, vt_bytes(piece, got));
    if (status == VAULT_OK && ferror(file)) status = VAULT_E_IO;
    fclose(file);
    return status;
}

/* The input lies in a block of its own length, so that a sanitizer sees a read past its end. */
static VT_RESULT feed(const char *path)
{
    VT_AUTO(vt_buf) buf = VT_BUF_INIT(INPUT_MAX);
    VT_TRY(read_file(path, &buf));
    uint8_t *exact = malloc(buf.len != 0 ? buf.len : 1);
    VT_ENSURE(exact != NULL, VAULT_E_MEMORY);
    if (buf.len != 0) memcpy(exact, buf.data, buf.len);
    const int result = LLVMFuzzerTestOneInput(exact, buf.len);
    free(exact);
    return result == 0 ? VAULT_OK : VAULT_E_STATE;
}

static VT_RESULT feed_folder(const char *folder, DIR *dir, unsigned *out_count)
{
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[4096];
        struct stat info;
        if (entry->d_name[0] == '.') continue;
        const int len = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        VT_ENSURE(len > 0 && (size_t)len < sizeof path && stat(path, &info) == 0 && S_ISREG(info.st_mode), VAULT_E_IO);
        const vault_status status = feed(path);
        if (status != VAULT_OK) fprintf(stderr, "%s: %s\n", path, vault_status_code(status));
        VT_TRY(status);
        count++;
    }
    *out_count = count;
    return VAULT_OK;
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    if (dir == NULL) {
        fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
        return EXIT_FAILURE;
    }
    unsigned count = 0;
    const vault_status status = feed_folder(argv[1], dir, &count);
    closedir(dir);
    printf("%u inputs, %s\n", count, vault_status_code(status));
    return status == VAULT_OK && count != 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
