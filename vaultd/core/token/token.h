/* vaultd/core/token/token.h - stand-ins for values (docs/FORMAT.md "Tokens").
 *
 * Opaque: `tok_` + 26 base32 characters = one AES-256 block under the tenant's lookup key of {sequence 6 | random 10}; TOKEN
 * row key: 0x01 | sequence 8. Digits: random, as long as the number, at most the last 4 kept, always failing Luhn, never equal
 * to the input, collision-checked; row key: 0x02 | HMAC(lookup, "digit-token:1" 0 || digits) 16. Row value: SEAL(HMAC(seal, token),
 * token context, {sid, record, collection, field, template, flags, state, created}). Deterministic: T_idx label
 * "token-det:1" of (template, normalised value) -> token block; T_idx label "token-holder:1" of the row key -> holders {sid,
 * record}; it dies with the last one. Token rows outlive the shred, so that a dead token can answer 410.
 * Thread: planning and reading any; forget the committer. */
#pragma once
#include "vaultd/core/subject/subject.h"

enum vt_token_format { VT_TOKEN_OPAQUE = 1, VT_TOKEN_DIGITS = 2 };
struct vt_template {
    char name[65];
    uint16_t number;                    /* for ever */
    enum vt_token_format format;
    uint16_t collection;                /* where a value alone is stored */
    uint16_t field;
    uint8_t keep_last;                  /* digits: 0 to 4 */
    bool is_deterministic;
};
struct vt_templates;                    /* cache, as vt_schemas */
struct vt_template_set;
VT_RESULT vt_templates_new(struct vt_templates **out_templates);
void vt_templates_free(struct vt_templates *templates);
VT_DEFINE_AUTO_PTR(vt_templates);
VT_RESULT vt_templates_load(struct vt_templates *templates, struct vt_keyring_view *view, vt_tenant_id tenant);
struct vt_template_set *vt_templates_acquire(struct vt_templates *templates, vt_tenant_id tenant);
void vt_template_set_release(struct vt_template_set *set);
const struct vt_template *vt_template_set_find(const struct vt_template_set *set, struct vt_bytes name);
const struct vt_template *vt_template_set_by_number(const struct vt_template_set *set, uint16_t number);
size_t vt_template_set_count(const struct vt_template_set *set);
const struct vt_template *vt_template_set_at(const struct vt_template_set *set, size_t index);
/** YAML: `templates: - {name, format: opaque|digits, collection, field, keep_last, deterministic}`; unknown keys refused. */
VT_RESULT vt_templates_plan(struct vt_templates *templates, const struct vt_subject_env *env, struct vt_bytes yaml,
                            struct vt_change *change, struct vt_value *out_report);

struct vt_token_env {
    struct vt_subject_env subject;
    const struct vt_template_set *templates;
    struct vt_sequence *tokens;         /* opaque row keys */
};
/** One item to tokenise. */
struct vt_token_wish {
    const struct vt_template *template_;
    const struct vt_value *value;       /* NULL: the stored field of (sid, record) */
    const struct vt_sid *sid;           /* NULL: a value alone; it gets a subject of its own */
    uint64_t record;                    /* 0: a new record in the template's collection */
};
enum { VT_TOKEN_TEXT_MAX = 64 };
/** Items of one call share the drafts of their subjects, so that a hundred cards of one person make one key block. Lives in the
 *  call's pool; @p env and @p change borrowed. */
struct vt_token_batch;
VT_RESULT vt_token_batch_new(const struct vt_token_env *env, struct vt_change *change, struct vt_token_batch **out_batch);
/** Plan one token. A deterministic one may answer with the token that exists (a new holder is added). When an item fails, the
 *  others stand. @param out_sid who holds it
 *  @return as vt_subject_draft_record(), VAULT_E_CONFLICT (prepare again) */
VT_RESULT vt_token_create(struct vt_token_batch *batch, const struct vt_token_wish *wish, char out_token[VT_TOKEN_TEXT_MAX],
                          struct vt_sid *out_sid);
/** Seal the drafts into the change. */
VT_RESULT vt_token_batch_finish(struct vt_token_batch *batch);
void vt_token_batch_free(struct vt_token_batch *batch);     /* NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_token_batch);

enum vt_token_state { VT_TOKEN_LIVE = 1, VT_TOKEN_DISABLED = 2, VT_TOKEN_REVOKED = 3 };
struct vt_token_info {
    const struct vt_template *template_;
    const struct vt_collection_entry *collection;
    const struct vt_field *field;
    struct vt_sid sid;                  /* a live holder where there is one, else the last known */
    uint64_t record;
    uint8_t state;
    int64_t created_at_ms;
};
/** What a token is; does not ask whether its holder lives. @return VAULT_E_NOT_FOUND (never issued, malformed, foreign) */
VT_RESULT vt_token_find(const struct vt_token_env *env, struct vt_bytes token, struct vt_token_info *out_info);
/** Does what it stands for live? A shred of the category or the record kills a token like one of the subject.
 *  @return VAULT_E_SHRED_PENDING, VAULT_E_NOT_FOUND (holder gone), VAULT_E_ERASED (the value is) */
VT_RESULT vt_token_check(const struct vt_token_env *env, const struct vt_token_info *info);
/** Its value. @return VAULT_E_NOT_FOUND (unknown), VAULT_E_DISABLED, VAULT_E_STATE (revoked), VAULT_E_SHRED_PENDING,
 *  VAULT_E_ERASED (holder gone: ask the ledger by out_info) @param out_info filled in whenever the token is known */
VT_RESULT vt_token_reveal(const struct vt_token_env *env, struct vt_bytes token, struct vt_token_info *out_info,
                          struct vt_value *out_value);
VT_RESULT vt_token_set_state(const struct vt_token_env *env, struct vt_bytes token, enum vt_token_state state,
                             struct vt_change *change);
/** Which version of the seal key a stored token row names in the clear; 0: not a token row. */
uint32_t vt_token_row_seal_version(struct vt_bytes value);
/** vt_reference_gone for vt_subject_destroy(): removes the holder; when it was the last, the T_idx entry of the value too, so that
 *  a dead token is never handed out again. */
VT_RESULT vt_token_reference_gone(void *context, struct vt_keyring_write *write, vt_tenant_id tenant, uint8_t kind,
                                  const struct vt_index_hash *hash, const uint8_t data[VT_INDEX_DATA_LEN]);
