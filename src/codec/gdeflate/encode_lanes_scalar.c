/* SPDX-License-Identifier: MIT */
/* encode_lanes_scalar.c: encode_lanes.h without vectors. */
#include "codec/gdeflate/encode_lanes.h"

/*
 * Takes and returns the number of words, so that it stays in a register. Whether a word is
 * full cannot be predicted: nothing branches on it.
 */
static inline uint32_t put_step(struct gd_writer *w, uint32_t nr_words, unsigned lane,
				uint32_t step)
{
	uint32_t n = w->nbits[lane], word = w->word[lane], next = w->next_word[lane];
	uint64_t acc = w->acc[lane] | (uint64_t)(step >> GD_STEP_SHIFT) << n;
	uint32_t is_full;

	n += step & GD_STEP_NBITS;
	is_full = n > 32;
	w->words[word] = (uint32_t)acc;
	w->acc[lane] = (uint32_t)(acc >> (is_full << 5));
	w->nbits[lane] = n - (is_full << 5);
	w->word[lane] = is_full ? next : word;
	w->next_word[lane] = is_full ? nr_words : next;
	return nr_words + is_full;
}

static uint32_t put_tokens(struct gd_writer *w, const struct gd_steps *s, const uint32_t *tokens,
			   uint32_t nr_tokens, uint32_t *owed)
{
	uint32_t nr_words = w->nr_words, i = 0, now, later;

	while (i + GD_NR_LANES <= nr_tokens) {
		for (unsigned lane = 0; lane < GD_NR_LANES; lane++) {
			now = owed[lane];
			later = 0;
			if (!now) {
				now = gd_litlen_step(s, tokens[i]);
				if (gd_is_copy(tokens[i]))
					later = gd_dist_step(s, gd_token_distance(tokens[i]));
				i++;
			}
			owed[lane] = later;
			nr_words = put_step(w, nr_words, lane, now);
		}
	}
	w->nr_words = nr_words;
	return i;
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
	.put_bytes = put_bytes,
};
