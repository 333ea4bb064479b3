/* SPDX-License-Identifier: MIT */
/*
 * container.c: the header and the table of tile streams.
 *
 *	byte 0	    4
 *	byte 1	    4 ^ 0xff
 *	bytes 2-3   number of tiles
 *	bytes 4-7   bits 0-1: 1 (tiles of 64 KiB); bits 2-19: bytes in the last tile, 0 for
 *		    a whole one; the rest reserved
 *	then	    one word a tile: where it starts, counted from the end of the table.
 *		    The first tile starts at 0, so its slot holds the last tile's size.
 *
 * Tiles lie back to back. Everything read here is untrusted; sums are in 64 bits.
 */
#include "codec/gdeflate/format.h"
#include "ds_gdeflate.h"

enum {
	STREAM_ID = 4,
	TILE_SIZE_INDEX = 1,
	LAST_SHIFT = 2,
	LAST_MASK = 0x3ffff,
	BOUND_GROWTH = DS_GDEFLATE_TILE_BOUND_NBYTES - DS_GDEFLATE_TILE_NBYTES,
};

static uint64_t tiles_for(uint64_t nbytes)
{
	return nbytes / DS_GDEFLATE_TILE_NBYTES + (nbytes % DS_GDEFLATE_TILE_NBYTES != 0);
}

uint64_t ds_gdeflate_bound(uint64_t nbytes)
{
	if (nbytes > DS_GDEFLATE_MAX_NBYTES)
		return 0;
	return DS_GDEFLATE_HEADER_NBYTES + nbytes + tiles_for(nbytes) * (4 + BOUND_GROWTH);
}

ds_result ds_gdeflate_parse_header(const void *in, size_t in_nbytes, struct ds_gdeflate_info *info)
{
	const uint8_t *p = in;
	struct ds_gdeflate_info mine;
	uint32_t nr_tiles, word, last;

	if (!info || info->size != sizeof(mine) || (!in && in_nbytes))
		return DS_ERR_INVALID_ARGUMENT;
	if (in_nbytes < DS_GDEFLATE_HEADER_NBYTES)
		return DS_ERR_CORRUPT_DATA;
	if (p[0] != STREAM_ID || p[1] != (STREAM_ID ^ 0xff))
		return DS_ERR_CORRUPT_DATA;

	nr_tiles = (uint32_t)p[2] | (uint32_t)p[3] << 8;
	word = gd_load32(p + 4);
	last = word >> LAST_SHIFT & LAST_MASK;
	if ((word & 3) != TILE_SIZE_INDEX || last >= DS_GDEFLATE_TILE_NBYTES)
		return DS_ERR_CORRUPT_DATA;
	if (nr_tiles == 0 && last != 0)
		return DS_ERR_CORRUPT_DATA;

	mine.size = sizeof(mine);
	mine.nr_tiles = nr_tiles;
	mine.uncompressed_nbytes = (uint64_t)nr_tiles * DS_GDEFLATE_TILE_NBYTES;
	if (last)
		mine.uncompressed_nbytes -= DS_GDEFLATE_TILE_NBYTES - last;
	mine.head_nbytes = DS_GDEFLATE_HEADER_NBYTES + 4 * (uint64_t)nr_tiles;
	*info = mine;
	return DS_OK;
}

static const uint8_t *slot(const void *head, uint32_t index)
{
	return (const uint8_t *)head + DS_GDEFLATE_HEADER_NBYTES + 4 * (size_t)index;
}

static uint32_t tile_start(const void *head, uint32_t index)
{
	return index ? gd_load32(slot(head, index)) : 0;
}

ds_result ds_gdeflate_check_table(const void *head, const struct ds_gdeflate_info *info,
				  uint64_t stream_nbytes)
{
	uint64_t start = 0, end;

	if (!head || !info)
		return DS_ERR_INVALID_ARGUMENT;
	if (stream_nbytes < info->head_nbytes)
		return DS_ERR_CORRUPT_DATA;
	for (uint32_t i = 0; i < info->nr_tiles; i++) {
		if (i + 1 < info->nr_tiles)
			end = tile_start(head, i + 1);
		else
			end = start + gd_load32(slot(head, 0));
		if (end % 4 || end < start + GD_MIN_TILE_NBYTES)
			return DS_ERR_CORRUPT_DATA;
		start = end;
	}
	/* Starts only grow, so the last end bounds them all. */
	return start <= stream_nbytes - info->head_nbytes ? DS_OK : DS_ERR_CORRUPT_DATA;
}

void ds_gdeflate_tile_range(const void *head, const struct ds_gdeflate_info *info, uint32_t index,
			    uint64_t *offset, uint32_t *nbytes, uint32_t *uncompressed_nbytes)
{
	uint64_t before = (uint64_t)index * DS_GDEFLATE_TILE_NBYTES;
	uint32_t start = tile_start(head, index);

	*offset = info->head_nbytes + start;
	if (index + 1 < info->nr_tiles) {
		*nbytes = tile_start(head, index + 1) - start;
		*uncompressed_nbytes = DS_GDEFLATE_TILE_NBYTES;
	} else {
		*nbytes = gd_load32(slot(head, 0));
		*uncompressed_nbytes = (uint32_t)(info->uncompressed_nbytes - before);
	}
}

ds_result ds_gdeflate_write_head(const uint32_t *tile_nbytes, uint32_t nr_tiles,
				 uint64_t uncompressed_nbytes, void *head)
{
	uint8_t *p = head;
	uint32_t last = (uint32_t)(uncompressed_nbytes % DS_GDEFLATE_TILE_NBYTES);
	uint64_t start = 0;

	if (!head || (!tile_nbytes && nr_tiles) || nr_tiles > DS_GDEFLATE_MAX_TILES ||
	    tiles_for(uncompressed_nbytes) != nr_tiles)
		return DS_ERR_INVALID_ARGUMENT;

	p[0] = STREAM_ID;
	p[1] = STREAM_ID ^ 0xff;
	p[2] = (uint8_t)nr_tiles;
	p[3] = (uint8_t)(nr_tiles >> 8);
	gd_store32(p + 4, TILE_SIZE_INDEX | last << LAST_SHIFT);
	for (uint32_t i = 0; i < nr_tiles; i++) {
		if (tile_nbytes[i] % 4 || tile_nbytes[i] < GD_MIN_TILE_NBYTES)
			return DS_ERR_INVALID_ARGUMENT;
		if (start > UINT32_MAX)
			return DS_ERR_OUT_OF_RANGE;
		gd_store32(p + DS_GDEFLATE_HEADER_NBYTES + 4 * (size_t)i, (uint32_t)start);
		start += tile_nbytes[i];
	}
	if (nr_tiles)
		gd_store32(p + DS_GDEFLATE_HEADER_NBYTES, tile_nbytes[nr_tiles - 1]);
	return DS_OK;
}
