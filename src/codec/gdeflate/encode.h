/* SPDX-License-Identifier: MIT */
/*
 * encode.h: the parts of the tile encoder.
 *
 * A tile goes through four stages, each with the whole tile at hand:
 *
 *	parse	bytes to tokens (literals and copies); by level in encode_greedy.c
 *		or encode_optimal.c, over the match finders
 *	split	the token list into blocks whose symbols are distributed alike
 *	codes	Huffman codes of each block; stored, fixed or dynamic, whichever is least
 *	write	bits to lanes, lanes to words
 *
 * Since a tile is at most 65536 bytes, positions and distances fit in 16 bits, and
 * match finders are small enough for the second-level cache.
 */
#ifndef DS_GDEFLATE_ENCODE_H
#define DS_GDEFLATE_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/gdeflate/decode.h"
#include "codec/gdeflate/format.h"
#include "ds_gdeflate.h"

enum {
	GD_MAX_TOKENS = DS_GDEFLATE_TILE_NBYTES,
	GD_MAX_BLOCKS = 128,
	/* All stored, in as many blocks as there can be; and what lanes hold at the end. */
	GD_MAX_WORDS = (DS_GDEFLATE_TILE_NBYTES + 3 * GD_MAX_BLOCKS + 8 * GD_NR_LANES) / 4,
	GD_LOG_SHIFT = 8, /* logarithms have this many bits after the point */
	GD_SMALL_WEIGHTS = 1024,
	GD_LENGTH_SYMBOLS = 259, /* lengths above 258 have the last symbol */
	/* Literals, then each length, then one for all longer ones. */
	GD_TOKEN_LENGTHS = 256 - GD_MIN_MATCH,
	GD_LONG_LENGTH = GD_TOKEN_LENGTHS + GD_LENGTH_SYMBOLS,
	GD_NR_TOKEN_SYMBOLS,
};

/* A literal is its byte; a copy has its length below its distance. */
static inline uint32_t gd_copy_token(unsigned length, unsigned distance)
{
	return (uint32_t)length | (uint32_t)distance << 16;
}

static inline bool gd_is_copy(uint32_t token)
{
	return token >> 16;
}

static inline unsigned gd_token_length(uint32_t token)
{
	return token & 0xffff;
}

static inline unsigned gd_token_distance(uint32_t token)
{
	return token >> 16;
}

/* How many bytes it stands for. */
static inline unsigned gd_token_nbytes(uint32_t token)
{
	return gd_is_copy(token) ? gd_token_length(token) : 1;
}

static inline unsigned gd_log2(uint32_t v)
{
	return 31 - (unsigned)__builtin_clz(v);
}

static inline unsigned gd_dist_symbol(unsigned distance)
{
	unsigned v = distance - 1, n;

	if (v < 4)
		return v;
	n = gd_log2(v);
	return 2 * n + (v >> (n - 1) & 1);
}

/* How often each symbol occurs. */
struct gd_histogram {
	uint32_t litlen[GD_NR_LITLEN];
	uint32_t dist[GD_NR_DIST];
};

/* Codewords, as they are sent, and their lengths. */
struct gd_codes {
	uint8_t litlen_lens[GD_NR_LITLEN];
	uint8_t dist_lens[GD_NR_DIST];
	uint16_t litlen[GD_NR_LITLEN];
	uint16_t dist[GD_NR_DIST];
};

/* A run of tokens that becomes one block. */
struct gd_block {
	uint32_t first;
	uint32_t nr_tokens;
	const struct gd_histogram *histogram;
};

/* A block on its way through the splitter. */
struct gd_segment {
	struct gd_histogram h;
	uint32_t first;
	uint32_t nr_tokens;
	uint32_t cost; /* in bits */
	int32_t gain;  /* of joining it with the next one */
};

/* What a level asks of the parsers. */
struct gd_level {
	enum gd_parser {
		GD_FAST,
		GD_GREEDY,
		GD_LAZY,
		GD_LAZY2,
		GD_OPTIMAL_ROWS,
		GD_OPTIMAL_TREES
	} parser;
	uint16_t depth;	   /* candidates that are looked at */
	uint16_t nice;	   /* a match of this length ends the search */
	uint16_t passes;   /* of the optimal parser */
	uint16_t nr_chunk; /* tokens between possible block boundaries */
	bool is_thorough;  /* moves those boundaries, tries several codes for each block */
};

extern const struct gd_level ds_gd_levels[DS_GDEFLATE_LEVEL_SMALLEST + 1];

/* The lanes, as the writer sees them; see encode_lanes.h. */
struct gd_writer {
	uint32_t acc[GD_NR_LANES];
	uint32_t nbits[GD_NR_LANES];
	uint32_t word[GD_NR_LANES];
	uint32_t next_word[GD_NR_LANES];
	uint32_t nr_words;
	uint32_t words[1 + GD_MAX_WORDS];
};

struct gd_writer_kernels;

struct ds_gdeflate_encoder {
	struct ds_gdeflate_allocator allocator;
	const struct gd_level *level;
	const struct gd_writer_kernels *kernels;
	void *finder; /* the match finder of the level's parser */
	uint32_t nr_tokens;
	uint32_t nr_blocks;
	uint32_t tokens[GD_MAX_TOKENS + GD_NR_LANES]; /* read as whole vectors */
	struct gd_block blocks[GD_MAX_BLOCKS];
	struct gd_segment segments[GD_MAX_BLOCKS];
	struct gd_writer writer;
	struct gd_codes fixed;
	uint8_t length_symbol[GD_LENGTH_SYMBOLS]; /* relative to GD_FIRST_LENGTH */
	uint16_t log2_fraction[256];
	uint32_t small_weights[GD_SMALL_WEIGHTS];
};

/*
 * ds_gdeflate_encoder_create() for a given instruction set; the reference decoder's has no
 * encoder. All give the same tiles.
 */
ds_result ds_gd_encoder_create(int level, enum gd_path path, struct ds_gdeflate_encoder **out);

static inline unsigned gd_length_index(const struct ds_gdeflate_encoder *enc, unsigned length)
{
	return length < GD_LENGTH_SYMBOLS ? enc->length_symbol[length] : GD_NR_LENGTHS - 1;
}

/* Parsers: fill enc->tokens. */
size_t ds_gd_fast_finder_nbytes(void);
void ds_gd_parse_fast(struct ds_gdeflate_encoder *enc, const uint8_t *in, uint32_t nbytes);
size_t ds_gd_greedy_finder_nbytes(void);
void ds_gd_parse_greedy(struct ds_gdeflate_encoder *enc, const uint8_t *in, uint32_t nbytes);
void ds_gd_parse_lazy(struct ds_gdeflate_encoder *enc, const uint8_t *in, uint32_t nbytes);

size_t ds_gd_optimal_finder_nbytes(void);
void ds_gd_parse_optimal(struct ds_gdeflate_encoder *enc, const uint8_t *in, uint32_t nbytes);

/* Logarithms without a libm, so that they are the same everywhere. */
void ds_gd_init_log2(struct ds_gdeflate_encoder *enc);

static inline uint32_t ds_gd_log2(const struct ds_gdeflate_encoder *enc, uint32_t v)
{
	unsigned n = gd_log2(v);
	uint32_t fraction = n >= 8 ? v >> (n - 8) : v << (8 - n);

	return (n << GD_LOG_SHIFT) + enc->log2_fraction[fraction & 255];
}

/* Fills enc->blocks; with estimated costs, or at last with exact ones. */
void ds_gd_split(struct ds_gdeflate_encoder *enc, bool exactly);

void ds_gd_count_tokens(const struct ds_gdeflate_encoder *enc, uint32_t first, uint32_t nr_tokens,
			struct gd_histogram *h);

/*
 * Lengths of a code for symbols that occur freq times, none longer than limit. At least
 * two symbols get a codeword, so that the code is complete.
 */
void ds_gd_make_lens(const uint32_t *freq, unsigned nr_symbols, unsigned limit, uint8_t *lens);

/* The codewords that belong to lengths, bit-reversed. */
void ds_gd_make_codes(const uint8_t *lens, unsigned nr_symbols, uint16_t *codes);

/* The header of a dynamic block. */
struct gd_dynamic_header {
	unsigned nr_litlen;
	unsigned nr_dist;
	unsigned nr_precode;
	unsigned nr_items;
	uint32_t nbits;
	uint8_t precode_lens[GD_NR_PRECODE];
	uint16_t precode[GD_NR_PRECODE];
	uint8_t symbols[GD_MAX_LENS];
	uint8_t repeats[GD_MAX_LENS]; /* the repeat bits that follow each symbol */
};

void ds_gd_make_header(const struct gd_codes *codes, struct gd_dynamic_header *h);

/* How many bits symbols take with given codes; and with their own, header included. */
uint32_t ds_gd_coded_nbits(const struct gd_histogram *h, const struct gd_codes *codes);
uint32_t ds_gd_dynamic_nbits(const struct gd_histogram *h);

void ds_gd_make_fixed_codes(struct gd_codes *codes);

/* Chooses each block's form and writes the tile; returns its size. */
size_t ds_gd_write_tile(struct ds_gdeflate_encoder *enc, const uint8_t *in, uint32_t nbytes,
			uint8_t *out);

#endif /* DS_GDEFLATE_ENCODE_H */
