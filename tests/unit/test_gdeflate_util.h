/* SPDX-License-Identifier: MIT */
/* test_gdeflate_util.h: what the tests of the GDeflate codec share. */
#ifndef DS_TEST_GDEFLATE_UTIL_H
#define DS_TEST_GDEFLATE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Memory between two inaccessible pages. data touches the one behind it, or, if
 * at_begin, the one before it: a byte too far in that direction is a crash.
 */
struct guarded {
	uint8_t *data;
	size_t nbytes;
	void *mapping;
	size_t mapping_nbytes;
};

struct guarded guarded_alloc(size_t nbytes, bool at_begin);
struct guarded guarded_copy(const void *data, size_t nbytes, bool at_begin);
void guarded_free(struct guarded *g);

/* The whole file, or aborts the program with a message. The caller frees it. */
uint8_t *read_file(const char *path, size_t *nbytes);

/* Writes 64 hexadecimal digits and a zero. */
void sha256_hex(const void *data, size_t nbytes, char *hex);

/* A small generator whose numbers are the same everywhere. */
uint32_t next_random(uint64_t *state);

#endif /* DS_TEST_GDEFLATE_UTIL_H */
