/* SPDX-License-Identifier: MIT */
/* gpu.c: see gpu.h. */
#include "gpu.h"

#include <string.h>

#include "core.h"
#include "decode.h"
#include "errors.h"
#include "footprint.h"
#include "lists.h"
#include "log.h"
#include "queue.h"
#include "share.h"
#include "waits.h"

#define NR_BATCHES  8
#define MAX_COPIES  256		   /* in one command list */
#define RANGE_ALIGN UINT64_C(4096) /* D3D12 asks for 512; direct I/O gains by a page */
#define MIN_RING    (UINT64_C(4) << 20)
#define MAX_RING    (UINT64_C(256) << 20)

/* A command list, and the requests that it copies while the GPU runs it. */
struct batch {
	ID3D12CommandAllocator *allocator;
	ID3D12GraphicsCommandList *list;
	UINT64 value;	      /* of the fence when it is done; 0: not running */
	UINT64 decoded_value; /* of the decoder's fence, that its sources need */
	struct ds_list requests;
};

struct gpu {
	struct ds_list link; /* of gpus */
	LONG refs;
	ID3D12Device *device;
	ID3D12CommandQueue *queue;
	ID3D12Fence *fence;
	struct decoder *decoder; /* or NULL: the CPU decodes */
	struct share *share;	 /* or NULL */

	SRWLOCK lock; /* guards what follows */
	UINT64 value; /* the last that the queue was told to signal */
	struct batch batches[NR_BATCHES];
	struct batch nothing; /* of gpu_settle(); made with `share` */
	UINT64 settling;      /* what gpu_settle() has promised last, or 0 */
	struct ds_list to_copy;

	ID3D12Resource *ring; /* made by the first range */
	unsigned char *ring_data;
	UINT64 ring_size;
	UINT64 head, tail; /* bytes given out and given back, over the ring's life */
	struct gpu_range *first, *last;
	bool has_own_buffer; /* a request too large for the ring is under way */
};

static SRWLOCK gpus_lock = SRWLOCK_INIT; /* guards the list */
static struct ds_list gpus = { &gpus, &gpus };

ID3D12Device *gpu_device(const struct gpu *g)
{
	return g->device;
}

struct share *gpu_share(const struct gpu *g)
{
	return g->share;
}

/* ------------------------------------------------------------ making it */

static HRESULT make_batch(ID3D12Device *device, struct batch *b)
{
	ds_list_init(&b->requests);
	return lists_make(device, D3D12_COMMAND_LIST_TYPE_COPY, &b->allocator, &b->list);
}

static void free_batch_objects(struct batch *b)
{
	lists_release(b->allocator, b->list);
}

static void free_gpu(struct gpu *g)
{
	share_destroy(g->share);
	decoder_destroy(g->decoder);
	for (unsigned int i = 0; i < NR_BATCHES; i++)
		free_batch_objects(&g->batches[i]);
	free_batch_objects(&g->nothing);
	if (g->ring)
		ID3D12Resource_Release(g->ring);
	if (g->fence)
		ID3D12Fence_Release(g->fence);
	if (g->queue)
		ID3D12CommandQueue_Release(g->queue);
	ID3D12Device_Release(g->device);
	core_free(g);
}

static HRESULT make_objects(struct gpu *g)
{
	HRESULT hr =
		lists_make_queue(g->device, D3D12_COMMAND_LIST_TYPE_COPY, &g->queue, &g->fence);

	for (unsigned int i = 0; i < NR_BATCHES && SUCCEEDED(hr); i++)
		hr = make_batch(g->device, &g->batches[i]);
	return hr;
}

static HRESULT make_gpu(ID3D12Device *device, struct gpu **out)
{
	struct gpu *g = core_alloc(sizeof(*g));
	HRESULT hr;

	if (!g)
		return E_OUTOFMEMORY;
	g->refs = 1;
	g->device = device;
	ID3D12Device_AddRef(device);
	InitializeSRWLock(&g->lock);
	ds_list_init(&g->to_copy);
	hr = make_objects(g);
	if (FAILED(hr)) {
		log_err("no copy queue on device %p: %08lx\n", (void *)device, hr);
		free_gpu(g);
		return hr;
	}
	g->decoder = decoder_create(device);
	g->share = share_create(device);
	if (g->share && FAILED(make_batch(device, &g->nothing))) {
		share_destroy(g->share);
		g->share = NULL;
	}
	ds_list_push_back(&gpus, &g->link);
	*out = g;
	return S_OK;
}

static struct gpu *find_gpu(const ID3D12Device *device)
{
	for (struct ds_list *at = gpus.next; at != &gpus; at = at->next) {
		struct gpu *g = ds_list_entry(at, struct gpu, link);

		if (g->device == device)
			return g;
	}
	return NULL;
}

HRESULT gpu_get(ID3D12Device *device, struct gpu **out)
{
	struct gpu *g;
	HRESULT hr = S_OK;

	AcquireSRWLockExclusive(&gpus_lock);
	g = find_gpu(device);
	if (g) {
		g->refs++;
		*out = g;
	} else {
		hr = make_gpu(device, out);
	}
	ReleaseSRWLockExclusive(&gpus_lock);
	return hr;
}

void gpu_put(struct gpu *g)
{
	bool is_last;

	AcquireSRWLockExclusive(&gpus_lock);
	is_last = !--g->refs;
	if (is_last)
		ds_list_remove(&g->link);
	ReleaseSRWLockExclusive(&gpus_lock);
	/* Its last queue has waited for all its copies. */
	if (is_last)
		free_gpu(g);
}

/* ---------------------------------------------------------------- ranges */

static HRESULT create_buffer(struct gpu *g, const D3D12_HEAP_PROPERTIES *heap,
			     D3D12_RESOURCE_STATES state, UINT64 nbytes, ID3D12Resource **out)
{
	D3D12_RESOURCE_DESC desc;

	memset(&desc, 0, sizeof(desc));
	desc.Dimension = D3D12_RESOURCE_DIMENSION_BUFFER;
	desc.Width = nbytes;
	desc.Height = 1;
	desc.DepthOrArraySize = 1;
	desc.MipLevels = 1;
	desc.SampleDesc.Count = 1;
	desc.Layout = D3D12_TEXTURE_LAYOUT_ROW_MAJOR;
	return ID3D12Device_CreateCommittedResource(g->device, heap, D3D12_HEAP_FLAG_NONE, &desc,
						    state, NULL, &IID_ID3D12Resource, (void **)out);
}

/*
 * Memory that the CPU caches: decoders read what they have written, which is very slow in
 * the write-combined memory of an upload heap. That is the second choice.
 */
static HRESULT make_buffer(struct gpu *g, UINT64 nbytes, ID3D12Resource **out, void **data)
{
	D3D12_HEAP_PROPERTIES heap;
	HRESULT hr;

	memset(&heap, 0, sizeof(heap));
	heap.Type = D3D12_HEAP_TYPE_CUSTOM;
	heap.CPUPageProperty = D3D12_CPU_PAGE_PROPERTY_WRITE_BACK;
	heap.MemoryPoolPreference = D3D12_MEMORY_POOL_L0;
	hr = create_buffer(g, &heap, D3D12_RESOURCE_STATE_COMMON, nbytes, out);
	if (FAILED(hr)) {
		memset(&heap, 0, sizeof(heap));
		heap.Type = D3D12_HEAP_TYPE_UPLOAD;
		hr = create_buffer(g, &heap, D3D12_RESOURCE_STATE_GENERIC_READ, nbytes, out);
	}
	if (FAILED(hr))
		return hr;
	hr = ID3D12Resource_Map(*out, 0, NULL, data);
	if (FAILED(hr)) {
		ID3D12Resource_Release(*out);
		*out = NULL;
	}
	return hr;
}

static HRESULT need_ring(struct gpu *g)
{
	UINT64 size = ds_min_u64(ds_max_u64(core_staging_size(), MIN_RING), MAX_RING);
	HRESULT hr;

	if (g->ring)
		return S_OK;
	size = ds_align_down(size, RANGE_ALIGN);
	hr = make_buffer(g, size, &g->ring, (void **)&g->ring_data);
	g->ring_size = SUCCEEDED(hr) ? size : 0;
	return hr;
}

static HRESULT take_own_buffer(struct gpu *g, UINT64 nbytes, struct gpu_range *range)
{
	HRESULT hr;

	if (g->has_own_buffer)
		return S_FALSE;
	hr = make_buffer(g, nbytes, &range->buffer, &range->data);
	if (FAILED(hr))
		return hr;
	range->is_own_buffer = true;
	g->has_own_buffer = true;
	return S_OK;
}

static HRESULT take_from_ring(struct gpu *g, UINT64 nbytes, struct gpu_range *range)
{
	UINT64 at = g->head % g->ring_size;
	UINT64 skipped = at + nbytes > g->ring_size ? g->ring_size - at : 0;

	if (g->head + skipped + nbytes - g->tail > g->ring_size)
		return S_FALSE;
	range->buffer = g->ring;
	range->offset = skipped ? 0 : at;
	range->data = g->ring_data + range->offset;
	g->head += skipped + nbytes;
	range->end = g->head;
	if (g->last)
		g->last->next = range;
	else
		g->first = range;
	g->last = range;
	return S_OK;
}

HRESULT gpu_take_range(struct gpu *g, UINT64 nbytes, struct gpu_range **out)
{
	struct gpu_range *range = core_alloc(sizeof(*range));
	HRESULT hr;

	if (!range)
		return E_OUTOFMEMORY;
	nbytes = ds_align_up(nbytes, RANGE_ALIGN);
	AcquireSRWLockExclusive(&g->lock);
	hr = need_ring(g);
	if (SUCCEEDED(hr))
		hr = nbytes > g->ring_size / 2 ? take_own_buffer(g, nbytes, range)
					       : take_from_ring(g, nbytes, range);
	ReleaseSRWLockExclusive(&g->lock);
	if (hr == S_OK)
		*out = range;
	else
		core_free(range);
	return hr;
}

/* Takes the free ones from the ring's end. */
static void shrink_ring(struct gpu *g)
{
	while (g->first && g->first->is_free) {
		struct gpu_range *range = g->first;

		g->tail = range->end;
		g->first = range->next;
		if (!g->first)
			g->last = NULL;
		core_free(range);
	}
}

void gpu_give_range(struct gpu *g, struct gpu_range *range)
{
	ID3D12Resource *own = range->is_own_buffer ? range->buffer : NULL;

	AcquireSRWLockExclusive(&g->lock);
	if (own) {
		g->has_own_buffer = false;
	} else {
		range->is_free = true;
		shrink_ring(g);
	}
	ReleaseSRWLockExclusive(&g->lock);
	if (own) {
		ID3D12Resource_Release(own);
		core_free(range);
	}
}

/* ---------------------------------------------------------------- copying */

void gpu_copy(struct gpu *g, struct request *r)
{
	AcquireSRWLockExclusive(&g->lock);
	ds_list_push_back(&g->to_copy, &r->link);
	ReleaseSRWLockExclusive(&g->lock);
}

bool gpu_can_decode(const struct gpu *g, UINT64 stream_nbytes, UINT64 nbytes)
{
	return g && decoder_fits(g->decoder, stream_nbytes, nbytes);
}

bool gpu_wants_decode(struct gpu *g, UINT64 nbytes, bool must)
{
	return decoder_wants(g->decoder, nbytes, must);
}

DSTORAGE_COMPRESSION_SUPPORT gpu_support(const struct gpu *g, DSTORAGE_COMPRESSION_FORMAT format)
{
	if (g->decoder && format == DSTORAGE_COMPRESSION_FORMAT_GDEFLATE)
		return decoder_support(g->decoder);
	/* The CPU decodes, and a copy queue brings the result to the GPU. */
	return DSTORAGE_COMPRESSION_SUPPORT_CPU_FALLBACK |
	       DSTORAGE_COMPRESSION_SUPPORT_USES_COPY_QUEUE;
}

void gpu_decode(struct gpu *g, struct request *r)
{
	decoder_add(g->decoder, r);
}

void gpu_forget_decoded(struct gpu *g, struct request *r)
{
	decoder_forget(g->decoder, &r->decoded);
}

static struct batch *free_batch(struct gpu *g)
{
	for (unsigned int i = 0; i < NR_BATCHES; i++)
		if (!g->batches[i].value)
			return &g->batches[i];
	return NULL;
}

static HRESULT record_one(struct gpu *g, struct batch *b, struct request *r)
{
	if (!r->decoded.batch)
		return footprint_record(g->device, b->list, &r->desc, r->range->buffer,
					r->range->offset);
	b->decoded_value = ds_max_u64(b->decoded_value, r->decoded.value);
	return footprint_record(g->device, b->list, &r->desc, r->decoded.buffer, r->decoded.offset);
}

/* Moves what was recorded to the batch, and what could not be to `failed`. */
static HRESULT record(struct gpu *g, struct batch *b, struct ds_list *failed)
{
	HRESULT hr = ID3D12CommandAllocator_Reset(b->allocator);

	b->decoded_value = 0;
	if (SUCCEEDED(hr))
		hr = ID3D12GraphicsCommandList_Reset(b->list, b->allocator, NULL);
	for (unsigned int n = 0; n < MAX_COPIES && !ds_list_is_empty(&g->to_copy); n++) {
		struct request *r =
			ds_list_entry(ds_list_pop_front(&g->to_copy), struct request, link);

		r->result = SUCCEEDED(hr) ? record_one(g, b, r) : hr;
		ds_list_push_back(FAILED(r->result) ? failed : &b->requests, &r->link);
	}
	return SUCCEEDED(hr) ? ID3D12GraphicsCommandList_Close(b->list) : hr;
}

static HRESULT execute(struct gpu *g, struct batch *b)
{
	ID3D12CommandList *list = (ID3D12CommandList *)b->list;
	HRESULT hr;

	/* The decoder is past that value; waiting for it makes what it wrote visible here. */
	if (b->decoded_value) {
		hr = ID3D12CommandQueue_Wait(g->queue, decoder_fence(g->decoder), b->decoded_value);
		if (FAILED(hr))
			return hr;
	}
	ID3D12CommandQueue_ExecuteCommandLists(g->queue, 1, &list);
	hr = ID3D12CommandQueue_Signal(g->queue, g->fence, g->value + 1);
	if (FAILED(hr))
		return hr;
	b->value = ++g->value;
	return ID3D12Fence_SetEventOnCompletion(g->fence, b->value, waits_event());
}

static void move_all(struct ds_list *from, struct ds_list *to, HRESULT hr)
{
	while (!ds_list_is_empty(from)) {
		struct request *r = ds_list_entry(ds_list_pop_front(from), struct request, link);

		r->result = hr;
		ds_list_push_back(to, &r->link);
	}
}

/* True if there were any. */
static bool finish_all(struct ds_list *requests)
{
	bool any = !ds_list_is_empty(requests);

	while (!ds_list_is_empty(requests)) {
		struct request *r =
			ds_list_entry(ds_list_pop_front(requests), struct request, link);

		request_finish(r, r->result);
	}
	return any;
}

static void flush(struct gpu *g, struct ds_list *failed)
{
	/* A removed device passes fences that it never reached: its lists are not to be used again. */
	HRESULT gone = ID3D12Device_GetDeviceRemovedReason(g->device);
	struct batch *b;

	if (g->decoder)
		decoder_flush(g->decoder, failed);
	AcquireSRWLockExclusive(&g->lock);
	if (FAILED(gone))
		move_all(&g->to_copy, failed, gone);
	while (!ds_list_is_empty(&g->to_copy) && (b = free_batch(g))) {
		HRESULT hr = record(g, b, failed);

		if (SUCCEEDED(hr) && !ds_list_is_empty(&b->requests))
			hr = execute(g, b);
		if (FAILED(hr))
			move_all(&b->requests, failed, hr);
	}
	ReleaseSRWLockExclusive(&g->lock);
}

/* What the decoder has finished is to be copied; its stream is not needed any more. */
static void retire_decoder(struct gpu *g, struct ds_list *done)
{
	struct ds_list decoded;

	ds_list_init(&decoded);
	decoder_retire(g->decoder, &decoded, done);
	while (!ds_list_is_empty(&decoded)) {
		struct request *r =
			ds_list_entry(ds_list_pop_front(&decoded), struct request, link);

		gpu_give_range(g, r->range);
		r->range = NULL;
		core_note_space();
		gpu_copy(g, r);
	}
}

static void retire(struct gpu *g, struct ds_list *done)
{
	UINT64 value = ID3D12Fence_GetCompletedValue(g->fence);
	/* A removed device passes every fence. */
	HRESULT hr = ID3D12Device_GetDeviceRemovedReason(g->device);

	if (g->decoder)
		retire_decoder(g, done);
	AcquireSRWLockExclusive(&g->lock);
	for (unsigned int i = 0; i < NR_BATCHES; i++) {
		struct batch *b = &g->batches[i];

		if (!b->value || b->value > value)
			continue;
		b->value = 0;
		move_all(&b->requests, done, hr);
	}
	if (g->settling && g->settling <= value) {
		g->settling = 0;
		core_note_space();
	}
	ReleaseSRWLockExclusive(&g->lock);
}

/* Requests end after the locks are gone, for that fires markers. True if any did. */
static bool visit_all(void (*visit)(struct gpu *, struct ds_list *))
{
	struct ds_list ended;

	ds_list_init(&ended);
	AcquireSRWLockShared(&gpus_lock);
	for (struct ds_list *at = gpus.next; at != &gpus; at = at->next)
		visit(ds_list_entry(at, struct gpu, link), &ended);
	ReleaseSRWLockShared(&gpus_lock);
	return finish_all(&ended);
}

void gpu_flush_all(void)
{
	/* Those that failed may have held what others wait for. */
	while (visit_all(flush)) {
	}
}

void gpu_retire_all(void)
{
	visit_all(retire);
	/* Batches are free again. */
	gpu_flush_all();
}

HRESULT gpu_settle(struct gpu *g, UINT64 *value)
{
	ID3D12CommandList *list = (ID3D12CommandList *)g->nothing.list;
	HRESULT hr;

	AcquireSRWLockExclusive(&g->lock);
	/* What a device still has to do to new resources it does before it runs the next list. */
	ID3D12CommandQueue_ExecuteCommandLists(g->queue, 1, &list);
	hr = ID3D12CommandQueue_Signal(g->queue, g->fence, g->value + 1);
	if (SUCCEEDED(hr)) {
		g->settling = *value = ++g->value;
		hr = ID3D12Fence_SetEventOnCompletion(g->fence, g->value, waits_event());
	}
	ReleaseSRWLockExclusive(&g->lock);
	return hr;
}

bool gpu_is_past(const struct gpu *g, UINT64 value)
{
	return ID3D12Fence_GetCompletedValue(g->fence) >= value;
}

HRESULT gpu_signal(struct gpu *g, ID3D12Fence *fence, UINT64 value)
{
	return ID3D12CommandQueue_Signal(g->queue, fence, value);
}
