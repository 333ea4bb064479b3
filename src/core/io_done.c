/* SPDX-License-Identifier: MIT */
/*
 * io_done.c: what the kernel's answer to an operation means.
 *
 * Engines make one attempt and pass on what came back. Short results go on where they
 * stopped, interrupted ones go again, direct I/O that is refused goes through the page cache; the
 * rest is the end of the operation.
 */
#include <errno.h>

#include "base/clock.h"
#include "core/file.h"
#include "core/queue.h"
#include "core/result.h"

#define MAX_BATCH 16

static void count_retry(struct ds_slot *s)
{
	ds_count(&s->queue->counters.io_retries, 1);
}

static void start_again(struct ds_op *op)
{
	count_retry(op->slot);
	op->io.next = NULL;
	atomic_store_explicit(&op->io.engine_data, 0, memory_order_relaxed);
	op->pl->engine->ops->start(op->pl->engine, &op->io);
}

/* Half empty: so that a busy engine gets its work in batches. With the lock. */
static bool wants_more(const struct ds_pipeline *pl)
{
	return pl->nr_waiting && pl->ops_in_flight * 2 <= pl->engine->max_ops &&
	       pl->bytes_in_flight * 2 <= pl->engine->max_nbytes;
}

/* Frees operations of one pipeline, and has the scheduler look for more. */
static void free_ops(struct ds_op *op)
{
	struct ds_pipeline *pl = op->pl;
	uint64_t now = 0;
	bool run;

	pthread_mutex_lock(&pl->lock);
	for (; op; op = op->next) {
		if (op->cold.choice) {
			now = now ? now : ds_now_ns();
			ds_cold_done(&op->cold, op->done_nbytes, now);
		}
		op->is_out = false;
		ds_list_push_back(&pl->free_ops, &op->link);
		pl->ops_in_flight--;
		pl->bytes_in_flight -= op->all_nbytes;
	}
	run = wants_more(pl);
	pthread_mutex_unlock(&pl->lock);
	if (run)
		ds_scheduler_run(pl);
}

/* What this thread has to free at the end of its batch; an engine's thread has one pipeline. */
static _Thread_local struct {
	bool is_open;
	struct ds_op *first;
	unsigned nr;
} batch;

static void flush_batch(void)
{
	struct ds_op *first = batch.first;

	batch.first = NULL;
	batch.nr = 0;
	if (first)
		free_ops(first);
}

void ds_io_batch_begin(void)
{
	ds_publish_batch_begin();
	batch.is_open = true;
}

void ds_io_batch_end(void)
{
	batch.is_open = false;
	flush_batch();
	ds_publish_batch_end();
}

static void free_op(struct ds_op *op)
{
	op->next = NULL;
	if (!batch.is_open) {
		free_ops(op);
		return;
	}
	op->next = batch.first;
	batch.first = op;
	/* The engine must not run dry while a long batch is worked off. */
	if (++batch.nr == MAX_BATCH)
		flush_batch();
}

static void count_bytes(struct ds_op *op)
{
	struct ds_slot *s = op->slot;
	struct ds_counters *n = &s->queue->counters;
	/* What alignment added is no business of the caller's. */
	uint64_t nbytes = ds_min_u64(op->done_nbytes, op->wanted);

	nbytes -= ds_min_u64(nbytes, op->skipped);
	if (op->io.used_fixed_buffer)
		ds_count(&n->io_fixed_buffers, 1);
	if (op->io.used_fixed_file)
		ds_count(&n->io_fixed_files, 1);
	if (!nbytes)
		return;
	ds_count(s->is_write ? &n->bytes_written : &n->bytes_read, nbytes);
	atomic_fetch_add_explicit(&s->bytes_read, nbytes, memory_order_relaxed);
	if (op->io.is_direct)
		atomic_fetch_add_explicit(&s->bytes_direct, nbytes, memory_order_relaxed);
	if (op->io.used_peer)
		atomic_fetch_add_explicit(&s->bytes_peer, nbytes, memory_order_relaxed);
	if ((!op->window && !op->is_head) || s->is_write)
		atomic_fetch_add_explicit(&s->bytes_delivered, nbytes, memory_order_relaxed);
}

/* What lies in the window from where the operation has stopped on is nobody's. */
static void cut_window(struct ds_op *op)
{
	struct ds_window *w = op->window;
	uint64_t begin = op->slot->file_offset + w->src_offset;
	uint64_t valid = op->io.offset > begin ? op->io.offset - begin : 0;
	uint64_t old = atomic_load_explicit(&w->valid_nbytes, memory_order_relaxed);

	while (valid < old &&
	       !atomic_compare_exchange_weak_explicit(&w->valid_nbytes, &old, valid,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

/*
 * The operation is over, well or not. It is freed last: its pipeline lives as long as the
 * engine whose thread this is, but its request may be gone by then.
 */
static void finish_op(struct ds_op *op)
{
	struct ds_slot *s = op->slot;
	struct ds_window *w = op->window;

	count_bytes(op);
	if (w && op->done_nbytes < op->wanted && !s->is_write)
		cut_window(op);
	if (w)
		ds_window_read_done(w);
	else if (op->is_head)
		ds_stream_head_done(s);
	else
		ds_pipeline_touch_end(s);
	ds_pipeline_work_done(s);
	free_op(op);
}

static void fail_op(struct ds_op *op, int err)
{
	struct ds_slot *s = op->slot;

	ds_slot_fail(s, ds_result_from_errno(err), err,
		     s->is_write ? DS_OPERATION_WRITE : DS_OPERATION_READ, op->io.fd, op->io.offset,
		     op->io.nbytes);
	finish_op(op);
}

void ds_op_dropped(struct ds_op *op)
{
	finish_op(op);
}

/* Direct I/O was refused: remember it, and go on through the page cache. */
static void fall_back(struct ds_op *op)
{
	struct ds_slot *s = op->slot;
	struct ds_file *f = s->io.file;

	ds_count(&s->queue->counters.direct_refused, 1);
	if (f && !op->io.is_staging)
		ds_log(&s->queue->be->service, DS_LOG_INFO, "pipeline", "pread", DS_OK, EINVAL, 0,
		       "fd %d refuses direct I/O at %llu; using the page cache", op->io.fd,
		       (unsigned long long)op->io.offset);
	if (f)
		atomic_store_explicit(&f->is_direct_refused, true, memory_order_relaxed);
	op->io.is_direct = false;
	op->io.fd = s->io.fd;
	op->io.file_slot = s->io.slot;
	start_again(op);
}

static bool is_refused_direct(const struct ds_op *op, int err)
{
	return op->io.is_direct && (err == EINVAL || err == EOPNOTSUPP) &&
	       op->io.fd != op->slot->io.fd;
}

static void op_failed(struct ds_op *op, int err)
{
	bool is_transient = err == EINTR || err == EAGAIN;

	if (is_refused_direct(op, err))
		fall_back(op);
	else if (is_transient && op->retries++ < DS_MAX_RETRIES && ds_slot_wants_bytes(op->slot))
		start_again(op);
	else
		fail_op(op, err);
}

/* A direct read that stops between blocks has met the end of the file. */
static bool is_at_end(const struct ds_op *op)
{
	return op->io.is_direct && op->io.opcode == DS_IO_READ &&
	       op->io.offset & (op->slot->io.offset_alignment - 1);
}

void ds_op_done(struct ds_io_op *io, int res)
{
	struct ds_op *op = ds_container_of(io, struct ds_op, io);

	if (res < 0) {
		op_failed(op, -res);
		return;
	}
	op->done_nbytes += (uint32_t)res;
	op->retries = 0;
	if (op->done_nbytes >= op->wanted) {
		finish_op(op);
		return;
	}
	io->offset += (uint32_t)res;
	io->buf = (unsigned char *)io->buf + res;
	io->nbytes -= (uint32_t)res;
	if (res == 0)
		fail_op(op, op->slot->is_write ? ENOSPC : ENODATA);
	else if (is_at_end(op))
		fail_op(op, ENODATA);
	else if (!ds_slot_wants_bytes(op->slot))
		finish_op(op);
	else
		start_again(op);
}
