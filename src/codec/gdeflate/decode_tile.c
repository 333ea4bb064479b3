/* SPDX-License-Identifier: MIT */
/*
 * decode_tile.c: the fast decoder, but for the symbols of coded blocks.
 *
 * Goes through the blocks of a tile. Headers are read one lane at a time: they are short.
 * Stored blocks are copied four rounds at a time.
 */
#include "codec/gdeflate/decode_internal.h"

/* ------------------------------------------------------------------ input */

static void begin_input(struct gd_input *in, const uint8_t *data, size_t nbytes)
{
	in->next = data;
	in->end = data + nbytes;
	in->limit = in->end - 4 * GD_NR_LANES;
	in->starving = 0;
	in->is_in_tail = false;
}

static void move_to_tail(struct gd_input *in)
{
	size_t left = (size_t)(in->end - in->next);

	memcpy(in->tail, in->next, left);
	memset(in->tail + left, 0, sizeof(in->tail) - left);
	in->next = in->tail;
	in->limit = in->tail + left;
	in->is_in_tail = true;
}

bool ds_gd_input_check(struct gd_input *in, uint32_t lanes)
{
	size_t nr_past;
	uint32_t starving;

	if (!in->is_in_tail) {
		/* Before the words just taken, 32 were left, and at most 32 were taken. */
		move_to_tail(in);
		return true;
	}
	/* The last lanes are those that got the words past the end. */
	nr_past = (size_t)(in->next - in->limit) / 4;
	starving = lanes;
	for (size_t n = (size_t)__builtin_popcount(lanes); n > nr_past; n--)
		starving &= starving - 1;
	if (starving & in->starving)
		return false;
	in->starving |= starving;
	return true;
}

/* ------------------------------------------------------- one lane at a time */

static inline uint32_t take(struct gd_lanes *l, unsigned lane, unsigned nbits)
{
	uint32_t v = (uint32_t)l->acc[lane] & ((1u << nbits) - 1);

	l->acc[lane] >>= nbits;
	l->cnt[lane] -= nbits;
	return v;
}

/* After each step of a lane. */
static inline bool settle(struct ds_gdeflate_decoder *d, unsigned lane)
{
	if (d->lanes.cnt[lane] >= 32)
		return true;
	d->lanes.acc[lane] |= (uint64_t)gd_load32(d->in.next) << d->lanes.cnt[lane];
	d->lanes.cnt[lane] += 32;
	d->in.next += 4;
	return d->in.next <= d->in.limit || ds_gd_input_check(&d->in, 1u << lane);
}

static void begin_lanes(struct ds_gdeflate_decoder *d, const uint8_t *in, size_t in_nbytes)
{
	begin_input(&d->in, in, in_nbytes);
	for (unsigned i = 0; i < GD_NR_LANES; i++) {
		d->lanes.acc[i] = gd_load32(in + 4 * (size_t)i);
		d->lanes.cnt[i] = 32;
	}
	d->in.next += 4 * GD_NR_LANES;
	if (d->in.next > d->in.limit)
		move_to_tail(&d->in);
}

/* ---------------------------------------------------------- stored blocks */

static bool copy_stored_slowly(struct ds_gdeflate_decoder *d, size_t nbytes)
{
	for (size_t i = 0; i < nbytes; i++) {
		unsigned lane = i % GD_NR_LANES;

		*d->out++ = (uint8_t)take(&d->lanes, lane, 8);
		if (!settle(d, lane))
			return false;
	}
	return true;
}

/*
 * In four rounds each lane uses 32 bits and so gets one word, always in the same round:
 * that in which it comes below 32 bits. So the lanes' words come in the same order
 * each time. word[lane] is the lane's place in this order.
 */
static void order_of_words(const struct gd_lanes *l, uint8_t *word)
{
	uint8_t n = 0;

	for (unsigned round = 0; round < 4; round++)
		for (unsigned lane = 0; lane < GD_NR_LANES; lane++)
			if ((l->cnt[lane] - 32) / 8 == round)
				word[lane] = n++;
}

static bool decode_stored(struct ds_gdeflate_decoder *d)
{
	size_t nbytes = take(&d->lanes, 0, 16), nr_steps, most;
	uint8_t word[GD_NR_LANES];

	if (!settle(d, 0) || nbytes > (size_t)(d->out_end - d->out))
		return false;
	nr_steps = nbytes / (4 * GD_NR_LANES);
	if (nr_steps && !d->in.is_in_tail) {
		most = (size_t)(d->in.end - d->in.next) / (4 * GD_NR_LANES);
		nr_steps = nr_steps < most ? nr_steps : most;
		order_of_words(&d->lanes, word);
		d->kernels->copy_stored(&d->lanes, d->in.next, word, d->out, nr_steps);
		d->out += nr_steps * 4 * GD_NR_LANES;
		d->in.next += nr_steps * 4 * GD_NR_LANES;
		nbytes -= nr_steps * 4 * GD_NR_LANES;
		if (d->in.next > d->in.limit)
			move_to_tail(&d->in);
	}
	return copy_stored_slowly(d, nbytes);
}

/* ----------------------------------------------------------- coded blocks */

/*
 * The list of code lengths: each item is a length, or a repetition, from the next lane.
 * Both are read alike, since which one comes cannot be predicted.
 */
static bool read_lens(struct ds_gdeflate_decoder *d, unsigned nr_lens)
{
	const uint64_t none = UINT64_MAX; /* before the first length */
	uint64_t previous = none, value;
	unsigned lane = 0, at = 0;

	while (at < nr_lens) {
		uint64_t acc = d->lanes.acc[lane];
		uint32_t e = d->precode[acc & ((1u << GD_MAX_PRECODE_BITS) - 1)];
		unsigned nbits = e & GD_ENTRY_NBITS, times = e >> GD_PRECODE_TIMES_SHIFT;
		unsigned cnt = d->lanes.cnt[lane] - nbits, is_low = cnt < 32;

		times += ((uint32_t)acc & ((1u << nbits) - 1)) >>
			 (e >> GD_ENTRY_CODE_SHIFT & GD_ENTRY_CODE_MASK);
		value = (e >> GD_ENTRY_BASE_SHIFT & 0xff) * UINT64_C(0x0101010101010101);
		value = e & GD_PRECODE_PREVIOUS ? previous : value;
		if (e & GD_ENTRY_SPECIAL || times > nr_lens - at || value == none)
			return false;
		previous = value;
		memcpy(d->lens + at, &value, 8);
		if (times > 8)
			memset(d->lens + at + 8, (int)(value & 0xff), times - 8);
		at += times;

		acc >>= nbits;
		d->lanes.acc[lane] = acc | (uint64_t)(gd_load32(d->in.next) & (0 - is_low)) << cnt;
		d->lanes.cnt[lane] = cnt + 32 * is_low;
		d->in.next += 4 * is_low;
		if (d->in.next > d->in.limit && is_low && !ds_gd_input_check(&d->in, 1u << lane))
			return false;
		lane = (lane + 1) % GD_NR_LANES;
	}
	return true;
}

static bool read_dynamic_tables(struct ds_gdeflate_decoder *d)
{
	uint8_t precode_lens[GD_NR_PRECODE] = { 0 };
	unsigned nr_litlen = take(&d->lanes, 0, 5) + 257;
	unsigned nr_dist = take(&d->lanes, 0, 5) + 1;
	unsigned nr_precode = take(&d->lanes, 0, 4) + 4;

	if (!settle(d, 0))
		return false;
	for (unsigned i = 0; i < nr_precode; i++) {
		precode_lens[ds_gd_precode_order[i]] = (uint8_t)take(&d->lanes, i, 3);
		if (!settle(d, i))
			return false;
	}
	if (!ds_gd_build_precode(d, precode_lens) || !read_lens(d, nr_litlen + nr_dist))
		return false;
	/* Without an end the block could only run into the end of the input. */
	if (d->lens[GD_END_OF_BLOCK] == 0)
		return false;
	d->has_fixed_tables = false;
	return ds_gd_build_litlen(d, d->lens, nr_litlen) &&
	       ds_gd_build_dist(d, d->lens + nr_litlen, nr_dist);
}

static void make_fixed_tables(struct ds_gdeflate_decoder *d)
{
	if (d->has_fixed_tables)
		return;
	ds_gd_fixed_lens(d->lens);
	ds_gd_build_litlen(d, d->lens, GD_NR_LITLEN);
	ds_gd_build_dist(d, d->lens + GD_NR_LITLEN, GD_NR_DIST);
	d->has_fixed_tables = true;
}

static bool decode_block(struct ds_gdeflate_decoder *d, unsigned type)
{
	switch (type) {
	case GD_BLOCK_STORED:
		return decode_stored(d);
	case GD_BLOCK_FIXED:
		make_fixed_tables(d);
		return d->kernels->decode_symbols(d);
	case GD_BLOCK_DYNAMIC:
		return read_dynamic_tables(d) && d->kernels->decode_symbols(d);
	default:
		return false;
	}
}

bool ds_gd_decode_tile(struct ds_gdeflate_decoder *d, const uint8_t *in, size_t in_nbytes,
		       uint8_t *out, size_t out_nbytes)
{
	unsigned type;
	bool is_final;

	in_nbytes -= in_nbytes % 4;
	if (in_nbytes < GD_MIN_TILE_NBYTES)
		return false;
	begin_lanes(d, in, in_nbytes);
	d->out = d->out_begin = out;
	d->out_end = out + out_nbytes;
	do {
		is_final = take(&d->lanes, 0, 1);
		type = take(&d->lanes, 0, 2);
		if (!settle(d, 0) || !decode_block(d, type))
			return false;
	} while (!is_final);
	return d->out == d->out_end;
}
