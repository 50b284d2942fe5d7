/* The verdicts: what the adversary opens, compared with what the model says must open and must not. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/prop/history.h"

/* Verdicts ----------------------------------------------------------------------------------------------------------- */


static void seen_opened(void *context, size_t row, struct vt_bytes plain)
{
    struct verdict *verdict = context;
    size_t at = 0;
    unsigned mark;
    verdict->is_open[row] = 1;
    while (next_mark(plain, &at, &mark))
        if (mark <= verdict->history->marks) verdict->is_seen[mark] = 1;
}

static void seen_reference(void *context, size_t row, const uint8_t secret[32])
{
    struct verdict *verdict = context;
    const bool is_buried = verdict->is_buried != NULL && verdict->is_buried[row];
    byte_set_add(is_buried ? &verdict->buried_references : &verdict->references, secret);
}

static void add_sid(struct byte_set *set, const uint8_t sid[16])
{
    uint8_t padded[32] = {0};
    memcpy(padded, sid, 16);
    byte_set_add(set, padded);
}

static bool has_sid(const struct byte_set *set, const uint8_t sid[16])
{
    uint8_t padded[32] = {0};
    memcpy(padded, sid, 16);
    return byte_set_has(set, padded);
}

static void seen_index_entry(void *context, const uint8_t data[24], const uint8_t secret[32])
{
    struct verdict *verdict = context;
    byte_set_add(&verdict->index, secret);
    add_sid(&verdict->holders, data);
}

static void seen_subject(void *context, const uint8_t sid[16])
{
    struct verdict *verdict = context;
    add_sid(&verdict->subjects, sid);
}

static void seen_payload(void *context, const uint8_t origin[16])
{
    struct verdict *verdict = context;
    add_sid(&verdict->payloads, origin);
}


/* The images go to the end of the table, behind those that were taken: there is room for as many again. */
static void choose_images(struct history *history, enum copies copies, struct vault_evidence *evidence)
{
    uint8_t *chosen = history->images + (size_t)IMAGES_MAX * VAULT_KEEPER_IMAGE;
    evidence->images = chosen;
    for (unsigned i = 0; i < history->image_count; i++) {
        const unsigned keeper = history->image_keepers[i];
        const bool is_present = history->last_image[keeper] == i + 1;
        const bool is_chosen = copies == EVERYTHING || (is_present && (copies == PRESENT || copies == PRESENT_AND_ALL_OF_ONE)) ||
                               (keeper == 0 && (copies == ALL_OF_ONE || copies == PRESENT_AND_ALL_OF_ONE));
        if (!is_chosen) continue;
        memcpy(chosen + evidence->image_count++ * VAULT_KEEPER_IMAGE, history->images + (size_t)i * VAULT_KEEPER_IMAGE,
               VAULT_KEEPER_IMAGE);
    }
}

static struct vault_evidence evidence_of(struct history *history, enum copies copies)
{
    struct vault_evidence evidence = {
        .recording = history->recording,
        .key_files = history->key_file_list, .key_file_count = history->key_file_count,
        .tokens = history->tokens, .token_count = history->token_count,
        .caller_keys = history->caller_keys, .caller_key_count = history->caller_key_count};
    choose_images(history, copies, &evidence);
    return evidence;
}

static void look(struct history *history, enum copies copies, bool is_exact, const uint8_t *is_buried, struct verdict *out_verdict)
{
    const struct vault_watch watch = {out_verdict, seen_opened, seen_reference, seen_index_entry, seen_subject,
                                      seen_payload};
    const struct vault_evidence evidence = evidence_of(history, copies);
    *out_verdict = (struct verdict){.history = history, .is_buried = is_buried};
    out_verdict->is_seen = table_of(history->marks + 1, 1);
    out_verdict->is_open = table_of(recording_count(history->recording) + 1, 1);
    vault_reach_from(&evidence, is_exact, &watch, &out_verdict->reach);
}

void verdict_release(struct verdict *verdict)
{
    free(verdict->is_seen);
    free(verdict->is_open);
    byte_set_release(&verdict->index);
    byte_set_release(&verdict->references);
    byte_set_release(&verdict->buried_references);
    byte_set_release(&verdict->subjects);
    byte_set_release(&verdict->holders);
    byte_set_release(&verdict->payloads);
    vault_reach_release(&verdict->reach);
}

static void add_leak(struct verdict *verdict, const char *what, unsigned long which)
{
    if (verdict->leaks++ == 0) snprintf(verdict->first, sizeof verdict->first, "%s, %lu", what, which);
}

/* A mark may be held by more than one value: it is forgotten with the last of them. */
static void judge_marks(struct verdict *verdict)
{
    struct history *history = verdict->history;
    uint8_t *fates = table_of(history->marks + 1, 1);
    enum { LIVES = 1, MAY_LIVE = 2, DEAD = 4 };
    for (unsigned i = 0; i < history->value_count; i++) {
        const struct value *value = &history->values[i];
        fates[value->mark] |= value->fate == FATE_NOW ? LIVES : value->fate < FATE_DEAD ? MAY_LIVE : DEAD;
    }
    for (unsigned mark = 1; mark <= history->marks; mark++) {
        if (fates[mark] == DEAD && verdict->is_seen[mark]) add_leak(verdict, "a forgotten value opens", mark);
        verdict->forgotten += fates[mark] == DEAD && !verdict->is_seen[mark];
        verdict->found += (fates[mark] & LIVES) != 0 && verdict->is_seen[mark];
        if ((fates[mark] & LIVES) == 0 || verdict->is_seen[mark]) continue;
        if (verdict->losses++ == 0) snprintf(verdict->first, sizeof verdict->first, "a live value does not open, %u", mark);
    }
    free(fates);
}

/* Who a record belongs to, by its id. */
struct owned {
    uint64_t record;
    uint8_t sid[16];
};
static int order_owned(const void *a, const void *b)
{
    const struct owned *x = a, *y = b;
    return x->record < y->record ? -1 : x->record > y->record;
}

static bool is_in_grave(const struct grave *grave, const struct record_row *row, size_t at)
{
    if (at >= grave->until || !grave->is_dead) return false;
    if (row->table == VT_TABLE_KEYBLOCK) return grave->has_key;
    if (grave->category != ALL && vt_get_u16(row->key + 8) != grave->category) return false;
    if (grave->record != 0 && vt_get_u64(row->key) != grave->record) return false;
    return !grave->is_of_category_key || row->value[8] == 0;
}

static const uint8_t *sid_of_row(const struct record_row *row, const struct owned *owned, size_t count)
{
    if (row->table == VT_TABLE_KEYBLOCK) return row->key;
    if (row->table != VT_TABLE_ROW) return NULL;
    const struct owned wanted = {.record = vt_get_u64(row->key)};
    const struct owned *found = count == 0 ? NULL : bsearch(&wanted, owned, count, sizeof *owned, order_owned);
    return found != NULL ? found->sid : NULL;
}

static struct owned *list_owners(const struct history *history, size_t *out_count)
{
    const struct record_row *rows = recording_rows(history->recording);
    const size_t count = recording_count(history->recording);
    struct owned *owned = table_of(count + 1, sizeof *owned);
    *out_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (rows[i].table != VT_TABLE_RECORD) continue;
        owned[*out_count].record = vt_get_u64(rows[i].key + 18);
        memcpy(owned[(*out_count)++].sid, rows[i].key, 16);
    }
    if (*out_count != 0) qsort(owned, *out_count, sizeof *owned, order_owned);
    return owned;
}

static int order_graves(const void *a, const void *b)
{
    return memcmp(((const struct grave *)a)->sid.bytes, ((const struct grave *)b)->sid.bytes, 16);
}

/* Calls @p visit for each row and key block that lies in a grave. */
static void each_buried(const struct history *history, void (*visit)(void *context, size_t row), void *context)
{
    size_t owner_count;
    struct owned *owned = list_owners(history, &owner_count);
    struct grave *graves = table_of(history->grave_count + 1, sizeof *graves);
    memcpy(graves, history->graves, history->grave_count * sizeof *graves);
    if (history->grave_count != 0) qsort(graves, history->grave_count, sizeof *graves, order_graves);
    const struct record_row *rows = recording_rows(history->recording);
    for (size_t i = 0; i < recording_count(history->recording); i++) {
        const uint8_t *sid = sid_of_row(&rows[i], owned, owner_count);
        struct grave wanted;
        if (sid == NULL) continue;
        memcpy(wanted.sid.bytes, sid, 16);
        const struct grave *found =
            history->grave_count == 0 ? NULL : bsearch(&wanted, graves, history->grave_count, sizeof *graves, order_graves);
        if (found == NULL) continue;
        while (found > graves && order_graves(found - 1, &wanted) == 0) found--;
        for (; found < graves + history->grave_count && order_graves(found, &wanted) == 0; found++) {
            if (!is_in_grave(found, &rows[i], i)) continue;
            visit(context, i);
            break;
        }
    }
    free(graves);
    free(owned);
}

static void judge_buried(void *context, size_t row)
{
    struct verdict *verdict = context;
    static const char *const names[VT_TABLE_COUNT] = {[VT_TABLE_ROW] = "a forgotten row opens",
                                                      [VT_TABLE_KEYBLOCK] = "a key block of before opens"};
    const enum vt_table table = recording_rows(verdict->history->recording)[row].table;
    verdict->forgotten += !verdict->is_open[row];
    if (verdict->is_open[row]) add_leak(verdict, names[table], (unsigned long)row);
}

static void judge_subjects(struct verdict *verdict)
{
    struct history *history = verdict->history;
    for (unsigned i = 0; i < history->subject_count; i++) {
        const struct subject *subject = &history->subjects[i];
        if (subject->is_live) {
            verdict->losses += !has_sid(&verdict->subjects, subject->sid.bytes);
            continue;
        }
        if (has_sid(&verdict->subjects, subject->sid.bytes)) add_leak(verdict, "a forgotten subject is in the tree", i);
        if (has_sid(&verdict->payloads, subject->sid.bytes)) add_leak(verdict, "an audit payload of a forgotten subject opens", i);
        if (has_sid(&verdict->holders, subject->sid.bytes)) add_leak(verdict, "an index entry names a forgotten subject", i);
    }
}

void judge(struct history *history, enum copies copies, bool is_exact, struct verdict *out_verdict)
{
    look(history, copies, is_exact, NULL, out_verdict);
    judge_marks(out_verdict);
    each_buried(history, judge_buried, out_verdict);
    judge_subjects(out_verdict);
}

/* All that was ever written lies in the recording: the present store and the journal have nothing else. */
static void read_journal_file(struct history *history, const char *path)
{
    struct vt_bytes file = world_file(&history->world, path);
    size_t at = 104;
    ck_assert_ptr_nonnull(file.data);
    while (at + 64 <= file.len) {
        const uint8_t *record = file.data + at;
        const size_t len = vt_get_u64(record + 8);
        ck_assert(memcmp(record, "VTJR", 4) == 0);
        ck_assert_uint_le(at + 64 + len + 32, file.len);
        for (size_t row = 64 + 104; row < 64 + len;) {
            const size_t key_len = vt_get_u16(record + row + 1), value_len = vt_get_u32(record + row + 3 + key_len);
            const struct vt_bytes key = vt_bytes(record + row + 3, key_len);
            row += 7 + key_len;
            if (value_len == UINT32_MAX) continue;
            ck_assert_msg(recording_has(history->recording, (enum vt_table)record[row - 7 - key_len], key,
                                        vt_bytes(record + row, value_len)),
                          "the journal has a value of table %d never put", (int)record[row - 7 - key_len]);
            row += value_len;
        }
        at += 64 + len + 32;
    }
    ck_assert_uint_eq(at, file.len);
}

static void check_journal(struct history *history)
{
    char path[200];
    unsigned files = 0;
    snprintf(path, sizeof path, "%s/journal", history->world.dir);
    DIR *dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char file[480];
        if (strstr(entry->d_name, ".vtj") == NULL) continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        read_journal_file(history, file);
        files++;
    }
    closedir(dir);
    ck_assert_uint_gt(files, 0);
    world_forget(&history->world);
}

void check_everything_is_known(struct history *history)
{
    check_store(history, vt_vault_store(history->world.vault), "the store");
    check_journal(history);
    assert_tree_clean(history->world.dir);
    const struct record_row *rows = recording_rows(history->recording);
    for (size_t i = 0; i < recording_count(history->recording); i++) {
        assert_no_mark(vt_bytes(rows[i].key, rows[i].key_len), "a key");
        assert_no_mark(vt_bytes(rows[i].value, rows[i].len), "a value");
    }
    assert_no_mark(vt_bytes(history->images, (size_t)history->image_count * VAULT_KEEPER_IMAGE), "the keeper file");
}

void assert_forgotten(struct history *history, enum copies copies, const char *when, struct verdict *out_verdict)
{
    take_images(history);
    judge(history, copies, false, out_verdict);
    ck_assert_msg(out_verdict->leaks == 0 && out_verdict->losses == 0, "%s: %zu leaks, %zu losses: %s", when, out_verdict->leaks,
                  out_verdict->losses, out_verdict->first);
    ck_assert_uint_gt(out_verdict->found, 0);
}
static void mark_buried(void *context, size_t row)
{
    ((uint8_t *)context)[row] = 1;
}

/* @return by place in the recording; free() it */
static uint8_t *list_buried(const struct history *history)
{
    uint8_t *is_buried = table_of(recording_count(history->recording) + 1, 1);
    each_buried(history, mark_buried, is_buried);
    return is_buried;
}

static size_t find_row(const struct history *history, enum vt_table table, struct vt_bytes key, struct vt_bytes value)
{
    const struct record_row *rows = recording_rows(history->recording);
    size_t at = recording_count(history->recording);
    while (at-- > 0)
        if (rows[at].table == table && vt_bytes_equal(vt_bytes(rows[at].key, rows[at].key_len), key) &&
            vt_bytes_equal(vt_bytes(rows[at].value, rows[at].len), value))
            return at;
    ck_abort_msg("a restored row was never put");
    return 0;
}

/* What a restore brings back is what was not forgotten. */
void check_restored_rows(struct history *history, const char *path)
{
    char store_path[240];
    VT_AUTO_PTR(vt_store) store = NULL;
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;
    const struct vt_store_lmdb_options options = {.is_read_only = true};
    uint8_t *is_buried = list_buried(history);
    snprintf(store_path, sizeof store_path, "%s/store", path);
    ck_assert_ok(vt_store_lmdb_open(store_path, &options, &store));
    ck_assert_ok(vt_txn_begin_read(store, &txn));
    ck_assert_ok(vt_cursor_open(txn, VT_TABLE_ROW, &cursor));
    while (vt_cursor_next(cursor, &key, &value) == VAULT_OK)
        ck_assert_msg(!is_buried[find_row(history, VT_TABLE_ROW, key, value)], "a restore brings a forgotten row back");
    free(is_buried);
}

/* Which index entries forgotten rows had placed is known only to who can open them: from the past. None of them may be in the
 * present index, unless a row that is not forgotten has placed the same one. */
static void assert_entries_are_gone(const struct verdict *past, const struct verdict *present)
{
    const struct byte_set *buried = &past->buried_references;
    unsigned gone = 0;
    for (size_t i = 0; i < buried->cap; i++) {
        if (!buried->used[i] || byte_set_has(&present->references, buried->slots[i])) continue;
        ck_assert_msg(!byte_set_has(&present->index, buried->slots[i]), "an index entry of a forgotten row opens");
        gone++;
    }
    ck_assert_uint_gt(gone, 0);
}

/* Whatever the names say: not one of all keys that came to light opens forgotten rows and key blocks. A sample of them. */
static void assert_no_key_fits(struct history *history, const uint8_t *is_buried, const struct verdict *present)
{
    const struct vault_evidence evidence = evidence_of(history, NOTHING);
    const struct record_row *rows = recording_rows(history->recording);
    const size_t count = recording_count(history->recording);
    unsigned tried = 0;
    for (size_t i = count / 7 % 31; i < count && tried < SAMPLE; i += 31) {
        if (!is_buried[i] || (rows[i].table != VT_TABLE_ROW && rows[i].table != VT_TABLE_KEYBLOCK)) continue;
        ck_assert_uint_eq(vault_try_keys(&evidence, &present->reach.keys, i), 0);
        tried++;
    }
    for (size_t i = 0; i < count; i++) {        /* and it would be seen if one did */
        if (rows[i].table != VT_TABLE_ROW || !present->is_open[i]) continue;
        ck_assert_uint_gt(vault_try_keys(&evidence, &present->reach.keys, i), 0);
        break;
    }
    ck_assert_uint_gt(tried, 0);
}

/* From all states of the keeper everything opens that was ever written; the checker sees what it must not see. */
void assert_past_opens(struct history *history, const struct verdict *present)
{
    struct verdict past;
    uint8_t *is_buried = list_buried(history);
    look(history, EVERYTHING, true, is_buried, &past);
    judge_marks(&past);
    each_buried(history, judge_buried, &past);
    assert_entries_are_gone(&past, present);
    assert_no_key_fits(history, is_buried, present);
    free(is_buried);
    for (unsigned i = 0; i < history->value_count; i++) {
        const struct value *value = &history->values[i];
        const bool is_shared = value->fate == FATE_NEVER;
        ck_assert_msg(is_shared || past.is_seen[value->mark], "mark %u of subject %u does not open from the past", value->mark,
                      value->subject);
        ck_assert(!is_shared || !past.is_seen[value->mark]);
    }
    ck_assert_uint_gt(past.leaks, 0);
    ck_assert_uint_gt(past.payloads.count, present->payloads.count);
    ck_assert_uint_gt(past.subjects.count, present->subjects.count);
    verdict_release(&past);
}

void assert_nothing_opens_with(struct history *history, enum copies copies)
{
    struct verdict blind;
    look(history, copies, false, NULL, &blind);
    ck_assert_uint_gt(blind.reach.unseal_keys, 0);
    for (unsigned table = 0; table < VT_TABLE_COUNT; table++) ck_assert_uint_eq(blind.reach.opened[table], 0);
    verdict_release(&blind);
}
