/* SPDX-License-Identifier: MIT */
/*
 * vkd3d_interop.h: the interface by which vkd3d-proton's devices tell what they are made of.
 *
 * Vulkan handles are those of winevulkan, for functions of vulkan-1.dll; VkBuffer and VkImage have
 * the host's own values. Whoever needs the types themselves includes Vulkan's headers.
 */
#ifndef DSTORAGE_VKD3D_INTEROP_H
#define DSTORAGE_VKD3D_INTEROP_H

#include "dstorage/include/dstorage.h"

typedef struct ID3D12DXVKInteropDevice ID3D12DXVKInteropDevice;

/* Methods of which nothing is needed but their place have no parameters here. */
typedef struct ID3D12DXVKInteropDeviceVtbl {
	HRESULT(STDMETHODCALLTYPE *QueryInterface)
	(ID3D12DXVKInteropDevice *self, REFIID riid, void **object);
	ULONG(STDMETHODCALLTYPE *AddRef)(ID3D12DXVKInteropDevice *self);
	ULONG(STDMETHODCALLTYPE *Release)(ID3D12DXVKInteropDevice *self);
	void (*GetDXGIAdapter)(void);
	void (*GetInstanceExtensions)(void);
	void (*GetDeviceExtensions)(void);
	void (*GetDeviceFeatures)(void);
	/* VkInstance, VkPhysicalDevice, VkDevice */
	HRESULT(STDMETHODCALLTYPE *GetVulkanHandles)
	(ID3D12DXVKInteropDevice *self, void **instance, void **physical_device, void **device);
	/* VkQueue */
	HRESULT(STDMETHODCALLTYPE *GetVulkanQueueInfo)
	(ID3D12DXVKInteropDevice *self, ID3D12CommandQueue *queue, void **vk_queue, UINT32 *family);
	void (*GetVulkanImageLayout)(void);
	/* VkBuffer or VkImage; the offset is that of the resource in the buffer. */
	HRESULT(STDMETHODCALLTYPE *GetVulkanResourceInfo)
	(ID3D12DXVKInteropDevice *self, ID3D12Resource *resource, UINT64 *handle, UINT64 *offset);
	HRESULT(STDMETHODCALLTYPE *LockCommandQueue)
	(ID3D12DXVKInteropDevice *self, ID3D12CommandQueue *queue);
	HRESULT(STDMETHODCALLTYPE *UnlockCommandQueue)
	(ID3D12DXVKInteropDevice *self, ID3D12CommandQueue *queue);
} ID3D12DXVKInteropDeviceVtbl;

struct ID3D12DXVKInteropDevice {
	const ID3D12DXVKInteropDeviceVtbl *lpVtbl;
};

/* {39da4e09-bd1c-4198-9fae-86bbe3be41fd} */
static const GUID IID_ID3D12DXVKInteropDevice = {
	0x39da4e09, 0xbd1c, 0x4198, { 0x9f, 0xae, 0x86, 0xbb, 0xe3, 0xbe, 0x41, 0xfd }
};

#endif /* DSTORAGE_VKD3D_INTEROP_H */
