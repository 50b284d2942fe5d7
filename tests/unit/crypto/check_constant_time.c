/* Run under valgrind: secrets are marked as undefined, and memcheck reports every branch taken and every address formed
 * on undefined bits. So a silent run shows that neither depends on a secret. With the argument "leak" the program
 * branches on one, to show that the report would come. Source: A. Langley, "ctgrind", 2010. */
#include <stdio.h>
#include <string.h>
#include <valgrind/memcheck.h>

#include "libvault/base/secret.h"
#include "libvault/crypto/shamir.h"

enum { LEN = 32, COUNT = 3 };

static volatile unsigned sink;

static void fill(uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) bytes[i] = (uint8_t)(i * 37 + 11);
    VALGRIND_MAKE_MEM_UNDEFINED(bytes, len);
}

static bool shamir_runs(void)
{
    const uint8_t xs[COUNT] = {1, 2, 200};
    uint8_t shares[COUNT * LEN], secret[LEN], split[COUNT * LEN];
    fill(shares, sizeof shares);
    if (vt_shamir_combine(xs, shares, COUNT, LEN, secret) != VAULT_OK) return false;
    if (vt_shamir_split(VT_BYTES_OF(secret), 2, COUNT, split) != VAULT_OK) return false;
    sink = vt_gf256_inv(shares[0]);
    return true;
}

static bool comparison_runs(void)
{
    uint8_t a[LEN], b[LEN];
    fill(a, sizeof a);
    fill(b, sizeof b);
    bool is_equal = vt_ct_equal(VT_BYTES_OF(a), VT_BYTES_OF(b));
    VALGRIND_MAKE_MEM_DEFINED(&is_equal, sizeof is_equal); /* the answer is no secret */
    return is_equal;
}

static void leak(void)
{
    uint8_t secret[1];
    fill(secret, sizeof secret);
    if (secret[0] == 42) sink = 1;
}

int main(int argc, char **argv)
{
    if (RUNNING_ON_VALGRIND == 0) {
        fprintf(stderr, "run under valgrind\n");
        return 2;
    }
    if (argc == 2 && strcmp(argv[1], "leak") == 0) leak();
    return shamir_runs() && comparison_runs() ? 0 : 1;
}
