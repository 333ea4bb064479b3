/* SPDX-License-Identifier: MIT */
/*
 * queues.c: starting and cancelling requests, and one place to wait for all completions.
 *
 * Results are taken from the queues' completion lists by one thread of the PE half, which
 * sleeps in poll(): a thread that Wine kills at exit while it waits for a condition variable
 * takes the process down with a fault.
 */
#include "unix.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Requests are handed to the runtime in pieces that fit on the stack of a call. */
#define START_BATCH 64

/* Results that one visit takes from one queue, so that no queue starves the others. */
#define TAKE_BATCH 64

#define MAX_READY 32

struct unix_queue {
	struct ds_queue *queue;
	struct ds_backend *be;
	const struct unix_share *share; /* or NULL: `be` is the one backend */
};

static pthread_mutex_t poll_lock = PTHREAD_MUTEX_INITIALIZER; /* guards poll_set and its queues */
static int poll_set = -1;

static int32_t priority_of(int32_t priority)
{
	static const int32_t table[] = { DS_PRIORITY_LOW, DS_PRIORITY_NORMAL, DS_PRIORITY_HIGH,
					 DS_PRIORITY_REALTIME };

	return priority < -1 || priority > 2 ? DS_PRIORITY_NORMAL : table[priority + 1];
}

/* The set of descriptors that become readable with results. Made once, kept for ever. */
static int get_poll_set(void)
{
	int fd;

	pthread_mutex_lock(&poll_lock);
	if (poll_set < 0)
		poll_set = epoll_create1(EPOLL_CLOEXEC);
	fd = poll_set;
	pthread_mutex_unlock(&poll_lock);
	return fd;
}

static ds_result watch(struct unix_queue *uq)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = uq };
	int fd = ds_queue_event_fd(uq->queue);

	if (fd < 0 || epoll_ctl(get_poll_set(), EPOLL_CTL_ADD, fd, &ev))
		return DS_ERR_SYSTEM;
	return DS_OK;
}

int32_t unix_queue_create(void *args)
{
	struct dsw_queue_create *a = args;
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	struct unix_queue *uq = calloc(1, sizeof(*uq));
	ds_result ret;

	if (!uq)
		return DS_ERR_NO_MEMORY;
	cfg.flags = DS_QUEUE_NONBLOCKING | DS_QUEUE_NO_AUTO_SUBMIT;
	cfg.capacity = a->capacity;
	cfg.priority = priority_of(a->priority);
	cfg.name = unix_pointer(a->name);
	uq->share = unix_pointer(a->share);
	uq->be = uq->share ? unix_share_backend(uq->share) : unix_backend();
	ret = ds_queue_create(uq->be, &cfg, &uq->queue);
	if (ret)
		goto err_free;
	ret = watch(uq);
	if (ret)
		goto err_queue;
	a->queue = unix_address(uq);
	return DS_OK;

err_queue:
	ds_queue_destroy(uq->queue);
err_free:
	free(uq);
	return ret;
}

int32_t unix_queue_destroy(void *args)
{
	const struct dsw_queue_destroy *a = args;
	struct unix_queue *uq = unix_pointer(a->queue);

	/* With the lock no unix_wait() holds a pointer to it. */
	pthread_mutex_lock(&poll_lock);
	epoll_ctl(poll_set, EPOLL_CTL_DEL, ds_queue_event_fd(uq->queue), NULL);
	pthread_mutex_unlock(&poll_lock);
	ds_queue_destroy(uq->queue);
	free(uq);
	return DS_OK;
}

/* ---------------------------------------------------------------- starting */

static ds_result translate(const struct unix_queue *uq, const struct dsw_request *in,
			   struct ds_request *out, struct ds_vulkan_buffer_detail *detail)
{
	ds_result ret = DS_OK;

	*out = (struct ds_request)DS_REQUEST_INIT;
	out->user_data = unix_pointer(in->cookie);
	out->name = unix_pointer(in->name);
	out->source.nbytes = in->source_nbytes;
	if (in->file) {
		out->source.kind = DS_LOCATION_FILE;
		out->source.offset = in->source;
		ret = unix_file_get(unix_pointer(in->file), uq->be, &out->source.file);
	} else {
		out->source.kind = DS_LOCATION_MEMORY;
		out->source.data = unix_pointer(in->source);
	}
	out->destination.nbytes = in->destination_nbytes;
	if (in->buffer) {
		if (!ret)
			ret = unix_share_destination(uq->share, in, &out->destination, detail);
	} else {
		out->destination.kind = DS_LOCATION_MEMORY;
		out->destination.data = unix_pointer(in->destination);
	}
	if (in->format == DSW_FORMAT_GDEFLATE)
		out->codec = DS_CODEC_GDEFLATE;
	else if (in->format == DSW_FORMAT_ZSTD)
		out->codec = DS_CODEC_ZSTD;
	if (out->codec != DS_CODEC_NONE)
		out->uncompressed_nbytes = in->destination_nbytes;
	return ret;
}

static bool has_no_room(ds_result ret)
{
	return ret == DS_ERR_QUEUE_FULL || ret == DS_ERR_RESULTS_NOT_TAKEN;
}

/*
 * Enqueues up to START_BATCH. Returns how many are dealt with; fewer than count when one was
 * refused (it is dealt with too) or when there is no room (*is_full).
 */
static uint32_t enqueue(struct unix_queue *uq, struct dsw_request *requests, uint32_t count,
			bool *is_full)
{
	struct ds_vulkan_buffer_detail details[START_BATCH];
	struct ds_request translated[START_BATCH];
	uint64_t ids[START_BATCH];
	uint32_t n = 0, taken = 0;
	ds_result ret = DS_OK;

	for (; n < count && !ret; n += !ret)
		ret = translate(uq, &requests[n], &translated[n], &details[n]);
	if (n) {
		ds_result refused = ds_queue_enqueue_many(uq->queue, translated, n, ids, &taken);

		if (refused)
			ret = refused;
	}
	for (uint32_t i = 0; i < taken; i++) {
		requests[i].id = ids[i];
		requests[i].result = DS_OK;
	}
	*is_full = has_no_room(ret);
	if (!ret || *is_full)
		return taken;
	requests[taken].result = ret;
	return taken + 1;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

int32_t unix_queue_start(void *args)
{
	struct dsw_queue_start *a = args;
	struct dsw_request *requests = unix_pointer(a->requests);
	struct unix_queue *uq = unix_pointer(a->queue);
	bool is_full = false;

	a->taken = 0;
	while (a->taken < a->count && !is_full)
		a->taken += enqueue(uq, requests + a->taken,
				    min_u32(a->count - a->taken, START_BATCH), &is_full);
	return ds_queue_submit(uq->queue);
}

int32_t unix_queue_cancel(void *args)
{
	const struct dsw_queue_cancel *a = args;
	struct unix_queue *uq = unix_pointer(a->queue);
	const uint64_t *ids = unix_pointer(a->ids);

	/* First all weakly, so that the waits for what the kernel has begun overlap. */
	for (uint32_t i = 0; i < a->count; i++)
		ds_queue_try_cancel(uq->queue, ids[i]);
	for (uint32_t i = 0; i < a->count; i++)
		ds_queue_cancel(uq->queue, ids[i]);
	return DS_OK;
}

/* ----------------------------------------------------------------- waiting */

static uint32_t take_from(struct unix_queue *uq, struct dsw_completion *out, uint32_t max)
{
	struct ds_completion taken[TAKE_BATCH];
	uint32_t n;

	taken[0].size = sizeof(taken[0]);
	n = ds_queue_poll(uq->queue, taken, min_u32(max, TAKE_BATCH));
	for (uint32_t i = 0; i < n; i++) {
		out[i].cookie = unix_address(taken[i].user_data);
		out[i].result = taken[i].result;
		out[i].is_cancelled = taken[i].status == DS_STATUS_CANCELLED;
	}
	return n;
}

static uint32_t take(struct dsw_completion *out, uint32_t max)
{
	struct epoll_event ready[MAX_READY];
	uint32_t n = 0;
	int nr;

	pthread_mutex_lock(&poll_lock);
	nr = epoll_wait(poll_set, ready, MAX_READY, 0);
	for (int i = 0; i < nr; i++)
		n += take_from(ready[i].data.ptr, out + n, max - n);
	pthread_mutex_unlock(&poll_lock);
	return n;
}

int32_t unix_wait(void *args)
{
	struct dsw_wait *a = args;
	struct pollfd p = { .fd = get_poll_set(), .events = POLLIN };

	if (p.fd < 0)
		return DS_ERR_SYSTEM;
	a->count = 0;
	if (poll(&p, 1, a->timeout_ms) > 0)
		a->count = take(unix_pointer(a->completions), a->max);
	return DS_OK;
}
