/* The public API through the shared object, against a peer on a Unix socket that says fixed bytes. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "libvault/include/vault/vault.h"
#include "tests/support/suite.h"

enum { HEARD_MAX = 4096 };

/* A peer that takes one connection, hears one call and answers with the bytes given. */
struct peer {
    char dir[256];
    char path[300];
    int listener;
    pthread_t thread;
    const char *answer;
    size_t answer_len;
    char heard[HEARD_MAX];
    size_t heard_len;
};

static void *peer_serve(void *context)
{
    struct peer *peer = context;
    const int fd = accept(peer->listener, NULL, NULL);
    const ssize_t len = fd >= 0 ? read(fd, peer->heard, sizeof peer->heard) : -1;
    peer->heard_len = len > 0 ? (size_t)len : 0;
    if (len > 0 && write(fd, peer->answer, peer->answer_len) != (ssize_t)peer->answer_len) peer->heard_len = 0;
    if (fd >= 0) close(fd);
    return NULL;
}

static void peer_start(struct peer *peer, const char *answer, size_t len)
{
    *peer = (struct peer){.answer = answer, .answer_len = len};
    vt_temp_dir_make(peer->dir, sizeof peer->dir);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    ck_assert_int_lt(snprintf(peer->path, sizeof peer->path, "%s/s", peer->dir), (int)sizeof address.sun_path);
    memcpy(address.sun_path, peer->path, strlen(peer->path) + 1);
    peer->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(peer->listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(peer->listener, 1), 0);
    ck_assert_int_eq(pthread_create(&peer->thread, NULL, peer_serve, peer), 0);
}

static void peer_stop(struct peer *peer)
{
    ck_assert_int_eq(pthread_join(peer->thread, NULL), 0);
    close(peer->listener);
    unlink(peer->path);
    vt_temp_dir_remove(peer->dir);
}

static vault_client *opened(const struct peer *peer)
{
    const vault_options options = {.socket_path = peer->path};
    vault_client *client = NULL;
    ck_assert_ok(vault_client_open(&options, NULL, &client));
    return client;
}

#define ANSWER(bytes) (bytes), sizeof(bytes) - 1

START_TEST(a_result_is_read_by_key_and_by_place)
{
    struct peer peer;
    peer_start(&peer, ANSWER("\x94\x01\x00\xc0\x83\xa5state\xa5ready\xa1n\x07\xa4list\x92\xc3\xc4\x01\xff"));
    vault_client *client = opened(&peer);
    vault_result *result = NULL;
    ck_assert_ok(vault_client_call(client, "vault.health", NULL, &result, NULL));
    const vault_value *map = vault_result_value(result);
    size_t len;
    ck_assert_uint_eq(vault_value_count(map), 3);
    ck_assert_mem_eq(vault_value_data(vault_value_get(map, "state"), &len), "ready", 5);
    ck_assert_mem_eq(vault_value_data(vault_value_get(map, "state"), NULL), "ready", 5);
    ck_assert_mem_eq(vault_value_key(map, 0, NULL), "state", 5);
    ck_assert_uint_eq(len, 5);
    ck_assert_int_eq(vault_value_int(vault_value_get(map, "n"), -1), 7);
    const vault_value *list = vault_value_at(map, 2);
    ck_assert_int_eq(vault_value_kind(list), VAULT_LIST);
    ck_assert_int_eq(vault_value_bool(vault_value_at(list, 0), 0), 1);
    ck_assert_int_eq(vault_value_kind(vault_value_at(list, 1)), VAULT_BYTES);
    ck_assert_ptr_null(vault_value_at(list, 2));
    ck_assert_int_eq(vault_value_kind(vault_value_get(map, "absent")), VAULT_NIL);
    vault_result_free(result);
    vault_client_free(client);
    peer_stop(&peer);
    ck_assert_mem_eq(peer.heard, "\x94\x00\x00\xacvault.health\x80", 17);
}
END_TEST

START_TEST(a_refusal_carries_field_sentence_wait_and_certificate)
{
    struct peer peer;
    peer_start(&peer, ANSWER("\x94\x01\x00\x84\xa4"
                             "code\x15\xa7message\xa5"
                             "Gone.\xa5"
                             "field\xa1x\xab"
                             "certificate\x0c\xc0"));
    vault_client *client = opened(&peer);
    vault_result *result = NULL;
    vault_error error;
    ck_assert_status(vault_client_call(client, "subject.show", NULL, &result, &error), VAULT_E_ERASED);
    ck_assert_ptr_null(result);
    ck_assert_str_eq(error.message, "Gone.");
    ck_assert_str_eq(error.field, "x");
    ck_assert_uint_eq(error.certificate, 12);
    vault_client_free(client);
    peer_stop(&peer);
}
END_TEST

START_TEST(an_answer_to_another_call_closes_the_connection)
{
    struct peer peer;
    peer_start(&peer, ANSWER("\x94\x01\x09\xc0\x80"));
    vault_client *client = opened(&peer);
    vault_result *result = NULL;
    ck_assert_status(vault_client_call(client, "vault.health", NULL, &result, NULL), VAULT_E_PROTOCOL);
    ck_assert_status(vault_client_call(client, "vault.health", NULL, &result, NULL), VAULT_E_CONNECT);
    vault_client_free(client);
    peer_stop(&peer);
}
END_TEST

START_TEST(nested_params_arrive_as_they_were_built)
{
    struct peer peer;
    peer_start(&peer, ANSWER("\x94\x01\x00\xc0\x80"));
    vault_client *client = opened(&peer);
    vault_params *params = NULL;
    ck_assert_ok(vault_params_new(&params));
    ck_assert_ok(vault_params_open_list(params, "l"));
    ck_assert_ok(vault_params_open_map(params, NULL));
    ck_assert_ok(vault_params_int(params, "i", -1));
    ck_assert_ok(vault_params_close(params));
    ck_assert_ok(vault_params_nil(params, NULL));
    ck_assert_ok(vault_params_close(params));
    ck_assert_ok(vault_params_bytes(params, "b", "\x00", 1));
    vault_result *result = NULL;
    ck_assert_ok(vault_client_call(client, "m", params, &result, NULL));
    vault_result_free(result);
    vault_params_free(params);
    vault_client_free(client);
    peer_stop(&peer);
    static const char SENT[] = "\x94\x00\x00\xa1m\x82\xa1l\x92\x81\xa1i\xff\xc0\xa1"
                               "b\xc4\x01\x00";
    ck_assert_uint_eq(peer.heard_len, sizeof SENT - 1);
    ck_assert_mem_eq(peer.heard, SENT, sizeof SENT - 1);
}
END_TEST

START_TEST(params_remember_their_first_failure)
{
    vault_params *params = NULL;
    ck_assert_ok(vault_params_new(&params));
    ck_assert_status(vault_params_str(params, "a", "\xff"), VAULT_E_TYPE);
    ck_assert_status(vault_params_str(params, NULL, "no key in a map"), VAULT_E_ARGUMENT);
    ck_assert_status(vault_params_close(params), VAULT_E_STATE);
    vault_params_free(params);

    ck_assert_ok(vault_params_new(&params));
    ck_assert_ok(vault_params_int(params, "a", 1));
    ck_assert_status(vault_params_int(params, "a", 2), VAULT_E_ARGUMENT);
    ck_assert_ok(vault_params_open_list(params, "l"));
    ck_assert_status(vault_params_int(params, "key", 2), VAULT_E_ARGUMENT);
    vault_params_free(params);
    vault_params_free(NULL);
}
END_TEST

START_TEST(nesting_ends_at_the_limit)
{
    vault_params *params = NULL;
    ck_assert_ok(vault_params_new(&params));
    vault_status status = vault_params_open_list(params, "l");
    unsigned depth = 1;
    for (; status == VAULT_OK && depth < 100; depth++) status = vault_params_open_list(params, NULL);
    ck_assert_status(status, VAULT_E_TOO_LARGE);
    ck_assert_uint_eq(depth, 16);
    vault_params_free(params);
}
END_TEST

START_TEST(nobody_there_and_no_authority_are_told_apart)
{
    vault_client *client = NULL;
    vault_error error;
    const vault_options nobody = {.socket_path = "/nonexistent/sock"};
    const vault_options no_authority = {.host = "127.0.0.1", .port = "1"};
    const vault_options bad_pin = {.host = "127.0.0.1", .port = "1", .pin_sha256 = "00"};
    const vault_options nowhere = {.host = NULL};
    ck_assert_status(vault_client_open(&nobody, &error, &client), VAULT_E_CONNECT);
    ck_assert_str_eq(error.message, "No vault answers at this address: check that vaultd runs and listens there.");
    ck_assert_status(vault_client_open(&no_authority, &error, &client), VAULT_E_ARGUMENT);
    ck_assert_status(vault_client_open(&bad_pin, &error, &client), VAULT_E_ARGUMENT);
    ck_assert_str_eq(error.field, "pin_sha256");
    ck_assert_status(vault_client_open(&nowhere, &error, &client), VAULT_E_ARGUMENT);
    ck_assert_ptr_null(client);
}
END_TEST

/* Certificates: made by tests/vectors/make_certificate_vectors.py, another implementation -------------------------------- */

struct loaded {
    char text[8192];
    size_t len;
};

static struct loaded load(const char *name)
{
    struct loaded loaded;
    char path[512];
    snprintf(path, sizeof path, VT_SOURCE_DIR "/tests/vectors/certificate/%s", name);
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    loaded.len = fread(loaded.text, 1, sizeof loaded.text - 1, file);
    ck_assert_uint_gt(loaded.len, 0);
    loaded.text[loaded.len] = '\0';
    fclose(file);
    return loaded;
}

static bool says(const vault_value *map, const char *key, const char *text)
{
    size_t len = 0;
    const char *data = vault_value_data(vault_value_get(map, key), &len);
    return data != NULL && len == strlen(text) && memcmp(data, text, len) == 0;
}

START_TEST(a_certificate_of_another_implementation_is_checked_and_read_without_a_vault)
{
    static const char *const STATES[] = {"pending", "effective", "final"};
    const struct loaded key = load("key");
    for (size_t i = 0; i < 3; i++) {
        const struct loaded file = load(STATES[i]);
        vault_result *result = NULL;
        vault_error error = {.message = "x"};
        uint64_t number = 0;
        ck_assert_ok(vault_certificate_open(file.text, file.len, key.text, &result, &error));
        ck_assert_str_eq(error.message, "");
        const vault_value *said = vault_result_value(result);
        ck_assert(says(said, "state", STATES[i]));
        ck_assert_int_eq(vault_value_int(vault_value_get(said, "number"), 0), 42);
        ck_assert(says(said, "requested", "2026-07-01T00:00:00.000Z"));
        ck_assert_int_eq(says(said, "effective", "2026-07-01T00:00:00.000Z"), i != 0);
        ck_assert_int_eq(says(said, "final", "2026-07-01T00:00:00.000Z"), i == 2);
        ck_assert(says(said, "scope", i == 0 ? "whole subject" : "categories"));
        const vault_value *keepers = vault_value_get(said, "keepers");
        ck_assert_uint_eq(vault_value_count(keepers), i == 0 ? 1 : 3);
        ck_assert(says(vault_value_at(keepers, 0), "class", i == 0 ? "E0" : "E1"));
        ck_assert(says(vault_value_at(keepers, 0), "state", i == 0 ? "waiting" : "erased"));
        vault_result_free(result);
        ck_assert_ok(vault_certificate_verify(file.text, file.len, key.text, &number, NULL));
        ck_assert_uint_eq(number, 42);
    }
}
END_TEST

static void assert_refused(const struct loaded *file, const char *key, vault_status status, const char *sentence)
{
    vault_result *result = NULL;
    vault_error error;
    ck_assert_status(vault_certificate_open(file->text, file->len, key, &result, &error), status);
    ck_assert_str_eq(error.message, sentence);
    ck_assert_ptr_null(result);
}

START_TEST(a_certificate_that_was_changed_anywhere_is_refused_with_a_sentence)
{
    static const char CHANGED[] = "The text or its proof has been changed: this is not what the vault signed.";
    const struct loaded key = load("key"), whole = load("effective");
    struct loaded file = whole;
    memcpy(strstr(file.text, "rows: 12"), "rows: 13", 8);
    assert_refused(&file, key.text, VAULT_E_AUTHENTICITY, CHANGED);
    file = whole;
    memcpy(strstr(file.text, "index 7"), "index 8", 7);
    assert_refused(&file, key.text, VAULT_E_AUTHENTICITY, CHANGED);
    file = whole;
    memcpy(strstr(file.text, "\n11\n"), "\n12\n", 4);
    assert_refused(&file, key.text, VAULT_E_AUTHENTICITY, "Signature line 1, by a known key, is bad.");
    file = whole;
    memcpy(strstr(file.text, "destruction v2"), "destruction v1", 14);
    assert_refused(&file, key.text, VAULT_E_FORMAT, "This is a certificate of another version than 2, which is read here.");
    file = whole;
    file.len = (size_t)(strstr(file.text, "\n\n") - file.text) + 1;
    assert_refused(&file, key.text, VAULT_E_PARSE, "The certificate has no proof behind its text.");
}
END_TEST

START_TEST(a_key_of_another_vault_or_none_is_refused)
{
    static const char OTHER[] = "vaultd-keeper/0000000000000001+c801690d+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
    const struct loaded file = load("final");
    const struct loaded none = {.text = "x", .len = 1};
    uint64_t number = 7;
    vault_error error;
    assert_refused(&file, "not a key", VAULT_E_PARSE, "The verifier key must be name+hash+base64.");
    assert_refused(&file, OTHER, VAULT_E_AUTHENTICITY, "No known key has signed the note.");
    assert_refused(&none, load("key").text, VAULT_E_PARSE, "This is not a certificate of destruction.");
    ck_assert_status(vault_certificate_verify("x", 1, "not a key", &number, &error), VAULT_E_PARSE);
    ck_assert_uint_eq(number, 7);
    ck_assert_str_ne(vault_version(), "");
}
END_TEST

VT_TEST_MAIN("client/public", a_result_is_read_by_key_and_by_place, a_refusal_carries_field_sentence_wait_and_certificate,
             an_answer_to_another_call_closes_the_connection, nested_params_arrive_as_they_were_built,
             params_remember_their_first_failure, nesting_ends_at_the_limit, nobody_there_and_no_authority_are_told_apart,
             a_certificate_of_another_implementation_is_checked_and_read_without_a_vault,
             a_certificate_that_was_changed_anywhere_is_refused_with_a_sentence, a_key_of_another_vault_or_none_is_refused)
