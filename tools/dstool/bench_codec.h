/* SPDX-License-Identifier: MIT */
/*
 * bench_codec.h: "bench codec": what compresses and decompresses how fast, and how small.
 */
#ifndef DSTOOL_BENCH_CODEC_H
#define DSTOOL_BENCH_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_CODEC_CHUNK	65536u
#define BENCH_CODEC_MAX_LEVELS	16u
#define BENCH_CODEC_MAX_ROUNDS	99u
#define BENCH_CODEC_MAX_THREADS 256u
/* What every format here needs for a chunk at most. */
#define BENCH_CODEC_ROOM	(BENCH_CODEC_CHUNK + 4096u)

/* A format and the library behind it. Those of the system are loaded when they are asked for. */
struct bench_codec {
	const char *name;
	int max_level;
	int levels[BENCH_CODEC_MAX_LEVELS]; /* without --levels; ends with 0 */
	size_t chunk_overhead;		    /* bytes that a file has for each chunk */

	/* NULL, or why it is not there. */
	const char *(*load)(void);
	/* One for each thread. NULL: no memory. */
	void *(*compressor_create)(int level);
	void (*compressor_destroy)(void *c);
	void *(*decompressor_create)(void);
	void (*decompressor_destroy)(void *d);
	/* The size, or 0 for a failure. */
	size_t (*compress)(void *c, const void *in, size_t nbytes, void *out, size_t room);
	bool (*decompress)(void *d, const void *in, size_t nbytes, void *out, size_t out_nbytes);
};

/* The i-th, NULL after the last. */
const struct bench_codec *bench_codec_at(size_t i);

struct bench_codec_options {
	const char *formats; /* names with commas; NULL: all */
	const char *levels;  /* numbers with commas; NULL: each format's own */
	uint64_t max_nbytes; /* more input than that is sampled evenly */
	uint64_t nr_rounds;
	uint64_t nr_threads; /* beside one; 0: one for each CPU */
	bool json;
	char **paths;
	int nr_paths;
};

/* TOOL_OK, or an exit code and it was said why. */
int bench_codec(const struct bench_codec_options *o);

int cmd_bench_codec(int argc, char **argv);

#endif /* DSTOOL_BENCH_CODEC_H */
