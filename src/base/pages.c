/* SPDX-License-Identifier: MIT */
/* pages.c: mmap(2) and madvise(2). */
#include "base/pages.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"

#define HUGE_PAGE_NBYTES ((size_t)2 << 20)

size_t ds_page_nbytes(void)
{
	static _Atomic size_t cached;
	size_t n = atomic_load_explicit(&cached, memory_order_relaxed);

	if (!n) {
		n = (size_t)sysconf(_SC_PAGESIZE);
		atomic_store_explicit(&cached, n, memory_order_relaxed);
	}
	return n;
}

static void *map(size_t nbytes)
{
	void *p = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void unmap_between(unsigned char *from, const unsigned char *to)
{
	if (from < to)
		munmap(from, (size_t)(to - from));
}

/* More is mapped than is wanted, and what does not fit the alignment given back. */
void *ds_pages_map(size_t nbytes)
{
	size_t all = nbytes + HUGE_PAGE_NBYTES;
	unsigned char *p, *begin;

	if (nbytes < HUGE_PAGE_NBYTES || all < nbytes)
		return map(nbytes);
	p = map(all);
	if (!p)
		return NULL;
	begin = p + (ds_align_up((uintptr_t)p, HUGE_PAGE_NBYTES) - (uintptr_t)p);
	unmap_between(p, begin);
	unmap_between(begin + ds_align_up(nbytes, ds_page_nbytes()), p + all);
	/* Refused by a kernel that has no huge pages, or is told not to give any: no harm. */
	madvise(begin, nbytes, MADV_HUGEPAGE);
	return begin;
}

void ds_pages_unmap(void *p, size_t nbytes)
{
	munmap(p, nbytes);
}
