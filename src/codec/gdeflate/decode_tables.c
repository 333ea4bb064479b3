/* SPDX-License-Identifier: MIT */
/*
 * decode_tables.c: lookup tables for canonical Huffman codes.
 *
 * Codewords are sent most significant bit first, so in an index the first bit of a
 * codeword is bit 0. Codewords are made in the order of their lengths. The table begins
 * as small as the shortest codeword asks for, and is doubled by copying whenever
 * they get longer: so each codeword is written once.
 */
#include "codec/gdeflate/decode_internal.h"

struct builder {
	uint32_t *table;
	const uint32_t *meaning; /* entries of the symbols, without the codeword's bits */
	const uint8_t *lens;
	unsigned nr_lens;
	unsigned index_bits;
	unsigned sub_base; /* where the table itself begins, for GD_ENTRY_SUBTABLE */
	unsigned count[GD_MAX_CODE_BITS + 1];
	uint16_t sorted[GD_NR_LITLEN]; /* symbols by length, then by value */
	unsigned nr_used;
};

/* Both the bits that a step consumes and the codeword's own. */
static uint32_t with_code(uint32_t meaning, unsigned nbits)
{
	return meaning + nbits + (nbits << GD_ENTRY_CODE_SHIFT);
}

static int sort_symbols(struct builder *b)
{
	unsigned at[GD_MAX_CODE_BITS + 2];
	int left = 1;

	memset(b->count, 0, sizeof(b->count));
	for (unsigned i = 0; i < b->nr_lens; i++)
		b->count[b->lens[i]]++;
	at[1] = 0;
	for (unsigned n = 1; n <= GD_MAX_CODE_BITS; n++) {
		at[n + 1] = at[n] + b->count[n];
		left = 2 * left - (int)b->count[n];
		if (left < 0)
			return left;
	}
	b->nr_used = at[GD_MAX_CODE_BITS + 1];
	for (unsigned i = 0; i < b->nr_lens; i++)
		if (b->lens[i])
			b->sorted[at[b->lens[i]]++] = (uint16_t)i;
	return left;
}

/* The next codeword of the same length, with its bits in the order of an index. */
static unsigned next_code(unsigned code, unsigned nbits)
{
	unsigned zeros = ~code & ((1u << nbits) - 1), bit;

	if (!zeros)
		return 0; /* that was the last one */
	bit = 1u << (31 - __builtin_clz(zeros));
	return (code & (bit - 1)) | bit;
}

/*
 * How many bits more than index_bits a subtable needs that begins with a codeword of
 * nbits, of which `left` are not yet placed: it is full once its codewords' shares sum up.
 */
static unsigned subtable_bits(const struct builder *b, unsigned nbits, unsigned left)
{
	unsigned bits = nbits - b->index_bits;
	unsigned space = 1u << bits;

	while (left < space) {
		space = (space - left) << 1;
		bits++;
		left = b->count[b->index_bits + bits];
	}
	return bits;
}

static void build_complete(struct builder *b)
{
	unsigned code = 0, at = 0, nbits = 1, size, end = 1u << b->index_bits, prefix = UINT32_MAX;
	unsigned sub = 0, sub_bits = 0;

	while (!b->count[nbits])
		nbits++;
	size = 1u << nbits;
	for (; nbits <= b->index_bits; nbits++) {
		if (1u << nbits > size) {
			memcpy(b->table + size, b->table, size * sizeof(*b->table));
			size *= 2;
		}
		for (unsigned i = 0; i < b->count[nbits]; i++) {
			b->table[code] = with_code(b->meaning[b->sorted[at++]], nbits);
			code = next_code(code, nbits);
		}
	}

	/* `end` is where the next subtable goes. */
	for (; nbits <= GD_MAX_CODE_BITS; nbits++) {
		for (unsigned i = 0; i < b->count[nbits]; i++) {
			if ((code & ((1u << b->index_bits) - 1)) != prefix) {
				prefix = code & ((1u << b->index_bits) - 1);
				sub = end;
				sub_bits = subtable_bits(b, nbits, b->count[nbits] - i);
				end += 1u << sub_bits;
				b->table[prefix] = GD_ENTRY_SPECIAL | GD_ENTRY_SUBTABLE |
						   sub_bits << GD_ENTRY_CODE_SHIFT |
						   (b->sub_base + sub) << GD_ENTRY_BASE_SHIFT;
			}
			for (unsigned j = code >> b->index_bits; j < 1u << sub_bits;
			     j += 1u << (nbits - b->index_bits))
				b->table[sub + j] = with_code(b->meaning[b->sorted[at]], nbits);
			at++;
			code = next_code(code, nbits);
		}
	}
}

static bool build(struct builder *b, bool may_be_empty)
{
	int left = sort_symbols(b);
	uint32_t one = GD_ENTRY_SPECIAL;

	if (left < 0)
		return false;
	if (left == 0) {
		build_complete(b);
		return true;
	}
	if (b->nr_used == 1 && b->count[1] == 1)
		one = with_code(b->meaning[b->sorted[0]], 1);
	else if (b->nr_used || !may_be_empty)
		return false;
	for (unsigned i = 0; i < 1u << b->index_bits; i += 2) {
		b->table[i] = one;
		b->table[i + 1] = GD_ENTRY_SPECIAL;
	}
	return true;
}

bool ds_gd_build_litlen(uint32_t *table, const uint8_t *lens, unsigned nr_lens)
{
	uint32_t meaning[GD_NR_LITLEN];
	struct builder b = {
		.table = table,
		.meaning = meaning,
		.lens = lens,
		.nr_lens = nr_lens,
		.index_bits = GD_LITLEN_BITS,
	};

	for (unsigned i = 0; i < GD_END_OF_BLOCK; i++)
		meaning[i] = GD_ENTRY_LITERAL | i << GD_ENTRY_BASE_SHIFT;
	meaning[GD_END_OF_BLOCK] = GD_ENTRY_SPECIAL | GD_ENTRY_IS_END;
	for (unsigned i = 0; i < GD_NR_LENGTHS; i++)
		meaning[GD_FIRST_LENGTH + i] =
			ds_gd_length_extra[i] | (uint32_t)ds_gd_length_base[i]
							<< GD_ENTRY_BASE_SHIFT;
	for (unsigned i = GD_FIRST_LENGTH + GD_NR_LENGTHS; i < GD_NR_LITLEN; i++)
		meaning[i] = GD_ENTRY_SPECIAL;
	return build(&b, false);
}

bool ds_gd_build_dist(uint32_t *table, const uint8_t *lens, unsigned nr_lens)
{
	uint32_t meaning[GD_NR_DIST];
	struct builder b = {
		.table = table + GD_DIST_TABLE,
		.meaning = meaning,
		.lens = lens,
		.nr_lens = nr_lens,
		.index_bits = GD_DIST_BITS,
		.sub_base = GD_DIST_TABLE,
	};

	for (unsigned i = 0; i < GD_NR_DIST; i++)
		meaning[i] = gd_dist_extra(i) | gd_dist_base(i) << GD_ENTRY_BASE_SHIFT;
	return build(&b, true);
}

bool ds_gd_build_precode(uint32_t *table, const uint8_t *lens)
{
	uint32_t meaning[GD_NR_PRECODE];
	struct builder b = {
		.table = table,
		.meaning = meaning,
		.lens = lens,
		.nr_lens = GD_NR_PRECODE,
		.index_bits = GD_MAX_PRECODE_BITS,
	};

	for (unsigned i = 0; i < GD_NR_PRECODE; i++)
		meaning[i] = i << GD_ENTRY_BASE_SHIFT;
	return build(&b, false);
}
