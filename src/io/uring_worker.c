/* SPDX-License-Identifier: MIT */
/*
 * uring_worker.c: one thread, one ring.
 *
 * A round: take what the budget allows from the queue, submit it and wait for
 * completions in one system call, report all that are there. The ring is made with
 * DEFER_TASKRUN where the kernel has it, so completions are worked off only inside our
 * own wait. While the thread is in the kernel and could take more, `wants_wake` says so: who pushes
 * work then writes to wake_fd, which the ring always reads.
 *
 * A loaded ring waits for several completions at once, for LOADED_WAIT_NS at most, and is not woken
 * for new operations: it takes them along with the next completions, which are near. So a full
 * queue costs one wake-up and one system call for a batch, not for each operation;
 * uring_batch.c chooses its size.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/thread.h"
#include "base/util.h"
#include "io/page_cache.h"
#include "io/uring_priv.h"

#define MAX_REAP       64
/* Under load, several completions are waited for at once, but not longer than this. */
#define LOADED_WAIT_NS 1000000
/*
 * Direct operations that are submitted together: the disk begins with the first ones meanwhile, and what
 * begins together completes together, so that larger bursts would find the disk idle in between.
 */
#define PIECE	       8

#ifndef IORING_SETUP_SUBMIT_ALL
#define IORING_SETUP_SUBMIT_ALL (1U << 7)
#endif
#ifndef IORING_SETUP_COOP_TASKRUN
#define IORING_SETUP_COOP_TASKRUN (1U << 8)
#endif
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

/* The newest set of flags that the kernel takes. */
static const unsigned ring_flags[] = {
	IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN,
	0,
};

static _Thread_local struct uring_worker *current_worker;

struct uring_worker *ds_uring_worker_current(void)
{
	return current_worker;
}

/* ------------------------------------------------------------ other threads */

static void wake(struct uring_worker *w)
{
	static const uint64_t one = 1;
	ssize_t ignored = write(w->wake_fd, &one, sizeof(one));

	(void)ignored;
}

static void append(struct uring_worker *w, struct ds_io_op *op)
{
	op->next = NULL;
	op->prev = w->last;
	if (w->last)
		w->last->next = op;
	else
		w->first = op;
	w->last = op;
	/* Pairs with the acquire in uring_cancel(), which looks again under the lock. */
	atomic_store_explicit(&op->engine_data, w->index * 2 + DS_URING_WAITING,
			      memory_order_release);
}

void ds_uring_worker_push(struct uring_worker *w, struct ds_io_op *list)
{
	struct ds_io_op *next;
	bool needs_wake;

	pthread_mutex_lock(&w->lock);
	for (; list; list = next) {
		next = list->next;
		append(w, list);
	}
	needs_wake = w->wants_wake;
	w->wants_wake = false;
	pthread_mutex_unlock(&w->lock);
	if (needs_wake)
		wake(w);
}

void ds_uring_worker_command(struct uring_worker *w, struct uring_command *c)
{
	pthread_mutex_lock(&w->lock);
	c->next = NULL;
	if (w->commands)
		w->last_command->next = c;
	else
		w->commands = c;
	w->last_command = c;
	pthread_mutex_unlock(&w->lock);
	if (current_worker != w)
		wake(w);
}

/* -------------------------------------------------------------- the ring */

static int make_ring(struct uring_worker *w)
{
	/* The wake-up's read needs a place too. */
	unsigned entries = w->engine->set.entries + 8;
	int err = -EINVAL;

	for (unsigned i = 0; i < DS_ARRAY_SIZE(ring_flags) && err == -EINVAL; i++) {
		struct io_uring_params params = { .flags = ring_flags[i] };

		err = io_uring_queue_init_params(entries, &w->ring, &params);
		if (err)
			continue;
		w->has_timeout = params.features & IORING_FEAT_EXT_ARG;
		/* Spares each call a reference to the ring; older kernels do without. */
		io_uring_register_ring_fd(&w->ring);
	}
	return err;
}

/* Optional: what the kernel or RLIMIT_MEMLOCK refuses is done without, unless it was asked for. */
static int register_tables(struct uring_worker *w)
{
	struct uring_engine *e = w->engine;
	struct iovec staging = { e->cfg.staging, e->cfg.staging_nbytes };
	int err = -EOPNOTSUPP;

	if (e->set.fixed_buffers != DS_URING_OFF && staging.iov_len <= DS_URING_BUFFER_NBYTES) {
		err = io_uring_register_buffers_sparse(&w->ring, DS_URING_BUFFERS);
		if (!err) {
			int n = io_uring_register_buffers_update_tag(&w->ring, 0, &staging, NULL,
								     1);

			err = n < 0 ? n : 0;
			if (err)
				io_uring_unregister_buffers(&w->ring);
		}
	}
	w->has_fixed_buffers = !err;
	if (err && e->set.fixed_buffers == DS_URING_ON)
		return err;
	err = e->set.fixed_files == DS_URING_OFF
		      ? -EOPNOTSUPP
		      : io_uring_register_files_sparse(&w->ring, DS_URING_FILES);
	w->has_fixed_files = !err;
	return err && e->set.fixed_files == DS_URING_ON ? err : 0;
}

static void run_command(struct uring_worker *w, struct uring_command *c)
{
	struct uring_wait *wait = c->wait;
	int n;

	if (c->kind == URING_SET_FILE) {
		/* A slot that could not be set is -1 there, and its reads say EBADF. */
		io_uring_register_files_update(&w->ring, c->slot, &c->fd, 1);
		free(c);
		return;
	}
	n = io_uring_register_buffers_update_tag(&w->ring, c->slot, &c->iov, NULL, 1);
	if (n >= 0) {
		w->regions[c->slot].data = c->iov.iov_base;
		w->regions[c->slot].nbytes = c->iov.iov_len;
		if (c->slot >= w->nr_regions)
			w->nr_regions = c->slot + 1;
	}
	pthread_mutex_lock(&wait->lock);
	if (n < 0)
		wait->err = n;
	wait->nr_left--;
	pthread_cond_signal(&wait->done);
	pthread_mutex_unlock(&wait->lock);
}

static void arm_wake(struct uring_worker *w)
{
	struct io_uring_sqe *sqe;

	if (w->is_wake_armed)
		return;
	sqe = io_uring_get_sqe(&w->ring);
	if (!sqe)
		return;
	io_uring_prep_read(sqe, w->wake_fd, &w->wake_value, sizeof(w->wake_value), 0);
	io_uring_sqe_set_data(sqe, NULL);
	w->is_wake_armed = true;
}

/* The registered memory that holds [buf, buf + nbytes), or -1. */
static int find_buffer(const struct uring_worker *w, const struct ds_io_op *op)
{
	const unsigned char *buf = op->buf;

	if (!w->has_fixed_buffers)
		return -1;
	if (op->is_staging)
		return 0;
	for (unsigned i = 1; i < w->nr_regions; i++) {
		const struct uring_region *r = &w->regions[i];

		if (r->data && buf >= r->data && op->nbytes <= r->nbytes &&
		    (size_t)(buf - r->data) <= r->nbytes - op->nbytes)
			return (int)i;
	}
	return -1;
}

/* Direct I/O for what is not in the page cache; what is there is only a copy away. */
static void choose_cached(struct uring_worker *w, struct ds_io_op *op)
{
	atomic_uint *share = &w->engine->cached_share;
	unsigned old;
	bool cached;

	if (op->cached_fd < 0 || !op->is_direct || op->opcode != DS_IO_READ)
		return;
	cached = ds_page_cache_has(op->cached_fd, op->offset, op->nbytes);
	/* A moving average; an update that is lost to another thread does not matter. */
	old = atomic_load_explicit(share, memory_order_relaxed);
	atomic_store_explicit(share, old - old / 16 + (cached ? DS_URING_SHARE_ONE / 16 : 0),
			      memory_order_relaxed);
	if (!cached)
		return;
	op->fd = op->cached_fd;
	op->file_slot = op->cached_slot;
	op->is_direct = false;
}

static void prepare(struct uring_worker *w, struct io_uring_sqe *sqe, struct ds_io_op *op)
{
	int buffer = find_buffer(w, op);
	bool fixed_file = w->has_fixed_files && op->file_slot >= 0;
	int fd = fixed_file ? op->file_slot : op->fd;

	if (op->opcode == DS_IO_WRITE && buffer >= 0)
		io_uring_prep_write_fixed(sqe, fd, op->buf, op->nbytes, op->offset, buffer);
	else if (op->opcode == DS_IO_WRITE)
		io_uring_prep_write(sqe, fd, op->buf, op->nbytes, op->offset);
	else if (buffer >= 0)
		io_uring_prep_read_fixed(sqe, fd, op->buf, op->nbytes, op->offset, buffer);
	else
		io_uring_prep_read(sqe, fd, op->buf, op->nbytes, op->offset);
	if (fixed_file)
		sqe->flags |= IOSQE_FIXED_FILE;
	op->used_fixed_buffer = buffer >= 0;
	op->used_fixed_file = fixed_file;
	io_uring_sqe_set_data(sqe, op);
	w->in_flight++;
	w->bytes_in_flight += op->nbytes;
}

/* ---------------------------------------------------------------- the loop */

/* With so many in flight completions are near, and several are waited for. */
static bool is_loaded(const struct uring_worker *w, unsigned in_flight)
{
	return w->has_timeout && in_flight >= DS_URING_LOADED_OPS;
}

/* Takes commands, and operations that the budget allows. Returns the operations. */
static struct ds_io_op *take(struct uring_worker *w, struct uring_command **commands, bool *stop)
{
	struct ds_io_op *first = NULL, **tail = &first, *op;
	uint64_t bytes = w->bytes_in_flight;
	unsigned nr = w->in_flight;

	pthread_mutex_lock(&w->lock);
	*commands = w->commands;
	w->commands = NULL;
	while ((op = w->first) && nr < w->engine->set.entries &&
	       (!nr || bytes < w->engine->set.max_nbytes)) {
		w->first = op->next;
		if (w->first)
			w->first->prev = NULL;
		else
			w->last = NULL;
		atomic_store_explicit(&op->engine_data, 0, memory_order_relaxed);
		*tail = op;
		tail = &op->next;
		nr++;
		bytes += op->nbytes;
	}
	*tail = NULL;
	/* What is pushed from here on wakes us, unless we could not take it anyway. */
	w->wants_wake = !w->first && !is_loaded(w, nr);
	*stop = w->is_stopping;
	pthread_mutex_unlock(&w->lock);
	return first;
}

static void submit_all(struct uring_worker *w, struct ds_io_op *op)
{
	struct ds_io_op *next;

	for (; op; op = next) {
		struct io_uring_sqe *sqe;

		next = op->next;
		choose_cached(w, op);
		/* The ring has a place for each operation in flight, once the kernel took the rest. */
		while (!(sqe = io_uring_get_sqe(&w->ring)))
			io_uring_submit(&w->ring);
		prepare(w, sqe, op);
		if (op->is_direct && io_uring_sq_ready(&w->ring) >= PIECE)
			io_uring_submit(&w->ring);
	}
}

static void enter(struct uring_worker *w)
{
	struct __kernel_timespec ts = { .tv_nsec = LOADED_WAIT_NS };
	struct io_uring_cqe *cqe;
	unsigned nr = ds_uring_batch_size(&w->level, w->in_flight);

	/* Errors (a signal, no memory just now) leave everything where it is: come again. */
	if (is_loaded(w, w->in_flight))
		io_uring_submit_and_wait_timeout(&w->ring, &cqe, nr, &ts, NULL);
	else
		io_uring_submit_and_wait(&w->ring, 1);
}

struct reaped {
	struct ds_io_op *op;
	int res;
};

/* Empties the completion queue into an array, so that done() may start new operations. */
static unsigned reap(struct uring_worker *w, struct reaped *out)
{
	struct io_uring_cqe *cqe;
	unsigned head, seen = 0, nr = 0;

	io_uring_for_each_cqe(&w->ring, head, cqe)
	{
		struct ds_io_op *op = io_uring_cqe_get_data(cqe);

		if (seen == MAX_REAP)
			break;
		seen++;
		if (!op) {
			w->is_wake_armed = false;
			continue;
		}
		out[nr].op = op;
		out[nr++].res = cqe->res;
		w->in_flight--;
		w->bytes_in_flight -= op->nbytes;
	}
	io_uring_cq_advance(&w->ring, seen);
	return nr;
}

static void report(struct uring_worker *w, const struct reaped *done, unsigned nr)
{
	const struct ds_io_config *cfg = &w->engine->cfg;

	cfg->batch_begin();
	for (unsigned i = 0; i < nr; i++) {
		atomic_fetch_sub_explicit(&w->load_ops, 1, memory_order_relaxed);
		atomic_fetch_sub_explicit(&w->load_nbytes, done[i].op->nbytes,
					  memory_order_relaxed);
		done[i].op->done(done[i].op, done[i].res);
	}
	cfg->batch_end();
}

static void wait_and_report(struct uring_worker *w)
{
	struct reaped done[MAX_REAP];
	unsigned nr;

	enter(w);
	while ((nr = reap(w, done)))
		report(w, done, nr);
}

static void loop(struct uring_worker *w)
{
	struct uring_command *c, *next;
	struct ds_io_op *ops;
	bool stop;

	for (;;) {
		ops = take(w, &c, &stop);
		for (; c; c = next) {
			next = c->next;
			run_command(w, c);
		}
		submit_all(w, ops);
		if (stop && !w->in_flight && !w->is_wake_armed)
			break;
		if (!stop)
			arm_wake(w);
		wait_and_report(w);
	}
}

static void pin(const struct uring_worker *w)
{
	cpu_set_t all, one;
	unsigned want;

	if (sched_getaffinity(0, sizeof(all), &all) || !CPU_COUNT(&all))
		return;
	want = w->index % (unsigned)CPU_COUNT(&all);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all) || want--)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

static void *worker_main(void *arg)
{
	struct uring_worker *w = arg;
	struct uring_engine *e = w->engine;
	int err;

	current_worker = w;
	if (e->set.pins_workers)
		pin(w);
	if (e->cfg.thread_start)
		e->cfg.thread_start(e->cfg.thread_arg);
	err = make_ring(w);
	if (!err) {
		err = register_tables(w);
		if (err)
			io_uring_queue_exit(&w->ring);
	}
	pthread_mutex_lock(&w->lock);
	w->is_made = true;
	w->make_err = err;
	pthread_cond_signal(&w->made);
	pthread_mutex_unlock(&w->lock);
	if (!err) {
		loop(w);
		io_uring_queue_exit(&w->ring);
	}
	if (e->cfg.thread_stop)
		e->cfg.thread_stop(e->cfg.thread_arg);
	return NULL;
}

int ds_uring_worker_start(struct uring_worker *w)
{
	int err;

	w->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (w->wake_fd < 0)
		return -errno;
	pthread_mutex_init(&w->lock, NULL);
	ds_cond_init(&w->made);
	err = ds_thread_start(&w->thread, "ds-uring", worker_main, w);
	if (!err) {
		pthread_mutex_lock(&w->lock);
		while (!w->is_made)
			pthread_cond_wait(&w->made, &w->lock);
		err = w->make_err;
		pthread_mutex_unlock(&w->lock);
		if (err)
			pthread_join(w->thread, NULL);
	}
	if (err) {
		pthread_cond_destroy(&w->made);
		pthread_mutex_destroy(&w->lock);
		close(w->wake_fd);
	}
	return err;
}

void ds_uring_worker_stop(struct uring_worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->is_stopping = true;
	pthread_mutex_unlock(&w->lock);
	wake(w);
	pthread_join(w->thread, NULL);
}

void ds_uring_worker_fini(struct uring_worker *w)
{
	pthread_cond_destroy(&w->made);
	pthread_mutex_destroy(&w->lock);
	close(w->wake_fd);
}
