/* SPDX-License-Identifier: MIT */
/* watch.c: see watch.h. */
#include "watch.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ds_gdeflate.h"
#include "support/libraries.h"
#include "support/require.h"

#define MAX_DEVICES  4
#define MAX_WAITS    8
#define MAX_BARRIERS 64

struct watch watch = { .submits_left = -1 };

/* What the loader gave; the same functions for all devices, as they are its trampolines. */
static struct {
	PFN_vkGetInstanceProcAddr GetInstanceProcAddr;
	PFN_vkCreateInstance CreateInstance;
	PFN_vkDestroyInstance DestroyInstance;
	PFN_vkCreateDevice CreateDevice;
	PFN_vkGetDeviceProcAddr GetDeviceProcAddr;
	PFN_vkDestroyDevice DestroyDevice;
	PFN_vkQueueSubmit2 QueueSubmit2;
	PFN_vkAllocateMemory AllocateMemory;
	PFN_vkFreeMemory FreeMemory;
	PFN_vkCreateSemaphore CreateSemaphore;
	PFN_vkDestroySemaphore DestroySemaphore;
	PFN_vkSignalSemaphore SignalSemaphore;
	PFN_vkGetPhysicalDeviceQueueFamilyProperties GetPhysicalDeviceQueueFamilyProperties;
	PFN_vkGetPhysicalDeviceProperties2 GetPhysicalDeviceProperties2;
	PFN_vkGetPhysicalDeviceFeatures2 GetPhysicalDeviceFeatures2;
	PFN_vkEnumerateDeviceExtensionProperties EnumerateDeviceExtensionProperties;
	PFN_vkCreateFence CreateFence;
	PFN_vkWaitForFences WaitForFences;
	PFN_vkDestroyFence DestroyFence;
	PFN_vkGetDeviceQueue GetDeviceQueue;
	PFN_vkCreateCommandPool CreateCommandPool;
	PFN_vkCreateBuffer CreateBuffer;
	PFN_vkCmdPipelineBarrier2 CmdPipelineBarrier2;
	PFN_vkBeginCommandBuffer BeginCommandBuffer;
	PFN_vkEndCommandBuffer EndCommandBuffer;
	PFN_vkCmdCopyBuffer CmdCopyBuffer;
	PFN_vkCmdDispatch CmdDispatch;
} next;

/*
 * Many queues where there is one: with DS_TEST_QUEUES=1 the device shows a family for copies and one for
 * compute besides its own, and all their queues are the one that there is. What is submitted to
 * them runs in the order of submits, so nothing waits for ever; what the library does with
 * several queues is what it would do with real ones.
 */
enum {
	FAMILY_ALL,
	FAMILY_TRANSFER,
	FAMILY_COMPUTE,
	NR_FAMILIES
};
static bool shows_families;

/*
 * What is held back waits on the GPU for a semaphore. With the layers it waits in its submit: these
 * lose count where the host raises what a queue waits for already (and say that they do).
 * One device at a time is enough for the tests.
 */
static struct {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t opens;
	VkDevice device;
	VkSemaphore gate;
	uint64_t opened; /* its value */
	uint64_t wanted; /* what submits wait for */
} gate = { .lock = PTHREAD_MUTEX_INITIALIZER, .opens = PTHREAD_COND_INITIALIZER };

static VkDebugUtilsMessengerEXT messenger;

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
						 VkDebugUtilsMessageTypeFlagsEXT types,
						 const VkDebugUtilsMessengerCallbackDataEXT *data,
						 void *user)
{
	(void)severity;
	(void)types;
	(void)user;
	atomic_fetch_add(&watch.messages, 1);
	fprintf(stderr, "validation: %s\n", data->pMessage);
	return VK_FALSE;
}

static const VkDebugUtilsMessengerCreateInfoEXT messenger_info = {
	.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
	.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
			   VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
	.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT |
		       VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
	.pfnUserCallback = on_message,
};

static VkResult create_with_layers(const VkInstanceCreateInfo *info, VkInstance *out)
{
	static const char *const layers[] = { "VK_LAYER_KHRONOS_validation" };
	static const char *const extensions[] = { VK_EXT_DEBUG_UTILS_EXTENSION_NAME };
	static const VkValidationFeatureEnableEXT enabled[] = {
		VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT,
	};
	const VkValidationFeaturesEXT features = {
		.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
		.enabledValidationFeatureCount = 1,
		.pEnabledValidationFeatures = enabled,
	};
	VkDebugUtilsMessengerCreateInfoEXT debug = messenger_info;
	VkInstanceCreateInfo with = *info;

	/* The library and the tests enable nothing themselves. */
	REQUIRE(!info->pNext && !info->enabledExtensionCount && !info->enabledLayerCount);
	debug.pNext = &features;
	with.pNext = &debug;
	with.enabledLayerCount = 1;
	with.ppEnabledLayerNames = layers;
	with.enabledExtensionCount = 1;
	with.ppEnabledExtensionNames = extensions;
	return next.CreateInstance(&with, NULL, out);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info,
						      const VkAllocationCallbacks *alloc,
						      VkInstance *out)
{
	PFN_vkCreateDebugUtilsMessengerEXT create;
	const char *wish = getenv("DS_TEST_LAYERS");
	VkResult result = VK_ERROR_LAYER_NOT_PRESENT;

	if (!wish || strcmp(wish, "0") != 0)
		result = create_with_layers(info, out);
	atomic_store(&watch.has_layers, result == VK_SUCCESS);
	if (result) {
		result = next.CreateInstance(info, alloc, out);
	} else {
		create = (PFN_vkCreateDebugUtilsMessengerEXT)next.GetInstanceProcAddr(
			*out, "vkCreateDebugUtilsMessengerEXT");
		REQUIRE_CMP(create(*out, &messenger_info, NULL, &messenger), ==, VK_SUCCESS);
	}
	if (!result)
		atomic_fetch_add(&watch.instances, 1);
	return result;
}

static VKAPI_ATTR void VKAPI_CALL destroy_instance(VkInstance instance,
						   const VkAllocationCallbacks *alloc)
{
	PFN_vkDestroyDebugUtilsMessengerEXT destroy;

	if (messenger) {
		destroy = (PFN_vkDestroyDebugUtilsMessengerEXT)next.GetInstanceProcAddr(
			instance, "vkDestroyDebugUtilsMessengerEXT");
		destroy(instance, messenger, NULL);
		messenger = VK_NULL_HANDLE;
	}
	next.DestroyInstance(instance, alloc);
	atomic_fetch_sub(&watch.instances, 1);
}

static void keep_libraries(void)
{
	static atomic_bool is_done;

	if (!atomic_exchange(&is_done, true))
		libraries_keep(NULL);
}

#define LOAD(device, name) next.name = (PFN_vk##name)next.GetDeviceProcAddr(device, "vk" #name)

/* ------------------------------------------------------- driver decode */

/*
 * Simulated, where watch.has_driver_decode says so: then nothing of the extension gets to the device,
 * neither structs nor names nor the command. A device that has it itself is left alone otherwise.
 */
static bool get_driver_properties(VkPhysicalDeviceProperties2 *out)
{
	VkPhysicalDeviceMemoryDecompressionPropertiesNV *p = out->pNext;

	if (!p ||
	    p->sType != VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_DECOMPRESSION_PROPERTIES_NV ||
	    !atomic_load(&watch.has_driver_decode))
		return false;
	REQUIRE(!p->pNext);
	p->decompressionMethods = atomic_load(&watch.lacks_gdeflate)
					  ? 0
					  : VK_MEMORY_DECOMPRESSION_METHOD_GDEFLATE_1_0_BIT_NV;
	p->maxDecompressionIndirectCount = 1;
	return true;
}

static VKAPI_ATTR void VKAPI_CALL get_features(VkPhysicalDevice physical,
					       VkPhysicalDeviceFeatures2 *out)
{
	VkPhysicalDeviceMemoryDecompressionFeaturesNV *f = out->pNext;

	if (!f || f->sType != VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_DECOMPRESSION_FEATURES_NV ||
	    !atomic_load(&watch.has_driver_decode)) {
		next.GetPhysicalDeviceFeatures2(physical, out);
		return;
	}
	REQUIRE(!f->pNext);
	f->memoryDecompression = VK_TRUE;
}

static VKAPI_ATTR VkResult VKAPI_CALL list_extensions(VkPhysicalDevice physical, const char *layer,
						      uint32_t *nr, VkExtensionProperties *out)
{
	uint32_t room = *nr;
	VkResult result;

	if (!atomic_load(&watch.has_driver_decode))
		return next.EnumerateDeviceExtensionProperties(physical, layer, nr, out);
	if (out)
		*nr = room - 1;
	result = next.EnumerateDeviceExtensionProperties(physical, layer, nr, out);
	if (out)
		out[*nr] = (VkExtensionProperties){ VK_NV_MEMORY_DECOMPRESSION_EXTENSION_NAME, 1 };
	(*nr)++;
	return result;
}

/* What the device is created with, less the extension; it comes with its feature or not at all. */
struct stripped {
	VkDeviceCreateInfo info;
	VkPhysicalDeviceFeatures2 features;
	const char *names[16];
};

static void strip(struct stripped *s, const VkDeviceCreateInfo *info)
{
	const VkPhysicalDeviceFeatures2 *f = info->pNext;
	const VkPhysicalDeviceMemoryDecompressionFeaturesNV *own = f->pNext;
	bool has_feature =
		own->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_DECOMPRESSION_FEATURES_NV;
	bool has_name = false;

	s->info = *info;
	s->features = *f;
	s->info.pNext = &s->features;
	s->info.ppEnabledExtensionNames = s->names;
	s->info.enabledExtensionCount = 0;
	REQUIRE_CMP(info->enabledExtensionCount, <=, 16);
	for (uint32_t i = 0; i < info->enabledExtensionCount; i++) {
		const char *name = info->ppEnabledExtensionNames[i];

		if (!strcmp(name, VK_NV_MEMORY_DECOMPRESSION_EXTENSION_NAME))
			has_name = true;
		else
			s->names[s->info.enabledExtensionCount++] = name;
	}
	REQUIRE(has_feature == has_name);
	if (!has_feature)
		return;
	REQUIRE(own->memoryDecompression);
	s->features.pNext = own->pNext;
	atomic_fetch_add(&watch.driver_devices, 1);
}

/* Where the device's addresses are pointers. What is no tile leaves anything at all. */
static void decompress(const VkDecompressMemoryRegionNV *r)
{
	void *dst = (void *)(uintptr_t)r->dstAddress;
	struct ds_gdeflate_decoder *dec;

	REQUIRE(r->srcAddress && r->srcAddress % 4 == 0 && r->dstAddress && r->dstAddress % 4 == 0);
	REQUIRE(r->compressedSize && r->decompressedSize && r->decompressedSize <= 65536);
	REQUIRE_CMP(r->decompressionMethod, ==, VK_MEMORY_DECOMPRESSION_METHOD_GDEFLATE_1_0_BIT_NV);
	REQUIRE(!ds_gdeflate_decoder_create(&dec));
	if (ds_gdeflate_decode_tile(dec, (const void *)(uintptr_t)r->srcAddress, r->compressedSize,
				    dst, r->decompressedSize)) {
		memset(dst, 0xee, r->decompressedSize);
		atomic_fetch_add(&watch.driver_regions_bad, 1);
	}
	ds_gdeflate_decoder_destroy(dec);
	atomic_fetch_add(&watch.driver_regions, 1);
}

/* Of a GPU with other subgroups. */
static VKAPI_ATTR void VKAPI_CALL get_properties(VkPhysicalDevice physical,
						 VkPhysicalDeviceProperties2 *out)
{
	uint32_t size = atomic_load(&watch.subgroup_size);

	if (get_driver_properties(out))
		return;
	next.GetPhysicalDeviceProperties2(physical, out);
	for (VkBaseOutStructure *s = out->pNext; s && size; s = s->pNext) {
		VkPhysicalDeviceVulkan13Properties *p = (void *)s;

		if (s->sType != VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_PROPERTIES)
			continue;
		p->minSubgroupSize = size;
		p->maxSubgroupSize = size;
	}
}

/* ------------------------------------------------------- more queues */

static VKAPI_ATTR void VKAPI_CALL get_families(VkPhysicalDevice physical, uint32_t *nr,
					       VkQueueFamilyProperties *families)
{
	uint32_t one = 1;
	VkQueueFamilyProperties real;

	if (!families) {
		*nr = NR_FAMILIES;
		return;
	}
	REQUIRE_CMP(*nr, >=, NR_FAMILIES);
	*nr = NR_FAMILIES;
	next.GetPhysicalDeviceQueueFamilyProperties(physical, &one, &real);
	for (unsigned i = 0; i < NR_FAMILIES; i++)
		families[i] = real;
	families[FAMILY_TRANSFER].queueFlags = VK_QUEUE_TRANSFER_BIT;
	families[FAMILY_TRANSFER].queueCount = 2;
	families[FAMILY_COMPUTE].queueFlags = VK_QUEUE_COMPUTE_BIT | VK_QUEUE_TRANSFER_BIT;
	families[FAMILY_COMPUTE].queueCount = 8;
}

static VkResult create_with_one_queue(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
				      VkDevice *out)
{
	const float priority = 1;
	const VkDeviceQueueCreateInfo queue = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueCount = 1,
		.pQueuePriorities = &priority,
	};
	VkDeviceCreateInfo changed = *info;

	changed.queueCreateInfoCount = 1;
	changed.pQueueCreateInfos = &queue;
	return next.CreateDevice(physical, &changed, NULL, out);
}

static VKAPI_ATTR void VKAPI_CALL get_queue(VkDevice device, uint32_t family, uint32_t index,
					    VkQueue *out)
{
	REQUIRE_CMP(family, <, NR_FAMILIES);
	REQUIRE_CMP(index, <, 8);
	next.GetDeviceQueue(device, 0, 0, out);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_pool(VkDevice device,
						  const VkCommandPoolCreateInfo *info,
						  const VkAllocationCallbacks *alloc,
						  VkCommandPool *out)
{
	VkCommandPoolCreateInfo changed = *info;

	REQUIRE_CMP(info->queueFamilyIndex, <, NR_FAMILIES);
	changed.queueFamilyIndex = 0;
	return next.CreateCommandPool(device, &changed, alloc, out);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_buffer(VkDevice device, const VkBufferCreateInfo *info,
						    const VkAllocationCallbacks *alloc,
						    VkBuffer *out)
{
	VkBufferCreateInfo changed = *info;

	for (uint32_t i = 0; i < info->queueFamilyIndexCount; i++)
		REQUIRE_CMP(info->pQueueFamilyIndices[i], <, NR_FAMILIES);
	changed.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
	changed.queueFamilyIndexCount = 0;
	changed.pQueueFamilyIndices = NULL;
	return next.CreateBuffer(device, &changed, alloc, out);
}

static uint32_t hide(uint32_t *from, uint32_t *to)
{
	bool is_release = *from != *to;

	*from = VK_QUEUE_FAMILY_IGNORED;
	*to = VK_QUEUE_FAMILY_IGNORED;
	return is_release;
}

/* A release to a family that is none: the layout changes all the same, and is counted. */
static void hide_families(VkCommandBuffer commands, const VkDependencyInfo *info)
{
	VkImageMemoryBarrier2 images[MAX_BARRIERS];
	VkBufferMemoryBarrier2 buffers[MAX_BARRIERS];
	VkDependencyInfo changed = *info;
	unsigned nr = 0;

	REQUIRE_CMP(info->imageMemoryBarrierCount, <=, MAX_BARRIERS);
	REQUIRE_CMP(info->bufferMemoryBarrierCount, <=, MAX_BARRIERS);
	for (uint32_t i = 0; i < info->imageMemoryBarrierCount; i++) {
		images[i] = info->pImageMemoryBarriers[i];
		nr += hide(&images[i].srcQueueFamilyIndex, &images[i].dstQueueFamilyIndex);
	}
	for (uint32_t i = 0; i < info->bufferMemoryBarrierCount; i++) {
		buffers[i] = info->pBufferMemoryBarriers[i];
		nr += hide(&buffers[i].srcQueueFamilyIndex, &buffers[i].dstQueueFamilyIndex);
	}
	atomic_fetch_add(&watch.releases, nr);
	changed.pImageMemoryBarriers = images;
	changed.pBufferMemoryBarriers = buffers;
	next.CmdPipelineBarrier2(commands, &changed);
}

/* ----------------------------------------------------- barriers */

/*
 * The layers do not see what a shader reads and writes through addresses, so this looks after it: what
 * was copied is made visible before a dispatch, and all that was written at the end.
 */
struct recording {
	VkCommandBuffer commands;
	VkDecompressMemoryRegionNV *regions; /* to be decoded by the driver */
	uint32_t nr_regions;
	bool is_copied;	    /* and no barrier since to a shader, */
	bool is_unfinished; /* or to the host and to everything */
};

static struct {
	pthread_mutex_t lock; /* guards all below */
	struct recording all[256];
	unsigned nr;
	bool is_noting;
	struct watch_barriers noted;
} recordings = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* With the lock. Command buffers of devices that are gone are found again, or do no harm. */
static struct recording *find_recording(VkCommandBuffer commands)
{
	unsigned i = 0;

	while (i < recordings.nr && recordings.all[i].commands != commands)
		i++;
	if (i == recordings.nr) {
		recordings.nr = (recordings.nr + 1) % 256;
		i = i % 256;
		free(recordings.all[i].regions);
		recordings.all[i] = (struct recording){ .commands = commands };
	}
	return &recordings.all[i];
}

static VKAPI_ATTR VkResult VKAPI_CALL begin_commands(VkCommandBuffer commands,
						     const VkCommandBufferBeginInfo *info)
{
	struct recording *r;

	pthread_mutex_lock(&recordings.lock);
	r = find_recording(commands);
	free(r->regions);
	*r = (struct recording){ .commands = commands };
	pthread_mutex_unlock(&recordings.lock);
	return next.BeginCommandBuffer(commands, info);
}

static VKAPI_ATTR void VKAPI_CALL decompress_memory(VkCommandBuffer commands, uint32_t nr,
						    const VkDecompressMemoryRegionNV *regions)
{
	struct recording *r;

	pthread_mutex_lock(&recordings.lock);
	r = find_recording(commands);
	REQUIRE(!r->is_copied && !r->nr_regions && nr);
	r->regions = malloc(nr * sizeof(*regions));
	REQUIRE(r->regions);
	memcpy(r->regions, regions, nr * sizeof(*regions));
	r->nr_regions = nr;
	r->is_unfinished = true;
	pthread_mutex_unlock(&recordings.lock);
}

static VKAPI_ATTR VkResult VKAPI_CALL end_commands(VkCommandBuffer commands)
{
	pthread_mutex_lock(&recordings.lock);
	REQUIRE(!find_recording(commands)->is_unfinished);
	pthread_mutex_unlock(&recordings.lock);
	return next.EndCommandBuffer(commands);
}

static VKAPI_ATTR void VKAPI_CALL copy_buffer(VkCommandBuffer commands, VkBuffer from, VkBuffer to,
					      uint32_t nr, const VkBufferCopy *regions)
{
	struct recording *r;

	pthread_mutex_lock(&recordings.lock);
	r = find_recording(commands);
	r->is_copied = true;
	r->is_unfinished = true;
	pthread_mutex_unlock(&recordings.lock);
	next.CmdCopyBuffer(commands, from, to, nr, regions);
}

static VKAPI_ATTR void VKAPI_CALL dispatch(VkCommandBuffer commands, uint32_t x, uint32_t y,
					   uint32_t z)
{
	struct recording *r;

	pthread_mutex_lock(&recordings.lock);
	r = find_recording(commands);
	REQUIRE(!r->is_copied);
	r->is_unfinished = true;
	pthread_mutex_unlock(&recordings.lock);
	next.CmdDispatch(commands, x, y, z);
}

static void note_barrier(struct recording *r, const VkMemoryBarrier2 *b)
{
	const VkAccessFlags2 anything = VK_ACCESS_2_HOST_READ_BIT | VK_ACCESS_2_MEMORY_READ_BIT |
					VK_ACCESS_2_MEMORY_WRITE_BIT;

	if ((b->srcStageMask & VK_PIPELINE_STAGE_2_COPY_BIT) &&
	    (b->srcAccessMask & VK_ACCESS_2_TRANSFER_WRITE_BIT) &&
	    (b->dstStageMask & VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT) &&
	    (b->dstAccessMask & VK_ACCESS_2_SHADER_STORAGE_READ_BIT))
		r->is_copied = false;
	if (b->srcAccessMask && b->dstStageMask && atomic_load(&watch.takes_narrow))
		r->is_unfinished = false;
	if ((b->dstStageMask & VK_PIPELINE_STAGE_2_HOST_BIT) &&
	    (b->dstStageMask & VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT) &&
	    (b->dstAccessMask & anything) == anything)
		r->is_unfinished = false;
}

/* With the lock. */
static void note_all(const VkDependencyInfo *info)
{
	struct watch_barriers *n = &recordings.noted;

	n->nr_commands++;
	n->nr_buffers += info->bufferMemoryBarrierCount;
	for (uint32_t i = 0; i < info->memoryBarrierCount && n->nr_memory < 64; i++)
		n->memory[n->nr_memory++] = info->pMemoryBarriers[i];
	for (uint32_t i = 0; i < info->imageMemoryBarrierCount && n->nr_images < 64; i++)
		n->images[n->nr_images++] = info->pImageMemoryBarriers[i];
}

void watch_note_barriers(void)
{
	pthread_mutex_lock(&recordings.lock);
	recordings.is_noting = true;
	recordings.noted = (struct watch_barriers){ 0 };
	pthread_mutex_unlock(&recordings.lock);
}

struct watch_barriers watch_noted_barriers(void)
{
	struct watch_barriers noted;

	pthread_mutex_lock(&recordings.lock);
	recordings.is_noting = false;
	noted = recordings.noted;
	pthread_mutex_unlock(&recordings.lock);
	return noted;
}

static VKAPI_ATTR void VKAPI_CALL pipeline_barrier(VkCommandBuffer commands,
						   const VkDependencyInfo *info)
{
	pthread_mutex_lock(&recordings.lock);
	for (uint32_t i = 0; i < info->memoryBarrierCount; i++)
		note_barrier(find_recording(commands), &info->pMemoryBarriers[i]);
	if (recordings.is_noting)
		note_all(info);
	pthread_mutex_unlock(&recordings.lock);
	if (shows_families)
		hide_families(commands, info);
	else
		next.CmdPipelineBarrier2(commands, info);
}

bool watch_shows_families(void)
{
	return shows_families;
}

/* ------------------------------------------------------------ devices */

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical,
						    const VkDeviceCreateInfo *info,
						    const VkAllocationCallbacks *alloc,
						    VkDevice *out)
{
	const VkSemaphoreTypeCreateInfo type = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
		.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
	};
	const VkSemaphoreCreateInfo semaphore = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
		.pNext = &type,
	};
	struct stripped s;
	VkResult result;

	s.info = *info;
	if (atomic_load(&watch.has_driver_decode))
		strip(&s, info);
	result = shows_families ? create_with_one_queue(physical, &s.info, out)
				: next.CreateDevice(physical, &s.info, alloc, out);
	if (result)
		return result;
	keep_libraries();
	LOAD(*out, DestroyDevice);
	LOAD(*out, QueueSubmit2);
	LOAD(*out, AllocateMemory);
	LOAD(*out, FreeMemory);
	LOAD(*out, CreateSemaphore);
	LOAD(*out, DestroySemaphore);
	LOAD(*out, SignalSemaphore);
	LOAD(*out, GetDeviceQueue);
	LOAD(*out, CreateCommandPool);
	LOAD(*out, CreateBuffer);
	LOAD(*out, CmdPipelineBarrier2);
	LOAD(*out, BeginCommandBuffer);
	LOAD(*out, EndCommandBuffer);
	LOAD(*out, CmdCopyBuffer);
	LOAD(*out, CmdDispatch);
	LOAD(*out, CreateFence);
	LOAD(*out, WaitForFences);
	LOAD(*out, DestroyFence);
	pthread_mutex_lock(&gate.lock);
	REQUIRE(!gate.device);
	gate.device = *out;
	gate.opened = 0;
	gate.wanted = 0;
	REQUIRE_CMP(next.CreateSemaphore(*out, &semaphore, NULL, &gate.gate), ==, VK_SUCCESS);
	pthread_mutex_unlock(&gate.lock);
	atomic_fetch_add(&watch.devices, 1);
	return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL destroy_device(VkDevice device,
						 const VkAllocationCallbacks *alloc)
{
	pthread_mutex_lock(&gate.lock);
	next.DestroySemaphore(device, gate.gate, NULL);
	gate.device = NULL;
	pthread_mutex_unlock(&gate.lock);
	next.DestroyDevice(device, alloc);
	atomic_fetch_sub(&watch.devices, 1);
}

static bool is_to_fail(void)
{
	int left = atomic_load(&watch.submits_left);

	if (left > 0)
		atomic_fetch_sub(&watch.submits_left, 1);
	return !left;
}

/* The regions of a command buffer, taken out of its recording. */
static VkDecompressMemoryRegionNV *take_regions(const VkSubmitInfo2 *info, uint32_t *nr)
{
	VkDecompressMemoryRegionNV *regions = NULL;

	*nr = 0;
	pthread_mutex_lock(&recordings.lock);
	if (info->commandBufferInfoCount) {
		struct recording *r = find_recording(info->pCommandBufferInfos[0].commandBuffer);

		regions = r->regions;
		*nr = r->nr_regions;
		r->regions = NULL;
	}
	pthread_mutex_unlock(&recordings.lock);
	return regions;
}

/* Runs everything, then decodes, and only then signals what is to be signalled. */
static VkResult submit_and_decode(VkQueue queue, const VkSubmitInfo2 *all,
				  const VkDecompressMemoryRegionNV *regions, uint32_t nr)
{
	const VkFenceCreateInfo fence_info = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
	VkSubmitInfo2 first = *all, then = *all;
	VkFence fence;

	first.signalSemaphoreInfoCount = 0;
	then.waitSemaphoreInfoCount = 0;
	then.commandBufferInfoCount = 0;
	REQUIRE_CMP(next.CreateFence(gate.device, &fence_info, NULL, &fence), ==, VK_SUCCESS);
	REQUIRE_CMP(next.QueueSubmit2(queue, 1, &first, fence), ==, VK_SUCCESS);
	REQUIRE_CMP(next.WaitForFences(gate.device, 1, &fence, VK_TRUE, UINT64_MAX), ==,
		    VK_SUCCESS);
	next.DestroyFence(gate.device, fence, NULL);
	for (uint32_t i = 0; i < nr; i++)
		decompress(&regions[i]);
	return next.QueueSubmit2(queue, 1, &then, VK_NULL_HANDLE);
}

static VKAPI_ATTR VkResult VKAPI_CALL submit(VkQueue queue, uint32_t count,
					     const VkSubmitInfo2 *infos, VkFence fence)
{
	VkSemaphoreSubmitInfo waits[MAX_WAITS];
	VkSubmitInfo2 info = infos[0];
	VkDecompressMemoryRegionNV *regions;
	uint32_t nr_regions;
	VkResult result;

	REQUIRE_CMP(count, ==, 1);
	if (is_to_fail())
		return (VkResult)atomic_load(&watch.submit_error);
	atomic_fetch_add(&watch.submits, 1);
	pthread_mutex_lock(&gate.lock);
	while (atomic_load(&watch.has_layers) && gate.wanted > gate.opened)
		pthread_cond_wait(&gate.opens, &gate.lock);
	if (gate.wanted > gate.opened) {
		REQUIRE_CMP(info.waitSemaphoreInfoCount, <, MAX_WAITS);
		if (info.waitSemaphoreInfoCount)
			memcpy(waits, info.pWaitSemaphoreInfos,
			       info.waitSemaphoreInfoCount * sizeof(waits[0]));
		waits[info.waitSemaphoreInfoCount++] = (VkSemaphoreSubmitInfo){
			.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO,
			.semaphore = gate.gate,
			.value = gate.wanted,
			.stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
		};
		info.pWaitSemaphoreInfos = waits;
	}
	pthread_mutex_unlock(&gate.lock);
	regions = take_regions(&info, &nr_regions);
	result = regions ? submit_and_decode(queue, &info, regions, nr_regions)
			 : next.QueueSubmit2(queue, 1, &info, fence);
	free(regions);
	return result;
}

void watch_hold(void)
{
	pthread_mutex_lock(&gate.lock);
	gate.wanted = gate.opened + 1;
	pthread_mutex_unlock(&gate.lock);
}

void watch_let_go(void)
{
	VkSemaphoreSignalInfo info = { .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO };

	pthread_mutex_lock(&gate.lock);
	if (gate.wanted > gate.opened) {
		gate.opened = gate.wanted;
		info.semaphore = gate.gate;
		info.value = gate.opened;
		REQUIRE_CMP(next.SignalSemaphore(gate.device, &info), ==, VK_SUCCESS);
		pthread_cond_broadcast(&gate.opens);
	}
	pthread_mutex_unlock(&gate.lock);
}

static VKAPI_ATTR VkResult VKAPI_CALL allocate(VkDevice device, const VkMemoryAllocateInfo *info,
					       const VkAllocationCallbacks *alloc,
					       VkDeviceMemory *out)
{
	VkResult result = next.AllocateMemory(device, info, alloc, out);

	if (!result)
		atomic_fetch_add(&watch.allocations, 1);
	return result;
}

static VKAPI_ATTR void VKAPI_CALL release(VkDevice device, VkDeviceMemory memory,
					  const VkAllocationCallbacks *alloc)
{
	if (memory)
		atomic_fetch_sub(&watch.allocations, 1);
	next.FreeMemory(device, memory, alloc);
}

static PFN_vkVoidFunction find(const char *name)
{
	static const struct {
		const char *name;
		PFN_vkVoidFunction function;
		bool is_of_families;
	} functions[] = {
		{ "vkDestroyDevice", (PFN_vkVoidFunction)destroy_device, false },
		{ "vkQueueSubmit2", (PFN_vkVoidFunction)submit, false },
		{ "vkAllocateMemory", (PFN_vkVoidFunction)allocate, false },
		{ "vkFreeMemory", (PFN_vkVoidFunction)release, false },
		{ "vkBeginCommandBuffer", (PFN_vkVoidFunction)begin_commands, false },
		{ "vkEndCommandBuffer", (PFN_vkVoidFunction)end_commands, false },
		{ "vkCmdCopyBuffer", (PFN_vkVoidFunction)copy_buffer, false },
		{ "vkCmdDispatch", (PFN_vkVoidFunction)dispatch, false },
		{ "vkCmdPipelineBarrier2", (PFN_vkVoidFunction)pipeline_barrier, false },
		{ "vkCmdDecompressMemoryNV", (PFN_vkVoidFunction)decompress_memory, false },
		{ "vkGetDeviceQueue", (PFN_vkVoidFunction)get_queue, true },
		{ "vkCreateCommandPool", (PFN_vkVoidFunction)create_pool, true },
		{ "vkCreateBuffer", (PFN_vkVoidFunction)create_buffer, true },
	};

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (!strcmp(name, functions[i].name) &&
		    (shows_families || !functions[i].is_of_families))
			return functions[i].function;
	}
	return NULL;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_proc_addr(VkDevice device,
								     const char *name)
{
	PFN_vkVoidFunction function = find(name);

	return function ? function : next.GetDeviceProcAddr(device, name);
}

PFN_vkVoidFunction watch_get_instance_proc_addr(VkInstance instance, const char *name)
{
	if (!strcmp(name, "vkCreateInstance"))
		return (PFN_vkVoidFunction)create_instance;
	if (instance) {
		next.CreateDevice =
			(PFN_vkCreateDevice)next.GetInstanceProcAddr(instance, "vkCreateDevice");
		next.GetDeviceProcAddr = (PFN_vkGetDeviceProcAddr)next.GetInstanceProcAddr(
			instance, "vkGetDeviceProcAddr");
		next.DestroyInstance = (PFN_vkDestroyInstance)next.GetInstanceProcAddr(
			instance, "vkDestroyInstance");
	}
	if (shows_families && !strcmp(name, "vkGetPhysicalDeviceQueueFamilyProperties")) {
		next.GetPhysicalDeviceQueueFamilyProperties =
			(PFN_vkGetPhysicalDeviceQueueFamilyProperties)next.GetInstanceProcAddr(
				instance, name);
		return (PFN_vkVoidFunction)get_families;
	}
	if (!strcmp(name, "vkGetPhysicalDeviceProperties2")) {
		next.GetPhysicalDeviceProperties2 =
			(PFN_vkGetPhysicalDeviceProperties2)next.GetInstanceProcAddr(instance,
										     name);
		return (PFN_vkVoidFunction)get_properties;
	}
	if (!strcmp(name, "vkGetPhysicalDeviceFeatures2")) {
		next.GetPhysicalDeviceFeatures2 =
			(PFN_vkGetPhysicalDeviceFeatures2)next.GetInstanceProcAddr(instance, name);
		return (PFN_vkVoidFunction)get_features;
	}
	if (!strcmp(name, "vkEnumerateDeviceExtensionProperties")) {
		next.EnumerateDeviceExtensionProperties =
			(PFN_vkEnumerateDeviceExtensionProperties)next.GetInstanceProcAddr(instance,
											   name);
		return (PFN_vkVoidFunction)list_extensions;
	}
	if (!strcmp(name, "vkDestroyInstance"))
		return (PFN_vkVoidFunction)destroy_instance;
	if (!strcmp(name, "vkCreateDevice"))
		return (PFN_vkVoidFunction)create_device;
	if (!strcmp(name, "vkGetDeviceProcAddr"))
		return (PFN_vkVoidFunction)get_device_proc_addr;
	return next.GetInstanceProcAddr(instance, name);
}

bool watch_open(void)
{
	void *library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
	void *symbol = library ? dlsym(library, "vkGetInstanceProcAddr") : NULL;

	if (!symbol) {
		fprintf(stderr, "no Vulkan loader here\n");
		return false;
	}
	setenv("VK_LAYER_ENABLES",
	       "VALIDATION_CHECK_ENABLE_SYNCHRONIZATION_VALIDATION_QUEUE_SUBMIT", 1);
	shows_families = getenv("DS_TEST_QUEUES");
	memcpy(&next.GetInstanceProcAddr, &symbol, sizeof(symbol));
	next.CreateInstance =
		(PFN_vkCreateInstance)next.GetInstanceProcAddr(NULL, "vkCreateInstance");
	return next.CreateInstance;
}
