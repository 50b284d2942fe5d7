/* What has been forgotten stays forgotten, over everything ever written. Random histories of a whole vault, driven through the
 * gate: subjects come, are changed, corrected, tokenised, looked up, deleted, shredded whole, by category and by record; epochs
 * close or fail to, keys rotate, files are imported, the vault restarts, is backed up, restored beside itself, and goes back to
 * what one backup or another holds and on from there, in the next incarnation. Kept meanwhile: every value ever put into any
 * table of any incarnation, every state of the keepers' files, the journal, the backups and restored stores. Each value written
 * carries a mark of its own.
 *
 * Then an adversary who knows every long-lived secret (all key files, all tokens, all callers' keys) opens whatever opens, from
 * the root key that the keepers (two of three) have now, with all snapshots ever made of one of them: no mark, row, key block,
 * audit payload or index entry of what was forgotten comes to light, and each present value does. From all states of all keepers
 * all of it comes to light, which shows that the adversary can find things; from those of one keeper, or none, nothing does. A
 * vault that keeps its page keys is caught.
 *
 * VT_SEED and VT_STEPS choose the history. Source: docs/ERASURE.md "The promise", "How it is checked". */
#include <stdio.h>
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "tests/prop/history.h"

static uint64_t number_from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}
START_TEST(what_was_forgotten_opens_from_no_copy_ever_made_of_anything)
{
    const uint64_t steps = number_from_environment("VT_STEPS", DEFAULT_STEPS);
    const uint64_t seed = number_from_environment("VT_SEED", vt_monotonic_ns());
    printf("VT_SEED=%llu VT_STEPS=%llu\n", (unsigned long long)seed, (unsigned long long)steps);
    fflush(stdout);
    struct history *history = history_new(seed);
    struct verdict verdict;
    uint64_t done = 0;
    for (unsigned checkpoint = 1; checkpoint <= CHECKPOINTS; checkpoint++) {
        for (; done < steps * checkpoint / CHECKPOINTS; done++) run_step(history);
        if (checkpoint != CHECKPOINTS) take_over_from(history, checkpoint != 1);    /* with a verdict of its own */
    }
    step_close(history);
    assert_forgotten(history, PRESENT, "at the end", &verdict);
    close_for_good(history);
    verdict_release(&verdict);
    assert_forgotten(history, PRESENT, "after the last close", &verdict);
    struct verdict with_snapshots;
    assert_forgotten(history, PRESENT_AND_ALL_OF_ONE, "with all snapshots of one keeper", &with_snapshots);
    ck_assert_uint_gt(with_snapshots.reach.slots, verdict.reach.slots);
    verdict_release(&with_snapshots);
    ck_assert_uint_gt(verdict.forgotten, 0);
    print_figures(history, &verdict);
    assert_nothing_opens_with(history, NOTHING);
    assert_nothing_opens_with(history, ALL_OF_ONE);
    assert_past_opens(history, &verdict);
    verdict_release(&verdict);
    check_everything_is_known(history);
    history_free(history);
}
END_TEST

/* The negative control of the whole test: the one mistake that looks cheap is caught. */
#ifdef VT_FAULTS
static void keep_page_key(const char *step, void *context)
{
    (void)context;
    if (strcmp(step, "keyring.page") == 0) vt_fault_arm(VT_FAULT_PAGE_KEY, 1);
}

START_TEST(a_vault_that_keeps_its_page_keys_is_caught)
{
    struct history *history = history_new(11);
    struct verdict verdict;
    vt_fault_set_step_hook(keep_page_key, NULL);
    for (unsigned i = 0; i < 300; i++) run_step(history);
    step_close(history);
    vt_fault_set_step_hook(NULL, NULL);
    vt_fault_disarm();
    take_images(history);
    judge(history, PRESENT, false, &verdict);
    ck_assert_uint_gt(verdict.leaks, 0);
    ck_assert_uint_eq(verdict.losses, 0);
    verdict_release(&verdict);
    history_free(history);
}
END_TEST
#endif

VT_TEST_MAIN("prop/vault_history",
#ifdef VT_FAULTS
             a_vault_that_keeps_its_page_keys_is_caught,
#endif
             what_was_forgotten_opens_from_no_copy_ever_made_of_anything)
