/* SPDX-License-Identifier: MIT */
/* staging.c: first-fit runs of slabs in one mapping. */
#include "core/staging.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/util.h"

static ds_result map(struct ds_device *d, size_t nbytes, void **base)
{
	if (d->ops->staging_map)
		return d->ops->staging_map(d, nbytes, base);
	*base = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return *base == MAP_FAILED ? DS_ERR_NO_MEMORY : DS_OK;
}

ds_result ds_staging_init(struct ds_staging *st, struct ds_device *device, size_t nbytes)
{
	void *base;
	ds_result ret;

	memset(st, 0, sizeof(*st));
	st->device = device;
	nbytes = ds_align_down(nbytes, DS_STAGING_SLAB_NBYTES);
	st->nr_slabs = (uint32_t)(nbytes / DS_STAGING_SLAB_NBYTES);
	st->used = calloc(st->nr_slabs, 1);
	if (!st->used)
		return DS_ERR_NO_MEMORY;
	ret = map(device, nbytes, &base);
	if (ret) {
		free(st->used);
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
		munmap(st->base, st->nbytes);
	free(st->used);
}

static uint32_t slabs_for(size_t nbytes)
{
	return (uint32_t)(ds_align_up(nbytes, DS_STAGING_SLAB_NBYTES) / DS_STAGING_SLAB_NBYTES);
}

/* The first run of n free slabs in [from, to); nr_slabs: none. */
static uint32_t find_run(const struct ds_staging *st, uint32_t from, uint32_t to, uint32_t n)
{
	uint32_t len = 0;

	for (uint32_t i = from; i < to; i++) {
		len = st->used[i] ? 0 : len + 1;
		if (len == n)
			return i + 1 - n;
	}
	return st->nr_slabs;
}

void *ds_staging_alloc(struct ds_staging *st, size_t nbytes)
{
	uint32_t n = slabs_for(nbytes), at;

	if (!n || n > st->nr_slabs || (size_t)n * DS_STAGING_SLAB_NBYTES > st->nbytes - st->in_use)
		return NULL;
	at = find_run(st, st->hint, st->nr_slabs, n);
	if (at == st->nr_slabs)
		at = find_run(st, 0, st->nr_slabs, n);
	if (at == st->nr_slabs)
		return NULL;
	memset(st->used + at, 1, n);
	st->hint = at + n < st->nr_slabs ? at + n : 0;
	st->in_use += (size_t)n * DS_STAGING_SLAB_NBYTES;
	if (st->in_use > st->high_water)
		st->high_water = st->in_use;
	return st->base + (size_t)at * DS_STAGING_SLAB_NBYTES;
}

void ds_staging_free(struct ds_staging *st, void *p, size_t nbytes)
{
	uint32_t n = slabs_for(nbytes);
	uint32_t at = (uint32_t)((size_t)((unsigned char *)p - st->base) / DS_STAGING_SLAB_NBYTES);

	memset(st->used + at, 0, n);
	st->in_use -= (size_t)n * DS_STAGING_SLAB_NBYTES;
	st->hint = at;
}
