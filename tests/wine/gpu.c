/* SPDX-License-Identifier: MIT */
/* gpu.c: see gpu.h. */
#include "gpu.h"

#include <stdlib.h>
#include <string.h>

#include "fake_d3d12.h"

static ID3D12Device *device;
static bool is_fake;

static ID3D12Device *real_device(void)
{
	HMODULE dll = LoadLibraryW(L"d3d12.dll");
	PFN_D3D12_CREATE_DEVICE create;
	ID3D12Device *d;

	if (!dll)
		skip("no d3d12.dll");
	create = (PFN_D3D12_CREATE_DEVICE)(void (*)(void))GetProcAddress(dll, "D3D12CreateDevice");
	if (!create || FAILED(create(NULL, D3D_FEATURE_LEVEL_11_0, &IID_ID3D12Device, (void **)&d)))
		skip("no D3D12 device");
	return d;
}

void gpu_use_fake(void)
{
	is_fake = true;
}

ID3D12Device *gpu_device(void)
{
	if (!device)
		device = is_fake ? fake_device() : real_device();
	return device;
}

static ID3D12Resource *create(const D3D12_RESOURCE_DESC *desc, D3D12_HEAP_TYPE type,
			      D3D12_RESOURCE_STATES state)
{
	D3D12_HEAP_PROPERTIES heap;
	ID3D12Resource *r;

	memset(&heap, 0, sizeof(heap));
	heap.Type = type;
	REQUIRE_OK(ID3D12Device_CreateCommittedResource(gpu_device(), &heap, D3D12_HEAP_FLAG_NONE,
							desc, state, NULL, &IID_ID3D12Resource,
							(void **)&r));
	return r;
}

static D3D12_RESOURCE_DESC buffer_desc(uint64_t nbytes)
{
	D3D12_RESOURCE_DESC d;

	memset(&d, 0, sizeof(d));
	d.Dimension = D3D12_RESOURCE_DIMENSION_BUFFER;
	d.Width = nbytes;
	d.Height = 1;
	d.DepthOrArraySize = 1;
	d.MipLevels = 1;
	d.SampleDesc.Count = 1;
	d.Layout = D3D12_TEXTURE_LAYOUT_ROW_MAJOR;
	return d;
}

ID3D12Resource *gpu_buffer(uint64_t nbytes)
{
	D3D12_RESOURCE_DESC d = buffer_desc(nbytes);

	return create(&d, D3D12_HEAP_TYPE_DEFAULT, D3D12_RESOURCE_STATE_COMMON);
}

static ID3D12Resource *texture(D3D12_RESOURCE_DIMENSION dimension, DXGI_FORMAT format, UINT width,
			       UINT height, UINT depth, UINT mips)
{
	D3D12_RESOURCE_DESC d;

	memset(&d, 0, sizeof(d));
	d.Dimension = dimension;
	d.Width = width;
	d.Height = height;
	d.DepthOrArraySize = (UINT16)depth;
	d.MipLevels = (UINT16)mips;
	d.Format = format;
	d.SampleDesc.Count = 1;
	return create(&d, D3D12_HEAP_TYPE_DEFAULT, D3D12_RESOURCE_STATE_COMMON);
}

ID3D12Resource *gpu_texture(DXGI_FORMAT format, UINT width, UINT height, UINT layers, UINT mips)
{
	return texture(D3D12_RESOURCE_DIMENSION_TEXTURE2D, format, width, height, layers, mips);
}

ID3D12Resource *gpu_volume(DXGI_FORMAT format, UINT width, UINT height, UINT depth)
{
	return texture(D3D12_RESOURCE_DIMENSION_TEXTURE3D, format, width, height, depth, 1);
}

uint64_t gpu_layout(ID3D12Resource *resource, UINT first, UINT count,
		    D3D12_PLACED_SUBRESOURCE_FOOTPRINT *layouts)
{
	D3D12_RESOURCE_DESC d;
	UINT64 total;

	resource->lpVtbl->GetDesc(resource, &d);
	ID3D12Device_GetCopyableFootprints(gpu_device(), &d, first, count, 0, layouts, NULL, NULL,
					   &total);
	return total;
}

ID3D12Fence *gpu_fence(void)
{
	ID3D12Fence *f;

	REQUIRE_OK(ID3D12Device_CreateFence(gpu_device(), 0, D3D12_FENCE_FLAG_NONE,
					    &IID_ID3D12Fence, (void **)&f));
	return f;
}

void gpu_wait(ID3D12Fence *fence, UINT64 value)
{
	HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);

	REQUIRE_OK(ID3D12Fence_SetEventOnCompletion(fence, value, event));
	wait_for(event);
	CloseHandle(event);
}

/* ----------------------------------------------------------------- reading */

static UINT count_subresources(const D3D12_RESOURCE_DESC *d)
{
	return d->MipLevels *
	       (d->Dimension == D3D12_RESOURCE_DIMENSION_TEXTURE3D ? 1u : d->DepthOrArraySize);
}

static void record_read(ID3D12GraphicsCommandList *list, ID3D12Resource *from, ID3D12Resource *to,
			uint64_t nbytes)
{
	D3D12_PLACED_SUBRESOURCE_FOOTPRINT layouts[64];
	D3D12_TEXTURE_COPY_LOCATION src, dst;
	D3D12_RESOURCE_DESC d;

	from->lpVtbl->GetDesc(from, &d);
	if (d.Dimension == D3D12_RESOURCE_DIMENSION_BUFFER) {
		ID3D12GraphicsCommandList_CopyBufferRegion(list, to, 0, from, 0, nbytes);
		return;
	}
	gpu_layout(from, 0, count_subresources(&d), layouts);
	memset(&src, 0, sizeof(src));
	memset(&dst, 0, sizeof(dst));
	src.pResource = from;
	src.Type = D3D12_TEXTURE_COPY_TYPE_SUBRESOURCE_INDEX;
	dst.pResource = to;
	dst.Type = D3D12_TEXTURE_COPY_TYPE_PLACED_FOOTPRINT;
	for (UINT i = 0; i < count_subresources(&d); i++) {
		src.SubresourceIndex = i;
		dst.PlacedFootprint = layouts[i];
		ID3D12GraphicsCommandList_CopyTextureRegion(list, &dst, 0, 0, 0, &src, NULL);
	}
}

static void run_read(ID3D12Resource *from, ID3D12Resource *to, uint64_t nbytes)
{
	D3D12_COMMAND_QUEUE_DESC desc = { .Type = D3D12_COMMAND_LIST_TYPE_COPY };
	ID3D12Fence *fence = gpu_fence();
	ID3D12GraphicsCommandList *list;
	ID3D12CommandAllocator *allocator;
	ID3D12CommandList *lists[1];
	ID3D12CommandQueue *queue;

	REQUIRE_OK(ID3D12Device_CreateCommandQueue(gpu_device(), &desc, &IID_ID3D12CommandQueue,
						   (void **)&queue));
	REQUIRE_OK(ID3D12Device_CreateCommandAllocator(
		gpu_device(), desc.Type, &IID_ID3D12CommandAllocator, (void **)&allocator));
	REQUIRE_OK(ID3D12Device_CreateCommandList(gpu_device(), 0, desc.Type, allocator, NULL,
						  &IID_ID3D12GraphicsCommandList, (void **)&list));
	record_read(list, from, to, nbytes);
	REQUIRE_OK(ID3D12GraphicsCommandList_Close(list));
	lists[0] = (ID3D12CommandList *)list;
	ID3D12CommandQueue_ExecuteCommandLists(queue, 1, lists);
	REQUIRE_OK(ID3D12CommandQueue_Signal(queue, fence, 1));
	gpu_wait(fence, 1);
	release(list);
	release(allocator);
	release(queue);
	release(fence);
}

unsigned char *gpu_read(ID3D12Resource *resource, uint64_t *nbytes)
{
	D3D12_RESOURCE_DESC d, b;
	ID3D12Resource *buffer;
	unsigned char *copy;
	void *data;

	resource->lpVtbl->GetDesc(resource, &d);
	*nbytes = d.Width;
	if (d.Dimension != D3D12_RESOURCE_DIMENSION_BUFFER)
		*nbytes = gpu_layout(resource, 0, count_subresources(&d), NULL);
	copy = malloc((size_t)*nbytes);
	if (is_fake) {
		memcpy(copy, fake_bytes(resource, NULL), (size_t)*nbytes);
		return copy;
	}
	b = buffer_desc(*nbytes);
	buffer = create(&b, D3D12_HEAP_TYPE_READBACK, D3D12_RESOURCE_STATE_COPY_DEST);
	run_read(resource, buffer, *nbytes);
	REQUIRE_OK(ID3D12Resource_Map(buffer, 0, NULL, &data));
	memcpy(copy, data, (size_t)*nbytes);
	release(buffer);
	return copy;
}
