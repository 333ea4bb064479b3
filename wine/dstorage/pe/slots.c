/* SPDX-License-Identifier: MIT */
/*
 * slots.c: taking slots, the order of markers, and the ends of requests. See queue.h.
 *
 * All of it with the queue's lock, which guards every field; queue_fire() alone drops it.
 */
#include <string.h>

#include "core.h"
#include "file.h"
#include "gpu.h"
#include "log.h"
#include "queue.h"
#include "status_array.h"
#include "waits.h"

static struct segment *segment(struct queue *q, UINT64 number)
{
	return &q->segments[number % q->nr_segments];
}

/* ------------------------------------------------------------------- slots */

/* One slot always stays free. False: the queue was closed meanwhile. */
static bool wait_for_slot(struct queue *q)
{
	while (!q->is_closed && q->nr_used >= q->desc.Capacity - 1u) {
		/* Half a queue submits itself; this is for entries that came in between. */
		queue_submit(q);
		queue_fire(q);
		if (q->nr_used < q->desc.Capacity - 1u)
			break;
		SleepConditionVariableSRW(&q->changed, &q->lock, INFINITE, 0);
	}
	if (q->is_closed)
		return false;
	q->nr_used++;
	q->nr_unsubmitted++;
	return true;
}

static void free_slot(struct queue *q)
{
	q->nr_used--;
	WakeAllConditionVariable(&q->changed);
}

struct request *queue_take_slot(struct queue *q)
{
	struct ds_list *node;

	if (!wait_for_slot(q))
		return NULL;
	node = ds_list_pop_front(&q->free);
	/* Slots that were never used are not on the list: so their memory is not touched. */
	return node ? ds_list_entry(node, struct request, link) : &q->requests[q->nr_touched++];
}

bool queue_take_marker_slot(struct queue *q)
{
	return wait_for_slot(q);
}

static void submit_if_half_full(struct queue *q)
{
	if (q->nr_unsubmitted >= q->desc.Capacity / 2u) {
		queue_submit(q);
		queue_fire(q);
	}
}

void queue_add_request(struct queue *q, struct request *r)
{
	r->queue = q;
	r->stage = STAGE_PENDING;
	r->sequence = q->next_sequence++;
	r->segment = (UINT32)(q->open % q->nr_segments);
	segment(q, q->open)->nr_requests++;
	ds_list_push_back(&q->pending, &r->link);
	submit_if_half_full(q);
}

void queue_add_marker(struct queue *q, const struct marker *m)
{
	struct segment *seg = segment(q, q->open);

	seg->marker = *m;
	seg->marker.sequence = q->next_sequence++;
	q->open++;
	memset(segment(q, q->open), 0, sizeof(struct segment));
	submit_if_half_full(q);
}

/* -------------------------------------------------------------- submitting */

static void submit_request(struct queue *q, struct request *r)
{
	ds_list_remove(&r->link);
	if (r->wait && !wait_is_over(r->wait)) {
		r->stage = STAGE_WAITING;
		ds_list_push_back(&q->waiting, &r->link);
		return;
	}
	queue_make_ready(r);
}

void queue_submit(struct queue *q)
{
	q->settle_value = 0;
	while (!ds_list_is_empty(&q->pending))
		submit_request(q, ds_list_entry(q->pending.next, struct request, link));
	for (; q->submitted != q->open; q->submitted++)
		segment(q, q->submitted)->is_submitted = true;
	q->nr_unsubmitted = 0;
	queue_start(q);
}

/* ------------------------------------------------------------------ ending */

static void release_staging(struct request *r)
{
	if (r->read_block)
		core_give_block(r->read_block, r->read_nbytes);
	if (r->block)
		core_give_block(r->block, r->nbytes);
	if (r->range)
		gpu_give_range(r->queue->gpu, r->range);
	if (r->decoded.batch)
		gpu_forget_decoded(r->queue->gpu, r);
	if (r->read_block || r->block || r->range)
		core_note_space();
}

static void release(struct request *r)
{
	release_staging(r);
	if (r->file)
		r->file->iface.lpVtbl->Release(&r->file->iface);
	if (r->resource)
		ID3D12Resource_Release(r->resource);
	if (r->wait)
		wait_unref(r->wait);
}

static void leave_segment(struct request *r, HRESULT hr)
{
	struct segment *seg = &r->queue->segments[r->segment];

	if (FAILED(hr) && (SUCCEEDED(seg->error) || r->sequence < seg->error_sequence)) {
		seg->error = hr;
		seg->error_sequence = r->sequence;
	}
	seg->nr_requests--;
}

void queue_uncount_decoding(struct request *r)
{
	if (r->is_cpus)
		core_note_decoding(-(INT64)r->nbytes);
	r->is_cpus = false;
}

void queue_end_request(struct request *r, HRESULT hr)
{
	struct queue *q = r->queue;

	/* Cancelling is no failure, and wins over one that came too late to matter. */
	if (r->is_cancelled)
		hr = S_OK;
	if (FAILED(hr))
		queue_note_request_failure(r, hr);
	queue_uncount_decoding(r);
	leave_segment(r, hr);
	if (r->stage == STAGE_READING || r->stage == STAGE_PLACING)
		q->nr_busy--;
	else if (r->stage == STAGE_PENDING)
		q->nr_unsubmitted -= q->nr_unsubmitted > 0;
	if (ds_list_is_linked(&r->link))
		ds_list_remove(&r->link);
	release(r);
	memset(r, 0, sizeof(*r));
	ds_list_push_front(&q->free, &r->link);
	free_slot(q);
}

/* ------------------------------------------------------------------ firing */

void marker_release(struct marker *m)
{
	if (m->array)
		m->array->iface.lpVtbl->Release(&m->array->iface);
	if (m->fence)
		ID3D12Fence_Release(m->fence);
	if (m->event)
		CloseHandle(m->event);
}

/* Without the lock. */
static HRESULT signal_marker(struct queue *q, const struct marker *m, HRESULT status)
{
	if (FAILED(m->refused))
		return m->refused;
	switch (m->kind) {
	case MARKER_STATUS:
		status_array_set(m->array, m->index, status);
		return S_OK;
	case MARKER_SIGNAL:
		return q->gpu ? gpu_signal(q->gpu, m->fence, m->value)
			      : ID3D12Fence_Signal(m->fence, m->value);
	case MARKER_EVENT:
		return SetEvent(m->event) ? S_OK : HRESULT_FROM_WIN32(GetLastError());
	}
	return E_UNEXPECTED;
}

static HRESULT next_status(struct queue *q, const struct segment *seg)
{
	HRESULT status = SUCCEEDED(q->status_error) ? seg->error : q->status_error;

	q->status_error = seg->marker.kind == MARKER_STATUS ? S_OK : status;
	return status;
}

static void fire_one(struct queue *q)
{
	struct segment *seg = segment(q, q->head);
	struct marker m = seg->marker;
	HRESULT status = next_status(q, seg), hr;

	/* Ours from here on: is_firing keeps others away, and the queue alive. */
	q->head++;
	ReleaseSRWLockExclusive(&q->lock);
	hr = signal_marker(q, &m, status);
	AcquireSRWLockExclusive(&q->lock);
	if (FAILED(hr))
		queue_note_marker_failure(q, &m, hr);
	marker_release(&m);
	free_slot(q);
}

static bool is_due(struct queue *q)
{
	const struct segment *seg = segment(q, q->head);

	return !q->is_closed && q->head != q->open && seg->is_submitted && !seg->nr_requests;
}

void queue_fire(struct queue *q)
{
	/* Whoever is at it looks again before it stops. */
	if (q->is_firing)
		return;
	q->is_firing = true;
	while (is_due(q))
		fire_one(q);
	q->is_firing = false;
	WakeAllConditionVariable(&q->changed);
}
