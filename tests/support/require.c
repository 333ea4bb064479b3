/* SPDX-License-Identifier: MIT */
/* require.c: what a failed check prints. */
#include "support/require.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ds_runtime.h"

/* Numbers are nearly always within 64 bits; what is not is told by its high half. */
static void print_int(require_int v)
{
	if (v < 0)
		fprintf(stderr, "%" PRId64, (int64_t)v);
	else
		fprintf(stderr, "%" PRIu64 " (0x%" PRIx64 ")", (uint64_t)v, (uint64_t)v);
}

void require_cmp_failed(const char *file, int line, const char *expression, require_int left,
			require_int right)
{
	fprintf(stderr, "%s:%d: REQUIRE_CMP(%s) failed: left is ", file, line, expression);
	print_int(left);
	fputs(", right is ", stderr);
	print_int(right);
	fputc('\n', stderr);
	abort();
}

void require_result_failed(const char *file, int line, const char *expression, int32_t left,
			   int32_t right)
{
	fprintf(stderr, "%s:%d: REQUIRE_RESULT(%s) failed: left is %s (%d), right is %s (%d)\n",
		file, line, expression, ds_result_name(left), left, ds_result_name(right), right);
	abort();
}

void require_failed(const char *file, int line, const char *expression)
{
	fprintf(stderr, "%s:%d: REQUIRE(%s) failed\n", file, line, expression);
	abort();
}
