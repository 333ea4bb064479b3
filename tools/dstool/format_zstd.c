/* SPDX-License-Identifier: MIT */
/*
 * format_zstd.c: how Zstandard frames are recognised and what this build can do with them.
 *
 * dstool writes frames of 256 KiB and a table of them, as loading with all cores needs it, and
 * reads any frames. Without libzstd the format is still known, so that its lack can be named.
 */
#include <string.h>

#include "ds_runtime.h"
#include "format.h"
#if DS_HAVE_ZSTD
#include "zstd_codec.h"
#endif

/* A Zstandard frame or a skippable one (RFC 8878, sections 3.1.1 and 3.1.2). */
static bool zstd_matches(const void *head, size_t nbytes)
{
	const unsigned char *b = head;

	if (nbytes < 4)
		return false;
	if (memcmp(b, "\x28\xb5\x2f\xfd", 4) == 0)
		return true;
	return (b[0] & 0xf0) == 0x50 && memcmp(b + 1, "\x2a\x4d\x18", 3) == 0;
}

const struct format format_zstd = {
	.name = "zstd",
	.suffix = ".zst",
	.codec = DS_CODEC_ZSTD,
	.max_level = 19,
	.max_nbytes = INT64_MAX,
	.matches = zstd_matches,
#if DS_HAVE_ZSTD
	.compress = zstd_compress,
	.decompress = zstd_decompress,
	.declared_nbytes = zstd_declared_nbytes,
	.compare = zstd_compare,
#endif
};
