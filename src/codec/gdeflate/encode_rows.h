/* SPDX-License-Identifier: MIT */
/*
 * encode_rows.h: a match finder of hashed rows.
 *
 * The hash of four bytes names a row and a tag of 8 bits. A row has the newest 16
 * positions of its hash, round and round, with their tags side by side: all are compared at
 * once, and what is left to be looked at nearly always matches. Compared with chains of
 * positions, nothing waits for one load after the other. A row is one line of the cache.
 */
#ifndef DS_GDEFLATE_ENCODE_ROWS_H
#define DS_GDEFLATE_ENCODE_ROWS_H

#include <stdalign.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "codec/gdeflate/encode_match.h"

enum {
	GD_ROW_BITS = 12,
	GD_ROW = 16,
	GD_TAG_BITS = 8,
};

struct gd_row {
	alignas(64) uint8_t tags[GD_ROW];
	uint16_t at[GD_ROW];
	uint32_t newest;
};

/* Where a position belongs. */
struct gd_row_key {
	struct gd_row *row;
	uint8_t tag;
};

static inline struct gd_row_key gd_row_key(struct gd_row *rows, uint32_t v)
{
	uint32_t h = gd_hash4(v, GD_ROW_BITS + GD_TAG_BITS);

	return (struct gd_row_key){ rows + (h >> GD_TAG_BITS), (uint8_t)h };
}

static inline void gd_row_insert(struct gd_row_key k, uint32_t at)
{
	uint32_t i = k.row->newest = (k.row->newest - 1) % GD_ROW;

	k.row->tags[i] = k.tag;
	k.row->at[i] = (uint16_t)at;
}

/* A bit for each position of the row that has the tag. */
static inline uint16_t gd_row_equal(struct gd_row_key k)
{
#ifdef __SSE2__
	__m128i tags = _mm_load_si128((const __m128i *)(const void *)k.row->tags);
	__m128i tag = _mm_shuffle_epi32(_mm_cvtsi32_si128((int)(k.tag * 0x01010101u)), 0);

	return (uint16_t)_mm_movemask_epi8(_mm_cmpeq_epi8(tags, tag));
#else
	uint32_t bits = 0;

	for (unsigned i = 0; i < GD_ROW; i++)
		bits |= (uint32_t)(k.row->tags[i] == k.tag) << i;
	return (uint16_t)bits;
#endif
}

/* The same, newest first: bit i is the entry at gd_row_at(i). */
static inline uint16_t gd_row_candidates(struct gd_row_key k)
{
	uint32_t twice = gd_row_equal(k) * 0x10001u;

	return (uint16_t)(twice >> k.row->newest);
}

static inline uint32_t gd_row_at(const struct gd_row *row, uint32_t newest, uint32_t i)
{
	return row->at[(newest + i) % GD_ROW];
}

#endif /* DS_GDEFLATE_ENCODE_ROWS_H */
