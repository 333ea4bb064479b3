/* SPDX-License-Identifier: MIT */
/*
 * fuzz_gdeflate_legal.c: builds tiles that are legal, but that no encoder makes.
 *
 * The input's bytes are the choices: blocks of all types, codes with words of up to 15
 * bits, codes of a single symbol, short lengths coded with the last symbol, ends of blocks
 * in any lane with copies pending, headers with and without repetitions. What the tile
 * must decode to is known from the building; every decoder must agree. This reaches what
 * neither damaged streams nor our own encoder's do.
 */
#include <stdlib.h>
#include <string.h>

#include "codec/gdeflate/decode.h"
#include "codec/gdeflate/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);

enum {
	MAX_WORDS = 1 << 17,
	MAX_OUT = DS_GDEFLATE_TILE_NBYTES,
	MAX_BLOCKS = 40,
};

/* ----------------------------------------------------------- the choices */

struct choices {
	const uint8_t *p, *end;
	uint32_t state; /* goes on when the input is used up */
};

static uint32_t choose(struct choices *c, uint32_t n)
{
	uint32_t v = c->p < c->end ? *c->p++ : 0;

	c->state = (c->state ^ v) * 0x9e3779b1u + 0x7f4a7c15u;
	return n ? (c->state >> 8) % n : 0;
}

/* ----------------------------------------- the lanes, as the format has them */

struct writer {
	uint32_t words[MAX_WORDS];
	uint32_t nr_words;
	uint32_t owned[GD_NR_LANES][3]; /* the words that a lane fills next */
	unsigned nr_owned[GD_NR_LANES];
	unsigned filled[GD_NR_LANES];	 /* bits of the first of them */
	unsigned available[GD_NR_LANES]; /* bits that the reader would hold */
};

static void settle(struct writer *w, unsigned lane)
{
	if (w->available[lane] >= 32)
		return;
	w->owned[lane][w->nr_owned[lane]++] = w->nr_words++;
	w->available[lane] += 32;
}

static void put(struct writer *w, unsigned lane, uint32_t v, unsigned nbits)
{
	w->available[lane] -= nbits;
	for (unsigned i = 0; i < nbits; i++) {
		w->words[w->owned[lane][0]] |= (v >> i & 1) << w->filled[lane];
		if (++w->filled[lane] < 32)
			continue;
		w->filled[lane] = 0;
		w->nr_owned[lane]--;
		memmove(w->owned[lane], w->owned[lane] + 1, 2 * sizeof(w->owned[lane][0]));
	}
}

/* ------------------------------------------------------------------- codes */

struct code {
	unsigned nr; /* of symbols with a codeword */
	uint8_t lens[GD_NR_LITLEN];
	uint16_t words[GD_NR_LITLEN];
	uint16_t used[GD_NR_LITLEN];
};

static void make_words(struct code *c, unsigned nr_symbols)
{
	unsigned next = 0;

	c->nr = 0;
	for (unsigned n = 1; n <= GD_MAX_CODE_BITS; n++, next <<= 1)
		for (unsigned s = 0; s < nr_symbols; s++) {
			unsigned r = 0;

			if (c->lens[s] != n)
				continue;
			for (unsigned i = 0; i < n; i++)
				r |= (next >> i & 1) << (n - 1 - i);
			c->words[s] = (uint16_t)r;
			c->used[c->nr++] = (uint16_t)s;
			next++;
		}
}

/* A complete code for `nr` of the symbols, by splitting leaves; `must` is one of them. */
static void make_code(struct choices *ch, struct code *c, unsigned nr_symbols, unsigned nr,
		      unsigned must)
{
	uint8_t depth[GD_NR_LITLEN] = { 0 };
	unsigned nr_leaves = 1, is_deep = choose(ch, 3), at = must;

	memset(c, 0, sizeof(*c));
	while (nr_leaves < nr) {
		/* The newest leaf again and again gives the longest codewords. */
		unsigned i = is_deep && choose(ch, 4) ? nr_leaves - 1 : choose(ch, nr_leaves);

		while (depth[i] == GD_MAX_CODE_BITS)
			i = (i + 1) % nr_leaves;
		depth[i]++;
		depth[nr_leaves++] = depth[i];
	}
	if (nr == 1)
		depth[0] = 1;
	for (unsigned i = 0; i < nr; i++) {
		while (c->lens[at])
			at = choose(ch, 4) ? (at + 1) % nr_symbols : choose(ch, nr_symbols);
		c->lens[at] = depth[i];
	}
	make_words(c, nr_symbols);
}

static void make_codes(struct choices *ch, struct code *litlen, struct code *dist)
{
	/* 286 and 287 may have codewords, but nothing uses them. */
	make_code(ch, litlen, choose(ch, 8) ? 286 : GD_NR_LITLEN, 1 + choose(ch, 280),
		  GD_END_OF_BLOCK);
	memset(dist, 0, sizeof(*dist));
	if (choose(ch, 8))
		make_code(ch, dist, GD_NR_DIST, 1 + choose(ch, GD_NR_DIST), choose(ch, GD_NR_DIST));
}

static void make_fixed(struct code *litlen, struct code *dist)
{
	uint8_t lens[GD_MAX_LENS];

	ds_gd_fixed_lens(lens);
	memcpy(litlen->lens, lens, GD_NR_LITLEN);
	memcpy(dist->lens, lens + GD_NR_LITLEN, GD_NR_DIST);
	make_words(litlen, GD_NR_LITLEN);
	make_words(dist, GD_NR_DIST);
}

static unsigned last_used(const uint8_t *lens, unsigned n, unsigned least)
{
	while (n > least && !lens[n - 1])
		n--;
	return n;
}

/* The list of lengths as items, with repetitions where the choices want them. */
static void put_lens(struct writer *w, struct choices *ch, const uint8_t *lens, unsigned n)
{
	struct code pre = { .nr = 0 };
	unsigned lane = 0, run, extra, nbits, symbol;

	for (unsigned i = 0; i < GD_NR_PRECODE; i++)
		pre.lens[i] = i < 13 ? 4 : 5;
	make_words(&pre, GD_NR_PRECODE);
	for (unsigned i = 0; i < GD_NR_PRECODE; i++) {
		put(w, i, pre.lens[ds_gd_precode_order[i]], 3);
		settle(w, i);
	}
	for (unsigned i = 0; i < n; i += run, lane = (lane + 1) % GD_NR_LANES) {
		for (run = 1; i + run < n && lens[i + run] == lens[i] && run < 138;)
			run++;
		if (run < 3 || !choose(ch, 4) || (lens[i] && (i == 0 || lens[i - 1] != lens[i]))) {
			symbol = lens[i];
			run = 1;
			extra = nbits = 0;
		} else if (lens[i]) {
			run = run < 6 ? run : 6;
			symbol = 16, extra = run - 3, nbits = 2;
		} else if (run < 11) {
			symbol = 17, extra = run - 3, nbits = 3;
		} else {
			symbol = 18, extra = run - 11, nbits = 7;
		}
		put(w, lane, pre.words[symbol] | extra << pre.lens[symbol],
		    pre.lens[symbol] + nbits);
		settle(w, lane);
	}
}

static void put_header(struct writer *w, struct choices *ch, const struct code *litlen,
		       const struct code *dist)
{
	unsigned nr_litlen = last_used(litlen->lens, GD_NR_LITLEN, 257);
	unsigned nr_dist = last_used(dist->lens, GD_NR_DIST, 1);
	uint8_t lens[GD_MAX_LENS];

	memcpy(lens, litlen->lens, nr_litlen);
	memcpy(lens + nr_litlen, dist->lens, nr_dist);
	put(w, 0, (nr_litlen - 257) | (nr_dist - 1) << 5 | (GD_NR_PRECODE - 4) << 10, 14);
	settle(w, 0);
	put_lens(w, ch, lens, nr_litlen + nr_dist);
}

/* ------------------------------------------------------------------ tokens */

struct tile {
	struct writer w;
	uint8_t out[MAX_OUT];
	size_t nbytes;
};

/* What a lane reads next, after a length. */
struct owed {
	uint32_t bits;
	unsigned nbits;
};

/* A distance that reaches no farther than the tile's beginning; false if the code has none. */
static bool choose_distance(struct choices *ch, const struct code *dist, size_t at, struct owed *o,
			    size_t *distance)
{
	unsigned first = choose(ch, dist->nr);

	for (unsigned i = 0; i < dist->nr; i++) {
		unsigned s = dist->used[(first + i) % dist->nr], n = gd_dist_extra(s);
		uint32_t base = gd_dist_base(s), extra;

		if (base > at)
			continue;
		extra = choose(ch, 1u << n);
		while (base + extra > at)
			extra /= 2;
		*distance = base + extra;
		o->bits = dist->words[s] | extra << dist->lens[s];
		o->nbits = dist->lens[s] + n;
		return true;
	}
	return false;
}

static bool put_copy(struct tile *t, struct choices *ch, const struct code *litlen,
		     const struct code *dist, unsigned symbol, unsigned lane, struct owed *o)
{
	unsigned i = symbol - GD_FIRST_LENGTH;
	size_t room = MAX_OUT - t->nbytes, length, distance;
	uint32_t extra;

	if (i >= GD_NR_LENGTHS || ds_gd_length_base[i] > room)
		return false;
	/* Mostly short ones, also with the last symbol: they leave room for more. */
	extra = choose(ch, choose(ch, 8) ? 8 : 1u << ds_gd_length_extra[i]);
	extra &= (1u << ds_gd_length_extra[i]) - 1;
	while (ds_gd_length_base[i] + extra > room)
		extra /= 2;
	if (!choose_distance(ch, dist, t->nbytes, o, &distance))
		return false;
	length = ds_gd_length_base[i] + extra;
	for (; length; length--, t->nbytes++)
		t->out[t->nbytes] = t->out[t->nbytes - distance];
	put(&t->w, lane, litlen->words[symbol] | extra << litlen->lens[symbol],
	    litlen->lens[symbol] + ds_gd_length_extra[i]);
	return true;
}

/* One token of the code's; false if the choice cannot be had. */
static bool put_token(struct tile *t, struct choices *ch, const struct code *litlen,
		      const struct code *dist, unsigned lane, struct owed *o)
{
	unsigned symbol = litlen->used[choose(ch, litlen->nr)];

	if (symbol > GD_END_OF_BLOCK)
		return put_copy(t, ch, litlen, dist, symbol, lane, o);
	if (symbol == GD_END_OF_BLOCK || t->nbytes == MAX_OUT)
		return false;
	t->out[t->nbytes++] = (uint8_t)symbol;
	put(&t->w, lane, litlen->words[symbol], litlen->lens[symbol]);
	return true;
}

static void put_tokens(struct tile *t, struct choices *ch, const struct code *litlen,
		       const struct code *dist)
{
	struct owed owed[GD_NR_LANES] = { { 0, 0 } };
	unsigned left = choose(ch, 4) ? choose(ch, 100) : choose(ch, 4000), lane = 0, tail = 0;
	bool ended = false;

	while (tail < GD_NR_LANES) {
		if (owed[lane].nbits) {
			put(&t->w, lane, owed[lane].bits, owed[lane].nbits);
			owed[lane].nbits = 0;
		} else if (!ended) {
			if (!left || !put_token(t, ch, litlen, dist, lane, &owed[lane])) {
				owed[lane].nbits = 0;
				put(&t->w, lane, litlen->words[GD_END_OF_BLOCK],
				    litlen->lens[GD_END_OF_BLOCK]);
				ended = true;
			} else {
				left--;
			}
		}
		settle(&t->w, lane);
		lane = (lane + 1) % GD_NR_LANES;
		tail += ended;
	}
}

static void put_stored(struct tile *t, struct choices *ch)
{
	size_t room = MAX_OUT - t->nbytes;
	uint32_t n = choose(ch, 4) ? choose(ch, 300) : choose(ch, 20000);

	n = n < room ? n : (uint32_t)room;
	put(&t->w, 0, n, 16);
	settle(&t->w, 0);
	for (uint32_t i = 0; i < n; i++) {
		uint8_t byte = (uint8_t)choose(ch, 256);

		t->out[t->nbytes++] = byte;
		put(&t->w, i % GD_NR_LANES, byte, 8);
		settle(&t->w, i % GD_NR_LANES);
	}
}

static void put_block(struct tile *t, struct choices *ch, bool is_final)
{
	struct code litlen, dist;
	unsigned type = choose(ch, 8) % 3;

	put(&t->w, 0, (uint32_t)is_final | type << 1, 3);
	settle(&t->w, 0);
	if (type == GD_BLOCK_STORED) {
		put_stored(t, ch);
		return;
	}
	if (type == GD_BLOCK_DYNAMIC) {
		make_codes(ch, &litlen, &dist);
		put_header(&t->w, ch, &litlen, &dist);
	} else {
		make_fixed(&litlen, &dist);
	}
	put_tokens(t, ch, &litlen, &dist);
}

/* --------------------------------------------------------------- decoding */

static void check(const struct tile *t, uint32_t nr_words)
{
	uint8_t *in = malloc(4 * (size_t)nr_words), *out = malloc(t->nbytes);
	struct ds_gdeflate_decoder *dec;

	if (!in || !out)
		abort();
	for (uint32_t i = 0; i < nr_words; i++)
		gd_store32(in + 4 * (size_t)i, t->w.words[i]);
	for (unsigned path = 0; path < GD_NR_PATHS; path++) {
		if (!ds_gd_has_path(path))
			continue;
		if (ds_gd_decoder_create(path, &dec))
			abort();
		memset(out, 0xee, t->nbytes);
		if (ds_gdeflate_decode_tile(dec, in, 4 * (size_t)nr_words, out, t->nbytes) ||
		    memcmp(out, t->out, t->nbytes) != 0)
			abort();
		ds_gdeflate_decoder_destroy(dec);
	}
	free(in);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes)
{
	static struct tile t;
	struct choices ch = { data, data + nbytes, (uint32_t)nbytes };
	unsigned nr_blocks = 1 + choose(&ch, MAX_BLOCKS);

	memset(&t, 0, sizeof(t));
	for (unsigned i = 0; i < GD_NR_LANES; i++)
		settle(&t.w, i);
	for (unsigned i = 0; i < nr_blocks; i++) {
		/* A block and its header must fit; nine bits a byte and more are rare. */
		bool is_last = i + 1 == nr_blocks || t.w.nr_words > MAX_WORDS / 2;

		put_block(&t, &ch, is_last);
		if (is_last)
			break;
	}
	if (t.nbytes)
		check(&t, t.w.nr_words);
	return 0;
}
