/* SPDX-License-Identifier: MIT */
/*
 * file.c: see file.h.
 *
 * Wine opens the file: its drive letters, its blindness to case, its share modes and error codes
 * come with that. The descriptor behind the handle then goes to the Unix half.
 */
#include "file.h"

#include <string.h>

#include "core.h"
#include "errors.h"
#include "log.h"
#include "unixlib.h"

static struct file *impl(IDStorageFile *iface)
{
	return CONTAINING_RECORD(iface, struct file, iface);
}

static HRESULT STDMETHODCALLTYPE file_QueryInterface(IDStorageFile *iface, REFIID riid, void **ppv)
{
	if (!ppv)
		return E_POINTER;
	if (!IsEqualGUID(riid, &IID_IUnknown) && !IsEqualGUID(riid, &IID_IDStorageFile)) {
		*ppv = NULL;
		return E_NOINTERFACE;
	}
	iface->lpVtbl->AddRef(iface);
	*ppv = iface;
	return S_OK;
}

static ULONG STDMETHODCALLTYPE file_AddRef(IDStorageFile *iface)
{
	return (ULONG)InterlockedIncrement(&impl(iface)->refs);
}

static void close_handle(struct file *f)
{
	HANDLE handle;

	AcquireSRWLockExclusive(&f->lock);
	handle = f->handle;
	f->handle = INVALID_HANDLE_VALUE;
	ReleaseSRWLockExclusive(&f->lock);
	if (handle != INVALID_HANDLE_VALUE)
		CloseHandle(handle);
}

static void free_file(struct file *f)
{
	struct dsw_file_close a = { f->unix_file };

	if (!InterlockedExchange(&f->is_closed, 1))
		core_file_closed();
	close_handle(f);
	if (f->unix_file)
		unix_call(DSW_FILE_CLOSE, &a);
	core_free(f);
}

static ULONG STDMETHODCALLTYPE file_Release(IDStorageFile *iface)
{
	LONG left = InterlockedDecrement(&impl(iface)->refs);

	if (!left && !is_process_ending())
		free_file(impl(iface));
	return (ULONG)left;
}

static void STDMETHODCALLTYPE file_Close(IDStorageFile *iface)
{
	struct file *f = impl(iface);

	log_trace("(%p)\n", (void *)iface);
	/* Requests that are under way have the descriptor; they run to their end. */
	if (!InterlockedExchange(&f->is_closed, 1))
		core_file_closed();
	close_handle(f);
}

static HRESULT STDMETHODCALLTYPE file_GetFileInformation(IDStorageFile *iface,
							 BY_HANDLE_FILE_INFORMATION *info)
{
	struct file *f = impl(iface);
	HRESULT hr = S_OK;

	if (!info)
		return E_POINTER;
	AcquireSRWLockShared(&f->lock);
	if (f->handle == INVALID_HANDLE_VALUE)
		hr = E_DSTORAGE_FILE_NOT_OPEN;
	else if (!GetFileInformationByHandle(f->handle, info))
		hr = hresult_of_last_error();
	ReleaseSRWLockShared(&f->lock);
	return hr;
}

static IDStorageFileVtbl file_vtbl = {
	file_QueryInterface, file_AddRef, file_Release, file_Close, file_GetFileInformation,
};

struct file *file_of(IDStorageFile *iface)
{
	return iface && iface->lpVtbl == &file_vtbl ? impl(iface) : NULL;
}

/* By the name, where Wine has no way from a handle to a descriptor. */
static HRESULT open_by_name(struct file *f, const WCHAR *path)
{
	struct dsw_file_from_path a = { 0, 0 };
	char *name = unixlib_path_of(path);
	int32_t ret;

	if (!name)
		return E_NOTIMPL;
	a.path = (uint64_t)(uintptr_t)name;
	ret = unix_call(DSW_FILE_FROM_PATH, &a);
	HeapFree(GetProcessHeap(), 0, name);
	f->unix_file = a.file;
	return hresult_of(ret);
}

static HRESULT open_on_unix_side(struct file *f, const WCHAR *path)
{
	struct dsw_file_from_fd a = { unixlib_fd_of_handle(f->handle), 0, 0 };
	int32_t ret;

	if (a.fd < 0)
		return open_by_name(f, path);
	ret = unix_call(DSW_FILE_FROM_FD, &a);
	f->unix_file = a.file;
	return hresult_of(ret);
}

static HRESULT open_handle(struct file *f, const WCHAR *path)
{
	f->handle = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING,
				FILE_ATTRIBUTE_NORMAL, NULL);
	if (f->handle == INVALID_HANDLE_VALUE)
		return hresult_of_last_error();
	if (GetFileType(f->handle) != FILE_TYPE_DISK)
		return HRESULT_FROM_WIN32(ERROR_NOT_SUPPORTED);
	return S_OK;
}

static void keep_name(struct file *f, const WCHAR *path)
{
	size_t n = 0;

	for (; path[n] && n < MAX_PATH - 1; n++)
		f->name[n] = path[n];
	f->name[n] = 0;
}

HRESULT file_open(const WCHAR *path, REFIID riid, void **ppv)
{
	struct file *f;
	HRESULT hr;

	if (!ppv)
		return E_POINTER;
	*ppv = NULL;
	if (!path)
		return E_INVALIDARG;
	f = core_alloc(sizeof(*f));
	if (!f)
		return E_OUTOFMEMORY;
	f->iface.lpVtbl = &file_vtbl;
	f->refs = 1;
	InitializeSRWLock(&f->lock);
	keep_name(f, path);
	core_file_opened();
	hr = open_handle(f, path);
	if (SUCCEEDED(hr))
		hr = open_on_unix_side(f, path);
	if (SUCCEEDED(hr))
		hr = file_QueryInterface(&f->iface, riid, ppv);
	log_trace("(%ls) -> %p, %08lx\n", f->name, *ppv, hr);
	file_Release(&f->iface);
	return hr;
}
