/* SPDX-License-Identifier: MIT */
/*
 * staging.h: the staging budget. One mapping of fixed size, handed out in runs of
 * slabs. Guarded by the pipeline's lock.
 */
#ifndef DS_CORE_STAGING_H
#define DS_CORE_STAGING_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "core/device.h"
#include "ds_runtime.h"

#define DS_STAGING_SLAB_NBYTES 16384u

struct ds_staging {
	struct ds_device *device; /* who made the mapping */
	unsigned char *base;
	size_t nbytes;
	size_t in_use;
	size_t high_water;
	struct ds_arena arena;
};

ds_result ds_staging_init(struct ds_staging *st, struct ds_device *device, size_t nbytes);
void ds_staging_fini(struct ds_staging *st);

/* A run for nbytes, aligned to a slab; NULL when there is none just now. */
void *ds_staging_alloc(struct ds_staging *st, size_t nbytes);
void ds_staging_free(struct ds_staging *st, void *p, size_t nbytes);

#endif /* DS_CORE_STAGING_H */
