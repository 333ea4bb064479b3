/* SPDX-License-Identifier: MIT */
/* decode_symbols_scalar.c: decode_symbols.h in plain C, for every processor. */
#include "codec/gdeflate/decode_internal.h"

/* Lanes stay in memory: there are more than registers anyway. */
struct lanes_state {
	struct gd_lanes *lanes;
};

struct entries {
	uint32_t e[GD_NR_LANES];
	uint32_t special; /* or'ed */
};

GD_INLINE void lanes_load(struct lanes_state *s, struct gd_lanes *lanes)
{
	s->lanes = lanes;
}

GD_INLINE void lanes_store(struct gd_lanes *lanes, struct lanes_state *s)
{
	(void)lanes;
	(void)s;
}

GD_INLINE void lanes_look_up(const struct lanes_state *s, uint32_t owed, const uint32_t *table,
			     struct entries *x)
{
	static const struct {
		uint32_t mask, begin;
	} which[2] = {
		{ (1u << GD_LITLEN_BITS) - 1, 0 },
		{ (1u << GD_DIST_BITS) - 1, GD_DIST_TABLE },
	};
	uint32_t all = 0;

	for (unsigned i = 0; i < GD_NR_LANES; i++) {
		unsigned w = owed >> i & 1;
		uint32_t e = table[which[w].begin + ((uint32_t)s->lanes->acc[i] & which[w].mask)];

		x->e[i] = e;
		all |= e;
	}
	x->special = all & GD_ENTRY_SPECIAL;
	if (!(all & GD_ENTRY_SUBTABLE))
		return;
	for (unsigned i = 0; i < GD_NR_LANES; i++) {
		uint32_t e = x->e[i];

		if (e & GD_ENTRY_SUBTABLE) {
			unsigned bits = e >> GD_ENTRY_CODE_SHIFT & GD_ENTRY_CODE_MASK;
			unsigned used = owed >> i & 1 ? GD_DIST_BITS : GD_LITLEN_BITS;

			x->e[i] =
				table[(e >> GD_ENTRY_BASE_SHIFT) +
				      ((uint32_t)(s->lanes->acc[i] >> used) & ((1u << bits) - 1))];
		}
	}
}

GD_INLINE uint32_t lanes_special(const struct entries *x)
{
	uint32_t lanes = 0;

	if (!x->special)
		return 0;
	for (unsigned i = 0; i < GD_NR_LANES; i++)
		lanes |= (x->e[i] & GD_ENTRY_SPECIAL ? 1u : 0) << i;
	return lanes;
}

GD_INLINE bool lanes_have_end(const struct entries *x, unsigned lane)
{
	return x->e[lane] & GD_ENTRY_IS_END;
}

GD_INLINE void lanes_drop(struct entries *x, uint32_t lanes)
{
	for (unsigned i = 0; i < GD_NR_LANES; i++)
		if (lanes >> i & 1)
			x->e[i] = 0;
}

/* The step and refill of each lane; returns which lanes were given a word. */
GD_INLINE uint32_t lanes_step(struct lanes_state *s, const struct entries *x, const uint8_t **next,
			      struct gd_round *r)
{
	uint32_t literals = 0, refilled = 0;
	uint8_t *packed = r->packed;
	const uint8_t *in = *next;

	for (unsigned i = 0; i < GD_NR_LANES; i++) {
		uint64_t acc = s->lanes->acc[i];
		uint32_t e = x->e[i], cnt = s->lanes->cnt[i];
		unsigned nbits = e & GD_ENTRY_NBITS, is_low, is_literal = e / GD_ENTRY_LITERAL & 1;
		uint32_t extra = (uint32_t)acc & ((1u << nbits) - 1);
		uint32_t value = (e >> GD_ENTRY_BASE_SHIFT) +
				 (extra >> (e >> GD_ENTRY_CODE_SHIFT & GD_ENTRY_CODE_MASK));

		r->values[i] = value;
		r->before[i] = (uint8_t)(packed - r->packed);
		*packed = (uint8_t)value;
		packed += is_literal;
		literals |= is_literal << i;

		acc >>= nbits;
		cnt -= nbits;
		is_low = cnt < 32;
		s->lanes->acc[i] = acc | (uint64_t)(gd_load32(in) & (0 - is_low)) << cnt;
		s->lanes->cnt[i] = cnt + 32 * is_low;
		in += 4 * is_low;
		refilled |= is_low << i;
	}
	r->before[GD_NR_LANES] = (uint8_t)(packed - r->packed);
	r->literals = literals;
	*next = in;
	return refilled;
}

/* Not counted: a processor without AVX2 may have no instruction for that. */
GD_INLINE size_t literals_before(const struct gd_round *r, unsigned lane)
{
	return r->before[lane];
}

GD_INLINE void copy16(uint8_t *to, const uint8_t *from)
{
	uint64_t v[2];

	memcpy(v, from, sizeof(v));
	memcpy(to, v, sizeof(v));
}

/* Repeats the distance bytes before out until end, and some more. */
GD_INLINE void repeat16(uint8_t *out, const uint8_t *end, unsigned distance)
{
	const uint8_t *from = out - distance;
	uint64_t v;

	if (distance < 8) {
		/* Eight bytes of the pattern; then as many whole periods a time as fit in them. */
		for (unsigned i = 0; i < 8; i++)
			out[i] = from[i];
		memcpy(&v, out, sizeof(v));
		for (unsigned step = 8 - 8 % distance; out < end; out += step)
			memcpy(out, &v, sizeof(v));
		return;
	}
	for (; out < end; out += 8, from += 8) {
		memcpy(&v, from, sizeof(v));
		memcpy(out, &v, sizeof(v));
	}
}

#include "codec/gdeflate/decode_symbols.h"

static void copy_stored(struct gd_lanes *l, const uint8_t *in, const uint8_t *word, uint8_t *out,
			size_t nr_steps)
{
	for (; nr_steps; nr_steps--, in += 4 * GD_NR_LANES, out += 4 * GD_NR_LANES) {
		for (unsigned lane = 0; lane < GD_NR_LANES; lane++) {
			uint32_t v = (uint32_t)l->acc[lane];
			uint64_t w = gd_load32(in + 4 * (size_t)word[lane]);

			l->acc[lane] = l->acc[lane] >> 32 | w << (l->cnt[lane] - 32);
			out[lane] = (uint8_t)v;
			out[lane + GD_NR_LANES] = (uint8_t)(v >> 8);
			out[lane + 2 * GD_NR_LANES] = (uint8_t)(v >> 16);
			out[lane + 3 * GD_NR_LANES] = (uint8_t)(v >> 24);
		}
	}
}

const struct gd_kernels ds_gd_kernels_scalar = { decode_symbols, copy_stored };
