/* SPDX-License-Identifier: MIT */
/*
 * bench_gpu_run.c: one contestant of "dstool bench gpu" on one file: several rounds, and then what
 * arrived is read back and compared.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench_gpu.h"
#include "tool.h"

#define IN_FLIGHT_NBYTES ((uint64_t)256 << 20)
#define MIN_DEPTH	 8
#define MAX_DEPTH	 256
#define CHECKED_NBYTES	 ((uint64_t)256 << 20)
#define MAX_LATENCIES	 (1u << 16)
/* VK_PHYSICAL_DEVICE_TYPE_CPU */
#define TYPE_CPU	 4

/* A backend with all that a round needs. */
struct rig {
	struct gpu_run *run;
	struct ds_backend *be;
	struct ds_queue *q;
	struct ds_file *file;
	struct ds_vulkan_buffer gpu; /* destinations in device memory, */
	uint8_t *memory;	     /* or in the host's */
	uint64_t memory_nbytes;
	bool has_gpu;
	uint32_t depth;
	uint64_t next_part, nr_begun, end_part;
	uint64_t *latencies;
	uint32_t nr_latencies;
};

static void fill_request(struct rig *g, struct ds_request *r, const struct gpu_part *p,
			 uint32_t slot)
{
	*r = (struct ds_request)DS_REQUEST_INIT;
	r->source.kind = DS_LOCATION_FILE;
	r->source.file = g->file;
	r->source.offset = p->offset;
	r->source.nbytes = p->src_nbytes;
	r->destination.nbytes = p->dst_nbytes;
	if (g->has_gpu) {
		r->destination.kind = DS_LOCATION_VULKAN_BUFFER;
		r->destination.object = ds_vulkan_object(g->gpu.buffer);
		r->destination.offset = slot * p->dst_nbytes;
	} else {
		r->destination.kind = DS_LOCATION_MEMORY;
		r->destination.data = g->memory + slot * p->dst_nbytes;
	}
	r->codec = g->run->data->codec;
	r->uncompressed_nbytes = r->codec == DS_CODEC_NONE ? 0 : p->dst_nbytes;
	r->tag = slot;
}

static int enqueue_next(struct rig *g, uint32_t slot)
{
	const struct gpu_data *d = g->run->data;
	struct ds_request r;
	ds_result ret;

	fill_request(g, &r, &d->parts[g->next_part++ % d->nr_parts], slot);
	ret = ds_queue_enqueue(g->q, &r, NULL);
	if (ret != DS_OK) {
		tool_error("enqueue: %s", ds_result_message(ret));
		return TOOL_FAILED;
	}
	g->nr_begun++;
	return TOOL_OK;
}

static int take(struct rig *g, const struct ds_completion *c, struct gpu_figures *f)
{
	char why[256];

	if (c->status != DS_STATUS_COMPLETE) {
		tool_error("%s: %s", g->run->contestant->name,
			   ds_completion_describe(c, why, sizeof(why)));
		return TOOL_FAILED;
	}
	f->nbytes += c->bytes_transferred;
	f->nr_requests++;
	if (g->nr_latencies < MAX_LATENCIES)
		g->latencies[g->nr_latencies++] = c->end_ns - c->submit_ns;
	if (c->path == DS_PATH_BUFFERED || c->path == DS_PATH_BUFFERED_STAGED)
		f->host_copied += c->bytes_read;
	f->device_decoded += c->bytes_device_decoded;
	return TOOL_OK;
}

/* Keeps `depth` requests in flight until the deadline, or until end_part. */
static int pump(struct rig *g, uint64_t deadline_ns, struct gpu_figures *f)
{
	struct ds_completion done[MAX_DEPTH];
	uint64_t in_flight = 0;
	int ret = TOOL_OK;

	done[0] = (struct ds_completion)DS_COMPLETION_INIT;
	for (uint32_t i = 0; i < g->depth && g->next_part < g->end_part && ret == TOOL_OK; i++) {
		ret = enqueue_next(g, i);
		in_flight++;
	}
	ds_queue_submit(g->q);
	while (in_flight && ret == TOOL_OK) {
		uint32_t n = 0;

		if (ds_queue_wait(g->q, done, MAX_DEPTH, 1, DS_WAIT_FOREVER, &n) != DS_OK)
			ret = TOOL_FAILED;
		for (uint32_t i = 0; i < n && ret == TOOL_OK; i++) {
			ret = take(g, &done[i], f);
			in_flight--;
			if (ret == TOOL_OK && g->next_part < g->end_part &&
			    tool_now_ns() < deadline_ns) {
				ret = enqueue_next(g, (uint32_t)done[i].tag);
				in_flight++;
			}
		}
		ds_queue_submit(g->q);
	}
	return ret;
}

/* ------------------------------------------------------------------ rounds */

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static struct ds_vulkan_stats device_stats(struct rig *g)
{
	struct ds_vulkan_stats s = DS_VULKAN_STATS_INIT;

	if (g->has_gpu)
		ds_vulkan_get_stats(g->be, &s);
	return s;
}

static int prepare_cache(const struct gpu_run *r)
{
	int err = r->is_cold ? gpu_data_drop(r->data) : 0;

	return err ? tool_error_errno("the file to measure with", "dropping its cache", err)
		   : TOOL_OK;
}

static int run_round(struct rig *g, struct gpu_figures *f)
{
	struct gpu_run *r = g->run;
	struct ds_vulkan_stats before = device_stats(g), after;
	struct ds_stats stats = DS_STATS_INIT;
	uint64_t begun, begun_cpu;
	int ret = prepare_cache(r);

	*f = (struct gpu_figures){ 0 };
	g->nr_latencies = 0;
	g->next_part = 0;
	g->end_part = r->is_cold ? r->data->nr_parts : UINT64_MAX;
	begun = tool_now_ns();
	begun_cpu = tool_process_cpu_ns();
	if (ret == TOOL_OK)
		ret = pump(g, r->is_cold ? UINT64_MAX : begun + r->options->run_ns, f);
	f->wall_ns = tool_now_ns() - begun;
	f->cpu_ns = tool_process_cpu_ns() - begun_cpu;
	if (ret != TOOL_OK)
		return ret;
	after = device_stats(g);
	ds_backend_get_stats(g->be, &stats);
	f->device_copied = after.copied_nbytes - before.copied_nbytes;
	f->decoded = r->data->codec == DS_CODEC_NONE ? 0 : f->nbytes;
	f->staging_nbytes = stats.staging_high_water;
	f->device_nbytes = after.device_memory_nbytes;
	qsort(g->latencies, g->nr_latencies, sizeof(g->latencies[0]), compare);
	if (g->nr_latencies) {
		f->p50_ns = g->latencies[g->nr_latencies / 2];
		f->p99_ns = g->latencies[(uint64_t)g->nr_latencies * 99 / 100];
	}
	return TOOL_OK;
}

/* ---------------------------------------------------------------- checking */

/* Of 8 bytes at a time: a loop over bytes would take longer than the runs. */
static uint64_t checksum(uint64_t sum, const uint8_t *bytes, uint64_t nbytes)
{
	for (uint64_t at = 0; at + 8 <= nbytes; at += 8) {
		uint64_t word;

		memcpy(&word, bytes + at, sizeof(word));
		sum = (sum ^ word) * UINT64_C(0x100000001b3);
		sum ^= sum >> 29;
	}
	return sum;
}

/* Device memory is written to a file in memory, which is then looked at. */
static int fetch(struct rig *g, uint64_t nbytes, int fd)
{
	struct ds_request r = DS_REQUEST_INIT;
	struct ds_completion c = DS_COMPLETION_INIT;
	struct ds_file *file;
	uint32_t n = 0;
	ds_result ret = ds_file_from_fd(g->be, fd, DS_FILE_WRITE | DS_FILE_BUFFERED, &file);

	if (ret == DS_OK) {
		r.source.kind = DS_LOCATION_VULKAN_BUFFER;
		r.source.object = ds_vulkan_object(g->gpu.buffer);
		r.source.nbytes = nbytes;
		r.destination.kind = DS_LOCATION_FILE;
		r.destination.file = file;
		ret = ds_queue_enqueue(g->q, &r, NULL);
		ds_file_close(file);
	}
	if (ret == DS_OK)
		ret = ds_queue_submit(g->q);
	if (ret == DS_OK)
		ret = ds_queue_wait(g->q, &c, 1, 1, DS_WAIT_FOREVER, &n);
	if (ret == DS_OK && n == 1 && c.status == DS_STATUS_COMPLETE)
		return TOOL_OK;
	tool_error("%s: reading back: %s", g->run->contestant->name,
		   ds_result_message(ret == DS_OK ? c.result : ret));
	return TOOL_FAILED;
}

static int compare_all(struct rig *g, const uint8_t *got, size_t nr_parts)
{
	struct gpu_run *r = g->run;

	for (size_t i = 0; i < nr_parts; i++) {
		const struct gpu_part *p = &r->data->parts[i];

		if (memcmp(got, r->source->bytes + p->at, p->dst_nbytes) != 0) {
			tool_error("%s: request %zu brought other bytes than there are",
				   r->contestant->name, i);
			return TOOL_FAILED;
		}
		r->checksum = checksum(r->checksum, got, p->dst_nbytes);
		r->checked_nbytes += p->dst_nbytes;
		got += p->dst_nbytes;
	}
	return TOOL_OK;
}

/* The first parts once more, each into a slot of its own. */
static int check(struct rig *g)
{
	struct gpu_figures unused = { 0 };
	uint64_t part = g->run->data->parts[0].dst_nbytes;
	uint64_t nr = g->depth;
	uint8_t *got = g->memory;
	int fd = -1;
	int ret;

	if (nr > g->run->data->nr_parts)
		nr = g->run->data->nr_parts;
	if (nr * part > CHECKED_NBYTES)
		nr = CHECKED_NBYTES / part;
	g->next_part = 0;
	g->end_part = nr;
	g->nr_latencies = 0;
	ret = pump(g, UINT64_MAX, &unused);
	if (ret != TOOL_OK)
		return ret;
	if (g->has_gpu) {
		fd = memfd_create("dstool", MFD_CLOEXEC);
		if (fd < 0)
			return tool_error_errno("reading back", "a file in memory", errno);
		ret = fetch(g, nr * part, fd);
		got = MAP_FAILED;
		if (ret == TOOL_OK)
			got = mmap(NULL, nr * part, PROT_READ, MAP_SHARED, fd, 0);
		if (ret == TOOL_OK && got == MAP_FAILED)
			ret = tool_error_errno("reading back", "mapping it", errno);
	}
	if (ret == TOOL_OK)
		ret = compare_all(g, got, nr);
	if (fd >= 0) {
		if (got != MAP_FAILED)
			munmap(got, nr * part);
		close(fd);
	}
	return ret;
}

/* ------------------------------------------------------------------ set-up */

static int make_destinations(struct rig *g)
{
	uint64_t part = g->run->data->parts[0].dst_nbytes;
	ds_result ret;

	g->depth = (uint32_t)(IN_FLIGHT_NBYTES / part);
	g->depth = g->depth < MIN_DEPTH ? MIN_DEPTH : g->depth > MAX_DEPTH ? MAX_DEPTH : g->depth;
	g->memory_nbytes = g->depth * part;
	if (g->has_gpu) {
		ret = ds_vulkan_buffer_create(g->be, g->memory_nbytes, 0, DS_VULKAN_MEMORY_DEVICE,
					      &g->gpu);
		if (ret == DS_OK)
			return TOOL_OK;
		tool_error("%" PRIu64 " bytes of device memory: %s", g->memory_nbytes,
			   ds_result_message(ret));
		return TOOL_FAILED;
	}
	g->memory = mmap(NULL, g->memory_nbytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (g->memory == MAP_FAILED) {
		g->memory = NULL;
		return tool_error_memory();
	}
	return TOOL_OK;
}

static int set_up(struct rig *g)
{
	struct ds_queue_config queue = DS_QUEUE_CONFIG_INIT;
	uint32_t flags = g->run->is_cold ? DS_FILE_READ : DS_FILE_BUFFERED;
	ds_result ret = ds_queue_create(g->be, &queue, &g->q);

	if (ret == DS_OK)
		ret = ds_file_open(g->be, g->run->data->path, flags, &g->file);
	if (ret != DS_OK) {
		tool_error("%s: %s", g->run->contestant->name, ds_result_message(ret));
		return TOOL_FAILED;
	}
	g->latencies = malloc(MAX_LATENCIES * sizeof(g->latencies[0]));
	return g->latencies ? make_destinations(g) : tool_error_memory();
}

static void clean_up(struct rig *g)
{
	ds_file_close(g->file);
	ds_queue_destroy(g->q);
	if (g->has_gpu)
		ds_vulkan_buffer_destroy(g->be, &g->gpu);
	if (g->memory)
		munmap(g->memory, g->memory_nbytes);
	ds_backend_destroy(g->be);
	free(g->latencies);
}

/* "mapped" where nothing can be mapped would be another name for "staged". */
static void find_missing(struct rig *g)
{
	const char *path = g->run->contestant->vulkan.path;
	const char *decode = g->run->contestant->vulkan.decode;
	struct ds_vulkan_device_info info = DS_VULKAN_DEVICE_INFO_INIT;

	if (!g->has_gpu || ds_vulkan_get_device_info(g->be, &info) != DS_OK)
		return;
	if (path && strcmp(path, "mapped") == 0 && info.mapped_nbytes < info.device_nbytes)
		snprintf(g->run->missing, sizeof(g->run->missing),
			 "the host can map only a part of the device's memory");
	if (!decode || strcmp(decode, "gpu") != 0)
		return;
	if (info.decode == DS_VULKAN_DECODE_CPU)
		snprintf(g->run->missing, sizeof(g->run->missing),
			 "the device lacks what decoding needs");
	else if (info.type == TYPE_CPU)
		snprintf(g->run->missing, sizeof(g->run->missing),
			 "this device is the CPU: it would take minutes");
}

static int run_all(struct rig *g)
{
	struct gpu_figures warm_up;
	int ret = set_up(g);

	if (ret == TOOL_OK && !g->run->is_cold)
		ret = run_round(g, &warm_up);
	for (uint64_t i = 0; i < g->run->options->nr_rounds && ret == TOOL_OK; i++)
		ret = run_round(g, &g->run->rounds[i]);
	return ret == TOOL_OK ? check(g) : ret;
}

int gpu_run(struct gpu_run *r)
{
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;
	struct rig g = { .run = r, .gpu = DS_VULKAN_BUFFER_INIT };
	struct tool_vulkan vulkan = r->contestant->vulkan;
	int ret = TOOL_OK;

	r->missing[0] = '\0';
	r->checked_nbytes = 0;
	r->checksum = 0;
	vulkan.gpu = r->options->gpu;
	backends_set_vulkan(&vulkan);
	cfg.io_workers = (uint32_t)r->options->nr_io_workers;
	cfg.decode_workers = (uint32_t)r->options->nr_decode_workers;
	if (backend_make(r->contestant->backend, &cfg, &g.be, r->missing, sizeof(r->missing)) !=
	    DS_OK)
		return TOOL_OK;
	g.has_gpu = strcmp(r->contestant->backend, "vulkan") == 0;
	r->missing[0] = '\0';
	find_missing(&g);
	if (!*r->missing)
		ret = run_all(&g);
	clean_up(&g);
	return ret;
}
