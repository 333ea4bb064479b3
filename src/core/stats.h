/* SPDX-License-Identifier: MIT */
/* stats.h: counters and a latency histogram, updated by any thread without locks. */
#ifndef DS_CORE_STATS_H
#define DS_CORE_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "ds_runtime.h"

/* Each power of two in 32 steps: values are kept within 1/32. */
#define DS_HISTOGRAM_STEPS   32
#define DS_HISTOGRAM_BUCKETS (60 * DS_HISTOGRAM_STEPS)

/*
 * All relaxed: they count, they order nothing. One for each queue; a backend's figures are the
 * sum over its queues, and of those that are gone.
 */
struct ds_counters {
	_Atomic uint64_t enqueued;
	_Atomic uint64_t submitted;
	_Atomic uint64_t published; /* of those; before their results can be taken */
	_Atomic uint64_t failed;
	_Atomic uint64_t cancelled;
	_Atomic uint64_t timed_out;
	_Atomic uint64_t bytes_read;
	_Atomic uint64_t bytes_written;
	_Atomic uint64_t bytes_decoded;
	_Atomic uint64_t bytes_device_decoded;
	_Atomic uint64_t path_bytes[DS_PATH_COUNT];
	_Atomic uint64_t path_requests[DS_PATH_COUNT];
	_Atomic uint64_t io_operations;
	_Atomic uint64_t io_retries;
	_Atomic uint64_t direct_refused;
	_Atomic uint64_t io_fixed_buffers;
	_Atomic uint64_t io_fixed_files;
	_Atomic uint64_t staging_in_use;
	_Atomic uint64_t staging_high_water;
	_Atomic uint64_t latency_sum;
	_Atomic uint64_t latency_max;
	_Atomic uint32_t latency[DS_HISTOGRAM_BUCKETS];
};

static inline void ds_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline void ds_uncount(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_sub_explicit(counter, n, memory_order_relaxed);
}

/* Raises a maximum. */
void ds_count_max(_Atomic uint64_t *counter, uint64_t value);

void ds_counters_latency(struct ds_counters *c, uint64_t ns);

/* Adds one queue's to another's; not its staging memory, which the backend knows itself. */
void ds_counters_add(struct ds_counters *sum, struct ds_counters *c);

/* Fills in everything that the counters know. */
void ds_counters_read(struct ds_counters *c, struct ds_stats *out);

#endif /* DS_CORE_STATS_H */
