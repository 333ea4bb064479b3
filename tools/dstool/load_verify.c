/* SPDX-License-Identifier: MIT */
/*
 * load_verify.c: compares delivered bytes with what the system's own reads give.
 *
 * Of the queue nothing is used. What is in a device's memory is written to a file in memory first;
 * else memory does not grow with the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_io.h"
#include "load.h"

#define PIECE_NBYTES (64u * 1024)

static const char *compare_raw(int fd, const struct load_slot *slot, const unsigned char *bytes)
{
	unsigned char piece[PIECE_NBYTES];
	uint64_t at = 0;

	while (at < slot->dst_nbytes) {
		uint64_t left = slot->dst_nbytes - at;
		size_t want = left < PIECE_NBYTES ? (size_t)left : PIECE_NBYTES;
		ssize_t n = pread_full(fd, piece, want, slot->offset + at);

		if (n < 0)
			return strerror(errno);
		if ((size_t)n < want)
			return "a plain read gives fewer bytes";
		if (memcmp(piece, bytes + at, want) != 0)
			return "the bytes differ from what a plain read gives";
		at += want;
	}
	return NULL;
}

static const char *compare(const struct load_slot *slot, const void *bytes)
{
	const char *wrong;
	struct stat st;
	int fd = open(slot->file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return strerror(errno);
	if (!slot->format)
		wrong = compare_raw(fd, slot, bytes);
	else if (fstat(fd, &st) != 0)
		wrong = strerror(errno);
	else
		wrong = slot->format->compare(fd, (uint64_t)st.st_size, bytes, slot->dst_nbytes,
					      load_is_stopped);
	close(fd);
	return wrong;
}

/* ----------------------------------------------------- from device memory */

/* Has the runtime write device memory to a file. */
static const char *fetch(struct load *l, const struct load_slot *slot, int fd)
{
	struct ds_request r = DS_REQUEST_INIT;
	struct ds_completion c = DS_COMPLETION_INIT;
	struct ds_file *file;
	uint32_t n = 0;
	ds_result ret = ds_file_from_fd(l->backend, fd, DS_FILE_WRITE | DS_FILE_BUFFERED, &file);

	if (ret != DS_OK)
		return ds_result_message(ret);
	r.source.kind = DS_LOCATION_VULKAN_BUFFER;
	r.source.object = ds_vulkan_object(slot->buffer->gpu.buffer);
	r.source.nbytes = slot->dst_nbytes;
	r.destination.kind = DS_LOCATION_FILE;
	r.destination.file = file;
	ret = ds_queue_enqueue(l->fetch_queue, &r, NULL);
	if (ret == DS_OK)
		ret = ds_queue_submit(l->fetch_queue);
	if (ret == DS_OK)
		ret = ds_queue_wait(l->fetch_queue, &c, 1, 1, DS_WAIT_FOREVER, &n);
	ds_file_close(file);
	if (ret == DS_OK && n == 1)
		ret = c.result;
	return ret == DS_OK ? NULL : ds_result_message(ret);
}

static const char *compare_device(struct load *l, const struct load_slot *slot)
{
	int fd = memfd_create("dstool", MFD_CLOEXEC);
	const char *wrong;
	void *bytes;

	if (fd < 0)
		return strerror(errno);
	wrong = fetch(l, slot, fd);
	if (!wrong) {
		bytes = mmap(NULL, slot->dst_nbytes, PROT_READ, MAP_SHARED, fd, 0);
		wrong = bytes == MAP_FAILED ? strerror(errno) : compare(slot, bytes);
		if (bytes != MAP_FAILED)
			munmap(bytes, slot->dst_nbytes);
	}
	close(fd);
	return wrong;
}

const char *load_verify(struct load *l, const struct load_slot *slot)
{
	if (slot->buffer->data || !slot->dst_nbytes)
		return compare(slot, slot->buffer->data);
	return compare_device(l, slot);
}
