/* SPDX-License-Identifier: MIT */
/*
 * pread_pool.c: threads that pread and pwrite.
 *
 * How many threads are good depends on what they meet. A read from the page cache
 * is a memory copy: more threads than cores only get in each other's way. A read
 * that waits for the disk needs many threads, for they are the queue depth. So there are two
 * lanes. Buffered reads start in the fast lane, which only a few threads serve at
 * one time, and are tried with RWF_NOWAIT; what is not in the cache moves to the slow
 * lane, together with direct I/O and writes, which all threads serve.
 */
#include "io/pread_pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/thread.h"
#include "base/util.h"
#include "io/page_cache.h"

/* Threads are the queue depth of direct and cold reads: 16 gain over 8, more hardly over 16. */
#define MIN_WORKERS	16
#define MAX_WORKERS	64
#define OPS_A_WORKER	16
#define NBYTES_A_WORKER (4u << 20)
#define MIN_NBYTES	(32u << 20)
/* A worker takes several small operations at a time, to lock less often. */
#define SMALL_NBYTES	(16u << 10)
#define MAX_TAKE	8

enum lane_index {
	LANE_FAST,
	LANE_SLOW,
	NR_LANES,
};

/* Operations that wait, first come first served; doubly linked, so that one can be taken back. */
struct lane {
	struct ds_io_op *first;
	struct ds_io_op *last;
	unsigned nr;
	unsigned nr_active; /* threads in it */
	unsigned max_active;
};

struct pool {
	struct ds_io_engine base;
	struct ds_io_config cfg;
	pthread_t *threads;
	unsigned nr_threads;
	atomic_bool has_no_nowait; /* the kernel knows no preadv2() */

	pthread_mutex_t lock; /* guards all below, and the links of waiting operations */
	pthread_cond_t wake;
	struct lane lanes[NR_LANES];
	unsigned nr_idle;
	bool is_stopping;
};

/* engine_data while an operation waits: its lane + 1, else 0. */

static void push(struct pool *p, enum lane_index index, struct ds_io_op *op)
{
	struct lane *lane = &p->lanes[index];

	op->engine_data = index + 1;
	op->next = NULL;
	op->prev = lane->last;
	if (lane->last)
		lane->last->next = op;
	else
		lane->first = op;
	lane->last = op;
	lane->nr++;
}

static void unlink_op(struct pool *p, struct ds_io_op *op)
{
	struct lane *lane = &p->lanes[op->engine_data - 1];

	if (op->prev)
		op->prev->next = op->next;
	else
		lane->first = op->next;
	if (op->next)
		op->next->prev = op->prev;
	else
		lane->last = op->prev;
	lane->nr--;
	op->engine_data = 0;
	op->next = NULL;
	op->prev = NULL;
}

static bool may_enter(const struct lane *lane)
{
	return lane->first && lane->nr_active < lane->max_active;
}

/* As many threads as can be of use in a lane that got nr operations; with the lock. */
static void wake_for(struct pool *p, const struct lane *lane, unsigned nr)
{
	unsigned room = lane->max_active - lane->nr_active;

	nr = (unsigned)ds_min_u64(nr, ds_min_u64(room, p->nr_idle));
	while (nr--)
		pthread_cond_signal(&p->wake);
}

static enum lane_index lane_of(struct pool *p, const struct ds_io_op *op)
{
	bool fast = op->opcode == DS_IO_READ && !op->is_direct &&
		    !atomic_load_explicit(&p->has_no_nowait, memory_order_relaxed);

	return fast ? LANE_FAST : LANE_SLOW;
}

static void pool_start(struct ds_io_engine *e, struct ds_io_op *list)
{
	struct pool *p = ds_container_of(e, struct pool, base);
	unsigned nr[NR_LANES] = { 0, 0 };
	struct ds_io_op *next;

	pthread_mutex_lock(&p->lock);
	for (; list; list = next) {
		enum lane_index index = lane_of(p, list);

		next = list->next;
		push(p, index, list);
		nr[index]++;
	}
	for (unsigned i = 0; i < NR_LANES; i++)
		wake_for(p, &p->lanes[i], nr[i]);
	pthread_mutex_unlock(&p->lock);
}

static bool pool_cancel(struct ds_io_engine *e, struct ds_io_op *op)
{
	struct pool *p = ds_container_of(e, struct pool, base);
	bool waits;

	pthread_mutex_lock(&p->lock);
	waits = op->engine_data != 0;
	if (waits)
		unlink_op(p, op);
	pthread_mutex_unlock(&p->lock);
	return waits;
}

static int result_of(ssize_t n)
{
	return n < 0 ? -errno : (int)n;
}

/* From the page cache only; -EAGAIN where that would have to wait. */
static int read_cached(struct pool *p, struct ds_io_op *op)
{
	int res = ds_page_cache_read(&p->base, op->fd, op->buf, op->nbytes, op->offset);

	if (res == -ENOSYS)
		atomic_store_explicit(&p->has_no_nowait, true, memory_order_relaxed);
	/* Some file systems refuse the flag. */
	return res == -ENOSYS || res == -EOPNOTSUPP ? -EAGAIN : res;
}

static int run_slow(struct ds_io_op *op)
{
	if (op->opcode == DS_IO_WRITE)
		return result_of(pwrite(op->fd, op->buf, op->nbytes, (off_t)op->offset));
	return result_of(pread(op->fd, op->buf, op->nbytes, (off_t)op->offset));
}

static void move_to_slow_lane(struct pool *p, struct ds_io_op *op)
{
	pthread_mutex_lock(&p->lock);
	push(p, LANE_SLOW, op);
	wake_for(p, &p->lanes[LANE_SLOW], 1);
	pthread_mutex_unlock(&p->lock);
}

static void run(struct pool *p, enum lane_index index, struct ds_io_op *op)
{
	int res;

	if (index == LANE_SLOW) {
		op->done(op, run_slow(op));
		return;
	}
	res = read_cached(p, op);
	if (res == -EAGAIN)
		move_to_slow_lane(p, op);
	else
		op->done(op, res);
}

/* Takes some operations of a lane; with the lock. They can no longer be cancelled. */
static struct ds_io_op *take(struct pool *p, enum lane_index index)
{
	struct lane *lane = &p->lanes[index];
	struct ds_io_op *first = lane->first, *tail = first;
	unsigned nr = 1, max = lane->nr / lane->max_active;

	unlink_op(p, first);
	if (index == LANE_SLOW || first->nbytes > SMALL_NBYTES)
		return first;
	while (lane->first && nr < max && nr < MAX_TAKE && lane->first->nbytes <= SMALL_NBYTES) {
		struct ds_io_op *op = lane->first;

		unlink_op(p, op);
		tail->next = op;
		tail = op;
		nr++;
	}
	return first;
}

/* With the lock, which is dropped meanwhile. */
static void serve(struct pool *p, enum lane_index index)
{
	struct ds_io_op *op = take(p, index), *next;

	p->lanes[index].nr_active++;
	pthread_mutex_unlock(&p->lock);
	p->cfg.batch_begin();
	for (; op; op = next) {
		next = op->next;
		run(p, index, op);
	}
	p->cfg.batch_end();
	pthread_mutex_lock(&p->lock);
	p->lanes[index].nr_active--;
}

static void *pool_main(void *arg)
{
	struct pool *p = arg;

	if (p->cfg.thread_start)
		p->cfg.thread_start(p->cfg.thread_arg);
	pthread_mutex_lock(&p->lock);
	for (;;) {
		if (may_enter(&p->lanes[LANE_SLOW])) {
			serve(p, LANE_SLOW);
		} else if (may_enter(&p->lanes[LANE_FAST])) {
			serve(p, LANE_FAST);
		} else if (p->is_stopping) {
			break;
		} else {
			p->nr_idle++;
			pthread_cond_wait(&p->wake, &p->lock);
			p->nr_idle--;
		}
	}
	pthread_mutex_unlock(&p->lock);
	if (p->cfg.thread_stop)
		p->cfg.thread_stop(p->cfg.thread_arg);
	return NULL;
}

static void stop_threads(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->is_stopping = true;
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->nr_threads; i++)
		pthread_join(p->threads[i], NULL);
}

static void pool_destroy(struct ds_io_engine *e)
{
	struct pool *p = ds_container_of(e, struct pool, base);

	stop_threads(p);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p->threads);
	free(p);
}

static const struct ds_io_engine_ops pool_ops = {
	.name = "pread",
	.destroy = pool_destroy,
	.start = pool_start,
	.cancel = pool_cancel,
	.read_cached = ds_page_cache_read,
};

static int start_threads(struct pool *p, unsigned nr)
{
	for (; p->nr_threads < nr; p->nr_threads++) {
		int err = ds_thread_start(&p->threads[p->nr_threads], "ds-pread", pool_main, p);

		if (err)
			return err;
	}
	return 0;
}

static unsigned default_workers(unsigned cores)
{
	return (unsigned)ds_min_u64(ds_max_u64(2 * cores, MIN_WORKERS), MAX_WORKERS);
}

int ds_pread_pool_create(const void *arg, const struct ds_io_config *cfg, struct ds_io_engine **out)
{
	unsigned fast = ds_cpu_count();
	unsigned nr = cfg->nr_workers ? cfg->nr_workers : default_workers(fast);
	struct pool *p = calloc(1, sizeof(*p));
	int err;

	(void)arg;
	if (!p)
		return -ENOMEM;
	p->threads = calloc(nr, sizeof(*p->threads));
	if (!p->threads) {
		free(p);
		return -ENOMEM;
	}
	p->cfg = *cfg;
	p->base.ops = &pool_ops;
	p->base.nr_workers = nr;
	p->base.max_ops = (unsigned)ds_max_u64(nr * OPS_A_WORKER, 128);
	p->base.max_nbytes = ds_max_u64((uint64_t)nr * NBYTES_A_WORKER, MIN_NBYTES);
	p->lanes[LANE_FAST].max_active = fast < nr ? fast : nr;
	p->lanes[LANE_SLOW].max_active = nr;
	pthread_mutex_init(&p->lock, NULL);
	ds_cond_init(&p->wake);
	err = start_threads(p, nr);
	if (err) {
		pool_destroy(&p->base);
		return err;
	}
	*out = &p->base;
	return 0;
}
