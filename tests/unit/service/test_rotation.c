/* Rotation of keys in steps: what is found, refused and forgotten while one is under way, after it was stopped, and behind it. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "libvault/codec/msgpack.h"
#include "libvault/codec/text.h"
#include "libvault/codec/yaml.h"
#include "tests/support/world.h"
#include "vaultd/core/subject/row.h"
#include "vaultd/service/jobs.h"
#include "vaultd/service/rotation.h"

static const char PROFILE[] = "name: profile\ndoc: People.\nfields:\n"
                              "  - {name: given_name, type: name, category: A, doc: g}\n"
                              "  - {name: login, type: email, category: A, index: unique, doc: l}\n"
                              "  - {name: email, type: email, category: D, index: many, doc: e}\n";
static const char CARDS[] = "name: cards\ndoc: Cards.\ncardinality: many\nforget: record\nfields:\n"
                            "  - {name: number, type: pan, category: B, index: many, options: {policy: token}, doc: n}\n";
static const char TEMPLATES[] =
    "templates:\n  - {name: same, format: opaque, collection: cards, field: number, deterministic: true}\n"
    "  - {name: digits, format: digits, collection: cards, field: number, keep_last: 4, deterministic: true}\n"
    "  - {name: card, format: opaque, collection: cards, field: number}\n";
static const char *const PANS[] = {"4000001234567899", "4000001234567808", "5105105105105100", "4111111111111111"};

enum { PEOPLE_MAX = 64, NAME_MAX_LEN = 64 };

/** What is true of a person. */
struct person {
    bool is_alive;
    unsigned login, email;          /* numbers in the addresses */
    int card;                       /* index into PANS; -1: none */
};
static struct world world;
static struct person people[PEOPLE_MAX];
static unsigned people_count, next_login;
static char tokens[VT_ARRAY_LEN(PANS)][2][NAME_MAX_LEN];        /* of each number, under both templates; empty: nobody has it */

static void setup(bool is_on_disk)
{
    const struct world_options options = {.is_on_disk = is_on_disk};
    struct vt_value params = vt_value_map();
    world_new(&world, &options);
    world_apply_schema(&world, PROFILE);
    world_apply_schema(&world, CARDS);
    ck_assert_ok(vt_value_put(&world.pool, &params, "template", vt_value_str(TEMPLATES), NULL));
    ck_assert_ok(world_call_value(&world, "administrator", "template.apply", &params, NULL));
    memset(people, 0, sizeof people);
    memset(tokens, 0, sizeof tokens);
    people_count = next_login = 0;
}

static void teardown(void)
{
    world_free(&world);
}

/* People ------------------------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 4, 5))) static vault_status call(const char *role, const char *method,
                                                               struct vt_value *out_result, const char *format, ...)
{
    char params[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(params, sizeof params, format, arguments);
    va_end(arguments);
    return world_call(&world, role, method, params, out_result);
}

static void create(void)
{
    struct person *person = &people[people_count];
    *person = (struct person){.is_alive = true, .login = next_login++, .email = people_count / 3, .card = -1};
    ck_assert_ok(call("application", "subject.create", NULL,
                      "{external_id: p%u, records: {profile: {given_name: Ada, login: l%u@example.org, email: e%u@example.org}}}",
                      people_count, person->login, person->email));
    people_count++;
}

static void token_of(const char *template_, unsigned who, int card, char *out_token)
{
    struct vt_value result;
    ck_assert_ok(call("application", "token.create", &result, "{template: %s, subject: p%u, value: '%s'}", template_, who,
                      PANS[card]));
    const struct vt_bytes token = vt_value_get_text(&result, "token");
    snprintf(out_token, NAME_MAX_LEN, "%.*s", (int)token.len, (const char *)token.data);
}

/* The same number has the same token as long as somebody has it. */
static void give_card(unsigned who, int card)
{
    static const char *const NAMES[] = {"same", "digits"};
    for (size_t i = 0; i < 2; i++) {
        char token[NAME_MAX_LEN];
        token_of(NAMES[i], who, card, token);
        if (tokens[card][i][0] != '\0') ck_assert_str_eq(token, tokens[card][i]);
        memcpy(tokens[card][i], token, sizeof token);
    }
    people[who].card = card;
}

static void correct(unsigned who, bool forgets)
{
    struct person *person = &people[who];
    person->login = next_login++;
    person->email = (person->email + 1) % 5;
    ck_assert_ok(call("application", "record.correct", NULL,
                      "{subject: p%u, collection: profile, forget_old: %s, "
                      "fields: {login: l%u@example.org, email: e%u@example.org}}",
                      who, forgets ? "true" : "false", person->login, person->email));
}

static bool is_held(int card)
{
    for (unsigned i = 0; i < people_count; i++)
        if (people[i].is_alive && people[i].card == card) return true;
    return false;
}

static void token_is_dead(const char *token)
{
    ck_assert_status(call("privacy", "token.reveal", NULL, "{token: '%s', view: plain, purpose: rights}", token), VAULT_E_ERASED);
}

static void shred(unsigned who)
{
    const int card = people[who].card;
    ck_assert_ok(call("privacy", "subject.shred", NULL, "{subject: p%u, now: true}", who));
    people[who].is_alive = false;
    if (card < 0 || is_held(card)) return;
    for (size_t i = 0; i < 2; i++) {
        token_is_dead(tokens[card][i]);
        tokens[card][i][0] = '\0';
    }
}

static size_t found(const char *field, char letter, unsigned number)
{
    struct vt_value result;
    const vault_status status =
        call("application", "subject.find", &result, "{collection: profile, field: %s, value: %c%u@example.org, purpose: service}",
             field, letter, number);
    if (status == VAULT_E_NOT_FOUND) return 0;
    ck_assert_ok(status);
    return vt_value_get(&result, "matches")->array.count;
}

static void person_is_right(unsigned who)
{
    const struct person *person = &people[who];
    const vault_status status = call("application", "record.get", NULL,
                                     "{subject: p%u, collection: profile, view: plain, purpose: service}", who);
    ck_assert_status(status, person->is_alive ? VAULT_OK : VAULT_E_NOT_FOUND);
    ck_assert_uint_eq(found("login", 'l', person->login), person->is_alive ? 1 : 0);
    if (!person->is_alive) return;
    ck_assert_status(call("application", "subject.create", NULL, "{external_id: p%u}", who), VAULT_E_EXISTS);
    ck_assert_status(call("application", "subject.create", NULL,
                          "{external_id: other, records: {profile: {login: l%u@example.org}}}", person->login),
                     VAULT_E_EXISTS);
}

static void everybody_is_right(void)
{
    for (unsigned i = 0; i < people_count; i++) person_is_right(i);
    for (unsigned email = 0; email < 5 + PEOPLE_MAX / 3; email++) {
        size_t count = 0;
        for (unsigned i = 0; i < people_count; i++) count += people[i].is_alive && people[i].email == email;
        ck_assert_uint_eq(found("email", 'e', email), count);
    }
    for (size_t card = 0; card < VT_ARRAY_LEN(PANS); card++)
        for (size_t i = 0; i < 2 && tokens[card][i][0] != '\0'; i++)
            ck_assert_ok(call("application", "token.reveal", NULL, "{token: '%s', view: plain, purpose: billing}",
                              tokens[card][i]));
    world_forget(&world);
}

/* The keyring -------------------------------------------------------------------------------------------------------- */

struct looked {
    uint64_t entries;
    uint32_t live;                  /* version of the key asked for */
    size_t versions;
};

/* Every entry lies where it belongs, and the tenant holds as many as it says. */
static struct looked look(enum vt_tenant_key_name name)
{
    struct looked looked = {0};
    struct vt_txn *txn;
    struct vt_keyring_view *view;
    struct vt_keyring_check check;
    const struct vt_tenant_key *key;
    ck_assert_ok(vt_vault_view(world.vault, &txn, &view));
    const vault_status status = vt_keyring_check(view, &check, &world.err);
    ck_assert_msg(status == VAULT_OK, "%s", world.err.message);
    looked.entries = check.index_entries;
    while ((key = vt_keyring_tenant_key(view, VT_TENANT_DEFAULT, name, looked.versions)) != NULL) {
        if (looked.versions++ == 0) looked.live = key->version;
    }
    vt_keyring_view_end(view);
    vt_txn_abort(txn);
    return looked;
}

static uint64_t epoch_now(void)
{
    struct vt_epoch_status status;
    ck_assert_ok(vt_epoch_status(vt_vault_epoch(world.vault), &status));
    return status.epoch;
}

static struct vt_rotation *begin_key(enum vt_tenant_key_name key, size_t step)
{
    const struct vt_rotation_wish wish = {.what = VT_ROTATE_TENANT, .tenant = VT_TENANT_DEFAULT, .keys = 1u << key};
    struct vt_rotation *rotation;
    ck_assert_ok(vt_rotation_new(world.vault, &wish, &rotation));
    vt_rotation_set_step(rotation, step);
    return rotation;
}

/* To the end. @return how many steps it took */
static unsigned run(struct vt_rotation *rotation)
{
    bool is_done = false;
    unsigned steps = 0;
    for (; !is_done; steps++) ck_assert_ok(vt_rotation_step(rotation, &is_done));
    vt_rotation_free(rotation);
    return steps;
}

static void nothing_is_stored(void)
{
    struct vt_rotation *rotation;
    ck_assert_status(vt_rotation_open_stored(world.vault, &rotation), VAULT_E_NOT_FOUND);
}

static void populate(unsigned count)
{
    while (people_count < count) create();
    for (unsigned i = 0; i < count; i += 2) give_card(i, (int)(i / 4 % VT_ARRAY_LEN(PANS)));
}

/* Nobody is left, so no entry is: what a rotation forgets to move would stay behind. */
static void everybody_goes_without_a_trace(void)
{
    for (unsigned i = 0; i < people_count; i++)
        if (people[i].is_alive) shred(i);
    ck_assert_uint_eq(look(VT_TENANT_KEY_INDEX).entries, 0);
}

/* Jobs --------------------------------------------------------------------------------------------------------------- */

static struct vt_value job_when_over(const uint8_t id[16])
{
    for (;;) {
        struct vt_value list;
        ck_assert_ok(vt_jobs_list(vt_vault_jobs(world.vault), id, &world.pool, &list));
        if (!vt_bytes_equal_str(vt_value_get_text(&list.array.items[0], "state"), "running")) return list.array.items[0];
    }
}

static void job_ends(const struct vt_value *job, const char *state, bool is_resumed)
{
    const struct vt_bytes is = vt_value_get_text(job, "state"), message = vt_value_get_text(job, "message");
    ck_assert_msg(vt_bytes_equal_str(is, state), "the job is %.*s: %.*s", (int)is.len, (const char *)is.data, (int)message.len,
                  (const char *)message.data);
    ck_assert_int_eq(vt_value_get_bool(job, "resumed", !is_resumed), is_resumed);
}

static void rotate_until(const char *params, const char *state)
{
    struct vt_value result;
    uint8_t id[16];
    ck_assert_ok(world_call(&world, "administrator", "key.rotate", params, &result));
    ck_assert_ok(vt_hex_decode(vt_value_get_text(&result, "job"), id, sizeof id));
    const struct vt_value job = job_when_over(id);
    job_ends(&job, state, false);
}

static void rotate_to_end(const char *params)
{
    rotate_until(params, "done");
}

/* Index -------------------------------------------------------------------------------------------------------------- */

START_TEST(an_index_rotation_moves_every_entry_and_drops_the_old_version)
{
    setup(false);
    populate(20);
    const struct looked before = look(VT_TENANT_KEY_INDEX);
    const uint64_t epoch = epoch_now();
    run(begin_key(VT_TENANT_KEY_INDEX, 0));
    const struct looked after = look(VT_TENANT_KEY_INDEX);
    ck_assert_uint_eq(before.live, 1);
    ck_assert_uint_eq(after.live, 2);
    ck_assert_uint_eq(after.versions, 1);
    ck_assert_uint_eq(after.entries, before.entries);
    ck_assert_uint_gt(epoch_now(), epoch);
    nothing_is_stored();
    everybody_is_right();
    give_card(1, people[0].card);
    everybody_goes_without_a_trace();
    teardown();
}
END_TEST

static uint32_t draw(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % below;
}

static void disturb(uint32_t *seed)
{
    const unsigned who = draw(seed, people_count);
    const uint32_t what = draw(seed, 10);
    if (what < 2 && people_count < PEOPLE_MAX) create();
    if (!people[who].is_alive) return;
    if (what >= 2 && what < 5) correct(who, what == 2);
    if (what >= 5 && what < 8 && people[who].card < 0) give_card(who, (int)draw(seed, VT_ARRAY_LEN(PANS)));
    if (what == 8) shred(who);
    if (what == 9) ck_assert_ok(call("application", "record.put", NULL, "{subject: p%u, collection: cards, fields: {}}", who));
}

static void write_between_steps(int which)
{
    uint32_t seed = (uint32_t)which * 7919 + 17;
    bool is_done = false;
    setup(false);
    populate(12);
    struct vt_rotation *rotation = begin_key(VT_TENANT_KEY_INDEX, 1 + (size_t)which % 4);
    for (unsigned steps = 0; !is_done; steps++) {
        ck_assert_ok(vt_rotation_step(rotation, &is_done));
        if (steps % 3 == 0) disturb(&seed);
        if (steps % 8 == 0) everybody_is_right();
    }
    vt_rotation_free(rotation);
    ck_assert_uint_eq(look(VT_TENANT_KEY_INDEX).versions, 1);
    everybody_is_right();
    everybody_goes_without_a_trace();
    teardown();
}

START_TEST(whatever_is_written_between_the_steps_of_an_index_rotation_is_found_and_forgotten)
{
    for (int which = 0; which < 8; which++) write_between_steps(which);
}
END_TEST

START_TEST(an_index_rotation_that_was_stopped_after_any_step_goes_on_after_a_restart)
{
    bool was_finished = false;
    for (unsigned stop = 1; !was_finished; stop++) {
        setup(true);
        populate(3);
        const struct looked before = look(VT_TENANT_KEY_INDEX);
        struct vt_rotation *rotation = begin_key(VT_TENANT_KEY_INDEX, 6);
        for (unsigned steps = 0; steps < stop && !was_finished; steps++) ck_assert_ok(vt_rotation_step(rotation, &was_finished));
        vt_rotation_free(rotation);
        world_reopen(&world);
        everybody_is_right();
        if (!was_finished) {
            ck_assert_ok(vt_rotation_open_stored(world.vault, &rotation));
            run(rotation);
        }
        const struct looked after = look(VT_TENANT_KEY_INDEX);
        ck_assert_uint_eq(after.versions, 1);
        ck_assert_uint_eq(after.live, 2);
        ck_assert_uint_eq(after.entries, before.entries);
        nothing_is_stored();
        everybody_is_right();
        everybody_goes_without_a_trace();
        teardown();
    }
}
END_TEST

/* At one of the steps somebody joins the holders of a number, and they all go: the last of them takes the number's entry along,
 * wherever it lies. @return false: there is no such step */
static bool shred_holders_at_step(int which)
{
    enum { HOLDERS = 3 };
    bool is_done = false, is_dead = false;
    setup(false);
    for (unsigned i = 0; i < HOLDERS; i++) create();
    for (unsigned i = 0; i < HOLDERS; i++) give_card(i, 0);
    struct vt_rotation *rotation = begin_key(VT_TENANT_KEY_INDEX, 1);
    for (int steps = 0; !is_done; steps++) {
        ck_assert_ok(vt_rotation_step(rotation, &is_done));
        if (steps < which || is_dead) continue;
        create();
        give_card(HOLDERS, 0);
        for (unsigned i = 0; i <= HOLDERS; i++) shred((i + (unsigned)which) % (HOLDERS + 1));
        is_dead = true;
        ck_assert_uint_eq(look(VT_TENANT_KEY_INDEX).entries, 0);
    }
    vt_rotation_free(rotation);
    if (is_dead) create();
    if (is_dead) give_card(HOLDERS + 1, 0);
    everybody_goes_without_a_trace();
    teardown();
    return is_dead;
}

START_TEST(a_shared_token_dies_with_its_last_holder_at_any_step_of_an_index_rotation)
{
    enum { STAGES = 8 };
    int steps = 0;
    while (shred_holders_at_step(steps)) steps++;
    ck_assert_int_gt(steps, STAGES);
}
END_TEST

/* One of two holders is being erased, and the entries of the two lie under different versions: the token stands for the other. */
START_TEST(a_shared_token_answers_while_one_of_its_holders_is_being_erased_at_any_step)
{
    bool is_done = false;
    setup(false);
    create();
    create();
    give_card(0, 0);
    give_card(1, 0);
    struct vt_rotation *rotation = begin_key(VT_TENANT_KEY_INDEX, 1);
    while (!is_done) {
        ck_assert_ok(vt_rotation_step(rotation, &is_done));
        for (unsigned who = 0; who < 2; who++) {
            struct vt_value result;
            ck_assert_ok(call("privacy", "subject.shred", &result, "{subject: p%u}", who));
            for (size_t i = 0; i < 2; i++)
                ck_assert_ok(call("application", "token.reveal", NULL, "{token: '%s', view: plain, purpose: billing}",
                                  tokens[0][i]));
            ck_assert_ok(call("privacy", "subject.cancel-shred", NULL, "{certificate: %lld}",
                              (long long)vt_value_get_int(&result, "certificate", 0)));
        }
    }
    vt_rotation_free(rotation);
    everybody_goes_without_a_trace();
    teardown();
}
END_TEST

/** A call that has been prepared and waits for the committer. */
struct waiting {
    struct vt_call *call;
    struct vt_value params;
};

static void wait_with(struct waiting *waiting, const char *method, const char *params)
{
    struct vt_principal principal = {.id = {1}, .role = vt_role_find(vt_bytes_str("application")), .is_local = true};
    waiting->params = vt_value_map();
    ck_assert_ok(vt_yaml_read(&world.pool, vt_bytes_str(params), &waiting->params, &world.err));
    ck_assert_ok(vt_call_new(world.vault, &principal, &waiting->call));
    waiting->call->method = vt_bytes_str(method);
    waiting->call->params = &waiting->params;
    ck_assert_int_eq(vt_call_prepare(waiting->call), VT_CALL_COMMIT);
}

static vault_status waited(struct waiting *waiting)
{
    const vault_status status = vt_vault_commit_wait(world.vault, &waiting->call->item);
    vt_call_free(waiting->call);
    return status;
}

START_TEST(what_was_prepared_under_the_old_index_key_is_prepared_again)
{
    struct waiting taken, other;
    bool is_done = false;
    setup(false);
    wait_with(&taken, "subject.create", "{external_id: p0, records: {profile: {login: l0@example.org}}}");
    wait_with(&other, "subject.create", "{external_id: q0}");
    struct vt_rotation *rotation = begin_key(VT_TENANT_KEY_INDEX, 0);
    ck_assert_ok(vt_rotation_step(rotation, &is_done));
    create();
    ck_assert_status(waited(&taken), VAULT_E_CONFLICT);
    ck_assert_status(waited(&other), VAULT_E_CONFLICT);
    run(rotation);
    everybody_is_right();
    teardown();
}
END_TEST

/* Other keys --------------------------------------------------------------------------------------------------------- */

static void rotate_ten_times(int which)
{
    static const enum vt_tenant_key_name KEYS[] = {VT_TENANT_KEY_INDEX, VT_TENANT_KEY_PLACE, VT_TENANT_KEY_CONFIG,
                                                   VT_TENANT_KEY_AUDIT};
    setup(false);
    populate(6);
    const struct looked before = look(KEYS[which]);
    for (uint32_t round = 1; round <= 10; round++) {
        run(begin_key(KEYS[which], 7));
        const struct looked after = look(KEYS[which]);
        ck_assert_uint_eq(after.live, 1 + round);
        ck_assert_uint_eq(after.versions, 1);
        ck_assert_uint_eq(after.entries, before.entries);
    }
    everybody_is_right();
    world_apply_schema(&world, PROFILE);
    everybody_goes_without_a_trace();
    teardown();
}

START_TEST(ten_rotations_of_each_key_that_things_leave_succeed_in_a_row)
{
    for (int which = 0; which < 4; which++) rotate_ten_times(which);
}
END_TEST

static void stop_and_go_on(int which)
{
    static const enum vt_tenant_key_name KEYS[] = {VT_TENANT_KEY_PLACE, VT_TENANT_KEY_CONFIG, VT_TENANT_KEY_TOKEN_SEAL};
    bool was_finished = false;
    for (unsigned stop = 1; !was_finished; stop++) {
        setup(true);
        populate(3);
        struct vt_rotation *rotation = begin_key(KEYS[which], 4);
        for (unsigned steps = 0; steps < stop && !was_finished; steps++) ck_assert_ok(vt_rotation_step(rotation, &was_finished));
        vt_rotation_free(rotation);
        world_reopen(&world);
        create();
        if (!was_finished) {
            ck_assert_ok(vt_rotation_open_stored(world.vault, &rotation));
            run(rotation);
        }
        const struct looked after = look(KEYS[which]);
        ck_assert_uint_eq(after.live, 2);
        ck_assert_uint_eq(after.versions, KEYS[which] == VT_TENANT_KEY_TOKEN_SEAL ? 2 : 1);
        world_reopen(&world);       /* schemas are read anew */
        everybody_is_right();
        everybody_goes_without_a_trace();
        teardown();
    }
}

START_TEST(a_rotation_that_was_stopped_after_any_step_goes_on_after_a_restart_whichever_its_key)
{
    for (int which = 0; which < 3; which++) stop_and_go_on(which);
}
END_TEST

START_TEST(entries_written_while_the_index_is_placed_anew_lie_where_they_belong)
{
    uint32_t seed = 4711;
    bool is_done = false;
    setup(false);
    populate(12);
    struct vt_rotation *rotation = begin_key(VT_TENANT_KEY_PLACE, 1);
    while (!is_done) {
        ck_assert_ok(vt_rotation_step(rotation, &is_done));
        disturb(&seed);
    }
    vt_rotation_free(rotation);
    ck_assert_uint_eq(look(VT_TENANT_KEY_PLACE).versions, 1);
    everybody_is_right();
    everybody_goes_without_a_trace();
    teardown();
}
END_TEST

struct progress {
    uint64_t done, total;
    size_t count;
};

static vault_status take_progress(void *context, const struct vt_rotation_info *info)
{
    struct progress *progress = context;
    *progress = (struct progress){info->done, info->total, progress->count + 1};
    return VAULT_OK;
}

static struct progress progress_now(void)
{
    struct progress progress = {.count = 0};
    struct vt_txn *txn;
    struct vt_keyring_view *view;
    ck_assert_ok(vt_vault_view(world.vault, &txn, &view));
    ck_assert_ok(vt_rotations_each(view, take_progress, &progress));
    vt_keyring_view_end(view);
    vt_txn_abort(txn);
    return progress;
}

static void progress_rises(enum vt_tenant_key_name key)
{
    uint32_t seed = 99;
    bool is_done = false;
    uint64_t last = 0;
    setup(false);
    populate(12);
    struct vt_rotation *rotation = begin_key(key, 1);
    while (true) {
        ck_assert_ok(vt_rotation_step(rotation, &is_done));
        if (is_done) break;
        const struct progress now = progress_now();
        ck_assert_uint_eq(now.count, 1);
        ck_assert_uint_ge(now.done, last);
        ck_assert_uint_le(now.done, now.total);
        last = now.done;
        disturb(&seed);
    }
    ck_assert_uint_gt(last, 0);
    vt_rotation_free(rotation);
    nothing_is_stored();
    teardown();
}

START_TEST(the_progress_of_a_rotation_of_index_or_place_never_falls_and_never_passes_its_total)
{
    progress_rises(VT_TENANT_KEY_INDEX);
    progress_rises(VT_TENANT_KEY_PLACE);
}
END_TEST

START_TEST(a_version_of_the_token_seal_key_stays_until_no_row_names_it)
{
    char first[NAME_MAX_LEN];
    setup(false);
    create();
    token_of("card", 0, 0, first);
    for (uint32_t round = 0; round < 3; round++) {
        char token[NAME_MAX_LEN];
        run(begin_key(VT_TENANT_KEY_TOKEN_SEAL, 0));
        token_of("card", 0, 0, token);
    }
    ck_assert_uint_eq(look(VT_TENANT_KEY_TOKEN_SEAL).versions, 4);
    rotate_until("{what: tenant, key: token-seal}", "failed");
    nothing_is_stored();
    /* A row whose token comes by leaves the old version, and makes room. */
    ck_assert_ok(call("application", "token.disable", NULL, "{token: '%s'}", first));
    rotate_to_end("{what: tenant, key: token-seal}");
    const struct looked after = look(VT_TENANT_KEY_TOKEN_SEAL);
    ck_assert_uint_eq(after.versions, 4);
    ck_assert_uint_eq(after.live, 5);
    ck_assert_ok(call("application", "token.enable", NULL, "{token: '%s'}", first));
    ck_assert_ok(call("application", "token.reveal", NULL, "{token: '%s', view: plain, purpose: billing}", first));
    teardown();
}
END_TEST

START_TEST(issued_tokens_keep_every_version_of_their_lookup_key)
{
    char issued[3][NAME_MAX_LEN];
    setup(false);
    create();
    for (size_t round = 0; round < 3; round++) {
        token_of("card", 0, 0, issued[round]);
        run(begin_key(VT_TENANT_KEY_TOKEN_LOOKUP, 0));
    }
    ck_assert_status(call("administrator", "key.rotate", NULL, "{what: tenant, key: token}"), VAULT_E_LIMIT);
    for (size_t round = 0; round < 3; round++)
        ck_assert_ok(call("application", "token.reveal", NULL, "{token: '%s', view: plain, purpose: billing}", issued[round]));
    ck_assert_uint_eq(look(VT_TENANT_KEY_TOKEN_LOOKUP).versions, 4);
    teardown();
}
END_TEST

/* A digit token's row is found by the lookup key of its day, and so are its holders. */
START_TEST(holders_of_digit_tokens_of_an_older_lookup_key_are_moved_too)
{
    setup(false);
    populate(6);
    run(begin_key(VT_TENANT_KEY_TOKEN_LOOKUP, 0));
    give_card(1, people[0].card);
    run(begin_key(VT_TENANT_KEY_INDEX, 3));
    everybody_is_right();
    everybody_goes_without_a_trace();
    teardown();
}
END_TEST

/* Subjects and the tree ---------------------------------------------------------------------------------------------- */

static struct vt_rotation_wish subject_wish(unsigned who, bool destroy_now)
{
    struct vt_rotation_wish wish = {.what = VT_ROTATE_SUBJECT, .tenant = VT_TENANT_DEFAULT, .destroy_now = destroy_now};
    struct vt_value result;
    world_pass(&world, 1000);           /* its keys are older than the rotation */
    ck_assert_ok(call("application", "subject.show", &result, "{subject: p%u, purpose: service}", who));
    const struct vt_bytes sid = vt_value_get_text(&result, "sid");
    ck_assert_uint_eq(sid.len, 32);
    ck_assert_ok(vt_hex_decode(sid, wish.sid.bytes, sizeof wish.sid.bytes));
    return wish;
}

static size_t states_of(unsigned who, const char *state)
{
    struct vt_value result;
    size_t count = 0;
    ck_assert_ok(call("administrator", "key.status", &result, "{subject: p%u}", who));
    const struct vt_value *keys = vt_value_get(&result, "keys");
    for (size_t i = 0; i < keys->array.count; i++)
        count += vt_bytes_equal_str(vt_value_get_text(&keys->array.items[i], "state"), state);
    return count;
}

/* How many of a subject's keys have this version. */
static size_t versions_of(unsigned who, int64_t version)
{
    struct vt_value result;
    size_t count = 0;
    ck_assert_ok(call("administrator", "key.status", &result, "{subject: p%u}", who));
    const struct vt_value *keys = vt_value_get(&result, "keys");
    for (size_t i = 0; i < keys->array.count; i++) {
        ck_assert_int_gt(vt_value_get_int(&keys->array.items[i], "rows", -1), 0);
        count += vt_value_get_int(&keys->array.items[i], "version", 0) == version;
    }
    return count;
}

/* Nothing is written meanwhile, so all there was to do is done when the moving is over. */
static unsigned progress_reaches_its_total(const struct vt_rotation_wish *wish)
{
    struct vt_rotation *rotation;
    struct progress now = {.count = 0};
    bool is_done = false;
    uint64_t last = 0;
    unsigned between = 0;
    ck_assert_ok(vt_rotation_new(world.vault, wish, &rotation));
    vt_rotation_set_step(rotation, 1);
    while (true) {
        ck_assert_ok(vt_rotation_step(rotation, &is_done));
        if (is_done) break;
        now = progress_now();
        ck_assert_uint_eq(now.count, 1);
        ck_assert_uint_ge(now.done, last);
        ck_assert_uint_le(now.done, now.total);
        between += now.done > 0 && now.done < now.total;
        last = now.done;
    }
    ck_assert_uint_gt(now.total, 0);
    ck_assert_uint_eq(now.done, now.total);
    vt_rotation_free(rotation);
    return between;
}

START_TEST(the_progress_of_a_rotation_of_tree_or_subject_ends_at_its_total)
{
    setup(false);
    populate(12);
    const struct vt_rotation_wish tree = {.what = VT_ROTATE_TREE, .tenant = VT_TENANT_DEFAULT};
    const struct vt_rotation_wish closing = subject_wish(0, true), leaving = subject_wish(1, false);
    ck_assert_uint_gt(progress_reaches_its_total(&tree), 0);
    ck_assert_uint_gt(progress_reaches_its_total(&closing), 0);
    ck_assert_uint_gt(progress_reaches_its_total(&leaving), 0);
    nothing_is_stored();
    teardown();
}
END_TEST

/* How far it says it is when what comes next is dropping the old versions, which sets the progress to its end whatever was told
 * before. Where nothing is dropped before the end, it is past every look. */
static struct vt_rotation_info progress_before_the_drop(enum vt_tenant_key_name key)
{
    struct vt_rotation *rotation = begin_key(key, 1);
    struct vt_rotation_info info = {.done = 0}, before = {.done = 0};
    unsigned drops = 0;
    for (bool is_done = false; !is_done;) {
        ck_assert_ok(vt_rotation_step(rotation, &is_done));
        info = vt_rotation_info(rotation);
        if (strcmp(info.stage, "drops old versions") != 0) continue;
        before = info;
        drops++;
    }
    ck_assert_uint_eq(drops, 1);
    ck_assert_uint_gt(info.total, 0);
    ck_assert_uint_eq(info.done, info.total);
    vt_rotation_free(rotation);
    return before;
}

START_TEST(the_progress_of_a_rotation_of_a_config_key_has_reached_its_total_before_anything_is_dropped)
{
    setup(false);
    populate(12);
    const struct vt_rotation_info before = progress_before_the_drop(VT_TENANT_KEY_CONFIG);
    ck_assert_uint_gt(before.total, 0);
    ck_assert_uint_eq(before.done, before.total);
    const struct vt_rotation_wish again = {.what = VT_ROTATE_TENANT, .tenant = VT_TENANT_DEFAULT,
                                           .keys = 1U << VT_TENANT_KEY_CONFIG};
    ck_assert_uint_gt(progress_reaches_its_total(&again), 0);
    nothing_is_stored();
    teardown();
}
END_TEST

/* Nothing lies under an audit key that would have to move: dropping its old versions is all. */
START_TEST(the_progress_of_a_rotation_of_an_audit_key_is_the_dropping_of_its_old_versions)
{
    setup(false);
    const struct vt_rotation_info before = progress_before_the_drop(VT_TENANT_KEY_AUDIT);
    ck_assert_uint_eq(before.total, 1);
    ck_assert_uint_eq(before.done, 0);
    nothing_is_stored();
    teardown();
}
END_TEST

START_TEST(the_progress_of_a_rotation_of_a_token_seal_key_counts_every_row_once)
{
    struct vt_store_stats stats;
    bool is_done = false;
    uint64_t counted = 0;
    setup(false);
    populate(12);
    ck_assert_ok(vt_store_stats(vt_vault_store(world.vault), &stats));
    const uint64_t rows = stats.entries[VT_TABLE_TOKEN];
    ck_assert_uint_gt(rows, 3);
    struct vt_rotation *rotation = begin_key(VT_TENANT_KEY_TOKEN_SEAL, 1);
    while (!is_done) {
        ck_assert_ok(vt_rotation_step(rotation, &is_done));
        const struct vt_rotation_info info = vt_rotation_info(rotation);
        if (strcmp(info.stage, "counts") != 0 || info.total == 0) continue;
        ck_assert_uint_eq(info.total, rows);
        ck_assert_uint_eq(info.done, ++counted);            /* one row a step */
    }
    ck_assert_uint_eq(counted, rows - 1);                   /* behind the last one it drops, in the same step */
    ck_assert_uint_eq(vt_rotation_info(rotation).done, rows);
    vt_rotation_free(rotation);
    nothing_is_stored();
    teardown();
}
END_TEST

START_TEST(a_subject_rotation_that_was_stopped_after_any_step_goes_on_after_a_restart)
{
    bool was_finished = false;
    for (unsigned stop = 1; !was_finished; stop++) {
        struct vt_rotation *rotation;
        setup(true);
        populate(2);
        const struct vt_rotation_wish wish = subject_wish(0, true);
        const size_t live = states_of(0, "live");
        const uint64_t epoch = epoch_now();
        ck_assert_ok(vt_rotation_new(world.vault, &wish, &rotation));
        vt_rotation_set_step(rotation, 1);
        for (unsigned steps = 0; steps < stop && !was_finished; steps++) ck_assert_ok(vt_rotation_step(rotation, &was_finished));
        vt_rotation_free(rotation);
        world_reopen(&world);
        if (!was_finished) {
            ck_assert_ok(vt_rotation_open_stored(world.vault, &rotation));
            vt_rotation_set_step(rotation, 1);
            run(rotation);
        }
        ck_assert_uint_gt(epoch_now(), epoch);
        ck_assert_uint_eq(states_of(0, "live"), live);
        ck_assert_uint_eq(versions_of(0, 2), live);
        ck_assert_uint_eq(states_of(0, "open-only") + states_of(0, "restore-only"), 0);
        everybody_is_right();
        nothing_is_stored();
        teardown();
    }
}
END_TEST

START_TEST(a_tree_rotation_that_was_stopped_goes_on_after_a_restart)
{
    const struct vt_rotation_wish wish = {.what = VT_ROTATE_TREE, .tenant = VT_TENANT_DEFAULT};
    struct vt_rotation *rotation;
    bool is_done;
    setup(true);
    populate(10);
    ck_assert_ok(vt_rotation_new(world.vault, &wish, &rotation));
    vt_rotation_set_step(rotation, 1);
    for (unsigned steps = 0; steps < 3; steps++) {
        ck_assert_ok(vt_rotation_step(rotation, &is_done));
        ck_assert(!is_done);
    }
    vt_rotation_free(rotation);
    world_reopen(&world);
    ck_assert_ok(vt_rotation_open_stored(world.vault, &rotation));
    run(rotation);
    nothing_is_stored();
    everybody_is_right();
    teardown();
}
END_TEST

/* Resuming ----------------------------------------------------------------------------------------------------------- */

static void first_job(uint8_t out_id[16])
{
    struct vt_value list;
    ck_assert_ok(vt_jobs_list(vt_vault_jobs(world.vault), NULL, &world.pool, &list));
    ck_assert_uint_eq(list.array.count, 1);
    ck_assert_ok(vt_hex_decode(vt_value_get_text(&list.array.items[0], "id"), out_id, 16));
}

START_TEST(a_rotation_that_was_under_way_goes_on_by_itself_after_an_unseal)
{
    struct vt_value result;
    uint8_t id[16];
    bool is_done;
    setup(true);
    populate(6);
    struct vt_rotation *rotation = begin_key(VT_TENANT_KEY_INDEX, 3);
    for (unsigned steps = 0; steps < 4; steps++) ck_assert_ok(vt_rotation_step(rotation, &is_done));
    vt_rotation_free(rotation);
    ck_assert_ok(call("administrator", "key.status", &result, "{}"));
    const struct vt_value *rotations = vt_value_get(&result, "rotations");
    ck_assert_uint_eq(rotations->array.count, 1);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&rotations->array.items[0], "what"), "tenant index"));
    ck_assert_int_eq(vt_value_get_int(&rotations->array.items[0], "total", 0), 18);
    world_reopen(&world);
    vt_rotations_resume(world.vault);
    first_job(id);
    const struct vt_value job = job_when_over(id);
    job_ends(&job, "done", true);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&job, "kind"), "key.rotate tenant"));
    ck_assert_uint_eq(look(VT_TENANT_KEY_INDEX).versions, 1);
    nothing_is_stored();
    everybody_is_right();
    teardown();
}
END_TEST

/** Work that runs until it is let go. */
struct held {
    pthread_mutex_t mutex;
    pthread_cond_t let_go;
    bool is_let_go;
};

static vault_status hold(void *context, const uint8_t id[16])
{
    struct held *held = context;
    (void)id;
    pthread_mutex_lock(&held->mutex);
    while (!held->is_let_go) pthread_cond_wait(&held->let_go, &held->mutex);
    pthread_mutex_unlock(&held->mutex);
    return VAULT_OK;
}

START_TEST(the_same_thing_is_not_rotated_twice_at_a_time)
{
    const struct vt_rotation_wish wish = {.what = VT_ROTATE_TENANT, .tenant = VT_TENANT_DEFAULT,
                                          .keys = 1u << VT_TENANT_KEY_CONFIG};
    struct held held = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    struct vt_job_topic topic;
    uint8_t id[16];
    setup(false);
    vt_rotation_topic(&wish, &topic);
    ck_assert_ok(vt_jobs_spawn_topic(vt_vault_jobs(world.vault), "test", &topic, NULL, hold, &held, id));
    ck_assert_status(call("administrator", "key.rotate", NULL, "{what: tenant, key: config}"), VAULT_E_RUNNING);
    ck_assert_status(call("administrator", "key.rotate", NULL, "{what: tenant}"), VAULT_E_RUNNING);
    rotate_to_end("{what: tenant, key: audit}");
    pthread_mutex_lock(&held.mutex);
    held.is_let_go = true;
    pthread_cond_signal(&held.let_go);
    pthread_mutex_unlock(&held.mutex);
    const struct vt_value job = job_when_over(id);
    job_ends(&job, "done", false);
    rotate_to_end("{what: tenant, key: config}");
    teardown();
}
END_TEST

START_TEST(a_rotation_that_was_stopped_goes_on_under_its_id_when_it_is_asked_for_again)
{
    const struct vt_rotation_wish wish = {.what = VT_ROTATE_TENANT, .tenant = VT_TENANT_DEFAULT,
                                          .keys = 1u << VT_TENANT_KEY_INDEX};
    uint8_t id[16];
    bool is_done;
    setup(false);
    populate(4);
    struct vt_rotation *rotation = begin_key(VT_TENANT_KEY_INDEX, 2);
    for (unsigned steps = 0; steps < 5; steps++) ck_assert_ok(vt_rotation_step(rotation, &is_done));
    vt_rotation_free(rotation);
    ck_assert_ok(vt_rotation_start(world.vault, &wish, id));
    const struct vt_value job = job_when_over(id);
    job_ends(&job, "done", true);
    ck_assert_uint_eq(look(VT_TENANT_KEY_INDEX).live, 2);
    nothing_is_stored();
    teardown();
}
END_TEST

START_TEST(the_rotation_of_a_subject_that_is_forgotten_ends_and_leaves_no_place)
{
    struct vt_rotation *rotation;
    uint8_t id[16];
    bool is_done;
    setup(false);
    populate(2);
    const struct vt_rotation_wish wish = subject_wish(0, false);
    ck_assert_ok(vt_rotation_new(world.vault, &wish, &rotation));
    ck_assert_ok(vt_rotation_step(rotation, &is_done));
    vt_rotation_free(rotation);
    shred(0);
    ck_assert_ok(vt_rotation_start(world.vault, &wish, id));
    const struct vt_value job = job_when_over(id);
    job_ends(&job, "failed", true);
    nothing_is_stored();
    teardown();
}
END_TEST

START_TEST(all_keys_of_a_tenant_rotate_in_one_job)
{
    static const enum vt_tenant_key_name LEFT[] = {VT_TENANT_KEY_INDEX, VT_TENANT_KEY_PLACE, VT_TENANT_KEY_CONFIG,
                                                   VT_TENANT_KEY_AUDIT};
    setup(false);
    populate(6);
    rotate_to_end("{what: tenant}");
    for (size_t i = 0; i < VT_ARRAY_LEN(LEFT); i++) {
        ck_assert_uint_eq(look(LEFT[i]).live, 2);
        ck_assert_uint_eq(look(LEFT[i]).versions, 1);
    }
    ck_assert_uint_eq(look(VT_TENANT_KEY_TOKEN_LOOKUP).versions, 2);
    ck_assert_uint_eq(look(VT_TENANT_KEY_TOKEN_SEAL).versions, 2);
    everybody_is_right();
    everybody_goes_without_a_trace();
    teardown();
}
END_TEST

static int64_t rows_under(const char *name, int64_t version)
{
    struct vt_value result;
    ck_assert_ok(call("administrator", "key.status", &result, "{}"));
    const struct vt_value *keys = vt_value_get(&result, "keys");
    for (size_t i = 0; i < keys->array.count; i++) {
        const struct vt_value *key = &keys->array.items[i];
        if (vt_bytes_equal_str(vt_value_get_text(key, "name"), name) && vt_value_get_int(key, "version", 0) == version)
            return vt_value_get_int(key, "rows", -1);
    }
    return -2;
}

START_TEST(the_status_of_keys_counts_what_lies_under_each_version)
{
    char token[NAME_MAX_LEN];
    setup(false);
    create();
    token_of("card", 0, 0, token);
    token_of("card", 0, 1, token);
    run(begin_key(VT_TENANT_KEY_TOKEN_SEAL, 0));
    token_of("card", 0, 2, token);
    ck_assert_int_eq(rows_under("tenant token-seal", 1), 2);
    ck_assert_int_eq(rows_under("tenant token-seal", 2), 1);
    ck_assert_int_eq(rows_under("tenant index", 1), (int64_t)look(VT_TENANT_KEY_INDEX).entries);
    teardown();
}
END_TEST

START_TEST(a_key_that_does_not_exist_is_refused)
{
    setup(false);
    ck_assert_status(call("administrator", "key.rotate", NULL, "{what: tenant, key: everything}"), VAULT_E_ARGUMENT);
    ck_assert_status(call("administrator", "key.rotate", NULL, "{what: crown}"), VAULT_E_ARGUMENT);
    ck_assert_status(call("administrator", "key.rotate", NULL, "{what: subject}"), VAULT_E_ARGUMENT);
    ck_assert_status(call("administrator", "key.rotate", NULL, "{what: subject, subject: nobody}"), VAULT_E_NOT_FOUND);
    ck_assert_status(call("application", "key.rotate", NULL, "{what: tree}"), VAULT_E_FORBIDDEN);
    nothing_is_stored();
    teardown();
}
END_TEST

static void way_is_refused(const char *way, const char *field, const char *sentence)
{
    ck_assert_status(call("administrator", "key.rotate", NULL, "{what: unseal, %s}", way), VAULT_E_ARGUMENT);
    ck_assert_str_eq(world.err.field, field);
    ck_assert_str_eq(world.err.message, sentence);
}

/* Characters are counted, not bytes: the third has twelve of these. */
START_TEST(a_new_unseal_key_is_not_wrapped_in_what_protects_nothing)
{
    static const char SHORT[] = "The passphrase must have 12 characters or more.";
    static const char EACH[] = "With threshold 1 each share opens the vault by itself: take 2 or more, or use a key file instead.";
    world_new(&world, &(struct world_options){.is_production = true});
    way_is_refused("passphrase: x", "passphrase", SHORT);
    way_is_refused("passphrase: elevenchars", "passphrase", SHORT);
    way_is_refused("passphrase: \u00e9levenchars", "passphrase", SHORT);
    way_is_refused("shares: 5, threshold: 1", "threshold", EACH);
    way_is_refused("shares: 1, threshold: 1", "threshold", EACH);
    way_is_refused("passphrase: x, shares: 3, threshold: 2", "passphrase", SHORT);
    ck_assert_ok(call("administrator", "key.rotate", NULL, "{what: unseal, passphrase: twelve chars}"));
    teardown();
}
END_TEST

/* Arguments but `what`, each with a value that its kind allows, and the one rotation that each belongs to. */
static const struct {
    const char *argument, *value, *what;
} ARGUMENTS[] = {
    {"subject", "p0", "subject"},
    {"category", "A", "subject"},
    {"destroy_now", "false", "subject"},
    {"key", "index", "tenant"},
    {"passphrase", "correct horse battery staple", "unseal"},
    {"key_file", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "unseal"},
    {"shares", "3", "unseal"},
    {"threshold", "2", "unseal"},
};

static void is_refused_beside(const char *what, const char *needed, size_t at)
{
    char sentence[160];
    ck_assert_status(call("administrator", "key.rotate", NULL, "{what: %s%s, %s: %s}", what, needed, ARGUMENTS[at].argument,
                          ARGUMENTS[at].value),
                     VAULT_E_ARGUMENT);
    snprintf(sentence, sizeof sentence, "The argument %s belongs to the rotation of %s, not of %s; leave it out.",
             ARGUMENTS[at].argument, ARGUMENTS[at].what, what);
    ck_assert_str_eq(world.err.field, ARGUMENTS[at].argument);
    ck_assert_str_eq(world.err.message, sentence);
}

START_TEST(an_argument_of_another_rotation_is_refused_by_name_and_nothing_begins)
{
    static const struct {
        const char *what, *needed;
    } ROTATIONS[] = {
        {"root", ""}, {"tree", ""}, {"tenant", ""}, {"subject", ", subject: p0"},
        {"unseal", ", key_file: 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"},
    };
    unsigned refused = 0;
    setup(false);
    populate(2);
    const uint64_t epoch = epoch_now();
    for (size_t i = 0; i < VT_ARRAY_LEN(ROTATIONS); i++)
        for (size_t at = 0; at < VT_ARRAY_LEN(ARGUMENTS); at++) {
            if (strcmp(ARGUMENTS[at].what, ROTATIONS[i].what) == 0) continue;
            is_refused_beside(ROTATIONS[i].what, ROTATIONS[i].needed, at);
            refused++;
        }
    ck_assert_uint_eq(refused, 4 * VT_ARRAY_LEN(ARGUMENTS));
    nothing_is_stored();
    ck_assert_uint_eq(epoch_now(), epoch);
    ck_assert_uint_eq(look(VT_TENANT_KEY_INDEX).live, 1);
    ck_assert_uint_eq(versions_of(0, 2), 0);
    teardown();
}
END_TEST

START_TEST(a_rotation_goes_on_by_itself_after_the_command_that_unseals)
{
    struct vt_value params = vt_value_map();
    uint8_t id[16];
    bool is_done;
    setup(false);
    populate(4);
    struct vt_rotation *rotation = begin_key(VT_TENANT_KEY_INDEX, 3);
    for (unsigned steps = 0; steps < 4; steps++) ck_assert_ok(vt_rotation_step(rotation, &is_done));
    ck_assert_ok(call("all", "vault.seal", NULL, "{}"));
    ck_assert_status(vt_rotation_step(rotation, &is_done), VAULT_E_SEALED);
    vt_rotation_free(rotation);
    ck_assert_ok(vt_value_put(&world.pool, &params, "key_file", vt_value_str(world_key_file), NULL));
    ck_assert_ok(world_call_value(&world, "all", "vault.unseal", &params, NULL));
    first_job(id);
    const struct vt_value job = job_when_over(id);
    job_ends(&job, "done", true);
    nothing_is_stored();
    everybody_is_right();
    teardown();
}
END_TEST

START_TEST(a_rotation_for_which_no_thread_is_free_leaves_no_place)
{
    enum { THREADS = 8 };
    struct held held = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    const struct vt_rotation_wish wish = {.what = VT_ROTATE_TREE, .tenant = VT_TENANT_DEFAULT};
    uint8_t id[16];
    setup(false);
    for (unsigned i = 0; i < THREADS; i++) ck_assert_ok(vt_jobs_spawn(vt_vault_jobs(world.vault), "test", hold, &held, id));
    ck_assert_status(vt_rotation_start(world.vault, &wish, id), VAULT_E_BUSY);
    nothing_is_stored();
    pthread_mutex_lock(&held.mutex);
    held.is_let_go = true;
    pthread_cond_broadcast(&held.let_go);
    pthread_mutex_unlock(&held.mutex);
    vt_jobs_stop(vt_vault_jobs(world.vault));
    teardown();
}
END_TEST

/* Rows from a backup ------------------------------------------------------------------------------------------------- */

enum { ROWS_MAX = 16, REFERENCES_MAX = 8 };

/** One stored row and what it remembers of itself in the index. */
struct kept_row {
    uint8_t key[VT_ROW_KEY_LEN];
    uint8_t value[4096];
    size_t len;
    struct vt_reference references[REFERENCES_MAX];
    size_t count;
};

static size_t keep_rows(const struct vt_sid *sid, struct kept_row *out_rows)
{
    struct vt_txn *txn;
    struct vt_keyring_view *view;
    const struct vt_subject_keys *keys;
    uint16_t collection = 1;            /* behind the subject's own row */
    uint64_t record = 0;
    size_t kept = 0;
    ck_assert_ok(vt_vault_view(world.vault, &txn, &view));
    ck_assert_ok(vt_keyring_subject_keys(view, VT_TENANT_DEFAULT, sid, &keys));
    while (vt_record_entry_next(txn, sid, &collection, &record) == VAULT_OK) {
        struct vt_row_name names[VT_ROWS_PER_RECORD];
        size_t count;
        ck_assert_ok(vt_rows_of_record(txn, record, names, &count));
        for (size_t i = 0; i < count; i++) {
            struct kept_row *row = &out_rows[kept++];
            struct vt_bytes value;
            struct vt_row opened;
            ck_assert_uint_le(kept, ROWS_MAX);
            vt_row_key(record, names[i].category, 0, row->key);
            ck_assert_ok(vt_store_get(txn, VT_TABLE_ROW, VT_BYTES_OF(row->key), &value));
            ck_assert_uint_le(value.len, sizeof row->value);
            memcpy(row->value, value.data, value.len);
            row->len = value.len;
            ck_assert_ok(vt_row_open(view, VT_TENANT_DEFAULT, keys, record, names[i].category, &world.pool, &opened));
            ck_assert_uint_le(opened.reference_count, REFERENCES_MAX);
            row->count = opened.reference_count;
            if (row->count != 0) memcpy(row->references, opened.references, row->count * sizeof *row->references);
        }
    }
    vt_keyring_view_end(view);
    vt_txn_abort(txn);
    return kept;
}

/** Rows as they were, and their entries in the index with them: what a restore makes of a backup. */
struct putting_back {
    const struct kept_row *old, *now;
    size_t count;
};

static vault_status put_back(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    const struct putting_back *putting = context;
    for (size_t i = 0; i < putting->count; i++) {
        const struct kept_row *old = &putting->old[i], *now = &putting->now[i];
        VT_TRY(vt_store_put(txn, VT_TABLE_ROW, VT_BYTES_OF(old->key), vt_bytes(old->value, old->len), VT_PUT_DEFAULT));
        for (size_t j = 0; j < old->count; j++) {
            const struct vt_reference *from = &now->references[j], *to = &old->references[j];
            ck_assert_int_eq(from->kind, to->kind);
            const vault_status status = vt_keyring_index_move(write, VT_TENANT_DEFAULT, &from->hash, &to->hash, to->data);
            VT_ENSURE(status == VAULT_OK || to->kind == VT_REF_TOKEN_VALUE, status);    /* its holders share it */
        }
    }
    return vt_epoch_write_finish(vt_vault_epoch(world.vault), write, vt_store_commit_number(txn));
}

START_TEST(entries_of_rows_from_before_an_index_rotation_move_with_the_next_one)
{
    static struct kept_row old[ROWS_MAX], now[ROWS_MAX];
    char token[NAME_MAX_LEN];
    setup(false);
    create();
    create();
    for (unsigned who = 0; who < 2; who++) {
        token_of("same", who, 0, tokens[0][0]);
        people[who].card = 0;
    }
    const struct vt_sid sid = subject_wish(0, false).sid;
    const size_t count = keep_rows(&sid, old);
    run(begin_key(VT_TENANT_KEY_INDEX, 0));
    ck_assert_uint_eq(keep_rows(&sid, now), count);
    const uint64_t entries = look(VT_TENANT_KEY_INDEX).entries;
    struct putting_back putting = {old, now, count};
    struct vt_commit_item item = {.exclusive = put_back, .context = &putting, .is_unaudited = true};
    ck_assert_ok(vt_vault_commit_wait(world.vault, &item));
    ck_assert_uint_eq(found("email", 'e', 0), 1);           /* of two: nothing explains the other's entry */
    run(begin_key(VT_TENANT_KEY_INDEX, 0));
    ck_assert_uint_eq(look(VT_TENANT_KEY_INDEX).entries, entries);
    token_of("same", 1, 0, token);
    ck_assert_str_eq(token, tokens[0][0]);
    ck_assert_uint_eq(found("email", 'e', 0), 2);
    ck_assert_ok(call("privacy", "subject.shred", NULL, "{subject: p1, now: true}"));
    ck_assert_ok(call("application", "token.reveal", NULL, "{token: '%s', view: plain, purpose: billing}", token));
    ck_assert_ok(call("privacy", "subject.shred", NULL, "{subject: p0, now: true}"));
    token_is_dead(token);
    ck_assert_uint_eq(look(VT_TENANT_KEY_INDEX).entries, 0);
    teardown();
}
END_TEST

/* Damage ------------------------------------------------------------------------------------------------------------- */

/* The only place there is, changed by @p flip at @p at. */
static void damage_place(size_t at, uint8_t flip)
{
    struct vt_txn *txn;
    struct vt_bytes key, value;
    uint8_t name[64], copy[512];
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    ck_assert_ok(vt_txn_begin_write(vt_vault_store(world.vault), &txn));
    ck_assert_ok(vt_cursor_open(txn, VT_TABLE_META, &cursor));
    ck_assert_ok(vt_cursor_seek(cursor, vt_bytes_str("rotate."), &key, &value));
    ck_assert_uint_le(key.len, sizeof name);
    ck_assert_uint_le(value.len, sizeof copy);
    const struct vt_bytes name_bytes = vt_bytes(name, key.len), copy_bytes = vt_bytes(copy, value.len);
    memcpy(name, key.data, key.len);
    memcpy(copy, value.data, value.len);
    copy[at] ^= flip;
    vt_cursor_free(VT_MOVE(cursor));
    ck_assert_ok(vt_store_put(txn, VT_TABLE_META, name_bytes, copy_bytes, VT_PUT_DEFAULT));
    ck_assert_ok(vt_txn_commit(txn));
}

START_TEST(a_place_that_cannot_be_read_is_refused_and_shown_as_a_failed_job)
{
    struct vt_rotation *rotation;
    struct vt_rotation_wish wish = {.what = VT_ROTATE_TREE, .tenant = VT_TENANT_DEFAULT};
    uint8_t id[16];
    bool is_done;
    setup(false);
    ck_assert_ok(vt_rotation_new(world.vault, &wish, &rotation));
    ck_assert_ok(vt_rotation_step(rotation, &is_done));
    vt_rotation_free(rotation);
    damage_place(100, 1);
    ck_assert_status(vt_rotation_open_stored(world.vault, &rotation), VAULT_E_AUTHENTICITY);
    ck_assert_status(vt_rotation_start(world.vault, &wish, id), VAULT_E_AUTHENTICITY);
    damage_place(100, 1);
    damage_place(0, 3);
    ck_assert_status(vt_rotation_open_stored(world.vault, &rotation), VAULT_E_FORMAT);
    vt_rotations_resume(world.vault);
    first_job(id);
    const struct vt_value job = job_when_over(id);
    job_ends(&job, "failed", false);
    damage_place(0, 3);
    ck_assert_ok(vt_rotation_open_stored(world.vault, &rotation));
    run(rotation);
    teardown();
}
END_TEST

START_TEST(the_rotation_of_a_subject_that_is_being_erased_ends_and_leaves_no_place)
{
    struct vt_rotation *rotation;
    uint8_t id[16];
    bool is_done;
    setup(false);
    populate(2);
    const struct vt_rotation_wish wish = subject_wish(0, true);
    ck_assert_ok(vt_rotation_new(world.vault, &wish, &rotation));
    ck_assert_ok(vt_rotation_step(rotation, &is_done));
    vt_rotation_free(rotation);
    ck_assert_ok(call("privacy", "subject.shred", NULL, "{subject: p0}"));
    ck_assert_ok(vt_rotation_start(world.vault, &wish, id));
    const struct vt_value job = job_when_over(id);
    job_ends(&job, "failed", true);
    nothing_is_stored();
    teardown();
}
END_TEST

/* Rows under it or not: a fresh version has none at first. */
static size_t keys_of_version(unsigned who, int64_t version)
{
    struct vt_value result;
    size_t count = 0;
    ck_assert_ok(call("administrator", "key.status", &result, "{subject: p%u}", who));
    const struct vt_value *keys = vt_value_get(&result, "keys");
    for (size_t i = 0; i < keys->array.count; i++)
        count += vt_value_get_int(&keys->array.items[i], "version", 0) == version;
    return count;
}

static void release_hold(const char *hold)
{
    struct vt_value result;
    ck_assert_ok(call("privacy", "hold.release", &result, "{hold: '%s'}", hold));
    const struct vt_bytes approval = vt_value_get_text(&result, "approval");
    world.caller = 1;               /* somebody else */
    ck_assert_ok(call("approver", "approval.grant", NULL, "{approval: '%.*s', items: 0}", (int)approval.len,
                      (const char *)approval.data));
    world.caller = 0;
}

START_TEST(a_rotation_that_a_hold_has_stopped_does_not_destroy_when_the_hold_is_released)
{
    struct vt_rotation *rotation;
    struct vt_value result;
    uint8_t id[16];
    char hold_id[33];
    bool is_done;
    setup(true);
    populate(2);
    const struct vt_rotation_wish wish = subject_wish(0, true);
    ck_assert_ok(vt_rotation_new(world.vault, &wish, &rotation));
    vt_rotation_set_step(rotation, 1);
    ck_assert_ok(vt_rotation_step(rotation, &is_done));
    vt_rotation_free(rotation);
    ck_assert_ok(call("privacy", "hold.place", &result, "{subject: p0, reason: litigation}"));
    const struct vt_bytes hold_text = vt_value_get_text(&result, "hold");
    snprintf(hold_id, sizeof hold_id, "%.*s", (int)hold_text.len, (const char *)hold_text.data);
    const size_t old = keys_of_version(0, 1);
    ck_assert_uint_gt(old, 0);
    ck_assert_ok(vt_rotation_start(world.vault, &wish, id));
    const struct vt_value job = job_when_over(id);
    job_ends(&job, "failed", true);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&job, "message"), vault_status_text(VAULT_E_HELD)));
    nothing_is_stored();
    release_hold(hold_id);
    world_reopen(&world);
    vt_rotations_resume(world.vault);
    vt_jobs_stop(vt_vault_jobs(world.vault));
    ck_assert_ok(call("operator", "epoch.close", NULL, "{}"));
    ck_assert_uint_eq(keys_of_version(0, 1), old);
    everybody_is_right();
    teardown();
}
END_TEST

START_TEST(nine_rotations_that_were_stopped_are_one_too_many)
{
    uint8_t id[16];
    bool is_done;
    setup(false);
    populate(9);
    for (unsigned who = 0; who < 9; who++) {
        const struct vt_rotation_wish wish = subject_wish(who, false);
        struct vt_rotation *rotation;
        if (who == 8) {
            ck_assert_status(vt_rotation_start(world.vault, &wish, id), VAULT_E_LIMIT);
            break;
        }
        ck_assert_ok(vt_rotation_new(world.vault, &wish, &rotation));
        ck_assert_ok(vt_rotation_step(rotation, &is_done));
        vt_rotation_free(rotation);
    }
    vt_rotations_resume(world.vault);
    vt_jobs_stop(vt_vault_jobs(world.vault));
    teardown();
}
END_TEST

/* What it has moved already was to be kept for restoring; then somebody wants it destroyed. */
static bool destroyed_after(unsigned stop)
{
    struct vt_rotation *rotation;
    struct vt_value result;
    uint8_t id[16];
    bool was_finished = false;
    setup(true);
    populate(2);
    const struct vt_rotation_wish keeping = subject_wish(0, false);
    ck_assert_ok(vt_rotation_new(world.vault, &keeping, &rotation));
    vt_rotation_set_step(rotation, 1);
    for (unsigned steps = 0; steps < stop && !was_finished; steps++) ck_assert_ok(vt_rotation_step(rotation, &was_finished));
    vt_rotation_free(rotation);
    world_pass(&world, 1000);
    ck_assert_ok(call("administrator", "key.rotate", &result, "{what: subject, subject: p0, destroy_now: true}"));
    ck_assert_ok(vt_hex_decode(vt_value_get_text(&result, "job"), id, sizeof id));
    const struct vt_value job = job_when_over(id);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&job, "state"), "done"));
    ck_assert_uint_eq(states_of(0, "open-only") + states_of(0, "restore-only"), 0);
    everybody_is_right();
    nothing_is_stored();
    teardown();
    return was_finished;
}

START_TEST(a_subject_rotation_that_was_stopped_at_any_step_destroys_old_keys_when_asked_for_again_with_that_wish)
{
    for (unsigned stop = 1; !destroyed_after(stop); stop++) continue;
}
END_TEST

VT_TEST_MAIN("service/rotation", an_index_rotation_moves_every_entry_and_drops_the_old_version,
             whatever_is_written_between_the_steps_of_an_index_rotation_is_found_and_forgotten,
             an_index_rotation_that_was_stopped_after_any_step_goes_on_after_a_restart,
             a_shared_token_dies_with_its_last_holder_at_any_step_of_an_index_rotation,
             a_shared_token_answers_while_one_of_its_holders_is_being_erased_at_any_step,
             what_was_prepared_under_the_old_index_key_is_prepared_again,
             ten_rotations_of_each_key_that_things_leave_succeed_in_a_row,
             a_rotation_that_was_stopped_after_any_step_goes_on_after_a_restart_whichever_its_key,
             entries_written_while_the_index_is_placed_anew_lie_where_they_belong,
             the_progress_of_a_rotation_of_tree_or_subject_ends_at_its_total,
             the_progress_of_a_rotation_of_a_config_key_has_reached_its_total_before_anything_is_dropped,
             the_progress_of_a_rotation_of_an_audit_key_is_the_dropping_of_its_old_versions,
             the_progress_of_a_rotation_of_a_token_seal_key_counts_every_row_once,
             the_progress_of_a_rotation_of_index_or_place_never_falls_and_never_passes_its_total,
             a_version_of_the_token_seal_key_stays_until_no_row_names_it,
             issued_tokens_keep_every_version_of_their_lookup_key,
             holders_of_digit_tokens_of_an_older_lookup_key_are_moved_too,
             a_subject_rotation_that_was_stopped_after_any_step_goes_on_after_a_restart,
             a_tree_rotation_that_was_stopped_goes_on_after_a_restart,
             a_rotation_that_was_under_way_goes_on_by_itself_after_an_unseal,
             the_same_thing_is_not_rotated_twice_at_a_time,
             a_rotation_that_was_stopped_goes_on_under_its_id_when_it_is_asked_for_again,
             the_rotation_of_a_subject_that_is_forgotten_ends_and_leaves_no_place,
             all_keys_of_a_tenant_rotate_in_one_job,
             the_status_of_keys_counts_what_lies_under_each_version,
             a_key_that_does_not_exist_is_refused,
             a_new_unseal_key_is_not_wrapped_in_what_protects_nothing,
             an_argument_of_another_rotation_is_refused_by_name_and_nothing_begins,
             entries_of_rows_from_before_an_index_rotation_move_with_the_next_one,
             a_place_that_cannot_be_read_is_refused_and_shown_as_a_failed_job,
             the_rotation_of_a_subject_that_is_being_erased_ends_and_leaves_no_place,
             a_rotation_that_a_hold_has_stopped_does_not_destroy_when_the_hold_is_released,
             nine_rotations_that_were_stopped_are_one_too_many,
             a_rotation_goes_on_by_itself_after_the_command_that_unseals,
             a_rotation_for_which_no_thread_is_free_leaves_no_place,
             a_subject_rotation_that_was_stopped_at_any_step_destroys_old_keys_when_asked_for_again_with_that_wish)
