/* SPDX-License-Identifier: MIT */
/* arena.h: runs of slabs in a range of memory that is only known by offsets. Not thread-safe. */
#ifndef DS_BASE_ARENA_H
#define DS_BASE_ARENA_H

#include <stdbool.h>
#include <stdint.h>

struct ds_arena {
	uint8_t *used;
	uint64_t slab_nbytes;
	uint32_t nr_slabs;
	uint32_t nr_used;
	uint32_t hint; /* where to look first: what was freed last is still in the caches */
};

/* False: no memory. */
bool ds_arena_init(struct ds_arena *a, uint64_t nbytes, uint64_t slab_nbytes);
void ds_arena_fini(struct ds_arena *a);
/* False: no room now. If nothing is in use, nbytes up to the arena's size succeed. */
bool ds_arena_alloc(struct ds_arena *a, uint64_t nbytes, uint64_t *offset);
void ds_arena_free(struct ds_arena *a, uint64_t offset, uint64_t nbytes);
static inline uint64_t ds_arena_in_use(const struct ds_arena *a)
{
	return a->nr_used * a->slab_nbytes;
}

#endif /* DS_BASE_ARENA_H */
