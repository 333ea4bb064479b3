/* SPDX-License-Identifier: MIT */
/*
 * interop.h: the interfaces by which vkd3d-proton gives access to the Vulkan below D3D12, as far
 * as they are used: ID3D12DXVKInteropDevice and 1, on the device. What is not called has no
 * type. Vulkan's handles are those of the vulkan-1.dll of the process.
 */
#ifndef DSTORAGE_INTEROP_H
#define DSTORAGE_INTEROP_H

#include "dstorage/include/dstorage.h"

typedef struct interop_device interop_device;

struct interop_device_vtbl {
	HRESULT(STDMETHODCALLTYPE *QueryInterface)(interop_device *self, REFIID riid, void **out);
	ULONG(STDMETHODCALLTYPE *AddRef)(interop_device *self);
	ULONG(STDMETHODCALLTYPE *Release)(interop_device *self);
	void *GetDXGIAdapter;
	void *GetInstanceExtensions;
	void *GetDeviceExtensions;
	/* A VkPhysicalDeviceFeatures2 with what is enabled. */
	HRESULT(STDMETHODCALLTYPE *GetDeviceFeatures)
	(interop_device *self, const void **features);
	HRESULT(STDMETHODCALLTYPE *GetVulkanHandles)
	(interop_device *self, void *instance, void *physical_device, void *device);
	void *GetVulkanQueueInfo;
	void *GetVulkanImageLayout;
	/* A VkBuffer, and where in it the resource begins. */
	HRESULT(STDMETHODCALLTYPE *GetVulkanResourceInfo)
	(interop_device *self, ID3D12Resource *resource, UINT64 *handle, UINT64 *offset);
	void *LockCommandQueue;
	void *UnlockCommandQueue;
	/* From here on ID3D12DXVKInteropDevice1. */
	void *GetVulkanResourceInfo1;
	void *CreateInteropCommandQueue;
	void *CreateInteropCommandAllocator;
	/* Between the two, commands of Vulkan go into the list's command buffer, in its order. */
	HRESULT(STDMETHODCALLTYPE *BeginVkCommandBufferInterop)
	(interop_device *self, ID3D12CommandList *list, void *command_buffer);
	HRESULT(STDMETHODCALLTYPE *EndVkCommandBufferInterop)
	(interop_device *self, ID3D12CommandList *list);
};

struct interop_device {
	const struct interop_device_vtbl *lpVtbl;
};

static const GUID interop_iid_device = {
	0x39da4e09, 0xbd1c, 0x4198, { 0x9f, 0xae, 0x86, 0xbb, 0xe3, 0xbe, 0x41, 0xfd }
};
static const GUID interop_iid_device1 = {
	0x902d8115, 0x59eb, 0x4406, { 0x95, 0x18, 0xfe, 0x00, 0xf9, 0x91, 0xee, 0x65 }
};

#endif /* DSTORAGE_INTEROP_H */
