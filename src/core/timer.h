/* SPDX-License-Identifier: MIT */
/*
 * timer.h: requests' timeouts.
 *
 * A request with a timeout costs one store of its deadline. A thread sleeps until the
 * earliest deadline it knows, then looks through the slots of all queues. Nothing is
 * to be removed when a request ends in time. Started by the first request with a timeout.
 */
#ifndef DS_CORE_TIMER_H
#define DS_CORE_TIMER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "ds_runtime.h"

struct ds_timer {
	struct ds_backend *be;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t wake;
	pthread_t thread;
	bool is_started;
	bool is_stopping;
	uint64_t next_ns; /* the earliest deadline that is known; UINT64_MAX: none */
};

void ds_timer_init(struct ds_timer *t, struct ds_backend *be);
void ds_timer_fini(struct ds_timer *t);

/* Makes sure that the thread is there. */
ds_result ds_timer_start(struct ds_timer *t);

/* Wakes the thread if this deadline is earlier than what it knows. */
void ds_timer_arm(struct ds_timer *t, uint64_t deadline_ns);

#endif /* DS_CORE_TIMER_H */
