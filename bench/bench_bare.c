/* SPDX-License-Identifier: MIT */
/*
 * bench_bare.c: the peers without any runtime: threads that call pread in a loop,
 * and threads that only copy memory, which is the limit of every cached read.
 */
#include "bench.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A clock read costs as much as a twentieth of a small cached read, so only every 16th is timed. */
#define SMALL_READ_NBYTES 65536u
#define SMALL_READ_SAMPLE 16u

/* memcpy's source: more than the caches of most machines hold. */
#define MEMCPY_SOURCE_NBYTES (512u << 20)

struct bare_job {
	const struct bench_env *env;
	const struct bench_workload *w;
	uint64_t seed;
	unsigned nr_threads;
	unsigned sample;
	int fd;
	const uint8_t *memory; /* memcpy: the source */
	pthread_barrier_t start;
	uint64_t deadline_ns;	   /* set before the barrier opens */
	_Atomic uint64_t next_seq; /* sequential reads: the next one for whoever comes */
};

struct bare_thread {
	pthread_t handle;
	struct bare_job *job;
	unsigned index;
	uint64_t nr_reads;
	struct bench_hist hist;
};

/* Random reads are dealt out by thread, so that no counter is shared. */
static uint64_t next_index(struct bare_thread *t)
{
	if (!t->job->w->is_random)
		return atomic_fetch_add_explicit(&t->job->next_seq, 1, memory_order_relaxed);
	return t->index + t->nr_reads * t->job->nr_threads;
}

static void read_once(const struct bare_job *job, uint8_t *buf, uint64_t offset)
{
	uint64_t nbytes = job->w->nbytes;
	ssize_t n;

	if (job->memory) {
		memcpy(buf, job->memory + offset % MEMCPY_SOURCE_NBYTES, nbytes);
		return;
	}
	do
		n = pread(job->fd, buf, nbytes, (off_t)offset);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)nbytes)
		bench_die(job->env->file.path, n < 0 ? strerror(errno) : "short read");
}

/* The same number of buffers as a queue would have outstanding, dealt out among the threads. */
static unsigned buffer_slot(const struct bare_thread *t)
{
	const struct bare_job *job = t->job;
	unsigned own = job->w->depth / job->nr_threads;

	if (own < 1)
		own = 1;
	return t->index * own + (unsigned)(t->nr_reads % own);
}

static void *bare_main(void *arg)
{
	struct bare_thread *t = arg;
	struct bare_job *job = t->job;
	uint64_t limit = bench_read_limit(job->env, job->w);
	uint64_t begin = 0, now = 0, offset = 0, index;
	uint8_t *buf = NULL;

	pthread_barrier_wait(&job->start);
	while ((index = next_index(t)) < limit) {
		bool is_timed = !(t->nr_reads % job->sample);

		offset = bench_offset(job->env, job->w, job->seed, index);
		buf = bench_buffer(job->env, job->w, buffer_slot(t));
		if (is_timed)
			begin = bench_now_ns();
		read_once(job, buf, offset);
		t->nr_reads++;
		if (!is_timed)
			continue;
		now = bench_now_ns();
		bench_hist_add(&t->hist, now - begin);
		if (now >= job->deadline_ns)
			break;
	}
	if (buf && !job->memory)
		bench_check_buffer(job->env, buf, job->w->nbytes, offset);
	return NULL;
}

static void run_threads(struct bare_job *job, struct bare_thread *threads, struct bench_run *out)
{
	uint64_t cpu, begin;

	pthread_barrier_init(&job->start, NULL, job->nr_threads + 1);
	for (unsigned i = 0; i < job->nr_threads; i++) {
		threads[i].job = job;
		threads[i].index = i;
		if (pthread_create(&threads[i].handle, NULL, bare_main, &threads[i]))
			bench_die("bare", "cannot start a thread");
	}
	cpu = bench_cpu_ns();
	begin = bench_now_ns();
	job->deadline_ns = begin + job->env->run_ns;
	pthread_barrier_wait(&job->start);
	for (unsigned i = 0; i < job->nr_threads; i++)
		pthread_join(threads[i].handle, NULL);
	out->wall_ns = bench_now_ns() - begin;
	out->cpu_ns = bench_cpu_ns() - cpu;
	pthread_barrier_destroy(&job->start);
}

static void run_job(struct bare_job *job, const struct bench_peer *peer, struct bench_run *out)
{
	struct bare_thread *threads = calloc(peer->threads, sizeof(*threads));
	bool is_small = job->w->nbytes <= SMALL_READ_NBYTES && job->w->cache == BENCH_CACHED;

	if (!threads)
		bench_die("bare", "no memory");
	job->nr_threads = peer->threads;
	job->sample = is_small && job->w->depth > 1 ? SMALL_READ_SAMPLE : 1;
	atomic_init(&job->next_seq,
		    bench_read_limit(job->env, job->w) == UINT64_MAX ? job->seed : 0);
	run_threads(job, threads, out);
	for (unsigned i = 0; i < peer->threads; i++) {
		out->nr_reads += threads[i].nr_reads;
		if (i)
			bench_hist_merge(&threads[0].hist, &threads[i].hist);
	}
	out->nbytes = out->nr_reads * job->w->nbytes;
	bench_run_finish(out, &threads[0].hist);
	free(threads);
}

void bench_bare_run(const struct bench_env *env, const struct bench_workload *w,
		    const struct bench_peer *peer, uint64_t seed, struct bench_run *out)
{
	bool is_direct = w->cache == BENCH_DIRECT;
	struct bare_job job = {
		.env = env,
		.w = w,
		.seed = seed,
		.fd = is_direct ? env->file.direct_fd : env->file.fd,
	};

	out->is_missing = job.fd < 0;
	if (!out->is_missing)
		run_job(&job, peer, out);
}

void bench_memcpy_run(const struct bench_env *env, const struct bench_workload *w,
		      const struct bench_peer *peer, uint64_t seed, struct bench_run *out)
{
	uint8_t *source = malloc(MEMCPY_SOURCE_NBYTES);
	struct bare_job job = { .env = env, .w = w, .seed = seed, .memory = source };

	if (!source)
		bench_die("memcpy", "no memory");
	memset(source, 1, MEMCPY_SOURCE_NBYTES);
	run_job(&job, peer, out);
	free(source);
}
