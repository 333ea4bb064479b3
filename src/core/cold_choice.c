/* SPDX-License-Identifier: MIT */
/*
 * cold_choice.c: how a file that is read from front to back is read where it is not cached.
 *
 * Direct I/O costs less CPU and leaves the page cache alone; but the kernel reads ahead, and some
 * disks serve that better than any number of direct reads. So now and then the other way is tried on a
 * part of the stream, and the faster one goes on for a turn.
 *
 * The operations between two changes of the way are a span. What is compared is how fast bytes
 * arrive while operations of one span only are under way, less the time in which the caller
 * wanted nothing; a try lasts until enough was measured so. The latency of single operations would
 * not do: when the kernel reads ahead, few of them wait for the disk and the others find their bytes
 * cached. Nor would the time from the first to the last operation of a try: as much
 * as all of it can be under way at once, together with what was made before.
 */
#include "core/file.h"
#include "core/queue.h"

/* Smaller reads, and those of files that are not read in order, are direct. */
#define MIN_READ_NBYTES (256u << 10)
#define MIN_STREAK	(8u << 20)
/*
 * So much of a span is left out before: at first those operations complete that had to wait for nothing,
 * and the others gather.
 */
#define WARM_UP_NBYTES	(16u << 20)
/* So much is measured at a time. */
#define MEASURED_NBYTES (64u << 20)
/* A turn; twice as long each time that the same one wins. */
#define MIN_TURN_NBYTES (UINT64_C(1) << 30)
#define MAX_TURN_NBYTES (UINT64_C(16) << 30)
/* The page cache has to be worth its CPU time and memory. */
#define WORTH		(1.0 + 1.0 / 32)

static bool is_in_order(struct ds_file *f, uint64_t offset, uint64_t nbytes)
{
	/* Operations of one stream may be made a little out of order. */
	bool follows = offset >= f->next_offset && offset - f->next_offset <= MIN_STREAK;

	f->streak = follows ? f->streak + nbytes : 0;
	f->next_offset = offset + nbytes;
	return f->streak >= MIN_STREAK;
}

static void begin_measuring(struct ds_cold_choice *c, uint64_t now_ns)
{
	c->is_measuring = true;
	c->begin_ns = now_ns;
	c->idle_ns = 0;
	c->nbytes = 0;
}

static void begin_span(struct ds_cold_choice *c, bool is_buffered, bool is_try)
{
	if (++c->span == DS_COLD_NO_SPAN)
		c->span++;
	c->is_buffered = is_buffered;
	c->is_try = is_try;
	c->nr_open_here = 0;
	c->nbytes = 0;
	c->is_measuring = false;
	c->is_measured = false;
}

static void begin_turn(struct ds_cold_choice *c, bool is_buffered)
{
	/* A try follows a turn of the other way: it was won, or is not gone on with. */
	bool is_same = c->turn_nbytes && is_buffered != c->is_buffered;

	c->turn_nbytes =
		is_same ? ds_min_u64(2 * c->turn_nbytes, MAX_TURN_NBYTES) : MIN_TURN_NBYTES;
	c->left_nbytes = c->turn_nbytes;
	if (is_buffered != c->is_buffered)
		begin_span(c, is_buffered, false);
	else
		c->is_try = false;
}

/* Before an operation is made that is not cached: the way changes nowhere else. */
static void change(struct ds_cold_choice *c)
{
	if (c->span == DS_COLD_NO_SPAN)
		begin_span(c, false, false);
	else if (!c->is_measured)
		return;
	else if (c->is_try)
		begin_turn(c, c->ns_per_byte[1] * WORTH < c->ns_per_byte[0]);
	else if (!c->left_nbytes)
		begin_span(c, !c->is_buffered, true);
}

struct ds_cold_pick ds_cold_choose(struct ds_pipeline *pl, struct ds_slot *s, uint64_t offset,
				   uint64_t nbytes)
{
	struct ds_cold_pick pick = { .span = DS_COLD_NO_SPAN };
	struct ds_cold_choice *c = &pl->cold;
	bool is_cached;

	if (!s->io.file || !is_in_order(s->io.file, offset, nbytes) || nbytes < MIN_READ_NBYTES)
		return pick;
	is_cached = pl->engine->ops->is_cached(pl->engine, s->io.fd, offset, nbytes);
	if (!is_cached)
		change(c);
	/* Reading ahead makes most of a stream cached: what is cached counts as well. */
	c->left_nbytes -= ds_min_u64(nbytes, c->left_nbytes);
	pick.span = c->span;
	pick.is_buffered = !is_cached && c->is_buffered;
	return pick;
}

void ds_cold_start(struct ds_pipeline *pl, uint32_t span, uint64_t now_ns)
{
	struct ds_cold_choice *c = &pl->cold;

	if (!c->nr_open)
		c->idle_ns += now_ns - c->last_ns;
	c->nr_open++;
	if (span == c->span)
		c->nr_open_here++;
}

/* A span's latest counts most when it is compared. */
static void measure(struct ds_cold_choice *c, uint64_t nbytes, uint64_t now_ns)
{
	double *result = &c->ns_per_byte[c->is_buffered];
	double latest;

	c->nbytes += nbytes;
	if (c->nbytes < MEASURED_NBYTES)
		return;
	latest = (double)(now_ns - c->begin_ns - c->idle_ns) / (double)c->nbytes;
	*result = c->is_measured ? (*result + latest) / 2 : latest;
	c->is_measured = true;
	begin_measuring(c, now_ns);
}

void ds_cold_done(struct ds_pipeline *pl, uint32_t span, uint64_t nbytes, uint64_t now_ns)
{
	struct ds_cold_choice *c = &pl->cold;

	c->nr_open--;
	if (span == c->span)
		c->nr_open_here--;
	c->last_ns = now_ns;
	if (c->is_measuring)
		measure(c, nbytes, now_ns);
	else if (c->nr_open == c->nr_open_here && (c->nbytes += nbytes) >= WARM_UP_NBYTES)
		begin_measuring(c, now_ns);
}
