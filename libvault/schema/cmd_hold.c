/* libvault/schema/cmd_hold.c - holds, which forbid destruction, and approvals, which some of it waits for. Ids 300 to 349. */
#include "libvault/schema/cmd_internal.h"

const struct vt_command VT_CMD_HOLD_PLACE = {
    .id = 300, .name = "hold.place", .summary = "Forbid destruction: of a subject, a category of it, or a category of everybody.",
    .since = "0.1", .scope = VT_SCOPE_HOLD, .effect = VT_WRITES, .flags = VT_STOPS_DESTRUCTION,
    .source = "FRCP 37(e); GDPR Art. 17(3)(e); docs/ERASURE.md",
    .args = VT_FIELDS({"subject", VT_T_EXTERNAL_ID, VT_PERSONAL | VT_POSITIONAL | VT_IDENTIFIES, 256, "who; absent with category: everybody"},
                      {"sid", VT_T_ID, VT_IDENTIFIES, 0, "internal id, instead"},
                      {"category", VT_T_TEXT, 0, 64, "only this category"},
                      {"reason", VT_T_NAME, VT_REQUIRED, 32, "code, e.g. litigation, authority, dispute"},
                      {"matter", VT_T_TEXT, VT_PERSONAL, 256, "the matter or the authority's reference; only a salted commitment is kept"}),
    .results = VT_FIELDS({"hold", VT_T_ID, VT_REQUIRED, 0, "its id"},
                         {"taken_back", VT_T_INT, VT_REQUIRED, 0, "pending shreds that it has cancelled: what they hid is readable again"},
                         {"salt", VT_T_TEXT, 0, 0, "hex; opens the commitment to the matter"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_ERASED, VAULT_E_LIMIT),
};

const struct vt_command VT_CMD_HOLD_RELEASE = {
    .id = 301, .name = "hold.release", .summary = "Ask to end a hold; it ends when somebody else approves.", .since = "0.1",
    .scope = VT_SCOPE_HOLD, .effect = VT_WRITES, .flags = VT_CONFIRM, .source = "docs/ERASURE.md",
    .args = VT_FIELDS({"hold", VT_T_ID, VT_REQUIRED | VT_POSITIONAL | VT_IDENTIFIES, 0, "its id"}),
    .results = VT_FIELDS({"approval", VT_T_ID, VT_REQUIRED, 0, "for approval.grant"},
                         {"expires_at", VT_T_TIME, VT_REQUIRED, 0, "until then somebody has to approve"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_LIMIT),
};

const struct vt_command VT_CMD_HOLD_LIST = {
    .id = 302, .name = "hold.list", .summary = "Holds in force.", .since = "0.1", .scope = VT_SCOPE_HOLD, .effect = VT_READS,
    .source = "docs/ERASURE.md",
    .args = VT_FIELDS({"limit", VT_T_INT, VT_POSITIVE, 1000, "at most so many; default 100"},
                      {"after", VT_T_ID, 0, 0, "continue behind this hold"}),
    .results = VT_FIELDS({"holds", VT_T_LIST, VT_REQUIRED, 0, "hold, sid (absent: everybody), category, reason, commitment, placed_by, placed_at"},
                         {"next", VT_T_ID, 0, 0, "pass as `after`; absent at the end"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND),
};

const struct vt_command VT_CMD_APPROVAL_GRANT = {
    .id = 310, .name = "approval.grant", .summary = "Approve what waits: never one's own request, and each credential once.",
    .since = "0.1", .scope = VT_SCOPE_APPROVE, .effect = VT_WRITES, .flags = VT_CONFIRM, .source = "docs/ERASURE.md",
    .args = VT_FIELDS({"approval", VT_T_ID, VT_REQUIRED | VT_POSITIONAL | VT_IDENTIFIES, 0, "its id"},
                      {"items", VT_T_INT, VT_REQUIRED, 0, "as approval.list shows: refused when it holds another number by now"}),
    .results = VT_FIELDS({"state", VT_T_NAME, VT_REQUIRED, 0, "waiting (for another grant), delayed or done"},
                         {"due_at", VT_T_TIME, 0, 0, "delayed: when it is carried out unless denied; later while the vault has not answered for an hour"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_APPROVAL, VAULT_E_STATE),
};

const struct vt_command VT_CMD_APPROVAL_DENY = {
    .id = 311, .name = "approval.deny", .summary = "Refuse what waits, or stop it in its delay.", .since = "0.1",
    .scope = VT_SCOPE_APPROVE, .effect = VT_WRITES, .flags = VT_STOPS_DESTRUCTION, .source = "docs/ERASURE.md",
    .args = VT_FIELDS({"approval", VT_T_ID, VT_REQUIRED | VT_POSITIONAL | VT_IDENTIFIES, 0, "its id"}),
    .results = VT_FIELDS({"state", VT_T_NAME, VT_REQUIRED, 0, "denied"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_STATE),
};

const struct vt_command VT_CMD_APPROVAL_LIST = {
    .id = 312, .name = "approval.list", .summary = "What waits for approval, and what has come of it.", .since = "0.1",
    .scope = VT_SCOPE_STATUS, .effect = VT_READS, .source = "docs/ERASURE.md",
    .args = VT_FIELDS({"approval", VT_T_ID, VT_IDENTIFIES, 0, "this one only"},
                      {"all", VT_T_BOOL, 0, 0, "ended ones, too"},
                      {"limit", VT_T_INT, VT_POSITIVE, 1000, "at most so many; default 100"},
                      {"after", VT_T_ID, 0, 0, "continue behind this one"}),
    .results = VT_FIELDS({"approvals", VT_T_LIST, VT_REQUIRED, 0,
                          "approval, kind, state, items, left_out, needed, granted, asked_by, asked_at, expires_at, due_at, object"},
                         {"next", VT_T_ID, 0, 0, "pass as `after`; absent at the end"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND),
};
