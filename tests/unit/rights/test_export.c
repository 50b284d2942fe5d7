/* A person's package: whole, counted, signed, and the same again after a re-import. */
#include <stdio.h>

#include "libvault/codec/json.h"
#include "libvault/codec/text.h"
#include "libvault/crypto/digest.h"
#include "libvault/proof/note.h"
#include "tests/unit/rights/rights_support.h"

static const char ADA[] =
    "{external_id: a-1, records: {profile: {given_name: Ada, phone: \"+12025550143\", birth_date: \"1985-12-10\"},\n"
    " identity: {ssn: 078-05-1120, driver_licence: CA-ZZ1234567}, cards: [{number: \"4000000000000002\", expiry: 12/30}],\n"
    " bank_accounts: [{iban: GB33BUKB20201555555555}], notes: [{text: \"=1+1\"}, {text: hello}]}}";

static struct vt_value json_of(struct world *world, const struct vt_value *package, const char *path)
{
    struct vt_value value;
    const struct vt_bytes text = rights_package_file(world, package, path);
    vt_json_init();
    ck_assert_ptr_nonnull(text.data);
    ck_assert_ok(vt_json_read(&world->pool, text, &value, NULL));
    return value;
}

static void assert_held(const struct vt_value *map, const char *collection, int64_t exported, int64_t redacted, int64_t withheld)
{
    const struct vt_value *counts = vt_value_get(map, collection);
    ck_assert_msg(counts != NULL, "nothing held in %s", collection);
    ck_assert_int_eq(vt_value_get_int(counts, "held", -1), exported + redacted + withheld);
    ck_assert_int_eq(vt_value_get_int(counts, "exported", -1), exported);
    ck_assert_int_eq(vt_value_get_int(counts, "redacted", -1), redacted);
    ck_assert_int_eq(vt_value_get_int(counts, "withheld", -1), withheld);
}

static bool package_has(const struct vt_value *package, const char *needle)
{
    const struct vt_value *files = vt_value_get(package, "files");
    for (size_t i = 0; i < files->array.count; i++) {
        const struct vt_bytes content = vt_value_get(&files->array.items[i], "content")->bytes,
                              path = vt_value_get_text(&files->array.items[i], "path");
        if (content.len != 0 && memmem(content.data, content.len, needle, strlen(needle)) != NULL) return true;
        if (memmem(path.data, path.len, needle, strlen(needle)) != NULL) return true;
    }
    return false;
}

START_TEST(a_package_holds_every_record_and_its_manifest_counts_and_hashes_them)
{
    struct world world;
    struct vt_value package;
    rights_world_new(&world, NULL);
    ck_assert_ok(world_call(&world, "application", "subject.create", ADA, NULL));
    ck_assert_ok(rights_export(&world, "privacy", vt_bytes_str("a-1"), false, &package));
    const struct vt_value manifest = json_of(&world, &package, "manifest.json");
    const struct vt_value *files = vt_value_get(&manifest, "files");
    ck_assert_int_eq(vt_value_get_int(&manifest, "format", -1), 1);
    ck_assert(vt_value_get_bool(&manifest, "test_clock", false));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&manifest, "purpose"), "rights"));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&manifest, "made_at"), "2026-07-01T00:00:00.000Z"));
    assert_held(vt_value_get(&manifest, "collections"), "profile", 1, 0, 0);
    assert_held(vt_value_get(&manifest, "collections"), "notes", 2, 0, 0);
    ck_assert_uint_gt(files->array.count, 8);
    for (size_t i = 0; i < files->array.count; i++) {
        uint8_t hash[VT_SHA256_LEN];
        char hex[65], path[128];
        const struct vt_bytes name = vt_value_get_text(&files->array.items[i], "path");
        snprintf(path, sizeof path, "%.*s", (int)name.len, (const char *)name.data);
        const struct vt_bytes content = rights_package_file(&world, &package, path);
        ck_assert_ok(vt_sha256_one(content, hash));
        vt_hex_encode(VT_BYTES_OF(hash), hex);
        ck_assert(vt_bytes_equal_str(vt_value_get_text(&files->array.items[i], "sha256"), hex));
        ck_assert_int_eq(vt_value_get_int(&files->array.items[i], "bytes", -1), (int64_t)content.len);
    }
    ck_assert_uint_eq(vt_value_get(&package, "files")->array.count, files->array.count + 2);
    const struct vt_bytes csv = rights_package_file(&world, &package, "csv/notes.csv");
    ck_assert_ptr_nonnull(memmem(csv.data, csv.len, ",'=1+1\r\n", 8));
    const struct vt_bytes profile = rights_package_file(&world, &package, "csv/profile.csv");
    ck_assert_ptr_nonnull(memmem(profile.data, profile.len, ",+12025550143,", 14));
    world_free(&world);
}
END_TEST

/* Against the vault's own certificate key, taken from the keyring. */
static void assert_note_is_ours(struct world *world, const struct vt_value *package, struct vt_bytes note)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    ck_assert_ok(vt_txn_begin_read(vt_vault_store(world->vault), &txn));
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    ck_assert_ok(vt_keyring_view_begin(vt_vault_keyring(world->vault), txn, &view));
    const struct vt_value manifest = json_of(world, package, "manifest.json");
    const struct vt_bytes vault = vt_value_get_text(&manifest, "vault");
    char name[VT_NOTE_NAME_MAX];
    struct vt_note_verifier verifier;
    struct vt_bytes text;
    snprintf(name, sizeof name, "%.*s", (int)vault.len, (const char *)vault.data);
    const struct vt_note_signer signer = {name, vt_keyring_system_key(view, VT_SYSTEM_KEY_CERTIFICATE_SIGN)};
    ck_assert_ok(vt_note_verifier_of(&signer, &verifier));
    ck_assert_ok(vt_note_verify(note, &verifier, 1, &text, NULL));
}

START_TEST(the_note_signs_the_hash_of_the_manifest_with_the_certificate_key)
{
    struct world world;
    struct vt_value package;
    uint8_t hash[VT_SHA256_LEN];
    char hex[65];
    rights_world_new(&world, NULL);
    ck_assert_ok(world_call(&world, "application", "subject.create", ADA, NULL));
    ck_assert_ok(rights_export(&world, "privacy", vt_bytes_str("a-1"), false, &package));
    const struct vt_bytes note = rights_package_file(&world, &package, "manifest.note");
    ck_assert_ok(vt_sha256_one(rights_package_file(&world, &package, "manifest.json"), hash));
    vt_hex_encode(VT_BYTES_OF(hash), hex);
    ck_assert_ptr_nonnull(memmem(note.data, note.len, hex, 64));
    ck_assert_ptr_null(memmem(note.data, note.len, "a-1", 3));
    assert_note_is_ours(&world, &package, note);
    world_free(&world);
}
END_TEST

START_TEST(a_forgotten_category_is_named_with_its_certificate)
{
    struct world world;
    struct vt_value package, shred;
    rights_world_new(&world, NULL);
    ck_assert_ok(world_call(&world, "application", "subject.create", ADA, NULL));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: a-1, category: C, now: true}", &shred));
    ck_assert_ok(rights_export(&world, "privacy", vt_bytes_str("a-1"), true, &package));
    const struct vt_value manifest = json_of(&world, &package, "manifest.json");
    const struct vt_value *erased = vt_value_get(&manifest, "erased");
    ck_assert_ptr_nonnull(erased);
    ck_assert_uint_eq(erased->array.count, 1);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&erased->array.items[0], "category"), "C"));
    ck_assert_int_eq(vt_value_get_int(&erased->array.items[0], "certificate", -1), vt_value_get_int(&shred, "certificate", -2));
    ck_assert(!package_has(&package, "1985-12-10"));
    assert_held(vt_value_get(&package, "held"), "profile", 1, 0, 0);
    world_free(&world);
}
END_TEST

START_TEST(what_is_never_disclosed_is_only_said_to_be_held)
{
    static const char *const CANARIES[] = {"078-05-1120", "078051120", "4000000000000002", "ZZ1234567", "20201555555555"};
    struct world world;
    struct vt_value package;
    rights_world_new(&world, NULL);
    ck_assert_ok(world_call(&world, "application", "subject.create", ADA, NULL));
    ck_assert_ok(rights_export(&world, "privacy", vt_bytes_str("a-1"), false, &package));
    for (size_t i = 0; i < VT_ARRAY_LEN(CANARIES); i++) ck_assert_msg(!package_has(&package, CANARIES[i]), "%s", CANARIES[i]);
    const struct vt_value *held = vt_value_get(&package, "held");
    assert_held(held, "identity", 0, 0, 1);
    assert_held(held, "cards", 0, 1, 0);
    assert_held(held, "bank_accounts", 0, 0, 1);
    const struct vt_value *never = vt_value_get(vt_value_get(held, "identity"), "never_disclosed");
    ck_assert_uint_eq(never->array.count, 2);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&never->array.items[0], "type"), "us_ssn"));
    ck_assert_int_eq(vt_value_get_int(&never->array.items[0], "held", -1), 1);
    ck_assert_ptr_null(rights_package_file(&world, &package, "import/cards.yaml").data);

    ck_assert_ok(rights_export(&world, "privacy", vt_bytes_str("a-1"), true, &package));
    ck_assert(package_has(&package, "4000000000000002"));
    assert_held(vt_value_get(&package, "held"), "identity", 1, 0, 0);
    ck_assert_ptr_nonnull(rights_package_file(&world, &package, "import/cards.yaml").data);
    world_free(&world);
}
END_TEST

START_TEST(a_package_needs_the_right_a_purpose_and_a_person)
{
    struct world world;
    rights_world_new(&world, NULL);
    ck_assert_ok(world_call(&world, "application", "subject.create", ADA, NULL));
    ck_assert_status(rights_export(&world, "application", vt_bytes_str("a-1"), false, NULL), VAULT_E_FORBIDDEN);
    ck_assert_status(rights_export(&world, "privacy", vt_bytes_str("a-2"), false, NULL), VAULT_E_NOT_FOUND);
    ck_assert_status(world_call(&world, "privacy", "subject.export", "{subject: a-1}", NULL), VAULT_E_PURPOSE);
    ck_assert_status(world_call(&world, "privacy", "subject.export", "{subject: a-1, purpose: curiosity}", NULL),
                     VAULT_E_PURPOSE);
    world_free(&world);
}
END_TEST

START_TEST(the_log_gets_one_leaf_with_purpose_and_recipient)
{
    struct world world;
    struct vt_value before, after;
    rights_world_new(&world, NULL);
    ck_assert_ok(world_call(&world, "application", "subject.create", ADA, NULL));
    ck_assert_ok(world_call(&world, "auditor", "audit.tail", "{limit: 1}", &before));
    ck_assert_ok(world_call(&world, "privacy", "subject.export", "{subject: a-1, purpose: rights, recipient: the-person}", NULL));
    ck_assert_ok(world_call(&world, "auditor", "audit.tail", "{limit: 2}", &after));
    const struct vt_value *then = &vt_value_get(&before, "leaves")->array.items[0];
    const struct vt_value *leaves = vt_value_get(&after, "leaves");
    const struct vt_value *leaf = NULL;
    for (size_t i = 0; i < leaves->array.count; i++)
        if (vt_bytes_equal_str(vt_value_get_text(&leaves->array.items[i], "command"), "subject.export"))
            leaf = &leaves->array.items[i];
    ck_assert_ptr_nonnull(leaf);
    ck_assert_int_eq(vt_value_get_int(leaf, "sequence", -1), vt_value_get_int(then, "sequence", -1) + 2);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(leaf, "purpose"), "rights"));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(leaf, "recipient"), "the-person"));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(leaf, "effect"), "read"));
    world_free(&world);
}
END_TEST

START_TEST(a_call_is_exported_without_the_other_person)
{
    struct world world;
    struct vt_value package;
    rights_world_new(&world, NULL);
    ck_assert_ok(world_call(&world, "application", "subject.create", "{external_id: caller-canary-1}", NULL));
    ck_assert_ok(world_call(&world, "application", "subject.create", "{external_id: callee-canary-2}", NULL));
    ck_assert_ok(world_call(&world, "application", "record.put",
                            "{subject: caller-canary-1, other_subject: callee-canary-2, collection: calls, fields:\n"
                            " {call_id: c-1, started_at: \"2026-06-01T10:00:00Z\", duration_s: 60, status: completed}}", NULL));
    ck_assert_ok(rights_export(&world, "privacy", vt_bytes_str("caller-canary-1"), true, &package));
    assert_held(vt_value_get(&package, "held"), "calls", 1, 0, 0);
    ck_assert(!package_has(&package, "callee-canary-2"));
    const struct vt_bytes lines = rights_package_file(&world, &package, "records/calls.jsonl");
    ck_assert_ptr_nonnull(memmem(lines.data, lines.len, "\"_side\":\"caller\"", 16));
    ck_assert_ptr_null(rights_package_file(&world, &package, "import/calls.yaml").data);
    world_free(&world);
}
END_TEST

START_TEST(what_is_being_forgotten_is_counted_for_those_who_may_know)
{
    struct world world;
    struct vt_value package;
    rights_world_new(&world, NULL);
    ck_assert_ok(world_call(&world, "application", "subject.create", ADA, NULL));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: a-1, category: C}", NULL));
    ck_assert_ok(rights_export(&world, "privacy", vt_bytes_str("a-1"), false, &package));
    assert_held(vt_value_get(&package, "held"), "profile", 0, 1, 0);
    ck_assert(!package_has(&package, "1985-12-10"));
    const struct vt_bytes lines = rights_package_file(&world, &package, "records/profile.jsonl");
    ck_assert_ptr_nonnull(memmem(lines.data, lines.len, "\"_erased\":[\"C\"]", 15));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: a-1, category: U}", NULL));
    ck_assert_ok(rights_export(&world, "privacy", vt_bytes_str("a-1"), false, &package));
    assert_held(vt_value_get(&package, "held"), "notes", 0, 0, 2);
    const struct vt_value *codes = vt_value_get(vt_value_get(vt_value_get(&package, "held"), "notes"), "withheld_codes");
    ck_assert_int_eq(vt_value_get_int(codes, "shred-pending", -1), 2);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: a-1}", NULL));
    ck_assert_status(rights_export(&world, "privacy", vt_bytes_str("a-1"), false, NULL), VAULT_E_SHRED_PENDING);
    world_free(&world);
}
END_TEST

/* Re-import --------------------------------------------------------------------------------------------------------- */

static const char *const COLLECTIONS[] = {"profile", "identity", "cards", "bank_accounts", "preferences", "notes", "oddities"};

static void apply_oddities(struct world *world)
{
    world_apply_schema(world, "name: oddities\n"
                              "cardinality: many\n"
                              "fields:\n"
                              "  - {name: text, type: text, category: U, options: {max: 200000}}\n"
                              "  - {name: tree, type: json, category: U}\n"
                              "  - {name: number, type: integer, category: D}\n"
                              "  - {name: flag, type: boolean, category: A}\n"
                              "  - {name: at, type: datetime, category: D}\n");
}

/* Lines of both files are the same but for the record's number. */
static void assert_same_lines(struct world *world, struct vt_bytes before, struct vt_bytes after, const char *collection)
{
    struct rights_file a, b;
    (void)world;
    rights_file_read_jsonl(&a, before, vt_bytes_str("{}"));
    rights_file_read_jsonl(&b, after, vt_bytes_str("{}"));
    ck_assert_uint_eq(a.rows.array.count, b.rows.array.count);
    for (size_t i = 0; i < a.rows.array.count; i++) {
        const struct vt_value *left = &a.rows.array.items[i], *right = &b.rows.array.items[i];
        ck_assert_uint_eq(left->map.count, right->map.count);
        for (size_t j = 0; j < left->map.count; j++) {
            const struct vt_pair *pair = &left->map.pairs[j];
            if (vt_bytes_equal_str(pair->key, "_record")) continue;
            const struct vt_value *other = vt_value_get_bytes(right, pair->key);
            ck_assert_msg(other != NULL && vt_value_equal(&pair->value, other), "%s line %zu differs in %.*s", collection, i + 1,
                          (int)pair->key.len, (const char *)pair->key.data);
        }
    }
    rights_file_release(&a);
    rights_file_release(&b);
}

static void reimport_collection(struct world *to, struct world *from, const struct vt_value *package, const char *collection,
                                bool is_csv)
{
    struct rights_file file;
    struct vt_value result;
    char rows[128], mapping[128];
    snprintf(rows, sizeof rows, is_csv ? "csv/%s.csv" : "records/%s.jsonl", collection);
    snprintf(mapping, sizeof mapping, is_csv ? "import/%s.csv.yaml" : "import/%s.yaml", collection);
    const struct vt_bytes content = rights_package_file(from, package, rows);
    if (content.data == NULL) return;
    if (is_csv) rights_file_read(&file, content, rights_package_file(from, package, mapping));
    else rights_file_read_jsonl(&file, content, rights_package_file(from, package, mapping));
    ck_assert_ok(rights_import(to, &file, 0, 10000, &result));
    const struct vt_value *rejected = vt_value_get(&result, "rejected");
    if (rejected->array.count != 0) {
        const struct vt_bytes message = vt_value_get_text(&rejected->array.items[0], "message");
        ck_abort_msg("%s: %.*s", rows, (int)message.len, (const char *)message.data);
    }
    rights_file_release(&file);
}

static void assert_reimport_is_equal(struct world *from, struct vt_bytes external_id, bool is_csv)
{
    struct world to;
    struct vt_value before, after;
    rights_world_new(&to, NULL);
    apply_oddities(&to);
    world_pass(&to, 86400000);
    ck_assert_ok(rights_export(from, "privacy", external_id, true, &before));
    for (size_t i = 0; i < VT_ARRAY_LEN(COLLECTIONS); i++) reimport_collection(&to, from, &before, COLLECTIONS[i], is_csv);
    ck_assert_ok(rights_export(&to, "privacy", external_id, true, &after));
    for (size_t i = 0; i < VT_ARRAY_LEN(COLLECTIONS); i++) {
        char path[128];
        snprintf(path, sizeof path, "records/%s.jsonl", COLLECTIONS[i]);
        const struct vt_bytes left = rights_package_file(from, &before, path), right = rights_package_file(&to, &after, path);
        ck_assert_msg((left.data == NULL) == (right.data == NULL), "%s is in one package only", path);
        if (left.data != NULL) assert_same_lines(&to, left, right, COLLECTIONS[i]);
    }
    world_free(&to);
}

static const char *const HOSTILE[] = {
    "", " ", "=1+1", "'=1+1", "''", "+1", "-1", "@cmd", "\tTAB first", "\rCR first", "\nLF first", "a,b;c", "say \"hi\"", "\"",
    "line one\r\nline two\rthree\nfour", "\xEF\xBC\x9D" "full-width", "\xEF\xBC\x8B" "1", "\xE2\x80\xAE" "txt.exe",
    "\x01\x02\x1F\x7F",
    "null", "true", "0", "00123", "1e5", "{\"$bytes\":\"AA==\"}", "[1,2]", "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x9A\x80",
    "\xEF\xBB\xBFmark first", "ends with space ", "#", "-- drop", "<script>alert(1)</script>", "${jndi:ldap://x}", "%s%n",
};

static void put_oddity(struct world *world, struct vt_value fields)
{
    struct vt_value params = vt_value_map();
    ck_assert_ok(vt_value_put(&world->pool, &params, "subject", vt_value_str("=odd,\"'id"), NULL));
    ck_assert_ok(vt_value_put(&world->pool, &params, "collection", vt_value_str("oddities"), NULL));
    ck_assert_ok(vt_value_put(&world->pool, &params, "fields", fields, NULL));
    ck_assert_ok(world_call_value(world, "application", "record.put", &params, NULL));
    world_pass(world, 1234567);
}

static void put_hostile(struct world *world)
{
    ck_assert_ok(world_call(world, "application", "subject.create", "{external_id: \"=odd,\\\"'id\"}", NULL));
    for (size_t i = 0; i < VT_ARRAY_LEN(HOSTILE); i++) {
        struct vt_value fields = vt_value_map(), tree = vt_value_array();
        ck_assert_ok(vt_value_push(&world->pool, &tree, vt_value_str(HOSTILE[i]), NULL));
        ck_assert_ok(vt_value_push(&world->pool, &tree, vt_value_int(-(int64_t)i), NULL));
        ck_assert_ok(vt_value_put(&world->pool, &fields, "text", vt_value_str(HOSTILE[i]), NULL));
        if (i % 2 == 0) ck_assert_ok(vt_value_put(&world->pool, &fields, "tree", tree, NULL));
        if (i % 3 == 0) ck_assert_ok(vt_value_put(&world->pool, &fields, "number", vt_value_int((int64_t)i - 7), NULL));
        if (i % 5 == 0) ck_assert_ok(vt_value_put(&world->pool, &fields, "flag", vt_value_bool(i % 2 == 0), NULL));
        put_oddity(world, fields);
    }
    struct vt_value fields = vt_value_map();
    uint8_t *text = vt_pool_alloc(&world->pool, 150000);
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < 150000; i++) text[i] = (uint8_t)(i % 97 == 0 ? '\n' : 'a' + i % 26);
    ck_assert_ok(vt_value_put(&world->pool, &fields, "text", vt_value_text(vt_bytes(text, 150000)), NULL));
    put_oddity(world, fields);
}

START_TEST(hostile_values_come_back_equal_from_json_lines_and_from_csv)
{
    struct world world;
    rights_world_new(&world, NULL);
    apply_oddities(&world);
    put_hostile(&world);
    world_pass(&world, -1234567 * (int64_t)(VT_ARRAY_LEN(HOSTILE) + 1));
    assert_reimport_is_equal(&world, vt_bytes_str("=odd,\"'id"), false);
    assert_reimport_is_equal(&world, vt_bytes_str("=odd,\"'id"), true);
    world_free(&world);
}
END_TEST

START_TEST(two_hundred_people_of_the_data_set_come_back_equal)
{
    struct world world, to;
    struct rights_file people;
    rights_file_data_set(&people, "people");
    rights_world_new(&world, NULL);
    ck_assert_ok(rights_import(&world, &people, 0, 200, NULL));
    rights_world_new(&to, NULL);
    for (size_t i = 0; i < 200; i++) {
        struct vt_value before, after;
        const struct vt_bytes id = vt_value_get_text(&people.rows.array.items[i], "external_id");
        ck_assert_ok(rights_export(&world, "privacy", id, true, &before));
        for (size_t j = 0; j < VT_ARRAY_LEN(COLLECTIONS); j++)
            reimport_collection(&to, &world, &before, COLLECTIONS[j], i % 2 != 0);
        ck_assert_ok(rights_export(&to, "privacy", id, true, &after));
        for (size_t j = 0; j < VT_ARRAY_LEN(COLLECTIONS); j++) {
            char path[128];
            snprintf(path, sizeof path, "records/%s.jsonl", COLLECTIONS[j]);
            const struct vt_bytes left = rights_package_file(&world, &before, path),
                                  right = rights_package_file(&to, &after, path);
            ck_assert_msg((left.data == NULL) == (right.data == NULL), "%s is in one package only", path);
            if (left.data != NULL) assert_same_lines(&to, left, right, COLLECTIONS[j]);
        }
        world_forget(&world);
        world_forget(&to);
    }
    rights_file_release(&people);
    world_free(&world);
    world_free(&to);
}
END_TEST

START_TEST(a_package_past_one_answer_is_refused_and_a_long_file_comes_in_pieces)
{
    struct world world;
    struct rights_file file;
    struct vt_value package;
    VT_AUTO(vt_buf) csv = VT_BUF_INIT(64 * 1024 * 1024);
    uint8_t note[30000 + 26];
    for (size_t i = 0; i < sizeof note; i++) note[i] = (uint8_t)('a' + i % 26);
    rights_world_new(&world, NULL);
    ck_assert_ok(vt_buf_append_str(&csv, "id,note\r\n"));
    for (size_t i = 0; i < 1100; i++) {
        ck_assert_ok(vt_buf_append_str(&csv, "a-1,"));
        ck_assert_ok(vt_buf_append(&csv, vt_bytes(note + i % 26, 30000)));
        ck_assert_ok(vt_buf_append_str(&csv, "\r\n"));
    }
    rights_file_read(&file, vt_buf_bytes(&csv),
                     vt_bytes_str("{name: n, subject: id, existing: add, columns: {note: notes.text}}"));
    ck_assert_ok(rights_import(&world, &file, 0, 100, NULL));
    ck_assert_ok(rights_export(&world, "privacy", vt_bytes_str("a-1"), false, &package));
    ck_assert_uint_gt(rights_package_file(&world, &package, "records/notes.jsonl").len, 3000000);
    ck_assert_ok(rights_import(&world, &file, 100, 1000, NULL));
    ck_assert_status(rights_export(&world, "privacy", vt_bytes_str("a-1"), false, &package), VAULT_E_TOO_LARGE);
    ck_assert_ptr_nonnull(strstr(world.err.message, "MiB"));
    rights_file_release(&file);
    world_free(&world);
}
END_TEST

VT_TEST_MAIN("rights/export", a_package_holds_every_record_and_its_manifest_counts_and_hashes_them,
             the_note_signs_the_hash_of_the_manifest_with_the_certificate_key,
             a_forgotten_category_is_named_with_its_certificate, what_is_never_disclosed_is_only_said_to_be_held,
             a_package_needs_the_right_a_purpose_and_a_person,
             the_log_gets_one_leaf_with_purpose_and_recipient, a_call_is_exported_without_the_other_person,
             what_is_being_forgotten_is_counted_for_those_who_may_know,
             hostile_values_come_back_equal_from_json_lines_and_from_csv,
             two_hundred_people_of_the_data_set_come_back_equal,
             a_package_past_one_answer_is_refused_and_a_long_file_comes_in_pieces)
