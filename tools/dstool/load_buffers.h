/* SPDX-License-Identifier: MIT */
/*
 * load_buffers.h: destinations for requests in flight, within a fixed amount of memory.
 */
#ifndef DSTOOL_LOAD_BUFFERS_H
#define DSTOOL_LOAD_BUFFERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ds_runtime_vulkan.h"

/* Sizes are powers of two from 4 KiB on. */
#define LOAD_NR_CLASSES 40

struct load_buffer {
	struct load_buffer *next; /* in the list of free ones */
	void *data;		  /* NULL: it is on the device */
	struct ds_vulkan_buffer gpu;
	size_t room; /* 4 KiB times a power of two */
};

struct load_buffers {
	struct ds_backend *device; /* whose memory it is; NULL: the host's */
	uint64_t limit;
	uint64_t in_use; /* bytes handed out */
	uint64_t kept;	 /* bytes kept for the next request of that size */
	uint64_t high_water;
	struct load_buffer *free_list[LOAD_NR_CLASSES];
};

enum load_buffer_result {
	LOAD_BUFFER_OK,
	LOAD_BUFFER_LATER,     /* does not fit now: give some back first */
	LOAD_BUFFER_NO_MEMORY, /* the system refuses it */
};

/* device: a Vulkan backend, or NULL for host memory. */
void load_buffers_init(struct load_buffers *b, struct ds_backend *device, uint64_t limit);
/* All must have been put back. */
void load_buffers_fini(struct load_buffers *b);

/*
 * Page-aligned room for nbytes. What is larger than the whole limit is given only when
 * nothing else is in use: a compressed stream needs its destination in one piece.
 */
enum load_buffer_result load_buffers_get(struct load_buffers *b, uint64_t nbytes,
					 struct load_buffer **out);
void load_buffers_put(struct load_buffers *b, struct load_buffer *buffer);

#endif /* DSTOOL_LOAD_BUFFERS_H */
