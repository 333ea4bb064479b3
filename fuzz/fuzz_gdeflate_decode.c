/* SPDX-License-Identifier: MIT */
/*
 * fuzz_gdeflate_decode.c: any bytes as a tile stream, and as a single tile.
 *
 * Every decoder that runs on this processor must come to the same verdict, and on success to
 * the same bytes. Buffers are exactly as large as they are said to be, so that a
 * sanitizer sees the first byte too far.
 *
 * Input: three bytes of the size that the caller expects, then the stream. With the
 * highest bit set, what follows is one tile, and the size that of the tile.
 */
#include <stdlib.h>
#include <string.h>

#include "codec/gdeflate/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);

enum {
	HEAD = 3,
	MAX_OUT = 4 * 65536, /* more tiles than that only take time */
};

static struct ds_gdeflate_decoder *decoders[GD_NR_PATHS];

static void create_decoders(void)
{
	for (unsigned path = 0; path < GD_NR_PATHS; path++)
		if (ds_gd_has_path(path) && !decoders[path] &&
		    ds_gd_decoder_create(path, &decoders[path]))
			abort();
}

static ds_result decode(unsigned path, int is_tile, const uint8_t *in, size_t in_nbytes,
			uint8_t *out, size_t out_nbytes)
{
	if (is_tile)
		return ds_gdeflate_decode_tile(decoders[path], in, in_nbytes, out, out_nbytes);
	return ds_gd_decompress(decoders[path], in, in_nbytes, out, out_nbytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes)
{
	size_t out_nbytes, in_nbytes;
	uint8_t *in, *out, *first = NULL;
	ds_result expected = DS_OK, ret;
	int is_tile;

	if (nbytes < HEAD)
		return 0;
	is_tile = data[2] >> 7;
	out_nbytes = (size_t)data[0] | (size_t)data[1] << 8 | (size_t)(data[2] & 0x7f) << 16;
	if (is_tile)
		out_nbytes = out_nbytes % 65536 + 1;
	if (out_nbytes > MAX_OUT)
		return 0;
	in_nbytes = nbytes - HEAD;
	in = malloc(in_nbytes ? in_nbytes : 1);
	if (!in)
		return 0;
	memcpy(in, data + HEAD, in_nbytes);
	create_decoders();
	for (unsigned path = 0; path < GD_NR_PATHS; path++) {
		if (!decoders[path])
			continue;
		out = malloc(out_nbytes ? out_nbytes : 1);
		if (!out)
			abort();
		memset(out, 0xee, out_nbytes);
		ret = decode(path, is_tile, in, in_nbytes, out, out_nbytes);
		if (!first) {
			first = out;
			expected = ret;
			continue;
		}
		if (ret != expected || (ret == DS_OK && memcmp(out, first, out_nbytes) != 0))
			abort();
		free(out);
	}
	free(first);
	free(in);
	return 0;
}
