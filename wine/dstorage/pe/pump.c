/* SPDX-License-Identifier: MIT */
/*
 * pump.c: the thread that takes what the runtime has finished.
 *
 * The runtime's own threads may not enter Windows code. So this thread of Wine's sleeps in
 * the Unix half until there are completions, and does what only such a thread can.
 */
#include "core.h"
#include "errors.h"
#include "gpu.h"
#include "log.h"
#include "memory.h"
#include "queue.h"
#include "unixlib.h"

/* The runtime's own number for an unwritable destination; see errors.c. */
#define ACCESS_VIOLATION E_DSTORAGE_ACCESS_VIOLATION

#define PUMP_BATCH 256
#define MAX_TRIES  3

/* How soon to try again when the Unix half had no room, which no event announces. */
#define STARVED_MS 5

static HANDLE thread;
static LONG has_starved; /* see pump_note_starved() */

static struct request *request_of(const struct dsw_completion *c)
{
	return (struct request *)(uintptr_t)c->cookie;
}

static bool is_straight_to_program(const struct request *r)
{
	return !r->is_gpu && !r->is_custom && !r->block;
}

/*
 * The kernel could not write the program's memory: it may be that Wine watches the page for
 * writes. A thread of Wine's that writes to it sees to that.
 */
static bool try_again(struct request *r)
{
	struct queue *q = r->queue;

	if (r->is_cancelled || !is_straight_to_program(r) || ++r->nr_tries > MAX_TRIES ||
	    !memory_touch(r->desc.Destination.Memory.Buffer, r->nbytes))
		return false;
	r->stage = STAGE_READY;
	q->nr_busy--;
	ds_list_push_back(&q->ready, &r->link);
	queue_start(q);
	return true;
}

/* With the queue's lock. True: there is more to do with the request, without the lock. */
static bool take_completion(struct request *r, const struct dsw_completion *c)
{
	HRESULT hr = hresult_of(c->result);

	r->is_cancelled |= c->is_cancelled != 0;
	queue_uncount_decoding(r);
	if (hr == ACCESS_VIOLATION && try_again(r))
		return false;
	if (FAILED(hr) || r->is_cancelled || r->is_native || is_straight_to_program(r)) {
		queue_end_request(r, hr);
		return false;
	}
	r->stage = STAGE_PLACING;
	return true;
}

/* Completions of one queue, from at on; returns how many there were. */
static uint32_t take_of_queue(const struct dsw_completion *at, uint32_t nr,
			      struct ds_list *to_place)
{
	struct queue *q = request_of(at)->queue;
	uint32_t n = 0;

	AcquireSRWLockExclusive(&q->lock);
	for (; n < nr && request_of(&at[n])->queue == q; n++) {
		struct request *r = request_of(&at[n]);

		if (take_completion(r, &at[n]))
			ds_list_push_back(to_place, &r->link);
	}
	if (q->is_starved)
		queue_start(q);
	queue_fire(q);
	WakeAllConditionVariable(&q->changed);
	ReleaseSRWLockExclusive(&q->lock);
	return n;
}

static void take_all(const struct dsw_completion *completions, uint32_t nr)
{
	struct ds_list to_place;

	ds_list_init(&to_place);
	for (uint32_t at = 0; at < nr;)
		at += take_of_queue(completions + at, nr - at, &to_place);
	while (!ds_list_is_empty(&to_place))
		request_place(ds_list_entry(ds_list_pop_front(&to_place), struct request, link));
	gpu_flush_all();
	core_kick();
}

static DWORD WINAPI pump(void *arg)
{
	static struct dsw_completion completions[PUMP_BATCH];
	struct dsw_wait a = { (uint64_t)(uintptr_t)completions, PUMP_BATCH, 0, 0, 0 };

	(void)arg;
	for (;;) {
		a.timeout_ms = InterlockedExchange(&has_starved, 0) ? STARVED_MS : -1;
		if (unix_call(DSW_WAIT, &a))
			break;
		if (!a.count)
			core_note_space();
		take_all(completions, a.count);
	}
	log_err("the runtime does not answer\n");
	return 0;
}

HRESULT pump_start(void)
{
	if (thread)
		return S_OK;
	thread = CreateThread(NULL, 0, pump, NULL, 0, NULL);
	return thread ? S_OK : hresult_of_last_error();
}

void pump_note_starved(void)
{
	InterlockedExchange(&has_starved, 1);
}
