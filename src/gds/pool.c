/* SPDX-License-Identifier: MIT */
/* pool.c: device memory (or, without a device, host memory) up to a limit. */
#include <stdlib.h>

#include "gds/internal.h"

/* What the driver aligns to by itself. */
#define DEVICE_ALIGNMENT 512u

void ds_pool_init(struct ds_pool *p, struct ds_backend *be, bool is_host, uint64_t alignment,
		  uint64_t limit)
{
	p->be = be;
	p->is_host = is_host;
	p->alignment = alignment;
	p->limit = limit;
	pthread_mutex_init(&p->lock, NULL);
}

static void give_back(struct ds_pool *p, struct ds_pool_block *b)
{
	if (p->is_host)
		free((void *)(uintptr_t)b->base);
	else
		ds_gds_memory_free(p->be, b->base);
	free(b);
}

void ds_pool_fini(struct ds_pool *p)
{
	for (unsigned i = 0; i < DS_POOL_BUCKETS; i++) {
		struct ds_pool_block *b, *next;

		for (b = p->buckets[i]; b; b = next) {
			next = b->next;
			give_back(p, b);
		}
	}
	pthread_mutex_destroy(&p->lock);
}

static struct ds_pool_block **bucket_of(struct ds_pool *p, uint64_t address)
{
	return &p->buckets[(address >> 9) * UINT64_C(0x9e3779b97f4a7c15) >> 54];
}

/* Taken from the limit before the device is asked, so that it holds at all times. */
static bool reserve(struct ds_pool *p, uint64_t nbytes)
{
	bool fits;

	pthread_mutex_lock(&p->lock);
	fits = !p->limit || (nbytes <= p->limit && p->in_use <= p->limit - nbytes);
	if (fits)
		p->in_use += nbytes;
	if (p->in_use > p->high_water)
		p->high_water = p->in_use;
	pthread_mutex_unlock(&p->lock);
	return fits;
}

static void unreserve(struct ds_pool *p, uint64_t nbytes)
{
	pthread_mutex_lock(&p->lock);
	p->in_use -= nbytes;
	pthread_mutex_unlock(&p->lock);
}

static ds_result get(struct ds_pool *p, struct ds_pool_block *b)
{
	ds_result ret;

	if (p->is_host) {
		void *data = aligned_alloc(p->alignment, b->nbytes);

		b->base = (uintptr_t)data;
		b->address = b->base;
		return data ? DS_OK : DS_ERR_NO_MEMORY;
	}
	ret = ds_gds_memory_alloc(p->be, b->nbytes, &b->base);
	if (!ret && b->base % p->alignment) {
		/* Rarely: large ones are aligned. */
		ds_gds_memory_free(p->be, b->base);
		ret = ds_gds_memory_alloc(p->be, b->nbytes + p->alignment - DEVICE_ALIGNMENT,
					  &b->base);
	}
	b->address = ret ? 0 : ds_manager_round_up(b->base, p->alignment);
	return ret;
}

ds_result ds_pool_alloc(struct ds_pool *p, uint64_t nbytes, uint64_t *address)
{
	struct ds_pool_block *b, **bucket;
	ds_result ret;

	if (nbytes > UINT64_MAX / 2)
		return DS_ERR_NO_SPACE;
	nbytes = ds_manager_round_up(nbytes ? nbytes : 1, p->alignment);
	b = calloc(1, sizeof(*b));
	if (!b)
		return DS_ERR_NO_MEMORY;
	b->nbytes = nbytes;
	ret = reserve(p, nbytes) ? DS_OK : DS_ERR_NO_SPACE;
	if (ret) {
		free(b);
		return ret;
	}
	ret = get(p, b);
	if (ret) {
		unreserve(p, nbytes);
		free(b);
		return ret;
	}
	pthread_mutex_lock(&p->lock);
	bucket = bucket_of(p, b->address);
	b->next = *bucket;
	*bucket = b;
	pthread_mutex_unlock(&p->lock);
	*address = b->address;
	return DS_OK;
}

ds_result ds_pool_free(struct ds_pool *p, uint64_t address)
{
	struct ds_pool_block **at, *b;

	pthread_mutex_lock(&p->lock);
	for (at = bucket_of(p, address); *at && (*at)->address != address; at = &(*at)->next)
		;
	b = *at;
	if (b)
		*at = b->next;
	pthread_mutex_unlock(&p->lock);
	if (!b)
		return DS_ERR_NOT_FOUND;
	unreserve(p, b->nbytes);
	give_back(p, b);
	return DS_OK;
}
