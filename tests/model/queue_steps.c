/* SPDX-License-Identifier: MIT */
/*
 * queue_steps.c: enqueue.c, completion.c, service.c and queue.c as steps: from enqueue to
 * submit, and from a request's end to the slot's next life.
 */
#include "model.h"

/* --------------------------------------------------------------- enqueue.c */

bool step_reserve(struct actor *a, struct frame f)
{
	struct state *s = a->s;

	if (s->queue_lock || !s->is_free)
		return false;
	s->is_free = false;
	s->live++;
	push(a, AT_commit_all, f.life, 0);
	return true;
}

static void commit(struct model *m, struct state *s)
{
	s->unended++;
	s->live = (uint8_t)(s->live + 2);
	s->issued = 0;
	s->nr_windows = 0;
	s->is_planned = false;
	s->is_parked = false;
	s->is_finishing = false;
	s->has_stream = false;
	s->has_deadline = false;
	s->error = DS_OK;
	s->work = 1;
	s->holds = m->config.keeps_results ? 3 : 2;
	if (m->broken == BROKEN_NO_PIPELINE_HOLD)
		s->holds--;
	s->is_in_pending = true;
	s->word = DS_WORD(DS_WORD_GENERATION(s->word), DS_STATE_PENDING);
	s->nr_committed++;
}

bool step_commit_all(struct actor *a, struct frame f)
{
	const struct config *c = &a->m->config;
	struct state *s = a->s;

	if (s->queue_lock)
		return false;
	if (s->is_closing) {
		s->is_free = true;
		push(a, AT_drop_live, f.life, 1);
		return true;
	}
	if (state_of(s) != DS_STATE_FREE || life_of(s) != f.life)
		violate(a->m, "a slot on the free list is in use");
	commit(a->m, s);
	if (f.life + 1u < c->lives)
		push(a, AT_reserve, f.life + 1u, 0);
	if (c->is_closed_early)
		push(a, AT_drop_live, f.life, 1);
	if (!c->is_never_submitted)
		push(a, AT_submit_take_pending, f.life, 0);
	if (!c->is_closed_early)
		push(a, AT_drop_live, f.life, 1);
	return true;
}

/* What ds_queue_submit() ends with. */
static void run_and_drop_live(struct actor *a, unsigned life)
{
	push(a, AT_drop_live, life, 1);
	push(a, AT_scheduler_run, life, 0);
}

bool step_submit_take_pending(struct actor *a, struct frame f)
{
	struct state *s = a->s;

	if (s->queue_lock)
		return false;
	s->live++;
	if (!s->is_in_pending) {
		run_and_drop_live(a, f.life);
		return true;
	}
	s->queue_lock = (uint8_t)(a->index + 1);
	s->is_in_pending = is_broken(a, BROKEN_PENDING_DROPPED_TWICE);
	for (unsigned i = 0; i < a->m->nr_actors; i++)
		s->has_deadline |= a->m->roles[i] == ROLE_TIMER;
	s->in_flight++;
	push(a, AT_submit_advance, f.life, 0);
	return true;
}

bool step_submit_advance(struct actor *a, struct frame f)
{
	struct state *s = a->s;
	struct ds_slot *slot = slot_load(s);

	uses_slot(a, f);
	if (ds_slot_advance(slot, DS_STATE_PENDING, DS_STATE_SUBMITTED)) {
		slot_store(s, slot);
		push(a, AT_submit_add, f.life, 0);
		return true;
	}
	s->in_flight--;
	s->queue_lock = 0;
	run_and_drop_live(a, f.life);
	push(a, AT_wake_all, f.life, 0);
	push(a, AT_work_done, f.life, 0);
	return true;
}

bool step_submit_add(struct actor *a, struct frame f)
{
	struct state *s = a->s;

	if (s->pipeline_lock)
		return false;
	uses_slot(a, f);
	s->is_scheduled = true;
	s->queue_lock = 0;
	run_and_drop_live(a, f.life);
	return true;
}

/* ------------------------------------------------- completion.c, service.c */

bool step_request_ended(struct actor *a, struct frame f)
{
	struct state *s = a->s;
	struct history *h = &s->history[f.life];
	enum ds_state state = state_of(s);

	uses_slot(a, f);
	if (state != DS_STATE_COMPLETE && state != DS_STATE_FAILED && state != DS_STATE_CANCELLED)
		violate(a->m, "a request that has not ended is published");
	if (h->ended++)
		violate(a->m, "a request has ended twice");
	if (!DS_WORD_REASON(s->word) != (state != DS_STATE_CANCELLED))
		violate(a->m, "a reason without a cancel, or a cancel without one");
	if (h->weak_true && state != DS_STATE_CANCELLED)
		violate(a->m, "a cancel has returned true, and the request did not end CANCELLED");
	h->status = (uint8_t)state;
	s->was_submitted = f.arg;
	if (a->m->config.has_callback &&
	    (state != DS_STATE_CANCELLED || is_broken(a, BROKEN_CALLBACK_WHEN_CANCELLED)))
		push(a, AT_service_push, f.life, 0);
	else
		push(a, AT_publish_count, f.life, 0);
	return true;
}

bool step_service_push(struct actor *a, struct frame f)
{
	if (a->s->service)
		violate(a->m, "a request is on the service's list twice");
	a->s->service = (uint8_t)(f.life + 1);
	return true;
}

bool step_service_take(struct actor *a, struct frame f)
{
	unsigned life = a->s->service - 1u;

	if (!a->s->service)
		return false;
	a->s->service = 0;
	push(a, AT_service_take, f.life, 0);
	push(a, AT_publish_count, life, 0);
	push(a, AT_callback, life, 0);
	return true;
}

bool step_callback(struct actor *a, struct frame f)
{
	struct history *h = &a->s->history[f.life];

	uses_slot(a, f);
	if (h->weak_true)
		violate(a->m, "a callback runs after a cancel has returned true");
	if (h->status == DS_STATE_CANCELLED)
		violate(a->m, "a callback runs for a cancelled request");
	h->callbacks++;
	return true;
}

bool step_publish_count(struct actor *a, struct frame f)
{
	uses_slot(a, f);
	if (a->s->history[f.life].published++)
		violate(a->m, "a request is published twice");
	if (a->m->config.keeps_results) {
		a->s->nr_done++;
		push(a, AT_publish_push, f.life, 0);
	} else {
		push(a, AT_publish_uncount, f.life, 0);
	}
	return true;
}

bool step_publish_push(struct actor *a, struct frame f)
{
	uses_slot(a, f);
	a->s->is_done = true;
	push(a, AT_publish_uncount, f.life, 0);
	return true;
}

bool step_publish_uncount(struct actor *a, struct frame f)
{
	struct state *s = a->s;

	uses_slot(a, f);
	if (!s->unended || (s->was_submitted && !s->in_flight))
		violate(a->m, "more requests end than were enqueued");
	s->unended--;
	if (s->was_submitted)
		s->in_flight--;
	if (is_broken(a, BROKEN_LIVE_DROPPED_EARLY)) {
		push(a, AT_slot_put, f.life, 0);
		push(a, AT_publish_wake, f.life, 0);
		push(a, AT_drop_live, f.life, 1);
		return true;
	}
	push(a, AT_drop_live, f.life, 1);
	if (!is_broken(a, BROKEN_PUT_FORGOTTEN))
		push(a, AT_slot_put, f.life, 0);
	push(a, AT_publish_wake, f.life, 0);
	return true;
}

bool step_publish_wake(struct actor *a, struct frame f)
{
	const struct state *s = a->s;

	if (s->wake_at != NO_WAKE && (s->nr_done >= s->wake_at || !s->in_flight))
		push(a, AT_wake_all, f.life, 0);
	return true;
}

bool step_wake_all(struct actor *a, struct frame f)
{
	if (a->s->wake_at != NO_WAKE)
		push(a, AT_wake_broadcast, f.life, 0);
	return true;
}

bool step_wake_broadcast(struct actor *a, struct frame f)
{
	(void)f;
	if (a->s->wait_lock)
		return false;
	a->s->asleep = 0;
	return true;
}

/* ------------------------------------------------------------ giving back */

bool step_slot_put(struct actor *a, struct frame f)
{
	uses_slot(a, f);
	if (!--a->s->holds)
		push(a, AT_slot_recycle, f.life, 0);
	return true;
}

bool step_slot_recycle(struct actor *a, struct frame f)
{
	struct state *s = a->s;
	uint32_t generation = DS_WORD_GENERATION(s->word) + 1;

	check_recycled(a, f.life);
	s->word = DS_WORD(generation ? generation : 1, DS_STATE_FREE);
	push(a, AT_slot_free, f.life, 0);
	return true;
}

bool step_slot_free(struct actor *a, struct frame f)
{
	(void)f;
	if (a->s->queue_lock)
		return false;
	if (a->s->is_free)
		violate(a->m, "a slot is given back twice");
	a->s->is_free = true;
	return true;
}

bool step_drop_live(struct actor *a, struct frame f)
{
	struct state *s = a->s;

	if (s->live < f.arg)
		violate(a->m, "more holds on the queue are dropped than were taken");
	s->live = (uint8_t)(s->live - f.arg);
	if (!s->live)
		push(a, AT_live_gone, f.life, 0);
	return true;
}

bool step_live_gone(struct actor *a, struct frame f)
{
	(void)f;
	if (a->s->wait_lock)
		return false;
	if (a->s->is_gone)
		violate(a->m, "live has reached zero twice");
	a->s->is_gone = true;
	return true;
}

/* ------------------------------------------------------- taking and waiting */

static void take(struct actor *a)
{
	a->s->is_done = false;
	a->s->nr_done--;
	if (!a->s->history[life_of(a->s)].published)
		violate(a->m, "a result is taken before it is published");
	push(a, AT_slot_put, life_of(a->s), 0);
}

bool step_poll_take(struct actor *a, struct frame f)
{
	if (!a->s->is_done || a->s->is_closing)
		return false;
	push(a, AT_poll_take, f.life, 0);
	take(a);
	return true;
}

/* ds_queue_wait() for one result, called again for as long as there are some to come. */
bool step_wait_look(struct actor *a, struct frame f)
{
	if (a->s->is_closing || (!a->s->in_flight && !a->s->nr_done))
		return false;
	return step_wait_loop(a, f);
}

bool step_wait_loop(struct actor *a, struct frame f)
{
	push(a, AT_wait_take, f.life, !a->s->in_flight);
	return true;
}

bool step_wait_take(struct actor *a, struct frame f)
{
	if (a->s->is_done) {
		push(a, AT_wait_look, f.life, 0);
		take(a);
	} else if (f.arg) {
		push(a, AT_wait_look, f.life, 0);
	} else {
		push(a, AT_wait_loop, f.life, 0);
		push(a, AT_sleep_enter, f.life, 1);
	}
	return true;
}

/* ds_queue_sleep(). arg: the wake_at that it asks for, and with it what it waits for. */
static void note_wake_at(struct state *s, unsigned wake_at)
{
	if (wake_at < s->wake_at)
		s->wake_at = (uint8_t)wake_at;
}

static bool is_over(const struct state *s, struct frame f)
{
	if (f.arg)
		return s->nr_done >= f.arg || !s->in_flight;
	return life_of(s) != f.life || state_of(s) != DS_STATE_CANCELLING;
}

bool step_sleep_enter(struct actor *a, struct frame f)
{
	struct state *s = a->s;

	if (s->wait_lock)
		return false;
	s->wait_lock = (uint8_t)(a->index + 1);
	s->nr_waiters++;
	if (!is_broken(a, BROKEN_WAKE_AT_LATE))
		note_wake_at(s, f.arg);
	push(a, AT_sleep_look, f.life, f.arg);
	return true;
}

/* Looks with the lock held, and goes to sleep without giving it up in between. */
bool step_sleep_look(struct actor *a, struct frame f)
{
	struct state *s = a->s;

	if (!is_over(s, f)) {
		push(a, AT_sleep_wait, f.life, f.arg);
		return true;
	}
	if (!--s->nr_waiters)
		s->wake_at = NO_WAKE;
	s->wait_lock = 0;
	return true;
}

bool step_sleep_wait(struct actor *a, struct frame f)
{
	struct state *s = a->s;

	if (is_broken(a, BROKEN_WAKE_AT_LATE))
		note_wake_at(s, f.arg);
	s->asleep = (uint16_t)(s->asleep | 1u << a->index);
	s->wait_lock = 0;
	push(a, AT_sleep_wake, f.life, f.arg);
	return true;
}

bool step_sleep_wake(struct actor *a, struct frame f)
{
	struct state *s = a->s;

	if (s->asleep & 1u << a->index || s->wait_lock)
		return false;
	s->wait_lock = (uint8_t)(a->index + 1);
	push(a, AT_sleep_look, f.life, f.arg);
	return true;
}
