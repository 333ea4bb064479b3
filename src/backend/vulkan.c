/* SPDX-License-Identifier: MIT */
/* vulkan.c: the Vulkan backend: io_uring, or a pool of threads that pread, and a Vulkan device. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/codecs.h"
#include "base/thread.h"
#include "base/util.h"
#include "core/backend.h"
#include "core/backend_priv.h"
#include "base/copy_struct.h"
#include "core/fence.h"
#include "device/vulkan/vulkan.h"
#include "ds_runtime_vulkan.h"
#include "io/pread_pool.h"
#if DS_HAVE_URING
#include "io/uring.h"
#endif

#define STAGING_NBYTES (256u << 20)
#define CHUNK_NBYTES   (4u << 20)
/* A read from the page cache is a copy by the CPU: one core does not fill the bus. */
#define MAX_IO_WORKERS 16

/* The pool wherever io_uring does not work. */
static int create_engine(const void *arg, const struct ds_io_config *user,
			 struct ds_io_engine **out)
{
	struct ds_io_config cfg = *user;

	if (!cfg.nr_workers)
		cfg.nr_workers = (unsigned)ds_min_u64(ds_cpu_count(), MAX_IO_WORKERS);
#if DS_HAVE_URING
	if (!ds_uring_create(arg, &cfg, out))
		return 0;
#endif
	return ds_pread_pool_create(arg, &cfg, out);
}

static ds_result make(struct ds_backend_config *cfg, const struct ds_vulkan_config *vulkan,
		      char *why, size_t why_nbytes, struct ds_backend **out)
{
	struct ds_backend_parts parts = {
		.name = "vulkan",
		.engine_create = create_engine,
		.default_staging_nbytes = STAGING_NBYTES,
		.default_chunk_nbytes = CHUNK_NBYTES,
		.codecs = ds_codecs,
	};
	ds_result ret = ds_vk_device_create(
		vulkan, cfg->staging_nbytes ? cfg->staging_nbytes : STAGING_NBYTES, why, why_nbytes,
		&parts.device);

	if (ret)
		return ret;
	/* The kernel cannot pin every driver's memory: then everything goes through the page cache. */
	if (!ds_vk_staging_takes_direct(ds_vk_device_from(parts.device)))
		cfg->direct = DS_DIRECT_OFF;
	return ds_backend_create(cfg, &parts, out);
}

ds_result ds_make_vulkan_backend(const struct ds_backend_config *user,
				 const struct ds_vulkan_config *user_vulkan,
				 struct ds_backend **out)
{
	struct ds_backend_config cfg;
	struct ds_vulkan_config vulkan;
	char why[256] = "";
	ds_result ret = ds_copy_config(&cfg, sizeof(cfg), user, DS_BACKEND_CONFIG_SIZE_0);

	if (!ret)
		ret = ds_copy_config(&vulkan, sizeof(vulkan), user_vulkan,
				     sizeof(struct ds_vulkan_config));
	if (!ret && (!out || cfg.staging_nbytes > SIZE_MAX / 2))
		ret = DS_ERR_INVALID_ARGUMENT;
	if (ret)
		return ret;
	ret = make(&cfg, &vulkan, why, sizeof(why), out);
	if (ret && vulkan.why && vulkan.why_nbytes)
		snprintf(vulkan.why, vulkan.why_nbytes, "%s", *why ? why : ds_result_message(ret));
	return ret;
}

/* NULL: it is no Vulkan backend. */
static struct ds_vk_device *device_of(struct ds_backend *be)
{
	return be ? ds_vk_device_from(be->pipeline.device) : NULL;
}

/* ----------------------------------------------------------------- buffers */

ds_result ds_vulkan_buffer_create(struct ds_backend *be, uint64_t nbytes, uint32_t extra_usage,
				  int32_t memory, struct ds_vulkan_buffer *out)
{
	struct ds_vk_device *d = device_of(be);

	if (!d || !nbytes || !out || out->size != sizeof(*out) ||
	    memory < DS_VULKAN_MEMORY_DEVICE || memory > DS_VULKAN_MEMORY_HOST)
		return DS_ERR_INVALID_ARGUMENT;
	return ds_vk_buffer_create(d, nbytes, extra_usage, memory, out);
}

void ds_vulkan_buffer_destroy(struct ds_backend *be, struct ds_vulkan_buffer *buffer)
{
	struct ds_vk_device *d = device_of(be);

	if (!d || !buffer || !buffer->buffer)
		return;
	ds_vk_buffer_destroy(d, buffer);
	*buffer = (struct ds_vulkan_buffer)DS_VULKAN_BUFFER_INIT;
}

uint64_t ds_vulkan_image_nbytes(const struct ds_vulkan_image_detail *detail)
{
	struct ds_vulkan_image_detail d;

	if (ds_copy_config(&d, sizeof(d), detail, offsetof(struct ds_vulkan_image_detail, stages)))
		return 0;
	return ds_vk_image_nbytes(&d);
}

/* ------------------------------------------------------------------ fences */

struct timeline {
	struct ds_vk_device *device;
	VkSemaphore semaphore;
};

static void raised(void *arg, uint64_t value)
{
	const struct timeline *t = arg;

	ds_vk_raise(t->device, t->semaphore, value);
}

ds_result ds_vulkan_fence_create(struct ds_backend *be, VkSemaphore semaphore,
				 struct ds_fence **out)
{
	struct ds_vk_device *d = device_of(be);
	struct ds_fence_hook hook = { .raised = raised, .gone = free };
	struct timeline *t;
	uint64_t value;
	ds_result ret;

	if (!d || !semaphore || !out)
		return DS_ERR_INVALID_ARGUMENT;
	ret = ds_vk_timeline_value(d, semaphore, &value);
	if (ret)
		return ret;
	t = malloc(sizeof(*t));
	if (!t)
		return DS_ERR_NO_MEMORY;
	*t = (struct timeline){ .device = d, .semaphore = semaphore };
	hook.arg = t;
	ret = ds_fence_create_hooked(value, &hook, out);
	if (ret)
		free(t);
	return ret;
}

/* ------------------------------------------------------------- information */

static bool is_info_size(uint32_t size)
{
	return size == sizeof(struct ds_vulkan_device_info);
}

ds_result ds_vulkan_enumerate_devices(struct ds_vulkan_device_info *out, uint32_t max,
				      uint32_t *count, char *why, size_t why_nbytes)
{
	struct ds_vulkan_device_info *all;
	uint32_t nr = 0;
	ds_result ret;

	if (!count || (max && (!out || !is_info_size(out->size))))
		return DS_ERR_INVALID_ARGUMENT;
	ret = ds_vk_enumerate(&all, &nr, why, why ? why_nbytes : 0);
	if (ret)
		return ret;
	memcpy(out, all, (nr < max ? nr : max) * sizeof(*all));
	*count = nr;
	free(all);
	return DS_OK;
}

ds_result ds_vulkan_get_device_info(struct ds_backend *be, struct ds_vulkan_device_info *out)
{
	struct ds_vulkan_device_info info = DS_VULKAN_DEVICE_INFO_INIT;
	struct ds_vk_device *d = device_of(be);

	if (!d)
		return DS_ERR_INVALID_ARGUMENT;
	ds_vk_describe(d, &info);
	return ds_copy_out(out, &info, sizeof(info), sizeof(info));
}

ds_result ds_vulkan_get_handles(struct ds_backend *be, struct ds_vulkan_handles *out)
{
	struct ds_vulkan_handles handles = DS_VULKAN_HANDLES_INIT;
	struct ds_vk_device *d = device_of(be);

	if (!d)
		return DS_ERR_INVALID_ARGUMENT;
	ds_vk_handles(d, &handles);
	return ds_copy_out(out, &handles, sizeof(handles), sizeof(handles));
}

void ds_vulkan_lock_queue(struct ds_backend *be)
{
	struct ds_vk_device *d = device_of(be);

	if (d)
		ds_vk_lock(d);
}

void ds_vulkan_unlock_queue(struct ds_backend *be)
{
	struct ds_vk_device *d = device_of(be);

	if (d)
		ds_vk_unlock(d);
}

ds_result ds_vulkan_get_stats(struct ds_backend *be, struct ds_vulkan_stats *out)
{
	struct ds_vulkan_stats stats = DS_VULKAN_STATS_INIT;
	struct ds_vk_device *d = device_of(be);

	if (!d)
		return DS_ERR_INVALID_ARGUMENT;
	ds_vk_read_stats(d, &stats);
	return ds_copy_out(out, &stats, sizeof(stats),
			   offsetof(struct ds_vulkan_stats, driver_decodes));
}
