/* The vault goes back to a backup and goes on from there: docs/decisions/0013. What the model then says is compared with what the
 * vault answers, record by record, token by token, and by search. */
#include <stdio.h>
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/codec/text.h"
#include "tests/prop/history.h"

/* What was there ------------------------------------------------------------------------------------------------------ */

void backup_keep(struct history *history, unsigned number)
{
    ck_assert_uint_le(history->kept_count, BACKUPS_KEPT);
    struct backup *backup = &history->kept[history->kept_count++];
    *backup = (struct backup){.number = number, .incarnation = history->incarnation, .value_count = history->value_count,
                              .record_count = history->record_count, .grave_count = history->grave_count,
                              .import_count = history->import_count};
    backup->value_is_now = table_of(backup->value_count + 1, 1);
    backup->record_is_live = table_of(backup->record_count + 1, 1);
    backup->import_is_in = table_of(backup->import_count + 1, 1);
    for (unsigned i = 0; i < backup->value_count; i++) backup->value_is_now[i] = history->values[i].fate == FATE_NOW;
    for (unsigned i = 0; i < backup->record_count; i++) backup->record_is_live[i] = history->records[i].is_live;
    for (unsigned i = 0; i < backup->import_count; i++) backup->import_is_in[i] = history->imports[i].is_in;
}

void backup_release(struct backup *backup)
{
    free(backup->value_is_now);
    free(backup->record_is_live);
    free(backup->import_is_in);
}

static bool was_now(const struct backup *backup, unsigned value)
{
    return value < backup->value_count && backup->value_is_now[value];
}

static bool was_live(const struct backup *backup, unsigned record)
{
    return record < backup->record_count && backup->record_is_live[record];
}

/* How many live values have this mark. */
static unsigned holders_of(const struct history *history, unsigned mark)
{
    unsigned count = 0;
    for (unsigned i = 0; i < history->value_count; i++)
        count += history->values[i].mark == mark && history->values[i].fate == FATE_NOW;
    return count;
}

/* Going back ---------------------------------------------------------------------------------------------------------- */

/* The key that the row lay under then is destroyed: what is there now is all that there is. */
static bool has_lost_key(const struct history *history, const struct backup *backup, unsigned record, uint16_t category)
{
    const struct record *at = &history->records[record];
    for (unsigned i = backup->grave_count; i < history->grave_count; i++) {
        const struct grave *grave = &history->graves[i];
        if (!vt_sid_equal(&grave->sid, &history->subjects[at->subject].sid)) continue;
        if (grave->category != ALL && grave->category != category) continue;
        if (grave->record != 0 && grave->record != at->id) continue;
        if (!grave->is_of_category_key || !has_record_keys(history, record)) return true;
    }
    return false;
}

/* Values of one record in one category, which is a row. The list of all values is long, a record's part of it short. */
struct row_values {
    unsigned at[256], count;
    bool was_there, is_of_now;
};

static void undo_row(struct history *history, const struct backup *backup, const struct row_values *row)
{
    for (unsigned i = 0; i < row->count; i++) {
        struct value *value = &history->values[row->at[i]];
        const bool is_wanted = was_now(backup, row->at[i]);
        if (row->is_of_now) {
            history->kept_of_now += value->fate == FATE_NOW && !is_wanted;
            continue;
        }
        ck_assert(!is_wanted || value->fate <= FATE_OLD);       /* its key lives */
        value->is_revived = is_wanted && value->fate == FATE_OLD;
        history->revived += value->is_revived;
        history->undone += !is_wanted && value->fate == FATE_NOW;
        if (is_wanted) value->fate = FATE_NOW;
        else if (value->fate == FATE_NOW) value->fate = FATE_OLD;
    }
}

static void undo_category(struct history *history, const struct backup *backup, unsigned record, uint16_t category,
                          const unsigned *values, unsigned count)
{
    struct row_values row = {.count = 0};
    for (unsigned i = 0; i < count; i++) {
        if (history->values[values[i]].category != category) continue;
        ck_assert_uint_lt(row.count, VT_ARRAY_LEN(row.at));
        row.at[row.count++] = values[i];
        row.was_there = row.was_there || was_now(backup, values[i]);
    }
    row.was_there = row.was_there && was_live(backup, record);
    row.is_of_now = row.was_there && has_lost_key(history, backup, record, category);
    if (row.was_there) {
        undo_row(history, backup, &row);
        return;
    }
    for (unsigned i = 0; i < row.count; i++) {
        struct value *value = &history->values[row.at[i]];
        if (value->fate != FATE_NOW) continue;
        value->fate = FATE_OLD;
        history->undone++;
    }
}

static void undo_record(struct history *history, const struct backup *backup, unsigned record, const unsigned *values,
                        unsigned count)
{
    static const uint16_t categories[] = {CATEGORY_A, CATEGORY_B, CATEGORY_F};
    struct record *at = &history->records[record];
    if (at->collection == OWN || at->is_gone) return;       /* who there is, and what was deleted, is as it is now */
    history->lost_records += at->is_live && !was_live(backup, record);
    for (size_t i = 0; i < VT_ARRAY_LEN(categories); i++) undo_category(history, backup, record, categories[i], values, count);
    at->is_live = was_live(backup, record);
}

/* The record has it, and no entry of the index: not even when the other lets go of it, until the record is written again. */
static void note_contested_logins(struct history *history)
{
    for (unsigned i = 0; i < history->value_count; i++) {
        struct value *login = &history->values[i];
        if (!login->is_revived || login->field != LOGIN) continue;
        if (history->records[login->record].collection == PROFILE && holders_of(history, login->mark) > 1)
            login->may_lack_entry = true;
    }
}

/* Values by record, in one pass over all. */
static void undo_all(struct history *history, const struct backup *backup)
{
    for (unsigned i = 0; i < history->value_count; i++) history->values[i].is_revived = false;
    unsigned *order = table_of(history->value_count + 1, sizeof *order);
    unsigned *from = table_of(history->record_count + 2, sizeof *from);
    for (unsigned i = 0; i < history->value_count; i++) from[history->values[i].record + 1]++;
    for (unsigned i = 0; i < history->record_count; i++) from[i + 1] += from[i];
    unsigned *at = table_of(history->record_count + 1, sizeof *at);
    memcpy(at, from, history->record_count * sizeof *at);
    for (unsigned i = 0; i < history->value_count; i++) order[at[history->values[i].record]++] = i;
    for (unsigned i = 0; i < history->record_count; i++) undo_record(history, backup, i, order + from[i], from[i + 1] - from[i]);
    for (unsigned i = 0; i < history->import_count; i++)
        history->imports[i].is_in = i < backup->import_count && backup->import_is_in[i];
    note_contested_logins(history);
    free(order);
    free(from);
    free(at);
}

/* What the vault answers ---------------------------------------------------------------------------------------------- */

/* @return the value of this field that is there now, or NULL */
static const struct value *value_of(const struct history *history, unsigned record, unsigned field)
{
    for (unsigned i = history->value_count; i-- > 0;) {
        const struct value *value = &history->values[i];
        if (value->record == record && value->field == field && value->fate == FATE_NOW) return value;
    }
    return NULL;
}

static void check_field(const struct vt_value *fields, const struct field *field, const struct value *value)
{
    char text[24];
    const struct vt_bytes found = vt_value_get_text(fields, field->name);
    if (value == NULL) {
        ck_assert_msg(found.data == NULL, "%s is there and must not be", field->name);
        return;
    }
    mark_text(value->mark, text);
    ck_assert_msg(found.len >= strlen(text) && memcmp(found.data, text, strlen(text)) == 0,
                  "%s of record %u, mark %u, is not what it should be", field->name, value->record, value->mark);
}

/* Card numbers are asked for by their tokens. */
static void check_record(struct history *history, unsigned record)
{
    struct vt_value params = vt_value_map(), result;
    const struct value *values[FIELDS_MAX] = {NULL};
    unsigned count, there = 0;
    const char *name;
    const enum collection collection = history->records[record].collection;
    const struct field *fields = fields_of(collection, &count, &name);
    put_record(history, &params, record);
    put_text(history, &params, "view", "plain");
    put_text(history, &params, "purpose", "service");
    const vault_status status = world_call_value(&history->world, "all", "record.get", &params, &result);
    for (unsigned i = 0; i < count && history->records[record].is_live; i++) {
        values[i] = value_of(history, record, i);
        there += values[i] != NULL;
    }
    if (there == 0) {
        const bool is_empty = status == VAULT_OK && history->records[record].is_live;
        ck_assert_msg(is_empty || status == VAULT_E_NOT_FOUND || status == VAULT_E_ERASED, "a record that is lost gives %s",
                      vault_status_code(status));
        if (!is_empty) return;
    }
    assert_fine(history, "record.get", status);
    for (unsigned i = collection == CARDS; i < count; i++) check_field(vt_value_get(&result, "fields"), &fields[i], values[i]);
}

/* Of a value that only one may have there is one entry; none is allowed when nobody has it who must have one. */
static bool is_found_once(const struct history *history, unsigned mark, size_t found)
{
    for (unsigned i = 0; i < history->value_count; i++) {
        const struct value *value = &history->values[i];
        if (value->mark == mark && value->fate == FATE_NOW && !value->may_lack_entry) return found == 1;
    }
    return found <= 1;
}

/* By search: as many as have it now. */
static void check_search(struct history *history, const struct value *value, const char *field, const char *suffix)
{
    struct vt_value params = vt_value_map(), result;
    char text[24], wanted[40];
    const bool is_unique = strcmp(field, "login") == 0;
    const unsigned holders = holders_of(history, value->mark);
    mark_text(value->mark, text);
    snprintf(wanted, sizeof wanted, "%s%s", text, suffix);
    put_text(history, &params, "collection", "profile");
    put_text(history, &params, "field", field);
    put_text(history, &params, "value", wanted);
    put_text(history, &params, "purpose", "service");
    const vault_status status = world_call_value(&history->world, "all", "subject.find", &params, &result);
    if (holders == 0) {
        ck_assert_msg(status == VAULT_E_NOT_FOUND || (status == VAULT_OK && vt_value_get(&result, "matches")->array.count == 0),
                      "mark %u is found, which nobody has: %s", value->mark, vault_status_code(status));
        return;
    }
    history->shared_logins += is_unique && holders > 1 && value->fate == FATE_NOW;
    assert_fine(history, "subject.find", status);
    const size_t found = vt_value_get(&result, "matches")->array.count;
    ck_assert(is_unique ? is_found_once(history, value->mark, found) : found == holders);
}

static void check_records(struct history *history)
{
    for (unsigned i = 0; i < history->record_count; i++) {
        const struct record *record = &history->records[i];
        if (record->collection == OWN || !history->subjects[record->subject].is_live) continue;
        check_record(history, i);
        world_forget(&history->world);
    }
}

static void check_index(struct history *history)
{
    for (unsigned i = 0; i < history->value_count; i++) {
        const struct value *value = &history->values[i];
        const struct record *record = &history->records[value->record];
        if (record->collection != PROFILE || (value->field != 1 && value->field != LOGIN)) continue;
        if (value->fate != FATE_NOW && below(history, 8) != 0) continue;
        if (value->field == 1) check_search(history, value, "email", "@example.org");
        else check_search(history, value, "login", "@login.example");
        world_forget(&history->world);
    }
}

/* The forgotten are gone by name as well. */
static void check_subjects(struct history *history)
{
    for (unsigned i = 0; i < history->subject_count; i++) {
        struct vt_value params = vt_value_map(), result;
        char sid[33];
        vt_hex_encode(VT_BYTES_OF(history->subjects[i].sid.bytes), sid);
        put_text(history, &params, "sid", sid);
        put_text(history, &params, "purpose", "service");
        const vault_status status = world_call_value(&history->world, "all", "subject.show", &params, &result);
        if (history->subjects[i].is_live) assert_fine(history, "subject.show", status);
        else ck_assert_msg(status == VAULT_E_ERASED, "a forgotten subject gives %s", vault_status_code(status));
        world_forget(&history->world);
    }
}

/* Tokens -------------------------------------------------------------------------------------------------------------- */

struct token_answer {
    vault_status status;
    unsigned mark;                  /* 0: none */
};

static void ask_token(struct history *history, const char *token, struct token_answer *out_answer)
{
    struct vt_value params = vt_value_map(), result;
    size_t at = 0;
    put_text(history, &params, "token", token);
    put_text(history, &params, "view", "plain");
    put_text(history, &params, "purpose", "billing");
    *out_answer = (struct token_answer){world_call_value(&history->world, "all", "token.reveal", &params, &result), 0};
    if (out_answer->status == VAULT_OK)
        ck_assert(next_mark(vt_value_get_text(&result, "value"), &at, &out_answer->mark));
    world_forget(&history->world);
}

static struct token_answer *ask_tokens(struct history *history)
{
    struct token_answer *answers = table_of(history->token_count + 1, sizeof *answers);
    for (unsigned i = 0; i < history->token_count; i++) ask_token(history, history->tokens[i], &answers[i]);
    return answers;
}

/* A value that lost its holders and found others has had one token after the other: a backup may know another one than now. */
static bool has_namesake(const struct history *history, unsigned token)
{
    for (unsigned i = 0; i < history->token_count; i++)
        if (history->token_marks[i] == history->token_marks[token] && strcmp(history->tokens[i], history->tokens[token]) != 0)
            return true;
    return false;
}

/* A token gives what it gave, or nothing: its record is lost or forgotten. One that gave nothing may give its own again. */
static void check_tokens(struct history *history, const struct token_answer *before)
{
    for (unsigned i = 0; i < history->token_count; i++) {
        struct token_answer now;
        const unsigned mark = history->token_marks[i];
        ask_token(history, history->tokens[i], &now);
        ck_assert_uint_eq(now.mark, now.status == VAULT_OK ? mark : 0);
        const unsigned holders = holders_of(history, mark);
        ck_assert_msg(holders != 0 || now.status == VAULT_E_ERASED, "a token of nobody's gives %s", vault_status_code(now.status));
        if (holders == 0 || before[i].status == VAULT_E_ERASED || before[i].status == VAULT_E_SHRED_PENDING) continue;
        if (has_namesake(history, i)) continue;
        ck_assert_msg(now.status == before[i].status, "a token gave %s and gives %s", vault_status_code(before[i].status),
                      vault_status_code(now.status));
    }
}

/* The step ------------------------------------------------------------------------------------------------------------ */

static void check_soundness(struct history *history)
{
    struct vt_value result;
    assert_fine(history, "store.check", world_call(&history->world, "all", "store.check", NULL, &result));
    ck_assert(vt_value_get_bool(&result, "is_sound", false));
    ck_assert_ok(world_call(&history->world, "all", "audit.verify", NULL, &result));
    ck_assert(vt_value_get_bool(&result, "is_sound", false));
    ck_assert_ok(world_call(&history->world, "all", "vault.status", NULL, &result));
    ck_assert_int_eq(vt_value_get_int(&result, "incarnation", 0), (int64_t)history->incarnation);
    world_forget(&history->world);
}

#ifdef VT_FAULTS
/* Where the new environment is filled with what was there, nothing else comes up. */
static void on_step(const char *step, void *context)
{
    struct history *history = context;
    if (strcmp(step, "takeover.still") == 0) history->built_from = recording_count(history->recording);
    if (strcmp(step, "takeover.built") == 0) history->built_to = recording_count(history->recording);
}

static void check_building(const struct history *history)
{
    const struct record_row *rows = recording_rows(history->recording);
    ck_assert_uint_ne(history->built_to, 0);
    for (size_t i = history->built_from; i < history->built_to; i++) ck_assert_int_eq(rows[i].table, VT_TABLE_META);
}
#endif

static void go_back(struct history *history, const struct backup *backup)
{
    struct vt_value params = vt_value_map(), result;
    char from[200];
    const size_t before = recording_count(history->recording);
    backup_path(history, "backup", backup->number, from);
    put_text(history, &params, "from", from);
    add_pair(history, &params, "take_over", vt_value_bool(true));
    history->is_taking_over = true;
    history->built_from = history->built_to = 0;
#ifdef VT_FAULTS
    vt_fault_set_step_hook(on_step, history);
#endif
    assert_fine(history, "backup.restore", call(history, "backup.restore", &params, &result));
#ifdef VT_FAULTS
    vt_fault_set_step_hook(NULL, NULL);
    check_building(history);
#endif
    history->is_taking_over = false;
    take_images(history);
    world_forget(&history->world);
    world_restart(&history->world);
    take_images(history);
    history->incarnation++;
    note_close(history, before);
    ck_assert_uint_eq(history->pending_count, 0);
}

static void take_over(struct history *history, unsigned which)
{
    const struct backup *backup = &history->kept[which];
    struct verdict verdict;
    history->former += backup->incarnation < history->incarnation;
    struct token_answer *tokens = ask_tokens(history);
    go_back(history, backup);
    undo_all(history, backup);
    check_soundness(history);
    check_subjects(history);
    check_records(history);
    check_index(history);
    check_tokens(history, tokens);
    free(tokens);
    assert_forgotten(history, PRESENT, "after a take-over", &verdict);
    ck_assert_uint_eq(verdict.reach.slots, KEEPERS);        /* one share each: those of the former incarnation are no more */
    verdict_release(&verdict);
}

bool step_take_over(struct history *history)
{
    if (history->kept_count == 0) return false;
    take_over(history, below(history, history->kept_count));
    return true;
}

void take_over_from(struct history *history, bool wants_former)
{
    unsigned count = 0;
    if (history->kept_count == 0) step_backup(history);
    while (wants_former && count < history->kept_count && history->kept[count].incarnation < history->incarnation) count++;
    ck_assert(!wants_former || count != 0);
    take_over(history, below(history, wants_former ? count : history->kept_count));
}
