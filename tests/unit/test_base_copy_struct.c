/* SPDX-License-Identifier: MIT */
/* test_base_copy_struct.c: structs of older and newer callers, in and out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/copy_struct.h"
#include "support/require.h"

/* What this library knows; a caller may have more, or (after a later version) less. */
struct known {
	uint32_t size;
	uint32_t a;
	uint64_t b;
};

struct newer {
	struct known known;
	uint64_t later;
};

enum {
	OLDEST = 8
};

static void in_exact(void **state)
{
	struct known in = { .size = sizeof(in), .a = 1, .b = 2 }, out;

	(void)state;
	REQUIRE_OK(ds_copy_config(&out, sizeof(out), &in, OLDEST));
	REQUIRE_CMP(memcmp(&in, &out, sizeof(in)), ==, 0);
}

static void in_default(void **state)
{
	struct known out;

	(void)state;
	memset(&out, 0xff, sizeof(out));
	REQUIRE_OK(ds_copy_config(&out, sizeof(out), NULL, OLDEST));
	REQUIRE_CMP(out.size, ==, sizeof(out));
	REQUIRE_CMP(out.a, ==, 0);
	REQUIRE_CMP(out.b, ==, 0);
}

/* What an older caller does not have is the default, whatever lies behind its struct. */
static void in_shorter(void **state)
{
	struct known in = { .size = OLDEST, .a = 1, .b = 0xdead }, out;

	(void)state;
	REQUIRE_OK(ds_copy_config(&out, sizeof(out), &in, OLDEST));
	REQUIRE_CMP(out.size, ==, sizeof(out));
	REQUIRE_CMP(out.a, ==, 1);
	REQUIRE_CMP(out.b, ==, 0);
}

static void in_longer(void **state)
{
	struct newer in = { .known = { .size = sizeof(in), .a = 1, .b = 2 } };
	struct known out;

	(void)state;
	REQUIRE_OK(ds_copy_config(&out, sizeof(out), &in, OLDEST));
	REQUIRE_CMP(out.size, ==, sizeof(out));
	REQUIRE_CMP(out.b, ==, 2);
	for (unsigned i = 0; i < sizeof(in.later); i++) {
		in.later = UINT64_C(1) << 8 * i;
		REQUIRE_RESULT(ds_copy_config(&out, sizeof(out), &in, OLDEST),
			       DS_ERR_INVALID_ARGUMENT);
	}
}

static void in_bad_size(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 4, OLDEST - 1, 4097, 1u << 31, UINT32_MAX };
	struct known in = { .a = 1 }, out;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		in.size = sizes[i];
		REQUIRE_RESULT(ds_copy_config(&out, sizeof(out), &in, OLDEST),
			       DS_ERR_INVALID_ARGUMENT);
	}
}

static void out_sizes(void **state)
{
	const struct known from = { .size = sizeof(from), .a = 1, .b = 2 };
	struct known small = { .size = OLDEST, .b = 77 };
	struct newer big;

	(void)state;
	REQUIRE_OK(ds_copy_out(&small, &from, sizeof(from), OLDEST));
	REQUIRE_CMP(small.size, ==, OLDEST);
	REQUIRE_CMP(small.a, ==, 1);
	REQUIRE_CMP(small.b, ==, 77);
	memset(&big, 0xff, sizeof(big));
	big.known.size = sizeof(big);
	REQUIRE_OK(ds_copy_out(&big, &from, sizeof(from), OLDEST));
	REQUIRE_CMP(big.known.size, ==, sizeof(big));
	REQUIRE_CMP(big.known.b, ==, 2);
	REQUIRE_CMP(big.later, ==, 0);
	small.size = OLDEST - 1;
	REQUIRE_RESULT(ds_copy_out(&small, &from, sizeof(from), OLDEST), DS_ERR_INVALID_ARGUMENT);
	REQUIRE_RESULT(ds_copy_out(NULL, &from, sizeof(from), OLDEST), DS_ERR_INVALID_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_exact),    cmocka_unit_test(in_default),
		cmocka_unit_test(in_shorter),  cmocka_unit_test(in_longer),
		cmocka_unit_test(in_bad_size), cmocka_unit_test(out_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
