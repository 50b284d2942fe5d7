/* What a history has put into the vault, and what has become of it; and what is kept of all that it writes. */
#include <stdio.h>
#include <stdlib.h>

#include "libvault/codec/text.h"
#include "tests/prop/history.h"

void *table_of(size_t count, size_t size)
{
    void *table = calloc(count, size);
    ck_assert_ptr_nonnull(table);
    return table;
}

/* splitmix64: the history depends on the seed alone. */
uint64_t draw(struct history *history)
{
    uint64_t mixed = history->random += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

unsigned below(struct history *history, size_t bound)
{
    return (unsigned)(draw(history) % bound);
}

/* Marks -------------------------------------------------------------------------------------------------------------- */

void mark_text(unsigned mark, char out_text[24])
{
    char *at = out_text + snprintf(out_text, 24, MARK);
    for (unsigned i = 0; i < MARK_LETTERS; i++, mark /= 26) *at++ = (char)('a' + mark % 26);
    *at = '\0';
}

void mark_pan(unsigned mark, char out_pan[24])
{
    snprintf(out_pan, 24, PAN_MARK "%0*u0", PAN_DIGITS, mark % 10000000u);
    while (!vt_luhn_is_valid(vt_bytes_str(out_pan))) out_pan[15]++;
}

/* The marks in @p bytes, one after the other. @return false when there are no more */
bool next_mark(struct vt_bytes bytes, size_t *at, unsigned *out_mark)
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

void assert_no_mark(struct vt_bytes bytes, const char *where)
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

void take_images(struct history *history)
{
    for (unsigned i = 0; i < KEEPERS; i++) take_image(history, i);
}

struct history *watched;            /* the keeper's functions have no context of their own */

static vault_status watched_prepare(struct vt_keeper *keeper, const struct vt_keeper_slot *slot)
{
    const vault_status status = watched->keeper_inner->prepare(keeper, slot);
    take_images(watched);
    return status;
}

static vault_status watched_finalize(struct vt_keeper *keeper, uint64_t incarnation, uint64_t epoch, const uint8_t *attempt,
                                     uint64_t commit_number, int64_t now_ms, struct vt_keeper_receipt *out_receipt)
{
    take_images(watched);
    const vault_status status =
        watched->keeper_inner->finalize(keeper, incarnation, epoch, attempt, commit_number, now_ms, out_receipt);
    take_images(watched);
    return status;
}

void on_open(void *context, struct vt_store *store, struct vt_keeper *const *keepers)
{
    struct history *history = context;
    recording_listen(history->recording, store);
    history->keeper_inner = keepers[0]->ops;
    history->keeper_ops = *keepers[0]->ops;
    history->keeper_ops.prepare = watched_prepare;
    history->keeper_ops.finalize = watched_finalize;
    for (unsigned i = 0; i < KEEPERS; i++) keepers[i]->ops = &history->keeper_ops;
    watched = history;
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

void check_store(struct history *history, struct vt_store *store, const char *where)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    ck_assert_ok(vt_txn_begin_read(store, &txn));
    for (unsigned table = 0; table < VT_TABLE_COUNT; table++) check_table(history, txn, (enum vt_table)table, where);
}

/* Commands ----------------------------------------------------------------------------------------------------------- */

struct vt_value *add_pair(struct history *history, struct vt_value *map, const char *name, struct vt_value value)
{
    ck_assert_ok(vt_value_put(&history->world.pool, map, name, value, NULL));
    return map;
}

struct vt_value text_value(struct history *history, const char *text)
{
    return vt_value_text(vt_pool_copy(&history->world.pool, vt_bytes_str(text)));
}

void put_text(struct history *history, struct vt_value *map, const char *name, const char *text)
{
    add_pair(history, map, name, text_value(history, text));
}

uint64_t present_epoch(struct history *history)
{
    struct vt_epoch_status status;
    ck_assert_ok(vt_epoch_status(vt_vault_epoch(history->world.vault), &status));
    return status.epoch;
}

/* What operates the vault takes no idempotency key. */
static bool takes_key(const char *method)
{
    const struct vt_command *command = vt_command_find(vt_bytes_str(method));
    ck_assert_ptr_nonnull(command);
    return command->effect != VT_OPERATES;
}

vault_status call(struct history *history, const char *method, struct vt_value *map, struct vt_value *out_result)
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

void assert_fine(const struct history *history, const char *method, vault_status status)
{
    ck_assert_msg(status == VAULT_OK, "%s gave %s: %s", method, vault_status_code(status), history->world.err.message);
}

/* A pending shred may refuse it; anything else may not. */
bool was_done(struct history *history, const char *method, vault_status status)
{
    if (status == VAULT_E_SHRED_PENDING) {
        history->refused++;
        return false;
    }
    assert_fine(history, method, status);
    return true;
}

void put_subject(struct history *history, struct vt_value *map, unsigned subject)
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

unsigned new_mark(struct history *history)
{
    return ++history->marks;
}

struct value *add_value(struct history *history, unsigned mark, unsigned record, uint16_t category, unsigned field)
{
    ck_assert_uint_lt(history->value_count, VALUES_MAX);
    struct value *value = &history->values[history->value_count++];
    *value = (struct value){.mark = mark, .subject = history->records[record].subject, .record = record, .category = category,
                            .field = field, .fate = FATE_NOW};
    return value;
}

/* The value that the field had is an old one from now on. */
void replace_value(struct history *history, unsigned mark, unsigned record, uint16_t category, unsigned field)
{
    for (unsigned i = 0; i < history->value_count; i++) {
        struct value *value = &history->values[i];
        if (value->record == record && value->field == field && value->fate == FATE_NOW) value->fate = FATE_OLD;
    }
    add_value(history, mark, record, category, field);
}

unsigned add_record(struct history *history, unsigned subject, enum collection collection, uint64_t id)
{
    ck_assert_uint_lt(history->record_count, RECORDS_MAX);
    history->records[history->record_count] = (struct record){.id = id, .subject = subject, .collection = collection,
                                                               .is_live = true};
    return history->record_count++;
}

struct grave *add_grave(struct history *history, unsigned subject, uint16_t category, uint64_t record, size_t until)
{
    ck_assert_uint_lt(history->grave_count, GRAVES_MAX);
    struct grave *grave = &history->graves[history->grave_count++];
    *grave = (struct grave){.sid = history->subjects[subject].sid, .category = category, .record = record,
                           .has_key = true, .until = until};
    return grave;
}

bool has_record_keys(const struct history *history, unsigned record)
{
    return history->records[record].collection == CARDS;
}

bool covers(const struct history *history, const struct pending *pending, const struct value *value)
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
        if (!is_whole && (pending->record != record->id || pending->category != ALL)) continue;
        record->is_live = false;
        record->is_gone = true;
    }
}

void note_close(struct history *history, size_t before)
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

bool is_pending(const struct history *history, unsigned subject)
{
    for (unsigned i = 0; i < history->pending_count; i++)
        if (history->pending[i].subject == subject) return true;
    return false;
}

unsigned live_count(const struct history *history)
{
    unsigned count = 0;
    for (unsigned i = 0; i < history->subject_count; i++) count += history->subjects[i].is_live;
    return count;
}

bool pick_subject(struct history *history, unsigned *out_subject)
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

bool pick_record(struct history *history, enum collection collection, unsigned *out_record)
{
    unsigned found[64], count = 0;
    for (unsigned i = history->record_count; i-- > 0 && count < 64;)
        if (history->records[i].is_live && history->records[i].collection == collection) found[count++] = i;
    if (count == 0) return false;
    *out_record = found[below(history, count)];
    return true;
}

/* The record of a subject that was put last, from the recording: answers do not always name it. 0: none */
uint64_t find_record_of(const struct history *history, unsigned subject, size_t from)
{
    const struct record_row *rows = recording_rows(history->recording);
    for (size_t i = recording_count(history->recording); i-- > from;)
        if (rows[i].table == VT_TABLE_RECORD && memcmp(rows[i].key, history->subjects[subject].sid.bytes, 16) == 0 &&
            vt_get_u16(rows[i].key + 16) != 0)
            return vt_get_u64(rows[i].key + 18);
    return 0;
}

uint64_t record_put_into(const struct history *history, unsigned subject, enum collection collection, size_t from)
{
    const struct record_row *rows = recording_rows(history->recording);
    for (size_t i = recording_count(history->recording); i-- > from;)
        if (rows[i].table == VT_TABLE_RECORD && memcmp(rows[i].key, history->subjects[subject].sid.bytes, 16) == 0 &&
            vt_get_u16(rows[i].key + 16) == collection)
            return vt_get_u64(rows[i].key + 18);
    return 0;
}

uint64_t last_record_of(const struct history *history, unsigned subject, size_t from)
{
    const uint64_t record = find_record_of(history, subject, from);
    ck_assert_uint_ne(record, 0);
    return record;
}
