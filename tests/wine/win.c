/* SPDX-License-Identifier: MIT */
/* win.c: see win.h. */
#include "win.h"

#include <stdlib.h>
#include <string.h>

#define EXIT_FAILED  3
#define EXIT_SKIPPED 77
#define WAIT_MS	     60000

/* ------------------------------------------------------------------ checks */

static void end(UINT status)
{
	fflush(stdout);
	fflush(stderr);
	ExitProcess(status);
}

void fail_cmp(const char *file, int line, const char *text, long long left, long long right)
{
	fprintf(stderr, "%s:%d: REQUIRE_CMP(%s) failed: left is %lld (0x%llx), right is %lld\n",
		file, line, text, left, left, right);
	end(EXIT_FAILED);
	abort();
}

void fail_hresult(const char *file, int line, const char *text, HRESULT left, HRESULT right)
{
	fprintf(stderr, "%s:%d: REQUIRE_HR(%s) failed: left is %08lx, right is %08lx\n", file, line,
		text, left, right);
	end(EXIT_FAILED);
	abort();
}

void fail(const char *file, int line, const char *text)
{
	fprintf(stderr, "%s:%d: REQUIRE(%s) failed\n", file, line, text);
	end(EXIT_FAILED);
	abort();
}

void skip(const char *why)
{
	printf("skipped: %s\n", why);
	end(EXIT_SKIPPED);
	abort();
}

static bool is_wanted(const char *name, int argc, WCHAR **argv)
{
	for (int i = 1; i < argc; i++) {
		char text[128];

		WideCharToMultiByte(CP_UTF8, 0, argv[i], -1, text, sizeof(text), NULL, NULL);
		if (!strcmp(text, name))
			return true;
	}
	return argc < 2;
}

int run_tests(const struct test *tests, unsigned int count, int argc, WCHAR **argv)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	setvbuf(stderr, NULL, _IONBF, 0);
	for (unsigned int i = 0; i < count; i++) {
		if (!is_wanted(tests[i].name, argc, argv))
			continue;
		printf("%s\n", tests[i].name);
		tests[i].run();
	}
	return 0;
}

/* -------------------------------------------------------------------- data */

static uint64_t mix(uint64_t v)
{
	v += UINT64_C(0x9e3779b97f4a7c15);
	v = (v ^ (v >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	v = (v ^ (v >> 27)) * UINT64_C(0x94d049bb133111eb);
	return v ^ (v >> 31);
}

static unsigned char pattern_byte(unsigned int seed, uint64_t at)
{
	uint64_t v = mix((uint64_t)seed << 48 ^ at / 8);
	unsigned char byte = (unsigned char)(v >> at % 8 * 8);

	/* Few different letters, and runs of them. */
	return seed % 2 ? (unsigned char)('a' + (v & 7)) : byte;
}

void pattern_fill(void *buf, uint64_t nbytes, unsigned int seed, uint64_t offset)
{
	unsigned char *p = buf;

	for (uint64_t i = 0; i < nbytes; i++)
		p[i] = pattern_byte(seed, offset + i);
}

void pattern_require(const void *buf, uint64_t nbytes, unsigned int seed, uint64_t offset)
{
	const unsigned char *p = buf;

	for (uint64_t i = 0; i < nbytes; i++) {
		if (p[i] == pattern_byte(seed, offset + i))
			continue;
		fprintf(stderr, "byte %llu of %llu is %02x, not %02x\n", (unsigned long long)i,
			(unsigned long long)nbytes, p[i], pattern_byte(seed, offset + i));
		fail(__FILE__, __LINE__, "the pattern");
	}
}

bool bytes_are(const void *buf, uint64_t nbytes, unsigned char value)
{
	const unsigned char *p = buf;

	for (uint64_t i = 0; i < nbytes; i++)
		if (p[i] != value)
			return false;
	return true;
}

void write_file(const WCHAR *name, const void *data, uint64_t nbytes)
{
	HANDLE h = CreateFileW(name, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
	DWORD written;

	REQUIRE(h != INVALID_HANDLE_VALUE);
	REQUIRE(WriteFile(h, data, (DWORD)nbytes, &written, NULL));
	REQUIRE_CMP(written, ==, nbytes);
	CloseHandle(h);
}

void write_pattern_file(const WCHAR *name, uint64_t nbytes, unsigned int seed)
{
	void *data = malloc(nbytes + 1);

	REQUIRE(data);
	pattern_fill(data, nbytes, seed, 0);
	write_file(name, data, nbytes);
	free(data);
}

void *read_file(const WCHAR *name, uint64_t *nbytes)
{
	HANDLE h = CreateFileW(name, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
	LARGE_INTEGER size;
	void *data;
	DWORD n;

	REQUIRE(h != INVALID_HANDLE_VALUE);
	REQUIRE(GetFileSizeEx(h, &size));
	data = malloc((size_t)size.QuadPart + 1);
	REQUIRE(data);
	REQUIRE(ReadFile(h, data, (DWORD)size.QuadPart, &n, NULL));
	CloseHandle(h);
	*nbytes = n;
	return data;
}

void *pages(uint64_t nbytes, DWORD protection)
{
	void *p = VirtualAlloc(NULL, (SIZE_T)nbytes, MEM_COMMIT | MEM_RESERVE, protection);

	REQUIRE(p);
	return p;
}

void free_pages(void *p)
{
	REQUIRE(VirtualFree(p, 0, MEM_RELEASE));
}

void *compress(DSTORAGE_COMPRESSION_FORMAT format, const void *data, size_t nbytes,
	       size_t *compressed)
{
	IDStorageCompressionCodec *codec;
	size_t bound;
	void *out;

	REQUIRE_OK(DStorageCreateCompressionCodec(format, 0, &IID_IDStorageCompressionCodec,
						  (void **)&codec));
	bound = codec->lpVtbl->CompressBufferBound(codec, nbytes);
	out = malloc(bound);
	REQUIRE(out);
	REQUIRE_OK(codec->lpVtbl->CompressBuffer(codec, data, nbytes, DSTORAGE_COMPRESSION_DEFAULT,
						 out, bound, compressed));
	release(codec);
	return out;
}

/* ----------------------------------------------------------------- objects */

IDStorageFactory *get_factory(void)
{
	IDStorageFactory *f;

	REQUIRE_OK(DStorageGetFactory(&IID_IDStorageFactory, (void **)&f));
	return f;
}

IDStorageFile *open_file(const WCHAR *name)
{
	IDStorageFactory *f = get_factory();
	IDStorageFile *file;

	REQUIRE_OK(f->lpVtbl->OpenFile(f, name, &IID_IDStorageFile, (void **)&file));
	release(f);
	return file;
}

IDStorageQueue3 *make_queue(DSTORAGE_REQUEST_SOURCE_TYPE source, UINT16 capacity,
			    ID3D12Device *device)
{
	DSTORAGE_QUEUE_DESC desc = { source, capacity, DSTORAGE_PRIORITY_NORMAL, "test", device };
	IDStorageFactory *f = get_factory();
	IDStorageQueue3 *q;

	REQUIRE_OK(f->lpVtbl->CreateQueue(f, &desc, &IID_IDStorageQueue3, (void **)&q));
	release(f);
	return q;
}

IDStorageStatusArray *make_status_array(UINT32 capacity)
{
	IDStorageFactory *f = get_factory();
	IDStorageStatusArray *a;

	REQUIRE_OK(f->lpVtbl->CreateStatusArray(f, capacity, "test", &IID_IDStorageStatusArray,
						(void **)&a));
	release(f);
	return a;
}

ULONG release(void *object)
{
	IUnknown *u = object;

	return u->lpVtbl->Release(u);
}

DSTORAGE_REQUEST file_to_memory(IDStorageFile *file, uint64_t offset, UINT32 nbytes, void *to)
{
	DSTORAGE_REQUEST r;

	memset(&r, 0, sizeof(r));
	r.Options.SourceType = DSTORAGE_REQUEST_SOURCE_FILE;
	r.Options.DestinationType = DSTORAGE_REQUEST_DESTINATION_MEMORY;
	r.Source.File.Source = file;
	r.Source.File.Offset = offset;
	r.Source.File.Size = nbytes;
	r.Destination.Memory.Buffer = to;
	r.Destination.Memory.Size = nbytes;
	r.UncompressedSize = nbytes;
	return r;
}

DSTORAGE_REQUEST memory_to_memory(const void *from, UINT32 nbytes, void *to)
{
	DSTORAGE_REQUEST r;

	memset(&r, 0, sizeof(r));
	r.Options.SourceType = DSTORAGE_REQUEST_SOURCE_MEMORY;
	r.Options.DestinationType = DSTORAGE_REQUEST_DESTINATION_MEMORY;
	r.Source.Memory.Source = from;
	r.Source.Memory.Size = nbytes;
	r.Destination.Memory.Buffer = to;
	r.Destination.Memory.Size = nbytes;
	r.UncompressedSize = nbytes;
	return r;
}

void wait_for(HANDLE event)
{
	REQUIRE_CMP(WaitForSingleObject(event, WAIT_MS), ==, WAIT_OBJECT_0);
}

void submit_and_wait(IDStorageQueue3 *q)
{
	HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);

	q->lpVtbl->EnqueueSetEvent(q, event);
	q->lpVtbl->Submit(q);
	wait_for(event);
	CloseHandle(event);
}

HRESULT run_request(IDStorageQueue3 *q, const DSTORAGE_REQUEST *r)
{
	IDStorageStatusArray *a = make_status_array(1);
	HRESULT hr;

	q->lpVtbl->EnqueueRequest(q, r);
	q->lpVtbl->EnqueueStatus(q, a, 0);
	submit_and_wait(q);
	REQUIRE(a->lpVtbl->IsComplete(a, 0));
	hr = a->lpVtbl->GetHResult(a, 0);
	release(a);
	return hr;
}

void forget_failures(IDStorageQueue3 *q)
{
	DSTORAGE_ERROR_RECORD record;

	q->lpVtbl->RetrieveErrorRecord(q, &record);
	ResetEvent(q->lpVtbl->GetErrorEvent(q));
}

void require_no_failure(IDStorageQueue3 *q)
{
	DSTORAGE_ERROR_RECORD record;

	memset(&record, 0xff, sizeof(record));
	q->lpVtbl->RetrieveErrorRecord(q, &record);
	REQUIRE_CMP(record.FailureCount, ==, 0);
	REQUIRE_OK(record.FirstFailure.HResult);
	REQUIRE_CMP(record.FirstFailure.CommandType, ==, DSTORAGE_COMMAND_TYPE_NONE);
}
