/* SPDX-License-Identifier: MIT */
/*
 * cancel.c: cancelling, closing, draining.
 *
 * Cancelling is strong: when it returns, nothing of ours will write a matching request's
 * destination or read its source. Programs free both right afterwards. What the program is
 * decompressing itself is its own business.
 */
#include "core.h"
#include "custom.h"
#include "log.h"
#include "queue.h"
#include "unixlib.h"

#define CANCEL_BATCH 256

static bool matches(const struct request *r, UINT64 mask, UINT64 value)
{
	return (r->desc.CancellationTag & mask) == value;
}

static bool is_waiting_stage(const struct request *r)
{
	return r->stage == STAGE_PENDING || r->stage == STAGE_WAITING || r->stage == STAGE_READY;
}

static bool is_busy(const struct request *r)
{
	return r->stage == STAGE_READING || r->stage == STAGE_PLACING;
}

/* With the lock. Ends what has not begun; marks the rest. */
static void cancel_one(struct request *r)
{
	if (is_waiting_stage(r) || (r->stage == STAGE_OFFERED && custom_take_back(r))) {
		r->is_cancelled = true;
		queue_end_request(r, S_OK);
	} else if (r->stage == STAGE_READING) {
		r->is_cancelled = true;
	}
}

/*
 * With the lock: has the Unix half cancel what is marked, from requests[*at] on. The
 * lock is dropped for that, so ids may be old when they arrive; old ones find nothing.
 * Those of the two queues on the Unix side are cancelled apart.
 */
static void cancel_reading(struct queue *q, bool is_native, UINT32 *at)
{
	uint64_t ids[CANCEL_BATCH];
	struct dsw_queue_cancel a = { is_native ? q->native_queue : q->unix_queue,
				      (uint64_t)(uintptr_t)ids, 0, 0 };

	for (; *at < q->nr_touched && a.count < CANCEL_BATCH; ++*at) {
		const struct request *r = &q->requests[*at];

		if (r->stage == STAGE_READING && r->is_cancelled && r->is_native == is_native)
			ids[a.count++] = r->unix_id;
	}
	if (!a.count)
		return;
	ReleaseSRWLockExclusive(&q->lock);
	unix_call(DSW_QUEUE_CANCEL, &a);
	AcquireSRWLockExclusive(&q->lock);
}

/* With the lock. Busy requests that were enqueued before `sequence`. */
static bool has_busy(struct queue *q, UINT64 mask, UINT64 value, UINT64 sequence)
{
	for (UINT32 i = 0; i < q->nr_touched; i++) {
		const struct request *r = &q->requests[i];

		if (is_busy(r) && r->sequence < sequence && matches(r, mask, value))
			return true;
	}
	return false;
}

static void cancel_matching(struct queue *q, UINT64 mask, UINT64 value)
{
	UINT64 sequence = q->next_sequence;
	UINT32 at = 0;
	UINT32 native_at = 0;

	for (UINT32 i = 0; i < q->nr_touched; i++)
		if (q->requests[i].stage != STAGE_FREE && matches(&q->requests[i], mask, value))
			cancel_one(&q->requests[i]);
	while (at < q->nr_touched)
		cancel_reading(q, false, &at);
	while (native_at < q->nr_touched)
		cancel_reading(q, true, &native_at);
	/* The pump takes the last steps, and what the GPU copies runs out. */
	while (has_busy(q, mask, value, sequence))
		SleepConditionVariableSRW(&q->changed, &q->lock, INFINITE, 0);
}

void queue_cancel_tagged(struct queue *q, UINT64 mask, UINT64 value)
{
	AcquireSRWLockExclusive(&q->lock);
	cancel_matching(q, mask, value);
	queue_fire(q);
	ReleaseSRWLockExclusive(&q->lock);
	core_kick();
}

/* With the lock, and nothing busy. */
static void drop_markers(struct queue *q)
{
	for (; q->head != q->open; q->head++)
		marker_release(&q->segments[q->head % q->nr_segments].marker);
	q->submitted = q->open;
}

static UINT32 count_handed_out(const struct queue *q)
{
	UINT32 n = 0;

	for (UINT32 i = 0; i < q->nr_touched; i++)
		n += q->requests[i].stage == STAGE_OFFERED;
	return n;
}

void queue_close(struct queue *q)
{
	AcquireSRWLockExclusive(&q->lock);
	if (q->is_closed) {
		ReleaseSRWLockExclusive(&q->lock);
		return;
	}
	q->is_closed = true;
	WakeAllConditionVariable(&q->changed);
	cancel_matching(q, 0, 0);
	while (q->is_firing)
		SleepConditionVariableSRW(&q->changed, &q->lock, INFINITE, 0);
	drop_markers(q);
	q->nr_handed_out = count_handed_out(q);
	ReleaseSRWLockExclusive(&q->lock);
	core_kick();
}

/* With the lock. */
static bool has_work(const struct queue *q)
{
	return q->nr_busy || q->is_firing || !ds_list_is_empty(&q->ready) ||
	       !ds_list_is_empty(&q->settling) || !ds_list_is_empty(&q->native) ||
	       !ds_list_is_empty(&q->staged);
}

void queue_drain(struct queue *q)
{
	AcquireSRWLockExclusive(&q->lock);
	while (!q->is_closed && has_work(q))
		SleepConditionVariableSRW(&q->changed, &q->lock, INFINITE, 0);
	ReleaseSRWLockExclusive(&q->lock);
}
