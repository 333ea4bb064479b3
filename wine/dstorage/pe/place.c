/* SPDX-License-Identifier: MIT */
/* place.c: what happens to bytes between the Unix half and where they belong. */
#include <string.h>

#include "core.h"
#include "custom.h"
#include "gpu.h"
#include "memory.h"
#include "queue.h"
#include "unshuffle.h"

void request_finish(struct request *r, HRESULT hr)
{
	struct queue *q = r->queue;

	AcquireSRWLockExclusive(&q->lock);
	queue_end_request(r, hr);
	queue_fire(q);
	ReleaseSRWLockExclusive(&q->lock);
	/* The queue may be gone by now. */
	core_kick();
}

static void copy_block(struct request *r, void *to)
{
	if (r->transform)
		unshuffle(r->transform, r->block, to, (size_t)r->nbytes);
	else
		memcpy(to, r->block, (size_t)r->nbytes);
}

/* The bytes are decompressed, unless that is the GPU's to do, in the block, the range, or the program's memory. */
static void bring_home(struct request *r)
{
	void *to = r->is_gpu ? r->range->data : r->desc.Destination.Memory.Buffer;

	if (r->block) {
		if (!r->is_gpu && !memory_touch(to, r->nbytes)) {
			request_finish(r, E_DSTORAGE_ACCESS_VIOLATION);
			return;
		}
		copy_block(r, to);
	}
	if (r->is_gpus)
		gpu_decode(r->queue->gpu, r);
	else if (r->is_gpu)
		gpu_copy(r->queue->gpu, r);
	else
		request_finish(r, S_OK);
}

void request_place(struct request *r)
{
	struct queue *q = r->queue;

	if (!r->is_custom) {
		bring_home(r);
		return;
	}
	AcquireSRWLockExclusive(&q->lock);
	custom_offer(r);
	ReleaseSRWLockExclusive(&q->lock);
}

void request_place_custom(struct request *r, HRESULT hr)
{
	if (FAILED(hr))
		request_finish(r, hr);
	else
		bring_home(r);
	gpu_flush_all();
}
