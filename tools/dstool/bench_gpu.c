/* SPDX-License-Identifier: MIT */
/* bench_gpu.c: the workloads and contestants of "dstool bench gpu", and its report. */
#include "bench_gpu.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "tool.h"

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)

struct workload {
	const char *name;
	uint32_t codec;
	uint64_t part_nbytes; /* of one request, decompressed */
	bool is_cold;
};

static const struct workload workloads[] = {
	{ "raw-cached-64k", DS_CODEC_NONE, 64 * KIB, false },
	{ "raw-cached-1m", DS_CODEC_NONE, MIB, false },
	{ "raw-cached-4m", DS_CODEC_NONE, 4 * MIB, false },
	{ "raw-cached-16m", DS_CODEC_NONE, 16 * MIB, false },
	{ "raw-cold-4m", DS_CODEC_NONE, 4 * MIB, true },
	{ "gdeflate-cached-256k", DS_CODEC_GDEFLATE, 256 * KIB, false },
	{ "gdeflate-cached-4m", DS_CODEC_GDEFLATE, 4 * MIB, false },
	{ "gdeflate-cached-16m", DS_CODEC_GDEFLATE, 16 * MIB, false },
	{ "gdeflate-cold-4m", DS_CODEC_GDEFLATE, 4 * MIB, true },
};
#define NR_WORKLOADS (sizeof(workloads) / sizeof(workloads[0]))

static const struct gpu_contestant raw[] = {
	{ "host memory", "auto", { NULL, NULL, NULL } },
	{ "vulkan", "vulkan", { NULL, NULL, "auto" } },
	{ "vulkan, staged", "vulkan", { NULL, NULL, "staged" } },
	{ "vulkan, mapped staging", "vulkan", { NULL, NULL, "staged-mapped" } },
	{ "vulkan, mapped", "vulkan", { NULL, NULL, "mapped" } },
};
static const struct gpu_contestant compressed[] = {
	{ "host memory", "auto", { NULL, NULL, NULL } },
	{ "vulkan", "vulkan", { NULL, "auto", "auto" } },
	{ "vulkan, GPU decodes", "vulkan", { NULL, "gpu", "auto" } },
	{ "vulkan, CPU decodes", "vulkan", { NULL, "cpu", "auto" } },
};

/* Medians over the rounds. */
struct line {
	double gb_per_s, file_gb_per_s, cpu_s_per_gb, p50_ms, p99_ms;
	double host_copies, device_copies; /* of each byte that arrived */
	double device_share;		   /* of what was decoded */
	uint64_t staging_nbytes, device_nbytes;
};

struct bench {
	const struct gpu_options *o;
	struct gpu_source source;
	struct json json;
	struct gpu_run run;
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(const struct gpu_run *r, double (*of)(const struct gpu_figures *f))
{
	double v[GPU_MAX_ROUNDS];
	size_t nr = (size_t)r->options->nr_rounds;

	for (size_t i = 0; i < nr; i++)
		v[i] = of(&r->rounds[i]);
	qsort(v, nr, sizeof(v[0]), compare);
	return v[nr / 2];
}

static double per(double value, double unit)
{
	return unit > 0 ? value / unit : 0;
}

static double gb_per_s(const struct gpu_figures *f)
{
	return per((double)f->nbytes, (double)f->wall_ns);
}

static double cpu_s_per_gb(const struct gpu_figures *f)
{
	return per((double)f->cpu_ns, (double)f->nbytes);
}

static double p50_ms(const struct gpu_figures *f)
{
	return (double)f->p50_ns / 1e6;
}

static double p99_ms(const struct gpu_figures *f)
{
	return (double)f->p99_ns / 1e6;
}

static double host_copies(const struct gpu_figures *f)
{
	return per((double)f->host_copied, (double)f->nbytes);
}

static double device_copies(const struct gpu_figures *f)
{
	return per((double)f->device_copied, (double)f->nbytes);
}

static double device_share(const struct gpu_figures *f)
{
	return per((double)f->device_decoded, (double)f->decoded);
}

static double ratio_of(const struct gpu_data *d)
{
	uint64_t packed = 0;

	for (size_t i = 0; i < d->nr_parts; i++)
		packed += d->parts[i].src_nbytes;
	return per((double)d->dst_nbytes, (double)packed);
}

static struct line summarize(const struct gpu_run *r)
{
	const struct gpu_figures *last = &r->rounds[r->options->nr_rounds - 1];
	double speed = median(r, gb_per_s);

	return (struct line){
		.gb_per_s = speed,
		.file_gb_per_s = speed / ratio_of(r->data),
		.cpu_s_per_gb = median(r, cpu_s_per_gb),
		.p50_ms = median(r, p50_ms),
		.p99_ms = median(r, p99_ms),
		.host_copies = median(r, host_copies),
		.device_copies = median(r, device_copies),
		.device_share = median(r, device_share),
		.staging_nbytes = last->staging_nbytes,
		.device_nbytes = last->device_nbytes,
	};
}

/* ------------------------------------------------------------------ report */

static void report_head(struct bench *b)
{
	struct ds_vulkan_device_info info[8];
	uint32_t nr = 0;
	char why[BACKEND_WHY_NBYTES] = "";

	info[0].size = sizeof(info[0]);
	if (ds_vulkan_enumerate_devices(info, 8, &nr, why, sizeof(why)) != DS_OK)
		tool_note("no Vulkan: %s", why);
	b->json = (struct json){ .to = stdout };
	if (!b->o->json) {
		printf("%" PRIu64 " MiB from %s, compressed at level %" PRIu64
		       "; medians of %" PRIu64 " rounds of %g s; %u CPUs\n",
		       b->o->nbytes / MIB, b->o->data ? b->o->data : "made text and numbers",
		       b->o->level, b->o->nr_rounds, (double)b->o->run_ns / 1e9, tool_nr_cpus());
		for (uint32_t i = 0; i < nr && i < 8; i++)
			printf("device: %s\n", info[i].name);
		return;
	}
	json_begin_object(&b->json, NULL);
	json_number(&b->json, "bytes", b->o->nbytes);
	json_string(&b->json, "data", b->o->data);
	json_number(&b->json, "level", b->o->level);
	json_number(&b->json, "rounds", b->o->nr_rounds);
	json_real(&b->json, "seconds", (double)b->o->run_ns / 1e9);
	json_number(&b->json, "cpus", tool_nr_cpus());
	json_begin_array(&b->json, "devices");
	for (uint32_t i = 0; i < nr && i < 8; i++)
		json_string(&b->json, NULL, info[i].name);
	json_end_array(&b->json);
	json_begin_array(&b->json, "workloads");
}

static void report_workload(struct bench *b, const struct workload *w, const struct gpu_data *d)
{
	if (b->o->json) {
		json_begin_object(&b->json, NULL);
		json_string(&b->json, "name", w->name);
		json_number(&b->json, "request_bytes", w->part_nbytes);
		json_bool(&b->json, "is_cold", w->is_cold);
		json_real(&b->json, "ratio", ratio_of(d));
		json_begin_array(&b->json, "contestants");
		return;
	}
	printf("\n%s: ratio %.2f\n", w->name, ratio_of(d));
	printf("  %-24s%8s%9s%9s%9s%9s%8s%8s%6s%9s%9s  %s\n", "", "GB/s", "of file", "CPU s/GB",
	       "p50 ms", "p99 ms", "copies", "by GPU", "dec.", "staging", "device", "checksum");
}

static void report_line(const struct gpu_run *r, const struct line *l)
{
	char staging[TOOL_BYTES_ROOM], device[TOOL_BYTES_ROOM];

	if (*r->missing) {
		printf("  %-24s%s\n", r->contestant->name, r->missing);
		return;
	}
	printf("  %-24s%8.2f%9.2f%9.4f%9.3f%9.3f%8.2f%8.2f%5.0f%%%9s%9s  %016" PRIx64 "\n",
	       r->contestant->name, l->gb_per_s, l->file_gb_per_s, l->cpu_s_per_gb, l->p50_ms,
	       l->p99_ms, l->host_copies, l->device_copies, 100 * l->device_share,
	       tool_format_bytes(l->staging_nbytes, staging, sizeof(staging)),
	       tool_format_bytes(l->device_nbytes, device, sizeof(device)), r->checksum);
	fflush(stdout);
}

static void json_line(struct bench *b, const struct gpu_run *r, const struct line *l)
{
	struct json *j = &b->json;
	char sum[17];

	json_begin_object(j, NULL);
	json_string(j, "name", r->contestant->name);
	json_string(j, "missing", *r->missing ? r->missing : NULL);
	if (!*r->missing) {
		snprintf(sum, sizeof(sum), "%016" PRIx64, r->checksum);
		json_real(j, "gb_per_s", l->gb_per_s);
		json_real(j, "file_gb_per_s", l->file_gb_per_s);
		json_real(j, "cpu_s_per_gb", l->cpu_s_per_gb);
		json_real(j, "latency_p50_ms", l->p50_ms);
		json_real(j, "latency_p99_ms", l->p99_ms);
		json_real(j, "host_copies_per_byte", l->host_copies);
		json_real(j, "device_copies_per_byte", l->device_copies);
		json_real(j, "device_decoded_share", l->device_share);
		json_number(j, "staging_bytes", l->staging_nbytes);
		json_number(j, "device_bytes", l->device_nbytes);
		json_number(j, "checked_bytes", r->checked_nbytes);
		json_string(j, "checksum", sum);
	}
	json_end_object(j);
}

/* ------------------------------------------------------------------ matrix */

static int run_contestant(struct bench *b, const struct gpu_contestant *c)
{
	struct line line = { 0 };
	int ret;

	b->run.contestant = c;
	ret = gpu_run(&b->run);
	if (ret != TOOL_OK)
		return ret;
	if (!*b->run.missing)
		line = summarize(&b->run);
	if (b->o->json)
		json_line(b, &b->run, &line);
	else
		report_line(&b->run, &line);
	return TOOL_OK;
}

static int run_workload(struct bench *b, const struct workload *w)
{
	bool is_raw = w->codec == DS_CODEC_NONE;
	const struct gpu_contestant *all = is_raw ? raw : compressed;
	size_t nr =
		is_raw ? sizeof(raw) / sizeof(raw[0]) : sizeof(compressed) / sizeof(compressed[0]);
	struct gpu_data data;
	int err;
	int ret = gpu_data_make(&data, &b->source, b->o, w->part_nbytes, w->codec);

	if (ret == TOOL_OK && !w->is_cold) {
		err = gpu_data_warm(&data);
		if (err)
			ret = tool_error_errno("the file to measure with", "reading it", err);
	}
	b->run.data = &data;
	b->run.is_cold = w->is_cold;
	if (ret == TOOL_OK)
		report_workload(b, w, &data);
	for (size_t i = 0; i < nr && ret == TOOL_OK; i++)
		ret = run_contestant(b, &all[i]);
	if (ret == TOOL_OK && b->o->json) {
		json_end_array(&b->json);
		json_end_object(&b->json);
	}
	gpu_data_free(&data);
	return ret;
}

int bench_gpu(const struct gpu_options *o)
{
	struct bench *b = calloc(1, sizeof(*b));
	int ret;

	if (!b)
		return tool_error_memory();
	b->o = o;
	b->run.options = o;
	b->run.source = &b->source;
	ret = gpu_source_make(&b->source, o);
	if (ret == TOOL_OK)
		report_head(b);
	for (size_t i = 0; i < NR_WORKLOADS && ret == TOOL_OK; i++) {
		if (!o->only || strstr(workloads[i].name, o->only))
			ret = run_workload(b, &workloads[i]);
	}
	if (ret == TOOL_OK && o->json) {
		json_end_array(&b->json);
		json_end_object(&b->json);
	}
	gpu_source_free(&b->source);
	free(b);
	return ret;
}
