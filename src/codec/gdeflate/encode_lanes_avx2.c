/* SPDX-License-Identifier: MIT */
/*
 * encode_lanes_avx2.c: encode_lanes.h with AVX2: a round is four vectors of 8 lanes.
 *
 * Which steps a round consists of is found one by one, some rounds ahead of putting
 * them, so that no vector is loaded while its parts are still being stored.
 */
#include <immintrin.h>

#include "codec/gdeflate/encode_lanes.h"

enum {
	CHUNK = 1024, /* tokens translated at a time: they stay in the first-level cache */
	QUARTER = GD_NR_LANES / 4,
	BATCH = 8, /* rounds */
};

static inline __m256i load(const uint32_t *p)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

static inline void store(uint32_t *p, __m256i v)
{
	_mm256_storeu_si256((__m256i *)(void *)p, v);
}

/* Bits that are not yet in a full word; where words go is left in memory. */
struct lanes {
	__m256i acc[4], nbits[4];
};

static inline struct lanes load_lanes(const struct gd_writer *w)
{
	struct lanes l;

	for (unsigned i = 0; i < 4; i++) {
		l.acc[i] = load(w->acc + i * QUARTER);
		l.nbits[i] = load(w->nbits + i * QUARTER);
	}
	return l;
}

static inline void store_lanes(struct gd_writer *w, const struct lanes *l)
{
	for (unsigned i = 0; i < 4; i++) {
		store(w->acc + i * QUARTER, l->acc[i]);
		store(w->nbits + i * QUARTER, l->nbits[i]);
	}
}

/* A step of eight lanes; stores their older words, and returns which of them are full. */
static inline uint32_t put_quarter(struct lanes *l, unsigned i, __m256i bits, __m256i nbits,
				   uint32_t *older)
{
	const __m256i c32 = _mm256_set1_epi32(32);
	__m256i low = _mm256_or_si256(l->acc[i], _mm256_sllv_epi32(bits, l->nbits[i]));
	__m256i high = _mm256_srlv_epi32(bits, _mm256_sub_epi32(c32, l->nbits[i])), full;

	nbits = _mm256_add_epi32(l->nbits[i], nbits);
	full = _mm256_cmpgt_epi32(nbits, c32);
	store(older + i * QUARTER, low);
	l->acc[i] = _mm256_blendv_epi8(low, high, full);
	l->nbits[i] = _mm256_sub_epi32(nbits, _mm256_and_si256(full, c32));
	return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(full)) << i * QUARTER;
}

/* Moves full words to where they belong. Returns how many words there are then. */
static inline uint32_t deal_words(struct gd_writer *w, uint32_t nr_words, const uint32_t *older,
				  uint32_t full)
{
	for (; full; full &= full - 1) {
		unsigned lane = (unsigned)__builtin_ctz(full);

		w->words[w->word[lane]] = older[lane];
		w->word[lane] = w->next_word[lane];
		w->next_word[lane] = nr_words++;
	}
	return nr_words;
}

static inline uint32_t put_round(struct gd_writer *w, struct lanes *l, uint32_t nr_words,
				 const uint32_t *steps)
{
	const __m256i mask = _mm256_set1_epi32(GD_STEP_NBITS);
	uint32_t older[GD_NR_LANES], full = 0;

	for (unsigned i = 0; i < 4; i++) {
		__m256i v = load(steps + i * QUARTER);

		full |= put_quarter(l, i, _mm256_srli_epi32(v, GD_STEP_SHIFT),
				    _mm256_and_si256(v, mask), older);
	}
	return deal_words(w, nr_words, older, full);
}

/* ---------------------------------------------------------------- tokens */

static inline __m256i find_copies(__m256i tokens)
{
	__m256i literals =
		_mm256_cmpeq_epi32(_mm256_srli_epi32(tokens, 16), _mm256_setzero_si256());

	return _mm256_xor_si256(literals, _mm256_set1_epi32(-1));
}

/* Which of GD_NR_TOKEN_SYMBOLS the tokens are. */
static inline __m256i token_symbols(__m256i tokens, __m256i copies)
{
	__m256i v = _mm256_and_si256(tokens, _mm256_set1_epi32(0xffff));

	v = _mm256_add_epi32(v, _mm256_and_si256(copies, _mm256_set1_epi32(GD_TOKEN_LENGTHS)));
	return _mm256_min_epi32(v, _mm256_set1_epi32(GD_LONG_LENGTH));
}

/* Distances less one, in two parts; 0 where there is no copy. */
struct distances {
	__m256i symbol, nr_extra, extra;
};

static inline struct distances split_distances(__m256i tokens, __m256i copies)
{
	__m256i v = _mm256_sub_epi32(_mm256_srli_epi32(tokens, 16), _mm256_set1_epi32(1));
	__m256i exponent;
	struct distances d;

	/*
	 * A float's exponent tells the highest bit's number. One less is the number of extra
	 * bits; 0 for the first four.
	 */
	v = _mm256_and_si256(v, copies);
	exponent = _mm256_srli_epi32(_mm256_castps_si256(_mm256_cvtepi32_ps(v)), 23);
	d.nr_extra = _mm256_sub_epi32(exponent, _mm256_set1_epi32(128));
	d.nr_extra = _mm256_max_epi32(d.nr_extra, _mm256_setzero_si256());
	d.symbol = _mm256_add_epi32(_mm256_srlv_epi32(v, d.nr_extra),
				    _mm256_slli_epi32(d.nr_extra, 1));
	d.extra = _mm256_andnot_si256(_mm256_sllv_epi32(_mm256_set1_epi32(-1), d.nr_extra), v);
	return d;
}

/* The low halves of eight words, in their order. */
static inline __m128i narrow(__m256i v)
{
	return _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

static uint32_t find_symbols(const uint32_t *tokens, uint32_t nr_tokens, uint16_t *litlen,
			     uint8_t *dist)
{
	uint32_t nr_copies = 0;

	for (uint32_t i = 0; i < nr_tokens; i += QUARTER) {
		__m256i v = load(tokens + i), copies = find_copies(v);
		__m128i symbols = narrow(split_distances(v, copies).symbol);
		__m128i are_copies = _mm_packs_epi32(_mm256_castsi256_si128(copies),
						     _mm256_extracti128_si256(copies, 1));
		uint64_t bytes, mask;

		_mm_storeu_si128((__m128i *)(void *)(litlen + i), narrow(token_symbols(v, copies)));
		bytes = (uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(symbols, symbols));
		mask = (uint64_t)_mm_cvtsi128_si64(_mm_packs_epi16(are_copies, are_copies));
		if (nr_tokens - i < QUARTER)
			mask = _bzhi_u64(mask, 8 * (nr_tokens - i));
		bytes = _pext_u64(bytes, mask);
		memcpy(dist + nr_copies, &bytes, sizeof(bytes));
		nr_copies += (uint32_t)_mm_popcnt_u64(mask) / 8;
	}
	return nr_copies;
}

/* The steps of 8 literals and lengths. */
static inline __m256i litlen_steps(const struct gd_steps *s, __m256i tokens, __m256i copies)
{
	__m256i index = token_symbols(tokens, copies), extra;
	__m256i steps = _mm256_i32gather_epi32((const int *)s->litlen, index, 4);
	__m256i is_long = _mm256_cmpeq_epi32(index, _mm256_set1_epi32(GD_LONG_LENGTH));
	unsigned shift = (s->litlen[GD_LONG_LENGTH] & GD_STEP_NBITS) - 16 + GD_STEP_SHIFT;

	if (_mm256_testz_si256(is_long, is_long))
		return steps;
	extra = _mm256_sub_epi32(_mm256_and_si256(tokens, _mm256_set1_epi32(0xffff)),
				 _mm256_set1_epi32(GD_MIN_MATCH));
	extra = _mm256_sll_epi32(extra, _mm_cvtsi32_si128((int)shift));
	return _mm256_add_epi32(steps, _mm256_and_si256(extra, is_long));
}

/* The steps of 8 distances, and no step where there is no copy. */
static inline __m256i dist_steps(const struct gd_steps *s, __m256i tokens, __m256i copies)
{
	struct distances d = split_distances(tokens, copies);
	__m256i steps = _mm256_i32gather_epi32((const int *)s->dist, d.symbol, 4);
	__m256i shift = _mm256_add_epi32(_mm256_and_si256(steps, _mm256_set1_epi32(GD_STEP_NBITS)),
					 _mm256_set1_epi32(GD_STEP_SHIFT));

	steps = _mm256_add_epi32(steps, d.nr_extra);
	steps = _mm256_add_epi32(steps, _mm256_sllv_epi32(d.extra, shift));
	return _mm256_and_si256(steps, copies);
}

/* Both steps of up to CHUNK tokens. There is room for whole vectors. */
static void translate(const struct gd_steps *s, const uint32_t *tokens, uint32_t nr_tokens,
		      uint32_t *now, uint32_t *later)
{
	for (uint32_t i = 0; i < nr_tokens; i += QUARTER) {
		__m256i v = load(tokens + i);
		__m256i copies = find_copies(v);

		store(now + i, litlen_steps(s, v, copies));
		store(later + i, dist_steps(s, v, copies));
	}
}

/* What is owed and what comes next, lane by lane. Returns how many tokens that took. */
static inline uint32_t take_steps(const uint32_t *now, const uint32_t *later, uint32_t *owed,
				  uint32_t *steps)
{
	uint32_t i = 0;

	for (unsigned lane = 0; lane < GD_NR_LANES; lane++) {
		uint32_t o = owed[lane], n = now[i], l = later[i];

		steps[lane] = o ? o : n;
		owed[lane] = o ? 0 : l;
		i += !o;
	}
	return i;
}

static uint32_t put_tokens(struct gd_writer *w, const struct gd_steps *s, const uint32_t *tokens,
			   uint32_t nr_tokens, uint32_t *owed)
{
	uint32_t now[CHUNK + GD_NR_LANES], later[CHUNK + GD_NR_LANES];
	uint32_t steps[BATCH][GD_NR_LANES], nr_words = w->nr_words, done = 0, n, i, nr_rounds;
	struct lanes l = load_lanes(w);

	while (nr_tokens - done >= GD_NR_LANES) {
		n = nr_tokens - done < CHUNK ? nr_tokens - done : CHUNK;
		translate(s, tokens + done, n, now, later);
		for (i = 0; i + GD_NR_LANES <= n;) {
			for (nr_rounds = 0; nr_rounds < BATCH && i + GD_NR_LANES <= n; nr_rounds++)
				i += take_steps(now + i, later + i, owed, steps[nr_rounds]);
			for (uint32_t r = 0; r < nr_rounds; r++)
				nr_words = put_round(w, &l, nr_words, steps[r]);
		}
		done += i;
	}
	store_lanes(w, &l);
	w->nr_words = nr_words;
	return done;
}

/* ----------------------------------------------------------------- bytes */

static uint32_t put_bytes(struct gd_writer *w, const uint8_t *in, uint32_t nbytes)
{
	const __m256i c8 = _mm256_set1_epi32(8);
	uint32_t older[GD_NR_LANES], nr_words = w->nr_words, full, i;
	struct lanes l = load_lanes(w);

	for (i = 0; i + GD_NR_LANES <= nbytes; i += GD_NR_LANES) {
		full = 0;
		for (unsigned k = 0; k < 4; k++) {
			const uint8_t *p = in + i + k * QUARTER;
			__m128i v = _mm_loadl_epi64((const __m128i *)(const void *)p);

			full |= put_quarter(&l, k, _mm256_cvtepu8_epi32(v), c8, older);
		}
		nr_words = deal_words(w, nr_words, older, full);
	}
	store_lanes(w, &l);
	w->nr_words = nr_words;
	return i;
}

const struct gd_writer_kernels ds_gd_writer_avx2 = {
	.put_tokens = put_tokens,
	.find_symbols = find_symbols,
	.put_bytes = put_bytes,
};
