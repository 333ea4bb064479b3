/* SPDX-License-Identifier: MIT */
/*
 * ds_runtime_uring.h: the io_uring backend.
 *
 * Reads and writes host memory through io_uring, with a ring for each worker
 * thread. Everything else is as on the CPU backend. What it is for: the same or a
 * higher speed for a fraction of the CPU time, most of all for small direct reads.
 */
#ifndef DS_RUNTIME_URING_H
#define DS_RUNTIME_URING_H

#include "ds_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
	DS_URING_DEFAULT_AUTO = 0, /* where the kernel and RLIMIT_MEMLOCK allow it */
	DS_URING_NEVER = 1,
	DS_URING_REQUIRED = 2, /* the backend is not made without it */
};

/* Zero means the default. */
struct ds_uring_config {
	uint32_t size;
	uint32_t entries; /* operations in flight in each ring; 64. At most 4096 */
	uint64_t
		in_flight_nbytes; /* and their bytes; 8 MiB. Bounds what a strong cancel waits for */
	int32_t fixed_buffers;	  /* staging memory is registered with the rings; DS_URING_* */
	int32_t fixed_files;	  /* open files are registered with the rings; DS_URING_* */
	uint32_t pin_workers;	  /* 1: each I/O worker stays on one core */
	uint32_t reserved;
};
#define DS_URING_CONFIG_INIT DS_INIT_(struct ds_uring_config)

/*
 * ds_make_io_uring_backend() - a backend that reads with io_uring.
 *
 * io_workers of cfg is the number of rings: min(cores, 4) unless configured. With
 * DS_DIRECT_AUTO, a range that is wholly in the page cache is read from there, any
 * other with O_DIRECT where the file system takes it. Both configurations may be NULL.
 *
 * Returns DS_ERR_UNAVAILABLE when the build or the kernel has no io_uring or it is forbidden
 * (ds_io_uring_available() says why), else as ds_make_cpu_backend().
 */
DS_API ds_result ds_make_io_uring_backend(const struct ds_backend_config *cfg,
					  const struct ds_uring_config *uring,
					  struct ds_backend **out);

/*
 * ds_io_uring_available() - whether io_uring works here, tried by a real read.
 *
 * On DS_ERR_UNAVAILABLE, why (of nbytes, may be NULL) gets a sentence, such as "forbidden by
 * the sysctl kernel.io_uring_disabled=2".
 */
DS_API ds_result ds_io_uring_available(char *why, size_t nbytes);

#ifdef __cplusplus
}
#endif

#endif /* DS_RUNTIME_URING_H */
