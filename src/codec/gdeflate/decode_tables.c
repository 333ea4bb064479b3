/* SPDX-License-Identifier: MIT */
/*
 * decode_tables.c: lookup tables for canonical Huffman codes.
 *
 * Codewords are sent most significant bit first, so in an index the first bit of a
 * codeword is bit 0. Codewords are made in the order of their lengths. The table begins
 * as small as the shortest codeword asks for, and is doubled by copying whenever
 * they get longer: so each codeword is written once. A tile has several blocks, each with
 * its tables: building them is a good part of the work.
 */
#include "codec/gdeflate/decode_internal.h"

/* A code, and where its table goes. */
struct code {
	const uint8_t *lens;
	unsigned nr_lens;
	const uint32_t *meaning; /* entries of the symbols, without the codeword's bits */
	uint32_t *table;
	unsigned index_bits;
	unsigned table_begin; /* where the table itself begins, for GD_ENTRY_SUBTABLE */
	/* Found out on the way: */
	unsigned count[GD_MAX_CODE_BITS + 1];
	uint16_t sorted[GD_NR_LITLEN]; /* symbols by length, then by value */
};

/* Adds a codeword's length to both the bits that a step consumes and the codeword's own. */
static inline uint32_t with_code(uint32_t meaning, unsigned nbits)
{
	return meaning + nbits * (1 + (1 << GD_ENTRY_CODE_SHIFT));
}

/*
 * Counts the lengths, into several counters in turn: adding to the same one again and again
 * would wait each time for the sum before.
 */
static void count_lens(struct code *c)
{
	uint16_t counts[4][GD_MAX_CODE_BITS + 1] = { { 0 } };

	for (unsigned i = 0; i < c->nr_lens; i++)
		counts[i % 4][c->lens[i]]++;
	for (unsigned n = 0; n <= GD_MAX_CODE_BITS; n++)
		c->count[n] = (unsigned)counts[0][n] + counts[1][n] + counts[2][n] + counts[3][n];
}

/*
 * Sorts the symbols; those that do not occur come first. Returns how much of the space
 * of all codewords is left over, in units of 2^-15: negative if there are too many.
 */
static int sort_symbols(struct code *c)
{
	unsigned at[GD_MAX_CODE_BITS + 1];
	int left = 1 << GD_MAX_CODE_BITS;

	count_lens(c);
	at[0] = 0;
	for (unsigned n = 1; n <= GD_MAX_CODE_BITS; n++) {
		at[n] = at[n - 1] + c->count[n - 1];
		left -= (int)(c->count[n] << (GD_MAX_CODE_BITS - n));
	}
	for (unsigned i = 0; i < c->nr_lens; i++)
		c->sorted[at[c->lens[i]]++] = (uint16_t)i;
	return left;
}

/* A codeword as an index: its first bit becomes bit 0. */
static inline unsigned reversed(unsigned code, unsigned nbits)
{
	code = (code & 0x5555) << 1 | (code >> 1 & 0x5555);
	code = (code & 0x3333) << 2 | (code >> 2 & 0x3333);
	code = (code & 0x0f0f) << 4 | (code >> 4 & 0x0f0f);
	code = (code & 0x00ff) << 8 | (code >> 8 & 0x00ff);
	return code >> (16 - nbits);
}

/*
 * How many bits of index a subtable needs that begins with a codeword of nbits, of which
 * `left` are not yet placed: it is full once its codewords' shares sum up.
 */
static unsigned subtable_bits(const struct code *c, unsigned nbits, unsigned left)
{
	unsigned bits = nbits - c->index_bits;
	unsigned space = 1u << bits;

	while (left < space) {
		space = (space - left) << 1;
		bits++;
		left = c->count[c->index_bits + bits];
	}
	return bits;
}

/* Codewords that are longer than the index, from `code` of nbits and sorted[at] on. */
static void build_subtables(struct code *c, unsigned code, unsigned nbits, unsigned at)
{
	unsigned prefix = UINT32_MAX, sub = 0, sub_bits = 0, end = 1u << c->index_bits;

	for (; nbits <= GD_MAX_CODE_BITS; nbits++, code <<= 1) {
		for (unsigned i = 0; i < c->count[nbits]; i++, code++, at++) {
			unsigned index = reversed(code, nbits);
			uint32_t e = with_code(c->meaning[c->sorted[at]], nbits);

			if (index % (1u << c->index_bits) != prefix) {
				prefix = index % (1u << c->index_bits);
				sub = end;
				sub_bits = subtable_bits(c, nbits, c->count[nbits] - i);
				end += 1u << sub_bits;
				c->table[prefix] = GD_ENTRY_SPECIAL | GD_ENTRY_SUBTABLE |
						   sub_bits << GD_ENTRY_CODE_SHIFT |
						   (c->table_begin + sub) << GD_ENTRY_BASE_SHIFT;
			}
			for (unsigned j = index >> c->index_bits; j < 1u << sub_bits;
			     j += 1u << (nbits - c->index_bits))
				c->table[sub + j] = e;
		}
	}
}

static void build_complete(struct code *c)
{
	unsigned code = 0, at = c->count[0], nbits = 1, size;

	while (!c->count[nbits])
		nbits++;
	size = 1u << nbits;
	for (; nbits <= c->index_bits; nbits++, code <<= 1) {
		if (1u << nbits > size) {
			memcpy(c->table + size, c->table, size * sizeof(*c->table));
			size *= 2;
		}
		for (unsigned i = 0; i < c->count[nbits]; i++, code++, at++)
			c->table[reversed(code, nbits)] =
				with_code(c->meaning[c->sorted[at]], nbits);
	}
	if (at < c->nr_lens)
		build_subtables(c, code, nbits, at);
}

static bool build(struct code *c, bool may_be_empty)
{
	int left = sort_symbols(c);
	unsigned nr_used = c->nr_lens - c->count[0];
	uint32_t one = GD_ENTRY_SPECIAL;

	if (left < 0)
		return false;
	if (left == 0) {
		build_complete(c);
		return true;
	}
	if (nr_used == 1 && c->count[1] == 1)
		one = with_code(c->meaning[c->sorted[c->count[0]]], 1);
	else if (nr_used || !may_be_empty)
		return false;
	for (unsigned i = 0; i < 1u << c->index_bits; i += 2) {
		c->table[i] = one;
		c->table[i + 1] = GD_ENTRY_SPECIAL;
	}
	return true;
}

void ds_gd_init_meanings(struct gd_meanings *m)
{
	for (unsigned i = 0; i < GD_NR_LITLEN; i++)
		m->litlen[i] = i < GD_END_OF_BLOCK ? GD_ENTRY_LITERAL | i << GD_ENTRY_BASE_SHIFT
						   : GD_ENTRY_SPECIAL;
	m->litlen[GD_END_OF_BLOCK] |= GD_ENTRY_IS_END;
	for (unsigned i = 0; i < GD_NR_LENGTHS; i++)
		m->litlen[GD_FIRST_LENGTH + i] =
			ds_gd_length_extra[i] | (uint32_t)ds_gd_length_base[i]
							<< GD_ENTRY_BASE_SHIFT;
	for (unsigned i = 0; i < GD_NR_DIST; i++)
		m->dist[i] = gd_dist_extra(i) | gd_dist_base(i) << GD_ENTRY_BASE_SHIFT;
	for (unsigned i = 0; i < 16; i++)
		m->precode[i] = 1u << GD_PRECODE_TIMES_SHIFT | i << GD_ENTRY_BASE_SHIFT;
	m->precode[16] = 3u << GD_PRECODE_TIMES_SHIFT | GD_PRECODE_PREVIOUS | 2;
	m->precode[17] = 3u << GD_PRECODE_TIMES_SHIFT | 3;
	m->precode[18] = 11u << GD_PRECODE_TIMES_SHIFT | 7;
}

bool ds_gd_build_litlen(struct ds_gdeflate_decoder *d, const uint8_t *lens, unsigned nr_lens)
{
	struct code c = {
		.lens = lens,
		.nr_lens = nr_lens,
		.meaning = d->meanings.litlen,
		.table = d->table,
		.index_bits = GD_LITLEN_BITS,
	};

	return build(&c, false);
}

bool ds_gd_build_dist(struct ds_gdeflate_decoder *d, const uint8_t *lens, unsigned nr_lens)
{
	struct code c = {
		.lens = lens,
		.nr_lens = nr_lens,
		.meaning = d->meanings.dist,
		.table = d->table + GD_DIST_TABLE,
		.index_bits = GD_DIST_BITS,
		.table_begin = GD_DIST_TABLE,
	};

	return build(&c, true);
}

bool ds_gd_build_precode(struct ds_gdeflate_decoder *d, const uint8_t *lens)
{
	struct code c = {
		.lens = lens,
		.nr_lens = GD_NR_PRECODE,
		.meaning = d->meanings.precode,
		.table = d->precode,
		.index_bits = GD_MAX_PRECODE_BITS,
	};

	return build(&c, false);
}
