/* SPDX-License-Identifier: MIT */
/* memory.c: the C library's memory, as an allocator. */
#include "codec/gdeflate/memory.h"

#include <stdlib.h>

static void *alloc_from_library(void *user, size_t nbytes, size_t alignment)
{
	(void)user;
	return aligned_alloc(alignment, (nbytes + alignment - 1) & ~(alignment - 1));
}

static void free_to_library(void *user, void *memory)
{
	(void)user;
	free(memory);
}

struct ds_gdeflate_allocator ds_gd_allocator(const struct ds_gdeflate_allocator *given)
{
	static const struct ds_gdeflate_allocator library = {
		.alloc = alloc_from_library,
		.free = free_to_library,
	};

	return given ? *given : library;
}
