/* SPDX-License-Identifier: MIT */
/* page_cache.h: is a range of a file in the page cache? */
#ifndef DS_IO_PAGE_CACHE_H
#define DS_IO_PAGE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * True if every page of the range is there. Reads nothing and starts no read-ahead (which
 * a read with RWF_NOWAIT does). False where the kernel cannot tell (before 6.5).
 */
bool ds_page_cache_has(int fd, uint64_t offset, uint64_t nbytes);

#endif /* DS_IO_PAGE_CACHE_H */
