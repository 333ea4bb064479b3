/* SPDX-License-Identifier: MIT */
/*
 * window.c: a window's way from the scheduler through its reads to a worker, and back.
 */
#include <string.h>

#include "base/clock.h"
#include "core/queue.h"
#include "core/result.h"

/*
 * After a read that was not cached. Where much is cold the engine should know soon, and not when a
 * worker has done all that came before.
 */
#define LATE_PAUSE     8
/* A read from the page cache is such a copy too, and the same thread's. */
#define AT_ONCE_NBYTES (128u << 10)

/* Whether this slot may take staging memory now, or has to let a larger one go first. */
static bool may_take(const struct ds_pipeline *pl, const struct ds_slot *s)
{
	return !pl->hungry || pl->hungry == s;
}

static unsigned char *take_staging(struct ds_pipeline *pl, struct ds_slot *s, size_t nbytes)
{
	struct ds_counters *n = &s->queue->counters;
	unsigned char *p = may_take(pl, s) ? ds_staging_alloc(&pl->staging, nbytes) : NULL;

	if (!p) {
		/* Small windows would keep the memory in pieces for ever. */
		if (!pl->hungry && nbytes > pl->window_nbytes)
			pl->hungry = s;
		return NULL;
	}
	if (pl->hungry == s)
		pl->hungry = NULL;
	nbytes = ds_align_up(nbytes, DS_STAGING_SLAB_NBYTES);
	ds_count_max(&n->staging_high_water,
		     atomic_fetch_add_explicit(&n->staging_in_use, nbytes, memory_order_relaxed) +
			     nbytes);
	atomic_store_explicit(&s->is_staged, true, memory_order_relaxed);
	return p;
}

struct ds_window *ds_window_alloc(struct ds_pipeline *pl, struct ds_slot *s,
				  enum ds_window_kind kind, size_t staging_nbytes)
{
	unsigned char *staging = NULL;
	struct ds_window *w;

	if (ds_list_is_empty(&pl->free_windows))
		return NULL;
	if (staging_nbytes) {
		staging = take_staging(pl, s, staging_nbytes);
		if (!staging)
			return NULL;
	}
	w = ds_list_entry(ds_list_pop_front(&pl->free_windows), struct ds_window, link);
	w->slot = s;
	w->kind = kind;
	w->staging = staging;
	w->staging_nbytes = staging_nbytes;
	w->head = NULL;
	w->first_unit = 0;
	w->nr_units = 1;
	w->all_units = 1;
	w->out = NULL;
	w->out_room = 0;
	w->out_offset = 0;
	w->out_nbytes = 0;
	w->on_device = false;
	w->is_late = false;
	w->is_fed = false;
	w->is_touching = false;
	w->fed_nbytes = 0;
	w->write = NULL;
	w->cold.choice = NULL;
	w->cpu_decode_nbytes = 0;
	w->nr_joined = 0;
	w->max_join = 0;
	atomic_store_explicit(&w->valid_nbytes, UINT64_MAX, memory_order_relaxed);
	atomic_store_explicit(&w->next_unit, 0, memory_order_relaxed);
	s->nr_windows++;
	atomic_fetch_add_explicit(&s->work, 1, memory_order_relaxed);
	return w;
}

static void free_staging(struct ds_pipeline *pl, struct ds_window *w)
{
	struct ds_counters *n = &w->slot->queue->counters;

	if (!w->staging)
		return;
	ds_staging_free(&pl->staging, w->staging, w->staging_nbytes);
	ds_uncount(&n->staging_in_use, ds_align_up(w->staging_nbytes, DS_STAGING_SLAB_NBYTES));
}

/* How much of a COPY window has arrived. */
static uint64_t valid_nbytes(struct ds_window *w)
{
	return ds_min_u64(w->src_nbytes,
			  atomic_load_explicit(&w->valid_nbytes, memory_order_relaxed));
}

/* With the lock. */
static void free_window(struct ds_pipeline *pl, struct ds_window *w)
{
	if (w->cold.choice)
		ds_cold_done(&w->cold, valid_nbytes(w), ds_now_ns());
	free_staging(pl, w);
	pl->nr_late -= w->is_late;
	w->slot->nr_windows--;
	ds_list_push_front(&pl->free_windows, &w->link);
}

void ds_window_end(struct ds_window *w)
{
	struct ds_slot *s = w->slot;
	struct ds_pipeline *pl = &s->queue->be->pipeline;
	bool run;

	ds_decode_unqueued(pl, w);
	pthread_mutex_lock(&pl->lock);
	free_window(pl, w);
	ds_scheduler_unpark(pl, s);
	run = pl->nr_waiting;
	pthread_mutex_unlock(&pl->lock);
	ds_pipeline_work_done(s);
	if (run)
		ds_scheduler_run(pl);
}

/* -------------------------------------------------------- read by their worker */

static void count_read(struct ds_slot *s)
{
	struct ds_counters *n = &s->queue->counters;

	ds_count(&n->io_operations, 1);
	ds_count(&n->bytes_read, s->nbytes);
	atomic_fetch_add_explicit(&s->bytes_read, s->nbytes, memory_order_relaxed);
}

/*
 * The engine has to read it: the window's unit of work is the scheduler's again, and the window is
 * gone. False: nobody wants it any more.
 */
static bool return_to_scheduler(struct ds_pipeline *pl, struct ds_window *w)
{
	struct ds_slot *s = w->slot;
	bool is_wanted;

	pthread_mutex_lock(&pl->lock);
	if (w->staging)
		pl->late_pause = LATE_PAUSE;
	/* With the lock: a cancel from here on finds the slot on the list. */
	is_wanted = ds_slot_is_wanted(s);
	if (is_wanted) {
		ds_decode_unqueued(pl, w);
		free_window(pl, w);
		s->issued = 0;
		s->was_late = true;
		ds_scheduler_put_first(pl, s);
	}
	pthread_mutex_unlock(&pl->lock);
	if (is_wanted)
		ds_scheduler_run(pl);
	return is_wanted;
}

bool ds_window_read_late(struct ds_window *w)
{
	struct ds_slot *s = w->slot;
	struct ds_pipeline *pl = &s->queue->be->pipeline;
	struct ds_io_engine *e = pl->engine;
	bool is_read;

	/* Only now: so that few windows have memory, and that which was used last. */
	pthread_mutex_lock(&pl->lock);
	w->staging = take_staging(pl, s, s->nbytes);
	w->staging_nbytes = s->nbytes;
	pthread_mutex_unlock(&pl->lock);
	is_read = w->staging && e->ops->read_cached(e, s->io.fd, w->staging, (uint32_t)s->nbytes,
						    s->file_offset) == (int)s->nbytes;
	if (!is_read)
		return !return_to_scheduler(pl, w);
	w->bytes = w->staging;
	count_read(s);
	return true;
}

/* ----------------------------------------------------------- streams in order */

/* Windows that wait for their turn, once nobody wants them any more. */
static void end_ready_windows(struct ds_pipeline *pl, struct ds_stream *st)
{
	struct ds_window *ready[DS_MAX_STREAM_WINDOWS];

	pthread_mutex_lock(&pl->lock);
	for (unsigned i = 0; i < DS_MAX_STREAM_WINDOWS; i++) {
		ready[i] = st->ready[i];
		st->ready[i] = NULL;
	}
	pthread_mutex_unlock(&pl->lock);
	for (unsigned i = 0; i < DS_MAX_STREAM_WINDOWS; i++) {
		if (ready[i])
			ds_window_end(ready[i]);
	}
}

/* The window whose turn it is, if it has been read. With the lock. */
static struct ds_window *take_ready(struct ds_stream *st)
{
	struct ds_window **slot = &st->ready[st->next_feed % DS_MAX_STREAM_WINDOWS];
	struct ds_window *w = *slot;

	if (w && w->sequence == st->next_feed)
		*slot = NULL;
	else
		w = NULL;
	return w;
}

/* w has arrived, or with NULL: the one before has been fed. */
static void feed_next(struct ds_pipeline *pl, struct ds_stream *st, struct ds_window *w)
{
	pthread_mutex_lock(&pl->lock);
	if (w)
		st->ready[w->sequence % DS_MAX_STREAM_WINDOWS] = w;
	else
		st->next_feed++;
	w = take_ready(st);
	pthread_mutex_unlock(&pl->lock);
	if (w)
		ds_workers_push(&pl->workers, w);
}

void ds_window_fed(struct ds_window *w)
{
	struct ds_slot *s = w->slot;
	struct ds_pipeline *pl = &s->queue->be->pipeline;

	/* The window's own unit of work keeps the stream until ds_window_end(). */
	if (ds_slot_is_wanted(s))
		feed_next(pl, s->stream, NULL);
	else
		end_ready_windows(pl, s->stream);
	ds_window_end(w);
}

/* w's turn may be now, or come later. */
static void line_up(struct ds_pipeline *pl, struct ds_window *w)
{
	struct ds_slot *s = w->slot;
	struct ds_stream *st = s->stream;

	/* Keeps the stream: w may be gone before the look below. */
	atomic_fetch_add_explicit(&s->work, 1, memory_order_relaxed);
	feed_next(pl, st, w);
	/*
	 * What ended the request since may have emptied the order before w was put
	 * there; then nobody else would come for it.
	 */
	if (!ds_slot_is_wanted(s))
		end_ready_windows(pl, st);
	ds_pipeline_work_done(s);
}

void ds_window_begin(struct ds_window *w)
{
	struct ds_pipeline *pl = &w->slot->queue->be->pipeline;

	if (w->kind == DS_WINDOW_FETCH)
		ds_window_fetch(w);
	else if (w->kind == DS_WINDOW_FEED)
		line_up(pl, w);
	else
		ds_workers_push(&pl->workers, w);
}

void ds_window_copy(struct ds_window *w)
{
	struct ds_slot *s = w->slot;
	uint64_t nbytes = valid_nbytes(w);

	memcpy((unsigned char *)s->target.address + w->src_offset, w->bytes, nbytes);
	atomic_fetch_add_explicit(&s->bytes_delivered, nbytes, memory_order_relaxed);
}

/* Waking a worker would take longer than copying it. */
static bool is_copied_at_once(const struct ds_window *w)
{
	return w->kind == DS_WINDOW_COPY && w->src_nbytes <= AT_ONCE_NBYTES &&
	       w->slot->target.is_readable;
}

static void copy_at_once(struct ds_window *w)
{
	if (ds_slot_touch_begin(w->slot)) {
		ds_window_copy(w);
		ds_pipeline_touch_end(w->slot);
	}
	ds_window_end(w);
}

void ds_window_read_done(struct ds_window *w)
{
	struct ds_slot *s = w->slot;
	struct ds_pipeline *pl = &s->queue->be->pipeline;

	if (atomic_fetch_sub_explicit(&w->reads, 1, memory_order_acq_rel) != 1)
		return;
	if (w->kind == DS_WINDOW_FETCH) {
		ds_window_written(w);
	} else if (!ds_slot_wants_bytes(s)) {
		if (w->kind == DS_WINDOW_FEED)
			end_ready_windows(pl, s->stream);
		ds_window_end(w);
	} else if (w->kind == DS_WINDOW_FEED) {
		line_up(pl, w);
	} else if (ds_window_is_for_device(w) && !w->out) {
		ds_window_hand_over(w);
	} else if (is_copied_at_once(w)) {
		copy_at_once(w);
	} else {
		ds_workers_push(&pl->workers, w);
	}
}

ds_result ds_window_plan(struct ds_window *w)
{
	const struct ds_slot *s = w->slot;
	const struct ds_codec *c = s->codec;
	uint64_t head_nbytes = ds_min_u64(c->head_nbytes(s->result_nbytes), w->src_nbytes);
	uint32_t nr = 0;
	ds_result ret = DS_ERR_SIZE_MISMATCH;

	if (head_nbytes)
		ret = c->check_head(w->bytes, (size_t)head_nbytes, w->src_nbytes, s->result_nbytes,
				    &nr);
	w->head = w->bytes;
	w->nr_units = ret ? 0 : nr;
	w->all_units = w->nr_units;
	return ret;
}

void ds_window_worked(struct ds_window *w)
{
	if (ds_window_is_for_device(w))
		ds_window_hand_over(w);
	else if (w->kind == DS_WINDOW_FEED)
		ds_window_fed(w);
	else
		ds_window_end(w);
}

void ds_stream_head_done(struct ds_slot *s)
{
	struct ds_pipeline *pl = &s->queue->be->pipeline;
	const struct ds_codec *c = s->codec;
	uint64_t nbytes = ds_min_u64(c->head_nbytes(s->result_nbytes), s->nbytes);
	ds_result ret;

	if (ds_slot_is_wanted(s)) {
		ret = c->check_head(s->stream->head_bytes, (size_t)nbytes, s->nbytes,
				    s->result_nbytes, &s->nr_units);
		if (ret)
			ds_slot_fail(s, ret, 0, DS_OPERATION_DECODE, s->io.fd, s->file_offset,
				     s->nbytes);
		else if (!s->nr_units && c->stream_begin)
			/* What will be fed is read once more: from its beginning. */
			atomic_fetch_sub_explicit(&s->bytes_read, nbytes, memory_order_relaxed);
	}
	pthread_mutex_lock(&pl->lock);
	s->is_planned = true;
	ds_scheduler_unpark(pl, s);
	pthread_mutex_unlock(&pl->lock);
	ds_scheduler_run(pl);
}

void ds_stream_free(struct ds_pipeline *pl, struct ds_stream *st)
{
	pl->nr_part_streams -= st->is_in_parts;
	st->is_used = false;
}
