/* SPDX-License-Identifier: MIT */
/* share.c: see share.h. */
#include "share.h"

#include <vulkan/vulkan_core.h>

#include "core.h"
#include "interop.h"
#include "log.h"
#include "queue.h"
#include "unixlib.h"

typedef void (*any_fn)(void);

/* {4ba7f7ce-d1b1-41f5-9d2b-94e2a7f3c6d5}, our mark on a resource. */
static const GUID settled_mark = {
	0x4ba7f7ce, 0xd1b1, 0x41f5, { 0x9d, 0x2b, 0x94, 0xe2, 0xa7, 0xf3, 0xc6, 0xd5 }
};

struct share {
	interop_device *interop;
	uint64_t handle;
	bool decodes;
};

/*
 * A call that changes nothing. The Unix half has the layer watch this thread: what arrives there is
 * the host's handle of this device.
 */
static bool show_device(VkDevice device)
{
	static const VkBufferCreateInfo buffer = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.size = 4096,
		.usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT,
	};
	static const VkDeviceBufferMemoryRequirements info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_BUFFER_MEMORY_REQUIREMENTS,
		.pCreateInfo = &buffer,
	};
	VkMemoryRequirements2 out = { .sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2 };
	HMODULE vulkan = LoadLibraryW(L"vulkan-1.dll");
	PFN_vkGetDeviceProcAddr get;
	PFN_vkGetDeviceBufferMemoryRequirements call = NULL;

	if (!vulkan)
		return false;
	get = (PFN_vkGetDeviceProcAddr)(any_fn)GetProcAddress(vulkan, "vkGetDeviceProcAddr");
	if (get)
		call = (PFN_vkGetDeviceBufferMemoryRequirements)get(
			device, "vkGetDeviceBufferMemoryRequirements");
	if (call)
		call(device, &info, &out);
	FreeLibrary(vulkan);
	return call;
}

static bool open_backend(struct share *s, VkDevice device)
{
	struct dsw_share_watch watch = { 0 };
	char why[256] = "";
	struct dsw_share_open a = { 0 };

	core_fill_backend(&a.staging_nbytes, &a.decode_workers, &a.buffered);
	a.decode = core_native_decode();
	a.why = (uint64_t)(uintptr_t)why;
	a.why_nbytes = sizeof(why);
	if (unix_call(DSW_SHARE_WATCH, &watch)) {
		log_warn("the Vulkan layer is not in the process\n");
		return false;
	}
	if (!show_device(device) || unix_call(DSW_SHARE_OPEN, &a)) {
		log_warn("not on the program's Vulkan device: %s\n", why);
		return false;
	}
	s->handle = a.share;
	s->decodes = a.decodes;
	log_trace("on the program's Vulkan device, %s, GDeflate by the %s\n",
		  a.has_own_queue ? "with a queue of our own" : "sharing a queue",
		  a.decodes ? "GPU or the CPU" : "CPU");
	return true;
}

static struct share *open_on(interop_device *interop)
{
	struct share *s = core_alloc(sizeof(*s));
	VkInstance instance;
	VkPhysicalDevice physical;
	VkDevice device;

	if (!s)
		return NULL;
	s->interop = interop;
	if (FAILED(interop->lpVtbl->GetVulkanHandles(interop, &instance, &physical, &device)) ||
	    !open_backend(s, device)) {
		core_free(s);
		return NULL;
	}
	return s;
}

struct share *share_create(ID3D12Device *device)
{
	interop_device *interop;
	struct share *s;

	if (!core_shares_device())
		return NULL;
	if (FAILED(ID3D12Device_QueryInterface(device, &interop_iid_device, (void **)&interop))) {
		log_warn("device %p does not tell its Vulkan handles\n", (void *)device);
		return NULL;
	}
	s = open_on(interop);
	if (!s)
		interop->lpVtbl->Release(interop);
	return s;
}

void share_destroy(struct share *s)
{
	struct dsw_share_close a = { 0 };

	if (!s)
		return;
	a.share = s->handle;
	unix_call(DSW_SHARE_CLOSE, &a);
	log_trace("%llu bytes copied by the GPU, %llu decoded there\n", a.copied_nbytes,
		  a.decoded_nbytes);
	s->interop->lpVtbl->Release(s->interop);
	core_free(s);
}

uint64_t share_handle(const struct share *s)
{
	return s->handle;
}

bool share_decodes(const struct share *s)
{
	return s && s->decodes;
}

/* The backend writes exactly the bytes that arrive. */
static bool is_simple(const struct request *r)
{
	return r->desc.Options.DestinationType == DSTORAGE_REQUEST_DESTINATION_BUFFER &&
	       !r->is_custom && !r->transform && r->nbytes == r->desc.Destination.Buffer.Size;
}

bool share_takes(const struct share *s, struct request *r)
{
	struct dsw_share_check a = { 0 };
	UINT64 offset;

	if (!s || !is_simple(r) ||
	    FAILED(s->interop->lpVtbl->GetVulkanResourceInfo(s->interop, r->resource, &a.buffer,
							     &offset)))
		return false;
	a.share = s->handle;
	a.offset = offset + r->desc.Destination.Buffer.Offset;
	a.nbytes = r->nbytes;
	if (unix_call(DSW_SHARE_CHECK, &a))
		return false;
	r->vk_buffer = a.buffer;
	r->vk_offset = a.offset;
	return true;
}

bool share_is_settled(ID3D12Resource *resource)
{
	UINT8 mark;
	UINT nbytes = sizeof(mark);

	return SUCCEEDED(ID3D12Resource_GetPrivateData(resource, &settled_mark, &nbytes, &mark));
}

void share_note_settled(ID3D12Resource *resource)
{
	const UINT8 mark = 1;

	/* Unmarked, it is only settled again. */
	ID3D12Resource_SetPrivateData(resource, &settled_mark, sizeof(mark), &mark);
}
