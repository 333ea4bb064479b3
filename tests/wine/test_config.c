/* SPDX-License-Identifier: MIT */
/*
 * test_config.c: configurations and the staging size: what is accepted when, and that requests
 * of any size work with whatever it is.
 */
#include "win.h"

#include <stdlib.h>
#include <string.h>

static void test_order(void)
{
	DSTORAGE_CONFIGURATION cfg = { 0 };
	DSTORAGE_CONFIGURATION1 cfg1 = { .NumSubmitThreads = 4 };
	DSTORAGE_CONFIGURATION2 cfg2 = { 0 };
	IDStorageFactory *f;
	IDStorageQueue3 *q;
	IDStorageFile *file;

	write_pattern_file(L"config.bin", 10, 2);
	REQUIRE_OK(DStorageSetConfiguration(&cfg));
	f = get_factory();
	/* Programs call it too late; then it still works while nothing is there. */
	REQUIRE_OK(DStorageSetConfiguration1(&cfg1));
	REQUIRE_OK(DStorageSetConfiguration2(&cfg2));
	REQUIRE_HR(DStorageSetConfiguration(NULL), E_INVALIDARG);
	REQUIRE_HR(DStorageSetConfiguration1(NULL), E_INVALIDARG);
	REQUIRE_HR(DStorageSetConfiguration2(NULL), E_INVALIDARG);
	q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);
	REQUIRE_HR(DStorageSetConfiguration(&cfg), E_DSTORAGE_STAGING_BUFFER_LOCKED);
	release(q);
	file = open_file(L"config.bin");
	REQUIRE_HR(DStorageSetConfiguration1(&cfg1), E_DSTORAGE_STAGING_BUFFER_LOCKED);
	file->lpVtbl->Close(file);
	REQUIRE_OK(DStorageSetConfiguration1(&cfg1));
	release(file);
	REQUIRE_OK(DStorageSetConfiguration(&cfg));
	release(f);
}

static void test_buffering(void)
{
	DSTORAGE_CONFIGURATION1 cfg = { .ForceFileBuffering = TRUE };
	DSTORAGE_CONFIGURATION1 none = { 0 };
	unsigned char buf[50000];
	IDStorageQueue3 *q;
	IDStorageFile *file;
	DSTORAGE_REQUEST r;

	REQUIRE_HR(DStorageSetConfiguration1(&cfg),
		   E_DSTORAGE_FILEBUFFERING_REQUIRES_DISABLED_BYPASSIO);
	cfg.DisableBypassIO = TRUE;
	cfg.NumBuiltInCpuDecompressionThreads = 1;
	REQUIRE_OK(DStorageSetConfiguration1(&cfg));
	write_pattern_file(L"buffered.bin", sizeof(buf), 2);
	file = open_file(L"buffered.bin");
	q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);
	r = file_to_memory(file, 0, sizeof(buf), buf);
	REQUIRE_OK(run_request(q, &r));
	pattern_require(buf, sizeof(buf), 2, 0);
	release(q);
	release(file);
	REQUIRE_OK(DStorageSetConfiguration1(&none));
}

/* With a file open, and checked: as a well-known benchmark does it. */
static void test_staging_size(void)
{
	static const UINT32 sizes[] = {
		0, 1, 1 << 20, DSTORAGE_STAGING_BUFFER_SIZE_32MB, 64 << 20, 256 << 20, 1u << 30
	};
	enum {
		NBYTES = 5000000
	};
	unsigned char *buf = malloc(NBYTES), *in = malloc(NBYTES), *stream;
	IDStorageFactory *f = get_factory();
	IDStorageFile *file;
	IDStorageQueue3 *q;
	size_t n;

	pattern_fill(in, NBYTES, 3, 0);
	stream = compress(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, in, NBYTES, &n);
	write_file(L"staging.bin", stream, n);
	file = open_file(L"staging.bin");
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		DSTORAGE_REQUEST r = file_to_memory(file, 0, (UINT32)n, buf);

		REQUIRE_OK(f->lpVtbl->SetStagingBufferSize(f, sizes[i]));
		q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);
		REQUIRE_HR(f->lpVtbl->SetStagingBufferSize(f, 1 << 20),
			   E_DSTORAGE_STAGING_BUFFER_LOCKED);
		REQUIRE_OK(run_request(q, &r));
		REQUIRE(!memcmp(buf, stream, n));
		r.Options.CompressionFormat = DSTORAGE_COMPRESSION_FORMAT_GDEFLATE;
		r.UncompressedSize = r.Destination.Memory.Size = NBYTES;
		REQUIRE_OK(run_request(q, &r));
		pattern_require(buf, NBYTES, 3, 0);
		release(q);
	}
	release(file);
	release(f);
	free(stream);
	free(in);
	free(buf);
}

static void test_support(void)
{
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);

	REQUIRE_CMP(q->lpVtbl->GetCompressionSupport(q, DSTORAGE_COMPRESSION_FORMAT_GDEFLATE), ==,
		    DSTORAGE_COMPRESSION_SUPPORT_CPU_FALLBACK);
	REQUIRE_CMP(q->lpVtbl->GetCompressionSupport(q, DSTORAGE_COMPRESSION_FORMAT_NONE), ==,
		    DSTORAGE_COMPRESSION_SUPPORT_NONE);
	REQUIRE_CMP(q->lpVtbl->GetCompressionSupport(q, 0x80), ==,
		    DSTORAGE_COMPRESSION_SUPPORT_NONE);
	REQUIRE_CMP(q->lpVtbl->GetCompressionSupport(q, 77), ==, DSTORAGE_COMPRESSION_SUPPORT_NONE);
	release(q);
}

static const struct test tests[] = {
	{ "order", test_order },
	{ "buffering", test_buffering },
	{ "staging_size", test_staging_size },
	{ "support", test_support },
};

int wmain(int argc, WCHAR **argv)
{
	return run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
