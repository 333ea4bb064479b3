/* SPDX-License-Identifier: MIT */
/* lists.c: see lists.h. */
#include "lists.h"

#include <string.h>

HRESULT lists_make_queue(ID3D12Device *device, D3D12_COMMAND_LIST_TYPE type,
			 ID3D12CommandQueue **queue, ID3D12Fence **fence)
{
	D3D12_COMMAND_QUEUE_DESC desc;
	HRESULT hr;

	memset(&desc, 0, sizeof(desc));
	desc.Type = type;
	hr = ID3D12Device_CreateCommandQueue(device, &desc, &IID_ID3D12CommandQueue,
					     (void **)queue);
	if (FAILED(hr))
		return hr;
	return ID3D12Device_CreateFence(device, 0, D3D12_FENCE_FLAG_NONE, &IID_ID3D12Fence,
					(void **)fence);
}

HRESULT lists_make(ID3D12Device *device, D3D12_COMMAND_LIST_TYPE type,
		   ID3D12CommandAllocator **allocator, ID3D12GraphicsCommandList **list)
{
	HRESULT hr = ID3D12Device_CreateCommandAllocator(device, type, &IID_ID3D12CommandAllocator,
							 (void **)allocator);

	if (FAILED(hr))
		return hr;
	hr = ID3D12Device_CreateCommandList(device, 0, type, *allocator, NULL,
					    &IID_ID3D12GraphicsCommandList, (void **)list);
	/* Lists are born open. */
	return SUCCEEDED(hr) ? ID3D12GraphicsCommandList_Close(*list) : hr;
}

void lists_release(ID3D12CommandAllocator *allocator, ID3D12GraphicsCommandList *list)
{
	if (list)
		ID3D12GraphicsCommandList_Release(list);
	if (allocator)
		ID3D12CommandAllocator_Release(allocator);
}
