/* vaultd/core/store/store_files.h - the files around LMDB: directory, lock, ballast, and room ahead in the data file.
 * Private to this folder; knows nothing of LMDB but the name of its file.
 *
 * Growing ahead. A commit that extends the file makes the file system journal the new size and blocks within the sync;
 * one that overwrites written blocks does not. So a thread appends zeroes in steps, once the
 * file is past VT_GROW_FROM. It writes through a descriptor with O_APPEND: the kernel places each write at the end of
 * the file as it is at that moment, so zeroes cannot land on a page that LMDB has written, whatever LMDB does
 * meanwhile.
 *
 * Ballast. A file of real, incompressible blocks. When a write finds the disk full, it is removed, and ordinary writes
 * are refused until it could be built again: what it frees is for audit leaves and shreds.
 *
 * Thread: open and close one; the rest any. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "vaultd/core/store/store.h"

enum {
    VT_GROW_FROM = 8 * 1024 * 1024,         /* smaller vaults stay small */
    VT_GROW_STEP = 32 * 1024 * 1024,
    VT_GROW_AHEAD_MIN = 16 * 1024 * 1024,   /* less than this ahead of the last page: take a step */
    VT_GROW_CHUNK = 1024 * 1024,            /* a commit beside the growing waits for at most this much */
    VT_SPACE_MARGIN = 1024 * 1024           /* free beyond the ballast before writes are allowed again */
};

struct vt_store_files {
    int dir_fd;
    int lock_fd;
    int append_fd;              /* the data file, for growing */
    int probe_fd;               /* the data file, to read; for vt_files_sync(): each hears of a lost write once */
    uint64_t ballast_bytes;
    bool is_read_only;
    atomic_bool is_full;
    atomic_bool has_lost_writes;    /* or may have: nothing more is written until the store is opened again */
    pthread_mutex_t space_mutex;    /* ballast made or dropped by one */

    pthread_mutex_t grow_mutex;     /* guards what follows */
    pthread_cond_t grow_wake;
    pthread_t grow_thread;
    bool has_grow_thread;
    atomic_bool is_closing;
    uint64_t grow_to;
};

/** Make or find the directory and take its lock. @return as vt_store_lmdb_open() */
VT_RESULT vt_files_open(const char *dir, const struct vt_store_lmdb_options *options,
                        struct vt_store_files **out_files);
/** Before LMDB maps its table of readers: have the blocks that it writes to, which a full disk would answer with SIGBUS.
 *  @param bytes  at least as long as LMDB makes the table
 *  @return VAULT_E_DISK_FULL, VAULT_E_IO */
VT_RESULT vt_files_reserve_readers(const struct vt_store_files *files, uint64_t bytes);
/** After LMDB has made or opened its file: open it too. */
VT_RESULT vt_files_open_data(struct vt_store_files *files);
/** Before writes: make the names durable, see to the ballast. */
VT_RESULT vt_files_make_ready(struct vt_store_files *files);
/** NULL is allowed. After lost writes the page cache is told to forget the data file: it may show as clean what the
 *  disk does not have. */
void vt_files_close(struct vt_store_files *files);

/** Size of the data file; 0 when there is none. */
VT_RESULT vt_files_data_size(const struct vt_store_files *files, uint64_t *out_bytes);
/** Sync the data file. @return VAULT_E_IO when anything written to it since it was opened was lost; it is noted */
VT_RESULT vt_files_sync(struct vt_store_files *files);
/** LMDB says EIO for a write that was cut short: true when the disk is at its end indeed. */
bool vt_files_probe_full(struct vt_store_files *files);
/** A write found the disk full: drop the ballast, refuse ordinary writes. */
void vt_files_note_full(struct vt_store_files *files);
/** @return VAULT_E_DISK_FULL when there is still no room */
VT_RESULT vt_files_recover_space(struct vt_store_files *files);
/** After a commit: @p used_end is the end of the last page in use. */
void vt_files_grow_ahead(struct vt_store_files *files, uint64_t used_end);
