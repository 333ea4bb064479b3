/* SPDX-License-Identifier: MIT */
/* list.h: circular doubly linked lists inside structs. No locking of their own. */
#ifndef DS_BASE_LIST_H
#define DS_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

/* A node, or a list's head. A node on no list has next == NULL. */
struct ds_list {
	struct ds_list *next;
	struct ds_list *prev;
};

static inline void ds_list_init(struct ds_list *head)
{
	head->next = head;
	head->prev = head;
}

static inline bool ds_list_is_empty(const struct ds_list *head)
{
	return head->next == head;
}

static inline bool ds_list_is_linked(const struct ds_list *node)
{
	return node->next != NULL;
}

static inline void ds_list_insert(struct ds_list *node, struct ds_list *prev, struct ds_list *next)
{
	node->prev = prev;
	node->next = next;
	prev->next = node;
	next->prev = node;
}

static inline void ds_list_push_back(struct ds_list *head, struct ds_list *node)
{
	ds_list_insert(node, head->prev, head);
}

static inline void ds_list_push_front(struct ds_list *head, struct ds_list *node)
{
	ds_list_insert(node, head, head->next);
}

static inline void ds_list_remove(struct ds_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = NULL;
	node->prev = NULL;
}

static inline struct ds_list *ds_list_pop_front(struct ds_list *head)
{
	struct ds_list *node = head->next;

	if (node == head)
		return NULL;
	ds_list_remove(node);
	return node;
}

#define ds_list_entry(node, type, member) ds_container_of(node, type, member)

#endif /* DS_BASE_LIST_H */
