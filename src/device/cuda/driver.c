/* SPDX-License-Identifier: MIT */
/* driver.c: libcuda, opened at run time. */
#include "device/cuda/driver.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

#define DEFAULT_LIBRARY "libcuda.so.1"

#define FUNCTION(field, symbol)                             \
	{                                                   \
		symbol, offsetof(struct cuda_driver, field) \
	}

static const struct {
	const char *symbol;
	size_t offset;
} functions[] = {
	FUNCTION(init, "cuInit"),
	FUNCTION(driver_version, "cuDriverGetVersion"),
	FUNCTION(error_name, "cuGetErrorName"),
	FUNCTION(device_count, "cuDeviceGetCount"),
	FUNCTION(device_get, "cuDeviceGet"),
	FUNCTION(device_name, "cuDeviceGetName"),
	FUNCTION(device_bus_id, "cuDeviceGetPCIBusId"),
	FUNCTION(device_memory, "cuDeviceTotalMem_v2"),
	FUNCTION(device_attribute, "cuDeviceGetAttribute"),
	FUNCTION(context_retain, "cuDevicePrimaryCtxRetain"),
	FUNCTION(context_release, "cuDevicePrimaryCtxRelease_v2"),
	FUNCTION(context_set, "cuCtxSetCurrent"),
	FUNCTION(context_push, "cuCtxPushCurrent_v2"),
	FUNCTION(context_pop, "cuCtxPopCurrent_v2"),
	FUNCTION(memory_alloc, "cuMemAlloc_v2"),
	FUNCTION(memory_free, "cuMemFree_v2"),
	FUNCTION(host_alloc, "cuMemHostAlloc"),
	FUNCTION(host_free, "cuMemFreeHost"),
	FUNCTION(host_register, "cuMemHostRegister_v2"),
	FUNCTION(host_unregister, "cuMemHostUnregister"),
	FUNCTION(host_device_address, "cuMemHostGetDevicePointer_v2"),
	FUNCTION(copy_in, "cuMemcpyHtoD_v2"),
	FUNCTION(copy_out, "cuMemcpyDtoH_v2"),
	FUNCTION(copy_in_async, "cuMemcpyHtoDAsync_v2"),
	FUNCTION(copy_out_async, "cuMemcpyDtoHAsync_v2"),
	FUNCTION(pointer_attribute, "cuPointerGetAttribute"),
	FUNCTION(stream_create, "cuStreamCreate"),
	FUNCTION(stream_destroy, "cuStreamDestroy_v2"),
	FUNCTION(stream_synchronize, "cuStreamSynchronize"),
	FUNCTION(event_create, "cuEventCreate"),
	FUNCTION(event_destroy, "cuEventDestroy_v2"),
	FUNCTION(event_record, "cuEventRecord"),
	FUNCTION(event_query, "cuEventQuery"),
	FUNCTION(event_elapsed, "cuEventElapsedTime"),
	FUNCTION(module_load, "cuModuleLoadData"),
	FUNCTION(module_unload, "cuModuleUnload"),
	FUNCTION(module_function, "cuModuleGetFunction"),
	FUNCTION(launch, "cuLaunchKernel"),
};

const char *ds_cuda_error_name(const struct cuda_driver *d, cuda_result code, char *buf,
			       size_t nbytes)
{
	const char *name = NULL;

	if (d->error_name && d->error_name(code, &name) == CUDA_SUCCESS && name)
		snprintf(buf, nbytes, "%s", name);
	else
		snprintf(buf, nbytes, "CUDA error %d", code);
	return buf;
}

static enum cuda_load find_functions(struct cuda_driver *d, const char *path, char *why,
				     size_t why_nbytes)
{
	for (size_t i = 0; i < DS_ARRAY_SIZE(functions); i++) {
		void *symbol = dlsym(d->library, functions[i].symbol);

		if (!symbol) {
			snprintf(why, why_nbytes, "%s has no %s: it is too old, or something else",
				 path, functions[i].symbol);
			return CUDA_BAD_LIBRARY;
		}
		memcpy((char *)d + functions[i].offset, &symbol, sizeof(symbol));
	}
	return CUDA_LOADED;
}

static enum cuda_load init(struct cuda_driver *d, const char *path, cuda_result *code, char *why,
			   size_t why_nbytes)
{
	char name[64];

	*code = d->init(0);
	if (*code == CUDA_SUCCESS)
		return CUDA_LOADED;
	if (*code == CUDA_ERROR_STUB_LIBRARY) {
		snprintf(why, why_nbytes, "%s is the stub for linking, not the driver's library",
			 path);
		return CUDA_BAD_LIBRARY;
	}
	snprintf(why, why_nbytes, "the CUDA driver does not start: cuInit gives %s",
		 ds_cuda_error_name(d, *code, name, sizeof(name)));
	return CUDA_NO_DRIVER;
}

enum cuda_load ds_cuda_driver_load(struct cuda_driver *d, const char *path, cuda_result *code,
				   char *why, size_t why_nbytes)
{
	enum cuda_load ret;

	*code = 0;
	memset(d, 0, sizeof(*d));
	path = path ? path : DEFAULT_LIBRARY;
	d->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!d->library) {
		const char *error = dlerror();

		snprintf(why, why_nbytes, "there is no CUDA driver library: %.180s",
			 error ? error : path);
		return CUDA_NO_LIBRARY;
	}
	ret = find_functions(d, path, why, why_nbytes);
	if (ret == CUDA_LOADED)
		ret = init(d, path, code, why, why_nbytes);
	return ret;
}
