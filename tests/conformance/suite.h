/* SPDX-License-Identifier: MIT */
/*
 * suite.h: what all conformance tests share.
 *
 * Each program is one topic and is given a backend's name. Each of its tests gets a fresh
 * backend, a queue and a data file, and on its way out every thread and descriptor that
 * it opened must be gone again.
 */
#ifndef TESTS_CONFORMANCE_SUITE_H
#define TESTS_CONFORMANCE_SUITE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conformance/backends.h"
#include "ds_gdeflate.h"
#include "ds_runtime.h"
#include "support/require.h"
#include "support/testdata.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define MS  UINT64_C(1000000)
#define SEC UINT64_C(1000000000)

/* Long enough for a loaded machine under a sanitizer, short enough to be seen to hang. */
#define PATIENCE (60 * SEC)

/* The data file: an odd size over several chunks. */
#define DATA_NBYTES (5 * MIB + 1237)
#define DATA_SEED   UINT64_C(42)

struct suite {
	struct fake_control *fake; /* NULL unless the backend is the fake one */
	bool has_device;	   /* memory is reached through staging memory only */
	struct ds_backend *be;
	struct ds_queue *q;
	struct tempdir dir;
	char data_path[128];
	struct ds_file *data;
	unsigned threads_before;
	unsigned fds_before;
};

typedef void (*suite_test)(struct suite *s);

struct suite_entry {
	const char *name;
	suite_test run;
	bool needs_fake;
};
#define TEST(f)              \
	{                    \
#f, f, false \
	}
#define FAKE_TEST(f)        \
	{                   \
#f, f, true \
	}

/* main() of each program. */
int suite_main(int argc, char **argv, const char *topic, const struct suite_entry *entries,
	       size_t nr_entries);

/* Another backend and queue in place of the first; NULL: defaults. */
void suite_remake(struct suite *s, const struct ds_backend_config *backend,
		  const struct ds_queue_config *queue);
/* The same with another make of the fake engine. */
void suite_remake_fake(struct suite *s, const struct fake_setup *setup,
		       const struct ds_backend_config *backend,
		       const struct ds_queue_config *queue);
/* The same for the queue alone. */
void suite_remake_queue(struct suite *s, const struct ds_queue_config *queue);
/* The DS_PATH_* of what goes straight where memory has an address. */
uint32_t suite_path_taken(const struct suite *s, uint32_t path);
/* Ends a test that this machine cannot run: it is skipped. Nothing else may be open or allocated. */
void suite_skip(struct suite *s);
/* Closes file, queue and backend before the test's end does. */
void suite_close(struct suite *s);

/* A file of pattern bytes in the test's folder, opened. */
struct ds_file *suite_pattern_file(struct suite *s, const char *name, uint64_t nbytes,
				   uint64_t seed, uint32_t flags);
struct ds_file *suite_bytes_file(struct suite *s, const char *name, const void *bytes,
				 uint64_t nbytes, uint32_t flags);
/* A path in the folder, valid until the next call on this thread. */
const char *suite_path(const struct suite *s, const char *name);

/* ------------------------------------------------------------- requests */

struct ds_request req_read(struct ds_file *file, uint64_t offset, uint64_t nbytes, void *dst);
struct ds_request req_write(struct ds_file *file, uint64_t offset, uint64_t nbytes,
			    const void *src);
struct ds_request req_copy(const void *src, uint64_t nbytes, void *dst);
/* A compressed stream in a file, of stream_nbytes bytes at offset. */
struct ds_request req_decode(struct ds_file *file, uint64_t offset, uint64_t stream_nbytes,
			     uint32_t codec, void *dst, uint64_t dst_nbytes);

/* Enqueues (must succeed) and returns the id. */
uint64_t enqueue(struct ds_queue *q, const struct ds_request *r);
/* The same and submits. */
uint64_t start(struct ds_queue *q, const struct ds_request *r);
/* Takes the next result from the list, waiting for it. */
struct ds_completion take(struct ds_queue *q);
/* Enqueues, submits and takes the result, which must be this request's. */
struct ds_completion run(struct ds_queue *q, const struct ds_request *r);
/* The same; it must end COMPLETE with all its bytes. */
struct ds_completion run_ok(struct ds_queue *q, const struct ds_request *r);
/* The same; it must end FAILED with this result. */
struct ds_completion run_fails(struct ds_queue *q, const struct ds_request *r, ds_result want);

void require_complete(const struct ds_completion *c, uint64_t nbytes);
void require_failed_with(const struct ds_completion *c, ds_result want);
void require_cancelled(const struct ds_completion *c, uint32_t reason);
void wait_idle(struct ds_queue *q);
struct ds_stats queue_stats(struct ds_queue *q);
struct ds_stats backend_stats(struct ds_backend *be);

/* A callback that counts in an atomic_uint. */
void count_callback(void *counter, const struct ds_completion *completion);

/* ---------------------------------------------------------- compressed data */

/* A pattern of nbytes bytes, compressed; false when this build has no encoder for the codec. */
struct stream {
	uint8_t *bytes;
	size_t nbytes;
	uint64_t uncompressed_nbytes;
};
bool stream_make(struct stream *st, uint32_t codec, uint64_t nbytes, uint64_t seed);
/* In frames of 256 KiB behind a table (docs/zstd-frames.md). False: there is no libzstd. */
bool stream_make_zstd_table(struct stream *st, uint64_t nbytes, uint64_t seed);
void stream_free(struct stream *st);
/* The codecs that this backend takes, without DS_CODEC_NONE. */
unsigned suite_codecs(const struct suite *s, uint32_t codecs[4]);

#endif /* TESTS_CONFORMANCE_SUITE_H */
