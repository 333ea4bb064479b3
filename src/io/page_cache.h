/* SPDX-License-Identifier: MIT */
/* page_cache.h: is a range of a file in the page cache? And reading what is there. */
#ifndef DS_IO_PAGE_CACHE_H
#define DS_IO_PAGE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/io_engine.h"

/*
 * True if every page of the range is there. Reads nothing and starts no read-ahead (which
 * a read with RWF_NOWAIT does). False where the kernel cannot tell (before 6.5).
 */
bool ds_page_cache_has(int fd, uint64_t offset, uint64_t nbytes);

/*
 * For ds_io_engine_ops.read_cached. -EAGAIN where nothing is cached, -ENOSYS and -EOPNOTSUPP where the
 * kernel or the file system cannot tell. Starts read-ahead of what is not there.
 */
int ds_page_cache_read(struct ds_io_engine *e, int fd, void *buf, uint32_t nbytes, uint64_t offset);

#endif /* DS_IO_PAGE_CACHE_H */
