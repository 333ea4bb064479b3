/* SPDX-License-Identifier: MIT */
/*
 * issue.c: the next operation or window of one request.
 *
 * Straight between the file and the caller's memory where no codec is in the way and
 * alignment allows it; else through a window of staging memory. All functions run with the
 * pipeline's lock held, and only make things: the scheduler starts them.
 */
#include <string.h>

#include "core/queue.h"
#include "core/result.h"

#define COPY_NBYTES   (1u << 20)
/* Room in a window for the alignment of both ends. */
#define WINDOW_MARGIN (2 * DS_STAGING_ALIGNMENT)

static bool has_direct(const struct ds_slot *s)
{
	return s->io.direct_fd >= 0;
}

static uint64_t file_offset(const struct ds_slot *s)
{
	return s->file_offset + s->issued;
}

static struct ds_op *make_op(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch,
			     uint64_t offset, void *buf, uint32_t nbytes, bool is_direct)
{
	struct ds_op *op = ds_list_entry(ds_list_pop_front(&pl->free_ops), struct ds_op, link);

	op->slot = s;
	op->window = NULL;
	op->is_head = false;
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
	op->is_out = true;
	atomic_fetch_add_explicit(&s->work, 1, memory_order_relaxed);
	pl->ops_in_flight++;
	pl->bytes_in_flight += nbytes;
	if (batch->last)
		batch->last->next = &op->io;
	else
		batch->first = &op->io;
	batch->last = &op->io;
	batch->nbytes += nbytes;
	ds_count(&s->queue->counters.io_operations, 1);
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

	nbytes = ds_min_u64(nbytes, pl->window_nbytes - WINDOW_MARGIN);
	w = ds_window_alloc(pl, s, DS_WINDOW_COPY, nbytes + (has_direct(s) ? WINDOW_MARGIN : 0));
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

static enum ds_issue issue_read(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch)
{
	uint64_t offset = file_offset(s);
	uint64_t n = ds_min_u64(s->nbytes - s->issued,
				pl->chunk_nbytes - (offset & (pl->chunk_nbytes - 1)));
	unsigned char *dst = s->target.address;
	uint64_t straight, staged = n;

	if (!dst || s->always_stage)
		return issue_staged(pl, s, batch, n);
	dst += s->issued;
	if (!has_direct(s))
		return issue_straight(pl, s, batch, offset, dst, n, false);
	straight = split_direct(&s->io, offset, (uintptr_t)dst, n, &staged);
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

static enum ds_issue issue_write(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch)
{
	uint64_t offset = file_offset(s);
	uint64_t n = ds_min_u64(s->nbytes - s->issued,
				pl->chunk_nbytes - (offset & (pl->chunk_nbytes - 1)));
	unsigned char *src = (unsigned char *)s->source_memory + s->issued;

	return issue_straight(pl, s, batch, offset, src, n, is_direct_write(s));
}

static enum ds_issue issue_copy(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch)
{
	struct ds_window *w = ds_window_alloc(pl, s, DS_WINDOW_COPY, 0);

	if (!w)
		return DS_ISSUE_BLOCKED;
	w->bytes = (const unsigned char *)s->source_memory + s->issued;
	w->src_offset = s->issued;
	w->src_nbytes = ds_min_u64(s->nbytes - s->issued, COPY_NBYTES);
	s->issued += w->src_nbytes;
	batch->nbytes += w->src_nbytes;
	ds_list_push_back(&batch->windows, &w->link);
	return more_or_last(s);
}

/* --------------------------------------------------------------- with codec */

static enum ds_issue fail_decode(struct ds_slot *s, ds_result result)
{
	ds_slot_fail(s, result, 0, DS_OPERATION_DECODE, s->io.fd, s->file_offset, s->nbytes);
	return DS_ISSUE_LAST;
}

static enum ds_issue issue_whole(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch)
{
	bool in_memory = s->io.fd < 0;
	struct ds_window *w =
		ds_window_alloc(pl, s, DS_WINDOW_WHOLE, in_memory ? 0 : s->nbytes + WINDOW_MARGIN);

	if (!w)
		return DS_ISSUE_BLOCKED;
	w->src_offset = 0;
	w->src_nbytes = s->nbytes;
	if (in_memory) {
		w->bytes = s->source_memory;
		batch->nbytes += s->nbytes;
		ds_list_push_back(&batch->windows, &w->link);
	} else {
		make_window_reads(pl, s, batch, w, s->file_offset, s->nbytes);
	}
	s->issued = s->nbytes;
	return DS_ISSUE_LAST;
}

static struct ds_stream *take_stream(struct ds_pipeline *pl)
{
	for (unsigned i = 0; i < DS_NR_STREAMS; i++) {
		struct ds_stream *st = &pl->streams[i];

		if (st->is_used)
			continue;
		st->is_used = true;
		st->next_issue = 0;
		st->next_feed = 0;
		st->produced = 0;
		memset(st->ready, 0, sizeof(st->ready));
		return st;
	}
	return NULL;
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
	end = ds_align_up(s->file_offset + nbytes, align);
	op = make_op(pl, s, batch, begin, s->stream->head, (uint32_t)(end - begin), has_direct(s));
	op->is_head = true;
	op->wanted = (uint32_t)(s->file_offset + nbytes - begin);
	op->skipped = (uint32_t)(s->file_offset - begin);
	s->stream->head_bytes = s->stream->head + (s->file_offset - begin);
	return DS_ISSUE_PARK;
}

/* How many units from s->next_unit on fit a window; *begin and *end: their place in the stream. */
static uint32_t span_units(struct ds_pipeline *pl, struct ds_slot *s, uint64_t *begin,
			   uint64_t *end)
{
	struct ds_codec_unit u;
	uint32_t nr = 0;

	while (s->next_unit + nr < s->nr_units && nr < DS_MAX_WINDOW_UNITS) {
		s->codec->unit(s->stream->head_bytes, s->nr_units, s->result_nbytes,
			       s->next_unit + nr, &u);
		if (!nr)
			*begin = u.src_offset;
		else if (u.src_offset + u.src_nbytes - *begin > pl->window_nbytes - WINDOW_MARGIN)
			break;
		*end = u.src_offset + u.src_nbytes;
		nr++;
	}
	return nr;
}

static enum ds_issue issue_units(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch)
{
	uint64_t begin = 0, end = 0;
	struct ds_window *w;
	uint32_t nr;

	if (s->next_unit == s->nr_units)
		return DS_ISSUE_LAST;
	if (s->nr_windows >= DS_MAX_STREAM_WINDOWS)
		return DS_ISSUE_PARK;
	nr = span_units(pl, s, &begin, &end);
	if (end - begin + WINDOW_MARGIN > pl->staging.nbytes)
		return fail_decode(s, DS_ERR_STAGING_TOO_SMALL);
	w = ds_window_alloc(pl, s, DS_WINDOW_UNITS, end - begin + WINDOW_MARGIN);
	if (!w)
		return DS_ISSUE_BLOCKED;
	w->src_offset = begin;
	w->src_nbytes = end - begin;
	w->head = s->stream->head_bytes;
	w->first_unit = s->next_unit;
	w->nr_units = nr;
	w->all_units = s->nr_units;
	make_window_reads(pl, s, batch, w, s->file_offset + begin, end - begin);
	s->next_unit += nr;
	return s->next_unit == s->nr_units ? DS_ISSUE_LAST : DS_ISSUE_MORE;
}

static enum ds_issue issue_feed(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch)
{
	struct ds_window *w;
	uint64_t n;

	if (s->nr_windows >= DS_MAX_STREAM_WINDOWS)
		return DS_ISSUE_PARK;
	n = ds_min_u64(s->nbytes - s->issued, pl->window_nbytes - WINDOW_MARGIN);
	w = ds_window_alloc(pl, s, DS_WINDOW_FEED, n + WINDOW_MARGIN);
	if (!w)
		return DS_ISSUE_BLOCKED;
	w->src_offset = s->issued;
	w->src_nbytes = n;
	w->sequence = s->stream->next_issue++;
	make_window_reads(pl, s, batch, w, file_offset(s), n);
	s->issued += n;
	return more_or_last(s);
}

static enum ds_issue issue_codec(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch)
{
	if (!s->nbytes)
		return fail_decode(s, DS_ERR_CORRUPT_DATA);
	if (s->io.fd < 0 || s->nbytes <= pl->window_nbytes - WINDOW_MARGIN)
		return issue_whole(pl, s, batch);
	if (!s->stream && !(s->stream = take_stream(pl)))
		return DS_ISSUE_BLOCKED;
	if (!s->codec->unit)
		return issue_feed(pl, s, batch);
	return s->is_planned ? issue_units(pl, s, batch) : issue_head(pl, s, batch);
}

enum ds_issue ds_issue_next(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch)
{
	if (s->codec)
		return issue_codec(pl, s, batch);
	if (s->issued == s->nbytes)
		return DS_ISSUE_LAST;
	if (s->is_write)
		return issue_write(pl, s, batch);
	return s->io.fd < 0 ? issue_copy(pl, s, batch) : issue_read(pl, s, batch);
}
