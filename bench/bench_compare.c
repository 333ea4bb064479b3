/* SPDX-License-Identifier: MIT */
/*
 * bench_compare.c: runs the peers of a workload in turn and prints their lines.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

static double per_second(double amount, const struct bench_run *r)
{
	return r->wall_ns ? amount * 1e9 / (double)r->wall_ns : 0;
}

static double iops_of(const struct bench_run *r)
{
	return per_second((double)r->nr_reads, r);
}

static double gbps_of(const struct bench_run *r)
{
	return per_second((double)r->nbytes, r) / 1e9;
}

static double per_read(uint64_t ns, const struct bench_run *r)
{
	return r->nr_reads ? (double)ns / (double)r->nr_reads : 0;
}

static double ns_per_read_of(const struct bench_run *r)
{
	return per_read(r->wall_ns, r);
}

static double cpu_ns_of(const struct bench_run *r)
{
	return per_read(r->cpu_ns, r);
}

static double feed_ns_of(const struct bench_run *r)
{
	return per_read(r->feed_ns, r);
}

static double cpu_s_per_gb_of(const struct bench_run *r)
{
	return r->nbytes ? (double)r->cpu_ns / (double)r->nbytes : 0;
}

static double p50_us_of(const struct bench_run *r)
{
	return r->p50_ns / 1e3;
}

static double p99_us_of(const struct bench_run *r)
{
	return r->p99_ns / 1e3;
}

static double max_us_of(const struct bench_run *r)
{
	return r->max_ns / 1e3;
}

static double median_of(const struct bench_run *runs, unsigned rounds,
			double (*get)(const struct bench_run *))
{
	double v[BENCH_MAX_ROUNDS];

	for (unsigned i = 0; i < rounds; i++)
		v[i] = get(&runs[i]);
	return bench_median(v, rounds);
}

/* Of runs that followed one another, so that both sides met the same noise. */
static double ratio_of(const struct bench_run *mine, const struct bench_run *peer, unsigned rounds,
		       double (*get)(const struct bench_run *))
{
	double v[BENCH_MAX_ROUNDS];

	for (unsigned i = 0; i < rounds; i++)
		v[i] = get(&peer[i]) > 0 ? get(&mine[i]) / get(&peer[i]) : 0;
	return bench_median(v, rounds);
}

static void print_range(const struct bench_run *runs, unsigned rounds)
{
	double low = gbps_of(&runs[0]), high = low;

	for (unsigned i = 1; i < rounds; i++) {
		double v = gbps_of(&runs[i]);

		low = v < low ? v : low;
		high = v > high ? v : high;
	}
	printf(" gbps_min=%.4f gbps_max=%.4f", low, high);
}

static void print_latency(const struct bench_run *runs, unsigned rounds)
{
	if (runs[0].max_ns > 0) /* else this peer has no requests to time */
		printf(" p50_us=%.2f p99_us=%.2f max_us=%.1f", median_of(runs, rounds, p50_us_of),
		       median_of(runs, rounds, p99_us_of), median_of(runs, rounds, max_us_of));
}

static void print_peer_name(const struct bench_peer *p)
{
	printf("%s%s%s-%u", p->backend, p->variant ? "+" : "", p->variant ? p->variant : "",
	       p->threads);
}

/* The first peer's keys have no number, the others' end in 2 and 3. */
static void print_against(int nr, const struct bench_peer *other, const struct bench_run *mine,
			  const struct bench_run *theirs, unsigned rounds)
{
	char suffix[2] = { nr ? (char)('1' + nr) : 0, 0 };

	printf(" peer%s=", suffix);
	print_peer_name(other);
	printf(" ratio_to_peer%s=%.3f", suffix, ratio_of(mine, theirs, rounds, iops_of));
	printf(" cpu_ratio_to_peer%s=%.3f", suffix,
	       ratio_of(mine, theirs, rounds, cpu_s_per_gb_of));
	printf(" cpu_ns_over_peer%s=%.0f", suffix,
	       median_of(mine, rounds, cpu_ns_of) - median_of(theirs, rounds, cpu_ns_of));
}

static void print_line(const struct bench_env *env, const struct bench_workload *w,
		       const struct bench_peer *p, const struct bench_run *runs)
{
	static const char *const cache_names[] = { "cached", "direct", "cold", "half" };
	unsigned n = env->rounds;

	printf("workload=%s backend=%s nbytes=%llu order=%s cache=%s threads=%u depth=%u rounds=%u",
	       w->name, p->backend, (unsigned long long)w->nbytes, w->is_random ? "random" : "seq",
	       cache_names[w->cache], p->threads, w->depth, n);
	printf(" gbps=%.4f", median_of(runs, n, gbps_of));
	print_range(runs, n);
	if (env->arena)
		printf(" pages=%s", env->has_small_pages ? "small" : "huge");
	printf(" variant=%s", p->variant ? p->variant : "none");
	printf(" codec=%s%s%s", p->codec ? p->codec : "none", w->extra ? " " : "",
	       w->extra ? w->extra : "");
	printf(" iops=%.1f", median_of(runs, n, iops_of));
	print_latency(runs, n);
	printf(" cpu_s_per_gb=%.4f ns_per_req=%.0f cpu_ns_per_req=%.0f feed_ns_per_req=%.0f",
	       median_of(runs, n, cpu_s_per_gb_of), median_of(runs, n, ns_per_read_of),
	       median_of(runs, n, cpu_ns_of), median_of(runs, n, feed_ns_of));
}

static void run_rounds(const struct bench_env *env, const struct bench_workload *w,
		       const struct bench_peer *peers, unsigned nr_peers,
		       struct bench_run (*runs)[BENCH_MAX_ROUNDS])
{
	for (unsigned round = 0; round < env->rounds; round++) {
		for (unsigned i = 0; i < nr_peers; i++) {
			/* Each run reads other places: what the host of a virtual disk keeps in
			 * memory must not favour whoever comes second. */
			uint64_t seed = (uint64_t)(round * nr_peers + i) * 7919 + 17;

			if (w->cache == BENCH_COLD || w->cache == BENCH_HALF)
				env->prepare(env, w->cache);
			peers[i].run(env, w, &peers[i], seed, &runs[i][round]);
		}
	}
}

void bench_compare(const struct bench_env *env, const struct bench_workload *w,
		   const struct bench_peer *peers, unsigned nr_peers)
{
	struct bench_run(*runs)[BENCH_MAX_ROUNDS] = calloc(nr_peers, sizeof(*runs));

	if (!runs)
		bench_die(w->name, "no memory");
	env->prepare(env, w->cache);
	run_rounds(env, w, peers, nr_peers, runs);
	for (unsigned i = 0; i < nr_peers; i++) {
		if (runs[i][0].is_missing)
			continue;
		print_line(env, w, &peers[i], runs[i]);
		for (int k = 0; k < BENCH_MAX_AGAINST; k++) {
			int other = peers[i].against[k];

			if (other >= 0 && !runs[other][0].is_missing)
				print_against(k, &peers[other], runs[i], runs[other], env->rounds);
		}
		printf("\n");
		fflush(stdout);
	}
	free(runs);
}
