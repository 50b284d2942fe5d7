/* tests/unit/audit/log_fixture.h - a log in a memory store whose leaf hashes the test keeps beside it. */
#pragma once
#include "tests/support/suite.h"
#include "vaultd/core/audit/audit.h"

enum { LOG_MAX = 1200 };

struct log_fixture {
    struct vt_store *store;
    struct vt_audit *audit;
    struct vt_note_verifier verifier;
    struct vt_merkle_hash leaves[LOG_MAX];      /* of what was committed, computed apart from the log */
    size_t count;
};

extern const struct vt_note_signer LOG_SIGNER;

void log_fixture_init(struct log_fixture *log);
void log_fixture_release(struct log_fixture *log);

/** The leaf that the fixture appends as number @p sequence: every field depends on it. */
struct vt_audit_leaf log_leaf(uint64_t sequence);
/** Its payload items; some leaves have none. */
void log_payloads(uint64_t sequence, struct vt_buf *out_payloads);

/** Append inside an open transaction; the expected hash is kept as number log->count, which the caller raises on
 * commit. */
void log_append(struct log_fixture *log, struct vt_txn *txn, size_t at);
/** One transaction with @p count more leaves. */
void log_grow(struct log_fixture *log, size_t count);
void log_checkpoint(struct log_fixture *log);
/** Root over the first @p size of the kept hashes. */
struct vt_merkle_hash log_expected_root(const struct log_fixture *log, size_t size);
/** Close the audit object and open it again from the store. */
void log_reopen(struct log_fixture *log);
/** Write straight into a table, past the log; @p value NULL deletes. */
void log_tamper(struct log_fixture *log, enum vt_table table, struct vt_bytes key, const struct vt_bytes *value);
