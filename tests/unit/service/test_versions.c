/* Rows that a later program wrote: sealed as they should be, with a version that this one does not know. They are refused by name
 * (docs/FORMAT.md: `format-version`), never read as if they were of today. */
#include <stdio.h>

#include "libvault/crypto/aead.h"
#include "libvault/crypto/mac.h"
#include "tests/support/world.h"
#include "vaultd/core/subject/row.h"
#include "vaultd/service/credentials.h"

enum { ROW_MAX = 8192, CATEGORY_A = 1, ROW_FORMAT_AT = 4, TOKEN_HEAD_LEN = 12, TOKEN_KEY_PADDED = 17, ANSWER_HEAD_LEN = 16 };
static const char NOTES[] = "name: notes\ndoc: Notes.\ncardinality: many\nfields:\n"
                            "  - {name: line, type: text, category: A, index: many, doc: l}\n";
static const char TEMPLATES[] = "templates:\n  - {name: stand_in, format: opaque, collection: notes, field: line}\n";
static const char PUT[] = "{subject: ada, collection: notes, fields: {line: x}, idempotency_key: k1}";

static struct world world;

/** One stored row, and what it takes to seal it. */
struct found {
    uint8_t key[VT_STORE_KEY_MAX], value[ROW_MAX];
    size_t key_len, len;
    struct vt_key seal_key;
    struct vt_seal_ctx ctx;
};

static void setup(void)
{
    struct vt_value params = vt_value_map();
    world_new(&world, NULL);
    world_apply_schema(&world, NOTES);
    ck_assert_ok(vt_value_put(&world.pool, &params, "template", vt_value_str(TEMPLATES), NULL));
    ck_assert_ok(world_call_value(&world, "administrator", "template.apply", &params, NULL));
    ck_assert_ok(world_call(&world, "application", "subject.create", "{external_id: ada, records: {notes: [{line: x}]}}", NULL));
}

static void view_end(struct vt_txn *txn, struct vt_keyring_view *view)
{
    vt_keyring_view_end(view);
    vt_txn_abort(txn);
}

/* The first row of the table whose key has @p wanted at @p at; 0: any. */
static void row_find(struct vt_txn *txn, enum vt_table table, size_t at, uint16_t wanted, struct found *found)
{
    struct vt_bytes key, value;
    const uint8_t from = 0;
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    ck_assert_ok(vt_cursor_open(txn, table, &cursor));
    ck_assert_ok(vt_cursor_seek(cursor, VT_BYTES_OF(from), &key, &value));
    while (wanted != 0 && vt_get_u16(key.data + at) != wanted) ck_assert_ok(vt_cursor_next(cursor, &key, &value));
    ck_assert_uint_le(value.len, sizeof found->value);
    memcpy(found->key, key.data, key.len);
    memcpy(found->value, value.data, value.len);
    found->key_len = key.len;
    found->len = value.len;
}

static void context_begin(struct vt_keyring_view *view, struct found *found, size_t incarnation_at, enum vt_seal_kind kind)
{
    vt_seal_ctx_begin(&found->ctx, vt_keyring_view_vault_id(view)->bytes, vt_get_u64(found->value + incarnation_at), kind,
                      VT_TENANT_DEFAULT);
}

static void commit(const struct vt_change *change)
{
    struct vt_commit_item item = {.change = change, .is_unaudited = true, .is_reserved = true};
    ck_assert_ok(vt_vault_commit_wait(world.vault, &item));
}

/* What lies behind @p head_len is opened, the byte at @p at raised by one, sealed again and stored. */
static void make_later(enum vt_table table, struct found *found, size_t head_len, size_t at)
{
    uint8_t plain[ROW_MAX];
    const size_t plain_len = found->len - head_len - VT_SEAL_OVERHEAD;
    VT_AUTO_PTR(vt_change) change = NULL;
    ck_assert_ok(vt_unseal_into(&found->seal_key, &found->ctx, vt_bytes(found->value + head_len, found->len - head_len), plain));
    ck_assert_uint_eq(plain[at], 1);
    plain[at]++;
    ck_assert_ok(vt_seal_into(&found->seal_key, &found->ctx, vt_bytes(plain, plain_len), found->value + head_len));
    ck_assert_ok(vt_change_new(VT_TENANT_DEFAULT, &change));
    ck_assert_ok(vt_change_put(change, table, vt_bytes(found->key, found->key_len), vt_bytes(found->value, found->len),
                               VT_PUT_DEFAULT));
    commit(change);
}

static void row_key_and_context(struct vt_txn *txn, struct vt_keyring_view *view, struct found *found)
{
    struct vt_row_head head;
    struct found record = {.len = 0};
    struct vt_sid sid;
    const struct vt_subject_keys *keys;
    row_find(txn, VT_TABLE_RECORD, 0, 0, &record);
    memcpy(sid.bytes, record.key, sizeof sid.bytes);
    ck_assert_ok(vt_row_head_read(vt_bytes(found->value, found->len), &head));
    ck_assert_ok(vt_keyring_subject_keys(view, VT_TENANT_DEFAULT, &sid, &keys));
    found->seal_key = vt_row_find_key(keys, vt_get_u64(found->key), CATEGORY_A, &head)->key;
    context_begin(view, found, 0, VT_SEAL_ROW);
    vt_seal_ctx_bytes(&found->ctx, VT_BYTES_OF(sid.bytes));
    vt_seal_ctx_u16(&found->ctx, CATEGORY_A);
    vt_seal_ctx_u64(&found->ctx, vt_get_u64(found->key));
    vt_seal_ctx_u16(&found->ctx, 0);
    vt_seal_ctx_u32(&found->ctx, head.version);
    vt_seal_ctx_u32(&found->ctx, head.dek_version);
}

START_TEST(a_row_of_a_later_format_is_refused_by_name)
{
    static const char GET[] = "{subject: ada, collection: notes, record: %llu, purpose: service}";
    struct found found = {.len = 0};
    struct vt_txn *txn;
    struct vt_keyring_view *view;
    char params[128];
    setup();
    ck_assert_ok(vt_vault_view(world.vault, &txn, &view));
    row_find(txn, VT_TABLE_ROW, 8, CATEGORY_A, &found);
    row_key_and_context(txn, view, &found);
    view_end(txn, view);
    snprintf(params, sizeof params, GET, (unsigned long long)vt_get_u64(found.key));
    ck_assert_ok(world_call(&world, "application", "record.get", params, NULL));
    make_later(VT_TABLE_ROW, &found, VT_ROW_HEAD_LEN, ROW_FORMAT_AT);
    ck_assert_status(world_call(&world, "application", "record.get", params, NULL), VAULT_E_FORMAT);
    world_free(&world);
}
END_TEST

static void token_key_and_context(struct vt_keyring_view *view, struct vt_bytes token, struct found *found)
{
    uint8_t padded[TOKEN_KEY_PADDED] = {0};
    const struct vt_tenant_key *seal = vt_keyring_tenant_key(view, VT_TENANT_DEFAULT, VT_TENANT_KEY_TOKEN_SEAL, 0);
    ck_assert_ptr_nonnull(seal);
    ck_assert_ok(vt_hmac_sha256(vt_key_bytes(&seal->key), &token, 1, found->seal_key.bytes));
    memcpy(padded, found->key, found->key_len);
    context_begin(view, found, 0, VT_SEAL_TOKEN);
    vt_seal_ctx_bytes(&found->ctx, VT_BYTES_OF(padded));
}

START_TEST(a_token_of_a_later_format_is_refused_by_name)
{
    struct found found = {.len = 0};
    struct vt_txn *txn;
    struct vt_keyring_view *view;
    struct vt_value result;
    char params[160];
    setup();
    ck_assert_ok(vt_vault_view(world.vault, &txn, &view));
    row_find(txn, VT_TABLE_ROW, 8, CATEGORY_A, &found);
    view_end(txn, view);
    snprintf(params, sizeof params, "{template: stand_in, subject: ada, record: %llu}", (unsigned long long)vt_get_u64(found.key));
    ck_assert_ok(world_call(&world, "application", "token.create", params, &result));
    const struct vt_bytes token = vt_value_get_text(&result, "token");
    snprintf(params, sizeof params, "{token: %.*s, purpose: billing}", (int)token.len, (const char *)token.data);
    ck_assert_ok(world_call(&world, "privacy", "token.reveal", params, NULL));
    ck_assert_ok(vt_vault_view(world.vault, &txn, &view));
    row_find(txn, VT_TABLE_TOKEN, 0, 0, &found);
    token_key_and_context(view, token, &found);
    view_end(txn, view);
    make_later(VT_TABLE_TOKEN, &found, TOKEN_HEAD_LEN, 0);
    ck_assert_status(world_call(&world, "privacy", "token.reveal", params, NULL), VAULT_E_FORMAT);
    world_free(&world);
}
END_TEST

START_TEST(a_kept_answer_of_a_later_format_is_refused_by_name_and_nothing_is_done_twice)
{
    static const uint8_t LABEL[] = {'i', 'd', 'e', 'm', 'p', 'o', 't', 'e', 'n', 'c', 'y', '-', 's', 'e', 'a', 'l', ':', '1'};
    const struct vt_bytes pieces[] = {VT_BYTES_OF(LABEL), vt_bytes_str("k1")};
    struct found found = {.len = 0};
    struct vt_txn *txn;
    struct vt_keyring_view *view;
    struct vt_value result;
    setup();
    ck_assert_ok(world_call(&world, "application", "record.put", PUT, NULL));
    ck_assert_ok(vt_vault_view(world.vault, &txn, &view));
    row_find(txn, VT_TABLE_IDEMPOTENCY, 0, 0, &found);
    const struct vt_key *key = vt_keyring_system_key(view, VT_SYSTEM_KEY_IDEMPOTENCY);
    ck_assert_ok(vt_hmac_sha256(vt_key_bytes(key), pieces, VT_ARRAY_LEN(pieces), found.seal_key.bytes));
    context_begin(view, &found, 8, VT_SEAL_IDEMPOTENCY);
    vt_seal_ctx_bytes(&found.ctx, vt_bytes(found.key, found.key_len));
    view_end(txn, view);
    make_later(VT_TABLE_IDEMPOTENCY, &found, ANSWER_HEAD_LEN, 0);
    ck_assert_status(world_call(&world, "application", "record.put", PUT, NULL), VAULT_E_FORMAT);
    ck_assert_ok(world_call(&world, "application", "record.list", "{subject: ada, collection: notes, purpose: service}", &result));
    ck_assert_uint_eq(vt_value_get(&result, "records")->array.count, 2);
    world_free(&world);
}
END_TEST

/* The object is msgpack, a map whose first entry is `format`; what reads it is vt_config_get(). */
static void credential_of_later_format(void)
{
    enum { FORMAT_AT = 8 };             /* map 1 | text of six 7 */
    struct vt_txn *txn;
    struct vt_keyring_view *view;
    VT_AUTO_PTR(vt_change) change = NULL;
    VT_AUTO(vt_buf) object = VT_BUF_INIT(ROW_MAX);
    ck_assert_ok(vt_vault_view(world.vault, &txn, &view));
    ck_assert_ok(vt_config_get(view, VT_TENANT_VAULT, VT_CONFIG_CREDENTIAL, vt_bytes_str("shop"), &object));
    ck_assert_mem_eq(object.data + 2, "format", 6);
    ck_assert_uint_eq(object.data[FORMAT_AT], 1);
    object.data[FORMAT_AT]++;
    ck_assert_ok(vt_change_new(VT_TENANT_VAULT, &change));
    ck_assert_ok(vt_config_put(change, view, VT_TENANT_VAULT, VT_CONFIG_CREDENTIAL, vt_bytes_str("shop"), vt_buf_bytes(&object)));
    view_end(txn, view);
    commit(change);
}

static vault_status load(struct vt_credentials *credentials)
{
    struct vt_txn *txn;
    struct vt_keyring_view *view;
    ck_assert_ok(vt_vault_view(world.vault, &txn, &view));
    const vault_status status = vt_credentials_load(credentials, view);
    view_end(txn, view);
    return status;
}

START_TEST(a_credential_of_a_later_format_is_refused_by_name_and_logs_nobody_in)
{
    struct vt_value result;
    struct vt_principal principal;
    VT_AUTO_PTR(vt_credentials) credentials = NULL;
    setup();
    ck_assert_ok(world_call(&world, "administrator", "credential.create", "{name: shop, role: application}", &result));
    const struct vt_bytes secret = vt_value_get_text(&result, "secret");
    ck_assert_ok(vt_credentials_new(&credentials));
    ck_assert_ok(load(credentials));
    ck_assert_ok(vt_credentials_login(credentials, secret, 0, &principal));
    vt_credentials_free(VT_MOVE(credentials));
    ck_assert_ok(vt_credentials_new(&credentials));
    credential_of_later_format();
    ck_assert_status(load(credentials), VAULT_E_FORMAT);
    ck_assert_status(vt_credentials_login(credentials, secret, 0, &principal), VAULT_E_UNAUTHENTICATED);
    world_free(&world);
}
END_TEST

START_TEST(a_note_of_what_waits_to_be_forgotten_of_a_later_format_keeps_the_vault_sealed)
{
    static const uint8_t LATER[VT_FORGETS_LEN] = {VT_FORGETS_VERSION + 1};
    static const struct vt_bytes ROWS[] = {{LATER, sizeof LATER}, {LATER, 1}};
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        VT_AUTO_PTR(vt_change) change = NULL;
        setup();
        ck_assert_ok(vt_change_new(VT_TENANT_DEFAULT, &change));
        ck_assert_ok(vt_change_put(change, VT_TABLE_META, vt_bytes_str(VT_FORGETS_KEY), ROWS[i], VT_PUT_DEFAULT));
        commit(change);
        vt_vault_seal(world.vault);
        ck_assert_status(world_unseal(&world), VAULT_E_FORMAT);
        ck_assert_int_eq(vt_vault_state(world.vault), VT_VAULT_SEALED);
        world_free(&world);
    }
}
END_TEST

VT_TEST_MAIN("versions", a_row_of_a_later_format_is_refused_by_name, a_token_of_a_later_format_is_refused_by_name,
             a_kept_answer_of_a_later_format_is_refused_by_name_and_nothing_is_done_twice,
             a_credential_of_a_later_format_is_refused_by_name_and_logs_nobody_in,
             a_note_of_what_waits_to_be_forgotten_of_a_later_format_keeps_the_vault_sealed)
