/* SPDX-License-Identifier: MIT */
/* test_capacity.c: full queues: waiting, refusing, untaken results, and the automatic submit. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/suite.h"

enum {
	SMALL = 700
};

static void queue_of(struct suite *s, uint32_t capacity, uint32_t flags)
{
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;

	cfg.capacity = capacity;
	cfg.flags = flags;
	suite_remake_queue(s, &cfg);
}

static void nonblocking(struct suite *s)
{
	uint8_t buf[9][SMALL];
	struct ds_completion c = DS_COMPLETION_INIT;
	struct ds_request r;

	queue_of(s, 8, DS_QUEUE_NONBLOCKING | DS_QUEUE_NO_AUTO_SUBMIT);
	for (unsigned i = 0; i < 8; i++) {
		r = req_read(s->data, i, SMALL, buf[i]);
		enqueue(s->q, &r);
	}
	r = req_read(s->data, 8, SMALL, buf[8]);
	REQUIRE_RESULT(ds_queue_enqueue(s->q, &r, NULL), DS_ERR_QUEUE_FULL);
	REQUIRE_OK(ds_queue_submit(s->q));
	wait_idle(s->q);
	/* Only untaken results are left: it is as full as before. */
	REQUIRE_RESULT(ds_queue_enqueue(s->q, &r, NULL), DS_ERR_QUEUE_FULL);
	REQUIRE_CMP(ds_queue_poll(s->q, &c, 1), ==, 1);
	enqueue(s->q, &r);
	REQUIRE_OK(ds_queue_submit(s->q));
	for (unsigned i = 0; i < 8; i++)
		take(s->q);
	for (unsigned i = 0; i < 9; i++)
		pattern_require(buf[i], SMALL, DATA_SEED, i);
}

/* A refusal leaves the id alone. */
static void refused_id(struct suite *s)
{
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);
	uint64_t id = 77;

	queue_of(s, 1, DS_QUEUE_NONBLOCKING | DS_QUEUE_NO_AUTO_SUBMIT);
	enqueue(s->q, &r);
	REQUIRE_RESULT(ds_queue_enqueue(s->q, &r, &id), DS_ERR_QUEUE_FULL);
	REQUIRE_CMP(id, ==, 77);
}

static void many_partly_taken(struct suite *s)
{
	uint8_t buf[6][SMALL];
	struct ds_request r[6];
	uint64_t ids[6] = { 0 };
	uint32_t enqueued = 99;

	queue_of(s, 4, DS_QUEUE_NONBLOCKING | DS_QUEUE_NO_AUTO_SUBMIT);
	for (unsigned i = 0; i < 6; i++)
		r[i] = req_read(s->data, i, SMALL, buf[i]);
	REQUIRE_RESULT(ds_queue_enqueue_many(s->q, r, 6, ids, &enqueued), DS_ERR_QUEUE_FULL);
	REQUIRE_CMP(enqueued, ==, 4);
	for (unsigned i = 0; i < 4; i++)
		REQUIRE_CMP(ds_queue_request_status(s->q, ids[i]), ==, DS_STATUS_PENDING);
	REQUIRE_OK(ds_queue_submit(s->q));
	for (unsigned i = 0; i < 4; i++)
		take(s->q);
	REQUIRE_OK(ds_queue_enqueue_many(s->q, r + 4, 2, NULL, NULL));
	REQUIRE_OK(ds_queue_submit(s->q));
	take(s->q);
	take(s->q);
	/* A bad one in the middle: those before it are in. */
	r[1].destination.data = NULL;
	REQUIRE_RESULT(ds_queue_enqueue_many(s->q, r, 3, ids, &enqueued), DS_ERR_INVALID_ARGUMENT);
	REQUIRE_CMP(enqueued, ==, 1);
}

/* Half of the slots hold pending requests: they start by themselves. */
static void auto_submit(struct suite *s)
{
	uint8_t buf[4][SMALL];
	uint64_t ids[4];

	queue_of(s, 8, 0);
	for (unsigned i = 0; i < 4; i++) {
		struct ds_request r = req_read(s->data, i, SMALL, buf[i]);

		if (i == 3)
			REQUIRE_CMP(ds_queue_request_status(s->q, ids[2]), ==, DS_STATUS_PENDING);
		ids[i] = enqueue(s->q, &r);
	}
	for (unsigned i = 0; i < 4; i++)
		REQUIRE_OK(ds_queue_wait_request(s->q, ids[i], PATIENCE, NULL));
}

static void no_auto_submit(struct suite *s)
{
	uint8_t buf[7][SMALL];
	uint64_t id = 0;

	queue_of(s, 8, DS_QUEUE_NO_AUTO_SUBMIT);
	for (unsigned i = 0; i < 7; i++) {
		struct ds_request r = req_read(s->data, i, SMALL, buf[i]);

		id = enqueue(s->q, &r);
	}
	REQUIRE_CMP(ds_queue_request_status(s->q, id), ==, DS_STATUS_PENDING);
	REQUIRE_CMP(queue_stats(s->q).requests_submitted, ==, 0);
}

/* Full, and the caller may wait: what is pending goes, and the wait ends with a free slot. */
static void blocking_without_results(struct suite *s)
{
	enum {
		N = 500
	};
	uint8_t *buf = malloc((size_t)N * SMALL);

	queue_of(s, 4, DS_QUEUE_NO_RESULTS | DS_QUEUE_NO_AUTO_SUBMIT);
	for (unsigned i = 0; i < N; i++) {
		struct ds_request r = req_read(s->data, i, SMALL, buf + (size_t)i * SMALL);

		enqueue(s->q, &r);
	}
	REQUIRE_OK(ds_queue_submit(s->q));
	wait_idle(s->q);
	for (unsigned i = 0; i < N; i++)
		pattern_require(buf + (size_t)i * SMALL, SMALL, DATA_SEED, i);
	free(buf);
}

/* Full of results that nobody takes: an error, not a wait for ever. */
static void blocking_with_untaken_results(struct suite *s)
{
	uint8_t buf[5][SMALL];
	struct ds_request r;

	queue_of(s, 4, 0);
	for (unsigned i = 0; i < 4; i++) {
		r = req_read(s->data, i, SMALL, buf[i]);
		enqueue(s->q, &r);
	}
	r = req_read(s->data, 4, SMALL, buf[4]);
	REQUIRE_RESULT(ds_queue_enqueue(s->q, &r, NULL), DS_ERR_RESULTS_NOT_TAKEN);
	for (unsigned i = 0; i < 4; i++)
		take(s->q);
	enqueue(s->q, &r);
}

struct producer {
	struct suite *s;
	uint8_t *buf;
	unsigned n;
	atomic_uint nr_enqueued;
	atomic_uint nr_refused;
};

static void *producer_main(void *arg)
{
	struct producer *p = arg;

	for (unsigned i = 0; i < p->n; i++) {
		struct ds_request r = req_read(p->s->data, i, SMALL, p->buf + (size_t)i * SMALL);
		ds_result ret;

		/* The consumer may be slow: then only results fill the queue. */
		while ((ret = ds_queue_enqueue(p->s->q, &r, NULL)) == DS_ERR_RESULTS_NOT_TAKEN) {
			atomic_fetch_add(&p->nr_refused, 1);
			sched_yield();
		}
		REQUIRE_OK(ret);
		atomic_fetch_add(&p->nr_enqueued, 1);
	}
	REQUIRE_OK(ds_queue_submit(p->s->q));
	return NULL;
}

static void *take_one_main(void *q)
{
	take(q);
	return NULL;
}

/*
 * Two threads take results, and both could be waiting for space at once: then nobody takes
 * any, and enqueue must say so. It used to wait for ever for the other one.
 */
static void blocking_with_other_takers(struct suite *s)
{
	uint8_t buf[2][SMALL];
	struct ds_request r[2];
	pthread_t thread;

	queue_of(s, 2, 0);
	for (unsigned i = 0; i < 2; i++) {
		r[i] = req_read(s->data, i, SMALL, buf[i]);
		start(s->q, &r[i]);
	}
	REQUIRE_CMP(pthread_create(&thread, NULL, take_one_main, s->q), ==, 0);
	pthread_join(thread, NULL);
	take(s->q);
	for (unsigned i = 0; i < 2; i++)
		start(s->q, &r[i]);
	REQUIRE_RESULT(ds_queue_enqueue(s->q, &r[0], NULL), DS_ERR_RESULTS_NOT_TAKEN);
}

/*
 * A cancelled request's result is there while the engine still has its operation, and its
 * slot with it: that is a wait, not a queue full of results.
 */
static void blocked_by_a_cancelled_one(struct suite *s)
{
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	struct producer p = { .s = s, .n = 1 };
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);
	struct ds_completion c;
	pthread_t thread;
	uint64_t id;

	cfg.capacity = 1;
	cfg.flags = DS_QUEUE_ALWAYS_STAGE;
	suite_remake_queue(s, &cfg);
	p.buf = malloc(SMALL);
	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	id = start(s->q, &r);
	fake_wait_held(s->fake, 1);
	REQUIRE(ds_queue_cancel(s->q, id));
	c = take(s->q);
	require_cancelled(&c, DS_REASON_CANCEL);
	REQUIRE_CMP(pthread_create(&thread, NULL, producer_main, &p), ==, 0);
	fake_hold(s->fake, FAKE_GATE_OPEN);
	pthread_join(thread, NULL);
	REQUIRE_CMP(atomic_load(&p.nr_refused), ==, 0);
	c = take(s->q);
	require_complete(&c, SMALL);
	free(p.buf);
}

static void blocking_with_a_consumer(struct suite *s)
{
	enum {
		N = 2000
	};
	struct producer p = { .s = s, .buf = malloc((size_t)N * SMALL), .n = N };
	pthread_t thread;
	unsigned taken = 0;

	queue_of(s, 8, 0);
	REQUIRE_CMP(pthread_create(&thread, NULL, producer_main, &p), ==, 0);
	while (taken < N) {
		struct ds_completion c = DS_COMPLETION_INIT;
		uint32_t n = 0;

		REQUIRE_OK(ds_queue_wait(s->q, &c, 1, 1, PATIENCE, &n));
		if (n)
			require_complete(&c, SMALL);
		else
			sched_yield();
		taken += n;
	}
	pthread_join(thread, NULL);
	for (unsigned i = 0; i < N; i++)
		pattern_require(p.buf + (size_t)i * SMALL, SMALL, DATA_SEED, i);
	free(p.buf);
}

/* The wait for a slot begins when all is held, and ends with the first to end. */
static void blocked_until_one_ends(struct suite *s)
{
	struct producer p = { .s = s, .n = 5 };
	pthread_t thread;

	p.buf = malloc((size_t)p.n * SMALL);
	queue_of(s, 4, DS_QUEUE_NO_RESULTS | DS_QUEUE_NO_AUTO_SUBMIT);
	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	REQUIRE_CMP(pthread_create(&thread, NULL, producer_main, &p), ==, 0);
	/* The fifth finds no slot, and submits the four. */
	fake_wait_held(s->fake, 4);
	REQUIRE_CMP(atomic_load(&p.nr_enqueued), ==, 4);
	REQUIRE_RESULT(ds_queue_wait_idle(s->q, 10 * MS), DS_ERR_TIMEOUT);
	REQUIRE_CMP(atomic_load(&p.nr_enqueued), ==, 4);
	REQUIRE_CMP(fake_release(s->fake, 1), ==, 1);
	pthread_join(thread, NULL);
	REQUIRE_CMP(atomic_load(&p.nr_enqueued), ==, 5);
	fake_hold(s->fake, FAKE_GATE_OPEN);
	wait_idle(s->q);
	free(p.buf);
}

static void *enqueue_main(void *arg)
{
	struct suite *s = arg;
	static uint8_t byte;
	struct ds_request r = req_read(s->data, 0, 1, &byte);

	return (void *)(intptr_t)ds_queue_enqueue(s->q, &r, NULL);
}

/* While it waits, the last one in flight ends: now only results are left, and it must hear of it. */
static void blocked_until_only_results_are_left(struct suite *s)
{
	uint8_t buf[3][SMALL];
	pthread_t thread;
	void *ret;

	queue_of(s, 3, 0);
	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	for (unsigned i = 0; i < 3; i++) {
		struct ds_request r = req_read(s->data, i, SMALL, buf[i]);

		start(s->q, &r);
	}
	fake_wait_held(s->fake, 3);
	REQUIRE_CMP(pthread_create(&thread, NULL, enqueue_main, s), ==, 0);
	/* Time for it to fall asleep; if it does not, the test only sees less. */
	REQUIRE_RESULT(ds_queue_wait_idle(s->q, 30 * MS), DS_ERR_TIMEOUT);
	fake_hold(s->fake, FAKE_GATE_OPEN);
	pthread_join(thread, &ret);
	REQUIRE_RESULT((ds_result)(intptr_t)ret, DS_ERR_RESULTS_NOT_TAKEN);
}

static void *destroy_main(void *q)
{
	REQUIRE_OK(ds_queue_destroy(q));
	return NULL;
}

/* Markers take slots too, and give them back. */
static void markers_take_slots(struct suite *s)
{
	struct ds_fence *fence;
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);

	queue_of(s, 2, DS_QUEUE_NONBLOCKING | DS_QUEUE_NO_AUTO_SUBMIT);
	REQUIRE_OK(ds_fence_create(0, &fence));
	for (uint64_t i = 1; i <= 50; i++) {
		REQUIRE_OK(ds_queue_enqueue_signal(s->q, fence, 2 * i - 1));
		REQUIRE_OK(ds_queue_enqueue_signal(s->q, fence, 2 * i));
		REQUIRE_RESULT(ds_queue_enqueue_signal(s->q, fence, 1000), DS_ERR_QUEUE_FULL);
		REQUIRE_RESULT(ds_queue_enqueue(s->q, &r, NULL), DS_ERR_QUEUE_FULL);
		REQUIRE_OK(ds_queue_submit(s->q));
		wait_idle(s->q);
		REQUIRE_CMP(ds_fence_value(fence), ==, 2 * i);
	}
	ds_fence_destroy(fence);
}

/* Markers wait for slots as requests do. */
static void markers_block(struct suite *s)
{
	struct ds_fence *fence;

	queue_of(s, 3, 0);
	REQUIRE_OK(ds_fence_create(0, &fence));
	for (uint64_t i = 1; i <= 300; i++)
		REQUIRE_OK(ds_queue_enqueue_signal(s->q, fence, i));
	REQUIRE_OK(ds_queue_submit(s->q));
	REQUIRE_OK(ds_fence_wait(fence, 300, PATIENCE));
	ds_fence_destroy(fence);
}

static void smallest_and_largest(struct suite *s)
{
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	struct ds_queue *q = NULL;
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);

	queue_of(s, 1, 0);
	for (unsigned i = 0; i < 100; i++)
		run_ok(s->q, &r);
	cfg.capacity = 1048576;
	REQUIRE_OK(ds_queue_create(s->be, &cfg, &q));
	run_ok(q, &r);
	REQUIRE_OK(ds_queue_destroy(q));
	q = NULL;
	cfg.capacity = 1048577;
	REQUIRE_RESULT(ds_queue_create(s->be, &cfg, &q), DS_ERR_INVALID_ARGUMENT);
	REQUIRE(q == NULL);
}

/* Slots are used again and again; no id comes twice, and none is 0. */
static void ids_are_unique(struct suite *s)
{
	uint64_t last = 0;

	queue_of(s, 2, 0);
	for (unsigned i = 0; i < 20000; i++) {
		struct ds_request r = req_read(s->data, 0, 0, NULL);
		struct ds_completion c;

		r.destination.data = &last;
		c = run_ok(s->q, &r);
		REQUIRE_CMP(c.id, !=, last);
		if (last)
			REQUIRE_CMP(ds_queue_request_status(s->q, last), ==, 0);
		last = c.id;
	}
}

/* A queue that is destroyed lets those go who wait in it. */
static void destroyed_while_held(struct suite *s)
{
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	struct ds_queue *q;
	uint8_t buf[2][SMALL];
	pthread_t thread;

	cfg.capacity = 2;
	REQUIRE_OK(ds_queue_create(s->be, &cfg, &q));
	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	for (unsigned i = 0; i < 2; i++) {
		struct ds_request r = req_read(s->data, 0, SMALL, buf[i]);

		start(q, &r);
	}
	fake_wait_held(s->fake, 2);
	REQUIRE_CMP(pthread_create(&thread, NULL, destroy_main, q), ==, 0);
	fake_hold(s->fake, FAKE_GATE_OPEN);
	pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	static const struct suite_entry entries[] = {
		TEST(nonblocking),
		TEST(refused_id),
		TEST(many_partly_taken),
		TEST(auto_submit),
		TEST(no_auto_submit),
		TEST(blocking_without_results),
		TEST(blocking_with_untaken_results),
		TEST(blocking_with_other_takers),
		FAKE_TEST(blocked_by_a_cancelled_one),
		TEST(blocking_with_a_consumer),
		FAKE_TEST(blocked_until_one_ends),
		FAKE_TEST(blocked_until_only_results_are_left),
		TEST(markers_take_slots),
		TEST(markers_block),
		TEST(smallest_and_largest),
		TEST(ids_are_unique),
		FAKE_TEST(destroyed_while_held),
	};

	return suite_main(argc, argv, "capacity", entries, sizeof(entries) / sizeof(entries[0]));
}
