/* SPDX-License-Identifier: MIT */
/* core.c: see core.h. */
#include "core.h"

#include "errors.h"
#include "log.h"
#include "queue.h"
#include "unixlib.h"
#include "waits.h"

#define DEFAULT_STAGING_SIZE DSTORAGE_STAGING_BUFFER_SIZE_32MB
/*
 * What the runtime gets of it: at least its own least, for a staging size of 0 is legal, and no
 * more than it can use, for it is pinned where the system allows that.
 */
#define MIN_BACKEND_STAGING  (UINT64_C(1) << 20)
#define MAX_BACKEND_STAGING  (UINT64_C(64) << 20)

static SRWLOCK queues_lock = SRWLOCK_INIT; /* guards the list, and making the backend */
static struct ds_list queues = { &queues, &queues };
static UINT32 nr_queues;
static bool has_backend;
static bool is_backend_old; /* the settings have changed since it was made */

static SRWLOCK settings_lock = SRWLOCK_INIT; /* guards what follows */
static DSTORAGE_CONFIGURATION2 configuration;
static UINT32 staging_size = DEFAULT_STAGING_SIZE;
static UINT64 staging_in_use;

static LONG debug_flags;
static LONG nr_files;
static LONG has_space;
static LONG64 decoding_nbytes;

void *core_alloc(size_t nbytes)
{
	return HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, nbytes);
}

void core_free(void *p)
{
	if (p)
		HeapFree(GetProcessHeap(), 0, p);
}

/* --------------------------------------------------------------- settings */

HRESULT core_set_configuration(const DSTORAGE_CONFIGURATION2 *cfg)
{
	HRESULT hr = S_OK;

	if (cfg->ForceFileBuffering && !cfg->DisableBypassIO)
		return E_DSTORAGE_FILEBUFFERING_REQUIRES_DISABLED_BYPASSIO;
	AcquireSRWLockExclusive(&queues_lock);
	if (nr_queues || nr_files) {
		hr = E_DSTORAGE_STAGING_BUFFER_LOCKED;
	} else {
		AcquireSRWLockExclusive(&settings_lock);
		configuration = *cfg;
		ReleaseSRWLockExclusive(&settings_lock);
		is_backend_old = true;
	}
	ReleaseSRWLockExclusive(&queues_lock);
	return hr;
}

HRESULT core_set_staging_size(UINT32 nbytes)
{
	HRESULT hr = S_OK;

	AcquireSRWLockExclusive(&queues_lock);
	/* Open files do not matter: programs change it with files open, and check the result. */
	if (nr_queues) {
		hr = E_DSTORAGE_STAGING_BUFFER_LOCKED;
	} else {
		AcquireSRWLockExclusive(&settings_lock);
		is_backend_old |= staging_size != nbytes;
		staging_size = nbytes;
		ReleaseSRWLockExclusive(&settings_lock);
	}
	ReleaseSRWLockExclusive(&queues_lock);
	return hr;
}

UINT64 core_staging_size(void)
{
	UINT64 nbytes;

	AcquireSRWLockShared(&settings_lock);
	nbytes = staging_size;
	ReleaseSRWLockShared(&settings_lock);
	return nbytes;
}

void core_reset_factory_settings(void)
{
	/* Refused while queues of an earlier factory live on: then theirs stays. */
	core_set_staging_size(DEFAULT_STAGING_SIZE);
	core_set_debug_flags(DSTORAGE_DEBUG_NONE);
}

void core_set_debug_flags(UINT32 flags)
{
	InterlockedExchange(&debug_flags, (LONG)flags);
}

UINT32 core_debug_flags(void)
{
	return (UINT32)debug_flags;
}

bool core_offers_builtin(void)
{
	bool offers;

	AcquireSRWLockShared(&settings_lock);
	offers = configuration.NumBuiltInCpuDecompressionThreads ==
		 DSTORAGE_DISABLE_BUILTIN_CPU_DECOMPRESSION;
	ReleaseSRWLockShared(&settings_lock);
	return offers;
}

static bool is_variable(const char *name, const char *value)
{
	char text[16];
	DWORD n = GetEnvironmentVariableA(name, text, sizeof(text));

	return n && n < sizeof(text) && !lstrcmpiA(text, value);
}

bool core_is_strict(void)
{
	static LONG strict = -1;

	if (strict < 0)
		InterlockedExchange(&strict, is_variable("DS_WINE_STRICT_STAGING", "1"));
	return strict;
}

bool core_shares_device(void)
{
	/* The Vulkan layer's own switch, when it is found as an implicit one. */
	return is_variable("DS_VULKAN_SHARE", "1");
}

uint32_t core_native_decode(void)
{
	bool is_off, is_on;

	AcquireSRWLockShared(&settings_lock);
	is_off = configuration.DisableGpuDecompression != 0;
	ReleaseSRWLockShared(&settings_lock);
	if (is_off || is_variable("DS_WINE_GPU_DECODE", "off"))
		return DSW_DECODE_CPU;
	is_on = is_variable("DS_WINE_GPU_DECODE", "on") ||
		is_variable("DS_WINE_GPU_DECODE", "vulkan");
	return is_on ? DSW_DECODE_GPU : DSW_DECODE_AUTO;
}

void core_fill_backend(uint64_t *staging_nbytes, uint32_t *decode_workers, uint32_t *buffered)
{
	INT32 threads;

	AcquireSRWLockShared(&settings_lock);
	threads = configuration.NumBuiltInCpuDecompressionThreads;
	*buffered = configuration.ForceFileBuffering != 0;
	*staging_nbytes =
		ds_max_u64(ds_min_u64(staging_size, MAX_BACKEND_STAGING), MIN_BACKEND_STAGING);
	ReleaseSRWLockShared(&settings_lock);
	*decode_workers = threads > 0 ? (uint32_t)(threads < 256 ? threads : 256) : 0;
}

struct core_gpu_decoding core_gpu_decoding(void)
{
	const char *name = "DS_WINE_GPU_DECODE";
	struct core_gpu_decoding s = { .use_vulkan = true, .use_metacommand = true };

	AcquireSRWLockShared(&settings_lock);
	s.is_off = configuration.DisableGpuDecompression != 0;
	s.use_metacommand = !configuration.DisableGpuDecompressionMetacommand;
	ReleaseSRWLockShared(&settings_lock);
	s.is_off |= is_variable(name, "off");
	if (is_variable(name, "vulkan"))
		s.use_metacommand = false;
	if (is_variable(name, "metacommand"))
		s.use_vulkan = false;
	s.always = is_variable(name, "on") || is_variable(name, "vulkan") ||
		   is_variable(name, "metacommand");
	return s;
}

void core_file_opened(void)
{
	InterlockedIncrement(&nr_files);
}

void core_file_closed(void)
{
	InterlockedDecrement(&nr_files);
}

/* ----------------------------------------------------------------- backend */

static uint32_t chosen_engine(void)
{
	if (is_variable("DS_WINE_BACKEND", "cpu"))
		return DSW_ENGINE_CPU;
	return is_variable("DS_WINE_BACKEND", "io_uring") ? DSW_ENGINE_URING : DSW_ENGINE_AUTO;
}

static int32_t create_backend(void)
{
	struct dsw_backend_create a = { 0 };
	int32_t ret;

	core_fill_backend(&a.staging_nbytes, &a.decode_workers, &a.buffered);
	a.engine = chosen_engine();
	ret = unix_call(DSW_BACKEND_CREATE, &a);
	if (ret)
		log_err("the runtime does not start: %d\n", ret);
	else
		log_trace("reading by %s\n",
			  a.used_engine == DSW_ENGINE_URING ? "io_uring" : "a pool of threads");
	return ret;
}

/* With the list's lock. */
static HRESULT need_backend(void)
{
	int32_t ret;

	if (has_backend && is_backend_old && !nr_queues) {
		unix_call(DSW_BACKEND_DESTROY, NULL);
		has_backend = false;
	}
	if (has_backend)
		return S_OK;
	ret = create_backend();
	has_backend = !ret;
	is_backend_old = false;
	return hresult_of(ret);
}

HRESULT core_queue_opening(struct queue *q)
{
	HRESULT hr;

	AcquireSRWLockExclusive(&queues_lock);
	hr = need_backend();
	if (SUCCEEDED(hr))
		hr = pump_start();
	if (SUCCEEDED(hr))
		hr = waits_start();
	if (SUCCEEDED(hr)) {
		ds_list_push_back(&queues, &q->link);
		nr_queues++;
	}
	ReleaseSRWLockExclusive(&queues_lock);
	return hr;
}

void core_queue_gone(struct queue *q)
{
	AcquireSRWLockExclusive(&queues_lock);
	ds_list_remove(&q->link);
	nr_queues--;
	ReleaseSRWLockExclusive(&queues_lock);
}

/* ----------------------------------------------------------------- staging */

HRESULT core_take_block(UINT64 nbytes, void **out)
{
	bool is_given;

	AcquireSRWLockExclusive(&settings_lock);
	is_given = !staging_in_use || staging_in_use + nbytes <= staging_size;
	if (is_given)
		staging_in_use += nbytes;
	ReleaseSRWLockExclusive(&settings_lock);
	if (!is_given)
		return S_FALSE;
	*out = VirtualAlloc(NULL, (SIZE_T)nbytes, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
	if (*out)
		return S_OK;
	core_give_block(NULL, nbytes);
	return E_OUTOFMEMORY;
}

void core_give_block(void *block, UINT64 nbytes)
{
	if (block)
		VirtualFree(block, 0, MEM_RELEASE);
	AcquireSRWLockExclusive(&settings_lock);
	staging_in_use -= nbytes;
	ReleaseSRWLockExclusive(&settings_lock);
}

void core_note_space(void)
{
	InterlockedExchange(&has_space, 1);
}

void core_kick(void)
{
	if (!InterlockedExchange(&has_space, 0))
		return;
	AcquireSRWLockShared(&queues_lock);
	for (struct ds_list *at = queues.next; at != &queues; at = at->next) {
		struct queue *q = ds_list_entry(at, struct queue, link);

		AcquireSRWLockExclusive(&q->lock);
		queue_wake_waiting(q);
		queue_start(q);
		queue_fire(q);
		ReleaseSRWLockExclusive(&q->lock);
	}
	ReleaseSRWLockShared(&queues_lock);
}

void core_note_decoding(INT64 nbytes)
{
	InterlockedExchangeAdd64(&decoding_nbytes, nbytes);
}

UINT64 core_decoding_nbytes(void)
{
	return (UINT64)InterlockedExchangeAdd64(&decoding_nbytes, 0);
}
