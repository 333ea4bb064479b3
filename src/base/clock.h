/* SPDX-License-Identifier: MIT */
/* clock.h: the one clock that the runtime reads. */
#ifndef DS_BASE_CLOCK_H
#define DS_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define DS_NSEC_PER_SEC UINT64_C(1000000000)

/* CLOCK_MONOTONIC in nanoseconds. */
static inline uint64_t ds_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * DS_NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* now + timeout, where UINT64_MAX stands for never. */
static inline uint64_t ds_deadline_ns(uint64_t timeout_ns)
{
	uint64_t now = ds_now_ns();

	return timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + timeout_ns;
}

#endif /* DS_BASE_CLOCK_H */
