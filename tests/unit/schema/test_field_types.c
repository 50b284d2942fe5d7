#include <ctype.h>
#include <stdio.h>

#include "tests/unit/schema/field_support.h"

enum { POOL_MAX = 8 * 1024 * 1024 };

/* What a type takes, and what it stores: NULL for the input itself. */
struct good {
    const char *rule, *input, *stored;
};
/* What a type refuses, and a piece of the sentence that says why. */
struct bad {
    const char *rule, *input, *why;
};

static void check_good(const struct good *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        const struct vt_value stored = vt_stored(&pool, rows[i].rule, rows[i].input);
        const char *wanted = rows[i].stored != NULL ? rows[i].stored : rows[i].input;
        ck_assert_int_eq(stored.kind, VT_VALUE_TEXT);
        ck_assert_msg(vt_bytes_equal_str(stored.bytes, wanted), "%s \"%s\" is stored as \"%.*s\", not \"%s\"",
                      rows[i].rule, rows[i].input, (int)stored.bytes.len, (const char *)stored.bytes.data, wanted);
        const struct vt_value again = vt_stored(&pool, rows[i].rule, wanted);
        ck_assert_msg(vt_value_equal(&stored, &again), "%s \"%s\" changes when stored again", rows[i].rule,
                      rows[i].input);
    }
}

/* One full sentence that names the field, and no run of six or more characters of the value. */
static void check_message(const struct vt_err *err, const char *input)
{
    const size_t len = strlen(err->message);
    ck_assert_str_eq(err->field, "f");
    ck_assert_msg(strncmp(err->message, "Field f ", 8) == 0 && err->message[len - 1] == '.', "%s", err->message);
    for (size_t i = 0; strlen(input) >= 6 && i + 6 <= strlen(input); i++) {
        char piece[7] = {0};
        memcpy(piece, input + i, 6);
        ck_assert_msg(strstr(err->message, piece) == NULL, "the message tells the value: %s", err->message);
    }
}

static void check_bad(const struct bad *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        struct vt_value stored = vt_value_int(7);
        struct vt_err err = {0};
        const vault_status status =
            vt_check_text_input(&pool, rows[i].rule, vt_bytes_str(rows[i].input), &stored, &err);
        ck_assert_msg(status == VAULT_E_INVALID_VALUE, "%s \"%s\" gave %s", rows[i].rule, rows[i].input,
                      vault_status_code(status));
        ck_assert_msg(strstr(err.message, rows[i].why) != NULL, "%s \"%s\": %s", rows[i].rule, rows[i].input,
                      err.message);
        ck_assert_msg(stored.kind == VT_VALUE_INT && stored.integer == 7, "an output was written on failure");
        check_message(&err, rows[i].input);
    }
}

#define CHECK_GOOD(...)                                  \
    do {                                                 \
        static const struct good rows[] = {__VA_ARGS__}; \
        check_good(rows, VT_ARRAY_LEN(rows));            \
    } while (0)
#define CHECK_BAD(...)                                  \
    do {                                                \
        static const struct bad rows[] = {__VA_ARGS__}; \
        check_bad(rows, VT_ARRAY_LEN(rows));            \
    } while (0)

/* Numbers that payment firms publish for testing. */
START_TEST(a_card_number_has_length_luhn_and_issuer)
{
    CHECK_GOOD({"pan policy=token", "4111111111111111", NULL}, {"pan policy=token", "4222222222222", NULL},
               {"pan policy=token", "5555 5555 5555 4444", "5555555555554444"},
               {"pan policy=token", "3782-822463-10005", "378282246310005"},
               {"pan policy=token", "6011111111111117", NULL}, {"pan policy=token", "2223003122003222", NULL},
               {"pan policy=token", "30569309025904", NULL}, {"pan policy=token", "3566002020360505", NULL},
               {"pan policy=token", "6205500000000000004", NULL}, {"pan policy=token", "6759649826438453", NULL},
               {"pan policy=token", "6799990100000000019", NULL});
    CHECK_BAD(
        {"pan policy=token", "4111111111111112", "check digit"}, {"pan policy=token", "41111111111", "12 to 19"},
        {"pan policy=token", "41111111111111111111", "12 to 19"}, {"pan policy=token", "0000000000000000", "zero"},
        {"pan policy=token", "000000000000", "zero"}, {"pan policy=token", "4242424242424", "check digit"},
        {"pan policy=token", "411111111111116", "of this length"},
        {"pan policy=token", "4111  1111 1111 1111", "digits"}, {"pan policy=token", " 4111111111111111", "digits"},
        {"pan policy=token", "4111-1111-1111-1111-", "digits"}, {"pan policy=token", "4111x111111111111", "digits"},
        {"pan policy=token", "", "digits"},
        {"pan policy=token",
         "\xD9\xA4"
         "111111111111111",
         "digits"});
}
END_TEST

/* docs/generated/field-types.md: a card number keeps its last four digits unless the schema says otherwise. */
START_TEST(a_card_number_without_the_token_policy_is_its_last_four_digits)
{
    CHECK_GOOD({"pan", "1111", NULL}, {"pan policy=last4", "0000", NULL});
    CHECK_BAD({"pan", "4111111111111111", "last four"}, {"pan policy=last4", "4111 1111 1111 1111", "last four"},
              {"pan", "111", "last four"}, {"pan", "11111", "last four"}, {"pan", "11a1", "last four"});
}
END_TEST

START_TEST(a_brand_follows_from_prefix_and_length)
{
    static const char *const ROWS[][2] = {{"4111111111111111", "visa"},
                                          {"4222222222222", "visa"},
                                          {"5105105105105100", "mastercard"},
                                          {"2223000048400011", "mastercard"},
                                          {"378282246310005", "amex"},
                                          {"340000000000009", "amex"},
                                          {"6011000990139424", "discover"},
                                          {"6440000000000005", "discover"},
                                          {"3530111333300000", "jcb"},
                                          {"30569309025904", "diners"},
                                          {"36227206271667", "diners"},
                                          {"38520000023237", "diners"},
                                          {"6200000000000005", "unionpay"},
                                          {"6759649826438453", "maestro"},
                                          {"9999999999999995", "other"},
                                          {"2220000000000000", "other"},
                                          {"2720990000000000", "mastercard"},
                                          {"2721000000000000", "other"},
                                          {"37828224631000", "other"},
                                          {"4111 1111", "other"},
                                          {"", "other"}};
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        ck_assert_msg(strcmp(vt_pan_brand(vt_bytes_str(ROWS[i][0])), ROWS[i][1]) == 0, "%s is %s", ROWS[i][0],
                      vt_pan_brand(vt_bytes_str(ROWS[i][0])));
    }
}
END_TEST

START_TEST(an_expiry_is_month_and_year)
{
    CHECK_GOOD({"card_expiry", "01/00", NULL}, {"card_expiry", "12/31", NULL});
    CHECK_BAD({"card_expiry", "00/30", "month"}, {"card_expiry", "13/30", "month"}, {"card_expiry", "1/30", "MM/YY"},
              {"card_expiry", "0130", "MM/YY"}, {"card_expiry", "01-30", "MM/YY"}, {"card_expiry", "", "MM/YY"},
              {"card_expiry", "ab/cd", "MM/YY"});
}
END_TEST

/* Examples of the IBAN registry; the rest differ from them in one place. */
START_TEST(an_iban_has_its_countrys_length_and_fitting_check_digits)
{
    CHECK_GOOD({"iban", "GB29NWBK60161331926819", NULL}, {"iban", "DE89370400440532013000", NULL},
               {"iban", "FR1420041010050500013M02606", NULL}, {"iban", "NO9386011117947", NULL},
               {"iban", "BE68539007547034", NULL}, {"iban", "CH9300762011623852957", NULL},
               {"iban", "MT84MALT011000012345MTLCAST001S", NULL}, {"iban", "AT611904300234573201", NULL},
               {"iban", "gb29 nwbk 6016 1331 9268 19", "GB29NWBK60161331926819"});
    CHECK_BAD({"iban", "GB29NWBK60161331926818", "check digits"}, {"iban", "GB92NWBK60161331926819", "check digits"},
              {"iban", "GB29NWBK6016133192681", "length"}, {"iban", "GB29NWBK601613319268190", "length"},
              {"iban", "US29NWBK60161331926819", "country"}, {"iban", "DE36000000000000000000", "zeroes"},
              {"iban", "GB29NWBK60161331926819 ", "single spaces"}, {"iban", "GB29-NWBK-6016", "single spaces"},
              {"iban", "", "single spaces"}, {"iban", "GBXXNWBK60161331926819", "two digits"},
              {"iban", "GB", "two digits"});
}
END_TEST

START_TEST(an_iban_with_check_digits_that_are_never_issued_is_refused)
{
    /* ISO 7064: 00, 01 and 99 leave the same rest as 97, 98 and 02. */
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_value stored;
    unsigned accepted = 0, refused = 0;
    for (unsigned account = 1; account < 2000; account++) {
        char text[32];
        for (unsigned check = 0; check < 100; check++) {
            snprintf(text, sizeof text, "NO%02u8601%07u", check, account);
            const vault_status status = vt_check_text_input(&pool, "iban", vt_bytes_str(text), &stored, NULL);
            if (status == VAULT_OK) accepted++;
            if (status == VAULT_OK) ck_assert_msg(check >= 2 && check <= 98, "%s was taken", text);
            refused += status == VAULT_E_INVALID_VALUE;
        }
        vt_pool_reset(&pool);
    }
    ck_assert_uint_eq(accepted, 1999);
    ck_assert_uint_eq(refused, 1999u * 99);
}
END_TEST

START_TEST(an_account_number_is_not_all_zeroes)
{
    CHECK_GOOD({"account_number", "12-34-56 12345678", NULL}, {"account_number", "0001", NULL});
    CHECK_BAD({"account_number", "0000000000", "zeroes"}, {"account_number", "00-00-00", "zeroes"},
              {"account_number", "123", "four"}, {"account_number", "12--34", "single"},
              {"account_number", "", "single"});
}
END_TEST

/* docs/generated/field-types.md. */
START_TEST(a_social_security_number_was_issuable)
{
    CHECK_GOOD({"us_ssn", "123-45-6789", NULL}, {"us_ssn", "123456789", "123-45-6789"},
               {"us_ssn", "123 45 6789", "123-45-6789"}, {"us_ssn", "665-01-0001", NULL},
               {"us_ssn", "667-01-0001", NULL}, {"us_ssn", "899-99-9999", NULL}, {"us_ssn", "001-01-0001", NULL});
    CHECK_BAD({"us_ssn", "000-12-3456", "area"}, {"us_ssn", "666-12-3456", "area"}, {"us_ssn", "900-12-3456", "area"},
              {"us_ssn", "999-12-3456", "area"}, {"us_ssn", "123-00-4567", "group"},
              {"us_ssn", "123-45-0000", "serial"}, {"us_ssn", "12345678", "nine digits"},
              {"us_ssn", "12-345-6789", "nine digits"}, {"us_ssn", "123-45 6789", "nine digits"},
              {"us_ssn", "123-45-678x", "nine digits"}, {"us_ssn", "", "nine digits"});
}
END_TEST

START_TEST(reserved_areas_are_taken_only_where_the_schema_says_so)
{
    CHECK_GOOD({"us_ssn reserved=accept", "000-12-3456", NULL}, {"us_ssn reserved=accept", "666123456", "666-12-3456"},
               {"us_ssn reserved=accept", "987-65-4321", NULL}, {"us_ssn reserved=accept", "123-45-6789", NULL});
    CHECK_BAD({"us_ssn reserved=refuse", "987-65-4321", "area"}, {"us_ssn reserved=accept", "987-00-4321", "group"},
              {"us_ssn reserved=accept", "987-65-0000", "serial"});
}
END_TEST

START_TEST(identity_numbers_have_a_digit_and_are_not_all_zeroes)
{
    CHECK_GOOD({"driver_licence", "CA-ZZ3892619", NULL}, {"driver_licence", "i1234562", "I1234562"},
               {"passport", "L01X00T47", NULL}, {"passport", "c01x00t47", "C01X00T47"},
               {"government_id", "900101-1234", NULL}, {"health_id", "1EG4-TE5-MK73", NULL});
    CHECK_BAD({"driver_licence", "ABCDEF", "licence"}, {"driver_licence", "0000000", "licence"},
              {"driver_licence", "A1", "licence"}, {"driver_licence", "12345678901234567890123456", "licence"},
              {"driver_licence", "A_12345", "licence"}, {"passport", "1234567890", "passport"},
              {"passport", "1234", "passport"}, {"passport", "000000000", "passport"},
              {"government_id", "-12", "identity"}, {"health_id", "", "identity"});
}
END_TEST

/* RFC 5321 section 4.1.2, RFC 3696 section 3, RFC 6531 section 3.3. */
START_TEST(an_email_address_follows_rfc_5321_and_6531)
{
    CHECK_GOOD({"email", "ada@example.com", NULL}, {"email", "Ada.Lovelace+list@EXAMPLE.COM", NULL},
               {"email", "a!#$%&'*+-/=?^_`{|}~b@example.org", NULL}, {"email", "\"odd, 83\"@example.com", NULL},
               {"email", "\"a@b\"@example.com", NULL}, {"email", "\"a\\\"b\"@example.com", NULL},
               {"email", "j\xC3\xB6rg470@example.org", NULL},
               {"email",
                "user220@b\xC3\xBC"
                "cher.example",
                NULL},
               {"email", "user@xn--bcher-kva.example", NULL}, {"email", "a@b.c1", NULL},
               {"email", "a@[192.0.2.1]", NULL}, {"email", "a@[IPv6:2001:db8::1]", NULL},
               {"email", "1234567890123456789012345678901234567890123456789012345678901234@example.com", NULL},
               {"email", "\xE4\xBC\x9F@\xE6\xB5\x8B\xE8\xAF\x95.example", NULL});
    CHECK_BAD({"email", "", "no local part"}, {"email", "ada", "no local part"},
              {"email", "@example.com", "no local part"}, {"email", "\"ada@example.com", "no local part"},
              {"email", "ada@", "domain"}, {"email", "ada@example", "domain"},
              {"email", ".ada@example.com", "malformed"}, {"email", "ada.@example.com", "malformed"},
              {"email", "a..b@example.com", "malformed"}, {"email", "a b@example.com", "malformed"},
              {"email", "a@b@example.com", "domain"}, {"email", "ada@-example.com", "domain"},
              {"email", "ada@example-.com", "domain"}, {"email", "ada@exam_ple.com", "domain"},
              {"email", "ada@example..com", "domain"}, {"email", "ada@example.com.", "domain"},
              {"email", "ada@192.0.2.1", "domain"}, {"email", "ada@example.123", "domain"},
              {"email", "a@[192.0.2]", "literal"}, {"email", "a@[2001:db8::1]", "literal"},
              {"email", "a@[IPv6:192.0.2.1]", "literal"}, {"email", "a@[]", "literal"},
              {"email", "12345678901234567890123456789012345678901234567890123456789012345@example.com", "64 bytes"},
              {"email", "a@1234567890123456789012345678901234567890123456789012345678901234.com", "domain"},
              {"email",
               "a\xE2\x80\x8B"
               "b@example.com",
               "cannot be seen"},
              {"email", "ada@exam\xE2\x80\xAEple.com", "domain"}, {"email", "ada\n@example.com", "cannot be seen"},
              {"email", "ada@example.com\n", "domain"});
}
END_TEST

START_TEST(a_text_too_long_for_its_type_is_told_how_it_is_written)
{
    static const struct bad rows[] = {{"card_expiry", "12/2030", "allows, which is written as MM/YY."},
                                      {"date", "31 December 2030", "allows, which is written as YYYY-MM-DD."},
                                      {"birth_date", "1990-01-01T00:00:00Z", "allows, which is written as YYYY-MM-DD."},
                                      {"datetime", "Tuesday, the thirty-first of December 2030", "as 2026-07-01T00:00:00Z."},
                                      {"time", "half past noon, nearly", "allows, which is written as hh:mm or hh:mm:ss."},
                                      {"country", "USA", "allows, which is written as two letters."},
                                      {"region", "California", "allows, which is written as one to three characters"},
                                      {"us_ssn", "123 - 45 - 6789", "allows, which is written as NNN-NN-NNNN."},
                                      {"postal_code", "12345678901234567", "the 16 bytes that type postal_code allows."}};
    for (size_t i = 0; i < VT_ARRAY_LEN(rows); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        struct vt_value stored;
        struct vt_err err = {0};
        ck_assert_status(vt_check_text_input(&pool, rows[i].rule, vt_bytes_str(rows[i].input), &stored, &err), VAULT_E_TOO_LARGE);
        ck_assert_msg(strstr(err.message, rows[i].why) != NULL, "%s: %s", rows[i].rule, err.message);
        check_message(&err, rows[i].input);
    }
}
END_TEST

START_TEST(an_email_address_is_at_most_254_bytes)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_value stored;
    struct vt_err err = {0};
    char text[300] = "ada@";
    for (size_t i = 4; i < 254; i++) text[i] = i % 10 == 0 ? '.' : 'a';
    ck_assert_ok(vt_check_text_input(&pool, "email", vt_bytes_str(text), &stored, &err));
    text[254] = 'a';
    ck_assert_status(vt_check_text_input(&pool, "email", vt_bytes_str(text), &stored, &err), VAULT_E_TOO_LARGE);
    check_message(&err, "");
}
END_TEST

/* ITU-T E.164; 555-0100 to 555-0199 and the blocks of Ofcom are kept for fiction. */
START_TEST(a_phone_number_is_e164)
{
    CHECK_GOOD({"phone", "+18575550155", NULL}, {"phone", "+1 (857) 555-0155", "+18575550155"},
               {"phone", "+442079460018", NULL}, {"phone", "+49.30.23125.000", "+493023125000"},
               {"phone", "+6834000", NULL}, {"phone", "+353209101437", NULL}, {"phone", "+882161234567890", NULL});
    CHECK_BAD({"phone", "8575550155", "begins with +"}, {"phone", "0018575550155", "begins with +"},
              {"phone", "", "begins with +"}, {"phone", "+", "digits"}, {"phone", "+1857555015x", "digits"},
              {"phone", "++18575550155", "digits"}, {"phone", "+18575550155;ext=1", "digits"},
              {"phone", "+185755501551", "North American"}, {"phone", "+10575550155", "North American"},
              {"phone", "+18571550155", "North American"}, {"phone", "+1857555", "North American"},
              {"phone", "+44207", "7 to 15"}, {"phone", "+4420794600180000", "7 to 15"},
              {"phone", "+0445555555", "country"}, {"phone", "+9991234567", "country"},
              {"phone", "+2101234567", "country"});
}
END_TEST

START_TEST(a_birth_date_is_a_day_that_has_been)
{
    CHECK_GOOD({"birth_date", "1981-06-12", NULL}, {"birth_date", "2024-02-29", NULL},
               {"birth_date", "2000-02-29", NULL}, {"birth_date", "2026-07-01", NULL},
               {"birth_date", "1850-01-01", NULL});
    CHECK_BAD({"birth_date", "2026-07-02", "future"}, {"birth_date", "2027-01-01", "future"},
              {"birth_date", "1849-12-31", "1850"}, {"birth_date", "0198-06-12", "1850"},
              {"birth_date", "2026-02-30", "calendar"}, {"birth_date", "2023-02-29", "calendar"},
              {"birth_date", "1900-02-29", "calendar"}, {"birth_date", "2018-25-04", "calendar"},
              {"birth_date", "1981-6-12", "calendar"}, {"birth_date", "19810612", "calendar"},
              {"birth_date", "12/06/1981", "calendar"}, {"birth_date", "1981-06-1x", "calendar"},
              {"birth_date", "1981-00-10", "calendar"}, {"birth_date", "1981-10-00", "calendar"},
              {"birth_date", "", "calendar"}, {"birth_date", "1981-06", "calendar"});
}
END_TEST

START_TEST(a_birth_date_may_be_the_day_that_has_begun_in_the_east)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_field_rule rule = vt_rule(&pool, "birth_date");
    const struct vt_value tomorrow = vt_value_str("2026-07-02");
    struct vt_value stored;
    struct vt_field_check check = {"f", &rule.options, VT_TEST_NOW_MS + 10 * 3600000 - 1, &pool, NULL};
    ck_assert_status(vt_field_check_value(rule.type, &check, &tomorrow, &stored), VAULT_E_INVALID_VALUE);
    check.now_ms++;
    ck_assert_ok(vt_field_check_value(rule.type, &check, &tomorrow, &stored));
}
END_TEST

/* RFC 3339 section 5.8 and its neighbours. */
START_TEST(a_datetime_keeps_the_instant)
{
    CHECK_GOOD({"datetime", "2026-07-01T00:00:00Z", "2026-07-01T00:00:00.000Z"},
               {"datetime", "1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.520Z"},
               {"datetime", "1996-12-19T16:39:57-08:00", "1996-12-20T00:39:57.000Z"},
               {"datetime", "1937-01-01T12:00:27.87+00:20", "1937-01-01T11:40:27.870Z"},
               {"datetime", "2023-01-07t14:49:28.123000z", "2023-01-07T14:49:28.123Z"},
               {"datetime", "2024-02-29T23:59:59.999-00:00", "2024-02-29T23:59:59.999Z"},
               {"datetime", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"},
               {"datetime", "9999-12-31T23:59:59.999Z", NULL});
    CHECK_BAD({"datetime", "2026-07-01", "RFC 3339"}, {"datetime", "2026-07-01T00:00Z", "RFC 3339"},
              {"datetime", "2026-07-01 00:00:00Z", "RFC 3339"}, {"datetime", "2026-07-01T00:00:00", "offset"},
              {"datetime", "2026-07-01T24:00:00Z", "RFC 3339"}, {"datetime", "2026-02-30T00:00:00Z", "RFC 3339"},
              {"datetime", "2026-07-01T00:00:00.Z", "RFC 3339"},
              {"datetime", "2026-07-01T00:00:00.0001Z", "milliseconds"},
              {"datetime", "1990-12-31T23:59:60Z", "leap second"}, {"datetime", "2026-07-01T00:00:00+0200", "RFC 3339"},
              {"datetime", "2026-07-01T00:00:00+24:00", "RFC 3339"}, {"datetime", "2026-07-01T00:00:00Zx", "RFC 3339"},
              {"datetime", "0001-01-01T00:00:00+00:01", "years"}, {"datetime", "9999-12-31T23:59:59-00:01", "years"},
              {"datetime", "0000-01-01T00:00:00Z", "RFC 3339"}, {"datetime", "", "RFC 3339"});
}
END_TEST

START_TEST(dates_and_times_of_day_are_strict)
{
    CHECK_GOOD({"date", "0001-01-01", NULL}, {"date", "9999-12-31", NULL}, {"time", "08:15", "08:15:00"},
               {"time", "23:59:59", NULL}, {"time", "08:15:30.25", "08:15:30.250"},
               {"time", "08:15:30.000", "08:15:30"});
    CHECK_BAD({"date", "2023-02-29", "calendar"}, {"date", "0000-01-01", "calendar"}, {"time", "24:00", "hh:mm"},
              {"time", "8:15", "hh:mm"}, {"time", "08:60", "hh:mm"}, {"time", "08:15Z", "hh:mm"}, {"time", "", "hh:mm"},
              {"time", "08:15:60", "leap"}, {"time", "08:15:30.2505", "milliseconds"});
}
END_TEST

/* RFC 5952 sections 4 and 5; documentation ranges of RFC 5737 and RFC 3849. */
START_TEST(an_ip_address_has_one_spelling)
{
    CHECK_GOOD({"ip", "192.0.2.1", NULL}, {"ip", "2001:DB8::1", "2001:db8::1"},
               {"ip", "2001:0DB8:65CC:A844:0000:0000:0000:0592", "2001:db8:65cc:a844::592"},
               {"ip", "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"}, {"ip", "2001:db8:0:1:1:1:1:1", NULL},
               {"ip", "2001:0:0:1:0:0:0:1", "2001:0:0:1::1"}, {"ip", "0:0:0:0:0:0:0:0", "::"}, {"ip", "::1", NULL},
               {"ip", "1::", NULL}, {"ip", "::ffff:192.0.2.166", NULL}, {"ip", "::ffff:c000:2a6", "::ffff:192.0.2.166"},
               {"ip", "::FFFF:0.0.0.0", "::ffff:0.0.0.0"});
    CHECK_BAD({"ip", "192.0.2", "IPv4 or IPv6"}, {"ip", "192.0.2.256", "IPv4 or IPv6"},
              {"ip", "192.0.2.01", "IPv4 or IPv6"}, {"ip", "192.0.2.1/24", "IPv4 or IPv6"},
              {"ip", "fe80::1%eth0", "IPv4 or IPv6"}, {"ip", "2001:db8::1::2", "IPv4 or IPv6"},
              {"ip", ":::", "IPv4 or IPv6"}, {"ip", "", "IPv4 or IPv6"}, {"ip", " ::1", "IPv4 or IPv6"});
}
END_TEST

/* Addresses of RFC 7042 section 2.1.2, kept for documentation. */
START_TEST(a_mac_address_has_one_spelling)
{
    CHECK_GOOD({"mac", "00:00:5e:00:53:af", NULL}, {"mac", "00-00-5E-00-53-AF", "00:00:5e:00:53:af"},
               {"mac", "0000.5E00.53AF", "00:00:5e:00:53:af"}, {"mac", "00005E0053AF", "00:00:5e:00:53:af"});
    CHECK_BAD({"mac", "00:00:5e:00:53", "MAC"}, {"mac", "00:00:5e:00:53:ag", "MAC"},
              {"mac", "00:00-5e:00:53:af", "MAC"}, {"mac", "0000:5E00:53AF", "MAC"},
              {"mac", "00x00x5ex00x53xaf", "MAC"}, {"mac", "", "MAC"});
}
END_TEST

START_TEST(a_web_address_has_a_host_and_no_password)
{
    CHECK_GOOD({"url", "https://example.org", NULL}, {"url", "HTTP://Example.org:8080/a%20b?q=1#x", NULL},
               {"url", "https://[2001:db8::1]:8443/", NULL}, {"url", "https://192.0.2.1/", NULL},
               {"url", "http://localhost/", NULL});
    CHECK_BAD({"url", "ftp://example.org/", "scheme"}, {"url", "javascript:alert(1)", "http"},
              {"url", "https://", "http"}, {"url", "https:///path", "host"},
              {"url", "https://ada:secret@example.org/", "password"}, {"url", "https://exa mple.org/", "percent"},
              {"url", "https://example.org/%zz", "percent"}, {"url", "https://example.org/\xC3\xA9", "percent"},
              {"url", "https://example.org:99999/", "port"}, {"url", "https://exa_mple.org/", "host"},
              {"url", "https://[2001:db8::1/", "host"}, {"url", "", "http"});
}
END_TEST

/* RFC 5646 section 2.1.1 and appendix A. */
START_TEST(places_and_languages_take_their_usual_case)
{
    CHECK_GOOD({"country", "us", "US"}, {"country", "XK", NULL}, {"country", "gB", "GB"}, {"region", "ca", "CA"},
               {"region", "us-ca", "US-CA"}, {"region", "GB-ENG", NULL}, {"region", "6", NULL},
               {"postal_code", "02252", NULL}, {"postal_code", "97614-5832", NULL},
               {"postal_code", "z99 x001", "Z99 X001"}, {"postal_code", "000 00", NULL}, {"language", "en", NULL},
               {"language", "EN-us", "en-US"}, {"language", "zh-hans-cn", "zh-Hans-CN"},
               {"language", "de-CH-1996", NULL}, {"language", "sl-IT-nedis", NULL},
               {"language", "en-a-BB-x-cc", "en-a-bb-x-cc"}, {"language", "es-419", NULL});
    CHECK_BAD({"country", "U", "ISO 3166-1"}, {"country", "XX", "ISO 3166-1"}, {"country", "", "ISO 3166-1"},
              {"country", "1A", "ISO 3166-1"}, {"country", "SU", "ISO 3166-1"}, {"region", "XX-CA", "country code"},
              {"region", "CALI", "ISO 3166-2"}, {"region", "US-", "ISO 3166-2"}, {"region", "", "ISO 3166-2"},
              {"region", "C A", "ISO 3166-2"}, {"postal_code", "", "postal"}, {"postal_code", " 02252", "postal"},
              {"postal_code", "02252 ", "postal"},
              {"postal_code",
               "02\xC3\xA9"
               "52",
               "postal"},
              {"language", "e", "BCP 47"}, {"language", "e1", "BCP 47"}, {"language", "en-", "BCP 47"},
              {"language", "en--us", "BCP 47"}, {"language", "en-a", "BCP 47"}, {"language", "english12", "BCP 47"},
              {"language", "", "BCP 47"}, {"language", "en_US", "BCP 47"});
}
END_TEST

START_TEST(names_and_addresses_of_every_script_stay_byte_for_byte)
{
    CHECK_GOOD({"name", "O\xE2\x80\x99Neal", NULL}, {"name", "Jose\xCC\x81", NULL}, {"name", "\xE4\xBC\x9F", NULL},
               {"name", "X", NULL}, {"name", "Null", NULL}, {"name", " leading", NULL},
               {"name", "\xD9\x84\xD9\x8A\xD9\x84\xD9\x89", NULL}, {"address", "2556 Hazel Terrace\nFloor 11", NULL},
               {"address", "a\tb\r\nc", NULL});
    CHECK_BAD({"name", "", "empty"}, {"name", "Ada\nLovelace", "control"}, {"name", "bell\x07", "control"},
              {"name", "next\xC2\x85line", "control"}, {"name", "line\xE2\x80\xA8separator", "control"},
              {"address", "", "empty"}, {"address", "escape\x1B[31m", "control"}, {"address", "del\x7F", "control"});
}
END_TEST

START_TEST(opaque_references_hold_no_spaces)
{
    CHECK_GOOD({"token", "call-000001", NULL}, {"token", "tok_abc.DEF~1:2", NULL}, {"device_id", "cookie=abc/1", NULL},
               {"device_id", "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"},
               {"device_id", "F81D4FAE_7DEC-11D0-A765-00A0C91E6BF6", NULL});
    CHECK_BAD({"token", "", "empty"}, {"token", "a b", "letters"}, {"token", "a/b", "letters"},
              {"token", "\xC3\xA9", "letters"}, {"device_id", "", "empty"}, {"device_id", "a b", "printable"},
              {"device_id", "\xC3\xA9", "printable"});
}
END_TEST

START_TEST(an_enum_takes_what_its_schema_lists)
{
    CHECK_GOOD({"enum values=parent,self", "self", NULL});
    CHECK_BAD({"enum values=parent,self", "Self", "values"}, {"enum values=parent,self", "", "values"},
              {"enum values=parent,self", "parent,self", "values"});
}
END_TEST

START_TEST(free_text_is_kept_byte_for_byte_up_to_its_limit)
{
    CHECK_GOOD({"text", "", NULL}, {"text", "=SUM(A1:A9)*2", NULL}, {"text", "\t\r\n\x1B", NULL},
               {"text max=3", "abc", NULL}, {"text", "e\xCC\x81 versus \xC3\xA9", NULL});
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_value stored;
    struct vt_err err = {0};
    ck_assert_status(vt_check_text_input(&pool, "text max=3", vt_bytes_str("abcd"), &stored, &err), VAULT_E_TOO_LARGE);
    check_message(&err, "abcd");
    ck_assert_status(vt_check_text_input(&pool, "text max=2", vt_bytes_str("\xE4\xBC\x9F"), &stored, &err),
                     VAULT_E_TOO_LARGE);
}
END_TEST

/* Every type of text refuses the same broken text in the same way. */
START_TEST(no_type_takes_nul_or_broken_utf8)
{
    for (size_t i = 0; i < vt_field_type_count(); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        const struct vt_field_type *type = vt_field_type_at(i);
        struct vt_value stored;
        if (type->kind != VT_VALUE_TEXT || type->max_bytes < 3) continue;
        struct vt_field_options options = {.max = 100};
        struct vt_err err = {0};
        const struct vt_field_check check = {"f", &options, VT_TEST_NOW_MS, &pool, &err};
        const struct vt_value with_nul = vt_value_text(vt_bytes("a\0b", 3)),
                              broken = vt_value_text(vt_bytes("\xC3\x28", 2));
        ck_assert_status(vt_field_check_value(type, &check, &with_nul, &stored), VAULT_E_INVALID_VALUE);
        ck_assert_ptr_nonnull(strstr(err.message, "NUL"));
        ck_assert_status(vt_field_check_value(type, &check, &broken, &stored), VAULT_E_INVALID_VALUE);
        ck_assert_ptr_nonnull(strstr(err.message, "UTF-8"));
    }
}
END_TEST

START_TEST(numbers_and_truth_come_as_such_or_as_text)
{
    static const struct {
        const char *rule, *text;
        int64_t number;
    } ROWS[] = {{"integer", "0", 0},
                {"integer", "-7", -7},
                {"integer", "9223372036854775807", INT64_MAX},
                {"integer", "-9223372036854775808", INT64_MIN},
                {"duration", "14401", 14401},
                {"integer min=-5 max=5", "-5", -5}};
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        const struct vt_value number = vt_value_int(ROWS[i].number);
        const struct vt_value from_text = vt_stored(&pool, ROWS[i].rule, ROWS[i].text);
        struct vt_value from_number;
        ck_assert_ok(vt_check_input(&pool, ROWS[i].rule, &number, &from_number, NULL));
        ck_assert(vt_value_equal(&from_text, &number) && vt_value_equal(&from_number, &number));
    }
    CHECK_BAD({"integer", "", "whole number"}, {"integer", "-", "whole number"}, {"integer", "1.0", "whole number"},
              {"integer", "+1", "whole number"}, {"integer", "007", "whole number"}, {"integer", "-0", "whole number"},
              {"integer", "9223372036854775808", "whole number"}, {"integer", "1e5", "whole number"},
              {"integer min=-5 max=5", "6", "range"}, {"duration", "-1", "range"}, {"duration", "9999999999", "range"},
              {"boolean", "yes", "true"}, {"boolean", "TRUE", "true"}, {"boolean", "", "true"},
              {"boolean", "2", "true"});
}
END_TEST

START_TEST(truth_is_true_false_one_or_zero)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_value yes = vt_value_bool(true), no = vt_value_bool(false);
    struct vt_value stored = vt_stored(&pool, "boolean", "1");
    ck_assert(vt_value_equal(&stored, &yes));
    stored = vt_stored(&pool, "boolean", "true");
    ck_assert(vt_value_equal(&stored, &yes));
    stored = vt_stored(&pool, "boolean", "0");
    ck_assert(vt_value_equal(&stored, &no));
    stored = vt_stored(&pool, "boolean", "false");
    ck_assert(vt_value_equal(&stored, &no));
    ck_assert_ok(vt_check_input(&pool, "boolean", &yes, &stored, NULL));
    ck_assert(vt_value_equal(&stored, &yes));
}
END_TEST

START_TEST(a_wrong_kind_is_refused_as_a_type)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_value list = vt_value_array(), number = vt_value_int(5), yes = vt_value_bool(true);
    const struct vt_value bytes = vt_value_bytes(vt_bytes("x", 1)), nothing = VT_VALUE_INIT;
    struct vt_value stored;
    struct vt_err err = {0};
    ck_assert_status(vt_check_input(&pool, "email", &number, &stored, &err), VAULT_E_TYPE);
    check_message(&err, "");
    ck_assert_status(vt_check_input(&pool, "email", &list, &stored, &err), VAULT_E_TYPE);
    ck_assert_status(vt_check_input(&pool, "email", &bytes, &stored, &err), VAULT_E_TYPE);
    ck_assert_status(vt_check_input(&pool, "email", &nothing, &stored, &err), VAULT_E_TYPE);
    ck_assert_status(vt_check_input(&pool, "integer", &yes, &stored, &err), VAULT_E_TYPE);
    ck_assert_status(vt_check_input(&pool, "boolean", &number, &stored, &err), VAULT_E_TYPE);
    ck_assert_status(vt_check_input(&pool, "json", &bytes, &stored, &err), VAULT_E_TYPE);
}
END_TEST

START_TEST(json_takes_trees_up_to_its_size)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_value map = vt_value_map(), list = vt_value_array(), stored;
    ck_assert_ok(vt_value_push(&pool, &list, vt_value_str("red"), NULL));
    ck_assert_ok(vt_value_push(&pool, &list, VT_VALUE_INIT, NULL));
    ck_assert_ok(vt_value_put(&pool, &map, "tags", list, NULL));
    ck_assert_ok(vt_check_input(&pool, "json", &map, &stored, NULL));
    ck_assert(vt_value_equal(&stored, &map));
    ck_assert_status(vt_check_input(&pool, "json max=20", &map, &stored, NULL), VAULT_E_TOO_LARGE);
    ck_assert_ok(vt_check_input(&pool, "json max=60", &map, &stored, NULL));
}
END_TEST

START_TEST(a_blob_is_declared_and_cannot_be_stored)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_value bytes = vt_value_bytes(vt_bytes("x", 1));
    struct vt_value stored;
    struct vt_err err = {0};
    ck_assert_status(vt_check_input(&pool, "blob", &bytes, &stored, &err), VAULT_E_UNSUPPORTED);
    check_message(&err, "");
}
END_TEST

/* PCI DSS v4.0.1 requirement 3.3.1. */
START_TEST(security_codes_pins_and_tracks_have_no_type_and_no_name)
{
    static const char *const NAMES[] = {"cvv",           "cvc",
                                        "cvv2",          "cid",
                                        "security_code", "pin",
                                        "pin_block",     "track",
                                        "track1",        "track2",
                                        "magstripe",     "CVV",
                                        "Card CVV",      "card-security-code",
                                        "card_pin",      "Magnetic-Stripe",
                                        "track_2",       "cardCVC2",
                                        "c.v.v",         "card_verification_value",
                                        "customer_cvv2_x", "xcvvx",
                                        "old-mag-stripe-copy"};
    static const char *const HARMLESS[] = {"pinned", "tracking_number", "card",    "card_expiry",
                                           "cidr",   "opinion",         "pan",     "",
                                           "spin",   "track_id",        "security", "postal_pin_code_of_india", "cvs_receipt"};
    for (size_t i = 0; i < VT_ARRAY_LEN(NAMES); i++) {
        const char *why = vt_field_refused_name(vt_bytes_str(NAMES[i]));
        ck_assert_msg(why != NULL && strstr(why, "PCI DSS v4.0.1 requirement 3.3.1") != NULL, "%s", NAMES[i]);
        ck_assert_ptr_null(vt_field_type_find(vt_bytes_str(NAMES[i])));
    }
    for (size_t i = 0; i < VT_ARRAY_LEN(HARMLESS); i++) {
        ck_assert_msg(vt_field_refused_name(vt_bytes_str(HARMLESS[i])) == NULL, "%s", HARMLESS[i]);
    }
}
END_TEST

START_TEST(every_row_of_the_table_is_complete)
{
    for (size_t i = 0; i < vt_field_type_count(); i++) {
        const struct vt_field_type *type = vt_field_type_at(i);
        ck_assert_ptr_eq(vt_field_type_find(vt_bytes_str(type->name)), type);
        ck_assert_ptr_eq(vt_field_type_by_number(type->number), type);
        ck_assert(type->number != 0 && type->normal_version >= 1 && type->doc != NULL && type->source != NULL);
        ck_assert(isupper(type->doc[0]) || type->doc[0] == '5' || type->doc[0] == '4' || type->doc[0] == 't');
        ck_assert_int_eq(type->doc[strlen(type->doc) - 1], '.');
        ck_assert_int_eq(type->mask_doc[strlen(type->mask_doc) - 1], '.');
        ck_assert((type->flags & VT_FIELD_UNSTORABLE) != 0 || type->check != NULL);
        ck_assert((type->flags & VT_FIELD_INDEXABLE) == 0 || type->normalise != NULL);
        ck_assert((type->flags & VT_FIELD_NEVER_DISCLOSE) == 0 || (type->flags & VT_FIELD_SENSITIVE) != 0);
        ck_assert(type->default_mask != VT_MASK_PLAIN);
        for (size_t k = 0; k < i; k++) ck_assert_uint_ne(vt_field_type_at(k)->number, type->number);
    }
    ck_assert_ptr_null(vt_field_type_at(vt_field_type_count()));
    ck_assert_ptr_null(vt_field_type_by_number(0));
    ck_assert_ptr_null(vt_field_type_find(vt_bytes_str("PAN")));
}
END_TEST

/* Never disclosed, only held. */
START_TEST(what_is_never_disclosed_follows_from_the_type)
{
    static const char *const NEVER[] = {"pan",      "iban",          "account_number", "us_ssn", "driver_licence",
                                        "passport", "government_id", "health_id"};
    size_t found = 0;
    for (size_t i = 0; i < vt_field_type_count(); i++) {
        found += (vt_field_type_at(i)->flags & VT_FIELD_NEVER_DISCLOSE) != 0;
    }
    ck_assert_uint_eq(found, VT_ARRAY_LEN(NEVER));
    for (size_t i = 0; i < VT_ARRAY_LEN(NEVER); i++) {
        ck_assert((vt_field_type_find(vt_bytes_str(NEVER[i]))->flags & VT_FIELD_NEVER_DISCLOSE) != 0);
    }
}
END_TEST

static vault_status read_option(struct vt_pool *pool, const char *type, const char *key, struct vt_value value,
                                struct vt_err *err)
{
    struct vt_value map = vt_value_map();
    struct vt_field_options options;
    ck_assert_ok(vt_value_put(pool, &map, key, value, NULL));
    return vt_field_options_read(vt_field_type_find(vt_bytes_str(type)), &map, "f", pool, &options, err);
}

START_TEST(options_are_strict)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_err err = {0};
    struct vt_value twice = vt_value_array(), none = vt_value_array();
    ck_assert_ok(vt_value_push(&pool, &twice, vt_value_str("a"), NULL));
    ck_assert_ok(vt_value_push(&pool, &twice, vt_value_str("a"), NULL));
    const struct {
        const char *type, *key;
        struct vt_value value;
    } rows[] = {{"email", "max", vt_value_int(10)},
                {"pan", "reserved", vt_value_str("accept")},
                {"pan", "policy", vt_value_str("full")},
                {"pan", "policy", vt_value_bool(true)},
                {"us_ssn", "reserved", vt_value_str("yes")},
                {"text", "max", vt_value_int(0)},
                {"text", "max", vt_value_int(1 << 30)},
                {"text", "max", vt_value_str("10")},
                {"duration", "max", vt_value_int(-1)},
                {"enum", "values", none},
                {"enum", "values", twice},
                {"enum", "values", vt_value_str("a")}};
    for (size_t i = 0; i < VT_ARRAY_LEN(rows); i++) {
        ck_assert_status(read_option(&pool, rows[i].type, rows[i].key, rows[i].value, &err), VAULT_E_ARGUMENT);
        ck_assert_str_eq(err.field, "f");
        ck_assert_int_eq(err.message[strlen(err.message) - 1], '.');
    }
    const struct vt_value text = vt_value_str("x");
    struct vt_field_options options;
    ck_assert_status(vt_field_options_read(vt_field_type_find(vt_bytes_str("text")), &text, "f", &pool, &options, &err),
                     VAULT_E_ARGUMENT);
    ck_assert_status(vt_field_options_read(vt_field_type_find(vt_bytes_str("enum")), NULL, "f", &pool, &options, &err),
                     VAULT_E_ARGUMENT);
}
END_TEST

START_TEST(a_check_without_memory_says_so)
{
    static const char *const ROWS[][2] = {{"email", "ada@example.com"},
                                          {"phone", "+18575550155"},
                                          {"ip", "2001:db8::1"},
                                          {"pan", "4111111111111111"},
                                          {"iban", "GB29NWBK60161331926819"},
                                          {"us_ssn", "123-45-6789"},
                                          {"datetime", "2026-07-01T00:00:00Z"},
                                          {"language", "en"},
                                          {"country", "US"},
                                          {"mac", "00:00:5e:00:53:af"},
                                          {"name", "Ada"},
                                          {"time", "08:15"}};
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        VT_AUTO(vt_pool) empty = VT_POOL_INIT(0);
        const struct vt_field_type *type = vt_field_type_find(vt_bytes_str(ROWS[i][0]));
        struct vt_field_options options;
        vt_field_options_init(type, &options);
        options.policy = VT_PAN_TOKEN;
        const struct vt_field_check check = {"f", &options, VT_TEST_NOW_MS, &empty, NULL};
        const struct vt_value input = vt_value_str(ROWS[i][1]);
        struct vt_value stored;
        ck_assert_status(vt_field_check_value(type, &check, &input, &stored), VAULT_E_MEMORY);
    }
}
END_TEST

VT_TEST_MAIN("schema/field_types", a_card_number_has_length_luhn_and_issuer,
             a_card_number_without_the_token_policy_is_its_last_four_digits, a_brand_follows_from_prefix_and_length,
             an_expiry_is_month_and_year, an_iban_has_its_countrys_length_and_fitting_check_digits,
             an_iban_with_check_digits_that_are_never_issued_is_refused, an_account_number_is_not_all_zeroes,
             a_social_security_number_was_issuable, reserved_areas_are_taken_only_where_the_schema_says_so,
             identity_numbers_have_a_digit_and_are_not_all_zeroes, an_email_address_follows_rfc_5321_and_6531,
             an_email_address_is_at_most_254_bytes,
             a_text_too_long_for_its_type_is_told_how_it_is_written, a_phone_number_is_e164, a_birth_date_is_a_day_that_has_been,
             a_birth_date_may_be_the_day_that_has_begun_in_the_east, a_datetime_keeps_the_instant,
             dates_and_times_of_day_are_strict, an_ip_address_has_one_spelling, a_mac_address_has_one_spelling,
             a_web_address_has_a_host_and_no_password, places_and_languages_take_their_usual_case,
             names_and_addresses_of_every_script_stay_byte_for_byte, opaque_references_hold_no_spaces,
             an_enum_takes_what_its_schema_lists, free_text_is_kept_byte_for_byte_up_to_its_limit,
             no_type_takes_nul_or_broken_utf8, numbers_and_truth_come_as_such_or_as_text,
             truth_is_true_false_one_or_zero, a_wrong_kind_is_refused_as_a_type, json_takes_trees_up_to_its_size,
             a_blob_is_declared_and_cannot_be_stored, security_codes_pins_and_tracks_have_no_type_and_no_name,
             every_row_of_the_table_is_complete, what_is_never_disclosed_follows_from_the_type, options_are_strict,
             a_check_without_memory_says_so)
