/* SPDX-License-Identifier: MIT */
/* window_steps.c: window.c and workers.c as steps. */
#include "model.h"

#include "pipeline_steps.h"

/* ---------------------------------------------------------------- window.c */

static void unpark(struct actor *a)
{
	if (!a->s->is_parked || is_broken(a, BROKEN_NO_UNPARK))
		return;
	a->s->is_parked = false;
	a->s->is_scheduled = true;
}

bool step_window_read_done(struct actor *a, struct frame f)
{
	uses_slot(a, f);
	if (!--a->s->windows[f.arg].reads)
		push(a, AT_window_is_wanted, f.life, f.arg);
	return true;
}

bool step_window_is_wanted(struct actor *a, struct frame f)
{
	bool is_feed = a->m->config.kind == KIND_FEED;
	bool wanted = a->m->config.kind == KIND_STAGED ? ds_slot_wants_bytes(slot_load(a->s))
						       : is_wanted(a->s);

	uses_slot(a, f);
	if (!wanted) {
		push(a, AT_window_end, f.life, f.arg);
		if (is_feed)
			push(a, AT_end_ready_windows, f.life, 0);
	} else if (is_feed) {
		if (!is_broken(a, BROKEN_FEED_LOOKS_ONCE))
			push(a, AT_feed_look_again, f.life, 0);
		push(a, AT_feed_next, f.life, f.arg);
	} else if (a->m->config.is_small) {
		push(a, AT_copy_at_once, f.life, f.arg);
	} else {
		push(a, AT_workers_push, f.life, f.arg);
	}
	return true;
}

bool step_copy_at_once(struct actor *a, struct frame f)
{
	bool touched = touch_begin(a);

	uses_slot(a, f);
	push(a, AT_window_end, f.life, f.arg);
	if (touched)
		push(a, AT_touch_end, f.life, 0);
	if (touched || is_broken(a, BROKEN_TOUCH_WHEN_CANCELLED)) {
		a->self->touching = (uint8_t)(f.life + 1);
		push(a, AT_run_window, f.life, f.arg);
	}
	return true;
}

bool step_window_end(struct actor *a, struct frame f)
{
	struct state *s = a->s;

	if (s->pipeline_lock)
		return false;
	uses_slot(a, f);
	if (!s->windows[f.arg].is_used || s->windows[f.arg].life != f.life)
		violate(a->m, "a window ends twice");
	s->windows[f.arg] = (struct window){ .is_used = false };
	s->nr_windows--;
	unpark(a);
	if (s->is_scheduled)
		push(a, AT_scheduler_run, f.life, 0);
	push(a, AT_work_done, f.life, 0);
	return true;
}

/* arg: a window that has arrived, or NONE: the one before has been fed. */
bool step_feed_next(struct actor *a, struct frame f)
{
	struct state *s = a->s;

	if (s->pipeline_lock)
		return false;
	uses_slot(a, f);
	if (f.arg == NONE)
		s->next_feed++;
	else
		s->ready = (uint8_t)(s->ready | 1u << f.arg);
	for (unsigned w = 0; w < NR_WINDOWS; w++) {
		if (!(s->ready & 1u << w) || s->windows[w].sequence != s->next_feed)
			continue;
		s->ready = (uint8_t)(s->ready & ~(1u << w));
		push(a, AT_workers_push, f.life, w);
		break;
	}
	return true;
}

bool step_feed_look_again(struct actor *a, struct frame f)
{
	uses_slot(a, f);
	if (!is_wanted(a->s))
		push(a, AT_end_ready_windows, f.life, 0);
	return true;
}

bool step_window_fed(struct actor *a, struct frame f)
{
	uses_slot(a, f);
	push(a, AT_window_end, f.life, f.arg);
	if (is_wanted(a->s))
		push(a, AT_feed_next, f.life, NONE);
	else
		push(a, AT_end_ready_windows, f.life, 0);
	return true;
}

bool step_end_ready_windows(struct actor *a, struct frame f)
{
	struct state *s = a->s;

	if (s->pipeline_lock)
		return false;
	uses_slot(a, f);
	for (unsigned w = NR_WINDOWS; w-- > 0;) {
		if (s->ready & 1u << w)
			push(a, AT_window_end, f.life, w);
	}
	s->ready = 0;
	return true;
}

bool step_head_done(struct actor *a, struct frame f)
{
	bool wanted = is_wanted(a->s);

	uses_slot(a, f);
	if (a->choice > (wanted && a->m->config.may_corrupt))
		return false;
	if (a->choice)
		slot_fail(a, f, DS_ERR_CORRUPT_DATA);
	push(a, AT_head_unpark, f.life, 0);
	return true;
}

bool step_head_unpark(struct actor *a, struct frame f)
{
	if (a->s->pipeline_lock)
		return false;
	uses_slot(a, f);
	a->s->is_planned = true;
	unpark(a);
	push(a, AT_scheduler_run, f.life, 0);
	return true;
}

/* --------------------------------------------------------------- workers.c */

bool step_workers_push(struct actor *a, struct frame f)
{
	struct window *w = &a->s->windows[f.arg];
	bool has_units = a->m->config.kind == KIND_UNITS || a->m->config.kind == KIND_WHOLE;

	uses_slot(a, f);
	if (!w->is_used || w->is_queued || w->life != f.life)
		violate(a->m, "a window goes to the workers that is not one's own");
	w->is_queued = true;
	w->max_join = has_units && w->is_planned && w->next_unit < w->nr_units ? 2 : 1;
	return true;
}

/* Any window that waits: more than the code's order allows. */
bool step_worker_join(struct actor *a, struct frame f)
{
	unsigned choice = a->choice;

	for (unsigned i = 0; i < NR_WINDOWS; i++) {
		struct window *w = &a->s->windows[i];

		if (!w->is_queued || choice-- > 0)
			continue;
		if (++w->nr_joined >= w->max_join)
			w->is_queued = false;
		push(a, AT_worker_join, 0, f.arg);
		push(a, AT_work_touch_begin, w->life, i);
		return true;
	}
	return false;
}

/* arg of work_leave: the window, and above whether it was planned when it was begun. */
bool step_work_touch_begin(struct actor *a, struct frame f)
{
	unsigned was_planned = a->s->windows[f.arg].is_planned ? 4u : 0;
	bool touched = touch_begin(a);

	uses_slot(a, f);
	if (is_broken(a, BROKEN_LEAVE_BEFORE_TOUCH_END) && touched)
		push(a, AT_touch_end, f.life, 0);
	push(a, AT_work_leave, f.life, f.arg | was_planned);
	if (touched && !is_broken(a, BROKEN_LEAVE_BEFORE_TOUCH_END))
		push(a, AT_touch_end, f.life, 0);
	if (touched || is_broken(a, BROKEN_TOUCH_WHEN_CANCELLED)) {
		a->self->touching = (uint8_t)(f.life + 1);
		push(a, AT_run_window, f.life, f.arg);
	}
	return true;
}

/* Decoding: choice 1 is that it fails. */
static bool decode(struct actor *a, struct frame f)
{
	if (a->choice > a->m->config.may_corrupt)
		return false;
	if (a->choice)
		slot_fail(a, f, DS_ERR_CORRUPT_DATA);
	return true;
}

bool step_run_window(struct actor *a, struct frame f)
{
	struct window *w = &a->s->windows[f.arg];
	bool has_units = a->m->config.kind == KIND_UNITS || a->m->config.kind == KIND_WHOLE;
	bool is_copy = a->m->config.kind == KIND_STAGED || a->m->config.kind == KIND_MEMORY;

	uses_slot(a, f);
	if (has_units && w->is_planned) {
		push(a, AT_units_is_wanted, f.life, f.arg);
		return !a->choice;
	}
	if (is_copy ? a->choice : !decode(a, f))
		return false;
	if (has_units) {
		w->is_planned = true;
		w->nr_units = a->choice ? 0 : w->nr_units;
	}
	a->self->touching = 0;
	return true;
}

bool step_units_is_wanted(struct actor *a, struct frame f)
{
	uses_slot(a, f);
	if (is_wanted(a->s))
		push(a, AT_units_take, f.life, f.arg);
	else
		a->self->touching = 0;
	return true;
}

bool step_units_take(struct actor *a, struct frame f)
{
	struct window *w = &a->s->windows[f.arg];

	uses_slot(a, f);
	if (w->next_unit >= w->nr_units) {
		a->self->touching = 0;
		return true;
	}
	w->next_unit++;
	push(a, AT_units_decode, f.life, f.arg);
	return true;
}

bool step_units_decode(struct actor *a, struct frame f)
{
	uses_slot(a, f);
	if (!decode(a, f))
		return false;
	push(a, AT_units_is_wanted, f.life, f.arg);
	return true;
}

bool step_work_leave(struct actor *a, struct frame f)
{
	unsigned i = f.arg & 3;
	bool was_planned = f.arg & 4;
	struct window *w = &a->s->windows[i];

	uses_slot(a, f);
	w->is_queued = false;
	if (!w->nr_joined)
		violate(a->m, "a worker leaves a window that it had not joined");
	if (--w->nr_joined)
		return true;
	if (!was_planned && w->is_planned && w->nr_units)
		push(a, AT_workers_push, f.life, i);
	else if (a->m->config.kind == KIND_FEED)
		push(a, AT_window_fed, f.life, i);
	else
		push(a, AT_window_end, f.life, i);
	return true;
}
