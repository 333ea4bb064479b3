/* SPDX-License-Identifier: MIT */
/* queue.c: creating and destroying queues, and giving slots back. */
#include "core/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/thread.h"
#include "base/copy_struct.h"

#define KNOWN_FLAGS                                                             \
	(DS_QUEUE_NONBLOCKING | DS_QUEUE_NO_AUTO_SUBMIT | DS_QUEUE_NO_RESULTS | \
	 DS_QUEUE_ALWAYS_STAGE)

static ds_result check_config(struct ds_queue_config *cfg)
{
	if (cfg->flags & ~(uint32_t)(KNOWN_FLAGS) || cfg->capacity > DS_QUEUE_MAX_CAPACITY)
		return DS_ERR_INVALID_ARGUMENT;
	if (cfg->priority < DS_PRIORITY_DEFAULT || cfg->priority > DS_PRIORITY_REALTIME)
		return DS_ERR_INVALID_ARGUMENT;
	if (!cfg->capacity)
		cfg->capacity = DS_QUEUE_DEFAULT_CAPACITY;
	if (!cfg->priority)
		cfg->priority = DS_PRIORITY_NORMAL;
	return DS_OK;
}

/* Generations start somewhere else in each queue, so that another queue's id is not found. */
static uint32_t first_generation(void)
{
	static atomic_uint serial;

	return atomic_fetch_add_explicit(&serial, 0x9e3779b1u, memory_order_relaxed);
}

static void init_slots(struct ds_queue *q)
{
	uint32_t generation = first_generation();

	for (uint32_t i = q->capacity; i-- > 0;) {
		struct ds_slot *s = &q->slots[i];

		s->queue = q;
		s->index = i;
		atomic_init(&s->word, DS_WORD(generation ? generation : 1, DS_STATE_FREE));
		s->next = q->free;
		q->free = s;
	}
	q->nr_free = q->capacity;
}

static void init_locks(struct ds_queue *q)
{
	pthread_mutex_init(&q->lock, NULL);
	pthread_mutex_init(&q->take_lock, NULL);
	pthread_mutex_init(&q->wait_lock, NULL);
	ds_cond_init(&q->space);
	ds_cond_init(&q->changed);
}

static void free_queue(struct ds_queue *q)
{
	int fd = atomic_load(&q->event_fd);

	if (fd >= 0)
		close(fd);
	pthread_cond_destroy(&q->changed);
	pthread_cond_destroy(&q->space);
	pthread_mutex_destroy(&q->wait_lock);
	pthread_mutex_destroy(&q->take_lock);
	pthread_mutex_destroy(&q->lock);
	ds_markers_fini(&q->markers);
	free(q->slots);
	free(q);
}

ds_result ds_queue_create(struct ds_backend *be, const struct ds_queue_config *user,
			  struct ds_queue **out)
{
	struct ds_queue_config cfg;
	struct ds_queue *q;
	ds_result ret;

	if (!be || !out)
		return DS_ERR_INVALID_ARGUMENT;
	ret = ds_copy_config(&cfg, sizeof(cfg), user, DS_QUEUE_CONFIG_SIZE_0);
	if (!ret)
		ret = check_config(&cfg);
	if (ret)
		return ret;
	q = calloc(1, sizeof(*q));
	if (!q)
		return DS_ERR_NO_MEMORY;
	q->slots = calloc(cfg.capacity, sizeof(*q->slots));
	ret = q->slots ? ds_markers_init(&q->markers, cfg.capacity) : DS_ERR_NO_MEMORY;
	if (ret)
		goto err_free;
	q->be = be;
	q->flags = cfg.flags;
	q->capacity = cfg.capacity;
	q->priority = cfg.priority;
	snprintf(q->name, sizeof(q->name), "%s", cfg.name ? cfg.name : "queue");
	init_slots(q);
	init_locks(q);
	ds_list_init(&q->pending);
	atomic_init(&q->event_fd, -1);
	atomic_init(&q->live, 1);
	atomic_init(&q->wake_at, DS_NO_WAKE);
	ds_backend_ref(be);
	pthread_mutex_lock(&be->queues_lock);
	ds_list_push_back(&be->queues, &q->link);
	pthread_mutex_unlock(&be->queues_lock);
	*out = q;
	return DS_OK;

err_free:
	free(q->slots);
	free(q);
	return ret;
}

void ds_queue_drop_live(struct ds_queue *q, uint32_t n)
{
	if (atomic_fetch_sub_explicit(&q->live, n, memory_order_acq_rel) != n)
		return;
	/* Only a queue that is being destroyed gets here, and its destroyer waits for is_gone. */
	pthread_mutex_lock(&q->wait_lock);
	q->is_gone = true;
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->wait_lock);
}

ds_result ds_queue_destroy(struct ds_queue *q)
{
	struct ds_backend *be;

	if (!q)
		return DS_OK;
	be = q->be;
	if (ds_service_is_current(&be->service))
		return DS_ERR_WOULD_DEADLOCK;
	pthread_mutex_lock(&q->lock);
	q->is_closing = true;
	pthread_cond_broadcast(&q->space);
	while (q->nr_space_waiters)
		pthread_cond_wait(&q->space, &q->lock);
	pthread_mutex_unlock(&q->lock);

	ds_queue_cancel_matching(q, 0, 0, DS_STATE_RUNNING, DS_REASON_CLOSE);
	/* All requests have ended or are about to: what is left are markers. */
	ds_queue_submit(q);
	ds_queue_drop_live(q, 1);
	pthread_mutex_lock(&q->wait_lock);
	while (!q->is_gone)
		pthread_cond_wait(&q->changed, &q->wait_lock);
	pthread_mutex_unlock(&q->wait_lock);

	/* Not before: requests whose callbacks were due have counted until here. */
	pthread_mutex_lock(&be->queues_lock);
	ds_list_remove(&q->link);
	ds_counters_add(&be->gone, &q->counters);
	pthread_mutex_unlock(&be->queues_lock);
	free_queue(q);
	ds_backend_unref(be);
	return DS_OK;
}

void ds_slot_put_to(struct ds_slot *s, struct ds_slot_chain *chain)
{
	uint32_t generation;

	if (atomic_fetch_sub_explicit(&s->holds, 1, memory_order_acq_rel) != 1)
		return;
	generation = DS_WORD_GENERATION(atomic_load_explicit(&s->word, memory_order_relaxed)) + 1;
	atomic_store_explicit(&s->word, DS_WORD(generation ? generation : 1, DS_STATE_FREE),
			      memory_order_release);
	s->next = chain->first;
	chain->first = s;
	chain->nr++;
}

void ds_queue_free_slots(struct ds_queue *q, struct ds_slot_chain *chain)
{
	struct ds_slot *next;

	if (!chain->first)
		return;
	pthread_mutex_lock(&q->lock);
	for (struct ds_slot *s = chain->first; s; s = next) {
		next = s->next;
		s->next = q->free;
		q->free = s;
	}
	q->nr_free += chain->nr;
	if (q->nr_space_waiters)
		pthread_cond_broadcast(&q->space);
	pthread_mutex_unlock(&q->lock);
	chain->first = NULL;
	chain->nr = 0;
}

void ds_slot_put(struct ds_slot *s)
{
	struct ds_slot_chain chain = { NULL, 0 };
	struct ds_queue *q = s->queue;

	ds_slot_put_to(s, &chain);
	ds_queue_free_slots(q, &chain);
}

void ds_queue_space_freed(struct ds_queue *q)
{
	pthread_mutex_lock(&q->lock);
	if (q->nr_space_waiters)
		pthread_cond_broadcast(&q->space);
	pthread_mutex_unlock(&q->lock);
}

uint32_t ds_queue_request_status(struct ds_queue *q, uint64_t id)
{
	uint32_t index = (uint32_t)id;
	struct ds_slot *s;
	uint64_t w;

	if (!q || index >= q->capacity)
		return 0;
	s = &q->slots[index];
	w = atomic_load_explicit(&s->word, memory_order_acquire);
	if (DS_WORD_GENERATION(w) != id >> 32)
		return 0;
	/* The error callback is the first to know. */
	if (DS_WORD_STATE(w) == DS_STATE_FAILED &&
	    !atomic_load_explicit(&s->is_published, memory_order_acquire))
		return DS_STATUS_RUNNING;
	return DS_WORD_STATE(w) == DS_STATE_CANCELLING ? DS_STATUS_RUNNING : DS_WORD_STATE(w);
}

ds_result ds_queue_get_stats(struct ds_queue *q, struct ds_stats *out)
{
	struct ds_stats st = { .size = sizeof(st) };

	if (!q)
		return DS_ERR_INVALID_ARGUMENT;
	ds_counters_read(&q->counters, &st);
	st.staging_nbytes = q->be->pipeline.staging.nbytes;
	st.io_workers = q->be->pipeline.engine->nr_workers;
	st.decode_workers = q->be->pipeline.workers.nr;
	return ds_copy_out(out, &st, sizeof(st), DS_STATS_SIZE_0);
}
