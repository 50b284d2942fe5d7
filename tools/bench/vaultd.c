/* vaultd by msgpack-RPC: [0, msgid, method, params] and [1, msgid, error, result]; docs/PROTOCOL.md. The load brings its
 * own collections and templates, which an administrator's credential applies first. */
#include <stdio.h>

#include "libvault/codec/msgpack.h"
#include "tools/bench/driver.h"

enum { OP_TOKENIZE, OP_DETOKENIZE, OP_CREATE, OP_IMPORT, OP_SHRED };
enum { CARD_DIGITS = 16, PHONE_DIGITS = 8, TEXT_MAX = 64 };

/* Ten fields in three categories, three of them indexed; one text of --value-size bytes in each category. */
static const char *const SCHEMAS[] = {
    "name: bench-values\n"
    "cardinality: many\n"
    "fields:\n"
    "  - {name: text, type: text, category: D}\n"
    "  - {name: card, type: pan, category: B, options: {policy: token}}\n",
    "name: bench-people\n"
    "fields:\n"
    "  - {name: given_name, type: name, category: A}\n"
    "  - {name: about, type: text, category: A}\n"
    "  - {name: email, type: email, category: A, index: many}\n"
    "  - {name: phone, type: phone, category: A, index: many}\n"
    "  - {name: street, type: address, category: B}\n"
    "  - {name: city, type: text, category: B}\n"
    "  - {name: postal_code, type: text, category: B}\n"
    "  - {name: country, type: country, category: B}\n"
    "  - {name: member, type: text, category: D, index: many}\n"
    "  - {name: note, type: text, category: D}\n",
};
static const char TEMPLATES[] = "templates:\n"
                                "  - {name: bench-text, format: opaque, collection: bench-values, field: text}\n"
                                "  - {name: bench-card, format: digits, collection: bench-values, field: card,"
                                " keep_last: 4}\n"
                                "  - {name: bench-same, format: opaque, collection: bench-values, field: text,"
                                " deterministic: true}\n";
static const char *const COLUMNS[] = {"given_name", "about", "email",   "phone",  "street",
                                      "city",       "postal_code", "country", "member", "note"};

/* ---- writing ---- */

static VT_RESULT put_key(struct vt_buf *out, const char *key)
{
    return vt_msgpack_write_text(out, vt_bytes_str(key));
}

static VT_RESULT put_pair(struct vt_buf *out, const char *key, const char *text)
{
    VT_TRY(put_key(out, key));
    return vt_msgpack_write_text(out, vt_bytes_str(text));
}

static VT_RESULT put_head(struct vt_buf *out, uint32_t msgid, const char *method, uint32_t params)
{
    VT_TRY(vt_msgpack_write_array(out, 4));
    VT_TRY(vt_msgpack_write_uint(out, 0));
    VT_TRY(vt_msgpack_write_uint(out, msgid));
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str(method)));
    return vt_msgpack_write_map(out, params);
}

/* A number that passes Luhn, under a prefix that payment firms document for testing (4111 11). */
static void make_card(struct bench_random *random, char out_text[CARD_DIGITS + 1])
{
    snprintf(out_text, CARD_DIGITS + 1, "411111%09llu0", (unsigned long long)bench_random_below(random, 1000000000));
    unsigned sum = 0;
    for (unsigned i = 0; i < CARD_DIGITS - 1; i++) {
        const unsigned digit = (unsigned)(out_text[i] - '0'), twice = 2 * digit;
        sum += i % 2 == 0 ? twice / 10 + twice % 10 : digit;
    }
    out_text[CARD_DIGITS - 1] = (char)('0' + (10 - sum % 10) % 10);
}

static VT_RESULT put_value(const struct bench_world *world, struct bench_random *random, struct vt_buf *out)
{
    if (strcmp(world->template_name, "bench-card") == 0) {
        char card[CARD_DIGITS + 1];
        make_card(random, card);
        return vt_msgpack_write_text(out, vt_bytes_str(card));
    }
    VT_AUTO(vt_buf) value = VT_BUF_INIT(world->value_size);
    VT_TRY(bench_append_value(random, world->value_size, &value));
    return vt_msgpack_write_text(out, vt_buf_bytes(&value));
}

static VT_RESULT write_tokenize(struct bench_world *world, struct bench_random *random, const struct bench_call *call,
                                struct vt_buf *out)
{
    VT_TRY(put_head(out, call->msgid, "token.create", 2));
    VT_TRY(put_pair(out, "template", world->template_name));
    VT_TRY(put_key(out, call->items == 1 ? "value" : "values"));
    if (call->items != 1) VT_TRY(vt_msgpack_write_array(out, call->items));
    for (uint32_t i = 0; i < call->items; i++) VT_TRY(put_value(world, random, out));
    return VAULT_OK;
}

static VT_RESULT write_detokenize(struct bench_world *world, struct bench_random *random,
                                  const struct bench_call *call, struct vt_buf *out)
{
    VT_ENSURE(world->token_len != 0, VAULT_E_NOT_FOUND);
    const uint64_t count = world->tokens.len / world->token_len;
    VT_TRY(put_head(out, call->msgid, "token.reveal", 3));
    VT_TRY(put_pair(out, "purpose", world->purpose));
    VT_TRY(put_pair(out, "view", "plain"));
    VT_TRY(put_key(out, call->items == 1 ? "token" : "tokens"));
    if (call->items != 1) VT_TRY(vt_msgpack_write_array(out, call->items));
    for (uint32_t i = 0; i < call->items; i++) {
        const uint64_t at = bench_random_below(random, count) * world->token_len;
        VT_TRY(vt_msgpack_write_text(out, vt_bytes(world->tokens.data + at, world->token_len)));
    }
    return VAULT_OK;
}

static VT_RESULT put_external_id(const struct bench_world *world, uint64_t number, struct vt_buf *out)
{
    char text[TEXT_MAX];
    snprintf(text, sizeof text, "%s-%llu", world->run, (unsigned long long)number);
    return vt_msgpack_write_text(out, vt_bytes_str(text));
}

static VT_RESULT put_person(const struct bench_world *world, struct bench_random *random, uint64_t number,
                            struct vt_buf *out)
{
    char made[VT_ARRAY_LEN(COLUMNS)][TEXT_MAX] = {"Ada", "", "", "", "Musterweg 12", "", "10115", "DE"};
    const unsigned long long id = number;
    snprintf(made[2], TEXT_MAX, "p%llu.%s@example.com", id, world->run);
    snprintf(made[3], TEXT_MAX, "+4930%0*llu", PHONE_DIGITS,
             (unsigned long long)bench_random_below(random, 100000000));
    snprintf(made[8], TEXT_MAX, "M%s%08llu", world->run, id);
    for (size_t i = 0; i < VT_ARRAY_LEN(COLUMNS); i++) {
        VT_AUTO(vt_buf) text = VT_BUF_INIT(world->value_size);
        VT_TRY(put_key(out, COLUMNS[i]));
        if (made[i][0] == '\0') VT_TRY(bench_append_value(random, world->value_size, &text));
        VT_TRY(vt_msgpack_write_text(out, made[i][0] != '\0' ? vt_bytes_str(made[i]) : vt_buf_bytes(&text)));
    }
    return VAULT_OK;
}

static VT_RESULT write_create(struct bench_world *world, struct bench_random *random, const struct bench_call *call,
                              struct vt_buf *out)
{
    const uint64_t number = __atomic_fetch_add(&world->next_subject, 1, __ATOMIC_RELAXED);
    VT_TRY(put_head(out, call->msgid, "subject.create", 2));
    VT_TRY(put_key(out, "external_id"));
    VT_TRY(put_external_id(world, number, out));
    VT_TRY(put_key(out, "records"));
    VT_TRY(vt_msgpack_write_map(out, 1));
    VT_TRY(put_key(out, "bench-people"));
    VT_TRY(vt_msgpack_write_map(out, VT_ARRAY_LEN(COLUMNS)));
    return put_person(world, random, number, out);
}

static VT_RESULT put_mapping(struct vt_buf *out)
{
    VT_TRY(put_key(out, "mapping"));
    VT_TRY(vt_msgpack_write_map(out, 3));
    VT_TRY(put_pair(out, "name", "bench"));
    VT_TRY(put_pair(out, "subject", "id"));
    VT_TRY(put_key(out, "columns"));
    VT_TRY(vt_msgpack_write_map(out, VT_ARRAY_LEN(COLUMNS)));
    for (size_t i = 0; i < VT_ARRAY_LEN(COLUMNS); i++) {
        char target[TEXT_MAX];
        snprintf(target, sizeof target, "bench-people.%s", COLUMNS[i]);
        VT_TRY(put_pair(out, COLUMNS[i], target));
    }
    return VAULT_OK;
}

static VT_RESULT write_import(struct bench_world *world, struct bench_random *random, const struct bench_call *call,
                              struct vt_buf *out)
{
    const uint64_t first = __atomic_fetch_add(&world->next_row, call->items, __ATOMIC_RELAXED);
    uint64_t number = __atomic_fetch_add(&world->next_subject, call->items, __ATOMIC_RELAXED);
    char hash[65];
    snprintf(hash, sizeof hash, "%s%s%s%s", world->run, world->run, world->run, world->run);    /* no such file */
    VT_TRY(put_head(out, call->msgid, "record.import", 4));
    VT_TRY(put_pair(out, "file_sha256", hash));
    VT_TRY(put_mapping(out));
    VT_TRY(put_key(out, "first_record"));
    VT_TRY(vt_msgpack_write_uint(out, first + 1));
    VT_TRY(put_key(out, "rows"));
    VT_TRY(vt_msgpack_write_array(out, call->items));
    for (uint32_t i = 0; i < call->items; i++, number++) {
        VT_TRY(vt_msgpack_write_map(out, 1 + VT_ARRAY_LEN(COLUMNS)));
        VT_TRY(put_key(out, "id"));
        VT_TRY(put_external_id(world, number, out));
        VT_TRY(put_person(world, random, number, out));
    }
    return VAULT_OK;
}

static VT_RESULT write_shred(struct bench_world *world, const struct bench_call *call, struct vt_buf *out)
{
    const uint64_t first = __atomic_fetch_add(&world->next_victim, call->items, __ATOMIC_RELAXED);
    VT_ENSURE(first + call->items <= world->subjects, VAULT_E_NOT_FOUND);
    VT_TRY(put_head(out, call->msgid, "subject.shred", 2));
    VT_TRY(put_key(out, "now"));
    VT_TRY(vt_msgpack_write_bool(out, true));
    VT_TRY(put_key(out, call->items == 1 ? "subject" : "subjects"));
    if (call->items != 1) VT_TRY(vt_msgpack_write_array(out, call->items));
    for (uint32_t i = 0; i < call->items; i++) VT_TRY(put_external_id(world, first + i, out));
    return VAULT_OK;
}

static VT_RESULT write_call(struct bench_world *world, struct bench_random *random, const struct bench_call *call,
                            struct vt_buf *out)
{
    switch (call->op) {
    case OP_TOKENIZE: return write_tokenize(world, random, call, out);
    case OP_DETOKENIZE: return write_detokenize(world, random, call, out);
    case OP_CREATE: return write_create(world, random, call, out);
    case OP_IMPORT: return write_import(world, random, call, out);
    default: return write_shred(world, call, out);
    }
}

static VT_RESULT write_login(const struct bench_world *world, uint32_t msgid, struct vt_buf *out)
{
    VT_TRY(put_head(out, msgid, "auth.login", 1));
    VT_TRY(put_key(out, "credential"));
    return vt_msgpack_write_text(out, world->credential);
}

static VT_RESULT write_setup(uint32_t step, uint32_t msgid, struct vt_buf *out)
{
    const bool is_schema = step < VT_ARRAY_LEN(SCHEMAS);
    VT_ENSURE(step <= VT_ARRAY_LEN(SCHEMAS), VAULT_E_NOT_FOUND);
    VT_TRY(put_head(out, msgid, is_schema ? "schema.apply" : "template.apply", 1));
    return put_pair(out, is_schema ? "schema" : "template", is_schema ? SCHEMAS[step] : TEMPLATES);
}

/* ---- reading ---- */

static void note_failure(struct bench_reply *reply, const struct vt_value *error)
{
    reply->failed_items++;
    if (reply->error[0] != '\0') return;
    const struct vt_bytes code = vt_value_get_text(error, "status"), message = vt_value_get_text(error, "message");
    snprintf(reply->error, sizeof reply->error, "%.*s: %.*s", (int)VT_MIN(code.len, (size_t)40), code.data,
             (int)VT_MIN(message.len, (size_t)100), message.data);
}

static VT_RESULT keep_token(struct bench_world *world, const struct vt_value *holder)
{
    const struct vt_bytes token = vt_value_get_text(holder, "token");
    if (token.len == 0) return VAULT_OK;
    if (world->token_len == 0) world->token_len = (uint32_t)token.len;
    VT_ENSURE(token.len == world->token_len, VAULT_E_PROTOCOL);
    return vt_buf_append(&world->tokens, token);
}

/* Where answers per item stand, by command: a map with "status" among them is a failure of that item alone. */
static VT_RESULT read_items(struct bench_world *world, const struct vt_value *result, bool keep,
                            struct bench_reply *reply)
{
    static const char *const lists[] = {"tokens", "values", "items", "rejected"};
    for (size_t l = 0; l < VT_ARRAY_LEN(lists); l++) {
        const struct vt_value *list = vt_value_get(result, lists[l]);
        if (list == NULL || list->kind != VT_VALUE_ARRAY) continue;
        for (size_t i = 0; i < list->array.count; i++) {
            const struct vt_value *item = &list->array.items[i];
            if (vt_value_get(item, "status") != NULL) note_failure(reply, item);
            else if (keep) VT_TRY(keep_token(world, item));
        }
    }
    return keep ? keep_token(world, result) : VAULT_OK;
}

static VT_RESULT read_reply(struct bench_world *world, struct vt_pool *scratch, struct vt_bytes input, bool keep,
                            struct bench_reply *out_reply)
{
    struct bench_reply reply = {0};
    struct vt_value frame;
    vt_pool_reset(scratch);
    VT_TRY(vt_msgpack_measure(input, &reply.len));
    VT_TRY(vt_msgpack_read(scratch, vt_bytes(input.data, reply.len), &frame, NULL));
    VT_ENSURE(frame.kind == VT_VALUE_ARRAY && frame.array.count == 4, VAULT_E_PROTOCOL);
    const struct vt_value *part = frame.array.items;
    VT_ENSURE(part[0].kind == VT_VALUE_INT && part[0].integer == 1, VAULT_E_PROTOCOL);
    VT_ENSURE(part[1].kind == VT_VALUE_INT && part[1].integer >= 0 && part[1].integer <= UINT32_MAX, VAULT_E_PROTOCOL);
    reply.msgid = (uint32_t)part[1].integer;
    if (part[2].kind == VT_VALUE_NIL) VT_TRY(read_items(world, &part[3], keep, &reply));
    else {
        note_failure(&reply, &part[2]);
        reply.failed_items = UINT32_MAX;        /* all of them */
    }
    *out_reply = reply;
    return VAULT_OK;
}

static void prepared(struct bench_world *world, uint32_t op)
{
    if (op == OP_CREATE || op == OP_IMPORT) world->subjects = world->next_subject;
}

const struct bench_driver bench_vaultd = {
    .name = "vaultd",
    .ops = {[OP_TOKENIZE] = {.name = "tokenize"},
            [OP_DETOKENIZE] = {.name = "detokenize", .prepared_by = "tokenize"},
            [OP_CREATE] = {.name = "create", .is_single = true},
            [OP_IMPORT] = {.name = "import"},
            [OP_SHRED] = {.name = "shred", .prepared_by = "create"}},
    .replies_in_order = false,
    .write_login = write_login,
    .write_setup = write_setup,
    .write_call = write_call,
    .read_reply = read_reply,
    .prepared = prepared,
};
