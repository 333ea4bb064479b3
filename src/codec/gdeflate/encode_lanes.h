/* SPDX-License-Identifier: MIT */
/*
 * encode_lanes.h: steps to lanes, lanes to words.
 *
 * The writer replays the reader, since it is the reader's fetches that decide which lane
 * owns which word. Of a lane that has been given W words and B bits, the reader holds
 * 32 * W - B bits, 32 to 63 of them after each step; so the last two words of a lane are
 * not yet full. A lane keeps the bits of the older one, 1 to 32 of them: more than 32
 * means both that this word is full and that the reader fetches another.
 *
 * Nearly all steps are those of literals, lengths and distances. They are put a round of
 * all 32 lanes at a time, by a kernel for the processor; everything else goes one by one.
 */
#ifndef DS_GDEFLATE_ENCODE_LANES_H
#define DS_GDEFLATE_ENCODE_LANES_H

#include <stdalign.h>
#include <stdint.h>

#include "codec/gdeflate/encode.h"

/*
 * A step as one word: how many bits below, and above them the bits. 0 is no step. Codewords
 * are limited so that it fits: 11 bits and 16 extra ones are the longest.
 */
enum {
	GD_STEP_SHIFT = 5,
	GD_STEP_NBITS = (1 << GD_STEP_SHIFT) - 1,
};

static inline uint32_t gd_step(uint32_t bits, unsigned nbits)
{
	return bits << GD_STEP_SHIFT | nbits;
}

/* The steps of a block's tokens, with extra bits where those follow from the index. */
struct gd_steps {
	alignas(64) uint32_t dist[GD_NR_DIST]; /* 0 extra bits */
	uint32_t litlen[GD_NR_TOKEN_SYMBOLS];  /* long lengths: 16 extra bits, all of them 0 */
	uint32_t end_of_block;
};

/* Which of GD_NR_TOKEN_SYMBOLS a token is. */
static inline uint32_t gd_token_symbol(uint32_t token)
{
	uint32_t i = gd_token_length(token) + (gd_is_copy(token) ? GD_TOKEN_LENGTHS : 0);

	return i < GD_LONG_LENGTH ? i : GD_LONG_LENGTH;
}

/* The step of a literal or length. */
static inline uint32_t gd_litlen_step(const struct gd_steps *s, uint32_t token)
{
	uint32_t i = gd_token_symbol(token), step = s->litlen[i];

	if (i == GD_LONG_LENGTH)
		step += (gd_token_length(token) - GD_MIN_MATCH)
			<< ((step & GD_STEP_NBITS) - 16 + GD_STEP_SHIFT);
	return step;
}

/* The step of a copy's distance, one round later in the same lane. */
static inline uint32_t gd_dist_step(const struct gd_steps *s, unsigned distance)
{
	unsigned symbol = gd_dist_symbol(distance);
	uint32_t step = s->dist[symbol];

	return step + gd_dist_extra(symbol) +
	       ((distance - gd_dist_base(symbol)) << ((step & GD_STEP_NBITS) + GD_STEP_SHIFT));
}

/* One step of a lane: at most 31 bits. */
static inline void gd_put(struct gd_writer *w, unsigned lane, uint32_t bits, uint32_t nbits)
{
	uint64_t acc = w->acc[lane] | (uint64_t)bits << w->nbits[lane];

	w->nbits[lane] += nbits;
	if (w->nbits[lane] > 32) {
		w->words[w->word[lane]] = (uint32_t)acc;
		w->word[lane] = w->next_word[lane];
		w->next_word[lane] = w->nr_words++;
		w->nbits[lane] -= 32;
		acc >>= 32;
	}
	w->acc[lane] = (uint32_t)acc;
}

static inline void gd_put_step(struct gd_writer *w, unsigned lane, uint32_t step)
{
	gd_put(w, lane, step >> GD_STEP_SHIFT, step & GD_STEP_NBITS);
}

/* What the processor's kernels do. */
struct gd_writer_kernels {
	/*
	 * Puts whole rounds of tokens, as many as there certainly are, and returns how many
	 * tokens that took. owed has the step that each lane puts next before a token's.
	 */
	uint32_t (*put_tokens)(struct gd_writer *w, const struct gd_steps *s,
			       const uint32_t *tokens, uint32_t nr_tokens, uint32_t *owed);

	/*
	 * Which of GD_NR_TOKEN_SYMBOLS each token is, and the copies' distance symbols. Returns
	 * how many those are. There is room for 31 more of each, and as many can be read.
	 */
	uint32_t (*find_symbols)(const uint32_t *tokens, uint32_t nr_tokens, uint16_t *litlen,
				 uint8_t *dist);

	/* Puts whole rounds of bytes, and returns how many bytes that took. */
	uint32_t (*put_bytes)(struct gd_writer *w, const uint8_t *in, uint32_t nbytes);
};

extern const struct gd_writer_kernels ds_gd_writer_scalar;
extern const struct gd_writer_kernels ds_gd_writer_avx2;
extern const struct gd_writer_kernels ds_gd_writer_avx512;

#endif /* DS_GDEFLATE_ENCODE_LANES_H */
