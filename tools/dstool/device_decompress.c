/* SPDX-License-Identifier: MIT */
/*
 * device_decompress.c: decompresses a file through the runtime into a GPU's memory, and reads it
 * back from there.
 */
#include "device_decompress.h"

#include <inttypes.h>
#include <stdlib.h>

#include "backends.h"
#include "ds_runtime_vulkan.h"
#include "tool.h"

struct device_job {
	struct transfer *t;
	struct ds_backend *be;
	struct ds_queue *q;
	struct ds_vulkan_buffer memory;
	uint64_t nbytes; /* decompressed */
};

/* Runs one request. TOOL_OK, or TOOL_FAILED and it was said why. */
static int run(struct device_job *job, const struct ds_request *r, uint64_t *device_decoded)
{
	struct ds_completion c = DS_COMPLETION_INIT;
	char why[256];
	uint32_t n = 0;
	ds_result ret = ds_queue_enqueue(job->q, r, NULL);

	if (ret == DS_OK)
		ret = ds_queue_submit(job->q);
	if (ret == DS_OK)
		ret = ds_queue_wait(job->q, &c, 1, 1, DS_WAIT_FOREVER, &n);
	if (ret == DS_OK && n == 1 && c.status == DS_STATUS_COMPLETE) {
		if (device_decoded)
			*device_decoded = c.bytes_device_decoded;
		return TOOL_OK;
	}
	tool_error("%s: %s", job->t->in->name,
		   ret == DS_OK ? ds_completion_describe(&c, why, sizeof(why))
				: ds_result_message(ret));
	return TOOL_FAILED;
}

static int decompress(struct device_job *job)
{
	struct transfer *t = job->t;
	struct ds_request r = DS_REQUEST_INIT;
	uint64_t device_decoded = 0;
	int ret;

	r.source.kind = DS_LOCATION_FD;
	r.source.fd = t->in->fd;
	r.source.nbytes = t->in->nbytes;
	r.destination.kind = DS_LOCATION_VULKAN_BUFFER;
	r.destination.object = ds_vulkan_object(job->memory.buffer);
	r.destination.nbytes = job->nbytes;
	r.codec = t->format->codec;
	r.uncompressed_nbytes = job->nbytes;
	ret = run(job, &r, &device_decoded);
	if (ret == TOOL_OK && t->format->codec == DS_CODEC_GDEFLATE && !device_decoded)
		tool_note("decoded on the CPU: the device lacks what decoding needs");
	return ret;
}

static int read_back(struct device_job *job)
{
	struct ds_request r = DS_REQUEST_INIT;
	int ret = output_make_seekable(job->t->out);

	r.source.kind = DS_LOCATION_VULKAN_BUFFER;
	r.source.object = ds_vulkan_object(job->memory.buffer);
	r.source.nbytes = job->nbytes;
	r.destination.kind = DS_LOCATION_FD;
	r.destination.fd = job->t->out->fd;
	return ret == TOOL_OK ? run(job, &r, NULL) : ret;
}

static int set_up(struct device_job *job)
{
	char why[BACKEND_WHY_NBYTES];
	ds_result ret;

	if (backend_make("vulkan", NULL, &job->be, why, sizeof(why)) != DS_OK) {
		tool_error("%s", why);
		return TOOL_FAILED;
	}
	if (!ds_backend_has_codec(job->be, job->t->format->codec)) {
		tool_error("%s: this build lacks the %s format", job->t->in->name,
			   job->t->format->name);
		return TOOL_FAILED;
	}
	ret = ds_queue_create(job->be, NULL, &job->q);
	if (ret == DS_OK)
		ret = ds_vulkan_buffer_create(job->be, job->nbytes, 0, DS_VULKAN_MEMORY_DEVICE,
					      &job->memory);
	if (ret == DS_OK)
		return TOOL_OK;
	tool_error("%s: %" PRIu64 " bytes of device memory: %s", job->t->in->name, job->nbytes,
		   ds_result_message(ret));
	return TOOL_FAILED;
}

static int run_job(struct device_job *job)
{
	int ret = set_up(job);

	if (ret == TOOL_OK)
		ret = decompress(job);
	if (ret == TOOL_OK)
		ret = read_back(job);
	ds_vulkan_buffer_destroy(job->be, &job->memory);
	ds_queue_destroy(job->q);
	ds_backend_destroy(job->be);
	return ret;
}

int device_decompress(struct transfer *t)
{
	struct device_job job = { .t = t, .memory = DS_VULKAN_BUFFER_INIT };
	const char *wrong;

	wrong = t->format->declared_nbytes(t->in->head, t->in->head_nbytes, &job.nbytes);
	if (wrong) {
		tool_error("%s: %s", t->in->name, wrong);
		return TOOL_FAILED;
	}
	if (t->has_expected_nbytes && t->expected_nbytes != job.nbytes)
		return format_size_error(t, job.nbytes);
	t->in_nbytes = t->in->nbytes;
	t->out_nbytes = job.nbytes;
	return job.nbytes ? run_job(&job) : t->format->decompress(t);
}
