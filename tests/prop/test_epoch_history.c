/* Random histories of a vault: subjects come, ask to be forgotten, epochs close, keepers go away and come back, and each round
 * ends with the process killed at some point or other. A model of what was acknowledged is compared after every round.
 * Seed: VT_SEED in the environment, else a fixed one; it is printed. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "tests/unit/epoch/epoch_world.h"

enum { ROUNDS = 30, SUBJECTS_MAX = 400, OPERATIONS = 12, SHARES_MAX = 2000 };

/* What the log of acknowledgements allows a subject to be. */
struct subject {
    bool may_be_live, may_be_pending, may_be_gone;
    uint64_t certificate;
};
struct model {
    unsigned count;
    struct subject subjects[SUBJECTS_MAX];
};

/* xorshift64*: the same history for the same seed (G. Marsaglia, "Xorshift RNGs", 2003). */
static uint64_t draw(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static unsigned below(uint64_t *state, unsigned bound)
{
    return (unsigned)(draw(state) >> 33) % bound;
}

/* The child -------------------------------------------------------------------------------------------------------- */

static void note(int log, const char *what, unsigned number, uint64_t certificate)
{
    char line[64];
    const int len = snprintf(line, sizeof line, "%s %u %llu\n", what, number, (unsigned long long)certificate);
    if (write(log, line, (size_t)len) != len) _exit(8);
}

static void die_later(const char *step, void *context)
{
    unsigned *left = context;
    (void)step;
    if (--*left == 0) kill(getpid(), SIGKILL);
}

static void child_close(struct world *world, uint64_t *random, int log)
{
    const bool is_short = world->shape.m > 1 && below(random, 3) == 0;
    const unsigned away = below(random, world->shape.m);
    if (is_short) world_cut_keeper(world, away, true);
    ck_assert_ok(vt_epoch_set_tolerance(world->epoch, is_short && below(random, 2) == 0 ? 0 : world->shape.m - world->shape.k));
    note(log, "close", 0, 0);
    const vault_status status = world_close_epoch(world, below(random, 2) == 0);
    if (is_short) world_cut_keeper(world, away, false);
    if (status == VAULT_OK) note(log, "closed", 0, 0);
}

static void child_round(struct world *world, unsigned count, uint64_t random, int log)
{
    unsigned left = 1 + below(&random, 120);
    world_open(world);
    vt_fault_set_step_hook(die_later, &left);
    if (world_unseal(world, NULL) != VAULT_OK) _exit(7);
    for (unsigned i = 0; i < OPERATIONS; i++) {
        const unsigned kind = below(&random, 10), whom = count != 0 ? below(&random, count) : 0;
        if (kind < 4 && count < SUBJECTS_MAX) {
            note(log, "add", count, 0);
            world_add_subject(world, count);
            note(log, "added", count++, 0);
        } else if (kind < 7 && count != 0 && world_subject(world, whom) == VAULT_OK) {
            note(log, "ask", whom, 0);
            note(log, "asked", whom, world_request(world, whom));
        } else if (kind < 9) {
            child_close(world, &random, log);
        } else if (vt_epoch_push_floor(world->epoch) != VAULT_OK) {
            _exit(6);
        }
    }
    kill(getpid(), SIGKILL);        /* even a round without a crash point ends without a goodbye */
}

/* The model -------------------------------------------------------------------------------------------------------- */

static void model_take(struct model *model, const char *what, unsigned number, uint64_t certificate)
{
    struct subject *subject = &model->subjects[number];
    if (strcmp(what, "add") == 0) {
        *subject = (struct subject){.may_be_live = true, .may_be_gone = true};
        model->count = number + 1;
    }
    if (strcmp(what, "added") == 0) subject->may_be_gone = false;
    if (strcmp(what, "ask") == 0) subject->may_be_pending = true;
    if (strcmp(what, "asked") == 0) {
        subject->may_be_live = false;
        subject->certificate = certificate;
    }
    const bool closes = strcmp(what, "close") == 0, closed = strcmp(what, "closed") == 0;
    for (unsigned i = 0; i < model->count && (closes || closed); i++) {
        struct subject *each = &model->subjects[i];
        if (each->may_be_pending) each->may_be_gone = true;
        if (closed && each->may_be_gone) each->may_be_pending = false;
    }
}

static void model_read(struct model *model, const char *path)
{
    char what[16];
    unsigned number;
    unsigned long long certificate;
    FILE *log = fopen(path, "r");
    ck_assert_ptr_nonnull(log);
    while (fscanf(log, "%15s %u %llu", what, &number, &certificate) == 3) model_take(model, what, number, certificate);
    fclose(log);
}

/* What is true is allowed, and is what is known from now on. */
static void model_compare(struct model *model, struct world *world, unsigned round)
{
    for (unsigned i = 0; i < model->count; i++) {
        struct subject *subject = &model->subjects[i];
        const vault_status status = world_subject(world, i);
        const bool is_allowed = (status == VAULT_OK && subject->may_be_live) ||
                                (status == VAULT_E_SHRED_PENDING && subject->may_be_pending) ||
                                (status == VAULT_E_NOT_FOUND && subject->may_be_gone);
        ck_assert_msg(is_allowed, "round %u: subject %u is %s, which was not acknowledged", round, i,
                      vault_status_code(status));
        subject->may_be_live = status == VAULT_OK;
        subject->may_be_pending = status == VAULT_E_SHRED_PENDING;
        subject->may_be_gone = status == VAULT_E_NOT_FOUND;
    }
}

/* Every share that ever lay at a keeper at the end of a round. */
struct past {
    size_t count;
    struct vt_keeper_slot slots[SHARES_MAX];
};

static void past_collect(struct past *past, const struct world *world)
{
    struct world_shares shares;
    world_shares_read(world, &shares);
    for (size_t i = 0; i < shares.count && past->count < SHARES_MAX; i++) past->slots[past->count++] = shares.slots[i];
}

static void past_is_erased(const struct past *past, const struct world *world, uint64_t epoch)
{
    struct world_shares now;
    world_shares_read(world, &now);
    for (size_t i = 0; i < now.count; i++) {
        ck_assert_uint_eq(now.slots[i].epoch, epoch);
        ck_assert_uint_eq(now.slots[i].state, VT_SLOT_COMMITTED);
    }
    for (size_t i = 0; i < past->count; i++) {
        bool is_present = false;
        for (size_t j = 0; j < now.count; j++)
            is_present = is_present || memcmp(now.slots[j].share, past->slots[i].share, now.slots[j].share_len) == 0;
        if (!is_present) ck_assert(!world_share_is_anywhere(world, &past->slots[i]));
    }
}

static void round_run(struct world *world, struct model *model, unsigned round, uint64_t random)
{
    char path[200];
    world_path(world, "log", path, sizeof path);
    const int log = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    ck_assert_int_ge(log, 0);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) child_round(world, model->count, random, log);
    close(log);
    int how;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert_msg(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL, "round %u: the child ended with %x", round, (unsigned)how);
    model_read(model, path);
}

static void history(const struct world_shape *shape, uint64_t seed)
{
    static struct past past;
    struct world world;
    struct model model = {.count = 0};
    uint64_t random = seed;
    past.count = 0;
    world_new(&world, shape);
    world_close(&world);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct vt_err err;
        round_run(&world, &model, round, draw(&random));
        past_collect(&past, &world);
        world_open(&world);
        const vault_status status = world_unseal(&world, &err);
        ck_assert_msg(status == VAULT_OK, "round %u: %s", round, err.message);
        model_compare(&model, &world, round);
        world_close(&world);
    }
    world_open(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_ok(world_close_epoch(&world, true));
    const uint64_t epoch = world_epoch(&world);
    for (unsigned i = 0; i < model.count; i++) {
        const struct subject *subject = &model.subjects[i];
        ck_assert_status(world_subject(&world, i), subject->may_be_live ? VAULT_OK : VAULT_E_NOT_FOUND);
        if (!subject->may_be_live && subject->certificate != 0)
            ck_assert_int_eq(world_certificate(&world, subject->certificate), VT_CERTIFICATE_EFFECTIVE);
    }
    world_close(&world);
    past_is_erased(&past, &world, epoch);
    ck_assert_uint_gt(model.count, 5);
    ck_assert_uint_gt(epoch, 3);
    vt_temp_dir_remove(world.dir);
}

static uint64_t seed_given(void)
{
    const char *text = getenv("VT_SEED");
    const uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : 20260701;
    printf("VT_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

START_TEST(no_history_of_crashes_loses_what_was_acknowledged_or_brings_back_what_was_forgotten_1_of_1)
{
    history(&(struct world_shape){.k = 1, .m = 1, .has_journal = true}, seed_given());
}
END_TEST

START_TEST(no_history_of_crashes_loses_what_was_acknowledged_or_brings_back_what_was_forgotten_2_of_3)
{
    history(&(struct world_shape){.k = 2, .m = 3, .has_journal = true}, seed_given() + 1);
}
END_TEST

VT_TEST_MAIN("prop/epoch_history",
             no_history_of_crashes_loses_what_was_acknowledged_or_brings_back_what_was_forgotten_1_of_1,
             no_history_of_crashes_loses_what_was_acknowledged_or_brings_back_what_was_forgotten_2_of_3)
