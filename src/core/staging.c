/* SPDX-License-Identifier: MIT */
/* staging.c: the budget: one mapping, and an arena of its slabs. */
#include "core/staging.h"

#include <string.h>

#include "base/pages.h"
#include "base/util.h"

static ds_result map(struct ds_device *d, size_t nbytes, void **base)
{
	if (d->ops->staging_map)
		return d->ops->staging_map(d, nbytes, base);
	*base = ds_pages_map(nbytes);
	return *base ? DS_OK : DS_ERR_NO_MEMORY;
}

ds_result ds_staging_init(struct ds_staging *st, struct ds_device *device, size_t nbytes)
{
	void *base;
	ds_result ret;

	memset(st, 0, sizeof(*st));
	st->device = device;
	nbytes = ds_align_down(nbytes, DS_STAGING_SLAB_NBYTES);
	if (!ds_arena_init(&st->arena, nbytes, DS_STAGING_SLAB_NBYTES))
		return DS_ERR_NO_MEMORY;
	ret = map(device, nbytes, &base);
	if (ret) {
		ds_arena_fini(&st->arena);
		return ret;
	}
	st->base = base;
	st->nbytes = nbytes;
	return DS_OK;
}

void ds_staging_fini(struct ds_staging *st)
{
	if (st->device->ops->staging_unmap)
		st->device->ops->staging_unmap(st->device, st->base, st->nbytes);
	else
		ds_pages_unmap(st->base, st->nbytes);
	ds_arena_fini(&st->arena);
}

void *ds_staging_alloc(struct ds_staging *st, size_t nbytes)
{
	uint64_t offset;

	if (!ds_arena_alloc(&st->arena, nbytes, &offset))
		return NULL;
	st->in_use = ds_arena_in_use(&st->arena);
	st->high_water = ds_max_u64(st->high_water, st->in_use);
	return st->base + offset;
}

void ds_staging_free(struct ds_staging *st, void *p, size_t nbytes)
{
	ds_arena_free(&st->arena, (uint64_t)((unsigned char *)p - st->base), nbytes);
	st->in_use = ds_arena_in_use(&st->arena);
}
