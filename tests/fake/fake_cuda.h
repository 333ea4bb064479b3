/* SPDX-License-Identifier: MIT */
/*
 * fake_cuda.h: a CUDA driver library of host memory, to be opened in place of libcuda.so.1.
 *
 * Device memory cannot be touched at its address: only what goes through the library reaches it.
 * Each stream is a thread, which takes its time: so who does not wait sees old bytes. Calls without
 * a current context fail, as they do for real. Kernels are known by their names.
 *
 * Time, where calls tell one, is simulated too: see copy_ns.
 *
 * The library has one control block; a test finds it with fake_cuda_open().
 */
#ifndef TESTS_FAKE_FAKE_CUDA_H
#define TESTS_FAKE_FAKE_CUDA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fake_cuda {
	/* What calls answer: a CUDA error, or 0 to let them work. */
	atomic_int init_result;
	atomic_int context_result;
	atomic_int register_result;
	atomic_int host_alloc_result;
	atomic_int alloc_result;
	atomic_int stream_result;
	atomic_int event_result; /* of creating one */
	atomic_int record_result;
	atomic_int elapsed_result;
	atomic_int module_result;
	atomic_int launch_result;
	atomic_int copy_result;
	atomic_int copies_before; /* asynchronous copies that work before copy_result counts */
	/* After so many things done by streams the device is lost with lost_result; negative: never. */
	atomic_int until_lost;
	atomic_int lost_result;
	atomic_bool is_lost;
	atomic_int nr_devices;
	atomic_bool
		any_address; /* addresses that were not allocated are host memory, as device memory */
	atomic_uint delay_us; /* most that a stream sleeps before each thing */
	/*
	 * What copies cost by the device's clock, which events with a time tell; nobody waits for it.
	 * So what is measured by events is the same on any machine, however busy.
	 */
	atomic_uint copy_ns;
	atomic_uint copy_ps_per_byte;
	uint64_t device_nbytes; /* memory of the device; a limit */

	/* What was done. */
	atomic_uint nr_copies_in;
	atomic_uint nr_copies_out;
	atomic_uint nr_kernels;
	atomic_uint nr_tiles;
	atomic_uint nr_timing_events; /* that were made */
	_Atomic uint64_t allocated;   /* bytes of device memory */
	_Atomic uint64_t most_allocated;

	/* What is there now, and has to be gone at the end. */
	atomic_int contexts;
	atomic_int streams;
	atomic_int events;
	atomic_int allocations;
	atomic_int host_allocations;
	atomic_int registrations;
	atomic_int modules;
};

/* The control block of the library at path, with everything as if it had just been loaded. */
struct fake_cuda *fake_cuda_open(const char *path);

/* Ends the test if anything is left over. */
void fake_cuda_require_clean(struct fake_cuda *f);

#endif /* TESTS_FAKE_FAKE_CUDA_H */
