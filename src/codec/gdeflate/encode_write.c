/* SPDX-License-Identifier: MIT */
/* encode_write.c: blocks to steps, each block in its smallest form; see encode_lanes.h. */
#include "codec/gdeflate/encode.h"
#include "codec/gdeflate/encode_lanes.h"

enum {
	/*
	 * Codewords are kept as short as the decoder's first tables. It costs nothing: what is
	 * lost in codewords that hardly occur is won in a shorter header.
	 */
	LITLEN_LIMIT = 11,
	DIST_LIMIT = 9,
};

/*
 * Every lane begins with one word and no bits. That is the state just after a full
 * word, so lanes begin with 32 bits for word 0, which belongs to nobody.
 */
static void begin_lanes(struct gd_writer *w)
{
	for (uint32_t i = 0; i < GD_NR_LANES; i++) {
		w->acc[i] = 0;
		w->nbits[i] = 32;
		w->word[i] = 0;
		w->next_word[i] = 1 + i;
	}
	w->nr_words = 1 + GD_NR_LANES;
}

static size_t end_lanes(struct gd_writer *w, uint8_t *out)
{
	for (unsigned i = 0; i < GD_NR_LANES; i++) {
		w->words[w->word[i]] = w->acc[i];
		w->words[w->next_word[i]] = 0;
	}
	for (uint32_t i = 1; i < w->nr_words; i++)
		gd_store32(out + 4 * (size_t)(i - 1), w->words[i]);
	return 4 * (size_t)(w->nr_words - 1);
}

static void put_block_type(struct gd_writer *w, bool is_final, unsigned type)
{
	gd_put(w, 0, (uint32_t)is_final | type << 1, 3);
}

/* ---------------------------------------------------------- stored blocks */

static uint32_t stored_nbits(uint32_t nbytes)
{
	uint32_t nr_blocks = (nbytes + GD_MAX_STORED - 1) / GD_MAX_STORED;

	return 8 * nbytes + 19 * nr_blocks;
}

static void write_stored(struct ds_gdeflate_encoder *enc, bool is_final, const uint8_t *in,
			 uint32_t nbytes)
{
	struct gd_writer *w = &enc->writer;
	uint32_t n, done;

	for (; nbytes; nbytes -= n, in += n) {
		n = nbytes < GD_MAX_STORED ? nbytes : GD_MAX_STORED;
		put_block_type(w, is_final && n == nbytes, GD_BLOCK_STORED);
		gd_put(w, 0, n, 16);
		done = enc->kernels->put_bytes(w, in, n);
		for (uint32_t i = done; i < n; i++)
			gd_put(w, i - done, in[i], 8);
	}
}

/* --------------------------------------------------------- coded blocks */

static void write_header(struct gd_writer *w, const struct gd_dynamic_header *h)
{
	static const uint8_t repeat_nbits[GD_NR_PRECODE] = { [16] = 2, [17] = 3, [18] = 7 };

	gd_put(w, 0,
	       (h->nr_litlen - 257) | (uint32_t)(h->nr_dist - 1) << 5 |
		       (uint32_t)(h->nr_precode - 4) << 10,
	       14);
	for (unsigned i = 0; i < h->nr_precode; i++)
		gd_put(w, i, h->precode_lens[ds_gd_precode_order[i]], 3);
	for (unsigned i = 0; i < h->nr_items; i++) {
		unsigned s = h->symbols[i], n = h->precode_lens[s];

		gd_put(w, i % GD_NR_LANES, h->precode[s] | (uint32_t)h->repeats[i] << n,
		       n + repeat_nbits[s]);
	}
}

static void make_steps(const struct ds_gdeflate_encoder *enc, const struct gd_codes *codes,
		       struct gd_steps *s)
{
	uint32_t step[GD_NR_LENGTHS];

	for (unsigned i = 0; i < 256; i++)
		s->litlen[i] = gd_step(codes->litlen[i], codes->litlen_lens[i]);
	s->end_of_block =
		gd_step(codes->litlen[GD_END_OF_BLOCK], codes->litlen_lens[GD_END_OF_BLOCK]);
	for (unsigned i = 0; i < GD_NR_LENGTHS; i++)
		step[i] = gd_step(codes->litlen[GD_FIRST_LENGTH + i],
				  codes->litlen_lens[GD_FIRST_LENGTH + i]);
	s->litlen[GD_LONG_LENGTH] = step[GD_NR_LENGTHS - 1] + 16;
	for (unsigned i = GD_MIN_MATCH; i < GD_LENGTH_SYMBOLS; i++) {
		unsigned symbol = gd_length_index(enc, i), extra = i - ds_gd_length_base[symbol];

		s->litlen[GD_TOKEN_LENGTHS + i] =
			step[symbol] + ds_gd_length_extra[symbol] +
			(extra << ((step[symbol] & GD_STEP_NBITS) + GD_STEP_SHIFT));
	}
	for (unsigned i = 0; i < GD_NR_DIST; i++)
		s->dist[i] = gd_step(codes->dist[i], codes->dist_lens[i]);
}

/*
 * Goes round the lanes, as the decoder does: a lane that has got a length gets the
 * distance one round later, and after the end each other lane gets what it is owed.
 */
static void write_tokens(struct ds_gdeflate_encoder *enc, const struct gd_codes *codes,
			 const struct gd_block *block)
{
	struct gd_writer *w = &enc->writer;
	const uint32_t *token = enc->tokens + block->first, *end = token + block->nr_tokens;
	uint32_t owed[GD_NR_LANES] = { 0 };
	unsigned lane = 0, tail = 0;
	struct gd_steps s;

	make_steps(enc, codes, &s);
	token += enc->kernels->put_tokens(w, &s, token, block->nr_tokens, owed);
	for (; tail < GD_NR_LANES; lane = (lane + 1) % GD_NR_LANES) {
		uint32_t step = owed[lane];

		owed[lane] = 0;
		if (!step && !tail) {
			if (token == end) {
				step = s.end_of_block;
				tail = 1;
				gd_put_step(w, lane, step);
				continue;
			}
			step = gd_litlen_step(&s, *token);
			if (gd_is_copy(*token))
				owed[lane] = gd_dist_step(&s, gd_token_distance(*token));
			token++;
		}
		gd_put_step(w, lane, step);
		tail += tail != 0;
	}
}

/* ------------------------------------------------------ choosing the form */

uint32_t ds_gd_coded_nbits(const struct gd_histogram *h, const struct gd_codes *codes)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < GD_NR_LITLEN; i++)
		n += h->litlen[i] * codes->litlen_lens[i];
	for (unsigned i = 0; i < GD_NR_LENGTHS; i++)
		n += h->litlen[GD_FIRST_LENGTH + i] * ds_gd_length_extra[i];
	for (unsigned i = 0; i < GD_NR_DIST; i++)
		n += h->dist[i] * (codes->dist_lens[i] + gd_dist_extra(i));
	return n;
}

void ds_gd_make_fixed_codes(struct gd_codes *codes)
{
	uint8_t lens[GD_MAX_LENS];

	ds_gd_fixed_lens(lens);
	memcpy(codes->litlen_lens, lens, GD_NR_LITLEN);
	memcpy(codes->dist_lens, lens + GD_NR_LITLEN, GD_NR_DIST);
	ds_gd_make_codes(codes->litlen_lens, GD_NR_LITLEN, codes->litlen);
	ds_gd_make_codes(codes->dist_lens, GD_NR_DIST, codes->dist);
}

/* A code made for one distribution, and what another one takes with it, header included. */
static uint32_t try_code(const struct gd_histogram *h, const struct gd_histogram *made_for,
			 struct gd_codes *codes, struct gd_dynamic_header *header)
{
	ds_gd_make_lens(made_for->litlen, GD_NR_LITLEN, LITLEN_LIMIT, codes->litlen_lens);
	ds_gd_make_lens(made_for->dist, GD_NR_DIST, DIST_LIMIT, codes->dist_lens);
	ds_gd_make_header(codes, header);
	return header->nbits + ds_gd_coded_nbits(h, codes);
}

/*
 * Makes neighbours that occur about as often occur equally often. They then get codewords of
 * one length, which costs a little, and the header says so in fewer items.
 */
static void level_out(uint32_t *freq, unsigned n, unsigned tolerance)
{
	for (unsigned i = 0, end; i < n; i = end) {
		uint32_t sum = freq[i], mean = freq[i], diff;

		for (end = i + 1; end < n && !freq[end] == !mean; end++) {
			diff = freq[end] > mean ? freq[end] - mean : mean - freq[end];
			if (diff > 2 + mean * tolerance / 16)
				break;
			sum += freq[end];
			mean = (sum + (end - i) / 2) / (end - i + 1);
		}
		if (end - i >= 4)
			for (unsigned k = i; k < end; k++)
				freq[k] = mean;
	}
}

/* The code of a dynamic block; returns its bits, but for the type. */
static uint32_t choose_code(const struct ds_gdeflate_encoder *enc, const struct gd_histogram *h,
			    struct gd_codes *codes, struct gd_dynamic_header *header)
{
	uint32_t least = try_code(h, h, codes, header), nbits;
	struct gd_dynamic_header other_header;
	struct gd_codes other;

	if (!enc->level->is_thorough)
		return least;
	for (unsigned tolerance = 1; tolerance <= 7; tolerance += 3) {
		struct gd_histogram level = *h;

		level_out(level.litlen, GD_NR_LITLEN, tolerance);
		level_out(level.dist, GD_NR_DIST, tolerance);
		nbits = try_code(h, &level, &other, &other_header);
		if (nbits >= least)
			continue;
		least = nbits;
		*codes = other;
		*header = other_header;
	}
	return least;
}

uint32_t ds_gd_dynamic_nbits(const struct gd_histogram *h)
{
	struct gd_dynamic_header header;
	struct gd_codes codes;

	return try_code(h, h, &codes, &header);
}

static uint32_t block_nbytes(const struct ds_gdeflate_encoder *enc, const struct gd_block *b)
{
	uint32_t n = 0;

	for (uint32_t i = b->first; i < b->first + b->nr_tokens; i++)
		n += gd_token_nbytes(enc->tokens[i]);
	return n;
}

static uint32_t least(uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Writes one block in its smallest form; returns how many bits that took. */
static uint32_t write_block(struct ds_gdeflate_encoder *enc, const struct gd_block *b,
			    bool is_final, const uint8_t *in, uint32_t nbytes)
{
	struct gd_histogram h = *b->histogram;
	struct gd_dynamic_header header;
	struct gd_codes dynamic;
	uint32_t stored = stored_nbits(nbytes), as_fixed, as_dynamic;

	h.litlen[GD_END_OF_BLOCK] = 1;
	as_dynamic = 3 + choose_code(enc, &h, &dynamic, &header);
	as_fixed = 3 + ds_gd_coded_nbits(&h, &enc->fixed);

	if (stored <= as_fixed && stored <= as_dynamic) {
		write_stored(enc, is_final, in, nbytes);
	} else if (as_fixed <= as_dynamic) {
		put_block_type(&enc->writer, is_final, GD_BLOCK_FIXED);
		write_tokens(enc, &enc->fixed, b);
	} else {
		ds_gd_make_codes(dynamic.litlen_lens, GD_NR_LITLEN, dynamic.litlen);
		ds_gd_make_codes(dynamic.dist_lens, GD_NR_DIST, dynamic.dist);
		put_block_type(&enc->writer, is_final, GD_BLOCK_DYNAMIC);
		write_header(&enc->writer, &header);
		write_tokens(enc, &dynamic, b);
	}
	return least(stored, as_fixed, as_dynamic);
}

size_t ds_gd_write_tile(struct ds_gdeflate_encoder *enc, const uint8_t *in, uint32_t nbytes,
			uint8_t *out)
{
	uint32_t at = 0, nbits = 0, n;

	begin_lanes(&enc->writer);
	for (uint32_t i = 0; i < enc->nr_blocks; i++) {
		n = block_nbytes(enc, &enc->blocks[i]);
		nbits += write_block(enc, &enc->blocks[i], i + 1 == enc->nr_blocks, in + at, n);
		at += n;
	}
	/*
	 * No block is larger than if it were stored, but small blocks have many headers.
	 * One stored block keeps the bound: its bits, and up to 63 more in each lane.
	 */
	if (nbits > stored_nbits(nbytes)) {
		begin_lanes(&enc->writer);
		write_stored(enc, true, in, nbytes);
	}
	return end_lanes(&enc->writer, out);
}
