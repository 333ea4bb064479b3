/* SPDX-License-Identifier: MIT */
/*
 * decode_internal.h: what the parts of the fast decoder share.
 *
 * decode_tile.c walks through a tile's blocks and reads their headers, one lane at a time.
 * decode_tables.c makes lookup tables of the codes. The symbols of a block, where the
 * time goes, are decoded by decode_symbols_*.c: all 32 lanes a round, one template
 * compiled for several instruction sets.
 */
#ifndef DS_GDEFLATE_DECODE_INTERNAL_H
#define DS_GDEFLATE_DECODE_INTERNAL_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/gdeflate/decode.h"
#include "codec/gdeflate/format.h"

/*
 * Lookup tables are indexed with the next bits of a lane; longer codewords go on in a
 * second table. An entry has everything that a step needs:
 *
 *	bits 0-4    bits that the step consumes, extra bits included
 *	bit  5	    GD_ENTRY_LITERAL
 *	bit  6	    GD_ENTRY_SPECIAL: not to be consumed without a closer look
 *	bit  7	    GD_ENTRY_SUBTABLE: special; the codeword goes on
 *	bits 8-11   bits of the codeword alone; of a subtable: index bits
 *	bits 16-31  literal; base of a length or distance; where the subtable is
 *
 * A special entry that is no subtable either is the end of the block, with
 * GD_ENTRY_IS_END in place of the base, or no codeword at all, or one without a meaning.
 */
enum {
	GD_ENTRY_NBITS = 31,
	GD_ENTRY_LITERAL = 1 << 5,
	GD_ENTRY_SPECIAL = 1 << 6,
	GD_ENTRY_SUBTABLE = 1 << 7,
	GD_ENTRY_CODE_SHIFT = 8,
	GD_ENTRY_CODE_MASK = 15,
	GD_ENTRY_BASE_SHIFT = 16,
	GD_ENTRY_IS_END = 1 << GD_ENTRY_BASE_SHIFT,

	/* Entries of the precode: the length below how often it stands there. */
	GD_PRECODE_PREVIOUS = GD_ENTRY_LITERAL, /* the length before, instead */
	GD_PRECODE_TIMES_SHIFT = 24,

	GD_LITLEN_BITS = 11,
	GD_DIST_BITS = 9,
	/*
	 * A full subtable of 2^k entries has at least k + 1 codewords. So those of n symbols
	 * have at most n * 2^k / (k + 1) entries, for the largest k, 15 minus the index bits.
	 */
	GD_LITLEN_SUB = GD_NR_LITLEN * 16 / 5,
	GD_DIST_SUB = GD_NR_DIST * 64 / 7 + 1,
	GD_DIST_TABLE = (1 << GD_LITLEN_BITS) + GD_LITLEN_SUB, /* where it begins */
	GD_TABLE_ENTRIES = GD_DIST_TABLE + (1 << GD_DIST_BITS) + GD_DIST_SUB,
};

/* The lanes between rounds: each holds cnt bits, 32 to 63 of them. */
struct gd_lanes {
	alignas(64) uint64_t acc[GD_NR_LANES];
	alignas(64) uint32_t cnt[GD_NR_LANES];
};

/*
 * The words of a tile. At any time the 32 words at `next` can be read. When fewer are
 * left of the tile, they move to `tail`, followed by zeros. A lane that is then given a
 * word from past `limit`, where the tile ends, starves: it may hold that word, but not
 * use it. It has used some of it exactly when it asks for another.
 */
struct gd_input {
	const uint8_t *next;
	const uint8_t *limit; /* beyond it, gd_input_check() has something to do */
	const uint8_t *end;   /* of the tile, until it is in the tail */
	uint32_t starving;    /* lanes, as bits */
	bool is_in_tail;
	/* Fewer than 32 words, one a lane past the end, and two rounds more before it is seen. */
	uint8_t tail[4 * 4 * GD_NR_LANES];
};

/* The table entries of all symbols, but for the codewords' bits. */
struct gd_meanings {
	uint32_t litlen[GD_NR_LITLEN];
	uint32_t dist[GD_NR_DIST];
	uint32_t precode[GD_NR_PRECODE];
};

/* Loops over the registers that hold the lanes: they stay registers only if unrolled. */
#if defined(__clang__)
#define GD_UNROLL _Pragma("clang loop unroll(full)")
#else
#define GD_UNROLL _Pragma("GCC unroll 4")
#endif

/* Inlined in spite of their size, since a call would spill the lanes. */
#define GD_INLINE static inline __attribute__((always_inline))

/*
 * What differs between processors. copy_stored() does 4 * nr_steps rounds of a stored block:
 * in each step a lane gives four bytes and gets the word of `in` that word[lane] says.
 */
struct gd_kernels {
	bool (*decode_symbols)(struct ds_gdeflate_decoder *d);
	void (*copy_stored)(struct gd_lanes *lanes, const uint8_t *in, const uint8_t *word,
			    uint8_t *out, size_t nr_steps);
};

extern const struct gd_kernels ds_gd_kernels_scalar;
#ifdef GD_HAVE_X86_PATHS
extern const struct gd_kernels ds_gd_kernels_avx2;
extern const struct gd_kernels ds_gd_kernels_avx512;
#endif

struct ds_gdeflate_decoder {
	struct gd_lanes lanes;
	struct gd_input in;
	uint8_t *out;
	uint8_t *out_begin;
	uint8_t *out_end;
	bool has_fixed_tables;
	enum gd_path path;
	const struct gd_kernels *kernels;
	struct ds_gdeflate_allocator allocator;
	/* The literal/length code, then, from GD_DIST_TABLE on, the distance code. */
	alignas(64) uint32_t table[GD_TABLE_ENTRIES];
	uint32_t precode[1 << GD_MAX_PRECODE_BITS];
	struct gd_meanings meanings;
	uint8_t lens[GD_MAX_LENS + 8]; /* written eight at a time */
};

/* What one round gives. Lanes as bits. */
struct gd_round {
	uint32_t literals;
	uint32_t copies;		 /* lanes that got a length and will read a distance */
	uint8_t before[GD_NR_LANES + 1]; /* literals below each lane; only where that pays */
	alignas(64) uint32_t values[GD_NR_LANES];    /* literal, length or distance */
	alignas(64) uint8_t packed[2 * GD_NR_LANES]; /* the literals without gaps */
};

/*
 * To be called when `next` has passed `limit`, after the lanes of the mask were given a
 * word each, in their order. False: some lane needs a word that the tile does not have.
 */
bool ds_gd_input_check(struct gd_input *in, uint32_t lanes);

void ds_gd_init_meanings(struct gd_meanings *m);

/*
 * Build the tables of the decoder. False for codes that are neither complete nor one of
 * the exceptions: a single symbol of one bit, and no distance symbol at all.
 */
bool ds_gd_build_litlen(struct ds_gdeflate_decoder *d, const uint8_t *lens, unsigned nr_lens);
bool ds_gd_build_dist(struct ds_gdeflate_decoder *d, const uint8_t *lens, unsigned nr_lens);
bool ds_gd_build_precode(struct ds_gdeflate_decoder *d, const uint8_t *lens);

/* Decodes a tile by any path but the reference. */
bool ds_gd_decode_tile(struct ds_gdeflate_decoder *d, const uint8_t *in, size_t in_nbytes,
		       uint8_t *out, size_t out_nbytes);

#endif /* DS_GDEFLATE_DECODE_INTERNAL_H */
