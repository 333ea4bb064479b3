/* SPDX-License-Identifier: MIT */
/*
 * codec_pipe.c: streams that pass through, however large, in constant memory.
 *
 * Constant but for the table, which has 4 bytes for each 64 KiB. The calling thread
 * reads and writes; see ring.h for who encodes and decodes meanwhile.
 */
#include <string.h>

#include "gdeflate/codec.h"

struct pipe_job {
	struct ds_gdeflate_codec *codec;
	const struct ds_gdeflate_pipe *pipe;
	uint64_t in_left; /* compressing: bytes that are still to be read */
	uint64_t read_nbytes;
	uint64_t written;
	uint32_t nr_tiles;
	uint32_t next_tile;
	uint32_t failed_tile;
	uint32_t *tile_nbytes;	      /* compressing */
	void *head;		      /* decompressing: header and table */
	struct ds_gdeflate_info info; /* decompressing */
};

static bool is_good(const struct ds_gdeflate_codec *codec, const struct ds_gdeflate_pipe *pipe,
		    const struct ds_gdeflate_passage *passage)
{
	return codec && pipe && pipe->size >= sizeof(*pipe) && !pipe->reserved && pipe->read &&
	       pipe->write && (!passage || passage->size >= sizeof(*passage));
}

static ds_result read_exactly(struct pipe_job *job, void *data, size_t nbytes)
{
	size_t got = 0;
	ds_result ret = DS_OK;

	if (nbytes)
		ret = job->pipe->read(job->pipe->user, data, nbytes, &got);
	job->read_nbytes += got;
	return ret ? ret : got == nbytes ? DS_OK : DS_ERR_END_OF_FILE;
}

static ds_result write_next(struct pipe_job *job, const void *data, size_t nbytes)
{
	ds_result ret = job->pipe->write(job->pipe->user, data, nbytes, job->written);

	if (!ret)
		job->written += nbytes;
	return ret;
}

static ds_result tell(const struct pipe_job *job, ds_result ret,
		      struct ds_gdeflate_passage *passage)
{
	if (passage) {
		passage->nr_tiles = job->nr_tiles;
		passage->in_nbytes = job->read_nbytes;
		passage->out_nbytes = job->written;
		passage->failed_tile = job->failed_tile;
	}
	return ret;
}

static ds_result result_of(struct pipe_job *job, const struct gd_run *run)
{
	if (run->result)
		job->failed_tile = run->failed_tile;
	return run->result;
}

/* ------------------------------------------------------------- compressing */

static bool fill_compress(void *arg, unsigned block, ds_result *ret)
{
	struct pipe_job *job = arg;
	struct gd_run *run = &job->codec->runs[block];
	size_t nbytes = 0;

	run->first_tile = job->next_tile;
	run->nr_tiles = gd_min_u32(GD_BLOCK_TILES, job->nr_tiles - job->next_tile);
	for (uint32_t i = 0; i < run->nr_tiles; i++) {
		run->src_nbytes[i] = gd_tile_nbytes(job->in_left - nbytes);
		nbytes += run->src_nbytes[i];
	}
	if (!nbytes)
		return false;
	run->src = run->in;
	run->dst = run->out;
	*ret = read_exactly(job, run->in, nbytes);
	job->in_left -= nbytes;
	job->next_tile += run->nr_tiles;
	return !*ret;
}

static void work_compress(void *arg, unsigned block, unsigned thread)
{
	struct pipe_job *job = arg;

	ds_gd_codec_encode(job->codec, &job->codec->runs[block], thread);
}

static ds_result drain_compress(void *arg, unsigned block)
{
	struct pipe_job *job = arg;
	struct gd_run *run = &job->codec->runs[block];
	size_t nbytes = 0;

	if (run->result)
		return result_of(job, run);
	for (uint32_t i = 0; i < run->nr_tiles; i++) {
		job->tile_nbytes[run->first_tile + i] = run->dst_nbytes[i];
		nbytes += run->dst_nbytes[i];
	}
	return write_next(job, run->out, nbytes);
}

/* The head's place is left empty until its numbers are known. */
static ds_result compress_all(struct pipe_job *job, uint64_t in_nbytes, size_t head_nbytes)
{
	static const struct gd_ring_ops ops = { fill_compress, work_compress, drain_compress };
	ds_result ret;

	ret = ds_gd_codec_make_encoders(job->codec);
	if (!ret)
		ret = ds_gd_codec_make_room(job->codec, true, true);
	job->written = head_nbytes;
	if (!ret)
		ret = ds_gd_ring_run(&job->codec->ring, &ops, job);
	if (!ret)
		ret = ds_gdeflate_write_head(job->tile_nbytes, job->nr_tiles, in_nbytes, job->head);
	if (!ret)
		ret = job->pipe->write(job->pipe->user, job->head, head_nbytes, 0);
	return ret;
}

ds_result ds_gdeflate_codec_compress_pipe(struct ds_gdeflate_codec *codec,
					  const struct ds_gdeflate_pipe *pipe, uint64_t in_nbytes,
					  struct ds_gdeflate_passage *passage)
{
	struct pipe_job job = { .codec = codec, .pipe = pipe, .in_left = in_nbytes };
	size_t head_nbytes;
	ds_result ret = DS_ERR_NO_MEMORY;

	if (!is_good(codec, pipe, passage))
		return DS_ERR_INVALID_ARGUMENT;
	if (in_nbytes > DS_GDEFLATE_MAX_NBYTES)
		return DS_ERR_OUT_OF_RANGE;
	job.nr_tiles = job.failed_tile = gd_nr_tiles(in_nbytes);
	head_nbytes = DS_GDEFLATE_HEADER_NBYTES + 4 * (size_t)job.nr_tiles;
	job.tile_nbytes = gd_alloc(&codec->allocator, 4 * ((size_t)job.nr_tiles + 1));
	job.head = gd_alloc(&codec->allocator, head_nbytes);
	if (job.tile_nbytes && job.head)
		ret = compress_all(&job, in_nbytes, head_nbytes);
	gd_free(&codec->allocator, job.tile_nbytes);
	gd_free(&codec->allocator, job.head);
	return tell(&job, ret, passage);
}

/* ----------------------------------------------------------- decompressing */

/* Takes as many tiles as the run's memory holds; each one fits alone. */
static bool fill_decompress(void *arg, unsigned block, ds_result *ret)
{
	struct pipe_job *job = arg;
	struct gd_run *run = &job->codec->runs[block];
	uint32_t i = 0, src_nbytes, dst_nbytes;
	size_t nbytes = 0;
	uint64_t offset;

	run->first_tile = job->next_tile;
	for (; i < GD_BLOCK_TILES && job->next_tile < job->nr_tiles; i++, job->next_tile++) {
		ds_gdeflate_tile_range(job->head, &job->info, job->next_tile, &offset, &src_nbytes,
				       &dst_nbytes);
		if (src_nbytes > DS_GDEFLATE_PIPE_TILE_NBYTES) {
			job->failed_tile = job->next_tile;
			*ret = DS_ERR_CORRUPT_DATA;
			return false;
		}
		if (nbytes + src_nbytes > GD_BLOCK_ROOM)
			break;
		run->src_nbytes[i] = src_nbytes;
		run->dst_nbytes[i] = dst_nbytes;
		nbytes += src_nbytes;
	}
	run->nr_tiles = i;
	run->src = run->in;
	run->dst = run->out;
	if (i)
		*ret = read_exactly(job, run->in, nbytes);
	return i && !*ret;
}

static void work_decompress(void *arg, unsigned block, unsigned thread)
{
	struct pipe_job *job = arg;

	ds_gd_codec_decode(job->codec, &job->codec->runs[block], thread);
}

/* Of a block with a damaged tile, what lies before that is written all the same. */
static ds_result drain_decompress(void *arg, unsigned block)
{
	struct pipe_job *job = arg;
	struct gd_run *run = &job->codec->runs[block];
	uint32_t nr_whole = run->result ? run->failed_tile - run->first_tile : run->nr_tiles;
	size_t nbytes = 0;
	ds_result ret = DS_OK;

	for (uint32_t i = 0; i < nr_whole; i++)
		nbytes += run->dst_nbytes[i];
	if (nbytes)
		ret = write_next(job, run->out, nbytes);
	return ret ? ret : result_of(job, run);
}

static ds_result read_head(struct pipe_job *job, const uint8_t *header)
{
	ds_result ret;

	memcpy(job->head, header, DS_GDEFLATE_HEADER_NBYTES);
	ret = read_exactly(job, (uint8_t *)job->head + DS_GDEFLATE_HEADER_NBYTES,
			   (size_t)job->info.head_nbytes - DS_GDEFLATE_HEADER_NBYTES);
	/* How long the stream is shows only when it is read. */
	return ret ? ret : ds_gdeflate_check_table(job->head, &job->info, UINT64_MAX);
}

static ds_result decompress_all(struct pipe_job *job)
{
	static const struct gd_ring_ops ops = { fill_decompress, work_decompress,
						drain_decompress };
	uint8_t header[DS_GDEFLATE_HEADER_NBYTES];
	ds_result ret;

	ret = read_exactly(job, header, sizeof(header));
	if (!ret)
		ret = ds_gdeflate_parse_header(header, sizeof(header), &job->info);
	if (ret)
		return ret;
	job->nr_tiles = job->failed_tile = job->info.nr_tiles;
	job->head = gd_alloc(&job->codec->allocator, (size_t)job->info.head_nbytes);
	if (!job->head)
		return DS_ERR_NO_MEMORY;
	ret = read_head(job, header);
	if (!ret)
		ret = ds_gd_codec_make_decoders(job->codec);
	if (!ret)
		ret = ds_gd_codec_make_room(job->codec, true, true);
	if (!ret)
		ret = ds_gd_ring_run(&job->codec->ring, &ops, job);
	gd_free(&job->codec->allocator, job->head);
	return ret;
}

ds_result ds_gdeflate_codec_decompress_pipe(struct ds_gdeflate_codec *codec,
					    const struct ds_gdeflate_pipe *pipe,
					    struct ds_gdeflate_passage *passage)
{
	struct pipe_job job = {
		.codec = codec,
		.pipe = pipe,
		.info = DS_GDEFLATE_INFO_INIT,
	};

	if (!is_good(codec, pipe, passage))
		return DS_ERR_INVALID_ARGUMENT;
	return tell(&job, decompress_all(&job), passage);
}
