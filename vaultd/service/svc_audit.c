/* vaultd/service/svc_audit.c - the log, proofs, certificates: what an auditor reads. No values are in any of it. */
#include <stdio.h>
#include <string.h>

#include "libvault/codec/text.h"
#include "libvault/proof/checkpoint.h"
#include "libvault/proof/tlog_proof.h"
#include "vaultd/service/bind.h"
#include "vaultd/service/verifiers.h"

enum { TAIL_DEFAULT = 50, EXPORT_DEFAULT = 1000 };

/* The vault's audit and certificate keys, under its present origin. */
static VT_RESULT signer_make(struct vt_call *call, enum vt_system_key_name name, struct vt_origin_signer *out_signer)
{
    return vt_origin_signer_at(call->view, name, 0, out_signer);
}

static VT_RESULT put_verifier(struct vt_call *call, const struct vt_note_verifier *verifier, struct vt_value *map)
{
    VT_AUTO(vt_buf) text = VT_BUF_INIT(VT_NOTE_KEY_TEXT_MAX);
    VT_TRY(vt_note_verifier_write(&text, verifier));
    return vt_put_bytes_text(call, map, "verifier_key", vt_buf_bytes(&text));
}

static VT_RESULT put_verifier_of(struct vt_call *call, const struct vt_origin_signer *signer, struct vt_value *map)
{
    struct vt_note_verifier verifier;
    VT_TRY(vt_note_verifier_of(&signer->signer, &verifier));
    return put_verifier(call, &verifier, map);
}

/* audit.tail, export ------------------------------------------------------------------------------------------------- */

struct reading {
    struct vt_call *call;
    struct vt_value list;
};

static const char *effect_name(uint8_t effect)
{
    static const char *const NAMES[] = {"", "read", "write", "destroy", "system", "refused"};
    return effect < VT_ARRAY_LEN(NAMES) ? NAMES[effect] : "unknown";
}

static vault_status tail_one(void *context, const struct vt_audit_entry *entry)
{
    struct reading *reading = context;
    struct vt_call *call = reading->call;
    struct vt_value map = vt_value_map();
    const struct vt_command *command = vt_command_by_id(entry->leaf.command);
    VT_TRY(vt_put_int(call, &map, "sequence", (int64_t)entry->leaf.sequence));
    VT_TRY(vt_put_time(call, &map, "time", entry->leaf.time_ms));
    VT_TRY(vt_put_text(call, &map, "command", command != NULL ? command->name : "vault"));
    VT_TRY(vt_put_text(call, &map, "effect", effect_name(entry->leaf.effect)));
    VT_TRY(vt_put_text(call, &map, "status", vault_status_code(entry->leaf.status)));
    VT_TRY(vt_put_id(call, &map, "principal", entry->leaf.principal));
    if (entry->leaf.purpose.len != 0) VT_TRY(vt_put_bytes_text(call, &map, "purpose", entry->leaf.purpose));
    if (entry->leaf.recipient.len != 0) VT_TRY(vt_put_bytes_text(call, &map, "recipient", entry->leaf.recipient));
    VT_TRY(vt_put_int(call, &map, "items", entry->leaf.item_count));
    struct vt_merkle_hash hash;
    VT_TRY(vt_merkle_leaf(entry->leaf_bytes, &hash));
    char hex[65];
    vt_hex_encode(vt_bytes(hash.bytes, 32), hex);
    VT_TRY(vt_put_text(call, &map, "hash", hex));
    return vt_value_push(&call->scratch, &reading->list, map, NULL);
}

static vault_status audit_tail_prepare(struct vt_call *call)
{
    struct reading reading = {call, vt_value_array()};
    struct vt_value map = vt_value_map();
    uint64_t size;
    const uint64_t limit = (uint64_t)vt_call_int(call, "limit", TAIL_DEFAULT);
    VT_TRY(vt_audit_log_size(call->txn, &size));
    const uint64_t last = size > limit ? size - limit : 0;
    const int64_t from = vt_call_int(call, "from", (int64_t)last);
    VT_TRY(vt_audit_each(call->txn, (uint64_t)from, (uint64_t)from + limit, tail_one, &reading));
    VT_TRY(vt_put_value(call, &map, "leaves", reading.list));
    VT_TRY(vt_put_int(call, &map, "size", (int64_t)size));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_AUDIT_TAIL = {.command = "audit.tail", .prepare = audit_tail_prepare};

static vault_status export_one(void *context, const struct vt_audit_entry *entry)
{
    struct reading *reading = context;
    const struct vt_bytes row = vt_pool_copy(&reading->call->scratch, entry->row);
    VT_ENSURE(row.data != NULL, VAULT_E_MEMORY);
    return vt_value_push(&reading->call->scratch, &reading->list, vt_value_bytes(row), NULL);
}

static vault_status audit_export_prepare(struct vt_call *call)
{
    struct reading reading = {call, vt_value_array()};
    struct vt_value map = vt_value_map();
    uint64_t size;
    const uint64_t from = (uint64_t)vt_call_int(call, "from", 0), limit = (uint64_t)vt_call_int(call, "limit", EXPORT_DEFAULT);
    VT_TRY(vt_audit_log_size(call->txn, &size));
    VT_TRY(vt_audit_each(call->txn, from, from + limit, export_one, &reading));
    VT_TRY(vt_put_value(call, &map, "leaves", reading.list));
    VT_TRY(vt_put_int(call, &map, "size", (int64_t)size));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_AUDIT_EXPORT = {.command = "audit.export", .prepare = audit_export_prepare};

/* audit.checkpoint, prove, verify ------------------------------------------------------------------------------------ */

/* A checkpoint over the tree as this snapshot has it, signed on the spot. */
static VT_RESULT checkpoint_sign(struct vt_call *call, const struct vt_origin_signer *signer, uint64_t size,
                                 struct vt_buf *out_note)
{
    struct vt_checkpoint checkpoint = {.size = size};
    snprintf(checkpoint.origin, sizeof checkpoint.origin, "%s", signer->origin);
    VT_TRY(vt_audit_root_at(call->txn, size, &checkpoint.root));
    return vt_checkpoint_sign(&checkpoint, &signer->signer, 1, out_note);
}

static vault_status audit_checkpoint_prepare(struct vt_call *call)
{
    struct vt_value map = vt_value_map();
    struct vt_origin_signer signer;
    uint64_t size;
    VT_AUTO(vt_buf) note = VT_BUF_INIT(VT_NOTE_MAX);
    VT_TRY(signer_make(call, VT_SYSTEM_KEY_AUDIT_SIGN, &signer));
    VT_TRY(vt_audit_log_size(call->txn, &size));
    VT_TRY(checkpoint_sign(call, &signer, size, &note));
    VT_TRY(vt_put_bytes_text(call, &map, "checkpoint", vt_buf_bytes(&note)));
    VT_TRY(put_verifier_of(call, &signer, &map));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_AUDIT_CHECKPOINT = {.command = "audit.checkpoint", .prepare = audit_checkpoint_prepare};

static VT_RESULT put_hashes(struct vt_call *call, const struct vt_merkle_proof *proof, struct vt_value *map)
{
    struct vt_value list = vt_value_array();
    for (size_t i = 0; i < proof->count; i++) {
        const struct vt_bytes hash = vt_pool_copy(&call->scratch, vt_bytes(proof->hashes[i].bytes, 32));
        VT_ENSURE(hash.data != NULL, VAULT_E_MEMORY);
        VT_TRY(vt_value_push(&call->scratch, &list, vt_value_bytes(hash), NULL));
    }
    return vt_put_value(call, map, "hashes", list);
}

static VT_RESULT prove_leaf(struct vt_call *call, uint64_t sequence, uint64_t size, struct vt_merkle_proof *proof,
                            struct vt_value *map)
{
    struct vt_audit_entry entry;
    VT_TRY(vt_audit_read(call->txn, sequence, &entry));
    VT_TRY(vt_audit_prove_inclusion(call->txn, sequence, size, proof));
    const struct vt_bytes leaf = vt_pool_copy(&call->scratch, entry.leaf_bytes);
    VT_ENSURE(leaf.data != NULL, VAULT_E_MEMORY);
    VT_TRY(vt_put_value(call, map, "leaf", vt_value_bytes(leaf)));
    VT_AUTO(vt_buf) file = VT_BUF_INIT(VT_AUDIT_PAYLOADS_MAX);
    const vault_status proven = vt_audit_prove_entry(call->txn, sequence, &file);
    if (proven == VAULT_E_NOT_FOUND) return VAULT_OK;       /* no stored checkpoint covers it yet */
    VT_TRY(proven);
    return vt_put_bytes_text(call, map, "proof", vt_buf_bytes(&file));
}

static vault_status audit_prove_prepare(struct vt_call *call)
{
    struct vt_value map = vt_value_map();
    struct vt_origin_signer signer;
    struct vt_merkle_proof proof;
    struct vt_merkle_hash root;
    uint64_t size;
    VT_AUTO(vt_buf) note = VT_BUF_INIT(VT_NOTE_MAX);
    const int64_t sequence = vt_call_int(call, "sequence", -1), from_size = vt_call_int(call, "from_size", -1);
    if ((sequence >= 0) == (from_size >= 0))
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "sequence", "Give either the leaf's sequence or an older tree size.");
    VT_TRY(vt_audit_log_size(call->txn, &size));
    if (sequence >= (int64_t)size || from_size > (int64_t)size)
        return vt_fail(&call->err, VAULT_E_NOT_FOUND, sequence >= 0 ? "sequence" : "from_size", "The log is not that long.");
    if (sequence >= 0) VT_TRY(prove_leaf(call, (uint64_t)sequence, size, &proof, &map));
    if (from_size >= 0) VT_TRY(vt_audit_prove_consistency(call->txn, (uint64_t)from_size, size, &proof));
    VT_TRY(vt_audit_root_at(call->txn, size, &root));
    VT_TRY(signer_make(call, VT_SYSTEM_KEY_AUDIT_SIGN, &signer));
    VT_TRY(checkpoint_sign(call, &signer, size, &note));
    const struct vt_bytes root_copy = vt_pool_copy(&call->scratch, vt_bytes(root.bytes, 32));
    VT_ENSURE(root_copy.data != NULL, VAULT_E_MEMORY);
    VT_TRY(vt_put_int(call, &map, "size", (int64_t)size));
    VT_TRY(vt_put_value(call, &map, "root", vt_value_bytes(root_copy)));
    VT_TRY(put_hashes(call, &proof, &map));
    VT_TRY(vt_put_bytes_text(call, &map, "checkpoint", vt_buf_bytes(&note)));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_AUDIT_PROVE = {.command = "audit.prove", .prepare = audit_prove_prepare};

static VT_RESULT put_fault(struct vt_call *call, const struct vt_audit_report *report, struct vt_value *map)
{
    char sentence[128];
    snprintf(sentence, sizeof sentence, "Fault %s at entry %llu.", vt_audit_fault_name(report->fault),
             (unsigned long long)report->bad_sequence);
    return vt_put_text(call, map, "fault", sentence);
}

static vault_status audit_verify_prepare(struct vt_call *call)
{
    struct vt_value map = vt_value_map();
    struct vt_note_verifier verifiers[VT_VERIFIERS_MAX];
    size_t verifier_count;
    struct vt_audit_report report;
    VT_TRY(vt_origin_verifiers(call->view, VT_SYSTEM_KEY_AUDIT_SIGN, verifiers, &verifier_count));
    vt_keyring_view_end(call->view);        /* the log needs no key, and epochs wait for views */
    call->view = NULL;
    const vault_status status = vt_audit_verify(call->txn, verifiers, verifier_count, &report);
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_CORRUPT, status);
    const struct vt_bytes root = vt_pool_copy(&call->scratch, vt_bytes(report.root.bytes, 32));
    VT_ENSURE(root.data != NULL, VAULT_E_MEMORY);
    VT_TRY(vt_put_bool(call, &map, "is_sound", status == VAULT_OK));
    VT_TRY(vt_put_int(call, &map, "size", (int64_t)report.entries));
    VT_TRY(vt_put_value(call, &map, "root", vt_value_bytes(root)));
    if (status != VAULT_OK) VT_TRY(put_fault(call, &report, &map));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_AUDIT_VERIFY = {.command = "audit.verify", .prepare = audit_verify_prepare};

/* certificate.* ------------------------------------------------------------------------------------------------------ */

/* By the vault's keys of all its incarnations; out comes that of the one which the certificate names. */
static VT_RESULT certificate_open(struct vt_call *call, struct vt_bytes file, struct vt_certificate *out_certificate,
                                  struct vt_note_verifier *out_verifier)
{
    struct vt_note_verifier verifiers[VT_VERIFIERS_MAX];
    char origin[VT_CERTIFICATE_ORIGIN_LEN];
    size_t count;
    VT_TRY(vt_certificate_verifiers(call->view, verifiers, &count));
    VT_TRY(vt_certificate_verify(&call->scratch, file, verifiers, count, out_certificate, &call->err));
    vt_certificate_origin_format(out_certificate->vault_id, out_certificate->incarnation, origin);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(verifiers[i].name, origin) != 0) continue;
        *out_verifier = verifiers[i];
        return VAULT_OK;
    }
    return VAULT_E_AUTHENTICITY;
}

static vault_status certificate_show_prepare(struct vt_call *call)
{
    struct vt_value map = vt_value_map(), view;
    struct vt_certificate certificate;
    struct vt_note_verifier verifier;
    VT_AUTO(vt_buf) note = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    VT_TRY(vt_certificate_get(call->txn, (uint64_t)vt_call_int(call, "number", 0), &note));
    VT_TRY(certificate_open(call, vt_buf_bytes(&note), &certificate, &verifier));
    VT_TRY(vt_certificate_view(&call->scratch, &certificate, &view));
    VT_TRY(vt_put_int(call, &map, "number", (int64_t)certificate.number));
    VT_TRY(vt_put_text(call, &map, "state", vt_certificate_state_name(certificate.state)));
    VT_TRY(vt_put_bytes_text(call, &map, "note", vt_buf_bytes(&note)));
    VT_TRY(vt_put_value(call, &map, "certificate", view));
    VT_TRY(put_verifier(call, &verifier, &map));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_CERTIFICATE_SHOW = {.command = "certificate.show", .prepare = certificate_show_prepare};

static vault_status certificate_verify_prepare(struct vt_call *call)
{
    struct vt_value map = vt_value_map();
    struct vt_certificate certificate;
    struct vt_note_verifier verifier;
    const vault_status status = certificate_open(call, vt_call_text(call, "note"), &certificate, &verifier);
    const bool is_judged = status == VAULT_OK || status == VAULT_E_AUTHENTICITY || status == VAULT_E_PARSE ||
                           status == VAULT_E_ARGUMENT || status == VAULT_E_FORMAT;
    VT_ENSURE(is_judged, status);
    VT_TRY(vt_put_bool(call, &map, "is_authentic", status == VAULT_OK));
    if (call->err.message[0] != '\0')
        VT_TRY(vt_put_bytes_text(call, &map, "reason", vt_bytes_str(call->err.message)));
    call->err = (struct vt_err){{0}, {0}};      /* the sentence is an answer here, not a failure of the call */
    if (status == VAULT_OK) VT_TRY(vt_put_text(call, &map, "state", vt_certificate_state_name(certificate.state)));
    if (status == VAULT_OK) VT_TRY(vt_put_int(call, &map, "number", (int64_t)certificate.number));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_CERTIFICATE_VERIFY = {.command = "certificate.verify",
                                                         .prepare = certificate_verify_prepare};
