/* SPDX-License-Identifier: MIT */
/* footprint.h: how the bytes of a request lie for a GPU destination, and how they are copied. */
#ifndef DSTORAGE_FOOTPRINT_H
#define DSTORAGE_FOOTPRINT_H

#include "dstorage/include/dstorage.h"

/* The resource of a GPU destination, which may be null. */
ID3D12Resource *footprint_resource(const DSTORAGE_REQUEST *desc);

/* Bytes that the destination takes; or what is wrong with it. */
HRESULT footprint_check(ID3D12Device *device, const DSTORAGE_REQUEST *desc, UINT64 *nbytes);

/* Records the copy from `offset` of an upload buffer. The offset is a multiple of 512. */
HRESULT footprint_record(ID3D12Device *device, ID3D12GraphicsCommandList *list,
			 const DSTORAGE_REQUEST *desc, ID3D12Resource *upload, UINT64 offset);

#endif /* DSTORAGE_FOOTPRINT_H */
