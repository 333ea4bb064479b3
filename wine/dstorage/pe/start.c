/* SPDX-License-Identifier: MIT */
/*
 * start.c: handing requests to the Unix half.
 *
 * With the queue's lock throughout: the pump cannot meet a request before its id is known.
 * The calls never wait for I/O.
 */
#include "core.h"
#include "custom.h"
#include "errors.h"
#include "file.h"
#include "gpu.h"
#include "log.h"
#include "memory.h"
#include "queue.h"
#include "share.h"
#include "unixlib.h"
#include "waits.h"

#define START_BATCH 64

static bool is_from_memory(const struct request *r)
{
	return r->desc.Options.SourceType == DSTORAGE_REQUEST_SOURCE_MEMORY;
}

static bool is_uncompressed(const struct request *r)
{
	return r->desc.Options.CompressionFormat == DSTORAGE_COMPRESSION_FORMAT_NONE;
}

/* The kernel reads raw files, and says EFAULT; all else is written by the runtime's threads. */
static HRESULT check_written_memory(struct request *r)
{
	if (r->is_gpu || r->is_custom || (is_uncompressed(r) && !is_from_memory(r)))
		return S_OK;
	switch (memory_writable_kind(r->desc.Destination.Memory.Buffer, r->nbytes)) {
	case MEMORY_WATCHED:
		/* Through staging memory, for a thread of Wine's to copy. */
		r->needs_staging = true;
		return S_OK;
	case MEMORY_PLAIN:
		return S_OK;
	default:
		return E_DSTORAGE_ACCESS_VIOLATION;
	}
}

static HRESULT check_memory(struct request *r)
{
	if (is_from_memory(r) && !r->is_custom &&
	    !memory_is_readable(r->desc.Source.Memory.Source, r->desc.Source.Memory.Size))
		return E_DSTORAGE_ACCESS_VIOLATION;
	return check_written_memory(r);
}

/* Once: a request that has to wait for room keeps to its decoder. */
static HRESULT choose_decoder(struct request *r)
{
	if (!r->can_be_gpus)
		return S_OK;
	r->is_gpus = gpu_wants_decode(r->queue->gpu, r->nbytes, r->must_be_gpus);
	r->can_be_gpus = false;
	return r->must_be_gpus && !r->is_gpus ? E_OUTOFMEMORY : S_OK;
}

/* Staging memory for what is read, for what arrives, and for what the GPU copies. */
static HRESULT take_staging(struct request *r)
{
	bool needs_read_block = r->is_custom && !is_from_memory(r);
	bool needs_block = r->transform || (!r->is_gpu && !r->is_custom);
	HRESULT hr = S_OK;

	if (needs_read_block && !r->read_block)
		hr = core_take_block(r->read_nbytes, &r->read_block);
	if (hr == S_OK && needs_block && !r->block) {
		hr = core_take_block(r->nbytes, &r->block);
		/* Two that hold one block each and wait for another would wait for ever. */
		if (hr != S_OK && r->read_block) {
			core_give_block(r->read_block, r->read_nbytes);
			r->read_block = NULL;
		}
	}
	if (hr == S_OK && r->is_gpu && !r->range)
		hr = gpu_take_range(r->queue->gpu, r->is_gpus ? r->read_nbytes : r->nbytes,
				    &r->range);
	return hr;
}

static void *arrival(const struct request *r)
{
	if (r->is_custom)
		return r->read_block;
	if (r->block)
		return r->block;
	return r->is_gpu ? r->range->data : r->desc.Destination.Memory.Buffer;
}

static uint64_t address(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static void describe(const struct request *r, struct dsw_request *out)
{
	bool is_raw = r->is_custom || r->is_gpus;

	*out = (struct dsw_request){
		.cookie = address(r),
		.source_nbytes = r->read_nbytes,
		.destination = r->is_native ? r->vk_offset : address(arrival(r)),
		.buffer = r->vk_buffer,
		.destination_nbytes = is_raw ? r->read_nbytes : r->nbytes,
		.format = is_raw ? DSW_FORMAT_NONE : r->desc.Options.CompressionFormat,
		.name = r->name[0] ? address(r->name) : 0,
	};
	if (is_from_memory(r)) {
		out->source = address(r->desc.Source.Memory.Source);
	} else {
		out->file = r->file->unix_file;
		out->source = r->desc.Source.File.Offset;
	}
}

/* Until it is read; a request that finds no room comes here again. */
static void count_decoding(struct request *r)
{
	if (r->is_cpus || r->is_gpus || r->is_native || r->is_custom || is_uncompressed(r))
		return;
	r->is_cpus = true;
	core_note_decoding((INT64)r->nbytes);
}

enum verdict {
	START_IT,
	DEALT_WITH,
	STOP_HERE,
};

/* What becomes of the first request of a list. */
static enum verdict prepare(struct request *r)
{
	HRESULT hr = r->result;

	if (SUCCEEDED(hr))
		hr = check_memory(r);
	if (SUCCEEDED(hr))
		hr = choose_decoder(r);
	if (SUCCEEDED(hr) && r->needs_staging) {
		hr = take_staging(r);
		if (hr == S_FALSE)
			return STOP_HERE;
	}
	if (FAILED(hr)) {
		queue_end_request(r, hr);
		return DEALT_WITH;
	}
	if (r->is_custom && is_from_memory(r)) {
		custom_offer(r);
		return DEALT_WITH;
	}
	count_decoding(r);
	return START_IT;
}

static unsigned int gather(struct ds_list *list, struct dsw_request *batch, struct request **of)
{
	unsigned int n = 0;

	while (n < START_BATCH && !ds_list_is_empty(list)) {
		struct request *r = ds_list_entry(list->next, struct request, link);
		enum verdict verdict = prepare(r);

		if (verdict == STOP_HERE)
			break;
		if (verdict == DEALT_WITH)
			continue;
		ds_list_remove(&r->link);
		describe(r, &batch[n]);
		of[n++] = r;
	}
	return n;
}

static void note_started(struct request *r, const struct dsw_request *started)
{
	r->stage = STAGE_READING;
	r->unix_id = started->id;
	r->queue->nr_busy++;
	if (started->result)
		queue_end_request(r, hresult_of(started->result));
}

/* True if the list may have more to start. */
static bool start_some(struct queue *q, struct ds_list *list, uint64_t unix_queue)
{
	struct dsw_request batch[START_BATCH];
	struct request *of[START_BATCH];
	struct dsw_queue_start a = { unix_queue, address(batch), 0, 0 };

	a.count = gather(list, batch, of);
	if (!a.count)
		return false;
	unix_call(DSW_QUEUE_START, &a);
	for (unsigned int i = 0; i < a.taken; i++)
		note_started(of[i], &batch[i]);
	/* The others come first again when the pump has made room. */
	q->is_starved = a.taken < a.count;
	if (q->is_starved)
		pump_note_starved();
	for (unsigned int i = a.count; i > a.taken; i--)
		ds_list_push_front(list, &of[i - 1]->link);
	return a.taken == START_BATCH;
}

void queue_start(struct queue *q)
{
	while (start_some(q, &q->ready, q->unix_queue)) {
	}
	while (start_some(q, &q->native, q->native_queue)) {
	}
	while (start_some(q, &q->staged, q->unix_queue)) {
	}
}

/* True if the request has to wait. All of one pass over the queue wait for the same. */
static bool settle(struct request *r)
{
	struct queue *q = r->queue;

	if (FAILED(r->result) || share_is_settled(r->resource))
		return false;
	if (!q->settle_value)
		r->result = gpu_settle(q->gpu, &q->settle_value);
	r->settle_value = q->settle_value;
	return SUCCEEDED(r->result);
}

void queue_make_ready(struct request *r)
{
	struct queue *q = r->queue;

	if (r->is_native && settle(r)) {
		r->stage = STAGE_WAITING;
		ds_list_push_back(&q->settling, &r->link);
		return;
	}
	r->stage = STAGE_READY;
	if (r->is_native)
		ds_list_push_back(&q->native, &r->link);
	else
		ds_list_push_back(r->needs_staging ? &q->staged : &q->ready, &r->link);
}

static void wake_settling(struct queue *q)
{
	for (struct ds_list *at = q->settling.next, *next; at != &q->settling; at = next) {
		struct request *r = ds_list_entry(at, struct request, link);

		next = at->next;
		if (!gpu_is_past(q->gpu, r->settle_value))
			continue;
		share_note_settled(r->resource);
		ds_list_remove(at);
		r->stage = STAGE_READY;
		ds_list_push_back(&q->native, at);
	}
}

void queue_wake_waiting(struct queue *q)
{
	wake_settling(q);
	q->settle_value = 0;
	for (struct ds_list *at = q->waiting.next, *next; at != &q->waiting; at = next) {
		struct request *r = ds_list_entry(at, struct request, link);

		next = at->next;
		if (!wait_is_over(r->wait))
			continue;
		ds_list_remove(at);
		queue_make_ready(r);
	}
}
