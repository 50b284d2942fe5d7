/* One network thread: its loop, the calls that come back to it, what it hands over once per turn. */
#include <stdio.h>
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/base/log.h"
#include "vaultd/server/server_internal.h"

static struct vt_call *call_of(struct vt_list *link)
{
    return (struct vt_call *)VT_CONTAINER_OF(link, struct vt_commit_item, link);
}

static void list_splice(struct vt_list *to, struct vt_list *from)
{
    for (struct vt_list *link; (link = vt_list_pop_front(from)) != NULL;) vt_list_push_back(to, link);
}

void loop_wake(struct loop *loop)
{
    /* Under the mutex: a loop that ends takes it once more before it closes the handle. */
    pthread_mutex_lock(&loop->inbox_mutex);
    uv_async_send(&loop->wake);
    pthread_mutex_unlock(&loop->inbox_mutex);
}

void loop_take_committed(struct loop *loop)
{
    if (vt_list_is_empty(&loop->committed)) return;
    pthread_mutex_lock(&loop->inbox_mutex);
    list_splice(&loop->inbox_committed, &loop->committed);
    uv_async_send(&loop->wake);
    pthread_mutex_unlock(&loop->inbox_mutex);
}

void loop_give_finished(struct loop *loop, struct vt_call *call)
{
    pthread_mutex_lock(&loop->inbox_mutex);
    vt_list_push_back(&loop->inbox_finished, &call->item.link);
    uv_async_send(&loop->wake);
    pthread_mutex_unlock(&loop->inbox_mutex);
}

static void close_listeners(struct loop *loop)
{
    if (loop->is_listening) uv_close((uv_handle_t *)&loop->tcp_listener, NULL);
    if (loop->has_local) uv_close((uv_handle_t *)&loop->local_listener, NULL);
    loop->is_listening = loop->has_local = false;
}

static void drain_begin(struct loop *loop)
{
    loop->is_draining = true;
    loop->drain_until_ms = uv_now(&loop->uv) + (uint64_t)loop->server->options.drain_timeout_ms;
    close_listeners(loop);
    for (struct vt_list *link = loop->conns.next, *next; link != &loop->conns; link = next) {
        next = link->next;
        struct conn *conn = VT_CONTAINER_OF(link, struct conn, link);
        if (conn->calls == 0) conn_end(conn);
    }
}

static void drain_end_if_empty(struct loop *loop)
{
    if (!loop->is_draining || !vt_list_is_empty(&loop->conns) || uv_is_closing((uv_handle_t *)&loop->wake)) return;
    pthread_mutex_lock(&loop->inbox_mutex);         /* whoever sent the last answer has left the handle alone by now */
    pthread_mutex_unlock(&loop->inbox_mutex);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->flush, NULL);
    uv_close((uv_handle_t *)&loop->tick, NULL);
}

static void on_wake(uv_async_t *wake)
{
    struct loop *loop = wake->data;
    struct vt_list committed, finished;
    vt_list_init(&committed);
    vt_list_init(&finished);
    pthread_mutex_lock(&loop->inbox_mutex);
    list_splice(&committed, &loop->inbox_committed);
    list_splice(&finished, &loop->inbox_finished);
    pthread_mutex_unlock(&loop->inbox_mutex);
    for (struct vt_list *link; (link = vt_list_pop_front(&committed)) != NULL;) conn_call_committed(call_of(link));
    for (struct vt_list *link; (link = vt_list_pop_front(&finished)) != NULL;) conn_call_finished(call_of(link));
    if (!loop->is_draining && atomic_load(&loop->server->is_draining)) drain_begin(loop);
}

static void submit_gathered(struct loop *loop)
{
    if (vt_list_is_empty(&loop->to_commit)) return;
    vt_committer_submit_all(loop->server->committer, &loop->to_commit);
    for (struct vt_list *link; (link = vt_list_pop_front(&loop->to_commit)) != NULL;)
        conn_refuse(call_of(link), VAULT_E_BUSY);
}

/* Right before the loop waits: everything this turn has gathered goes out at once. Sending may let a connection take further
 * frames, so it goes on until nothing is left. */
static void on_flush(uv_prepare_t *flush)
{
    struct loop *loop = flush->data;
    while (!vt_list_is_empty(&loop->to_commit) || !vt_list_is_empty(&loop->dirty)) {
        submit_gathered(loop);
        struct vt_list *link = vt_list_pop_front(&loop->dirty);
        if (link != NULL) conn_flush(VT_CONTAINER_OF(link, struct conn, dirty_link));
    }
    drain_end_if_empty(loop);
}

static void accept_owed(struct loop *loop)
{
    const bool owes_tcp = loop->owes_tcp && loop->is_listening, owes_local = loop->owes_local && loop->has_local;
    loop->owes_tcp = loop->owes_local = false;
    if (owes_tcp) conn_accept_tcp((uv_stream_t *)&loop->tcp_listener, 0);
    if (owes_local) conn_accept_local((uv_stream_t *)&loop->local_listener, 0);
}

static void on_tick(uv_timer_t *tick)
{
    struct loop *loop = tick->data;
    accept_owed(loop);
    const bool is_late = loop->is_draining && uv_now(&loop->uv) >= loop->drain_until_ms;
    for (struct vt_list *link = loop->conns.next, *next; link != &loop->conns; link = next) {
        next = link->next;
        struct conn *conn = VT_CONTAINER_OF(link, struct conn, link);
        if (is_late && !conn->is_closed) {
            atomic_store(&loop->server->was_cut_off, true);
            conn_close(conn);
        } else {
            conn_tick(conn);
        }
    }
}

static void loop_run(void *context)
{
    struct loop *loop = context;
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

VT_RESULT loop_new(struct vt_server *server, unsigned index, struct loop **out_loop)
{
    struct loop *loop = vt_calloc(1, sizeof *loop);
    VT_ENSURE(loop != NULL, VAULT_E_MEMORY);
    if (uv_loop_init(&loop->uv) != 0) {
        free(loop);
        return VAULT_E_MEMORY;
    }
    loop->server = server;
    loop->index = index;
    pthread_mutex_init(&loop->inbox_mutex, NULL);
    struct vt_list *const lists[] = {&loop->conns,     &loop->dirty,           &loop->to_commit,
                                     &loop->committed, &loop->inbox_committed, &loop->inbox_finished};
    for (size_t i = 0; i < VT_ARRAY_LEN(lists); i++) vt_list_init(lists[i]);
    loop->wake.data = loop->flush.data = loop->tick.data = loop;
    VT_BUG_ON(uv_async_init(&loop->uv, &loop->wake, on_wake) != 0);
    VT_BUG_ON(uv_prepare_init(&loop->uv, &loop->flush) != 0 || uv_prepare_start(&loop->flush, on_flush) != 0);
    VT_BUG_ON(uv_timer_init(&loop->uv, &loop->tick) != 0 || uv_timer_start(&loop->tick, on_tick, TICK_MS, TICK_MS) != 0);
    *out_loop = loop;
    return VAULT_OK;
}

VT_RESULT loop_start(struct loop *loop)
{
    char name[16];
    snprintf(name, sizeof name, "vault-net-%u", loop->index);
    return vt_thread_start(&loop->thread, name, loop_run, loop);
}

/* The committer may still touch its list of a loop whose thread has ended, so memory goes after it. */
void loop_free(struct loop *loop)
{
    if (!uv_is_closing((uv_handle_t *)&loop->wake)) {        /* never ran: close what it holds here */
        loop->is_draining = true;
        close_listeners(loop);
        drain_end_if_empty(loop);
        uv_run(&loop->uv, UV_RUN_DEFAULT);
    }
    VT_BUG_ON(uv_loop_close(&loop->uv) != 0);
    pthread_mutex_destroy(&loop->inbox_mutex);
    free(loop);
}
