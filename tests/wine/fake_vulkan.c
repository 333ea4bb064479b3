/* SPDX-License-Identifier: MIT */
/* fake_vulkan.c: see fake_vulkan.h. */
#include "fake_vulkan.h"

#include <stdlib.h>
#include <string.h>

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#include "dstorage/pe/interop.h"
#include "fake_objects.h"

#define TILE_NBYTES    65536u
#define HEAD_NBYTES    12u /* of a stream with one tile */
#define BUFFER_OFFSET  512 /* where in "its" VkBuffer each resource begins */
#define TILES_OF_GROUP 1   /* as the emulated shape has it: the fake has no subgroups of 32 */
#define CONSTANT_TILES 5   /* the specialization constant with their number */

static LONG is_cpu, lacks_features, nr_tiles;

/* What there is one of, and what handles of its kind point to. */
static char an_instance, a_physical_device, a_device, a_module, a_layout, a_pipeline;

/* -------------------------------------------------------------- decoding */

struct tile {
	UINT64 src, dst;
	UINT32 src_nbytes, dst_nbytes;
};

struct dispatch {
	UINT64 tiles, status;
	UINT32 nr_tiles;
	UINT32 nr_groups;
};

/* The tile alone, as a stream: the codec knows no other. */
static bool decode_tile(const struct tile *t, const unsigned char *src, unsigned char *dst)
{
	static IDStorageCompressionCodec *codec;
	UINT32 head[3] = { 0x0001fb04, 1 | (t->dst_nbytes % TILE_NBYTES) << 2, t->src_nbytes };
	unsigned char *stream = malloc(HEAD_NBYTES + t->src_nbytes);
	size_t written;
	HRESULT hr;

	if (!codec)
		REQUIRE_OK(DStorageCreateCompressionCodec(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, 1,
							  &IID_IDStorageCompressionCodec,
							  (void **)&codec));
	memcpy(stream, head, HEAD_NBYTES);
	memcpy(stream + HEAD_NBYTES, src, t->src_nbytes);
	hr = codec->lpVtbl->DecompressBuffer(codec, stream, HEAD_NBYTES + t->src_nbytes, dst,
					     t->dst_nbytes, &written);
	free(stream);
	return SUCCEEDED(hr) && written == t->dst_nbytes;
}

static void run(const void *args)
{
	const D3D12_RESOURCE_STATES uav = D3D12_RESOURCE_STATE_UNORDERED_ACCESS;
	const struct dispatch *d = args;
	const struct tile *tiles =
		(const void *)fake_at(d->tiles, d->nr_tiles * sizeof(struct tile), uav);
	UINT32 *status = (void *)fake_at(d->status, d->nr_tiles * sizeof(UINT32), uav);

	REQUIRE_CMP(d->nr_groups * TILES_OF_GROUP, >=, d->nr_tiles);
	for (UINT32 i = 0; i < d->nr_tiles; i++) {
		const struct tile *t = &tiles[i];

		REQUIRE(t->src % 4 == 0 && t->src_nbytes % 4 == 0);
		REQUIRE(t->dst_nbytes && t->dst_nbytes <= TILE_NBYTES);
		/* Nobody got to it yet. */
		REQUIRE_CMP(status[i], ==, UINT32_MAX);
		status[i] = !decode_tile(t, fake_at(t->src, t->src_nbytes, uav),
					 fake_at(t->dst, t->dst_nbytes, uav));
	}
	InterlockedExchangeAdd(&nr_tiles, (LONG)d->nr_tiles);
}

/* -------------------------------------------------------------- commands */

/* One command buffer is recorded at a time, by one thread. */
static struct {
	void *list; /* between begin and end */
	bool is_bound, is_entered;
	struct dispatch dispatch;
	bool has_constants;
} recording;

static void VKAPI_CALL cmd_barrier(VkCommandBuffer commands, const VkDependencyInfo *info)
{
	REQUIRE((void *)commands == recording.list);
	REQUIRE_CMP(info->memoryBarrierCount, ==, 1);
	recording.is_entered |=
		info->pMemoryBarriers[0].dstStageMask == VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT;
}

static void VKAPI_CALL cmd_bind(VkCommandBuffer commands, VkPipelineBindPoint point,
				VkPipeline pipeline)
{
	REQUIRE((void *)commands == recording.list);
	REQUIRE_CMP(point, ==, VK_PIPELINE_BIND_POINT_COMPUTE);
	REQUIRE((void *)pipeline == &a_pipeline);
	recording.is_bound = true;
}

static void VKAPI_CALL cmd_constants(VkCommandBuffer commands, VkPipelineLayout layout,
				     VkShaderStageFlags stages, uint32_t offset, uint32_t nbytes,
				     const void *values)
{
	REQUIRE((void *)commands == recording.list && (void *)layout == &a_layout);
	REQUIRE(stages == VK_SHADER_STAGE_COMPUTE_BIT && !offset && nbytes == 20);
	memcpy(&recording.dispatch, values, nbytes);
	recording.has_constants = true;
}

static void VKAPI_CALL cmd_dispatch(VkCommandBuffer commands, uint32_t x, uint32_t y, uint32_t z)
{
	REQUIRE((void *)commands == recording.list && recording.is_bound && recording.is_entered &&
		recording.has_constants);
	recording.dispatch.nr_groups = x * y * z;
	fake_record_call(recording.list, run, &recording.dispatch, sizeof(recording.dispatch));
}

/* ---------------------------------------------------------------- objects */

static VkDeviceAddress VKAPI_CALL get_address(VkDevice device,
					      const VkBufferDeviceAddressInfo *info)
{
	REQUIRE((void *)device == &a_device);
	return (VkDeviceAddress)(UINT_PTR)info->buffer;
}

static VkResult VKAPI_CALL create_module(VkDevice device, const VkShaderModuleCreateInfo *info,
					 const VkAllocationCallbacks *allocator,
					 VkShaderModule *out)
{
	(void)allocator;
	REQUIRE((void *)device == &a_device);
	REQUIRE_CMP(info->pCode[0], ==, 0x07230203);
	*out = (VkShaderModule)(void *)&a_module;
	return VK_SUCCESS;
}

static VkResult VKAPI_CALL create_layout(VkDevice device, const VkPipelineLayoutCreateInfo *info,
					 const VkAllocationCallbacks *allocator,
					 VkPipelineLayout *out)
{
	(void)device;
	(void)allocator;
	REQUIRE_CMP(info->pPushConstantRanges[0].size, ==, 20);
	*out = (VkPipelineLayout)(void *)&a_layout;
	return VK_SUCCESS;
}

static VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache cache, uint32_t count,
					    const VkComputePipelineCreateInfo *info,
					    const VkAllocationCallbacks *allocator, VkPipeline *out)
{
	const uint32_t *constants = info->stage.pSpecializationInfo->pData;

	(void)device;
	(void)cache;
	(void)allocator;
	REQUIRE(count == 1 && (void *)info->stage.module == &a_module && !info->stage.flags);
	REQUIRE_CMP(constants[CONSTANT_TILES], ==, TILES_OF_GROUP);
	*out = (VkPipeline)(void *)&a_pipeline;
	return VK_SUCCESS;
}

static void VKAPI_CALL destroy(VkDevice device, void *object,
			       const VkAllocationCallbacks *allocator)
{
	(void)allocator;
	REQUIRE((void *)device == &a_device);
	REQUIRE(object == &a_module || object == &a_layout || object == &a_pipeline);
}

static void VKAPI_CALL get_properties(VkPhysicalDevice physical, VkPhysicalDeviceProperties2 *p)
{
	REQUIRE((void *)physical == &a_physical_device);
	p->properties.deviceType =
		is_cpu ? VK_PHYSICAL_DEVICE_TYPE_CPU : VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
}

static void VKAPI_CALL not_there(void)
{
	fail(__FILE__, __LINE__, "a function of Vulkan that the fake has");
}

static PFN_vkVoidFunction VKAPI_CALL get_function(void *parent, const char *name)
{
#define ENTRY(name_, function)                        \
	{                                             \
		name_, (PFN_vkVoidFunction)(function) \
	}
	static const struct {
		const char *name;
		PFN_vkVoidFunction function;
	} table[] = {
		ENTRY("vkGetDeviceProcAddr", get_function),
		ENTRY("vkGetPhysicalDeviceProperties2", get_properties),
		ENTRY("vkGetBufferDeviceAddress", get_address),
		ENTRY("vkCreateShaderModule", create_module),
		ENTRY("vkDestroyShaderModule", destroy),
		ENTRY("vkCreatePipelineLayout", create_layout),
		ENTRY("vkDestroyPipelineLayout", destroy),
		ENTRY("vkCreateComputePipelines", create_pipelines),
		ENTRY("vkDestroyPipeline", destroy),
		ENTRY("vkCmdPipelineBarrier2", cmd_barrier),
		ENTRY("vkCmdBindPipeline", cmd_bind),
		ENTRY("vkCmdPushConstants", cmd_constants),
		ENTRY("vkCmdDispatch", cmd_dispatch),
	};

	REQUIRE(parent == &an_instance || parent == &a_device);
	for (unsigned int i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(name, table[i].name))
			return table[i].function;
	return (PFN_vkVoidFunction)not_there;
}

/* What fake_vulkan_dll.c looks for. */
__declspec(dllexport) PFN_vkVoidFunction WINAPI fake_vulkan_get(void *instance, const char *name);

PFN_vkVoidFunction WINAPI fake_vulkan_get(void *instance, const char *name)
{
	return get_function(instance, name);
}

/* ---------------------------------------------------------------- interop */

static struct interop {
	const struct interop_device_vtbl *vtbl;
	ID3D12Device *device;
} interop;

static HRESULT STDMETHODCALLTYPE interop_QueryInterface(interop_device *self, REFIID riid,
							void **out)
{
	(void)self;
	(void)riid;
	*out = NULL;
	return E_NOINTERFACE;
}

/* References are the device's own. */
static ULONG STDMETHODCALLTYPE interop_AddRef(interop_device *self)
{
	(void)self;
	return fake_add_ref(interop.device);
}

static ULONG STDMETHODCALLTYPE interop_Release(interop_device *self)
{
	(void)self;
	return fake_release(interop.device);
}

static HRESULT STDMETHODCALLTYPE interop_GetDeviceFeatures(interop_device *self,
							   const void **features)
{
	static VkPhysicalDeviceVulkan13Features f13 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
		.synchronization2 = VK_TRUE,
	};
	static VkPhysicalDeviceVulkan12Features f12 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
		.pNext = &f13,
		.shaderInt8 = VK_TRUE,
		.storageBuffer8BitAccess = VK_TRUE,
		.scalarBlockLayout = VK_TRUE,
		.bufferDeviceAddress = VK_TRUE,
	};
	static VkPhysicalDeviceFeatures2 f = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
		.pNext = &f12,
		.features.shaderInt16 = VK_TRUE,
	};

	(void)self;
	f.features.shaderInt64 = !lacks_features;
	*features = &f;
	return S_OK;
}

static HRESULT STDMETHODCALLTYPE interop_GetVulkanHandles(interop_device *self, void *instance,
							  void *physical_device, void *device)
{
	(void)self;
	*(void **)instance = &an_instance;
	*(void **)physical_device = &a_physical_device;
	*(void **)device = &a_device;
	return S_OK;
}

static HRESULT STDMETHODCALLTYPE interop_GetVulkanResourceInfo(interop_device *self,
							       ID3D12Resource *resource,
							       UINT64 *handle, UINT64 *offset)
{
	(void)self;
	*handle = ID3D12Resource_GetGPUVirtualAddress(resource) - BUFFER_OFFSET;
	*offset = BUFFER_OFFSET;
	return S_OK;
}

static HRESULT STDMETHODCALLTYPE interop_Begin(interop_device *self, ID3D12CommandList *list,
					       void *command_buffer)
{
	(void)self;
	REQUIRE(!recording.list);
	memset(&recording, 0, sizeof(recording));
	recording.list = list;
	*(void **)command_buffer = list;
	return S_OK;
}

static HRESULT STDMETHODCALLTYPE interop_End(interop_device *self, ID3D12CommandList *list)
{
	(void)self;
	REQUIRE(recording.list == list);
	recording.list = NULL;
	return S_OK;
}

static const struct interop_device_vtbl interop_vtbl = {
	.QueryInterface = interop_QueryInterface,
	.AddRef = interop_AddRef,
	.Release = interop_Release,
	.GetDeviceFeatures = interop_GetDeviceFeatures,
	.GetVulkanHandles = interop_GetVulkanHandles,
	.GetVulkanResourceInfo = interop_GetVulkanResourceInfo,
	.BeginVkCommandBufferInterop = interop_Begin,
	.EndVkCommandBufferInterop = interop_End,
};

/* ------------------------------------------------------------- the rest */

static HRESULT (*other_extension)(ID3D12Device *device, REFIID riid, void **out);

static HRESULT device_extension(ID3D12Device *device, REFIID riid, void **out)
{
	if (!IsEqualGUID(riid, &interop_iid_device) && !IsEqualGUID(riid, &interop_iid_device1))
		return other_extension(device, riid, out);
	interop.vtbl = &interop_vtbl;
	interop.device = device;
	fake_add_ref(device);
	*out = &interop;
	return S_OK;
}

void fake_vulkan_install(void)
{
	other_extension = fake_device_extension;
	fake_device_extension = device_extension;
}

void fake_vulkan_be_software(bool is_software)
{
	InterlockedExchange(&is_cpu, is_software);
}

void fake_vulkan_lack_features(bool lacks)
{
	InterlockedExchange(&lacks_features, lacks);
}

unsigned int fake_vulkan_tiles(void)
{
	return (unsigned int)nr_tiles;
}
