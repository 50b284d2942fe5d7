#include <string.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/rng.h"
#include "tests/unit/epoch/epoch_world.h"

static const struct world_shape one_of_one = {.k = 1, .m = 1, .has_journal = true};
static const struct world_shape two_of_three = {.k = 2, .m = 3, .has_journal = true};

START_TEST(a_new_vault_is_unsealed_at_epoch_one_and_unseals_again)
{
    const struct world_shape shapes[] = {one_of_one, two_of_three};
    for (size_t i = 0; i < VT_ARRAY_LEN(shapes); i++) {
        struct world world;
        struct vt_epoch_status status;
        world_new(&world, &shapes[i]);
        ck_assert(!vt_epoch_is_sealed(world.epoch));
        world_add_subject(&world, 1);
        world_reopen(&world);
        ck_assert(vt_epoch_is_sealed(world.epoch));
        ck_assert_ok(world_unseal(&world, NULL));
        ck_assert_ok(world_subject(&world, 1));
        ck_assert_ok(vt_epoch_status(world.epoch, &status));
        ck_assert(status.is_initialised);
        ck_assert(!status.is_sealed);
        ck_assert_uint_eq(status.epoch, 1);
        ck_assert_uint_eq(status.incarnation, 1);
        ck_assert_uint_eq(status.keeper_count, shapes[i].m);
        ck_assert_uint_eq(status.floors[0].epoch, 1);
        ck_assert(!status.can_become_final);
        ck_assert(status.has_journal);
        world_end(&world);
    }
}
END_TEST

START_TEST(a_shred_is_effective_once_its_epoch_has_closed)
{
    struct world world;
    world_new(&world, &two_of_three);
    world_add_subject(&world, 1);
    world_add_subject(&world, 2);
    const uint64_t certificate = world_request(&world, 1);
    ck_assert_status(world_subject(&world, 1), VAULT_E_SHRED_PENDING);
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_PENDING);
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_status(world_subject(&world, 1), VAULT_E_NOT_FOUND);
    ck_assert_ok(world_subject(&world, 2));
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
    ck_assert_uint_eq(world_epoch(&world), 2);
    world_reopen(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_status(world_subject(&world, 1), VAULT_E_NOT_FOUND);
    ck_assert_ok(world_subject(&world, 2));
    world_end(&world);
}
END_TEST

VT_TEST_MAIN("epoch/epoch", a_new_vault_is_unsealed_at_epoch_one_and_unseals_again,
             a_shred_is_effective_once_its_epoch_has_closed)
