/* SPDX-License-Identifier: MIT */
/*
 * parallel.c: a ring of blocks between one thread that reads and writes and many that work.
 *
 *	drained ... taken ... filled
 *	   |  done   |  ready   |  empty (up to one ring further)
 */
#include "parallel.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

struct parallel {
	const struct parallel_ops *ops;
	void *arg;
	uint64_t nr_slots;
	char *blocks;
	struct worker *workers;
	unsigned nr_workers;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t can_work;
	pthread_cond_t can_drain;
	uint64_t filled; /* blocks so far; each counter only grows */
	uint64_t taken;
	uint64_t drained;
	bool *is_done; /* by slot */
	bool is_over;
};

struct worker {
	struct parallel *p;
	void *coder;
	pthread_t thread;
};

static void *block_at(struct parallel *p, uint64_t index)
{
	return p->blocks + (size_t)(index % p->nr_slots) * p->ops->block_nbytes;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct parallel *p = w->p;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		uint64_t mine;

		while (p->taken == p->filled && !p->is_over)
			pthread_cond_wait(&p->can_work, &p->lock);
		if (p->is_over)
			break;
		mine = p->taken++;
		pthread_mutex_unlock(&p->lock);
		p->ops->work(w->coder, block_at(p, mine));
		pthread_mutex_lock(&p->lock);
		p->is_done[mine % p->nr_slots] = true;
		if (mine == p->drained)
			pthread_cond_signal(&p->can_drain);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void wait_for_oldest(struct parallel *p)
{
	pthread_mutex_lock(&p->lock);
	while (!p->is_done[p->drained % p->nr_slots])
		pthread_cond_wait(&p->can_drain, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

static void publish_filled(struct parallel *p)
{
	pthread_mutex_lock(&p->lock);
	p->is_done[p->filled % p->nr_slots] = false;
	p->filled++;
	pthread_cond_signal(&p->can_work);
	pthread_mutex_unlock(&p->lock);
}

static void publish_drained(struct parallel *p)
{
	pthread_mutex_lock(&p->lock);
	p->drained++;
	pthread_mutex_unlock(&p->lock);
}

/* The calling thread's part. Only it changes filled and drained, so it may read them bare. */
static int feed(struct parallel *p)
{
	bool is_more = true;
	int ret = TOOL_OK;

	while (ret == TOOL_OK) {
		while (is_more && p->filled - p->drained < p->nr_slots) {
			is_more = p->ops->fill(p->arg, block_at(p, p->filled), &ret);
			if (is_more)
				publish_filled(p);
		}
		if (ret != TOOL_OK || p->filled == p->drained)
			break;
		wait_for_oldest(p);
		ret = p->ops->drain(p->arg, block_at(p, p->drained));
		publish_drained(p);
	}
	return ret;
}

static int start_workers(struct parallel *p, unsigned nr_threads)
{
	int err = 0;

	for (unsigned i = 0; i < nr_threads; i++) {
		struct worker *w = &p->workers[i];

		w->p = p;
		w->coder = p->ops->coder_create(p->arg);
		if (!w->coder)
			return TOOL_FAILED;
		err = pthread_create(&w->thread, NULL, worker_main, w);
		if (err) {
			p->ops->coder_destroy(w->coder);
			break;
		}
		p->nr_workers++;
	}
	/* Fewer threads than asked for give the same bytes, only later. */
	if (p->nr_workers == 0)
		return tool_error_errno("threads", "cannot start one", err);
	return TOOL_OK;
}

static void stop_workers(struct parallel *p)
{
	pthread_mutex_lock(&p->lock);
	p->is_over = true;
	pthread_cond_broadcast(&p->can_work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->nr_workers; i++) {
		pthread_join(p->workers[i].thread, NULL);
		p->ops->coder_destroy(p->workers[i].coder);
	}
}

int parallel_run(const struct parallel_ops *ops, void *arg, unsigned nr_threads)
{
	struct parallel p = {
		.ops = ops,
		.arg = arg,
		/* Two for each thread, so that none waits while the oldest is being written. */
		.nr_slots = 2 * (uint64_t)nr_threads + 2,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.can_work = PTHREAD_COND_INITIALIZER,
		.can_drain = PTHREAD_COND_INITIALIZER,
	};
	int ret;

	p.blocks = calloc((size_t)p.nr_slots, ops->block_nbytes);
	p.is_done = calloc((size_t)p.nr_slots, sizeof(*p.is_done));
	p.workers = calloc(nr_threads, sizeof(*p.workers));
	if (!p.blocks || !p.is_done || !p.workers) {
		ret = tool_error_memory();
		goto out;
	}
	ret = start_workers(&p, nr_threads);
	if (ret == TOOL_OK)
		ret = feed(&p);
	stop_workers(&p);
	for (uint64_t i = 0; i < p.nr_slots; i++)
		ops->block_fini(block_at(&p, i));
out:
	free(p.workers);
	free(p.is_done);
	free(p.blocks);
	return ret;
}
