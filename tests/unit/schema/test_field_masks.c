#include <stdio.h>

#include "tests/unit/schema/field_support.h"

enum { POOL_MAX = 1024 * 1024, ROUNDS = 400 };

START_TEST(each_mask_shows_what_its_row_says)
{
    static const struct {
        const char *rule, *input, *masked, *last4;
    } ROWS[] = {
        {"pan policy=token", "4111 1111 1111 1111", "411111******1111", "************1111"},
        {"pan policy=token", "378282246310005", "378282*****0005", "***********0005"},
        {"pan policy=token", "30569309025904", "**********5904", "**********5904"},
        {"pan policy=token", "4222222222222", "*********2222", "*********2222"},
        {"pan policy=token", "6205500000000000004", "620550*********0004", "***************0004"},
        {"pan", "1111", "1111", "1111"},
        {"us_ssn", "123456789", "***-**-6789", "***-**-6789"},
        {"driver_licence", "CA-ZZ3892619", "**-*****2619", "**-*****2619"},
        {"passport", "L01X00T", "*****0T", "*****0T"},
        {"passport", "L01X0", "*****", "*****"},
        {"government_id", "A12", "***", "***"},
        {"iban", "GB29NWBK60161331926819", "GB****************6819", "******************6819"},
        {"account_number", "12345678", "****5678", "****5678"},
        {"email", "ada@example.com", "a***@example.com", "[redacted]"},
        {"email", "a@example.com", "***@example.com", "[redacted]"},
        {"email", "\"a@b\"@example.com", "***@example.com", "[redacted]"},
        {"email", "\xC3\xB6@example.com", "***@example.com", "[redacted]"},
        {"phone", "+18575550155", "+*********55", "+*******0155"},
        {"birth_date", "1981-06-12", "1981-**-**", "[redacted]"},
        {"datetime", "1981-06-12T08:15:00Z", "1981-**-**", "[redacted]"},
        {"ip", "198.51.100.75", "198.51.100.0/24", "[redacted]"},
        {"ip", "::ffff:198.51.100.75", "198.51.100.0/24", "[redacted]"},
        {"ip", "2001:db8:65cc:a844::592", "2001:db8:65cc::/48", "[redacted]"},
        {"mac", "00:00:5e:00:53:af", "00:00:5e:**:**:**", "[redacted]"},
        {"url", "https://example.org/ada?token=1", "https://example.org/***", "[redacted]"},
        {"url", "https://example.org", "https://example.org", "[redacted]"},
        {"name", "Ada", "[redacted]", "[redacted]"},
        {"text", "anything", "[redacted]", "[redacted]"},
        {"card_expiry", "01/30", "[redacted]", "[redacted]"},
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        ck_assert_str_eq(vt_masked(&pool, ROWS[i].rule, ROWS[i].input, VT_MASK_MASKED), ROWS[i].masked);
        ck_assert_str_eq(vt_masked(&pool, ROWS[i].rule, ROWS[i].input, VT_MASK_LAST4), ROWS[i].last4);
        ck_assert_str_eq(vt_masked(&pool, ROWS[i].rule, ROWS[i].input, VT_MASK_REDACTED), "[redacted]");
    }
}
END_TEST

START_TEST(what_is_not_text_is_redacted)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_value values[] = {vt_value_int(42), vt_value_bool(true), vt_value_map()};
    static const char *const TYPES[] = {"integer", "boolean", "json"};
    for (size_t i = 0; i < VT_ARRAY_LEN(values); i++) {
        for (int mask = VT_MASK_MASKED; mask <= VT_MASK_REDACTED; mask++) {
            struct vt_value shown;
            ck_assert_ok(vt_field_mask_value(vt_field_type_find(vt_bytes_str(TYPES[i])), &values[i], (enum vt_mask)mask,
                                             &pool, &shown));
            ck_assert(shown.kind == VT_VALUE_TEXT && vt_bytes_equal_str(shown.bytes, "[redacted]"));
        }
    }
}
END_TEST

START_TEST(plain_is_the_stored_form)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_value stored = vt_stored(&pool, "us_ssn", "123456789");
    struct vt_value shown;
    ck_assert_ok(vt_field_mask_value(vt_rule(&pool, "us_ssn").type, &stored, VT_MASK_PLAIN, &pool, &shown));
    ck_assert(vt_value_equal(&stored, &shown));
}
END_TEST

START_TEST(masks_go_by_four_names)
{
    for (int mask = VT_MASK_PLAIN; mask <= VT_MASK_REDACTED; mask++) {
        enum vt_mask found = VT_MASK_REDACTED;
        ck_assert(vt_mask_find(vt_bytes_str(vt_mask_name((enum vt_mask)mask)), &found));
        ck_assert_int_eq(found, mask);
    }
    enum vt_mask found;
    ck_assert(!vt_mask_find(vt_bytes_str("Plain"), &found));
    ck_assert(!vt_mask_find(vt_bytes_str(""), &found));
}
END_TEST

/* A small generator with a printed seed, so that a failure can be run again. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void random_text(uint64_t *state, const char *alphabet, size_t len, char *out)
{
    const size_t letters = strlen(alphabet);
    for (size_t i = 0; i < len; i++) out[i] = alphabet[next_random(state) % letters];
    out[len] = 0;
}

/* How many letters and digits a mask left in place, and whether they are only the first @p head and last @p tail. */
static size_t count_shown(const char *stored, const char *shown, size_t head, size_t tail)
{
    const size_t len = strlen(stored);
    size_t count = 0;
    ck_assert_uint_eq(strlen(shown), len);
    for (size_t i = 0; i < len; i++) {
        const bool is_separator = stored[i] == '-' || stored[i] == ' ' || stored[i] == '+';
        if (shown[i] == '*' || is_separator) continue;
        ck_assert_msg(i < head || i + tail >= len, "%s shows place %zu", shown, i);
        ck_assert_int_eq(shown[i], stored[i]);
        count++;
    }
    return count;
}

static const char *complete_luhn(char *digits)
{
    const size_t len = strlen(digits);
    for (char c = '0'; c <= '9'; c++) {
        digits[len - 1] = c;
        if (vt_luhn_is_valid(vt_bytes_str(digits))) return digits;
    }
    ck_abort_msg("no check digit fits");
    return digits;
}

/* PCI DSS v4.0.1 requirement 3.4.1: 16 digits lose four at least, 15 five. */
START_TEST(a_card_mask_never_shows_more_than_first_six_and_last_four)
{
    uint64_t state = 0x5eed0001;
    for (int round = 0; round < ROUNDS; round++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        char digits[24];
        const size_t len = 12 + next_random(&state) % 8;
        random_text(&state, "0123456789", len, digits);
        digits[0] = '9';
        complete_luhn(digits);
        const char *masked = vt_masked(&pool, "pan policy=token", digits, VT_MASK_MASKED);
        const char *last4 = vt_masked(&pool, "pan policy=token", digits, VT_MASK_LAST4);
        ck_assert_uint_le(count_shown(digits, masked, 6, 4), len >= 15 ? 10u : 4u);
        ck_assert_uint_ge(len - count_shown(digits, masked, 6, 4), 5);
        ck_assert_uint_eq(count_shown(digits, last4, 0, 4), 4);
    }
}
END_TEST

START_TEST(a_number_mask_never_shows_more_than_its_last_four)
{
    static const char *const RULES[] = {"driver_licence", "passport", "government_id", "health_id", "account_number"};
    uint64_t state = 0x5eed0002;
    for (int round = 0; round < ROUNDS; round++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        char text[32];
        const size_t len = 5 + next_random(&state) % 5;
        random_text(&state, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", len, text);
        text[0] = '7';
        for (size_t i = 0; i < VT_ARRAY_LEN(RULES); i++) {
            const size_t allowed = len >= 8 ? 4 : len >= 6 ? 2 : 0;
            ck_assert_uint_eq(count_shown(text, vt_masked(&pool, RULES[i], text, VT_MASK_MASKED), 0, 4), allowed);
            ck_assert_uint_eq(count_shown(text, vt_masked(&pool, RULES[i], text, VT_MASK_LAST4), 0, 4), allowed);
        }
        random_text(&state, "123456789", 9, text);
        text[0] = '5';
        char stored[16];
        snprintf(stored, sizeof stored, "%.3s-%.2s-%.4s", text, text + 3, text + 5);
        ck_assert_uint_eq(count_shown(stored, vt_masked(&pool, "us_ssn", text, VT_MASK_MASKED), 0, 4), 4);
    }
}
END_TEST

START_TEST(a_phone_mask_never_shows_more_than_two_or_four_digits)
{
    uint64_t state = 0x5eed0003;
    for (int round = 0; round < ROUNDS; round++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        char text[24] = "+49";
        random_text(&state, "0123456789", 5 + next_random(&state) % 9, text + 3);
        ck_assert_uint_eq(count_shown(text, vt_masked(&pool, "phone", text, VT_MASK_MASKED), 0, 2), 2);
        ck_assert_uint_eq(count_shown(text, vt_masked(&pool, "phone", text, VT_MASK_LAST4), 0, 4), 4);
    }
}
END_TEST

START_TEST(an_email_mask_never_shows_more_than_one_letter_of_the_local_part)
{
    uint64_t state = 0x5eed0004;
    for (int round = 0; round < ROUNDS; round++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        char local[24], text[64];
        random_text(&state, "abcdefghijklmnopqrstuvwxyz0123456789+_", 1 + next_random(&state) % 20, local);
        snprintf(text, sizeof text, "%s@example.com", local);
        const char *shown = vt_masked(&pool, "email", text, VT_MASK_MASKED);
        const char *stars = strstr(shown, "***@example.com");
        ck_assert_ptr_nonnull(stars);
        ck_assert_uint_eq(strlen(stars), strlen("***@example.com"));
        ck_assert(stars == shown || (stars == shown + 1 && shown[0] == local[0] && strlen(local) > 1));
    }
}
END_TEST

START_TEST(masks_without_memory_say_so)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_pool) empty = VT_POOL_INIT(0);
    static const char *const ROWS[][2] = {{"email", "ada@example.com"},
                                          {"pan policy=token", "4111111111111111"},
                                          {"ip", "2001:db8::1"},
                                          {"url", "https://example.org/"},
                                          {"name", "Ada"},
                                          {"us_ssn", "123-45-6789"}};
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        const struct vt_value stored = vt_stored(&pool, ROWS[i][0], ROWS[i][1]);
        struct vt_value shown;
        ck_assert_status(vt_field_mask_value(vt_rule(&pool, ROWS[i][0]).type, &stored, VT_MASK_MASKED, &empty, &shown),
                         VAULT_E_MEMORY);
    }
}
END_TEST

VT_TEST_MAIN("schema/field_masks", each_mask_shows_what_its_row_says, what_is_not_text_is_redacted,
             plain_is_the_stored_form, masks_go_by_four_names,
             a_card_mask_never_shows_more_than_first_six_and_last_four,
             a_number_mask_never_shows_more_than_its_last_four, a_phone_mask_never_shows_more_than_two_or_four_digits,
             an_email_mask_never_shows_more_than_one_letter_of_the_local_part, masks_without_memory_say_so)
