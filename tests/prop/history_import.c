/* Rows of files: what has come in does not come in twice, and what a take-over has undone may come again. */
#include <stdio.h>

#include "libvault/codec/text.h"
#include "tests/prop/history.h"

static const char *const COLUMNS[] = {"place", "host", "given_name", "email"};
static const char *const TARGETS[] = {"visits.place", "visits.host", "profile.given_name", "profile.email"};
static const uint16_t CATEGORIES[] = {CATEGORY_F, CATEGORY_A, CATEGORY_A, CATEGORY_A};
static const unsigned FIELDS[] = {0, 1, 0, 1};

/* Who has this external id now. */
static bool find_person(const struct history *history, unsigned person, unsigned *out_subject)
{
    for (unsigned i = history->subject_count; i-- > 0;) {
        const struct subject *subject = &history->subjects[i];
        if (!subject->is_live || subject->is_nameless || subject->mark != person) continue;
        *out_subject = i;
        return true;
    }
    return false;
}

/* A new file, or the next rows of the last one. @return false when there is nobody to write of */
static bool draw_import(struct history *history, struct import *out_import)
{
    const struct import *last = history->import_count != 0 ? &history->imports[history->import_count - 1] : NULL;
    const bool goes_on = last != NULL && below(history, 3) == 0;
    *out_import = (struct import){.file = goes_on ? last->file : history->files, .first = 1};
    for (unsigned i = 0; goes_on && i < history->import_count; i++)
        if (history->imports[i].file == last->file) out_import->first += history->imports[i].row_count;
    const unsigned wanted = 1 + below(history, IMPORT_ROWS);
    for (unsigned i = 0; i < wanted; i++) {
        struct import_row *row = &out_import->rows[out_import->row_count];
        unsigned subject;
        row->is_new = below(history, 2) == 0 && live_count(history) + IMPORT_ROWS < LIVE_MAX;
        if (!row->is_new && (!pick_subject(history, &subject) || history->subjects[subject].is_nameless)) continue;
        row->person = row->is_new ? new_mark(history) : history->subjects[subject].mark;
        bool is_again = false;
        for (unsigned j = 0; j < out_import->row_count; j++) is_again = is_again || out_import->rows[j].person == row->person;
        if (is_again) continue;
        for (unsigned j = 0; j < (row->is_new ? 4u : 2u); j++) row->marks[j] = new_mark(history);
        out_import->row_count++;
    }
    history->files += !goes_on && out_import->row_count != 0;
    return out_import->row_count != 0;
}

static void put_cell(struct history *history, struct vt_value *row, const char *column, unsigned mark)
{
    char text[24], cell[40];
    mark_text(mark, text);
    snprintf(cell, sizeof cell, "%s%s", text, strcmp(column, "email") == 0 ? "@example.org" : "");
    put_text(history, row, column, cell);
}

static void put_rows(struct history *history, struct vt_value *params, const struct import *import)
{
    struct vt_value rows = vt_value_array();
    for (unsigned i = 0; i < import->row_count; i++) {
        struct vt_value row = vt_value_map();
        put_cell(history, &row, "id", import->rows[i].person);
        for (unsigned j = 0; j < (import->rows[i].is_new ? 4u : 2u); j++)
            put_cell(history, &row, COLUMNS[j], import->rows[i].marks[j]);
        ck_assert_ok(vt_value_push(&history->world.pool, &rows, row, NULL));
    }
    add_pair(history, params, "rows", rows);
}

static void put_mapping(struct history *history, struct vt_value *params)
{
    struct vt_value mapping = vt_value_map(), columns = vt_value_map();
    for (unsigned j = 0; j < VT_ARRAY_LEN(COLUMNS); j++) put_text(history, &columns, COLUMNS[j], TARGETS[j]);
    put_text(history, &mapping, "name", "people");
    put_text(history, &mapping, "subject", "id");
    put_text(history, &mapping, "existing", "add");
    add_pair(history, &mapping, "columns", columns);
    add_pair(history, params, "mapping", mapping);
}

static bool is_rejected(const struct vt_value *result, int64_t record)
{
    const struct vt_value *rejected = vt_value_get(result, "rejected");
    for (size_t i = 0; i < rejected->array.count; i++)
        if (vt_value_get_int(&rejected->array.items[i], "record", 0) == record) return true;
    return false;
}

/* Somebody new has come with a row. */
static unsigned meet_person(struct history *history, unsigned person)
{
    struct vt_value params = vt_value_map(), result;
    ck_assert_uint_lt(history->subject_count, SUBJECTS_MAX);
    const unsigned subject = history->subject_count++;
    history->subjects[subject] = (struct subject){.mark = person, .is_live = true};
    put_subject(history, &params, subject);
    put_text(history, &params, "purpose", "service");
    assert_fine(history, "subject.show", world_call_value(&history->world, "all", "subject.show", &params, &result));
    ck_assert_ok(vt_hex_decode(vt_value_get_text(&result, "sid"), history->subjects[subject].sid.bytes, 16));
    const unsigned own = history->subjects[subject].own = add_record(history, subject, OWN, 0);
    add_value(history, person, own, CATEGORY_OWN, 0);
    return subject;
}

static void note_row(struct history *history, const struct import_row *row, size_t before)
{
    unsigned subject;
    if (!find_person(history, row->person, &subject)) subject = meet_person(history, row->person);
    for (unsigned j = 0; j < (row->is_new ? 4u : 2u); j += 2) {
        const enum collection collection = j == 0 ? VISITS : PROFILE;
        const uint64_t id = record_put_into(history, subject, collection, before);
        ck_assert_uint_ne(id, 0);
        const unsigned record = add_record(history, subject, collection, id);
        for (unsigned k = j; k < j + 2; k++) add_value(history, row->marks[k], record, CATEGORIES[k], FIELDS[k]);
    }
}

static void assert_nothing_was_put(const struct history *history, size_t before)
{
    const struct record_row *rows = recording_rows(history->recording);
    for (size_t i = before; i < recording_count(history->recording); i++)
        ck_assert(rows[i].table != VT_TABLE_ROW && rows[i].table != VT_TABLE_RECORD && rows[i].table != VT_TABLE_KEYBLOCK);
}

/* Whether the rows come in follows from whether they are in. */
static void send_import(struct history *history, struct import *import)
{
    struct vt_value params = vt_value_map(), result;
    char file[65];
    snprintf(file, sizeof file, "%064u", import->file);
    put_text(history, &params, "file_sha256", file);
    add_pair(history, &params, "first_record", vt_value_int(import->first));
    put_rows(history, &params, import);
    put_mapping(history, &params);
    const size_t before = recording_count(history->recording);
    assert_fine(history, "record.import", call(history, "record.import", &params, &result));
    ck_assert_int_eq(vt_value_get_bool(&result, "skipped", !import->is_in), import->is_in);
    if (import->is_in) assert_nothing_was_put(history, before);
    for (unsigned i = 0; i < import->row_count && !import->is_in; i++)
        if (!is_rejected(&result, (int64_t)import->first + i)) note_row(history, &import->rows[i], before);
    import->is_in = true;
}

bool step_import(struct history *history)
{
    struct import import;
    if (history->import_count != 0 && below(history, 2) == 0) {
        struct import *again = &history->imports[below(history, history->import_count)];
        history->came_again += again->is_in ? 0 : again->row_count;
        send_import(history, again);
        return true;
    }
    if (history->import_count == IMPORTS_MAX || !draw_import(history, &import)) return false;
    struct import *fresh = &history->imports[history->import_count++];
    *fresh = import;
    send_import(history, fresh);
    return true;
}
