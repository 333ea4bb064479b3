/* SPDX-License-Identifier: MIT */
/* decode_copy_x86.h: short copies for decode_symbols.h, with SSSE3 and more. */

GD_INLINE size_t literals_before(const struct gd_round *r, unsigned lane)
{
	return (size_t)_mm_popcnt_u64(_bzhi_u64(r->literals, lane));
}

GD_INLINE void copy16(uint8_t *to, const uint8_t *from)
{
	_mm_storeu_si128((__m128i *)(void *)to,
			 _mm_loadu_si128((const __m128i *)(const void *)from));
}

/* Repeats the `distance` bytes before out until end, and some more; distance is below 16. */
GD_INLINE void repeat16(uint8_t *out, const uint8_t *end, unsigned distance)
{
	/* Byte i of the pattern for distance d is i % d; whole periods of it are a step. */
#define ROW(d)                                                                                \
	{                                                                                     \
		0 % d, 1 % d, 2 % d, 3 % d, 4 % d, 5 % d, 6 % d, 7 % d, 8 % d, 9 % d, 10 % d, \
			11 % d, 12 % d, 13 % d, 14 % d, 15 % d                                \
	}
	static const uint8_t pattern[16][16] = {
		ROW(1), ROW(1), ROW(2),	 ROW(3),  ROW(4),  ROW(5),  ROW(6),  ROW(7),
		ROW(8), ROW(9), ROW(10), ROW(11), ROW(12), ROW(13), ROW(14), ROW(15),
	};
	static const uint8_t step[16] = { 16, 16, 16, 15, 16, 15, 12, 14,
					  16, 9,  10, 11, 12, 13, 14, 15 };
#undef ROW
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(out - distance));

	v = _mm_shuffle_epi8(v, _mm_loadu_si128((const __m128i *)(const void *)pattern[distance]));
	do {
		_mm_storeu_si128((__m128i *)(void *)out, v);
		out += step[distance];
	} while (out < end);
}
