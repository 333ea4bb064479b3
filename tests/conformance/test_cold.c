/* SPDX-License-Identifier: MIT */
/*
 * test_cold.c: direct I/O by the runtime's own choice: out of the page cache what is there, and what is not
 * straight or through staging memory, whichever is faster.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conformance/suite.h"

/* More than is read before the other way is tried. */
#define MANY_NBYTES (80 * MIB)

/* A backend that can tell what is cached. False: the file system has no direct I/O. */
static bool remake(struct suite *s, enum fake_cache cache, uint64_t staging_nbytes)
{
	const struct fake_setup setup = { .has_cancel = true,
					  .has_cache = true,
					  .tells_cached = true };
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;
	struct ds_file_info info = DS_FILE_INFO_INIT;

	cfg.staging_nbytes = staging_nbytes;
	cfg.decode_workers = 1;
	if (s->fake) {
		fake_set_cache(s->fake, cache);
		suite_remake_fake(s, &setup, &cfg, NULL);
	} else {
		suite_remake(s, &cfg, NULL);
	}
	REQUIRE_OK(ds_file_get_info(s->data, &info));
	return info.is_direct;
}

/* For tests that are about direct I/O alone. */
static void remake_direct(struct suite *s, uint64_t staging_nbytes)
{
	if (!remake(s, FAKE_NOT_CACHED, staging_nbytes))
		suite_skip(s);
}

static uint8_t *make_buffer(void)
{
	uint8_t *buf = aligned_alloc(4096, 4 * MIB);

	REQUIRE(buf != NULL);
	memset(buf, 0xa5, 4 * MIB);
	return buf;
}

static struct fake_started last_started(const struct suite *s)
{
	struct fake_started op;

	fake_get_started(s->fake, fake_nr_started(s->fake) - 1, &op);
	return op;
}

static void drop_from_cache(const struct suite *s)
{
	int fd = open(s->data_path, O_RDONLY | O_CLOEXEC);

	REQUIRE(fd >= 0 && !fdatasync(fd) && !posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	close(fd);
}

/* ------------------------------------------------------------ on all backends */

/* Each way delivers the file's bytes, and one is tried after the other. */
static void both_ways(struct suite *s)
{
	static const uint64_t sizes[] = { 64 * KIB, MIB };
	bool has_direct = remake(s, FAKE_NOT_CACHED, 0);
	uint8_t *buf = make_buffer();
	struct ds_stats stats;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (uint64_t done = 0, offset = 0; done < MANY_NBYTES; done += sizes[i]) {
			struct ds_request r = req_read(s->data, offset, sizes[i], buf);

			if (!offset)
				drop_from_cache(s);
			run_ok(s->q, &r);
			pattern_require(buf, sizes[i], DATA_SEED, offset);
			offset = offset + 2 * sizes[i] <= DATA_NBYTES ? offset + sizes[i] : 0;
		}
	stats = queue_stats(s->q);
	/* tmpfs has nowhere else to read from. */
	if (has_direct && !stats.direct_refused && !stats.path_bytes[DS_PATH_BUFFERED]) {
		REQUIRE_CMP(stats.path_bytes[DS_PATH_DIRECT_STAGED], >=, 2 * 32 * MIB);
		REQUIRE_CMP(stats.path_bytes[DS_PATH_DIRECT], >=, 2 * 16 * MIB);
	}
	free(buf);
}

/* Over the end of the file, from anywhere, to anywhere. */
static void at_the_end(struct suite *s)
{
	static const uint64_t offsets[] = { 0, 1, 4096, 5 * MIB - 64 * KIB, 5 * MIB, 5 * MIB + 1 };
	uint8_t *buf = make_buffer();

	remake(s, FAKE_NOT_CACHED, 0);
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
		for (uint64_t shift = 0; shift < 2; shift++) {
			uint64_t there = DATA_NBYTES - offsets[i];
			uint64_t nbytes = there < 3 * MIB ? there : 3 * MIB;
			struct ds_request r = req_read(s->data, offsets[i], 3 * MIB, buf + shift);
			struct ds_completion c;

			drop_from_cache(s);
			memset(buf, 0xa5, 4 * MIB);
			if (nbytes == 3 * MIB)
				c = run_ok(s->q, &r);
			else
				c = run_fails(s->q, &r, DS_ERR_END_OF_FILE);
			REQUIRE_CMP(c.bytes_transferred, ==, nbytes);
			pattern_require(buf + shift, nbytes, DATA_SEED, offsets[i]);
			REQUIRE(bytes_are(buf, shift, 0xa5));
			REQUIRE(bytes_are(buf + shift + 3 * MIB, MIB - shift, 0xa5));
		}
	free(buf);
}

/* Large requests, many at once, through a tiny budget. */
static void beyond_the_budget(struct suite *s)
{
	enum {
		N = 20
	};
	uint8_t *out = aligned_alloc(4096, N * 5 * MIB);
	struct ds_stats stats;

	REQUIRE(out != NULL);
	remake(s, FAKE_CACHED_AT_RANDOM, MIB);
	drop_from_cache(s);
	for (uint64_t i = 0; i < N; i++) {
		struct ds_request r = req_read(s->data, (i % 3) * 4096, 4 * MIB, out + i * 5 * MIB);

		start(s->q, &r);
	}
	wait_idle(s->q);
	for (uint64_t i = 0; i < N; i++)
		pattern_require(out + i * 5 * MIB, 4 * MIB, DATA_SEED, (i % 3) * 4096);
	do
		stats = backend_stats(s->be);
	while (stats.staging_in_use); /* comes back a little after the end */
	free(out);
}

/* ---------------------------------------------------- on the fault engine only */

/* The first way that is taken to what is not cached. */
static void staged_first(struct suite *s)
{
	struct ds_request r;
	struct ds_completion c;
	uint8_t *buf;

	remake_direct(s, 0);
	buf = make_buffer();
	r = req_read(s->data, MIB, MIB, buf);
	c = run_ok(s->q, &r);
	REQUIRE_CMP(c.path, ==, DS_PATH_DIRECT_STAGED);
	pattern_require(buf, MIB, DATA_SEED, MIB);
	REQUIRE(last_started(s).is_staging && last_started(s).is_direct);
	free(buf);
}

static void cached_is_copied_from_the_cache(struct suite *s)
{
	struct ds_request r;
	struct ds_completion c;
	struct fake_started op;
	uint8_t *buf = make_buffer();

	remake(s, FAKE_CACHED, 0);
	r = req_read(s->data, MIB, MIB, buf);
	c = run_ok(s->q, &r);
	REQUIRE_CMP(c.path, ==, DS_PATH_BUFFERED);
	op = last_started(s);
	REQUIRE(!op.is_staging && !op.is_direct);
	REQUIRE(op.buf == buf);
	free(buf);
}

/* Copying what is small would cost more than its pieces of memory do. */
static void small_goes_straight(struct suite *s)
{
	struct ds_request r;
	uint8_t *buf;

	remake_direct(s, 0);
	buf = make_buffer();
	r = req_read(s->data, 4096, 60 * KIB, buf);
	run_ok(s->q, &r);
	REQUIRE(!last_started(s).is_staging && last_started(s).is_direct);
	free(buf);
}

/* Who opens a file with DS_FILE_DIRECT gets no copy. */
static void asked_for_goes_straight(struct suite *s)
{
	struct ds_file *file;
	struct ds_request r;
	uint8_t *buf;

	remake_direct(s, 0);
	buf = make_buffer();
	REQUIRE_OK(ds_file_open(s->be, s->data_path, DS_FILE_DIRECT, &file));
	r = req_read(file, 0, MIB, buf);
	run_ok(s->q, &r);
	REQUIRE(!last_started(s).is_staging && last_started(s).is_direct);
	ds_file_close(file);
	free(buf);
}

/* Staging memory that others keep is not waited for: the other way is there, for all that come. */
static void others_keep_the_memory(struct suite *s)
{
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	struct ds_queue *staged;
	struct ds_request r;
	uint8_t *buf, *other;

	remake_direct(s, MIB);
	buf = make_buffer();
	other = make_buffer();
	cfg.flags = DS_QUEUE_ALWAYS_STAGE;
	REQUIRE_OK(ds_queue_create(s->be, &cfg, &staged));
	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	r = req_read(s->data, 0, 4 * MIB, other);
	start(staged, &r);
	/* Eight windows, each an eighth of it. */
	fake_wait_held(s->fake, 8);
	REQUIRE_CMP(backend_stats(s->be).staging_in_use, ==, MIB);
	for (unsigned i = 0; i < 3; i++) {
		r = req_read(s->data, 0, 128 * KIB, buf + i * MIB);
		r.priority = DS_PRIORITY_HIGH;
		start(s->q, &r);
		fake_wait_held(s->fake, 9 + i);
		REQUIRE(!last_started(s).is_staging && last_started(s).is_direct);
	}
	fake_release_newest(s->fake, 3);
	wait_idle(s->q);
	for (unsigned i = 0; i < 3; i++)
		pattern_require(buf + i * MIB, 128 * KIB, DATA_SEED, 0);
	fake_hold(s->fake, FAKE_GATE_OPEN);
	wait_idle(staged);
	pattern_require(other, 4 * MIB, DATA_SEED, 0);
	REQUIRE_OK(ds_queue_destroy(staged));
	free(other);
	free(buf);
}

/* That of reads like it is: it comes back soon, and the other way may be slow. */
static void waits_for_its_own_memory(struct suite *s)
{
	uint8_t *buf;

	remake_direct(s, MIB);
	buf = make_buffer();
	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	for (unsigned i = 0; i < 12; i++) {
		struct ds_request r =
			req_read(s->data, i * 128 * KIB, 96 * KIB, buf + i * 128 * KIB);

		enqueue(s->q, &r);
	}
	REQUIRE_OK(ds_queue_submit(s->q));
	/* Who submits has started what could be; of 12 with 1.125 MiB ten fit. */
	REQUIRE_CMP(fake_nr_started(s->fake), ==, 10);
	fake_hold(s->fake, FAKE_GATE_OPEN);
	wait_idle(s->q);
	REQUIRE_CMP(fake_nr_started(s->fake), ==, 12);
	for (uint64_t i = 0; i < 12; i++) {
		struct fake_started op;

		fake_get_started(s->fake, i, &op);
		REQUIRE(op.is_staging && op.is_direct);
		pattern_require(buf + i * 128 * KIB, 96 * KIB, DATA_SEED, i * 128 * KIB);
	}
	free(buf);
}

/* A copy that takes no longer than waking a worker does not wait for one. */
static void small_copies_need_no_worker(struct suite *s)
{
	struct stream st;
	struct ds_file *file;
	struct ds_request r;
	uint8_t *buf, *out = malloc(8 * 70000);

	remake_direct(s, 0);
	buf = make_buffer();
	/* The only worker is kept in the page cache. */
	REQUIRE(stream_make(&st, DS_CODEC_GDEFLATE, 70000, 7));
	file = suite_bytes_file(s, "stream", st.bytes, st.nbytes, DS_FILE_READ);
	fake_set_cache(s->fake, FAKE_CACHED);
	fake_hold_cached(s->fake, true);
	for (unsigned i = 0; i < 8; i++) {
		r = req_decode(file, 0, st.nbytes, DS_CODEC_GDEFLATE, out + i * 70000, 70000);
		enqueue(s->q, &r);
	}
	REQUIRE_OK(ds_queue_submit(s->q));
	fake_wait_cached_held(s->fake, 1);
	fake_set_cache(s->fake, FAKE_NOT_CACHED);
	r = req_read(s->data, 0, 128 * KIB, buf);
	REQUIRE_OK(ds_queue_wait_request(s->q, start(s->q, &r), PATIENCE, NULL));
	REQUIRE(last_started(s).is_staging);
	pattern_require(buf, 128 * KIB, DATA_SEED, 0);
	fake_hold_cached(s->fake, false);
	wait_idle(s->q);
	ds_file_close(file);
	stream_free(&st);
	free(out);
	free(buf);
}

/* A strong cancel of what is read into staging memory waits for nobody. */
static void cancelled_at_once(struct suite *s)
{
	uint8_t *buf;

	remake_direct(s, 0);
	buf = make_buffer();
	for (unsigned i = 0; i < 2; i++) {
		struct ds_request r = req_read(s->data, 0, 64 * KIB << 4 * i, buf);
		uint64_t id;

		fake_hold(s->fake, FAKE_HOLD_AFTER);
		id = start(s->q, &r);
		fake_wait_held(s->fake, 1);
		REQUIRE(ds_queue_cancel(s->q, id));
		fake_hold(s->fake, FAKE_GATE_OPEN);
		wait_idle(s->q);
		REQUIRE(bytes_are(buf, 4 * MIB, 0xa5));
	}
	free(buf);
}

int main(int argc, char **argv)
{
	static const struct suite_entry entries[] = {
		TEST(both_ways),
		TEST(at_the_end),
		TEST(beyond_the_budget),
		FAKE_TEST(staged_first),
		FAKE_TEST(cached_is_copied_from_the_cache),
		FAKE_TEST(small_goes_straight),
		FAKE_TEST(asked_for_goes_straight),
		FAKE_TEST(others_keep_the_memory),
		FAKE_TEST(waits_for_its_own_memory),
		FAKE_TEST(small_copies_need_no_worker),
		FAKE_TEST(cancelled_at_once),
	};

	return suite_main(argc, argv, "cold", entries, sizeof(entries) / sizeof(entries[0]));
}
