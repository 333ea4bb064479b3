/* SPDX-License-Identifier: MIT */
/*
 * decode_symbols.h: the template that decodes the symbols of a coded block.
 *
 * A round is one step of each of the 32 lanes. A lane that got a length in one round
 * reads the distance in the next, and nothing else. The steps of a round depend on each
 * other only through the input pointer, so they are done side by side:
 *
 *	look up	   each lane's next bits in its table: literal/length or distance
 *	step	   shift out what the symbol consumed, compute its value
 *	refill	   hand out the next words to the lanes that need one, in their order
 *
 * Output is held back by one round. Once a round has given the distances, everything
 * that the round before began is known, and is written from left to right. So nothing
 * is written ahead of its turn, and copies may write more than they should, as long as
 * that stays inside the tile's room: what follows overwrites it.
 *
 * The including file gets decode_symbols(), and defines
 *
 *	struct lanes_state	the lanes in registers
 *	struct entries		what the lanes have looked up
 *	lanes_load(), lanes_store()
 *	lanes_look_up()		entries of all lanes; subtables are followed
 *	lanes_special()		the lanes whose entry is special
 *	lanes_have_end()	whether a lane's special entry is the end of the block
 *	lanes_drop()		makes the entries of some lanes consume nothing
 *	lanes_step()		step and refill; gives literals, and values by lane
 *	literals_before()	how many lanes below one gave a literal
 *	copy16(), repeat16()	in output: 16 bytes, and a pattern
 */

enum {
	/* Copies and literals may write this much more than they should. */
	OVERSHOOT = 64,
};

/* Byte by byte, where there is no room for more: the whole round, from where it begins. */
static __attribute__((noinline)) bool write_exactly(struct ds_gdeflate_decoder *d,
						    const struct gd_round *r,
						    const struct gd_round *distances)
{
	uint8_t *out = d->out;

	for (unsigned lane = 0; lane < GD_NR_LANES; lane++) {
		uint32_t bit = 1u << lane;

		if (r->literals & bit) {
			if (out == d->out_end)
				return false;
			*out++ = (uint8_t)r->values[lane];
		} else if (r->copies & bit) {
			size_t length = r->values[lane], distance = distances->values[lane];

			if (length > (size_t)(d->out_end - out) ||
			    distance > (size_t)(out - d->out_begin))
				return false;
			for (; length; length--, out++)
				*out = *(out - distance);
		}
	}
	d->out = out;
	return true;
}

GD_INLINE uint8_t *write_copy(uint8_t *out, size_t length, size_t distance)
{
	const uint8_t *from = out - distance;
	uint8_t *end = out + length;

	if (distance >= 16) {
		copy16(out, from);
		copy16(out + 16, from + 16);
		if (length > 32) {
			out += 32;
			from += 32;
			do {
				copy16(out, from);
				copy16(out + 16, from + 16);
				out += 32;
				from += 32;
			} while (out < end);
		}
	} else {
		repeat16(out, end, (unsigned)distance);
	}
	return end;
}

/* Writes what a round began, with the distances that the next one gave. */
GD_INLINE bool write_round(struct ds_gdeflate_decoder *d, const struct gd_round *r,
			   const struct gd_round *distances)
{
	uint8_t *out = d->out;
	const uint8_t *begin = d->out_begin;
	const uint8_t *last; /* how far out may go with all of the literals still to come */
	size_t room = (size_t)(d->out_end - out);
	uint32_t rest = r->copies;
	size_t done = 0, nr_literals;

	if (room < GD_NR_LANES + OVERSHOOT)
		return write_exactly(d, r, distances);
	last = d->out_end - (GD_NR_LANES + OVERSHOOT);
	while (rest) {
		unsigned lane = (unsigned)__builtin_ctz(rest);
		size_t length = r->values[lane], distance = distances->values[lane];

		nr_literals = literals_before(r, lane);
		copy16(out, r->packed + done);
		if (nr_literals - done > 16)
			copy16(out + 16, r->packed + done + 16);
		out += nr_literals - done;
		done = nr_literals;
		if (distance > (size_t)(out - begin))
			return false;
		if (out > last || length > (size_t)(last - out))
			return write_exactly(d, r, distances);
		out = write_copy(out, length, distance);
		rest &= rest - 1;
	}
	nr_literals = literals_before(r, GD_NR_LANES);
	copy16(out, r->packed + done);
	copy16(out + 16, r->packed + done + 16);
	d->out = out + (nr_literals - done);
	return true;
}

GD_INLINE bool check_input(struct ds_gdeflate_decoder *d, uint32_t refilled)
{
	return __builtin_expect(d->in.next <= d->in.limit, 1) ||
	       ds_gd_input_check(&d->in, refilled);
}

/*
 * The last rounds of a block, from the one on in which some entry is special. The first
 * of them must be the end, since a distance cannot be: lanes after it that owe no distance
 * have no part in this block. Then the copies that lanes before it have begun are finished.
 */
static __attribute__((noinline)) bool finish_block(struct ds_gdeflate_decoder *d,
						   struct lanes_state *s, struct entries *e,
						   struct gd_round *before, struct gd_round *r)
{
	uint32_t special = lanes_special(e), owed = before->copies, refilled, last, active;
	struct gd_round after;

	if (special & owed)
		return false;
	last = special & (0 - special);
	if (!lanes_have_end(e, (unsigned)__builtin_ctz(last)))
		return false;
	active = owed | (last - 1) | last;
	lanes_drop(e, ~active);
	refilled = lanes_step(s, e, &d->in.next, r);
	if (!check_input(d, refilled))
		return false;
	r->literals &= last - 1;
	r->copies = (last - 1) & ~owed & ~r->literals;
	if (!write_round(d, before, r))
		return false;

	lanes_look_up(s, r->copies, d->table, e);
	lanes_drop(e, ~r->copies);
	if (lanes_special(e))
		return false;
	refilled = lanes_step(s, e, &d->in.next, &after);
	if (!check_input(d, refilled) || !write_round(d, r, &after))
		return false;
	lanes_store(&d->lanes, s);
	return true;
}

static bool decode_symbols(struct ds_gdeflate_decoder *d)
{
	struct gd_round rounds[2];
	struct lanes_state s;
	struct entries e;
	uint32_t refilled;

	/* Before the first round nothing was begun. */
	rounds[1].literals = rounds[1].copies = 0;
	memset(rounds[1].before, 0, sizeof(rounds[1].before));
	lanes_load(&s, &d->lanes);
	for (unsigned n = 0;; n ^= 1) {
		struct gd_round *r = &rounds[n], *before = &rounds[n ^ 1];

		lanes_look_up(&s, before->copies, d->table, &e);
		if (__builtin_expect(lanes_special(&e) != 0, 0))
			return finish_block(d, &s, &e, before, r);
		refilled = lanes_step(&s, &e, &d->in.next, r);
		if (!check_input(d, refilled))
			return false;
		r->copies = ~(r->literals | before->copies);
		if (!write_round(d, before, r))
			return false;
	}
}
