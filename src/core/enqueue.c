/* SPDX-License-Identifier: MIT */
/*
 * enqueue.c: requests and markers into a queue, and submitting them.
 *
 * Requests are checked and resolved without a lock into a small array, then copied
 * into reserved slots; the queue's lock is taken twice for a whole array.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "base/copy_struct.h"
#include "core/file.h"
#include "core/queue.h"

#define BATCH	       32
/* How long a full queue waits for somebody to take the results that fill it. */
#define TAKER_GRACE_NS (100 * UINT64_C(1000000))

static bool adds_up(uint64_t offset, uint64_t nbytes)
{
	return nbytes <= INT64_MAX && offset <= INT64_MAX - nbytes;
}

static bool is_file(const struct ds_location *loc)
{
	return loc->kind == DS_LOCATION_FILE || loc->kind == DS_LOCATION_FD;
}

static bool overlaps(const void *a, uint64_t a_nbytes, const void *b, uint64_t b_nbytes)
{
	return (uintptr_t)a < (uintptr_t)b + b_nbytes && (uintptr_t)b < (uintptr_t)a + a_nbytes;
}

static ds_result check_source(const struct ds_location *src)
{
	if (is_file(src))
		return adds_up(src->offset, src->nbytes) ? DS_OK : DS_ERR_OUT_OF_RANGE;
	if (src->kind >= DS_LOCATION_DEVICE_FIRST)
		return DS_OK; /* the device knows */
	if (src->kind != DS_LOCATION_MEMORY)
		return src->kind == DS_LOCATION_NONE ? DS_ERR_INVALID_ARGUMENT : DS_ERR_UNSUPPORTED;
	if (!src->data && src->nbytes)
		return DS_ERR_INVALID_ARGUMENT;
	return adds_up((uintptr_t)src->data, src->nbytes) ? DS_OK : DS_ERR_OUT_OF_RANGE;
}

/* Numbers and flags; what is wrong with them shows without looking at any object. */
static ds_result check_request(const struct ds_request *r)
{
	if (r->flags || r->priority < DS_PRIORITY_DEFAULT || r->priority > DS_PRIORITY_REALTIME)
		return DS_ERR_INVALID_ARGUMENT;
	if (r->codec == DS_CODEC_NONE && r->uncompressed_nbytes &&
	    r->uncompressed_nbytes != r->source.nbytes)
		return DS_ERR_INVALID_ARGUMENT;
	if (r->uncompressed_nbytes > INT64_MAX)
		return DS_ERR_OUT_OF_RANGE;
	return check_source(&r->source);
}

/* The memory side of a request, if it is the device's business. */
static ds_result resolve(struct ds_slot *s, struct ds_backend *be, const struct ds_location *loc,
			 uint64_t nbytes, bool is_source)
{
	struct ds_device *dev = be->pipeline.device;
	ds_result ret = dev->ops->resolve(dev, loc, nbytes, is_source, &s->target);

	if (ret || !s->target.needs_finish)
		return ret;
	s->finish = calloc(1, sizeof(*s->finish));
	return s->finish ? DS_OK : DS_ERR_NO_MEMORY;
}

static ds_result prepare_write(struct ds_slot *s, struct ds_backend *be, const struct ds_request *r)
{
	const struct ds_location *dst = &r->destination;
	ds_result ret;

	if (is_file(&r->source) || r->codec != DS_CODEC_NONE)
		return DS_ERR_UNSUPPORTED;
	if (!adds_up(dst->offset, r->source.nbytes))
		return DS_ERR_OUT_OF_RANGE;
	if (dst->nbytes && dst->nbytes < r->source.nbytes)
		return DS_ERR_DESTINATION_TOO_SMALL;
	s->is_write = true;
	if (r->source.kind >= DS_LOCATION_DEVICE_FIRST) {
		ret = resolve(s, be, &r->source, r->source.nbytes, true);
		if (ret)
			return ret;
		/* Mapped memory that is slow to read is copied by the device. */
		if (s->target.is_readable)
			s->source_memory = s->target.address;
	}
	return ds_io_target_init(&s->io, be, dst, true);
}

static ds_result prepare_read(struct ds_slot *s, struct ds_backend *be, const struct ds_request *r)
{
	ds_result ret;

	if (r->source.kind >= DS_LOCATION_DEVICE_FIRST)
		return DS_ERR_UNSUPPORTED;
	if (r->destination.nbytes < s->result_nbytes)
		return DS_ERR_DESTINATION_TOO_SMALL;
	ret = resolve(s, be, &r->destination, s->result_nbytes, false);
	if (ret)
		return ret;
	if (r->source.kind == DS_LOCATION_MEMORY)
		return s->target.address && overlaps(r->source.data, r->source.nbytes,
						     s->target.address, s->result_nbytes)
			       ? DS_ERR_INVALID_ARGUMENT
			       : DS_OK;
	return ds_io_target_init(&s->io, be, &r->source, false);
}

/* Gives back what a request's preparation took. */
static void unprepare(struct ds_backend *be, struct ds_slot *s)
{
	if (s->io.file)
		ds_file_unref(s->io.file);
	ds_target_release(&be->pipeline, s);
}

static ds_result prepare_plain(struct ds_queue *q, const struct ds_request *r, struct ds_slot *s)
{
	bool is_write = is_file(&r->destination);
	ds_result ret;

	if (r->codec != DS_CODEC_NONE && !(s->codec = ds_backend_codec(q->be, r->codec)))
		return DS_ERR_UNSUPPORTED;
	if (r->source.kind == DS_LOCATION_MEMORY)
		s->source_memory = r->source.data;
	s->file_offset = is_write ? r->destination.offset : r->source.offset;
	s->nbytes = r->source.nbytes;
	s->result_nbytes = s->codec ? r->uncompressed_nbytes : s->nbytes;
	s->level = (uint8_t)((r->priority ? r->priority : q->priority) - DS_PRIORITY_LOW);
	s->always_stage = q->flags & DS_QUEUE_ALWAYS_STAGE;
	s->timeout_ns = r->timeout_ns;
	atomic_init(&s->tag, r->tag);
	s->callback = r->callback;
	s->user_data = r->user_data;
	s->name = r->name;
	if (s->timeout_ns) {
		ret = ds_timer_start(&q->be->timer);
		if (ret)
			return ret;
	}
	return is_write ? prepare_write(s, q->be, r) : prepare_read(s, q->be, r);
}

/* Checks a request and fills in the request's part of *s. */
static ds_result prepare(struct ds_queue *q, const struct ds_request *r, struct ds_slot *s)
{
	ds_result ret = check_request(r);

	if (ret)
		return ret;
	memset(s, 0, sizeof(*s));
	s->io.fd = -1;
	s->io.direct_fd = -1;
	ret = prepare_plain(q, r, s);
	if (ret)
		unprepare(q->be, s);
	return ret;
}

/* Copies the prepared part into a reserved slot and makes it PENDING. With the queue's lock. */
static uint64_t commit(struct ds_queue *q, struct ds_slot *s, const struct ds_slot *from)
{
	uint64_t w = atomic_load_explicit(&s->word, memory_order_relaxed);

	s->source_memory = from->source_memory;
	s->finish = from->finish;
	s->file_offset = from->file_offset;
	s->io = from->io;
	s->target = from->target;
	s->codec = from->codec;
	s->nbytes = from->nbytes;
	s->result_nbytes = from->result_nbytes;
	s->is_write = from->is_write;
	s->always_stage = from->always_stage;
	s->level = from->level;
	s->timeout_ns = from->timeout_ns;
	s->callback = from->callback;
	s->user_data = from->user_data;
	s->name = from->name;
	s->issued = 0;
	s->next_unit = 0;
	s->nr_units = 0;
	s->nr_windows = 0;
	s->is_planned = false;
	s->is_parked = false;
	s->was_late = false;
	s->is_finishing = false;
	s->stream = NULL;
	atomic_store_explicit(&s->tag, atomic_load_explicit(&from->tag, memory_order_relaxed),
			      memory_order_relaxed);
	atomic_store_explicit(&s->deadline_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&s->submit_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&s->start_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&s->bytes_read, 0, memory_order_relaxed);
	atomic_store_explicit(&s->bytes_delivered, 0, memory_order_relaxed);
	atomic_store_explicit(&s->bytes_direct, 0, memory_order_relaxed);
	atomic_store_explicit(&s->bytes_peer, 0, memory_order_relaxed);
	atomic_store_explicit(&s->bytes_device_decoded, 0, memory_order_relaxed);
	atomic_store_explicit(&s->bytes_driver_decoded, 0, memory_order_relaxed);
	atomic_store_explicit(&s->is_staged, false, memory_order_relaxed);
	atomic_store_explicit(&s->error, DS_OK, memory_order_relaxed);
	atomic_store_explicit(&s->is_published, false, memory_order_relaxed);
	atomic_store_explicit(&s->work, 1, memory_order_relaxed);
	atomic_store_explicit(&s->holds, q->flags & DS_QUEUE_NO_RESULTS ? 2 : 3,
			      memory_order_relaxed);
	s->segment = ds_markers_join(&q->markers);
	ds_list_push_back(&q->pending, &s->link);
	s->is_in_pending = true;
	q->nr_pending++;
	/* Pairs with the acquire of a cancel: it sees the request that it names. */
	atomic_store_explicit(&s->word, DS_WORD(DS_WORD_GENERATION(w), DS_STATE_PENDING),
			      memory_order_release);
	return ds_slot_id(s, w);
}

/* With the queue's lock. */
static uint32_t space(const struct ds_queue *q)
{
	uint32_t markers = ds_markers_count(&q->markers);

	return q->nr_free > markers ? q->nr_free - markers : 0;
}

static bool is_half_full(const struct ds_queue *q)
{
	return !(q->flags & DS_QUEUE_NO_AUTO_SUBMIT) && q->nr_pending * 2 >= q->capacity;
}

/*
 * How long to wait for takers. Not at all if this thread is the only one; not for ever if
 * there are others, for they may all be waiting here. With the queue's lock.
 */
static uint64_t taker_grace_ns(const struct ds_queue *q)
{
	bool is_only_taker =
		q->has_taker && !q->has_takers && pthread_equal(q->taker, pthread_self());

	return is_only_taker ? 0 : TAKER_GRACE_NS;
}

/* All that fills the queue are results that somebody has to take. */
static bool is_full_of_results(struct ds_queue *q)
{
	/* A cancelled request's slot may stay a little longer than its result. */
	return !atomic_load(&q->unended) && !ds_markers_count(&q->markers) &&
	       atomic_load(&q->nr_done) + q->nr_free >= q->capacity;
}

/* Waits for space. With the queue's lock, which it may drop in between. */
static ds_result wait_for_space(struct ds_queue *q)
{
	uint64_t grace = 0;
	bool in_time;

	while (!space(q)) {
		if (q->is_closing)
			return DS_ERR_CLOSED;
		if (q->flags & DS_QUEUE_NONBLOCKING || ds_service_is_current(&q->be->service))
			return DS_ERR_QUEUE_FULL;
		if (q->nr_pending) {
			pthread_mutex_unlock(&q->lock);
			ds_queue_submit(q);
			pthread_mutex_lock(&q->lock);
			continue;
		}
		if (!is_full_of_results(q))
			grace = UINT64_MAX;
		else if (grace == UINT64_MAX || !grace)
			grace = ds_now_ns() + taker_grace_ns(q);
		q->nr_space_waiters++;
		in_time = ds_cond_wait_until(&q->space, &q->lock, grace);
		q->nr_space_waiters--;
		if (q->is_closing)
			pthread_cond_broadcast(&q->space);
		else if (!in_time && !space(q) && is_full_of_results(q))
			return DS_ERR_RESULTS_NOT_TAKEN;
		if (in_time)
			grace = 0; /* somebody has taken some, and may take more */
	}
	return q->is_closing ? DS_ERR_CLOSED : DS_OK;
}

/* Takes up to `want` free slots, at least one. */
static ds_result reserve(struct ds_queue *q, uint32_t want, struct ds_slot **slots, uint32_t *nr)
{
	ds_result ret;

	pthread_mutex_lock(&q->lock);
	ret = wait_for_space(q);
	if (!ret) {
		*nr = (uint32_t)ds_min_u64(want, space(q));
		for (uint32_t i = 0; i < *nr; i++) {
			slots[i] = q->free;
			q->free = q->free->next;
		}
		q->nr_free -= *nr;
		/* Keeps the queue alive until they are committed or given back. */
		atomic_fetch_add_explicit(&q->live, *nr, memory_order_relaxed);
	}
	pthread_mutex_unlock(&q->lock);
	return ret;
}

/* Commits the first nr_ok of the reserved slots and gives the others back. */
static ds_result commit_all(struct ds_queue *q, struct ds_slot **slots, uint32_t nr,
			    struct ds_slot *prepared, uint32_t nr_ok, uint64_t *ids)
{
	uint64_t now = ds_now_ns();
	bool submit = false;
	ds_result ret = DS_OK;

	pthread_mutex_lock(&q->lock);
	if (q->is_closing) {
		ret = DS_ERR_CLOSED;
		for (uint32_t i = 0; i < nr_ok; i++)
			unprepare(q->be, &prepared[i]);
		nr_ok = 0;
	}
	atomic_fetch_add(&q->unended, nr_ok);
	atomic_fetch_add_explicit(&q->live, 2 * nr_ok, memory_order_relaxed);
	for (uint32_t i = 0; i < nr_ok; i++) {
		uint64_t id;

		slots[i]->enqueue_ns = now;
		id = commit(q, slots[i], &prepared[i]);
		if (ids)
			ids[i] = id;
	}
	for (uint32_t i = nr_ok; i < nr; i++) {
		slots[i]->next = q->free;
		q->free = slots[i];
		q->nr_free++;
	}
	if (nr_ok < nr && q->nr_space_waiters)
		pthread_cond_broadcast(&q->space);
	submit = is_half_full(q);
	pthread_mutex_unlock(&q->lock);
	ds_count(&q->counters.enqueued, nr_ok);
	if (submit)
		ds_queue_submit(q);
	ds_queue_drop_live(q, nr);
	return ret;
}

/* Requests are read at the caller's stride, which is the size of the first. */
static ds_result prepare_at(struct ds_queue *q, const void *request, uint32_t stride,
			    struct ds_slot *out)
{
	struct ds_request r;
	uint32_t size;
	ds_result ret;

	memcpy(&size, request, sizeof(size));
	if (size != stride)
		return DS_ERR_INVALID_ARGUMENT;
	ret = ds_copy_config(&r, sizeof(r), request, DS_REQUEST_SIZE_0);
	return ret ? ret : prepare(q, &r, out);
}

static ds_result enqueue_batch(struct ds_queue *q, const unsigned char *requests, uint32_t stride,
			       uint32_t count, uint64_t *ids, uint32_t *taken)
{
	struct ds_slot *slots[BATCH];
	struct ds_slot prepared[BATCH];
	uint32_t nr = 0, ok = 0;
	ds_result ret, closed;

	*taken = 0;
	ret = reserve(q, count < BATCH ? count : BATCH, slots, &nr);
	if (ret)
		return ret;
	while (ok < nr && !ret) {
		ret = prepare_at(q, requests + (size_t)ok * stride, stride, &prepared[ok]);
		if (!ret)
			ok++;
	}
	closed = commit_all(q, slots, nr, prepared, ok, ids);
	if (closed)
		return closed;
	*taken = ok;
	return ret;
}

ds_result ds_queue_enqueue_many(struct ds_queue *q, const struct ds_request *requests,
				uint32_t count, uint64_t *ids, uint32_t *enqueued)
{
	const unsigned char *p = (const unsigned char *)requests;
	uint32_t stride = 0, done = 0, taken;
	ds_result ret = DS_OK;

	if (!q || (!requests && count))
		return DS_ERR_INVALID_ARGUMENT;
	if (count)
		stride = requests->size;
	while (done < count && !ret) {
		ret = enqueue_batch(q, p + (size_t)done * stride, stride, count - done,
				    ids ? ids + done : NULL, &taken);
		done += taken;
	}
	if (enqueued)
		*enqueued = done;
	return ret;
}

ds_result ds_queue_enqueue(struct ds_queue *q, const struct ds_request *request, uint64_t *id)
{
	if (!request)
		return DS_ERR_INVALID_ARGUMENT;
	return ds_queue_enqueue_many(q, request, 1, id, NULL);
}

static ds_result enqueue_marker(struct ds_queue *q, struct ds_marker *marker)
{
	bool submit = false;
	ds_result ret;

	pthread_mutex_lock(&q->lock);
	ret = wait_for_space(q);
	if (!ret) {
		ds_markers_close(&q->markers, marker);
		if (marker->kind == DS_MARKER_STATUS)
			ds_status_array_reset(marker->array, marker->index);
		q->nr_pending++;
		submit = is_half_full(q);
	}
	pthread_mutex_unlock(&q->lock);
	if (ret)
		ds_marker_release(marker);
	else if (submit)
		ds_queue_submit(q);
	return ret;
}

ds_result ds_queue_enqueue_status(struct ds_queue *q, struct ds_status_array *array, uint32_t index)
{
	struct ds_marker marker = { .kind = DS_MARKER_STATUS, .array = array, .index = index };

	if (!q || !array || !ds_status_array_has(array, index))
		return DS_ERR_INVALID_ARGUMENT;
	ds_status_array_ref(array);
	return enqueue_marker(q, &marker);
}

ds_result ds_queue_enqueue_signal(struct ds_queue *q, struct ds_fence *fence, uint64_t value)
{
	struct ds_marker marker = { .kind = DS_MARKER_SIGNAL, .fence = fence, .value = value };

	if (!q || !fence)
		return DS_ERR_INVALID_ARGUMENT;
	ds_fence_ref(fence);
	return enqueue_marker(q, &marker);
}

ds_result ds_queue_enqueue_event(struct ds_queue *q, int event_fd)
{
	struct ds_marker marker = { .kind = DS_MARKER_EVENT };

	if (!q)
		return DS_ERR_INVALID_ARGUMENT;
	marker.event_fd = fcntl(event_fd, F_DUPFD_CLOEXEC, 0);
	if (marker.event_fd < 0)
		return errno == EBADF ? DS_ERR_BAD_FILE : DS_ERR_SYSTEM;
	return enqueue_marker(q, &marker);
}

/*
 * Moves the pending list to *submitted. Requests cancelled just now are unlinked here
 * instead of by their canceller, who finds them on no list; they go to *dropped.
 * With the queue's lock. Returns the earliest deadline.
 */
static uint64_t take_pending(struct ds_queue *q, struct ds_list *submitted, struct ds_list *dropped,
			     uint32_t *nr)
{
	uint64_t now = ds_now_ns(), first = UINT64_MAX;
	struct ds_list *node;

	while ((node = ds_list_pop_front(&q->pending))) {
		struct ds_slot *s = ds_list_entry(node, struct ds_slot, link);
		uint64_t deadline = 0;

		s->is_in_pending = false;
		if (s->timeout_ns) {
			deadline = s->timeout_ns > UINT64_MAX - 1 - now ? UINT64_MAX - 1
									: now + s->timeout_ns;
			first = ds_min_u64(first, deadline);
		}
		atomic_store_explicit(&s->deadline_ns, deadline, memory_order_relaxed);
		atomic_store_explicit(&s->submit_ns, now, memory_order_relaxed);
		atomic_fetch_add(&q->in_flight, 1);
		if (ds_slot_advance(s, DS_STATE_PENDING, DS_STATE_SUBMITTED)) {
			ds_list_push_back(submitted, &s->link);
			(*nr)++;
		} else {
			atomic_fetch_sub(&q->in_flight, 1); /* see drop_slots() */
			ds_list_push_back(dropped, &s->link);
		}
	}
	q->nr_pending = 0;
	return first;
}

static void drop_slots(struct ds_queue *q, struct ds_list *dropped)
{
	struct ds_list *node;

	while ((node = ds_list_pop_front(dropped)))
		ds_pipeline_work_done(ds_list_entry(node, struct ds_slot, link));
	/* They were counted as in flight for a moment. */
	ds_queue_wake_all(q);
}

ds_result ds_queue_submit(struct ds_queue *q)
{
	struct ds_list submitted, dropped;
	uint64_t deadline;
	uint32_t nr = 0;
	bool is_due;

	if (!q)
		return DS_ERR_INVALID_ARGUMENT;
	ds_list_init(&submitted);
	ds_list_init(&dropped);
	pthread_mutex_lock(&q->lock);
	/* The queue must outlive this call, whatever its requests do meanwhile. */
	atomic_fetch_add_explicit(&q->live, 1, memory_order_relaxed);
	deadline = take_pending(q, &submitted, &dropped, &nr);
	is_due = ds_markers_submit(&q->markers);
	ds_count(&q->counters.submitted, nr);
	if (nr)
		ds_scheduler_add(&q->be->pipeline, &submitted);
	pthread_mutex_unlock(&q->lock);

	if (!ds_list_is_empty(&dropped))
		drop_slots(q, &dropped);
	if (deadline != UINT64_MAX)
		ds_timer_arm(&q->be->timer, deadline);
	if (is_due && ds_markers_fire(&q->markers))
		ds_queue_space_freed(q);
	ds_scheduler_run(&q->be->pipeline);
	ds_queue_drop_live(q, 1);
	return DS_OK;
}
