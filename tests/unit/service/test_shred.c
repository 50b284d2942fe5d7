/* Asking to forget: what exactly is asked for, and what the answers and certificates say of it. */
#include <stdio.h>

#include "libvault/base/fault.h"
#include "libvault/proof/certificate.h"
#include "tests/support/world.h"

static const char CARDS[] = "name: cards\ndoc: Cards.\ncardinality: many\nforget: record\nfields:\n"
                            "  - {name: number, type: pan, category: B, index: many, options: {policy: token}, doc: n}\n";
static const char PROFILE[] = "name: profile\ndoc: People.\nfields:\n"
                              "  - {name: given_name, type: name, category: A, doc: g}\n"
                              "  - {name: ip, type: ip, category: F, doc: i}\n";

static struct world world;

static void setup_with(const struct world_options *options)
{
    world_new(&world, options);
    world_apply_schema(&world, CARDS);
    world_apply_schema(&world, PROFILE);
}

static void setup(void)
{
    setup_with(NULL);
}

static void teardown(void)
{
    world_free(&world);
}

static void create(const char *name)
{
    char params[512];
    snprintf(params, sizeof params,
             "{external_id: %s, records: {profile: {given_name: Ada, ip: 192.0.2.7}, cards: [{number: '4111111111111111'}]}}",
             name);
    ck_assert_ok(world_call(&world, "application", "subject.create", params, NULL));
}

static vault_status get(const char *role, const char *name)
{
    char params[256];
    snprintf(params, sizeof params, "{subject: %s, collection: profile, purpose: service}", name);
    return world_call(&world, role, "record.get", params, NULL);
}

static bool holds(struct vt_bytes text, const char *line)
{
    const size_t len = strlen(line);
    for (size_t i = 0; i + len <= text.len; i++)
        if (memcmp(text.data + i, line, len) == 0) return true;
    return false;
}

static const struct vt_value *item_of(const struct vt_value *result, size_t index)
{
    const struct vt_value *items = vt_value_get(result, "items");
    ck_assert(items != NULL && items->kind == VT_VALUE_ARRAY && items->array.count > index);
    return &items->array.items[index];
}

static bool says(const struct vt_value *map, const char *key, const char *text)
{
    return vt_bytes_equal_str(vt_value_get_text(map, key), text);
}

static int64_t card_of(const char *name)
{
    char params[128];
    struct vt_value result;
    snprintf(params, sizeof params, "{subject: %s, collection: cards, purpose: service}", name);
    ck_assert_ok(world_call(&world, "privacy", "record.list", params, &result));
    return vt_value_get_int(&vt_value_get(&result, "records")->array.items[0], "record", 0);
}

START_TEST(a_category_asked_of_many_subjects_leaves_the_rest_of_them)
{
    struct vt_value result;
    setup();
    create("ada");
    create("bob");
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subjects: [ada, bob, nobody], category: F, now: true}", &result));
    ck_assert(says(item_of(&result, 0), "state", "effective"));
    ck_assert(holds(vt_value_get_text(item_of(&result, 0), "note"), "\nscope: categories\n"));
    ck_assert(says(item_of(&result, 2), "status", "not-found"));
    ck_assert_ok(get("application", "ada"));
    ck_assert_ok(get("application", "bob"));
    ck_assert_ok(world_call(&world, "privacy", "record.get",
                            "{subject: ada, collection: profile, purpose: service, view: plain}", &result));
    ck_assert(says(vt_value_get(&result, "fields"), "given_name", "Ada"));
    ck_assert(vt_value_get(vt_value_get(&result, "fields"), "ip") == NULL);
    teardown();
}
END_TEST

START_TEST(an_argument_that_does_not_go_with_many_subjects_refuses_the_call_and_forgets_nobody)
{
    static const char *const PARAMS[] = {
        "{subjects: [ada], dry_run: true}",
        "{subjects: [ada], subject: bob}",
        "{subjects: [ada], sid: '00000000000000000000000000000000'}",
        "{subjects: [ada], token: tok_aaaaaaaaaaaaaaaaaaaaaaaaaa}",
        "{subjects: [ada], record: 1}",
        "{subjects: [ada], category: Z}",
    };
    static const char *const FIELDS[] = {"dry_run", "subject", "sid", "token", "record", "category"};
    setup();
    create("ada");
    for (size_t i = 0; i < VT_ARRAY_LEN(PARAMS); i++) {
        ck_assert_int_eq(world_call(&world, "privacy", "subject.shred", PARAMS[i], NULL), VAULT_E_ARGUMENT);
        ck_assert_str_eq(world.err.field, FIELDS[i]);
        ck_assert_ok(get("application", "ada"));
    }
    teardown();
}
END_TEST

START_TEST(each_item_of_a_batch_has_its_own_sentence_and_certificate)
{
    struct vt_value result;
    setup();
    create("ada");
    create("bob");
    create("eve");
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada}", &result));
    const int64_t certificate = vt_value_get_int(&result, "certificate", 0);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: bob, category: F, now: true}", NULL));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: eve}", &result));
    const int64_t pending = vt_value_get_int(&result, "certificate", 0);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subjects: [eve, ada, bob], category: H}", &result));
    ck_assert(says(item_of(&result, 0), "status", "shred-pending"));
    ck_assert_int_eq(vt_value_get_int(item_of(&result, 0), "certificate", 0), pending);
    ck_assert(vt_value_get(item_of(&result, 0), "field") == NULL);
    ck_assert(says(item_of(&result, 1), "status", "not-found"));
    ck_assert(vt_value_get(item_of(&result, 1), "certificate") == NULL);
    ck_assert(says(item_of(&result, 2), "status", "not-found"));
    ck_assert(says(item_of(&result, 2), "field", "category"));
    ck_assert_int_ne(certificate, pending);
    teardown();
}
END_TEST

static void assert_leaf(const char *effect, const char *status, int64_t items)
{
    struct vt_value result;
    ck_assert_ok(world_call(&world, "auditor", "audit.tail", "{limit: 1}", &result));
    const struct vt_value *leaf = &vt_value_get(&result, "leaves")->array.items[0];
    ck_assert(says(leaf, "effect", effect));
    ck_assert(says(leaf, "status", status));
    ck_assert_int_eq(vt_value_get_int(leaf, "items", -1), items);
}

START_TEST(a_batch_in_which_everybody_is_refused_is_a_refusal_in_the_log)
{
    struct vt_value result;
    setup();
    create("ada");
    create("bob");
    ck_assert_ok(world_call(&world, "privacy", "hold.place", "{subject: ada, reason: litigation}", NULL));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subjects: [ada, nobody]}", &result));
    ck_assert(says(item_of(&result, 0), "status", "held"));
    ck_assert(says(item_of(&result, 1), "status", "not-found"));
    assert_leaf("refused", "held", 0);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subjects: [nobody], now: true}", &result));
    ck_assert(says(item_of(&result, 0), "status", "not-found"));
    assert_leaf("refused", "not-found", 0);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subjects: [ada, bob]}", &result));
    ck_assert(says(item_of(&result, 0), "status", "held"));
    assert_leaf("destroy", "ok", 1);
    ck_assert_ok(get("application", "ada"));
    ck_assert_ok(world_call(&world, "auditor", "audit.verify", NULL, &result));
    ck_assert(vt_value_get_bool(&result, "is_sound", false));
    teardown();
}
END_TEST

START_TEST(what_is_pending_becomes_effective_when_it_is_asked_for_again_now)
{
    static const char *const FIRST[] = {"{subject: ada}", "{subject: bob, category: F}", "{subject: eve}"};
    static const char *const NOW[] = {"{subject: ada, now: true}", "{subject: bob, category: F, now: true}",
                                      "{subject: eve, now: true, idempotency_key: eve-1}"};
    struct vt_value result;
    setup();
    create("ada");
    create("bob");
    create("eve");
    for (size_t i = 0; i < VT_ARRAY_LEN(FIRST); i++) {
        ck_assert_ok(world_call(&world, "privacy", "subject.shred", FIRST[i], &result));
        const int64_t certificate = vt_value_get_int(&result, "certificate", 0);
        ck_assert(says(&result, "state", "pending"));
        ck_assert_ok(world_call(&world, "privacy", "subject.shred", FIRST[i], &result));
        ck_assert(says(&result, "state", "pending"));                   /* a repeat hurries nothing by itself */
        ck_assert_ok(world_call(&world, "privacy", "subject.shred", NOW[i], &result));
        ck_assert(says(&result, "state", "effective"));
        ck_assert(holds(vt_value_get_text(&result, "note"), "\nstate: effective\n"));
        ck_assert_int_eq(vt_value_get_int(&result, "certificate", 0), certificate);
        ck_assert_uint_eq(vt_stamps_pending_count(vt_vault_stamps(world.vault)), 0);
    }
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", NOW[2], &result));
    ck_assert(says(&result, "state", "effective"));
    ck_assert_status(get("privacy", "ada"), VAULT_E_NOT_FOUND);
    ck_assert_ok(get("privacy", "bob"));
    teardown();
}
END_TEST

START_TEST(what_is_pending_in_a_batch_becomes_effective_when_nothing_else_would_close_an_epoch)
{
    struct vt_value result;
    int64_t certificates[2];
    setup();
    create("ada");
    create("eve");
    for (size_t i = 0; i < 2; i++) {
        ck_assert_ok(world_call(&world, "privacy", "subject.shred", i == 0 ? "{subject: ada}" : "{subject: eve}", &result));
        certificates[i] = vt_value_get_int(&result, "certificate", 0);
    }
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subjects: [ada, eve]}", &result));
    ck_assert(says(item_of(&result, 0), "status", "shred-pending"));        /* a repeat hurries nothing by itself */
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subjects: [ada, eve], now: true}", &result));
    for (size_t i = 0; i < 2; i++) {
        ck_assert(says(item_of(&result, i), "state", "effective"));
        ck_assert(holds(vt_value_get_text(item_of(&result, i), "note"), "\nstate: effective\n"));
        ck_assert_int_eq(vt_value_get_int(item_of(&result, i), "certificate", 0), certificates[i]);
    }
    ck_assert_uint_eq(vt_stamps_pending_count(vt_vault_stamps(world.vault)), 0);
    teardown();
}
END_TEST

START_TEST(what_is_pending_in_a_batch_becomes_effective_beside_live_and_unknown_ones)
{
    static const char BATCH[] = "{subjects: [nobody, eve, ada, bob], now: true, idempotency_key: batch-1}";
    struct vt_value result;
    setup();
    create("ada");
    create("bob");
    create("eve");
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada}", &result));
    const int64_t certificate = vt_value_get_int(&result, "certificate", 0);
    for (unsigned i = 0; i < 2; i++) {                                      /* and the kept answer says the same */
        ck_assert_ok(world_call(&world, "privacy", "subject.shred", BATCH, &result));
        ck_assert(says(item_of(&result, 0), "status", "not-found"));
        for (size_t at = 1; at < 4; at++) {
            const int64_t number = vt_value_get_int(item_of(&result, at), "certificate", 0);
            ck_assert(says(item_of(&result, at), "state", "effective"));
            ck_assert_int_eq(number == certificate, at == 2);
        }
    }
    ck_assert_uint_eq(vt_stamps_pending_count(vt_vault_stamps(world.vault)), 0);
    teardown();
}
END_TEST

START_TEST(a_category_pending_in_a_batch_becomes_effective_beside_one_that_is_erased)
{
    struct vt_value result;
    setup();
    create("ada");
    create("bob");
    create("eve");
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: bob, category: F, now: true}", &result));
    const int64_t erased = vt_value_get_int(&result, "certificate", 0);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, category: F}", &result));
    const int64_t pending = vt_value_get_int(&result, "certificate", 0);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: eve}", &result));
    const int64_t whole = vt_value_get_int(&result, "certificate", 0);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subjects: [bob, ada, eve], category: F, now: true}", &result));
    ck_assert(says(item_of(&result, 0), "status", "erased"));
    ck_assert_int_eq(vt_value_get_int(item_of(&result, 0), "certificate", 0), erased);
    ck_assert(says(item_of(&result, 1), "state", "effective"));
    ck_assert_int_eq(vt_value_get_int(item_of(&result, 1), "certificate", 0), pending);
    ck_assert(says(item_of(&result, 2), "state", "effective"));
    ck_assert_int_eq(vt_value_get_int(item_of(&result, 2), "certificate", 0), whole);     /* its whole subject was asked for */
    ck_assert_uint_eq(vt_stamps_pending_count(vt_vault_stamps(world.vault)), 0);
    ck_assert_ok(get("application", "ada"));
    ck_assert_status(get("privacy", "eve"), VAULT_E_NOT_FOUND);
    teardown();
}
END_TEST

START_TEST(the_certificate_of_one_record_does_not_claim_the_whole_subject)
{
    char params[128];
    struct vt_value result;
    setup();
    create("ada");
    snprintf(params, sizeof params, "{subject: ada, record: %lld, now: true}", (long long)card_of("ada"));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", params, &result));
    const struct vt_bytes note = vt_value_get_text(&result, "note");
    ck_assert(holds(note, "\nscope: records\n"));
    ck_assert(holds(note, "\nsubjects: 0\n"));
    ck_assert(holds(note, "\nrecords: 1\n"));
    ck_assert_ok(get("application", "ada"));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, now: true}", &result));
    ck_assert(holds(vt_value_get_text(&result, "note"), "\nscope: whole subject\n"));
    ck_assert(holds(vt_value_get_text(&result, "note"), "\nsubjects: 1\n"));
    teardown();
}
END_TEST

START_TEST(asking_again_for_a_part_that_is_erased_answers_with_the_same_certificate)
{
    char params[128];
    struct vt_value first, again;
    setup();
    create("ada");
    const int64_t card = card_of("ada");
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, category: F, now: true}", &first));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, category: F}", &again));
    ck_assert(says(&again, "state", "effective"));
    ck_assert_int_eq(vt_value_get_int(&again, "certificate", 0), vt_value_get_int(&first, "certificate", 0));
    snprintf(params, sizeof params, "{subject: ada, record: %lld, now: true}", (long long)card);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", params, &first));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", params, &again));
    ck_assert(says(&again, "state", "effective"));
    ck_assert_int_eq(vt_value_get_int(&again, "certificate", 0), vt_value_get_int(&first, "certificate", 0));
    ck_assert_int_eq(world_call(&world, "privacy", "subject.shred", "{subject: ada, category: H}", NULL), VAULT_E_NOT_FOUND);
    teardown();
}
END_TEST

static uint64_t close_now(void)
{
    struct vt_value result;
    ck_assert_ok(world_call(&world, "operator", "epoch.close", NULL, &result));
    return (uint64_t)vt_value_get_int(&result, "epoch", 0);
}

static bool waits(const char *command, const char *since, const char *next_close)
{
    struct vt_value result;
    ck_assert_ok(world_call(&world, "operator", command, NULL, &result));
    if (since == NULL) return vt_value_get(&result, "dropped_since") == NULL && vt_value_get(&result, "next_close_at") == NULL;
    return says(&result, "dropped_since", since) && says(&result, "next_close_at", next_close);
}

START_TEST(what_a_deletion_dropped_is_said_to_wait_until_the_epoch_closes)
{
    static const char *const COMMANDS[] = {"epoch.status", "vault.status"};
    char params[128];
    setup();
    create("ada");
    create("eve");
    for (size_t i = 0; i < VT_ARRAY_LEN(COMMANDS); i++) ck_assert(waits(COMMANDS[i], NULL, NULL));
    world_pass(&world, 1000);
    snprintf(params, sizeof params, "{subject: ada, collection: cards, record: %lld}", (long long)card_of("ada"));
    ck_assert_ok(world_call(&world, "privacy", "record.delete", params, NULL));
    world_pass(&world, 1000);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: eve}", NULL));       /* due later, so no news */
    for (size_t i = 0; i < VT_ARRAY_LEN(COMMANDS); i++)
        ck_assert(waits(COMMANDS[i], "2026-07-01T00:00:01.000Z", "2026-07-01T00:15:01.000Z"));
    close_now();
    for (size_t i = 0; i < VT_ARRAY_LEN(COMMANDS); i++) ck_assert(waits(COMMANDS[i], NULL, NULL));
    teardown();
}
END_TEST

START_TEST(a_deletion_waits_since_it_was_made_whatever_happened_to_the_vault_since)
{
    struct vt_value result;
    setup_with(&(struct world_options){.is_on_disk = true});
    create("ada");
    world_pass(&world, 1000);
    ck_assert_ok(world_call(&world, "privacy", "record.correct",
                            "{subject: ada, collection: profile, fields: {given_name: Eve}}", NULL));
    world_pass(&world, 600 * 1000);
    ck_assert_ok(world_call(&world, "privacy", "record.correct",
                            "{subject: ada, collection: profile, fields: {given_name: Ada}}", NULL));
    world_reopen(&world);
    ck_assert(waits("vault.status", "2026-07-01T00:00:01.000Z", "2026-07-01T00:15:01.000Z"));

    ck_assert_ok(world_call(&world, "operator", "vault.seal", NULL, NULL));       /* nothing closes now */
    ck_assert_ok(world_call(&world, "operator", "vault.status", NULL, &result));
    ck_assert(says(&result, "dropped_since", "2026-07-01T00:00:01.000Z"));
    ck_assert_ptr_null(vt_value_get(&result, "next_close_at"));
    ck_assert_ok(world_unseal(&world));
    world_pass(&world, 299 * 1000);
    ck_assert(!vt_vault_epoch_is_due(world.vault));
    world_pass(&world, 1000);
    ck_assert(vt_vault_epoch_is_due(world.vault));
    teardown();
}
END_TEST

/* Nothing is pending then, and what was deleted or corrected would live on in every copy until the timer comes. */
START_TEST(a_close_that_is_asked_for_forgets_what_was_deleted_and_corrected_without_a_pending_shred)
{
    char params[128];
    setup();
    create("ada");
    ck_assert_uint_eq(close_now(), 1);
    snprintf(params, sizeof params, "{subject: ada, collection: cards, record: %lld}", (long long)card_of("ada"));
    ck_assert_ok(world_call(&world, "privacy", "record.delete", params, NULL));
    ck_assert_uint_eq(close_now(), 2);
    ck_assert_uint_eq(close_now(), 2);
    ck_assert_ok(world_call(&world, "privacy", "record.correct",
                            "{subject: ada, collection: profile, fields: {ip: 192.0.2.8}}", NULL));
    ck_assert_uint_eq(close_now(), 3);
    ck_assert_uint_eq(close_now(), 3);
    teardown();
}
END_TEST

#ifdef VT_FAULTS
static bool leave_a_closing(enum vt_fault fault, unsigned nth)
{
    struct vt_epoch_status status;
    char name[32], params[64];
    ck_assert_ok(vt_epoch_status(vt_vault_epoch(world.vault), &status));
    snprintf(name, sizeof name, "left-%llu", (unsigned long long)status.epoch);
    create(name);
    snprintf(params, sizeof params, "{subject: %s}", name);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", params, NULL));
    vt_fault_arm(fault, nth);
    (void)world_call(&world, "operator", "epoch.close", "{}", NULL);
    vt_fault_disarm();
    ck_assert_ok(vt_epoch_status(vt_vault_epoch(world.vault), &status));
    return status.is_closing;
}

/* The epoch that was left does not forget what came after it: only the next one does. */
static void close_with_failure(uint64_t left_in, unsigned nth)
{
    struct vt_epoch_status epoch;
    struct vt_value result;
    vt_fault_arm(VT_FAULT_STORE, nth);
    (void)world_call(&world, "operator", "epoch.close", "{}", NULL);
    vt_fault_disarm();
    ck_assert_ok(vt_epoch_status(vt_vault_epoch(world.vault), &epoch));
    ck_assert_ok(world_call(&world, "operator", "epoch.status", NULL, &result));
    ck_assert_int_eq(vt_value_get(&result, "dropped_since") != NULL, epoch.epoch == left_in);
    ck_assert_ok(world_call(&world, "operator", "epoch.close", "{}", NULL));
}

START_TEST(what_is_dropped_while_an_epoch_waits_to_be_finished_waits_for_the_next_one)
{
    unsigned left = 0;
    setup_with(&(struct world_options){.has_fault_store = true});
    create("ada");
    for (unsigned nth = 1; nth <= 400 && left < 40; nth++) {
        struct vt_epoch_status epoch;
        if (!leave_a_closing(VT_FAULT_STORE, nth)) {
            ck_assert_ok(world_call(&world, "operator", "epoch.close", "{}", NULL));
            continue;
        }
        ck_assert_ok(vt_epoch_status(vt_vault_epoch(world.vault), &epoch));
        ck_assert_ok(world_call(&world, "privacy", "record.correct",
                                "{subject: ada, collection: profile, fields: {given_name: Eve}}", NULL));
        close_with_failure(epoch.epoch, ++left);
        nth--;
    }
    ck_assert_uint_eq(left, 40);
    teardown();
}
END_TEST

START_TEST(an_epoch_left_unfinished_is_finished_before_the_unseal_key_rotates)
{
    static const char ROTATE[] =
        "{what: unseal, key_file: 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f}";
    unsigned left = 0;
    setup_with(&(struct world_options){.has_fault_store = true});
    for (unsigned nth = 1; nth <= 400 && left < 3; nth++) {
        const bool is_left = leave_a_closing(VT_FAULT_STORE, nth);
        left += is_left;
        if (is_left) ck_assert_ok(world_call(&world, "administrator", "key.rotate", ROTATE, NULL));
        else ck_assert_ok(world_call(&world, "operator", "epoch.close", "{}", NULL));
    }
    ck_assert_uint_gt(left, 0);
    teardown();
}
END_TEST
#endif

START_TEST(a_certificate_names_keepers_by_the_ids_that_the_list_of_keepers_shows)
{
    struct vt_value shredded, listed, shown;
    char params[64];
    setup();
    create("ada");
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, now: true}", &shredded));
    ck_assert_ok(world_call(&world, "operator", "keeper.list", NULL, &listed));
    snprintf(params, sizeof params, "{number: %lld}", (long long)vt_value_get_int(&shredded, "certificate", 0));
    ck_assert_ok(world_call(&world, "privacy", "certificate.show", params, &shown));
    const struct vt_value *listing = vt_value_get(&listed, "keepers");
    const struct vt_value *named = vt_value_get(vt_value_get(&shown, "certificate"), "keepers");
    ck_assert_uint_ge(listing->array.count, 1);
    ck_assert_uint_eq(named->array.count, listing->array.count);
    for (size_t i = 0; i < named->array.count; i++)
        ck_assert(vt_value_equal(vt_value_get(&named->array.items[i], "id"), vt_value_get(&listing->array.items[i], "id")));
    teardown();
}
END_TEST

/* A keeper whose place moved, in the first one's place; the others are as they were made. */
static struct vt_keeper_ops moved_ops;
static const struct vt_keeper_ops *former_ops;

static vault_status moved_info(struct vt_keeper *keeper, struct vt_keeper_info *out_info)
{
    VT_TRY(former_ops->info(keeper, out_info));
    if (keeper->ops == &moved_ops) snprintf(out_info->refusal, sizeof out_info->refusal, "A disk was replaced.");
    return VAULT_OK;
}

static vault_status moved_finalize(struct vt_keeper *keeper, uint64_t incarnation, uint64_t epoch,
                                   const uint8_t attempt[VT_ATTEMPT_LEN], uint64_t commit_number, int64_t now_ms,
                                   struct vt_keeper_receipt *out_receipt)
{
    (void)keeper, (void)incarnation, (void)epoch, (void)attempt, (void)commit_number, (void)now_ms, (void)out_receipt;
    return VAULT_E_STATE;
}

static void note_first_keeper(void *context, struct vt_store *store, struct vt_keeper *const *keepers)
{
    struct vt_keeper **first = context;
    (void)store;
    *first = keepers[0];
}

/* @return how many of the three say what is wrong; the first one's sentence must be the one that is expected */
static size_t count_troubled(const char *method, const char *sentence)
{
    struct vt_value result;
    size_t count = 0;
    ck_assert_ok(world_call(&world, "operator", method, NULL, &result));
    const struct vt_value *keepers = vt_value_get(&result, "keepers");
    ck_assert_uint_eq(keepers->array.count, 3);
    for (size_t i = 0; i < 3; i++) count += vt_value_get(&keepers->array.items[i], "last_error") != NULL;
    if (count != 0)
        ck_assert(vt_bytes_equal_str(vt_value_get_text(&keepers->array.items[0], "last_error"), sentence));
    return count;
}

static bool is_warned(const char *part)
{
    struct vt_value result;
    ck_assert_ok(world_call(&world, "operator", "vault.status", NULL, &result));
    const struct vt_value *warnings = vt_value_get(&result, "warnings");
    for (size_t i = 0; i < warnings->array.count; i++)
        if (holds(warnings->array.items[i].bytes, part)) return true;
    return false;
}

START_TEST(a_keeper_that_refuses_to_erase_says_why_in_the_list_of_keepers_and_in_status)
{
    struct vt_keeper *first = NULL;
    const struct world_options options = {.keeper_count = 3, .quorum = 2, .on_open = note_first_keeper, .context = &first};
    setup_with(&options);
    create("ada");
    ck_assert_uint_eq(count_troubled("keeper.list", NULL), 0);
    ck_assert(!is_warned("refused what it was last asked for"));
    former_ops = first->ops;
    moved_ops = *former_ops;
    moved_ops.info = moved_info;
    moved_ops.finalize = moved_finalize;
    first->ops = &moved_ops;
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, now: true}", NULL));
    ck_assert_uint_eq(count_troubled("keeper.list", "A disk was replaced."), 1);
    ck_assert_uint_eq(count_troubled("vault.status", "A disk was replaced."), 1);
    ck_assert(is_warned("refused what it was last asked for"));
    first->ops = former_ops;
    create("eva");
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: eva, now: true}", NULL));
    ck_assert_uint_eq(count_troubled("keeper.list", NULL), 0);
    teardown();
}
END_TEST

/* What certificate.verify says of a file. */
static void assert_judged(struct vt_bytes file, bool is_authentic, const char *reason)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    struct vt_value params = vt_value_map(), result;
    ck_assert_ok(vt_value_put(&pool, &params, "note", vt_value_text(file), NULL));
    ck_assert_ok(world_call_value(&world, "auditor", "certificate.verify", &params, &result));
    ck_assert_int_eq(vt_value_get_bool(&result, "is_authentic", !is_authentic), is_authentic);
    if (is_authentic) ck_assert_ptr_null(vt_value_get(&result, "reason"));
    else ck_assert(says(&result, "reason", reason));
}

/* From the blank line behind the hashes on. */
static struct vt_bytes checkpoint_of(struct vt_bytes file)
{
    const uint8_t *proof = memmem(file.data, file.len, "\nc2sp.org/", 10);
    ck_assert_ptr_nonnull(proof);
    const uint8_t *gap = memmem(proof, file.len - (size_t)(proof - file.data), "\n\n", 2);
    ck_assert_ptr_nonnull(gap);
    return vt_bytes(gap, file.len - (size_t)(gap - file.data));
}

START_TEST(the_certificates_of_a_batch_share_one_signature_and_each_verifies_alone)
{
    static const char *const CALLS[] = {"{subjects: [ada, bob, eve]}", "{subjects: [ada, bob, eve], now: true}"};
    struct vt_value result;
    setup();
    create("ada");
    create("bob");
    create("eve");
    for (size_t i = 0; i < 2; i++) {
        ck_assert_ok(world_call(&world, "privacy", "subject.shred", CALLS[i], &result));
        const struct vt_bytes first = vt_value_get_text(item_of(&result, 0), "note");
        for (size_t j = 0; j < 3; j++) {
            const struct vt_bytes file = vt_value_get_text(item_of(&result, j), "note");
            ck_assert(says(item_of(&result, j), "state", i == 0 ? "pending" : "effective"));
            ck_assert(vt_bytes_equal(checkpoint_of(file), checkpoint_of(first)));
            assert_judged(file, true, NULL);
        }
    }
    teardown();
}
END_TEST

START_TEST(a_forged_certificate_is_refused_with_a_reason)
{
    struct vt_value result;
    VT_AUTO(vt_buf) file = VT_BUF_INIT(1 << 18);
    setup();
    create("ada");
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, now: true}", &result));
    ck_assert_ok(vt_buf_append(&file, vt_value_get_text(&result, "note")));
    assert_judged(vt_bytes(file.data, file.len - 1), false, "The note does not end in a signature line.");
    uint8_t *records = memmem(file.data, file.len, "\nrecords: 2\n", 12);
    ck_assert_ptr_nonnull(records);
    records[10] = '9';
    assert_judged(vt_buf_bytes(&file), false, "The text or its proof has been changed: this is not what the vault signed.");
    assert_judged(vt_bytes_str("hello\n"), false, "This is not a certificate of destruction.");
    teardown();
}
END_TEST

static void verifier_from(const struct vt_value *result, struct vt_note_verifier *out_verifier)
{
    ck_assert_ok(vt_note_verifier_parse(vt_value_get_text(result, "verifier_key"), out_verifier));
}

START_TEST(the_audit_log_proves_that_a_certificate_was_recorded)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 22);
    struct vt_value shown, checkpoint, proven;
    struct vt_note_verifier verifiers[2];
    struct vt_certificate certificate;
    char params[64];
    size_t recorded = 0;
    setup();
    create("ada");
    create("bob");
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subjects: [ada, bob], now: true}", NULL));
    ck_assert_ok(world_call(&world, "auditor", "certificate.show", "{number: 2}", &shown));
    ck_assert_ok(world_call(&world, "auditor", "audit.checkpoint", NULL, &checkpoint));
    verifier_from(&shown, &verifiers[0]);
    verifier_from(&checkpoint, &verifiers[1]);
    ck_assert_str_ne(verifiers[0].name, verifiers[1].name);
    for (int sequence = 0; sequence < 20; sequence++) {
        snprintf(params, sizeof params, "{sequence: %d}", sequence);
        if (world_call(&world, "auditor", "audit.prove", params, &proven) != VAULT_OK) break;
        if (vt_value_get(&proven, "proof") == NULL) continue;      /* behind the last stored checkpoint */
        const vault_status status =
            vt_certificate_verify_logged(&pool, vt_value_get_text(&shown, "note"), vt_value_get_text(&proven, "proof"),
                                         verifiers, 2, &certificate, NULL, NULL);
        ck_assert(status == VAULT_OK || status == VAULT_E_AUTHENTICITY);
        recorded += status == VAULT_OK;
    }
    ck_assert_uint_eq(recorded, 1);
    teardown();
}
END_TEST

VT_TEST_MAIN("shred",
#ifdef VT_FAULTS
             what_is_dropped_while_an_epoch_waits_to_be_finished_waits_for_the_next_one,
             an_epoch_left_unfinished_is_finished_before_the_unseal_key_rotates,
#endif
             a_category_asked_of_many_subjects_leaves_the_rest_of_them,
             an_argument_that_does_not_go_with_many_subjects_refuses_the_call_and_forgets_nobody,
             each_item_of_a_batch_has_its_own_sentence_and_certificate,
             a_batch_in_which_everybody_is_refused_is_a_refusal_in_the_log,
             what_is_pending_becomes_effective_when_it_is_asked_for_again_now,
             what_is_pending_in_a_batch_becomes_effective_when_nothing_else_would_close_an_epoch,
             what_is_pending_in_a_batch_becomes_effective_beside_live_and_unknown_ones,
             a_category_pending_in_a_batch_becomes_effective_beside_one_that_is_erased,
             the_certificate_of_one_record_does_not_claim_the_whole_subject,
             what_a_deletion_dropped_is_said_to_wait_until_the_epoch_closes,
             a_deletion_waits_since_it_was_made_whatever_happened_to_the_vault_since,
             a_close_that_is_asked_for_forgets_what_was_deleted_and_corrected_without_a_pending_shred,
             asking_again_for_a_part_that_is_erased_answers_with_the_same_certificate,
             a_certificate_names_keepers_by_the_ids_that_the_list_of_keepers_shows,
             a_keeper_that_refuses_to_erase_says_why_in_the_list_of_keepers_and_in_status,
             the_certificates_of_a_batch_share_one_signature_and_each_verifies_alone,
             a_forged_certificate_is_refused_with_a_reason, the_audit_log_proves_that_a_certificate_was_recorded)
