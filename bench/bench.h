/* SPDX-License-Identifier: MIT */
/*
 * bench.h: what the benchmark programs share.
 *
 * A workload is a fixed, named way of reading a test file. Peers are the ways of
 * doing it that are compared: bare pread loops, the runtime's queue on one of its
 * backends, fio, memcpy. A comparison runs all peers in turn, several rounds of it,
 * so that whatever else the machine does hits all of them alike, and prints one
 * line of key=value pairs for each.
 */
#ifndef DS_BENCH_H
#define DS_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "ds_runtime.h"

#define BENCH_NSEC_PER_SEC  UINT64_C(1000000000)
#define BENCH_MAX_THREADS   64u
#define BENCH_MAX_PEERS	    32u
#define BENCH_MAX_ROUNDS    99u
#define BENCH_MAX_AGAINST   3
#define BENCH_HALF_NBYTES   (4u << 20)
#define BENCH_HIST_SUB_BITS 6u
#define BENCH_HIST_BUCKETS  (64u << BENCH_HIST_SUB_BITS)

static inline uint64_t bench_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * BENCH_NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* User and system time of all threads of this process so far. */
uint64_t bench_cpu_ns(void);
unsigned bench_cpu_count(void);

/* Prints "what: why" to stderr and exits with 1: a benchmark has nothing to recover. */
_Noreturn void bench_die(const char *what, const char *why);

/* ------------------------------------------------------------- histograms */

/* Buckets of 1.6 percent. One per thread, merged afterwards. */
struct bench_hist {
	uint64_t count;
	uint64_t max;
	uint32_t buckets[BENCH_HIST_BUCKETS];
};

void bench_hist_add(struct bench_hist *h, uint64_t value);
void bench_hist_merge(struct bench_hist *into, const struct bench_hist *from);
uint64_t bench_hist_percentile(const struct bench_hist *h, double percent);

double bench_median(double *values, unsigned count); /* sorts them */

/* -------------------------------------------------------------- test file */

struct bench_file {
	char path[4096];
	int fd;	       /* through the page cache */
	int direct_fd; /* O_DIRECT, or -1 where the file system refuses it */
	uint64_t nbytes;
};

/*
 * Opens path, or for NULL a file of nbytes in the cache folder, made when missing. The made
 * file's bytes follow from their offsets, so that what was read can be checked.
 */
void bench_file_open(struct bench_file *f, const char *path, uint64_t nbytes);
void bench_file_close(struct bench_file *f);
void bench_file_warm(const struct bench_file *f);      /* all of it into the page cache */
void bench_file_drop(const struct bench_file *f);      /* all of it out of the page cache */
void bench_file_warm_half(const struct bench_file *f); /* every other 4 MiB */
double bench_file_cached_share(const struct bench_file *f);

/* ${XDG_CACHE_HOME:-~/.cache}/ds-runtime-bench, made when missing; at most nbytes characters. */
void bench_cache_dir(char *buf, size_t nbytes);

/* -------------------------------------------------------------- workloads */

enum bench_cache {
	BENCH_CACHED, /* buffered, everything in the page cache */
	BENCH_DIRECT, /* O_DIRECT */
	BENCH_COLD,   /* buffered, page cache dropped before each run, no byte read twice */
	BENCH_HALF,   /* every other 4 MiB cached before each run, no byte read twice */
};

/* What the feeder of a queue does. */
enum bench_mode {
	BENCH_STREAM,  /* keep `depth` reads outstanding */
	BENCH_BATCHED, /* hand over `depth` reads, wait for all of them, again */
	BENCH_CANCEL,  /* stream, and cancel the oldest again and again; latency is the cancel's */
};

struct bench_workload {
	const char *name;
	uint64_t nbytes; /* of one read */
	bool is_random;
	enum bench_cache cache;
	unsigned depth; /* reads outstanding, each with a buffer of its own */
	enum bench_mode mode;
	const char *extra; /* more key=value pairs for its lines, or NULL */
};

/* What one run gave. */
struct bench_run {
	uint64_t nr_reads;
	uint64_t nbytes;
	uint64_t wall_ns;
	uint64_t cpu_ns;
	uint64_t feed_ns; /* time that a queue's caller spent in enqueue and submit */
	double p50_ns;
	double p99_ns;
	double max_ns;
	bool is_missing; /* this peer cannot do this workload here */
};

struct bench_env {
	struct bench_file file;
	uint64_t run_ns;
	unsigned rounds;
	uint8_t *arena; /* the destination buffers of all peers */
	size_t arena_nbytes;
	bool has_small_pages; /* the buffers lie in ordinary pages, not in huge ones */
	/* Brings the files into the page cache, or out of it; before each cold run too. */
	void (*prepare)(const struct bench_env *env, enum bench_cache cache);
	void *program; /* the benchmark program's own */
};

struct bench_peer {
	const char *backend; /* "bare", "memcpy", "fio-psync", or a backend's name */
	unsigned threads;
	int against[BENCH_MAX_AGAINST]; /* indices of the peers it is measured by, or -1 */
	const char *codec;		/* NULL: none */
	const char *variant;		/* NULL: as usual; see README.md */
	void (*run)(const struct bench_env *env, const struct bench_workload *w,
		    const struct bench_peer *peer, uint64_t seed, struct bench_run *out);
};

/* Where read number `index` of a run begins. */
uint64_t bench_offset(const struct bench_env *env, const struct bench_workload *w, uint64_t seed,
		      uint64_t index);
/* How many reads a run may do; UINT64_MAX: as many as it has time for. */
uint64_t bench_read_limit(const struct bench_env *env, const struct bench_workload *w);
/* The buffer of slot i; there are max(depth, threads) of them. */
uint8_t *bench_buffer(const struct bench_env *env, const struct bench_workload *w, unsigned slot);
/* Dies unless the buffer holds the file's bytes at offset (made files only). */
void bench_check_buffer(const struct bench_env *env, const uint8_t *buf, uint64_t nbytes,
			uint64_t offset);
void bench_run_finish(struct bench_run *out, const struct bench_hist *h);

/* Runs all peers in turn, env->rounds times, and prints their lines. */
void bench_compare(const struct bench_env *env, const struct bench_workload *w,
		   const struct bench_peer *peers, unsigned nr_peers);

/* ------------------------------------------------------------------ peers */

void bench_bare_run(const struct bench_env *env, const struct bench_workload *w,
		    const struct bench_peer *peer, uint64_t seed, struct bench_run *out);
void bench_memcpy_run(const struct bench_env *env, const struct bench_workload *w,
		      const struct bench_peer *peer, uint64_t seed, struct bench_run *out);
void bench_queue_run(const struct bench_env *env, const struct bench_workload *w,
		     const struct bench_peer *peer, uint64_t seed, struct bench_run *out);
void bench_fio_run(const struct bench_env *env, const struct bench_workload *w,
		   const struct bench_peer *peer, uint64_t seed, struct bench_run *out);
bool bench_have_fio(void);

/* --------------------------------------------------------------- backends */

struct bench_backend {
	const char *name;
	ds_result (*make)(const struct ds_backend_config *cfg, struct ds_backend **out);
	ds_result (*is_available)(char *why, size_t nbytes); /* NULL: always */
	const char *fio_engine;				     /* what fio calls the same mechanism */
	bool has_registered_memory;
};

/* The table's end has no name. */
extern const struct bench_backend bench_backends[];

const struct bench_backend *bench_backend_find(const char *name); /* dies if unknown */
bool bench_backend_is_available(const struct bench_backend *b);	  /* says on stderr why not */
struct ds_backend *bench_backend_make(const char *name, unsigned io_workers);
unsigned bench_backend_default_workers(const char *name);

#endif /* DS_BENCH_H */
