/* A deterministic token belongs to a value: it lives as long as any of its holders, however many there are. */
#include <stdio.h>

#include "tests/support/world.h"

static const char CARDS[] = "name: cards\ndoc: Cards.\ncardinality: many\nforget: record\nfields:\n"
                            "  - {name: number, type: pan, category: B, index: many, options: {policy: token}, doc: n}\n"
                            "  - {name: holder, type: name, category: A, doc: h}\n";
static const char TEMPLATES[] =
    "templates:\n  - {name: same, format: opaque, collection: cards, field: number, deterministic: true}\n";

enum { HOLDERS = 40, TEXT_MAX = 128 };
static struct world world;
static char token[TEXT_MAX];
static int64_t cards[HOLDERS];

static void tokenise(unsigned holder)
{
    struct vt_value result;
    char params[TEXT_MAX], again[TEXT_MAX];
    snprintf(params, sizeof params, "{template: same, subject: p%u, record: %lld}", holder, (long long)cards[holder]);
    ck_assert_ok(world_call(&world, "application", "token.create", params, &result));
    const struct vt_bytes text = vt_value_get_text(&result, "token");
    snprintf(again, sizeof again, "%.*s", (int)text.len, (const char *)text.data);
    if (token[0] == '\0') memcpy(token, again, sizeof token);
    ck_assert_str_eq(again, token);
}

/* Each of them holds the card, and the token that stands for it. */
static void setup(unsigned holders)
{
    struct vt_value params = vt_value_map(), result;
    world_new(&world, NULL);
    world_apply_schema(&world, CARDS);
    ck_assert_ok(vt_value_put(&world.pool, &params, "template", vt_value_str(TEMPLATES), NULL));
    ck_assert_ok(world_call_value(&world, "administrator", "template.apply", &params, NULL));
    token[0] = '\0';
    for (unsigned i = 0; i < holders; i++) {
        char text[TEXT_MAX];
        snprintf(text, sizeof text, "{external_id: p%u, records: {cards: [{number: '4111111111111111', holder: Ada}]}}", i);
        ck_assert_ok(world_call(&world, "application", "subject.create", text, &result));
        cards[i] = vt_value_get(vt_value_get(&result, "records"), "cards")->array.items[0].integer;
        tokenise(i);
    }
}

static void teardown(void)
{
    world_free(&world);
}

static vault_status reveal(void)
{
    char params[2 * TEXT_MAX];
    snprintf(params, sizeof params, "{token: %s, purpose: billing, view: plain}", token);
    return world_call(&world, "privacy", "token.reveal", params, NULL);
}

static void shred(unsigned holder, const char *what)
{
    char params[TEXT_MAX];
    snprintf(params, sizeof params, "{subject: p%u%s}", holder, what);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", params, NULL));
}

START_TEST(the_last_of_many_holders_keeps_the_token_alive)
{
    setup(HOLDERS);
    for (unsigned i = 0; i + 1 < HOLDERS; i++) {
        shred(i, "");
        ck_assert_ok(reveal());
    }
    ck_assert_ok(world_call(&world, "operator", "epoch.close", NULL, NULL));
    ck_assert_ok(reveal());
    shred(HOLDERS - 1, "");
    ck_assert_int_eq(reveal(), VAULT_E_SHRED_PENDING);
    ck_assert_ok(world_call(&world, "operator", "epoch.close", NULL, NULL));
    ck_assert_int_eq(reveal(), VAULT_E_ERASED);
    teardown();
}
END_TEST

START_TEST(a_holder_whose_category_or_record_is_being_erased_does_not_take_the_token_from_the_other)
{
    char what[TEXT_MAX];
    setup(3);
    shred(0, ", category: B");
    ck_assert_ok(reveal());
    snprintf(what, sizeof what, ", record: %lld", (long long)cards[1]);
    shred(1, what);
    ck_assert_ok(reveal());
    ck_assert_ok(world_call(&world, "operator", "epoch.close", NULL, NULL));
    ck_assert_ok(reveal());
    shred(2, ", category: B");
    ck_assert_int_eq(reveal(), VAULT_E_SHRED_PENDING);
    teardown();
}
END_TEST

START_TEST(a_holder_behind_many_that_asks_again_holds_it_once)
{
    setup(HOLDERS);
    tokenise(HOLDERS - 1);
    tokenise(HOLDERS - 1);
    for (unsigned i = 0; i < HOLDERS; i++) shred(i, "");
    ck_assert_ok(world_call(&world, "operator", "epoch.close", NULL, NULL));
    ck_assert_int_eq(reveal(), VAULT_E_ERASED);
    struct vt_value result;
    ck_assert_ok(world_call(&world, "operator", "store.check", NULL, &result));
    ck_assert(vt_value_get_bool(&result, "is_sound", false));
    ck_assert_int_eq(vt_value_get_int(vt_value_get(&result, "counts"), "index_entries", -1), 0);
    teardown();
}
END_TEST

VT_TEST_MAIN("shared token", the_last_of_many_holders_keeps_the_token_alive,
             a_holder_whose_category_or_record_is_being_erased_does_not_take_the_token_from_the_other,
             a_holder_behind_many_that_asks_again_holds_it_once)
