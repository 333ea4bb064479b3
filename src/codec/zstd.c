/* SPDX-License-Identifier: MIT */
/*
 * zstd.c: Zstandard through libzstd, in the stream shape.
 *
 * One or more whole frames. The output buffer is the window: libzstd is told that it
 * stays where it is, so no window is allocated however large a frame says that its
 * own is, and a context takes some 300 KiB for ever. Only where output is taken in parts libzstd
 * allocates one, as large as the frame asks for, up to a limit.
 */
#include "codec/zstd.h"

#include <stdlib.h>

#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

/* For output in parts: 128 MiB, what the zstd program accepts unasked. */
#define PART_WINDOW_LOG 27

struct zstd_context {
	ZSTD_DCtx *dctx;
	ZSTD_outBuffer out; /* of the stream being decoded */
	size_t dst_nbytes;
	size_t last; /* what the last call said; 0: at the end of a frame */
};

static ds_result to_result(size_t code)
{
	switch (ZSTD_getErrorCode(code)) {
	case ZSTD_error_dstSize_tooSmall:
		return DS_ERR_SIZE_MISMATCH;
	case ZSTD_error_memory_allocation:
		return DS_ERR_NO_MEMORY;
	default:
		return DS_ERR_CORRUPT_DATA;
	}
}

/* Whether output stays where it is, so that it serves as the window. */
static bool set_stable(ZSTD_DCtx *dctx, bool is_stable)
{
	int log = is_stable ? ZSTD_WINDOWLOG_MAX : PART_WINDOW_LOG;

	return !ZSTD_isError(ZSTD_DCtx_setParameter(dctx, ZSTD_d_stableOutBuffer, is_stable)) &&
	       !ZSTD_isError(ZSTD_DCtx_setParameter(dctx, ZSTD_d_windowLogMax, log));
}

static ds_result context_create(void **context)
{
	struct zstd_context *c = calloc(1, sizeof(*c));

	if (!c)
		return DS_ERR_NO_MEMORY;
	c->dctx = ZSTD_createDCtx();
	if (!c->dctx) {
		free(c);
		return DS_ERR_NO_MEMORY;
	}
	if (!set_stable(c->dctx, true)) {
		ZSTD_freeDCtx(c->dctx);
		free(c);
		return DS_ERR_UNAVAILABLE;
	}
	*context = c;
	return DS_OK;
}

static void context_destroy(void *context)
{
	struct zstd_context *c = context;

	ZSTD_freeDCtx(c->dctx);
	free(c);
}

/* A frame that declares more than there is room for need not be begun. */
static ds_result check_declared(const void *src, size_t src_nbytes, size_t dst_nbytes)
{
	unsigned long long n = ZSTD_getFrameContentSize(src, src_nbytes);

	if (n == ZSTD_CONTENTSIZE_ERROR)
		return DS_ERR_CORRUPT_DATA;
	return n != ZSTD_CONTENTSIZE_UNKNOWN && n > dst_nbytes ? DS_ERR_SIZE_MISMATCH : DS_OK;
}

static ds_result decode(void *context, const void *src, size_t src_nbytes, void *dst,
			size_t dst_nbytes)
{
	struct zstd_context *c = context;
	ds_result ret = check_declared(src, src_nbytes, dst_nbytes);
	size_t n;

	if (ret)
		return ret;
	n = ZSTD_decompressDCtx(c->dctx, dst, dst_nbytes, src, src_nbytes);
	if (ZSTD_isError(n))
		return to_result(n);
	return n == dst_nbytes ? DS_OK : DS_ERR_SIZE_MISMATCH;
}

static ds_result stream_begin(void *context, void *dst, size_t dst_nbytes)
{
	struct zstd_context *c = context;

	ZSTD_DCtx_reset(c->dctx, ZSTD_reset_session_only);
	c->out = (ZSTD_outBuffer){ dst, dst_nbytes, 0 };
	c->dst_nbytes = dst_nbytes;
	c->last = 1;
	return set_stable(c->dctx, dst) ? DS_OK : DS_ERR_UNAVAILABLE;
}

static ds_result stream_feed(void *context, const void *src, size_t src_nbytes, size_t *produced)
{
	struct zstd_context *c = context;
	ZSTD_inBuffer in = { src, src_nbytes, 0 };

	while (in.pos < in.size) {
		size_t in_before = in.pos, out_before = c->out.pos;

		c->last = ZSTD_decompressStream(c->dctx, &c->out, &in);
		if (ZSTD_isError(c->last))
			return to_result(c->last);
		if (in.pos == in_before && c->out.pos == out_before)
			return DS_ERR_SIZE_MISMATCH; /* the output is full, the stream goes on */
	}
	*produced = c->out.pos;
	return DS_OK;
}

static ds_result stream_part(void *context, const void *src, size_t src_nbytes, size_t *taken,
			     void *dst, size_t dst_nbytes, size_t *given)
{
	struct zstd_context *c = context;
	ZSTD_inBuffer in = { src, src_nbytes, 0 };
	ZSTD_outBuffer out = { dst, dst_nbytes, 0 };
	size_t in_before, out_before;

	do {
		in_before = in.pos;
		out_before = out.pos;
		/* At the end of a frame a call without input would begin the next one. */
		if (in.pos == in.size && !c->last)
			break;
		c->last = ZSTD_decompressStream(c->dctx, &out, &in);
		if (ZSTD_isError(c->last))
			return to_result(c->last);
	} while (out.pos < out.size && (in.pos != in_before || out.pos != out_before));
	*taken = in.pos;
	*given = out.pos;
	return DS_OK;
}

static ds_result stream_end(void *context, size_t produced)
{
	const struct zstd_context *c = context;

	if (c->last)
		return DS_ERR_CORRUPT_DATA;
	return produced == c->dst_nbytes ? DS_OK : DS_ERR_SIZE_MISMATCH;
}

const struct ds_codec ds_zstd_codec = {
	.name = "zstd",
	.id = DS_CODEC_ZSTD,
	.context_create = context_create,
	.context_destroy = context_destroy,
	.decode = decode,
	.stream_begin = stream_begin,
	.stream_feed = stream_feed,
	.stream_part = stream_part,
	.stream_end = stream_end,
};
