/* SPDX-License-Identifier: MIT */
/* test_gds_manager.c: ranges, models, vectors and tensors; cancel, progress, reports, the pool. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ds_gdeflate.h"
#include "gds/frame.h"

#define DATA_NBYTES (9 * MIB + 1237)
#define SEED	    42
#define VECTOR	    1000 /* bytes; no power of two */
#define PATIENCE    UINT64_C(60000000000)

static struct ds_gds_manager_config config(struct frame *f)
{
	struct ds_gds_manager_config cfg = DS_GDS_MANAGER_CONFIG_INIT;

	cfg.enabled = DS_GDS_REQUIRED;
	cfg.staging_nbytes = 8 * MIB;
	cfg.chunk_nbytes = 256 * KIB;
	cfg.prefetch_batch_nbytes = MIB;
	cfg.threads = 4;
	cfg.gds = &f->gds;
	return cfg;
}

static struct ds_gds *make(struct frame *f)
{
	struct ds_gds_manager_config cfg = config(f);
	struct ds_gds *g;

	REQUIRE_OK(ds_gds_create(&cfg, &g));
	REQUIRE(ds_gds_has_device(g));
	return g;
}

static struct ds_gds_file *open_data(struct frame *f, struct ds_gds *g)
{
	struct ds_gds_file *file;

	REQUIRE_OK(ds_gds_file_open(g, frame_pattern_file(f, "data", DATA_NBYTES, SEED), &file));
	return file;
}

static struct ds_gds_report report_of(struct ds_gds_job *job)
{
	struct ds_gds_report r = DS_GDS_REPORT_INIT;

	REQUIRE_OK(ds_gds_job_get_report(job, &r));
	return r;
}

static void loads_ranges(struct frame *f)
{
	struct ds_gds *g = make(f);
	struct ds_gds_file *file = open_data(f, g);
	struct ds_gds_range ranges[3] = { 0 };
	struct ds_gds_job_config cfg = DS_GDS_JOB_CONFIG_INIT;
	struct ds_gds_item item = DS_GDS_ITEM_INIT;
	struct ds_gds_report r;
	struct ds_gds_job *job;
	uint64_t memory, sum, done = 0, total = 0;

	REQUIRE_OK(ds_gds_alloc(g, 2 * DATA_NBYTES, &memory));
	REQUIRE_CMP(memory % 4096, ==, 0);
	ranges[0] =
		(struct ds_gds_range){ .file = file, .nbytes = DATA_NBYTES, .destination = memory };
	ranges[1] = (struct ds_gds_range){ .file = file,
					   .offset = 12345,
					   .nbytes = 67890,
					   .destination = memory + DATA_NBYTES + 1 };
	ranges[2] = (struct ds_gds_range){ .file = file, .offset = 99 };
	cfg.flags = DS_GDS_JOB_CHECKSUM;
	REQUIRE_OK(ds_gds_calibrate(g, NULL));
	REQUIRE_OK(ds_gds_load(g, ranges, 3, &cfg, &job));
	REQUIRE_OK(ds_gds_job_wait(job, DS_WAIT_FOREVER));
	REQUIRE(ds_gds_job_progress(job, &done, &total));
	REQUIRE_CMP(done, ==, DATA_NBYTES + 67890);
	REQUIRE_CMP(total, ==, done);
	frame_require_pattern(ds_gds_backend(g), memory, DATA_NBYTES, SEED, 0);
	frame_require_pattern(ds_gds_backend(g), memory + DATA_NBYTES + 1, 67890, SEED, 12345);

	r = report_of(job);
	REQUIRE_CMP(r.result, ==, DS_OK);
	REQUIRE_CMP(r.done_nbytes, ==, done);
	REQUIRE_CMP(r.path_nbytes[DS_GDS_PATH_BUFFERED] + r.path_nbytes[DS_GDS_PATH_DIRECT], ==,
		    done);
	REQUIRE_CMP(r.path_nbytes[DS_GDS_PATH_GDS], ==, 0);
	REQUIRE(strlen(r.why) > 10);
	REQUIRE_CMP(r.elapsed_ns, >, 0);
	REQUIRE_CMP(r.bytes_per_second, >, 0);
	REQUIRE_CMP(r.ceiling_bytes_per_second, >, 0);
	REQUIRE_CMP(ds_gds_job_count(job), ==, 3);
	REQUIRE_OK(ds_gds_job_get_item(job, 1, &item));
	REQUIRE_CMP(item.nbytes, ==, 67890);
	REQUIRE_OK(ds_gds_checksum(ds_gds_backend(g), item.address, item.nbytes, &sum));
	REQUIRE_CMP(item.checksum, ==, sum);
	REQUIRE_CMP(ds_gds_job_get_item(job, 3, &item), ==, DS_ERR_NOT_FOUND);
	/* It has ended. */
	REQUIRE(!ds_gds_job_cancel(job));
	ds_gds_job_destroy(job);
	REQUIRE_OK(ds_gds_free(g, memory));
	REQUIRE_CMP(ds_gds_free(g, memory), ==, DS_ERR_NOT_FOUND);
	ds_gds_file_close(file);
	ds_gds_destroy(g);
}

static void loads_compressed_ranges(struct frame *f)
{
	const uint64_t nbytes = 3 * MIB + 5;
	unsigned char *bytes = malloc(nbytes), *stream = malloc(ds_gdeflate_bound(nbytes));
	struct ds_gds *g = make(f);
	struct ds_gds_range range = { 0 };
	struct ds_gds_job *job;
	size_t n;

	pattern_fill(bytes, nbytes, 7, 0);
	REQUIRE_OK(ds_gdeflate_compress(0, bytes, nbytes, stream, ds_gdeflate_bound(nbytes), &n));
	file_write_bytes(frame_path(f, "stream"), stream, n);
	REQUIRE_OK(ds_gds_file_open(g, f->path, &range.file));
	range.nbytes = n;
	range.codec = DS_CODEC_GDEFLATE;
	range.uncompressed_nbytes = nbytes;
	REQUIRE_OK(ds_gds_alloc(g, nbytes, &range.destination));
	REQUIRE_OK(ds_gds_load(g, &range, 1, NULL, &job));
	REQUIRE_OK(ds_gds_job_wait(job, PATIENCE));
	REQUIRE_CMP(report_of(job).done_nbytes, ==, nbytes);
	frame_require_pattern(ds_gds_backend(g), range.destination, nbytes, 7, 0);
	ds_gds_job_destroy(job);
	ds_gds_file_close(range.file);
	ds_gds_destroy(g);
	free(bytes);
	free(stream);
}

static void bounds_the_pool(struct frame *f)
{
	struct ds_gds_manager_config cfg = config(f);
	struct ds_gds_stats st = DS_GDS_STATS_INIT;
	struct ds_gds *g;
	uint64_t a, b, c;

	cfg.pool_nbytes = MIB;
	cfg.alignment = 64 * KIB;
	REQUIRE_OK(ds_gds_create(&cfg, &g));
	REQUIRE_OK(ds_gds_alloc(g, 1, &a));
	REQUIRE_CMP(a % (64 * KIB), ==, 0);
	REQUIRE_OK(ds_gds_alloc(g, 15 * 64 * KIB, &b));
	REQUIRE_CMP(ds_gds_alloc(g, 1, &c), ==, DS_ERR_NO_SPACE);
	REQUIRE_OK(ds_gds_free(g, a));
	REQUIRE_OK(ds_gds_alloc(g, 64 * KIB, &c));
	REQUIRE_CMP(ds_gds_alloc(g, UINT64_MAX, &a), ==, DS_ERR_NO_SPACE);
	REQUIRE_OK(ds_gds_get_stats(g, &st));
	REQUIRE_CMP(st.pool_in_use, ==, MIB);
	REQUIRE_CMP(st.pool_high_water, ==, MIB);
	/* What is still out goes with the manager. */
	ds_gds_destroy(g);
}

static void loads_models_together(struct frame *f)
{
	char names[4][128];
	const char *paths[4];
	struct ds_gds_manager_config cfg = config(f);
	struct ds_gds_stats st = DS_GDS_STATS_INIT;
	struct ds_gds_item item = DS_GDS_ITEM_INIT;
	struct ds_gds_job *job = NULL;
	struct ds_gds *g;

	for (unsigned i = 0; i < 4; i++) {
		char name[16];

		snprintf(name, sizeof(name), "model%u", i);
		strcpy(names[i], frame_pattern_file(f, name, MIB + i, 10 + i));
		paths[i] = names[i];
	}
	cfg.pool_nbytes = 4 * MIB + 4 * 4096;
	REQUIRE_OK(ds_gds_create(&cfg, &g));
	REQUIRE_OK(ds_gds_load_models(g, paths, 4, NULL, &job));
	REQUIRE_OK(ds_gds_job_wait(job, PATIENCE));
	for (unsigned i = 0; i < 4; i++) {
		REQUIRE_OK(ds_gds_job_get_item(job, i, &item));
		REQUIRE_CMP(item.nbytes, ==, MIB + i);
		frame_require_pattern(ds_gds_backend(g), item.address, item.nbytes, 10 + i, 0);
	}
	ds_gds_job_destroy(job);
	/* Memory is the caller's now: there is room for none, and what was taken for it is back. */
	job = NULL;
	REQUIRE_CMP(ds_gds_load_models(g, paths, 2, NULL, &job), ==, DS_ERR_NO_SPACE);
	REQUIRE(!job);
	REQUIRE_OK(ds_gds_get_stats(g, &st));
	REQUIRE_CMP(st.pool_in_use, <=, cfg.pool_nbytes);
	REQUIRE_OK(ds_gds_free(g, item.address));
	strcpy(names[1] + strlen(names[1]) - 1, "X");
	REQUIRE_CMP(ds_gds_load_models(g, paths, 2, NULL, &job), ==, DS_ERR_NOT_FOUND);
	ds_gds_destroy(g);
}

/* ------------------------------------------------------------------- vectors */

static void require_vectors(struct ds_gds *g, uint64_t memory, const uint64_t *indices, uint64_t nr,
			    uint64_t base, uint64_t stride)
{
	unsigned char *bytes = malloc(nr * VECTOR);

	REQUIRE_OK(ds_gds_memory_read(ds_gds_backend(g), bytes, memory, nr * VECTOR));
	for (uint64_t i = 0; i < nr; i++)
		pattern_require(bytes + i * VECTOR, VECTOR, SEED, base + indices[i] * stride);
	free(bytes);
}

static void prefetch(struct frame *f, uint64_t nr, uint64_t stride, uint64_t base, bool dense)
{
	struct ds_gds *g = make(f);
	struct ds_gds_vectors set = DS_GDS_VECTORS_INIT;
	uint64_t *indices = malloc((nr + 1) * sizeof(*indices)), memory, there;
	struct ds_gds_job *job;
	uint64_t state = 1;

	set.file = open_data(f, g);
	set.offset = base;
	set.vector_nbytes = VECTOR;
	set.stride_nbytes = stride == VECTOR ? 0 : stride;
	there = (DATA_NBYTES - base - VECTOR) / stride + 1;
	for (uint64_t i = 0; i < nr; i++) {
		state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
		indices[i] = (state >> 33) % (dense ? 50 : there);
	}
	if (nr > 2) {
		indices[0] = there - 1;
		indices[1] = 0;
		indices[2] = there - 1;
	}
	REQUIRE_OK(ds_gds_alloc(g, nr * VECTOR + 1, &memory));
	REQUIRE_OK(ds_gds_prefetch_vectors(g, &set, indices, nr, memory, NULL, &job));
	REQUIRE_OK(ds_gds_job_wait(job, DS_WAIT_FOREVER));
	REQUIRE_CMP(report_of(job).done_nbytes, ==, nr * VECTOR);
	require_vectors(g, memory, indices, nr, base, stride);
	ds_gds_job_destroy(job);
	indices[nr] = there;
	REQUIRE_CMP(ds_gds_prefetch_vectors(g, &set, indices, nr + 1, memory, NULL, &job), ==,
		    DS_ERR_OUT_OF_RANGE);
	ds_gds_file_close(set.file);
	ds_gds_destroy(g);
	free(indices);
}

static void prefetches_vectors(struct frame *f)
{
	prefetch(f, 0, VECTOR, 0, false);
	prefetch(f, 1, VECTOR, 0, false);
	prefetch(f, 7, VECTOR, 13, false);
	prefetch(f, 20000, VECTOR, 0, false);
	prefetch(f, 9000, VECTOR + 24, 8, false);
	prefetch(f, 5000, 5000, 0, true);
}

static void reads_runs_of_vectors(struct frame *f)
{
	struct ds_gds *g = make(f);
	struct ds_gds_vectors set = DS_GDS_VECTORS_INIT;
	struct ds_gds_job_config host = DS_GDS_JOB_CONFIG_INIT;
	unsigned char *bytes = malloc(3000 * VECTOR);
	struct ds_gds_job *job;
	uint64_t memory;

	set.file = open_data(f, g);
	set.vector_nbytes = VECTOR;
	REQUIRE_OK(ds_gds_alloc(g, 3000 * VECTOR, &memory));
	REQUIRE_OK(ds_gds_read_vectors(g, &set, 100, 3000, memory, NULL, &job));
	REQUIRE_OK(ds_gds_job_wait(job, PATIENCE));
	frame_require_pattern(ds_gds_backend(g), memory, 3000 * VECTOR, SEED, 100 * VECTOR);
	ds_gds_job_destroy(job);
	/* With gaps, and to the host. */
	set.stride_nbytes = 2 * VECTOR;
	host.memory = DS_GDS_MEMORY_HOST;
	REQUIRE_OK(ds_gds_read_vectors(g, &set, 1, 3000, (uintptr_t)bytes, &host, &job));
	REQUIRE_OK(ds_gds_job_wait(job, DS_WAIT_FOREVER));
	REQUIRE_CMP(report_of(job).path_nbytes[DS_GDS_PATH_HOST], ==, 3000 * VECTOR);
	for (unsigned i = 0; i < 3000; i++)
		pattern_require(bytes + i * VECTOR, VECTOR, SEED, (i + 1) * UINT64_C(2) * VECTOR);
	ds_gds_job_destroy(job);
	REQUIRE_CMP(ds_gds_read_vectors(g, &set, 0, 1 << 20, memory, NULL, &job), ==,
		    DS_ERR_OUT_OF_RANGE);
	ds_gds_file_close(set.file);
	ds_gds_destroy(g);
	free(bytes);
}

/* The file gets shorter after it was opened: an error, not a crash or zeros. */
static void vectors_beyond_the_end(struct frame *f)
{
	struct ds_gds *g = make(f);
	struct ds_gds_vectors set = DS_GDS_VECTORS_INIT;
	struct ds_gds_job *job;
	uint64_t indices[1000], memory;

	set.file = open_data(f, g);
	set.vector_nbytes = VECTOR;
	for (unsigned i = 0; i < 1000; i++)
		indices[i] = 8000 + i;
	REQUIRE_CMP(truncate(f->path, 8500 * VECTOR), ==, 0);
	REQUIRE_OK(ds_gds_alloc(g, sizeof(indices) / 8 * VECTOR, &memory));
	REQUIRE_OK(ds_gds_prefetch_vectors(g, &set, indices, 1000, memory, NULL, &job));
	REQUIRE_CMP(ds_gds_job_wait(job, PATIENCE), ==, DS_ERR_END_OF_FILE);
	REQUIRE(strlen(report_of(job).error) > 5);
	ds_gds_job_destroy(job);
	ds_gds_file_close(set.file);
	ds_gds_destroy(g);
}

/* --------------------------------------------------- cancel, progress, failure */

struct watcher {
	atomic_uint calls;
	_Atomic uint64_t last;
	bool cancels;
	_Atomic int wait_result;
};

static void watch(void *user_data, struct ds_gds_job *job, uint64_t done, uint64_t total)
{
	struct watcher *w = user_data;

	REQUIRE_CMP(done, <=, total);
	REQUIRE_CMP(done, >=, atomic_load(&w->last));
	atomic_store(&w->last, done);
	atomic_fetch_add(&w->calls, 1);
	if (w->cancels)
		REQUIRE(ds_gds_job_cancel(job));
	if (!ds_gds_job_progress(job, NULL, NULL))
		atomic_store(&w->wait_result, ds_gds_job_wait(job, DS_WAIT_FOREVER));
}

static void tells_progress(struct frame *f)
{
	struct ds_gds *g = make(f);
	struct ds_gds_file *file = open_data(f, g);
	struct ds_gds_job_config cfg = DS_GDS_JOB_CONFIG_INIT;
	struct watcher w = { .cancels = false };
	struct ds_gds_range r = { .file = file, .nbytes = DATA_NBYTES };
	struct ds_gds_job *job;

	cfg.progress = watch;
	cfg.user_data = &w;
	REQUIRE_OK(ds_gds_alloc(g, DATA_NBYTES, &r.destination));
	REQUIRE_OK(ds_gds_load(g, &r, 1, &cfg, &job));
	REQUIRE_OK(ds_gds_job_wait(job, PATIENCE));
	REQUIRE_CMP(atomic_load(&w.calls), >=, 1);
	REQUIRE_CMP(atomic_load(&w.last), ==, DATA_NBYTES);
	REQUIRE_CMP(atomic_load(&w.wait_result), ==, DS_ERR_WOULD_DEADLOCK);
	ds_gds_job_destroy(job);
	ds_gds_file_close(file);
	ds_gds_destroy(g);
}

static void cancels(struct frame *f)
{
	struct ds_gds *g = make(f);
	struct ds_gds_file *file = open_data(f, g);
	struct ds_gds_range r = { .file = file, .nbytes = DATA_NBYTES };
	struct ds_gds_stats st = DS_GDS_STATS_INIT;
	struct ds_gds_job *jobs[8];
	unsigned nr_cancelled = 0, nr_done = 0;

	if (f->fake)
		atomic_store(&f->fake->delay_us, 5000);
	for (unsigned i = 0; i < 8; i++) {
		/* They run at once, so that each has memory of its own. */
		REQUIRE_OK(ds_gds_alloc(g, DATA_NBYTES, &r.destination));
		REQUIRE_OK(ds_gds_load(g, &r, 1, NULL, &jobs[i]));
	}
	REQUIRE_CMP(ds_gds_job_wait(jobs[7], 0), ==, DS_ERR_TIMEOUT);
	for (unsigned i = 8; i-- > 0;) {
		bool was = ds_gds_job_cancel(jobs[i]);
		struct ds_gds_report report = report_of(jobs[i]);

		REQUIRE_CMP(report.result, ==, was ? DS_ERR_CANCELLED : DS_OK);
		nr_cancelled += was;
		nr_done += !was;
		ds_gds_job_destroy(jobs[i]);
	}
	REQUIRE_CMP(nr_cancelled, >, 0);
	REQUIRE_OK(ds_gds_get_stats(g, &st));
	REQUIRE_CMP(st.jobs_begun, ==, 8);
	REQUIRE_CMP(st.jobs_cancelled, ==, nr_cancelled);
	REQUIRE_CMP(st.jobs_completed, ==, nr_done);
	REQUIRE_CMP(st.jobs_running, ==, 0);
	ds_gds_reset_stats(g);
	REQUIRE_OK(ds_gds_get_stats(g, &st));
	REQUIRE_CMP(st.jobs_begun, ==, 0);
	/* Cancelled by its own callback, and destroyed while it runs. */
	{
		struct ds_gds_job_config cfg = DS_GDS_JOB_CONFIG_INIT;
		struct watcher w = { .cancels = true };
		ds_result ret;

		cfg.progress = watch;
		cfg.user_data = &w;
		REQUIRE_OK(ds_gds_load(g, &r, 1, &cfg, &jobs[0]));
		ret = ds_gds_job_wait(jobs[0], PATIENCE);
		REQUIRE(ret == DS_ERR_CANCELLED || ret == DS_OK);
		ds_gds_job_destroy(jobs[0]);
		REQUIRE_OK(ds_gds_load(g, &r, 1, NULL, &jobs[0]));
		ds_gds_job_destroy(jobs[0]);
	}
	ds_gds_file_close(file);
	ds_gds_destroy(g);
}

static void cancels_vectors(struct frame *f)
{
	struct ds_gds *g = make(f);
	struct ds_gds_vectors set = DS_GDS_VECTORS_INIT;
	uint64_t *indices = calloc(100000, sizeof(*indices)), memory;
	struct ds_gds_job *job;

	set.file = open_data(f, g);
	set.vector_nbytes = VECTOR;
	for (unsigned i = 0; i < 100000; i++)
		indices[i] = i * UINT64_C(7919) % 9000;
	REQUIRE_OK(ds_gds_alloc(g, 100000 * VECTOR, &memory));
	for (unsigned i = 0; i < 4; i++) {
		ds_result ret;

		REQUIRE_OK(ds_gds_prefetch_vectors(g, &set, indices, 100000, memory, NULL, &job));
		ret = ds_gds_job_wait(job, i * UINT64_C(2000000));
		REQUIRE(ret == DS_ERR_TIMEOUT || ret == DS_OK);
		ds_gds_job_cancel(job);
		ret = report_of(job).result;
		REQUIRE(ret == DS_ERR_CANCELLED || ret == DS_OK);
		ds_gds_job_destroy(job);
	}
	ds_gds_file_close(set.file);
	ds_gds_destroy(g);
	free(indices);
}

static void reports_failures(struct frame *f)
{
	struct ds_gds *g = make(f);
	struct ds_gds_file *file = open_data(f, g);
	struct ds_gds_range r[2] = { { .file = file, .nbytes = DATA_NBYTES },
				     { .file = file, .offset = DATA_NBYTES - 10, .nbytes = 20 } };
	struct ds_gds_stats st = DS_GDS_STATS_INIT;
	struct ds_gds_report report;
	struct ds_gds_job *job;

	REQUIRE_OK(ds_gds_alloc(g, DATA_NBYTES, &r[0].destination));
	REQUIRE_OK(ds_gds_alloc(g, 4096, &r[1].destination));
	REQUIRE_OK(ds_gds_load(g, r, 2, NULL, &job));
	REQUIRE_CMP(ds_gds_job_wait(job, PATIENCE), ==, DS_ERR_END_OF_FILE);
	report = report_of(job);
	REQUIRE(strstr(report.error, "END_OF_FILE"));
	REQUIRE_CMP(report.done_nbytes, <, report.total_nbytes);
	ds_gds_job_destroy(job);
	r[0].destination = 64;
	REQUIRE_OK(ds_gds_load(g, r, 1, NULL, &job));
	REQUIRE_CMP(ds_gds_job_wait(job, PATIENCE), ==, DS_ERR_BAD_ADDRESS);
	ds_gds_job_destroy(job);
	REQUIRE_OK(ds_gds_get_stats(g, &st));
	REQUIRE_CMP(st.jobs_failed, ==, 2);
	/* What makes no sense is refused at once. */
	r[0].nbytes = UINT64_MAX;
	r[0].offset = 5;
	REQUIRE_CMP(ds_gds_load(g, r, 1, NULL, &job), ==, DS_ERR_OUT_OF_RANGE);
	r[0].file = NULL;
	REQUIRE_CMP(ds_gds_load(g, r, 1, NULL, &job), ==, DS_ERR_INVALID_ARGUMENT);
	ds_gds_file_close(file);
	ds_gds_destroy(g);
}

static void device_lost_in_a_job(struct frame *f)
{
	struct ds_gds *g = make(f);
	struct ds_gds_file *file = open_data(f, g);
	struct ds_gds_range r = { .file = file, .nbytes = DATA_NBYTES };
	struct ds_gds_job *job;

	REQUIRE_OK(ds_gds_alloc(g, DATA_NBYTES, &r.destination));
	atomic_store(&f->fake->until_lost, 3);
	REQUIRE_OK(ds_gds_load(g, &r, 1, NULL, &job));
	REQUIRE_CMP(ds_gds_job_wait(job, PATIENCE), ==, DS_ERR_IO);
	REQUIRE(strlen(report_of(job).error) > 5);
	ds_gds_job_destroy(job);
	ds_gds_file_close(file);
	ds_gds_destroy(g);
}

/* ---------------------------------------------------------------- many threads */

struct crowd {
	struct ds_gds *g;
	struct ds_gds_file *file;
	unsigned number;
};

static void *crowd_main(void *arg)
{
	const struct crowd *c = arg;
	struct ds_gds_vectors set = DS_GDS_VECTORS_INIT;
	uint64_t memory, indices[200];
	struct ds_gds_job *job;

	set.file = c->file;
	set.vector_nbytes = VECTOR;
	for (unsigned i = 0; i < 200; i++)
		indices[i] = (i * 37 + c->number * 1009) % 9000;
	REQUIRE_OK(ds_gds_alloc(c->g, 200 * VECTOR, &memory));
	for (unsigned round = 0; round < 10; round++) {
		struct ds_gds_range r = { .file = c->file,
					  .offset = round * 1000 + c->number,
					  .nbytes = 100000,
					  .destination = memory };

		REQUIRE_OK(ds_gds_load(c->g, &r, 1, NULL, &job));
		REQUIRE_OK(ds_gds_job_wait(job, round % 2 ? DS_WAIT_FOREVER : PATIENCE));
		frame_require_pattern(ds_gds_backend(c->g), memory, 100000, SEED, r.offset);
		ds_gds_job_destroy(job);
		REQUIRE_OK(ds_gds_prefetch_vectors(c->g, &set, indices, 200, memory, NULL, &job));
		REQUIRE_OK(ds_gds_job_wait(job, DS_WAIT_FOREVER));
		require_vectors(c->g, memory, indices, 200, 0, VECTOR);
		ds_gds_job_destroy(job);
	}
	REQUIRE_OK(ds_gds_free(c->g, memory));
	return NULL;
}

static void serves_many_threads(struct frame *f)
{
	struct ds_gds *g = make(f);
	struct ds_gds_file *file = open_data(f, g);
	struct crowd crowd[6];
	pthread_t threads[6];

	for (unsigned i = 0; i < 6; i++) {
		crowd[i] = (struct crowd){ g, file, i };
		REQUIRE_CMP(pthread_create(&threads[i], NULL, crowd_main, &crowd[i]), ==, 0);
	}
	for (unsigned i = 0; i < 6; i++)
		pthread_join(threads[i], NULL);
	ds_gds_file_close(file);
	ds_gds_destroy(g);
}

/* -------------------------------------------------------------- without a device */

static void works_without_a_device(struct frame *f)
{
	struct ds_gds_manager_config cfg = config(f);
	struct ds_gds_job_config host = DS_GDS_JOB_CONFIG_INIT;
	struct ds_gds_file_info info = DS_GDS_FILE_INFO_INIT;
	struct ds_gds_range r = { .nbytes = DATA_NBYTES };
	struct ds_gds_job *job;
	struct ds_gds *g = NULL;

	f->gds.cuda_library = "/nonexistent/libcuda.so.1";
	REQUIRE_CMP(ds_gds_create(&cfg, &g), ==, DS_ERR_UNAVAILABLE);
	cfg.enabled = DS_GDS_AUTO;
	REQUIRE_OK(ds_gds_create(&cfg, &g));
	REQUIRE(!ds_gds_has_device(g));
	r.file = open_data(f, g);
	REQUIRE_OK(ds_gds_file_get_info(r.file, &info));
	REQUIRE_CMP(info.path, ==, DS_GDS_PATH_HOST);
	REQUIRE_CMP(info.nbytes, ==, DATA_NBYTES);
	REQUIRE(strstr(info.why, "no CUDA driver library"));
	REQUIRE_OK(ds_gds_alloc(g, DATA_NBYTES, &r.destination));
	REQUIRE_CMP(ds_gds_load(g, &r, 1, NULL, &job), ==, DS_ERR_UNAVAILABLE);
	host.memory = DS_GDS_MEMORY_HOST;
	host.flags = DS_GDS_JOB_CHECKSUM;
	REQUIRE_OK(ds_gds_load(g, &r, 1, &host, &job));
	REQUIRE_OK(ds_gds_job_wait(job, DS_WAIT_FOREVER));
	pattern_require((void *)(uintptr_t)r.destination, DATA_NBYTES, SEED, 0);
	ds_gds_job_destroy(job);
	ds_gds_file_close(r.file);
	ds_gds_destroy(g);
}

static void tells_of_files(struct frame *f)
{
	struct ds_gds *g = make(f);
	struct ds_gds_file *file = open_data(f, g);
	struct ds_gds_file_info info = DS_GDS_FILE_INFO_INIT;

	REQUIRE_OK(ds_gds_file_get_info(file, &info));
	REQUIRE_CMP(info.nbytes, ==, DATA_NBYTES);
	REQUIRE_CMP(info.cached_nbytes, ==, DATA_NBYTES);
	REQUIRE_CMP(info.path, ==, DS_GDS_PATH_BUFFERED);
	REQUIRE(info.file_system[0]);
	REQUIRE(info.why[0]);
	ds_gds_file_close(file);
	REQUIRE_CMP(ds_gds_file_open(g, "/nonexistent", &file), ==, DS_ERR_NOT_FOUND);
	REQUIRE_CMP(ds_gds_file_open(g, "/", &file), ==, DS_ERR_BAD_FILE);
	ds_gds_destroy(g);
}

int main(int argc, char **argv)
{
	static const struct frame_entry tests[] = {
		TEST(loads_ranges),
		TEST(loads_compressed_ranges),
		TEST(bounds_the_pool),
		TEST(loads_models_together),
		TEST(prefetches_vectors),
		TEST(reads_runs_of_vectors),
		TEST(vectors_beyond_the_end),
		TEST(tells_progress),
		TEST(cancels),
		TEST(cancels_vectors),
		TEST(reports_failures),
		FAKE_TEST(device_lost_in_a_job),
		TEST(serves_many_threads),
		FAKE_TEST(works_without_a_device),
		TEST(tells_of_files),
	};

	return frame_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
