/* The configuration file: any text is read or refused with a sentence that names the line, and what was read prints as a list
 * of settings that stays within the ranges of the table. */
#include "tests/fuzz/fuzz.h"
#include "vaultd/config/config.h"

enum { TEXT_MAX = 1 << 20 };

static bool is_refusal(vault_status status)
{
    return status == VAULT_E_PARSE || status == VAULT_E_ARGUMENT || status == VAULT_E_TYPE || status == VAULT_E_INVALID_VALUE ||
           status == VAULT_E_TOO_LARGE;
}

static void check_ranges(const struct vt_config *config)
{
    for (int i = 0; i < VT_SET_COUNT; i++) {
        const struct vt_setting_row *row = &VT_SETTINGS[i];
        if (row->kind != VT_SETTING_INT) continue;
        const int64_t value = vt_config_int(config, (enum vt_setting)i);
        FUZZ_CHECK(value >= row->least && value <= row->most);
    }
    for (size_t i = 0; i < vt_config_keeper_count(config); i++) {
        FUZZ_CHECK(vt_config_keeper(config, i)->name[0] != '\0');
        FUZZ_CHECK(vt_config_keeper(config, i)->path[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    VT_AUTO_PTR(vt_config) config = NULL;
    VT_AUTO(vt_buf) printed = VT_BUF_INIT(TEXT_MAX);
    struct vt_err err = {{0}, {0}};
    FUZZ_CHECK(vt_config_new(&config) == VAULT_OK);
    const vault_status status = vt_config_read(config, "vaultd.yaml", vt_bytes(data, len), &err);
    FUZZ_CHECK(status == VAULT_OK || is_refusal(status));
    FUZZ_CHECK((status == VAULT_OK) == (err.message[0] == '\0'));
    if (status != VAULT_OK) return 0;
    check_ranges(config);
    const vault_status checked = vt_config_check(config, false, &err);
    FUZZ_CHECK(checked == VAULT_OK || is_refusal(checked));
    FUZZ_CHECK((checked == VAULT_OK) == (err.message[0] == '\0'));
    const vault_status print = vt_config_print(config, &printed);
    FUZZ_CHECK(print == VAULT_OK || print == VAULT_E_TOO_LARGE);
    return 0;
}
