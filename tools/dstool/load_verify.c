/* SPDX-License-Identifier: MIT */
/*
 * load_verify.c: compares delivered bytes with what the system's own reads give.
 *
 * Nothing of the queue is used here. Memory does not grow with the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_io.h"
#include "load.h"

#define PIECE_NBYTES (64u * 1024)

static const char *compare_raw(int fd, const struct load_slot *slot)
{
	const unsigned char *bytes = slot->buffer->data;
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

const char *load_verify(const struct load_slot *slot)
{
	const char *wrong;
	struct stat st;
	int fd = open(slot->file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return strerror(errno);
	if (!slot->format)
		wrong = compare_raw(fd, slot);
	else if (fstat(fd, &st) != 0)
		wrong = strerror(errno);
	else
		wrong = slot->format->compare(fd, (uint64_t)st.st_size, slot->buffer->data,
					      slot->dst_nbytes, load_is_stopped);
	close(fd);
	return wrong;
}
