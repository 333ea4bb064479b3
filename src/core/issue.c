/* SPDX-License-Identifier: MIT */
/*
 * issue.c: the next operation or window of one request.
 *
 * Straight between the file and the caller's memory where no codec is in the way and
 * alignment allows it; else through a window of staging memory. All functions run with the
 * pipeline's lock held, and only make things: the scheduler starts them.
 */
#include <string.h>

#include "base/clock.h"
#include "core/queue.h"
#include "core/result.h"

#define COPY_NBYTES		 (1u << 20)
/* In one operation, so that others get their turn. */
#define MAX_DEVICE_DECODE_NBYTES (64u << 20)
/* Room in a window for the alignment of both ends. */
#define WINDOW_MARGIN		 (2 * DS_STAGING_ALIGNMENT)
/* What a worker reads itself: it is to stay in the caches of one core. */
#define MAX_LATE_NBYTES		 (512u << 10)

static bool has_direct(const struct ds_slot *s)
{
	return s->io.direct_fd >= 0;
}

static uint64_t file_offset(const struct ds_slot *s)
{
	return s->file_offset + s->issued;
}

/* An operation that somebody starts later. */
static struct ds_op *make_later_op(struct ds_pipeline *pl, struct ds_slot *s, uint64_t offset,
				   void *buf, uint32_t nbytes, bool is_direct)
{
	struct ds_op *op = ds_list_entry(ds_list_pop_front(&pl->free_ops), struct ds_op, link);

	op->slot = s;
	op->window = NULL;
	op->is_head = false;
	op->cold.choice = NULL;
	op->retries = 0;
	op->wanted = nbytes;
	op->skipped = 0;
	op->all_nbytes = nbytes;
	op->done_nbytes = 0;
	op->io = (struct ds_io_op){
		.opcode = s->is_write ? DS_IO_WRITE : DS_IO_READ,
		.is_direct = is_direct,
		.priority = s->level,
		.fd = is_direct ? s->io.direct_fd : s->io.fd,
		.nbytes = nbytes,
		.offset = offset,
		.buf = buf,
		.file_slot = is_direct ? s->io.direct_slot : s->io.slot,
		.cached_fd = s->io.finds_cached ? s->io.fd : -1,
		.cached_slot = s->io.slot,
		.done = ds_op_done,
	};
	atomic_fetch_add_explicit(&s->work, 1, memory_order_relaxed);
	pl->ops_in_flight++;
	pl->bytes_in_flight += nbytes;
	ds_count(&s->queue->counters.io_operations, 1);
	return op;
}

static struct ds_op *make_op(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch,
			     uint64_t offset, void *buf, uint32_t nbytes, bool is_direct)
{
	struct ds_op *op = make_later_op(pl, s, offset, buf, nbytes, is_direct);

	op->is_out = true;
	if (batch->last)
		batch->last->next = &op->io;
	else
		batch->first = &op->io;
	batch->last = &op->io;
	batch->nbytes += nbytes;
	return op;
}

/*
 * Reads [offset, offset + nbytes) of the file into a window, or with O_DIRECT the aligned
 * range around it.
 */
static void make_window_reads(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch,
			      struct ds_window *w, uint64_t offset, uint64_t nbytes)
{
	uint64_t align = has_direct(s) ? s->io.offset_alignment : 1;
	uint64_t begin = ds_align_down(offset, align);
	uint64_t end = ds_align_up(offset + nbytes, align);
	uint64_t step = ds_align_up((end - begin + DS_MAX_WINDOW_OPS - 1) / DS_MAX_WINDOW_OPS,
				    DS_STAGING_ALIGNMENT);
	unsigned nr = 0;

	step = ds_max_u64(step, pl->chunk_nbytes);
	w->bytes = w->staging + (offset - begin);
	for (uint64_t at = begin; at < end; at += step, nr++) {
		uint32_t n = (uint32_t)ds_min_u64(step, end - at);
		struct ds_op *op =
			make_op(pl, s, batch, at, w->staging + (at - begin), n, has_direct(s));

		op->window = w;
		op->io.is_staging = true;
		op->wanted = (uint32_t)ds_min_u64(n, offset + nbytes - at);
		op->skipped = at < offset ? (uint32_t)(offset - at) : 0;
	}
	atomic_store_explicit(&w->reads, nr, memory_order_relaxed);
}

static enum ds_issue more_or_last(const struct ds_slot *s)
{
	return s->issued == s->nbytes ? DS_ISSUE_LAST : DS_ISSUE_MORE;
}

/* ------------------------------------------------------------ without codec */

/*
 * How the next nbytes at `offset` go straight with O_DIRECT: returns how many of them, or 0
 * when they, or *staged of them, have to go through staging memory.
 */
static uint64_t split_direct(const struct ds_io_target *io, uint64_t offset, uintptr_t address,
			     uint64_t nbytes, uint64_t *staged)
{
	uint64_t oa = io->offset_alignment, ma = io->memory_alignment;
	uint64_t head = ds_align_up(offset, oa) - offset;

	*staged = nbytes;
	if (!head && !(address & (ma - 1)))
		return ds_align_down(nbytes, oa);
	/* A few bytes through staging may bring the rest into step. */
	if (head && head < nbytes && !((address + head) & (ma - 1)))
		*staged = head;
	return 0;
}

static enum ds_issue issue_straight(struct ds_pipeline *pl, struct ds_slot *s,
				    struct ds_batch *batch, uint64_t offset, void *memory,
				    uint64_t nbytes, bool is_direct)
{
	/* Counted until the operation is done: until then the memory is not the caller's. */
	if (!ds_slot_touch_begin(s))
		return DS_ISSUE_LAST;
	make_op(pl, s, batch, offset, memory, (uint32_t)nbytes, is_direct);
	s->issued += nbytes;
	return more_or_last(s);
}

static enum ds_issue issue_staged(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch,
				  uint64_t nbytes)
{
	struct ds_window *w;
	bool is_aligned;

	if (!s->target.address && pl->staging.in_use >= pl->copy_limit_nbytes)
		return DS_ISSUE_BLOCKED;
	nbytes = ds_min_u64(nbytes, pl->window_nbytes - WINDOW_MARGIN);
	is_aligned = !((file_offset(s) | nbytes) & (DS_STAGING_ALIGNMENT - 1));
	w = ds_window_alloc(pl, s, DS_WINDOW_COPY,
			    nbytes + (has_direct(s) && !is_aligned ? WINDOW_MARGIN : 0));
	if (!w)
		return DS_ISSUE_BLOCKED;
	w->src_offset = s->issued;
	w->src_nbytes = nbytes;
	make_window_reads(pl, s, batch, w, file_offset(s), nbytes);
	s->issued += nbytes;
	return more_or_last(s);
}

static bool is_cached(struct ds_pipeline *pl, const struct ds_slot *s, uint64_t offset,
		      uint64_t nbytes)
{
	return pl->engine->ops->is_cached(pl->engine, s->io.fd, offset, nbytes);
}

/* The one that was made last, of what the page cache was just asked about. */
static struct ds_op *last_cold_op(struct ds_batch *batch)
{
	struct ds_op *op = ds_container_of(batch->last, struct ds_op, io);

	op->io.cached_fd = -1;
	return op;
}

static enum ds_issue issue_cold_straight(struct ds_pipeline *pl, struct ds_slot *s,
					 struct ds_batch *batch, uint64_t offset, void *memory,
					 uint64_t nbytes, struct ds_cold_choice *c)
{
	const struct ds_io_op *before = batch->last;
	enum ds_issue issue = issue_straight(pl, s, batch, offset, memory, nbytes, true);

	if (batch->last != before)
		ds_cold_start(c, &last_cold_op(batch)->cold, nbytes, ds_now_ns());
	return issue;
}

/*
 * What may go straight with O_DIRECT, where that is not for the caller to say: out of the page cache, or on the
 * faster way from the disk.
 */
static enum ds_issue issue_best(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch,
				uint64_t offset, void *memory, uint64_t nbytes)
{
	struct ds_cold_choice *c = ds_cold_choice_of(pl, nbytes);
	enum ds_issue issue;
	struct ds_window *w;

	if (is_cached(pl, s, offset, nbytes))
		return issue_straight(pl, s, batch, offset, memory, nbytes, false);
	if (ds_cold_is_straight(c))
		return issue_cold_straight(pl, s, batch, offset, memory, nbytes, c);
	issue = issue_staged(pl, s, batch, nbytes);
	if (issue == DS_ISSUE_BLOCKED && !ds_cold_has_staged(pl))
		/* Others have all the memory, and it is not needed. */
		return issue_straight(pl, s, batch, offset, memory, nbytes, true);
	if (issue == DS_ISSUE_BLOCKED)
		return issue;
	w = last_cold_op(batch)->window;
	ds_cold_start(c, &w->cold, w->src_nbytes, ds_now_ns());
	return issue;
}

/*
 * Whether the next nbytes go from storage straight to the device. What is not aligned would go
 * through memory of the engine's own there, and what is cached is sooner had from the cache.
 */
static bool is_for_peer(struct ds_pipeline *pl, const struct ds_slot *s, uint64_t offset,
			uint64_t nbytes)
{
	uint64_t address = s->target.peer_address + s->issued;

	return s->target.peer_address && has_direct(s) && !s->always_stage &&
	       pl->engine->ops->takes_peer &&
	       !((offset | nbytes | address) & (DS_STAGING_ALIGNMENT - 1)) &&
	       pl->engine->ops->takes_peer(pl->engine, s->io.direct_fd) &&
	       !(s->io.finds_cached && pl->engine->ops->is_cached &&
		 is_cached(pl, s, offset, nbytes));
}

static enum ds_issue issue_peer(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch,
				uint64_t offset, uint64_t nbytes)
{
	uint64_t address = s->target.peer_address + s->issued;
	struct ds_op *op;

	if (!ds_slot_touch_begin(s))
		return DS_ISSUE_LAST;
	op = make_op(pl, s, batch, offset, (void *)(uintptr_t)address, (uint32_t)nbytes, false);
	op->io.fd = s->io.direct_fd;
	op->io.file_slot = s->io.direct_slot;
	op->io.cached_fd = -1;
	op->io.is_for_peer = true;
	s->issued += nbytes;
	return more_or_last(s);
}

static enum ds_issue issue_read(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch)
{
	uint64_t offset = file_offset(s);
	uint64_t n = ds_min_u64(s->nbytes - s->issued,
				pl->chunk_nbytes - (offset & (pl->chunk_nbytes - 1)));
	unsigned char *dst = s->target.address;
	uint64_t straight, staged = n;

	if (is_for_peer(pl, s, offset, n))
		return issue_peer(pl, s, batch, offset, n);
	if (!dst || s->always_stage ||
	    (has_direct(s) && !s->target.takes_direct &&
	     !(s->io.finds_cached && is_cached(pl, s, offset, n))))
		return issue_staged(pl, s, batch, n);
	dst += s->issued;
	if (!has_direct(s) || !s->target.takes_direct)
		return issue_straight(pl, s, batch, offset, dst, n, false);
	straight = split_direct(&s->io, offset, (uintptr_t)dst, n, &staged);
	if (straight >= DS_COLD_MIN_NBYTES && s->io.finds_cached && s->target.is_readable)
		return issue_best(pl, s, batch, offset, dst, straight);
	if (straight)
		return issue_straight(pl, s, batch, offset, dst, straight, true);
	if (s->io.finds_cached && is_cached(pl, s, offset, staged))
		return issue_straight(pl, s, batch, offset, dst, staged, false);
	return issue_staged(pl, s, batch, staged);
}

/*
 * Whether a write bypasses the page cache: as a whole or not at all. Were a part of a page
 * written directly and its neighbour through the cache, the cache would write old bytes over
 * the new ones. For the same reason it is not done unless asked for: others may be writing to
 * the file through the cache.
 */
static bool is_direct_write(const struct ds_slot *s)
{
	uint64_t page = ds_max_u64(s->io.offset_alignment, DS_STAGING_ALIGNMENT);

	return has_direct(s) && !s->io.finds_cached &&
	       !((s->file_offset | s->nbytes) & (page - 1)) &&
	       !((uintptr_t)s->source_memory & (s->io.memory_alignment - 1));
}

/* Out of a device's memory: the device copies it to staging memory first. */
static enum ds_issue issue_fetch(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch)
{
	uint64_t offset = file_offset(s);
	uint64_t n = ds_min_u64(s->nbytes - s->issued,
				pl->chunk_nbytes - (offset & (pl->chunk_nbytes - 1)));
	struct ds_window *w;

	n = ds_min_u64(n, ds_align_down(pl->window_nbytes, DS_STAGING_ALIGNMENT));
	w = ds_window_alloc(pl, s, DS_WINDOW_FETCH, n);
	if (!w)
		return DS_ISSUE_BLOCKED;
	w->bytes = w->staging;
	w->src_offset = s->issued;
	w->src_nbytes = n;
	w->write = make_later_op(pl, s, offset, w->staging, (uint32_t)n, is_direct_write(s));
	w->write->window = w;
	w->write->io.is_staging = true;
	atomic_store_explicit(&w->reads, 1, memory_order_relaxed);
	s->issued += n;
	batch->nbytes += n;
	ds_list_push_back(&batch->windows, &w->link);
	return more_or_last(s);
}

static enum ds_issue issue_write(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch)
{
	uint64_t offset = file_offset(s);
	uint64_t n = ds_min_u64(s->nbytes - s->issued,
				pl->chunk_nbytes - (offset & (pl->chunk_nbytes - 1)));
	unsigned char *src = (unsigned char *)s->source_memory + s->issued;

	return issue_straight(pl, s, batch, offset, src, n, is_direct_write(s));
}

/* A window over a part of the source memory. */
static void take_from_memory(struct ds_slot *s, struct ds_batch *batch, struct ds_window *w)
{
	w->bytes = (const unsigned char *)s->source_memory + w->src_offset;
	atomic_fetch_add_explicit(&s->bytes_read, w->src_nbytes, memory_order_relaxed);
	batch->nbytes += w->src_nbytes;
	ds_list_push_back(&batch->windows, &w->link);
}

static enum ds_issue issue_copy(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch)
{
	uint64_t n = ds_min_u64(s->nbytes - s->issued, COPY_NBYTES);
	struct ds_window *w;

	if (!s->target.address)
		n = ds_min_u64(n, pl->window_nbytes);
	w = ds_window_alloc(pl, s, DS_WINDOW_COPY, s->target.address ? 0 : n);
	if (!w)
		return DS_ISSUE_BLOCKED;
	w->src_offset = s->issued;
	w->src_nbytes = n;
	take_from_memory(s, batch, w);
	s->issued += n;
	return more_or_last(s);
}

/* --------------------------------------------------------------- with codec */

static enum ds_issue fail_decode(struct ds_slot *s, ds_result result)
{
	ds_slot_fail(s, result, 0, DS_OPERATION_DECODE, s->io.fd, s->file_offset, s->nbytes);
	return DS_ISSUE_LAST;
}

static bool in_memory(const struct ds_slot *s)
{
	return s->io.fd < 0;
}

/* Workers decode to staging memory what the device then takes to the target. */
static bool decodes_to_staging(const struct ds_slot *s, bool on_device)
{
	return !on_device && !s->target.is_readable;
}

/*
 * A window for src_nbytes of the stream, and where needed for out_nbytes of what they give.
 * Sources in memory are copied only for a device.
 */
static struct ds_window *alloc_codec_window(struct ds_pipeline *pl, struct ds_slot *s,
					    enum ds_window_kind kind, bool on_device,
					    uint64_t src_nbytes, uint64_t out_nbytes)
{
	uint64_t src_room = in_memory(s) && !on_device ? 0 : src_nbytes + WINDOW_MARGIN;
	uint64_t out_room = decodes_to_staging(s, on_device) ? out_nbytes : 0;
	struct ds_window *w;

	src_room = ds_align_up(src_room, DS_STAGING_ALIGNMENT);
	w = ds_window_alloc(pl, s, kind, src_room + out_room);
	if (!w)
		return NULL;
	w->on_device = on_device;
	w->out_room = out_room;
	w->out_nbytes = out_room;
	w->out = out_room ? w->staging + src_room : NULL;
	if (!on_device)
		ds_decode_queued(pl, w, out_nbytes);
	return w;
}

/* Has the window's part of the stream read, or takes it where it lies. */
static void fill_codec_window(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch,
			      struct ds_window *w, uint64_t src_offset, uint64_t src_nbytes)
{
	w->src_offset = src_offset;
	w->src_nbytes = src_nbytes;
	if (!in_memory(s)) {
		make_window_reads(pl, s, batch, w, s->file_offset + src_offset, src_nbytes);
		return;
	}
	take_from_memory(s, batch, w);
}

static enum ds_issue issue_whole(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch,
				 bool on_device)
{
	struct ds_window *w =
		alloc_codec_window(pl, s, DS_WINDOW_WHOLE, on_device, s->nbytes, s->result_nbytes);

	if (!w)
		return DS_ISSUE_BLOCKED;
	fill_codec_window(pl, s, batch, w, 0, s->nbytes);
	s->issued = s->nbytes;
	return DS_ISSUE_LAST;
}

/*
 * Whether a worker reads it, from the page cache, just before it decodes it: then the bytes are in that
 * worker's caches, and not in those of the thread that read them, long ago. Where there are few requests
 * for each worker, they share each one, which has to be there first.
 */
static bool is_for_late_read(struct ds_pipeline *pl, struct ds_slot *s)
{
	if (!pl->engine->ops->read_cached || in_memory(s) || s->was_late ||
	    !s->target.is_readable || s->nbytes > MAX_LATE_NBYTES ||
	    pl->nr_waiting + pl->nr_late <= 2 * pl->workers.nr)
		return false;
	if (has_direct(s) && !(s->io.finds_cached && is_cached(pl, s, s->file_offset, s->nbytes)))
		return false;
	if (pl->late_pause) {
		pl->late_pause--;
		return false;
	}
	return true;
}

static enum ds_issue issue_late(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch)
{
	struct ds_window *w = NULL;

	if (pl->nr_late < DS_MAX_LATE)
		w = ds_window_alloc(pl, s, DS_WINDOW_WHOLE, 0);
	if (!w)
		return DS_ISSUE_BLOCKED;
	w->is_late = true;
	w->src_offset = 0;
	w->src_nbytes = s->nbytes;
	ds_decode_queued(pl, w, s->result_nbytes);
	pl->nr_late++;
	s->issued = s->nbytes;
	batch->nbytes += s->nbytes;
	ds_list_push_back(&batch->windows, &w->link);
	/* Never the last one: the window has a unit, too. */
	atomic_fetch_sub_explicit(&s->work, 1, memory_order_relaxed);
	return DS_ISSUE_PASSED;
}

static struct ds_stream *take_stream(struct ds_pipeline *pl, bool is_in_parts)
{
	if (is_in_parts && pl->nr_part_streams == DS_NR_PART_STREAMS)
		return NULL;
	for (unsigned i = 0; i < DS_NR_STREAMS; i++) {
		struct ds_stream *st = &pl->streams[i];

		if (st->is_used)
			continue;
		st->is_used = true;
		st->is_in_parts = is_in_parts;
		pl->nr_part_streams += is_in_parts;
		st->next_issue = 0;
		st->next_feed = 0;
		st->is_begun = false;
		st->produced = 0;
		memset(st->ready, 0, sizeof(st->ready));
		return st;
	}
	return NULL;
}

/* The head of a stream in memory, copied: its owner may change it later. */
static enum ds_issue take_head(struct ds_slot *s, uint64_t nbytes)
{
	const struct ds_codec *c = s->codec;
	ds_result ret;

	memcpy(s->stream->head, s->source_memory, nbytes);
	s->stream->head_bytes = s->stream->head;
	ret = c->check_head(s->stream->head, (size_t)nbytes, s->nbytes, s->result_nbytes,
			    &s->nr_units);
	if (ret)
		return fail_decode(s, ret);
	s->is_planned = true;
	return DS_ISSUE_MORE;
}

static enum ds_issue issue_head(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch)
{
	uint64_t nbytes = ds_min_u64(s->codec->head_nbytes(s->result_nbytes), s->nbytes);
	uint64_t align = has_direct(s) ? s->io.offset_alignment : 1;
	uint64_t begin = ds_align_down(s->file_offset, align);
	uint64_t end;
	struct ds_op *op;

	if (!nbytes || nbytes > DS_STREAM_HEAD_NBYTES)
		return fail_decode(s, DS_ERR_SIZE_MISMATCH);
	if (in_memory(s))
		return take_head(s, nbytes);
	end = ds_align_up(s->file_offset + nbytes, align);
	op = make_op(pl, s, batch, begin, s->stream->head, (uint32_t)(end - begin), has_direct(s));
	op->is_head = true;
	op->wanted = (uint32_t)(s->file_offset + nbytes - begin);
	op->skipped = (uint32_t)(s->file_offset - begin);
	s->stream->head_bytes = s->stream->head + (s->file_offset - begin);
	return DS_ISSUE_PARK;
}

/* Some units of a stream: where they lie in it, and what they give. */
struct span {
	uint64_t src_begin;
	uint64_t src_end;
	uint64_t dst_begin;
	uint64_t dst_end;
	uint32_t nr;
};

static uint64_t span_nbytes(const struct span *sp, bool with_output)
{
	return sp->src_end - sp->src_begin + WINDOW_MARGIN +
	       (with_output ? sp->dst_end - sp->dst_begin : 0);
}

/* As many units from s->next_unit on as fit a window, but at least one. */
static void span_units(struct ds_pipeline *pl, struct ds_slot *s, bool with_output, struct span *sp)
{
	struct ds_codec_unit u;

	sp->nr = 0;
	while (s->next_unit + sp->nr < s->nr_units && sp->nr < DS_MAX_WINDOW_UNITS) {
		struct span longer = *sp;

		s->codec->unit(s->stream->head_bytes, s->nr_units, s->result_nbytes,
			       s->next_unit + sp->nr, &u);
		if (!sp->nr) {
			longer.src_begin = u.src_offset;
			longer.dst_begin = u.dst_offset;
		}
		longer.src_end = u.src_offset + u.src_nbytes;
		longer.dst_end = u.dst_offset + u.dst_nbytes;
		longer.nr++;
		if (sp->nr && span_nbytes(&longer, with_output) > pl->window_nbytes)
			break;
		*sp = longer;
	}
}

static enum ds_issue issue_units(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch)
{
	struct ds_window *w;
	struct span sp = { 0 };
	bool on_device;

	if (s->next_unit == s->nr_units)
		return DS_ISSUE_LAST;
	if (s->nr_windows >= DS_MAX_STREAM_WINDOWS)
		return DS_ISSUE_PARK;
	on_device = ds_decode_on_device(pl, s, pl->window_nbytes);
	span_units(pl, s, decodes_to_staging(s, on_device), &sp);
	if (span_nbytes(&sp, decodes_to_staging(s, on_device)) > pl->staging.nbytes)
		return fail_decode(s, DS_ERR_STAGING_TOO_SMALL);
	w = alloc_codec_window(pl, s, DS_WINDOW_UNITS, on_device, sp.src_end - sp.src_begin,
			       sp.dst_end - sp.dst_begin);
	if (!w)
		return DS_ISSUE_BLOCKED;
	w->head = s->stream->head_bytes;
	w->out_offset = sp.dst_begin;
	w->first_unit = s->next_unit;
	w->nr_units = sp.nr;
	w->all_units = s->nr_units;
	fill_codec_window(pl, s, batch, w, sp.src_begin, sp.src_end - sp.src_begin);
	s->next_unit += sp.nr;
	return s->next_unit == s->nr_units ? DS_ISSUE_LAST : DS_ISSUE_MORE;
}

static enum ds_issue issue_feed(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch)
{
	bool has_output = decodes_to_staging(s, false);
	uint64_t room = pl->window_nbytes - WINDOW_MARGIN - DS_STAGING_ALIGNMENT;
	struct ds_window *w;
	uint64_t n;

	if (s->nr_windows >= DS_MAX_STREAM_WINDOWS)
		return DS_ISSUE_PARK;
	n = ds_min_u64(s->nbytes - s->issued, has_output ? room / 2 : room);
	w = alloc_codec_window(pl, s, DS_WINDOW_FEED, false, n, room / 2);
	if (!w)
		return DS_ISSUE_BLOCKED;
	w->sequence = s->stream->next_issue++;
	fill_codec_window(pl, s, batch, w, s->issued, n);
	s->issued += n;
	return more_or_last(s);
}

/*
 * Whether a stream is taken in one window: when it fits, with what it gives where that needs
 * staging memory too. What lies in memory and can be decoded from there to where it belongs always does.
 */
static bool fits_window(const struct ds_pipeline *pl, const struct ds_slot *s, bool on_device)
{
	uint64_t room = pl->window_nbytes - WINDOW_MARGIN - DS_STAGING_ALIGNMENT;

	if (s->nbytes > room)
		return in_memory(s) && !on_device && s->target.is_readable;
	if (on_device)
		return s->result_nbytes <= MAX_DEVICE_DECODE_NBYTES;
	return s->target.is_readable || s->result_nbytes <= room - s->nbytes;
}

static enum ds_issue issue_codec(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch)
{
	bool on_device;

	if (!s->nbytes)
		return fail_decode(s, DS_ERR_CORRUPT_DATA);
	if (!s->stream) {
		on_device = ds_decode_on_device(pl, s, s->result_nbytes);
		if (fits_window(pl, s, on_device))
			return !on_device && is_for_late_read(pl, s)
				       ? issue_late(pl, s, batch)
				       : issue_whole(pl, s, batch, on_device);
		s->stream = take_stream(pl, s->codec->stream_begin && !s->target.is_readable);
	}
	if (!s->stream)
		return DS_ISSUE_BLOCKED;
	if (s->codec->unit && !s->is_planned)
		return issue_head(pl, s, batch);
	if (s->codec->stream_begin && !s->nr_units)
		return issue_feed(pl, s, batch);
	return issue_units(pl, s, batch);
}

enum ds_issue ds_issue_next(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch)
{
	if (s->codec)
		return issue_codec(pl, s, batch);
	if (s->issued == s->nbytes)
		return DS_ISSUE_LAST;
	if (s->is_write)
		return s->source_memory ? issue_write(pl, s, batch) : issue_fetch(pl, s, batch);
	return s->io.fd < 0 ? issue_copy(pl, s, batch) : issue_read(pl, s, batch);
}
