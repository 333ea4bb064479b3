/* SPDX-License-Identifier: MIT */
/*
 * output.h: a file that appears whole or not at all.
 *
 * Bytes go to a temporary file beside OUT, which takes OUT's name at the end. SIGINT,
 * SIGTERM and SIGHUP remove it. Standard output, pipes and devices are written as they are.
 */
#ifndef DSTOOL_OUTPUT_H
#define DSTOOL_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct output {
	const char *name; /* for messages */
	int fd;
	bool is_stream;	 /* no seeking: standard output, a pipe, a device */
	bool overwrites; /* --force */
	unsigned mode;	 /* permissions that it gets at the end */
	uint64_t nbytes; /* appended so far */
	char *path;	 /* what OUT is called in the end; NULL for a stream */
	char *temp_path;
	int stream_fd; /* where a spool is copied to at the end; -1: fd is no spool */
};

/*
 * path "-" is stdout. Refuses to overwrite without force. TOOL_OK, or TOOL_FAILED and it
 * was said why. One output at a time, as there is one signal handler.
 */
int output_open(struct output *out, const char *path, bool force, unsigned mode);

/* For formats that write their head last: a stream gets a spool, copied out by commit. */
int output_make_seekable(struct output *out);

/* Each: TOOL_OK, or TOOL_FAILED and it was said why. */
int output_append(struct output *out, const void *data, size_t nbytes);
int output_write_at(struct output *out, const void *data, size_t nbytes, uint64_t offset);
int output_commit(struct output *out);

/* Ends it: whatever was not committed is removed. */
void output_close(struct output *out);

#endif /* DSTOOL_OUTPUT_H */
