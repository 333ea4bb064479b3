/* SPDX-License-Identifier: MIT */
/* encode_huffman.c: Huffman codes from frequencies, and the header that sends them. */
#include "codec/gdeflate/encode.h"

enum {
	RADIX_BITS = 9,
	RADIX = 1 << RADIX_BITS, /* two digits hold the frequencies of a tile */
	ITEM_BITS = 32 - 2 * RADIX_BITS,
};

/*
 * Symbols that occur, by rising frequency, as frequency << ITEM_BITS | symbol. Stable, so
 * that the code does not depend on the sorting method.
 */
static unsigned sort_symbols(const uint32_t *freq, unsigned nr_symbols, uint32_t *sorted)
{
	uint32_t items[GD_NR_LITLEN], half[GD_NR_LITLEN];
	uint16_t at[2][RADIX] = { { 0 } };
	unsigned nr_used = 0, sum0 = 0, sum1 = 0, n;

	for (unsigned i = 0; i < nr_symbols; i++) {
		if (freq[i] == 0)
			continue;
		items[nr_used++] = freq[i] << ITEM_BITS | i;
		at[0][freq[i] % RADIX]++;
		at[1][freq[i] / RADIX]++;
	}
	for (unsigned i = 0; i < RADIX; i++) {
		n = at[0][i];
		at[0][i] = (uint16_t)sum0;
		sum0 += n;
		n = at[1][i];
		at[1][i] = (uint16_t)sum1;
		sum1 += n;
	}
	for (unsigned i = 0; i < nr_used; i++)
		half[at[0][items[i] >> ITEM_BITS & (RADIX - 1)]++] = items[i];
	for (unsigned i = 0; i < nr_used; i++)
		sorted[at[1][half[i] >> (ITEM_BITS + RADIX_BITS)]++] = half[i];
	return nr_used;
}

/*
 * How many codewords of each length a Huffman code has, for rising weights. Leaves and
 * inner nodes are both taken in rising order, so two queues do for a heap.
 */
static void count_depths(const uint32_t *sorted, unsigned n, unsigned *count, unsigned max_depth)
{
	uint32_t weight[GD_NR_LITLEN];
	uint16_t parent_of_leaf[GD_NR_LITLEN], parent[GD_NR_LITLEN];
	uint16_t depth[GD_NR_LITLEN];
	unsigned leaf = 0, inner = 0;

	for (unsigned made = 0; made < n - 1; made++) {
		weight[made] = 0;
		for (int side = 0; side < 2; side++) {
			uint32_t w = leaf < n ? sorted[leaf] >> ITEM_BITS : 0;

			if (inner == made || (leaf < n && w <= weight[inner])) {
				weight[made] += w;
				parent_of_leaf[leaf++] = (uint16_t)made;
			} else {
				weight[made] += weight[inner];
				parent[inner++] = (uint16_t)made;
			}
		}
	}
	depth[n - 2] = 0;
	for (unsigned i = n - 2; i-- > 0;)
		depth[i] = (uint16_t)(depth[parent[i]] + 1);
	for (unsigned i = 0; i < n; i++) {
		unsigned d = depth[parent_of_leaf[i]] + 1u;

		count[d < max_depth ? d : max_depth]++;
	}
}

/*
 * Codewords that were cut to the limit make the code oversubscribed: lengthen those that
 * lose least until it fits, then give back what was taken too much.
 */
static void limit_depths(unsigned *count, unsigned limit)
{
	int excess = -(1 << limit);
	unsigned n;

	for (unsigned i = 1; i <= limit; i++)
		excess += (int)(count[i] << (limit - i));
	while (excess > 0) {
		for (n = limit - 1; count[n] == 0;)
			n--;
		count[n]--;
		count[n + 1]++;
		excess -= 1 << (limit - n - 1);
	}
	while (excess < 0) {
		count[limit]--;
		count[limit - 1]++;
		excess++;
	}
}

void ds_gd_make_lens(const uint32_t *freq, unsigned nr_symbols, unsigned limit, uint8_t *lens)
{
	uint32_t sorted[GD_NR_LITLEN];
	unsigned count[GD_MAX_CODE_BITS + 1] = { 0 };
	unsigned nr_used = sort_symbols(freq, nr_symbols, sorted);
	unsigned at = 0;

	memset(lens, 0, nr_symbols);
	if (nr_used < 2) {
		unsigned only = nr_used ? sorted[0] & ((1u << ITEM_BITS) - 1) : 0;

		lens[only] = 1;
		lens[only ? 0 : 1] = 1;
		return;
	}
	count_depths(sorted, nr_used, count, limit);
	limit_depths(count, limit);
	for (unsigned n = limit; n > 0; n--)
		for (unsigned i = 0; i < count[n]; i++)
			lens[sorted[at++] & ((1u << ITEM_BITS) - 1)] = (uint8_t)n;
}

static uint16_t reverse(unsigned v, unsigned nbits)
{
	v = (v & 0x5555) << 1 | (v >> 1 & 0x5555);
	v = (v & 0x3333) << 2 | (v >> 2 & 0x3333);
	v = (v & 0x0f0f) << 4 | (v >> 4 & 0x0f0f);
	v = (v & 0x00ff) << 8 | (v >> 8 & 0x00ff);
	return (uint16_t)(v >> (16 - nbits));
}

void ds_gd_make_codes(const uint8_t *lens, unsigned nr_symbols, uint16_t *codes)
{
	unsigned count[GD_MAX_CODE_BITS + 1] = { 0 };
	unsigned next[GD_MAX_CODE_BITS + 1];
	unsigned code = 0;

	for (unsigned i = 0; i < nr_symbols; i++)
		count[lens[i]]++;
	count[0] = 0;
	for (unsigned n = 1; n <= GD_MAX_CODE_BITS; n++) {
		code = (code + count[n - 1]) << 1;
		next[n] = code;
	}
	for (unsigned i = 0; i < nr_symbols; i++)
		if (lens[i])
			codes[i] = reverse(next[lens[i]]++, lens[i]);
}

/* ----------------------------------------------------- the dynamic header */

static void add_item(struct gd_dynamic_header *h, uint32_t *freq, unsigned symbol, unsigned repeat)
{
	h->symbols[h->nr_items] = (uint8_t)symbol;
	h->repeats[h->nr_items] = (uint8_t)repeat;
	h->nr_items++;
	freq[symbol]++;
}

/* A run of equal lengths, as few items as possible. */
static void add_run(struct gd_dynamic_header *h, uint32_t *freq, unsigned value, unsigned n)
{
	unsigned most;

	if (value == 0) {
		for (; n >= 11; n -= most) {
			most = n < 138 ? n : 138;
			add_item(h, freq, 18, most - 11);
		}
		if (n >= 3) {
			add_item(h, freq, 17, n - 3);
			n = 0;
		}
	} else if (n >= 4) {
		add_item(h, freq, value, 0);
		for (n--; n >= 3; n -= most) {
			most = n < 6 ? n : 6;
			add_item(h, freq, 16, most - 3);
		}
	}
	while (n--)
		add_item(h, freq, value, 0);
}

static unsigned trimmed(const uint8_t *lens, unsigned n, unsigned least)
{
	while (n > least && lens[n - 1] == 0)
		n--;
	return n;
}

/* Bits that follow precode symbols 16, 17 and 18. */
static unsigned repeat_bits(unsigned symbol)
{
	return symbol == 16 ? 2 : symbol == 17 ? 3 : symbol == 18 ? 7 : 0;
}

void ds_gd_make_header(const struct gd_codes *codes, struct gd_dynamic_header *h)
{
	uint8_t lens[GD_MAX_LENS];
	uint32_t freq[GD_NR_PRECODE] = { 0 };
	unsigned n, run;

	h->nr_litlen = trimmed(codes->litlen_lens, GD_NR_LITLEN, 257);
	h->nr_dist = trimmed(codes->dist_lens, GD_NR_DIST, 1);
	h->nr_items = 0;
	n = h->nr_litlen + h->nr_dist;
	memcpy(lens, codes->litlen_lens, h->nr_litlen);
	memcpy(lens + h->nr_litlen, codes->dist_lens, h->nr_dist);
	for (unsigned i = 0; i < n; i += run) {
		for (run = 1; i + run < n && lens[i + run] == lens[i];)
			run++;
		add_run(h, freq, lens[i], run);
	}

	ds_gd_make_lens(freq, GD_NR_PRECODE, GD_MAX_PRECODE_BITS, h->precode_lens);
	ds_gd_make_codes(h->precode_lens, GD_NR_PRECODE, h->precode);
	for (h->nr_precode = GD_NR_PRECODE;
	     h->nr_precode > 4 && !h->precode_lens[ds_gd_precode_order[h->nr_precode - 1]];)
		h->nr_precode--;
	h->nbits = 14 + 3 * h->nr_precode;
	for (unsigned i = 0; i < GD_NR_PRECODE; i++)
		h->nbits += freq[i] * (h->precode_lens[i] + repeat_bits(i));
}
