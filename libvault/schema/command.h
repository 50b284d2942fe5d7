/* libvault/schema/command.h - what every command is, as data. From a row come dispatch, HTTP route, argument checks,
 * the permission asked, the audit class, CLI verb, help and completion, the reference in docs/generated, fuzz seeds and
 * the conformance suite. Handlers are bound by name in vaultd/service/bind.c. Thread: constants. */
#pragma once
#include "libvault/codec/value.h"

/** Kinds of arguments and results. */
enum vt_arg_kind {
    VT_T_BOOL,
    VT_T_INT,               /* 0 to INT64_MAX; flags may demand it be positive */
    VT_T_TEXT,              /* UTF-8, 1 to max bytes, no NUL */
    VT_T_NAME,              /* [a-z][a-z0-9_.-]{0,63} */
    VT_T_EXTERNAL_ID,       /* 1 to 256 bytes of UTF-8, compared byte for byte */
    VT_T_ID,                /* 32 lower-case hex digits: 16 random bytes */
    VT_T_TOKEN,             /* a token as handed out */
    VT_T_BYTES,             /* binary; base64 in JSON */
    VT_T_TIME,              /* RFC 3339 text */
    VT_T_MAP,               /* checked by the handler (schemas, records) */
    VT_T_LIST,              /* of anything; checked by the handler */
    VT_T_LIST_OF_NAME,
    VT_T_LIST_OF_TOKEN,
    VT_T_LIST_OF_EXTERNAL_ID,
    VT_T_VALUE,             /* anything */
    VT_T_SECRET,            /* text that the CLI takes from prompt, file or environment, never from argv */
};
enum vt_arg_flag {
    VT_REQUIRED = 1,
    VT_PERSONAL = 2,        /* never logged, never in an error; wiped with the call */
    VT_POSITIVE = 4,
    VT_FROM_FILE = 8,       /* the CLI flag names a file whose content is sent */
    VT_POSITIONAL = 16,     /* the CLI takes it without a flag, in table order */
    VT_IDENTIFIES = 32,     /* names a thing that must be there already; a refusal says which one is missing */
};
struct vt_arg {
    const char *name;
    enum vt_arg_kind kind;
    int flags;              /* vt_arg_flag */
    size_t max;             /* bytes of text and bytes, items of a list, greatest integer; 0: the limit table's */
    const char *doc;
};

/** One capability. A credential's role is a set of scopes. */
enum vt_scope_bit {
    VT_SCOPE_NONE = 0,              /* anyone who is logged in */
    VT_SCOPE_PUBLIC = 1 << 0,       /* before login: health, version */
    VT_SCOPE_TOKENIZE = 1 << 1,
    VT_SCOPE_REVEAL = 1 << 2,       /* plain or masked values by token */
    VT_SCOPE_READ = 1 << 3,         /* records and subjects */
    VT_SCOPE_WRITE = 1 << 4,
    VT_SCOPE_SEARCH = 1 << 5,       /* find by value: an oracle, so a scope of its own */
    VT_SCOPE_EXPORT = 1 << 6,
    VT_SCOPE_SHRED = 1 << 7,
    VT_SCOPE_OPERATE = 1 << 8,      /* status, backups, epochs, seal */
    VT_SCOPE_UNSEAL = 1 << 9,
    VT_SCOPE_ADMIN = 1 << 10,       /* keys, credentials, schemas, templates, policies */
    VT_SCOPE_AUDIT = 1 << 11,       /* the log, proofs, certificates */
    VT_SCOPE_STATUS = 1 << 12,      /* see status */
    VT_SCOPE_KNOW_ERASED = 1 << 13, /* may learn that something was erased (410) instead of not found (404) */
    VT_SCOPE_TEST = 1 << 14,        /* dev and test builds only */
    VT_SCOPE_HOLD = 1 << 15,        /* place holds, and ask to release them */
    VT_SCOPE_APPROVE = 1 << 16,     /* grant or deny what others asked for */
};
/** A built-in role (docs/PROTOCOL.md "Roles"): a name and its scopes. Duties stay apart. */
struct vt_role {
    const char *name;
    int scopes;
    const char *doc;
};
extern const struct vt_role VT_ROLES[];
extern const size_t VT_ROLE_COUNT;
/** NULL when there is no such role. */
const struct vt_role *vt_role_find(struct vt_bytes name);

enum vt_command_effect { VT_READS, VT_WRITES, VT_DESTROYS, VT_OPERATES };
enum vt_command_flag {
    VT_NEEDS_PURPOSE = 1,           /* a read of personal data */
    VT_WHILE_SEALED = 2,            /* answered while the vault is sealed */
    VT_UNAUDITED = 4,               /* health, version, metrics, openapi only */
    VT_SLOW = 8,                    /* runs on a worker */
    VT_LOCAL_ONLY = 16,             /* Unix socket only */
    VT_CONFIRM = 32,                /* the CLI asks for a typed confirmation unless --yes */
    VT_TOP_LEVEL = 64,              /* the CLI verb stands without its group */
    VT_TEST_ONLY = 128,             /* dev mode and test builds */
    VT_WHILE_TAKING_OVER = 256,     /* answered while a restored environment takes the vault over, as what is while sealed */
    VT_LIVE_ONLY = 512,             /* operates, and commits what it has done: refused where the vault is served read-only */
    VT_STOPS_DESTRUCTION = 1024,    /* a write that goes on while the disk is full: what destroys goes on then, too */
};

enum { VT_ARGS_MAX = 24, VT_RESULTS_MAX = 32, VT_ERRORS_MAX = 12 };
struct vt_command {
    uint16_t id;                    /* in audit leaves, for ever: never renumber, never reuse */
    const char *name;               /* "subject.shred": RPC method, POST /v1/subject/shred, vaultctl subject shred */
    const char *summary;            /* one sentence */
    const char *since;
    int scope;                      /* vt_scope_bit */
    enum vt_command_effect effect;
    int flags;                      /* vt_command_flag */
    const char *source;             /* law, standard or document */
    const char *alias;              /* "tokenize": extra top-level CLI verb; NULL */
    struct vt_arg args[VT_ARGS_MAX];            /* ends at name NULL */
    struct vt_arg results[VT_RESULTS_MAX];
    vault_status errors[VT_ERRORS_MAX];         /* besides the common ones; ends at VAULT_OK */
};
#define VT_FIELDS(...) {__VA_ARGS__}
#define VT_ERRORS(...) {__VA_ARGS__}

/** All rows, in order of group. */
extern const struct vt_command *const VT_COMMANDS[];
extern const size_t VT_COMMAND_COUNT;
/** By name or id, NULL when there is none. */
const struct vt_command *vt_command_find(struct vt_bytes name);
const struct vt_command *vt_command_by_id(uint16_t id);
/** Arguments that every command takes: tenant, purpose, recipient, idempotency_key, request_id. Ends at name NULL. */
extern const struct vt_arg VT_COMMON_ARGS[];
/** What any command may be refused with, besides the errors of its row. Ends at VAULT_OK. */
extern const vault_status VT_COMMON_ERRORS[];

/** The greatest integer, or the most bytes or items, that an argument takes: its row's, else what its kind allows. */
size_t vt_arg_max(const struct vt_arg *arg);
/** The most bytes that one item of a list takes; 0 where items are not text. */
size_t vt_arg_item_max(const struct vt_arg *arg);

/** Check @p params against the row: unknown, missing, mistyped, oversized, malformed, purpose where it is needed.
 *  Text is never empty and holds no NUL byte; integers are never negative.
 *  @return VAULT_E_ARGUMENT, VAULT_E_TYPE, VAULT_E_TOO_LARGE, VAULT_E_PURPOSE; err names the argument, but for one that is
 *          unknown: its name is the caller's text, and could be a value in the wrong place */
VT_RESULT vt_command_validate(const struct vt_command *command, const struct vt_value *params, struct vt_err *err);
/** The same for a map inside an argument that is checked like one, under a row that only has .name and .args: the common
 *  arguments are unknown in it. */
VT_RESULT vt_command_validate_args(const struct vt_command *row, const struct vt_value *map, struct vt_err *err);
/** Say in @p err what is not there: the kind of thing and how it was named, never its name.
 *  @param argument which of the row's arguments (or of those that every command takes) named it; NULL: the last one given that
 *                  identifies something. @p err stays as it is when there is none
 *  @return VAULT_E_NOT_FOUND */
vault_status vt_command_missing(const struct vt_command *command, const struct vt_value *params, const char *argument,
                                struct vt_err *err);
