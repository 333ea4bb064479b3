/* SPDX-License-Identifier: MIT */
/*
 * decode_choice.c: whether the workers or the device decode.
 *
 * Whoever would be done first: the workers' time is what they have queued and this, at the rate
 * that they were seen to have, divided by their number; the device tells its own.
 */
#include "core/pipeline.h"

/* Before anything was measured: 1 GB/s, and then an average over some 8 measurements. */
#define FIRST_NS_PER_MIB (1u << 20)
#define AVERAGE_SHIFT	 3

static uint64_t workers_eta_ns(struct ds_pipeline *pl, uint64_t nbytes)
{
	uint64_t per_mib = atomic_load_explicit(&pl->cpu_ns_per_mib, memory_order_relaxed);
	uint64_t queued = atomic_load_explicit(&pl->cpu_decode_queued, memory_order_relaxed);

	if (!per_mib)
		per_mib = FIRST_NS_PER_MIB;
	return ((queued + nbytes) / pl->workers.nr >> 10) * per_mib >> 10;
}

bool ds_decode_on_device(struct ds_pipeline *pl, const struct ds_slot *s, uint64_t nbytes)
{
	uint64_t eta;

	if (!pl->device->ops->decode_eta_ns)
		return false;
	eta = pl->device->ops->decode_eta_ns(pl->device, s->codec, &s->target, nbytes);
	return !eta || (eta != UINT64_MAX && eta < workers_eta_ns(pl, nbytes));
}

void ds_decode_queued(struct ds_pipeline *pl, struct ds_window *w, uint64_t nbytes)
{
	w->cpu_decode_nbytes = nbytes;
	atomic_fetch_add_explicit(&pl->cpu_decode_queued, nbytes, memory_order_relaxed);
}

void ds_decode_unqueued(struct ds_pipeline *pl, struct ds_window *w)
{
	if (w->cpu_decode_nbytes)
		atomic_fetch_sub_explicit(&pl->cpu_decode_queued, w->cpu_decode_nbytes,
					  memory_order_relaxed);
	w->cpu_decode_nbytes = 0;
}

void ds_decode_measured(struct ds_pipeline *pl, uint64_t nbytes, uint64_t ns)
{
	uint64_t old = atomic_load_explicit(&pl->cpu_ns_per_mib, memory_order_relaxed);
	uint64_t now = nbytes ? (ns << 10) / ((nbytes >> 10) + 1) : 0;

	/* Concurrent measurements may get lost: it is an estimate. */
	if (now)
		atomic_store_explicit(&pl->cpu_ns_per_mib,
				      old ? old - (old >> AVERAGE_SHIFT) + (now >> AVERAGE_SHIFT)
					  : now,
				      memory_order_relaxed);
}
