/* SPDX-License-Identifier: MIT */
/* test_files.c: opening files, what is known of them, and closing them. */
#include "win.h"

#include <string.h>

static HRESULT try_open(const WCHAR *name)
{
	IDStorageFactory *f = get_factory();
	void *p = (void *)1;
	HRESULT hr = f->lpVtbl->OpenFile(f, name, &IID_IDStorageFile, &p);

	REQUIRE(SUCCEEDED(hr) || !p);
	if (SUCCEEDED(hr))
		release(p);
	release(f);
	return hr;
}

static void test_errors(void)
{
	IDStorageFactory *f = get_factory();
	void *p;

	write_pattern_file(L"there.bin", 1, 2);
	CreateDirectoryW(L"folder", NULL);
	REQUIRE_HR(try_open(L"missing.bin"), HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND));
	REQUIRE_HR(try_open(L"nowhere\\x.bin"), HRESULT_FROM_WIN32(ERROR_PATH_NOT_FOUND));
	REQUIRE(FAILED(try_open(L"folder")));
	REQUIRE(FAILED(try_open(L"NUL")));
	REQUIRE(FAILED(try_open(L"")));
	REQUIRE_HR(try_open(NULL), E_INVALIDARG);
	REQUIRE_HR(f->lpVtbl->OpenFile(f, L"there.bin", &IID_IDStorageQueue, &p), E_NOINTERFACE);
	REQUIRE_HR(f->lpVtbl->OpenFile(f, L"there.bin", &IID_IDStorageFile, NULL), E_POINTER);
	release(f);
}

static void test_names(void)
{
	WCHAR full[MAX_PATH];

	CreateDirectoryW(L"Sub", NULL);
	write_pattern_file(L"Sub\\Name.BIN", 7, 2);
	REQUIRE_OK(try_open(L"sub\\name.bin"));
	REQUIRE_OK(try_open(L".\\sub\\..\\SUB/NAME.bin"));
	REQUIRE(GetFullPathNameW(L"sub\\name.bin", MAX_PATH, full, NULL));
	REQUIRE_OK(try_open(full));
	write_pattern_file(L"\x00fc\x4e2d\x6587.bin", 7, 2);
	REQUIRE_OK(try_open(L"\x00fc\x4e2d\x6587.bin"));
}

static void test_information(void)
{
	BY_HANDLE_FILE_INFORMATION info;
	IDStorageFile *file;

	write_pattern_file(L"info.bin", 12345, 2);
	file = open_file(L"info.bin");
	REQUIRE_OK(file->lpVtbl->GetFileInformation(file, &info));
	REQUIRE_CMP(info.nFileSizeLow, ==, 12345);
	REQUIRE_CMP(info.nFileSizeHigh, ==, 0);
	REQUIRE_HR(file->lpVtbl->GetFileInformation(file, NULL), E_POINTER);
	file->lpVtbl->Close(file);
	REQUIRE_HR(file->lpVtbl->GetFileInformation(file, &info), E_DSTORAGE_FILE_NOT_OPEN);
	file->lpVtbl->Close(file);
	REQUIRE_CMP(release(file), ==, 0);
}

static HANDLE open_to_write(const WCHAR *name)
{
	return CreateFileW(name, GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
			   OPEN_EXISTING, 0, NULL);
}

/* Others may read meanwhile, and write once it is closed. */
static void test_sharing(void)
{
	IDStorageFile *a, *b;
	HANDLE h;

	write_pattern_file(L"share.bin", 100, 2);
	a = open_file(L"share.bin");
	b = open_file(L"share.bin");
	REQUIRE(open_to_write(L"share.bin") == INVALID_HANDLE_VALUE);
	REQUIRE_CMP(GetLastError(), ==, ERROR_SHARING_VIOLATION);
	b->lpVtbl->Close(b);
	release(a);
	h = open_to_write(L"share.bin");
	REQUIRE(h != INVALID_HANDLE_VALUE);
	REQUIRE_HR(try_open(L"share.bin"), HRESULT_FROM_WIN32(ERROR_SHARING_VIOLATION));
	CloseHandle(h);
	release(b);
}

static void test_closed(void)
{
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);
	unsigned char data[100];
	IDStorageFile *file;
	DSTORAGE_REQUEST r;

	write_pattern_file(L"closed.bin", sizeof(data), 2);
	file = open_file(L"closed.bin");
	r = file_to_memory(file, 0, sizeof(data), data);
	REQUIRE_OK(run_request(q, &r));
	file->lpVtbl->Close(file);
	REQUIRE_HR(run_request(q, &r), E_DSTORAGE_FILE_NOT_OPEN);
	release(file);
	release(q);
}

/* A request that was enqueued before the close still reads. */
static void test_close_while_queued(void)
{
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);
	unsigned char data[5000];
	IDStorageFile *file;
	DSTORAGE_REQUEST r;

	write_pattern_file(L"queued.bin", sizeof(data), 2);
	file = open_file(L"queued.bin");
	r = file_to_memory(file, 0, sizeof(data), data);
	q->lpVtbl->EnqueueRequest(q, &r);
	file->lpVtbl->Close(file);
	release(file);
	submit_and_wait(q);
	require_no_failure(q);
	pattern_require(data, sizeof(data), 2, 0);
	release(q);
}

static const struct test tests[] = {
	{ "errors", test_errors },	     { "names", test_names },
	{ "information", test_information }, { "sharing", test_sharing },
	{ "closed", test_closed },	     { "close_while_queued", test_close_while_queued },
};

int wmain(int argc, WCHAR **argv)
{
	return run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
