/* SPDX-License-Identifier: MIT */
/* format.c: the constant tables of the format. */
#include "codec/gdeflate/format.h"

/* The last one differs from DEFLATE: 16 extra bits, so that a copy can fill a tile. */
const uint16_t ds_gd_length_base[GD_NR_LENGTHS] = {
	3,  4,	5,  6,	7,  8,	9,  10, 11,  13,  15,  17,  19,	 23, 27,
	31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 3,
};

const uint8_t ds_gd_length_extra[GD_NR_LENGTHS] = {
	0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 16,
};

const uint8_t ds_gd_precode_order[GD_NR_PRECODE] = {
	16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
};

void ds_gd_fixed_lens(uint8_t *lens)
{
	memset(lens, 8, 144);
	memset(lens + 144, 9, 256 - 144);
	memset(lens + 256, 7, 280 - 256);
	memset(lens + 280, 8, GD_NR_LITLEN - 280);
	memset(lens + GD_NR_LITLEN, 5, GD_NR_DIST);
}
