/* SPDX-License-Identifier: MIT */
/*
 * encode_optimal.c: the parser of the small levels.
 *
 * First all matches of the tile are found, once: at each position, for each length the
 * nearest match that has it. They come from rows of the newest positions with a hash,
 * or, where many are looked at, from binary trees of them, ordered by what follows. Then,
 * given what each symbol costs in bits, the cheapest way from each position to the end is
 * found from back to front. The costs come from the blocks that the parse before gave,
 * so this is repeated; the first costs come from a simple parse.
 *
 * A token is charged the costs of the block in which it begins. So copies may cross the
 * boundaries, which the next split moves anyway.
 */
#include "codec/gdeflate/encode.h"
#include "codec/gdeflate/encode_rows.h"

enum {
	HASH_BITS = 16,
	HASH3_BITS = 15,
	MAX_MATCHES = 12 * DS_GDEFLATE_TILE_NBYTES, /* of a tile; when used up, only the longest */
	MAX_PER_POSITION = 128,
	LENGTH_SHIFT = 9, /* costs have a length below them */
	LENGTH_MASK = (1 << LENGTH_SHIFT) - 1,
	MAX_COSTED = 258,	     /* longer ones have the last length symbol */
	COST_SHIFT = 3,		     /* costs are in eighths of a bit */
	MAX_COST = 15 << COST_SHIFT, /* so that those of a tile fit in 32 bits with the lengths */
};

struct match {
	uint16_t length;
	uint16_t distance;
};

/* What each choice costs in a block. */
struct costs {
	uint32_t literal[256];
	uint32_t length[MAX_COSTED + 2]; /* the last one: of anything longer */
	uint32_t dist[GD_NR_DIST];
};

/* Positions are stored plus one, so that zero means none. */
struct optimal {
	uint16_t head[1 << HASH_BITS]; /* of trees */
	uint16_t head3[1 << HASH3_BITS][2];
	uint16_t child[DS_GDEFLATE_TILE_NBYTES][2]; /* of trees */
	struct gd_row rows[1 << GD_ROW_BITS];
	uint32_t first[DS_GDEFLATE_TILE_NBYTES + 1]; /* match of each position */
	uint32_t cost[DS_GDEFLATE_TILE_NBYTES + 1];  /* from each position to the end */
	uint32_t choice[DS_GDEFLATE_TILE_NBYTES];    /* the token there */
	uint32_t block_end[GD_MAX_BLOCKS];
	struct costs costs[GD_MAX_BLOCKS];
	struct match matches[MAX_MATCHES];
};

size_t ds_gd_optimal_finder_nbytes(void)
{
	return sizeof(struct optimal);
}

/* --------------------------------------------------------- finding matches */

struct search {
	struct optimal *o;
	const uint8_t *in;
	uint32_t nbytes;
	uint32_t depth;
	uint32_t nice;
	bool has_trees;
};

/*
 * Puts a position at the root of its tree, and on the way down, where it divides the
 * smaller from the larger ones, finds longer and longer matches. They are added at `out`
 * if they are longer than *best. Returns the end of what was added.
 *
 * Neither choosing the side without a branch nor prefetching the next root made this
 * faster: a processor that guesses the side is already loading what comes next.
 */
static struct match *descend(const struct search *s, uint32_t at, uint32_t *best, struct match *out)
{
	const uint8_t *here = s->in + at;
	uint32_t most = s->nbytes - at, enough = s->nice < most ? s->nice : most;
	uint32_t hash = gd_hash4(gd_load32(here), HASH_BITS);
	uint32_t candidate = s->o->head[hash], depth = s->depth;
	uint16_t *smaller = &s->o->child[at][0], *larger = &s->o->child[at][1];
	uint32_t smaller_length = 0, larger_length = 0, length;

	s->o->head[hash] = (uint16_t)(at + 1);
	while (candidate && depth--) {
		const uint8_t *there = s->in + candidate - 1;
		uint16_t *child = s->o->child[candidate - 1];

		length = smaller_length < larger_length ? smaller_length : larger_length;
		length = gd_common_length(here, there, length, enough);
		if (length > *best) {
			*best = length;
			out->length = (uint16_t)length;
			out->distance = (uint16_t)(at + 1 - candidate);
			out++;
		}
		if (length == enough) {
			/* The same as here, as far as it matters: takes its place. */
			*smaller = child[0];
			*larger = child[1];
			return out;
		}
		if (there[length] < here[length]) {
			*smaller = (uint16_t)candidate;
			smaller = &child[1];
			candidate = child[1];
			smaller_length = length;
		} else {
			*larger = (uint16_t)candidate;
			larger = &child[0];
			candidate = child[0];
			larger_length = length;
		}
	}
	*smaller = 0;
	*larger = 0;
	return out;
}

/* The same with a row of the newest positions that have the hash: quicker, but not as far. */
static inline struct match *look_through_row(const struct search *s, uint32_t at, uint32_t *best,
					     struct match *out)
{
	const uint8_t *in = s->in, *here = in + at;
	uint32_t most = s->nbytes - at, enough = s->nice < most ? s->nice : most;
	uint32_t v = gd_load32(here), reach = *best, last, tail, from, length;
	struct gd_row_key key = gd_row_key(s->o->rows, v);
	uint32_t newest = key.row->newest, candidates = 0;

	/* The first position has the place of what is empty, and nothing before it. */
	if (reach < enough && at) {
		candidates = gd_row_candidates(key);
		last = reach < 3 ? 0 : reach - 3;
		tail = gd_load32(here + last);
	}
	for (; candidates; candidates &= candidates - 1) {
		from = gd_row_at(key.row, newest, (uint32_t)__builtin_ctz(candidates));
		/* The last bytes that would make it longer, then the first ones. */
		if (gd_load32(in + from + last) != tail || gd_load32(in + from) != v)
			continue;
		length = gd_common_length(here, in + from, 4, enough);
		if (length <= reach)
			continue;
		reach = length;
		out->length = (uint16_t)length;
		out->distance = (uint16_t)(at - from);
		out++;
		if (length == enough)
			break;
		last = length - 3;
		tail = gd_load32(here + last);
	}
	gd_row_insert(key, at);
	*best = reach;
	return out;
}

static void insert3(const struct search *s, uint32_t at)
{
	uint16_t *bucket = s->o->head3[gd_hash3(gd_load32(s->in + at), HASH3_BITS)];

	bucket[1] = bucket[0];
	bucket[0] = (uint16_t)(at + 1);
}

/* The nearest match of at least three bytes, from two candidates. */
static struct match *find3(const struct search *s, uint32_t at, uint32_t *best, struct match *out)
{
	const uint8_t *here = s->in + at;
	uint32_t v = gd_load32(here) << 8;
	const uint16_t *bucket = s->o->head3[gd_hash3(gd_load32(here), HASH3_BITS)];

	for (int i = 0; i < 2 && bucket[i]; i++) {
		if (gd_load32(s->in + bucket[i] - 1) << 8 != v)
			continue;
		*best = out->length = 3;
		out->distance = (uint16_t)(at + 1 - bucket[i]);
		return out + 1;
	}
	return out;
}

/*
 * All matches of the tile. Inside a match that is long enough, nothing is looked for: it
 * will be taken.
 */
static void find_matches(const struct search *s)
{
	struct optimal *o = s->o;
	struct match local[MAX_PER_POSITION + 2], *end;
	uint32_t nr = 0, at = 0, skip = 0, best, n;

	for (; at + 4 <= s->nbytes; at++) {
		o->first[at] = nr;
		end = local;
		best = 2;
		if (!skip)
			end = find3(s, at, &best, end);
		else
			best = UINT16_MAX;
		end = s->has_trees ? descend(s, at, &best, end)
				   : look_through_row(s, at, &best, end);
		insert3(s, at);
		if (skip) {
			skip--;
			continue;
		}
		n = (uint32_t)(end - local);
		if (!n)
			continue;
		if (best >= s->nice) {
			const uint8_t *here = s->in + at;

			best = gd_common_length(here, here - end[-1].distance, best,
						s->nbytes - at);
			end[-1].length = (uint16_t)best;
			skip = best - 1;
		}
		if (nr + n + (s->nbytes - at) > MAX_MATCHES) {
			local[0] = end[-1];
			n = 1;
		}
		memcpy(o->matches + nr, local, n * sizeof(local[0]));
		nr += n;
	}
	for (; at <= s->nbytes; at++)
		o->first[at] = nr;
}

/* ------------------------------------------------------------------ costs */

/* Bits for a symbol that occurs n times among `sum`, as an ideal code would have it. */
static uint32_t ideal_cost(const struct ds_gdeflate_encoder *enc, uint32_t n, uint32_t sum)
{
	uint32_t cost;

	/* What has not occurred is taken to be half as likely as what occurred once. */
	cost = ds_gd_log2(enc, sum) + (1 << GD_LOG_SHIFT);
	if (n)
		cost -= ds_gd_log2(enc, 2 * n);
	cost >>= GD_LOG_SHIFT - COST_SHIFT;
	cost = cost > MAX_COST ? MAX_COST : cost ? cost : 1;
	return cost << LENGTH_SHIFT;
}

static uint32_t sum_of(const uint32_t *a, unsigned n)
{
	uint32_t sum = 0;

	while (n--)
		sum += *a++;
	return sum;
}

static void make_costs(const struct ds_gdeflate_encoder *enc, const struct gd_histogram *h,
		       struct costs *c)
{
	uint32_t sum = sum_of(h->litlen, GD_NR_LITLEN) + 1, symbol[GD_NR_LENGTHS];

	for (unsigned i = 0; i < 256; i++)
		c->literal[i] = ideal_cost(enc, h->litlen[i], sum);
	for (unsigned i = 0; i < GD_NR_LENGTHS; i++)
		symbol[i] = ideal_cost(enc, h->litlen[GD_FIRST_LENGTH + i], sum) +
			    ((uint32_t)ds_gd_length_extra[i] << (COST_SHIFT + LENGTH_SHIFT));
	for (unsigned i = GD_MIN_MATCH; i <= MAX_COSTED + 1; i++)
		c->length[i] = symbol[gd_length_index(enc, i)] | i;
	sum = sum_of(h->dist, GD_NR_DIST) + 1;
	for (unsigned i = 0; i < GD_NR_DIST; i++)
		c->dist[i] = ideal_cost(enc, h->dist[i], sum) +
			     (gd_dist_extra(i) << (COST_SHIFT + LENGTH_SHIFT));
}

/* The blocks of the parse before, as ranges of positions, and their costs. */
static void learn_costs(const struct ds_gdeflate_encoder *enc, struct optimal *o)
{
	uint32_t at = 0, token = 0;

	for (uint32_t b = 0; b < enc->nr_blocks; b++) {
		const struct gd_block *block = &enc->blocks[b];

		for (; token < block->first + block->nr_tokens; token++)
			at += gd_token_nbytes(enc->tokens[token]);
		o->block_end[b] = at;
		make_costs(enc, block->histogram, &o->costs[b]);
	}
}

/* ---------------------------------------------------------------- parsing */

/* The longest match, unless the next position has a longer one: to begin with something. */
static void parse_simply(struct ds_gdeflate_encoder *enc, const struct search *s)
{
	const struct optimal *o = s->o;
	uint32_t at = 0;

	enc->nr_tokens = 0;
	while (at < s->nbytes) {
		uint32_t end = o->first[at + 1], length = 0, next_length = 0;

		if (end > o->first[at])
			length = o->matches[end - 1].length;
		if (length && at + 1 < s->nbytes && o->first[at + 2] > end)
			next_length = o->matches[o->first[at + 2] - 1].length;
		if (length && next_length <= length &&
		    (length > 3 || o->matches[end - 1].distance < 4096)) {
			enc->tokens[enc->nr_tokens++] =
				gd_copy_token(length, o->matches[end - 1].distance);
			at += length;
		} else {
			enc->tokens[enc->nr_tokens++] = s->in[at++];
		}
	}
}

/*
 * The cheapest token at a position, when all costs behind it are known. Costs carry the
 * length below them, so that the least of them tells both.
 */
static inline void choose(struct optimal *o, const struct costs *c, uint32_t at, uint8_t byte,
			  uint32_t nice)
{
	const struct match *m = o->matches + o->first[at], *end = o->matches + o->first[at + 1];
	const uint32_t *cost = o->cost + at;
	uint32_t best = c->literal[byte] + cost[1], choice = byte, length = GD_MIN_MATCH;

	for (; m < end; m++) {
		uint32_t dist_cost = c->dist[gd_dist_symbol(m->distance)], least = UINT32_MAX;

		if (m->length >= nice) {
			uint32_t i = m->length <= MAX_COSTED ? m->length : MAX_COSTED + 1;

			least = c->length[i] + cost[m->length];
		} else {
			for (; length <= m->length; length++) {
				uint32_t v = c->length[length] + cost[length];

				least = v < least ? v : least;
			}
		}
		if (least != UINT32_MAX && least + dist_cost < (best | LENGTH_MASK)) {
			best = least + dist_cost;
			choice = gd_copy_token(m->length >= nice ? m->length : best & LENGTH_MASK,
					       m->distance);
		}
	}
	o->cost[at] = best & ~(uint32_t)LENGTH_MASK;
	o->choice[at] = choice;
}

static void parse_cheaply(struct ds_gdeflate_encoder *enc, const struct search *s)
{
	struct optimal *o = s->o;
	uint32_t at = s->nbytes;

	o->cost[at] = 0;
	for (uint32_t b = enc->nr_blocks; b-- > 0;) {
		uint32_t begin = b ? o->block_end[b - 1] : 0;

		while (at > begin) {
			at--;
			choose(o, &o->costs[b], at, s->in[at], s->nice);
		}
	}
	enc->nr_tokens = 0;
	while (at < s->nbytes) {
		enc->tokens[enc->nr_tokens++] = o->choice[at];
		at += gd_token_nbytes(o->choice[at]);
	}
}

void ds_gd_parse_optimal(struct ds_gdeflate_encoder *enc, const uint8_t *in, uint32_t nbytes)
{
	struct optimal *o = enc->finder;
	struct search s = {
		.o = o,
		.in = in,
		.nbytes = nbytes,
		.depth =
			enc->level->depth < MAX_PER_POSITION ? enc->level->depth : MAX_PER_POSITION,
		.nice = enc->level->nice,
		.has_trees = enc->level->parser == GD_OPTIMAL_TREES,
	};

	if (s.has_trees)
		memset(o->head, 0, sizeof(o->head));
	else
		memset(o->rows, 0, sizeof(o->rows));
	memset(o->head3, 0, sizeof(o->head3));
	find_matches(&s);
	parse_simply(enc, &s);
	for (unsigned pass = 0; pass < enc->level->passes; pass++) {
		ds_gd_split(enc, enc->level->is_thorough && pass + 2 >= enc->level->passes);
		learn_costs(enc, o);
		parse_cheaply(enc, &s);
	}
	ds_gd_split(enc, true);
}
