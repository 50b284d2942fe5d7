/* vaultd/core/epoch/journal_internal.h - segments, records and the list of live ones. Private to this folder.
 * Thread: as journal.h. */
#pragma once
#include <pthread.h>

#include "vaultd/core/epoch/journal.h"

enum {
    VT_JOURNAL_VERSION = 1,
    VT_JOURNAL_HASH_LEN = 32,
    /* magic 8 | version 1 | zero 7 | vault id 16 | first record number 8 | hash of the record before 32 | SHA-256 32 */
    VT_JOURNAL_SEGMENT_HEAD_LEN = 104,
    /* magic 4 | kind 1 | zero 3 | body length 8 | record number 8 | hash of the record before 32 | first 8 of SHA-256 */
    VT_JOURNAL_RECORD_HEAD_LEN = 64,
    /* commit number 8 | vault id 16 | incarnation 8 | epoch 8 | page version 8 | commit number 8 | attempt 16 | root hash 32 */
    VT_JOURNAL_BODY_FIXED_LEN = 104,
};

/** A record as the list of live ones remembers it. */
struct vt_journal_entry {
    struct vt_journal_tail tail;
    size_t segment;                 /* index in the journal's table */
    uint64_t at;                    /* offset of the record's head */
};
struct vt_journal_list {
    struct vt_journal_entry *items;
    size_t count, cap;
};
/** Forget all but the last one: what it was needed for can be read again. A journal would grow in memory without end. */
void vt_journal_list_keep_last(struct vt_journal_list *list);
void vt_journal_list_release(struct vt_journal_list *list);
/** What a further record makes of the list: it replaces what it replaces, and joins when it is no mark. */
VT_RESULT vt_journal_list_add(struct vt_journal_list *list, const struct vt_journal_entry *entry);

struct vt_journal {
    pthread_mutex_t mutex;          /* append against sync and stats */
    int dir_fd;
    int fd;                         /* newest segment; -1: none yet */
    uint64_t *segments;             /* first record numbers, rising; owned */
    size_t segment_count;
    uint64_t segment_bytes;
    int64_t sync_interval_ms;
    const struct vt_clock *clock;
    bool has_vault_id;
    struct vt_vault_id vault_id;
    uint64_t size;                  /* of the newest segment */
    uint64_t older_bytes;           /* of the others */
    uint64_t next_number;           /* of the next record; the first is 1 */
    uint8_t last_hash[VT_JOURNAL_HASH_LEN];
    struct vt_journal_list live;    /* of the newest segments, as many as it takes to have one */
    uint64_t unsynced;
    uint64_t last_sync_ns;
    int64_t last_sync_at_ms;
    uint64_t cut_bytes;
    uint64_t covers_from;           /* commit number of the last gap, or of the very first record */
    bool is_broken;
    bool is_same_device;            /* as the store: vt_journal_compare_device() */
};

/** A segment mapped for reading. */
struct vt_journal_map {
    const uint8_t *data;
    size_t len;
};
VT_RESULT vt_journal_map_open(const struct vt_journal *journal, uint64_t number, struct vt_journal_map *out_map);
void vt_journal_map_release(struct vt_journal_map *map);

struct vt_journal_segment_head {
    struct vt_vault_id vault_id;
    uint64_t first_number;
    uint8_t previous_hash[VT_JOURNAL_HASH_LEN];
};
/** @return VAULT_E_CORRUPT, VAULT_E_FORMAT */
VT_RESULT vt_journal_segment_head_read(struct vt_bytes bytes, struct vt_journal_segment_head *out_head);

struct vt_journal_record {
    struct vt_journal_tail tail;    /* kind and numbers; for ABORTED the commit number that stays */
    uint64_t number;
    uint8_t previous_hash[VT_JOURNAL_HASH_LEN];
    uint8_t hash[VT_JOURNAL_HASH_LEN];
    struct vt_bytes rows;           /* borrowed from the map */
    uint64_t len;                   /* head, body and hash */
};
/** The record at the front of @p bytes. @return VAULT_E_CORRUPT when it is not whole */
VT_RESULT vt_journal_record_read(struct vt_bytes bytes, struct vt_journal_record *out_record);

/** Where a walk along the records stands. */
struct vt_journal_walk {
    uint64_t next_number;
    uint8_t last_hash[VT_JOURNAL_HASH_LEN];
    uint64_t end;                   /* offset behind the last whole record */
};
/** Add the records of segment @p index to @p list, checking the chain. @return VAULT_E_CORRUPT: *walk says where */
VT_RESULT vt_journal_scan(const struct vt_journal *journal, const struct vt_journal_map *map, size_t index,
                          struct vt_journal_walk *walk, struct vt_journal_list *list);
/** Is there a whole record at @p at or anywhere behind? Then the chain is broken there and this is no torn tail. */
bool vt_journal_has_record_from(const struct vt_journal_map *map, uint64_t at);
/** Where the last gap is, or the first record when there is none: looks at heads only, from the newest segment backwards. */
VT_RESULT vt_journal_find_gap(const struct vt_journal *journal, uint64_t *out_commit);
/** Read back as many older segments as it takes until the list begins at or before @p commit_number, or all are read. */
VT_RESULT vt_journal_list_from(const struct vt_journal *journal, uint64_t commit_number, struct vt_journal_list *out_list);
