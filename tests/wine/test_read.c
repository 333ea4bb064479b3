/* SPDX-License-Identifier: MIT */
/*
 * test_read.c: bytes from files and from memory to memory: sizes, offsets, destinations that
 * can and that cannot be written, and requests that make no sense.
 */
#include "win.h"

#include <stdlib.h>
#include <string.h>

#define FILE_NBYTES 3000001u

static IDStorageFile *file;
static IDStorageQueue3 *queue;

static void set_up(void)
{
	write_pattern_file(L"read.bin", FILE_NBYTES, 2);
	file = open_file(L"read.bin");
	queue = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 1024, NULL);
}

static HRESULT read_to(void *to, uint64_t offset, UINT32 nbytes)
{
	DSTORAGE_REQUEST r = file_to_memory(file, offset, nbytes, to);

	return run_request(queue, &r);
}

static void test_sizes(void)
{
	static const UINT32 sizes[] = {
		1, 511, 512, 4095, 4096, 4097, 65536, 1000003, FILE_NBYTES
	};
	static const UINT32 offsets[] = { 0, 1, 4096, 12345 };
	unsigned char *buf = pages(FILE_NBYTES + 64, PAGE_READWRITE);

	for (unsigned int s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		for (unsigned int o = 0; o < sizeof(offsets) / sizeof(offsets[0]); o++) {
			UINT32 n = sizes[s], at = offsets[o];
			unsigned char *to = buf + 1 + s;

			if (at + n > FILE_NBYTES)
				continue;
			memset(buf, 0x5a, FILE_NBYTES + 64);
			REQUIRE_OK(read_to(to, at, n));
			pattern_require(to, n, 2, at);
			REQUIRE(bytes_are(buf, (uint64_t)(to - buf), 0x5a));
			REQUIRE(bytes_are(to + n, 32, 0x5a));
		}
	}
	free_pages(buf);
	require_no_failure(queue);
}

static void test_past_end(void)
{
	unsigned char buf[8192];

	REQUIRE_HR(read_to(buf, FILE_NBYTES - 10, 11), E_DSTORAGE_END_OF_FILE);
	REQUIRE_HR(read_to(buf, FILE_NBYTES, 1), E_DSTORAGE_END_OF_FILE);
	REQUIRE_HR(read_to(buf, UINT64_C(1) << 40, 100), E_DSTORAGE_END_OF_FILE);
	REQUIRE_HR(read_to(buf, UINT64_MAX - 5, 100), E_DSTORAGE_END_OF_FILE);
	REQUIRE_HR(read_to(buf, INT64_MAX, 8000), E_DSTORAGE_END_OF_FILE);
	REQUIRE_OK(read_to(buf, FILE_NBYTES - 10, 10));
}

/* Offsets are 64 bits wide, all the way. */
static void test_far_offset(void)
{
	HANDLE h = CreateFileW(L"far.bin", GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
	LARGE_INTEGER at = { .QuadPart = INT64_C(5) << 30 };
	unsigned char data[1000], buf[1000];
	IDStorageFile *far_file;
	DSTORAGE_REQUEST r;
	DWORD n;

	pattern_fill(data, sizeof(data), 8, 0);
	REQUIRE(SetFilePointerEx(h, at, NULL, FILE_BEGIN));
	REQUIRE(WriteFile(h, data, sizeof(data), &n, NULL));
	CloseHandle(h);
	far_file = open_file(L"far.bin");
	r = file_to_memory(far_file, (uint64_t)at.QuadPart, sizeof(buf), buf);
	REQUIRE_OK(run_request(queue, &r));
	pattern_require(buf, sizeof(buf), 8, 0);
	release(far_file);
	DeleteFileW(L"far.bin");
}

static void test_watched(void)
{
	enum {
		PAGES = 40
	};
	unsigned char *buf = pages(PAGES * 4096, PAGE_READWRITE);
	unsigned char *watched = VirtualAlloc(
		NULL, PAGES * 4096, MEM_COMMIT | MEM_RESERVE | MEM_WRITE_WATCH, PAGE_READWRITE);
	void *written[PAGES];
	ULONG_PTR nr = PAGES;
	ULONG granularity;

	REQUIRE(watched);
	REQUIRE_OK(read_to(watched + 100, 5, 30 * 4096));
	pattern_require(watched + 100, 30 * 4096, 2, 5);
	/* The program learns of the write, as of any other. */
	REQUIRE_CMP(GetWriteWatch(WRITE_WATCH_FLAG_RESET, watched, PAGES * 4096, written, &nr,
				  &granularity),
		    ==, 0);
	REQUIRE_CMP(nr, ==, 31);
	REQUIRE_OK(read_to(watched + 100, 7, 30 * 4096));
	pattern_require(watched + 100, 30 * 4096, 2, 7);
	free_pages(watched);
	free_pages(buf);
}

static void test_unwritable(void)
{
	unsigned char *p = pages(16 * 4096, PAGE_READWRITE);
	DWORD old;

	memset(p, 0x11, 16 * 4096);
	REQUIRE(VirtualProtect(p + 4096, 4096, PAGE_READONLY, &old));
	REQUIRE_HR(read_to(p, 0, 16 * 4096), E_DSTORAGE_ACCESS_VIOLATION);
	REQUIRE(bytes_are(p + 4096, 4096, 0x11));
	REQUIRE(VirtualProtect(p + 4096, 4096, PAGE_NOACCESS, &old));
	REQUIRE_HR(read_to(p + 4096, 0, 10), E_DSTORAGE_ACCESS_VIOLATION);
	free_pages(p);
	/* Reserved, never committed; and nothing at all. */
	p = VirtualAlloc(NULL, 65536, MEM_RESERVE, PAGE_READWRITE);
	REQUIRE_HR(read_to(p, 0, 4096), E_DSTORAGE_ACCESS_VIOLATION);
	free_pages(p);
	REQUIRE_HR(read_to(p, 0, 4096), E_DSTORAGE_ACCESS_VIOLATION);
	REQUIRE_HR(read_to((void *)(uintptr_t)12345, 0, 4096), E_DSTORAGE_ACCESS_VIOLATION);
	REQUIRE_HR(read_to(NULL, 0, 4096), E_DSTORAGE_ACCESS_VIOLATION);
}

static unsigned char in_bss[10000];

static void test_destinations(void)
{
	unsigned char on_stack[10000];
	unsigned char *on_heap = malloc(10000);
	HANDLE section =
		CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 65536, NULL);
	unsigned char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 65536);
	unsigned char *all[] = { on_stack, on_heap, in_bss, view };

	for (unsigned int i = 0; i < 4; i++) {
		REQUIRE_OK(read_to(all[i], 100 + i, 10000));
		pattern_require(all[i], 10000, 2, 100 + i);
	}
	UnmapViewOfFile(view);
	CloseHandle(section);
	free(on_heap);
}

static void test_nonsense(void)
{
	unsigned char buf[100];
	DSTORAGE_REQUEST good = file_to_memory(file, 0, sizeof(buf), buf), r;
	IDStorageFile not_ours = { NULL };

	r = good;
	r.Options.Reserved = 1;
	REQUIRE_HR(run_request(queue, &r), E_DSTORAGE_RESERVED_FIELDS);
	r = good;
	r.Options.SourceType = DSTORAGE_REQUEST_SOURCE_MEMORY;
	REQUIRE_HR(run_request(queue, &r), E_DSTORAGE_INVALID_SOURCE_TYPE);
	r = good;
	r.Source.File.Source = NULL;
	REQUIRE_HR(run_request(queue, &r), E_DSTORAGE_FILE_NOT_OPEN);
	r.Source.File.Source = &not_ours;
	REQUIRE_HR(run_request(queue, &r), E_DSTORAGE_INVALID_FILE_HANDLE);
	r = good;
	r.Destination.Memory.Size = 99;
	REQUIRE_HR(run_request(queue, &r), E_DSTORAGE_INVALID_DESTINATION_SIZE);
	r = good;
	r.Source.File.Size = 0;
	r.Destination.Memory.Size = 0;
	REQUIRE_HR(run_request(queue, &r), E_INVALIDARG);
	r = good;
	r.Options.CompressionFormat = 0x20;
	REQUIRE_HR(run_request(queue, &r), E_INVALIDARG);
	for (unsigned int type = 1; type < 128; type += type < 8 ? 1 : 17) {
		r = good;
		r.Options.DestinationType = type & 0x7f;
		REQUIRE_HR(run_request(queue, &r), E_DSTORAGE_INVALID_DESTINATION_TYPE);
	}
	/* May be 0 or the size; and what was padding once may hold anything. */
	r = good;
	r.UncompressedSize = 0;
	REQUIRE_OK(run_request(queue, &r));
	memset(r.Options.Reserved1, 0xcc, sizeof(r.Options.Reserved1));
	r.Options.GaclTransformType = 2;
	REQUIRE_OK(run_request(queue, &r));
	pattern_require(buf, sizeof(buf), 2, 0);
	queue->lpVtbl->EnqueueRequest(queue, NULL);
	submit_and_wait(queue);
}

static void test_memory(void)
{
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_MEMORY, 128, NULL);
	unsigned char *from = pages(1 << 20, PAGE_READWRITE), *to = pages(1 << 20, PAGE_READWRITE);
	DSTORAGE_REQUEST r;
	DWORD old;

	pattern_fill(from, 1 << 20, 6, 0);
	r = memory_to_memory(from + 3, (1 << 20) - 3, to + 1);
	REQUIRE_OK(run_request(q, &r));
	pattern_require(to + 1, (1 << 20) - 3, 6, 3);
	r = file_to_memory(file, 0, 100, to);
	REQUIRE_HR(run_request(q, &r), E_DSTORAGE_INVALID_SOURCE_TYPE);
	r = memory_to_memory(NULL, 100, to);
	REQUIRE_HR(run_request(q, &r), E_INVALIDARG);
	r = memory_to_memory((void *)(uintptr_t)4096, 100, to);
	REQUIRE_HR(run_request(q, &r), E_DSTORAGE_ACCESS_VIOLATION);
	r = memory_to_memory(from, 100, (void *)(uintptr_t)4096);
	REQUIRE_HR(run_request(q, &r), E_DSTORAGE_ACCESS_VIOLATION);
	REQUIRE(VirtualProtect(to, 4096, PAGE_READONLY, &old));
	r = memory_to_memory(from, 100, to);
	REQUIRE_HR(run_request(q, &r), E_DSTORAGE_ACCESS_VIOLATION);
	/* A source that can only be read is enough. */
	REQUIRE(VirtualProtect(from, 4096, PAGE_READONLY, &old));
	r = memory_to_memory(from, 100, to + 8192);
	REQUIRE_OK(run_request(q, &r));
	free_pages(to);
	/* Copied by a thread that Wine knows, for only that may write here. */
	to = VirtualAlloc(NULL, 1 << 20, MEM_COMMIT | MEM_RESERVE | MEM_WRITE_WATCH,
			  PAGE_READWRITE);
	r = memory_to_memory(from, 1 << 20, to);
	REQUIRE_OK(run_request(q, &r));
	pattern_require(to, 1 << 20, 6, 0);
	free_pages(to);
	free_pages(from);
	release(q);
}

/* One variable for all requests; two queues on one file; thousands at a time. */
static void test_many(void)
{
	enum {
		EACH = 997,
		COUNT = 3000
	};
	IDStorageQueue3 *other = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 8192, NULL);
	unsigned char *a = malloc(EACH * COUNT), *b = malloc(EACH * COUNT);
	DSTORAGE_REQUEST r;

	forget_failures(queue);
	for (unsigned int i = 0; i < COUNT; i++) {
		r = file_to_memory(file, (uint64_t)i * EACH, EACH, a + i * EACH);
		queue->lpVtbl->EnqueueRequest(queue, &r);
		r = file_to_memory(file, (uint64_t)(COUNT - 1 - i) * EACH, EACH,
				   b + (COUNT - 1 - i) * EACH);
		other->lpVtbl->EnqueueRequest(other, &r);
		memset(&r, 0xcc, sizeof(r));
	}
	submit_and_wait(queue);
	submit_and_wait(other);
	require_no_failure(queue);
	require_no_failure(other);
	pattern_require(a, EACH * COUNT, 2, 0);
	pattern_require(b, EACH * COUNT, 2, 0);
	free(a);
	free(b);
	release(other);
}

static const struct test tests[] = {
	{ "sizes", test_sizes },
	{ "past_end", test_past_end },
	{ "far_offset", test_far_offset },
	{ "watched", test_watched },
	{ "unwritable", test_unwritable },
	{ "destinations", test_destinations },
	{ "nonsense", test_nonsense },
	{ "memory", test_memory },
	{ "many", test_many },
};

int wmain(int argc, WCHAR **argv)
{
	int status;

	set_up();
	status = run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
	release(queue);
	release(file);
	return status;
}
