/* SPDX-License-Identifier: MIT */
/*
 * probe_cuda.c: whether there is a CUDA driver with devices, and the cuFile library.
 */
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "probe.h"
#include "tool.h"

/* The driver API's functions; results are CUresult, 0 for success. */
struct cuda {
	int (*init)(unsigned flags);
	int (*driver_version)(int *version);
	int (*device_count)(int *count);
	int (*device_get)(int *device, int ordinal);
	int (*device_name)(char *name, int room, int device);
	int (*device_memory)(size_t *nbytes, int device);
	int (*error_name)(int error, const char **name);
};

static bool load_functions(struct cuda *cu, void *library)
{
	return probe_function(library, "cuInit", &cu->init) &&
	       probe_function(library, "cuDriverGetVersion", &cu->driver_version) &&
	       probe_function(library, "cuDeviceGetCount", &cu->device_count) &&
	       probe_function(library, "cuDeviceGet", &cu->device_get) &&
	       probe_function(library, "cuDeviceGetName", &cu->device_name) &&
	       probe_function(library, "cuDeviceTotalMem_v2", &cu->device_memory) &&
	       probe_function(library, "cuGetErrorName", &cu->error_name);
}

static void explain(struct probe *p, const struct cuda *cu, const char *what, int error)
{
	const char *name = NULL;

	if (cu->error_name(error, &name) != 0 || !name)
		name = "unknown error";
	probe_missing(p, "the CUDA driver library is there, but %s gives %s (%d)", what, name,
		      error);
}

static void add_device(struct probe *p, const struct cuda *cu, int ordinal)
{
	char bytes[TOOL_BYTES_ROOM];
	char name[128] = "?";
	size_t nbytes = 0;
	int device;

	if (cu->device_get(&device, ordinal) != 0)
		return;
	if (cu->device_name(name, sizeof(name), device) != 0)
		strcpy(name, "?");
	if (cu->device_memory(&nbytes, device) != 0)
		nbytes = 0;
	probe_add(p, "devices", "%.100s (%s)", name,
		  tool_format_bytes(nbytes, bytes, sizeof(bytes)));
}

void probe_cuda(struct probe *p)
{
	void *library = probe_library(p, "libcuda.so.1");
	struct cuda cu;
	int version = 0;
	int count = 0;
	int error;

	if (!library)
		return;
	if (!load_functions(&cu, library)) {
		probe_missing(p, "libcuda.so.1 lacks functions of the CUDA driver API");
		return;
	}
	error = cu.init(0);
	if (error) {
		explain(p, &cu, "cuInit", error);
		return;
	}
	error = cu.device_count(&count);
	if (error) {
		explain(p, &cu, "cuDeviceGetCount", error);
		return;
	}
	if (cu.driver_version(&version) == 0)
		probe_add(p, "driver_api", "CUDA %d.%d", version / 1000, version % 1000 / 10);
	for (int i = 0; i < count; i++)
		add_device(p, &cu, i);
	p->is_present = count > 0;
	if (count == 0)
		probe_missing(p, "the CUDA driver is there, but it knows no device");
}

/* CUfileError_t, which cuFile returns by value. */
struct cufile_error {
	int error;
	int cuda_error;
};

void probe_cufile(struct probe *p)
{
	void *library = probe_library(p, "libcufile.so.0");
	struct cufile_error (*get_version)(int *version);
	void (*driver_open)(void);
	int version = 0;

	if (!library)
		return;
	/* Only looked for: opening the driver takes hold of devices. */
	if (!probe_function(library, "cuFileDriverOpen", &driver_open)) {
		probe_missing(p, "libcufile.so.0 lacks cuFileDriverOpen");
		return;
	}
	p->is_present = true;
	if (probe_function(library, "cuFileGetVersion", &get_version) &&
	    get_version(&version).error == 0)
		probe_add(p, "version", "%d.%d", version / 1000, version % 1000 / 10);
	probe_add(p, "nvidia_fs", "%s",
		  access("/proc/driver/nvidia-fs/version", F_OK) == 0
			  ? "kernel module loaded"
			  : "kernel module not loaded: cuFile works in its compatibility mode");
}
