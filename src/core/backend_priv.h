/* SPDX-License-Identifier: MIT */
/* backend_priv.h: what a backend is made of, for the core alone. */
#ifndef DS_CORE_BACKEND_PRIV_H
#define DS_CORE_BACKEND_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "core/pipeline.h"
#include "core/service.h"
#include "core/stats.h"
#include "core/timer.h"

#define DS_MAX_THREADS 1024

/* The CPU clocks of a backend's threads. */
struct ds_cpu_registry {
	pthread_mutex_t lock; /* guards all below */
	clockid_t clocks[DS_MAX_THREADS];
	unsigned nr;
	uint64_t ended_ns; /* of threads that are gone */
};

/*
 * Reference counted: the owner's, one a queue, one a file. The last one to go is
 * always a caller's (a queue outlives its requests, and they its files' references),
 * so no thread of the backend ever has to join itself.
 */
struct ds_backend {
	atomic_uint refs;
	char name[32];
	int32_t direct;
	struct ds_pipeline pipeline;
	struct ds_service service;
	struct ds_timer timer;
	struct ds_cpu_registry cpu;

	pthread_mutex_t queues_lock; /* guards all below; held while the timer visits queues */
	struct ds_list queues;
	struct ds_counters gone; /* of queues that were destroyed */
};

void ds_backend_ref(struct ds_backend *be);
void ds_backend_unref(struct ds_backend *be);
const struct ds_codec *ds_backend_codec(const struct ds_backend *be, uint32_t id);

/* Each thread of a backend calls these at its start and end; arg is the backend. */
void ds_backend_thread_start(void *arg);
void ds_backend_thread_stop(void *arg);

#endif /* DS_CORE_BACKEND_PRIV_H */
