/* A vault with three keepers, schemas and templates, watched from its first write on. */
#include <stdlib.h>

#include "tests/prop/history.h"

static const char SCHEMA_PROFILE[] = "name: profile\ndoc: People.\nfields:\n"
                                     "  - {name: given_name, type: name, category: A, doc: g}\n"
                                     "  - {name: email, type: email, category: A, index: many, doc: e}\n"
                                     "  - {name: remark, type: text, category: F, doc: r}\n"
                                     "  - {name: login, type: email, category: F, index: unique, doc: l}\n";
static const char SCHEMA_CARDS[] = "name: cards\ndoc: Cards.\ncardinality: many\nforget: record\nfields:\n"
                                   "  - {name: number, type: pan, category: B, index: many, options: {policy: token}, doc: n}\n"
                                   "  - {name: holder, type: name, category: A, index: many, doc: h}\n";
static const char SCHEMA_VISITS[] = "name: visits\ndoc: Visits.\ncardinality: many\nfields:\n"
                                    "  - {name: place, type: name, category: F, index: many, doc: p}\n"
                                    "  - {name: host, type: name, category: A, doc: h}\n";
static const char SCHEMA_CALLS[] = "name: calls\ndoc: Calls.\ncardinality: many\nsubjects: two\nsides: [caller, callee]\nfields:\n"
                                   "  - {name: topic, type: name, category: F, index: many, doc: t}\n"
                                   "  - {name: caller_name, type: name, category: A, doc: c}\n";
static const char TEMPLATES[] = "templates:\n  - {name: card, format: digits, collection: cards, field: number, keep_last: 4}\n"
                                "  - {name: opaque, format: opaque, collection: cards, field: number}\n"
                                "  - {name: same, format: opaque, collection: cards, field: number, deterministic: true}\n";

/* All stores are opened here. One that a take-over fills has most of what the live one has. */
vault_status __real_vt_store_lmdb_open(const char *dir, const struct vt_store_lmdb_options *options, struct vt_store **out_store);
vault_status __wrap_vt_store_lmdb_open(const char *dir, const struct vt_store_lmdb_options *options, struct vt_store **out_store);
vault_status __wrap_vt_store_lmdb_open(const char *dir, const struct vt_store_lmdb_options *options, struct vt_store **out_store)
{
    const vault_status status = __real_vt_store_lmdb_open(dir, options, out_store);
    if (status == VAULT_OK && watched != NULL && watched->is_taking_over)
        recording_listen_for_news(watched->recording, *out_store);
    return status;
}

struct history *history_new(uint64_t seed)
{
    struct history *history = table_of(1, sizeof *history);
    const struct world_options options = {.is_on_disk = true, .has_fault_store = true, .has_journal = true,
                                          .on_open = on_open, .context = history,
                                          .keeper_count = KEEPERS, .quorum = QUORUM};
    history->random = seed;
    history->subjects = table_of(SUBJECTS_MAX, sizeof *history->subjects);
    history->records = table_of(RECORDS_MAX, sizeof *history->records);
    history->values = table_of(VALUES_MAX, sizeof *history->values);
    history->graves = table_of(GRAVES_MAX, sizeof *history->graves);
    history->pending = table_of(PENDING_MAX, sizeof *history->pending);
    history->texts = table_of(TEXTS_MAX, sizeof *history->texts);
    history->tokens = table_of(TEXTS_MAX, sizeof *history->tokens);
    history->token_marks = table_of(TEXTS_MAX, sizeof *history->token_marks);
    history->caller_keys = table_of(TEXTS_MAX, sizeof *history->caller_keys);
    history->imports = table_of(IMPORTS_MAX, sizeof *history->imports);
    history->images = table_of(2 * IMAGES_MAX, VAULT_KEEPER_IMAGE);
    history->image_keepers = table_of(IMAGES_MAX, 1);
    history->key_file_list[history->key_file_count++] = world_key_file;
    history->recording = recording_new();
    watched = history;
    world_new(&history->world, &options);
    history->epoch = present_epoch(history);
    history->incarnation = 1;
    world_apply_schema(&history->world, SCHEMA_PROFILE);
    world_apply_schema(&history->world, SCHEMA_CARDS);
    world_apply_schema(&history->world, SCHEMA_VISITS);
    world_apply_schema(&history->world, SCHEMA_CALLS);
    struct vt_value params = vt_value_map();
    put_text(history, &params, "template", TEMPLATES);
    assert_fine(history, "template.apply", call(history, "template.apply", &params, NULL));
    return history;
}

void history_free(struct history *history)
{
    world_free(&history->world);
    watched = NULL;
    recording_free(history->recording);
    free(history->subjects);
    free(history->records);
    free(history->values);
    free(history->graves);
    free(history->pending);
    free(history->texts);
    free(history->tokens);
    free(history->token_marks);
    free(history->caller_keys);
    free(history->imports);
    for (unsigned i = 0; i < history->kept_count; i++) backup_release(&history->kept[i]);
    free(history->images);
    free(history->image_keepers);
    free(history);
}
