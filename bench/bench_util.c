/* SPDX-License-Identifier: MIT */
/*
 * bench_util.c: clocks, histograms, medians and the test file of the benchmarks.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BLOCK_NBYTES (4u << 20)

uint64_t bench_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * BENCH_NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

unsigned bench_cpu_count(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) || CPU_COUNT(&set) < 1)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}

_Noreturn void bench_die(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

/* ------------------------------------------------------------- histograms */

static unsigned bucket_of(uint64_t v)
{
	unsigned shift;

	if (v < (1u << BENCH_HIST_SUB_BITS))
		return (unsigned)v;
	shift = 63u - (unsigned)__builtin_clzll(v) - BENCH_HIST_SUB_BITS;
	return ((shift + 1) << BENCH_HIST_SUB_BITS) +
	       (unsigned)((v >> shift) & ((1u << BENCH_HIST_SUB_BITS) - 1));
}

static uint64_t bucket_value(unsigned bucket)
{
	unsigned shift = bucket >> BENCH_HIST_SUB_BITS;
	uint64_t low = bucket & ((1u << BENCH_HIST_SUB_BITS) - 1);

	if (!shift)
		return low;
	return (low | (1u << BENCH_HIST_SUB_BITS)) << (shift - 1);
}

void bench_hist_add(struct bench_hist *h, uint64_t value)
{
	h->buckets[bucket_of(value)]++;
	h->count++;
	if (value > h->max)
		h->max = value;
}

void bench_hist_merge(struct bench_hist *into, const struct bench_hist *from)
{
	for (unsigned i = 0; i < BENCH_HIST_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
	into->count += from->count;
	if (from->max > into->max)
		into->max = from->max;
}

uint64_t bench_hist_percentile(const struct bench_hist *h, double percent)
{
	uint64_t rank = (uint64_t)((double)h->count * percent / 100.0);
	uint64_t seen = 0;

	for (unsigned i = 0; i < BENCH_HIST_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen > rank)
			return bucket_value(i);
	}
	return h->max;
}

static int compare_doubles(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

double bench_median(double *values, unsigned count)
{
	if (!count)
		return 0;
	qsort(values, count, sizeof(*values), compare_doubles);
	if (count & 1)
		return values[count / 2];
	return (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* -------------------------------------------------------------- test file */

/* splitmix64: the 8 bytes at word `index` of a made file. Incompressible, and checkable. */
static uint64_t file_word(uint64_t index)
{
	uint64_t z = (index + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void write_all(int fd, const void *buf, size_t nbytes, const char *path)
{
	const char *p = buf;

	while (nbytes) {
		ssize_t n = write(fd, p, nbytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			bench_die(path, strerror(errno));
		p += n;
		nbytes -= (size_t)n;
	}
}

static void fill_file(int fd, uint64_t nbytes, const char *path)
{
	uint64_t *words = malloc(FILE_BLOCK_NBYTES);

	if (!words)
		bench_die(path, "no memory");
	for (uint64_t done = 0; done < nbytes; done += FILE_BLOCK_NBYTES) {
		for (uint64_t i = 0; i < FILE_BLOCK_NBYTES / 8; i++)
			words[i] = file_word(done / 8 + i);
		write_all(fd, words, FILE_BLOCK_NBYTES, path);
	}
	free(words);
	if (fsync(fd))
		bench_die(path, strerror(errno));
}

/* Written under another name first, so that an interrupted run leaves no half file. */
static void make_file(const char *path, uint64_t nbytes)
{
	char tmp[4200];
	int fd;

	fprintf(stderr, "making %s, %llu MiB\n", path, (unsigned long long)(nbytes >> 20));
	snprintf(tmp, sizeof(tmp), "%s.part", path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		bench_die(tmp, strerror(errno));
	fill_file(fd, nbytes, tmp);
	close(fd);
	if (rename(tmp, path))
		bench_die(path, strerror(errno));
}

void bench_cache_dir(char *buf, size_t nbytes)
{
	const char *xdg = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");
	int n;

	if (xdg && *xdg)
		n = snprintf(buf, nbytes, "%s", xdg);
	else
		n = snprintf(buf, nbytes, "%s/.cache", home ? home : "/tmp");
	if (n < 0 || (size_t)n + 32 >= nbytes)
		bench_die("cache folder", "path too long");
	mkdir(buf, 0755);
	strcat(buf, "/ds-runtime-bench");
	if (mkdir(buf, 0755) && errno != EEXIST)
		bench_die(buf, strerror(errno));
}

static bool has_made_bytes(int fd, uint64_t nbytes)
{
	uint64_t first, last;

	if (pread(fd, &first, 8, 0) != 8 || pread(fd, &last, 8, (off_t)nbytes - 8) != 8)
		return false;
	return first == file_word(0) && last == file_word(nbytes / 8 - 1);
}

static void open_descriptors(struct bench_file *f)
{
	struct stat st;

	f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0 || fstat(f->fd, &st))
		bench_die(f->path, strerror(errno));
	f->direct_fd = open(f->path, O_RDONLY | O_CLOEXEC | O_DIRECT);
	f->nbytes = (uint64_t)st.st_size;
	if (f->nbytes < (64u << 20))
		bench_die(f->path, "the test file needs at least 64 MiB");
}

void bench_file_open(struct bench_file *f, const char *path, uint64_t nbytes)
{
	struct stat st;

	if (path) {
		snprintf(f->path, sizeof(f->path), "%s", path);
		open_descriptors(f);
		return;
	}
	nbytes = (nbytes + FILE_BLOCK_NBYTES - 1) / FILE_BLOCK_NBYTES * FILE_BLOCK_NBYTES;
	bench_cache_dir(f->path, sizeof(f->path) - 64);
	snprintf(f->path + strlen(f->path), 64, "/io-%llu.bin", (unsigned long long)(nbytes >> 20));
	if (stat(f->path, &st) || (uint64_t)st.st_size != nbytes)
		make_file(f->path, nbytes);
	open_descriptors(f);
	if (!has_made_bytes(f->fd, f->nbytes))
		bench_die(f->path, "not made by this program; delete it");
}

void bench_file_close(struct bench_file *f)
{
	close(f->fd);
	if (f->direct_fd >= 0)
		close(f->direct_fd);
}

void bench_file_warm(const struct bench_file *f)
{
	char *buf = malloc(FILE_BLOCK_NBYTES);
	uint64_t offset = 0;
	ssize_t n;

	if (!buf)
		bench_die(f->path, "no memory");
	while ((n = pread(f->fd, buf, FILE_BLOCK_NBYTES, (off_t)offset)) > 0)
		offset += (uint64_t)n;
	free(buf);
	if (n < 0)
		bench_die(f->path, strerror(errno));
}

void bench_file_drop(const struct bench_file *f)
{
	fdatasync(f->fd); /* dirty pages would stay */
	posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED);
}

void bench_file_warm_half(const struct bench_file *f)
{
	char *buf = malloc(BENCH_HALF_NBYTES);

	if (!buf)
		bench_die(f->path, "no memory");
	/* Without read-ahead, which would warm the other half too. */
	posix_fadvise(f->fd, 0, 0, POSIX_FADV_RANDOM);
	for (uint64_t at = 0; at < f->nbytes; at += 2 * BENCH_HALF_NBYTES) {
		if (pread(f->fd, buf, BENCH_HALF_NBYTES, (off_t)at) < 0)
			bench_die(f->path, strerror(errno));
	}
	posix_fadvise(f->fd, 0, 0, POSIX_FADV_NORMAL);
	free(buf);
}

double bench_file_cached_share(const struct bench_file *f)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t nr_pages = ((size_t)f->nbytes + page - 1) / page;
	unsigned char *vec = malloc(nr_pages);
	size_t nr_cached = 0;
	void *map;

	map = mmap(NULL, (size_t)f->nbytes, PROT_READ, MAP_SHARED, f->fd, 0);
	if (!vec || map == MAP_FAILED || mincore(map, (size_t)f->nbytes, vec))
		bench_die(f->path, "cannot ask what is cached");
	for (size_t i = 0; i < nr_pages; i++)
		nr_cached += vec[i] & 1;
	munmap(map, (size_t)f->nbytes);
	free(vec);
	return (double)nr_cached / (double)nr_pages;
}

/* -------------------------------------------------------------- workloads */

/* A power of two, so that random order can be a permutation without a table. */
static uint64_t nr_random_blocks(const struct bench_env *env, const struct bench_workload *w)
{
	uint64_t n = env->file.nbytes / w->nbytes;

	return UINT64_C(1) << (63 - __builtin_clzll(n));
}

/* A bijection of [0, n): each block comes once before one comes again. */
static uint64_t permute(uint64_t x, uint64_t n, uint64_t seed)
{
	unsigned bits = (unsigned)__builtin_ctzll(n);
	unsigned half = bits / 2 ? bits / 2 : 1;

	for (int i = 0; i < 3; i++) {
		x = (x + seed) & (n - 1);
		x = (x * UINT64_C(0x9e3779b97f4a7c15)) & (n - 1);
		x ^= x >> half;
	}
	return x;
}

uint64_t bench_offset(const struct bench_env *env, const struct bench_workload *w, uint64_t seed,
		      uint64_t index)
{
	uint64_t n;

	if (!w->nbytes)
		return 0;
	if (w->is_random) {
		n = nr_random_blocks(env, w);
		return permute(index & (n - 1), n, seed) * w->nbytes;
	}
	return index % (env->file.nbytes / w->nbytes) * w->nbytes;
}

uint64_t bench_read_limit(const struct bench_env *env, const struct bench_workload *w)
{
	if (w->cache != BENCH_COLD && w->cache != BENCH_HALF)
		return UINT64_MAX;
	return w->is_random ? nr_random_blocks(env, w) : env->file.nbytes / w->nbytes;
}

uint8_t *bench_buffer(const struct bench_env *env, const struct bench_workload *w, unsigned slot)
{
	if ((slot + 1) * w->nbytes > env->arena_nbytes)
		bench_die(w->name, "buffers exceed the arena");
	return env->arena + slot * w->nbytes;
}

void bench_check_buffer(const struct bench_env *env, const uint8_t *buf, uint64_t nbytes,
			uint64_t offset)
{
	uint64_t here, there;

	for (uint64_t at = 0; at < nbytes; at += 4096) {
		memcpy(&here, buf + at, 8);
		if (pread(env->file.fd, &there, 8, (off_t)(offset + at)) != 8 || here != there)
			bench_die(env->file.path, "a read delivered other bytes than the file's");
	}
}

void bench_run_finish(struct bench_run *out, const struct bench_hist *h)
{
	out->p50_ns = (double)bench_hist_percentile(h, 50);
	out->p99_ns = (double)bench_hist_percentile(h, 99);
	out->max_ns = (double)h->max;
}
