/* SPDX-License-Identifier: MIT */
/*
 * bench_run.c: one run: one thread keeps a queue fed with so many reads until the time is
 * over, and takes the results.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_io.h"
#include "tool.h"

/* So many reads complete between two cancels, so that reads do go on completing. */
#define CANCEL_EVERY 8

#define MAX_CANCELS 65536

/* A read that is outstanding, and its buffer. */
struct slot {
	uint64_t offset;
	uint64_t id;
	uint64_t order; /* of its hand-over, to find the oldest */
};

struct feeder {
	struct bench_run *run;
	struct ds_backend *be;
	struct ds_queue *queue;
	struct ds_file *file;
	bool has_registered;
	struct slot *slots;
	struct ds_request *batch;
	struct ds_completion *done;
	uint64_t *ids;
	uint32_t nr_batch;
	uint32_t nr_in_flight;
	uint32_t *blocks; /* the order in which they are read */
	uint64_t nr_blocks;
	uint64_t nr_begun;
	uint64_t nr_handed_over;
	uint64_t cancel_at; /* when so many reads are done */
	uint64_t *cancel_ns;
};

/* ---------------------------------------------------------------- reading */

static bool is_at_end(const struct feeder *f)
{
	/* What was read once is cached, and no half-cached file any more. */
	return f->run->workload->cache == BENCH_HALF && f->nr_begun == f->nr_blocks;
}

static uint8_t *buffer_of(const struct feeder *f, uint32_t slot)
{
	return f->run->arena + slot * f->run->workload->nbytes;
}

static void add_read(struct feeder *f, uint32_t slot)
{
	uint64_t nbytes = f->run->workload->nbytes;
	struct ds_request *r = &f->batch[f->nr_batch];

	if (is_at_end(f))
		return;
	f->slots[slot].offset = f->blocks[f->nr_begun++ % f->nr_blocks] * nbytes;
	*r = (struct ds_request)DS_REQUEST_INIT;
	r->source.kind = DS_LOCATION_FILE;
	r->source.file = f->file;
	r->source.offset = f->slots[slot].offset;
	r->source.nbytes = nbytes;
	r->destination.kind = DS_LOCATION_MEMORY;
	r->destination.data = buffer_of(f, slot);
	r->destination.nbytes = nbytes;
	r->user_data = &f->slots[slot];
	f->nr_batch++;
}

static int hand_over(struct feeder *f)
{
	ds_result ret;

	if (!f->nr_batch)
		return TOOL_OK;
	ret = ds_queue_enqueue_many(f->queue, f->batch, f->nr_batch, f->ids, NULL);
	if (ret == DS_OK)
		ret = ds_queue_submit(f->queue);
	if (ret != DS_OK) {
		tool_error("enqueue: %s", ds_result_message(ret));
		return TOOL_FAILED;
	}
	for (uint32_t i = 0; i < f->nr_batch; i++) {
		struct slot *s = f->batch[i].user_data;

		s->id = f->ids[i];
		s->order = f->nr_handed_over++;
	}
	f->nr_in_flight += f->nr_batch;
	f->nr_batch = 0;
	return TOOL_OK;
}

/* The read that has been under way the longest, or 0. */
static uint64_t oldest_running(const struct feeder *f)
{
	uint64_t order = UINT64_MAX;
	uint64_t id = 0;

	for (uint32_t i = 0; i < f->run->workload->depth; i++) {
		const struct slot *s = &f->slots[i];

		if (s->order < order &&
		    ds_queue_request_status(f->queue, s->id) == DS_STATUS_RUNNING) {
			order = s->order;
			id = s->id;
		}
	}
	return id;
}

static void cancel_one(struct feeder *f)
{
	struct bench_figures *figures = &f->run->figures;
	uint64_t begin, id;

	if (figures->nr_reads < f->cancel_at || figures->nr_cancelled == MAX_CANCELS)
		return;
	f->cancel_at = figures->nr_reads + CANCEL_EVERY;
	id = oldest_running(f);
	begin = tool_now_ns();
	/* False: it had ended before. */
	if (id && ds_queue_cancel(f->queue, id))
		f->cancel_ns[figures->nr_cancelled++] = tool_now_ns() - begin;
}

static int take_one(struct feeder *f, const struct ds_completion *c)
{
	const struct bench_workload *w = f->run->workload;
	char why[256];

	if (w->is_cancel && c->status == DS_STATUS_CANCELLED)
		return TOOL_OK;
	if (c->status != DS_STATUS_COMPLETE || c->bytes_transferred != w->nbytes) {
		tool_error("%s: %s", w->name, ds_completion_describe(c, why, sizeof(why)));
		return TOOL_FAILED;
	}
	f->run->figures.nr_reads++;
	return TOOL_OK;
}

/* Takes what is there, and hands over as many again. */
static int take_and_feed(struct feeder *f, uint64_t deadline_ns)
{
	const struct bench_workload *w = f->run->workload;
	/* An eighth of the depth, so as not to wake for each single result. */
	uint32_t least = (w->depth + 7) / 8;
	uint32_t taken = 0;
	int ret = TOOL_OK;
	bool is_over;

	if (w->is_cancel)
		cancel_one(f);
	if (least > f->nr_in_flight)
		least = f->nr_in_flight;
	if (ds_queue_wait(f->queue, f->done, w->depth, least, DS_WAIT_FOREVER, &taken) != DS_OK ||
	    !taken) {
		tool_error("%s: requests were lost", w->name);
		return TOOL_FAILED;
	}
	is_over = tool_now_ns() >= deadline_ns;
	f->nr_in_flight -= taken;
	for (uint32_t i = 0; i < taken && ret == TOOL_OK; i++) {
		ret = take_one(f, &f->done[i]);
		if (!is_over)
			add_read(f, (uint32_t)((struct slot *)f->done[i].user_data - f->slots));
	}
	return ret == TOOL_OK ? hand_over(f) : ret;
}

static int feed_all(struct feeder *f)
{
	struct bench_figures *figures = &f->run->figures;
	uint64_t begin_cpu = tool_process_cpu_ns();
	uint64_t begin = tool_now_ns();
	int ret;

	for (uint32_t i = 0; i < f->run->workload->depth; i++)
		add_read(f, i);
	ret = hand_over(f);
	while (ret == TOOL_OK && f->nr_in_flight)
		ret = take_and_feed(f, begin + f->run->run_ns);
	figures->wall_ns = tool_now_ns() - begin;
	figures->cpu_ns = tool_process_cpu_ns() - begin_cpu;
	figures->nbytes = figures->nr_reads * f->run->workload->nbytes;
	return ret;
}

/* Each buffer holds the last read into it, unless that was cancelled. */
static int check_buffers(const struct feeder *f)
{
	const struct bench_workload *w = f->run->workload;

	for (uint32_t i = 0; i < w->depth && i < f->nr_begun && !w->is_cancel; i++) {
		if (bench_file_is_right(f->run->file, buffer_of(f, i), w->nbytes,
					f->slots[i].offset))
			continue;
		tool_error("%s: %s delivered other bytes than the file's", w->name,
			   f->run->contestant->name);
		return TOOL_FAILED;
	}
	return TOOL_OK;
}

/* ---------------------------------------------------------------- set-up */

static int compare_u64(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void take_latency(struct feeder *f)
{
	struct bench_figures *figures = &f->run->figures;
	struct ds_stats stats = DS_STATS_INIT;
	uint64_t n = figures->nr_cancelled;

	if (f->run->workload->is_cancel) {
		if (!n)
			return;
		qsort(f->cancel_ns, (size_t)n, sizeof(*f->cancel_ns), compare_u64);
		figures->p50_ns = f->cancel_ns[n / 2];
		figures->p99_ns = f->cancel_ns[n * 99 / 100];
		figures->max_ns = f->cancel_ns[n - 1];
	} else if (ds_queue_get_stats(f->queue, &stats) == DS_OK) {
		figures->p50_ns = stats.latency_p50_ns;
		figures->p99_ns = stats.latency_p99_ns;
		figures->max_ns = stats.latency_max_ns;
	}
}

/* xorshift: which block comes when need not be secret. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/*
 * Each run reads other places first: what the host of a virtual disk keeps in memory must not
 * favour whoever comes second.
 */
static void order_blocks(struct feeder *f)
{
	uint64_t state = (f->run->seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	uint64_t first = f->run->workload->is_random ? 0 : f->run->seed * 37 % f->nr_blocks;

	for (uint64_t i = 0; i < f->nr_blocks; i++)
		f->blocks[i] = (uint32_t)((first + i) % f->nr_blocks);
	for (uint64_t i = f->nr_blocks - 1; f->run->workload->is_random && i > 0; i--) {
		uint64_t other = next_random(&state) % (i + 1);
		uint32_t block = f->blocks[i];

		f->blocks[i] = f->blocks[other];
		f->blocks[other] = block;
	}
}

static int allocate(struct feeder *f)
{
	size_t depth = f->run->workload->depth;

	f->nr_blocks = f->run->file->nbytes / f->run->workload->nbytes;
	f->slots = calloc(depth, sizeof(*f->slots));
	f->batch = calloc(depth, sizeof(*f->batch));
	f->done = calloc(depth, sizeof(*f->done));
	f->ids = calloc(depth, sizeof(*f->ids));
	f->blocks = calloc((size_t)f->nr_blocks, sizeof(*f->blocks));
	f->cancel_ns = calloc(MAX_CANCELS, sizeof(*f->cancel_ns));
	if (!f->slots || !f->batch || !f->done || !f->ids || !f->blocks || !f->cancel_ns)
		return tool_error_memory();
	for (size_t i = 0; i < depth; i++)
		f->done[i].size = sizeof(f->done[i]);
	order_blocks(f);
	return TOOL_OK;
}

static int make_queue(struct feeder *f)
{
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;
	struct ds_queue_config queue = DS_QUEUE_CONFIG_INIT;
	struct ds_stats stats = DS_STATS_INIT;
	char why[BACKEND_WHY_NBYTES];
	ds_result ret;

	if (f->run->contestant->variant == BENCH_4_WORKERS)
		cfg.io_workers = 4;
	ret = backend_make(f->run->contestant->backend, &cfg, &f->be, why, sizeof(why));
	if (ret != DS_OK) {
		tool_error("%s", why);
		return TOOL_FAILED;
	}
	queue.flags = DS_QUEUE_NO_AUTO_SUBMIT;
	/* A cancelled request may hold its slot a little longer than its result is untaken. */
	queue.capacity = 2 * f->run->workload->depth;
	ret = ds_queue_create(f->be, &queue, &f->queue);
	if (ret != DS_OK) {
		tool_error("queue: %s", ds_result_message(ret));
		return TOOL_FAILED;
	}
	if (ds_backend_get_stats(f->be, &stats) == DS_OK)
		f->run->nr_workers = stats.io_workers;
	return TOOL_OK;
}

static uint32_t file_flags(const struct bench_run *r)
{
	enum bench_variant v = r->contestant->variant;

	if (v == BENCH_DIRECT_AUTO)
		return DS_FILE_READ;
	if (v == BENCH_DIRECT_ON || r->workload->cache == BENCH_DIRECT)
		return DS_FILE_READ | DS_FILE_DIRECT;
	return DS_FILE_READ | DS_FILE_BUFFERED;
}

/* Also finds out whether this contestant can do what it is for. */
static int open_file(struct feeder *f)
{
	struct ds_file_info info = DS_FILE_INFO_INIT;
	struct bench_run *r = f->run;
	ds_result ret;

	ret = ds_file_open(f->be, r->file->path, file_flags(r), &f->file);
	if (ret == DS_OK)
		ret = ds_file_get_info(f->file, &info);
	if (ret != DS_OK) {
		tool_error("%s: %s", r->file->path, ds_result_message(ret));
		return TOOL_FAILED;
	}
	if ((file_flags(r) & DS_FILE_DIRECT) && !info.is_direct)
		snprintf(r->missing, sizeof(r->missing), "the file system has no direct I/O");
	if (r->contestant->variant != BENCH_REGISTERED || *r->missing)
		return TOOL_OK;
	ret = ds_backend_register_memory(f->be, r->arena, r->arena_nbytes);
	f->has_registered = ret == DS_OK;
	if (ret == DS_ERR_NO_MEMORY || ret == DS_ERR_UNSUPPORTED)
		snprintf(r->missing, sizeof(r->missing),
			 "memory cannot be registered: RLIMIT_MEMLOCK is too low, or the kernel "
			 "old");
	else if (ret != DS_OK)
		snprintf(r->missing, sizeof(r->missing), "%s", ds_result_message(ret));
	return TOOL_OK;
}

static void clean_up(struct feeder *f)
{
	ds_queue_destroy(f->queue);
	ds_file_close(f->file);
	if (f->has_registered)
		ds_backend_unregister_memory(f->be, f->run->arena);
	ds_backend_destroy(f->be);
	free(f->slots);
	free(f->batch);
	free(f->done);
	free(f->ids);
	free(f->blocks);
	free(f->cancel_ns);
}

int bench_run(struct bench_run *r)
{
	struct feeder f = { .run = r };
	int ret;

	ret = allocate(&f);
	if (ret == TOOL_OK)
		ret = make_queue(&f);
	if (ret == TOOL_OK)
		ret = open_file(&f);
	if (ret == TOOL_OK && !*r->missing) {
		ret = feed_all(&f);
		if (ret == TOOL_OK)
			ret = check_buffers(&f);
		take_latency(&f);
	}
	clean_up(&f);
	return ret;
}
