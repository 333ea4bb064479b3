/* SPDX-License-Identifier: MIT */
/*
 * request.h: one request in its slot, and the atomic word that decides its life.
 *
 *	PENDING -> SUBMITTED -> RUNNING -> COMPLETE | FAILED
 *	   |           |           |
 *	   v           v           v
 *	CANCELLED  CANCELLED   CANCELLING -> CANCELLED
 *
 * The word holds the generation (so that a stale id fails), the number of operations
 * that may touch the caller's memory just now, the reason of a cancel, and the state. Every move is one
 * compare-exchange of the whole word, so two events that race have one winner:
 *
 *  - an operation begins to touch memory only in RUNNING, and is counted;
 *  - a cancel of a RUNNING request nobody touches ends it at once; else it becomes
 *    CANCELLING, which nothing but the last toucher's leaving ends;
 *  - the pipeline ends it COMPLETE or FAILED only from RUNNING with no toucher.
 *
 * Whoever makes the move into an end state, and only it, calls ds_request_ended().
 */
#ifndef DS_CORE_REQUEST_H
#define DS_CORE_REQUEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "core/codec.h"
#include "core/device.h"
#include "ds_runtime.h"

/* The public DS_STATUS_* numbers, and two that the public does not see. */
enum ds_state {
	DS_STATE_FREE = 0,
	DS_STATE_PENDING = DS_STATUS_PENDING,
	DS_STATE_SUBMITTED = DS_STATUS_SUBMITTED,
	DS_STATE_RUNNING = DS_STATUS_RUNNING,
	DS_STATE_COMPLETE = DS_STATUS_COMPLETE,
	DS_STATE_FAILED = DS_STATUS_FAILED,
	DS_STATE_CANCELLED = DS_STATUS_CANCELLED,
	DS_STATE_CANCELLING = 7,
};

#define DS_WORD_TOUCH_ONE	   UINT64_C(0x100)
#define DS_WORD_TOUCH_MASK	   UINT64_C(0xffffff00)
#define DS_WORD_STATE(word)	   ((enum ds_state)((word)&0xf))
#define DS_WORD_REASON(word)	   ((uint32_t)((word) >> 4 & 0xf))
#define DS_WORD_GENERATION(word)   ((uint32_t)((word) >> 32))
#define DS_WORD(generation, state) ((uint64_t)(generation) << 32 | (uint64_t)(state))

struct ds_queue;
struct ds_stream;

/* Where the descriptor of a request's file range comes from; constant once enqueued. */
struct ds_io_target {
	struct ds_file *file; /* NULL: a bare descriptor */
	int fd;		      /* through the page cache */
	int direct_fd;	      /* with O_DIRECT, or -1 */
	int32_t slot;	      /* registered with the engine, or negative */
	int32_t direct_slot;
	bool finds_cached; /* direct reads go through the page cache where that has the range */
	uint32_t memory_alignment;
	uint32_t offset_alignment;
};

/*
 * A request in its slot of a queue's table.
 *
 * Written by the enqueuing thread until it is submitted; constant afterwards but
 * for the parts that say who guards them. Lives as long as its queue; holds
 * (`holds`) decide when the slot may be used again: one of the pipeline, until no
 * operation refers to it; one of whoever publishes its end; one of the completion list.
 */
struct ds_slot {
	_Atomic uint64_t word;
	atomic_uint holds;
	struct ds_queue *queue;
	uint32_t index;
	uint32_t segment; /* between which markers; see marker.c */

	/* The request. */
	const void *source_memory;   /* of a memory source */
	uint64_t file_offset;	     /* of the file side */
	struct ds_io_target io;	     /* of the file side; fd -1 when there is none */
	struct ds_target target;     /* the memory side, unless that is source_memory */
	struct ds_device_op *finish; /* for targets that need it */
	const struct ds_codec *codec;
	uint64_t nbytes;	/* taken from the source */
	uint64_t result_nbytes; /* arrive at the destination */
	bool is_write;
	bool always_stage;
	uint8_t level;	      /* priority as an index, 0 low to 3 realtime */
	_Atomic uint64_t tag; /* read by cancels that may look at a slot of another life */
	uint64_t timeout_ns;
	ds_completion_callback callback;
	void *user_data;
	const char *name;
	_Atomic uint64_t deadline_ns; /* 0: none. Written at submit, read by the timer */

	/* Lists. */
	struct ds_list link;  /* queue's pending list (queue lock) or scheduler (pipeline lock) */
	bool is_in_pending;   /* guarded by the queue's lock */
	bool is_scheduled;    /* on a level's list; guarded by the pipeline's lock */
	struct ds_slot *next; /* completion list, free list or service list */

	/* Progress; guarded by the pipeline's lock. */
	uint64_t issued; /* bytes of the source that operations were made for */
	uint32_t next_unit;
	uint32_t nr_units;
	uint32_t nr_windows; /* in flight */
	bool is_planned;     /* a windowed stream: its head was read and checked */
	bool is_parked;	     /* off the scheduler's list until a window ends */
	bool was_late;	     /* a worker was to read it, but could not */
	bool is_finishing;   /* the device runs `finish`; written by who drops the last work */
	struct ds_stream *stream;

	/* Outstanding work: 1 for the scheduler, 1 for each operation and window. */
	atomic_uint work;
	_Atomic uint64_t bytes_read;
	_Atomic uint64_t bytes_delivered;
	_Atomic uint64_t bytes_direct;	       /* of bytes_read, by O_DIRECT */
	_Atomic uint64_t bytes_peer;	       /* of bytes_read, straight to a device */
	_Atomic uint64_t bytes_device_decoded; /* of bytes_delivered, decoded by the device */
	_Atomic uint64_t bytes_driver_decoded; /* of these, with no checks at all */
	atomic_bool is_staged;
	atomic_int error; /* ds_result of the first failure; its winner writes the next fields */
	int failed_errno;
	uint32_t failed_operation;
	int failed_fd;
	uint64_t failed_offset;
	uint64_t failed_nbytes;

	uint64_t enqueue_ns;
	_Atomic uint64_t submit_ns;
	_Atomic uint64_t start_ns;

	/* Written by who ended it, before is_published. */
	struct ds_completion completion;
	atomic_bool is_published;
};

static inline uint64_t ds_slot_id(const struct ds_slot *s, uint64_t word)
{
	return (word & ~UINT64_C(0xffffffff)) | s->index;
}

/* PENDING -> SUBMITTED or SUBMITTED -> RUNNING. False: it was cancelled meanwhile. */
static inline bool ds_slot_advance(struct ds_slot *s, enum ds_state from, enum ds_state to)
{
	uint64_t w = atomic_load_explicit(&s->word, memory_order_relaxed);

	if (DS_WORD_STATE(w) != from)
		return false;
	return atomic_compare_exchange_strong_explicit(&s->word, &w,
						       DS_WORD(DS_WORD_GENERATION(w), to),
						       memory_order_acq_rel, memory_order_relaxed);
}

/* True: the caller may touch the request's memory until ds_slot_touch_end(). */
static inline bool ds_slot_touch_begin(struct ds_slot *s)
{
	uint64_t w = atomic_load_explicit(&s->word, memory_order_relaxed);

	do {
		if (DS_WORD_STATE(w) != DS_STATE_RUNNING)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&s->word, &w, w + DS_WORD_TOUCH_ONE, memory_order_acq_rel, memory_order_relaxed));
	return true;
}

/* True: this was the last toucher of a CANCELLING request, which is now CANCELLED. */
static inline bool ds_slot_touch_end(struct ds_slot *s)
{
	uint64_t w = atomic_load_explicit(&s->word, memory_order_relaxed);
	uint64_t to;

	do {
		to = w - DS_WORD_TOUCH_ONE;
		if (DS_WORD_STATE(to) == DS_STATE_CANCELLING && !(to & DS_WORD_TOUCH_MASK))
			to = (to & ~UINT64_C(0xf)) | DS_STATE_CANCELLED;
	} while (!atomic_compare_exchange_weak_explicit(&s->word, &w, to, memory_order_acq_rel,
							memory_order_relaxed));
	return DS_WORD_STATE(to) == DS_STATE_CANCELLED && DS_WORD_STATE(w) == DS_STATE_CANCELLING;
}

/* RUNNING without touchers -> COMPLETE or FAILED. False: a cancel was first. */
static inline bool ds_slot_finish(struct ds_slot *s, enum ds_state to)
{
	uint64_t w = atomic_load_explicit(&s->word, memory_order_relaxed);

	if (DS_WORD_STATE(w) != DS_STATE_RUNNING)
		return false;
	return atomic_compare_exchange_strong_explicit(&s->word, &w,
						       DS_WORD(DS_WORD_GENERATION(w), to),
						       memory_order_acq_rel, memory_order_relaxed);
}

enum ds_cancel_outcome {
	DS_CANCEL_NOT_FOUND,	 /* no such request, or it had ended, or is beyond `last` */
	DS_CANCEL_ENDED_PENDING, /* this call ended it, before it was submitted */
	DS_CANCEL_ENDED,	 /* this call ended it */
	DS_CANCEL_WANTED,	 /* this call decided; the last toucher ends it */
	DS_CANCEL_BY_OTHER,	 /* an earlier cancel decided; the last toucher ends it */
};

/*
 * Decides the race of a cancel against everything else. Only requests whose state is at
 * most `last` are cancelled.
 */
static inline enum ds_cancel_outcome ds_slot_cancel(struct ds_slot *s, uint32_t generation,
						    uint32_t reason, enum ds_state last)
{
	uint64_t w = atomic_load_explicit(&s->word, memory_order_acquire);
	enum ds_state from;
	uint64_t to;

	do {
		from = DS_WORD_STATE(w);
		if (DS_WORD_GENERATION(w) != generation || from == DS_STATE_FREE)
			return DS_CANCEL_NOT_FOUND;
		if (from == DS_STATE_CANCELLING)
			return DS_CANCEL_BY_OTHER;
		if (from > last)
			return DS_CANCEL_NOT_FOUND;
		to = (w & ~UINT64_C(0xff)) | reason << 4 |
		     (w & DS_WORD_TOUCH_MASK ? DS_STATE_CANCELLING : DS_STATE_CANCELLED);
	} while (!atomic_compare_exchange_weak_explicit(&s->word, &w, to, memory_order_acq_rel,
							memory_order_acquire));
	if (DS_WORD_STATE(to) == DS_STATE_CANCELLING)
		return DS_CANCEL_WANTED;
	return from == DS_STATE_PENDING ? DS_CANCEL_ENDED_PENDING : DS_CANCEL_ENDED;
}

/* Whether work for this request still makes sense. */
static inline bool ds_slot_is_wanted(struct ds_slot *s)
{
	return DS_WORD_STATE(atomic_load_explicit(&s->word, memory_order_acquire)) ==
		       DS_STATE_RUNNING &&
	       !atomic_load_explicit(&s->error, memory_order_relaxed);
}

/*
 * The same for bytes that only have to arrive: those before the end of the file do so
 * although the request fails with it.
 */
static inline bool ds_slot_wants_bytes(struct ds_slot *s)
{
	int error = atomic_load_explicit(&s->error, memory_order_relaxed);

	if (error == DS_ERR_END_OF_FILE && !s->codec)
		error = DS_OK;
	return DS_WORD_STATE(atomic_load_explicit(&s->word, memory_order_acquire)) ==
		       DS_STATE_RUNNING &&
	       !error;
}

/* Records the first failure; later ones are dropped. */
void ds_slot_fail(struct ds_slot *s, ds_result result, int sys_errno, uint32_t operation, int fd,
		  uint64_t offset, uint64_t nbytes);

/*
 * The request has just entered an end state by the caller's doing. Any thread, no lock
 * held. was_submitted: false only for one that was cancelled while PENDING.
 */
void ds_request_ended(struct ds_slot *s, bool was_submitted);

/* Drops one hold; the last one gives the slot back to its queue. No lock held. */
void ds_slot_put(struct ds_slot *s);

#endif /* DS_CORE_REQUEST_H */
