/* META name -> 8 bytes: every number up to it may have been handed out. */
#include "vaultd/core/subject/sequence.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/rng.h"

enum { SEQUENCE_BLOCK = 1 << 20, SEQUENCE_NAME_MAX = 32, SEQUENCE_SALT_LEN = 16 };

struct vt_sequence {
    char name[SEQUENCE_NAME_MAX];
    _Atomic uint64_t next;          /* the first number not handed out */
    _Atomic uint64_t limit;         /* the first number not reserved */
    uint64_t pending_limit;         /* of the open transaction; the committer's */
    uint8_t salt[SEQUENCE_SALT_LEN];
};

VT_RESULT vt_sequence_open(struct vt_txn *txn, const char *name, struct vt_sequence **out_sequence)
{
    VT_ENSURE(strlen(name) < SEQUENCE_NAME_MAX, VAULT_E_ARGUMENT);
    struct vt_bytes value;
    uint64_t reserved = 1;
    const vault_status found = vt_store_get(txn, VT_TABLE_META, vt_bytes_str(name), &value);
    VT_ENSURE(found == VAULT_OK || found == VAULT_E_NOT_FOUND, found);
    if (found == VAULT_OK) {
        VT_ENSURE(value.len == 8, VAULT_E_CORRUPT);
        reserved = vt_get_u64(value.data);
    }
    VT_AUTO_PTR(vt_sequence) sequence = vt_calloc(1, sizeof *sequence);
    VT_ENSURE(sequence != NULL, VAULT_E_MEMORY);
    VT_TRY(vt_random_bytes(sequence->salt, sizeof sequence->salt));
    snprintf(sequence->name, sizeof sequence->name, "%s", name);
    atomic_store(&sequence->next, reserved);
    atomic_store(&sequence->limit, reserved);
    *out_sequence = VT_MOVE(sequence);
    return VAULT_OK;
}

void vt_sequence_free(struct vt_sequence *sequence)
{
    free(sequence);
}

struct vt_bytes vt_sequence_salt(const struct vt_sequence *sequence)
{
    return VT_BYTES_OF(sequence->salt);
}

VT_RESULT vt_sequence_next(struct vt_sequence *sequence, uint64_t count, uint64_t *out_first)
{
    uint64_t first = atomic_load(&sequence->next);
    do {
        VT_ENSURE(count <= atomic_load(&sequence->limit) - first, VAULT_E_BUSY);
    } while (!atomic_compare_exchange_weak(&sequence->next, &first, first + count));
    *out_first = first;
    return VAULT_OK;
}

bool vt_sequence_wants_reserve(const struct vt_sequence *sequence)
{
    return atomic_load(&sequence->limit) - atomic_load(&sequence->next) < SEQUENCE_BLOCK / 2;
}

VT_RESULT vt_sequence_reserve(struct vt_sequence *sequence, struct vt_txn *txn)
{
    uint8_t value[8];
    const uint64_t limit = atomic_load(&sequence->limit);
    VT_ENSURE(limit <= UINT64_MAX - SEQUENCE_BLOCK, VAULT_E_LIMIT);
    sequence->pending_limit = limit + SEQUENCE_BLOCK;
    vt_put_u64(value, sequence->pending_limit);
    return vt_store_put(txn, VT_TABLE_META, vt_bytes_str(sequence->name), VT_BYTES_OF(value), VT_PUT_DEFAULT);
}

void vt_sequence_reserved(struct vt_sequence *sequence, bool committed)
{
    if (committed && sequence->pending_limit != 0) atomic_store(&sequence->limit, sequence->pending_limit);
    sequence->pending_limit = 0;
}
