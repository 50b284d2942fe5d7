#include "libvault/crypto/shamir.h"

#include "libvault/crypto/rng.h"

/* Secret bytes only ever meet and, xor and shifts by fixed distances: neither the time nor the memory touched depends
 * on them. A product is eight conditional additions, each condition a mask. */
uint8_t vt_gf256_mul(uint8_t a, uint8_t b)
{
    unsigned product = 0;
    unsigned shifted = a;
    for (unsigned bit = 0; bit < 8; bit++) {
        product ^= shifted & (0u - ((b >> bit) & 1u));
        shifted = (shifted << 1) ^ (0x11bu & (0u - (shifted >> 7)));
    }
    return (uint8_t)product;
}

/* a^254, which is the inverse, and 0 for 0 (FIPS 197 section 4.2: the group has order 255). */
uint8_t vt_gf256_inv(uint8_t a)
{
    uint8_t power = a;
    for (unsigned i = 0; i < 6; i++) power = vt_gf256_mul(vt_gf256_mul(power, power), a);
    return vt_gf256_mul(power, power);
}

/* Coefficients are as secret as what they hide, so they are drawn as keys are. Zero is a coefficient like any other:
 * leaving it out would tell something about the secret. */
static VT_RESULT coefficients_draw(uint8_t *out_bytes, size_t len)
{
    for (size_t done = 0; done < len; done += VT_KEY_LEN) {
        VT_AUTO(vt_key) key = VT_KEY_INIT;
        VT_TRY(vt_random_key(&key));
        memcpy(out_bytes + done, key.bytes, VT_MIN(len - done, (size_t)VT_KEY_LEN));
    }
    return VAULT_OK;
}

/* Horner's rule, the highest coefficient first; coefficient c of byte i stands at [(c - 1) * len + i]. */
static void share_write(struct vt_bytes secret, unsigned k, const uint8_t *coefficients, uint8_t x, uint8_t *out_share)
{
    for (size_t i = 0; i < secret.len; i++) {
        uint8_t value = 0;
        for (unsigned c = k - 1; c > 0; c--) value = vt_gf256_mul(value ^ coefficients[(c - 1) * secret.len + i], x);
        out_share[i] = value ^ secret.data[i];
    }
}

VT_RESULT vt_shamir_split(struct vt_bytes secret, unsigned k, unsigned m, uint8_t *out_shares)
{
    VT_ENSURE(k >= 1 && k <= m && m <= 255 && secret.len >= 1, VAULT_E_ARGUMENT);
    size_t len;
    VT_ENSURE(vt_size_mul(secret.len, k - 1, &len), VAULT_E_ARGUMENT);

    uint8_t *coefficients = vt_secret_alloc(VT_MAX(len, (size_t)1));
    VT_ENSURE(coefficients != NULL, VAULT_E_MEMORY);
    const vault_status status = coefficients_draw(coefficients, len);
    if (status == VAULT_OK)
        for (unsigned x = 1; x <= m; x++)
            share_write(secret, k, coefficients, (uint8_t)x, out_shares + (x - 1) * secret.len);
    vt_secret_free(coefficients);
    return status;
}

static bool xs_are_distinct(const uint8_t *xs, unsigned count)
{
    bool is_seen[256] = {true}; /* x = 0 would be the secret itself */
    for (unsigned i = 0; i < count; i++) {
        if (is_seen[xs[i]]) return false;
        is_seen[xs[i]] = true;
    }
    return true;
}

/* Lagrange's basis polynomial of xs[which] at 0; subtraction is xor. */
static uint8_t weight_at_zero(const uint8_t *xs, unsigned count, unsigned which)
{
    uint8_t above = 1, below = 1;
    for (unsigned i = 0; i < count; i++) {
        if (i == which) continue;
        above = vt_gf256_mul(above, xs[i]);
        below = vt_gf256_mul(below, xs[i] ^ xs[which]);
    }
    return vt_gf256_mul(above, vt_gf256_inv(below));
}

VT_RESULT vt_shamir_combine(const uint8_t *xs, const uint8_t *shares, unsigned count, size_t len, uint8_t *out_secret)
{
    VT_ENSURE(count >= 1 && count <= 255 && len >= 1 && xs_are_distinct(xs, count), VAULT_E_ARGUMENT);
    uint8_t weights[255];
    for (unsigned s = 0; s < count; s++) weights[s] = weight_at_zero(xs, count, s);
    for (size_t i = 0; i < len; i++) {
        uint8_t value = 0;
        for (unsigned s = 0; s < count; s++) value ^= vt_gf256_mul(weights[s], shares[s * len + i]);
        out_secret[i] = value;
    }
    return VAULT_OK;
}
