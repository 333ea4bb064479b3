/* SPDX-License-Identifier: MIT */
/* test_core_stats.c: percentiles within 3 percent of the exact ones, and sums of counters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/stats.h"
#include "support/random.h"
#include "support/require.h"

enum {
	N = 20000
};

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void require_near(uint64_t got, uint64_t exact)
{
	REQUIRE_CMP(got, >=, exact - exact * 3 / 100 - 1);
	REQUIRE_CMP(got, <=, exact + exact * 3 / 100 + 1);
}

/* Values below 2^bits, most of them small. */
static void percentiles_of(unsigned bits)
{
	struct ds_counters *c = calloc(1, sizeof(*c));
	uint64_t *all = calloc(N, sizeof(*all));
	struct ds_stats out = DS_STATS_INIT;
	uint64_t random = bits;

	for (unsigned i = 0; i < N; i++) {
		all[i] = random_next(&random) >> (64 - bits) >> random_below(&random, bits);
		ds_counters_latency(c, all[i]);
	}
	qsort(all, N, sizeof(*all), compare);
	ds_counters_read(c, &out);
	require_near(out.latency_p50_ns, all[N / 2 - 1]);
	require_near(out.latency_p90_ns, all[N * 9 / 10 - 1]);
	require_near(out.latency_p99_ns, all[N * 99 / 100 - 1]);
	require_near(out.latency_p999_ns, all[N / 1000 * 999 - 1]);
	REQUIRE_CMP(out.latency_max_ns, ==, all[N - 1]);
	free(all);
	free(c);
}

static void percentiles(void **state)
{
	(void)state;
	for (unsigned bits = 2; bits <= 50; bits++)
		percentiles_of(bits);
}

/* Longer than any bucket: still counted, and no write outside the table. */
static void absurd_latency(void **state)
{
	struct ds_counters *c = calloc(1, sizeof(*c));
	struct ds_stats out = DS_STATS_INIT;

	(void)state;
	ds_counters_latency(c, UINT64_MAX);
	ds_counters_latency(c, 0);
	ds_counters_read(c, &out);
	REQUIRE_CMP(out.latency_max_ns, ==, UINT64_MAX);
	REQUIRE_CMP(out.latency_p50_ns, ==, 0);
	free(c);
}

static void sums(void **state)
{
	struct ds_counters *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));
	struct ds_stats out = DS_STATS_INIT;

	(void)state;
	ds_count(&a->enqueued, 3);
	ds_count(&b->enqueued, 4);
	ds_count(&b->path_requests[DS_PATH_DIRECT], 2);
	ds_count(&b->path_bytes[DS_PATH_DIRECT], 200);
	ds_counters_latency(a, 10);
	ds_counters_latency(b, 30);
	ds_counters_add(a, b);
	ds_counters_read(a, &out);
	REQUIRE_CMP(out.requests_enqueued, ==, 7);
	REQUIRE_CMP(out.requests_completed, ==, 2);
	REQUIRE_CMP(out.bytes_delivered, ==, 200);
	REQUIRE_CMP(out.latency_mean_ns, ==, 20);
	REQUIRE_CMP(out.latency_max_ns, ==, 30);
	ds_count_max(&a->staging_high_water, 5);
	ds_count_max(&a->staging_high_water, 4);
	REQUIRE_CMP(atomic_load(&a->staging_high_water), ==, 5);
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles),
		cmocka_unit_test(absurd_latency),
		cmocka_unit_test(sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
