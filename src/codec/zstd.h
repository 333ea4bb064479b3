/* SPDX-License-Identifier: MIT */
/* zstd.h: the Zstandard codec; there only when the build has libzstd. */
#ifndef DS_CODEC_ZSTD_H
#define DS_CODEC_ZSTD_H

#include "core/codec.h"

extern const struct ds_codec ds_zstd_codec;

#endif /* DS_CODEC_ZSTD_H */
