/* SPDX-License-Identifier: MIT */
/*
 * stress.c: everything at once, from many threads, and nothing may be lost.
 *
 *	stress BACKEND SECONDS THREADS [REQUESTS] [SEED]
 *
 * Runs until SECONDS have passed or REQUESTS were enqueued (0: no such limit). Each thread
 * works in rounds, on one of the queues that all share or on one of its own, which it often
 * destroys with work in flight. With the fake engine operations are shortened, interrupted,
 * failed, reordered and reported late as well. CHECK_STRESS_SECONDS in the environment
 * takes the place of both limits.
 *
 * What is checked: each request ends once, in one state; the callbacks of cancelled ones
 * never run, others' once; memory is untouched after a strong cancel and after an end
 * (canaries, unmapped pages); completed ones' bytes; that counters add up; that neither
 * threads nor descriptors are left.
 */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "conformance/backends.h"
#include "stress/stress.h"
#include "support/random.h"
#include "support/require.h"

#include <time.h>

#define MAX_THREADS	 64
#define NR_SHARED	 3
#define ROUND_JOBS	 48
#define MS		 UINT64_C(1000000)
#define SEC		 UINT64_C(1000000000)
#define PATIENCE	 (120 * SEC)
#define WATCHDOG_SECONDS 600

static struct world world;
static struct ds_queue *shared[NR_SHARED];
static atomic_uint_fast64_t nr_enqueued;
static uint64_t limit_requests;
static uint64_t deadline_ns;

struct round {
	struct worker *wk;
	struct ds_queue *q;
	bool is_shared;
	bool has_results;
	struct job *jobs[ROUND_JOBS];
	unsigned n;
	struct ds_fence *fence;
	uint64_t fence_value;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SEC + (uint64_t)ts.tv_nsec;
}

static bool is_time_over(void)
{
	return (limit_requests && atomic_load(&nr_enqueued) >= limit_requests) ||
	       (deadline_ns && now_ns() >= deadline_ns);
}

/* --------------------------------------------------------------- the list */

/* Results are anybody's: each is recorded in its job, by whoever takes it. */
static void record(const struct ds_completion *out, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		job_ended(&out[i]);
}

static void take_results(struct round *r, uint64_t timeout_ns)
{
	struct ds_completion out[16];
	uint32_t n = 0;
	ds_result ret;

	out[0].size = sizeof(out[0]);
	if (!timeout_ns) {
		record(out, ds_queue_poll(r->q, out, 16));
		return;
	}
	ret = ds_queue_wait(r->q, out, 16, 1, timeout_ns, &n);
	REQUIRE(ret == DS_OK || ret == DS_ERR_TIMEOUT);
	record(out, n);
}

/* ---------------------------------------------------------------- actions */

static void enqueue_one(struct round *r)
{
	struct ds_request request;
	struct job *job = job_new(r->wk, &request);
	ds_result ret;

	if (!job)
		return;
	/* Without a list, the callback is the only witness. */
	job->q = r->q;
	if (r->n && random_chance(&r->wk->random, 100)) {
		job->victim = r->jobs[random_below(&r->wk->random, r->n)];
		job->victim_id = job->victim->id;
	}
	ret = ds_queue_enqueue(r->q, &request, &job->id);
	if (ret) {
		REQUIRE(ret == DS_ERR_QUEUE_FULL || ret == DS_ERR_RESULTS_NOT_TAKEN);
		job_drop(job);
		REQUIRE_OK(ds_queue_submit(r->q));
		take_results(r, r->has_results ? MS : 0);
		return;
	}
	atomic_fetch_add(&nr_enqueued, 1);
	r->jobs[r->n++] = job;
}

static struct job *any_job(struct round *r)
{
	return r->n ? r->jobs[random_below(&r->wk->random, r->n)] : NULL;
}

static void cancel_one(struct round *r)
{
	struct job *job = any_job(r);

	if (job && ds_queue_cancel(r->q, job->id))
		job_seal(job);
}

static void try_cancel_one(struct round *r)
{
	struct job *job = any_job(r);

	/* The memory stays until it has ended; the callback is looked at then. */
	if (job)
		ds_queue_try_cancel(r->q, job->id);
}

static void cancel_my_tag(struct round *r)
{
	uint64_t mask = random_chance(&r->wk->random, 300) ? ~UINT64_C(0xff) : UINT64_MAX;

	ds_queue_cancel_tagged(r->q, mask, r->wk->index << 8 | random_below(&r->wk->random, 4));
}

static void add_marker(struct round *r)
{
	struct ds_status_array *array;
	ds_result ret;
	int fd;

	switch (random_below(&r->wk->random, 3)) {
	case 0:
		REQUIRE_OK(ds_status_array_create(1, &array));
		ret = ds_queue_enqueue_status(r->q, array, 0);
		/* Nobody will look: it is given back before it fires. */
		ds_status_array_destroy(array);
		break;
	case 1:
		ret = ds_queue_enqueue_signal(r->q, r->fence, r->fence_value + 1);
		r->fence_value += ret == DS_OK;
		break;
	default:
		fd = eventfd(0, EFD_CLOEXEC);
		REQUIRE_CMP(fd, >=, 0);
		ret = ds_queue_enqueue_event(r->q, fd);
		close(fd);
		break;
	}
	REQUIRE(ret == DS_OK || ret == DS_ERR_QUEUE_FULL || ret == DS_ERR_RESULTS_NOT_TAKEN);
}

static void look_at_one(struct round *r)
{
	struct job *job = any_job(r);
	struct ds_stats stats = DS_STATS_INIT;
	ds_result ret;

	if (!job)
		return;
	REQUIRE_CMP(ds_queue_request_status(r->q, job->id), <=, DS_STATUS_CANCELLED);
	ret = ds_queue_wait_request(r->q, job->id, random_below(&r->wk->random, MS), NULL);
	REQUIRE(ret == DS_OK || ret == DS_ERR_NOT_FOUND || ret == DS_ERR_TIMEOUT);
	REQUIRE_OK(ds_queue_get_stats(r->q, &stats));
	REQUIRE(!ds_queue_cancel(r->q, job->id ^ UINT64_C(0x5a5a000000000000)));
}

static void act(struct round *r)
{
	uint64_t n = random_below(&r->wk->random, 1000);

	if (n < 640)
		enqueue_one(r);
	else if (n < 760)
		REQUIRE_OK(ds_queue_submit(r->q));
	else if (n < 830)
		cancel_one(r);
	else if (n < 870)
		try_cancel_one(r);
	else if (n < 880)
		cancel_my_tag(r);
	else if (n < 883)
		ds_queue_cancel_pending(r->q);
	else if (n < 885)
		ds_queue_cancel_all(r->q);
	else if (n < 920)
		add_marker(r);
	else if (n < 950)
		look_at_one(r);
	else if (r->has_results)
		take_results(r, n < 980 ? 0 : MS);
}

/* ------------------------------------------------------------- end of round */

/* Waits until all results of this round were taken, by us or by others. */
static void drain(struct round *r)
{
	uint64_t deadline = now_ns() + PATIENCE;

	REQUIRE_OK(ds_queue_submit(r->q));
	for (unsigned i = 0; i < r->n; i++)
		while (!atomic_load(&r->jobs[i]->ends)) {
			if (now_ns() >= deadline) {
				fprintf(stderr, "request %" PRIx64 " is lost: status %u\n",
					r->jobs[i]->id,
					ds_queue_request_status(r->q, r->jobs[i]->id));
				abort();
			}
			take_results(r, MS);
			sched_yield();
		}
	REQUIRE_OK(ds_fence_wait(r->fence, r->fence_value, PATIENCE));
	for (unsigned i = 0; i < r->n; i++)
		job_check(r->jobs[i]);
}

static void destroy(struct round *r)
{
	REQUIRE_OK(ds_queue_destroy(r->q));
	for (unsigned i = 0; i < r->n; i++)
		job_check_gone(r->jobs[i]);
}

static struct ds_queue *private_queue(struct worker *wk, bool *has_results)
{
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	struct ds_queue *q;

	cfg.capacity = 1 + (uint32_t)random_below(&wk->random, 100);
	cfg.flags = (uint32_t)random_below(&wk->random, 16);
	cfg.priority = (int32_t)random_below(&wk->random, 5);
	*has_results = !(cfg.flags & DS_QUEUE_NO_RESULTS);
	REQUIRE_OK(ds_queue_create(world.be, &cfg, &q));
	return q;
}

static void run_round(struct worker *wk)
{
	struct round r = { .wk = wk, .is_shared = random_chance(&wk->random, 600) };
	unsigned steps = 1 + (unsigned)random_below(&wk->random, 80);
	bool drains;

	r.has_results = true;
	if (r.is_shared)
		r.q = shared[random_below(&wk->random, NR_SHARED)];
	else
		r.q = private_queue(wk, &r.has_results);
	REQUIRE_OK(ds_fence_create(0, &r.fence));
	while (steps-- && r.n < ROUND_JOBS)
		act(&r);
	drains = r.is_shared || (r.has_results && random_chance(&wk->random, 500));
	if (drains)
		drain(&r);
	if (!r.is_shared && drains) {
		REQUIRE_OK(ds_queue_wait_idle(r.q, PATIENCE));
		REQUIRE_OK(ds_queue_destroy(r.q));
	} else if (!r.is_shared) {
		destroy(&r);
	}
	ds_fence_destroy(r.fence);
}

static void *worker_main(void *arg)
{
	struct worker *wk = arg;

	while (!is_time_over())
		run_round(wk);
	return NULL;
}

/* ------------------------------------------------------------------- frame */

static bool make_backend(const struct backend_maker *maker, struct fake_control *ctl, uint64_t seed)
{
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;
	ds_result ret;

	/* Little staging memory and small chunks: everything has to wait for everything. */
	cfg.staging_nbytes = UINT64_C(1) << 20;
	cfg.chunk_nbytes = UINT64_C(64) << 10;
	if (ctl) {
		const struct fake_setup setup = {
			.nr_threads = 4, .max_ops = 24, .has_cancel = seed % 2, .tells_cached = true
		};
		const struct fake_chaos chaos = {
			.seed = seed,
			.short_permille = 100,
			.transient_permille = 50,
			.reorder_permille = 300,
			.late_permille = 200,
			.error_permille = 5,
		};

		fake_set_cache(ctl, FAKE_CACHED_AT_RANDOM);
		fake_configure(ctl, &setup);
		fake_set_chaos(ctl, &chaos);
	}
	ret = maker->make(&cfg, ctl, &world.be);
	if (ret == DS_ERR_UNAVAILABLE)
		return false;
	REQUIRE_OK(ret);
	world.is_fake = maker->is_fake;
	return true;
}

static void make_shared(void)
{
	static const uint32_t flags[NR_SHARED] = { 0, DS_QUEUE_ALWAYS_STAGE, DS_QUEUE_NONBLOCKING };

	for (unsigned i = 0; i < NR_SHARED; i++) {
		struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;

		cfg.capacity = 64u << i;
		cfg.flags = flags[i];
		REQUIRE_OK(ds_queue_create(world.be, &cfg, &shared[i]));
	}
}

static void check_sums(const struct ds_stats *stats)
{
	REQUIRE_CMP(stats->requests_in_flight, ==, 0);
	REQUIRE_CMP(stats->requests_completed + stats->requests_failed + stats->requests_cancelled,
		    ==, stats->requests_enqueued);
	REQUIRE_CMP(stats->requests_timed_out, <=, stats->requests_cancelled);
}

static void check_stats(void)
{
	struct ds_stats stats = DS_STATS_INIT;

	for (unsigned i = 0; i < NR_SHARED; i++) {
		REQUIRE_OK(ds_queue_wait_idle(shared[i], PATIENCE));
		REQUIRE_OK(ds_queue_get_stats(shared[i], &stats));
		check_sums(&stats);
		REQUIRE_OK(ds_queue_destroy(shared[i]));
	}
	REQUIRE_OK(ds_backend_get_stats(world.be, &stats));
	check_sums(&stats);
	REQUIRE_CMP(stats.requests_enqueued, ==, atomic_load(&nr_enqueued));
	REQUIRE_CMP(stats.staging_in_use, ==, 0);
	REQUIRE_CMP(stats.staging_high_water, <=, stats.staging_nbytes);
}

static void report(const char *name, uint64_t seed, const struct worker *workers, unsigned n)
{
	static const char *const kinds[] = { "read",	       "large", "past-end", "decode",
					     "decode-corrupt", "write", "copy" };
	uint64_t by_kind[NR_JOB_KINDS] = { 0 }, by_status[DS_STATUS_CANCELLED + 1] = { 0 };

	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < NR_JOB_KINDS; k++)
			by_kind[k] += workers[i].by_kind[k];
		for (unsigned k = 0; k <= DS_STATUS_CANCELLED; k++)
			by_status[k] += workers[i].by_status[k];
	}
	printf("stress %s seed=%" PRIu64 " threads=%u requests=%" PRIu64, name, seed, n,
	       (uint64_t)atomic_load(&nr_enqueued));
	for (unsigned k = 0; k < NR_JOB_KINDS; k++)
		printf(" %s=%" PRIu64, kinds[k], by_kind[k]);
	printf(" complete=%" PRIu64 " failed=%" PRIu64 " cancelled=%" PRIu64 " destroyed=%" PRIu64
	       "\n",
	       by_status[DS_STATUS_COMPLETE], by_status[DS_STATUS_FAILED],
	       by_status[DS_STATUS_CANCELLED], by_status[0]);
}

static void run_threads(struct worker *workers, unsigned n, uint64_t seed)
{
	pthread_t threads[MAX_THREADS];

	for (unsigned i = 0; i < n; i++)
		worker_init(&workers[i], &world, i, seed);
	for (unsigned i = 0; i < n; i++)
		REQUIRE_CMP(pthread_create(&threads[i], NULL, worker_main, &workers[i]), ==, 0);
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static void *nothing_main(void *arg)
{
	return arg;
}

/* A sanitizer starts a thread of its own with the first one of ours. */
static void start_sanitizer(void)
{
	pthread_t thread;

	REQUIRE_CMP(pthread_create(&thread, NULL, nothing_main, NULL), ==, 0);
	pthread_join(thread, NULL);
}

static uint64_t argument(int argc, char **argv, int i, uint64_t otherwise)
{
	return argc > i ? strtoull(argv[i], NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
	static struct worker workers[MAX_THREADS];
	const struct backend_maker *maker = argc > 1 ? backend_find(argv[1]) : NULL;
	const char *seconds_env = getenv("CHECK_STRESS_SECONDS");
	uint64_t seconds = argument(argc, argv, 2, 10);
	unsigned n = (unsigned)argument(argc, argv, 3, 8);
	uint64_t seed = argument(argc, argv, 5, 1);
	unsigned threads_before, fds_before;
	struct fake_control *ctl = NULL;

	if (!maker || n < 1 || n > MAX_THREADS) {
		fprintf(stderr, "usage: %s BACKEND SECONDS THREADS [REQUESTS] [SEED]\n", argv[0]);
		return 2;
	}
	limit_requests = argument(argc, argv, 4, 0);
	if (seconds_env && *seconds_env) {
		seconds = strtoull(seconds_env, NULL, 0);
		limit_requests = 0;
	}
	alarm((unsigned)seconds + WATCHDOG_SECONDS);
	start_sanitizer();
	threads_before = count_threads();
	fds_before = count_fds();
	if (maker->is_fake)
		ctl = fake_create();
	if (!make_backend(maker, ctl, seed)) {
		fprintf(stderr, "%s: not available here\n", argv[1]);
		return 77;
	}
	world_create(&world, n);
	make_shared();
	deadline_ns = seconds ? now_ns() + seconds * SEC : 0;

	run_threads(workers, n, seed);
	check_stats();
	report(maker->name, seed, workers, n);

	world_destroy(&world);
	ds_backend_destroy(world.be);
	fake_destroy(ctl);
	for (unsigned i = 0; i < n; i++)
		worker_fini(&workers[i]);
	require_no_more_threads(threads_before);
	REQUIRE_CMP(count_fds(), ==, fds_before);
	return 0;
}
