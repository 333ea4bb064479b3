/* SPDX-License-Identifier: MIT */
/* queue.c: the COM methods of IDStorageQueue to IDStorageQueue3. */
#include "queue.h"

#include <string.h>

#include "core.h"
#include "errors.h"
#include "file.h"
#include "footprint.h"
#include "gpu.h"
#include "log.h"
#include "share.h"
#include "status_array.h"
#include "unixlib.h"
#include "waits.h"

/* The Unix half keeps a slot for a cancelled request until the kernel is done with it. */
#define UNIX_SLOTS(capacity) (2u * (capacity))

static struct queue *impl(IDStorageQueue3 *iface)
{
	return CONTAINING_RECORD(iface, struct queue, iface);
}

static HRESULT STDMETHODCALLTYPE queue_QueryInterface(IDStorageQueue3 *iface, REFIID riid,
						      void **ppv)
{
	if (!ppv)
		return E_POINTER;
	if (!IsEqualGUID(riid, &IID_IUnknown) && !IsEqualGUID(riid, &IID_IDStorageQueue) &&
	    !IsEqualGUID(riid, &IID_IDStorageQueue1) && !IsEqualGUID(riid, &IID_IDStorageQueue2) &&
	    !IsEqualGUID(riid, &IID_IDStorageQueue3)) {
		*ppv = NULL;
		return E_NOINTERFACE;
	}
	iface->lpVtbl->AddRef(iface);
	*ppv = iface;
	return S_OK;
}

static ULONG STDMETHODCALLTYPE queue_AddRef(IDStorageQueue3 *iface)
{
	return (ULONG)InterlockedIncrement(&impl(iface)->refs);
}

static void free_members(struct queue *q)
{
	struct dsw_queue_destroy a = { q->unix_queue };
	struct dsw_queue_destroy native = { q->native_queue };

	if (q->unix_queue)
		unix_call(DSW_QUEUE_DESTROY, &a);
	if (q->native_queue)
		unix_call(DSW_QUEUE_DESTROY, &native);
	if (q->gpu)
		gpu_put(q->gpu);
	if (q->error_event)
		CloseHandle(q->error_event);
	if (q->requests)
		VirtualFree(q->requests, 0, MEM_RELEASE);
	core_free(q->segments);
	core_free(q);
}

void queue_free(struct queue *q)
{
	struct dsw_queue_destroy a = { q->unix_queue };
	struct dsw_queue_destroy native = { q->native_queue };

	if (native.queue)
		unix_call(DSW_QUEUE_DESTROY, &native);
	q->native_queue = 0;
	/* In this order: the backend may go once the last queue has left the list. */
	unix_call(DSW_QUEUE_DESTROY, &a);
	q->unix_queue = 0;
	core_queue_gone(q);
	free_members(q);
}

static void release_last(struct queue *q)
{
	bool is_last;

	queue_drain(q);
	queue_close(q);
	AcquireSRWLockExclusive(&q->lock);
	q->is_released = true;
	is_last = !q->nr_handed_out;
	ReleaseSRWLockExclusive(&q->lock);
	if (is_last)
		queue_free(q);
}

static ULONG STDMETHODCALLTYPE queue_Release(IDStorageQueue3 *iface)
{
	LONG left = InterlockedDecrement(&impl(iface)->refs);

	log_trace("(%p) -> %ld\n", (void *)iface, left);
	if (!left && !is_process_ending())
		release_last(impl(iface));
	return (ULONG)left;
}

/* --------------------------------------------------------------- requests */

/* With the lock, in a slot of its own. */
static void fill_request(struct queue *q, struct request *r, const DSTORAGE_REQUEST *desc,
			 struct fence_wait *wait)
{
	memset(r, 0, sizeof(*r));
	r->queue = q;
	r->desc = *desc;
	if (desc->Name)
		lstrcpynA(r->name, desc->Name, sizeof(r->name));
	if (desc->Options.SourceType == DSTORAGE_REQUEST_SOURCE_FILE)
		r->file = file_of(desc->Source.File.Source);
	/* What is enqueued keeps what it needs: programs release early. */
	if (r->file)
		r->file->iface.lpVtbl->AddRef(&r->file->iface);
	r->resource = q->gpu ? footprint_resource(desc) : NULL;
	if (r->resource)
		ID3D12Resource_AddRef(r->resource);
	r->wait = wait;
	if (wait)
		wait_ref(wait);
	r->result = request_check(r);
}

static void enqueue(struct queue *q, const DSTORAGE_REQUEST *desc, struct fence_wait *wait,
		    HRESULT refused)
{
	struct request *r;

	AcquireSRWLockExclusive(&q->lock);
	r = queue_take_slot(q);
	if (r) {
		fill_request(q, r, desc, wait);
		if (FAILED(refused))
			r->result = refused;
		queue_add_request(q, r);
	}
	ReleaseSRWLockExclusive(&q->lock);
}

static void STDMETHODCALLTYPE queue_EnqueueRequest(IDStorageQueue3 *iface,
						   const DSTORAGE_REQUEST *request)
{
	log_trace("(%p, %p)\n", (void *)iface, (const void *)request);
	if (request)
		enqueue(impl(iface), request, NULL, S_OK);
}

static void STDMETHODCALLTYPE queue_EnqueueRequests(IDStorageQueue3 *iface,
						    const DSTORAGE_REQUEST *requests, UINT count,
						    ID3D12Fence *fence, UINT64 value,
						    DSTORAGE_ENQUEUE_REQUEST_FLAGS flag)
{
	struct fence_wait *wait = NULL;
	HRESULT hr = S_OK;

	log_trace("(%p, %p, %u, %p, %llu, %u)\n", (void *)iface, (const void *)requests, count,
		  (void *)fence, value, flag);
	if (!requests)
		return;
	/*
	 * What the flags allow to happen before the fence is a may: nothing does, so all three
	 * mean the same here.
	 */
	if (fence)
		hr = wait_create(fence, value, &wait);
	for (UINT i = 0; i < count; i++)
		enqueue(impl(iface), &requests[i], wait, hr);
	if (wait)
		wait_unref(wait);
}

/* ---------------------------------------------------------------- markers */

static void enqueue_marker(struct queue *q, struct marker *m)
{
	bool is_open;

	AcquireSRWLockExclusive(&q->lock);
	is_open = queue_take_marker_slot(q);
	if (is_open)
		queue_add_marker(q, m);
	ReleaseSRWLockExclusive(&q->lock);
	if (!is_open)
		marker_release(m);
}

static void STDMETHODCALLTYPE queue_EnqueueStatus(IDStorageQueue3 *iface,
						  IDStorageStatusArray *array, UINT32 index)
{
	struct marker m = { .kind = MARKER_STATUS, .array_param = array, .index = index };

	log_trace("(%p, %p, %u)\n", (void *)iface, (void *)array, index);
	m.array = status_array_of(array);
	if (!m.array) {
		m.refused = E_DSTORAGE_INVALID_STATUS_ARRAY;
	} else {
		array->lpVtbl->AddRef(array);
		if (index >= m.array->capacity)
			m.refused = E_DSTORAGE_INDEX_BOUND;
		else
			/* From now on, and not from the submit: programs poll at once. */
			status_array_set(m.array, index, E_PENDING);
	}
	enqueue_marker(impl(iface), &m);
}

static void STDMETHODCALLTYPE queue_EnqueueSignal(IDStorageQueue3 *iface, ID3D12Fence *fence,
						  UINT64 value)
{
	struct marker m = { .kind = MARKER_SIGNAL, .fence = fence, .value = value };

	log_trace("(%p, %p, %llu)\n", (void *)iface, (void *)fence, value);
	if (fence)
		ID3D12Fence_AddRef(fence);
	else
		m.refused = E_DSTORAGE_INVALID_FENCE;
	enqueue_marker(impl(iface), &m);
}

static void STDMETHODCALLTYPE queue_EnqueueSetEvent(IDStorageQueue3 *iface, HANDLE event)
{
	struct marker m = { .kind = MARKER_EVENT, .event_param = event };

	log_trace("(%p, %p)\n", (void *)iface, event);
	/* A pseudo handle, such as INVALID_HANDLE_VALUE, would duplicate to a process. */
	if (!event || (LONG_PTR)event < 0)
		m.refused = HRESULT_FROM_WIN32(ERROR_INVALID_HANDLE);
	else if (!DuplicateHandle(GetCurrentProcess(), event, GetCurrentProcess(), &m.event, 0,
				  FALSE, DUPLICATE_SAME_ACCESS))
		m.refused = hresult_of_last_error();
	enqueue_marker(impl(iface), &m);
}

/* --------------------------------------------------------------- the rest */

static void STDMETHODCALLTYPE queue_Submit(IDStorageQueue3 *iface)
{
	struct queue *q = impl(iface);

	log_trace("(%p)\n", (void *)iface);
	AcquireSRWLockExclusive(&q->lock);
	if (!q->is_closed) {
		queue_submit(q);
		queue_fire(q);
	}
	ReleaseSRWLockExclusive(&q->lock);
	core_kick();
}

static void STDMETHODCALLTYPE queue_CancelRequestsWithTag(IDStorageQueue3 *iface, UINT64 mask,
							  UINT64 value)
{
	log_trace("(%p, %llx, %llx)\n", (void *)iface, mask, value);
	if (!is_process_ending())
		queue_cancel_tagged(impl(iface), mask, value);
}

static void STDMETHODCALLTYPE queue_Close(IDStorageQueue3 *iface)
{
	log_trace("(%p)\n", (void *)iface);
	if (!is_process_ending())
		queue_close(impl(iface));
}

static HANDLE STDMETHODCALLTYPE queue_GetErrorEvent(IDStorageQueue3 *iface)
{
	return impl(iface)->error_event;
}

static void STDMETHODCALLTYPE queue_RetrieveErrorRecord(IDStorageQueue3 *iface,
							DSTORAGE_ERROR_RECORD *record)
{
	struct queue *q = impl(iface);

	if (!record)
		return;
	AcquireSRWLockExclusive(&q->lock);
	*record = q->record;
	queue_reset_record(q);
	ReleaseSRWLockExclusive(&q->lock);
}

static void STDMETHODCALLTYPE queue_Query(IDStorageQueue3 *iface, DSTORAGE_QUEUE_INFO *info)
{
	struct queue *q = impl(iface);

	if (!info)
		return;
	memset(info, 0, sizeof(*info));
	AcquireSRWLockShared(&q->lock);
	info->Desc = q->desc;
	info->EmptySlotCount = (UINT16)(q->desc.Capacity - 1u - q->nr_used);
	info->RequestCountUntilAutoSubmit = (UINT16)(q->desc.Capacity / 2u - q->nr_unsubmitted);
	ReleaseSRWLockShared(&q->lock);
}

static DSTORAGE_COMPRESSION_SUPPORT STDMETHODCALLTYPE
queue_GetCompressionSupport(IDStorageQueue3 *iface, DSTORAGE_COMPRESSION_FORMAT format)
{
	const struct queue *q = impl(iface);
	bool is_there = format == DSTORAGE_COMPRESSION_FORMAT_GDEFLATE ||
			(format == DSTORAGE_COMPRESSION_FORMAT_ZSTD && unixlib_has_zstd());

	if (!is_there)
		return DSTORAGE_COMPRESSION_SUPPORT_NONE;
	if (!q->gpu)
		return DSTORAGE_COMPRESSION_SUPPORT_CPU_FALLBACK;
	if (format == DSTORAGE_COMPRESSION_FORMAT_GDEFLATE && share_decodes(gpu_share(q->gpu)))
		return DSTORAGE_COMPRESSION_SUPPORT_GPU_FALLBACK |
		       DSTORAGE_COMPRESSION_SUPPORT_CPU_FALLBACK |
		       DSTORAGE_COMPRESSION_SUPPORT_USES_COMPUTE_QUEUE;
	return gpu_support(q->gpu, format);
}

static IDStorageQueue3Vtbl queue_vtbl = {
	queue_QueryInterface,
	queue_AddRef,
	queue_Release,
	queue_EnqueueRequest,
	queue_EnqueueStatus,
	queue_EnqueueSignal,
	queue_Submit,
	queue_CancelRequestsWithTag,
	queue_Close,
	queue_GetErrorEvent,
	queue_RetrieveErrorRecord,
	queue_Query,
	queue_EnqueueSetEvent,
	queue_GetCompressionSupport,
	queue_EnqueueRequests,
};

/* ----------------------------------------------------------------- making */

static HRESULT check_desc(const DSTORAGE_QUEUE_DESC *desc)
{
	if (!desc)
		return E_INVALIDARG;
	if (desc->Capacity < DSTORAGE_MIN_QUEUE_CAPACITY ||
	    desc->Capacity > DSTORAGE_MAX_QUEUE_CAPACITY)
		return E_DSTORAGE_INVALID_QUEUE_CAPACITY;
	if (desc->Priority < DSTORAGE_PRIORITY_FIRST || desc->Priority > DSTORAGE_PRIORITY_LAST)
		return E_DSTORAGE_INVALID_QUEUE_PRIORITY;
	if (desc->SourceType > DSTORAGE_REQUEST_SOURCE_MEMORY)
		return E_DSTORAGE_INVALID_SOURCE_TYPE;
	return S_OK;
}

static HRESULT alloc_members(struct queue *q)
{
	q->nr_segments = q->desc.Capacity + 1u;
	q->segments = core_alloc(q->nr_segments * sizeof(*q->segments));
	/* Pages that are never used cost nothing. */
	q->requests = VirtualAlloc(NULL, q->desc.Capacity * sizeof(*q->requests),
				   MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
	if (!q->segments || !q->requests)
		return E_OUTOFMEMORY;
	/* Auto-reset: each failure after a look is seen again. */
	q->error_event = CreateEventW(NULL, FALSE, FALSE, NULL);
	if (!q->error_event)
		return hresult_of_last_error();
	return q->desc.Device ? gpu_get(q->desc.Device, &q->gpu) : S_OK;
}

/* The same once more, on the program's own device. */
static HRESULT open_native_queue(struct queue *q, struct dsw_queue_create a)
{
	struct share *share = q->gpu ? gpu_share(q->gpu) : NULL;
	HRESULT hr;

	if (!share)
		return S_OK;
	a.share = share_handle(share);
	hr = hresult_of(unix_call(DSW_QUEUE_CREATE, &a));
	q->native_queue = SUCCEEDED(hr) ? a.queue : 0;
	return hr;
}

static HRESULT open_unix_queue(struct queue *q)
{
	struct dsw_queue_create a = {
		.name = q->name[0] ? (uint64_t)(uintptr_t)q->name : 0,
		.capacity = UNIX_SLOTS(q->desc.Capacity),
		.priority = q->desc.Priority,
	};
	HRESULT hr = core_queue_opening(q);

	if (FAILED(hr))
		return hr;
	hr = hresult_of(unix_call(DSW_QUEUE_CREATE, &a));
	if (SUCCEEDED(hr)) {
		q->unix_queue = a.queue;
		hr = open_native_queue(q, a);
	}
	if (FAILED(hr))
		core_queue_gone(q);
	return hr;
}

static struct queue *new_queue(const DSTORAGE_QUEUE_DESC *desc)
{
	struct queue *q = core_alloc(sizeof(*q));

	if (!q)
		return NULL;
	q->iface.lpVtbl = &queue_vtbl;
	q->refs = 1;
	q->desc = *desc;
	if (desc->Name)
		lstrcpynA(q->name, desc->Name, sizeof(q->name));
	q->desc.Name = desc->Name ? q->name : NULL;
	InitializeSRWLock(&q->lock);
	InitializeConditionVariable(&q->changed);
	ds_list_init(&q->free);
	ds_list_init(&q->pending);
	ds_list_init(&q->waiting);
	ds_list_init(&q->settling);
	ds_list_init(&q->ready);
	ds_list_init(&q->native);
	ds_list_init(&q->staged);
	queue_reset_record(q);
	return q;
}

HRESULT queue_create(const DSTORAGE_QUEUE_DESC *desc, REFIID riid, void **ppv)
{
	struct queue *q;
	HRESULT hr;

	if (!ppv)
		return E_POINTER;
	*ppv = NULL;
	hr = check_desc(desc);
	if (FAILED(hr))
		return hr;
	q = new_queue(desc);
	if (!q)
		return E_OUTOFMEMORY;
	hr = alloc_members(q);
	if (SUCCEEDED(hr))
		hr = open_unix_queue(q);
	if (FAILED(hr)) {
		free_members(q);
		return hr;
	}
	hr = queue_QueryInterface(&q->iface, riid, ppv);
	log_trace("(%s, %u slots, priority %d, device %p) -> %p, %08lx\n",
		  q->name[0] ? q->name : "no name", desc->Capacity, desc->Priority,
		  (void *)desc->Device, *ppv, hr);
	queue_Release(&q->iface);
	return hr;
}
