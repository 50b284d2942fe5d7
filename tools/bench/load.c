#include "tools/bench/load.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "libvault/base/clock.h"
#include "tools/bench/procstat.h"
#include "tools/bench/session.h"

#define MS UINT64_C(1000000)
#define DRAIN (10 * 1000 * MS)      /* how long the last answers are awaited */
#define IDLE (100 * MS)             /* the longest sleep: how soon a lane sees that another failed */
enum { EVENTS = 64 };

struct slot {
    uint64_t since_ns;              /* when the call fell due (open loop) or was made (closed) */
    uint32_t op, items;
    bool is_busy;
};

struct link {
    struct bench_conn *conn;
    struct slot *slots;             /* one per call under way, found by msgid */
    uint32_t *order;                /* msgids in the order of their calls: a ring */
    uint32_t *unused;               /* msgids without a call: a stack */
    uint32_t under_way, first;
    bool is_blocked, has_news;
};

/* What all lanes share. The plain members are written before the second barrier and only read after it. */
struct run {
    const struct bench_server *server;
    struct bench_world *world;
    const struct bench_phase *phase;
    pthread_barrier_t barrier;
    uint64_t from_ns, to_ns;        /* the window */
    uint64_t calls_claimed;         /* atomic */
    uint64_t answered;              /* atomic */
    uint32_t lanes_running;         /* atomic */
    bool has_failed;                /* atomic */
};

struct lane {
    struct run *run;
    pthread_t thread;
    struct link *links;
    uint32_t link_count, cursor;
    int epoll;
    struct bench_random random;
    struct vt_pool scratch;         /* what a reply is parsed into */
    double next_due_ns, mean_gap_ns;
    uint64_t under_way, unanswered, last_answer_ns;
    bool is_exhausted;              /* no call is left to make */
    struct bench_op_result *ops;    /* BENCH_MAX_OPS */
    vault_status status;
    struct vt_err err;
};

static bool load_flag(const bool *flag)
{
    return __atomic_load_n(flag, __ATOMIC_RELAXED);
}

/* ---- connections ---- */

static VT_RESULT link_open(struct lane *lane, struct link *link)
{
    const struct run *run = lane->run;
    const struct bench_phase *phase = run->phase;
    const uint32_t pipeline = phase->pipeline;
    link->slots = calloc(pipeline, sizeof *link->slots);
    link->order = calloc(pipeline, sizeof *link->order);
    link->unused = calloc(pipeline, sizeof *link->unused);
    VT_ENSURE(link->slots != NULL && link->order != NULL && link->unused != NULL, VAULT_E_MEMORY);
    for (uint32_t i = 0; i < pipeline; i++) link->unused[i] = i;

    VT_TRY(bench_session_open(run->server, phase->driver, run->world, &link->conn, &lane->err));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = link};
    VT_ENSURE(epoll_ctl(lane->epoll, EPOLL_CTL_ADD, bench_conn_fd(link->conn), &event) == 0, VAULT_E_IO);
    return VAULT_OK;
}

static void link_release(struct link *link)
{
    bench_conn_free(link->conn);
    free(link->slots);
    free(link->order);
    free(link->unused);
}

static VT_RESULT link_flush(struct lane *lane, struct link *link)
{
    const bool was_blocked = link->is_blocked;
    link->has_news = false;
    VT_TRY(bench_conn_send(link->conn, &link->is_blocked, &lane->err));
    if (link->is_blocked == was_blocked) return VAULT_OK;
    struct epoll_event event = {.events = EPOLLIN | (link->is_blocked ? EPOLLOUT : 0), .data.ptr = link};
    VT_ENSURE(epoll_ctl(lane->epoll, EPOLL_CTL_MOD, bench_conn_fd(link->conn), &event) == 0, VAULT_E_IO);
    return VAULT_OK;
}

/* ---- calls ---- */

static uint32_t choose_op(struct lane *lane)
{
    const uint32_t *weights = lane->run->phase->weights;
    uint64_t total = 0;
    for (uint32_t i = 0; i < BENCH_MAX_OPS; i++) total += weights[i];
    uint64_t at = bench_random_below(&lane->random, total);
    uint32_t op = 0;
    while (at >= weights[op]) at -= weights[op++];
    return op;
}

static bool claim_call(struct run *run)
{
    if (run->phase->calls == 0) return true;
    return __atomic_fetch_add(&run->calls_claimed, 1, __ATOMIC_RELAXED) < run->phase->calls;
}

/* Make one call on a link with room; when none is left to make, the lane is exhausted. */
static VT_RESULT link_call(struct lane *lane, struct link *link, uint64_t since_ns)
{
    const struct bench_phase *phase = lane->run->phase;
    if (!claim_call(lane->run)) {
        lane->is_exhausted = true;
        return VAULT_OK;
    }
    const uint32_t msgid = link->unused[phase->pipeline - link->under_way - 1];
    const uint32_t op = choose_op(lane);
    const uint32_t items = phase->driver->ops[op].is_single ? 1 : phase->batch;
    const struct bench_call call = {.op = op, .items = items, .msgid = msgid};
    struct vt_buf *out = bench_conn_out(link->conn);
    const size_t mark = out->len;
    const vault_status status = phase->driver->write_call(lane->run->world, &lane->random, &call, out);
    if (status == VAULT_E_NOT_FOUND) {
        vt_buf_truncate(out, mark);
        lane->is_exhausted = true;
        return VAULT_OK;
    }
    VT_TRY(status);
    link->slots[msgid] = (struct slot){.since_ns = since_ns, .op = call.op, .items = call.items, .is_busy = true};
    link->order[(link->first + link->under_way) % phase->pipeline] = msgid;
    link->under_way++;
    lane->under_way++;
    link->has_news = true;
    return VAULT_OK;
}

static bool is_in_window(const struct run *run, const struct slot *slot, uint64_t now_ns)
{
    const uint64_t moment = run->phase->rate > 0 ? slot->since_ns : now_ns;
    return moment >= run->from_ns && moment < run->to_ns;
}

static void record(struct lane *lane, const struct slot *slot, const struct bench_reply *reply, uint64_t now_ns)
{
    struct bench_op_result *op = &lane->ops[slot->op];
    __atomic_fetch_add(&lane->run->answered, 1, __ATOMIC_RELAXED);
    if (op->error[0] == '\0' && reply->failed_items != 0) memcpy(op->error, reply->error, sizeof op->error);
    if (!is_in_window(lane->run, slot, now_ns)) return;
    lane->last_answer_ns = now_ns;
    op->calls++;
    op->items += slot->items;
    op->failed_items += VT_MIN(reply->failed_items, slot->items);
    vt_histogram_record(&op->latency_ns, now_ns - slot->since_ns);
}

static VT_RESULT link_answer(struct lane *lane, struct link *link, const struct bench_reply *reply, uint64_t now_ns)
{
    const uint32_t pipeline = lane->run->phase->pipeline;
    const bool in_order = lane->run->phase->driver->replies_in_order;
    VT_ENSURE(link->under_way != 0, VAULT_E_PROTOCOL);
    const uint32_t msgid = in_order ? link->order[link->first] : reply->msgid;
    VT_ENSURE(msgid < pipeline && link->slots[msgid].is_busy, VAULT_E_PROTOCOL);
    record(lane, &link->slots[msgid], reply, now_ns);
    link->slots[msgid].is_busy = false;
    link->unused[pipeline - link->under_way] = msgid;
    link->first = (link->first + 1) % pipeline;
    link->under_way--;
    lane->under_way--;
    return VAULT_OK;
}

static VT_RESULT link_read(struct lane *lane, struct link *link)
{
    struct run *run = lane->run;
    VT_TRY(bench_conn_receive(link->conn, &lane->err));
    const uint64_t now_ns = vt_monotonic_ns();
    const struct vt_bytes in = bench_conn_in(link->conn);
    size_t taken = 0;
    vault_status status = VAULT_OK;
    while (status == VAULT_OK && taken < in.len) {
        struct bench_reply reply;
        const struct vt_bytes rest = vt_bytes(in.data + taken, in.len - taken);
        status = run->phase->driver->read_reply(run->world, &lane->scratch, rest, run->phase->keep, &reply);
        if (status == VAULT_OK) status = link_answer(lane, link, &reply, now_ns);
        if (status == VAULT_OK) taken += reply.len;
    }
    bench_conn_consume(link->conn, taken);
    if (status == VAULT_OK || status == VAULT_E_CONFLICT) return VAULT_OK;
    return vt_fail(&lane->err, status, NULL, "The server sent what the protocol does not allow here.");
}

/* ---- the loop ---- */

static VT_RESULT feed_closed(struct lane *lane, uint64_t now_ns)
{
    if (now_ns >= lane->run->to_ns) lane->is_exhausted = true;
    for (uint32_t i = 0; i < lane->link_count; i++) {
        struct link *link = &lane->links[i];
        while (!lane->is_exhausted && link->under_way < lane->run->phase->pipeline)
            VT_TRY(link_call(lane, link, now_ns));
    }
    return VAULT_OK;
}

static struct link *link_with_room(struct lane *lane)
{
    for (uint32_t i = 0; i < lane->link_count; i++) {
        struct link *link = &lane->links[lane->cursor++ % lane->link_count];
        if (link->under_way < lane->run->phase->pipeline) return link;
    }
    return NULL;
}

/* Due calls that find no connection free stay due: next_due_ns does not move, and their wait is part of their latency. */
static VT_RESULT feed_open(struct lane *lane, uint64_t now_ns)
{
    struct link *link;
    while (!lane->is_exhausted && lane->next_due_ns <= (double)now_ns && (link = link_with_room(lane)) != NULL) {
        VT_TRY(link_call(lane, link, (uint64_t)lane->next_due_ns));
        lane->next_due_ns += bench_random_gap(&lane->random, lane->mean_gap_ns);
        if (lane->next_due_ns >= (double)lane->run->to_ns) lane->is_exhausted = true;
    }
    return VAULT_OK;
}

static VT_RESULT lane_wait(struct lane *lane, uint64_t now_ns)
{
    uint64_t sleep_ns = IDLE;
    if (lane->run->phase->rate > 0 && !lane->is_exhausted && lane->next_due_ns > (double)now_ns)
        sleep_ns = VT_MIN(sleep_ns, (uint64_t)(lane->next_due_ns - (double)now_ns));
    const struct timespec timeout = {.tv_nsec = (long)sleep_ns};
    struct epoll_event events[EVENTS];
    const int count = epoll_pwait2(lane->epoll, events, EVENTS, &timeout, NULL);
    VT_ENSURE(count >= 0 || errno == EINTR, VAULT_E_IO);
    for (int i = 0; i < count; i++) {
        struct link *link = events[i].data.ptr;
        if ((events[i].events & EPOLLOUT) != 0) link->has_news = true;
        if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0) VT_TRY(link_read(lane, link));
    }
    return VAULT_OK;
}

static void count_unanswered(struct lane *lane)
{
    const struct run *run = lane->run;
    for (uint32_t i = 0; i < lane->link_count; i++)
        for (uint32_t m = 0; m < run->phase->pipeline; m++) {
            const struct slot *slot = &lane->links[i].slots[m];
            if (slot->is_busy && slot->since_ns >= run->from_ns) lane->unanswered++;
        }
    for (; run->phase->rate > 0 && !lane->is_exhausted && lane->next_due_ns < (double)run->to_ns; lane->unanswered++)
        lane->next_due_ns += lane->mean_gap_ns;
}

static VT_RESULT lane_loop(struct lane *lane)
{
    const struct run *run = lane->run;
    const bool is_open = run->phase->rate > 0;
    for (;;) {
        const uint64_t now_ns = vt_monotonic_ns();
        VT_TRY(is_open ? feed_open(lane, now_ns) : feed_closed(lane, now_ns));
        for (uint32_t i = 0; i < lane->link_count; i++)
            if (lane->links[i].has_news) VT_TRY(link_flush(lane, &lane->links[i]));
        if (lane->is_exhausted && lane->under_way == 0) return VAULT_OK;
        if (now_ns >= run->to_ns + DRAIN || load_flag(&run->has_failed)) break;
        VT_TRY(lane_wait(lane, now_ns));
    }
    count_unanswered(lane);
    return VAULT_OK;
}

static VT_RESULT lane_open(struct lane *lane)
{
    lane->epoll = epoll_create1(EPOLL_CLOEXEC);
    VT_ENSURE(lane->epoll >= 0, VAULT_E_IO);
    for (uint32_t i = 0; i < lane->link_count; i++) VT_TRY(link_open(lane, &lane->links[i]));
    return VAULT_OK;
}

static void *lane_main(void *argument)
{
    struct lane *lane = argument;
    struct run *run = lane->run;
    lane->status = lane_open(lane);
    if (lane->status != VAULT_OK) __atomic_store_n(&run->has_failed, true, __ATOMIC_RELAXED);
    pthread_barrier_wait(&run->barrier);        /* all are connected, or somebody failed */
    pthread_barrier_wait(&run->barrier);        /* the window is set */
    if (!load_flag(&run->has_failed)) {
        lane->next_due_ns = (double)vt_monotonic_ns();
        lane->status = lane_loop(lane);
        if (lane->status != VAULT_OK) __atomic_store_n(&run->has_failed, true, __ATOMIC_RELAXED);
    }
    __atomic_fetch_sub(&run->lanes_running, 1, __ATOMIC_RELAXED);
    return NULL;
}

/* ---- the run ---- */

struct look {
    uint64_t own_cpu_ns, server_cpu_ns, answered;
};

static VT_RESULT look_now(const struct run *run, struct look *out_look)
{
    struct look look = {.own_cpu_ns = bench_own_cpu_ns()};
    look.answered = __atomic_load_n(&run->answered, __ATOMIC_RELAXED);
    if (run->server->pid != 0) VT_TRY(bench_proc_cpu(run->server->pid, &look.server_cpu_ns));
    *out_look = look;
    return VAULT_OK;
}

static void wait_until(struct run *run, uint64_t until_ns)
{
    uint64_t shown_ns = vt_monotonic_ns(), shown = 0, now_ns;
    while ((now_ns = vt_monotonic_ns()) < until_ns && __atomic_load_n(&run->lanes_running, __ATOMIC_RELAXED) != 0) {
        nanosleep(&(struct timespec){.tv_nsec = (long)VT_MIN(until_ns - now_ns, 10 * MS)}, NULL);
        if (!run->phase->show_progress || now_ns - shown_ns < 1000 * MS) continue;
        const uint64_t answered = __atomic_load_n(&run->answered, __ATOMIC_RELAXED);
        fprintf(stderr, "\r%llu calls answered, %llu/s   ", (unsigned long long)answered,
                (unsigned long long)((answered - shown) * 1000 * MS / (now_ns - shown_ns)));
        shown = answered;
        shown_ns = now_ns;
    }
}

static VT_RESULT observe(struct run *run, struct bench_result *result, struct vt_err *err)
{
    struct look before, after;
    const long pid = run->server->pid;
    wait_until(run, run->from_ns);
    vault_status status = look_now(run, &before);
    wait_until(run, run->to_ns);
    if (status == VAULT_OK) status = look_now(run, &after);
    if (status == VAULT_OK && pid != 0)
        status = bench_proc_memory(pid, &result->server_rss_kib, &result->server_anon_kib);
    if (run->phase->show_progress) fprintf(stderr, "\r%40s\r", "");
    if (status != VAULT_OK) return vt_fail(err, status, "server-pid", "There is no process %ld to look at.", pid);
    result->client_cpu_ns = after.own_cpu_ns - before.own_cpu_ns;
    result->server_cpu_ns = after.server_cpu_ns - before.server_cpu_ns;
    result->server_calls = after.answered - before.answered;
    return VAULT_OK;
}

static void merge_lane(const struct lane *lane, struct bench_result *result)
{
    for (uint32_t i = 0; i < BENCH_MAX_OPS; i++) {
        struct bench_op_result *to = &result->ops[i];
        const struct bench_op_result *from = &lane->ops[i];
        to->calls += from->calls;
        to->items += from->items;
        to->failed_items += from->failed_items;
        if (to->error[0] == '\0') memcpy(to->error, from->error, sizeof to->error);
        vt_histogram_merge(&to->latency_ns, &from->latency_ns);
    }
    result->unanswered += lane->unanswered;
}

static VT_RESULT lanes_start(struct run *run, struct lane *lanes, uint32_t *out_started)
{
    const struct bench_phase *phase = run->phase;
    for (uint32_t i = 0; i < phase->threads; i++) {
        struct lane *lane = &lanes[i];
        lane->run = run;
        lane->epoll = -1;
        lane->scratch = VT_POOL_INIT(BENCH_SCRATCH_MAX);
        lane->random.state = (phase->seed + 1) * UINT64_C(0x9e3779b97f4a7c15) + i;
        lane->mean_gap_ns = phase->rate > 0 ? 1e9 * phase->threads / phase->rate : 0;
        lane->link_count = phase->connections / phase->threads + (i < phase->connections % phase->threads);
        lane->links = calloc(lane->link_count, sizeof *lane->links);
        lane->ops = calloc(BENCH_MAX_OPS, sizeof *lane->ops);
        VT_ENSURE(lane->links != NULL && lane->ops != NULL, VAULT_E_MEMORY);
    }
    for (uint32_t i = 0; i < phase->threads; i++) {
        /* With a thread short the barrier would never open: the machine that cannot make a few is not worth measuring. */
        VT_BUG_ON(pthread_create(&lanes[i].thread, NULL, lane_main, &lanes[i]) != 0);
        ++*out_started;
    }
    return VAULT_OK;
}

static void lane_release(struct lane *lane)
{
    for (uint32_t i = 0; lane->links != NULL && i < lane->link_count; i++) link_release(&lane->links[i]);
    if (lane->epoll >= 0) close(lane->epoll);
    vt_pool_release(&lane->scratch);
    free(lane->links);
    free(lane->ops);
}

static vault_status lanes_finish(struct run *run, struct lane *lanes, struct bench_result *result, struct vt_err *err)
{
    vault_status status = VAULT_OK;
    uint64_t last_ns = run->from_ns;
    for (uint32_t i = 0; i < run->phase->threads; i++) {
        pthread_join(lanes[i].thread, NULL);
        merge_lane(&lanes[i], result);
        last_ns = VT_MAX(last_ns, lanes[i].last_answer_ns);
        if (lanes[i].status == VAULT_OK || status != VAULT_OK) continue;
        status = lanes[i].status;
        if (err != NULL) *err = lanes[i].err;
    }
    result->window_ns = (run->phase->calls != 0 ? VT_MIN(last_ns, run->to_ns) : run->to_ns) - run->from_ns;
    return status;
}

VT_RESULT bench_load_run(const struct bench_server *server, struct bench_world *world, const struct bench_phase *phase,
                         struct bench_result *out_result, struct vt_err *err)
{
    struct run run = {.server = server, .world = world, .phase = phase, .lanes_running = phase->threads};
    struct lane *lanes = calloc(phase->threads, sizeof *lanes);
    uint32_t started = 0;
    VT_ENSURE(lanes != NULL, VAULT_E_MEMORY);
    pthread_barrier_init(&run.barrier, NULL, phase->threads + 1);

    vault_status status = lanes_start(&run, lanes, &started);
    if (started == phase->threads) {
        pthread_barrier_wait(&run.barrier);
        run.from_ns = vt_monotonic_ns() + phase->warmup_ns;
        run.to_ns = run.from_ns + phase->measure_ns;
        pthread_barrier_wait(&run.barrier);
        struct vt_err seen = {0};
        const vault_status observed = observe(&run, out_result, &seen);
        status = lanes_finish(&run, lanes, out_result, err);
        if (status == VAULT_OK && observed != VAULT_OK) {
            status = observed;
            if (err != NULL) *err = seen;
        }
    }
    for (uint32_t i = 0; i < phase->threads; i++) lane_release(&lanes[i]);
    pthread_barrier_destroy(&run.barrier);
    free(lanes);
    return status;
}
