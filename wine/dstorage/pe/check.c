/* SPDX-License-Identifier: MIT */
/*
 * check.c: what a request asks for, and whether that can be.
 *
 * Runs when the request is enqueued. Enqueuing returns nothing, so what is wrong here is
 * reported as the request's failure once it is submitted.
 */
#include <string.h>

#include "core.h"
#include "file.h"
#include "footprint.h"
#include "gpu.h"
#include "queue.h"
#include "share.h"
#include "unixlib.h"

#define FIRST_CUSTOM_FORMAT DSTORAGE_CUSTOM_COMPRESSION_0

static HRESULT check_file(struct request *r)
{
	const DSTORAGE_SOURCE_FILE *from = &r->desc.Source.File;

	if (!from->Source)
		return E_DSTORAGE_FILE_NOT_OPEN;
	if (!r->file)
		return E_DSTORAGE_INVALID_FILE_HANDLE;
	if (r->file->is_closed)
		return E_DSTORAGE_FILE_NOT_OPEN;
	/* Offsets of Linux are signed. */
	if (from->Offset > (UINT64)INT64_MAX - from->Size)
		return E_DSTORAGE_END_OF_FILE;
	return from->Size ? S_OK : E_INVALIDARG;
}

static HRESULT check_source(struct request *r)
{
	const DSTORAGE_SOURCE_MEMORY *from = &r->desc.Source.Memory;

	if (r->desc.Options.SourceType != r->queue->desc.SourceType)
		return E_DSTORAGE_INVALID_SOURCE_TYPE;
	if (r->desc.Options.SourceType == DSTORAGE_REQUEST_SOURCE_FILE)
		return check_file(r);
	return from->Source && from->Size ? S_OK : E_INVALIDARG;
}

static UINT32 source_size(const DSTORAGE_REQUEST *desc)
{
	return desc->Options.SourceType == DSTORAGE_REQUEST_SOURCE_FILE ? desc->Source.File.Size
									: desc->Source.Memory.Size;
}

static HRESULT check_format(struct request *r)
{
	DSTORAGE_COMPRESSION_FORMAT format = r->desc.Options.CompressionFormat;
	bool is_builtin = format == DSTORAGE_COMPRESSION_FORMAT_GDEFLATE ||
			  format == DSTORAGE_COMPRESSION_FORMAT_ZSTD;

	r->is_custom = format >= FIRST_CUSTOM_FORMAT || (is_builtin && core_offers_builtin());
	if (r->is_custom || format == DSTORAGE_COMPRESSION_FORMAT_NONE)
		return S_OK;
	if (format == DSTORAGE_COMPRESSION_FORMAT_ZSTD && !unixlib_has_zstd())
		return E_NOTIMPL;
	return is_builtin ? S_OK : E_INVALIDARG;
}

/*
 * The transform's byte was padding before 1.2, where some programs have garbage. Garbage has
 * neighbours: with any of the bytes behind it set, all of them count as padding.
 */
static HRESULT check_transform(struct request *r)
{
	static const UINT8 none[sizeof(r->desc.Options.Reserved1)];

	if (memcmp(r->desc.Options.Reserved1, none, sizeof(none)))
		return S_OK;
	r->transform = r->desc.Options.GaclTransformType;
	if (!r->transform)
		return S_OK;
	if (r->transform > DSTORAGE_GACL_SHUFFLE_TRANSFORM_TYPE_BC5 ||
	    r->desc.Options.CompressionFormat >= FIRST_CUSTOM_FORMAT)
		return E_DSTORAGE_INVALID_GACL_SHUFFLE_TRANSFORM_TYPE;
	return S_OK;
}

static HRESULT check_memory(struct request *r, UINT32 size)
{
	const DSTORAGE_DESTINATION_MEMORY *to = &r->desc.Destination.Memory;

	if (!to->Buffer)
		return E_DSTORAGE_ACCESS_VIOLATION;
	return to->Size == size ? S_OK : E_DSTORAGE_INVALID_DESTINATION_SIZE;
}

/* Data may be longer than the destination, by padding at its end, except raw in a buffer. */
static HRESULT check_gpu(struct request *r)
{
	UINT64 nbytes = 0;
	HRESULT hr;

	if (!r->queue->gpu)
		return E_DSTORAGE_INVALID_DESTINATION_TYPE;
	if (!r->resource)
		return E_INVALIDARG;
	hr = footprint_check(gpu_device(r->queue->gpu), &r->desc, &nbytes);
	if (FAILED(hr))
		return hr;
	if (r->desc.Options.DestinationType == DSTORAGE_REQUEST_DESTINATION_BUFFER &&
	    r->desc.Options.CompressionFormat == DSTORAGE_COMPRESSION_FORMAT_NONE &&
	    nbytes != r->nbytes)
		return E_DSTORAGE_INVALID_DESTINATION_SIZE;
	return nbytes && nbytes <= r->nbytes ? S_OK : E_DSTORAGE_INVALID_DESTINATION_SIZE;
}

static HRESULT check_destination(struct request *r)
{
	bool is_raw = r->desc.Options.CompressionFormat == DSTORAGE_COMPRESSION_FORMAT_NONE;
	UINT32 size = is_raw ? source_size(&r->desc) : r->desc.UncompressedSize;
	UINT64 type = r->desc.Options.DestinationType;

	r->nbytes = size;
	r->is_gpu = type != DSTORAGE_REQUEST_DESTINATION_MEMORY;
	if (type > DSTORAGE_REQUEST_DESTINATION_MULTIPLE_SUBRESOURCES_RANGE)
		return E_DSTORAGE_INVALID_DESTINATION_TYPE;
	if (!size)
		return E_DSTORAGE_INVALID_DESTINATION_SIZE;
	return r->is_gpu ? check_gpu(r) : check_memory(r, size);
}

/* A transform is undone by the CPU, so it decodes too. */
static void check_decoder(struct request *r)
{
	r->can_be_gpus =
		r->is_gpu && !r->transform &&
		r->desc.Options.CompressionFormat == DSTORAGE_COMPRESSION_FORMAT_GDEFLATE &&
		gpu_can_decode(r->queue->gpu, r->read_nbytes, r->nbytes);
	/* No threads are there for it, and the program is offered what the GPU does not take. */
	r->must_be_gpus = r->can_be_gpus && r->is_custom;
	if (r->must_be_gpus)
		r->is_custom = false;
}

HRESULT request_check(struct request *r)
{
	bool is_file = r->desc.Options.SourceType == DSTORAGE_REQUEST_SOURCE_FILE;
	HRESULT hr;

	if (r->desc.Options.Reserved)
		return E_DSTORAGE_RESERVED_FIELDS;
	hr = check_source(r);
	if (SUCCEEDED(hr))
		hr = check_format(r);
	if (SUCCEEDED(hr))
		hr = check_transform(r);
	if (SUCCEEDED(hr))
		hr = check_destination(r);
	if (FAILED(hr))
		return hr;
	if (core_is_strict() &&
	    (r->nbytes > core_staging_size() || source_size(&r->desc) > core_staging_size()))
		return E_DSTORAGE_REQUEST_TOO_LARGE;
	r->read_nbytes = source_size(&r->desc);
	if (r->is_gpu)
		r->is_native = share_takes(gpu_share(r->queue->gpu), r);
	if (!r->is_native)
		check_decoder(r);
	r->needs_staging =
		(r->is_gpu && !r->is_native) || r->transform || (r->is_custom && is_file);
	return S_OK;
}
