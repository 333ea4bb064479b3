/* SPDX-License-Identifier: MIT */
/*
 * format.h: the compressed formats that dstool knows, in one table.
 */
#ifndef DSTOOL_FORMAT_H
#define DSTOOL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "file_io.h"
#include "output.h"
#include "progress.h"

struct format;

/* One file on its way through a codec. */
struct transfer {
	struct input *in;
	struct output *out;
	struct progress *progress;
	const struct format *format;
	unsigned nr_threads;
	int level; /* 0: the format's default */
	bool has_expected_nbytes;
	uint64_t expected_nbytes; /* --size */
	uint64_t in_nbytes;	  /* results */
	uint64_t out_nbytes;
};

struct format {
	const char *name;
	const char *suffix; /* with the dot */
	uint32_t codec;	    /* DS_CODEC_* */
	int max_level;
	uint64_t max_nbytes; /* uncompressed, of one file */

	/* head: up to INPUT_HEAD_NBYTES of the file's beginning, here and below. */
	bool (*matches)(const void *head, size_t nbytes);

	/*
	 * The rest is NULL where this build lacks the codec.
	 *
	 * compress() wants a regular input and a seekable output; decompress() takes any. Both
	 * say what goes wrong and return TOOL_OK or TOOL_FAILED.
	 */
	int (*compress)(struct transfer *t);
	int (*decompress)(struct transfer *t);

	/* What the stream says that it holds. NULL, or why it cannot be told. */
	const char *(*declared_nbytes)(const void *head, size_t nbytes, uint64_t *declared);

	/*
	 * Decodes the stream in fd again, in small pieces, and compares. NULL when it gives
	 * just these bytes, else what is wrong; format_stopped once is_stopped() is true.
	 */
	const char *(*compare)(int fd, uint64_t stream_nbytes, const void *bytes, uint64_t nbytes,
			       bool (*is_stopped)(void));
};

extern const char format_stopped[];
extern const struct format format_gdeflate;
extern const struct format format_zstd;

/* Each NULL if there is none. */
const struct format *format_by_name(const char *name);
const struct format *format_by_path(const char *path);
const struct format *format_by_head(const void *head, size_t nbytes);

/* The i-th of the table, NULL after the last. */
const struct format *format_at(size_t i);

/* Says that --size and the stream disagree. Returns TOOL_FAILED. */
int format_size_error(const struct transfer *t, uint64_t nbytes);

#endif /* DSTOOL_FORMAT_H */
