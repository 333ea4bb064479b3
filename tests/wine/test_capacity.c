/* SPDX-License-Identifier: MIT */
/* test_capacity.c: slots, the automatic submit, waiting for room, and many threads on one queue. */
#include "win.h"

#include <stdlib.h>
#include <string.h>

enum {
	NBYTES = 64
};

static IDStorageFile *file;

static DSTORAGE_QUEUE_INFO query(IDStorageQueue3 *q)
{
	DSTORAGE_QUEUE_INFO info;

	memset(&info, 0xff, sizeof(info));
	q->lpVtbl->Query(q, &info);
	return info;
}

static void test_query(void)
{
	DSTORAGE_QUEUE_DESC desc = { DSTORAGE_REQUEST_SOURCE_FILE, 200, DSTORAGE_PRIORITY_HIGH,
				     "named", NULL };
	IDStorageStatusArray *a = make_status_array(1);
	IDStorageFactory *f = get_factory();
	unsigned char buf[NBYTES];
	DSTORAGE_REQUEST r = file_to_memory(file, 0, NBYTES, buf);
	DSTORAGE_QUEUE_INFO info;
	IDStorageQueue3 *q;

	REQUIRE_OK(f->lpVtbl->CreateQueue(f, &desc, &IID_IDStorageQueue3, (void **)&q));
	info = query(q);
	REQUIRE_CMP(info.Desc.SourceType, ==, DSTORAGE_REQUEST_SOURCE_FILE);
	REQUIRE_CMP(info.Desc.Capacity, ==, 200);
	REQUIRE_CMP(info.Desc.Priority, ==, DSTORAGE_PRIORITY_HIGH);
	REQUIRE(!strcmp(info.Desc.Name, "named"));
	REQUIRE(!info.Desc.Device);
	REQUIRE_CMP(info.EmptySlotCount, ==, 199);
	REQUIRE_CMP(info.RequestCountUntilAutoSubmit, ==, 100);
	q->lpVtbl->EnqueueRequest(q, &r);
	q->lpVtbl->EnqueueStatus(q, a, 0);
	info = query(q);
	REQUIRE_CMP(info.EmptySlotCount, ==, 197);
	REQUIRE_CMP(info.RequestCountUntilAutoSubmit, ==, 98);
	submit_and_wait(q);
	/* Its own event's slot may be a moment late. */
	submit_and_wait(q);
	REQUIRE_CMP(query(q).EmptySlotCount, >=, 198);
	REQUIRE_CMP(query(q).RequestCountUntilAutoSubmit, ==, 100);
	q->lpVtbl->Query(q, NULL);
	release(q);
	release(a);
	release(f);
}

/* Half a queue goes off by itself. */
static void test_auto_submit(void)
{
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);
	HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
	unsigned char buf[NBYTES];
	DSTORAGE_REQUEST r = file_to_memory(file, 0, NBYTES, buf);

	for (unsigned int i = 0; i < 62; i++)
		q->lpVtbl->EnqueueRequest(q, &r);
	q->lpVtbl->EnqueueSetEvent(q, event);
	REQUIRE_CMP(query(q).RequestCountUntilAutoSubmit, ==, 1);
	REQUIRE_CMP(WaitForSingleObject(event, 50), ==, WAIT_TIMEOUT);
	q->lpVtbl->EnqueueRequest(q, &r);
	wait_for(event);
	REQUIRE_CMP(query(q).RequestCountUntilAutoSubmit, ==, 64);
	CloseHandle(event);
	submit_and_wait(q);
	release(q);
}

/* Enqueuing more than fits waits, and never for ever. */
static void test_overfull(void)
{
	enum {
		COUNT = 5000
	};
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);
	unsigned char *buf = malloc(COUNT * NBYTES);

	for (unsigned int i = 0; i < COUNT; i++) {
		DSTORAGE_REQUEST r = file_to_memory(file, i, NBYTES, buf + i * NBYTES);

		q->lpVtbl->EnqueueRequest(q, &r);
	}
	submit_and_wait(q);
	require_no_failure(q);
	for (unsigned int i = 0; i < COUNT; i++)
		pattern_require(buf + i * NBYTES, NBYTES, 2, i);
	free(buf);
	release(q);
}

/* Markers take slots too, and fire while the program still enqueues. */
static void test_markers_overfull(void)
{
	enum {
		COUNT = 1000
	};
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);
	IDStorageStatusArray *a = make_status_array(COUNT);
	unsigned char buf[NBYTES];
	DSTORAGE_REQUEST r = file_to_memory(file, 0, NBYTES, buf);

	for (unsigned int i = 0; i < COUNT; i++) {
		if (i % 3)
			q->lpVtbl->EnqueueRequest(q, &r);
		q->lpVtbl->EnqueueStatus(q, a, i);
	}
	submit_and_wait(q);
	for (unsigned int i = 0; i < COUNT; i++)
		REQUIRE_OK(a->lpVtbl->GetHResult(a, i));
	release(a);
	release(q);
}

struct filler {
	IDStorageQueue3 *queue;
	unsigned char *buf;
	unsigned int first, count;
};

static DWORD WINAPI fill(void *arg)
{
	const struct filler *f = arg;

	for (unsigned int i = f->first; i < f->first + f->count; i++) {
		DSTORAGE_REQUEST r = file_to_memory(file, i, NBYTES, f->buf + i * NBYTES);

		f->queue->lpVtbl->EnqueueRequest(f->queue, &r);
		if (i % 1000 == 999)
			submit_and_wait(f->queue);
	}
	return 0;
}

/* Four threads fill one queue of the largest size several times over. */
static void test_threads(void)
{
	enum {
		EACH = 6000,
		THREADS = 4
	};
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 8192, NULL);
	unsigned char *buf = malloc(EACH * THREADS * NBYTES);
	struct filler fillers[THREADS];
	HANDLE threads[THREADS];

	for (unsigned int i = 0; i < THREADS; i++) {
		fillers[i] = (struct filler){ q, buf, i * EACH, EACH };
		threads[i] = CreateThread(NULL, 0, fill, &fillers[i], 0, NULL);
	}
	REQUIRE_CMP(WaitForMultipleObjects(THREADS, threads, TRUE, 60000), ==, WAIT_OBJECT_0);
	submit_and_wait(q);
	require_no_failure(q);
	for (unsigned int i = 0; i < EACH * THREADS; i++)
		pattern_require(buf + i * NBYTES, NBYTES, 2, i);
	for (unsigned int i = 0; i < THREADS; i++)
		CloseHandle(threads[i]);
	free(buf);
	release(q);
}

/* Queues of every priority at once. */
static void test_priorities(void)
{
	IDStorageFactory *f = get_factory();
	unsigned char buf[4][1000];
	IDStorageQueue3 *queues[4];

	for (int i = 0; i < 4; i++) {
		DSTORAGE_QUEUE_DESC desc = { DSTORAGE_REQUEST_SOURCE_FILE, 128,
					     (DSTORAGE_PRIORITY)(i - 1), NULL, NULL };
		DSTORAGE_REQUEST r = file_to_memory(file, (uint64_t)i, 1000, buf[i]);

		REQUIRE_OK(f->lpVtbl->CreateQueue(f, &desc, &IID_IDStorageQueue3,
						  (void **)&queues[i]));
		queues[i]->lpVtbl->EnqueueRequest(queues[i], &r);
	}
	for (unsigned int i = 0; i < 4; i++) {
		submit_and_wait(queues[i]);
		require_no_failure(queues[i]);
		pattern_require(buf[i], 1000, 2, i);
		release(queues[i]);
	}
	release(f);
}

static const struct test tests[] = {
	{ "query", test_query },       { "auto_submit", test_auto_submit },
	{ "overfull", test_overfull }, { "markers_overfull", test_markers_overfull },
	{ "threads", test_threads },   { "priorities", test_priorities },
};

int wmain(int argc, WCHAR **argv)
{
	int status;

	write_pattern_file(L"capacity.bin", 100000, 2);
	file = open_file(L"capacity.bin");
	status = run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
	release(file);
	return status;
}
