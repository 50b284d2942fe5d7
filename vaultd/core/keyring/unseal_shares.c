/* Share sets: how a set is made, how a share is written and read, how shares come together. */
#include <stdio.h>

#include "libvault/base/fault.h"
#include "libvault/codec/text.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/mac.h"
#include "libvault/crypto/rng.h"
#include "libvault/crypto/shamir.h"
#include "vaultd/core/keyring/unseal_internal.h"

enum {
    SET_ID_LEN = 4,
    CHECKSUM_LEN = 4,
    PAYLOAD_LEN = VT_KEY_LEN + CHECKSUM_LEN,
    PAYLOAD_TEXT_LEN = (PAYLOAD_LEN * 8 + 4) / 5,
    SHARE_TEXT_MAX = 128,
    SHARES_ENTERED_MAX = 255,
};

/* One share taken apart. Holds key material. */
struct share {
    uint8_t set_id[SET_ID_LEN];
    uint8_t x, k, n;
    struct vt_key value;
};
static void share_release(struct share *share)
{
    vt_wipe(share, sizeof *share);
}

/* A checksum for typing errors, which everybody can check; the check in the wrap is what a wrong share fails. */
static VT_RESULT share_checksum(const struct share *share, uint8_t out_checksum[CHECKSUM_LEN])
{
    uint8_t hash[VT_SHA256_LEN];
    const uint8_t place[3] = {share->x, share->k, share->n};
    const struct vt_bytes pieces[] = {vt_bytes_str("vaultd share 1"), VT_BYTES_OF(share->set_id), VT_BYTES_OF(place),
                                      vt_key_bytes(&share->value)};
    VT_TRY(vt_sha256(pieces, VT_ARRAY_LEN(pieces), hash));
    memcpy(out_checksum, hash, CHECKSUM_LEN);
    return VAULT_OK;
}

static VT_RESULT share_check(const struct vt_wrap *wrap, uint8_t x, const struct vt_key *value,
                             uint8_t out_check[VT_WRAP_CHECK_LEN])
{
    uint8_t mac[VT_SHA256_LEN];
    const struct vt_bytes pieces[] = {vt_bytes_str("vaultd share check 1"), VT_BYTES_OF(wrap->wrap_id), VT_BYTES_OF(x),
                                      vt_bytes(wrap->params.data + 2, VT_WRAP_SALT_LEN)};
    VT_TRY(vt_hmac_sha256(vt_key_bytes(value), pieces, VT_ARRAY_LEN(pieces), mac));
    memcpy(out_check, mac, VT_WRAP_CHECK_LEN);
    return VAULT_OK;
}

static VT_RESULT share_print(const struct share *share, struct vt_secret *out_text)
{
    struct {
        uint8_t payload[PAYLOAD_LEN];
        char base32[PAYLOAD_TEXT_LEN + 1];
        char line[SHARE_TEXT_MAX];
    } *room = vt_secret_alloc(sizeof *room);
    VT_ENSURE(room != NULL, VAULT_E_MEMORY);
    char set_id[2 * SET_ID_LEN + 1];
    vt_hex_encode(VT_BYTES_OF(share->set_id), set_id);
    memcpy(room->payload, share->value.bytes, VT_KEY_LEN);
    vault_status status = share_checksum(share, room->payload + VT_KEY_LEN);
    if (status == VAULT_OK) {
        vt_base32_encode(VT_BYTES_OF(room->payload), room->base32);
        const int len = snprintf(room->line, sizeof room->line, "vaultd-share-1-%s-%u-%u-of-%u-", set_id, share->x,
                                 share->k, share->n);
        memcpy(room->line + len, room->base32, PAYLOAD_TEXT_LEN);   /* not through printf: it keeps copies */
        status = vt_secret_set(out_text, vt_bytes(room->line, (size_t)len + PAYLOAD_TEXT_LEN));
    }
    vt_secret_free(room);
    return status;
}

/* Making a set ---------------------------------------------------------------------------------------------------- */

static VT_RESULT set_params(struct vt_wrap *wrap, unsigned k, unsigned n, const uint8_t *shares)
{
    uint8_t salt[VT_WRAP_SALT_LEN];
    VT_TRY(vt_random_bytes(salt, sizeof salt));
    VT_TRY(vt_buf_append_byte(&wrap->params, (uint8_t)k));
    VT_TRY(vt_buf_append_byte(&wrap->params, (uint8_t)n));
    VT_TRY(vt_buf_append(&wrap->params, VT_BYTES_OF(salt)));
    for (unsigned i = 0; i < n; i++) {
        VT_AUTO(vt_key) value = VT_KEY_INIT;
        uint8_t check[VT_WRAP_CHECK_LEN];
        memcpy(value.bytes, shares + (size_t)i * VT_KEY_LEN, VT_KEY_LEN);
        VT_TRY(share_check(wrap, (uint8_t)(i + 1), &value, check));
        VT_TRY(vt_buf_append(&wrap->params, VT_BYTES_OF(check)));
    }
    return VAULT_OK;
}

static VT_RESULT set_print(const struct vt_wrap *wrap, unsigned k, unsigned n, const uint8_t *shares,
                           struct vt_secret *out_shares)
{
    for (unsigned i = 0; i < n; i++) {
        __attribute__((cleanup(share_release))) struct share share = {.x = (uint8_t)(i + 1), .k = (uint8_t)k, .n = (uint8_t)n};
        memcpy(share.set_id, wrap->wrap_id, SET_ID_LEN);
        memcpy(share.value.bytes, shares + (size_t)i * VT_KEY_LEN, VT_KEY_LEN);
        VT_TRY(share_print(&share, &out_shares[i]));
    }
    return VAULT_OK;
}

VT_RESULT vt_wraps_add_shamir(struct vt_wraps *wraps, const struct vt_key *unseal_key, unsigned k, unsigned n,
                              int64_t now_ms, struct vt_secret *out_shares)
{
    VT_AUTO(vt_key) set_key = VT_KEY_INIT;
    VT_AUTO(vt_secret) shares = VT_SECRET_INIT;
    struct vt_wrap *wrap;
    VT_ENSURE(k >= 1 && k <= n && n <= 255, VAULT_E_ARGUMENT);
    VT_TRY(vt_wraps_begin(wraps, VT_WRAP_SHAMIR, now_ms, &wrap));
    VT_TRY(vt_random_key(&set_key));
    shares.len = (size_t)n * VT_KEY_LEN;
    shares.data = vt_secret_alloc(shares.len);
    VT_ENSURE(shares.data != NULL, VAULT_E_MEMORY);
    VT_TRY(vt_shamir_split(vt_key_bytes(&set_key), k, n, shares.data));
    VT_TRY(set_params(wrap, k, n, shares.data));

    for (unsigned i = 0; i < n; i++) out_shares[i] = VT_SECRET_INIT;
    vault_status status = set_print(wrap, k, n, shares.data, out_shares);
    if (status == VAULT_OK) status = vt_wraps_keep(wraps, vt_key_bytes(&set_key), unseal_key);
    if (status == VAULT_OK) return VAULT_OK;
    for (unsigned i = 0; i < n; i++) vt_secret_release(&out_shares[i]);
    return status;
}

/* Reading a share ------------------------------------------------------------------------------------------------- */

/* Lower case, without the white space that copying brings. */
static bool fold(struct vt_bytes text, char out_folded[SHARE_TEXT_MAX])
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char c = (char)text.data[i];
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
        if (len + 1 == SHARE_TEXT_MAX) return false;
        out_folded[len++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    out_folded[len] = '\0';
    return memchr(out_folded, '\0', len) == NULL;
}

/* The part of *at up to the next dash; *at then begins behind it. */
static struct vt_bytes next_part(const char **at)
{
    const char *dash = strchrnul(*at, '-');
    const struct vt_bytes part = vt_bytes(*at, (size_t)(dash - *at));
    *at = *dash == '-' ? dash + 1 : dash;
    return part;
}

static bool number_of(struct vt_bytes digits, uint8_t *out_number)
{
    unsigned number = 0;
    if (digits.len == 0 || digits.len > 3 || digits.data[0] == '0') return false;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') return false;
        number = number * 10 + (unsigned)(digits.data[i] - '0');
    }
    if (number > 255) return false;
    *out_number = (uint8_t)number;
    return true;
}

static bool head_parse(const char **at, struct share *share)
{
    return vt_bytes_equal_str(next_part(at), "vaultd") && vt_bytes_equal_str(next_part(at), "share") &&
           vt_bytes_equal_str(next_part(at), "1") &&
           vt_hex_decode(next_part(at), share->set_id, SET_ID_LEN) == VAULT_OK && number_of(next_part(at), &share->x) &&
           number_of(next_part(at), &share->k) && vt_bytes_equal_str(next_part(at), "of") &&
           number_of(next_part(at), &share->n);
}

static VT_RESULT share_parse(const char *folded, struct share *out_share)
{
    VT_AUTO(vt_secret) payload = VT_SECRET_INIT;
    __attribute__((cleanup(share_release))) struct share share = {0};
    uint8_t checksum[CHECKSUM_LEN];
    VT_ENSURE(head_parse(&folded, &share), VAULT_E_WRONG_SECRET);
    payload.len = PAYLOAD_LEN;
    payload.data = vt_secret_alloc(PAYLOAD_LEN);
    VT_ENSURE(payload.data != NULL, VAULT_E_MEMORY);
    VT_ENSURE(strlen(folded) == PAYLOAD_TEXT_LEN, VAULT_E_WRONG_SECRET);
    VT_ENSURE(vt_base32_decode(vt_bytes_str(folded), payload.data, PAYLOAD_LEN) == VAULT_OK, VAULT_E_WRONG_SECRET);
    memcpy(share.value.bytes, payload.data, VT_KEY_LEN);
    VT_TRY(share_checksum(&share, checksum));
    VT_ENSURE(vt_ct_equal(VT_BYTES_OF(checksum), vt_bytes(payload.data + VT_KEY_LEN, CHECKSUM_LEN)), VAULT_E_WRONG_SECRET);
    *out_share = share;
    return VAULT_OK;
}

/* Bringing shares together ---------------------------------------------------------------------------------------- */

struct entered {
    const struct vt_wrap *wrap;
    uint8_t x;
    struct vt_key value;
};

struct vt_share_entry {         /* in the secret arena */
    const struct vt_wraps *wraps;
    size_t count;
    struct entered items[SHARES_ENTERED_MAX];
};

static bool has_share_set(const struct vt_wraps *wraps)
{
    for (size_t i = 0; i < wraps->count; i++)
        if (wraps->items[i].method == VT_WRAP_SHAMIR) return true;
    return false;
}

VT_RESULT vt_share_entry_new(const struct vt_wraps *wraps, struct vt_share_entry **out_entry)
{
    VT_ENSURE(has_share_set(wraps), VAULT_E_NOT_FOUND);
    struct vt_share_entry *entry = vt_secret_alloc(sizeof *entry);
    VT_ENSURE(entry != NULL, VAULT_E_MEMORY);
    entry->wraps = wraps;
    entry->count = 0;
    *out_entry = entry;
    return VAULT_OK;
}

void vt_share_entry_free(struct vt_share_entry *entry)
{
    vt_secret_free(entry);
}

/* The set whose id and parameters the share names and whose check it passes. */
static VT_RESULT find_set(const struct vt_wraps *wraps, const struct share *share, const struct vt_wrap **out_wrap)
{
    for (size_t i = 0; i < wraps->count; i++) {
        const struct vt_wrap *wrap = &wraps->items[i];
        uint8_t check[VT_WRAP_CHECK_LEN];
        if (wrap->method != VT_WRAP_SHAMIR || memcmp(wrap->wrap_id, share->set_id, SET_ID_LEN) != 0) continue;
        if (wrap->params.data[0] != share->k || wrap->params.data[1] != share->n || share->x > share->n) continue;
        VT_TRY(share_check(wrap, share->x, &share->value, check));
        const uint8_t *kept = wrap->params.data + VT_WRAP_SHAMIR_FIXED_LEN + (size_t)(share->x - 1) * VT_WRAP_CHECK_LEN;
        if (!vt_ct_equal(VT_BYTES_OF(check), vt_bytes(kept, VT_WRAP_CHECK_LEN))) continue;
        *out_wrap = wrap;
        return VAULT_OK;
    }
    return VAULT_E_WRONG_SECRET;
}

static unsigned entered_of(const struct vt_share_entry *entry, const struct vt_wrap *wrap)
{
    unsigned count = 0;
    for (size_t i = 0; i < entry->count; i++) count += entry->items[i].wrap == wrap;
    return count;
}

static unsigned still_needed(const struct vt_share_entry *entry, const struct vt_wrap *wrap)
{
    const unsigned have = entered_of(entry, wrap), k = wrap->params.data[0];
    return have < k ? k - have : 0;
}

VT_RESULT vt_share_entry_add(struct vt_share_entry *entry, struct vt_bytes share_text, unsigned *out_still_needed)
{
    VT_AUTO(vt_secret) folded = {vt_secret_alloc(SHARE_TEXT_MAX), SHARE_TEXT_MAX};
    __attribute__((cleanup(share_release))) struct share share = {0};
    const struct vt_wrap *wrap = NULL;
    VT_ENSURE(folded.data != NULL, VAULT_E_MEMORY);
    VT_ENSURE(fold(share_text, (char *)folded.data), VAULT_E_WRONG_SECRET);
    VT_TRY(share_parse((const char *)folded.data, &share));
    VT_TRY(find_set(entry->wraps, &share, &wrap));
    for (size_t i = 0; i < entry->count; i++)
        VT_ENSURE(entry->items[i].wrap != wrap || entry->items[i].x != share.x, VAULT_E_EXISTS);
    VT_ENSURE(entry->count < SHARES_ENTERED_MAX, VAULT_E_LIMIT);
    entry->items[entry->count++] = (struct entered){.wrap = wrap, .x = share.x, .value = share.value};
    *out_still_needed = still_needed(entry, wrap);
    return VAULT_OK;
}

static VT_RESULT open_set(const struct vt_share_entry *entry, const struct vt_wrap *wrap, struct vt_key *out_unseal_key)
{
    VT_AUTO(vt_key) set_key = VT_KEY_INIT;
    const unsigned k = wrap->params.data[0];
    VT_AUTO(vt_secret) shares = {vt_secret_alloc((size_t)k * VT_KEY_LEN), (size_t)k * VT_KEY_LEN};
    uint8_t xs[SHARES_ENTERED_MAX];
    unsigned taken = 0;
    VT_ENSURE(shares.data != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i < entry->count && taken < k; i++) {
        if (entry->items[i].wrap != wrap) continue;
        xs[taken] = entry->items[i].x;
        memcpy(shares.data + (size_t)taken * VT_KEY_LEN, entry->items[i].value.bytes, VT_KEY_LEN);
        taken++;
    }
    VT_TRY(vt_shamir_combine(xs, shares.data, k, VT_KEY_LEN, set_key.bytes));
    return vt_wrap_open(entry->wraps, wrap, vt_key_bytes(&set_key), out_unseal_key);
}

VT_RESULT vt_share_entry_open(struct vt_share_entry *entry, struct vt_key *out_unseal_key)
{
    for (size_t i = 0; i < entry->count; i++)
        if (still_needed(entry, entry->items[i].wrap) == 0) return open_set(entry, entry->items[i].wrap, out_unseal_key);
    return VAULT_E_STATE;
}
