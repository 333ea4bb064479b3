/* SPDX-License-Identifier: MIT */
/*
 * complete.c: a thread for each queue, which waits for the batches in their order and reports
 * their operations.
 *
 * A wait that takes long is no end: only the semaphore's value or a lost device is one.
 */
#include "base/clock.h"
#include "base/thread.h"
#include "base/util.h"
#include "device/vulkan/vk.h"

#define WAIT_NS DS_NSEC_PER_SEC

/* Until the value is reached; *reached is what the semaphore has by then. */
static VkResult wait_for(struct ds_vk_queue *q, uint64_t value, uint64_t *reached)
{
	struct ds_vk_device *d = q->d;
	const VkSemaphoreWaitInfo info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
		.semaphoreCount = 1,
		.pSemaphores = &q->timeline,
		.pValues = &value,
	};
	VkResult result;

	do
		result = d->vk.WaitSemaphores(d->device, &info, WAIT_NS);
	while (result == VK_TIMEOUT);
	if (!result)
		result = d->vk.GetSemaphoreCounterValue(d->device, q->timeline, reached);
	return result;
}

/*
 * How long the GPU has decoded: since the end before, on this queue for the latency, on any for the
 * rate, so that queues that work at the same time add up. With the lock.
 */
static void measure(struct ds_vk_queue *q, const struct ds_vk_batch *b, uint64_t now)
{
	struct ds_vk_device *d = q->d;

	if (b->nr_tiles || b->nr_regions) {
		ds_vk_decode_measured(d, b, now - ds_max_u64(b->submit_ns, d->last_decode_ns),
				      now - ds_max_u64(b->submit_ns, q->last_done_ns));
		d->last_decode_ns = now;
	}
	q->last_done_ns = now;
}

/* Takes the batches up to `value` apart, and reports what ends with them. */
static void retire(struct ds_vk_queue *q, uint64_t value, VkResult result)
{
	struct ds_vk_device *d = q->d;
	struct ds_device_op *list = NULL, **end = &list;
	uint64_t now = ds_now_ns();

	pthread_mutex_lock(&d->lock);
	while (q->retired < value) {
		struct ds_vk_batch *b = &q->batches[(q->retired + 1) % DS_VK_NR_BATCHES];

		if (!result)
			measure(q, b, now);
		*end = ds_vk_batch_retire(b, !result);
		while (*end)
			end = &(*end)->next;
		q->retired++;
	}
	ds_vk_kick(d);
	pthread_mutex_unlock(&d->lock);
	ds_vk_report(d, list, ds_vk_result(result), result);
}

static void *completer_main(void *arg)
{
	struct ds_vk_queue *q = arg;
	struct ds_vk_device *d = q->d;

	d->env.thread_start(d->env.arg);
	pthread_mutex_lock(&d->lock);
	for (;;) {
		uint64_t value, reached, submitted;
		VkResult result;

		while (q->retired == q->submitted && !q->is_stopping)
			pthread_cond_wait(&q->submitted_more, &d->lock);
		if (q->retired == q->submitted)
			break;
		value = q->retired + 1;
		pthread_mutex_unlock(&d->lock);
		result = wait_for(q, value, &reached);
		if (result)
			ds_vk_lose(d, result, "vkWaitSemaphores");
		pthread_mutex_lock(&d->lock);
		submitted = q->submitted;
		pthread_mutex_unlock(&d->lock);
		/* Some drivers of a lost device say that all values are reached. */
		reached = result ? submitted : ds_min_u64(reached, submitted);
		atomic_store_explicit(&q->completed, reached, memory_order_relaxed);
		retire(q, reached, result);
		pthread_mutex_lock(&d->lock);
	}
	pthread_mutex_unlock(&d->lock);
	d->env.thread_stop(d->env.arg);
	return NULL;
}

ds_result ds_vk_completer_start(struct ds_vk_queue *q)
{
	return ds_thread_start(&q->completer, "ds-vk-complete", completer_main, q) ? DS_ERR_SYSTEM
										   : DS_OK;
}

void ds_vk_completer_stop(struct ds_vk_queue *q)
{
	pthread_mutex_lock(&q->d->lock);
	q->is_stopping = true;
	pthread_cond_signal(&q->submitted_more);
	pthread_mutex_unlock(&q->d->lock);
	pthread_join(q->completer, NULL);
}
