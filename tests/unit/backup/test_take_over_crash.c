/* A take-over is killed at every step it passes, one after the other; what starts again is exactly the old vault or exactly the
 * new one, and who was forgotten is so in both. docs/decisions/0013. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "tests/unit/backup/take_over_world.h"
#include "vaultd/service/take_over.h"

static unsigned steps_left;

static void die_at(const char *step, void *context)
{
    (void)step, (void)context;
    if (--steps_left == 0) kill(getpid(), SIGKILL);
}

static void clone_dir(const struct world *from, struct world *to)
{
    *to = *from;
    to->pool = VT_POOL_INIT(from->pool.max);
    vt_temp_dir_make(to->dir, sizeof to->dir);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        execlp("sh", "sh", "-c", "cp -a -- \"$1\"/. \"$2\"", "sh", from->dir, to->dir, (char *)NULL);
        _exit(127);
    }
    int how;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
}

/* ada forgotten, bob with another address than in the backup. */
static void base_new(struct world *base, unsigned quorum, unsigned keepers)
{
    if (keepers == 1) people_new(base, false);
    else people_new_kept(base, quorum, keepers);
    people_create(base, "ada");
    people_create(base, "bob");
    people_back_up(base, "b1");
    people_put(base, "bob", "{email: other@example.org}");
    ck_assert_ok(world_call(base, "privacy", "subject.shred", "{subject: ada, now: true}", NULL));
    world_close(base);
}

static void open_again(struct world *world)
{
    ck_assert_ok(vt_restore_clear(world->dir, NULL, NULL));
    world_open(world);
    const vault_status status = world_unseal(world);
    ck_assert_msg(status == VAULT_OK, "%s: %s", vault_status_code(status), world->err.message);
}

/* The daemon's work, in a process that dies at the n-th step. @return false when it has passed fewer */
static bool dies_in_take_over(const struct world *at, unsigned nth)
{
    fflush(NULL);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct world world = *at;
        open_again(&world);
        steps_left = nth;
        vt_fault_set_step_hook(die_at, NULL);
        if (people_take_over(&world, "b1", NULL) != VAULT_OK) _exit(3);
        world_restart(&world);
        if (vt_vault_close_epoch_wait(world.vault, false) != VAULT_OK) _exit(4);    /* what the epoch thread does: S7 */
        _exit(0);
    }
    int how;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    const bool is_killed = WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL;
    ck_assert_msg(is_killed || (WIFEXITED(how) && WEXITSTATUS(how) == 0), "step %u: %d", nth, how);
    return is_killed;
}

static void assert_one_of_the_two(struct world *world, bool *out_is_new)
{
    char value[64];
    const int64_t incarnation = people_incarnation(world);
    ck_assert(incarnation == 1 || incarnation == 2);
    const bool is_new = incarnation == 2;
    ck_assert_ok(people_field(world, "bob", "email", value));
    ck_assert_str_eq(value, is_new ? "bob@example.org" : "other@example.org");
    ck_assert_uint_eq(people_find(world, "email", "bob@example.org"), is_new);
    ck_assert_uint_eq(people_find(world, "email", "other@example.org"), !is_new);
    ck_assert_status(people_field(world, "ada", "email", value), VAULT_E_NOT_FOUND);
    people_assert_sound(world);
    *out_is_new = is_new;
}

static void assert_goes_on(struct world *world, bool is_new)
{
    char value[64];
    people_create(world, "later");
    ck_assert_ok(world_call(world, "privacy", "subject.shred", "{subject: later, now: true}", NULL));
    ck_assert_ok(people_take_over(world, "b1", NULL));
    world_restart(world);
    ck_assert_int_eq(people_incarnation(world), is_new ? 3 : 2);
    ck_assert_ok(people_field(world, "bob", "email", value));
    ck_assert_str_eq(value, "bob@example.org");
    people_assert_sound(world);
}

static void killed_everywhere(unsigned quorum, unsigned keepers)
{
    struct world base, copy;
    unsigned as_before = 0, as_after = 0;
    bool is_killed = true;
    base_new(&base, quorum, keepers);
    for (unsigned nth = 1; is_killed; nth++) {
        bool is_new;
        clone_dir(&base, &copy);
        is_killed = dies_in_take_over(&copy, nth);
        open_again(&copy);
        assert_one_of_the_two(&copy, &is_new);
        ck_assert_msg(is_new || as_after == 0, "step %u went back behind the commit point", nth);
        as_before += !is_new;
        as_after += is_new;
        if (nth % 8 == 0 || !is_killed) assert_goes_on(&copy, is_new);
        world_free(&copy);
    }
    ck_assert_uint_gt(as_before, 10);
    ck_assert_uint_gt(as_after, 10);
    base.vault = NULL;
    world_free(&base);
}

START_TEST(killed_at_every_step_it_is_the_old_vault_or_the_new_one)
{
    killed_everywhere(1, 1);
}
END_TEST

START_TEST(killed_at_every_step_with_three_keepers_and_a_journal_too)
{
    killed_everywhere(2, 3);
}
END_TEST

VT_TEST_MAIN("backup/take-over-crash", killed_at_every_step_it_is_the_old_vault_or_the_new_one,
             killed_at_every_step_with_three_keepers_and_a_journal_too)
