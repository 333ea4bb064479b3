/* SPDX-License-Identifier: MIT */
/*
 * vulkan_upload.c: loads a file into a GPU's memory, on a device of the runtime's own, and writes it
 * from there to another file. What ends in .gdeflate is decompressed on the way.
 *
 *	vulkan_upload FILE COPY
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ds_gdeflate.h"
#include "ds_runtime_vulkan.h"

static int report(const char *what, const char *why)
{
	fprintf(stderr, "vulkan_upload: %s: %s\n", what, why);
	return EXIT_FAILURE;
}

/* Runs one request and waits for it. */
static int run(struct ds_queue *q, const struct ds_request *r)
{
	struct ds_completion c = DS_COMPLETION_INIT;
	char why[200];
	ds_result ret = ds_queue_enqueue(q, r, NULL);

	if (ret == DS_OK)
		ret = ds_queue_submit(q);
	if (ret == DS_OK)
		ret = ds_queue_wait(q, &c, 1, 1, DS_WAIT_FOREVER, NULL);
	if (ret != DS_OK)
		return report("request", ds_result_message(ret));
	if (c.status != DS_STATUS_COMPLETE)
		return report("request", ds_completion_describe(&c, why, sizeof(why)));
	return EXIT_SUCCESS;
}

/* How large the file is when it has been decompressed. */
static uint64_t loaded_nbytes(const char *path, const struct ds_file_info *info, bool is_packed)
{
	struct ds_gdeflate_info stream = DS_GDEFLATE_INFO_INIT;
	unsigned char head[DS_GDEFLATE_HEADER_NBYTES];
	size_t n = 0;
	FILE *f;

	if (!is_packed)
		return info->nbytes;
	f = fopen(path, "rb");
	if (f) {
		n = fread(head, 1, sizeof(head), f);
		fclose(f);
	}
	return n == sizeof(head) && ds_gdeflate_parse_header(head, n, &stream) == DS_OK
		       ? stream.uncompressed_nbytes
		       : 0;
}

struct job {
	struct ds_backend *be;
	struct ds_queue *q;
	struct ds_file *from, *to;
	struct ds_vulkan_buffer gpu;
};

static int copy(struct job *j, uint64_t src_nbytes, uint64_t nbytes, bool is_packed)
{
	struct ds_request r = DS_REQUEST_INIT;
	int ret;

	r.source.kind = DS_LOCATION_FILE;
	r.source.file = j->from;
	r.source.nbytes = src_nbytes;
	r.destination.kind = DS_LOCATION_VULKAN_BUFFER;
	r.destination.object = ds_vulkan_object(j->gpu.buffer);
	r.destination.nbytes = nbytes;
	if (is_packed) {
		r.codec = DS_CODEC_GDEFLATE;
		r.uncompressed_nbytes = nbytes;
	}
	ret = run(j->q, &r);
	if (ret != EXIT_SUCCESS)
		return ret;
	/* Here a program would render with it. */
	r = (struct ds_request)DS_REQUEST_INIT;
	r.source.kind = DS_LOCATION_VULKAN_BUFFER;
	r.source.object = ds_vulkan_object(j->gpu.buffer);
	r.source.nbytes = nbytes;
	r.destination.kind = DS_LOCATION_FILE;
	r.destination.file = j->to;
	return run(j->q, &r);
}

static int run_job(struct job *j, const char *from, const char *to)
{
	const char *dot = strrchr(from, '.');
	bool is_packed = dot && strcmp(dot, ".gdeflate") == 0;
	struct ds_vulkan_device_info device = DS_VULKAN_DEVICE_INFO_INIT;
	struct ds_file_info info = DS_FILE_INFO_INIT;
	uint64_t nbytes;
	ds_result ret;

	if ((ret = ds_queue_create(j->be, NULL, &j->q)) ||
	    (ret = ds_file_open(j->be, from, DS_FILE_READ, &j->from)) ||
	    (ret = ds_file_get_info(j->from, &info)) ||
	    (ret = ds_file_open(j->be, to, DS_FILE_WRITE | DS_FILE_CREATE | DS_FILE_TRUNCATE,
				&j->to)))
		return report(from, ds_result_message(ret));
	nbytes = loaded_nbytes(from, &info, is_packed);
	if (!nbytes)
		return report(from, "is empty, or no GDeflate stream");
	ret = ds_vulkan_buffer_create(j->be, nbytes, 0, DS_VULKAN_MEMORY_DEVICE, &j->gpu);
	if (ret != DS_OK)
		return report("GPU memory", ds_result_message(ret));
	ds_vulkan_get_device_info(j->be, &device);
	printf("%s: %llu bytes in the memory of %s\n", from, (unsigned long long)nbytes,
	       device.name);
	return copy(j, info.nbytes, nbytes, is_packed);
}

int main(int argc, char **argv)
{
	struct ds_vulkan_config cfg = DS_VULKAN_CONFIG_INIT;
	struct job j = { .gpu = DS_VULKAN_BUFFER_INIT };
	char why[200] = "";
	int ret;

	if (argc != 3) {
		fputs("usage: vulkan_upload FILE COPY\n", stderr);
		return 2;
	}
	cfg.why = why;
	cfg.why_nbytes = sizeof(why);
	if (ds_make_vulkan_backend(NULL, &cfg, &j.be) != DS_OK)
		return report("no Vulkan backend", why);
	ret = run_job(&j, argv[1], argv[2]);
	/* The queue first: after it, nothing touches the buffer. */
	ds_queue_destroy(j.q);
	ds_vulkan_buffer_destroy(j.be, &j.gpu);
	ds_file_close(j.from);
	ds_file_close(j.to);
	ds_backend_destroy(j.be);
	return ret;
}
