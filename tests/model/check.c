/* SPDX-License-Identifier: MIT */
/* check.c: how a model begins, and what must hold in each state and at the end. */
#include "model.h"

struct role_info {
	const char *name;
	uint8_t at;
	uint8_t life;
	uint8_t arg;
	bool is_program; /* the program's thread, not the runtime's */
	bool is_server;	 /* waits at its first step for ever */
};

static const struct role_info infos[NR_ROLES] = {
	[ROLE_SUBMITTER] = { "submitter", AT_reserve, 0, 0, true, false },
	[ROLE_ENGINE_0] = { "engine thread 0", AT_op_begin, 0, 0, false, true },
	[ROLE_ENGINE_1] = { "engine thread 1", AT_op_begin, 0, 1, false, true },
	[ROLE_WORKER_0] = { "worker 0", AT_worker_join, 0, 0, false, true },
	[ROLE_WORKER_1] = { "worker 1", AT_worker_join, 0, 1, false, true },
	[ROLE_SERVICE] = { "callback thread", AT_service_take, 0, 0, false, true },
	[ROLE_CANCEL] = { "cancel", AT_cancel_call, 0, 8, true, false },
	[ROLE_CANCEL_TOO] = { "second cancel", AT_cancel_call, 0, 8, true, false },
	[ROLE_CANCEL_NEXT] = { "next life's cancel", AT_cancel_call, 1, 8, true, false },
	[ROLE_TRY_CANCEL] = { "try_cancel", AT_cancel_call, 0, 0, true, false },
	[ROLE_TIMER] = { "timer", AT_expire_lock, 0, 0, false, false },
	[ROLE_POLL] = { "taker", AT_poll_take, 0, 0, true, true },
	[ROLE_WAIT] = { "waiting taker", AT_wait_look, 0, 0, true, true },
	[ROLE_DESTROY] = { "destroyer", AT_destroy_close, 0, 0, false, false },
};

const char *role_name(enum role role)
{
	return infos[role].name;
}

bool is_program(enum role role)
{
	return infos[role].is_program;
}

bool is_idle(const struct model *m, const struct state *s, unsigned index)
{
	const struct role_info *r = &infos[m->roles[index]];
	const struct actor_state *t = &s->actors[index];

	return !t->depth || (r->is_server && t->depth == 1 && t->frames[0].at == r->at);
}

void start_state(struct model *m, struct state *s)
{
	s->word = DS_WORD(GENERATION, DS_STATE_FREE);
	s->is_free = true;
	s->live = 1;
	s->wake_at = NO_WAKE;
	s->is_listed = true;
	s->last_op = NR_OPS - 1;
	m->nr_actors = 0;
	for (unsigned role = 0; role < NR_ROLES; role++) {
		const struct role_info *r = &infos[role];
		struct actor a = { .m = m, .s = s, .self = &s->actors[m->nr_actors] };

		if (!(m->config.roles & 1u << role))
			continue;
		if (m->nr_actors == MAX_ACTORS) {
			violate(m, "the model has room for fewer threads");
			return;
		}
		m->roles[m->nr_actors++] = (enum role)role;
		push(&a, (enum step)r->at, r->life, r->arg);
	}
	for (unsigned i = 0; i < NR_OPS; i++)
		s->ops[i].window = NONE;
}

/* Whether the kernel accesses the caller's memory for this operation just now. */
static bool is_touching(const struct op *op)
{
	return op->where == OP_BEGUN && op->window == NONE && !op->is_head;
}

static void check_toucher(struct model *m, const struct state *s, unsigned life)
{
	enum ds_state state = state_of(s);

	if (s->history[life].strong_true)
		violate(m, "memory is touched after a strong cancel has returned true");
	if (life_of(s) != life || (state != DS_STATE_RUNNING && state != DS_STATE_CANCELLING))
		violate(m, "memory is touched of a request that has ended");
}

static bool is_end_state(enum ds_state state)
{
	return state == DS_STATE_FREE || state == DS_STATE_COMPLETE || state == DS_STATE_FAILED ||
	       state == DS_STATE_CANCELLED;
}

void check_state(struct model *m, const struct state *s)
{
	enum ds_state state = state_of(s);
	unsigned nr = 0;

	for (unsigned i = 0; i < NR_OPS; i++) {
		const struct op *op = &s->ops[i];

		if (is_touching(op)) {
			check_toucher(m, s, op->life);
			nr++;
		}
		if (op->where == OP_BEGUN && op->window != NONE &&
		    (!s->windows[op->window].is_used || s->windows[op->window].life != op->life))
			violate(m, "the kernel fills staging memory that was given back");
		if (op->where == OP_BEGUN && op->is_head && !s->has_stream)
			violate(m, "the kernel fills the head of a stream that was given back");
	}
	for (unsigned i = 0; i < m->nr_actors; i++) {
		if (s->actors[i].touching) {
			check_toucher(m, s, s->actors[i].touching - 1u);
			nr++;
		}
	}
	if (nr > touchers_of(s))
		violate(m, "memory is touched by somebody who is not counted");
	if (touchers_of(s) && is_end_state(state))
		violate(m, "an end state with a toucher");
	if (state == DS_STATE_CANCELLING && !touchers_of(s))
		violate(m, "CANCELLING without a toucher");
	if (state == DS_STATE_RUNNING && s->issued > m->config.parts)
		violate(m, "more is issued than was asked for");
}

void check_recycled(struct actor *a, unsigned life)
{
	const struct state *s = a->s;

	if (s->is_in_pending || s->is_scheduled || s->is_parked || s->is_done || s->service)
		violate(a->m, "a slot on a list is given back");
	if (s->work || s->has_stream)
		violate(a->m, "a slot with work is given back");
	for (unsigned i = 0; i < NR_OPS; i++) {
		if (s->ops[i].where != OP_FREE && s->ops[i].life == life)
			violate(a->m, "a slot is given back that an operation refers to");
	}
	for (unsigned i = 0; i < NR_WINDOWS; i++) {
		if (s->windows[i].is_used && s->windows[i].life == life)
			violate(a->m, "a slot is given back that a window refers to");
	}
	if (s->history[life].published != 1)
		violate(a->m, "a slot is given back that was not published");
}

static void check_life(struct model *m, const struct history *h)
{
	bool ended_well = h->status == DS_STATE_COMPLETE || h->status == DS_STATE_FAILED;

	if (h->ended != 1)
		violate(m, "a request has never ended");
	if (h->published != 1)
		violate(m, "a request was never published");
	if (h->callbacks != (ended_well && m->config.has_callback))
		violate(m, "a callback has not run, or twice");
	if ((h->status == DS_STATE_CANCELLED) != h->won)
		violate(m, "CANCELLED without a cancel that has won, or the reverse");
}

/* No thread can move: then all must be through. */
void check_end(struct model *m, const struct state *s)
{
	for (unsigned i = 0; i < m->nr_actors; i++) {
		if (!is_idle(m, s, i))
			violate(m, "a thread waits for ever");
	}
	for (unsigned life = 0; life < s->nr_committed; life++)
		check_life(m, &s->history[life]);
	if (!s->is_freed || s->live || s->in_flight || s->unended || s->nr_waiters)
		violate(m, "the queue has not come to rest");
	if (s->holds > 1 || s->holds != s->is_done)
		violate(m, "a hold is left over");
}
