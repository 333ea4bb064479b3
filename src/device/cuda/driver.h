/* SPDX-License-Identifier: MIT */
/*
 * driver.h: the functions of the CUDA driver library that the runtime calls.
 *
 * Declared here, so that no header of NVIDIA's is needed, and found with dlsym(): where a
 * function was revised, its exported name has a suffix, and so has the one in the table.
 */
#ifndef DS_DEVICE_CUDA_DRIVER_H
#define DS_DEVICE_CUDA_DRIVER_H

#include <stddef.h>
#include <stdint.h>

typedef int cuda_result; /* 0: success */
typedef int cuda_ordinal;
typedef uint64_t cuda_address;
typedef struct cuda_context_opaque *cuda_context;
typedef struct cuda_stream_opaque *cuda_stream;
typedef struct cuda_event_opaque *cuda_event;
typedef struct cuda_module_opaque *cuda_module;
typedef struct cuda_function_opaque *cuda_function;

enum {
	CUDA_SUCCESS = 0,
	CUDA_ERROR_INVALID_VALUE = 1,
	CUDA_ERROR_OUT_OF_MEMORY = 2,
	CUDA_ERROR_STUB_LIBRARY = 34,
	CUDA_ERROR_NO_DEVICE = 100,
	CUDA_ERROR_INVALID_DEVICE = 101,
	CUDA_ERROR_NO_BINARY = 209,
	CUDA_ERROR_NOT_READY = 600,
};

enum {
	CUDA_ATTRIBUTE_MULTIPROCESSORS = 16,
	CUDA_ATTRIBUTE_MAJOR = 75,
	CUDA_ATTRIBUTE_MINOR = 76,
	CUDA_ATTRIBUTE_NUMA_NODE = 134,
};

#define CUDA_HOST_PORTABLE	1u
#define CUDA_HOST_MAPPED	2u
#define CUDA_STREAM_NONBLOCKING 1u
#define CUDA_EVENT_NO_TIMING	2u
#define CUDA_POINTER_TYPE	2 /* attribute */
#define CUDA_POINTER_DEVICE	2 /* its value; 1 is host memory, 4 managed */

struct cuda_driver {
	void *library;
	cuda_result (*init)(unsigned flags);
	cuda_result (*driver_version)(int *version);
	cuda_result (*error_name)(cuda_result error, const char **name);
	cuda_result (*device_count)(int *count);
	cuda_result (*device_get)(cuda_ordinal *device, int index);
	cuda_result (*device_name)(char *name, int room, cuda_ordinal device);
	cuda_result (*device_bus_id)(char *id, int room, cuda_ordinal device);
	cuda_result (*device_memory)(size_t *nbytes, cuda_ordinal device);
	cuda_result (*device_attribute)(int *value, int attribute, cuda_ordinal device);
	cuda_result (*context_retain)(cuda_context *context, cuda_ordinal device);
	cuda_result (*context_release)(cuda_ordinal device);
	cuda_result (*context_set)(cuda_context context);
	cuda_result (*context_push)(cuda_context context);
	cuda_result (*context_pop)(cuda_context *context);
	cuda_result (*memory_alloc)(cuda_address *address, size_t nbytes);
	cuda_result (*memory_free)(cuda_address address);
	cuda_result (*host_alloc)(void **data, size_t nbytes, unsigned flags);
	cuda_result (*host_free)(void *data);
	cuda_result (*host_register)(void *data, size_t nbytes, unsigned flags);
	cuda_result (*host_unregister)(void *data);
	cuda_result (*host_device_address)(cuda_address *address, void *data, unsigned flags);
	cuda_result (*copy_in)(cuda_address to, const void *from, size_t nbytes);
	cuda_result (*copy_out)(void *to, cuda_address from, size_t nbytes);
	cuda_result (*copy_in_async)(cuda_address to, const void *from, size_t nbytes,
				     cuda_stream stream);
	cuda_result (*copy_out_async)(void *to, cuda_address from, size_t nbytes,
				      cuda_stream stream);
	cuda_result (*pointer_attribute)(void *value, int attribute, cuda_address address);
	cuda_result (*stream_create)(cuda_stream *stream, unsigned flags);
	cuda_result (*stream_destroy)(cuda_stream stream);
	cuda_result (*stream_synchronize)(cuda_stream stream);
	cuda_result (*event_create)(cuda_event *event, unsigned flags);
	cuda_result (*event_destroy)(cuda_event event);
	cuda_result (*event_record)(cuda_event event, cuda_stream stream);
	cuda_result (*event_query)(cuda_event event);
	cuda_result (*event_elapsed)(float *ms, cuda_event begin, cuda_event end);
	cuda_result (*module_load)(cuda_module *module, const void *image);
	cuda_result (*module_unload)(cuda_module module);
	cuda_result (*module_function)(cuda_function *function, cuda_module module,
				       const char *name);
	cuda_result (*launch)(cuda_function function, unsigned grid_x, unsigned grid_y,
			      unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
			      unsigned shared_nbytes, cuda_stream stream, void **parameters,
			      void **extra);
};

/* What loading stopped at. */
enum cuda_load {
	CUDA_LOADED,
	CUDA_NO_LIBRARY,
	CUDA_BAD_LIBRARY,
	CUDA_NO_DRIVER,
};

/*
 * Opens the library (NULL: libcuda.so.1) and initialises it. The library stays open for good:
 * it has threads of its own. On failure *why gets a sentence, and *code a cuda_result or 0.
 */
enum cuda_load ds_cuda_driver_load(struct cuda_driver *d, const char *path, cuda_result *code,
				   char *why, size_t why_nbytes);

/* "CUDA_ERROR_OUT_OF_MEMORY", or "CUDA error 12". Never NULL; buf is of 40 bytes at least. */
const char *ds_cuda_error_name(const struct cuda_driver *d, cuda_result code, char *buf,
			       size_t nbytes);

#endif /* DS_DEVICE_CUDA_DRIVER_H */
