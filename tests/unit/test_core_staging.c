/* SPDX-License-Identifier: MIT */
/* test_core_staging.c: the allocator of staging memory, against a plain model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/staging.h"
#include "support/random.h"
#include "support/require.h"

#define SLAB	  ((size_t)DS_STAGING_SLAB_NBYTES)
#define NR_SLABS  64
#define NR_BLOCKS 40

static const struct ds_device_ops ops = { .name = "host" };
static struct ds_device host = { .ops = &ops };

static void whole_and_nothing_more(void **state)
{
	struct ds_staging st;
	void *p;

	(void)state;
	REQUIRE_OK(ds_staging_init(&st, &host, NR_SLABS * SLAB));
	p = ds_staging_alloc(&st, NR_SLABS * SLAB);
	REQUIRE(p != NULL);
	memset(p, 1, NR_SLABS * SLAB);
	REQUIRE(ds_staging_alloc(&st, 1) == NULL);
	ds_staging_free(&st, p, NR_SLABS * SLAB);
	REQUIRE(ds_staging_alloc(&st, NR_SLABS * SLAB + 1) == NULL);
	REQUIRE_CMP(st.in_use, ==, 0);
	REQUIRE_CMP(st.high_water, ==, NR_SLABS * SLAB);
	ds_staging_fini(&st);
}

/* Enough is free, but not in one piece. */
static void in_pieces(void **state)
{
	struct ds_staging st;
	void *p[NR_SLABS];

	(void)state;
	REQUIRE_OK(ds_staging_init(&st, &host, NR_SLABS * SLAB));
	for (unsigned i = 0; i < NR_SLABS; i++) {
		p[i] = ds_staging_alloc(&st, 1);
		REQUIRE(p[i] != NULL);
		REQUIRE_CMP((uintptr_t)p[i] % 4096, ==, 0);
	}
	for (unsigned i = 0; i < NR_SLABS; i += 2)
		ds_staging_free(&st, p[i], 1);
	REQUIRE(ds_staging_alloc(&st, SLAB + 1) == NULL);
	ds_staging_free(&st, p[31], 1);
	REQUIRE(ds_staging_alloc(&st, 3 * SLAB) == p[30]);
	ds_staging_fini(&st);
}

/* Random blocks: none overlaps another, all lie inside, the sums are right. */
static void random_blocks(void **state)
{
	struct ds_staging st;
	struct {
		unsigned char *p;
		size_t nbytes;
	} blocks[NR_BLOCKS] = { { NULL, 0 } };
	uint64_t random = 3;
	size_t sum = 0;

	(void)state;
	REQUIRE_OK(ds_staging_init(&st, &host, NR_SLABS * SLAB + 5));
	REQUIRE_CMP(st.nbytes, ==, NR_SLABS * SLAB);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned i = (unsigned)random_below(&random, NR_BLOCKS);
		size_t n = blocks[i].nbytes;

		if (blocks[i].p) {
			/* Its bytes are as they were: nobody else was given them. */
			REQUIRE_CMP(blocks[i].p[0], ==, i);
			REQUIRE_CMP(blocks[i].p[n - 1], ==, i);
			ds_staging_free(&st, blocks[i].p, n);
			blocks[i].p = NULL;
			sum -= (n + SLAB - 1) / SLAB * SLAB;
		} else {
			n = 1 + random_below(&random, 9 * SLAB);
			blocks[i].p = ds_staging_alloc(&st, n);
			blocks[i].nbytes = n;
			if (blocks[i].p) {
				REQUIRE(blocks[i].p >= st.base);
				REQUIRE(blocks[i].p + n <= st.base + st.nbytes);
				blocks[i].p[0] = (unsigned char)i;
				blocks[i].p[n - 1] = (unsigned char)i;
				sum += (n + SLAB - 1) / SLAB * SLAB;
			}
		}
		REQUIRE_CMP(st.in_use, ==, sum);
		REQUIRE_CMP(st.high_water, <=, st.nbytes);
	}
	ds_staging_fini(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_and_nothing_more),
		cmocka_unit_test(in_pieces),
		cmocka_unit_test(random_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
