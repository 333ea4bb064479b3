/* SPDX-License-Identifier: MIT */
/*
 * bench_codec.c: how fast GDeflate is encoded and decoded in memory, and how small it gets.
 *
 *	bench_codec [--levels 1,6,9] [--runs N] [--threads 1,2] FILE...
 *
 * Files are cut into tiles, each thread takes tiles in turn, and nothing but the codec
 * runs inside the measured time. One line a result; mbps is the median of the runs in
 * 10^6 uncompressed bytes a second. ref_mbps is what the reference implementation reached
 * on its own corpus and machine. With libdeflate, DEFLATE of the same 64 KiB chunks is
 * measured in the same run, alternating with GDeflate, so that noise hits both. Decoding is
 * measured with the decoder that the library chooses, and then with each one there is.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec/gdeflate/decode.h" /* to compare the decoders for different processors */
#include "ds_gdeflate.h"

#if DS_HAVE_LIBDEFLATE
#include <libdeflate.h>
#endif

enum {
	TILE = DS_GDEFLATE_TILE_NBYTES,
	ROOM = DS_GDEFLATE_TILE_BOUND_NBYTES,
	MAX_RUNS = 99,
	MAX_LIST = 16,
	MAX_THREADS = 64,
};

enum work {
	ENCODE,
	DECODE,
	DEFLATE_ENCODE,
	DEFLATE_DECODE,
	COPY, /* the same bytes through memcpy */
	NR_WORKS,
};

static const char *const work_names[NR_WORKS] = {
	"gdeflate_encode", "gdeflate_decode", "deflate_encode", "deflate_decode", "memcpy",
};

/* All input, and the same in both formats. */
struct corpus {
	uint8_t *data;
	size_t nbytes;
	size_t nr_tiles;
	uint8_t *packed;  /* ROOM bytes a tile */
	size_t *packed_n; /* encoded size of each tile */
	uint8_t *deflated;
	size_t *deflated_n;
};

struct job {
	struct corpus *c;
	enum work work;
	int level;
	int path; /* of the decoder; -1: the best one */
	atomic_size_t next;
	atomic_int failed;
	pthread_barrier_t start;
	pthread_mutex_t lock; /* guards the times */
	double first_start, last_end, cpu_seconds;
};

static double clock_seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "bench_codec: %s\n", what);
	exit(1);
}

static void *must_alloc(size_t nbytes)
{
	void *p = malloc(nbytes ? nbytes : 1);

	if (!p)
		die("no memory");
	/* Touched now, so that page faults are not measured. */
	memset(p, 0, nbytes);
	return p;
}

static size_t tile_nbytes(const struct corpus *c, size_t i)
{
	return i + 1 < c->nr_tiles ? TILE : c->nbytes - i * TILE;
}

/* ------------------------------------------------------------ one thread */

struct coders {
	struct ds_gdeflate_encoder *enc;
	struct ds_gdeflate_decoder *dec;
#if DS_HAVE_LIBDEFLATE
	struct libdeflate_compressor *ldc;
	struct libdeflate_decompressor *ldd;
#endif
	uint8_t *out;
};

static ds_result create_decoder(int path, struct ds_gdeflate_decoder **dec)
{
	if (path >= 0)
		return ds_gd_decoder_create((enum gd_path)path, dec);
	return ds_gdeflate_decoder_create(dec);
}

static void open_coders(const struct job *j, struct coders *k)
{
	memset(k, 0, sizeof(*k));
	k->out = must_alloc(ROOM);
	if (j->work == ENCODE && ds_gdeflate_encoder_create(j->level, &k->enc))
		die("no encoder");
	if (j->work == DECODE && create_decoder(j->path, &k->dec))
		die("no decoder");
#if DS_HAVE_LIBDEFLATE
	if (j->work == DEFLATE_ENCODE && !(k->ldc = libdeflate_alloc_compressor(j->level)))
		die("no libdeflate compressor");
	if (j->work == DEFLATE_DECODE && !(k->ldd = libdeflate_alloc_decompressor()))
		die("no libdeflate decompressor");
#endif
}

static void close_coders(struct coders *k)
{
	ds_gdeflate_encoder_destroy(k->enc);
	ds_gdeflate_decoder_destroy(k->dec);
#if DS_HAVE_LIBDEFLATE
	libdeflate_free_compressor(k->ldc);
	libdeflate_free_decompressor(k->ldd);
#endif
	free(k->out);
}

static int do_tile(const struct job *j, struct coders *k, size_t i)
{
	struct corpus *c = j->c;
	const uint8_t *data = c->data + i * TILE;
	uint8_t *packed = c->packed + i * ROOM;
	size_t n = tile_nbytes(c, i);

	switch (j->work) {
	case ENCODE:
		return ds_gdeflate_encode_tile(k->enc, data, n, packed, &c->packed_n[i]);
	case DECODE:
		return ds_gdeflate_decode_tile(k->dec, packed, c->packed_n[i], k->out, n);
#if DS_HAVE_LIBDEFLATE
	case DEFLATE_ENCODE:
		c->deflated_n[i] =
			libdeflate_deflate_compress(k->ldc, data, n, c->deflated + i * ROOM, ROOM);
		return c->deflated_n[i] == 0;
	case DEFLATE_DECODE:
		return libdeflate_deflate_decompress(k->ldd, c->deflated + i * ROOM,
						     c->deflated_n[i], k->out, n,
						     NULL) != LIBDEFLATE_SUCCESS;
#endif
	default:
		memcpy(k->out, data, n);
		__asm__ volatile("" ::"r"(k->out) : "memory");
		return 0;
	}
}

static void *thread_main(void *arg)
{
	struct job *j = arg;
	struct coders k;
	double start, end, cpu;
	size_t i;

	open_coders(j, &k);
	pthread_barrier_wait(&j->start);
	start = clock_seconds(CLOCK_MONOTONIC);
	cpu = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
	while ((i = atomic_fetch_add_explicit(&j->next, 1, memory_order_relaxed)) < j->c->nr_tiles)
		if (do_tile(j, &k, i))
			atomic_store(&j->failed, 1);
	cpu = clock_seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
	end = clock_seconds(CLOCK_MONOTONIC);
	pthread_mutex_lock(&j->lock);
	j->cpu_seconds += cpu;
	if (start < j->first_start)
		j->first_start = start;
	if (end > j->last_end)
		j->last_end = end;
	pthread_mutex_unlock(&j->lock);
	close_coders(&k);
	return NULL;
}

struct times {
	double seconds, cpu_seconds;
};

/* For the whole corpus. */
static struct times run(struct job *j, unsigned nr_threads)
{
	pthread_t threads[MAX_THREADS];

	atomic_store(&j->next, 0);
	atomic_store(&j->failed, 0);
	j->first_start = clock_seconds(CLOCK_MONOTONIC) + 1e9;
	j->last_end = j->cpu_seconds = 0;
	if (pthread_barrier_init(&j->start, NULL, nr_threads) || pthread_mutex_init(&j->lock, NULL))
		die("no barrier");
	for (unsigned i = 0; i < nr_threads; i++)
		if (pthread_create(&threads[i], NULL, thread_main, j))
			die("no thread");
	for (unsigned i = 0; i < nr_threads; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&j->start);
	pthread_mutex_destroy(&j->lock);
	if (atomic_load(&j->failed))
		die("a tile failed");
	return (struct times){ j->last_end - j->first_start, j->cpu_seconds };
}

/* ---------------------------------------------------------------- results */

static int compare_times(const void *a, const void *b)
{
	const struct times *x = a, *y = b;

	return (x->seconds > y->seconds) - (x->seconds < y->seconds);
}

static size_t total(const size_t *sizes, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += sizes[i];
	return sum;
}

/* What the reference implementation does on its corpus, by level. */
static void print_reference(enum work work, int level)
{
	static const double encode[13] = { 0,  102,  96,   92,	 86,   79, 69,
					   57, 23.6, 18.3, 14.8, 11.8, 9.3 };
	static const int decode[13] = { 1035, 277, 280, 283, 286, 294, 289,
					290,  291, 298, 292, 295, 283 };

	if (work == ENCODE)
		printf(" ref_mbps=%g", encode[level]);
	if (work == DECODE)
		printf(" ref_mbps=%d", decode[level]);
}

static void report(const struct job *j, unsigned nr_threads, struct times *times, unsigned nr_runs)
{
	const struct corpus *c = j->c;
	double mb = (double)c->nbytes / 1e6, cpu = times[0].cpu_seconds;
	size_t packed = 0;

	qsort(times, nr_runs, sizeof(*times), compare_times);
	printf("workload=%s threads=%u", work_names[j->work], nr_threads);
	if (j->work == ENCODE || j->work == DECODE)
		packed = total(c->packed_n, c->nr_tiles) + 4 * c->nr_tiles;
	if (j->work == DEFLATE_ENCODE || j->work == DEFLATE_DECODE)
		packed = total(c->deflated_n, c->nr_tiles);
	if (j->work != COPY)
		printf(" level=%d", j->level);
	if (j->work == DECODE && j->path >= 0)
		printf(" path=%s", ds_gd_path_name((enum gd_path)j->path));
	printf(" mbps=%.1f best_mbps=%.1f", mb / times[nr_runs / 2].seconds, mb / times[0].seconds);
	for (unsigned i = 0; i < nr_runs; i++)
		cpu = times[i].cpu_seconds < cpu ? times[i].cpu_seconds : cpu;
	printf(" cpu_s_per_gb=%.3f", 1e3 * cpu / mb);
	if (packed)
		printf(" ratio=%.4f", (double)c->nbytes / (double)packed);
	print_reference(j->work, j->level);
	printf(" mbytes=%.1f\n", mb);
	fflush(stdout);
}

/* All works run in turn, run after run. */
static void measure(struct job *jobs, unsigned nr_jobs, unsigned nr_threads, unsigned nr_runs)
{
	static struct times times[NR_WORKS + MAX_LIST][MAX_RUNS];

	for (unsigned r = 0; r < nr_runs; r++)
		for (unsigned i = 0; i < nr_jobs; i++)
			times[i][r] = run(&jobs[i], nr_threads);
	for (unsigned i = 0; i < nr_jobs; i++)
		report(&jobs[i], nr_threads, times[i], nr_runs);
}

static unsigned decode_jobs(struct job *jobs, struct corpus *c, int level)
{
	unsigned n = 0;

	jobs[n++] = (struct job){ .c = c, .work = COPY };
#if DS_HAVE_LIBDEFLATE
	jobs[n++] = (struct job){ .c = c, .work = DEFLATE_DECODE, .level = level };
#endif
	jobs[n++] = (struct job){ .c = c, .work = DECODE, .level = level, .path = -1 };
	for (int path = GD_PATH_SCALAR; path < GD_NR_PATHS; path++)
		if (ds_gd_has_path((enum gd_path)path))
			jobs[n++] = (struct job){
				.c = c, .work = DECODE, .level = level, .path = path
			};
	return n;
}

static void verify(struct corpus *c)
{
	struct ds_gdeflate_decoder *dec;
	uint8_t *out = must_alloc(TILE);

	if (ds_gdeflate_decoder_create(&dec))
		die("no decoder");
	for (size_t i = 0; i < c->nr_tiles; i++) {
		size_t n = tile_nbytes(c, i);

		if (ds_gdeflate_decode_tile(dec, c->packed + i * ROOM, c->packed_n[i], out, n) ||
		    memcmp(out, c->data + i * TILE, n) != 0)
			die("a tile came back wrong");
	}
	ds_gdeflate_decoder_destroy(dec);
	free(out);
}

static void bench_level(struct corpus *c, int level, const int *threads, unsigned nr_threads,
			unsigned nr_runs)
{
	struct job jobs[NR_WORKS + MAX_LIST];
	unsigned nr_encode_runs = nr_runs < 3 ? nr_runs : 3, n;

	for (unsigned t = 0; t < nr_threads; t++) {
		n = 0;
		jobs[n++] = (struct job){ .c = c, .work = ENCODE, .level = level };
#if DS_HAVE_LIBDEFLATE
		jobs[n++] = (struct job){ .c = c, .work = DEFLATE_ENCODE, .level = level };
#endif
		measure(jobs, n, (unsigned)threads[t], nr_encode_runs);
	}
	verify(c);
	for (unsigned t = 0; t < nr_threads; t++) {
		n = decode_jobs(jobs, c, level);
		measure(jobs, n, (unsigned)threads[t], nr_runs);
	}
}

/* ------------------------------------------------------------------ input */

static void append_file(struct corpus *c, const char *path)
{
	FILE *f = fopen(path, "rb");
	long size;

	if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET)) {
		perror(path);
		exit(1);
	}
	c->data = realloc(c->data, c->nbytes + (size_t)size + 1);
	if (!c->data)
		die("no memory");
	if (fread(c->data + c->nbytes, 1, (size_t)size, f) != (size_t)size)
		die("cannot read");
	c->nbytes += (size_t)size;
	fclose(f);
}

static unsigned parse_list(const char *text, int *list, int least, int most)
{
	unsigned n = 0;
	char *end;

	for (; n < MAX_LIST; text = end + 1) {
		long v = strtol(text, &end, 10);

		if (end == text || v < least || v > most)
			die("bad list of numbers");
		list[n++] = (int)v;
		if (*end != ',')
			break;
	}
	return n;
}

int main(int argc, char **argv)
{
	int levels[MAX_LIST] = { 1, 6, 9, 12 }, threads[MAX_LIST] = { 1, 2 };
	unsigned nr_levels = 4, nr_threads = 2, nr_runs = 5;
	struct corpus c = { 0 };
	int i = 1;

	for (; i + 1 < argc && argv[i][0] == '-' && argv[i][1] == '-'; i += 2) {
		if (!strcmp(argv[i], "--levels")) {
			nr_levels = parse_list(argv[i + 1], levels, 1, DS_GDEFLATE_LEVEL_SMALLEST);
		} else if (!strcmp(argv[i], "--threads")) {
			nr_threads = parse_list(argv[i + 1], threads, 1, MAX_THREADS);
		} else if (!strcmp(argv[i], "--runs")) {
			int runs[MAX_LIST];

			parse_list(argv[i + 1], runs, 1, MAX_RUNS);
			nr_runs = (unsigned)runs[0];
		} else {
			die("unknown option");
		}
	}
	if (i >= argc) {
		fprintf(stderr, "usage: bench_codec [--levels L,..] [--runs N] [--threads N,..] "
				"FILE...\n");
		return 2;
	}
	for (; i < argc; i++)
		append_file(&c, argv[i]);
	if (!c.nbytes)
		die("no input");
	c.nr_tiles = (c.nbytes + TILE - 1) / TILE;
	c.packed = must_alloc(c.nr_tiles * ROOM);
	c.packed_n = must_alloc(c.nr_tiles * sizeof(*c.packed_n));
	c.deflated = must_alloc(c.nr_tiles * ROOM);
	c.deflated_n = must_alloc(c.nr_tiles * sizeof(*c.deflated_n));
	for (unsigned l = 0; l < nr_levels; l++)
		bench_level(&c, levels[l], threads, nr_threads, nr_runs);
	free(c.data);
	free(c.packed);
	free(c.packed_n);
	free(c.deflated);
	free(c.deflated_n);
	return 0;
}
