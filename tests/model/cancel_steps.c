/* SPDX-License-Identifier: MIT */
/* cancel_steps.c: cancel.c, timer.c and ds_queue_destroy() as steps. */
#include "model.h"

/* Arguments of cancel_call and cancel_answer; an outcome lies in the bits below. */
#define IS_STRONG 8u

/* -------------------------------------------------------------- cancel_slot() */

/* arg: the reason, here and in the next. */
bool step_cancel_hold(struct actor *a, struct frame f)
{
	a->s->live++;
	push(a, AT_cancel_decide, f.life, f.arg);
	return true;
}

static uint32_t generation_of(unsigned life)
{
	return life ? 1 : GENERATION;
}

static enum ds_cancel_outcome decide(struct actor *a, struct frame f)
{
	struct state *s = a->s;
	struct ds_slot *slot = slot_load(s);
	uint32_t generation = generation_of(f.life);
	enum ds_cancel_outcome outcome;

	if (is_broken(a, BROKEN_STALE_ID))
		generation = DS_WORD_GENERATION(s->word);
	outcome = ds_slot_cancel(slot, generation, f.arg, DS_STATE_RUNNING);
	slot_store(s, slot);
	if (outcome == DS_CANCEL_WANTED && is_broken(a, BROKEN_CANCEL_IGNORES_TOUCHERS)) {
		s->word = (s->word & ~UINT64_C(0xf)) | DS_STATE_CANCELLED;
		outcome = DS_CANCEL_ENDED;
	}
	return outcome;
}

static bool is_open(enum ds_state state)
{
	return state == DS_STATE_PENDING || state == DS_STATE_SUBMITTED ||
	       state == DS_STATE_RUNNING || state == DS_STATE_CANCELLING;
}

bool step_cancel_decide(struct actor *a, struct frame f)
{
	struct frame *caller = &a->self->frames[a->self->depth - 1];
	enum ds_cancel_outcome outcome = decide(a, f);
	bool won = outcome != DS_CANCEL_NOT_FOUND && outcome != DS_CANCEL_BY_OTHER;
	bool ended = outcome == DS_CANCEL_ENDED || outcome == DS_CANCEL_ENDED_PENDING;

	if (outcome == DS_CANCEL_NOT_FOUND && life_of(a->s) == f.life && is_open(state_of(a->s)))
		violate(a->m, "a cancel does not find a request that has not ended");
	if (outcome != DS_CANCEL_NOT_FOUND && life_of(a->s) != f.life)
		violate(a->m, "a stale id cancels the slot's next life");
	caller->arg = (caller->arg | (unsigned)outcome) & 0x7f;
	if (won && a->s->history[f.life].won++)
		violate(a->m, "two cancels have won");
	push(a, AT_drop_live, f.life, 1);
	if (ended || (won && is_broken(a, BROKEN_PUBLISHED_BEFORE_FINAL)))
		push(a, AT_request_ended, f.life, outcome != DS_CANCEL_ENDED_PENDING);
	if (outcome == DS_CANCEL_ENDED_PENDING)
		push(a, AT_cancel_unlink, f.life, 0);
	else if (won)
		push(a, AT_drop_lock, f.life, 0);
	return true;
}

bool step_cancel_unlink(struct actor *a, struct frame f)
{
	if (a->s->queue_lock)
		return false;
	uses_slot(a, f);
	if (a->s->is_in_pending) {
		a->s->is_in_pending = false;
		push(a, AT_work_done, f.life, 0);
	}
	return true;
}

/* ------------------------------------------- ds_queue_cancel() and _try_cancel() */

bool step_cancel_call(struct actor *a, struct frame f)
{
	if (a->s->nr_committed <= f.life)
		return false; /* the id does not exist yet */
	push(a, AT_cancel_answer, f.life, f.arg);
	push(a, AT_cancel_hold, f.life, DS_REASON_CANCEL);
	return true;
}

static void returns_true(struct actor *a, unsigned life, bool strong)
{
	struct history *h = &a->s->history[life];
	bool is_current = life_of(a->s) == life;

	h->weak_true = true;
	h->strong_true |= strong;
	if (h->ended && h->status != DS_STATE_CANCELLED)
		violate(a->m, "a cancel returns true for a request that did not end CANCELLED");
	if (strong && is_current && state_of(a->s) != DS_STATE_CANCELLED)
		violate(a->m, "a strong cancel returns true before the request is CANCELLED");
}

bool step_cancel_answer(struct actor *a, struct frame f)
{
	if ((f.arg & ~IS_STRONG) == DS_CANCEL_NOT_FOUND)
		return true;
	if (!(f.arg & IS_STRONG) || is_broken(a, BROKEN_NO_WAIT))
		returns_true(a, f.life, f.arg & IS_STRONG);
	else
		push(a, AT_wait_for_end, f.life, 0);
	return true;
}

/* arg: it has slept. */
bool step_wait_for_end(struct actor *a, struct frame f)
{
	struct state *s = a->s;

	if (f.arg || life_of(s) != f.life || state_of(s) != DS_STATE_CANCELLING) {
		returns_true(a, f.life, true);
		return true;
	}
	push(a, AT_wait_for_end, f.life, 1);
	push(a, AT_sleep_enter, f.life, 0);
	return true;
}

/* ------------------------------------------------------- ds_queue_expire() */

/* One pass of the timer, whenever it comes. */
bool step_expire_lock(struct actor *a, struct frame f)
{
	if (a->s->queues_lock)
		return false;
	if (!a->s->is_listed)
		return true;
	a->s->queues_lock = (uint8_t)(a->index + 1);
	push(a, AT_expire_look, f.life, 0);
	return true;
}

bool step_expire_look(struct actor *a, struct frame f)
{
	struct state *s = a->s;

	push(a, AT_expire_unlock, f.life, 0);
	if (s->has_deadline &&
	    (state_of(s) == DS_STATE_SUBMITTED || state_of(s) == DS_STATE_RUNNING))
		push(a, AT_cancel_hold, life_of(s), DS_REASON_TIMEOUT);
	return true;
}

bool step_expire_unlock(struct actor *a, struct frame f)
{
	(void)f;
	a->s->queues_lock = 0;
	return true;
}

/* ----------------------------------------------------- ds_queue_destroy() */

/* The program destroys a queue when none of its own threads uses it. */
static bool program_is_through(const struct actor *a)
{
	for (unsigned i = 0; i < a->m->nr_actors; i++) {
		const struct actor_state *t = &a->s->actors[i];

		if (i == a->index || !is_program(a->m->roles[i]) || is_idle(a->m, a->s, i))
			continue;
		if (a->m->config.is_closed_early && t->frames[t->depth - 1].at != AT_reserve)
			continue;
		return false;
	}
	return true;
}

bool step_destroy_close(struct actor *a, struct frame f)
{
	if (a->s->queue_lock || !program_is_through(a))
		return false;
	a->s->is_closing = true;
	push(a, AT_destroy_free, f.life, 0);
	push(a, AT_drop_live, f.life, 1);
	push(a, AT_destroy_unlist, f.life, 0);
	push(a, AT_submit_take_pending, life_of(a->s), 0);
	push(a, AT_destroy_wait, f.life, 0);
	push(a, AT_destroy_scan, f.life, 0);
	return true;
}

bool step_destroy_scan(struct actor *a, struct frame f)
{
	enum ds_state state = state_of(a->s);

	(void)f;
	if (state != DS_STATE_FREE && state <= DS_STATE_RUNNING)
		push(a, AT_cancel_hold, life_of(a->s), DS_REASON_CLOSE);
	return true;
}

bool step_destroy_wait(struct actor *a, struct frame f)
{
	(void)f;
	if (state_of(a->s) == DS_STATE_CANCELLING)
		push(a, AT_wait_for_end, life_of(a->s), 0);
	return true;
}

bool step_destroy_unlist(struct actor *a, struct frame f)
{
	(void)f;
	if (a->s->queues_lock)
		return false;
	a->s->is_listed = false;
	return true;
}

bool step_destroy_free(struct actor *a, struct frame f)
{
	(void)f;
	if (!a->s->is_gone || a->s->wait_lock)
		return false;
	if (a->s->live)
		violate(a->m, "a queue is freed that is still held");
	a->s->is_freed = true;
	return true;
}
