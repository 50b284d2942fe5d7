/* Subjects that are made together get neighbouring ids, in a tree that is large enough for it to matter. */
#include <stdio.h>

#include "tests/support/world.h"
#include "vaultd/core/subject/sid.h"

static const char NOTES[] = "name: notes\ndoc: Notes.\ncardinality: many\nfields:\n"
                            "  - {name: line, type: text, category: A, doc: l}\n";
static const char TEMPLATES[] = "templates:\n  - {name: line, format: opaque, collection: notes, field: line}\n";

static struct world world;

static void setup(void)
{
    struct vt_value params = vt_value_map();
    world_new(&world, NULL);
    world_apply_schema(&world, NOTES);
    ck_assert_ok(vt_value_put(&world.pool, &params, "template", vt_value_str(TEMPLATES), NULL));
    ck_assert_ok(world_call_value(&world, "administrator", "template.apply", &params, NULL));
}

static void teardown(void)
{
    world_free(&world);
}

/* Values that nobody has yet: each gets a subject of its own. */
static void make_subjects(unsigned count)
{
    char params[1024];
    size_t len = (size_t)snprintf(params, sizeof params, "{template: line, values: [a");
    for (unsigned i = 1; i < count; i++) len += (size_t)snprintf(params + len, sizeof params - len, ", a");
    snprintf(params + len, sizeof params - len, "]}");
    ck_assert_ok(world_call(&world, "application", "token.create", params, NULL));
    world_forget(&world);
}

/* The first eight bytes of ids drawn for @p count records in a row, in one view. */
static void draw(uint64_t first_record, size_t count, uint64_t *out_fronts)
{
    struct vt_txn *txn = NULL;
    struct vt_keyring_view *view = NULL;
    ck_assert_ok(vt_vault_view(world.vault, &txn, &view));
    const struct vt_subject_env env = {
        .view = view, .tenant = VT_TENANT_DEFAULT, .records = vt_vault_record_sequence(world.vault)};
    for (size_t i = 0; i < count; i++) {
        struct vt_sid sid;
        ck_assert_ok(vt_sid_draw(&env, first_record + i, &sid));
        out_fronts[i] = vt_get_u64(sid.bytes);
    }
    vt_keyring_view_end(view);
    vt_txn_abort(txn);
}

static bool share(const uint64_t *fronts, size_t count, unsigned bits)
{
    for (size_t i = 1; i < count; i++)
        if ((fronts[i] ^ fronts[0]) >> (64 - bits) != 0) return false;
    return true;
}

START_TEST(the_bits_shared_are_those_that_tell_leaves_apart)
{
    ck_assert_uint_eq(vt_sid_shared_bits(0), 0);
    ck_assert_uint_eq(vt_sid_shared_bits(63), 0);
    ck_assert_uint_eq(vt_sid_shared_bits(64), 1);
    ck_assert_uint_eq(vt_sid_shared_bits(127), 1);
    ck_assert_uint_eq(vt_sid_shared_bits(128), 2);
    ck_assert_uint_eq(vt_sid_shared_bits(1000 * 1000), 14);
    ck_assert_uint_eq(vt_sid_shared_bits(UINT64_MAX), VT_SID_SHARED_BITS_MAX);
}
END_TEST

START_TEST(the_ids_of_a_small_vault_share_nothing)
{
    setup();
    uint64_t fronts[64];
    draw(0, 64, fronts);
    ck_assert(!share(fronts, 64, 1));
    teardown();
}
END_TEST

START_TEST(the_ids_of_one_run_share_these_bits_and_no_more)
{
    setup();
    enum { COUNT = 64 };
    uint64_t fronts[COUNT];
    for (unsigned i = 0; i < 6; i++) make_subjects(100);
    const unsigned bits = vt_sid_shared_bits(600);
    ck_assert_uint_eq(bits, 4);
    draw(VT_SID_RUN_RECORDS, COUNT, fronts);
    ck_assert(share(fronts, COUNT, bits));
    ck_assert(!share(fronts, COUNT, bits + 1));
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < i; j++) ck_assert_uint_ne(fronts[i], fronts[j]);
    teardown();
}
END_TEST

START_TEST(another_run_lies_elsewhere_and_nobody_can_foretell_where)
{
    setup();
    enum { RUNS = 32 };
    uint64_t fronts[RUNS], again[RUNS];
    for (unsigned i = 0; i < 6; i++) make_subjects(100);
    for (uint64_t run = 0; run < RUNS; run++) draw(run * VT_SID_RUN_RECORDS, 1, &fronts[run]);
    ck_assert(!share(fronts, RUNS, 1));
    /* The same record ids in another vault, hence under another salt. */
    teardown();
    setup();
    for (unsigned i = 0; i < 6; i++) make_subjects(100);
    for (uint64_t run = 0; run < RUNS; run++) draw(run * VT_SID_RUN_RECORDS, 1, &again[run]);
    size_t equal = 0;
    for (size_t run = 0; run < RUNS; run++) equal += (fronts[run] ^ again[run]) >> 60 == 0;
    ck_assert_uint_lt(equal, RUNS);
    teardown();
}
END_TEST

VT_TEST_MAIN("subject/sid", the_bits_shared_are_those_that_tell_leaves_apart,
             the_ids_of_a_small_vault_share_nothing,
             the_ids_of_one_run_share_these_bits_and_no_more,
             another_run_lies_elsewhere_and_nobody_can_foretell_where)
