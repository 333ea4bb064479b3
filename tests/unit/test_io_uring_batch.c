/* SPDX-License-Identifier: MIT */
/* test_io_uring_batch.c: how many completions a loaded ring waits for at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "io/uring_batch.h"
#include "support/require.h"

/* The wait that brings what is in flight to a third below the level, or the least batch. */
static void sizes(void **state)
{
	unsigned level = 0;

	(void)state;
	REQUIRE_CMP(ds_uring_batch_size(&level, 0), ==, 1);
	REQUIRE_CMP(ds_uring_batch_size(&level, 15), ==, 1);
	REQUIRE_CMP(ds_uring_batch_size(&level, 18), ==, 6);
	REQUIRE_CMP(ds_uring_batch_size(&level, 64), ==, 21);
	REQUIRE_CMP(ds_uring_batch_size(&level, 43), ==, 2);
	REQUIRE_CMP(ds_uring_batch_size(&level, 64), ==, 21);
}

/* Never more than there are, and the ring never empty. */
static void leaves_work(void **state)
{
	(void)state;
	for (unsigned full = 0; full <= 512; full++) {
		unsigned level = full;

		for (unsigned in_flight = full; in_flight > 1;) {
			unsigned nr = ds_uring_batch_size(&level, in_flight);

			REQUIRE_CMP(nr, >=, 1);
			REQUIRE_CMP(nr, <, in_flight);
			in_flight -= nr;
		}
	}
}

/* A ring whose work all comes back after each wait settles at large batches. */
static void settles(void **state)
{
	unsigned level = 0, waits = 0, done = 0, in_flight = 64, back = 0;

	(void)state;
	for (; done < 64 * 100; waits++) {
		unsigned nr = ds_uring_batch_size(&level, in_flight);

		/* What the wait before has reported is handed over during this one. */
		in_flight = in_flight - nr + back;
		back = nr;
		done += nr;
	}
	REQUIRE_CMP(done / waits, >=, 8);
}

static void forgets_a_level_that_is_gone(void **state)
{
	unsigned level = 0;

	(void)state;
	ds_uring_batch_size(&level, 256);
	for (unsigned i = 0; i < 100; i++)
		ds_uring_batch_size(&level, 30);
	REQUIRE_CMP(ds_uring_batch_size(&level, 30), ==, 10);
	for (unsigned i = 0; i < 100; i++)
		ds_uring_batch_size(&level, 0);
	REQUIRE_CMP(level, ==, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(leaves_work),
		cmocka_unit_test(settles),
		cmocka_unit_test(forgets_a_level_that_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
