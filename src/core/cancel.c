/* SPDX-License-Identifier: MIT */
/*
 * cancel.c: the ways to cancel, all on ds_slot_cancel(), whose one compare-exchange
 * decides.
 *
 * What a cancel does after it has won depends on where the request was. Waiting in a
 * list: unlink it. Running with nobody at its memory: it has ended; operations that
 * still fill staging memory run out on their own. Running with somebody at its memory:
 * what the engine has not begun is taken back, and the strong forms sleep until the
 * last toucher has left.
 */
#include "core/queue.h"

/* Unlinks a slot that was cancelled before its submit; true if it was still linked. */
static bool unlink_pending(struct ds_queue *q, struct ds_slot *s)
{
	bool linked;

	pthread_mutex_lock(&q->lock);
	/* A submit that runs just now may have taken it along, and drops it itself. */
	linked = s->is_in_pending;
	if (linked) {
		ds_list_remove(&s->link);
		s->is_in_pending = false;
		q->nr_pending--;
	}
	pthread_mutex_unlock(&q->lock);
	return linked;
}

/* Cancels one slot if it still is of this generation. True in *won if this call decided it. */
static enum ds_cancel_outcome cancel_slot(struct ds_queue *q, struct ds_slot *s,
					  uint32_t generation, enum ds_state last, uint32_t reason,
					  bool *won)
{
	struct ds_pipeline *pl = &q->be->pipeline;
	enum ds_cancel_outcome outcome;

	/* Our own hold on the queue: the slot's may all go while we look at it. */
	atomic_fetch_add_explicit(&q->live, 1, memory_order_relaxed);
	outcome = ds_slot_cancel(s, generation, reason, last);
	*won = outcome != DS_CANCEL_NOT_FOUND && outcome != DS_CANCEL_BY_OTHER;
	if (outcome == DS_CANCEL_ENDED_PENDING) {
		if (unlink_pending(q, s))
			ds_pipeline_work_done(s);
	} else if (*won) {
		ds_pipeline_drop(pl, s, generation);
	}
	/* The publisher's hold has kept the slot until here. */
	if (outcome == DS_CANCEL_ENDED || outcome == DS_CANCEL_ENDED_PENDING)
		ds_request_ended(s, outcome == DS_CANCEL_ENDED);
	ds_queue_drop_live(q, 1);
	return outcome;
}

struct cancel_wait {
	struct ds_slot *slot;
	uint32_t generation;
};

static bool has_ended(struct ds_queue *q, const void *arg)
{
	const struct cancel_wait *w = arg;
	/* Sequentially consistent: the sleeper's look; see ds_queue_publish(). */
	uint64_t word = atomic_load(&w->slot->word);

	(void)q;
	return DS_WORD_GENERATION(word) != w->generation ||
	       DS_WORD_STATE(word) != DS_STATE_CANCELLING;
}

/* Sleeps until a CANCELLING request has ended. */
static void wait_for_end(struct ds_queue *q, struct ds_slot *s, uint32_t generation)
{
	struct cancel_wait w = { s, generation };

	if (!has_ended(q, &w))
		ds_queue_sleep(q, has_ended, &w, 0, UINT64_MAX);
}

static bool cancel_id(struct ds_queue *q, uint64_t id, bool wait)
{
	uint32_t generation = (uint32_t)(id >> 32);
	enum ds_cancel_outcome outcome;
	struct ds_slot *s;
	bool won;

	if (!q || (uint32_t)id >= q->capacity)
		return false;
	s = &q->slots[(uint32_t)id];
	outcome = cancel_slot(q, s, generation, DS_STATE_RUNNING, DS_REASON_CANCEL, &won);
	if (outcome == DS_CANCEL_NOT_FOUND)
		return false;
	if (wait)
		wait_for_end(q, s, generation);
	return true;
}

bool ds_queue_cancel(struct ds_queue *q, uint64_t id)
{
	return cancel_id(q, id, true);
}

bool ds_queue_try_cancel(struct ds_queue *q, uint64_t id)
{
	return cancel_id(q, id, false);
}

static bool has_tag(struct ds_slot *s, uint64_t mask, uint64_t tag)
{
	return ((atomic_load_explicit(&s->tag, memory_order_relaxed) ^ tag) & mask) == 0;
}

uint32_t ds_queue_cancel_matching(struct ds_queue *q, uint64_t mask, uint64_t tag,
				  enum ds_state last, uint32_t reason)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < q->capacity; i++) {
		struct ds_slot *s = &q->slots[i];
		uint64_t w = atomic_load_explicit(&s->word, memory_order_acquire);
		bool won;

		if (DS_WORD_STATE(w) == DS_STATE_FREE || DS_WORD_STATE(w) > last ||
		    !has_tag(s, mask, tag))
			continue;
		cancel_slot(q, s, DS_WORD_GENERATION(w), last, reason, &won);
		nr += won;
	}
	for (uint32_t i = 0; i < q->capacity; i++) {
		struct ds_slot *s = &q->slots[i];
		uint64_t w = atomic_load_explicit(&s->word, memory_order_acquire);

		if (DS_WORD_STATE(w) == DS_STATE_CANCELLING && has_tag(s, mask, tag))
			wait_for_end(q, s, DS_WORD_GENERATION(w));
	}
	return nr;
}

uint32_t ds_queue_cancel_pending(struct ds_queue *q)
{
	return q ? ds_queue_cancel_matching(q, 0, 0, DS_STATE_PENDING, DS_REASON_CANCEL) : 0;
}

uint32_t ds_queue_cancel_all(struct ds_queue *q)
{
	return q ? ds_queue_cancel_matching(q, 0, 0, DS_STATE_RUNNING, DS_REASON_CANCEL) : 0;
}

uint32_t ds_queue_cancel_tagged(struct ds_queue *q, uint64_t mask, uint64_t tag)
{
	return q ? ds_queue_cancel_matching(q, mask, tag, DS_STATE_RUNNING, DS_REASON_CANCEL) : 0;
}

uint64_t ds_queue_expire(struct ds_queue *q, uint64_t now_ns)
{
	uint64_t first = UINT64_MAX;

	for (uint32_t i = 0; i < q->capacity; i++) {
		struct ds_slot *s = &q->slots[i];
		uint64_t w = atomic_load_explicit(&s->word, memory_order_acquire);
		uint64_t deadline = atomic_load_explicit(&s->deadline_ns, memory_order_relaxed);
		enum ds_state state = DS_WORD_STATE(w);
		bool won;

		if (!deadline || (state != DS_STATE_SUBMITTED && state != DS_STATE_RUNNING))
			continue;
		if (deadline > now_ns)
			first = ds_min_u64(first, deadline);
		else
			cancel_slot(q, s, DS_WORD_GENERATION(w), DS_STATE_RUNNING,
				    DS_REASON_TIMEOUT, &won);
	}
	return first;
}
