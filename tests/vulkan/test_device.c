/* SPDX-License-Identifier: MIT */
/*
 * test_device.c: the device as such: shared with the caller, slow, lost, shut down; who waits for
 * what. Several of these are what an earlier Vulkan backend got wrong; they say so.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "rig.h"

#define FN(h, name) PFN_vk##name name = (PFN_vk##name)device_function(h, "vk" #name)

static PFN_vkVoidFunction device_function(const struct ds_vulkan_handles *h, const char *name)
{
	PFN_vkGetDeviceProcAddr get = (PFN_vkGetDeviceProcAddr)h->get_instance_proc_addr(
		h->instance, "vkGetDeviceProcAddr");

	return get(h->device, name);
}

static struct ds_vulkan_config staged(void)
{
	struct ds_vulkan_config v = DS_VULKAN_CONFIG_INIT;

	v.path = DS_VULKAN_PATH_STAGED;
	return v;
}

static struct ds_vulkan_handles handles_of(struct rig *g)
{
	struct ds_vulkan_handles h = DS_VULKAN_HANDLES_INIT;

	REQUIRE_OK(ds_vulkan_get_handles(g->be, &h));
	return h;
}

/* ------------------------------------------------------------------ fences */

static VkSemaphore create_timeline(const struct ds_vulkan_handles *h, uint64_t value)
{
	const VkSemaphoreTypeCreateInfo type = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
		.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
		.initialValue = value,
	};
	const VkSemaphoreCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
		.pNext = &type,
	};
	VkSemaphore semaphore;
	FN(h, CreateSemaphore);

	REQUIRE_CMP(CreateSemaphore(h->device, &info, NULL, &semaphore), ==, VK_SUCCESS);
	return semaphore;
}

static uint64_t value_of(const struct ds_vulkan_handles *h, VkSemaphore semaphore)
{
	uint64_t value;
	FN(h, GetSemaphoreCounterValue);

	REQUIRE_CMP(GetSemaphoreCounterValue(h->device, semaphore, &value), ==, VK_SUCCESS);
	return value;
}

static void raise_to(const struct ds_vulkan_handles *h, VkSemaphore semaphore, uint64_t value)
{
	const VkSemaphoreSignalInfo info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO,
		.semaphore = semaphore,
		.value = value,
	};
	FN(h, SignalSemaphore);

	REQUIRE_CMP(SignalSemaphore(h->device, &info), ==, VK_SUCCESS);
}

/* The semaphore has the value when the bytes are there, and not before. */
static void raises_semaphores(void)
{
	struct ds_vulkan_config v = staged();
	struct ds_vulkan_handles h;
	struct ds_vulkan_buffer buf;
	struct ds_fence *fence;
	struct ds_file *file;
	struct ds_request r;
	VkSemaphore semaphore;
	struct rig g;

	rig_open(&g, &v, NULL);
	h = handles_of(&g);
	semaphore = create_timeline(&h, 3);
	REQUIRE_OK(ds_vulkan_fence_create(g.be, semaphore, &fence));
	REQUIRE_CMP(ds_fence_value(fence), ==, 3);
	buf = rig_buffer(&g, MIB);
	file = rig_pattern_file(&g, "data", MIB, 2, 0);
	r = to_buffer(file, 0, MIB, &buf, 0);
	watch_hold();
	enqueue(g.q, &r);
	REQUIRE_OK(ds_queue_enqueue_signal(g.q, fence, 5));
	REQUIRE_OK(ds_queue_submit(g.q));
	REQUIRE_RESULT(ds_fence_wait(fence, 5, 50 * MS), DS_ERR_TIMEOUT);
	REQUIRE_CMP(value_of(&h, semaphore), ==, 3);
	watch_let_go();
	REQUIRE_OK(ds_fence_wait(fence, 5, PATIENCE));
	REQUIRE_CMP(value_of(&h, semaphore), ==, 5);
	take(g.q);

	/* Values that it has passed already are no error. */
	raise_to(&h, semaphore, 20);
	enqueue(g.q, &r);
	REQUIRE_OK(ds_queue_enqueue_signal(g.q, fence, 10));
	REQUIRE_OK(ds_queue_enqueue_signal(g.q, fence, 30));
	REQUIRE_OK(ds_queue_submit(g.q));
	wait_idle(g.q);
	REQUIRE_CMP(value_of(&h, semaphore), ==, 30);
	take(g.q);

	ds_fence_destroy(fence);
	{
		FN(&h, DestroySemaphore);
		DestroySemaphore(h.device, semaphore, NULL);
	}
	ds_file_close(file);
	ds_vulkan_buffer_destroy(g.be, &buf);
	rig_close(&g);
}

/* ------------------------------------------------------------ shared device */

/* A device as a program would have it. */
struct own {
	VkInstance instance;
	VkPhysicalDevice physical;
	VkDevice device;
	VkQueue queue;
	struct ds_vulkan_handles handles; /* to find functions by */
	pthread_mutex_t lock;
	atomic_uint nr_locked;
	atomic_bool is_locked;
	unsigned threads_before;
};

static void own_open(struct own *o)
{
	const VkApplicationInfo app = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.apiVersion = VK_API_VERSION_1_3,
	};
	const VkInstanceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pApplicationInfo = &app,
	};
	VkPhysicalDeviceVulkan13Features f13 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
		.synchronization2 = VK_TRUE,
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
	uint32_t nr = 1;
	PFN_vkCreateInstance create_instance =
		(PFN_vkCreateInstance)watch_get_instance_proc_addr(NULL, "vkCreateInstance");
	PFN_vkEnumeratePhysicalDevices enumerate;
	PFN_vkCreateDevice create_device;

	memset(o, 0, sizeof(*o));
	o->threads_before = count_threads();
	pthread_mutex_init(&o->lock, NULL);
	REQUIRE_CMP(create_instance(&info, NULL, &o->instance), ==, VK_SUCCESS);
	enumerate = (PFN_vkEnumeratePhysicalDevices)watch_get_instance_proc_addr(
		o->instance, "vkEnumeratePhysicalDevices");
	REQUIRE(enumerate(o->instance, &nr, &o->physical) >= 0 && nr);
	create_device =
		(PFN_vkCreateDevice)watch_get_instance_proc_addr(o->instance, "vkCreateDevice");
	REQUIRE_CMP(create_device(o->physical, &device, NULL, &o->device), ==, VK_SUCCESS);
	o->handles.instance = o->instance;
	o->handles.device = o->device;
	o->handles.get_instance_proc_addr = watch_get_instance_proc_addr;
	{
		FN(&o->handles, GetDeviceQueue);
		GetDeviceQueue(o->device, 0, 0, &o->queue);
	}
}

static void own_close(struct own *o)
{
	PFN_vkDestroyInstance destroy_instance =
		(PFN_vkDestroyInstance)watch_get_instance_proc_addr(o->instance,
								    "vkDestroyInstance");
	FN(&o->handles, DestroyDevice);

	/* The library has not destroyed what it did not create. */
	REQUIRE_CMP(atomic_load(&watch.devices), ==, 1);
	REQUIRE_CMP(atomic_load(&watch.instances), ==, 1);
	DestroyDevice(o->device, NULL);
	destroy_instance(o->instance, NULL);
	pthread_mutex_destroy(&o->lock);
	require_no_more_threads(o->threads_before);
}

static void lock_queue(void *user, VkQueue queue)
{
	struct own *o = user;

	REQUIRE(queue == o->queue);
	pthread_mutex_lock(&o->lock);
	REQUIRE(!atomic_exchange(&o->is_locked, true));
	atomic_fetch_add(&o->nr_locked, 1);
}

static void unlock_queue(void *user, VkQueue queue)
{
	struct own *o = user;

	REQUIRE(queue == o->queue);
	REQUIRE(atomic_exchange(&o->is_locked, false));
	pthread_mutex_unlock(&o->lock);
}

static struct ds_vulkan_config share(struct own *o)
{
	struct ds_vulkan_config v = DS_VULKAN_CONFIG_INIT;

	v.instance = o->instance;
	v.physical_device = o->physical;
	v.device = o->device;
	v.compute_queue.queue = o->queue;
	v.features = DS_VULKAN_FEATURE_SYNC | DS_VULKAN_FEATURE_DECODE;
	v.lock_queue = lock_queue;
	v.unlock_queue = unlock_queue;
	v.lock_user_data = o;
	return v;
}

/* The caller's own submits, between its own locks, on its own thread, all the while. */
struct neighbour {
	struct own *own;
	atomic_bool stop;
	uint64_t nr;
};

static void *submit_always(void *arg)
{
	struct neighbour *n = arg;
	const VkSubmitInfo2 nothing = { .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO_2 };
	FN(&n->own->handles, QueueSubmit2);

	while (!atomic_load(&n->stop)) {
		lock_queue(n->own, n->own->queue);
		REQUIRE_CMP(QueueSubmit2(n->own->queue, 1, &nothing, VK_NULL_HANDLE), ==,
			    VK_SUCCESS);
		unlock_queue(n->own, n->own->queue);
		n->nr++;
	}
	return NULL;
}

/*
 * The earlier backend submitted to the caller's queue under a mutex of its own. The validation
 * layers notice two threads on one queue.
 */
static void shared_with_the_caller(void)
{
	struct own o;
	struct ds_vulkan_config v;
	struct neighbour n = { .own = &o };
	struct ds_vulkan_buffer buf;
	struct ds_request r;
	struct ds_file *file;
	struct stream st;
	pthread_t thread;
	struct rig g;

	own_open(&o);
	v = share(&o);
	v.path = DS_VULKAN_PATH_STAGED;
	v.decode = DS_VULKAN_DECODE_GPU;
	rig_open(&g, &v, NULL);
	REQUIRE(handles_of(&g).device == o.device);
	REQUIRE(handles_of(&g).queue == o.queue);
	buf = rig_buffer(&g, 2 * MIB);
	REQUIRE(stream_make(&st, DS_CODEC_GDEFLATE, 100000, 5));
	file = rig_pattern_file(&g, "data", 2 * MIB, 2, 0);
	REQUIRE_CMP(pthread_create(&thread, NULL, submit_always, &n), ==, 0);
	for (unsigned i = 0; i < 20; i++) {
		r = to_buffer(file, i * 1000, MIB, &buf, 0);
		enqueue(g.q, &r);
		r = to_buffer(NULL, 0, st.nbytes, &buf, MIB);
		r.source = (struct ds_location){ .kind = DS_LOCATION_MEMORY, .nbytes = st.nbytes };
		r.source.data = st.bytes;
		r.codec = DS_CODEC_GDEFLATE;
		r.uncompressed_nbytes = 100000;
		r.destination.nbytes = 100000;
		start(g.q, &r);
		REQUIRE_OK(take(g.q).result);
		REQUIRE_OK(take(g.q).result);
		rig_require_pattern(&g, &buf, 0, MIB, 2, i * 1000);
		rig_require_pattern(&g, &buf, MIB, 100000, 5, 0);
	}
	atomic_store(&n.stop, true);
	pthread_join(thread, NULL);
	/* Each submit but the neighbour's was the library's, and in the lock. */
	REQUIRE_CMP(atomic_load(&o.nr_locked) - n.nr, ==, rig_stats(&g).submits);
	REQUIRE_CMP(rig_stats(&g).submits, >, 20);
	ds_vulkan_lock_queue(g.be);
	REQUIRE(atomic_load(&o.is_locked));
	ds_vulkan_unlock_queue(g.be);
	ds_file_close(file);
	ds_vulkan_buffer_destroy(g.be, &buf);
	stream_free(&st);
	rig_close(&g);
	own_close(&o);
}

/* A buffer of the caller's: what it says of it is believed, and checked. */
static void callers_buffers(void)
{
	struct own o;
	struct ds_vulkan_config v;
	struct ds_vulkan_buffer_detail good = DS_VULKAN_BUFFER_DETAIL_INIT, d;
	struct ds_vulkan_buffer inner;
	struct ds_request r;
	struct ds_file *file;
	struct rig g;

	own_open(&o);
	v = share(&o);
	rig_open(&g, &v, NULL);
	inner = rig_buffer(&g, 8192);
	file = rig_pattern_file(&g, "data", 8192, 2, 0);
	good.nbytes = 8192;
	good.usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT;
	good.flags = DS_VULKAN_RELEASE;
	good.queue_family = 0; /* the backend's own: nothing to release */
	d = good;
	r = to_buffer(file, 0, 4096, &inner, 4096);
	r.destination.detail = &d;
	run_ok(g.q, &r);
	rig_require_pattern(&g, &inner, 4096, 4096, 2, 0);

	/* Beyond the end: the earlier backend did not look at the buffer's size. */
	r.destination.offset = 4097;
	REQUIRE_RESULT(ds_queue_enqueue(g.q, &r, NULL), DS_ERR_DESTINATION_TOO_SMALL);
	r.destination.offset = UINT64_MAX;
	REQUIRE_RESULT(ds_queue_enqueue(g.q, &r, NULL), DS_ERR_DESTINATION_TOO_SMALL);
	r.destination.offset = 0;
	d.nbytes = 4095;
	REQUIRE_RESULT(ds_queue_enqueue(g.q, &r, NULL), DS_ERR_DESTINATION_TOO_SMALL);
	d = good;
	d.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT;
	REQUIRE_RESULT(ds_queue_enqueue(g.q, &r, NULL), DS_ERR_INVALID_ARGUMENT);
	d = good;
	d.flags = 64;
	REQUIRE_RESULT(ds_queue_enqueue(g.q, &r, NULL), DS_ERR_INVALID_ARGUMENT);
	d = good;
	d.size = 8;
	REQUIRE_RESULT(ds_queue_enqueue(g.q, &r, NULL), DS_ERR_INVALID_ARGUMENT);
	d = good;
	d.mapped = &d;
	d.memory_type = 1000;
	REQUIRE_RESULT(ds_queue_enqueue(g.q, &r, NULL), DS_ERR_INVALID_ARGUMENT);
	r.destination.object = 0;
	REQUIRE_RESULT(ds_queue_enqueue(g.q, &r, NULL), DS_ERR_INVALID_ARGUMENT);
	/* Nobody's buffer, of which nothing is told. */
	r.destination.object = 12345;
	r.destination.detail = NULL;
	REQUIRE_RESULT(ds_queue_enqueue(g.q, &r, NULL), DS_ERR_INVALID_ARGUMENT);

	/* As a source. */
	d = good;
	r = req_write(file, 0, 4096, NULL);
	r.source.kind = DS_LOCATION_VULKAN_BUFFER;
	r.source.object = ds_vulkan_object(inner.buffer);
	r.source.detail = &d;
	r.source.offset = 4097;
	REQUIRE_RESULT(ds_queue_enqueue(g.q, &r, NULL), DS_ERR_OUT_OF_RANGE);
	r.source.offset = 0;
	d.usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT;
	REQUIRE_RESULT(ds_queue_enqueue(g.q, &r, NULL), DS_ERR_INVALID_ARGUMENT);
	ds_file_close(file);
	ds_vulkan_buffer_destroy(g.be, &inner);
	rig_close(&g);
	own_close(&o);
}

/* An exclusive buffer stays on one family, and is released from there at the end. */
static void released(void)
{
	struct ds_vulkan_config v = staged();
	struct ds_vulkan_buffer_detail d = DS_VULKAN_BUFFER_DETAIL_INIT;
	struct ds_vulkan_buffer buf;
	struct ds_vulkan_handles h;
	struct ds_request r;
	struct ds_file *file;
	unsigned before;
	struct rig g;

	if (!watch_shows_families())
		return;
	v.decode = DS_VULKAN_DECODE_GPU;
	rig_open(&g, &v, NULL);
	h = handles_of(&g);
	REQUIRE_CMP(h.nr_families, ==, 2);
	buf = rig_buffer(&g, 2 * MIB);
	file = rig_pattern_file(&g, "data", 2 * MIB, 2, 0);
	d.nbytes = 2 * MIB;
	d.usage = buf.usage;
	d.flags = DS_VULKAN_RELEASE;
	d.queue_family = 0;
	r = to_buffer(file, 0, 2 * MIB, &buf, 0);
	r.destination.detail = &d;
	before = atomic_load(&watch.releases);
	run_ok(g.q, &r);
	REQUIRE_CMP(atomic_load(&watch.releases), ==, before + 1);
	/* Not to the family that has it, nor of what is concurrent. */
	d.queue_family = h.queue_family;
	run_ok(g.q, &r);
	d.queue_family = 0;
	d.flags |= DS_VULKAN_CONCURRENT;
	run_ok(g.q, &r);
	REQUIRE_CMP(atomic_load(&watch.releases), ==, before + 1);
	rig_require_pattern(&g, &buf, 0, 2 * MIB, 2, 0);
	ds_file_close(file);
	ds_vulkan_buffer_destroy(g.be, &buf);
	rig_close(&g);
}

/* What one queue has written, others overwrite and read, again and again. */
static void from_queue_to_queue(void)
{
	struct ds_vulkan_config v = staged();
	struct ds_vulkan_buffer buf;
	struct ds_vulkan_device_info info = DS_VULKAN_DEVICE_INFO_INIT;
	struct ds_request r;
	struct ds_file *file;
	struct rig g;

	rig_open(&g, &v, NULL);
	REQUIRE_OK(ds_vulkan_get_device_info(g.be, &info));
	if (watch_shows_families()) {
		REQUIRE_CMP(info.nr_compute_queues, ==, 2);
		REQUIRE_CMP(info.nr_transfer_queues, >, 0);
	}
	buf = rig_buffer(&g, MIB);
	file = rig_pattern_file(&g, "data", 2 * MIB, 2, 0);
	for (unsigned i = 0; i < 20; i++) {
		/* Large ones go to the copy queues, small ones do not. */
		r = to_buffer(file, i * 512, MIB, &buf, 0);
		run_ok(g.q, &r);
		r = to_buffer(file, MIB, 1000, &buf, 500);
		run_ok(g.q, &r);
		rig_require_pattern(&g, &buf, 0, 500, 2, i * 512);
		rig_require_pattern(&g, &buf, 500, 1000, 2, MIB);
		rig_require_pattern(&g, &buf, 1500, MIB - 1500, 2, i * 512 + 1500);
	}
	ds_file_close(file);
	ds_vulkan_buffer_destroy(g.be, &buf);
	rig_close(&g);
}

/* Half-made backends: the earlier one came back, and failed later. */
static void bad_configurations(void)
{
	struct own o;
	struct ds_vulkan_config good, v;
	struct ds_backend *be = NULL;
	char why[128] = "";

	own_open(&o);
	good = share(&o);
	good.get_instance_proc_addr = watch_get_instance_proc_addr;
#define REFUSE(field, value)                                                                    \
	do {                                                                                    \
		v = good;                                                                       \
		v.field = (value);                                                              \
		REQUIRE_RESULT(ds_make_vulkan_backend(NULL, &v, &be), DS_ERR_INVALID_ARGUMENT); \
	} while (0)
	REFUSE(size, 8);
	REFUSE(decode, 3);
	REFUSE(path, -1);
	REFUSE(staging, 9);
	REFUSE(instance, NULL);
	REFUSE(physical_device, NULL);
	REFUSE(device, NULL);
	REFUSE(compute_queue.queue, NULL);
	REFUSE(features, DS_VULKAN_FEATURE_DECODE);
	REFUSE(unlock_queue, NULL);
	REFUSE(flags, 2);
#undef REFUSE
	v = (struct ds_vulkan_config)DS_VULKAN_CONFIG_INIT;
	REQUIRE_RESULT(ds_make_vulkan_backend(NULL, &v, NULL), DS_ERR_INVALID_ARGUMENT);
	own_close(&o);

	v.get_instance_proc_addr = watch_get_instance_proc_addr;
	v.device_name = "no such device";
	v.why = why;
	v.why_nbytes = sizeof(why);
	REQUIRE_RESULT(ds_make_vulkan_backend(NULL, &v, &be), DS_ERR_UNAVAILABLE);
	REQUIRE(strstr(why, "name"));
	REQUIRE(!be);
	REQUIRE_CMP(atomic_load(&watch.instances), ==, 0);
}

static void chosen_by_name_and_uuid(void)
{
	struct ds_vulkan_device_info all[8], info = DS_VULKAN_DEVICE_INFO_INIT;
	struct ds_vulkan_config v = DS_VULKAN_CONFIG_INIT;
	uint32_t nr = 0;
	struct rig g;

	all[0].size = sizeof(all[0]);
	REQUIRE_OK(ds_vulkan_enumerate_devices(all, 8, &nr, NULL, 0));
	REQUIRE_CMP(nr, >=, 1);
	REQUIRE(all[0].is_usable);
	v.device_uuid = all[0].uuid;
	v.device_name = all[0].name;
	rig_open(&g, &v, NULL);
	REQUIRE_OK(ds_vulkan_get_device_info(g.be, &info));
	REQUIRE(!memcmp(info.uuid, all[0].uuid, 16));
	REQUIRE(!strcmp(info.name, all[0].name));
	rig_close(&g);
}

/* ------------------------------------------------------------------- slow */

/*
 * The earlier backend gave up after a second, freed what was in use, and called it success. And
 * it held a lock meanwhile, so that nothing else went on.
 */
static void slow_is_not_done(void)
{
	struct ds_vulkan_config v = staged();
	struct ds_vulkan_buffer buf;
	struct ds_completion c = DS_COMPLETION_INIT;
	struct ds_file *file;
	struct ds_request r;
	uint8_t *memory = malloc(MIB);
	uint64_t slow, fast;
	uint32_t taken;
	struct rig g;

	rig_open(&g, &v, NULL);
	buf = rig_buffer(&g, MIB);
	file = rig_pattern_file(&g, "data", MIB, 2, 0);
	r = to_buffer(file, 0, MIB, &buf, 0);
	watch_hold();
	slow = start(g.q, &r);
	/* The GPU is busy, and others are not held up by that. */
	r = req_read(file, 0, MIB, memory);
	fast = start(g.q, &r);
	c = take(g.q);
	REQUIRE_CMP(c.id, ==, fast);
	REQUIRE_RESULT(ds_queue_wait(g.q, &c, 1, 1, 1500 * MS, &taken), DS_ERR_TIMEOUT);
	watch_let_go();
	c = take(g.q);
	REQUIRE_CMP(c.id, ==, slow);
	require_complete(&c, MIB);
	REQUIRE_CMP(c.end_ns - c.submit_ns, >=, 1400 * MS);
	rig_require_pattern(&g, &buf, 0, MIB, 2, 0);
	ds_file_close(file);
	ds_vulkan_buffer_destroy(g.be, &buf);
	free(memory);
	rig_close(&g);
}

/* More than staging memory holds: it is cut up, and nothing grows. One submit takes many. */
static void larger_than_staging(void)
{
	struct ds_vulkan_config v = staged();
	struct ds_backend_config c = DS_BACKEND_CONFIG_INIT;
	struct ds_vulkan_buffer buf;
	struct ds_file *file;
	struct ds_request r;
	struct ds_stats st;
	uint64_t before;
	struct rig g;

	c.staging_nbytes = MIB;
	c.chunk_nbytes = 64 * KIB;
	rig_open(&g, &v, &c);
	buf = rig_buffer(&g, 9 * MIB);
	file = rig_pattern_file(&g, "data", 9 * MIB, 2, 0);
	r = to_buffer(file, 0, 9 * MIB, &buf, 0);
	before = rig_stats(&g).device_memory_nbytes;
	run_ok(g.q, &r);
	rig_require_pattern(&g, &buf, 0, 9 * MIB, 2, 0);
	REQUIRE_CMP(rig_stats(&g).device_memory_nbytes, ==, before);
	st = backend_stats(g.be);
	REQUIRE_CMP(st.staging_high_water, <=, MIB);
	REQUIRE_CMP(rig_stats(&g).submits, <, rig_stats(&g).copies);
	ds_file_close(file);
	ds_vulkan_buffer_destroy(g.be, &buf);
	rig_close(&g);
}

/* Short files were a success, and the rest of the staging memory went to the GPU. */
static void short_file(void)
{
	struct ds_vulkan_config v = staged();
	struct ds_vulkan_buffer buf;
	struct ds_completion c;
	struct ds_file *file;
	struct ds_request r;
	uint8_t *all;
	struct rig g;

	rig_open(&g, &v, NULL);
	buf = rig_buffer(&g, MIB);
	rig_fill(&g, &buf, 0xcd);
	file = rig_pattern_file(&g, "data", 100000, 2, 0);
	r = to_buffer(file, 0, MIB, &buf, 0);
	c = run_fails(g.q, &r, DS_ERR_END_OF_FILE);
	REQUIRE_CMP(c.bytes_transferred, ==, 100000);
	all = rig_read_back(&g, &buf, 0, MIB);
	pattern_require(all, 100000, 2, 0);
	REQUIRE(bytes_are(all + 100000, MIB - 100000, 0xcd));
	free(all);
	ds_file_close(file);
	ds_vulkan_buffer_destroy(g.be, &buf);
	rig_close(&g);
}

/* ----------------------------------------------------------------- cancel */

static void *let_go_later(void *arg)
{
	(void)arg;
	struct timespec ts = { .tv_nsec = 200 * 1000 * 1000 };

	nanosleep(&ts, NULL);
	watch_let_go();
	return NULL;
}

/* A strong cancel comes back only when the GPU does not touch the destination any more. */
static void cancel_in_flight(void)
{
	struct ds_vulkan_config v = staged();
	struct ds_vulkan_buffer buf;
	struct ds_completion c;
	struct ds_file *file;
	struct ds_request r;
	uint64_t id, deadline;
	unsigned submits;
	pthread_t thread;
	struct rig g;

	rig_open(&g, &v, NULL);
	buf = rig_buffer(&g, MIB);
	file = rig_pattern_file(&g, "data", MIB, 2, 0);
	r = to_buffer(file, 0, MIB, &buf, 0);
	submits = atomic_load(&watch.submits);
	watch_hold();
	id = start(g.q, &r);
	deadline = ds_now_ns() + PATIENCE;
	while (atomic_load(&watch.submits) == submits)
		REQUIRE_CMP(ds_now_ns(), <, deadline);
	/* Heard before the GPU lets go, however slow this thread is; then waited for. */
	REQUIRE(ds_queue_try_cancel(g.q, id));
	REQUIRE_CMP(pthread_create(&thread, NULL, let_go_later, NULL), ==, 0);
	ds_queue_cancel(g.q, id);
	/* Afterwards the buffer may be destroyed at once: the layers would complain. */
	ds_vulkan_buffer_destroy(g.be, &buf);
	c = take(g.q);
	require_cancelled(&c, DS_REASON_CANCEL);
	pthread_join(thread, NULL);
	ds_file_close(file);
	rig_close(&g);
}

/*
 * Queue and backend are destroyed with everything in flight: the earlier one destroyed the device
 * before the threads that used it.
 */
static void shut_down_in_flight(void)
{
	struct ds_vulkan_config v = staged();
	struct ds_vulkan_buffer buf;
	struct ds_file *file;
	struct ds_request r;
	struct stream st;
	pthread_t thread;
	struct rig g;

	v.decode = DS_VULKAN_DECODE_GPU;
	rig_open(&g, &v, NULL);
	buf = rig_buffer(&g, 8 * MIB);
	file = rig_pattern_file(&g, "data", 4 * MIB, 2, 0);
	REQUIRE(stream_make(&st, DS_CODEC_GDEFLATE, 70000, 5));
	watch_hold();
	for (unsigned i = 0; i < 40; i++) {
		r = to_buffer(file, i * 1000, 100000, &buf, i * 100000);
		enqueue(g.q, &r);
		r = to_buffer(NULL, 0, st.nbytes, &buf, 4 * MIB + i * 70000);
		r.source = (struct ds_location){ .kind = DS_LOCATION_MEMORY, .nbytes = st.nbytes };
		r.source.data = st.bytes;
		r.codec = DS_CODEC_GDEFLATE;
		r.uncompressed_nbytes = 70000;
		r.destination.nbytes = 70000;
		start(g.q, &r);
	}
	REQUIRE_CMP(pthread_create(&thread, NULL, let_go_later, NULL), ==, 0);
	REQUIRE_OK(ds_queue_destroy(g.q));
	ds_vulkan_buffer_destroy(g.be, &buf);
	pthread_join(thread, NULL);
	REQUIRE_OK(ds_queue_create(g.be, NULL, &g.q));
	ds_file_close(file);
	stream_free(&st);
	rig_close(&g);
}

/* -------------------------------------------------------------------- loss */

struct ends {
	atomic_uint nr[64];
};

static void on_end(void *user, const struct ds_completion *c)
{
	struct ends *e = user;

	atomic_fetch_add(&e->nr[c->tag], 1);
}

/* Every request ends, once, and says why; what comes later fails at once. */
static void lost(int after)
{
	struct ds_vulkan_config v = staged();
	struct ends ends = { 0 };
	struct ds_vulkan_buffer buf;
	struct ds_completion c;
	struct ds_file *file;
	struct ds_request r;
	struct stream st;
	unsigned nr_lost = 0;
	struct rig g;
	char text[256];

	v.decode = DS_VULKAN_DECODE_GPU;
	rig_open(&g, &v, NULL);
	buf = rig_buffer(&g, 4 * MIB);
	file = rig_pattern_file(&g, "data", 4 * MIB, 2, 0);
	REQUIRE(stream_make(&st, DS_CODEC_GDEFLATE, 70000, 5));
	atomic_store(&watch.submit_error, VK_ERROR_DEVICE_LOST);
	atomic_store(&watch.submits_left, after);
	for (unsigned i = 0; i < 64; i++) {
		r = to_buffer(file, i * 1000, 40000, &buf, i * 40000);
		if (i % 2) {
			r.source = (struct ds_location){ .kind = DS_LOCATION_MEMORY,
							 .nbytes = st.nbytes };
			r.source.data = st.bytes;
			r.codec = DS_CODEC_GDEFLATE;
			r.uncompressed_nbytes = 70000;
			r.destination.offset = 3 * MIB;
			r.destination.nbytes = 70000;
		}
		r.tag = i;
		r.callback = on_end;
		r.user_data = &ends;
		start(g.q, &r);
	}
	for (unsigned i = 0; i < 64; i++) {
		c = take(g.q);
		if (c.result) {
			require_failed_with(&c, DS_ERR_DEVICE_LOST);
			REQUIRE_CMP(c.sys_errno, ==, VK_ERROR_DEVICE_LOST);
			nr_lost++;
		}
	}
	wait_idle(g.q);
	for (unsigned i = 0; i < 64; i++)
		REQUIRE_CMP(atomic_load(&ends.nr[i]), ==, 1);
	/* Few submits may have been enough for all of them. */
	r = to_buffer(file, 0, 40000, &buf, 0);
	for (int i = 0; !nr_lost && i <= after; i++)
		nr_lost += run(g.q, &r).result == DS_ERR_DEVICE_LOST;
	REQUIRE_CMP(nr_lost, >, 0);
	REQUIRE(strstr(rig_log(&g), "not used any more"));
	/* A device that came back would not be trusted. */
	atomic_store(&watch.submits_left, -1);
	c = run_fails(g.q, &r, DS_ERR_DEVICE_LOST);
	REQUIRE(strstr(ds_completion_describe(&c, text, sizeof(text)), "DS_ERR_DEVICE_LOST"));
	ds_file_close(file);
	ds_vulkan_buffer_destroy(g.be, &buf);
	stream_free(&st);
	rig_close(&g);
}

static void lost_at_once(void)
{
	lost(0);
}

static void lost_later(void)
{
	lost(1);
	lost(2);
	lost(5);
}

/* Other errors fail what they hit, with their own name, and are no loss. */
static void out_of_memory(void)
{
	struct ds_vulkan_config v = staged();
	struct ds_vulkan_buffer buf;
	struct ds_file *file;
	struct ds_request r;
	struct rig g;

	rig_open(&g, &v, NULL);
	buf = rig_buffer(&g, MIB);
	file = rig_pattern_file(&g, "data", MIB, 2, 0);
	r = to_buffer(file, 0, MIB, &buf, 0);
	atomic_store(&watch.submit_error, VK_ERROR_OUT_OF_HOST_MEMORY);
	atomic_store(&watch.submits_left, 0);
	run_fails(g.q, &r, DS_ERR_NO_MEMORY);
	atomic_store(&watch.submits_left, -1);
	run_ok(g.q, &r);
	rig_require_pattern(&g, &buf, 0, MIB, 2, 0);
	ds_file_close(file);
	ds_vulkan_buffer_destroy(g.be, &buf);
	rig_close(&g);
}

int main(int argc, char **argv)
{
	static const struct rig_entry tests[] = {
		RIG_TEST(raises_semaphores),
		RIG_TEST(shared_with_the_caller),
		RIG_TEST(callers_buffers),
		RIG_TEST(released),
		RIG_TEST(from_queue_to_queue),
		RIG_TEST(bad_configurations),
		RIG_TEST(chosen_by_name_and_uuid),
		RIG_TEST(slow_is_not_done),
		RIG_TEST(larger_than_staging),
		RIG_TEST(short_file),
		RIG_TEST(cancel_in_flight),
		RIG_TEST(shut_down_in_flight),
		RIG_TEST(lost_at_once),
		RIG_TEST(lost_later),
		RIG_TEST(out_of_memory),
	};

	return rig_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
