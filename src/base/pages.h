/* SPDX-License-Identifier: MIT */
/*
 * pages.h: anonymous memory in whole pages, huge ones where the kernel gives them.
 *
 * Devices reach memory by its physical pieces: the fewer there are, the less work each read into it
 * makes for whoever translates, pins or copies them.
 */
#ifndef DS_BASE_PAGES_H
#define DS_BASE_PAGES_H

#include <stddef.h>

/* The size of an ordinary page. */
size_t ds_page_nbytes(void);

/* Zeroed; from a huge page's size on aligned to that. NULL: no memory. */
void *ds_pages_map(size_t nbytes);
void ds_pages_unmap(void *p, size_t nbytes);

#endif /* DS_BASE_PAGES_H */
