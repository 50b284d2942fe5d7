/* What every back end shares: class names and receipts. */
#include "vaultd/core/keeper/keeper.h"

#include <inttypes.h>
#include <stdio.h>

#include "libvault/base/clock.h"
#include "libvault/codec/text.h"
#include "libvault/proof/note.h"

#define RECEIPT_FIRST_LINE "vaultd keeper receipt v1"

static const struct {
    const char *name;
    bool counts;
    const char *erasing;        /* what the keeper has done, in the receipt */
} classes[] = {
    [VT_KEEPER_E0] = {"E0", false, "logically overwritten in place; no promise about the medium"},
    [VT_KEEPER_E1] = {"E1", true, "overwritten on the raw medium and read back"},
    [VT_KEEPER_E2] = {"E2", true, "undefined in the TPM's non-volatile memory"},
    [VT_KEEPER_E3] = {"E3", true, "destroyed inside the hardware security module"},
    [VT_KEEPER_E4] = {"E4", true, "wiped from locked memory, where alone it was"},
    [VT_KEEPER_X] = {"X", false, "deleted; older copies may exist"},
};

const char *vt_keeper_class_name(enum vt_keeper_class keeper_class)
{
    return classes[keeper_class].name;
}

bool vt_keeper_class_counts_for_final(enum vt_keeper_class keeper_class)
{
    return classes[keeper_class].counts;
}

void vt_keeper_free(struct vt_keeper *keeper)
{
    if (keeper != NULL) keeper->ops->free(keeper);
}

/* Receipts -------------------------------------------------------------------------------------------------------- */

static VT_RESULT statement_text(const struct vt_keeper_statement *statement, struct vt_buf *text)
{
    char vault[33], attempt[33], time[VT_TIME_TEXT_LEN], kept[32] = "nothing";
    vt_hex_encode(VT_BYTES_OF(statement->vault_id), vault);
    vt_hex_encode(VT_BYTES_OF(statement->attempt), attempt);
    vt_time_format(statement->at_ms, time);
    if (statement->kept_k != 0)
        snprintf(kept, sizeof kept, "share %u, %u-of-%u", statement->kept_x, statement->kept_k, statement->kept_m);
    return vt_buf_printf(text,
                         RECEIPT_FIRST_LINE "\nkeeper: %016" PRIx64 "\nclass: %s\nvault: %s\nincarnation: %" PRIu64
                         "\nepoch: %" PRIu64 "\nattempt: %s\nkept: %s\nerased: every other share\nmethod: %s\n"
                         "floor commit: %" PRIu64 "\ntime: %s\n",
                         statement->keeper_id, classes[statement->keeper_class].name, vault, statement->incarnation,
                         statement->epoch, attempt, kept, classes[statement->keeper_class].erasing,
                         statement->floor_commit, time);
}

VT_RESULT vt_keeper_receipt_write(const struct vt_keeper_statement *statement, const struct vt_key *seed,
                                  struct vt_buf *out_note)
{
    VT_AUTO(vt_buf) text = VT_BUF_INIT(VT_KEEPER_RECEIPT_MAX);
    char name[64];
    snprintf(name, sizeof name, "vaultd-keeper/%016" PRIx64, statement->keeper_id);
    const struct vt_note_signer signer = {.name = name, .seed = seed};
    VT_TRY(statement_text(statement, &text));
    return vt_note_sign(vt_buf_bytes(&text), &signer, 1, out_note);
}

/* The value of the next line, which must be `key: value`. */
static bool take_line(struct vt_bytes *text, const char *label, struct vt_bytes *out_value)
{
    const size_t label_len = strlen(label);
    const uint8_t *end = text->len != 0 ? memchr(text->data, '\n', text->len) : NULL;
    if (end == NULL) return false;
    const struct vt_bytes line = vt_bytes(text->data, (size_t)(end - text->data));
    text->data += line.len + 1;
    text->len -= line.len + 1;
    if (line.len < label_len + 2 || memcmp(line.data, label, label_len) != 0 || memcmp(line.data + label_len, ": ", 2) != 0)
        return false;
    *out_value = vt_bytes(line.data + label_len + 2, line.len - label_len - 2);
    return true;
}

static bool take_number(struct vt_bytes *text, const char *label, uint64_t *out_number)
{
    struct vt_bytes digits;
    uint64_t number = 0;
    if (!take_line(text, label, &digits) || digits.len == 0) return false;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') return false;
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(digits.data[i] - '0'), &number))
            return false;
    }
    *out_number = number;
    return true;
}

static bool take_hex(struct vt_bytes *text, const char *label, uint8_t *out_bytes, size_t len)
{
    struct vt_bytes hex;
    return take_line(text, label, &hex) && vt_hex_decode(hex, out_bytes, len) == VAULT_OK;
}

static bool take_class(struct vt_bytes *text, enum vt_keeper_class *out_class)
{
    struct vt_bytes name;
    if (!take_line(text, "class", &name)) return false;
    for (size_t i = 0; i < VT_ARRAY_LEN(classes); i++) {
        if (!vt_bytes_equal_str(name, classes[i].name)) continue;
        *out_class = (enum vt_keeper_class)i;
        return true;
    }
    return false;
}

static bool take_kept(struct vt_bytes *text, struct vt_keeper_statement *statement)
{
    struct vt_bytes kept;
    char line[32] = "";
    unsigned x, k, m;
    int used = -1;
    if (!take_line(text, "kept", &kept) || kept.len >= sizeof line) return false;
    if (vt_bytes_equal_str(kept, "nothing")) return true;
    memcpy(line, kept.data, kept.len);
    if (sscanf(line, "share %3u, %3u-of-%3u%n", &x, &k, &m, &used) != 3 || used != (int)kept.len) return false;
    if (x == 0 || k == 0 || k > m || m > 255 || x > 255) return false;
    statement->kept_x = (uint8_t)x;
    statement->kept_k = (uint8_t)k;
    statement->kept_m = (uint8_t)m;
    return true;
}

/* The clock's text back to milliseconds is not needed by anybody: the time stays text that the signature covers. */
static bool statement_parse(struct vt_bytes text, struct vt_keeper_statement *out_statement)
{
    struct vt_keeper_statement statement = {0};
    uint8_t keeper_id[8];
    struct vt_bytes ignored;
    const size_t first_len = strlen(RECEIPT_FIRST_LINE "\n");
    if (text.len < first_len || memcmp(text.data, RECEIPT_FIRST_LINE "\n", first_len) != 0) return false;
    text = vt_bytes(text.data + first_len, text.len - first_len);
    const bool is_whole =
        take_hex(&text, "keeper", keeper_id, sizeof keeper_id) && take_class(&text, &statement.keeper_class) &&
        take_hex(&text, "vault", statement.vault_id.bytes, sizeof statement.vault_id.bytes) &&
        take_number(&text, "incarnation", &statement.incarnation) && take_number(&text, "epoch", &statement.epoch) &&
        take_hex(&text, "attempt", statement.attempt, sizeof statement.attempt) && take_kept(&text, &statement) &&
        take_line(&text, "erased", &ignored) && take_line(&text, "method", &ignored) &&
        take_number(&text, "floor commit", &statement.floor_commit) && take_line(&text, "time", &ignored) && text.len == 0;
    statement.keeper_id = vt_get_u64(keeper_id);
    if (is_whole) *out_statement = statement;
    return is_whole;
}

VT_RESULT vt_keeper_receipt_verify(struct vt_bytes note, const char *verifier_key,
                                   struct vt_keeper_statement *out_statement)
{
    struct vt_note_verifier verifier;
    struct vt_bytes text;
    VT_TRY(vt_note_verifier_parse(vt_bytes_str(verifier_key), &verifier));
    VT_TRY(vt_note_verify(note, &verifier, 1, &text, NULL));
    VT_ENSURE(statement_parse(text, out_statement), VAULT_E_PARSE);
    return VAULT_OK;
}
