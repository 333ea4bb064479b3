/* SPDX-License-Identifier: MIT */
/*
 * bench_io.c: the matrix of "dstool bench io": which workloads there are, who takes part in
 * each, and what their rounds come to.
 */
#include "bench_io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tool.h"

#define KIB 1024u
#define MIB (1024u * 1024u)

/* Room for the workload with the most outstanding. */
#define ARENA_NBYTES ((size_t)64 * MIB)

/*
 * Cached reads of 1 MiB keep 8 outstanding: with more, the buffers outgrow the CPU's caches and
 * the figure is that of the memory. The others keep 64, as a game that streams does.
 */
static const struct bench_workload workloads[] = {
	{ "direct-4k-random", 4 * KIB, true, BENCH_DIRECT, 64, false },
	{ "direct-64k-random", 64 * KIB, true, BENCH_DIRECT, 64, false },
	{ "direct-1m-sequential", MIB, false, BENCH_DIRECT, 64, false },
	{ "cached-4k-random", 4 * KIB, true, BENCH_CACHED, 64, false },
	{ "cached-64k-random", 64 * KIB, true, BENCH_CACHED, 64, false },
	{ "cached-1m-sequential", MIB, false, BENCH_CACHED, 8, false },
	{ "half-64k-random", 64 * KIB, true, BENCH_HALF, 64, false },
	{ "half-1m-sequential", MIB, false, BENCH_HALF, 64, false },
	{ "cancel-direct-4k", 4 * KIB, true, BENCH_DIRECT, 64, true },
	{ "cancel-direct-1m", MIB, true, BENCH_DIRECT, 64, true },
};
#define NR_WORKLOADS (sizeof(workloads) / sizeof(workloads[0]))

static const struct bench_contestant contestants[] = {
	{ "cpu, 4 workers", "cpu", BENCH_4_WORKERS },
	{ "cpu", "cpu", BENCH_PLAIN },
	{ "io_uring", "io_uring", BENCH_PLAIN },
	{ "io_uring, registered", "io_uring", BENCH_REGISTERED },
	{ "cpu, direct on", "cpu", BENCH_DIRECT_ON },
	{ "cpu, direct off", "cpu", BENCH_DIRECT_OFF },
	{ "io_uring, direct on", "io_uring", BENCH_DIRECT_ON },
	{ "io_uring, direct off", "io_uring", BENCH_DIRECT_OFF },
	{ "io_uring, direct auto", "io_uring", BENCH_DIRECT_AUTO },
};
#define NR_CONTESTANTS (sizeof(contestants) / sizeof(contestants[0]))

/* Rounds of one contestant. */
struct series {
	struct bench_run runs[BENCH_MAX_ROUNDS];
};

struct bench {
	const struct bench_options *options;
	struct bench_file file;
	uint8_t *arena;
	struct series *series; /* room for BENCH_MAX_CONTESTANTS */
	uint64_t nr_runs;
	char left_out[BACKEND_WHY_NBYTES]; /* why io_uring does not take part, or "" */
};

/* ---------------------------------------------------------------- medians */

static double per(double value, double unit)
{
	return unit > 0 ? value / unit : 0;
}

static double bytes_per_s_of(const struct bench_figures *f)
{
	return per((double)f->nbytes * 1e9, (double)f->wall_ns);
}

static double iops_of(const struct bench_figures *f)
{
	return per((double)f->nr_reads * 1e9, (double)f->wall_ns);
}

static double cpu_s_per_gb_of(const struct bench_figures *f)
{
	return per((double)f->cpu_ns, (double)f->nbytes);
}

static double p50_us_of(const struct bench_figures *f)
{
	return (double)f->p50_ns / 1e3;
}

static double p99_us_of(const struct bench_figures *f)
{
	return (double)f->p99_ns / 1e3;
}

static double max_us_of(const struct bench_figures *f)
{
	return (double)f->max_ns / 1e3;
}

static double median_of(const struct series *s, size_t n,
			double (*get)(const struct bench_figures *))
{
	double values[BENCH_MAX_ROUNDS];

	for (size_t i = 0; i < n; i++)
		values[i] = get(&s->runs[i].figures);
	return tool_median(values, n);
}

/* Of runs that followed one another, so that both met the same noise. */
static double ratio_of(const struct series *a, const struct series *b, size_t n,
		       double (*get)(const struct bench_figures *))
{
	double values[BENCH_MAX_ROUNDS];

	for (size_t i = 0; i < n; i++)
		values[i] = per(get(&a->runs[i].figures), get(&b->runs[i].figures));
	return tool_median(values, n);
}

/* ------------------------------------------------------------ one workload */

static bool takes_part(const struct bench *b, const struct bench_workload *w,
		       const struct bench_contestant *c)
{
	const char *only = b->options->backend;

	if (strcmp(only, "auto") != 0 && strcmp(only, c->backend) != 0)
		return false;
	if (*b->left_out && strcmp(c->backend, "io_uring") == 0)
		return false;
	switch (c->variant) {
	case BENCH_PLAIN:
		return w->cache != BENCH_HALF;
	case BENCH_4_WORKERS:
		return w->cache != BENCH_HALF && !w->is_cancel;
	case BENCH_REGISTERED:
		return w->cache == BENCH_DIRECT && w->nbytes == MIB && !w->is_cancel;
	default:
		return w->cache == BENCH_HALF;
	}
}

/*
 * By whom it is measured: by the CPU backend, with 4 workers and as it is; on a half-cached
 * file by the same backend when it is told what to do.
 */
static bool is_peer(const struct bench_workload *w, const struct bench_contestant *c,
		    const struct bench_contestant *other, size_t nr)
{
	static const enum bench_variant told[] = { BENCH_DIRECT_ON, BENCH_DIRECT_OFF };
	static const enum bench_variant plain[] = { BENCH_4_WORKERS, BENCH_PLAIN };

	if (c == other || w->is_cancel)
		return false;
	if (w->cache == BENCH_HALF)
		return c->variant == BENCH_DIRECT_AUTO && other->variant == told[nr] &&
		       strcmp(other->backend, c->backend) == 0;
	return other->variant == plain[nr] && strcmp(other->backend, "cpu") == 0;
}

static void compare(const struct bench *b, struct bench_table *t, size_t mine)
{
	size_t n = (size_t)b->options->nr_rounds;
	struct bench_line *line = &t->lines[mine];

	for (size_t i = 0; i < t->nr_lines * BENCH_NR_PEERS; i++) {
		size_t other = i / BENCH_NR_PEERS, nr = i % BENCH_NR_PEERS;
		struct bench_ratio *r = &line->ratios[nr];

		if (!is_peer(t->workload, line->contestant, t->lines[other].contestant, nr) ||
		    *line->missing || *t->lines[other].missing)
			continue;
		r->peer = t->lines[other].contestant->name;
		r->speed = ratio_of(&b->series[mine], &b->series[other], n, bytes_per_s_of);
		r->cpu = ratio_of(&b->series[other], &b->series[mine], n, cpu_s_per_gb_of);
	}
}

static void sum_up(const struct bench *b, struct bench_table *t, size_t nr)
{
	size_t n = (size_t)b->options->nr_rounds;
	const struct series *s = &b->series[nr];
	struct bench_line *line = &t->lines[nr];

	line->nr_workers = s->runs[0].nr_workers;
	memcpy(line->missing, s->runs[0].missing, sizeof(line->missing));
	line->bytes_per_s = median_of(s, n, bytes_per_s_of);
	line->iops = median_of(s, n, iops_of);
	line->p50_us = median_of(s, n, p50_us_of);
	line->p99_us = median_of(s, n, p99_us_of);
	line->max_us = median_of(s, n, max_us_of);
	line->cpu_s_per_gb = median_of(s, n, cpu_s_per_gb_of);
	for (size_t i = 0; i < n; i++)
		line->nr_cancelled += s->runs[i].figures.nr_cancelled;
}

static int prepare(const struct bench *b, enum bench_cache cache)
{
	int err;

	if (cache == BENCH_CACHED)
		err = bench_file_warm(&b->file);
	else if (cache == BENCH_HALF)
		err = bench_file_warm_half(&b->file);
	else
		err = bench_file_drop(&b->file);
	if (err)
		return tool_error_errno(b->file.path, "bringing it in or out of the page cache",
					err);
	return TOOL_OK;
}

static int run_one(struct bench *b, const struct bench_table *t, size_t nr, size_t round)
{
	struct bench_run *r = &b->series[nr].runs[round];

	if (t->workload->cache == BENCH_HALF && prepare(b, BENCH_HALF) != TOOL_OK)
		return TOOL_FAILED;
	*r = (struct bench_run){
		.file = &b->file,
		.workload = t->workload,
		.contestant = t->lines[nr].contestant,
		.arena = b->arena,
		.arena_nbytes = ARENA_NBYTES,
		.run_ns = b->options->run_ns,
		.seed = b->nr_runs++,
	};
	return bench_run(r);
}

static int run_workload(struct bench *b, struct bench_table *t)
{
	int ret = prepare(b, t->workload->cache);

	for (size_t i = 0; i < NR_CONTESTANTS; i++) {
		if (takes_part(b, t->workload, &contestants[i]))
			t->lines[t->nr_lines++].contestant = &contestants[i];
	}
	for (size_t round = 0; round < b->options->nr_rounds; round++) {
		/* Nobody always comes first. */
		for (size_t i = 0; i < t->nr_lines && ret == TOOL_OK; i++)
			ret = run_one(b, t, (i + round) % t->nr_lines, round);
	}
	for (size_t i = 0; i < t->nr_lines && ret == TOOL_OK; i++)
		sum_up(b, t, i);
	for (size_t i = 0; i < t->nr_lines && ret == TOOL_OK; i++)
		compare(b, t, i);
	return ret;
}

/* ------------------------------------------------------------- all of them */

static int run_all(struct bench *b)
{
	struct bench_report report;
	int ret = TOOL_OK;

	bench_report_begin(&report, b->options, &b->file, *b->left_out ? b->left_out : NULL);
	for (size_t i = 0; i < NR_WORKLOADS && ret == TOOL_OK; i++) {
		struct bench_table t = { .workload = &workloads[i] };

		ret = run_workload(b, &t);
		if (ret == TOOL_OK)
			bench_report_table(&report, &t);
	}
	if (ret == TOOL_OK)
		bench_report_end(&report);
	return ret;
}

/* A backend that was asked for by name must work. */
static int find_left_out(struct bench *b)
{
	struct ds_backend *be;
	ds_result ret;

	if (strcmp(b->options->backend, "cpu") == 0)
		return TOOL_OK;
	ret = backend_make("io_uring", NULL, &be, b->left_out, sizeof(b->left_out));
	if (ret == DS_OK) {
		ds_backend_destroy(be);
		return TOOL_OK;
	}
	if (strcmp(b->options->backend, "auto") == 0)
		return TOOL_OK;
	tool_error("%s", b->left_out);
	return TOOL_FAILED;
}

int bench_io(const struct bench_options *o)
{
	struct bench b = { .options = o };
	int ret;

	if (find_left_out(&b) != TOOL_OK)
		return TOOL_FAILED;
	b.series = calloc(BENCH_MAX_CONTESTANTS, sizeof(*b.series));
	b.arena = mmap(NULL, ARENA_NBYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	if (b.series && b.arena != MAP_FAILED) {
		/* In ordinary pages figures depend on how scattered those happen to be. */
		madvise(b.arena, ARENA_NBYTES, MADV_HUGEPAGE);
		memset(b.arena, 0, ARENA_NBYTES);
		ret = bench_file_open(&b.file, o);
		if (ret == TOOL_OK)
			ret = run_all(&b);
		bench_file_close(&b.file);
	} else {
		ret = tool_error_memory();
	}
	if (b.arena != MAP_FAILED)
		munmap(b.arena, ARENA_NBYTES);
	free(b.series);
	return ret;
}
