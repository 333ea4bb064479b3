/* SPDX-License-Identifier: MIT */
/* encode.c: the tile encoder: levels, memory, and the order of its stages. */
#include "codec/gdeflate/encode.h"
#include "codec/gdeflate/encode_lanes.h"
#include "codec/gdeflate/memory.h"

/* clang-format off */
const struct gd_level ds_gd_levels[DS_GDEFLATE_LEVEL_SMALLEST + 1] = {
	/*       parser          depth nice passes chunk thorough */
	[1]  = { GD_FAST,             2,   0,      0,  2048, false },
	[2]  = { GD_GREEDY,           6,  10,      0,  1024, false },
	[3]  = { GD_GREEDY,          12,  14,      0,  1024, false },
	[4]  = { GD_GREEDY,          16,  64,      0,  1024, false },
	[5]  = { GD_LAZY,            12,  40,      0,  1024, false },
	[6]  = { GD_LAZY,            16,  80,      0,   768, false },
	[7]  = { GD_LAZY2,           16, 200,      0,   512, false },
	[8]  = { GD_OPTIMAL_ROWS,    16,  32,      1,   512, false },
	[9]  = { GD_OPTIMAL_TREES,   16,  48,      1,   512, false },
	[10] = { GD_OPTIMAL_TREES,   28,  80,      2,   512, true },
	[11] = { GD_OPTIMAL_TREES,   35, 100,      4,   512, true },
	[12] = { GD_OPTIMAL_TREES,   70, 200,      8,   512, true },
};
/* clang-format on */

/* By instruction set: the same as the decoder's. */
static const struct gd_writer_kernels *const writers[GD_NR_PATHS] = {
	[GD_PATH_SCALAR] = &ds_gd_writer_scalar,
#ifdef GD_HAVE_X86_PATHS
	[GD_PATH_AVX2] = &ds_gd_writer_avx2,
	[GD_PATH_AVX512] = &ds_gd_writer_avx512,
#endif
};

static void init_length_symbols(uint8_t *symbol)
{
	/* 258 can also be had from the last symbol, which comes with 16 bits. */
	for (unsigned i = 0; i < GD_NR_LENGTHS - 1; i++)
		for (unsigned j = 0; j < 1u << ds_gd_length_extra[i]; j++)
			symbol[ds_gd_length_base[i] + j] = (uint8_t)i;
}

static size_t finder_nbytes(enum gd_parser parser)
{
	switch (parser) {
	case GD_FAST:
		return ds_gd_fast_finder_nbytes();
	case GD_OPTIMAL_ROWS:
	case GD_OPTIMAL_TREES:
		return ds_gd_optimal_finder_nbytes();
	default:
		return ds_gd_greedy_finder_nbytes();
	}
}

static ds_result create(const struct ds_gdeflate_allocator *allocator, int level, enum gd_path path,
			struct ds_gdeflate_encoder **out)
{
	struct ds_gdeflate_allocator a = ds_gd_allocator(allocator);
	struct ds_gdeflate_encoder *enc;

	if (!out || !a.alloc || !a.free || !writers[path] || !ds_gd_has_path(path) || level < 0 ||
	    level > DS_GDEFLATE_LEVEL_SMALLEST)
		return DS_ERR_INVALID_ARGUMENT;
	if (level == 0)
		level = DS_GDEFLATE_LEVEL_DEFAULT;
	enc = gd_alloc(&a, sizeof(*enc));
	if (!enc)
		return DS_ERR_NO_MEMORY;
	memset(enc, 0, sizeof(*enc));
	enc->allocator = a;
	enc->level = &ds_gd_levels[level];
	enc->finder = gd_alloc(&a, finder_nbytes(enc->level->parser));
	if (!enc->finder) {
		gd_free(&a, enc);
		return DS_ERR_NO_MEMORY;
	}
	enc->kernels = writers[path];
	init_length_symbols(enc->length_symbol);
	ds_gd_init_log2(enc);
	ds_gd_make_fixed_codes(&enc->fixed);
	*out = enc;
	return DS_OK;
}

ds_result ds_gd_encoder_create(int level, enum gd_path path, struct ds_gdeflate_encoder **out)
{
	return create(NULL, level, path, out);
}

ds_result ds_gdeflate_encoder_create_with(const struct ds_gdeflate_allocator *allocator, int level,
					  struct ds_gdeflate_encoder **out)
{
	return create(allocator, level, ds_gd_best_path(), out);
}

ds_result ds_gdeflate_encoder_create(int level, struct ds_gdeflate_encoder **out)
{
	return create(NULL, level, ds_gd_best_path(), out);
}

void ds_gdeflate_encoder_destroy(struct ds_gdeflate_encoder *enc)
{
	struct ds_gdeflate_allocator a;

	if (!enc)
		return;
	a = enc->allocator;
	gd_free(&a, enc->finder);
	gd_free(&a, enc);
}

static void parse_and_split(struct ds_gdeflate_encoder *enc, const uint8_t *in, uint32_t nbytes)
{
	switch (enc->level->parser) {
	case GD_FAST:
		ds_gd_parse_fast(enc, in, nbytes);
		break;
	case GD_GREEDY:
		ds_gd_parse_greedy(enc, in, nbytes);
		break;
	case GD_LAZY:
	case GD_LAZY2:
		ds_gd_parse_lazy(enc, in, nbytes);
		break;
	case GD_OPTIMAL_ROWS:
	case GD_OPTIMAL_TREES:
		ds_gd_parse_optimal(enc, in, nbytes);
		return;
	}
	ds_gd_split(enc, false);
}

ds_result ds_gdeflate_encode_tile(struct ds_gdeflate_encoder *enc, const void *in, size_t in_nbytes,
				  void *out, size_t *out_nbytes)
{
	uint32_t nbytes = (uint32_t)in_nbytes;

	if (!enc || !in || !out || !out_nbytes || in_nbytes == 0 ||
	    in_nbytes > DS_GDEFLATE_TILE_NBYTES)
		return DS_ERR_INVALID_ARGUMENT;
	parse_and_split(enc, in, nbytes);
	*out_nbytes = ds_gd_write_tile(enc, in, nbytes, out);
	return DS_OK;
}
