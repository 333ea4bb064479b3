/* SPDX-License-Identifier: MIT */
/* fake_cuda.c: the library; see fake_cuda.h. */
#include "fake/fake_cuda.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/checksum.h"
#include "codec/gdeflate/decode.h"
#include "device/cuda/driver.h"
#include "support/random.h"

#define ERROR_INVALID_CONTEXT	 201
#define ERROR_ALREADY_REGISTERED 712
#define ERROR_NOT_REGISTERED	 713
#define ERROR_INVALID_HANDLE	 400
#define ERROR_NOT_FOUND		 500
#define PAGE_NBYTES		 4096u
#define MAX_REGIONS		 4096u
#define MULTIPROCESSORS		 4
/* 50 GB/s, and no cost but that. */
#define COPY_PS_PER_BYTE	 20u

/* Exported, and declared so that no warning says otherwise. */
#define EXPORT(type, name, ...)                                        \
	__attribute__((visibility("default"))) type name(__VA_ARGS__); \
	type name(__VA_ARGS__)

static struct fake_cuda control = {
	.until_lost = -1,
	.nr_devices = 1,
	.device_nbytes = UINT64_C(64) << 30,
	.copy_ps_per_byte = COPY_PS_PER_BYTE,
};

enum region_kind {
	REGION_DEVICE,
	REGION_REGISTERED,
	REGION_HOST,
};

struct region {
	enum region_kind kind;
	uintptr_t begin;
	size_t nbytes;
	unsigned char *bytes; /* DEVICE: where they can be touched */
};

static pthread_mutex_t regions_lock = PTHREAD_MUTEX_INITIALIZER;
static struct region regions[MAX_REGIONS];
static unsigned nr_regions;

static _Thread_local unsigned context_depth;
static _Thread_local bool has_set_context;

EXPORT(struct fake_cuda *, fake_cuda_reset, void)
{
	memset(&control, 0, offsetof(struct fake_cuda, contexts));
	atomic_store(&control.until_lost, -1);
	atomic_store(&control.nr_devices, 1);
	atomic_store(&control.copy_ps_per_byte, COPY_PS_PER_BYTE);
	control.device_nbytes = UINT64_C(64) << 30;
	return &control;
}

/* For programs that a test only starts. */
static int from_environment(const char *name, int value)
{
	const char *text = getenv(name);

	return text ? atoi(text) : value;
}

/* Of each call that wants a context. */
static cuda_result check(void)
{
	if (!context_depth && !has_set_context)
		return ERROR_INVALID_CONTEXT;
	return atomic_load(&control.is_lost) ? atomic_load(&control.lost_result) : CUDA_SUCCESS;
}

/* ------------------------------------------------------------------ regions */

static struct region *find_region(enum region_kind kind, uintptr_t at, size_t nbytes)
{
	for (unsigned i = 0; i < nr_regions; i++) {
		struct region *r = &regions[i];

		if (r->kind == kind && at >= r->begin && at - r->begin <= r->nbytes &&
		    nbytes <= r->nbytes - (at - r->begin))
			return r;
	}
	return NULL;
}

static bool add_region(enum region_kind kind, uintptr_t begin, size_t nbytes, void *bytes)
{
	bool has_room;

	pthread_mutex_lock(&regions_lock);
	has_room = nr_regions < MAX_REGIONS;
	if (has_room)
		regions[nr_regions++] = (struct region){ kind, begin, nbytes, bytes };
	pthread_mutex_unlock(&regions_lock);
	return has_room;
}

static bool take_region(enum region_kind kind, uintptr_t begin, struct region *out)
{
	bool is_there = false;

	pthread_mutex_lock(&regions_lock);
	for (unsigned i = 0; i < nr_regions && !is_there; i++) {
		if (regions[i].kind != kind || regions[i].begin != begin)
			continue;
		*out = regions[i];
		regions[i] = regions[--nr_regions];
		is_there = true;
	}
	pthread_mutex_unlock(&regions_lock);
	return is_there;
}

/* Where the bytes of device memory are; NULL: it is none. */
static unsigned char *device_bytes(cuda_address address, size_t nbytes)
{
	struct region *r;
	unsigned char *p = NULL;

	pthread_mutex_lock(&regions_lock);
	r = find_region(REGION_DEVICE, (uintptr_t)address, nbytes);
	if (r)
		p = r->bytes + ((uintptr_t)address - r->begin);
	else if (find_region(REGION_HOST, (uintptr_t)address, nbytes) ||
		 atomic_load(&control.any_address))
		p = (unsigned char *)(uintptr_t)address;
	pthread_mutex_unlock(&regions_lock);
	return p;
}

static bool is_pinned(const void *p, size_t nbytes)
{
	bool is;

	pthread_mutex_lock(&regions_lock);
	is = find_region(REGION_REGISTERED, (uintptr_t)p, nbytes) ||
	     find_region(REGION_HOST, (uintptr_t)p, nbytes);
	pthread_mutex_unlock(&regions_lock);
	return is;
}

/* ------------------------------------------------------------------ kernels */

struct tile {
	uint64_t src, dst;
	uint32_t src_nbytes, dst_nbytes;
};

enum kernel {
	KERNEL_NONE,
	KERNEL_GDEFLATE,
	KERNEL_CHECKSUM,
};

struct kernel_call {
	enum kernel kernel;
	uint64_t first, second;
	uint64_t third;
};

static cuda_result run_gdeflate(const struct kernel_call *k)
{
	uint32_t nr = (uint32_t)k->third;
	struct tile *tiles = (void *)device_bytes(k->first, nr * sizeof(*tiles));
	uint32_t *status = (void *)device_bytes(k->second, nr * sizeof(*status));

	if (!tiles || !status)
		return 700;
	for (uint32_t i = 0; i < nr; i++) {
		unsigned char *src = device_bytes(tiles[i].src, tiles[i].src_nbytes);
		unsigned char *dst = device_bytes(tiles[i].dst, tiles[i].dst_nbytes);

		if (!src || !dst || tiles[i].src % 4)
			return 700;
		status[i] =
			!ds_gd_decode_reference(src, tiles[i].src_nbytes, dst, tiles[i].dst_nbytes);
		atomic_fetch_add(&control.nr_tiles, 1);
	}
	return CUDA_SUCCESS;
}

static cuda_result run_checksum(const struct kernel_call *k)
{
	unsigned char *data = device_bytes(k->first, k->second);
	uint64_t *sum = (void *)device_bytes(k->third, sizeof(*sum));

	if (!data || !sum)
		return 700;
	*sum += ds_checksum_part(data, k->second, 0);
	return CUDA_SUCCESS;
}

static cuda_result run_kernel(const struct kernel_call *k)
{
	atomic_fetch_add(&control.nr_kernels, 1);
	return k->kernel == KERNEL_GDEFLATE ? run_gdeflate(k) : run_checksum(k);
}

/* ------------------------------------------------------------------ streams */

struct cuda_event_opaque {
	bool has_time;
	pthread_mutex_t lock; /* guards the rest */
	uint64_t recorded;
	uint64_t completed;
	uint64_t time_ps;
};

enum work_kind {
	WORK_COPY,
	WORK_EVENT,
	WORK_KERNEL,
};

struct work {
	struct work *next;
	enum work_kind kind;
	unsigned char *to;
	const unsigned char *from;
	size_t nbytes;
	struct cuda_event_opaque *event;
	uint64_t recorded;
	struct kernel_call call;
};

struct cuda_stream_opaque {
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t wake;
	pthread_cond_t idle;
	struct work *first, *last;
	bool is_busy;
	bool is_stopping;
};

static void lose(cuda_result code)
{
	atomic_store(&control.lost_result, code);
	atomic_store(&control.is_lost, true);
}

static void count_down(void)
{
	int left = atomic_load(&control.until_lost);

	if (left < 0)
		return;
	if (left == 0)
		lose(atomic_load(&control.lost_result) ? atomic_load(&control.lost_result) : 719);
	else
		atomic_store(&control.until_lost, left - 1);
}

static uint64_t cost_ps(size_t nbytes)
{
	uint64_t copy_ns =
		(uint64_t)from_environment("FAKE_CUDA_COPY_NS", (int)atomic_load(&control.copy_ns));

	return 1000 * copy_ns + nbytes * atomic_load(&control.copy_ps_per_byte);
}

/* clock_ps: the stream's. */
static void run_work(struct work *w, uint64_t *seed, uint64_t *clock_ps)
{
	unsigned delay = atomic_load(&control.delay_us);

	if (delay)
		usleep((unsigned)random_below(seed, delay + 1));
	if (w->kind == WORK_EVENT) {
		pthread_mutex_lock(&w->event->lock);
		if (w->event->completed < w->recorded)
			w->event->completed = w->recorded;
		w->event->time_ps = *clock_ps;
		pthread_mutex_unlock(&w->event->lock);
		return;
	}
	count_down();
	if (atomic_load(&control.is_lost))
		return;
	if (w->kind == WORK_COPY) {
		memcpy(w->to, w->from, w->nbytes);
		*clock_ps += cost_ps(w->nbytes);
	} else {
		cuda_result code = run_kernel(&w->call);

		if (code)
			lose(code);
	}
}

static void *stream_main(void *arg)
{
	struct cuda_stream_opaque *s = arg;
	uint64_t seed = (uintptr_t)s | 1, clock_ps = 0;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		struct work *w = s->first;

		if (!w) {
			if (s->is_stopping)
				break;
			pthread_cond_broadcast(&s->idle);
			pthread_cond_wait(&s->wake, &s->lock);
			continue;
		}
		s->first = w->next;
		s->is_busy = true;
		pthread_mutex_unlock(&s->lock);
		run_work(w, &seed, &clock_ps);
		free(w);
		pthread_mutex_lock(&s->lock);
		s->is_busy = false;
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static cuda_result push(struct cuda_stream_opaque *s, struct work work)
{
	struct work *w = malloc(sizeof(*w));

	if (!w)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*w = work;
	w->next = NULL;
	pthread_mutex_lock(&s->lock);
	if (!s->has_thread)
		s->has_thread = !pthread_create(&s->thread, NULL, stream_main, s);
	if (s->first)
		s->last->next = w;
	else
		s->first = w;
	s->last = w;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	return CUDA_SUCCESS;
}

EXPORT(cuda_result, cuStreamCreate, cuda_stream *out, unsigned flags)
{
	cuda_result code = check();
	struct cuda_stream_opaque *s;

	if (!code)
		code = atomic_load(&control.stream_result);
	if (code || flags != CUDA_STREAM_NONBLOCKING)
		return code ? code : CUDA_ERROR_INVALID_VALUE;
	s = calloc(1, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	pthread_cond_init(&s->idle, NULL);
	atomic_fetch_add(&control.streams, 1);
	*out = s;
	return CUDA_SUCCESS;
}

EXPORT(cuda_result, cuStreamSynchronize, cuda_stream s)
{
	pthread_mutex_lock(&s->lock);
	while (s->first || s->is_busy)
		pthread_cond_wait(&s->idle, &s->lock);
	pthread_mutex_unlock(&s->lock);
	return check();
}

EXPORT(cuda_result, cuStreamDestroy_v2, cuda_stream s)
{
	pthread_mutex_lock(&s->lock);
	s->is_stopping = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	if (s->has_thread)
		pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->idle);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
	atomic_fetch_sub(&control.streams, 1);
	return CUDA_SUCCESS;
}

EXPORT(cuda_result, cuEventCreate, cuda_event *out, unsigned flags)
{
	cuda_result code = check();
	struct cuda_event_opaque *e;

	if (!code)
		code = atomic_load(&control.event_result);
	if (code)
		return code;
	e = calloc(1, sizeof(*e));
	e->has_time = !(flags & CUDA_EVENT_NO_TIMING);
	if (e->has_time)
		atomic_fetch_add(&control.nr_timing_events, 1);
	pthread_mutex_init(&e->lock, NULL);
	atomic_fetch_add(&control.events, 1);
	*out = e;
	return CUDA_SUCCESS;
}

EXPORT(cuda_result, cuEventDestroy_v2, cuda_event e)
{
	pthread_mutex_destroy(&e->lock);
	free(e);
	atomic_fetch_sub(&control.events, 1);
	return CUDA_SUCCESS;
}

EXPORT(cuda_result, cuEventRecord, cuda_event e, cuda_stream s)
{
	cuda_result code = check();
	uint64_t recorded;

	if (!code)
		code = atomic_load(&control.record_result);
	if (code)
		return code;
	pthread_mutex_lock(&e->lock);
	recorded = ++e->recorded;
	pthread_mutex_unlock(&e->lock);
	return push(s, (struct work){ .kind = WORK_EVENT, .event = e, .recorded = recorded });
}

EXPORT(cuda_result, cuEventQuery, cuda_event e)
{
	cuda_result code = check();
	bool is_done;

	if (code)
		return code;
	pthread_mutex_lock(&e->lock);
	is_done = e->completed == e->recorded;
	pthread_mutex_unlock(&e->lock);
	/* What was lost meanwhile is known by now. */
	return is_done ? check() : CUDA_ERROR_NOT_READY;
}

static bool has_happened(struct cuda_event_opaque *e, uint64_t *time_ps)
{
	bool has;

	pthread_mutex_lock(&e->lock);
	has = e->recorded && e->completed == e->recorded;
	*time_ps = e->time_ps;
	pthread_mutex_unlock(&e->lock);
	return has;
}

/* Only between events of one stream: each has a clock of its own. */
EXPORT(cuda_result, cuEventElapsedTime, float *ms, cuda_event begin, cuda_event end)
{
	cuda_result code = check();
	uint64_t begin_ps, end_ps;

	if (!code)
		code = atomic_load(&control.elapsed_result);
	if (code)
		return code;
	if (!begin->has_time || !end->has_time)
		return ERROR_INVALID_HANDLE;
	if (!has_happened(begin, &begin_ps) || !has_happened(end, &end_ps))
		return CUDA_ERROR_NOT_READY;
	*ms = (float)((double)end_ps * 1e-9 - (double)begin_ps * 1e-9);
	return CUDA_SUCCESS;
}

/* ------------------------------------------------------------------- copies */

/* An asynchronous copy from or to memory that is not pinned has read it when it returns. */
static cuda_result copy(cuda_stream s, unsigned char *to, const unsigned char *from, size_t nbytes,
			const void *host)
{
	cuda_result code = check();
	int left = atomic_load(&control.copies_before);

	if (code)
		return code;
	if (left > 0)
		atomic_store(&control.copies_before, left - 1);
	else if (atomic_load(&control.copy_result))
		return atomic_load(&control.copy_result);
	if (!to || !from)
		return CUDA_ERROR_INVALID_VALUE;
	if (!is_pinned(host, nbytes)) {
		cuStreamSynchronize(s);
		memcpy(to, from, nbytes);
		return CUDA_SUCCESS;
	}
	return push(s,
		    (struct work){ .kind = WORK_COPY, .to = to, .from = from, .nbytes = nbytes });
}

EXPORT(cuda_result, cuMemcpyHtoDAsync_v2, cuda_address to, const void *from, size_t nbytes,
       cuda_stream s)
{
	atomic_fetch_add(&control.nr_copies_in, 1);
	return copy(s, device_bytes(to, nbytes), from, nbytes, from);
}

EXPORT(cuda_result, cuMemcpyDtoHAsync_v2, void *to, cuda_address from, size_t nbytes, cuda_stream s)
{
	atomic_fetch_add(&control.nr_copies_out, 1);
	return copy(s, to, device_bytes(from, nbytes), nbytes, to);
}

static cuda_result copy_now(void *to, const void *from, size_t nbytes)
{
	cuda_result code = check();

	if (!code && (!to || !from))
		code = CUDA_ERROR_INVALID_VALUE;
	if (!code)
		memcpy(to, from, nbytes);
	return code;
}

EXPORT(cuda_result, cuMemcpyHtoD_v2, cuda_address to, const void *from, size_t nbytes)
{
	return copy_now(device_bytes(to, nbytes), from, nbytes);
}

EXPORT(cuda_result, cuMemcpyDtoH_v2, void *to, cuda_address from, size_t nbytes)
{
	return copy_now(to, device_bytes(from, nbytes), nbytes);
}

/* ------------------------------------------------------------------- memory */

/* The same pages twice: at an address that cannot be touched, and at one for the library. */
static bool map_twice(size_t nbytes, void **address, void **bytes)
{
	int fd = memfd_create("fake_cuda", MFD_CLOEXEC);
	bool is_good = fd >= 0 && !ftruncate(fd, (off_t)nbytes);

	if (is_good) {
		*address = mmap(NULL, nbytes, PROT_NONE, MAP_SHARED, fd, 0);
		*bytes = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		is_good = *address != MAP_FAILED && *bytes != MAP_FAILED;
	}
	if (fd >= 0)
		close(fd);
	return is_good;
}

static size_t whole_pages(size_t nbytes)
{
	return (nbytes + PAGE_NBYTES - 1) / PAGE_NBYTES * PAGE_NBYTES;
}

EXPORT(cuda_result, cuMemAlloc_v2, cuda_address *out, size_t nbytes)
{
	cuda_result code = check();
	void *address, *bytes;
	uint64_t now;

	if (!code)
		code = atomic_load(&control.alloc_result);
	if (code)
		return code;
	if (atomic_load(&control.allocated) + nbytes > control.device_nbytes)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (!map_twice(whole_pages(nbytes), &address, &bytes) ||
	    !add_region(REGION_DEVICE, (uintptr_t)address, nbytes, bytes))
		return CUDA_ERROR_OUT_OF_MEMORY;
	now = atomic_fetch_add(&control.allocated, nbytes) + nbytes;
	if (now > atomic_load(&control.most_allocated))
		atomic_store(&control.most_allocated, now);
	atomic_fetch_add(&control.allocations, 1);
	*out = (uintptr_t)address;
	return CUDA_SUCCESS;
}

EXPORT(cuda_result, cuMemFree_v2, cuda_address address)
{
	struct region r;

	if (!take_region(REGION_DEVICE, (uintptr_t)address, &r))
		return CUDA_ERROR_INVALID_VALUE;
	munmap((void *)r.begin, whole_pages(r.nbytes));
	munmap(r.bytes, whole_pages(r.nbytes));
	atomic_fetch_sub(&control.allocated, r.nbytes);
	atomic_fetch_sub(&control.allocations, 1);
	return check();
}

EXPORT(cuda_result, cuMemHostAlloc, void **out, size_t nbytes, unsigned flags)
{
	cuda_result code = check();
	void *p;

	(void)flags;
	if (!code)
		code = atomic_load(&control.host_alloc_result);
	if (code)
		return code;
	p = mmap(NULL, whole_pages(nbytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		 0);
	if (p == MAP_FAILED || !add_region(REGION_HOST, (uintptr_t)p, nbytes, p))
		return CUDA_ERROR_OUT_OF_MEMORY;
	atomic_fetch_add(&control.host_allocations, 1);
	*out = p;
	return CUDA_SUCCESS;
}

EXPORT(cuda_result, cuMemFreeHost, void *p)
{
	struct region r;

	if (!take_region(REGION_HOST, (uintptr_t)p, &r))
		return CUDA_ERROR_INVALID_VALUE;
	munmap(p, whole_pages(r.nbytes));
	atomic_fetch_sub(&control.host_allocations, 1);
	return check();
}

EXPORT(cuda_result, cuMemHostRegister_v2, void *p, size_t nbytes, unsigned flags)
{
	cuda_result code = check();

	(void)flags;
	if (!code)
		code = atomic_load(&control.register_result);
	if (code)
		return code;
	if ((uintptr_t)p % PAGE_NBYTES || !nbytes)
		return CUDA_ERROR_INVALID_VALUE;
	if (is_pinned(p, 1))
		return ERROR_ALREADY_REGISTERED;
	add_region(REGION_REGISTERED, (uintptr_t)p, nbytes, p);
	atomic_fetch_add(&control.registrations, 1);
	return CUDA_SUCCESS;
}

EXPORT(cuda_result, cuMemHostUnregister, void *p)
{
	struct region r;

	if (!take_region(REGION_REGISTERED, (uintptr_t)p, &r))
		return ERROR_NOT_REGISTERED;
	atomic_fetch_sub(&control.registrations, 1);
	return check();
}

EXPORT(cuda_result, cuMemHostGetDevicePointer_v2, cuda_address *out, void *p, unsigned flags)
{
	(void)flags;
	*out = (uintptr_t)p;
	return is_pinned(p, 1) ? check() : CUDA_ERROR_INVALID_VALUE;
}

EXPORT(cuda_result, cuPointerGetAttribute, void *value, int attribute, cuda_address address)
{
	bool is_device;

	if (attribute != CUDA_POINTER_TYPE)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&regions_lock);
	is_device = find_region(REGION_DEVICE, (uintptr_t)address, 1) ||
		    atomic_load(&control.any_address);
	pthread_mutex_unlock(&regions_lock);
	if (!is_device)
		return CUDA_ERROR_INVALID_VALUE;
	*(unsigned *)value = CUDA_POINTER_DEVICE;
	return check();
}

/* ------------------------------------------------------------------ modules */

struct cuda_function_opaque {
	enum kernel kernel;
};

EXPORT(cuda_result, cuModuleLoadData, cuda_module *out, const void *image)
{
	static char module;
	cuda_result code = check();

	if (!code)
		code = image ? atomic_load(&control.module_result) : CUDA_ERROR_INVALID_VALUE;
	if (code)
		return code;
	atomic_fetch_add(&control.modules, 1);
	*out = (cuda_module)(void *)&module;
	return CUDA_SUCCESS;
}

EXPORT(cuda_result, cuModuleUnload, cuda_module module)
{
	(void)module;
	atomic_fetch_sub(&control.modules, 1);
	return check();
}

EXPORT(cuda_result, cuModuleGetFunction, cuda_function *out, cuda_module module, const char *name)
{
	static struct cuda_function_opaque gdeflate = { KERNEL_GDEFLATE };
	static struct cuda_function_opaque checksum = { KERNEL_CHECKSUM };

	(void)module;
	if (!strcmp(name, "ds_gdeflate_few") || !strcmp(name, "ds_gdeflate_many"))
		*out = &gdeflate;
	else if (!strcmp(name, "ds_checksum"))
		*out = &checksum;
	else
		return ERROR_NOT_FOUND;
	return check();
}

EXPORT(cuda_result, cuLaunchKernel, cuda_function f, unsigned grid_x, unsigned grid_y,
       unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
       unsigned shared_nbytes, cuda_stream s, void **parameters, void **extra)
{
	struct kernel_call call = { .kernel = f->kernel };
	cuda_result code = check();
	uint32_t nr;

	(void)shared_nbytes;
	(void)extra;
	if (!code)
		code = atomic_load(&control.launch_result);
	if (code)
		return code;
	memcpy(&call.first, parameters[0], sizeof(call.first));
	memcpy(&call.second, parameters[1], sizeof(call.second));
	if (f->kernel == KERNEL_CHECKSUM) {
		memcpy(&call.third, parameters[2], sizeof(call.third));
	} else {
		/* A block each of 8 warps, or of two tiles in 2 warps. */
		memcpy(&nr, parameters[2], sizeof(nr));
		call.third = nr;
		if (block_x == 256 ? grid_x != nr : block_x != 64 || grid_x != (nr + 1) / 2)
			return CUDA_ERROR_INVALID_VALUE;
	}
	if (!grid_x || grid_y != 1 || grid_z != 1 || block_y != 1 || block_z != 1)
		return CUDA_ERROR_INVALID_VALUE;
	return push(s, (struct work){ .kind = WORK_KERNEL, .call = call });
}

/* ------------------------------------------------------ driver, device, context */

EXPORT(cuda_result, cuInit, unsigned flags)
{
	int code = atomic_load(&control.init_result);

	return flags ? CUDA_ERROR_INVALID_VALUE : from_environment("FAKE_CUDA_INIT", code);
}

EXPORT(cuda_result, cuDriverGetVersion, int *version)
{
	*version = 13000;
	return CUDA_SUCCESS;
}

EXPORT(cuda_result, cuGetErrorName, cuda_result error, const char **name)
{
	static const struct {
		cuda_result error;
		const char *name;
	} names[] = {
		{ CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE" },
		{ CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY" },
		{ CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE" },
		{ 719, "CUDA_ERROR_LAUNCH_FAILED" },
		{ 999, "CUDA_ERROR_UNKNOWN" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].error == error) {
			*name = names[i].name;
			return CUDA_SUCCESS;
		}
	}
	return CUDA_ERROR_INVALID_VALUE;
}

EXPORT(cuda_result, cuDeviceGetCount, int *count)
{
	*count = from_environment("FAKE_CUDA_DEVICES", atomic_load(&control.nr_devices));
	return CUDA_SUCCESS;
}

EXPORT(cuda_result, cuDeviceGet, cuda_ordinal *device, int index)
{
	*device = index;
	return CUDA_SUCCESS;
}

EXPORT(cuda_result, cuDeviceGetName, char *name, int room, cuda_ordinal device)
{
	snprintf(name, (size_t)room, "Simulated device %d", device);
	return CUDA_SUCCESS;
}

EXPORT(cuda_result, cuDeviceGetPCIBusId, char *id, int room, cuda_ordinal device)
{
	snprintf(id, (size_t)room, "0000:%02x:00.0", device + 1);
	return CUDA_SUCCESS;
}

EXPORT(cuda_result, cuDeviceTotalMem_v2, size_t *nbytes, cuda_ordinal device)
{
	(void)device;
	*nbytes = control.device_nbytes;
	return CUDA_SUCCESS;
}

EXPORT(cuda_result, cuDeviceGetAttribute, int *value, int attribute, cuda_ordinal device)
{
	(void)device;
	switch (attribute) {
	case CUDA_ATTRIBUTE_MULTIPROCESSORS:
		*value = MULTIPROCESSORS;
		return CUDA_SUCCESS;
	case CUDA_ATTRIBUTE_MAJOR:
		*value = 9;
		return CUDA_SUCCESS;
	case CUDA_ATTRIBUTE_MINOR:
		*value = 0;
		return CUDA_SUCCESS;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

EXPORT(cuda_result, cuDevicePrimaryCtxRetain, cuda_context *out, cuda_ordinal device)
{
	static char context;
	cuda_result code = atomic_load(&control.context_result);

	(void)device;
	if (code)
		return code;
	atomic_fetch_add(&control.contexts, 1);
	*out = (cuda_context)(void *)&context;
	return CUDA_SUCCESS;
}

EXPORT(cuda_result, cuDevicePrimaryCtxRelease_v2, cuda_ordinal device)
{
	(void)device;
	atomic_fetch_sub(&control.contexts, 1);
	return CUDA_SUCCESS;
}

EXPORT(cuda_result, cuCtxSetCurrent, cuda_context context)
{
	has_set_context = context;
	return CUDA_SUCCESS;
}

EXPORT(cuda_result, cuCtxPushCurrent_v2, cuda_context context)
{
	if (!context)
		return CUDA_ERROR_INVALID_VALUE;
	context_depth++;
	return CUDA_SUCCESS;
}

EXPORT(cuda_result, cuCtxPopCurrent_v2, cuda_context *context)
{
	*context = NULL;
	if (!context_depth)
		return ERROR_INVALID_CONTEXT;
	context_depth--;
	return CUDA_SUCCESS;
}
