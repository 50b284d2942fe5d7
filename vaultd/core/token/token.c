/* Tokens. Row: incarnation 8 | key version 4 | SEAL(HMAC(token-seal key, token), token context, plain). Plain: format 1 |
 * template 2 | collection 2 | field 2 | sid 16 | record 8 | state 1 | flags 1 | created ms 8, padded to 64 bytes. */
#include "vaultd/core/token/token_internal.h"

#include "libvault/codec/text.h"
#include "libvault/crypto/aead.h"
#include "libvault/crypto/mac.h"
#include "libvault/crypto/rng.h"

enum {
    ROW_FORMAT = 1,
    ROW_HEAD_LEN = 12,
    ROW_PLAIN_LEN = 64,
    BLOCK_LEN = 16,
    KEY_MAX = 17,
    SEQUENCE_LEN = 6,
    RANDOM_LEN = 10,
    PREFIX_LEN = 4,
    BASE32_LEN = 26,
    OPAQUE_LEN = PREFIX_LEN + BASE32_LEN,
    KIND_OPAQUE = 1,
    KIND_DIGITS = 2,
    DIGITS_MIN = 12,
    DIGITS_MAX = 19,
    DIGIT_TRIES = 64,
    HOLDERS_FIRST = 16,
    HOLDERS_GROWTH = 16,
};
#define OPAQUE_PREFIX "tok_"

/** One token as it is stored. */
struct token_row {
    uint8_t key[KEY_MAX];
    size_t key_len;
    uint16_t template_number, collection, field;
    struct vt_sid sid;
    uint64_t record;
    uint8_t state, flags;
    int64_t created_at_ms;
    size_t seal_index;              /* which version of the seal key it lies under */
};

static const struct vt_tenant_key *tenant_key(const struct vt_token_env *env, enum vt_tenant_key_name name, size_t index)
{
    return vt_keyring_tenant_key(env->subject.view, env->subject.tenant, name, index);
}

/* Row keys ----------------------------------------------------------------------------------------------------------- */

static void opaque_row_key(const uint8_t block[BLOCK_LEN], struct token_row *row)
{
    uint64_t sequence = 0;
    for (size_t i = 0; i < SEQUENCE_LEN; i++) sequence = sequence << 8 | block[i];
    row->key[0] = KIND_OPAQUE;
    vt_put_u64(row->key + 1, sequence);
    row->key_len = 9;
}

static VT_RESULT opaque_format(const struct vt_token_env *env, const uint8_t block[BLOCK_LEN], size_t key_index,
                               char out_token[VT_TOKEN_TEXT_MAX])
{
    uint8_t cipher[BLOCK_LEN];
    const struct vt_tenant_key *key = tenant_key(env, VT_TENANT_KEY_TOKEN_LOOKUP, key_index);
    VT_ENSURE(key != NULL, VAULT_E_CORRUPT);
    VT_TRY(vt_aes256_block(&key->key, true, block, cipher));
    memcpy(out_token, OPAQUE_PREFIX, PREFIX_LEN);
    vt_base32_encode(VT_BYTES_OF(cipher), out_token + PREFIX_LEN);
    out_token[OPAQUE_LEN] = '\0';
    return VAULT_OK;
}

static VT_RESULT digits_row_key(const struct vt_token_env *env, size_t key_index, struct vt_bytes digits, struct token_row *row)
{
    uint8_t mac[32];
    static const uint8_t LABEL[] = "digit-token:1";
    const struct vt_tenant_key *key = tenant_key(env, VT_TENANT_KEY_TOKEN_LOOKUP, key_index);
    const struct vt_bytes pieces[] = {VT_BYTES_OF(LABEL), digits};
    VT_ENSURE(key != NULL, VAULT_E_NOT_FOUND);
    VT_TRY(vt_hmac_sha256(vt_key_bytes(&key->key), pieces, VT_ARRAY_LEN(pieces), mac));
    row->key[0] = KIND_DIGITS;
    memcpy(row->key + 1, mac, BLOCK_LEN);
    row->key_len = KEY_MAX;
    return VAULT_OK;
}

/* Rows --------------------------------------------------------------------------------------------------------------- */

static VT_RESULT row_seal_key(const struct vt_tenant_key *seal, struct vt_bytes token, struct vt_key *out_key)
{
    return vt_hmac_sha256(vt_key_bytes(&seal->key), &token, 1, out_key->bytes);
}

static void row_context(const struct vt_token_env *env, uint64_t incarnation, const struct token_row *row,
                        struct vt_seal_ctx *out_ctx)
{
    uint8_t padded[KEY_MAX] = {0};
    memcpy(padded, row->key, row->key_len);
    vt_seal_ctx_begin(out_ctx, vt_keyring_view_vault_id(env->subject.view)->bytes, incarnation, VT_SEAL_TOKEN,
                      env->subject.tenant);
    vt_seal_ctx_bytes(out_ctx, VT_BYTES_OF(padded));
}

static void row_encode(const struct token_row *row, uint8_t out_plain[ROW_PLAIN_LEN])
{
    memset(out_plain, 0, ROW_PLAIN_LEN);
    out_plain[0] = ROW_FORMAT;
    vt_put_u16(out_plain + 1, row->template_number);
    vt_put_u16(out_plain + 3, row->collection);
    vt_put_u16(out_plain + 5, row->field);
    memcpy(out_plain + 7, row->sid.bytes, sizeof row->sid.bytes);
    vt_put_u64(out_plain + 23, row->record);
    out_plain[31] = row->state;
    out_plain[32] = row->flags;
    vt_put_u64(out_plain + 33, (uint64_t)row->created_at_ms);
}

static VT_RESULT row_decode(const uint8_t plain[ROW_PLAIN_LEN], struct token_row *row)
{
    VT_ENSURE(plain[0] == ROW_FORMAT, VAULT_E_FORMAT);
    row->template_number = vt_get_u16(plain + 1);
    row->collection = vt_get_u16(plain + 3);
    row->field = vt_get_u16(plain + 5);
    memcpy(row->sid.bytes, plain + 7, sizeof row->sid.bytes);
    row->record = vt_get_u64(plain + 23);
    row->state = plain[31];
    row->flags = plain[32];
    row->created_at_ms = (int64_t)vt_get_u64(plain + 33);
    return VAULT_OK;
}

static VT_RESULT row_put(const struct vt_token_env *env, const struct token_row *row, struct vt_bytes token,
                         enum vt_put_flags flags, struct vt_change *change)
{
    uint8_t plain[ROW_PLAIN_LEN], value[ROW_HEAD_LEN + ROW_PLAIN_LEN + VT_SEAL_OVERHEAD];
    struct vt_seal_ctx ctx;
    VT_AUTO(vt_key) key = VT_KEY_INIT;
    const struct vt_tenant_key *seal = tenant_key(env, VT_TENANT_KEY_TOKEN_SEAL, row->seal_index);
    const uint64_t incarnation = vt_keyring_view_incarnation(env->subject.view);
    VT_ENSURE(seal != NULL, VAULT_E_CORRUPT);
    VT_TRY(row_seal_key(seal, token, &key));
    row_encode(row, plain);
    row_context(env, incarnation, row, &ctx);
    vt_put_u64(value, incarnation);
    vt_put_u32(value + 8, seal->version);
    VT_TRY(vt_seal_into(&key, &ctx, VT_BYTES_OF(plain), value + ROW_HEAD_LEN));
    return vt_change_put(change, VT_TABLE_TOKEN, vt_bytes(row->key, row->key_len), VT_BYTES_OF(value), flags);
}

static VT_RESULT row_open(const struct vt_token_env *env, struct token_row *row, struct vt_bytes token, struct vt_bytes value)
{
    uint8_t plain[ROW_PLAIN_LEN];
    struct vt_seal_ctx ctx;
    VT_AUTO(vt_key) key = VT_KEY_INIT;
    VT_ENSURE(value.len == ROW_HEAD_LEN + ROW_PLAIN_LEN + VT_SEAL_OVERHEAD, VAULT_E_CORRUPT);
    const struct vt_tenant_key *seal;
    for (row->seal_index = 0; (seal = tenant_key(env, VT_TENANT_KEY_TOKEN_SEAL, row->seal_index)) != NULL; row->seal_index++)
        if (seal->version == vt_get_u32(value.data + 8)) break;
    VT_ENSURE(seal != NULL, VAULT_E_CORRUPT);
    VT_TRY(row_seal_key(seal, token, &key));
    row_context(env, vt_get_u64(value.data), row, &ctx);
    VT_TRY(vt_unseal_into(&key, &ctx, vt_bytes(value.data + ROW_HEAD_LEN, value.len - ROW_HEAD_LEN), plain));
    const vault_status status = row_decode(plain, row);
    vt_wipe(plain, sizeof plain);
    return status;
}

/* Finding ------------------------------------------------------------------------------------------------------------ */

static bool is_digits(struct vt_bytes text)
{
    if (text.len < DIGITS_MIN || text.len > DIGITS_MAX) return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < '0' || text.data[i] > '9') return false;
    return true;
}

static bool is_opaque(struct vt_bytes text)
{
    return text.len == OPAQUE_LEN && vt_bytes_equal_str(vt_bytes(text.data, PREFIX_LEN), OPAQUE_PREFIX);
}

/* @p key_index: of the lookup key. @return VAULT_E_NOT_FOUND when no row fits under this key */
static VT_RESULT row_find_under(const struct vt_token_env *env, struct vt_bytes token, size_t key_index, struct token_row *row)
{
    struct vt_bytes value;
    if (is_opaque(token)) {
        uint8_t cipher[BLOCK_LEN], block[BLOCK_LEN];
        const struct vt_tenant_key *key = tenant_key(env, VT_TENANT_KEY_TOKEN_LOOKUP, key_index);
        const vault_status decoded =
            vt_base32_decode(vt_bytes(token.data + PREFIX_LEN, BASE32_LEN), cipher, sizeof cipher);
        VT_ENSURE(decoded == VAULT_OK && key != NULL, VAULT_E_NOT_FOUND);
        VT_TRY(vt_aes256_block(&key->key, false, cipher, block));
        opaque_row_key(block, row);
    } else {
        VT_TRY(digits_row_key(env, key_index, token, row));
    }
    VT_TRY(vt_store_get(vt_keyring_view_txn(env->subject.view), VT_TABLE_TOKEN, vt_bytes(row->key, row->key_len), &value));
    const vault_status status = row_open(env, row, token, value);
    /* A guess that hits a sequence, but not its 80 random bits, is a token that was never issued. */
    return status == VAULT_E_AUTHENTICITY && is_opaque(token) ? VAULT_E_NOT_FOUND : status;
}

static VT_RESULT row_find(const struct vt_token_env *env, struct vt_bytes token, struct token_row *out_row)
{
    VT_ENSURE(is_opaque(token) || is_digits(token), VAULT_E_NOT_FOUND);
    vault_status status = VAULT_E_NOT_FOUND;
    for (size_t i = 0; status == VAULT_E_NOT_FOUND && tenant_key(env, VT_TENANT_KEY_TOKEN_LOOKUP, i) != NULL; i++)
        status = row_find_under(env, token, i, out_row);
    return status;
}

/* Deterministic tokens ----------------------------------------------------------------------------------------------- */

/* value -> token. Data: 1 | block 16 for opaque ones; 2 | length | digits packed as text for digit tokens. */
VT_RESULT vt_token_value_hash(const struct vt_token_env *env, const struct vt_template *template_, const struct vt_field *field,
                              const struct vt_value *stored, size_t key_index, struct vt_index_hash *out_hash)
{
    uint8_t number[2];
    struct vt_bytes pieces[2] = {VT_BYTES_OF(number)};
    vt_put_u16(number, template_->number);
    VT_TRY(vt_field_index_bytes(field->type, stored, env->subject.pool, &pieces[1]));
    return vt_keyring_index_hash(env->subject.view, env->subject.tenant, key_index, "token-det:1", pieces, 2, out_hash);
}

static VT_RESULT holder_hash(const struct vt_token_env *env, const struct token_row *row, size_t key_index,
                             struct vt_index_hash *out_hash)
{
    const struct vt_bytes piece = vt_bytes(row->key, row->key_len);
    return vt_keyring_index_hash(env->subject.view, env->subject.tenant, key_index, "token-holder:1", &piece, 1, out_hash);
}

/* All of them: nearly always few, so few are asked for first. */
static VT_RESULT holders_find(const struct vt_token_env *env, const struct token_row *row, size_t key_index,
                              uint8_t (**out_data)[VT_INDEX_DATA_LEN], size_t *out_count)
{
    struct vt_index_hash hash;
    VT_TRY(holder_hash(env, row, key_index, &hash));
    for (size_t max = HOLDERS_FIRST;; max *= HOLDERS_GROWTH) {
        uint8_t(*data)[VT_INDEX_DATA_LEN] = vt_pool_calloc(env->subject.pool, max, sizeof *data);
        size_t count = 0;
        VT_ENSURE(data != NULL, VAULT_E_MEMORY);
        const vault_status status = vt_keyring_index_find(env->subject.view, env->subject.tenant, &hash, data, max, &count);
        VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
        if (count == max) continue;
        *out_data = data;
        *out_count = count;
        return VAULT_OK;
    }
}

static VT_RESULT token_encode(struct vt_bytes token, const uint8_t block[BLOCK_LEN], bool is_block,
                              uint8_t out_data[VT_INDEX_DATA_LEN])
{
    memset(out_data, 0, VT_INDEX_DATA_LEN);
    out_data[0] = is_block ? KIND_OPAQUE : KIND_DIGITS;
    if (is_block) memcpy(out_data + 1, block, BLOCK_LEN);
    if (is_block) return VAULT_OK;
    VT_ENSURE(token.len <= DIGITS_MAX, VAULT_E_CORRUPT);
    out_data[1] = (uint8_t)token.len;
    memcpy(out_data + 2, token.data, token.len);
    return VAULT_OK;
}

static VT_RESULT token_decode(const struct vt_token_env *env, const uint8_t data[VT_INDEX_DATA_LEN],
                              char out_token[VT_TOKEN_TEXT_MAX])
{
    if (data[0] == KIND_OPAQUE) {
        /* Issued under the lookup key of its day: the one under which its row opens. */
        for (size_t i = 0; tenant_key(env, VT_TENANT_KEY_TOKEN_LOOKUP, i) != NULL; i++) {
            struct token_row row;
            VT_TRY(opaque_format(env, data + 1, i, out_token));
            const vault_status status = row_find_under(env, vt_bytes_str(out_token), i, &row);
            if (status != VAULT_E_NOT_FOUND) return status;
        }
        return VAULT_E_CORRUPT;
    }
    VT_ENSURE(data[0] == KIND_DIGITS && data[1] <= DIGITS_MAX, VAULT_E_CORRUPT);
    memcpy(out_token, data + 2, data[1]);
    out_token[data[1]] = '\0';
    return VAULT_OK;
}

/** The entry of a value that has its token. */
struct existing {
    struct vt_index_hash hash;
    uint8_t data[VT_INDEX_DATA_LEN];
    char token[VT_TOKEN_TEXT_MAX];
};

static VT_RESULT find_existing(const struct vt_token_env *env, const struct vt_template *template_, const struct vt_field *field,
                               const struct vt_value *stored, struct existing *out_existing)
{
    for (size_t i = 0; tenant_key(env, VT_TENANT_KEY_INDEX, i) != NULL; i++) {
        size_t count;
        VT_TRY(vt_token_value_hash(env, template_, field, stored, i, &out_existing->hash));
        const vault_status status = vt_keyring_index_find(env->subject.view, env->subject.tenant, &out_existing->hash,
                                                          &out_existing->data, 1, &count);
        if (status == VAULT_E_NOT_FOUND) continue;
        VT_TRY(status);
        return token_decode(env, out_existing->data, out_existing->token);
    }
    return VAULT_E_NOT_FOUND;
}

/* Making ------------------------------------------------------------------------------------------------------------- */

static VT_RESULT make_opaque(const struct vt_token_env *env, struct token_row *row, uint8_t block[BLOCK_LEN],
                             char out_token[VT_TOKEN_TEXT_MAX])
{
    uint64_t sequence;
    uint8_t raw[8];
    VT_TRY(vt_sequence_next(env->tokens, 1, &sequence));
    VT_ENSURE(sequence < UINT64_C(1) << 48, VAULT_E_LIMIT);
    vt_put_u64(raw, sequence);
    memcpy(block, raw + 2, SEQUENCE_LEN);
    VT_TRY(vt_random_bytes(block + SEQUENCE_LEN, RANDOM_LEN));
    opaque_row_key(block, row);
    return opaque_format(env, block, 0, out_token);
}

/* Random digits of the number's length, its last digits kept, always failing Luhn. */
static VT_RESULT draw_digits(struct vt_bytes number, size_t keep_last, char *out_token)
{
    const size_t drawn = number.len - keep_last;
    for (size_t i = 0; i < drawn; i++) {
        uint64_t digit;
        VT_TRY(vt_random_below(10, &digit));
        out_token[i] = (char)('0' + digit);
    }
    memcpy(out_token + drawn, number.data + drawn, keep_last);
    out_token[number.len] = '\0';
    /* A sum that comes out right is pushed off by one in the last drawn digit, which moves the Luhn sum by 1 to 9. */
    if (vt_luhn_is_valid(vt_bytes(out_token, number.len)))
        out_token[drawn - 1] = (char)('0' + (out_token[drawn - 1] - '0' + 1) % 10);
    return VAULT_OK;
}

static VT_RESULT make_digits(const struct vt_token_env *env, const struct vt_template *template_, const struct vt_value *stored,
                             struct token_row *row, char out_token[VT_TOKEN_TEXT_MAX])
{
    VT_ENSURE(stored->kind == VT_VALUE_TEXT && is_digits(stored->bytes), VAULT_E_INVALID_VALUE);
    for (unsigned tries = 0; tries < DIGIT_TRIES; tries++) {
        struct vt_bytes present;
        VT_TRY(draw_digits(stored->bytes, template_->keep_last, out_token));
        const struct vt_bytes token = vt_bytes_str(out_token);
        VT_BUG_ON(vt_luhn_is_valid(token));
        if (vt_bytes_equal(token, stored->bytes)) continue;
        bool is_taken = false;
        for (size_t i = 0; !is_taken && tenant_key(env, VT_TENANT_KEY_TOKEN_LOOKUP, i) != NULL; i++) {
            VT_TRY(digits_row_key(env, i, token, row));
            const vault_status found = vt_store_get(vt_keyring_view_txn(env->subject.view), VT_TABLE_TOKEN,
                                                    vt_bytes(row->key, row->key_len), &present);
            VT_ENSURE(found == VAULT_OK || found == VAULT_E_NOT_FOUND, found);
            is_taken = found == VAULT_OK;
        }
        if (!is_taken) return digits_row_key(env, 0, token, row);
    }
    return VAULT_E_LIMIT;
}

/** Drafts by subject: open addressing over the random sid. */
struct vt_token_batch {
    const struct vt_token_env *env;
    struct vt_change *change;
    struct vt_subject_draft **drafts;   /* in order */
    size_t count, cap;
    uint32_t *slots;                    /* index + 1 */
    size_t slot_cap;
    /* Deterministic tokens that this call itself makes: value hash -> entry, so that an equal value gets the same token. */
    struct existing *made;
    struct token_row *made_rows;
    size_t made_count, made_cap;
};

struct making {
    struct vt_token_batch *batch;
    const struct vt_token_env *env;
    const struct vt_template *template_;
    const struct vt_collection_entry *collection;
    const struct vt_field *field;
    struct vt_subject_draft *draft;
    struct vt_change *change;
    struct vt_value stored;             /* canonical value */
    uint64_t record;
    struct vt_draft_place place;        /* of the draft before this item */
};

static uint32_t *batch_slot(const struct vt_token_batch *batch, const struct vt_sid *sid)
{
    for (size_t at = (size_t)vt_get_u64(sid->bytes);; at++) {
        uint32_t *slot = &batch->slots[at & (batch->slot_cap - 1)];
        if (*slot == 0 || vt_sid_equal(vt_subject_draft_sid(batch->drafts[*slot - 1]), sid)) return slot;
    }
}

static VT_RESULT batch_grow(struct vt_token_batch *batch)
{
    if (batch->count < batch->cap) return VAULT_OK;
    const size_t cap = batch->cap != 0 ? 2 * batch->cap : 16;
    struct vt_subject_draft **drafts = vt_pool_calloc(batch->env->subject.pool, cap, sizeof *drafts);
    uint32_t *slots = vt_pool_calloc(batch->env->subject.pool, 2 * cap, sizeof *slots);
    VT_ENSURE(drafts != NULL && slots != NULL, VAULT_E_MEMORY);
    if (batch->count != 0) memcpy(drafts, batch->drafts, batch->count * sizeof *drafts);
    batch->drafts = drafts;
    batch->slots = slots;
    batch->cap = cap;
    batch->slot_cap = 2 * cap;
    for (size_t i = 0; i < batch->count; i++) *batch_slot(batch, vt_subject_draft_sid(drafts[i])) = (uint32_t)i + 1;
    return VAULT_OK;
}

/* @p sid NULL: a subject of its own. */
static VT_RESULT batch_draft(struct vt_token_batch *batch, const struct vt_sid *sid, struct vt_subject_draft **out_draft)
{
    struct vt_subject_draft *draft;
    VT_TRY(batch_grow(batch));
    if (sid != NULL && *batch_slot(batch, sid) != 0) {
        *out_draft = batch->drafts[*batch_slot(batch, sid) - 1];
        return VAULT_OK;
    }
    if (sid != NULL) VT_TRY(vt_subject_draft_open(&batch->env->subject, sid, &draft));
    if (sid == NULL) VT_TRY(vt_subject_draft_new(&batch->env->subject, VT_BYTES_EMPTY, &draft));
    batch->drafts[batch->count++] = draft;
    *batch_slot(batch, vt_subject_draft_sid(draft)) = (uint32_t)batch->count;
    *out_draft = draft;
    return VAULT_OK;
}

/* The subject that a refused value would have had. Nothing has been put behind its slot since. */
static void batch_drop_last(struct vt_token_batch *batch)
{
    struct vt_subject_draft *draft = batch->drafts[batch->count - 1];
    *batch_slot(batch, vt_subject_draft_sid(draft)) = 0;
    vt_subject_draft_free(draft);
    batch->count--;
}

VT_RESULT vt_token_batch_new(const struct vt_token_env *env, struct vt_change *change, struct vt_token_batch **out_batch)
{
    struct vt_token_batch *batch = vt_pool_alloc(env->subject.pool, sizeof *batch);
    VT_ENSURE(batch != NULL, VAULT_E_MEMORY);
    batch->env = env;
    batch->change = change;
    *out_batch = batch;
    return VAULT_OK;
}

VT_RESULT vt_token_batch_finish(struct vt_token_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) VT_TRY(vt_subject_draft_finish(batch->drafts[i], batch->change));
    return VAULT_OK;
}

void vt_token_batch_free(struct vt_token_batch *batch)
{
    if (batch == NULL) return;
    for (size_t i = 0; i < batch->count; i++) vt_subject_draft_free(batch->drafts[i]);
    batch->count = 0;
}

static VT_RESULT made_add(struct vt_token_batch *batch, const struct existing *made, const struct token_row *row)
{
    if (batch->made_count == batch->made_cap) {
        const size_t cap = batch->made_cap != 0 ? 2 * batch->made_cap : 16;
        struct existing *grown = vt_pool_calloc(batch->env->subject.pool, cap, sizeof *grown);
        struct token_row *rows = vt_pool_calloc(batch->env->subject.pool, cap, sizeof *rows);
        VT_ENSURE(grown != NULL && rows != NULL, VAULT_E_MEMORY);
        if (batch->made_count != 0) memcpy(grown, batch->made, batch->made_count * sizeof *grown);
        if (batch->made_count != 0) memcpy(rows, batch->made_rows, batch->made_count * sizeof *rows);
        batch->made = grown;
        batch->made_rows = rows;
        batch->made_cap = cap;
    }
    batch->made[batch->made_count] = *made;
    batch->made_rows[batch->made_count++] = *row;
    return VAULT_OK;
}

/* Index of the entry that this very call has made for the value, or made_count. A batch holds few deterministic values twice. */
static size_t made_find(const struct vt_token_batch *batch, const struct vt_index_hash *hash)
{
    for (size_t i = 0; i < batch->made_count; i++)
        if (vt_bytes_equal(VT_BYTES_OF(batch->made[i].hash), VT_BYTES_OF(*hash))) return i;
    return batch->made_count;
}

/* The record that holds the value: a new one of the subject given, of a subject of its own, or the one stored already. */
static VT_RESULT making_record(struct making *making, const struct vt_token_wish *wish)
{
    const struct vt_subject_env *env = &making->env->subject;
    struct vt_value fields = vt_value_map();
    struct vt_record_draft record = {.collection = making->collection, .fields = &fields, .record = wish->record};
    if (wish->value == NULL) {
        VT_ENSURE(wish->sid != NULL && wish->record != 0, VAULT_E_ARGUMENT);
        VT_TRY(vt_record_resolve(env, wish->sid, making->collection, &record.record));
        VT_TRY(vt_record_field(env, wish->sid, making->collection, wish->record, making->field, &making->stored));
        making->record = wish->record;
        /* Only a deterministic token leaves a mark in the record's row. */
        if (!making->template_->is_deterministic) return VAULT_OK;
        if (vt_subject_draft_has(making->draft, making->record)) return VAULT_OK;
        return vt_subject_draft_record(making->draft, &record, &making->record);
    }
    const struct vt_bytes name = making->field->name;
    const struct vt_field_check check = {(const char *)"value", &making->field->options, env->now_ms, env->pool, env->err};
    VT_TRY(vt_field_check_value(making->field->type, &check, wish->value, &making->stored));
    VT_TRY(vt_value_put_new(env->pool, &fields, name, *wish->value, NULL));
    return vt_subject_draft_record(making->draft, &record, &making->record);
}

/* Under every version of the index key: a rotation may have moved some of the holders. */
static VT_RESULT making_holds(const struct making *making, const struct token_row *row, bool *out_holds)
{
    uint8_t own[VT_INDEX_DATA_LEN];
    memcpy(own, vt_subject_draft_sid(making->draft)->bytes, 16);
    vt_put_u64(own + 16, making->record);
    *out_holds = false;
    for (size_t key = 0; !*out_holds && tenant_key(making->env, VT_TENANT_KEY_INDEX, key) != NULL; key++) {
        uint8_t(*data)[VT_INDEX_DATA_LEN];
        size_t count;
        VT_TRY(holders_find(making->env, row, key, &data, &count));
        for (size_t i = 0; i < count; i++) *out_holds |= vt_bytes_equal(VT_BYTES_OF(data[i]), VT_BYTES_OF(own));
    }
    return VAULT_OK;
}

/* A holder's row remembers both entries: its own place among the holders, and the value's, which goes with the last of them.
 * While K_idx is being rotated the value's may lie under any version of it and move: all are remembered. */
static VT_RESULT making_hold(struct making *making, const struct token_row *row, const uint8_t value_data[VT_INDEX_DATA_LEN])
{
    struct vt_index_hash hash;
    uint8_t data[VT_INDEX_DATA_LEN];
    memcpy(data, vt_subject_draft_sid(making->draft)->bytes, 16);
    vt_put_u64(data + 16, making->record);
    VT_TRY(holder_hash(making->env, row, 0, &hash));
    VT_TRY(vt_subject_draft_reference(making->draft, making->record, making->field, VT_REF_TOKEN, &hash, data));
    for (size_t key = 0; tenant_key(making->env, VT_TENANT_KEY_INDEX, key) != NULL; key++) {
        VT_TRY(vt_token_value_hash(making->env, making->template_, making->field, &making->stored, key, &hash));
        VT_TRY(vt_subject_draft_reference(making->draft, making->record, making->field, VT_REF_TOKEN_VALUE, &hash, value_data));
    }
    return VAULT_OK;
}

/* The token that stands for the value already gets one more holder; the record holds it already when it is asked twice. */
static VT_RESULT making_share(struct making *making, const struct existing *existing)
{
    struct token_row row;
    VT_TRY(row_find(making->env, vt_bytes_str(existing->token), &row));
    /* Its last holder may go before this commits: a token that has died is never handed out again. */
    VT_TRY(vt_change_expect_index(making->change, &existing->hash, existing->data));
    bool holds;
    VT_TRY(making_holds(making, &row, &holds));
    if (holds) return VAULT_OK;
    return making_hold(making, &row, existing->data);
}

static VT_RESULT making_new(struct making *making, char out_token[VT_TOKEN_TEXT_MAX])
{
    const struct vt_token_env *env = making->env;
    struct token_row row = {.template_number = making->template_->number, .collection = making->template_->collection,
                            .field = making->template_->field, .sid = *vt_subject_draft_sid(making->draft),
                            .record = making->record, .state = VT_TOKEN_LIVE, .created_at_ms = env->subject.now_ms};
    uint8_t block[BLOCK_LEN] = {0};
    const bool is_block = making->template_->format == VT_TOKEN_OPAQUE;
    row.flags = making->template_->is_deterministic ? 1 : 0;
    if (is_block) VT_TRY(make_opaque(env, &row, block, out_token));
    if (!is_block) VT_TRY(make_digits(env, making->template_, &making->stored, &row, out_token));
    VT_TRY(row_put(env, &row, vt_bytes_str(out_token), is_block ? VT_PUT_DEFAULT : VT_PUT_NEW, making->change));
    if (row.flags != 0) {
        struct vt_index_hash hash;
        uint8_t data[VT_INDEX_DATA_LEN];
        VT_TRY(vt_token_value_hash(env, making->template_, making->field, &making->stored, 0, &hash));
        VT_TRY(token_encode(vt_bytes_str(out_token), block, is_block, data));
        VT_TRY(vt_change_index_add(making->change, &hash, data, true));
        VT_TRY(making_hold(making, &row, data));
        struct existing made = {.hash = hash};
        memcpy(made.data, data, sizeof made.data);
        memcpy(made.token, out_token, sizeof made.token);
        VT_TRY(made_add(making->batch, &made, &row));
    }
    return VAULT_OK;
}

static VT_RESULT making_deterministic(struct making *making, char out_token[VT_TOKEN_TEXT_MAX])
{
    struct existing existing;
    struct vt_token_batch *batch = making->batch;
    VT_TRY(vt_token_value_hash(making->env, making->template_, making->field, &making->stored, 0, &existing.hash));
    const size_t made = made_find(batch, &existing.hash);
    if (made < batch->made_count) {
        memcpy(out_token, batch->made[made].token, VT_TOKEN_TEXT_MAX);
        return making_hold(making, &batch->made_rows[made], batch->made[made].data);
    }
    const vault_status status = find_existing(making->env, making->template_, making->field, &making->stored, &existing);
    if (status == VAULT_E_NOT_FOUND) return making_new(making, out_token);
    VT_TRY(status);
    memcpy(out_token, existing.token, VT_TOKEN_TEXT_MAX);
    return making_share(making, &existing);
}

static VT_RESULT making_run(struct making *making, const struct vt_token_wish *wish, char out_token[VT_TOKEN_TEXT_MAX])
{
    VT_TRY(batch_draft(making->batch, wish->sid, &making->draft));
    making->place = vt_subject_draft_place(making->draft);
    VT_TRY(making_record(making, wish));
    return making->template_->is_deterministic ? making_deterministic(making, out_token) : making_new(making, out_token);
}

/* A value without a token would be kept for nobody. A stored record that was drafted for its mark stays drafted: unchanged. */
static void making_take_back(struct making *making, const struct vt_token_wish *wish)
{
    if (making->draft == NULL) return;
    if (wish->sid == NULL) batch_drop_last(making->batch);
    else if (wish->value != NULL) vt_subject_draft_rewind(making->draft, making->place);
}

VT_RESULT vt_token_create(struct vt_token_batch *batch, const struct vt_token_wish *wish, char out_token[VT_TOKEN_TEXT_MAX],
                          struct vt_sid *out_sid)
{
    const struct vt_token_env *env = batch->env;
    struct making making = {.batch = batch, .env = env, .template_ = wish->template_, .change = batch->change};
    making.collection = vt_schema_set_by_number(env->subject.schemas, wish->template_->collection);
    VT_ENSURE(making.collection != NULL, VAULT_E_CORRUPT);
    making.field = vt_collection_field_by_id(making.collection->collection, wish->template_->field);
    VT_ENSURE(making.field != NULL, VAULT_E_CORRUPT);
    const size_t mark = vt_change_mark(batch->change);
    const vault_status status = making_run(&making, wish, out_token);
    if (status != VAULT_OK) {
        vt_change_rewind(batch->change, mark);
        making_take_back(&making, wish);
        return status;
    }
    *out_sid = *vt_subject_draft_sid(making.draft);
    return VAULT_OK;
}

/* Reading ------------------------------------------------------------------------------------------------------------ */

static VT_RESULT info_fill(const struct vt_token_env *env, const struct token_row *row, struct vt_token_info *out_info)
{
    *out_info = (struct vt_token_info){.sid = row->sid, .record = row->record, .state = row->state,
                                       .created_at_ms = row->created_at_ms};
    out_info->template_ = vt_template_set_by_number(env->templates, row->template_number);
    out_info->collection = vt_schema_set_by_number(env->subject.schemas, row->collection);
    VT_ENSURE(out_info->template_ != NULL && out_info->collection != NULL, VAULT_E_CORRUPT);
    out_info->field = vt_collection_field_by_id(out_info->collection->collection, row->field);
    return out_info->field != NULL ? VAULT_OK : VAULT_E_CORRUPT;
}

/* @param out_is_live stays as it is unless a live one is found */
/* Neither it nor the part of it that the token stands for is being erased. */
static bool holder_is_live(const struct vt_token_env *env, const struct vt_token_info *info)
{
    const struct vt_scope scope = {info->sid, info->field->category, info->record};
    return !vt_stamps_is_pending(env->subject.stamps, &scope) && vt_subject_check(&env->subject, &info->sid) == VAULT_OK;
}

static VT_RESULT find_holder_under(const struct vt_token_env *env, const struct token_row *row, size_t key_index,
                                   struct vt_token_info *info, bool *out_is_live)
{
    uint8_t(*data)[VT_INDEX_DATA_LEN];
    size_t count;
    VT_TRY(holders_find(env, row, key_index, &data, &count));
    for (size_t i = 0; i < count && !*out_is_live; i++) {
        memcpy(info->sid.bytes, data[i], sizeof info->sid.bytes);
        info->record = vt_get_u64(data[i] + 16);
        *out_is_live = holder_is_live(env, info);
    }
    return VAULT_OK;
}

/* Some holder of a deterministic token, a live one where there is one; the row's own otherwise. While K_idx is being rotated some
 * holders lie under its older version, and the only live one may be among them. */
static VT_RESULT find_holder(const struct vt_token_env *env, const struct token_row *row, struct vt_token_info *info)
{
    bool is_live = false;
    if ((row->flags & 1) == 0) return VAULT_OK;
    for (size_t i = 0; !is_live && tenant_key(env, VT_TENANT_KEY_INDEX, i) != NULL; i++)
        VT_TRY(find_holder_under(env, row, i, info, &is_live));
    return VAULT_OK;
}

VT_RESULT vt_token_find(const struct vt_token_env *env, struct vt_bytes token, struct vt_token_info *out_info)
{
    struct token_row row;
    struct vt_token_info info;
    VT_TRY(row_find(env, token, &row));
    VT_TRY(info_fill(env, &row, &info));
    VT_TRY(find_holder(env, &row, &info));
    *out_info = info;
    return VAULT_OK;
}

VT_RESULT vt_token_check(const struct vt_token_env *env, const struct vt_token_info *info)
{
    struct vt_value value;      /* in the call's pool, which is wiped */
    VT_TRY(vt_subject_check(&env->subject, &info->sid));
    const vault_status status =
        vt_record_field(&env->subject, &info->sid, info->collection, info->record, info->field, &value);
    return status == VAULT_E_NOT_FOUND ? VAULT_E_ERASED : status;
}

VT_RESULT vt_token_reveal(const struct vt_token_env *env, struct vt_bytes token, struct vt_token_info *out_info,
                          struct vt_value *out_value)
{
    struct vt_value value;      /* in the call's pool, which is wiped */
    VT_TRY(vt_token_find(env, token, out_info));
    /* That the value is gone comes before what became of the token: who disabled it must not learn of the erasure by that. */
    const vault_status status = vt_record_field(&env->subject, &out_info->sid, out_info->collection, out_info->record,
                                                out_info->field, &value);
    VT_ENSURE(status != VAULT_E_NOT_FOUND, VAULT_E_ERASED);
    VT_TRY(status);
    if (out_info->state == VT_TOKEN_DISABLED)
        return vt_fail(env->subject.err, VAULT_E_DISABLED, "token",
                       "The token is disabled; once enabled again it opens its value.");
    if (out_info->state == VT_TOKEN_REVOKED)
        return vt_fail(env->subject.err, VAULT_E_STATE, "token", "The token is revoked: it opens its value never again.");
    *out_value = value;
    return VAULT_OK;
}

VT_RESULT vt_token_set_state(const struct vt_token_env *env, struct vt_bytes token, enum vt_token_state state,
                             struct vt_change *change)
{
    struct token_row row;
    struct vt_bytes value;
    VT_TRY(row_find(env, token, &row));
    if (row.state == VT_TOKEN_REVOKED && state != VT_TOKEN_REVOKED)
        return vt_fail(env->subject.err, VAULT_E_STATE, "token", "A revoked token stays revoked.");
    VT_TRY(vt_store_get(vt_keyring_view_txn(env->subject.view), VT_TABLE_TOKEN, vt_bytes(row.key, row.key_len), &value));
    VT_TRY(vt_change_expect(change, VT_TABLE_TOKEN, vt_bytes(row.key, row.key_len), &value));
    row.state = (uint8_t)state;
    row.seal_index = 0;         /* the token is at hand, so its row can leave an older version of the seal key */
    return row_put(env, &row, token, VT_PUT_DEFAULT, change);
}

/* Forgetting --------------------------------------------------------------------------------------------------------- */

/* The row key that a value's entry names. Digit tokens are looked up under every version of the lookup key. */
static VT_RESULT entry_row_key(struct vt_keyring_view *view, vt_tenant_id tenant, const uint8_t data[VT_INDEX_DATA_LEN],
                               size_t lookup_index, struct token_row *out_row)
{
    const struct vt_token_env env = {.subject = {.view = view, .tenant = tenant}};
    if (data[0] == KIND_OPAQUE) {
        opaque_row_key(data + 1, out_row);
        return lookup_index == 0 ? VAULT_OK : VAULT_E_NOT_FOUND;
    }
    VT_ENSURE(data[0] == KIND_DIGITS && data[1] <= DIGITS_MAX, VAULT_E_CORRUPT);
    return digits_row_key(&env, lookup_index, vt_bytes(data + 2, data[1]), out_row);
}

VT_RESULT vt_token_entry_holder_hash(const struct vt_token_env *env, const uint8_t data[VT_INDEX_DATA_LEN], size_t lookup_index,
                                     size_t key_index, struct vt_index_hash *out_hash)
{
    struct token_row row;
    VT_TRY(entry_row_key(env->subject.view, env->subject.tenant, data, lookup_index, &row));
    return holder_hash(env, &row, key_index, out_hash);
}

VT_RESULT vt_token_entry_token(const struct vt_token_env *env, const uint8_t data[VT_INDEX_DATA_LEN],
                               struct vt_token_entry *out_entry)
{
    char token[VT_TOKEN_TEXT_MAX];
    struct token_row row;
    VT_TRY(token_decode(env, data, token));
    const vault_status status = row_find(env, vt_bytes_str(token), &row);
    vt_wipe(token, sizeof token);
    VT_TRY(status);
    out_entry->template_ = vt_template_set_by_number(env->templates, row.template_number);
    VT_ENSURE(out_entry->template_ != NULL, VAULT_E_CORRUPT);
    return holder_hash(env, &row, 0, &out_entry->holders);
}

uint32_t vt_token_row_seal_version(struct vt_bytes value)
{
    return value.len >= ROW_HEAD_LEN ? vt_get_u32(value.data + 8) : 0;
}

static VT_RESULT row_has_holder(struct vt_keyring_view *view, vt_tenant_id tenant, const struct token_row *row, bool *out_has)
{
    const struct vt_token_env env = {.subject = {.view = view, .tenant = tenant}};
    for (size_t i = 0; tenant_key(&env, VT_TENANT_KEY_INDEX, i) != NULL; i++) {
        struct vt_index_hash hash;
        uint8_t left[1][VT_INDEX_DATA_LEN];
        size_t count;
        VT_TRY(holder_hash(&env, row, i, &hash));
        const vault_status status = vt_keyring_index_find(view, tenant, &hash, left, 1, &count);
        if (status == VAULT_E_NOT_FOUND) continue;
        VT_TRY(status);
        *out_has = true;
        return VAULT_OK;
    }
    return VAULT_OK;
}

static VT_RESULT entry_has_holder(struct vt_keyring_view *view, vt_tenant_id tenant, const uint8_t data[VT_INDEX_DATA_LEN],
                                  bool *out_has)
{
    *out_has = false;
    for (size_t i = 0; !*out_has; i++) {
        struct token_row row;
        const vault_status status = entry_row_key(view, tenant, data, i, &row);
        if (status == VAULT_E_NOT_FOUND) return VAULT_OK;
        VT_TRY(status);
        VT_TRY(row_has_holder(view, tenant, &row, out_has));
    }
    return VAULT_OK;
}

VT_RESULT vt_token_reference_gone(void *context, struct vt_keyring_write *write, vt_tenant_id tenant, uint8_t kind,
                                  const struct vt_index_hash *hash, const uint8_t data[VT_INDEX_DATA_LEN])
{
    bool has_holder = false;
    (void)context;
    if (kind == VT_REF_TOKEN_VALUE) VT_TRY(entry_has_holder(vt_keyring_write_view(write), tenant, data, &has_holder));
    if (has_holder) return VAULT_OK;
    const vault_status status = vt_keyring_index_remove(write, tenant, hash, data);
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;      /* gone already: no reason to keep a person */
}
