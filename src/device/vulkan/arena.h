/* SPDX-License-Identifier: MIT */
/* arena.h: runs of slabs in a range of memory that is only known by offsets. Not thread-safe. */
#ifndef DS_DEVICE_VULKAN_ARENA_H
#define DS_DEVICE_VULKAN_ARENA_H

#include <stdbool.h>
#include <stdint.h>

struct ds_vk_arena {
	uint8_t *used;
	uint64_t slab_nbytes;
	uint32_t nr_slabs;
	uint32_t nr_used;
	uint32_t hint; /* where to look first */
};

/* False: no memory. */
bool ds_vk_arena_init(struct ds_vk_arena *a, uint64_t nbytes, uint64_t slab_nbytes);
void ds_vk_arena_fini(struct ds_vk_arena *a);
/* False: no room now. If nothing is in use, nbytes up to the arena's size succeed. */
bool ds_vk_arena_alloc(struct ds_vk_arena *a, uint64_t nbytes, uint64_t *offset);
void ds_vk_arena_free(struct ds_vk_arena *a, uint64_t offset, uint64_t nbytes);

#endif /* DS_DEVICE_VULKAN_ARENA_H */
