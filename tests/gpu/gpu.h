/* SPDX-License-Identifier: MIT */
/*
 * gpu.h: just enough of Vulkan to run the tile decoder: a device, memory, one pipeline.
 *
 * The loader is opened at run time. Failures end the program with a message: this is
 * for tests and benchmarks only. One thread.
 */
#ifndef DS_TESTS_GPU_H
#define DS_TESTS_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

struct gpu;

/* How the shader is specialized where it has subgroups of 32. All 0: as is good for few tiles. */
struct gpu_shape {
	uint32_t nr_subgroups;
	uint32_t litlen_bits, dist_bits;
	uint32_t batch;
};

struct gpu_options {
	const char *device;  /* part of its name; NULL: the first that will do */
	const char *shader;  /* file of SPIR-V; NULL: the one that is built in */
	bool has_validation; /* layers on; their messages are counted */
	bool is_emulated;    /* do without subgroups of 32 even if the device has them */
	struct gpu_shape shape;
};

enum gpu_memory_kind {
	GPU_MEMORY_HOST,   /* mapped, cached if possible */
	GPU_MEMORY_DEVICE, /* not mapped */
};

struct gpu_memory {
	VkBuffer buffer;
	VkDeviceMemory memory;
	uint64_t address; /* for shaders */
	uint8_t *host;	  /* NULL if not mapped */
	size_t nbytes;
};

/* One tile, as the shader reads it. */
struct gpu_tile {
	uint64_t src, dst;
	uint32_t src_nbytes, dst_nbytes;
};

/* NULL if there is no Vulkan, or no device that has what the shader needs: says so on stderr. */
struct gpu *gpu_create(const struct gpu_options *options);
void gpu_destroy(struct gpu *g);

const char *gpu_device_name(const struct gpu *g);
bool gpu_is_native(const struct gpu *g);
uint32_t gpu_subgroup_size(const struct gpu *g);
unsigned gpu_nr_messages(const struct gpu *g); /* of the validation layers */
void gpu_print_pipeline(struct gpu *g);	       /* what the driver tells: registers, ... */

struct gpu_memory gpu_memory_create(struct gpu *g, enum gpu_memory_kind kind, size_t nbytes);
/*
 * Host memory given to the device; its pages may be protected afterwards. False where the device
 * cannot do that, or does it in a way that protection would not be noticed.
 */
bool gpu_memory_import(struct gpu *g, void *host, size_t nbytes, struct gpu_memory *out);
void gpu_memory_destroy(struct gpu *g, struct gpu_memory *m);
void gpu_copy(struct gpu *g, const struct gpu_memory *to, size_t to_offset,
	      const struct gpu_memory *from, size_t from_offset, size_t nbytes);

/*
 * Decodes nr tiles from tables[first] on, and waits. Returns the nanoseconds that it took by
 * the device's own clock.
 */
double gpu_decode(struct gpu *g, const struct gpu_memory *table, const struct gpu_memory *status,
		  uint32_t first, uint32_t nr);

#endif /* DS_TESTS_GPU_H */
