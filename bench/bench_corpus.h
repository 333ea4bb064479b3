/* SPDX-License-Identifier: MIT */
/*
 * bench_corpus.h: real files, and the same files compressed to GDeflate, for the
 * loading benchmark.
 *
 * Two sets are made of the same bytes: "files", one stream a file, each in a .gdeflate
 * file of its own; and "assets", pieces of 256 KiB, each one stream, in one pack. The first
 * is a few large requests, the second many small ones.
 */
#ifndef DS_BENCH_CORPUS_H
#define DS_BENCH_CORPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CORPUS_ASSET_NBYTES (256u << 10)

/* One thing to load: so many bytes of a raw file, or a stream that decodes to them. */
struct corpus_item {
	unsigned raw_path; /* index into the set's paths */
	unsigned stream_path;
	uint64_t raw_offset;
	uint64_t stream_offset;
	uint64_t nbytes;
	uint64_t stream_nbytes;
	uint64_t out_offset; /* where its bytes are in the corpus, and go to in the output */
	uint8_t *stream;
};

struct corpus_set {
	const char *name;
	char **paths;
	unsigned nr_paths;
	struct corpus_item *items;
	unsigned nr_items;
	uint64_t stream_nbytes; /* of all */
};

struct corpus {
	uint8_t *bytes;
	uint64_t nbytes;
	struct corpus_set files;
	struct corpus_set assets;
};

/*
 * Takes regular files below the given paths, in order of their names, until max_nbytes are
 * together, compresses them with all cores, and writes the streams to the cache folder.
 */
void corpus_create(struct corpus *c, char **paths, unsigned nr_paths, uint64_t max_nbytes,
		   int level);
void corpus_destroy(struct corpus *c);

/* Brings the set's files into the page cache, or out of it. */
void corpus_prepare(const struct corpus_set *set, bool is_cached);

#endif /* DS_BENCH_CORPUS_H */
