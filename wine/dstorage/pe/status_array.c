/* SPDX-License-Identifier: MIT */
/* status_array.c: see status_array.h. */
#include "status_array.h"

#include "core.h"
#include "log.h"
#include "unixlib.h"

static struct status_array *impl(IDStorageStatusArray *iface)
{
	return CONTAINING_RECORD(iface, struct status_array, iface);
}

static HRESULT STDMETHODCALLTYPE array_QueryInterface(IDStorageStatusArray *iface, REFIID riid,
						      void **ppv)
{
	if (!ppv)
		return E_POINTER;
	if (!IsEqualGUID(riid, &IID_IUnknown) && !IsEqualGUID(riid, &IID_IDStorageStatusArray)) {
		*ppv = NULL;
		return E_NOINTERFACE;
	}
	iface->lpVtbl->AddRef(iface);
	*ppv = iface;
	return S_OK;
}

static ULONG STDMETHODCALLTYPE array_AddRef(IDStorageStatusArray *iface)
{
	return (ULONG)InterlockedIncrement(&impl(iface)->refs);
}

static ULONG STDMETHODCALLTYPE array_Release(IDStorageStatusArray *iface)
{
	LONG left = InterlockedDecrement(&impl(iface)->refs);

	if (!left && !is_process_ending())
		core_free(impl(iface));
	return (ULONG)left;
}

static HRESULT STDMETHODCALLTYPE array_GetHResult(IDStorageStatusArray *iface, UINT32 index)
{
	struct status_array *a = impl(iface);

	if (index >= a->capacity)
		return E_DSTORAGE_INDEX_BOUND;
	/* A full barrier: who sees the entry complete sees the bytes too. */
	return (HRESULT)InterlockedCompareExchange(&a->entries[index], 0, 0);
}

static bool STDMETHODCALLTYPE array_IsComplete(IDStorageStatusArray *iface, UINT32 index)
{
	return array_GetHResult(iface, index) != E_PENDING;
}

static IDStorageStatusArrayVtbl array_vtbl = {
	array_QueryInterface, array_AddRef, array_Release, array_IsComplete, array_GetHResult,
};

struct status_array *status_array_of(IDStorageStatusArray *iface)
{
	return iface && iface->lpVtbl == &array_vtbl ? impl(iface) : NULL;
}

void status_array_set(struct status_array *a, UINT32 index, HRESULT hr)
{
	InterlockedExchange(&a->entries[index], hr);
}

HRESULT status_array_create(UINT32 capacity, const char *name, REFIID riid, void **ppv)
{
	struct status_array *a;
	HRESULT hr;

	if (!ppv)
		return E_POINTER;
	*ppv = NULL;
	if (!capacity)
		return E_INVALIDARG;
	a = core_alloc(sizeof(*a) + capacity * sizeof(a->entries[0]));
	if (!a)
		return E_OUTOFMEMORY;
	a->iface.lpVtbl = &array_vtbl;
	a->refs = 1;
	a->capacity = capacity;
	/* An entry that was never enqueued is not pending, and is no success either. */
	for (UINT32 i = 0; i < capacity; i++)
		a->entries[i] = E_DSTORAGE_INDEX_BOUND;
	hr = array_QueryInterface(&a->iface, riid, ppv);
	log_trace("(%u, %s) -> %p\n", capacity, name ? name : "no name", *ppv);
	array_Release(&a->iface);
	return hr;
}
