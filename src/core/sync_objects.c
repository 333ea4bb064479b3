/* SPDX-License-Identifier: MIT */
/* sync_objects.c: status arrays and fences, which outlive their owner while markers refer to them. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/thread.h"
#include "core/fence.h"
#include "core/marker.h"
#include "ds_runtime.h"

/* An entry holds its result, and this bit once it is complete. */
#define ENTRY_COMPLETE (INT64_C(1) << 32)

struct ds_status_array {
	atomic_uint refs;
	uint32_t count;
	_Atomic int64_t entries[];
};

ds_result ds_status_array_create(uint32_t count, struct ds_status_array **out)
{
	struct ds_status_array *a;

	if (!count || !out)
		return DS_ERR_INVALID_ARGUMENT;
	a = calloc(1, sizeof(*a) + (size_t)count * sizeof(a->entries[0]));
	if (!a)
		return DS_ERR_NO_MEMORY;
	atomic_init(&a->refs, 1);
	a->count = count;
	*out = a;
	return DS_OK;
}

void ds_status_array_ref(struct ds_status_array *a)
{
	atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
}

void ds_status_array_destroy(struct ds_status_array *a)
{
	if (a && atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) == 1)
		free(a);
}

bool ds_status_array_has(const struct ds_status_array *a, uint32_t index)
{
	return index < a->count;
}

void ds_status_array_reset(struct ds_status_array *a, uint32_t index)
{
	atomic_store_explicit(&a->entries[index], 0, memory_order_release);
}

void ds_status_array_set(struct ds_status_array *a, uint32_t index, ds_result result)
{
	/* Pairs with the acquire below: who sees the entry complete sees the bytes too. */
	atomic_store_explicit(&a->entries[index], ENTRY_COMPLETE | (int64_t)(uint32_t)result,
			      memory_order_release);
}

static int64_t load_entry(const struct ds_status_array *a, uint32_t index)
{
	/* The cast drops const: C11's atomic loads do not take it. */
	return atomic_load_explicit((_Atomic int64_t *)&a->entries[index], memory_order_acquire);
}

bool ds_status_array_is_complete(const struct ds_status_array *a, uint32_t index)
{
	return a && index < a->count && load_entry(a, index) & ENTRY_COMPLETE;
}

ds_result ds_status_array_result(const struct ds_status_array *a, uint32_t index)
{
	if (!a || index >= a->count)
		return DS_ERR_INVALID_ARGUMENT;
	return (ds_result)(uint32_t)(load_entry(a, index) & UINT32_MAX);
}

struct ds_fence {
	atomic_uint refs;
	pthread_mutex_t lock; /* guards raising the value, and waiting for it */
	pthread_cond_t raised;
	_Atomic uint64_t value;
	struct ds_fence_hook hook;
};

ds_result ds_fence_create(uint64_t initial_value, struct ds_fence **out)
{
	return ds_fence_create_hooked(initial_value, NULL, out);
}

ds_result ds_fence_create_hooked(uint64_t initial_value, const struct ds_fence_hook *hook,
				 struct ds_fence **out)
{
	struct ds_fence *f;

	if (!out)
		return DS_ERR_INVALID_ARGUMENT;
	f = calloc(1, sizeof(*f));
	if (!f)
		return DS_ERR_NO_MEMORY;
	atomic_init(&f->refs, 1);
	atomic_init(&f->value, initial_value);
	pthread_mutex_init(&f->lock, NULL);
	ds_cond_init(&f->raised);
	if (hook)
		f->hook = *hook;
	*out = f;
	return DS_OK;
}

void ds_fence_ref(struct ds_fence *f)
{
	atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
}

void ds_fence_destroy(struct ds_fence *f)
{
	if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (f->hook.gone)
		f->hook.gone(f->hook.arg);
	pthread_cond_destroy(&f->raised);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

uint64_t ds_fence_value(const struct ds_fence *f)
{
	return atomic_load_explicit((_Atomic uint64_t *)&f->value, memory_order_acquire);
}

void ds_fence_signal(struct ds_fence *f, uint64_t value)
{
	pthread_mutex_lock(&f->lock);
	if (value > atomic_load_explicit(&f->value, memory_order_relaxed)) {
		atomic_store_explicit(&f->value, value, memory_order_release);
		pthread_cond_broadcast(&f->raised);
		if (f->hook.raised)
			f->hook.raised(f->hook.arg, value);
	}
	pthread_mutex_unlock(&f->lock);
}

ds_result ds_fence_wait(struct ds_fence *f, uint64_t value, uint64_t timeout_ns)
{
	uint64_t deadline = ds_deadline_ns(timeout_ns);
	bool in_time = true;

	pthread_mutex_lock(&f->lock);
	while (atomic_load_explicit(&f->value, memory_order_relaxed) < value && in_time)
		in_time = ds_cond_wait_until(&f->raised, &f->lock, deadline);
	if (atomic_load_explicit(&f->value, memory_order_relaxed) >= value)
		in_time = true;
	pthread_mutex_unlock(&f->lock);
	return in_time ? DS_OK : DS_ERR_TIMEOUT;
}
