/* SPDX-License-Identifier: MIT */
/* keep.h: the libraries that come with a driver, kept in memory. */
#ifndef DS_DEVICE_VULKAN_KEEP_H
#define DS_DEVICE_VULKAN_KEEP_H

#include <stdint.h>

/* What is in memory; between the two calls only. */
struct ds_vk_libraries {
	uintptr_t *bases;
	unsigned nr, room;
};

/* Before drivers are loaded. */
void ds_vk_note_libraries(struct ds_vk_libraries *before);
/* After: what has come since stays until the process ends. Frees what was noted. */
void ds_vk_keep_new_libraries(struct ds_vk_libraries *before);

#endif /* DS_DEVICE_VULKAN_KEEP_H */
