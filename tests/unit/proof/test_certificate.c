/* Certificates of destruction: their text is pinned here byte for byte (docs/FORMAT.md "Certificate of
 * destruction"). */
#include <stdio.h>

#include "libvault/codec/text.h"
#include "libvault/crypto/digest.h"
#include "libvault/proof/audit_leaf.h"
#include "libvault/proof/certificate.h"
#include "tests/support/suite.h"

static const char EFFECTIVE_TEXT[] =
    "vaultd certificate of destruction v2\n"
    "vault: 000102030405060708090a0b0c0d0e0f\n"
    "incarnation: 1\n"
    "number: 42\n"
    "state: effective\n"
    "reference commitment: c4071c101a313ebd4acadda9fcc8182119db29ac0928fd1814e4d60ba5a00545\n"
    "request: 10101010101010101010101010101010\n"
    "scope: categories\n"
    "subjects: 1\n"
    "records: 3\n"
    "rows: 12\n"
    "index entries: 5\n"
    "deterministic tokens: 2\n"
    "blobs: 0\n"
    "categories: 2\n"
    "category 1: A\n"
    "category 2: online-activity\n"
    "legal basis: gdpr-17-1-b\n"
    "requested: 2026-07-01T00:00:00.000Z\n"
    "effective: 2026-07-01T00:00:01.250Z\n"
    "final: not before 2026-07-08T00:00:00.000Z\n"
    "epochs: 17 to 18\n"
    "attempt: 20202020202020202020202020202020\n"
    "method: cryptographic erase, NIST SP 800-88 Rev. 1\n"
    "keepers: 3\n"
    "keeper 1: id 7 class E1 erased receipt 3131313131313131313131313131313131313131313131313131313131313131\n"
    "keeper 2: id 8 class E2 waiting\n"
    "keeper 3: id 18446744073709551615 class E4 erased receipt "
    "3232323232323232323232323232323232323232323232323232323232323232\n"
    "threshold: 2 of 3\n"
    "custodians: 1\n"
    "custodian 1: id 9 class E0 waiting\n"
    "recovery window: open until 2026-07-08T00:00:00.000Z\n"
    "index era: closed 2026-07-01T00:00:00.500Z\n"
    "software: vaultd 0.1.0\n"
    "backups: 2\n"
    "backup 1: 40404040404040404040404040404040 expires 2026-10-01T00:00:00.000Z\n"
    "backup 2: 41414141414141414141414141414141 never expires\n"
    "kept: 1\n"
    "kept 1: minimum-retention 4\n"
    "exclusions: 2\n"
    "exclusion 1: export 1\n"
    "exclusion 2: ff1-set 0\n"
    "approvals: 1\n"
    "approval 1: 50505050505050505050505050505050 at 2026-06-30T12:00:00.000Z\n"
    "assumptions: 2\n"
    "assumption 1: E0: logically overwritten\n"
    "assumption 2: The vault's memory was not captured while the data existed.\n"
    "test clock: no\n";

static const char PENDING_TEXT[] =
    "vaultd certificate of destruction v2\n"
    "vault: 000102030405060708090a0b0c0d0e0f\n"
    "incarnation: 1\n"
    "number: 43\n"
    "state: pending\n"
    "reference commitment: none\n"
    "request: none\n"
    "scope: whole subject\n"
    "subjects: 1\n"
    "records: 0\n"
    "rows: 0\n"
    "index entries: 0\n"
    "deterministic tokens: 0\n"
    "blobs: 0\n"
    "categories: 0\n"
    "legal basis: ccpa-1798.105\n"
    "requested: 2026-07-01T00:00:00.000Z\n"
    "effective: not yet\n"
    "final: never (keeper class E0 does not count towards final)\n"
    "epochs: not yet\n"
    "attempt: not yet\n"
    "method: cryptographic erase, NIST SP 800-88 Rev. 1\n"
    "keepers: 1\n"
    "keeper 1: id 7 class E0 waiting\n"
    "threshold: 1 of 1\n"
    "custodians: 0\n"
    "recovery window: none\n"
    "index era: none\n"
    "software: vaultd 0.1.0\n"
    "backups: 0\n"
    "kept: 0\n"
    "exclusions: 0\n"
    "approvals: 0\n"
    "assumptions: 0\n"
    "test clock: yes\n";

static const int64_t DAY_MS = 86400000, REQUESTED = 1782864000000;

/* The parts that a sample borrows, so that a test may change them. */
struct sample {
    struct vt_certificate_keeper keepers[3], custodians[1];
    struct vt_certificate_backup backups[2];
    struct vt_certificate_count kept[1], exclusions[2];
    struct vt_certificate_approval approvals[1];
    struct vt_bytes categories[2], assumptions[2];
    struct vt_certificate certificate;
};

static void fill_keepers(struct sample *s)
{
    s->keepers[0] = (struct vt_certificate_keeper){7, VT_ERASE_E1, VT_ERASE_DONE, {0}};
    s->keepers[1] = (struct vt_certificate_keeper){8, VT_ERASE_E2, VT_ERASE_WAITING, {0}};
    s->keepers[2] = (struct vt_certificate_keeper){UINT64_MAX, VT_ERASE_E4, VT_ERASE_DONE, {0}};
    s->custodians[0] = (struct vt_certificate_keeper){9, VT_ERASE_E0, VT_ERASE_WAITING, {0}};
    memset(s->keepers[0].receipt, 0x31, 32);
    memset(s->keepers[2].receipt, 0x32, 32);
}

static void fill_lists(struct sample *s)
{
    fill_keepers(s);
    memset(s->backups[0].id, 0x40, 16);
    memset(s->backups[1].id, 0x41, 16);
    s->backups[0].expires_ms = REQUESTED + 92 * DAY_MS;
    s->kept[0] = (struct vt_certificate_count){vt_bytes_str("minimum-retention"), 4};
    s->exclusions[0] = (struct vt_certificate_count){vt_bytes_str("export"), 1};
    s->exclusions[1] = (struct vt_certificate_count){vt_bytes_str("ff1-set"), 0};
    memset(s->approvals[0].principal, 0x50, 16);
    s->approvals[0].at_ms = REQUESTED - DAY_MS / 2;
    s->categories[0] = vt_bytes_str("A");
    s->categories[1] = vt_bytes_str("online-activity");
    s->assumptions[0] = vt_bytes_str("E0: logically overwritten");
    s->assumptions[1] = vt_bytes_str("The vault's memory was not captured while the data existed.");
}

static void fill_id_bytes(struct vt_certificate *c)
{
    uint8_t salt[32];
    for (uint8_t i = 0; i < 16; i++) c->vault_id[i] = i;
    for (uint8_t i = 0; i < 32; i++) salt[i] = i;
    ck_assert_ok(vt_certificate_commit(salt, vt_bytes_str("customer 4711"), c->commitment));
    memset(c->request_id, 0x10, 16);
    memset(c->attempt, 0x20, 16);
}

/* What EFFECTIVE_TEXT says. */
static struct vt_certificate *effective(struct sample *s)
{
    memset(s, 0, sizeof *s);
    fill_lists(s);
    s->certificate = (struct vt_certificate){
        .incarnation = 1, .number = 42, .state = VT_CERTIFICATE_EFFECTIVE, .scope = VT_CERTIFICATE_OF_CATEGORIES,
        .subjects = 1, .records = 3, .rows = 12, .index_entries = 5, .tokens = 2,
        .categories = s->categories, .category_count = 2, .legal_basis = vt_bytes_str("gdpr-17-1-b"),
        .requested_ms = REQUESTED, .effective_ms = REQUESTED + 1250,
        .final = {VT_FINAL_NOT_BEFORE, REQUESTED + 7 * DAY_MS, VT_BYTES_EMPTY}, .epoch_from = 17, .epoch_to = 18,
        .keepers = s->keepers, .keeper_count = 3, .threshold = 2, .custodians = s->custodians, .custodian_count = 1,
        .window = {VT_PHASE_OPEN, REQUESTED + 7 * DAY_MS}, .index_era = {VT_PHASE_CLOSED, REQUESTED + 500},
        .software = vt_bytes_str("vaultd 0.1.0"), .backups = s->backups, .backup_count = 2,
        .kept = s->kept, .kept_count = 1, .exclusions = s->exclusions, .exclusion_count = 2,
        .approvals = s->approvals, .approval_count = 1, .assumptions = s->assumptions, .assumption_count = 2,
    };
    fill_id_bytes(&s->certificate);
    return &s->certificate;
}

/* The same once everything has been erased. */
static struct vt_certificate *final(struct sample *s)
{
    struct vt_certificate *c = effective(s);
    c->state = VT_CERTIFICATE_FINAL;
    c->final = (struct vt_certificate_final){VT_FINAL_AT, REQUESTED + 8 * DAY_MS, VT_BYTES_EMPTY};
    s->keepers[1].state = VT_ERASE_ATTESTED;
    s->custodians[0].state = VT_ERASE_DONE;
    memset(s->keepers[1].receipt, 0x33, 32);
    memset(s->custodians[0].receipt, 0x34, 32);
    c->window = (struct vt_certificate_phase){VT_PHASE_CLOSED, REQUESTED + 7 * DAY_MS};
    return c;
}

/* What PENDING_TEXT says. */
static struct vt_certificate *pending(struct sample *s)
{
    memset(s, 0, sizeof *s);
    s->keepers[0] = (struct vt_certificate_keeper){7, VT_ERASE_E0, VT_ERASE_WAITING, {0}};
    s->certificate = (struct vt_certificate){
        .incarnation = 1,
        .number = 43,
        .state = VT_CERTIFICATE_PENDING,
        .scope = VT_CERTIFICATE_OF_SUBJECT,
        .subjects = 1,
        .legal_basis = vt_bytes_str("ccpa-1798.105"),
        .requested_ms = REQUESTED,
        .final = {VT_FINAL_NEVER, 0, vt_bytes_str("keeper class E0 does not count towards final")},
        .keepers = s->keepers,
        .keeper_count = 1,
        .threshold = 1,
        .window = {VT_PHASE_NONE, 0},
        .index_era = {VT_PHASE_NONE, 0},
        .software = vt_bytes_str("vaultd 0.1.0"),
        .is_test_clock = true,
    };
    for (uint8_t i = 0; i < 16; i++) s->certificate.vault_id[i] = i;
    return &s->certificate;
}

static vault_status parse(struct vt_bytes text, struct vt_err *err)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    struct vt_certificate certificate;
    return vt_certificate_parse(&pool, text, &certificate, err);
}

static void assert_text(const struct vt_certificate *certificate, const char *text)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    struct vt_err err = {{0}, {0}};
    const vault_status status = vt_certificate_write(&out, certificate, &err);
    ck_assert_msg(status == VAULT_OK, "%s: %s", err.field, err.message);
    ck_assert_ok(vt_buf_append_byte(&out, 0));
    ck_assert_str_eq((const char *)out.data, text);
}

START_TEST(a_certificate_is_written_as_documented)
{
    struct sample sample;
    assert_text(effective(&sample), EFFECTIVE_TEXT);
    assert_text(pending(&sample), PENDING_TEXT);
}
END_TEST

START_TEST(what_is_written_is_read_back_field_by_field)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    struct sample sample;
    struct vt_certificate c;
    const struct vt_certificate *wanted = effective(&sample);
    ck_assert_ok(vt_certificate_parse(&pool, vt_bytes_str(EFFECTIVE_TEXT), &c, NULL));
    ck_assert_int_eq(memcmp(c.vault_id, wanted->vault_id, 16), 0);
    ck_assert_uint_eq(c.number, 42);
    ck_assert_int_eq(c.state, VT_CERTIFICATE_EFFECTIVE);
    ck_assert_int_eq(memcmp(c.commitment, wanted->commitment, 32), 0);
    ck_assert_int_eq(c.scope, VT_CERTIFICATE_OF_CATEGORIES);
    ck_assert_uint_eq(c.index_entries, 5);
    ck_assert_uint_eq(c.category_count, 2);
    ck_assert(vt_bytes_equal_str(c.categories[1], "online-activity"));
    ck_assert_int_eq(c.effective_ms, wanted->effective_ms);
    ck_assert_int_eq(c.final.kind, VT_FINAL_NOT_BEFORE);
    ck_assert_int_eq(c.final.at_ms, wanted->final.at_ms);
    ck_assert_uint_eq(c.epoch_to, 18);
    ck_assert_uint_eq(c.keeper_count, 3);
    ck_assert_int_eq(memcmp(c.keepers, sample.keepers, sizeof sample.keepers), 0);
    ck_assert_uint_eq(c.threshold, 2);
    ck_assert_int_eq(c.window.phase, VT_PHASE_OPEN);
    ck_assert_int_eq(c.backups[0].expires_ms, sample.backups[0].expires_ms);
    ck_assert_int_eq(c.backups[1].expires_ms, 0);
    ck_assert_uint_eq(c.kept[0].count, 4);
    ck_assert_int_eq(c.approvals[0].at_ms, sample.approvals[0].at_ms);
    ck_assert(vt_bytes_equal(c.assumptions[1], sample.assumptions[1]));
    ck_assert(!c.is_test_clock);
}
END_TEST

START_TEST(each_state_and_scope_is_read_back)
{
    static const enum vt_certificate_scope scopes[] = {VT_CERTIFICATE_OF_SUBJECT, VT_CERTIFICATE_OF_CATEGORIES,
                                                       VT_CERTIFICATE_OF_RECORDS, VT_CERTIFICATE_OF_BATCH,
                                                       VT_CERTIFICATE_OF_TENANT};
    struct vt_certificate *(*const states[])(struct sample *) = {pending, effective, final};
    for (size_t i = 0; i < VT_ARRAY_LEN(states); i++) {
        for (size_t j = 0; j < VT_ARRAY_LEN(scopes); j++) {
            VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
            VT_AUTO(vt_buf) text = VT_BUF_INIT(VT_CERTIFICATE_MAX);
            struct sample sample;
            struct vt_certificate read, *certificate = states[i](&sample);
            certificate->scope = scopes[j];
            ck_assert_ok(vt_certificate_write(&text, certificate, NULL));
            ck_assert_ok(vt_certificate_parse(&pool, vt_buf_bytes(&text), &read, NULL));
            ck_assert_int_eq(read.state, certificate->state);
            ck_assert_int_eq(read.scope, scopes[j]);
            ck_assert_int_eq(read.final.kind, certificate->final.kind);
        }
    }
}
END_TEST

/* Damaged texts ---------------------------------------------------------------------------------------------------- */

struct text_lines {
    struct vt_bytes at[64];
    size_t count;
};

static void split(const char *text, struct text_lines *out)
{
    out->count = 0;
    while (*text != 0) {
        const size_t len = (size_t)(strchr(text, '\n') - text) + 1;
        ck_assert_uint_lt(out->count, VT_ARRAY_LEN(out->at));
        out->at[out->count++] = vt_bytes(text, len);
        text += len;
    }
}

static vault_status parse_lines(const struct text_lines *lines, struct vt_err *err)
{
    VT_AUTO(vt_buf) text = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    for (size_t i = 0; i < lines->count; i++) ck_assert_ok(vt_buf_append(&text, lines->at[i]));
    return parse(vt_buf_bytes(&text), err);
}

static const char *const TEXTS[] = {EFFECTIVE_TEXT, PENDING_TEXT};

START_TEST(a_text_missing_any_line_is_refused)
{
    for (size_t t = 0; t < 2; t++) {
        struct text_lines lines, without;
        split(TEXTS[t], &lines);
        ck_assert_ok(parse_lines(&lines, NULL));
        for (size_t i = 0; i < lines.count; i++) {
            without = lines;
            memmove(&without.at[i], &without.at[i + 1], (lines.count - i - 1) * sizeof lines.at[0]);
            without.count--;
            ck_assert_status(parse_lines(&without, NULL), i == 0 ? VAULT_E_FORMAT : VAULT_E_PARSE);
        }
    }
}
END_TEST

START_TEST(a_text_with_any_line_doubled_is_refused)
{
    for (size_t t = 0; t < 2; t++) {
        struct text_lines lines, doubled;
        split(TEXTS[t], &lines);
        for (size_t i = 0; i < lines.count; i++) {
            doubled = lines;
            memmove(&doubled.at[i + 1], &doubled.at[i], (lines.count - i) * sizeof lines.at[0]);
            doubled.count++;
            ck_assert_status(parse_lines(&doubled, NULL), VAULT_E_PARSE);
        }
    }
}
END_TEST

START_TEST(a_text_with_any_two_lines_swapped_is_refused)
{
    for (size_t t = 0; t < 2; t++) {
        struct text_lines lines;
        split(TEXTS[t], &lines);
        for (size_t i = 0; i < lines.count; i++) {
            for (size_t j = i + 1; j < lines.count; j++) {
                struct text_lines swapped = lines;
                swapped.at[i] = lines.at[j];
                swapped.at[j] = lines.at[i];
                ck_assert_status(parse_lines(&swapped, NULL), i == 0 ? VAULT_E_FORMAT : VAULT_E_PARSE);
            }
        }
    }
}
END_TEST

START_TEST(a_text_cut_short_anywhere_is_refused)
{
    for (size_t len = 0; len < sizeof EFFECTIVE_TEXT - 1; len++) {
        const vault_status status = parse(vt_bytes(EFFECTIVE_TEXT, len), NULL);
        ck_assert(status == VAULT_E_PARSE || (len < 37 && status == VAULT_E_FORMAT));
    }
}
END_TEST

/* The text with one part replaced. */
static vault_status parse_replaced(const char *text, const char *part, const char *by, struct vt_err *err)
{
    VT_AUTO(vt_buf) changed = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    const char *at = strstr(text, part);
    ck_assert_msg(at != NULL, "%s", part);
    ck_assert_ok(vt_buf_append(&changed, vt_bytes(text, (size_t)(at - text))));
    ck_assert_ok(vt_buf_append_str(&changed, by));
    ck_assert_ok(vt_buf_append_str(&changed, at + strlen(part)));
    return parse(vt_buf_bytes(&changed), err);
}

START_TEST(other_spellings_of_the_same_are_refused)
{
    static const char *const changes[][2] = {
        {"number: 42", "number: 042"},
        {"number: 42", "number:  42"},
        {"number: 42", "number: 42 "},
        {"number: 42", "Number: 42"},
        {"number: 42\n", "number: 42\r\n"},
        {"number: 42", "number: +42"},
        {"0a0b0c", "0A0B0C"},
        {"2026-07-01T00:00:00.000Z", "2026-07-01T00:00:00Z"},
        {"2026-07-01T00:00:00.000Z", "2026-07-01T02:00:00.000+02:00"},
        {"2026-07-01T00:00:00.000Z", "2026-07-01t00:00:00.000z"},
        {"2026-07-01T00:00:00.000Z", "2026-06-31T00:00:00.000Z"},
        {"2026-07-01T00:00:00.000Z", "1970-01-01T00:00:00.000Z"},
        {"2026-07-01T00:00:00.000Z", "2026-07-01T00:00:00.0000Z"},
        {"keepers: 3", "keepers: 03"},
        {"keeper 1:", "keeper 01:"},
        {"keeper 1:", "keeper  1:"},
        {"class E1", "class E5"},
        {"class E1", "class e1"},
        {"class E2 waiting", "class E2 waiting receipt 00"},
        {"threshold: 2 of 3", "threshold: 2 of 4"},
        {"threshold: 2 of 3", "threshold: 2 out of 3"},
        {"epochs: 17 to 18", "epochs: 17-18"},
        {"epochs: 17 to 18", "epochs: 18446744073709551616 to 18"},
        {"final: not before ", "final: never "},
        {"test clock: no", "test clock: maybe"},
        {"test clock: no\n", "test clock: no\n\n"},
        {"test clock: no\n", "test clock: no\nmore: 1\n"},
        {"NIST SP 800-88", "NIST SP 800-89"},
        {"never expires", "never expire"},
        {"scope: categories", "scope: everything"},
        {"state: effective", "state: done"},
        {"export 1", "export one"},
        {"export 1", "ex port 1"},
        {"index era: closed ", "index era: shut "},
        {"reference commitment: c4", "reference commitment: "},
        {" at 2026", " on 2026"},
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(changes); i++) {
        const vault_status status = parse_replaced(EFFECTIVE_TEXT, changes[i][0], changes[i][1], NULL);
        ck_assert_msg(status == VAULT_E_PARSE, "%s gave %s", changes[i][1], vault_status_code(status));
    }
}
END_TEST

START_TEST(an_era_without_a_known_end_is_open_and_no_more)
{
    struct sample s;
    struct vt_certificate read;
    VT_AUTO(vt_buf) text = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    effective(&s)->index_era = (struct vt_certificate_phase){VT_PHASE_OPEN, 0};
    ck_assert_ok(vt_certificate_write(&text, &s.certificate, NULL));
    ck_assert_ptr_nonnull(memmem(text.data, text.len, "index era: open\n", 16));
    ck_assert_ok(vt_certificate_parse(&pool, vt_buf_bytes(&text), &read, NULL));
    ck_assert_int_eq(read.index_era.phase, VT_PHASE_OPEN);
    ck_assert_int_eq(read.index_era.at_ms, 0);
    ck_assert_status(parse_replaced(EFFECTIVE_TEXT, "index era: closed ", "index era: open ", NULL), VAULT_E_PARSE);
}
END_TEST

START_TEST(another_version_of_the_text_is_refused_by_name)
{
    ck_assert_status(parse_replaced(EFFECTIVE_TEXT, "destruction v2", "destruction v1", NULL), VAULT_E_FORMAT);
    ck_assert_status(parse(VT_BYTES_EMPTY, NULL), VAULT_E_FORMAT);
}
END_TEST

START_TEST(a_refusal_names_the_line_and_the_key)
{
    struct vt_err err;
    ck_assert_status(parse_replaced(EFFECTIVE_TEXT, "rows: 12", "rows: x", &err), VAULT_E_PARSE);
    ck_assert_str_eq(err.field, "rows");
    ck_assert_str_eq(err.message, "The value of line 11 cannot be read.");
    ck_assert_status(parse_replaced(EFFECTIVE_TEXT, "rows: 12", "row: 12", &err), VAULT_E_PARSE);
    ck_assert_str_eq(err.message, "Line 11 is not `rows: ...`.");
}
END_TEST

START_TEST(a_list_longer_than_the_maximum_is_refused)
{
    ck_assert_status(parse_replaced(EFFECTIVE_TEXT, "keepers: 3", "keepers: 1025", NULL), VAULT_E_PARSE);
    ck_assert_status(parse_replaced(EFFECTIVE_TEXT, "keepers: 3", "keepers: 18446744073709551615", NULL),
                     VAULT_E_PARSE);
}
END_TEST

START_TEST(reading_says_when_memory_is_short)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(16);
    struct vt_certificate certificate;
    ck_assert_status(vt_certificate_parse(&pool, vt_bytes_str(EFFECTIVE_TEXT), &certificate, NULL), VAULT_E_MEMORY);
}
END_TEST

/* Rules ------------------------------------------------------------------------------------------------------------ */

/* The sample of the moment must be refused, and for this field. */
static void assert_refused(struct sample *sample, const char *field)
{
    struct vt_err err = {{0}, {0}};
    VT_AUTO(vt_buf) out = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    ck_assert_status(vt_certificate_write(&out, &sample->certificate, &err), VAULT_E_ARGUMENT);
    ck_assert_str_eq(err.field, field);
    ck_assert_uint_eq(out.len, 0);
}

START_TEST(a_certificate_of_unknown_kinds_is_refused)
{
    struct sample s;
    effective(&s)->state = 0;
    assert_refused(&s, "state");
    effective(&s)->scope = 6;
    assert_refused(&s, "scope");
    effective(&s)->legal_basis = vt_bytes_str("two words");
    assert_refused(&s, "legal basis");
    effective(&s)->software = vt_bytes_str("two\nlines");
    assert_refused(&s, "software");
    effective(&s)->requested_ms = 0;
    assert_refused(&s, "requested");
    effective(&s);
    s.keepers[1].erase_class = 6;
    assert_refused(&s, "keepers");
    effective(&s)->window.phase = 0;
    assert_refused(&s, "recovery window");
    effective(&s)->index_era = (struct vt_certificate_phase){VT_PHASE_CLOSED, 0};
    assert_refused(&s, "index era");
    effective(&s)->final.kind = 0;
    assert_refused(&s, "final");
}
END_TEST

START_TEST(lists_with_what_cannot_be_read_back_are_refused)
{
    struct sample s;
    effective(&s);
    s.categories[0] = vt_bytes_str("");
    assert_refused(&s, "categories");
    effective(&s);
    s.kept[0].code = vt_bytes_str("-x");
    assert_refused(&s, "kept");
    effective(&s);
    s.exclusions[1].code = vt_bytes_str("a/b");
    assert_refused(&s, "exclusions");
    effective(&s);
    s.approvals[0].at_ms = 0;
    assert_refused(&s, "approvals");
    effective(&s);
    s.assumptions[0] = vt_bytes_str("one\ntwo");
    assert_refused(&s, "assumptions");
    effective(&s);
    s.assumptions[0] = vt_bytes_str("\xff");
    assert_refused(&s, "assumptions");
    effective(&s);
    s.backups[0].expires_ms = -1;
    assert_refused(&s, "backups");
    effective(&s)->assumption_count = VT_CERTIFICATE_LIST_MAX + 1;
    assert_refused(&s, "");
}
END_TEST

START_TEST(receipts_must_fit_what_the_keepers_are_said_to_have_done)
{
    struct sample s;
    effective(&s);
    memset(s.keepers[0].receipt, 0, 32);
    assert_refused(&s, "keepers");
    effective(&s);
    s.keepers[1].receipt[0] = 1;
    assert_refused(&s, "keepers");
    effective(&s);
    s.keepers[1].id = s.keepers[0].id;
    assert_refused(&s, "keepers");
    effective(&s);
    s.custodians[0].state = VT_ERASE_DONE;
    assert_refused(&s, "custodians");
}
END_TEST

START_TEST(a_pending_certificate_claims_nothing)
{
    struct sample s;
    pending(&s)->effective_ms = REQUESTED;
    assert_refused(&s, "effective");
    pending(&s)->epoch_to = 1;
    assert_refused(&s, "epochs");
    pending(&s)->attempt[0] = 1;
    assert_refused(&s, "attempt");
    pending(&s);
    s.keepers[0].state = VT_ERASE_DONE;
    s.keepers[0].receipt[0] = 1;
    assert_refused(&s, "keepers");
    pending(&s)->final = (struct vt_certificate_final){VT_FINAL_AT, REQUESTED, VT_BYTES_EMPTY};
    assert_refused(&s, "final");
}
END_TEST

START_TEST(effective_needs_m_minus_k_plus_one_receipts)
{
    struct sample s;
    effective(&s)->threshold = 1;           /* 1 of 3: any single share opens, so all three must be erased */
    assert_refused(&s, "keepers");
    effective(&s);
    s.keepers[2] = (struct vt_certificate_keeper){5, VT_ERASE_E4, VT_ERASE_WAITING, {0}};
    assert_refused(&s, "keepers");
    effective(&s)->threshold = 4;
    assert_refused(&s, "threshold");
    effective(&s)->threshold = 0;
    assert_refused(&s, "threshold");
    effective(&s)->effective_ms = REQUESTED - 1;
    assert_refused(&s, "effective");
    effective(&s)->epoch_to = 17;
    assert_refused(&s, "epochs");
    memset(effective(&s)->attempt, 0, 16);
    assert_refused(&s, "attempt");
}
END_TEST

START_TEST(final_needs_every_receipt_and_the_window_and_the_era_closed)
{
    struct sample s;
    ck_assert_ok(vt_certificate_check(final(&s), NULL));
    final(&s);
    s.keepers[1] = (struct vt_certificate_keeper){8, VT_ERASE_E2, VT_ERASE_WAITING, {0}};
    assert_refused(&s, "keepers");
    final(&s);
    s.custodians[0] = (struct vt_certificate_keeper){9, VT_ERASE_E0, VT_ERASE_WAITING, {0}};
    assert_refused(&s, "keepers");
    final(&s)->window.phase = VT_PHASE_OPEN;
    assert_refused(&s, "final");
    final(&s)->index_era.phase = VT_PHASE_OPEN;
    assert_refused(&s, "final");
    final(&s)->final.kind = VT_FINAL_NOT_BEFORE;
    assert_refused(&s, "final");
    final(&s)->final.at_ms = REQUESTED;
    assert_refused(&s, "final");
    final(&s);
    s.keepers[1].erase_class = s.keepers[2].erase_class = VT_ERASE_E0;
    assert_refused(&s, "keepers");
}
END_TEST

START_TEST(only_keepers_whose_erasing_proves_something_can_make_a_shred_final)
{
    static const struct {
        enum vt_erase_class classes[3];
        size_t count;
        uint64_t threshold;
        bool can_be_final;
    } cases[] = {
        {{VT_ERASE_E0}, 1, 1, false},                           {{VT_ERASE_X}, 1, 1, false},
        {{VT_ERASE_E1}, 1, 1, false},                           {{VT_ERASE_E2}, 1, 1, true},
        {{VT_ERASE_E3}, 1, 1, true},                            {{VT_ERASE_E4}, 1, 1, true},
        {{VT_ERASE_E1, VT_ERASE_E1}, 2, 1, true},               {{VT_ERASE_E1, VT_ERASE_E0}, 2, 2, false},
        {{VT_ERASE_E0, VT_ERASE_E2, VT_ERASE_E4}, 3, 2, true},  {{VT_ERASE_E0, VT_ERASE_X, VT_ERASE_E4}, 3, 2, false},
        {{VT_ERASE_E0, VT_ERASE_E1, VT_ERASE_E4}, 3, 2, true},  {{VT_ERASE_E0, VT_ERASE_E1, VT_ERASE_E4}, 3, 1, false},
        {{VT_ERASE_E0, VT_ERASE_E0, VT_ERASE_E4}, 3, 3, true},  {{VT_ERASE_E2, VT_ERASE_E2, VT_ERASE_E2}, 3, 4, false},
        {{VT_ERASE_E2}, 1, 0, false},                           {{VT_ERASE_E2}, 0, 1, false},
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(cases); i++) {
        struct vt_certificate_keeper keepers[3] = {{0}};
        for (size_t j = 0; j < 3; j++) keepers[j].erase_class = cases[i].classes[j];
        const bool can = vt_certificate_can_be_final(keepers, cases[i].count, cases[i].threshold);
        ck_assert_msg(can == cases[i].can_be_final, "case %zu", i);
    }
}
END_TEST

START_TEST(every_class_has_a_name_and_an_assumption_that_begins_with_it)
{
    for (enum vt_erase_class erase_class = VT_ERASE_E0; erase_class <= VT_ERASE_X; erase_class++) {
        const char *name = vt_erase_class_name(erase_class), *assumption = vt_erase_class_assumption(erase_class);
        ck_assert_int_eq(strncmp(assumption, name, strlen(name)), 0);
        ck_assert_uint_le(strlen(assumption), VT_CERTIFICATE_TEXT_MAX);
    }
    ck_assert_ptr_null(vt_erase_class_name(6));
}
END_TEST

START_TEST(the_commitment_is_the_hash_of_salt_and_reference)
{
    /* printf of the bytes 00 to 1f and "customer 4711" | sha256sum */
    char text[65];
    uint8_t salt[32], commitment[32], other[32];
    for (uint8_t i = 0; i < 32; i++) salt[i] = i;
    ck_assert_ok(vt_certificate_commit(salt, vt_bytes_str("customer 4711"), commitment));
    vt_hex_encode(VT_BYTES_OF(commitment), text);
    ck_assert_str_eq(text, "c4071c101a313ebd4acadda9fcc8182119db29ac0928fd1814e4d60ba5a00545");
    salt[0] = 1;
    ck_assert_ok(vt_certificate_commit(salt, vt_bytes_str("customer 4711"), other));
    ck_assert_int_ne(memcmp(commitment, other, 32), 0);
}
END_TEST

/* Files ------------------------------------------------------------------------------------------------------------ */

static const struct vt_key SEED = {{0xce, 0x27}}, LOG_SEED = {{0x10, 0x9}};
#define ORIGIN "vaultd/000102030405060708090a0b0c0d0e0f/1"
#define CERTIFICATES ORIGIN "/certificates"

static void verifiers(struct vt_note_verifier out_keys[2])
{
    ck_assert_ok(vt_note_verifier_of(&(struct vt_note_signer){CERTIFICATES, &SEED}, &out_keys[0]));
    ck_assert_ok(vt_note_verifier_of(&(struct vt_note_signer){ORIGIN, &LOG_SEED}, &out_keys[1]));
}

/* A log of five leaves, of which the text is the fourth. */
enum { LEAVES = 5, PLACE = 3 };
struct tree {
    struct vt_merkle_hash leaves[LEAVES];
    struct vt_tlog_proof proof;
    struct vt_buf note;
};

static void tree_of(struct vt_bytes text, const struct vt_note_signer *signer, struct tree *tree)
{
    struct vt_checkpoint checkpoint = {.size = LEAVES};
    struct vt_merkle_hash pair, quad;
    *tree = (struct tree){.note = VT_BUF_INIT(4096), .proof = {.index = PLACE, .path.count = 3}};
    for (size_t i = 0; i < LEAVES; i++) ck_assert_ok(vt_merkle_leaf(vt_bytes(&i, sizeof i), &tree->leaves[i]));
    ck_assert_ok(vt_merkle_leaf(text, &tree->leaves[PLACE]));
    ck_assert_ok(vt_merkle_node(&tree->leaves[0], &tree->leaves[1], &pair));
    ck_assert_ok(vt_merkle_node(&tree->leaves[2], &tree->leaves[3], &quad));
    ck_assert_ok(vt_merkle_node(&pair, &quad, &quad));
    ck_assert_ok(vt_merkle_node(&quad, &tree->leaves[4], &checkpoint.root));
    tree->proof.path.hashes[0] = tree->leaves[2];
    tree->proof.path.hashes[1] = pair;
    tree->proof.path.hashes[2] = tree->leaves[4];
    memcpy(checkpoint.origin, signer->name, strlen(signer->name));
    ck_assert_ok(vt_checkpoint_sign(&checkpoint, signer, 1, &tree->note));
    tree->proof.checkpoint = vt_buf_bytes(&tree->note);
}

static void file_of(struct vt_bytes text, const struct vt_note_signer *signer, struct vt_buf *out_file)
{
    struct tree tree;
    tree_of(text, signer, &tree);
    vt_buf_reset(out_file);
    ck_assert_ok(vt_certificate_file_write(out_file, text, &tree.proof));
    vt_buf_release(&tree.note);
}

static const struct vt_note_signer SIGNER = {CERTIFICATES, &SEED};

static void issue(const struct vt_certificate *certificate, struct vt_buf *out_file)
{
    VT_AUTO(vt_buf) text = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    ck_assert_ok(vt_certificate_write(&text, certificate, NULL));
    file_of(vt_buf_bytes(&text), &SIGNER, out_file);
}

static vault_status verify(struct vt_bytes file, const struct vt_note_verifier *key, struct vt_err *err)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    struct vt_certificate read = {.number = 0};
    const vault_status status = vt_certificate_verify(&pool, file, key, 1, &read, err);
    ck_assert_uint_eq(read.number, status == VAULT_OK ? 42 : 0);
    return status;
}

START_TEST(a_certificate_verifies_by_its_proof_and_shows_its_text_as_it_stands)
{
    VT_AUTO(vt_buf) file = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    struct sample sample;
    struct vt_note_verifier keys[2];
    struct vt_err err = {{0}, {0}};
    static const char PROOF[] = "\nc2sp.org/tlog-proof@v1\nindex 3\n";
    verifiers(keys);
    issue(effective(&sample), &file);
    ck_assert_int_eq(memcmp(file.data, EFFECTIVE_TEXT, sizeof EFFECTIVE_TEXT - 1), 0);
    ck_assert_int_eq(memcmp(file.data + sizeof EFFECTIVE_TEXT - 1, PROOF, sizeof PROOF - 1), 0);
    ck_assert_ok(verify(vt_buf_bytes(&file), &keys[0], NULL));
    ck_assert_status(verify(vt_buf_bytes(&file), &keys[1], &err), VAULT_E_AUTHENTICITY);
    ck_assert_str_eq(err.message, "No known key has signed the note.");
}
END_TEST

START_TEST(what_is_split_is_written_again_as_it_was)
{
    VT_AUTO(vt_buf) file = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    VT_AUTO(vt_buf) again = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    struct sample sample;
    struct vt_tlog_proof proof;
    struct vt_bytes text;
    issue(final(&sample), &file);
    ck_assert_ok(vt_certificate_file_split(vt_buf_bytes(&file), &text, &proof, NULL));
    ck_assert_uint_eq(proof.index, PLACE);
    ck_assert_uint_eq(proof.path.count, 3);
    ck_assert_ok(vt_certificate_file_write(&again, text, &proof));
    ck_assert(vt_bytes_equal(vt_buf_bytes(&again), vt_buf_bytes(&file)));
    proof.extra = vt_bytes_str("x");
    ck_assert_status(vt_certificate_file_write(&again, text, &proof), VAULT_E_ARGUMENT);
    proof.extra = VT_BYTES_EMPTY;
    ck_assert_status(vt_certificate_file_write(&again, VT_BYTES_EMPTY, &proof), VAULT_E_ARGUMENT);
}
END_TEST

START_TEST(every_flipped_bit_of_a_certificate_is_noticed)
{
    VT_AUTO(vt_buf) file = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    struct sample sample;
    struct vt_note_verifier keys[2];
    verifiers(keys);
    issue(effective(&sample), &file);
    const size_t title = sizeof VT_CERTIFICATE_FIRST_LINE - 1;
    for (size_t i = 0; i < 8 * file.len; i++) {
        file.data[i / 8] ^= (uint8_t)(1 << i % 8);
        const vault_status status = verify(vt_buf_bytes(&file), &keys[0], NULL);
        const bool is_named = status == VAULT_E_FORMAT && i / 8 <= title;       /* another version */
        ck_assert_msg(status == VAULT_E_PARSE || status == VAULT_E_AUTHENTICITY || is_named, "bit %zu", i);
        file.data[i / 8] ^= (uint8_t)(1 << i % 8);
    }
}
END_TEST

START_TEST(a_certificate_cut_short_anywhere_is_refused)
{
    VT_AUTO(vt_buf) file = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    struct sample sample;
    struct vt_note_verifier keys[2];
    verifiers(keys);
    issue(effective(&sample), &file);
    for (size_t len = 0; len < file.len; len++)
        ck_assert_status(verify(vt_bytes(file.data, len), &keys[0], NULL), VAULT_E_PARSE);
    ck_assert_ok(verify(vt_buf_bytes(&file), &keys[0], NULL));
    ck_assert_ok(vt_buf_append_byte(&file, '\n'));
    ck_assert_status(verify(vt_buf_bytes(&file), &keys[0], NULL), VAULT_E_PARSE);
}
END_TEST

/* A file of this text with its proof, after something has been done to the proof. */
static vault_status verify_changed(void (*change)(struct tree *tree), struct vt_err *err)
{
    VT_AUTO(vt_buf) file = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    struct vt_note_verifier keys[2];
    struct tree tree;
    verifiers(keys);
    tree_of(vt_bytes_str(EFFECTIVE_TEXT), &SIGNER, &tree);
    change(&tree);
    ck_assert_ok(vt_certificate_file_write(&file, vt_bytes_str(EFFECTIVE_TEXT), &tree.proof));
    vt_buf_release(&tree.note);
    return verify(vt_buf_bytes(&file), &keys[0], err);
}

static void change_nothing(struct tree *tree)
{
    (void)tree;
}
static void change_index(struct tree *tree)
{
    tree->proof.index = 2;
}
static void change_index_past_the_end(struct tree *tree)
{
    tree->proof.index = LEAVES;
}
static void drop_a_hash(struct tree *tree)
{
    tree->proof.path.count--;
}
static void add_a_hash(struct tree *tree)
{
    tree->proof.path.hashes[tree->proof.path.count++] = tree->leaves[0];
}
static void swap_hashes(struct tree *tree)
{
    tree->proof.path.hashes[0] = tree->proof.path.hashes[2];
}

START_TEST(a_proof_of_another_place_or_path_is_refused_with_a_reason)
{
    static void (*const changes[])(struct tree *tree) = {change_index, change_index_past_the_end, drop_a_hash, add_a_hash,
                                                         swap_hashes};
    ck_assert_ok(verify_changed(change_nothing, NULL));
    for (size_t i = 0; i < VT_ARRAY_LEN(changes); i++) {
        struct vt_err err = {{0}, {0}};
        ck_assert_status(verify_changed(changes[i], &err), VAULT_E_AUTHENTICITY);
        ck_assert_str_eq(err.message, "The text or its proof has been changed: this is not what the vault signed.");
    }
}
END_TEST

START_TEST(the_proof_of_one_certificate_does_not_prove_another)
{
    VT_AUTO(vt_buf) file = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    VT_AUTO(vt_buf) claimed = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    struct sample sample;
    struct tree tree;
    struct vt_note_verifier keys[2];
    verifiers(keys);
    tree_of(vt_bytes_str(EFFECTIVE_TEXT), &SIGNER, &tree);
    ck_assert_ok(vt_certificate_write(&claimed, final(&sample), NULL));     /* well-formed, and never signed */
    ck_assert_ok(vt_certificate_file_write(&file, vt_buf_bytes(&claimed), &tree.proof));
    ck_assert_status(verify(vt_buf_bytes(&file), &keys[0], NULL), VAULT_E_AUTHENTICITY);
    vt_buf_release(&tree.note);
}
END_TEST

START_TEST(a_certificate_signed_under_another_vaults_name_is_refused)
{
    VT_AUTO(vt_buf) file = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    const char *const names[] = {"vaultd/000102030405060708090a0b0c0d0e0f/2/certificates",
                                 "vaultd/100102030405060708090a0b0c0d0e0f/1/certificates", ORIGIN};
    for (size_t i = 0; i < VT_ARRAY_LEN(names); i++) {
        const struct vt_note_signer other = {names[i], &SEED};
        struct vt_note_verifier key;
        struct vt_err err;
        ck_assert_ok(vt_note_verifier_of(&other, &key));
        file_of(vt_bytes_str(EFFECTIVE_TEXT), &other, &file);
        ck_assert_status(verify(vt_buf_bytes(&file), &key, &err), VAULT_E_AUTHENTICITY);
        ck_assert_str_eq(err.field, "vault");
    }
}
END_TEST

START_TEST(what_is_signed_and_no_certificate_is_refused)
{
    VT_AUTO(vt_buf) file = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    struct vt_note_verifier keys[2];
    struct vt_err err;
    verifiers(keys);
    file_of(vt_bytes_str("hello\n"), &SIGNER, &file);
    ck_assert_status(verify(vt_buf_bytes(&file), &keys[0], &err), VAULT_E_PARSE);
    ck_assert_str_eq(err.message, "This is not a certificate of destruction.");
    file_of(vt_bytes_str(VT_CERTIFICATE_FIRST_LINE "\nvault: x\n"), &SIGNER, &file);
    ck_assert_status(verify(vt_buf_bytes(&file), &keys[0], &err), VAULT_E_PARSE);
    ck_assert_str_eq(err.field, "vault");
}
END_TEST

START_TEST(a_file_of_another_version_or_without_a_proof_is_refused_by_name)
{
    VT_AUTO(vt_buf) file = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    struct vt_note_verifier keys[2];
    struct vt_err err;
    static const char OLDER[] = VT_CERTIFICATE_TITLE "1\nvault: x\n\n\xe2\x80\x94 x y\n";
    verifiers(keys);
    ck_assert_status(verify(vt_bytes_str(OLDER), &keys[0], &err), VAULT_E_FORMAT);
    ck_assert_str_eq(err.message, "This is a certificate of another version than 2, which is read here.");
    ck_assert_status(verify(vt_bytes_str(EFFECTIVE_TEXT), &keys[0], &err), VAULT_E_PARSE);
    ck_assert_str_eq(err.message, "The certificate has no proof behind its text.");
    /* The text as a signed note: what version 1 was. */
    ck_assert_ok(vt_note_sign(vt_bytes_str(EFFECTIVE_TEXT), &SIGNER, 1, &file));
    ck_assert_status(verify(vt_buf_bytes(&file), &keys[0], &err), VAULT_E_PARSE);
    ck_assert_str_eq(err.message, "What follows the text is no proof of it.");
}
END_TEST

START_TEST(extra_data_that_nobody_signed_is_refused)
{
    VT_AUTO(vt_buf) file = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    struct vt_note_verifier keys[2];
    struct tree tree;
    struct vt_err err;
    verifiers(keys);
    tree_of(vt_bytes_str(EFFECTIVE_TEXT), &SIGNER, &tree);
    tree.proof.extra = vt_bytes_str("more");
    ck_assert_ok(vt_buf_append_str(&file, EFFECTIVE_TEXT));
    ck_assert_ok(vt_buf_append_byte(&file, '\n'));
    ck_assert_ok(vt_tlog_proof_write(&file, &tree.proof));
    ck_assert_status(verify(vt_buf_bytes(&file), &keys[0], &err), VAULT_E_PARSE);
    ck_assert_str_eq(err.message, "The proof carries extra data, which nobody has signed.");
    vt_buf_release(&tree.note);
}
END_TEST

START_TEST(a_certificate_past_the_maximum_is_refused)
{
    static uint8_t large[VT_CERTIFICATE_MAX + 1];
    struct vt_note_verifier keys[2];
    struct vt_err err;
    verifiers(keys);
    memcpy(large, EFFECTIVE_TEXT, sizeof EFFECTIVE_TEXT - 1);
    ck_assert_status(verify(VT_BYTES_OF(large), &keys[0], &err), VAULT_E_PARSE);
    ck_assert_str_eq(err.message, "The certificate is too long.");
}
END_TEST

/* An audit log of two rows, the second of which records the checkpoint of a certificate. */
struct logged {
    struct vt_buf certificate, row, file;
    struct vt_note_verifier keys[2];
};

static void write_row(struct vt_buf *row, struct vt_bytes payloads)
{
    struct vt_audit_leaf leaf = {.sequence = 1, .effect = VT_AUDIT_SYSTEM, .incarnation = 1};
    uint8_t bytes[VT_AUDIT_LEAF_MAX];
    size_t len;
    ck_assert_ok(vt_sha256_one(payloads, leaf.payload_hash));
    ck_assert_ok(vt_audit_leaf_encode(&leaf, bytes, &len));
    ck_assert_ok(vt_buf_append(row, vt_bytes(bytes, len)));
    ck_assert_ok(vt_buf_append(row, payloads));
}

static void write_proof(struct logged *logged, const char *origin, size_t leaf_len)
{
    VT_AUTO(vt_buf) checkpoint_note = VT_BUF_INIT(4096);
    struct vt_checkpoint checkpoint = {.size = 2};
    struct vt_merkle_hash leaves[2];
    memcpy(checkpoint.origin, origin, strlen(origin));
    ck_assert_ok(vt_merkle_leaf(vt_bytes_str("first"), &leaves[0]));
    ck_assert_ok(vt_merkle_leaf(vt_bytes(logged->row.data, leaf_len), &leaves[1]));
    ck_assert_ok(vt_merkle_root(leaves, 2, &checkpoint.root));
    ck_assert_ok(vt_checkpoint_sign(&checkpoint, &(struct vt_note_signer){origin, &LOG_SEED}, 1, &checkpoint_note));
    const struct vt_tlog_proof proof = {.index = 1, .path = {.count = 1, .hashes = {leaves[0]}},
                                        .extra = vt_buf_bytes(&logged->row),
                                        .checkpoint = vt_buf_bytes(&checkpoint_note)};
    vt_buf_reset(&logged->file);
    ck_assert_ok(vt_tlog_proof_write(&logged->file, &proof));
}

static void write_evidence(const struct logged *logged, struct vt_buf *items)
{
    struct vt_tlog_proof proof;
    struct vt_bytes text;
    ck_assert_ok(vt_certificate_file_split(vt_buf_bytes(&logged->certificate), &text, &proof, NULL));
    ck_assert_ok(vt_audit_evidence_write(items, proof.checkpoint));
}

static void logged_init(struct logged *logged)
{
    VT_AUTO(vt_buf) items = VT_BUF_INIT(4096);
    struct sample sample;
    logged->certificate = logged->row = logged->file = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    verifiers(logged->keys);
    issue(effective(&sample), &logged->certificate);
    write_evidence(logged, &items);
    write_row(&logged->row, vt_buf_bytes(&items));
    write_proof(logged, ORIGIN, VT_AUDIT_LEAF_FIXED_LEN);
}

static void logged_release(struct logged *logged)
{
    vt_buf_release(&logged->certificate);
    vt_buf_release(&logged->row);
    vt_buf_release(&logged->file);
}

static vault_status verify_logged(const struct logged *logged, size_t key_count)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    struct vt_certificate read;
    struct vt_checkpoint checkpoint;
    VT_TRY(vt_certificate_verify_logged(&pool, vt_buf_bytes(&logged->certificate), vt_buf_bytes(&logged->file),
                                        logged->keys, key_count, &read, &checkpoint, NULL));
    ck_assert_uint_eq(read.number, 42);
    ck_assert_uint_eq(checkpoint.size, 2);
    return VAULT_OK;
}

START_TEST(a_certificate_is_proven_to_be_in_the_log)
{
    struct logged logged;
    logged_init(&logged);
    ck_assert_ok(verify_logged(&logged, 2));
    ck_assert_status(verify_logged(&logged, 1), VAULT_E_AUTHENTICITY);      /* the log's own key is not known */
    logged_release(&logged);
}
END_TEST

START_TEST(a_proof_of_another_entry_does_not_prove_the_certificate)
{
    VT_AUTO(vt_buf) other = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    struct sample sample;
    struct logged logged;
    logged_init(&logged);
    /* A genuine certificate of the same vault, but not the one that was logged. */
    vt_buf_reset(&logged.certificate);
    issue(pending(&sample), &logged.certificate);
    ck_assert_status(verify_logged(&logged, 2), VAULT_E_AUTHENTICITY);
    /* A row whose items are not those of its leaf. */
    write_evidence(&logged, &other);
    vt_buf_truncate(&logged.row, VT_AUDIT_LEAF_FIXED_LEN);
    ck_assert_ok(vt_buf_append(&logged.row, vt_buf_bytes(&other)));
    write_proof(&logged, ORIGIN, VT_AUDIT_LEAF_FIXED_LEN);
    ck_assert_status(verify_logged(&logged, 2), VAULT_E_AUTHENTICITY);
    logged_release(&logged);
}
END_TEST

START_TEST(a_proof_from_another_log_or_without_a_row_does_not_prove_the_certificate)
{
    struct logged logged;
    logged_init(&logged);
    const char *other = "vaultd/000102030405060708090a0b0c0d0e0f/2";
    write_proof(&logged, other, VT_AUDIT_LEAF_FIXED_LEN);
    ck_assert_ok(vt_note_verifier_of(&(struct vt_note_signer){other, &LOG_SEED}, &logged.keys[1]));
    ck_assert_status(verify_logged(&logged, 2), VAULT_E_AUTHENTICITY);
    verifiers(logged.keys);
    vt_buf_truncate(&logged.row, 50);
    write_proof(&logged, ORIGIN, 50);
    ck_assert_status(verify_logged(&logged, 2), VAULT_E_PARSE);
    logged_release(&logged);
}
END_TEST

START_TEST(the_view_has_every_key_of_the_text)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    struct sample sample;
    struct vt_value view;
    struct text_lines lines;
    ck_assert_ok(vt_certificate_view(&pool, effective(&sample), &view));
    split(EFFECTIVE_TEXT, &lines);
    for (size_t i = 1; i < lines.count; i++) {
        char key[64] = {0};
        const char *line = (const char *)lines.at[i].data;
        for (size_t j = 0; line[j] != ':'; j++) key[j] = line[j] == ' ' ? '_' : line[j];
        if (key[strlen(key) - 1] >= '0' && key[strlen(key) - 1] <= '9') continue;      /* an entry of a list */
        const char *wanted = strcmp(key, "epochs") == 0 ? "epoch_from" : key;
        ck_assert_msg(vt_value_get(&view, wanted) != NULL, "%s", wanted);
    }
}
END_TEST

START_TEST(the_view_holds_numbers_texts_and_lists)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    struct sample sample;
    struct vt_value view;
    ck_assert_ok(vt_certificate_view(&pool, effective(&sample), &view));
    ck_assert_int_eq(vt_value_get_int(&view, "number", 0), 42);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&view, "vault"), "000102030405060708090a0b0c0d0e0f"));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&view, "final_not_before"), "2026-07-08T00:00:00.000Z"));
    ck_assert_int_eq(vt_value_get(&view, "final")->kind, VT_VALUE_NIL);
    const struct vt_value *keepers = vt_value_get(&view, "keepers");
    ck_assert_uint_eq(keepers->array.count, 3);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&keepers->array.items[0], "class"), "E1"));
    ck_assert_int_eq(vt_value_get(&keepers->array.items[1], "receipt")->kind, VT_VALUE_NIL);
    ck_assert_int_eq(vt_value_get(&keepers->array.items[2], "id")->kind, VT_VALUE_UINT);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(vt_value_get(&view, "recovery_window"), "state"), "open"));
    ck_assert_ok(vt_certificate_view(&pool, pending(&sample), &view));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&view, "never_final_because"),
                                 "keeper class E0 does not count towards final"));
    ck_assert(vt_value_get_bool(&view, "test_clock", false));
    sample.certificate.state = 0;
    ck_assert_status(vt_certificate_view(&pool, &sample.certificate, &view), VAULT_E_ARGUMENT);
}
END_TEST

VT_TEST_MAIN("proof/certificate", a_certificate_is_written_as_documented, what_is_written_is_read_back_field_by_field,
             each_state_and_scope_is_read_back, a_text_missing_any_line_is_refused,
             a_text_with_any_line_doubled_is_refused, a_text_with_any_two_lines_swapped_is_refused,
             a_text_cut_short_anywhere_is_refused, other_spellings_of_the_same_are_refused,
             an_era_without_a_known_end_is_open_and_no_more,
             another_version_of_the_text_is_refused_by_name, a_refusal_names_the_line_and_the_key,
             a_list_longer_than_the_maximum_is_refused, reading_says_when_memory_is_short,
             a_certificate_of_unknown_kinds_is_refused, lists_with_what_cannot_be_read_back_are_refused,
             receipts_must_fit_what_the_keepers_are_said_to_have_done, a_pending_certificate_claims_nothing,
             effective_needs_m_minus_k_plus_one_receipts, final_needs_every_receipt_and_the_window_and_the_era_closed,
             only_keepers_whose_erasing_proves_something_can_make_a_shred_final,
             every_class_has_a_name_and_an_assumption_that_begins_with_it,
             the_commitment_is_the_hash_of_salt_and_reference,
             a_certificate_verifies_by_its_proof_and_shows_its_text_as_it_stands, what_is_split_is_written_again_as_it_was,
             every_flipped_bit_of_a_certificate_is_noticed, a_certificate_cut_short_anywhere_is_refused,
             a_proof_of_another_place_or_path_is_refused_with_a_reason,
             the_proof_of_one_certificate_does_not_prove_another,
             a_certificate_signed_under_another_vaults_name_is_refused, what_is_signed_and_no_certificate_is_refused,
             a_file_of_another_version_or_without_a_proof_is_refused_by_name, extra_data_that_nobody_signed_is_refused,
             a_certificate_past_the_maximum_is_refused,
             a_certificate_is_proven_to_be_in_the_log, a_proof_of_another_entry_does_not_prove_the_certificate,
             a_proof_from_another_log_or_without_a_row_does_not_prove_the_certificate,
             the_view_has_every_key_of_the_text, the_view_holds_numbers_texts_and_lists)
