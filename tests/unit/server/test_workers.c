#include <pthread.h>
#include <stdatomic.h>

#include "libvault/base/thread.h"
#include "tests/support/suite.h"
#include "vaultd/server/workers.h"

enum { JOBS = 64 };

/* Jobs that wait at a gate until the test opens it. */
struct world {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_open;
    unsigned waiting;               /* jobs at the gate */
    unsigned done;
    struct vt_list jobs[JOBS];
};

static void job_run(void *context, struct vt_list *job)
{
    struct world *world = context;
    ck_assert(job >= world->jobs && job < world->jobs + JOBS);
    pthread_mutex_lock(&world->mutex);
    world->waiting++;
    pthread_cond_broadcast(&world->changed);
    while (!world->is_open) pthread_cond_wait(&world->changed, &world->mutex);
    world->waiting--;
    world->done++;
    pthread_mutex_unlock(&world->mutex);
}

static struct world fresh(bool is_open)
{
    struct world world = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .is_open = is_open};
    return world;
}

static struct vt_workers *start(struct world *world, unsigned threads, unsigned threads_max, size_t queue_max)
{
    const struct vt_workers_options options = {threads, threads_max, queue_max, job_run, world};
    struct vt_workers *workers;
    ck_assert_ok(vt_workers_start(&options, &workers));
    return workers;
}

static void wait_for_waiting(struct world *world, unsigned count)
{
    pthread_mutex_lock(&world->mutex);
    while (world->waiting < count) pthread_cond_wait(&world->changed, &world->mutex);
    pthread_mutex_unlock(&world->mutex);
}

static void open_gate(struct world *world)
{
    pthread_mutex_lock(&world->mutex);
    world->is_open = true;
    pthread_cond_broadcast(&world->changed);
    pthread_mutex_unlock(&world->mutex);
}

START_TEST(stopping_runs_everything_that_was_queued)
{
    struct world world = fresh(true);
    struct vt_workers *workers = start(&world, 2, 2, JOBS);
    for (int i = 0; i < JOBS; i++) ck_assert_ok(vt_workers_push(workers, &world.jobs[i]));
    vt_workers_stop(workers);
    ck_assert_uint_eq(world.done, JOBS);
}
END_TEST

START_TEST(waiting_jobs_do_not_starve_others_while_threads_can_be_added)
{
    struct world world = fresh(false);
    struct vt_workers *workers = start(&world, 1, 5, JOBS);
    for (int i = 0; i < 5; i++) ck_assert_ok(vt_workers_push(workers, &world.jobs[i]));
    wait_for_waiting(&world, 5);                /* all five at the gate: one thread alone would never get there */
    open_gate(&world);
    vt_workers_stop(workers);
    ck_assert_uint_eq(world.done, 5);
}
END_TEST

START_TEST(a_full_queue_is_busy_and_leaves_the_job_alone)
{
    struct world world = fresh(false);
    struct vt_workers *workers = start(&world, 1, 1, 2);
    ck_assert_ok(vt_workers_push(workers, &world.jobs[0]));
    wait_for_waiting(&world, 1);
    ck_assert_ok(vt_workers_push(workers, &world.jobs[1]));
    ck_assert_ok(vt_workers_push(workers, &world.jobs[2]));
    struct vt_list *refused = &world.jobs[3];
    vt_list_init(refused);
    ck_assert_status(vt_workers_push(workers, refused), VAULT_E_BUSY);
    ck_assert(vt_list_is_empty(refused));
    open_gate(&world);
    vt_workers_stop(workers);
    ck_assert_uint_eq(world.done, 3);
}
END_TEST

START_TEST(no_threads_or_too_many_are_refused)
{
    struct vt_workers *workers = NULL;
    const struct vt_workers_options wrong[] = {{0, 4, 1, job_run, NULL},
                                               {VT_WORKERS_MAX + 1, VT_WORKERS_MAX + 1, 1, job_run, NULL},
                                               {4, 3, 1, job_run, NULL},
                                               {4, VT_WORKERS_MAX + 1, 1, job_run, NULL}};
    for (size_t i = 0; i < VT_ARRAY_LEN(wrong); i++)
        ck_assert_status(vt_workers_start(&wrong[i], &workers), VAULT_E_ARGUMENT);
    ck_assert_ptr_null(workers);
}
END_TEST

static void touch_stack(void *context)
{
    volatile char room[128 * 1024];
    for (size_t i = 0; i < sizeof room; i += 4096) room[i] = (char)i;
    atomic_store((atomic_int *)context, room[4096]);
}

START_TEST(a_thread_has_room_on_its_stack_and_leaves_nothing_when_joined)
{
    atomic_int seen = 77;
    struct vt_thread thread;
    ck_assert_ok(vt_thread_start(&thread, "test", touch_stack, &seen));
    vt_thread_join(&thread);
    ck_assert_int_eq(atomic_load(&seen), 0);
    ck_assert_ptr_null(thread.memory);
    ck_assert(!thread.is_started);
    vt_thread_join(&thread);                    /* once more does nothing */
}
END_TEST

VT_TEST_MAIN("server/workers", stopping_runs_everything_that_was_queued,
             waiting_jobs_do_not_starve_others_while_threads_can_be_added, a_full_queue_is_busy_and_leaves_the_job_alone,
             no_threads_or_too_many_are_refused, a_thread_has_room_on_its_stack_and_leaves_nothing_when_joined)
