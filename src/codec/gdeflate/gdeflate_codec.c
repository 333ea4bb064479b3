/* SPDX-License-Identifier: MIT */
/*
 * gdeflate_codec.c: fits the tile stream into the runtime's codec interface.
 *
 * The head is header and table. How many tiles there are follows from the size that
 * the request declares, so the head's size is known before a byte of it is read.
 */
#include "codec/gdeflate/gdeflate_codec.h"

#include "codec/gdeflate/decode.h"
#include "ds_gdeflate.h"

static ds_result context_create(void **context)
{
	struct ds_gdeflate_decoder *dec;
	ds_result ret = ds_gdeflate_decoder_create(&dec);

	if (!ret)
		*context = dec;
	return ret;
}

static void context_destroy(void *context)
{
	ds_gdeflate_decoder_destroy(context);
}

static ds_result decode(void *context, const void *src, size_t src_nbytes, void *dst,
			size_t dst_nbytes)
{
	return ds_gd_decompress(context, src, src_nbytes, dst, dst_nbytes);
}

static uint64_t tiles_for(uint64_t nbytes)
{
	return nbytes / DS_GDEFLATE_TILE_NBYTES + (nbytes % DS_GDEFLATE_TILE_NBYTES != 0);
}

static uint64_t head_nbytes(uint64_t dst_nbytes)
{
	uint64_t nr_tiles = tiles_for(dst_nbytes);

	/* Larger streams do not exist: the header alone is enough to refuse. */
	if (nr_tiles > DS_GDEFLATE_MAX_TILES)
		return DS_GDEFLATE_HEADER_NBYTES;
	return DS_GDEFLATE_HEADER_NBYTES + 4 * nr_tiles;
}

static ds_result check_head(const void *head, size_t nbytes, uint64_t src_nbytes,
			    uint64_t dst_nbytes, uint32_t *nr_units)
{
	struct ds_gdeflate_info info = DS_GDEFLATE_INFO_INIT;
	ds_result ret;

	ret = ds_gdeflate_parse_header(head, nbytes, &info);
	if (ret)
		return ret;
	if (info.uncompressed_nbytes != dst_nbytes)
		return DS_ERR_SIZE_MISMATCH;
	if (nbytes < info.head_nbytes)
		return DS_ERR_CORRUPT_DATA;
	ret = ds_gdeflate_check_table(head, &info, src_nbytes);
	if (!ret)
		*nr_units = info.nr_tiles;
	return ret;
}

static void unit(const void *head, uint32_t nr_units, uint64_t dst_nbytes, uint32_t index,
		 struct ds_codec_unit *u)
{
	struct ds_gdeflate_info info = {
		.size = sizeof(info),
		.nr_tiles = nr_units,
		.uncompressed_nbytes = dst_nbytes,
		.head_nbytes = DS_GDEFLATE_HEADER_NBYTES + 4 * (uint64_t)nr_units,
	};

	ds_gdeflate_tile_range(head, &info, index, &u->src_offset, &u->src_nbytes, &u->dst_nbytes);
	u->dst_offset = (uint64_t)index * DS_GDEFLATE_TILE_NBYTES;
}

static ds_result decode_unit(void *context, const void *src, size_t src_nbytes, void *dst,
			     size_t dst_nbytes)
{
	return ds_gdeflate_decode_tile(context, src, src_nbytes, dst, dst_nbytes);
}

const struct ds_codec ds_gdeflate_codec = {
	.name = "gdeflate",
	.id = DS_CODEC_GDEFLATE,
	.context_create = context_create,
	.context_destroy = context_destroy,
	.decode = decode,
	.head_nbytes = head_nbytes,
	.check_head = check_head,
	.unit = unit,
	.decode_unit = decode_unit,
};
