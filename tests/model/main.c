/* SPDX-License-Identifier: MIT */
/*
 * main.c: what is explored.
 *
 *	request_model		  every configuration, in each of its variants: all must hold
 *	request_model broken	  each way in which the code could be wrong: all must be found
 *	request_model broken N    the trace to the Nth of them
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model.h"

#define BASE  (ROLE(SUBMITTER) | ROLE(ENGINE_0) | ROLE(DESTROY))
#define BASE2 (BASE | ROLE(ENGINE_1))

static const struct config configs[] = {
	{ .name = "straight: cancel, try_cancel, timeout",
	  .kind = KIND_STRAIGHT,
	  .roles = BASE | ROLE(CANCEL) | ROLE(TRY_CANCEL) | ROLE(TIMER),
	  .lives = 1,
	  .parts = 1,
	  .max_ops = 2 },
	{ .name = "straight: two cancels, callback, waiting taker",
	  .kind = KIND_STRAIGHT,
	  .roles = BASE | ROLE(CANCEL) | ROLE(CANCEL_TOO) | ROLE(SERVICE) | ROLE(WAIT),
	  .lives = 1,
	  .parts = 1,
	  .max_ops = 2,
	  .has_callback = true,
	  .io_error = DS_ERR_IO },
	{ .name = "straight, two operations: cancel, timeout",
	  .kind = KIND_STRAIGHT,
	  .roles = BASE2 | ROLE(CANCEL) | ROLE(TIMER),
	  .lives = 1,
	  .parts = 2,
	  .max_ops = 2,
	  .io_error = DS_ERR_IO },
	{ .name = "straight, two operations: cancel, try_cancel, timeout, callback",
	  .kind = KIND_STRAIGHT,
	  .roles = BASE2 | ROLE(CANCEL) | ROLE(TRY_CANCEL) | ROLE(TIMER) | ROLE(SERVICE),
	  .lives = 1,
	  .parts = 2,
	  .max_ops = 2,
	  .has_callback = true },
	{ .name = "straight, two operations, one at a time: cancel, try_cancel",
	  .kind = KIND_STRAIGHT,
	  .roles = BASE2 | ROLE(CANCEL) | ROLE(TRY_CANCEL),
	  .lives = 1,
	  .parts = 2,
	  .max_ops = 1,
	  .io_error = DS_ERR_IO },
	{ .name = "write with short results: cancel, try_cancel",
	  .kind = KIND_STRAIGHT,
	  .roles = BASE | ROLE(CANCEL) | ROLE(TRY_CANCEL) | ROLE(POLL),
	  .lives = 1,
	  .parts = 1,
	  .max_ops = 2,
	  .retries = 2,
	  .io_error = DS_ERR_NO_SPACE },
	{ .name = "staged, two reads: cancel, timeout",
	  .kind = KIND_STAGED,
	  .roles = BASE2 | ROLE(WORKER_0) | ROLE(CANCEL) | ROLE(TIMER),
	  .lives = 1,
	  .parts = 1,
	  .reads = 2,
	  .max_ops = 2,
	  .io_error = DS_ERR_END_OF_FILE },
	{ .name = "staged, two windows: cancel",
	  .kind = KIND_STAGED,
	  .roles = BASE2 | ROLE(WORKER_0) | ROLE(WORKER_1) | ROLE(CANCEL),
	  .lives = 1,
	  .parts = 2,
	  .reads = 1,
	  .max_ops = 2 },
	{ .name = "staged, two small windows: cancel, timeout",
	  .kind = KIND_STAGED,
	  .roles = BASE2 | ROLE(CANCEL) | ROLE(TIMER),
	  .lives = 1,
	  .parts = 2,
	  .reads = 1,
	  .max_ops = 2,
	  .is_small = true,
	  .io_error = DS_ERR_END_OF_FILE },
	{ .name = "memory to memory: cancel, try_cancel",
	  .kind = KIND_MEMORY,
	  .roles = BASE | ROLE(WORKER_0) | ROLE(CANCEL) | ROLE(TRY_CANCEL) | ROLE(POLL),
	  .lives = 1,
	  .parts = 1,
	  .max_ops = 2 },
	{ .name = "device: a last operation, callback: cancel, try_cancel, timeout",
	  .kind = KIND_STRAIGHT,
	  .roles = BASE | ROLE(CANCEL) | ROLE(TRY_CANCEL) | ROLE(TIMER) | ROLE(SERVICE),
	  .lives = 1,
	  .parts = 1,
	  .max_ops = 2,
	  .has_callback = true,
	  .has_last = true,
	  .io_error = DS_ERR_IO },
	{ .name = "two lives, device: stale cancel, cancel",
	  .kind = KIND_STRAIGHT,
	  .roles = BASE2 | ROLE(CANCEL) | ROLE(CANCEL_NEXT) | ROLE(POLL),
	  .lives = 2,
	  .parts = 1,
	  .max_ops = 2,
	  .has_last = true },
	{ .name = "compressed window, two workers: cancel",
	  .kind = KIND_WHOLE,
	  .roles = BASE | ROLE(WORKER_0) | ROLE(WORKER_1) | ROLE(CANCEL),
	  .lives = 1,
	  .parts = 1,
	  .reads = 1,
	  .max_ops = 2,
	  .io_error = DS_ERR_IO,
	  .may_corrupt = true },
	{ .name = "compressed stream with a head: cancel",
	  .kind = KIND_UNITS,
	  .roles = BASE | ROLE(ENGINE_1) | ROLE(WORKER_0) | ROLE(CANCEL),
	  .lives = 1,
	  .parts = 2,
	  .reads = 1,
	  .max_ops = 2,
	  .may_corrupt = true },
	{ .name = "compressed stream fed in order: cancel",
	  .kind = KIND_FEED,
	  .roles = BASE2 | ROLE(WORKER_0) | ROLE(CANCEL),
	  .lives = 1,
	  .parts = 2,
	  .reads = 1,
	  .max_ops = 2,
	  .may_corrupt = true },
	{ .name = "compressed stream fed in order, two workers: failing reads and decoding",
	  .kind = KIND_FEED,
	  .roles = BASE2 | ROLE(WORKER_0) | ROLE(WORKER_1),
	  .lives = 1,
	  .parts = 2,
	  .reads = 1,
	  .max_ops = 2,
	  .io_error = DS_ERR_IO,
	  .may_corrupt = true },
	{ .name = "two lives, straight: stale cancel, cancel",
	  .kind = KIND_STRAIGHT,
	  .roles = BASE2 | ROLE(CANCEL) | ROLE(CANCEL_NEXT) | ROLE(POLL),
	  .lives = 2,
	  .parts = 1,
	  .max_ops = 2 },
	{ .name = "two lives, staged: stale cancel, timeout",
	  .kind = KIND_STAGED,
	  .roles = BASE2 | ROLE(WORKER_0) | ROLE(CANCEL) | ROLE(TIMER) | ROLE(POLL),
	  .lives = 2,
	  .parts = 1,
	  .reads = 1,
	  .max_ops = 2 },
	{ .name = "two lives, staged and small: stale cancel, timeout",
	  .kind = KIND_STAGED,
	  .roles = BASE2 | ROLE(CANCEL) | ROLE(TIMER) | ROLE(POLL),
	  .lives = 2,
	  .parts = 1,
	  .reads = 1,
	  .max_ops = 2,
	  .is_small = true },
	{ .name = "two lives, callback: stale cancels",
	  .kind = KIND_STRAIGHT,
	  .roles = BASE2 | ROLE(CANCEL) | ROLE(TRY_CANCEL) | ROLE(SERVICE) | ROLE(POLL),
	  .lives = 2,
	  .parts = 1,
	  .max_ops = 2,
	  .has_callback = true },
	{ .name = "never submitted: cancel, try_cancel",
	  .kind = KIND_STRAIGHT,
	  .roles = BASE | ROLE(CANCEL) | ROLE(TRY_CANCEL) | ROLE(POLL),
	  .lives = 1,
	  .parts = 1,
	  .max_ops = 2,
	  .is_never_submitted = true },
	{ .name = "destroyed during an enqueue that submits, timeout",
	  .kind = KIND_STRAIGHT,
	  .roles = BASE2 | ROLE(TIMER),
	  .lives = 1,
	  .parts = 2,
	  .max_ops = 2,
	  .is_closed_early = true },
};

#define NR_CONFIGS (sizeof(configs) / sizeof(configs[0]))

/* A breakage, and a configuration in which it shows. */
struct breakage {
	enum broken broken;
	const char *name;
	const char *config;
};

static const struct breakage breakages[] = {
	{ BROKEN_WORK_BEFORE_TOUCH_END, "finish_op() drops its work before it ends its touch",
	  "straight: cancel" },
	{ BROKEN_LEAVE_BEFORE_TOUCH_END, "a worker leaves the window before it ends its touch",
	  "memory" },
	{ BROKEN_CANCEL_IGNORES_TOUCHERS, "a cancel of RUNNING ignores touchers",
	  "straight: cancel" },
	{ BROKEN_TOUCH_WHEN_CANCELLED, "a worker does not heed touch_begin", "memory" },
	{ BROKEN_TOUCH_WHEN_CANCELLED, "a reading thread that copies does not heed touch_begin",
	  "staged, two small" },
	{ BROKEN_PUT_FORGOTTEN, "the publisher's hold is not put", "two lives, straight" },
	{ BROKEN_PUBLISHED_BEFORE_FINAL, "CANCELLING is published", "straight: cancel" },
	{ BROKEN_FINISH_IGNORES_CANCEL, "COMPLETE overrules CANCELLED", "straight: cancel" },
	{ BROKEN_NO_WAIT, "a strong cancel does not wait", "straight: cancel" },
	{ BROKEN_CALLBACK_WHEN_CANCELLED, "a callback for a cancelled request",
	  "straight: two cancels" },
	{ BROKEN_NO_PIPELINE_HOLD, "the pipeline has no hold of the slot", "two lives, staged" },
	{ BROKEN_STALE_ID, "a cancel does not compare generations", "two lives, straight" },
	{ BROKEN_STALE_DROP, "ds_pipeline_drop() does not compare generations",
	  "two lives, straight" },
	{ BROKEN_PENDING_DROPPED_TWICE, "submit leaves is_in_pending set", "straight: cancel" },
	{ BROKEN_DROP_LEAVES_WORK, "an unscheduled request keeps the scheduler's unit of work",
	  "straight: cancel" },
	{ BROKEN_WAKE_AT_LATE, "a sleeper announces itself after it has looked",
	  "straight: cancel" },
	{ BROKEN_NO_UNPARK, "the end of a window does not unpark", "compressed stream with" },
	{ BROKEN_FEED_LOOKS_ONCE, "a window is put into order although nobody wants it any more",
	  "compressed stream fed" },
	{ BROKEN_LAST_TWICE, "a target is finished again after it was finished", "device" },
	{ BROKEN_LAST_UNTOUCHED, "the last operation does not count as a touch", "device" },
	{ BROKEN_LIVE_DROPPED_EARLY, "the publisher drops the queue before the slot",
	  "straight: two cancels" },
};

#define NR_BREAKAGES (sizeof(breakages) / sizeof(breakages[0]))

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void set_variant(struct model *m, const struct config *c, bool engine_cancels,
			bool keeps_results)
{
	*m = (struct model){ .config = *c };
	m->config.engine_cancels = engine_cancels;
	m->config.keeps_results = keeps_results;
	if (!keeps_results)
		m->config.roles &= ~(ROLE(POLL) | ROLE(WAIT));
}

static uint64_t run_variant(const struct config *c, bool engine_cancels, bool keeps_results,
			    bool *holds)
{
	double start = seconds();
	struct result r;
	struct model m;

	set_variant(&m, c, engine_cancels, keeps_results);
	r = explore(&m, true);
	printf("%9llu states %10llu steps  depth %3u  %5.1f s  %s%s%s\n",
	       (unsigned long long)r.nr_states, (unsigned long long)r.nr_steps, r.depth,
	       seconds() - start, c->name, engine_cancels ? ", engine->cancel" : "",
	       keeps_results ? "" : ", no results");
	if (m.violation)
		printf("VIOLATED: %s\n", m.violation);
	fflush(stdout);
	*holds &= !m.violation;
	return r.nr_states;
}

static int run_all(void)
{
	uint64_t nr_states = 0;
	double start = seconds();
	bool holds = true;

	for (size_t i = 0; i < NR_CONFIGS; i++) {
		for (unsigned variant = 0; variant < 4; variant++)
			nr_states += run_variant(&configs[i], variant & 1, !(variant & 2), &holds);
	}
	printf("%llu states in %.1f s: %s\n", (unsigned long long)nr_states, seconds() - start,
	       holds ? "everything holds" : "something does not hold");
	return !holds;
}

static const struct config *find_config(const char *name)
{
	for (size_t i = 0; i < NR_CONFIGS; i++) {
		if (!strncmp(configs[i].name, name, strlen(name)))
			return &configs[i];
	}
	fprintf(stderr, "request_model: no configuration '%s'\n", name);
	exit(2);
}

/* True: the violation was found. */
static bool run_broken(const struct breakage *b, bool print_trace)
{
	struct result r;
	struct model m;

	set_variant(&m, find_config(b->config), true, true);
	m.broken = b->broken;
	r = explore(&m, print_trace);
	printf("%2d  %-72s %s: %s (%llu states)\n", (int)b->broken, b->name,
	       m.violation ? "found" : "NOT FOUND", m.violation ? m.violation : "-",
	       (unsigned long long)r.nr_states);
	return m.violation;
}

int main(int argc, char **argv)
{
	bool all_found = true;
	int only = argc > 2 ? atoi(argv[2]) : 0;

	if (argc < 2)
		return run_all();
	if (strcmp(argv[1], "broken")) {
		fprintf(stderr, "usage: request_model [broken [N]]\n");
		return 2;
	}
	for (size_t i = 0; i < NR_BREAKAGES; i++) {
		if (!only || (int)breakages[i].broken == only)
			all_found &= run_broken(&breakages[i], only != 0);
	}
	return !all_found;
}
