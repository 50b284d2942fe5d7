/* tools/bench/driver.h - what the load engine knows of a server: how a call is written and how a reply is read. Two
 * drivers: redis (RESP) and vaultd (msgpack-RPC), so that both are measured by the same code.
 * Thread: a driver's world is shared by all load threads; its counters are atomic, its tokens are written while
 * preparing, on one thread, and only read while measuring. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/base/pool.h"
#include "libvault/base/result.h"

enum {
    BENCH_MAX_OPS = 8,
    BENCH_MAX_BATCH = 10000,
    BENCH_PREPARE_BATCH = 100,
    BENCH_OUT_MAX = 16 << 20,   /* bytes waiting to be sent on one connection */
    BENCH_IN_MAX = 64 << 20,    /* bytes of one reply and what came behind it */
    BENCH_SCRATCH_MAX = 64 << 20    /* bytes of what one reply is parsed into */
};

/* A seeded generator (xorshift64*, S. Vigna 2016): load must be repeatable, not unpredictable. */
struct bench_random {
    uint64_t state;
};
uint64_t bench_random_next(struct bench_random *random);
/** Below @p bound, which is not 0. */
uint64_t bench_random_below(struct bench_random *random, uint64_t bound);
/** Exponentially distributed around @p mean: the gaps of a Poisson process. */
double bench_random_gap(struct bench_random *random, double mean);

struct bench_world {
    char run[17];                   /* names this run's keys and subjects: 16 characters */
    uint32_t value_size;            /* bytes of one value */
    uint64_t next_key;              /* atomic: the next key never used before */
    uint64_t keys;                  /* redis: those below it are prepared for reading */
    uint64_t next_subject;          /* vaultd, atomic: the next subject never used before */
    uint64_t subjects;              /* those below it are prepared for shredding */
    uint64_t next_victim;           /* atomic: the next of them to be shredded */
    uint64_t next_row;              /* atomic: where in its made-up file the next import begins */
    struct vt_buf tokens;           /* the prepared tokens, end to end */
    uint32_t token_len;             /* all of one length; 0 while there is none */
    struct vt_bytes credential;     /* borrowed; empty: do not log in */
    const char *template_name;
    const char *purpose;
};

struct bench_call {
    uint32_t op;
    uint32_t items;                 /* values, subjects or rows in the call */
    uint32_t msgid;
};

struct bench_reply {
    size_t len;                     /* bytes that the reply took */
    uint32_t msgid;                 /* when replies do not come in order */
    uint32_t failed_items;
    char error[160];                /* the first failure in the server's words; empty when none */
};

struct bench_op {
    const char *name;
    const char *prepared_by;        /* the operation that makes what this one uses; NULL: needs nothing */
    bool is_single;                 /* takes one item a call, whatever the batch */
};

struct bench_driver {
    const char *name;
    struct bench_op ops[BENCH_MAX_OPS];     /* ends at the first without a name */
    bool replies_in_order;
    /** What opens a connection, or NULL. Its reply is read by read_reply. */
    VT_RESULT (*write_login)(const struct bench_world *world, uint32_t msgid, struct vt_buf *out);
    /** What an administrator does before, step by step from 0, or NULL. @return VAULT_E_NOT_FOUND behind the last step */
    VT_RESULT (*write_setup)(uint32_t step, uint32_t msgid, struct vt_buf *out);
    /** Append one call. @return VAULT_E_NOT_FOUND when there is nothing left to operate on (every subject is shredded) */
    VT_RESULT (*write_call)(struct bench_world *world, struct bench_random *random, const struct bench_call *call,
                            struct vt_buf *out);
    /** Read one reply from the start of @p input. @param scratch reset by the callee
     *  @param keep put tokens that it brings into the world
     *  @return VAULT_E_CONFLICT when more bytes are needed, VAULT_E_PROTOCOL */
    VT_RESULT (*read_reply)(struct bench_world *world, struct vt_pool *scratch, struct vt_bytes input, bool keep,
                            struct bench_reply *out_reply);
    /** After preparing by @p op: what it made is there to be used. */
    void (*prepared)(struct bench_world *world, uint32_t op);
};

extern const struct bench_driver bench_redis;
extern const struct bench_driver bench_vaultd;

/** NULL when there is none of that name. */
const struct bench_driver *bench_driver_find(const char *name);
/** Index of an operation, or -1. */
int bench_op_find(const struct bench_driver *driver, const char *name);
/** Append @p len printable characters that do not compress. */
VT_RESULT bench_append_value(struct bench_random *random, uint32_t len, struct vt_buf *out);
