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

#include "parallel.h"
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

/* ------------------------------------------------------ frames with a table */

/*
 * docs/zstd-frames.md: every FRAME_NBYTES are a frame of their own, so that threads can share
 * the work, and a skippable frame in front of them says where each one ends.
 */
#define FRAME_NBYTES	   ((size_t)262144)
#define TABLE_FIXED_NBYTES ((size_t)32)
#define TABLE_MAX_FRAMES   32763u /* of those that the runtime reads; more go without a table */
#define TABLE_MAGIC	   0x184d2a5au

static void store_le(uint8_t *p, uint64_t v, unsigned nbytes)
{
	for (unsigned i = 0; i < nbytes; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static uint64_t load_le(const uint8_t *p, unsigned nbytes)
{
	uint64_t v = 0;

	while (nbytes--)
		v = v << 8 | p[nbytes];
	return v;
}

/* What the table's fixed part says; false if there is none. */
static bool read_fixed(const uint8_t *head, size_t nbytes, uint64_t *all, uint32_t *nr_frames)
{
	if (nbytes < TABLE_FIXED_NBYTES || load_le(head, 4) != TABLE_MAGIC ||
	    memcmp(head + 8, "dsframes", 8) != 0 || load_le(head + 24, 4) != FRAME_NBYTES)
		return false;
	*all = load_le(head + 16, 8);
	*nr_frames = (uint32_t)load_le(head + 28, 4);
	return *nr_frames && *nr_frames <= TABLE_MAX_FRAMES &&
	       *nr_frames == *all / FRAME_NBYTES + (*all % FRAME_NBYTES != 0) &&
	       load_le(head + 4, 4) == TABLE_FIXED_NBYTES - 8 + 8 * (uint64_t)*nr_frames;
}

/* A frame on its way, in either direction. */
struct zstd_block {
	void *in;
	void *out;
	size_t in_nbytes;
	size_t out_nbytes; /* or libzstd's error */
};

struct zstd_job {
	struct transfer *t;
	uint64_t nr_frames;
	uint64_t next_frame;
	uint64_t nr_done;
	uint8_t *table; /* NULL: goes without */
	uint64_t all;	/* uncompressed */
	uint64_t in_at;
};

static size_t table_nbytes(const struct zstd_job *job)
{
	return TABLE_FIXED_NBYTES + 8 * (size_t)job->nr_frames;
}

static size_t frame_room(void)
{
	return ZSTD_compressBound(FRAME_NBYTES) + 64;
}

static bool make_room(struct zstd_block *b, size_t in_room, size_t out_room, int *ret)
{
	if (!b->in)
		b->in = malloc(in_room);
	if (!b->out)
		b->out = malloc(out_room);
	if (b->in && b->out)
		return true;
	*ret = tool_error_memory();
	return false;
}

static void block_fini(void *block)
{
	struct zstd_block *b = block;

	free(b->in);
	free(b->out);
}

static size_t frame_nbytes(const struct zstd_job *job, uint64_t index)
{
	uint64_t left = job->all - index * FRAME_NBYTES;

	return left < FRAME_NBYTES ? (size_t)left : FRAME_NBYTES;
}

/* ------------------------------------------------------------ compressing */

static void *cctx_create(void *arg)
{
	const struct zstd_job *job = arg;
	ZSTD_CCtx *cctx = ZSTD_createCCtx();

	if (!cctx) {
		tool_error_memory();
		return NULL;
	}
	ZSTD_CCtx_setParameter(cctx, ZSTD_c_compressionLevel, job->t->level);
	ZSTD_CCtx_setParameter(cctx, ZSTD_c_checksumFlag, 1);
	return cctx;
}

static void cctx_destroy(void *coder)
{
	ZSTD_freeCCtx(coder);
}

static bool encode_fill(void *arg, void *block, int *ret)
{
	struct zstd_job *job = arg;
	struct zstd_block *b = block;
	ssize_t n;

	if (job->next_frame == job->nr_frames || !make_room(b, FRAME_NBYTES, frame_room(), ret))
		return false;
	b->in_nbytes = frame_nbytes(job, job->next_frame);
	n = pread_full(job->t->in->fd, b->in, b->in_nbytes, job->next_frame * FRAME_NBYTES);
	job->next_frame++;
	if (n >= 0 && (size_t)n == b->in_nbytes)
		return true;
	*ret = TOOL_FAILED;
	if (n < 0)
		tool_error_errno(job->t->in->name, "cannot read it", errno);
	else
		tool_error("%s: became shorter while it was read", job->t->in->name);
	return false;
}

static void encode_work(void *coder, void *block)
{
	struct zstd_block *b = block;

	b->out_nbytes = ZSTD_compress2(coder, b->out, frame_room(), b->in, b->in_nbytes);
}

static int encode_drain(void *arg, void *block)
{
	struct zstd_job *job = arg;
	struct zstd_block *b = block;

	if (ZSTD_isError(b->out_nbytes))
		return zstd_error(job->t, b->out_nbytes);
	if (output_append(job->t->out, b->out, b->out_nbytes) != TOOL_OK)
		return TOOL_FAILED;
	if (job->table)
		store_le(job->table + TABLE_FIXED_NBYTES + 8 * job->nr_done, job->t->out->nbytes,
			 8);
	job->nr_done++;
	job->in_at += b->in_nbytes;
	progress_update(job->t->progress, job->in_at);
	return TOOL_OK;
}

static const struct parallel_ops encode_ops = {
	.block_nbytes = sizeof(struct zstd_block),
	.fill = encode_fill,
	.work = encode_work,
	.drain = encode_drain,
	.block_fini = block_fini,
	.coder_create = cctx_create,
	.coder_destroy = cctx_destroy,
};

static void write_fixed(const struct zstd_job *job)
{
	store_le(job->table, TABLE_MAGIC, 4);
	store_le(job->table + 4, table_nbytes(job) - 8, 4);
	memcpy(job->table + 8, "dsframes", 8);
	store_le(job->table + 16, job->all, 8);
	store_le(job->table + 24, FRAME_NBYTES, 4);
	store_le(job->table + 28, job->nr_frames, 4);
}

/* Half of a growing file would be one that looks whole. */
static int check_input_end(const struct zstd_job *job)
{
	char byte;

	if (pread_full(job->t->in->fd, &byte, 1, job->all) != 1)
		return TOOL_OK;
	tool_error("%s: became longer while it was read", job->t->in->name);
	return TOOL_FAILED;
}

static int encode_all(struct zstd_job *job)
{
	struct transfer *t = job->t;
	int ret = TOOL_OK;

	/* Room for the table, whose numbers are known at the end. */
	if (job->table)
		ret = output_append(t->out, job->table, table_nbytes(job));
	if (ret == TOOL_OK)
		ret = parallel_run(&encode_ops, job, t->nr_threads);
	if (ret == TOOL_OK)
		ret = check_input_end(job);
	if (ret != TOOL_OK || !job->table)
		return ret;
	write_fixed(job);
	return output_write_at(t->out, job->table, table_nbytes(job), 0);
}

int zstd_compress(struct transfer *t)
{
	struct zstd_job job = { .t = t, .all = t->in->nbytes };
	int ret;

	job.nr_frames = job.all / FRAME_NBYTES + (job.all % FRAME_NBYTES != 0);
	/* One frame needs no table, and nothing at all is an empty frame. */
	if (job.nr_frames > 1 && job.nr_frames <= TABLE_MAX_FRAMES) {
		job.table = calloc(1, table_nbytes(&job));
		if (!job.table)
			return tool_error_memory();
	}
	if (!job.nr_frames)
		job.nr_frames = 1;
	ret = encode_all(&job);
	free(job.table);
	t->in_nbytes = job.all;
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

static int write_out(struct transfer *t, struct zstd_buffers *b)
{
	int ret = output_append(t->out, b->out_data, b->out.pos);

	b->out.pos = 0;
	return ret;
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

/* Up to the end of the input, which must be the end of a frame; left: 0 if it may be now. */
static int decode_frames(struct transfer *t, ZSTD_DCtx *dctx, struct zstd_buffers *b, size_t left)
{
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

/* ------------------------------------------------------ many frames at a time */

static void *dctx_create(void *arg)
{
	ZSTD_DCtx *dctx = ZSTD_createDCtx();

	(void)arg;
	if (!dctx)
		tool_error_memory();
	return dctx;
}

static void dctx_destroy(void *coder)
{
	ZSTD_freeDCtx(coder);
}

static uint64_t frame_end(const struct zstd_job *job, uint64_t nr)
{
	return nr ? load_le(job->table + TABLE_FIXED_NBYTES + 8 * (nr - 1), 8) : table_nbytes(job);
}

static bool decode_fill(void *arg, void *block, int *ret)
{
	struct zstd_job *job = arg;
	struct zstd_block *b = block;
	uint64_t nbytes;
	ssize_t n;

	if (job->next_frame == job->nr_frames || !make_room(b, frame_room(), FRAME_NBYTES, ret))
		return false;
	*ret = TOOL_FAILED;
	nbytes = frame_end(job, job->next_frame + 1) - frame_end(job, job->next_frame);
	if (nbytes > frame_room()) {
		tool_error("%s: its table is damaged", job->t->in->name);
		return false;
	}
	b->in_nbytes = (size_t)nbytes;
	b->out_nbytes = frame_nbytes(job, job->next_frame);
	job->next_frame++;
	n = input_read(job->t->in, b->in, b->in_nbytes);
	if (n < 0) {
		tool_error_errno(job->t->in->name, "cannot read it", errno);
		return false;
	}
	if ((size_t)n < b->in_nbytes) {
		tool_error("%s: ends early, inside a frame", job->t->in->name);
		return false;
	}
	*ret = TOOL_OK;
	return true;
}

static void decode_work(void *coder, void *block)
{
	struct zstd_block *b = block;
	size_t wanted = b->out_nbytes;

	b->out_nbytes = ZSTD_decompressDCtx(coder, b->out, wanted, b->in, b->in_nbytes);
	if (!ZSTD_isError(b->out_nbytes) && b->out_nbytes != wanted)
		b->out_nbytes = SIZE_MAX; /* an error of libzstd's, too */
}

static int decode_drain(void *arg, void *block)
{
	struct zstd_job *job = arg;
	struct zstd_block *b = block;

	if (ZSTD_isError(b->out_nbytes))
		return zstd_error(job->t, b->out_nbytes);
	job->in_at += b->in_nbytes;
	progress_update(job->t->progress, job->in_at);
	return output_append(job->t->out, b->out, b->out_nbytes);
}

static const struct parallel_ops decode_ops = {
	.block_nbytes = sizeof(struct zstd_block),
	.fill = decode_fill,
	.work = decode_work,
	.drain = decode_drain,
	.block_fini = block_fini,
	.coder_create = dctx_create,
	.coder_destroy = dctx_destroy,
};

static int read_table(struct zstd_job *job)
{
	size_t nbytes = table_nbytes(job);
	ssize_t n = input_read(job->t->in, job->table, nbytes);

	if (n < 0)
		return tool_error_errno(job->t->in->name, "cannot read it", errno);
	job->in_at = (uint64_t)n;
	if ((size_t)n == nbytes)
		return TOOL_OK;
	tool_error("%s: ends early, inside its table", job->t->in->name);
	return TOOL_FAILED;
}

static int decode_stream(struct transfer *t, size_t left)
{
	struct zstd_buffers b;
	ZSTD_DCtx *dctx = ZSTD_createDCtx();
	int ret;

	if (!dctx)
		return tool_error_memory();
	ret = buffers_init(&b, ZSTD_DStreamInSize(), ZSTD_DStreamOutSize());
	if (ret == TOOL_OK) {
		ret = decode_frames(t, dctx, &b, left);
		buffers_fini(&b);
	}
	ZSTD_freeDCtx(dctx);
	return ret;
}

static int decode_with_table(struct zstd_job *job)
{
	struct transfer *t = job->t;
	int ret;

	if (t->has_expected_nbytes && t->expected_nbytes < job->all)
		return format_size_error(t, job->all);
	job->table = malloc(table_nbytes(job));
	if (!job->table)
		return tool_error_memory();
	ret = read_table(job);
	if (ret == TOOL_OK)
		ret = parallel_run(&decode_ops, job, t->nr_threads);
	free(job->table);
	t->in_nbytes = job->in_at;
	/* Other frames may follow those of the table. */
	return ret == TOOL_OK ? decode_stream(t, 0) : ret;
}

int zstd_decompress(struct transfer *t)
{
	struct zstd_job job = { .t = t };
	uint32_t nr;
	int ret;

	if (read_fixed(t->in->head, t->in->head_nbytes, &job.all, &nr)) {
		job.nr_frames = nr;
		ret = decode_with_table(&job);
	} else {
		ret = check_declared(t);
		if (ret == TOOL_OK)
			ret = decode_stream(t, 1);
	}
	t->out_nbytes = t->out->nbytes;
	return ret;
}

/* ---------------------------------------------------- loading and verifying */

const char *zstd_declared_nbytes(const void *head, size_t nbytes, uint64_t *declared)
{
	unsigned long long n = ZSTD_getFrameContentSize(head, nbytes);
	uint32_t nr_frames;

	if (read_fixed(head, nbytes, declared, &nr_frames))
		return NULL;
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
