/* SPDX-License-Identifier: MIT */
/* test_completion.c: the ways to learn of an end: list, wait, callback, eventfd, markers. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "conformance/suite.h"

enum {
	SMALL = 1000
};

/* -------------------------------------------------------------- the list */

static void fields(struct suite *s)
{
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 8, SMALL, buf);
	struct ds_completion c;
	int mark;

	r.tag = 0x1234;
	r.user_data = &mark;
	r.name = "a name";
	c = run_ok(s->q, &r);
	REQUIRE_CMP(c.size, ==, sizeof(c));
	REQUIRE_CMP(c.tag, ==, 0x1234);
	REQUIRE(c.user_data == &mark);
	REQUIRE(c.name && strcmp(c.name, "a name") == 0);
	REQUIRE_CMP(c.enqueue_ns, !=, 0);
	REQUIRE_CMP(c.enqueue_ns, <=, c.submit_ns);
	REQUIRE_CMP(c.submit_ns, <=, c.start_ns);
	REQUIRE_CMP(c.start_ns, <=, c.end_ns);
}

static void each_result_once(struct suite *s)
{
	enum {
		N = 300
	};
	uint8_t *buf = malloc((size_t)N * SMALL);
	bool seen[N] = { false };
	uint32_t total = 0;

	for (uintptr_t i = 0; i < N; i++) {
		struct ds_request r = req_read(s->data, i, SMALL, buf + i * SMALL);

		r.user_data = (void *)i;
		enqueue(s->q, &r);
	}
	REQUIRE_OK(ds_queue_submit(s->q));
	wait_idle(s->q);
	for (;;) {
		struct ds_completion out[7];
		uint32_t n;

		out[0].size = sizeof(out[0]);
		n = ds_queue_poll(s->q, out, 7);
		if (!n)
			break;
		for (uint32_t i = 0; i < n; i++) {
			uintptr_t index = (uintptr_t)out[i].user_data;

			REQUIRE_CMP(index, <, N);
			REQUIRE(!seen[index]);
			seen[index] = true;
			total++;
		}
	}
	REQUIRE_CMP(total, ==, N);
	free(buf);
}

/* In the order of completion: later ends do not come before earlier ones. */
static void order_of_completion(struct suite *s)
{
	enum {
		N = 8
	};
	uint8_t buf[N][SMALL];
	uint64_t ids[N];

	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	for (unsigned i = 0; i < N; i++) {
		struct ds_request r = req_read(s->data, i * 10000, SMALL, buf[i]);

		ids[i] = enqueue(s->q, &r);
	}
	REQUIRE_OK(ds_queue_submit(s->q));
	fake_wait_held(s->fake, N);
	for (unsigned i = N; i-- > 0;) {
		struct ds_completion c;

		REQUIRE_CMP(fake_release_newest(s->fake, 1), ==, 1);
		c = take(s->q);
		/* All started in the order of their enqueuing, and end in the other one. */
		REQUIRE_CMP(c.id, ==, ids[i]);
	}
}

static void nothing_to_take(struct suite *s)
{
	struct ds_completion out[2] = { DS_COMPLETION_INIT, DS_COMPLETION_INIT };
	uint32_t taken = 99;

	REQUIRE_CMP(ds_queue_poll(s->q, out, 2), ==, 0);
	/* Nothing is in flight: a wait for ever ends at once. */
	REQUIRE_OK(ds_queue_wait(s->q, out, 2, 2, DS_WAIT_FOREVER, &taken));
	REQUIRE_CMP(taken, ==, 0);
	wait_idle(s->q);
}

/* Not submitted is not in flight. */
static void pending_is_not_waited_for(struct suite *s)
{
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);
	struct ds_completion out = DS_COMPLETION_INIT;
	uint32_t taken = 99;
	uint64_t id = enqueue(s->q, &r);

	REQUIRE_OK(ds_queue_wait(s->q, &out, 1, 1, DS_WAIT_FOREVER, &taken));
	REQUIRE_CMP(taken, ==, 0);
	wait_idle(s->q);
	REQUIRE_CMP(ds_queue_request_status(s->q, id), ==, DS_STATUS_PENDING);
	REQUIRE_OK(ds_queue_submit(s->q));
	out = take(s->q);
	REQUIRE_CMP(out.id, ==, id);
}

static void wait_times_out(struct suite *s)
{
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);
	struct ds_completion out = DS_COMPLETION_INIT;
	uint32_t taken = 99;
	uint64_t id;

	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	id = start(s->q, &r);
	fake_wait_held(s->fake, 1);
	REQUIRE_CMP(ds_queue_request_status(s->q, id), ==, DS_STATUS_RUNNING);
	REQUIRE_RESULT(ds_queue_wait(s->q, &out, 1, 1, MS, &taken), DS_ERR_TIMEOUT);
	REQUIRE_CMP(taken, ==, 0);
	REQUIRE_RESULT(ds_queue_wait(s->q, &out, 1, 1, 0, NULL), DS_ERR_TIMEOUT);
	REQUIRE_RESULT(ds_queue_wait_idle(s->q, MS), DS_ERR_TIMEOUT);
	REQUIRE_RESULT(ds_queue_wait_request(s->q, id, MS, NULL), DS_ERR_TIMEOUT);
	fake_release(s->fake, 1);
	wait_idle(s->q);
	REQUIRE_CMP(ds_queue_request_status(s->q, id), ==, DS_STATUS_COMPLETE);
}

/* One has ended, one is held: a wait for two gives the one, and says so. */
static void wait_gives_what_there_is(struct suite *s)
{
	uint8_t a[SMALL], b[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, a);
	struct ds_completion out[2] = { DS_COMPLETION_INIT, DS_COMPLETION_INIT };
	uint32_t taken = 0;
	uint64_t id = start(s->q, &r);

	wait_idle(s->q);
	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	r = req_read(s->data, 0, SMALL, b);
	start(s->q, &r);
	fake_wait_held(s->fake, 1);
	REQUIRE_RESULT(ds_queue_wait(s->q, out, 2, 2, MS, &taken), DS_ERR_TIMEOUT);
	REQUIRE_CMP(taken, ==, 1);
	REQUIRE_CMP(out[0].id, ==, id);
	fake_hold(s->fake, FAKE_GATE_OPEN);
	REQUIRE_OK(ds_queue_wait(s->q, out, 2, 2, PATIENCE, &taken));
	REQUIRE_CMP(taken, ==, 1);
}

static void wait_request(struct suite *s)
{
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);
	struct ds_completion c = DS_COMPLETION_INIT;
	uint64_t id = start(s->q, &r);

	REQUIRE_OK(ds_queue_wait_request(s->q, id, PATIENCE, &c));
	require_complete(&c, SMALL);
	REQUIRE_CMP(c.id, ==, id);
	/* It took nothing. */
	REQUIRE_OK(ds_queue_wait_request(s->q, id, 0, NULL));
	REQUIRE_CMP(ds_queue_request_status(s->q, id), ==, DS_STATUS_COMPLETE);
	c = take(s->q);
	REQUIRE_CMP(c.id, ==, id);
	REQUIRE_RESULT(ds_queue_wait_request(s->q, id, PATIENCE, NULL), DS_ERR_NOT_FOUND);
	REQUIRE_CMP(ds_queue_request_status(s->q, id), ==, 0);
	REQUIRE_RESULT(ds_queue_wait_request(s->q, 0, PATIENCE, NULL), DS_ERR_NOT_FOUND);
}

struct taker {
	struct ds_queue *q;
	atomic_uint *total;
	unsigned goal;
};

static void *taker_main(void *arg)
{
	struct taker *t = arg;

	while (atomic_load(t->total) < t->goal) {
		struct ds_completion out[3];
		uint32_t taken = 0;
		ds_result ret;

		out[0].size = sizeof(out[0]);
		ret = ds_queue_wait(t->q, out, 3, 1, 10 * MS, &taken);
		REQUIRE(ret == DS_OK || ret == DS_ERR_TIMEOUT);
		atomic_fetch_add(t->total, taken);
	}
	return NULL;
}

/* Several threads wait on one list: each result goes to one of them. */
static void many_waiters(struct suite *s)
{
	enum {
		N = 400,
		NR_TAKERS = 4
	};
	uint8_t *buf = malloc((size_t)N * SMALL);
	pthread_t threads[NR_TAKERS];
	atomic_uint total = 0;
	struct taker t = { .q = s->q, .total = &total, .goal = N };

	for (unsigned i = 0; i < NR_TAKERS; i++)
		REQUIRE_CMP(pthread_create(&threads[i], NULL, taker_main, &t), ==, 0);
	for (unsigned i = 0; i < N; i++) {
		struct ds_request r = req_read(s->data, i, SMALL, buf + (size_t)i * SMALL);

		start(s->q, &r);
	}
	for (unsigned i = 0; i < NR_TAKERS; i++)
		pthread_join(threads[i], NULL);
	REQUIRE_CMP(atomic_load(&total), ==, N);
	free(buf);
}

/* ---------------------------------------------------------------- eventfd */

static bool is_readable(int epoll, int timeout_ms)
{
	struct epoll_event ev;

	return epoll_wait(epoll, &ev, 1, timeout_ms) == 1;
}

static void event_fd(struct suite *s)
{
	uint8_t a[SMALL], b[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, a);
	struct ds_completion out[4];
	struct epoll_event ev = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int fd = ds_queue_event_fd(s->q);

	REQUIRE_CMP(fd, >=, 0);
	REQUIRE_CMP(ds_queue_event_fd(s->q), ==, fd);
	REQUIRE_CMP(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev), ==, 0);
	REQUIRE(!is_readable(epoll, 0));

	out[0].size = sizeof(out[0]);
	for (unsigned round = 0; round < 20; round++) {
		start(s->q, &r);
		REQUIRE(is_readable(epoll, 60000));
		/* Level: still so. */
		REQUIRE(is_readable(epoll, 0));
		REQUIRE_CMP(ds_queue_poll(s->q, out, 4), ==, 1);
		REQUIRE(!is_readable(epoll, 0));
	}
	/* Two results: readable until both are taken. */
	start(s->q, &r);
	r = req_read(s->data, 0, SMALL, b);
	start(s->q, &r);
	wait_idle(s->q);
	REQUIRE(is_readable(epoll, 0));
	REQUIRE_CMP(ds_queue_poll(s->q, out, 1), ==, 1);
	REQUIRE(is_readable(epoll, 0));
	REQUIRE_CMP(ds_queue_poll(s->q, out, 1), ==, 1);
	REQUIRE(!is_readable(epoll, 0));
	close(epoll);
}

/* Making a backend, and giving one back, leaves nothing behind that interrupts this thread later. */
static void thread_is_left_alone(struct suite *s)
{
	struct epoll_event ev;
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	for (unsigned i = 0; i < 10; i++) {
		suite_remake(s, NULL, NULL);
		REQUIRE_CMP(epoll_wait(epoll, &ev, 1, 20), ==, 0);
	}
	close(epoll);
}

/* Asked for when results wait already. */
static void event_fd_late(struct suite *s)
{
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);
	struct epoll_event ev = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int fd;

	start(s->q, &r);
	wait_idle(s->q);
	fd = ds_queue_event_fd(s->q);
	REQUIRE_CMP(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev), ==, 0);
	REQUIRE(is_readable(epoll, 60000));
	take(s->q);
	REQUIRE(!is_readable(epoll, 0));
	close(epoll);
}

/* Cancelled and failed ones wake the loop as well. */
static void event_fd_for_every_end(struct suite *s)
{
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);
	struct epoll_event ev = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct ds_completion c;
	uint64_t id;

	REQUIRE_CMP(epoll_ctl(epoll, EPOLL_CTL_ADD, ds_queue_event_fd(s->q), &ev), ==, 0);
	id = enqueue(s->q, &r);
	REQUIRE(ds_queue_cancel(s->q, id));
	REQUIRE(is_readable(epoll, 60000));
	c = take(s->q);
	require_cancelled(&c, DS_REASON_CANCEL);
	REQUIRE(!is_readable(epoll, 0));
	r = req_read(s->data, DATA_NBYTES, SMALL, buf);
	start(s->q, &r);
	REQUIRE(is_readable(epoll, 60000));
	c = take(s->q);
	require_failed_with(&c, DS_ERR_END_OF_FILE);
	close(epoll);
}

static void no_results_queue(struct suite *s)
{
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	struct ds_completion out = DS_COMPLETION_INIT;
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);
	atomic_uint calls = 0;
	uint64_t id;

	cfg.flags = DS_QUEUE_NO_RESULTS;
	suite_remake_queue(s, &cfg);
	REQUIRE_CMP(ds_queue_event_fd(s->q), ==, -1);
	r.callback = count_callback;
	r.user_data = &calls;
	id = start(s->q, &r);
	wait_idle(s->q);
	REQUIRE_CMP(atomic_load(&calls), ==, 1);
	REQUIRE_CMP(ds_queue_poll(s->q, &out, 1), ==, 0);
	REQUIRE_RESULT(ds_queue_wait_request(s->q, id, PATIENCE, NULL), DS_ERR_NOT_FOUND);
	pattern_require(buf, SMALL, DATA_SEED, 0);
}

/* -------------------------------------------------------------- callbacks */

struct seen {
	struct suite *s;
	atomic_uint calls;
	atomic_uint inside;
	pthread_t thread;
	bool has_thread;
	struct ds_completion last;
};

static void strict_callback(void *arg, const struct ds_completion *c)
{
	struct seen *seen = arg;

	/* One at a time, all on one thread. */
	REQUIRE_CMP(atomic_fetch_add(&seen->inside, 1), ==, 0);
	if (!seen->has_thread)
		seen->thread = pthread_self();
	seen->has_thread = true;
	REQUIRE(pthread_equal(seen->thread, pthread_self()));
	seen->last = *c;
	atomic_fetch_add(&seen->calls, 1);
	atomic_fetch_sub(&seen->inside, 1);
}

static void callbacks(struct suite *s)
{
	enum {
		N = 300
	};
	uint8_t *buf = malloc((size_t)N * SMALL);
	struct seen seen = { .s = s };

	for (unsigned i = 0; i < N; i++) {
		struct ds_request r = req_read(s->data, i, SMALL, buf + (size_t)i * SMALL);

		r.callback = strict_callback;
		r.user_data = &seen;
		enqueue(s->q, &r);
	}
	REQUIRE_OK(ds_queue_submit(s->q));
	wait_idle(s->q);
	REQUIRE_CMP(atomic_load(&seen.calls), ==, N);
	/* The list has them as well. */
	for (unsigned i = 0; i < N; i++)
		take(s->q);
	free(buf);
}

static void callback_of_a_failure(struct suite *s)
{
	uint8_t buf[SMALL];
	struct seen seen = { .s = s };
	struct ds_request r = req_read(s->data, DATA_NBYTES - 10, SMALL, buf);

	r.callback = strict_callback;
	r.user_data = &seen;
	r.tag = 5;
	start(s->q, &r);
	wait_idle(s->q);
	REQUIRE_CMP(atomic_load(&seen.calls), ==, 1);
	require_failed_with(&seen.last, DS_ERR_END_OF_FILE);
	REQUIRE_CMP(seen.last.bytes_transferred, ==, 10);
	REQUIRE_CMP(seen.last.tag, ==, 5);
}

struct chain {
	struct suite *s;
	uint8_t buf[SMALL];
	unsigned left;
	atomic_bool is_done;
};

/* Each end starts the next. */
static void chain_callback(void *arg, const struct ds_completion *c)
{
	struct chain *chain = arg;
	struct ds_completion out = DS_COMPLETION_INIT;

	require_complete(c, SMALL);
	if (chain->left-- > 0) {
		struct ds_request r = req_read(chain->s->data, chain->left, SMALL, chain->buf);

		r.callback = chain_callback;
		r.user_data = chain;
		ds_queue_poll(chain->s->q, &out, 1);
		start(chain->s->q, &r);
	} else {
		atomic_store(&chain->is_done, true);
	}
}

static void callback_starts_requests(struct suite *s)
{
	struct chain chain = { .s = s, .left = 200 };
	struct ds_request r = req_read(s->data, 0, SMALL, chain.buf);

	r.callback = chain_callback;
	r.user_data = &chain;
	start(s->q, &r);
	/* Idle is only reached when the last link is. */
	wait_idle(s->q);
	REQUIRE(atomic_load(&chain.is_done));
	pattern_require(chain.buf, SMALL, DATA_SEED, 0);
}

static void forbidden_callback(void *arg, const struct ds_completion *c)
{
	struct seen *seen = arg;
	struct ds_queue *q = seen->s->q;

	REQUIRE_RESULT(ds_queue_wait_idle(q, DS_WAIT_FOREVER), DS_ERR_WOULD_DEADLOCK);
	REQUIRE_RESULT(ds_queue_destroy(q), DS_ERR_WOULD_DEADLOCK);
	/* Its own end is known; cancelling comes too late, and does not wait. */
	REQUIRE(!ds_queue_cancel(q, c->id));
	REQUIRE(!ds_queue_try_cancel(q, c->id));
	atomic_fetch_add(&seen->calls, 1);
}

static void callback_does_not_deadlock(struct suite *s)
{
	uint8_t buf[SMALL];
	struct seen seen = { .s = s };
	struct ds_request r = req_read(s->data, 0, SMALL, buf);

	r.callback = forbidden_callback;
	r.user_data = &seen;
	start(s->q, &r);
	wait_idle(s->q);
	REQUIRE_CMP(atomic_load(&seen.calls), ==, 1);
}

/* A full queue in a callback: an answer, not a wait. */
static void full_callback(void *arg, const struct ds_completion *c)
{
	struct seen *seen = arg;
	uint8_t byte;
	struct ds_request r = req_read(seen->s->data, 0, 1, &byte);
	ds_result ret = ds_queue_enqueue(seen->s->q, &r, NULL);

	(void)c;
	REQUIRE(ret == DS_ERR_QUEUE_FULL || ret == DS_ERR_RESULTS_NOT_TAKEN);
	atomic_fetch_add(&seen->calls, 1);
}

static void callback_in_a_full_queue(struct suite *s)
{
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	uint8_t buf[4][SMALL];
	struct seen seen = { .s = s };

	cfg.capacity = 4;
	cfg.flags = DS_QUEUE_NO_AUTO_SUBMIT;
	suite_remake_queue(s, &cfg);
	for (unsigned i = 0; i < 4; i++) {
		struct ds_request r = req_read(s->data, 0, SMALL, buf[i]);

		r.callback = i ? NULL : full_callback;
		r.user_data = &seen;
		enqueue(s->q, &r);
	}
	REQUIRE_OK(ds_queue_submit(s->q));
	wait_idle(s->q);
	REQUIRE_CMP(atomic_load(&seen.calls), ==, 1);
}

/* ---------------------------------------------------------------- markers */

static void status_marker(struct suite *s)
{
	enum {
		N = 50
	};
	struct ds_status_array *array;
	uint8_t buf[N][SMALL];

	REQUIRE_OK(ds_status_array_create(2, &array));
	REQUIRE(!ds_status_array_is_complete(array, 0));
	for (unsigned i = 0; i < N; i++) {
		struct ds_request r = req_read(s->data, i, SMALL, buf[i]);

		enqueue(s->q, &r);
	}
	REQUIRE_OK(ds_queue_enqueue_status(s->q, array, 0));
	REQUIRE_OK(ds_queue_submit(s->q));
	wait_idle(s->q);
	REQUIRE(ds_status_array_is_complete(array, 0));
	REQUIRE_OK(ds_status_array_result(array, 0));
	REQUIRE(!ds_status_array_is_complete(array, 1));
	/* Markers have no result in the list. */
	for (unsigned i = 0; i < N; i++)
		take(s->q);
	nothing_to_take(s);
	ds_status_array_destroy(array);
}

/* The first failure since the last status marker, and only since then. */
static void status_after_failures(struct suite *s)
{
	struct ds_status_array *array;
	uint8_t buf[4][SMALL];
	struct ds_request good[3] = { req_read(s->data, 0, SMALL, buf[0]),
				      req_read(s->data, 0, SMALL, buf[1]),
				      req_read(s->data, 0, SMALL, buf[2]) };
	struct ds_request bad = req_read(s->data, DATA_NBYTES, SMALL, buf[3]);
	uint64_t id;

	REQUIRE_OK(ds_status_array_create(4, &array));
	enqueue(s->q, &good[0]);
	enqueue(s->q, &bad);
	REQUIRE_OK(ds_queue_enqueue_status(s->q, array, 0));
	enqueue(s->q, &good[1]);
	REQUIRE_OK(ds_queue_enqueue_status(s->q, array, 1));
	id = enqueue(s->q, &good[2]);
	REQUIRE_OK(ds_queue_enqueue_status(s->q, array, 2));
	REQUIRE(ds_queue_cancel(s->q, id));
	REQUIRE_OK(ds_queue_enqueue_status(s->q, array, 3));
	REQUIRE_OK(ds_queue_submit(s->q));
	wait_idle(s->q);
	for (uint32_t i = 0; i < 4; i++)
		REQUIRE(ds_status_array_is_complete(array, i));
	REQUIRE_RESULT(ds_status_array_result(array, 0), DS_ERR_END_OF_FILE);
	REQUIRE_OK(ds_status_array_result(array, 1));
	REQUIRE_RESULT(ds_status_array_result(array, 2), DS_ERR_CANCELLED);
	REQUIRE_OK(ds_status_array_result(array, 3));
	ds_status_array_destroy(array);
}

static void status_array_limits(struct suite *s)
{
	struct ds_status_array *array;

	REQUIRE_OK(ds_status_array_create(2, &array));
	REQUIRE(!ds_status_array_is_complete(array, 2));
	REQUIRE_RESULT(ds_status_array_result(array, 2), DS_ERR_INVALID_ARGUMENT);
	REQUIRE_OK(ds_status_array_result(array, 0));
	REQUIRE_RESULT(ds_queue_enqueue_status(s->q, array, 2), DS_ERR_INVALID_ARGUMENT);
	REQUIRE_RESULT(ds_queue_enqueue_status(s->q, NULL, 0), DS_ERR_INVALID_ARGUMENT);
	ds_status_array_destroy(array);
	ds_status_array_destroy(NULL);
	ds_fence_destroy(NULL);
}

/* An entry may be used again, and is not complete meanwhile. */
static void status_entry_anew(struct suite *s)
{
	struct ds_status_array *array;

	REQUIRE_OK(ds_status_array_create(1, &array));
	for (unsigned i = 0; i < 20; i++) {
		REQUIRE_OK(ds_queue_enqueue_status(s->q, array, 0));
		REQUIRE(!ds_status_array_is_complete(array, 0));
		REQUIRE_OK(ds_queue_submit(s->q));
		wait_idle(s->q);
		REQUIRE(ds_status_array_is_complete(array, 0));
	}
	ds_status_array_destroy(array);
}

/* A marker that was not submitted does not fire, even with nothing before it. */
static void unsubmitted_markers(struct suite *s)
{
	struct ds_status_array *array;
	struct ds_fence *fence;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);
	uint64_t n = 0;

	REQUIRE_OK(ds_status_array_create(1, &array));
	REQUIRE_OK(ds_fence_create(0, &fence));
	start(s->q, &r);
	REQUIRE_OK(ds_queue_enqueue_status(s->q, array, 0));
	REQUIRE_OK(ds_queue_enqueue_signal(s->q, fence, 1));
	REQUIRE_OK(ds_queue_enqueue_event(s->q, fd));
	wait_idle(s->q);
	REQUIRE(!ds_status_array_is_complete(array, 0));
	REQUIRE_CMP(ds_fence_value(fence), ==, 0);
	REQUIRE_CMP(read(fd, &n, sizeof(n)), ==, -1);
	REQUIRE_OK(ds_queue_submit(s->q));
	wait_idle(s->q);
	REQUIRE(ds_status_array_is_complete(array, 0));
	REQUIRE_CMP(ds_fence_value(fence), ==, 1);
	REQUIRE_CMP(read(fd, &n, sizeof(n)), ==, sizeof(n));
	REQUIRE_CMP(n, ==, 1);
	close(fd);
	ds_fence_destroy(fence);
	ds_status_array_destroy(array);
}

/* Requests end in the wrong order; the signals come in the right one all the same. */
static void signals_in_order(struct suite *s)
{
	enum {
		N = 6
	};
	struct ds_fence *fence;
	uint8_t buf[N][SMALL];

	REQUIRE_OK(ds_fence_create(0, &fence));
	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	for (unsigned i = 0; i < N; i++) {
		struct ds_request r = req_read(s->data, i * 1000, SMALL, buf[i]);

		enqueue(s->q, &r);
		REQUIRE_OK(ds_queue_enqueue_signal(s->q, fence, i + 1));
	}
	REQUIRE_OK(ds_queue_submit(s->q));
	fake_wait_held(s->fake, N);
	for (unsigned i = 0; i < N - 1; i++) {
		fake_release_newest(s->fake, 1);
		take(s->q);
		REQUIRE_CMP(ds_fence_value(fence), ==, 0);
	}
	fake_release(s->fake, 1);
	REQUIRE_OK(ds_fence_wait(fence, N, PATIENCE));
	ds_fence_destroy(fence);
}

/* In order, each as soon as all before it have ended. */
static void signals_one_by_one(struct suite *s)
{
	enum {
		N = 6
	};
	struct ds_fence *fence;
	uint8_t buf[N][SMALL];

	REQUIRE_OK(ds_fence_create(10, &fence));
	REQUIRE_CMP(ds_fence_value(fence), ==, 10);
	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	for (unsigned i = 0; i < N; i++) {
		struct ds_request r = req_read(s->data, i * 1000, SMALL, buf[i]);

		enqueue(s->q, &r);
		REQUIRE_OK(ds_queue_enqueue_signal(s->q, fence, 11 + i));
	}
	REQUIRE_OK(ds_queue_submit(s->q));
	fake_wait_held(s->fake, N);
	for (unsigned i = 0; i < N; i++) {
		REQUIRE_CMP(ds_fence_value(fence), ==, 10 + i);
		fake_release(s->fake, 1);
		REQUIRE_OK(ds_fence_wait(fence, 11 + i, PATIENCE));
	}
	ds_fence_destroy(fence);
}

/* Bytes are there for whoever has seen the fence. */
static void signal_publishes_bytes(struct suite *s)
{
	struct ds_fence *fence;
	uint8_t *buf = malloc(300000);

	REQUIRE_OK(ds_fence_create(0, &fence));
	for (uint64_t i = 1; i <= 20; i++) {
		struct ds_request r = req_read(s->data, i * 7, 300000, buf);

		enqueue(s->q, &r);
		REQUIRE_OK(ds_queue_enqueue_signal(s->q, fence, i));
		REQUIRE_OK(ds_queue_submit(s->q));
		REQUIRE_OK(ds_fence_wait(fence, i, PATIENCE));
		pattern_require(buf, 300000, DATA_SEED, i * 7);
	}
	ds_fence_destroy(fence);
	free(buf);
}

static void event_marker(struct suite *s)
{
	uint8_t buf[10][SMALL];
	int fd = eventfd(0, EFD_CLOEXEC), copy = dup(fd);
	uint64_t n = 0;

	for (unsigned i = 0; i < 10; i++) {
		struct ds_request r = req_read(s->data, 0, SMALL, buf[i]);

		enqueue(s->q, &r);
		REQUIRE_OK(ds_queue_enqueue_event(s->q, fd));
	}
	/* The caller's own descriptor may go at any time. */
	close(fd);
	REQUIRE_OK(ds_queue_submit(s->q));
	wait_idle(s->q);
	REQUIRE_CMP(read(copy, &n, sizeof(n)), ==, sizeof(n));
	REQUIRE_CMP(n, ==, 10);
	close(copy);
	REQUIRE_CMP(ds_queue_enqueue_event(s->q, -1), !=, DS_OK);
}

/* Behind failed and cancelled requests markers fire as well. */
static void markers_after_bad_ends(struct suite *s)
{
	struct ds_fence *fence;
	uint8_t buf[SMALL];
	struct ds_request bad = req_read(s->data, DATA_NBYTES, SMALL, buf);
	struct ds_request good = req_read(s->data, 0, SMALL, buf);
	uint64_t id;

	REQUIRE_OK(ds_fence_create(0, &fence));
	enqueue(s->q, &bad);
	REQUIRE_OK(ds_queue_enqueue_signal(s->q, fence, 1));
	REQUIRE_OK(ds_queue_submit(s->q));
	REQUIRE_OK(ds_fence_wait(fence, 1, PATIENCE));
	id = enqueue(s->q, &good);
	REQUIRE_OK(ds_queue_enqueue_signal(s->q, fence, 2));
	REQUIRE(ds_queue_cancel(s->q, id));
	REQUIRE_OK(ds_queue_submit(s->q));
	REQUIRE_OK(ds_fence_wait(fence, 2, PATIENCE));
	ds_fence_destroy(fence);
}

/* What markers need, they keep: the caller destroys array and fence before they fire. */
static void markers_keep_their_objects(struct suite *s)
{
	struct ds_status_array *array;
	struct ds_fence *fence;
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);

	REQUIRE_OK(ds_status_array_create(1, &array));
	REQUIRE_OK(ds_fence_create(0, &fence));
	enqueue(s->q, &r);
	REQUIRE_OK(ds_queue_enqueue_status(s->q, array, 0));
	REQUIRE_OK(ds_queue_enqueue_signal(s->q, fence, 1));
	ds_status_array_destroy(array);
	ds_fence_destroy(fence);
	REQUIRE_OK(ds_queue_submit(s->q));
	wait_idle(s->q);
}

/* Markers that never fire are given back with the queue. */
static void markers_of_a_destroyed_queue(struct suite *s)
{
	struct ds_status_array *array;
	struct ds_fence *fence;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);

	REQUIRE_OK(ds_status_array_create(1, &array));
	REQUIRE_OK(ds_fence_create(0, &fence));
	enqueue(s->q, &r);
	REQUIRE_OK(ds_queue_enqueue_status(s->q, array, 0));
	REQUIRE_OK(ds_queue_enqueue_signal(s->q, fence, 1));
	REQUIRE_OK(ds_queue_enqueue_event(s->q, fd));
	suite_remake_queue(s, NULL);
	ds_status_array_destroy(array);
	ds_fence_destroy(fence);
	close(fd);
}

/* ----------------------------------------------------------------- fences */

static void *signal_main(void *fence)
{
	for (uint64_t i = 1; i <= 1000; i++)
		ds_fence_signal(fence, i);
	return NULL;
}

static void fences(struct suite *s)
{
	struct ds_fence *fence;
	pthread_t thread;

	(void)s;
	REQUIRE_OK(ds_fence_create(5, &fence));
	REQUIRE_OK(ds_fence_wait(fence, 5, 0));
	REQUIRE_RESULT(ds_fence_wait(fence, 6, 0), DS_ERR_TIMEOUT);
	REQUIRE_RESULT(ds_fence_wait(fence, 6, MS), DS_ERR_TIMEOUT);
	ds_fence_signal(fence, 3);
	REQUIRE_CMP(ds_fence_value(fence), ==, 5);
	REQUIRE_CMP(pthread_create(&thread, NULL, signal_main, fence), ==, 0);
	REQUIRE_OK(ds_fence_wait(fence, 1000, PATIENCE));
	pthread_join(thread, NULL);
	REQUIRE_CMP(ds_fence_value(fence), ==, 1000);
	ds_fence_destroy(fence);
}

int main(int argc, char **argv)
{
	static const struct suite_entry entries[] = {
		TEST(fields),
		TEST(each_result_once),
		FAKE_TEST(order_of_completion),
		TEST(nothing_to_take),
		TEST(pending_is_not_waited_for),
		FAKE_TEST(wait_times_out),
		FAKE_TEST(wait_gives_what_there_is),
		TEST(wait_request),
		TEST(many_waiters),
		TEST(event_fd),
		TEST(event_fd_late),
		TEST(thread_is_left_alone),
		TEST(event_fd_for_every_end),
		TEST(no_results_queue),
		TEST(callbacks),
		TEST(callback_of_a_failure),
		TEST(callback_starts_requests),
		TEST(callback_does_not_deadlock),
		TEST(callback_in_a_full_queue),
		TEST(status_marker),
		TEST(status_after_failures),
		TEST(status_array_limits),
		TEST(status_entry_anew),
		TEST(unsubmitted_markers),
		FAKE_TEST(signals_in_order),
		FAKE_TEST(signals_one_by_one),
		TEST(signal_publishes_bytes),
		TEST(event_marker),
		TEST(markers_after_bad_ends),
		TEST(markers_keep_their_objects),
		TEST(markers_of_a_destroyed_queue),
		TEST(fences),
	};

	return suite_main(argc, argv, "completion", entries, sizeof(entries) / sizeof(entries[0]));
}
