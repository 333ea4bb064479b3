/* SPDX-License-Identifier: MIT */
/* marker.c: see marker.h. */
#include "core/marker.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

ds_result ds_markers_init(struct ds_markers *m, uint32_t capacity)
{
	memset(m, 0, sizeof(*m));
	m->nr_segments = capacity + 1;
	m->segments = calloc(m->nr_segments, sizeof(*m->segments));
	if (!m->segments)
		return DS_ERR_NO_MEMORY;
	atomic_init(&m->segments[0].outstanding, 1);
	pthread_mutex_init(&m->lock, NULL);
	return DS_OK;
}

void ds_markers_fini(struct ds_markers *m)
{
	pthread_mutex_destroy(&m->lock);
	free(m->segments);
}

static struct ds_segment *segment(struct ds_markers *m, uint64_t sequence)
{
	return &m->segments[sequence % m->nr_segments];
}

uint32_t ds_markers_join(struct ds_markers *m)
{
	uint32_t index = (uint32_t)(m->open % m->nr_segments);

	atomic_fetch_add_explicit(&m->segments[index].outstanding, 1, memory_order_relaxed);
	return index;
}

void ds_markers_close(struct ds_markers *m, const struct ds_marker *marker)
{
	struct ds_segment *next = segment(m, m->open + 1);

	segment(m, m->open)->marker = *marker;
	atomic_store_explicit(&next->first_error, DS_OK, memory_order_relaxed);
	/* Pairs with the acquire in fire(): it stops at the open segment. */
	atomic_store_explicit(&next->outstanding, 1, memory_order_release);
	m->open++;
}

bool ds_markers_submit(struct ds_markers *m)
{
	bool is_due = false;

	for (; m->submitted != m->open; m->submitted++) {
		/* Pairs with the acquire in fire(): it sees the marker. */
		if (atomic_fetch_sub_explicit(&segment(m, m->submitted)->outstanding, 1,
					      memory_order_acq_rel) == 1)
			is_due = true;
	}
	return is_due;
}

bool ds_markers_leave(struct ds_markers *m, uint32_t index, ds_result error)
{
	struct ds_segment *seg = &m->segments[index];
	int expected = DS_OK;

	if (error)
		atomic_compare_exchange_strong_explicit(&seg->first_error, &expected, error,
							memory_order_relaxed, memory_order_relaxed);
	if (atomic_fetch_sub_explicit(&seg->outstanding, 1, memory_order_acq_rel) != 1)
		return false;
	return ds_markers_fire(m);
}

void ds_marker_release(struct ds_marker *marker)
{
	switch (marker->kind) {
	case DS_MARKER_STATUS:
		ds_status_array_destroy(marker->array);
		break;
	case DS_MARKER_SIGNAL:
		ds_fence_destroy(marker->fence);
		break;
	case DS_MARKER_EVENT:
		close(marker->event_fd);
		break;
	}
}

static void fire(struct ds_markers *m, struct ds_segment *seg)
{
	struct ds_marker *marker = &seg->marker;
	static const uint64_t one = 1;
	ssize_t ignored;

	if (!m->status_error)
		m->status_error = atomic_load_explicit(&seg->first_error, memory_order_relaxed);
	switch (marker->kind) {
	case DS_MARKER_STATUS:
		ds_status_array_set(marker->array, marker->index, m->status_error);
		m->status_error = DS_OK;
		break;
	case DS_MARKER_SIGNAL:
		ds_fence_signal(marker->fence, marker->value);
		break;
	case DS_MARKER_EVENT:
		/* Fails only when the counter is full, and then it is readable anyway. */
		ignored = write(marker->event_fd, &one, sizeof(one));
		(void)ignored;
		break;
	}
	ds_marker_release(marker);
}

bool ds_markers_fire(struct ds_markers *m)
{
	bool any = false;

	pthread_mutex_lock(&m->lock);
	for (;;) {
		uint64_t head = atomic_load_explicit(&m->head, memory_order_relaxed);
		struct ds_segment *seg = segment(m, head);

		if (atomic_load_explicit(&seg->outstanding, memory_order_acquire))
			break;
		fire(m, seg);
		atomic_store_explicit(&m->head, head + 1, memory_order_release);
		any = true;
	}
	pthread_mutex_unlock(&m->lock);
	return any;
}
