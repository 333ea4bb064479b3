/* SPDX-License-Identifier: MIT */
/* decoder.c: the pipelines that decode tiles, what they need, and who shall decode. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "device/vulkan/vk.h"

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
#define FEW_TILES      6
/* What takes less says nothing about throughput. */
#define MIN_MANY_TILES 256

#define SCRATCH_SLAB	65536
#define UNIFIED_SCRATCH (32u << 20)

/* What is expected until it was measured. */
#define DISCRETE_BYTES_PER_US 40000
#define UNIFIED_BYTES_PER_US  4000
#define DISCRETE_FEW_NS	      1500000
#define UNIFIED_FEW_NS	      4000000

static VkResult create_pipeline(struct ds_vk_device *d, VkShaderModule module,
				const struct shape *shape, struct ds_vk_decoder *out)
{
	const uint32_t constants[] = {
		32 * shape->nr_subgroups, d->is_native, shape->litlen_bits,
		shape->dist_bits,	  shape->batch, shape->batch ? 1 : shape->nr_subgroups
	};
	const VkSpecializationMapEntry entries[] = {
		{ 0, 0, 4 }, { 1, 4, 4 }, { 2, 8, 4 }, { 3, 12, 4 }, { 4, 16, 4 }, { 5, 20, 4 },
	};
	const VkSpecializationInfo specialization = {
		.mapEntryCount = DS_ARRAY_SIZE(entries),
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
			.module = module,
			.pName = "main",
			.pSpecializationInfo = &specialization,
		},
		.layout = d->layout,
	};

	if (d->is_native) {
		info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
		info.stage.pNext = &size;
	}
	out->layout = d->layout;
	out->tiles_per_group = constants[5];
	return d->vk.CreateComputePipelines(d->device, VK_NULL_HANDLE, 1, &info, NULL,
					    &out->pipeline);
}

static VkResult create_pipelines(struct ds_vk_device *d)
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
	VkShaderModule module;
	VkResult result = d->vk.CreatePipelineLayout(d->device, &layout, NULL, &d->layout);

	if (!result)
		result = d->vk.CreateShaderModule(d->device, &info, NULL, &module);
	if (result)
		return result;
	result = create_pipeline(d, module, d->is_native ? &shape_many : &shape_emulated, &d->many);
	if (!result && d->is_native)
		result = create_pipeline(d, module, &shape_few, &d->few);
	d->vk.DestroyShaderModule(d->device, module, NULL);
	return result;
}

static ds_result create_memory(struct ds_vk_device *d)
{
	/* Without copies it is for streams at odd addresses only. */
	uint64_t scratch = d->copies_streams ? d->staging_nbytes
					     : ds_min_u64(d->staging_nbytes, UNIFIED_SCRATCH);
	ds_result ret = ds_vk_memory_create(d, DS_VK_MEMORY_DEVICE, scratch, 0, &d->scratch);

	if (!ret && !ds_arena_init(&d->scratch_arena, scratch, SCRATCH_SLAB))
		ret = DS_ERR_NO_MEMORY;
	if (!ret)
		ret = ds_vk_memory_create(d, DS_VK_MEMORY_UPLOAD,
					  DS_VK_TABLE_TILES * sizeof(struct ds_vk_tile), 0,
					  &d->table);
	if (!ret)
		ret = ds_vk_memory_create(d, DS_VK_MEMORY_HOST,
					  DS_VK_TABLE_TILES * sizeof(uint32_t), 0, &d->status);
	if (ret)
		return ret;
	d->tiles = malloc(DS_VK_TABLE_TILES * sizeof(*d->tiles));
	if ((d->cfg.flags & DS_VULKAN_USE_DRIVER_DECODE) &&
	    (d->caps.features & DS_VULKAN_FEATURE_DRIVER_DECODE) && d->vk.CmdDecompressMemoryNV) {
		d->regions = malloc(DS_VK_TABLE_TILES * sizeof(*d->regions));
		if (!d->regions)
			return DS_ERR_NO_MEMORY;
	}
	if (!d->tiles || !ds_arena_init(&d->table_arena, DS_VK_TABLE_TILES, DS_VK_TABLE_SLAB))
		return DS_ERR_NO_MEMORY;
	return DS_OK;
}

/* Older Intel GPUs take 32, but slowly: 8 to 32 with 16 as what they like. */
static bool is_native(const struct ds_vk_device *d)
{
	const struct ds_vk_caps *c = &d->caps;

	return (c->features & DS_VULKAN_FEATURE_SUBGROUPS) && c->can_require_size &&
	       c->subgroup_min <= 32 && c->subgroup_max >= 32 &&
	       !(c->subgroup_min == 8 && c->subgroup_max == 32);
}

ds_result ds_vk_decoder_init(struct ds_vk_device *d)
{
	ds_result ret;

	if (d->cfg.decode == DS_VULKAN_DECODE_CPU || !(d->caps.features & DS_VULKAN_FEATURE_DECODE))
		return DS_OK;
	/* A GPU that is the CPU gains nothing by pretending. */
	if (d->cfg.decode == DS_VULKAN_DECODE_AUTO &&
	    d->caps.properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU)
		return DS_OK;
	d->is_native = is_native(d);
	d->few_tiles = d->is_native ? FEW_TILES * d->caps.nr_multiprocessors : 0;
	d->copies_streams = !d->caps.is_unified || d->cfg.path == DS_VULKAN_PATH_STAGED;
	atomic_init(&d->rates.bytes_per_us,
		    d->caps.is_unified ? UNIFIED_BYTES_PER_US : DISCRETE_BYTES_PER_US);
	atomic_init(&d->rates.few_ns, d->caps.is_unified ? UNIFIED_FEW_NS : DISCRETE_FEW_NS);
	ret = ds_vk_result(create_pipelines(d));
	if (!ret)
		ret = create_memory(d);
	d->can_decode = !ret;
	return ret;
}

void ds_vk_decoder_fini(struct ds_vk_device *d)
{
	free(d->tiles);
	free(d->regions);
	ds_arena_fini(&d->table_arena);
	ds_arena_fini(&d->scratch_arena);
	ds_vk_memory_destroy(d, &d->scratch);
	ds_vk_memory_destroy(d, &d->table);
	ds_vk_memory_destroy(d, &d->status);
	if (d->few.pipeline)
		d->vk.DestroyPipeline(d->device, d->few.pipeline, NULL);
	if (d->many.pipeline)
		d->vk.DestroyPipeline(d->device, d->many.pipeline, NULL);
	if (d->layout)
		d->vk.DestroyPipelineLayout(d->device, d->layout, NULL);
}

/* ------------------------------------------------------------ expectations */

uint64_t ds_vk_decode_eta_ns(struct ds_device *base, const struct ds_codec *codec,
			     const struct ds_target *target, uint64_t decoded_nbytes)
{
	struct ds_vk_device *d = ds_container_of(base, struct ds_vk_device, base);
	const struct ds_vk_target *t = target->state;
	uint64_t pending, rate;

	if (!d->can_decode || codec->id != DS_CODEC_GDEFLATE || !t ||
	    (!t->address && !t->is_image) || atomic_load_explicit(&d->lost, memory_order_relaxed))
		return UINT64_MAX;
	if (d->cfg.decode == DS_VULKAN_DECODE_GPU)
		return 0;
	pending = atomic_load_explicit(&d->rates.pending_nbytes, memory_order_relaxed);
	rate = atomic_load_explicit(&d->rates.bytes_per_us, memory_order_relaxed);
	/* However few they are, the last tile takes its time. */
	return atomic_load_explicit(&d->rates.few_ns, memory_order_relaxed) +
	       (pending + decoded_nbytes) * 1000 / rate;
}

static void move_towards(_Atomic uint64_t *value, uint64_t seen)
{
	uint64_t was = atomic_load_explicit(value, memory_order_relaxed);

	/* Written with the device's lock held, read without. */
	atomic_store_explicit(value, ds_max_u64((3 * was + seen) / 4, 1), memory_order_relaxed);
}

void ds_vk_decode_measured(struct ds_vk_device *d, const struct ds_vk_batch *b, uint64_t busy_ns,
			   uint64_t latency_ns)
{
	if (b->nr_tiles + b->nr_regions > ds_max_u64(d->few_tiles, MIN_MANY_TILES))
		move_towards(&d->rates.bytes_per_us,
			     b->decoded_nbytes * 1000 / ds_max_u64(busy_ns, 1));
	else
		move_towards(&d->rates.few_ns, latency_ns);
}
