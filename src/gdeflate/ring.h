/* SPDX-License-Identifier: MIT */
/*
 * ring.h: blocks in, blocks out, in order, with the work between done by several threads.
 *
 * The calling thread fills blocks and drains them again in the same order. In between,
 * threads work on them, and the calling thread too, when it would have to wait. What comes
 * out does not depend on how many there are.
 */
#ifndef DS_GDEFLATE_RING_H
#define DS_GDEFLATE_RING_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ds_gdeflate.h"

struct gd_ring_ops {
	/* On the calling thread. False: there is no further block, or *ret says what failed. */
	bool (*fill)(void *job, unsigned block, ds_result *ret);
	/* On any thread; no two have the same number. */
	void (*work)(void *job, unsigned block, unsigned thread);
	/* On the calling thread, in the order of fill(). */
	ds_result (*drain)(void *job, unsigned block);
};

struct gd_ring_thread;

struct gd_ring {
	struct ds_gdeflate_allocator allocator;
	unsigned nr_blocks;
	unsigned nr_threads; /* the calling one included, which is the last */
	struct gd_ring_thread *threads;
	bool *is_done; /* of each block; guarded by lock */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t can_work;
	pthread_cond_t can_drain;
	const struct gd_ring_ops *ops;
	void *job;
	uint64_t filled; /* blocks so far; each counter only grows */
	uint64_t taken;
	uint64_t drained;
	unsigned nr_working;
	bool is_over;
};

/* Starts nr_threads - 1 threads, or fewer if the system gives no more. */
ds_result ds_gd_ring_init(struct gd_ring *r, unsigned nr_threads,
			  const struct ds_gdeflate_allocator *allocator);
void ds_gd_ring_fini(struct gd_ring *r);

/* Runs a job to its end. When it returns, no thread touches the job or a block any more. */
ds_result ds_gd_ring_run(struct gd_ring *r, const struct gd_ring_ops *ops, void *job);

#endif /* DS_GDEFLATE_RING_H */
