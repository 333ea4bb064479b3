/* SPDX-License-Identifier: MIT */
/*
 * bench_io.h: "dstool bench io", in five parts: the command (cmd_bench.c), its file
 * (bench_file.c), one run of one contestant (bench_run.c), the matrix of workloads and
 * contestants (bench_io.c) and the report (bench_report.c).
 *
 * All contestants of a workload run in turn, several rounds of it, so that whatever else the
 * machine does hits all of them alike. Figures are medians over the rounds, and ratios are
 * medians of the rounds' ratios.
 */
#ifndef DSTOOL_BENCH_IO_H
#define DSTOOL_BENCH_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends.h"
#include "ds_runtime.h"
#include "json.h"

#define BENCH_MAX_CONTESTANTS 8
#define BENCH_MAX_ROUNDS      99
#define BENCH_NR_PEERS	      2
#define BENCH_MIN_FILE_NBYTES ((uint64_t)8 << 20)

struct bench_options {
	const char *path;     /* NULL: a file of its own */
	const char *backend;  /* "auto": all that work here; or the only one to measure */
	uint64_t file_nbytes; /* at most */
	uint64_t run_ns;
	uint64_t nr_rounds;
	bool json;
};

/* ------------------------------------------------------------ bench_file.c */

struct bench_file {
	char path[4096]; /* of a file of its own: through /proc, as it has no name */
	int fd;
	uint64_t nbytes; /* from its beginning, that are read */
	bool is_made;	 /* its bytes follow from their offsets */
};

/* TOOL_OK, or it was said why not. */
int bench_file_open(struct bench_file *f, const struct bench_options *o);
void bench_file_close(struct bench_file *f);
/* Into the page cache, out of it, or every other 4 MiB into it. 0, or errno. */
int bench_file_warm(const struct bench_file *f);
int bench_file_drop(const struct bench_file *f);
int bench_file_warm_half(const struct bench_file *f);
/* Whether the buffer holds the file's bytes at that offset. True for what was not made. */
bool bench_file_is_right(const struct bench_file *f, const uint8_t *buf, uint64_t nbytes,
			 uint64_t offset);

/* ------------------------------------------------------------- bench_run.c */

enum bench_cache {
	BENCH_CACHED, /* all of it in the page cache, read through it */
	BENCH_DIRECT, /* O_DIRECT */
	BENCH_HALF,   /* every other 4 MiB cached before each run, no byte read twice */
};

struct bench_workload {
	const char *name;
	uint64_t nbytes; /* of one read */
	bool is_random;
	enum bench_cache cache;
	uint32_t depth; /* reads outstanding */
	bool is_cancel; /* some are cancelled; the latency is that of these calls */
};

/* What is special about a contestant, beside its backend. */
enum bench_variant {
	BENCH_PLAIN,
	BENCH_4_WORKERS,
	BENCH_REGISTERED, /* the destinations are announced to the backend */
	BENCH_DIRECT_ON,  /* of a half-cached file */
	BENCH_DIRECT_OFF,
	BENCH_DIRECT_AUTO,
};

struct bench_contestant {
	const char *name;
	const char *backend;
	enum bench_variant variant;
};

/* What one run gave. */
struct bench_figures {
	uint64_t nr_reads;
	uint64_t nbytes;
	uint64_t wall_ns;
	uint64_t cpu_ns;
	uint64_t p50_ns;
	uint64_t p99_ns;
	uint64_t max_ns;
	uint64_t nr_cancelled;
};

struct bench_run {
	const struct bench_file *file;
	const struct bench_workload *workload;
	const struct bench_contestant *contestant;
	uint8_t *arena;
	size_t arena_nbytes;
	uint64_t run_ns;
	uint64_t seed;
	/* What comes of it. */
	struct bench_figures figures;
	uint32_t nr_workers;
	char missing[BACKEND_WHY_NBYTES]; /* why this contestant cannot do it here, or "" */
};

/* TOOL_OK, also where the contestant is missing; TOOL_FAILED, and it was said what failed. */
int bench_run(struct bench_run *r);

/* -------------------------------------------------------------- bench_io.c */

/* The same measured by another contestant of the workload; 0 where there is nothing to compare. */
struct bench_ratio {
	const char *peer; /* its name; NULL: no such peer */
	double speed;	  /* times the peer's */
	double cpu;	  /* the peer's CPU time per byte, divided by this one's */
};

/* A contestant's line. */
struct bench_line {
	const struct bench_contestant *contestant;
	uint32_t nr_workers;
	char missing[BACKEND_WHY_NBYTES];
	double bytes_per_s;
	double iops;
	double p50_us;
	double p99_us;
	double max_us;
	double cpu_s_per_gb;
	uint64_t nr_cancelled; /* in all rounds */
	struct bench_ratio ratios[BENCH_NR_PEERS];
};

struct bench_table {
	const struct bench_workload *workload;
	size_t nr_lines;
	struct bench_line lines[BENCH_MAX_CONTESTANTS];
};

/* Measures everything and prints it. What o->backend names works here. */
int bench_io(const struct bench_options *o);

/* ---------------------------------------------------------- bench_report.c */

struct bench_report {
	bool is_json;
	struct json json;
};

/* left_out: a backend that cannot be measured here, and why; or NULL. */
void bench_report_begin(struct bench_report *r, const struct bench_options *o,
			const struct bench_file *f, const char *left_out);
void bench_report_table(struct bench_report *r, const struct bench_table *t);
void bench_report_end(struct bench_report *r);

#endif /* DSTOOL_BENCH_IO_H */
