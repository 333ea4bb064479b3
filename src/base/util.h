/* SPDX-License-Identifier: MIT */
/* util.h: the few macros that everything uses. */
#ifndef DS_BASE_UTIL_H
#define DS_BASE_UTIL_H

#include <stddef.h>
#include <stdint.h>

#define ds_container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define DS_ARRAY_SIZE(a)		   (sizeof(a) / sizeof((a)[0]))

static inline uint64_t ds_min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t ds_max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* align is a power of two. */
static inline uint64_t ds_align_down(uint64_t v, uint64_t align)
{
	return v & ~(align - 1);
}

static inline uint64_t ds_align_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

#endif /* DS_BASE_UTIL_H */
