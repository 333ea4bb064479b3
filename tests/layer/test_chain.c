/* SPDX-License-Identifier: MIT */
/*
 * test_chain.c: the Vulkan layer between a program and a fake driver: which queues are added, what
 * is known of devices and buffers, who waits for whom.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fake_driver.h"
#include "layer/layer.h"
#include "support/require.h"

enum {
	GRAPHICS = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT | VK_QUEUE_TRANSFER_BIT,
	COMPUTE = VK_QUEUE_COMPUTE_BIT | VK_QUEUE_TRANSFER_BIT,
	TRANSFER = VK_QUEUE_TRANSFER_BIT
};

#define CALL(device, name) ((PFN_##name)fake_function(device, #name))

static const struct ds_vulkan_layer *layer;

/* ------------------------------------------------------------- a program */

static VkPhysicalDeviceVulkan13Features features13;
static VkPhysicalDeviceVulkan12Features features12;

/* A device with that many queues of each family, and what a backend cannot do without. */
static VkDevice make_device(VkInstance instance, const uint32_t *nr_queues)
{
	static const float priorities[FAKE_MAX_QUEUES] = { 1, 0.25f, 1, 1, 1, 1, 1, 1 };
	VkDeviceQueueCreateInfo queues[FAKE_MAX_FAMILIES];
	VkDeviceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.pNext = &features12,
		.pQueueCreateInfos = queues,
	};
	VkDevice device;

	features13 = (VkPhysicalDeviceVulkan13Features){
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
		.synchronization2 = VK_TRUE,
	};
	features12 = (VkPhysicalDeviceVulkan12Features){
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
		.pNext = &features13,
		.timelineSemaphore = VK_TRUE,
	};
	for (uint32_t f = 0; f < fake.nr_families; f++) {
		if (nr_queues[f])
			queues[info.queueCreateInfoCount++] = (VkDeviceQueueCreateInfo){
				.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
				.queueFamilyIndex = f,
				.queueCount = nr_queues[f],
				.pQueuePriorities = priorities,
			};
	}
	REQUIRE_CMP(fake_device(instance, &info, &device), ==, VK_SUCCESS);
	return device;
}

static void destroy_device(VkDevice device)
{
	CALL(device, vkDestroyDevice)(device, NULL);
}

static VkBuffer make_buffer(VkDevice device, VkSharingMode mode, uint32_t nr,
			    const uint32_t *families)
{
	const VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.size = 4096,
		.usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT,
		.sharingMode = mode,
		.queueFamilyIndexCount = nr,
		.pQueueFamilyIndices = families,
	};
	VkBuffer buffer;

	REQUIRE_CMP(CALL(device, vkCreateBuffer)(device, &info, NULL, &buffer), ==, VK_SUCCESS);
	return buffer;
}

/* ---------------------------------------------------------------- a user */

struct user {
	struct ds_vulkan_use *use;
	struct ds_vulkan_config cfg;
	atomic_bool is_told;
	bool leaves_at_once;
	char why[128];
};

static void on_destroy(void *arg)
{
	struct user *u = arg;

	if (u->leaves_at_once)
		layer->unuse(u->use);
	atomic_store(&u->is_told, true);
}

static ds_result try_use(struct user *u, VkDevice device)
{
	struct ds_vulkan_user user = DS_VULKAN_USER_INIT;

	memset(u, 0, sizeof(*u));
	u->cfg = (struct ds_vulkan_config)DS_VULKAN_CONFIG_INIT;
	user.on_destroy = on_destroy;
	user.user_data = u;
	user.why = u->why;
	user.why_nbytes = sizeof(u->why);
	return layer->use(device, &user, &u->cfg, &u->use);
}

static void use(struct user *u, VkDevice device)
{
	REQUIRE_OK(try_use(u, device));
	REQUIRE(u->cfg.device == device);
}

/* ----------------------------------------------------------------- tests */

struct wish {
	uint32_t asked[FAKE_MAX_FAMILIES];
	uint32_t got[FAKE_MAX_FAMILIES];
	uint32_t family, index; /* of the queue that computes */
	bool is_own, copies;
};

/* Families: 0 all with 2 queues, 1 compute with 3, 2 copies with 2. */
static void check_wish(const struct wish *w)
{
	VkInstance instance = fake_instance(VK_API_VERSION_1_3);
	VkDevice device = make_device(instance, w->asked);
	struct user u;

	for (unsigned f = 0; f < 3; f++)
		REQUIRE_CMP(fake.created[f], ==, w->got[f]);
	use(&u, device);
	REQUIRE_CMP(u.cfg.compute_queue.family, ==, w->family);
	REQUIRE(u.cfg.compute_queue.queue == fake_queue(device, w->family, w->index));
	REQUIRE(fake_is_prepared(u.cfg.compute_queue.queue));
	REQUIRE_CMP(layer->has_own_queue(u.use), ==, w->is_own);
	REQUIRE(w->copies == !!u.cfg.transfer_queue.queue);
	if (w->copies)
		REQUIRE(u.cfg.transfer_queue.queue == fake_queue(device, 2, w->got[2] - 1));
	layer->unuse(u.use);
	destroy_device(device);
	fake_destroy_instance(instance);
}

static void which_queue(void)
{
	static const struct wish wishes[] = {
		{ { 1, 0, 0 }, { 2, 0, 0 }, 0, 1, true, false },
		{ { 2, 0, 0 }, { 2, 0, 0 }, 0, 1, false, false },
		{ { 1, 1, 1 }, { 1, 2, 2 }, 1, 1, true, true },
		{ { 1, 3, 1 }, { 2, 3, 2 }, 0, 1, true, true },
		{ { 2, 3, 2 }, { 2, 3, 2 }, 1, 2, false, false },
		/* A queue for copies is added beside one that computes, not by itself. */
		{ { 2, 0, 1 }, { 2, 0, 1 }, 0, 1, false, false },
	};

	fake_reset();
	fake_family(GRAPHICS, 2);
	fake_family(COMPUTE, 3);
	fake_family(TRANSFER, 2);
	for (unsigned i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++)
		check_wish(&wishes[i]);
}

/* A driver that refuses what it has offered: the program's own wish is what counts. */
static void refused_queue(void)
{
	const uint32_t one = 1;
	VkInstance instance;
	VkDevice device;
	struct user u;

	fake_reset();
	fake_family(GRAPHICS, 4);
	fake.most_queues = 1;
	instance = fake_instance(VK_API_VERSION_1_3);
	device = make_device(instance, &one);
	REQUIRE_CMP(fake.nr_attempts, ==, 2);
	REQUIRE_CMP(fake.created[0], ==, 1);
	use(&u, device);
	REQUIRE_CMP(layer->has_own_queue(u.use), ==, 0);
	layer->unuse(u.use);
	destroy_device(device);
	fake_destroy_instance(instance);
}

static void require_useless(uint32_t api_version, const uint32_t *asked, VkDeviceCreateInfo *info,
			    const char *why)
{
	VkInstance instance = fake_instance(api_version);
	VkDevice device;
	struct user u;

	if (info)
		REQUIRE_CMP(fake_device(instance, info, &device), ==, VK_SUCCESS);
	else
		device = make_device(instance, asked);
	REQUIRE_RESULT(try_use(&u, device), DS_ERR_UNAVAILABLE);
	REQUIRE(strstr(u.why, why));
	destroy_device(device);
	fake_destroy_instance(instance);
}

static void useless_devices(void)
{
	static const uint32_t only_copies[] = { 0, 1 }, all[] = { 1, 0 };
	VkDeviceCreateInfo bare = { .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO };
	struct user u;

	fake_reset();
	fake_family(GRAPHICS, 1);
	fake_family(TRANSFER, 1);
	require_useless(VK_API_VERSION_1_3, only_copies, NULL, "no queue that computes");
	require_useless(VK_API_VERSION_1_2, all, NULL, "older than 1.3");
	require_useless(0, all, NULL, "older than 1.3");
	/* A device without any queue, and without features. */
	require_useless(VK_API_VERSION_1_3, NULL, &bare, "timelineSemaphore");
	REQUIRE_RESULT(try_use(&u, (VkDevice)(void *)&u), DS_ERR_INVALID_ARGUMENT);
	REQUIRE_CMP(layer->list_devices(NULL, 0), ==, 0);
}

/* The same features, in all the structs in which they can be asked for. */
static void features_in_structs(void)
{
	VkPhysicalDeviceFeatures plain = { .shaderInt16 = 1, .shaderInt64 = 1 };
	VkPhysicalDeviceSubgroupSizeControlFeatures sizes = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES,
		.subgroupSizeControl = 1,
		.computeFullSubgroups = 1,
	};
	VkPhysicalDeviceScalarBlockLayoutFeatures scalar = {
		VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SCALAR_BLOCK_LAYOUT_FEATURES, &sizes, 1
	};
	VkPhysicalDevice8BitStorageFeatures storage = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES,
		.pNext = &scalar,
		.storageBuffer8BitAccess = 1,
	};
	VkPhysicalDeviceShaderFloat16Int8Features int8 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES,
		.pNext = &storage,
		.shaderInt8 = 1,
	};
	VkPhysicalDeviceBufferDeviceAddressFeatures address = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES,
		.pNext = &int8,
		.bufferDeviceAddress = 1,
	};
	VkPhysicalDeviceSynchronization2Features sync2 = {
		VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SYNCHRONIZATION_2_FEATURES, &address, 1
	};
	VkPhysicalDeviceTimelineSemaphoreFeatures timeline = {
		VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES, &sync2, 1
	};
	static const char *const extensions[] = { "VK_KHR_swapchain",
						  VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME };
	const VkDeviceCreateInfo all = {
		.pNext = &timeline,
		.enabledExtensionCount = 2,
		.ppEnabledExtensionNames = extensions,
		.pEnabledFeatures = &plain,
	};
	VkPhysicalDeviceFeatures2 features2 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
		.pNext = &timeline,
		.features = plain,
	};
	VkDeviceCreateInfo info = all;

	REQUIRE_CMP(layer_features(&info), ==,
		    DS_VULKAN_FEATURE_SYNC | DS_VULKAN_FEATURE_DECODE |
			    DS_VULKAN_FEATURE_SUBGROUPS | DS_VULKAN_FEATURE_IMPORT);
	info.pEnabledFeatures = NULL;
	info.pNext = &features2;
	REQUIRE_CMP(layer_features(&info) & DS_VULKAN_FEATURE_DECODE, !=, 0);
	features2.features.shaderInt64 = 0;
	REQUIRE_CMP(layer_features(&info) & DS_VULKAN_FEATURE_DECODE, ==, 0);
	info = all;
	info.enabledExtensionCount = 1;
	REQUIRE_CMP(layer_features(&info) & DS_VULKAN_FEATURE_IMPORT, ==, 0);
	info.pNext = &sync2;
	REQUIRE_CMP(layer_features(&info) & DS_VULKAN_FEATURE_SYNC, ==, 0);
}

static void watch(VkDevice device)
{
	const VkBufferCreateInfo buffer = { .size = 1 };
	const VkDeviceBufferMemoryRequirements info = { .pCreateInfo = &buffer };
	VkMemoryRequirements2 out;

	CALL(device, vkGetDeviceBufferMemoryRequirements)(device, &info, &out);
	REQUIRE_CMP(out.memoryRequirements.size, ==, 1);
}

/* Two instances with a device each, and what is asked of one is not known of the other. */
static void two_devices(void)
{
	const uint32_t one = 1;
	VkInstance instances[2];
	VkDevice devices[2], seen[2];
	struct ds_vulkan_buffer_detail detail = DS_VULKAN_BUFFER_DETAIL_INIT;
	struct user users[2];
	VkBuffer buffers[2];

	fake_reset();
	fake_family(GRAPHICS, 1);
	for (unsigned i = 0; i < 2; i++) {
		instances[i] = fake_instance(VK_API_VERSION_1_3);
		devices[i] = make_device(instances[i], &one);
		use(&users[i], devices[i]);
		REQUIRE(users[i].cfg.instance == instances[i]);
		REQUIRE(users[i].cfg.physical_device == fake_physical(instances[i]));
	}
	REQUIRE_CMP(layer->list_devices(seen, 1), ==, 2);
	REQUIRE_CMP(layer->list_devices(seen, 2), ==, 2);
	REQUIRE(seen[0] == devices[0] && seen[1] == devices[1]);
	watch(devices[0]);
	layer->watch_thread();
	REQUIRE(!layer->watched_device());
	for (unsigned i = 0; i < 2; i++) {
		layer->watch_thread();
		watch(devices[i]);
		REQUIRE(layer->watched_device() == devices[i]);
	}
	buffers[0] = make_buffer(devices[0], VK_SHARING_MODE_EXCLUSIVE, 0, NULL);
	REQUIRE_RESULT(layer->get_buffer(users[1].use, buffers[0], &detail),
		       DS_ERR_INVALID_ARGUMENT);
	buffers[1] = make_buffer(devices[1], VK_SHARING_MODE_EXCLUSIVE, 0, NULL);
	REQUIRE(buffers[0] == buffers[1]);
	CALL(devices[0], vkDestroyBuffer)(devices[0], buffers[0], NULL);
	REQUIRE_RESULT(layer->get_buffer(users[0].use, buffers[0], &detail),
		       DS_ERR_INVALID_ARGUMENT);
	REQUIRE_OK(layer->get_buffer(users[1].use, buffers[1], &detail));
	REQUIRE_CMP(detail.nbytes, ==, 4096);
	for (unsigned i = 0; i < 2; i++) {
		layer->unuse(users[i].use);
		destroy_device(devices[i]);
		fake_destroy_instance(instances[i]);
	}
	REQUIRE_CMP(layer->list_devices(NULL, 0), ==, 0);
}

/* As many as make the table grow, and in an order of going that leaves holes. */
static void many_buffers(void)
{
	enum {
		NR = 1000
	};
	static VkBuffer all[NR];
	struct ds_vulkan_buffer_detail detail = DS_VULKAN_BUFFER_DETAIL_INIT;
	const uint32_t one = 1;
	VkInstance instance;
	VkDevice device;
	struct user u;

	fake_reset();
	fake_family(GRAPHICS, 1);
	instance = fake_instance(VK_API_VERSION_1_3);
	device = make_device(instance, &one);
	use(&u, device);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < NR; i++)
			all[i] = make_buffer(device, VK_SHARING_MODE_EXCLUSIVE, 0, NULL);
		for (unsigned i = 0; i < NR; i++) {
			/* 7 and NR have no common divisor: each goes once. */
			CALL(device, vkDestroyBuffer)(device, all[i * 7 % NR], NULL);
			REQUIRE_RESULT(layer->get_buffer(u.use, all[i * 7 % NR], &detail),
				       DS_ERR_INVALID_ARGUMENT);
			if (i + 1 < NR)
				REQUIRE_OK(
					layer->get_buffer(u.use, all[(i + 1) * 7 % NR], &detail));
		}
	}
	layer->unuse(u.use);
	destroy_device(device);
	fake_destroy_instance(instance);
}

/* Whose queue families a buffer is for. */
static void buffers_of_families(void)
{
	static const uint32_t asked[] = { 1, 1, 1 }, all[] = { 0, 1, 2 }, graphics[] = { 0, 1 },
			      others[] = { 0, 2 };
	struct ds_vulkan_buffer_detail detail = DS_VULKAN_BUFFER_DETAIL_INIT;
	struct {
		VkStructureType sType;
		const void *pNext;
		uint64_t usage;
	} usage2 = { (VkStructureType)1000470006, NULL, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT };
	VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.pNext = &usage2,
		.size = 5,
		.sharingMode = VK_SHARING_MODE_CONCURRENT,
		.queueFamilyIndexCount = 3,
		.pQueueFamilyIndices = all,
	};
	VkInstance instance;
	VkDevice device;
	VkBuffer buffer;
	struct user u;

	fake_reset();
	fake_family(GRAPHICS, 2);
	fake_family(COMPUTE, 2);
	fake_family(TRANSFER, 2);
	instance = fake_instance(VK_API_VERSION_1_3);
	device = make_device(instance, asked);
	use(&u, device);
	REQUIRE_CMP(u.cfg.compute_queue.family, ==, 1);
	buffer = make_buffer(device, VK_SHARING_MODE_CONCURRENT, 3, all);
	REQUIRE_OK(layer->get_buffer(u.use, buffer, &detail));
	REQUIRE_CMP(detail.flags, ==, DS_VULKAN_CONCURRENT);
	REQUIRE_CMP(detail.usage, ==, VK_BUFFER_USAGE_TRANSFER_DST_BIT);
	/* Not for the family of copies: then these are made by the other queue. */
	buffer = make_buffer(device, VK_SHARING_MODE_CONCURRENT, 2, graphics);
	REQUIRE_OK(layer->get_buffer(u.use, buffer, &detail));
	REQUIRE_CMP(detail.flags, ==, 0);
	buffer = make_buffer(device, VK_SHARING_MODE_CONCURRENT, 2, others);
	REQUIRE_RESULT(layer->get_buffer(u.use, buffer, &detail), DS_ERR_UNSUPPORTED);
	buffer = make_buffer(device, VK_SHARING_MODE_EXCLUSIVE, 0, NULL);
	REQUIRE_RESULT(layer->get_buffer(u.use, buffer, &detail), DS_ERR_UNSUPPORTED);
	REQUIRE_CMP(CALL(device, vkCreateBuffer)(device, &info, NULL, &buffer), ==, VK_SUCCESS);
	REQUIRE_OK(layer->get_buffer(u.use, buffer, &detail));
	REQUIRE_CMP(detail.usage, ==, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
	info.flags = VK_BUFFER_CREATE_PROTECTED_BIT;
	REQUIRE_CMP(CALL(device, vkCreateBuffer)(device, &info, NULL, &buffer), ==, VK_SUCCESS);
	REQUIRE_RESULT(layer->get_buffer(u.use, buffer, &detail), DS_ERR_UNSUPPORTED);
	layer->unuse(u.use);
	destroy_device(device);
	fake_destroy_instance(instance);
}

/* --------------------------------------------------------------- threads */

struct submitter {
	VkDevice device;
	struct user *user; /* or NULL: the program */
	unsigned seed;
};

static void submit_as_user(const struct submitter *s)
{
	VkQueue queue = s->user->cfg.compute_queue.queue;
	PFN_vkGetDeviceProcAddr get = (PFN_vkGetDeviceProcAddr)s->user->cfg.get_instance_proc_addr(
		s->user->cfg.instance, "vkGetDeviceProcAddr");
	PFN_vkQueueSubmit2 submit2 = (PFN_vkQueueSubmit2)get(s->device, "vkQueueSubmit2");

	s->user->cfg.lock_queue(s->user->cfg.lock_user_data, queue);
	submit2(queue, 0, NULL, VK_NULL_HANDLE);
	s->user->cfg.unlock_queue(s->user->cfg.lock_user_data, queue);
}

static void submit_as_program(const struct submitter *s, unsigned i)
{
	VkQueue queue = fake_queue(s->device, 0, 0);

	switch (i % 6) {
	case 0:
		CALL(s->device, vkQueueSubmit)(queue, 0, NULL, VK_NULL_HANDLE);
		break;
	case 1:
		CALL(s->device, vkQueueSubmit2)(queue, 0, NULL, VK_NULL_HANDLE);
		break;
	case 2:
		CALL(s->device, vkQueueBindSparse)(queue, 0, NULL, VK_NULL_HANDLE);
		break;
	case 3:
		CALL(s->device, vkQueuePresentKHR)(queue, NULL);
		break;
	case 4:
		CALL(s->device, vkQueueWaitIdle)(queue);
		break;
	default:
		CALL(s->device, vkDeviceWaitIdle)(s->device);
	}
}

static void *submit_often(void *arg)
{
	const struct submitter *s = arg;

	for (unsigned i = 0; i < 600; i++) {
		if (s->user)
			submit_as_user(s);
		else
			submit_as_program(s, i + s->seed);
	}
	return NULL;
}

/* The fake ends the test when two are in one queue at a time. */
static void locks(uint32_t nr_queues)
{
	enum {
		NR = 4
	};
	const uint32_t one = 1;
	struct submitter all[NR] = { 0 };
	pthread_t threads[NR];
	VkInstance instance;
	VkDevice device;
	struct user u;

	fake_reset();
	fake_family(GRAPHICS, nr_queues);
	instance = fake_instance(VK_API_VERSION_1_3);
	device = make_device(instance, &one);
	use(&u, device);
	for (unsigned i = 0; i < NR; i++) {
		all[i] = (struct submitter){ device, i % 2 ? &u : NULL, i };
		REQUIRE_CMP(pthread_create(&threads[i], NULL, submit_often, &all[i]), ==, 0);
	}
	for (unsigned i = 0; i < NR; i++)
		pthread_join(threads[i], NULL);
	REQUIRE_CMP(atomic_load(&fake.nr_submits), ==, 2 * 600 + 2 * 500);
	layer->unuse(u.use);
	destroy_device(device);
	fake_destroy_instance(instance);
}

static void locks_of_a_shared_queue(void)
{
	locks(1);
}

static void locks_of_an_own_queue(void)
{
	locks(2);
}

static void *destroy_in_thread(void *device)
{
	destroy_device(device);
	return NULL;
}

/* One user leaves from its callback, another one later: until then the device stays. */
static void destroyed_while_used(void)
{
	const struct timespec moment = { 0, 20000000 };
	const uint32_t one = 1;
	VkInstance instance;
	VkDevice device;
	pthread_t thread;
	struct user quick, slow, late;

	fake_reset();
	fake_family(GRAPHICS, 1);
	instance = fake_instance(VK_API_VERSION_1_3);
	device = make_device(instance, &one);
	use(&quick, device);
	use(&slow, device);
	quick.leaves_at_once = true;
	REQUIRE_CMP(pthread_create(&thread, NULL, destroy_in_thread, device), ==, 0);
	while (!atomic_load(&quick.is_told) || !atomic_load(&slow.is_told))
		sched_yield();
	/* Too late for others, and it works until the end. */
	REQUIRE_RESULT(try_use(&late, device), DS_ERR_INVALID_ARGUMENT);
	nanosleep(&moment, NULL);
	REQUIRE_CMP(atomic_load(&fake.nr_destroyed), ==, 0);
	submit_as_user(&(struct submitter){ device, &slow, 0 });
	layer->unuse(slow.use);
	pthread_join(thread, NULL);
	REQUIRE_CMP(atomic_load(&fake.nr_destroyed), ==, 1);
	REQUIRE_CMP(layer->list_devices(NULL, 0), ==, 0);
	fake_destroy_instance(instance);
}

/* ------------------------------------------------------------------ chain */

static void functions(void)
{
	const uint32_t one = 1;
	const VkCommandBufferAllocateInfo info = { .commandBufferCount = 2 };
	VkCommandBuffer commands[2];
	PFN_vkGetDeviceProcAddr below;
	VkInstance instance, none = NULL;
	VkDevice device;
	struct user u;

	fake_reset();
	fake_family(GRAPHICS, 1);
	fake.lacks_synchronization2 = true;
	instance = fake_instance(VK_API_VERSION_1_3);
	device = make_device(instance, &one);
	REQUIRE(!fake_function(device, "vkQueueSubmit2"));
	REQUIRE(!fake_function(device, "vkNoSuchFunction"));
	REQUIRE(fake_function(device, "vkQueueSubmit"));
	REQUIRE(!fake_function((VkDevice)(void *)&u, "vkQueueSubmit"));
	use(&u, device);
	below = (PFN_vkGetDeviceProcAddr)u.cfg.get_instance_proc_addr(instance,
								      "vkGetDeviceProcAddr");
	((PFN_vkAllocateCommandBuffers)below(device, "vkAllocateCommandBuffers"))(device, &info,
										  commands);
	for (unsigned i = 0; i < 2; i++) {
		REQUIRE(fake_is_prepared(commands[i]));
		free(commands[i]);
	}
	/* A user makes no instances. */
	REQUIRE_CMP(((PFN_vkCreateInstance)u.cfg.get_instance_proc_addr(NULL, "vkCreateInstance"))(
			    NULL, NULL, &none),
		    <, 0);
	REQUIRE(!none);
	layer->unuse(u.use);
	destroy_device(device);
	fake_destroy_instance(instance);
	REQUIRE(!ds_vulkan_layer_get(DS_VULKAN_LAYER_VERSION + 1));
}

int main(void)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{ "which_queue", which_queue },
		{ "refused_queue", refused_queue },
		{ "useless_devices", useless_devices },
		{ "features_in_structs", features_in_structs },
		{ "two_devices", two_devices },
		{ "many_buffers", many_buffers },
		{ "buffers_of_families", buffers_of_families },
		{ "locks_of_a_shared_queue", locks_of_a_shared_queue },
		{ "locks_of_an_own_queue", locks_of_an_own_queue },
		{ "destroyed_while_used", destroyed_while_used },
		{ "functions", functions },
	};

	layer = ds_vulkan_layer_get(DS_VULKAN_LAYER_VERSION);
	REQUIRE(layer);
	REQUIRE_CMP(layer->size, ==, sizeof(*layer));
	for (unsigned i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		puts(tests[i].name);
		fflush(stdout);
		tests[i].run();
	}
	return 0;
}
