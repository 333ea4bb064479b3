/* SPDX-License-Identifier: MIT */
/*
 * cold_choice.c: how a file that is read from front to back is read where it is not cached.
 *
 * Direct I/O costs less CPU and leaves the page cache alone; but the kernel reads ahead, and some
 * disks serve that better than any number of direct reads. So both are tried on a part of the
 * stream, and the faster one goes on for a turn; then both are tried again.
 *
 * What is compared is how long everything takes that was read during a try, from the
 * completion of the last operation before it to that of its own last one, less the time
 * in which the caller wanted nothing. The latency of single operations would not do: when
 * the kernel reads ahead, few of them wait for the disk and the others find their bytes cached.
 */
#include <string.h>

#include "core/file.h"
#include "core/queue.h"

/* Smaller reads, and those of files that are not read in order, are direct. */
#define MIN_READ_NBYTES		   (256u << 10)
#define MIN_STREAK		   (8u << 20)
#define TRY_NBYTES		   (32u << 20)
/* A turn; twice as long each time that the same one wins. */
#define MIN_TURN_NBYTES		   (UINT64_C(1) << 30)
#define MAX_TURN_NBYTES		   (UINT64_C(16) << 30)
/* The page cache has to be worth its CPU time and memory: 1/32 better. */
#define is_worth(buffered, direct) ((buffered) + (buffered) / 32 < (direct))

static bool is_in_order(struct ds_file *f, uint64_t offset, uint64_t nbytes)
{
	/* Operations of one stream may be made a little out of order. */
	bool follows = offset >= f->next_offset && offset - f->next_offset <= MIN_STREAK;

	f->streak = follows ? f->streak + nbytes : 0;
	f->next_offset = offset + nbytes;
	return f->streak >= MIN_STREAK;
}

static bool is_try(enum ds_cold_span span)
{
	return span == DS_COLD_TRY_DIRECT || span == DS_COLD_TRY_BUFFERED;
}

/* Turns are told apart, because operations of the last one may still be under way. */
static enum ds_cold_span this_turn(const struct ds_cold_choice *c)
{
	return c->nr_turns % 2 ? DS_COLD_ODD_TURN : DS_COLD_EVEN_TURN;
}

/* Once both tries have ended. */
static void decide(struct ds_cold_choice *c)
{
	uint64_t direct_end = c->end_ns[DS_COLD_TRY_DIRECT];
	uint64_t buffered_end = c->end_ns[DS_COLD_TRY_BUFFERED];
	uint64_t direct, buffered;
	bool is_buffered;

	if (is_try(c->span) || !c->is_undecided || !direct_end || !buffered_end)
		return;
	direct = direct_end > c->begin_ns ? direct_end - c->begin_ns : 0;
	direct -= ds_min_u64(direct, c->idle_ns[DS_COLD_TRY_DIRECT]);
	buffered = buffered_end > direct_end ? buffered_end - direct_end : 0;
	buffered -= ds_min_u64(buffered, c->idle_ns[DS_COLD_TRY_BUFFERED]);
	is_buffered = is_worth(buffered, direct);
	c->turn_nbytes = c->turn_nbytes && is_buffered == c->is_buffered
				 ? ds_min_u64(2 * c->turn_nbytes, MAX_TURN_NBYTES)
				 : MIN_TURN_NBYTES;
	c->left_nbytes = c->turn_nbytes;
	c->is_buffered = is_buffered;
	c->is_undecided = false;
}

static void begin_tries(struct ds_cold_choice *c)
{
	c->span = DS_COLD_TRY_DIRECT;
	c->left_nbytes = TRY_NBYTES;
	c->is_undecided = true;
	c->begin_ns = 0;
	memset(c->end_ns, 0, sizeof(c->end_ns));
	memset(c->idle_ns, 0, sizeof(c->idle_ns));
}

static void next_span(struct ds_cold_choice *c)
{
	if (!is_try(c->span)) {
		begin_tries(c);
		return;
	}
	if (!c->nr_open[c->span])
		c->end_ns[c->span] = c->last_ns;
	if (c->span == DS_COLD_TRY_DIRECT) {
		c->span = DS_COLD_TRY_BUFFERED;
		c->left_nbytes = TRY_NBYTES;
		return;
	}
	c->nr_turns++;
	c->span = this_turn(c);
	c->left_nbytes = 0;
	decide(c);
}

static bool is_buffered_now(const struct ds_cold_choice *c)
{
	if (is_try(c->span))
		return c->span == DS_COLD_TRY_BUFFERED;
	/* Until the last operations of the tries are done it goes on as in the last of them. */
	return c->is_undecided || c->is_buffered;
}

static bool is_over(struct ds_cold_choice *c, uint64_t nbytes)
{
	/* The streak before was not looked at: its operations are under way and in nobody's time. */
	if (!c->has_begun) {
		c->has_begun = true;
		c->left_nbytes = MIN_STREAK;
	}
	return c->left_nbytes < nbytes && (is_try(c->span) || !c->is_undecided);
}

struct ds_cold_pick ds_cold_choose(struct ds_pipeline *pl, struct ds_slot *s, uint64_t offset,
				   uint64_t nbytes)
{
	struct ds_cold_pick pick = { .span = DS_COLD_NO_SPAN };
	struct ds_cold_choice *c = &pl->cold;
	bool is_cached, ends;

	if (!s->io.file || !is_in_order(s->io.file, offset, nbytes) || nbytes < MIN_READ_NBYTES)
		return pick;
	is_cached = pl->engine->ops->is_cached(pl->engine, s->io.fd, offset, nbytes);
	ends = is_over(c, nbytes);
	/*
	 * Reading ahead makes most of a stream cached, so that all of it counts; but a try begins
	 * where it is not.
	 */
	if (ends && !is_cached)
		next_span(c);
	c->left_nbytes -= ds_min_u64(nbytes, c->left_nbytes);
	if (ends && is_cached && is_try(c->span))
		return pick;
	pick.span = c->span;
	pick.is_buffered = !is_cached && is_buffered_now(c);
	return pick;
}

void ds_cold_start(struct ds_pipeline *pl, enum ds_cold_span span, uint64_t now_ns)
{
	struct ds_cold_choice *c = &pl->cold;
	unsigned nr_open = 0;

	for (unsigned i = 0; i < DS_COLD_SPANS; i++)
		nr_open += c->nr_open[i];
	if (span == DS_COLD_TRY_DIRECT && !c->begin_ns) {
		if (!c->nr_open[this_turn(c)])
			c->begin_ns = now_ns;
	} else if (!nr_open) {
		c->idle_ns[span] += now_ns - c->last_ns;
	}
	c->nr_open[span]++;
}

void ds_cold_done(struct ds_pipeline *pl, enum ds_cold_span span, uint64_t now_ns)
{
	struct ds_cold_choice *c = &pl->cold;

	c->last_ns = now_ns;
	if (--c->nr_open[span])
		return;
	if (is_try(span) && c->span != span)
		c->end_ns[span] = now_ns;
	else if (c->span == DS_COLD_TRY_DIRECT && span == this_turn(c) && !c->begin_ns)
		c->begin_ns = now_ns;
	decide(c);
}
