/* A certificate as a value, for JSON and tables: the keys of the text with underscores. */
#include "libvault/base/clock.h"
#include "libvault/codec/text.h"
#include "libvault/proof/certificate_internal.h"

static vault_status put_text(struct vt_pool *pool, struct vt_value *map, const char *key, struct vt_bytes text)
{
    const struct vt_bytes copy = vt_pool_copy(pool, text);
    VT_ENSURE(copy.data != NULL, VAULT_E_MEMORY);
    return vt_value_put(pool, map, key, vt_value_text(copy), NULL);
}

static vault_status put_number(struct vt_pool *pool, struct vt_value *map, const char *key, uint64_t number)
{
    return vt_value_put(pool, map, key, vt_value_uint(number), NULL);
}

static vault_status put_time(struct vt_pool *pool, struct vt_value *map, const char *key, int64_t at_ms)
{
    char text[VT_TIME_TEXT_LEN];
    if (at_ms == 0) return vt_value_put(pool, map, key, VT_VALUE_INIT, NULL);
    vt_time_format(at_ms, text);
    return put_text(pool, map, key, vt_bytes_str(text));
}

/* Hex; nil when all zero. */
static vault_status put_id(struct vt_pool *pool, struct vt_value *map, const char *key, const uint8_t *id, size_t len)
{
    static const uint8_t zero[32];
    char text[65];
    VT_BUG_ON(len > sizeof zero);
    if (memcmp(id, zero, len) == 0) return vt_value_put(pool, map, key, VT_VALUE_INIT, NULL);
    vt_hex_encode(vt_bytes(id, len), text);
    return put_text(pool, map, key, vt_bytes_str(text));
}

static vault_status put_list(struct vt_pool *pool, struct vt_value *map, const char *key, struct vt_value **out_list)
{
    return vt_value_put(pool, map, key, vt_value_array(), out_list);
}

static vault_status push_map(struct vt_pool *pool, struct vt_value *list, struct vt_value **out_map)
{
    return vt_value_push(pool, list, vt_value_map(), out_map);
}

static vault_status put_texts(struct vt_pool *pool, struct vt_value *map, const char *key, const struct vt_bytes *texts,
                              size_t count)
{
    struct vt_value *list;
    VT_TRY(put_list(pool, map, key, &list));
    for (size_t i = 0; i < count; i++) {
        const struct vt_bytes copy = vt_pool_copy(pool, texts[i]);
        VT_ENSURE(copy.data != NULL, VAULT_E_MEMORY);
        VT_TRY(vt_value_push(pool, list, vt_value_text(copy), NULL));
    }
    return VAULT_OK;
}

static vault_status put_keepers(struct vt_pool *pool, struct vt_value *map, const char *key,
                                const struct vt_certificate_keeper *keepers, size_t count)
{
    struct vt_value *list, *item;
    VT_TRY(put_list(pool, map, key, &list));
    for (size_t i = 0; i < count; i++) {
        VT_TRY(push_map(pool, list, &item));
        VT_TRY(put_number(pool, item, "id", keepers[i].id));
        VT_TRY(vt_value_put(pool, item, "class", vt_value_str(vt_erase_class_name(keepers[i].erase_class)), NULL));
        VT_TRY(vt_value_put(pool, item, "state",
                            vt_value_str(vt_certificate_name_of(&VT_ERASE_STATES, keepers[i].state)), NULL));
        VT_TRY(put_id(pool, item, "receipt", keepers[i].receipt, sizeof keepers[i].receipt));
    }
    return VAULT_OK;
}

static vault_status put_counts(struct vt_pool *pool, struct vt_value *map, const char *key,
                               const struct vt_certificate_count *counts, size_t count)
{
    struct vt_value *list, *item;
    VT_TRY(put_list(pool, map, key, &list));
    for (size_t i = 0; i < count; i++) {
        VT_TRY(push_map(pool, list, &item));
        VT_TRY(put_text(pool, item, "code", counts[i].code));
        VT_TRY(put_number(pool, item, "count", counts[i].count));
    }
    return VAULT_OK;
}

static vault_status put_backups(struct vt_pool *pool, struct vt_value *map, const struct vt_certificate *c)
{
    struct vt_value *list, *item;
    VT_TRY(put_list(pool, map, "backups", &list));
    for (size_t i = 0; i < c->backup_count; i++) {
        VT_TRY(push_map(pool, list, &item));
        VT_TRY(put_id(pool, item, "id", c->backups[i].id, sizeof c->backups[i].id));
        VT_TRY(put_time(pool, item, "expires", c->backups[i].expires_ms));
    }
    return VAULT_OK;
}

static vault_status put_approvals(struct vt_pool *pool, struct vt_value *map, const struct vt_certificate *c)
{
    struct vt_value *list, *item;
    VT_TRY(put_list(pool, map, "approvals", &list));
    for (size_t i = 0; i < c->approval_count; i++) {
        VT_TRY(push_map(pool, list, &item));
        VT_TRY(put_id(pool, item, "principal", c->approvals[i].principal, sizeof c->approvals[i].principal));
        VT_TRY(put_time(pool, item, "at", c->approvals[i].at_ms));
    }
    return VAULT_OK;
}

static vault_status put_phase(struct vt_pool *pool, struct vt_value *map, const char *key,
                              const struct vt_certificate_phase *phase)
{
    static const char *const names[] = {
        [VT_PHASE_NONE] = "none", [VT_PHASE_OPEN] = "open", [VT_PHASE_CLOSED] = "closed"};
    struct vt_value *item;
    VT_TRY(vt_value_put(pool, map, key, vt_value_map(), &item));
    VT_TRY(vt_value_put(pool, item, "state", vt_value_str(names[phase->phase]), NULL));
    return put_time(pool, item, "at", phase->at_ms);
}

/* Exactly one of the three is not nil. */
static vault_status put_final(struct vt_pool *pool, struct vt_value *map, const struct vt_certificate_final *final)
{
    VT_TRY(put_time(pool, map, "final", final->kind == VT_FINAL_AT ? final->at_ms : 0));
    VT_TRY(put_time(pool, map, "final_not_before", final->kind == VT_FINAL_NOT_BEFORE ? final->at_ms : 0));
    if (final->kind == VT_FINAL_NEVER) return put_text(pool, map, "never_final_because", final->reason);
    return vt_value_put(pool, map, "never_final_because", VT_VALUE_INIT, NULL);
}

static vault_status put_what(struct vt_pool *pool, struct vt_value *map, const struct vt_certificate *c)
{
    VT_TRY(put_id(pool, map, "vault", c->vault_id, sizeof c->vault_id));
    VT_TRY(put_number(pool, map, "incarnation", c->incarnation));
    VT_TRY(put_number(pool, map, "number", c->number));
    VT_TRY(vt_value_put(pool, map, "state", vt_value_str(vt_certificate_state_name(c->state)), NULL));
    VT_TRY(put_id(pool, map, "reference_commitment", c->commitment, sizeof c->commitment));
    VT_TRY(put_id(pool, map, "request", c->request_id, sizeof c->request_id));
    VT_TRY(vt_value_put(pool, map, "scope", vt_value_str(vt_certificate_scope_name(c->scope)), NULL));
    VT_TRY(put_number(pool, map, "subjects", c->subjects));
    VT_TRY(put_number(pool, map, "records", c->records));
    VT_TRY(put_number(pool, map, "rows", c->rows));
    VT_TRY(put_number(pool, map, "index_entries", c->index_entries));
    VT_TRY(put_number(pool, map, "deterministic_tokens", c->tokens));
    VT_TRY(put_number(pool, map, "blobs", c->blobs));
    VT_TRY(put_texts(pool, map, "categories", c->categories, c->category_count));
    return put_text(pool, map, "legal_basis", c->legal_basis);
}

static vault_status put_when(struct vt_pool *pool, struct vt_value *map, const struct vt_certificate *c)
{
    VT_TRY(put_time(pool, map, "requested", c->requested_ms));
    VT_TRY(put_time(pool, map, "effective", c->effective_ms));
    VT_TRY(put_final(pool, map, &c->final));
    VT_TRY(put_number(pool, map, "epoch_from", c->epoch_from));
    VT_TRY(put_number(pool, map, "epoch_to", c->epoch_to));
    return put_id(pool, map, "attempt", c->attempt, sizeof c->attempt);
}

static vault_status put_how(struct vt_pool *pool, struct vt_value *map, const struct vt_certificate *c)
{
    VT_TRY(vt_value_put(pool, map, "method", vt_value_str(VT_CERTIFICATE_METHOD), NULL));
    VT_TRY(put_keepers(pool, map, "keepers", c->keepers, c->keeper_count));
    VT_TRY(put_number(pool, map, "threshold", c->threshold));
    VT_TRY(put_keepers(pool, map, "custodians", c->custodians, c->custodian_count));
    VT_TRY(put_phase(pool, map, "recovery_window", &c->window));
    VT_TRY(put_phase(pool, map, "index_era", &c->index_era));
    return put_text(pool, map, "software", c->software);
}

static vault_status put_rest(struct vt_pool *pool, struct vt_value *map, const struct vt_certificate *c)
{
    VT_TRY(put_backups(pool, map, c));
    VT_TRY(put_counts(pool, map, "kept", c->kept, c->kept_count));
    VT_TRY(put_counts(pool, map, "exclusions", c->exclusions, c->exclusion_count));
    VT_TRY(put_approvals(pool, map, c));
    VT_TRY(put_texts(pool, map, "assumptions", c->assumptions, c->assumption_count));
    return vt_value_put(pool, map, "test_clock", vt_value_bool(c->is_test_clock), NULL);
}

VT_RESULT vt_certificate_view(struct vt_pool *pool, const struct vt_certificate *certificate,
                              struct vt_value *out_value)
{
    struct vt_value map = vt_value_map();

    VT_TRY(vt_certificate_check(certificate, NULL));
    VT_TRY(put_what(pool, &map, certificate));
    VT_TRY(put_when(pool, &map, certificate));
    VT_TRY(put_how(pool, &map, certificate));
    VT_TRY(put_rest(pool, &map, certificate));
    *out_value = map;
    return VAULT_OK;
}
