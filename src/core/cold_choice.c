/* SPDX-License-Identifier: MIT */
/*
 * cold_choice.c: how a file that is read from front to back is read where it is not cached.
 *
 * Direct I/O costs less CPU and leaves the page cache alone; but the kernel reads ahead, and some
 * disks serve that better than any number of direct reads. So both are tried on a part of the
 * stream, and the one with the shorter latency for the same bytes goes on: with as many
 * operations in flight that is the one with more throughput. Now and then the other gets another try.
 */
#include "base/clock.h"
#include "core/file.h"
#include "core/queue.h"

/* Smaller reads, and those of files that are not read in order, are direct. */
#define MIN_READ_NBYTES		   (256u << 10)
#define MIN_STREAK		   (8u << 20)
/* A try; its first half has still the other's operations before it. */
#define TRY_NBYTES		   (48u << 20)
#define SETTLING_NBYTES		   (TRY_NBYTES / 2)
/* What the better one is read between tries. */
#define TURN_NBYTES		   (UINT64_C(1) << 30)
/* The page cache has to be worth its CPU time and memory: 1/8 better. */
#define is_worth(buffered, direct) ((buffered) + (buffered) / 8 < (direct))
#define AVERAGE_SHIFT		   4

static bool is_in_order(struct ds_file *f, uint64_t offset, uint64_t nbytes)
{
	/* Operations of one stream may be made a little out of order. */
	bool follows = offset >= f->next_offset && offset - f->next_offset <= MIN_STREAK;

	f->streak = follows ? f->streak + nbytes : 0;
	f->next_offset = offset + nbytes;
	return f->streak >= MIN_STREAK;
}

/* The next try or turn. */
static void change_over(struct ds_cold_choice *c)
{
	uint64_t direct = c->ns_per_mib[DS_COLD_DIRECT], buffered = c->ns_per_mib[DS_COLD_BUFFERED];
	enum ds_cold better = is_worth(buffered, direct) ? DS_COLD_BUFFERED : DS_COLD_DIRECT;
	enum ds_cold other = better == DS_COLD_DIRECT ? DS_COLD_BUFFERED : DS_COLD_DIRECT;

	if (!direct || !buffered)
		c->now = direct ? DS_COLD_BUFFERED : DS_COLD_DIRECT;
	else
		c->now = c->is_turn ? other : better;
	c->is_turn = direct && buffered && !c->is_turn;
	c->left_nbytes = c->is_turn ? TURN_NBYTES : TRY_NBYTES;
	c->settling_nbytes = SETTLING_NBYTES;
}

enum ds_cold ds_cold_choose(struct ds_pipeline *pl, struct ds_slot *s, uint64_t offset,
			    uint64_t nbytes)
{
	struct ds_cold_choice *c = &pl->cold;

	if (!s->io.file || !is_in_order(s->io.file, offset, nbytes) || nbytes < MIN_READ_NBYTES ||
	    pl->engine->ops->is_cached(pl->engine, s->io.fd, offset, nbytes))
		return DS_COLD_NONE;
	if (c->left_nbytes < nbytes)
		change_over(c);
	c->left_nbytes -= ds_min_u64(nbytes, c->left_nbytes);
	return c->now;
}

void ds_cold_start(struct ds_pipeline *pl, struct ds_op *op, enum ds_cold how)
{
	struct ds_cold_choice *c = &pl->cold;

	op->cold = how;
	op->start_ns = 0;
	if (how == DS_COLD_NONE)
		return;
	if (c->settling_nbytes >= op->all_nbytes)
		c->settling_nbytes -= op->all_nbytes;
	else
		op->start_ns = ds_now_ns();
}

void ds_cold_done(struct ds_pipeline *pl, struct ds_op *op, uint64_t now_ns)
{
	uint64_t *average = &pl->cold.ns_per_mib[op->cold], ns;

	if (!op->start_ns || op->done_nbytes < op->all_nbytes)
		return;
	ns = ((now_ns - op->start_ns) << 10) / (op->all_nbytes >> 10);
	*average = *average ? *average - (*average >> AVERAGE_SHIFT) + (ns >> AVERAGE_SHIFT) : ns;
}
