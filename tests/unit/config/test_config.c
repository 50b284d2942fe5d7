#include "tests/support/suite.h"
#include "vaultd/config/config.h"

enum { TEXT_MAX = 64 * 1024 };

static struct vt_config *fresh(void)
{
    struct vt_config *config;
    ck_assert_ok(vt_config_new(&config));
    return config;
}

static vault_status read_text(struct vt_config *config, const char *yaml, struct vt_err *err)
{
    return vt_config_read(config, "f.yaml", vt_bytes_str(yaml), err);
}

#define KEEPER_KEYS                                                                                                    \
    "f.yaml line 1: A keeper has the key name and one of file, raw and remote, with remote also verifier, all text, "  \
    "and no others."
#define VERIFIER "vaultd-keeper/0123456789abcdef+568ccd5b+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
#define COMPLETE                                                                                                       \
    "data_dir: /v\n"                                                                                                   \
    "tls: {certificate: /c, key: /k}\n"                                                                                \
    "keepers: [{name: a, file: /a}, {name: b, raw: /b}]\n"

START_TEST(a_file_of_comments_leaves_every_default)
{
    VT_AUTO_PTR(vt_config) config = fresh();
    ck_assert_ok(read_text(config, "# nothing\n", NULL));
    ck_assert_str_eq(vt_config_text(config, VT_SET_LISTEN), "127.0.0.1:7470");
    ck_assert_ptr_null(vt_config_text(config, VT_SET_DATA_DIR));
    ck_assert_int_eq(vt_config_int(config, VT_SET_COMMITTER_QUEUE), 4096);
    ck_assert(!vt_config_is_set(config, VT_SET_LISTEN));
    size_t count = 7;
    ck_assert_ptr_null(vt_config_names(config, VT_SET_PURPOSES, &count));
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(every_default_is_within_its_range)
{
    VT_AUTO_PTR(vt_config) config = fresh();
    for (int i = 0; i < VT_SET_COUNT; i++) {
        const struct vt_setting_row *row = &VT_SETTINGS[i];
        ck_assert_msg(row->name != NULL && row->doc != NULL, "row %d", i);
        if (row->kind != VT_SETTING_INT) continue;
        ck_assert_int_ge(vt_config_int(config, (enum vt_setting)i), row->least);
        ck_assert_int_le(vt_config_int(config, (enum vt_setting)i), row->most);
    }
}
END_TEST

START_TEST(a_complete_file_reads_as_its_settings)
{
    VT_AUTO_PTR(vt_config) config = fresh();
    ck_assert_ok(read_text(config, COMPLETE "quorum: 2\npurposes: [billing, service]\njournal:\n  dir: /j\n  sync_interval_ms: 5\n",
                           NULL));
    ck_assert_ok(vt_config_check(config, false, NULL));
    ck_assert_str_eq(vt_config_text(config, VT_SET_TLS_KEY), "/k");
    ck_assert_str_eq(vt_config_text(config, VT_SET_JOURNAL_DIR), "/j");
    ck_assert_int_eq(vt_config_int(config, VT_SET_JOURNAL_SYNC_INTERVAL_MS), 5);
    ck_assert_uint_eq(vt_config_keeper_count(config), 2);
    ck_assert_str_eq(vt_config_keeper(config, 1)->name, "b");
    ck_assert_str_eq(vt_config_keeper(config, 0)->kind, "file");
    ck_assert_str_eq(vt_config_keeper(config, 1)->kind, "raw");
    ck_assert_str_eq(vt_config_keeper(config, 1)->path, "/b");
    size_t count;
    const char *const *names = vt_config_names(config, VT_SET_PURPOSES, &count);
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(names[0], "billing");
}
END_TEST

START_TEST(what_is_wrong_in_the_file_is_refused_with_its_line)
{
    static const struct {
        const char *yaml;
        vault_status status;
        const char *message;
    } rows[] = {
        {"lisen: x\n", VAULT_E_ARGUMENT,
         "f.yaml line 1: There is no setting lisen; --sample-config shows every setting."},
        {"\n\ntls: {certifcate: x}\n", VAULT_E_ARGUMENT,
         "f.yaml line 3: There is no setting tls.certifcate; --sample-config shows every setting."},
        {"tls.key: x\n", VAULT_E_ARGUMENT,
         "f.yaml line 1: There is no setting tls.key: a setting of a group stands in the map of its group."},
        {"\"\\e[2J\": x\n", VAULT_E_ARGUMENT, "f.yaml line 1: There is no setting of that name."},
        {"threads: {network: 1, x: 1}\n", VAULT_E_ARGUMENT,
         "f.yaml line 1: There is no setting threads.x; --sample-config shows every setting."},
        {"tls: x\n", VAULT_E_TYPE, "f.yaml line 1: The value must be a map of settings."},
        {"listen: 7470\n", VAULT_E_TYPE, "f.yaml line 1: The value must be text."},
        {"listen: 127.0.0.1:99999\n", VAULT_E_INVALID_VALUE,
         "f.yaml line 1: listen must be HOST:PORT or [IPv6]:PORT, the port 0 to 65535."},
        {"listen: ''\n", VAULT_E_INVALID_VALUE, "f.yaml line 1: The text is empty or too long."},
        {"quorum: two\n", VAULT_E_TYPE, "f.yaml line 1: The value must be a whole number."},
        {"quorum: 1.5\n", VAULT_E_TYPE, "f.yaml line 1: The value must be a whole number."},
        {"quorum: '1'\n", VAULT_E_TYPE, "f.yaml line 1: The value must be a whole number."},
        {"quorum: 0\n", VAULT_E_INVALID_VALUE, "f.yaml line 1: quorum must be from 1 to 16."},
        {"quorum: 17\n", VAULT_E_INVALID_VALUE, "f.yaml line 1: quorum must be from 1 to 16."},
        {"quorum: -1\n", VAULT_E_INVALID_VALUE, "f.yaml line 1: quorum must be from 1 to 16."},
        {"threads:\n  workers: 17\n", VAULT_E_INVALID_VALUE, "f.yaml line 2: threads.workers must be from 1 to 16."},
        {"log: {level: loud}\n", VAULT_E_INVALID_VALUE, "f.yaml line 1: log.level must be error, warn, info or debug."},
        {"purposes: billing\n", VAULT_E_TYPE, "f.yaml line 1: purposes is a list of names."},
        {"purposes: []\n", VAULT_E_INVALID_VALUE, "f.yaml line 1: purposes has from 1 to 256 names."},
        {"purposes:\n- billing\n- Not A Name\n", VAULT_E_INVALID_VALUE,
         "f.yaml line 3: A purpose is a name: a-z, then a-z, 0-9, _ . or -."},
        {"purposes: [a, a]\n", VAULT_E_INVALID_VALUE, "f.yaml line 1: A purpose stands in the list twice."},
        {"keepers: /a\n", VAULT_E_TYPE, "f.yaml line 1: keepers is a list of maps with name and file, raw or remote."},
        {"keepers: []\n", VAULT_E_INVALID_VALUE, "f.yaml line 1: keepers has from 1 to 16 entries."},
        {"keepers: [/a]\n", VAULT_E_TYPE,
         KEEPER_KEYS},
        {"keepers: [{name: a}]\n", VAULT_E_TYPE,
         KEEPER_KEYS},
        {"keepers: [{name: a, tape: /a}]\n", VAULT_E_TYPE,
         KEEPER_KEYS},
        {"keepers: [{name: a, remote: '127.0.0.1:1'}]\n", VAULT_E_TYPE, KEEPER_KEYS},
        {"keepers: [{name: a, file: /a, verifier: '" VERIFIER "'}]\n", VAULT_E_TYPE, KEEPER_KEYS},
        {"keepers: [{name: a, remote: 'host:7471', verifier: '" VERIFIER "'}]\n", VAULT_E_INVALID_VALUE,
         "f.yaml line 1: The place of a remote keeper must be IP:PORT or [IPv6]:PORT."},
        {"keepers: [{name: a, remote: '127.0.0.1:1', verifier: 'vaultd-keeper/1+2+3'}]\n", VAULT_E_INVALID_VALUE,
         "f.yaml line 1: The verifier of a remote keeper is the text that vaultd --keeper prints behind verifier= at its start."},
        {"keeper: {vaults: 12}\n", VAULT_E_TYPE, "f.yaml line 1: keeper.vaults is a list of fingerprints."},
        {"keeper: {vaults: []}\n", VAULT_E_INVALID_VALUE, "f.yaml line 1: keeper.vaults has from 1 to 8 fingerprints."},
        {"keeper: {vaults: [ab]}\n", VAULT_E_INVALID_VALUE,
         "f.yaml line 1: A fingerprint is the SHA-256 of a TLS certificate in DER: 64 hex digits, in quotes when all are decimal."},
        {"keeper: {name: a b}\n", VAULT_E_INVALID_VALUE, "f.yaml line 1: A keeper's name is 1 to 64 visible ASCII characters."},
        {"keeper: {listen: 'localhost:7471'}\n", VAULT_E_INVALID_VALUE,
         "f.yaml line 1: keeper.listen must be IP:PORT or [IPv6]:PORT, the port 0 to 65535."},
        {"remote: {deadline_ms: 99}\n", VAULT_E_INVALID_VALUE, "f.yaml line 1: remote.deadline_ms must be from 100 to 60000."},
        {"keepers: [{name: a, file: /a, x: 1}]\n", VAULT_E_TYPE,
         KEEPER_KEYS},
        {"keepers: [{name: 'a b', file: /a}]\n", VAULT_E_INVALID_VALUE,
         "f.yaml line 1: A keeper's name is 1 to 64 visible ASCII characters."},
        {"keepers: [{name: a, file: ''}]\n", VAULT_E_INVALID_VALUE, "f.yaml line 1: The text is empty or too long."},
        {"keepers:\n- {name: a, file: /a}\n- {name: a, file: /b}\n", VAULT_E_INVALID_VALUE,
         "f.yaml line 3: Two keepers have one name or one place."},
        {"keepers: [{name: a, file: /a}, {name: b, file: /a}]\n", VAULT_E_INVALID_VALUE,
         "f.yaml line 1: Two keepers have one name or one place."},
        {"- listen\n", VAULT_E_TYPE, "f.yaml line 1: The file must be a map of settings."},
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(rows); i++) {
        VT_AUTO_PTR(vt_config) config = fresh();
        struct vt_err err = {0};
        const vault_status status = read_text(config, rows[i].yaml, &err);
        ck_assert_msg(status == rows[i].status, "%s gave %s", rows[i].yaml, vault_status_code(status));
        ck_assert_str_eq(err.message, rows[i].message);
    }
}
END_TEST

START_TEST(what_is_no_yaml_or_has_a_key_twice_is_refused_with_file_and_line)
{
    static const char *const texts[] = {"listen: [", "a: 1\na: 2\n", "listen: &x y\n", "\t"};
    for (size_t i = 0; i < VT_ARRAY_LEN(texts); i++) {
        VT_AUTO_PTR(vt_config) config = fresh();
        struct vt_err err = {0};
        ck_assert_status(read_text(config, texts[i], &err), VAULT_E_PARSE);
        ck_assert_ptr_eq(strstr(err.message, "f.yaml: Line "), err.message);
    }
}
END_TEST

START_TEST(seventeen_keepers_are_one_too_many)
{
    VT_AUTO_PTR(vt_config) config = fresh();
    VT_AUTO(vt_buf) text = VT_BUF_INIT(TEXT_MAX);
    ck_assert_ok(vt_buf_append_str(&text, "keepers:\n"));
    for (int i = 0; i < 17; i++) ck_assert_ok(vt_buf_printf(&text, "- {name: k%d, file: /k%d}\n", i, i));
    struct vt_err err = {0};
    ck_assert_status(vt_config_read(config, "f.yaml", vt_buf_bytes(&text), &err), VAULT_E_INVALID_VALUE);
    ck_assert_str_eq(err.message, "f.yaml line 18: keepers has from 1 to 16 entries.");
}
END_TEST

START_TEST(a_file_that_is_not_there_is_named)
{
    VT_AUTO_PTR(vt_config) config = fresh();
    struct vt_err err = {0};
    ck_assert_status(vt_config_read_file(config, "/nonexistent/vaultd.yaml", &err), VAULT_E_IO);
    ck_assert_str_eq(err.message, "The file /nonexistent/vaultd.yaml cannot be opened: No such file or directory.");
}
END_TEST

START_TEST(each_required_setting_is_missed_by_name)
{
    static const struct {
        const char *yaml;
        const char *field;
    } rows[] = {
        {"tls: {certificate: /c, key: /k}\nkeepers: [{name: a, file: /a}]\n", "data_dir"},
        {"data_dir: /v\ntls: {key: /k}\nkeepers: [{name: a, file: /a}]\n", "tls.certificate"},
        {"data_dir: /v\ntls: {certificate: /c}\nkeepers: [{name: a, file: /a}]\n", "tls.key"},
        {"data_dir: /v\ntls: {certificate: /c, key: /k}\n", "keepers"},
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(rows); i++) {
        VT_AUTO_PTR(vt_config) config = fresh();
        struct vt_err err = {0};
        ck_assert_ok(read_text(config, rows[i].yaml, NULL));
        ck_assert_status(vt_config_check(config, false, &err), VAULT_E_ARGUMENT);
        ck_assert_str_eq(err.field, rows[i].field);
    }
}
END_TEST

START_TEST(more_memory_for_one_connection_than_for_all_is_refused)
{
    static const struct {
        const char *text;
        vault_status status;
    } CASES[] = {{COMPLETE "connections: {memory_mib: 64, memory_total_mib: 63}\n", VAULT_E_INVALID_VALUE},
                 {COMPLETE "connections: {memory_mib: 513}\n", VAULT_E_INVALID_VALUE},
                 {COMPLETE "connections: {memory_mib: 64, memory_total_mib: 64}\n", VAULT_OK}};
    for (size_t i = 0; i < VT_ARRAY_LEN(CASES); i++) {
        VT_AUTO_PTR(vt_config) config = fresh();
        struct vt_err err = {{0}, {0}};
        ck_assert_ok(read_text(config, CASES[i].text, NULL));
        ck_assert_status(vt_config_check(config, false, &err), CASES[i].status);
        ck_assert_str_eq(err.field, CASES[i].status == VAULT_OK ? "" : "connections.memory_mib");
    }
}
END_TEST

START_TEST(outside_dev_mode_the_brake_is_on_and_leaves_time_to_look)
{
    static const struct {
        const char *text, *field;
        vault_status in_dev, otherwise;
    } CASES[] = {{COMPLETE "brake: {mode: off}\n", "brake.mode", VAULT_OK, VAULT_E_INVALID_VALUE},
                 {COMPLETE "brake: {delay_s: 3599}\n", "brake.delay_s", VAULT_OK, VAULT_E_INVALID_VALUE},
                 {COMPLETE "brake: {mode: on, delay_s: 3600, shreds_per_hour: 5}\n", "", VAULT_OK, VAULT_OK},
                 {COMPLETE, "", VAULT_OK, VAULT_OK}};
    for (size_t i = 0; i < VT_ARRAY_LEN(CASES); i++) {
        VT_AUTO_PTR(vt_config) config = fresh();
        struct vt_err err = {{0}, {0}};
        ck_assert_ok(read_text(config, CASES[i].text, NULL));
        ck_assert_status(vt_config_check(config, true, &err), CASES[i].in_dev);
        ck_assert_status(vt_config_check(config, false, &err), CASES[i].otherwise);
        ck_assert_str_eq(err.field, CASES[i].field);
    }
    VT_AUTO_PTR(vt_config) config = fresh();
    ck_assert_status(read_text(config, COMPLETE "brake: {mode: sometimes}\n", NULL), VAULT_E_INVALID_VALUE);
    ck_assert_status(read_text(config, COMPLETE "brake: {shreds_per_hour: 1001}\n", NULL), VAULT_E_INVALID_VALUE);
}
END_TEST

START_TEST(a_listener_is_a_host_and_a_port)
{
    static const char *const good[] = {"127.0.0.1:7470", "vault.example.org:0", "[::1]:65535", "[::]:00080"};
    static const char *const bad[] = {"127.0.0.1",  "127.0.0.1:", ":7470",     "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:http",
                                      "[]:7470",    "::1:7470",   "a:1 ",      "a:+1",            "a:000001",     "7470"};
    for (size_t i = 0; i < VT_ARRAY_LEN(good) + VT_ARRAY_LEN(bad); i++) {
        VT_AUTO_PTR(vt_config) config = fresh();
        struct vt_err err = {0};
        const bool is_good = i < VT_ARRAY_LEN(good);
        const char *listen = is_good ? good[i] : bad[i - VT_ARRAY_LEN(good)];
        const vault_status status = vt_config_set(config, VT_SET_LISTEN, "--listen", listen, &err);
        ck_assert_msg(status == (is_good ? VAULT_OK : VAULT_E_INVALID_VALUE), "%s", listen);
        ck_assert_str_eq(err.field, is_good ? "" : "listen");
    }
}
END_TEST

START_TEST(a_keeper_in_the_data_directory_is_refused_outside_dev_mode)
{
    static const struct {
        const char *dir, *keeper;
        bool is_inside;
    } CASES[] = {{"/v", "/v/keeper/k", true},   {"/v/", "/v/k", true},       {"/v", "//v/./k", true},    {"./v", "v/k", true},
                 {"/", "/k", true},             {"/v", "/v2/k", false},      {"/v/a", "/v/k", false},    {"v", "/v/k", false},
                 {"/v", "/k/v", false},         {"/v/data", "/v/data.k", false}, {".", "k", true},       {"/v", "/w", false},
                 {"/v", "/v/../w/k", false},    {"/v", "/v/a/../../k", false}, {"/v", "/v/..k/k", true}, {".", "../k", false},
                 {"/v", "/v/a/../k", true},     {"/x/../v", "/v/k", true},    {"/x/../v", "/x/v/k", false}, {"/v/..", "/w", true},
                 {"/../v", "/v/k", true},       {"v/../w", "./w/k", true},    {"../v", "../v/k", true},  {"../v", "v/k", false},
                 {"..", "k", true},             {"..", "../k", true},         {"..", "../../k", false},  {"v", "../v/k", false},
                 {"/v", "/v/a/..", false},      {"/v/a/..", "/v/ab", true},   {"/v/a", "/v/ab/../k", false}};
    for (size_t i = 0; i < VT_ARRAY_LEN(CASES); i++) {
        VT_AUTO_PTR(vt_config) config = fresh();
        struct vt_err err = {0};
        ck_assert_ok(read_text(config, COMPLETE, NULL));
        ck_assert_ok(vt_config_set(config, VT_SET_DATA_DIR, "--data", CASES[i].dir, NULL));
        ck_assert_ok(vt_config_set(config, VT_SET_KEEPERS, "--keeper-file", CASES[i].keeper, NULL));
        const vault_status wanted = CASES[i].is_inside ? VAULT_E_INVALID_VALUE : VAULT_OK;
        ck_assert_msg(vt_config_check(config, false, &err) == wanted, "%s %s", CASES[i].dir, CASES[i].keeper);
        ck_assert_str_eq(err.field, CASES[i].is_inside ? "keepers" : "");
        ck_assert_ok(vt_config_check(config, true, NULL));
    }
}
END_TEST

START_TEST(a_quorum_larger_than_the_keepers_is_refused)
{
    VT_AUTO_PTR(vt_config) config = fresh();
    struct vt_err err = {0};
    ck_assert_ok(read_text(config, COMPLETE "quorum: 3\n", NULL));
    ck_assert_status(vt_config_check(config, false, &err), VAULT_E_INVALID_VALUE);
    ck_assert_str_eq(err.field, "quorum");
}
END_TEST

START_TEST(flags_override_the_file_and_keeper_flags_replace_its_list)
{
    VT_AUTO_PTR(vt_config) config = fresh();
    ck_assert_ok(read_text(config, COMPLETE "listen: 1.2.3.4:5\n", NULL));
    ck_assert_ok(vt_config_set(config, VT_SET_LISTEN, "--listen", "127.0.0.1:0", NULL));
    ck_assert_ok(vt_config_set(config, VT_SET_KEEPERS, "--keeper-file", "/x", NULL));
    ck_assert_ok(vt_config_set(config, VT_SET_KEEPERS, "--keeper-file", "/y", NULL));
    ck_assert_str_eq(vt_config_text(config, VT_SET_LISTEN), "127.0.0.1:0");
    ck_assert_uint_eq(vt_config_keeper_count(config), 2);
    ck_assert_str_eq(vt_config_keeper(config, 0)->path, "/x");
    ck_assert_str_eq(vt_config_keeper(config, 1)->name, "keeper-2");
}
END_TEST

START_TEST(a_flag_that_does_not_fit_is_refused_by_its_name)
{
    VT_AUTO_PTR(vt_config) config = fresh();
    struct vt_err err = {0};
    ck_assert_status(vt_config_set(config, VT_SET_QUORUM, "--quorum", "17", &err), VAULT_E_INVALID_VALUE);
    ck_assert_str_eq(err.message, "--quorum: quorum must be from 1 to 16.");
    ck_assert_status(vt_config_set(config, VT_SET_QUORUM, "--quorum", "1x", &err), VAULT_E_TYPE);
    ck_assert_status(vt_config_set(config, VT_SET_QUORUM, "--quorum", "", &err), VAULT_E_TYPE);
    ck_assert_status(vt_config_set(config, VT_SET_QUORUM, "--quorum", "99999999999999999999", &err), VAULT_E_TYPE);
    ck_assert_status(vt_config_set(config, VT_SET_LISTEN, "--listen", "", &err), VAULT_E_INVALID_VALUE);
    ck_assert_status(vt_config_set(config, VT_SET_PURPOSES, "--purposes", "x", &err), VAULT_E_UNSUPPORTED);
    ck_assert_int_eq(vt_config_int(config, VT_SET_QUORUM), 1);
}
END_TEST

#define REMOTE(name, port) "{name: " name ", remote: '127.0.0.1:" port "', verifier: '" VERIFIER "'}"
#define BESIDES "data_dir: /v\ntls: {certificate: /c, key: /k}\n"

START_TEST(a_remote_keeper_has_an_address_and_a_verifier)
{
    VT_AUTO_PTR(vt_config) config = fresh();
    ck_assert_ok(read_text(config, BESIDES "keepers: [{name: a, file: /a}, " REMOTE("b", "1") ", {name: c, remote: '[::1]:2', "
                           "verifier: '" VERIFIER "'}]\nquorum: 2\nremote: {ca: /a, certificate: /b, key: /c}\n", NULL));
    ck_assert_ok(vt_config_check(config, false, NULL));
    ck_assert_ptr_null(vt_config_keeper(config, 0)->verifier);
    ck_assert_str_eq(vt_config_keeper(config, 1)->kind, "remote");
    ck_assert_str_eq(vt_config_keeper(config, 1)->path, "127.0.0.1:1");
    ck_assert_str_eq(vt_config_keeper(config, 1)->verifier, VERIFIER);
    ck_assert_str_eq(vt_config_keeper(config, 2)->path, "[::1]:2");
    ck_assert_int_eq(vt_config_int(config, VT_SET_REMOTE_DEADLINE_MS), 5000);
}
END_TEST

START_TEST(remote_keepers_need_a_certificate_and_one_to_spare)
{
    static const struct {
        const char *yaml, *field;
        vault_status status;
    } CASES[] = {
        {BESIDES "keepers: [" REMOTE("a", "1") "]\nremote: {ca: /a, certificate: /b, key: /c}\n", "quorum", VAULT_E_INVALID_VALUE},
        {BESIDES "keepers: [" REMOTE("a", "1") ", " REMOTE("b", "2") "]\nquorum: 2\nremote: {ca: /a, certificate: /b, key: /c}\n",
         "quorum", VAULT_E_INVALID_VALUE},
        {BESIDES "keepers: [{name: a, file: /a}, " REMOTE("b", "2") "]\nquorum: 2\nremote: {ca: /a, certificate: /b, key: /c}\n",
         "quorum", VAULT_E_INVALID_VALUE},
        {BESIDES "keepers: [{name: a, file: /a}, " REMOTE("b", "2") "]\n", "remote.ca", VAULT_E_ARGUMENT},
        {BESIDES "keepers: [{name: a, file: /a}, " REMOTE("b", "2") "]\nremote: {ca: /a, key: /c}\n", "remote.certificate",
         VAULT_E_ARGUMENT},
        {BESIDES "keepers: [{name: a, file: /a}, " REMOTE("b", "2") "]\nremote: {ca: /a, certificate: /c}\n", "remote.key",
         VAULT_E_ARGUMENT},
        {BESIDES "keepers: [{name: a, file: /a}, " REMOTE("b", "2") "]\nremote: {ca: /a, certificate: /b, key: /c}\n", "",
         VAULT_OK},
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(CASES); i++) {
        VT_AUTO_PTR(vt_config) config = fresh();
        struct vt_err err = {{0}, {0}};
        ck_assert_ok(read_text(config, CASES[i].yaml, NULL));
        ck_assert_status(vt_config_check(config, false, &err), CASES[i].status);
        ck_assert_str_eq(err.field, CASES[i].field);
    }
}
END_TEST

#define FINGERPRINT "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define OF_A_KEEPER BESIDES "keeper: {name: far, client_ca: /a, vaults: [" FINGERPRINT "], listen: '0.0.0.0:7471'}\n"

START_TEST(a_vault_refuses_the_settings_of_a_keepers_process)
{
    static const struct {
        const char *yaml, *field;
    } CASES[] = {{"keeper: {name: far}\n", "keeper.name"},
                 {"keeper: {listen: '0.0.0.0:7471'}\n", "keeper.listen"},
                 {"keeper: {client_ca: /a}\n", "keeper.client_ca"},
                 {"keeper: {vaults: [" FINGERPRINT "]}\n", "keeper.vaults"}};
    for (size_t i = 0; i < VT_ARRAY_LEN(CASES); i++) {
        VT_AUTO_PTR(vt_config) config = fresh();
        struct vt_err err = {{0}, {0}};
        ck_assert_ok(read_text(config, COMPLETE, NULL));
        ck_assert_ok(read_text(config, CASES[i].yaml, NULL));
        ck_assert_status(vt_config_check(config, false, &err), VAULT_E_ARGUMENT);
        ck_assert_str_eq(err.field, CASES[i].field);
        ck_assert_status(vt_config_check(config, true, &err), VAULT_E_ARGUMENT);
    }
}
END_TEST

START_TEST(a_keepers_process_has_settings_of_its_own)
{
    VT_AUTO_PTR(vt_config) config = fresh();
    size_t count;
    ck_assert_ok(read_text(config, OF_A_KEEPER "timeouts: {idle_ms: 1000}\nlog: {level: warn}\n", NULL));
    ck_assert_ok(vt_config_check_keeper(config, NULL));
    ck_assert_str_eq(vt_config_text(config, VT_SET_KEEPER_NAME), "far");
    const uint8_t(*fingerprints)[VT_CONFIG_FINGERPRINT_LEN] = vt_config_fingerprints(config, &count);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(fingerprints[0][1], 0x11);
    ck_assert_uint_eq(fingerprints[0][31], 0xff);
    VT_AUTO(vt_buf) text = VT_BUF_INIT(TEXT_MAX);
    ck_assert_ok(vt_config_print(config, &text));
    ck_assert_ok(vt_buf_append_byte(&text, 0));
    ck_assert_ptr_nonnull(strstr((const char *)text.data, "keeper.vaults = [00112233445566778899aabbccddeeff0011"));
}
END_TEST

START_TEST(what_a_keepers_process_misses_or_has_no_use_for_is_named)
{
    static const struct {
        const char *yaml, *field;
    } CASES[] = {
        {"tls: {certificate: /c, key: /k}\nkeeper: {client_ca: /a, vaults: [" FINGERPRINT "]}\n", "data_dir"},
        {"data_dir: /v\nkeeper: {client_ca: /a, vaults: [" FINGERPRINT "]}\n", "tls.certificate"},
        {BESIDES "keeper: {vaults: [" FINGERPRINT "]}\n", "keeper.client_ca"},
        {BESIDES "keeper: {client_ca: /a}\n", "keeper.vaults"},
        {OF_A_KEEPER "listen: 127.0.0.1:7470\n", "listen"},
        {OF_A_KEEPER "keepers: [{name: a, file: /a}]\n", "keepers"},
        {OF_A_KEEPER "quorum: 2\n", "quorum"},
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(CASES); i++) {
        VT_AUTO_PTR(vt_config) config = fresh();
        struct vt_err err = {{0}, {0}};
        ck_assert_ok(read_text(config, CASES[i].yaml, NULL));
        ck_assert_status(vt_config_check_keeper(config, &err), VAULT_E_ARGUMENT);
        ck_assert_str_eq(err.field, CASES[i].field);
    }
}
END_TEST

START_TEST(printing_says_where_each_value_is_from)
{
    VT_AUTO_PTR(vt_config) config = fresh();
    VT_AUTO(vt_buf) text = VT_BUF_INIT(TEXT_MAX);
    ck_assert_ok(read_text(config, "quorum: 2\npurposes: [b, c]\n", NULL));
    ck_assert_ok(vt_config_set(config, VT_SET_DATA_DIR, "--data", "/d", NULL));
    ck_assert_ok(vt_config_print(config, &text));
    ck_assert_ok(vt_buf_append_byte(&text, 0));
    const char *printed = (const char *)text.data;
    ck_assert_ptr_nonnull(strstr(printed, "data_dir = /d  # --data\n"));
    ck_assert_ptr_nonnull(strstr(printed, "quorum = 2  # f.yaml:1\n"));
    ck_assert_ptr_nonnull(strstr(printed, "purposes = [b, c]  # f.yaml:2\n"));
    ck_assert_ptr_nonnull(strstr(printed, "tls.key = (none)  # default\n"));
    ck_assert_ptr_nonnull(strstr(printed, "log.level = info  # default\n"));
}
END_TEST

/** The text without the group `keeper`, which is no vault's. */
static void check_without_keeper_group(const struct vt_buf *whole)
{
    VT_AUTO_PTR(vt_config) config = fresh();
    VT_AUTO(vt_buf) rest = VT_BUF_INIT(TEXT_MAX);
    struct vt_err err = {{0}, {0}};
    const uint8_t *begin = memmem(whole->data, whole->len, "\nkeeper:", 8);
    ck_assert_ptr_nonnull(begin);
    const uint8_t *end = memmem(begin, whole->len - (size_t)(begin - whole->data), "\njournal:", 9);
    ck_assert_ptr_nonnull(end);
    ck_assert_ok(vt_buf_append(&rest, vt_bytes(whole->data, (size_t)(begin - whole->data))));
    ck_assert_ok(vt_buf_append(&rest, vt_bytes(end, whole->len - (size_t)(end - whole->data))));
    ck_assert_ok(vt_config_read(config, "sample", vt_buf_bytes(&rest), &err));
    const vault_status status = vt_config_check(config, false, &err);
    ck_assert_msg(status == VAULT_OK, "%s", err.message);
}

/* The sample file without its comment signs is a file that reads, and says the defaults. */
START_TEST(the_sample_file_reads_when_its_settings_are_uncommented)
{
    VT_AUTO_PTR(vt_config) config = fresh();
    VT_AUTO(vt_buf) sample = VT_BUF_INIT(TEXT_MAX);
    VT_AUTO(vt_buf) plain = VT_BUF_INIT(TEXT_MAX);
    ck_assert_ok(vt_config_sample(&sample));
    for (size_t i = 0; i < sample.len; i++) {
        const bool is_line_start = i == 0 || sample.data[i - 1] == '\n';
        const bool is_setting = sample.data[i] == '#' && i + 1 < sample.len &&
                                (sample.data[i + 1] == ' ' ? i + 3 < sample.len && sample.data[i + 2] == ' ' : true);
        if (!(is_line_start && is_setting)) ck_assert_ok(vt_buf_append_byte(&plain, sample.data[i]));
    }
    struct vt_err err = {0};
    const vault_status status = vt_config_read(config, "sample", vt_buf_bytes(&plain), &err);
    ck_assert_msg(status == VAULT_OK, "%s", err.message);
    ck_assert_status(vt_config_check(config, false, &err), VAULT_E_ARGUMENT);
    ck_assert_str_eq(err.field, "keeper.name");
    check_without_keeper_group(&plain);
    for (int i = 0; i < VT_SET_COUNT; i++) ck_assert_msg(vt_config_is_set(config, (enum vt_setting)i), "%s", VT_SETTINGS[i].name);
}
END_TEST

VT_TEST_MAIN("config", a_file_of_comments_leaves_every_default, every_default_is_within_its_range,
             outside_dev_mode_the_brake_is_on_and_leaves_time_to_look,
             a_complete_file_reads_as_its_settings, what_is_wrong_in_the_file_is_refused_with_its_line,
             what_is_no_yaml_or_has_a_key_twice_is_refused_with_file_and_line, seventeen_keepers_are_one_too_many,
             a_file_that_is_not_there_is_named, each_required_setting_is_missed_by_name,
             more_memory_for_one_connection_than_for_all_is_refused,
             a_listener_is_a_host_and_a_port, a_keeper_in_the_data_directory_is_refused_outside_dev_mode,
             a_quorum_larger_than_the_keepers_is_refused, flags_override_the_file_and_keeper_flags_replace_its_list,
             a_flag_that_does_not_fit_is_refused_by_its_name, a_remote_keeper_has_an_address_and_a_verifier,
             remote_keepers_need_a_certificate_and_one_to_spare,
             a_vault_refuses_the_settings_of_a_keepers_process, a_keepers_process_has_settings_of_its_own,
             what_a_keepers_process_misses_or_has_no_use_for_is_named, printing_says_where_each_value_is_from,
             the_sample_file_reads_when_its_settings_are_uncommented)
