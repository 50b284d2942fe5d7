/* tests/prop/history.h - random histories of a whole vault, the model of what they should have left, and the adversary who looks
 * for more: shared by the parts of prop_vault_history.c, which says what is proven. Helpers assert that what they do succeeds.
 * Thread: one. */
#pragma once
#include "tests/support/vault_reader.h"
#include "tests/support/world.h"
#include "vaultd/core/keeper/keeper.h"

enum {
    DEFAULT_STEPS = 2000,
    CHECKPOINTS = 3,
    SUBJECTS_MAX = 8000,
    RECORDS_MAX = 30000,
    VALUES_MAX = 60000,
    GRAVES_MAX = 20000,
    PENDING_MAX = 4000,
    TEXTS_MAX = 20000,
    KEY_FILES_MAX = 400,
    IMAGES_MAX = 20000,
    BACKUPS_KEPT = 6, IMPORTS_MAX = 2000, IMPORT_ROWS = 3,
    KEEPERS = 3, QUORUM = 2,
    LIVE_MAX = 150,                 /* subjects at a time: enough to split pages, few enough to be met again */
    ALL = 0, CATEGORY_A = 1, CATEGORY_B = 2, CATEGORY_F = 6, CATEGORY_OWN = 0xffff,
    LOGIN = 3,                      /* field of a profile that only one may have */
    MARK_LETTERS = 7, PAN_DIGITS = 7,
    SAMPLE = 40,
    TIMES_IN_LONG_TEXT = 270,       /* a row of two pieces */
};
#define MARK "qzkanar"              /* then seven letters */
#define PAN_MARK "40001234"         /* then seven digits and the check digit */

/* The model ---------------------------------------------------------------------------------------------------------- */

enum fate { FATE_NOW, FATE_OLD, FATE_DYING, FATE_DEAD, FATE_NEVER };
struct value {
    unsigned mark;
    unsigned subject, record;       /* record: place in the list */
    uint16_t category;
    unsigned field;                 /* which field of the record it is or was */
    enum fate fate;
    bool is_revived;                /* by the last take-over */
    bool may_lack_entry;            /* a login that was had by somebody else when a take-over gave it back (decision 0013) */
};
enum collection { OWN, PROFILE, CARDS, VISITS, CALLS };
struct record {
    uint64_t id;
    unsigned subject;
    enum collection collection;
    bool is_live;
    bool is_gone;                   /* deleted or forgotten: no backup brings it back */
    bool has_shared_token;
};
struct subject {
    struct vt_sid sid;
    unsigned mark;                  /* its external id */
    bool is_live;                   /* also while pending */
    unsigned own;                   /* place of its own record */
    bool is_nameless;               /* made for a token: has no external id and no profile */
};
struct pending {
    unsigned subject;
    uint16_t category;
    uint64_t record;
    int64_t certificate;
};
/* Rows put before `until` that the scope covers are forgotten. */
struct grave {
    struct vt_sid sid;
    uint16_t category;              /* 0: all */
    uint64_t record;                /* 0: all */
    bool is_of_category_key;        /* only rows under the category's own key */
    bool has_key;                   /* a key was taken out, so the key blocks of before are forgotten too */
    bool is_dead;                   /* from the close of the epoch on */
    size_t until;
};

/* What the model was when a backup was taken: 1 where the value, the record, the rows of the file were there. */
struct backup {
    unsigned number;                /* names its directory */
    uint64_t incarnation;
    unsigned value_count, record_count, grave_count, import_count;
    uint8_t *value_is_now, *record_is_live, *import_is_in;
};
/* Rows of a file, sent in one call. Of new people the profile comes too. */
struct import_row {
    unsigned person;                /* mark of the external id */
    bool is_new;
    unsigned marks[4];              /* place, host, and of new people given name, email */
};
struct import {
    unsigned file, first, row_count;
    struct import_row rows[IMPORT_ROWS];
    bool is_in;
};

struct history {
    struct world world;
    struct recording *recording;
    struct vt_keeper_ops keeper_ops;
    const struct vt_keeper_ops *keeper_inner;
    uint64_t random, epoch;
    bool closes_empty;              /* a rotation of the unseal key closes an epoch that takes no request along */
    unsigned marks;
    struct subject *subjects;
    unsigned subject_count;
    struct record *records;
    unsigned record_count;
    struct value *values;
    unsigned value_count;
    struct grave *graves;
    unsigned grave_count;
    struct pending *pending;
    unsigned pending_count;
    char (*texts)[64];              /* tokens and callers' keys */
    const char **tokens, **caller_keys;
    unsigned *token_marks;
    unsigned text_count, token_count, caller_key_count;
    unsigned shared_pans[8], shared_count;
    char key_files[KEY_FILES_MAX][65];
    const char *key_file_list[KEY_FILES_MAX];
    unsigned key_file_count;
    uint8_t *images;
    unsigned image_count;
    uint8_t *image_keepers;         /* whose each one is */
    unsigned last_image[KEEPERS];   /* + 1; 0: none yet */
    struct backup kept[BACKUPS_KEPT + 1];
    unsigned kept_count;
    unsigned backups, restores, faults_hit;
    struct import *imports;
    unsigned import_count, files;
    uint64_t incarnation;
    bool is_taking_over;            /* listens to stores that are opened now */
    size_t built_from, built_to;    /* what was recorded while the new environment was built */
    unsigned revived, undone, kept_of_now, lost_records, shared_logins, came_again;     /* by take-overs */
    unsigned former;                /* take-overs from backups of a former incarnation */
    unsigned done[32], refused;     /* steps by kind */
};

/* The model, and who is watching -------------------------------------------------------------------------------------- */

void *table_of(size_t count, size_t size);
uint64_t draw(struct history *history);
unsigned below(struct history *history, size_t bound);
void mark_text(unsigned mark, char out_text[24]);
void mark_pan(unsigned mark, char out_pan[24]);
bool next_mark(struct vt_bytes bytes, size_t *at, unsigned *out_mark);
void assert_no_mark(struct vt_bytes bytes, const char *where);
extern struct history *watched;
void take_images(struct history *history);
void on_open(void *context, struct vt_store *store, struct vt_keeper *const *keepers);
void check_store(struct history *history, struct vt_store *store, const char *where);
struct vt_value *add_pair(struct history *history, struct vt_value *map, const char *name, struct vt_value value);
struct vt_value text_value(struct history *history, const char *text);
void put_text(struct history *history, struct vt_value *map, const char *name, const char *text);
uint64_t present_epoch(struct history *history);
vault_status call(struct history *history, const char *method, struct vt_value *map, struct vt_value *out_result);
void assert_fine(const struct history *history, const char *method, vault_status status);
bool was_done(struct history *history, const char *method, vault_status status);
void put_subject(struct history *history, struct vt_value *map, unsigned subject);
unsigned new_mark(struct history *history);
struct value *add_value(struct history *history, unsigned mark, unsigned record, uint16_t category, unsigned field);
void replace_value(struct history *history, unsigned mark, unsigned record, uint16_t category, unsigned field);
unsigned add_record(struct history *history, unsigned subject, enum collection collection, uint64_t id);
struct grave *add_grave(struct history *history, unsigned subject, uint16_t category, uint64_t record, size_t until);
bool has_record_keys(const struct history *history, unsigned record);
bool covers(const struct history *history, const struct pending *pending, const struct value *value);
void note_close(struct history *history, size_t before);
bool is_pending(const struct history *history, unsigned subject);
unsigned live_count(const struct history *history);
bool pick_subject(struct history *history, unsigned *out_subject);
bool pick_record(struct history *history, enum collection collection, unsigned *out_record);
uint64_t find_record_of(const struct history *history, unsigned subject, size_t from);
/** Of this collection; 0: none. Schemas have their numbers in the order in which they were applied. */
uint64_t record_put_into(const struct history *history, unsigned subject, enum collection collection, size_t from);
uint64_t last_record_of(const struct history *history, unsigned subject, size_t from);

/* Where it begins and ends -------------------------------------------------------------------------------------------- */

struct verdict;
struct history *history_new(uint64_t seed);
void history_free(struct history *history);

/* What happens -------------------------------------------------------------------------------------------------------- */

struct field {
    const char *name;
    uint16_t category;
    const char *suffix;
};
enum { FIELDS_MAX = 4 };
const struct field *fields_of(enum collection collection, unsigned *out_count, const char **out_name);
unsigned put_field(struct history *history, struct vt_value *fields, const struct field *field);
void refuse_mark(struct history *history, unsigned mark, unsigned record);
void put_record(struct history *history, struct vt_value *params, unsigned record);
void check_copy(struct history *history, const char *path, const char *what);
void backup_path(const struct history *history, const char *what, unsigned number, char out_path[200]);
bool step_backup(struct history *history);
bool step_close(struct history *history);
void assert_tree_clean(const char *path);
void run_step(struct history *history);
void close_for_good(struct history *history);
void print_figures(const struct history *history, const struct verdict *verdict);

/* Files that are imported, now and again ------------------------------------------------------------------------------ */

bool step_import(struct history *history);

/* Take-overs ---------------------------------------------------------------------------------------------------------- */

/** The model as it is now, for when the vault goes back to a backup taken now. */
void backup_keep(struct history *history, unsigned number);
void backup_release(struct backup *backup);
bool step_take_over(struct history *history);
/** @param wants_former from a backup of a former incarnation, of which there is one behind the first take-over */
void take_over_from(struct history *history, bool wants_former);

/* What the adversary finds -------------------------------------------------------------------------------------------- */

/* What of the keepers' files the adversary has. */
enum copies { NOTHING, PRESENT, PRESENT_AND_ALL_OF_ONE, ALL_OF_ONE, EVERYTHING };
struct verdict {
    struct history *history;
    uint8_t *is_seen;               /* by mark */
    uint8_t *is_open;               /* by place in the recording */
    const uint8_t *is_buried;       /* by place in the recording; NULL: nobody asks */
    struct byte_set index, subjects;
    struct byte_set references, buried_references;      /* of rows that open; of those in graves */
    struct byte_set holders;        /* sids named in index entries that opened, padded */
    struct byte_set payloads;       /* sids whose audit payloads opened */
    struct vault_reach reach;
    size_t leaks, losses, forgotten, found;
    char first[160];                /* the first leak or loss, in words */
};
void verdict_release(struct verdict *verdict);
void judge(struct history *history, enum copies copies, bool is_exact, struct verdict *out_verdict);
void check_everything_is_known(struct history *history);
void assert_forgotten(struct history *history, enum copies copies, const char *when, struct verdict *out_verdict);
void check_restored_rows(struct history *history, const char *path);
void assert_past_opens(struct history *history, const struct verdict *present);
void assert_nothing_opens_with(struct history *history, enum copies copies);
