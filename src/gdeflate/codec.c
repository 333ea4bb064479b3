/* SPDX-License-Identifier: MIT */
/*
 * codec.c: the codec object, and streams in memory.
 *
 * Blocks of neighbouring tiles go round a ring of threads. Encoded tiles are put together
 * in the blocks' own memory, since where they go is known only when all before them
 * are done; decoded ones go straight to their place.
 */
#include "gdeflate/codec.h"

#include <string.h>

#include "base/thread.h"

/* ------------------------------------------------------------------- object */

/* Refuses a longer struct with something unknown in it. */
static ds_result copy_config(struct ds_gdeflate_codec_config *mine,
			     const struct ds_gdeflate_codec_config *given)
{
	const unsigned char *bytes = (const unsigned char *)given;

	*mine = (struct ds_gdeflate_codec_config){ .size = sizeof(*mine) };
	if (given) {
		if (given->size < sizeof(*mine) || given->size > 4096)
			return DS_ERR_INVALID_ARGUMENT;
		for (size_t i = sizeof(*mine); i < given->size; i++)
			if (bytes[i])
				return DS_ERR_INVALID_ARGUMENT;
		*mine = *given;
	}
	if (!mine->nr_threads)
		mine->nr_threads = gd_min_u32(ds_cpu_count(), GD_MAX_THREADS);
	if (mine->reserved || mine->nr_threads > GD_MAX_THREADS ||
	    mine->level > DS_GDEFLATE_LEVEL_SMALLEST)
		return DS_ERR_INVALID_ARGUMENT;
	return DS_OK;
}

static void *zero_alloc(struct ds_gdeflate_codec *c, size_t nbytes)
{
	void *p = gd_alloc(&c->allocator, nbytes);

	if (p)
		memset(p, 0, nbytes);
	return p;
}

ds_result ds_gdeflate_codec_create(const struct ds_gdeflate_codec_config *given,
				   struct ds_gdeflate_codec **out)
{
	struct ds_gdeflate_codec_config cfg;
	struct ds_gdeflate_allocator a;
	struct ds_gdeflate_codec *c;
	ds_result ret = copy_config(&cfg, given);

	if (ret || !out)
		return DS_ERR_INVALID_ARGUMENT;
	a = ds_gd_allocator(cfg.allocator);
	if (!a.alloc || !a.free)
		return DS_ERR_INVALID_ARGUMENT;
	c = gd_alloc(&a, sizeof(*c));
	if (!c)
		return DS_ERR_NO_MEMORY;
	memset(c, 0, sizeof(*c));
	c->allocator = a;
	c->level = (int)cfg.level;
	ret = ds_gd_ring_init(&c->ring, cfg.nr_threads, &c->allocator);
	if (ret) {
		gd_free(&a, c);
		return ret;
	}
	c->runs = zero_alloc(c, c->ring.nr_blocks * sizeof(*c->runs));
	c->encoders = zero_alloc(c, c->ring.nr_threads * sizeof(struct ds_gdeflate_encoder *));
	c->decoders = zero_alloc(c, c->ring.nr_threads * sizeof(struct ds_gdeflate_decoder *));
	if (!c->runs || !c->encoders || !c->decoders) {
		ds_gdeflate_codec_destroy(c);
		return DS_ERR_NO_MEMORY;
	}
	*out = c;
	return DS_OK;
}

void ds_gdeflate_codec_destroy(struct ds_gdeflate_codec *c)
{
	struct ds_gdeflate_allocator a;
	unsigned nr_threads;

	if (!c)
		return;
	nr_threads = c->ring.nr_threads;
	ds_gd_ring_fini(&c->ring);
	for (unsigned i = 0; c->encoders && i < nr_threads; i++)
		ds_gdeflate_encoder_destroy(c->encoders[i]);
	for (unsigned i = 0; c->decoders && i < nr_threads; i++)
		ds_gdeflate_decoder_destroy(c->decoders[i]);
	for (unsigned i = 0; c->runs && i < c->ring.nr_blocks; i++) {
		gd_free(&c->allocator, c->runs[i].in);
		gd_free(&c->allocator, c->runs[i].out);
	}
	gd_free(&c->allocator, c->encoders);
	gd_free(&c->allocator, c->decoders);
	gd_free(&c->allocator, c->runs);
	a = c->allocator;
	gd_free(&a, c);
}

ds_result ds_gd_codec_make_encoders(struct ds_gdeflate_codec *c)
{
	ds_result ret = DS_OK;

	for (unsigned i = 0; !ret && i < c->ring.nr_threads; i++)
		if (!c->encoders[i])
			ret = ds_gdeflate_encoder_create_with(&c->allocator, c->level,
							      &c->encoders[i]);
	return ret;
}

ds_result ds_gd_codec_make_decoders(struct ds_gdeflate_codec *c)
{
	ds_result ret = DS_OK;

	for (unsigned i = 0; !ret && i < c->ring.nr_threads; i++)
		if (!c->decoders[i])
			ret = ds_gdeflate_decoder_create_with(&c->allocator, &c->decoders[i]);
	return ret;
}

ds_result ds_gd_codec_make_room(struct ds_gdeflate_codec *c, bool for_in, bool for_out)
{
	for (unsigned i = 0; i < c->ring.nr_blocks; i++) {
		struct gd_run *run = &c->runs[i];

		if (for_in && !run->in)
			run->in = gd_alloc(&c->allocator, GD_BLOCK_ROOM);
		if (for_out && !run->out)
			run->out = gd_alloc(&c->allocator, GD_BLOCK_ROOM);
		if ((for_in && !run->in) || (for_out && !run->out))
			return DS_ERR_NO_MEMORY;
	}
	return DS_OK;
}

uint32_t ds_gd_codec_tiles_per_block(const struct ds_gdeflate_codec *c, uint32_t nr_tiles)
{
	uint32_t share = nr_tiles / (2 * c->ring.nr_threads);

	return share < 1 ? 1 : gd_min_u32(share, GD_BLOCK_TILES);
}

void ds_gd_codec_encode(struct ds_gdeflate_codec *c, struct gd_run *run, unsigned thread)
{
	const uint8_t *src = run->src;
	uint8_t *dst = run->dst;
	size_t nbytes = 0;

	run->result = DS_OK;
	for (uint32_t i = 0; i < run->nr_tiles && !run->result; i++) {
		run->failed_tile = run->first_tile + i;
		run->result = ds_gdeflate_encode_tile(c->encoders[thread], src, run->src_nbytes[i],
						      dst, &nbytes);
		run->dst_nbytes[i] = (uint32_t)nbytes;
		src += run->src_nbytes[i];
		dst += nbytes;
	}
}

void ds_gd_codec_decode(struct ds_gdeflate_codec *c, struct gd_run *run, unsigned thread)
{
	const uint8_t *src = run->src;
	uint8_t *dst = run->dst;

	run->result = DS_OK;
	for (uint32_t i = 0; i < run->nr_tiles && !run->result; i++) {
		run->failed_tile = run->first_tile + i;
		run->result = ds_gdeflate_decode_tile(c->decoders[thread], src, run->src_nbytes[i],
						      dst, run->dst_nbytes[i]);
		src += run->src_nbytes[i];
		dst += run->dst_nbytes[i];
	}
}

/* -------------------------------------------------------- streams in memory */

struct memory_job {
	struct ds_gdeflate_codec *codec;
	const uint8_t *src;
	size_t src_nbytes;
	uint8_t *dst;
	size_t dst_nbytes; /* room, or exactly what is to come out */
	size_t dst_at;	   /* of what is complete; head included */
	uint32_t nr_tiles;
	uint32_t next_tile;
	uint32_t per_block;
	uint32_t *tile_nbytes;		     /* compressing */
	const struct ds_gdeflate_info *info; /* decompressing */
};

static bool fill_compress(void *arg, unsigned block, ds_result *ret)
{
	struct memory_job *job = arg;
	struct gd_run *run = &job->codec->runs[block];
	size_t at = (size_t)job->next_tile * DS_GDEFLATE_TILE_NBYTES;

	(void)ret;
	run->first_tile = job->next_tile;
	run->nr_tiles = gd_min_u32(job->per_block, job->nr_tiles - job->next_tile);
	if (!run->nr_tiles)
		return false;
	run->src = job->src + at;
	run->dst = run->out;
	for (uint32_t i = 0; i < run->nr_tiles; i++, at += DS_GDEFLATE_TILE_NBYTES)
		run->src_nbytes[i] = gd_tile_nbytes(job->src_nbytes - at);
	job->next_tile += run->nr_tiles;
	return true;
}

static void work_compress(void *arg, unsigned block, unsigned thread)
{
	struct memory_job *job = arg;

	ds_gd_codec_encode(job->codec, &job->codec->runs[block], thread);
}

static ds_result drain_compress(void *arg, unsigned block)
{
	struct memory_job *job = arg;
	struct gd_run *run = &job->codec->runs[block];
	size_t nbytes = 0;

	if (run->result)
		return run->result;
	for (uint32_t i = 0; i < run->nr_tiles; i++)
		nbytes += run->dst_nbytes[i];
	if (nbytes > job->dst_nbytes - job->dst_at)
		return DS_ERR_DESTINATION_TOO_SMALL;
	memcpy(job->dst + job->dst_at, run->out, nbytes);
	memcpy(job->tile_nbytes + run->first_tile, run->dst_nbytes,
	       run->nr_tiles * sizeof(run->dst_nbytes[0]));
	job->dst_at += nbytes;
	return DS_OK;
}

static ds_result compress_tiles(struct memory_job *job)
{
	static const struct gd_ring_ops ops = { fill_compress, work_compress, drain_compress };
	ds_result ret = ds_gd_codec_make_encoders(job->codec);

	if (!ret)
		ret = ds_gd_codec_make_room(job->codec, false, true);
	if (!ret)
		ret = ds_gd_ring_run(&job->codec->ring, &ops, job);
	if (!ret)
		ret = ds_gdeflate_write_head(job->tile_nbytes, job->nr_tiles, job->src_nbytes,
					     job->dst);
	return ret;
}

ds_result ds_gdeflate_codec_compress(struct ds_gdeflate_codec *codec, const void *in,
				     size_t in_nbytes, void *out, size_t out_room,
				     size_t *out_nbytes)
{
	struct memory_job job = {
		.codec = codec,
		.src = in,
		.src_nbytes = in_nbytes,
		.dst = out,
		.dst_nbytes = out_room,
	};
	ds_result ret;

	if (!codec || (!in && in_nbytes) || !out || !out_nbytes)
		return DS_ERR_INVALID_ARGUMENT;
	if (in_nbytes > DS_GDEFLATE_MAX_NBYTES)
		return DS_ERR_OUT_OF_RANGE;
	job.nr_tiles = gd_nr_tiles(in_nbytes);
	job.per_block = ds_gd_codec_tiles_per_block(codec, job.nr_tiles);
	job.dst_at = DS_GDEFLATE_HEADER_NBYTES + 4 * (size_t)job.nr_tiles;
	if (out_room < job.dst_at)
		return DS_ERR_DESTINATION_TOO_SMALL;
	job.tile_nbytes = gd_alloc(&codec->allocator, 4 * ((size_t)job.nr_tiles + 1));
	if (!job.tile_nbytes)
		return DS_ERR_NO_MEMORY;
	ret = compress_tiles(&job);
	gd_free(&codec->allocator, job.tile_nbytes);
	if (!ret)
		*out_nbytes = job.dst_at;
	return ret;
}

static bool fill_decompress(void *arg, unsigned block, ds_result *ret)
{
	struct memory_job *job = arg;
	struct gd_run *run = &job->codec->runs[block];

	(void)ret;
	run->first_tile = job->next_tile;
	run->nr_tiles = gd_min_u32(job->per_block, job->nr_tiles - job->next_tile);
	for (uint32_t i = 0; i < run->nr_tiles; i++) {
		uint64_t offset;

		ds_gdeflate_tile_range(job->src, job->info, run->first_tile + i, &offset,
				       &run->src_nbytes[i], &run->dst_nbytes[i]);
		if (i == 0)
			run->src = job->src + offset;
	}
	run->dst = job->dst + (size_t)run->first_tile * DS_GDEFLATE_TILE_NBYTES;
	job->next_tile += run->nr_tiles;
	return run->nr_tiles;
}

static void work_decompress(void *arg, unsigned block, unsigned thread)
{
	struct memory_job *job = arg;

	ds_gd_codec_decode(job->codec, &job->codec->runs[block], thread);
}

static ds_result drain_decompress(void *arg, unsigned block)
{
	struct memory_job *job = arg;

	return job->codec->runs[block].result;
}

ds_result ds_gdeflate_codec_decompress(struct ds_gdeflate_codec *codec, const void *in,
				       size_t in_nbytes, void *out, size_t out_nbytes)
{
	static const struct gd_ring_ops ops = { fill_decompress, work_decompress,
						drain_decompress };
	struct ds_gdeflate_info info = DS_GDEFLATE_INFO_INIT;
	struct memory_job job = {
		.codec = codec,
		.src = in,
		.src_nbytes = in_nbytes,
		.dst = out,
		.dst_nbytes = out_nbytes,
		.info = &info,
	};
	ds_result ret;

	if (!codec || (!in && in_nbytes) || (!out && out_nbytes))
		return DS_ERR_INVALID_ARGUMENT;
	ret = ds_gdeflate_parse_header(in, in_nbytes, &info);
	if (ret)
		return ret;
	if (info.uncompressed_nbytes != out_nbytes)
		return DS_ERR_SIZE_MISMATCH;
	ret = ds_gdeflate_check_table(in, &info, in_nbytes);
	if (!ret)
		ret = ds_gd_codec_make_decoders(codec);
	if (ret)
		return ret;
	job.nr_tiles = info.nr_tiles;
	job.per_block = ds_gd_codec_tiles_per_block(codec, job.nr_tiles);
	return ds_gd_ring_run(&codec->ring, &ops, &job);
}
