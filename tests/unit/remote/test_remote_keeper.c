#include "vaultd/remote/remote_keeper.h"

#include <stdio.h>
#include <time.h>

#include "tests/unit/remote/remote_hosts.h"

enum { SHARE_LEN = 126 };
static const struct vt_vault_id our_vault = {{0xAA, 1}}, other_vault = {{0xBB, 2}}, no_vault = {{0}};

static char dir[128];
static struct remote_host host;

static struct vt_keeper *setup(const struct vt_vault_id *vault_id)
{
    char path[160];
    vt_temp_dir_make(dir, sizeof dir);
    snprintf(path, sizeof path, "%s/floor", dir);
    remote_host_start(&host, path);
    return remote_host_keeper(&host, "far", vault_id);
}

static void teardown(struct vt_keeper *keeper)
{
    vt_keeper_free(keeper);
    remote_host_stop(&host);
    vt_temp_dir_remove(dir);
}

static struct vt_keeper_slot slot_make(uint64_t epoch)
{
    struct vt_keeper_slot slot = {.state = VT_SLOT_PREPARED, .vault_id = our_vault, .incarnation = 1, .epoch = epoch,
                                  .k = 2, .m = 3, .x = 1, .share_len = SHARE_LEN};
    memset(slot.attempt, (int)epoch, sizeof slot.attempt);
    memset(slot.share, (int)(100 + epoch), SHARE_LEN);
    return slot;
}

static vault_status finalize(struct vt_keeper *keeper, const struct vt_keeper_slot *slot, uint64_t commit)
{
    VT_AUTO(vt_keeper_receipt) receipt = VT_KEEPER_RECEIPT_INIT;
    return keeper->ops->finalize(keeper, slot->incarnation, slot->epoch, slot->attempt, commit, 1, &receipt);
}

static void make_epoch_one(struct vt_keeper *keeper)
{
    const struct vt_keeper_slot slot = slot_make(1);
    ck_assert_ok(keeper->ops->prepare(keeper, &slot));
    ck_assert_ok(finalize(keeper, &slot, 10));
}

static size_t count_of(struct vt_keeper *keeper)
{
    struct vt_keeper_slot slots[VT_KEEPER_SLOTS];
    size_t count = 99;
    ck_assert_ok(keeper->ops->read(keeper, slots, &count));
    return count;
}

START_TEST(a_remote_keeper_does_what_every_keeper_does)
{
    struct vt_keeper *keeper = setup(NULL);
    const struct vt_keeper_slot first = slot_make(1), second = slot_make(2);
    struct vt_keeper_slot slots[VT_KEEPER_SLOTS];
    struct vt_keeper_floor floor;
    size_t count;
    ck_assert_uint_eq(count_of(keeper), 0);
    ck_assert_ok(keeper->ops->prepare(keeper, &first));
    ck_assert_ok(finalize(keeper, &first, 10));
    ck_assert_ok(keeper->ops->raise_floor(keeper, &(struct vt_keeper_floor){our_vault, 1, 1, 12}));
    ck_assert_status(keeper->ops->raise_floor(keeper, &(struct vt_keeper_floor){our_vault, 1, 1, 11}), VAULT_E_ROLLBACK);
    ck_assert_ok(keeper->ops->floor(keeper, &floor));
    ck_assert_uint_eq(floor.commit_number, 12);
    ck_assert_mem_eq(&floor.vault_id, &our_vault, sizeof our_vault);
    ck_assert_ok(keeper->ops->prepare(keeper, &second));
    ck_assert_ok(keeper->ops->read(keeper, slots, &count));
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(slots[0].state, VT_SLOT_COMMITTED);
    ck_assert_mem_eq(slots[1].share, second.share, SHARE_LEN);
    ck_assert_ok(keeper->ops->abort(keeper, 1, 2, second.attempt));
    ck_assert_status(keeper->ops->abort(keeper, 1, 1, first.attempt), VAULT_E_CONFLICT);
    ck_assert_status(finalize(keeper, &(struct vt_keeper_slot){.incarnation = 1, .epoch = 0}, 1), VAULT_E_ROLLBACK);
    ck_assert_uint_eq(count_of(keeper), 1);
    teardown(keeper);
}
END_TEST

START_TEST(a_receipt_verifies_under_the_key_of_the_settings_and_has_the_keepers_own_time)
{
    struct vt_keeper *keeper = setup(NULL);
    const struct vt_keeper_slot first = slot_make(1);
    struct vt_keeper_info info;
    struct vt_keeper_statement said;
    VT_AUTO(vt_keeper_receipt) receipt = VT_KEEPER_RECEIPT_INIT;
    ck_assert_ok(keeper->ops->prepare(keeper, &first));
    ck_assert_ok(keeper->ops->finalize(keeper, 1, 1, first.attempt, 10, 1, &receipt));
    ck_assert_ok(keeper->ops->info(keeper, &info));
    ck_assert_int_eq(info.keeper_class, VT_KEEPER_E4);
    ck_assert_ok(vt_keeper_receipt_verify(vt_buf_bytes(&receipt.note), info.verifier_key, &said));
    ck_assert_uint_eq(said.keeper_id, info.keeper_id);
    ck_assert_int_eq(said.keeper_class, VT_KEEPER_E4);
    ck_assert_mem_eq(&said.vault_id, &our_vault, sizeof our_vault);
    ck_assert_ptr_null(memmem(receipt.note.data, receipt.note.len, "1970-", 5));
    teardown(keeper);
}
END_TEST

START_TEST(what_a_keeper_is_stands_in_the_settings_and_needs_no_answer)
{
    struct vt_keeper *keeper = setup(NULL);
    struct vt_keeper_info info, of_host;
    host.is_down = true;
    ck_assert_ok(keeper->ops->info(keeper, &info));
    ck_assert_ok(host.ram->ops->info(host.ram, &of_host));
    ck_assert_uint_eq(info.keeper_id, of_host.keeper_id);
    ck_assert_str_eq(info.name, "far");
    ck_assert_uint_eq(host.opened, 0);
    teardown(keeper);
}
END_TEST

START_TEST(a_keeper_that_is_away_is_one_that_did_not_answer)
{
    struct vt_keeper *keeper = setup(&our_vault);
    struct vt_keeper_floor floor;
    host.is_down = true;
    ck_assert_status(keeper->ops->floor(keeper, &floor), VAULT_E_KEEPER);
    struct vt_keeper_info info;
    ck_assert_ok(keeper->ops->info(keeper, &info));
    ck_assert_str_eq(info.refusal, "Nobody answers.");
    host.is_down = false;
    ck_assert_ok(keeper->ops->floor(keeper, &floor));
    ck_assert_ok(keeper->ops->info(keeper, &info));
    ck_assert_str_eq(info.refusal, "");
    teardown(keeper);
}
END_TEST

START_TEST(a_connection_that_broke_is_opened_again_and_the_question_asked_again)
{
    struct vt_keeper *keeper = setup(NULL);
    make_epoch_one(keeper);
    const unsigned opened = host.opened;
    remote_host_restart(&host);
    ck_assert_uint_eq(count_of(keeper), 0);
    ck_assert_uint_eq(host.opened, opened + 1);
    const struct vt_keeper_slot second = slot_make(2);
    host.breaks_after = 1;                                  /* done there, and the answer is lost */
    ck_assert_ok(keeper->ops->prepare(keeper, &second));
    ck_assert_uint_eq(count_of(keeper), 1);
    host.breaks_after = 1;
    ck_assert_ok(finalize(keeper, &second, 20));
    ck_assert_uint_eq(host.opened, opened + 3);
    teardown(keeper);
}
END_TEST

START_TEST(a_connection_over_which_a_share_went_ends_when_the_share_is_erased)
{
    struct vt_keeper *keeper = setup(NULL);
    make_epoch_one(keeper);
    ck_assert_uint_eq(host.opened, 1);
    const struct vt_keeper_slot second = slot_make(2), third = slot_make(3);
    ck_assert_ok(keeper->ops->prepare(keeper, &second));
    ck_assert_uint_eq(host.opened, 2);                      /* the first ended with epoch 0 */
    ck_assert_uint_eq(count_of(keeper), 2);
    ck_assert_uint_eq(host.opened, 2);                      /* and no other question ends one */
    ck_assert_ok(finalize(keeper, &second, 20));
    ck_assert_ok(keeper->ops->prepare(keeper, &third));
    ck_assert_uint_eq(host.opened, 3);
    ck_assert_ok(keeper->ops->abort(keeper, third.incarnation, third.epoch, third.attempt));
    ck_assert_uint_eq(count_of(keeper), 1);
    ck_assert_uint_eq(host.opened, 4);
    ck_assert_status(finalize(keeper, &(struct vt_keeper_slot){.incarnation = 1, .epoch = 1}, 1), VAULT_E_ROLLBACK);
    ck_assert_uint_eq(count_of(keeper), 1);
    ck_assert_uint_eq(host.opened, 4);                      /* nothing was erased */
    teardown(keeper);
}
END_TEST

static struct vt_keeper *keeper_with_deadline(uint32_t deadline_ms)
{
    struct vt_keeper *keeper = NULL;
    char verifier[200];
    remote_host_verifier(&host, verifier);
    const struct vt_remote_options options = {
        .name = "far", .verifier_key = verifier, .deadline_ms = deadline_ms, .vault_id = our_vault};
    ck_assert_ok(vt_remote_keeper_open(&options, remote_host_link(&host), &keeper));
    return keeper;
}

START_TEST(one_that_let_its_deadline_pass_is_not_asked_again_for_as_long)
{
    struct vt_keeper_floor floor;
    vt_keeper_free(setup(&our_vault));
    struct vt_keeper *patient = keeper_with_deadline(10 * 60 * 1000), *hasty = keeper_with_deadline(1);
    host.is_silent = true;
    ck_assert_status(patient->ops->floor(patient, &floor), VAULT_E_KEEPER);
    ck_assert_status(hasty->ops->floor(hasty, &floor), VAULT_E_KEEPER);
    const unsigned opened = host.opened;
    host.is_silent = false;
    ck_assert_status(patient->ops->floor(patient, &floor), VAULT_E_KEEPER);
    ck_assert_uint_eq(host.opened, opened);
    const struct timespec longer = {0, 5 * 1000 * 1000};
    nanosleep(&longer, NULL);
    ck_assert_ok(hasty->ops->floor(hasty, &floor));
    vt_keeper_free(patient);
    teardown(hasty);
}
END_TEST

struct said {
    unsigned times;
    vault_status last;
};
static void note_change(void *context, const char *name, vault_status status, const char *why)
{
    struct said *said = context;
    ck_assert_str_eq(name, "far");
    ck_assert_int_eq(why[0] == '\0', status == VAULT_OK);
    said->times++;
    said->last = status;
}

START_TEST(a_keeper_that_goes_and_comes_back_is_said_once_each)
{
    struct vt_keeper *keeper = NULL;
    char verifier[200];
    struct vt_keeper_floor floor;
    struct said said = {0};
    vt_keeper_free(setup(&our_vault));
    remote_host_verifier(&host, verifier);
    const struct vt_remote_options options = {.name = "far", .verifier_key = verifier, .vault_id = our_vault,
                                              .changed = note_change, .context = &said};
    ck_assert_ok(vt_remote_keeper_open(&options, remote_host_link(&host), &keeper));
    ck_assert_ok(keeper->ops->floor(keeper, &floor));
    ck_assert_uint_eq(said.times, 0);
    host.is_down = true;
    for (unsigned i = 0; i < 3; i++) ck_assert_status(keeper->ops->floor(keeper, &floor), VAULT_E_KEEPER);
    ck_assert_uint_eq(said.times, 1);
    ck_assert_int_eq(said.last, VAULT_E_CONNECT);
    host.is_down = false;
    for (unsigned i = 0; i < 3; i++) ck_assert_ok(keeper->ops->floor(keeper, &floor));
    ck_assert_uint_eq(said.times, 2);
    ck_assert_int_eq(said.last, VAULT_OK);
    teardown(keeper);
}
END_TEST

START_TEST(another_keeper_in_its_place_is_refused)
{
    struct vt_keeper *keeper = setup(&our_vault), *second = NULL;
    char path[170];
    struct remote_host impostor;
    struct vt_keeper_floor floor;
    char verifier[200];
    snprintf(path, sizeof path, "%s/impostor", dir);
    remote_host_start(&impostor, path);
    remote_host_verifier(&host, verifier);
    const struct vt_remote_options options = {.name = "far", .verifier_key = verifier, .vault_id = our_vault};
    ck_assert_ok(vt_remote_keeper_open(&options, remote_host_link(&impostor), &second));
    ck_assert_status(second->ops->floor(second, &floor), VAULT_E_KEEPER);
    const struct vt_keeper_slot slot = slot_make(1);
    ck_assert_status(second->ops->prepare(second, &slot), VAULT_E_KEEPER);
    ck_assert_uint_eq(impostor.asked, 2);                   /* who it is, and no more */
    vt_keeper_free(second);
    remote_host_stop(&impostor);
    teardown(keeper);
}
END_TEST

START_TEST(an_answer_that_is_none_is_a_keeper_that_did_not_answer)
{
    static const char *const LIES[] = {"\x94\x01\x07\xc0", "\x94\x01\x07\xc0\x80", "no",
                                       "\x94\x01\x01\xc0\x80", "\xdd\xff\xff\xff\xff"};
    struct vt_keeper *keeper = setup(&our_vault);
    struct vt_keeper_floor floor;
    for (size_t i = 0; i < VT_ARRAY_LEN(LIES); i++) {
        ck_assert_ok(keeper->ops->floor(keeper, &floor));
        vt_keeper_free(keeper);
        keeper = remote_host_keeper(&host, "far", &our_vault);
        ck_assert_ok(vt_buf_append_str(&host.lie, LIES[i]));        /* to the greeting */
        ck_assert_status(keeper->ops->floor(keeper, &floor), VAULT_E_KEEPER);
    }
    teardown(keeper);
}
END_TEST

START_TEST(a_status_that_no_keeper_gives_is_a_keeper_that_did_not_answer)
{
    static const vault_status STATUSES[] = {VAULT_E_SEALED, VAULT_E_IO, VAULT_E_WRONG_SECRET, VAULT_E_PROTOCOL, VAULT_E_FORMAT};
    struct vt_keeper *keeper = setup(&our_vault);
    struct vt_keeper_floor floor;
    for (size_t i = 0; i < VT_ARRAY_LEN(STATUSES); i++) {
        ck_assert_ok(keeper->ops->floor(keeper, &floor));
        ck_assert_ok(vt_rpc_write_error(&host.lie, 2 * (int64_t)i + 2, &(struct vt_rpc_error){.status = STATUSES[i]}));
        ck_assert_status(keeper->ops->floor(keeper, &floor), VAULT_E_KEEPER);
    }
    teardown(keeper);
}
END_TEST

START_TEST(shares_are_shown_to_their_own_vault_only)
{
    struct vt_keeper *keeper = setup(NULL);
    struct vt_keeper_floor floor;
    make_epoch_one(keeper);
    ck_assert_uint_eq(count_of(keeper), 1);
    const struct vt_vault_id *const others[] = {&other_vault, &no_vault};
    for (size_t i = 0; i < VT_ARRAY_LEN(others); i++) {
        struct vt_keeper *foreign = remote_host_keeper(&host, "far", others[i]);
        const struct vt_keeper_slot slot = slot_make(1);
        ck_assert_uint_eq(count_of(foreign), 0);
        ck_assert_ok(foreign->ops->floor(foreign, &floor));
        ck_assert_mem_eq(&floor.vault_id, &our_vault, sizeof our_vault);
        ck_assert_status(finalize(foreign, &slot, 99), VAULT_E_CONFLICT);
        ck_assert_status(foreign->ops->abort(foreign, 1, 2, slot.attempt), VAULT_E_CONFLICT);
        ck_assert_status(foreign->ops->raise_floor(foreign, &(struct vt_keeper_floor){*others[i], 1, 1, 99}), VAULT_E_CONFLICT);
        vt_keeper_free(foreign);
    }
    ck_assert_ok(keeper->ops->floor(keeper, &floor));
    ck_assert_uint_eq(floor.commit_number, 10);
    ck_assert_uint_eq(count_of(keeper), 1);
    teardown(keeper);
}
END_TEST

START_TEST(an_initialisation_that_was_given_up_is_cleared_by_the_next_one)
{
    struct vt_keeper *keeper = setup(NULL);
    const struct vt_keeper_slot slot = slot_make(1);
    ck_assert_ok(keeper->ops->prepare(keeper, &slot));
    struct vt_keeper *next = remote_host_keeper(&host, "far", NULL);
    ck_assert_uint_eq(count_of(next), 1);
    ck_assert_ok(next->ops->abort(next, 1, 1, slot.attempt));
    ck_assert_uint_eq(count_of(next), 0);
    vt_keeper_free(next);
    teardown(keeper);
}
END_TEST

START_TEST(a_whole_root_key_is_not_taken)
{
    struct vt_keeper *keeper = setup(NULL);
    struct vt_keeper_slot slot = slot_make(1);
    slot.k = slot.m = 1;
    ck_assert_status(keeper->ops->prepare(keeper, &slot), VAULT_E_KEEPER);
    ck_assert_uint_eq(count_of(keeper), 0);
    teardown(keeper);
}
END_TEST

START_TEST(who_only_looks_changes_nothing)
{
    struct vt_keeper *keeper = setup(NULL), *looking = NULL;
    char verifier[200];
    const struct vt_keeper_slot next = slot_make(2);
    make_epoch_one(keeper);
    remote_host_verifier(&host, verifier);
    const struct vt_remote_options options = {.name = "far", .verifier_key = verifier, .vault_id = our_vault, .is_read_only = true};
    ck_assert_ok(vt_remote_keeper_open(&options, remote_host_link(&host), &looking));
    ck_assert_uint_eq(count_of(looking), 1);
    ck_assert_status(looking->ops->prepare(looking, &next), VAULT_E_READ_ONLY);
    ck_assert_status(finalize(looking, &next, 20), VAULT_E_READ_ONLY);
    ck_assert_status(looking->ops->abort(looking, 1, 2, next.attempt), VAULT_E_READ_ONLY);
    ck_assert_status(looking->ops->raise_floor(looking, &(struct vt_keeper_floor){our_vault, 1, 1, 99}), VAULT_E_READ_ONLY);
    vt_keeper_free(looking);
    teardown(keeper);
}
END_TEST

START_TEST(a_verifier_that_is_none_opens_no_keeper)
{
    static const char *const BAD[] = {"", "vaultd-keeper/0123456789abcdef", "keeper+00000000+AAAA"};
    vt_keeper_free(setup(NULL));
    for (size_t i = 0; i < VT_ARRAY_LEN(BAD); i++) {
        struct vt_keeper *keeper = NULL;
        const struct vt_remote_options options = {.name = "far", .verifier_key = BAD[i]};
        ck_assert_status(vt_remote_keeper_open(&options, remote_host_link(&host), &keeper), VAULT_E_ARGUMENT);
        ck_assert_ptr_null(keeper);
    }
    teardown(NULL);
}
END_TEST

/* A hostile client, let in by its TLS certificate: whatever it sends, the keeper holds what it held. */
START_TEST(a_request_with_any_byte_changed_leaves_a_keeper_that_works)
{
    struct vt_keeper *keeper = setup(NULL);
    make_epoch_one(keeper);
    for (int op = 0; op < VT_REMOTE_OPS; op++) {
        VT_AUTO(vt_buf) frame = VT_BUF_INIT(VT_REMOTE_REQUEST_MAX);
        struct vt_remote_request request = {.op = (enum vt_remote_op)op, .vault_id = other_vault, .slot = slot_make(2)};
        ck_assert_ok(vt_remote_write_request(&frame, 1, &request));
        for (size_t at = 0; at < frame.len; at++) {
            VT_AUTO(vt_buf) answer = VT_BUF_INIT(VT_REMOTE_REPLY_MAX);
            struct vt_remote_event event;
            frame.data[at] ^= 0x81;
            const vault_status status = vt_remote_answer(host.ram, vt_clock_system(), vt_buf_bytes(&frame), &answer, &event);
            ck_assert(status == VAULT_OK || status == VAULT_E_PROTOCOL);
            ck_assert_int_eq(status == VAULT_OK, answer.len != 0);
            frame.data[at] ^= 0x81;
        }
    }
    ck_assert_uint_eq(count_of(keeper), 1);
    const struct vt_keeper_slot next = slot_make(2);
    ck_assert_ok(keeper->ops->prepare(keeper, &next));
    teardown(keeper);
}
END_TEST

VT_TEST_MAIN("remote/remote_keeper", a_remote_keeper_does_what_every_keeper_does,
             a_receipt_verifies_under_the_key_of_the_settings_and_has_the_keepers_own_time,
             what_a_keeper_is_stands_in_the_settings_and_needs_no_answer, a_keeper_that_is_away_is_one_that_did_not_answer,
             a_connection_that_broke_is_opened_again_and_the_question_asked_again,
             a_connection_over_which_a_share_went_ends_when_the_share_is_erased,
             one_that_let_its_deadline_pass_is_not_asked_again_for_as_long, a_keeper_that_goes_and_comes_back_is_said_once_each,
             another_keeper_in_its_place_is_refused, an_answer_that_is_none_is_a_keeper_that_did_not_answer,
             a_status_that_no_keeper_gives_is_a_keeper_that_did_not_answer, shares_are_shown_to_their_own_vault_only,
             an_initialisation_that_was_given_up_is_cleared_by_the_next_one, a_whole_root_key_is_not_taken,
             who_only_looks_changes_nothing, a_verifier_that_is_none_opens_no_keeper,
             a_request_with_any_byte_changed_leaves_a_keeper_that_works)
