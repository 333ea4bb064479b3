/* SPDX-License-Identifier: MIT */
/*
 * device.c: a CUDA device found and made, its staging memory, and what it accepts as a target.
 *
 * A context takes some tenths of a second to make, and staging memory some hundredths to be
 * there, so the first is done on a thread of its own while the caller does the second.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/pages.h"
#include "base/thread.h"
#include "base/util.h"
#include "device/cuda/cuda_priv.h"
#include "device/host.h"

#define MPOL_PREFERRED 1
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

ds_result ds_cuda_result(cuda_result code)
{
	switch (code) {
	case CUDA_SUCCESS:
		return DS_OK;
	case CUDA_ERROR_INVALID_VALUE:
		return DS_ERR_BAD_ADDRESS;
	case CUDA_ERROR_OUT_OF_MEMORY:
		return DS_ERR_NO_MEMORY;
	case CUDA_ERROR_NO_DEVICE:
	case CUDA_ERROR_INVALID_DEVICE:
	case CUDA_ERROR_NO_BINARY:
		return DS_ERR_UNAVAILABLE;
	default:
		return DS_ERR_IO;
	}
}

void ds_cuda_log(struct cuda_device *d, int32_t level, ds_result result, cuda_result code,
		 const char *format, ...)
{
	char message[200];
	va_list args;

	if (!d->env.log)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	d->env.log(d->env.arg, level, result, code, message);
}

/* ------------------------------------------------------------------ looking */

static void look_at_device(const struct cuda_driver *cu, cuda_ordinal ordinal,
			   struct ds_cuda_info *info)
{
	int major = 0, minor = 0, node = -1;
	size_t nbytes = 0;

	if (cu->device_name(info->name, sizeof(info->name), ordinal))
		info->name[0] = '\0';
	if (cu->device_bus_id(info->bus_id, sizeof(info->bus_id), ordinal))
		info->bus_id[0] = '\0';
	info->name[sizeof(info->name) - 1] = '\0';
	info->bus_id[sizeof(info->bus_id) - 1] = '\0';
	if (!cu->device_memory(&nbytes, ordinal))
		info->nbytes = nbytes;
	if (!cu->device_attribute(&major, CUDA_ATTRIBUTE_MAJOR, ordinal) &&
	    !cu->device_attribute(&minor, CUDA_ATTRIBUTE_MINOR, ordinal))
		info->compute_capability = 10 * major + minor;
	if (cu->device_attribute(&info->nr_multiprocessors, CUDA_ATTRIBUTE_MULTIPROCESSORS,
				 ordinal))
		info->nr_multiprocessors = 1;
	/* Older drivers do not know this one. */
	info->numa_node =
		cu->device_attribute(&node, CUDA_ATTRIBUTE_NUMA_NODE, ordinal) ? -1 : node;
}

static void look_failed(struct ds_cuda_info *info, enum ds_cuda_state state, cuda_result code,
			const struct cuda_driver *cu, const char *what)
{
	char name[64];

	info->state = state;
	info->code = code;
	snprintf(info->why, sizeof(info->why), "%s gives %s", what,
		 ds_cuda_error_name(cu, code, name, sizeof(name)));
}

void ds_cuda_look(const struct ds_cuda_settings *set, struct cuda_driver *cu, cuda_ordinal *ordinal,
		  struct ds_cuda_info *info)
{
	static const enum ds_cuda_state states[] = {
		[CUDA_LOADED] = DS_CUDA_READY,
		[CUDA_NO_LIBRARY] = DS_CUDA_NO_LIBRARY,
		[CUDA_BAD_LIBRARY] = DS_CUDA_BAD_LIBRARY,
		[CUDA_NO_DRIVER] = DS_CUDA_NO_DRIVER,
	};
	cuda_result code;

	memset(info, 0, sizeof(*info));
	info->numa_node = -1;
	info->state = states[ds_cuda_driver_load(cu, set->library, &info->code, info->why,
						 sizeof(info->why))];
	if (info->state == DS_CUDA_NO_DRIVER && info->code == CUDA_ERROR_NO_DEVICE)
		info->state = DS_CUDA_NO_DEVICE;
	if (info->state != DS_CUDA_READY)
		return;
	if (cu->driver_version(&info->version))
		info->version = 0;
	code = cu->device_count(&info->nr_devices);
	if (code) {
		look_failed(info, DS_CUDA_NO_DEVICE, code, cu, "cuDeviceGetCount");
		return;
	}
	if (set->device < 0 || set->device >= info->nr_devices) {
		info->state = DS_CUDA_NO_DEVICE;
		snprintf(info->why, sizeof(info->why),
			 "there is no CUDA device %d: the driver shows %d (see "
			 "CUDA_VISIBLE_DEVICES)",
			 set->device, info->nr_devices);
		return;
	}
	code = cu->device_get(ordinal, set->device);
	if (code)
		look_failed(info, DS_CUDA_FAILED, code, cu, "cuDeviceGet");
	else
		look_at_device(cu, *ordinal, info);
}

/* ------------------------------------------------------------------ context */

static void *context_main(void *arg)
{
	struct cuda_device *d = arg;

	d->context_result = d->driver.context_retain(&d->context, d->ordinal);
	return NULL;
}

/* Begins it on a thread, or does it here. */
static void begin_context(struct cuda_device *d)
{
	d->is_making_context =
		!ds_thread_start(&d->context_thread, "ds-cuda-init", context_main, d);
	if (!d->is_making_context)
		context_main(d);
}

cuda_result ds_cuda_need_context(struct cuda_device *d)
{
	cuda_result code;

	pthread_mutex_lock(&d->context_lock);
	if (d->is_making_context)
		pthread_join(d->context_thread, NULL);
	d->is_making_context = false;
	code = d->context_result;
	pthread_mutex_unlock(&d->context_lock);
	return code;
}

cuda_result ds_cuda_enter(struct cuda_device *d)
{
	return d->driver.context_push(d->context);
}

void ds_cuda_leave(struct cuda_device *d)
{
	cuda_context mine;

	d->driver.context_pop(&mine);
}

int ds_cuda_enter_thread(struct ds_device *base)
{
	struct cuda_device *d = cuda_device_of(base);

	return ds_cuda_need_context(d) || d->driver.context_set(d->context) ? -EIO : 0;
}

/* ---------------------------------------------------------- staging memory */

/* On the device's node, if there is a choice. Only a wish. */
static void prefer_node(void *p, size_t nbytes, int node)
{
	unsigned long mask[16] = { 0 };
	unsigned bits = 8 * sizeof(mask[0]);

	if (node < 0 || (unsigned)node >= DS_ARRAY_SIZE(mask) * bits)
		return;
	mask[(unsigned)node / bits] = 1ul << ((unsigned)node % bits);
	if (syscall(SYS_mbind, p, nbytes, MPOL_PREFERRED, mask, DS_ARRAY_SIZE(mask) * bits, 0))
		return;
}

/* Of the device's node; and there already, not at first use. */
static void *map_pages(size_t nbytes, int node)
{
	void *p = ds_pages_map(nbytes);

	if (!p)
		return NULL;
	prefer_node(p, nbytes, node);
	if (madvise(p, nbytes, MADV_POPULATE_WRITE))
		memset(p, 0, nbytes);
	return p;
}

/* By the driver: slower to get, but the only way where memory of others cannot be registered. */
static cuda_result allocate_staging(struct cuda_device *d, size_t nbytes, void **base)
{
	cuda_result code = d->driver.host_alloc(base, nbytes, CUDA_HOST_PORTABLE);

	d->is_allocated = !code;
	return code;
}

static ds_result pin_staging(struct cuda_device *d, size_t nbytes, void **base)
{
	void *p = *base;
	cuda_result code = ds_cuda_enter(d);

	if (code)
		return ds_cuda_result(code);
	code = d->driver.host_register(p, nbytes, CUDA_HOST_PORTABLE);
	d->is_pinned = !code;
	if (code && !allocate_staging(d, nbytes, base)) {
		ds_pages_unmap(p, nbytes);
		d->is_pinned = true;
	}
	ds_cuda_leave(d);
	return DS_OK;
}

static ds_result cuda_staging_map(struct ds_device *base, size_t nbytes, void **out)
{
	struct cuda_device *d = cuda_device_of(base);
	void *p = map_pages(nbytes, d->info.numa_node);
	cuda_result code = ds_cuda_need_context(d);
	ds_result ret = code ? DS_ERR_UNAVAILABLE : DS_OK;

	if (!p)
		return DS_ERR_NO_MEMORY;
	if (!ret)
		ret = pin_staging(d, nbytes, &p);
	if (ret) {
		ds_pages_unmap(p, nbytes);
		return ret;
	}
	d->staging = p;
	d->staging_nbytes = nbytes;
	*out = p;
	return DS_OK;
}

static void cuda_staging_unmap(struct ds_device *base, void *p, size_t nbytes)
{
	struct cuda_device *d = cuda_device_of(base);

	if (d->is_pinned && !ds_cuda_enter(d)) {
		if (d->is_allocated)
			d->driver.host_free(p);
		else
			d->driver.host_unregister(p);
		ds_cuda_leave(d);
	}
	if (!d->is_allocated)
		ds_pages_unmap(p, nbytes);
}

/* ------------------------------------------------------------------ targets */

/* Whether an address is of a device's memory; asked first, since a wrong one may end the context. */
static bool is_device_memory(struct cuda_device *d, uint64_t address)
{
	unsigned type = 0;

	return !d->driver.pointer_attribute(&type, CUDA_POINTER_TYPE, address) &&
	       type == CUDA_POINTER_DEVICE;
}

static ds_result check_memory(struct cuda_device *d, uint64_t address, uint64_t nbytes)
{
	bool is_good;

	if (!nbytes)
		return DS_OK;
	if (ds_cuda_enter(d))
		return DS_ERR_IO;
	is_good = is_device_memory(d, address) && is_device_memory(d, address + nbytes - 1);
	ds_cuda_leave(d);
	return is_good ? DS_OK : DS_ERR_BAD_ADDRESS;
}

static ds_result cuda_resolve(struct ds_device *base, const struct ds_location *loc,
			      uint64_t nbytes, bool is_source, struct ds_target *target)
{
	struct cuda_device *d = cuda_device_of(base);
	uint64_t address = loc->object + loc->offset;
	ds_result ret;

	if (loc->kind == DS_LOCATION_NONE)
		return DS_ERR_INVALID_ARGUMENT;
	if (loc->kind != d->set.kind)
		return loc->kind == DS_LOCATION_MEMORY ? ds_host_resolve(loc, nbytes, target)
						       : DS_ERR_UNSUPPORTED;
	if ((!loc->object && nbytes) || loc->detail)
		return DS_ERR_INVALID_ARGUMENT;
	if (address < loc->object || nbytes > UINT64_MAX - address)
		return DS_ERR_OUT_OF_RANGE;
	ret = check_memory(d, address, nbytes);
	if (ret)
		return ret;
	*target = (struct ds_target){
		.object = loc->object,
		.offset = loc->offset,
		.nbytes = nbytes,
		.peer_address = d->peer.is_ready && !is_source ? address : 0,
	};
	return DS_OK;
}

/* ------------------------------------------------------- making, destroying */

static void cuda_destroy(struct ds_device *base)
{
	struct cuda_device *d = cuda_device_of(base);

	if (!ds_cuda_need_context(d))
		d->driver.context_release(d->ordinal);
	pthread_mutex_destroy(&d->decoder.copy_lock);
	pthread_mutex_destroy(&d->decoder.lock);
	pthread_cond_destroy(&d->wake);
	pthread_mutex_destroy(&d->lock);
	pthread_mutex_destroy(&d->context_lock);
	free(d);
}

static const struct ds_device_ops cuda_ops = {
	.name = "cuda",
	.destroy = cuda_destroy,
	.staging_map = cuda_staging_map,
	.staging_unmap = cuda_staging_unmap,
	.attach = ds_cuda_attach,
	.detach = ds_cuda_detach,
	.chunk_nbytes = ds_cuda_chunk_nbytes,
	.resolve = cuda_resolve,
	.start = ds_cuda_start,
	.decode_eta_ns = ds_cuda_decode_eta_ns,
};

bool ds_cuda_is(const struct ds_device *d)
{
	return d->ops == &cuda_ops;
}

const struct ds_cuda_info *ds_cuda_info(struct ds_device *d)
{
	return &cuda_device_of(d)->info;
}

int ds_cuda_number(struct ds_device *d)
{
	return cuda_device_of(d)->set.device;
}

const struct ds_cuda_chunk *ds_cuda_chunk(struct ds_device *d)
{
	return &cuda_device_of(d)->chunk;
}

void ds_cuda_set_peer(struct ds_device *d, const struct ds_cuda_peer *peer)
{
	cuda_device_of(d)->peer = *peer;
}

const struct ds_cuda_peer *ds_cuda_peer(struct ds_device *d)
{
	return &cuda_device_of(d)->peer;
}

void ds_cuda_note(struct ds_device *d, const char *message)
{
	ds_cuda_log(cuda_device_of(d), DS_LOG_INFO, DS_OK, 0, "%s", message);
}

ds_result ds_cuda_create(const struct ds_cuda_settings *set, struct ds_cuda_info *info,
			 struct ds_device **out)
{
	struct cuda_device *d = calloc(1, sizeof(*d));

	if (!d)
		return DS_ERR_NO_MEMORY;
	d->base.ops = &cuda_ops;
	d->set = *set;
	ds_cuda_look(set, &d->driver, &d->ordinal, &d->info);
	*info = d->info;
	if (d->info.state != DS_CUDA_READY) {
		free(d);
		return DS_ERR_UNAVAILABLE;
	}
	pthread_mutex_init(&d->context_lock, NULL);
	pthread_mutex_init(&d->lock, NULL);
	pthread_mutex_init(&d->decoder.lock, NULL);
	pthread_mutex_init(&d->decoder.copy_lock, NULL);
	ds_cond_init(&d->wake);
	begin_context(d);
	*out = &d->base;
	return DS_OK;
}
