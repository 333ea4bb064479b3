/* SPDX-License-Identifier: MIT */
/*
 * bench_gpu_data.c: the files that "dstool bench gpu" loads. They have no name and leave
 * nothing behind.
 *
 * All are made of the same bytes, again and again: compressing takes long, and the page cache,
 * the bus and the GPU do not see that two ranges hold the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_gpu.h"
#include "ds_gdeflate.h"
#include "file_io.h"
#include "tool.h"

#define SOURCE_NBYTES ((uint64_t)32 << 20)
#define NR_WORDS      2048
#define PAGE_NBYTES   4096

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Words of a vocabulary, some far more often than others, and numbers: compresses to about a half. */
static void make_bytes(uint8_t *bytes, uint64_t nbytes)
{
	uint8_t words[NR_WORDS][12];
	uint64_t state = 1, at = 0;

	for (unsigned i = 0; i < NR_WORDS; i++) {
		for (unsigned k = 0; k < sizeof(words[i]); k++)
			words[i][k] = (uint8_t)('a' + next_random(&state) % 26);
	}
	while (at < nbytes) {
		uint64_t random = next_random(&state);
		const uint8_t *word = words[(random % NR_WORDS) * (random >> 40 & 1023) >> 10];
		uint64_t n = 3 + (random >> 20) % 10;

		/* One piece in 16 is a number that nobody has seen before. */
		if (random >> 60 == 0) {
			n = 8;
			word = (const uint8_t *)&random;
		}
		n = n < nbytes - at ? n : nbytes - at;
		memcpy(bytes + at, word, n);
		at += n;
	}
}

static int read_bytes(struct gpu_source *s, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return tool_error_errno(path, "open", errno);
	n = pread_full(fd, s->bytes, s->nbytes, 0);
	close(fd);
	if (n < 0)
		return tool_error_errno(path, "read", errno);
	if ((uint64_t)n < ((uint64_t)1 << 20)) {
		tool_error("%s: too small: 1 MiB is needed", path);
		return TOOL_FAILED;
	}
	/* What is missing repeats what there is. */
	for (uint64_t at = (uint64_t)n; at < s->nbytes; at++)
		s->bytes[at] = s->bytes[at - (uint64_t)n];
	return TOOL_OK;
}

int gpu_source_make(struct gpu_source *s, const struct gpu_options *o)
{
	s->nbytes = SOURCE_NBYTES < o->nbytes ? SOURCE_NBYTES : o->nbytes;
	s->bytes = malloc(s->nbytes);
	if (!s->bytes)
		return tool_error_memory();
	if (o->data)
		return read_bytes(s, o->data);
	make_bytes(s->bytes, s->nbytes);
	return TOOL_OK;
}

void gpu_source_free(struct gpu_source *s)
{
	free(s->bytes);
}

/* ------------------------------------------------------------------- files */

/* The compressed form of each part of the source. */
struct packed {
	uint8_t *bytes;
	size_t nbytes;
};

static int pack(struct packed *p, const uint8_t *bytes, uint64_t nbytes, uint64_t level)
{
	size_t room = ds_gdeflate_bound(nbytes);
	ds_result ret;

	p->bytes = malloc(room);
	if (!p->bytes)
		return tool_error_memory();
	ret = ds_gdeflate_compress((int)level, bytes, nbytes, p->bytes, room, &p->nbytes);
	if (ret == DS_OK)
		return TOOL_OK;
	tool_error("compressing: %s", ds_result_message(ret));
	return TOOL_FAILED;
}

static int append(struct gpu_data *d, struct gpu_part *part, const void *bytes, uint64_t nbytes)
{
	if (pwrite_full(d->fd, bytes, nbytes, d->nbytes) != 0)
		return tool_error_errno("the file to measure with", "writing it", errno);
	part->offset = d->nbytes;
	part->src_nbytes = nbytes;
	/* Where direct reads like it. */
	d->nbytes = (d->nbytes + nbytes + PAGE_NBYTES - 1) / PAGE_NBYTES * PAGE_NBYTES;
	return TOOL_OK;
}

static int write_parts(struct gpu_data *d, const struct gpu_source *s, uint64_t part_nbytes,
		       const struct packed *packed, size_t nr_packed)
{
	int ret = TOOL_OK;

	for (size_t i = 0; i < d->nr_parts && ret == TOOL_OK; i++) {
		struct gpu_part *part = &d->parts[i];

		part->at = i % nr_packed * part_nbytes;
		part->dst_nbytes = part_nbytes;
		ret = packed ? append(d, part, packed[i % nr_packed].bytes,
				      packed[i % nr_packed].nbytes)
			     : append(d, part, s->bytes + part->at, part_nbytes);
	}
	if (ret == TOOL_OK && ftruncate(d->fd, (off_t)d->nbytes) != 0)
		ret = tool_error_errno("the file to measure with", "writing it", errno);
	/* Pages that are not on disk yet cannot be dropped from the page cache. */
	if (ret == TOOL_OK && fdatasync(d->fd) != 0)
		ret = tool_error_errno("the file to measure with", "writing it", errno);
	return ret;
}

static int make_file(struct gpu_data *d, const struct gpu_source *s, const struct gpu_options *o,
		     uint64_t part_nbytes)
{
	size_t nr = (size_t)(s->nbytes / part_nbytes);
	struct packed *packed = NULL;
	int ret = TOOL_OK;

	if (d->codec != DS_CODEC_NONE) {
		packed = calloc(nr, sizeof(*packed));
		if (!packed)
			return tool_error_memory();
	}
	for (size_t i = 0; packed && i < nr && ret == TOOL_OK; i++)
		ret = pack(&packed[i], s->bytes + i * part_nbytes, part_nbytes, o->level);
	if (ret == TOOL_OK)
		ret = write_parts(d, s, part_nbytes, packed, nr);
	for (size_t i = 0; packed && i < nr; i++)
		free(packed[i].bytes);
	free(packed);
	return ret;
}

int gpu_data_make(struct gpu_data *d, const struct gpu_source *s, const struct gpu_options *o,
		  uint64_t part_nbytes, uint32_t codec)
{
	*d = (struct gpu_data){ .codec = codec, .fd = -1 };
	d->nr_parts = (size_t)(o->nbytes / part_nbytes);
	d->dst_nbytes = d->nr_parts * part_nbytes;
	d->parts = calloc(d->nr_parts, sizeof(*d->parts));
	if (!d->parts)
		return tool_error_memory();
	/* Not in /tmp, which often is memory. */
	d->fd = spool_create("/var/tmp");
	if (d->fd < 0)
		return TOOL_FAILED;
	snprintf(d->path, sizeof(d->path), "/proc/self/fd/%d", d->fd);
	return make_file(d, s, o, part_nbytes);
}

void gpu_data_free(struct gpu_data *d)
{
	if (d->fd >= 0)
		close(d->fd);
	free(d->parts);
	*d = (struct gpu_data){ .fd = -1 };
}

int gpu_data_warm(const struct gpu_data *d)
{
	const size_t piece = 4 << 20;
	char *buf = malloc(piece);
	int err = buf ? 0 : ENOMEM;

	for (uint64_t at = 0; at < d->nbytes && !err; at += piece) {
		if (pread_full(d->fd, buf, piece, at) < 0)
			err = errno;
	}
	free(buf);
	return err;
}

int gpu_data_drop(const struct gpu_data *d)
{
	return posix_fadvise(d->fd, 0, 0, POSIX_FADV_DONTNEED);
}
