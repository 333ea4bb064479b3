/* SPDX-License-Identifier: MIT */
/*
 * gdeflate_decode.comp: decodes GDeflate tiles, one workgroup of 32 invocations for each.
 *
 * An invocation is a lane of the format. All lanes decode one symbol in a round; the output of
 * a round, which is contiguous, is written one round later, when the distances of its
 * copies are known. For that the bytes and not the symbols are dealt to the invocations:
 * each finds the symbol that its byte comes from, and from there the place that it is to be copied
 * from. Places inside the bytes being written are followed to where they lead, all at once.
 * So the work is the same for many short copies as for a long one.
 *
 * A tile may hold anything at all. Only the tile's words are read, only its output is
 * read and written, and each round uses up input. What is wrong with a tile is what
 * the decoder on the CPU calls wrong; its status word is then not 0.
 */
#version 450
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_scalar_block_layout : require
#extension GL_EXT_shader_8bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_KHR_shader_subgroup_vote : require

layout(local_size_x = 32) in;

/*
 * True only if the pipeline requires subgroups of 32, full ones. Else the invocations
 * talk to each other through shared memory, and subgroups may be of any size.
 */
layout(constant_id = 0) const bool is_native = false;
/* Codewords up to these lengths are found by one look into a table. */
layout(constant_id = 1) const uint LITLEN_BITS = 10;
layout(constant_id = 2) const uint DIST_BITS = 8;

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

/* Code lengths and their counts while a table is built, in the table's own memory. */
const uint LITLEN_SIZE = 1u << LITLEN_BITS;
const uint TABLE_SIZE = LITLEN_SIZE + (1u << DIST_BITS);
const uint COUNTS = 352;

const uint SPAN = 4;		  /* bytes that an invocation writes at once */
const uint CHUNK = 32 * SPAN;

shared uint table[TABLE_SIZE];
shared uint sorted[NR_LITLEN + 32]; /* entries less the codeword's bits, by codeword; distances behind */
/* For codewords of each length, left-aligned in 15 bits; literals/lengths, then distances: */
shared uint limit[32];		    /* the first that is longer */
shared int offset[32];		    /* from a codeword to its place in `sorted` */
shared uint descriptor[32];	    /* of the symbols of a round that make output */
shared uint source[CHUNK];

shared uint exchanged_bits[3];
shared uint exchanged[64];

uint lane;
uint lanes_below; /* as bits */
uint turn_bits = 0;
uint turn = 0;

/* The lane's bits, at least 32 before a step. */
uint64_t acc;
uint nr_bits;

words src;
uint nr_words;
uint next; /* word */
/* Native: the lanes hold the words [window, window + 64). */
uint window;
uint window_low;
uint window_high;
bool is_starving = false; /* the lane holds a word from past the end */
bool is_bad = false;

plain_bytes dst;
shared_bytes dst_shared;
uint dst_nbytes;
uint done; /* bytes written */

/* ------------------------------------------------------- between the lanes */

void meet()
{
	if (is_native) {
		subgroupMemoryBarrierShared();
		subgroupBarrier();
	} else {
		memoryBarrierShared();
		barrier();
	}
}

/* After it, all see the output written before it. */
void meet_for_output()
{
	if (is_native) {
		subgroupMemoryBarrierBuffer();
		subgroupBarrier();
	} else {
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

uint word_or_zero(uint i)
{
	return i < nr_words ? src.at[i] : 0;
}

void begin_input()
{
	acc = src.at[lane];
	nr_bits = 32;
	next = 32;
	if (is_native) {
		window = 32;
		window_low = word_or_zero(32 + lane);
		window_high = word_or_zero(64 + lane);
	}
}

void take(uint n)
{
	acc >>= n;
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
	uint word;

	if (is_native) {
		uint i = next - window + rank;
		uint low = subgroupShuffle(window_low, i & 31);
		uint high = subgroupShuffle(window_high, i & 31);

		word = i < 32 ? low : high;
	} else {
		word = needs ? word_or_zero(next + rank) : 0;
	}
	if (next + n > nr_words) {
		bool is_past = needs && next + rank >= nr_words;

		is_bad = is_bad || (is_past && is_starving);
		is_starving = is_starving || is_past;
	}
	if (needs) {
		acc |= uint64_t(word) << nr_bits;
		nr_bits += 32;
	}
	next += n;
	if (is_native && next - window >= 32) {
		window += 32;
		window_low = window_high;
		window_high = word_or_zero(window + 32 + lane);
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

/* What a lane decoded in a round. */
struct token {
	uint nbytes; /* 0: nothing */
	uint begin;  /* in the round's output */
	uint source; /* a literal with LITERAL_BYTE, or the distance of a copy */
};

/*
 * Follows sources that lie in the chunk itself until none is left. Each pass at least doubles how far
 * they have been followed, and a source is always before the byte that it is for.
 */
void follow(uint chunk, inout uint from[SPAN])
{
	bool is_open = false;

	[[unroll]] for (uint k = 0; k < SPAN; k++)
		is_open = is_open || int(from[k]) >= int(chunk);
	while (any_of_all(is_open)) {
		[[unroll]] for (uint k = 0; k < SPAN; k++)
			source[32 * k + lane] = from[k];
		meet();
		is_open = false;
		[[unroll]] for (uint k = 0; k < SPAN; k++) {
			if (int(from[k]) >= int(chunk))
				from[k] = source[from[k] - chunk];
			is_open = is_open || int(from[k]) >= int(chunk);
		}
		meet();
	}
}

/* Writes what the lanes decoded in a round: total bytes. */
void write_round(token t, uint total)
{
	uint made = ballot(t.nbytes != 0);
	uint nr_before = ~0u; /* symbols that begin before, less one */

	if (t.nbytes != 0)
		descriptor[bitCount(made & lanes_below)] = t.source;
	meet();
	for (uint at = 0; at < total; at += CHUNK) {
		uint from[SPAN];

		[[unroll]] for (uint k = 0; k < SPAN; k++) {
			from[k] = LITERAL_BYTE;
			if (at + 32 * k < total) {
				uint i = t.begin - (at + 32 * k);
				uint begins = or_of_all(t.nbytes != 0 && i < 32 ? 1u << i : 0);
				uint place = at + 32 * k + lane;
				uint owner = nr_before + bitCount(begins & (lanes_below << 1 | 1));

				nr_before += bitCount(begins);
				if (place < total) {
					uint d = descriptor[owner];

					from[k] = int(d) < 0 ? d : done + place - d;
				}
			}
		}
		follow(done + at, from);
		[[unroll]] for (uint k = 0; k < SPAN; k++)
			if (int(from[k]) >= 0)
				from[k] = load(from[k]);
		[[unroll]] for (uint k = 0; k < SPAN; k++)
			if (at + 32 * k + lane < total)
				store(done + at + 32 * k + lane, from[k] & 255);
		meet_for_output();
	}
	done += total;
}

/* ------------------------------------------------------------------- codes */

uint litlen_entry(uint symbol)
{
	uint i = symbol - 257;
	uint extra = i < 8 ? 0 : (i >> 2) - 1;
	uint base = i < 8 ? i + 3 : ((4 + (i & 3)) << extra) + 3;

	if (symbol < 256)
		return LITERAL | symbol << BASE_SHIFT;
	if (symbol == 256)
		return SPECIAL | END;
	if (symbol == 285)
		return 16 | 3 << BASE_SHIFT;
	return symbol > 285 ? SPECIAL : extra | base << BASE_SHIFT;
}

uint dist_entry(uint symbol)
{
	uint extra = symbol < 4 ? 0 : (symbol >> 1) - 1;
	uint base = symbol < 4 ? symbol + 1 : ((2 + (symbol & 1)) << extra) + 1;

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
 * limit, offset, and the number of shorter ones. False if they are no codes.
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
	limit[lane] = before + space;
	offset[lane] = int(nr_shorter) - int(before >> (MAX_BITS - length)) +
		       (lane < 16 ? 0 : int(NR_LITLEN));
	space_end = before + space;
	nr_end = nr_shorter + count;
	nr_one = value_of(count, (lane & 16) + 1);
	return !any_of_all(length == 15 && !is_code(space_end, nr_end, nr_one, lane >= 16));
}

/* Where the codeword that is left-aligned in `code` has its entry. */
uint sorted_at(uint code, uint nbits, uint tree)
{
	return min(uint(int(code >> (MAX_BITS - nbits)) + offset[tree + nbits]), NR_LITLEN + 31);
}

/* Entries for all values of index_bits; those that need more bits are special. */
#define FILL(begin, index_bits, tree)                                                              \
	for (uint i = lane; i < 1u << index_bits; i += 32) {                                       \
		uint code = bitfieldReverse(i) >> (32 - MAX_BITS);                                 \
		uint nbits = 1;                                                                    \
		[[unroll]] for (uint n = 1; n < index_bits; n++)                                   \
			nbits += code >= limit[tree + n] ? 1 : 0;                                  \
		table[begin + i] = code >= limit[tree + index_bits]                                \
					   ? SPECIAL                                               \
					   : sorted[sorted_at(code, nbits, tree)] + nbits * ONE_BIT; \
	}

/*
 * Builds the tables from code lengths that lie at the begin of `table`: first those of literals
 * and lengths, from nr_litlen on those of distances.
 */
void build(uint nr_litlen, uint nr_dist)
{
	uint length[NR_GROUPS + 1], rank[NR_GROUPS + 1];
	uint count = 0, nr_shorter;

	[[unroll]] for (uint g = 0; g <= NR_GROUPS; g++) {
		uint i = 32 * g + lane;

		if (g < NR_GROUPS)
			length[g] = i < nr_litlen ? table[i] : 0;
		else
			length[g] = lane < nr_dist ? table[nr_litlen + lane] : 0;
	}
	/* Without an end the block could only run into the end of the input. */
	is_bad = is_bad || (lane == 0 && length[8] == 0);
	for (uint i = lane; i < 16 * (NR_GROUPS + 1); i += 32)
		table[COUNTS + i] = 0;
	meet();
	[[unroll]] for (uint g = 0; g <= NR_GROUPS; g++) {
		uint like = lanes_like(length[g]);

		rank[g] = bitCount(like & lanes_below);
		if (rank[g] == 0)
			table[COUNTS + 16 * g + length[g]] = bitCount(like);
	}
	meet();
	if (lane < 16) {
		[[unroll]] for (uint g = 0; g < NR_GROUPS; g++) {
			uint n = table[COUNTS + 16 * g + lane];

			table[COUNTS + 16 * g + lane] = count;
			count += n;
		}
	} else {
		count = table[COUNTS + 16 * NR_GROUPS + lane - 16];
		table[COUNTS + 16 * NR_GROUPS + lane - 16] = 0;
	}
	if (!count_codes(count, nr_shorter))
		is_bad = true;
	descriptor[lane] = nr_shorter;
	meet();
	[[unroll]] for (uint g = 0; g <= NR_GROUPS; g++) {
		uint tree = g < NR_GROUPS ? 0 : 16;
		uint at = descriptor[tree + length[g]] + table[COUNTS + 16 * g + length[g]] + rank[g];

		if (length[g] != 0) {
			if (g < NR_GROUPS)
				sorted[min(at, NR_LITLEN - 1)] = litlen_entry(32 * g + lane);
			else
				sorted[NR_LITLEN + min(at, 31)] = dist_entry(lane);
		}
	}
	meet();
	FILL(0, LITLEN_BITS, 0)
	FILL(LITLEN_SIZE, DIST_BITS, 16)
	meet();
}

/* The entry of a codeword that is longer than the index of its table. */
uint long_entry(uint bits, bool is_dist)
{
	uint code = bitfieldReverse(bits) >> (32 - MAX_BITS);
	uint tree = is_dist ? 16 : 0;
	uint nbits = min(LITLEN_BITS, DIST_BITS) + 1;

	[[unroll]] for (uint n = min(LITLEN_BITS, DIST_BITS) + 1; n < MAX_BITS; n++)
		nbits += code >= limit[tree + n] ? 1 : 0;
	if (code >= limit[tree + MAX_BITS])
		return SPECIAL;
	return sorted[sorted_at(code, nbits, tree)] + nbits * ONE_BIT;
}

/* ------------------------------------------------------------------ blocks */

/* The order in which the lengths of the code for code lengths are sent, six bits each. */
uint precode_symbol(uint i)
{
	const uint order[19] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 };

	return order[min(i, 18)];
}

const uint PRECODE_BITS = 7;

/* Reads the code for code lengths: its symbols by codeword go to `source`, offsets to `descriptor`. */
void read_precode(uint nr_precode, out uint ends[PRECODE_BITS])
{
	uint nbits = lane < nr_precode ? uint(acc) & 7 : 0;
	uint space = 0, nr = 0, place = 0, nr_one = 0;

	take(lane < nr_precode ? 3 : 0);
	settle();
	if (lane < 19)
		source[precode_symbol(lane)] = nbits;
	meet();
	nbits = lane < 19 ? source[lane] : 0;
	meet();
	[[unroll]] for (uint n = 1; n <= PRECODE_BITS; n++) {
		uint mask = ballot(nbits == n);
		uint shift = PRECODE_BITS - n;

		if (nbits == n)
			place = nr + bitCount(mask & lanes_below);
		if (lane == 0)
			descriptor[n] = nr - (space >> shift);
		nr += bitCount(mask);
		space += bitCount(mask) << shift;
		ends[n - 1] = space;
		if (n == 1)
			nr_one = nr;
	}
	if (nbits != 0)
		source[place] = lane;
	meet();
	if (space != 1u << PRECODE_BITS && (nr != 1 || nr_one != 1))
		is_bad = true;
}

/*
 * Reads a list of code lengths to the begin of `table`. Each item is a length or a
 * repetition; lanes that come after the last one must not consume anything.
 */
void read_lengths(uint nr_lengths, uint ends[PRECODE_BITS])
{
	uint at = 0, previous = NOTHING;

	while (at < nr_lengths) {
		uint bits = uint(acc);
		uint code = bitfieldReverse(bits) >> (32 - PRECODE_BITS);
		bool is_known = code < ends[PRECODE_BITS - 1];
		uint nbits = 1, symbol, extra, times, begin, total, value, mask, nearest;
		bool is_active;

		[[unroll]] for (uint n = 1; n < PRECODE_BITS; n++)
			nbits += code >= ends[n - 1] ? 1 : 0;
		symbol = source[((code >> (PRECODE_BITS - nbits)) + descriptor[nbits]) & 31];
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
				table[begin + i] = value;
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
		table[i] = 0;
	meet();
	if (any_of_all(is_bad))
		return;
	read_lengths(nr_litlen + nr_dist, ends);
	if (!any_of_all(is_bad))
		build(nr_litlen, nr_dist);
}

void make_fixed_codes()
{
	for (uint i = lane; i < 320; i += 32)
		table[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : i < 288 ? 8 : 5;
	meet();
	build(288, 32);
}

void decode_symbols()
{
	token t = token(0, 0, 0);
	bool has_ended = false;

	for (;;) {
		bool owes = t.nbytes != 0 && int(t.source) >= 0;
		uint bits = uint(acc);
		uint total, entry = 0, nbits, code_nbits, value;

		if (owes)
			entry = table[LITLEN_SIZE + (bits & ((1u << DIST_BITS) - 1))];
		else if (!has_ended)
			entry = table[bits & (LITLEN_SIZE - 1)];
		t.begin = sum_below(t.nbytes, total);
		if (any_of_all((entry & SPECIAL) != 0)) {
			uint ends;

			if ((entry & (SPECIAL | END)) == SPECIAL)
				entry = long_entry(bits, owes);
			ends = ballot((entry & END) != 0);
			if (ends != 0) {
				has_ended = true;
				if (!owes && lane > findLSB(ends))
					entry = 0;
			}
			is_bad = is_bad || (entry & (SPECIAL | END)) == SPECIAL;
		}
		nbits = entry & 31;
		code_nbits = entry >> CODE_SHIFT & 15;
		value = (entry >> BASE_SHIFT) +
			bitfieldExtract(bits, int(code_nbits), int(nbits - code_nbits));
		take(nbits);
		settle();
		if (owes) {
			t.source = value;
			is_bad = is_bad || value > done + t.begin;
		}
		if (any_of_all(is_bad || total > dst_nbytes - done)) {
			is_bad = true;
			return;
		}
		write_round(t, total);
		t.nbytes = owes || (entry & SPECIAL) != 0 ? 0 : (entry & LITERAL) != 0 ? 1 : value;
		t.source = (entry & LITERAL) != 0 ? value | LITERAL_BYTE : 0;
		if (has_ended && !any_of_all(t.nbytes != 0))
			return;
	}
}

/*
 * In four rounds each lane uses up 32 bits, and so gets a word in one of them, always in the
 * same. So the words of four rounds come in the same order each time.
 */
void decode_stored(uint nbytes)
{
	uint round = (nr_bits - 32) >> 3;
	uint rank = 0;

	if (nbytes > dst_nbytes - done) {
		is_bad = true;
		return;
	}
	[[unroll]] for (uint r = 0; r < 4; r++) {
		uint mask = ballot(round == r);

		rank += round > r ? bitCount(mask) : round == r ? bitCount(mask & lanes_below) : 0;
	}
	for (; nbytes >= 128 && next + 32 <= nr_words; nbytes -= 128) {
		uint bits = uint(acc);

		acc = acc >> 32 | uint64_t(src.at[next + rank]) << (nr_bits - 32);
		next += 32;
		[[unroll]] for (uint k = 0; k < 4; k++)
			store(done + 32 * k + lane, bits >> 8 * k & 255);
		done += 128;
	}
	if (is_native) {
		window = next;
		window_low = word_or_zero(next + lane);
		window_high = word_or_zero(next + 32 + lane);
	}
	while (nbytes > 0) {
		uint n = min(nbytes, 32);

		if (lane < n) {
			store(done + lane, uint(acc) & 255);
			take(8);
		}
		settle();
		done += n;
		nbytes -= n;
	}
	meet_for_output();
}

void decode_tile()
{
	bool is_final;

	begin_input();
	do {
		uint head = value_of(uint(acc), 0);
		uint type = head >> 1 & 3;

		/* At most one word is needed after header and counts, so one settle() does for both. */
		if (lane == 0)
			take(type == 0 ? 19 : type == 2 ? 17 : 3);
		settle();
		is_final = (head & 1) != 0;
		if (type == 0)
			decode_stored(head >> 3 & 0xffff);
		else if (type == 1)
			make_fixed_codes();
		else if (type == 2)
			read_codes((head >> 3 & 31) + 257, (head >> 8 & 31) + 1, (head >> 13 & 15) + 4);
		else
			is_bad = true;
		is_bad = any_of_all(is_bad);
		if (type != 0 && !is_bad)
			decode_symbols();
		is_bad = any_of_all(is_bad);
	} while (!is_bad && !is_final);
	is_bad = is_bad || done != dst_nbytes;
}

void main()
{
	uint index = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
	tile t;

	if (index >= nr_tiles)
		return;
	t = tiles.at[index];
	lane = is_native ? gl_SubgroupInvocationID : gl_LocalInvocationIndex;
	lanes_below = (1u << lane) - 1;
	if (lane < 3)
		exchanged_bits[lane] = 0;
	meet();
	src = words(t.src);
	nr_words = t.src_nbytes / 4;
	dst = plain_bytes(t.dst);
	dst_shared = shared_bytes(t.dst);
	dst_nbytes = min(t.dst_nbytes, 65536);
	done = 0;
	if (nr_words < 32)
		is_bad = true;
	else
		decode_tile();
	if (lane == 0)
		status.at[index] = is_bad ? 1 : 0;
}
