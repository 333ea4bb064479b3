/* SPDX-License-Identifier: MIT */
/*
 * ring.c: see ring.h.
 *
 *	drained ... taken ... filled
 *	   |  done   |  ready   |  empty (up to one ring further)
 */
#include "gdeflate/ring.h"

#include <string.h>

#include "base/thread.h"
#include "codec/gdeflate/memory.h"

struct gd_ring_thread {
	struct gd_ring *ring;
	unsigned number;
	pthread_t id;
};

/* With the lock held, and a block ready: works on it without the lock. */
static void work_on_next(struct gd_ring *r, unsigned thread)
{
	const struct gd_ring_ops *ops = r->ops;
	uint64_t mine = r->taken++;
	unsigned block = (unsigned)(mine % r->nr_blocks);
	void *job = r->job;

	r->nr_working++;
	pthread_mutex_unlock(&r->lock);
	ops->work(job, block, thread);
	pthread_mutex_lock(&r->lock);
	r->is_done[block] = true;
	r->nr_working--;
	if (mine == r->drained || !r->nr_working)
		pthread_cond_signal(&r->can_drain);
}

static void *thread_main(void *arg)
{
	struct gd_ring_thread *t = arg;
	struct gd_ring *r = t->ring;

	pthread_mutex_lock(&r->lock);
	while (!r->is_over) {
		if (r->taken == r->filled)
			pthread_cond_wait(&r->can_work, &r->lock);
		else
			work_on_next(r, t->number);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* Only the calling thread changes filled and drained, so it may read them bare. */
static ds_result fill_all(struct gd_ring *r, bool *is_more)
{
	ds_result ret = DS_OK;

	while (*is_more && r->filled - r->drained < r->nr_blocks) {
		*is_more = r->ops->fill(r->job, (unsigned)(r->filled % r->nr_blocks), &ret);
		if (!*is_more)
			break;
		pthread_mutex_lock(&r->lock);
		r->is_done[r->filled % r->nr_blocks] = false;
		r->filled++;
		pthread_cond_signal(&r->can_work);
		pthread_mutex_unlock(&r->lock);
	}
	return ret;
}

/* Until the oldest block is done. Works itself, rather than to wait. */
static void finish_oldest(struct gd_ring *r)
{
	pthread_mutex_lock(&r->lock);
	while (!r->is_done[r->drained % r->nr_blocks]) {
		if (r->taken == r->filled)
			pthread_cond_wait(&r->can_drain, &r->lock);
		else
			work_on_next(r, r->nr_threads - 1);
	}
	pthread_mutex_unlock(&r->lock);
}

/* Nobody takes a block any more, and those who have one are waited for. */
static void stop_job(struct gd_ring *r)
{
	pthread_mutex_lock(&r->lock);
	r->filled = r->taken;
	while (r->nr_working)
		pthread_cond_wait(&r->can_drain, &r->lock);
	r->filled = r->taken = r->drained = 0;
	r->job = NULL;
	pthread_mutex_unlock(&r->lock);
}

/*
 * After a failure to fill, the blocks before it are drained all the same: what comes out
 * does not depend on how far ahead was filled.
 */
ds_result ds_gd_ring_run(struct gd_ring *r, const struct gd_ring_ops *ops, void *job)
{
	ds_result ret = DS_OK, fill_ret = DS_OK;
	bool is_more = true;

	pthread_mutex_lock(&r->lock);
	r->ops = ops;
	r->job = job;
	pthread_mutex_unlock(&r->lock);
	while (!ret) {
		if (is_more)
			fill_ret = fill_all(r, &is_more);
		if (r->filled == r->drained)
			break;
		finish_oldest(r);
		ret = ops->drain(job, (unsigned)(r->drained % r->nr_blocks));
		pthread_mutex_lock(&r->lock);
		r->drained++;
		pthread_mutex_unlock(&r->lock);
	}
	stop_job(r);
	return ret ? ret : fill_ret;
}

/* ------------------------------------------------------------- life and end */

static void start_threads(struct gd_ring *r, unsigned nr_threads)
{
	unsigned nr = 0;

	for (; nr + 1 < nr_threads; nr++) {
		struct gd_ring_thread *t = &r->threads[nr];

		t->ring = r;
		t->number = nr;
		if (ds_thread_start(&t->id, "ds-gdeflate", thread_main, t))
			break;
	}
	r->nr_threads = nr + 1;
}

ds_result ds_gd_ring_init(struct gd_ring *r, unsigned nr_threads,
			  const struct ds_gdeflate_allocator *allocator)
{
	const struct ds_gdeflate_allocator *a = allocator;

	memset(r, 0, sizeof(*r));
	r->allocator = *a;
	/* Two for each thread, so that none waits while the oldest is being drained. */
	r->nr_blocks = 2 * nr_threads + 2;
	r->threads = gd_alloc(a, nr_threads * sizeof(*r->threads));
	r->is_done = gd_alloc(a, r->nr_blocks * sizeof(*r->is_done));
	if (!r->threads || !r->is_done) {
		gd_free(a, r->threads);
		gd_free(a, r->is_done);
		return DS_ERR_NO_MEMORY;
	}
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->can_work, NULL);
	pthread_cond_init(&r->can_drain, NULL);
	start_threads(r, nr_threads);
	return DS_OK;
}

void ds_gd_ring_fini(struct gd_ring *r)
{
	pthread_mutex_lock(&r->lock);
	r->is_over = true;
	pthread_cond_broadcast(&r->can_work);
	pthread_mutex_unlock(&r->lock);
	for (unsigned i = 0; i + 1 < r->nr_threads; i++)
		pthread_join(r->threads[i].id, NULL);
	pthread_cond_destroy(&r->can_drain);
	pthread_cond_destroy(&r->can_work);
	pthread_mutex_destroy(&r->lock);
	gd_free(&r->allocator, r->is_done);
	gd_free(&r->allocator, r->threads);
}
