/* SPDX-License-Identifier: MIT */
/* transfer.c: operations on their way through streams; see cuda_priv.h. */
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/clock.h"
#include "base/thread.h"
#include "device/cuda/cuda_priv.h"

/* So little is copied sooner than a thread is woken. */
#define SPIN_NBYTES   (512u << 10)
#define SPIN_NS	      100000u
#define LINGER_NS     50000u
#define SHORT_NAP_NS  15000
#define LONG_NAP_NS   50000
#define LONG_AFTER_NS 1000000u

/* device_data[0] of an operation: what the driver said when it was started. */

/* ----------------------------------------------------------------- starting */

static unsigned lane_for(struct cuda_device *d, const struct ds_device_op *op)
{
	unsigned turn = atomic_load_explicit(&d->turn, memory_order_relaxed);

	switch (op->opcode) {
	case DS_DEVICE_FETCH:
		return FIRST_FETCH + turn % NR_FETCH_LANES;
	case DS_DEVICE_DECODE:
		return FIRST_DECODE + turn % NR_DECODE_LANES;
	default:
		return FIRST_UPLOAD + turn % NR_UPLOAD_LANES;
	}
}

static uint64_t address_of(const struct ds_device_op *op)
{
	return op->target->object + op->target->offset + op->target_offset;
}

static cuda_result start_op(struct cuda_device *d, struct ds_device_op *op, cuda_stream stream)
{
	switch (op->opcode) {
	case DS_DEVICE_PLACE:
		return op->host_nbytes ? d->driver.copy_in_async(address_of(op), op->host,
								 op->host_nbytes, stream)
				       : CUDA_SUCCESS;
	case DS_DEVICE_FETCH:
		return op->host_nbytes ? d->driver.copy_out_async(op->host, address_of(op),
								  op->host_nbytes, stream)
				       : CUDA_SUCCESS;
	case DS_DEVICE_DECODE:
		return ds_cuda_decode(d, op, stream);
	default:
		return CUDA_SUCCESS;
	}
}

static void start_batch(struct cuda_device *d, struct cuda_batch *b)
{
	cuda_result code = ds_cuda_enter(d);

	for (struct ds_device_op *op = b->ops; op; op = op->next)
		op->device_data[0] = (uintptr_t)(code ? code : start_op(d, op, b->stream));
	b->is_recorded = !code && !d->driver.event_record(b->event, b->stream);
	if (!code)
		ds_cuda_leave(d);
}

/* With the lock. */
static struct cuda_batch *take_batch(struct cuda_device *d, struct cuda_lane *lane)
{
	struct cuda_batch *b = d->free_batches;
	struct ds_device_op *op = lane->first;

	d->free_batches = b->next;
	b->next = NULL;
	b->stream = lane->stream;
	b->ops = op;
	b->nbytes = op->host_nbytes;
	for (unsigned nr = 1; nr < MAX_BATCH_OPS && op->next; nr++) {
		op = op->next;
		b->nbytes += op->host_nbytes;
	}
	lane->first = op->next;
	op->next = NULL;
	return b;
}

/* With the lock. */
static void add_in_flight(struct cuda_device *d, struct cuda_lane *lane, struct cuda_batch *b)
{
	if (lane->in_flight)
		lane->in_flight_last->next = b;
	else
		lane->in_flight = b;
	lane->in_flight_last = b;
	d->nbytes_in_flight += b->nbytes;
	if (!d->nr_in_flight++)
		pthread_cond_signal(&d->wake);
}

/* Starts what waits at a lane, unless somebody is doing that. */
static void run_lane(struct cuda_device *d, struct cuda_lane *lane)
{
	pthread_mutex_lock(&d->lock);
	while (!lane->is_submitting && lane->first && d->free_batches) {
		struct cuda_batch *b = take_batch(d, lane);

		lane->is_submitting = true;
		pthread_mutex_unlock(&d->lock);
		start_batch(d, b);
		pthread_mutex_lock(&d->lock);
		lane->is_submitting = false;
		add_in_flight(d, lane, b);
	}
	pthread_mutex_unlock(&d->lock);
}

void ds_cuda_start(struct ds_device *base, struct ds_device_op *list)
{
	struct cuda_device *d = cuda_device_of(base);
	bool is_used[NR_LANES] = { false };
	struct ds_device_op *next;

	atomic_fetch_add_explicit(&d->turn, 1, memory_order_relaxed);
	pthread_mutex_lock(&d->lock);
	for (; list; list = next) {
		unsigned i = lane_for(d, list);
		struct cuda_lane *lane = &d->lanes[i];

		next = list->next;
		list->next = NULL;
		if (lane->first)
			lane->last->next = list;
		else
			lane->first = list;
		lane->last = list;
		is_used[i] = true;
	}
	pthread_mutex_unlock(&d->lock);
	for (unsigned i = 0; i < NR_LANES; i++) {
		if (is_used[i])
			run_lane(d, &d->lanes[i]);
	}
}

/* ---------------------------------------------------------------- reporting */

static void report_op(struct cuda_device *d, struct ds_device_op *op, cuda_result code)
{
	cuda_result own = (cuda_result)op->device_data[0];
	ds_result ret;

	code = own ? own : code;
	ret = ds_cuda_result(code);
	if (op->opcode == DS_DEVICE_DECODE) {
		ds_result decoded = ds_cuda_decode_end(d, op);

		ret = ret ? ret : decoded;
	}
	op->done(op, ret, code);
}

static void report_batch(struct cuda_device *d, struct cuda_batch *b, cuda_result code)
{
	struct ds_device_op *next;

	d->env.batch_begin();
	for (struct ds_device_op *op = b->ops; op; op = next) {
		next = op->next;
		report_op(d, op, code);
	}
	d->env.batch_end();
}

/*
 * CUDA_ERROR_NOT_READY, or how the batch ended. After an error nothing of it may still run, so the
 * stream is waited for: at once if the device is lost.
 */
static cuda_result ask_batch(struct cuda_device *d, struct cuda_batch *b)
{
	cuda_result code = b->is_recorded ? d->driver.event_query(b->event)
					  : d->driver.stream_synchronize(b->stream);

	if (code && code != CUDA_ERROR_NOT_READY && b->is_recorded)
		d->driver.stream_synchronize(b->stream);
	return code;
}

static void free_batch(struct cuda_device *d, struct cuda_batch *b)
{
	bool was_last;

	pthread_mutex_lock(&d->lock);
	was_last = !d->free_batches;
	b->next = d->free_batches;
	d->free_batches = b;
	d->nr_in_flight--;
	d->nbytes_in_flight -= b->nbytes;
	pthread_mutex_unlock(&d->lock);
	for (unsigned i = 0; was_last && i < NR_LANES; i++)
		run_lane(d, &d->lanes[i]);
}

/* Reports what has ended on a lane; returns whether anything has. */
static bool reap_lane(struct cuda_device *d, struct cuda_lane *lane)
{
	bool has_any = false;

	for (;;) {
		struct cuda_batch *b;
		cuda_result code;

		/* Others only append. */
		pthread_mutex_lock(&d->lock);
		b = lane->in_flight;
		pthread_mutex_unlock(&d->lock);
		if (!b)
			return has_any;
		code = ask_batch(d, b);
		if (code == CUDA_ERROR_NOT_READY)
			return has_any;
		pthread_mutex_lock(&d->lock);
		lane->in_flight = b->next;
		pthread_mutex_unlock(&d->lock);
		report_batch(d, b, code);
		free_batch(d, b);
		has_any = true;
	}
}

static void spin(void)
{
	for (volatile unsigned i = 0; i < 50; i++)
		;
}

/* A little while, as long as suits what is in flight. */
static void wait_a_little(struct cuda_device *d, uint64_t since_ns)
{
	struct timespec nap = { .tv_nsec = SHORT_NAP_NS };
	uint64_t waited = ds_now_ns() - since_ns;
	uint64_t nbytes;

	pthread_mutex_lock(&d->lock);
	nbytes = d->nbytes_in_flight;
	pthread_mutex_unlock(&d->lock);
	if (nbytes < SPIN_NBYTES && waited < SPIN_NS) {
		spin();
		return;
	}
	if (waited > LONG_AFTER_NS)
		nap.tv_nsec = LONG_NAP_NS;
	nanosleep(&nap, NULL);
}

static void reap_all(struct cuda_device *d)
{
	uint64_t last_ns = ds_now_ns();

	for (;;) {
		bool has_any = false, is_idle, is_used[NR_LANES];

		pthread_mutex_lock(&d->lock);
		is_idle = !d->nr_in_flight;
		for (unsigned i = 0; i < NR_LANES; i++)
			is_used[i] = d->lanes[i].in_flight;
		pthread_mutex_unlock(&d->lock);
		if (is_idle)
			return;
		for (unsigned i = 0; i < NR_LANES; i++)
			has_any = (is_used[i] && reap_lane(d, &d->lanes[i])) || has_any;
		if (has_any)
			last_ns = ds_now_ns();
		else
			wait_a_little(d, last_ns);
	}
}

/*
 * The next request often comes soon after the last, and to be woken takes longer than a small
 * one does: so the thread looks around for a little while before it sleeps. With the lock,
 * which is dropped meanwhile.
 */
static void linger(struct cuda_device *d)
{
	uint64_t until = ds_now_ns() + LINGER_NS;

	while (!d->nr_in_flight && !d->is_stopping && ds_now_ns() < until) {
		pthread_mutex_unlock(&d->lock);
		spin();
		pthread_mutex_lock(&d->lock);
	}
}

static void *thread_main(void *arg)
{
	struct cuda_device *d = arg;

	if (d->env.thread_start)
		d->env.thread_start(d->env.arg);
	/* Else a nap of 15 microseconds takes 70. */
	prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
	d->driver.context_set(d->context);
	pthread_mutex_lock(&d->lock);
	for (;;) {
		if (d->nr_in_flight) {
			pthread_mutex_unlock(&d->lock);
			reap_all(d);
			pthread_mutex_lock(&d->lock);
			linger(d);
		} else if (d->is_stopping) {
			break;
		} else {
			pthread_cond_wait(&d->wake, &d->lock);
		}
	}
	pthread_mutex_unlock(&d->lock);
	if (d->env.thread_stop)
		d->env.thread_stop(d->env.arg);
	return NULL;
}

/* ---------------------------------------------------------- attach, detach */

static void stop_thread(struct cuda_device *d)
{
	if (!d->has_thread)
		return;
	pthread_mutex_lock(&d->lock);
	d->is_stopping = true;
	pthread_cond_signal(&d->wake);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
	d->has_thread = false;
}

static void free_streams(struct cuda_device *d)
{
	for (unsigned i = 0; i < NR_LANES; i++) {
		if (d->lanes[i].stream)
			d->driver.stream_destroy(d->lanes[i].stream);
	}
	for (unsigned i = 0; d->batches && i < NR_BATCHES; i++) {
		if (d->batches[i].event)
			d->driver.event_destroy(d->batches[i].event);
	}
	free(d->batches);
	d->batches = NULL;
}

void ds_cuda_detach(struct ds_device *base)
{
	struct cuda_device *d = cuda_device_of(base);

	ds_cuda_chunk_end(d);
	stop_thread(d);
	if (ds_cuda_enter(d))
		return;
	ds_cuda_decoder_fini(d);
	free_streams(d);
	ds_cuda_leave(d);
}

static cuda_result make_streams(struct cuda_device *d)
{
	cuda_result code = CUDA_SUCCESS;

	d->batches = calloc(NR_BATCHES, sizeof(*d->batches));
	if (!d->batches)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (unsigned i = 0; !code && i < NR_LANES; i++)
		code = d->driver.stream_create(&d->lanes[i].stream, CUDA_STREAM_NONBLOCKING);
	for (unsigned i = 0; !code && i < NR_BATCHES; i++) {
		code = d->driver.event_create(&d->batches[i].event, CUDA_EVENT_NO_TIMING);
		d->batches[i].next = d->free_batches;
		d->free_batches = &d->batches[i];
	}
	return code;
}

ds_result ds_cuda_attach(struct ds_device *base, const struct ds_device_env *env)
{
	struct cuda_device *d = cuda_device_of(base);
	cuda_result code = ds_cuda_enter(d);
	ds_result ret;

	if (code)
		return ds_cuda_result(code);
	d->env = *env;
	if (!d->is_pinned)
		ds_cuda_log(d, DS_LOG_WARNING, DS_OK, 0,
			    "staging memory cannot be pinned: loads will be several times slower");
	code = make_streams(d);
	if (!code)
		ds_cuda_decoder_init(d);
	ds_cuda_leave(d);
	ret = ds_cuda_result(code);
	if (!ret && ds_thread_start(&d->thread, "ds-cuda", thread_main, d))
		ret = DS_ERR_SYSTEM;
	d->has_thread = !ret;
	if (ret)
		ds_cuda_detach(base);
	else
		ds_cuda_chunk_begin(d);
	return ret;
}
