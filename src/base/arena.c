/* SPDX-License-Identifier: MIT */
/* arena.c: first-fit runs of slabs. */
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

bool ds_arena_init(struct ds_arena *a, uint64_t nbytes, uint64_t slab_nbytes)
{
	memset(a, 0, sizeof(*a));
	a->slab_nbytes = slab_nbytes;
	a->nr_slabs = (uint32_t)((nbytes + slab_nbytes - 1) / slab_nbytes);
	a->used = calloc(a->nr_slabs, 1);
	return a->used;
}

void ds_arena_fini(struct ds_arena *a)
{
	free(a->used);
	a->used = NULL;
}

static uint32_t slabs_for(const struct ds_arena *a, uint64_t nbytes)
{
	return (uint32_t)((nbytes + a->slab_nbytes - 1) / a->slab_nbytes);
}

/* The first run of n free slabs in [from, to); nr_slabs: none. */
static uint32_t find_run(const struct ds_arena *a, uint32_t from, uint32_t to, uint32_t n)
{
	uint32_t len = 0;

	for (uint32_t i = from; i < to; i++) {
		len = a->used[i] ? 0 : len + 1;
		if (len == n)
			return i + 1 - n;
	}
	return a->nr_slabs;
}

bool ds_arena_alloc(struct ds_arena *a, uint64_t nbytes, uint64_t *offset)
{
	uint32_t n = slabs_for(a, nbytes), at;

	if (!n || n > a->nr_slabs - a->nr_used)
		return false;
	at = find_run(a, a->hint, a->nr_slabs, n);
	if (at == a->nr_slabs)
		at = find_run(a, 0, a->nr_slabs, n);
	if (at == a->nr_slabs)
		return false;
	memset(a->used + at, 1, n);
	a->nr_used += n;
	a->hint = at + n < a->nr_slabs ? at + n : 0;
	*offset = at * a->slab_nbytes;
	return true;
}

void ds_arena_free(struct ds_arena *a, uint64_t offset, uint64_t nbytes)
{
	uint32_t n = slabs_for(a, nbytes);

	a->hint = (uint32_t)(offset / a->slab_nbytes);
	memset(a->used + a->hint, 0, n);
	a->nr_used -= n;
}
