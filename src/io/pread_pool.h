/* SPDX-License-Identifier: MIT */
/* pread_pool.h: an I/O engine of threads that pread and pwrite. */
#ifndef DS_IO_PREAD_POOL_H
#define DS_IO_PREAD_POOL_H

#include "core/io_engine.h"

/* arg is unused. 0, -EINVAL, -ENOMEM or -EAGAIN (no more threads). */
int ds_pread_pool_create(const void *arg, const struct ds_io_config *cfg,
			 struct ds_io_engine **out);

#endif /* DS_IO_PREAD_POOL_H */
