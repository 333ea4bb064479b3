/* SPDX-License-Identifier: MIT */
/* bench_wine_files.c: the files of "dstool bench wine": plain blocks, and compressed ones. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench_wine.h"
#include "ds_gdeflate.h"
#include "file_io.h"
#include "tool.h"

#define PLAIN_NBYTES  (64u << 10)
#define BLOCK_NBYTES  (1u << 20)
/* The compressed file is smaller: making it takes longer. */
#define PLAIN_OF_EACH 4

const char *bench_wine_path(const struct bench_wine *b, const char *name)
{
	static char path[BENCH_WINE_PATH_ROOM + 32];

	snprintf(path, sizeof(path), "%s/%s", b->folder, name);
	return path;
}

/* Made under another name, so that what is there is whole. */
static int finish_file(const struct bench_wine *b, int fd, const char *name, int ret)
{
	char made[BENCH_WINE_PATH_ROOM + 64];

	snprintf(made, sizeof(made), "%s.new", bench_wine_path(b, name));
	if (ret == TOOL_OK && (fsync(fd) || rename(made, bench_wine_path(b, name))))
		ret = tool_error_errno(made, "write", errno);
	close(fd);
	if (ret != TOOL_OK)
		unlink(made);
	return ret;
}

static int create_file(const struct bench_wine *b, const char *name)
{
	char made[BENCH_WINE_PATH_ROOM + 64];
	int fd;

	snprintf(made, sizeof(made), "%s.new", bench_wine_path(b, name));
	fd = open(made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		tool_error_errno(made, "open", errno);
	return fd;
}

/* Marked every 64 KiB, so that blocks of any size begin with a mark. */
static int make_plain(const struct bench_wine *b)
{
	uint64_t *block = malloc(PLAIN_NBYTES);
	int fd = create_file(b, "plain.bin"), ret = TOOL_OK;

	if (!block || fd < 0) {
		free(block);
		return fd < 0 ? TOOL_FAILED : finish_file(b, fd, "plain.bin", tool_error_memory());
	}
	for (uint64_t i = 0; ret == TOOL_OK && i < b->size_mib * 16; i++) {
		for (uint64_t j = 0; j < PLAIN_NBYTES / 8; j++)
			block[j] = (i * PLAIN_NBYTES / 8 + j) * UINT64_C(0x2545f4914f6cdd1d);
		block[0] = block_mark(i);
		if (write_full(fd, block, PLAIN_NBYTES))
			ret = tool_error_errno("plain.bin", "write", errno);
	}
	free(block);
	return finish_file(b, fd, "plain.bin", ret);
}

/* Text-like: words of a small vocabulary. Compresses to about a third. */
static void fill_text(unsigned char *out, size_t nbytes, uint64_t seed)
{
	uint64_t v = seed * 2 + 1;

	for (size_t i = 0; i < nbytes;) {
		size_t length = 3 + (v >> 40) % 7, word = (v >> 33) % 700;

		for (size_t j = 0; j < length && i < nbytes; j++)
			out[i++] = (unsigned char)('a' + (word * (j + 3) + j * j) % 26);
		if (i < nbytes)
			out[i++] = ' ';
		v = v * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	}
	memcpy(out, &(uint64_t){ block_mark(seed) }, 8);
}

struct compressed {
	struct block_index *index;
	unsigned char *plain, *out;
	uint32_t nr;
};

static int write_compressed(const struct compressed *c, int fd)
{
	uint64_t at = sizeof(c->nr) + c->nr * sizeof(*c->index);

	for (uint32_t i = 0; i < c->nr; i++) {
		size_t n;

		fill_text(c->plain, BLOCK_NBYTES, i);
		if (ds_gdeflate_compress(0, c->plain, BLOCK_NBYTES, c->out,
					 ds_gdeflate_bound(BLOCK_NBYTES), &n)) {
			tool_error("gdeflate.bin: compressing failed");
			return TOOL_FAILED;
		}
		if (pwrite_full(fd, c->out, n, at))
			return tool_error_errno("gdeflate.bin", "write", errno);
		c->index[i].offset = (uint32_t)at;
		c->index[i].nbytes = (uint32_t)n;
		at += n;
	}
	if (pwrite_full(fd, &c->nr, sizeof(c->nr), 0) ||
	    pwrite_full(fd, c->index, c->nr * sizeof(*c->index), sizeof(c->nr)))
		return tool_error_errno("gdeflate.bin", "write", errno);
	return TOOL_OK;
}

static int make_compressed(const struct bench_wine *b)
{
	struct compressed c = { .nr = (uint32_t)(b->size_mib / PLAIN_OF_EACH) };
	int fd = create_file(b, "gdeflate.bin"), ret;

	if (fd < 0)
		return TOOL_FAILED;
	c.index = calloc(c.nr, sizeof(*c.index));
	c.plain = malloc(BLOCK_NBYTES);
	c.out = malloc(ds_gdeflate_bound(BLOCK_NBYTES));
	ret = c.index && c.plain && c.out ? write_compressed(&c, fd) : tool_error_memory();
	free(c.out);
	free(c.plain);
	free(c.index);
	return finish_file(b, fd, "gdeflate.bin", ret);
}

int bench_wine_make_files(struct bench_wine *b)
{
	struct stat st;
	int ret;

	/* The compressed file is made last: it tells of both. */
	if (!stat(bench_wine_path(b, "gdeflate.bin"), &st) &&
	    !stat(bench_wine_path(b, "plain.bin"), &st) &&
	    (uint64_t)st.st_size == b->size_mib << 20)
		return TOOL_OK;
	unlink(bench_wine_path(b, "gdeflate.bin"));
	tool_note("making files of %u MiB in %s",
		  (unsigned)(b->size_mib + b->size_mib / PLAIN_OF_EACH / 3), b->folder);
	ret = make_plain(b);
	return ret == TOOL_OK ? make_compressed(b) : ret;
}

static int set_cached(const struct bench_wine *b, const char *name)
{
	const char *path = bench_wine_path(b, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret = TOOL_OK;
	char *part = malloc(BLOCK_NBYTES);
	ssize_t n = part ? 1 : 0;

	if (fd < 0)
		ret = tool_error_errno(path, "open", errno);
	else if (b->is_cold && (fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED)))
		ret = tool_error_errno(path, "drop from the page cache", errno);
	while (ret == TOOL_OK && !b->is_cold && n > 0)
		n = read_full(fd, part, BLOCK_NBYTES);
	if (n < 0)
		ret = tool_error_errno(path, "read", errno);
	free(part);
	if (fd >= 0)
		close(fd);
	return ret;
}

int bench_wine_set_cached(const struct bench_wine *b)
{
	int ret = set_cached(b, "plain.bin");

	return ret == TOOL_OK ? set_cached(b, "gdeflate.bin") : ret;
}
