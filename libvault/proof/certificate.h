/* libvault/proof/certificate.h - certificate of destruction: what was made unrecoverable, when, how, and on whose word;
 * a text that a person can read as it stands, and behind it the proof that the vault signed it.
 * docs/FORMAT.md "Certificate of destruction", docs/decisions/0017.
 *
 *     file = text | LF | tlog-proof (tlog_proof.h) without extra data
 *
 * The text is a leaf of the vault's log of certificates, whose checkpoint is signed: one signature for all certificates
 * of one transaction, and each can be checked alone, offline, with the log's verifier key.
 *
 * The text is a first line that names the version, then `key: value` lines in one fixed order; every list is its count
 * and then its numbered lines, so that a missing, doubled or moved line is noticed. One text per certificate: reading
 * refuses what writing would not have written. No personal data and no plain hash of an identifier: the subject stands
 * in it as a commitment under a salt that only the requester gets. The log's origin, and the name of its key, is made of
 * the vault id and the incarnation that the text names, so a certificate cannot be moved to another vault.
 * Source: NIST SP 800-88 Rev. 1; GDPR Art. 5(2), 17. Thread: any. */
#pragma once
#include "libvault/base/pool.h"
#include "libvault/codec/value.h"
#include "libvault/proof/tlog_proof.h"

enum {
    VT_CERTIFICATE_MAX = 256 * 1024,        /* bytes of the file */
    VT_CERTIFICATE_PROOF_MAX = 8 * 1024,    /* of these kept free for the proof when a text is written */
    VT_CERTIFICATE_ORIGIN_LEN = 80,         /* room for the origin of the log and its zero */
    VT_CERTIFICATE_LIST_MAX = 1024,         /* entries of one list */
    VT_CERTIFICATE_TEXT_MAX = 512,          /* bytes of one reason, assumption, software name */
};
#define VT_CERTIFICATE_TITLE "vaultd certificate of destruction v"
#define VT_CERTIFICATE_FIRST_LINE VT_CERTIFICATE_TITLE "2"
#define VT_CERTIFICATE_METHOD "cryptographic erase, NIST SP 800-88 Rev. 1"

enum vt_certificate_state {
    VT_CERTIFICATE_PENDING = 1,     /* asked for; unreadable through every interface, not yet erased */
    VT_CERTIFICATE_EFFECTIVE,       /* enough keepers erased their share: m - k + 1 */
    VT_CERTIFICATE_FINAL,           /* all keepers, the recovery window and the index era too */
};
enum vt_certificate_scope {
    VT_CERTIFICATE_OF_SUBJECT = 1,  /* "whole subject" */
    VT_CERTIFICATE_OF_CATEGORIES,   /* "categories" */
    VT_CERTIFICATE_OF_RECORDS,      /* "records" */
    VT_CERTIFICATE_OF_BATCH,        /* "batch": several subjects of one retention run */
    VT_CERTIFICATE_OF_TENANT,       /* "tenant" */
};
/** docs/ERASURE.md "The promise"; in the order of the keepers' own classes. */
enum vt_erase_class {
    VT_ERASE_E0 = 0, VT_ERASE_E1, VT_ERASE_E2, VT_ERASE_E3, VT_ERASE_E4, VT_ERASE_X,
};
enum vt_erase_state {
    VT_ERASE_WAITING = 1,           /* "waiting": no receipt yet */
    VT_ERASE_DONE,                  /* "erased": a signed receipt, whose hash is given */
    VT_ERASE_ATTESTED,              /* "attested": the destruction of a missing one; the hash is of the attestation */
};
/** A keeper of a share, or a custodian of the recovery window's key. */
struct vt_certificate_keeper {
    uint64_t id;
    enum vt_erase_class erase_class;
    enum vt_erase_state state;
    uint8_t receipt[32];            /* SHA-256 of the signed receipt; zero while waiting */
};
struct vt_certificate_backup {
    uint8_t id[16];
    int64_t expires_ms;             /* 0: kept without end; its ciphertext stays, unreadable */
};
struct vt_certificate_approval {
    uint8_t principal[16];
    int64_t at_ms;
};
/** Something kept, or outside the promise: a code such as export, ff1-set, hold, minimum-retention; and how many. */
struct vt_certificate_count {
    struct vt_bytes code;
    uint64_t count;
};
enum vt_final_kind {
    VT_FINAL_AT = 1,                /* "2026-..."; exactly in the state final */
    VT_FINAL_NOT_BEFORE,            /* "not before 2026-..." */
    VT_FINAL_NEVER,                 /* "never (reason)" */
};
struct vt_certificate_final {
    enum vt_final_kind kind;
    int64_t at_ms;                  /* AT and NOT_BEFORE; else 0 */
    struct vt_bytes reason;         /* NEVER: a text such as "keeper class E0 does not count towards final" */
};
enum vt_phase {
    VT_PHASE_NONE = 1,              /* "none": there is no such thing here */
    VT_PHASE_OPEN,                  /* "open until 2026-...", or "open" when nobody knows until when */
    VT_PHASE_CLOSED,                /* "closed 2026-..." */
};
struct vt_certificate_phase {
    enum vt_phase phase;
    int64_t at_ms;                  /* 0 for NONE, and for OPEN without a time */
};

/** A plain value; codes are [A-Za-z0-9][A-Za-z0-9._-]{0,63}, texts one line of UTF-8; texts and arrays are borrowed
 *  (a parsed one's from the pool and the note). */
struct vt_certificate {
    uint8_t vault_id[16];
    uint64_t incarnation;
    uint64_t number;
    enum vt_certificate_state state;
    uint8_t commitment[32];         /* vt_certificate_commit(); zero: none */
    uint8_t request_id[16];         /* of the call or case that asked; zero: none */
    enum vt_certificate_scope scope;
    uint64_t subjects, records, rows, index_entries, blobs;     /* how many were destroyed */
    uint64_t tokens;                /* deterministic ones: a random token's row is sealed under the token, and cannot be counted */
    const struct vt_bytes *categories;
    size_t category_count;
    struct vt_bytes legal_basis;    /* a code such as gdpr-17-1-b */
    int64_t requested_ms;
    int64_t effective_ms;           /* 0 while pending */
    struct vt_certificate_final final;
    uint64_t epoch_from, epoch_to;  /* both 0 while pending */
    uint8_t attempt[16];            /* zero while pending */
    const struct vt_certificate_keeper *keepers;
    size_t keeper_count;            /* m */
    uint64_t threshold;             /* k: shares that make the root key */
    const struct vt_certificate_keeper *custodians;
    size_t custodian_count;
    struct vt_certificate_phase window;         /* the recovery window that covers the shred */
    struct vt_certificate_phase index_era;      /* of the keys that place index entries */
    struct vt_bytes software;
    const struct vt_certificate_backup *backups;        /* registered ones that still hold ciphertext */
    size_t backup_count;
    const struct vt_certificate_count *kept;            /* holds, minimum retention: what stayed, and why */
    size_t kept_count;
    const struct vt_certificate_count *exclusions;      /* exports, recipients to notify, FF1 sets */
    size_t exclusion_count;
    const struct vt_certificate_approval *approvals;
    size_t approval_count;
    const struct vt_bytes *assumptions;
    size_t assumption_count;
    bool is_test_clock;
};

/** The names used in the text: "pending", "whole subject", "E0", ... Static storage. */
const char *vt_certificate_state_name(enum vt_certificate_state state);
const char *vt_certificate_scope_name(enum vt_certificate_scope scope);
const char *vt_erase_class_name(enum vt_erase_class erase_class);
/** The sentence that states what erasing by a keeper of this class means, for `assumptions`. Static storage. */
const char *vt_erase_class_assumption(enum vt_erase_class erase_class);
/** Whether the receipts can ever carry `final` (docs/ERASURE.md "The promise"). Counted are E2, E3, E4, and E1 beside another
 *  counted one; the counted ones must be at least m - k + 1. */
bool vt_certificate_can_be_final(const struct vt_certificate_keeper *keepers, size_t count, uint64_t threshold);

/** SHA-256(salt || reference): ties a certificate to the controller's own reference for whoever holds the salt. */
VT_RESULT vt_certificate_commit(const uint8_t salt[32], struct vt_bytes reference, uint8_t out_commitment[32]);

/** Whether the parts fit each other: state against times, epochs, receipts (effective needs m - k + 1 of them, final
 *  all, from classes that count) and phases; codes, texts and list lengths.
 *  @param err  NULL allowed; names the field
 *  @return VAULT_E_ARGUMENT */
VT_RESULT vt_certificate_check(const struct vt_certificate *certificate, struct vt_err *err);
/** Append the text. @return VAULT_E_ARGUMENT as vt_certificate_check(), VAULT_E_TOO_LARGE, VAULT_E_MEMORY */
VT_RESULT vt_certificate_write(struct vt_buf *out, const struct vt_certificate *certificate, struct vt_err *err);
/** Read a text; arrays come from @p pool, texts stay borrowed from @p text.
 *  @return VAULT_E_PARSE (err names line and key), VAULT_E_FORMAT (another version), VAULT_E_MEMORY */
VT_RESULT vt_certificate_parse(struct vt_pool *pool, struct vt_bytes text, struct vt_certificate *out_certificate,
                               struct vt_err *err);

/** "vaultd/<vault id>/<incarnation>/certificates": origin of the log of certificates and name of the key that signs it. */
void vt_certificate_origin_format(const uint8_t vault_id[16], uint64_t incarnation,
                                  char out_origin[VT_CERTIFICATE_ORIGIN_LEN]);
/** Append the file. @param proof  of the text, against a checkpoint of the log of certificates
 *  @return VAULT_E_ARGUMENT: no text, or a proof with extra data; VAULT_E_TOO_LARGE, VAULT_E_MEMORY */
VT_RESULT vt_certificate_file_write(struct vt_buf *out, struct vt_bytes text, const struct vt_tlog_proof *proof);
/** Take a file apart; nothing is verified, and the text is not looked into. All borrowed from @p file.
 *  @return VAULT_E_FORMAT: another version. VAULT_E_PARSE: no certificate, none with a proof, or a proof that is not as
 *  it must be */
VT_RESULT vt_certificate_file_split(struct vt_bytes file, struct vt_bytes *out_text, struct vt_tlog_proof *out_proof,
                                    struct vt_err *err);
/** Check the checkpoint's signature, that the text is in the log that it signs, the text itself, and that the log is that
 *  of the vault which the text names.
 *  @return VAULT_E_PARSE, VAULT_E_FORMAT, VAULT_E_AUTHENTICITY, VAULT_E_ARGUMENT as vt_note_verify() */
VT_RESULT vt_certificate_verify(struct vt_pool *pool, struct vt_bytes file, const struct vt_note_verifier *verifiers,
                                size_t count, struct vt_certificate *out_certificate, struct vt_err *err);
/** Check besides that the audit log recorded it: @p proof_text is a tlog-proof whose extra data is the audit row that
 *  holds the evidence item of the file's checkpoint. @param out_checkpoint  the state of the audit log that covers it;
 *  origin only is checked against the certificate, NULL allowed */
VT_RESULT vt_certificate_verify_logged(struct vt_pool *pool, struct vt_bytes file, struct vt_bytes proof_text,
                                       const struct vt_note_verifier *verifiers, size_t count,
                                       struct vt_certificate *out_certificate, struct vt_checkpoint *out_checkpoint,
                                       struct vt_err *err);

/** As a value for JSON and tables, all parts built in @p pool. */
VT_RESULT vt_certificate_view(struct vt_pool *pool, const struct vt_certificate *certificate,
                              struct vt_value *out_value);
