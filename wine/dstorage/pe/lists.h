/* SPDX-License-Identifier: MIT */
/* lists.h: a queue of D3D12's with its fence, and command lists for it. */
#ifndef DSTORAGE_LISTS_H
#define DSTORAGE_LISTS_H

#include "dstorage/include/dstorage.h"

/* What fails leaves the rest NULL; whoever asked releases what there is. */
HRESULT lists_make_queue(ID3D12Device *device, D3D12_COMMAND_LIST_TYPE type,
			 ID3D12CommandQueue **queue, ID3D12Fence **fence);

/* A list is closed: each use begins with a reset. */
HRESULT lists_make(ID3D12Device *device, D3D12_COMMAND_LIST_TYPE type,
		   ID3D12CommandAllocator **allocator, ID3D12GraphicsCommandList **list);
void lists_release(ID3D12CommandAllocator *allocator, ID3D12GraphicsCommandList *list);

#endif /* DSTORAGE_LISTS_H */
