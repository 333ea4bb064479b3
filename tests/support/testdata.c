/* SPDX-License-Identifier: MIT */
/* testdata.c: patterns, temporary files, guarded memory and leak counts. */
#include "support/testdata.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "support/random.h"
#include "support/require.h"

/* Eight bytes of the pattern. Odd seeds: few different letters, and long runs of them. */
static uint64_t pattern_word(uint64_t seed, uint64_t index)
{
	uint64_t state = seed * UINT64_C(0x2545f4914f6cdd1d) + (seed & 1 ? index / 5 : index);
	uint64_t word = random_next(&state);

	if (seed & 1)
		word = UINT64_C(0x6161616161616161) + (word & UINT64_C(0x0103010701030107));
	return word;
}

void pattern_fill(void *buf, uint64_t nbytes, uint64_t seed, uint64_t offset)
{
	uint8_t *p = buf;
	uint64_t i = 0;

	while (i < nbytes) {
		uint64_t word = pattern_word(seed, (offset + i) / 8);
		uint64_t skip = (offset + i) % 8;
		uint64_t n = 8 - skip < nbytes - i ? 8 - skip : nbytes - i;

		word >>= 8 * skip;
		memcpy(p + i, &word, n);
		i += n;
	}
}

void pattern_require(const void *buf, uint64_t nbytes, uint64_t seed, uint64_t offset)
{
	const uint8_t *p = buf;
	uint8_t want[4096];
	uint64_t done = 0;

	while (done < nbytes) {
		uint64_t n = nbytes - done < sizeof(want) ? nbytes - done : sizeof(want);

		pattern_fill(want, n, seed, offset + done);
		if (memcmp(p + done, want, n) != 0) {
			uint64_t i = 0;

			while (p[done + i] == want[i])
				i++;
			fprintf(stderr,
				"byte %" PRIu64 " of %" PRIu64 " (seed %" PRIu64 ", offset %" PRIu64
				"): 0x%02x, not 0x%02x\n",
				done + i, nbytes, seed, offset, p[done + i], want[i]);
			require_failed(__FILE__, __LINE__, "the bytes are those of the pattern");
		}
		done += n;
	}
}

/* Each byte is that before it; a loop would take sanitizers far longer. */
bool bytes_are(const void *buf, uint64_t nbytes, uint8_t value)
{
	const uint8_t *p = buf;

	return !nbytes || (p[0] == value && memcmp(p, p + 1, nbytes - 1) == 0);
}

void tempdir_create(struct tempdir *dir)
{
	snprintf(dir->path, sizeof(dir->path), "test-files-XXXXXX");
	REQUIRE(mkdtemp(dir->path) != NULL);
}

void tempdir_remove(struct tempdir *dir)
{
	DIR *d = opendir(dir->path);
	struct dirent *entry;

	if (!d)
		return;
	while ((entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(d), entry->d_name, 0);
	closedir(d);
	rmdir(dir->path);
}

char *tempdir_path(const struct tempdir *dir, const char *name, char *buf, size_t room)
{
	snprintf(buf, room, "%s/%s", dir->path, name);
	return buf;
}

void file_write_bytes(const char *path, const void *bytes, uint64_t nbytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	const uint8_t *p = bytes;
	uint64_t done = 0;

	REQUIRE_CMP(fd, >=, 0);
	while (done < nbytes) {
		ssize_t n = write(fd, p + done, nbytes - done);

		REQUIRE_CMP(n, >, 0);
		done += (uint64_t)n;
	}
	close(fd);
}

void file_write_pattern(const char *path, uint64_t nbytes, uint64_t seed)
{
	uint8_t *bytes = malloc(nbytes ? nbytes : 1);

	REQUIRE(bytes != NULL);
	pattern_fill(bytes, nbytes, seed, 0);
	file_write_bytes(path, bytes, nbytes);
	free(bytes);
}

void *file_read_all(const char *path, uint64_t *nbytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *bytes;
	uint64_t done = 0;

	REQUIRE_CMP(fd, >=, 0);
	REQUIRE_CMP(fstat(fd, &st), ==, 0);
	bytes = malloc((size_t)st.st_size + 1);
	REQUIRE(bytes != NULL);
	while (done < (uint64_t)st.st_size) {
		ssize_t n = read(fd, bytes + done, (size_t)st.st_size - done);

		REQUIRE_CMP(n, >, 0);
		done += (uint64_t)n;
	}
	close(fd);
	*nbytes = done;
	return bytes;
}

void guarded_map(struct guarded *g, uint64_t nbytes, bool at_end)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t inner = (nbytes + page - 1) / page * page;
	void *base;

	g->nbytes = nbytes;
	g->mapped = inner + 2 * page;
	base = mmap(NULL, g->mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(base != MAP_FAILED);
	g->base = base;
	REQUIRE_CMP(mprotect(g->base + page, inner, PROT_READ | PROT_WRITE), ==, 0);
	g->data = at_end ? g->base + page + inner - nbytes : g->base + page;
}

void guarded_poison(struct guarded *g)
{
	REQUIRE_CMP(mprotect(g->base, g->mapped, PROT_NONE), ==, 0);
}

void guarded_unmap(struct guarded *g)
{
	REQUIRE_CMP(munmap(g->base, g->mapped), ==, 0);
	g->data = NULL;
}

static unsigned count_entries(const char *path)
{
	DIR *d = opendir(path);
	unsigned n = 0;

	REQUIRE(d != NULL);
	for (struct dirent *entry; (entry = readdir(d)) != NULL;)
		n += entry->d_name[0] != '.';
	closedir(d);
	return n;
}

unsigned count_threads(void)
{
	return count_entries("/proc/self/task");
}

unsigned count_fds(void)
{
	return count_entries("/proc/self/fd");
}

void require_no_more_threads(unsigned n)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	unsigned now = count_threads();

	for (unsigned i = 0; now > n && i < 10000; i++) {
		nanosleep(&ms, NULL);
		now = count_threads();
	}
	REQUIRE_CMP(now, <=, n);
}
