#include "tests/unit/remote/remote_hosts.h"

#include <stdio.h>
#include <stdlib.h>

#include "libvault/base/clock.h"
#include "vaultd/core/keeper/keeper_ram.h"

struct memory_link {
    struct vt_link base;
    struct remote_host *host;
    unsigned generation;
    bool is_connected;
};

static struct memory_link *memory_of(struct vt_link *link)
{
    return (struct memory_link *)(void *)link;
}

static vault_status memory_open(struct vt_link *link, uint64_t deadline_ns, struct vt_err *err)
{
    (void)deadline_ns;
    struct memory_link *memory = memory_of(link);
    memory->host->opened++;
    if (memory->host->is_silent) return vt_fail(err, VAULT_E_TIMEOUT, NULL, "It did not answer in time.");
    if (memory->host->is_down) return vt_fail(err, VAULT_E_CONNECT, NULL, "Nobody answers.");
    memory->generation = memory->host->generation;
    memory->is_connected = true;
    return VAULT_OK;
}

static vault_status memory_exchange(struct vt_link *link, struct vt_bytes request, uint64_t deadline_ns, struct vt_buf *out_frame,
                                    struct vt_err *err)
{
    (void)deadline_ns;
    struct memory_link *memory = memory_of(link);
    struct remote_host *host = memory->host;
    struct vt_remote_event event;
    ck_assert(memory->is_connected);
    if (host->is_silent) return vt_fail(err, VAULT_E_TIMEOUT, NULL, "It did not answer in time.");
    if (host->is_down || memory->generation != host->generation) return vt_fail(err, VAULT_E_CONNECT, NULL, "It broke.");
    host->asked++;
    VT_TRY(vt_remote_answer(host->ram, vt_clock_system(), request, out_frame, &event));
    if (host->breaks_after != 0 && --host->breaks_after == 0) return vt_fail(err, VAULT_E_CONNECT, NULL, "It broke.");
    if (host->lie.len == 0) return VAULT_OK;
    vt_buf_reset(out_frame);
    VT_TRY(vt_buf_append(out_frame, vt_buf_bytes(&host->lie)));
    vt_buf_reset(&host->lie);
    return VAULT_OK;
}

static void memory_close(struct vt_link *link)
{
    memory_of(link)->is_connected = false;
}

static void memory_free(struct vt_link *link)
{
    free(memory_of(link));
}

static const struct vt_link_ops memory_ops = {memory_open, memory_exchange, memory_close, memory_free};

struct vt_link *remote_host_link(struct remote_host *host)
{
    struct memory_link *memory = calloc(1, sizeof *memory);
    ck_assert_ptr_nonnull(memory);
    memory->base.ops = &memory_ops;
    memory->host = host;
    return &memory->base;
}

void remote_host_start(struct remote_host *host, const char *path)
{
    *host = (struct remote_host){.lie = VT_BUF_INIT(VT_REMOTE_REPLY_MAX)};
    snprintf(host->path, sizeof host->path, "%s", path);
    ck_assert_ok(vt_keeper_ram_open(path, "host", &host->ram));
}

void remote_host_restart(struct remote_host *host)
{
    vt_keeper_free(host->ram);
    host->ram = NULL;
    host->generation++;
    ck_assert_ok(vt_keeper_ram_open(host->path, "host", &host->ram));
}

void remote_host_stop(struct remote_host *host)
{
    vt_keeper_free(host->ram);
    host->ram = NULL;
    vt_buf_release(&host->lie);
}

void remote_host_verifier(struct remote_host *host, char out_verifier[200])
{
    struct vt_keeper_info info;
    ck_assert_ok(host->ram->ops->info(host->ram, &info));
    memcpy(out_verifier, info.verifier_key, sizeof info.verifier_key);
}

struct vt_keeper *remote_host_keeper(struct remote_host *host, const char *name, const struct vt_vault_id *vault_id)
{
    char verifier[200];
    struct vt_keeper *keeper = NULL;
    remote_host_verifier(host, verifier);
    struct vt_remote_options options = {.name = name, .verifier_key = verifier};
    if (vault_id != NULL) options.vault_id = *vault_id;
    ck_assert_ok(vt_remote_keeper_open(&options, remote_host_link(host), &keeper));
    return keeper;
}
