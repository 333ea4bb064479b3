/* SPDX-License-Identifier: MIT */
/* suite.c: fixtures, the runner, and short forms for what every test does. */
#include "conformance/suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#if DS_HAVE_ZSTD
#include <zstd.h>
#endif

#define SKIPPED	    77
#define MAX_ENTRIES 128

static const struct backend_maker *maker;

/* ---------------------------------------------------------------- fixtures */

static void make(struct suite *s, const struct ds_backend_config *backend,
		 const struct ds_queue_config *queue)
{
	REQUIRE_OK(maker->make(backend, s->fake, &s->be));
	REQUIRE_OK(ds_queue_create(s->be, queue, &s->q));
	REQUIRE_OK(ds_file_open(s->be, s->data_path, DS_FILE_READ, &s->data));
}

void suite_close(struct suite *s)
{
	ds_file_close(s->data);
	REQUIRE_OK(ds_queue_destroy(s->q));
	ds_backend_destroy(s->be);
	s->data = NULL;
	s->q = NULL;
	s->be = NULL;
}

uint32_t suite_path_taken(const struct suite *s, uint32_t path)
{
	if (s->has_device && path == DS_PATH_BUFFERED)
		return DS_PATH_BUFFERED_STAGED;
	if (s->has_device && path == DS_PATH_DIRECT)
		return DS_PATH_DIRECT_STAGED;
	return path;
}

void suite_remake(struct suite *s, const struct ds_backend_config *backend,
		  const struct ds_queue_config *queue)
{
	suite_close(s);
	make(s, backend, queue);
}

void suite_remake_fake(struct suite *s, const struct fake_setup *setup,
		       const struct ds_backend_config *backend, const struct ds_queue_config *queue)
{
	suite_close(s);
	fake_configure(s->fake, setup);
	make(s, backend, queue);
}

void suite_remake_queue(struct suite *s, const struct ds_queue_config *queue)
{
	REQUIRE_OK(ds_queue_destroy(s->q));
	s->q = NULL;
	REQUIRE_OK(ds_queue_create(s->be, queue, &s->q));
}

static void set_up(struct suite *s)
{
	memset(s, 0, sizeof(*s));
	s->threads_before = count_threads();
	s->fds_before = count_fds();
	tempdir_create(&s->dir);
	tempdir_path(&s->dir, "data", s->data_path, sizeof(s->data_path));
	file_write_pattern(s->data_path, DATA_NBYTES, DATA_SEED);
	s->has_device = maker->has_device;
	if (maker->is_fake)
		s->fake = fake_create();
	make(s, NULL, NULL);
}

static void tear_down(struct suite *s)
{
	if (s->fake)
		fake_hold(s->fake, FAKE_GATE_OPEN);
	suite_close(s);
	fake_destroy(s->fake);
	tempdir_remove(&s->dir);
	require_no_more_threads(s->threads_before);
	REQUIRE_CMP(count_fds(), ==, s->fds_before);
}

void suite_skip(struct suite *s)
{
	tear_down(s);
	skip();
}

static void run_entry(void **state)
{
	const struct suite_entry *entry = *state;
	struct suite s;

	if (entry->needs_fake && !maker->is_fake)
		skip();
	set_up(&s);
	entry->run(&s);
	tear_down(&s);
}

/* A backend that this machine cannot have is a skipped program, not a failed one. */
static bool is_available(void)
{
	struct fake_control *ctl = maker->is_fake ? fake_create() : NULL;
	struct ds_backend *be;
	ds_result ret = maker->make(NULL, ctl, &be);

	if (!ret)
		ds_backend_destroy(be);
	fake_destroy(ctl);
	if (ret == DS_ERR_UNAVAILABLE)
		return false;
	REQUIRE_OK(ret);
	return true;
}

int suite_main(int argc, char **argv, const char *topic, const struct suite_entry *entries,
	       size_t nr_entries)
{
	struct CMUnitTest tests[MAX_ENTRIES];

	if (argc < 2 || argc > 3 || !(maker = backend_find(argv[1]))) {
		fprintf(stderr, "usage: %s BACKEND [TEST]\n", argv[0]);
		return 2;
	}
	if (!is_available()) {
		fprintf(stderr, "%s: not available here\n", argv[1]);
		return SKIPPED;
	}
	REQUIRE_CMP(nr_entries, <=, MAX_ENTRIES);
	for (size_t i = 0; i < nr_entries; i++) {
		struct suite_entry *entry = (struct suite_entry *)(uintptr_t)&entries[i];

		tests[i] = (struct CMUnitTest){ .name = entry->name,
						.test_func = run_entry,
						.initial_state = entry };
	}
	if (argc == 3)
		cmocka_set_test_filter(argv[2]);
	return _cmocka_run_group_tests(topic, tests, nr_entries, NULL, NULL);
}

const char *suite_path(const struct suite *s, const char *name)
{
	static _Thread_local char path[256];

	return tempdir_path(&s->dir, name, path, sizeof(path));
}

struct ds_file *suite_pattern_file(struct suite *s, const char *name, uint64_t nbytes,
				   uint64_t seed, uint32_t flags)
{
	struct ds_file *file;

	file_write_pattern(suite_path(s, name), nbytes, seed);
	REQUIRE_OK(ds_file_open(s->be, suite_path(s, name), flags, &file));
	return file;
}

struct ds_file *suite_bytes_file(struct suite *s, const char *name, const void *bytes,
				 uint64_t nbytes, uint32_t flags)
{
	struct ds_file *file;

	file_write_bytes(suite_path(s, name), bytes, nbytes);
	REQUIRE_OK(ds_file_open(s->be, suite_path(s, name), flags, &file));
	return file;
}

/* ---------------------------------------------------------------- requests */

struct ds_request req_read(struct ds_file *file, uint64_t offset, uint64_t nbytes, void *dst)
{
	struct ds_request r = DS_REQUEST_INIT;

	r.source.kind = DS_LOCATION_FILE;
	r.source.file = file;
	r.source.offset = offset;
	r.source.nbytes = nbytes;
	r.destination.kind = DS_LOCATION_MEMORY;
	r.destination.data = dst;
	r.destination.nbytes = nbytes;
	return r;
}

struct ds_request req_write(struct ds_file *file, uint64_t offset, uint64_t nbytes, const void *src)
{
	struct ds_request r = DS_REQUEST_INIT;

	r.source.kind = DS_LOCATION_MEMORY;
	r.source.data = (void *)(uintptr_t)src;
	r.source.nbytes = nbytes;
	r.destination.kind = DS_LOCATION_FILE;
	r.destination.file = file;
	r.destination.offset = offset;
	return r;
}

struct ds_request req_copy(const void *src, uint64_t nbytes, void *dst)
{
	struct ds_request r = DS_REQUEST_INIT;

	r.source.kind = DS_LOCATION_MEMORY;
	r.source.data = (void *)(uintptr_t)src;
	r.source.nbytes = nbytes;
	r.destination.kind = DS_LOCATION_MEMORY;
	r.destination.data = dst;
	r.destination.nbytes = nbytes;
	return r;
}

struct ds_request req_decode(struct ds_file *file, uint64_t offset, uint64_t stream_nbytes,
			     uint32_t codec, void *dst, uint64_t dst_nbytes)
{
	struct ds_request r = req_read(file, offset, stream_nbytes, dst);

	r.codec = codec;
	r.uncompressed_nbytes = dst_nbytes;
	r.destination.nbytes = dst_nbytes;
	return r;
}

uint64_t enqueue(struct ds_queue *q, const struct ds_request *r)
{
	uint64_t id = 0;

	REQUIRE_OK(ds_queue_enqueue(q, r, &id));
	REQUIRE_CMP(id, !=, 0);
	return id;
}

uint64_t start(struct ds_queue *q, const struct ds_request *r)
{
	uint64_t id = enqueue(q, r);

	REQUIRE_OK(ds_queue_submit(q));
	return id;
}

struct ds_completion take(struct ds_queue *q)
{
	struct ds_completion c = DS_COMPLETION_INIT;
	uint32_t taken = 0;

	REQUIRE_OK(ds_queue_wait(q, &c, 1, 1, PATIENCE, &taken));
	REQUIRE_CMP(taken, ==, 1);
	return c;
}

struct ds_completion run(struct ds_queue *q, const struct ds_request *r)
{
	uint64_t id = start(q, r);
	struct ds_completion c = take(q);

	REQUIRE_CMP(c.id, ==, id);
	return c;
}

struct ds_completion run_ok(struct ds_queue *q, const struct ds_request *r)
{
	struct ds_completion c = run(q, r);

	require_complete(&c, r->codec ? r->uncompressed_nbytes : r->source.nbytes);
	return c;
}

struct ds_completion run_fails(struct ds_queue *q, const struct ds_request *r, ds_result want)
{
	struct ds_completion c = run(q, r);

	require_failed_with(&c, want);
	return c;
}

void require_complete(const struct ds_completion *c, uint64_t nbytes)
{
	REQUIRE_RESULT(c->result, DS_OK);
	REQUIRE_CMP(c->status, ==, DS_STATUS_COMPLETE);
	REQUIRE_CMP(c->sys_errno, ==, 0);
	REQUIRE_CMP(c->reason, ==, DS_REASON_NONE);
	REQUIRE_CMP(c->bytes_transferred, ==, nbytes);
}

void require_failed_with(const struct ds_completion *c, ds_result want)
{
	REQUIRE_RESULT(c->result, want);
	REQUIRE_CMP(c->status, ==, DS_STATUS_FAILED);
	REQUIRE_CMP(c->reason, ==, DS_REASON_NONE);
}

void require_cancelled(const struct ds_completion *c, uint32_t reason)
{
	REQUIRE_RESULT(c->result, DS_ERR_CANCELLED);
	REQUIRE_CMP(c->status, ==, DS_STATUS_CANCELLED);
	REQUIRE_CMP(c->reason, ==, reason);
}

void wait_idle(struct ds_queue *q)
{
	REQUIRE_OK(ds_queue_wait_idle(q, PATIENCE));
}

struct ds_stats queue_stats(struct ds_queue *q)
{
	struct ds_stats stats = DS_STATS_INIT;

	REQUIRE_OK(ds_queue_get_stats(q, &stats));
	return stats;
}

struct ds_stats backend_stats(struct ds_backend *be)
{
	struct ds_stats stats = DS_STATS_INIT;

	REQUIRE_OK(ds_backend_get_stats(be, &stats));
	return stats;
}

void count_callback(void *counter, const struct ds_completion *completion)
{
	(void)completion;
	atomic_fetch_add((atomic_uint *)counter, 1);
}

/* ----------------------------------------------------------- compressed data */

static void gdeflate_stream(struct stream *st, const void *plain, uint64_t nbytes)
{
	uint64_t room = ds_gdeflate_bound(nbytes);

	st->bytes = malloc(room);
	REQUIRE(st->bytes != NULL);
	REQUIRE_OK(ds_gdeflate_compress(1, plain, nbytes, st->bytes, room, &st->nbytes));
}

static bool zstd_stream(struct stream *st, const void *plain, uint64_t nbytes)
{
#if DS_HAVE_ZSTD
	size_t room = ZSTD_compressBound(nbytes);

	st->bytes = malloc(room);
	REQUIRE(st->bytes != NULL);
	st->nbytes = ZSTD_compress(st->bytes, room, plain, nbytes, 1);
	REQUIRE(!ZSTD_isError(st->nbytes));
	return true;
#else
	(void)st;
	(void)plain;
	(void)nbytes;
	return false;
#endif
}

bool stream_make(struct stream *st, uint32_t codec, uint64_t nbytes, uint64_t seed)
{
	uint8_t *plain = malloc(nbytes ? nbytes : 1);
	bool is_made = true;

	REQUIRE(plain != NULL);
	pattern_fill(plain, nbytes, seed, 0);
	st->uncompressed_nbytes = nbytes;
	if (codec == DS_CODEC_GDEFLATE)
		gdeflate_stream(st, plain, nbytes);
	else
		is_made = zstd_stream(st, plain, nbytes);
	free(plain);
	return is_made;
}

#if DS_HAVE_ZSTD
static void store_le(uint8_t *p, uint64_t v, unsigned nbytes)
{
	for (unsigned i = 0; i < nbytes; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}
#endif

bool stream_make_zstd_table(struct stream *st, uint64_t nbytes, uint64_t seed)
{
#if DS_HAVE_ZSTD
	const uint64_t each = 262144;
	uint64_t nr = (nbytes + each - 1) / each, at = 32 + 8 * nr;
	size_t room = at + nr * ZSTD_compressBound(each);
	uint8_t *plain = malloc(nbytes);

	st->bytes = malloc(room);
	REQUIRE(plain && st->bytes);
	pattern_fill(plain, nbytes, seed, 0);
	store_le(st->bytes, 0x184d2a5a, 4);
	store_le(st->bytes + 4, 24 + 8 * nr, 4);
	memcpy(st->bytes + 8, "dsframes", 8);
	store_le(st->bytes + 16, nbytes, 8);
	store_le(st->bytes + 24, each, 4);
	store_le(st->bytes + 28, nr, 4);
	for (uint64_t i = 0; i < nr; i++) {
		uint64_t n = nbytes - i * each < each ? nbytes - i * each : each;
		size_t got = ZSTD_compress(st->bytes + at, room - at, plain + i * each, n, 1);

		REQUIRE(!ZSTD_isError(got));
		at += got;
		store_le(st->bytes + 32 + 8 * i, at, 8);
	}
	st->nbytes = at;
	st->uncompressed_nbytes = nbytes;
	free(plain);
	return true;
#else
	(void)st;
	(void)nbytes;
	(void)seed;
	return false;
#endif
}

void stream_free(struct stream *st)
{
	free(st->bytes);
	st->bytes = NULL;
}

unsigned suite_codecs(const struct suite *s, uint32_t codecs[4])
{
	unsigned n = 0;

	REQUIRE(ds_backend_has_codec(s->be, DS_CODEC_GDEFLATE));
	codecs[n++] = DS_CODEC_GDEFLATE;
#if DS_HAVE_ZSTD
	if (ds_backend_has_codec(s->be, DS_CODEC_ZSTD))
		codecs[n++] = DS_CODEC_ZSTD;
#endif
	return n;
}
