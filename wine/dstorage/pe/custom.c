/* SPDX-License-Identifier: MIT */
/*
 * custom.c: see custom.h.
 *
 * Requests that are offered wait in a list until the program fetches them. From then on they
 * are its own, and are found again by their id: a place in a table, and how often that place was
 * used, so that an id that the program invents or answers twice finds nothing.
 */
#include "custom.h"

#include "core.h"
#include "gpu.h"
#include "log.h"
#include "queue.h"

#define FIRST_CUSTOM_FORMAT DSTORAGE_CUSTOM_COMPRESSION_0

struct place {
	struct request *request; /* or NULL */
	UINT32 generation;
	UINT32 next_free; /* index + 1 */
};

static SRWLOCK custom_lock = SRWLOCK_INIT; /* guards what follows */
static struct ds_list offered_custom = { &offered_custom, &offered_custom };
static struct ds_list offered_builtin = { &offered_builtin, &offered_builtin };
static struct place *places;
static UINT32 nr_places, first_free; /* first_free: index + 1 */
static HANDLE event;

/* With the lock. Auto-reset: who is woken takes all there is. */
static HANDLE need_event(void)
{
	if (!event)
		event = CreateEventW(NULL, FALSE, FALSE, NULL);
	return event;
}

HANDLE custom_event(void)
{
	HANDLE h;

	AcquireSRWLockExclusive(&custom_lock);
	h = need_event();
	ReleaseSRWLockExclusive(&custom_lock);
	return h;
}

void custom_offer(struct request *r)
{
	bool is_builtin = r->desc.Options.CompressionFormat < FIRST_CUSTOM_FORMAT;

	/* From memory it comes straight from a list of the queue's. */
	if (ds_list_is_linked(&r->link))
		ds_list_remove(&r->link);
	if (r->stage == STAGE_PLACING) {
		r->queue->nr_busy--;
		/* Who waits for that does not wait for the program. */
		WakeAllConditionVariable(&r->queue->changed);
	}
	r->stage = STAGE_OFFERED;
	AcquireSRWLockExclusive(&custom_lock);
	ds_list_push_back(is_builtin ? &offered_builtin : &offered_custom, &r->link);
	SetEvent(need_event());
	ReleaseSRWLockExclusive(&custom_lock);
}

bool custom_take_back(struct request *r)
{
	bool is_ours;

	AcquireSRWLockExclusive(&custom_lock);
	is_ours = !r->is_handed_out;
	if (is_ours)
		ds_list_remove(&r->link);
	ReleaseSRWLockExclusive(&custom_lock);
	return is_ours;
}

/* --------------------------------------------------------------------- ids */

/* The table doubles; where it moves to is nobody's business but ours. */
static bool grow(void)
{
	UINT32 more = nr_places ? 2 * nr_places : 64;
	struct place *bigger = core_alloc(more * sizeof(*bigger));

	if (!bigger)
		return false;
	for (UINT32 i = 0; i < nr_places; i++)
		bigger[i] = places[i];
	for (UINT32 i = more; i > nr_places; i--) {
		bigger[i - 1].next_free = first_free;
		first_free = i;
	}
	core_free(places);
	places = bigger;
	nr_places = more;
	return true;
}

static bool give_id(struct request *r)
{
	struct place *p;
	UINT32 index;

	if (!first_free && !grow())
		return false;
	index = first_free - 1;
	p = &places[index];
	first_free = p->next_free;
	p->request = r;
	r->custom_id = (UINT64)p->generation << 32 | index;
	return true;
}

static struct request *take_by_id(UINT64 id)
{
	UINT32 index = (UINT32)id;
	struct request *r;
	struct place *p;

	if (index >= nr_places)
		return NULL;
	p = &places[index];
	if (!p->request || p->generation != (UINT32)(id >> 32))
		return NULL;
	r = p->request;
	p->request = NULL;
	p->generation++;
	p->next_free = first_free;
	first_free = index + 1;
	return r;
}

/* ------------------------------------------------------------ handing out */

static void describe(const struct request *r, DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST *out)
{
	*out = (DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST){
		.Id = r->custom_id,
		.CompressionFormat = r->desc.Options.CompressionFormat,
		.SrcSize = r->read_nbytes,
		.SrcBuffer = r->read_block ? r->read_block : r->desc.Source.Memory.Source,
		.DstSize = r->nbytes,
		.DstBuffer = r->desc.Destination.Memory.Buffer,
	};
	if (r->block) {
		out->DstBuffer = r->block;
	} else if (r->is_gpu) {
		out->DstBuffer = r->range->data;
		out->Flags = DSTORAGE_CUSTOM_DECOMPRESSION_FLAG_DEST_IN_UPLOAD_HEAP;
	}
}

static UINT32 hand_out(struct ds_list *offered, UINT32 max,
		       DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST *requests)
{
	UINT32 n = 0;

	while (n < max && !ds_list_is_empty(offered)) {
		struct request *r = ds_list_entry(offered->next, struct request, link);

		if (!give_id(r))
			break;
		ds_list_remove(&r->link);
		r->is_handed_out = true;
		describe(r, &requests[n++]);
	}
	return n;
}

HRESULT custom_get(UINT32 flags, UINT32 max, DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST *requests,
		   UINT32 *count)
{
	UINT32 n = 0;
	bool has_more;

	if (!count || (max && !requests))
		return E_POINTER;
	if (!flags || flags & ~(UINT32)DSTORAGE_GET_REQUEST_FLAG_SELECT_ALL)
		return E_INVALIDARG;
	AcquireSRWLockExclusive(&custom_lock);
	if (flags & DSTORAGE_GET_REQUEST_FLAG_SELECT_CUSTOM)
		n += hand_out(&offered_custom, max, requests);
	if (flags & DSTORAGE_GET_REQUEST_FLAG_SELECT_BUILTIN)
		n += hand_out(&offered_builtin, max - n, requests + n);
	has_more = (flags & DSTORAGE_GET_REQUEST_FLAG_SELECT_CUSTOM &&
		    !ds_list_is_empty(&offered_custom)) ||
		   (flags & DSTORAGE_GET_REQUEST_FLAG_SELECT_BUILTIN &&
		    !ds_list_is_empty(&offered_builtin));
	/* For those who take one at a time and wait again. */
	if (has_more && n)
		SetEvent(need_event());
	ReleaseSRWLockExclusive(&custom_lock);
	*count = n;
	return S_OK;
}

/* --------------------------------------------------------------- answers */

static struct request *find(UINT64 id)
{
	struct request *r;

	AcquireSRWLockExclusive(&custom_lock);
	r = take_by_id(id);
	ReleaseSRWLockExclusive(&custom_lock);
	return r;
}

/* The answer comes after the queue was closed: only its memory is left to be freed. */
static void drop(struct queue *q, struct request *r)
{
	bool is_last;

	queue_end_request(r, S_OK);
	is_last = !--q->nr_handed_out && q->is_released;
	ReleaseSRWLockExclusive(&q->lock);
	if (is_last)
		queue_free(q);
	core_kick();
}

static void answer(struct request *r, HRESULT hr)
{
	struct queue *q = r->queue;

	AcquireSRWLockExclusive(&q->lock);
	if (q->is_closed) {
		drop(q, r);
		return;
	}
	r->stage = STAGE_PLACING;
	q->nr_busy++;
	ReleaseSRWLockExclusive(&q->lock);
	request_place_custom(r, hr);
}

HRESULT custom_set_results(UINT32 count, const DSTORAGE_CUSTOM_DECOMPRESSION_RESULT *results)
{
	HRESULT hr = S_OK;

	if (count && !results)
		return E_POINTER;
	for (UINT32 i = 0; i < count; i++) {
		struct request *r = find(results[i].Id);

		if (r) {
			answer(r, results[i].Result);
		} else {
			log_warn("no request has the id %llx\n", results[i].Id);
			hr = E_INVALIDARG;
		}
	}
	return hr;
}
