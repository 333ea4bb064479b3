/* SPDX-License-Identifier: MIT */
/*
 * bench_gds_load.c: one file into device memory, in many ways. Every way's last load is verified.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench_gds.h"
#include "file_io.h"
#include "tool.h"

#define MIB	   ((uint64_t)1 << 20)
#define SUM_NBYTES (64 * MIB)
#define NR_BEST	   2   /* from the cache, and cold */
#define USUAL_MIB  128 /* pinned */

struct outcome {
	struct bench_gds_way way;
	uint64_t first_ns;
	uint64_t best_ns;
	uint64_t median_ns;
	uint64_t cpu_ns; /* of the best */
	uint64_t path_nbytes[DS_GDS_PATH_COUNT];
};

struct outcomes {
	struct outcome best[NR_BEST];
	struct outcome chosen[NR_BEST];	    /* what is taken when nothing is said */
	struct outcome best_chunk[NR_BEST]; /* like that, but for the size of chunks */
};

static double gb_per_s(uint64_t nbytes, uint64_t ns)
{
	return ns ? (double)nbytes / (double)ns : 0;
}

/* --------------------------------------------------------------- verification */

static size_t nr_parts(const struct bench_gds *b)
{
	return (size_t)((b->nbytes + SUM_NBYTES - 1) / SUM_NBYTES);
}

static uint64_t part_nbytes(const struct bench_gds *b, size_t part)
{
	uint64_t left = b->nbytes - part * SUM_NBYTES;

	return left < SUM_NBYTES ? left : SUM_NBYTES;
}

/* What the file holds, by plain reads. */
static int sum_file(struct bench_gds *b)
{
	unsigned char *bytes = malloc(SUM_NBYTES);

	b->sums = calloc(nr_parts(b), sizeof(*b->sums));
	if (!bytes || !b->sums) {
		free(bytes);
		return tool_error_memory();
	}
	for (size_t i = 0; i < nr_parts(b); i++) {
		size_t n = (size_t)part_nbytes(b, i);

		if (pread_full(b->fd, bytes, n, i * SUM_NBYTES) != (ssize_t)n) {
			tool_error("%s: cannot be read", b->path);
			free(bytes);
			return TOOL_FAILED;
		}
		b->sums[i] = ds_gds_checksum_host(bytes, n);
	}
	free(bytes);
	return TOOL_OK;
}

static int verify(struct bench_gds *b)
{
	for (size_t i = 0; i < nr_parts(b); i++) {
		uint64_t sum = 0;
		ds_result ret =
			ds_gds_checksum(ds_gds_backend(b->holder), b->memory + i * SUM_NBYTES,
					part_nbytes(b, i), &sum);

		if (ret != DS_OK || sum != b->sums[i]) {
			tool_error("wrong bytes on the device at %zu MiB",
				   (size_t)(i * SUM_NBYTES / MIB));
			return TOOL_FAILED;
		}
	}
	return TOOL_OK;
}

/* So that nothing of the load before can be taken for this one's. */
static int spoil(struct bench_gds *b)
{
	static const unsigned char junk[4096] = { 1, 2, 3 };

	for (uint64_t at = 0; at + sizeof(junk) < b->nbytes; at += 32 * MIB) {
		if (ds_gds_memory_write(ds_gds_backend(b->holder), b->memory + at, junk,
					sizeof(junk)) != DS_OK)
			return TOOL_FAILED;
	}
	return TOOL_OK;
}

/* -------------------------------------------------------------------- loading */

static int load_once(struct bench_gds *b, struct ds_gds *g, const char *path,
		     struct ds_gds_report *report)
{
	struct ds_gds_range range = { .nbytes = b->nbytes, .destination = b->memory };
	struct ds_gds_job *job = NULL;
	ds_result ret = ds_gds_file_open(g, path, &range.file);

	if (ret == DS_OK)
		ret = ds_gds_load(g, &range, 1, NULL, &job);
	if (ret == DS_OK)
		ret = ds_gds_job_wait(job, DS_WAIT_FOREVER);
	*report = (struct ds_gds_report)DS_GDS_REPORT_INIT;
	if (job)
		ds_gds_job_get_report(job, report);
	if (ret != DS_OK)
		tool_error("%s: %s", path, *report->error ? report->error : ds_result_message(ret));
	ds_gds_job_destroy(job);
	ds_gds_file_close(range.file);
	return ret == DS_OK ? TOOL_OK : TOOL_FAILED;
}

static void drop_from_cache(struct bench_gds *b)
{
	fsync(b->fd);
	posix_fadvise(b->fd, 0, 0, POSIX_FADV_DONTNEED);
}

static int compare_ns(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

	return a < b ? -1 : a > b;
}

static int measure(struct bench_gds *b, const struct bench_gds_way *way, struct outcome *o)
{
	uint64_t ns[BENCH_GDS_MAX_ROUNDS];
	struct ds_gds *g = bench_gds_make(b, way);
	int ret = g ? spoil(b) : TOOL_FAILED;

	*o = (struct outcome){ .way = *way, .best_ns = UINT64_MAX };
	for (uint64_t i = 0; ret == TOOL_OK && i < b->options.nr_rounds; i++) {
		struct ds_gds_report report;

		if (way->is_cold)
			drop_from_cache(b);
		ret = load_once(b, g, b->path, &report);
		ns[i] = report.elapsed_ns;
		if (i == 0)
			o->first_ns = ns[i];
		if (ns[i] >= o->best_ns)
			continue;
		o->best_ns = ns[i];
		o->cpu_ns = report.cpu_ns;
		for (unsigned p = 0; p < DS_GDS_PATH_COUNT; p++)
			o->path_nbytes[p] = report.path_nbytes[p];
	}
	if (ret == TOOL_OK)
		ret = verify(b);
	ds_gds_destroy(g);
	if (ret == TOOL_OK) {
		qsort(ns, b->options.nr_rounds, sizeof(ns[0]), compare_ns);
		o->median_ns = ns[b->options.nr_rounds / 2];
	}
	return ret;
}

/* ------------------------------------------------------------------ reporting */

static const char *engine_name(const struct bench_gds_way *w)
{
	return w->io_uring == DS_GDS_NEVER ? "pread" : "io_uring";
}

static const char *path_name(const struct outcome *o)
{
	static const char *const names[DS_GDS_PATH_COUNT] = {
		[DS_GDS_PATH_GDS] = "gds",
		[DS_GDS_PATH_DIRECT] = "direct",
		[DS_GDS_PATH_BUFFERED] = "cache",
	};
	unsigned most = 0;

	for (unsigned p = 0; p < DS_GDS_PATH_COUNT; p++) {
		if (o->path_nbytes[p] > o->path_nbytes[most])
			most = p;
	}
	return names[most] ? names[most] : "?";
}

static void print_heading(const struct bench_gds *b)
{
	if (b->options.json)
		return;
	printf("copy engine alone: %.1f GB/s\n\n", (double)b->ceiling * 1e-9);
	printf("%-6s %-8s %7s %6s %7s  %7s %7s %7s %5s  %8s %s\n", "file", "engine", "threads",
	       "chunk", "pinned", "first", "median", "best", "of it", "CPU s/GB", "path");
}

static void print_outcome(struct bench_gds *b, const struct outcome *o)
{
	double best = gb_per_s(b->nbytes, o->best_ns);
	double cpu = (double)o->cpu_ns / (double)b->nbytes;

	if (!b->options.json) {
		printf("%-6s %-8s %7u %4" PRIu64 " M %5" PRIu64 " M  %7.1f %7.1f %7.1f %4.0f%%  "
		       "%8.3f %s\n",
		       o->way.is_cold ? "cold" : "cached", engine_name(&o->way), o->way.threads,
		       o->way.chunk_nbytes / MIB, o->way.staging_nbytes / MIB,
		       gb_per_s(b->nbytes, o->first_ns), gb_per_s(b->nbytes, o->median_ns), best,
		       100e9 * best / (double)b->ceiling, cpu, path_name(o));
		fflush(stdout);
		return;
	}
	json_begin_object(&b->json, NULL);
	json_bool(&b->json, "cold", o->way.is_cold);
	json_string(&b->json, "engine", engine_name(&o->way));
	json_number(&b->json, "threads", o->way.threads);
	json_number(&b->json, "chunk_nbytes", o->way.chunk_nbytes);
	json_number(&b->json, "staging_nbytes", o->way.staging_nbytes);
	json_real(&b->json, "first_gb_per_s", gb_per_s(b->nbytes, o->first_ns));
	json_real(&b->json, "median_gb_per_s", gb_per_s(b->nbytes, o->median_ns));
	json_real(&b->json, "best_gb_per_s", best);
	json_real(&b->json, "cpu_s_per_gb", cpu);
	json_string(&b->json, "path", path_name(o));
	json_end_object(&b->json);
}

/* What the choice of the chunk is worth. */
static void print_chosen(const struct bench_gds *b, const struct outcome *o,
			 const struct outcome *best)
{
	if (!o->best_ns)
		return;
	printf("chosen without being told: %s, %u threads, chunks of %" PRIu64
	       " MiB: median %.1f GB/s",
	       engine_name(&o->way), o->way.threads, o->way.chunk_nbytes / MIB,
	       gb_per_s(b->nbytes, o->median_ns));
	if (!b->options.is_quick)
		printf(", %.0f%% of the best chunk's there (%" PRIu64 " MiB, %.1f GB/s)",
		       100.0 * (double)best->median_ns / (double)o->median_ns,
		       best->way.chunk_nbytes / MIB, gb_per_s(b->nbytes, best->median_ns));
	putchar('\n');
}

static void print_best(const struct bench_gds *b, const struct outcomes *all)
{
	static const char *const names[NR_BEST] = { "from the page cache", "cold" };

	for (unsigned i = 0; !b->options.json && i < NR_BEST; i++) {
		const struct outcome *o = &all->best[i];

		if (o->best_ns)
			printf("\nbest %s: %s, %u threads, chunks of %" PRIu64 " MiB, %" PRIu64
			       " MiB pinned: %.1f GB/s\n",
			       names[i], engine_name(&o->way), o->way.threads,
			       o->way.chunk_nbytes / MIB, o->way.staging_nbytes / MIB,
			       gb_per_s(b->nbytes, o->best_ns));
		print_chosen(b, &all->chosen[i], &all->best_chunk[i]);
	}
}

/* ---------------------------------------------------------------------- sweep */

/* What a manager does that is told nothing, but for the size of chunks. */
static bool is_usual(const struct bench_gds *b, const struct bench_gds_way *way)
{
	return way->io_uring == DS_GDS_AUTO && way->threads == b->info.io_workers &&
	       way->staging_nbytes == b->info.staging_nbytes;
}

static bool is_chosen(const struct bench_gds *b, const struct bench_gds_way *way)
{
	return is_usual(b, way) && way->chunk_nbytes == b->info.chunk_nbytes;
}

static bool is_sooner(const struct outcome *o, const struct outcome *than)
{
	return !than->best_ns || o->median_ns < than->median_ns;
}

static int try(struct bench_gds *b, const struct bench_gds_way *way, struct outcomes *all)
{
	unsigned kind = way->is_cold;
	struct outcome o;
	int ret = measure(b, way, &o);

	if (ret != TOOL_OK)
		return ret;
	print_outcome(b, &o);
	if (is_sooner(&o, &all->best[kind]))
		all->best[kind] = o;
	if (is_usual(b, way) && is_sooner(&o, &all->best_chunk[kind]))
		all->best_chunk[kind] = o;
	if (is_chosen(b, way))
		all->chosen[kind] = o;
	return TOOL_OK;
}

static int sweep(struct bench_gds *b, bool is_cold, struct outcomes *all)
{
	static const uint64_t chunks[] = { 1, 2, 4, 8 };
	/* Of few cores there are more threads. */
	unsigned most = b->info.io_workers;
	int ret = TOOL_OK;

	for (unsigned engine = 0; engine < 2; engine++) {
		for (unsigned threads = most / 2; threads <= most; threads += most - most / 2) {
			for (unsigned c = 0; c < 4 && ret == TOOL_OK; c++) {
				const struct bench_gds_way way = {
					.threads = threads ? threads : 1,
					.chunk_nbytes = chunks[c] * MIB,
					.staging_nbytes = USUAL_MIB * MIB,
					.io_uring = engine ? DS_GDS_NEVER : DS_GDS_AUTO,
					.is_cold = is_cold,
				};

				/* The usual settings are measured in any case. */
				if (!b->options.is_quick || is_chosen(b, &way))
					ret = try(b, &way, all);
			}
		}
	}
	return ret;
}

/* More and less pinned memory than usual, with the best of the rest. */
static int sweep_staging(struct bench_gds *b, struct outcomes *all)
{
	static const uint64_t sizes[] = { 32, 64, 256 };
	const struct bench_gds_way was = all->best[0].way;
	int ret = TOOL_OK;

	for (unsigned i = 0; i < 3 && ret == TOOL_OK && !b->options.is_quick; i++) {
		struct bench_gds_way way = was;

		way.staging_nbytes = sizes[i] * MIB;
		if (way.staging_nbytes >= 8 * way.chunk_nbytes)
			ret = try(b, &way, all);
	}
	return ret;
}

int bench_gds_load(struct bench_gds *b)
{
	struct outcomes all = { 0 };
	int ret = sum_file(b);

	if (ret == TOOL_OK && ds_gds_calibrate(b->holder, &b->ceiling) != DS_OK) {
		tool_error("the copy engine could not be measured");
		ret = TOOL_FAILED;
	}
	if (ret != TOOL_OK)
		return ret;
	print_heading(b);
	if (b->options.json) {
		json_real(&b->json, "ceiling_gb_per_s", (double)b->ceiling * 1e-9);
		json_begin_array(&b->json, "loads");
	}
	ret = sweep(b, false, &all);
	if (ret == TOOL_OK)
		ret = sweep_staging(b, &all);
	if (ret == TOOL_OK && !b->options.no_cold)
		ret = sweep(b, true, &all);
	if (b->options.json)
		json_end_array(&b->json);
	print_best(b, &all);
	return ret;
}
