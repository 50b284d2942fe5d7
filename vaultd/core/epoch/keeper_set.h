/* vaultd/core/epoch/keeper_set.h - who holds the shares of the root key, and who has shown that it holds none of an older one.
 * META "keepers": written with each close of an epoch, and when a keeper's receipt or the attestation of its end comes late.
 * Bytes: docs/FORMAT.md "Set of keepers". Private to this folder.
 * Invariant: a keeper leaves the list only when nothing is owed by it; a receipt for an epoch says that no share of any epoch
 * before it is left, so what a keeper has shown only rises. Thread: plain values; rows as the ledger's. */
#pragma once
#include "vaultd/core/epoch/ledger_internal.h"
#include "vaultd/core/keeper/keeper.h"

enum { VT_KEEPER_SET_MAX = 48, VT_VERIFIER_KEY_LEN = 96 };
enum vt_clean_proof {
    VT_CLEAN_BY_ITSELF = 0,             /* new to the set: it never held a share of an epoch before */
    VT_CLEAN_BY_RECEIPT = 1,
    VT_CLEAN_BY_ATTESTATION = 2,        /* it is gone: somebody has said so by name */
};
struct vt_keeper_member {
    uint64_t id;
    uint8_t keeper_class;
    uint8_t x;                          /* its point in the present sharing; 0: it holds none of it */
    uint8_t former_x;                   /* and in the one before */
    uint8_t proof;                      /* vt_clean_proof */
    uint64_t clean_from;                /* it holds no share of an epoch before this one */
    uint64_t last_epoch;                /* the last whose share was given to it */
    uint8_t receipt[32];                /* SHA-256 of the receipt or the attestation; zero: clean by itself */
    char name[65];
    char verifier_key[VT_VERIFIER_KEY_LEN];
};
struct vt_keeper_set {
    uint64_t epoch;                     /* of the present sharing; 0: nothing is known */
    uint8_t k, former_k;
    size_t count;
    struct vt_keeper_member members[VT_KEEPER_SET_MAX];
};

/** Holders of the present sharing, or of the one before. */
size_t vt_keeper_set_size(const struct vt_keeper_set *set, bool is_former);
/** NULL: not in the list. */
struct vt_keeper_member *vt_keeper_set_find(struct vt_keeper_set *set, uint64_t id);
/** One of the present holders by its name. NULL: there is none */
struct vt_keeper_member *vt_keeper_set_find_name(struct vt_keeper_set *set, const char *name);
/** The next sharing: what is present becomes former, and nobody holds a share of it yet. */
void vt_keeper_set_advance(struct vt_keeper_set *set, uint64_t epoch, uint8_t k);
/** The next point of the present sharing goes to this keeper. @return VAULT_E_LIMIT when the list is full of keepers that owe */
VT_RESULT vt_keeper_set_give(struct vt_keeper_set *set, const struct vt_keeper_info *info);
/** A share of the epoch after @p epoch is about to be given to a keeper that holds none. Until it has shown that it erased what
 *  becomes of it, nothing that dies with that epoch is gone for good. Nothing happens for one that holds a share.
 *  @return VAULT_E_LIMIT as vt_keeper_set_give() */
VT_RESULT vt_keeper_set_owe(struct vt_keeper_set *set, const struct vt_keeper_info *info, uint64_t epoch);
/** It has nothing of what was given up: it owes nothing that vt_keeper_set_owe() entered. @return whether it did */
bool vt_keeper_set_forgive(struct vt_keeper_set *set, uint64_t id);
/** It has shown that no share of an epoch before @p epoch is left. */
void vt_keeper_set_note(struct vt_keeper_member *member, uint64_t epoch, enum vt_clean_proof proof, const uint8_t hash[32]);
/** Every share of an epoch before this one is gone, whoever held it. */
uint64_t vt_keeper_set_clean_from(const struct vt_keeper_set *set);
/** As certificates name them: the holders of the sharing, in the order of their points. @return how many */
size_t vt_keeper_set_evidence(const struct vt_keeper_set *set, bool is_former, struct vt_certificate_keeper *out_keepers);

/** Fill in what the keeper @p keeper->id has shown: that no share of an epoch before @p epoch is left. @return whether it has */
bool vt_keeper_set_show(const struct vt_keeper_set *set, uint64_t epoch, struct vt_certificate_keeper *keeper);

/** @return VAULT_E_NOT_FOUND, VAULT_E_FORMAT, VAULT_E_CORRUPT, VAULT_E_AUTHENTICITY */
VT_RESULT vt_keeper_set_load(struct vt_keyring_view *view, struct vt_keeper_set *out_set);
/** @param journal_rows NULL allowed */
VT_RESULT vt_keeper_set_put(const struct vt_keeper_set *set, struct vt_keyring_view *view, struct vt_txn *txn,
                            struct vt_buf *journal_rows);
