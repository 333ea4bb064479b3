/* SPDX-License-Identifier: MIT */
/* decode_no_vulkan.c: stands for decode_vulkan.c in builds that have no headers of Vulkan. */
#include "decode_method.h"
#include "interop.h"

HRESULT decode_vulkan_create(ID3D12Device *device, struct decode_method **out)
{
	(void)device;
	(void)out;
	return S_FALSE;
}

/* Nobody can tell, where it may be. */
bool decode_vulkan_is_software(ID3D12Device *device)
{
	interop_device *interop;

	if (FAILED(ID3D12Device_QueryInterface(device, &interop_iid_device, (void **)&interop)))
		return false;
	interop->lpVtbl->Release(interop);
	return true;
}
