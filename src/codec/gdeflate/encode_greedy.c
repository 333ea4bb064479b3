/* SPDX-License-Identifier: MIT */
/*
 * encode_greedy.c: the parsers of the fast levels, over hash chains.
 *
 * Positions with the same hash of their next four bytes are chained, newest first; a
 * table without chains remembers the newest place of each three bytes. The greedy parser
 * takes the longest match at each position; the lazy one first looks whether a
 * match that begins one byte later (or two) is better.
 */
#include "codec/gdeflate/encode.h"
#include "codec/gdeflate/encode_rows.h"

enum {
	HASH3_BITS = 15,
	NEAR_ENOUGH = 4096, /* three bytes from farther away cost as much as literals */
};

/*
 * Zero is a position, so empty entries need no test: they are compared like others. Only
 * the first position itself is not looked up.
 */
struct finder {
	struct gd_row rows[1 << GD_ROW_BITS];
	uint16_t head3[1 << HASH3_BITS];
};

struct match {
	uint32_t length;
	uint32_t distance;
};

struct parse {
	struct finder *f;
	const uint8_t *in;
	uint32_t nbytes;
	uint32_t end; /* positions from here on are not searched */
	uint32_t min_length;
	uint32_t nice;
};

size_t ds_gd_greedy_finder_nbytes(void)
{
	return sizeof(struct finder);
}

static inline void insert(const struct parse *p, uint32_t at)
{
	uint32_t v = gd_load32(p->in + at);

	gd_row_insert(gd_row_key(p->f->rows, v), at);
	p->f->head3[gd_hash3(v, HASH3_BITS)] = (uint16_t)at;
}

static void insert_many(const struct parse *p, uint32_t at, uint32_t end)
{
	end = end < p->end ? end : p->end;
	for (; at < end; at++)
		insert(p, at);
}

/*
 * Inserts the position and finds the longest match there that is longer than `reach`.
 * Returns false, and leaves *best alone, if there is none.
 */
static inline bool find(const struct parse *p, uint32_t at, uint32_t reach, uint32_t depth,
			struct match *best)
{
	const uint8_t *in = p->in, *here = in + at;
	uint32_t v = gd_load32(here), near, length, from, newest, candidates, most = p->nbytes - at;
	struct gd_row_key key = gd_row_key(p->f->rows, v);
	uint16_t *head3 = &p->f->head3[gd_hash3(v, HASH3_BITS)];
	bool is_found = false;

	near = *head3;
	*head3 = (uint16_t)at;
	candidates = gd_row_candidates(key);
	newest = key.row->newest;
	if (candidates && reach < most) {
		uint32_t last = reach < 3 ? 0 : reach - 3, tail = gd_load32(here + last);

		do {
			from = gd_row_at(key.row, newest, (uint32_t)__builtin_ctz(candidates));
			/* The last bytes that would make it longer, then the first ones. */
			if (gd_load32(in + from + last) != tail || gd_load32(in + from) != v)
				continue;
			length = gd_common_length(here, in + from, 4, most);
			if (length <= reach)
				continue;
			best->length = reach = length;
			best->distance = at - from;
			is_found = true;
			if (length >= p->nice || length >= most)
				break;
			last = length - 3;
			tail = gd_load32(here + last);
		} while (--depth && (candidates &= candidates - 1));
	}
	gd_row_insert(key, at);
	if (reach < 3 && at - near <= NEAR_ENOUGH && !((gd_load32(in + near) ^ v) << 8)) {
		best->length = 3;
		best->distance = at - near;
		return true;
	}
	return is_found;
}

/*
 * Where few byte values occur, literals are cheap and short copies do not pay. The more
 * values, the shorter a copy may be.
 */
static uint32_t least_length(const uint8_t *in, uint32_t nbytes)
{
	static const uint8_t enough[] = { 80, 48, 16, 8, 4 };
	uint8_t seen[256] = { 0 };
	uint32_t nr_seen = 0, i;

	/* A sample does. */
	for (i = 0; i < nbytes; i += 1 + nbytes / 4096)
		seen[in[i]] = 1;
	for (i = 0; i < 256; i++)
		nr_seen += seen[i];
	for (i = 0; i < sizeof(enough) && nr_seen < enough[i];)
		i++;
	return GD_MIN_MATCH + i;
}

static struct parse begin(struct ds_gdeflate_encoder *enc, const uint8_t *in, uint32_t nbytes)
{
	struct parse p = {
		.f = enc->finder,
		.in = in,
		.nbytes = nbytes,
		.end = nbytes < 4 ? 1 : nbytes - 3,
		.nice = enc->level->nice,
		.min_length = least_length(in, nbytes),
	};

	memset(p.f, 0, sizeof(*p.f));
	/* The first position has the place of what is empty, and nothing before it. */
	enc->tokens[0] = in[0];
	return p;
}

static void finish(struct ds_gdeflate_encoder *enc, const struct parse *p, uint32_t *tokens,
		   uint32_t at)
{
	while (at < p->nbytes)
		*tokens++ = p->in[at++];
	enc->nr_tokens = (uint32_t)(tokens - enc->tokens);
}

void ds_gd_parse_greedy(struct ds_gdeflate_encoder *enc, const uint8_t *in, uint32_t nbytes)
{
	struct parse p = begin(enc, in, nbytes);
	uint32_t at = 1, least = p.min_length - 1, depth = enc->level->depth;
	uint32_t *out = enc->tokens + 1;
	struct match m;

	while (at < p.end) {
		if (find(&p, at, least, depth, &m)) {
			*out++ = gd_copy_token(m.length, m.distance);
			insert_many(&p, at + 1, at + m.length);
			at += m.length;
		} else {
			*out++ = in[at++];
		}
	}
	finish(enc, &p, out, at);
}

/* Longer is better, but a far copy costs more bits, and so do the literals before it. */
static inline bool is_better(struct match next, struct match m, int least)
{
	return 4 * ((int)next.length - (int)m.length) + (int)gd_log2(m.distance) -
		       (int)gd_log2(next.distance) >
	       least;
}

/*
 * A match is held back until the next position, and for GD_LAZY2 the one after it, have been
 * looked at. A better one there takes its place, with literals before it.
 */
void ds_gd_parse_lazy(struct ds_gdeflate_encoder *enc, const uint8_t *in, uint32_t nbytes)
{
	struct parse p = begin(enc, in, nbytes);
	uint32_t most = enc->level->parser == GD_LAZY2 ? 2 : 1, least = p.min_length - 1;
	uint32_t at = 1, depth = enc->level->depth, i;
	uint32_t *out = enc->tokens + 1;
	struct match m, next;

	while (at < p.end) {
		if (!find(&p, at, least, depth, &m)) {
			*out++ = in[at++];
			continue;
		}
		for (i = 1; i <= most && m.length < p.nice && at + i < p.end; i++) {
			if (!find(&p, at + i, m.length - 1, depth >> i, &next) ||
			    !is_better(next, m, i == 1 ? 2 : 6))
				continue;
			m = next;
			while (i--)
				*out++ = in[at++];
			i = 0;
		}
		*out++ = gd_copy_token(m.length, m.distance);
		insert_many(&p, at + i, at + m.length);
		at += m.length;
	}
	finish(enc, &p, out, at);
}
