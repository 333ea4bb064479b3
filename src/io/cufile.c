/* SPDX-License-Identifier: MIT */
/*
 * cufile.c: threads in blocking cuFileRead(), beside another engine.
 *
 * Threads with large blocking reads are what cuFile is fastest with; its batches and streams
 * gain nothing. A file is registered once, by its descriptor with O_DIRECT, and deregistered
 * before that is closed. When a read fails, the file goes the staged way from then on, and this
 * read through host memory.
 */
#include "io/cufile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/thread.h"
#include "base/util.h"
#include "io/cufile_library.h"

#define DEFAULT_THREADS 16u
#define OPS_A_THREAD	4u
#define NBYTES_A_THREAD (16u << 20)
#define BOUNCE_NBYTES	(1u << 20)
/* Below this number slots are the wrapped engine's own. */
#define OWN_SLOTS	(1 << 20)

struct peer_file {
	int fd;
	int32_t slot;
	cufile_handle handle;
	bool is_bad; /* a read has failed */
};

struct cufile_engine {
	struct ds_io_engine base;
	struct ds_io_engine_ops ops; /* without is_cached where the wrapped engine has none */
	struct ds_io_config cfg;
	struct ds_cufile_settings set;
	const struct cufile_library *lib;
	struct ds_io_engine *inner;
	pthread_t *threads;
	unsigned nr_threads;

	pthread_mutex_t lock; /* guards all below, and the links of waiting operations */
	pthread_cond_t wake;
	struct peer_file *files;
	size_t nr_files;
	size_t room;
	struct ds_io_op *first;
	struct ds_io_op *last;
	bool is_stopping;
};

static struct cufile_engine *to_cufile(struct ds_io_engine *e)
{
	return ds_container_of(e, struct cufile_engine, base);
}

/* -------------------------------------------------------------------- files */

/* With the lock; NULL when it is not registered. */
static struct peer_file *find_file(struct cufile_engine *e, int fd)
{
	for (size_t i = 0; i < e->nr_files; i++) {
		if (e->files[i].fd == fd)
			return &e->files[i];
	}
	return NULL;
}

static bool add_file(struct cufile_engine *e, struct peer_file file)
{
	bool is_added = true;

	pthread_mutex_lock(&e->lock);
	if (e->nr_files == e->room) {
		size_t want = e->room ? 2 * e->room : 16;
		struct peer_file *more = realloc(e->files, want * sizeof(*more));

		is_added = more;
		if (more) {
			e->files = more;
			e->room = want;
		}
	}
	if (is_added)
		e->files[e->nr_files++] = file;
	pthread_mutex_unlock(&e->lock);
	return is_added;
}

static void note(struct cufile_engine *e, const char *what, int fd, int error)
{
	char text[200];

	snprintf(text, sizeof(text),
		 "cuFile refuses %s fd %d: %s (%d); it goes through host memory", what, fd,
		 ds_cufile_error_text(error), error);
	e->set.note(e->set.device, text);
}

static void register_peer(struct cufile_engine *e, int fd, int32_t slot)
{
	struct cufile_description d = { .type = CUFILE_TYPE_FD, .fd = fd };
	cufile_handle handle = NULL;
	int error = e->lib->handle_register(&handle, &d).error;

	if (error)
		note(e, "the file of", fd, error);
	else if (!add_file(e, (struct peer_file){ .fd = fd, .slot = slot, .handle = handle }))
		e->lib->handle_deregister(handle);
}

/*
 * A slot is needed to learn of the file's end. Where the wrapped engine has none, the number is one
 * that it does not know, and never sees: it takes no slots then.
 */
static int cufile_register_file(struct ds_io_engine *base, int fd)
{
	struct cufile_engine *e = to_cufile(base);
	int flags = fcntl(fd, F_GETFL);
	int slot = e->inner->ops->register_file ? e->inner->ops->register_file(e->inner, fd)
						: OWN_SLOTS + fd;

	if (slot >= 0 && flags >= 0 && flags & O_DIRECT)
		register_peer(e, fd, slot);
	return slot;
}

static void cufile_unregister_file(struct ds_io_engine *base, int slot)
{
	struct cufile_engine *e = to_cufile(base);
	cufile_handle handle = NULL;

	pthread_mutex_lock(&e->lock);
	for (size_t i = 0; i < e->nr_files; i++) {
		if (e->files[i].slot != slot)
			continue;
		handle = e->files[i].handle;
		e->files[i] = e->files[--e->nr_files];
		break;
	}
	pthread_mutex_unlock(&e->lock);
	if (handle)
		e->lib->handle_deregister(handle);
	if (slot < OWN_SLOTS)
		e->inner->ops->unregister_file(e->inner, slot);
}

static bool cufile_takes_peer(struct ds_io_engine *base, int fd)
{
	struct cufile_engine *e = to_cufile(base);
	struct peer_file *f;
	bool takes;

	pthread_mutex_lock(&e->lock);
	f = find_file(e, fd);
	takes = f && !f->is_bad;
	pthread_mutex_unlock(&e->lock);
	return takes;
}

/* ------------------------------------------------------------------ reading */

/* What cuFile would not read, read here: page by page with O_DIRECT, as the descriptor wants it. */
static int read_through_host(struct cufile_engine *e, struct ds_io_op *op)
{
	uint64_t skipped = op->offset & 4095, want = skipped + op->nbytes;
	size_t room = (size_t)ds_align_up(ds_min_u64(want, BOUNCE_NBYTES), 4096);
	void *bounce = aligned_alloc(4096, room);
	ssize_t n;
	int err;

	if (!bounce)
		return -ENOMEM;
	n = pread(op->fd, bounce, room, (off_t)(op->offset - skipped));
	err = n < 0 ? -errno : 0;
	n = err || (uint64_t)n <= skipped ? 0 : n - (ssize_t)skipped;
	n = (ssize_t)ds_min_u64((uint64_t)n, op->nbytes);
	if (!err && n)
		err = e->set.copy_in(e->set.device, (uintptr_t)op->buf,
				     (unsigned char *)bounce + skipped, (size_t)n);
	free(bounce);
	op->used_peer = false;
	return err ? err : (int)n;
}

static void give_up_file(struct cufile_engine *e, int fd, int error)
{
	struct peer_file *f;
	bool is_first;

	pthread_mutex_lock(&e->lock);
	f = find_file(e, fd);
	is_first = f && !f->is_bad;
	if (f)
		f->is_bad = true;
	pthread_mutex_unlock(&e->lock);
	if (is_first)
		note(e, "a read of", fd, error);
}

static void run(struct cufile_engine *e, struct ds_io_op *op)
{
	cufile_handle handle = NULL;
	struct peer_file *f;
	ssize_t n;

	pthread_mutex_lock(&e->lock);
	f = find_file(e, op->fd);
	if (f && !f->is_bad)
		handle = f->handle;
	pthread_mutex_unlock(&e->lock);
	if (handle) {
		n = e->lib->read(handle, op->buf, op->nbytes, (off_t)op->offset, 0);
		if (n >= 0) {
			op->used_peer = true;
			op->done(op, (int)n);
			return;
		}
		give_up_file(e, op->fd, n < -1 ? (int)-n : 5044);
	}
	op->done(op, read_through_host(e, op));
}

static void *cufile_main(void *arg)
{
	struct cufile_engine *e = arg;

	if (e->cfg.thread_start)
		e->cfg.thread_start(e->cfg.thread_arg);
	/* Without a context every read fails, and goes through host memory. */
	(void)e->set.enter_thread(e->set.device);
	pthread_mutex_lock(&e->lock);
	for (;;) {
		struct ds_io_op *op = e->first;

		if (!op) {
			if (e->is_stopping)
				break;
			pthread_cond_wait(&e->wake, &e->lock);
			continue;
		}
		e->first = op->next;
		if (e->first)
			e->first->prev = NULL;
		else
			e->last = NULL;
		atomic_store_explicit(&op->engine_data, 0, memory_order_relaxed);
		pthread_mutex_unlock(&e->lock);
		e->cfg.batch_begin();
		run(e, op);
		e->cfg.batch_end();
		pthread_mutex_lock(&e->lock);
	}
	pthread_mutex_unlock(&e->lock);
	if (e->cfg.thread_stop)
		e->cfg.thread_stop(e->cfg.thread_arg);
	return NULL;
}

/* ---------------------------------------------------------- start and cancel */

/* With the lock. engine_data 1: it waits here. */
static void push(struct cufile_engine *e, struct ds_io_op *op)
{
	op->next = NULL;
	op->prev = e->last;
	if (e->last)
		e->last->next = op;
	else
		e->first = op;
	e->last = op;
	atomic_store_explicit(&op->engine_data, 1, memory_order_relaxed);
	pthread_cond_signal(&e->wake);
}

static void cufile_start(struct ds_io_engine *base, struct ds_io_op *list)
{
	struct cufile_engine *e = to_cufile(base);
	struct ds_io_op *others = NULL, **end = &others, *next;

	for (; list; list = next) {
		next = list->next;
		list->next = NULL;
		if (list->is_for_peer) {
			pthread_mutex_lock(&e->lock);
			push(e, list);
			pthread_mutex_unlock(&e->lock);
		} else {
			*end = list;
			end = &list->next;
		}
	}
	if (others)
		e->inner->ops->start(e->inner, others);
}

static bool cufile_cancel(struct ds_io_engine *base, struct ds_io_op *op)
{
	struct cufile_engine *e = to_cufile(base);
	bool waits;

	if (!op->is_for_peer)
		return e->inner->ops->cancel && e->inner->ops->cancel(e->inner, op);
	pthread_mutex_lock(&e->lock);
	waits = atomic_load_explicit(&op->engine_data, memory_order_relaxed);
	if (waits) {
		if (op->prev)
			op->prev->next = op->next;
		else
			e->first = op->next;
		if (op->next)
			op->next->prev = op->prev;
		else
			e->last = op->prev;
		atomic_store_explicit(&op->engine_data, 0, memory_order_relaxed);
	}
	pthread_mutex_unlock(&e->lock);
	return waits;
}

/* ------------------------------------------- what the wrapped engine does alone */

static bool cufile_is_cached(struct ds_io_engine *base, int fd, uint64_t offset, uint64_t nbytes)
{
	struct ds_io_engine *inner = to_cufile(base)->inner;

	return inner->ops->is_cached(inner, fd, offset, nbytes);
}

static int cufile_register_memory(struct ds_io_engine *base, void *data, size_t nbytes)
{
	struct ds_io_engine *inner = to_cufile(base)->inner;

	return inner->ops->register_memory ? inner->ops->register_memory(inner, data, nbytes)
					   : -EOPNOTSUPP;
}

static int cufile_unregister_memory(struct ds_io_engine *base, void *data)
{
	struct ds_io_engine *inner = to_cufile(base)->inner;

	return inner->ops->unregister_memory ? inner->ops->unregister_memory(inner, data)
					     : -EOPNOTSUPP;
}

static void stop_threads(struct cufile_engine *e)
{
	pthread_mutex_lock(&e->lock);
	e->is_stopping = true;
	pthread_cond_broadcast(&e->wake);
	pthread_mutex_unlock(&e->lock);
	for (unsigned i = 0; i < e->nr_threads; i++)
		pthread_join(e->threads[i], NULL);
}

static void cufile_destroy(struct ds_io_engine *base)
{
	struct cufile_engine *e = to_cufile(base);

	stop_threads(e);
	e->inner->ops->destroy(e->inner);
	ds_cufile_close();
	free(e->files);
	free(e->threads);
	pthread_cond_destroy(&e->wake);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

static const struct ds_io_engine_ops cufile_ops = {
	.name = "cufile",
	.destroy = cufile_destroy,
	.start = cufile_start,
	.cancel = cufile_cancel,
	.register_file = cufile_register_file,
	.unregister_file = cufile_unregister_file,
	.is_cached = cufile_is_cached,
	.register_memory = cufile_register_memory,
	.unregister_memory = cufile_unregister_memory,
	.takes_peer = cufile_takes_peer,
};

static int start_threads(struct cufile_engine *e, unsigned nr)
{
	for (; e->nr_threads < nr; e->nr_threads++) {
		int err = ds_thread_start(&e->threads[e->nr_threads], "ds-cufile", cufile_main, e);

		if (err)
			return err;
	}
	return 0;
}

int ds_cufile_create(const void *arg, const struct ds_io_config *cfg, struct ds_io_engine **out)
{
	const struct ds_cufile_settings *set = arg;
	unsigned nr = set->nr_threads ? set->nr_threads : DEFAULT_THREADS;
	struct cufile_engine *e = calloc(1, sizeof(*e));
	pthread_t *threads = calloc(nr, sizeof(*threads));
	int err = e && threads ? 0 : -ENOMEM;

	if (!err)
		err = set->inner_create(set->inner_arg, cfg, &e->inner);
	if (err) {
		free(e);
		free(threads);
		ds_cufile_close();
		return err;
	}
	e->threads = threads;
	e->cfg = *cfg;
	e->set = *set;
	e->lib = ds_cufile_library();
	e->base = *e->inner;
	e->ops = cufile_ops;
	if (!e->inner->ops->is_cached)
		e->ops.is_cached = NULL;
	e->base.ops = &e->ops;
	e->base.max_ops += nr * OPS_A_THREAD;
	e->base.max_nbytes += (uint64_t)nr * NBYTES_A_THREAD;
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->wake, NULL);
	err = start_threads(e, nr);
	if (err) {
		cufile_destroy(&e->base);
		return err;
	}
	*out = &e->base;
	return 0;
}
