/* SPDX-License-Identifier: MIT */
/*
 * codec.h: how bytes are decompressed.
 *
 * A codec is a set of functions over memory, without threads or files. It comes
 * in one of two shapes, and the pipeline drives both in windows that fit the
 * staging budget:
 *
 *  - units: the stream begins with a head that tells where independent units lie
 *    (GDeflate tiles). Units are decoded in any order, by many threads.
 *  - stream: the bytes are fed from front to back to one decoder (Zstandard).
 *
 * A codec may have both: a stream in whose head check_head() finds no units is fed.
 *
 * All bytes are untrusted. Results are ds_result numbers.
 */
#ifndef DS_CORE_CODEC_H
#define DS_CORE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ds_runtime.h"

/* The largest head of a stream in units: that of GDeflate. */
#define DS_CODEC_MAX_HEAD_NBYTES (8u + 4u * 65535u)

/* Where one unit lies in the stream and in the output. */
struct ds_codec_unit {
	uint64_t src_offset;
	uint64_t dst_offset;
	uint32_t src_nbytes;
	uint32_t dst_nbytes;
};

struct ds_codec {
	const char *name;
	uint32_t id; /* DS_CODEC_* */

	/*
	 * Per-thread state: one for each decode worker, and one for each stream that is
	 * decoded in windows. Used by one thread at a time.
	 */
	ds_result (*context_create)(void **context);
	void (*context_destroy)(void *context);

	/* Decodes a whole stream at once; dst_nbytes is exactly what it must give. */
	ds_result (*decode)(void *context, const void *src, size_t src_nbytes, void *dst,
			    size_t dst_nbytes);

	/* Units shape; NULL without it. -------------------------------------- */

	/* How many bytes at the stream's beginning check_head() needs, not more than the limit. */
	uint64_t (*head_nbytes)(uint64_t dst_nbytes);
	/*
	 * Checks them against both sizes. After DS_OK unit() may be called. No units and a
	 * stream shape: the stream has to be fed, or decoded as a whole.
	 */
	ds_result (*check_head)(const void *head, size_t head_nbytes, uint64_t src_nbytes,
				uint64_t dst_nbytes, uint32_t *nr_units);
	void (*unit)(const void *head, uint32_t nr_units, uint64_t dst_nbytes, uint32_t index,
		     struct ds_codec_unit *unit);
	ds_result (*decode_unit)(void *context, const void *src, size_t src_nbytes, void *dst,
				 size_t dst_nbytes);

	/* Stream shape; NULL without it. ------------------------------------- */

	/* Begins a stream whose whole output lies at dst; NULL: it will be taken in parts. */
	ds_result (*stream_begin)(void *context, void *dst, size_t dst_nbytes);
	/* Takes all of src. *produced is how many bytes of dst are final so far. */
	ds_result (*stream_feed)(void *context, const void *src, size_t src_nbytes,
				 size_t *produced);
	/*
	 * For output in parts, each of which may be gone when the next is asked for: takes from src and
	 * gives to dst until one of them is used up. The decoder then keeps what it has to look back to
	 * itself: up to 128 MiB, and a stream that asks for more is refused. Once all of src was taken and there is
	 * room left, nothing is held back.
	 */
	ds_result (*stream_part)(void *context, const void *src, size_t src_nbytes, size_t *taken,
				 void *dst, size_t dst_nbytes, size_t *given);
	/* After the last one: DS_OK only if the stream is whole, and produced is dst_nbytes. */
	ds_result (*stream_end)(void *context, size_t produced);
};

#endif /* DS_CORE_CODEC_H */
