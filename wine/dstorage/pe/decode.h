/* SPDX-License-Identifier: MIT */
/*
 * decode.h: GDeflate for GPU destinations, decoded by the GPU.
 *
 * The stream is read compressed into the upload ring. From there a compute queue of our own
 * copies it to memory of the GPU's, decodes it into memory of ours, and the copy queue brings
 * that to its destination, as it does with what the CPU has decoded. So a decoder never gets an
 * address of the program's, and what is damaged does not reach a destination where the decoder
 * says so.
 *
 * Jobs are made as requests arrive: each takes as many as are there, up to the size of its memory.
 */
#ifndef DSTORAGE_DECODE_H
#define DSTORAGE_DECODE_H

#include <stdbool.h>

#include "base/list.h"
#include "dstorage/include/dstorage.h"

struct decoder;
struct decode_batch;
struct request;

/* Where a request's decoded bytes are, until they are where they belong. */
struct decode_place {
	struct decode_batch *batch; /* NULL: nowhere */
	ID3D12Resource *buffer;
	UINT64 offset;
	UINT64 value; /* of the decoder's fence when they were there */
};

/* NULL: on this device, or by these settings, the CPU decodes. */
struct decoder *decoder_create(ID3D12Device *device);
/* With nothing under way. */
void decoder_destroy(struct decoder *d);

/* What GetCompressionSupport() says of GDeflate. */
DSTORAGE_COMPRESSION_SUPPORT decoder_support(const struct decoder *d);

/* Whether it could decode a request of this size at all; d may be NULL. */
bool decoder_fits(const struct decoder *d, UINT64 stream_nbytes, UINT64 nbytes);
/* Whether it decodes one of this size now; unless it must, the CPU may do so. Makes its memory. */
bool decoder_wants(struct decoder *d, UINT64 nbytes, bool must);

/* The request's stream is in its range: to be decoded by a job that decoder_flush() makes. */
void decoder_add(struct decoder *d, struct request *r);
/* Starts jobs. What cannot be decoded goes to `failed`, with its result. */
void decoder_flush(struct decoder *d, struct ds_list *failed);
/* Takes jobs that are done: to `decoded` what can be copied from r->decoded, else to `failed`. */
void decoder_retire(struct decoder *d, struct ds_list *decoded, struct ds_list *failed);
/* The decoded bytes are not needed any more. gpu_flush_all() has to follow some time. */
void decoder_forget(struct decoder *d, struct decode_place *place);

/* For a queue to wait for, before it reads what was decoded. */
ID3D12Fence *decoder_fence(const struct decoder *d);

#endif /* DSTORAGE_DECODE_H */
