/* SPDX-License-Identifier: MIT */
/* copy_struct.h: size-stamped structs in and out. */
#ifndef DS_BASE_COPY_STRUCT_H
#define DS_BASE_COPY_STRUCT_H

#include <stddef.h>

#include "ds_runtime.h"

/* The sizes of version 0.1: no caller was ever compiled with less. */
#define DS_BACKEND_CONFIG_SIZE_0 sizeof(struct ds_backend_config)
#define DS_QUEUE_CONFIG_SIZE_0	 sizeof(struct ds_queue_config)
#define DS_REQUEST_SIZE_0	 sizeof(struct ds_request)
#define DS_COMPLETION_SIZE_0	 offsetof(struct ds_completion, bytes_driver_decoded)
#define DS_STATS_SIZE_0		 sizeof(struct ds_stats)
#define DS_FILE_INFO_SIZE_0	 sizeof(struct ds_file_info)

/*
 * Copies a caller's struct in: a shorter one is zero-extended, a longer one accepted
 * if what this library does not know is zero. NULL: all zero. A size below min_size is
 * refused. The copy's size field is dst_nbytes.
 */
ds_result ds_copy_config(void *dst, size_t dst_nbytes, const void *src, size_t min_size);

/* Copies a result out, as much as the caller's struct takes; its size field stays. */
ds_result ds_copy_out(void *dst, const void *src, size_t src_nbytes, size_t min_size);

#endif /* DS_BASE_COPY_STRUCT_H */
