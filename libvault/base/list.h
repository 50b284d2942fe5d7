/* libvault/base/list.h - an intrusive doubly linked list. Thread: one owner at a time. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct vt_list {
    struct vt_list *prev, *next;
};

static inline void vt_list_init(struct vt_list *head)
{
    head->prev = head->next = head;
}
static inline bool vt_list_is_empty(const struct vt_list *head)
{
    return head->next == head;
}
static inline void vt_list_push_back(struct vt_list *head, struct vt_list *item)
{
    item->prev = head->prev;
    item->next = head;
    head->prev->next = item;
    head->prev = item;
}
static inline void vt_list_remove(struct vt_list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    item->prev = item->next = item;
}
static inline struct vt_list *vt_list_pop_front(struct vt_list *head)
{
    if (vt_list_is_empty(head)) return NULL;
    struct vt_list *first = head->next;
    vt_list_remove(first);
    return first;
}
/** The struct that holds @p item as its member. */
#define VT_CONTAINER_OF(item, type, member) ((type *)(void *)((char *)(item) - offsetof(type, member)))
