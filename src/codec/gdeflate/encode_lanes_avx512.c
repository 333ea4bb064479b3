/* SPDX-License-Identifier: MIT */
/*
 * encode_lanes_avx512.c: encode_lanes.h with AVX-512: a round is two vectors of 16 lanes.
 */
#include <immintrin.h>

#include "codec/gdeflate/encode_lanes.h"

enum {
	CHUNK = 1024, /* tokens translated at a time: they stay in the first-level cache */
	HALF = GD_NR_LANES / 2,
};

/* Half of the lanes. */
struct half {
	__m512i acc, nbits, word, next_word;
};

static inline struct half load_half(const struct gd_writer *w, unsigned i)
{
	return (struct half){
		_mm512_loadu_si512(w->acc + i * HALF),
		_mm512_loadu_si512(w->nbits + i * HALF),
		_mm512_loadu_si512(w->word + i * HALF),
		_mm512_loadu_si512(w->next_word + i * HALF),
	};
}

static inline void store_half(struct gd_writer *w, unsigned i, const struct half *h)
{
	_mm512_storeu_si512(w->acc + i * HALF, h->acc);
	_mm512_storeu_si512(w->nbits + i * HALF, h->nbits);
	_mm512_storeu_si512(w->word + i * HALF, h->word);
	_mm512_storeu_si512(w->next_word + i * HALF, h->next_word);
}

/* A step of each lane; returns how many words there are then. */
static inline uint32_t put_half(struct half *h, uint32_t *words, uint32_t nr_words, __m512i bits,
				__m512i nbits)
{
	const __m512i c32 = _mm512_set1_epi32(32);
	const __m512i count =
		_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	__m512i low = _mm512_or_si512(h->acc, _mm512_sllv_epi32(bits, h->nbits));
	__m512i high = _mm512_srlv_epi32(bits, _mm512_sub_epi32(c32, h->nbits)), fresh;
	__mmask16 full;

	nbits = _mm512_add_epi32(h->nbits, nbits);
	full = _mm512_cmpgt_epu32_mask(nbits, c32);
	_mm512_mask_i32scatter_epi32(words, full, h->word, low, 4);
	fresh = _mm512_maskz_expand_epi32(
		full, _mm512_add_epi32(count, _mm512_set1_epi32((int)nr_words)));
	h->acc = _mm512_mask_mov_epi32(low, full, high);
	h->nbits = _mm512_mask_sub_epi32(nbits, full, nbits, c32);
	h->word = _mm512_mask_mov_epi32(h->word, full, h->next_word);
	h->next_word = _mm512_mask_mov_epi32(h->next_word, full, fresh);
	return nr_words + (uint32_t)__builtin_popcount(full);
}

static inline uint32_t put_steps(struct half *h, uint32_t *words, uint32_t nr_words, __m512i steps)
{
	return put_half(h, words, nr_words, _mm512_srli_epi32(steps, GD_STEP_SHIFT),
			_mm512_and_si512(steps, _mm512_set1_epi32(GD_STEP_NBITS)));
}

/* ---------------------------------------------------------------- tokens */

static inline __mmask16 find_copies(__m512i tokens)
{
	return _mm512_cmpgt_epu32_mask(tokens, _mm512_set1_epi32(0xffff));
}

/* Which of GD_NR_TOKEN_SYMBOLS the tokens are. */
static inline __m512i token_symbols(__m512i tokens, __mmask16 copies)
{
	__m512i v = _mm512_and_si512(tokens, _mm512_set1_epi32(0xffff));

	v = _mm512_mask_add_epi32(v, copies, v, _mm512_set1_epi32(GD_TOKEN_LENGTHS));
	return _mm512_min_epi32(v, _mm512_set1_epi32(GD_LONG_LENGTH));
}

/* Distances less one, in two parts; those of literals are of no use. */
struct distances {
	__m512i symbol, nr_extra, extra;
};

static inline struct distances split_distances(__m512i tokens)
{
	__m512i v = _mm512_sub_epi32(_mm512_srli_epi32(tokens, 16), _mm512_set1_epi32(1));
	struct distances d;

	/* One less than the highest bit's number: as many extra bits; 0 for the first four. */
	d.nr_extra = _mm512_sub_epi32(_mm512_set1_epi32(30), _mm512_lzcnt_epi32(v));
	d.nr_extra = _mm512_max_epi32(d.nr_extra, _mm512_setzero_si512());
	d.symbol = _mm512_add_epi32(_mm512_srlv_epi32(v, d.nr_extra),
				    _mm512_slli_epi32(d.nr_extra, 1));
	d.extra = _mm512_andnot_si512(_mm512_sllv_epi32(_mm512_set1_epi32(-1), d.nr_extra), v);
	return d;
}

static uint32_t find_symbols(const uint32_t *tokens, uint32_t nr_tokens, uint16_t *litlen,
			     uint8_t *dist)
{
	uint32_t nr_copies = 0;

	for (uint32_t i = 0; i < nr_tokens; i += HALF) {
		__mmask16 some =
			(__mmask16)(nr_tokens - i < HALF ? (1 << (nr_tokens - i)) - 1 : -1);
		__m512i v = _mm512_loadu_si512(tokens + i);
		__mmask16 copies = find_copies(v);
		__m512i symbols =
			_mm512_maskz_compress_epi32(some & copies, split_distances(v).symbol);

		_mm256_storeu_si256((__m256i *)(void *)(litlen + i),
				    _mm512_cvtepi32_epi16(token_symbols(v, copies)));
		_mm_storeu_si128((__m128i *)(void *)(dist + nr_copies),
				 _mm512_cvtepi32_epi8(symbols));
		nr_copies += (uint32_t)__builtin_popcount(some & copies);
	}
	return nr_copies;
}

/* The steps of 16 literals and lengths. */
static inline __m512i litlen_steps(const struct gd_steps *s, __m512i tokens, __mmask16 copies)
{
	__m512i index = token_symbols(tokens, copies), extra;
	__m512i steps = _mm512_i32gather_epi32(index, s->litlen, 4);
	__mmask16 is_long = _mm512_cmpeq_epi32_mask(index, _mm512_set1_epi32(GD_LONG_LENGTH));
	unsigned shift = (s->litlen[GD_LONG_LENGTH] & GD_STEP_NBITS) - 16 + GD_STEP_SHIFT;

	if (!is_long)
		return steps;
	extra = _mm512_sub_epi32(_mm512_and_si512(tokens, _mm512_set1_epi32(0xffff)),
				 _mm512_set1_epi32(GD_MIN_MATCH));
	extra = _mm512_sll_epi32(extra, _mm_cvtsi32_si128((int)shift));
	return _mm512_mask_add_epi32(steps, is_long, steps, extra);
}

/* The steps of 16 distances, and no step where there is no copy. */
static inline __m512i dist_steps(const struct gd_steps *s, __m512i tokens, __mmask16 copies)
{
	struct distances d = split_distances(tokens);
	__m512i steps = _mm512_permutex2var_epi32(_mm512_load_si512(s->dist), d.symbol,
						  _mm512_load_si512(s->dist + 16));
	__m512i shift = _mm512_add_epi32(_mm512_and_si512(steps, _mm512_set1_epi32(GD_STEP_NBITS)),
					 _mm512_set1_epi32(GD_STEP_SHIFT));

	steps = _mm512_add_epi32(steps, d.nr_extra);
	return _mm512_maskz_add_epi32(copies, steps, _mm512_sllv_epi32(d.extra, shift));
}

/* Both steps of up to CHUNK tokens. There is room for whole vectors. */
static void translate(const struct gd_steps *s, const uint32_t *tokens, uint32_t nr_tokens,
		      uint32_t *now, uint32_t *later)
{
	for (uint32_t i = 0; i < nr_tokens; i += HALF) {
		__m512i v = _mm512_loadu_si512(tokens + i);
		__mmask16 copies = find_copies(v);

		_mm512_storeu_si512(now + i, litlen_steps(s, v, copies));
		_mm512_storeu_si512(later + i, dist_steps(s, v, copies));
	}
}

/* What is owed and what comes next, lane by lane. Returns how many tokens that took. */
static inline uint32_t take_steps(const uint32_t *now, const uint32_t *later, __m512i *owed,
				  __m512i *steps)
{
	__mmask16 is_free = _mm512_testn_epi32_mask(*owed, *owed);

	*steps = _mm512_mask_expand_epi32(*owed, is_free, _mm512_loadu_si512(now));
	*owed = _mm512_maskz_expand_epi32(is_free, _mm512_loadu_si512(later));
	return (uint32_t)__builtin_popcount(is_free);
}

static uint32_t put_tokens(struct gd_writer *w, const struct gd_steps *s, const uint32_t *tokens,
			   uint32_t nr_tokens, uint32_t *owed)
{
	uint32_t now[CHUNK + GD_NR_LANES], later[CHUNK + GD_NR_LANES];
	__m512i owed0 = _mm512_loadu_si512(owed), owed1 = _mm512_loadu_si512(owed + HALF), steps;
	struct half h0 = load_half(w, 0), h1 = load_half(w, 1);
	uint32_t nr_words = w->nr_words, done = 0, n, i;

	while (nr_tokens - done >= GD_NR_LANES) {
		n = nr_tokens - done < CHUNK ? nr_tokens - done : CHUNK;
		translate(s, tokens + done, n, now, later);
		for (i = 0; i + GD_NR_LANES <= n;) {
			i += take_steps(now + i, later + i, &owed0, &steps);
			nr_words = put_steps(&h0, w->words, nr_words, steps);
			i += take_steps(now + i, later + i, &owed1, &steps);
			nr_words = put_steps(&h1, w->words, nr_words, steps);
		}
		done += i;
	}
	store_half(w, 0, &h0);
	store_half(w, 1, &h1);
	w->nr_words = nr_words;
	_mm512_storeu_si512(owed, owed0);
	_mm512_storeu_si512(owed + HALF, owed1);
	return done;
}

/* ----------------------------------------------------------------- bytes */

static uint32_t put_bytes(struct gd_writer *w, const uint8_t *in, uint32_t nbytes)
{
	struct half h0 = load_half(w, 0), h1 = load_half(w, 1);
	const __m512i c8 = _mm512_set1_epi32(8);
	uint32_t nr_words = w->nr_words, i;

	for (i = 0; i + GD_NR_LANES <= nbytes; i += GD_NR_LANES) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(in + i));

		nr_words = put_half(&h0, w->words, nr_words,
				    _mm512_cvtepu8_epi32(_mm256_castsi256_si128(v)), c8);
		nr_words = put_half(&h1, w->words, nr_words,
				    _mm512_cvtepu8_epi32(_mm256_extracti128_si256(v, 1)), c8);
	}
	store_half(w, 0, &h0);
	store_half(w, 1, &h1);
	w->nr_words = nr_words;
	return i;
}

const struct gd_writer_kernels ds_gd_writer_avx512 = {
	.put_tokens = put_tokens,
	.find_symbols = find_symbols,
	.put_bytes = put_bytes,
};
