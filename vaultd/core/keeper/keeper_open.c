/* The kinds of keepers, as settings name them. */
#include "vaultd/core/keeper/keeper.h"
#include "vaultd/core/keeper/keeper_raw.h"

typedef VT_RESULT (*open_fn)(const char *path, const char *name, enum vt_keeper_use use, struct vt_keeper **out_keeper,
                             struct vt_err *err);

static VT_RESULT open_file(const char *path, const char *name, enum vt_keeper_use use, struct vt_keeper **out_keeper,
                           struct vt_err *err)
{
    (void)err;
    if (use == VT_KEEPER_LOOK) return vt_keeper_file_open_read_only(path, name, out_keeper);
    return vt_keeper_file_open(path, name, use == VT_KEEPER_MUST_EXIST, out_keeper);
}

static VT_RESULT open_raw(const char *path, const char *name, enum vt_keeper_use use, struct vt_keeper **out_keeper,
                          struct vt_err *err)
{
    return vt_keeper_raw_open(&(struct vt_keeper_raw_options){.path = path, .name = name, .use = use}, out_keeper, err);
}

static const struct {
    const char *kind;
    open_fn open;
} KINDS[] = {{"file", open_file}, {"raw", open_raw}};

/* What to look at; the status alone names something else in these cases. */
static const char *what_to_do(vault_status status)
{
    switch (status) {
    case VAULT_E_KEEPER: return "it is not there, and the store is not new: without it the store does not open.";
    case VAULT_E_STATE: return "it must be one file with one name and mode 0600.";
    case VAULT_E_IO: return "its directory must exist, and the daemon must be allowed to read and write there.";
    case VAULT_E_LOCKED: return "another process has it, or it is mounted.";
    case VAULT_E_UNSUPPORTED: return "the file system knows no direct writing (O_DIRECT).";
    default: return vault_status_text(status);
    }
}

VT_RESULT vt_keeper_open(const char *kind, const char *path, const char *name, enum vt_keeper_use use,
                         struct vt_keeper **out_keeper, struct vt_err *err)
{
    struct vt_err own = {{0}, {0}};
    vault_status status = VAULT_E_ARGUMENT;
    for (size_t i = 0; i < VT_ARRAY_LEN(KINDS); i++)
        if (strcmp(KINDS[i].kind, kind) == 0) status = KINDS[i].open(path, name, use, out_keeper, &own);
    if (status == VAULT_OK) return VAULT_OK;
    const char *sentence = own.message[0] != '\0' ? own.message : what_to_do(status);
    return vt_fail(err, status, "keepers", "The keeper %s %s cannot be opened: %s", kind, path, sentence);
}
