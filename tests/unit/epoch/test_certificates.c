/* Certificates in the store: the log that they are leaves of, one signature a transaction, and what becomes of damage. */
#include <stdio.h>
#include <string.h>

#include "libvault/base/fault.h"
#include "tests/support/ring_world.h"
#include "vaultd/core/epoch/certificate_log.h"
#include "vaultd/core/epoch/ledger_internal.h"

static const struct vt_certificate_keeper WAITING = {.id = 7, .erase_class = VT_ERASE_E2, .state = VT_ERASE_WAITING};
static const struct vt_certificate_keeper ERASED = {
    .id = 7, .erase_class = VT_ERASE_E2, .state = VT_ERASE_DONE, .receipt = {1}};
static const struct vt_evidence EVIDENCE = {.keepers = &WAITING, .keeper_count = 1, .threshold = 1, .software = "vaultd test"};

static struct vt_pending asked(unsigned number)
{
    return (struct vt_pending){.scope = {.sid = ring_sid(number)},
                               .tenant = VT_TENANT_DEFAULT,
                               .legal_basis = "gdpr-17-1-a",
                               .requested_at_ms = 1790000000000};
}

/* Requests first..last of one transaction. */
static void ask(struct ring_world *world, unsigned first, unsigned last)
{
    struct ring_write change = ring_begin(world);
    for (unsigned i = first; i <= last; i++) {
        struct vt_pending pending = asked(i);
        ck_assert_ok(vt_pending_add(change.view, change.txn, &EVIDENCE, &pending));
        ck_assert_uint_eq(pending.certificate, i);
    }
    ck_assert_ok(vt_certificate_log_sign(change.view, change.txn));
    ring_commit(&change);
}

static vault_status make_effective(struct ring_write *change, unsigned number)
{
    struct vt_pending pending = asked(number);
    const struct vt_destroyed destroyed = {.records = 1};
    const struct vt_effect effect = {
        .epoch_from = 1, .epoch_to = 2, .attempt = {1}, .at_ms = 1790000001000, .keepers = &ERASED, .keeper_count = 1,
        .threshold = 1};
    pending.certificate = number;
    return vt_certificate_effective(change->view, change->txn, &EVIDENCE, &pending, &destroyed, &effect);
}

static struct vt_note_verifier verifier_of(struct vt_keyring_view *view)
{
    char origin[VT_CERTIFICATE_ORIGIN_LEN];
    struct vt_note_verifier verifier;
    vt_certificate_origin_format(vt_keyring_view_vault_id(view)->bytes, vt_keyring_view_incarnation(view), origin);
    const struct vt_note_signer signer = {origin, vt_keyring_system_key(view, VT_SYSTEM_KEY_CERTIFICATE_SIGN)};
    ck_assert_ok(vt_note_verifier_of(&signer, &verifier));
    return verifier;
}

/* The newest file of a certificate and what checking it gives. @param file NULL allowed: a copy, appended */
static vault_status look(struct ring_world *world, uint64_t number, enum vt_certificate_state *out_state, struct vt_buf *file)
{
    struct ring_read read = ring_read_begin(world);
    VT_AUTO(vt_buf) found = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    struct vt_certificate certificate = {.number = number};
    const struct vt_note_verifier verifier = verifier_of(read.view);
    vault_status status = vt_certificate_get(read.txn, number, &found);
    if (status == VAULT_OK)
        status = vt_certificate_verify(&pool, vt_buf_bytes(&found), &verifier, 1, &certificate, NULL);
    ck_assert_uint_eq(certificate.number, number);
    if (status == VAULT_OK) *out_state = certificate.state;
    if (file != NULL) ck_assert_ok(vt_buf_append(file, vt_buf_bytes(&found)));
    ring_read_end(&read);
    return status;
}

static size_t count_checkpoints(struct ring_world *world)
{
    struct ring_read read = ring_read_begin(world);
    struct vt_cursor *cursor = NULL;
    struct vt_bytes key, value;
    const uint8_t from = VT_CERTIFICATE_LOG_CHECKPOINT;
    size_t count = 0;
    ck_assert_ok(vt_cursor_open(read.txn, VT_TABLE_CERTIFICATE_LOG, &cursor));
    vault_status status = vt_cursor_seek(cursor, VT_BYTES_OF(from), &key, &value);
    for (; status == VAULT_OK; count++) status = vt_cursor_next(cursor, &key, &value);
    ck_assert_status(status, VAULT_E_NOT_FOUND);
    vt_cursor_free(cursor);
    ring_read_end(&read);
    return count;
}

START_TEST(one_signature_stands_for_all_certificates_of_a_transaction)
{
    struct ring_world world;
    enum vt_certificate_state state;
    bool is_signed = false;
    ring_world_open(&world);
    ask(&world, 1, 100);
    ck_assert_uint_eq(count_checkpoints(&world), 1);
    for (unsigned i = 1; i <= 100; i++) {
        ck_assert_ok(look(&world, i, &state, NULL));
        ck_assert_int_eq(state, VT_CERTIFICATE_PENDING);
    }
    struct ring_write change = ring_begin(&world);
    for (unsigned i = 1; i <= 100; i++) ck_assert_ok(make_effective(&change, i));
    ck_assert_ok(vt_certificate_log_is_signed(change.txn, &is_signed));
    ck_assert(!is_signed);
    ck_assert_ok(vt_certificate_log_sign(change.view, change.txn));
    ck_assert_ok(vt_certificate_log_sign(change.view, change.txn));     /* nothing has been added since */
    ck_assert_ok(vt_certificate_log_is_signed(change.txn, &is_signed));
    ck_assert(is_signed);
    ring_commit(&change);
    ck_assert_uint_eq(count_checkpoints(&world), 2);
    for (unsigned i = 1; i <= 100; i++) {
        ck_assert_ok(look(&world, i, &state, NULL));
        ck_assert_int_eq(state, VT_CERTIFICATE_EFFECTIVE);
    }
    ring_world_free(&world);
}
END_TEST

/* Batches of all sizes around those of tiles and of the nodes above them. */
START_TEST(a_certificate_stays_the_same_however_many_follow)
{
    static const unsigned SIZES[] = {1, 1, 2, 29, 31, 32, 33, 1, 64, 63, 130};
    enum { SEEN = 16 };
    struct ring_world world;
    struct vt_buf first[SEEN];
    enum vt_certificate_state state;
    unsigned last = 0;
    ring_world_open(&world);
    for (size_t i = 0; i < SEEN; i++) first[i] = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    for (size_t i = 0; i < VT_ARRAY_LEN(SIZES); i++) {
        ask(&world, last + 1, last + SIZES[i]);
        last += SIZES[i];
        ck_assert_ok(look(&world, last, &state, &first[i]));
    }
    ck_assert_uint_eq(count_checkpoints(&world), VT_ARRAY_LEN(SIZES));
    unsigned number = 0;
    for (size_t i = 0; i < VT_ARRAY_LEN(SIZES); i++) {
        VT_AUTO(vt_buf) again = VT_BUF_INIT(VT_CERTIFICATE_MAX);
        number += SIZES[i];
        ck_assert_ok(look(&world, number, &state, &again));
        ck_assert(vt_bytes_equal(vt_buf_bytes(&again), vt_buf_bytes(&first[i])));
    }
    for (unsigned i = 1; i <= last; i++) ck_assert_ok(look(&world, i, &state, NULL));
    for (size_t i = 0; i < SEEN; i++) vt_buf_release(&first[i]);
    ring_world_free(&world);
}
END_TEST

/* The checkpoints are those of one log that only grows: each root is that of its first leaves, whatever came later. */
START_TEST(every_checkpoint_signs_the_beginning_of_the_same_log)
{
    enum { LEAVES = 77 };
    struct ring_world world;
    struct vt_merkle_hash leaves[LEAVES], root;
    ring_world_open(&world);
    for (unsigned i = 0; i < LEAVES; i++) {
        struct ring_write change = ring_begin(&world);
        char text[16];
        uint64_t index;
        struct vt_bytes note;
        struct vt_checkpoint checkpoint;
        snprintf(text, sizeof text, "text %u\n", i);
        ck_assert_ok(vt_merkle_leaf(vt_bytes_str(text), &leaves[i]));
        ck_assert_ok(vt_certificate_log_add(change.txn, vt_bytes_str(text), &index));
        ck_assert_uint_eq(index, i);
        ck_assert_ok(vt_certificate_log_sign(change.view, change.txn));
        ck_assert_ok(vt_certificate_log_checkpoint(change.txn, &note));
        const struct vt_note_verifier verifier = verifier_of(change.view);
        ck_assert_ok(vt_checkpoint_verify(note, &verifier, 1, VT_CHECKPOINT_PLAIN, &checkpoint, NULL));
        ck_assert_ok(vt_merkle_root(leaves, i + 1, &root));
        ck_assert_uint_eq(checkpoint.size, i + 1);
        ck_assert(vt_merkle_hash_equal(&root, &checkpoint.root));
        ring_commit(&change);
    }
    ring_world_free(&world);
}
END_TEST

START_TEST(a_certificate_that_is_not_signed_yet_is_not_handed_out)
{
    struct ring_world world;
    struct vt_pending pending = asked(1);
    struct vt_bytes note;
    struct vt_tlog_proof proof;
    VT_AUTO(vt_buf) file = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    ring_world_open(&world);
    struct ring_write change = ring_begin(&world);
    ck_assert_status(vt_certificate_log_checkpoint(change.txn, &note), VAULT_E_NOT_FOUND);
    ck_assert_status(vt_certificate_log_prove(change.txn, 0, &proof), VAULT_E_NOT_FOUND);
    ck_assert_ok(vt_pending_add(change.view, change.txn, &EVIDENCE, &pending));
    ck_assert_status(vt_certificate_log_prove(change.txn, 0, &proof), VAULT_E_NOT_FOUND);
    ck_assert_status(vt_certificate_get(change.txn, 1, &file), VAULT_E_CORRUPT);
    ck_assert_uint_eq(file.len, 0);
    ck_assert_ok(vt_certificate_log_sign(change.view, change.txn));
    ck_assert_ok(vt_certificate_get(change.txn, 1, &file));
    ck_assert_status(vt_certificate_log_prove(change.txn, 1, &proof), VAULT_E_NOT_FOUND);
    ck_assert_status(vt_certificate_log_prove(change.txn, UINT64_MAX, &proof), VAULT_E_NOT_FOUND);
    ring_abort(&change);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_state_that_was_reached_is_never_issued_again)
{
    struct ring_world world;
    struct vt_certificate certificate;
    enum vt_certificate_state state;
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    VT_AUTO(vt_buf) before = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    VT_AUTO(vt_buf) after = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    ring_world_open(&world);
    ask(&world, 1, 3);
    struct ring_write change = ring_begin(&world);
    ck_assert_ok(make_effective(&change, 2));
    ck_assert_ok(vt_certificate_log_sign(change.view, change.txn));
    ring_commit(&change);
    ck_assert_ok(look(&world, 2, &state, &before));
    change = ring_begin(&world);
    ck_assert_status(make_effective(&change, 2), VAULT_E_EXISTS);
    ck_assert_ok(vt_certificate_read(change.txn, 2, &pool, &certificate));
    certificate.state = VT_CERTIFICATE_PENDING;
    ck_assert_status(vt_certificate_issue(change.txn, &certificate), VAULT_E_EXISTS);
    ring_commit(&change);
    ck_assert_ok(look(&world, 2, &state, &after));
    ck_assert(vt_bytes_equal(vt_buf_bytes(&before), vt_buf_bytes(&after)));
    ring_world_free(&world);
}
END_TEST

START_TEST(an_effective_certificate_is_read_and_issued_again_as_final)
{
    struct ring_world world;
    struct vt_certificate certificate;
    enum vt_certificate_state state;
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    VT_AUTO(vt_buf) file = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    ring_world_open(&world);
    ask(&world, 1, 2);
    struct ring_write change = ring_begin(&world);
    ck_assert_ok(make_effective(&change, 1));
    ck_assert_ok(vt_certificate_read(change.txn, 1, &pool, &certificate));
    ck_assert_int_eq(certificate.state, VT_CERTIFICATE_EFFECTIVE);
    certificate.state = VT_CERTIFICATE_FINAL;
    ck_assert_status(vt_certificate_issue(change.txn, &certificate), VAULT_E_ARGUMENT);     /* without a final time */
    certificate.final = (struct vt_certificate_final){VT_FINAL_AT, 1790000002000, VT_BYTES_EMPTY};
    ck_assert_status(vt_certificate_issue(change.txn, &certificate), VAULT_E_ARGUMENT);     /* nor with the index's era open */
    certificate.index_era = (struct vt_certificate_phase){VT_PHASE_CLOSED, 1790000001500};
    ck_assert_ok(vt_certificate_issue(change.txn, &certificate));
    ck_assert_ok(vt_certificate_log_sign(change.view, change.txn));
    ring_commit(&change);
    ck_assert_ok(look(&world, 1, &state, NULL));
    ck_assert_int_eq(state, VT_CERTIFICATE_FINAL);
    struct ring_read read = ring_read_begin(&world);
    ck_assert_ok(vt_certificate_state_of(read.txn, 1, &state));
    ck_assert_int_eq(state, VT_CERTIFICATE_FINAL);
    for (unsigned i = VT_CERTIFICATE_PENDING; i <= VT_CERTIFICATE_FINAL; i++)
        ck_assert_ok(vt_certificate_get_state(read.txn, 1, i, &file));
    ck_assert_ok(vt_certificate_get_state(read.txn, 2, VT_CERTIFICATE_PENDING, &file));
    ck_assert_status(vt_certificate_get_state(read.txn, 2, VT_CERTIFICATE_EFFECTIVE, &file), VAULT_E_NOT_FOUND);
    ck_assert_status(vt_certificate_state_of(read.txn, 9, &state), VAULT_E_NOT_FOUND);
    ck_assert_status(vt_certificate_read(read.txn, 9, &pool, &certificate), VAULT_E_NOT_FOUND);
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST

/* As after a take-over: the text was issued in the incarnation before, and the log is signed in the name of the present one. */
START_TEST(a_certificate_issued_again_is_signed_in_the_present_incarnation)
{
    struct ring_world world;
    struct vt_certificate certificate;
    enum vt_certificate_state state;
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    ring_world_open(&world);
    ask(&world, 1, 1);
    struct ring_write change = ring_begin(&world);
    ck_assert_ok(make_effective(&change, 1));
    ck_assert_ok(vt_certificate_read(change.txn, 1, &pool, &certificate));
    const uint64_t present = certificate.incarnation;
    certificate.incarnation = present + 8;
    ck_assert_ok(vt_certificate_issue_again(change.view, change.txn, &certificate));
    ck_assert_ok(vt_certificate_log_sign(change.view, change.txn));
    ring_commit(&change);
    ck_assert_ok(look(&world, 1, &state, NULL));
    struct ring_read read = ring_read_begin(&world);
    ck_assert_ok(vt_certificate_read(read.txn, 1, &pool, &certificate));
    ck_assert_uint_eq(certificate.incarnation, present);
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_cancelled_request_takes_its_certificate_away_and_leaves_the_others_proofs)
{
    struct ring_world world;
    struct vt_stamps *stamps = NULL;
    struct vt_pending removed;
    const struct vt_scope scope = asked(7).scope;
    enum vt_certificate_state state;
    ring_world_open(&world);
    ask(&world, 1, 40);
    ck_assert_ok(vt_stamps_new(&stamps));
    struct ring_write change = ring_begin(&world);
    ck_assert_ok(vt_pending_remove(change.view, change.txn, stamps, &scope, &removed));
    ring_commit(&change);
    for (unsigned i = 1; i <= 40; i++) ck_assert_status(look(&world, i, &state, NULL), i == 7 ? VAULT_E_NOT_FOUND : VAULT_OK);
    vt_stamps_free(stamps);
    ring_world_free(&world);
}
END_TEST

/* Damage ------------------------------------------------------------------------------------------------------------ */

static struct ring_row rows[64];

static size_t rows_of(struct ring_world *world, enum vt_table table)
{
    const size_t count = ring_rows(world, table, rows, VT_ARRAY_LEN(rows));
    ck_assert_uint_lt(count, VT_ARRAY_LEN(rows));
    return count;
}

START_TEST(a_text_changed_in_the_store_does_not_verify)
{
    struct ring_world world;
    enum vt_certificate_state state;
    ring_world_open(&world);
    ask(&world, 1, 2);
    ck_assert_uint_eq(rows_of(&world, VT_TABLE_CERTIFICATE), 2);
    uint8_t *basis = memmem(rows[1].value, rows[1].len, "gdpr-17-1-a", 11);
    ck_assert_ptr_nonnull(basis);
    basis[10] = 'b';
    ring_row_put(&world, VT_TABLE_CERTIFICATE, &rows[1]);
    ck_assert_ok(look(&world, 1, &state, NULL));
    ck_assert_status(look(&world, 2, &state, NULL), VAULT_E_AUTHENTICITY);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_row_of_another_version_or_shape_is_refused)
{
    static const struct {
        size_t at;
        uint8_t value;
        vault_status status;
    } CASES[] = {{0, 1, VAULT_E_FORMAT}, {0, 3, VAULT_E_FORMAT}, {1, 1, VAULT_E_CORRUPT}, {3, 1, VAULT_E_CORRUPT},
                 {4, 1, VAULT_E_CORRUPT}, {11, 9, VAULT_E_CORRUPT}, {12, 'V', VAULT_E_PARSE}, {60, 1, VAULT_E_AUTHENTICITY}};
    struct ring_world world;
    enum vt_certificate_state state;
    ring_world_open(&world);
    ask(&world, 1, 1);
    for (size_t i = 0; i < VT_ARRAY_LEN(CASES); i++) {
        ck_assert_uint_eq(rows_of(&world, VT_TABLE_CERTIFICATE), 1);
        const uint8_t before = rows[0].value[CASES[i].at];
        rows[0].value[CASES[i].at] = CASES[i].value;
        ring_row_put(&world, VT_TABLE_CERTIFICATE, &rows[0]);
        const vault_status status = look(&world, 1, &state, NULL);
        ck_assert_msg(status == CASES[i].status, "case %zu: %s", i, vault_status_code(status));
        rows[0].value[CASES[i].at] = before;
        ring_row_put(&world, VT_TABLE_CERTIFICATE, &rows[0]);
    }
    ck_assert_ok(look(&world, 1, &state, NULL));
    rows[0].len = 12;
    ring_row_put(&world, VT_TABLE_CERTIFICATE, &rows[0]);
    ck_assert_status(look(&world, 1, &state, NULL), VAULT_E_CORRUPT);
    rows[0].len = 0;
    ring_row_put(&world, VT_TABLE_CERTIFICATE, &rows[0]);
    ck_assert_status(look(&world, 1, &state, NULL), VAULT_E_CORRUPT);
    ring_world_free(&world);
}
END_TEST

/* Together their proofs need every row of the log of 70. */
static unsigned count_refused(struct ring_world *world, bool only_corrupt)
{
    static const uint64_t NUMBERS[] = {1, 40, 70};
    enum vt_certificate_state state;
    unsigned refused = 0;
    for (size_t i = 0; i < VT_ARRAY_LEN(NUMBERS); i++) {
        const vault_status status = look(world, NUMBERS[i], &state, NULL);
        refused += only_corrupt ? status == VAULT_E_CORRUPT : status != VAULT_OK;
    }
    return refused;
}

START_TEST(a_log_with_a_row_missing_or_changed_proves_nothing)
{
    struct ring_world world;
    ring_world_open(&world);
    ask(&world, 1, 70);
    const size_t count = rows_of(&world, VT_TABLE_CERTIFICATE_LOG);
    ck_assert_uint_eq(count, 3 + 3 + 1);        /* tiles; two subtrees of 32 and theirs; a checkpoint */
    for (size_t i = 0; i < count; i++) {
        ring_row_delete(&world, VT_TABLE_CERTIFICATE_LOG, &rows[i]);
        ck_assert_msg(count_refused(&world, true) != 0, "row %zu", i);
        ring_row_put(&world, VT_TABLE_CERTIFICATE_LOG, &rows[i]);
        rows[i].value[rows[i].len - 1] ^= 1;
        ring_row_put(&world, VT_TABLE_CERTIFICATE_LOG, &rows[i]);
        ck_assert_msg(count_refused(&world, false) != 0, "row %zu", i);
        rows[i].value[rows[i].len - 1] ^= 1;
        ring_row_put(&world, VT_TABLE_CERTIFICATE_LOG, &rows[i]);
    }
    ck_assert_uint_eq(count_refused(&world, false), 0);
    ring_world_free(&world);
}
END_TEST

/* The whole ---------------------------------------------------------------------------------------------------------- */

static vault_status check(struct ring_world *world, struct vt_certificate_report *out_report)
{
    struct ring_read read = ring_read_begin(world);
    const struct vt_note_verifier verifier = verifier_of(read.view);
    const vault_status status = vt_certificates_check(read.txn, &verifier, 1, out_report);
    ck_assert_int_eq(status != VAULT_OK, out_report->fault != NULL);
    ring_read_end(&read);
    return status;
}

START_TEST(the_check_of_a_sound_log_counts_what_there_is)
{
    struct ring_world world;
    struct vt_certificate_report report;
    ring_world_open(&world);
    ck_assert_ok(check(&world, &report));
    ck_assert_uint_eq(report.leaves, 0);
    ask(&world, 1, 31);
    ask(&world, 32, 32);
    ask(&world, 33, 130);
    ck_assert_ok(check(&world, &report));
    ck_assert_uint_eq(report.leaves, 130);
    ck_assert_uint_eq(report.checkpoints, 3);
    ck_assert_uint_eq(report.texts, 130);
    ring_world_free(&world);
}
END_TEST

START_TEST(the_check_finds_rows_of_the_log_that_are_missing_or_changed)
{
    struct ring_world world;
    struct vt_certificate_report report;
    ring_world_open(&world);
    ask(&world, 1, 40);
    ask(&world, 41, 100);
    const size_t count = rows_of(&world, VT_TABLE_CERTIFICATE_LOG);
    ck_assert_uint_eq(count, 4 + 4 + 2);        /* tiles; subtrees of 32, 32, 64 and 32; checkpoints */
    for (size_t i = 0; i < count; i++) {
        const bool is_earlier_checkpoint = i == count - 2;      /* what it covered the last one covers, too */
        ring_row_delete(&world, VT_TABLE_CERTIFICATE_LOG, &rows[i]);
        ck_assert_status(check(&world, &report), is_earlier_checkpoint ? VAULT_OK : VAULT_E_CORRUPT);
        ring_row_put(&world, VT_TABLE_CERTIFICATE_LOG, &rows[i]);
        rows[i].value[rows[i].len / 2] ^= 1;
        ring_row_put(&world, VT_TABLE_CERTIFICATE_LOG, &rows[i]);
        ck_assert_status(check(&world, &report), VAULT_E_CORRUPT);
        rows[i].value[rows[i].len / 2] ^= 1;
        ring_row_put(&world, VT_TABLE_CERTIFICATE_LOG, &rows[i]);
    }
    ck_assert_ok(check(&world, &report));
    rows[0].key[8] = 200;
    ring_row_put(&world, VT_TABLE_CERTIFICATE_LOG, &rows[0]);
    ck_assert_status(check(&world, &report), VAULT_E_CORRUPT);
    ck_assert_str_eq(report.fault, "a row has no place");
    ring_world_free(&world);
}
END_TEST

START_TEST(the_check_finds_a_text_that_was_not_signed_and_a_leaf_that_was_not_either)
{
    struct ring_world world;
    struct vt_certificate_report report;
    uint64_t index;
    ring_world_open(&world);
    ask(&world, 1, 3);
    ck_assert_uint_eq(rows_of(&world, VT_TABLE_CERTIFICATE), 3);
    rows[1].value[rows[1].len - 2] ^= 1;
    ring_row_put(&world, VT_TABLE_CERTIFICATE, &rows[1]);
    ck_assert_status(check(&world, &report), VAULT_E_CORRUPT);
    ck_assert_str_eq(report.fault, "a certificate is not the one that was signed");
    ck_assert_uint_eq(report.at, 2);
    rows[1].value[rows[1].len - 2] ^= 1;
    rows[1].value[0]++;
    ring_row_put(&world, VT_TABLE_CERTIFICATE, &rows[1]);
    ck_assert_status(check(&world, &report), VAULT_E_CORRUPT);
    ck_assert_str_eq(report.fault, "a certificate cannot be read");
    rows[1].value[0]--;
    ring_row_put(&world, VT_TABLE_CERTIFICATE, &rows[1]);
    ck_assert_ok(check(&world, &report));
    struct ring_write change = ring_begin(&world);
    ck_assert_ok(vt_certificate_log_add(change.txn, vt_bytes_str("unsigned\n"), &index));
    ring_commit(&change);
    ck_assert_status(check(&world, &report), VAULT_E_CORRUPT);
    ck_assert_str_eq(report.fault, "leaves are not signed");
    ck_assert_uint_eq(report.at, 3);
    ring_world_free(&world);
}
END_TEST

/* The key of a row says number and state, and so does its text, which is what was signed. */
START_TEST(the_check_finds_a_text_that_lies_under_another_number_or_state)
{
    struct ring_world world;
    struct vt_certificate_report report;
    ring_world_open(&world);
    ask(&world, 1, 2);
    ck_assert_uint_eq(rows_of(&world, VT_TABLE_CERTIFICATE), 2);
    struct ring_row swapped = rows[0];
    memcpy(swapped.key, rows[1].key, sizeof swapped.key);
    ring_row_put(&world, VT_TABLE_CERTIFICATE, &swapped);
    ck_assert_status(check(&world, &report), VAULT_E_CORRUPT);
    ck_assert_str_eq(report.fault, "a certificate lies in another one's place");
    ck_assert_uint_eq(report.at, 2);
    ring_row_put(&world, VT_TABLE_CERTIFICATE, &rows[1]);
    ck_assert_ok(check(&world, &report));
    swapped = rows[0];
    swapped.key[0] = VT_CERTIFICATE_FINAL;
    ring_row_put(&world, VT_TABLE_CERTIFICATE, &swapped);
    ck_assert_status(check(&world, &report), VAULT_E_CORRUPT);
    ck_assert_str_eq(report.fault, "a certificate lies in another one's place");
    ck_assert_uint_eq(report.at, 1);
    ring_world_free(&world);
}
END_TEST

#ifdef VT_FAULTS
START_TEST(a_failing_allocation_issues_nothing_by_halves)
{
    struct ring_world world;
    enum vt_certificate_state state;
    ring_world_open(&world);
    ask(&world, 1, 33);
    bool fired = true;
    for (unsigned nth = 1; fired; nth++) {
        struct ring_write change = ring_begin(&world);
        vt_fault_arm(VT_FAULT_ALLOC, nth);
        vault_status status = make_effective(&change, 33);
        if (status == VAULT_OK) status = vt_certificate_log_sign(change.view, change.txn);
        fired = vt_fault_disarm();
        ck_assert(fired || status == VAULT_OK);
        ring_abort(&change);
        ck_assert_ok(look(&world, 33, &state, NULL));
        ck_assert_int_eq(state, VT_CERTIFICATE_PENDING);
    }
    ring_world_free(&world);
}
END_TEST
#endif

VT_TEST_MAIN("epoch/certificates",
#ifdef VT_FAULTS
             a_failing_allocation_issues_nothing_by_halves,
#endif
             one_signature_stands_for_all_certificates_of_a_transaction, a_certificate_stays_the_same_however_many_follow,
             every_checkpoint_signs_the_beginning_of_the_same_log, a_certificate_that_is_not_signed_yet_is_not_handed_out,
             a_state_that_was_reached_is_never_issued_again, an_effective_certificate_is_read_and_issued_again_as_final,
             a_certificate_issued_again_is_signed_in_the_present_incarnation,
             a_cancelled_request_takes_its_certificate_away_and_leaves_the_others_proofs,
             a_text_changed_in_the_store_does_not_verify, a_row_of_another_version_or_shape_is_refused,
             a_log_with_a_row_missing_or_changed_proves_nothing, the_check_of_a_sound_log_counts_what_there_is,
             the_check_finds_rows_of_the_log_that_are_missing_or_changed,
             the_check_finds_a_text_that_was_not_signed_and_a_leaf_that_was_not_either,
             the_check_finds_a_text_that_lies_under_another_number_or_state)
