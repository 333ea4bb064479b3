/* SPDX-License-Identifier: MIT */
/*
 * gdeflate_decode.comp: decodes GDeflate tiles. docs/gpu-decode.md says how to set it up, and why
 * it is as it is.
 *
 * A lane of the format is an invocation; all decode one symbol in a round, and leave a token each.
 * To write what the tokens stand for, bytes and not tokens are dealt to invocations: each finds the
 * token that its byte belongs to, and from there the place that it is to be copied from. If that is
 * among the bytes being written now, it goes on from there. So the work is the same for many short
 * copies as for a long one, and no copy waits for another one.
 *
 * Either the lanes that decoded a round also write it, or three roles work on a tile, each one
 * step behind the one before:
 *
 *	decoder: 32 lanes. Decodes a batch of some rounds. Needs no byte of the output, and not
 *	even its position.
 *
 *	arranger: 32 lanes. Finds where in the output each token begins, checks it, and makes a
 *	map of a window of the output.
 *
 *	writers: any number. Write the window.
 *
 * With subgroups of 32, roles are subgroups, and meet once in a step. Else there are 32
 * invocations that talk to each other through shared memory, and play all roles in turn.
 *
 * A tile may hold anything at all. Only the tile's words are read, only its output is read and
 * written, and each round uses up input. What is wrong with a tile is what the decoder
 * on the CPU calls wrong; its status word is then not 0.
 */
#version 450
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_scalar_block_layout : require
#extension GL_EXT_shader_8bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#extension GL_EXT_shader_explicit_arithmetic_types_int16 : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_KHR_shader_subgroup_vote : require

/* 32, or more of which 32 each are a subgroup. */
layout(local_size_x_id = 0) in;

/* True only if the pipeline requires subgroups of 32, full ones. */
layout(constant_id = 1) const bool is_native = false;
/* Codewords up to these lengths are found by one look into a table. */
layout(constant_id = 2) const uint LITLEN_BITS = 9;
layout(constant_id = 3) const uint DIST_BITS = 7;
/* Rounds in a batch. 0: no roles, but each round is written by the lanes that decoded it. */
layout(constant_id = 4) const uint BATCH = 0;
/* Without roles, each subgroup of a workgroup may have a tile of its own. */
layout(constant_id = 5) const uint SLOTS = 1;

layout(buffer_reference, scalar, buffer_reference_align = 4) readonly buffer words {
	uint at[];
};

layout(buffer_reference, scalar, buffer_reference_align = 1) buffer plain_bytes {
	uint8_t at[];
};

/* The same, where the lanes may be on several units, each with a cache of its own. */
layout(buffer_reference, scalar, buffer_reference_align = 1) coherent buffer shared_bytes {
	uint8_t at[];
};

struct tile {
	uint64_t src;	 /* address, a multiple of 4 */
	uint64_t dst;	 /* address */
	uint src_nbytes; /* a multiple of 4 */
	uint dst_nbytes; /* up to 65536 */
};

layout(buffer_reference, scalar, buffer_reference_align = 8) readonly buffer tile_table {
	tile at[];
};

layout(buffer_reference, scalar, buffer_reference_align = 4) writeonly buffer status_words {
	uint at[];
};

layout(push_constant, scalar) uniform parameters {
	tile_table tiles;
	status_words status; /* of each tile: 0 if it is decoded, else 1 */
	uint nr_tiles;
};

/*
 * An entry has everything that a step needs:
 *
 *	bits 0-4    bits that the step consumes, extra bits included
 *	bit  5	    LITERAL
 *	bit  6	    SPECIAL: to be looked at more closely
 *	bit  7	    END: special; end of the block
 *	bits 8-11   bits of the codeword alone
 *	bits 16-31  literal; base of a length or distance
 *
 * A special entry in a table that is not END means a codeword that is longer than the index.
 */
const uint LITERAL = 1u << 5;
const uint SPECIAL = 1u << 6;
const uint END = 1u << 7;
const uint CODE_SHIFT = 8;
const uint BASE_SHIFT = 16;
const uint ONE_BIT = 1u + (1u << CODE_SHIFT); /* what a bit of codeword adds to an entry */

const uint NR_LITLEN = 288;
const uint NR_GROUPS = 9; /* of 32 literal/length symbols */
const uint MAX_BITS = 15;
const uint LITERAL_BYTE = 1u << 31; /* a byte's source: its value, instead of a place */
const uint NOTHING = ~0u;

const uint LITLEN_SIZE = 1u << LITLEN_BITS;
const uint TABLE_SIZE = LITLEN_SIZE + (1u << DIST_BITS);

const uint SPAN = 2; /* bytes that a lane writes at once, without roles */
const uint CHUNK = 32 * SPAN;

const bool has_roles = BATCH != 0;
const uint BATCH_ROOM = has_roles ? 32 * BATCH : 1; /* tokens */
const uint WINDOW_WORDS = has_roles ? 64 : 2; /* two for each lane of the arranger */
const uint WINDOW = 32 * WINDOW_WORDS; /* bytes */

/*
 * Shared memory decides how many tiles are decoded at a time, so there is little of it, and what
 * is not needed at the same time lies in the same place.
 */
shared uint all_tables[SLOTS][TABLE_SIZE];
/* Symbols by codeword; distances behind. Before, the list of code lengths. */
shared uint16_t all_sorted[SLOTS][NR_LITLEN + 32];
/*
 * For codewords of each length, of literals/lengths, then distances. Upper half: the first,
 * left-aligned in 15 bits, that is longer. Lower half: from a codeword to its place in `sorted`.
 */
shared uint all_limits[SLOTS][32];
/*
 * For short. While codes are read: COUNTS, of codes of each length, and SCRATCH. Without roles,
 * while a round is written: a token's source for each of those that make output, and a byte's for
 * each byte.
 */
const uint COUNTS = 0;
const uint SCRATCH = 32;
const uint TOKEN_SOURCE = 0;
const uint BYTE_SOURCE = 32;
shared uint all_pools[SLOTS][96];

#define table all_tables[SLOTS == 1 ? 0 : slot]
#define sorted all_sorted[SLOTS == 1 ? 0 : slot]
#define limit all_limits[SLOTS == 1 ? 0 : slot]
#define pool all_pools[SLOTS == 1 ? 0 : slot]

/*
 * What one role leaves to the next. In a step each writes one half and reads the other one.
 *
 * A token is 0 for nothing, (256 + literal) << 16, or length << 16 | distance.
 */
shared uint tokens[2][BATCH_ROOM];
shared uint nr_rounds[2];
struct piece {
	uint token;
	int begin; /* in the batch */
};
shared piece pieces[2][BATCH_ROOM]; /* tokens that are something */
struct map_word {
	uint begins; /* bytes at which a token begins, as bits */
	uint before; /* tokens that begin before, less one */
};
shared map_word map[2][WINDOW_WORDS];
struct window_info {
	uint at;     /* in the tile */
	int begin;   /* in the batch */
	uint nbytes; /* 0: nothing to do */
	uint left;   /* bytes of the batch behind it */
};
shared window_info windows[2];
shared uint position; /* in the tile, of the next batch */
shared uint wants_tables[2];
shared uint is_finished[2]; /* no more tokens to come */
shared uint is_broken[2];

shared uint exchanged_bits[3];
shared uint exchanged[is_native ? 1 : 64];

uint slot = 0;
uint lane;
uint lanes_below; /* as bits */
uint turn_bits = 0;
uint turn = 0;

const uint AT_HEAD = 0;	   /* of a block */
const uint AT_TABLES = 1;  /* which all are making now */
const uint AT_SYMBOLS = 2;
const uint AT_STORED = 3;
const uint AT_END = 4;

/* The decoder's state. The lane's bits, at least 32 before a step: */
uint bits;	/* the next 32 of them */
uint more_bits; /* those behind */
uint nr_bits;
words src;
uint nr_words;
uint next; /* word */
/* Native: the lanes hold the words [window, window + 64), and wait for the 32 behind these. */
uint window;
uint window_low;
uint window_high;
uint window_coming;
uint state = AT_HEAD;
bool is_final = false;
bool has_ended; /* the end of the block was seen */
uint stored_nbytes;
uint owed = 0;		  /* the length of a copy whose distance the lane reads next */
uint last = 0;		  /* the lane's token, if it got a literal */
bool is_starving = false; /* the lane holds a word from past the end */
bool is_bad = false;

plain_bytes dst;
shared_bytes dst_shared;
uint dst_nbytes;

/* ------------------------------------------------------- between the lanes */

/* Between the lanes of a role. */
void meet()
{
	if (is_native) {
		controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared,
			       gl_SemanticsAcquireRelease);
	} else {
		memoryBarrierShared();
		barrier();
	}
}

/* The same, and they see the output written before it. */
void meet_for_output()
{
	if (is_native) {
		controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup,
			       gl_StorageSemanticsShared | gl_StorageSemanticsBuffer,
			       gl_SemanticsAcquireRelease);
	} else {
		memoryBarrierShared();
		memoryBarrierBuffer();
		barrier();
	}
}

/* Between the roles. After it, all see the output written before it. */
void meet_all()
{
	if (is_native) {
		controlBarrier(gl_ScopeWorkgroup, gl_ScopeWorkgroup,
			       gl_StorageSemanticsShared | gl_StorageSemanticsBuffer,
			       gl_SemanticsAcquireRelease);
	} else {
		memoryBarrierShared();
		memoryBarrierBuffer();
		barrier();
	}
}

/*
 * Without subgroups, three words take turns: one is in use, the last one may still be read, the
 * next one is cleared.
 */
uint or_of_all(uint bits)
{
	uint mine = turn_bits;

	if (is_native)
		return subgroupOr(bits);
	turn_bits = mine == 2 ? 0 : mine + 1;
	if (bits != 0)
		atomicOr(exchanged_bits[mine], bits);
	if (lane == 0)
		exchanged_bits[turn_bits] = 0;
	meet();
	return exchanged_bits[mine];
}

uint ballot(bool b)
{
	if (is_native)
		return subgroupBallot(b).x;
	return or_of_all(b ? 1u << lane : 0);
}

bool any_of_all(bool b)
{
	if (is_native)
		return subgroupAny(b);
	return or_of_all(b ? 1u : 0u) != 0;
}

/* Here two halves take turns. */
void exchange(uint v)
{
	turn ^= 32;
	exchanged[turn + lane] = v;
	meet();
}

uint value_of(uint v, uint from)
{
	if (is_native)
		return subgroupShuffle(v, from);
	exchange(v);
	return exchanged[turn + from];
}

/* The sum over the lanes below. Written out, since some devices count the passes of loops. */
#define ADD(i)                                                                                     \
	{                                                                                          \
		uint x = exchanged[turn + (i)];                                                    \
		below += (i) < lane ? x : 0;                                                       \
		total += x;                                                                        \
	}
#define ADD_4(i) ADD(i) ADD(i + 1) ADD(i + 2) ADD(i + 3)

uint sum_below(uint v, out uint total)
{
	uint below = 0;

	if (is_native) {
		below = subgroupInclusiveAdd(v);
		total = subgroupShuffle(below, 31);
		return below - v;
	}
	total = 0;
	exchange(v);
	ADD_4(0) ADD_4(4) ADD_4(8) ADD_4(12) ADD_4(16) ADD_4(20) ADD_4(24) ADD_4(28)
	return below;
}

/* ------------------------------------------------------------------- input */

/* Past the end, any word: not looked at here, so that nobody waits for it yet. */
uint word(uint i)
{
	return src.at[min(i, nr_words - 1)];
}

void open_window()
{
	if (is_native) {
		window = next;
		window_low = word(next + lane);
		window_high = word(next + 32 + lane);
		window_coming = word(next + 64 + lane);
	}
}

void begin_input()
{
	bits = src.at[lane];
	more_bits = 0;
	nr_bits = 32;
	next = 32;
	open_window();
}

/* Up to 31 bits. */
void take(uint n)
{
	bits = bits >> n | more_bits << 1 << (31 - n);
	more_bits >>= n;
	nr_bits -= n;
}

/*
 * Gives a word to each lane that has less than 32 bits. Past the end words are zero, so that an
 * encoder may leave out words that nobody uses. A lane has used some of such a word
 * exactly when it asks for another one.
 */
void settle()
{
	bool needs = nr_bits < 32;
	uint mask = ballot(needs);
	uint rank = bitCount(mask & lanes_below);
	uint n = bitCount(mask);
	uint got;

	if (is_native) {
		uint i = next - window + rank;
		uint low = subgroupShuffle(window_low, i & 31);
		uint high = subgroupShuffle(window_high, i & 31);

		got = i < 32 ? low : high;
	} else {
		got = word(next + rank);
	}
	if (next + n > nr_words) {
		bool is_past = needs && next + rank >= nr_words;

		got = is_past ? 0 : got;
		is_bad = is_bad || (is_past && is_starving);
		is_starving = is_starving || is_past;
	}
	if (needs) {
		bits |= got << nr_bits;
		more_bits = got >> (32 - nr_bits); /* from 1 to 31, since at most 31 were taken */
		nr_bits += 32;
	}
	next += n;
	if (is_native && next - window >= 32) {
		window += 32;
		window_low = window_high;
		window_high = window_coming;
		window_coming = word(window + 64 + lane);
	}
}

/* ------------------------------------------------------------------ output */

uint load(uint at)
{
	return is_native ? uint(dst.at[at]) : uint(dst_shared.at[at]);
}

void store(uint at, uint byte)
{
	if (is_native)
		dst.at[at] = uint8_t(byte);
	else
		dst_shared.at[at] = uint8_t(byte);
}

/* ------------------------------------------------------ arranger and writers */

uint token_nbytes(uint token)
{
	return (token & 0xffff) != 0 ? token >> 16 : token != 0 ? 1 : 0;
}

/*
 * Makes the map of the next window of a batch: the first one if `before` has nothing left of it.
 * Returns false if a token cannot be right.
 */
bool arrange(uint half_in, uint half_out, window_info before)
{
	uint got[BATCH + 1], begin[BATCH + 1]; /* not of no size */
	uint nr = nr_rounds[half_in];
	uint at = position, total = 0, nr_pieces = 0, nr_begun = 0, round_total, low, high, dummy;
	int from = before.left != 0 ? before.begin + int(before.nbytes) : 0;
	bool is_wrong = false;

	if (nr == 0) {
		if (lane == 0)
			windows[half_out] = window_info(0, 0, 0, 0);
		return true;
	}
	map[half_out][2 * lane].begins = 0;
	map[half_out][2 * lane + 1].begins = 0;
	[[unroll]] for (uint i = 0; i < BATCH; i++)
		got[i] = i < nr ? tokens[half_in][32 * i + lane] : 0;
	[[unroll]] for (uint i = 0; i < BATCH; i++) {
		begin[i] = total + sum_below(token_nbytes(got[i]), round_total);
		total += round_total;
		is_wrong = is_wrong || (got[i] & 0xffff) > at + begin[i];
	}
	is_wrong = is_wrong || total > dst_nbytes - at;
	meet();
	[[unroll]] for (uint i = 0; i < BATCH; i++) {
		uint made = ballot(got[i] != 0);
		int b = int(begin[i]) - from;

		if (got[i] != 0) {
			pieces[half_out][nr_pieces + bitCount(made & lanes_below)] =
				piece(got[i], int(begin[i]));
			if (b >= 0 && b < WINDOW)
				atomicOr(map[half_out][b >> 5].begins, 1u << (b & 31));
		}
		nr_pieces += bitCount(made);
		if (from != 0)
			nr_begun += bitCount(ballot(got[i] != 0 && b < 0));
	}
	meet();
	low = bitCount(map[half_out][2 * lane].begins);
	high = bitCount(map[half_out][2 * lane + 1].begins);
	nr_begun += sum_below(low + high, dummy) - 1;
	map[half_out][2 * lane].before = nr_begun;
	map[half_out][2 * lane + 1].before = nr_begun + low;
	if (any_of_all(is_wrong))
		return false;
	if (lane == 0) {
		uint left = total - uint(from);
		uint nbytes = min(left, WINDOW);

		windows[half_out] = window_info(at + uint(from), from, nbytes, left - nbytes);
		if (left == nbytes)
			position = at + total;
	}
	return true;
}

/*
 * Where a byte of the window comes from: another byte there, or, negative, one before it; or
 * its value with LITERAL_BYTE, which is negative too.
 */
int look_up(uint half_in, int begin, int i)
{
	map_word m = map[half_in][i >> 5];
	piece p = pieces[half_in][m.before + bitCount(m.begins & (~0u >> (31 - (i & 31))))];
	int dist = int(p.token & 0xffff);
	int done = i + begin - p.begin; /* bytes of the token before this one */

	if (dist == 0)
		return int(LITERAL_BYTE | (p.token >> 16 & 255));
	if (done >= dist) {
		/* It repeats what it copies. The quotient may be off by one. */
		int q = int(float(done) / float(dist));
		int r = done - q * dist;

		r += r < 0 ? dist : 0;
		r -= r >= dist ? dist : 0;
		return i - done - dist + r;
	}
	return i - dist;
}

void write_window(uint half_in, window_info w, uint member, uint nr_members)
{
	for (uint i = member; i < w.nbytes; i += nr_members) {
		int from = int(i);

		do
			from = look_up(half_in, w.begin, from);
		while (from >= 0);
		/* Literals are far below all places. */
		if (from >= -(1 << 24))
			from = int(load(uint(int(w.at) + from)));
		store(w.at + i, uint(from) & 255);
	}
}

/* ------------------------------------------------------------ without roles */

/*
 * Follows sources that lie in the chunk itself until none is left. Each pass at least doubles how
 * far they have been followed, and a source is always before the byte that it is for.
 */
void follow(uint chunk, inout uint from[SPAN])
{
	bool is_open = false;

	[[unroll]] for (uint k = 0; k < SPAN; k++)
		is_open = is_open || int(from[k]) >= int(chunk);
	while (any_of_all(is_open)) {
		[[unroll]] for (uint k = 0; k < SPAN; k++)
			pool[BYTE_SOURCE + 32 * k + lane] = from[k];
		meet();
		is_open = false;
		[[unroll]] for (uint k = 0; k < SPAN; k++) {
			if (int(from[k]) >= int(chunk))
				from[k] = pool[BYTE_SOURCE + from[k] - chunk];
			is_open = is_open || int(from[k]) >= int(chunk);
		}
		meet();
	}
}

/*
 * Writes the tokens of a round, from `at` in the tile on, total bytes. The lane's begins at
 * `begin`. Returns where they end, or NOTHING.
 */
uint write_round(uint token, uint at, uint begin, uint total)
{
	uint made = ballot(token != 0);
	uint dist = token & 0xffff;
	uint nr_begun = ~0u; /* tokens that begin before the chunk, less one */
	uint end = at + total;

	/* With a codeword that is none, a round might use up no input. */
	if (any_of_all(is_bad || dist > begin || total > dst_nbytes - at))
		return NOTHING;
	if (token != 0)
		pool[TOKEN_SOURCE + bitCount(made & lanes_below)] =
			dist != 0 ? dist : LITERAL_BYTE | (token >> 16 & 255);
	meet();
	for (; at < end; at += CHUNK) {
		uint from[SPAN];

		[[unroll]] for (uint k = 0; k < SPAN; k++) {
			from[k] = LITERAL_BYTE;
			if (at + 32 * k < end) {
				uint i = begin - (at + 32 * k);
				uint begins = or_of_all(token != 0 && i < 32 ? 1u << i : 0);
				uint owner = nr_begun + bitCount(begins & (lanes_below << 1 | 1));

				nr_begun += bitCount(begins);
				if (at + 32 * k + lane < end) {
					uint d = pool[TOKEN_SOURCE + owner];

					from[k] = int(d) < 0 ? d : at + 32 * k + lane - d;
				}
			}
		}
		follow(at, from);
		[[unroll]] for (uint k = 0; k < SPAN; k++)
			if (int(from[k]) >= 0)
				from[k] = load(from[k]);
		[[unroll]] for (uint k = 0; k < SPAN; k++)
			if (at + 32 * k + lane < end)
				store(at + 32 * k + lane, from[k] & 255);
		meet_for_output();
	}
	return end;
}

/* ------------------------------------------------------------------- codes */

/* The entry of a symbol, less the codeword's bits. */
uint entry_of(uint symbol, bool is_dist)
{
	uint i = is_dist ? symbol : symbol - 257;
	uint fraction = is_dist ? 1 : 2; /* bits of a symbol below its exponent */
	bool is_small = i < 2u << fraction;
	uint extra = is_small ? 0 : (i >> fraction) - 1;
	uint base = is_small ? i : ((i & ((1u << fraction) - 1)) + (1u << fraction)) << extra;

	base += is_dist ? 1 : 3;
	if (!is_dist && symbol >= 285) {
		extra = 16;
		base = 3;
	}
	if (!is_dist && symbol > 285)
		return SPECIAL;
	if (!is_dist && symbol == 256)
		return SPECIAL | END;
	if (!is_dist && symbol < 256)
		return LITERAL | symbol << BASE_SHIFT;
	return extra | base << BASE_SHIFT;
}

/* The lanes with the same number of four bits. */
uint lanes_like(uint v)
{
	uint b0 = ballot((v & 1) != 0), b1 = ballot((v & 2) != 0);
	uint b2 = ballot((v & 4) != 0), b3 = ballot((v & 8) != 0);

	return ((v & 1) != 0 ? b0 : ~b0) & ((v & 2) != 0 ? b1 : ~b1) &
	       ((v & 4) != 0 ? b2 : ~b2) & ((v & 8) != 0 ? b3 : ~b3);
}

/*
 * Complete codes only, but for a single symbol of one bit and, of distances,
 * none at all. Space in units of 2^-15.
 */
bool is_code(uint space, uint nr_symbols, uint nr_of_one_bit, bool may_be_empty)
{
	return space == 1u << MAX_BITS || (nr_symbols == 1 && nr_of_one_bit == 1) ||
	       (nr_symbols == 0 && may_be_empty);
}

/*
 * From the lanes' counts of codewords, the lane being the length, 16 more for distances:
 * the limits, and the number of shorter ones. False if they are no codes.
 */
bool count_codes(uint count, out uint nr_shorter)
{
	uint length = lane & 15;
	uint space, before, total, space_end, nr_end, nr_one;

	count = length == 0 ? 0 : count;
	space = count << (MAX_BITS - length);
	before = sum_below(count << 23 | space, total);
	total = value_of(before, 16);
	if (lane >= 16)
		before -= total;
	nr_shorter = before >> 23;
	before &= (1u << 23) - 1;
	/* Not of use if there are too many, but then nobody looks. */
	limit[lane] = before + space << 16 |
		      (nr_shorter - (before >> (MAX_BITS - length)) + (lane < 16 ? 0 : NR_LITLEN) &
		       0xffff);
	space_end = before + space;
	nr_end = nr_shorter + count;
	nr_one = value_of(count, (lane & 16) + 1);
	return !any_of_all(length == 15 && !is_code(space_end, nr_end, nr_one, lane >= 16));
}

/* Whether the codeword that is left-aligned in `code` is longer than nbits. */
bool is_longer(uint code, uint nbits, uint tree)
{
	return (code << 16 | 0xffff) >= limit[tree + nbits];
}

/* The entry of a codeword of nbits that is left-aligned in `code`. */
uint entry_at(uint code, uint nbits, uint tree)
{
	uint at = (code >> (MAX_BITS - nbits)) + limit[tree + nbits] & 0xffff;

	return entry_of(uint(sorted[min(at, NR_LITLEN + 31)]), tree != 0) + nbits * ONE_BIT;
}

/*
 * All invocations make the tables from `sorted` and `limit`: entries for all values of an index.
 * Those of codewords that need more bits are special.
 */
#define FILL(first, index_bits, tree)							\
	for (uint i = member; i < 1u << index_bits; i += nr_members) {			\
		uint code = bitfieldReverse(i) >> (32 - MAX_BITS);			\
		uint nbits = 1;								\
		[[unroll]] for (uint n = 1; n < index_bits; n++)			\
			nbits += is_longer(code, n, tree) ? 1 : 0;			\
		table[first + i] = is_longer(code, index_bits, tree) ? SPECIAL :	\
				   entry_at(code, nbits, tree);				\
	}

void make_tables(uint member, uint nr_members)
{
	FILL(0, LITLEN_BITS, 0)
	FILL(LITLEN_SIZE, DIST_BITS, 16)
}

/* Where a symbol's code length is; groups are of 32, the last one those of distances. */
uint place_of(uint group, uint nr_litlen)
{
	return group < NR_GROUPS ? 32 * group + lane : nr_litlen + lane;
}

bool has_place(uint group, uint nr_litlen, uint nr_dist)
{
	return group < NR_GROUPS ? 32 * group + lane < nr_litlen : lane < nr_dist;
}

/*
 * From code lengths in `sorted`, first nr_litlen of literals and lengths, then nr_dist of
 * distances, finds all that make_tables() needs.
 */
void sort_codes(uint nr_litlen, uint nr_dist)
{
	uint found[NR_GROUPS + 1];
	uint nr_shorter;

	pool[COUNTS + lane] = 0;
	meet();
	/* Puts a symbol's rank among those of its length beside the length. */
	[[dont_unroll]] for (uint g = 0; g <= NR_GROUPS; g++) {
		bool is_there = has_place(g, nr_litlen, nr_dist);
		uint at = place_of(g, nr_litlen);
		uint length = is_there ? uint(sorted[at]) : 0;
		uint like = lanes_like(length);
		uint count = COUNTS + (g < NR_GROUPS ? 0 : 16) + length;
		uint before = pool[count];

		meet();
		if ((like & lanes_below) == 0)
			pool[count] = before + bitCount(like);
		if (is_there)
			sorted[at] = uint16_t(length << 12 | before + bitCount(like & lanes_below));
		/* Without an end the block could only run into the end of the input. */
		if (at == 256 && g < NR_GROUPS && length == 0)
			is_bad = true;
		meet();
	}
	if (!count_codes(pool[COUNTS + lane], nr_shorter))
		is_bad = true;
	pool[SCRATCH + lane] = nr_shorter;
	[[unroll]] for (uint g = 0; g <= NR_GROUPS; g++)
		found[g] = has_place(g, nr_litlen, nr_dist) ?
				   uint(sorted[place_of(g, nr_litlen)]) : 0;
	meet();
	[[unroll]] for (uint g = 0; g <= NR_GROUPS; g++) {
		uint tree = g < NR_GROUPS ? 0 : 16;
		uint at = pool[SCRATCH + tree + (found[g] >> 12)] + (found[g] & 0xfff);

		if (found[g] >> 12 != 0 && g < NR_GROUPS)
			sorted[min(at, NR_LITLEN - 1)] = uint16_t(32 * g + lane);
		else if (found[g] >> 12 != 0)
			sorted[NR_LITLEN + min(at, 31)] = uint16_t(lane);
	}
	meet();
}

/* The entry of a codeword that is longer than the index of its table. */
uint long_entry(bool is_dist)
{
	uint code = bitfieldReverse(bits) >> (32 - MAX_BITS);
	uint tree = is_dist ? 16 : 0;
	uint nbits = min(LITLEN_BITS, DIST_BITS) + 1;

	[[unroll]] for (uint n = min(LITLEN_BITS, DIST_BITS) + 1; n < MAX_BITS; n++)
		nbits += is_longer(code, n, tree) ? 1 : 0;
	if (is_longer(code, MAX_BITS, tree))
		return SPECIAL;
	return entry_at(code, nbits, tree);
}

/* ------------------------------------------------------------------ blocks */

/* The order in which the lengths of the code for code lengths are sent. */
uint precode_symbol(uint i)
{
	const uint order[19] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 };

	return order[min(i, 18)];
}

const uint PRECODE_BITS = 7;

/* Reads the code for code lengths: symbols by codeword go to SCRATCH + 32, offsets to SCRATCH. */
void read_precode(uint nr_precode, out uint ends[PRECODE_BITS])
{
	uint nbits = lane < nr_precode ? bits & 7 : 0;
	uint space = 0, nr = 0, place = 0, nr_one = 0;

	take(lane < nr_precode ? 3 : 0);
	settle();
	if (lane < 19)
		pool[SCRATCH + 32 + precode_symbol(lane)] = nbits;
	meet();
	nbits = lane < 19 ? pool[SCRATCH + 32 + lane] : 0;
	meet();
	[[unroll]] for (uint n = 1; n <= PRECODE_BITS; n++) {
		uint mask = ballot(nbits == n);
		uint shift = PRECODE_BITS - n;

		if (nbits == n)
			place = nr + bitCount(mask & lanes_below);
		if (lane == 0)
			pool[SCRATCH + n] = nr - (space >> shift);
		nr += bitCount(mask);
		space += bitCount(mask) << shift;
		ends[n - 1] = space;
		if (n == 1)
			nr_one = nr;
	}
	if (nbits != 0)
		pool[SCRATCH + 32 + place] = lane;
	meet();
	if (space != 1u << PRECODE_BITS && (nr != 1 || nr_one != 1))
		is_bad = true;
}

/*
 * Reads a list of code lengths to `sorted`. Each item is a length or a
 * repetition; lanes that come after the last one must not consume anything.
 */
void read_lengths(uint nr_lengths, uint ends[PRECODE_BITS])
{
	uint at = 0, previous = NOTHING;

	while (at < nr_lengths) {
		uint code = bitfieldReverse(bits) >> (32 - PRECODE_BITS);
		bool is_known = code < ends[PRECODE_BITS - 1];
		uint nbits = 1, symbol, extra, times, begin, total, value, mask, nearest;
		bool is_active;

		[[unroll]] for (uint n = 1; n < PRECODE_BITS; n++)
			nbits += code >= ends[n - 1] ? 1 : 0;
		symbol = (code >> (PRECODE_BITS - nbits)) + pool[SCRATCH + nbits];
		symbol = pool[SCRATCH + 32 + (symbol & 31)];
		extra = symbol < 16 ? 0 : symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
		times = symbol < 16 ? 1 : symbol == 18 ? 11 : 3;
		times += bitfieldExtract(bits, int(nbits), int(extra));
		begin = at + sum_below(times, total);
		is_active = begin < nr_lengths;
		take(is_active ? nbits + extra : 0);
		settle();

		value = symbol < 16 ? symbol : 0;
		mask = ballot(symbol != 16);
		nearest = value_of(value, findMSB(mask & lanes_below) & 31);
		if (symbol == 16)
			value = (mask & lanes_below) != 0 ? nearest : previous;
		previous = value_of(value, 31);
		if (is_active && (!is_known || begin + times > nr_lengths || value == NOTHING))
			is_bad = true;
		else if (is_active && value != 0)
			for (uint i = 0; i < times; i++)
				sorted[begin + i] = uint16_t(value);
		at += total;
		if (any_of_all(is_bad))
			return;
	}
	meet();
}

void read_codes(uint nr_litlen, uint nr_dist, uint nr_precode)
{
	uint ends[PRECODE_BITS];

	read_precode(nr_precode, ends);
	for (uint i = lane; i < 320; i += 32)
		sorted[i] = uint16_t(0);
	meet();
	if (any_of_all(is_bad))
		return;
	read_lengths(nr_litlen + nr_dist, ends);
	if (!any_of_all(is_bad))
		sort_codes(nr_litlen, nr_dist);
}

void make_fixed_codes()
{
	for (uint i = lane; i < 320; i += 32)
		sorted[i] = uint16_t(i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : i < 288 ? 8 : 5);
	meet();
	sort_codes(288, 32);
}

/*
 * A round. A token is complete in the round after it was begun, when its lane may have read a
 * distance; then it is what the lane leaves.
 */
uint decode_round()
{
	uint entry = 0, nbits, code_nbits, value, token;

	if (owed != 0)
		entry = table[LITLEN_SIZE + (bits & ((1u << DIST_BITS) - 1))];
	else if (!has_ended)
		entry = table[bits & (LITLEN_SIZE - 1)];
	if (any_of_all((entry & SPECIAL) != 0)) {
		uint ends;

		if ((entry & (SPECIAL | END)) == SPECIAL)
			entry = long_entry(owed != 0);
		ends = ballot((entry & END) != 0);
		if (ends != 0) {
			has_ended = true;
			if (owed == 0 && lane > findLSB(ends))
				entry = 0;
		}
		is_bad = is_bad || (entry & (SPECIAL | END)) == SPECIAL;
	}
	nbits = entry & 31;
	code_nbits = entry >> CODE_SHIFT & 15;
	value = (entry >> BASE_SHIFT) + (bits >> code_nbits & ((1u << (nbits - code_nbits)) - 1));
	take(nbits);
	settle();
	/* No tile has room for a length or a distance of more than 16 bits. */
	is_bad = is_bad || value > 0xffff;
	token = owed != 0 ? owed << 16 | (value & 0xffff) : last;
	last = (entry & LITERAL) != 0 ? (256 + value) << 16 : 0;
	owed = owed != 0 || (entry & (LITERAL | SPECIAL)) != 0 ? 0 : value & 0xffff;
	return token;
}

/* Fills a batch; returns how many rounds it has. The block ends when no lane has anything left. */
uint decode_batch(uint half_out)
{
	uint nr = 0;

	while (nr < BATCH && state == AT_SYMBOLS) {
		tokens[half_out][32 * nr + lane] = decode_round();
		nr++;
		if (has_ended && !any_of_all((owed | last) != 0))
			state = is_final ? AT_END : AT_HEAD;
	}
	return nr;
}

/*
 * In four rounds each lane uses up 32 bits, and so gets a word in one of them, always in the
 * same. So the words of four rounds come in the same order each time.
 */
/* Returns where it ends in the tile. */
uint decode_stored(uint nbytes, uint at)
{
	uint round = (nr_bits - 32) >> 3;
	uint rank = 0;

	if (nbytes > dst_nbytes - at) {
		is_bad = true;
		return at;
	}
	[[unroll]] for (uint r = 0; r < 4; r++) {
		uint mask = ballot(round == r);

		rank += round > r ? bitCount(mask) : round == r ? bitCount(mask & lanes_below) : 0;
	}
	for (; nbytes >= 128 && next + 32 <= nr_words; nbytes -= 128) {
		uint got = src.at[next + rank];

		[[unroll]] for (uint k = 0; k < 4; k++)
			store(at + 32 * k + lane, bits >> 8 * k & 255);
		bits = more_bits | got << (nr_bits - 32);
		more_bits = got >> 1 >> (63 - nr_bits);
		next += 32;
		at += 128;
	}
	open_window();
	while (nbytes > 0) {
		uint n = min(nbytes, 32);

		if (lane < n) {
			store(at + lane, bits & 255);
			take(8);
		}
		settle();
		at += n;
		nbytes -= n;
	}
	meet_for_output();
	return at;
}

/* The head of a block, and its codes. Leaves the state that the block is to be decoded in. */
void read_head()
{
	uint head = value_of(bits, 0);
	uint type = head >> 1 & 3;

	/* At most one word is needed after header and counts, so one settle() does for both. */
	if (lane == 0)
		take(type == 0 ? 19 : type == 2 ? 17 : 3);
	settle();
	is_final = (head & 1) != 0;
	has_ended = false;
	stored_nbytes = head >> 3 & 0xffff;
	state = type == 0 ? AT_STORED : AT_TABLES;
	if (type == 1)
		make_fixed_codes();
	else if (type == 2)
		read_codes((head >> 3 & 31) + 257, (head >> 8 & 31) + 1, (head >> 13 & 15) + 4);
	else if (type == 3)
		is_bad = true;
}

/* A step of the decoder. It has to hold if the arranger has not yet finished with its batch. */
void decode(uint step, uint half_out, bool must_hold, bool is_drained)
{
	uint nr = 0;
	bool wants = false;

	if (state == AT_TABLES) {
		state = AT_SYMBOLS;
	} else if (!must_hold) {
		if (state == AT_SYMBOLS) {
			nr = decode_batch(half_out);
		} else if (state == AT_STORED && is_drained) {
			uint end = decode_stored(stored_nbytes, position);

			if (lane == 0)
				position = end;
			state = is_final ? AT_END : AT_HEAD;
		} else if (state == AT_HEAD) {
			read_head();
			wants = state == AT_TABLES;
		}
	}
	is_bad = any_of_all(is_bad);
	if (lane == 0) {
		if (!must_hold)
			nr_rounds[half_out] = nr;
		wants_tables[step & 1] = wants ? 1 : 0;
		is_finished[step & 1] = state == AT_END ? 1 : 0;
		if (is_bad)
			is_broken[step & 1] = 1;
	}
}

/* Without roles. Returns whether the tile is decoded. */
bool decode_tile_alone()
{
	uint at = 0;

	begin_input();
	while (state != AT_END) {
		read_head();
		if (any_of_all(is_bad))
			return false;
		if (state == AT_STORED) {
			at = decode_stored(stored_nbytes, at);
			state = is_final ? AT_END : AT_HEAD;
		} else {
			make_tables(lane, 32);
			meet();
			state = AT_SYMBOLS;
			while (state == AT_SYMBOLS) {
				/* The lengths are known before the distances. */
				uint nbytes = owed != 0 ? owed : last != 0 ? 1 : 0;
				uint total, begin = at + sum_below(nbytes, total);

				at = write_round(decode_round(), at, begin, total);
				if (at == NOTHING)
					return false;
				if (has_ended && !any_of_all((owed | last) != 0))
					state = is_final ? AT_END : AT_HEAD;
			}
		}
		if (any_of_all(is_bad))
			return false;
	}
	return at == dst_nbytes;
}

/* With roles. Returns whether the tile is decoded. */
bool decode_tile(uint role, uint nr_roles)
{
	bool decodes = role == 0;
	bool arranges = role == min(1, nr_roles - 1);
	bool writes = nr_roles < 3 ? arranges : role >= 2;
	uint nr_writers = nr_roles < 3 ? 1 : nr_roles - 2;
	uint writer = nr_roles < 3 ? 0 : role - 2;
	uint batch = 0;

	if (decodes)
		begin_input();
	/* The loop ends, since each batch uses up input and each window advances in one. */
	for (uint step = 0;; step++) {
		uint now = step & 1, then = now ^ 1;
		window_info w = windows[then];
		bool must_hold = w.left != 0;
		bool is_drained = nr_rounds[batch & 1] == 0 && w.nbytes == 0;

		if (is_broken[then] != 0)
			return false;
		if (is_drained && is_finished[then] != 0)
			return position == dst_nbytes;
		batch += must_hold ? 0 : 1;
		if (wants_tables[then] != 0)
			make_tables(32 * role + lane, 32 * nr_roles);
		if (decodes)
			decode(step, batch & 1, must_hold, is_drained);
		if (arranges && !arrange(batch & 1 ^ 1, now, w) && lane == 0)
			is_broken[now] = 1;
		if (writes && w.nbytes != 0)
			write_window(then, w, 32 * writer + lane, 32 * nr_writers);
		meet_all();
	}
	return false;
}

void init_roles()
{
	uint i = gl_LocalInvocationIndex;

	if (i < 3)
		exchanged_bits[i] = 0;
	if (i < 2) {
		nr_rounds[i] = 0;
		windows[i] = window_info(0, 0, 0, 0);
		wants_tables[i] = 0;
		is_finished[i] = 0;
		is_broken[i] = 0;
		position = 0;
	}
	meet_all();
}

void main()
{
	uint group = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
	uint role = is_native ? gl_SubgroupID : 0;
	uint index;
	bool is_good = false;
	tile t;

	lane = is_native ? gl_SubgroupInvocationID : gl_LocalInvocationIndex;
	lanes_below = (1u << lane) - 1;
	slot = has_roles ? 0 : role;
	index = group * SLOTS + slot;
	init_roles();
	if (index >= nr_tiles)
		return;
	t = tiles.at[index];
	src = words(t.src);
	nr_words = t.src_nbytes / 4;
	dst = plain_bytes(t.dst);
	dst_shared = shared_bytes(t.dst);
	dst_nbytes = min(t.dst_nbytes, 65536);
	if (nr_words >= 32)
		is_good = has_roles ? decode_tile(role, is_native ? gl_NumSubgroups : 1)
				    : decode_tile_alone();
	if (lane == 0 && (!has_roles || role == 0))
		status.at[index] = is_good ? 0 : 1;
}
