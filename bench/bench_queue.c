/* SPDX-License-Identifier: MIT */
/*
 * bench_queue.c: the runtime's queue as a peer: one thread feeds it, keeps `depth`
 * reads outstanding and takes the results. Also the table of backends.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ds_runtime_uring.h"

static ds_result make_io_uring(const struct ds_backend_config *cfg, struct ds_backend **out)
{
	return ds_make_io_uring_backend(cfg, NULL, out);
}

const struct bench_backend bench_backends[] = {
	{ "cpu", ds_make_cpu_backend, NULL, "psync", false },
	{ "io_uring", make_io_uring, ds_io_uring_available, "io_uring", true },
	{ NULL, NULL, NULL, NULL, false },
};

bool bench_backend_is_available(const struct bench_backend *b)
{
	char why[256] = "";

	if (!b->is_available || !b->is_available(why, sizeof(why)))
		return true;
	fprintf(stderr, "%s: left out: %s\n", b->name, why);
	return false;
}

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

/* So many reads complete between two cancels. */
#define CANCEL_EVERY 8

struct feeder {
	const struct bench_env *env;
	const struct bench_workload *w;
	uint64_t seed;
	uint64_t next_index;
	uint64_t limit;
	uint64_t feed_ns;
	uint64_t fed_at_ns; /* when the last batch was handed over */
	uint64_t nr_done;
	uint64_t nr_cancelled;
	struct ds_backend *be;
	struct ds_queue *q;
	struct ds_file *file;
	struct ds_request *batch;
	struct ds_completion *done;
	uint64_t *offsets; /* of each slot's last read */
	uint64_t *ids;	   /* and its request */
	uint64_t *orders;  /* and which one it was */
	uint64_t *batch_ids;
	uint64_t nr_handed_over;
	uint64_t cancel_at;
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
	ret = ds_queue_enqueue_many(f->q, f->batch, f->nr_batch, f->batch_ids, NULL);
	if (!ret)
		ret = ds_queue_submit(f->q);
	if (ret)
		bench_die("enqueue", ds_result_message(ret));
	f->feed_ns += bench_now_ns() - begin;
	for (unsigned i = 0; i < f->nr_batch; i++) {
		uintptr_t slot = (uintptr_t)f->batch[i].user_data;

		f->ids[slot] = f->batch_ids[i];
		f->orders[slot] = f->nr_handed_over++;
	}
	f->nr_in_flight += f->nr_batch;
	f->nr_batch = 0;
}

/* The read that has been under way the longest, or 0. */
static uint64_t oldest_running(struct feeder *f)
{
	uint64_t id = 0, order = UINT64_MAX;

	for (unsigned i = 0; i < f->w->depth; i++) {
		if (f->orders[i] < order &&
		    ds_queue_request_status(f->q, f->ids[i]) == DS_STATUS_RUNNING) {
			order = f->orders[i];
			id = f->ids[i];
		}
	}
	return id;
}

/*
 * The strong cancel returns when nothing writes to the destination any more. Few enough of them
 * that reads go on completing: else all that is cancelled is still far from the disk.
 */
static void cancel_oldest(struct feeder *f)
{
	uint64_t id, begin;

	if (f->nr_done < f->cancel_at)
		return;
	f->cancel_at = f->nr_done + CANCEL_EVERY;
	id = oldest_running(f);
	begin = bench_now_ns();
	if (!id || !ds_queue_cancel(f->q, id))
		return; /* it had ended before */
	bench_hist_add(&f->hist, bench_now_ns() - begin);
	f->nr_cancelled++;
}

static void take_one(struct feeder *f, const struct ds_completion *c, uint64_t now)
{
	char text[256];

	if (f->w->mode == BENCH_CANCEL && c->status == DS_STATUS_CANCELLED)
		return;
	f->nr_done++;
	if (c->status != DS_STATUS_COMPLETE || c->bytes_transferred != f->w->nbytes)
		bench_die(f->w->name, ds_completion_describe(c, text, sizeof(text)));
	if (f->w->mode == BENCH_CANCEL)
		return;
	/* One at a time, the caller's own view is meant: hand-over to being awake again. */
	if (f->w->depth == 1)
		bench_hist_add(&f->hist, now - f->fed_at_ns);
	else
		bench_hist_add(&f->hist, c->end_ns - c->submit_ns);
}

/* A sixteenth of the depth, so that the feeder does not wake for each single result. */
static uint32_t least_taken(const struct feeder *f)
{
	uint32_t min = (f->w->depth + 15) / 16;

	if (f->w->mode == BENCH_BATCHED || min > f->nr_in_flight)
		min = f->nr_in_flight;
	return min;
}

/* Takes what is there, and feeds as many again. */
static void take_and_feed(struct feeder *f, uint64_t deadline_ns)
{
	uint32_t min = least_taken(f);
	uint32_t taken = 0;
	uint64_t now;

	if (f->w->mode == BENCH_CANCEL)
		cancel_oldest(f);
	if (ds_queue_wait(f->q, f->done, f->w->depth, min, DS_WAIT_FOREVER, &taken) || !taken)
		bench_die(f->w->name, "requests were lost");
	now = bench_now_ns();
	f->nr_in_flight -= taken;
	for (uint32_t i = 0; i < taken; i++) {
		take_one(f, &f->done[i], now);
		if (now < deadline_ns)
			add_read(f, (unsigned)(uintptr_t)f->done[i].user_data);
	}
	hand_over(f);
}

static bool is_variant(const struct bench_peer *peer, const char *name)
{
	return peer->variant && !strcmp(peer->variant, name);
}

static void *must_alloc(size_t count, size_t nbytes)
{
	void *p = calloc(count, nbytes);

	if (!p)
		bench_die("queue", "no memory");
	return p;
}

/* False where the variant is not to be had. */
static bool feeder_create(struct feeder *f, const struct bench_peer *peer)
{
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	unsigned depth = f->w->depth;

	/* Twice as many slots as reads: it shall not submit by itself. */
	cfg.capacity = depth < 32 ? 64 : 2 * depth;
	f->be = bench_backend_make(peer->backend, peer->threads);
	if (ds_queue_create(f->be, &cfg, &f->q))
		bench_die(peer->backend, "no queue");
	if (is_variant(peer, "registered") &&
	    ds_backend_register_memory(f->be, f->env->arena, f->env->arena_nbytes))
		return false;
	f->batch = must_alloc(depth, sizeof(*f->batch));
	f->done = must_alloc(depth, sizeof(*f->done));
	f->offsets = must_alloc(depth, sizeof(*f->offsets));
	f->ids = must_alloc(depth, sizeof(*f->ids));
	f->orders = must_alloc(depth, sizeof(*f->orders));
	f->batch_ids = must_alloc(depth, sizeof(*f->batch_ids));
	for (unsigned i = 0; i < depth; i++)
		f->done[i].size = sizeof(f->done[i]);
	return true;
}

static uint32_t file_flags(const struct feeder *f, const struct bench_peer *peer)
{
	if (is_variant(peer, "auto"))
		return DS_FILE_READ;
	if (is_variant(peer, "direct") || f->w->cache == BENCH_DIRECT)
		return DS_FILE_READ | DS_FILE_DIRECT;
	return DS_FILE_READ | DS_FILE_BUFFERED;
}

/* False where direct reading is wanted and refused. */
static bool feeder_open_file(struct feeder *f, const struct bench_peer *peer)
{
	uint32_t flags = file_flags(f, peer);
	struct ds_file_info info = DS_FILE_INFO_INIT;
	ds_result ret;

	ret = ds_file_open(f->be, f->env->file.path, flags, &f->file);
	if (ret)
		bench_die(f->env->file.path, ds_result_message(ret));
	return !(flags & DS_FILE_DIRECT) || (!ds_file_get_info(f->file, &info) && info.is_direct);
}

static void feeder_destroy(struct feeder *f)
{
	ds_queue_destroy(f->q);
	ds_file_close(f->file);
	ds_backend_unregister_memory(f->be, f->env->arena);
	ds_backend_destroy(f->be);
	free(f->batch);
	free(f->done);
	free(f->offsets);
	free(f->ids);
	free(f->orders);
	free(f->batch_ids);
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

/* Not where it would warm what shall stay cold, nor where a cancelled read may be half done. */
static void check_buffers(struct feeder *f)
{
	if (f->limit != UINT64_MAX || f->w->mode == BENCH_CANCEL)
		return;
	for (unsigned i = 0; i < f->w->depth; i++)
		bench_check_buffer(f->env, bench_buffer(f->env, f->w, i), f->w->nbytes,
				   f->offsets[i]);
}

void bench_queue_run(const struct bench_env *env, const struct bench_workload *w,
		     const struct bench_peer *peer, uint64_t seed, struct bench_run *out)
{
	struct feeder *f = must_alloc(1, sizeof(*f));

	f->env = env;
	f->w = w;
	f->seed = seed;
	f->limit = bench_read_limit(env, w);
	out->is_missing = !feeder_create(f, peer) || !feeder_open_file(f, peer);
	if (!out->is_missing) {
		feed_all(f, out);
		check_buffers(f);
	}
	out->nr_reads = w->mode == BENCH_CANCEL ? f->nr_cancelled : f->nr_done;
	out->nbytes = f->nr_done * w->nbytes;
	out->feed_ns = f->feed_ns;
	bench_run_finish(out, &f->hist);
	feeder_destroy(f);
}
