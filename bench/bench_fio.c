/* SPDX-License-Identifier: MIT */
/*
 * bench_fio.c: fio as a peer, run as a program with the same file, size, order and
 * number of reads outstanding; its JSON report is searched for the few figures needed.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define REPORT_NBYTES (1u << 20)

bool bench_have_fio(void)
{
	return system("command -v fio >/dev/null 2>&1") == 0;
}

/* The number behind "key" : at or after *at; the search moves on to it. */
static double number_after(const char **at, const char *key)
{
	char quoted[64];
	const char *p;

	snprintf(quoted, sizeof(quoted), "\"%s\"", key);
	p = *at ? strstr(*at, quoted) : NULL;
	if (p)
		p = strchr(p, ':');
	if (!p)
		bench_die("fio", "its report lacks a figure");
	*at = p;
	return strtod(p + 1, NULL);
}

static void parse_report(const char *report, struct bench_run *out)
{
	const char *at = strstr(report, "\"read\" :");
	double thread_ms;

	out->nbytes = (uint64_t)number_after(&at, "io_bytes");
	out->wall_ns = (uint64_t)(number_after(&at, "runtime") * 1e6);
	out->nr_reads = (uint64_t)number_after(&at, "total_ios");
	at = strstr(at, "\"clat_ns\"");
	out->max_ns = number_after(&at, "max");
	out->p50_ns = number_after(&at, "50.000000");
	out->p99_ns = number_after(&at, "99.000000");
	thread_ms = number_after(&at, "job_runtime"); /* summed over its threads */
	out->cpu_ns = (uint64_t)(number_after(&at, "usr_cpu") / 100 * thread_ms * 1e6);
	out->cpu_ns += (uint64_t)(number_after(&at, "sys_cpu") / 100 * thread_ms * 1e6);
}

/* Sequential jobs get a part of the file each: fio would start all of them at its beginning. */
static void make_range(char *buf, size_t nbytes, const struct bench_env *env,
		       const struct bench_workload *w, const struct bench_peer *peer)
{
	unsigned long long part = env->file.nbytes / peer->threads / w->nbytes * w->nbytes;

	buf[0] = 0;
	if (!w->is_random)
		snprintf(buf, nbytes, "--size=%llu --offset_increment=%llu", part, part);
}

static void make_command(char *buf, size_t nbytes, const struct bench_env *env,
			 const struct bench_workload *w, const struct bench_peer *peer)
{
	bool is_sync = !strcmp(peer->backend, "fio-psync");
	unsigned depth = is_sync ? 1 : w->depth / peer->threads;
	char range[96];
	int n;

	make_range(range, sizeof(range), env, w, peer);
	n = snprintf(buf, nbytes,
		     "GLIBC_TUNABLES=glibc.malloc.hugetlb=%d fio --name=bench --filename='%s' "
		     "--readonly --rw=%s --bs=%llu --direct=%d "
		     "--ioengine=%s --iodepth=%u --numjobs=%u --thread --group_reporting "
		     "--runtime=%llums %s %s --invalidate=0 --fadvise_hint=0 --norandommap=1 "
		     "--randrepeat=0 "
		     "--output-format=json 2>/dev/null",
		     !env->has_small_pages, env->file.path, w->is_random ? "randread" : "read",
		     (unsigned long long)w->nbytes, w->cache == BENCH_DIRECT, peer->backend + 4,
		     depth ? depth : 1, peer->threads, (unsigned long long)(env->run_ns / 1000000),
		     w->cache == BENCH_COLD ? "" : "--time_based", range);
	if (n < 0 || (size_t)n >= nbytes)
		bench_die("fio", "command too long");
}

void bench_fio_run(const struct bench_env *env, const struct bench_workload *w,
		   const struct bench_peer *peer, uint64_t seed, struct bench_run *out)
{
	char *report = calloc(1, REPORT_NBYTES);
	char command[8192];
	FILE *pipe;

	(void)seed; /* fio draws its own */
	make_command(command, sizeof(command), env, w, peer);
	pipe = report ? popen(command, "r") : NULL;
	if (!pipe)
		bench_die("fio", "cannot run it");
	report[fread(report, 1, REPORT_NBYTES - 1, pipe)] = 0;
	out->is_missing = pclose(pipe) != 0;
	if (!out->is_missing)
		parse_report(report, out);
	free(report);
}
