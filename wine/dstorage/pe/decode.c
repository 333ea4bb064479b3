/* SPDX-License-Identifier: MIT */
/* decode.c: see decode.h. */
#include "decode.h"

#include <string.h>

#include "core.h"
#include "decode_method.h"
#include "errors.h"
#include "gpu.h"
#include "lists.h"
#include "log.h"
#include "queue.h"
#include "unixlib.h"
#include "waits.h"

#define NR_BATCHES   2
#define MIN_ROOM     (UINT64_C(4) << 20)
#define MAX_ROOM     (DECODE_MAX_TILES * DECODE_TILE_NBYTES)
#define STREAM_ALIGN UINT64_C(256)
/* Decoders read ahead of what they use. */
#define STREAM_SLACK UINT64_C(256)

/*
 * What processors decode while a GPU is at its first tile: some 2 ms. With less to do they are
 * done earlier than the GPU would be.
 */
#define NBYTES_OF_PROCESSOR (UINT64_C(1) << 20)

/* A job, and its requests from then on until the last of them has been copied. */
struct decode_batch {
	ID3D12CommandAllocator *allocator;
	ID3D12GraphicsCommandList *list;
	ID3D12Resource *table, *status; /* mapped */
	void *table_data;
	const UINT32 *status_data;
	struct decode_job job;
	UINT64 in_nbytes;	 /* of the input, taken */
	UINT64 value;		 /* of the fence when it is done; 0: not running */
	UINT32 nr_users;	 /* requests whose bytes are in it */
	struct ds_list requests; /* in the order of the job's streams */
};

struct decoder {
	ID3D12Device *device;
	struct decode_method *method;
	bool always;
	UINT32 nr_processors;
	UINT64 room; /* of a job's input, and of its output */
	ID3D12CommandQueue *queue;
	ID3D12Fence *fence;

	SRWLOCK lock; /* guards what follows */
	UINT64 value; /* the last that the queue was told to signal */
	bool has_memory, has_failed;
	struct ds_list waiting;
	struct decode_batch batches[NR_BATCHES];
};

/* ------------------------------------------------------------ making it */

HRESULT decode_create_buffer(ID3D12Device *device, D3D12_HEAP_TYPE type, UINT64 nbytes,
			     ID3D12Resource **out)
{
	static const D3D12_RESOURCE_STATES states[] = {
		[D3D12_HEAP_TYPE_DEFAULT] = D3D12_RESOURCE_STATE_COMMON,
		[D3D12_HEAP_TYPE_UPLOAD] = D3D12_RESOURCE_STATE_GENERIC_READ,
		[D3D12_HEAP_TYPE_READBACK] = D3D12_RESOURCE_STATE_COPY_DEST,
	};
	D3D12_HEAP_PROPERTIES heap;
	D3D12_RESOURCE_DESC desc;

	memset(&heap, 0, sizeof(heap));
	heap.Type = type;
	memset(&desc, 0, sizeof(desc));
	desc.Dimension = D3D12_RESOURCE_DIMENSION_BUFFER;
	desc.Width = nbytes;
	desc.Height = 1;
	desc.DepthOrArraySize = 1;
	desc.MipLevels = 1;
	desc.SampleDesc.Count = 1;
	desc.Layout = D3D12_TEXTURE_LAYOUT_ROW_MAJOR;
	if (type == D3D12_HEAP_TYPE_DEFAULT)
		desc.Flags = D3D12_RESOURCE_FLAG_ALLOW_UNORDERED_ACCESS;
	return ID3D12Device_CreateCommittedResource(device, &heap, D3D12_HEAP_FLAG_NONE, &desc,
						    states[type], NULL, &IID_ID3D12Resource,
						    (void **)out);
}

void decode_barrier(ID3D12GraphicsCommandList *list, ID3D12Resource *resource,
		    D3D12_RESOURCE_STATES before, D3D12_RESOURCE_STATES after)
{
	D3D12_RESOURCE_BARRIER barrier;

	memset(&barrier, 0, sizeof(barrier));
	barrier.Type = D3D12_RESOURCE_BARRIER_TYPE_TRANSITION;
	barrier.Transition.pResource = resource;
	barrier.Transition.Subresource = D3D12_RESOURCE_BARRIER_ALL_SUBRESOURCES;
	barrier.Transition.StateBefore = before;
	barrier.Transition.StateAfter = after;
	ID3D12GraphicsCommandList_ResourceBarrier(list, 1, &barrier);
}

static HRESULT make_mapped(ID3D12Device *device, D3D12_HEAP_TYPE type, UINT64 nbytes,
			   ID3D12Resource **out, void **data)
{
	HRESULT hr = decode_create_buffer(device, type, nbytes, out);

	return SUCCEEDED(hr) ? ID3D12Resource_Map(*out, 0, NULL, data) : hr;
}

static HRESULT make_memory(struct decoder *d, struct decode_batch *b)
{
	struct decode_job *job = &b->job;
	void *status_data = NULL;
	HRESULT hr;

	job->table_offset = d->room;
	job->status_offset = d->room;
	job->status_nbytes = DECODE_MAX_TILES * sizeof(UINT32);
	job->streams = core_alloc(DECODE_MAX_STREAMS * sizeof(*job->streams));
	job->tiles = core_alloc(DECODE_MAX_TILES * sizeof(*job->tiles));
	if (!job->streams || !job->tiles)
		return E_OUTOFMEMORY;
	hr = decode_create_buffer(d->device, D3D12_HEAP_TYPE_DEFAULT, d->room + DECODE_TABLE_NBYTES,
				  &job->input);
	if (SUCCEEDED(hr))
		hr = decode_create_buffer(d->device, D3D12_HEAP_TYPE_DEFAULT,
					  d->room + job->status_nbytes, &job->output);
	if (SUCCEEDED(hr))
		hr = make_mapped(d->device, D3D12_HEAP_TYPE_UPLOAD,
				 DECODE_TABLE_NBYTES + job->status_nbytes, &b->table,
				 &b->table_data);
	/* What a tile's status is until it is decoded lies behind the table. */
	if (SUCCEEDED(hr))
		memset((char *)b->table_data + DECODE_TABLE_NBYTES, 0xff,
		       (size_t)job->status_nbytes);
	if (SUCCEEDED(hr))
		hr = make_mapped(d->device, D3D12_HEAP_TYPE_READBACK, job->status_nbytes,
				 &b->status, &status_data);
	b->status_data = status_data;
	return hr;
}

static void release_resource(ID3D12Resource *resource)
{
	if (resource)
		ID3D12Resource_Release(resource);
}

static void free_batch(struct decode_batch *b)
{
	lists_release(b->allocator, b->list);
	release_resource(b->table);
	release_resource(b->status);
	release_resource(b->job.input);
	release_resource(b->job.output);
	core_free(b->job.streams);
	core_free(b->job.tiles);
}

void decoder_destroy(struct decoder *d)
{
	if (!d)
		return;
	for (unsigned int i = 0; i < NR_BATCHES; i++)
		free_batch(&d->batches[i]);
	if (d->method)
		d->method->ops->destroy(d->method);
	if (d->fence)
		ID3D12Fence_Release(d->fence);
	if (d->queue)
		ID3D12CommandQueue_Release(d->queue);
	core_free(d);
}

static HRESULT make_objects(struct decoder *d)
{
	HRESULT hr =
		lists_make_queue(d->device, D3D12_COMMAND_LIST_TYPE_COMPUTE, &d->queue, &d->fence);

	for (unsigned int i = 0; i < NR_BATCHES && SUCCEEDED(hr); i++)
		hr = lists_make(d->device, D3D12_COMMAND_LIST_TYPE_COMPUTE,
				&d->batches[i].allocator, &d->batches[i].list);
	return hr;
}

/* S_OK, or why the CPU decodes. */
static HRESULT find_method(struct decoder *d, const struct core_gpu_decoding *settings)
{
	HRESULT hr = S_FALSE;

	if (!settings->always && decode_vulkan_is_software(d->device))
		return S_FALSE;
	/* First the one that notices damage. */
	if (settings->use_vulkan)
		hr = decode_vulkan_create(d->device, &d->method);
	if (hr != S_OK && settings->use_metacommand)
		hr = decode_metacommand_create(d->device, &d->method);
	return hr;
}

static struct decoder *alloc_decoder(ID3D12Device *device)
{
	struct decoder *d = core_alloc(sizeof(*d));
	SYSTEM_INFO info;

	if (!d)
		return NULL;
	GetSystemInfo(&info);
	d->nr_processors = info.dwNumberOfProcessors;
	d->device = device;
	d->room = ds_min_u64(ds_max_u64(core_staging_size(), MIN_ROOM), MAX_ROOM);
	d->room = ds_align_down(d->room, DECODE_TILE_NBYTES);
	InitializeSRWLock(&d->lock);
	ds_list_init(&d->waiting);
	for (unsigned int i = 0; i < NR_BATCHES; i++)
		ds_list_init(&d->batches[i].requests);
	return d;
}

struct decoder *decoder_create(ID3D12Device *device)
{
	struct core_gpu_decoding settings = core_gpu_decoding();
	struct decoder *d;
	HRESULT hr;

	if (settings.is_off)
		return NULL;
	d = alloc_decoder(device);
	if (!d)
		return NULL;
	d->always = settings.always;
	hr = find_method(d, &settings);
	if (hr == S_OK)
		hr = make_objects(d);
	if (hr != S_OK) {
		if (FAILED(hr))
			log_warn("the CPU decodes, for the GPU's decoder said %08lx\n", hr);
		decoder_destroy(d);
		return NULL;
	}
	log_trace("GDeflate by %s, %s\n", d->method->ops->name,
		  d->always ? "always" : "when the CPU has enough to do");
	return d;
}

DSTORAGE_COMPRESSION_SUPPORT decoder_support(const struct decoder *d)
{
	DSTORAGE_COMPRESSION_SUPPORT support = d->method->ops->support |
					       DSTORAGE_COMPRESSION_SUPPORT_USES_COMPUTE_QUEUE |
					       DSTORAGE_COMPRESSION_SUPPORT_USES_COPY_QUEUE;

	return d->always ? support : support | DSTORAGE_COMPRESSION_SUPPORT_CPU_FALLBACK;
}

ID3D12Fence *decoder_fence(const struct decoder *d)
{
	return d->fence;
}

/* ---------------------------------------------------------- who decodes */

static UINT64 tiles_of(UINT64 nbytes)
{
	return (nbytes + DECODE_TILE_NBYTES - 1) / DECODE_TILE_NBYTES;
}

static UINT64 input_of(UINT64 stream_nbytes)
{
	return ds_align_up(stream_nbytes, STREAM_ALIGN) + STREAM_SLACK;
}

bool decoder_fits(const struct decoder *d, UINT64 stream_nbytes, UINT64 nbytes)
{
	return d && input_of(stream_nbytes) <= d->room &&
	       tiles_of(nbytes) * DECODE_TILE_NBYTES <= d->room;
}

/* With the lock. At the first request: many programs have nothing for it. */
static bool need_memory(struct decoder *d)
{
	HRESULT hr = S_OK;

	if (d->has_memory || d->has_failed)
		return d->has_memory;
	for (unsigned int i = 0; i < NR_BATCHES && SUCCEEDED(hr); i++)
		hr = make_memory(d, &d->batches[i]);
	d->has_memory = SUCCEEDED(hr);
	d->has_failed = FAILED(hr);
	if (FAILED(hr))
		log_warn("no memory for the GPU's decoder: %08lx\n", hr);
	return d->has_memory;
}

bool decoder_wants(struct decoder *d, UINT64 nbytes, bool must)
{
	UINT64 idle_nbytes = d->nr_processors * NBYTES_OF_PROCESSOR;
	bool has_memory;

	if (!must && !d->always && core_decoding_nbytes() + nbytes <= idle_nbytes)
		return false;
	AcquireSRWLockExclusive(&d->lock);
	has_memory = need_memory(d);
	ReleaseSRWLockExclusive(&d->lock);
	return has_memory;
}

/* -------------------------------------------------------------- recording */

void decoder_add(struct decoder *d, struct request *r)
{
	AcquireSRWLockExclusive(&d->lock);
	ds_list_push_back(&d->waiting, &r->link);
	ReleaseSRWLockExclusive(&d->lock);
}

static struct decode_batch *find_free(struct decoder *d)
{
	for (unsigned int i = 0; i < NR_BATCHES; i++)
		if (!d->batches[i].value && !d->batches[i].nr_users)
			return &d->batches[i];
	return NULL;
}

static bool has_room(const struct decoder *d, const struct decode_batch *b, const struct request *r)
{
	const struct decode_job *job = &b->job;

	return job->nr_streams < d->method->max_streams &&
	       b->in_nbytes + input_of(r->read_nbytes) <= d->room &&
	       (job->nr_tiles + tiles_of(r->nbytes)) * DECODE_TILE_NBYTES <= d->room;
}

/* What is wrong with a stream as such is found here; what is in its tiles only when decoding. */
static HRESULT add_stream(struct decode_batch *b, struct request *r)
{
	struct decode_job *job = &b->job;
	struct decode_stream *s = &job->streams[job->nr_streams];
	struct dsw_gdeflate_tiles a = {
		.stream = (uint64_t)(uintptr_t)r->range->data,
		.stream_nbytes = r->read_nbytes,
		.decoded_nbytes = r->nbytes,
		.tiles = (uint64_t)(uintptr_t)&job->tiles[job->nr_tiles],
		.max = DECODE_MAX_TILES - job->nr_tiles,
	};
	HRESULT hr = hresult_of(unix_call(DSW_GDEFLATE_TILES, &a));

	if (FAILED(hr))
		return hr;
	s->in_offset = (UINT32)b->in_nbytes;
	s->out_offset = (UINT32)(job->nr_tiles * DECODE_TILE_NBYTES);
	s->first_tile = job->nr_tiles;
	s->nr_tiles = a.count;
	job->nr_streams++;
	job->nr_tiles += a.count;
	b->in_nbytes += input_of(r->read_nbytes);
	r->decoded.batch = b;
	r->decoded.buffer = job->output;
	r->decoded.offset = s->out_offset;
	b->nr_users++;
	ds_list_push_back(&b->requests, &r->link);
	return S_OK;
}

static void add_streams(struct decoder *d, struct decode_batch *b, struct ds_list *failed)
{
	b->in_nbytes = 0;
	b->job.nr_streams = 0;
	b->job.nr_tiles = 0;
	while (!ds_list_is_empty(&d->waiting)) {
		struct request *r = ds_list_entry(d->waiting.next, struct request, link);

		if (!has_room(d, b, r))
			break;
		ds_list_remove(&r->link);
		r->result = add_stream(b, r);
		if (FAILED(r->result))
			ds_list_push_back(failed, &r->link);
	}
}

static void copy_streams(struct decode_batch *b)
{
	const struct decode_stream *s = b->job.streams;

	for (struct ds_list *at = b->requests.next; at != &b->requests; at = at->next, s++) {
		const struct request *r = ds_list_entry(at, struct request, link);

		ID3D12GraphicsCommandList_CopyBufferRegion(b->list, b->job.input, s->in_offset,
							   r->range->buffer, r->range->offset,
							   ds_align_up(r->read_nbytes, 4));
	}
}

static HRESULT record(struct decoder *d, struct decode_batch *b)
{
	struct decode_job *job = &b->job;
	HRESULT hr;

	copy_streams(b);
	job->table_nbytes = d->method->ops->make_table(d->method, job, b->table_data);
	if (!job->table_nbytes)
		return E_FAIL;
	ID3D12GraphicsCommandList_CopyBufferRegion(b->list, job->input, job->table_offset, b->table,
						   0, ds_align_up(job->table_nbytes, 4));
	decode_barrier(b->list, job->input, D3D12_RESOURCE_STATE_COPY_DEST,
		       D3D12_RESOURCE_STATE_UNORDERED_ACCESS);
	ID3D12GraphicsCommandList_CopyBufferRegion(b->list, job->output, job->status_offset,
						   b->table, DECODE_TABLE_NBYTES,
						   job->status_nbytes);
	decode_barrier(b->list, job->output, D3D12_RESOURCE_STATE_COPY_DEST,
		       D3D12_RESOURCE_STATE_UNORDERED_ACCESS);
	hr = d->method->ops->record(d->method, b->list, job);
	if (FAILED(hr) || !d->method->ops->has_status)
		return hr;
	decode_barrier(b->list, job->output, D3D12_RESOURCE_STATE_UNORDERED_ACCESS,
		       D3D12_RESOURCE_STATE_COPY_SOURCE);
	ID3D12GraphicsCommandList_CopyBufferRegion(b->list, b->status, 0, job->output,
						   job->status_offset,
						   job->nr_tiles * sizeof(UINT32));
	return S_OK;
}

static HRESULT execute(struct decoder *d, struct decode_batch *b)
{
	ID3D12CommandList *list = (ID3D12CommandList *)b->list;
	HRESULT hr;

	ID3D12CommandQueue_ExecuteCommandLists(d->queue, 1, &list);
	hr = ID3D12CommandQueue_Signal(d->queue, d->fence, d->value + 1);
	if (FAILED(hr))
		return hr;
	b->value = ++d->value;
	return ID3D12Fence_SetEventOnCompletion(d->fence, b->value, waits_event());
}

static HRESULT run(struct decoder *d, struct decode_batch *b)
{
	HRESULT hr = ID3D12CommandAllocator_Reset(b->allocator), closed;

	if (SUCCEEDED(hr))
		hr = ID3D12GraphicsCommandList_Reset(b->list, b->allocator, NULL);
	if (FAILED(hr))
		return hr;
	hr = record(d, b);
	closed = ID3D12GraphicsCommandList_Close(b->list);
	if (SUCCEEDED(hr))
		hr = closed;
	return SUCCEEDED(hr) ? execute(d, b) : hr;
}

static void move_all(struct ds_list *from, struct ds_list *to, HRESULT hr)
{
	while (!ds_list_is_empty(from)) {
		struct request *r = ds_list_entry(ds_list_pop_front(from), struct request, link);

		r->result = hr;
		ds_list_push_back(to, &r->link);
	}
}

void decoder_flush(struct decoder *d, struct ds_list *failed)
{
	/* A removed device passes fences that it never reached: its lists are not to be used again. */
	HRESULT gone = ID3D12Device_GetDeviceRemovedReason(d->device);
	struct decode_batch *b;

	AcquireSRWLockExclusive(&d->lock);
	if (FAILED(gone))
		move_all(&d->waiting, failed, gone);
	while (!ds_list_is_empty(&d->waiting) && (b = find_free(d))) {
		HRESULT hr = S_OK;

		add_streams(d, b, failed);
		if (!ds_list_is_empty(&b->requests))
			hr = run(d, b);
		if (FAILED(hr))
			move_all(&b->requests, failed, hr);
	}
	ReleaseSRWLockExclusive(&d->lock);
}

/* --------------------------------------------------------------- retiring */

static bool is_decoded(const struct decode_batch *b, const struct decode_stream *s)
{
	for (UINT32 i = 0; i < s->nr_tiles; i++)
		if (b->status_data[s->first_tile + i])
			return false;
	return true;
}

static void take_job(struct decoder *d, struct decode_batch *b, HRESULT hr, struct ds_list *decoded,
		     struct ds_list *failed)
{
	const struct decode_stream *s = b->job.streams;

	for (; !ds_list_is_empty(&b->requests); s++) {
		struct request *r =
			ds_list_entry(ds_list_pop_front(&b->requests), struct request, link);

		r->decoded.value = b->value;
		r->result = hr;
		if (SUCCEEDED(hr) && d->method->ops->has_status && !is_decoded(b, s))
			r->result = E_DSTORAGE_DECOMPRESSION_ERROR;
		ds_list_push_back(FAILED(r->result) ? failed : decoded, &r->link);
	}
	b->value = 0;
}

void decoder_retire(struct decoder *d, struct ds_list *decoded, struct ds_list *failed)
{
	UINT64 value = ID3D12Fence_GetCompletedValue(d->fence);
	/* A removed device passes every fence. */
	HRESULT hr = ID3D12Device_GetDeviceRemovedReason(d->device);

	AcquireSRWLockExclusive(&d->lock);
	for (unsigned int i = 0; i < NR_BATCHES; i++) {
		struct decode_batch *b = &d->batches[i];

		if (b->value && b->value <= value)
			take_job(d, b, hr, decoded, failed);
	}
	ReleaseSRWLockExclusive(&d->lock);
}

void decoder_forget(struct decoder *d, struct decode_place *place)
{
	if (!place->batch)
		return;
	AcquireSRWLockExclusive(&d->lock);
	place->batch->nr_users--;
	ReleaseSRWLockExclusive(&d->lock);
	place->batch = NULL;
}
