/* SPDX-License-Identifier: MIT */
/*
 * unix.h: what the files of the Unix half share.
 *
 * The Unix half is a plain Linux library over the public API of ds-runtime. It knows nothing
 * of COM and of Windows' types, and calls nothing of Wine's. Its functions run on threads of
 * the Windows program, on a stack of 1 MiB.
 */
#ifndef DSTORAGE_UNIX_H
#define DSTORAGE_UNIX_H

#include <stdbool.h>
#include <stdint.h>

#include "ds_runtime.h"
#include "ds_runtime_vulkan.h"
#include "dstorage/shared/unix_calls.h"

/* An address that came through the call table. */
static inline void *unix_pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

static inline uint64_t unix_address(const void *pointer)
{
	return (uint64_t)(uintptr_t)pointer;
}

struct unix_file;
struct unix_share;

/* calls.c: the table that Wine looks for. Also what the native tests call through. */
extern int32_t (*const __wine_unix_call_funcs[DSW_NR_CODES])(void *args);

/* backend.c */
int32_t unix_backend_create(void *args);
int32_t unix_backend_destroy(void *args);
/* The one backend, or NULL. Valid as long as the caller has a queue on it. */
struct ds_backend *unix_backend(void);

/* files.c */
int32_t unix_file_from_fd(void *args);
int32_t unix_file_from_path(void *args);
int32_t unix_file_close(void *args);
/* The file on that backend; opened there at its first use. */
ds_result unix_file_get(struct unix_file *f, struct ds_backend *be, struct ds_file **out);
/* Before a backend goes: no file of ours keeps it. */
void unix_files_leave_backend(struct ds_backend *be);

/* queues.c */
int32_t unix_queue_create(void *args);
int32_t unix_queue_destroy(void *args);
int32_t unix_queue_start(void *args);
int32_t unix_queue_cancel(void *args);
int32_t unix_wait(void *args);

/* codecs.c */
int32_t unix_codec_bound(void *args);
int32_t unix_codec_compress(void *args);
int32_t unix_codec_decompress(void *args);
int32_t unix_gdeflate_tiles(void *args);

/* share.c */
int32_t unix_share_watch(void *args);
int32_t unix_share_open(void *args);
int32_t unix_share_close(void *args);
int32_t unix_share_check(void *args);
struct ds_backend *unix_share_backend(const struct unix_share *s);
/* Fills in a destination; the detail is kept until the request is enqueued. */
ds_result unix_share_destination(const struct unix_share *s, const struct dsw_request *in,
				 struct ds_location *out, struct ds_vulkan_buffer_detail *detail);

#endif /* DSTORAGE_UNIX_H */
