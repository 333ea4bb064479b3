/* SPDX-License-Identifier: MIT */
/* pipeline_steps.c: scheduler.c, issue.c, io_done.c and the operations' side of the engine as steps. */
#include "model.h"

#include "pipeline_steps.h"

/* ------------------------------------------------------- scheduler.c, issue.c */

/* arg of the fill steps: a bit for each operation made, and above a bit for each window made. */
#define MADE_WINDOW(w) (1u << (NR_OPS + (w)))

static bool has_room(const struct actor *a)
{
	return a->s->ops_in_flight < a->m->config.max_ops;
}

bool step_scheduler_run(struct actor *a, struct frame f)
{
	struct state *s = a->s;

	(void)f;
	if (s->pipeline_lock)
		return false;
	if (!s->is_scheduled || !has_room(a))
		return true;
	s->pipeline_lock = (uint8_t)(a->index + 1);
	push(a, AT_fill_advance, life_of(s), 0);
	return true;
}

bool step_fill_advance(struct actor *a, struct frame f)
{
	struct ds_slot *slot = slot_load(a->s);

	uses_slot(a, f);
	ds_slot_advance(slot, DS_STATE_SUBMITTED, DS_STATE_RUNNING);
	slot_store(a->s, slot);
	push(a, AT_fill_is_wanted, f.life, f.arg);
	return true;
}

/* The lock is released, and what was made is started. */
static void fill_leave(struct actor *a, struct frame f, bool is_finished)
{
	a->s->pipeline_lock = 0;
	if (is_finished)
		push(a, AT_work_done, f.life, 0);
	for (unsigned w = NR_WINDOWS; w-- > 0;) {
		if (f.arg & MADE_WINDOW(w))
			push(a, AT_workers_push, f.life, w);
	}
	if (f.arg & (MADE_WINDOW(0) - 1))
		push(a, AT_engine_start, f.life, f.arg & (MADE_WINDOW(0) - 1));
}

static void fill_last(struct actor *a, struct frame f)
{
	a->s->is_scheduled = false;
	fill_leave(a, f, true);
}

bool step_fill_is_wanted(struct actor *a, struct frame f)
{
	uses_slot(a, f);
	if (is_wanted(a->s))
		push(a, AT_fill_issue, f.life, f.arg);
	else
		fill_last(a, f);
	return true;
}

enum issue {
	ISSUE_MORE,
	ISSUE_LAST,
	ISSUE_PARK,
	ISSUE_BLOCKED,
};

/* The free list is first in, first out. */
static unsigned make_op(struct actor *a, struct frame *f, unsigned window)
{
	struct state *s = a->s;
	unsigned i = !s->last_op;

	if (s->ops[i].where != OP_FREE)
		i = s->last_op;
	if (s->ops[i].where != OP_FREE)
		violate(a->m, "the model has too few operations");
	s->last_op = (uint8_t)i;
	s->ops[i] = (struct op){
		.where = OP_MADE,
		.window = (uint8_t)window,
		.is_listed = true,
		.life = f->life,
	};
	s->work++;
	s->ops_in_flight++;
	f->arg = (f->arg | 1u << i) & 0x7f;
	return i;
}

static unsigned make_window(struct actor *a, struct frame f)
{
	struct state *s = a->s;
	const struct config *c = &a->m->config;
	unsigned w = s->windows[0].is_used;

	if (s->windows[w].is_used)
		return NONE;
	s->windows[w] = (struct window){
		.is_used = true,
		.life = f.life,
		.reads = c->reads,
		.sequence = s->issued,
		.nr_units = c->kind == KIND_UNITS || c->kind == KIND_WHOLE ? 2 : 1,
		.is_planned = c->kind != KIND_WHOLE,
	};
	s->nr_windows++;
	s->work++;
	return w;
}

static enum issue more_or_last(const struct actor *a)
{
	return a->s->issued == a->m->config.parts ? ISSUE_LAST : ISSUE_MORE;
}

static enum issue issue_straight(struct actor *a, struct frame *f)
{
	if (!touch_begin(a))
		return ISSUE_LAST;
	make_op(a, f, NONE);
	a->s->issued++;
	return more_or_last(a);
}

static enum issue issue_window(struct actor *a, struct frame *f)
{
	unsigned w = make_window(a, *f);

	if (w == NONE)
		return ISSUE_BLOCKED;
	for (unsigned i = 0; i < a->m->config.reads; i++)
		make_op(a, f, w);
	if (!a->m->config.reads)
		f->arg = (f->arg | MADE_WINDOW(w)) & 0x7f;
	a->s->issued++;
	return more_or_last(a);
}

static enum issue issue_stream(struct actor *a, struct frame *f)
{
	struct state *s = a->s;
	bool has_head = a->m->config.kind == KIND_UNITS;

	if (!s->has_stream) {
		s->has_stream = true;
		s->next_feed = 0;
		s->ready = 0;
	}
	if (has_head && !s->is_planned) {
		s->ops[make_op(a, f, NONE)].is_head = true;
		return ISSUE_PARK;
	}
	if (has_head && s->nr_windows)
		return ISSUE_PARK; /* one at a time: that parking is seen */
	return issue_window(a, f);
}

static enum issue issue_next(struct actor *a, struct frame *f)
{
	switch (a->m->config.kind) {
	case KIND_STRAIGHT:
		return issue_straight(a, f);
	case KIND_UNITS:
	case KIND_FEED:
		return issue_stream(a, f);
	case KIND_STAGED:
	case KIND_MEMORY:
	case KIND_WHOLE:
		break;
	}
	return issue_window(a, f);
}

bool step_fill_issue(struct actor *a, struct frame f)
{
	uses_slot(a, f);
	switch (issue_next(a, &f)) {
	case ISSUE_MORE:
		if (has_room(a))
			push(a, AT_fill_advance, f.life, f.arg);
		else
			fill_leave(a, f, false);
		break;
	case ISSUE_LAST:
		fill_last(a, f);
		break;
	case ISSUE_PARK:
		a->s->is_scheduled = false;
		a->s->is_parked = true;
		fill_leave(a, f, false);
		break;
	case ISSUE_BLOCKED:
		fill_leave(a, f, false);
		break;
	}
	return true;
}

bool step_engine_start(struct actor *a, struct frame f)
{
	for (unsigned i = 0; i < NR_OPS; i++) {
		if (f.arg & 1u << i)
			a->s->ops[i].where = OP_QUEUED;
	}
	return true;
}

/* ------------------------------------------------------ ds_pipeline_drop() */

bool step_drop_lock(struct actor *a, struct frame f)
{
	struct state *s = a->s;

	if (s->pipeline_lock)
		return false;
	if (life_of(s) != f.life && !is_broken(a, BROKEN_STALE_DROP))
		return true;
	s->pipeline_lock = (uint8_t)(a->index + 1);
	push(a, AT_drop_cancel_op, f.life, 0);
	return true;
}

/* The first of slot->ops at or after i. */
static unsigned next_listed(const struct state *s, unsigned i)
{
	while (i < NR_OPS && !s->ops[i].is_listed)
		i++;
	return i;
}

static void drop_leave(struct actor *a, struct frame f, unsigned taken)
{
	struct state *s = a->s;

	if (s->is_scheduled) {
		if (life_of(s) != f.life)
			violate(a->m, "a stale cancel unschedules the slot's next life");
		s->is_scheduled = false;
		if (!is_broken(a, BROKEN_DROP_LEAVES_WORK))
			push(a, AT_work_done, f.life, 0);
	}
	for (unsigned i = NR_OPS; i-- > 0;) {
		if (taken & 1u << i)
			push(a, AT_finish_op, f.life, i);
	}
	s->pipeline_lock = 0;
}

/* arg: a bit for each operation taken back, and above the first to look at. */
bool step_drop_cancel_op(struct actor *a, struct frame f)
{
	struct state *s = a->s;
	unsigned taken = (unsigned)f.arg & ((1u << NR_OPS) - 1);
	unsigned i = next_listed(s, (unsigned)f.arg >> NR_OPS);

	if (i == NR_OPS || !a->m->config.engine_cancels) {
		drop_leave(a, f, taken);
		return true;
	}
	if (s->ops[i].where == OP_QUEUED) {
		if (s->ops[i].life != f.life)
			violate(a->m, "a stale cancel takes an operation of the slot's next life");
		s->ops[i].where = OP_TAKEN;
		s->ops[i].is_listed = false;
		taken |= 1u << i;
	}
	i = next_listed(s, i + 1);
	if (i == NR_OPS)
		drop_leave(a, f, taken);
	else
		push(a, AT_drop_cancel_op, f.life, taken | i << NR_OPS);
	return true;
}

/* ------------------------------------------------------------ units of work */

static void all_work_done(struct actor *a, struct frame f)
{
	struct state *s = a->s;

	push(a, AT_work_finish, f.life, 0);
	if (s->has_stream) {
		push(a, AT_scheduler_run, f.life, 0);
		push(a, AT_stream_free, f.life, 0);
	}
}

bool step_work_done(struct actor *a, struct frame f)
{
	struct state *s = a->s;
	bool is_again = s->is_finishing && !is_broken(a, BROKEN_LAST_TWICE);

	uses_slot(a, f);
	if (!s->work)
		violate(a->m, "more work is done than there was");
	if (--s->work)
		return true;
	if (a->m->config.has_last && !is_again && is_wanted(s))
		push(a, AT_last_begin, f.life, 0);
	else
		all_work_done(a, f);
	return true;
}

/* ds_target_finish(): by now all other operations are free again. */
bool step_last_begin(struct actor *a, struct frame f)
{
	struct state *s = a->s;

	uses_slot(a, f);
	if (s->is_finishing)
		violate(a->m, "the last operation comes twice");
	s->is_finishing = true;
	if (!is_broken(a, BROKEN_LAST_UNTOUCHED) && !touch_begin(a)) {
		all_work_done(a, f);
		return true;
	}
	s->work = 1;
	if (s->ops[0].where != OP_FREE)
		violate(a->m, "the last operation is not the last");
	s->ops[0] = (struct op){
		.where = OP_QUEUED,
		.window = NONE,
		.is_last = true,
		.life = (uint8_t)f.life,
	};
	return true;
}

bool step_stream_free(struct actor *a, struct frame f)
{
	if (a->s->pipeline_lock)
		return false;
	uses_slot(a, f);
	if (a->s->ready)
		violate(a->m, "a stream is freed whose windows wait");
	a->s->has_stream = false;
	return true;
}

bool step_work_finish(struct actor *a, struct frame f)
{
	struct state *s = a->s;
	struct ds_slot *slot = slot_load(s);
	enum ds_state to = s->error ? DS_STATE_FAILED : DS_STATE_COMPLETE;
	bool finished;

	uses_slot(a, f);
	/* The function does not look at the count: its callers promise this. */
	if (touchers_of(s))
		violate(a->m, "a request is finished that somebody touches");
	finished = ds_slot_finish(slot, to);
	slot_store(s, slot);
	if (!finished && is_broken(a, BROKEN_FINISH_IGNORES_CANCEL)) {
		s->word = DS_WORD(DS_WORD_GENERATION(s->word), to);
		finished = true;
	}
	push(a, AT_drop_live, f.life, 1);
	if (!is_broken(a, BROKEN_NO_PIPELINE_HOLD))
		push(a, AT_slot_put, f.life, 0);
	if (finished)
		push(a, AT_request_ended, f.life, 1);
	return true;
}

bool step_touch_end(struct actor *a, struct frame f)
{
	struct state *s = a->s;
	struct ds_slot *slot = slot_load(s);

	uses_slot(a, f);
	if (!touchers_of(s))
		violate(a->m, "a touch ends that had not begun");
	if (ds_slot_touch_end(slot))
		push(a, AT_request_ended, f.life, 1);
	slot_store(s, slot);
	return true;
}

/* -------------------------------------------------- the engine, and io_done.c */

/* An engine's thread takes the operation arg; from here on it cannot be taken back. */
bool step_op_begin(struct actor *a, struct frame f)
{
	struct op *op = &a->s->ops[f.arg];

	if (op->where != OP_QUEUED)
		return false;
	op->where = OP_BEGUN;
	push(a, AT_op_begin, 0, f.arg);
	push(a, AT_op_done, op->life, f.arg);
	return true;
}

bool step_op_done(struct actor *a, struct frame f)
{
	static const uint8_t outcomes[] = { AT_finish_op, AT_op_fail, AT_op_wants_more };
	const struct config *c = &a->m->config;
	struct op *op = &a->s->ops[f.arg];
	bool possible[] = { true, c->io_error != 0, op->retries < c->retries };
	unsigned choice = a->choice;

	for (unsigned i = 0; i < sizeof(outcomes); i++) {
		if (!possible[i] || choice-- > 0)
			continue;
		op->where = OP_ANSWERED;
		push(a, outcomes[i], f.life, f.arg);
		return true;
	}
	return false;
}

bool step_op_fail(struct actor *a, struct frame f)
{
	slot_fail(a, f, a->m->config.io_error);
	push(a, AT_finish_op, f.life, f.arg);
	return true;
}

bool step_op_wants_more(struct actor *a, struct frame f)
{
	uses_slot(a, f);
	if (ds_slot_wants_bytes(slot_load(a->s)))
		push(a, AT_op_start_again, f.life, f.arg);
	else
		push(a, AT_finish_op, f.life, f.arg);
	return true;
}

bool step_op_start_again(struct actor *a, struct frame f)
{
	a->s->ops[f.arg].retries++;
	a->s->ops[f.arg].where = OP_QUEUED;
	return true;
}

bool step_finish_op(struct actor *a, struct frame f)
{
	struct state *s = a->s;
	struct op op = s->ops[f.arg];
	bool early = is_broken(a, BROKEN_WORK_BEFORE_TOUCH_END);

	if (s->pipeline_lock)
		return false;
	uses_slot(a, f);
	s->ops[f.arg] = (struct op){ .where = OP_FREE, .window = NONE };
	s->ops_in_flight = (uint8_t)(s->ops_in_flight - !op.is_last);
	if (s->is_scheduled && s->ops_in_flight * 2 <= a->m->config.max_ops)
		push(a, AT_scheduler_run, f.life, 0);
	if (!early)
		push(a, AT_work_done, f.life, 0);
	if (op.window != NONE)
		push(a, AT_window_read_done, f.life, op.window);
	else
		push(a, op.is_head ? AT_head_done : AT_touch_end, f.life, 0);
	if (early)
		push(a, AT_work_done, f.life, 0);
	return true;
}
