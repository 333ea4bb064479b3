/* SPDX-License-Identifier: MIT */
/*
 * test_cancel.c: cancelling, closing and releasing while requests are under way, and freeing
 * everything at once, as programs do.
 *
 * Memory that was freed is given to somebody else by writing a canary over it: a late write
 * shows.
 */
#include "win.h"

#include <stdlib.h>
#include <string.h>

enum {
	FILE_NBYTES = 8 << 20,
	EACH = 32 << 10,
	COUNT = FILE_NBYTES / EACH,
	CANARY = 0x5a
};

static IDStorageFile *file;

static void enqueue_all(IDStorageQueue3 *q, unsigned char *to, UINT64 tag, UINT64 step)
{
	for (unsigned int i = 0; i < COUNT; i++) {
		DSTORAGE_REQUEST r =
			file_to_memory(file, (uint64_t)i * EACH, EACH, to + (size_t)i * EACH);

		r.CancellationTag = tag + i * step;
		q->lpVtbl->EnqueueRequest(q, &r);
	}
}

/* Before the submit nothing is under way: exactly the matching ones are dropped. */
static void test_unsubmitted(void)
{
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 8192, NULL);
	IDStorageStatusArray *a = make_status_array(1);
	unsigned char *buf = pages(FILE_NBYTES, PAGE_READWRITE);

	memset(buf, CANARY, FILE_NBYTES);
	enqueue_all(q, buf, 0x100, 1);
	q->lpVtbl->EnqueueStatus(q, a, 0);
	/* A value with bits outside the mask matches nothing. */
	q->lpVtbl->CancelRequestsWithTag(q, 0x1, 0x3);
	/* The odd ones. */
	q->lpVtbl->CancelRequestsWithTag(q, 0x1, 0x1);
	submit_and_wait(q);
	for (unsigned int i = 0; i < COUNT; i++) {
		unsigned char *at = buf + (size_t)i * EACH;

		if (i % 2)
			REQUIRE(bytes_are(at, EACH, CANARY));
		else
			pattern_require(at, 256, 2, (uint64_t)i * EACH);
	}
	/* Cancelling is no failure. */
	REQUIRE_OK(a->lpVtbl->GetHResult(a, 0));
	require_no_failure(q);
	free_pages(buf);
	release(a);
	release(q);
}

/* Cancels and frees everything at once: memory, status array, file, event. */
static void test_free_at_once(void)
{
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 8192, NULL);

	for (unsigned int round = 0; round < 40; round++) {
		unsigned char *buf = pages(FILE_NBYTES, PAGE_READWRITE);
		IDStorageStatusArray *a = make_status_array(1);
		HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
		IDStorageFile *own = open_file(L"cancel.bin");

		enqueue_all(q, buf, 7, 0);
		q->lpVtbl->EnqueueStatus(q, a, 0);
		q->lpVtbl->EnqueueSetEvent(q, event);
		q->lpVtbl->Submit(q);
		for (unsigned int spin = 0; spin < round * 2000; spin++)
			YieldProcessor();
		q->lpVtbl->CancelRequestsWithTag(q, ~UINT64_C(0), 7);
		memset(buf, CANARY, FILE_NBYTES);
		release(a);
		release(own);
		CloseHandle(event);
		Sleep(round % 4);
		REQUIRE(bytes_are(buf, FILE_NBYTES, CANARY));
		free_pages(buf);
	}
	submit_and_wait(q);
	require_no_failure(q);
	release(q);
}

/* Markers behind cancelled requests fire. */
static void test_markers(void)
{
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 8192, NULL);
	IDStorageStatusArray *a = make_status_array(2);
	HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
	unsigned char *buf = pages(FILE_NBYTES, PAGE_READWRITE);

	for (unsigned int round = 0; round < 20; round++) {
		DSTORAGE_REQUEST bad = file_to_memory(file, FILE_NBYTES, 1, buf);

		bad.CancellationTag = 1;
		enqueue_all(q, buf, 2, 0);
		q->lpVtbl->EnqueueStatus(q, a, 0);
		q->lpVtbl->EnqueueRequest(q, &bad);
		enqueue_all(q, buf, 2, 0);
		q->lpVtbl->EnqueueStatus(q, a, 1);
		q->lpVtbl->EnqueueSetEvent(q, event);
		q->lpVtbl->Submit(q);
		q->lpVtbl->CancelRequestsWithTag(q, 0xff, 2);
		wait_for(event);
		REQUIRE_OK(a->lpVtbl->GetHResult(a, 0));
		REQUIRE_HR(a->lpVtbl->GetHResult(a, 1), E_DSTORAGE_END_OF_FILE);
	}
	free_pages(buf);
	CloseHandle(event);
	release(a);
	release(q);
}

/* After Close() nothing completes any more, and nothing is written. */
static void test_close(void)
{
	for (unsigned int round = 0; round < 20; round++) {
		IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 8192, NULL);
		unsigned char *buf = pages(FILE_NBYTES, PAGE_READWRITE);
		HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
		DSTORAGE_REQUEST r = file_to_memory(file, 0, EACH, buf);

		enqueue_all(q, buf, 7, 0);
		q->lpVtbl->EnqueueSetEvent(q, event);
		q->lpVtbl->Submit(q);
		Sleep(round % 3);
		q->lpVtbl->Close(q);
		WaitForSingleObject(event, 0);
		memset(buf, CANARY, FILE_NBYTES);
		q->lpVtbl->EnqueueRequest(q, &r);
		q->lpVtbl->EnqueueSetEvent(q, event);
		q->lpVtbl->Submit(q);
		q->lpVtbl->Close(q);
		REQUIRE_CMP(WaitForSingleObject(event, 5), ==, WAIT_TIMEOUT);
		REQUIRE(bytes_are(buf, FILE_NBYTES, CANARY));
		free_pages(buf);
		CloseHandle(event);
		release(q);
	}
}

/* The last release waits for what was submitted; the marker fires. */
static void test_release(void)
{
	for (unsigned int round = 0; round < 20; round++) {
		IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 8192, NULL);
		unsigned char *buf = pages(FILE_NBYTES, PAGE_READWRITE);
		HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);

		enqueue_all(q, buf, 7, 0);
		q->lpVtbl->EnqueueSetEvent(q, event);
		q->lpVtbl->Submit(q);
		REQUIRE_CMP(release(q), ==, 0);
		REQUIRE_CMP(WaitForSingleObject(event, 0), ==, WAIT_OBJECT_0);
		pattern_require(buf + FILE_NBYTES - EACH, EACH, 2, FILE_NBYTES - EACH);
		memset(buf, CANARY, FILE_NBYTES);
		free_pages(buf);
		CloseHandle(event);
	}
}

struct canceller {
	IDStorageQueue3 *queue;
	volatile LONG stop;
};

static DWORD WINAPI cancel_always(void *arg)
{
	struct canceller *c = arg;
	UINT64 tag = 0;

	while (!c->stop)
		c->queue->lpVtbl->CancelRequestsWithTag(c->queue, 7, tag++ & 7);
	return 0;
}

/* One thread cancels while another enqueues and waits. */
static void test_threads(void)
{
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 512, NULL);
	struct canceller c = { q, 0 };
	HANDLE thread = CreateThread(NULL, 0, cancel_always, &c, 0, NULL);
	unsigned char *buf = pages(FILE_NBYTES, PAGE_READWRITE);

	for (unsigned int round = 0; round < 30; round++) {
		enqueue_all(q, buf, 0, 1);
		submit_and_wait(q);
	}
	InterlockedExchange(&c.stop, 1);
	wait_for(thread);
	CloseHandle(thread);
	require_no_failure(q);
	free_pages(buf);
	release(q);
}

/* While it waits for room, a queue may be closed by another thread. */
static DWORD WINAPI close_soon(void *arg)
{
	IDStorageQueue3 *q = arg;

	Sleep(20);
	q->lpVtbl->Close(q);
	return 0;
}

static void test_close_while_enqueuing(void)
{
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);
	unsigned char *buf = pages(FILE_NBYTES, PAGE_READWRITE);
	HANDLE thread = CreateThread(NULL, 0, close_soon, q, 0, NULL);

	while (WaitForSingleObject(thread, 0) == WAIT_TIMEOUT)
		enqueue_all(q, buf, 0, 0);
	CloseHandle(thread);
	free_pages(buf);
	REQUIRE_CMP(release(q), ==, 0);
}

static const struct test tests[] = {
	{ "unsubmitted", test_unsubmitted },
	{ "free_at_once", test_free_at_once },
	{ "markers", test_markers },
	{ "close", test_close },
	{ "release", test_release },
	{ "threads", test_threads },
	{ "close_while_enqueuing", test_close_while_enqueuing },
};

int wmain(int argc, WCHAR **argv)
{
	int status;

	write_pattern_file(L"cancel.bin", FILE_NBYTES, 2);
	file = open_file(L"cancel.bin");
	status = run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
	release(file);
	return status;
}
