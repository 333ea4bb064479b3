/* SPDX-License-Identifier: MIT */
/* bench_wine_native.c: the native side of "dstool bench wine": the runtime itself. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench_wine.h"
#include "ds_runtime.h"
#include "ds_runtime_uring.h"
#include "tool.h"

struct run {
	const struct workload *w;
	struct ds_backend *backend;
	struct ds_queue *queue;
	struct ds_file *file;
	struct block_index *index; /* of compressed blocks */
	uint64_t nr_blocks;
	uint64_t next; /* block to start */
	unsigned char *buffers;
	uint64_t block_of[GROUPS * 64];
	int events[GROUPS];
};

static int fail(const char *what, ds_result result)
{
	tool_error("bench wine: %s: %s", what, ds_result_message(result));
	return TOOL_FAILED;
}

static int read_index(struct run *r, const char *path)
{
	FILE *f = fopen(path, "rb");
	uint32_t n = 0;

	if (f && fread(&n, sizeof(n), 1, f) == 1)
		r->index = calloc(n, sizeof(*r->index));
	if (!r->index || fread(r->index, sizeof(*r->index), n, f) != n) {
		free(r->index);
		r->index = NULL;
	}
	if (f)
		fclose(f);
	if (!r->index)
		return tool_error_errno(path, "read", errno);
	r->nr_blocks = n;
	return TOOL_OK;
}

static int open_all(struct run *r, const char *path)
{
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	ds_result ret = ds_make_io_uring_backend(NULL, NULL, &r->backend);
	struct stat st;

	if (ret)
		ret = ds_make_cpu_backend(NULL, &r->backend);
	if (ret)
		return fail("backend", ret);
	cfg.capacity = 8192;
	cfg.flags = DS_QUEUE_NO_RESULTS;
	ret = ds_queue_create(r->backend, &cfg, &r->queue);
	if (ret)
		return fail("queue", ret);
	ret = ds_file_open(r->backend, path, 0, &r->file);
	if (ret)
		return fail(path, ret);
	if (stat(path, &st))
		return tool_error_errno(path, "stat", errno);
	r->nr_blocks = (uint64_t)st.st_size / r->w->nbytes;
	return r->w->is_gdeflate ? read_index(r, path) : TOOL_OK;
}

static ds_result start_group(struct run *r, unsigned g)
{
	ds_result ret = DS_OK;

	for (unsigned i = 0; !ret && i < r->w->per_group; i++) {
		unsigned slot = g * r->w->per_group + i;
		uint64_t block = scattered(r->next++, r->nr_blocks);
		struct ds_request q = DS_REQUEST_INIT;

		r->block_of[slot] = block;
		q.source.kind = DS_LOCATION_FILE;
		q.source.file = r->file;
		q.source.offset = r->index ? r->index[block].offset : block * r->w->nbytes;
		q.source.nbytes = r->index ? r->index[block].nbytes : r->w->nbytes;
		q.destination.kind = DS_LOCATION_MEMORY;
		q.destination.data = r->buffers + (size_t)slot * r->w->nbytes;
		q.destination.nbytes = r->w->nbytes;
		q.codec = r->index ? DS_CODEC_GDEFLATE : DS_CODEC_NONE;
		q.uncompressed_nbytes = r->w->nbytes;
		ret = ds_queue_enqueue(r->queue, &q, NULL);
	}
	if (!ret)
		ret = ds_queue_enqueue_event(r->queue, r->events[g]);
	return ret ? ret : ds_queue_submit(r->queue);
}

/* False: not the bytes that were asked for. */
static bool finish_group(struct run *r, unsigned g)
{
	uint64_t marks = r->index ? 1 : r->w->nbytes >> 16, count;

	while (read(r->events[g], &count, sizeof(count)) != sizeof(count))
		continue;
	for (unsigned i = 0; i < r->w->per_group; i++) {
		unsigned slot = g * r->w->per_group + i;
		uint64_t mark;

		memcpy(&mark, r->buffers + (size_t)slot * r->w->nbytes, sizeof(mark));
		if (mark != block_mark(r->block_of[slot] * marks))
			return false;
		/* A read that never came is not to be taken for an earlier one. */
		memset(r->buffers + (size_t)slot * r->w->nbytes, 0, sizeof(mark));
	}
	return true;
}

static int measure(struct run *r, uint64_t run_ns, struct bench_wine_figure *out)
{
	uint64_t nr_groups = 0, begin, cpu;
	bool is_right = true;
	ds_result ret = DS_OK;
	double gb;

	for (unsigned g = 0; !ret && g < GROUPS; g++)
		ret = start_group(r, g);
	begin = tool_now_ns();
	cpu = tool_process_cpu_ns();
	while (!ret && is_right && tool_now_ns() - begin < run_ns) {
		is_right = finish_group(r, nr_groups % GROUPS);
		ret = start_group(r, nr_groups++ % GROUPS);
	}
	begin = tool_now_ns() - begin;
	cpu = tool_process_cpu_ns() - cpu;
	for (unsigned g = 0; !ret && is_right && g < GROUPS; g++)
		is_right = finish_group(r, (unsigned)((nr_groups + g) % GROUPS));
	if (ret)
		return fail("reading", ret);
	if (!is_right) {
		tool_error("bench wine: wrong bytes in %s", r->w->name);
		return TOOL_FAILED;
	}
	gb = (double)(nr_groups * r->w->per_group) * r->w->nbytes / 1e9;
	out->gb_per_s = gb / ((double)begin * 1e-9);
	out->cpu_s_per_gb = (double)cpu * 1e-9 / gb;
	return TOOL_OK;
}

int bench_wine_run_native(const struct bench_wine *b, const struct workload *w,
			  struct bench_wine_figure *out)
{
	struct run r = { .w = w };
	size_t room = (size_t)GROUPS * w->per_group * w->nbytes;
	int ret = open_all(&r, bench_wine_path(b, w->is_gdeflate ? "gdeflate.bin" : "plain.bin"));

	for (unsigned g = 0; g < GROUPS; g++) {
		r.events[g] = eventfd(0, EFD_CLOEXEC);
		if (r.events[g] < 0)
			ret = tool_error_errno("eventfd", "make", errno);
	}
	r.buffers = aligned_alloc(4096, room);
	if (ret == TOOL_OK && !r.buffers)
		ret = tool_error_memory();
	if (ret == TOOL_OK) {
		memset(r.buffers, 1, room);
		ret = measure(&r, b->run_ns, out);
	}
	if (r.queue)
		ds_queue_destroy(r.queue);
	ds_file_close(r.file);
	if (r.backend)
		ds_backend_destroy(r.backend);
	for (unsigned g = 0; g < GROUPS; g++)
		close(r.events[g]);
	free(r.index);
	free(r.buffers);
	return ret;
}
