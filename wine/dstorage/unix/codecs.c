/* SPDX-License-Identifier: MIT */
/*
 * codecs.c: compressing and decompressing whole buffers, for IDStorageCompressionCodec; and what
 * the tiles of a stream are, for who has them decoded by a GPU.
 *
 * Decompressing runs on the calling thread. Compressing GDeflate uses as many threads as
 * the codec was made with; they read the program's buffer and write memory of their own.
 */
#include "unix.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#if DS_HAVE_ZSTD
#include <zstd.h>
#include <zstd_errors.h>
#endif

#include "ds_gdeflate.h"

/* What a tile of 64 KiB may take in a program that computes the bound itself. */
#define KNOWN_BOUND_OF_TILE (DS_GDEFLATE_TILE_NBYTES + 868)
#define MAX_THREADS	    64

/* ---------------------------------------------------------------- GDeflate */

struct tile_job {
	const unsigned char *in;
	uint64_t in_nbytes;
	unsigned char *out; /* room of DS_GDEFLATE_TILE_BOUND_NBYTES for each tile */
	uint32_t *sizes;
	uint32_t nr_tiles;
	int level;
	atomic_uint next;
	atomic_int result;
};

static void *encode_tiles(void *arg)
{
	struct tile_job *job = arg;
	struct ds_gdeflate_encoder *enc;
	ds_result ret = ds_gdeflate_encoder_create(job->level, &enc);
	uint32_t i;

	while (!ret && (i = atomic_fetch_add(&job->next, 1)) < job->nr_tiles) {
		uint64_t at = (uint64_t)i * DS_GDEFLATE_TILE_NBYTES;
		uint64_t left = job->in_nbytes - at;
		size_t n = left < DS_GDEFLATE_TILE_NBYTES ? (size_t)left : DS_GDEFLATE_TILE_NBYTES;
		size_t encoded = 0;

		ret = ds_gdeflate_encode_tile(enc, job->in + at, n,
					      job->out + (size_t)i * DS_GDEFLATE_TILE_BOUND_NBYTES,
					      &encoded);
		job->sizes[i] = (uint32_t)encoded;
	}
	if (ret)
		atomic_store(&job->result, ret);
	else
		ds_gdeflate_encoder_destroy(enc);
	return NULL;
}

/* Wine's signal handlers expect a thread of Wine's: so none of ours may get a signal. */
static bool start_thread(pthread_t *t, struct tile_job *job)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(t, NULL, encode_tiles, job);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return !err;
}

static void run_tile_job(struct tile_job *job, uint32_t nr_threads)
{
	pthread_t threads[MAX_THREADS];
	uint32_t n = 0;

	while (n + 1 < nr_threads && n < MAX_THREADS && start_thread(&threads[n], job))
		n++;
	encode_tiles(job);
	while (n)
		pthread_join(threads[--n], NULL);
}

static ds_result gather_tiles(const struct tile_job *job, unsigned char *out, uint64_t room,
			      uint64_t *written)
{
	uint64_t at = DS_GDEFLATE_HEADER_NBYTES + 4 * (uint64_t)job->nr_tiles;
	uint64_t total = at;
	ds_result ret;

	for (uint32_t i = 0; i < job->nr_tiles; i++)
		total += job->sizes[i];
	if (total > room)
		return DS_ERR_DESTINATION_TOO_SMALL;
	ret = ds_gdeflate_write_head(job->sizes, job->nr_tiles, job->in_nbytes, out);
	if (ret)
		return ret;
	for (uint32_t i = 0; i < job->nr_tiles; i++) {
		memcpy(out + at, job->out + (size_t)i * DS_GDEFLATE_TILE_BOUND_NBYTES,
		       job->sizes[i]);
		at += job->sizes[i];
	}
	*written = total;
	return DS_OK;
}

static uint32_t nr_threads_for(uint32_t asked, uint32_t nr_tiles)
{
	cpu_set_t set;
	uint32_t n = asked;

	if (!n && !sched_getaffinity(0, sizeof(set), &set))
		n = (uint32_t)CPU_COUNT(&set);
	n = n ? n : 1;
	return n < nr_tiles ? n : nr_tiles;
}

static int gdeflate_level(int32_t setting)
{
	if (setting < 0)
		return DS_GDEFLATE_LEVEL_FASTEST;
	return setting ? DS_GDEFLATE_LEVEL_SMALLEST : DS_GDEFLATE_LEVEL_DEFAULT;
}

static ds_result gdeflate_compress(struct dsw_codec_run *a)
{
	struct tile_job job = {
		.in = unix_pointer(a->source),
		.in_nbytes = a->source_nbytes,
		.level = gdeflate_level(a->setting),
	};
	ds_result ret = DS_ERR_NO_MEMORY;

	if (a->source_nbytes > DS_GDEFLATE_MAX_NBYTES)
		return DS_ERR_OUT_OF_RANGE;
	job.nr_tiles = (uint32_t)((a->source_nbytes + DS_GDEFLATE_TILE_NBYTES - 1) /
				  DS_GDEFLATE_TILE_NBYTES);
	job.out = malloc((size_t)job.nr_tiles * DS_GDEFLATE_TILE_BOUND_NBYTES + 1);
	job.sizes = calloc((size_t)job.nr_tiles + 1, sizeof(*job.sizes));
	if (job.out && job.sizes) {
		run_tile_job(&job, nr_threads_for(a->nr_threads, job.nr_tiles));
		ret = atomic_load(&job.result);
		if (!ret)
			ret = gather_tiles(&job, unix_pointer(a->destination), a->room,
					   &a->written);
	}
	free(job.sizes);
	free(job.out);
	return ret;
}

static ds_result gdeflate_decompress(struct dsw_codec_run *a)
{
	struct ds_gdeflate_info info = DS_GDEFLATE_INFO_INIT;
	const void *in = unix_pointer(a->source);
	ds_result ret = ds_gdeflate_parse_header(in, (size_t)a->source_nbytes, &info);

	if (ret)
		return ret;
	if (info.uncompressed_nbytes > a->room)
		return DS_ERR_DESTINATION_TOO_SMALL;
	ret = ds_gdeflate_decompress(in, (size_t)a->source_nbytes, unix_pointer(a->destination),
				     (size_t)info.uncompressed_nbytes);
	if (!ret)
		a->written = info.uncompressed_nbytes;
	return ret;
}

static uint64_t gdeflate_bound(uint64_t nbytes)
{
	uint64_t ours = ds_gdeflate_bound(nbytes);
	uint64_t tiles = (nbytes + DS_GDEFLATE_TILE_NBYTES - 1) / DS_GDEFLATE_TILE_NBYTES;
	uint64_t known = (tiles ? tiles : 1) * KNOWN_BOUND_OF_TILE + 16;

	if (!ours)
		return 0;
	return known > ours ? known : ours;
}

/* --------------------------------------------------------------- Zstandard */

#if DS_HAVE_ZSTD

#define ZSTD_LEVEL_FASTEST  1
#define ZSTD_LEVEL_DEFAULT  9
#define ZSTD_LEVEL_SMALLEST 19
/* What decoders of DirectStorage are promised: a window of at most 256 KiB. */
#define ZSTD_WINDOW_LOG	    18

static ds_result zstd_compress(struct dsw_codec_run *a)
{
	ZSTD_CCtx *ctx = ZSTD_createCCtx();
	int level = a->setting < 0 ? ZSTD_LEVEL_FASTEST
		    : a->setting   ? ZSTD_LEVEL_SMALLEST
				   : ZSTD_LEVEL_DEFAULT;
	size_t n;

	if (!ctx)
		return DS_ERR_NO_MEMORY;
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_windowLog, ZSTD_WINDOW_LOG);
	n = ZSTD_compress2(ctx, unix_pointer(a->destination), (size_t)a->room,
			   unix_pointer(a->source), (size_t)a->source_nbytes);
	ZSTD_freeCCtx(ctx);
	if (ZSTD_isError(n))
		return DS_ERR_DESTINATION_TOO_SMALL;
	a->written = n;
	return DS_OK;
}

static ds_result zstd_decompress(struct dsw_codec_run *a)
{
	size_t n = ZSTD_decompress(unix_pointer(a->destination), (size_t)a->room,
				   unix_pointer(a->source), (size_t)a->source_nbytes);

	if (ZSTD_getErrorCode(n) == ZSTD_error_dstSize_tooSmall)
		return DS_ERR_DESTINATION_TOO_SMALL;
	if (ZSTD_isError(n))
		return DS_ERR_CORRUPT_DATA;
	a->written = n;
	return DS_OK;
}

static uint64_t zstd_bound(uint64_t nbytes)
{
	size_t n = ZSTD_compressBound((size_t)nbytes);

	return ZSTD_isError(n) ? 0 : n;
}

#else

static ds_result zstd_compress(struct dsw_codec_run *a)
{
	(void)a;
	return DS_ERR_UNAVAILABLE;
}

static ds_result zstd_decompress(struct dsw_codec_run *a)
{
	(void)a;
	return DS_ERR_UNAVAILABLE;
}

static uint64_t zstd_bound(uint64_t nbytes)
{
	(void)nbytes;
	return 0;
}

#endif

/* ------------------------------------------------------------------- calls */

int32_t unix_codec_bound(void *args)
{
	struct dsw_codec_bound *a = args;

	a->bound = a->format == DSW_FORMAT_GDEFLATE ? gdeflate_bound(a->nbytes)
		   : a->format == DSW_FORMAT_ZSTD   ? zstd_bound(a->nbytes)
						    : 0;
	return DS_OK;
}

int32_t unix_codec_compress(void *args)
{
	struct dsw_codec_run *a = args;

	a->written = 0;
	return a->format == DSW_FORMAT_GDEFLATE ? gdeflate_compress(a) : zstd_compress(a);
}

int32_t unix_codec_decompress(void *args)
{
	struct dsw_codec_run *a = args;

	a->written = 0;
	return a->format == DSW_FORMAT_GDEFLATE ? gdeflate_decompress(a) : zstd_decompress(a);
}

/* ------------------------------------------------------------------- tiles */

static bool is_inside(const struct dsw_tile *tile, uint64_t stream_nbytes)
{
	return tile->offset % 4 == 0 && tile->nbytes % 4 == 0 && tile->offset <= stream_nbytes &&
	       tile->nbytes <= stream_nbytes - tile->offset;
}

int32_t unix_gdeflate_tiles(void *args)
{
	struct dsw_gdeflate_tiles *a = args;
	struct ds_gdeflate_info info = DS_GDEFLATE_INFO_INIT;
	const void *stream = unix_pointer(a->stream);
	struct dsw_tile *tiles = unix_pointer(a->tiles);
	ds_result ret = ds_gdeflate_parse_header(stream, a->stream_nbytes, &info);

	if (!ret && info.uncompressed_nbytes != a->decoded_nbytes)
		ret = DS_ERR_SIZE_MISMATCH;
	if (!ret && (a->stream_nbytes > UINT32_MAX || info.nr_tiles > a->max))
		ret = DS_ERR_OUT_OF_RANGE;
	if (!ret)
		ret = ds_gdeflate_check_table(stream, &info, a->stream_nbytes);
	if (ret)
		return ret;
	for (uint32_t i = 0; i < info.nr_tiles; i++) {
		uint64_t offset;

		ds_gdeflate_tile_range(stream, &info, i, &offset, &tiles[i].nbytes,
				       &tiles[i].decoded_nbytes);
		tiles[i].offset = (uint32_t)offset;
		/* Checked again: the words may have changed since. */
		if (!is_inside(&tiles[i], a->stream_nbytes))
			return DS_ERR_CORRUPT_DATA;
	}
	a->count = info.nr_tiles;
	return DS_OK;
}
