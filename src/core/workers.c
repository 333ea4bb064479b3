/* SPDX-License-Identifier: MIT */
/*
 * workers.c: the threads that decode and copy.
 *
 * A window with many units stays at the head of the queue while units are left, so
 * that every idle worker joins it; units are handed out by one atomic counter. A worker
 * counts as a toucher of the request's memory from joining to leaving, and looks between
 * units whether the request is still wanted: that bounds what a strong cancel waits for.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "core/queue.h"
#include "core/result.h"

#define MAX_CODECS 4

/* A worker's own; contexts are made at first use and kept. */
struct worker {
	struct ds_workers *pool;
	void *contexts[MAX_CODECS];
};

static void *get_context(struct worker *me, const struct ds_codec *c, ds_result *ret)
{
	void **slot = &me->contexts[c->id % MAX_CODECS];

	*ret = *slot ? DS_OK : c->context_create(slot);
	return *ret ? NULL : *slot;
}

static void fail_decode(struct ds_slot *s, ds_result ret, uint64_t src_offset, uint64_t src_nbytes)
{
	ds_slot_fail(s, ret, 0, DS_OPERATION_DECODE, s->io.fd, s->file_offset + src_offset,
		     src_nbytes);
}

static void delivered(struct ds_slot *s, uint64_t nbytes)
{
	atomic_fetch_add_explicit(&s->bytes_delivered, nbytes, memory_order_relaxed);
}

/*
 * The head was checked, but it may lie in the caller's memory, and the caller may have changed
 * it since.
 */
static bool is_inside(const struct ds_window *w, const struct ds_codec_unit *u)
{
	uint64_t begin = w->out ? w->out_offset : 0;
	uint64_t room = w->out ? w->out_nbytes : w->slot->result_nbytes;

	return u->src_offset >= w->src_offset && u->src_nbytes <= w->src_nbytes &&
	       u->src_offset - w->src_offset <= w->src_nbytes - u->src_nbytes &&
	       u->dst_offset >= begin && u->dst_nbytes <= room &&
	       u->dst_offset - begin <= room - u->dst_nbytes;
}

/* Where byte `offset` of what comes out goes. */
static unsigned char *output(const struct ds_window *w, uint64_t offset)
{
	return w->out ? w->out + (offset - w->out_offset)
		      : (unsigned char *)w->slot->target.address + offset;
}

/* 0 where nobody asks how fast the workers are: the device does not decode. */
static uint64_t start_clock(const struct ds_window *w)
{
	const struct ds_pipeline *pl = &w->slot->queue->be->pipeline;

	return pl->device->ops->decode_eta_ns ? ds_now_ns() : 0;
}

/* What has been decoded; it is delivered only if no device has to take it further. */
static void decoded(struct ds_window *w, uint64_t nbytes, uint64_t start_ns)
{
	if (start_ns)
		ds_decode_measured(&w->slot->queue->be->pipeline, nbytes, ds_now_ns() - start_ns);
	if (!w->out)
		delivered(w->slot, nbytes);
}

static void decode_one(struct worker *me, struct ds_window *w, uint32_t index)
{
	struct ds_slot *s = w->slot;
	const struct ds_codec *c = s->codec;
	uint64_t start_ns = start_clock(w);
	struct ds_codec_unit u;
	ds_result ret;
	void *context = get_context(me, c, &ret);

	c->unit(w->head, w->all_units, s->result_nbytes, w->first_unit + index, &u);
	if (!ret && !is_inside(w, &u))
		ret = DS_ERR_CORRUPT_DATA;
	if (!ret)
		ret = c->decode_unit(context, w->bytes + (u.src_offset - w->src_offset),
				     u.src_nbytes, output(w, u.dst_offset), u.dst_nbytes);
	if (ret)
		fail_decode(s, ret, u.src_offset, u.src_nbytes);
	else
		decoded(w, u.dst_nbytes, start_ns);
}

static void decode_units(struct worker *me, struct ds_window *w)
{
	while (ds_slot_is_wanted(w->slot)) {
		uint32_t i = atomic_fetch_add_explicit(&w->next_unit, 1, memory_order_relaxed);

		if (i >= w->nr_units)
			break;
		decode_one(me, w, i);
	}
}

static void decode_whole(struct worker *me, struct ds_window *w)
{
	struct ds_slot *s = w->slot;
	uint64_t start_ns = start_clock(w);
	ds_result ret;
	void *context = get_context(me, s->codec, &ret);

	if (!ret)
		ret = s->codec->decode(context, w->bytes, w->src_nbytes, output(w, 0),
				       s->result_nbytes);
	if (ret)
		fail_decode(s, ret, 0, w->src_nbytes);
	else
		decoded(w, s->result_nbytes, start_ns);
}

/* The stream's own context, for it lives longer than one worker's turn. */
static ds_result prepare_stream(struct ds_stream *st, const struct ds_codec *c)
{
	if (st->context && st->codec == c)
		return DS_OK;
	if (st->context)
		st->codec->context_destroy(st->context);
	st->context = NULL;
	st->codec = c;
	return c->context_create(&st->context);
}

static ds_result begin_stream(struct ds_window *w)
{
	struct ds_slot *s = w->slot;
	struct ds_stream *st = s->stream;
	ds_result ret;

	if (st->is_begun)
		return DS_OK;
	st->is_begun = true;
	ret = prepare_stream(st, s->codec);
	return ret ? ret
		   : s->codec->stream_begin(st->context, w->out ? NULL : s->target.address,
					    s->result_nbytes);
}

/* The next part of what a window gives, into its staging memory. */
static ds_result feed_part(struct ds_window *w)
{
	struct ds_slot *s = w->slot;
	struct ds_stream *st = s->stream;
	size_t taken = 0, given = 0;
	ds_result ret;

	ret = s->codec->stream_part(st->context, w->bytes + w->fed_nbytes,
				    w->src_nbytes - w->fed_nbytes, &taken, w->out, w->out_room,
				    &given);
	w->fed_nbytes += taken;
	w->out_offset = st->produced;
	w->out_nbytes = given;
	/* With room left there is nothing that the decoder has not given out. */
	w->is_fed = w->fed_nbytes == w->src_nbytes && given < w->out_room;
	if (!ret && !taken && !given && !w->is_fed)
		ret = DS_ERR_CORRUPT_DATA;
	if (!ret && given > s->result_nbytes - st->produced)
		ret = DS_ERR_SIZE_MISMATCH;
	st->produced += given;
	return ret;
}

static ds_result feed_all(struct ds_window *w)
{
	struct ds_slot *s = w->slot;
	struct ds_stream *st = s->stream;
	size_t before = st->produced;
	ds_result ret;

	ret = s->codec->stream_feed(st->context, w->bytes, w->src_nbytes, &st->produced);
	w->is_fed = true;
	if (!ret)
		delivered(s, st->produced - before);
	return ret;
}

static void feed(struct ds_window *w)
{
	struct ds_slot *s = w->slot;
	ds_result ret = begin_stream(w);

	if (!ret)
		ret = w->out ? feed_part(w) : feed_all(w);
	if (!ret && w->is_fed && w->src_offset + w->src_nbytes == s->nbytes)
		ret = s->codec->stream_end(s->stream->context, s->stream->produced);
	if (ret)
		fail_decode(s, ret, w->src_offset, w->src_nbytes);
}

/* Out of the source memory, for the device. */
static void copy_in(struct ds_window *w)
{
	memcpy(w->staging, w->bytes, w->src_nbytes);
	w->bytes = w->staging;
}

/* Finds the units of a whole stream, so that workers can share it. False: it has none. */
static bool plan_whole(struct ds_window *w)
{
	ds_result ret = ds_window_plan(w);

	if (!ret && !w->nr_units && w->slot->codec->stream_begin)
		return false;
	w->kind = DS_WINDOW_UNITS;
	if (ret)
		fail_decode(w->slot, ret, 0, w->src_nbytes);
	return true;
}

static bool has_idle(struct ds_workers *wk)
{
	bool has;

	pthread_mutex_lock(&wk->lock);
	has = wk->nr_idle;
	pthread_mutex_unlock(&wk->lock);
	return has;
}

/* True: its units are known now, and left for everybody. */
static bool run_whole(struct worker *me, struct ds_window *w)
{
	if (!w->slot->codec->unit || !plan_whole(w)) {
		decode_whole(me, w);
		return false;
	}
	/* What this worker has just read is in its caches. */
	if (w->is_late && !has_idle(me->pool)) {
		decode_units(me, w);
		return false;
	}
	return w->nr_units;
}

/* True: it wants more workers. */
static bool run_window(struct worker *me, struct ds_window *w)
{
	if (ds_window_is_copied_in(w)) {
		copy_in(w);
		return false;
	}
	switch (w->kind) {
	case DS_WINDOW_COPY:
		ds_window_copy(w);
		break;
	case DS_WINDOW_WHOLE:
		return run_whole(me, w);
	case DS_WINDOW_UNITS:
		decode_units(me, w);
		break;
	case DS_WINDOW_FEED:
		feed(w);
		break;
	case DS_WINDOW_FETCH:
		break; /* never comes here */
	}
	return false;
}

static struct ds_window *join(struct ds_workers *wk)
{
	struct ds_window *w = ds_list_entry(wk->queue.next, struct ds_window, link);

	if (++w->nr_joined >= w->max_join)
		ds_list_remove(&w->link);
	return w;
}

/* True: the last one has left, and nobody can join any more. */
static bool leave(struct ds_workers *wk, struct ds_window *w)
{
	bool last;

	pthread_mutex_lock(&wk->lock);
	if (ds_list_is_linked(&w->link))
		ds_list_remove(&w->link);
	last = --w->nr_joined == 0;
	pthread_mutex_unlock(&wk->lock);
	return last;
}

/* When it comes again, for everybody, it has been read. */
static bool is_unread(const struct ds_window *w)
{
	return w->is_late && w->kind == DS_WINDOW_WHOLE;
}

static void work_on(struct worker *me, struct ds_window *w)
{
	struct ds_workers *wk = me->pool;
	struct ds_slot *s = w->slot;
	bool wants_more = false;

	if (is_unread(w) && ds_slot_is_wanted(s) && !ds_window_read_late(w))
		return;
	if (ds_slot_touch_begin(s)) {
		wants_more = run_window(me, w);
		/* Before the window can end: a request finishes only when nobody touches it. */
		ds_pipeline_touch_end(s);
	}
	if (!leave(wk, w))
		return;
	if (wants_more)
		ds_workers_push(wk, w);
	else
		ds_window_worked(w);
}

static void *worker_main(void *arg)
{
	struct worker me = { .pool = arg };
	struct ds_workers *wk = arg;
	const struct ds_codec *const *codecs = wk->pl->codecs;

	ds_backend_thread_start(wk->pl->be);
	pthread_mutex_lock(&wk->lock);
	for (;;) {
		if (!ds_list_is_empty(&wk->queue)) {
			struct ds_window *w = join(wk);

			pthread_mutex_unlock(&wk->lock);
			work_on(&me, w);
			pthread_mutex_lock(&wk->lock);
		} else if (wk->is_stopping) {
			break;
		} else {
			wk->nr_idle++;
			pthread_cond_wait(&wk->wake, &wk->lock);
			wk->nr_idle--;
		}
	}
	pthread_mutex_unlock(&wk->lock);
	for (; *codecs; codecs++) {
		if (me.contexts[(*codecs)->id % MAX_CODECS])
			(*codecs)->context_destroy(me.contexts[(*codecs)->id % MAX_CODECS]);
	}
	ds_backend_thread_stop(wk->pl->be);
	return NULL;
}

void ds_workers_push(struct ds_workers *wk, struct ds_window *w)
{
	/* All units of a window that is pushed are still to be taken, and there is at least one. */
	bool is_shared = w->kind == DS_WINDOW_UNITS && !ds_window_is_copied_in(w);
	unsigned wanted = is_shared ? (unsigned)ds_min_u64(w->nr_units, wk->nr) : 1;

	pthread_mutex_lock(&wk->lock);
	w->max_join = wanted;
	ds_list_push_back(&wk->queue, &w->link);
	wanted = wanted < wk->nr_idle ? wanted : wk->nr_idle;
	while (wanted--)
		pthread_cond_signal(&wk->wake);
	pthread_mutex_unlock(&wk->lock);
}

ds_result ds_workers_init(struct ds_workers *wk, struct ds_pipeline *pl, unsigned nr)
{
	wk->pl = pl;
	ds_list_init(&wk->queue);
	pthread_mutex_init(&wk->lock, NULL);
	ds_cond_init(&wk->wake);
	wk->threads = calloc(nr, sizeof(*wk->threads));
	if (!wk->threads)
		return DS_ERR_NO_MEMORY;
	for (wk->nr = 0; wk->nr < nr; wk->nr++) {
		if (ds_thread_start(&wk->threads[wk->nr], "ds-decode", worker_main, wk)) {
			ds_workers_fini(wk);
			return DS_ERR_SYSTEM;
		}
	}
	return DS_OK;
}

void ds_workers_fini(struct ds_workers *wk)
{
	pthread_mutex_lock(&wk->lock);
	wk->is_stopping = true;
	pthread_cond_broadcast(&wk->wake);
	pthread_mutex_unlock(&wk->lock);
	for (unsigned i = 0; i < wk->nr; i++)
		pthread_join(wk->threads[i], NULL);
	free(wk->threads);
	pthread_cond_destroy(&wk->wake);
	pthread_mutex_destroy(&wk->lock);
}
