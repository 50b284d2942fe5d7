/* bench - a load generator for vaultd and, beside it, redis. See bench --help and docs/PERFORMANCE.md. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libvault/base/clock.h"
#include "tools/bench/report.h"

enum { CREDENTIAL_MAX = 64 << 10 };
#define ONE_HOUR_NS (UINT64_C(3600) * 1000000000)

struct bench {
    struct bench_options options;
    struct bench_server server;
    struct bench_world world;
    struct bench_result *result;
    struct vt_buf credential, admin_credential;
};

static VT_RESULT read_credential(const char *path, struct vt_buf *out, struct vt_err *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) return vt_fail(err, VAULT_E_IO, NULL, "%s cannot be opened: %s.", path, strerror(errno));
    uint8_t *space;
    vault_status status = vt_buf_reserve(out, CREDENTIAL_MAX, &space);
    if (status == VAULT_OK) vt_buf_commit(out, fread(space, 1, CREDENTIAL_MAX, file));
    fclose(file);
    while (out->len != 0 && (out->data[out->len - 1] == '\n' || out->data[out->len - 1] == '\r'))
        vt_buf_truncate(out, out->len - 1);
    return status;
}

/* Make what the operations of the mix use, by the operation that makes it, in batches, on one thread. */
static VT_RESULT prepare_for(struct bench *bench, const char *maker, struct vt_err *err)
{
    const struct bench_driver *driver = bench->options.driver;
    const int op = bench_op_find(driver, maker);
    VT_BUG_ON(op < 0);
    const uint32_t batch = driver->ops[op].is_single ? 1 : BENCH_PREPARE_BATCH;
    struct bench_phase phase = {
        .driver = driver, .threads = 1, .connections = VT_MIN(8u, bench->options.phase.connections), .pipeline = 2,
        .batch = batch, .measure_ns = ONE_HOUR_NS, .seed = bench->options.phase.seed + 1000, .keep = true,
        .calls = (bench->options.keys + batch - 1) / batch,
        .show_progress = bench->options.phase.show_progress,
    };
    phase.weights[op] = 1;
    memset(bench->result, 0, sizeof *bench->result);
    VT_TRY(bench_load_run(&bench->server, &bench->world, &phase, bench->result, err));
    const struct bench_op_result *made = &bench->result->ops[op];
    if (made->failed_items != 0)
        return vt_fail(err, VAULT_E_STATE, NULL, "Preparing by %s failed: %s", maker, made->error);
    driver->prepared(&bench->world, (uint32_t)op);
    return VAULT_OK;
}

static VT_RESULT prepare(struct bench *bench, struct vt_err *err)
{
    const struct bench_driver *driver = bench->options.driver;
    for (int i = 0; i < BENCH_MAX_OPS && driver->ops[i].name != NULL; i++) {
        const char *maker = driver->ops[i].prepared_by;
        bool is_made = bench->options.phase.weights[i] == 0 || maker == NULL;
        for (int before = 0; before < i && !is_made; before++)
            is_made = bench->options.phase.weights[before] != 0 && driver->ops[before].prepared_by != NULL &&
                      strcmp(driver->ops[before].prepared_by, maker) == 0;
        if (!is_made) VT_TRY(prepare_for(bench, maker, err));
    }
    return VAULT_OK;
}

static VT_RESULT judge(const struct bench *bench, struct vt_err *err)
{
    uint64_t calls = 0;
    for (int i = 0; i < BENCH_MAX_OPS; i++) {
        const struct bench_op_result *op = &bench->result->ops[i];
        calls += op->calls;
        if (op->failed_items != 0)
            return vt_fail(err, VAULT_E_STATE, NULL, "%llu of %llu items of %s failed, the first with: %s",
                           (unsigned long long)op->failed_items, (unsigned long long)op->items,
                           bench->options.driver->ops[i].name, op->error);
    }
    if (calls == 0) return vt_fail(err, VAULT_E_TIMEOUT, NULL, "No call was answered within the window.");
    if (bench->result->unanswered != 0)
        return vt_fail(err, VAULT_E_TIMEOUT, NULL, "%llu calls of the window had no answer ten seconds after its end.",
                       (unsigned long long)bench->result->unanswered);
    return VAULT_OK;
}

static VT_RESULT report(const struct bench *bench, struct vt_err *err)
{
    bench_report_table(stdout, &bench->options, bench->result);
    const char *path = bench->options.json_file;
    if (path == NULL) return VAULT_OK;
    FILE *file = fopen(path, "we");
    if (file == NULL) return vt_fail(err, VAULT_E_IO, NULL, "%s cannot be written: %s.", path, strerror(errno));
    vault_status status = bench_report_json(file, &bench->options, bench->result);
    if (fclose(file) != 0) status = VAULT_E_IO;
    return status == VAULT_OK ? VAULT_OK : vt_fail(err, status, NULL, "%s cannot be written.", path);
}

static VT_RESULT run(struct bench *bench, struct vt_err *err)
{
    VT_AUTO_PTR(bench_tls) tls = NULL;
    VT_TRY(bench_tls_open(bench->options.ca_file, &tls, err));
    bench->server = (struct bench_server){
        .host = bench->options.host, .port = bench->options.port, .tls = tls, .pid = bench->options.server_pid};
    if (bench->admin_credential.len != 0)
        VT_TRY(bench_session_setup(&bench->server, bench->options.driver, vt_buf_bytes(&bench->admin_credential), err));
    VT_TRY(prepare(bench, err));
    memset(bench->result, 0, sizeof *bench->result);
    VT_TRY(bench_load_run(&bench->server, &bench->world, &bench->options.phase, bench->result, err));
    VT_TRY(report(bench, err));
    return judge(bench, err);
}

static VT_RESULT start(struct bench *bench, struct vt_err *err)
{
    const struct bench_options *options = &bench->options;
    if (options->credential_file != NULL) VT_TRY(read_credential(options->credential_file, &bench->credential, err));
    if (options->admin_credential_file != NULL)
        VT_TRY(read_credential(options->admin_credential_file, &bench->admin_credential, err));
    bench->world = (struct bench_world){
        .value_size = options->value_size, .credential = vt_buf_bytes(&bench->credential),
        .template_name = options->template_name, .purpose = options->purpose,
        .tokens = VT_BUF_INIT((size_t)4 << 30),
    };
    /* Two runs against one server must not meet each other's keys. */
    snprintf(bench->world.run, sizeof bench->world.run, "%016llx",
             (unsigned long long)vt_clock_now_ms(vt_clock_system()) << 20 | ((unsigned)getpid() & 0xfffff));
    bench->result = calloc(1, sizeof *bench->result);
    VT_ENSURE(bench->result != NULL, VAULT_E_MEMORY);
    return run(bench, err);
}

static void finish(struct bench *bench)
{
    free(bench->result);
    vt_buf_release(&bench->world.tokens);
    vt_buf_release(&bench->credential);
    vt_buf_release(&bench->admin_credential);
}

int main(int argc, char **argv)
{
    static struct bench bench = {.credential = VT_BUF_INIT(CREDENTIAL_MAX), .admin_credential = VT_BUF_INIT(CREDENTIAL_MAX)};
    struct vt_err err = {0};
    signal(SIGPIPE, SIG_IGN);
    vault_status status = bench_options_parse(argc, argv, &bench.options, &err);
    if (status == VAULT_OK && bench.options.wants_help) {
        fputs(bench_help, stdout);
        return EXIT_SUCCESS;
    }
    bench.options.phase.show_progress = isatty(STDERR_FILENO);
    if (status == VAULT_OK) status = start(&bench, &err);
    finish(&bench);
    if (status == VAULT_OK) return EXIT_SUCCESS;
    fprintf(stderr, "bench: %s\n", err.message[0] != '\0' ? err.message : vault_status_text(status));
    return status == VAULT_E_ARGUMENT ? 2 : EXIT_FAILURE;
}
