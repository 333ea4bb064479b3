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
#include "codec/gdeflate/encode_match.h"

enum {
	HASH_BITS = 16,
	HASH3_BITS = 14,
	NEAR_ENOUGH = 4096, /* three bytes from farther away cost as much as literals */
};

/* Positions are stored plus one, so that zero means none. */
struct finder {
	uint16_t head[1 << HASH_BITS];
	uint16_t head3[1 << HASH3_BITS];
	uint16_t prev[DS_GDEFLATE_TILE_NBYTES];
};

struct match {
	uint32_t length;
	uint32_t distance;
};

struct parse {
	struct ds_gdeflate_encoder *enc;
	struct finder *f;
	const uint8_t *in;
	uint32_t nbytes;
	uint32_t min_length;
};

size_t ds_gd_greedy_finder_nbytes(void)
{
	return sizeof(struct finder);
}

/* The last three positions are not searched: their hash would read past the end. */
static bool is_searchable(const struct parse *p, uint32_t at)
{
	return at + 4 <= p->nbytes;
}

static uint32_t insert(const struct parse *p, uint32_t at)
{
	uint32_t v = gd_load32(p->in + at), h = gd_hash4(v, HASH_BITS), before = p->f->head[h];

	p->f->prev[at] = (uint16_t)before;
	p->f->head[h] = (uint16_t)(at + 1);
	p->f->head3[gd_hash3(v, HASH3_BITS)] = (uint16_t)(at + 1);
	return before;
}

static void insert_many(const struct parse *p, uint32_t at, uint32_t end)
{
	for (; at < end && is_searchable(p, at); at++)
		insert(p, at);
}

/*
 * Inserts the position and returns the longest match there that is longer than
 * `better_than`; length 0 if there is none.
 */
static struct match find(const struct parse *p, uint32_t at, uint32_t better_than, uint32_t depth)
{
	const uint8_t *here = p->in + at;
	uint32_t v = gd_load32(here), most = p->nbytes - at, nice = p->enc->level->nice;
	uint32_t candidate, length, last;
	uint32_t candidate3 = p->f->head3[gd_hash3(v, HASH3_BITS)];
	struct match best = { 0, 0 };
	uint32_t reach = better_than < p->min_length ? p->min_length - 1 : better_than;

	candidate = insert(p, at);
	if (reach < 4 && candidate3 && at + 1 - candidate3 <= NEAR_ENOUGH &&
	    !((gd_load32(p->in + candidate3 - 1) ^ v) << 8)) {
		best.length = reach = gd_common_length(here, p->in + candidate3 - 1, 3, most);
		best.distance = at + 1 - candidate3;
	}
	if (reach >= most)
		return best;
	last = reach < 3 ? 0 : reach - 3;
	for (; candidate && depth; depth--) {
		const uint8_t *there = p->in + candidate - 1;

		/* The last bytes that would make it longer, then the first ones. */
		if (gd_load32(there + last) == gd_load32(here + last) && gd_load32(there) == v) {
			length = gd_common_length(here, there, 4, most);
			if (length > reach) {
				best.length = reach = length;
				best.distance = at + 1 - candidate;
				if (length >= nice || reach >= most)
					break;
				last = reach - 3;
			}
		}
		candidate = p->f->prev[candidate - 1];
	}
	return best;
}

static void emit_literal(struct ds_gdeflate_encoder *enc, uint8_t byte)
{
	enc->tokens[enc->nr_tokens++] = byte;
}

static void emit_copy(struct ds_gdeflate_encoder *enc, struct match m)
{
	enc->tokens[enc->nr_tokens++] = gd_copy_token(m.length, m.distance);
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
		.enc = enc,
		.f = enc->finder,
		.in = in,
		.nbytes = nbytes,
		.min_length = least_length(in, nbytes),
	};

	memset(p.f->head, 0, sizeof(p.f->head));
	memset(p.f->head3, 0, sizeof(p.f->head3));
	enc->nr_tokens = 0;
	return p;
}

static void finish(const struct parse *p, uint32_t at)
{
	while (at < p->nbytes)
		emit_literal(p->enc, p->in[at++]);
}

void ds_gd_parse_greedy(struct ds_gdeflate_encoder *enc, const uint8_t *in, uint32_t nbytes)
{
	struct parse p = begin(enc, in, nbytes);
	uint32_t at = 0;

	while (is_searchable(&p, at)) {
		struct match m = find(&p, at, 0, enc->level->depth);

		if (m.length) {
			emit_copy(enc, m);
			insert_many(&p, at + 1, at + m.length);
			at += m.length;
		} else {
			emit_literal(enc, in[at++]);
		}
	}
	finish(&p, at);
}

/* Longer is better, but a far copy costs more bits, and so do the literals before it. */
static bool is_better(struct match next, struct match m, int least)
{
	return 4 * ((int)next.length - (int)m.length) + (int)gd_log2(m.distance) -
		       (int)gd_log2(next.distance) >
	       least;
}

/*
 * With a match in hand at `at`, looks at the next position and, for GD_LAZY2, at the one
 * after it. Returns how many literals to put before the better match, now in *m, or 0.
 */
static uint32_t look_ahead(const struct parse *p, uint32_t at, struct match *m, uint32_t *searched)
{
	const struct gd_level *level = p->enc->level;
	uint32_t most = level->parser == GD_LAZY2 ? 2 : 1;

	for (uint32_t i = 1; i <= most && is_searchable(p, at + i); i++) {
		struct match next = find(p, at + i, m->length - 1, level->depth >> i);

		*searched = at + i + 1;
		if (next.length && is_better(next, *m, i == 1 ? 2 : 6)) {
			*m = next;
			return i;
		}
	}
	return 0;
}

void ds_gd_parse_lazy(struct ds_gdeflate_encoder *enc, const uint8_t *in, uint32_t nbytes)
{
	struct parse p = begin(enc, in, nbytes);
	uint32_t at = 0, searched, ahead;

	while (is_searchable(&p, at)) {
		struct match m = find(&p, at, 0, enc->level->depth);

		searched = at + 1;
		if (!m.length) {
			emit_literal(enc, in[at++]);
			continue;
		}
		while (m.length < enc->level->nice &&
		       (ahead = look_ahead(&p, at, &m, &searched)) != 0)
			while (ahead--)
				emit_literal(enc, in[at++]);
		emit_copy(enc, m);
		insert_many(&p, searched, at + m.length);
		at += m.length;
	}
	finish(&p, at);
}
