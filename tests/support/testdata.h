/* SPDX-License-Identifier: MIT */
/*
 * testdata.h: contents that can be checked anywhere, files that hold them, guarded
 * memory, and counts of what a process leaks.
 */
#ifndef TESTS_SUPPORT_TESTDATA_H
#define TESTS_SUPPORT_TESTDATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A pattern is a sequence of bytes without end, one for each seed: what belongs at any
 * offset can be computed. Even seeds give bytes that do not compress, odd ones give text-like
 * ones that do.
 */
void pattern_fill(void *buf, uint64_t nbytes, uint64_t seed, uint64_t offset);

/* Aborts and names the first byte that differs. */
void pattern_require(const void *buf, uint64_t nbytes, uint64_t seed, uint64_t offset);

/* True if all bytes have this value. */
bool bytes_are(const void *buf, uint64_t nbytes, uint8_t value);

/* A folder of the test's own, below the current one; removed by tempdir_remove(). */
struct tempdir {
	char path[64];
};
void tempdir_create(struct tempdir *dir);
void tempdir_remove(struct tempdir *dir);
/* The path of a file in it, in a buffer of the caller's; returns buf. */
char *tempdir_path(const struct tempdir *dir, const char *name, char *buf, size_t room);

/* Files are written with plain calls, never through the runtime. */
void file_write_pattern(const char *path, uint64_t nbytes, uint64_t seed);
void file_write_bytes(const char *path, const void *bytes, uint64_t nbytes);
/* Reads a whole file; the caller frees it. */
void *file_read_all(const char *path, uint64_t *nbytes);

/* Whole pages between two pages that fault. */
struct guarded {
	uint8_t *base; /* of the mapping, the first guard page included */
	uint8_t *data; /* nbytes bytes that end (or begin) at a guard page */
	uint64_t nbytes;
	uint64_t mapped;
};
/* at_end: data ends at the guard page behind it, else it begins after the one before it. */
void guarded_map(struct guarded *g, uint64_t nbytes, bool at_end);
/* Any touch is a fault from now on. */
void guarded_poison(struct guarded *g);
void guarded_unmap(struct guarded *g);

/* Threads and descriptors of this process right now. */
unsigned count_threads(void);
unsigned count_fds(void);
/* Waits until there are no more than that (the kernel removes a joined thread a little late). */
void require_no_more_threads(unsigned n);

#endif /* TESTS_SUPPORT_TESTDATA_H */
