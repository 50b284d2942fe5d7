/* Where a rotation stands, as it is stored. Plain: format 1 | what 1 | stage 1 | flags 1 (bit 0 destroy now, bit 1 another round,
 * bit 2 the last pass found something) | keys 4 | category 2 | zero 6 | tenant 8 | principal 16 | sid 16 | cursor 32 | done 8 |
 * total 8 | started ms 8. */
#include "libvault/codec/text.h"
#include "libvault/crypto/aead.h"
#include "vaultd/service/rotation_internal.h"

#define PLACE_PREFIX "rotate."
enum { PREFIX_LEN = sizeof PLACE_PREFIX - 1, NAME_LEN = PREFIX_LEN + 32, PLACE_FORMAT = 1, PLAIN_FORMAT = 1, PLAIN_LEN = 112,
       HEAD_LEN = 9, VALUE_LEN = HEAD_LEN + PLAIN_LEN + VT_SEAL_OVERHEAD };
enum { AT_WHAT = 1, AT_STAGE = 2, AT_FLAGS = 3, AT_KEYS = 4, AT_CATEGORY = 8, AT_TENANT = 16, AT_PRINCIPAL = 24, AT_SID = 40,
       AT_CURSOR = 56, AT_DONE = 88, AT_TOTAL = 96, AT_STARTED = 104 };
enum { FLAG_DESTROY = 1, FLAG_AGAIN = 2, FLAG_MOVED = 4 };

static void name_of(const uint8_t id[16], char out_name[NAME_LEN + 1])
{
    memcpy(out_name, PLACE_PREFIX, PREFIX_LEN);
    vt_hex_encode(vt_bytes(id, 16), out_name + PREFIX_LEN);
}

static void place_encode(const struct vt_rotation_place *place, uint8_t out_plain[PLAIN_LEN])
{
    memset(out_plain, 0, PLAIN_LEN);
    out_plain[0] = PLAIN_FORMAT;
    out_plain[AT_WHAT] = (uint8_t)place->wish.what;
    out_plain[AT_STAGE] = place->stage;
    out_plain[AT_FLAGS] = (uint8_t)((place->wish.destroy_now ? FLAG_DESTROY : 0) | (place->is_again ? FLAG_AGAIN : 0) |
                                    (place->has_moved ? FLAG_MOVED : 0));
    vt_put_u32(out_plain + AT_KEYS, place->wish.keys);
    vt_put_u16(out_plain + AT_CATEGORY, place->wish.category);
    vt_put_u64(out_plain + AT_TENANT, place->wish.tenant);
    memcpy(out_plain + AT_PRINCIPAL, place->wish.principal, 16);
    memcpy(out_plain + AT_SID, place->wish.sid.bytes, 16);
    memcpy(out_plain + AT_CURSOR, place->cursor, sizeof place->cursor);
    vt_put_u64(out_plain + AT_DONE, place->done);
    vt_put_u64(out_plain + AT_TOTAL, place->total);
    vt_put_u64(out_plain + AT_STARTED, (uint64_t)place->started_at_ms);
}

static bool place_is_sound(const struct vt_rotation_place *place)
{
    const enum vt_rotation_what what = place->wish.what;
    if (place->stage < VT_STAGE_BEGIN || place->stage >= VT_STAGE_END_) return false;
    if (what == VT_ROTATE_TENANT) return place->wish.keys != 0 && place->wish.keys < 1u << VT_TENANT_KEY_COUNT;
    return what == VT_ROTATE_TREE || what == VT_ROTATE_SUBJECT;
}

static VT_RESULT place_decode(const uint8_t id[16], const uint8_t plain[PLAIN_LEN], struct vt_rotation_place *out_place)
{
    struct vt_rotation_place place = {.stage = plain[AT_STAGE]};
    VT_ENSURE(plain[0] == PLAIN_FORMAT, VAULT_E_FORMAT);
    memcpy(place.id, id, sizeof place.id);
    place.wish.what = (enum vt_rotation_what)plain[AT_WHAT];
    place.wish.destroy_now = (plain[AT_FLAGS] & FLAG_DESTROY) != 0;
    place.is_again = (plain[AT_FLAGS] & FLAG_AGAIN) != 0;
    place.has_moved = (plain[AT_FLAGS] & FLAG_MOVED) != 0;
    place.wish.keys = vt_get_u32(plain + AT_KEYS);
    place.wish.category = vt_get_u16(plain + AT_CATEGORY);
    place.wish.tenant = vt_get_u64(plain + AT_TENANT);
    memcpy(place.wish.principal, plain + AT_PRINCIPAL, 16);
    memcpy(place.wish.sid.bytes, plain + AT_SID, 16);
    memcpy(place.cursor, plain + AT_CURSOR, sizeof place.cursor);
    place.done = vt_get_u64(plain + AT_DONE);
    place.total = vt_get_u64(plain + AT_TOTAL);
    place.started_at_ms = (int64_t)vt_get_u64(plain + AT_STARTED);
    VT_ENSURE(place_is_sound(&place), VAULT_E_CORRUPT);
    *out_place = place;
    return VAULT_OK;
}

static void place_context(struct vt_keyring_view *view, uint64_t incarnation, const uint8_t id[16], struct vt_seal_ctx *out_ctx)
{
    vt_seal_ctx_begin(out_ctx, vt_keyring_view_vault_id(view)->bytes, incarnation, VT_SEAL_JOB, VT_TENANT_VAULT);
    vt_seal_ctx_bytes(out_ctx, vt_bytes(id, 16));
}

static VT_RESULT place_seal(const struct vt_rotation_place *place, struct vt_keyring_view *view, uint8_t out_value[VALUE_LEN])
{
    uint8_t plain[PLAIN_LEN];
    struct vt_seal_ctx ctx;
    const struct vt_key *key = vt_keyring_system_key(view, VT_SYSTEM_KEY_LEDGER);
    const uint64_t incarnation = vt_keyring_view_incarnation(view);
    VT_ENSURE(key != NULL, VAULT_E_CORRUPT);
    place_encode(place, plain);
    place_context(view, incarnation, place->id, &ctx);
    out_value[0] = PLACE_FORMAT;
    vt_put_u64(out_value + 1, incarnation);
    return vt_seal_into(key, &ctx, VT_BYTES_OF(plain), out_value + HEAD_LEN);
}

static VT_RESULT place_open(struct vt_keyring_view *view, const uint8_t id[16], struct vt_bytes value,
                            struct vt_rotation_place *out_place)
{
    uint8_t plain[PLAIN_LEN];
    struct vt_seal_ctx ctx;
    const struct vt_key *key = vt_keyring_system_key(view, VT_SYSTEM_KEY_LEDGER);
    VT_ENSURE(value.len > 0 && value.data[0] == PLACE_FORMAT, VAULT_E_FORMAT);
    VT_ENSURE(value.len == VALUE_LEN && key != NULL, VAULT_E_CORRUPT);
    place_context(view, vt_get_u64(value.data + 1), id, &ctx);
    VT_TRY(vt_unseal_into(key, &ctx, vt_bytes(value.data + HEAD_LEN, value.len - HEAD_LEN), plain));
    return place_decode(id, plain, out_place);
}

VT_RESULT vt_rotation_place_put(const struct vt_rotation_place *place, struct vt_keyring_view *view, struct vt_txn *txn)
{
    char name[NAME_LEN + 1];
    uint8_t value[VALUE_LEN];
    name_of(place->id, name);
    if (place->is_over) {
        const vault_status gone = vt_store_delete(txn, VT_TABLE_META, vt_bytes_str(name));
        return gone == VAULT_E_NOT_FOUND ? VAULT_OK : gone;     /* over before a place was ever stored */
    }
    VT_TRY(place_seal(place, view, value));
    return vt_store_put(txn, VT_TABLE_META, vt_bytes_str(name), VT_BYTES_OF(value), VT_PUT_DEFAULT);
}

VT_RESULT vt_rotation_place_plan(const struct vt_rotation_place *place, struct vt_keyring_view *view, struct vt_change *change)
{
    char name[NAME_LEN + 1];
    uint8_t value[VALUE_LEN];
    VT_BUG_ON(place->is_over);
    name_of(place->id, name);
    VT_TRY(place_seal(place, view, value));
    return vt_change_put(change, VT_TABLE_META, vt_bytes_str(name), VT_BYTES_OF(value), VT_PUT_DEFAULT);
}

static bool is_place_name(struct vt_bytes key)
{
    return key.len >= PREFIX_LEN && vt_bytes_equal_str(vt_bytes(key.data, PREFIX_LEN), PLACE_PREFIX);
}

VT_RESULT vt_rotation_places_each(struct vt_keyring_view *view, vt_rotation_place_visit visit, void *context)
{
    struct vt_bytes key, value;
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    VT_TRY(vt_cursor_open(vt_keyring_view_txn(view), VT_TABLE_META, &cursor));
    vault_status status = vt_cursor_seek(cursor, vt_bytes_str(PLACE_PREFIX), &key, &value);
    for (; status == VAULT_OK && is_place_name(key); status = vt_cursor_next(cursor, &key, &value)) {
        struct vt_rotation_place place;
        uint8_t id[16];
        if (key.len != NAME_LEN) continue;      /* not one of ours: an older vault kept its place under a plain name */
        VT_TRY(vt_hex_decode(vt_bytes(key.data + PREFIX_LEN, 32), id, sizeof id));
        VT_TRY(place_open(view, id, value, &place));
        VT_TRY(visit(context, &place));
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}
