/* libvault/schema/cmd_internal.h - the rows, one extern per command; commands.c lists them. Private to this folder. */
#pragma once
#include "libvault/schema/command.h"

#define VT_ALL_COMMANDS(X)                                                                                             \
    X(AUTH_LOGIN) X(VAULT_HEALTH) X(VAULT_VERSION) X(VAULT_STATUS) X(VAULT_INIT) X(VAULT_UNSEAL) X(VAULT_SEAL)          \
    X(KEY_ROTATE) X(KEY_STATUS) X(KEEPER_LIST) X(KEEPER_CHECK) X(KEEPER_CHANGE) X(EPOCH_STATUS) X(EPOCH_CLOSE)           \
    X(BACKUP_CREATE) X(BACKUP_VERIFY) X(BACKUP_LIST) X(BACKUP_RESTORE) X(STORE_CHECK) X(JOB_STATUS) X(CLOCK_SET)         \
    X(SUBJECT_CREATE) X(SUBJECT_SHOW) X(SUBJECT_LIST) X(SUBJECT_FIND) X(SUBJECT_EXPORT) X(SUBJECT_SHRED)                \
    X(SUBJECT_CANCEL_SHRED) X(RECORD_PUT) X(RECORD_GET) X(RECORD_LIST) X(RECORD_CORRECT) X(RECORD_DELETE)               \
    X(RECORD_IMPORT) X(RECORD_IMPORT_STATUS) X(SCHEMA_APPLY) X(SCHEMA_SHOW) X(SCHEMA_LIST)                              \
    X(TOKEN_CREATE) X(TOKEN_REVEAL) X(TOKEN_SHOW) X(TOKEN_DISABLE) X(TOKEN_ENABLE) X(TOKEN_REVOKE)                      \
    X(TEMPLATE_APPLY) X(TEMPLATE_SHOW) X(TEMPLATE_LIST) X(CREDENTIAL_CREATE) X(CREDENTIAL_LIST) X(CREDENTIAL_REVOKE)    \
    X(AUDIT_TAIL) X(AUDIT_PROVE) X(AUDIT_VERIFY) X(AUDIT_CHECKPOINT) X(AUDIT_EXPORT)                                    \
    X(CERTIFICATE_SHOW) X(CERTIFICATE_VERIFY)                                                                           \
    X(HOLD_PLACE) X(HOLD_RELEASE) X(HOLD_LIST) X(APPROVAL_GRANT) X(APPROVAL_DENY) X(APPROVAL_LIST)

#define VT_DECLARE_COMMAND(name) extern const struct vt_command VT_CMD_##name;
VT_ALL_COMMANDS(VT_DECLARE_COMMAND)
#undef VT_DECLARE_COMMAND
