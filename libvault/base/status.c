#include "libvault/include/vault/status.h"

#include <stddef.h>

struct status_row {
    int number;
    const char *code;
    int http;
    int exit_code;
    int is_retryable;
    const char *text;
};

static const struct status_row STATUS_ROWS[] = {
#define VAULT_STATUS(name, number, code, http, exit_code, retry, text) {number, code, http, exit_code, retry, text},
#include "libvault/include/vault/status.def"
#undef VAULT_STATUS
};

static const struct status_row *status_row_find(long long number)
{
    for (size_t i = 0; i < sizeof STATUS_ROWS / sizeof STATUS_ROWS[0]; i++)
        if (STATUS_ROWS[i].number == number) return &STATUS_ROWS[i];
    return NULL;
}

const char *vault_status_code(vault_status status)
{
    const struct status_row *row = status_row_find(status);
    return row != NULL ? row->code : "unknown";
}

const char *vault_status_text(vault_status status)
{
    const struct status_row *row = status_row_find(status);
    return row != NULL ? row->text : "An unknown status.";
}

int vault_status_http(vault_status status)
{
    const struct status_row *row = status_row_find(status);
    return row != NULL ? row->http : 500;
}

int vault_status_exit(vault_status status)
{
    const struct status_row *row = status_row_find(status);
    return row != NULL ? row->exit_code : 1;
}

int vault_status_is_retryable(vault_status status)
{
    const struct status_row *row = status_row_find(status);
    return row != NULL && row->is_retryable;
}

vault_status vault_status_from_number(long long number)
{
    return status_row_find(number) != NULL ? (vault_status)number : VAULT_E_PROTOCOL;
}
