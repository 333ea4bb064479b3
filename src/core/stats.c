/* SPDX-License-Identifier: MIT */
/* stats.c: see stats.h. Percentiles come from a log-linear histogram. */
#include "core/stats.h"

#include "base/util.h"

static uint64_t get(_Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void ds_count_max(_Atomic uint64_t *counter, uint64_t value)
{
	uint64_t seen = get(counter);

	while (seen < value &&
	       !atomic_compare_exchange_weak_explicit(counter, &seen, value, memory_order_relaxed,
						      memory_order_relaxed))
		;
}

static unsigned bucket_of(uint64_t ns)
{
	unsigned shift;

	if (ns < 2 * DS_HISTOGRAM_STEPS)
		return (unsigned)ns;
	shift = 63 - (unsigned)__builtin_clzll(ns) - 5;
	return shift * DS_HISTOGRAM_STEPS + (unsigned)(ns >> shift);
}

/* The middle of a bucket. */
static uint64_t value_of(unsigned bucket)
{
	unsigned shift;

	if (bucket < 2 * DS_HISTOGRAM_STEPS)
		return bucket;
	shift = bucket / DS_HISTOGRAM_STEPS - 1;
	return ((uint64_t)(bucket % DS_HISTOGRAM_STEPS + DS_HISTOGRAM_STEPS) << shift) +
	       (UINT64_C(1) << shift) / 2;
}

void ds_counters_latency(struct ds_counters *c, uint64_t ns)
{
	unsigned b = bucket_of(ns);

	if (b >= DS_HISTOGRAM_BUCKETS)
		b = DS_HISTOGRAM_BUCKETS - 1;
	atomic_fetch_add_explicit(&c->latency[b], 1, memory_order_relaxed);
	ds_count(&c->latency_sum, ns);
	ds_count_max(&c->latency_max, ns);
}

static void read_latency(struct ds_counters *c, struct ds_stats *out)
{
	static const unsigned per_mille[] = { 500, 900, 990, 999 };
	uint64_t *dst[] = { &out->latency_p50_ns, &out->latency_p90_ns, &out->latency_p99_ns,
			    &out->latency_p999_ns };
	uint64_t total = 0, seen = 0;
	unsigned next = 0;

	for (unsigned b = 0; b < DS_HISTOGRAM_BUCKETS; b++)
		total += atomic_load_explicit(&c->latency[b], memory_order_relaxed);
	for (unsigned b = 0; b < DS_HISTOGRAM_BUCKETS && total && next < 4; b++) {
		seen += atomic_load_explicit(&c->latency[b], memory_order_relaxed);
		while (next < 4 && seen * 1000 >= total * per_mille[next])
			*dst[next++] = ds_min_u64(value_of(b), get(&c->latency_max));
	}
	out->latency_max_ns = get(&c->latency_max);
	out->latency_mean_ns = total ? get(&c->latency_sum) / total : 0;
}

static void add(_Atomic uint64_t *sum, _Atomic uint64_t *counter)
{
	ds_count(sum, get(counter));
}

void ds_counters_add(struct ds_counters *sum, struct ds_counters *c)
{
	add(&sum->enqueued, &c->enqueued);
	add(&sum->published, &c->published);
	add(&sum->submitted, &c->submitted);
	add(&sum->failed, &c->failed);
	add(&sum->cancelled, &c->cancelled);
	add(&sum->timed_out, &c->timed_out);
	add(&sum->bytes_read, &c->bytes_read);
	add(&sum->bytes_written, &c->bytes_written);
	add(&sum->bytes_decoded, &c->bytes_decoded);
	add(&sum->bytes_device_decoded, &c->bytes_device_decoded);
	for (unsigned i = 0; i < DS_PATH_COUNT; i++) {
		add(&sum->path_bytes[i], &c->path_bytes[i]);
		add(&sum->path_requests[i], &c->path_requests[i]);
	}
	add(&sum->io_operations, &c->io_operations);
	add(&sum->io_retries, &c->io_retries);
	add(&sum->direct_refused, &c->direct_refused);
	add(&sum->io_fixed_buffers, &c->io_fixed_buffers);
	add(&sum->io_fixed_files, &c->io_fixed_files);
	add(&sum->latency_sum, &c->latency_sum);
	ds_count_max(&sum->latency_max, get(&c->latency_max));
	for (unsigned b = 0; b < DS_HISTOGRAM_BUCKETS; b++)
		atomic_fetch_add_explicit(
			&sum->latency[b],
			atomic_load_explicit(&c->latency[b], memory_order_relaxed),
			memory_order_relaxed);
}

void ds_counters_read(struct ds_counters *c, struct ds_stats *out)
{
	uint64_t published = get(&c->published);

	out->requests_enqueued = get(&c->enqueued);
	out->requests_submitted = get(&c->submitted);
	/* One may be published before its submit has been counted. */
	out->requests_in_flight =
		out->requests_submitted > published ? out->requests_submitted - published : 0;
	out->requests_failed = get(&c->failed);
	out->requests_cancelled = get(&c->cancelled);
	out->requests_timed_out = get(&c->timed_out);
	out->bytes_read = get(&c->bytes_read);
	out->bytes_written = get(&c->bytes_written);
	out->bytes_decoded = get(&c->bytes_decoded);
	out->bytes_device_decoded = get(&c->bytes_device_decoded);
	for (unsigned i = 0; i < DS_PATH_COUNT; i++) {
		out->path_bytes[i] = get(&c->path_bytes[i]);
		out->path_requests[i] = get(&c->path_requests[i]);
		out->bytes_delivered += out->path_bytes[i];
		out->requests_completed += out->path_requests[i];
	}
	out->io_operations = get(&c->io_operations);
	out->io_retries = get(&c->io_retries);
	out->direct_refused = get(&c->direct_refused);
	out->io_fixed_buffers = get(&c->io_fixed_buffers);
	out->io_fixed_files = get(&c->io_fixed_files);
	out->staging_in_use = get(&c->staging_in_use);
	out->staging_high_water = get(&c->staging_high_water);
	read_latency(c, out);
}
