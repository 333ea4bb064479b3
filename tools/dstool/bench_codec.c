/* SPDX-License-Identifier: MIT */
/*
 * bench_codec.c: measures codecs in memory, and prints what came out.
 *
 * Contestants, each a format at a level, take turns, round after round, so that whatever else
 * the machine is doing hits them alike. A figure is the median over the rounds. What was
 * decompressed is compared with the input in the first round.
 */
#include "bench_codec.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file_io.h"
#include "json.h"
#include "tool.h"
#include "walk.h"

enum {
	MAX_CONTESTANTS = 128,
	NR_WORKS = 2, /* compressing, decompressing */
	NR_COUNTS = 2 /* of threads: one, and all */
};

struct contestant {
	const struct bench_codec *codec;
	int level;
	double ratio;
	double mbps[NR_COUNTS][NR_WORKS][BENCH_CODEC_MAX_ROUNDS];
};

struct bench {
	const struct bench_codec_options *options;
	uint8_t *data;
	uint64_t nbytes;
	uint64_t nr_chunks;
	uint8_t *packed; /* BENCH_CODEC_ROOM bytes a chunk */
	size_t *packed_nbytes;
	unsigned counts[NR_COUNTS];
	unsigned nr_counts;
	struct contestant *contestants;
	unsigned nr_contestants;
};

/* ------------------------------------------------------------------- input */

static const char *corpus_path(char *path, size_t room)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (cache && *cache)
		snprintf(path, room, "%s/ds-runtime-bench/corpus", cache);
	else
		snprintf(path, room, "%s/.cache/ds-runtime-bench/corpus", home ? home : "");
	return path;
}

static void complain(void *arg, const char *path, const char *why)
{
	bool *has_failed = arg;

	tool_error("%s: %s", path, why);
	*has_failed = true;
}

static bool never(void)
{
	return false;
}

/*
 * Of all files, taken as one row of chunks, each step-th chunk. A chunk never holds bytes of two
 * files; so that all chunks are whole, the rest of a file is left out, if it has others.
 */
static int read_file(struct bench *b, const struct walk_file *f, uint64_t *at, uint64_t step)
{
	int fd = open(f->path, O_RDONLY | O_CLOEXEC);
	uint64_t nr = f->nbytes / BENCH_CODEC_CHUNK;
	int ret = TOOL_OK;

	if (fd < 0)
		return tool_error_errno(f->path, "cannot open it", errno);
	for (uint64_t i = 0; i < nr && ret == TOOL_OK; i++, (*at)++) {
		if (*at % step)
			continue;
		if (pread_full(fd, b->data + b->nr_chunks * BENCH_CODEC_CHUNK, BENCH_CODEC_CHUNK,
			       i * BENCH_CODEC_CHUNK) != BENCH_CODEC_CHUNK)
			ret = tool_error_errno(f->path, "cannot read it", errno);
		b->nr_chunks++;
	}
	close(fd);
	return ret;
}

static int read_files(struct bench *b, const struct walk *w)
{
	uint64_t all = 0, at = 0, step;
	int ret = TOOL_OK;

	for (size_t i = 0; i < w->nr_files; i++)
		all += w->files[i].nbytes / BENCH_CODEC_CHUNK;
	if (!all) {
		tool_error("bench codec: there is no file of 64 KiB or more");
		return TOOL_FAILED;
	}
	step = (all * BENCH_CODEC_CHUNK + b->options->max_nbytes - 1) / b->options->max_nbytes;
	b->data = malloc((all / step + 1) * BENCH_CODEC_CHUNK);
	if (!b->data)
		return tool_error_memory();
	for (size_t i = 0; i < w->nr_files && ret == TOOL_OK; i++)
		ret = read_file(b, &w->files[i], &at, step);
	b->nbytes = b->nr_chunks * BENCH_CODEC_CHUNK;
	return ret;
}

static int read_input(struct bench *b)
{
	const struct bench_codec_options *o = b->options;
	bool has_failed = false;
	struct walk w = { .failed = complain, .arg = &has_failed, .is_stopped = never };
	char path[4096];
	int ret = TOOL_OK;

	if (!o->nr_paths && access(corpus_path(path, sizeof(path)), R_OK) != 0) {
		tool_error("bench codec: no PATH, and no corpus in %s: scripts/bench_corpus.sh "
			   "fetches one",
			   path);
		return TOOL_FAILED;
	}
	for (int i = 0; i < o->nr_paths && ret == TOOL_OK; i++)
		ret = walk_add(&w, o->paths[i]);
	if (!o->nr_paths)
		ret = walk_add(&w, path);
	if (has_failed)
		ret = TOOL_FAILED;
	if (ret == TOOL_OK)
		ret = read_files(b, &w);
	walk_fini(&w);
	return ret;
}

/* ------------------------------------------------------------- contestants */

static bool is_in_list(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = list; p; p = strchr(p, ','), p = p ? p + 1 : NULL)
		if (strncmp(p, name, n) == 0 && (p[n] == ',' || p[n] == '\0'))
			return true;
	return false;
}

static int add_contestant(struct bench *b, const struct bench_codec *codec, int level)
{
	if (b->nr_contestants == MAX_CONTESTANTS) {
		tool_error("bench codec: too many levels");
		return TOOL_USAGE;
	}
	b->contestants[b->nr_contestants++] = (struct contestant){ .codec = codec, .level = level };
	return TOOL_OK;
}

static int add_levels(struct bench *b, const struct bench_codec *codec)
{
	const char *text = b->options->levels;
	int ret = TOOL_OK;
	char *end;

	if (!text) {
		for (const int *l = codec->levels; *l && ret == TOOL_OK; l++)
			ret = add_contestant(b, codec, *l);
		return ret;
	}
	for (; ret == TOOL_OK; text = end + 1) {
		long level = strtol(text, &end, 10);

		if (end == text || level < 1 || level > 19 || (*end && *end != ',')) {
			tool_error("bench codec: --levels: '%s' is no list of levels",
				   b->options->levels);
			return TOOL_USAGE;
		}
		if (level <= codec->max_level)
			ret = add_contestant(b, codec, (int)level);
		if (!*end)
			break;
	}
	return ret;
}

static int choose_contestants(struct bench *b)
{
	const struct bench_codec *codec;
	const char *why;
	int ret = TOOL_OK;

	for (size_t i = 0; (codec = bench_codec_at(i)) != NULL && ret == TOOL_OK; i++) {
		if (b->options->formats && !is_in_list(b->options->formats, codec->name))
			continue;
		why = codec->load();
		if (why)
			tool_note("%s is left out: %s", codec->name, why);
		else
			ret = add_levels(b, codec);
	}
	if (ret == TOOL_OK && !b->nr_contestants) {
		tool_error("bench codec: nothing to measure");
		return TOOL_USAGE;
	}
	return ret;
}

/* --------------------------------------------------------------- measuring */

struct run {
	struct bench *b;
	const struct contestant *c;
	bool is_compressing;
	bool is_checked;
	atomic_uint_fast64_t next;
	atomic_bool has_failed;
	_Atomic uint64_t cpu_ns; /* of all threads */
	pthread_barrier_t start, end;
};

static bool do_chunk(struct run *r, void *coder, uint8_t *out, uint64_t i)
{
	struct bench *b = r->b;
	const struct bench_codec *codec = r->c->codec;
	const uint8_t *data = b->data + i * BENCH_CODEC_CHUNK;
	uint8_t *packed = b->packed + i * BENCH_CODEC_ROOM;

	if (r->is_compressing) {
		b->packed_nbytes[i] =
			codec->compress(coder, data, BENCH_CODEC_CHUNK, packed, BENCH_CODEC_ROOM);
		return b->packed_nbytes[i] != 0;
	}
	return codec->decompress(coder, packed, b->packed_nbytes[i], out, BENCH_CODEC_CHUNK) &&
	       (!r->is_checked || memcmp(out, data, BENCH_CODEC_CHUNK) == 0);
}

static void *run_main(void *arg)
{
	struct run *r = arg;
	const struct bench_codec *codec = r->c->codec;
	uint8_t *out = calloc(1, BENCH_CODEC_CHUNK);
	void *coder = r->is_compressing ? codec->compressor_create(r->c->level)
					: codec->decompressor_create();
	uint64_t i, cpu_ns;

	pthread_barrier_wait(&r->start);
	cpu_ns = tool_thread_cpu_ns();
	while (out && coder && (i = atomic_fetch_add(&r->next, 1)) < r->b->nr_chunks)
		if (!do_chunk(r, coder, out, i))
			atomic_store(&r->has_failed, true);
	atomic_fetch_add(&r->cpu_ns, tool_thread_cpu_ns() - cpu_ns);
	pthread_barrier_wait(&r->end);
	if (!out || !coder)
		atomic_store(&r->has_failed, true);
	if (coder && r->is_compressing)
		codec->compressor_destroy(coder);
	else if (coder)
		codec->decompressor_destroy(coder);
	free(out);
	return NULL;
}

/*
 * MB/s, or a negative number. One thread goes by its own CPU clock, which other load on
 * the machine does not advance; several go by the wall's.
 */
static double run_all(struct run *r, unsigned nr_threads)
{
	pthread_t threads[BENCH_CODEC_MAX_THREADS];
	uint64_t start_ns, ns;

	atomic_init(&r->next, 0);
	atomic_init(&r->has_failed, false);
	atomic_init(&r->cpu_ns, 0);
	pthread_barrier_init(&r->start, NULL, nr_threads + 1);
	pthread_barrier_init(&r->end, NULL, nr_threads + 1);
	for (unsigned i = 0; i < nr_threads; i++)
		if (pthread_create(&threads[i], NULL, run_main, r)) {
			tool_error("bench codec: cannot start a thread");
			exit(TOOL_FAILED); /* the others wait for it at the barrier */
		}
	start_ns = tool_now_ns();
	pthread_barrier_wait(&r->start);
	pthread_barrier_wait(&r->end);
	ns = nr_threads == 1 ? atomic_load(&r->cpu_ns) : tool_now_ns() - start_ns;
	for (unsigned i = 0; i < nr_threads; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&r->start);
	pthread_barrier_destroy(&r->end);
	return atomic_load(&r->has_failed) ? -1
					   : (double)r->b->nbytes * 1e3 / (double)(ns ? ns : 1);
}

static void set_ratio(const struct bench *b, struct contestant *c)
{
	uint64_t packed = b->nr_chunks * c->codec->chunk_overhead;

	for (uint64_t i = 0; i < b->nr_chunks; i++)
		packed += b->packed_nbytes[i];
	c->ratio = (double)b->nbytes / (double)packed;
}

static int measure(struct bench *b, struct contestant *c, unsigned count, unsigned round)
{
	for (unsigned work = 0; work < NR_WORKS; work++) {
		struct run r = {
			.b = b, .c = c, .is_compressing = work == 0, .is_checked = round == 0
		};
		double mbps = run_all(&r, b->counts[count]);

		if (mbps < 0) {
			tool_error("bench codec: %s level %d fails, or gives other bytes",
				   c->codec->name, c->level);
			return TOOL_FAILED;
		}
		c->mbps[count][work][round] = mbps;
	}
	set_ratio(b, c);
	return TOOL_OK;
}

static int measure_all(struct bench *b)
{
	int ret = TOOL_OK;

	for (unsigned round = 0; round < b->options->nr_rounds; round++)
		for (unsigned i = 0; i < b->nr_contestants; i++)
			for (unsigned count = 0; count < b->nr_counts && ret == TOOL_OK; count++)
				ret = measure(b, &b->contestants[i], count, round);
	return ret;
}

/* ----------------------------------------------------------------- results */

static int compare_reals(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const struct bench *b, struct contestant *c, unsigned count, unsigned work)
{
	double *v = c->mbps[count][work];

	qsort(v, b->options->nr_rounds, sizeof(*v), compare_reals);
	return v[b->options->nr_rounds / 2];
}

static void print_table(struct bench *b)
{
	printf("%" PRIu64 " chunks of 64 KiB; MB/s of uncompressed bytes, medians of %" PRIu64
	       " rounds\n\n",
	       b->nr_chunks, b->options->nr_rounds);
	printf("%-11s %5s %7s", "format", "level", "ratio");
	for (unsigned i = 0; i < b->nr_counts; i++)
		printf("   %3u thread%s: in, out", b->counts[i], b->counts[i] == 1 ? " " : "s");
	printf("\n");
	for (unsigned i = 0; i < b->nr_contestants; i++) {
		struct contestant *c = &b->contestants[i];

		printf("%-11s %5d %7.4f", c->codec->name, c->level, c->ratio);
		for (unsigned k = 0; k < b->nr_counts; k++)
			printf("   %10.1f %10.1f", median(b, c, k, 0), median(b, c, k, 1));
		printf("\n");
	}
}

static void print_json(struct bench *b)
{
	struct json j = { .to = stdout };

	json_begin_object(&j, NULL);
	json_number(&j, "bytes", b->nbytes);
	json_number(&j, "chunk_bytes", BENCH_CODEC_CHUNK);
	json_number(&j, "rounds", b->options->nr_rounds);
	json_begin_array(&j, "results");
	for (unsigned i = 0; i < b->nr_contestants; i++)
		for (unsigned k = 0; k < b->nr_counts; k++) {
			struct contestant *c = &b->contestants[i];

			json_begin_object(&j, NULL);
			json_string(&j, "format", c->codec->name);
			json_number(&j, "level", (uint64_t)c->level);
			json_number(&j, "threads", b->counts[k]);
			json_real(&j, "ratio", c->ratio);
			json_real(&j, "compress_mb_per_s", median(b, c, k, 0));
			json_real(&j, "decompress_mb_per_s", median(b, c, k, 1));
			json_end_object(&j);
		}
	json_end_array(&j);
	json_end_object(&j);
}

static int prepare(struct bench *b)
{
	int ret;

	b->counts[0] = 1;
	b->counts[1] = b->options->nr_threads ? (unsigned)b->options->nr_threads : tool_nr_cpus();
	b->nr_counts = b->counts[1] > 1 ? 2 : 1;
	b->contestants = calloc(MAX_CONTESTANTS, sizeof(*b->contestants));
	if (!b->contestants)
		return tool_error_memory();
	ret = choose_contestants(b);
	if (ret == TOOL_OK)
		ret = read_input(b);
	if (ret != TOOL_OK)
		return ret;
	b->packed = malloc(b->nr_chunks * BENCH_CODEC_ROOM);
	b->packed_nbytes = calloc(b->nr_chunks, sizeof(*b->packed_nbytes));
	if (!b->packed || !b->packed_nbytes)
		return tool_error_memory();
	/* Touched now, so that page faults are not measured. */
	memset(b->packed, 0, b->nr_chunks * BENCH_CODEC_ROOM);
	return TOOL_OK;
}

int bench_codec(const struct bench_codec_options *o)
{
	struct bench b = { .options = o };
	int ret = prepare(&b);

	if (ret == TOOL_OK)
		ret = measure_all(&b);
	if (ret == TOOL_OK && o->json)
		print_json(&b);
	else if (ret == TOOL_OK)
		print_table(&b);
	free(b.packed_nbytes);
	free(b.packed);
	free(b.contestants);
	free(b.data);
	return tool_finish_output(ret);
}
