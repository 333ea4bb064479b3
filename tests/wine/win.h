/* SPDX-License-Identifier: MIT */
/*
 * win.h: what the Windows test programs share.
 *
 * A program is a list of tests that run one after the other; the first check that fails ends
 * it. All of them see only what a program under Windows sees: dstorage.h and dstorage.dll.
 */
#ifndef TESTS_WINE_WIN_H
#define TESTS_WINE_WIN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "dstorage/include/dstorage.h"

/* ------------------------------------------------------------------ checks */

void fail_cmp(const char *file, int line, const char *text, long long left, long long right)
	__attribute__((noreturn));
void fail_hresult(const char *file, int line, const char *text, HRESULT left, HRESULT right)
	__attribute__((noreturn));
void fail(const char *file, int line, const char *text) __attribute__((noreturn));

#define REQUIRE(condition)                                    \
	do {                                                  \
		if (!(condition))                             \
			fail(__FILE__, __LINE__, #condition); \
	} while (0)

#define REQUIRE_CMP(a, op, b)                                                           \
	do {                                                                            \
		long long left_ = (long long)(a);                                       \
		long long right_ = (long long)(b);                                      \
		if (!(left_ op right_))                                                 \
			fail_cmp(__FILE__, __LINE__, #a " " #op " " #b, left_, right_); \
	} while (0)

#define REQUIRE_HR(a, b)                                                               \
	do {                                                                           \
		HRESULT left_ = (a);                                                   \
		HRESULT right_ = (b);                                                  \
		if (left_ != right_)                                                   \
			fail_hresult(__FILE__, __LINE__, #a " == " #b, left_, right_); \
	} while (0)

#define REQUIRE_OK(a) REQUIRE_HR(a, S_OK)

/* Ends the program as skipped. */
void skip(const char *why) __attribute__((noreturn));

struct test {
	const char *name;
	void (*run)(void);
};

/* What mingw-w64 starts instead of main(), and nobody declares. */
int wmain(int argc, WCHAR **argv);

/* Runs all, or those whose names follow on the command line; for wmain() to return. */
int run_tests(const struct test *tests, unsigned int count, int argc, WCHAR **argv);

/* -------------------------------------------------------------------- data */

/* Byte number `offset` of the endless sequence `seed`. Odd seeds compress. */
void pattern_fill(void *buf, uint64_t nbytes, unsigned int seed, uint64_t offset);
void pattern_require(const void *buf, uint64_t nbytes, unsigned int seed, uint64_t offset);
bool bytes_are(const void *buf, uint64_t nbytes, unsigned char value);

/* A file in the current folder. */
void write_pattern_file(const WCHAR *name, uint64_t nbytes, unsigned int seed);
void write_file(const WCHAR *name, const void *data, uint64_t nbytes);
void *read_file(const WCHAR *name, uint64_t *nbytes);

void *pages(uint64_t nbytes, DWORD protection);
void free_pages(void *p);

/* Compressed with the codec; the caller frees it with free(). */
void *compress(DSTORAGE_COMPRESSION_FORMAT format, const void *data, size_t nbytes,
	       size_t *compressed);

/* ----------------------------------------------------------------- objects */

IDStorageFactory *get_factory(void);
IDStorageFile *open_file(const WCHAR *name);
IDStorageQueue3 *make_queue(DSTORAGE_REQUEST_SOURCE_TYPE source, UINT16 capacity,
			    ID3D12Device *device);
IDStorageStatusArray *make_status_array(UINT32 capacity);
/* Drops one reference, and says how many are left. */
ULONG release(void *object);

DSTORAGE_REQUEST file_to_memory(IDStorageFile *file, uint64_t offset, UINT32 nbytes, void *to);
DSTORAGE_REQUEST memory_to_memory(const void *from, UINT32 nbytes, void *to);

/* An event marker, a submit, and a wait that must not time out. */
void submit_and_wait(IDStorageQueue3 *q);
/* Waits for something that has to happen. */
void wait_for(HANDLE event);

/* Enqueues one request, waits, and returns what its status entry says. */
HRESULT run_request(IDStorageQueue3 *q, const DSTORAGE_REQUEST *r);
/* Empties the error record, and resets the error event. */
void forget_failures(IDStorageQueue3 *q);
/* The queue has no failure to tell. */
void require_no_failure(IDStorageQueue3 *q);

#endif /* TESTS_WINE_WIN_H */
