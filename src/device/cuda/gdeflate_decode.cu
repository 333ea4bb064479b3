/* SPDX-License-Identifier: MIT */
/*
 * gdeflate_decode.cu: decodes GDeflate tiles; shaders/gdeflate_decode.comp for CUDA. Also the
 * checksum of device memory.
 *
 * docs/gpu-decode.md says how it works and why it is as it is. In short: a lane of the format
 * is a lane of a warp; all decode one symbol in a round and leave a token each. To write what
 * the tokens stand for, bytes and not tokens are dealt to lanes: each finds the token that its
 * byte belongs to, and from there the place that it is to be copied from.
 *
 * Either the lanes that decoded a round also write it (many tiles), or warps have three roles
 * for a tile (few tiles), each one step behind the one before: the decoder, which needs no byte
 * of the output; the arranger, which finds where in the output each token begins, and makes a
 * map of a window of it; and writers.
 *
 * A tile may hold anything at all. Only the tile's words are read, only its output is read and
 * written, and each round uses up input. A status word that is not 0 means what the decoder on
 * the CPU calls wrong.
 */
#include <cstdint>

#define ALL_LANES 0xffffffffu

struct tile {
	uint64_t src;	     /* address, a multiple of 4 */
	uint64_t dst;	     /* address */
	uint32_t src_nbytes; /* a multiple of 4 */
	uint32_t dst_nbytes; /* up to 65536 */
};

typedef uint32_t uint;

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
static constexpr uint LITERAL = 1u << 5;
static constexpr uint SPECIAL = 1u << 6;
static constexpr uint END = 1u << 7;
static constexpr uint CODE_SHIFT = 8;
static constexpr uint BASE_SHIFT = 16;
static constexpr uint ONE_BIT = 1u + (1u << CODE_SHIFT); /* what a bit of codeword adds to an entry */

static constexpr uint NR_LITLEN = 288;
static constexpr uint NR_GROUPS = 9; /* of 32 literal/length symbols */
static constexpr uint MAX_BITS = 15;
static constexpr uint PRECODE_BITS = 7;
static constexpr uint LITERAL_BYTE = 1u << 31; /* a byte's source: its value, instead of a place */
static constexpr uint NOTHING = ~0u;
static constexpr uint SPAN = 2; /* bytes that a lane writes at once, without roles */
static constexpr uint CHUNK = 32 * SPAN;

/* Places in `pool`: while codes are read, and while a round is written. */
static constexpr uint COUNTS = 0;
static constexpr uint SCRATCH = 32;
static constexpr uint TOKEN_SOURCE = 0;
static constexpr uint BYTE_SOURCE = 32;

enum decoder_state : uint {
	AT_HEAD,   /* of a block */
	AT_TABLES, /* which all are making now */
	AT_SYMBOLS,
	AT_STORED,
	AT_END,
};

/* The order in which the lengths of the code for code lengths are sent. */
static __constant__ uint8_t precode_order[19] = { 16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
						  11, 4,  12, 3, 13, 2, 14, 1, 15 };

struct piece {
	uint token;
	int begin; /* in the batch */
};

struct map_word {
	uint begins; /* bytes at which a token begins, as bits */
	uint before; /* tokens that begin before, less one */
};

struct window_info {
	uint at;     /* in the tile */
	int begin;   /* in the batch */
	uint nbytes; /* 0: nothing to do */
	uint left;   /* bytes of the batch behind it */
};

/* What a tile needs of shared memory; it decides how many tiles are decoded at a time. */
template <uint LITLEN_BITS, uint DIST_BITS> struct tile_memory {
	uint table[(1u << LITLEN_BITS) + (1u << DIST_BITS)];
	/*
	 * For codewords of each length, of literals/lengths, then distances. Upper half: the
	 * first, left-aligned in 15 bits, that is longer. Lower half: from a codeword to its
	 * place in `sorted`.
	 */
	uint limit[32];
	uint pool[96];
	/* Symbols by codeword; distances behind. Before, the list of code lengths. */
	uint16_t sorted[NR_LITLEN + 32];
};

/* What one role leaves to the next. In a step each writes one half and reads the other one. */
template <uint BATCH> struct role_memory {
	static constexpr uint WINDOW_WORDS = 64; /* two for each lane of the arranger */
	static constexpr uint WINDOW = 32 * WINDOW_WORDS;

	/* 0 for nothing, (256 + literal) << 16, or length << 16 | distance. */
	uint tokens[2][32 * BATCH];
	uint nr_rounds[2];
	piece pieces[2][32 * BATCH]; /* tokens that are something */
	map_word map[2][WINDOW_WORDS];
	window_info windows[2];
	uint position; /* in the tile, of the next batch */
	uint wants_tables[2];
	uint is_finished[2]; /* no more tokens to come */
	uint is_broken[2];
};

/* ------------------------------------------------------- between the lanes */

static __device__ __forceinline__ void meet()
{
	__syncwarp();
}

static __device__ __forceinline__ uint lanes_with(bool b)
{
	return __ballot_sync(ALL_LANES, b);
}

static __device__ __forceinline__ bool any_of_all(bool b)
{
	return __any_sync(ALL_LANES, b);
}

static __device__ __forceinline__ uint value_of(uint v, uint from)
{
	return __shfl_sync(ALL_LANES, v, (int)from);
}

static __device__ __forceinline__ uint or_of_all(uint v)
{
#if __CUDA_ARCH__ >= 800
	return __reduce_or_sync(ALL_LANES, v);
#else
#pragma unroll
	for (int i = 16; i; i >>= 1)
		v |= __shfl_xor_sync(ALL_LANES, v, i);
	return v;
#endif
}

/* The sum over the lanes below. */
static __device__ __forceinline__ uint sum_below(uint v, uint lane, uint &total)
{
	uint sum = v;

#pragma unroll
	for (uint i = 1; i < 32; i <<= 1) {
		uint other = __shfl_up_sync(ALL_LANES, sum, i);

		sum += lane >= i ? other : 0;
	}
	total = value_of(sum, 31);
	return sum - v;
}

/* A tile's decoder, or the part of it that a lane has. */
template <uint LITLEN_BITS, uint DIST_BITS> struct decoder {
	static constexpr uint LITLEN_SIZE = 1u << LITLEN_BITS;
	static constexpr uint MIN_BITS = LITLEN_BITS < DIST_BITS ? LITLEN_BITS : DIST_BITS;

	tile_memory<LITLEN_BITS, DIST_BITS> &m;
	uint lane;
	uint lanes_below; /* as bits */

	/* The lane's bits, at least 32 before a step: */
	uint bits;	/* the next 32 of them */
	uint more_bits; /* those behind */
	uint nr_bits;
	const uint *src;
	uint nr_words;
	uint next; /* word */
	/* The lanes hold the words [window, window + 64), and wait for the 32 behind these. */
	uint window;
	uint window_low;
	uint window_high;
	uint window_coming;
	uint state;
	bool is_final;
	bool has_ended; /* the end of the block was seen */
	uint stored_nbytes;
	uint owed;	  /* the length of a copy whose distance the lane reads next */
	uint last;	  /* the lane's token, if it got a literal */
	bool is_starving; /* the lane holds a word from past the end */
	bool is_bad;

	uint8_t *dst;
	uint dst_nbytes;

	__device__ __forceinline__ decoder(tile_memory<LITLEN_BITS, DIST_BITS> &memory, const tile &t)
		: m(memory)
	{
		lane = threadIdx.x & 31;
		lanes_below = (1u << lane) - 1;
		src = (const uint *)t.src;
		nr_words = t.src_nbytes / 4;
		dst = (uint8_t *)t.dst;
		dst_nbytes = min(t.dst_nbytes, 65536u);
		state = AT_HEAD;
		is_final = false;
		has_ended = false;
		stored_nbytes = 0;
		owed = 0;
		last = 0;
		is_starving = false;
		is_bad = false;
	}

	/* ------------------------------------------------------------- input */

	/* Past the end, any word: not looked at here, so that nobody waits for it yet. */
	__device__ __forceinline__ uint word(uint i) const
	{
		return __ldg(&src[min(i, nr_words - 1)]);
	}

	__device__ __forceinline__ void open_window()
	{
		window = next;
		window_low = word(next + lane);
		window_high = word(next + 32 + lane);
		window_coming = word(next + 64 + lane);
	}

	__device__ __forceinline__ void begin_input()
	{
		bits = word(lane);
		more_bits = 0;
		nr_bits = 32;
		next = 32;
		open_window();
	}

	/* Up to 31 bits. */
	__device__ __forceinline__ void take(uint n)
	{
		bits = __funnelshift_r(bits, more_bits, n);
		more_bits >>= n;
		nr_bits -= n;
	}

	/*
	 * Gives a word to each lane that has less than 32 bits. Past the end words are zero, so
	 * that an encoder may leave out words that nobody uses. A lane has used some of such a
	 * word exactly when it asks for another one.
	 */
	__device__ __forceinline__ void settle()
	{
		bool needs = nr_bits < 32;
		uint mask = lanes_with(needs);
		uint rank = __popc(mask & lanes_below);
		uint n = __popc(mask);
		uint i = next - window + rank;
		uint low = value_of(window_low, i & 31);
		uint high = value_of(window_high, i & 31);
		uint got = i < 32 ? low : high;

		if (next + n > nr_words) {
			bool is_past = needs && next + rank >= nr_words;

			got = is_past ? 0 : got;
			is_bad = is_bad || (is_past && is_starving);
			is_starving = is_starving || is_past;
		}
		if (needs) {
			bits |= got << nr_bits;
			more_bits = got >> (32 - nr_bits); /* by 1 to 31: at most 31 were taken */
			nr_bits += 32;
		}
		next += n;
		if (next - window >= 32) {
			window += 32;
			window_low = window_high;
			window_high = window_coming;
			window_coming = word(window + 64 + lane);
		}
	}

	/* --------------------------------------------------- without roles */

	/*
	 * Follows sources that lie in the chunk itself until none is left. Each pass at least
	 * doubles how far they have been followed, and a source is always before the byte that
	 * it is for.
	 */
	__device__ __forceinline__ void follow(uint chunk, uint (&from)[SPAN])
	{
		bool is_open = false;

#pragma unroll
		for (uint k = 0; k < SPAN; k++)
			is_open = is_open || (int)from[k] >= (int)chunk;
		while (any_of_all(is_open)) {
#pragma unroll
			for (uint k = 0; k < SPAN; k++)
				m.pool[BYTE_SOURCE + 32 * k + lane] = from[k];
			meet();
			is_open = false;
#pragma unroll
			for (uint k = 0; k < SPAN; k++) {
				if ((int)from[k] >= (int)chunk)
					from[k] = m.pool[BYTE_SOURCE + from[k] - chunk];
				is_open = is_open || (int)from[k] >= (int)chunk;
			}
			meet();
		}
	}

	/*
	 * Writes the tokens of a round, from `at` in the tile on, total bytes. The lane's begins at
	 * `begin`. Returns where they end, or NOTHING.
	 */
	__device__ __forceinline__ uint write_round(uint token, uint at, uint begin, uint total)
	{
		uint made = lanes_with(token != 0);
		uint dist = token & 0xffff;
		uint nr_begun = ~0u; /* tokens that begin before the chunk, less one */
		uint end = at + total;

		/* With a codeword that is none, a round might use up no input. */
		if (any_of_all(is_bad || dist > begin || total > dst_nbytes - at))
			return NOTHING;
		if (token != 0)
			m.pool[TOKEN_SOURCE + __popc(made & lanes_below)] =
				dist != 0 ? dist : LITERAL_BYTE | (token >> 16 & 255);
		meet();
		for (; at < end; at += CHUNK) {
			uint from[SPAN];

#pragma unroll
			for (uint k = 0; k < SPAN; k++) {
				from[k] = LITERAL_BYTE;
				if (at + 32 * k < end) {
					uint i = begin - (at + 32 * k);
					uint begins = or_of_all(token != 0 && i < 32 ? 1u << i : 0);
					uint owner =
						nr_begun + __popc(begins & (lanes_below << 1 | 1));

					nr_begun += __popc(begins);
					if (at + 32 * k + lane < end) {
						uint d = m.pool[TOKEN_SOURCE + owner];

						from[k] = (int)d < 0 ? d : at + 32 * k + lane - d;
					}
				}
			}
			follow(at, from);
#pragma unroll
			for (uint k = 0; k < SPAN; k++)
				if ((int)from[k] >= 0)
					from[k] = dst[from[k]];
#pragma unroll
			for (uint k = 0; k < SPAN; k++)
				if (at + 32 * k + lane < end)
					dst[at + 32 * k + lane] = (uint8_t)from[k];
			meet();
		}
		return end;
	}

	/* ----------------------------------------------------------- codes */

	/* The entry of a symbol, less the codeword's bits. */
	static __device__ __forceinline__ uint entry_of(uint symbol, bool is_dist)
	{
		uint i = is_dist ? symbol : symbol - 257;
		uint fraction = is_dist ? 1 : 2; /* bits of a symbol below its exponent */
		bool is_small = i < 2u << fraction;
		uint extra = is_small ? 0 : (i >> fraction) - 1;
		/* What is shifted out belongs to a symbol that is none, and that is found below. */
		uint base = is_small ? i
				     : ((i & ((1u << fraction) - 1)) + (1u << fraction))
					       << (extra & 31);

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
	static __device__ __forceinline__ uint lanes_like(uint v)
	{
		uint b0 = lanes_with((v & 1) != 0), b1 = lanes_with((v & 2) != 0);
		uint b2 = lanes_with((v & 4) != 0), b3 = lanes_with((v & 8) != 0);

		return ((v & 1) != 0 ? b0 : ~b0) & ((v & 2) != 0 ? b1 : ~b1) &
		       ((v & 4) != 0 ? b2 : ~b2) & ((v & 8) != 0 ? b3 : ~b3);
	}

	/*
	 * Complete codes only, but for a single symbol of one bit and, of distances,
	 * none at all. Space in units of 2^-15.
	 */
	static __device__ __forceinline__ bool is_code(uint space, uint nr_symbols,
						       uint nr_of_one_bit, bool may_be_empty)
	{
		return space == 1u << MAX_BITS || (nr_symbols == 1 && nr_of_one_bit == 1) ||
		       (nr_symbols == 0 && may_be_empty);
	}

	/*
	 * From the lanes' counts of codewords, the lane being the length, 16 more for distances:
	 * the limits, and the number of shorter ones. False if they are no codes.
	 */
	__device__ __forceinline__ bool count_codes(uint count, uint &nr_shorter)
	{
		uint length = lane & 15;
		uint space, before, total, space_end, nr_end, nr_one;

		count = length == 0 ? 0 : count;
		space = count << (MAX_BITS - length);
		before = sum_below(count << 23 | space, lane, total);
		total = value_of(before, 16);
		if (lane >= 16)
			before -= total;
		nr_shorter = before >> 23;
		before &= (1u << 23) - 1;
		/* Not of use if there are too many, but then nobody looks. */
		m.limit[lane] = (before + space) << 16 |
				((nr_shorter - (before >> (MAX_BITS - length)) +
				  (lane < 16 ? 0 : NR_LITLEN)) &
				 0xffff);
		space_end = before + space;
		nr_end = nr_shorter + count;
		nr_one = value_of(count, (lane & 16) + 1);
		return !any_of_all(length == 15 && !is_code(space_end, nr_end, nr_one, lane >= 16));
	}

	/* Whether the codeword that is left-aligned in `code` is longer than nbits. */
	__device__ __forceinline__ bool is_longer(uint code, uint nbits, uint tree) const
	{
		return (code << 16 | 0xffff) >= m.limit[tree + nbits];
	}

	/* The entry of a codeword of nbits that is left-aligned in `code`. */
	__device__ __forceinline__ uint entry_at(uint code, uint nbits, uint tree) const
	{
		uint at = ((code >> (MAX_BITS - nbits)) + m.limit[tree + nbits]) & 0xffff;

		return entry_of(m.sorted[min(at, NR_LITLEN + 31)], tree != 0) + nbits * ONE_BIT;
	}

	/*
	 * Entries for all values of an index. Those of codewords that need more bits are special.
	 */
	template <uint INDEX_BITS>
	__device__ __forceinline__ void fill(uint first, uint tree, uint member, uint nr_members)
	{
		for (uint i = member; i < 1u << INDEX_BITS; i += nr_members) {
			uint code = __brev(i) >> (32 - MAX_BITS);
			uint nbits = 1;

#pragma unroll
			for (uint n = 1; n < INDEX_BITS; n++)
				nbits += is_longer(code, n, tree) ? 1 : 0;
			m.table[first + i] = is_longer(code, INDEX_BITS, tree)
						     ? SPECIAL
						     : entry_at(code, nbits, tree);
		}
	}

	/* All who work on the tile make the tables from `sorted` and `limit`. */
	__device__ __forceinline__ void make_tables(uint member, uint nr_members)
	{
		fill<LITLEN_BITS>(0, 0, member, nr_members);
		fill<DIST_BITS>(LITLEN_SIZE, 16, member, nr_members);
	}

	/* Where a symbol's code length is; groups are of 32, the last one those of distances. */
	__device__ __forceinline__ uint place_of(uint group, uint nr_litlen) const
	{
		return group < NR_GROUPS ? 32 * group + lane : nr_litlen + lane;
	}

	__device__ __forceinline__ bool has_place(uint group, uint nr_litlen, uint nr_dist) const
	{
		return group < NR_GROUPS ? 32 * group + lane < nr_litlen : lane < nr_dist;
	}

	/*
	 * From code lengths in `sorted`, first nr_litlen of literals and lengths, then nr_dist of
	 * distances, finds all that make_tables() needs.
	 */
	__device__ void sort_codes(uint nr_litlen, uint nr_dist)
	{
		uint found[NR_GROUPS + 1];
		uint nr_shorter;

		m.pool[COUNTS + lane] = 0;
		meet();
		/* Puts a symbol's rank among those of its length beside the length. */
#pragma unroll 1
		for (uint g = 0; g <= NR_GROUPS; g++) {
			bool is_there = has_place(g, nr_litlen, nr_dist);
			uint at = place_of(g, nr_litlen);
			uint length = is_there ? m.sorted[at] : 0;
			uint like = lanes_like(length);
			uint count = COUNTS + (g < NR_GROUPS ? 0 : 16) + length;
			uint before = m.pool[count];

			meet();
			if ((like & lanes_below) == 0)
				m.pool[count] = before + __popc(like);
			if (is_there)
				m.sorted[at] = (uint16_t)(length << 12 |
							  (before + __popc(like & lanes_below)));
			/* Without an end the block could only run into the end of the input. */
			if (at == 256 && g < NR_GROUPS && length == 0)
				is_bad = true;
			meet();
		}
		if (!count_codes(m.pool[COUNTS + lane], nr_shorter))
			is_bad = true;
		m.pool[SCRATCH + lane] = nr_shorter;
#pragma unroll
		for (uint g = 0; g <= NR_GROUPS; g++)
			found[g] = has_place(g, nr_litlen, nr_dist) ? m.sorted[place_of(g, nr_litlen)]
								    : 0;
		meet();
#pragma unroll
		for (uint g = 0; g <= NR_GROUPS; g++) {
			uint tree = g < NR_GROUPS ? 0 : 16;
			uint at = m.pool[SCRATCH + tree + (found[g] >> 12)] + (found[g] & 0xfff);

			if (found[g] >> 12 != 0 && g < NR_GROUPS)
				m.sorted[min(at, NR_LITLEN - 1)] = (uint16_t)(32 * g + lane);
			else if (found[g] >> 12 != 0)
				m.sorted[NR_LITLEN + min(at, 31u)] = (uint16_t)lane;
		}
		meet();
	}

	/* The entry of a codeword that is longer than the index of its table. */
	__device__ __forceinline__ uint long_entry(bool is_dist) const
	{
		uint code = __brev(bits) >> (32 - MAX_BITS);
		uint tree = is_dist ? 16 : 0;
		uint nbits = MIN_BITS + 1;

#pragma unroll
		for (uint n = MIN_BITS + 1; n < MAX_BITS; n++)
			nbits += is_longer(code, n, tree) ? 1 : 0;
		if (is_longer(code, MAX_BITS, tree))
			return SPECIAL;
		return entry_at(code, nbits, tree);
	}

	/* ---------------------------------------------------------- blocks */

	/* The code for code lengths: symbols by codeword go to SCRATCH + 32, offsets to SCRATCH. */
	__device__ __forceinline__ void read_precode(uint nr_precode, uint (&ends)[PRECODE_BITS])
	{
		uint nbits = lane < nr_precode ? bits & 7 : 0;
		uint space = 0, nr = 0, place = 0, nr_one = 0;

		take(lane < nr_precode ? 3 : 0);
		settle();
		if (lane < 19)
			m.pool[SCRATCH + 32 + precode_order[lane]] = nbits;
		meet();
		nbits = lane < 19 ? m.pool[SCRATCH + 32 + lane] : 0;
		meet();
#pragma unroll
		for (uint n = 1; n <= PRECODE_BITS; n++) {
			uint mask = lanes_with(nbits == n);
			uint shift = PRECODE_BITS - n;

			if (nbits == n)
				place = nr + __popc(mask & lanes_below);
			if (lane == 0)
				m.pool[SCRATCH + n] = nr - (space >> shift);
			nr += __popc(mask);
			space += __popc(mask) << shift;
			ends[n - 1] = space;
			if (n == 1)
				nr_one = nr;
		}
		if (nbits != 0)
			m.pool[SCRATCH + 32 + place] = lane;
		meet();
		if (space != 1u << PRECODE_BITS && (nr != 1 || nr_one != 1))
			is_bad = true;
	}

	/*
	 * Reads a list of code lengths to `sorted`. Each item is a length or a
	 * repetition; lanes that come after the last one must not consume anything.
	 */
	__device__ __forceinline__ void read_lengths(uint nr_lengths, const uint (&ends)[PRECODE_BITS])
	{
		uint at = 0, previous = NOTHING;

		while (at < nr_lengths) {
			uint code = __brev(bits) >> (32 - PRECODE_BITS);
			bool is_known = code < ends[PRECODE_BITS - 1];
			uint nbits = 1, symbol, extra, times, begin, total, value, mask, nearest;
			bool is_active;

#pragma unroll
			for (uint n = 1; n < PRECODE_BITS; n++)
				nbits += code >= ends[n - 1] ? 1 : 0;
			symbol = (code >> (PRECODE_BITS - nbits)) + m.pool[SCRATCH + nbits];
			symbol = m.pool[SCRATCH + 32 + (symbol & 31)];
			extra = symbol < 16 ? 0 : symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
			times = symbol < 16 ? 1 : symbol == 18 ? 11 : 3;
			times += bits >> nbits & ((1u << extra) - 1);
			begin = at + sum_below(times, lane, total);
			is_active = begin < nr_lengths;
			take(is_active ? nbits + extra : 0);
			settle();

			value = symbol < 16 ? symbol : 0;
			mask = lanes_with(symbol != 16);
			nearest = value_of(value, (31 - __clz(mask & lanes_below)) & 31);
			if (symbol == 16)
				value = (mask & lanes_below) != 0 ? nearest : previous;
			previous = value_of(value, 31);
			if (is_active &&
			    (!is_known || begin + times > nr_lengths || value == NOTHING))
				is_bad = true;
			else if (is_active && value != 0)
				for (uint i = 0; i < times; i++)
					m.sorted[begin + i] = (uint16_t)value;
			at += total;
			if (any_of_all(is_bad))
				return;
		}
		meet();
	}

	__device__ __forceinline__ void read_codes(uint nr_litlen, uint nr_dist, uint nr_precode)
	{
		uint ends[PRECODE_BITS];

		read_precode(nr_precode, ends);
		for (uint i = lane; i < 320; i += 32)
			m.sorted[i] = 0;
		meet();
		if (any_of_all(is_bad))
			return;
		read_lengths(nr_litlen + nr_dist, ends);
	}

	__device__ __forceinline__ void make_fixed_lengths()
	{
		for (uint i = lane; i < 320; i += 32)
			m.sorted[i] = (uint16_t)(i < 144   ? 8
						 : i < 256 ? 9
						 : i < 280 ? 7
						 : i < 288 ? 8
							   : 5);
		meet();
	}

	/*
	 * A round. A token is complete in the round after it was begun, when its lane may have
	 * read a distance; then it is what the lane leaves.
	 */
	__device__ __forceinline__ uint decode_round()
	{
		uint entry = 0, nbits, code_nbits, value, token;

		if (owed != 0)
			entry = m.table[LITLEN_SIZE + (bits & ((1u << DIST_BITS) - 1))];
		else if (!has_ended)
			entry = m.table[bits & (LITLEN_SIZE - 1)];
		if (any_of_all((entry & SPECIAL) != 0)) {
			uint ends;

			if ((entry & (SPECIAL | END)) == SPECIAL)
				entry = long_entry(owed != 0);
			ends = lanes_with((entry & END) != 0);
			if (ends != 0) {
				has_ended = true;
				if (owed == 0 && lane > (uint)__ffs((int)ends) - 1)
					entry = 0;
			}
			is_bad = is_bad || (entry & (SPECIAL | END)) == SPECIAL;
		}
		nbits = entry & 31;
		code_nbits = entry >> CODE_SHIFT & 15;
		value = (entry >> BASE_SHIFT) +
			(bits >> code_nbits & ((1u << ((nbits - code_nbits) & 31)) - 1));
		take(nbits);
		settle();
		/* No tile has room for a length or a distance of more than 16 bits. */
		is_bad = is_bad || value > 0xffff;
		token = owed != 0 ? owed << 16 | (value & 0xffff) : last;
		last = (entry & LITERAL) != 0 ? (256 + value) << 16 : 0;
		owed = owed != 0 || (entry & (LITERAL | SPECIAL)) != 0 ? 0 : value & 0xffff;
		return token;
	}

	/* The block ends when no lane has anything left. */
	__device__ __forceinline__ void look_for_end()
	{
		if (has_ended && !any_of_all((owed | last) != 0))
			state = is_final ? AT_END : AT_HEAD;
	}

	/*
	 * In four rounds each lane uses up 32 bits, and so gets a word in one of them, always
	 * in the same. So the words of four rounds come in the same order each time.
	 *
	 * Returns where it ends in the tile.
	 */
	__device__ uint decode_stored(uint nbytes, uint at)
	{
		uint round = (nr_bits - 32) >> 3;
		uint rank = 0;

		if (nbytes > dst_nbytes - at) {
			is_bad = true;
			return at;
		}
#pragma unroll
		for (uint r = 0; r < 4; r++) {
			uint mask = lanes_with(round == r);

			rank += round > r    ? __popc(mask)
				: round == r ? __popc(mask & lanes_below)
					     : 0;
		}
		for (; nbytes >= 128 && next + 32 <= nr_words; nbytes -= 128) {
			uint got = __ldg(&src[next + rank]);

#pragma unroll
			for (uint k = 0; k < 4; k++)
				dst[at + 32 * k + lane] = (uint8_t)(bits >> 8 * k);
			bits = more_bits | got << (nr_bits - 32);
			more_bits = got >> 1 >> (63 - nr_bits);
			next += 32;
			at += 128;
		}
		open_window();
		while (nbytes > 0) {
			uint n = min(nbytes, 32u);

			if (lane < n) {
				dst[at + lane] = (uint8_t)bits;
				take(8);
			}
			settle();
			at += n;
			nbytes -= n;
		}
		meet();
		return at;
	}

	/* The head of a block, and its codes. Leaves the state that the block is to be decoded in. */
	__device__ void read_head()
	{
		uint head = value_of(bits, 0);
		uint type = head >> 1 & 3;
		uint nr_litlen = 288, nr_dist = 32;

		/* At most one word is needed after header and counts: one settle() does for both. */
		if (lane == 0)
			take(type == 0 ? 19 : type == 2 ? 17 : 3);
		settle();
		is_final = (head & 1) != 0;
		has_ended = false;
		stored_nbytes = head >> 3 & 0xffff;
		state = type == 0 ? AT_STORED : AT_TABLES;
		if (type == 0)
			return;
		if (type == 3)
			is_bad = true;
		if (type == 1)
			make_fixed_lengths();
		if (type == 2) {
			nr_litlen = (head >> 3 & 31) + 257;
			nr_dist = (head >> 8 & 31) + 1;
			read_codes(nr_litlen, nr_dist, (head >> 13 & 15) + 4);
		}
		if (!any_of_all(is_bad))
			sort_codes(nr_litlen, nr_dist);
	}

	/* Without roles. Returns whether the tile is decoded. */
	__device__ __forceinline__ bool decode_alone()
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
					uint total, begin = at + sum_below(nbytes, lane, total);

					at = write_round(decode_round(), at, begin, total);
					if (at == NOTHING)
						return false;
					look_for_end();
				}
			}
			if (any_of_all(is_bad))
				return false;
		}
		return at == dst_nbytes;
	}
};

/* ---------------------------------------------------------------- roles */

template <uint LITLEN_BITS, uint DIST_BITS, uint BATCH>
struct role_decoder : decoder<LITLEN_BITS, DIST_BITS> {
	typedef decoder<LITLEN_BITS, DIST_BITS> base;
	typedef role_memory<BATCH> memory;
	static constexpr uint WINDOW = memory::WINDOW;

	memory &r;

	__device__ __forceinline__ role_decoder(tile_memory<LITLEN_BITS, DIST_BITS> &tables,
						memory &roles, const tile &t)
		: base(tables, t), r(roles)
	{
	}

	static __device__ __forceinline__ uint token_nbytes(uint token)
	{
		return (token & 0xffff) != 0 ? token >> 16 : token != 0 ? 1 : 0;
	}

	/*
	 * Makes the map of the next window of a batch: the first one if `before` has nothing
	 * left of it. Returns false if a token cannot be right.
	 */
	__device__ __forceinline__ bool arrange(uint half_in, uint half_out, window_info before)
	{
		uint lane = this->lane, lanes_below = this->lanes_below;
		uint got[BATCH], begin[BATCH];
		uint nr = r.nr_rounds[half_in];
		uint at = r.position, total = 0, nr_pieces = 0, nr_begun = 0;
		uint round_total, low, high, dummy;
		int from = before.left != 0 ? before.begin + (int)before.nbytes : 0;
		bool is_wrong = false;

		if (nr == 0) {
			if (lane == 0)
				r.windows[half_out] = window_info{ 0, 0, 0, 0 };
			return true;
		}
		r.map[half_out][2 * lane].begins = 0;
		r.map[half_out][2 * lane + 1].begins = 0;
#pragma unroll
		for (uint i = 0; i < BATCH; i++)
			got[i] = i < nr ? r.tokens[half_in][32 * i + lane] : 0;
#pragma unroll
		for (uint i = 0; i < BATCH; i++) {
			begin[i] = total + sum_below(token_nbytes(got[i]), lane, round_total);
			total += round_total;
			is_wrong = is_wrong || (got[i] & 0xffff) > at + begin[i];
		}
		is_wrong = is_wrong || total > this->dst_nbytes - at;
		meet();
#pragma unroll
		for (uint i = 0; i < BATCH; i++) {
			uint made = lanes_with(got[i] != 0);
			int b = (int)begin[i] - from;

			if (got[i] != 0) {
				r.pieces[half_out][nr_pieces + __popc(made & lanes_below)] =
					piece{ got[i], (int)begin[i] };
				if (b >= 0 && b < (int)WINDOW)
					atomicOr(&r.map[half_out][b >> 5].begins, 1u << (b & 31));
			}
			nr_pieces += __popc(made);
			if (from != 0)
				nr_begun += __popc(lanes_with(got[i] != 0 && b < 0));
		}
		meet();
		low = __popc(r.map[half_out][2 * lane].begins);
		high = __popc(r.map[half_out][2 * lane + 1].begins);
		nr_begun += sum_below(low + high, lane, dummy) - 1;
		r.map[half_out][2 * lane].before = nr_begun;
		r.map[half_out][2 * lane + 1].before = nr_begun + low;
		if (any_of_all(is_wrong))
			return false;
		if (lane == 0) {
			uint left = total - (uint)from;
			uint nbytes = min(left, WINDOW);

			r.windows[half_out] =
				window_info{ at + (uint)from, from, nbytes, left - nbytes };
			if (left == nbytes)
				r.position = at + total;
		}
		return true;
	}

	/*
	 * Where a byte of the window comes from: another byte there, or, negative, one before
	 * it; or its value with LITERAL_BYTE, which is negative too.
	 */
	__device__ __forceinline__ int look_up(uint half_in, int begin, int i) const
	{
		map_word w = r.map[half_in][i >> 5];
		piece p = r.pieces[half_in][w.before + __popc(w.begins & (~0u >> (31 - (i & 31))))];
		int dist = (int)(p.token & 0xffff);
		int done = i + begin - p.begin; /* bytes of the token before this one */

		if (dist == 0)
			return (int)(LITERAL_BYTE | (p.token >> 16 & 255));
		if (done >= dist) {
			/* It repeats what it copies. The quotient may be off by one. */
			int q = (int)((float)done / (float)dist);
			int rest = done - q * dist;

			rest += rest < 0 ? dist : 0;
			rest -= rest >= dist ? dist : 0;
			return i - done - dist + rest;
		}
		return i - dist;
	}

	__device__ __forceinline__ void write_window(uint half_in, window_info w, uint member,
						     uint nr_members)
	{
		for (uint i = member; i < w.nbytes; i += nr_members) {
			int from = (int)i;

			do
				from = look_up(half_in, w.begin, from);
			while (from >= 0);
			/* Literals are far below all places. */
			if (from >= -(1 << 24))
				from = this->dst[(uint)((int)w.at + from)];
			this->dst[w.at + i] = (uint8_t)from;
		}
	}

	/* Fills a batch; returns how many rounds it has. */
	__device__ __forceinline__ uint decode_batch(uint half_out)
	{
		uint nr = 0;

		while (nr < BATCH && this->state == AT_SYMBOLS) {
			r.tokens[half_out][32 * nr + this->lane] = this->decode_round();
			nr++;
			this->look_for_end();
		}
		return nr;
	}

	/* A step of the decoder. It has to hold if the arranger has not yet finished with its batch. */
	__device__ __forceinline__ void decode(uint step, uint half_out, bool must_hold,
					       bool is_drained)
	{
		uint nr = 0;
		bool wants = false;

		if (this->state == AT_TABLES) {
			this->state = AT_SYMBOLS;
		} else if (!must_hold) {
			if (this->state == AT_SYMBOLS) {
				nr = decode_batch(half_out);
			} else if (this->state == AT_STORED && is_drained) {
				uint end = this->decode_stored(this->stored_nbytes, r.position);

				if (this->lane == 0)
					r.position = end;
				this->state = this->is_final ? AT_END : AT_HEAD;
			} else if (this->state == AT_HEAD) {
				this->read_head();
				wants = this->state == AT_TABLES;
			}
		}
		this->is_bad = any_of_all(this->is_bad);
		if (this->lane == 0) {
			if (!must_hold)
				r.nr_rounds[half_out] = nr;
			r.wants_tables[step & 1] = wants ? 1 : 0;
			r.is_finished[step & 1] = this->state == AT_END ? 1 : 0;
			if (this->is_bad)
				r.is_broken[step & 1] = 1;
		}
	}

	/* At least 3 roles. Returns whether the tile is decoded. */
	__device__ __forceinline__ bool decode_tile(uint role, uint nr_roles)
	{
		uint batch = 0;

		if (role == 0)
			this->begin_input();
		/* Ends, since each batch uses up input and each window advances in one. */
		for (uint step = 0;; step++) {
			uint now = step & 1, then = now ^ 1;
			window_info w = r.windows[then];
			bool must_hold = w.left != 0;
			bool is_drained = r.nr_rounds[batch & 1] == 0 && w.nbytes == 0;

			if (r.is_broken[then] != 0)
				return false;
			if (is_drained && r.is_finished[then] != 0)
				return r.position == this->dst_nbytes;
			batch += must_hold ? 0 : 1;
			if (r.wants_tables[then] != 0)
				this->make_tables(32 * role + this->lane, 32 * nr_roles);
			if (role == 0)
				decode(step, batch & 1, must_hold, is_drained);
			if (role == 1 && !arrange((batch & 1) ^ 1, now, w) && this->lane == 0)
				r.is_broken[now] = 1;
			if (role >= 2 && w.nbytes != 0)
				write_window(then, w, 32 * (role - 2) + this->lane,
					     32 * (nr_roles - 2));
			__syncthreads();
		}
	}
};

/* -------------------------------------------------------------- kernels */

/* For few tiles: a block of 8 warps each. */
extern "C" __global__ void __launch_bounds__(256)
	ds_gdeflate_few(const tile *tiles, uint32_t *status, uint32_t nr_tiles)
{
	constexpr uint BATCH = 6;
	__shared__ tile_memory<10, 8> tables;
	__shared__ role_memory<BATCH> roles;
	uint i = threadIdx.x, index = blockIdx.x;
	bool is_good = false;

	if (index >= nr_tiles)
		return;
	if (i < 2) {
		roles.nr_rounds[i] = 0;
		roles.windows[i] = window_info{ 0, 0, 0, 0 };
		roles.wants_tables[i] = 0;
		roles.is_finished[i] = 0;
		roles.is_broken[i] = 0;
		roles.position = 0;
	}
	__syncthreads();

	tile t = tiles[index];
	role_decoder<10, 8, BATCH> d(tables, roles, t);

	if (d.nr_words >= 32)
		is_good = d.decode_tile(i / 32, blockDim.x / 32);
	if (i == 0)
		status[index] = is_good ? 0 : 1;
}

/* For many tiles: a warp each, two in a block. */
extern "C" __global__ void __launch_bounds__(64)
	ds_gdeflate_many(const tile *tiles, uint32_t *status, uint32_t nr_tiles)
{
	constexpr uint SLOTS = 2;
	__shared__ tile_memory<7, 5> tables[SLOTS];
	uint slot = threadIdx.x / 32, index = blockIdx.x * SLOTS + slot;
	bool is_good = false;

	if (index >= nr_tiles)
		return;

	tile t = tiles[index];
	decoder<7, 5> d(tables[slot], t);

	if (d.nr_words >= 32)
		is_good = d.decode_alone();
	if (d.lane == 0)
		status[index] = is_good ? 0 : 1;
}

/* -------------------------------------------------------------- checksum */

/* As in checksum.h of this folder. */
static __device__ __forceinline__ uint64_t mix(uint64_t v, uint64_t index)
{
	v ^= (index + 1) * 0x9e3779b97f4a7c15u;
	v = (v ^ (v >> 32)) * 0xd6e8feb86659fd93u;
	v = (v ^ (v >> 32)) * 0xd6e8feb86659fd93u;
	return v ^ (v >> 32);
}

static __device__ __forceinline__ uint64_t load_word(const uint8_t *p, uint64_t nbytes)
{
	uint64_t v = 0;

	for (uint i = 0; i < 8 && i < nbytes; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

/* Adds to *sum. */
extern "C" __global__ void __launch_bounds__(256)
	ds_checksum(const uint8_t *data, uint64_t nbytes, unsigned long long *sum)
{
	uint64_t nr = (nbytes + 7) / 8, mine = 0;
	uint64_t stride = (uint64_t)gridDim.x * blockDim.x;
	bool is_aligned = ((uintptr_t)data & 7) == 0;

	for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < nr; i += stride) {
		uint64_t left = nbytes - 8 * i;
		uint64_t v = is_aligned && left >= 8 ? ((const uint64_t *)data)[i]
						     : load_word(data + 8 * i, left);

		mine += mix(v, i);
	}
#pragma unroll
	for (int i = 16; i; i >>= 1)
		mine += __shfl_down_sync(ALL_LANES, mine, i);
	if ((threadIdx.x & 31) == 0)
		atomicAdd(sum, (unsigned long long)mine);
}
