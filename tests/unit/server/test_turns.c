/* Who waits for whom: a server in this process, held at chosen steps while others call. */
#include <pthread.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/client/client.h"
#include "libvault/wire/tls.h"
#include "tests/support/world.h"
#include "vaultd/server/server.h"
#include "vaultd/service/jobs.h"

static const char PROFILE[] = "name: profile\ndoc: People.\nfields:\n"
                              "  - {name: given_name, type: name, category: A, doc: g}\n";

/** A step at which the server's thread waits until the test lets it go on. */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    const char *step;
    bool is_reached, is_open;
};

struct served {
    struct world world;
    char tls[160], certificate[192], key[192], ca[192], socket[160];
    char port[8];
    struct vt_server *server;
};

static struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, false, false};
static struct served served;

static void gate_wait(const char *step, void *context)
{
    (void)context;
    pthread_mutex_lock(&gate.mutex);
    if (gate.step != NULL && strcmp(step, gate.step) == 0) {
        gate.is_reached = true;
        pthread_cond_broadcast(&gate.changed);
        while (!gate.is_open) pthread_cond_wait(&gate.changed, &gate.mutex);
    }
    pthread_mutex_unlock(&gate.mutex);
}

static void gate_close(const char *step)
{
    pthread_mutex_lock(&gate.mutex);
    gate.step = step;
    gate.is_reached = gate.is_open = false;
    pthread_mutex_unlock(&gate.mutex);
    vt_fault_set_step_hook(gate_wait, NULL);
}

static void gate_reached(void)
{
    pthread_mutex_lock(&gate.mutex);
    while (!gate.is_reached) pthread_cond_wait(&gate.changed, &gate.mutex);
    pthread_mutex_unlock(&gate.mutex);
}

static void gate_open(void)
{
    pthread_mutex_lock(&gate.mutex);
    gate.is_open = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.mutex);
}

static void serve(void)
{
    world_new(&served.world, NULL);
    world_apply_schema(&served.world, PROFILE);
    snprintf(served.tls, sizeof served.tls, "%s/tls", served.world.dir);
    ck_assert_int_eq(mkdir(served.tls, 0700), 0);
    ck_assert_ok(vt_tls_make_dev_certificates(served.tls));
    snprintf(served.certificate, sizeof served.certificate, "%s/" VT_TLS_DEV_CERTIFICATE_FILE, served.tls);
    snprintf(served.key, sizeof served.key, "%s/" VT_TLS_DEV_KEY_FILE, served.tls);
    snprintf(served.ca, sizeof served.ca, "%s/" VT_TLS_DEV_CA_FILE, served.tls);
    snprintf(served.socket, sizeof served.socket, "%s/socket", served.world.dir);
    const struct vt_server_options options = {
        .vault = served.world.vault, .listen = "127.0.0.1:0", .certificate_file = served.certificate, .key_file = served.key,
        .socket_path = served.socket, .network_threads = 1, .workers = 2, .queue_max = 64, .batch_max = 16,
        .connections_max = 8, .connection_memory_bytes = 32 << 20, .memory_bytes = 32 << 20, .handshake_timeout_ms = 60000,
        .login_timeout_ms = 60000, .idle_timeout_ms = 60000, .drain_timeout_ms = 60000,
    };
    ck_assert_ok(vt_server_open(&options, &served.server, &served.world.err));
    ck_assert_ok(vt_server_listen(served.server, &served.world.err));
    snprintf(served.port, sizeof served.port, "%u", vt_server_port(served.server));
}

static void leave(void)
{
    vt_fault_set_step_hook(NULL, NULL);
    if (served.server != NULL) ck_assert_ok(vt_server_stop(served.server));
    vt_server_free(served.server);
    served.server = NULL;
    world_free(&served.world);
}

/* A connection over TLS, logged in with a credential of its own. */
static struct vt_client *connect_as(const char *role)
{
    static unsigned number;
    struct vt_value result;
    struct vt_client_error error;
    struct vt_client *client;
    char text[96];
    const struct vt_client_options options = {.to = {.host = "127.0.0.1", .port = served.port, .ca_file = served.ca}};
    snprintf(text, sizeof text, "{name: %s-%u, role: %s}", role, ++number, role);
    ck_assert_ok(world_call(&served.world, "administrator", "credential.create", text, &result));
    ck_assert_ok(vt_client_open(&options, &error, &client));
    ck_assert_ok(vt_client_login(client, vt_value_get_text(&result, "secret"), &error));
    return client;
}

static vault_status call(struct vt_client *client, const char *method, const char *key, const char *text)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(VT_CLIENT_REPLY_POOL);
    struct vt_value params = vt_value_map();
    const struct vt_value *result;
    if (key != NULL) ck_assert_ok(vt_value_put(&pool, &params, key, vt_value_str(text), NULL));
    return vt_client_call(client, method, &params, &pool, &result, NULL);
}

static void create(const char *name)
{
    char params[96];
    snprintf(params, sizeof params, "{external_id: %s, records: {profile: {given_name: Ada}}}", name);
    ck_assert_ok(world_call(&served.world, "application", "subject.create", params, NULL));
}

START_TEST(a_shred_that_waits_for_its_epoch_holds_up_nobody_on_its_network_thread)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(VT_CLIENT_REPLY_POOL);
    struct vt_value params = vt_value_map();
    struct vt_client_reply reply;
    int64_t id;
    serve();
    create("ada");
    struct vt_client *officer = connect_as("privacy"), *other = connect_as("application");
    gate_close("S5.fenced");
    ck_assert_ok(vt_value_put(&pool, &params, "subject", vt_value_str("ada"), NULL));
    ck_assert_ok(vt_value_put(&pool, &params, "now", vt_value_bool(true), NULL));
    ck_assert_ok(vt_client_send(officer, "subject.shred", &params, &id, NULL));
    gate_reached();
    ck_assert_ok(call(other, "vault.health", NULL, NULL));
    gate_open();
    ck_assert_ok(vt_client_receive(officer, &pool, &reply, NULL));
    ck_assert_ok(reply.status);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(reply.result, "state"), "effective"));
    vt_client_free(officer);
    vt_client_free(other);
    leave();
}
END_TEST

START_TEST(a_connection_that_memory_was_short_for_is_taken_later_and_the_next_ones_too)
{
    serve();
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)vt_server_port(served.server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct vt_client *client = connect_as("application");
    vt_fault_arm(VT_FAULT_ALLOC, 1);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    usleep(100 * 1000);     /* the loop has nothing else to do */
    ck_assert(vt_fault_disarm());
    struct vt_client *next = connect_as("application");
    ck_assert_ok(call(client, "vault.health", NULL, NULL));
    ck_assert_ok(call(next, "vault.health", NULL, NULL));
    close(fd);
    vt_client_free(client);
    vt_client_free(next);
    leave();
}
END_TEST

struct work {
    struct vt_vault *vault;
    vault_status committed, closed;
};

static vault_status work_run(void *context, const uint8_t id[16])
{
    struct work *work = context;
    while (vt_jobs_progress(vt_vault_jobs(work->vault), id, 0, 0)) usleep(1000);
    usleep(200 * 1000);     /* a server that does not wait is gone by now */
    struct vt_commit_item item = {.is_unaudited = true, .is_reserved = true};
    work->committed = vt_vault_commit_wait(work->vault, &item);
    work->closed = vt_vault_close_epoch_wait(work->vault, true);
    return VAULT_E_CANCELLED;
}

START_TEST(a_server_that_stops_serves_its_jobs_to_their_end)
{
    uint8_t id[16];
    serve();
    struct work work = {served.world.vault, VAULT_E_TIMEOUT, VAULT_E_TIMEOUT};
    ck_assert_ok(vt_jobs_spawn(vt_vault_jobs(served.world.vault), "test", work_run, &work, id));
    ck_assert_ok(vt_server_stop(served.server));
    ck_assert_ok(work.committed);
    ck_assert_ok(work.closed);
    vt_server_free(served.server);
    served.server = NULL;
    leave();
}
END_TEST

/* Want of memory: docs/OPERATIONS.md "Memory". One connection and all of them may hold 32 MiB here. */

enum { LETTER_BYTES = 250000, LETTERS_ASKED = 100, LETTER_CALL_MAX_BYTES = 8 << 20 };

/* A record whose answer takes a megabyte while it waits for its commit. */
static void write_letter(void)
{
    struct world *world = &served.world;
    struct vt_value params = vt_value_map(), fields = vt_value_map(), result;
    const struct vt_bytes text = {vt_pool_alloc(&world->pool, LETTER_BYTES), LETTER_BYTES};
    ck_assert_ptr_nonnull(text.data);
    memset((void *)(uintptr_t)text.data, 'x', LETTER_BYTES);
    world_apply_schema(world, "name: letter\ndoc: A long one.\nfields:\n"
                              "  - {name: front, type: text, options: {max: 262144}, category: A, doc: f}\n"
                              "  - {name: back, type: text, options: {max: 262144}, category: A, doc: b}\n");
    ck_assert_ok(world_call(world, "application", "subject.create", "{external_id: ada}", NULL));
    const struct vt_value value = {.kind = VT_VALUE_TEXT, .bytes = text};
    ck_assert_ok(vt_value_put(&world->pool, &fields, "front", value, NULL));
    ck_assert_ok(vt_value_put(&world->pool, &fields, "back", value, NULL));
    ck_assert_ok(vt_value_put(&world->pool, &params, "subject", vt_value_str("ada"), NULL));
    ck_assert_ok(vt_value_put(&world->pool, &params, "collection", vt_value_str("letter"), NULL));
    ck_assert_ok(vt_value_put(&world->pool, &params, "fields", fields, NULL));
    ck_assert_ok(world_call_value(world, "application", "record.put", &params, &result));
}

static void send_for_letter(struct vt_client *client)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(VT_CLIENT_REPLY_POOL);
    struct vt_value params = vt_value_map();
    int64_t id;
    ck_assert_ok(vt_value_put(&pool, &params, "subject", vt_value_str("ada"), NULL));
    ck_assert_ok(vt_value_put(&pool, &params, "collection", vt_value_str("letter"), NULL));
    ck_assert_ok(vt_value_put(&pool, &params, "purpose", vt_value_str("service"), NULL));
    ck_assert_ok(vt_value_put(&pool, &params, "view", vt_value_str("plain"), NULL));
    ck_assert_ok(vt_client_send(client, "record.list", &params, &id, NULL));
}

static vault_status receive_letter(struct vt_client *client)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(VT_CLIENT_REPLY_POOL);
    struct vt_client_reply reply;
    ck_assert_ok(vt_client_receive(client, &pool, &reply, NULL));
    return reply.status;
}

START_TEST(a_client_that_asks_for_more_than_there_is_memory_waits_and_others_are_told_to_come_back)
{
    serve();
    write_letter();
    struct vt_client *greedy = connect_as("application"), *other = connect_as("application");
    const struct vt_held_counts *held = vt_vault_held(served.world.vault);
    gate_close("commit.before");                            /* no answer leaves, so all that is asked for is held */
    for (unsigned i = 0; i < LETTERS_ASKED; i++) send_for_letter(greedy);
    while (atomic_load(&held->stalls) == 0) usleep(1000);
    ck_assert_uint_ge(atomic_load(&held->bytes), held->max_bytes);
    ck_assert_uint_eq(atomic_load(&held->busy), 0);
    ck_assert_ok(call(other, "vault.health", NULL, NULL));
    send_for_letter(other);
    ck_assert_status(receive_letter(other), VAULT_E_BUSY);
    ck_assert_uint_eq(atomic_load(&held->busy), 1);
    ck_assert_uint_lt(atomic_load(&held->most_bytes), held->max_bytes + 2 * LETTER_CALL_MAX_BYTES);

    gate_open();
    for (unsigned i = 0; i < LETTERS_ASKED; i++) ck_assert_ok(receive_letter(greedy));
    send_for_letter(other);
    ck_assert_ok(receive_letter(other));
    ck_assert_uint_eq(atomic_load(&held->busy), 1);
    ck_assert_uint_lt(atomic_load(&held->most_bytes), held->max_bytes + 2 * LETTER_CALL_MAX_BYTES);
    vt_client_free(greedy);
    vt_client_free(other);
    while (atomic_load(&held->bytes) != 0) usleep(1000);    /* to the last byte: nothing is counted twice or forgotten */
    leave();
}
END_TEST

/* While memory is short, others take all there is whenever a connection looks at what has come, and let go of it behind that. */
static atomic_bool memory_is_short;

static void others_come_and_go(const char *step, void *context)
{
    static uint64_t taken;                                  /* the one network thread's */
    struct vt_held_counts *held = context;
    if (strcmp(step, "conn.look") == 0) atomic_fetch_add(&held->bytes, taken = memory_is_short ? held->max_bytes : 0);
    if (strcmp(step, "conn.looked") == 0) atomic_fetch_sub(&held->bytes, taken);
}

/* The client's end of the one connection to the server. */
static int socket_of_client(void)
{
    struct sockaddr_in peer = {0};
    for (int fd = 3; fd < 1024; fd++) {
        socklen_t len = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && peer.sin_family == AF_INET &&
            ntohs(peer.sin_port) == vt_server_port(served.server))
            return fd;
    }
    ck_abort_msg("no connection to the server");
    return -1;
}

START_TEST(what_came_before_the_end_of_a_connection_is_answered_though_memory_was_short_just_then)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(VT_CLIENT_REPLY_POOL);
    struct vt_value params = vt_value_map();
    struct vt_client_reply reply;
    int64_t id;
    serve();
    struct vt_client *client = connect_as("application");
    const struct vt_bytes text = {vt_pool_calloc(&pool, LETTER_BYTES, 2), 2 * LETTER_BYTES};
    ck_assert_ptr_nonnull(text.data);
    ck_assert_ok(vt_value_put(&pool, &params, "p", vt_value_text(text), NULL));
    memory_is_short = true;
    vt_fault_set_step_hook(others_come_and_go, (void *)(uintptr_t)vt_vault_held(served.world.vault));
    ck_assert_ok(vt_client_send(client, "vault.version", &params, &id, NULL));
    ck_assert_int_eq(shutdown(socket_of_client(), SHUT_WR), 0);
    usleep(600000);                                         /* the end is seen, and the connection looked at twice */
    memory_is_short = false;
    ck_assert_ok(vt_client_receive(client, &pool, &reply, NULL));
    ck_assert_int_eq(reply.message_id, id);
    ck_assert_status(reply.status, VAULT_E_ARGUMENT);
    vt_client_free(client);
    leave();
}
END_TEST

VT_TEST_MAIN("turns", a_shred_that_waits_for_its_epoch_holds_up_nobody_on_its_network_thread,
             a_connection_that_memory_was_short_for_is_taken_later_and_the_next_ones_too,
             a_client_that_asks_for_more_than_there_is_memory_waits_and_others_are_told_to_come_back,
             what_came_before_the_end_of_a_connection_is_answered_though_memory_was_short_just_then,
             a_server_that_stops_serves_its_jobs_to_their_end)
