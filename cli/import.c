#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/hooks.h"
#include "cli/progress.h"
#include "cli/rows.h"
#include "libvault/codec/csv.h"
#include "libvault/codec/limits.h"
#include "libvault/codec/yaml.h"
#include "libvault/schema/mapping.h"

enum {
    BATCH_ROWS = 500,
    IN_FLIGHT = 4,
    IN_FLIGHT_MAX = 64,
    BATCH_BYTES_MAX = VT_LIMIT_FRAME_BYTES / 2,     /* of one call's rows; a row may still fill the rest */
    BATCH_ITEMS_MAX = VT_LIMIT_ITEMS / 2,
    BUSY_WAIT_MS = 200,
    PATH_MAX_BYTES = 4096,
    REJECTS_TEXT_MAX = 64 * 1024,
    REJECTS_ASIDE_MAX = 1000,
};

/* Records that an earlier run has brought in already. */
struct range {
    uint64_t first;
    uint64_t count;
};
/* Rows on their way; kept until their reply, because a busy vault is asked again. */
struct batch {
    bool is_used;
    int64_t message_id;
    struct vt_pool pool;
    struct vt_value rows;           /* an array of maps, in the pool */
    uint64_t first;                 /* record number of the first row */
    uint64_t lines[VT_LIMIT_BATCH_ITEMS];
    size_t bytes;
    size_t items;
};
struct import {
    struct vt_cli *cli;
    char file_sha256[VT_CLI_SHA256_HEX];
    struct vt_value mapping;            /* as it is sent */
    struct vt_mapping *checked;         /* as it is read here */
    uint64_t file_bytes;
    size_t batch_rows;
    struct range *done;
    size_t done_count;
    struct batch *batches;
    size_t batch_count;             /* that may be under way */
    struct batch *filling;          /* NULL: none */
    struct vt_cli_progress progress;
    uint64_t records, imported, rejected, skipped;
    uint64_t rejected_before;       /* of the rows skipped: what earlier runs were refused */
    char rejects_path[PATH_MAX_BYTES];
    int rejects_fd;                 /* -1 until the first refused row */
};

static struct vt_err *err_of(struct import *import)
{
    return &import->cli->error.text;
}

static void import_release(struct import *import)
{
    for (size_t i = 0; i < import->batch_count && import->batches != NULL; i++)
        vt_pool_release(&import->batches[i].pool);
    free(import->batches);
    if (import->rejects_fd >= 0) close(import->rejects_fd);
    vt_cli_progress_end(&import->progress);
}

static VT_RESULT fail_rejects(struct import *import)
{
    return vt_fail(err_of(import), VAULT_E_IO, "rejects",
                   "The file for refused rows cannot be written; name another one with --rejects.");
}

/* A file of which the vault has no row yet is a new import: record numbers of an earlier one must not stand among its own. Reasons
 * are told once, so those are kept, under the next number that is free. An import that goes on appends to what is there, of which
 * nothing says whose it is: who takes turns with two files of one name tells them apart with --rejects. */
static VT_RESULT put_rejects_aside(struct import *import)
{
    char aside[PATH_MAX_BYTES + 16], sentence[PATH_MAX_BYTES + 128];
    struct stat about;
    const bool is_file = lstat(import->rejects_path, &about) == 0 && S_ISREG(about.st_mode);
    if (import->done_count != 0 || !is_file || about.st_size == 0) return VAULT_OK;
    int number = 1;
    do {
        snprintf(aside, sizeof aside, "%s.%d", import->rejects_path, number++);
    } while (number <= REJECTS_ASIDE_MAX && access(aside, F_OK) == 0);
    if (access(aside, F_OK) == 0 || rename(import->rejects_path, aside) != 0) return fail_rejects(import);
    snprintf(sentence, sizeof sentence, "The refused rows of an earlier import are in %s now.", aside);
    vt_cli_remark(import->cli, sentence);
    return VAULT_OK;
}

/* A file, and nothing else: opening a pipe that nobody reads would wait for ever. */
static VT_RESULT open_rejects_file(struct import *import, struct stat *out_about, int *out_fd)
{
    const int fd =
        open(import->rejects_path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    if (fd < 0) return fail_rejects(import);
    if (fstat(fd, out_about) == 0 && S_ISREG(out_about->st_mode)) {
        *out_fd = fd;
        return VAULT_OK;
    }
    close(fd);
    return fail_rejects(import);
}

/* Asked before the first row is sent: a row is refused once, and its reason is told in that answer only. No file is left
 * where there was none: it stands for refused rows. */
static VT_RESULT check_rejects(struct import *import)
{
    const bool is_there = access(import->rejects_path, F_OK) == 0;
    struct stat about;
    int fd;
    VT_TRY(open_rejects_file(import, &about, &fd));
    close(fd);
    if (!is_there) unlink(import->rejects_path);
    return VAULT_OK;
}

/* Refused rows: where they stand and why, never what they hold. */
static VT_RESULT open_rejects(struct import *import)
{
    struct stat about;
    int fd;
    VT_TRY(open_rejects_file(import, &about, &fd));
    if (fchmod(fd, 0600) != 0) {
        close(fd);
        return fail_rejects(import);
    }
    import->rejects_fd = fd;
    static const char HEADER[] = "record,line,field,status,reason\r\n";
    if (about.st_size != 0) return VAULT_OK;
    return write(fd, HEADER, sizeof HEADER - 1) == (ssize_t)(sizeof HEADER - 1) ? VAULT_OK : VAULT_E_IO;
}

static VT_RESULT write_text_cell(struct vt_buf *out, struct vt_bytes text)
{
    return vt_csv_write_guarded(out, (struct vt_csv_cell){.text = text, .is_absent = text.len == 0}, false);
}

static VT_RESULT write_reject(struct import *import, const struct batch *batch, const struct vt_value *reject)
{
    VT_AUTO(vt_buf) line = VT_BUF_INIT(REJECTS_TEXT_MAX);
    const uint64_t record = (uint64_t)vt_value_get_int(reject, "record", 0);
    const bool is_ours = record >= batch->first && record - batch->first < batch->rows.array.count;
    if (!is_ours) return vt_fail(err_of(import), VAULT_E_PROTOCOL, "rejected", "The vault refuses a row that was not sent.");
    VT_TRY(vt_buf_printf(&line, "%" PRIu64 ",%" PRIu64, record, batch->lines[record - batch->first]));
    VT_TRY(write_text_cell(&line, vt_value_get_text(reject, "field")));
    VT_TRY(write_text_cell(&line, vt_value_get_text(reject, "status")));
    VT_TRY(write_text_cell(&line, vt_value_get_text(reject, "message")));
    VT_TRY(vt_csv_write_end(&line));
    if (write(import->rejects_fd, line.data, line.len) == (ssize_t)line.len) return VAULT_OK;
    return fail_rejects(import);
}

static VT_RESULT take_result(struct import *import, const struct batch *batch, const struct vt_value *result)
{
    const struct vt_value *rejected = vt_value_get(result, "rejected");
    const size_t refused = rejected != NULL && rejected->kind == VT_VALUE_ARRAY ? rejected->array.count : 0;
    if (refused != 0 && import->rejects_fd < 0) VT_TRY(open_rejects(import));
    for (size_t i = 0; i < refused; i++) VT_TRY(write_reject(import, batch, &rejected->array.items[i]));
    const bool is_skipped = vt_value_get_bool(result, "skipped", false);
    if (is_skipped) import->skipped += batch->rows.array.count;
    if (!is_skipped) import->imported += (uint64_t)vt_value_get_int(result, "imported", 0);
    if (!is_skipped) import->rejected += refused;
    return VAULT_OK;
}

static void batch_empty(struct batch *batch)
{
    vt_pool_reset(&batch->pool);
    batch->is_used = false;
    batch->rows = vt_value_array();
    batch->bytes = batch->items = 0;
}

static VT_RESULT send_batch(struct import *import, struct batch *batch)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(VT_LIMIT_VALUE_BYTES);
    struct vt_value params = vt_value_map();
    const struct vt_value *own = &import->cli->line.params;      /* tenant, purpose and the like */
    for (size_t i = 0; i < own->map.count; i++)
        VT_TRY(vt_value_append(&pool, &params, own->map.pairs[i].key, own->map.pairs[i].value, NULL));
    VT_TRY(vt_value_put(&pool, &params, "file_sha256", vt_value_str(import->file_sha256), NULL));
    VT_TRY(vt_value_put(&pool, &params, "mapping", import->mapping, NULL));
    VT_TRY(vt_value_put(&pool, &params, "first_record", vt_value_int((int64_t)batch->first), NULL));
    VT_TRY(vt_value_put(&pool, &params, "rows", batch->rows, NULL));
    return vt_client_send(import->cli->client, import->cli->line.command->name, &params, &batch->message_id,
                          &import->cli->error);
}

static struct batch *batch_of(struct import *import, int64_t message_id)
{
    for (size_t i = 0; i < import->batch_count; i++) {
        struct batch *batch = &import->batches[i];
        if (batch->is_used && batch != import->filling && batch->message_id == message_id) return batch;
    }
    return NULL;
}

static VT_RESULT try_again(struct import *import, struct batch *batch)
{
    const int64_t wait = VT_MAX(import->cli->error.retry_after_ms, (int64_t)BUSY_WAIT_MS);
    struct timespec left = {.tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000 * 1000};
    while (nanosleep(&left, &left) != 0) continue;
    return send_batch(import, batch);
}

static VT_RESULT receive_one(struct import *import)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(VT_CLIENT_REPLY_POOL);
    struct vt_client_reply reply;
    VT_TRY(vt_client_receive(import->cli->client, &pool, &reply, &import->cli->error));
    struct batch *batch = batch_of(import, reply.message_id);
    if (batch == NULL) return vt_fail(err_of(import), VAULT_E_PROTOCOL, NULL, "The answer belongs to no call of ours.");
    /* Busy and a lost race may pass; anything else is for a person to see, and the import goes on where it stopped. */
    if (reply.status == VAULT_E_BUSY || reply.status == VAULT_E_CONFLICT) return try_again(import, batch);
    VT_TRY(reply.status);
    VT_TRY(take_result(import, batch, reply.result));
    batch_empty(batch);
    return VAULT_OK;
}

/* A batch to fill, waiting for one to come free. */
static VT_RESULT begin_batch(struct import *import, uint64_t first)
{
    for (;;) {
        for (size_t i = 0; i < import->batch_count; i++) {
            struct batch *batch = &import->batches[i];
            if (batch->is_used) continue;
            batch->is_used = true;
            batch->first = first;
            import->filling = batch;
            return VAULT_OK;
        }
        VT_TRY(receive_one(import));
    }
}

static VT_RESULT flush_batch(struct import *import)
{
    struct batch *batch = import->filling;
    import->filling = NULL;
    return batch != NULL ? send_batch(import, batch) : VAULT_OK;
}

static bool is_done(const struct import *import, uint64_t record)
{
    for (size_t i = 0; i < import->done_count; i++)
        if (record >= import->done[i].first && record - import->done[i].first < import->done[i].count) return true;
    return false;
}

static size_t row_bytes(const struct vt_value *columns)
{
    size_t bytes = 0;
    for (size_t i = 0; i < columns->map.count; i++) {
        const struct vt_value *value = &columns->map.pairs[i].value;
        bytes += columns->map.pairs[i].key.len + (value->kind == VT_VALUE_TEXT ? value->bytes.len : 64) + 8;
    }
    return bytes;
}

static VT_RESULT add_row(struct import *import, const struct vt_cli_row *row)
{
    struct batch *batch = import->filling;
    struct vt_value copy;
    VT_TRY(vt_value_copy(&batch->pool, row->columns, &copy));
    batch->lines[batch->rows.array.count] = row->line;
    VT_TRY(vt_value_push(&batch->pool, &batch->rows, copy, NULL));
    batch->bytes += row_bytes(row->columns);
    batch->items += 2 * row->columns->map.count + 1;
    const bool is_full = batch->rows.array.count >= import->batch_rows || batch->bytes >= BATCH_BYTES_MAX ||
                         batch->items >= BATCH_ITEMS_MAX;
    return is_full ? flush_batch(import) : VAULT_OK;
}

static vault_status on_row(void *context, const struct vt_cli_row *row)
{
    struct import *import = context;
    import->records = row->record;
    /* How many there are is known at the end only; the share of bytes read tells it well enough for a bar. */
    const double share = import->file_bytes != 0 ? (double)row->file_bytes / (double)import->file_bytes : 1;
    vt_cli_progress_show(&import->progress, row->record, (uint64_t)((double)row->record / share), "records");
    if (is_done(import, row->record)) {
        import->skipped++;
        return flush_batch(import);
    }
    if (import->filling == NULL) VT_TRY(begin_batch(import, row->record));
    return add_row(import, row);
}

/* The mapping is checked here too: a slip in it should not cost a round trip, or rejects by the thousand. */
static VT_RESULT read_mapping(struct import *import)
{
    struct vt_cli *cli = import->cli;
    const char *path = vt_cli_extra(&cli->line, "mapping");
    if (path == NULL) return vt_fail(err_of(import), VAULT_E_ARGUMENT, "mapping", "The option --mapping is required.");
    struct vt_bytes text;
    VT_TRY(vt_cli_read_text(&cli->input, cli->pool, path, "mapping", VT_LIMIT_YAML_BYTES, false, &text, err_of(import)));
    VT_TRY(vt_yaml_read(cli->pool, text, &import->mapping, err_of(import)));
    return vt_mapping_parse(cli->pool, &import->mapping, &import->checked, err_of(import));
}

static VT_RESULT read_done(struct import *import)
{
    struct vt_cli *cli = import->cli;
    struct vt_value params = vt_value_map();
    const struct vt_value *result, *tenant = vt_value_get(&cli->line.params, "tenant");
    VT_TRY(vt_value_put(cli->pool, &params, "file_sha256", vt_value_str(import->file_sha256), NULL));
    if (tenant != NULL) VT_TRY(vt_value_put(cli->pool, &params, "tenant", *tenant, NULL));
    VT_TRY(vt_cli_call(cli, "record.import-status", &params, &result));
    const struct vt_value *ranges = vt_value_get(result, "ranges");
    if (ranges == NULL || ranges->kind != VT_VALUE_ARRAY || ranges->array.count == 0) return VAULT_OK;
    import->done = vt_pool_calloc(cli->pool, ranges->array.count, sizeof *import->done);
    VT_ENSURE(import->done != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i < ranges->array.count; i++) {
        const struct vt_value *range = &ranges->array.items[i];
        import->done[i] = (struct range){(uint64_t)vt_value_get_int(range, "first_record", 0),
                                         (uint64_t)vt_value_get_int(range, "count", 0)};
    }
    for (size_t i = 0; i < ranges->array.count; i++)
        import->rejected_before += (uint64_t)vt_value_get_int(&ranges->array.items[i], "rejected", 0);
    import->done_count = ranges->array.count;
    return VAULT_OK;
}

static bool ends_in(const char *path, const char *end)
{
    const size_t len = strlen(path), end_len = strlen(end);
    return len >= end_len && strcmp(path + len - end_len, end) == 0;
}

static VT_RESULT find_format(struct import *import, const char *path, enum vt_cli_rows_format *out_format)
{
    const char *name = vt_cli_extra(&import->cli->line, "input-format");
    if (name == NULL) name = ends_in(path, ".jsonl") || ends_in(path, ".ndjson") ? "jsonl" : "csv";
    const bool is_csv = strcmp(name, "csv") == 0;
    *out_format = is_csv ? VT_CLI_ROWS_CSV : VT_CLI_ROWS_JSONL;
    if (is_csv || strcmp(name, "jsonl") == 0) return VAULT_OK;
    return vt_fail(err_of(import), VAULT_E_ARGUMENT, "input-format", "The format of the file must be csv or jsonl.");
}

static VT_RESULT prepare(struct import *import, const char *path)
{
    struct vt_cli *cli = import->cli;
    int64_t rows, calls;
    VT_TRY(vt_cli_number(cli, "batch", BATCH_ROWS, VT_LIMIT_BATCH_ITEMS, &rows));
    VT_TRY(vt_cli_number(cli, "in-flight", IN_FLIGHT, IN_FLIGHT_MAX, &calls));
    import->batch_rows = (size_t)rows;
    import->batches = calloc((size_t)calls, sizeof *import->batches);
    VT_ENSURE(import->batches != NULL, VAULT_E_MEMORY);
    import->batch_count = (size_t)calls;
    for (size_t i = 0; i < import->batch_count; i++) {
        import->batches[i].pool = VT_POOL_INIT(8 * (size_t)VT_LIMIT_FRAME_BYTES);
        import->batches[i].rows = vt_value_array();
    }
    const char *rejects = vt_cli_extra(&cli->line, "rejects");
    snprintf(import->rejects_path, sizeof import->rejects_path, rejects != NULL ? "%s" : "%s.rejects.csv",
             rejects != NULL ? rejects : path);
    return read_mapping(import);
}

static VT_RESULT summarise(struct import *import)
{
    struct vt_pool *pool = import->cli->pool;
    struct vt_value summary = vt_value_map();
    vt_cli_progress_end(&import->progress);
    VT_TRY(vt_value_put(pool, &summary, "file_sha256", vt_value_str(import->file_sha256), NULL));
    VT_TRY(vt_value_put(pool, &summary, "records", vt_value_int((int64_t)import->records), NULL));
    VT_TRY(vt_value_put(pool, &summary, "imported", vt_value_int((int64_t)import->imported), NULL));
    VT_TRY(vt_value_put(pool, &summary, "rejected", vt_value_int((int64_t)import->rejected), NULL));
    VT_TRY(vt_value_put(pool, &summary, "skipped", vt_value_int((int64_t)import->skipped), NULL));
    if (import->rejected_before != 0)
        VT_TRY(vt_value_put(pool, &summary, "rejected_before", vt_value_int((int64_t)import->rejected_before), NULL));
    if (import->rejects_fd >= 0)
        VT_TRY(vt_value_put(pool, &summary, "rejects_file", vt_value_str(import->rejects_path), NULL));
    VT_TRY(vt_cli_print(import->cli, &summary));
    const bool is_complete = import->rejected == 0 && import->rejected_before == 0;
    if (is_complete || vt_cli_extra(&import->cli->line, "strict") == NULL) return VAULT_OK;
    return vt_fail(err_of(import), VAULT_E_INVALID_VALUE, NULL,
                   import->rejected != 0 ? "Rows were refused; the file of rejects says which and why."
                                         : "Earlier runs were refused rows; the file of rejects of that time says which and why.");
}

static VT_RESULT import_file(struct import *import, int fd, enum vt_cli_rows_format format)
{
    struct vt_cli *cli = import->cli;
    VT_TRY(vt_cli_rows_hash(fd, import->file_sha256, err_of(import)));
    VT_TRY(vt_cli_rows_check(fd, format, import->checked, err_of(import)));
    VT_TRY(vt_cli_connect(cli));
    VT_TRY(read_done(import));
    VT_TRY(put_rejects_aside(import));
    VT_TRY(check_rejects(import));
    vt_cli_progress_begin(&import->progress, "import", vt_cli_progress_fd(cli));
    VT_TRY(vt_cli_rows_read(fd, format, on_row, import, err_of(import)));
    VT_TRY(flush_batch(import));
    while (vt_client_under_way(cli->client) != 0) VT_TRY(receive_one(import));
    return summarise(import);
}

VT_RESULT vt_cli_import(struct vt_cli *cli)
{
    __attribute__((cleanup(import_release))) struct import import = {.cli = cli, .rejects_fd = -1, .progress = {.fd = -1}};
    const char *path = vt_cli_extra(&cli->line, "file");
    if (path == NULL) return vt_fail(err_of(&import), VAULT_E_ARGUMENT, "file", "The option --file is required.");
    enum vt_cli_rows_format format;
    VT_TRY(find_format(&import, path, &format));
    VT_TRY(vt_cli_settled_params(cli));
    VT_TRY(prepare(&import, path));
    int fd = -1;
    VT_TRY(vt_cli_rows_open(path, &fd, &import.file_bytes, err_of(&import)));
    const vault_status status = import_file(&import, fd, format);
    close(fd);
    return status;
}
