/* SPDX-License-Identifier: MIT */
/*
 * format_gdeflate.c: GDeflate tile streams, many tiles at a time.
 *
 * Tiles are independent, so threads encode and decode blocks of neighbouring tiles. The
 * stream's head holds the sizes of all tiles: it is written last and read first, and the
 * tiles themselves pass through in order. Memory does not grow with the file.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ds_gdeflate.h"
#include "format.h"
#include "parallel.h"
#include "tool.h"

#define TILES_PER_BLOCK 8u
#define BLOCK_NBYTES	(TILES_PER_BLOCK * DS_GDEFLATE_TILE_NBYTES)
#define HEAD_MAX_NBYTES (DS_GDEFLATE_HEADER_NBYTES + 4 * (size_t)DS_GDEFLATE_MAX_TILES)

/* A run of tiles that lie side by side, on both sides of the coder. */
struct tile_block {
	uint32_t first_tile;
	uint32_t nr_tiles;
	uint8_t *in;
	size_t in_nbytes;
	size_t in_room;
	uint8_t *out;
	size_t out_nbytes;
	uint32_t in_tile_nbytes[TILES_PER_BLOCK];
	uint32_t out_tile_nbytes[TILES_PER_BLOCK];
	ds_result result;
	uint32_t failed_tile; /* meaningful when result is none of DS_OK */
};

struct gdeflate_job {
	struct transfer *t;
	uint64_t nbytes; /* uncompressed, in all */
	uint64_t offset; /* in what is read, or how much of it was read */
	uint64_t done;	 /* bytes read of blocks that were written */
	uint32_t nr_tiles;
	uint32_t next_tile;
	uint32_t *tile_nbytes;	      /* compressing: of each encoded tile */
	void *head;		      /* decompressing: header and table */
	struct ds_gdeflate_info info; /* decompressing */
};

static bool gdeflate_matches(const void *head, size_t nbytes)
{
	return nbytes >= 2 && memcmp(head, "\x04\xfb", 2) == 0;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static void block_fini(void *block)
{
	struct tile_block *b = block;

	free(b->in);
	free(b->out);
}

static bool block_make_room(struct tile_block *b, size_t out_room)
{
	if (!b->out)
		b->out = malloc(out_room);
	return b->out;
}

/* ------------------------------------------------------------ compressing */

static void *encoder_create(void *arg)
{
	struct gdeflate_job *job = arg;
	struct ds_gdeflate_encoder *enc;
	ds_result ret = ds_gdeflate_encoder_create(job->t->level, &enc);

	if (ret == DS_OK)
		return enc;
	tool_error("GDeflate encoder: %s", ds_result_message(ret));
	return NULL;
}

static void encoder_destroy(void *coder)
{
	ds_gdeflate_encoder_destroy(coder);
}

static bool encode_fill(void *arg, void *block, int *ret)
{
	struct gdeflate_job *job = arg;
	struct tile_block *b = block;
	uint64_t left = job->nbytes - job->offset;
	ssize_t n;

	if (left == 0)
		return false;
	if (!b->in)
		b->in = malloc(BLOCK_NBYTES);
	if (!b->in ||
	    !block_make_room(b, TILES_PER_BLOCK * (size_t)DS_GDEFLATE_TILE_BOUND_NBYTES)) {
		*ret = tool_error_memory();
		return false;
	}
	b->in_nbytes = left < BLOCK_NBYTES ? (size_t)left : BLOCK_NBYTES;
	b->first_tile = job->next_tile;
	b->nr_tiles = min_u32(TILES_PER_BLOCK, job->nr_tiles - job->next_tile);
	n = pread_full(job->t->in->fd, b->in, b->in_nbytes, job->offset);
	if (n < 0) {
		*ret = tool_error_errno(job->t->in->name, "cannot read it", errno);
		return false;
	}
	if ((size_t)n < b->in_nbytes) {
		tool_error("%s: became shorter while it was read", job->t->in->name);
		*ret = TOOL_FAILED;
		return false;
	}
	job->offset += b->in_nbytes;
	job->next_tile += b->nr_tiles;
	return true;
}

static void encode_work(void *coder, void *block)
{
	struct tile_block *b = block;
	size_t at = 0;

	b->out_nbytes = 0;
	b->result = DS_OK;
	for (uint32_t i = 0; i < b->nr_tiles && b->result == DS_OK; i++) {
		size_t left = b->in_nbytes - at;
		size_t in_nbytes = left < DS_GDEFLATE_TILE_NBYTES ? left : DS_GDEFLATE_TILE_NBYTES;
		size_t out_nbytes = 0;

		b->result = ds_gdeflate_encode_tile(coder, b->in + at, in_nbytes,
						    b->out + b->out_nbytes, &out_nbytes);
		b->failed_tile = b->first_tile + i;
		b->out_tile_nbytes[i] = (uint32_t)out_nbytes;
		b->out_nbytes += out_nbytes;
		at += in_nbytes;
	}
}

static int encode_drain(void *arg, void *block)
{
	struct gdeflate_job *job = arg;
	struct tile_block *b = block;
	int ret;

	if (b->result != DS_OK) {
		tool_error("%s: tile %" PRIu32 ": %s", job->t->in->name, b->failed_tile,
			   ds_result_message(b->result));
		return TOOL_FAILED;
	}
	ret = output_append(job->t->out, b->out, b->out_nbytes);
	memcpy(job->tile_nbytes + b->first_tile, b->out_tile_nbytes,
	       b->nr_tiles * sizeof(uint32_t));
	job->done += b->in_nbytes;
	progress_update(job->t->progress, job->done);
	return ret;
}

static int write_head(struct gdeflate_job *job, void *head, size_t head_nbytes)
{
	ds_result ret = ds_gdeflate_write_head(job->tile_nbytes, job->nr_tiles, job->nbytes, head);

	if (ret != DS_OK) {
		tool_error("%s: too large for one GDeflate stream when compressed: %s",
			   job->t->in->name, ds_result_message(ret));
		return TOOL_FAILED;
	}
	return output_write_at(job->t->out, head, head_nbytes, 0);
}

static const struct parallel_ops encode_ops = {
	.block_nbytes = sizeof(struct tile_block),
	.fill = encode_fill,
	.work = encode_work,
	.drain = encode_drain,
	.block_fini = block_fini,
	.coder_create = encoder_create,
	.coder_destroy = encoder_destroy,
};

/* Half of a growing file would be a stream that looks whole. */
static int check_input_end(const struct gdeflate_job *job)
{
	char byte;

	if (pread_full(job->t->in->fd, &byte, 1, job->nbytes) != 1)
		return TOOL_OK;
	tool_error("%s: became longer while it was read", job->t->in->name);
	return TOOL_FAILED;
}

static int encode_all(struct gdeflate_job *job)
{
	size_t head_nbytes = DS_GDEFLATE_HEADER_NBYTES + 4 * (size_t)job->nr_tiles;
	void *head = calloc(1, head_nbytes);
	int ret;

	if (!head)
		return tool_error_memory();
	/* Room for the head, whose numbers are known at the end. */
	ret = output_append(job->t->out, head, head_nbytes);
	if (ret == TOOL_OK)
		ret = parallel_run(&encode_ops, job, job->t->nr_threads);
	if (ret == TOOL_OK)
		ret = check_input_end(job);
	if (ret == TOOL_OK)
		ret = write_head(job, head, head_nbytes);
	free(head);
	return ret;
}

static int gdeflate_compress(struct transfer *t)
{
	struct gdeflate_job job = {
		.t = t,
		.nbytes = t->in->nbytes,
	};
	int ret;

	job.nr_tiles =
		(uint32_t)((job.nbytes + DS_GDEFLATE_TILE_NBYTES - 1) / DS_GDEFLATE_TILE_NBYTES);
	job.tile_nbytes = calloc((size_t)job.nr_tiles + 1, sizeof(*job.tile_nbytes));
	if (!job.tile_nbytes)
		return tool_error_memory();
	ret = encode_all(&job);
	t->in_nbytes = job.nbytes;
	t->out_nbytes = t->out->nbytes;
	free(job.tile_nbytes);
	return ret;
}

/* ---------------------------------------------------------- decompressing */

static void *decoder_create(void *arg)
{
	struct ds_gdeflate_decoder *dec;
	ds_result ret = ds_gdeflate_decoder_create(&dec);

	(void)arg;
	if (ret == DS_OK)
		return dec;
	tool_error("GDeflate decoder: %s", ds_result_message(ret));
	return NULL;
}

static void decoder_destroy(void *coder)
{
	ds_gdeflate_decoder_destroy(coder);
}

/*
 * Reads nbytes into the block. A damaged table may ask for gigabytes that are not there,
 * so room is made only as bytes arrive. False: *ret is set.
 */
static bool read_tiles(struct gdeflate_job *job, struct tile_block *b, size_t nbytes, int *ret)
{
	b->in_nbytes = 0;
	while (b->in_nbytes < nbytes) {
		size_t want = nbytes - b->in_nbytes;
		ssize_t n;

		if (want > BLOCK_NBYTES)
			want = BLOCK_NBYTES;
		if (b->in_room < b->in_nbytes + want) {
			size_t room = 2 * b->in_nbytes + want;
			uint8_t *grown = realloc(b->in, room);

			if (!grown) {
				*ret = tool_error_memory();
				return false;
			}
			b->in = grown;
			b->in_room = room;
		}
		n = input_read(job->t->in, b->in + b->in_nbytes, want);
		if (n < 0) {
			*ret = tool_error_errno(job->t->in->name, "cannot read it", errno);
			return false;
		}
		if ((size_t)n < want) {
			tool_error("%s: ends early, inside its tiles", job->t->in->name);
			*ret = TOOL_FAILED;
			return false;
		}
		b->in_nbytes += want;
	}
	return true;
}

static bool decode_fill(void *arg, void *block, int *ret)
{
	struct gdeflate_job *job = arg;
	struct tile_block *b = block;
	size_t in_nbytes = 0;

	b->first_tile = job->next_tile;
	b->nr_tiles = min_u32(TILES_PER_BLOCK, job->nr_tiles - job->next_tile);
	if (b->nr_tiles == 0)
		return false;
	if (!block_make_room(b, BLOCK_NBYTES)) {
		*ret = tool_error_memory();
		return false;
	}
	b->out_nbytes = 0;
	for (uint32_t i = 0; i < b->nr_tiles; i++) {
		uint64_t offset;

		ds_gdeflate_tile_range(job->head, &job->info, b->first_tile + i, &offset,
				       &b->in_tile_nbytes[i], &b->out_tile_nbytes[i]);
		in_nbytes += b->in_tile_nbytes[i];
		b->out_nbytes += b->out_tile_nbytes[i];
	}
	if (!read_tiles(job, b, in_nbytes, ret))
		return false;
	job->next_tile += b->nr_tiles;
	return true;
}

static void decode_work(void *coder, void *block)
{
	struct tile_block *b = block;
	const uint8_t *in = b->in;
	uint8_t *out = b->out;

	b->result = DS_OK;
	for (uint32_t i = 0; i < b->nr_tiles && b->result == DS_OK; i++) {
		b->result = ds_gdeflate_decode_tile(coder, in, b->in_tile_nbytes[i], out,
						    b->out_tile_nbytes[i]);
		b->failed_tile = b->first_tile + i;
		in += b->in_tile_nbytes[i];
		out += b->out_tile_nbytes[i];
	}
}

static int decode_drain(void *arg, void *block)
{
	struct gdeflate_job *job = arg;
	struct tile_block *b = block;

	if (b->result != DS_OK) {
		tool_error("%s: tile %" PRIu32 " of %" PRIu32 ": %s", job->t->in->name,
			   b->failed_tile, job->nr_tiles, ds_result_message(b->result));
		return TOOL_FAILED;
	}
	job->done += b->in_nbytes;
	progress_update(job->t->progress, job->done);
	return output_append(job->t->out, b->out, b->out_nbytes);
}

static const struct parallel_ops decode_ops = {
	.block_nbytes = sizeof(struct tile_block),
	.fill = decode_fill,
	.work = decode_work,
	.drain = decode_drain,
	.block_fini = block_fini,
	.coder_create = decoder_create,
	.coder_destroy = decoder_destroy,
};

/* The header was read already: it lies at job->head, with room for the largest table. */
static int read_table(struct gdeflate_job *job, size_t header_nbytes)
{
	struct transfer *t = job->t;
	size_t want;
	ssize_t n;

	if (ds_gdeflate_parse_header(job->head, header_nbytes, &job->info) != DS_OK) {
		tool_error("%s: has no GDeflate header", t->in->name);
		return TOOL_FAILED;
	}
	job->nr_tiles = job->info.nr_tiles;
	if (t->has_expected_nbytes && t->expected_nbytes != job->info.uncompressed_nbytes)
		return format_size_error(t, job->info.uncompressed_nbytes);
	want = (size_t)job->info.head_nbytes - header_nbytes;
	n = input_read(t->in, (uint8_t *)job->head + header_nbytes, want);
	if (n < 0)
		return tool_error_errno(t->in->name, "cannot read it", errno);
	if ((size_t)n < want) {
		tool_error("%s: ends early, inside its table", t->in->name);
		return TOOL_FAILED;
	}
	/* Of a pipe's length nothing is known: what is missing shows when it is read. */
	if (ds_gdeflate_check_table(job->head, &job->info,
				    t->in->is_regular ? t->in->nbytes : UINT64_MAX) != DS_OK) {
		tool_error("%s: ends early, or its table is damaged", t->in->name);
		return TOOL_FAILED;
	}
	return TOOL_OK;
}

static void note_trailing_bytes(const struct transfer *t)
{
	char byte;

	if (input_read(t->in, &byte, 1) == 1)
		tool_note("%s: bytes after the end of the stream are ignored", t->in->name);
}

static int decode_all(struct gdeflate_job *job)
{
	struct transfer *t = job->t;
	ssize_t n = input_read(t->in, job->head, DS_GDEFLATE_HEADER_NBYTES);
	int ret;

	if (n < 0)
		return tool_error_errno(t->in->name, "cannot read it", errno);
	ret = read_table(job, (size_t)n);
	if (ret == TOOL_OK)
		ret = parallel_run(&decode_ops, job, t->nr_threads);
	if (ret == TOOL_OK)
		note_trailing_bytes(t);
	t->in_nbytes = job->info.head_nbytes + job->done;
	t->out_nbytes = t->out->nbytes;
	return ret;
}

static int gdeflate_decompress(struct transfer *t)
{
	struct gdeflate_job job = {
		.t = t,
		.info = DS_GDEFLATE_INFO_INIT,
	};
	int ret;

	job.head = malloc(HEAD_MAX_NBYTES);
	if (!job.head)
		return tool_error_memory();
	ret = decode_all(&job);
	free(job.head);
	return ret;
}

/* ---------------------------------------------------- loading and verifying */

static const char *gdeflate_declared_nbytes(const void *head, size_t nbytes, uint64_t *declared)
{
	struct ds_gdeflate_info info = DS_GDEFLATE_INFO_INIT;

	if (ds_gdeflate_parse_header(head, nbytes, &info) != DS_OK)
		return "has no GDeflate header";
	*declared = info.uncompressed_nbytes;
	return NULL;
}

/* Reads the head of the stream in fd. NULL, with *head for the caller to free, or what is wrong. */
static const char *read_checked_head(int fd, uint64_t stream_nbytes, struct ds_gdeflate_info *info,
				     void **head)
{
	uint8_t header[DS_GDEFLATE_HEADER_NBYTES];
	const char *wrong = NULL;
	void *whole;

	if (pread_full(fd, header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    ds_gdeflate_parse_header(header, sizeof(header), info) != DS_OK)
		return "its header cannot be read a second time";
	whole = malloc((size_t)info->head_nbytes);
	if (!whole)
		return "no memory is left to verify it";
	if (pread_full(fd, whole, (size_t)info->head_nbytes, 0) != (ssize_t)info->head_nbytes)
		wrong = "its table cannot be read a second time";
	else if (ds_gdeflate_check_table(whole, info, stream_nbytes) != DS_OK)
		wrong = "its table is damaged";
	if (wrong)
		free(whole);
	else
		*head = whole;
	return wrong;
}

struct tile_checker {
	int fd;
	const void *head;
	struct ds_gdeflate_info info;
	struct ds_gdeflate_decoder *decoder;
	uint8_t *in;
	size_t in_room;
	uint8_t out[DS_GDEFLATE_TILE_NBYTES];
};

static const char *compare_tile(struct tile_checker *c, uint32_t index, const uint8_t *bytes)
{
	uint64_t offset;
	uint32_t in_nbytes;
	uint32_t out_nbytes;

	ds_gdeflate_tile_range(c->head, &c->info, index, &offset, &in_nbytes, &out_nbytes);
	if (in_nbytes > c->in_room) {
		free(c->in);
		c->in = malloc(in_nbytes);
		c->in_room = c->in ? in_nbytes : 0;
		if (!c->in)
			return "no memory is left to verify it";
	}
	if (pread_full(c->fd, c->in, in_nbytes, offset) != (ssize_t)in_nbytes)
		return "it cannot be read a second time";
	if (ds_gdeflate_decode_tile(c->decoder, c->in, in_nbytes, c->out, out_nbytes) != DS_OK)
		return "a plain decode fails";
	if (memcmp(c->out, bytes + (uint64_t)index * DS_GDEFLATE_TILE_NBYTES, out_nbytes) != 0)
		return "the bytes differ from what a plain decode gives";
	return NULL;
}

static const char *gdeflate_compare(int fd, uint64_t stream_nbytes, const void *bytes,
				    uint64_t nbytes, bool (*is_stopped)(void))
{
	struct tile_checker *c = calloc(1, sizeof(*c));
	const char *wrong = "no memory is left to verify it";
	void *head = NULL;

	if (!c)
		return wrong;
	c->fd = fd;
	c->info = (struct ds_gdeflate_info)DS_GDEFLATE_INFO_INIT;
	if (ds_gdeflate_decoder_create(&c->decoder) == DS_OK)
		wrong = read_checked_head(fd, stream_nbytes, &c->info, &head);
	if (!wrong && c->info.uncompressed_nbytes != nbytes)
		wrong = "the size differs from what its header says";
	c->head = head;
	for (uint32_t i = 0; !wrong && i < c->info.nr_tiles; i++)
		wrong = is_stopped() ? format_stopped : compare_tile(c, i, bytes);
	ds_gdeflate_decoder_destroy(c->decoder);
	free(head);
	free(c->in);
	free(c);
	return wrong;
}

const struct format format_gdeflate = {
	.name = "gdeflate",
	.suffix = ".gdeflate",
	.codec = DS_CODEC_GDEFLATE,
	.max_level = DS_GDEFLATE_LEVEL_SMALLEST,
	.max_nbytes = DS_GDEFLATE_MAX_NBYTES,
	.matches = gdeflate_matches,
	.compress = gdeflate_compress,
	.decompress = gdeflate_decompress,
	.declared_nbytes = gdeflate_declared_nbytes,
	.compare = gdeflate_compare,
};
