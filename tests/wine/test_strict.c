/* SPDX-License-Identifier: MIT */
/* test_strict.c: with DS_WINE_STRICT_STAGING=1 requests are limited as they are on Windows. */
#include "win.h"

#include <stdlib.h>

enum {
	STAGING = 1 << 20
};

static void test_limit(void)
{
	IDStorageFactory *f = get_factory();
	unsigned char *buf = malloc(STAGING + 1);
	IDStorageQueue3 *q;
	IDStorageFile *file;
	DSTORAGE_REQUEST r;

	write_pattern_file(L"strict.bin", STAGING + 1, 2);
	file = open_file(L"strict.bin");
	REQUIRE_OK(f->lpVtbl->SetStagingBufferSize(f, STAGING));
	q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);
	r = file_to_memory(file, 0, STAGING, buf);
	REQUIRE_OK(run_request(q, &r));
	r = file_to_memory(file, 0, STAGING + 1, buf);
	REQUIRE_HR(run_request(q, &r), E_DSTORAGE_REQUEST_TOO_LARGE);
	free(buf);
	release(q);
	release(file);
	release(f);
}

static const struct test tests[] = {
	{ "limit", test_limit },
};

int wmain(int argc, WCHAR **argv)
{
	SetEnvironmentVariableW(L"DS_WINE_STRICT_STAGING", L"1");
	return run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
