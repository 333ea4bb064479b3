/* SPDX-License-Identifier: MIT */
/* page_cache.c: cachestat(2), by number as C libraries do not wrap it yet, and RWF_NOWAIT. */
#include "io/page_cache.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/pages.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* the same on every architecture */
#endif

struct cachestat_range {
	uint64_t off;
	uint64_t len;
};

struct cachestat {
	uint64_t nr_cache;
	uint64_t nr_dirty;
	uint64_t nr_writeback;
	uint64_t nr_evicted;
	uint64_t nr_recently_evicted;
};

bool ds_page_cache_has(int fd, uint64_t offset, uint64_t nbytes)
{
	struct cachestat_range range = { offset, nbytes };
	uint64_t page = ds_page_nbytes(); /* cachestat() counts pages */
	struct cachestat st;

	if (!nbytes || syscall(SYS_cachestat, fd, &range, &st, 0))
		return false;
	return st.nr_cache >= (offset + nbytes - 1) / page - offset / page + 1;
}

int ds_page_cache_read(struct ds_io_engine *e, int fd, void *buf, uint32_t nbytes, uint64_t offset)
{
	struct iovec iov = { buf, nbytes };
	ssize_t n = preadv2(fd, &iov, 1, (off_t)offset, RWF_NOWAIT);

	(void)e;
	return n < 0 ? -errno : (int)n;
}
