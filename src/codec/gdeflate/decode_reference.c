/* SPDX-License-Identifier: MIT */
/*
 * decode_reference.c: a tile decoder that follows the format's text step by step.
 *
 * Nothing is done for speed here. It shares no table and no technique with the fast
 * decoders, so that tests and fuzzers can hold them against it: all must accept the
 * same tiles, with the same bytes.
 */
#include <stdbool.h>

#include "codec/gdeflate/decode.h"
#include "codec/gdeflate/format.h"

/* The 32 lanes, and the words from which they are fed. */
struct reader {
	const uint8_t *in;
	size_t nr_words;
	size_t next;
	uint64_t acc[GD_NR_LANES];
	unsigned cnt[GD_NR_LANES];
	bool starved[GD_NR_LANES]; /* holds a word from past the end */
};

struct output {
	uint8_t *begin;
	size_t nbytes; /* written or reserved */
	size_t room;
};

/* A canonical code: how many codewords of each length, and the symbols in their order. */
struct code {
	uint16_t count[GD_MAX_CODE_BITS + 1];
	uint16_t symbols[GD_NR_LITLEN];
};

/*
 * Words past the end read as zero, so that an encoder may leave out words that nobody
 * uses. Using one is an error. A lane has used a bit of such a word exactly when it asks for
 * another one: until then it still holds 32 bits.
 */
static bool settle(struct reader *r, unsigned lane)
{
	uint32_t word = 0;

	if (r->cnt[lane] >= 32)
		return true;
	if (r->next < r->nr_words) {
		word = gd_load32(r->in + 4 * r->next);
		r->next++;
	} else if (r->starved[lane]) {
		return false;
	} else {
		r->starved[lane] = true;
	}
	r->acc[lane] |= (uint64_t)word << r->cnt[lane];
	r->cnt[lane] += 32;
	return true;
}

static uint32_t take(struct reader *r, unsigned lane, unsigned nbits)
{
	uint32_t v = (uint32_t)(r->acc[lane] & ((UINT64_C(1) << nbits) - 1));

	r->acc[lane] >>= nbits;
	r->cnt[lane] -= nbits;
	return v;
}

/*
 * Builds a code from its lengths. A code must be complete, except that one
 * symbol of length 1 may stand alone, and that a distance code may be empty.
 */
static bool build(struct code *c, const uint8_t *lens, unsigned nr_lens, bool may_be_empty)
{
	uint16_t offset[GD_MAX_CODE_BITS + 1];
	unsigned nr_used = 0;
	int left = 1;

	memset(c, 0, sizeof(*c));
	for (unsigned i = 0; i < nr_lens; i++)
		c->count[lens[i]]++;
	c->count[0] = 0;
	offset[0] = 0;
	for (unsigned n = 1; n <= GD_MAX_CODE_BITS; n++) {
		left = 2 * left - c->count[n];
		if (left < 0)
			return false;
		offset[n] = (uint16_t)nr_used;
		nr_used += c->count[n];
	}
	for (unsigned i = 0; i < nr_lens; i++)
		if (lens[i])
			c->symbols[offset[lens[i]]++] = (uint16_t)i;
	if (left == 0)
		return true;
	return nr_used == 0 ? may_be_empty : nr_used == 1 && c->count[1] == 1;
}

/* The next symbol of a lane, or -1 if the bits are no codeword. */
static int take_symbol(struct reader *r, unsigned lane, const struct code *c)
{
	unsigned code = 0, first = 0, index = 0;

	for (unsigned n = 1; n <= GD_MAX_CODE_BITS; n++) {
		code |= (unsigned)(r->acc[lane] >> (n - 1)) & 1;
		if (code < first + c->count[n]) {
			take(r, lane, n);
			return c->symbols[index + code - first];
		}
		index += c->count[n];
		first = (first + c->count[n]) << 1;
		code <<= 1;
	}
	return -1;
}

static bool decode_stored(struct reader *r, struct output *out)
{
	size_t nbytes = take(r, 0, 16);

	if (!settle(r, 0) || nbytes > out->room - out->nbytes)
		return false;
	for (size_t i = 0; i < nbytes; i++) {
		unsigned lane = i % GD_NR_LANES;

		out->begin[out->nbytes++] = (uint8_t)take(r, lane, 8);
		if (!settle(r, lane))
			return false;
	}
	return true;
}

/* One item of the list of code lengths: writes lens[*at...] and moves *at. */
static bool take_item(struct reader *r, unsigned lane, const struct code *precode, uint8_t *lens,
		      unsigned *at, unsigned nr_lens)
{
	int symbol = take_symbol(r, lane, precode);
	unsigned repeat = 1;
	uint8_t value = 0;

	if (symbol < 0)
		return false;
	if (symbol < 16) {
		value = (uint8_t)symbol;
	} else if (symbol == 16) {
		if (*at == 0)
			return false;
		value = lens[*at - 1];
		repeat = 3 + take(r, lane, 2);
	} else if (symbol == 17) {
		repeat = 3 + take(r, lane, 3);
	} else {
		repeat = 11 + take(r, lane, 7);
	}
	if (repeat > nr_lens - *at)
		return false;
	memset(lens + *at, value, repeat);
	*at += repeat;
	return settle(r, lane);
}

static bool read_dynamic_codes(struct reader *r, struct code *litlen, struct code *dist)
{
	uint8_t precode_lens[GD_NR_PRECODE] = { 0 };
	uint8_t lens[GD_MAX_LENS];
	unsigned nr_litlen = take(r, 0, 5) + 257;
	unsigned nr_dist = take(r, 0, 5) + 1;
	unsigned nr_precode = take(r, 0, 4) + 4;
	struct code precode;
	unsigned at = 0;

	if (!settle(r, 0))
		return false;
	for (unsigned i = 0; i < nr_precode; i++) {
		precode_lens[ds_gd_precode_order[i]] = (uint8_t)take(r, i, 3);
		if (!settle(r, i))
			return false;
	}
	if (!build(&precode, precode_lens, GD_NR_PRECODE, false))
		return false;
	for (unsigned k = 0; at < nr_litlen + nr_dist; k++)
		if (!take_item(r, k % GD_NR_LANES, &precode, lens, &at, nr_litlen + nr_dist))
			return false;
	/* Without an end the block could only run into the end of the input. */
	if (lens[GD_END_OF_BLOCK] == 0)
		return false;
	return build(litlen, lens, nr_litlen, false) &&
	       build(dist, lens + nr_litlen, nr_dist, true);
}

/* A copy whose bytes are reserved, and whose distance its lane reads next. */
struct pending {
	size_t nbytes; /* 0: none */
	size_t at;
};

static bool finish_copy(struct reader *r, unsigned lane, const struct code *dist,
			struct pending *copy, struct output *out)
{
	int symbol = take_symbol(r, lane, dist);
	size_t distance;

	if (symbol < 0)
		return false;
	distance = gd_dist_base((unsigned)symbol) + take(r, lane, gd_dist_extra((unsigned)symbol));
	if (distance > copy->at)
		return false;
	/* Exactly this many: bytes behind the copy may already be there. */
	for (size_t i = 0; i < copy->nbytes; i++)
		out->begin[copy->at + i] = out->begin[copy->at + i - distance];
	copy->nbytes = 0;
	return true;
}

static bool begin_copy(struct reader *r, unsigned lane, unsigned symbol, struct pending *copy,
		       struct output *out)
{
	unsigned i = symbol - GD_FIRST_LENGTH;
	size_t nbytes;

	if (i >= GD_NR_LENGTHS)
		return false;
	nbytes = ds_gd_length_base[i] + take(r, lane, ds_gd_length_extra[i]);
	if (nbytes > out->room - out->nbytes)
		return false;
	copy->nbytes = nbytes;
	copy->at = out->nbytes;
	out->nbytes += nbytes;
	return true;
}

static bool decode_symbols(struct reader *r, const struct code *litlen, const struct code *dist,
			   struct output *out)
{
	struct pending pending[GD_NR_LANES] = { { 0, 0 } };
	unsigned lane = 0, tail = 0;
	bool ended = false;
	int symbol;

	/* After the end, each of the other 31 lanes may still owe a distance. */
	while (tail < GD_NR_LANES) {
		if (pending[lane].nbytes) {
			if (!finish_copy(r, lane, dist, &pending[lane], out))
				return false;
		} else if (!ended) {
			symbol = take_symbol(r, lane, litlen);
			if (symbol < 0)
				return false;
			if (symbol == GD_END_OF_BLOCK) {
				ended = true;
			} else if (symbol > GD_END_OF_BLOCK) {
				if (!begin_copy(r, lane, (unsigned)symbol, &pending[lane], out))
					return false;
			} else {
				if (out->nbytes == out->room)
					return false;
				out->begin[out->nbytes++] = (uint8_t)symbol;
			}
		}
		if (!settle(r, lane))
			return false;
		lane = (lane + 1) % GD_NR_LANES;
		if (ended)
			tail++;
	}
	return true;
}

static bool decode_block(struct reader *r, unsigned type, struct output *out)
{
	struct code litlen, dist;
	uint8_t lens[GD_MAX_LENS];

	switch (type) {
	case GD_BLOCK_STORED:
		return decode_stored(r, out);
	case GD_BLOCK_FIXED:
		ds_gd_fixed_lens(lens);
		return build(&litlen, lens, GD_NR_LITLEN, false) &&
		       build(&dist, lens + GD_NR_LITLEN, GD_NR_DIST, false) &&
		       decode_symbols(r, &litlen, &dist, out);
	case GD_BLOCK_DYNAMIC:
		return read_dynamic_codes(r, &litlen, &dist) &&
		       decode_symbols(r, &litlen, &dist, out);
	default:
		return false;
	}
}

bool ds_gd_decode_reference(const uint8_t *in, size_t in_nbytes, uint8_t *out, size_t out_nbytes)
{
	struct reader r = { .in = in, .nr_words = in_nbytes / 4 };
	struct output o = { .begin = out, .room = out_nbytes };
	unsigned type;
	bool final;

	if (in_nbytes < GD_MIN_TILE_NBYTES)
		return false;
	for (unsigned lane = 0; lane < GD_NR_LANES; lane++)
		settle(&r, lane);
	do {
		final = take(&r, 0, 1);
		type = take(&r, 0, 2);
		if (!settle(&r, 0) || !decode_block(&r, type, &o))
			return false;
	} while (!final);
	return o.nbytes == out_nbytes;
}
