/* SPDX-License-Identifier: MIT */
/*
 * gdeflate_gpu.c: the GPU's tile decoder, held against the tables of vectors and against the
 * slow decoder on the CPU.
 *
 *	gdeflate_gpu [OPTION]... FOLDER     all vectors of a folder
 *	gdeflate_gpu [OPTION]... --fuzz N FOLDER    tiles of the vectors, damaged at random
 *	gdeflate_gpu [OPTION]... --bench STREAM...  speed, by the GPU's clock
 *
 * Each tile and its output lie in pages of their own, between pages that cannot be accessed, where
 * the device works on the host's memory (as lavapipe does): there an access outside is a crash.
 * Elsewhere bytes around the output tell of stray writes.
 *
 * Exit code 77: no device here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "codec/gdeflate/decode.h"
#include "gpu.h"
#include "unit/test_gdeflate_util.h"

enum {
	PAGE_NBYTES = 4096,
	TILE_NBYTES = 65536,
	MARGIN_NBYTES = 64, /* around an output that has no guard pages */
	CANARY = 0xcd,
	MAX_FIELDS = 10,
	MAX_BATCH = 1024,
	EXIT_SKIPPED = 77,
};

static unsigned nr_failures;

#define FAIL(...)                                        \
	do {                                             \
		nr_failures++;                           \
		fprintf(stderr, "FAILED: " __VA_ARGS__); \
		fputc('\n', stderr);                     \
	} while (0)

static void *must_alloc(size_t nbytes)
{
	void *p = calloc(1, nbytes ? nbytes : 1);

	if (!p) {
		fprintf(stderr, "out of memory\n");
		exit(1);
	}
	return p;
}

/* ----------------------------------------------------------------- batches */

/* A tile to be decoded, and what came of it. */
struct job {
	const uint8_t *src;
	uint32_t src_nbytes, dst_nbytes;
	uint8_t *dst; /* in the batch's memory, once it ran */
	uint32_t status;
};

static size_t round_up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
}

/* Where the jobs lie in the batch's memory. */
struct layout {
	bool has_guards;
	size_t nbytes;
	size_t src[MAX_BATCH], dst[MAX_BATCH];
};

/* Both end where a guard page begins; a source only begins at a multiple of 4, as all do. */
static size_t place(struct layout *l, size_t nbytes, unsigned margin)
{
	size_t room = round_up(nbytes + 2 * margin, l->has_guards ? PAGE_NBYTES : 4);
	size_t at = l->nbytes;

	l->nbytes += room + (l->has_guards ? PAGE_NBYTES : 0);
	return l->has_guards ? at + room - nbytes : at + margin;
}

static void lay_out(struct layout *l, const struct job *jobs, size_t nr, bool has_guards)
{
	l->has_guards = has_guards;
	l->nbytes = has_guards ? PAGE_NBYTES : MARGIN_NBYTES;
	for (size_t i = 0; i < nr; i++) {
		l->src[i] = place(l, jobs[i].src_nbytes, 0);
		l->dst[i] = place(l, jobs[i].dst_nbytes, has_guards ? 0 : MARGIN_NBYTES);
	}
	l->nbytes = round_up(l->nbytes + MARGIN_NBYTES, PAGE_NBYTES);
}

/* The tables that go with a batch. */
struct batch {
	struct gpu *gpu;
	struct gpu_memory table, status, tiles;
	void *mapping;
	struct layout layout;
};

static void guard(const struct batch *b, const struct job *jobs, size_t nr, int protection)
{
	mprotect(b->mapping, PAGE_NBYTES, protection);
	for (size_t i = 0; i < nr; i++) {
		mprotect((uint8_t *)b->mapping + b->layout.src[i] + jobs[i].src_nbytes, PAGE_NBYTES,
			 protection);
		mprotect((uint8_t *)b->mapping + b->layout.dst[i] + jobs[i].dst_nbytes, PAGE_NBYTES,
			 protection);
	}
}

static void batch_create(struct batch *b, struct gpu *g, const struct job *jobs, size_t nr)
{
	memset(b, 0, sizeof(*b));
	b->gpu = g;
	b->table = gpu_memory_create(g, GPU_MEMORY_HOST, nr * sizeof(struct gpu_tile));
	b->status = gpu_memory_create(g, GPU_MEMORY_HOST, nr * sizeof(uint32_t));
	lay_out(&b->layout, jobs, nr, true);
	b->mapping = mmap(NULL, b->layout.nbytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->mapping == MAP_FAILED ||
	    !gpu_memory_import(g, b->mapping, b->layout.nbytes, &b->tiles)) {
		if (b->mapping != MAP_FAILED)
			munmap(b->mapping, b->layout.nbytes);
		b->mapping = NULL;
		lay_out(&b->layout, jobs, nr, false);
		b->tiles = gpu_memory_create(g, GPU_MEMORY_HOST, b->layout.nbytes);
	}
}

static void batch_destroy(struct batch *b, const struct job *jobs, size_t nr)
{
	if (b->mapping)
		guard(b, jobs, nr, PROT_READ | PROT_WRITE);
	gpu_memory_destroy(b->gpu, &b->tiles);
	gpu_memory_destroy(b->gpu, &b->table);
	gpu_memory_destroy(b->gpu, &b->status);
	if (b->mapping)
		munmap(b->mapping, b->layout.nbytes);
}

static void batch_run(struct batch *b, struct job *jobs, size_t nr)
{
	struct gpu_tile *tiles = (struct gpu_tile *)(void *)b->table.host;

	memset(b->tiles.host, CANARY, b->layout.nbytes);
	memset(b->status.host, 0xff, nr * sizeof(uint32_t));
	for (size_t i = 0; i < nr; i++) {
		memcpy(b->tiles.host + b->layout.src[i], jobs[i].src, jobs[i].src_nbytes);
		tiles[i].src = b->tiles.address + b->layout.src[i];
		tiles[i].dst = b->tiles.address + b->layout.dst[i];
		tiles[i].src_nbytes = jobs[i].src_nbytes;
		tiles[i].dst_nbytes = jobs[i].dst_nbytes;
	}
	if (b->mapping)
		guard(b, jobs, nr, PROT_NONE);
	gpu_decode(b->gpu, &b->table, &b->status, 0, (uint32_t)nr);
	for (size_t i = 0; i < nr; i++) {
		jobs[i].dst = b->tiles.host + b->layout.dst[i];
		memcpy(&jobs[i].status, b->status.host + i * sizeof(uint32_t), sizeof(uint32_t));
	}
}

static bool has_canaries(const uint8_t *p, size_t nbytes)
{
	for (size_t i = 0; i < nbytes; i++)
		if (p[i] != CANARY)
			return false;
	return true;
}

/* The verdict and the bytes must be those of the slow decoder on the CPU. */
static void check_job(const struct batch *b, const struct job *j, const char *name)
{
	static uint8_t expected[TILE_NBYTES];
	bool is_good = ds_gd_decode_reference(j->src, j->src_nbytes, expected, j->dst_nbytes);
	size_t begin = b->mapping ? (uintptr_t)j->dst % PAGE_NBYTES : MARGIN_NBYTES;

	if (j->status != (is_good ? 0 : 1))
		FAIL("%s: status %u, on the CPU %s", name, j->status, is_good ? "good" : "bad");
	else if (is_good && memcmp(j->dst, expected, j->dst_nbytes) != 0)
		FAIL("%s: other bytes than on the CPU", name);
	if (!has_canaries(j->dst - begin, begin) ||
	    (!b->mapping && !has_canaries(j->dst + j->dst_nbytes, MARGIN_NBYTES)))
		FAIL("%s: bytes written around the output", name);
}

/* ----------------------------------------------------------------- vectors */

/* A line of one of the tables. */
struct vector {
	char *name;
	char *sha256;
	uint8_t *stream;
	size_t stream_nbytes;
	size_t nbytes; /* that the caller asks for */
	bool may_fail, may_succeed;
	bool is_refused; /* by the check of the container: no tile gets to the GPU */
	struct ds_gdeflate_info info;
};

struct vectors {
	struct vector *all;
	size_t nr, room;
};

static char *copy_string(const char *s)
{
	char *copy = must_alloc(strlen(s) + 1);

	strcpy(copy, s);
	return copy;
}

static struct vector *add_vector(struct vectors *v, const char *folder, const char *name)
{
	struct vector *new;
	char path[4096];

	if (v->nr == v->room) {
		v->room = v->room ? 2 * v->room : 64;
		v->all = realloc(v->all, v->room * sizeof(*v->all));
		if (!v->all)
			exit(1);
	}
	new = &v->all[v->nr++];
	memset(new, 0, sizeof(*new));
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	new->name = copy_string(name);
	new->stream = read_file(path, &new->stream_nbytes);
	return new;
}

/* What the host does before any byte reaches the GPU. */
static void check_container(struct vector *v)
{
	struct ds_gdeflate_info info = DS_GDEFLATE_INFO_INIT;

	v->is_refused = ds_gdeflate_parse_header(v->stream, v->stream_nbytes, &info) != DS_OK ||
			info.uncompressed_nbytes != v->nbytes ||
			info.head_nbytes > v->stream_nbytes ||
			ds_gdeflate_check_table(v->stream, &info, v->stream_nbytes) != DS_OK;
	v->info = info;
}

static unsigned split_line(char *line, char **fields)
{
	unsigned n = 0;

	line[strcspn(line, "\r\n")] = 0;
	for (char *p = line; p && n < MAX_FIELDS; n++) {
		fields[n] = p;
		p = strchr(p, '\t');
		if (p)
			*p++ = 0;
	}
	return n;
}

/* Columns: where the size and the digest are, and the verdict if there is one. */
static void read_table(struct vectors *v, const char *folder, const char *table, unsigned size,
		       unsigned digest, unsigned verdict)
{
	char path[4096], *text, *next, *f[MAX_FIELDS];
	size_t nbytes;

	snprintf(path, sizeof(path), "%s/%s", folder, table);
	text = (char *)read_file(path, &nbytes);
	text[nbytes] = 0;
	for (char *line = text; *line; line = next) {
		struct vector *new;

		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		if (line[0] == '#' || split_line(line, f) <= digest)
			continue;
		new = add_vector(v, folder, f[0]);
		new->nbytes = strtoul(f[size], NULL, 10);
		new->sha256 = copy_string(f[digest]);
		new->may_fail = verdict &&strcmp(f[verdict], "ok") != 0;
		new->may_succeed = !verdict || strcmp(f[verdict], "fail") != 0;
		check_container(new);
	}
	free(text);
}

static struct vectors read_vectors(const char *folder)
{
	struct vectors v = { 0 };

	read_table(&v, folder, "manifest.tsv", 3, 4, 0);
	read_table(&v, folder, "synthetic.tsv", 1, 2, 0);
	read_table(&v, folder, "hostile.tsv", 2, 4, 3);
	return v;
}

static void free_vectors(struct vectors *v)
{
	for (size_t i = 0; i < v->nr; i++) {
		free(v->all[i].name);
		free(v->all[i].sha256);
		free(v->all[i].stream);
	}
	free(v->all);
}

static struct job tile_job(const struct vector *v, uint32_t index)
{
	uint64_t offset;
	struct job j = { 0 };

	ds_gdeflate_tile_range(v->stream, &v->info, index, &offset, &j.src_nbytes, &j.dst_nbytes);
	j.src = v->stream + offset;
	return j;
}

/* The stream's tiles, with the GPU's results, must amount to what the table says. */
static void check_vector(const struct vector *v, const struct job *jobs)
{
	uint8_t *out = must_alloc(v->nbytes);
	char hex[65] = "";
	bool is_good = !v->is_refused;
	size_t at = 0;

	for (uint32_t i = 0; is_good && i < v->info.nr_tiles; i++) {
		is_good = jobs[i].status == 0;
		memcpy(out + at, jobs[i].dst, jobs[i].dst_nbytes);
		at += jobs[i].dst_nbytes;
	}
	if (is_good)
		sha256_hex(out, v->nbytes, hex);
	if (is_good ? !v->may_succeed || strcmp(hex, v->sha256) != 0 : !v->may_fail)
		FAIL("%s: %s, digest '%s'", v->name, is_good ? "accepted" : "refused", hex);
	free(out);
}

static void run_vectors(struct gpu *g, const struct vectors *v)
{
	static struct job jobs[MAX_BATCH];
	static struct batch b;
	size_t first = 0, nr_tiles = 0, last;

	for (; first < v->nr; first = last) {
		size_t nr = 0, at = 0;

		for (last = first; last < v->nr; last++) {
			const struct vector *x = &v->all[last];
			uint32_t n = x->is_refused ? 0 : x->info.nr_tiles;

			if (nr + n > MAX_BATCH)
				break;
			for (uint32_t i = 0; i < n; i++)
				jobs[nr++] = tile_job(x, i);
		}
		nr_tiles += nr;
		batch_create(&b, g, jobs, nr);
		batch_run(&b, jobs, nr);
		for (size_t i = first; i < last; i++) {
			const struct vector *x = &v->all[i];

			check_vector(x, jobs + at);
			for (uint32_t k = 0; !x->is_refused && k < x->info.nr_tiles; k++)
				check_job(&b, &jobs[at++], x->name);
		}
		batch_destroy(&b, jobs, nr);
	}
	printf("%zu vectors, %zu tiles\n", v->nr, nr_tiles);
}

/* -------------------------------------------------------------------- fuzz */

static void damage(uint8_t *tile, uint32_t nbytes, uint64_t *state)
{
	unsigned nr = 1 + next_random(state) % 4;

	/* Most of what matters is at the begin: headers and codes. */
	for (unsigned i = 0; i < nr; i++) {
		uint32_t room = next_random(state) % 2 ? nbytes : nbytes < 400 ? nbytes : 400;

		tile[next_random(state) % room] ^= (uint8_t)(1u << next_random(state) % 8);
	}
}

static void run_fuzz(struct gpu *g, const struct vectors *v, unsigned nr_rounds)
{
	enum {
		NR = 128
	};
	struct job jobs[NR];
	static struct batch b;
	uint64_t state = 1;
	unsigned nr_bad = 0;

	for (unsigned round = 0; round < nr_rounds; round++) {
		for (unsigned i = 0; i < NR; i++) {
			const struct vector *x;
			uint8_t *copy;

			do
				x = &v->all[next_random(&state) % v->nr];
			while (x->is_refused || !x->info.nr_tiles || x->nbytes > 300000);
			jobs[i] = tile_job(x, next_random(&state) % x->info.nr_tiles);
			copy = must_alloc(jobs[i].src_nbytes);
			memcpy(copy, jobs[i].src, jobs[i].src_nbytes);
			jobs[i].src = copy;
			damage(copy, jobs[i].src_nbytes, &state);
			if (next_random(&state) % 4 == 0)
				jobs[i].src_nbytes = jobs[i].src_nbytes / 8 * 4;
			if (next_random(&state) % 8 == 0)
				jobs[i].dst_nbytes = 1 + next_random(&state) % TILE_NBYTES;
		}
		batch_create(&b, g, jobs, NR);
		batch_run(&b, jobs, NR);
		for (unsigned i = 0; i < NR; i++) {
			char name[64];

			snprintf(name, sizeof(name), "damaged tile %u of round %u", i, round);
			check_job(&b, &jobs[i], name);
			nr_bad += jobs[i].status != 0;
		}
		batch_destroy(&b, jobs, NR);
		for (unsigned i = 0; i < NR; i++)
			free((void *)(uintptr_t)jobs[i].src);
	}
	printf("%u damaged tiles, %u refused\n", nr_rounds * NR, nr_bad);
}

/* --------------------------------------------------------------- benchmark */

enum {
	BENCH_TILES = 7680,
	BENCH_STAGING = 64 << 20,
};

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v, size_t nr)
{
	qsort(v, nr, sizeof(*v), compare_doubles);
	return v[nr / 2];
}

struct bench {
	struct gpu *gpu;
	struct gpu_memory table, status, in, out, staging;
	const uint8_t *stream;
	struct ds_gdeflate_info info;
	uint8_t *original;
	uint32_t nr_tiles; /* of which the stream's, again and again */
	size_t stream_nbytes;
};

/* Several copies of the stream, so that a lone request does not find its input in the cache. */
static void bench_create(struct bench *b, struct gpu *g, const uint8_t *stream, size_t nbytes)
{
	struct gpu_tile *tiles;
	uint32_t nr_copies;

	memset(b, 0, sizeof(*b));
	b->gpu = g;
	b->stream = stream;
	b->stream_nbytes = round_up(nbytes, 4);
	b->info.size = sizeof(b->info);
	if (ds_gdeflate_parse_header(stream, nbytes, &b->info) != DS_OK)
		exit(1);
	b->original = must_alloc(b->info.uncompressed_nbytes);
	if (ds_gdeflate_decompress(stream, nbytes, b->original, b->info.uncompressed_nbytes))
		exit(1);
	nr_copies = (BENCH_TILES + b->info.nr_tiles - 1) / b->info.nr_tiles;
	b->nr_tiles = nr_copies * b->info.nr_tiles;
	b->staging = gpu_memory_create(g, GPU_MEMORY_HOST, BENCH_STAGING);
	b->table = gpu_memory_create(g, GPU_MEMORY_DEVICE, b->nr_tiles * sizeof(*tiles));
	b->status = gpu_memory_create(g, GPU_MEMORY_HOST, b->nr_tiles * sizeof(uint32_t));
	b->in = gpu_memory_create(g, GPU_MEMORY_DEVICE, nr_copies * b->stream_nbytes);
	b->out = gpu_memory_create(g, GPU_MEMORY_DEVICE, (size_t)b->nr_tiles * TILE_NBYTES);
	memcpy(b->staging.host, stream, nbytes);
	for (uint32_t i = 0; i < nr_copies; i++)
		gpu_copy(g, &b->in, i * b->stream_nbytes, &b->staging, 0, b->stream_nbytes);
	tiles = (struct gpu_tile *)(void *)b->staging.host;
	for (uint32_t i = 0; i < b->nr_tiles; i++) {
		uint64_t offset;

		ds_gdeflate_tile_range(stream, &b->info, i % b->info.nr_tiles, &offset,
				       &tiles[i].src_nbytes, &tiles[i].dst_nbytes);
		tiles[i].src = b->in.address + i / b->info.nr_tiles * b->stream_nbytes + offset;
		tiles[i].dst = b->out.address + (uint64_t)i * TILE_NBYTES;
	}
	gpu_copy(g, &b->table, 0, &b->staging, 0, b->nr_tiles * sizeof(*tiles));
}

static void bench_destroy(struct bench *b)
{
	gpu_memory_destroy(b->gpu, &b->table);
	gpu_memory_destroy(b->gpu, &b->status);
	gpu_memory_destroy(b->gpu, &b->in);
	gpu_memory_destroy(b->gpu, &b->out);
	gpu_memory_destroy(b->gpu, &b->staging);
	free(b->original);
}

/* Tiles whose status or bytes are wrong. */
static uint32_t bench_verify(struct bench *b)
{
	const uint32_t per_copy = BENCH_STAGING / TILE_NBYTES;
	const uint32_t *status = (const uint32_t *)(const void *)b->status.host;
	uint32_t nr_wrong = 0;

	for (uint32_t i = 0; i < b->nr_tiles; i += per_copy) {
		uint32_t nr = b->nr_tiles - i < per_copy ? b->nr_tiles - i : per_copy;

		gpu_copy(b->gpu, &b->staging, 0, &b->out, (size_t)i * TILE_NBYTES,
			 (size_t)nr * TILE_NBYTES);
		for (uint32_t k = 0; k < nr; k++) {
			size_t at = (size_t)((i + k) % b->info.nr_tiles) * TILE_NBYTES;
			size_t left = b->info.uncompressed_nbytes - at;

			nr_wrong +=
				status[i + k] != 0 ||
				memcmp(b->staging.host + (size_t)k * TILE_NBYTES, b->original + at,
				       left < TILE_NBYTES ? left : TILE_NBYTES) != 0;
		}
	}
	return nr_wrong;
}

/* The median time of several dispatches of nr tiles, on copies of the stream in turn. */
static double bench_time(struct bench *b, uint32_t nr)
{
	double ns[21];
	uint32_t nr_places = b->nr_tiles / nr;

	for (uint32_t i = 0; i < 21; i++)
		ns[i] = gpu_decode(b->gpu, &b->table, &b->status, i * 7 % nr_places * nr, nr);
	return median(ns, 21);
}

static void run_bench(struct gpu *g, const char *path)
{
	static const uint32_t numbers[] = { 128, 256, 512, 1024, 2048, BENCH_TILES };
	size_t nbytes;
	uint8_t *stream = read_file(path, &nbytes);
	uint32_t nr_wrong;
	struct bench b;

	bench_create(&b, g, stream, nbytes);
	memset(b.status.host, 0xff, b.nr_tiles * sizeof(uint32_t));
	gpu_decode(g, &b.table, &b.status, 0, b.nr_tiles);
	nr_wrong = bench_verify(&b);
	printf("%s: GB/s (ms) of", path);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		double ns = bench_time(&b, numbers[i]);

		printf("  %u tiles %.2f (%.3f)", numbers[i], numbers[i] * (double)TILE_NBYTES / ns,
		       ns * 1e-6);
	}
	printf("\n");
	fflush(stdout);
	if (nr_wrong)
		FAIL("%s: %u tiles are wrong", path, nr_wrong);
	bench_destroy(&b);
	free(stream);
}

/* -------------------------------------------------------------------- main */

struct arguments {
	struct gpu_options gpu;
	bool is_bench;
	unsigned nr_fuzz_rounds;
	char **operands;
	int nr_operands;
};

static int usage(void)
{
	fprintf(stderr, "usage: gdeflate_gpu [--device NAME] [--shader FILE] [--emulate] "
			"[--shape S,L,D,B]\n"
			"                    [--validate] [--fuzz ROUNDS] FOLDER...\n"
			"                    --bench STREAM...\n");
	return 2;
}

static bool parse_shape(struct gpu_shape *s, const char *text)
{
	return sscanf(text, "%u,%u,%u,%u", &s->nr_subgroups, &s->litlen_bits, &s->dist_bits,
		      &s->batch) == 4;
}

static bool parse(struct arguments *a, int argc, char **argv)
{
	int i = 1;

	for (; i < argc && !strncmp(argv[i], "--", 2); i++) {
		bool has_value = i + 1 < argc;

		if (!strcmp(argv[i], "--validate"))
			a->gpu.has_validation = true;
		else if (!strcmp(argv[i], "--emulate"))
			a->gpu.is_emulated = true;
		else if (!strcmp(argv[i], "--bench"))
			a->is_bench = true;
		else if (!strcmp(argv[i], "--device") && has_value)
			a->gpu.device = argv[++i];
		else if (!strcmp(argv[i], "--shader") && has_value)
			a->gpu.shader = argv[++i];
		else if (!strcmp(argv[i], "--fuzz") && has_value)
			a->nr_fuzz_rounds = (unsigned)strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--shape") || !has_value ||
			 !parse_shape(&a->gpu.shape, argv[++i]))
			return false;
	}
	a->operands = argv + i;
	a->nr_operands = argc - i;
	return a->nr_operands > 0;
}

static void run(struct gpu *g, const struct arguments *a)
{
	for (int i = 0; i < a->nr_operands; i++) {
		struct vectors v;

		if (a->is_bench) {
			run_bench(g, a->operands[i]);
			continue;
		}
		v = read_vectors(a->operands[i]);
		if (a->nr_fuzz_rounds)
			run_fuzz(g, &v, a->nr_fuzz_rounds);
		else
			run_vectors(g, &v);
		free_vectors(&v);
	}
}

int main(int argc, char **argv)
{
	struct arguments a = { 0 };
	struct gpu *g;

	if (!parse(&a, argc, argv))
		return usage();
	g = gpu_create(&a.gpu);
	if (!g)
		return EXIT_SKIPPED;
	printf("%s, subgroups of %u, %s\n", gpu_device_name(g), gpu_subgroup_size(g),
	       gpu_is_native(g) ? "native" : "emulated");
	fflush(stdout);
	if (a.is_bench)
		gpu_print_pipeline(g);
	run(g, &a);
	if (gpu_nr_messages(g))
		FAIL("%u messages of the validation layers", gpu_nr_messages(g));
	gpu_destroy(g);
	return nr_failures != 0;
}
