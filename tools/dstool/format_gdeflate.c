/* SPDX-License-Identifier: MIT */
/*
 * format_gdeflate.c: GDeflate tile streams, passed through a codec of the library.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ds_gdeflate.h"
#include "format.h"
#include "tool.h"

struct gdeflate_job {
	struct transfer *t;
	struct ds_gdeflate_codec *codec;
	struct ds_gdeflate_passage passage;
	uint64_t taken; /* of the input */
	bool is_compressing;
	bool is_said; /* what went wrong */
};

static bool gdeflate_matches(const void *head, size_t nbytes)
{
	return nbytes >= 2 && memcmp(head, "\x04\xfb", 2) == 0;
}

/* ------------------------------------------------- compressing, decompressing */

static ds_result read_next(void *user, void *data, size_t nbytes, size_t *got)
{
	struct gdeflate_job *job = user;
	struct input *in = job->t->in;
	ssize_t n;

	/* Compressing wants a regular input, which may stand anywhere. */
	if (job->is_compressing)
		n = pread_full(in->fd, data, nbytes, job->taken);
	else
		n = input_read(in, data, nbytes);
	if (n < 0) {
		tool_error_errno(in->name, "cannot read it", errno);
		job->is_said = true;
		return DS_ERR_IO;
	}
	*got = (size_t)n;
	job->taken += (uint64_t)n;
	progress_update(job->t->progress, job->taken);
	return DS_OK;
}

static ds_result write_next(void *user, const void *data, size_t nbytes, uint64_t offset)
{
	struct gdeflate_job *job = user;
	struct output *out = job->t->out;
	int ret;

	if (offset < out->nbytes)
		ret = output_write_at(out, data, nbytes, offset);
	else
		ret = output_append(out, data, nbytes);
	job->is_said = ret != TOOL_OK;
	return ret == TOOL_OK ? DS_OK : DS_ERR_IO;
}

/* Half of a growing file would be a stream that looks whole. */
static int check_input_end(const struct transfer *t)
{
	char byte;

	if (pread_full(t->in->fd, &byte, 1, t->in->nbytes) != 1)
		return TOOL_OK;
	tool_error("%s: became longer while it was read", t->in->name);
	return TOOL_FAILED;
}

static int failure(const struct gdeflate_job *job, ds_result ret)
{
	const struct ds_gdeflate_passage *p = &job->passage;

	if (job->is_said)
		return TOOL_FAILED;
	if (p->failed_tile < p->nr_tiles)
		tool_error("%s: tile %" PRIu32 " of %" PRIu32 ": %s", job->t->in->name,
			   p->failed_tile, p->nr_tiles, ds_result_message(ret));
	else
		tool_error("%s: %s", job->t->in->name, ds_result_message(ret));
	return TOOL_FAILED;
}

static int compress_with(struct gdeflate_job *job, const struct ds_gdeflate_pipe *pipe)
{
	struct transfer *t = job->t;
	uint64_t nr_tiles = (t->in->nbytes + DS_GDEFLATE_TILE_NBYTES - 1) / DS_GDEFLATE_TILE_NBYTES;
	size_t head_nbytes = DS_GDEFLATE_HEADER_NBYTES + 4 * (size_t)nr_tiles;
	void *head = calloc(1, head_nbytes);
	ds_result ret;
	int exit_code;

	job->is_compressing = true;
	if (!head)
		return tool_error_memory();
	/* Room for the head, whose numbers are known at the end. */
	exit_code = output_append(t->out, head, head_nbytes);
	free(head);
	if (exit_code != TOOL_OK)
		return exit_code;
	ret = ds_gdeflate_codec_compress_pipe(job->codec, pipe, t->in->nbytes, &job->passage);
	if (ret == DS_OK)
		return check_input_end(t);
	if (ret != DS_ERR_END_OF_FILE)
		return failure(job, ret);
	tool_error("%s: became shorter while it was read", t->in->name);
	return TOOL_FAILED;
}

static void note_trailing_bytes(const struct transfer *t)
{
	char byte;

	if (input_read(t->in, &byte, 1) == 1)
		tool_note("%s: bytes after the end of the stream are ignored", t->in->name);
}

/* The header is peeked at: another size than --size is an error before anything is written. */
static int check_expected(const struct transfer *t)
{
	struct ds_gdeflate_info info = DS_GDEFLATE_INFO_INIT;

	if (ds_gdeflate_parse_header(t->in->head, t->in->head_nbytes, &info) != DS_OK) {
		tool_error("%s: has no GDeflate header", t->in->name);
		return TOOL_FAILED;
	}
	if (t->has_expected_nbytes && t->expected_nbytes != info.uncompressed_nbytes)
		return format_size_error(t, info.uncompressed_nbytes);
	return TOOL_OK;
}

static int decompress_with(struct gdeflate_job *job, const struct ds_gdeflate_pipe *pipe)
{
	ds_result ret;

	if (check_expected(job->t) != TOOL_OK)
		return TOOL_FAILED;
	ret = ds_gdeflate_codec_decompress_pipe(job->codec, pipe, &job->passage);
	if (ret == DS_OK) {
		note_trailing_bytes(job->t);
		return TOOL_OK;
	}
	if (ret != DS_ERR_END_OF_FILE)
		return failure(job, ret);
	tool_error("%s: ends early", job->t->in->name);
	return TOOL_FAILED;
}

static int pass_through(struct transfer *t,
			int (*with)(struct gdeflate_job *, const struct ds_gdeflate_pipe *))
{
	struct ds_gdeflate_codec_config cfg = DS_GDEFLATE_CODEC_CONFIG_INIT;
	struct ds_gdeflate_pipe pipe = DS_GDEFLATE_PIPE_INIT;
	struct gdeflate_job job = { .t = t, .passage = DS_GDEFLATE_PASSAGE_INIT };
	ds_result ret;
	int exit_code;

	cfg.nr_threads = t->nr_threads;
	cfg.level = (uint32_t)t->level;
	ret = ds_gdeflate_codec_create(&cfg, &job.codec);
	if (ret != DS_OK) {
		tool_error("GDeflate codec: %s", ds_result_message(ret));
		return TOOL_FAILED;
	}
	pipe.read = read_next;
	pipe.write = write_next;
	pipe.user = &job;
	exit_code = with(&job, &pipe);
	ds_gdeflate_codec_destroy(job.codec);
	t->in_nbytes = job.passage.in_nbytes;
	t->out_nbytes = t->out->nbytes;
	return exit_code;
}

static int gdeflate_compress(struct transfer *t)
{
	return pass_through(t, compress_with);
}

static int gdeflate_decompress(struct transfer *t)
{
	return pass_through(t, decompress_with);
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
