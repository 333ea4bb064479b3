/* SPDX-License-Identifier: MIT */
/* vulkan.c: a Vulkan device as a device of the core: put together, attached, described. */
#include "device/vulkan/vulkan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "base/util.h"
#include "device/vulkan/vk.h"

static struct ds_vk_device *from_base(struct ds_device *base)
{
	return ds_container_of(base, struct ds_vk_device, base);
}

static void vk_destroy(struct ds_device *base)
{
	struct ds_vk_device *d = from_base(base);

	ds_vk_targets_fini(d);
	ds_vk_decoder_fini(d);
	ds_vk_close(d);
	free(d->registry.slots);
	for (unsigned i = 0; i < DS_VK_MAX_QUEUES; i++)
		pthread_cond_destroy(&d->queues[i].submitted_more);
	pthread_cond_destroy(&d->wake);
	pthread_mutex_destroy(&d->lock);
	pthread_mutex_destroy(&d->queue_lock);
	pthread_mutex_destroy(&d->targets_lock);
	pthread_mutex_destroy(&d->registry.lock);
	free(d);
}

static ds_result vk_staging_map(struct ds_device *base, size_t nbytes, void **out)
{
	struct ds_vk_device *d = from_base(base);

	d->staging_nbytes = nbytes;
	return ds_vk_staging_create(d, nbytes, out);
}

static void vk_staging_unmap(struct ds_device *base, void *staging, size_t nbytes)
{
	ds_vk_staging_destroy(from_base(base), staging, nbytes);
}

/* ------------------------------------------------------------------ attach */

static void stop_completers(struct ds_vk_device *d, unsigned nr)
{
	while (nr)
		ds_vk_completer_stop(&d->queues[--nr]);
}

static ds_result vk_attach(struct ds_device *base, const struct ds_device_env *env)
{
	struct ds_vk_device *d = from_base(base);
	unsigned nr = 0;
	ds_result ret = DS_OK;

	d->env = *env;
	if (d->cfg.decode == DS_VULKAN_DECODE_GPU && !d->can_decode)
		env->log(env->arg, DS_LOG_WARNING, DS_ERR_UNSUPPORTED, 0,
			 "the device lacks what decoding needs: GDeflate is decoded on the CPU");
	while (!ret && nr < d->nr_queues) {
		ret = ds_vk_completer_start(&d->queues[nr]);
		nr += !ret;
	}
	if (!ret)
		ret = ds_vk_submitter_start(d);
	if (ret)
		stop_completers(d, nr);
	return ret;
}

static void vk_detach(struct ds_device *base)
{
	struct ds_vk_device *d = from_base(base);

	ds_vk_submitter_stop(d);
	stop_completers(d, d->nr_queues);
}

static const struct ds_device_ops vk_ops = {
	.name = "vulkan",
	.destroy = vk_destroy,
	.staging_map = vk_staging_map,
	.staging_unmap = vk_staging_unmap,
	.attach = vk_attach,
	.detach = vk_detach,
	.resolve = ds_vk_resolve,
	.release = ds_vk_release,
	.start = ds_vk_start,
	.decode_eta_ns = ds_vk_decode_eta_ns,
};

/* ------------------------------------------------------------------ create */

static bool is_config(const struct ds_vulkan_config *cfg)
{
	if (cfg->decode < DS_VULKAN_DECODE_AUTO || cfg->decode > DS_VULKAN_DECODE_GPU ||
	    cfg->path < DS_VULKAN_PATH_AUTO || cfg->path > DS_VULKAN_PATH_STAGED ||
	    cfg->staging < DS_VULKAN_STAGING_AUTO || cfg->staging > DS_VULKAN_STAGING_MAPPED ||
	    (cfg->flags & ~(uint32_t)DS_VULKAN_USE_DRIVER_DECODE))
		return false;
	if (!cfg->device)
		return !cfg->instance && !cfg->physical_device && !cfg->compute_queue.queue &&
		       !cfg->transfer_queue.queue;
	return cfg->instance && cfg->physical_device && cfg->compute_queue.queue &&
	       (cfg->features & DS_VULKAN_FEATURE_SYNC) && !cfg->lock_queue == !cfg->unlock_queue;
}

static struct ds_vk_device *alloc_device(const struct ds_vulkan_config *cfg,
					 uint64_t staging_nbytes)
{
	struct ds_vk_device *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->base.ops = &vk_ops;
	d->cfg = *cfg;
	d->staging_nbytes = staging_nbytes;
	d->incoming_end = &d->incoming;
	d->decodes_end = &d->decodes;
	pthread_mutex_init(&d->lock, NULL);
	pthread_mutex_init(&d->queue_lock, NULL);
	pthread_mutex_init(&d->targets_lock, NULL);
	pthread_mutex_init(&d->registry.lock, NULL);
	ds_cond_init(&d->wake);
	for (unsigned i = 0; i < DS_VK_MAX_QUEUES; i++) {
		d->queues[i].unsent_end = &d->queues[i].unsent;
		ds_cond_init(&d->queues[i].submitted_more);
	}
	return d;
}

ds_result ds_vk_device_create(const struct ds_vulkan_config *cfg, uint64_t staging_nbytes,
			      char *why, size_t why_nbytes, struct ds_device **out)
{
	struct ds_vk_device *d;
	ds_result ret;

	if (!is_config(cfg))
		return DS_ERR_INVALID_ARGUMENT;
	d = alloc_device(cfg, staging_nbytes);
	if (!d)
		return DS_ERR_NO_MEMORY;
	ret = ds_vk_open(d, why, why_nbytes);
	if (!ret) {
		ds_vk_probe_direct(d);
		ds_vk_probe_mapped(d);
		if ((d->caps.features & DS_VULKAN_FEATURE_IMPORT) && !ds_vk_can_import(d))
			d->caps.features &= ~(uint32_t)DS_VULKAN_FEATURE_IMPORT;
		ret = ds_vk_decoder_init(d);
		if (ret)
			snprintf(why, why_nbytes, "%s: the decoder cannot be made: %s",
				 d->caps.properties.deviceName,
				 ret == DS_ERR_NO_MEMORY ? "no memory" : "the driver refuses");
	}
	if (ret) {
		vk_destroy(&d->base);
		return ret;
	}
	*out = &d->base;
	return DS_OK;
}

struct ds_vk_device *ds_vk_device_from(struct ds_device *device)
{
	return device->ops == &vk_ops ? from_base(device) : NULL;
}

bool ds_vk_staging_takes_direct(const struct ds_vk_device *d)
{
	const VkPhysicalDeviceMemoryProperties *m = &d->caps.memory;
	const VkMemoryPropertyFlags cached = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
					     VK_MEMORY_PROPERTY_HOST_COHERENT_BIT |
					     VK_MEMORY_PROPERTY_HOST_CACHED_BIT;

	if ((d->caps.features & DS_VULKAN_FEATURE_IMPORT) &&
	    d->cfg.staging != DS_VULKAN_STAGING_MAPPED)
		return true;
	/* Mapped staging memory is of one of these types: of all of them, to be sure. */
	for (uint32_t i = 0; i < m->memoryTypeCount; i++) {
		if ((m->memoryTypes[i].propertyFlags & cached) == cached &&
		    !(d->direct_types >> i & 1))
			return false;
	}
	return d->direct_types;
}

/* ---------------------------------------------------------------- describe */

ds_result ds_vk_timeline_value(struct ds_vk_device *d, VkSemaphore timeline, uint64_t *value)
{
	return ds_vk_result(d->vk.GetSemaphoreCounterValue(d->device, timeline, value));
}

ds_result ds_vk_raise(struct ds_vk_device *d, VkSemaphore timeline, uint64_t value)
{
	const VkSemaphoreSignalInfo info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO,
		.semaphore = timeline,
		.value = value,
	};
	uint64_t now;
	VkResult result = d->vk.GetSemaphoreCounterValue(d->device, timeline, &now);

	if (!result && now < value)
		result = d->vk.SignalSemaphore(d->device, &info);
	return ds_vk_result(result);
}

void ds_vk_describe(struct ds_vk_device *d, struct ds_vulkan_device_info *info)
{
	ds_vk_describe_caps(&d->caps, info);
	info->path = d->cfg.path;
	info->staging =
		d->staging_is_imported ? DS_VULKAN_STAGING_IMPORTED : DS_VULKAN_STAGING_MAPPED;
	info->decode = d->can_decode ? d->cfg.decode : DS_VULKAN_DECODE_CPU;
	info->decode_is_native = d->can_decode && d->is_native;
	info->mapped_max_nbytes = d->mapped_max_nbytes;
	info->nr_compute_queues = d->nr_compute;
	info->nr_transfer_queues = d->nr_queues - d->nr_compute;
	for (uint32_t i = 0; i < d->caps.memory.memoryTypeCount; i++) {
		if ((d->direct_types >> i & 1) && (d->caps.memory.memoryTypes[i].propertyFlags &
						   VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT))
			info->takes_direct = 1;
	}
}

void ds_vk_handles(struct ds_vk_device *d, struct ds_vulkan_handles *h)
{
	h->families[h->nr_families++] = d->caps.compute_family;
	if (d->caps.transfer_family != DS_VULKAN_NO_FAMILY &&
	    d->caps.transfer_family != d->caps.compute_family)
		h->families[h->nr_families++] = d->caps.transfer_family;
	h->instance = d->instance;
	h->physical_device = d->caps.physical;
	h->device = d->device;
	h->queue = d->queues[0].queue;
	h->queue_family = d->queues[0].family;
	h->get_instance_proc_addr = d->vk.GetInstanceProcAddr;
}

static uint64_t load(_Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void ds_vk_read_stats(struct ds_vk_device *d, struct ds_vulkan_stats *stats)
{
	struct ds_vk_counters *n = &d->counters;

	stats->submits = load(&n->submits);
	stats->copies = load(&n->copies);
	stats->copied_nbytes = load(&n->copied_nbytes);
	stats->decodes = load(&n->decodes);
	stats->decoded_nbytes = load(&n->decoded_nbytes);
	stats->tiles = load(&n->tiles);
	stats->dispatches_few = load(&n->few);
	stats->dispatches_many = load(&n->many);
	stats->device_memory_nbytes = load(&n->memory_nbytes);
	stats->mapped_targets = load(&n->mapped_targets);
	stats->staged_targets = load(&n->staged_targets);
	stats->driver_decodes = load(&n->driver_decodes);
	stats->driver_decoded_nbytes = load(&n->driver_decoded_nbytes);
}

uint64_t ds_vk_image_nbytes(const struct ds_vulkan_image_detail *detail)
{
	struct ds_vk_image image;

	return ds_vk_image_init(&image, detail) ? image.nbytes : 0;
}
