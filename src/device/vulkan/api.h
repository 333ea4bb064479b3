/* SPDX-License-Identifier: MIT */
/*
 * api.h: the functions of Vulkan that the device calls, all loaded at run time.
 *
 * Nothing here or in table.c, record.c, image.c and pipeline.c is POSIX.
 */
#ifndef DS_DEVICE_VULKAN_API_H
#define DS_DEVICE_VULKAN_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#define DS_VK_GLOBAL_FUNCTIONS(F) F(CreateInstance)

#define DS_VK_INSTANCE_FUNCTIONS(F)               \
	F(DestroyInstance)                        \
	F(EnumeratePhysicalDevices)               \
	F(GetPhysicalDeviceProperties2)           \
	F(GetPhysicalDeviceFeatures2)             \
	F(GetPhysicalDeviceMemoryProperties)      \
	F(GetPhysicalDeviceQueueFamilyProperties) \
	F(EnumerateDeviceExtensionProperties)     \
	F(CreateDevice)                           \
	F(GetDeviceProcAddr)

#define DS_VK_DEVICE_FUNCTIONS(F)      \
	F(DestroyDevice)               \
	F(DeviceWaitIdle)              \
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
	F(ResetCommandPool)            \
	F(AllocateCommandBuffers)      \
	F(BeginCommandBuffer)          \
	F(EndCommandBuffer)            \
	F(CmdBindPipeline)             \
	F(CmdPushConstants)            \
	F(CmdDispatch)                 \
	F(CmdPipelineBarrier2)         \
	F(CmdCopyBuffer)               \
	F(CmdCopyBufferToImage)        \
	F(CreateSemaphore)             \
	F(DestroySemaphore)            \
	F(WaitSemaphores)              \
	F(SignalSemaphore)             \
	F(GetSemaphoreCounterValue)    \
	F(QueueSubmit2)

/* Of extensions: NULL without them. */
#define DS_VK_OPTIONAL_FUNCTIONS(F) F(GetMemoryHostPointerPropertiesEXT) F(CmdDecompressMemoryNV)

struct ds_vk_api {
	void *library;
	PFN_vkGetInstanceProcAddr GetInstanceProcAddr;
#define DS_VK_DECLARE(name) PFN_vk##name name;
	DS_VK_GLOBAL_FUNCTIONS(DS_VK_DECLARE)
	DS_VK_INSTANCE_FUNCTIONS(DS_VK_DECLARE)
	DS_VK_DEVICE_FUNCTIONS(DS_VK_DECLARE)
	DS_VK_OPTIONAL_FUNCTIONS(DS_VK_DECLARE)
#undef DS_VK_DECLARE
};

/*
 * Opens the loader unless it is given. False, with a sentence in why: there is none. What was opened is
 * never closed again: drivers leave threads and exit handlers behind.
 */
bool ds_vk_load(struct ds_vk_api *vk, PFN_vkGetInstanceProcAddr given, char *why,
		size_t why_nbytes);
/* False: a function is missing. */
bool ds_vk_load_instance(struct ds_vk_api *vk, VkInstance instance);
bool ds_vk_load_device(struct ds_vk_api *vk, VkDevice device);

#endif /* DS_DEVICE_VULKAN_API_H */
