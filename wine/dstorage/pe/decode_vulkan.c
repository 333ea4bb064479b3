/* SPDX-License-Identifier: MIT */
/*
 * decode_vulkan.c: our own decoder, recorded into D3D12's command lists by vkd3d-proton's interop
 * interfaces. Shader, pipelines and recording are those of the runtime's Vulkan device.
 *
 * The shader takes anything at all for a tile, and says of each whether it was one.
 */
#include <string.h>

#include "core.h"
#include "decode_method.h"
#include "device/vulkan/pipeline.h"
#include "interop.h"
#include "log.h"

struct vulkan_method {
	struct decode_method base;
	interop_device *interop;
	VkPhysicalDevice physical;
	VkDevice device;
	struct ds_vk_api vk;
	struct ds_vk_pipelines pipelines;
};

static struct vulkan_method *impl(struct decode_method *m)
{
	return CONTAINING_RECORD(m, struct vulkan_method, base);
}

/* -------------------------------------------------------------- recording */

static UINT64 address_of(const struct vulkan_method *v, ID3D12Resource *resource)
{
	VkBufferDeviceAddressInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
	};
	UINT64 handle, offset;

	/* Small buffers share a large one. */
	if (FAILED(v->interop->lpVtbl->GetVulkanResourceInfo(v->interop, resource, &handle,
							     &offset)))
		return 0;
	info.buffer = (VkBuffer)(UINT_PTR)handle;
	return v->vk.GetBufferDeviceAddress(v->device, &info) + offset;
}

static UINT32 make_table(struct decode_method *m, const struct decode_job *job, void *table)
{
	const struct vulkan_method *v = impl(m);
	UINT64 input = address_of(v, job->input), output = address_of(v, job->output);
	struct ds_vk_tile *entries = table;

	if (!input || !output)
		return 0;
	for (UINT32 i = 0; i < job->nr_streams; i++) {
		const struct decode_stream *s = &job->streams[i];

		for (UINT32 k = s->first_tile; k < s->first_tile + s->nr_tiles; k++) {
			const struct dsw_tile *tile = &job->tiles[k];

			entries[k] = (struct ds_vk_tile){
				.src = input + s->in_offset + tile->offset,
				.dst = output + k * DECODE_TILE_NBYTES,
				.src_nbytes = tile->nbytes,
				.dst_nbytes = tile->decoded_nbytes,
			};
		}
	}
	return job->nr_tiles * (UINT32)sizeof(*entries);
}

static HRESULT record(struct decode_method *m, ID3D12GraphicsCommandList *list,
		      const struct decode_job *job)
{
	struct vulkan_method *v = impl(m);
	const struct ds_vk_dispatch dispatch = {
		.tiles = address_of(v, job->input) + job->table_offset,
		.status = address_of(v, job->output) + job->status_offset,
		.nr_tiles = job->nr_tiles,
	};
	struct ds_vk_recorder r;
	VkCommandBuffer commands;
	HRESULT hr;

	hr = v->interop->lpVtbl->BeginVkCommandBufferInterop(v->interop, (ID3D12CommandList *)list,
							     &commands);
	if (FAILED(hr))
		return hr;
	ds_vk_record_attach(&r, &v->vk, commands);
	ds_vk_record_enter(&r);
	ds_vk_record_decode(&r, ds_vk_pipelines_choose(&v->pipelines, job->nr_tiles), &dispatch);
	ds_vk_record_leave(&r);
	return v->interop->lpVtbl->EndVkCommandBufferInterop(v->interop, (ID3D12CommandList *)list);
}

static void destroy(struct decode_method *m)
{
	struct vulkan_method *v = impl(m);

	if (v->vk.DestroyPipeline)
		ds_vk_pipelines_destroy(&v->pipelines, &v->vk, v->device);
	if (v->interop)
		v->interop->lpVtbl->Release(v->interop);
	core_free(v);
}

static const struct decode_method_ops ops = {
	.name = "our own shader",
	.support = DSTORAGE_COMPRESSION_SUPPORT_GPU_FALLBACK,
	.has_status = true,
	.make_table = make_table,
	.record = record,
	.destroy = destroy,
};

/* ----------------------------------------------------------------- making */

/* vkd3d-proton takes Wine's Vulkan itself where it is, and the handles are that one's. */
static PFN_vkGetInstanceProcAddr find_loader(void)
{
	HMODULE dll = GetModuleHandleW(L"winevulkan.dll");

	if (!dll)
		dll = LoadLibraryW(L"vulkan-1.dll");
	return dll ? (PFN_vkGetInstanceProcAddr)(void (*)(void))GetProcAddress(
			     dll, "vkGetInstanceProcAddr")
		   : NULL;
}

/* The device's handles, and the functions that go with them. */
static bool load(struct vulkan_method *v)
{
	VkInstance instance;

	if (FAILED(v->interop->lpVtbl->GetVulkanHandles(v->interop, &instance, &v->physical,
							&v->device)))
		return false;
	v->vk.GetInstanceProcAddr = find_loader();
	return v->vk.GetInstanceProcAddr && ds_vk_load_instance(&v->vk, instance) &&
	       ds_vk_load_device(&v->vk, v->device);
}

static const void *find_struct(const void *chain, VkStructureType type)
{
	const VkBaseInStructure *at = chain;

	while (at && at->sType != type)
		at = at->pNext;
	return at;
}

static VkResult make_pipelines(struct vulkan_method *v)
{
	VkPhysicalDeviceVulkan13Properties p13 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_PROPERTIES,
	};
	VkPhysicalDeviceProperties2 p = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
		.pNext = &p13,
	};
	const VkPhysicalDeviceVulkan12Features *f12;
	const VkPhysicalDeviceVulkan13Features *f13;
	const VkPhysicalDeviceFeatures2 *f;
	const void *features;

	if (FAILED(v->interop->lpVtbl->GetDeviceFeatures(v->interop, &features)))
		return VK_ERROR_FEATURE_NOT_PRESENT;
	f = features;
	f12 = find_struct(f, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES);
	f13 = find_struct(f, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES);
	if (!f12 || !f13 || !f13->synchronization2 || !ds_vk_can_decode(&f->features, f12))
		return VK_ERROR_FEATURE_NOT_PRESENT;
	v->vk.GetPhysicalDeviceProperties2(v->physical, &p);
	return ds_vk_pipelines_create(&v->pipelines, &v->vk, v->device,
				      ds_vk_is_native(f13, p13.minSubgroupSize, p13.maxSubgroupSize,
						      p13.requiredSubgroupSizeStages),
				      DS_VK_DEFAULT_MULTIPROCESSORS);
}

static HRESULT make(struct vulkan_method *v)
{
	VkResult result;

	if (!load(v))
		return E_NOINTERFACE;
	result = make_pipelines(v);
	if (result)
		log_warn("no pipelines for the decoder: VkResult %d\n", result);
	return result ? E_NOTIMPL : S_OK;
}

HRESULT decode_vulkan_create(ID3D12Device *device, struct decode_method **out)
{
	struct vulkan_method *v = core_alloc(sizeof(*v));
	HRESULT hr;

	if (!v)
		return E_OUTOFMEMORY;
	v->base.ops = &ops;
	v->base.max_streams = DECODE_MAX_STREAMS;
	hr = ID3D12Device_QueryInterface(device, &interop_iid_device1, (void **)&v->interop);
	if (FAILED(hr)) {
		core_free(v);
		return S_FALSE;
	}
	hr = make(v);
	if (FAILED(hr)) {
		destroy(&v->base);
		return hr;
	}
	*out = &v->base;
	return S_OK;
}

bool decode_vulkan_is_software(ID3D12Device *device)
{
	struct vulkan_method v;
	VkPhysicalDeviceProperties2 p = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
	};
	bool is_known;

	memset(&v, 0, sizeof(v));
	if (FAILED(ID3D12Device_QueryInterface(device, &interop_iid_device, (void **)&v.interop)))
		return false;
	is_known = load(&v);
	if (is_known)
		v.vk.GetPhysicalDeviceProperties2(v.physical, &p);
	v.interop->lpVtbl->Release(v.interop);
	return !is_known || p.properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
}
