/* What happens in a history, one thing after the other. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/codec/text.h"
#include "tests/prop/history.h"

/* Steps: writing ----------------------------------------------------------------------------------------------------- */

static const struct field PROFILE_FIELDS[] = {
    {"given_name", CATEGORY_A, ""}, {"email", CATEGORY_A, "@example.org"}, {"remark", CATEGORY_F, ""},
    {"login", CATEGORY_F, "@login.example"}};
static const struct field VISIT_FIELDS[] = {{"place", CATEGORY_F, ""}, {"host", CATEGORY_A, ""}};
static const struct field CALL_FIELDS[] = {{"topic", CATEGORY_F, ""}, {"caller_name", CATEGORY_A, ""}};
static const struct field CARD_FIELDS[] = {{"number", CATEGORY_B, ""}, {"holder", CATEGORY_A, ""}};

const struct field *fields_of(enum collection collection, unsigned *out_count, const char **out_name)
{
    static const char *const names[] = {"", "profile", "cards", "visits", "calls"};
    static const struct field *const fields[] = {NULL, PROFILE_FIELDS, CARD_FIELDS, VISIT_FIELDS, CALL_FIELDS};
    *out_count = collection == PROFILE ? VT_ARRAY_LEN(PROFILE_FIELDS) : 2;
    *out_name = names[collection];
    return fields[collection];
}

/* A login that somebody had and nobody has: when a take-over gives it back, two want it. 0: none is looked for now */
static unsigned freed_login(struct history *history)
{
    if (below(history, 3) != 0) return 0;
    for (unsigned i = history->value_count; i-- > 0;) {
        const struct value *value = &history->values[i];
        if (value->fate != FATE_OLD || value->field != LOGIN || history->records[value->record].collection != PROFILE) continue;
        if (!history->records[value->record].is_live) continue;
        unsigned holders = 0;
        for (unsigned j = 0; j < history->value_count; j++)
            holders += history->values[j].mark == value->mark && history->values[j].fate == FATE_NOW;
        if (holders == 0) return value->mark;
    }
    return 0;
}

/* Now and then a remark is long enough for rows of several pieces. */
unsigned put_field(struct history *history, struct vt_value *fields, const struct field *field)
{
    const unsigned freed = strcmp(field->name, "login") == 0 ? freed_login(history) : 0;
    const unsigned mark = freed != 0 ? freed : new_mark(history);
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
    unsigned marks[FIELDS_MAX];
    char text[24];
    if (live_count(history) >= LIVE_MAX) return false;
    ck_assert_uint_lt(history->subject_count, SUBJECTS_MAX);
    const unsigned subject = history->subject_count++, mark = new_mark(history);
    history->subjects[subject] = (struct subject){.mark = mark, .is_live = true};
    mark_text(mark, text);
    for (unsigned i = 0; i < FIELDS_MAX; i++) marks[i] = put_field(history, &profile, &PROFILE_FIELDS[i]);
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
    ck_assert_uint_eq(record_put_into(history, subject, PROFILE, before), history->records[record].id);
    for (unsigned i = 0; i < FIELDS_MAX; i++) add_value(history, marks[i], record, PROFILE_FIELDS[i].category, i);
    return true;
}

void put_record(struct history *history, struct vt_value *params, unsigned record)
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
void refuse_mark(struct history *history, unsigned mark, unsigned record)
{
    for (unsigned i = 0; i < history->value_count; i++)
        if (history->values[i].mark == mark) return;            /* somebody else's it was */
    add_value(history, mark, record, ALL, 99)->fate = FATE_NEVER;
}

/* A take-over may bring a login back that somebody else has by now: the record then has it without an entry of the index, and
 * whatever else of its fields is changed, the vault wants the login mended first (decision 0013, "conflict"). */
static bool has_contested_login(const struct history *history, unsigned record)
{
    for (unsigned i = 0; i < history->value_count; i++) {
        const struct value *login = &history->values[i];
        if (login->record != record || login->field != LOGIN || login->fate != FATE_NOW) continue;
        for (unsigned j = 0; j < history->value_count; j++) {
            const struct value *other = &history->values[j];
            const bool is_had = other->fate == FATE_NOW || other->fate == FATE_DYING;
            if (other->record != record && other->mark == login->mark && is_had) return true;
        }
    }
    return false;
}

/* A record of which partial shreds have left nothing answers that it is not there. */
static bool was_changed(struct history *history, const char *method, vault_status status, unsigned record)
{
    if (status == VAULT_E_EXISTS && has_contested_login(history, record)) return false;
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

/* Who came since the backup that a take-over went back to has no profile any more, and gets another. */
static bool step_profile(struct history *history)
{
    struct vt_value params = vt_value_map(), fields = vt_value_map();
    unsigned subject, marks[FIELDS_MAX];
    if (!pick_subject(history, &subject) || history->subjects[subject].is_nameless) return false;
    for (unsigned i = 0; i < history->record_count; i++) {
        const struct record *record = &history->records[i];
        if (record->subject == subject && record->collection == PROFILE && record->is_live) return false;
    }
    for (unsigned i = 0; i < FIELDS_MAX; i++) marks[i] = put_field(history, &fields, &PROFILE_FIELDS[i]);
    put_subject(history, &params, subject);
    put_text(history, &params, "collection", "profile");
    add_pair(history, &params, "fields", fields);
    const size_t before = recording_count(history->recording);
    if (!was_done(history, "record.put", call(history, "record.put", &params, NULL))) {
        for (unsigned i = 0; i < FIELDS_MAX; i++) refuse_mark(history, marks[i], history->subjects[subject].own);
        return true;
    }
    const unsigned record = add_record(history, subject, PROFILE, last_record_of(history, subject, before));
    for (unsigned i = 0; i < FIELDS_MAX; i++) add_value(history, marks[i], record, PROFILE_FIELDS[i].category, i);
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
    history->records[record].is_gone = true;
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

static void take_token(struct history *history, struct vt_bytes text, unsigned mark)
{
    history->token_marks[history->token_count] = mark;
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
    take_token(history, vt_value_get_text(&result, "token"), mark);
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
    take_token(history, vt_value_get_text(&result, "token"), mark);
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

bool step_close(struct history *history)
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

void backup_path(const struct history *history, const char *what, unsigned number, char out_path[200])
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

void assert_tree_clean(const char *path)
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
void check_copy(struct history *history, const char *path, const char *what)
{
    char store_path[240];
    VT_AUTO_PTR(vt_store) store = NULL;
    const struct vt_store_lmdb_options options = {.is_read_only = true};
    snprintf(store_path, sizeof store_path, "%s/store", path);
    ck_assert_ok(vt_store_lmdb_open(store_path, &options, &store));
    check_store(history, store, what);
    assert_tree_clean(path);
}

bool step_backup(struct history *history)
{
    struct vt_value params = vt_value_map();
    char path[200];
    backup_path(history, "backup", history->backups, path);
    put_text(history, &params, "to", path);
    assert_fine(history, "backup.create", call(history, "backup.create", &params, NULL));
    check_copy(history, path, "backup");
    backup_keep(history, history->backups++);
    if (history->kept_count <= BACKUPS_KEPT) return true;
    const unsigned drop = 1 + below(history, BACKUPS_KEPT - 1);     /* the first stays, and so does this one */
    backup_path(history, "backup", history->kept[drop].number, path);
    vt_temp_dir_remove(path);
    backup_release(&history->kept[drop]);
    for (unsigned i = drop + 1; i < history->kept_count; i++) history->kept[i - 1] = history->kept[i];
    history->kept_count--;
    return true;
}

static bool step_restore(struct history *history)
{
    struct vt_value params = vt_value_map();
    char from[200], to[200];
    if (history->kept_count == 0) return false;
    backup_path(history, "backup", history->kept[below(history, history->kept_count)].number, from);
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
    {"import", 40, step_import},    {"profile", 20, step_profile},  {"take-over", 1, step_take_over},
};

void run_step(struct history *history)
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

/* Each keeper has answered for this epoch, so that one that lied would be tolerated. */
void close_for_good(struct history *history)
{
    struct vt_value params = vt_value_map();
    put_text(history, &params, "what", "root");
    rotate(history, &params);
    world_forget(&history->world);
}
void print_figures(const struct history *history, const struct verdict *verdict)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(STEPS); i++) printf("%s %u, ", STEPS[i].name, history->done[i]);
    printf("refused %u, faults hit %u\n", history->refused, history->faults_hit);
    printf("incarnation %llu, %u take-overs from former ones; values: %u came back, %u undone, %u of now kept; %u records lost, "
           "%u logins wanted by two, %u rows of files imported again\n",
           (unsigned long long)history->incarnation, history->former, history->revived, history->undone, history->kept_of_now,
           history->lost_records, history->shared_logins, history->came_again);
    printf("%u subjects, %u marks, %zu values recorded, %llu epochs, %u keeper states; opened %zu pages, %zu key blocks, %zu rows, "
           "%zu tokens, %zu payloads; %zu live marks found, %zu things forgotten\n",
           history->subject_count, history->marks, recording_count(history->recording), (unsigned long long)history->epoch,
           history->image_count, verdict->reach.opened[VT_TABLE_PAGE], verdict->reach.opened[VT_TABLE_KEYBLOCK],
           verdict->reach.opened[VT_TABLE_ROW], verdict->reach.opened[VT_TABLE_TOKEN], verdict->reach.opened[VT_TABLE_AUDIT],
           verdict->found, verdict->forgotten);
    fflush(stdout);
}
