/* SPDX-License-Identifier: MIT */
/* codecs.c: which codecs this build has. */
#include "backend/codecs.h"

#include "codec/gdeflate/gdeflate_codec.h"
#include "codec/zstd.h"

const struct ds_codec *const ds_codecs[] = {
	&ds_gdeflate_codec,
#if DS_HAVE_ZSTD
	&ds_zstd_codec,
#endif
	NULL,
};
