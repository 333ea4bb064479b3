/* SPDX-License-Identifier: MIT */
/*
 * file_io.h: plain reads and writes that go on until all is done.
 */
#ifndef DSTOOL_FILE_IO_H
#define DSTOOL_FILE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes read, fewer than nbytes only at the end of the file, or -1 with errno. */
ssize_t read_full(int fd, void *buf, size_t nbytes);
ssize_t pread_full(int fd, void *buf, size_t nbytes, uint64_t offset);
/* 0, or -1 with errno. */
int write_full(int fd, const void *buf, size_t nbytes);
int pwrite_full(int fd, const void *buf, size_t nbytes, uint64_t offset);

/* A temporary file without a name, in $TMPDIR or else in dir. -1: it was said why not. */
int spool_create(const char *dir);

/* The most bytes that input_peek() gives. */
#define INPUT_HEAD_NBYTES 32

/* What a command reads from: a file that can be read at any offset, or a pipe. */
struct input {
	int fd;
	const char *name; /* for messages */
	bool is_regular;
	uint64_t nbytes;		       /* of a regular file */
	unsigned mode;			       /* its permissions; of a pipe: 0666 */
	unsigned char head[INPUT_HEAD_NBYTES]; /* what was peeked at, and not read yet */
	size_t head_nbytes;
	size_t head_taken;
};

/* path "-" is stdin. TOOL_OK, or TOOL_FAILED and it was said why. */
int input_open(struct input *in, const char *path);
/*
 * Makes a regular file of it: what comes from a pipe is first copied to a spool.
 * More than max_nbytes is left unread: then in->nbytes is larger than max_nbytes.
 */
int input_make_regular(struct input *in, uint64_t max_nbytes);
void input_close(struct input *in);

/* The first bytes, at in->head, which input_read() gives again. Their number, or -1, errno. */
ssize_t input_peek(struct input *in);
/* As read_full(). */
ssize_t input_read(struct input *in, void *buf, size_t nbytes);

#endif /* DSTOOL_FILE_IO_H */
