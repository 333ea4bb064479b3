/* SPDX-License-Identifier: MIT */
/* stream.c: whole tile streams on the calling thread. */
#include <stdlib.h>

#include "codec/gdeflate/decode.h"
#include "codec/gdeflate/format.h"
#include "ds_gdeflate.h"

ds_result ds_gd_decompress(struct ds_gdeflate_decoder *dec, const void *in, size_t in_nbytes,
			   void *out, size_t out_nbytes)
{
	struct ds_gdeflate_info info = DS_GDEFLATE_INFO_INIT;
	const uint8_t *src = in;
	uint8_t *dst = out;
	ds_result ret;

	ret = ds_gdeflate_parse_header(in, in_nbytes, &info);
	if (ret)
		return ret;
	if (info.uncompressed_nbytes != out_nbytes)
		return DS_ERR_SIZE_MISMATCH;
	ret = ds_gdeflate_check_table(in, &info, in_nbytes);
	for (uint32_t i = 0; !ret && i < info.nr_tiles; i++) {
		uint64_t offset;
		uint32_t nbytes, tile_nbytes;

		ds_gdeflate_tile_range(in, &info, i, &offset, &nbytes, &tile_nbytes);
		ret = ds_gdeflate_decode_tile(dec, src + offset, nbytes, dst, tile_nbytes);
		dst += tile_nbytes;
	}
	return ret;
}

ds_result ds_gdeflate_decompress(const void *in, size_t in_nbytes, void *out, size_t out_nbytes)
{
	struct ds_gdeflate_decoder *dec;
	ds_result ret;

	if ((!in && in_nbytes) || (!out && out_nbytes))
		return DS_ERR_INVALID_ARGUMENT;
	ret = ds_gdeflate_decoder_create(&dec);
	if (ret)
		return ret;
	ret = ds_gd_decompress(dec, in, in_nbytes, out, out_nbytes);
	ds_gdeflate_decoder_destroy(dec);
	return ret;
}

/* What compressing a stream needs beside an encoder. */
struct work {
	struct ds_gdeflate_encoder *enc;
	uint8_t buffer[DS_GDEFLATE_TILE_BOUND_NBYTES];
	uint32_t sizes[]; /* of the tiles */
};

/* Encodes one tile to where room bytes are left, by way of the buffer when they might not do. */
static ds_result compress_tile(struct work *w, const uint8_t *in, size_t in_nbytes, uint8_t *out,
			       size_t room, size_t *out_nbytes)
{
	bool is_tight = room < sizeof(w->buffer);
	ds_result ret;

	ret = ds_gdeflate_encode_tile(w->enc, in, in_nbytes, is_tight ? w->buffer : out,
				      out_nbytes);
	if (ret || !is_tight)
		return ret;
	if (*out_nbytes > room)
		return DS_ERR_DESTINATION_TOO_SMALL;
	memcpy(out, w->buffer, *out_nbytes);
	return DS_OK;
}

static ds_result compress_tiles(struct work *w, uint32_t nr_tiles, const uint8_t *in,
				size_t in_nbytes, uint8_t *out, size_t out_room, size_t *out_nbytes)
{
	size_t at = DS_GDEFLATE_HEADER_NBYTES + 4 * (size_t)nr_tiles;
	size_t left = in_nbytes, nbytes, tile_nbytes;
	ds_result ret;

	if (out_room < at)
		return DS_ERR_DESTINATION_TOO_SMALL;
	for (uint32_t i = 0; i < nr_tiles; i++) {
		nbytes = left < DS_GDEFLATE_TILE_NBYTES ? left : DS_GDEFLATE_TILE_NBYTES;
		ret = compress_tile(w, in, nbytes, out + at, out_room - at, &tile_nbytes);
		if (ret)
			return ret;
		w->sizes[i] = (uint32_t)tile_nbytes;
		at += tile_nbytes;
		in += nbytes;
		left -= nbytes;
	}
	*out_nbytes = at;
	return ds_gdeflate_write_head(w->sizes, nr_tiles, in_nbytes, out);
}

ds_result ds_gdeflate_compress(int level, const void *in, size_t in_nbytes, void *out,
			       size_t out_room, size_t *out_nbytes)
{
	struct work *w;
	uint32_t nr_tiles;
	size_t nbytes;
	ds_result ret;

	if ((!in && in_nbytes) || !out || !out_nbytes)
		return DS_ERR_INVALID_ARGUMENT;
	if (in_nbytes > DS_GDEFLATE_MAX_NBYTES)
		return DS_ERR_OUT_OF_RANGE;
	nr_tiles = (uint32_t)(in_nbytes / DS_GDEFLATE_TILE_NBYTES +
			      (in_nbytes % DS_GDEFLATE_TILE_NBYTES != 0));
	w = malloc(sizeof(*w) + nr_tiles * sizeof(w->sizes[0]));
	if (!w)
		return DS_ERR_NO_MEMORY;
	ret = ds_gdeflate_encoder_create(level, &w->enc);
	if (ret)
		goto out_free;
	ret = compress_tiles(w, nr_tiles, in, in_nbytes, out, out_room, &nbytes);
	if (!ret)
		*out_nbytes = nbytes;
	ds_gdeflate_encoder_destroy(w->enc);
out_free:
	free(w);
	return ret;
}
