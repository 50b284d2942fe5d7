/* What has been forgotten stays forgotten, over everything ever written. Random histories of a whole vault, driven through the
 * gate: subjects come, are changed, corrected, tokenised, looked up, deleted, shredded whole, by category and by record; epochs
 * close or fail to, keys rotate, the vault restarts, is backed up and restored. Kept meanwhile: every value ever put into any
 * table, every state of the keepers' files, the journal, the backups and restored stores. Each value written carries a mark of
 * its own.
 *
 * Then an adversary who knows every long-lived secret (all key files, all tokens, all callers' keys) opens whatever opens, from
 * the root key that the keepers (two of three) have now, with all snapshots ever made of one of them: no mark, row, key block,
 * audit payload or index entry of what was forgotten comes to light, and each present value does. From all states of all keepers
 * all of it comes to light, which shows that the adversary can find things; from those of one keeper, or none, nothing does. A
 * vault that keeps its page keys is caught.
 *
 * VT_SEED and VT_STEPS choose the history. Source: docs/ERASURE.md, the promise; FORGETTING section 10. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "libvault/base/fault.h"
#include "libvault/codec/text.h"
#include "tests/support/ring_reader.h"
#include "tests/support/vault_reader.h"
#include "tests/support/world.h"
#include "vaultd/core/keeper/keeper.h"
#include "vaultd/core/store/store_internal.h"

enum {
    DEFAULT_STEPS = 2000,
    CHECKPOINTS = 3,
    SUBJECTS_MAX = 8000,
    RECORDS_MAX = 30000,
    VALUES_MAX = 60000,
    GRAVES_MAX = 20000,
    PENDING_MAX = 4000,
    TEXTS_MAX = 20000,
    KEY_FILES_MAX = 400,
    IMAGES_MAX = 20000,
    BACKUPS_KEPT = 3,
    KEEPERS = 3, QUORUM = 2,
    LIVE_MAX = 150,                 /* subjects at a time: enough to split pages, few enough to be met again */
    ALL = 0, CATEGORY_A = 1, CATEGORY_B = 2, CATEGORY_F = 6, CATEGORY_OWN = 0xffff,
    MARK_LETTERS = 7, PAN_DIGITS = 7,
    SAMPLE = 40,
    TIMES_IN_LONG_TEXT = 270,       /* a row of two pieces */
};
#define MARK "qzkanar"              /* then seven letters */
#define PAN_MARK "40001234"         /* then seven digits and the check digit */

/* The model ---------------------------------------------------------------------------------------------------------- */

enum fate { FATE_NOW, FATE_OLD, FATE_DYING, FATE_DEAD, FATE_NEVER };
struct value {
    unsigned mark;
    unsigned subject, record;       /* record: place in the list */
    uint16_t category;
    unsigned field;                 /* which field of the record it is or was */
    enum fate fate;
};
enum collection { OWN, PROFILE, CARDS, VISITS, CALLS };
struct record {
    uint64_t id;
    unsigned subject;
    enum collection collection;
    bool is_live;
    bool has_shared_token;
};
struct subject {
    struct vt_sid sid;
    unsigned mark;                  /* its external id */
    bool is_live;                   /* also while pending */
    unsigned own;                   /* place of its own record */
    bool is_nameless;               /* made for a token: has no external id and no profile */
};
struct pending {
    unsigned subject;
    uint16_t category;
    uint64_t record;
    int64_t certificate;
};
/* Rows put before `until` that the scope covers are forgotten. */
struct grave {
    struct vt_sid sid;
    uint16_t category;              /* 0: all */
    uint64_t record;                /* 0: all */
    bool is_of_category_key;        /* only rows under the category's own key */
    bool has_key;                   /* a key was taken out, so the key blocks of before are forgotten too */
    bool is_dead;                   /* from the close of the epoch on */
    size_t until;
};

struct history {
    struct world world;
    struct recording *recording;
    struct vt_keeper_ops keeper_ops;
    const struct vt_keeper_ops *keeper_inner;
    uint64_t random, epoch;
    bool closes_empty;              /* a rotation of the unseal key closes an epoch that takes no request along */
    unsigned marks;
    struct subject *subjects;
    unsigned subject_count;
    struct record *records;
    unsigned record_count;
    struct value *values;
    unsigned value_count;
    struct grave *graves;
    unsigned grave_count;
    struct pending *pending;
    unsigned pending_count;
    char (*texts)[64];              /* tokens and callers' keys */
    const char **tokens, **caller_keys;
    unsigned text_count, token_count, caller_key_count;
    unsigned shared_pans[8], shared_count;
    char key_files[KEY_FILES_MAX][65];
    const char *key_file_list[KEY_FILES_MAX];
    unsigned key_file_count;
    uint8_t *images;
    unsigned image_count;
    uint8_t *image_keepers;         /* whose each one is */
    unsigned last_image[KEEPERS];   /* + 1; 0: none yet */
    unsigned backups, restores, faults_hit;
    unsigned done[32], refused;     /* steps by kind */
};

/* splitmix64: the history depends on the seed alone. */
static uint64_t draw(struct history *history)
{
    uint64_t mixed = history->random += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

static unsigned below(struct history *history, size_t bound)
{
    return (unsigned)(draw(history) % bound);
}

/* Marks -------------------------------------------------------------------------------------------------------------- */

static void mark_text(unsigned mark, char out_text[24])
{
    char *at = out_text + snprintf(out_text, 24, MARK);
    for (unsigned i = 0; i < MARK_LETTERS; i++, mark /= 26) *at++ = (char)('a' + mark % 26);
    *at = '\0';
}

static void mark_pan(unsigned mark, char out_pan[24])
{
    snprintf(out_pan, 24, PAN_MARK "%0*u0", PAN_DIGITS, mark % 10000000u);
    while (!vt_luhn_is_valid(vt_bytes_str(out_pan))) out_pan[15]++;
}

/* The marks in @p bytes, one after the other. @return false when there are no more */
static bool next_mark(struct vt_bytes bytes, size_t *at, unsigned *out_mark)
{
    for (; *at + 15 <= bytes.len; (*at)++) {
        const uint8_t *text = bytes.data + *at;
        unsigned mark = 0;
        if (text[0] == MARK[0] && memcmp(text, MARK, 7) == 0 && bytes.len - *at >= 14) {
            for (unsigned i = MARK_LETTERS; i-- > 0;) mark = mark * 26 + (unsigned)(text[7 + i] - 'a');
        } else if (text[0] == PAN_MARK[0] && memcmp(text, PAN_MARK, 8) == 0) {
            for (unsigned i = 0; i < PAN_DIGITS; i++) mark = mark * 10 + (unsigned)(text[8 + i] - '0');
        } else {
            continue;
        }
        *out_mark = mark;
        (*at)++;
        return true;
    }
    return false;
}

static void assert_no_mark(struct vt_bytes bytes, const char *where)
{
    size_t at = 0;
    unsigned mark;
    ck_assert_msg(!next_mark(bytes, &at, &mark), "a personal value lies open in %s", where);
}

/* Watching ----------------------------------------------------------------------------------------------------------- */

/* The keeper's file as it is now, if it differs from the last one kept. */
static void take_image(struct history *history, unsigned keeper)
{
    char path[160];
    uint8_t *image = history->images + (size_t)history->image_count * VAULT_KEEPER_IMAGE;
    const unsigned last = history->last_image[keeper];
    world_keeper_path(&history->world, keeper, path);
    FILE *file = fopen(path, "rb");
    if (file == NULL) return;
    ck_assert_uint_lt(history->image_count, IMAGES_MAX);
    ck_assert_uint_eq(fread(image, 1, VAULT_KEEPER_IMAGE, file), VAULT_KEEPER_IMAGE);
    fclose(file);
    if (last != 0 && memcmp(history->images + (size_t)(last - 1) * VAULT_KEEPER_IMAGE, image, VAULT_KEEPER_IMAGE) == 0) return;
    history->image_keepers[history->image_count++] = (uint8_t)keeper;
    history->last_image[keeper] = history->image_count;
}

static void take_images(struct history *history)
{
    for (unsigned i = 0; i < KEEPERS; i++) take_image(history, i);
}

static struct history *watcher;     /* the keeper's functions have no context of their own */

static vault_status watched_prepare(struct vt_keeper *keeper, const struct vt_keeper_slot *slot)
{
    const vault_status status = watcher->keeper_inner->prepare(keeper, slot);
    take_images(watcher);
    return status;
}

static vault_status watched_finalize(struct vt_keeper *keeper, uint64_t incarnation, uint64_t epoch, const uint8_t *attempt,
                                     uint64_t commit_number, int64_t now_ms, struct vt_keeper_receipt *out_receipt)
{
    take_images(watcher);
    const vault_status status =
        watcher->keeper_inner->finalize(keeper, incarnation, epoch, attempt, commit_number, now_ms, out_receipt);
    take_images(watcher);
    return status;
}

static void on_open(void *context, struct vt_store *store, struct vt_keeper *const *keepers)
{
    struct history *history = context;
    recording_listen(history->recording, store);
    history->keeper_inner = keepers[0]->ops;
    history->keeper_ops = *keepers[0]->ops;
    history->keeper_ops.prepare = watched_prepare;
    history->keeper_ops.finalize = watched_finalize;
    for (unsigned i = 0; i < KEEPERS; i++) keepers[i]->ops = &history->keeper_ops;
    watcher = history;
}

/* What a store has in one of its tables must have been put into it. */
static void check_table(struct history *history, struct vt_txn *txn, enum vt_table table, const char *where)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;
    ck_assert_ok(vt_cursor_open(txn, table, &cursor));
    while (vt_cursor_next(cursor, &key, &value) == VAULT_OK) {
        if (recording_has(history->recording, table, key, value)) continue;
        ck_assert_msg(table == VT_TABLE_META && strcmp(where, "restored store") == 0, "%s has a value of table %d never put",
                      where, (int)table);
        recording_add(history->recording, table, key, value);
    }
}

static void check_store(struct history *history, struct vt_store *store, const char *where)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    ck_assert_ok(vt_txn_begin_read(store, &txn));
    for (unsigned table = 0; table < VT_TABLE_COUNT; table++) check_table(history, txn, (enum vt_table)table, where);
}

/* Commands ----------------------------------------------------------------------------------------------------------- */

static struct vt_value *add_pair(struct history *history, struct vt_value *map, const char *name, struct vt_value value)
{
    ck_assert_ok(vt_value_put(&history->world.pool, map, name, value, NULL));
    return map;
}

static struct vt_value text_value(struct history *history, const char *text)
{
    return vt_value_text(vt_pool_copy(&history->world.pool, vt_bytes_str(text)));
}

static void put_text(struct history *history, struct vt_value *map, const char *name, const char *text)
{
    add_pair(history, map, name, text_value(history, text));
}

static uint64_t present_epoch(struct history *history)
{
    struct vt_epoch_status status;
    ck_assert_ok(vt_epoch_status(vt_vault_epoch(history->world.vault), &status));
    return status.epoch;
}

static void note_close(struct history *history, size_t before);

/* What operates the vault takes no idempotency key. */
static bool takes_key(const char *method)
{
    const struct vt_command *command = vt_command_find(vt_bytes_str(method));
    ck_assert_ptr_nonnull(command);
    return command->effect != VT_OPERATES;
}

static vault_status call(struct history *history, const char *method, struct vt_value *map, struct vt_value *out_result)
{
    const size_t before = recording_count(history->recording);
    world_pass(&history->world, 1000);
    if (below(history, 3) == 0 && takes_key(method) && history->caller_key_count < TEXTS_MAX / 2) {
        char *key = history->texts[history->text_count++];
        snprintf(key, 64, "caller-%u", history->caller_key_count);
        history->caller_keys[history->caller_key_count++] = key;
        put_text(history, map, "idempotency_key", key);
    }
    const vault_status status = world_call_value(&history->world, "all", method, map, out_result);
    assert_no_mark(vt_bytes_str(history->world.err.message), "an error's text");
    assert_no_mark(vt_bytes_str(history->world.err.field), "an error's path");
    note_close(history, before);
    return status;
}

static void assert_fine(const struct history *history, const char *method, vault_status status)
{
    ck_assert_msg(status == VAULT_OK, "%s gave %s: %s", method, vault_status_code(status), history->world.err.message);
}

/* A pending shred may refuse it; anything else may not. */
static bool was_done(struct history *history, const char *method, vault_status status)
{
    if (status == VAULT_E_SHRED_PENDING) {
        history->refused++;
        return false;
    }
    assert_fine(history, method, status);
    return true;
}

static void put_subject(struct history *history, struct vt_value *map, unsigned subject)
{
    char text[33];
    if (history->subjects[subject].is_nameless) {
        vt_hex_encode(VT_BYTES_OF(history->subjects[subject].sid.bytes), text);
        put_text(history, map, "sid", text);
        return;
    }
    mark_text(history->subjects[subject].mark, text);
    put_text(history, map, "subject", text);
}

/* Values ------------------------------------------------------------------------------------------------------------- */

static unsigned new_mark(struct history *history)
{
    return ++history->marks;
}

static struct value *add_value(struct history *history, unsigned mark, unsigned record, uint16_t category, unsigned field)
{
    ck_assert_uint_lt(history->value_count, VALUES_MAX);
    struct value *value = &history->values[history->value_count++];
    *value = (struct value){mark, history->records[record].subject, record, category, field, FATE_NOW};
    return value;
}

/* The value that the field had is an old one from now on. */
static void replace_value(struct history *history, unsigned mark, unsigned record, uint16_t category, unsigned field)
{
    for (unsigned i = 0; i < history->value_count; i++) {
        struct value *value = &history->values[i];
        if (value->record == record && value->field == field && value->fate == FATE_NOW) value->fate = FATE_OLD;
    }
    add_value(history, mark, record, category, field);
}

static unsigned add_record(struct history *history, unsigned subject, enum collection collection, uint64_t id)
{
    ck_assert_uint_lt(history->record_count, RECORDS_MAX);
    history->records[history->record_count] = (struct record){id, subject, collection, true, false};
    return history->record_count++;
}

static struct grave *add_grave(struct history *history, unsigned subject, uint16_t category, uint64_t record, size_t until)
{
    ck_assert_uint_lt(history->grave_count, GRAVES_MAX);
    struct grave *grave = &history->graves[history->grave_count++];
    *grave = (struct grave){.sid = history->subjects[subject].sid, .category = category, .record = record,
                           .has_key = true, .until = until};
    return grave;
}

static bool has_record_keys(const struct history *history, unsigned record)
{
    return history->records[record].collection == CARDS;
}

static bool covers(const struct history *history, const struct pending *pending, const struct value *value)
{
    return pending->subject == value->subject && (pending->category == ALL || pending->category == value->category) &&
           (pending->record == 0 || pending->record == history->records[value->record].id);
}

/* An epoch has closed: what was dropped is dead, and so is what pending requests cover. */
static void bury(struct history *history, const struct pending *pending, size_t before)
{
    const bool is_whole = pending->category == ALL && pending->record == 0;
    struct grave *grave = add_grave(history, pending->subject, pending->category, pending->record, is_whole ? SIZE_MAX : before);
    grave->is_dead = true;
    grave->has_key = is_whole;
    for (unsigned i = 0; i < history->value_count; i++) {
        struct value *value = &history->values[i];
        if (!covers(history, pending, value) || value->fate == FATE_NEVER) continue;
        if (value->fate <= FATE_OLD) grave->has_key = true;     /* else a delete has taken the key before */
        value->fate = FATE_DEAD;
    }
    if (is_whole) history->subjects[pending->subject].is_live = false;
    for (unsigned i = 0; i < history->record_count; i++) {
        struct record *record = &history->records[i];
        if (record->subject != pending->subject) continue;
        if (is_whole || (pending->record == record->id && pending->category == ALL)) record->is_live = false;
    }
}

static void note_close(struct history *history, size_t before)
{
    const uint64_t epoch = present_epoch(history);
    if (epoch == history->epoch) return;
    history->epoch = epoch;
    for (unsigned i = 0; i < history->value_count; i++)
        if (history->values[i].fate == FATE_DYING) history->values[i].fate = FATE_DEAD;
    for (unsigned i = 0; i < history->grave_count; i++) history->graves[i].is_dead = true;
    if (history->closes_empty) return;
    for (unsigned i = 0; i < history->pending_count; i++) bury(history, &history->pending[i], before);
    history->pending_count = 0;
}

/* Whom ---------------------------------------------------------------------------------------------------------------- */

static bool is_pending(const struct history *history, unsigned subject)
{
    for (unsigned i = 0; i < history->pending_count; i++)
        if (history->pending[i].subject == subject) return true;
    return false;
}

static unsigned live_count(const struct history *history)
{
    unsigned count = 0;
    for (unsigned i = 0; i < history->subject_count; i++) count += history->subjects[i].is_live;
    return count;
}

static bool pick_subject(struct history *history, unsigned *out_subject)
{
    const unsigned count = live_count(history);
    if (count == 0) return false;
    unsigned left = below(history, count);
    for (unsigned i = 0; i < history->subject_count; i++) {
        if (!history->subjects[i].is_live || left-- != 0) continue;
        *out_subject = i;
        return true;
    }
    return false;
}

static bool pick_record(struct history *history, enum collection collection, unsigned *out_record)
{
    unsigned found[64], count = 0;
    for (unsigned i = history->record_count; i-- > 0 && count < 64;)
        if (history->records[i].is_live && history->records[i].collection == collection) found[count++] = i;
    if (count == 0) return false;
    *out_record = found[below(history, count)];
    return true;
}

/* The record of a subject that was put last, from the recording: answers do not always name it. 0: none */
static uint64_t find_record_of(const struct history *history, unsigned subject, size_t from)
{
    const struct record_row *rows = recording_rows(history->recording);
    for (size_t i = recording_count(history->recording); i-- > from;)
        if (rows[i].table == VT_TABLE_RECORD && memcmp(rows[i].key, history->subjects[subject].sid.bytes, 16) == 0 &&
            vt_get_u16(rows[i].key + 16) != 0)
            return vt_get_u64(rows[i].key + 18);
    return 0;
}

static uint64_t last_record_of(const struct history *history, unsigned subject, size_t from)
{
    const uint64_t record = find_record_of(history, subject, from);
    ck_assert_uint_ne(record, 0);
    return record;
}

/* Steps: writing ----------------------------------------------------------------------------------------------------- */

struct field {
    const char *name;
    uint16_t category;
    const char *suffix;
};
static const struct field PROFILE_FIELDS[] = {
    {"given_name", CATEGORY_A, ""}, {"email", CATEGORY_A, "@example.org"}, {"remark", CATEGORY_F, ""}};
static const struct field VISIT_FIELDS[] = {{"place", CATEGORY_F, ""}, {"host", CATEGORY_A, ""}};
static const struct field CALL_FIELDS[] = {{"topic", CATEGORY_F, ""}, {"caller_name", CATEGORY_A, ""}};
static const struct field CARD_FIELDS[] = {{"number", CATEGORY_B, ""}, {"holder", CATEGORY_A, ""}};

static const struct field *fields_of(enum collection collection, unsigned *out_count, const char **out_name)
{
    static const char *const names[] = {"", "profile", "cards", "visits", "calls"};
    static const struct field *const fields[] = {NULL, PROFILE_FIELDS, CARD_FIELDS, VISIT_FIELDS, CALL_FIELDS};
    *out_count = collection == PROFILE ? 3 : 2;
    *out_name = names[collection];
    return fields[collection];
}

/* Now and then a remark is long enough for rows of several pieces. */
static unsigned put_field(struct history *history, struct vt_value *fields, const struct field *field)
{
    const unsigned mark = new_mark(history);
    char text[24], value[40];
    mark_text(mark, text);
    snprintf(value, sizeof value, "%s%s", text, field->suffix);
    const bool is_long = strcmp(field->name, "remark") == 0 && below(history, 8) == 0;
    if (!is_long) {
        put_text(history, fields, field->name, value);
        return mark;
    }
    char *text_long = vt_pool_alloc(&history->world.pool, TIMES_IN_LONG_TEXT * 15 + 1);
    ck_assert_ptr_nonnull(text_long);
    for (unsigned i = 0; i < TIMES_IN_LONG_TEXT; i++) snprintf(text_long + (size_t)i * 15, 16, "%.14s ", text);
    text_long[TIMES_IN_LONG_TEXT * 15 - 1] = '\0';
    put_text(history, fields, field->name, text_long);
    return mark;
}

static bool step_create(struct history *history)
{
    struct vt_value params = vt_value_map(), profile = vt_value_map(), records = vt_value_map(), result;
    unsigned marks[3];
    char text[24];
    if (live_count(history) >= LIVE_MAX) return false;
    ck_assert_uint_lt(history->subject_count, SUBJECTS_MAX);
    const unsigned subject = history->subject_count++, mark = new_mark(history);
    history->subjects[subject] = (struct subject){.mark = mark, .is_live = true};
    mark_text(mark, text);
    for (unsigned i = 0; i < 3; i++) marks[i] = put_field(history, &profile, &PROFILE_FIELDS[i]);
    put_text(history, &params, "external_id", text);
    add_pair(history, &records, "profile", profile);
    add_pair(history, &params, "records", records);
    const size_t before = recording_count(history->recording);
    assert_fine(history, "subject.create", call(history, "subject.create", &params, &result));
    const struct vt_bytes sid = vt_value_get_text(&result, "sid");
    ck_assert_ok(vt_hex_decode(sid, history->subjects[subject].sid.bytes, 16));
    const unsigned own = history->subjects[subject].own = add_record(history, subject, OWN, 0);
    add_value(history, mark, own, CATEGORY_OWN, 0);
    const unsigned record = add_record(history, subject, PROFILE, last_record_of(history, subject, before));
    for (unsigned i = 0; i < 3; i++) add_value(history, marks[i], record, PROFILE_FIELDS[i].category, i);
    return true;
}

static void put_record(struct history *history, struct vt_value *params, unsigned record)
{
    unsigned count;
    const char *name;
    fields_of(history->records[record].collection, &count, &name);
    put_subject(history, params, history->records[record].subject);
    put_text(history, params, "collection", name);
    add_pair(history, params, "record", vt_value_int((int64_t)history->records[record].id));
}

/* One field of a record gets a new value. @return the field; *out_mark its new mark */
static unsigned put_change(struct history *history, struct vt_value *params, unsigned record, unsigned *out_mark)
{
    unsigned count;
    const char *name;
    struct vt_value map = vt_value_map();
    const struct field *fields = fields_of(history->records[record].collection, &count, &name);
    const unsigned field = history->records[record].collection == CARDS ? 1 : below(history, count);
    *out_mark = put_field(history, &map, &fields[field]);
    put_record(history, params, record);
    add_pair(history, params, "fields", map);
    return field;
}

static enum collection any_collection(struct history *history)
{
    static const enum collection all[] = {PROFILE, PROFILE, CARDS, VISITS, CALLS};
    return all[below(history, 5)];
}

/* A mark that was refused must never be found: what was not written cannot be kept. */
static void refuse_mark(struct history *history, unsigned mark, unsigned record)
{
    add_value(history, mark, record, ALL, 99)->fate = FATE_NEVER;
}

/* A record of which partial shreds have left nothing answers that it is not there. */
static bool was_changed(struct history *history, const char *method, vault_status status, unsigned record)
{
    bool has_values = false;
    for (unsigned i = 0; i < history->value_count; i++)
        has_values = has_values || (history->values[i].record == record && history->values[i].fate == FATE_NOW);
    if (!has_values && (status == VAULT_E_NOT_FOUND || status == VAULT_E_ERASED)) return false;
    return was_done(history, method, status);
}

static uint16_t category_of(const struct history *history, unsigned record, unsigned field)
{
    unsigned count;
    const char *name;
    return fields_of(history->records[record].collection, &count, &name)[field].category;
}

static bool step_put(struct history *history)
{
    struct vt_value params = vt_value_map();
    unsigned record, mark;
    if (!pick_record(history, any_collection(history), &record)) return false;
    const unsigned field = put_change(history, &params, record, &mark);
    if (was_changed(history, "record.put", call(history, "record.put", &params, NULL), record))
        replace_value(history, mark, record, category_of(history, record, field), field);
    else
        refuse_mark(history, mark, record);
    return true;
}

static bool step_visit(struct history *history)
{
    struct vt_value params = vt_value_map(), fields = vt_value_map();
    unsigned subject, marks[2];
    if (!pick_subject(history, &subject)) return false;
    for (unsigned i = 0; i < 2; i++) marks[i] = put_field(history, &fields, &VISIT_FIELDS[i]);
    put_subject(history, &params, subject);
    put_text(history, &params, "collection", "visits");
    add_pair(history, &params, "fields", fields);
    const size_t before = recording_count(history->recording);
    if (!was_done(history, "record.put", call(history, "record.put", &params, NULL))) {
        for (unsigned i = 0; i < 2; i++) refuse_mark(history, marks[i], history->subjects[subject].own);
        return true;
    }
    const unsigned record = add_record(history, subject, VISITS, last_record_of(history, subject, before));
    for (unsigned i = 0; i < 2; i++) add_value(history, marks[i], record, VISIT_FIELDS[i].category, i);
    return true;
}

/* A record of two people: a row under the keys of each, with the same values. From then on each changes alone. */
static bool step_call(struct history *history)
{
    struct vt_value params = vt_value_map(), fields = vt_value_map();
    unsigned subject, other, marks[2];
    char text[24];
    if (!pick_subject(history, &subject) || !pick_subject(history, &other) || subject == other) return false;
    if (history->subjects[other].is_nameless) return false;
    for (unsigned i = 0; i < 2; i++) marks[i] = put_field(history, &fields, &CALL_FIELDS[i]);
    put_subject(history, &params, subject);
    mark_text(history->subjects[other].mark, text);
    put_text(history, &params, "other_subject", text);
    put_text(history, &params, "collection", "calls");
    add_pair(history, &params, "fields", fields);
    const size_t before = recording_count(history->recording);
    if (!was_done(history, "record.put", call(history, "record.put", &params, NULL))) {
        for (unsigned i = 0; i < 2; i++) refuse_mark(history, marks[i], history->subjects[subject].own);
        return true;
    }
    const unsigned sides[] = {subject, other};
    for (unsigned side = 0; side < 2; side++) {
        const unsigned record = add_record(history, sides[side], CALLS, last_record_of(history, sides[side], before));
        for (unsigned i = 0; i < 2; i++) add_value(history, marks[i], record, CALL_FIELDS[i].category, i);
    }
    return true;
}

/* The key that a value lies under: the category's, or the record's own. */
static bool shares_key(const struct history *history, const struct value *value, unsigned record, uint16_t category)
{
    if (value->subject != history->records[record].subject || value->category != category) return false;
    if (has_record_keys(history, record)) return value->record == record;
    return !has_record_keys(history, value->record);
}

static bool step_correct(struct history *history)
{
    struct vt_value params = vt_value_map();
    unsigned record, mark;
    if (!pick_record(history, any_collection(history), &record)) return false;
    const unsigned field = put_change(history, &params, record, &mark);
    const uint16_t category = category_of(history, record, field);
    const size_t before = recording_count(history->recording);
    const unsigned subject = history->records[record].subject;
    if (!was_changed(history, "record.correct", call(history, "record.correct", &params, NULL), record)) {
        refuse_mark(history, mark, record);
        return true;
    }
    bool has_key = false;
    for (unsigned i = 0; i < history->value_count; i++) {
        struct value *value = &history->values[i];
        const bool is_under_it = shares_key(history, value, record, category) && value->fate <= FATE_OLD;
        has_key = has_key || is_under_it;
        if (is_under_it && (value->fate == FATE_OLD || (value->record == record && value->field == field)))
            value->fate = FATE_DYING;
    }
    replace_value(history, mark, record, category, field);
    const bool is_own_key = has_record_keys(history, record);
    struct grave *grave = add_grave(history, subject, category, is_own_key ? history->records[record].id : 0, before);
    grave->is_of_category_key = !is_own_key;
    grave->has_key = has_key;
    return true;
}

static bool step_delete(struct history *history)
{
    struct vt_value params = vt_value_map();
    unsigned record;
    static const enum collection deletable[] = {CARDS, CARDS, VISITS, CALLS};
    if (!pick_record(history, deletable[below(history, 4)], &record)) return false;
    put_record(history, &params, record);
    const size_t before = recording_count(history->recording);
    const vault_status status = call(history, "record.delete", &params, NULL);
    if (status == VAULT_E_STATE && history->records[record].has_shared_token) return true;
    if (!was_changed(history, "record.delete", status, record)) return true;
    history->records[record].is_live = false;
    const bool is_forgotten = has_record_keys(history, record);
    bool has_key = false;
    for (unsigned i = 0; i < history->value_count; i++) {
        if (history->values[i].record != record || history->values[i].fate > FATE_OLD) continue;
        history->values[i].fate = is_forgotten ? FATE_DYING : FATE_OLD;
        has_key = true;
    }
    if (!is_forgotten) return true;
    add_grave(history, history->records[record].subject, ALL, history->records[record].id, before)->has_key = has_key;
    return true;
}

/* Steps: tokens ------------------------------------------------------------------------------------------------------ */

static void take_token(struct history *history, struct vt_bytes text)
{
    char *token = history->texts[history->text_count++];
    snprintf(token, 64, "%.*s", (int)text.len, (const char *)text.data);
    history->tokens[history->token_count++] = token;
}

static bool step_tokenize(struct history *history)
{
    static const char *const templates[] = {"opaque", "card", "same"};
    struct vt_value params = vt_value_map(), result;
    unsigned subject;
    char pan[24];
    if (!pick_subject(history, &subject) || history->subjects[subject].is_nameless) return false;
    const unsigned kind = below(history, 3);
    const bool is_shared = kind == 2 && history->shared_count != 0 && below(history, 2) == 0;
    const unsigned mark = is_shared ? history->shared_pans[below(history, history->shared_count)] : new_mark(history);
    mark_pan(mark, pan);
    put_text(history, &params, "template", templates[kind]);
    put_text(history, &params, "value", pan);
    put_subject(history, &params, subject);
    const size_t before = recording_count(history->recording);
    if (!was_done(history, "token.create", call(history, "token.create", &params, &result))) {
        if (!is_shared) refuse_mark(history, mark, history->subjects[subject].own);
        return true;
    }
    if (kind == 2 && !is_shared) history->shared_pans[history->shared_count++ % 8] = mark;
    if (history->shared_count > 8) history->shared_count = 8;
    take_token(history, vt_value_get_text(&result, "token"));
    if (is_shared && find_record_of(history, subject, before) == 0) return true;    /* the holder's own token again */
    const unsigned record = add_record(history, subject, CARDS, last_record_of(history, subject, before));
    history->records[record].has_shared_token = kind == 2;
    add_value(history, mark, record, CATEGORY_B, 0);
    return true;
}

/* The sid of the subject that a call has just made. */
static void find_sid(const struct history *history, size_t from, struct vt_sid *out_sid)
{
    const struct record_row *rows = recording_rows(history->recording);
    for (size_t i = recording_count(history->recording); i-- > from;) {
        if (rows[i].table != VT_TABLE_RECORD || vt_get_u16(rows[i].key + 16) != 0) continue;
        memcpy(out_sid->bytes, rows[i].key, 16);
        return;
    }
    ck_abort_msg("no subject was put");
}

/* A value alone gets a subject of its own. */
static bool step_token_alone(struct history *history)
{
    struct vt_value params = vt_value_map(), result;
    char pan[24];
    if (live_count(history) >= LIVE_MAX) return false;
    ck_assert_uint_lt(history->subject_count, SUBJECTS_MAX);
    const unsigned subject = history->subject_count++, mark = new_mark(history);
    mark_pan(mark, pan);
    put_text(history, &params, "template", below(history, 2) == 0 ? "opaque" : "card");
    put_text(history, &params, "value", pan);
    const size_t before = recording_count(history->recording);
    assert_fine(history, "token.create", call(history, "token.create", &params, &result));
    history->subjects[subject] = (struct subject){.is_live = true, .is_nameless = true};
    find_sid(history, before, &history->subjects[subject].sid);
    take_token(history, vt_value_get_text(&result, "token"));
    history->subjects[subject].own = add_record(history, subject, OWN, 0);
    const unsigned record = add_record(history, subject, CARDS, last_record_of(history, subject, before));
    add_value(history, mark, record, CATEGORY_B, 0);
    return true;
}

static bool step_token_state(struct history *history)
{
    static const char *const methods[] = {"token.reveal", "token.reveal", "token.show", "token.disable", "token.enable",
                                          "token.revoke"};
    struct vt_value params = vt_value_map();
    if (history->token_count == 0) return false;
    const unsigned kind = below(history, 20) == 0 ? 5 : below(history, 5);
    put_text(history, &params, "token", history->tokens[below(history, history->token_count)]);
    if (kind < 2) put_text(history, &params, "view", "plain");
    if (kind < 2) put_text(history, &params, "purpose", "billing");
    const vault_status status = call(history, methods[kind], &params, NULL);
    ck_assert_msg(status == VAULT_OK || status == VAULT_E_ERASED || status == VAULT_E_SHRED_PENDING || status == VAULT_E_STATE ||
                      status == VAULT_E_NOT_FOUND || status == VAULT_E_DISABLED,
                  "%s gave %s", methods[kind], vault_status_code(status));
    return true;
}

/* Steps: forgetting -------------------------------------------------------------------------------------------------- */

/* Asked for again: the answer is the first certificate, which must be true. */
static void assert_nothing_is_left(const struct history *history, const struct pending *pending)
{
    for (unsigned i = 0; i < history->value_count; i++)
        ck_assert(!covers(history, pending, &history->values[i]) || history->values[i].fate >= FATE_DEAD);
}

static bool request_shred(struct history *history, struct pending pending)
{
    static const char *const names[] = {"", "A", "B", "", "", "", "F"};
    struct vt_value params = vt_value_map(), result;
    put_subject(history, &params, pending.subject);
    if (pending.category != ALL) put_text(history, &params, "category", names[pending.category]);
    if (pending.record != 0) add_pair(history, &params, "record", vt_value_int((int64_t)pending.record));
    if (below(history, 4) == 0) put_text(history, &params, "reference", "case " MARK "zzzzzzz");
    const bool is_now = below(history, 8) == 0;
    if (is_now) add_pair(history, &params, "now", vt_value_bool(true));
    history->pending[history->pending_count++] = pending;       /* when the call closes the epoch, it goes with it */
    const unsigned count = history->pending_count;
    const vault_status status = call(history, "subject.shred", &params, &result);
    const bool has_waited = history->pending_count == count;
    if (status == VAULT_OK && has_waited && vt_bytes_equal_str(vt_value_get_text(&result, "state"), "effective")) {
        assert_nothing_is_left(history, &pending);
        history->pending_count--;
        return true;
    }
    if (status == VAULT_OK && has_waited)
        history->pending[count - 1].certificate = vt_value_get_int(&result, "certificate", 0);
    if (status == VAULT_OK) return true;
    ck_assert_uint_eq(history->pending_count, count);
    history->pending_count--;
    ck_assert_msg(status == VAULT_E_NOT_FOUND || status == VAULT_E_STATE || status == VAULT_E_SHRED_PENDING,
                  "subject.shred gave %s: %s", vault_status_code(status), history->world.err.message);
    return true;
}

static bool has_room_for_pending(const struct history *history, unsigned subject)
{
    return history->pending_count < PENDING_MAX && !is_pending(history, subject);
}

static bool shred_many(struct history *history)
{
    struct vt_value params = vt_value_map(), list = vt_value_array(), result;
    const unsigned first = history->pending_count;
    for (unsigned i = 0; i < 3; i++) {
        unsigned subject;
        char text[24];
        if (!pick_subject(history, &subject) || !has_room_for_pending(history, subject)) continue;
        if (history->subjects[subject].is_nameless) continue;
        mark_text(history->subjects[subject].mark, text);
        ck_assert_ok(vt_value_push(&history->world.pool, &list, text_value(history, text), NULL));
        history->pending[history->pending_count++] = (struct pending){.subject = subject};
    }
    const unsigned count = history->pending_count;
    if (count == first) return false;
    add_pair(history, &params, "subjects", list);
    if (below(history, 4) == 0) add_pair(history, &params, "now", vt_value_bool(true));
    assert_fine(history, "subject.shred", call(history, "subject.shred", &params, &result));
    const struct vt_value *items = vt_value_get(&result, "items");
    ck_assert_uint_eq(items->array.count, count - first);
    for (unsigned i = 0; i < count - first; i++) {
        const int64_t certificate = vt_value_get_int(&items->array.items[i], "certificate", 0);
        ck_assert_int_gt(certificate, 0);
        if (history->pending_count == count) history->pending[first + i].certificate = certificate;
    }
    return true;
}

static bool step_shred(struct history *history)
{
    static const uint16_t categories[] = {CATEGORY_A, CATEGORY_B, CATEGORY_F};
    unsigned subject, record;
    const unsigned kind = below(history, 11);
    if (kind == 10) return shred_many(history);
    if (kind < 4 || live_count(history) >= LIVE_MAX) {
        if (!pick_subject(history, &subject) || !has_room_for_pending(history, subject)) return false;
        return request_shred(history, (struct pending){.subject = subject});
    }
    if (kind < 7) {
        if (!pick_subject(history, &subject) || !has_room_for_pending(history, subject)) return false;
        return request_shred(history, (struct pending){.subject = subject, .category = categories[below(history, 3)]});
    }
    if (!pick_record(history, CARDS, &record)) return false;
    subject = history->records[record].subject;
    if (!has_room_for_pending(history, subject)) return false;
    return request_shred(history, (struct pending){.subject = subject, .record = history->records[record].id});
}

static bool step_cancel(struct history *history)
{
    struct vt_value params = vt_value_map();
    if (history->pending_count == 0) return false;
    const unsigned which = below(history, history->pending_count);
    add_pair(history, &params, "certificate", vt_value_int(history->pending[which].certificate));
    assert_fine(history, "subject.cancel-shred", call(history, "subject.cancel-shred", &params, NULL));
    history->pending[which] = history->pending[--history->pending_count];
    return true;
}

static bool step_close(struct history *history)
{
    struct vt_value params = vt_value_map();
    assert_fine(history, "epoch.close", call(history, "epoch.close", &params, NULL));
    return true;
}

/* Steps: keys -------------------------------------------------------------------------------------------------------- */

static void wait_for_job(struct history *history, const struct vt_value *result)
{
    const struct vt_bytes job = vt_value_get_text(result, "job");
    for (bool is_running = true; is_running;) {
        struct vt_value params = vt_value_map(), answer;
        add_pair(history, &params, "job", vt_value_text(job));
        assert_fine(history, "job.status", world_call_value(&history->world, "all", "job.status", &params, &answer));
        const struct vt_value *found = &vt_value_get(&answer, "jobs")->array.items[0];
        is_running = vt_bytes_equal_str(vt_value_get_text(found, "state"), "running");
        const struct vt_bytes kind = vt_value_get_text(found, "kind"), message = vt_value_get_text(found, "message");
        /* A tenant's keys have as many versions as are kept. */
        const bool is_limit = vt_bytes_equal_str(kind, "key.rotate tenant") &&
                              vt_bytes_equal_str(message, vault_status_text(VAULT_E_LIMIT));
        ck_assert_msg(is_running || is_limit || vt_bytes_equal_str(vt_value_get_text(found, "state"), "done"),
                      "%.*s: %.*s", (int)kind.len, (const char *)kind.data, (int)message.len, (const char *)message.data);
    }
}

static void rotate(struct history *history, struct vt_value *params)
{
    struct vt_value result;
    const size_t before = recording_count(history->recording);
    const vault_status status = call(history, "key.rotate", params, &result);
    if (status == VAULT_E_LIMIT) return;            /* as many versions as are kept */
    assert_fine(history, "key.rotate", status);
    wait_for_job(history, &result);
    note_close(history, before);
}

static bool rotate_subject(struct history *history)
{
    struct vt_value params = vt_value_map();
    unsigned subject;
    if (!pick_subject(history, &subject) || is_pending(history, subject) || history->subjects[subject].is_nameless) return false;
    put_text(history, &params, "what", "subject");
    put_subject(history, &params, subject);
    const bool is_of_one = below(history, 2) == 0, destroys = below(history, 2) == 0;
    if (is_of_one) put_text(history, &params, "category", "A");
    if (destroys) add_pair(history, &params, "destroy_now", vt_value_bool(true));
    bool has_key = false;
    for (unsigned i = 0; i < history->value_count && destroys; i++) {
        struct value *value = &history->values[i];
        if (value->subject != subject || value->fate > FATE_OLD || (is_of_one && value->category != CATEGORY_A)) continue;
        has_key = true;
        if (value->fate == FATE_OLD) value->fate = FATE_DYING;
    }
    if (destroys)
        add_grave(history, subject, is_of_one ? CATEGORY_A : ALL, 0, recording_count(history->recording))->has_key = has_key;
    const uint64_t epoch = history->epoch;
    rotate(history, &params);
    ck_assert(!destroys || history->epoch > epoch);
    return true;
}

static bool rotate_unseal(struct history *history)
{
    struct vt_value params = vt_value_map();
    if (history->key_file_count == KEY_FILES_MAX) return false;
    uint8_t secret[32];
    for (unsigned i = 0; i < 4; i++) vt_put_u64(secret + 8 * i, draw(history));
    char *file = history->key_files[history->key_file_count];
    vt_hex_encode(VT_BYTES_OF(secret), file);
    history->key_file_list[history->key_file_count++] = file;
    put_text(history, &params, "what", "unseal");
    put_text(history, &params, "key_file", file);
    history->closes_empty = true;
    rotate(history, &params);
    history->closes_empty = false;
    history->world.key_file = file;
    return true;
}

static bool step_rotate(struct history *history)
{
    static const char *const keys[] = {"index", "place", "token", "token-seal", "audit", "config"};
    struct vt_value params = vt_value_map();
    const unsigned kind = below(history, 12);
    if (kind < 6) return rotate_subject(history);
    if (kind < 8) return rotate_unseal(history);
    put_text(history, &params, "what", kind == 8 ? "root" : kind == 9 ? "tree" : "tenant");
    if (kind > 9) put_text(history, &params, "key", keys[below(history, 6)]);
    rotate(history, &params);
    return true;
}

/* Steps: the machine ------------------------------------------------------------------------------------------------- */

static void restart(struct history *history, size_t before)
{
    take_images(history);
    world_forget(&history->world);
    world_reopen(&history->world);
    take_images(history);
    note_close(history, before);
}

static bool step_restart(struct history *history)
{
    restart(history, recording_count(history->recording));
    return true;
}

/* The store, a keeper or the journal fails at some point of a close, and the process ends there: whichever way it went, what is
 * acknowledged after the restart holds. What an aborted attempt has written was seen by the adversary, its root key too. */
static bool step_failing_close(struct history *history)
{
    const size_t before = recording_count(history->recording);
#ifdef VT_FAULTS
    static const enum vt_fault faults[] = {VT_FAULT_STORE, VT_FAULT_STORE, VT_FAULT_KEEPER, VT_FAULT_JOURNAL};
    static const unsigned bounds[] = {400, 60, 30, 12};
    const struct vt_value params = vt_value_map();
    const unsigned kind = below(history, 4), nth = 1 + below(history, bounds[kind]);
    vt_fault_arm(faults[kind], nth);
    (void)world_call_value(&history->world, "all", "epoch.close", &params, NULL);
    history->faults_hit += vt_fault_disarm();
#endif
    restart(history, before);
    return true;
}

static void backup_path(const struct history *history, const char *what, unsigned number, char out_path[200])
{
    snprintf(out_path, 200, "%s/%s-%u", history->world.dir, what, number);
}

static void assert_file_clean(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) return;
    enum { PIECE = 1 << 20, OVERLAP = 32 };
    uint8_t *bytes = malloc(PIECE + OVERLAP);
    ck_assert_ptr_nonnull(bytes);
    size_t kept = 0, got;
    while ((got = fread(bytes + kept, 1, PIECE, file)) != 0) {
        assert_no_mark(vt_bytes(bytes, kept + got), path);
        const size_t len = kept + got;
        kept = len < OVERLAP ? len : OVERLAP;
        memmove(bytes, bytes + len - kept, kept);
    }
    fclose(file);
    free(bytes);
}

static void assert_tree_clean(const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        assert_file_clean(path);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char below_it[400];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        snprintf(below_it, sizeof below_it, "%s/%s", path, entry->d_name);
        assert_no_mark(vt_bytes_str(entry->d_name), "a file's name");
        assert_tree_clean(below_it);
    }
    closedir(dir);
}

/* A copy has what was put and nothing else, and nothing of it lies open. */
static void check_copy(struct history *history, const char *path, const char *what)
{
    char store_path[240];
    VT_AUTO_PTR(vt_store) store = NULL;
    const struct vt_store_lmdb_options options = {.is_read_only = true};
    snprintf(store_path, sizeof store_path, "%s/store", path);
    ck_assert_ok(vt_store_lmdb_open(store_path, &options, &store));
    check_store(history, store, what);
    assert_tree_clean(path);
}

static bool step_backup(struct history *history)
{
    struct vt_value params = vt_value_map();
    char path[200];
    backup_path(history, "backup", history->backups, path);
    put_text(history, &params, "to", path);
    assert_fine(history, "backup.create", call(history, "backup.create", &params, NULL));
    check_copy(history, path, "backup");
    if (++history->backups <= BACKUPS_KEPT) return true;
    backup_path(history, "backup", history->backups - BACKUPS_KEPT - 1, path);
    vt_temp_dir_remove(path);
    return true;
}

/* What a restore brings back is what was not forgotten. */
static void check_restored_rows(struct history *history, const char *path);

static bool step_restore(struct history *history)
{
    struct vt_value params = vt_value_map();
    char from[200], to[200];
    if (history->backups == 0) return false;
    const unsigned kept = history->backups < BACKUPS_KEPT ? history->backups : BACKUPS_KEPT;
    backup_path(history, "backup", history->backups - 1 - below(history, kept), from);
    backup_path(history, "restored", history->restores++, to);
    put_text(history, &params, "from", from);
    put_text(history, &params, "to", to);
    add_pair(history, &params, "check_only", vt_value_bool(true));
    assert_fine(history, "backup.restore", call(history, "backup.restore", &params, NULL));
    check_copy(history, to, "restored store");
    check_restored_rows(history, to);
    vt_temp_dir_remove(to);
    return true;
}

/* Steps: reading ----------------------------------------------------------------------------------------------------- */

static bool step_read(struct history *history)
{
    struct vt_value params = vt_value_map();
    unsigned subject;
    const unsigned kind = below(history, 4);
    if (!pick_subject(history, &subject)) return false;
    put_subject(history, &params, subject);
    put_text(history, &params, "purpose", "service");
    if (kind == 1) put_text(history, &params, "collection", "visits");
    if (kind == 2) put_text(history, &params, "collection", "profile");
    static const char *const methods[] = {"subject.show", "record.list", "record.get", "subject.export"};
    const vault_status status = call(history, methods[kind], &params, NULL);
    if (status == VAULT_E_ERASED || status == VAULT_E_NOT_FOUND) return true;       /* of what a partial shred left */
    was_done(history, methods[kind], status);
    return true;
}

/* The history -------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned weight;
    bool (*run)(struct history *history);
} STEPS[] = {
    {"create", 140, step_create},   {"put", 150, step_put},         {"visit", 100, step_visit},
    {"correct", 80, step_correct},  {"delete", 40, step_delete},    {"tokenize", 120, step_tokenize},
    {"token", 50, step_token_state}, {"shred", 120, step_shred},    {"cancel", 15, step_cancel},
    {"close", 25, step_close},      {"failing-close", 10, step_failing_close},
         {"rotate", 25, step_rotate},    {"restart", 12, step_restart},
    {"backup", 6, step_backup},     {"restore", 5, step_restore},   {"read", 80, step_read},
    {"call", 60, step_call},        {"token-alone", 30, step_token_alone},
};

static void run_step(struct history *history)
{
    unsigned total = 0;
    for (size_t i = 0; i < VT_ARRAY_LEN(STEPS); i++) total += STEPS[i].weight;
    for (;;) {
        unsigned left = below(history, total);
        size_t which = 0;
        while (left >= STEPS[which].weight) left -= STEPS[which++].weight;
        if (!STEPS[which].run(history)) continue;
        history->done[which]++;
        world_forget(&history->world);
        return;
    }
}

static void *table_of(size_t count, size_t size)
{
    void *table = calloc(count, size);
    ck_assert_ptr_nonnull(table);
    return table;
}

static const char SCHEMA_PROFILE[] = "name: profile\ndoc: People.\nfields:\n"
                                     "  - {name: given_name, type: name, category: A, doc: g}\n"
                                     "  - {name: email, type: email, category: A, index: many, doc: e}\n"
                                     "  - {name: remark, type: text, category: F, doc: r}\n";
static const char SCHEMA_CARDS[] = "name: cards\ndoc: Cards.\ncardinality: many\nforget: record\nfields:\n"
                                   "  - {name: number, type: pan, category: B, index: many, options: {policy: token}, doc: n}\n"
                                   "  - {name: holder, type: name, category: A, index: many, doc: h}\n";
static const char SCHEMA_VISITS[] = "name: visits\ndoc: Visits.\ncardinality: many\nfields:\n"
                                    "  - {name: place, type: name, category: F, index: many, doc: p}\n"
                                    "  - {name: host, type: name, category: A, doc: h}\n";
static const char SCHEMA_CALLS[] = "name: calls\ndoc: Calls.\ncardinality: many\nsubjects: two\nsides: [caller, callee]\nfields:\n"
                                   "  - {name: topic, type: name, category: F, index: many, doc: t}\n"
                                   "  - {name: caller_name, type: name, category: A, doc: c}\n";
static const char TEMPLATES[] = "templates:\n  - {name: card, format: digits, collection: cards, field: number, keep_last: 4}\n"
                                "  - {name: opaque, format: opaque, collection: cards, field: number}\n"
                                "  - {name: same, format: opaque, collection: cards, field: number, deterministic: true}\n";

static struct history *history_new(uint64_t seed)
{
    struct history *history = table_of(1, sizeof *history);
    const struct world_options options = {.is_on_disk = true, .has_fault_store = true, .has_journal = true,
                                          .on_open = on_open, .context = history,
                                          .keeper_count = KEEPERS, .quorum = QUORUM};
    history->random = seed;
    history->subjects = table_of(SUBJECTS_MAX, sizeof *history->subjects);
    history->records = table_of(RECORDS_MAX, sizeof *history->records);
    history->values = table_of(VALUES_MAX, sizeof *history->values);
    history->graves = table_of(GRAVES_MAX, sizeof *history->graves);
    history->pending = table_of(PENDING_MAX, sizeof *history->pending);
    history->texts = table_of(TEXTS_MAX, sizeof *history->texts);
    history->tokens = table_of(TEXTS_MAX, sizeof *history->tokens);
    history->caller_keys = table_of(TEXTS_MAX, sizeof *history->caller_keys);
    history->images = table_of(2 * IMAGES_MAX, VAULT_KEEPER_IMAGE);
    history->image_keepers = table_of(IMAGES_MAX, 1);
    history->key_file_list[history->key_file_count++] = world_key_file;
    history->recording = recording_new();
    watcher = history;
    world_new(&history->world, &options);
    history->epoch = present_epoch(history);
    world_apply_schema(&history->world, SCHEMA_PROFILE);
    world_apply_schema(&history->world, SCHEMA_CARDS);
    world_apply_schema(&history->world, SCHEMA_VISITS);
    world_apply_schema(&history->world, SCHEMA_CALLS);
    struct vt_value params = vt_value_map();
    put_text(history, &params, "template", TEMPLATES);
    assert_fine(history, "template.apply", call(history, "template.apply", &params, NULL));
    return history;
}

static void history_free(struct history *history)
{
    world_free(&history->world);
    recording_free(history->recording);
    free(history->subjects);
    free(history->records);
    free(history->values);
    free(history->graves);
    free(history->pending);
    free(history->texts);
    free(history->tokens);
    free(history->caller_keys);
    free(history->images);
    free(history->image_keepers);
    free(history);
}

/* Verdicts ----------------------------------------------------------------------------------------------------------- */

struct verdict {
    struct history *history;
    uint8_t *is_seen;               /* by mark */
    uint8_t *is_open;               /* by place in the recording */
    const uint8_t *is_buried;       /* by place in the recording; NULL: nobody asks */
    struct byte_set index, subjects;
    struct byte_set references, buried_references;      /* of rows that open; of those in graves */
    struct byte_set holders;        /* sids named in index entries that opened, padded */
    struct byte_set payloads;       /* sids whose audit payloads opened */
    struct vault_reach reach;
    size_t leaks, losses, forgotten, found;
    char first[160];                /* the first leak or loss, in words */
};

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

/* What of the keepers' files the adversary has. */
enum copies { NOTHING, PRESENT, PRESENT_AND_ALL_OF_ONE, ALL_OF_ONE, EVERYTHING };

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

static void verdict_release(struct verdict *verdict)
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

static void judge(struct history *history, enum copies copies, bool is_exact, struct verdict *out_verdict)
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

static void check_everything_is_known(struct history *history)
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

static void assert_forgotten(struct history *history, enum copies copies, const char *when, struct verdict *out_verdict)
{
    take_images(history);
    judge(history, copies, false, out_verdict);
    ck_assert_msg(out_verdict->leaks == 0 && out_verdict->losses == 0, "%s: %zu leaks, %zu losses: %s", when, out_verdict->leaks,
                  out_verdict->losses, out_verdict->first);
    ck_assert_uint_gt(out_verdict->found, 0);
}

static uint64_t number_from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

/* Each keeper has answered for this epoch, so that one that lied would be tolerated. */
static void close_for_good(struct history *history)
{
    struct vt_value params = vt_value_map();
    put_text(history, &params, "what", "root");
    rotate(history, &params);
    world_forget(&history->world);
}

static void print_figures(const struct history *history, const struct verdict *verdict)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(STEPS); i++) printf("%s %u, ", STEPS[i].name, history->done[i]);
    printf("refused %u, faults hit %u\n", history->refused, history->faults_hit);
    printf("%u subjects, %u marks, %zu values recorded, %llu epochs, %u keeper states; opened %zu pages, %zu key blocks, %zu rows, "
           "%zu tokens, %zu payloads; %zu live marks found, %zu things forgotten\n",
           history->subject_count, history->marks, recording_count(history->recording), (unsigned long long)history->epoch,
           history->image_count, verdict->reach.opened[VT_TABLE_PAGE], verdict->reach.opened[VT_TABLE_KEYBLOCK],
           verdict->reach.opened[VT_TABLE_ROW], verdict->reach.opened[VT_TABLE_TOKEN], verdict->reach.opened[VT_TABLE_AUDIT],
           verdict->found, verdict->forgotten);
    fflush(stdout);
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

static void check_restored_rows(struct history *history, const char *path)
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
static void assert_past_opens(struct history *history, const struct verdict *present)
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

static void assert_nothing_opens_with(struct history *history, enum copies copies)
{
    struct verdict blind;
    look(history, copies, false, NULL, &blind);
    ck_assert_uint_gt(blind.reach.unseal_keys, 0);
    for (unsigned table = 0; table < VT_TABLE_COUNT; table++) ck_assert_uint_eq(blind.reach.opened[table], 0);
    verdict_release(&blind);
}

START_TEST(what_was_forgotten_opens_from_no_copy_ever_made_of_anything)
{
    const uint64_t steps = number_from_environment("VT_STEPS", DEFAULT_STEPS);
    const uint64_t seed = number_from_environment("VT_SEED", vt_monotonic_ns());
    printf("VT_SEED=%llu VT_STEPS=%llu\n", (unsigned long long)seed, (unsigned long long)steps);
    fflush(stdout);
    struct history *history = history_new(seed);
    struct verdict verdict;
    uint64_t done = 0;
    for (unsigned checkpoint = 1; checkpoint <= CHECKPOINTS; checkpoint++) {
        for (; done < steps * checkpoint / CHECKPOINTS; done++) run_step(history);
        if (checkpoint == CHECKPOINTS) step_close(history);
        assert_forgotten(history, PRESENT, checkpoint == CHECKPOINTS ? "at the end" : "under way", &verdict);
        if (checkpoint != CHECKPOINTS) verdict_release(&verdict);
    }
    close_for_good(history);
    verdict_release(&verdict);
    assert_forgotten(history, PRESENT, "after the last close", &verdict);
    struct verdict with_snapshots;
    assert_forgotten(history, PRESENT_AND_ALL_OF_ONE, "with all snapshots of one keeper", &with_snapshots);
    ck_assert_uint_gt(with_snapshots.reach.slots, verdict.reach.slots);
    verdict_release(&with_snapshots);
    ck_assert_uint_gt(verdict.forgotten, 0);
    print_figures(history, &verdict);
    assert_nothing_opens_with(history, NOTHING);
    assert_nothing_opens_with(history, ALL_OF_ONE);
    assert_past_opens(history, &verdict);
    verdict_release(&verdict);
    check_everything_is_known(history);
    history_free(history);
}
END_TEST

/* The negative control of the whole test: the one mistake that looks cheap is caught. */
#ifdef VT_FAULTS
static void keep_page_key(const char *step, void *context)
{
    (void)context;
    if (strcmp(step, "keyring.page") == 0) vt_fault_arm(VT_FAULT_PAGE_KEY, 1);
}

START_TEST(a_vault_that_keeps_its_page_keys_is_caught)
{
    struct history *history = history_new(11);
    struct verdict verdict;
    vt_fault_set_step_hook(keep_page_key, NULL);
    for (unsigned i = 0; i < 300; i++) run_step(history);
    step_close(history);
    vt_fault_set_step_hook(NULL, NULL);
    vt_fault_disarm();
    take_images(history);
    judge(history, PRESENT, false, &verdict);
    ck_assert_uint_gt(verdict.leaks, 0);
    ck_assert_uint_eq(verdict.losses, 0);
    verdict_release(&verdict);
    history_free(history);
}
END_TEST
#endif

VT_TEST_MAIN("prop/vault_history",
#ifdef VT_FAULTS
             a_vault_that_keeps_its_page_keys_is_caught,
#endif
             what_was_forgotten_opens_from_no_copy_ever_made_of_anything)
