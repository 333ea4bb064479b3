/* SPDX-License-Identifier: MIT */
/*
 * uring.c: the io_uring engine: sharding over the workers, cancelling, registered
 * files and memory.
 */
#include "io/uring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "base/util.h"
#include "io/page_cache.h"
#include "io/uring_priv.h"

#define MAX_WORKERS	    64
#define DEFAULT_WORKERS	    4
#define DEFAULT_ENTRIES	    64
#define MAX_ENTRIES	    4096
#define DEFAULT_MAX_BYTES   (8u << 20)
#define CONCENTRATED_NBYTES (128u << 10)

static struct uring_engine *to_engine(struct ds_io_engine *e)
{
	return ds_container_of(e, struct uring_engine, base);
}

/*
 * A read from the page cache is a memory copy inside the system call: those are spread over
 * all rings, the fewest bytes first. One that calls from its own thread keeps the work unless
 * another has clearly less: that saves a wake-up.
 */
static struct uring_worker *spread(struct uring_engine *e, struct uring_worker *self,
				   uint32_t nbytes)
{
	struct uring_worker *best = &e->workers[0];
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < e->nr_workers; i++) {
		struct uring_worker *w = &e->workers[i];
		uint64_t load = atomic_load_explicit(&w->load_nbytes, memory_order_relaxed);

		if (w != self)
			load += self ? 2 * (uint64_t)nbytes : 0;
		if (load < least) {
			least = load;
			best = w;
		}
	}
	return best;
}

/*
 * Small direct I/O costs its thread little, even where that copies it from staging memory, and the fewer rings it is on, the more completions
 * one wait brings: the first ring that has room. (Large ones come in no such numbers, and the
 * kernel's scheduler starves the older ones of a second ring when a first runs ahead.)
 */
static struct uring_worker *concentrate(struct uring_engine *e)
{
	for (unsigned i = 0; i < e->nr_workers; i++) {
		struct uring_worker *w = &e->workers[i];

		if (atomic_load_explicit(&w->load_ops, memory_order_relaxed) < e->set.entries &&
		    atomic_load_explicit(&w->load_nbytes, memory_order_relaxed) < e->set.max_nbytes)
			return w;
	}
	return NULL;
}

static bool is_spread(const struct uring_engine *e, const struct ds_io_op *op)
{
	if (!op->is_direct || op->nbytes > CONCENTRATED_NBYTES)
		return true;
	return op->cached_fd >= 0 && atomic_load_explicit(&e->cached_share, memory_order_relaxed) >
					     DS_URING_SHARE_ONE / 2;
}

static struct uring_worker *choose_worker(struct uring_engine *e, struct uring_worker *self,
					  const struct ds_io_op *op)
{
	struct uring_worker *w = is_spread(e, op) ? NULL : concentrate(e);

	return w ? w : spread(e, self, op->nbytes);
}

struct chain {
	struct ds_io_op *first;
	struct ds_io_op *last;
};

static void uring_start(struct ds_io_engine *base, struct ds_io_op *list)
{
	struct uring_engine *e = to_engine(base);
	struct uring_worker *self = ds_uring_worker_current();
	struct chain chains[MAX_WORKERS];
	struct ds_io_op *next;

	if (self && self->engine != e)
		self = NULL;
	memset(chains, 0, e->nr_workers * sizeof(chains[0]));
	for (; list; list = next) {
		struct uring_worker *w = choose_worker(e, self, list);
		struct chain *c = &chains[w->index];

		next = list->next;
		list->next = NULL;
		if (c->last)
			c->last->next = list;
		else
			c->first = list;
		c->last = list;
		atomic_fetch_add_explicit(&w->load_nbytes, list->nbytes, memory_order_relaxed);
		atomic_fetch_add_explicit(&w->load_ops, 1, memory_order_relaxed);
	}
	for (unsigned i = 0; i < e->nr_workers; i++) {
		if (chains[i].first)
			ds_uring_worker_push(&e->workers[i], chains[i].first);
	}
}

static void unlink_op(struct uring_worker *w, struct ds_io_op *op)
{
	if (op->prev)
		op->prev->next = op->next;
	else
		w->first = op->next;
	if (op->next)
		op->next->prev = op->prev;
	else
		w->last = op->prev;
}

static bool uring_cancel(struct ds_io_engine *base, struct ds_io_op *op)
{
	struct uring_engine *e = to_engine(base);
	uintptr_t data = atomic_load_explicit(&op->engine_data, memory_order_acquire);
	struct uring_worker *w;
	bool waits;

	if (!(data & DS_URING_WAITING))
		return false;
	w = &e->workers[data / 2];
	pthread_mutex_lock(&w->lock);
	waits = atomic_load_explicit(&op->engine_data, memory_order_relaxed) == data;
	if (waits) {
		unlink_op(w, op);
		atomic_store_explicit(&op->engine_data, 0, memory_order_relaxed);
		atomic_fetch_sub_explicit(&w->load_nbytes, op->nbytes, memory_order_relaxed);
		atomic_fetch_sub_explicit(&w->load_ops, 1, memory_order_relaxed);
	}
	pthread_mutex_unlock(&w->lock);
	return waits;
}

/* ---------------------------------------------------- registered files, memory */

static int set_file(struct uring_engine *e, unsigned slot, int fd)
{
	for (unsigned i = 0; i < e->nr_workers; i++) {
		struct uring_command *c = calloc(1, sizeof(*c));

		if (!c)
			return -ENOMEM;
		c->kind = URING_SET_FILE;
		c->slot = slot;
		c->fd = fd;
		ds_uring_worker_command(&e->workers[i], c);
	}
	return 0;
}

static void uring_unregister_file(struct ds_io_engine *base, int slot)
{
	struct uring_engine *e = to_engine(base);

	/* Without memory for it, the slot stays in use: it must not name two files. */
	if (set_file(e, (unsigned)slot, -1))
		return;
	pthread_mutex_lock(&e->lock);
	e->file_used[slot] = 0;
	pthread_mutex_unlock(&e->lock);
}

static int uring_register_file(struct ds_io_engine *base, int fd)
{
	struct uring_engine *e = to_engine(base);
	int slot = -ENFILE;

	if (!base->has_fixed_files)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&e->lock);
	for (unsigned i = 0; i < DS_URING_FILES && slot < 0; i++) {
		unsigned at = (e->file_hint + i) % DS_URING_FILES;

		if (!e->file_used[at])
			slot = (int)at;
	}
	if (slot >= 0) {
		e->file_used[slot] = 1;
		e->file_hint = (unsigned)slot + 1;
	}
	pthread_mutex_unlock(&e->lock);
	if (slot >= 0 && set_file(e, (unsigned)slot, fd)) {
		uring_unregister_file(base, slot);
		slot = -ENOMEM;
	}
	return slot;
}

static struct uring_region *find_region(struct uring_engine *e, const void *data)
{
	for (unsigned i = 1; i < DS_URING_BUFFERS; i++) {
		if (e->regions[i].data == data)
			return &e->regions[i];
	}
	return NULL;
}

/* On every ring, waiting until all have done it. */
static int set_buffer(struct uring_engine *e, unsigned slot, void *data, size_t nbytes)
{
	struct uring_command commands[MAX_WORKERS];
	struct uring_wait wait = { .nr_left = e->nr_workers };
	int err;

	pthread_mutex_init(&wait.lock, NULL);
	ds_cond_init(&wait.done);
	for (unsigned i = 0; i < e->nr_workers; i++) {
		commands[i] = (struct uring_command){
			.kind = URING_SET_BUFFER,
			.slot = slot,
			.iov = { data, nbytes },
			.wait = &wait,
		};
		ds_uring_worker_command(&e->workers[i], &commands[i]);
	}
	pthread_mutex_lock(&wait.lock);
	while (wait.nr_left)
		pthread_cond_wait(&wait.done, &wait.lock);
	err = wait.err;
	pthread_mutex_unlock(&wait.lock);
	pthread_cond_destroy(&wait.done);
	pthread_mutex_destroy(&wait.lock);
	return err;
}

static int uring_register_memory(struct ds_io_engine *base, void *data, size_t nbytes)
{
	struct uring_engine *e = to_engine(base);
	struct uring_region *r;
	int err = 0;

	if (!base->has_fixed_buffers)
		return e->set.fixed_buffers == DS_URING_OFF ? -EOPNOTSUPP : -ENOMEM;
	if (nbytes > DS_URING_BUFFER_NBYTES)
		return -E2BIG;
	pthread_mutex_lock(&e->lock);
	r = find_region(e, data);
	if (r) {
		err = -EEXIST;
	} else {
		r = find_region(e, NULL);
		err = r ? set_buffer(e, (unsigned)(r - e->regions), data, nbytes) : -ENOSPC;
		if (!err)
			*r = (struct uring_region){ data, nbytes };
		else if (r)
			set_buffer(e, (unsigned)(r - e->regions), NULL, 0);
	}
	pthread_mutex_unlock(&e->lock);
	return err;
}

static int uring_unregister_memory(struct ds_io_engine *base, void *data)
{
	struct uring_engine *e = to_engine(base);
	struct uring_region *r;
	int err = -ENOENT;

	pthread_mutex_lock(&e->lock);
	r = data ? find_region(e, data) : NULL;
	if (r) {
		err = set_buffer(e, (unsigned)(r - e->regions), NULL, 0);
		*r = (struct uring_region){ NULL, 0 };
	}
	pthread_mutex_unlock(&e->lock);
	return err;
}

/* ------------------------------------------------------------ create, destroy */

static void stop_workers(struct uring_engine *e)
{
	for (unsigned i = 0; i < e->nr_workers; i++)
		ds_uring_worker_stop(&e->workers[i]);
	for (unsigned i = 0; i < e->nr_workers; i++)
		ds_uring_worker_fini(&e->workers[i]);
}

static void uring_destroy(struct ds_io_engine *base)
{
	struct uring_engine *e = to_engine(base);

	stop_workers(e);
	pthread_mutex_destroy(&e->lock);
	free(e->workers);
	free(e);
}

static bool uring_is_cached(struct ds_io_engine *base, int fd, uint64_t offset, uint64_t nbytes)
{
	(void)base;
	return ds_page_cache_has(fd, offset, nbytes);
}

static const struct ds_io_engine_ops uring_ops = {
	.name = "io_uring",
	.destroy = uring_destroy,
	.start = uring_start,
	.cancel = uring_cancel,
	.read_cached = ds_page_cache_read,
	.is_cached = uring_is_cached,
	.register_file = uring_register_file,
	.unregister_file = uring_unregister_file,
	.register_memory = uring_register_memory,
	.unregister_memory = uring_unregister_memory,
};

static void take_settings(struct uring_engine *e, const struct ds_uring_settings *user)
{
	if (user)
		e->set = *user;
	if (!e->set.entries)
		e->set.entries = DEFAULT_ENTRIES;
	if (e->set.entries > MAX_ENTRIES)
		e->set.entries = MAX_ENTRIES;
	if (!e->set.max_nbytes)
		e->set.max_nbytes = DEFAULT_MAX_BYTES;
}

static int start_workers(struct uring_engine *e, unsigned nr)
{
	for (; e->nr_workers < nr; e->nr_workers++) {
		struct uring_worker *w = &e->workers[e->nr_workers];
		int err;

		w->engine = e;
		w->index = e->nr_workers;
		err = ds_uring_worker_start(w);
		if (err)
			return err;
	}
	return 0;
}

int ds_uring_create(const void *arg, const struct ds_io_config *cfg, struct ds_io_engine **out)
{
	unsigned nr = cfg->nr_workers;
	struct uring_engine *e;
	int err;

	err = ds_uring_probe(cfg->why, cfg->why_nbytes);
	if (err)
		return err;
	if (!nr)
		nr = (unsigned)ds_min_u64(ds_cpu_count(), DEFAULT_WORKERS);
	if (nr > MAX_WORKERS)
		nr = MAX_WORKERS;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->workers = calloc(nr, sizeof(*e->workers));
	if (!e->workers) {
		free(e);
		return -ENOMEM;
	}
	e->cfg = *cfg;
	take_settings(e, arg);
	pthread_mutex_init(&e->lock, NULL);
	e->base.ops = &uring_ops;
	err = start_workers(e, nr);
	/* Rings count as locked memory on older kernels: better fewer of them than none. */
	if (err == -ENOMEM && e->nr_workers)
		err = 0;
	nr = e->nr_workers;
	if (err) {
		ds_uring_explain(err, cfg->why, cfg->why_nbytes);
		uring_destroy(&e->base);
		return err;
	}
	e->base.nr_workers = nr;
	/* A little more than the rings take, so that they never run dry between two rounds. */
	e->base.max_ops = nr * e->set.entries * 2;
	e->base.max_nbytes = nr * e->set.max_nbytes * 2;
	e->base.has_fixed_buffers = true;
	e->base.has_fixed_files = true;
	for (unsigned i = 0; i < nr; i++) {
		e->base.has_fixed_buffers &= e->workers[i].has_fixed_buffers;
		e->base.has_fixed_files &= e->workers[i].has_fixed_files;
	}
	*out = &e->base;
	return 0;
}
