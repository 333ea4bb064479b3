/* SPDX-License-Identifier: MIT */
/* memory.h: where coders get their memory. */
#ifndef DS_GDEFLATE_MEMORY_H
#define DS_GDEFLATE_MEMORY_H

#include "ds_gdeflate.h"

enum {
	GD_ALIGNMENT = 64
};

/* The allocator that was given, or for NULL the C library's. */
struct ds_gdeflate_allocator ds_gd_allocator(const struct ds_gdeflate_allocator *given);

static inline void *gd_alloc(const struct ds_gdeflate_allocator *a, size_t nbytes)
{
	return a->alloc(a->user, nbytes, GD_ALIGNMENT);
}

static inline void gd_free(const struct ds_gdeflate_allocator *a, void *memory)
{
	if (memory)
		a->free(a->user, memory);
}

#endif /* DS_GDEFLATE_MEMORY_H */
