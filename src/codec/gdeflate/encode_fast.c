/* SPDX-License-Identifier: MIT */
/*
 * encode_fast.c: the parser of the fastest level.
 *
 * A greedy parser over one table: each bucket holds the two newest positions with the same
 * hash of four bytes, in one word, so that looking up and inserting are a load and a store. A
 * second table has the newest position of each three bytes. Inside long copies
 * only some positions are inserted, and where nothing matches, not every position is looked at.
 */
#include "codec/gdeflate/encode.h"
#include "codec/gdeflate/encode_match.h"

enum {
	HASH_BITS = 14,
	HASH3_BITS = 13,
	NEAR_ENOUGH = 4096, /* three bytes from farther away cost as much as literals */
	INSERTED = 4,	    /* positions at either end of a copy */
	PATIENCE = 7,	    /* 2^this literals in a row, and some are not looked at */
};

/*
 * Zero is a position, so empty entries need no test: they are compared like others. Only
 * the first position itself is not looked up.
 */
struct fast {
	uint32_t head[1 << HASH_BITS]; /* the newest in the low half */
	uint16_t head3[1 << HASH3_BITS];
};

size_t ds_gd_fast_finder_nbytes(void)
{
	return sizeof(struct fast);
}

static inline uint32_t insert(struct fast *f, uint32_t v, uint32_t at)
{
	uint32_t *bucket = &f->head[gd_hash4(v, HASH_BITS)], before = *bucket;

	*bucket = before << 16 | at;
	f->head3[gd_hash3(v, HASH3_BITS)] = (uint16_t)at;
	return before;
}

static void insert_range(struct fast *f, const uint8_t *in, uint32_t at, uint32_t end)
{
	for (; at < end; at++)
		insert(f, gd_load32(in + at), at);
}

/* What a copy covers; `end` is where the last position with four bytes lies. */
static void insert_copy(struct fast *f, const uint8_t *in, uint32_t at, uint32_t length,
			uint32_t end)
{
	uint32_t after = at + length < end ? at + length : end;

	if (length <= 2 * INSERTED) {
		insert_range(f, in, at + 1, after);
	} else {
		insert_range(f, in, at + 1, at + INSERTED < after ? at + INSERTED : after);
		if (after > at + INSERTED)
			insert_range(f, in,
				     at + length - INSERTED < after ? at + length - INSERTED
								    : after,
				     after);
	}
}

/* The longest match at a position, as a token; 0 if there is none. */
static inline uint32_t find(struct fast *f, const uint8_t *in, uint32_t at, uint32_t nbytes)
{
	uint32_t v = gd_load32(in + at), near3 = f->head3[gd_hash3(v, HASH3_BITS)];
	uint32_t before = insert(f, v, at), newest = before & 0xffff, older = before >> 16;
	uint32_t differs = gd_load32(in + newest) ^ v, older_differs = gd_load32(in + older) ^ v;
	uint32_t length, n;

	if (!differs | !older_differs) {
		uint32_t from = differs ? older : newest;

		length = gd_common_length(in + at, in + from, 4, nbytes - at);
		if (!(differs | older_differs) && older != newest) {
			n = gd_common_length(in + at, in + older, 4, nbytes - at);
			from = n > length ? older : from;
			length = n > length ? n : length;
		}
		return gd_copy_token(length, at - from);
	}
	if (at - near3 <= NEAR_ENOUGH && !((gd_load32(in + near3) ^ v) << 8))
		return gd_copy_token(3, at - near3);
	return 0;
}

void ds_gd_parse_fast(struct ds_gdeflate_encoder *enc, const uint8_t *in, uint32_t nbytes)
{
	struct fast *f = enc->finder;
	uint32_t at = 0, end = nbytes < 4 ? 0 : nbytes - 3, token, copied = 0, skip;
	uint32_t *out = enc->tokens;

	memset(f, 0, sizeof(*f));
	*out++ = in[at++];
	while (at < end) {
		token = find(f, in, at, nbytes);
		if (token) {
			*out++ = token;
			insert_copy(f, in, at, gd_token_length(token), end);
			at += gd_token_length(token);
			copied = at;
			continue;
		}
		*out++ = in[at++];
		for (skip = (at - copied) >> PATIENCE; skip && at < end; skip--)
			*out++ = in[at++];
	}
	while (at < nbytes)
		*out++ = in[at++];
	enc->nr_tokens = (uint32_t)(out - enc->tokens);
}
