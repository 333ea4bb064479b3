/* SPDX-License-Identifier: MIT */
/* test_com.c: the DLLs' exports, and COM's rules: identity, references, what outlives what. */
#include "win.h"

#include <string.h>

static void test_exports(void)
{
	static const char *const names[] = { "DStorageGetFactory", "DStorageSetConfiguration",
					     "DStorageSetConfiguration1",
					     "DStorageSetConfiguration2",
					     "DStorageCreateCompressionCodec" };
	HMODULE dll = GetModuleHandleW(L"dstorage.dll");

	REQUIRE(dll);
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		REQUIRE(GetProcAddress(dll, names[i]));
}

typedef HRESULT(WINAPI *get_factory_fn)(REFIID, void **);

/* Programs load this file first, and take its presence for DirectStorage's. */
static void test_core(void)
{
	HMODULE core = LoadLibraryW(L"dstoragecore.dll");
	get_factory_fn get;
	IDStorageFactory *a, *b;
	const UINT32 *version;

	REQUIRE(core);
	get = (get_factory_fn)(void (*)(void))GetProcAddress(core, "DStorageGetFactoryCore");
	version = (const UINT32 *)(uintptr_t)GetProcAddress(core, "DStorageSDKVersion");
	REQUIRE(get && version);
	REQUIRE(GetProcAddress(core, "DStorageSetConfigurationCore"));
	REQUIRE(GetProcAddress(core, "DStorageCreateCompressionCodecCore"));
	REQUIRE_CMP(*version, ==, DSTORAGE_SDK_VERSION);
	REQUIRE_OK(get(&IID_IDStorageFactory, (void **)&a));
	b = get_factory();
	REQUIRE(a == b);
	release(a);
	release(b);
	REQUIRE(FreeLibrary(core));
}

/* One object, however it is asked for. */
static void require_identity(void *object, const IID *const *iids, unsigned int count)
{
	IUnknown *u = object, *self, *other;
	void *p = (void *)1;

	REQUIRE_OK(u->lpVtbl->QueryInterface(u, &IID_IUnknown, (void **)&self));
	for (unsigned int i = 0; i < count; i++) {
		REQUIRE_OK(u->lpVtbl->QueryInterface(u, iids[i], &p));
		REQUIRE_OK(
			((IUnknown *)p)->lpVtbl->QueryInterface(p, &IID_IUnknown, (void **)&other));
		REQUIRE(other == self);
		release(other);
		release(p);
	}
	REQUIRE_HR(u->lpVtbl->QueryInterface(u, &IID_ID3D12Device, &p), E_NOINTERFACE);
	REQUIRE(!p);
	REQUIRE_HR(u->lpVtbl->QueryInterface(u, &IID_IUnknown, NULL), E_POINTER);
	release(self);
}

static void test_factory(void)
{
	static const IID *const iids[] = { &IID_IDStorageFactory,
					   &IID_IDStorageCustomDecompressionQueue,
					   &IID_IDStorageCustomDecompressionQueue1 };
	IDStorageFactory *a = get_factory(), *b = get_factory();
	IDStorageCustomDecompressionQueue1 *custom;
	void *p = (void *)1;

	REQUIRE(a == b);
	REQUIRE_CMP(release(b), ==, 1);
	require_identity(a, iids, 3);
	REQUIRE_OK(DStorageGetFactory(&IID_IDStorageCustomDecompressionQueue1, (void **)&custom));
	require_identity(custom, iids, 3);
	release(custom);
	REQUIRE_HR(DStorageGetFactory(&IID_IDStorageQueue, &p), E_NOINTERFACE);
	REQUIRE(!p);
	REQUIRE_HR(DStorageGetFactory(&IID_IDStorageFactory, NULL), E_POINTER);
	REQUIRE_CMP(a->lpVtbl->AddRef(a), ==, 2);
	REQUIRE_CMP(release(a), ==, 1);
	REQUIRE_CMP(release(a), ==, 0);
	/* There is always another one. */
	a = get_factory();
	release(a);
}

static void test_queue(void)
{
	static const IID *const iids[] = { &IID_IDStorageQueue, &IID_IDStorageQueue1,
					   &IID_IDStorageQueue2, &IID_IDStorageQueue3 };
	DSTORAGE_QUEUE_DESC desc = { DSTORAGE_REQUEST_SOURCE_FILE, 128, DSTORAGE_PRIORITY_NORMAL,
				     NULL, NULL };
	IDStorageFactory *f = get_factory();
	void *p = (void *)1;

	for (unsigned int i = 0; i < 4; i++) {
		REQUIRE_OK(f->lpVtbl->CreateQueue(f, &desc, iids[i], &p));
		require_identity(p, iids, 4);
		REQUIRE_CMP(release(p), ==, 0);
	}
	REQUIRE_HR(f->lpVtbl->CreateQueue(f, &desc, &IID_IDStorageFile, &p), E_NOINTERFACE);
	REQUIRE(!p);
	REQUIRE_HR(f->lpVtbl->CreateQueue(f, NULL, &IID_IDStorageQueue, &p), E_INVALIDARG);
	REQUIRE_HR(f->lpVtbl->CreateQueue(f, &desc, &IID_IDStorageQueue, NULL), E_POINTER);
	release(f);
}

static void require_bad_queue(DSTORAGE_QUEUE_DESC desc, HRESULT expected)
{
	IDStorageFactory *f = get_factory();
	void *p;

	REQUIRE_HR(f->lpVtbl->CreateQueue(f, &desc, &IID_IDStorageQueue, &p), expected);
	release(f);
}

static void test_queue_desc(void)
{
	DSTORAGE_QUEUE_DESC good = { DSTORAGE_REQUEST_SOURCE_MEMORY, 128, 0, NULL, NULL }, bad;

	bad = good;
	bad.Capacity = 127;
	require_bad_queue(bad, E_DSTORAGE_INVALID_QUEUE_CAPACITY);
	bad.Capacity = 8193;
	require_bad_queue(bad, E_DSTORAGE_INVALID_QUEUE_CAPACITY);
	bad = good;
	bad.Priority = -2;
	require_bad_queue(bad, E_DSTORAGE_INVALID_QUEUE_PRIORITY);
	bad.Priority = 3;
	require_bad_queue(bad, E_DSTORAGE_INVALID_QUEUE_PRIORITY);
	bad = good;
	bad.SourceType = 2;
	require_bad_queue(bad, E_DSTORAGE_INVALID_SOURCE_TYPE);
	/* A memory queue of any priority works on Windows, whatever the error list says. */
	for (int priority = -1; priority <= 2; priority++) {
		IDStorageFactory *f = get_factory();
		void *p;

		good.Priority = (DSTORAGE_PRIORITY)priority;
		REQUIRE_OK(f->lpVtbl->CreateQueue(f, &good, &IID_IDStorageQueue, &p));
		release(p);
		release(f);
	}
}

static void test_small_objects(void)
{
	static const IID *const array_iids[] = { &IID_IDStorageStatusArray };
	static const IID *const file_iids[] = { &IID_IDStorageFile };
	IDStorageStatusArray *a = make_status_array(3);
	IDStorageFactory *f = get_factory();
	IDStorageFile *file;
	void *p = (void *)1;

	require_identity(a, array_iids, 1);
	REQUIRE_HR(f->lpVtbl->CreateStatusArray(f, 3, NULL, &IID_IDStorageFile, &p), E_NOINTERFACE);
	REQUIRE(!p);
	REQUIRE_HR(f->lpVtbl->CreateStatusArray(f, 0, NULL, &IID_IDStorageStatusArray, &p),
		   E_INVALIDARG);
	REQUIRE_HR(f->lpVtbl->CreateStatusArray(f, 3, NULL, &IID_IDStorageStatusArray, NULL),
		   E_POINTER);
	REQUIRE_CMP(release(a), ==, 0);
	write_pattern_file(L"com.bin", 10, 2);
	file = open_file(L"com.bin");
	require_identity(file, file_iids, 1);
	REQUIRE_CMP(release(file), ==, 0);
	release(f);
}

/* Queues, files and arrays live without the factory that made them. */
static void test_outliving(void)
{
	IDStorageQueue3 *q = make_queue(DSTORAGE_REQUEST_SOURCE_FILE, 128, NULL);
	IDStorageStatusArray *a = make_status_array(1);
	unsigned char data[1000];
	IDStorageFile *file;
	DSTORAGE_REQUEST r;

	write_pattern_file(L"outlive.bin", sizeof(data), 4);
	file = open_file(L"outlive.bin");
	r = file_to_memory(file, 0, sizeof(data), data);
	q->lpVtbl->EnqueueRequest(q, &r);
	q->lpVtbl->EnqueueStatus(q, a, 0);
	/* What is enqueued keeps the file. */
	REQUIRE_CMP(release(file), >, 0);
	submit_and_wait(q);
	REQUIRE_OK(a->lpVtbl->GetHResult(a, 0));
	pattern_require(data, sizeof(data), 4, 0);
	REQUIRE_CMP(release(q), ==, 0);
	REQUIRE_OK(a->lpVtbl->GetHResult(a, 0));
	REQUIRE_CMP(release(a), ==, 0);
}

static const struct test tests[] = {
	{ "exports", test_exports },	   { "core", test_core },
	{ "factory", test_factory },	   { "queue", test_queue },
	{ "queue_desc", test_queue_desc }, { "small_objects", test_small_objects },
	{ "outliving", test_outliving },
};

int wmain(int argc, WCHAR **argv)
{
	return run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
