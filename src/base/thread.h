/* SPDX-License-Identifier: MIT */
/*
 * thread.h: named threads with blocked signals and a CPU clock, and condition
 * variables on the monotonic clock.
 */
#ifndef DS_BASE_THREAD_H
#define DS_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Owned by whoever started it; constant until joined. */
struct ds_thread {
	pthread_t handle;
	clockid_t cpu_clock;
	bool has_cpu_clock;
};

/* Starts fn(arg). name has at most 15 characters. All signals are blocked in it. 0 or -errno. */
int ds_thread_start(struct ds_thread *t, const char *name, void *(*fn)(void *), void *arg);
void ds_thread_join(struct ds_thread *t);

/* The CPU time that a running thread has used so far. */
uint64_t ds_thread_cpu_ns(const struct ds_thread *t);

/* The CPU time that the calling thread has used so far. */
uint64_t ds_thread_self_cpu_ns(void);

/* Cores that this process may run on; at least 1. */
unsigned ds_cpu_count(void);

void ds_cond_init(pthread_cond_t *cond);

/* False once the deadline (ds_now_ns() time; UINT64_MAX: never) has passed. */
bool ds_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns);

#endif /* DS_BASE_THREAD_H */
