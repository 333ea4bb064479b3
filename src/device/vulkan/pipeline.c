/* SPDX-License-Identifier: MIT */
/* pipeline.c: see pipeline.h. */
#include "device/vulkan/pipeline.h"

static const uint32_t shader[] =
#include "gdeflate_decode.spv.inc"
	;

/* How the shader is specialized; see docs/gpu-decode.md. */
struct shape {
	uint32_t nr_subgroups, litlen_bits, dist_bits, batch;
};
static const struct shape shape_few = { 8, 10, 8, 6 };
static const struct shape shape_many = { 2, 7, 5, 0 };
static const struct shape shape_emulated = { 1, 7, 5, 0 };

/* Up to here, for each multiprocessor, few tiles are decoded as such. */
#define FEW_TILES 6
struct maker {
	const struct ds_vk_api *vk;
	VkDevice device;
	VkPipelineLayout layout;
	VkShaderModule module;
	bool is_native;
};

static VkResult create_pipeline(const struct maker *m, const struct shape *shape,
				struct ds_vk_decoder *out)
{
	const uint32_t constants[] = {
		32 * shape->nr_subgroups, m->is_native, shape->litlen_bits,
		shape->dist_bits,	  shape->batch, shape->batch ? 1 : shape->nr_subgroups
	};
	const VkSpecializationMapEntry entries[] = {
		{ 0, 0, 4 }, { 1, 4, 4 }, { 2, 8, 4 }, { 3, 12, 4 }, { 4, 16, 4 }, { 5, 20, 4 },
	};
	const VkSpecializationInfo specialization = {
		.mapEntryCount = sizeof(entries) / sizeof(entries[0]),
		.pMapEntries = entries,
		.dataSize = sizeof(constants),
		.pData = constants,
	};
	const VkPipelineShaderStageRequiredSubgroupSizeCreateInfo size = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
		.requiredSubgroupSize = 32,
	};
	VkComputePipelineCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
		.stage = {
			.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
			.stage = VK_SHADER_STAGE_COMPUTE_BIT,
			.module = m->module,
			.pName = "main",
			.pSpecializationInfo = &specialization,
		},
		.layout = m->layout,
	};

	if (m->is_native) {
		info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
		info.stage.pNext = &size;
	}
	out->layout = m->layout;
	out->tiles_per_group = constants[5];
	return m->vk->CreateComputePipelines(m->device, VK_NULL_HANDLE, 1, &info, NULL,
					     &out->pipeline);
}

VkResult ds_vk_pipelines_create(struct ds_vk_pipelines *p, const struct ds_vk_api *vk,
				VkDevice device, bool is_native, uint32_t nr_multiprocessors)
{
	const VkPushConstantRange range = { VK_SHADER_STAGE_COMPUTE_BIT, 0, 20 };
	const VkPipelineLayoutCreateInfo layout = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
		.pushConstantRangeCount = 1,
		.pPushConstantRanges = &range,
	};
	const VkShaderModuleCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
		.codeSize = sizeof(shader),
		.pCode = shader,
	};
	struct maker m = { .vk = vk, .device = device, .is_native = is_native };
	VkResult result = vk->CreatePipelineLayout(device, &layout, NULL, &p->layout);

	if (!result)
		result = vk->CreateShaderModule(device, &info, NULL, &m.module);
	if (result)
		return result;
	m.layout = p->layout;
	p->few_tiles = is_native ? FEW_TILES * nr_multiprocessors : 0;
	result = create_pipeline(&m, is_native ? &shape_many : &shape_emulated, &p->many);
	if (!result && is_native)
		result = create_pipeline(&m, &shape_few, &p->few);
	vk->DestroyShaderModule(device, m.module, NULL);
	return result;
}

void ds_vk_pipelines_destroy(struct ds_vk_pipelines *p, const struct ds_vk_api *vk, VkDevice device)
{
	if (p->few.pipeline)
		vk->DestroyPipeline(device, p->few.pipeline, NULL);
	if (p->many.pipeline)
		vk->DestroyPipeline(device, p->many.pipeline, NULL);
	if (p->layout)
		vk->DestroyPipelineLayout(device, p->layout, NULL);
}

const struct ds_vk_decoder *ds_vk_pipelines_choose(const struct ds_vk_pipelines *p,
						   uint32_t nr_tiles)
{
	return nr_tiles <= p->few_tiles ? &p->few : &p->many;
}

bool ds_vk_can_decode(const VkPhysicalDeviceFeatures *f,
		      const VkPhysicalDeviceVulkan12Features *f12)
{
	return f12->bufferDeviceAddress && f12->shaderInt8 && f->shaderInt16 && f->shaderInt64 &&
	       f12->storageBuffer8BitAccess && f12->scalarBlockLayout;
}

/* Older Intel GPUs take 32, but slowly: 8 to 32 with 16 as what they like. */
bool ds_vk_is_native(const VkPhysicalDeviceVulkan13Features *f13, uint32_t subgroup_min,
		     uint32_t subgroup_max, VkShaderStageFlags required_size_stages)
{
	return f13->subgroupSizeControl && f13->computeFullSubgroups &&
	       (required_size_stages & VK_SHADER_STAGE_COMPUTE_BIT) && subgroup_min <= 32 &&
	       subgroup_max >= 32 && !(subgroup_min == 8 && subgroup_max == 32);
}
