#include "vaultd/server/committer.h"

#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/base/thread.h"
#include "vaultd/core/subject/change.h"

struct vt_committer {
    struct vt_committer_options options;
    struct vt_thread thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct vt_list queue;
    size_t queued;
    bool is_stopping;
};

static bool item_may_pass(const struct vt_commit_item *item)
{
    return item->exclusive != NULL || item->is_unaudited;
}

static VT_RESULT queue_push(struct vt_committer *committer, struct vt_commit_item *item)
{
    VT_ENSURE(!committer->is_stopping, VAULT_E_SHUTDOWN);
    VT_ENSURE(committer->queued < committer->options.queue_max || item_may_pass(item), VAULT_E_BUSY);
    vt_list_push_back(&committer->queue, &item->link);
    if (committer->queued++ == 0) pthread_cond_signal(&committer->wake);
    return VAULT_OK;
}

vault_status vt_committer_submit(void *context, struct vt_commit_item *item)
{
    struct vt_committer *committer = context;
    pthread_mutex_lock(&committer->mutex);
    const vault_status status = queue_push(committer, item);
    pthread_mutex_unlock(&committer->mutex);
    return status;
}

void vt_committer_submit_all(struct vt_committer *committer, struct vt_list *items)
{
    pthread_mutex_lock(&committer->mutex);
    while (!vt_list_is_empty(items)) {
        struct vt_list *link = vt_list_pop_front(items);
        if (queue_push(committer, VT_CONTAINER_OF(link, struct vt_commit_item, link)) == VAULT_OK) continue;
        vt_list_push_back(items->next, link);           /* in front again: the list's first goes behind it */
        break;
    }
    pthread_mutex_unlock(&committer->mutex);
}

static size_t item_weight(const struct vt_commit_item *item)
{
    return item->change != NULL ? vt_change_tree_count(item->change) : 0;
}

/* Everything up to the limits; an epoch's step goes alone, so that what stands before it is answered before it runs. */
size_t vt_committer_take(const struct vt_committer_options *options, struct vt_list *queue, struct vt_list *batch)
{
    size_t taken = 0, weight = 0;
    while (taken < options->batch_max && !vt_list_is_empty(queue)) {
        struct vt_commit_item *first = VT_CONTAINER_OF(queue->next, struct vt_commit_item, link);
        weight += item_weight(first);
        if (taken != 0 && (first->exclusive != NULL || weight > options->tree_max)) break;
        vt_list_push_back(batch, vt_list_pop_front(queue));
        taken++;
        if (first->exclusive != NULL) break;
    }
    return taken;
}

static void committer_run(void *context)
{
    struct vt_committer *committer = context;
    struct vt_list batch;
    vt_list_init(&batch);
    pthread_mutex_lock(&committer->mutex);
    while (committer->queued != 0 || !committer->is_stopping) {
        if (committer->queued == 0) {
            pthread_cond_wait(&committer->wake, &committer->mutex);
            continue;
        }
        committer->queued -= vt_committer_take(&committer->options, &committer->queue, &batch);
        pthread_mutex_unlock(&committer->mutex);
        vt_vault_commit_batch(committer->options.vault, &batch);
        if (committer->options.after_batch != NULL) committer->options.after_batch(committer->options.context);
        pthread_mutex_lock(&committer->mutex);
    }
    pthread_mutex_unlock(&committer->mutex);
}

static void committer_free(struct vt_committer *committer)
{
    pthread_cond_destroy(&committer->wake);
    pthread_mutex_destroy(&committer->mutex);
    free(committer);
}

VT_RESULT vt_committer_start(const struct vt_committer_options *options, struct vt_committer **out_committer)
{
    struct vt_committer *committer = vt_calloc(1, sizeof *committer);
    VT_ENSURE(committer != NULL, VAULT_E_MEMORY);
    committer->options = *options;
    vt_list_init(&committer->queue);
    pthread_mutex_init(&committer->mutex, NULL);
    pthread_cond_init(&committer->wake, NULL);
    const vault_status status = vt_thread_start(&committer->thread, "vault-commit", committer_run, committer);
    if (status != VAULT_OK) {
        committer_free(committer);
        return status;
    }
    *out_committer = committer;
    return VAULT_OK;
}

void vt_committer_stop(struct vt_committer *committer)
{
    if (committer == NULL) return;
    pthread_mutex_lock(&committer->mutex);
    committer->is_stopping = true;
    pthread_cond_signal(&committer->wake);
    pthread_mutex_unlock(&committer->mutex);
    vt_thread_join(&committer->thread);
    committer_free(committer);
}
