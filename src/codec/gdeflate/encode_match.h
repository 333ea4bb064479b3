/* SPDX-License-Identifier: MIT */
/* encode_match.h: hashes and comparisons that the match finders share. */
#ifndef DS_GDEFLATE_ENCODE_MATCH_H
#define DS_GDEFLATE_ENCODE_MATCH_H

#include "codec/gdeflate/format.h"

/* Of four bytes, and of the first three of them. */
static inline uint32_t gd_hash4(uint32_t v, unsigned nbits)
{
	return (v * 0x9e3779b1u) >> (32 - nbits);
}

static inline uint32_t gd_hash3(uint32_t v, unsigned nbits)
{
	return ((v << 8) * 0x9e3779b1u) >> (32 - nbits);
}

/* How many bytes are equal, when the first `from` are known to be; at most `most`. */
static inline uint32_t gd_common_length(const uint8_t *a, const uint8_t *b, uint32_t from,
					uint32_t most)
{
	while (from + 8 <= most) {
		uint64_t diff = gd_load64(a + from) ^ gd_load64(b + from);

		if (diff)
			return from + (uint32_t)__builtin_ctzll(diff) / 8;
		from += 8;
	}
	while (from < most && a[from] == b[from])
		from++;
	return from;
}

#endif /* DS_GDEFLATE_ENCODE_MATCH_H */
