#include "libvault/schema/field_type.h"

#include <inttypes.h>

#include "libvault/codec/limits.h"
#include "libvault/codec/text.h"
#include "libvault/schema/field_type_internal.h"

enum {
    TEXT_MAX = VT_LIMIT_CSV_CELL_BYTES,
    TEXT_DEFAULT = 4096,
    JSON_DEFAULT = 64 * 1024,
    ENUM_VALUES_MAX = 256,
    SENSITIVE = VT_FIELD_SENSITIVE,
    NEVER = VT_FIELD_SENSITIVE | VT_FIELD_NEVER_DISCLOSE,
    INDEXABLE = VT_FIELD_INDEXABLE,
    TYPED = VT_FIELD_TYPED,
};
static const int64_t DURATION_MAX_S = INT64_C(100) * 366 * 86400;

#define NOTHING_SHOWN "Nothing, always [redacted]."
#define TAIL_SHOWN "The last four characters; of six or seven the last two; of fewer none."

/* Numbers are bound into index entries: add at the end of a family, never renumber. */
static const struct vt_field_type TYPES[] = {
    /* free values */
    {.name = "text",
     .number = 1,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = INDEXABLE,
     .options = VT_OPTION_MAX,
     .max_bytes = TEXT_MAX,
     .default_mask = VT_MASK_REDACTED,
     .doc =
         "Any text without NUL, kept byte for byte; option max in bytes, 4096 when absent. Found alike: compatibility "
         "forms, case and runs of white space are folded.",
     .mask_doc = NOTHING_SHOWN,
     .source = "RFC 3629; UAX #15, NFKC_Casefold",
     .check = vt_check_text,
     .normalise = vt_normalise_folded},
    {.name = "integer",
     .number = 2,
     .normal_version = 1,
     .kind = VT_VALUE_INT,
     .flags = INDEXABLE | TYPED,
     .options = VT_OPTION_MIN | VT_OPTION_MAX,
     .default_mask = VT_MASK_REDACTED,
     .doc = "A whole number of 64 bits, or its decimal digits as text; options min and max.",
     .mask_doc = NOTHING_SHOWN,
     .source = "RFC 8259 section 6, without fraction and exponent",
     .check = vt_check_integer,
     .normalise = vt_normalise_integer},
    {.name = "boolean",
     .number = 3,
     .normal_version = 1,
     .kind = VT_VALUE_BOOL,
     .flags = TYPED,
     .default_mask = VT_MASK_REDACTED,
     .doc = "true or false, or one of the texts true, false, 1, 0. Cannot be indexed: half of all people would share a "
            "value.",
     .mask_doc = NOTHING_SHOWN,
     .source = "RFC 8259 section 3",
     .check = vt_check_boolean},
    {.name = "enum",
     .number = 4,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .options = VT_OPTION_VALUES,
     .max_bytes = VT_LIMIT_NAME_BYTES,
     .default_mask = VT_MASK_REDACTED,
     .doc = "One of the texts that option values lists, letter by letter.",
     .mask_doc = NOTHING_SHOWN,
     .source = "the schema",
     .check = vt_check_enum},
    {.name = "json",
     .number = 5,
     .normal_version = 1,
     .kind = VT_VALUE_MAP,
     .options = VT_OPTION_MAX,
     .max_bytes = TEXT_MAX,
     .default_mask = VT_MASK_REDACTED,
     .doc =
         "Any value of JSON, an object or list usually; option max in packed bytes, 65536 when absent. Not searched.",
     .mask_doc = NOTHING_SHOWN,
     .source = "RFC 8259",
     .check = vt_check_json},
    {.name = "blob",
     .number = 6,
     .normal_version = 1,
     .kind = VT_VALUE_BYTES,
     .flags = VT_FIELD_UNSTORABLE,
     .default_mask = VT_MASK_REDACTED,
     .doc = "A file or recording. Declared for schemas to come; this version cannot store it.",
     .mask_doc = NOTHING_SHOWN,
     .source = "vaultd"},
    {.name = "token",
     .number = 7,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = INDEXABLE,
     .max_bytes = 256,
     .default_mask = VT_MASK_REDACTED,
     .doc = "An opaque reference made by a machine: letters, digits and . _ ~ : - only, compared byte for byte.",
     .mask_doc = NOTHING_SHOWN,
     .source = "RFC 3986 section 2.3",
     .check = vt_check_token,
     .normalise = vt_normalise_same},
    {.name = "url",
     .number = 8,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = INDEXABLE,
     .max_bytes = 2048,
     .default_mask = VT_MASK_REDACTED,
     .doc = "An http or https address without user name or password, kept as given; other characters percent-encoded. "
            "Whether the page exists is not checked.",
     .mask_doc = "Scheme and host.",
     .source = "RFC 3986",
     .check = vt_check_url,
     .normalise = vt_normalise_url,
     .mask = vt_mask_url},

    /* who and where */
    {.name = "name",
     .number = 10,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = INDEXABLE,
     .max_bytes = 512,
     .default_mask = VT_MASK_REDACTED,
     .doc = "A person's name or a part of it, in any script, kept byte for byte; no control characters, not empty.",
     .mask_doc = NOTHING_SHOWN,
     .source = "UAX #15, NFKC_Casefold",
     .check = vt_check_name,
     .normalise = vt_normalise_folded},
    {.name = "address",
     .number = 11,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = INDEXABLE,
     .max_bytes = 1024,
     .default_mask = VT_MASK_REDACTED,
     .doc = "Lines of a postal address or one part of it, kept byte for byte; line breaks and tabs allowed, not empty. "
            "Whether the place exists is not checked.",
     .mask_doc = NOTHING_SHOWN,
     .source = "UAX #15, NFKC_Casefold",
     .check = vt_check_address,
     .normalise = vt_normalise_folded},
    {.name = "country",
     .number = 12,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = INDEXABLE,
     .max_bytes = 2,
     .form = "two letters",
     .default_mask = VT_MASK_REDACTED,
     .doc = "Two-letter country code in either case, stored in capitals; XK is taken.",
     .mask_doc = NOTHING_SHOWN,
     .source = "ISO 3166-1 alpha-2",
     .check = vt_check_country,
     .normalise = vt_normalise_same},
    {.name = "region",
     .number = 13,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = INDEXABLE,
     .max_bytes = 6,
     .form = "one to three characters, or as US-CA",
     .default_mask = VT_MASK_REDACTED,
     .doc = "State or region code of one to three characters, with or without its country (CA, US-CA), stored in "
            "capitals. "
            "Whether the country has such a region is not checked.",
     .mask_doc = NOTHING_SHOWN,
     .source = "ISO 3166-2",
     .check = vt_check_region,
     .normalise = vt_normalise_same},
    {.name = "postal_code",
     .number = 14,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = INDEXABLE,
     .max_bytes = 16,
     .default_mask = VT_MASK_REDACTED,
     .doc =
         "Letters and digits, single spaces or hyphens between, stored in capitals; leading zeroes stay. Found without "
         "spaces and hyphens. Whether the country has this code is not checked.",
     .mask_doc = NOTHING_SHOWN,
     .source = "UPU S42, the characters only",
     .check = vt_check_postal_code,
     .normalise = vt_normalise_alnum},
    {.name = "language",
     .number = 15,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = INDEXABLE,
     .max_bytes = 35,
     .default_mask = VT_MASK_REDACTED,
     .doc = "Language tag such as en or pt-BR, stored in its usual case. Whether the subtags are registered is not "
            "checked.",
     .mask_doc = NOTHING_SHOWN,
     .source = "RFC 5646 sections 2.1, 2.1.1",
     .check = vt_check_language,
     .normalise = vt_normalise_same},

    /* when */
    {.name = "birth_date",
     .number = 20,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = INDEXABLE | TYPED,
     .max_bytes = 10,
     .form = "YYYY-MM-DD",
     .default_mask = VT_MASK_REDACTED,
     .doc = "A day of the calendar as YYYY-MM-DD, from 1850 to the day that has begun anywhere on earth.",
     .mask_doc = "The year.",
     .source = "ISO 8601-1 section 5.2.2, extended format",
     .check = vt_check_birth_date,
     .normalise = vt_normalise_same,
     .mask = vt_mask_year},
    {.name = "date",
     .number = 21,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = INDEXABLE | TYPED,
     .max_bytes = 10,
     .form = "YYYY-MM-DD",
     .default_mask = VT_MASK_REDACTED,
     .doc = "A day of the calendar as YYYY-MM-DD, years 0001 to 9999.",
     .mask_doc = "The year.",
     .source = "ISO 8601-1 section 5.2.2, extended format",
     .check = vt_check_date,
     .normalise = vt_normalise_same,
     .mask = vt_mask_year},
    {.name = "datetime",
     .number = 22,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = INDEXABLE | TYPED,
     .max_bytes = 40,
     .form = "2026-07-01T00:00:00Z",
     .default_mask = VT_MASK_REDACTED,
     .doc = "An instant with its offset from UTC, to the millisecond; stored in UTC as 2026-07-01T00:00:00.000Z: the "
            "instant "
            "stays, the offset it was written with does not. Finer fractions and leap seconds are refused.",
     .mask_doc = "The year.",
     .source = "RFC 3339 section 5.6",
     .check = vt_check_datetime,
     .normalise = vt_normalise_same,
     .mask = vt_mask_year},
    {.name = "time",
     .number = 23,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = TYPED,
     .max_bytes = 16,
     .form = "hh:mm or hh:mm:ss",
     .default_mask = VT_MASK_REDACTED,
     .doc = "A time of day without date and offset, stored as hh:mm:ss, with milliseconds when there are any.",
     .mask_doc = NOTHING_SHOWN,
     .source = "RFC 3339 section 5.6, partial-time",
     .check = vt_check_time},
    {.name = "duration",
     .number = 24,
     .normal_version = 1,
     .kind = VT_VALUE_INT,
     .flags = TYPED,
     .options = VT_OPTION_MIN | VT_OPTION_MAX,
     .default_mask = VT_MASK_REDACTED,
     .doc = "Whole seconds from 0 to a hundred years; options min and max.",
     .mask_doc = NOTHING_SHOWN,
     .source = "vaultd",
     .check = vt_check_integer},

    /* how to reach and recognise */
    {.name = "email",
     .number = 30,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = INDEXABLE,
     .max_bytes = 254,
     .default_mask = VT_MASK_MASKED,
     .doc =
         "One address, quoted local parts and non-ASCII letters included, kept as given; the domain has two labels at "
         "least "
         "or is an address literal. Found without regard to case. Whether the mailbox or domain exists is not checked; "
         "xn-- labels are not decoded.",
     .mask_doc = "The first letter or digit of a local part of two or more bytes, and the domain.",
     .source = "RFC 5321 sections 2.3.5, 4.1.2, 4.5.3.1; RFC 6531 section 3.3",
     .check = vt_check_email,
     .normalise = vt_normalise_folded,
     .mask = vt_mask_email},
    {.name = "phone",
     .number = 31,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = INDEXABLE | TYPED,
     .max_bytes = 32,
     .default_mask = VT_MASK_MASKED,
     .doc = "An international number, + and country code first; spaces, hyphens, dots, brackets are dropped. Checked: "
            "country "
            "code, 7 to 15 digits, the shape of North American numbers. Not checked: lengths and prefixes of other "
            "countries, whether the number is in service.",
     .mask_doc = "The last two digits (last4: four).",
     .source = "ITU-T E.164; RFC 3966 section 3",
     .check = vt_check_phone,
     .normalise = vt_normalise_same,
     .mask = vt_mask_phone},
    {.name = "ip",
     .number = 32,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = INDEXABLE,
     .max_bytes = 45,
     .form = "an IPv4 or IPv6 address without zone",
     .default_mask = VT_MASK_MASKED,
     .doc = "IPv4 or IPv6 address without zone, stored in the canonical form; an IPv4-mapped IPv6 address is found as "
            "IPv4.",
     .mask_doc = "The network: 24 bits of IPv4, 48 of IPv6.",
     .source = "RFC 4291 section 2.2; RFC 5952 sections 4, 5",
     .check = vt_check_ip,
     .normalise = vt_normalise_ip,
     .mask = vt_mask_ip},
    {.name = "mac",
     .number = 33,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = INDEXABLE,
     .max_bytes = 17,
     .form = "six octets of two hexadecimal digits",
     .default_mask = VT_MASK_MASKED,
     .doc = "Six octets with colons, hyphens, dots or nothing between, stored in lower case with colons.",
     .mask_doc = "The first three octets, which name the maker.",
     .source = "IEEE 802-2014 section 8",
     .check = vt_check_mac,
     .normalise = vt_normalise_same,
     .mask = vt_mask_mac},
    {.name = "device_id",
     .number = 34,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = INDEXABLE,
     .max_bytes = 256,
     .default_mask = VT_MASK_REDACTED,
     .doc = "Identifier of a device, cookie or advertisement: printable ASCII without spaces; a UUID is stored in "
            "lower case.",
     .mask_doc = NOTHING_SHOWN,
     .source = "RFC 9562 section 4 for UUIDs",
     .check = vt_check_device_id,
     .normalise = vt_normalise_same},

    /* money */
    {.name = "pan",
     .number = 40,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = NEVER | INDEXABLE,
     .options = VT_OPTION_POLICY,
     .max_bytes = 40,
     .default_mask = VT_MASK_LAST4,
     .doc = "Card number. With policy last4, the default, its last four digits and no more; with policy token the "
            "number: 12 to 19 "
            "digits, spaces or hyphens between groups dropped, length of its issuer, Luhn. Stored as digits only; the "
            "original "
            "grouping is not kept. Whether the card exists is not checked.",
     .mask_doc =
         "The first six and last four digits, the first six only when five digits stay hidden; last4: the last four.",
     .source = "ISO/IEC 7812-1; PCI DSS v4.0.1 requirement 3.4.1",
     .check = vt_check_pan,
     .normalise = vt_normalise_same,
     .mask = vt_mask_pan},
    {.name = "card_expiry",
     .number = 41,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = SENSITIVE,
     .max_bytes = 5,
     .form = "MM/YY",
     .default_mask = VT_MASK_REDACTED,
     .doc = "Month and year as MM/YY; the past is allowed.",
     .mask_doc = NOTHING_SHOWN,
     .source = "ISO/IEC 7813",
     .check = vt_check_card_expiry},
    {.name = "iban",
     .number = 42,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = NEVER | INDEXABLE,
     .max_bytes = 64,
     .default_mask = VT_MASK_MASKED,
     .doc = "International account number: length of its country, check digits; stored in capitals without spaces. "
            "National "
            "check digits and whether the account exists are not checked.",
     .mask_doc = "The country and the last four characters.",
     .source = "ISO 13616-1; ISO 7064 MOD 97-10",
     .check = vt_check_iban,
     .normalise = vt_normalise_same,
     .mask = vt_mask_iban},
    {.name = "account_number",
     .number = 43,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = NEVER | INDEXABLE,
     .max_bytes = 40,
     .default_mask = VT_MASK_LAST4,
     .doc =
         "Domestic account number: four letters or digits at least, single spaces, hyphens or slashes between, not all "
         "zeroes; kept as given, found without separators. No check digits are checked.",
     .mask_doc = TAIL_SHOWN,
     .source = "vaultd",
     .check = vt_check_account_number,
     .normalise = vt_normalise_alnum,
     .mask = vt_mask_tail},

    /* numbers that a state or insurer gave */
    {.name = "us_ssn",
     .number = 50,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = NEVER | INDEXABLE,
     .options = VT_OPTION_RESERVED,
     .max_bytes = 11,
     .form = "NNN-NN-NNNN",
     .default_mask = VT_MASK_LAST4,
     .doc = "Social Security number, stored as NNN-NN-NNNN. Areas 000, 666, 900 to 999 were never issued and are "
            "refused unless "
            "option reserved says accept (test data); group 00 and serial 0000 always. Whether it was issued is not "
            "checked.",
     .mask_doc = TAIL_SHOWN,
     .source = "SSA, randomization of Social Security numbers, 2011",
     .check = vt_check_us_ssn,
     .normalise = vt_normalise_alnum,
     .mask = vt_mask_tail},
    {.name = "driver_licence",
     .number = 51,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = NEVER | INDEXABLE,
     .max_bytes = 40,
     .default_mask = VT_MASK_LAST4,
     .doc = "4 to 25 letters and digits, one digit at least, single spaces or hyphens between, not all zeroes; stored "
            "in capitals, "
            "found without separators. The forms of single states are not checked.",
     .mask_doc = TAIL_SHOWN,
     .source = "AAMVA card design standard, customer id number",
     .check = vt_check_driver_licence,
     .normalise = vt_normalise_alnum,
     .mask = vt_mask_tail},
    {.name = "passport",
     .number = 52,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = NEVER | INDEXABLE,
     .max_bytes = 20,
     .form = "5 to 9 letters and digits",
     .default_mask = VT_MASK_LAST4,
     .doc = "5 to 9 letters and digits, one digit at least, not all zeroes; stored in capitals. The check digit of the "
            "machine-readable zone is not part of the number.",
     .mask_doc = TAIL_SHOWN,
     .source = "ICAO Doc 9303 part 4",
     .check = vt_check_passport,
     .normalise = vt_normalise_alnum,
     .mask = vt_mask_tail},
    {.name = "government_id",
     .number = 53,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = NEVER | INDEXABLE,
     .max_bytes = 48,
     .default_mask = VT_MASK_LAST4,
     .doc = "Any other number that a state gave: 3 to 32 letters and digits, one digit at least, not all zeroes; "
            "stored in capitals.",
     .mask_doc = TAIL_SHOWN,
     .source = "vaultd",
     .check = vt_check_identity_number,
     .normalise = vt_normalise_alnum,
     .mask = vt_mask_tail},
    {.name = "health_id",
     .number = 54,
     .normal_version = 1,
     .kind = VT_VALUE_TEXT,
     .flags = NEVER | INDEXABLE,
     .max_bytes = 48,
     .default_mask = VT_MASK_LAST4,
     .doc = "Health insurance or medical record number: 3 to 32 letters and digits, one digit at least, not all "
            "zeroes; stored in "
            "capitals.",
     .mask_doc = TAIL_SHOWN,
     .source = "vaultd",
     .check = vt_check_identity_number,
     .normalise = vt_normalise_alnum,
     .mask = vt_mask_tail},
};

size_t vt_field_type_count(void)
{
    return VT_ARRAY_LEN(TYPES);
}

const struct vt_field_type *vt_field_type_at(size_t index)
{
    return index < VT_ARRAY_LEN(TYPES) ? &TYPES[index] : NULL;
}

const struct vt_field_type *vt_field_type_find(struct vt_bytes name)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(TYPES); i++) {
        if (vt_bytes_equal_str(name, TYPES[i].name)) return &TYPES[i];
    }
    return NULL;
}

const struct vt_field_type *vt_field_type_by_number(uint16_t number)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(TYPES); i++) {
        if (TYPES[i].number == number) return &TYPES[i];
    }
    return NULL;
}

/* Sensitive authentication data under the names it goes by; separators and case are taken out before comparing. */
#define CODE_TEXT \
    "A card security code is never stored: PCI DSS v4.0.1 requirement 3.3.1.2 forbids keeping it after authorisation."
#define PIN_TEXT \
    "A card PIN is never stored: PCI DSS v4.0.1 requirement 3.3.1.3 forbids keeping it after authorisation."
#define TRACK_TEXT \
    "Track data of a card is never stored: PCI DSS v4.0.1 requirement 3.3.1.1 forbids keeping it after authorisation."
static const struct refused_name {
    const char *name, *why;
} REFUSED_NAMES[] = {
    {"cvv", CODE_TEXT},
    {"cvv1", CODE_TEXT},
    {"cvv2", CODE_TEXT},
    {"icvv", CODE_TEXT},
    {"dcvv", CODE_TEXT},
    {"cvc", CODE_TEXT},
    {"cvc1", CODE_TEXT},
    {"cvc2", CODE_TEXT},
    {"cid", CODE_TEXT},
    {"csc", CODE_TEXT},
    {"cvn", CODE_TEXT},
    {"cvn2", CODE_TEXT},
    {"cav2", CODE_TEXT},
    {"cve", CODE_TEXT},
    {"csccode", CODE_TEXT},
    {"cvvcode", CODE_TEXT},
    {"cvccode", CODE_TEXT},
    {"securitycode", CODE_TEXT},
    {"verificationcode", CODE_TEXT},
    {"verificationvalue", CODE_TEXT},
    {"verificationnumber", CODE_TEXT},
    {"validationcode", CODE_TEXT},
    {"pin", PIN_TEXT},
    {"pinblock", PIN_TEXT},
    {"pincode", PIN_TEXT},
    {"pinnumber", PIN_TEXT},
    {"pvv", PIN_TEXT},
    {"track", TRACK_TEXT},
    {"track1", TRACK_TEXT},
    {"track2", TRACK_TEXT},
    {"track3", TRACK_TEXT},
    {"trackdata", TRACK_TEXT},
    {"track1data", TRACK_TEXT},
    {"track2data", TRACK_TEXT},
    {"fulltrack", TRACK_TEXT},
    {"magstripe", TRACK_TEXT},
    {"magneticstripe", TRACK_TEXT},
    {"magstripedata", TRACK_TEXT},
    {"magneticstripedata", TRACK_TEXT},
    {"chipdata", TRACK_TEXT},
};

/* Parts that no other word holds: a prefix or a number around them hides nothing. */
static const struct refused_name REFUSED_PARTS[] = {
    {"cvv", CODE_TEXT},      {"cvc2", CODE_TEXT},       {"cav2", CODE_TEXT},
    {"pinblock", PIN_TEXT},  {"magstripe", TRACK_TEXT}, {"magneticstripe", TRACK_TEXT},
};

const char *vt_field_refused_name(struct vt_bytes name)
{
    char plain[VT_LIMIT_NAME_BYTES + 1];
    size_t len = 0;
    for (size_t i = 0; i < name.len; i++) {
        const uint8_t c = name.data[i];
        if (c == '_' || c == '-' || c == ' ' || c == '.') continue;
        if (len == sizeof plain - 1) return NULL;
        plain[len++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    plain[len] = 0;
    const char *bare = len > 4 && strncmp(plain, "card", 4) == 0 ? plain + 4 : plain;
    for (size_t i = 0; i < VT_ARRAY_LEN(REFUSED_NAMES); i++) {
        if (strcmp(bare, REFUSED_NAMES[i].name) == 0) return REFUSED_NAMES[i].why;
    }
    for (size_t i = 0; i < VT_ARRAY_LEN(REFUSED_PARTS); i++) {
        if (strstr(plain, REFUSED_PARTS[i].name) != NULL) return REFUSED_PARTS[i].why;
    }
    return NULL;
}

static bool takes(const struct vt_field_type *type, enum vt_field_option option)
{
    return (type->options & option) != 0;
}

void vt_field_options_init(const struct vt_field_type *type, struct vt_field_options *out_options)
{
    *out_options = (struct vt_field_options){.min = INT64_MIN, .max = INT64_MAX};
    if (strcmp(type->name, "text") == 0) out_options->max = TEXT_DEFAULT;
    if (strcmp(type->name, "json") == 0) out_options->max = JSON_DEFAULT;
    if (strcmp(type->name, "duration") == 0) {
        out_options->min = 0;
        out_options->max = DURATION_MAX_S;
    }
}

/* Where one option stands, for the readers below. */
struct option_site {
    const struct vt_field_type *type;
    const char *field;
    struct vt_pool *pool;
    struct vt_err *err;
};

static vault_status refuse_option(const struct option_site *site, const char *option, const char *wanted)
{
    return vt_fail(site->err, VAULT_E_ARGUMENT, site->field, "Field %s: option %s must be %s.", site->field, option,
                   wanted);
}

static VT_RESULT read_number(const struct option_site *site, const char *option, const struct vt_value *value,
                             int64_t low, int64_t high, int64_t *out_number)
{
    if (value->kind != VT_VALUE_INT) return refuse_option(site, option, "a whole number");
    if (value->integer < low || value->integer > high) {
        return vt_fail(site->err, VAULT_E_ARGUMENT, site->field,
                       "Field %s: option %s must lie between %" PRId64 " and %" PRId64 ".", site->field, option, low,
                       high);
    }
    *out_number = value->integer;
    return VAULT_OK;
}

static VT_RESULT read_values(const struct option_site *site, const struct vt_value *list,
                             struct vt_field_options *options)
{
    static const char WANTED[] = "a list of 1 to 256 different texts of 1 to 64 bytes";
    if (list->kind != VT_VALUE_ARRAY || list->array.count == 0 || list->array.count > ENUM_VALUES_MAX) {
        return refuse_option(site, "values", WANTED);
    }
    struct vt_bytes *values = vt_pool_calloc(site->pool, list->array.count, sizeof *values);
    VT_ENSURE(values != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i < list->array.count; i++) {
        const struct vt_value *item = &list->array.items[i];
        bool is_fit = item->kind == VT_VALUE_TEXT && item->bytes.len != 0 && item->bytes.len <= VT_LIMIT_NAME_BYTES;
        is_fit = is_fit && memchr(item->bytes.data, 0, item->bytes.len) == NULL;
        for (size_t k = 0; is_fit && k < i; k++) is_fit = !vt_bytes_equal(values[k], item->bytes);
        if (!is_fit) return refuse_option(site, "values", WANTED);
        values[i] = item->bytes;
    }
    options->values = values;
    options->value_count = list->array.count;
    return VAULT_OK;
}

static VT_RESULT read_choice(const struct option_site *site, const char *option, const struct vt_value *value,
                             const char *otherwise, const char *chosen, bool *out_is_chosen)
{
    const bool is_text = value->kind == VT_VALUE_TEXT;
    *out_is_chosen = is_text && vt_bytes_equal_str(value->bytes, chosen);
    if (*out_is_chosen || (is_text && vt_bytes_equal_str(value->bytes, otherwise))) return VAULT_OK;
    return vt_fail(site->err, VAULT_E_ARGUMENT, site->field, "Field %s: option %s must be %s or %s.", site->field,
                   option, otherwise, chosen);
}

static VT_RESULT read_option(const struct option_site *site, const struct vt_pair *pair,
                             struct vt_field_options *options)
{
    const struct vt_field_type *type = site->type;
    const bool is_text = type->kind != VT_VALUE_INT;
    const bool is_duration = type->kind == VT_VALUE_INT && options->min == 0;
    const int64_t low = is_text ? 1 : is_duration ? 0 : INT64_MIN;
    const int64_t high = is_text ? (int64_t)type->max_bytes : is_duration ? DURATION_MAX_S : INT64_MAX;
    bool is_chosen;
    if (takes(type, VT_OPTION_MAX) && vt_bytes_equal_str(pair->key, "max")) {
        return read_number(site, "max", &pair->value, low, high, &options->max);
    }
    if (takes(type, VT_OPTION_MIN) && vt_bytes_equal_str(pair->key, "min")) {
        return read_number(site, "min", &pair->value, low, high, &options->min);
    }
    if (takes(type, VT_OPTION_VALUES) && vt_bytes_equal_str(pair->key, "values")) {
        return read_values(site, &pair->value, options);
    }
    if (takes(type, VT_OPTION_RESERVED) && vt_bytes_equal_str(pair->key, "reserved")) {
        VT_TRY(read_choice(site, "reserved", &pair->value, "refuse", "accept", &is_chosen));
        options->accept_reserved = is_chosen;
        return VAULT_OK;
    }
    if (takes(type, VT_OPTION_POLICY) && vt_bytes_equal_str(pair->key, "policy")) {
        VT_TRY(read_choice(site, "policy", &pair->value, "last4", "token", &is_chosen));
        options->policy = is_chosen ? VT_PAN_TOKEN : VT_PAN_LAST4;
        return VAULT_OK;
    }
    return vt_fail(site->err, VAULT_E_ARGUMENT, site->field, "Field %s: type %s has no option of this name (line %u).",
                   site->field, type->name, (unsigned)pair->value.line);
}

VT_RESULT vt_field_options_read(const struct vt_field_type *type, const struct vt_value *map, const char *field,
                                struct vt_pool *pool, struct vt_field_options *out_options, struct vt_err *err)
{
    const struct option_site site = {type, field, pool, err};
    const bool is_absent = map == NULL || map->kind == VT_VALUE_NIL;
    struct vt_field_options options;
    vt_field_options_init(type, &options);
    if (!is_absent && map->kind != VT_VALUE_MAP) {
        return vt_fail(err, VAULT_E_ARGUMENT, field, "Field %s: options must be a map.", field);
    }
    for (size_t i = 0; !is_absent && i < map->map.count; i++) VT_TRY(read_option(&site, &map->map.pairs[i], &options));
    if (options.min > options.max) return refuse_option(&site, "min", "no larger than option max");
    if (takes(type, VT_OPTION_VALUES) && options.value_count == 0) {
        return refuse_option(&site, "values", "given: the texts that the field may hold");
    }
    *out_options = options;
    return VAULT_OK;
}

static VT_RESULT put_values(const struct vt_field_options *options, struct vt_pool *pool, struct vt_value *map)
{
    struct vt_value list = vt_value_array();
    for (size_t i = 0; i < options->value_count; i++) {
        VT_TRY(vt_value_push(pool, &list, vt_value_text(options->values[i]), NULL));
    }
    return vt_value_put(pool, map, "values", list, NULL);
}

VT_RESULT vt_field_options_write(const struct vt_field_type *type, const struct vt_field_options *options,
                                 struct vt_pool *pool, struct vt_value *out_map)
{
    struct vt_value map = vt_value_map();
    struct vt_field_options defaults;
    vt_field_options_init(type, &defaults);
    if (options->accept_reserved) VT_TRY(vt_value_put(pool, &map, "reserved", vt_value_str("accept"), NULL));
    if (options->policy == VT_PAN_TOKEN) VT_TRY(vt_value_put(pool, &map, "policy", vt_value_str("token"), NULL));
    if (options->min != defaults.min) VT_TRY(vt_value_put(pool, &map, "min", vt_value_int(options->min), NULL));
    if (options->max != defaults.max) VT_TRY(vt_value_put(pool, &map, "max", vt_value_int(options->max), NULL));
    if (options->value_count != 0) VT_TRY(put_values(options, pool, &map));
    *out_map = map.map.count != 0 ? map : VT_VALUE_INIT;
    return VAULT_OK;
}

/* Text for types of text; a number or its digits; a truth value or its name; anything for json. */
static bool is_kind_fit(const struct vt_field_type *type, enum vt_value_kind kind)
{
    if (type->kind == VT_VALUE_MAP) return kind != VT_VALUE_NIL && kind != VT_VALUE_BYTES;
    return kind == VT_VALUE_TEXT || kind == type->kind;
}

static VT_RESULT check_kind(const struct vt_field_type *type, const struct vt_field_check *check,
                            const struct vt_value *input)
{
    if (!is_kind_fit(type, input->kind)) {
        return vt_fail(check->err, VAULT_E_TYPE, check->field, "Field %s is of type %s, which takes no %s.",
                       check->field, type->name, vt_value_kind_name(input->kind));
    }
    if (input->kind != VT_VALUE_TEXT || type->kind == VT_VALUE_MAP) return VAULT_OK;
    if (type->max_bytes != 0 && input->bytes.len > type->max_bytes) {
        return vt_fail(check->err, VAULT_E_TOO_LARGE, check->field,
                       "Field %s is longer than the %u bytes that type %s allows%s%s.", check->field,
                       (unsigned)type->max_bytes, type->name, type->form != NULL ? ", which is written as " : "",
                       type->form != NULL ? type->form : "");
    }
    const bool has_nul = input->bytes.len != 0 && memchr(input->bytes.data, 0, input->bytes.len) != NULL;
    if (has_nul) return vt_field_refuse(check, "holds a NUL character");
    if (!vt_utf8_is_valid(input->bytes)) return vt_field_refuse(check, "is not valid UTF-8");
    return VAULT_OK;
}

VT_RESULT vt_field_check_value(const struct vt_field_type *type, const struct vt_field_check *check,
                               const struct vt_value *input, struct vt_value *out_stored)
{
    if ((type->flags & VT_FIELD_UNSTORABLE) != 0) {
        return vt_fail(check->err, VAULT_E_UNSUPPORTED, check->field,
                       "Field %s is of type %s, which this version cannot store.", check->field, type->name);
    }
    VT_TRY(check_kind(type, check, input));
    struct vt_value stored = VT_VALUE_INIT;
    VT_TRY(type->check(check, input, &stored));
    *out_stored = stored;
    return VAULT_OK;
}

VT_RESULT vt_field_index_bytes(const struct vt_field_type *type, const struct vt_value *stored, struct vt_pool *pool,
                               struct vt_bytes *out_bytes)
{
    enum { PREFIX_LEN = 3 };
    struct vt_bytes normal;
    VT_ENSURE((type->flags & VT_FIELD_INDEXABLE) != 0 && stored->kind == type->kind, VAULT_E_TYPE);
    VT_TRY(type->normalise(pool, stored, &normal));
    uint8_t *bytes = vt_pool_alloc(pool, PREFIX_LEN + normal.len);
    VT_ENSURE(bytes != NULL, VAULT_E_MEMORY);
    vt_put_u16(bytes, type->number);
    bytes[2] = type->normal_version;
    if (normal.len != 0) memcpy(bytes + PREFIX_LEN, normal.data, normal.len);
    *out_bytes = vt_bytes(bytes, PREFIX_LEN + normal.len);
    return VAULT_OK;
}

static const char *const MASK_NAMES[] = {
    [VT_MASK_PLAIN] = "plain", [VT_MASK_MASKED] = "masked", [VT_MASK_LAST4] = "last4", [VT_MASK_REDACTED] = "redacted"};

bool vt_mask_find(struct vt_bytes name, enum vt_mask *out_mask)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(MASK_NAMES); i++) {
        if (!vt_bytes_equal_str(name, MASK_NAMES[i])) continue;
        *out_mask = (enum vt_mask)i;
        return true;
    }
    return false;
}

const char *vt_mask_name(enum vt_mask mask)
{
    return MASK_NAMES[mask];
}

VT_RESULT vt_field_mask_value(const struct vt_field_type *type, const struct vt_value *stored, enum vt_mask mask,
                              struct vt_pool *pool, struct vt_value *out_shown)
{
    struct vt_bytes text;
    if (mask == VT_MASK_PLAIN) {
        *out_shown = *stored;
        return VAULT_OK;
    }
    const bool has_mask = type->mask != NULL && stored->kind == VT_VALUE_TEXT && mask != VT_MASK_REDACTED;
    VT_TRY(has_mask ? type->mask(pool, stored->bytes, mask, &text) : vt_mask_redacted(pool, &text));
    *out_shown = vt_value_text(text);
    return VAULT_OK;
}
