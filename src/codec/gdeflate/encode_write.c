/* SPDX-License-Identifier: MIT */
/*
 * encode_write.c: blocks to bits, bits to lanes, lanes to words.
 *
 * The writer replays the reader, since it is the reader's fetches that decide which lane
 * owns which word. Of a lane that has been given W words and B bits, the reader holds
 * 32 * W - B bits, 32 to 63 of them after each step; so the last two words of a lane are
 * not yet full. A lane keeps the bits of the older one in an accumulator of 1 to 32 bits:
 * more than 32 means both that this word is full and that the reader fetches another.
 */
#include "codec/gdeflate/encode.h"

enum {
	/*
	 * Codewords are kept as short as the decoder's first tables. It costs nothing: what is
	 * lost in codewords that hardly occur is won in a shorter header.
	 */
	LITLEN_LIMIT = 11,
	DIST_LIMIT = 9,
};

/*
 * Every lane begins with one word and no bits. That is the state just after a full
 * word, so lanes begin with 32 bits for word 0, which belongs to nobody.
 */
static void begin_lanes(struct gd_writer *w)
{
	for (uint32_t i = 0; i < GD_NR_LANES; i++) {
		w->acc[i] = 0;
		w->nbits[i] = 32;
		w->word[i] = 0;
		w->next_word[i] = 1 + i;
	}
	w->nr_words = 1 + GD_NR_LANES;
}

/*
 * One step of a lane: at most 31 bits. Takes and returns the number of words, so that it
 * stays in a register. Whether a word is full cannot be predicted: nothing branches on it.
 */
static inline uint32_t put_counted(struct gd_writer *w, uint32_t nr_words, unsigned lane,
				   uint32_t bits, uint32_t nbits)
{
	uint32_t n = w->nbits[lane], word = w->word[lane], next = w->next_word[lane];
	uint64_t acc = w->acc[lane] | (uint64_t)bits << n;
	uint32_t is_full, mask;

	n += nbits;
	is_full = n > 32;
	mask = 0 - is_full;
	w->words[word] = (uint32_t)acc;
	w->acc[lane] = acc >> (mask & 32);
	w->nbits[lane] = n - (mask & 32);
	w->word[lane] = word ^ ((word ^ next) & mask);
	w->next_word[lane] = next ^ ((next ^ nr_words) & mask);
	return nr_words + is_full;
}

static inline void put(struct gd_writer *w, unsigned lane, uint32_t bits, uint32_t nbits)
{
	w->nr_words = put_counted(w, w->nr_words, lane, bits, nbits);
}

static size_t end_lanes(struct gd_writer *w, uint8_t *out)
{
	for (unsigned i = 0; i < GD_NR_LANES; i++) {
		w->words[w->word[i]] = (uint32_t)w->acc[i];
		w->words[w->next_word[i]] = 0;
	}
	for (uint32_t i = 1; i < w->nr_words; i++)
		gd_store32(out + 4 * (size_t)(i - 1), w->words[i]);
	return 4 * (size_t)(w->nr_words - 1);
}

static void put_block_type(struct gd_writer *w, bool is_final, unsigned type)
{
	put(w, 0, (uint32_t)is_final | type << 1, 3);
}

/* ---------------------------------------------------------- stored blocks */

static uint32_t stored_nbits(uint32_t nbytes)
{
	uint32_t nr_blocks = (nbytes + GD_MAX_STORED - 1) / GD_MAX_STORED;

	return 8 * nbytes + 19 * nr_blocks;
}

static void write_stored(struct gd_writer *w, bool is_final, const uint8_t *in, uint32_t nbytes)
{
	while (nbytes) {
		uint32_t n = nbytes < GD_MAX_STORED ? nbytes : GD_MAX_STORED;

		put_block_type(w, is_final && n == nbytes, GD_BLOCK_STORED);
		put(w, 0, n, 16);
		for (uint32_t i = 0; i < n; i++)
			put(w, i % GD_NR_LANES, in[i], 8);
		in += n;
		nbytes -= n;
	}
}

/* --------------------------------------------------------- coded blocks */

static void write_header(struct gd_writer *w, const struct gd_dynamic_header *h)
{
	static const uint8_t repeat_nbits[GD_NR_PRECODE] = { [16] = 2, [17] = 3, [18] = 7 };

	put(w, 0,
	    (h->nr_litlen - 257) | (uint32_t)(h->nr_dist - 1) << 5 |
		    (uint32_t)(h->nr_precode - 4) << 10,
	    14);
	for (unsigned i = 0; i < h->nr_precode; i++)
		put(w, i, h->precode_lens[ds_gd_precode_order[i]], 3);
	for (unsigned i = 0; i < h->nr_items; i++) {
		unsigned s = h->symbols[i], n = h->precode_lens[s];

		put(w, i % GD_NR_LANES, h->precode[s] | (uint32_t)h->repeats[i] << n,
		    n + repeat_nbits[s]);
	}
}

/*
 * Steps are kept as what they put: the bits, below their number. 0 is no step at all.
 */
static inline uint64_t step_of(uint32_t bits, unsigned nbits)
{
	return bits | (uint64_t)nbits << 32;
}

/* The steps of literals, then of lengths up to 258. */
enum {
	LENGTH_STEPS = 256 - GD_MIN_MATCH,
	NR_STEPS = LENGTH_STEPS + GD_LENGTH_SYMBOLS,
};

static uint64_t length_step(const struct ds_gdeflate_encoder *enc, const struct gd_codes *codes,
			    unsigned length)
{
	unsigned index = gd_length_index(enc, length), symbol = GD_FIRST_LENGTH + index;
	unsigned n = codes->litlen_lens[symbol];

	return step_of(codes->litlen[symbol] | (uint32_t)(length - ds_gd_length_base[index]) << n,
		       n + ds_gd_length_extra[index]);
}

static void make_steps(const struct ds_gdeflate_encoder *enc, const struct gd_codes *codes,
		       uint64_t *steps)
{
	for (unsigned i = 0; i < 256; i++)
		steps[i] = step_of(codes->litlen[i], codes->litlen_lens[i]);
	for (unsigned i = GD_MIN_MATCH; i < GD_LENGTH_SYMBOLS; i++)
		steps[LENGTH_STEPS + i] = length_step(enc, codes, i);
}

static inline uint64_t distance_step(const struct gd_codes *codes, unsigned distance)
{
	unsigned symbol = gd_dist_symbol(distance), n = codes->dist_lens[symbol];

	return step_of(codes->dist[symbol] | (distance - gd_dist_base(symbol)) << n,
		       n + gd_dist_extra(symbol));
}

/* A token's steps: of the literal or length, and of the distance, 0 for a literal. */
struct token_steps {
	uint64_t now, later;
};

enum {
	CHUNK = 1024, /* tokens translated at a time: they stay in the first-level cache */
};

/* Which of both it is cannot be predicted, so a literal gets a distance too, which is dropped. */
static inline struct token_steps translate(const struct ds_gdeflate_encoder *enc,
					   const struct gd_codes *codes, const uint64_t *table,
					   uint32_t token)
{
	unsigned length = gd_token_length(token), distance = gd_token_distance(token);
	uint64_t is_copy = distance != 0;
	struct token_steps s;

	s.later = distance_step(codes, distance + !is_copy) & (0 - is_copy);
	if (length < GD_LENGTH_SYMBOLS)
		s.now = table[length + (is_copy ? LENGTH_STEPS : 0)];
	else
		s.now = length_step(enc, codes, length);
	return s;
}

/*
 * Goes round the lanes, as the decoder does: a lane that has got a length gets the
 * distance one round later, and after the end each other lane gets what it is owed.
 */
static void write_tokens(struct ds_gdeflate_encoder *enc, const struct gd_codes *codes,
			 const struct gd_block *block)
{
	struct gd_writer *w = &enc->writer;
	struct token_steps steps[CHUNK + 1], *end;
	uint64_t table[NR_STEPS], owed[GD_NR_LANES] = { 0 };
	uint32_t nr_words = w->nr_words, left = block->nr_tokens, n;
	const uint32_t *token = enc->tokens + block->first;
	unsigned lane = 0;

	make_steps(enc, codes, table);
	do {
		n = left < CHUNK ? left : CHUNK;
		for (uint32_t i = 0; i < n; i++)
			steps[i] = translate(enc, codes, table, *token++);
		left -= n;
		end = steps + n;
		if (!left) {
			end->now = step_of(codes->litlen[GD_END_OF_BLOCK],
					   codes->litlen_lens[GD_END_OF_BLOCK]);
			end->later = 0;
			end++;
		}
		for (const struct token_steps *s = steps; s < end;
		     lane = (lane + 1) % GD_NR_LANES) {
			uint64_t owes = owed[lane], now = s->now, later = s->later;

			owed[lane] = owes ? 0 : later;
			now = owes ? owes : now;
			nr_words = put_counted(w, nr_words, lane, (uint32_t)now,
					       (uint32_t)(now >> 32));
			s += !owes;
		}
	} while (left);
	w->nr_words = nr_words;
	for (unsigned i = 1; i < GD_NR_LANES; i++, lane = (lane + 1) % GD_NR_LANES)
		put(w, lane, (uint32_t)owed[lane], (uint32_t)(owed[lane] >> 32));
}

/* ------------------------------------------------------ choosing the form */

uint32_t ds_gd_coded_nbits(const struct gd_histogram *h, const struct gd_codes *codes)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < GD_NR_LITLEN; i++)
		n += h->litlen[i] * codes->litlen_lens[i];
	for (unsigned i = 0; i < GD_NR_LENGTHS; i++)
		n += h->litlen[GD_FIRST_LENGTH + i] * ds_gd_length_extra[i];
	for (unsigned i = 0; i < GD_NR_DIST; i++)
		n += h->dist[i] * (codes->dist_lens[i] + gd_dist_extra(i));
	return n;
}

void ds_gd_make_fixed_codes(struct gd_codes *codes)
{
	uint8_t lens[GD_MAX_LENS];

	ds_gd_fixed_lens(lens);
	memcpy(codes->litlen_lens, lens, GD_NR_LITLEN);
	memcpy(codes->dist_lens, lens + GD_NR_LITLEN, GD_NR_DIST);
	ds_gd_make_codes(codes->litlen_lens, GD_NR_LITLEN, codes->litlen);
	ds_gd_make_codes(codes->dist_lens, GD_NR_DIST, codes->dist);
}

static void make_dynamic_lens(const struct gd_histogram *h, struct gd_codes *codes)
{
	ds_gd_make_lens(h->litlen, GD_NR_LITLEN, LITLEN_LIMIT, codes->litlen_lens);
	ds_gd_make_lens(h->dist, GD_NR_DIST, DIST_LIMIT, codes->dist_lens);
}

uint32_t ds_gd_dynamic_nbits(const struct gd_histogram *h)
{
	struct gd_dynamic_header header;
	struct gd_codes codes;

	make_dynamic_lens(h, &codes);
	ds_gd_make_header(&codes, &header);
	return header.nbits + ds_gd_coded_nbits(h, &codes);
}

static uint32_t block_nbytes(const struct ds_gdeflate_encoder *enc, const struct gd_block *b)
{
	uint32_t n = 0;

	for (uint32_t i = b->first; i < b->first + b->nr_tokens; i++)
		n += gd_token_nbytes(enc->tokens[i]);
	return n;
}

static uint32_t least(uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Writes one block in its smallest form; returns how many bits that took. */
static uint32_t write_block(struct ds_gdeflate_encoder *enc, const struct gd_block *b,
			    bool is_final, const uint8_t *in, uint32_t nbytes)
{
	struct gd_histogram h = *b->histogram;
	struct gd_dynamic_header header;
	struct gd_codes dynamic;
	uint32_t stored = stored_nbits(nbytes), as_fixed, as_dynamic;

	h.litlen[GD_END_OF_BLOCK] = 1;
	make_dynamic_lens(&h, &dynamic);
	ds_gd_make_header(&dynamic, &header);
	as_dynamic = 3 + header.nbits + ds_gd_coded_nbits(&h, &dynamic);
	as_fixed = 3 + ds_gd_coded_nbits(&h, &enc->fixed);

	if (stored <= as_fixed && stored <= as_dynamic) {
		write_stored(&enc->writer, is_final, in, nbytes);
	} else if (as_fixed <= as_dynamic) {
		put_block_type(&enc->writer, is_final, GD_BLOCK_FIXED);
		write_tokens(enc, &enc->fixed, b);
	} else {
		ds_gd_make_codes(dynamic.litlen_lens, GD_NR_LITLEN, dynamic.litlen);
		ds_gd_make_codes(dynamic.dist_lens, GD_NR_DIST, dynamic.dist);
		put_block_type(&enc->writer, is_final, GD_BLOCK_DYNAMIC);
		write_header(&enc->writer, &header);
		write_tokens(enc, &dynamic, b);
	}
	return least(stored, as_fixed, as_dynamic);
}

size_t ds_gd_write_tile(struct ds_gdeflate_encoder *enc, const uint8_t *in, uint32_t nbytes,
			uint8_t *out)
{
	uint32_t at = 0, nbits = 0, n;

	begin_lanes(&enc->writer);
	for (uint32_t i = 0; i < enc->nr_blocks; i++) {
		n = block_nbytes(enc, &enc->blocks[i]);
		nbits += write_block(enc, &enc->blocks[i], i + 1 == enc->nr_blocks, in + at, n);
		at += n;
	}
	/*
	 * No block is larger than if it were stored, but small blocks have many headers.
	 * One stored block keeps the bound: its bits, and up to 63 more in each lane.
	 */
	if (nbits > stored_nbits(nbytes)) {
		begin_lanes(&enc->writer);
		write_stored(&enc->writer, true, in, nbytes);
	}
	return end_lanes(&enc->writer, out);
}
