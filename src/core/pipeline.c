/* SPDX-License-Identifier: MIT */
/* pipeline.c: the pipeline's parts: made, and taken down again. */
#include "core/pipeline.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/thread.h"
#include "core/queue.h"
#include "core/result.h"

#define HEAD_MAPPING	  (DS_STREAM_HEAD_NBYTES + 2 * DS_STAGING_ALIGNMENT)
/* More would only keep a stream's reading and decoding from overlapping. */
#define MAX_WINDOW_NBYTES (16u << 20)
/*
 * What is read ahead of a device's copying falls out of the CPU's caches before it is copied: on the machine
 * where that was measured 128 MiB are faster than more, and take two thirds of the CPU time.
 */
#define COPY_LIMIT_NBYTES (128u << 20)

static void free_streams(struct ds_pipeline *pl)
{
	for (unsigned i = 0; i < DS_NR_STREAMS; i++) {
		struct ds_stream *st = &pl->streams[i];

		if (st->context)
			st->codec->context_destroy(st->context);
		if (st->head)
			munmap(st->head, HEAD_MAPPING);
	}
}

static ds_result init_streams(struct ds_pipeline *pl)
{
	for (unsigned i = 0; i < DS_NR_STREAMS; i++) {
		void *p = mmap(NULL, HEAD_MAPPING, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			return DS_ERR_NO_MEMORY;
		pl->streams[i].head = p;
	}
	return DS_OK;
}

static ds_result init_ops(struct ds_pipeline *pl)
{
	/* A window makes several at once, and the scheduler stops only between windows. */
	pl->nr_ops = pl->engine->max_ops + DS_MAX_WINDOW_OPS + 2;
	pl->ops = calloc(pl->nr_ops, sizeof(*pl->ops));
	if (!pl->ops)
		return DS_ERR_NO_MEMORY;
	for (unsigned i = 0; i < pl->nr_ops; i++) {
		pl->ops[i].pl = pl;
		ds_list_push_back(&pl->free_ops, &pl->ops[i].link);
	}
	return DS_OK;
}

static ds_result init_windows(struct ds_pipeline *pl)
{
	pl->windows = calloc(DS_NR_WINDOWS, sizeof(*pl->windows));
	if (!pl->windows)
		return DS_ERR_NO_MEMORY;
	for (unsigned i = 0; i < DS_NR_WINDOWS; i++)
		ds_list_push_back(&pl->free_windows, &pl->windows[i].link);
	return DS_OK;
}

static ds_result make_engine(struct ds_pipeline *pl, const struct ds_backend_config *cfg,
			     const struct ds_backend_parts *parts)
{
	char why[160] = "";
	struct ds_io_config io = {
		.batch_begin = ds_io_batch_begin,
		.batch_end = ds_io_batch_end,
		.why = why,
		.why_nbytes = sizeof(why),
		.nr_workers = cfg->io_workers,
		.staging = pl->staging.base,
		.staging_nbytes = pl->staging.nbytes,
		.thread_start = ds_backend_thread_start,
		.thread_stop = ds_backend_thread_stop,
		.thread_arg = pl->be,
	};
	int err = parts->engine_create(parts->engine_arg, &io, &pl->engine);

	if (!err)
		return DS_OK;
	ds_log(&pl->be->service, DS_LOG_ERROR, "backend", "create", ds_result_from_errno(-err),
	       -err, 0, "the %s backend cannot be made: %s", parts->name,
	       why[0] ? why : "its I/O engine refuses");
	return err == -ENOMEM	? DS_ERR_NO_MEMORY
	       : err == -EAGAIN ? DS_ERR_SYSTEM
				: DS_ERR_UNAVAILABLE;
}

static void log_device(void *arg, int32_t level, ds_result result, int32_t code,
		       const char *message)
{
	struct ds_backend *be = arg;

	ds_log(&be->service, level, be->pipeline.device->ops->name, "device", result, code, 0, "%s",
	       message);
}

static ds_result attach_device(struct ds_pipeline *pl)
{
	const struct ds_device_env env = {
		.staging = pl->staging.base,
		.staging_nbytes = pl->staging.nbytes,
		.thread_start = ds_backend_thread_start,
		.thread_stop = ds_backend_thread_stop,
		.batch_begin = ds_io_batch_begin,
		.batch_end = ds_io_batch_end,
		.log = log_device,
		.arg = pl->be,
	};

	return pl->device->ops->attach ? pl->device->ops->attach(pl->device, &env) : DS_OK;
}

static void detach_device(struct ds_pipeline *pl)
{
	if (pl->device->ops->detach)
		pl->device->ops->detach(pl->device);
}

/* The device is asked last: it may want to find out, while the engine is made. */
static void set_sizes(struct ds_pipeline *pl, const struct ds_backend_config *cfg)
{
	uint64_t chunk_nbytes =
		pl->device->ops->chunk_nbytes ? pl->device->ops->chunk_nbytes(pl->device) : 0;

	pl->chunk_nbytes = chunk_nbytes ? chunk_nbytes : cfg->chunk_nbytes;
	pl->window_nbytes = ds_min_u64(cfg->staging_nbytes / 8,
				       ds_max_u64(MAX_WINDOW_NBYTES, 2 * pl->chunk_nbytes));
	pl->copy_limit_nbytes = ds_min_u64(cfg->staging_nbytes, COPY_LIMIT_NBYTES);
}

ds_result ds_pipeline_init(struct ds_pipeline *pl, struct ds_backend *be,
			   const struct ds_backend_config *cfg,
			   const struct ds_backend_parts *parts)
{
	unsigned nr_workers = cfg->decode_workers ? cfg->decode_workers : ds_cpu_count();
	ds_result ret;

	pl->be = be;
	pl->device = parts->device;
	pl->codecs = parts->codecs;
	pthread_mutex_init(&pl->lock, NULL);
	for (unsigned l = 0; l < DS_NR_LEVELS; l++)
		ds_list_init(&pl->levels[l].slots);
	ds_list_init(&pl->free_ops);
	ds_list_init(&pl->free_windows);
	ret = ds_staging_init(&pl->staging, pl->device, cfg->staging_nbytes);
	if (ret)
		goto err_lock;
	ret = init_streams(pl);
	if (!ret)
		ret = init_windows(pl);
	if (ret)
		goto err_windows;
	ret = ds_workers_init(&pl->workers, pl, nr_workers > 256 ? 256 : nr_workers);
	if (ret)
		goto err_windows;
	ret = attach_device(pl);
	if (ret)
		goto err_workers;
	ret = make_engine(pl, cfg, parts);
	if (ret)
		goto err_device;
	ret = init_ops(pl);
	if (ret)
		goto err_engine;
	set_sizes(pl, cfg);
	return DS_OK;

err_engine:
	pl->engine->ops->destroy(pl->engine);
err_device:
	detach_device(pl);
err_workers:
	ds_workers_fini(&pl->workers);
err_windows:
	free(pl->windows);
	free_streams(pl);
	ds_staging_fini(&pl->staging);
err_lock:
	pthread_mutex_destroy(&pl->lock);
	return ret;
}

void ds_pipeline_fini(struct ds_pipeline *pl)
{
	/*
	 * Threads may still be on their way out of what ended the last request. The workers
	 * go first: they may be inside the start() of engine or device; then the device's threads, who may be
	 * inside the engine's. Without windows nobody comes to those that are gone.
	 */
	ds_workers_fini(&pl->workers);
	detach_device(pl);
	pl->engine->ops->destroy(pl->engine);
	free(pl->ops);
	free(pl->windows);
	free_streams(pl);
	ds_staging_fini(&pl->staging);
	pthread_mutex_destroy(&pl->lock);
}
