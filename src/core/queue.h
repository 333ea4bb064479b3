/* SPDX-License-Identifier: MIT */
/*
 * queue.h: a queue's slots, pending list and completion list.
 *
 *	queue.c	      create, destroy
 *	enqueue.c     requests in, submit
 *	completion.c  ends out: the completion list, waiting
 *	cancel.c      the six ways to cancel
 */
#ifndef DS_CORE_QUEUE_H
#define DS_CORE_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/backend_priv.h"
#include "core/marker.h"
#include "core/request.h"

#define DS_QUEUE_DEFAULT_CAPACITY 1024
#define DS_QUEUE_MAX_CAPACITY	  (1u << 20)
#define DS_NO_WAKE		  UINT32_MAX

struct ds_queue {
	struct ds_backend *be;
	struct ds_list link; /* in be->queues */
	uint32_t flags;
	uint32_t capacity;
	int32_t priority;
	char name[64];
	struct ds_slot *slots;
	struct ds_counters counters;
	struct ds_markers markers;

	pthread_mutex_t lock; /* guards down to `taker` */
	pthread_cond_t space; /* a slot or a marker's place was given back */
	struct ds_slot *free;
	uint32_t nr_free;
	uint32_t nr_space_waiters;
	struct ds_list pending;
	uint32_t nr_pending; /* requests and markers enqueued since the last submit */
	bool is_closing;
	bool has_taker;	 /* somebody has taken results: */
	bool has_takers; /* two threads have */
	pthread_t taker;

	/*
	 * The completion list: a stack that any thread pushes on, and behind it a list
	 * in order that takers fill from it under take_lock.
	 */
	_Atomic(struct ds_slot *) done;
	pthread_mutex_t take_lock; /* guards the next two, and resetting event_fd */
	struct ds_slot *taken_first;
	struct ds_slot *taken_last;
	atomic_uint nr_done; /* results to be taken */
	atomic_int event_fd; /* -1: not asked for */
	atomic_bool is_event_set;

	atomic_uint in_flight; /* submitted, not published */
	atomic_uint unended;   /* enqueued, not published */
	/*
	 * Holds of slots that are out, plus one while the queue is open. At zero
	 * nothing of the runtime refers to the queue any more.
	 */
	atomic_uint live;

	pthread_mutex_t wait_lock; /* guards nr_waiters and is_gone; serialises the next */
	pthread_cond_t changed;
	uint32_t nr_waiters;
	bool is_gone;
	/* Waiters sleep until nr_done reaches this; DS_NO_WAKE: nobody sleeps. 0: for anything. */
	atomic_uint wake_at;
};

/* Slots given back, for ds_queue_free_slots(); linked by `next`. */
struct ds_slot_chain {
	struct ds_slot *first;
	uint32_t nr;
};

/* Drops a hold; adds the slot to the chain when it was the last. */
void ds_slot_put_to(struct ds_slot *s, struct ds_slot_chain *chain);
/* Gives a chain back to its queue. No lock held. */
void ds_queue_free_slots(struct ds_queue *q, struct ds_slot_chain *chain);
/* Drops `n` of q->live. The queue may be gone afterwards. */
void ds_queue_drop_live(struct ds_queue *q, uint32_t n);

/* Makes an ended request's result visible, and wakes who waits. Drops the publisher's hold. */
void ds_queue_publish(struct ds_slot *s);
/* Between these two, on one thread, requests are published some at a time. */
void ds_publish_batch_begin(void);
void ds_publish_batch_end(void);
/* Wakes everybody who waits on the queue. */
void ds_queue_wake_all(struct ds_queue *q);
/* Wakes enqueuers when markers have fired. */
void ds_queue_space_freed(struct ds_queue *q);
/*
 * Sleeps until is_over(q, arg) or the deadline. wake_at: 0 to look again whenever a request is
 * published, or the number of results that has to be there first. Returns is_over().
 */
bool ds_queue_sleep(struct ds_queue *q, bool (*is_over)(struct ds_queue *, const void *),
		    const void *arg, uint32_t wake_at, uint64_t deadline_ns);

/* Strong cancel of all whose tag matches and whose state is at most `last`; returns how many. */
uint32_t ds_queue_cancel_matching(struct ds_queue *q, uint64_t mask, uint64_t tag,
				  enum ds_state last, uint32_t reason);
/* For the timer: cancels what is over at now_ns; returns the earliest deadline that is left. */
uint64_t ds_queue_expire(struct ds_queue *q, uint64_t now_ns);

#endif /* DS_CORE_QUEUE_H */
