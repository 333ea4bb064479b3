/* SPDX-License-Identifier: MIT */
/*
 * bench_load.c: loading compressed files: through the queue with the GDeflate codec,
 * against threads that only decode the same streams from memory, and against loading
 * the files uncompressed.
 *
 *	bench_load [options] [file or folder]...
 */
#include "bench.h"

#include <fnmatch.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_corpus.h"
#include "ds_gdeflate.h"

#define LOAD_DEPTH 64u

/* What env->program points to. */
struct program {
	struct corpus corpus;
	const struct corpus_set *set; /* of the workload that runs */
	uint8_t *out;
};

static void check_output(const struct bench_env *env)
{
	const struct program *p = env->program;

	if (memcmp(p->out, p->corpus.bytes, p->corpus.nbytes))
		bench_die(p->set->name, "what was loaded differs from the files");
	memset(p->out, 0, p->corpus.nbytes);
}

/* ------------------------------------------------------------ bare decode */

struct tile {
	const struct corpus_item *item;
	uint64_t offset;
	uint64_t out_offset;
	uint32_t nbytes;
	uint32_t out_nbytes;
};

struct decode_job {
	const struct bench_env *env;
	struct tile *tiles;
	uint64_t nr_tiles;
	_Atomic uint64_t next;
	_Atomic bool is_over;
	uint64_t deadline_ns;
	pthread_barrier_t start;
};

static uint64_t list_tiles(const struct corpus_set *set, struct tile *tiles)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < set->nr_items; i++) {
		const struct corpus_item *item = &set->items[i];
		struct ds_gdeflate_info info = DS_GDEFLATE_INFO_INIT;

		if (ds_gdeflate_parse_header(item->stream, item->stream_nbytes, &info) ||
		    ds_gdeflate_check_table(item->stream, &info, item->stream_nbytes))
			bench_die(set->name, "a stream was refused");
		for (uint32_t t = 0; t < info.nr_tiles; t++, n++) {
			if (!tiles)
				continue;
			tiles[n].item = item;
			ds_gdeflate_tile_range(item->stream, &info, t, &tiles[n].offset,
					       &tiles[n].nbytes, &tiles[n].out_nbytes);
			tiles[n].out_offset =
				item->out_offset + (uint64_t)t * DS_GDEFLATE_TILE_NBYTES;
		}
	}
	return n;
}

/* Whole passes only, so that every run decodes the same mix of data. */
static void *decode_main(void *arg)
{
	struct decode_job *job = arg;
	const struct program *p = job->env->program;
	struct ds_gdeflate_decoder *dec;
	uint64_t i;

	if (ds_gdeflate_decoder_create(&dec))
		bench_die("decode", "no memory");
	pthread_barrier_wait(&job->start);
	for (;;) {
		const struct tile *t;

		i = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed);
		if (i % job->nr_tiles == 0 && i && bench_now_ns() >= job->deadline_ns)
			atomic_store(&job->is_over, true);
		if (atomic_load_explicit(&job->is_over, memory_order_relaxed))
			break;
		t = &job->tiles[i % job->nr_tiles];
		if (ds_gdeflate_decode_tile(dec, t->item->stream + t->offset, t->nbytes,
					    p->out + t->out_offset, t->out_nbytes))
			bench_die("decode", "a tile was refused");
	}
	ds_gdeflate_decoder_destroy(dec);
	return NULL;
}

static void run_decoders(struct decode_job *job, unsigned nr_threads, struct bench_run *out)
{
	pthread_t threads[BENCH_MAX_THREADS];
	uint64_t cpu, begin;

	pthread_barrier_init(&job->start, NULL, nr_threads + 1);
	for (unsigned i = 0; i < nr_threads; i++) {
		if (pthread_create(&threads[i], NULL, decode_main, job))
			bench_die("decode", "cannot start a thread");
	}
	cpu = bench_cpu_ns();
	begin = bench_now_ns();
	job->deadline_ns = begin + job->env->run_ns;
	pthread_barrier_wait(&job->start);
	for (unsigned i = 0; i < nr_threads; i++)
		pthread_join(threads[i], NULL);
	out->wall_ns = bench_now_ns() - begin;
	out->cpu_ns = bench_cpu_ns() - cpu;
	pthread_barrier_destroy(&job->start);
}

static void decode_run(const struct bench_env *env, const struct bench_workload *w,
		       const struct bench_peer *peer, uint64_t seed, struct bench_run *out)
{
	const struct program *p = env->program;
	struct decode_job job = { .env = env };
	uint64_t nr_passes;

	(void)seed;
	(void)w;
	job.nr_tiles = list_tiles(p->set, NULL);
	job.tiles = calloc(job.nr_tiles, sizeof(*job.tiles));
	if (!job.tiles)
		bench_die("decode", "no memory");
	list_tiles(p->set, job.tiles);
	run_decoders(&job, peer->threads, out);
	nr_passes = (job.next - 1) / job.nr_tiles;
	out->nr_reads = nr_passes * p->set->nr_items;
	out->nbytes = nr_passes * p->corpus.nbytes;
	free(job.tiles);
	check_output(env);
}

/* ------------------------------------------------------ through the queue */

struct loader {
	const struct bench_env *env;
	const struct corpus_set *set;
	bool is_raw;
	struct ds_backend *be;
	struct ds_queue *q;
	struct ds_file **files; /* one for each of the set's paths */
	struct ds_completion done[LOAD_DEPTH];
	uint64_t nr_started;
	uint64_t nr_done;
	uint64_t feed_ns;
	struct bench_hist hist;
};

static void start_item(struct loader *l, const struct corpus_item *item)
{
	const struct program *p = l->env->program;
	struct ds_request r = DS_REQUEST_INIT;
	ds_result ret;

	r.source.kind = DS_LOCATION_FILE;
	r.source.file = l->files[l->is_raw ? item->raw_path : item->stream_path];
	r.source.offset = l->is_raw ? item->raw_offset : item->stream_offset;
	r.source.nbytes = l->is_raw ? item->nbytes : item->stream_nbytes;
	r.destination.kind = DS_LOCATION_MEMORY;
	r.destination.data = p->out + item->out_offset;
	r.destination.nbytes = item->nbytes;
	if (!l->is_raw) {
		r.codec = DS_CODEC_GDEFLATE;
		r.uncompressed_nbytes = item->nbytes;
	}
	ret = ds_queue_enqueue(l->q, &r, NULL);
	if (ret)
		bench_die("enqueue", ds_result_message(ret));
	l->nr_started++;
}

static void start_items(struct loader *l, uint64_t end)
{
	uint64_t begin = bench_now_ns();
	uint64_t first = l->nr_started;

	while (l->nr_started < end && l->nr_started - l->nr_done < LOAD_DEPTH)
		start_item(l, &l->set->items[l->nr_started % l->set->nr_items]);
	if (l->nr_started != first && ds_queue_submit(l->q))
		bench_die("submit", "refused");
	l->feed_ns += bench_now_ns() - begin;
}

static void take_results(struct loader *l)
{
	/* A sixteenth at once, so that the loader does not wake for each single result. */
	uint32_t least = 1 + (uint32_t)(l->nr_started - l->nr_done - 1) / 16;
	uint32_t taken = 0;
	char text[256];

	if (ds_queue_wait(l->q, l->done, LOAD_DEPTH, least, DS_WAIT_FOREVER, &taken) || !taken)
		bench_die("load", "requests were lost");
	for (uint32_t i = 0; i < taken; i++) {
		const struct ds_completion *c = &l->done[i];

		if (c->status != DS_STATUS_COMPLETE)
			bench_die("load", ds_completion_describe(c, text, sizeof(text)));
		bench_hist_add(&l->hist, c->end_ns - c->submit_ns);
	}
	l->nr_done += taken;
}

/* A pass begins while the one before ends: no gap between them. Cold: one pass only. */
static void load_all(struct loader *l, const struct bench_workload *w, struct bench_run *out)
{
	uint64_t cpu = bench_cpu_ns();
	uint64_t begin = bench_now_ns();
	uint64_t end = l->set->nr_items;

	start_items(l, end);
	while (l->nr_done < end) {
		bool is_more = w->cache == BENCH_CACHED && bench_now_ns() - begin < l->env->run_ns;

		if (l->nr_started == end && is_more)
			end += l->set->nr_items;
		start_items(l, end);
		take_results(l);
	}
	out->wall_ns = bench_now_ns() - begin;
	out->cpu_ns = bench_cpu_ns() - cpu;
}

static void loader_open_files(struct loader *l, bool is_direct)
{
	ds_result ret;

	l->files = calloc(l->set->nr_paths, sizeof(*l->files));
	if (!l->files)
		bench_die("load", "no memory");
	for (unsigned i = 0; i < l->set->nr_paths; i++) {
		ret = ds_file_open(l->be, l->set->paths[i],
				   is_direct ? DS_FILE_DIRECT : DS_FILE_READ, &l->files[i]);
		if (ret)
			bench_die(l->set->paths[i], ds_result_message(ret));
	}
}

static void load_run(const struct bench_env *env, const struct bench_workload *w,
		     const struct bench_peer *peer, uint64_t seed, struct bench_run *out)
{
	const struct program *p = env->program;
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	struct loader *l = calloc(1, sizeof(*l));

	(void)seed;
	if (!l)
		bench_die("load", "no memory");
	l->env = env;
	l->set = p->set;
	l->is_raw = !peer->codec;
	cfg.capacity = 4 * LOAD_DEPTH;
	l->be = bench_backend_make(peer->backend, 0);
	if (ds_queue_create(l->be, &cfg, &l->q))
		bench_die(peer->backend, "no queue");
	loader_open_files(l, w->cache == BENCH_DIRECT);
	for (unsigned i = 0; i < LOAD_DEPTH; i++)
		l->done[i].size = sizeof(l->done[i]);
	load_all(l, w, out);
	out->nr_reads = l->nr_done;
	out->nbytes = l->nr_done / l->set->nr_items * p->corpus.nbytes;
	out->feed_ns = l->feed_ns;
	bench_run_finish(out, &l->hist);
	ds_queue_destroy(l->q);
	for (unsigned i = 0; i < l->set->nr_paths; i++)
		ds_file_close(l->files[i]);
	ds_backend_destroy(l->be);
	free(l->files);
	free(l);
	check_output(env);
}

/* -------------------------------------------------------------- workloads */

struct options {
	const char *backend;
	const char *only;
	uint64_t max_nbytes;
	double seconds;
	unsigned rounds;
	int level;
};

static unsigned decode_workers_of(const char *backend)
{
	struct ds_backend *be = bench_backend_make(backend, 0);
	struct ds_stats stats = DS_STATS_INIT;

	if (ds_backend_get_stats(be, &stats) || stats.decode_workers > BENCH_MAX_THREADS)
		bench_die(backend, "no statistics");
	ds_backend_destroy(be);
	return stats.decode_workers;
}

static bool is_wanted(const struct options *o, const char *name)
{
	return !o->only || !fnmatch(o->only, name, 0);
}

static struct bench_peer decode_peer(unsigned threads, int against)
{
	return (struct bench_peer){ "bare",	threads, { against, -1, -1 },
				    "gdeflate", NULL,	 decode_run };
}

/* codec NULL: the uncompressed files. */
static struct bench_peer load_peer(const struct options *o, const char *codec, int against)
{
	unsigned threads =
		codec ? decode_workers_of(o->backend) : bench_backend_default_workers(o->backend);

	return (struct bench_peer){
		o->backend, threads, { against, -1, -1 }, codec, NULL, load_run
	};
}

static void run_decode(const struct bench_env *env, const struct options *o,
		       struct bench_workload *w)
{
	unsigned threads = decode_workers_of(o->backend);
	const struct bench_peer peers[] = { decode_peer(1, -1), decode_peer(threads, 0) };

	bench_compare(env, w, peers, threads > 1 ? 2 : 1);
}

static void run_cached(const struct bench_env *env, const struct options *o,
		       struct bench_workload *w)
{
	const struct bench_peer peers[] = {
		decode_peer(decode_workers_of(o->backend), -1),
		load_peer(o, "gdeflate", 0),
		load_peer(o, NULL, -1),
	};

	bench_compare(env, w, peers, 3);
}

/* From the disk, what counts is how much sooner the compressed files are there. */
static void run_cold(const struct bench_env *env, const struct options *o, struct bench_workload *w)
{
	const struct bench_peer peers[] = { load_peer(o, NULL, -1), load_peer(o, "gdeflate", 0) };

	bench_compare(env, w, peers, 2);
}

typedef void (*plan_fn)(const struct bench_env *env, const struct options *o,
			struct bench_workload *w);

static void run_workload(const struct bench_env *env, const struct options *o, const char *what,
			 enum bench_cache cache, plan_fn plan)
{
	const struct program *p = env->program;
	const struct corpus_set *set = p->set;
	struct bench_workload w = { .cache = cache, .depth = LOAD_DEPTH };
	char name[64], extra[96];

	snprintf(name, sizeof(name), "%s-%s", what, set->name);
	if (!is_wanted(o, name))
		return;
	snprintf(extra, sizeof(extra), "level=%d files=%u ratio=%.4f", o->level, set->nr_items,
		 (double)p->corpus.nbytes / (double)set->stream_nbytes);
	w.name = name;
	w.nbytes = p->corpus.nbytes / set->nr_items;
	w.extra = extra;
	plan(env, o, &w);
}

static void prepare(const struct bench_env *env, enum bench_cache cache)
{
	const struct program *p = env->program;

	corpus_prepare(p->set, cache == BENCH_CACHED);
}

static void run_all(struct program *p, const struct options *o)
{
	const struct corpus_set *sets[] = { &p->corpus.files, &p->corpus.assets };
	struct bench_env env = {
		.run_ns = (uint64_t)(o->seconds * 1e9),
		.rounds = o->rounds,
		.prepare = prepare,
		.program = p,
	};

	for (int i = 0; i < 2; i++) {
		p->set = sets[i];
		run_workload(&env, o, "decode", BENCH_CACHED, run_decode);
		run_workload(&env, o, "load-cached", BENCH_CACHED, run_cached);
		run_workload(&env, o, "load-cold", BENCH_COLD, run_cold);
		run_workload(&env, o, "load-direct", BENCH_DIRECT, run_cold);
	}
}

/* ---------------------------------------------------------------- options */

static const char usage[] =
	"usage: bench_load [options] [file or folder]...\n"
	"\n"
	"Compresses the files and loads them. Without any: Freedoom's game data where it is\n"
	"installed, else the programs of this machine.\n"
	"\n"
	"  --backend NAME      backend to measure (default: cpu)\n"
	"  --level N           GDeflate level, 1 to 12 (default: 6)\n"
	"  --max-mib N         take at most so many bytes of files (default: 64)\n"
	"  --only PATTERN      run workloads of that name only\n"
	"  --seconds S         length of a run (default: 1)\n"
	"  --rounds N          runs of each peer, in turn (default: 5)\n"
	"  --quick             the same as --seconds 0.3 --rounds 3\n";

static const struct option long_options[] = {
	{ "backend", required_argument, NULL, 'b' },
	{ "level", required_argument, NULL, 'l' },
	{ "max-mib", required_argument, NULL, 'm' },
	{ "only", required_argument, NULL, 'o' },
	{ "seconds", required_argument, NULL, 't' },
	{ "rounds", required_argument, NULL, 'r' },
	{ "quick", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static double number_arg(const char *text, double min, double max)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !(v >= min && v <= max)) {
		fprintf(stderr, "bad number: %s\n%s", text, usage);
		exit(2);
	}
	return v;
}

static void take_option(struct options *o, int c)
{
	switch (c) {
	case 'b':
		o->backend = bench_backend_find(optarg)->name;
		break;
	case 'l':
		o->level = (int)number_arg(optarg, 1, 12);
		break;
	case 'm':
		o->max_nbytes = (uint64_t)number_arg(optarg, 1, 1 << 16) << 20;
		break;
	case 'o':
		o->only = optarg;
		break;
	case 't':
		o->seconds = number_arg(optarg, 0.01, 60);
		break;
	case 'r':
		o->rounds = (unsigned)number_arg(optarg, 1, BENCH_MAX_ROUNDS);
		break;
	case 'q':
		o->seconds = 0.3;
		o->rounds = 3;
		break;
	case 'h':
		fputs(usage, stdout);
		exit(0);
	default:
		fputs(usage, stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct options o = { .backend = bench_backends[0].name, .level = 6, .seconds = 1 };
	char game[] = "/usr/share/games/doom", programs[] = "/usr/bin";
	char *own[] = { access(game, R_OK) ? programs : game };
	struct program p = { .set = NULL };
	int c;

	o.max_nbytes = 64u << 20;
	o.rounds = 5;
	while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1)
		take_option(&o, c);
	if (optind < argc)
		corpus_create(&p.corpus, argv + optind, (unsigned)(argc - optind), o.max_nbytes,
			      o.level);
	else
		corpus_create(&p.corpus, own, 1, o.max_nbytes, o.level);
	p.out = calloc(1, p.corpus.nbytes);
	if (!p.out)
		bench_die("load", "no memory");
	run_all(&p, &o);
	free(p.out);
	corpus_destroy(&p.corpus);
	return 0;
}
