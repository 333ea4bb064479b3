/* SPDX-License-Identifier: MIT */
/*
 * load_report.c: what "dstool load" prints at the end.
 */
#include <inttypes.h>
#include <stdio.h>

#include "json.h"
#include "load.h"
#include "tool.h"

static const struct {
	uint32_t path;
	const char *name;	 /* in JSON */
	const char *description; /* for people */
} paths[] = {
	{ DS_PATH_BUFFERED, "buffered", "page cache straight to the destination" },
	{ DS_PATH_DIRECT, "direct", "O_DIRECT straight to the destination" },
	{ DS_PATH_BUFFERED_STAGED, "buffered_staged", "page cache through staging memory" },
	{ DS_PATH_DIRECT_STAGED, "direct_staged", "O_DIRECT through staging memory" },
	{ DS_PATH_MEMORY, "memory", "from memory" },
};
#define NR_PATHS (sizeof(paths) / sizeof(paths[0]))

/* What both forms of the report show. */
struct figures {
	struct ds_stats queue;
	struct ds_stats backend;
	double seconds;
	double gb_per_s;
	double cpu_s_per_gb;
};

static double per(double value, double unit)
{
	return unit > 0 ? value / unit : 0;
}

static void collect(struct load *l, struct figures *f)
{
	double gb;

	f->queue = (struct ds_stats)DS_STATS_INIT;
	f->backend = (struct ds_stats)DS_STATS_INIT;
	ds_queue_get_stats(l->queue, &f->queue);
	ds_backend_get_stats(l->backend, &f->backend);
	gb = (double)f->queue.bytes_delivered / 1e9;
	f->seconds = (double)l->result.elapsed_ns / 1e9;
	f->gb_per_s = per(gb, f->seconds);
	f->cpu_s_per_gb = per((double)l->result.cpu_ns / 1e9, gb);
}

/* True only if every byte that was asked for was delivered and compared. */
static bool is_all_verified(const struct load *l)
{
	return l->options.verify && !l->has_failed && !l->result.was_interrupted;
}

/* ------------------------------------------------------------------- text */

static void print_paths(const struct ds_stats *s)
{
	char text[TOOL_BYTES_ROOM];

	for (size_t i = 0; i < NR_PATHS; i++) {
		uint32_t p = paths[i].path;

		if (s->path_requests[p] == 0)
			continue;
		printf("  path            %s in %" PRIu64 " requests: %s\n",
		       tool_format_bytes(s->path_bytes[p], text, sizeof(text)), s->path_requests[p],
		       paths[i].description);
	}
}

/* What the engine did, where there is more to say than how often. */
static void print_engine(const struct ds_stats *s)
{
	printf("  operations      %" PRIu64 " of the engine: %" PRIu64
	       " into registered memory, %" PRIu64 " on registered files\n",
	       s->io_operations, s->io_fixed_buffers, s->io_fixed_files);
	if (s->direct_refused)
		printf("  direct refused  %" PRIu64
		       " operations went through the page cache instead\n",
		       s->direct_refused);
	if (s->io_retries)
		printf("  retries         %" PRIu64
		       " operations were short or interrupted, and went again\n",
		       s->io_retries);
}

static void print_verified(const struct load *l)
{
	const struct load_result *r = &l->result;
	char text[TOOL_BYTES_ROOM];

	if (!l->options.verify) {
		puts("  verified        no (--verify does)");
		return;
	}
	printf("  verified        %s: %s in %" PRIu64 " requests are right, %" PRIu64
	       " are wrong; took %.3f of the seconds\n",
	       is_all_verified(l) ? "yes" : "NOT ALL",
	       tool_format_bytes(r->verified_nbytes, text, sizeof(text)), r->nr_verified,
	       r->nr_different, (double)r->verify_ns / 1e9);
}

static void print_counts(const struct load *l, const struct ds_stats *q)
{
	printf("  files           %zu", l->walk.nr_files);
	if (l->walk.nr_skipped)
		printf(" (%" PRIu64 " other things skipped)", l->walk.nr_skipped);
	printf("\n  requests        %" PRIu64 ": %" PRIu64 " complete, %" PRIu64 " failed, %" PRIu64
	       " cancelled\n",
	       q->requests_enqueued, q->requests_completed, q->requests_failed,
	       q->requests_cancelled);
	if (l->nr_failures)
		printf("  failures        %zu, each named above\n", l->nr_failures);
	if (l->result.was_interrupted)
		puts("  interrupted     yes");
}

static void print_text(const struct load *l, const struct figures *f)
{
	const struct ds_stats *q = &f->queue;
	char text[TOOL_BYTES_ROOM];
	char text2[TOOL_BYTES_ROOM];

	printf("backend %s, %" PRIu32 " threads that read, %" PRIu32
	       " that decode, queue depth %" PRIu64 ", direct I/O %s\n",
	       ds_backend_name(l->backend), f->backend.io_workers, f->backend.decode_workers,
	       l->options.queue_depth, l->options.direct);
	if (*l->fell_back)
		printf("  instead of      %s\n", l->fell_back);
	print_counts(l, q);
	printf("  bytes read      %" PRIu64 " (%s)\n", q->bytes_read,
	       tool_format_bytes(q->bytes_read, text, sizeof(text)));
	printf("  bytes delivered %" PRIu64 " (%s), %" PRIu64 " of them decompressed\n",
	       q->bytes_delivered, tool_format_bytes(q->bytes_delivered, text, sizeof(text)),
	       q->bytes_decoded);
	if (q->bytes_device_decoded)
		printf("  by the device   %s of them\n",
		       tool_format_bytes(q->bytes_device_decoded, text, sizeof(text)));
	printf("  seconds         %.3f%s\n", f->seconds,
	       l->options.verify ? " (verifying included)" : "");
	printf("  speed           %.3f GB/s delivered\n", f->gb_per_s);
	printf("  CPU             %.3f s per GB\n", f->cpu_s_per_gb);
	printf("  latency         p50 %.3f ms, p99 %.3f ms\n", (double)q->latency_p50_ns / 1e6,
	       (double)q->latency_p99_ns / 1e6);
	print_paths(q);
	print_engine(q);
	printf("  staging         %s at most, of %s\n",
	       tool_format_bytes(f->backend.staging_high_water, text, sizeof(text)),
	       tool_format_bytes(f->backend.staging_nbytes, text2, sizeof(text2)));
	print_verified(l);
}

/* ------------------------------------------------------------------- JSON */

static void json_paths(struct json *j, const struct ds_stats *s)
{
	json_begin_object(j, "paths");
	for (size_t i = 0; i < NR_PATHS; i++) {
		json_begin_object(j, paths[i].name);
		json_number(j, "requests", s->path_requests[paths[i].path]);
		json_number(j, "bytes", s->path_bytes[paths[i].path]);
		json_end_object(j);
	}
	json_end_object(j);
}

static void json_failures(struct json *j, const struct load *l)
{
	json_begin_array(j, "failures");
	for (size_t i = 0; i < l->nr_failures; i++) {
		json_begin_object(j, NULL);
		json_string(j, "path", l->failures[i].path);
		json_string(j, "why", l->failures[i].why);
		json_end_object(j);
	}
	json_end_array(j);
}

static void json_setting(struct json *j, const struct load *l, const struct figures *f)
{
	json_string(j, "backend", ds_backend_name(l->backend));
	json_string(j, "backend_asked", l->options.backend);
	json_string(j, "fell_back_because", *l->fell_back ? l->fell_back : NULL);
	json_number(j, "io_workers", f->backend.io_workers);
	json_number(j, "decode_workers", f->backend.decode_workers);
	json_number(j, "queue_depth", l->options.queue_depth);
	json_number(j, "memory_limit_bytes", l->options.memory_nbytes);
	json_string(j, "direct", l->options.direct);
}

static void json_figures(struct json *j, const struct load *l, const struct figures *f)
{
	const struct ds_stats *q = &f->queue;

	json_number(j, "files", l->walk.nr_files);
	json_number(j, "skipped", l->walk.nr_skipped);
	json_number(j, "requests", q->requests_enqueued);
	json_number(j, "completed", q->requests_completed);
	json_number(j, "failed", q->requests_failed);
	json_number(j, "cancelled", q->requests_cancelled);
	json_number(j, "bytes_read", q->bytes_read);
	json_number(j, "bytes_delivered", q->bytes_delivered);
	json_number(j, "bytes_decoded", q->bytes_decoded);
	json_number(j, "bytes_device_decoded", q->bytes_device_decoded);
	json_real(j, "seconds", f->seconds);
	json_real(j, "gb_per_s", f->gb_per_s);
	json_real(j, "cpu_s_per_gb", f->cpu_s_per_gb);
	json_number(j, "latency_p50_ns", q->latency_p50_ns);
	json_number(j, "latency_p99_ns", q->latency_p99_ns);
	json_number(j, "io_operations", q->io_operations);
	json_number(j, "io_retries", q->io_retries);
	json_number(j, "io_fixed_buffers", q->io_fixed_buffers);
	json_number(j, "io_fixed_files", q->io_fixed_files);
	json_number(j, "direct_refused", q->direct_refused);
	json_number(j, "staging_bytes", f->backend.staging_nbytes);
	json_number(j, "staging_high_water_bytes", f->backend.staging_high_water);
	json_number(j, "destination_high_water_bytes", l->buffers.high_water);
}

static void json_verification(struct json *j, const struct load *l)
{
	json_begin_object(j, "verification");
	json_bool(j, "asked", l->options.verify);
	json_bool(j, "all_right", is_all_verified(l));
	json_number(j, "requests_right", l->result.nr_verified);
	json_number(j, "requests_wrong", l->result.nr_different);
	json_number(j, "bytes_right", l->result.verified_nbytes);
	json_real(j, "seconds", (double)l->result.verify_ns / 1e9);
	json_end_object(j);
}

static void print_json(const struct load *l, const struct figures *f)
{
	struct json j = { .to = stdout };

	json_begin_object(&j, NULL);
	json_setting(&j, l, f);
	json_figures(&j, l, f);
	json_paths(&j, &f->queue);
	json_verification(&j, l);
	json_bool(&j, "interrupted", l->result.was_interrupted);
	json_failures(&j, l);
	json_end_object(&j);
}

void load_report(struct load *l)
{
	struct figures f;

	collect(l, &f);
	if (l->options.json)
		print_json(l, &f);
	else
		print_text(l, &f);
}
