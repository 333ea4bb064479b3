/* SPDX-License-Identifier: MIT */
/*
 * test_markers.c: status entries, events, and the error record: when they come, in which order,
 * what they say, and that they come after failures too.
 */
#include "win.h"

#include <stdlib.h>
#include <string.h>

enum {
	NBYTES = 4000
};

static IDStorageFile *file;
static unsigned char buf[NBYTES];
static unsigned char wasted[NBYTES]; /* where failing requests leave what they had */

static IDStorageQueue3 *new_queue(void)
{
	return make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 256, NULL);
}

static void enqueue_good(IDStorageQueue3 *q)
{
	DSTORAGE_REQUEST r = file_to_memory(file, 0, NBYTES, buf);

	q->lpVtbl->EnqueueRequest(q, &r);
}

static void enqueue_bad(IDStorageQueue3 *q, HRESULT how, const char *name)
{
	DSTORAGE_REQUEST r = file_to_memory(file, 0, NBYTES, wasted);

	if (how == E_DSTORAGE_END_OF_FILE)
		r.Source.File.Offset = 1;
	else
		r.Destination.Memory.Size = 1;
	r.Name = name;
	q->lpVtbl->EnqueueRequest(q, &r);
}

static HRESULT status_of(IDStorageStatusArray *a, UINT32 i)
{
	return a->lpVtbl->GetHResult(a, i);
}

static void test_status(void)
{
	IDStorageQueue3 *q = new_queue();
	IDStorageStatusArray *a = make_status_array(4);

	/* Never enqueued: not pending, and no success. */
	REQUIRE(a->lpVtbl->IsComplete(a, 0));
	REQUIRE(FAILED(status_of(a, 0)));
	REQUIRE_HR(status_of(a, 4), E_DSTORAGE_INDEX_BOUND);
	enqueue_good(q);
	q->lpVtbl->EnqueueStatus(q, a, 0);
	/* Pending from here on, before the submit. */
	REQUIRE(!a->lpVtbl->IsComplete(a, 0));
	REQUIRE_HR(status_of(a, 0), E_PENDING);
	enqueue_good(q);
	enqueue_bad(q, E_DSTORAGE_INVALID_DESTINATION_SIZE, NULL);
	enqueue_bad(q, E_DSTORAGE_END_OF_FILE, NULL);
	q->lpVtbl->EnqueueStatus(q, a, 1);
	enqueue_good(q);
	q->lpVtbl->EnqueueStatus(q, a, 2);
	/* Nothing since the last one. */
	q->lpVtbl->EnqueueStatus(q, a, 3);
	submit_and_wait(q);
	REQUIRE_OK(status_of(a, 0));
	REQUIRE_HR(status_of(a, 1), E_DSTORAGE_INVALID_DESTINATION_SIZE);
	REQUIRE_OK(status_of(a, 2));
	REQUIRE_OK(status_of(a, 3));
	/* Again, for something else. */
	enqueue_bad(q, E_DSTORAGE_END_OF_FILE, NULL);
	q->lpVtbl->EnqueueStatus(q, a, 0);
	REQUIRE(!a->lpVtbl->IsComplete(a, 0));
	submit_and_wait(q);
	REQUIRE_HR(status_of(a, 0), E_DSTORAGE_END_OF_FILE);
	release(a);
	release(q);
}

/* Events do not split the range of a status entry. */
static void test_event_in_range(void)
{
	IDStorageQueue3 *q = new_queue();
	IDStorageStatusArray *a = make_status_array(1);
	HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);

	enqueue_bad(q, E_DSTORAGE_END_OF_FILE, NULL);
	q->lpVtbl->EnqueueSetEvent(q, event);
	enqueue_good(q);
	q->lpVtbl->EnqueueStatus(q, a, 0);
	submit_and_wait(q);
	wait_for(event);
	REQUIRE_HR(status_of(a, 0), E_DSTORAGE_END_OF_FILE);
	CloseHandle(event);
	release(a);
	release(q);
}

/* The first in the order of enqueuing, not the first to fail: the bad size fails at once. */
static void test_first_failure(void)
{
	IDStorageQueue3 *q = new_queue();
	IDStorageStatusArray *a = make_status_array(1);
	DSTORAGE_ERROR_RECORD record;

	enqueue_good(q);
	enqueue_bad(q, E_DSTORAGE_END_OF_FILE, "the first");
	enqueue_bad(q, E_DSTORAGE_INVALID_DESTINATION_SIZE, "the second");
	enqueue_bad(q, E_DSTORAGE_INVALID_DESTINATION_SIZE, NULL);
	q->lpVtbl->EnqueueStatus(q, a, 0);
	submit_and_wait(q);
	REQUIRE_HR(status_of(a, 0), E_DSTORAGE_END_OF_FILE);
	REQUIRE_CMP(WaitForSingleObject(q->lpVtbl->GetErrorEvent(q), 0), ==, WAIT_OBJECT_0);
	q->lpVtbl->RetrieveErrorRecord(q, &record);
	REQUIRE_CMP(record.FailureCount, ==, 3);
	REQUIRE_HR(record.FirstFailure.HResult, E_DSTORAGE_END_OF_FILE);
	REQUIRE_CMP(record.FirstFailure.CommandType, ==, DSTORAGE_COMMAND_TYPE_REQUEST);
	REQUIRE(!strcmp(record.FirstFailure.Request.RequestName, "the first"));
	REQUIRE(!wcscmp(record.FirstFailure.Request.Filename, L"markers.bin"));
	REQUIRE(record.FirstFailure.Request.Request.Source.File.Source == file);
	REQUIRE_CMP(record.FirstFailure.Request.Request.Source.File.Offset, ==, 1);
	/* It starts afresh. */
	require_no_failure(q);
	q->lpVtbl->RetrieveErrorRecord(q, NULL);
	REQUIRE_CMP(WaitForSingleObject(q->lpVtbl->GetErrorEvent(q), 0), ==, WAIT_TIMEOUT);
	release(a);
	release(q);
}

static void test_long_name(void)
{
	IDStorageQueue3 *q = new_queue();
	DSTORAGE_ERROR_RECORD record;
	char name[200];

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = 0;
	enqueue_bad(q, E_DSTORAGE_END_OF_FILE, name);
	submit_and_wait(q);
	q->lpVtbl->RetrieveErrorRecord(q, &record);
	REQUIRE_CMP(strlen(record.FirstFailure.Request.RequestName), ==, 63);
	release(q);
}

/* What is wrong with a marker is a failure of its own kind. */
static void test_bad_markers(void)
{
	IDStorageQueue3 *q = new_queue();
	IDStorageStatusArray *a = make_status_array(2);
	IDStorageStatusArray not_ours = { NULL };
	DSTORAGE_ERROR_RECORD record;

	q->lpVtbl->EnqueueStatus(q, a, 2);
	submit_and_wait(q);
	q->lpVtbl->RetrieveErrorRecord(q, &record);
	REQUIRE_HR(record.FirstFailure.HResult, E_DSTORAGE_INDEX_BOUND);
	REQUIRE_CMP(record.FirstFailure.CommandType, ==, DSTORAGE_COMMAND_TYPE_STATUS);
	REQUIRE(record.FirstFailure.Status.StatusArray == a);
	REQUIRE_CMP(record.FirstFailure.Status.Index, ==, 2);

	q->lpVtbl->EnqueueStatus(q, NULL, 0);
	q->lpVtbl->EnqueueStatus(q, &not_ours, 0);
	submit_and_wait(q);
	q->lpVtbl->RetrieveErrorRecord(q, &record);
	REQUIRE_CMP(record.FailureCount, ==, 2);
	REQUIRE_HR(record.FirstFailure.HResult, E_DSTORAGE_INVALID_STATUS_ARRAY);

	q->lpVtbl->EnqueueSignal(q, NULL, 77);
	submit_and_wait(q);
	q->lpVtbl->RetrieveErrorRecord(q, &record);
	REQUIRE_HR(record.FirstFailure.HResult, E_DSTORAGE_INVALID_FENCE);
	REQUIRE_CMP(record.FirstFailure.CommandType, ==, DSTORAGE_COMMAND_TYPE_SIGNAL);
	REQUIRE_CMP(record.FirstFailure.Signal.Value, ==, 77);

	q->lpVtbl->EnqueueSetEvent(q, (HANDLE)(uintptr_t)0x12344);
	q->lpVtbl->EnqueueSetEvent(q, NULL);
	q->lpVtbl->EnqueueSetEvent(q, INVALID_HANDLE_VALUE);
	submit_and_wait(q);
	q->lpVtbl->RetrieveErrorRecord(q, &record);
	REQUIRE_CMP(record.FailureCount, ==, 3);
	REQUIRE(FAILED(record.FirstFailure.HResult));
	REQUIRE_CMP(record.FirstFailure.CommandType, ==, DSTORAGE_COMMAND_TYPE_EVENT);
	REQUIRE(record.FirstFailure.Event.Handle == (HANDLE)(uintptr_t)0x12344);
	release(a);
	release(q);
}

/* Nothing starts, and nothing fires, before the submit. */
static void test_submit(void)
{
	IDStorageQueue3 *q = new_queue();
	HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);

	memset(buf, 0, sizeof(buf));
	q->lpVtbl->EnqueueSetEvent(q, event);
	enqueue_good(q);
	REQUIRE_CMP(WaitForSingleObject(event, 100), ==, WAIT_TIMEOUT);
	REQUIRE(bytes_are(buf, NBYTES, 0));
	q->lpVtbl->Submit(q);
	wait_for(event);
	submit_and_wait(q);
	pattern_require(buf, NBYTES, 2, 0);
	CloseHandle(event);
	release(q);
}

/* The program may close its handle once it is enqueued. */
static void test_closed_event(void)
{
	IDStorageQueue3 *q = new_queue();
	HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL), copy;

	REQUIRE(DuplicateHandle(GetCurrentProcess(), event, GetCurrentProcess(), &copy, 0, FALSE,
				DUPLICATE_SAME_ACCESS));
	enqueue_good(q);
	q->lpVtbl->EnqueueSetEvent(q, event);
	CloseHandle(event);
	q->lpVtbl->Submit(q);
	wait_for(copy);
	CloseHandle(copy);
	require_no_failure(q);
	release(q);
}

/* Before an event of one thread is seen, so is the status, the error event and the data. */
static void test_ready_before_event(void)
{
	enum {
		ROUNDS = 300
	};
	IDStorageQueue3 *q = new_queue();
	IDStorageStatusArray *a = make_status_array(1);
	HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
	DSTORAGE_ERROR_RECORD record;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		memset(buf, 0, sizeof(buf));
		enqueue_good(q);
		if (i % 2)
			enqueue_bad(q, E_DSTORAGE_END_OF_FILE, NULL);
		q->lpVtbl->EnqueueStatus(q, a, 0);
		q->lpVtbl->EnqueueSetEvent(q, event);
		q->lpVtbl->Submit(q);
		wait_for(event);
		REQUIRE_HR(status_of(a, 0), i % 2 ? E_DSTORAGE_END_OF_FILE : S_OK);
		REQUIRE_CMP(WaitForSingleObject(q->lpVtbl->GetErrorEvent(q), 0), ==,
			    i % 2 ? WAIT_OBJECT_0 : WAIT_TIMEOUT);
		q->lpVtbl->RetrieveErrorRecord(q, &record);
		REQUIRE_CMP(record.FailureCount, ==, i % 2);
		pattern_require(buf, 100, 2, 0);
	}
	CloseHandle(event);
	release(a);
	release(q);
}

/* Two queues, three indices, one array. */
static void test_shared_array(void)
{
	IDStorageQueue3 *a = new_queue(), *b = new_queue();
	IDStorageStatusArray *array = make_status_array(3);

	enqueue_good(a);
	a->lpVtbl->EnqueueStatus(a, array, 2);
	enqueue_bad(b, E_DSTORAGE_END_OF_FILE, NULL);
	b->lpVtbl->EnqueueStatus(b, array, 0);
	enqueue_good(b);
	b->lpVtbl->EnqueueStatus(b, array, 1);
	submit_and_wait(a);
	REQUIRE_OK(status_of(array, 2));
	REQUIRE_HR(status_of(array, 0), E_PENDING);
	submit_and_wait(b);
	REQUIRE_HR(status_of(array, 0), E_DSTORAGE_END_OF_FILE);
	REQUIRE_OK(status_of(array, 1));
	release(array);
	release(b);
	release(a);
}

/* Debug flags of any value change nothing that a program sees. */
static void test_debug_flags(void)
{
	IDStorageFactory *f = get_factory();
	IDStorageQueue3 *q = new_queue();
	DSTORAGE_ERROR_RECORD record;

	f->lpVtbl->SetDebugFlags(f, 0xffffffff);
	enqueue_bad(q, E_DSTORAGE_END_OF_FILE, "shown");
	submit_and_wait(q);
	q->lpVtbl->RetrieveErrorRecord(q, &record);
	REQUIRE_CMP(record.FailureCount, ==, 1);
	f->lpVtbl->SetDebugFlags(f, DSTORAGE_DEBUG_NONE);
	release(q);
	release(f);
}

static const struct test tests[] = {
	{ "status", test_status },
	{ "event_in_range", test_event_in_range },
	{ "first_failure", test_first_failure },
	{ "long_name", test_long_name },
	{ "bad_markers", test_bad_markers },
	{ "submit", test_submit },
	{ "closed_event", test_closed_event },
	{ "ready_before_event", test_ready_before_event },
	{ "shared_array", test_shared_array },
	{ "debug_flags", test_debug_flags },
};

int wmain(int argc, WCHAR **argv)
{
	int status;

	write_pattern_file(L"markers.bin", NBYTES, 2);
	file = open_file(L"markers.bin");
	status = run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
	release(file);
	return status;
}
