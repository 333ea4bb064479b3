/* SPDX-License-Identifier: MIT */
/* timer.c: see timer.h. */
#include "core/timer.h"

#include "base/clock.h"
#include "base/thread.h"
#include "core/queue.h"

/* Deadlines closer together than this are handled in one pass over the slots. */
#define TIMER_STEP_NS UINT64_C(100000)

void ds_timer_init(struct ds_timer *t, struct ds_backend *be)
{
	t->be = be;
	t->next_ns = UINT64_MAX;
	pthread_mutex_init(&t->lock, NULL);
	ds_cond_init(&t->wake);
}

static uint64_t expire_all(struct ds_backend *be)
{
	uint64_t now = ds_now_ns(), first = UINT64_MAX;

	pthread_mutex_lock(&be->queues_lock);
	for (struct ds_list *n = be->queues.next; n != &be->queues; n = n->next)
		first = ds_min_u64(first,
				   ds_queue_expire(ds_list_entry(n, struct ds_queue, link), now));
	pthread_mutex_unlock(&be->queues_lock);
	return first == UINT64_MAX ? first : ds_max_u64(first, now + TIMER_STEP_NS);
}

static void *timer_main(void *arg)
{
	struct ds_timer *t = arg;
	uint64_t first;

	ds_backend_thread_start(t->be);
	pthread_mutex_lock(&t->lock);
	while (!t->is_stopping) {
		if (t->next_ns > ds_now_ns()) {
			ds_cond_wait_until(&t->wake, &t->lock, t->next_ns);
			continue;
		}
		/* What is submitted during the pass lowers next_ns again. */
		t->next_ns = UINT64_MAX;
		pthread_mutex_unlock(&t->lock);
		first = expire_all(t->be);
		pthread_mutex_lock(&t->lock);
		t->next_ns = ds_min_u64(t->next_ns, first);
	}
	pthread_mutex_unlock(&t->lock);
	ds_backend_thread_stop(t->be);
	return NULL;
}

ds_result ds_timer_start(struct ds_timer *t)
{
	int err = 0;

	pthread_mutex_lock(&t->lock);
	if (!t->is_started) {
		err = ds_thread_start(&t->thread, "ds-timer", timer_main, t);
		t->is_started = !err;
	}
	pthread_mutex_unlock(&t->lock);
	return err ? DS_ERR_SYSTEM : DS_OK;
}

void ds_timer_arm(struct ds_timer *t, uint64_t deadline_ns)
{
	pthread_mutex_lock(&t->lock);
	if (deadline_ns < t->next_ns) {
		t->next_ns = deadline_ns;
		pthread_cond_signal(&t->wake);
	}
	pthread_mutex_unlock(&t->lock);
}

void ds_timer_fini(struct ds_timer *t)
{
	pthread_mutex_lock(&t->lock);
	t->is_stopping = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	if (t->is_started)
		pthread_join(t->thread, NULL);
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
}
