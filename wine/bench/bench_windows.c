/* SPDX-License-Identifier: MIT */
/*
 * bench_windows.c: the Windows side of "dstool bench wine": through dstorage.dll, and as programs
 * without it read.
 *
 * usage: bench_wine dstorage|readfile FOLDER WORKLOAD SECONDS   prints GB/s and CPU s/GB
 *
 * The CPU time is the process's own; wineserver's is not in it.
 *
 * readfile: overlapped ReadFile on a completion port, as many outstanding. For compressed
 * blocks there is no such thing.
 */
#include <stdio.h>
#include <stdlib.h>

#define INITGUID
#include "bench_wine_workload.h"
#include "dstorage/include/dstorage.h"

int wmain(int argc, WCHAR **argv);

struct run {
	const struct workload *w;
	WCHAR path[MAX_PATH];
	struct block_index *index;
	uint64_t nr_blocks;
	uint64_t next;
	unsigned char *buffers;
	uint64_t block_of[GROUPS * 64];

	IDStorageFactory *factory;
	IDStorageFile *file;
	IDStorageQueue3 *queue;
	HANDLE events[GROUPS];

	HANDLE handle, port;
	OVERLAPPED overlapped[GROUPS * 64];
};

static void check(HRESULT hr, const char *what)
{
	if (SUCCEEDED(hr))
		return;
	fprintf(stderr, "%s: %08lx\n", what, hr);
	ExitProcess(1);
}

static void check_last(BOOL ok, const char *what)
{
	if (!ok)
		check(HRESULT_FROM_WIN32(GetLastError()), what);
}

static double now(void)
{
	LARGE_INTEGER count, frequency;

	QueryPerformanceCounter(&count);
	QueryPerformanceFrequency(&frequency);
	return (double)count.QuadPart / (double)frequency.QuadPart;
}

static double cpu_now(void)
{
	FILETIME created, exited, kernel, user;

	check_last(GetProcessTimes(GetCurrentProcess(), &created, &exited, &kernel, &user),
		   "GetProcessTimes");
	return ((double)kernel.dwLowDateTime + (double)user.dwLowDateTime) / 1e7;
}

/* What was read, how fast, and for how much CPU time. */
static void report(const struct run *r, uint64_t nr_blocks, double seconds, double cpu)
{
	double gb = (double)nr_blocks * r->w->nbytes / 1e9;

	printf("%.4f %.4f\n", gb / seconds, cpu / gb);
}

static void look_at_file(struct run *r)
{
	HANDLE h =
		CreateFileW(r->path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
	LARGE_INTEGER size;
	uint32_t n;
	DWORD got;

	check_last(h != INVALID_HANDLE_VALUE && GetFileSizeEx(h, &size), "opening");
	r->nr_blocks = (uint64_t)size.QuadPart / r->w->nbytes;
	if (r->w->is_gdeflate) {
		check_last(ReadFile(h, &n, sizeof(n), &got, NULL), "reading");
		r->index = calloc(n, sizeof(*r->index));
		check_last(ReadFile(h, r->index, (DWORD)(n * sizeof(*r->index)), &got, NULL),
			   "reading");
		r->nr_blocks = n;
	}
	CloseHandle(h);
}

/* Also forgets them: a read that never came is not to be taken for an earlier one. */
static void check_block(struct run *r, unsigned int slot)
{
	uint64_t marks = r->index ? 1 : r->w->nbytes >> 16, mark;
	unsigned char *at = r->buffers + (size_t)slot * r->w->nbytes;

	memcpy(&mark, at, sizeof(mark));
	if (mark != block_mark(r->block_of[slot] * marks)) {
		fprintf(stderr, "wrong bytes\n");
		ExitProcess(1);
	}
	memset(at, 0, sizeof(mark));
}

/* ---------------------------------------------------------------- dstorage */

static void open_dstorage(struct run *r)
{
	DSTORAGE_QUEUE_DESC desc = { DSTORAGE_REQUEST_SOURCE_FILE, 8192, DSTORAGE_PRIORITY_NORMAL,
				     "bench", NULL };

	check(DStorageGetFactory(&IID_IDStorageFactory, (void **)&r->factory), "factory");
	check(r->factory->lpVtbl->OpenFile(r->factory, r->path, &IID_IDStorageFile,
					   (void **)&r->file),
	      "file");
	check(r->factory->lpVtbl->CreateQueue(r->factory, &desc, &IID_IDStorageQueue3,
					      (void **)&r->queue),
	      "queue");
	for (unsigned int g = 0; g < GROUPS; g++)
		r->events[g] = CreateEventW(NULL, FALSE, FALSE, NULL);
}

static void start_group(struct run *r, unsigned int g)
{
	for (unsigned int i = 0; i < r->w->per_group; i++) {
		unsigned int slot = g * r->w->per_group + i;
		uint64_t block = scattered(r->next++, r->nr_blocks);
		DSTORAGE_REQUEST q;

		r->block_of[slot] = block;
		memset(&q, 0, sizeof(q));
		q.Source.File.Source = r->file;
		q.Source.File.Offset = r->index ? r->index[block].offset : block * r->w->nbytes;
		q.Source.File.Size = r->index ? r->index[block].nbytes : r->w->nbytes;
		q.Destination.Memory.Buffer = r->buffers + (size_t)slot * r->w->nbytes;
		q.Destination.Memory.Size = r->w->nbytes;
		q.UncompressedSize = r->w->nbytes;
		if (r->index)
			q.Options.CompressionFormat = DSTORAGE_COMPRESSION_FORMAT_GDEFLATE;
		r->queue->lpVtbl->EnqueueRequest(r->queue, &q);
	}
	r->queue->lpVtbl->EnqueueSetEvent(r->queue, r->events[g]);
	r->queue->lpVtbl->Submit(r->queue);
}

static void finish_group(struct run *r, unsigned int g)
{
	WaitForSingleObject(r->events[g], INFINITE);
	for (unsigned int i = 0; i < r->w->per_group; i++)
		check_block(r, g * r->w->per_group + i);
}

static void measure_dstorage(struct run *r, double seconds)
{
	uint64_t nr_groups = 0;
	double begin, cpu;

	open_dstorage(r);
	for (unsigned int g = 0; g < GROUPS; g++)
		start_group(r, g);
	begin = now();
	cpu = cpu_now();
	while (now() - begin < seconds) {
		finish_group(r, nr_groups % GROUPS);
		start_group(r, nr_groups++ % GROUPS);
	}
	seconds = now() - begin;
	cpu = cpu_now() - cpu;
	for (unsigned int g = 0; g < GROUPS; g++)
		finish_group(r, (unsigned int)((nr_groups + g) % GROUPS));
	r->queue->lpVtbl->Release(r->queue);
	r->file->lpVtbl->Release(r->file);
	r->factory->lpVtbl->Release(r->factory);
	report(r, nr_groups * r->w->per_group, seconds, cpu);
}

/* ---------------------------------------------------------------- readfile */

static void start_read(struct run *r, unsigned int slot)
{
	uint64_t block = scattered(r->next++, r->nr_blocks), at = block * r->w->nbytes;
	OVERLAPPED *o = &r->overlapped[slot];

	r->block_of[slot] = block;
	memset(o, 0, sizeof(*o));
	o->Offset = (DWORD)at;
	o->OffsetHigh = (DWORD)(at >> 32);
	if (!ReadFile(r->handle, r->buffers + (size_t)slot * r->w->nbytes, r->w->nbytes, NULL, o))
		check_last(GetLastError() == ERROR_IO_PENDING, "ReadFile");
}

static unsigned int finish_read(struct run *r)
{
	OVERLAPPED *o;
	ULONG_PTR key;
	DWORD n;

	check_last(GetQueuedCompletionStatus(r->port, &n, &key, &o, INFINITE), "a read");
	if (n != r->w->nbytes)
		check(E_FAIL, "a short read");
	check_block(r, (unsigned int)(o - r->overlapped));
	return (unsigned int)(o - r->overlapped);
}

static void measure_readfile(struct run *r, double seconds)
{
	unsigned int nr_slots = GROUPS * r->w->per_group;
	uint64_t nr = 0;
	double begin, cpu;

	r->handle = CreateFileW(r->path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING,
				FILE_FLAG_OVERLAPPED, NULL);
	check_last(r->handle != INVALID_HANDLE_VALUE, "opening");
	r->port = CreateIoCompletionPort(r->handle, NULL, 0, 0);
	for (unsigned int i = 0; i < nr_slots; i++)
		start_read(r, i);
	begin = now();
	cpu = cpu_now();
	while (now() - begin < seconds) {
		start_read(r, finish_read(r));
		nr++;
	}
	seconds = now() - begin;
	cpu = cpu_now() - cpu;
	for (unsigned int i = 0; i < nr_slots; i++)
		finish_read(r);
	report(r, nr, seconds, cpu);
}

int wmain(int argc, WCHAR **argv)
{
	static struct run r;
	char name[64];
	size_t room;
	double seconds;

	if (argc != 5)
		return 2;
	WideCharToMultiByte(CP_UTF8, 0, argv[3], -1, name, sizeof(name), NULL, NULL);
	r.w = find_workload(name);
	if (!r.w)
		return 2;
	seconds = _wtof(argv[4]);
	_snwprintf(r.path, MAX_PATH - 1, L"%ls\\%ls", argv[2],
		   r.w->is_gdeflate ? L"gdeflate.bin" : L"plain.bin");
	look_at_file(&r);
	room = (size_t)GROUPS * r.w->per_group * r.w->nbytes;
	r.buffers = VirtualAlloc(NULL, room, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
	memset(r.buffers, 1, room);
	if (wcscmp(argv[1], L"dstorage"))
		measure_readfile(&r, seconds);
	else
		measure_dstorage(&r, seconds);
	return 0;
}
