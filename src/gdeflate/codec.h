/* SPDX-License-Identifier: MIT */
/* codec.h: what the parts of the codec object share. */
#ifndef DS_GDEFLATE_CODEC_H
#define DS_GDEFLATE_CODEC_H

#include "codec/gdeflate/memory.h"
#include "gdeflate/ring.h"

enum {
	GD_BLOCK_TILES = 8, /* at most */
	GD_BLOCK_ROOM = GD_BLOCK_TILES * DS_GDEFLATE_TILE_BOUND_NBYTES,
	GD_MAX_THREADS = 256,
};

/* A run of neighbouring tiles, on both sides of the coder. */
struct gd_run {
	uint32_t first_tile;
	uint32_t nr_tiles;
	const uint8_t *src;
	uint8_t *dst;
	uint32_t src_nbytes[GD_BLOCK_TILES]; /* side by side */
	uint32_t dst_nbytes[GD_BLOCK_TILES];
	ds_result result;
	uint32_t failed_tile; /* if that is none of DS_OK */
	/* GD_BLOCK_ROOM bytes each, once they have been needed. */
	uint8_t *in, *out;
};

struct ds_gdeflate_codec {
	struct ds_gdeflate_allocator allocator;
	struct gd_ring ring;
	int level;
	struct gd_run *runs; /* one for each of the ring's blocks */
	/* One for each thread, once they have been needed. */
	struct ds_gdeflate_encoder **encoders;
	struct ds_gdeflate_decoder **decoders;
};

static inline uint32_t gd_min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline uint32_t gd_nr_tiles(uint64_t nbytes)
{
	return (uint32_t)((nbytes + DS_GDEFLATE_TILE_NBYTES - 1) / DS_GDEFLATE_TILE_NBYTES);
}

/* Bytes of which 0 are left in the end, dealt to tiles. */
static inline uint32_t gd_tile_nbytes(uint64_t left)
{
	return left < DS_GDEFLATE_TILE_NBYTES ? (uint32_t)left : DS_GDEFLATE_TILE_NBYTES;
}

/* What is needed for the first stream in a direction, and kept from then on. */
ds_result ds_gd_codec_make_encoders(struct ds_gdeflate_codec *c);
ds_result ds_gd_codec_make_decoders(struct ds_gdeflate_codec *c);
/* The buffers of all runs. */
ds_result ds_gd_codec_make_room(struct ds_gdeflate_codec *c, bool for_in, bool for_out);

/* How many tiles to a block, so that all threads have some. */
uint32_t ds_gd_codec_tiles_per_block(const struct ds_gdeflate_codec *c, uint32_t nr_tiles);

/* A ring's work: what src holds to dst. */
void ds_gd_codec_encode(struct ds_gdeflate_codec *c, struct gd_run *run, unsigned thread);
void ds_gd_codec_decode(struct ds_gdeflate_codec *c, struct gd_run *run, unsigned thread);

#endif /* DS_GDEFLATE_CODEC_H */
