/* SPDX-License-Identifier: MIT */
/*
 * test_priority.c: who goes first, and that nobody waits for ever.
 *
 * The fake engine takes one operation at a time and holds it, so that its list of starts is
 * the pipeline's own order.
 */
#include <stdlib.h>

#include "conformance/suite.h"

enum {
	SMALL = 100
};

static void one_at_a_time(struct suite *s)
{
	struct fake_setup setup = { .max_ops = 1, .nr_threads = 1 };

	suite_remake_fake(s, &setup, NULL, NULL);
	fake_hold(s->fake, FAKE_HOLD_BEFORE);
}

/* Occupies the engine, so that what is submitted next has to queue up. */
static void plug(struct suite *s, uint8_t *buf)
{
	struct ds_request r = req_read(s->data, 0, SMALL, buf);

	r.priority = DS_PRIORITY_REALTIME;
	start(s->q, &r);
	fake_wait_held(s->fake, 1);
}

/* Lets everything through one by one, until `total` operations were started. */
static void drain(struct suite *s, uint64_t total)
{
	while (fake_nr_started(s->fake) < total) {
		fake_wait_held(s->fake, 1);
		fake_release(s->fake, 1);
	}
	fake_hold(s->fake, FAKE_GATE_OPEN);
	wait_idle(s->q);
}

/* Offsets say which request an operation belongs to. */
static uint64_t nth_offset(struct suite *s, uint64_t n)
{
	struct fake_started op;

	fake_get_started(s->fake, n, &op);
	return op.offset;
}

/* A mix, enqueued from the lowest to the highest: on average the higher start earlier. */
static void higher_first(struct suite *s)
{
	enum {
		EACH = 16,
		N = 4 * EACH
	};
	uint8_t *buf = malloc((size_t)(N + 1) * SMALL);
	double mean[5] = { 0 };

	one_at_a_time(s);
	plug(s, buf);
	for (unsigned i = 0; i < N; i++) {
		struct ds_request r =
			req_read(s->data, 1000 * (i + 1), SMALL, buf + (size_t)(i + 1) * SMALL);

		r.priority = (int32_t)(DS_PRIORITY_LOW + i / EACH);
		enqueue(s->q, &r);
	}
	REQUIRE_OK(ds_queue_submit(s->q));
	drain(s, N + 1);
	for (unsigned i = 1; i <= N; i++) {
		uint64_t index = nth_offset(s, i) / 1000 - 1;

		mean[DS_PRIORITY_LOW + index / EACH] += (double)i / (double)EACH;
	}
	REQUIRE(mean[DS_PRIORITY_REALTIME] < mean[DS_PRIORITY_HIGH]);
	REQUIRE(mean[DS_PRIORITY_HIGH] < mean[DS_PRIORITY_NORMAL]);
	REQUIRE(mean[DS_PRIORITY_NORMAL] < mean[DS_PRIORITY_LOW]);
	/* The first to start is one of the highest. */
	REQUIRE_CMP((nth_offset(s, 1) / 1000 - 1) / EACH, ==, 3);
	free(buf);
}

/* Within one priority, first come, first served. */
static void first_come_first_served(struct suite *s)
{
	enum {
		N = 40
	};
	uint8_t *buf = malloc((size_t)(N + 1) * SMALL);

	one_at_a_time(s);
	plug(s, buf);
	for (unsigned i = 0; i < N; i++) {
		struct ds_request r =
			req_read(s->data, 1000 * (i + 1), SMALL, buf + (size_t)(i + 1) * SMALL);

		enqueue(s->q, &r);
		if (i % 7 == 0)
			REQUIRE_OK(ds_queue_submit(s->q));
	}
	REQUIRE_OK(ds_queue_submit(s->q));
	drain(s, N + 1);
	for (unsigned i = 1; i <= N; i++)
		REQUIRE_CMP(nth_offset(s, i), ==, 1000 * i);
	free(buf);
}

/* A steady supply of higher ones: the low one gets its share all the same. */
static void low_is_not_starved(struct suite *s, int32_t high)
{
	enum {
		LIMIT = 2000
	};
	const uint64_t mark = 3 * MIB;
	uint8_t *buf = malloc(3 * SMALL);
	bool is_served = false;
	struct ds_request r;

	one_at_a_time(s);
	plug(s, buf);
	r = req_read(s->data, mark, SMALL, buf + SMALL);
	r.priority = DS_PRIORITY_LOW;
	start(s->q, &r);
	r = req_read(s->data, 0, SMALL, buf + 2 * SMALL);
	r.priority = high;
	/* Always some more of the high ones wait than are served; only the engine's one runs. */
	for (unsigned i = 0; i < 4; i++)
		start(s->q, &r);
	for (unsigned i = 1; i < LIMIT && !is_served; i++) {
		uint64_t started = fake_nr_started(s->fake);

		start(s->q, &r);
		fake_release(s->fake, 1);
		take(s->q);
		fake_wait_held(s->fake, 1);
		for (; started < fake_nr_started(s->fake); started++)
			is_served |= nth_offset(s, started) == mark;
	}
	REQUIRE(is_served);
	fake_hold(s->fake, FAKE_GATE_OPEN);
	wait_idle(s->q);
	free(buf);
}

static void low_below_high(struct suite *s)
{
	low_is_not_starved(s, DS_PRIORITY_HIGH);
}

static void low_below_realtime(struct suite *s)
{
	low_is_not_starved(s, DS_PRIORITY_REALTIME);
}

/* Requests that name no priority have their queue's. */
static void priority_of_the_queue(struct suite *s)
{
	enum {
		EACH = 10
	};
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	struct ds_queue *low, *high;
	uint8_t *buf = malloc((size_t)(2 * EACH + 1) * SMALL);
	unsigned high_in_front = 0;

	one_at_a_time(s);
	cfg.priority = DS_PRIORITY_LOW;
	REQUIRE_OK(ds_queue_create(s->be, &cfg, &low));
	cfg.priority = DS_PRIORITY_REALTIME;
	REQUIRE_OK(ds_queue_create(s->be, &cfg, &high));
	plug(s, buf);
	for (unsigned i = 0; i < 2 * EACH; i++) {
		struct ds_request r =
			req_read(s->data, 1000 * (i + 1), SMALL, buf + (size_t)(i + 1) * SMALL);

		start(i < EACH ? low : high, &r);
	}
	drain(s, 2 * EACH + 1);
	for (unsigned i = 1; i <= EACH; i++)
		high_in_front += nth_offset(s, i) > 1000 * EACH;
	REQUIRE_CMP(high_in_front, >, EACH / 2);
	REQUIRE_OK(ds_queue_destroy(low));
	REQUIRE_OK(ds_queue_destroy(high));
	free(buf);
}

/* Small urgent ones overtake a large one between its chunks. */
static void urgent_overtakes_large(struct suite *s)
{
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;
	struct fake_setup setup = { .max_ops = 1, .nr_threads = 1 };
	uint8_t *buf = malloc(4 * MIB), small[SMALL];
	struct ds_request r;
	uint64_t before, after;

	cfg.chunk_nbytes = 64 * KIB;
	suite_remake_fake(s, &setup, &cfg, NULL);
	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	r = req_read(s->data, 0, 4 * MIB, buf);
	r.priority = DS_PRIORITY_LOW;
	start(s->q, &r);
	fake_wait_held(s->fake, 1);
	r = req_read(s->data, 4 * MIB + 100, SMALL, small);
	r.priority = DS_PRIORITY_REALTIME;
	start(s->q, &r);
	before = fake_nr_started(s->fake);
	drain(s, 65);
	for (after = before; nth_offset(s, after) != 4 * MIB + 100; after++)
		;
	REQUIRE_CMP(after - before, <=, 8);
	pattern_require(buf, 4 * MIB, DATA_SEED, 0);
	free(buf);
}

/* On every backend: all priorities end. */
static void all_end(struct suite *s)
{
	enum {
		N = 500
	};
	uint8_t *buf = malloc((size_t)N * SMALL);

	for (unsigned i = 0; i < N; i++) {
		struct ds_request r = req_read(s->data, i, SMALL, buf + (size_t)i * SMALL);

		r.priority = (int32_t)(i % 5);
		enqueue(s->q, &r);
	}
	REQUIRE_OK(ds_queue_submit(s->q));
	for (unsigned i = 0; i < N; i++) {
		struct ds_completion c = take(s->q);

		require_complete(&c, SMALL);
	}
	free(buf);
}

/* The engine says how much it wants at once, and never gets more. */
static void engine_limits(struct suite *s)
{
	struct fake_setup setup = { .max_ops = 7, .nr_threads = 3, .max_nbytes = 300000 };
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;
	uint8_t *buf = malloc(4 * MIB);

	cfg.chunk_nbytes = 64 * KIB;
	suite_remake_fake(s, &setup, &cfg, NULL);
	for (unsigned i = 0; i < 64; i++) {
		struct ds_request r =
			req_read(s->data, i * 65536, i % 2 ? 65536 : 100, buf + i * 65536);

		enqueue(s->q, &r);
	}
	REQUIRE_OK(ds_queue_submit(s->q));
	wait_idle(s->q);
	REQUIRE_CMP(fake_most_ops(s->fake), <=, 7);
	REQUIRE_CMP(fake_most_nbytes(s->fake), <=, 300000);
	free(buf);
}

int main(int argc, char **argv)
{
	static const struct suite_entry entries[] = {
		FAKE_TEST(higher_first),
		FAKE_TEST(first_come_first_served),
		FAKE_TEST(low_below_high),
		FAKE_TEST(low_below_realtime),
		FAKE_TEST(priority_of_the_queue),
		FAKE_TEST(urgent_overtakes_large),
		TEST(all_end),
		FAKE_TEST(engine_limits),
	};

	return suite_main(argc, argv, "priority", entries, sizeof(entries) / sizeof(entries[0]));
}
