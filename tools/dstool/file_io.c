/* SPDX-License-Identifier: MIT */
/*
 * file_io.c: plain reads and writes, spools, and the input of a command.
 */
#include "file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool.h"

#define COPY_NBYTES (256u * 1024)

/* Linux moves at most 2 GiB - 4 KiB at once; staying below keeps the loops simple. */
#define MAX_TRANSFER ((size_t)1 << 30)

ssize_t read_full(int fd, void *buf, size_t nbytes)
{
	size_t done = 0;

	while (done < nbytes) {
		size_t want = nbytes - done < MAX_TRANSFER ? nbytes - done : MAX_TRANSFER;
		ssize_t n = read(fd, (char *)buf + done, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t pread_full(int fd, void *buf, size_t nbytes, uint64_t offset)
{
	size_t done = 0;

	while (done < nbytes) {
		size_t want = nbytes - done < MAX_TRANSFER ? nbytes - done : MAX_TRANSFER;
		ssize_t n = pread(fd, (char *)buf + done, want, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int write_full(int fd, const void *buf, size_t nbytes)
{
	size_t done = 0;

	while (done < nbytes) {
		size_t want = nbytes - done < MAX_TRANSFER ? nbytes - done : MAX_TRANSFER;
		ssize_t n = write(fd, (const char *)buf + done, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

int pwrite_full(int fd, const void *buf, size_t nbytes, uint64_t offset)
{
	size_t done = 0;

	while (done < nbytes) {
		size_t want = nbytes - done < MAX_TRANSFER ? nbytes - done : MAX_TRANSFER;
		ssize_t n = pwrite(fd, (const char *)buf + done, want, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

int spool_create(const char *dir)
{
	const char *wanted = getenv("TMPDIR");
	char path[4096];
	int n;
	int fd;

	if (wanted && *wanted)
		dir = wanted;
	n = snprintf(path, sizeof(path), "%s/dstool-XXXXXX", dir);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		tool_error_errno(dir, "cannot make a temporary file", ENAMETOOLONG);
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0) {
		tool_error_errno(dir, "cannot make a temporary file", errno);
		return -1;
	}
	unlink(path);
	return fd;
}

int input_open(struct input *in, const char *path)
{
	bool is_stdin = strcmp(path, "-") == 0;
	struct stat st;

	memset(in, 0, sizeof(*in));
	in->name = is_stdin ? "standard input" : path;
	in->fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (in->fd < 0)
		return tool_error_errno(in->name, "cannot open it", errno);
	if (fstat(in->fd, &st) != 0) {
		int err = errno;

		input_close(in);
		return tool_error_errno(in->name, "cannot look at it", err);
	}
	if (S_ISDIR(st.st_mode)) {
		input_close(in);
		return tool_error_errno(in->name, "cannot read it", EISDIR);
	}
	/*
	 * Stdin may stand anywhere in a file, and files of /proc say that they have 0 bytes:
	 * both are read from front to back, as a pipe is.
	 */
	in->is_regular = !is_stdin && S_ISREG(st.st_mode) && st.st_size > 0;
	in->nbytes = in->is_regular ? (uint64_t)st.st_size : 0;
	in->mode = S_ISREG(st.st_mode) ? st.st_mode & 0666 : 0666;
	return TOOL_OK;
}

void input_close(struct input *in)
{
	if (in->fd > STDERR_FILENO)
		close(in->fd);
	in->fd = -1;
}

ssize_t input_peek(struct input *in)
{
	ssize_t n = read_full(in->fd, in->head, sizeof(in->head));

	if (n >= 0)
		in->head_nbytes = (size_t)n;
	return n;
}

ssize_t input_read(struct input *in, void *buf, size_t nbytes)
{
	size_t n = in->head_nbytes - in->head_taken;
	ssize_t more;

	if (n > nbytes)
		n = nbytes;
	memcpy(buf, in->head + in->head_taken, n);
	in->head_taken += n;
	if (n == nbytes)
		return (ssize_t)n;
	more = read_full(in->fd, (char *)buf + n, nbytes - n);
	return more < 0 ? -1 : (ssize_t)n + more;
}

static int copy_to_spool(struct input *in, int spool, uint64_t max_nbytes, char *buf)
{
	while (in->nbytes <= max_nbytes) {
		ssize_t n = read_full(in->fd, buf, COPY_NBYTES);

		if (n < 0)
			return tool_error_errno(in->name, "cannot read it", errno);
		if (n == 0)
			break;
		if (write_full(spool, buf, (size_t)n) != 0)
			return tool_error_errno("temporary file", "cannot write it", errno);
		in->nbytes += (uint64_t)n;
	}
	return TOOL_OK;
}

int input_make_regular(struct input *in, uint64_t max_nbytes)
{
	char *buf;
	int spool;
	int ret;

	if (in->is_regular)
		return TOOL_OK;
	buf = malloc(COPY_NBYTES);
	if (!buf)
		return tool_error_memory();
	spool = spool_create("/tmp");
	if (spool < 0) {
		free(buf);
		return TOOL_FAILED;
	}
	ret = copy_to_spool(in, spool, max_nbytes, buf);
	free(buf);
	if (ret != TOOL_OK) {
		close(spool);
		return ret;
	}
	input_close(in);
	in->fd = spool;
	in->is_regular = true;
	return TOOL_OK;
}
