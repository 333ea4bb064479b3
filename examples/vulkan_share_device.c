/* SPDX-License-Identifier: MIT */
/*
 * vulkan_share_device.c: the runtime on the device of a program that has one: the program's
 * queue, its lock, its buffer; and a submit of the program's own that waits on the GPU
 * for a load, without a thread that waits.
 *
 *	vulkan_share_device FILE
 *
 * Prints the sum of the file's bytes, as the GPU handed them back.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vulkan/vulkan.h>

#include "ds_runtime_vulkan.h"

/* A renderer, as far as it matters here. */
struct renderer {
	VkInstance instance;
	VkPhysicalDevice physical;
	VkDevice device;
	VkQueue queue;
	pthread_mutex_t queue_lock; /* held around everything that uses the queue */
	VkCommandPool pool;
	VkSemaphore loaded; /* timeline: 1 once the file is there */
};

struct buffer {
	VkBuffer buffer;
	VkDeviceMemory memory;
	void *mapped;
	uint32_t memory_type;
};

static void check(VkResult result, const char *what)
{
	if (result == VK_SUCCESS)
		return;
	fprintf(stderr, "vulkan_share_device: %s: VkResult %d\n", what, (int)result);
	exit(EXIT_FAILURE);
}

static void check_ds(ds_result result, const char *what)
{
	if (result == DS_OK)
		return;
	fprintf(stderr, "vulkan_share_device: %s: %s\n", what, ds_result_message(result));
	exit(EXIT_FAILURE);
}

/* ------------------------------------------------------- what a program has */

static void create_device(struct renderer *r)
{
	/* What the runtime cannot do without; more of it makes it faster, see the header. */
	VkPhysicalDeviceVulkan13Features f13 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
		.synchronization2 = VK_TRUE,
	};
	VkPhysicalDeviceVulkan12Features f12 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
		.pNext = &f13,
		.timelineSemaphore = VK_TRUE,
	};
	const float priority = 1;
	/* Family 0 has graphics and compute wherever there is a GPU; a renderer looks closer. */
	const VkDeviceQueueCreateInfo queue = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueCount = 1,
		.pQueuePriorities = &priority,
	};
	const VkDeviceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.pNext = &f12,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queue,
	};

	check(vkCreateDevice(r->physical, &info, NULL, &r->device), "vkCreateDevice");
	vkGetDeviceQueue(r->device, 0, 0, &r->queue);
}

static void renderer_init(struct renderer *r)
{
	const VkApplicationInfo app = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.apiVersion = VK_API_VERSION_1_3,
	};
	const VkInstanceCreateInfo instance = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pApplicationInfo = &app,
	};
	const VkCommandPoolCreateInfo pool = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
	};
	const VkSemaphoreTypeCreateInfo timeline = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
		.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
	};
	const VkSemaphoreCreateInfo semaphore = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
		.pNext = &timeline,
	};
	uint32_t nr = 1;

	pthread_mutex_init(&r->queue_lock, NULL);
	check(vkCreateInstance(&instance, NULL, &r->instance), "vkCreateInstance");
	if (vkEnumeratePhysicalDevices(r->instance, &nr, &r->physical) < 0 || !nr)
		check(VK_ERROR_INITIALIZATION_FAILED, "looking for a device");
	create_device(r);
	check(vkCreateCommandPool(r->device, &pool, NULL, &r->pool), "vkCreateCommandPool");
	check(vkCreateSemaphore(r->device, &semaphore, NULL, &r->loaded), "vkCreateSemaphore");
}

static void renderer_fini(struct renderer *r)
{
	vkDestroySemaphore(r->device, r->loaded, NULL);
	vkDestroyCommandPool(r->device, r->pool, NULL);
	vkDestroyDevice(r->device, NULL);
	vkDestroyInstance(r->instance, NULL);
	pthread_mutex_destroy(&r->queue_lock);
}

static struct buffer create_buffer(struct renderer *r, uint64_t nbytes, VkBufferUsageFlags usage)
{
	const VkMemoryPropertyFlags wanted =
		VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
	const VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.size = nbytes,
		.usage = usage,
	};
	VkMemoryAllocateInfo alloc = { .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO };
	VkPhysicalDeviceMemoryProperties memory;
	VkMemoryRequirements needs;
	struct buffer b = { 0 };

	check(vkCreateBuffer(r->device, &info, NULL, &b.buffer), "vkCreateBuffer");
	vkGetBufferMemoryRequirements(r->device, b.buffer, &needs);
	vkGetPhysicalDeviceMemoryProperties(r->physical, &memory);
	while (b.memory_type < memory.memoryTypeCount &&
	       (!(needs.memoryTypeBits >> b.memory_type & 1) ||
		(memory.memoryTypes[b.memory_type].propertyFlags & wanted) != wanted))
		b.memory_type++;
	alloc.allocationSize = needs.size;
	alloc.memoryTypeIndex = b.memory_type;
	check(vkAllocateMemory(r->device, &alloc, NULL, &b.memory), "vkAllocateMemory");
	check(vkBindBufferMemory(r->device, b.buffer, b.memory, 0), "vkBindBufferMemory");
	check(vkMapMemory(r->device, b.memory, 0, VK_WHOLE_SIZE, 0, &b.mapped), "vkMapMemory");
	return b;
}

static void destroy_buffer(struct renderer *r, struct buffer *b)
{
	vkDestroyBuffer(r->device, b->buffer, NULL);
	vkFreeMemory(r->device, b->memory, NULL);
}

/* A frame that uses the file: it may be submitted before a byte of it has been read. */
static void submit_frame(struct renderer *r, const struct buffer *from, const struct buffer *to,
			 uint64_t nbytes)
{
	const VkCommandBufferAllocateInfo alloc = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.commandPool = r->pool,
		.commandBufferCount = 1,
	};
	const VkCommandBufferBeginInfo begin = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
	};
	const VkMemoryBarrier2 to_host = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2,
		.srcStageMask = VK_PIPELINE_STAGE_2_COPY_BIT,
		.srcAccessMask = VK_ACCESS_2_TRANSFER_WRITE_BIT,
		.dstStageMask = VK_PIPELINE_STAGE_2_HOST_BIT,
		.dstAccessMask = VK_ACCESS_2_HOST_READ_BIT,
	};
	const VkDependencyInfo barrier = {
		.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
		.memoryBarrierCount = 1,
		.pMemoryBarriers = &to_host,
	};
	const VkSemaphoreSubmitInfo wait = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO,
		.semaphore = r->loaded,
		.value = 1,
		.stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
	};
	VkCommandBufferSubmitInfo commands = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO,
	};
	const VkSubmitInfo2 submit = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO_2,
		.waitSemaphoreInfoCount = 1,
		.pWaitSemaphoreInfos = &wait,
		.commandBufferInfoCount = 1,
		.pCommandBufferInfos = &commands,
	};
	const VkBufferCopy region = { 0, 0, nbytes };

	check(vkAllocateCommandBuffers(r->device, &alloc, &commands.commandBuffer), "commands");
	check(vkBeginCommandBuffer(commands.commandBuffer, &begin), "vkBeginCommandBuffer");
	vkCmdCopyBuffer(commands.commandBuffer, from->buffer, to->buffer, 1, &region);
	vkCmdPipelineBarrier2(commands.commandBuffer, &barrier);
	check(vkEndCommandBuffer(commands.commandBuffer), "vkEndCommandBuffer");
	pthread_mutex_lock(&r->queue_lock);
	check(vkQueueSubmit2(r->queue, 1, &submit, VK_NULL_HANDLE), "vkQueueSubmit2");
	pthread_mutex_unlock(&r->queue_lock);
}

/* ------------------------------------------------------------ the runtime */

static void lock_queue(void *user_data, VkQueue queue)
{
	struct renderer *r = user_data;

	(void)queue;
	pthread_mutex_lock(&r->queue_lock);
}

static void unlock_queue(void *user_data, VkQueue queue)
{
	struct renderer *r = user_data;

	(void)queue;
	pthread_mutex_unlock(&r->queue_lock);
}

static struct ds_backend *share(struct renderer *r)
{
	struct ds_vulkan_config cfg = DS_VULKAN_CONFIG_INIT;
	struct ds_backend *be;

	cfg.get_instance_proc_addr = vkGetInstanceProcAddr;
	cfg.instance = r->instance;
	cfg.physical_device = r->physical;
	cfg.device = r->device;
	cfg.compute_queue.queue = r->queue;
	cfg.features = DS_VULKAN_FEATURE_SYNC;
	cfg.lock_queue = lock_queue;
	cfg.unlock_queue = unlock_queue;
	cfg.lock_user_data = r;
	check_ds(ds_make_vulkan_backend(NULL, &cfg, &be), "sharing the device");
	return be;
}

/* Begins the load; at its end the semaphore has the value 1. */
static void begin_load(struct ds_queue *q, struct ds_file *file, const struct buffer *to,
		       uint64_t nbytes, struct ds_fence *loaded)
{
	struct ds_vulkan_buffer_detail detail = DS_VULKAN_BUFFER_DETAIL_INIT;
	struct ds_request r = DS_REQUEST_INIT;

	detail.nbytes = nbytes;
	detail.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
	detail.mapped = to->mapped;
	detail.memory_type = to->memory_type;
	r.source.kind = DS_LOCATION_FILE;
	r.source.file = file;
	r.source.nbytes = nbytes;
	r.destination.kind = DS_LOCATION_VULKAN_BUFFER;
	r.destination.object = ds_vulkan_object(to->buffer);
	r.destination.nbytes = nbytes;
	r.destination.detail = &detail; /* copied: it may go */
	check_ds(ds_queue_enqueue(q, &r, NULL), "the request");
	check_ds(ds_queue_enqueue_signal(q, loaded, 1), "the signal");
	check_ds(ds_queue_submit(q), "the submit");
}

int main(int argc, char **argv)
{
	struct renderer r = { 0 };
	struct ds_completion c = DS_COMPLETION_INIT;
	struct ds_file_info info = DS_FILE_INFO_INIT;
	struct ds_backend *be;
	struct ds_fence *loaded;
	struct ds_queue *q;
	struct ds_file *file;
	struct buffer asset, seen;
	uint64_t sum = 0;

	if (argc != 2) {
		fputs("usage: vulkan_share_device FILE\n", stderr);
		return 2;
	}
	renderer_init(&r);
	be = share(&r);
	check_ds(ds_queue_create(be, NULL, &q), "the queue");
	check_ds(ds_file_open(be, argv[1], DS_FILE_READ, &file), argv[1]);
	check_ds(ds_file_get_info(file, &info), argv[1]);
	check_ds(info.nbytes ? DS_OK : DS_ERR_END_OF_FILE, argv[1]);
	check_ds(ds_vulkan_fence_create(be, r.loaded, &loaded), "the fence");
	asset = create_buffer(&r, info.nbytes,
			      VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT);
	seen = create_buffer(&r, info.nbytes, VK_BUFFER_USAGE_TRANSFER_DST_BIT);

	begin_load(q, file, &asset, info.nbytes, loaded);
	submit_frame(&r, &asset, &seen, info.nbytes);
	check_ds(ds_queue_wait(q, &c, 1, 1, DS_WAIT_FOREVER, NULL), "waiting");
	check_ds(c.result, argv[1]);

	pthread_mutex_lock(&r.queue_lock);
	check(vkQueueWaitIdle(r.queue), "vkQueueWaitIdle");
	pthread_mutex_unlock(&r.queue_lock);
	for (uint64_t i = 0; i < info.nbytes; i++)
		sum += ((unsigned char *)seen.mapped)[i];
	printf("%s: %llu bytes, sum %llu\n", argv[1], (unsigned long long)info.nbytes,
	       (unsigned long long)sum);

	/* First what works on the device, then what lies there, then the device. */
	ds_queue_destroy(q);
	ds_fence_destroy(loaded);
	ds_file_close(file);
	ds_backend_destroy(be);
	destroy_buffer(&r, &asset);
	destroy_buffer(&r, &seen);
	renderer_fini(&r);
	return EXIT_SUCCESS;
}
