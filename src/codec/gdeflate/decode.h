/* SPDX-License-Identifier: MIT */
/* decode.h: the tile decoders, as the rest of the codec and its tests see them. */
#ifndef DS_GDEFLATE_DECODE_H
#define DS_GDEFLATE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ds_gdeflate.h"

#if defined(__x86_64__)
#define GD_HAVE_X86_PATHS
#endif

/* The ways in which a tile can be decoded, slowest first. All give the same results. */
enum gd_path {
	GD_PATH_REFERENCE, /* for tests */
	GD_PATH_SCALAR,
	GD_PATH_AVX2,
	GD_PATH_AVX512,
	GD_NR_PATHS,
};

const char *ds_gd_path_name(enum gd_path path);

/* True if it is built in, and this processor has what it needs. */
bool ds_gd_has_path(enum gd_path path);

/* The fastest of them. */
enum gd_path ds_gd_best_path(void);

/* ds_gdeflate_decoder_create() takes the fastest path there is; this one the one given. */
ds_result ds_gd_decoder_create(enum gd_path path, struct ds_gdeflate_decoder **out);

/* The slow decoder that all others must agree with. False: the tile is damaged. */
bool ds_gd_decode_reference(const uint8_t *in, size_t in_nbytes, uint8_t *out, size_t out_nbytes);

/* A whole stream with a decoder that is there already; see ds_gdeflate_decompress(). */
ds_result ds_gd_decompress(struct ds_gdeflate_decoder *dec, const void *in, size_t in_nbytes,
			   void *out, size_t out_nbytes);

#endif /* DS_GDEFLATE_DECODE_H */
