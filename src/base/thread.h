/* SPDX-License-Identifier: MIT */
/*
 * thread.h: named threads with blocked signals, and condition variables on the
 * monotonic clock.
 */
#ifndef DS_BASE_THREAD_H
#define DS_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Starts fn(arg). name has at most 15 characters. All signals are blocked in it. 0 or -errno. */
int ds_thread_start(pthread_t *t, const char *name, void *(*fn)(void *), void *arg);

/* Cores that this process may run on; at least 1. */
unsigned ds_cpu_count(void);

void ds_cond_init(pthread_cond_t *cond);

/* False once the deadline (ds_now_ns() time; UINT64_MAX: never) has passed. */
bool ds_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns);

#endif /* DS_BASE_THREAD_H */
