/* SPDX-License-Identifier: MIT */
/*
 * test_late_read.c: compressed requests that a worker reads, from the page cache, when it is about to
 * decode them: what the cache does not have goes back and is read by the engine.
 */
#include <stdlib.h>
#include <string.h>

#include "conformance/suite.h"

enum {
	NR = 60,
	EACH = 70000, /* two tiles of GDeflate */
};

struct load {
	struct stream st;
	struct ds_file *file;
	uint8_t *out;
	uint32_t codec;
};

static void load_init(struct suite *s, struct load *l, uint32_t codec)
{
	l->codec = codec;
	l->out = calloc(NR, EACH);
	REQUIRE(l->out != NULL);
	REQUIRE(stream_make(&l->st, codec, EACH, 7));
	l->file = suite_bytes_file(s, "stream", l->st.bytes, l->st.nbytes, DS_FILE_READ);
}

static void load_fini(struct load *l)
{
	ds_file_close(l->file);
	stream_free(&l->st);
	free(l->out);
}

/* All NR at once. */
static void load_start(struct suite *s, struct load *l)
{
	for (size_t i = 0; i < NR; i++) {
		struct ds_request r =
			req_decode(l->file, 0, l->st.nbytes, l->codec, l->out + i * EACH, EACH);

		enqueue(s->q, &r);
	}
	REQUIRE_OK(ds_queue_submit(s->q));
}

static void load_finish(struct suite *s, struct load *l)
{
	for (unsigned i = 0; i < NR; i++) {
		struct ds_completion c = take(s->q);

		require_complete(&c, EACH);
		REQUIRE_CMP(c.bytes_read, ==, l->st.nbytes);
		if (s->fake)
			REQUIRE_CMP(c.path, ==, DS_PATH_BUFFERED_STAGED);
	}
	for (size_t i = 0; i < NR; i++)
		pattern_require(l->out + i * EACH, EACH, 7, 0);
}

/* What was read is counted once, whoever read it, and all memory is back. */
static void require_accounts(struct suite *s, struct load *l)
{
	struct ds_stats st;

	wait_idle(s->q);
	st = queue_stats(s->q);
	REQUIRE_CMP(st.bytes_read, ==, NR * l->st.nbytes);
	REQUIRE_CMP(st.io_operations, >=, NR);
	REQUIRE_CMP(st.staging_high_water, >, 0);
	do {
		st = backend_stats(s->be);
	} while (st.staging_in_use);
	REQUIRE_CMP(st.staging_high_water, <=, st.staging_nbytes);
}

static void remake(struct suite *s, unsigned decode_workers, uint64_t staging_nbytes)
{
	const struct fake_setup setup = { .has_cancel = true, .has_cache = true };
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;

	cfg.decode_workers = decode_workers;
	cfg.staging_nbytes = staging_nbytes;
	if (s->fake)
		suite_remake_fake(s, &setup, &cfg, NULL);
	else
		suite_remake(s, &cfg, NULL);
}

/* ------------------------------------------------------------ on all backends */

static void many_small_streams(struct suite *s)
{
	uint32_t codecs[4];
	unsigned n = suite_codecs(s, codecs);

	for (unsigned k = 0; k < n; k++) {
		struct load l;

		remake(s, 2, 0);
		load_init(s, &l, codecs[k]);
		load_start(s, &l);
		load_finish(s, &l);
		require_accounts(s, &l);
		load_fini(&l);
	}
}

static void damaged_stream(struct suite *s)
{
	struct load l;

	remake(s, 1, 0);
	load_init(s, &l, DS_CODEC_GDEFLATE);
	ds_file_close(l.file);
	memset(l.st.bytes, 0xff, 8);
	l.file = suite_bytes_file(s, "damaged", l.st.bytes, l.st.nbytes, DS_FILE_READ);
	load_start(s, &l);
	for (unsigned i = 0; i < NR; i++) {
		struct ds_completion c = take(s->q);

		REQUIRE_CMP(c.status, ==, DS_STATUS_FAILED);
		REQUIRE_CMP(c.bytes_read, ==, l.st.nbytes);
	}
	require_accounts(s, &l);
	load_fini(&l);
}

/* The file ends before the range does: the engine finds the same and says so. */
static void beyond_the_end(struct suite *s)
{
	struct load l;

	remake(s, 1, 0);
	load_init(s, &l, DS_CODEC_GDEFLATE);
	ds_file_close(l.file);
	l.file = suite_bytes_file(s, "short", l.st.bytes, l.st.nbytes - 1, DS_FILE_READ);
	load_start(s, &l);
	for (unsigned i = 0; i < NR; i++) {
		struct ds_completion c = take(s->q);

		require_failed_with(&c, DS_ERR_END_OF_FILE);
	}
	load_fini(&l);
}

/* ------------------------------------------------------------- what is cached */

/* The engine starts no operation for what workers read. */
static void cached_is_read_by_workers(struct suite *s)
{
	struct load l;

	remake(s, 2, 0);
	load_init(s, &l, DS_CODEC_GDEFLATE);
	load_start(s, &l);
	load_finish(s, &l);
	require_accounts(s, &l);
	REQUIRE_CMP(fake_nr_hits(s->fake), ==, NR - fake_nr_started(s->fake));
	/* The last ones were as few as the workers: shared by these, so read before. */
	REQUIRE_CMP(fake_nr_started(s->fake), <=, 2);
	load_fini(&l);
}

static void miss(struct suite *s, enum fake_cache how)
{
	struct load l;

	remake(s, 2, 0);
	load_init(s, &l, DS_CODEC_GDEFLATE);
	fake_set_cache(s->fake, how);
	load_start(s, &l);
	load_finish(s, &l);
	require_accounts(s, &l);
	REQUIRE_CMP(fake_nr_misses(s->fake), >, 0);
	REQUIRE_CMP(fake_nr_hits(s->fake) + fake_nr_started(s->fake), ==, NR);
	load_fini(&l);
}

static void not_cached(struct suite *s)
{
	miss(s, FAKE_NOT_CACHED);
}

static void half_cached(struct suite *s)
{
	miss(s, FAKE_HALF_CACHED);
}

static void cached_at_random(struct suite *s)
{
	miss(s, FAKE_CACHED_AT_RANDOM);
}

/* One at a time, and as few as there are workers: those share it, for it is done sooner then. */
static void single_ones_are_shared(struct suite *s)
{
	struct ds_request r;
	struct load l;

	remake(s, 2, 0);
	load_init(s, &l, DS_CODEC_GDEFLATE);
	r = req_decode(l.file, 0, l.st.nbytes, l.codec, l.out, EACH);
	for (unsigned i = 0; i < 10; i++)
		run_ok(s->q, &r);
	REQUIRE_CMP(fake_nr_started(s->fake), ==, 10);
	REQUIRE_CMP(fake_nr_hits(s->fake) + fake_nr_misses(s->fake), ==, 0);
	load_fini(&l);
}

/* ----------------------------------------------------------- while one is read */

/* A worker is held in a read, all others wait for it. */
static void start_held(struct suite *s, struct load *l)
{
	remake(s, 1, 0);
	load_init(s, l, DS_CODEC_GDEFLATE);
	fake_hold_cached(s->fake, true);
	load_start(s, l);
	fake_wait_cached_held(s->fake, 1);
}

/* Cancelling waits for no read: it goes to staging memory. */
static void cancelled_meanwhile(struct suite *s, enum fake_cache how)
{
	struct load l;

	start_held(s, &l);
	fake_set_cache(s->fake, how);
	REQUIRE_CMP(ds_queue_cancel_all(s->q), ==, NR);
	for (unsigned i = 0; i < NR; i++) {
		struct ds_completion c = take(s->q);

		require_cancelled(&c, DS_REASON_CANCEL);
	}
	memset(l.out, 0x5a, (size_t)NR * EACH);
	fake_hold_cached(s->fake, false);
	/* The slots can be had again, and nothing was written. */
	load_start(s, &l);
	load_finish(s, &l);
	load_fini(&l);
}

static void cancelled_before_a_hit(struct suite *s)
{
	cancelled_meanwhile(s, FAKE_CACHED);
}

static void cancelled_before_a_miss(struct suite *s)
{
	cancelled_meanwhile(s, FAKE_NOT_CACHED);
}

static void cancelled_stays_untouched(struct suite *s)
{
	struct load l;

	start_held(s, &l);
	memset(l.out, 0x5a, (size_t)NR * EACH);
	REQUIRE_CMP(ds_queue_cancel_all(s->q), ==, NR);
	fake_hold_cached(s->fake, false);
	REQUIRE_OK(ds_queue_destroy(s->q));
	s->q = NULL;
	REQUIRE(bytes_are(l.out, (size_t)NR * EACH, 0x5a));
	load_fini(&l);
}

/* Time runs out in a read that then misses. */
static void timeout_before_a_miss(struct suite *s)
{
	struct load l;

	remake(s, 1, 0);
	load_init(s, &l, DS_CODEC_GDEFLATE);
	fake_hold_cached(s->fake, true);
	fake_set_cache(s->fake, FAKE_NOT_CACHED);
	for (size_t i = 0; i < NR; i++) {
		struct ds_request r =
			req_decode(l.file, 0, l.st.nbytes, l.codec, l.out + i * EACH, EACH);

		r.timeout_ns = 20 * MS;
		enqueue(s->q, &r);
	}
	REQUIRE_OK(ds_queue_submit(s->q));
	for (unsigned i = 0; i < NR; i++) {
		struct ds_completion c = take(s->q);

		require_cancelled(&c, DS_REASON_TIMEOUT);
	}
	fake_hold_cached(s->fake, false);
	load_fini(&l);
}

static struct ds_queue *make_queue(struct suite *s, int32_t priority, uint32_t flags)
{
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	struct ds_queue *q;

	cfg.priority = priority;
	cfg.flags = flags;
	REQUIRE_OK(ds_queue_create(s->be, &cfg, &q));
	return q;
}

/* Returns when the worker has looked at all that was there before. */
static void pass_the_worker(struct suite *s, const struct load *l)
{
	struct ds_queue *q = make_queue(s, DS_PRIORITY_HIGH, 0);
	uint8_t *out = malloc(EACH);
	struct ds_request r = req_copy(l->st.bytes, l->st.nbytes, out);

	r.codec = l->codec;
	r.destination.nbytes = EACH;
	r.uncompressed_nbytes = EACH;
	run_ok(q, &r);
	REQUIRE_OK(ds_queue_destroy(q));
	free(out);
}

/* All staging memory is with operations that are held: the worker finds none, and goes on later. */
static void without_staging_memory(struct suite *s)
{
	uint8_t *buf = malloc(2 * MIB);
	struct ds_queue *staged;
	struct ds_request r;
	struct load l;

	remake(s, 1, MIB);
	load_init(s, &l, DS_CODEC_GDEFLATE);
	staged = make_queue(s, DS_PRIORITY_LOW, DS_QUEUE_ALWAYS_STAGE);
	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	r = req_read(s->data, 0, 2 * MIB, buf);
	start(staged, &r);
	fake_wait_held(s->fake, 8);
	load_start(s, &l);
	pass_the_worker(s, &l);
	REQUIRE_CMP(fake_nr_hits(s->fake) + fake_nr_misses(s->fake), ==, 0);
	fake_hold(s->fake, FAKE_GATE_OPEN);
	load_finish(s, &l);
	wait_idle(staged);
	pattern_require(buf, 2 * MIB, DATA_SEED, 0);
	REQUIRE_OK(ds_queue_destroy(staged));
	require_accounts(s, &l);
	load_fini(&l);
	free(buf);
}

/* Slow, failing and cancelled ones among one another; none is lost. */
static void chaos(struct suite *s)
{
	const struct fake_chaos wild = {
		.seed = 5,
		.short_permille = 200,
		.transient_permille = 200,
		.reorder_permille = 500,
		.late_permille = 300,
	};
	struct load l;

	remake(s, 3, 2 * MIB);
	load_init(s, &l, DS_CODEC_GDEFLATE);
	fake_set_chaos(s->fake, &wild);
	fake_set_cache(s->fake, FAKE_CACHED_AT_RANDOM);
	for (unsigned round = 0; round < 8; round++) {
		uint32_t nr_cancelled;

		load_start(s, &l);
		nr_cancelled = ds_queue_cancel_all(s->q);
		for (unsigned i = 0; i < NR; i++) {
			struct ds_completion c = take(s->q);

			REQUIRE(c.status == DS_STATUS_COMPLETE || c.status == DS_STATUS_CANCELLED);
			nr_cancelled -= c.status == DS_STATUS_CANCELLED;
		}
		REQUIRE_CMP(nr_cancelled, ==, 0);
		load_start(s, &l);
		load_finish(s, &l);
	}
	load_fini(&l);
}

int main(int argc, char **argv)
{
	static const struct suite_entry entries[] = {
		TEST(many_small_streams),
		TEST(damaged_stream),
		TEST(beyond_the_end),
		FAKE_TEST(cached_is_read_by_workers),
		FAKE_TEST(not_cached),
		FAKE_TEST(half_cached),
		FAKE_TEST(cached_at_random),
		FAKE_TEST(single_ones_are_shared),
		FAKE_TEST(cancelled_before_a_hit),
		FAKE_TEST(cancelled_before_a_miss),
		FAKE_TEST(cancelled_stays_untouched),
		FAKE_TEST(timeout_before_a_miss),
		FAKE_TEST(without_staging_memory),
		FAKE_TEST(chaos),
	};

	return suite_main(argc, argv, "late_read", entries, sizeof(entries) / sizeof(entries[0]));
}
