/* SPDX-License-Identifier: MIT */
/*
 * submit.c: the thread that makes batches of the operations that have come in, and submits them.
 *
 * It never waits for the GPU: when no command buffer or no scratch memory is free it leaves the
 * rest in its lists, and is woken when a batch has been taken apart. What gathers meanwhile goes
 * into one submit.
 */
#include <stdio.h>

#include "base/thread.h"
#include "base/util.h"
#include "device/vulkan/vk.h"

/* Copies of at least that size are worth the copy engine's queue. */
#define TRANSFER_NBYTES (256u << 10)
/* Bytes in a batch: staging memory is given back when all of it is copied. */
#define BATCH_NBYTES	(8u << 20)

ds_result ds_vk_result(VkResult result)
{
	switch (result) {
	case VK_SUCCESS:
		return DS_OK;
	case VK_ERROR_OUT_OF_HOST_MEMORY:
	case VK_ERROR_OUT_OF_DEVICE_MEMORY:
		return DS_ERR_NO_MEMORY;
	case VK_ERROR_DEVICE_LOST:
		return DS_ERR_DEVICE_LOST;
	default:
		return DS_ERR_SYSTEM;
	}
}

void ds_vk_lose(struct ds_vk_device *d, VkResult result, const char *what)
{
	int was = 0;
	char message[128];

	if (!atomic_compare_exchange_strong(&d->lost, &was, (int)result))
		return;
	snprintf(message, sizeof(message), "%s: VkResult %d; the device is not used any more", what,
		 (int)result);
	d->env.log(d->env.arg, DS_LOG_ERROR, DS_ERR_DEVICE_LOST, (int32_t)result, message);
	pthread_mutex_lock(&d->lock);
	ds_vk_kick(d);
	pthread_mutex_unlock(&d->lock);
}

void ds_vk_report(struct ds_vk_device *d, struct ds_device_op *list, ds_result result,
		  VkResult code)
{
	if (!list)
		return;
	d->env.batch_begin();
	while (list) {
		struct ds_device_op *op = list;
		ds_result own = -(ds_result)op->device_data[DS_VK_OP_RESULT];

		list = op->next;
		if (op->opcode == DS_DEVICE_DECODE)
			atomic_fetch_sub_explicit(&d->rates.pending_nbytes, op->decoded_nbytes,
						  memory_order_relaxed);
		op->done(op, result ? result : own, (int32_t)code);
	}
	d->env.batch_end();
}

/* ------------------------------------------------------------------ intake */

void ds_vk_kick(struct ds_vk_device *d)
{
	if (d->is_kicked)
		return;
	d->is_kicked = true;
	pthread_cond_signal(&d->wake);
}

void ds_vk_start(struct ds_device *base, struct ds_device_op *list)
{
	struct ds_vk_device *d = ds_container_of(base, struct ds_vk_device, base);
	struct ds_device_op *last = list;
	uint64_t decoded = 0;

	for (struct ds_device_op *op = list; op; op = op->next) {
		op->device_data[DS_VK_OP_RESULT] = 0;
		if (op->opcode == DS_DEVICE_DECODE)
			decoded += op->decoded_nbytes;
		last = op;
	}
	if (!last)
		return;
	ds_vk_count(&d->rates.pending_nbytes, decoded);
	pthread_mutex_lock(&d->lock);
	*d->incoming_end = list;
	d->incoming_end = &last->next;
	ds_vk_kick(d);
	pthread_mutex_unlock(&d->lock);
}

static void append(struct ds_device_op ***end, struct ds_device_op *op)
{
	op->next = NULL;
	**end = op;
	*end = &op->next;
}

/*
 * Small copies go with the compute queue's other work. So does what is of one family only, and
 * what ends with images.
 */
static struct ds_vk_queue *queue_for(struct ds_vk_device *d, const struct ds_device_op *op)
{
	const struct ds_vk_target *t = op->target->state;

	if (d->nr_queues == d->nr_compute || op->opcode == DS_DEVICE_FINISH || t->is_image ||
	    !t->is_concurrent || op->host_nbytes < TRANSFER_NBYTES)
		return &d->queues[0];
	d->next_transfer = (d->next_transfer + 1) % (d->nr_queues - d->nr_compute);
	return &d->queues[d->nr_compute + d->next_transfer];
}

static void sort_in(struct ds_vk_device *d, struct ds_device_op *list)
{
	while (list) {
		struct ds_device_op *op = list;

		list = op->next;
		if (op->opcode == DS_DEVICE_DECODE)
			append(&d->decodes_end, op);
		else
			append(&queue_for(d, op)->unsent_end, op);
	}
}

/* -------------------------------------------------------------------- work */

static void fail_batch(struct ds_vk_batch *b, VkResult result, const char *what)
{
	struct ds_vk_device *d = b->queue->d;
	struct ds_device_op *list;

	if (result == VK_ERROR_DEVICE_LOST)
		ds_vk_lose(d, result, what);
	pthread_mutex_lock(&d->lock);
	list = ds_vk_batch_retire(b, false);
	pthread_mutex_unlock(&d->lock);
	ds_vk_report(d, list, ds_vk_result(result), result);
}

static struct ds_device_op *pop_unsent(struct ds_vk_queue *q)
{
	struct ds_device_op *op = q->unsent;

	q->unsent = op->next;
	if (!q->unsent)
		q->unsent_end = &q->unsent;
	return op;
}

/* Everything that waits on a queue's list when not even a command buffer can be had. */
static void fail_unsent(struct ds_vk_queue *q, VkResult result)
{
	struct ds_device_op *list = q->unsent;

	q->unsent = NULL;
	q->unsent_end = &q->unsent;
	ds_vk_report(q->d, list, ds_vk_result(result), result);
}

/* True: something was submitted, or has failed. */
static bool run_copies(struct ds_vk_queue *q)
{
	VkResult result = VK_SUCCESS;
	struct ds_vk_batch *b;

	if (!q->unsent)
		return false;
	b = ds_vk_batch_begin(q, &result);
	if (!b) {
		if (result)
			fail_unsent(q, result);
		return result;
	}
	while (q->unsent && b->nr_ops < DS_VK_MAX_BATCH_OPS && b->nbytes < BATCH_NBYTES) {
		struct ds_device_op *op = pop_unsent(q);
		ds_result ret = ds_vk_batch_add(b, op);

		if (ret) {
			op->next = NULL;
			ds_vk_report(q->d, op, ret, VK_SUCCESS);
		}
	}
	if (!b->nr_ops)
		return true;
	result = ds_vk_batch_submit(b, NULL);
	if (result)
		fail_batch(b, result, "vkQueueSubmit2 of copies");
	return true;
}

/* Of queues [begin, end). */
static struct ds_vk_queue *idlest(struct ds_vk_device *d, unsigned begin, unsigned end)
{
	struct ds_vk_queue *best = &d->queues[begin];

	pthread_mutex_lock(&d->lock);
	for (unsigned i = begin + 1; i < end; i++) {
		struct ds_vk_queue *q = &d->queues[i];

		if (q->submitted - q->retired < best->submitted - best->retired)
			best = q;
	}
	pthread_mutex_unlock(&d->lock);
	return best;
}

static void fail_decodes(struct ds_vk_device *d, VkResult result)
{
	struct ds_device_op *list = d->decodes;

	d->decodes = NULL;
	d->decodes_end = &d->decodes;
	ds_vk_report(d, list, ds_vk_result(result), result);
}

/* The copies go first, on the queue that copies; the dispatch waits for them on the GPU. */
static void submit_decodes(struct ds_vk_batch *b, struct ds_vk_batch *copies)
{
	struct ds_vk_device *d = b->queue->d;
	VkResult result = VK_SUCCESS;
	bool is_copied = false;

	if (copies != b && !copies->recorder.is_empty) {
		result = ds_vk_batch_submit(copies, NULL);
		is_copied = !result;
	}
	if (!result)
		result = ds_vk_batch_submit(b, is_copied ? copies->queue : NULL);
	if (!result)
		return;
	/* Scratch memory that is still being copied into can be given to nobody else. */
	if (is_copied)
		ds_vk_lose(d, result, "vkQueueSubmit2 of a dispatch");
	fail_batch(b, result, "vkQueueSubmit2 of a dispatch");
}

static bool run_decodes(struct ds_vk_device *d)
{
	struct ds_vk_queue *q = idlest(d, 0, d->nr_compute);
	struct ds_device_op *failed = NULL;
	VkResult result = VK_SUCCESS;
	struct ds_vk_batch *b, *copies;
	bool has_moved;

	if (!d->decodes)
		return false;
	b = ds_vk_batch_begin(q, &result);
	copies = b;
	if (b && d->nr_queues > d->nr_compute)
		copies = ds_vk_batch_begin(idlest(d, d->nr_compute, d->nr_queues), &result);
	if (!b || !copies) {
		if (result)
			fail_decodes(d, result);
		return result;
	}
	ds_vk_batch_take_decodes(b, copies, &failed);
	has_moved = failed || b->nr_ops;
	ds_vk_batch_dispatch(b);
	if (b->nr_ops) {
		submit_decodes(b, copies);
	} else {
		pthread_mutex_lock(&d->lock);
		ds_vk_batch_retire(b, false);
		pthread_mutex_unlock(&d->lock);
	}
	ds_vk_report(d, failed, DS_OK, VK_SUCCESS);
	return has_moved;
}

static void run(struct ds_vk_device *d)
{
	bool more = true;

	while (more) {
		VkResult lost = atomic_load_explicit(&d->lost, memory_order_relaxed);

		if (lost) {
			for (unsigned i = 0; i < d->nr_queues; i++)
				fail_unsent(&d->queues[i], VK_ERROR_DEVICE_LOST);
			fail_decodes(d, VK_ERROR_DEVICE_LOST);
			return;
		}
		more = false;
		for (unsigned i = 0; i < d->nr_queues; i++)
			more |= run_copies(&d->queues[i]);
		more |= run_decodes(d);
	}
}

static void *submitter_main(void *arg)
{
	struct ds_vk_device *d = arg;
	struct ds_device_op *list;

	d->env.thread_start(d->env.arg);
	pthread_mutex_lock(&d->lock);
	for (;;) {
		while (!d->is_kicked && !d->is_stopping)
			pthread_cond_wait(&d->wake, &d->lock);
		if (!d->is_kicked)
			break;
		d->is_kicked = false;
		list = d->incoming;
		d->incoming = NULL;
		d->incoming_end = &d->incoming;
		pthread_mutex_unlock(&d->lock);
		sort_in(d, list);
		run(d);
		pthread_mutex_lock(&d->lock);
	}
	pthread_mutex_unlock(&d->lock);
	d->env.thread_stop(d->env.arg);
	return NULL;
}

ds_result ds_vk_submitter_start(struct ds_vk_device *d)
{
	return ds_thread_start(&d->submitter, "ds-vk-submit", submitter_main, d) ? DS_ERR_SYSTEM
										 : DS_OK;
}

void ds_vk_submitter_stop(struct ds_vk_device *d)
{
	pthread_mutex_lock(&d->lock);
	d->is_stopping = true;
	pthread_cond_signal(&d->wake);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->submitter, NULL);
}
