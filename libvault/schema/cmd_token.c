/* libvault/schema/cmd_token.c - tokens and their templates. Ids 200 to 249. */
#include "libvault/codec/limits.h"
#include "libvault/schema/cmd_internal.h"

const struct vt_command VT_CMD_TOKEN_CREATE = {
    .id = 200, .name = "token.create", .summary = "Store values and answer with tokens that stand in for them.", .since = "0.1",
    .scope = VT_SCOPE_TOKENIZE, .effect = VT_WRITES, .source = "docs/SCHEMAS.md; PCI DSS v4.0.1 requirement 3.5.1",
    .alias = "tokenize",
    .args = VT_FIELDS({"template", VT_T_NAME, VT_REQUIRED | VT_IDENTIFIES, 0, "how the token looks and behaves"},
                      {"value", VT_T_VALUE, VT_PERSONAL | VT_POSITIONAL, 0, "one value"},
                      {"values", VT_T_LIST, VT_PERSONAL, VT_LIMIT_BATCH_ITEMS, "or many"},
                      {"items", VT_T_LIST, VT_PERSONAL, VT_LIMIT_BATCH_ITEMS,
                       "or maps {value, subject?, record?} or {subject, record?} for a value already stored"},
                      {"subject", VT_T_EXTERNAL_ID, VT_PERSONAL | VT_IDENTIFIES, 256, "whose value it is; a value alone gets a subject of its own"},
                      {"record", VT_T_INT, VT_POSITIVE | VT_IDENTIFIES, 0, "tokenise the template's field of this stored record"}),
    .results = VT_FIELDS({"token", VT_T_TOKEN, 0, 0, "for one value"},
                         {"tokens", VT_T_LIST, 0, 0, "in order: {token} or {status, message}"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_INVALID_VALUE, VAULT_E_SHRED_PENDING, VAULT_E_LIMIT),
};

const struct vt_command VT_CMD_TOKEN_REVEAL = {
    .id = 201, .name = "token.reveal", .summary = "Answer with the values behind tokens, masked or plain.", .since = "0.1",
    .scope = VT_SCOPE_REVEAL, .effect = VT_READS, .flags = VT_NEEDS_PURPOSE, .source = "PCI DSS v4.0.1 requirement 3.4.1",
    .alias = "detokenize",
    .args = VT_FIELDS({"token", VT_T_TOKEN, VT_POSITIONAL | VT_IDENTIFIES, 0, "one token"},
                      {"tokens", VT_T_LIST_OF_TOKEN, VT_IDENTIFIES, VT_LIMIT_BATCH_ITEMS, "or many"},
                      {"view", VT_T_NAME, 0, 0, "plain, masked (default), last4 or redacted"}),
    .results = VT_FIELDS({"value", VT_T_VALUE, VT_PERSONAL, 0, "for one token"},
                         {"values", VT_T_LIST, VT_PERSONAL, 0, "in order: {value} or {status, message, certificate?}"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_ERASED, VAULT_E_SHRED_PENDING, VAULT_E_DISABLED),
};

const struct vt_command VT_CMD_TOKEN_SHOW = {
    .id = 202, .name = "token.show", .summary = "What a token is, without its value.", .since = "0.1", .scope = VT_SCOPE_REVEAL,
    .effect = VT_READS, .source = "docs/PROTOCOL.md",
    .args = VT_FIELDS({"token", VT_T_TOKEN, VT_REQUIRED | VT_POSITIONAL | VT_IDENTIFIES, 0, "the token"}),
    .results = VT_FIELDS({"template", VT_T_NAME, VT_REQUIRED, 0, "its template"},
                         {"state", VT_T_NAME, VT_REQUIRED, 0, "live, disabled, revoked or erased"},
                         {"created_at", VT_T_TIME, VT_REQUIRED, 0, "creation"}, {"certificate", VT_T_INT, 0, 0, "when erased"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_ERASED),
};

#define TOKEN_STATE_COMMAND(id_, name_, summary_, effect_, flags_)                                                     \
    {                                                                                                                  \
        .id = id_, .name = name_, .summary = summary_, .since = "0.1", .scope = VT_SCOPE_TOKENIZE, .effect = effect_,    \
        .flags = flags_, .source = "docs/PROTOCOL.md",                                                                 \
        .args = VT_FIELDS({"token", VT_T_TOKEN, VT_POSITIONAL | VT_IDENTIFIES, 0, "one token"},                                        \
                          {"tokens", VT_T_LIST_OF_TOKEN, VT_IDENTIFIES, VT_LIMIT_BATCH_ITEMS, "or many"}),                         \
        .results = VT_FIELDS({"changed", VT_T_INT, VT_REQUIRED, 0, "tokens whose state changed"},                      \
                             {"items", VT_T_LIST, 0, 0, "per token: {state} or {status, message}"}),                   \
        .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_STATE, VAULT_E_ERASED),                                         \
    }
const struct vt_command VT_CMD_TOKEN_DISABLE =
    TOKEN_STATE_COMMAND(203, "token.disable", "Stop a token from revealing, for now.", VT_WRITES, 0);
const struct vt_command VT_CMD_TOKEN_ENABLE =
    TOKEN_STATE_COMMAND(204, "token.enable", "Let a disabled token reveal again.", VT_WRITES, 0);
const struct vt_command VT_CMD_TOKEN_REVOKE =
    TOKEN_STATE_COMMAND(205, "token.revoke", "End a token for ever; its value stays.", VT_DESTROYS, VT_CONFIRM);

const struct vt_command VT_CMD_TEMPLATE_APPLY = {
    .id = 210, .name = "template.apply", .summary = "Create token templates from a file; one that is applied never changes.", .since = "0.1",
    .scope = VT_SCOPE_ADMIN, .effect = VT_WRITES, .source = "docs/SCHEMAS.md",
    .args = VT_FIELDS({"template", VT_T_TEXT, VT_REQUIRED | VT_FROM_FILE | VT_POSITIONAL, VT_LIMIT_YAML_BYTES, "YAML"}),
    .results = VT_FIELDS({"templates", VT_T_LIST, VT_REQUIRED, 0, "name, created or unchanged"}),
    .errors = VT_ERRORS(VAULT_E_PARSE, VAULT_E_UNKNOWN_FIELD, VAULT_E_NOT_FOUND, VAULT_E_STATE),
};

const struct vt_command VT_CMD_TEMPLATE_SHOW = {
    .id = 211, .name = "template.show", .summary = "One token template.", .since = "0.1", .scope = VT_SCOPE_NONE,
    .effect = VT_READS, .source = "docs/SCHEMAS.md",
    .args = VT_FIELDS({"name", VT_T_NAME, VT_REQUIRED | VT_POSITIONAL | VT_IDENTIFIES, 0, "its name"}),
    .results = VT_FIELDS({"template", VT_T_MAP, VT_REQUIRED, 0, "as applied"}), .errors = VT_ERRORS(VAULT_E_NOT_FOUND),
};

const struct vt_command VT_CMD_TEMPLATE_LIST = {
    .id = 212, .name = "template.list", .summary = "All token templates.", .since = "0.1", .scope = VT_SCOPE_NONE,
    .effect = VT_READS, .source = "docs/SCHEMAS.md",
    .results = VT_FIELDS({"templates", VT_T_LIST, VT_REQUIRED, 0, "as applied"}),
};
