#include "vaultd/service/credentials.h"

#include <pthread.h>
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/codec/msgpack.h"
#include "libvault/codec/text.h"
#include "libvault/crypto/mac.h"
#include "libvault/crypto/rng.h"

enum { SECRET_BASE32_LEN = 52, HASH_LEN = 32, OBJECT_MAX = 4096, CREDENTIAL_FORMAT = 1 };
#define SECRET_PREFIX "vsk_"

struct credential {
    uint8_t hash[HASH_LEN];
    struct vt_principal principal;
    int64_t created_at_ms;
    bool is_revoked;
};

/* The hashes are wiped when the vault is sealed: no copy of one stays behind. */
static void credential_release(struct credential *credential)
{
    vt_wipe(credential->hash, sizeof credential->hash);
}

struct vt_credentials {
    pthread_rwlock_t lock;
    struct vt_key hash_key;             /* derived from the vault's config key */
    struct credential *items;
    size_t count, cap;
};

VT_RESULT vt_credentials_new(struct vt_credentials **out_credentials)
{
    struct vt_credentials *credentials = vt_calloc(1, sizeof *credentials);
    VT_ENSURE(credentials != NULL, VAULT_E_MEMORY);
    pthread_rwlock_init(&credentials->lock, NULL);
    *out_credentials = credentials;
    return VAULT_OK;
}

static void credentials_clear(struct vt_credentials *credentials)
{
    if (credentials->items != NULL) vt_wipe(credentials->items, credentials->cap * sizeof *credentials->items);
    free(credentials->items);
    credentials->items = NULL;
    credentials->count = credentials->cap = 0;
    vt_key_release(&credentials->hash_key);
}

void vt_credentials_free(struct vt_credentials *credentials)
{
    if (credentials == NULL) return;
    credentials_clear(credentials);
    pthread_rwlock_destroy(&credentials->lock);
    free(credentials);
}

static VT_RESULT hash_key(struct vt_keyring_view *view, struct vt_key *out_key)
{
    const struct vt_key *config = vt_keyring_system_key(view, VT_SYSTEM_KEY_CONFIG);
    VT_ENSURE(config != NULL, VAULT_E_CORRUPT);
    return vt_key_derive(config, "credential-hash-1", out_key);
}

static VT_RESULT secret_hash(const struct vt_key *key, struct vt_bytes secret, uint8_t out_hash[HASH_LEN])
{
    return vt_hmac_sha256(vt_key_bytes(key), &secret, 1, out_hash);
}

/* Stored object: map {format, name, role, principal 16, hash 32, created, expires, revoked}. */
static VT_RESULT credential_write(const struct credential *credential, struct vt_buf *out)
{
    VT_TRY(vt_msgpack_write_map(out, 8));
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str("format")));
    VT_TRY(vt_msgpack_write_int(out, CREDENTIAL_FORMAT));
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str("name")));
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str(credential->principal.name)));
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str("role")));
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str(credential->principal.role->name)));
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str("principal")));
    VT_TRY(vt_msgpack_write_bytes(out, VT_BYTES_OF(credential->principal.id)));
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str("hash")));
    VT_TRY(vt_msgpack_write_bytes(out, VT_BYTES_OF(credential->hash)));
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str("created")));
    VT_TRY(vt_msgpack_write_int(out, credential->created_at_ms));
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str("expires")));
    VT_TRY(vt_msgpack_write_int(out, credential->principal.expires_at_ms));
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str("revoked")));
    return vt_msgpack_write_bool(out, credential->is_revoked);
}

static VT_RESULT bytes_of(const struct vt_value *map, const char *key, uint8_t *out_bytes, size_t len)
{
    const struct vt_value *value = vt_value_get(map, key);
    VT_ENSURE(value != NULL && value->kind == VT_VALUE_BYTES && value->bytes.len == len, VAULT_E_CORRUPT);
    memcpy(out_bytes, value->bytes.data, len);
    return VAULT_OK;
}

static VT_RESULT credential_read(struct vt_bytes object, struct credential *out_credential)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(OBJECT_MAX * 4);
    struct vt_value map;
    VT_AUTO(credential) credential = {.is_revoked = false};
    VT_TRY(vt_msgpack_read(&pool, object, &map, NULL));
    VT_ENSURE(vt_value_get_int(&map, "format", 0) == CREDENTIAL_FORMAT, VAULT_E_FORMAT);
    const struct vt_bytes name = vt_value_get_text(&map, "name");
    VT_ENSURE(name.len != 0 && name.len < sizeof credential.principal.name, VAULT_E_CORRUPT);
    memcpy(credential.principal.name, name.data, name.len);
    credential.principal.role = vt_role_find(vt_value_get_text(&map, "role"));
    VT_ENSURE(credential.principal.role != NULL, VAULT_E_CORRUPT);
    VT_TRY(bytes_of(&map, "principal", credential.principal.id, sizeof credential.principal.id));
    VT_TRY(bytes_of(&map, "hash", credential.hash, sizeof credential.hash));
    credential.created_at_ms = vt_value_get_int(&map, "created", 0);
    credential.principal.expires_at_ms = vt_value_get_int(&map, "expires", 0);
    credential.is_revoked = vt_value_get_bool(&map, "revoked", true);
    *out_credential = credential;
    return VAULT_OK;
}

static vault_status load_one(void *context, struct vt_bytes object)
{
    struct vt_credentials *credentials = context;
    if (credentials->count == credentials->cap) {
        const size_t cap = credentials->cap != 0 ? 2 * credentials->cap : 16;
        struct credential *grown = vt_calloc(cap, sizeof *grown);
        VT_ENSURE(grown != NULL, VAULT_E_MEMORY);
        if (credentials->count != 0) {
            memcpy(grown, credentials->items, credentials->count * sizeof *grown);
            vt_wipe(credentials->items, credentials->count * sizeof *grown);
        }
        free(credentials->items);
        credentials->items = grown;
        credentials->cap = cap;
    }
    VT_TRY(credential_read(object, &credentials->items[credentials->count]));
    credentials->count++;
    return VAULT_OK;
}

VT_RESULT vt_credentials_load(struct vt_credentials *credentials, struct vt_keyring_view *view)
{
    struct vt_credentials fresh = {.count = 0};
    vault_status status = hash_key(view, &fresh.hash_key);
    if (status == VAULT_OK) status = vt_config_each(view, VT_TENANT_VAULT, VT_CONFIG_CREDENTIAL, load_one, &fresh);
    if (status != VAULT_OK) {
        credentials_clear(&fresh);
        return status;
    }
    pthread_rwlock_wrlock(&credentials->lock);
    credentials_clear(credentials);
    credentials->items = fresh.items;
    credentials->count = fresh.count;
    credentials->cap = fresh.cap;
    credentials->hash_key = fresh.hash_key;
    pthread_rwlock_unlock(&credentials->lock);
    vt_key_release(&fresh.hash_key);
    return VAULT_OK;
}

void vt_credentials_seal(struct vt_credentials *credentials)
{
    pthread_rwlock_wrlock(&credentials->lock);
    vt_key_release(&credentials->hash_key);
    for (size_t i = 0; i < credentials->count; i++) vt_wipe(credentials->items[i].hash, sizeof credentials->items[i].hash);
    pthread_rwlock_unlock(&credentials->lock);
}

static bool is_over(const struct credential *credential, int64_t now_ms)
{
    const int64_t expires = credential->principal.expires_at_ms;
    return credential->is_revoked || (expires != 0 && now_ms >= expires);
}

/* Every stored hash is compared, in constant time each: how long it takes says nothing about how near a guess was. */
static VT_RESULT login_locked(const struct vt_credentials *credentials, struct vt_bytes secret, int64_t now_ms,
                              struct vt_principal *out_principal)
{
    uint8_t hash[HASH_LEN];
    VT_TRY(secret_hash(&credentials->hash_key, secret, hash));
    const struct credential *found = NULL;
    for (size_t i = 0; i < credentials->count; i++)
        if (vt_ct_equal(VT_BYTES_OF(hash), VT_BYTES_OF(credentials->items[i].hash))) found = &credentials->items[i];
    VT_ENSURE(found != NULL, VAULT_E_UNAUTHENTICATED);
    VT_ENSURE(!is_over(found, now_ms), VAULT_E_CREDENTIAL_REVOKED);
    *out_principal = found->principal;
    return VAULT_OK;
}

VT_RESULT vt_credentials_login(struct vt_credentials *credentials, struct vt_bytes secret, int64_t now_ms,
                               struct vt_principal *out_principal)
{
    pthread_rwlock_rdlock(&credentials->lock);
    const vault_status status = login_locked(credentials, secret, now_ms, out_principal);
    pthread_rwlock_unlock(&credentials->lock);
    return status;
}

VT_RESULT vt_credentials_check(struct vt_credentials *credentials, const struct vt_principal *principal, int64_t now_ms)
{
    vault_status status = VAULT_E_CREDENTIAL_REVOKED;
    pthread_rwlock_rdlock(&credentials->lock);
    for (size_t i = 0; i < credentials->count; i++) {
        const struct credential *credential = &credentials->items[i];
        if (memcmp(credential->principal.id, principal->id, sizeof principal->id) != 0) continue;
        if (!is_over(credential, now_ms)) status = VAULT_OK;
        break;
    }
    pthread_rwlock_unlock(&credentials->lock);
    return status;
}

static VT_RESULT make_secret(char out_secret[VT_SECRET_TEXT_LEN])
{
    VT_AUTO(vt_key) random = VT_KEY_INIT;
    VT_TRY(vt_random_key(&random));
    memcpy(out_secret, SECRET_PREFIX, sizeof SECRET_PREFIX - 1);
    vt_base32_encode(vt_key_bytes(&random), out_secret + sizeof SECRET_PREFIX - 1);
    out_secret[VT_SECRET_TEXT_LEN - 1] = '\0';
    return VAULT_OK;
}
_Static_assert(sizeof SECRET_PREFIX - 1 + SECRET_BASE32_LEN + 1 == VT_SECRET_TEXT_LEN, "secret text length");


static VT_RESULT credential_put(struct vt_keyring_view *view, struct vt_change *change, const struct credential *credential)
{
    VT_AUTO(vt_buf) object = VT_BUF_INIT(OBJECT_MAX);
    VT_TRY(credential_write(credential, &object));
    return vt_config_put(change, view, VT_TENANT_VAULT, VT_CONFIG_CREDENTIAL, vt_bytes_str(credential->principal.name),
                         vt_buf_bytes(&object));
}

VT_RESULT vt_credentials_plan_create(struct vt_keyring_view *view, struct vt_change *change, struct vt_bytes name,
                                     const struct vt_role *role, int64_t expires_at_ms, int64_t now_ms,
                                     char out_secret[VT_SECRET_TEXT_LEN], uint8_t out_principal[16], struct vt_err *err)
{
    VT_AUTO(vt_buf) present = VT_BUF_INIT(OBJECT_MAX);
    const vault_status found = vt_config_get(view, VT_TENANT_VAULT, VT_CONFIG_CREDENTIAL, name, &present);
    if (found == VAULT_OK) return vt_fail(err, VAULT_E_EXISTS, "name", "A credential of that name exists already.");
    VT_ENSURE(found == VAULT_E_NOT_FOUND, found);

    VT_AUTO(credential) credential = {.created_at_ms = now_ms};
    VT_ENSURE(name.len < sizeof credential.principal.name, VAULT_E_TOO_LARGE);
    memcpy(credential.principal.name, name.data, name.len);
    credential.principal.role = role;
    credential.principal.expires_at_ms = expires_at_ms;
    VT_TRY(vt_random_bytes(credential.principal.id, sizeof credential.principal.id));
    VT_TRY(make_secret(out_secret));
    VT_AUTO(vt_key) key = VT_KEY_INIT;
    VT_TRY(hash_key(view, &key));
    VT_TRY(secret_hash(&key, vt_bytes_str(out_secret), credential.hash));
    memcpy(out_principal, credential.principal.id, sizeof credential.principal.id);
    return credential_put(view, change, &credential);
}

struct being_over {
    const uint8_t *principal;
    int64_t now_ms;
    bool is_over;
};

static vault_status look_whether_over(void *context, struct vt_bytes object)
{
    struct being_over *being = context;
    VT_AUTO(credential) credential = {.is_revoked = false};
    VT_TRY(credential_read(object, &credential));
    if (memcmp(credential.principal.id, being->principal, sizeof credential.principal.id) == 0)
        being->is_over = is_over(&credential, being->now_ms);
    return VAULT_OK;
}

VT_RESULT vt_credentials_is_over(struct vt_keyring_view *view, const uint8_t principal[16], int64_t now_ms, bool *out_is_over)
{
    struct being_over being = {.principal = principal, .now_ms = now_ms};
    VT_TRY(vt_config_each(view, VT_TENANT_VAULT, VT_CONFIG_CREDENTIAL, look_whether_over, &being));
    *out_is_over = being.is_over;
    return VAULT_OK;
}

struct deputy {
    const struct credential *of;
    bool is_found;
    struct vt_principal found;          /* not its hash */
};

/* One that expires is none: a moment later the vault would be without. */
static vault_status look_for_deputy(void *context, struct vt_bytes object)
{
    struct deputy *deputy = context;
    VT_AUTO(credential) other = {.is_revoked = false};
    VT_TRY(credential_read(object, &other));
    const bool is_other = strcmp(other.principal.name, deputy->of->principal.name) != 0;
    const bool stays = !other.is_revoked && other.principal.expires_at_ms == 0;
    if (!is_other || other.principal.role != deputy->of->principal.role || !stays) return VAULT_OK;
    deputy->is_found = true;
    deputy->found = other.principal;
    return VAULT_OK;
}

/* Only an administrator makes credentials, so without the last one nobody would ever make another. The one that stays must still
 * be one at commit: two revoked side by side would each rest on the other. */
static VT_RESULT keep_one_administrator(struct vt_keyring_view *view, struct vt_change *change, const struct credential *credential)
{
    struct deputy deputy = {.of = credential};
    if (strcmp(credential->principal.role->name, "administrator") != 0) return VAULT_OK;
    VT_TRY(vt_config_each(view, VT_TENANT_VAULT, VT_CONFIG_CREDENTIAL, look_for_deputy, &deputy));
    VT_ENSURE(deputy.is_found, VAULT_E_STATE);
    return vt_config_expect(change, view, VT_TENANT_VAULT, VT_CONFIG_CREDENTIAL, vt_bytes_str(deputy.found.name));
}

VT_RESULT vt_credentials_plan_revoke(struct vt_keyring_view *view, struct vt_change *change, struct vt_bytes name,
                                     uint8_t out_principal[16])
{
    VT_AUTO(vt_buf) object = VT_BUF_INIT(OBJECT_MAX);
    VT_AUTO(credential) credential = {.is_revoked = false};
    VT_TRY(vt_config_get(view, VT_TENANT_VAULT, VT_CONFIG_CREDENTIAL, name, &object));
    VT_TRY(credential_read(vt_buf_bytes(&object), &credential));
    VT_TRY(keep_one_administrator(view, change, &credential));
    credential.is_revoked = true;
    memcpy(out_principal, credential.principal.id, sizeof credential.principal.id);
    return credential_put(view, change, &credential);
}

struct listing {
    struct vt_pool *pool;
    struct vt_value *list;
    int64_t now_ms;
};

static VT_RESULT put_time(struct vt_pool *pool, struct vt_value *map, const char *key, int64_t at_ms)
{
    char text[VT_TIME_TEXT_LEN];
    vt_time_format(at_ms, text);
    const struct vt_bytes copy = vt_pool_copy(pool, vt_bytes_str(text));
    VT_ENSURE(copy.data != NULL, VAULT_E_MEMORY);
    return vt_value_put(pool, map, key, vt_value_text(copy), NULL);
}

static const char *state_of(const struct credential *credential, int64_t now_ms)
{
    if (credential->is_revoked) return "revoked";
    return is_over(credential, now_ms) ? "expired" : "live";
}

static vault_status list_one(void *context, struct vt_bytes object)
{
    const struct listing *listing = context;
    VT_AUTO(credential) credential = {.is_revoked = false};
    struct vt_value map = vt_value_map();
    char hex[33];
    VT_TRY(credential_read(object, &credential));
    vt_hex_encode(VT_BYTES_OF(credential.principal.id), hex);
    const struct vt_bytes id = vt_pool_copy(listing->pool, vt_bytes_str(hex)),
                          name = vt_pool_copy(listing->pool, vt_bytes_str(credential.principal.name));
    VT_ENSURE(id.data != NULL && name.data != NULL, VAULT_E_MEMORY);
    VT_TRY(vt_value_put(listing->pool, &map, "principal", vt_value_text(id), NULL));
    VT_TRY(vt_value_put(listing->pool, &map, "name", vt_value_text(name), NULL));
    VT_TRY(vt_value_put(listing->pool, &map, "role", vt_value_str(credential.principal.role->name), NULL));
    VT_TRY(put_time(listing->pool, &map, "created_at", credential.created_at_ms));
    if (credential.principal.expires_at_ms != 0)
        VT_TRY(put_time(listing->pool, &map, "expires_at", credential.principal.expires_at_ms));
    VT_TRY(vt_value_put(listing->pool, &map, "state", vt_value_str(state_of(&credential, listing->now_ms)), NULL));
    return vt_value_push(listing->pool, listing->list, map, NULL);
}

VT_RESULT vt_credentials_list(struct vt_keyring_view *view, struct vt_pool *pool, int64_t now_ms, struct vt_value *out_list)
{
    struct vt_value list = vt_value_array();
    struct listing listing = {pool, &list, now_ms};
    VT_TRY(vt_config_each(view, VT_TENANT_VAULT, VT_CONFIG_CREDENTIAL, list_one, &listing));
    *out_list = list;
    return VAULT_OK;
}
