/* SPDX-License-Identifier: MIT */
/*
 * factory.c: IDStorageFactory, and on the same object the custom decompression queue.
 *
 * There is one in a process. It holds nothing itself: queues and files live on without it.
 */
#include "factory.h"

#include "core.h"
#include "custom.h"
#include "file.h"
#include "log.h"
#include "queue.h"
#include "status_array.h"
#include "unixlib.h"

struct factory {
	IDStorageFactory iface;
	IDStorageCustomDecompressionQueue1 custom;
	LONG refs;
};

static struct factory the_factory;

static ULONG add_ref(void)
{
	LONG refs = InterlockedIncrement(&the_factory.refs);

	/* A program that gives back its factory and gets another one begins anew. */
	if (refs == 1)
		core_reset_factory_settings();
	return (ULONG)refs;
}

static ULONG release(void)
{
	return (ULONG)InterlockedDecrement(&the_factory.refs);
}

static HRESULT query_interface(REFIID riid, void **ppv)
{
	if (!ppv)
		return E_POINTER;
	*ppv = NULL;
	if (IsEqualGUID(riid, &IID_IUnknown) || IsEqualGUID(riid, &IID_IDStorageFactory))
		*ppv = &the_factory.iface;
	else if (IsEqualGUID(riid, &IID_IDStorageCustomDecompressionQueue) ||
		 IsEqualGUID(riid, &IID_IDStorageCustomDecompressionQueue1))
		*ppv = &the_factory.custom;
	if (!*ppv)
		return E_NOINTERFACE;
	add_ref();
	return S_OK;
}

/* ---------------------------------------------------------------- factory */

static HRESULT STDMETHODCALLTYPE factory_QueryInterface(IDStorageFactory *iface, REFIID riid,
							void **ppv)
{
	(void)iface;
	return query_interface(riid, ppv);
}

static ULONG STDMETHODCALLTYPE factory_AddRef(IDStorageFactory *iface)
{
	(void)iface;
	return add_ref();
}

static ULONG STDMETHODCALLTYPE factory_Release(IDStorageFactory *iface)
{
	(void)iface;
	return release();
}

static HRESULT STDMETHODCALLTYPE factory_CreateQueue(IDStorageFactory *iface,
						     const DSTORAGE_QUEUE_DESC *desc, REFIID riid,
						     void **ppv)
{
	(void)iface;
	return queue_create(desc, riid, ppv);
}

static HRESULT STDMETHODCALLTYPE factory_OpenFile(IDStorageFactory *iface, const WCHAR *path,
						  REFIID riid, void **ppv)
{
	(void)iface;
	return file_open(path, riid, ppv);
}

static HRESULT STDMETHODCALLTYPE factory_CreateStatusArray(IDStorageFactory *iface, UINT32 capacity,
							   const CHAR *name, REFIID riid,
							   void **ppv)
{
	(void)iface;
	return status_array_create(capacity, name, riid, ppv);
}

static void STDMETHODCALLTYPE factory_SetDebugFlags(IDStorageFactory *iface, UINT32 flags)
{
	(void)iface;
	log_trace("(%x)\n", flags);
	core_set_debug_flags(flags);
}

static HRESULT STDMETHODCALLTYPE factory_SetStagingBufferSize(IDStorageFactory *iface, UINT32 size)
{
	(void)iface;
	log_trace("(%u)\n", size);
	return core_set_staging_size(size);
}

static IDStorageFactoryVtbl factory_vtbl = {
	factory_QueryInterface, factory_AddRef,
	factory_Release,	factory_CreateQueue,
	factory_OpenFile,	factory_CreateStatusArray,
	factory_SetDebugFlags,	factory_SetStagingBufferSize,
};

/* ---------------------------------------------- custom decompression queue */

static HRESULT STDMETHODCALLTYPE custom_QueryInterface(IDStorageCustomDecompressionQueue1 *iface,
						       REFIID riid, void **ppv)
{
	(void)iface;
	return query_interface(riid, ppv);
}

static ULONG STDMETHODCALLTYPE custom_AddRef(IDStorageCustomDecompressionQueue1 *iface)
{
	(void)iface;
	return add_ref();
}

static ULONG STDMETHODCALLTYPE custom_Release(IDStorageCustomDecompressionQueue1 *iface)
{
	(void)iface;
	return release();
}

static HANDLE STDMETHODCALLTYPE custom_GetEvent(IDStorageCustomDecompressionQueue1 *iface)
{
	(void)iface;
	return custom_event();
}

static HRESULT STDMETHODCALLTYPE custom_GetRequests(IDStorageCustomDecompressionQueue1 *iface,
						    UINT32 max,
						    DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST *requests,
						    UINT32 *count)
{
	(void)iface;
	return custom_get(DSTORAGE_GET_REQUEST_FLAG_SELECT_CUSTOM, max, requests, count);
}

static HRESULT STDMETHODCALLTYPE
custom_SetRequestResults(IDStorageCustomDecompressionQueue1 *iface, UINT32 count,
			 DSTORAGE_CUSTOM_DECOMPRESSION_RESULT *results)
{
	(void)iface;
	return custom_set_results(count, results);
}

static HRESULT STDMETHODCALLTYPE
custom_GetRequests1(IDStorageCustomDecompressionQueue1 *iface, DSTORAGE_GET_REQUEST_FLAGS flags,
		    UINT32 max, DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST *requests, UINT32 *count)
{
	(void)iface;
	return custom_get(flags, max, requests, count);
}

static IDStorageCustomDecompressionQueue1Vtbl custom_vtbl = {
	custom_QueryInterface, custom_AddRef,	   custom_Release,
	custom_GetEvent,       custom_GetRequests, custom_SetRequestResults,
	custom_GetRequests1,
};

static struct factory the_factory = { { &factory_vtbl }, { &custom_vtbl }, 0 };

HRESULT factory_get(REFIID riid, void **ppv)
{
	if (!ppv)
		return E_POINTER;
	*ppv = NULL;
	/* What the original says when it cannot find its core. */
	if (!unixlib_load())
		return E_NOTIMPL;
	return query_interface(riid, ppv);
}
