/* SPDX-License-Identifier: MIT */
/*
 * zstd_codec.h: the functions of struct format, for Zstandard.
 */
#ifndef DSTOOL_ZSTD_CODEC_H
#define DSTOOL_ZSTD_CODEC_H

#include "format.h"

int zstd_compress(struct transfer *t);
int zstd_decompress(struct transfer *t);
const char *zstd_declared_nbytes(const void *head, size_t nbytes, uint64_t *declared);
const char *zstd_compare(int fd, uint64_t stream_nbytes, const void *bytes, uint64_t nbytes,
			 bool (*is_stopped)(void));

#endif /* DSTOOL_ZSTD_CODEC_H */
