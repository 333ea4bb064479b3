/* SPDX-License-Identifier: MIT */
/*
 * memory.h: whether the program's memory can be read and written.
 *
 * The runtime's threads are not Wine's: where a thread of the program would get an exception,
 * or have Wine note a write, one of them takes the process down. The kernel says EFAULT instead,
 * so reads from files need no look beforehand; what a decoder writes or a copy reads does.
 */
#ifndef DSTORAGE_MEMORY_H
#define DSTORAGE_MEMORY_H

#include <stdbool.h>
#include <windows.h>

enum memory_kind {
	MEMORY_BAD,
	MEMORY_PLAIN,
	MEMORY_WATCHED, /* writable, by threads of Wine's alone: MEM_WRITE_WATCH */
};

bool memory_is_readable(const void *data, UINT64 nbytes);
enum memory_kind memory_writable_kind(void *data, UINT64 nbytes);

/* Writes to each page what is there. True: a thread of the program could. */
bool memory_touch(void *data, UINT64 nbytes);

#endif /* DSTORAGE_MEMORY_H */
