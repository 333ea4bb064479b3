/* SPDX-License-Identifier: MIT */
/*
 * bench_queue.c: the runtime's queue as a peer: one thread feeds it, keeps `depth`
 * reads outstanding and takes the results. Also the table of backends.
 */
#include "bench.h"
#include "ds_runtime_uring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ds_result make_io_uring(const struct ds_backend_config *cfg, struct ds_backend **out)
{
	return ds_make_io_uring_backend(cfg, NULL, out);
}

const struct bench_backend bench_backends[] = {
	{ "cpu", ds_make_cpu_backend, "psync" },
	{ "io_uring", make_io_uring, "io_uring" },
	{ NULL, NULL, NULL },
};

const struct bench_backend *bench_backend_find(const char *name)
{
	for (const struct bench_backend *b = bench_backends; b->name; b++) {
		if (!strcmp(b->name, name))
			return b;
	}
	bench_die(name, "no such backend");
}

struct ds_backend *bench_backend_make(const char *name, unsigned io_workers)
{
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;
	struct ds_backend *be;
	ds_result ret;

	cfg.io_workers = io_workers;
	ret = bench_backend_find(name)->make(&cfg, &be);
	if (ret)
		bench_die(name, ds_result_message(ret));
	return be;
}

unsigned bench_backend_default_workers(const char *name)
{
	struct ds_backend *be = bench_backend_make(name, 0);
	struct ds_stats stats = DS_STATS_INIT;

	if (ds_backend_get_stats(be, &stats))
		bench_die(name, "no statistics");
	ds_backend_destroy(be);
	return stats.io_workers;
}

struct feeder {
	const struct bench_env *env;
	const struct bench_workload *w;
	uint64_t seed;
	uint64_t next_index;
	uint64_t limit;
	uint64_t feed_ns;
	uint64_t fed_at_ns; /* when the last batch was handed over */
	uint64_t nr_done;
	struct ds_backend *be;
	struct ds_queue *q;
	struct ds_file *file;
	struct ds_request *batch;
	struct ds_completion *done;
	uint64_t *offsets; /* of each slot's last read */
	unsigned nr_batch;
	unsigned nr_in_flight;
	struct bench_hist hist;
};

static void add_read(struct feeder *f, unsigned slot)
{
	struct ds_request *r = &f->batch[f->nr_batch];

	if (f->next_index >= f->limit)
		return;
	f->offsets[slot] = bench_offset(f->env, f->w, f->seed, f->next_index++);
	*r = (struct ds_request)DS_REQUEST_INIT;
	r->source.kind = DS_LOCATION_FILE;
	r->source.file = f->file;
	r->source.offset = f->offsets[slot];
	r->source.nbytes = f->w->nbytes;
	r->destination.kind = DS_LOCATION_MEMORY;
	r->destination.data = bench_buffer(f->env, f->w, slot);
	r->destination.nbytes = f->w->nbytes;
	r->user_data = (void *)(uintptr_t)slot;
	f->nr_batch++;
}

static void hand_over(struct feeder *f)
{
	uint64_t begin = bench_now_ns();
	ds_result ret;

	f->fed_at_ns = begin;
	if (!f->nr_batch)
		return;
	ret = ds_queue_enqueue_many(f->q, f->batch, f->nr_batch, NULL, NULL);
	if (!ret)
		ret = ds_queue_submit(f->q);
	if (ret)
		bench_die("enqueue", ds_result_message(ret));
	f->feed_ns += bench_now_ns() - begin;
	f->nr_in_flight += f->nr_batch;
	f->nr_batch = 0;
}

static void take_one(struct feeder *f, const struct ds_completion *c, uint64_t now)
{
	char text[256];

	if (c->status != DS_STATUS_COMPLETE || c->bytes_transferred != f->w->nbytes)
		bench_die(f->w->name, ds_completion_describe(c, text, sizeof(text)));
	/* One at a time, the caller's own view is meant: hand-over to being awake again. */
	if (f->w->depth == 1)
		bench_hist_add(&f->hist, now - f->fed_at_ns);
	else
		bench_hist_add(&f->hist, c->end_ns - c->submit_ns);
}

/* Takes what is there, at least an eighth of the depth, and feeds as many again. */
static void take_and_feed(struct feeder *f, uint64_t deadline_ns)
{
	uint32_t min = f->w->is_batched ? f->nr_in_flight : (f->w->depth + 7) / 8;
	uint32_t taken = 0;
	uint64_t now;

	if (min > f->nr_in_flight)
		min = f->nr_in_flight;
	if (ds_queue_wait(f->q, f->done, f->w->depth, min, DS_WAIT_FOREVER, &taken) || !taken)
		bench_die(f->w->name, "requests were lost");
	now = bench_now_ns();
	f->nr_in_flight -= taken;
	f->nr_done += taken;
	for (uint32_t i = 0; i < taken; i++) {
		take_one(f, &f->done[i], now);
		if (now < deadline_ns)
			add_read(f, (unsigned)(uintptr_t)f->done[i].user_data);
	}
	hand_over(f);
}

static void feeder_create(struct feeder *f, const struct bench_peer *peer)
{
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	unsigned depth = f->w->depth;

	/* Twice as many slots as reads: it shall not submit by itself. */
	cfg.capacity = depth < 32 ? 64 : 2 * depth;
	f->be = bench_backend_make(peer->backend, peer->threads);
	if (ds_queue_create(f->be, &cfg, &f->q))
		bench_die(peer->backend, "no queue");
	f->batch = calloc(depth, sizeof(*f->batch));
	f->done = calloc(depth, sizeof(*f->done));
	f->offsets = calloc(depth, sizeof(*f->offsets));
	if (!f->batch || !f->done || !f->offsets)
		bench_die(peer->backend, "no memory");
	for (unsigned i = 0; i < depth; i++)
		f->done[i].size = sizeof(f->done[i]);
}

/* False where direct reading is wanted and refused. */
static bool feeder_open_file(struct feeder *f)
{
	bool is_direct = f->w->cache == BENCH_DIRECT;
	struct ds_file_info info = DS_FILE_INFO_INIT;
	ds_result ret;

	ret = ds_file_open(f->be, f->env->file.path,
			   DS_FILE_READ | (is_direct ? DS_FILE_DIRECT : DS_FILE_BUFFERED),
			   &f->file);
	if (ret)
		bench_die(f->env->file.path, ds_result_message(ret));
	return !ds_file_get_info(f->file, &info) && (bool)info.is_direct == is_direct;
}

static void feeder_destroy(struct feeder *f)
{
	ds_queue_destroy(f->q);
	ds_file_close(f->file);
	ds_backend_destroy(f->be);
	free(f->batch);
	free(f->done);
	free(f->offsets);
	free(f);
}

static void feed_all(struct feeder *f, struct bench_run *out)
{
	uint64_t cpu = bench_cpu_ns();
	uint64_t begin = bench_now_ns();

	for (unsigned i = 0; i < f->w->depth; i++)
		add_read(f, i);
	hand_over(f);
	while (f->nr_in_flight)
		take_and_feed(f, begin + f->env->run_ns);
	out->wall_ns = bench_now_ns() - begin;
	out->cpu_ns = bench_cpu_ns() - cpu;
}

void bench_queue_run(const struct bench_env *env, const struct bench_workload *w,
		     const struct bench_peer *peer, uint64_t seed, struct bench_run *out)
{
	struct feeder *f = calloc(1, sizeof(*f));

	if (!f)
		bench_die(w->name, "no memory");
	f->env = env;
	f->w = w;
	f->seed = seed;
	f->limit = bench_read_limit(env, w);
	feeder_create(f, peer);
	if (!feeder_open_file(f)) {
		out->is_missing = true;
	} else {
		feed_all(f, out);
		for (unsigned i = 0; i < w->depth && w->cache != BENCH_COLD; i++)
			bench_check_buffer(env, bench_buffer(env, w, i), w->nbytes, f->offsets[i]);
	}
	out->nr_reads = f->nr_done;
	out->nbytes = f->nr_done * w->nbytes;
	out->feed_ns = f->feed_ns;
	bench_run_finish(out, &f->hist);
	feeder_destroy(f);
}
