/* SPDX-License-Identifier: MIT */
/*
 * decode_symbols_avx2.c: decode_symbols.h with 8 lanes to a register.
 *
 * Needs AVX2, BMI and BMI2. The build compiles this file alone with them; it is called
 * only where the processor has them all.
 */
#include <immintrin.h>

#include "codec/gdeflate/decode_internal.h"

/* A lane's queue is hi:lo. Lanes 0-7, 8-15, 16-23, 24-31. */
struct lanes_state {
	__m256i lo[4], hi[4], cnt[4];
};

struct entries {
	__m256i e[4];
};

GD_INLINE void lanes_load(struct lanes_state *s, const struct gd_lanes *lanes)
{
	const __m256i even_odd = _mm256_set_epi32(7, 5, 3, 1, 6, 4, 2, 0);

	GD_UNROLL for (int k = 0; k < 4; k++)
	{
		const __m256i *acc = (const __m256i *)(const void *)(lanes->acc + 8 * k);
		__m256i a = _mm256_permutevar8x32_epi32(acc[0], even_odd);
		__m256i b = _mm256_permutevar8x32_epi32(acc[1], even_odd);

		s->lo[k] = _mm256_permute2x128_si256(a, b, 0x20);
		s->hi[k] = _mm256_permute2x128_si256(a, b, 0x31);
		s->cnt[k] = *(const __m256i *)(const void *)(lanes->cnt + 8 * k);
	}
}

GD_INLINE void lanes_store(struct gd_lanes *lanes, const struct lanes_state *s)
{
	GD_UNROLL for (int k = 0; k < 4; k++)
	{
		__m256i *acc = (__m256i *)(void *)(lanes->acc + 8 * k);
		__m256i a = _mm256_unpacklo_epi32(s->lo[k], s->hi[k]); /* 0 1 4 5 */
		__m256i b = _mm256_unpackhi_epi32(s->lo[k], s->hi[k]); /* 2 3 6 7 */

		acc[0] = _mm256_permute2x128_si256(a, b, 0x20);
		acc[1] = _mm256_permute2x128_si256(a, b, 0x31);
		*(__m256i *)(void *)(lanes->cnt + 8 * k) = s->cnt[k];
	}
}

/* Bit `bit` of each lane, as a mask. */
GD_INLINE uint32_t lanes_with_bit(const struct entries *x, int bit)
{
	uint32_t lanes = 0;

	GD_UNROLL for (int k = 0; k < 4; k++)
	{
		__m256 sign = _mm256_castsi256_ps(_mm256_slli_epi32(x->e[k], 31 - bit));

		lanes |= (uint32_t)_mm256_movemask_ps(sign) << (8 * k);
	}
	return lanes;
}

/* All ones in the lanes of 8 bits of a mask. */
GD_INLINE __m256i spread(uint32_t lanes, int k)
{
	const __m256i bit = _mm256_set_epi32(128, 64, 32, 16, 8, 4, 2, 1);
	__m256i v = _mm256_set1_epi32((int)(lanes >> (8 * k)));

	return _mm256_cmpeq_epi32(_mm256_and_si256(v, bit), bit);
}

/* The lanes that hit a subtable go on there. */
static __attribute__((noinline)) void follow_subtables(const struct lanes_state *s, uint32_t owed,
						       const uint32_t *table, struct entries *x)
{
	GD_UNROLL for (int k = 0; k < 4; k++)
	{
		__m256i e = x->e[k];
		__m256i sub = _mm256_slli_epi32(e, 24); /* GD_ENTRY_SUBTABLE becomes the sign */
		__m256i used = _mm256_blendv_epi8(_mm256_set1_epi32(GD_LITLEN_BITS),
						  _mm256_set1_epi32(GD_DIST_BITS), spread(owed, k));
		__m256i nbits = _mm256_and_si256(_mm256_srli_epi32(e, GD_ENTRY_CODE_SHIFT),
						 _mm256_set1_epi32(GD_ENTRY_CODE_MASK));
		__m256i mask = _mm256_sllv_epi32(_mm256_set1_epi32(-1), nbits);
		__m256i index = _mm256_andnot_si256(mask, _mm256_srlv_epi32(s->lo[k], used));

		index = _mm256_add_epi32(index, _mm256_srli_epi32(e, GD_ENTRY_BASE_SHIFT));
		x->e[k] = _mm256_mask_i32gather_epi32(e, (const int *)(const void *)table, index,
						      sub, 4);
	}
}

GD_INLINE void lanes_look_up(const struct lanes_state *s, uint32_t owed, const uint32_t *table,
			     struct entries *x)
{
	const __m256i litlen_mask = _mm256_set1_epi32((1 << GD_LITLEN_BITS) - 1);
	/* What differs between the two tables. */
	const __m256i mask =
		_mm256_set1_epi32(((1 << GD_LITLEN_BITS) - 1) ^ ((1 << GD_DIST_BITS) - 1));
	const __m256i begin = _mm256_set1_epi32(GD_DIST_TABLE);
	__m256i any = _mm256_setzero_si256();

	GD_UNROLL for (int k = 0; k < 4; k++)
	{
		__m256i m = spread(owed, k), index;

		index = _mm256_and_si256(s->lo[k],
					 _mm256_xor_si256(litlen_mask, _mm256_and_si256(m, mask)));
		index = _mm256_add_epi32(index, _mm256_and_si256(m, begin));
		x->e[k] = _mm256_i32gather_epi32((const int *)(const void *)table, index, 4);
		any = _mm256_or_si256(any, x->e[k]);
	}
	if (__builtin_expect(!_mm256_testz_si256(any, _mm256_set1_epi32(GD_ENTRY_SUBTABLE)), 0))
		follow_subtables(s, owed, table, x);
}

GD_INLINE uint32_t lanes_special(const struct entries *x)
{
	__m256i any = _mm256_or_si256(_mm256_or_si256(x->e[0], x->e[1]),
				      _mm256_or_si256(x->e[2], x->e[3]));

	if (_mm256_testz_si256(any, _mm256_set1_epi32(GD_ENTRY_SPECIAL)))
		return 0;
	return lanes_with_bit(x, 6);
}

GD_INLINE bool lanes_have_end(const struct entries *x, unsigned lane)
{
	return lanes_with_bit(x, GD_ENTRY_BASE_SHIFT) >> lane & 1;
}

GD_INLINE void lanes_drop(struct entries *x, uint32_t lanes)
{
	GD_UNROLL for (int k = 0; k < 4; k++) x->e[k] =
		_mm256_andnot_si256(spread(lanes, k), x->e[k]);
}

/* A byte of ones for each bit of 8. */
GD_INLINE uint64_t byte_mask(unsigned lanes)
{
	return _pdep_u64(lanes, UINT64_C(0x0101010101010101)) * 0xff;
}

/* Which of the next words each lane of a mask gets: its rank in the mask. */
GD_INLINE __m256i ranks(unsigned lanes)
{
	uint64_t bytes = _pdep_u64(UINT64_C(0x0706050403020100), byte_mask(lanes));

	return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)bytes));
}

/* The lowest byte of each lane. */
GD_INLINE uint64_t lowest_bytes(__m256i v)
{
	const __m256i pick = _mm256_set1_epi32(0x0c080400);
	__m256i b = _mm256_shuffle_epi8(v, pick);

	return (uint32_t)_mm_cvtsi128_si32(_mm256_castsi256_si128(b)) |
	       (uint64_t)(uint32_t)_mm_cvtsi128_si32(_mm256_extracti128_si256(b, 1)) << 32;
}

GD_INLINE uint32_t lanes_step(struct lanes_state *s, const struct entries *x, const uint8_t **next,
			      struct gd_round *r)
{
	const __m256i ones = _mm256_set1_epi32(-1), c32 = _mm256_set1_epi32(32);
	const uint8_t *in = *next;
	uint8_t *packed = r->packed;
	uint32_t refilled = 0, literals = 0;

	GD_UNROLL for (int k = 0; k < 4; k++)
	{
		__m256i e = x->e[k];
		__m256i n = _mm256_and_si256(e, _mm256_set1_epi32(GD_ENTRY_NBITS));
		__m256i code = _mm256_and_si256(_mm256_srli_epi32(e, GD_ENTRY_CODE_SHIFT),
						_mm256_set1_epi32(GD_ENTRY_CODE_MASK));
		__m256i extra = _mm256_andnot_si256(_mm256_sllv_epi32(ones, n), s->lo[k]);
		__m256i value = _mm256_add_epi32(_mm256_srli_epi32(e, GD_ENTRY_BASE_SHIFT),
						 _mm256_srlv_epi32(extra, code));
		__m256i lo, hi, cnt, words, low;
		unsigned mask, is_literal;
		uint64_t bytes;

		_mm256_store_si256((__m256i *)(void *)(r->values + 8 * k), value);
		is_literal = (unsigned)_mm256_movemask_ps(
			_mm256_castsi256_ps(_mm256_slli_epi32(e, 31 - 5)));
		literals |= is_literal << (8 * k);
		bytes = _pext_u64(lowest_bytes(value), byte_mask(is_literal));
		memcpy(packed, &bytes, 8);
		packed += __builtin_popcount(is_literal);

		lo = _mm256_or_si256(_mm256_srlv_epi32(s->lo[k], n),
				     _mm256_sllv_epi32(s->hi[k], _mm256_sub_epi32(c32, n)));
		hi = _mm256_srlv_epi32(s->hi[k], n);
		cnt = _mm256_sub_epi32(s->cnt[k], n);
		low = _mm256_cmpgt_epi32(c32, cnt);
		mask = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(low));
		words = _mm256_loadu_si256((const __m256i *)(const void *)in);
		words = _mm256_and_si256(_mm256_permutevar8x32_epi32(words, ranks(mask)), low);
		in += 4 * (size_t)__builtin_popcount(mask);
		/* Shifts by 32 and more give zero, as wanted. */
		s->lo[k] = _mm256_or_si256(lo, _mm256_sllv_epi32(words, cnt));
		s->hi[k] =
			_mm256_or_si256(hi, _mm256_srlv_epi32(words, _mm256_sub_epi32(c32, cnt)));
		s->cnt[k] = _mm256_add_epi32(cnt, _mm256_and_si256(low, c32));
		refilled |= mask << (8 * k);
	}
	r->literals = literals;
	*next = in;
	return refilled;
}

#include "codec/gdeflate/decode_copy_x86.h"

#include "codec/gdeflate/decode_symbols.h"

/* The words of 32 that 8 lanes get; index as bytes. */
GD_INLINE __m256i pick_words(const __m256i *w, __m256i index)
{
	__m256i low = _mm256_slli_epi32(index, 28); /* bit 3 becomes the sign */
	__m256i high = _mm256_slli_epi32(index, 27);
	__m256 a = _mm256_blendv_ps(_mm256_castsi256_ps(_mm256_permutevar8x32_epi32(w[0], index)),
				    _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(w[1], index)),
				    _mm256_castsi256_ps(low));
	__m256 b = _mm256_blendv_ps(_mm256_castsi256_ps(_mm256_permutevar8x32_epi32(w[2], index)),
				    _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(w[3], index)),
				    _mm256_castsi256_ps(low));

	return _mm256_castps_si256(_mm256_blendv_ps(a, b, _mm256_castsi256_ps(high)));
}

/* Byte 32 * r + lane of the output is byte r of the lane's word. */
GD_INLINE void store_rows(uint8_t *out, const __m256i *v)
{
	const __m256i pick = _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15,
					      0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
	/* Four lanes are a dword now; those of one row come as 0 2 4 6, 1 3 5 7. */
	const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
	__m256i a = _mm256_shuffle_epi8(v[0], pick), b = _mm256_shuffle_epi8(v[1], pick);
	__m256i c = _mm256_shuffle_epi8(v[2], pick), d = _mm256_shuffle_epi8(v[3], pick);
	__m256i ab = _mm256_unpacklo_epi32(a, b), cd = _mm256_unpacklo_epi32(c, d);
	__m256i row[4];

	row[0] = _mm256_unpacklo_epi64(ab, cd);
	row[1] = _mm256_unpackhi_epi64(ab, cd);
	ab = _mm256_unpackhi_epi32(a, b);
	cd = _mm256_unpackhi_epi32(c, d);
	row[2] = _mm256_unpacklo_epi64(ab, cd);
	row[3] = _mm256_unpackhi_epi64(ab, cd);
	GD_UNROLL for (int r = 0; r < 4; r++) _mm256_storeu_si256(
		(__m256i *)(void *)(out + 32 * r), _mm256_permutevar8x32_epi32(row[r], order));
}

/* True if all lanes but the first of each 8 get consecutive words. */
static bool is_orderly(const uint8_t *word)
{
	for (unsigned i = 0; i < GD_NR_LANES; i++)
		if (i % 8 > 1 && word[i] != word[i - 1] + 1)
			return false;
	return true;
}

/*
 * True if lanes 8 to 31 hold one word each and nothing else, and get consecutive ones. So it is
 * in a tile that begins with a stored block: only lane 0 had anything taken from it.
 */
static bool is_plain(const struct gd_lanes *l, const uint8_t *word)
{
	for (unsigned i = 8; i < GD_NR_LANES; i++)
		if (l->cnt[i] != 32 || (i % 8 && word[i] != word[i - 1] + 1))
			return false;
	return true;
}

/* The words of lanes 8 * k on, when they are orderly: that is a load and an insertion. */
GD_INLINE __m256i load_words(const uint8_t *in, const uint8_t *word, int k)
{
	/* One word earlier than the second lane's; the lanes had words before these. */
	const uint8_t *from = in + 4 * (ptrdiff_t)word[8 * k + 1] - 4;
	__m256i first = _mm256_set1_epi32((int)gd_load32(in + 4 * (size_t)word[8 * k]));

	return _mm256_blend_epi32(_mm256_loadu_si256((const __m256i *)(const void *)from), first,
				  1);
}

GD_INLINE void copy_steps(struct gd_lanes *l, const uint8_t *in, const uint8_t *word, uint8_t *out,
			  size_t nr_steps, bool orderly, bool plain)
{
	const __m256i c32 = _mm256_set1_epi32(32);
	__m256i w[4], v[4], index[4];
	struct lanes_state s;

	lanes_load(&s, l);
	GD_UNROLL for (int k = 0; k < 4; k++) index[k] = _mm256_cvtepu8_epi32(
		_mm_loadl_epi64((const __m128i *)(const void *)(word + 8 * k)));
	for (; nr_steps; nr_steps--, in += 4 * GD_NR_LANES, out += 4 * GD_NR_LANES) {
		GD_UNROLL for (int k = 0; k < 4; k++) w[k] =
			_mm256_loadu_si256((const __m256i *)(const void *)(in + 32 * k));
		GD_UNROLL for (int k = 0; k < 4; k++)
		{
			__m256i held = _mm256_sub_epi32(s.cnt[k], c32), x;

			v[k] = s.lo[k];
			if (plain && k > 0) {
				s.lo[k] = _mm256_loadu_si256(
					(const __m256i *)(const void *)(in + 4 * word[8 * k]));
				continue;
			}
			x = orderly ? load_words(in, word, k) : pick_words(w, index[k]);
			s.lo[k] = _mm256_or_si256(s.hi[k], _mm256_sllv_epi32(x, held));
			s.hi[k] = _mm256_srlv_epi32(x, _mm256_sub_epi32(c32, held));
		}
		store_rows(out, v);
	}
	lanes_store(l, &s);
}

static void copy_stored(struct gd_lanes *l, const uint8_t *in, const uint8_t *word, uint8_t *out,
			size_t nr_steps)
{
	if (is_orderly(word) && is_plain(l, word))
		copy_steps(l, in, word, out, nr_steps, true, true);
	else if (is_orderly(word))
		copy_steps(l, in, word, out, nr_steps, true, false);
	else
		copy_steps(l, in, word, out, nr_steps, false, false);
}

const struct gd_kernels ds_gd_kernels_avx2 = { decode_symbols, copy_stored };
