/* SPDX-License-Identifier: MIT */
/*
 * cuda_priv.h: what a CUDA device is made of.
 *
 * Operations go to lanes: a lane is a stream, and the operations that wait for their turn on
 * it. Who brings operations to a lane starts them there, unless somebody else is just doing
 * that: then that one takes them along. What was started together is a batch, with one event
 * behind it. A thread of the device's looks at the events and reports. Nobody waits for a copy
 * but this thread.
 *
 *	device.c    finding and making the device; staging memory; targets
 *	transfer.c  lanes, batches, the thread
 *	chunk.c     the size of the pieces, measured
 *	decode.c    the kernels: tiles and checksums
 *	memory.c    what programs without CUDA of their own need
 */
#ifndef DS_DEVICE_CUDA_CUDA_PRIV_H
#define DS_DEVICE_CUDA_CUDA_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "device/cuda/cuda.h"

/* More than one lane a direction hides what lies between two copies of the same stream. */
#define FIRST_UPLOAD	0
#define NR_UPLOAD_LANES 4
#define FIRST_FETCH	(FIRST_UPLOAD + NR_UPLOAD_LANES)
#define NR_FETCH_LANES	2
/* Kernels of several streams run at the same time: a window's tiles do not fill a device. */
#define FIRST_DECODE	(FIRST_FETCH + NR_FETCH_LANES)
#define NR_DECODE_LANES 16
#define NR_LANES	(FIRST_DECODE + NR_DECODE_LANES)
#define NR_BATCHES	256
#define MAX_BATCH_OPS	32

struct cuda_batch {
	struct cuda_batch *next;
	cuda_event event;
	bool is_recorded; /* event stands behind the operations */
	cuda_stream stream;
	struct ds_device_op *ops;
	uint64_t nbytes;
};

struct cuda_lane {
	cuda_stream stream;
	/* Guarded by the device's lock: */
	struct ds_device_op *first; /* wait to be started */
	struct ds_device_op *last;
	bool is_submitting;
	struct cuda_batch *in_flight; /* oldest first */
	struct cuda_batch *in_flight_last;
};

enum cuda_decoder_state {
	DECODER_OFF,	/* not built, not wanted, or broken */
	DECODER_IDLE,	/* nobody asked for it yet */
	DECODER_MAKING, /* by a thread of its own */
	DECODER_READY,
};

/* A tile, as the kernel reads it. */
struct cuda_tile {
	uint64_t src;
	uint64_t dst;
	uint32_t src_nbytes;
	uint32_t dst_nbytes;
};

/*
 * The decoder's memory mirrors staging memory: what lies at an offset there is copied to the same
 * offset of scratch. A tile has at least 128 bytes, so an entry of the table for each 128 bytes of
 * staging is enough. Nothing of it is ever allocated, or runs out.
 */
#define TILE_MIN_NBYTES 128u

struct cuda_decoder {
	_Atomic int state; /* enum cuda_decoder_state */
	pthread_t thread;  /* makes it */
	atomic_bool has_thread;
	pthread_mutex_t lock; /* guards the making of the module, and the checksum's memory */
	cuda_module module;
	cuda_function few;
	cuda_function many;
	cuda_function checksum;
	cuda_stream stream;	   /* of checksums and measurements */
	pthread_mutex_t copy_lock; /* guards the next; held while it is waited for */
	cuda_stream copy_stream;
	cuda_address sum; /* the checksum's */
	cuda_address scratch;
	struct cuda_tile *tiles; /* pinned */
	cuda_address tiles_address;
	uint32_t *status; /* pinned; of each tile: 0 decoded */
	cuda_address status_address;
	_Atomic uint64_t nr_tiles; /* in flight */
	_Atomic uint64_t nbytes;   /* they will make */
};

struct cuda_device {
	struct ds_device base;
	struct cuda_driver driver;
	cuda_ordinal ordinal;
	struct ds_cuda_settings set;
	struct ds_cuda_info info;
	struct ds_cuda_peer peer;

	pthread_mutex_t context_lock; /* guards the next four */
	bool is_making_context;
	pthread_t context_thread;
	cuda_result context_result;
	cuda_context context; /* constant once staging memory is mapped */

	void *staging;
	size_t staging_nbytes;
	bool is_pinned;
	bool is_allocated; /* by the driver, not by us */
	struct ds_device_env env;
	struct cuda_lane lanes[NR_LANES];
	struct cuda_batch *batches;
	atomic_uint turn; /* of lanes */
	pthread_t thread;
	bool has_thread;
	struct cuda_decoder decoder;
	struct ds_cuda_chunk chunk; /* constant once the backend is there */
	pthread_t chunk_thread;	    /* measures it, while the backend is made */
	bool has_chunk_thread;
	cuda_result chunk_code; /* why the measurement failed */

	pthread_mutex_t lock; /* guards all below, and the lanes */
	pthread_cond_t wake;
	struct cuda_batch *free_batches;
	unsigned nr_in_flight; /* batches */
	uint64_t nbytes_in_flight;
	bool is_stopping;
};

static inline struct cuda_device *cuda_device_of(struct ds_device *d)
{
	return (struct cuda_device *)(void *)d;
}

/* device.c */
ds_result ds_cuda_result(cuda_result code);
/* The context, made by now, or a failure. */
cuda_result ds_cuda_need_context(struct cuda_device *d);
/* Around calls on threads that may be a caller's, with a context of their own. */
cuda_result ds_cuda_enter(struct cuda_device *d);
void ds_cuda_leave(struct cuda_device *d);
__attribute__((format(printf, 5, 6))) void ds_cuda_log(struct cuda_device *d, int32_t level,
						       ds_result result, cuda_result code,
						       const char *format, ...);

/* transfer.c */
ds_result ds_cuda_attach(struct ds_device *base, const struct ds_device_env *env);
void ds_cuda_detach(struct ds_device *base);
void ds_cuda_start(struct ds_device *base, struct ds_device_op *list);

/* chunk.c */
/* Begins to choose, once there are streams; a device's chunk_nbytes(); and that nobody measures any more. */
void ds_cuda_chunk_begin(struct cuda_device *d);
uint64_t ds_cuda_chunk_nbytes(struct ds_device *base);
void ds_cuda_chunk_end(struct cuda_device *d);

/* decode.c */
void ds_cuda_decoder_init(struct cuda_device *d);
void ds_cuda_decoder_fini(struct cuda_device *d);
/* The module alone; CUDA_ERROR_NO_BINARY without one. */
cuda_result ds_cuda_need_module(struct cuda_device *d);
/* All of it, now. */
cuda_result ds_cuda_make_decoder(struct cuda_device *d);
uint64_t ds_cuda_decode_eta_ns(struct ds_device *base, const struct ds_codec *codec,
			       const struct ds_target *target, uint64_t decoded_nbytes);
/* Puts a DECODE on a stream. */
cuda_result ds_cuda_decode(struct cuda_device *d, struct ds_device_op *op, cuda_stream stream);
/* Once it has run: how. */
ds_result ds_cuda_decode_end(struct cuda_device *d, struct ds_device_op *op);

#endif /* DS_DEVICE_CUDA_CUDA_PRIV_H */
