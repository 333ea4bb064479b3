/* SPDX-License-Identifier: MIT */
/*
 * bench_native.c: the native side: ds-runtime itself, and the files that all sides read.
 *
 * usage: bench_wine_native prepare FOLDER MIB      writes the files
 *        bench_wine_native evict FOLDER            out of the page cache with them
 *        bench_wine_native FOLDER WORKLOAD SECONDS prints GB/s and CPU s/GB
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ds_gdeflate.h"
#include "ds_runtime.h"
#include "ds_runtime_uring.h"
#include "workload.h"

_Noreturn static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void check(ds_result result, const char *what)
{
	if (!result)
		return;
	fprintf(stderr, "%s: %s\n", what, ds_result_name(result));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_now(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static char *path_of(const char *folder, const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

/* --------------------------------------------------------------- preparing */

static void write_all(FILE *f, const void *data, size_t nbytes)
{
	if (fwrite(data, 1, nbytes, f) != nbytes)
		die("writing");
}

/* Marked every 64 KiB, so that blocks of any size begin with a mark. */
static void prepare_plain(const char *folder, uint32_t mib)
{
	FILE *f = fopen(path_of(folder, "plain.bin"), "wb");
	uint64_t *block = malloc(64u << 10);

	if (!f || !block)
		die("plain.bin");
	for (uint64_t i = 0; i < (uint64_t)mib * 16; i++) {
		for (uint64_t j = 0; j < 8192; j++)
			block[j] = (i * 8192 + j) * UINT64_C(0x2545f4914f6cdd1d);
		block[0] = block_mark(i);
		write_all(f, block, 64u << 10);
	}
	free(block);
	if (fclose(f))
		die("plain.bin");
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

static void prepare_compressed(const char *folder, uint32_t mib)
{
	FILE *f = fopen(path_of(folder, "gdeflate.bin"), "wb");
	struct block_index *index = calloc(mib, sizeof(*index));
	unsigned char *plain = malloc(1u << 20), *out = malloc(ds_gdeflate_bound(1u << 20));
	uint32_t at = (uint32_t)(sizeof(mib) + mib * sizeof(*index));

	if (!f || !index || !plain || !out)
		die("gdeflate.bin");
	if (fseek(f, (long)at, SEEK_SET))
		die("gdeflate.bin");
	for (uint32_t i = 0; i < mib; i++) {
		size_t n;

		fill_text(plain, 1u << 20, i);
		check(ds_gdeflate_compress(0, plain, 1u << 20, out, ds_gdeflate_bound(1u << 20),
					   &n),
		      "compressing");
		write_all(f, out, n);
		index[i].offset = at;
		index[i].nbytes = (uint32_t)n;
		at += (uint32_t)n;
	}
	rewind(f);
	write_all(f, &mib, sizeof(mib));
	write_all(f, index, mib * sizeof(*index));
	free(out);
	free(plain);
	free(index);
	if (fclose(f))
		die("gdeflate.bin");
}

static void evict(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0 || fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		die(path);
	close(fd);
}

/* --------------------------------------------------------------- measuring */

struct run {
	const struct workload *w;
	struct ds_backend *backend;
	struct ds_queue *queue;
	struct ds_file *file;
	struct block_index *index; /* of compressed blocks */
	uint64_t nr_blocks;
	uint64_t next; /* block to start */
	unsigned char *buffers;
	uint64_t block_of[GROUPS * 64];
	int events[GROUPS];
};

static void open_all(struct run *r, const char *folder)
{
	const char *path = path_of(folder, r->w->is_gdeflate ? "gdeflate.bin" : "plain.bin");
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	struct stat st;
	uint32_t n;
	FILE *f;

	if (ds_make_io_uring_backend(NULL, NULL, &r->backend))
		check(ds_make_cpu_backend(NULL, &r->backend), "backend");
	cfg.capacity = 8192;
	cfg.flags = DS_QUEUE_NO_RESULTS;
	check(ds_queue_create(r->backend, &cfg, &r->queue), "queue");
	check(ds_file_open(r->backend, path, 0, &r->file), path);
	if (stat(path, &st))
		die(path);
	r->nr_blocks = (uint64_t)st.st_size / r->w->nbytes;
	if (!r->w->is_gdeflate)
		return;
	f = fopen(path, "rb");
	if (!f || fread(&n, sizeof(n), 1, f) != 1)
		die(path);
	r->index = calloc(n, sizeof(*r->index));
	if (!r->index || fread(r->index, sizeof(*r->index), n, f) != n)
		die(path);
	r->nr_blocks = n;
	fclose(f);
}

static void start_group(struct run *r, unsigned int g)
{
	for (unsigned int i = 0; i < r->w->per_group; i++) {
		unsigned int slot = g * r->w->per_group + i;
		uint64_t block = scattered(r->next++, r->nr_blocks);
		struct ds_request q = DS_REQUEST_INIT;

		r->block_of[slot] = block;
		q.source.kind = DS_LOCATION_FILE;
		q.source.file = r->file;
		q.source.offset = r->index ? r->index[block].offset : block * r->w->nbytes;
		q.source.nbytes = r->index ? r->index[block].nbytes : r->w->nbytes;
		q.destination.kind = DS_LOCATION_MEMORY;
		q.destination.data = r->buffers + (size_t)slot * r->w->nbytes;
		q.destination.nbytes = r->w->nbytes;
		q.codec = r->index ? DS_CODEC_GDEFLATE : DS_CODEC_NONE;
		q.uncompressed_nbytes = r->w->nbytes;
		check(ds_queue_enqueue(r->queue, &q, NULL), "enqueue");
	}
	check(ds_queue_enqueue_event(r->queue, r->events[g]), "event");
	check(ds_queue_submit(r->queue), "submit");
}

static void finish_group(struct run *r, unsigned int g)
{
	uint64_t marks = r->index ? 1 : r->w->nbytes >> 16, count;

	if (read(r->events[g], &count, sizeof(count)) != sizeof(count))
		die("eventfd");
	for (unsigned int i = 0; i < r->w->per_group; i++) {
		unsigned int slot = g * r->w->per_group + i;
		uint64_t mark;

		memcpy(&mark, r->buffers + (size_t)slot * r->w->nbytes, sizeof(mark));
		if (mark != block_mark(r->block_of[slot] * marks)) {
			fprintf(stderr, "wrong bytes\n");
			exit(1);
		}
		/* A read that never came is not to be taken for an earlier one. */
		memset(r->buffers + (size_t)slot * r->w->nbytes, 0, sizeof(mark));
	}
}

static void measure(struct run *r, double seconds)
{
	size_t room = (size_t)GROUPS * r->w->per_group * r->w->nbytes;
	uint64_t nr_groups = 0;
	double begin, cpu, gb;

	r->buffers = aligned_alloc(4096, room);
	if (!r->buffers)
		die("memory");
	memset(r->buffers, 1, room);
	for (unsigned int g = 0; g < GROUPS; g++) {
		r->events[g] = eventfd(0, EFD_CLOEXEC);
		start_group(r, g);
	}
	begin = now();
	cpu = cpu_now();
	while (now() - begin < seconds) {
		finish_group(r, nr_groups % GROUPS);
		start_group(r, nr_groups++ % GROUPS);
	}
	seconds = now() - begin;
	cpu = cpu_now() - cpu;
	for (unsigned int g = 0; g < GROUPS; g++)
		finish_group(r, (unsigned int)((nr_groups + g) % GROUPS));
	gb = (double)(nr_groups * r->w->per_group) * r->w->nbytes / 1e9;
	printf("%.4f %.4f\n", gb / seconds, cpu / gb);
}

int main(int argc, char **argv)
{
	struct run r = { 0 };

	if (argc == 4 && !strcmp(argv[1], "prepare")) {
		prepare_plain(argv[2], (uint32_t)atoi(argv[3]));
		prepare_compressed(argv[2], (uint32_t)atoi(argv[3]) / 4);
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "evict")) {
		evict(path_of(argv[2], "plain.bin"));
		evict(path_of(argv[2], "gdeflate.bin"));
		return 0;
	}
	if (argc != 4 || !(r.w = find_workload(argv[2])))
		return 2;
	open_all(&r, argv[1]);
	measure(&r, atof(argv[3]));
	ds_queue_destroy(r.queue);
	ds_file_close(r.file);
	ds_backend_destroy(r.backend);
	free(r.index);
	free(r.buffers);
	return 0;
}
