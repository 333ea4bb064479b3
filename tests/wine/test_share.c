/* SPDX-License-Identifier: MIT */
/*
 * test_share.c: loads by the runtime's own backend, on the program's Vulkan device.
 *
 * The D3D12 device is the fake; of the real one it has what vkd3d-proton adds: it tells the Vulkan
 * device and the buffers behind its resources. These are real, made through winevulkan. So what
 * has gone by the fake's copy queue is in the fake's memory, and what has not is in a VkBuffer.
 *
 * usage: test_share on|off      whether the environment switches sharing on
 *        test_share decode      as on, and the GPU shall decode
 *        test_share exit        ends with loads on their way
 */
#include "gpu.h"

#include <stdlib.h>
#include <string.h>

#include <vulkan/vulkan_core.h>

#include "dstorage/pe/interop.h"
#include "fake_d3d12.h"

enum {
	NBYTES = 1 << 20,
	GAP = 768, /* between the two resources, and before the first */
	COUNT = 64
};

typedef void (*any_fn)(void);

#define FUNCTIONS(F)                         \
	F(DestroyInstance)                   \
	F(EnumeratePhysicalDevices)          \
	F(GetPhysicalDeviceMemoryProperties) \
	F(CreateDevice)                      \
	F(DestroyDevice)                     \
	F(CreateBuffer)                      \
	F(DestroyBuffer)                     \
	F(GetBufferMemoryRequirements)       \
	F(AllocateMemory)                    \
	F(FreeMemory)                        \
	F(BindBufferMemory)                  \
	F(MapMemory)

static struct {
#define DECLARE(name) PFN_vk##name name;
	FUNCTIONS(DECLARE)
#undef DECLARE
	VkInstance instance;
	VkPhysicalDevice physical;
	VkDevice device;
	VkBuffer buffer;
	VkDeviceMemory memory;
	unsigned char *mapped;
} vk;

static bool is_on, gpu_decodes;
static ID3D12Resource *resources[2];
static const UINT64 offsets[2] = { GAP, GAP + NBYTES + GAP };
static IDStorageFile *file;

/* ----------------------------------------------------------------- Vulkan */

static void create_device(void)
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
	const VkDeviceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.pNext = &f,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queue,
	};

	REQUIRE_CMP(vk.CreateDevice(vk.physical, &info, NULL, &vk.device), ==, VK_SUCCESS);
}

static uint32_t memory_type(uint32_t types)
{
	const VkMemoryPropertyFlags wanted =
		VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
	VkPhysicalDeviceMemoryProperties memory;
	uint32_t i = 0;

	vk.GetPhysicalDeviceMemoryProperties(vk.physical, &memory);
	while (!(types >> i & 1) || (memory.memoryTypes[i].propertyFlags & wanted) != wanted)
		i++;
	return i;
}

static void create_buffer(void)
{
	const VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.size = 2 * (GAP + NBYTES),
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

	REQUIRE_CMP(vk.CreateBuffer(vk.device, &info, NULL, &vk.buffer), ==, VK_SUCCESS);
	vk.GetBufferMemoryRequirements(vk.device, vk.buffer, &needs);
	alloc.allocationSize = needs.size;
	alloc.memoryTypeIndex = memory_type(needs.memoryTypeBits);
	REQUIRE_CMP(vk.AllocateMemory(vk.device, &alloc, NULL, &vk.memory), ==, VK_SUCCESS);
	REQUIRE_CMP(vk.BindBufferMemory(vk.device, vk.buffer, vk.memory, 0), ==, VK_SUCCESS);
	REQUIRE_CMP(vk.MapMemory(vk.device, vk.memory, 0, VK_WHOLE_SIZE, 0, (void **)&vk.mapped),
		    ==, VK_SUCCESS);
}

static void open_vulkan(void)
{
	const VkApplicationInfo app = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.apiVersion = VK_API_VERSION_1_3,
	};
	const VkInstanceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pApplicationInfo = &app,
	};
	HMODULE dll = LoadLibraryW(L"vulkan-1.dll");
	PFN_vkGetInstanceProcAddr get;
	PFN_vkCreateInstance create;
	uint32_t nr = 1;

	if (!dll)
		skip("no vulkan-1.dll");
	get = (PFN_vkGetInstanceProcAddr)(any_fn)GetProcAddress(dll, "vkGetInstanceProcAddr");
	create = (PFN_vkCreateInstance)get(NULL, "vkCreateInstance");
	if (create(&info, NULL, &vk.instance))
		skip("no Vulkan");
#define LOAD(name) vk.name = (PFN_vk##name)get(vk.instance, "vk" #name);
	FUNCTIONS(LOAD)
#undef LOAD
	if (vk.EnumeratePhysicalDevices(vk.instance, &nr, &vk.physical) < 0 || !nr)
		skip("no Vulkan device");
	create_device();
	create_buffer();
}

/* Hangs if anybody still uses the device. */
static void close_vulkan(void)
{
	vk.DestroyBuffer(vk.device, vk.buffer, NULL);
	vk.FreeMemory(vk.device, vk.memory, NULL);
	vk.DestroyDevice(vk.device, NULL);
	vk.DestroyInstance(vk.instance, NULL);
}

/* ---------------------------------------------------- what the device tells */

static LONG interop_refs;

static HRESULT STDMETHODCALLTYPE interop_QueryInterface(interop_device *self, REFIID riid,
							void **out)
{
	(void)self;
	(void)riid;
	*out = NULL;
	return E_NOINTERFACE;
}

static ULONG STDMETHODCALLTYPE interop_AddRef(interop_device *self)
{
	(void)self;
	return (ULONG)InterlockedIncrement(&interop_refs);
}

static ULONG STDMETHODCALLTYPE interop_Release(interop_device *self)
{
	(void)self;
	return (ULONG)InterlockedDecrement(&interop_refs);
}

static HRESULT STDMETHODCALLTYPE interop_GetVulkanHandles(interop_device *self, void *instance,
							  void *physical, void *device)
{
	(void)self;
	*(VkInstance *)instance = vk.instance;
	*(VkPhysicalDevice *)physical = vk.physical;
	*(VkDevice *)device = vk.device;
	return S_OK;
}

static HRESULT STDMETHODCALLTYPE interop_GetVulkanResourceInfo(interop_device *self,
							       ID3D12Resource *resource,
							       UINT64 *handle, UINT64 *offset)
{
	(void)self;
	for (unsigned int i = 0; i < 2; i++) {
		if (resource == resources[i]) {
			*handle = (UINT64)(uintptr_t)vk.buffer;
			*offset = offsets[i];
			return S_OK;
		}
	}
	return E_INVALIDARG;
}

static const struct interop_device_vtbl interop_vtbl = {
	.QueryInterface = interop_QueryInterface,
	.AddRef = interop_AddRef,
	.Release = interop_Release,
	.GetVulkanHandles = interop_GetVulkanHandles,
	.GetVulkanResourceInfo = interop_GetVulkanResourceInfo,
};
static interop_device interop = { &interop_vtbl };

/* ------------------------------------------------------------------ tests */

static DSTORAGE_REQUEST to_buffer(ID3D12Resource *resource, uint64_t at, uint64_t offset,
				  UINT32 nbytes)
{
	DSTORAGE_REQUEST r = file_to_memory(file, offset, nbytes, NULL);

	r.Options.DestinationType = DSTORAGE_REQUEST_DESTINATION_BUFFER;
	r.Destination.Buffer.Resource = resource;
	r.Destination.Buffer.Offset = at;
	r.Destination.Buffer.Size = nbytes;
	return r;
}

/* The memory that a resource has now: of the fake's, or of the VkBuffer. */
static unsigned char *bytes_of(unsigned int i, bool is_native)
{
	uint64_t n;

	return is_native ? vk.mapped + offsets[i] : fake_bytes(resources[i], &n);
}

static void clear(void)
{
	memset(vk.mapped, 0, 2 * (GAP + NBYTES));
	for (unsigned int i = 0; i < 2; i++)
		memset(bytes_of(i, false), 0, NBYTES);
}

/* Those between the resources are nobody's to write. */
static void require_gaps(void)
{
	REQUIRE(bytes_are(vk.mapped, GAP, 0));
	REQUIRE(bytes_are(vk.mapped + GAP + NBYTES, GAP, 0));
}

static IDStorageQueue3 *new_queue(DSTORAGE_REQUEST_SOURCE_TYPE source)
{
	return make_queue(source, 1024, gpu_device());
}

/* Pieces in both resources, and a signal of the copy queue's behind them. */
static void test_raw(void)
{
	IDStorageQueue3 *q = new_queue(DSTORAGE_REQUEST_SOURCE_FILE);
	ID3D12Fence *fence = gpu_fence();
	UINT32 each = NBYTES / COUNT;

	clear();
	for (UINT32 i = 0; i < COUNT; i++) {
		DSTORAGE_REQUEST r = to_buffer(resources[i % 2], i * each, i * each, each);

		q->lpVtbl->EnqueueRequest(q, &r);
	}
	q->lpVtbl->EnqueueSignal(q, fence, 7);
	q->lpVtbl->Submit(q);
	gpu_wait(fence, 7);
	for (UINT32 i = 0; i < COUNT; i++) {
		pattern_require(bytes_of(i % 2, is_on) + i * each, each, 3, i * each);
		REQUIRE(bytes_are(bytes_of(i % 2, !is_on) + i * each, each, 0));
		REQUIRE(bytes_are(bytes_of(1 - i % 2, is_on) + i * each, each, 0));
	}
	require_gaps();
	require_no_failure(q);
	release(fence);
	release(q);
}

static void test_compressed(void)
{
	IDStorageQueue3 *q = new_queue(DSTORAGE_REQUEST_SOURCE_MEMORY);
	unsigned char *plain = malloc(NBYTES);
	DSTORAGE_REQUEST r = to_buffer(resources[1], 0, 0, NBYTES);
	size_t packed_nbytes;
	void *packed;

	clear();
	REQUIRE_CMP(!!(q->lpVtbl->GetCompressionSupport(q, DSTORAGE_COMPRESSION_FORMAT_GDEFLATE) &
		       DSTORAGE_COMPRESSION_SUPPORT_GPU_FALLBACK),
		    >=, gpu_decodes);
	pattern_fill(plain, NBYTES, 5, 0);
	packed = compress(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, plain, NBYTES, &packed_nbytes);
	r.Options.SourceType = DSTORAGE_REQUEST_SOURCE_MEMORY;
	r.Options.CompressionFormat = DSTORAGE_COMPRESSION_FORMAT_GDEFLATE;
	r.Source.Memory.Source = packed;
	r.Source.Memory.Size = (UINT32)packed_nbytes;
	r.UncompressedSize = NBYTES;
	REQUIRE_OK(run_request(q, &r));
	pattern_require(bytes_of(1, is_on), NBYTES, 5, 0);
	require_gaps();
	/* Damaged, it fails, and says so before its marker; the next one is as ever. */
	((unsigned char *)packed)[packed_nbytes / 2] ^= 0x55;
	((unsigned char *)packed)[1] ^= 0x55;
	REQUIRE(FAILED(run_request(q, &r)));
	forget_failures(q);
	((unsigned char *)packed)[packed_nbytes / 2] ^= 0x55;
	((unsigned char *)packed)[1] ^= 0x55;
	clear();
	REQUIRE_OK(run_request(q, &r));
	pattern_require(bytes_of(1, is_on), NBYTES, 5, 0);
	free(packed);
	free(plain);
	release(q);
}

/* What the backend does not know goes by the copy queue, in the same batch. */
static void test_fallback(void)
{
	IDStorageQueue3 *q = new_queue(DSTORAGE_REQUEST_SOURCE_FILE);
	ID3D12Resource *other = gpu_buffer(NBYTES);
	ID3D12Resource *texture = gpu_texture(DXGI_FORMAT_R8G8B8A8_UNORM, 64, 64, 1, 1);
	DSTORAGE_REQUEST r = to_buffer(other, 0, 100, NBYTES);
	uint64_t n;

	clear();
	q->lpVtbl->EnqueueRequest(q, &r);
	r = to_buffer(resources[0], 0, 200, NBYTES);
	q->lpVtbl->EnqueueRequest(q, &r);
	r = file_to_memory(file, 300, 64 * 256, NULL);
	r.Options.DestinationType = DSTORAGE_REQUEST_DESTINATION_MULTIPLE_SUBRESOURCES;
	r.Destination.MultipleSubresources.Resource = texture;
	r.Destination.MultipleSubresources.FirstSubresource = 0;
	q->lpVtbl->EnqueueRequest(q, &r);
	submit_and_wait(q);
	require_no_failure(q);
	pattern_require(fake_bytes(other, &n), NBYTES, 3, 100);
	pattern_require(bytes_of(0, is_on), NBYTES, 3, 200);
	pattern_require(fake_bytes(texture, &n), 64 * 256, 3, 300);
	release(texture);
	release(other);
	release(q);
}

/*
 * vkd3d-proton clears new memory before the next command list, whenever that is: what was loaded
 * before was lost.
 */
static LONG is_new;

static void clear_new(void)
{
	if (InterlockedExchange(&is_new, 0))
		memset(bytes_of(0, true), 0, NBYTES);
}

static void test_new_resource(void)
{
	IDStorageQueue3 *q = new_queue(DSTORAGE_REQUEST_SOURCE_FILE);
	ID3D12Resource *other = gpu_buffer(4096);
	DSTORAGE_REQUEST r;

	fake_before_lists(clear_new);
	for (unsigned int round = 0; round < 3; round++) {
		release(resources[0]);
		resources[0] = gpu_buffer(NBYTES);
		clear();
		InterlockedExchange(&is_new, 1);
		r = to_buffer(resources[0], 0, round, NBYTES);
		REQUIRE_OK(run_request(q, &r));
		/* By the copy queue, which runs a list. */
		r = to_buffer(other, 0, 0, 4096);
		REQUIRE_OK(run_request(q, &r));
		pattern_require(bytes_of(0, is_on), NBYTES, 3, round);
	}
	fake_before_lists(NULL);
	release(other);
	release(q);
}

/* When the call is back nothing writes any more; and all the others have their bytes. */
static void test_cancel(void)
{
	IDStorageQueue3 *q = new_queue(DSTORAGE_REQUEST_SOURCE_FILE);
	UINT32 each = NBYTES / COUNT;

	for (unsigned int round = 0; round < 10; round++) {
		clear();
		for (UINT32 i = 0; i < 2 * COUNT; i++) {
			DSTORAGE_REQUEST r =
				to_buffer(resources[i % 2], i / 2 * each, i * each, each);

			r.CancellationTag = i % 2;
			q->lpVtbl->EnqueueRequest(q, &r);
		}
		q->lpVtbl->Submit(q);
		q->lpVtbl->CancelRequestsWithTag(q, 1, 1);
		memset(bytes_of(1, true), 0xee, NBYTES);
		submit_and_wait(q);
		require_no_failure(q);
		for (UINT32 i = 0; i < 2 * COUNT; i += 2)
			pattern_require(bytes_of(0, is_on) + i / 2 * each, each, 3, i * each);
		REQUIRE(bytes_are(bytes_of(1, true), NBYTES, 0xee));
		memset(bytes_of(1, true), 0, NBYTES);
	}
	release(q);
}

/* A file that ends too early, in the middle of good ones. */
static void test_failure(void)
{
	IDStorageQueue3 *q = new_queue(DSTORAGE_REQUEST_SOURCE_FILE);
	DSTORAGE_REQUEST r = to_buffer(resources[0], 0, 3 * NBYTES - 10, 4096);

	REQUIRE_HR(run_request(q, &r), E_DSTORAGE_END_OF_FILE);
	forget_failures(q);
	r = to_buffer(resources[0], NBYTES - 4095, 0, 4096);
	REQUIRE_HR(run_request(q, &r), E_DSTORAGE_INVALID_DESTINATION_SIZE);
	forget_failures(q);
	r = to_buffer(resources[0], NBYTES - 4096, 0, 4096);
	clear();
	REQUIRE_OK(run_request(q, &r));
	pattern_require(bytes_of(0, is_on) + NBYTES - 4096, 4096, 3, 0);
	require_gaps();
	release(q);
}

/* Two queues on the device, and the last to go lets go of it. */
static void test_queues(void)
{
	IDStorageQueue3 *a = new_queue(DSTORAGE_REQUEST_SOURCE_FILE);
	IDStorageQueue3 *b = new_queue(DSTORAGE_REQUEST_SOURCE_FILE);
	DSTORAGE_REQUEST r = to_buffer(resources[0], 0, 0, NBYTES);

	clear();
	REQUIRE_CMP(interop_refs, ==, is_on);
	REQUIRE_OK(run_request(a, &r));
	release(a);
	clear();
	REQUIRE_OK(run_request(b, &r));
	pattern_require(bytes_of(0, is_on), NBYTES, 3, 0);
	/* Released with work on its way. */
	b->lpVtbl->EnqueueRequest(b, &r);
	b->lpVtbl->Submit(b);
	release(b);
	REQUIRE_CMP(interop_refs, ==, 0);
}

/* Whatever the threads of the runtime and of the driver do: the process ends, and well. */
static void leave_in_flight(void)
{
	IDStorageQueue3 *q = new_queue(DSTORAGE_REQUEST_SOURCE_FILE);

	for (UINT32 i = 0; i < 400; i++) {
		DSTORAGE_REQUEST r = to_buffer(resources[i % 2], 0, i, NBYTES);

		q->lpVtbl->EnqueueRequest(q, &r);
	}
	q->lpVtbl->Submit(q);
}

int wmain(int argc, WCHAR **argv)
{
	static const struct test tests[] = {
		{ "raw", test_raw },	       { "compressed", test_compressed },
		{ "fallback", test_fallback }, { "new_resource", test_new_resource },
		{ "cancel", test_cancel },     { "failure", test_failure },
		{ "queues", test_queues },
	};
	int failures;

	REQUIRE_CMP(argc, >=, 2);
	is_on = lstrcmpW(argv[1], L"off");
	open_vulkan();
	gpu_decodes = !lstrcmpW(argv[1], L"decode");
	gpu_use_fake();
	fake_offer(&interop_iid_device, &interop);
	for (unsigned int i = 0; i < 2; i++)
		resources[i] = gpu_buffer(NBYTES);
	write_pattern_file(L"data.bin", 3 * NBYTES, 3);
	file = open_file(L"data.bin");
	if (!lstrcmpW(argv[1], L"exit")) {
		leave_in_flight();
		return 0;
	}
	failures = run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc - 1, argv + 1);
	release(file);
	close_vulkan();
	return failures;
}
