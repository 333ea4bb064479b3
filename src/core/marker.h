/* SPDX-License-Identifier: MIT */
/*
 * marker.h: markers in queue order.
 *
 * Markers cut a queue's requests into segments: a request belongs to the segment that is
 * open when it is enqueued, and a marker closes the open one. A segment counts its
 * requests that have not ended, plus one until its marker is submitted. When the oldest
 * segment's count is zero its marker fires; so a request pays one atomic decrement and
 * no marker is ever searched for.
 */
#ifndef DS_CORE_MARKER_H
#define DS_CORE_MARKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "ds_runtime.h"

enum ds_marker_kind {
	DS_MARKER_STATUS,
	DS_MARKER_SIGNAL,
	DS_MARKER_EVENT,
};

struct ds_marker {
	enum ds_marker_kind kind;
	int event_fd;		       /* EVENT; the marker's own */
	uint32_t index;		       /* STATUS */
	struct ds_status_array *array; /* STATUS; a reference */
	struct ds_fence *fence;	       /* SIGNAL; a reference */
	uint64_t value;
};

struct ds_segment {
	atomic_uint outstanding;
	atomic_int first_error;
	struct ds_marker marker; /* of a closed segment; written before its submit */
};

/* A ring of capacity + 1 segments. */
struct ds_markers {
	struct ds_segment *segments;
	uint32_t nr_segments;
	uint64_t open;	      /* sequence number of the open one; guarded by the queue's lock */
	uint64_t submitted;   /* all before it were submitted; guarded by the queue's lock */
	pthread_mutex_t lock; /* guards firing: `status_error`, and moving `head` */
	ds_result status_error;
	_Atomic uint64_t head; /* sequence number of the oldest that has not fired */
};

ds_result ds_markers_init(struct ds_markers *m, uint32_t capacity);
void ds_markers_fini(struct ds_markers *m);

/* Markers that have not fired. With the queue's lock. */
static inline uint32_t ds_markers_count(const struct ds_markers *m)
{
	return (uint32_t)(m->open - atomic_load_explicit(&m->head, memory_order_acquire));
}

/* A request joins the open segment; returns which. With the queue's lock. */
uint32_t ds_markers_join(struct ds_markers *m);

/* Closes the open segment with a marker. With the queue's lock; there is room. */
void ds_markers_close(struct ds_markers *m, const struct ds_marker *marker);

/* All closed segments count as submitted. With the queue's lock. True: call ds_markers_fire(). */
bool ds_markers_submit(struct ds_markers *m);

/* A request of this segment has ended. No lock held. True: markers have fired. */
bool ds_markers_leave(struct ds_markers *m, uint32_t segment, ds_result error);

/* Fires what is due. True: something was. */
bool ds_markers_fire(struct ds_markers *m);

/* Gives back what a marker that was never closed into a segment holds. */
void ds_marker_release(struct ds_marker *marker);

/* For markers. */
void ds_status_array_ref(struct ds_status_array *array);
bool ds_status_array_has(const struct ds_status_array *array, uint32_t index);
void ds_status_array_reset(struct ds_status_array *array, uint32_t index);
void ds_status_array_set(struct ds_status_array *array, uint32_t index, ds_result result);
void ds_fence_ref(struct ds_fence *fence);

#endif /* DS_CORE_MARKER_H */
