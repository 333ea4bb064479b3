/* SPDX-License-Identifier: MIT */
/*
 * bench_report.c: what "dstool bench io" prints: a table for each workload as soon as it is
 * measured, or JSON.
 */
#include <inttypes.h>
#include <stdio.h>

#include "bench_io.h"
#include "tool.h"

static const char *const cache_names[] = { "cached", "direct", "half-cached" };

/* ------------------------------------------------------------------- text */

static void print_heading(const struct bench_table *t)
{
	const struct bench_workload *w = t->workload;
	bool is_half = w->cache == BENCH_HALF;

	printf("\n%s: %" PRIu64 " KiB, %s, %s, %" PRIu32 " outstanding%s\n", w->name,
	       w->nbytes / 1024, w->is_random ? "random" : "sequential", cache_names[w->cache],
	       w->depth, w->is_cancel ? "; the latency is that of strong cancels" : "");
	if (!w->is_cancel)
		printf("%79s | %-15s | %s\n", "", is_half ? "by direct on" : "by cpu, 4 w.",
		       is_half ? "by direct off" : "by cpu");
	printf("  %-24s%8s%9s%9s%9s%9s%9s", "", "MB/s", "IOPS", "p50 us", "p99 us", "max us",
	       "CPU s/GB");
	puts(w->is_cancel ? "" : " |  speed     CPU |  speed     CPU");
}

static void print_ratio(const struct bench_ratio *r)
{
	if (r->peer)
		printf(" | %5.2fx %6.2fx", r->speed, r->cpu);
	else
		printf(" | %6s %7s", "", "");
}

static void print_line(const struct bench_workload *w, const struct bench_line *line)
{
	char name[64];

	snprintf(name, sizeof(name), "%s (%" PRIu32 ")", line->contestant->name, line->nr_workers);
	if (*line->missing) {
		printf("  %-24s %s\n", name, line->missing);
		return;
	}
	printf("  %-24s%8.0f%9.0f%9.1f%9.1f%9.1f%9.3f", name, line->bytes_per_s / 1e6, line->iops,
	       line->p50_us, line->p99_us, line->max_us, line->cpu_s_per_gb);
	for (size_t i = 0; i < BENCH_NR_PEERS && !w->is_cancel; i++)
		print_ratio(&line->ratios[i]);
	putchar('\n');
}

static void print_table(const struct bench_table *t)
{
	print_heading(t);
	for (size_t i = 0; i < t->nr_lines; i++)
		print_line(t->workload, &t->lines[i]);
	fflush(stdout);
}

/* ------------------------------------------------------------------- JSON */

static void json_ratios(struct json *j, const struct bench_line *line)
{
	json_begin_array(j, "ratios");
	for (size_t i = 0; i < BENCH_NR_PEERS; i++) {
		const struct bench_ratio *r = &line->ratios[i];

		if (!r->peer)
			continue;
		json_begin_object(j, NULL);
		json_string(j, "to", r->peer);
		json_real(j, "speed", r->speed);
		json_real(j, "cpu_saved", r->cpu);
		json_end_object(j);
	}
	json_end_array(j);
}

static void json_line(struct json *j, const struct bench_workload *w, const struct bench_line *line)
{
	json_begin_object(j, NULL);
	json_string(j, "name", line->contestant->name);
	json_string(j, "backend", line->contestant->backend);
	json_number(j, "io_workers", line->nr_workers);
	json_string(j, "missing", *line->missing ? line->missing : NULL);
	if (!*line->missing) {
		json_real(j, "bytes_per_s", line->bytes_per_s);
		json_real(j, "iops", line->iops);
		json_real(j, "latency_p50_us", line->p50_us);
		json_real(j, "latency_p99_us", line->p99_us);
		json_real(j, "latency_max_us", line->max_us);
		json_real(j, "cpu_s_per_gb", line->cpu_s_per_gb);
		if (w->is_cancel)
			json_number(j, "cancels", line->nr_cancelled);
		json_ratios(j, line);
	}
	json_end_object(j);
}

static void json_table(struct json *j, const struct bench_table *t)
{
	const struct bench_workload *w = t->workload;

	json_begin_object(j, NULL);
	json_string(j, "name", w->name);
	json_number(j, "request_bytes", w->nbytes);
	json_string(j, "order", w->is_random ? "random" : "sequential");
	json_string(j, "cache", cache_names[w->cache]);
	json_number(j, "outstanding", w->depth);
	json_string(j, "latency_of", w->is_cancel ? "cancel" : "read");
	json_begin_array(j, "contestants");
	for (size_t i = 0; i < t->nr_lines; i++)
		json_line(j, w, &t->lines[i]);
	json_end_array(j);
	json_end_object(j);
}

static void json_head(struct json *j, const struct bench_options *o, const struct bench_file *f,
		      const char *left_out)
{
	json_begin_object(j, NULL);
	json_string(j, "file", o->path);
	json_number(j, "file_bytes", f->nbytes);
	json_number(j, "rounds", o->nr_rounds);
	json_real(j, "seconds", (double)o->run_ns / 1e9);
	json_number(j, "cpus", tool_nr_cpus());
	json_string(j, "left_out", left_out);
	json_begin_array(j, "workloads");
}

/* ------------------------------------------------------------------- both */

void bench_report_begin(struct bench_report *r, const struct bench_options *o,
			const struct bench_file *f, const char *left_out)
{
	char text[TOOL_BYTES_ROOM];

	*r = (struct bench_report){ .is_json = o->json, .json = { .to = stdout } };
	if (left_out)
		tool_note("%s; left out", left_out);
	if (o->json) {
		json_head(&r->json, o, f, left_out);
		return;
	}
	printf("file of %s%s%s, %u CPUs; medians of %" PRIu64 " rounds of %g s\n"
	       "In brackets: I/O workers. At the right, measured by others: speed divided by "
	       "theirs,\n"
	       "and their CPU time per byte divided by this one's; above 1 is better than they.\n",
	       tool_format_bytes(f->nbytes, text, sizeof(text)), o->path ? ", " : "",
	       o->path ? o->path : "", tool_nr_cpus(), o->nr_rounds, (double)o->run_ns / 1e9);
	fflush(stdout);
}

void bench_report_table(struct bench_report *r, const struct bench_table *t)
{
	if (r->is_json)
		json_table(&r->json, t);
	else
		print_table(t);
}

void bench_report_end(struct bench_report *r)
{
	if (!r->is_json)
		return;
	json_end_array(&r->json);
	json_end_object(&r->json);
}
