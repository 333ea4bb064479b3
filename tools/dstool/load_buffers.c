/* SPDX-License-Identifier: MIT */
/*
 * load_buffers.c: keeps buffers by size class and hands them out again, so that a load
 * measures the runtime and not the kernel clearing fresh pages.
 */
#include "load_buffers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SMALLEST ((uint64_t)4096)

static unsigned class_of(uint64_t nbytes)
{
	unsigned class = 0;

	while ((SMALLEST << class) < nbytes)
		class ++;
	return class;
}

void load_buffers_init(struct load_buffers *b, struct ds_backend *device, uint64_t limit)
{
	memset(b, 0, sizeof(*b));
	b->device = device;
	b->limit = limit;
}

static void release(struct load_buffers *b, struct load_buffer *buffer)
{
	if (b->device)
		ds_vulkan_buffer_destroy(b->device, &buffer->gpu);
	else
		munmap(buffer->data, buffer->room);
	free(buffer);
}

/* Largest first: that frees the most with the fewest calls. */
static void release_kept(struct load_buffers *b, uint64_t enough)
{
	for (unsigned i = LOAD_NR_CLASSES; i-- > 0 && b->kept > enough;) {
		while (b->free_list[i] && b->kept > enough) {
			struct load_buffer *buffer = b->free_list[i];

			b->free_list[i] = buffer->next;
			b->kept -= buffer->room;
			release(b, buffer);
		}
	}
}

void load_buffers_fini(struct load_buffers *b)
{
	release_kept(b, 0);
}

static struct load_buffer *create(struct load_buffers *b, uint64_t room)
{
	struct load_buffer *buffer = calloc(1, sizeof(*buffer));

	if (!buffer)
		return NULL;
	buffer->room = (size_t)room;
	if (b->device) {
		buffer->gpu = (struct ds_vulkan_buffer)DS_VULKAN_BUFFER_INIT;
		if (ds_vulkan_buffer_create(b->device, room, 0, DS_VULKAN_MEMORY_DEVICE,
					    &buffer->gpu) == DS_OK)
			return buffer;
		free(buffer);
		return NULL;
	}
	buffer->data = mmap(NULL, buffer->room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	if (buffer->data == MAP_FAILED) {
		free(buffer);
		return NULL;
	}
	/* Sooner there, and for most virtual disks sooner filled. */
	madvise(buffer->data, buffer->room, MADV_HUGEPAGE);
	return buffer;
}

enum load_buffer_result load_buffers_get(struct load_buffers *b, uint64_t nbytes,
					 struct load_buffer **out)
{
	unsigned class;
	uint64_t room;
	struct load_buffer *buffer;

	if (nbytes > SMALLEST << (LOAD_NR_CLASSES - 1))
		return LOAD_BUFFER_NO_MEMORY;
	class = class_of(nbytes);
	room = SMALLEST << class;
	if (b->in_use && b->in_use + room > b->limit)
		return LOAD_BUFFER_LATER;
	buffer = b->free_list[class];
	if (buffer) {
		b->free_list[class] = buffer->next;
		b->kept -= room;
	} else {
		uint64_t may_keep = b->limit > b->in_use + room ? b->limit - b->in_use - room : 0;

		release_kept(b, may_keep);
		buffer = create(b, room);
	}
	if (!buffer)
		return LOAD_BUFFER_NO_MEMORY;
	b->in_use += room;
	if (b->in_use > b->high_water)
		b->high_water = b->in_use;
	*out = buffer;
	return LOAD_BUFFER_OK;
}

void load_buffers_put(struct load_buffers *b, struct load_buffer *buffer)
{
	unsigned class = class_of(buffer->room);

	b->in_use -= buffer->room;
	if (b->in_use + b->kept + buffer->room > b->limit) {
		release(b, buffer);
		return;
	}
	buffer->next = b->free_list[class];
	b->free_list[class] = buffer;
	b->kept += buffer->room;
}
