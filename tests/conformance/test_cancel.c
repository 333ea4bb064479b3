/* SPDX-License-Identifier: MIT */
/*
 * test_cancel.c: every way to cancel, in every state of a request, and the memory behind it.
 *
 * Memory that must not be touched any more is protected at once: with the fake engine, which
 * copies with the CPU, a late write is then a fault. On every backend a canary is put over
 * the destination instead and looked at once all has ended.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "conformance/suite.h"

enum {
	SMALL = 5000,
	CANARY = 0x5a
};

/* A callback that must not run. */
static void never(void *user_data, const struct ds_completion *c)
{
	(void)user_data;
	(void)c;
	require_failed(__FILE__, __LINE__, "the callback of a cancelled request does not run");
}

static struct ds_request read_never(struct suite *s, uint64_t offset, uint64_t nbytes, void *dst)
{
	struct ds_request r = req_read(s->data, offset, nbytes, dst);

	r.callback = never;
	return r;
}

static void always_stage(struct suite *s)
{
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;

	cfg.flags = DS_QUEUE_ALWAYS_STAGE;
	suite_remake_queue(s, &cfg);
}

/* A cancel call on a thread of its own, that poisons the memory as soon as it returns. */
struct canceller {
	struct ds_queue *q;
	uint64_t id;
	struct guarded *memory; /* or NULL */
	pthread_t thread;
	atomic_bool has_returned;
	bool is_cancelled;
};

static void *canceller_main(void *arg)
{
	struct canceller *c = arg;

	c->is_cancelled = ds_queue_cancel(c->q, c->id);
	if (c->memory)
		guarded_poison(c->memory);
	atomic_store(&c->has_returned, true);
	return NULL;
}

static void canceller_start(struct canceller *c, struct ds_queue *q, uint64_t id,
			    struct guarded *memory)
{
	*c = (struct canceller){ .q = q, .id = id, .memory = memory };
	REQUIRE_CMP(pthread_create(&c->thread, NULL, canceller_main, c), ==, 0);
}

/* ------------------------------------------------------------ 1: pending */

static void pending(struct suite *s)
{
	struct guarded g;
	struct ds_request r;
	struct ds_completion c;
	uint64_t id;

	guarded_map(&g, SMALL, true);
	r = read_never(s, 0, SMALL, g.data);
	id = enqueue(s->q, &r);
	REQUIRE_CMP(ds_queue_request_status(s->q, id), ==, DS_STATUS_PENDING);
	REQUIRE(ds_queue_cancel(s->q, id));
	guarded_poison(&g);
	REQUIRE_CMP(ds_queue_request_status(s->q, id), ==, DS_STATUS_CANCELLED);
	/* A second time it has ended already. */
	REQUIRE(!ds_queue_cancel(s->q, id));
	REQUIRE(!ds_queue_try_cancel(s->q, id));
	REQUIRE_OK(ds_queue_submit(s->q));
	wait_idle(s->q);
	c = take(s->q);
	require_cancelled(&c, DS_REASON_CANCEL);
	REQUIRE_CMP(c.id, ==, id);
	REQUIRE_CMP(c.submit_ns, ==, 0);
	REQUIRE_CMP(c.start_ns, ==, 0);
	REQUIRE_CMP(c.bytes_transferred, ==, 0);
	if (s->fake)
		REQUIRE_CMP(fake_nr_started(s->fake), ==, 0);
	guarded_unmap(&g);
}

static void all_pending(struct suite *s)
{
	enum {
		N = 100
	};
	struct guarded g;

	guarded_map(&g, N * SMALL, true);
	for (unsigned i = 0; i < N; i++) {
		struct ds_request r = read_never(s, i, SMALL, g.data + (size_t)i * SMALL);

		enqueue(s->q, &r);
	}
	REQUIRE_CMP(ds_queue_cancel_pending(s->q), ==, N);
	guarded_poison(&g);
	REQUIRE_CMP(ds_queue_cancel_pending(s->q), ==, 0);
	REQUIRE_OK(ds_queue_submit(s->q));
	wait_idle(s->q);
	for (unsigned i = 0; i < N; i++) {
		struct ds_completion c = take(s->q);

		require_cancelled(&c, DS_REASON_CANCEL);
	}
	guarded_unmap(&g);
}

/* Only the pending ones: what was submitted goes on. */
static void pending_spares_the_submitted(struct suite *s)
{
	uint8_t a[SMALL], b[SMALL];
	struct ds_request r = req_read(s->data, 7, SMALL, a);
	struct ds_completion c;
	uint64_t submitted, kept;

	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	submitted = start(s->q, &r);
	fake_wait_held(s->fake, 1);
	r = read_never(s, 7, SMALL, b);
	kept = enqueue(s->q, &r);
	REQUIRE_CMP(ds_queue_cancel_pending(s->q), ==, 1);
	c = take(s->q);
	REQUIRE_CMP(c.id, ==, kept);
	require_cancelled(&c, DS_REASON_CANCEL);
	fake_release(s->fake, 1);
	c = take(s->q);
	REQUIRE_CMP(c.id, ==, submitted);
	require_complete(&c, SMALL);
}

/* ---------------------------------------------------------- 2: in flight */

/*
 * The engine may write straight into the destination: cancel waits for it, and only then
 * is the memory free. Returns whether the cancel came in time: where the engine is not asked
 * to take operations back, nothing tells that it has been heard, so on a busy machine the release
 * may overtake it.
 */
static bool cancel_held(struct suite *s, enum fake_gate gate, bool has_engine_cancel)
{
	bool is_taken_back = has_engine_cancel && gate == FAKE_HOLD_BEFORE;
	struct guarded g;
	struct ds_request r;
	struct ds_completion c;
	struct canceller canceller;
	uint64_t id;

	guarded_map(&g, 3 * MIB, true);
	r = req_read(s->data, 0, 3 * MIB, g.data);
	fake_hold(s->fake, gate);
	id = start(s->q, &r);
	fake_wait_held(s->fake, 3);
	canceller_start(&canceller, s->q, id, &g);
	if (!is_taken_back) {
		if (has_engine_cancel)
			fake_wait_not_taken_back(s->fake, 3);
		/* While the engine holds, there is no end. */
		REQUIRE_RESULT(ds_queue_wait_request(s->q, id, 20 * MS, NULL), DS_ERR_TIMEOUT);
		REQUIRE(!atomic_load(&canceller.has_returned));
		while (fake_held(s->fake))
			fake_release(s->fake, 1);
	}
	pthread_join(canceller.thread, NULL);
	fake_hold(s->fake, FAKE_GATE_OPEN);
	wait_idle(s->q);
	c = take(s->q);
	if (canceller.is_cancelled)
		require_cancelled(&c, DS_REASON_CANCEL);
	else
		require_complete(&c, 3 * MIB);
	guarded_unmap(&g);
	return canceller.is_cancelled;
}

static void in_flight_straight(struct suite *s, enum fake_gate gate, bool has_engine_cancel)
{
	struct fake_setup setup = { .has_cancel = has_engine_cancel };
	unsigned tries = 1;

	suite_remake_fake(s, &setup, NULL, NULL);
	while (!cancel_held(s, gate, has_engine_cancel))
		REQUIRE_CMP(++tries, <=, has_engine_cancel ? 1 : 50);
}

static void in_flight_before(struct suite *s)
{
	in_flight_straight(s, FAKE_HOLD_BEFORE, false);
}

static void in_flight_after(struct suite *s)
{
	in_flight_straight(s, FAKE_HOLD_AFTER, false);
}

/* An engine that can take operations back: no wait for what has not begun. */
static void in_flight_taken_back(struct suite *s)
{
	in_flight_straight(s, FAKE_HOLD_BEFORE, true);
	REQUIRE_CMP(fake_nr_taken_back(s->fake), ==, 3);
}

static void in_flight_not_taken_back(struct suite *s)
{
	in_flight_straight(s, FAKE_HOLD_AFTER, true);
}

/* The kernel only knows staging memory: the cancel is immediate, although the engine holds. */
static void in_flight_staged(struct suite *s)
{
	static const enum fake_gate gates[] = { FAKE_HOLD_BEFORE, FAKE_HOLD_AFTER };

	always_stage(s);
	for (unsigned i = 0; i < 2; i++) {
		struct guarded g;
		struct ds_request r;
		struct ds_completion c;
		uint64_t id;

		guarded_map(&g, SMALL, true);
		r = read_never(s, 0, SMALL, g.data);
		fake_hold(s->fake, gates[i]);
		id = start(s->q, &r);
		fake_wait_held(s->fake, 1);
		REQUIRE(ds_queue_cancel(s->q, id));
		guarded_poison(&g);
		c = take(s->q);
		require_cancelled(&c, DS_REASON_CANCEL);
		fake_hold(s->fake, FAKE_GATE_OPEN);
		wait_idle(s->q);
		guarded_unmap(&g);
	}
}

/* The same for compressed sources, which are always staged. */
static void in_flight_compressed(struct suite *s)
{
	uint32_t codecs[4];
	unsigned n = suite_codecs(s, codecs);

	for (unsigned k = 0; k < n; k++) {
		struct stream st;
		struct ds_file *file;
		struct guarded g;
		struct ds_request r;
		struct ds_completion c;
		uint64_t id;

		REQUIRE(stream_make(&st, codecs[k], 3 * MIB, 6));
		file = suite_bytes_file(s, "stream", st.bytes, st.nbytes, 0);
		guarded_map(&g, 3 * MIB, true);
		r = req_decode(file, 0, st.nbytes, codecs[k], g.data, 3 * MIB);
		r.callback = never;
		fake_hold(s->fake, FAKE_HOLD_BEFORE);
		id = start(s->q, &r);
		fake_wait_held(s->fake, 1);
		REQUIRE(ds_queue_cancel(s->q, id));
		guarded_poison(&g);
		ds_file_close(file);
		c = take(s->q);
		require_cancelled(&c, DS_REASON_CANCEL);
		fake_hold(s->fake, FAKE_GATE_OPEN);
		wait_idle(s->q);
		guarded_unmap(&g);
		stream_free(&st);
	}
}

/* A write's source is not read any more either. */
static void in_flight_write(struct suite *s)
{
	struct ds_file *file = suite_pattern_file(s, "out", 0, 0, DS_FILE_WRITE);
	struct guarded g;
	struct ds_request r;
	struct ds_completion c;
	struct canceller canceller;
	uint64_t id;

	guarded_map(&g, SMALL, true);
	r = req_write(file, 0, SMALL, g.data);
	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	id = start(s->q, &r);
	fake_wait_held(s->fake, 1);
	canceller_start(&canceller, s->q, id, &g);
	fake_release(s->fake, 1);
	pthread_join(canceller.thread, NULL);
	fake_hold(s->fake, FAKE_GATE_OPEN);
	wait_idle(s->q);
	c = take(s->q);
	/* It may have ended before the canceller came. */
	REQUIRE_CMP(canceller.is_cancelled, ==, c.status == DS_STATUS_CANCELLED);
	guarded_unmap(&g);
	ds_file_close(file);
}

/* Submitted, but behind others that fill the engine: nothing has to be waited for. */
static void waiting_its_turn(struct suite *s)
{
	struct fake_setup setup = { .max_ops = 1, .nr_threads = 1 };
	struct guarded g;
	uint8_t buf[SMALL];
	struct ds_request r;
	struct ds_completion c;
	uint64_t id;

	suite_remake_fake(s, &setup, NULL, NULL);

	guarded_map(&g, SMALL, true);
	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	r = req_read(s->data, 0, SMALL, buf);
	start(s->q, &r);
	fake_wait_held(s->fake, 1);
	r = read_never(s, 0, SMALL, g.data);
	id = start(s->q, &r);
	REQUIRE(ds_queue_cancel(s->q, id));
	guarded_poison(&g);
	c = take(s->q);
	require_cancelled(&c, DS_REASON_CANCEL);
	REQUIRE_CMP(c.start_ns, ==, 0);
	REQUIRE_CMP(c.submit_ns, !=, 0);
	fake_hold(s->fake, FAKE_GATE_OPEN);
	c = take(s->q);
	require_complete(&c, SMALL);
	REQUIRE_CMP(fake_nr_started(s->fake), ==, 1);
	guarded_unmap(&g);
}

/* On any backend: large requests, cancelled at once; what comes of it must be consistent. */
static void in_flight_anywhere(struct suite *s)
{
	uint8_t *buf = malloc(DATA_NBYTES);

	for (unsigned round = 0; round < 40; round++) {
		atomic_uint calls = 0;
		struct ds_request r = req_read(s->data, round, DATA_NBYTES - round, buf);
		struct ds_completion c;
		bool is_cancelled;
		uint64_t id;

		r.callback = count_callback;
		r.user_data = &calls;
		id = start(s->q, &r);
		for (unsigned i = 0; i < round; i++)
			sched_yield();
		is_cancelled = ds_queue_cancel(s->q, id);
		if (is_cancelled)
			memset(buf, CANARY, DATA_NBYTES);
		wait_idle(s->q);
		c = take(s->q);
		REQUIRE_CMP(c.id, ==, id);
		if (is_cancelled) {
			require_cancelled(&c, DS_REASON_CANCEL);
			REQUIRE(bytes_are(buf, DATA_NBYTES, CANARY));
			REQUIRE_CMP(atomic_load(&calls), ==, 0);
		} else {
			require_complete(&c, DATA_NBYTES - round);
			pattern_require(buf, DATA_NBYTES - round, DATA_SEED, round);
			REQUIRE_CMP(atomic_load(&calls), ==, 1);
		}
	}
	free(buf);
}

/* Two threads want the same one gone: when either returns, it has ended. */
static void two_cancellers(struct suite *s)
{
	struct guarded g;
	struct ds_request r;
	struct ds_completion c;
	struct canceller one, two;
	uint64_t id;

	guarded_map(&g, SMALL, true);
	r = read_never(s, 0, SMALL, g.data);
	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	id = start(s->q, &r);
	fake_wait_held(s->fake, 1);
	REQUIRE(ds_queue_try_cancel(s->q, id));
	canceller_start(&one, s->q, id, &g);
	canceller_start(&two, s->q, id, &g);
	REQUIRE_RESULT(ds_queue_wait_request(s->q, id, 20 * MS, NULL), DS_ERR_TIMEOUT);
	REQUIRE(!atomic_load(&one.has_returned));
	REQUIRE(!atomic_load(&two.has_returned));
	fake_release(s->fake, 1);
	pthread_join(one.thread, NULL);
	pthread_join(two.thread, NULL);
	c = take(s->q);
	require_cancelled(&c, DS_REASON_CANCEL);
	guarded_unmap(&g);
}

/* ---------------------------------------------- 3 and 4: ended, unknown */

static void completed(struct suite *s)
{
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);
	uint64_t id = start(s->q, &r);
	struct ds_completion c;

	REQUIRE_OK(ds_queue_wait_request(s->q, id, PATIENCE, NULL));
	REQUIRE(!ds_queue_cancel(s->q, id));
	REQUIRE(!ds_queue_try_cancel(s->q, id));
	REQUIRE_CMP(ds_queue_cancel_all(s->q), ==, 0);
	c = take(s->q);
	require_complete(&c, SMALL);
	REQUIRE(!ds_queue_cancel(s->q, id));
	pattern_require(buf, SMALL, DATA_SEED, 0);
}

static void unknown(struct suite *s)
{
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);
	struct ds_completion c;
	uint64_t id = start(s->q, &r);
	uint64_t later;

	REQUIRE(!ds_queue_cancel(s->q, 0));
	REQUIRE(!ds_queue_cancel(s->q, UINT64_MAX));
	for (unsigned bit = 0; bit < 64; bit++) {
		REQUIRE(!ds_queue_cancel(s->q, id ^ (UINT64_C(1) << bit)));
		REQUIRE(!ds_queue_try_cancel(s->q, id ^ (UINT64_C(1) << bit)));
		REQUIRE_CMP(ds_queue_request_status(s->q, id ^ (UINT64_C(1) << bit)), ==, 0);
	}
	c = take(s->q);
	REQUIRE_CMP(c.id, ==, id);
	/* A stale id does not hit whoever has its slot now. */
	for (unsigned i = 0; i < 2000; i++) {
		later = enqueue(s->q, &r);
		REQUIRE_CMP(later, !=, id);
		REQUIRE(!ds_queue_cancel(s->q, id));
		REQUIRE(ds_queue_cancel(s->q, later));
		c = take(s->q);
		REQUIRE_CMP(c.id, ==, later);
		id = later;
	}
}

/* --------------------------------------------------------------- 5: race */

struct race {
	struct ds_queue *q;
	_Atomic uint64_t id; /* 0: none yet */
	atomic_bool is_cancelled;
	atomic_bool is_answered;
	atomic_bool is_over;
};

static void *race_main(void *arg)
{
	struct race *race = arg;

	while (!atomic_load(&race->is_over)) {
		uint64_t id = atomic_exchange(&race->id, 0);

		if (!id) {
			sched_yield();
			continue;
		}
		atomic_store(&race->is_cancelled, ds_queue_cancel(race->q, id));
		atomic_store(&race->is_answered, true);
	}
	return NULL;
}

/* One thread cancels what another one starts, at every moment there is. */
static void race_with(struct suite *s, unsigned rounds, uint64_t nbytes)
{
	struct race race = { .q = s->q };
	pthread_t thread;
	uint8_t *buf = malloc(nbytes);
	unsigned nr_cancelled = 0;

	REQUIRE_CMP(pthread_create(&thread, NULL, race_main, &race), ==, 0);
	for (unsigned i = 0; i < rounds; i++) {
		atomic_uint calls = 0;
		struct ds_request r = req_read(s->data, i, nbytes, buf);
		struct ds_completion c;
		uint64_t id;

		r.callback = count_callback;
		r.user_data = &calls;
		atomic_store(&race.is_answered, false);
		id = enqueue(s->q, &r);
		if (i % 2)
			atomic_store(&race.id, id);
		REQUIRE_OK(ds_queue_submit(s->q));
		if (!(i % 2))
			atomic_store(&race.id, id);
		while (!atomic_load(&race.is_answered))
			sched_yield();
		if (atomic_load(&race.is_cancelled))
			memset(buf, CANARY, nbytes);
		wait_idle(s->q);
		c = take(s->q);
		REQUIRE_CMP(c.id, ==, id);
		if (atomic_load(&race.is_cancelled)) {
			nr_cancelled++;
			require_cancelled(&c, DS_REASON_CANCEL);
			REQUIRE_CMP(atomic_load(&calls), ==, 0);
			REQUIRE(bytes_are(buf, nbytes, CANARY));
		} else {
			require_complete(&c, nbytes);
			REQUIRE_CMP(atomic_load(&calls), ==, 1);
			pattern_require(buf, nbytes, DATA_SEED, i);
		}
	}
	atomic_store(&race.is_over, true);
	pthread_join(thread, NULL);
	REQUIRE_CMP(queue_stats(s->q).requests_cancelled, ==, nr_cancelled);
	free(buf);
}

static void race_small(struct suite *s)
{
	race_with(s, 1000, SMALL);
}

static void race_large(struct suite *s)
{
	race_with(s, 100, 2 * MIB);
}

static void race_staged(struct suite *s)
{
	always_stage(s);
	race_with(s, 500, 100000);
}

/* Decoding is interrupted between tiles; whatever was written, nothing is written later. */
static void race_decode(struct suite *s)
{
	uint32_t codecs[4];
	unsigned n = suite_codecs(s, codecs);
	uint8_t *buf = malloc(MIB);

	for (unsigned k = 0; k < n; k++) {
		struct stream st;
		struct ds_file *file;

		REQUIRE(stream_make(&st, codecs[k], MIB, 6));
		file = suite_bytes_file(s, "stream", st.bytes, st.nbytes, 0);
		for (unsigned i = 0; i < 100; i++) {
			struct ds_request r = req_decode(file, 0, st.nbytes, codecs[k], buf, MIB);
			struct ds_completion c;
			uint64_t id = start(s->q, &r);
			bool is_cancelled;

			for (unsigned j = 0; j < 20 * i; j++)
				sched_yield();
			is_cancelled = ds_queue_cancel(s->q, id);
			if (is_cancelled)
				memset(buf, CANARY, MIB);
			wait_idle(s->q);
			c = take(s->q);
			if (is_cancelled) {
				require_cancelled(&c, DS_REASON_CANCEL);
				REQUIRE(bytes_are(buf, MIB, CANARY));
			} else {
				require_complete(&c, MIB);
				pattern_require(buf, MIB, 6, 0);
			}
		}
		ds_file_close(file);
		stream_free(&st);
	}
	free(buf);
}

/* ---------------------------------------------------------- 6: all of them */

static void cancel_all(struct suite *s)
{
	enum {
		N = 200
	};
	uint8_t *buf = malloc((size_t)N * SMALL);
	atomic_uint calls = 0;
	uint32_t by_call, cancelled = 0, complete = 0;

	for (unsigned i = 0; i < N; i++) {
		struct ds_request r = req_read(s->data, i, SMALL, buf + (size_t)i * SMALL);

		r.callback = count_callback;
		r.user_data = &calls;
		enqueue(s->q, &r);
		if (i == N / 2)
			REQUIRE_OK(ds_queue_submit(s->q));
	}
	by_call = ds_queue_cancel_all(s->q);
	memset(buf, CANARY, (size_t)N * SMALL);
	REQUIRE_OK(ds_queue_submit(s->q));
	/* Those that had ended before may still have their callbacks to come. */
	wait_idle(s->q);
	REQUIRE_CMP(queue_stats(s->q).requests_in_flight, ==, 0);
	for (unsigned i = 0; i < N; i++) {
		struct ds_completion c = take(s->q);

		if (c.status == DS_STATUS_CANCELLED) {
			require_cancelled(&c, DS_REASON_CANCEL);
			cancelled++;
		} else {
			require_complete(&c, SMALL);
			complete++;
		}
	}
	REQUIRE_CMP(by_call, ==, cancelled);
	REQUIRE_CMP(by_call, >=, N / 2 - 1);
	REQUIRE_CMP(atomic_load(&calls), ==, complete);
	REQUIRE(bytes_are(buf, (uint64_t)N * SMALL, CANARY));
	free(buf);
}

static void *cancel_all_main(void *q)
{
	return (void *)(uintptr_t)ds_queue_cancel_all(q);
}

/* Held, waiting and pending ones at once. */
static void cancel_all_in_flight(struct suite *s)
{
	enum {
		N = 100,
		HELD = 64
	};
	struct guarded g;
	pthread_t thread;
	atomic_uint calls = 0;
	uint32_t cancelled = 0;
	void *n;

	guarded_map(&g, N * SMALL, true);
	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	for (unsigned i = 0; i < N; i++) {
		struct ds_request r = req_read(s->data, i, SMALL, g.data + (size_t)i * SMALL);

		r.callback = count_callback;
		r.user_data = &calls;
		enqueue(s->q, &r);
		if (i == N - 10)
			REQUIRE_OK(ds_queue_submit(s->q));
	}
	fake_wait_held(s->fake, HELD);
	REQUIRE_CMP(pthread_create(&thread, NULL, cancel_all_main, s->q), ==, 0);
	/* All that need not be waited for end, whatever is held before or behind them. */
	while (queue_stats(s->q).requests_cancelled < N - HELD)
		sched_yield();
	fake_hold(s->fake, FAKE_GATE_OPEN);
	pthread_join(thread, &n);
	guarded_poison(&g);
	wait_idle(s->q);
	for (unsigned i = 0; i < N; i++) {
		struct ds_completion c = take(s->q);

		cancelled += c.status == DS_STATUS_CANCELLED;
	}
	REQUIRE_CMP((uintptr_t)n, ==, cancelled);
	REQUIRE_CMP(cancelled, >=, N - HELD);
	REQUIRE_CMP(atomic_load(&calls), ==, N - cancelled);
	guarded_unmap(&g);
}

/* One queue's requests only. */
static void other_queues_go_on(struct suite *s)
{
	struct ds_queue *other;
	uint8_t a[SMALL], b[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, a);
	struct ds_completion c;
	uint64_t id;

	REQUIRE_OK(ds_queue_create(s->be, NULL, &other));
	id = enqueue(other, &r);
	r = read_never(s, 0, SMALL, b);
	enqueue(s->q, &r);
	REQUIRE_CMP(ds_queue_cancel_all(s->q), ==, 1);
	REQUIRE_CMP(ds_queue_request_status(other, id), ==, DS_STATUS_PENDING);
	REQUIRE_OK(ds_queue_submit(other));
	c = take(other);
	require_complete(&c, SMALL);
	REQUIRE_OK(ds_queue_destroy(other));
}

/* ---------------------------------------------------------------- by tag */

static void tagged(struct suite *s)
{
	enum {
		N = 64
	};
	uint8_t buf[N][64];
	unsigned cancelled = 0;

	for (unsigned i = 0; i < N; i++) {
		struct ds_request r = req_read(s->data, i, 64, buf[i]);

		r.tag = i;
		enqueue(s->q, &r);
	}
	/* 0x?5: four of them; then odd ones among the rest. */
	REQUIRE_CMP(ds_queue_cancel_tagged(s->q, 0x0f, 0xf5), ==, 4);
	REQUIRE_CMP(ds_queue_cancel_tagged(s->q, 0x0f, 0xf5), ==, 0);
	REQUIRE_CMP(ds_queue_cancel_tagged(s->q, 1, 1), ==, 28);
	REQUIRE_CMP(ds_queue_cancel_tagged(s->q, UINT64_MAX, 64), ==, 0);
	REQUIRE_CMP(ds_queue_cancel_tagged(s->q, UINT64_MAX, 2), ==, 1);
	REQUIRE_OK(ds_queue_submit(s->q));
	wait_idle(s->q);
	for (unsigned i = 0; i < N; i++) {
		struct ds_completion c = take(s->q);

		REQUIRE_CMP(c.status == DS_STATUS_CANCELLED, ==, (c.tag & 1) || c.tag == 2);
		cancelled += c.status == DS_STATUS_CANCELLED;
	}
	REQUIRE_CMP(cancelled, ==, 33);
	/* An empty mask means all. */
	for (unsigned i = 0; i < 3; i++) {
		struct ds_request r = req_read(s->data, i, 64, buf[i]);

		r.tag = i;
		enqueue(s->q, &r);
	}
	REQUIRE_CMP(ds_queue_cancel_tagged(s->q, 0, 12345), ==, 3);
}

/*
 * What real programs do: cancel by tag, and at once give back everything behind it, from
 * the destination to the status array.
 */
static void tagged_then_all_freed(struct suite *s)
{
	enum {
		N = 20
	};

	for (unsigned round = 0; round < 30; round++) {
		struct ds_status_array *array;
		struct ds_fence *fence;
		struct ds_file *file;
		struct guarded g;
		int fd = eventfd(0, EFD_CLOEXEC);

		REQUIRE_OK(ds_status_array_create(1, &array));
		REQUIRE_OK(ds_fence_create(0, &fence));
		REQUIRE_OK(ds_file_open(s->be, s->data_path, DS_FILE_READ, &file));
		guarded_map(&g, N * 40000, true);
		for (unsigned i = 0; i < N; i++) {
			struct ds_request r = req_read(file, i, 40000, g.data + i * 40000);

			r.tag = 3;
			enqueue(s->q, &r);
		}
		REQUIRE_OK(ds_queue_enqueue_status(s->q, array, 0));
		REQUIRE_OK(ds_queue_enqueue_signal(s->q, fence, 1));
		REQUIRE_OK(ds_queue_enqueue_event(s->q, fd));
		REQUIRE_OK(ds_queue_submit(s->q));
		for (unsigned i = 0; i < round; i++)
			sched_yield();
		ds_queue_cancel_tagged(s->q, 3, 3);
		guarded_unmap(&g);
		ds_file_close(file);
		ds_status_array_destroy(array);
		ds_fence_destroy(fence);
		close(fd);
		for (unsigned i = 0; i < N; i++)
			take(s->q);
	}
	wait_idle(s->q);
}

/* ------------------------------------------------------------ weak cancel */

static void try_cancel(struct suite *s)
{
	uint8_t buf[SMALL];
	struct ds_request r = read_never(s, 0, SMALL, buf);
	struct ds_completion c;
	uint64_t id;

	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	id = start(s->q, &r);
	fake_wait_held(s->fake, 1);
	REQUIRE(ds_queue_try_cancel(s->q, id));
	/* It waits for the engine, so it has not ended, and keeps its memory. */
	REQUIRE_CMP(ds_queue_request_status(s->q, id), ==, DS_STATUS_RUNNING);
	fake_release(s->fake, 1);
	c = take(s->q);
	require_cancelled(&c, DS_REASON_CANCEL);
	REQUIRE(!ds_queue_try_cancel(s->q, id));
}

static void try_cancel_pending(struct suite *s)
{
	uint8_t buf[SMALL];
	struct ds_request r = read_never(s, 0, SMALL, buf);
	struct ds_completion c;
	uint64_t id = enqueue(s->q, &r);

	REQUIRE(ds_queue_try_cancel(s->q, id));
	REQUIRE_OK(ds_queue_submit(s->q));
	c = take(s->q);
	require_cancelled(&c, DS_REASON_CANCEL);
	REQUIRE(!ds_queue_try_cancel(s->q, 0));
}

/* At random moments, on every backend: true means no callback. */
static void try_cancel_races(struct suite *s)
{
	uint8_t *buf = malloc(MIB);

	for (unsigned i = 0; i < 300; i++) {
		atomic_uint calls = 0;
		struct ds_request r = req_read(s->data, i, i % 3 ? 64 : MIB, buf);
		struct ds_completion c;
		bool is_cancelled;
		uint64_t id;

		r.callback = count_callback;
		r.user_data = &calls;
		id = start(s->q, &r);
		for (unsigned j = 0; j < i % 37; j++)
			sched_yield();
		is_cancelled = ds_queue_try_cancel(s->q, id);
		wait_idle(s->q);
		c = take(s->q);
		REQUIRE_CMP(c.status == DS_STATUS_CANCELLED, ==, is_cancelled);
		REQUIRE_CMP(atomic_load(&calls), ==, !is_cancelled);
	}
	free(buf);
}

/* ---------------------------------------------------------------- timeouts */

/* Starts it; false when its time was over before the engine had it. */
static bool start_and_hold(struct suite *s, const struct ds_request *r, uint64_t *id)
{
	*id = start(s->q, r);
	while (!fake_held(s->fake)) {
		if (ds_queue_request_status(s->q, *id) >= DS_STATUS_COMPLETE)
			return false;
		sched_yield();
	}
	return true;
}

/* The same with longer and longer timeouts, until the engine has it. Returns the timeout. */
static uint64_t hold_with_timeout(struct suite *s, enum fake_gate gate, struct ds_request *r,
				  uint64_t *id)
{
	r->callback = never;
	r->timeout_ns = 5 * MS;
	fake_hold(s->fake, gate);
	while (!start_and_hold(s, r, id)) {
		struct ds_completion c = take(s->q);

		require_cancelled(&c, DS_REASON_TIMEOUT);
		r->timeout_ns *= 2;
	}
	return r->timeout_ns;
}

/* Where the engine holds the destination, and does not give it back, the end waits for it. */
static void timeout_straight(struct suite *s)
{
	struct fake_setup setup = { .has_cancel = true };
	struct guarded g;
	struct ds_request r;
	struct ds_completion c;
	uint64_t id, timeout;

	suite_remake_fake(s, &setup, NULL, NULL);
	guarded_map(&g, SMALL, true);
	r = req_read(s->data, 0, SMALL, g.data);
	timeout = hold_with_timeout(s, FAKE_HOLD_AFTER, &r, &id);
	/* The timeout has passed, but the memory is still in use. */
	fake_wait_not_taken_back(s->fake, 1);
	REQUIRE_RESULT(ds_queue_wait_request(s->q, id, 20 * MS, NULL), DS_ERR_TIMEOUT);
	fake_release(s->fake, 1);
	c = take(s->q);
	guarded_poison(&g);
	require_cancelled(&c, DS_REASON_TIMEOUT);
	REQUIRE_CMP(c.end_ns - c.submit_ns, >=, timeout);
	REQUIRE_CMP(queue_stats(s->q).requests_timed_out, >=, 1);
	REQUIRE_CMP(queue_stats(s->q).requests_cancelled, ==, queue_stats(s->q).requests_timed_out);
	wait_idle(s->q);
	guarded_unmap(&g);
}

/* Through staging memory it ends although the engine holds. */
static void timeout_staged(struct suite *s)
{
	struct guarded g;
	struct ds_request r;
	struct ds_completion c;
	uint64_t id, timeout;

	always_stage(s);
	guarded_map(&g, SMALL, true);
	r = req_read(s->data, 0, SMALL, g.data);
	timeout = hold_with_timeout(s, FAKE_HOLD_BEFORE, &r, &id);
	c = take(s->q);
	guarded_poison(&g);
	REQUIRE_CMP(c.id, ==, id);
	require_cancelled(&c, DS_REASON_TIMEOUT);
	REQUIRE_CMP(c.end_ns - c.submit_ns, >=, timeout);
	fake_hold(s->fake, FAKE_GATE_OPEN);
	wait_idle(s->q);
	guarded_unmap(&g);
}

/* Waiting behind others counts, waiting for a submit does not. */
static void timeout_of_the_waiting(struct suite *s)
{
	struct fake_setup setup = { .max_ops = 1, .nr_threads = 1 };
	uint8_t a[SMALL], b[SMALL], d[SMALL];
	struct ds_request r;
	struct ds_completion c;
	uint64_t first, second, third;

	suite_remake_fake(s, &setup, NULL, NULL);

	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	r = req_read(s->data, 0, SMALL, a);
	first = start(s->q, &r);
	fake_wait_held(s->fake, 1);
	r = read_never(s, 0, SMALL, b);
	r.timeout_ns = 5 * MS;
	second = start(s->q, &r);
	r = req_read(s->data, 0, SMALL, d);
	r.timeout_ns = 5 * MS;
	third = enqueue(s->q, &r);
	c = take(s->q);
	REQUIRE_CMP(c.id, ==, second);
	require_cancelled(&c, DS_REASON_TIMEOUT);
	REQUIRE_CMP(ds_queue_request_status(s->q, third), ==, DS_STATUS_PENDING);
	fake_hold(s->fake, FAKE_GATE_OPEN);
	c = take(s->q);
	REQUIRE_CMP(c.id, ==, first);
	require_complete(&c, SMALL);
}

/* Long timeouts do no harm, and do not outlive their requests. */
static void timeout_not_reached(struct suite *s)
{
	uint8_t buf[SMALL];

	for (unsigned i = 0; i < 100; i++) {
		struct ds_request r = req_read(s->data, i, SMALL, buf);

		r.timeout_ns = i % 2 ? UINT64_MAX : 3600 * SEC;
		run_ok(s->q, &r);
	}
	REQUIRE_CMP(queue_stats(s->q).requests_timed_out, ==, 0);
}

/* So short that it may pass at any moment, on every backend. */
static void timeout_races(struct suite *s)
{
	uint8_t *buf = malloc(MIB);
	unsigned timed_out = 0;

	for (unsigned i = 0; i < 300; i++) {
		atomic_uint calls = 0;
		uint64_t nbytes = i % 3 ? 64 : MIB;
		struct ds_request r = req_read(s->data, i, nbytes, buf);
		struct ds_completion c;

		r.callback = count_callback;
		r.user_data = &calls;
		r.timeout_ns = 1 + i * 1000;
		start(s->q, &r);
		c = take(s->q);
		memset(buf, CANARY, nbytes);
		wait_idle(s->q);
		if (c.status == DS_STATUS_CANCELLED) {
			require_cancelled(&c, DS_REASON_TIMEOUT);
			timed_out++;
		} else {
			require_complete(&c, nbytes);
		}
		REQUIRE_CMP(atomic_load(&calls), ==, c.status == DS_STATUS_COMPLETE);
		REQUIRE(bytes_are(buf, nbytes, CANARY));
	}
	REQUIRE_CMP(queue_stats(s->q).requests_timed_out, ==, timed_out);
	free(buf);
}

/* ------------------------------------------------------------- 7: callbacks */

struct from_callback {
	struct suite *s;
	uint64_t other;
	atomic_bool is_inside;
	atomic_bool is_done;
	bool is_cancelled;
	uint32_t nr_cancelled;
};

static void cancel_other_callback(void *arg, const struct ds_completion *c)
{
	struct from_callback *f = arg;

	(void)c;
	atomic_store(&f->is_inside, true);
	f->is_cancelled = ds_queue_cancel(f->s->q, f->other);
	atomic_store(&f->is_done, true);
}

static bool from_a_callback_once(struct suite *s)
{
	struct from_callback f = { .s = s };
	struct guarded g;
	uint8_t buf[SMALL];
	struct ds_request r;
	struct ds_completion c;

	guarded_map(&g, SMALL, true);
	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	r = req_read(s->data, 0, SMALL, buf);
	r.callback = cancel_other_callback;
	r.user_data = &f;
	start(s->q, &r);
	fake_wait_held(s->fake, 1);
	r = req_read(s->data, 0, SMALL, g.data);
	f.other = start(s->q, &r);
	fake_wait_held(s->fake, 2);
	fake_release(s->fake, 1);
	while (!atomic_load(&f.is_inside))
		sched_yield();
	REQUIRE_RESULT(ds_queue_wait_request(s->q, f.other, 20 * MS, NULL), DS_ERR_TIMEOUT);
	REQUIRE(!atomic_load(&f.is_done));
	fake_release(s->fake, 1);
	wait_idle(s->q);
	guarded_poison(&g);
	REQUIRE(atomic_load(&f.is_done));
	/* The list may have the cancelled one before or behind the one whose callback it was. */
	c = take(s->q);
	if (c.id == f.other)
		take(s->q);
	else
		c = take(s->q);
	REQUIRE_CMP(c.id, ==, f.other);
	REQUIRE_CMP(c.status == DS_STATUS_CANCELLED, ==, f.is_cancelled);
	guarded_unmap(&g);
	return f.is_cancelled;
}

/* A callback cancels a request that the engine holds, and waits for it like anybody. */
static void from_a_callback(struct suite *s)
{
	unsigned tries = 1;

	while (!from_a_callback_once(s))
		REQUIRE_CMP(++tries, <=, 50);
}

static void cancel_all_callback(void *arg, const struct ds_completion *c)
{
	struct from_callback *f = arg;

	(void)c;
	f->nr_cancelled = ds_queue_cancel_all(f->s->q);
	atomic_store(&f->is_done, true);
}

/* On every backend: one callback cancels all the rest, running, waiting and pending. */
static void all_from_a_callback(struct suite *s)
{
	enum {
		N = 100
	};
	struct from_callback f = { .s = s };
	uint8_t *buf = malloc((size_t)N * 100000);
	uint32_t cancelled = 0;

	for (unsigned i = 0; i < N; i++) {
		struct ds_request r = req_read(s->data, i, 100000, buf + (size_t)i * 100000);

		if (i == 0) {
			r.callback = cancel_all_callback;
			r.user_data = &f;
		}
		enqueue(s->q, &r);
	}
	REQUIRE_OK(ds_queue_submit(s->q));
	wait_idle(s->q);
	REQUIRE(atomic_load(&f.is_done));
	for (unsigned i = 0; i < N; i++) {
		struct ds_completion c = take(s->q);

		cancelled += c.status == DS_STATUS_CANCELLED;
	}
	REQUIRE_CMP(cancelled, ==, f.nr_cancelled);
	free(buf);
}

/* Once cancel has said true, its callback does not run, ever; and none runs twice. */
static void no_callback_after_cancel(struct suite *s)
{
	enum {
		N = 2000
	};
	atomic_uint *calls = calloc(N, sizeof(*calls));
	bool *is_cancelled = calloc(N, sizeof(*is_cancelled));
	uint8_t *buf = malloc((size_t)N * 64);
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	uint64_t *ids = calloc(N, sizeof(*ids));

	cfg.capacity = N;
	cfg.flags = DS_QUEUE_NO_AUTO_SUBMIT;
	suite_remake_queue(s, &cfg);
	for (unsigned i = 0; i < N; i++) {
		struct ds_request r = req_read(s->data, i, 64, buf + (size_t)i * 64);

		r.callback = count_callback;
		r.user_data = &calls[i];
		ids[i] = enqueue(s->q, &r);
	}
	REQUIRE_OK(ds_queue_submit(s->q));
	/* From the far end, to meet the runtime half-way. */
	for (unsigned i = N; i-- > 0;) {
		is_cancelled[i] =
			i % 2 ? ds_queue_cancel(s->q, ids[i]) : ds_queue_try_cancel(s->q, ids[i]);
		if (is_cancelled[i])
			REQUIRE_CMP(atomic_load(&calls[i]), ==, 0);
	}
	wait_idle(s->q);
	for (unsigned i = 0; i < N; i++)
		REQUIRE_CMP(atomic_load(&calls[i]), ==, !is_cancelled[i]);
	free(ids);
	free(buf);
	free(is_cancelled);
	free(calls);
}

/* ------------------------------------------------------------- destruction */

static void *destroy_main(void *q)
{
	REQUIRE_OK(ds_queue_destroy(q));
	return NULL;
}

static void destroyed_in_flight(struct suite *s)
{
	struct ds_queue *q;
	struct guarded g;
	pthread_t thread;

	REQUIRE_OK(ds_queue_create(s->be, NULL, &q));
	guarded_map(&g, 4 * MIB, true);
	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	for (unsigned i = 0; i < 4; i++) {
		struct ds_request r = req_read(s->data, i, MIB, g.data + i * MIB);

		enqueue(q, &r);
	}
	REQUIRE_OK(ds_queue_submit(q));
	fake_wait_held(s->fake, 4);
	REQUIRE_CMP(pthread_create(&thread, NULL, destroy_main, q), ==, 0);
	fake_release(s->fake, 2);
	fake_hold(s->fake, FAKE_GATE_OPEN);
	pthread_join(thread, NULL);
	guarded_poison(&g);
	guarded_unmap(&g);
	/* Two may have ended before the destruction began. */
	REQUIRE_CMP(backend_stats(s->be).requests_in_flight, ==, 0);
}

static void destroyed_anywhere(struct suite *s)
{
	uint8_t *buf = malloc(DATA_NBYTES);

	for (unsigned round = 0; round < 20; round++) {
		struct ds_queue *q;
		struct ds_request r = req_read(s->data, 0, DATA_NBYTES, buf);

		REQUIRE_OK(ds_queue_create(s->be, NULL, &q));
		start(q, &r);
		enqueue(q, &r);
		for (unsigned i = 0; i < round * 3; i++)
			sched_yield();
		REQUIRE_OK(ds_queue_destroy(q));
		memset(buf, CANARY, DATA_NBYTES);
		/* Through the whole backend once more, so that stragglers would be seen. */
		wait_idle(s->q);
		REQUIRE(bytes_are(buf, DATA_NBYTES, CANARY));
	}
	free(buf);
}

int main(int argc, char **argv)
{
	static const struct suite_entry entries[] = {
		TEST(pending),
		TEST(all_pending),
		FAKE_TEST(pending_spares_the_submitted),
		FAKE_TEST(in_flight_before),
		FAKE_TEST(in_flight_after),
		FAKE_TEST(in_flight_taken_back),
		FAKE_TEST(in_flight_not_taken_back),
		FAKE_TEST(in_flight_staged),
		FAKE_TEST(in_flight_compressed),
		FAKE_TEST(in_flight_write),
		FAKE_TEST(waiting_its_turn),
		TEST(in_flight_anywhere),
		FAKE_TEST(two_cancellers),
		TEST(completed),
		TEST(unknown),
		TEST(race_small),
		TEST(race_large),
		TEST(race_staged),
		TEST(race_decode),
		TEST(cancel_all),
		FAKE_TEST(cancel_all_in_flight),
		TEST(other_queues_go_on),
		TEST(tagged),
		TEST(tagged_then_all_freed),
		FAKE_TEST(try_cancel),
		TEST(try_cancel_pending),
		TEST(try_cancel_races),
		FAKE_TEST(timeout_straight),
		FAKE_TEST(timeout_staged),
		FAKE_TEST(timeout_of_the_waiting),
		TEST(timeout_not_reached),
		TEST(timeout_races),
		FAKE_TEST(from_a_callback),
		TEST(all_from_a_callback),
		TEST(no_callback_after_cancel),
		FAKE_TEST(destroyed_in_flight),
		TEST(destroyed_anywhere),
	};

	return suite_main(argc, argv, "cancel", entries, sizeof(entries) / sizeof(entries[0]));
}
