/* SPDX-License-Identifier: MIT */
/* thread.c: see thread.h. */
#include "base/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static uint64_t read_clock_ns(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * DS_NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

int ds_thread_start(struct ds_thread *t, const char *name, void *(*fn)(void *), void *arg)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&t->handle, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return -err;
	pthread_setname_np(t->handle, name);
	t->has_cpu_clock = !pthread_getcpuclockid(t->handle, &t->cpu_clock);
	return 0;
}

void ds_thread_join(struct ds_thread *t)
{
	pthread_join(t->handle, NULL);
}

uint64_t ds_thread_cpu_ns(const struct ds_thread *t)
{
	return t->has_cpu_clock ? read_clock_ns(t->cpu_clock) : 0;
}

uint64_t ds_thread_self_cpu_ns(void)
{
	return read_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

unsigned ds_cpu_count(void)
{
	cpu_set_t set;
	long n;

	if (!sched_getaffinity(0, sizeof(set), &set) && CPU_COUNT(&set) > 0)
		return (unsigned)CPU_COUNT(&set);
	n = sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 ? (unsigned)n : 1;
}

void ds_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

bool ds_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns)
{
	struct timespec ts;

	if (deadline_ns == UINT64_MAX) {
		pthread_cond_wait(cond, lock);
		return true;
	}
	ts.tv_sec = (time_t)(deadline_ns / DS_NSEC_PER_SEC);
	ts.tv_nsec = (long)(deadline_ns % DS_NSEC_PER_SEC);
	return pthread_cond_timedwait(cond, lock, &ts) != ETIMEDOUT;
}
