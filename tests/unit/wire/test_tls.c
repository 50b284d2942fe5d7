#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/wire/tls.h"
#include "tests/support/suite.h"

enum { PATH_LEN = 512, PLAIN_MAX = 8 * 1024 * 1024 };

/* A directory of generated TLS certificates. */
struct world {
    char dir[256];
};

static struct world world_new(void)
{
    struct world world;
    vt_temp_dir_make(world.dir, sizeof world.dir);
    ck_assert_ok(vt_tls_make_dev_certificates(world.dir));
    return world;
}

static void world_free(const struct world *world)
{
    vt_temp_dir_remove(world->dir);
}

/* Good until eight others have been asked for. */
static const char *world_path(const struct world *world, const char *name)
{
    static char paths[8][PATH_LEN];
    static unsigned used;
    char *path = paths[used++ % VT_ARRAY_LEN(paths)];
    snprintf(path, PATH_LEN, "%s/%s", world->dir, name);
    return path;
}

static struct vt_tls_context *server_context(const struct world *world, bool asks, bool requires)
{
    struct vt_tls_context *context = NULL;
    const struct vt_tls_server_options options = {
        .certificate_file = world_path(world, VT_TLS_DEV_CERTIFICATE_FILE),
        .key_file = world_path(world, VT_TLS_DEV_KEY_FILE),
        .client_ca_file = asks ? world_path(world, VT_TLS_DEV_CA_FILE) : NULL,
        .requires_client_certificate = requires,
    };
    ck_assert_ok(vt_tls_server_context_new(&options, NULL, &context));
    return context;
}

static struct vt_tls_context *client_context(const struct world *world, bool has_ca, const uint8_t *pin,
                                             bool has_certificate)
{
    struct vt_tls_context *context = NULL;
    const struct vt_tls_client_options options = {
        .ca_file = has_ca ? world_path(world, VT_TLS_DEV_CA_FILE) : NULL,
        .pin = pin,
        .certificate_file = has_certificate ? world_path(world, VT_TLS_DEV_CLIENT_CERTIFICATE_FILE) : NULL,
        .key_file = has_certificate ? world_path(world, VT_TLS_DEV_CLIENT_KEY_FILE) : NULL,
    };
    ck_assert_ok(vt_tls_client_context_new(&options, NULL, &context));
    return context;
}

/* Both ends of one connection, and what each has read. */
struct pair {
    struct vt_tls *server, *client;
    struct vt_buf server_read, client_read;
    vault_status server_status, client_status;
};

static struct pair pair_new(struct vt_tls_context *server, struct vt_tls_context *client, const char *host)
{
    struct pair pair = {.server_read = VT_BUF_INIT(PLAIN_MAX), .client_read = VT_BUF_INIT(PLAIN_MAX)};
    ck_assert_ok(vt_tls_accept(server, &pair.server));
    ck_assert_ok(vt_tls_connect(client, host, &pair.client));
    return pair;
}

static void pair_free(struct pair *pair)
{
    vt_tls_free(pair->server);
    vt_tls_free(pair->client);
    vt_buf_release(&pair->server_read);
    vt_buf_release(&pair->client_read);
}

/* Carry what `from` has to send to `to`, at most @p step bytes at a time. */
static vault_status carry(struct vt_tls *from, struct vt_tls *to, struct vt_buf *to_read, size_t step)
{
    vault_status status = VAULT_OK;
    while (vt_tls_pending(from) != 0) {
        VT_AUTO(vt_buf) piece = VT_BUF_INIT(step);
        ck_assert_ok(vt_tls_pull(from, &piece));
        ck_assert_uint_gt(piece.len, 0);
        if (status != VAULT_OK) continue;
        ck_assert_ok(vt_tls_feed(to, vt_buf_bytes(&piece)));
        status = vt_tls_read(to, to_read);
    }
    return status;
}

/* Until both are silent; the first failure of each side is kept. */
static void pair_run(struct pair *pair, size_t step)
{
    if (pair->client_status == VAULT_OK) pair->client_status = vt_tls_read(pair->client, &pair->client_read);
    while (vt_tls_pending(pair->client) + vt_tls_pending(pair->server) != 0) {
        const vault_status server = carry(pair->client, pair->server, &pair->server_read, step);
        if (pair->server_status == VAULT_OK) pair->server_status = server;
        const vault_status client = carry(pair->server, pair->client, &pair->client_read, step);
        if (pair->client_status == VAULT_OK) pair->client_status = client;
    }
}

/* Handshake between contexts that are freed before it begins: connections must not need them. */
static struct pair pair_of(struct vt_tls_context *server, struct vt_tls_context *client, const char *host)
{
    struct pair pair = pair_new(server, client, host);
    vt_tls_context_free(server);
    vt_tls_context_free(client);
    pair_run(&pair, 4096);
    return pair;
}

static void ck_assert_open(const struct pair *pair)
{
    ck_assert_status(pair->server_status, VAULT_OK);
    ck_assert_status(pair->client_status, VAULT_OK);
    ck_assert_int_eq(vt_tls_state(pair->server), VT_TLS_OPEN);
    ck_assert_int_eq(vt_tls_state(pair->client), VT_TLS_OPEN);
}

START_TEST(both_ends_open_and_data_goes_both_ways)
{
    struct world world = world_new();
    struct pair pair =
        pair_of(server_context(&world, false, false), client_context(&world, true, NULL, false), "localhost");
    ck_assert_open(&pair);
    ck_assert_str_eq(vt_tls_reason(pair.client), "");
    ck_assert_ok(vt_tls_write(pair.client, vt_bytes_str("question")));
    pair_run(&pair, 4096);
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&pair.server_read), "question"));
    ck_assert_ok(vt_tls_write(pair.server, vt_bytes_str("ans")));
    ck_assert_ok(vt_tls_write(pair.server, VT_BYTES_EMPTY));
    ck_assert_ok(vt_tls_write(pair.server, vt_bytes_str("wer")));
    pair_run(&pair, 4096);
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&pair.client_read), "answer"));
    pair_free(&pair);
    world_free(&world);
}
END_TEST

START_TEST(bytes_may_arrive_one_at_a_time)
{
    struct world world = world_new();
    struct vt_tls_context *server = server_context(&world, false, false);
    struct vt_tls_context *client = client_context(&world, true, NULL, false);
    struct pair pair = pair_new(server, client, "127.0.0.1");
    pair_run(&pair, 1);
    ck_assert_open(&pair);
    ck_assert_ok(vt_tls_write(pair.client, vt_bytes_str("slow")));
    pair_run(&pair, 1);
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&pair.server_read), "slow"));
    pair_free(&pair);
    vt_tls_context_free(server);
    vt_tls_context_free(client);
    world_free(&world);
}
END_TEST

START_TEST(the_server_certificate_carries_every_local_name_and_no_other)
{
    static const struct {
        const char *host;
        vault_status expected;
    } HOSTS[] = {{"localhost", VAULT_OK},    {"127.0.0.1", VAULT_OK},        {"::1", VAULT_OK},
                 {"127.0.0.2", VAULT_E_TLS}, {"vault.example", VAULT_E_TLS}, {"localhost.example", VAULT_E_TLS}};
    struct world world = world_new();
    for (size_t i = 0; i < VT_ARRAY_LEN(HOSTS); i++) {
        struct pair pair =
            pair_of(server_context(&world, false, false), client_context(&world, true, NULL, false), HOSTS[i].host);
        ck_assert_status(pair.client_status, HOSTS[i].expected);
        ck_assert_status(pair.server_status, HOSTS[i].expected);
        pair_free(&pair);
    }
    world_free(&world);
}
END_TEST

START_TEST(a_client_trusts_only_its_own_ca)
{
    struct world world = world_new(), other = world_new();
    struct pair pair =
        pair_of(server_context(&world, false, false), client_context(&other, true, NULL, false), "localhost");
    ck_assert_status(pair.client_status, VAULT_E_TLS);
    ck_assert_status(pair.server_status, VAULT_E_TLS);
    ck_assert_int_eq(vt_tls_state(pair.client), VT_TLS_FAILED);
    ck_assert_str_eq(vt_tls_reason(pair.client), "unable to get local issuer certificate");
    ck_assert_status(vt_tls_write(pair.client, vt_bytes_str("secret")), VAULT_E_TLS);
    ck_assert_status(vt_tls_read(pair.client, &pair.client_read), VAULT_E_TLS);
    pair_free(&pair);
    world_free(&world);
    world_free(&other);
}
END_TEST

START_TEST(a_pin_alone_or_with_a_ca_admits_the_pinned_certificate_only)
{
    struct world world = world_new(), other = world_new();
    uint8_t pin[VT_TLS_FINGERPRINT_LEN], wrong[VT_TLS_FINGERPRINT_LEN];
    ck_assert_ok(vt_tls_file_fingerprint(world_path(&world, VT_TLS_DEV_CERTIFICATE_FILE), pin));
    ck_assert_ok(vt_tls_file_fingerprint(world_path(&other, VT_TLS_DEV_CERTIFICATE_FILE), wrong));
    const struct {
        bool has_ca;
        const uint8_t *pin;
        struct world *ca_of;
        vault_status expected;
    } cases[] = {{false, pin, &world, VAULT_OK},
                 {true, pin, &world, VAULT_OK},
                 {false, wrong, &world, VAULT_E_TLS},
                 {true, wrong, &world, VAULT_E_TLS},
                 {true, pin, &other, VAULT_E_TLS}};
    for (size_t i = 0; i < VT_ARRAY_LEN(cases); i++) {
        struct pair pair = pair_of(server_context(&world, false, false),
                                   client_context(cases[i].ca_of, cases[i].has_ca, cases[i].pin, false), "localhost");
        ck_assert_status(pair.client_status, cases[i].expected);
        uint8_t seen[VT_TLS_FINGERPRINT_LEN];
        ck_assert_status(vt_tls_peer_fingerprint(pair.client, seen),
                         cases[i].expected == VAULT_OK ? VAULT_OK : VAULT_E_NOT_FOUND);
        if (cases[i].expected == VAULT_OK) ck_assert_mem_eq(seen, pin, sizeof pin);
        pair_free(&pair);
    }
    world_free(&world);
    world_free(&other);
}
END_TEST

START_TEST(mutual_tls_tells_the_server_who_calls)
{
    struct world world = world_new();
    uint8_t expected[VT_TLS_FINGERPRINT_LEN], seen[VT_TLS_FINGERPRINT_LEN];
    ck_assert_ok(vt_tls_file_fingerprint(world_path(&world, VT_TLS_DEV_CLIENT_CERTIFICATE_FILE), expected));
    struct pair pair =
        pair_of(server_context(&world, true, true), client_context(&world, true, NULL, true), "localhost");
    ck_assert_open(&pair);
    ck_assert_ok(vt_tls_peer_fingerprint(pair.server, seen));
    ck_assert_mem_eq(seen, expected, sizeof seen);
    pair_free(&pair);
    world_free(&world);
}
END_TEST

START_TEST(a_client_certificate_may_be_missing_only_where_it_is_not_required)
{
    struct world world = world_new();
    uint8_t seen[VT_TLS_FINGERPRINT_LEN];
    struct pair pair =
        pair_of(server_context(&world, true, false), client_context(&world, true, NULL, false), "localhost");
    ck_assert_open(&pair);
    ck_assert_status(vt_tls_peer_fingerprint(pair.server, seen), VAULT_E_NOT_FOUND);
    pair_free(&pair);

    pair = pair_of(server_context(&world, true, true), client_context(&world, true, NULL, false), "localhost");
    ck_assert_status(pair.server_status, VAULT_E_TLS);
    ck_assert_status(pair.client_status, VAULT_E_TLS);
    pair_free(&pair);
    world_free(&world);
}
END_TEST

START_TEST(a_client_certificate_of_another_ca_is_refused)
{
    struct world world = world_new(), other = world_new();
    struct vt_tls_context *client = NULL;
    const struct vt_tls_client_options options = {
        .ca_file = world_path(&world, VT_TLS_DEV_CA_FILE),
        .certificate_file = world_path(&other, VT_TLS_DEV_CLIENT_CERTIFICATE_FILE),
        .key_file = world_path(&other, VT_TLS_DEV_CLIENT_KEY_FILE),
    };
    ck_assert_ok(vt_tls_client_context_new(&options, NULL, &client));
    struct pair pair = pair_of(server_context(&world, true, false), client, "localhost");
    ck_assert_status(pair.server_status, VAULT_E_TLS);
    ck_assert_status(pair.client_status, VAULT_E_TLS);
    pair_free(&pair);
    world_free(&world);
    world_free(&other);
}
END_TEST

/* A TLS 1.2 ClientHello as of RFC 5246 section 7.4.1.2, without the extension that would offer 1.3. */
START_TEST(a_tls_1_2_client_gets_the_protocol_version_alert)
{
    static const uint8_t HELLO[] = {
        22, 3,  1,    0,    61,    /* handshake record */
        1,  0,  0,    57,   3,  3, /* ClientHello, version 1.2 */
        1,  2,  3,    4,    5,  6, 7, 8, 9,  10, 11, 12, 13, 14, 15, 16, 1,
        2,  3,  4,    5,    6,  7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, /* no session */
        0,  2,  0xc0, 0x2b,                                             /* ECDHE-ECDSA-AES128-GCM-SHA256 */
        1,  0,                                                          /* null compression */
        0,  14, 0,    10,   0,  4, 0, 2, 0,  23,                        /* supported_groups: secp256r1 */
        0,  13, 0,    2,    0,  0,                                      /* an empty signature_algorithms */
    };
    static const uint8_t ALERT[] = {21, 3, 1, 0, 2, 2, 70};
    struct world world = world_new();
    struct vt_tls_context *context = server_context(&world, false, false);
    struct vt_tls *server = NULL;
    VT_AUTO(vt_buf) plain = VT_BUF_INIT(PLAIN_MAX);
    VT_AUTO(vt_buf) answer = VT_BUF_INIT(PLAIN_MAX);
    ck_assert_ok(vt_tls_accept(context, &server));
    ck_assert_ok(vt_tls_feed(server, VT_BYTES_OF(HELLO)));
    ck_assert_status(vt_tls_read(server, &plain), VAULT_E_TLS);
    ck_assert_str_eq(vt_tls_reason(server), "unsupported protocol");
    ck_assert_ok(vt_tls_pull(server, &answer));
    ck_assert_uint_eq(answer.len, sizeof ALERT);
    ck_assert_uint_eq(answer.data[0], 21);
    ck_assert_mem_eq(answer.data + 3, ALERT + 3, 4);
    vt_tls_free(server);
    vt_tls_context_free(context);
    world_free(&world);
}
END_TEST

/* A ServerHello without supported_versions is one of TLS 1.2 (RFC 8446 section 4.2.1). */
START_TEST(a_tls_1_2_server_is_refused)
{
    static const uint8_t HELLO[] = {
        22, 3,  3,  0, 42, 2, 0, 0, 38, 3, 3, 1, 2,  3,  4,  5,  6,  7,  8,  9, 10,   11,   12, 13,
        14, 15, 16, 1, 2,  3, 4, 5, 6,  7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 0xc0, 0x2b, 0,
    };
    struct world world = world_new();
    struct vt_tls_context *context = client_context(&world, true, NULL, false);
    struct vt_tls *client = NULL;
    VT_AUTO(vt_buf) plain = VT_BUF_INIT(PLAIN_MAX);
    ck_assert_ok(vt_tls_connect(context, "localhost", &client));
    ck_assert_ok(vt_tls_read(client, &plain));
    ck_assert_uint_gt(vt_tls_pending(client), 0);
    ck_assert_ok(vt_tls_feed(client, VT_BYTES_OF(HELLO)));
    ck_assert_status(vt_tls_read(client, &plain), VAULT_E_TLS);
    ck_assert_str_eq(vt_tls_reason(client), "unsupported protocol");
    vt_tls_free(client);
    vt_tls_context_free(context);
    world_free(&world);
}
END_TEST

START_TEST(a_full_buffer_is_no_failure_and_loses_nothing)
{
    struct world world = world_new();
    struct pair pair =
        pair_of(server_context(&world, false, false), client_context(&world, true, NULL, false), "localhost");
    uint8_t sent[50000];
    for (size_t i = 0; i < sizeof sent; i++) sent[i] = (uint8_t)(i * 31 >> 3);
    ck_assert_ok(vt_tls_write(pair.client, VT_BYTES_OF(sent)));
    VT_AUTO(vt_buf) wire = VT_BUF_INIT(PLAIN_MAX);
    ck_assert_ok(vt_tls_pull(pair.client, &wire));
    ck_assert_ok(vt_tls_feed(pair.server, vt_buf_bytes(&wire)));

    VT_AUTO(vt_buf) received = VT_BUF_INIT(PLAIN_MAX);
    for (;;) {
        VT_AUTO(vt_buf) small = VT_BUF_INIT(777);
        ck_assert_ok(vt_tls_read(pair.server, &small));
        if (small.len == 0) break;
        ck_assert_ok(vt_buf_append(&received, vt_buf_bytes(&small)));
    }
    ck_assert(vt_bytes_equal(vt_buf_bytes(&received), VT_BYTES_OF(sent)));
    pair_free(&pair);
    world_free(&world);
}
END_TEST

START_TEST(five_megabytes_arrive_as_they_were_sent)
{
    enum { LEN = 5 * 1024 * 1024 };
    struct world world = world_new();
    struct pair pair =
        pair_of(server_context(&world, false, false), client_context(&world, true, NULL, false), "localhost");
    uint8_t *sent = vt_malloc(LEN);
    for (size_t i = 0; i < LEN; i++) sent[i] = (uint8_t)((i * 2654435761u) >> 24);
    ck_assert_ok(vt_tls_write(pair.server, vt_bytes(sent, LEN)));
    pair_run(&pair, 65536);
    ck_assert(vt_bytes_equal(vt_buf_bytes(&pair.client_read), vt_bytes(sent, LEN)));
    free(sent);
    pair_free(&pair);
    world_free(&world);
}
END_TEST

START_TEST(no_ticket_is_ever_sent)
{
    struct world world = world_new();
    struct vt_tls_context *server = server_context(&world, false, false);
    struct vt_tls_context *client = client_context(&world, true, NULL, false);
    struct pair pair = pair_new(server, client, "localhost");
    ck_assert_ok(vt_tls_read(pair.client, &pair.client_read));
    ck_assert_ok(carry(pair.client, pair.server, &pair.server_read, 65536));
    ck_assert_ok(carry(pair.server, pair.client, &pair.client_read, 65536));
    ck_assert_ok(carry(pair.client, pair.server, &pair.server_read, 65536));
    ck_assert_open(&pair);
    ck_assert_uint_eq(vt_tls_pending(pair.server), 0); /* NewSessionTicket would follow the client's Finished */
    pair_free(&pair);
    vt_tls_context_free(server);
    vt_tls_context_free(client);
    world_free(&world);
}
END_TEST

/* But for the length, bytes 3 and 4: a longer record is waited for. */
START_TEST(a_flipped_bit_in_a_record_ends_the_connection)
{
    struct world world = world_new();
    for (size_t at = 0; at < 41; at += at == 2 ? 3 : 1) {
        struct pair pair =
            pair_of(server_context(&world, false, false), client_context(&world, true, NULL, false), "localhost");
        ck_assert_ok(vt_tls_write(pair.client, vt_bytes_str("a message of twenty")));
        VT_AUTO(vt_buf) wire = VT_BUF_INIT(PLAIN_MAX);
        ck_assert_ok(vt_tls_pull(pair.client, &wire));
        ck_assert_uint_eq(wire.len, 41);
        wire.data[at] ^= 1;
        ck_assert_ok(vt_tls_feed(pair.server, vt_buf_bytes(&wire)));
        ck_assert_status(vt_tls_read(pair.server, &pair.server_read), VAULT_E_TLS);
        ck_assert_uint_eq(pair.server_read.len, 0);
        ck_assert_int_eq(vt_tls_state(pair.server), VT_TLS_FAILED);
        pair_free(&pair);
    }
    world_free(&world);
}
END_TEST

START_TEST(what_came_before_a_damaged_record_is_delivered)
{
    struct world world = world_new();
    struct pair pair =
        pair_of(server_context(&world, false, false), client_context(&world, true, NULL, false), "localhost");
    ck_assert_ok(vt_tls_write(pair.client, vt_bytes_str("whole")));
    ck_assert_ok(vt_tls_write(pair.client, vt_bytes_str("broken")));
    VT_AUTO(vt_buf) wire = VT_BUF_INIT(PLAIN_MAX);
    ck_assert_ok(vt_tls_pull(pair.client, &wire));
    wire.data[wire.len - 1] ^= 1;
    ck_assert_ok(vt_tls_feed(pair.server, vt_buf_bytes(&wire)));
    ck_assert_status(vt_tls_read(pair.server, &pair.server_read), VAULT_E_TLS);
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&pair.server_read), "whole"));
    pair_free(&pair);
    world_free(&world);
}
END_TEST

static void ck_assert_refused(struct vt_tls_context *context, struct vt_bytes first_bytes)
{
    struct vt_tls *server = NULL;
    VT_AUTO(vt_buf) plain = VT_BUF_INIT(PLAIN_MAX);
    ck_assert_ok(vt_tls_accept(context, &server));
    ck_assert_ok(vt_tls_feed(server, first_bytes));
    ck_assert_status(vt_tls_read(server, &plain), VAULT_E_TLS);
    ck_assert_str_ne(vt_tls_reason(server), "");
    vt_tls_free(server);
}

START_TEST(speaking_anything_else_than_tls_is_refused)
{
    static const uint8_t RPC[] = {0x94, 0, 0, 0xaa, 'a', 'u', 't', 'h', '.', 'l', 'o', 'g', 'i', 'n', 0x80};
    struct world world = world_new();
    struct vt_tls_context *context = server_context(&world, false, false);
    ck_assert_refused(context, vt_bytes_str("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    ck_assert_refused(context, VT_BYTES_OF(RPC));
    vt_tls_context_free(context);
    world_free(&world);
}
END_TEST

START_TEST(close_is_told_from_truncation)
{
    struct world world = world_new();
    struct pair pair =
        pair_of(server_context(&world, false, false), client_context(&world, true, NULL, false), "localhost");
    ck_assert_ok(vt_tls_write(pair.client, vt_bytes_str("last words")));
    vt_tls_close(pair.client);
    vt_tls_close(pair.client);
    ck_assert_status(vt_tls_write(pair.client, vt_bytes_str("more")), VAULT_E_STATE);
    pair_run(&pair, 4096);
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&pair.server_read), "last words"));
    ck_assert_int_eq(vt_tls_state(pair.server), VT_TLS_PEER_CLOSED);
    ck_assert_ok(vt_tls_end(pair.server));

    ck_assert_ok(vt_tls_write(pair.server, vt_bytes_str("still answered")));
    pair_run(&pair, 4096);
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&pair.client_read), "still answered"));
    ck_assert_status(vt_tls_end(pair.client), VAULT_E_TLS);
    ck_assert_str_eq(vt_tls_reason(pair.client), "the stream ended without close_notify");
    pair_free(&pair);
    world_free(&world);
}
END_TEST

START_TEST(nothing_is_written_before_the_handshake_is_finished)
{
    struct world world = world_new();
    struct vt_tls_context *context = client_context(&world, true, NULL, false);
    struct vt_tls *client = NULL;
    ck_assert_ok(vt_tls_connect(context, "localhost", &client));
    ck_assert_status(vt_tls_write(client, vt_bytes_str("early")), VAULT_E_STATE);
    ck_assert_status(vt_tls_end(client), VAULT_E_TLS);
    vt_tls_close(client);
    vt_tls_free(client);
    vt_tls_context_free(context);
    world_free(&world);
}
END_TEST

START_TEST(hosts_that_are_none_are_refused)
{
    struct world world = world_new();
    struct vt_tls_context *context = client_context(&world, true, NULL, false);
    struct vt_tls *client = NULL;
    char host[VT_TLS_HOST_MAX + 2];
    memset(host, 'a', sizeof host);
    host[sizeof host - 1] = '\0';
    ck_assert_status(vt_tls_connect(context, host, &client), VAULT_E_ARGUMENT);
    ck_assert_status(vt_tls_connect(context, "", &client), VAULT_E_ARGUMENT);
    ck_assert_status(vt_tls_connect(context, NULL, &client), VAULT_E_ARGUMENT);
    ck_assert_ptr_null(client);
    vt_tls_context_free(context);
    world_free(&world);
}
END_TEST

static vault_status try_server(const char *certificate, const char *key, const char *ca, struct vt_err *err)
{
    VT_AUTO_PTR(vt_tls_context) context = NULL;
    const struct vt_tls_server_options options = {certificate, key, ca, false};
    return vt_tls_server_context_new(&options, err, &context);
}

START_TEST(missing_and_unfitting_files_are_named)
{
    struct world world = world_new(), other = world_new();
    struct vt_err err = {"", ""};
    const char *certificate = world_path(&world, VT_TLS_DEV_CERTIFICATE_FILE);
    const char *key = world_path(&world, VT_TLS_DEV_KEY_FILE);
    ck_assert_status(try_server(world_path(&world, "none"), key, NULL, &err), VAULT_E_IO);
    ck_assert_str_eq(err.field, "certificate_file");
    ck_assert_status(try_server(certificate, world_path(&world, "none"), NULL, &err), VAULT_E_IO);
    ck_assert_str_eq(err.field, "key_file");
    ck_assert_status(try_server(key, key, NULL, &err), VAULT_E_PARSE);
    ck_assert_str_eq(err.field, "certificate_file");
    ck_assert_status(try_server(certificate, world_path(&other, VT_TLS_DEV_KEY_FILE), NULL, &err), VAULT_E_PARSE);
    ck_assert_str_eq(err.field, "key_file");
    ck_assert_status(try_server(certificate, key, key, &err), VAULT_E_PARSE);
    ck_assert_str_eq(err.field, "client_ca_file");
    ck_assert_ok(try_server(certificate, key, NULL, NULL));
    ck_assert_status(try_server(certificate, NULL, NULL, NULL), VAULT_E_ARGUMENT);

    VT_AUTO_PTR(vt_tls_context) context = NULL;
    ck_assert_status(vt_tls_client_context_new(&(struct vt_tls_client_options){.ca_file = NULL}, NULL, &context),
                     VAULT_E_ARGUMENT);
    world_free(&world);
    world_free(&other);
}
END_TEST

START_TEST(a_private_key_that_others_may_read_or_write_is_refused_on_both_sides)
{
    static const mode_t OPEN[] = {0640, 0604, 0644, 0620, 0666, 0601};
    struct world world = world_new();
    struct vt_err err = {"", ""};
    const char *certificate = world_path(&world, VT_TLS_DEV_CERTIFICATE_FILE), *key = world_path(&world, VT_TLS_DEV_KEY_FILE);
    const struct vt_tls_client_options client = {.ca_file = world_path(&world, VT_TLS_DEV_CA_FILE),
                                                 .certificate_file = world_path(&world, VT_TLS_DEV_CLIENT_CERTIFICATE_FILE),
                                                 .key_file = world_path(&world, VT_TLS_DEV_CLIENT_KEY_FILE)};
    VT_AUTO_PTR(vt_tls_context) context = NULL;
    for (size_t i = 0; i < VT_ARRAY_LEN(OPEN); i++) {
        ck_assert_int_eq(chmod(key, OPEN[i]), 0);
        ck_assert_status(try_server(certificate, key, NULL, &err), VAULT_E_STATE);
        ck_assert_str_eq(err.field, "key_file");
        ck_assert_ptr_nonnull(strstr(err.message, "its mode must be 0600."));
        ck_assert_int_eq(chmod(client.key_file, OPEN[i]), 0);
        ck_assert_status(vt_tls_client_context_new(&client, NULL, &context), VAULT_E_STATE);
    }
    ck_assert_int_eq(chmod(key, 0400), 0);
    ck_assert_ok(try_server(certificate, key, NULL, NULL));
    ck_assert_int_eq(chmod(client.key_file, 0600), 0);
    ck_assert_ok(vt_tls_client_context_new(&client, NULL, &context));
    world_free(&world);
}
END_TEST

START_TEST(generated_files_are_private_whole_and_never_replaced)
{
    static const char *const NAMES[] = {VT_TLS_DEV_CA_FILE, VT_TLS_DEV_CERTIFICATE_FILE, VT_TLS_DEV_KEY_FILE,
                                        VT_TLS_DEV_CLIENT_CERTIFICATE_FILE, VT_TLS_DEV_CLIENT_KEY_FILE};
    struct world world = world_new();
    uint8_t before[VT_TLS_FINGERPRINT_LEN], after[VT_TLS_FINGERPRINT_LEN];
    for (size_t i = 0; i < VT_ARRAY_LEN(NAMES); i++) {
        struct stat info;
        ck_assert_int_eq(stat(world_path(&world, NAMES[i]), &info), 0);
        ck_assert_uint_eq(info.st_mode & 0777, 0600);
        ck_assert_int_gt(info.st_size, 0);
    }
    ck_assert_ok(vt_tls_file_fingerprint(world_path(&world, VT_TLS_DEV_CERTIFICATE_FILE), before));
    ck_assert_status(vt_tls_make_dev_certificates(world.dir), VAULT_E_EXISTS);
    ck_assert_ok(vt_tls_file_fingerprint(world_path(&world, VT_TLS_DEV_CERTIFICATE_FILE), after));
    ck_assert_mem_eq(before, after, sizeof before);

    /* As after a crash before the last file: all are made anew. */
    ck_assert_int_eq(unlink(world_path(&world, VT_TLS_DEV_CA_FILE)), 0);
    ck_assert_ok(vt_tls_make_dev_certificates(world.dir));
    struct pair pair =
        pair_of(server_context(&world, true, true), client_context(&world, true, NULL, true), "localhost");
    ck_assert_open(&pair);
    pair_free(&pair);
    ck_assert_status(vt_tls_make_dev_certificates(world_path(&world, "no-such-directory")), VAULT_E_IO);
    world_free(&world);
}
END_TEST

START_TEST(fingerprints_of_unreadable_files_fail_with_their_reason)
{
    struct world world = world_new();
    uint8_t fingerprint[VT_TLS_FINGERPRINT_LEN];
    ck_assert_status(vt_tls_file_fingerprint(world_path(&world, "none"), fingerprint), VAULT_E_IO);
    ck_assert_status(vt_tls_file_fingerprint(world_path(&world, VT_TLS_DEV_KEY_FILE), fingerprint), VAULT_E_PARSE);
    world_free(&world);
}
END_TEST

#ifdef VT_FAULTS
START_TEST(short_memory_fails_the_call_with_that_status)
{
    struct world world = world_new();
    struct vt_tls_context *context = client_context(&world, true, NULL, false);
    struct vt_tls *client = NULL;
    vt_fault_arm(VT_FAULT_ALLOC, 1);
    ck_assert_status(vt_tls_connect(context, "localhost", &client), VAULT_E_MEMORY);
    ck_assert(vt_fault_disarm());
    ck_assert_ok(vt_tls_connect(context, "localhost", &client));
    VT_AUTO(vt_buf) plain = VT_BUF_INIT(PLAIN_MAX);
    vt_fault_arm(VT_FAULT_ALLOC, 1); /* the ClientHello finds no buffer */
    ck_assert_status(vt_tls_read(client, &plain), VAULT_E_MEMORY);
    ck_assert(vt_fault_disarm());
    ck_assert_status(vt_tls_read(client, &plain), VAULT_E_TLS);
    vt_tls_free(client);
    vt_tls_context_free(context);
    world_free(&world);
}
END_TEST

/* One way, without asserting: memory may be short anywhere. */
static vault_status convey(struct vt_tls *from, struct vt_tls *to, struct vt_buf *to_read)
{
    VT_AUTO(vt_buf) wire = VT_BUF_INIT(PLAIN_MAX);
    VT_TRY(vt_tls_pull(from, &wire));
    VT_TRY(vt_tls_feed(to, vt_buf_bytes(&wire)));
    return vt_tls_read(to, to_read);
}

static vault_status converse(struct vt_tls_context *server_side, struct vt_tls_context *client_side)
{
    VT_AUTO_PTR(vt_tls) server = NULL;
    VT_AUTO_PTR(vt_tls) client = NULL;
    VT_AUTO(vt_buf) server_read = VT_BUF_INIT(PLAIN_MAX);
    VT_AUTO(vt_buf) client_read = VT_BUF_INIT(PLAIN_MAX);
    VT_TRY(vt_tls_accept(server_side, &server));
    VT_TRY(vt_tls_connect(client_side, "localhost", &client));
    VT_TRY(vt_tls_read(client, &client_read));
    for (int turn = 0; turn < 3; turn++) {
        VT_TRY(convey(client, server, &server_read));
        VT_TRY(convey(server, client, &client_read));
        if (vt_tls_state(client) == VT_TLS_OPEN) VT_TRY(vt_tls_write(client, vt_bytes_str("question")));
    }
    VT_TRY(convey(client, server, &server_read));
    return vt_bytes_equal_str(vt_buf_bytes(&server_read), "questionquestionquestion") ? VAULT_OK : VAULT_E_CONFLICT;
}

START_TEST(any_failing_allocation_of_ours_ends_a_conversation_with_its_status)
{
    struct world world = world_new();
    struct vt_tls_context *server = server_context(&world, false, false);
    struct vt_tls_context *client = client_context(&world, true, NULL, false);
    unsigned failures = 0;
    for (unsigned nth = 1;; nth++) {
        vt_fault_arm(VT_FAULT_ALLOC, nth);
        const vault_status status = converse(server, client);
        const bool has_fired = vt_fault_disarm();
        ck_assert_status(status, has_fired ? VAULT_E_MEMORY : VAULT_OK);
        if (!has_fired) break;
        failures++;
    }
    ck_assert_uint_gt(failures, 10);
    vt_tls_context_free(server);
    vt_tls_context_free(client);
    world_free(&world);
}
END_TEST
#endif

VT_TEST_MAIN("wire/tls",
#ifdef VT_FAULTS
             short_memory_fails_the_call_with_that_status,
             any_failing_allocation_of_ours_ends_a_conversation_with_its_status,
#endif
             both_ends_open_and_data_goes_both_ways, bytes_may_arrive_one_at_a_time,
             the_server_certificate_carries_every_local_name_and_no_other, a_client_trusts_only_its_own_ca,
             a_pin_alone_or_with_a_ca_admits_the_pinned_certificate_only, mutual_tls_tells_the_server_who_calls,
             a_client_certificate_may_be_missing_only_where_it_is_not_required,
             a_client_certificate_of_another_ca_is_refused, a_tls_1_2_client_gets_the_protocol_version_alert,
             a_tls_1_2_server_is_refused, a_full_buffer_is_no_failure_and_loses_nothing,
             five_megabytes_arrive_as_they_were_sent, no_ticket_is_ever_sent,
             a_flipped_bit_in_a_record_ends_the_connection, what_came_before_a_damaged_record_is_delivered,
             speaking_anything_else_than_tls_is_refused, close_is_told_from_truncation,
             nothing_is_written_before_the_handshake_is_finished, hosts_that_are_none_are_refused,
             missing_and_unfitting_files_are_named,
             a_private_key_that_others_may_read_or_write_is_refused_on_both_sides,
             generated_files_are_private_whole_and_never_replaced,
             fingerprints_of_unreadable_files_fail_with_their_reason)
