/* SPDX-License-Identifier: MIT */
/*
 * encode_split.c: cuts the token list into blocks.
 *
 * The list is cut into chunks of equal numbers of tokens. As long as some two neighbours
 * cost less as one block than as two, the pair that gains most is joined. Costs are
 * estimated from the entropy of the symbols and the number of code lengths to send.
 */
#include "codec/gdeflate/encode.h"

enum {
	/*
	 * More than a header has: the estimate is below what Huffman codes reach, more so for
	 * small blocks, and a decoder has tables to build for each.
	 */
	HEADER_BITS = 300,
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

static uint32_t cost_of_sum(const struct ds_gdeflate_encoder *enc, const struct gd_histogram *a,
			    const struct gd_histogram *b)
{
	return (uint32_t)(alphabet_cost(enc, a->litlen, b->litlen, GD_NR_LITLEN) +
			  alphabet_cost(enc, a->dist, b->dist, GD_NR_DIST) + HEADER_BITS);
}

static void add_histogram(struct gd_histogram *to, const struct gd_histogram *from)
{
	for (unsigned i = 0; i < GD_NR_LITLEN; i++)
		to->litlen[i] += from->litlen[i];
	for (unsigned i = 0; i < GD_NR_DIST; i++)
		to->dist[i] += from->dist[i];
}

void ds_gd_count_tokens(const struct ds_gdeflate_encoder *enc, uint32_t first, uint32_t nr_tokens,
			struct gd_histogram *h)
{
	memset(h, 0, sizeof(*h));
	for (uint32_t i = first; i < first + nr_tokens; i++) {
		uint32_t token = enc->tokens[i];

		if (gd_is_copy(token)) {
			h->litlen[GD_FIRST_LENGTH + gd_length_index(enc, gd_token_length(token))]++;
			h->dist[gd_dist_symbol(gd_token_distance(token))]++;
		} else {
			h->litlen[token]++;
		}
	}
}

static void set_gain(const struct ds_gdeflate_encoder *enc, struct gd_segment *s,
		     const struct gd_segment *next)
{
	s->gain = (int32_t)(s->cost + next->cost - cost_of_sum(enc, &s->h, &next->h));
}

static unsigned make_chunks(struct ds_gdeflate_encoder *enc)
{
	static const struct gd_histogram none;
	uint32_t chunk = enc->level->nr_chunk, nr = (enc->nr_tokens + chunk - 1) / chunk;
	struct gd_segment *s = enc->segments;

	for (uint32_t i = 0; i < nr; i++, s++) {
		s->first = i * chunk;
		s->nr_tokens = i + 1 < nr ? chunk : enc->nr_tokens - s->first;
		ds_gd_count_tokens(enc, s->first, s->nr_tokens, &s->h);
		s->cost = cost_of_sum(enc, &s->h, &none);
	}
	return nr;
}

/* Joins list[i] with the next one, and closes the gap. */
static void join(struct ds_gdeflate_encoder *enc, struct gd_segment **list, unsigned i, unsigned nr)
{
	struct gd_segment *s = list[i];

	add_histogram(&s->h, &list[i + 1]->h);
	s->nr_tokens += list[i + 1]->nr_tokens;
	s->cost += list[i + 1]->cost - (uint32_t)s->gain;
	memmove(list + i + 1, list + i + 2, (nr - i - 2) * sizeof(list[0]));
	if (i + 2 < nr)
		set_gain(enc, s, list[i + 1]);
	if (i > 0)
		set_gain(enc, list[i - 1], s);
}

void ds_gd_split(struct ds_gdeflate_encoder *enc)
{
	struct gd_segment *list[GD_MAX_BLOCKS];
	unsigned nr = make_chunks(enc);

	for (unsigned i = 0; i < nr; i++)
		list[i] = &enc->segments[i];
	for (unsigned i = 0; i + 1 < nr; i++)
		set_gain(enc, list[i], list[i + 1]);
	while (nr > 1) {
		unsigned best = 0;

		for (unsigned i = 1; i + 1 < nr; i++)
			if (list[i]->gain > list[best]->gain)
				best = i;
		if (list[best]->gain <= 0)
			break;
		join(enc, list, best, nr);
		nr--;
	}
	enc->nr_blocks = nr;
	for (unsigned i = 0; i < nr; i++) {
		enc->blocks[i].first = list[i]->first;
		enc->blocks[i].nr_tokens = list[i]->nr_tokens;
		enc->blocks[i].histogram = &list[i]->h;
	}
}
