/* SPDX-License-Identifier: MIT */
/*
 * gpu.h: bringing bytes into D3D12 resources, over public D3D12 only.
 *
 * For each device of the program's: a ring of memory that the CPU fills and the GPU reads, a
 * copy queue of our own, and command lists that copy many requests at a time. Ring memory is
 * given back when the GPU has passed a fence of ours. Where the GPU decodes, see decode.h.
 */
#ifndef DSTORAGE_GPU_H
#define DSTORAGE_GPU_H

#include <stdbool.h>

#include "dstorage/include/dstorage.h"

struct gpu;
struct request;
struct share;

/* A piece of the ring, or of a buffer of its own for a request that is too large for it. */
struct gpu_range {
	void *data;
	ID3D12Resource *buffer;
	UINT64 offset; /* in the buffer: a multiple of 4096 */
	UINT64 end;    /* where the ring stands behind it */
	bool is_own_buffer;
	bool is_free;
	struct gpu_range *next; /* in the ring's order */
};

/* The one of this device, with a reference; made when there is none. */
HRESULT gpu_get(ID3D12Device *device, struct gpu **out);
void gpu_put(struct gpu *g);
ID3D12Device *gpu_device(const struct gpu *g);
/* NULL: the runtime does not reach this device. */
struct share *gpu_share(const struct gpu *g);

/* S_FALSE: no room now; when a range is given back, core_kick() tries again. */
HRESULT gpu_take_range(struct gpu *g, UINT64 nbytes, struct gpu_range **out);
void gpu_give_range(struct gpu *g, struct gpu_range *range);

/* What the GPU can decode of GDeflate, g may be NULL; and whether it does so now, if it need not. */
bool gpu_can_decode(const struct gpu *g, UINT64 stream_nbytes, UINT64 nbytes);
bool gpu_wants_decode(struct gpu *g, UINT64 nbytes, bool must);
DSTORAGE_COMPRESSION_SUPPORT gpu_support(const struct gpu *g, DSTORAGE_COMPRESSION_FORMAT format);

/* The request's range has its stream: to be decoded, then copied. By the next gpu_flush_all(). */
void gpu_decode(struct gpu *g, struct request *r);
void gpu_forget_decoded(struct gpu *g, struct request *r);

/* The request's range is filled: to be copied by the next gpu_flush_all(). */
void gpu_copy(struct gpu *g, struct request *r);
void gpu_flush_all(void);

/* Ends requests whose copies have been done. On the thread that waits for fences. */
void gpu_retire_all(void);

/*
 * *value is what gpu_is_past() has to hear before the runtime writes resources that are there
 * now; see share_is_settled(). Then core_kick() wakes who waits.
 */
HRESULT gpu_settle(struct gpu *g, UINT64 *value);
bool gpu_is_past(const struct gpu *g, UINT64 value);

/* Signals a fence of the program's, behind everything that was copied. */
HRESULT gpu_signal(struct gpu *g, ID3D12Fence *fence, UINT64 value);

#endif /* DSTORAGE_GPU_H */
