/* SPDX-License-Identifier: MIT */
/*
 * completion.c: how a request's end becomes known.
 *
 * ds_request_ended() is called once, by who made the move into the end state. It
 * writes the result, counts it, lets markers fire, has callbacks run, and publishes:
 * completion list, event descriptor, sleeping waiters.
 */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "base/copy_struct.h"
#include "core/queue.h"

/* Requests that are published together: what a ring has reaped at once. */
#define MAX_BATCH 64

static uint32_t path_of(struct ds_slot *s)
{
	uint64_t read = atomic_load_explicit(&s->bytes_read, memory_order_relaxed);
	bool is_staged = atomic_load_explicit(&s->is_staged, memory_order_relaxed);

	if (s->io.fd < 0)
		return s->nbytes ? DS_PATH_MEMORY : DS_PATH_NONE;
	if (!read)
		return DS_PATH_NONE;
	if (atomic_load_explicit(&s->bytes_peer, memory_order_relaxed) * 2 > read)
		return DS_PATH_PEER;
	/* What was not staged went through host memory in the engine. */
	is_staged = is_staged || s->target.peer_address;
	if (atomic_load_explicit(&s->bytes_direct, memory_order_relaxed) * 2 > read)
		return is_staged ? DS_PATH_DIRECT_STAGED : DS_PATH_DIRECT;
	return is_staged ? DS_PATH_BUFFERED_STAGED : DS_PATH_BUFFERED;
}

static void fill_completion(struct ds_slot *s, uint64_t word, bool was_submitted)
{
	struct ds_completion *c = &s->completion;

	memset(c, 0, sizeof(*c));
	c->size = sizeof(*c);
	c->status = DS_WORD_STATE(word);
	c->id = ds_slot_id(s, word);
	c->user_data = s->user_data;
	c->tag = atomic_load_explicit(&s->tag, memory_order_relaxed);
	c->name = s->name;
	c->bytes_transferred = atomic_load_explicit(&s->bytes_delivered, memory_order_relaxed);
	c->bytes_read = atomic_load_explicit(&s->bytes_read, memory_order_relaxed);
	c->path = path_of(s);
	c->bytes_device_decoded =
		atomic_load_explicit(&s->bytes_device_decoded, memory_order_relaxed);
	c->bytes_driver_decoded =
		atomic_load_explicit(&s->bytes_driver_decoded, memory_order_relaxed);
	c->enqueue_ns = s->enqueue_ns;
	if (was_submitted) {
		c->submit_ns = atomic_load_explicit(&s->submit_ns, memory_order_relaxed);
		c->start_ns = atomic_load_explicit(&s->start_ns, memory_order_relaxed);
	}
	c->end_ns = ds_now_ns();
	c->failed_fd = -1;
	if (c->status == DS_STATUS_CANCELLED) {
		c->result = DS_ERR_CANCELLED;
		c->reason = DS_WORD_REASON(word);
	} else if (c->status == DS_STATUS_FAILED) {
		c->result = atomic_load_explicit(&s->error, memory_order_relaxed);
		c->sys_errno = s->failed_errno;
		c->failed_operation = s->failed_operation;
		c->failed_fd = s->failed_fd;
		c->failed_offset = s->failed_offset;
		c->failed_nbytes = s->failed_nbytes;
	}
}

static void count_end(struct ds_counters *n, const struct ds_slot *s)
{
	const struct ds_completion *c = &s->completion;

	switch (c->status) {
	case DS_STATUS_COMPLETE:
		ds_count(&n->path_requests[c->path], 1);
		ds_count(&n->path_bytes[c->path], c->bytes_transferred);
		if (s->codec)
			ds_count(&n->bytes_decoded, c->bytes_transferred);
		ds_count(&n->bytes_device_decoded, c->bytes_device_decoded);
		ds_counters_latency(n, c->end_ns - c->submit_ns);
		break;
	case DS_STATUS_FAILED:
		ds_count(&n->failed, 1);
		break;
	default:
		ds_count(&n->cancelled, 1);
		if (c->reason == DS_REASON_TIMEOUT)
			ds_count(&n->timed_out, 1);
	}
}

void ds_request_ended(struct ds_slot *s, bool was_submitted)
{
	struct ds_queue *q = s->queue;
	struct ds_service *sv = &q->be->service;
	uint64_t word = atomic_load_explicit(&s->word, memory_order_acquire);

	fill_completion(s, word, was_submitted);
	count_end(&q->counters, s);
	if (s->completion.status == DS_STATUS_FAILED && sv->error_callback) {
		ds_service_push(sv, s);
		return;
	}
	if (ds_markers_leave(&q->markers, s->segment, s->completion.result))
		ds_queue_space_freed(q);
	if (s->callback && s->completion.status != DS_STATUS_CANCELLED)
		ds_service_push(sv, s);
	else
		ds_queue_publish(s);
}

/* -------------------------------------------------------------- publishing */

static void set_event(struct ds_queue *q)
{
	static const uint64_t one = 1;
	int fd = atomic_load(&q->event_fd);
	ssize_t ignored;

	if (fd < 0 || atomic_exchange(&q->is_event_set, true))
		return;
	ignored = write(fd, &one, sizeof(one));
	(void)ignored;
}

/* With take_lock. A result that comes meanwhile sets it again, here or there. */
static void reset_event(struct ds_queue *q)
{
	int fd = atomic_load(&q->event_fd);
	uint64_t value;
	ssize_t ignored;

	if (fd < 0 || !atomic_load(&q->is_event_set))
		return;
	ignored = read(fd, &value, sizeof(value));
	(void)ignored;
	atomic_store(&q->is_event_set, false);
	if (atomic_load(&q->nr_done))
		set_event(q);
}

/* Ended requests of one queue, linked by `next`, the newest first. */
struct ended {
	struct ds_queue *q;
	struct ds_slot *newest;
	struct ds_slot *oldest;
	uint32_t nr;
	uint32_t nr_submitted;
};

static void push_done(struct ds_queue *q, const struct ended *e)
{
	struct ds_slot *top = atomic_load_explicit(&q->done, memory_order_relaxed);

	do {
		e->oldest->next = top;
	} while (!atomic_compare_exchange_weak_explicit(
		&q->done, &top, e->newest, memory_order_release, memory_order_relaxed));
}

void ds_queue_wake_all(struct ds_queue *q)
{
	if (atomic_load(&q->wake_at) == DS_NO_WAKE)
		return;
	/* A waiter that has looked is asleep by now; broadcast unlocked, or it wakes up to a taken lock. */
	pthread_mutex_lock(&q->wait_lock);
	pthread_mutex_unlock(&q->wait_lock);
	pthread_cond_broadcast(&q->changed);
}

/* Who waits, if what they wait for is there. */
static void wake_waiters(struct ds_queue *q)
{
	uint32_t wake_at = atomic_load(&q->wake_at);

	if (wake_at != DS_NO_WAKE &&
	    (atomic_load(&q->nr_done) >= wake_at || !atomic_load(&q->in_flight)))
		ds_queue_wake_all(q);
}

static void publish(const struct ended *e)
{
	struct ds_queue *q = e->q;
	bool keep = !(q->flags & DS_QUEUE_NO_RESULTS);
	struct ds_slot *s, *next;

	/* First: who has a result counts its request as in flight no more. q->in_flight is for waiters, and falls last. */
	ds_count(&q->counters.published, e->nr_submitted);
	/*
	 * is_published and the counts are sequentially consistent, and partner of ds_queue_sleep(): it
	 * writes wake_at and then reads them, here they are written and wake_at is read.
	 * nr_done goes up before the push, so that a taker never counts below zero.
	 */
	for (s = e->newest; s; s = s->next) {
		atomic_store(&s->is_published, true);
		/* The list's own hold is left: once the result is taken, the slot is free. */
		if (keep)
			ds_slot_put(s);
	}
	if (keep) {
		atomic_fetch_add(&q->nr_done, e->nr);
		push_done(q, e);
		set_event(q);
	}
	if (atomic_fetch_sub(&q->unended, e->nr) == e->nr)
		ds_queue_space_freed(q); /* who waits for space may have to give up now */
	if (e->nr_submitted)
		atomic_fetch_sub(&q->in_flight, e->nr_submitted);
	/* What is in the list may be taken and used again from the push on. */
	for (s = keep ? NULL : e->newest; s; s = next) {
		next = s->next;
		ds_slot_put(s);
	}
	wake_waiters(q);
	ds_queue_drop_live(q, e->nr);
}

/* What this thread has still to publish; the requests keep the queue alive. */
static _Thread_local struct {
	bool is_open;
	struct ended ended;
} batch;

static void flush_batch(void)
{
	struct ended e = batch.ended;

	batch.ended.nr = 0;
	if (e.nr)
		publish(&e);
}

void ds_publish_batch_begin(void)
{
	batch.is_open = true;
}

void ds_publish_batch_end(void)
{
	batch.is_open = false;
	flush_batch();
}

void ds_queue_publish(struct ds_slot *s)
{
	struct ended *e = &batch.ended;

	/* Not with s itself: its pipeline has still to let go of it, or the slot is not free once taken. */
	if (e->nr == MAX_BATCH || (e->nr && e->q != s->queue))
		flush_batch();
	if (!e->nr)
		*e = (struct ended){ .q = s->queue, .oldest = s };
	s->next = e->nr ? e->newest : NULL;
	e->newest = s;
	e->nr++;
	e->nr_submitted += s->completion.submit_ns != 0;
	if (!batch.is_open)
		flush_batch();
}

/* ------------------------------------------------------------------ taking */

/* With take_lock. */
static struct ds_slot *take_one(struct ds_queue *q)
{
	struct ds_slot *s = q->taken_first, *stack;

	if (!s) {
		stack = atomic_exchange_explicit(&q->done, NULL, memory_order_acquire);
		while (stack) {
			struct ds_slot *next = stack->next;

			stack->next = s;
			s = stack;
			stack = next;
		}
	}
	q->taken_first = s ? s->next : NULL;
	return s;
}

/* Remembers who takes results; see wait_for_space(). */
static void note_taker(struct ds_queue *q)
{
	pthread_mutex_lock(&q->lock);
	if (!q->has_taker) {
		q->has_taker = true;
		q->taker = pthread_self();
	} else if (!pthread_equal(q->taker, pthread_self())) {
		q->has_takers = true;
	}
	pthread_mutex_unlock(&q->lock);
}

static uint32_t take(struct ds_queue *q, unsigned char *out, uint32_t stride, uint32_t max)
{
	struct ds_slot_chain chain = { NULL, 0 };
	struct ds_slot *s;
	uint32_t n = 0;

	if (!atomic_load(&q->nr_done))
		return 0;
	pthread_mutex_lock(&q->take_lock);
	while (n < max && (s = take_one(q))) {
		unsigned char *dst = out + (size_t)n * stride;

		memcpy(dst, &stride, sizeof(stride));
		ds_copy_out(dst, &s->completion, sizeof(s->completion), DS_COMPLETION_SIZE_0);
		atomic_fetch_sub(&q->nr_done, 1);
		ds_slot_put_to(s, &chain);
		n++;
	}
	if (!q->taken_first)
		reset_event(q);
	pthread_mutex_unlock(&q->take_lock);
	ds_queue_free_slots(q, &chain);
	return n;
}

static bool is_good_stride(const struct ds_completion *out)
{
	return out && out->size >= DS_COMPLETION_SIZE_0 && out->size <= 4096;
}

uint32_t ds_queue_poll(struct ds_queue *q, struct ds_completion *out, uint32_t max)
{
	if (!q || !max || !is_good_stride(out))
		return 0;
	note_taker(q);
	return take(q, (unsigned char *)out, out->size, max);
}

/* ----------------------------------------------------------------- waiting */

bool ds_queue_sleep(struct ds_queue *q, bool (*is_over)(struct ds_queue *, const void *),
		    const void *arg, uint32_t wake_at, uint64_t deadline_ns)
{
	bool over = false, in_time = true;

	pthread_mutex_lock(&q->wait_lock);
	q->nr_waiters++;
	if (wake_at < atomic_load(&q->wake_at))
		atomic_store(&q->wake_at, wake_at);
	while (!(over = is_over(q, arg)) && in_time)
		in_time = ds_cond_wait_until(&q->changed, &q->wait_lock, deadline_ns);
	if (!--q->nr_waiters)
		atomic_store(&q->wake_at, DS_NO_WAKE);
	pthread_mutex_unlock(&q->wait_lock);
	return over;
}

static bool has_enough(struct ds_queue *q, const void *arg)
{
	const uint32_t *need = arg;

	return atomic_load(&q->nr_done) >= *need || !atomic_load(&q->in_flight);
}

ds_result ds_queue_wait(struct ds_queue *q, struct ds_completion *out, uint32_t max, uint32_t min,
			uint64_t timeout_ns, uint32_t *taken)
{
	uint64_t deadline = ds_deadline_ns(timeout_ns);
	ds_result ret = DS_OK;
	uint32_t n = 0, need, stride;

	if (!q || (max && !is_good_stride(out)) || min > max)
		return DS_ERR_INVALID_ARGUMENT;
	if (!max) {
		if (taken)
			*taken = 0;
		return DS_OK;
	}
	stride = out->size;
	note_taker(q);
	for (;;) {
		/* Read before taking: what was in flight then is in the list now. */
		bool idle = !atomic_load(&q->in_flight);

		n += take(q, (unsigned char *)out + (size_t)n * stride, stride, max - n);
		if (n >= min || idle)
			break;
		if (ds_service_is_current(&q->be->service)) {
			ret = DS_ERR_WOULD_DEADLOCK;
			break;
		}
		need = min - n;
		if (!ds_queue_sleep(q, has_enough, &need, need, deadline)) {
			n += take(q, (unsigned char *)out + (size_t)n * stride, stride, max - n);
			ret = n >= min ? DS_OK : DS_ERR_TIMEOUT;
			break;
		}
	}
	if (taken)
		*taken = n;
	return ret;
}

static bool is_idle(struct ds_queue *q, const void *arg)
{
	(void)arg;
	return !atomic_load(&q->in_flight);
}

ds_result ds_queue_wait_idle(struct ds_queue *q, uint64_t timeout_ns)
{
	if (!q)
		return DS_ERR_INVALID_ARGUMENT;
	if (is_idle(q, NULL))
		return DS_OK;
	if (ds_service_is_current(&q->be->service))
		return DS_ERR_WOULD_DEADLOCK;
	return ds_queue_sleep(q, is_idle, NULL, DS_NO_WAKE - 1, ds_deadline_ns(timeout_ns))
		       ? DS_OK
		       : DS_ERR_TIMEOUT;
}

static struct ds_slot *find_slot(struct ds_queue *q, uint64_t id)
{
	uint32_t index = (uint32_t)id;
	struct ds_slot *s = index < q->capacity ? &q->slots[index] : NULL;
	uint64_t w = s ? atomic_load(&s->word) : 0;

	return s && DS_WORD_GENERATION(w) == id >> 32 && DS_WORD_STATE(w) != DS_STATE_FREE ? s
											   : NULL;
}

static bool is_published(struct ds_queue *q, const void *arg)
{
	const uint64_t *id = arg;
	struct ds_slot *s = find_slot(q, *id);

	return !s || atomic_load(&s->is_published);
}

/* Copies the result of a published request, unless its slot is given back meanwhile. */
static ds_result copy_result(struct ds_queue *q, uint64_t id, struct ds_completion *out)
{
	ds_result ret = DS_ERR_NOT_FOUND;
	struct ds_slot *s;

	/* Results are only taken under this lock, so the slot stays until it is released. */
	pthread_mutex_lock(&q->take_lock);
	s = find_slot(q, id);
	if (s && atomic_load_explicit(&s->is_published, memory_order_acquire) &&
	    !(q->flags & DS_QUEUE_NO_RESULTS))
		ret = out ? ds_copy_out(out, &s->completion, sizeof(s->completion),
					DS_COMPLETION_SIZE_0)
			  : DS_OK;
	pthread_mutex_unlock(&q->take_lock);
	return ret;
}

ds_result ds_queue_wait_request(struct ds_queue *q, uint64_t id, uint64_t timeout_ns,
				struct ds_completion *out)
{
	if (!q || (out && !is_good_stride(out)))
		return DS_ERR_INVALID_ARGUMENT;
	if (!is_published(q, &id)) {
		if (ds_service_is_current(&q->be->service))
			return DS_ERR_WOULD_DEADLOCK;
		if (!ds_queue_sleep(q, is_published, &id, 0, ds_deadline_ns(timeout_ns)))
			return DS_ERR_TIMEOUT;
	}
	return copy_result(q, id, out);
}

int ds_queue_event_fd(struct ds_queue *q)
{
	int fd;

	if (!q || q->flags & DS_QUEUE_NO_RESULTS)
		return -1;
	pthread_mutex_lock(&q->take_lock);
	fd = atomic_load(&q->event_fd);
	if (fd < 0) {
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		atomic_store(&q->event_fd, fd);
		if (fd >= 0 && atomic_load(&q->nr_done))
			set_event(q);
	}
	pthread_mutex_unlock(&q->take_lock);
	return fd;
}
