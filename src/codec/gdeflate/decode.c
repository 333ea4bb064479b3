/* SPDX-License-Identifier: MIT */
/* decode.c: the tile decoder as programs call it. */
#include "codec/gdeflate/decode.h"
#include "codec/gdeflate/decode_internal.h"
#include "codec/gdeflate/memory.h"

const char *ds_gd_path_name(enum gd_path path)
{
	static const char *const names[GD_NR_PATHS] = { "reference", "scalar", "avx2", "avx512" };

	return names[path];
}

#ifdef GD_HAVE_X86_PATHS
static bool has_bit_instructions(void)
{
	return __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
	       __builtin_cpu_supports("popcnt");
}
#endif

bool ds_gd_has_path(enum gd_path path)
{
	switch (path) {
	case GD_PATH_REFERENCE:
	case GD_PATH_SCALAR:
		return true;
#ifdef GD_HAVE_X86_PATHS
	case GD_PATH_AVX2:
		return __builtin_cpu_supports("avx2") && has_bit_instructions();
	case GD_PATH_AVX512:
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
		       __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vbmi") &&
		       __builtin_cpu_supports("avx512vbmi2") && has_bit_instructions();
#endif
	default:
		return false;
	}
}

enum gd_path ds_gd_best_path(void)
{
	enum gd_path best = GD_PATH_REFERENCE;

	for (unsigned i = 0; i < GD_NR_PATHS; i++)
		if (ds_gd_has_path(i))
			best = i;
	return best;
}

static ds_result create(const struct ds_gdeflate_allocator *allocator, enum gd_path path,
			struct ds_gdeflate_decoder **out)
{
	static const struct gd_kernels *const kernels[GD_NR_PATHS] = {
		[GD_PATH_SCALAR] = &ds_gd_kernels_scalar,
#ifdef GD_HAVE_X86_PATHS
		[GD_PATH_AVX2] = &ds_gd_kernels_avx2,
		[GD_PATH_AVX512] = &ds_gd_kernels_avx512,
#endif
	};
	struct ds_gdeflate_allocator a = ds_gd_allocator(allocator);
	struct ds_gdeflate_decoder *dec;

	if (!out || !a.alloc || !a.free)
		return DS_ERR_INVALID_ARGUMENT;
	dec = gd_alloc(&a, sizeof(*dec));
	if (!dec)
		return DS_ERR_NO_MEMORY;
	memset(dec, 0, sizeof(*dec));
	dec->allocator = a;
	ds_gd_init_meanings(&dec->meanings);
	dec->path = path;
	dec->kernels = kernels[path];
	*out = dec;
	return DS_OK;
}

ds_result ds_gd_decoder_create(enum gd_path path, struct ds_gdeflate_decoder **out)
{
	return create(NULL, path, out);
}

ds_result ds_gdeflate_decoder_create_with(const struct ds_gdeflate_allocator *allocator,
					  struct ds_gdeflate_decoder **out)
{
	return create(allocator, ds_gd_best_path(), out);
}

ds_result ds_gdeflate_decoder_create(struct ds_gdeflate_decoder **out)
{
	return create(NULL, ds_gd_best_path(), out);
}

void ds_gdeflate_decoder_destroy(struct ds_gdeflate_decoder *dec)
{
	struct ds_gdeflate_allocator a;

	if (!dec)
		return;
	a = dec->allocator;
	gd_free(&a, dec);
}

ds_result ds_gdeflate_decode_tile(struct ds_gdeflate_decoder *dec, const void *in, size_t in_nbytes,
				  void *out, size_t out_nbytes)
{
	bool ok;

	if (!dec || (!in && in_nbytes) || !out || out_nbytes == 0 ||
	    out_nbytes > DS_GDEFLATE_TILE_NBYTES)
		return DS_ERR_INVALID_ARGUMENT;
	if (dec->path == GD_PATH_REFERENCE)
		ok = ds_gd_decode_reference(in, in_nbytes, out, out_nbytes);
	else
		ok = ds_gd_decode_tile(dec, in, in_nbytes, out, out_nbytes);
	return ok ? DS_OK : DS_ERR_CORRUPT_DATA;
}
