/* SPDX-License-Identifier: MIT */
/*
 * fuzz_gdeflate_roundtrip.c: what is encoded, at any level, comes back the same.
 *
 * Input: a byte for the level, a byte by which the rest is repeated, then the data. The
 * repetition makes whole tiles out of small inputs.
 */
#include <stdlib.h>
#include <string.h>

#include "codec/gdeflate/decode.h"
#include "codec/gdeflate/encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);

enum {
	HEAD = 2,
	MAX_NBYTES = 70000,
};

static struct ds_gdeflate_decoder *decoders[GD_NR_PATHS];
static struct ds_gdeflate_encoder *encoders[DS_GDEFLATE_LEVEL_SMALLEST + 1][GD_NR_PATHS];

static void check(const uint8_t *stream, size_t stream_nbytes, const uint8_t *in, size_t nbytes)
{
	uint8_t *back = malloc(nbytes ? nbytes : 1);

	if (!back)
		abort();
	for (unsigned path = 0; path < GD_NR_PATHS; path++) {
		if (!ds_gd_has_path(path))
			continue;
		if (!decoders[path] && ds_gd_decoder_create(path, &decoders[path]))
			abort();
		memset(back, 0xee, nbytes);
		if (ds_gd_decompress(decoders[path], stream, stream_nbytes, back, nbytes) ||
		    (nbytes && memcmp(back, in, nbytes) != 0))
			abort();
	}
	free(back);
}

/* The first tile, by the encoder for each instruction set: all must give the same. */
static void check_encoders(int level, const uint8_t *in, size_t nbytes)
{
	static uint8_t out[DS_GDEFLATE_TILE_BOUND_NBYTES], first[DS_GDEFLATE_TILE_BOUND_NBYTES];
	size_t first_nbytes = 0, out_nbytes;

	nbytes = nbytes < DS_GDEFLATE_TILE_NBYTES ? nbytes : DS_GDEFLATE_TILE_NBYTES;
	for (unsigned path = GD_PATH_SCALAR; path < GD_NR_PATHS && nbytes; path++) {
		if (!ds_gd_has_path(path))
			continue;
		if (!encoders[level][path] &&
		    ds_gd_encoder_create(level, path, &encoders[level][path]))
			abort();
		if (ds_gdeflate_encode_tile(encoders[level][path], in, nbytes, out, &out_nbytes))
			abort();
		if (path == GD_PATH_SCALAR) {
			first_nbytes = out_nbytes;
			memcpy(first, out, out_nbytes);
		} else if (out_nbytes != first_nbytes || memcmp(first, out, out_nbytes) != 0) {
			abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes)
{
	size_t one, times, total, room, stream_nbytes, again_nbytes;
	uint8_t *in, *stream, *again;
	int level;

	if (nbytes < HEAD)
		return 0;
	level = data[0] % (DS_GDEFLATE_LEVEL_SMALLEST + 1);
	one = nbytes - HEAD;
	times = 1 + (size_t)data[1] * data[1];
	if (one * times > MAX_NBYTES)
		times = one > MAX_NBYTES ? 1 : MAX_NBYTES / (one ? one : 1);
	total = one * times;
	room = (size_t)ds_gdeflate_bound(total);
	in = malloc(total ? total : 1);
	stream = malloc(room);
	if (!in || !stream)
		abort();
	for (size_t i = 0; i < times; i++)
		memcpy(in + i * one, data + HEAD, one);
	if (ds_gdeflate_compress(level, in, total, stream, room, &stream_nbytes) ||
	    stream_nbytes > room)
		abort();
	check(stream, stream_nbytes, in, total);
	check_encoders(level, in, total);

	/* The same again, into just enough room. */
	again = malloc(stream_nbytes);
	if (!again)
		abort();
	if (ds_gdeflate_compress(level, in, total, again, stream_nbytes, &again_nbytes) ||
	    again_nbytes != stream_nbytes || memcmp(again, stream, stream_nbytes) != 0)
		abort();
	free(again);
	free(stream);
	free(in);
	return 0;
}
