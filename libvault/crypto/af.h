/* libvault/crypto/af.h - anti-forensic splitting: one block becomes many stripes, of which each single one is needed to get it
 * back. Remnants of some stripes, as flash and disks keep them below any file system, then say nothing.
 *
 * Stripe by stripe, so that a megabyte on the medium needs no megabyte of locked memory.
 * Source: C. Fruhwirth, New Methods in Hard Disk Encryption (2005), chapter 5; LUKS1 uses the same with its hash. Bytes:
 * docs/FORMAT.md "Raw keeper". Thread: none shared. */
#pragma once
#include "libvault/base/secret.h"

struct vt_af {
    uint8_t *mix;           /* arena: what the stripes so far have come to */
    size_t block_len;       /* a multiple of 32 */
    unsigned stripes, done;
};
#define VT_AF_INIT ((struct vt_af){NULL, 0, 0, 0})

/** @param stripes at least 2. @return VAULT_E_ARGUMENT, VAULT_E_MEMORY */
VT_RESULT vt_af_begin(struct vt_af *af, size_t block_len, unsigned stripes);
/** The next stripe of @p block: random ones, and a last one that makes the whole of it. @return VAULT_E_CRYPTO */
VT_RESULT vt_af_split(struct vt_af *af, const uint8_t *block, uint8_t *out_stripe);
/** Take the next stripe. With the last one @p out_block is written, before that it is not touched. */
VT_RESULT vt_af_merge(struct vt_af *af, const uint8_t *stripe, uint8_t *out_block);
void vt_af_release(struct vt_af *af);
