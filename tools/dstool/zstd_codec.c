/* SPDX-License-Identifier: MIT */
/*
 * zstd_codec.c: Zstandard through libzstd; only built where that is there.
 */
#include "zstd_codec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "tool.h"

/* The in and out buffers of a stream; sizes as libzstd recommends them. */
struct zstd_buffers {
	ZSTD_inBuffer in;
	ZSTD_outBuffer out;
	void *in_data;
	void *out_data;
	size_t in_room;
	size_t out_room;
};

static int buffers_init(struct zstd_buffers *b, size_t in_room, size_t out_room)
{
	memset(b, 0, sizeof(*b));
	b->in_room = in_room;
	b->out_room = out_room;
	b->in_data = malloc(in_room);
	b->out_data = malloc(out_room);
	b->in.src = b->in_data;
	b->out.dst = b->out_data;
	b->out.size = out_room;
	if (b->in_data && b->out_data)
		return TOOL_OK;
	free(b->in_data);
	free(b->out_data);
	return tool_error_memory();
}

static void buffers_fini(struct zstd_buffers *b)
{
	free(b->in_data);
	free(b->out_data);
}

static int zstd_error(const struct transfer *t, size_t code)
{
	tool_error("%s: %s", t->in->name, ZSTD_getErrorName(code));
	return TOOL_FAILED;
}

/* ------------------------------------------------------------ compressing */

/*
 * One worker or more, never none: libzstd's output is the same for any number of workers
 * but zero. A library built without threads refuses that, and then has one output only.
 */
static size_t set_parameters(ZSTD_CCtx *cctx, const struct transfer *t)
{
	size_t code;

	ZSTD_CCtx_setParameter(cctx, ZSTD_c_nbWorkers, (int)t->nr_threads);
	code = ZSTD_CCtx_setParameter(cctx, ZSTD_c_compressionLevel, t->level);
	if (ZSTD_isError(code))
		return code;
	code = ZSTD_CCtx_setParameter(cctx, ZSTD_c_checksumFlag, 1);
	if (ZSTD_isError(code))
		return code;
	return ZSTD_CCtx_setPledgedSrcSize(cctx, t->in->nbytes);
}

static int write_out(struct transfer *t, struct zstd_buffers *b)
{
	int ret = output_append(t->out, b->out_data, b->out.pos);

	b->out.pos = 0;
	return ret;
}

/* Feeds what is in the buffer; with ZSTD_e_end until the frame is whole. */
static int encode_buffer(struct transfer *t, ZSTD_CCtx *cctx, struct zstd_buffers *b,
			 ZSTD_EndDirective directive)
{
	size_t left;

	do {
		left = ZSTD_compressStream2(cctx, &b->out, &b->in, directive);
		if (ZSTD_isError(left))
			return zstd_error(t, left);
		if (write_out(t, b) != TOOL_OK)
			return TOOL_FAILED;
	} while (directive == ZSTD_e_end ? left != 0 : b->in.pos < b->in.size);
	return TOOL_OK;
}

static int encode_frame(struct transfer *t, ZSTD_CCtx *cctx, struct zstd_buffers *b)
{
	uint64_t offset = 0;
	int ret;

	do {
		ssize_t n = pread_full(t->in->fd, b->in_data, b->in_room, offset);

		if (n < 0)
			return tool_error_errno(t->in->name, "cannot read it", errno);
		b->in.size = (size_t)n;
		b->in.pos = 0;
		offset += (uint64_t)n;
		/* libzstd itself refuses a size other than the pledged one. */
		ret = encode_buffer(t, cctx, b, n == 0 ? ZSTD_e_end : ZSTD_e_continue);
		progress_update(t->progress, offset);
	} while (ret == TOOL_OK && b->in.size > 0);
	return ret;
}

int zstd_compress(struct transfer *t)
{
	ZSTD_CCtx *cctx = ZSTD_createCCtx();
	struct zstd_buffers b;
	size_t code;
	int ret;

	if (!cctx)
		return tool_error_memory();
	code = set_parameters(cctx, t);
	if (ZSTD_isError(code))
		ret = zstd_error(t, code);
	else
		ret = buffers_init(&b, ZSTD_CStreamInSize(), ZSTD_CStreamOutSize());
	if (!ZSTD_isError(code) && ret == TOOL_OK) {
		ret = encode_frame(t, cctx, &b);
		buffers_fini(&b);
	}
	ZSTD_freeCCtx(cctx);
	t->in_nbytes = t->in->nbytes;
	t->out_nbytes = t->out->nbytes;
	return ret;
}

/* ---------------------------------------------------------- decompressing */

/* A declared size is checked before anything is written, an undeclared one as it grows. */
static int check_declared(const struct transfer *t)
{
	unsigned long long n = ZSTD_getFrameContentSize(t->in->head, t->in->head_nbytes);

	if (!t->has_expected_nbytes || n == ZSTD_CONTENTSIZE_UNKNOWN || n == ZSTD_CONTENTSIZE_ERROR)
		return TOOL_OK;
	/* Further frames may follow, so only too much is certainly wrong. */
	return n > t->expected_nbytes ? format_size_error(t, n) : TOOL_OK;
}

static int write_decoded(struct transfer *t, struct zstd_buffers *b)
{
	if (t->has_expected_nbytes && t->out->nbytes + b->out.pos > t->expected_nbytes) {
		tool_error("%s: holds more than the %" PRIu64 " bytes that --size expects",
			   t->in->name, t->expected_nbytes);
		return TOOL_FAILED;
	}
	return write_out(t, b);
}

/* *left is 0 where a frame has just ended. */
static int decode_buffer(struct transfer *t, ZSTD_DCtx *dctx, struct zstd_buffers *b, size_t *left)
{
	bool is_output_full;

	do {
		*left = ZSTD_decompressStream(dctx, &b->out, &b->in);
		if (ZSTD_isError(*left))
			return zstd_error(t, *left);
		/* A full output buffer may have left more inside the decoder. */
		is_output_full = b->out.pos == b->out.size;
		if (write_decoded(t, b) != TOOL_OK)
			return TOOL_FAILED;
	} while (b->in.pos < b->in.size || (is_output_full && *left != 0));
	return TOOL_OK;
}

static int decode_frames(struct transfer *t, ZSTD_DCtx *dctx, struct zstd_buffers *b)
{
	size_t left = 1;

	for (;;) {
		ssize_t n = input_read(t->in, b->in_data, b->in_room);

		if (n < 0)
			return tool_error_errno(t->in->name, "cannot read it", errno);
		if (n == 0)
			break;
		b->in.size = (size_t)n;
		b->in.pos = 0;
		if (decode_buffer(t, dctx, b, &left) != TOOL_OK)
			return TOOL_FAILED;
		t->in_nbytes += (uint64_t)n;
		progress_update(t->progress, t->in_nbytes);
	}
	if (left != 0) {
		tool_error("%s: ends early, inside a frame", t->in->name);
		return TOOL_FAILED;
	}
	if (t->has_expected_nbytes && t->out->nbytes != t->expected_nbytes)
		return format_size_error(t, t->out->nbytes);
	return TOOL_OK;
}

int zstd_decompress(struct transfer *t)
{
	struct zstd_buffers b;
	ZSTD_DCtx *dctx;
	int ret;

	if (check_declared(t) != TOOL_OK)
		return TOOL_FAILED;
	dctx = ZSTD_createDCtx();
	if (!dctx)
		return tool_error_memory();
	ret = buffers_init(&b, ZSTD_DStreamInSize(), ZSTD_DStreamOutSize());
	if (ret == TOOL_OK) {
		ret = decode_frames(t, dctx, &b);
		buffers_fini(&b);
	}
	ZSTD_freeDCtx(dctx);
	t->out_nbytes = t->out->nbytes;
	return ret;
}

/* ---------------------------------------------------- loading and verifying */

const char *zstd_declared_nbytes(const void *head, size_t nbytes, uint64_t *declared)
{
	unsigned long long n = ZSTD_getFrameContentSize(head, nbytes);

	if (n == ZSTD_CONTENTSIZE_ERROR)
		return "does not begin with a Zstandard frame";
	if (n == ZSTD_CONTENTSIZE_UNKNOWN)
		return "its frame header does not say how large it is when decompressed";
	*declared = n;
	return NULL;
}

/* One piece of decoded bytes against what was delivered. */
static const char *compare_piece(const ZSTD_outBuffer *out, const uint8_t *bytes, uint64_t nbytes,
				 uint64_t *at)
{
	if (out->pos > nbytes - *at)
		return "a plain decode gives more bytes";
	if (memcmp(out->dst, bytes + *at, out->pos) != 0)
		return "the bytes differ from what a plain decode gives";
	*at += out->pos;
	return NULL;
}

static const char *compare_frames(int fd, ZSTD_DCtx *dctx, struct zstd_buffers *b,
				  const uint8_t *bytes, uint64_t nbytes, bool (*is_stopped)(void))
{
	const char *wrong = NULL;
	uint64_t read_at = 0;
	uint64_t at = 0;
	size_t left = 1;
	ssize_t n;

	while ((n = pread_full(fd, b->in_data, b->in_room, read_at)) > 0) {
		bool is_output_full = false;

		if (is_stopped())
			return format_stopped;
		read_at += (uint64_t)n;
		b->in.size = (size_t)n;
		b->in.pos = 0;
		while (b->in.pos < b->in.size || (is_output_full && left != 0)) {
			b->out.pos = 0;
			left = ZSTD_decompressStream(dctx, &b->out, &b->in);
			if (ZSTD_isError(left))
				return "a plain decode fails";
			is_output_full = b->out.pos == b->out.size;
			wrong = compare_piece(&b->out, bytes, nbytes, &at);
			if (wrong)
				return wrong;
		}
	}
	if (n < 0)
		return "it cannot be read a second time";
	return left == 0 && at == nbytes ? NULL : "a plain decode gives fewer bytes";
}

const char *zstd_compare(int fd, uint64_t stream_nbytes, const void *bytes, uint64_t nbytes,
			 bool (*is_stopped)(void))
{
	const char *wrong = "no memory is left to verify it";
	struct zstd_buffers b;
	ZSTD_DCtx *dctx = ZSTD_createDCtx();

	(void)stream_nbytes;
	if (!dctx)
		return wrong;
	if (buffers_init(&b, ZSTD_DStreamInSize(), ZSTD_DStreamOutSize()) == TOOL_OK) {
		wrong = compare_frames(fd, dctx, &b, bytes, nbytes, is_stopped);
		buffers_fini(&b);
	}
	ZSTD_freeDCtx(dctx);
	return wrong;
}
