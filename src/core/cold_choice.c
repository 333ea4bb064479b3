/* SPDX-License-Identifier: MIT */
/*
 * cold_choice.c: whether what is not cached is read straight into the caller's memory, or into staging memory and
 * copied, where direct I/O is the runtime's choice.
 *
 * A copy costs CPU time. But staging memory lies in huge pages and the caller's seldom does, and for most
 * virtual disks each piece of memory is work: there the detour brings up to twice as many bytes. Nothing tells
 * that beforehand, so both ways are tried on a part of what is read; the faster one goes on for a turn, then
 * the other one is tried again.
 *
 * The reads between two changes of the way are a span. What is compared is how fast bytes come where they belong
 * while reads of one span only are under way, less the time in which the caller wanted nothing; a try
 * lasts until enough was measured so. The time from the first to the last read of a try would not do: as
 * much as all of it can be under way at once, together with what was made before.
 */
#include "core/pipeline.h"
#include "core/queue.h"

/* A disk is as fast with large requests as with small ones only for some ways: they have a choice each. */
#define LARGE_NBYTES	(256u << 10)
/* So much of a span is left out before: what it begins with has an empty disk. */
#define WARM_UP_NBYTES	(8u << 20)
/* So much is measured at a time. */
#define MEASURED_NBYTES (32u << 20)
/* A try that is so much slower ends when less is measured. */
#define CLEAR_NBYTES	(16u << 20)
#define CLEARLY		1.25
/* A turn; twice as long each time that the same way wins. */
#define MIN_TURN_NBYTES (UINT64_C(512) << 20)
#define MAX_TURN_NBYTES (UINT64_C(16) << 30)
/* The copy has to be worth its CPU time. */
#define WORTH		(1.0 + 1.0 / 32)

static void begin_measuring(struct ds_cold_choice *c, uint64_t now_ns)
{
	c->is_measuring = true;
	c->begin_ns = now_ns;
	c->idle_ns = 0;
	c->nbytes = 0;
}

static void begin_span(struct ds_cold_choice *c, bool is_straight)
{
	c->span++;
	c->is_straight = is_straight;
	c->nr_open_here = 0;
	c->nbytes = 0;
	c->is_measuring = false;
	c->is_measured = false;
}

static void end_try(struct ds_cold_choice *c)
{
	bool is_straight_best = c->ns_per_byte[true] <= c->ns_per_byte[false] * WORTH;
	bool is_won = is_straight_best == c->is_straight;

	c->is_try = false;
	c->turn_nbytes = is_won || !c->turn_nbytes
				 ? MIN_TURN_NBYTES
				 : ds_min_u64(2 * c->turn_nbytes, MAX_TURN_NBYTES);
	c->left_nbytes = c->turn_nbytes;
	if (!is_won)
		begin_span(c, !c->is_straight);
}

bool ds_cold_is_straight(struct ds_cold_choice *c)
{
	if (c->is_measured && c->is_try) {
		end_try(c);
	} else if (c->is_measured && !c->left_nbytes) {
		begin_span(c, !c->is_straight);
		c->is_try = true;
	}
	return c->is_straight;
}

struct ds_cold_choice *ds_cold_choice_of(struct ds_pipeline *pl, uint64_t nbytes)
{
	return &pl->cold[nbytes >= LARGE_NBYTES];
}

bool ds_cold_has_staged(const struct ds_pipeline *pl)
{
	return pl->cold[0].nr_staged || pl->cold[1].nr_staged;
}

void ds_cold_start(struct ds_cold_choice *c, struct ds_cold_read *r, uint64_t nbytes,
		   uint64_t now_ns)
{
	*r = (struct ds_cold_read){
		.choice = c,
		.span = c->span,
		.is_staged = !c->is_straight,
	};
	if (!c->nr_open)
		c->idle_ns += now_ns - c->last_ns;
	c->nr_open++;
	c->nr_open_here++;
	c->nr_staged += r->is_staged;
	c->left_nbytes -= ds_min_u64(nbytes, c->left_nbytes);
}

static bool is_clear(const struct ds_cold_choice *c, double latest)
{
	return c->is_try && c->nbytes >= CLEAR_NBYTES &&
	       latest > c->ns_per_byte[!c->is_straight] * CLEARLY;
}

/* A span's latest counts most when it is compared. */
static void measure(struct ds_cold_choice *c, uint64_t now_ns)
{
	double *result = &c->ns_per_byte[c->is_straight];
	double latest = (double)(now_ns - c->begin_ns - c->idle_ns) / (double)c->nbytes;

	if (c->nbytes < MEASURED_NBYTES && !is_clear(c, latest))
		return;
	*result = c->is_measured ? (*result + latest) / 2 : latest;
	c->is_measured = true;
	begin_measuring(c, now_ns);
}

void ds_cold_done(struct ds_cold_read *r, uint64_t nbytes, uint64_t now_ns)
{
	struct ds_cold_choice *c = r->choice;

	r->choice = NULL;
	c->nr_open--;
	c->nr_staged -= r->is_staged;
	if (r->span == c->span)
		c->nr_open_here--;
	c->last_ns = now_ns;
	if (c->nr_open != c->nr_open_here)
		return; /* some of the span before are still under way */
	c->nbytes += nbytes;
	if (c->is_measuring)
		measure(c, now_ns);
	else if (c->nbytes >= WARM_UP_NBYTES)
		begin_measuring(c, now_ns);
}
