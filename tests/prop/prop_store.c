/* The LMDB store against its model, the memory store: random histories, the same calls on both, with old snapshots
 * kept, reopening and copies in between. Statuses, values, commit numbers and whole tables must agree. */
#include "tests/unit/store/store_kit.h"

enum { ROUNDS = 60, TXNS = 40, OPS = 60, READERS = 4, TABLES = 3, KEYS = 400, VALUE_MAX = 9000 };

struct pair {
    struct kit kit;
    struct vt_store *model;
    uint64_t state;
    struct vt_txn *model_reads[READERS];    /* old snapshots, side by side; NULL: none */
    struct vt_txn *lmdb_reads[READERS];
    bool is_parked[READERS];
    uint8_t bytes[VALUE_MAX];
};

static uint64_t pick(struct pair *pair, uint64_t below)
{
    return kit_random(&pair->state) % below;
}

static const enum vt_table USED[TABLES] = {VT_TABLE_META, VT_TABLE_ROW, VT_TABLE_AUDIT};

/* Few keys, so that they meet again; of very different lengths, some prefixes of others. */
static size_t pick_key(struct pair *pair, uint8_t out_key[VT_STORE_KEY_MAX])
{
    uint64_t seed = pick(pair, KEYS);
    const size_t lens[] = {1, 2, 8, 20, 26, 255, VT_STORE_KEY_MAX};
    const size_t len = lens[kit_random(&seed) % VT_ARRAY_LEN(lens)];
    for (size_t i = 0; i < len; i++) out_key[i] = (uint8_t)(kit_random(&seed) % 3 * 127);
    return len;
}

static size_t pick_value_len(struct pair *pair)
{
    const size_t lens[] = {0, 1, 40, 250, 1000, 2030, 2040, 4080, 4096, VALUE_MAX};
    return pick(pair, 3) == 0 ? pick(pair, 300) : lens[pick(pair, VT_ARRAY_LEN(lens))];
}

static void assert_same_status(vault_status model, vault_status lmdb, const char *what)
{
    ck_assert_msg(model == lmdb, "%s: the model says %s, LMDB %s", what, vault_status_code(model),
                  vault_status_code(lmdb));
}

static void assert_same_entry(vault_status status, const struct vt_bytes model[2], const struct vt_bytes lmdb[2])
{
    if (status != VAULT_OK) return;
    ck_assert(vt_bytes_equal(model[0], lmdb[0]));
    ck_assert(vt_bytes_equal(model[1], lmdb[1]));
}

/* Whole tables ----------------------------------------------------------------------------------------------------- */

static void compare_table(struct vt_txn *model, struct vt_txn *lmdb, enum vt_table table)
{
    struct vt_cursor *a = NULL, *b = NULL;
    ck_assert_ok(vt_cursor_open(model, table, &a));
    ck_assert_ok(vt_cursor_open(lmdb, table, &b));
    vault_status status = VAULT_OK;
    while (status == VAULT_OK) {
        struct vt_bytes of_a[2] = {VT_BYTES_EMPTY, VT_BYTES_EMPTY}, of_b[2] = {VT_BYTES_EMPTY, VT_BYTES_EMPTY};
        status = vt_cursor_next(a, &of_a[0], &of_a[1]);
        assert_same_status(status, vt_cursor_next(b, &of_b[0], &of_b[1]), "next");
        assert_same_entry(status, of_a, of_b);
    }
    ck_assert_status(status, VAULT_E_NOT_FOUND);
    vt_cursor_free(a);
    vt_cursor_free(b);
}

static void compare_all(struct vt_txn *model, struct vt_txn *lmdb)
{
    ck_assert_uint_eq(vt_store_commit_number(model), vt_store_commit_number(lmdb));
    for (int table = 0; table < VT_TABLE_COUNT; table++) compare_table(model, lmdb, (enum vt_table)table);
}

static void compare_stores(struct pair *pair, struct vt_store *other)
{
    struct vt_txn *model = NULL, *lmdb = NULL;
    ck_assert_ok(vt_txn_begin_read(pair->model, &model));
    ck_assert_ok(vt_txn_begin_read(other, &lmdb));
    compare_all(model, lmdb);
    vt_txn_abort(model);
    vt_txn_abort(lmdb);

    struct vt_store_stats stats_model = {0}, stats_other = {0};
    ck_assert_ok(vt_store_stats(pair->model, &stats_model));
    ck_assert_ok(vt_store_stats(other, &stats_other));
    ck_assert_mem_eq(stats_model.entries, stats_other.entries, sizeof stats_model.entries);
}

/* Operations ------------------------------------------------------------------------------------------------------- */

static void op_put(struct pair *pair, struct vt_txn *model, struct vt_txn *lmdb)
{
    uint8_t key[VT_STORE_KEY_MAX];
    const struct vt_bytes wanted = vt_bytes(key, pick_key(pair, key));
    const size_t len = pick_value_len(pair), from = pick(pair, VALUE_MAX - len + 1);
    const enum vt_put_flags flags = (enum vt_put_flags)(pick(pair, 3) == 0 ? pick(pair, 4) : 0);
    const enum vt_table table = USED[pick(pair, TABLES)];
    const struct vt_bytes value = vt_bytes(pair->bytes + from, len);
    const vault_status status = vt_store_put(model, table, wanted, value, flags);
    assert_same_status(status, vt_store_put(lmdb, table, wanted, value, flags), "put");
}

static void op_delete(struct pair *pair, struct vt_txn *model, struct vt_txn *lmdb)
{
    uint8_t key[VT_STORE_KEY_MAX];
    const struct vt_bytes wanted = vt_bytes(key, pick_key(pair, key));
    const enum vt_table table = USED[pick(pair, TABLES)];
    const vault_status status = vt_store_delete(model, table, wanted);
    assert_same_status(status, vt_store_delete(lmdb, table, wanted), "delete");
}

static void op_get(struct pair *pair, struct vt_txn *model, struct vt_txn *lmdb)
{
    uint8_t key[VT_STORE_KEY_MAX];
    const struct vt_bytes wanted = vt_bytes(key, pick_key(pair, key));
    const enum vt_table table = USED[pick(pair, TABLES)];
    struct vt_bytes a[2] = {wanted, VT_BYTES_EMPTY}, b[2] = {wanted, VT_BYTES_EMPTY};
    const vault_status status = vt_store_get(model, table, wanted, &a[1]);
    assert_same_status(status, vt_store_get(lmdb, table, wanted, &b[1]), "get");
    assert_same_entry(status, a, b);
}

static vault_status place(struct vt_cursor *cursor, uint64_t how, struct vt_bytes key, struct vt_bytes out[2])
{
    switch (how) {
    case 0: return vt_cursor_last(cursor, NULL, &out[0], &out[1]);
    case 1: return vt_cursor_last(cursor, &key, &out[0], &out[1]);
    case 2: return vt_cursor_seek(cursor, VT_BYTES_EMPTY, &out[0], &out[1]);
    case 3: return vt_cursor_seek(cursor, key, &out[0], &out[1]);
    default: return vt_cursor_next(cursor, &out[0], &out[1]);
    }
}

/* A cursor placed and moved at random; in a write transaction puts and deletes happen under it. */
static void op_scan(struct pair *pair, struct vt_txn *model, struct vt_txn *lmdb)
{
    const enum vt_table table = USED[pick(pair, TABLES)];
    struct vt_cursor *a = NULL, *b = NULL;
    ck_assert_ok(vt_cursor_open(model, table, &a));
    ck_assert_ok(vt_cursor_open(lmdb, table, &b));
    for (uint64_t moves = pick(pair, 25); moves != 0; moves--) {
        uint8_t key[VT_STORE_KEY_MAX];
        const struct vt_bytes wanted = vt_bytes(key, pick_key(pair, key));
        const uint64_t how = pick(pair, 16);
        struct vt_bytes of_a[2] = {VT_BYTES_EMPTY, VT_BYTES_EMPTY}, of_b[2] = {VT_BYTES_EMPTY, VT_BYTES_EMPTY};
        const vault_status status = place(a, how, wanted, of_a);
        assert_same_status(status, place(b, how, wanted, of_b), "cursor");
        assert_same_entry(status, of_a, of_b);
        if (vt_txn_is_write(model) && pick(pair, 3) == 0) op_put(pair, model, lmdb);
        if (vt_txn_is_write(model) && pick(pair, 3) == 0) op_delete(pair, model, lmdb);
    }
    vt_cursor_free(a);
    vt_cursor_free(b);
}

/* Old snapshots ---------------------------------------------------------------------------------------------------- */

static void step_reader(struct pair *pair, size_t i)
{
    struct vt_txn **model = &pair->model_reads[i], **lmdb = &pair->lmdb_reads[i];
    if (*model == NULL) {
        ck_assert_ok(vt_txn_begin_read(pair->model, model));
        ck_assert_ok(vt_txn_begin_read(pair->kit.store, lmdb));
        return;
    }
    if (pair->is_parked[i]) {
        ck_assert_ok(vt_txn_renew(*model));
        ck_assert_ok(vt_txn_renew(*lmdb));
        pair->is_parked[i] = false;
        return;
    }
    compare_all(*model, *lmdb);
    for (int n = 0; n < 5; n++) op_get(pair, *model, *lmdb);
    op_scan(pair, *model, *lmdb);
    vt_txn_reset(*model);
    vt_txn_reset(*lmdb);
    pair->is_parked[i] = true;
}

static void end_readers(struct pair *pair)
{
    for (size_t i = 0; i < READERS; i++) {
        vt_txn_abort(VT_MOVE(pair->model_reads[i]));
        vt_txn_abort(VT_MOVE(pair->lmdb_reads[i]));
        pair->is_parked[i] = false;
    }
}

/* Histories -------------------------------------------------------------------------------------------------------- */

static void random_op(struct pair *pair, struct vt_txn *model, struct vt_txn *lmdb)
{
    switch (pick(pair, 10)) {
    case 0: op_scan(pair, model, lmdb); return;
    case 1: op_get(pair, model, lmdb); return;
    case 2:
    case 3:
    case 4: op_delete(pair, model, lmdb); return;
    default: op_put(pair, model, lmdb); return;
    }
}

static void random_txn(struct pair *pair)
{
    struct vt_txn *model = NULL, *lmdb = NULL;
    ck_assert_ok(vt_txn_begin_write(pair->model, &model));
    ck_assert_ok(vt_txn_begin_write(pair->kit.store, &lmdb));
    ck_assert_uint_eq(vt_store_commit_number(model), vt_store_commit_number(lmdb));
    for (uint64_t ops = pick(pair, OPS); ops != 0; ops--) random_op(pair, model, lmdb);
    if (pick(pair, 4) == 0) {
        vt_txn_abort(model);
        vt_txn_abort(lmdb);
        return;
    }
    ck_assert_ok(vt_txn_commit(model));
    ck_assert_ok(vt_txn_commit(lmdb));
}

static void reopen(struct pair *pair)
{
    end_readers(pair);
    kit_close(&pair->kit);
    kit_open(&pair->kit);
    compare_stores(pair, pair->kit.store);
    kit_assert_sound(pair->kit.store);
}

static void check_copy(struct pair *pair)
{
    struct vt_store *copy = NULL;
    char dir[300];
    const struct vt_store_lmdb_options options = {.must_exist = true};
    struct vt_store *from = pick(pair, 2) == 0 ? pair->model : pair->kit.store;
    snprintf(dir, sizeof dir, "%s/copy", pair->kit.dir);
    ck_assert_ok(vt_store_copy(from, dir, NULL, NULL));
    ck_assert_ok(vt_store_lmdb_open(dir, &options, &copy));
    compare_stores(pair, copy);
    kit_assert_sound(copy);
    vt_store_free(copy);
    vt_temp_dir_remove(dir);
}

static void play_round(struct pair *pair)
{
    for (int i = 0; i < TXNS; i++) {
        random_txn(pair);
        if (pick(pair, 4) == 0) step_reader(pair, pick(pair, READERS));
        if (pick(pair, 40) == 0) reopen(pair);
    }
    compare_stores(pair, pair->kit.store);
    kit_assert_sound(pair->kit.store);
    if (pick(pair, 3) == 0) check_copy(pair);
}

START_TEST(lmdb_and_the_model_agree_on_random_histories)
{
    static struct pair pair;
    pair.state = kit_seed();
    for (size_t i = 0; i < VALUE_MAX; i++) pair.bytes[i] = (uint8_t)kit_random(&pair.state);
    kit_start(&pair.kit);
    ck_assert_ok(vt_store_mem_open(&pair.model));
    for (int round = 0; round < ROUNDS; round++) play_round(&pair);
    end_readers(&pair);
    vt_store_free(pair.model);
    kit_end(&pair.kit);
}
END_TEST

VT_TEST_MAIN("prop/store", lmdb_and_the_model_agree_on_random_histories)
