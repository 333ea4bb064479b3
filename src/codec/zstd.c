/* SPDX-License-Identifier: MIT */
/*
 * zstd.c: Zstandard through libzstd, in both shapes.
 *
 * One or more whole frames. Where a table at the beginning says where each frame lies and what
 * it gives (docs/zstd-frames.md), the frames are units. Without one, it is a stream: the
 * output buffer is the window, if there is one. libzstd is told that it stays where it is, so
 * no window is allocated however large a frame says that its own is, and a context takes
 * some 300 KiB for ever. Only where output is taken in parts libzstd allocates one, as large as the
 * frame asks for, up to a limit.
 */
#include "codec/zstd.h"

#include <stdlib.h>
#include <string.h>

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

/* ------------------------------------------------------ frames with a table */

/*
 * A skippable frame in front of the others: the 8 bytes that all of those have, then a
 * signature, the size of all, the number of frames, and where each one ends.
 */
enum {
	FRAME_NBYTES = 262144, /* what each frame gives, but for the last */
	TABLE_FIXED_NBYTES = 32,
	MAX_FRAMES = (DS_CODEC_MAX_HEAD_NBYTES - TABLE_FIXED_NBYTES) / 8,
};

static uint64_t load_le(const uint8_t *p, unsigned nbytes)
{
	uint64_t v = 0;

	while (nbytes--)
		v = v << 8 | p[nbytes];
	return v;
}

static uint64_t frames_for(uint64_t dst_nbytes)
{
	return dst_nbytes / FRAME_NBYTES + (dst_nbytes % FRAME_NBYTES != 0);
}

static uint64_t head_nbytes(uint64_t dst_nbytes)
{
	uint64_t nr = frames_for(dst_nbytes);

	return TABLE_FIXED_NBYTES + (nr <= MAX_FRAMES ? 8 * nr : 0);
}

/* Where frame `index` begins; one more than the last: where the stream ends. */
static uint64_t frame_start(const void *head, uint32_t nr_frames, uint32_t index)
{
	const uint8_t *ends = (const uint8_t *)head + TABLE_FIXED_NBYTES;

	if (index == 0)
		return TABLE_FIXED_NBYTES + 8 * (uint64_t)nr_frames;
	return load_le(ends + 8 * (size_t)(index - 1), 8);
}

static bool is_table(const uint8_t *head, size_t nbytes, uint64_t dst_nbytes, uint64_t nr_frames)
{
	return nr_frames && nr_frames <= MAX_FRAMES &&
	       nbytes >= TABLE_FIXED_NBYTES + 8 * nr_frames &&
	       load_le(head, 4) == ZSTD_MAGIC_SKIPPABLE_START + 10 &&
	       load_le(head + 4, 4) == TABLE_FIXED_NBYTES - 8 + 8 * nr_frames &&
	       memcmp(head + 8, "dsframes", 8) == 0 && load_le(head + 16, 8) == dst_nbytes &&
	       load_le(head + 24, 4) == FRAME_NBYTES && load_le(head + 28, 4) == nr_frames;
}

/* A table that is none, or wrong, is skipped as any skippable frame: then it is a stream. */
static ds_result check_head(const void *head, size_t nbytes, uint64_t src_nbytes,
			    uint64_t dst_nbytes, uint32_t *nr_units)
{
	uint64_t nr = frames_for(dst_nbytes), start, end;

	*nr_units = 0;
	if (!is_table(head, nbytes, dst_nbytes, nr))
		return DS_OK;
	start = frame_start(head, (uint32_t)nr, 0);
	for (uint32_t i = 1; i <= nr; i++, start = end) {
		end = frame_start(head, (uint32_t)nr, i);
		if (end <= start || end - start > UINT32_MAX)
			return DS_OK;
	}
	if (start == src_nbytes)
		*nr_units = (uint32_t)nr;
	return DS_OK;
}

static void unit(const void *head, uint32_t nr_units, uint64_t dst_nbytes, uint32_t index,
		 struct ds_codec_unit *u)
{
	u->src_offset = frame_start(head, nr_units, index);
	u->src_nbytes = (uint32_t)(frame_start(head, nr_units, index + 1) - u->src_offset);
	u->dst_offset = (uint64_t)index * FRAME_NBYTES;
	u->dst_nbytes = FRAME_NBYTES;
	if (index + 1 == nr_units)
		u->dst_nbytes = (uint32_t)(dst_nbytes - u->dst_offset);
}

/* ---------------------------------------------------------------- streams */

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
	.head_nbytes = head_nbytes,
	.check_head = check_head,
	.unit = unit,
	.decode_unit = decode,
	.stream_begin = stream_begin,
	.stream_feed = stream_feed,
	.stream_part = stream_part,
	.stream_end = stream_end,
};
