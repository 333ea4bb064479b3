/* SPDX-License-Identifier: MIT */
/* encode_lanes_scalar.c: encode_lanes.h without vectors. */
#include "codec/gdeflate/encode_lanes.h"

enum {
	CHUNK = 1024, /* tokens translated at a time: they stay in the first-level cache */
};

/*
 * Takes and returns the number of words, so that it stays in a register. Whether a word is
 * full cannot be predicted: nothing branches on it.
 */
static inline uint32_t put_step(struct gd_writer *w, uint32_t nr_words, unsigned lane,
				uint32_t step)
{
	uint32_t n = w->nbits[lane], word = w->word[lane], next = w->next_word[lane];
	uint64_t acc = w->acc[lane] | (uint64_t)(step >> GD_STEP_SHIFT) << n;
	uint32_t mask; /* all ones if the word is full */

	n += step & GD_STEP_NBITS;
	mask = 0 - (uint32_t)(n > 32);
	w->words[word] = (uint32_t)acc;
	w->acc[lane] = (uint32_t)(acc >> (mask & 32));
	w->nbits[lane] = n - (mask & 32);
	w->word[lane] = word ^ ((word ^ next) & mask);
	w->next_word[lane] = next ^ ((next ^ nr_words) & mask);
	return nr_words - mask;
}

/* What a token is cannot be predicted, so a literal gets a distance too, which is dropped. */
static void translate(const struct gd_steps *s, const uint32_t *tokens, uint32_t nr_tokens,
		      uint32_t *now, uint32_t *later)
{
	for (uint32_t i = 0; i < nr_tokens; i++) {
		uint32_t distance = gd_token_distance(tokens[i]), is_copy = distance != 0;

		now[i] = gd_litlen_step(s, tokens[i]);
		later[i] = gd_dist_step(s, distance + !is_copy) & (0 - is_copy);
	}
}

static uint32_t put_tokens(struct gd_writer *w, const struct gd_steps *s, const uint32_t *tokens,
			   uint32_t nr_tokens, uint32_t *owed)
{
	uint32_t now[CHUNK], later[CHUNK], nr_words = w->nr_words, done = 0, n, i;
	uint32_t step, mask;

	while (nr_tokens - done >= GD_NR_LANES) {
		n = nr_tokens - done < CHUNK ? nr_tokens - done : CHUNK;
		translate(s, tokens + done, n, now, later);
		for (i = 0; i + GD_NR_LANES <= n;)
			for (unsigned lane = 0; lane < GD_NR_LANES; lane++) {
				step = owed[lane];
				mask = (uint32_t)(step != 0) - 1; /* all ones if nothing is owed */
				owed[lane] = later[i] & mask;
				step |= now[i] & mask;
				i -= mask;
				nr_words = put_step(w, nr_words, lane, step);
			}
		done += i;
	}
	w->nr_words = nr_words;
	return done;
}

static uint32_t find_symbols(const uint32_t *tokens, uint32_t nr_tokens, uint16_t *litlen,
			     uint8_t *dist)
{
	uint32_t nr_copies = 0;

	for (uint32_t i = 0; i < nr_tokens; i++) {
		litlen[i] = (uint16_t)gd_token_symbol(tokens[i]);
		if (gd_is_copy(tokens[i]))
			dist[nr_copies++] = (uint8_t)gd_dist_symbol(gd_token_distance(tokens[i]));
	}
	return nr_copies;
}

static uint32_t put_bytes(struct gd_writer *w, const uint8_t *in, uint32_t nbytes)
{
	uint32_t nr_words = w->nr_words, i = 0;

	while (i + GD_NR_LANES <= nbytes)
		for (unsigned lane = 0; lane < GD_NR_LANES; lane++)
			nr_words = put_step(w, nr_words, lane, gd_step(in[i++], 8));
	w->nr_words = nr_words;
	return i;
}

const struct gd_writer_kernels ds_gd_writer_scalar = {
	.put_tokens = put_tokens,
	.find_symbols = find_symbols,
	.put_bytes = put_bytes,
};
