/* SPDX-License-Identifier: MIT */
/*
 * decode_symbols_avx512.c: decode_symbols.h with 16 lanes to a register.
 *
 * Needs AVX-512 F, BW, VL, DQ, VBMI and VBMI2, and BMI 1 and 2. The build compiles this
 * file alone with them; it is called only where the processor has them all.
 */
#include <immintrin.h>

#include "codec/gdeflate/decode_internal.h"

/* A lane's queue is hi:lo. Lanes 0-15, lanes 16-31. */
struct lanes_state {
	__m512i lo[2], hi[2], cnt[2];
};

struct entries {
	__m512i e[2];
};

GD_INLINE void lanes_load(struct lanes_state *s, const struct gd_lanes *lanes)
{
	const __m512i even =
		_mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
	const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));

	GD_UNROLL for (int k = 0; k < 2; k++)
	{
		__m512i a = _mm512_load_si512(lanes->acc + 16 * k);
		__m512i b = _mm512_load_si512(lanes->acc + 16 * k + 8);

		s->lo[k] = _mm512_permutex2var_epi32(a, even, b);
		s->hi[k] = _mm512_permutex2var_epi32(a, odd, b);
		s->cnt[k] = _mm512_load_si512(lanes->cnt + 16 * k);
	}
}

GD_INLINE void lanes_store(struct gd_lanes *lanes, const struct lanes_state *s)
{
	const __m512i first =
		_mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
	const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(8));

	GD_UNROLL for (int k = 0; k < 2; k++)
	{
		_mm512_store_si512(lanes->acc + 16 * k,
				   _mm512_permutex2var_epi32(s->lo[k], first, s->hi[k]));
		_mm512_store_si512(lanes->acc + 16 * k + 8,
				   _mm512_permutex2var_epi32(s->lo[k], second, s->hi[k]));
		_mm512_store_si512(lanes->cnt + 16 * k, s->cnt[k]);
	}
}

GD_INLINE uint32_t both(__mmask16 a, __mmask16 b)
{
	return (uint32_t)a | (uint32_t)b << 16;
}

GD_INLINE __mmask16 half(uint32_t lanes, int k)
{
	return (__mmask16)(lanes >> (16 * k));
}

/* The lanes that hit a subtable go on there. */
static __attribute__((noinline)) void follow_subtables(const struct lanes_state *s, uint32_t owed,
						       const uint32_t *table, struct entries *x)
{
	GD_UNROLL for (int k = 0; k < 2; k++)
	{
		__mmask16 sub =
			_mm512_test_epi32_mask(x->e[k], _mm512_set1_epi32(GD_ENTRY_SUBTABLE));
		__m512i used =
			_mm512_mask_blend_epi32(half(owed, k), _mm512_set1_epi32(GD_LITLEN_BITS),
						_mm512_set1_epi32(GD_DIST_BITS));
		__m512i nbits = _mm512_and_si512(_mm512_srli_epi32(x->e[k], GD_ENTRY_CODE_SHIFT),
						 _mm512_set1_epi32(GD_ENTRY_CODE_MASK));
		__m512i mask = _mm512_sllv_epi32(_mm512_set1_epi32(-1), nbits);
		__m512i index = _mm512_andnot_si512(mask, _mm512_srlv_epi32(s->lo[k], used));

		index = _mm512_add_epi32(index, _mm512_srli_epi32(x->e[k], GD_ENTRY_BASE_SHIFT));
		x->e[k] = _mm512_mask_i32gather_epi32(x->e[k], sub, index, table, 4);
	}
}

GD_INLINE void lanes_look_up(const struct lanes_state *s, uint32_t owed, const uint32_t *table,
			     struct entries *x)
{
	const __m512i litlen_mask = _mm512_set1_epi32((1 << GD_LITLEN_BITS) - 1);
	const __m512i dist_mask = _mm512_set1_epi32((1 << GD_DIST_BITS) - 1);
	const __m512i dist_table = _mm512_set1_epi32(GD_DIST_TABLE);
	__m512i any;

	GD_UNROLL for (int k = 0; k < 2; k++)
	{
		__mmask16 m = half(owed, k);
		__m512i index = _mm512_and_si512(s->lo[k], litlen_mask);

		index = _mm512_mask_and_epi32(index, m, s->lo[k], dist_mask);
		index = _mm512_mask_add_epi32(index, m, index, dist_table);
		x->e[k] = _mm512_i32gather_epi32(index, table, 4);
	}
	any = _mm512_or_si512(x->e[0], x->e[1]);
	if (__builtin_expect(_mm512_test_epi32_mask(any, _mm512_set1_epi32(GD_ENTRY_SUBTABLE)) != 0,
			     0))
		follow_subtables(s, owed, table, x);
}

GD_INLINE uint32_t lanes_special(const struct entries *x)
{
	const __m512i flag = _mm512_set1_epi32(GD_ENTRY_SPECIAL);

	return both(_mm512_test_epi32_mask(x->e[0], flag), _mm512_test_epi32_mask(x->e[1], flag));
}

GD_INLINE bool lanes_have_end(const struct entries *x, unsigned lane)
{
	const __m512i flag = _mm512_set1_epi32(GD_ENTRY_IS_END);

	return both(_mm512_test_epi32_mask(x->e[0], flag), _mm512_test_epi32_mask(x->e[1], flag)) >>
		       lane &
	       1;
}

GD_INLINE void lanes_drop(struct entries *x, uint32_t lanes)
{
	GD_UNROLL for (int k = 0; k < 2; k++) x->e[k] =
		_mm512_maskz_mov_epi32((__mmask16)~half(lanes, k), x->e[k]);
}

GD_INLINE uint32_t lanes_step(struct lanes_state *s, const struct entries *x, const uint8_t **next,
			      struct gd_round *r)
{
	const __m512i ones = _mm512_set1_epi32(-1), c32 = _mm512_set1_epi32(32);
	const uint8_t *in = *next;
	__mmask16 refilled[2], literals[2];
	__m128i bytes[2];
	__m256i packed;

	GD_UNROLL for (int k = 0; k < 2; k++)
	{
		__m512i e = x->e[k];
		__m512i n = _mm512_and_si512(e, _mm512_set1_epi32(GD_ENTRY_NBITS));
		__m512i code = _mm512_and_si512(_mm512_srli_epi32(e, GD_ENTRY_CODE_SHIFT),
						_mm512_set1_epi32(GD_ENTRY_CODE_MASK));
		__m512i extra = _mm512_andnot_si512(_mm512_sllv_epi32(ones, n), s->lo[k]);
		__m512i value = _mm512_add_epi32(_mm512_srli_epi32(e, GD_ENTRY_BASE_SHIFT),
						 _mm512_srlv_epi32(extra, code));
		__m512i lo, hi, cnt, words;
		__mmask16 low;

		_mm512_store_si512(r->values + 16 * k, value);
		bytes[k] = _mm512_cvtepi32_epi8(value);
		literals[k] = _mm512_test_epi32_mask(e, _mm512_set1_epi32(GD_ENTRY_LITERAL));

		lo = _mm512_shrdv_epi32(s->lo[k], s->hi[k], n);
		hi = _mm512_srlv_epi32(s->hi[k], n);
		cnt = _mm512_sub_epi32(s->cnt[k], n);
		low = _mm512_cmplt_epu32_mask(cnt, c32);
		words = _mm512_maskz_expand_epi32(low, _mm512_loadu_si512(in));
		in += 4 * (size_t)__builtin_popcount(low);
		/* Shifts by 32 and more give zero, as wanted. */
		s->lo[k] = _mm512_or_si512(lo, _mm512_sllv_epi32(words, cnt));
		s->hi[k] =
			_mm512_or_si512(hi, _mm512_srlv_epi32(words, _mm512_sub_epi32(c32, cnt)));
		s->cnt[k] = _mm512_mask_add_epi32(cnt, low, cnt, c32);
		refilled[k] = low;
	}
	packed = _mm256_inserti128_si256(_mm256_castsi128_si256(bytes[0]), bytes[1], 1);
	r->literals = both(literals[0], literals[1]);
	_mm256_store_si256((__m256i *)(void *)r->packed,
			   _mm256_maskz_compress_epi8(r->literals, packed));
	*next = in;
	return both(refilled[0], refilled[1]);
}

#include "codec/gdeflate/decode_copy_x86.h"

#include "codec/gdeflate/decode_symbols.h"

static void copy_stored(struct gd_lanes *l, const uint8_t *in, const uint8_t *word, uint8_t *out,
			size_t nr_steps)
{
	const __m512i c32 = _mm512_set1_epi32(32);
	__m512i order[2], rows[2], v[2];
	struct lanes_state s;
	uint8_t index[128];

	/* Byte 32 * r + lane of a step's output is byte r of the lane's word. */
	for (unsigned i = 0; i < 128; i++)
		index[i] = (uint8_t)(i % 32 * 4 + i / 32);
	lanes_load(&s, l);
	for (int k = 0; k < 2; k++) {
		order[k] = _mm512_cvtepu8_epi32(
			_mm_loadu_si128((const __m128i *)(const void *)(word + 16 * k)));
		rows[k] = _mm512_loadu_si512(index + 64 * k);
	}
	for (; nr_steps; nr_steps--, in += 4 * GD_NR_LANES, out += 4 * GD_NR_LANES) {
		__m512i a = _mm512_loadu_si512(in), b = _mm512_loadu_si512(in + 64);

		GD_UNROLL for (int k = 0; k < 2; k++)
		{
			__m512i w = _mm512_permutex2var_epi32(a, order[k], b);
			__m512i held = _mm512_sub_epi32(s.cnt[k], c32);

			v[k] = s.lo[k];
			s.lo[k] = _mm512_or_si512(s.hi[k], _mm512_sllv_epi32(w, held));
			s.hi[k] = _mm512_srlv_epi32(w, _mm512_sub_epi32(c32, held));
		}
		_mm512_storeu_si512(out, _mm512_permutex2var_epi8(v[0], rows[0], v[1]));
		_mm512_storeu_si512(out + 64, _mm512_permutex2var_epi8(v[0], rows[1], v[1]));
	}
	lanes_store(l, &s);
}

const struct gd_kernels ds_gd_kernels_avx512 = { decode_symbols, copy_stored };
