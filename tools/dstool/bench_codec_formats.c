/* SPDX-License-Identifier: MIT */
/*
 * bench_codec_formats.c: the formats that "bench codec" compares.
 *
 * libdeflate, zlib and zstd are those that the system has, loaded at run time: dstool needs
 * none of them for anything else, but for zstd.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

#include "bench_codec.h"
#include "ds_gdeflate.h"
#include "probe.h"

/* ---------------------------------------------------------------- GDeflate */

static const char *gdeflate_load(void)
{
	return NULL;
}

static void *gdeflate_compressor(int level)
{
	struct ds_gdeflate_encoder *enc;

	return ds_gdeflate_encoder_create(level, &enc) == DS_OK ? enc : NULL;
}

static void gdeflate_compressor_destroy(void *c)
{
	ds_gdeflate_encoder_destroy(c);
}

static void *gdeflate_decompressor(void)
{
	struct ds_gdeflate_decoder *dec;

	return ds_gdeflate_decoder_create(&dec) == DS_OK ? dec : NULL;
}

static void gdeflate_decompressor_destroy(void *d)
{
	ds_gdeflate_decoder_destroy(d);
}

static size_t gdeflate_compress(void *c, const void *in, size_t nbytes, void *out, size_t room)
{
	size_t n = 0;

	if (room < DS_GDEFLATE_TILE_BOUND_NBYTES ||
	    ds_gdeflate_encode_tile(c, in, nbytes, out, &n) != DS_OK)
		return 0;
	return n;
}

static bool gdeflate_decompress(void *d, const void *in, size_t nbytes, void *out,
				size_t out_nbytes)
{
	return ds_gdeflate_decode_tile(d, in, nbytes, out, out_nbytes) == DS_OK;
}

/* -------------------------------------------------------------- libdeflate */

static struct {
	void *(*compressor)(int level);
	void (*compressor_free)(void *c);
	void *(*decompressor)(void);
	void (*decompressor_free)(void *d);
	size_t (*compress)(void *c, const void *in, size_t nbytes, void *out, size_t room);
	int (*decompress)(void *d, const void *in, size_t nbytes, void *out, size_t room,
			  size_t *got);
} libdeflate;

static const char *libdeflate_load(void)
{
	void *l = dlopen("libdeflate.so.0", RTLD_NOW | RTLD_LOCAL);

	if (!l)
		return "the system has no libdeflate.so.0";
	if (!probe_function(l, "libdeflate_alloc_compressor", &libdeflate.compressor) ||
	    !probe_function(l, "libdeflate_free_compressor", &libdeflate.compressor_free) ||
	    !probe_function(l, "libdeflate_alloc_decompressor", &libdeflate.decompressor) ||
	    !probe_function(l, "libdeflate_free_decompressor", &libdeflate.decompressor_free) ||
	    !probe_function(l, "libdeflate_deflate_compress", &libdeflate.compress) ||
	    !probe_function(l, "libdeflate_deflate_decompress", &libdeflate.decompress))
		return "libdeflate.so.0 lacks a function";
	return NULL;
}

static void *libdeflate_compressor(int level)
{
	return libdeflate.compressor(level);
}

static void libdeflate_compressor_destroy(void *c)
{
	libdeflate.compressor_free(c);
}

static void *libdeflate_decompressor(void)
{
	return libdeflate.decompressor();
}

static void libdeflate_decompressor_destroy(void *d)
{
	libdeflate.decompressor_free(d);
}

static size_t libdeflate_compress(void *c, const void *in, size_t nbytes, void *out, size_t room)
{
	return libdeflate.compress(c, in, nbytes, out, room);
}

static bool libdeflate_decompress(void *d, const void *in, size_t nbytes, void *out,
				  size_t out_nbytes)
{
	return libdeflate.decompress(d, in, nbytes, out, out_nbytes, NULL) == 0;
}

/* -------------------------------------------------------------------- zlib */

/* Its calls for whole buffers; they make a state each time, as programs that use them do. */
static struct {
	int (*compress)(void *out, unsigned long *room, const void *in, unsigned long nbytes,
			int level);
	int (*decompress)(void *out, unsigned long *room, const void *in, unsigned long nbytes);
} zlib;

static const char *zlib_load(void)
{
	void *l = dlopen("libz.so.1", RTLD_NOW | RTLD_LOCAL);

	if (!l)
		return "the system has no libz.so.1";
	if (!probe_function(l, "compress2", &zlib.compress) ||
	    !probe_function(l, "uncompress", &zlib.decompress))
		return "libz.so.1 lacks a function";
	return NULL;
}

static void *zlib_compressor(int level)
{
	int *l = malloc(sizeof(*l));

	if (l)
		*l = level;
	return l;
}

static void *zlib_decompressor(void)
{
	return malloc(1);
}

static size_t zlib_compress(void *c, const void *in, size_t nbytes, void *out, size_t room)
{
	unsigned long n = room;

	return zlib.compress(out, &n, in, nbytes, *(const int *)c) == 0 ? n : 0;
}

static bool zlib_decompress(void *d, const void *in, size_t nbytes, void *out, size_t out_nbytes)
{
	unsigned long n = out_nbytes;

	(void)d;
	return zlib.decompress(out, &n, in, nbytes) == 0 && n == out_nbytes;
}

/* -------------------------------------------------------------------- zstd */

static struct {
	void *(*cctx)(void);
	size_t (*cctx_free)(void *c);
	void *(*dctx)(void);
	size_t (*dctx_free)(void *d);
	size_t (*compress)(void *c, void *out, size_t room, const void *in, size_t nbytes,
			   int level);
	size_t (*decompress)(void *d, void *out, size_t room, const void *in, size_t nbytes);
	unsigned (*is_error)(size_t code);
} zstd;

struct zstd_compressor {
	void *cctx;
	int level;
};

static const char *zstd_load(void)
{
	void *l = dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL);

	if (!l)
		return "the system has no libzstd.so.1";
	if (!probe_function(l, "ZSTD_createCCtx", &zstd.cctx) ||
	    !probe_function(l, "ZSTD_freeCCtx", &zstd.cctx_free) ||
	    !probe_function(l, "ZSTD_createDCtx", &zstd.dctx) ||
	    !probe_function(l, "ZSTD_freeDCtx", &zstd.dctx_free) ||
	    !probe_function(l, "ZSTD_compressCCtx", &zstd.compress) ||
	    !probe_function(l, "ZSTD_decompressDCtx", &zstd.decompress) ||
	    !probe_function(l, "ZSTD_isError", &zstd.is_error))
		return "libzstd.so.1 lacks a function";
	return NULL;
}

static void *zstd_compressor(int level)
{
	struct zstd_compressor *c = malloc(sizeof(*c));

	if (!c)
		return NULL;
	c->level = level;
	c->cctx = zstd.cctx();
	if (c->cctx)
		return c;
	free(c);
	return NULL;
}

static void zstd_compressor_destroy(void *compressor)
{
	struct zstd_compressor *c = compressor;

	zstd.cctx_free(c->cctx);
	free(c);
}

static void *zstd_decompressor(void)
{
	return zstd.dctx();
}

static void zstd_decompressor_destroy(void *d)
{
	zstd.dctx_free(d);
}

static size_t zstd_compress(void *compressor, const void *in, size_t nbytes, void *out, size_t room)
{
	const struct zstd_compressor *c = compressor;
	size_t n = zstd.compress(c->cctx, out, room, in, nbytes, c->level);

	return zstd.is_error(n) ? 0 : n;
}

static bool zstd_decompress(void *d, const void *in, size_t nbytes, void *out, size_t out_nbytes)
{
	return zstd.decompress(d, out, out_nbytes, in, nbytes) == out_nbytes;
}

static const struct bench_codec codecs[] = {
	{
		.name = "gdeflate",
		.max_level = DS_GDEFLATE_LEVEL_SMALLEST,
		.levels = { 1, 3, 6, 9, 12, 0 },
		.chunk_overhead = 4,
		.load = gdeflate_load,
		.compressor_create = gdeflate_compressor,
		.compressor_destroy = gdeflate_compressor_destroy,
		.decompressor_create = gdeflate_decompressor,
		.decompressor_destroy = gdeflate_decompressor_destroy,
		.compress = gdeflate_compress,
		.decompress = gdeflate_decompress,
	},
	{
		.name = "libdeflate",
		.max_level = 12,
		.levels = { 1, 3, 5, 6, 9, 10, 12, 0 },
		.load = libdeflate_load,
		.compressor_create = libdeflate_compressor,
		.compressor_destroy = libdeflate_compressor_destroy,
		.decompressor_create = libdeflate_decompressor,
		.decompressor_destroy = libdeflate_decompressor_destroy,
		.compress = libdeflate_compress,
		.decompress = libdeflate_decompress,
	},
	{
		.name = "zlib",
		.max_level = 9,
		.levels = { 1, 6, 9, 0 },
		.load = zlib_load,
		.compressor_create = zlib_compressor,
		.compressor_destroy = free,
		.decompressor_create = zlib_decompressor,
		.decompressor_destroy = free,
		.compress = zlib_compress,
		.decompress = zlib_decompress,
	},
	{
		.name = "zstd",
		.max_level = 19,
		.levels = { 1, 3, 9, 19, 0 },
		.load = zstd_load,
		.compressor_create = zstd_compressor,
		.compressor_destroy = zstd_compressor_destroy,
		.decompressor_create = zstd_decompressor,
		.decompressor_destroy = zstd_decompressor_destroy,
		.compress = zstd_compress,
		.decompress = zstd_decompress,
	},
};

const struct bench_codec *bench_codec_at(size_t i)
{
	return i < sizeof(codecs) / sizeof(codecs[0]) ? &codecs[i] : NULL;
}
