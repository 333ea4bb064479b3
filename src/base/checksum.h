/* SPDX-License-Identifier: MIT */
/*
 * checksum.h: the sum of ds_gds_checksum(), over host memory; gdeflate_decode.cu has the same
 * for devices. The terms are added, so any part may be summed by anybody, in any order.
 */
#ifndef DS_BASE_CHECKSUM_H
#define DS_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t ds_checksum_mix(uint64_t v, uint64_t index)
{
	v ^= (index + 1) * UINT64_C(0x9e3779b97f4a7c15);
	v = (v ^ (v >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	v = (v ^ (v >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	return v ^ (v >> 32);
}

/* The terms of data, whose first word has that index. Only the last part may have a broken word. */
static inline uint64_t ds_checksum_part(const void *data, size_t nbytes, uint64_t index)
{
	const unsigned char *p = data;
	uint64_t sum = 0, v;

	for (; nbytes >= 8; nbytes -= 8, p += 8) {
		memcpy(&v, p, 8);
		sum += ds_checksum_mix(v, index++);
	}
	if (nbytes) {
		v = 0;
		memcpy(&v, p, nbytes);
		sum += ds_checksum_mix(v, index);
	}
	return sum;
}

#endif /* DS_BASE_CHECKSUM_H */
