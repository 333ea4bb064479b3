/* SPDX-License-Identifier: MIT */
/*
 * test_share.c: a program that knows nothing of the runtime, and in the same process somebody who
 * loads into its buffers: by the real loader, the layer, and whatever device there is.
 *
 * usage: test_share on|once|off      whether the environment switches the layer on
 *
 * The program submits on its queue all the while. The validation layers, which lie below
 * the layer when it is found as an implicit one, would see two threads on one queue. Exit code 77:
 * there is no Vulkan here.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include "ds_gdeflate.h"
#include "ds_runtime.h"
#include "ds_vulkan_layer.h"
#include "support/libraries.h"
#include "support/require.h"
#include "support/testdata.h"

enum {
	NBYTES = 1 << 20,
	ROUNDS = 6,
	SKIPPED = 77
};

#define FUNCTIONS(F)                         \
	F(DestroyInstance)                   \
	F(EnumeratePhysicalDevices)          \
	F(GetPhysicalDeviceMemoryProperties) \
	F(CreateDevice)                      \
	F(DestroyDevice)                     \
	F(GetDeviceQueue)                    \
	F(QueueSubmit2)                      \
	F(QueueWaitIdle)                     \
	F(DeviceWaitIdle)                    \
	F(CreateBuffer)                      \
	F(DestroyBuffer)                     \
	F(GetBufferMemoryRequirements)       \
	F(GetDeviceBufferMemoryRequirements) \
	F(AllocateMemory)                    \
	F(FreeMemory)                        \
	F(BindBufferMemory)                  \
	F(MapMemory)                         \
	F(CreateDebugUtilsMessengerEXT)      \
	F(DestroyDebugUtilsMessengerEXT)

/* A program with a renderer, as far as it matters here. */
struct program {
#define DECLARE(name) PFN_vk##name name;
	FUNCTIONS(DECLARE)
#undef DECLARE
	VkInstance instance;
	VkDebugUtilsMessengerEXT messenger;
	VkPhysicalDevice physical;
	VkDevice device;
	VkQueue queue;
	VkBuffer buffer;
	VkDeviceMemory memory;
	unsigned char *mapped;
};

static PFN_vkGetInstanceProcAddr get_proc;
static atomic_uint nr_messages;
static bool has_validation;

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
						 VkDebugUtilsMessageTypeFlagsEXT types,
						 const VkDebugUtilsMessengerCallbackDataEXT *data,
						 void *user)
{
	(void)severity;
	(void)types;
	(void)user;
	atomic_fetch_add(&nr_messages, 1);
	fprintf(stderr, "validation: %s\n", data->pMessage);
	return VK_FALSE;
}

static const VkDebugUtilsMessengerCreateInfoEXT messenger_info = {
	.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
	.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
			   VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
	.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
	.pfnUserCallback = on_message,
};

static VkResult create_instance(struct program *p, bool validates)
{
	static const char *const layers[] = { "VK_LAYER_KHRONOS_validation" };
	static const char *const extensions[] = { VK_EXT_DEBUG_UTILS_EXTENSION_NAME };
	const VkApplicationInfo app = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.apiVersion = VK_API_VERSION_1_3,
	};
	const VkInstanceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pApplicationInfo = &app,
		.enabledLayerCount = validates,
		.ppEnabledLayerNames = layers,
		.enabledExtensionCount = validates,
		.ppEnabledExtensionNames = extensions,
	};
	PFN_vkCreateInstance create = (PFN_vkCreateInstance)get_proc(NULL, "vkCreateInstance");

	return create(&info, NULL, &p->instance);
}

/* False: there is no Vulkan, or no device. */
static bool open_instance(struct program *p)
{
	const char *wish = getenv("DS_TEST_LAYERS");
	uint32_t nr = 1;

	has_validation = !(wish && !strcmp(wish, "0")) && !create_instance(p, true);
	if (!has_validation && create_instance(p, false))
		return false;
#define LOAD(name) p->name = (PFN_vk##name)get_proc(p->instance, "vk" #name);
	FUNCTIONS(LOAD)
#undef LOAD
	if (has_validation)
		REQUIRE_CMP(p->CreateDebugUtilsMessengerEXT(p->instance, &messenger_info, NULL,
							    &p->messenger),
			    ==, VK_SUCCESS);
	if (p->EnumeratePhysicalDevices(p->instance, &nr, &p->physical) < 0 || !nr)
		return false;
	libraries_keep(DS_VULKAN_LAYER_LIBRARY);
	return true;
}

static void open_device(struct program *p)
{
	VkPhysicalDeviceVulkan13Features f13 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
		.synchronization2 = VK_TRUE,
		.maintenance4 = VK_TRUE,
	};
	VkPhysicalDeviceVulkan12Features f12 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
		.pNext = &f13,
		.timelineSemaphore = VK_TRUE,
		.bufferDeviceAddress = VK_TRUE,
		.shaderInt8 = VK_TRUE,
		.storageBuffer8BitAccess = VK_TRUE,
		.scalarBlockLayout = VK_TRUE,
	};
	const VkPhysicalDeviceFeatures2 f = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
		.pNext = &f12,
		.features.shaderInt64 = VK_TRUE,
		.features.shaderInt16 = VK_TRUE,
	};
	const float priority = 1;
	const VkDeviceQueueCreateInfo queue = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueCount = 1,
		.pQueuePriorities = &priority,
	};
	const VkDeviceCreateInfo device = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.pNext = &f,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queue,
	};

	REQUIRE_CMP(p->CreateDevice(p->physical, &device, NULL, &p->device), ==, VK_SUCCESS);
	p->GetDeviceQueue(p->device, 0, 0, &p->queue);
}

static uint32_t memory_type(struct program *p, uint32_t types)
{
	const VkMemoryPropertyFlags wanted =
		VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
	VkPhysicalDeviceMemoryProperties memory;
	uint32_t i = 0;

	p->GetPhysicalDeviceMemoryProperties(p->physical, &memory);
	while (!(types >> i & 1) || (memory.memoryTypes[i].propertyFlags & wanted) != wanted)
		i++;
	return i;
}

static void open_buffer(struct program *p)
{
	const VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.size = 2 * NBYTES,
		.usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
			 VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT,
	};
	const VkMemoryAllocateFlagsInfo flags = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
		.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
	};
	VkMemoryAllocateInfo alloc = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.pNext = &flags,
	};
	VkMemoryRequirements needs;

	REQUIRE_CMP(p->CreateBuffer(p->device, &info, NULL, &p->buffer), ==, VK_SUCCESS);
	p->GetBufferMemoryRequirements(p->device, p->buffer, &needs);
	alloc.allocationSize = needs.size;
	alloc.memoryTypeIndex = memory_type(p, needs.memoryTypeBits);
	REQUIRE_CMP(p->AllocateMemory(p->device, &alloc, NULL, &p->memory), ==, VK_SUCCESS);
	REQUIRE_CMP(p->BindBufferMemory(p->device, p->buffer, p->memory, 0), ==, VK_SUCCESS);
	REQUIRE_CMP(p->MapMemory(p->device, p->memory, 0, VK_WHOLE_SIZE, 0, (void **)&p->mapped),
		    ==, VK_SUCCESS);
	memset(p->mapped, 0, 2 * NBYTES);
}

static void open_program(struct program *p)
{
	memset(p, 0, sizeof(*p));
	REQUIRE(open_instance(p));
	open_device(p);
	open_buffer(p);
}

static void close_buffer(struct program *p)
{
	p->DestroyBuffer(p->device, p->buffer, NULL);
	p->FreeMemory(p->device, p->memory, NULL);
}

static void close_instance(struct program *p)
{
	if (p->messenger)
		p->DestroyDebugUtilsMessengerEXT(p->instance, p->messenger, NULL);
	p->DestroyInstance(p->instance, NULL);
}

static void close_program(struct program *p)
{
	close_buffer(p);
	p->DestroyDevice(p->device, NULL);
	close_instance(p);
}

/* A renderer that is busy with its one queue. */
struct frames {
	struct program *p;
	atomic_bool stop;
	unsigned nr;
	pthread_t thread;
};

static void *render(void *arg)
{
	struct frames *f = arg;

	for (; !atomic_load(&f->stop); f->nr++) {
		const VkSubmitInfo2 nothing = { .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO_2 };

		REQUIRE_CMP(f->p->QueueSubmit2(f->p->queue, 1, &nothing, VK_NULL_HANDLE), ==,
			    VK_SUCCESS);
		if (f->nr % 32 == 0)
			REQUIRE_CMP(f->p->QueueWaitIdle(f->p->queue), ==, VK_SUCCESS);
		if (f->nr % 256 == 255)
			REQUIRE_CMP(f->p->DeviceWaitIdle(f->p->device), ==, VK_SUCCESS);
	}
	return NULL;
}

static void start_frames(struct frames *f, struct program *p)
{
	f->p = p;
	f->nr = 0;
	atomic_init(&f->stop, false);
	REQUIRE_CMP(pthread_create(&f->thread, NULL, render, f), ==, 0);
}

static void stop_frames(struct frames *f)
{
	atomic_store(&f->stop, true);
	pthread_join(f->thread, NULL);
	REQUIRE_CMP(f->nr, >, 0);
}

/* --------------------------------------------------- who knows of the layer */

struct guest {
	const struct ds_vulkan_layer *layer;
	struct ds_vulkan_use *use;
	struct ds_backend *be;
	struct ds_queue *q;
	struct ds_file *file;
	VkBuffer buffer;
	struct ds_vulkan_buffer_detail detail;
	struct program *p;
	atomic_bool is_told;
};

static struct tempdir dir;
static const char *data_path;
static unsigned char *packed;
static size_t packed_nbytes;

static const struct ds_vulkan_layer *find_layer(void)
{
	void *lib = dlopen(DS_VULKAN_LAYER_LIBRARY, RTLD_NOW | RTLD_NOLOAD);
	void *symbol = lib ? dlsym(lib, DS_VULKAN_LAYER_ENTRY) : NULL;
	ds_vulkan_layer_get_fn get;

	if (!symbol)
		return NULL;
	/* ISO C has no conversion from data to code pointers. */
	memcpy(&get, &symbol, sizeof(get));
	return get(DS_VULKAN_LAYER_VERSION);
}

static void leave(struct guest *g)
{
	ds_file_close(g->file);
	REQUIRE_OK(ds_queue_destroy(g->q));
	ds_backend_destroy(g->be);
	g->layer->unuse(g->use);
}

/* The program destroys its device, with our requests in flight. */
static void on_destroy(void *arg)
{
	struct guest *g = arg;

	leave(g);
	/* This program has kept its buffer until nobody writes it. */
	close_buffer(g->p);
	atomic_store(&g->is_told, true);
}

/* The one of the layer's devices that this handle means. */
static VkDevice layers_device(const struct guest *g, const struct program *p)
{
	const VkBufferCreateInfo buffer = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.size = 4096,
		.usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT,
	};
	const VkDeviceBufferMemoryRequirements info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_BUFFER_MEMORY_REQUIREMENTS,
		.pCreateInfo = &buffer,
	};
	VkMemoryRequirements2 needs = { .sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2 };

	g->layer->watch_thread();
	p->GetDeviceBufferMemoryRequirements(p->device, &info, &needs);
	return g->layer->watched_device();
}

static void enter(struct guest *g, struct program *p, int32_t decode)
{
	struct ds_vulkan_config cfg = DS_VULKAN_CONFIG_INIT;
	struct ds_backend_config be = DS_BACKEND_CONFIG_INIT;
	struct ds_vulkan_user user = DS_VULKAN_USER_INIT;
	char why[256] = "";
	ds_result ret;

	memset(g, 0, sizeof(*g));
	g->layer = find_layer();
	REQUIRE(g->layer);
	user.on_destroy = on_destroy;
	user.user_data = g;
	REQUIRE_OK(g->layer->use(layers_device(g, p), &user, &cfg, &g->use));
	cfg.decode = decode;
	cfg.why = why;
	cfg.why_nbytes = sizeof(why);
	be.staging_nbytes = 8 << 20;
	ret = ds_make_vulkan_backend(&be, &cfg, &g->be);
	if (ret)
		fprintf(stderr, "%s\n", why);
	REQUIRE_OK(ret);
	REQUIRE_OK(ds_queue_create(g->be, NULL, &g->q));
	REQUIRE_OK(ds_file_open(g->be, data_path, DS_FILE_READ, &g->file));
	g->p = p;
	g->buffer = p->buffer;
	g->detail = (struct ds_vulkan_buffer_detail)DS_VULKAN_BUFFER_DETAIL_INIT;
	REQUIRE_OK(g->layer->get_buffer(g->use, p->buffer, &g->detail));
	REQUIRE_CMP(g->detail.nbytes, ==, 2 * NBYTES);
}

static struct ds_request into_buffer(const struct guest *g, uint64_t at, uint64_t nbytes)
{
	struct ds_request r = DS_REQUEST_INIT;

	r.destination.kind = DS_LOCATION_VULKAN_BUFFER;
	r.destination.object = ds_vulkan_object(g->buffer);
	r.destination.offset = at;
	r.destination.nbytes = nbytes;
	r.destination.detail = &g->detail;
	return r;
}

/* The file into the first half, and what was packed into the second. */
static void start_loads(struct guest *g)
{
	struct ds_request r = into_buffer(g, 0, NBYTES);

	r.source.kind = DS_LOCATION_FILE;
	r.source.file = g->file;
	r.source.nbytes = NBYTES;
	REQUIRE_OK(ds_queue_enqueue(g->q, &r, NULL));
	r = into_buffer(g, NBYTES, NBYTES);
	r.source.kind = DS_LOCATION_MEMORY;
	r.source.data = packed;
	r.source.nbytes = packed_nbytes;
	r.codec = DS_CODEC_GDEFLATE;
	r.uncompressed_nbytes = NBYTES;
	REQUIRE_OK(ds_queue_enqueue(g->q, &r, NULL));
	REQUIRE_OK(ds_queue_submit(g->q));
}

static void load(struct guest *g, struct program *p)
{
	memset(p->mapped, 0, 2 * NBYTES);
	start_loads(g);
	for (unsigned i = 0; i < 2; i++) {
		struct ds_completion c = DS_COMPLETION_INIT;

		REQUIRE_OK(ds_queue_wait(g->q, &c, 1, 1, DS_WAIT_FOREVER, NULL));
		REQUIRE_OK(c.result);
	}
	pattern_require(p->mapped, NBYTES, 3, 0);
	pattern_require(p->mapped + NBYTES, NBYTES, 5, 0);
}

/* ----------------------------------------------------------------- tests */

static void loads_beside_frames(void)
{
	struct ds_vulkan_stats stats = DS_VULKAN_STATS_INIT;
	struct program p;
	struct frames f;
	struct guest g;

	open_program(&p);
	enter(&g, &p, DS_VULKAN_DECODE_GPU);
	start_frames(&f, &p);
	for (unsigned i = 0; i < ROUNDS; i++)
		load(&g, &p);
	stop_frames(&f);
	REQUIRE_OK(ds_vulkan_get_stats(g.be, &stats));
	REQUIRE_CMP(stats.decoded_nbytes, ==, (uint64_t)ROUNDS * NBYTES);
	REQUIRE_CMP(stats.submits, >=, ROUNDS);
	leave(&g);
	close_program(&p);
}

/* Each has its own instance, and a handle that may mean another device to the layer. */
static void two_programs(void)
{
	struct program p[2];
	struct guest g[2];

	for (unsigned i = 0; i < 2; i++)
		open_program(&p[i]);
	for (unsigned i = 0; i < 2; i++)
		enter(&g[i], &p[i], DS_VULKAN_DECODE_AUTO);
	REQUIRE_CMP(g[0].layer->list_devices(NULL, 0), ==, 2);
	for (unsigned i = 0; i < 2; i++)
		load(&g[i], &p[i]);
	leave(&g[1]);
	close_program(&p[1]);
	load(&g[0], &p[0]);
	leave(&g[0]);
	close_program(&p[0]);
}

/* Requests in flight are cancelled, and nothing of ours is left when the device goes. */
static void destroyed_in_flight(void)
{
	struct program p;
	struct guest g;

	for (unsigned i = 0; i < 2; i++) {
		open_program(&p);
		enter(&g, &p, DS_VULKAN_DECODE_AUTO);
		for (unsigned j = 0; j < 8; j++)
			start_loads(&g);
		p.DestroyDevice(p.device, NULL);
		REQUIRE(atomic_load(&g.is_told));
		close_instance(&p);
	}
}

static void prepare(void)
{
	static char path[256];
	unsigned char *plain = malloc(NBYTES);

	tempdir_create(&dir);
	data_path = tempdir_path(&dir, "data", path, sizeof(path));
	file_write_pattern(data_path, NBYTES, 3);
	pattern_fill(plain, NBYTES, 5, 0);
	packed = malloc(ds_gdeflate_bound(NBYTES));
	REQUIRE_OK(ds_gdeflate_compress(1, plain, NBYTES, packed, ds_gdeflate_bound(NBYTES),
					&packed_nbytes));
	free(plain);
}

int main(int argc, char **argv)
{
	void *loader = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
	void *symbol = loader ? dlsym(loader, "vkGetInstanceProcAddr") : NULL;
	struct program p = { 0 };

	REQUIRE_CMP(argc, ==, 2);
	if (!symbol)
		return SKIPPED;
	memcpy(&get_proc, &symbol, sizeof(get_proc));
	/* Not in the process before there is an instance. */
	REQUIRE(!find_layer());
	if (!open_instance(&p))
		return SKIPPED;
	REQUIRE(!!find_layer() == !!strcmp(argv[1], "off"));
	close_instance(&p);
	if (!strcmp(argv[1], "off"))
		return 0;
	if (!has_validation)
		fprintf(stderr, "without validation layers\n");
	prepare();
	loads_beside_frames();
	if (!strcmp(argv[1], "on")) {
		two_programs();
		destroyed_in_flight();
	}
	REQUIRE_CMP(atomic_load(&nr_messages), ==, 0);
	free(packed);
	tempdir_remove(&dir);
	return 0;
}
