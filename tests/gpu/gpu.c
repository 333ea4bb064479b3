/* SPDX-License-Identifier: MIT */
/* gpu.c: see gpu.h. */
#include "gpu.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t shader[] =
#include "gdeflate_decode.spv.inc"
	;

#define INSTANCE_FUNCTIONS(F)                     \
	F(DestroyInstance)                        \
	F(EnumeratePhysicalDevices)               \
	F(GetPhysicalDeviceProperties2)           \
	F(GetPhysicalDeviceFeatures2)             \
	F(GetPhysicalDeviceMemoryProperties)      \
	F(GetPhysicalDeviceQueueFamilyProperties) \
	F(EnumerateDeviceExtensionProperties)     \
	F(CreateDevice)                           \
	F(GetDeviceProcAddr)

#define DEVICE_FUNCTIONS(F)            \
	F(DestroyDevice)               \
	F(GetDeviceQueue)              \
	F(CreateBuffer)                \
	F(DestroyBuffer)               \
	F(GetBufferMemoryRequirements) \
	F(AllocateMemory)              \
	F(FreeMemory)                  \
	F(MapMemory)                   \
	F(BindBufferMemory)            \
	F(GetBufferDeviceAddress)      \
	F(CreateShaderModule)          \
	F(DestroyShaderModule)         \
	F(CreatePipelineLayout)        \
	F(DestroyPipelineLayout)       \
	F(CreateComputePipelines)      \
	F(DestroyPipeline)             \
	F(CreateCommandPool)           \
	F(DestroyCommandPool)          \
	F(AllocateCommandBuffers)      \
	F(BeginCommandBuffer)          \
	F(EndCommandBuffer)            \
	F(ResetCommandPool)            \
	F(CmdBindPipeline)             \
	F(CmdPushConstants)            \
	F(CmdDispatch)                 \
	F(CmdPipelineBarrier2)         \
	F(CmdCopyBuffer)               \
	F(CmdResetQueryPool)           \
	F(CmdWriteTimestamp2)          \
	F(CreateQueryPool)             \
	F(DestroyQueryPool)            \
	F(GetQueryPoolResults)         \
	F(CreateFence)                 \
	F(DestroyFence)                \
	F(ResetFences)                 \
	F(WaitForFences)               \
	F(QueueSubmit2)                \
	F(DeviceWaitIdle)

struct gpu {
	void *library;
	PFN_vkGetInstanceProcAddr GetInstanceProcAddr;
#define DECLARE(name) PFN_vk##name name;
	INSTANCE_FUNCTIONS(DECLARE)
	DEVICE_FUNCTIONS(DECLARE)
#undef DECLARE
	/* Of extensions; NULL without them. */
	PFN_vkGetMemoryHostPointerPropertiesEXT GetMemoryHostPointerPropertiesEXT;
	PFN_vkGetPipelineExecutableStatisticsKHR GetPipelineExecutableStatisticsKHR;
	VkInstance instance;
	VkDebugUtilsMessengerEXT messenger;
	unsigned nr_messages;
	VkPhysicalDevice physical;
	VkPhysicalDeviceProperties properties;
	VkPhysicalDeviceVulkan13Properties properties13;
	VkPhysicalDeviceMemoryProperties memory;
	uint32_t subgroup_size;
	uint64_t import_alignment;
	VkDevice device;
	VkQueue queue;
	uint32_t family;
	bool is_native;
	struct gpu_shape shape;
	VkPipelineLayout layout;
	VkPipeline pipeline;
	VkCommandPool pool;
	VkCommandBuffer commands;
	VkQueryPool queries;
	VkFence fence;
};

static void check(VkResult result, const char *what)
{
	if (result == VK_SUCCESS)
		return;
	fprintf(stderr, "%s: VkResult %d\n", what, (int)result);
	exit(1);
}

#define CHECK(call) check(call, #call)

/* ---------------------------------------------------------------- instance */

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
						 VkDebugUtilsMessageTypeFlagsEXT types,
						 const VkDebugUtilsMessengerCallbackDataEXT *data,
						 void *user)
{
	struct gpu *g = user;

	(void)severity;
	(void)types;
	g->nr_messages++;
	fprintf(stderr, "validation: %s\n", data->pMessage);
	return VK_FALSE;
}

static bool load_instance(struct gpu *g, bool has_validation)
{
	static const char *const layers[] = { "VK_LAYER_KHRONOS_validation" };
	static const char *const extensions[] = { VK_EXT_DEBUG_UTILS_EXTENSION_NAME };
	static const VkValidationFeatureEnableEXT enabled[] = {
		VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT,
	};
	VkApplicationInfo app = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.apiVersion = VK_API_VERSION_1_3,
	};
	VkValidationFeaturesEXT features = {
		.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
		.enabledValidationFeatureCount = 1,
		.pEnabledValidationFeatures = enabled,
	};
	VkDebugUtilsMessengerCreateInfoEXT messenger = {
		.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
		.pNext = &features,
		.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
				   VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
		.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
		.pfnUserCallback = on_message,
		.pUserData = g,
	};
	VkInstanceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pApplicationInfo = &app,
	};
	PFN_vkCreateInstance create;
	PFN_vkCreateDebugUtilsMessengerEXT create_messenger;
	VkResult result;

	if (has_validation) {
		info.pNext = &messenger;
		info.enabledLayerCount = 1;
		info.ppEnabledLayerNames = layers;
		info.enabledExtensionCount = 1;
		info.ppEnabledExtensionNames = extensions;
	}
	create = (PFN_vkCreateInstance)g->GetInstanceProcAddr(NULL, "vkCreateInstance");
	result = create(&info, NULL, &g->instance);
	if (result == VK_ERROR_LAYER_NOT_PRESENT) {
		fprintf(stderr, "no validation layers here\n");
		return load_instance(g, false);
	}
	if (result != VK_SUCCESS) {
		fprintf(stderr, "no Vulkan instance: VkResult %d\n", (int)result);
		return false;
	}
#define LOAD(name) g->name = (PFN_vk##name)g->GetInstanceProcAddr(g->instance, "vk" #name);
	INSTANCE_FUNCTIONS(LOAD)
#undef LOAD
	if (has_validation) {
		create_messenger = (PFN_vkCreateDebugUtilsMessengerEXT)g->GetInstanceProcAddr(
			g->instance, "vkCreateDebugUtilsMessengerEXT");
		messenger.pNext = NULL;
		CHECK(create_messenger(g->instance, &messenger, NULL, &g->messenger));
	}
	return true;
}

/* ------------------------------------------------------------------ device */

static bool has_features(struct gpu *g, VkPhysicalDevice physical)
{
	VkPhysicalDeviceVulkan13Features f13 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
	};
	VkPhysicalDeviceVulkan12Features f12 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
		.pNext = &f13,
	};
	VkPhysicalDeviceFeatures2 f = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
		.pNext = &f12,
	};

	g->GetPhysicalDeviceFeatures2(physical, &f);
	return f.features.shaderInt64 && f.features.shaderInt16 && f12.bufferDeviceAddress &&
	       f12.shaderInt8 && f12.storageBuffer8BitAccess && f12.scalarBlockLayout &&
	       f13.synchronization2 && f13.subgroupSizeControl && f13.computeFullSubgroups;
}

static void get_properties(struct gpu *g, VkPhysicalDevice physical)
{
	VkPhysicalDeviceExternalMemoryHostPropertiesEXT host = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT,
	};
	VkPhysicalDeviceSubgroupProperties subgroup = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES,
		.pNext = &host,
	};
	VkPhysicalDeviceProperties2 p = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
		.pNext = &g->properties13,
	};

	g->properties13.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_PROPERTIES;
	g->properties13.pNext = &subgroup;
	g->GetPhysicalDeviceProperties2(physical, &p);
	g->physical = physical;
	g->properties = p.properties;
	g->subgroup_size = subgroup.subgroupSize;
	g->import_alignment = host.minImportedHostPointerAlignment;
	g->GetPhysicalDeviceMemoryProperties(physical, &g->memory);
}

static bool choose_device(struct gpu *g, const char *name)
{
	VkPhysicalDevice devices[16];
	uint32_t nr = 16;

	g->EnumeratePhysicalDevices(g->instance, &nr, devices);
	for (uint32_t i = 0; i < nr; i++) {
		get_properties(g, devices[i]);
		if (g->properties.apiVersion >= VK_API_VERSION_1_3 &&
		    (!name || strstr(g->properties.deviceName, name)) &&
		    has_features(g, devices[i]))
			return true;
	}
	fprintf(stderr, "no Vulkan device that will do\n");
	return false;
}

static bool has_extension(struct gpu *g, const char *name)
{
	VkExtensionProperties *all;
	uint32_t nr = 0;
	bool found = false;

	g->EnumerateDeviceExtensionProperties(g->physical, NULL, &nr, NULL);
	all = calloc(nr ? nr : 1, sizeof(*all));
	if (!all)
		return false;
	g->EnumerateDeviceExtensionProperties(g->physical, NULL, &nr, all);
	for (uint32_t i = 0; i < nr; i++)
		found = found || !strcmp(all[i].extensionName, name);
	free(all);
	return found;
}

static uint32_t compute_family(struct gpu *g)
{
	VkQueueFamilyProperties families[16];
	uint32_t nr = 16;

	g->GetPhysicalDeviceQueueFamilyProperties(g->physical, &nr, families);
	for (uint32_t i = 0; i < nr; i++)
		if (families[i].queueFlags & VK_QUEUE_COMPUTE_BIT)
			return i;
	check(VK_ERROR_FEATURE_NOT_PRESENT, "looking for a compute queue");
	return 0;
}

static void create_device(struct gpu *g)
{
	VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executable = {
		.sType =
			VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
		.pipelineExecutableInfo = VK_TRUE,
	};
	VkPhysicalDeviceVulkan13Features f13 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
		.synchronization2 = VK_TRUE,
		.subgroupSizeControl = VK_TRUE,
		.computeFullSubgroups = VK_TRUE,
	};
	VkPhysicalDeviceVulkan12Features f12 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
		.pNext = &f13,
		.bufferDeviceAddress = VK_TRUE,
		.shaderInt8 = VK_TRUE,
		.storageBuffer8BitAccess = VK_TRUE,
		.scalarBlockLayout = VK_TRUE,
	};
	VkPhysicalDeviceFeatures2 f = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
		.pNext = &f12,
		.features.shaderInt64 = VK_TRUE,
		.features.shaderInt16 = VK_TRUE,
	};
	float priority = 1;
	VkDeviceQueueCreateInfo queue = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueCount = 1,
		.pQueuePriorities = &priority,
	};
	const char *extensions[2];
	VkDeviceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.pNext = &f,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queue,
		.ppEnabledExtensionNames = extensions,
	};
	bool can_import = has_extension(g, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME);
	bool has_statistics =
		has_extension(g, VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME);

	if (can_import)
		extensions[info.enabledExtensionCount++] =
			VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME;
	if (has_statistics) {
		extensions[info.enabledExtensionCount++] =
			VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
		f13.pNext = &executable;
	}
	g->family = compute_family(g);
	queue.queueFamilyIndex = g->family;
	CHECK(g->CreateDevice(g->physical, &info, NULL, &g->device));
#define LOAD(name) g->name = (PFN_vk##name)g->GetDeviceProcAddr(g->device, "vk" #name);
	DEVICE_FUNCTIONS(LOAD)
	if (can_import) {
		LOAD(GetMemoryHostPointerPropertiesEXT)
	}
	if (has_statistics) {
		LOAD(GetPipelineExecutableStatisticsKHR)
	}
#undef LOAD
	g->GetDeviceQueue(g->device, g->family, 0, &g->queue);
}

/* ---------------------------------------------------------------- pipeline */

struct parameters {
	uint64_t tiles, status;
	uint32_t nr_tiles;
};

/* Another build of the shader, to compare with. */
static void load_shader(const char *path, VkShaderModuleCreateInfo *info)
{
	static uint32_t code[1 << 18];
	FILE *f = fopen(path, "rb");

	if (!f)
		check(VK_ERROR_UNKNOWN, path);
	info->codeSize = fread(code, 1, sizeof(code), f);
	info->pCode = code;
	fclose(f);
}

static void create_pipeline(struct gpu *g, const struct gpu_options *o)
{
	const uint32_t constants[] = { 32 * g->shape.nr_subgroups,
				       g->is_native,
				       g->shape.litlen_bits,
				       g->shape.dist_bits,
				       g->shape.batch,
				       g->shape.batch ? 1 : g->shape.nr_subgroups };
	VkSpecializationMapEntry entries[] = {
		{ 0, 0, 4 }, { 1, 4, 4 }, { 2, 8, 4 }, { 3, 12, 4 }, { 4, 16, 4 }, { 5, 20, 4 },
	};
	VkSpecializationInfo specialization = {
		.mapEntryCount = 6,
		.pMapEntries = entries,
		.dataSize = sizeof(constants),
		.pData = constants,
	};
	VkPushConstantRange range = { VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(struct parameters) };
	VkPipelineLayoutCreateInfo layout = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
		.pushConstantRangeCount = 1,
		.pPushConstantRanges = &range,
	};
	VkShaderModuleCreateInfo module = {
		.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
		.codeSize = sizeof(shader),
		.pCode = shader,
	};
	VkPipelineShaderStageRequiredSubgroupSizeCreateInfo size = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
		.requiredSubgroupSize = 32,
	};
	VkComputePipelineCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
		.stage = {
			.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
			.stage = VK_SHADER_STAGE_COMPUTE_BIT,
			.pName = "main",
			.pSpecializationInfo = &specialization,
		},
	};

	if (g->GetPipelineExecutableStatisticsKHR)
		info.flags = VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR;
	if (g->is_native) {
		info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
		info.stage.pNext = &size;
	}
	if (o->shader)
		load_shader(o->shader, &module);
	CHECK(g->CreatePipelineLayout(g->device, &layout, NULL, &g->layout));
	CHECK(g->CreateShaderModule(g->device, &module, NULL, &info.stage.module));
	info.layout = g->layout;
	CHECK(g->CreateComputePipelines(g->device, VK_NULL_HANDLE, 1, &info, NULL, &g->pipeline));
	g->DestroyShaderModule(g->device, info.stage.module, NULL);
}

static void create_commands(struct gpu *g)
{
	VkCommandPoolCreateInfo pool = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.queueFamilyIndex = g->family,
	};
	VkCommandBufferAllocateInfo commands = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
		.commandBufferCount = 1,
	};
	VkQueryPoolCreateInfo queries = {
		.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
		.queryType = VK_QUERY_TYPE_TIMESTAMP,
		.queryCount = 2,
	};
	VkFenceCreateInfo fence = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };

	CHECK(g->CreateCommandPool(g->device, &pool, NULL, &g->pool));
	commands.commandPool = g->pool;
	CHECK(g->AllocateCommandBuffers(g->device, &commands, &g->commands));
	CHECK(g->CreateQueryPool(g->device, &queries, NULL, &g->queries));
	CHECK(g->CreateFence(g->device, &fence, NULL, &g->fence));
}

struct gpu *gpu_create(const struct gpu_options *options)
{
	struct gpu *g = calloc(1, sizeof(*g));
	void *symbol;

	if (!g)
		return NULL;
	g->library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!g->library) {
		fprintf(stderr, "no Vulkan loader: %s\n", dlerror());
		free(g);
		return NULL;
	}
	/* ISO C has no conversion from data to code pointers. */
	symbol = dlsym(g->library, "vkGetInstanceProcAddr");
	memcpy(&g->GetInstanceProcAddr, &symbol, sizeof(symbol));
	if (!load_instance(g, options->has_validation) || !choose_device(g, options->device)) {
		gpu_destroy(g);
		return NULL;
	}
	g->is_native = !options->is_emulated && g->properties13.minSubgroupSize <= 32 &&
		       g->properties13.maxSubgroupSize >= 32 &&
		       (g->properties13.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT);
	g->shape = options->shape;
	if (!g->shape.nr_subgroups)
		g->shape = (struct gpu_shape){ 8, 10, 8, 6 };
	if (!g->is_native)
		g->shape.nr_subgroups = 1;
	create_device(g);
	create_pipeline(g, options);
	create_commands(g);
	return g;
}

static void destroy_device(struct gpu *g)
{
	g->DeviceWaitIdle(g->device);
	g->DestroyFence(g->device, g->fence, NULL);
	g->DestroyQueryPool(g->device, g->queries, NULL);
	g->DestroyCommandPool(g->device, g->pool, NULL);
	g->DestroyPipeline(g->device, g->pipeline, NULL);
	g->DestroyPipelineLayout(g->device, g->layout, NULL);
	g->DestroyDevice(g->device, NULL);
}

void gpu_destroy(struct gpu *g)
{
	PFN_vkDestroyDebugUtilsMessengerEXT destroy_messenger;

	if (!g)
		return;
	if (g->device)
		destroy_device(g);
	if (g->messenger) {
		destroy_messenger = (PFN_vkDestroyDebugUtilsMessengerEXT)g->GetInstanceProcAddr(
			g->instance, "vkDestroyDebugUtilsMessengerEXT");
		destroy_messenger(g->instance, g->messenger, NULL);
	}
	if (g->instance)
		g->DestroyInstance(g->instance, NULL);
	dlclose(g->library);
	free(g);
}

const char *gpu_device_name(const struct gpu *g)
{
	return g->properties.deviceName;
}

bool gpu_is_native(const struct gpu *g)
{
	return g->is_native;
}

uint32_t gpu_subgroup_size(const struct gpu *g)
{
	return g->subgroup_size;
}

unsigned gpu_nr_messages(const struct gpu *g)
{
	return g->nr_messages;
}

void gpu_print_pipeline(struct gpu *g)
{
	VkPipelineExecutableInfoKHR info = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR,
		.pipeline = g->pipeline,
	};
	VkPipelineExecutableStatisticKHR statistics[32];
	uint32_t nr = 32;

	if (!g->GetPipelineExecutableStatisticsKHR)
		return;
	memset(statistics, 0, sizeof(statistics));
	for (uint32_t i = 0; i < nr; i++)
		statistics[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR;
	g->GetPipelineExecutableStatisticsKHR(g->device, &info, &nr, statistics);
	for (uint32_t i = 0; i < nr; i++)
		if (statistics[i].format == VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR ||
		    statistics[i].format == VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR)
			printf("  %s: %llu\n", statistics[i].name,
			       (unsigned long long)statistics[i].value.u64);
}

/* ------------------------------------------------------------------ memory */

static uint32_t find_memory_type(struct gpu *g, uint32_t allowed, VkMemoryPropertyFlags flags)
{
	for (uint32_t i = 0; i < g->memory.memoryTypeCount; i++)
		if ((allowed >> i & 1) && (g->memory.memoryTypes[i].propertyFlags & flags) == flags)
			return i;
	return UINT32_MAX;
}

static VkBuffer create_buffer(struct gpu *g, size_t nbytes, const void *chain)
{
	VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.pNext = chain,
		.size = nbytes,
		.usage = VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT |
			 VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
			 VK_BUFFER_USAGE_TRANSFER_DST_BIT,
	};
	VkBuffer buffer;

	CHECK(g->CreateBuffer(g->device, &info, NULL, &buffer));
	return buffer;
}

static void bind_memory(struct gpu *g, struct gpu_memory *m, size_t nbytes, uint32_t type,
			const void *chain)
{
	VkMemoryAllocateFlagsInfo flags = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
		.pNext = chain,
		.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
	};
	VkMemoryAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.pNext = &flags,
		.allocationSize = nbytes,
		.memoryTypeIndex = type,
	};
	VkBufferDeviceAddressInfo address = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
		.buffer = m->buffer,
	};

	CHECK(g->AllocateMemory(g->device, &info, NULL, &m->memory));
	CHECK(g->BindBufferMemory(g->device, m->buffer, m->memory, 0));
	m->address = g->GetBufferDeviceAddress(g->device, &address);
}

struct gpu_memory gpu_memory_create(struct gpu *g, enum gpu_memory_kind kind, size_t nbytes)
{
	const VkMemoryPropertyFlags host =
		VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
	struct gpu_memory m = { .nbytes = nbytes };
	VkMemoryRequirements needs;
	uint32_t type;

	m.buffer = create_buffer(g, nbytes, NULL);
	g->GetBufferMemoryRequirements(g->device, m.buffer, &needs);
	if (kind == GPU_MEMORY_DEVICE) {
		type = find_memory_type(g, needs.memoryTypeBits,
					VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
	} else {
		type = find_memory_type(g, needs.memoryTypeBits,
					host | VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
		if (type == UINT32_MAX)
			type = find_memory_type(g, needs.memoryTypeBits, host);
	}
	bind_memory(g, &m, needs.size, type, NULL);
	if (kind == GPU_MEMORY_HOST)
		CHECK(g->MapMemory(g->device, m.memory, 0, VK_WHOLE_SIZE, 0, (void **)&m.host));
	return m;
}

bool gpu_memory_import(struct gpu *g, void *host, size_t nbytes, struct gpu_memory *out)
{
	const VkExternalMemoryHandleTypeFlagBits type =
		VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
	VkExternalMemoryBufferCreateInfo external = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
		.handleTypes = type,
	};
	VkImportMemoryHostPointerInfoEXT import = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
		.handleType = type,
		.pHostPointer = host,
	};
	VkMemoryHostPointerPropertiesEXT pointer = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT,
	};
	struct gpu_memory m = { .nbytes = nbytes, .host = host };
	VkMemoryRequirements needs;

	/* A device with memory of its own reads through mappings of its own. */
	if (!g->GetMemoryHostPointerPropertiesEXT ||
	    g->properties.deviceType != VK_PHYSICAL_DEVICE_TYPE_CPU ||
	    (uintptr_t)host % g->import_alignment || nbytes % g->import_alignment)
		return false;
	CHECK(g->GetMemoryHostPointerPropertiesEXT(g->device, type, host, &pointer));
	m.buffer = create_buffer(g, nbytes, &external);
	g->GetBufferMemoryRequirements(g->device, m.buffer, &needs);
	bind_memory(g, &m, nbytes,
		    find_memory_type(g, needs.memoryTypeBits & pointer.memoryTypeBits, 0), &import);
	*out = m;
	return true;
}

void gpu_memory_destroy(struct gpu *g, struct gpu_memory *m)
{
	g->DestroyBuffer(g->device, m->buffer, NULL);
	g->FreeMemory(g->device, m->memory, NULL);
	memset(m, 0, sizeof(*m));
}

/* ---------------------------------------------------------------- commands */

static void begin(struct gpu *g)
{
	VkCommandBufferBeginInfo info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
		.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
	};

	CHECK(g->ResetCommandPool(g->device, g->pool, 0));
	CHECK(g->BeginCommandBuffer(g->commands, &info));
}

static void end(struct gpu *g, VkPipelineStageFlags2 stage, VkAccessFlags2 access)
{
	VkMemoryBarrier2 memory = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2,
		.srcStageMask = stage,
		.srcAccessMask = access,
		.dstStageMask = VK_PIPELINE_STAGE_2_HOST_BIT | VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
		.dstAccessMask = VK_ACCESS_2_HOST_READ_BIT | VK_ACCESS_2_MEMORY_READ_BIT |
				 VK_ACCESS_2_MEMORY_WRITE_BIT,
	};
	VkDependencyInfo barrier = {
		.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
		.memoryBarrierCount = 1,
		.pMemoryBarriers = &memory,
	};
	VkCommandBufferSubmitInfo commands = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO,
		.commandBuffer = g->commands,
	};
	VkSubmitInfo2 submit = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO_2,
		.commandBufferInfoCount = 1,
		.pCommandBufferInfos = &commands,
	};

	g->CmdPipelineBarrier2(g->commands, &barrier);
	CHECK(g->EndCommandBuffer(g->commands));
	CHECK(g->QueueSubmit2(g->queue, 1, &submit, g->fence));
	CHECK(g->WaitForFences(g->device, 1, &g->fence, VK_TRUE, UINT64_MAX));
	CHECK(g->ResetFences(g->device, 1, &g->fence));
}

void gpu_copy(struct gpu *g, const struct gpu_memory *to, size_t to_offset,
	      const struct gpu_memory *from, size_t from_offset, size_t nbytes)
{
	VkBufferCopy region = { from_offset, to_offset, nbytes };

	begin(g);
	g->CmdCopyBuffer(g->commands, from->buffer, to->buffer, 1, &region);
	end(g, VK_PIPELINE_STAGE_2_COPY_BIT, VK_ACCESS_2_TRANSFER_WRITE_BIT);
}

double gpu_decode(struct gpu *g, const struct gpu_memory *table, const struct gpu_memory *status,
		  uint32_t first, uint32_t nr)
{
	struct parameters p = {
		.tiles = table->address + first * sizeof(struct gpu_tile),
		.status = status->address + first * sizeof(uint32_t),
		.nr_tiles = nr,
	};
	uint32_t per_group = g->shape.batch ? 1 : g->shape.nr_subgroups;
	uint32_t nr_groups = (nr + per_group - 1) / per_group;
	uint32_t width = nr_groups < 32768 ? nr_groups : 32768;
	uint64_t stamps[2];

	begin(g);
	g->CmdResetQueryPool(g->commands, g->queries, 0, 2);
	g->CmdBindPipeline(g->commands, VK_PIPELINE_BIND_POINT_COMPUTE, g->pipeline);
	g->CmdPushConstants(g->commands, g->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(p), &p);
	g->CmdWriteTimestamp2(g->commands, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, g->queries, 0);
	g->CmdDispatch(g->commands, width, (nr_groups + width - 1) / width, 1);
	g->CmdWriteTimestamp2(g->commands, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, g->queries, 1);
	end(g, VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT, VK_ACCESS_2_SHADER_STORAGE_WRITE_BIT);
	CHECK(g->GetQueryPoolResults(g->device, g->queries, 0, 2, sizeof(stamps), stamps, 8,
				     VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT));
	return (double)(stamps[1] - stamps[0]) * (double)g->properties.limits.timestampPeriod;
}
