/* vaultd/service/call.h - one call from its first byte to its answer. A call has one owner at a time and moves whole:
 *
 *   network thread (or a worker when the command is slow)   vt_call_prepare(): authenticate, find, validate, begin, authorise,
 *                                                           handle, build the audit leaf
 *   committer                                               the embedded vt_commit_item
 *   network thread                                          vt_call_finish(): the answer, or the error, then free
 *
 * Refusals are audited like answers. Plaintext lives in the call's pool and buffers and is wiped with it.
 * Thread: the owner. */
#pragma once
#include "libvault/schema/command.h"
#include "vaultd/service/vault.h"

/** Who calls, proven by a credential or by the Unix socket's peer. A plain value. */
struct vt_principal {
    uint8_t id[16];                 /* zero: nobody yet */
    char name[65];
    const struct vt_role *role;     /* NULL: nobody yet */
    bool is_local;                  /* came over the Unix socket as the daemon's own user or root */
    int64_t expires_at_ms;          /* 0: never */
};

struct vt_call;
struct vt_handler {
    const char *command;
    /** Look, decide, seal; may fail, changes nothing. Writes the result map with vt_call_result() (reads, and writes whose
     *  outcome is known), fills vt_call_change(). Run again from scratch after a conflict. */
    vault_status (*prepare)(struct vt_call *call);
    /** After the commit, on the network thread (on a worker when prepare set wants_worker_after): for results that only the commit
     *  knows. NULL: none. */
    vault_status (*finish)(struct vt_call *call);
    /** Committer, right after the transaction was kept or lost: stamps, caches. NULL: none. */
    void (*committed)(struct vt_call *call, bool kept);
    /** For a result that only finish knows: what a repeat with the same idempotency key shall be told. Committer, behind the
     *  change's own hooks. NULL: the result that prepare wrote. */
    vault_status (*answer)(struct vt_call *call, struct vt_value *out_map);
    /** Write the result of a repeat from what was kept. NULL: as it was kept. */
    vault_status (*replay)(struct vt_call *call, const struct vt_value *kept);
};
/** All handlers, bound to the command table. Start-up refuses a row without a handler or the reverse. */
VT_RESULT vt_bind_check(struct vt_err *err);
const struct vt_handler *vt_bind_find(const struct vt_command *command);

enum vt_call_next {
    VT_CALL_REPLY,          /* finished: unaudited command, or refused before there was anything to audit */
    VT_CALL_COMMIT,         /* submit call->item */
    VT_CALL_SLOW,           /* move it to a worker, which calls vt_call_prepare_slow() */
};

enum { VT_CALL_ATTEMPTS_MAX = 5, VT_CALL_POOL_MAX = 512 * 1024 * 1024 };
struct vt_call {
    struct vt_commit_item item;     /* first: the committer hands back &call->item */
    /* given by the connection */
    struct vt_vault *vault;
    struct vt_principal principal;
    struct vt_buf frame;            /* owned: the request's bytes, which method and params borrow */
    struct vt_bytes method;
    const struct vt_value *params;
    struct vt_pool pool;            /* params live here; reset of handler work after a conflict uses `scratch` */
    struct vt_pool scratch;         /* what prepare allocates; reset before each attempt */
    void *owner;                    /* the connection's, untouched here */
    int64_t message_id;
    /* worked out by the gate */
    const struct vt_command *command;
    const struct vt_handler *handler;
    vt_tenant_id tenant;
    struct vt_bytes purpose, recipient;
    int64_t now_ms;
    unsigned attempts;
    /* while preparing; NULL otherwise */
    struct vt_txn *txn;
    struct vt_keyring_view *view;
    struct vt_schema_set *schemas;
    struct vt_template_set *templates;
    /* outcome of prepare */
    struct vt_change *change;       /* created on first use: vt_call_change() */
    struct vt_buf result;           /* msgpack of the result map */
    struct vt_buf payloads;         /* sealed audit payload items */
    struct vt_sid *touched;         /* in scratch */
    size_t touched_count, touched_cap;
    uint32_t item_count;            /* for the leaf: rows, tokens, subjects */
    bool retries_checks;            /* see vt_commit_item: for batches whose items fail one by one */
    vault_status leaf_refusal;      /* see vt_commit_item */
    vault_status status;
    struct vt_err err;
    uint64_t certificate;           /* for the error map: VAULT_E_ERASED and VAULT_E_SHRED_PENDING */
    struct vt_principal login;      /* auth.login: who the connection is from now on */
    void *handler_state;            /* in scratch */
    bool is_repeat;                 /* answered from what an earlier call with its idempotency key was answered */
    bool is_logged_elsewhere;       /* a take-over: its leaf is in the log of the environment that it has built */
    bool wants_worker_after;        /* set by prepare: finish blocks (it waits for an epoch), so it runs on a worker */
    bool is_committed;              /* on its way to that worker */
    size_t held_bytes;              /* the server's: as it has counted them last */
};

/** @param principal copied. The caller fills in frame, method, params, message_id, owner. */
VT_RESULT vt_call_new(struct vt_vault *vault, const struct vt_principal *principal, struct vt_call **out_call);
void vt_call_free(struct vt_call *call);        /* wipes; NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_call);
/** Memory that the call holds now, in all. Thread: the owner. */
size_t vt_call_held_bytes(const struct vt_call *call);
/** Run the gate and the handler; always ends in one of the three. After a commit with vt_call_wants_retry() the owner calls
 *  it again. */
enum vt_call_next vt_call_prepare(struct vt_call *call);
enum vt_call_next vt_call_prepare_slow(struct vt_call *call);
/** The commit found that something had changed meanwhile (VAULT_E_CONFLICT): nothing was written or audited, try again. */
bool vt_call_wants_retry(const struct vt_call *call);
/** The commit is through and needs no retry: take its status over and run the handler's finish. */
void vt_call_committed(struct vt_call *call);
/** Append the whole reply frame [1, msgid, error, result]. */
VT_RESULT vt_call_finish(struct vt_call *call, struct vt_buf *out_frame);
/** All of it up to call->status and call->result, inline: for tests and for the daemon's own calls. @return call->status */
VT_RESULT vt_call_run(struct vt_call *call);

/* For handlers ------------------------------------------------------------------------------------------------------- */

VT_RESULT vt_call_change(struct vt_call *call, struct vt_change **out_change);
void vt_call_env(struct vt_call *call, struct vt_subject_env *out_env);
void vt_call_token_env(struct vt_call *call, struct vt_token_env *out_env);
/** The answer depends on this subject: a shred that overtakes it refuses it, and an audit payload is sealed under the subject's
 *  audit key. @p what: short text without values, e.g. "profile 17"; may be empty. @p keys NULL: looked up */
VT_RESULT vt_call_touch(struct vt_call *call, const struct vt_sid *sid, struct vt_bytes what);
/** The stamp alone, without a payload: for what destroys, whose payload must not lie under the key that goes. */
VT_RESULT vt_call_watch(struct vt_call *call, const struct vt_sid *sid);
/** Subject from `subject`, `sid` or (where the command has it) `token`. @return VAULT_E_ARGUMENT when none or two are given,
 *  VAULT_E_NOT_FOUND, or VAULT_E_ERASED / VAULT_E_SHRED_PENDING with call->certificate for callers who may know */
VT_RESULT vt_call_subject(struct vt_call *call, struct vt_sid *out_sid);
/** Turn "not found" into "erased" with its certificate when the ledger knows the scope and the caller may know; turn "erased" and
 *  "pending" into "not found" when the caller may not. What is not found is said as vt_call_missing() says it.
 *  @param argument which named it; NULL: the last one given that identifies something */
vault_status vt_call_explain(struct vt_call *call, vault_status status, const struct vt_scope *scope, const char *argument);
/** Say what is not there, unless a sentence says it already; whatever refuses without a sentence comes here in the end.
 *  @param argument as above. @return VAULT_E_NOT_FOUND */
vault_status vt_call_missing(struct vt_call *call, const char *argument);
bool vt_call_has_scope(const struct vt_call *call, int scope);
/** Arguments, validated already; empty, @p otherwise or NULL when absent. */
struct vt_bytes vt_call_text(const struct vt_call *call, const char *name);
int64_t vt_call_int(const struct vt_call *call, const char *name, int64_t otherwise);
bool vt_call_bool(const struct vt_call *call, const char *name, bool otherwise);
const struct vt_value *vt_call_value(const struct vt_call *call, const char *name);
/** The collection named by argument `collection`. @return VAULT_E_NOT_FOUND with a sentence */
VT_RESULT vt_call_collection(struct vt_call *call, const struct vt_collection_entry **out_collection);
/** The mask named by argument `view`; default masked. @return VAULT_E_ARGUMENT */
VT_RESULT vt_call_mask(struct vt_call *call, enum vt_mask *out_mask);
/** Write @p value as the whole result map. */
VT_RESULT vt_call_result(struct vt_call *call, const struct vt_value *value);
