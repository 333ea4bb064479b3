/* SPDX-License-Identifier: MIT */
/* file.h: open files. */
#ifndef DS_CORE_FILE_H
#define DS_CORE_FILE_H

#include <stdatomic.h>

#include "core/request.h"
#include "ds_runtime.h"

/* Constant after opening, but for the reference count and is_direct_refused. */
struct ds_file {
	atomic_uint refs; /* the caller's and one a request */
	struct ds_backend *be;
	int fd;
	int direct_fd; /* -1: no direct I/O */
	int32_t slot;  /* registered with the engine, or negative */
	int32_t direct_slot;
	bool finds_cached; /* direct I/O is our choice, not the caller's: see ds_io_op.cached_fd */
	uint32_t memory_alignment;
	uint32_t offset_alignment;
	bool is_writable;
	atomic_bool is_direct_refused; /* the kernel said EINVAL to an aligned operation */
};

void ds_file_ref(struct ds_file *file);
void ds_file_unref(struct ds_file *file);

/*
 * Fills in *io from a FILE or FD location and takes a reference to a file; io->file is
 * to be unreferenced when the request no longer needs it.
 */
ds_result ds_io_target_init(struct ds_io_target *io, struct ds_backend *be,
			    const struct ds_location *loc, bool for_writing);

#endif /* DS_CORE_FILE_H */
