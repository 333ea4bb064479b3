/* SPDX-License-Identifier: MIT */
/*
 * encode_split.c: cuts the token list into blocks.
 *
 * The list is cut into chunks of equal numbers of tokens. As long as some two neighbours
 * cost less as one block than as two, the pair that gains most is joined. Costs are
 * estimated from the entropy of the symbols and the number of code lengths to send. Small
 * levels then go on with the costs that the blocks' codes really have.
 */
#include "codec/gdeflate/encode.h"
#include "codec/gdeflate/encode_lanes.h"

enum {
	HEADER_BITS = 300,
	HEADER_BITS_AT_FIRST = 100, /* when exact costs have the last word */
	READER_BITS = 100,	    /* asked of each block, since a decoder has tables to build */
	FIRST_MOVE = 256,	    /* of a boundary, in tokens */
	LAST_MOVE = 16,
	BITS_PER_USED = 3, /* what sending a code length costs, about */
};

/* log2(1 + i / 256) by repeated squaring, so that no rounding of a libm matters. */
void ds_gd_init_log2(struct ds_gdeflate_encoder *enc)
{
	for (unsigned i = 0; i < 256; i++) {
		uint64_t x = (uint64_t)(256 + i) << 22; /* 1.0 is 1 << 30 */
		unsigned log = 0;

		for (unsigned bit = 0; bit < GD_LOG_SHIFT; bit++) {
			x = x * x >> 30;
			log <<= 1;
			if (x >> 31) {
				log |= 1;
				x >>= 1;
			}
		}
		enc->log2_fraction[i] = (uint16_t)log;
	}
	for (uint32_t v = 1; v < GD_SMALL_WEIGHTS; v++)
		enc->small_weights[v] = v * ds_gd_log2(enc, v);
}

/* v * log2(v); 0 for 0 */
static uint64_t weigh(const struct ds_gdeflate_encoder *enc, uint32_t v)
{
	return v < GD_SMALL_WEIGHTS ? enc->small_weights[v] : (uint64_t)v * ds_gd_log2(enc, v);
}

static uint64_t alphabet_cost(const struct ds_gdeflate_encoder *enc, const uint32_t *a,
			      const uint32_t *b, unsigned nr_symbols)
{
	uint64_t parts = 0;
	uint32_t sum = 0, nr_used = 0;

	for (unsigned i = 0; i < nr_symbols; i++) {
		uint32_t v = a[i] + b[i];

		parts += weigh(enc, v);
		sum += v;
		nr_used += v != 0;
	}
	if (!sum)
		return 0;
	return ((weigh(enc, sum) - parts) >> GD_LOG_SHIFT) + (uint64_t)BITS_PER_USED * nr_used;
}

static void add_histogram(struct gd_histogram *to, const struct gd_histogram *from)
{
	for (unsigned i = 0; i < GD_NR_LITLEN; i++)
		to->litlen[i] += from->litlen[i];
	for (unsigned i = 0; i < GD_NR_DIST; i++)
		to->dist[i] += from->dist[i];
}

/*
 * What two runs of tokens cost as one block. The estimate is below what Huffman codes
 * reach, more so for small blocks; HEADER_BITS makes up for that.
 */
static uint32_t estimate(const struct ds_gdeflate_encoder *enc, const struct gd_histogram *a,
			 const struct gd_histogram *b)
{
	uint32_t header =
		enc->level->parser >= GD_OPTIMAL_ROWS ? HEADER_BITS_AT_FIRST : HEADER_BITS;

	return (uint32_t)(alphabet_cost(enc, a->litlen, b->litlen, GD_NR_LITLEN) +
			  alphabet_cost(enc, a->dist, b->dist, GD_NR_DIST) + header);
}

/* The same, from the codes that the block would have. */
static uint32_t cost_exactly(const struct ds_gdeflate_encoder *enc, const struct gd_histogram *a,
			     const struct gd_histogram *b)
{
	struct gd_histogram h = *a;
	uint32_t dynamic, fixed;

	add_histogram(&h, b);
	h.litlen[GD_END_OF_BLOCK] = 1;
	dynamic = ds_gd_dynamic_nbits(&h);
	fixed = ds_gd_coded_nbits(&h, &enc->fixed);
	return (dynamic < fixed ? dynamic : fixed) + (enc->level->is_thorough ? 0 : READER_BITS);
}

enum {
	COUNTED = 1024
}; /* tokens at a time: their symbols stay in the first-level cache */

/* By turns in two tables: a count need not wait for the one before. */
static void count_some(const struct ds_gdeflate_encoder *enc, const uint32_t *tokens,
		       uint32_t nr_tokens, uint32_t litlen[2][GD_NR_TOKEN_SYMBOLS],
		       uint32_t dist[2][GD_NR_DIST])
{
	uint16_t litlen_symbols[COUNTED + GD_NR_LANES];
	uint8_t dist_symbols[COUNTED + GD_NR_LANES];
	uint32_t nr_copies, i;

	nr_copies = enc->kernels->find_symbols(tokens, nr_tokens, litlen_symbols, dist_symbols);
	for (i = 0; i + 2 <= nr_tokens; i += 2) {
		litlen[0][litlen_symbols[i]]++;
		litlen[1][litlen_symbols[i + 1]]++;
	}
	if (i < nr_tokens)
		litlen[0][litlen_symbols[i]]++;
	for (i = 0; i + 2 <= nr_copies; i += 2) {
		dist[0][dist_symbols[i]]++;
		dist[1][dist_symbols[i + 1]]++;
	}
	if (i < nr_copies)
		dist[0][dist_symbols[i]]++;
}

void ds_gd_count_tokens(const struct ds_gdeflate_encoder *enc, uint32_t first, uint32_t nr_tokens,
			struct gd_histogram *h)
{
	uint32_t litlen[2][GD_NR_TOKEN_SYMBOLS] = { { 0 } }, dist[2][GD_NR_DIST] = { { 0 } }, n, i;

	for (; nr_tokens; first += n, nr_tokens -= n) {
		n = nr_tokens < COUNTED ? nr_tokens : COUNTED;
		count_some(enc, enc->tokens + first, n, litlen, dist);
	}
	for (i = 0; i < 256; i++)
		h->litlen[i] = litlen[0][i] + litlen[1][i];
	memset(h->litlen + 256, 0, sizeof(h->litlen) - 256 * sizeof(h->litlen[0]));
	for (i = GD_MIN_MATCH; i <= GD_LENGTH_SYMBOLS; i++)
		h->litlen[GD_FIRST_LENGTH + gd_length_index(enc, i)] +=
			litlen[0][GD_TOKEN_LENGTHS + i] + litlen[1][GD_TOKEN_LENGTHS + i];
	for (i = 0; i < GD_NR_DIST; i++)
		h->dist[i] = dist[0][i] + dist[1][i];
}

static const struct gd_histogram none;

/* The list of blocks, and how their costs are found. */
struct split {
	const struct ds_gdeflate_encoder *enc;
	uint32_t (*cost)(const struct ds_gdeflate_encoder *enc, const struct gd_histogram *a,
			 const struct gd_histogram *b);
	struct gd_segment *list[GD_MAX_BLOCKS];
	unsigned nr;
};

static void set_gain(const struct split *s, unsigned i)
{
	struct gd_segment *a = s->list[i];
	const struct gd_segment *b = s->list[i + 1];

	a->gain = (int32_t)(a->cost + b->cost - s->cost(s->enc, &a->h, &b->h));
}

static void set_costs(const struct split *s)
{
	for (unsigned i = 0; i < s->nr; i++)
		s->list[i]->cost = s->cost(s->enc, &s->list[i]->h, &none);
	for (unsigned i = 0; i + 1 < s->nr; i++)
		set_gain(s, i);
}

static void make_chunks(struct ds_gdeflate_encoder *enc, struct split *s)
{
	uint32_t chunk = enc->level->nr_chunk;

	s->nr = (enc->nr_tokens + chunk - 1) / chunk;
	for (uint32_t i = 0; i < s->nr; i++) {
		struct gd_segment *seg = s->list[i] = &enc->segments[i];

		seg->first = i * chunk;
		seg->nr_tokens = i + 1 < s->nr ? chunk : enc->nr_tokens - seg->first;
		ds_gd_count_tokens(enc, seg->first, seg->nr_tokens, &seg->h);
	}
}

/* Joins a block with the next one, and closes the gap in the list. */
static void join(struct split *s, unsigned i)
{
	struct gd_segment *a = s->list[i];
	const struct gd_segment *b = s->list[i + 1];

	add_histogram(&a->h, &b->h);
	a->nr_tokens += b->nr_tokens;
	a->cost += b->cost - (uint32_t)a->gain;
	s->nr--;
	memmove(s->list + i + 1, s->list + i + 2, (s->nr - i - 1) * sizeof(s->list[0]));
	if (i + 1 < s->nr)
		set_gain(s, i);
	if (i > 0)
		set_gain(s, i - 1);
}

static void join_all_that_gain(struct split *s)
{
	while (s->nr > 1) {
		unsigned best = 0;

		for (unsigned i = 1; i + 1 < s->nr; i++)
			if (s->list[i]->gain > s->list[best]->gain)
				best = i;
		if (s->list[best]->gain <= 0)
			break;
		join(s, best);
	}
}

static void subtract_histogram(struct gd_histogram *from, const struct gd_histogram *h)
{
	for (unsigned i = 0; i < GD_NR_LITLEN; i++)
		from->litlen[i] -= h->litlen[i];
	for (unsigned i = 0; i < GD_NR_DIST; i++)
		from->dist[i] -= h->dist[i];
}

/*
 * Gives the last tokens of a block to the next one, or takes the first ones from it. Returns
 * whether that was for the better; if not, nothing is changed.
 */
static bool move_boundary(const struct split *s, struct gd_segment *a, struct gd_segment *b,
			  int32_t by)
{
	uint32_t n = (uint32_t)(by < 0 ? -by : by), cost_a, cost_b;
	struct gd_histogram moved, from, to;

	if (n >= (by < 0 ? a : b)->nr_tokens)
		return false;
	ds_gd_count_tokens(s->enc, by < 0 ? b->first - n : b->first, n, &moved);
	from = (by < 0 ? a : b)->h;
	to = (by < 0 ? b : a)->h;
	subtract_histogram(&from, &moved);
	add_histogram(&to, &moved);
	cost_a = s->cost(s->enc, by < 0 ? &from : &to, &none);
	cost_b = s->cost(s->enc, by < 0 ? &to : &from, &none);
	if (cost_a + cost_b >= a->cost + b->cost)
		return false;
	a->h = by < 0 ? from : to;
	b->h = by < 0 ? to : from;
	a->cost = cost_a;
	b->cost = cost_b;
	a->nr_tokens += (uint32_t)by;
	b->nr_tokens -= (uint32_t)by;
	b->first += (uint32_t)by;
	return true;
}

/* Chunks are coarse: moves each boundary in smaller and smaller steps. */
static void move_boundaries(const struct split *s)
{
	for (unsigned i = 0; i + 1 < s->nr; i++)
		for (int32_t by = FIRST_MOVE; by >= LAST_MOVE; by /= 2)
			while (move_boundary(s, s->list[i], s->list[i + 1], by) ||
			       move_boundary(s, s->list[i], s->list[i + 1], -by))
				;
}

void ds_gd_split(struct ds_gdeflate_encoder *enc, bool exactly)
{
	struct split s = { .enc = enc, .cost = estimate };

	make_chunks(enc, &s);
	set_costs(&s);
	join_all_that_gain(&s);
	if (exactly) {
		s.cost = cost_exactly;
		set_costs(&s);
		join_all_that_gain(&s);
	}
	if (exactly && enc->level->is_thorough)
		move_boundaries(&s);
	enc->nr_blocks = s.nr;
	for (unsigned i = 0; i < s.nr; i++) {
		enc->blocks[i].first = s.list[i]->first;
		enc->blocks[i].nr_tokens = s.list[i]->nr_tokens;
		enc->blocks[i].histogram = &s.list[i]->h;
	}
}
