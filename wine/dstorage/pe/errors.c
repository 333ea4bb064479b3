/* SPDX-License-Identifier: MIT */
/* errors.c: see errors.h. The only place where one kind of result becomes the other. */
#include "errors.h"

/* Which symbols a Linux library shows means nothing here. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wattributes"
#include "ds_runtime.h"
#pragma GCC diagnostic pop

#include "dstorage/include/dstorageerr.h"

HRESULT hresult_of(int32_t result)
{
	switch (result) {
	case DS_OK:
		return S_OK;
	case DS_ERR_NO_MEMORY:
		return E_OUTOFMEMORY;
	case DS_ERR_END_OF_FILE:
	case DS_ERR_OUT_OF_RANGE:
		return E_DSTORAGE_END_OF_FILE;
	case DS_ERR_BAD_ADDRESS:
		return E_DSTORAGE_ACCESS_VIOLATION;
	case DS_ERR_CORRUPT_DATA:
	case DS_ERR_SIZE_MISMATCH:
		return E_DSTORAGE_DECOMPRESSION_ERROR;
	case DS_ERR_STAGING_TOO_SMALL:
		return E_DSTORAGE_STAGING_BUFFER_TOO_SMALL;
	case DS_ERR_DESTINATION_TOO_SMALL:
		return HRESULT_FROM_WIN32(ERROR_INSUFFICIENT_BUFFER);
	case DS_ERR_BAD_FILE:
		return E_DSTORAGE_INVALID_FILE_HANDLE;
	case DS_ERR_PERMISSION:
		return E_ACCESSDENIED;
	case DS_ERR_TIMEOUT:
		return E_DSTORAGE_IO_TIMEOUT;
	case DS_ERR_CANCELLED:
		return HRESULT_FROM_WIN32(ERROR_OPERATION_ABORTED);
	case DS_ERR_CLOSED:
		return E_DSTORAGE_QUEUE_CLOSED;
	case DS_ERR_IO:
		return HRESULT_FROM_WIN32(ERROR_IO_DEVICE);
	case DS_ERR_INVALID_ARGUMENT:
		return E_INVALIDARG;
	case DS_ERR_UNSUPPORTED:
	case DS_ERR_UNAVAILABLE:
		return E_NOTIMPL;
	default:
		return E_FAIL;
	}
}

HRESULT hresult_of_last_error(void)
{
	DWORD error = GetLastError();

	return error ? HRESULT_FROM_WIN32(error) : E_FAIL;
}
