/* SPDX-License-Identifier: MIT */
/*
 * test_custom.c: formats that the program decompresses, through the custom decompression queue.
 *
 * The format here is a byte that each byte is combined with; it shrinks nothing.
 */
#include "win.h"

#include <stdlib.h>
#include <string.h>

#define FORMAT ((DSTORAGE_COMPRESSION_FORMAT)0x93)
enum {
	NBYTES = 100000,
	KEY = 0x3c
};

static IDStorageCustomDecompressionQueue1 *custom;
static IDStorageFile *file;
static unsigned char *plain;

static void decode(const DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST *r)
{
	const unsigned char *in = r->SrcBuffer;
	unsigned char *out = r->DstBuffer;

	REQUIRE_CMP(r->SrcSize, ==, r->DstSize);
	for (UINT64 i = 0; i < r->SrcSize; i++)
		out[i] = in[i] ^ KEY;
}

static void answer(UINT64 id, HRESULT hr, HRESULT expected)
{
	DSTORAGE_CUSTOM_DECOMPRESSION_RESULT result = { id, hr };

	REQUIRE_HR(custom->lpVtbl->SetRequestResults(custom, 1, &result), expected);
}

static DSTORAGE_REQUEST custom_request(void *to)
{
	DSTORAGE_REQUEST r = file_to_memory(file, 0, NBYTES, to);

	r.Options.CompressionFormat = FORMAT;
	return r;
}

/* Waits for one request and takes it. */
static DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST take_one(void)
{
	DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST r;
	UINT32 n = 0;

	memset(&r, 0xff, sizeof(r));
	wait_for(custom->lpVtbl->GetEvent(custom));
	REQUIRE_OK(custom->lpVtbl->GetRequests(custom, 1, &r, &n));
	REQUIRE_CMP(n, ==, 1);
	return r;
}

static void test_one(void)
{
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);
	IDStorageStatusArray *a = make_status_array(1);
	unsigned char *out = malloc(NBYTES);
	DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST job;
	DSTORAGE_REQUEST r = custom_request(out);
	UINT32 n = 99;

	REQUIRE_OK(custom->lpVtbl->GetRequests(custom, 1, &job, &n));
	REQUIRE_CMP(n, ==, 0);
	q->lpVtbl->EnqueueRequest(q, &r);
	q->lpVtbl->EnqueueStatus(q, a, 0);
	q->lpVtbl->Submit(q);
	job = take_one();
	REQUIRE_CMP(job.CompressionFormat, ==, FORMAT);
	REQUIRE_CMP(job.Flags, ==, DSTORAGE_CUSTOM_DECOMPRESSION_FLAG_NONE);
	REQUIRE(job.DstBuffer == out);
	REQUIRE_CMP(job.DstSize, ==, NBYTES);
	REQUIRE(!job.Reserved[0] && !job.Reserved[1] && !job.Reserved[2]);
	REQUIRE_HR(a->lpVtbl->GetHResult(a, 0), E_PENDING);
	decode(&job);
	answer(job.Id, S_OK, S_OK);
	submit_and_wait(q);
	REQUIRE_OK(a->lpVtbl->GetHResult(a, 0));
	REQUIRE(!memcmp(out, plain, NBYTES));
	/* An id is good once. */
	answer(job.Id, S_OK, E_INVALIDARG);
	answer(UINT64_C(0x1234567812345678), S_OK, E_INVALIDARG);
	free(out);
	release(a);
	release(q);
}

/* From memory the program gets its own pointer. */
static void test_memory(void)
{
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_MEMORY, 128, NULL);
	unsigned char in[100], out[100];
	DSTORAGE_REQUEST r = memory_to_memory(in, sizeof(in), out);
	DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST job;

	memset(in, 7, sizeof(in));
	r.Options.CompressionFormat = FORMAT;
	q->lpVtbl->EnqueueRequest(q, &r);
	q->lpVtbl->Submit(q);
	job = take_one();
	REQUIRE(job.SrcBuffer == in);
	decode(&job);
	answer(job.Id, S_OK, S_OK);
	submit_and_wait(q);
	require_no_failure(q);
	REQUIRE(bytes_are(out, sizeof(out), 7 ^ KEY));
	release(q);
}

/* What the program says is the request's result. */
static void test_failure(void)
{
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);
	IDStorageStatusArray *a = make_status_array(1);
	unsigned char *out = malloc(NBYTES);
	DSTORAGE_REQUEST r = custom_request(out);
	DSTORAGE_ERROR_RECORD record;

	q->lpVtbl->EnqueueRequest(q, &r);
	q->lpVtbl->EnqueueStatus(q, a, 0);
	q->lpVtbl->Submit(q);
	answer(take_one().Id, E_UNEXPECTED, S_OK);
	submit_and_wait(q);
	REQUIRE_HR(a->lpVtbl->GetHResult(a, 0), E_UNEXPECTED);
	q->lpVtbl->RetrieveErrorRecord(q, &record);
	REQUIRE_CMP(record.FailureCount, ==, 1);
	REQUIRE_HR(record.FirstFailure.HResult, E_UNEXPECTED);
	/* One that cannot be read is never offered. */
	r.Source.File.Offset = 1;
	REQUIRE_HR(run_request(q, &r), E_DSTORAGE_END_OF_FILE);
	free(out);
	release(a);
	release(q);
}

struct worker {
	volatile LONG stop;
	volatile LONG nr_done;
};

/* As samples do: waits for the event, then drains. */
static DWORD WINAPI work(void *arg)
{
	struct worker *w = arg;

	while (!w->stop) {
		DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST jobs[4];
		DSTORAGE_CUSTOM_DECOMPRESSION_RESULT results[4];
		UINT32 n;

		WaitForSingleObject(custom->lpVtbl->GetEvent(custom), 10);
		do {
			REQUIRE_OK(custom->lpVtbl->GetRequests(custom, 4, jobs, &n));
			for (UINT32 i = 0; i < n; i++) {
				decode(&jobs[i]);
				results[n - 1 - i].Id = jobs[i].Id;
				results[n - 1 - i].Result = S_OK;
			}
			REQUIRE_OK(custom->lpVtbl->SetRequestResults(custom, n, results));
			InterlockedExchangeAdd(&w->nr_done, (LONG)n);
		} while (n);
	}
	return 0;
}

/* More than staging memory holds at a time, by three threads. */
static void test_many(void)
{
	enum {
		COUNT = 600,
		THREADS = 3
	};
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 512, NULL);
	unsigned char *out = malloc((size_t)COUNT * NBYTES);
	struct worker w = { 0, 0 };
	HANDLE threads[THREADS];

	for (unsigned int i = 0; i < THREADS; i++)
		threads[i] = CreateThread(NULL, 0, work, &w, 0, NULL);
	for (unsigned int i = 0; i < COUNT; i++) {
		DSTORAGE_REQUEST r = custom_request(out + (size_t)i * NBYTES);

		q->lpVtbl->EnqueueRequest(q, &r);
	}
	submit_and_wait(q);
	InterlockedExchange(&w.stop, 1);
	WaitForMultipleObjects(THREADS, threads, TRUE, 10000);
	REQUIRE_CMP(w.nr_done, ==, COUNT);
	require_no_failure(q);
	for (unsigned int i = 0; i < COUNT; i++)
		REQUIRE(!memcmp(out + (size_t)i * NBYTES, plain, NBYTES));
	for (unsigned int i = 0; i < THREADS; i++)
		CloseHandle(threads[i]);
	free(out);
	release(q);
}

/* One that takes one at a time is woken again for the rest. */
static void test_one_at_a_time(void)
{
	enum {
		COUNT = 20
	};
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);
	unsigned char *out = malloc(NBYTES);
	DSTORAGE_REQUEST r = custom_request(out);

	for (unsigned int i = 0; i < COUNT; i++)
		q->lpVtbl->EnqueueRequest(q, &r);
	q->lpVtbl->Submit(q);
	for (unsigned int i = 0; i < COUNT; i++)
		answer(take_one().Id, S_OK, S_OK);
	submit_and_wait(q);
	free(out);
	release(q);
}

/* Cancelled while offered: gone. While the program has it: the program's. */
static void test_cancel(void)
{
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);
	unsigned char *out = malloc(NBYTES);
	DSTORAGE_REQUEST r = custom_request(out);
	DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST job, none;
	UINT32 n;

	r.CancellationTag = 5;
	q->lpVtbl->EnqueueRequest(q, &r);
	q->lpVtbl->Submit(q);
	job = take_one();
	q->lpVtbl->EnqueueRequest(q, &r);
	q->lpVtbl->Submit(q);
	wait_for(custom->lpVtbl->GetEvent(custom));
	q->lpVtbl->CancelRequestsWithTag(q, ~UINT64_C(0), 5);
	REQUIRE_OK(custom->lpVtbl->GetRequests(custom, 1, &none, &n));
	REQUIRE_CMP(n, ==, 0);
	decode(&job);
	answer(job.Id, S_OK, S_OK);
	submit_and_wait(q);
	require_no_failure(q);
	REQUIRE(!memcmp(out, plain, NBYTES));
	free(out);
	release(q);
}

/* The queue goes while the program has one of its requests. */
static void test_release(void)
{
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);
	unsigned char *out = malloc(NBYTES);
	DSTORAGE_REQUEST r = custom_request(out);
	DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST job;

	q->lpVtbl->EnqueueRequest(q, &r);
	q->lpVtbl->EnqueueRequest(q, &r);
	q->lpVtbl->Submit(q);
	job = take_one();
	REQUIRE_CMP(release(q), ==, 0);
	/* Its source is still there to be read. */
	decode(&job);
	REQUIRE(!memcmp(out, plain, NBYTES));
	answer(job.Id, S_OK, S_OK);
	free(out);
}

static void test_bad_calls(void)
{
	DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST job;
	UINT32 n;

	REQUIRE_HR(custom->lpVtbl->GetRequests(custom, 1, NULL, &n), E_POINTER);
	REQUIRE_HR(custom->lpVtbl->GetRequests(custom, 1, &job, NULL), E_POINTER);
	REQUIRE_OK(custom->lpVtbl->GetRequests(custom, 0, NULL, &n));
	REQUIRE_CMP(n, ==, 0);
	REQUIRE_HR(custom->lpVtbl->GetRequests1(custom, 0, 1, &job, &n), E_INVALIDARG);
	REQUIRE_HR(custom->lpVtbl->GetRequests1(custom, 8, 1, &job, &n), E_INVALIDARG);
	REQUIRE_HR(custom->lpVtbl->SetRequestResults(custom, 1, NULL), E_POINTER);
	REQUIRE_OK(custom->lpVtbl->SetRequestResults(custom, 0, NULL));
	REQUIRE(custom->lpVtbl->GetEvent(custom) == custom->lpVtbl->GetEvent(custom));
}

/* Without built-in threads the program decompresses GDeflate too. */
static void test_builtin(void)
{
	DSTORAGE_CONFIGURATION cfg = { .NumBuiltInCpuDecompressionThreads =
					       DSTORAGE_DISABLE_BUILTIN_CPU_DECOMPRESSION };
	DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST job;
	IDStorageCompressionCodec *codec;
	unsigned char *out = malloc(NBYTES);
	IDStorageQueue3 *q;
	DSTORAGE_REQUEST r;
	void *stream;
	size_t n;
	UINT32 count;

	REQUIRE_OK(DStorageSetConfiguration(&cfg));
	q = make_queue(DSTORAGE_REQUEST_SOURCE_MEMORY, 128, NULL);
	stream = compress(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, plain, NBYTES, &n);
	r = memory_to_memory(stream, (UINT32)n, out);
	r.Options.CompressionFormat = DSTORAGE_COMPRESSION_FORMAT_GDEFLATE;
	r.Destination.Memory.Size = r.UncompressedSize = NBYTES;
	q->lpVtbl->EnqueueRequest(q, &r);
	q->lpVtbl->Submit(q);
	wait_for(custom->lpVtbl->GetEvent(custom));
	REQUIRE_OK(custom->lpVtbl->GetRequests(custom, 1, &job, &count));
	REQUIRE_CMP(count, ==, 0);
	REQUIRE_OK(custom->lpVtbl->GetRequests1(custom, DSTORAGE_GET_REQUEST_FLAG_SELECT_ALL, 1,
						&job, &count));
	REQUIRE_CMP(count, ==, 1);
	REQUIRE_CMP(job.CompressionFormat, ==, DSTORAGE_COMPRESSION_FORMAT_GDEFLATE);
	REQUIRE_OK(DStorageCreateCompressionCodec(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, 1,
						  &IID_IDStorageCompressionCodec, (void **)&codec));
	REQUIRE_OK(codec->lpVtbl->DecompressBuffer(codec, job.SrcBuffer, (size_t)job.SrcSize,
						   job.DstBuffer, (size_t)job.DstSize, &n));
	answer(job.Id, S_OK, S_OK);
	submit_and_wait(q);
	require_no_failure(q);
	REQUIRE(!memcmp(out, plain, NBYTES));
	release(codec);
	release(q);
	cfg.NumBuiltInCpuDecompressionThreads = 0;
	REQUIRE_OK(DStorageSetConfiguration(&cfg));
	free(stream);
	free(out);
}

static const struct test tests[] = {
	{ "one", test_one },
	{ "memory", test_memory },
	{ "failure", test_failure },
	{ "many", test_many },
	{ "one_at_a_time", test_one_at_a_time },
	{ "cancel", test_cancel },
	{ "release", test_release },
	{ "bad_calls", test_bad_calls },
};

/* It changes the configuration, which no open file may see. */
static const struct test tests_without_file[] = {
	{ "builtin", test_builtin },
};

int wmain(int argc, WCHAR **argv)
{
	unsigned char *coded = malloc(NBYTES);
	int status;

	plain = malloc(NBYTES);
	pattern_fill(plain, NBYTES, 3, 0);
	for (unsigned int i = 0; i < NBYTES; i++)
		coded[i] = plain[i] ^ KEY;
	write_file(L"custom.bin", coded, NBYTES);
	REQUIRE_OK(DStorageGetFactory(&IID_IDStorageCustomDecompressionQueue1, (void **)&custom));
	status = run_tests(tests_without_file, 1, argc, argv);
	file = open_file(L"custom.bin");
	status |= run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
	release(file);
	release(custom);
	return status;
}
