/* SPDX-License-Identifier: MIT */
/* test_io_uring_batch.c: a loaded ring gathers large batches where that costs no speed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "io/uring_batch.h"
#include "support/require.h"

#define DEPTH 64u

struct disk {
	double min_ns;	   /* between two completions, however much is asked for */
	double latency_ns; /* of one operation */
};

struct rig {
	struct ds_uring_batch batch;
	double now_ns;
	uint64_t nr_waits, nr_large;
};

/*
 * Waits of a ring that is always filled up, for a while. While a batch is gathered, half of it on
 * average is not with the disk.
 */
static void run(struct rig *r, const struct disk *disk, double for_ns)
{
	double end_ns = r->now_ns + for_ns;

	r->nr_waits = 0;
	r->nr_large = 0;
	while (r->now_ns < end_ns) {
		unsigned nr = ds_uring_batch_size(&r->batch, DEPTH);
		double with_disk = DEPTH - nr / 2.0;
		double each_ns = disk->latency_ns / with_disk;

		if (each_ns < disk->min_ns)
			each_ns = disk->min_ns;
		r->now_ns += each_ns * nr;
		r->nr_waits++;
		r->nr_large += r->batch.now == DS_URING_BATCH_LARGE;
		ds_uring_batch_done(&r->batch, DEPTH, nr, nr * UINT64_C(4096), (uint64_t)r->now_ns);
	}
}

static const struct disk limited = { .min_ns = 10000, .latency_ns = 100000 };
static const struct disk latent = { .min_ns = 1000, .latency_ns = 300000 };

static void gathers_where_it_costs_nothing(void **state)
{
	struct rig r = { .now_ns = 1e12 };

	(void)state;
	run(&r, &limited, 1e9);
	run(&r, &limited, 2e9);
	REQUIRE_CMP(r.nr_large, ==, r.nr_waits);
	/* Nearly always, when it is tried again. */
	run(&r, &limited, 60e9);
	REQUIRE_CMP(r.nr_large * 10, >, r.nr_waits * 8);
}

static void keeps_fast_disks_busy(void **state)
{
	struct rig r = { .now_ns = 1e12 };

	(void)state;
	run(&r, &latent, 0.5e9);
	run(&r, &latent, 2e9);
	REQUIRE_CMP(r.nr_large, ==, 0);
	run(&r, &latent, 60e9);
	REQUIRE_CMP(r.nr_large * 20, <, r.nr_waits);
}

static void notices_changes(void **state)
{
	struct rig r = { .now_ns = 1e12 };

	(void)state;
	run(&r, &limited, 2e9);
	run(&r, &latent, 5e9);
	run(&r, &latent, 1e9);
	REQUIRE_CMP(r.nr_large, ==, 0);
	run(&r, &limited, 5e9);
	run(&r, &limited, 1e9);
	REQUIRE_CMP(r.nr_large, ==, r.nr_waits);
}

/* A ring that runs empty in every large batch must not be stuck with it. */
static void empties_in_large_batches(void **state)
{
	struct rig r = { .now_ns = 1e12 };

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		run(&r, &limited, 3e6);
		if (r.batch.now == DS_URING_BATCH_LARGE)
			r.now_ns += 50e6;
	}
	REQUIRE_CMP(r.batch.now, ==, DS_URING_BATCH_SMALL);
	REQUIRE(r.batch.is_chosen);
}

/* The wait that brings what is in flight to a part below the level, or the least batch. */
static void sizes(void **state)
{
	struct ds_uring_batch b = { .now = DS_URING_BATCH_SMALL };

	(void)state;
	REQUIRE_CMP(ds_uring_batch_size(&b, 0), ==, 1);
	REQUIRE_CMP(ds_uring_batch_size(&b, 15), ==, 1);
	REQUIRE_CMP(ds_uring_batch_size(&b, 16), ==, 2);
	REQUIRE_CMP(ds_uring_batch_size(&b, 64), ==, 8);
	REQUIRE_CMP(ds_uring_batch_size(&b, 56), ==, 2);
	b = (struct ds_uring_batch){ .now = DS_URING_BATCH_LARGE };
	REQUIRE_CMP(ds_uring_batch_size(&b, 15), ==, 1);
	REQUIRE_CMP(ds_uring_batch_size(&b, 18), ==, 6);
	REQUIRE_CMP(ds_uring_batch_size(&b, 64), ==, 21);
	REQUIRE_CMP(ds_uring_batch_size(&b, 43), ==, 2);
}

static void forgets_a_level_that_is_gone(void **state)
{
	struct ds_uring_batch b = { .now = DS_URING_BATCH_LARGE };

	(void)state;
	ds_uring_batch_size(&b, 256);
	for (unsigned i = 0; i < 100; i++)
		ds_uring_batch_size(&b, 30);
	REQUIRE_CMP(ds_uring_batch_size(&b, 30), ==, 10);
	for (unsigned i = 0; i < 100; i++)
		ds_uring_batch_size(&b, 0);
	REQUIRE_CMP(b.level, ==, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(forgets_a_level_that_is_gone),
		cmocka_unit_test(gathers_where_it_costs_nothing),
		cmocka_unit_test(keeps_fast_disks_busy),
		cmocka_unit_test(notices_changes),
		cmocka_unit_test(empties_in_large_batches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
