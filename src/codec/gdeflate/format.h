/* SPDX-License-Identifier: MIT */
/*
 * format.h: what encoder and decoders of GDeflate tiles both know.
 *
 * A tile is an array of little-endian 32-bit words, dealt to 32 lanes. Each lane is an
 * LSB-first bit stream of its own, and at any time holds 32 to 63 bits that it has not
 * used yet: whenever fewer than 32 are left after a step, it takes the next word of
 * the array. The order of the steps alone decides which lane owns which word.
 * Lanes are never flushed inside a tile, not even between blocks.
 */
#ifndef DS_GDEFLATE_FORMAT_H
#define DS_GDEFLATE_FORMAT_H

#include <stdint.h>
#include <string.h>

enum {
	GD_NR_LANES = 32,
	GD_MIN_TILE_NBYTES = 4 * GD_NR_LANES, /* each lane begins with a word */

	GD_BLOCK_STORED = 0,
	GD_BLOCK_FIXED = 1,
	GD_BLOCK_DYNAMIC = 2,

	GD_NR_LITLEN = 288, /* literals, end of block, lengths; 286 and 287 have no meaning */
	GD_NR_DIST = 32,
	GD_NR_PRECODE = 19, /* the alphabet in which code lengths are sent */
	GD_MAX_LENS = GD_NR_LITLEN + GD_NR_DIST,

	GD_END_OF_BLOCK = 256,
	GD_FIRST_LENGTH = 257,
	GD_NR_LENGTHS = 29,

	GD_MAX_CODE_BITS = 15,
	GD_MAX_PRECODE_BITS = 7,

	GD_MIN_MATCH = 3,
	GD_MAX_STORED = 65535,
};

/* Symbol 257 + i means a copy of base[i] bytes plus a number of extra[i] bits. */
extern const uint16_t ds_gd_length_base[GD_NR_LENGTHS];
extern const uint8_t ds_gd_length_extra[GD_NR_LENGTHS];

/* The order in which the lengths of the precode are sent. */
extern const uint8_t ds_gd_precode_order[GD_NR_PRECODE];

/* Distance symbol s means base plus a number of extra bits: distances 1 to 65536. */
static inline unsigned gd_dist_extra(unsigned symbol)
{
	return symbol < 4 ? 0 : symbol / 2 - 1;
}

static inline uint32_t gd_dist_base(unsigned symbol)
{
	return symbol < 4 ? symbol + 1 : ((2 + (symbol & 1)) << gd_dist_extra(symbol)) + 1;
}

/* The lengths of the fixed codes: GD_NR_LITLEN of them, then GD_NR_DIST. */
void ds_gd_fixed_lens(uint8_t *lens);

/* Little-endian words at any address; one instruction where the machine is little-endian. */
static inline uint32_t gd_load32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t gd_load64(const uint8_t *p)
{
	return gd_load32(p) | (uint64_t)gd_load32(p + 4) << 32;
}

static inline void gd_store32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

#endif /* DS_GDEFLATE_FORMAT_H */
