/* SPDX-License-Identifier: MIT */
/* gdeflate_codec.h: GDeflate as a codec of the runtime. */
#ifndef DS_GDEFLATE_CODEC_H
#define DS_GDEFLATE_CODEC_H

#include "core/codec.h"

/* Units are tiles. */
extern const struct ds_codec ds_gdeflate_codec;

#endif /* DS_GDEFLATE_CODEC_H */
