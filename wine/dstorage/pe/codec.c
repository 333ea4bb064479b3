/* SPDX-License-Identifier: MIT */
/* codec.c: see codec.h. Needs no factory, and has no state but its format. */
#include "codec.h"

#include <string.h>

#include "core.h"
#include "errors.h"
#include "log.h"
#include "memory.h"
#include "unixlib.h"

struct codec {
	IDStorageCompressionCodec iface;
	LONG refs;
	DSTORAGE_COMPRESSION_FORMAT format;
	UINT32 nr_threads;
};

static struct codec *impl(IDStorageCompressionCodec *iface)
{
	return CONTAINING_RECORD(iface, struct codec, iface);
}

static HRESULT STDMETHODCALLTYPE codec_QueryInterface(IDStorageCompressionCodec *iface, REFIID riid,
						      void **ppv)
{
	if (!ppv)
		return E_POINTER;
	if (!IsEqualGUID(riid, &IID_IUnknown) &&
	    !IsEqualGUID(riid, &IID_IDStorageCompressionCodec)) {
		*ppv = NULL;
		return E_NOINTERFACE;
	}
	iface->lpVtbl->AddRef(iface);
	*ppv = iface;
	return S_OK;
}

static ULONG STDMETHODCALLTYPE codec_AddRef(IDStorageCompressionCodec *iface)
{
	return (ULONG)InterlockedIncrement(&impl(iface)->refs);
}

static ULONG STDMETHODCALLTYPE codec_Release(IDStorageCompressionCodec *iface)
{
	LONG left = InterlockedDecrement(&impl(iface)->refs);

	if (!left && !is_process_ending())
		core_free(impl(iface));
	return (ULONG)left;
}

static uint64_t address(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/* Into memory that only Wine's threads can write: by a detour. */
static HRESULT run_bounced(enum dsw_code code, struct dsw_codec_run *a, void *to)
{
	void *block = VirtualAlloc(NULL, (SIZE_T)a->room, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
	HRESULT hr;

	if (!block)
		return E_OUTOFMEMORY;
	a->destination = address(block);
	hr = hresult_of(unix_call(code, a));
	if (SUCCEEDED(hr))
		memcpy(to, block, (size_t)a->written);
	VirtualFree(block, 0, MEM_RELEASE);
	return hr;
}

static HRESULT run(struct codec *c, enum dsw_code code, struct dsw_codec_run *a, size_t *written)
{
	void *to = (void *)(uintptr_t)a->destination;
	enum memory_kind kind = memory_writable_kind(to, a->room);
	HRESULT hr;

	if (!memory_is_readable((const void *)(uintptr_t)a->source, a->source_nbytes) ||
	    kind == MEMORY_BAD)
		return E_DSTORAGE_ACCESS_VIOLATION;
	a->format = c->format;
	a->nr_threads = c->nr_threads;
	hr = kind == MEMORY_WATCHED ? run_bounced(code, a, to) : hresult_of(unix_call(code, a));
	if (SUCCEEDED(hr) && written)
		*written = (size_t)a->written;
	return hr;
}

static HRESULT STDMETHODCALLTYPE codec_CompressBuffer(IDStorageCompressionCodec *iface,
						      const void *src, size_t src_size,
						      DSTORAGE_COMPRESSION setting, void *dst,
						      size_t dst_size, size_t *written)
{
	struct dsw_codec_run a = { .setting = setting,
				   .source = address(src),
				   .source_nbytes = src_size,
				   .destination = address(dst),
				   .room = dst_size };

	log_trace("(%p, %p, %zu, %d, %p, %zu)\n", (void *)iface, src, src_size, setting, dst,
		  dst_size);
	if (!dst || !written || (src_size && !src))
		return E_POINTER;
	if (setting < DSTORAGE_COMPRESSION_FASTEST || setting > DSTORAGE_COMPRESSION_BEST_RATIO)
		return E_INVALIDARG;
	return run(impl(iface), DSW_CODEC_COMPRESS, &a, written);
}

static HRESULT STDMETHODCALLTYPE codec_DecompressBuffer(IDStorageCompressionCodec *iface,
							const void *src, size_t src_size, void *dst,
							size_t dst_size, size_t *written)
{
	struct dsw_codec_run a = { .source = address(src),
				   .source_nbytes = src_size,
				   .destination = address(dst),
				   .room = dst_size };

	log_trace("(%p, %p, %zu, %p, %zu)\n", (void *)iface, src, src_size, dst, dst_size);
	if (!src || !written || (dst_size && !dst))
		return E_POINTER;
	return run(impl(iface), DSW_CODEC_DECOMPRESS, &a, written);
}

static size_t STDMETHODCALLTYPE codec_CompressBufferBound(IDStorageCompressionCodec *iface,
							  size_t src_size)
{
	struct dsw_codec_bound a = { impl(iface)->format, 0, src_size, 0 };

	unix_call(DSW_CODEC_BOUND, &a);
	return (size_t)a.bound;
}

static IDStorageCompressionCodecVtbl codec_vtbl = {
	codec_QueryInterface, codec_AddRef,	      codec_Release,
	codec_CompressBuffer, codec_DecompressBuffer, codec_CompressBufferBound,
};

static bool is_known(DSTORAGE_COMPRESSION_FORMAT format)
{
	return format == DSTORAGE_COMPRESSION_FORMAT_GDEFLATE ||
	       (format == DSTORAGE_COMPRESSION_FORMAT_ZSTD && unixlib_has_zstd());
}

HRESULT codec_create(DSTORAGE_COMPRESSION_FORMAT format, UINT32 nr_threads, REFIID riid, void **ppv)
{
	struct codec *c;
	HRESULT hr;

	if (!ppv)
		return E_POINTER;
	*ppv = NULL;
	if (!unixlib_load())
		return E_NOTIMPL;
	if (!is_known(format))
		return E_INVALIDARG;
	c = core_alloc(sizeof(*c));
	if (!c)
		return E_OUTOFMEMORY;
	c->iface.lpVtbl = &codec_vtbl;
	c->refs = 1;
	c->format = format;
	c->nr_threads = nr_threads;
	hr = codec_QueryInterface(&c->iface, riid, ppv);
	codec_Release(&c->iface);
	return hr;
}
