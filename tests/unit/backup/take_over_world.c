#include "tests/unit/backup/take_over_world.h"

#include <stdio.h>

static const char CARDS[] = "name: cards\ndoc: Cards.\ncardinality: many\nforget: record\nfields:\n"
                            "  - {name: number, type: pan, category: B, index: many, options: {policy: token}, doc: n}\n";
static const char PROFILE[] = "name: profile\ndoc: People.\nfields:\n"
                              "  - {name: given_name, type: name, category: A, doc: g}\n"
                              "  - {name: email, type: email, category: A, index: many, doc: e}\n"
                              "  - {name: login, type: email, category: F, index: unique, doc: l}\n"
                              "  - {name: ip, type: ip, category: F, index: many, doc: i}\n";
static const char NOTES[] = "name: notes\ndoc: Notes.\ncardinality: many\nfields:\n"
                            "  - {name: text, type: text, category: D, doc: t}\n";
static const char TEMPLATES[] =
    "templates:\n  - {name: card, format: digits, collection: cards, field: number, keep_last: 4}\n"
    "  - {name: opaque, format: opaque, collection: cards, field: number}\n"
    "  - {name: same, format: opaque, collection: cards, field: number, deterministic: true}\n";

void people_new_with(struct world *world, const struct world_options *options)
{
    struct vt_value params = vt_value_map();
    world_new(world, options);
    world_apply_schema(world, CARDS);
    world_apply_schema(world, PROFILE);
    world_apply_schema(world, NOTES);
    ck_assert_ok(vt_value_put(&world->pool, &params, "template", vt_value_str(TEMPLATES), NULL));
    ck_assert_ok(world_call_value(world, "administrator", "template.apply", &params, NULL));
}

void people_new(struct world *world, bool has_journal)
{
    people_new_with(world, &(struct world_options){.is_on_disk = true, .has_journal = has_journal});
}

void people_new_kept(struct world *world, unsigned quorum, unsigned keepers)
{
    people_new_with(world, &(struct world_options){
                               .is_on_disk = true, .has_journal = true, .quorum = quorum, .keeper_count = keepers});
}

void people_create(struct world *world, const char *name)
{
    char params[512];
    snprintf(params, sizeof params,
             "{external_id: %s, records: {profile: {given_name: Ada, email: %s@example.org, login: %s@login.example, "
             "ip: 192.0.2.7}}}",
             name, name, name);
    ck_assert_ok(world_call(world, "application", "subject.create", params, NULL));
}

void people_tokenize(struct world *world, const char *name, const char *template_, const char *pan, char out_token[TOKEN_MAX])
{
    char params[256];
    struct vt_value result;
    snprintf(params, sizeof params, "{template: %s, subject: %s, value: '%s'}", template_, name, pan);
    ck_assert_ok(world_call(world, "application", "token.create", params, &result));
    const struct vt_bytes token = vt_value_get_text(&result, "token");
    ck_assert_uint_lt(token.len, TOKEN_MAX);
    snprintf(out_token, TOKEN_MAX, "%.*s", (int)token.len, (const char *)token.data);
}

vault_status people_reveal(struct world *world, const char *role, const char *token, char out_value[64])
{
    char params[256];
    struct vt_value result;
    snprintf(params, sizeof params, "{token: '%s', view: plain, purpose: billing}", token);
    const vault_status status = world_call(world, role, "token.reveal", params, &result);
    out_value[0] = '\0';
    if (status != VAULT_OK) return status;
    const struct vt_bytes value = vt_value_get_text(&result, "value");
    snprintf(out_value, 64, "%.*s", (int)value.len, (const char *)value.data);
    return status;
}

size_t people_find(struct world *world, const char *field, const char *value)
{
    char params[256];
    struct vt_value result;
    snprintf(params, sizeof params, "{collection: profile, field: %s, value: '%s', purpose: service}", field, value);
    const vault_status status = world_call(world, "application", "subject.find", params, &result);
    if (status == VAULT_E_NOT_FOUND) return 0;
    ck_assert_ok(status);
    return vt_value_get(&result, "matches")->array.count;
}

vault_status people_field(struct world *world, const char *name, const char *field, char out_value[64])
{
    char params[256];
    struct vt_value result;
    snprintf(params, sizeof params, "{subject: %s, collection: profile, view: plain, purpose: service}", name);
    const vault_status status = world_call(world, "privacy", "record.get", params, &result);
    out_value[0] = '\0';
    if (status != VAULT_OK) return status;
    const struct vt_bytes value = vt_value_get_text(vt_value_get(&result, "fields"), field);
    if (value.data != NULL) snprintf(out_value, 64, "%.*s", (int)value.len, (const char *)value.data);
    return status;
}

void people_put(struct world *world, const char *name, const char *fields)
{
    char params[512];
    struct vt_value result;
    snprintf(params, sizeof params, "{subject: %s, collection: profile, purpose: service}", name);
    ck_assert_ok(world_call(world, "privacy", "record.get", params, &result));
    snprintf(params, sizeof params, "{subject: %s, collection: profile, record: %lld, fields: %s}", name,
             (long long)vt_value_get_int(&result, "record", 0), fields);
    ck_assert_ok(world_call(world, "application", "record.put", params, NULL));
}

void people_correct(struct world *world, const char *name, const char *fields, bool forget_old)
{
    char params[512];
    snprintf(params, sizeof params, "{subject: %s, collection: profile, fields: %s, forget_old: %s}", name, fields,
             forget_old ? "true" : "false");
    ck_assert_ok(world_call(world, "privacy", "record.correct", params, NULL));
}

void people_back_up(struct world *world, const char *name)
{
    char params[256];
    snprintf(params, sizeof params, "{to: %s/%s}", world->dir, name);
    ck_assert_ok(world_call(world, "operator", "backup.create", params, NULL));
}

vault_status people_take_over(struct world *world, const char *name, struct vt_value *out_result)
{
    char params[256];
    snprintf(params, sizeof params, "{from: %s/%s, take_over: true}", world->dir, name);
    return world_call(world, "operator", "backup.restore", params, out_result);
}

void people_assert_sound(struct world *world)
{
    struct vt_value result;
    ck_assert_ok(world_call(world, "operator", "store.check", NULL, &result));
    const struct vt_value *faults = vt_value_get(&result, "faults");
    ck_assert_msg(faults->array.count == 0, "%.*s", (int)(faults->array.count != 0 ? faults->array.items[0].bytes.len : 0),
                  faults->array.count != 0 ? (const char *)faults->array.items[0].bytes.data : "");
    ck_assert(vt_value_get_bool(&result, "is_sound", false));
    ck_assert_ok(world_call(world, "auditor", "audit.verify", NULL, &result));
    ck_assert(vt_value_get_bool(&result, "is_sound", false));
}

int64_t people_incarnation(struct world *world)
{
    struct vt_value result;
    ck_assert_ok(world_call(world, "operator", "vault.status", NULL, &result));
    return vt_value_get_int(&result, "incarnation", 0);
}
