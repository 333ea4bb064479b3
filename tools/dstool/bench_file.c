/* SPDX-License-Identifier: MIT */
/*
 * bench_file.c: the file that "dstool bench io" reads: one of the user's, or one made for it
 * that has no name and so leaves nothing behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench_io.h"
#include "file_io.h"
#include "tool.h"

/* Large enough that the kernel's read-ahead does not reach over the half that is not cached. */
#define STRIPE_NBYTES ((uint64_t)4 << 20)

/* The 8 bytes at word `index` of a made file: incompressible, and known without reading. */
static uint64_t made_word(uint64_t index)
{
	uint64_t z = (index + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	return z ^ (z >> 32);
}

static int fill(int fd, uint64_t nbytes)
{
	uint64_t *words = malloc(STRIPE_NBYTES);
	int err = words ? 0 : ENOMEM;

	for (uint64_t at = 0; at < nbytes && !err; at += STRIPE_NBYTES) {
		uint64_t part = nbytes - at < STRIPE_NBYTES ? nbytes - at : STRIPE_NBYTES;

		for (uint64_t i = 0; i < part / 8; i++)
			words[i] = made_word(at / 8 + i);
		if (pwrite_full(fd, words, (size_t)part, at) != 0)
			err = errno;
	}
	free(words);
	/* Pages that are not on disk yet cannot be dropped from the page cache. */
	if (!err && fdatasync(fd) != 0)
		err = errno;
	return err;
}

static int make_file(struct bench_file *f, uint64_t nbytes)
{
	int err;

	/* Not in /tmp, which often is memory. */
	f->fd = spool_create("/var/tmp");
	if (f->fd < 0)
		return TOOL_FAILED;
	snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
	err = fill(f->fd, nbytes);
	if (err)
		return tool_error_errno("the file to measure with", "writing it", err);
	f->nbytes = nbytes;
	f->is_made = true;
	return TOOL_OK;
}

/* Of a directory, seeking to the end gives a number too. */
static int find_size(int fd, uint64_t *nbytes)
{
	struct stat st;
	off_t end;

	if (fstat(fd, &st) != 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	end = lseek(fd, 0, SEEK_END);
	if (end < 0)
		return errno;
	*nbytes = (uint64_t)end;
	return 0;
}

static int open_file(struct bench_file *f, const char *path, uint64_t most)
{
	int err;

	if ((size_t)snprintf(f->path, sizeof(f->path), "%s", path) >= sizeof(f->path))
		return tool_error_errno(path, "open", ENAMETOOLONG);
	f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (f->fd < 0)
		return tool_error_errno(path, "open", errno);
	err = find_size(f->fd, &f->nbytes);
	if (err)
		return tool_error_errno(path, "finding out its size", err);
	if (f->nbytes > most)
		f->nbytes = most;
	if (f->nbytes >= BENCH_MIN_FILE_NBYTES)
		return TOOL_OK;
	tool_error("%s: too small: %llu bytes are needed", path,
		   (unsigned long long)BENCH_MIN_FILE_NBYTES);
	return TOOL_FAILED;
}

int bench_file_open(struct bench_file *f, const struct bench_options *o)
{
	f->fd = -1;
	return o->path ? open_file(f, o->path, o->file_nbytes) : make_file(f, o->file_nbytes);
}

void bench_file_close(struct bench_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
}

/* Reads each `every`-th stripe. */
static int read_stripes(const struct bench_file *f, uint64_t every)
{
	char *buf = malloc(STRIPE_NBYTES);
	int err = buf ? 0 : ENOMEM;

	for (uint64_t at = 0; at < f->nbytes && !err; at += every * STRIPE_NBYTES) {
		if (pread_full(f->fd, buf, STRIPE_NBYTES, at) < 0)
			err = errno;
	}
	free(buf);
	return err;
}

int bench_file_warm(const struct bench_file *f)
{
	return read_stripes(f, 1);
}

int bench_file_drop(const struct bench_file *f)
{
	return posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED);
}

int bench_file_warm_half(const struct bench_file *f)
{
	int err = bench_file_drop(f);

	/* Without read-ahead, which would warm the other half too. */
	if (!err)
		err = posix_fadvise(f->fd, 0, 0, POSIX_FADV_RANDOM);
	if (!err)
		err = read_stripes(f, 2);
	posix_fadvise(f->fd, 0, 0, POSIX_FADV_NORMAL);
	return err;
}

/* A word of each page is enough to see that it is another page's, or nobody's. */
bool bench_file_is_right(const struct bench_file *f, const uint8_t *buf, uint64_t nbytes,
			 uint64_t offset)
{
	uint64_t word;

	if (!f->is_made)
		return true;
	for (uint64_t at = 0; at < nbytes; at += 4096) {
		memcpy(&word, buf + at, sizeof(word));
		if (word != made_word((offset + at) / 8))
			return false;
	}
	return true;
}
