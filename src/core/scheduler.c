/* SPDX-License-Identifier: MIT */
/*
 * scheduler.c: which request is next.
 *
 * Four lists, one for each priority. The highest that has credit goes first; when
 * all that have work are out of credit, each gets its quantum. So a level that is
 * never empty gets its share of bytes, and none starves.
 */
#include <assert.h>

#include "base/clock.h"
#include "core/file.h"
#include "core/queue.h"

/* Bytes in a round: low, normal, high, realtime. */
static const int64_t quantum[DS_NR_LEVELS] = { 64 << 10, 256 << 10, 1 << 20, 4 << 20 };
#define MIN_COST 4096

void ds_scheduler_add(struct ds_pipeline *pl, struct ds_list *slots)
{
	struct ds_list *node;

	pthread_mutex_lock(&pl->lock);
	while ((node = ds_list_pop_front(slots))) {
		struct ds_slot *s = ds_list_entry(node, struct ds_slot, link);

		s->is_scheduled = true;
		ds_list_push_back(&pl->levels[s->level].slots, node);
		pl->nr_waiting++;
	}
	pthread_mutex_unlock(&pl->lock);
}

static void unschedule(struct ds_pipeline *pl, struct ds_slot *s)
{
	ds_list_remove(&s->link);
	s->is_scheduled = false;
	pl->nr_waiting--;
	if (pl->hungry == s)
		pl->hungry = NULL;
}

void ds_scheduler_put_first(struct ds_pipeline *pl, struct ds_slot *s)
{
	s->is_scheduled = true;
	ds_list_push_front(&pl->levels[s->level].slots, &s->link);
	pl->nr_waiting++;
}

void ds_scheduler_unpark(struct ds_pipeline *pl, struct ds_slot *s)
{
	if (!s->is_parked)
		return;
	s->is_parked = false;
	ds_scheduler_put_first(pl, s);
}

/* The level to serve, or -1. Levels in `blocked` wait for memory. */
static int pick_level(struct ds_pipeline *pl, unsigned blocked)
{
	bool has_work = false;

	for (;;) {
		for (int l = DS_NR_LEVELS - 1; l >= 0; l--) {
			if (ds_list_is_empty(&pl->levels[l].slots) || blocked & 1u << l)
				continue;
			if (pl->levels[l].credit > 0)
				return l;
			has_work = true;
		}
		if (!has_work)
			return -1;
		for (int l = 0; l < DS_NR_LEVELS; l++) {
			pl->levels[l].credit += quantum[l];
			if (pl->levels[l].credit > quantum[l])
				pl->levels[l].credit = quantum[l];
		}
	}
}

static bool has_room(const struct ds_pipeline *pl)
{
	return pl->ops_in_flight < pl->engine->max_ops &&
	       pl->bytes_in_flight < pl->engine->max_nbytes;
}

/* SUBMITTED -> RUNNING at the first look; false: it was cancelled or has failed. */
static bool is_runnable(struct ds_slot *s, uint64_t now_ns)
{
	uint64_t w = atomic_load_explicit(&s->word, memory_order_relaxed);

	if (DS_WORD_STATE(w) == DS_STATE_SUBMITTED &&
	    ds_slot_advance(s, DS_STATE_SUBMITTED, DS_STATE_RUNNING))
		atomic_store_explicit(&s->start_ns, now_ns, memory_order_relaxed);
	return ds_slot_is_wanted(s);
}

/* The level's next slot; one that others make room for comes before those that it holds up. */
static struct ds_slot *pick_slot(struct ds_pipeline *pl, int level)
{
	if (pl->hungry && pl->hungry->level == level)
		return pl->hungry;
	return ds_list_entry(pl->levels[level].slots.next, struct ds_slot, link);
}

/* Makes operations while there is room. *finished gets the slots that need nothing more. */
static void fill(struct ds_pipeline *pl, struct ds_batch *batch, struct ds_list *finished)
{
	uint64_t now_ns = pl->nr_waiting ? ds_now_ns() : 0;
	unsigned blocked = 0;

	while (pl->nr_waiting && has_room(pl)) {
		int l = pick_level(pl, blocked);
		enum ds_issue issue = DS_ISSUE_LAST;
		struct ds_slot *s;
		uint64_t before = batch->nbytes;

		if (l < 0)
			break;
		s = pick_slot(pl, l);
		if (is_runnable(s, now_ns))
			issue = ds_issue_next(pl, s, batch);
		pl->levels[l].credit -= (int64_t)ds_max_u64(batch->nbytes - before, MIN_COST);
		switch (issue) {
		case DS_ISSUE_MORE:
			break;
		case DS_ISSUE_LAST:
			unschedule(pl, s);
			ds_list_push_back(finished, &s->link);
			break;
		case DS_ISSUE_PARK:
			unschedule(pl, s);
			s->is_parked = true;
			break;
		case DS_ISSUE_PASSED:
			unschedule(pl, s);
			break;
		case DS_ISSUE_BLOCKED:
			blocked |= 1u << l;
			break;
		}
	}
}

void ds_scheduler_run(struct ds_pipeline *pl)
{
	struct ds_batch batch = { NULL, NULL, { NULL, NULL }, 0 };
	struct ds_list finished;
	struct ds_list *node;

	ds_list_init(&batch.windows);
	ds_list_init(&finished);
	pthread_mutex_lock(&pl->lock);
	fill(pl, &batch, &finished);
	pthread_mutex_unlock(&pl->lock);

	if (batch.first)
		pl->engine->ops->start(pl->engine, batch.first);
	while ((node = ds_list_pop_front(&batch.windows)))
		ds_window_begin(ds_list_entry(node, struct ds_window, link));
	while ((node = ds_list_pop_front(&finished)))
		ds_pipeline_work_done(ds_list_entry(node, struct ds_slot, link));
}

/*
 * Takes the slot off the list, and its unbegun operations into *taken. With the lock. The
 * slot may be in another life already; then its generation tells, and in this one what
 * the lock guards keeps it from ending meanwhile.
 */
static bool drop_locked(struct ds_pipeline *pl, struct ds_slot *s, uint32_t generation,
			struct ds_list *taken)
{
	uint64_t w = atomic_load_explicit(&s->word, memory_order_acquire);
	bool was_scheduled;

	if (DS_WORD_GENERATION(w) != generation)
		return false;
	/* An operation that is done already, of this life or an earlier one, is not given back. */
	for (unsigned i = 0; pl->engine->ops->cancel && i < pl->nr_ops; i++) {
		struct ds_op *op = &pl->ops[i];

		if (op->is_out && op->slot == s && pl->engine->ops->cancel(pl->engine, &op->io))
			ds_list_push_back(taken, &op->link);
	}
	was_scheduled = s->is_scheduled;
	if (was_scheduled)
		unschedule(pl, s);
	return was_scheduled;
}

void ds_pipeline_drop(struct ds_pipeline *pl, struct ds_slot *s, uint32_t generation)
{
	struct ds_list taken;
	struct ds_list *node;
	bool was_scheduled;

	ds_list_init(&taken);
	pthread_mutex_lock(&pl->lock);
	was_scheduled = drop_locked(pl, s, generation, &taken);
	pthread_mutex_unlock(&pl->lock);
	while ((node = ds_list_pop_front(&taken)))
		ds_op_dropped(ds_list_entry(node, struct ds_op, link));
	if (was_scheduled)
		ds_pipeline_work_done(s);
}

void ds_slot_fail(struct ds_slot *s, ds_result result, int sys_errno, uint32_t operation, int fd,
		  uint64_t offset, uint64_t nbytes)
{
	int expected = DS_OK;

	/* The winner's other fields are seen by who drops the last unit of work. */
	if (!atomic_compare_exchange_strong_explicit(&s->error, &expected, result,
						     memory_order_relaxed, memory_order_relaxed))
		return;
	s->failed_errno = sys_errno;
	s->failed_operation = operation;
	s->failed_fd = fd;
	s->failed_offset = offset;
	s->failed_nbytes = nbytes;
}

void ds_pipeline_touch_end(struct ds_slot *s)
{
	if (ds_slot_touch_end(s))
		ds_request_ended(s, true);
}

void ds_pipeline_work_done(struct ds_slot *s)
{
	struct ds_queue *q = s->queue;
	struct ds_pipeline *pl = &q->be->pipeline;
	bool failed, has_ended;

	if (atomic_fetch_sub_explicit(&s->work, 1, memory_order_acq_rel) != 1)
		return;
	if (ds_target_finish(s))
		return;
	if (s->stream) {
		pthread_mutex_lock(&pl->lock);
		ds_stream_free(pl, s->stream);
		s->stream = NULL;
		pthread_mutex_unlock(&pl->lock);
		ds_scheduler_run(pl);
	}
	if (s->io.file)
		ds_file_unref(s->io.file);
	ds_target_release(pl, s);
	failed = atomic_load_explicit(&s->error, memory_order_relaxed);
	has_ended = ds_slot_finish(s, failed ? DS_STATE_FAILED : DS_STATE_COMPLETE);
	/* Before the result can be taken: then the slot is free at once. */
	ds_slot_put(s);
	if (has_ended)
		ds_request_ended(s, true);
	ds_queue_drop_live(q, 1);
}
