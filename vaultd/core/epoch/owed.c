#include "vaultd/core/epoch/owed.h"

#include <inttypes.h>
#include <stdio.h>

#include "libvault/codec/text.h"
#include "vaultd/core/epoch/certificate_log.h"

enum {
    OWED_VERSION = 1,
    OWED_PLAIN_LEN = 32,        /* version 1 | flags 1 | zero 6 | epoch 8 | tenant 8 | version of K_place 4 | zero 4 */
    OWED_FINAL = 1,
    OWED_WAITING = 2,
    ERA_VERSION = 1,
    ERA_PLAIN_LEN = 24,         /* version 1 | zero 7 | epoch 8 | time ms 8 */
    ROW_MAX = 256,
    NAME_MAX_LEN = 40,
    LOOK_ROWS_MAX = 4096,
    OWED_POOL_MAX = 1024 * 1024,
};
#define OWED_PREFIX "owed/"
#define ERA_PREFIX "era/"

/* Eras ---------------------------------------------------------------------------------------------------------------- */

static void era_name(vt_tenant_id tenant, uint32_t version, char out_name[NAME_MAX_LEN])
{
    snprintf(out_name, NAME_MAX_LEN, ERA_PREFIX "%016" PRIx64 "/%08" PRIx32, (uint64_t)tenant, version);
}

static void era_fields(vt_tenant_id tenant, uint32_t version, uint8_t out_fields[12])
{
    vt_put_u64(out_fields, tenant);
    vt_put_u32(out_fields + 8, version);
}

static bool oldest_version(struct vt_keyring_view *view, vt_tenant_id tenant, uint32_t *out_version)
{
    const struct vt_tenant_key *key;
    uint32_t oldest = UINT32_MAX;
    for (size_t i = 0; (key = vt_keyring_tenant_key(view, tenant, VT_TENANT_KEY_PLACE, i)) != NULL; i++)
        oldest = VT_MIN(oldest, key->version);
    *out_version = oldest;
    return oldest != UINT32_MAX;
}

static uint32_t newest_version(struct vt_keyring_view *view, vt_tenant_id tenant)
{
    const struct vt_tenant_key *key;
    uint32_t newest = 0;
    for (size_t i = 0; (key = vt_keyring_tenant_key(view, tenant, VT_TENANT_KEY_PLACE, i)) != NULL; i++)
        newest = VT_MAX(newest, key->version);
    return newest;
}

VT_RESULT vt_era_note(struct vt_keyring_view *view, struct vt_txn *txn, vt_tenant_id tenant, uint64_t epoch, int64_t at_ms,
                      struct vt_buf *journal_rows)
{
    VT_AUTO(vt_buf) value = VT_BUF_INIT(ROW_MAX);
    uint8_t plain[ERA_PLAIN_LEN] = {ERA_VERSION}, fields[12];
    char name[NAME_MAX_LEN];
    struct vt_bytes before;
    uint32_t version;
    if (!oldest_version(view, tenant, &version)) return VAULT_OK;       /* no such tenant */
    era_name(tenant, version, name);
    const vault_status found = vt_store_get(txn, VT_TABLE_META, vt_bytes_str(name), &before);
    if (found != VAULT_E_NOT_FOUND) return found;
    era_fields(tenant, version, fields);
    vt_put_u64(plain + 8, epoch);
    vt_put_u64(plain + 16, (uint64_t)at_ms);
    VT_TRY(vt_sealed_row(view, VT_SEAL_ERA, VT_BYTES_OF(fields), VT_BYTES_OF(plain), &value));
    const struct vt_bytes bytes = vt_buf_bytes(&value);
    VT_TRY(vt_store_put(txn, VT_TABLE_META, vt_bytes_str(name), bytes, VT_PUT_NEW));
    return vt_journal_row(journal_rows, VT_TABLE_META, vt_bytes_str(name), &bytes);
}

struct era {
    uint64_t epoch;
    int64_t at_ms;
};

/* From when on nothing that lay under @p version or an older one can be placed. @return VAULT_E_NOT_FOUND: it can */
static VT_RESULT era_behind(struct vt_keyring_view *view, vt_tenant_id tenant, uint32_t version, struct era *out_era)
{
    char name[NAME_MAX_LEN];
    uint8_t plain[ERA_PLAIN_LEN], fields[12];
    struct vt_bytes key, value;
    uint64_t found_version = 0;
    VT_ENSURE(version != UINT32_MAX, VAULT_E_NOT_FOUND);
    era_name(tenant, version + 1, name);
    const size_t prefix_len = strlen("era//") + 16;
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    VT_TRY(vt_cursor_open(vt_keyring_view_txn(view), VT_TABLE_META, &cursor));
    VT_TRY(vt_cursor_seek(cursor, vt_bytes_str(name), &key, &value));
    VT_ENSURE(key.len == strlen(name) && vt_bytes_equal(vt_bytes(key.data, prefix_len), vt_bytes(name, prefix_len)),
              VAULT_E_NOT_FOUND);
    uint8_t version_bytes[4];
    VT_TRY(vt_hex_decode(vt_bytes(key.data + prefix_len, 8), version_bytes, sizeof version_bytes));
    found_version = vt_get_u32(version_bytes);
    era_fields(tenant, (uint32_t)found_version, fields);
    VT_TRY(vt_sealed_row_open(view, VT_SEAL_ERA, VT_BYTES_OF(fields), value, plain, sizeof plain));
    VT_ENSURE(plain[0] == ERA_VERSION, VAULT_E_FORMAT);
    *out_era = (struct era){.epoch = vt_get_u64(plain + 8), .at_ms = (int64_t)vt_get_u64(plain + 16)};
    return VAULT_OK;
}

/* Rows ------------------------------------------------------------------------------------------------------------------ */

static void owed_name(uint64_t certificate, char out_name[NAME_MAX_LEN])
{
    snprintf(out_name, NAME_MAX_LEN, OWED_PREFIX "%016" PRIx64, certificate);
}

static VT_RESULT owed_put(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_owed *owed)
{
    VT_AUTO(vt_buf) value = VT_BUF_INIT(ROW_MAX);
    uint8_t plain[OWED_PLAIN_LEN] = {OWED_VERSION}, fields[8];
    char name[NAME_MAX_LEN];
    plain[1] = (uint8_t)((owed->may_be_final ? OWED_FINAL : 0) | (owed->is_waiting ? OWED_WAITING : 0));
    vt_put_u64(plain + 8, owed->epoch);
    vt_put_u64(plain + 16, owed->tenant);
    vt_put_u32(plain + 24, owed->place_version);
    vt_put_u64(fields, owed->certificate);
    owed_name(owed->certificate, name);
    VT_TRY(vt_sealed_row(view, VT_SEAL_OWED, VT_BYTES_OF(fields), VT_BYTES_OF(plain), &value));
    return vt_store_put(txn, VT_TABLE_META, vt_bytes_str(name), vt_buf_bytes(&value), VT_PUT_DEFAULT);
}

static VT_RESULT owed_delete(struct vt_txn *txn, uint64_t certificate)
{
    char name[NAME_MAX_LEN];
    owed_name(certificate, name);
    return vt_store_delete(txn, VT_TABLE_META, vt_bytes_str(name));
}

static VT_RESULT owed_open(struct vt_keyring_view *view, uint64_t certificate, struct vt_bytes value, struct vt_owed *out_owed)
{
    uint8_t plain[OWED_PLAIN_LEN], fields[8];
    vt_put_u64(fields, certificate);
    VT_TRY(vt_sealed_row_open(view, VT_SEAL_OWED, VT_BYTES_OF(fields), value, plain, sizeof plain));
    VT_ENSURE(plain[0] == OWED_VERSION, VAULT_E_FORMAT);
    *out_owed = (struct vt_owed){.certificate = certificate,
                                 .may_be_final = (plain[1] & OWED_FINAL) != 0,
                                 .is_waiting = (plain[1] & OWED_WAITING) != 0,
                                 .epoch = vt_get_u64(plain + 8),
                                 .tenant = vt_get_u64(plain + 16),
                                 .place_version = vt_get_u32(plain + 24)};
    return VAULT_OK;
}

VT_RESULT vt_owed_note(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_pending *pending,
                       const struct vt_effect *effect)
{
    struct vt_owed owed = {.certificate = pending->certificate, .epoch = effect->epoch_to, .tenant = pending->tenant,
                           .place_version = newest_version(view, pending->tenant)};
    owed.may_be_final = vt_certificate_can_be_final(effect->keepers, effect->keeper_count, effect->threshold);
    for (size_t i = 0; i < effect->keeper_count; i++)
        owed.is_waiting = owed.is_waiting || effect->keepers[i].state == VT_ERASE_WAITING;
    return owed.may_be_final || owed.is_waiting ? owed_put(view, txn, &owed) : VAULT_OK;
}

/* What can be said now ---------------------------------------------------------------------------------------------------- */

/* @p out_era when it can become final. */
static VT_RESULT can_be_final_now(struct vt_keyring_view *view, const struct vt_owed *owed, uint64_t clean_from, bool *out_can,
                                  struct era *out_era)
{
    *out_can = false;
    if (!owed->may_be_final || clean_from < owed->epoch) return VAULT_OK;
    const vault_status status = era_behind(view, owed->tenant, owed->place_version, out_era);
    if (status == VAULT_E_NOT_FOUND) return VAULT_OK;
    VT_TRY(status);
    *out_can = clean_from >= out_era->epoch;
    return VAULT_OK;
}

static VT_RESULT look_at(struct vt_keyring_view *view, uint64_t certificate, struct vt_bytes value, uint64_t clean_from,
                         bool *out_is_due)
{
    struct vt_owed owed;
    struct era era;
    VT_TRY(owed_open(view, certificate, value, &owed));
    VT_TRY(can_be_final_now(view, &owed, clean_from, out_is_due, &era));
    *out_is_due = *out_is_due || (owed.is_waiting && clean_from >= owed.epoch);
    return VAULT_OK;
}

static VT_RESULT number_of(struct vt_bytes key, uint64_t *out_number)
{
    uint8_t bytes[8];
    const size_t prefix_len = strlen(OWED_PREFIX);
    VT_ENSURE(key.len == prefix_len + 16, VAULT_E_NOT_FOUND);
    VT_ENSURE(vt_bytes_equal_str(vt_bytes(key.data, prefix_len), OWED_PREFIX), VAULT_E_NOT_FOUND);
    VT_TRY(vt_hex_decode(vt_bytes(key.data + prefix_len, 16), bytes, sizeof bytes));
    *out_number = vt_get_u64(bytes);
    return VAULT_OK;
}

bool vt_owed_is_damage(vault_status status)
{
    return status == VAULT_E_AUTHENTICITY || status == VAULT_E_CORRUPT || status == VAULT_E_FORMAT || status == VAULT_E_PARSE ||
           status == VAULT_E_NOT_FOUND;
}

VT_RESULT vt_owed_due(struct vt_keyring_view *view, uint64_t clean_from, uint64_t *from, uint64_t *out_numbers, size_t max,
                      size_t *out_count, vault_status *trouble)
{
    char name[NAME_MAX_LEN];
    struct vt_bytes key, value;
    uint64_t number = 0;
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    *out_count = 0;
    owed_name(*from, name);
    VT_TRY(vt_cursor_open(vt_keyring_view_txn(view), VT_TABLE_META, &cursor));
    vault_status status = vt_cursor_seek(cursor, vt_bytes_str(name), &key, &value);
    for (size_t looked = 0; status == VAULT_OK; looked++) {
        bool is_due = false;
        status = number_of(key, &number);
        if (status != VAULT_OK) break;
        *from = number;
        if (looked == LOOK_ROWS_MAX || *out_count == max) return VAULT_OK;
        const vault_status looked_at = look_at(view, number, value, clean_from, &is_due);
        if (vt_owed_is_damage(looked_at)) *trouble = *trouble != VAULT_OK ? *trouble : looked_at;
        else VT_TRY(looked_at);
        if (looked_at == VAULT_OK && is_due) out_numbers[(*out_count)++] = number;
        status = vt_cursor_next(cursor, &key, &value);
    }
    VT_ENSURE(status == VAULT_E_NOT_FOUND, status);
    *from = 0;
    return VAULT_OK;
}

/* Issuing again ------------------------------------------------------------------------------------------------------------ */

/* What lies in the store is signed anew only if it was signed before. */
static VT_RESULT read_verified(struct vt_keyring_view *view, struct vt_txn *txn, uint64_t number, struct vt_pool *pool,
                               struct vt_certificate *out_certificate)
{
    VT_AUTO(vt_buf) file = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    char origin[VT_CERTIFICATE_ORIGIN_LEN];
    struct vt_certificate verified;
    struct vt_note_verifier verifier;
    const struct vt_note_signer signer = {origin, vt_keyring_system_key(view, VT_SYSTEM_KEY_CERTIFICATE_SIGN)};
    VT_ENSURE(signer.seed != NULL, VAULT_E_CORRUPT);
    VT_TRY(vt_certificate_read(txn, number, pool, out_certificate));
    vt_certificate_origin_format(vt_keyring_view_vault_id(view)->bytes, out_certificate->incarnation, origin);
    VT_TRY(vt_note_verifier_of(&signer, &verifier));
    VT_TRY(vt_certificate_get(txn, number, &file));
    VT_TRY(vt_certificate_verify(pool, vt_buf_bytes(&file), &verifier, 1, &verified, NULL));
    return verified.number == number ? VAULT_OK : VAULT_E_AUTHENTICITY;
}

/* @param out_complete every keeper of the certificate has shown that its share is gone */
static VT_RESULT show_receipts(const struct vt_keeper_set *set, uint64_t epoch, struct vt_pool *pool,
                               struct vt_certificate *certificate, bool *out_complete)
{
    struct vt_certificate_keeper *keepers = vt_pool_calloc(pool, certificate->keeper_count, sizeof *keepers);
    VT_ENSURE(keepers != NULL, VAULT_E_MEMORY);
    memcpy(keepers, certificate->keepers, certificate->keeper_count * sizeof *keepers);
    *out_complete = true;
    for (size_t i = 0; i < certificate->keeper_count; i++)
        if (keepers[i].state == VT_ERASE_WAITING && !vt_keeper_set_show(set, epoch, &keepers[i])) *out_complete = false;
    certificate->keepers = keepers;
    return VAULT_OK;
}

static void make_final(struct vt_certificate *certificate, const struct era *era, int64_t now_ms)
{
    certificate->state = VT_CERTIFICATE_FINAL;
    certificate->final = (struct vt_certificate_final){.kind = VT_FINAL_AT, .at_ms = VT_MAX(now_ms, certificate->effective_ms)};
    certificate->index_era = (struct vt_certificate_phase){.phase = VT_PHASE_CLOSED, .at_ms = era->at_ms};
}

/* @p owed is what was owed before. */
static VT_RESULT settle(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_owed *owed, bool is_final)
{
    if (is_final || !owed->may_be_final) return owed_delete(txn, owed->certificate);
    struct vt_owed rest = *owed;
    rest.is_waiting = false;
    return owed_put(view, txn, &rest);
}

VT_RESULT vt_owed_issue(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_keeper_set *set, uint64_t number,
                        int64_t now_ms, bool is_test_clock, bool *out_issued)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(OWED_POOL_MAX);
    char name[NAME_MAX_LEN];
    struct vt_certificate certificate;
    struct vt_bytes value;
    struct vt_owed owed;
    struct era era = {.epoch = 0};
    bool is_complete, is_final;
    *out_issued = false;
    owed_name(number, name);
    const vault_status found = vt_store_get(txn, VT_TABLE_META, vt_bytes_str(name), &value);
    if (found == VAULT_E_NOT_FOUND) return VAULT_OK;
    VT_TRY(found);
    VT_TRY(owed_open(view, number, value, &owed));
    VT_TRY(read_verified(view, txn, number, &pool, &certificate));
    VT_TRY(show_receipts(set, owed.epoch, &pool, &certificate, &is_complete));
    VT_TRY(can_be_final_now(view, &owed, vt_keeper_set_clean_from(set), &is_final, &era));
    if (!is_complete || (!is_final && !owed.is_waiting)) return VAULT_OK;
    if (is_final) make_final(&certificate, &era, now_ms);
    certificate.is_test_clock = certificate.is_test_clock || is_test_clock;
    VT_TRY(vt_certificate_issue_again(view, txn, &certificate));
    *out_issued = true;
    return settle(view, txn, &owed, is_final);
}

/* Checking ----------------------------------------------------------------------------------------------------------------- */

static VT_RESULT owed_check_row(struct vt_keyring_view *view, struct vt_bytes key, struct vt_bytes value)
{
    struct vt_owed owed;
    uint64_t number;
    VT_ENSURE(number_of(key, &number) == VAULT_OK, VAULT_E_CORRUPT);
    return owed_open(view, number, value, &owed);
}

static VT_RESULT era_check_row(struct vt_keyring_view *view, struct vt_bytes key, struct vt_bytes value)
{
    const size_t tenant_at = strlen(ERA_PREFIX), version_at = tenant_at + 16 + 1;
    uint8_t fields[12], plain[ERA_PLAIN_LEN];
    VT_ENSURE(key.len == version_at + 8 && key.data[version_at - 1] == '/', VAULT_E_CORRUPT);
    VT_ENSURE(vt_hex_decode(vt_bytes(key.data + tenant_at, 16), fields, 8) == VAULT_OK, VAULT_E_CORRUPT);
    VT_ENSURE(vt_hex_decode(vt_bytes(key.data + version_at, 8), fields + 8, 4) == VAULT_OK, VAULT_E_CORRUPT);
    VT_TRY(vt_sealed_row_open(view, VT_SEAL_ERA, VT_BYTES_OF(fields), value, plain, sizeof plain));
    return plain[0] == ERA_VERSION ? VAULT_OK : VAULT_E_FORMAT;
}

typedef vault_status (*row_check)(struct vt_keyring_view *view, struct vt_bytes key, struct vt_bytes value);

static VT_RESULT check_prefix(struct vt_keyring_view *view, const char *prefix, row_check check)
{
    const struct vt_bytes wanted = vt_bytes_str(prefix);
    struct vt_bytes key, value;
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    VT_TRY(vt_cursor_open(vt_keyring_view_txn(view), VT_TABLE_META, &cursor));
    vault_status status = vt_cursor_seek(cursor, wanted, &key, &value);
    while (status == VAULT_OK && key.len >= wanted.len && vt_bytes_equal(vt_bytes(key.data, wanted.len), wanted)) {
        VT_TRY(check(view, key, value));
        status = vt_cursor_next(cursor, &key, &value);
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

VT_RESULT vt_owed_check(struct vt_keyring_view *view)
{
    VT_TRY(check_prefix(view, OWED_PREFIX, owed_check_row));
    return check_prefix(view, ERA_PREFIX, era_check_row);
}
