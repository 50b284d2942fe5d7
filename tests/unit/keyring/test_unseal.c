#include <stdio.h>
#include <string.h>

#include "libvault/base/fault.h"
#include "libvault/codec/text.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/rng.h"
#include "tests/support/suite.h"
#include "vaultd/core/keyring/unseal.h"

static const struct vt_vault_id vault = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
static const char key_file_hex[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

static struct vt_wraps *wraps_new(void)
{
    struct vt_wraps *wraps = NULL;
    ck_assert_ok(vt_wraps_new(&vault, &wraps));
    return wraps;
}

static struct vt_key fresh_key(void)
{
    struct vt_key key = VT_KEY_INIT;
    ck_assert_ok(vt_random_key(&key));
    return key;
}

static bool key_equal(const struct vt_key *a, const struct vt_key *b)
{
    return vt_ct_equal(vt_key_bytes(a), vt_key_bytes(b));
}

static struct vt_wraps *reread(struct vt_wraps *wraps)
{
    VT_AUTO(vt_buf) bytes = VT_BUF_INIT(VT_WRAPS_BYTES_MAX);
    struct vt_wraps *again = NULL;
    ck_assert_ok(vt_wraps_encode(wraps, &bytes));
    ck_assert_ok(vt_wraps_decode(vt_buf_bytes(&bytes), &again));
    vt_wraps_free(wraps);
    return again;
}

START_TEST(a_passphrase_opens_what_it_sealed_and_no_other_does)
{
    struct vt_wraps *wraps = wraps_new();
    const struct vt_key unseal_key = fresh_key();
    struct vt_key opened = VT_KEY_INIT;
    ck_assert_ok(vt_wraps_add_passphrase(wraps, &unseal_key, vt_bytes_str("correct horse"), 1000));
    wraps = reread(wraps);
    ck_assert_ok(vt_wraps_open_passphrase(wraps, vt_bytes_str("correct horse"), &opened));
    ck_assert(key_equal(&opened, &unseal_key));
    struct vt_key untouched = VT_KEY_INIT;
    ck_assert_status(vt_wraps_open_passphrase(wraps, vt_bytes_str("correct horsf"), &untouched), VAULT_E_WRONG_SECRET);
    ck_assert(key_equal(&untouched, &VT_KEY_INIT));
    vt_wraps_free(wraps);
}
END_TEST

START_TEST(each_of_two_passphrases_opens_the_vault)
{
    struct vt_wraps *wraps = wraps_new();
    const struct vt_key unseal_key = fresh_key();
    struct vt_key opened = VT_KEY_INIT;
    ck_assert_ok(vt_wraps_add_passphrase(wraps, &unseal_key, vt_bytes_str("one"), 1));
    ck_assert_ok(vt_wraps_add_passphrase(wraps, &unseal_key, vt_bytes_str("two"), 2));
    ck_assert_ok(vt_wraps_open_passphrase(wraps, vt_bytes_str("two"), &opened));
    ck_assert(key_equal(&opened, &unseal_key));
    vt_wraps_free(wraps);
}
END_TEST

START_TEST(an_empty_passphrase_is_refused)
{
    struct vt_wraps *wraps = wraps_new();
    const struct vt_key unseal_key = fresh_key();
    ck_assert_status(vt_wraps_add_passphrase(wraps, &unseal_key, VT_BYTES_EMPTY, 1), VAULT_E_ARGUMENT);
    ck_assert_uint_eq(vt_wraps_count(wraps), 0);
    vt_wraps_free(wraps);
}
END_TEST

START_TEST(a_method_without_a_wrap_is_not_found)
{
    struct vt_wraps *wraps = wraps_new();
    const struct vt_key unseal_key = fresh_key();
    struct vt_key opened = VT_KEY_INIT;
    struct vt_share_entry *entry = NULL;
    ck_assert_ok(vt_wraps_add_key_file(wraps, &unseal_key, vt_bytes_str(key_file_hex), 1));
    ck_assert_status(vt_wraps_open_passphrase(wraps, vt_bytes_str("x"), &opened), VAULT_E_NOT_FOUND);
    ck_assert_status(vt_share_entry_new(wraps, &entry), VAULT_E_NOT_FOUND);
    vt_wraps_free(wraps);
}
END_TEST

START_TEST(a_key_file_opens_in_hex_base64_and_raw_form)
{
    struct vt_wraps *wraps = wraps_new();
    const struct vt_key unseal_key = fresh_key();
    uint8_t raw[32];
    for (uint8_t i = 0; i < 32; i++) raw[i] = i;
    const struct vt_bytes forms[] = {vt_bytes_str(key_file_hex),
                                     vt_bytes_str("\n 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\r\n"),
                                     vt_bytes_str("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"), VT_BYTES_OF(raw)};
    ck_assert_ok(vt_wraps_add_key_file(wraps, &unseal_key, forms[0], 1));
    wraps = reread(wraps);
    for (size_t i = 0; i < VT_ARRAY_LEN(forms); i++) {
        struct vt_key opened = VT_KEY_INIT;
        ck_assert_ok(vt_wraps_open_key_file(wraps, forms[i], &opened));
        ck_assert(key_equal(&opened, &unseal_key));
    }
    vt_wraps_free(wraps);
}
END_TEST

START_TEST(what_is_no_key_file_is_refused_and_another_key_file_is_wrong)
{
    struct vt_wraps *wraps = wraps_new();
    const struct vt_key unseal_key = fresh_key();
    struct vt_key opened = VT_KEY_INIT;
    ck_assert_ok(vt_wraps_add_key_file(wraps, &unseal_key, vt_bytes_str(key_file_hex), 1));
    ck_assert_status(vt_wraps_open_key_file(wraps, VT_BYTES_EMPTY, &opened), VAULT_E_PARSE);
    ck_assert_status(vt_wraps_open_key_file(wraps, vt_bytes_str("short"), &opened), VAULT_E_PARSE);
    ck_assert_status(vt_wraps_open_key_file(wraps, vt_bytes(key_file_hex, 62), &opened), VAULT_E_PARSE);
    ck_assert_status(vt_wraps_open_key_file(
                         wraps, vt_bytes_str("zz0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"), &opened),
                     VAULT_E_PARSE);
    ck_assert_status(vt_wraps_open_key_file(
                         wraps, vt_bytes_str("ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"), &opened),
                     VAULT_E_WRONG_SECRET);
    vt_wraps_free(wraps);
}
END_TEST

/* A set of 3 of 5 with its share texts. */
struct share_set {
    struct vt_wraps *wraps;
    struct vt_key unseal_key;
    struct vt_secret shares[5];
};

static struct share_set share_set_new(void)
{
    struct share_set set = {.wraps = wraps_new(), .unseal_key = fresh_key()};
    ck_assert_ok(vt_wraps_add_shamir(set.wraps, &set.unseal_key, 3, 5, 1, set.shares));
    set.wraps = reread(set.wraps);
    return set;
}

static void share_set_free(struct share_set *set)
{
    for (size_t i = 0; i < 5; i++) vt_secret_release(&set->shares[i]);
    vt_wraps_free(set->wraps);
}

START_TEST(any_three_of_five_shares_open_the_vault_and_two_do_not)
{
    struct share_set set = share_set_new();
    for (unsigned mask = 0; mask < 32; mask++) {
        struct vt_share_entry *entry = NULL;
        struct vt_key opened = VT_KEY_INIT;
        unsigned still_needed = 99, entered = 0;
        ck_assert_ok(vt_share_entry_new(set.wraps, &entry));
        for (unsigned i = 0; i < 5; i++) {
            if ((mask >> i & 1) == 0) continue;
            ck_assert_ok(vt_share_entry_add(entry, vt_secret_bytes(&set.shares[i]), &still_needed));
            entered++;
            ck_assert_uint_eq(still_needed, entered < 3 ? 3 - entered : 0);
        }
        ck_assert_status(vt_share_entry_open(entry, &opened), entered >= 3 ? VAULT_OK : VAULT_E_STATE);
        ck_assert_int_eq(key_equal(&opened, &set.unseal_key), entered >= 3);
        vt_share_entry_free(entry);
    }
    share_set_free(&set);
}
END_TEST

START_TEST(a_share_prints_with_its_set_its_number_and_the_threshold)
{
    struct share_set set = share_set_new();
    struct vt_wrap_info info;
    char expected[64], set_id[9];
    ck_assert_ok(vt_wraps_info(set.wraps, 0, &info));
    vt_hex_encode(vt_bytes(info.wrap_id, 4), set_id);
    snprintf(expected, sizeof expected, "vaultd-share-1-%s-2-3-of-5-", set_id);
    ck_assert_uint_gt(set.shares[1].len, strlen(expected));
    ck_assert_mem_eq(set.shares[1].data, expected, strlen(expected));
    ck_assert_uint_eq(set.shares[1].len, strlen(expected) + 58);
    ck_assert_uint_eq(info.k, 3);
    ck_assert_uint_eq(info.n, 5);
    share_set_free(&set);
}
END_TEST

START_TEST(a_share_typed_in_capitals_with_spaces_is_accepted)
{
    struct share_set set = share_set_new();
    struct vt_share_entry *entry = NULL;
    uint8_t typed[256] = {' ', '\n'};
    size_t len = 2;
    unsigned still_needed;
    for (size_t i = 0; i < set.shares[0].len; i++) {
        const uint8_t c = set.shares[0].data[i];
        typed[len++] = c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c;
        if (i % 10 == 9) typed[len++] = ' ';
    }
    ck_assert_ok(vt_share_entry_new(set.wraps, &entry));
    ck_assert_ok(vt_share_entry_add(entry, vt_bytes(typed, len), &still_needed));
    ck_assert_uint_eq(still_needed, 2);
    vt_share_entry_free(entry);
    share_set_free(&set);
}
END_TEST

START_TEST(a_share_with_any_character_changed_is_wrong_on_entry)
{
    struct share_set set = share_set_new();
    struct vt_share_entry *entry = NULL;
    unsigned still_needed = 99;
    ck_assert_ok(vt_share_entry_new(set.wraps, &entry));
    for (size_t i = 0; i < set.shares[0].len; i++) {
        uint8_t typed[128];
        memcpy(typed, set.shares[0].data, set.shares[0].len);
        typed[i] = typed[i] == '3' ? '4' : '3';
        ck_assert_status(vt_share_entry_add(entry, vt_bytes(typed, set.shares[0].len), &still_needed),
                         VAULT_E_WRONG_SECRET);
    }
    for (size_t len = 0; len < set.shares[0].len; len++)
        ck_assert_status(vt_share_entry_add(entry, vt_bytes(set.shares[0].data, len), &still_needed), VAULT_E_WRONG_SECRET);
    ck_assert_uint_eq(still_needed, 99);
    vt_share_entry_free(entry);
    share_set_free(&set);
}
END_TEST

START_TEST(a_share_of_another_set_is_wrong_and_a_share_twice_is_refused)
{
    struct share_set set = share_set_new(), other = share_set_new();
    struct vt_share_entry *entry = NULL;
    unsigned still_needed;
    ck_assert_ok(vt_share_entry_new(set.wraps, &entry));
    ck_assert_status(vt_share_entry_add(entry, vt_secret_bytes(&other.shares[0]), &still_needed), VAULT_E_WRONG_SECRET);
    ck_assert_ok(vt_share_entry_add(entry, vt_secret_bytes(&set.shares[0]), &still_needed));
    ck_assert_status(vt_share_entry_add(entry, vt_secret_bytes(&set.shares[0]), &still_needed), VAULT_E_EXISTS);
    ck_assert_uint_eq(still_needed, 2);
    vt_share_entry_free(entry);
    share_set_free(&set);
    share_set_free(&other);
}
END_TEST

START_TEST(a_forged_share_with_a_right_checksum_fails_the_check_of_its_set)
{
    struct share_set set = share_set_new();
    struct vt_share_entry *entry = NULL;
    const struct vt_bytes text = vt_secret_bytes(&set.shares[1]);
    const size_t head = text.len - 58;
    uint8_t payload[36], set_id[4], hash[32];
    char forged[128];
    unsigned still_needed;
    ck_assert_ok(vt_base32_decode(vt_bytes(text.data + head, 58), payload, sizeof payload));
    ck_assert_ok(vt_hex_decode(vt_bytes(text.data + strlen("vaultd-share-1-"), 8), set_id, sizeof set_id));

    payload[7] ^= 1;                            /* another share, and the checksum that belongs to it */
    const uint8_t place[3] = {2, 3, 5};
    const struct vt_bytes pieces[] = {vt_bytes_str("vaultd share 1"), VT_BYTES_OF(set_id), VT_BYTES_OF(place),
                                      vt_bytes(payload, 32)};
    ck_assert_ok(vt_sha256(pieces, VT_ARRAY_LEN(pieces), hash));
    memcpy(payload + 32, hash, 4);
    memcpy(forged, text.data, head);
    vt_base32_encode(VT_BYTES_OF(payload), forged + head);

    ck_assert_ok(vt_share_entry_new(set.wraps, &entry));
    ck_assert_status(vt_share_entry_add(entry, vt_bytes_str(forged), &still_needed), VAULT_E_WRONG_SECRET);
    ck_assert_ok(vt_share_entry_add(entry, text, &still_needed));
    vt_share_entry_free(entry);
    share_set_free(&set);
}
END_TEST

START_TEST(shares_of_an_old_and_a_new_set_are_counted_apart)
{
    struct share_set set = share_set_new(), other = share_set_new();
    struct vt_share_entry *entry = NULL;
    struct vt_key opened = VT_KEY_INIT;
    unsigned still_needed;
    ck_assert_ok(vt_wraps_merge(set.wraps, other.wraps));
    ck_assert_uint_eq(vt_wraps_count(set.wraps), 2);
    ck_assert_ok(vt_share_entry_new(set.wraps, &entry));
    ck_assert_ok(vt_share_entry_add(entry, vt_secret_bytes(&set.shares[0]), &still_needed));
    ck_assert_ok(vt_share_entry_add(entry, vt_secret_bytes(&other.shares[1]), &still_needed));
    ck_assert_uint_eq(still_needed, 2);
    ck_assert_ok(vt_share_entry_add(entry, vt_secret_bytes(&other.shares[0]), &still_needed));
    ck_assert_status(vt_share_entry_open(entry, &opened), VAULT_E_STATE);
    ck_assert_ok(vt_share_entry_add(entry, vt_secret_bytes(&other.shares[4]), &still_needed));
    ck_assert_uint_eq(still_needed, 0);
    ck_assert_ok(vt_share_entry_open(entry, &opened));
    ck_assert(key_equal(&opened, &other.unseal_key));
    vt_share_entry_free(entry);
    share_set_free(&set);
    share_set_free(&other);
}
END_TEST

START_TEST(impossible_thresholds_are_refused)
{
    struct vt_wraps *wraps = wraps_new();
    const struct vt_key unseal_key = fresh_key();
    struct vt_secret shares[2];
    ck_assert_status(vt_wraps_add_shamir(wraps, &unseal_key, 0, 2, 1, shares), VAULT_E_ARGUMENT);
    ck_assert_status(vt_wraps_add_shamir(wraps, &unseal_key, 3, 2, 1, shares), VAULT_E_ARGUMENT);
    ck_assert_status(vt_wraps_add_shamir(wraps, &unseal_key, 2, 256, 1, shares), VAULT_E_ARGUMENT);
    ck_assert_uint_eq(vt_wraps_count(wraps), 0);
    vt_wraps_free(wraps);
}
END_TEST

START_TEST(the_last_wrap_cannot_be_removed)
{
    struct vt_wraps *wraps = wraps_new();
    const struct vt_key unseal_key = fresh_key();
    struct vt_wrap_info first, second;
    struct vt_key opened = VT_KEY_INIT;
    ck_assert_ok(vt_wraps_add_key_file(wraps, &unseal_key, vt_bytes_str(key_file_hex), 11));
    ck_assert_ok(vt_wraps_add_passphrase(wraps, &unseal_key, vt_bytes_str("words"), 12));
    ck_assert_ok(vt_wraps_info(wraps, 0, &first));
    ck_assert_ok(vt_wraps_info(wraps, 1, &second));
    ck_assert_int_eq(second.created_at_ms, 12);
    ck_assert_int_eq(second.method, VT_WRAP_PASSPHRASE);
    ck_assert_status(vt_wraps_info(wraps, 2, &second), VAULT_E_NOT_FOUND);
    ck_assert_ok(vt_wraps_remove(wraps, first.wrap_id));
    ck_assert_status(vt_wraps_open_key_file(wraps, vt_bytes_str(key_file_hex), &opened), VAULT_E_NOT_FOUND);
    ck_assert_status(vt_wraps_remove(wraps, first.wrap_id), VAULT_E_NOT_FOUND);
    ck_assert_status(vt_wraps_remove(wraps, second.wrap_id), VAULT_E_STATE);
    ck_assert_ok(vt_wraps_open_passphrase(wraps, vt_bytes_str("words"), &opened));
    vt_wraps_free(wraps);
}
END_TEST

START_TEST(damaged_wraps_are_noticed_wherever_the_damage_is)
{
    struct share_set set = share_set_new();
    VT_AUTO(vt_buf) bytes = VT_BUF_INIT(VT_WRAPS_BYTES_MAX);
    struct vt_wraps *wraps = NULL;
    ck_assert_ok(vt_wraps_encode(set.wraps, &bytes));
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= 1;
        ck_assert_status(vt_wraps_decode(vt_buf_bytes(&bytes), &wraps), i == 0 ? VAULT_E_FORMAT : VAULT_E_CORRUPT);
        bytes.data[i] ^= 1;
        ck_assert_status(vt_wraps_decode(vt_bytes(bytes.data, i), &wraps), VAULT_E_CORRUPT);
    }
    ck_assert_ptr_null(wraps);
    share_set_free(&set);
}
END_TEST

START_TEST(no_more_wraps_fit_than_the_limit_says)
{
    struct vt_wraps *wraps = wraps_new(), *more = wraps_new();
    const struct vt_key unseal_key = fresh_key();
    for (unsigned i = 0; i < VT_WRAPS_MAX; i++)
        ck_assert_ok(vt_wraps_add_key_file(wraps, &unseal_key, vt_bytes_str(key_file_hex), 1));
    ck_assert_status(vt_wraps_add_key_file(wraps, &unseal_key, vt_bytes_str(key_file_hex), 1), VAULT_E_LIMIT);
    ck_assert_ok(vt_wraps_add_key_file(more, &unseal_key, vt_bytes_str(key_file_hex), 1));
    ck_assert_status(vt_wraps_merge(wraps, more), VAULT_E_LIMIT);
    ck_assert_uint_eq(vt_wraps_count(wraps), VT_WRAPS_MAX);
    vt_wraps_free(wraps);
    vt_wraps_free(more);
}
END_TEST

START_TEST(wraps_of_another_vault_are_not_merged)
{
    const struct vt_vault_id other_vault = {{9}};
    struct vt_wraps *wraps = wraps_new(), *other = NULL;
    ck_assert_ok(vt_wraps_new(&other_vault, &other));
    ck_assert_status(vt_wraps_merge(wraps, other), VAULT_E_ARGUMENT);
    ck_assert_mem_eq(vt_wraps_vault_id(other)->bytes, other_vault.bytes, 16);
    vt_wraps_free(wraps);
    vt_wraps_free(other);
}
END_TEST

#ifdef VT_FAULTS
START_TEST(a_failing_allocation_or_random_draw_leaves_the_wraps_unchanged)
{
    struct vt_wraps *wraps = wraps_new();
    const struct vt_key unseal_key = fresh_key();
    ck_assert_ok(vt_wraps_add_key_file(wraps, &unseal_key, vt_bytes_str(key_file_hex), 1));
    const enum vt_fault kinds[] = {VT_FAULT_ALLOC, VT_FAULT_RANDOM};
    for (size_t kind = 0; kind < VT_ARRAY_LEN(kinds); kind++) {
        bool fired = true;
        for (unsigned nth = 1; fired; nth++) {
            struct vt_secret shares[3] = {VT_SECRET_INIT, VT_SECRET_INIT, VT_SECRET_INIT};
            vt_fault_arm(kinds[kind], nth);
            const vault_status status = vt_wraps_add_shamir(wraps, &unseal_key, 2, 3, 1, shares);
            fired = vt_fault_disarm();
            ck_assert_int_eq(fired, status != VAULT_OK);
            ck_assert_uint_eq(vt_wraps_count(wraps), fired ? 1 : 2);
            for (size_t i = 0; i < 3; i++) vt_secret_release(&shares[i]);
            struct vt_wrap_info info;
            if (fired) continue;
            ck_assert_ok(vt_wraps_info(wraps, 1, &info));
            ck_assert_ok(vt_wraps_remove(wraps, info.wrap_id));
        }
    }
    vt_wraps_free(wraps);
}
END_TEST
#endif

VT_TEST_MAIN("keyring/unseal",
#ifdef VT_FAULTS
             a_failing_allocation_or_random_draw_leaves_the_wraps_unchanged,
#endif
             a_passphrase_opens_what_it_sealed_and_no_other_does, each_of_two_passphrases_opens_the_vault,
             an_empty_passphrase_is_refused, a_method_without_a_wrap_is_not_found,
             a_key_file_opens_in_hex_base64_and_raw_form, what_is_no_key_file_is_refused_and_another_key_file_is_wrong,
             any_three_of_five_shares_open_the_vault_and_two_do_not,
             a_share_prints_with_its_set_its_number_and_the_threshold,
             a_share_typed_in_capitals_with_spaces_is_accepted, a_share_with_any_character_changed_is_wrong_on_entry,
             a_share_of_another_set_is_wrong_and_a_share_twice_is_refused,
             a_forged_share_with_a_right_checksum_fails_the_check_of_its_set,
             shares_of_an_old_and_a_new_set_are_counted_apart, impossible_thresholds_are_refused,
             the_last_wrap_cannot_be_removed, damaged_wraps_are_noticed_wherever_the_damage_is,
             no_more_wraps_fit_than_the_limit_says, wraps_of_another_vault_are_not_merged)
