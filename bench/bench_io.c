/* SPDX-License-Identifier: MIT */
/*
 * bench_io.c: reading uncompressed bytes: through the queue, by bare pread loops and,
 * where asked for, by fio.
 *
 *	bench_io [options] [workload or pattern]...
 */
#include "bench.h"

#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define KIB 1024u
#define MIB (1024u * 1024u)

/*
 * What is compared on a workload. The first backend is measured by bare loops with as many
 * threads, the others by the first one, and each by fio with the same mechanism.
 */
enum plan {
	PLAN_QUEUE,
	PLAN_DIRECT, /* the same; and bare loops, the first backend with 4 workers, registration */
	PLAN_SINGLE, /* each backend, and one bare loop */
	PLAN_SWEEP,  /* 1 to 16 workers, and as many bare loops */
	PLAN_HALF,   /* each backend: always direct, always buffered, and as it chooses */
	PLAN_ALONE,  /* each backend, nothing beside it */
	PLAN_MEMCPY,
};

struct entry {
	struct bench_workload w;
	enum plan plan;
};

/*
 * Cached reads of 1 MiB keep 8 outstanding: with more, the buffers outgrow the caches and the
 * figure is that of the memory. The others keep 64, as a game that streams does.
 */
static const struct entry entries[] = {
	{ { "memcpy-1m", MIB, true, BENCH_CACHED, 8, BENCH_STREAM, NULL }, PLAN_MEMCPY },
	{ { "cached-4k-rand", 4 * KIB, true, BENCH_CACHED, 64, BENCH_STREAM, NULL }, PLAN_QUEUE },
	{ { "cached-4k-seq", 4 * KIB, false, BENCH_CACHED, 64, BENCH_STREAM, NULL }, PLAN_QUEUE },
	{ { "cached-64k-rand", 64 * KIB, true, BENCH_CACHED, 64, BENCH_STREAM, NULL }, PLAN_QUEUE },
	{ { "cached-64k-seq", 64 * KIB, false, BENCH_CACHED, 64, BENCH_STREAM, NULL }, PLAN_QUEUE },
	{ { "cached-1m-rand", MIB, true, BENCH_CACHED, 8, BENCH_STREAM, NULL }, PLAN_QUEUE },
	{ { "cached-1m-seq", MIB, false, BENCH_CACHED, 8, BENCH_STREAM, NULL }, PLAN_QUEUE },
	{ { "cost-0b", 0, true, BENCH_CACHED, 256, BENCH_BATCHED, NULL }, PLAN_ALONE },
	{ { "cost-4k", 4 * KIB, true, BENCH_CACHED, 256, BENCH_BATCHED, NULL }, PLAN_QUEUE },
	{ { "single-cached-4k", 4 * KIB, true, BENCH_CACHED, 1, BENCH_STREAM, NULL }, PLAN_SINGLE },
	{ { "single-cached-1m", MIB, true, BENCH_CACHED, 1, BENCH_STREAM, NULL }, PLAN_SINGLE },
	{ { "single-cached-16m", 16 * MIB, false, BENCH_CACHED, 1, BENCH_STREAM, NULL },
	  PLAN_SINGLE },
	{ { "single-direct-4k", 4 * KIB, true, BENCH_DIRECT, 1, BENCH_STREAM, NULL }, PLAN_SINGLE },
	{ { "single-direct-64k", 64 * KIB, true, BENCH_DIRECT, 1, BENCH_STREAM, NULL },
	  PLAN_SINGLE },
	{ { "direct-4k-rand", 4 * KIB, true, BENCH_DIRECT, 64, BENCH_STREAM, NULL }, PLAN_DIRECT },
	{ { "direct-64k-rand", 64 * KIB, true, BENCH_DIRECT, 64, BENCH_STREAM, NULL },
	  PLAN_DIRECT },
	{ { "direct-1m-rand", MIB, true, BENCH_DIRECT, 64, BENCH_STREAM, NULL }, PLAN_DIRECT },
	{ { "direct-1m-seq", MIB, false, BENCH_DIRECT, 64, BENCH_STREAM, NULL }, PLAN_DIRECT },
	{ { "cold-4k-rand", 4 * KIB, true, BENCH_COLD, 64, BENCH_STREAM, NULL }, PLAN_QUEUE },
	{ { "cold-64k-rand", 64 * KIB, true, BENCH_COLD, 64, BENCH_STREAM, NULL }, PLAN_QUEUE },
	{ { "cold-1m-seq", MIB, false, BENCH_COLD, 64, BENCH_STREAM, NULL }, PLAN_QUEUE },
	{ { "half-64k-rand", 64 * KIB, true, BENCH_HALF, 64, BENCH_STREAM, NULL }, PLAN_HALF },
	{ { "half-1m-seq", MIB, false, BENCH_HALF, 64, BENCH_STREAM, NULL }, PLAN_HALF },
	{ { "cancel-direct-4k", 4 * KIB, true, BENCH_DIRECT, 64, BENCH_CANCEL, NULL }, PLAN_ALONE },
	{ { "cancel-direct-1m", MIB, true, BENCH_DIRECT, 64, BENCH_CANCEL, NULL }, PLAN_ALONE },
	{ { "cancel-cached-1m", MIB, true, BENCH_CACHED, 64, BENCH_CANCEL, NULL }, PLAN_ALONE },
	{ { "sweep-cached-4k", 4 * KIB, true, BENCH_CACHED, 64, BENCH_STREAM, NULL }, PLAN_SWEEP },
	{ { "sweep-cached-64k", 64 * KIB, true, BENCH_CACHED, 64, BENCH_STREAM, NULL },
	  PLAN_SWEEP },
	{ { "sweep-cached-1m", MIB, true, BENCH_CACHED, 16, BENCH_STREAM, NULL }, PLAN_SWEEP },
	{ { "sweep-direct-4k", 4 * KIB, true, BENCH_DIRECT, 64, BENCH_STREAM, NULL }, PLAN_SWEEP },
	{ { "sweep-direct-64k", 64 * KIB, true, BENCH_DIRECT, 64, BENCH_STREAM, NULL },
	  PLAN_SWEEP },
	{ { "sweep-direct-1m", MIB, false, BENCH_DIRECT, 64, BENCH_STREAM, NULL }, PLAN_SWEEP },
	{ { "sweep-cold-4k", 4 * KIB, true, BENCH_COLD, 64, BENCH_STREAM, NULL }, PLAN_SWEEP },
	{ { "sweep-cold-64k", 64 * KIB, true, BENCH_COLD, 64, BENCH_STREAM, NULL }, PLAN_SWEEP },
	{ { "sweep-cold-1m", MIB, false, BENCH_COLD, 64, BENCH_STREAM, NULL }, PLAN_SWEEP },
};

#define NR_ENTRIES (sizeof(entries) / sizeof(entries[0]))

struct options {
	const char *path;
	const char *backends[8];
	unsigned nr_backends;
	unsigned workers;
	uint64_t file_nbytes;
	double seconds;
	unsigned rounds;
	bool with_fio;
	bool is_bare_only;
	bool is_alone;
	bool has_small_pages;
};

struct peer_list {
	struct bench_peer peers[BENCH_MAX_PEERS];
	unsigned count;
};

static int add_peer(struct peer_list *l, const char *backend, unsigned threads)
{
	struct bench_peer *p = &l->peers[l->count];

	if (l->count == BENCH_MAX_PEERS)
		bench_die("peers", "too many");
	p->backend = backend;
	p->threads = threads;
	for (int i = 0; i < BENCH_MAX_AGAINST; i++)
		p->against[i] = -1;
	if (!strcmp(backend, "bare"))
		p->run = bench_bare_run;
	else if (!strcmp(backend, "memcpy"))
		p->run = bench_memcpy_run;
	else if (!strncmp(backend, "fio-", 4))
		p->run = bench_fio_run;
	else
		p->run = bench_queue_run;
	return (int)l->count++;
}

/* Peers that are not there (negative) are left out. */
static void measure_by(struct peer_list *l, int peer, int other)
{
	int *against = l->peers[peer].against;

	for (int i = 0; i < BENCH_MAX_AGAINST && other >= 0; i++) {
		if (against[i] < 0) {
			against[i] = other;
			return;
		}
	}
}

static int find_or_add_bare(struct peer_list *l, unsigned threads)
{
	for (unsigned i = 0; i < l->count; i++) {
		if (!strcmp(l->peers[i].backend, "bare") && l->peers[i].threads == threads)
			return (int)i;
	}
	return add_peer(l, "bare", threads);
}

static unsigned workers_of(const struct options *o, const char *backend)
{
	return o->workers ? o->workers : bench_backend_default_workers(backend);
}

static int add_fio(struct peer_list *l, const struct options *o, const char *backend)
{
	if (!o->with_fio)
		return -1;
	if (!strcmp(bench_backend_find(backend)->fio_engine, "psync"))
		return add_peer(l, "fio-psync", workers_of(o, backend));
	return add_peer(l, "fio-io_uring", 1);
}

static int add_registered(struct peer_list *l, const struct options *o, const char *backend)
{
	int peer;

	if (!bench_backend_find(backend)->has_registered_memory)
		return -1;
	peer = add_peer(l, backend, workers_of(o, backend));
	l->peers[peer].variant = "registered";
	return peer;
}

static void plan_queue(struct peer_list *l, const struct options *o, bool is_direct)
{
	int first = -1, four = -1;

	for (unsigned i = 0; i < o->nr_backends; i++) {
		const char *name = o->backends[i];
		unsigned workers = workers_of(o, name);
		int bare = i ? -1 : find_or_add_bare(l, workers);
		int self = add_peer(l, name, workers);
		int fio = add_fio(l, o, name);
		int registered = is_direct ? add_registered(l, o, name) : -1;

		measure_by(l, self, i ? first : bare);
		measure_by(l, self, fio);
		measure_by(l, self, four);
		if (fio >= 0)
			measure_by(l, fio, bare);
		if (registered >= 0) {
			measure_by(l, registered, first);
			measure_by(l, registered, fio);
			measure_by(l, registered, self);
		}
		if (!i)
			first = self;
		if (!i && is_direct && o->nr_backends > 1) {
			four = add_peer(l, name, 4);
			l->peers[four].variant = "4workers";
		}
	}
}

static void plan_direct(struct peer_list *l, const struct options *o)
{
	plan_queue(l, o, true);
	for (unsigned n = 1; n <= 16; n *= 4)
		find_or_add_bare(l, n);
}

static void plan_single(struct peer_list *l, const struct options *o)
{
	int bare = find_or_add_bare(l, 1);

	for (unsigned i = 0; i < o->nr_backends; i++)
		measure_by(l, add_peer(l, o->backends[i], workers_of(o, o->backends[i])), bare);
}

static void plan_half(struct peer_list *l, const struct options *o)
{
	static const char *const variants[] = { "direct", "buffered", "auto" };

	for (unsigned i = 0; i < o->nr_backends; i++) {
		int first = (int)l->count;

		for (int v = 0; v < 3; v++) {
			int peer = add_peer(l, o->backends[i], workers_of(o, o->backends[i]));

			l->peers[peer].variant = variants[v];
			for (int other = first; v == 2 && other < peer; other++)
				measure_by(l, peer, other);
		}
	}
}

static void plan_sweep(struct peer_list *l, const struct options *o)
{
	for (unsigned n = 1; n <= 16; n *= 2) {
		int bare = find_or_add_bare(l, n);

		for (unsigned i = 0; i < o->nr_backends; i++)
			measure_by(l, add_peer(l, o->backends[i], n), bare);
	}
}

static void plan_alone(struct peer_list *l, const struct options *o)
{
	for (unsigned i = 0; i < o->nr_backends; i++)
		add_peer(l, o->backends[i], workers_of(o, o->backends[i]));
}

static void plan_memcpy(struct peer_list *l)
{
	add_peer(l, "memcpy", 1);
	if (bench_cpu_count() > 1)
		add_peer(l, "memcpy", bench_cpu_count());
}

static void run_entry(const struct bench_env *env, const struct entry *e, const struct options *o)
{
	struct peer_list l = { .count = 0 };

	switch (o->is_alone ? PLAN_ALONE : e->plan) {
	case PLAN_QUEUE:
		plan_queue(&l, o, false);
		break;
	case PLAN_DIRECT:
		plan_direct(&l, o);
		break;
	case PLAN_SINGLE:
		plan_single(&l, o);
		break;
	case PLAN_SWEEP:
		plan_sweep(&l, o);
		break;
	case PLAN_HALF:
		plan_half(&l, o);
		break;
	case PLAN_ALONE:
		plan_alone(&l, o);
		break;
	case PLAN_MEMCPY:
		plan_memcpy(&l);
		break;
	}
	if (l.count)
		bench_compare(env, &e->w, l.peers, l.count);
}

static const char usage[] =
	"usage: bench_io [options] [workload or pattern]...\n"
	"\n"
	"Prints one line of key=value pairs for each workload and peer. Without names: all but\n"
	"the sweeps.\n"
	"\n"
	"  --backend A[,B...]  backends to measure (default: all that work here)\n"
	"  --workers N         I/O workers of the backends (default: each one's own)\n"
	"  --file PATH         read this file instead of a made one\n"
	"  --size-mib N        size of the made file (default: 1024)\n"
	"  --seconds S         length of a run (default: 0.7)\n"
	"  --rounds N          runs of each peer, in turn (default: 5)\n"
	"  --quick             the same as --seconds 0.2 --rounds 3\n"
	"  --small-pages       buffers in ordinary pages (default: huge ones)\n"
	"  --fio               measure fio beside it, where it is installed\n"
	"  --bare              measure bare loops only, no backend\n"
	"  --alone             measure the backends only, nothing beside them (for profilers)\n"
	"  --list              list the workloads\n"
	"  --backends          list the backends\n";

static void split_backends(struct options *o, char *list)
{
	char *save = NULL;

	o->nr_backends = 0;
	for (char *s = strtok_r(list, ",", &save); s; s = strtok_r(NULL, ",", &save)) {
		if (o->nr_backends == 8)
			bench_die(s, "too many backends");
		o->backends[o->nr_backends++] = bench_backend_find(s)->name;
	}
}

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

static void list_workloads(void)
{
	for (size_t i = 0; i < NR_ENTRIES; i++)
		printf("%s\n", entries[i].w.name);
	exit(0);
}

static void list_backends(void)
{
	for (const struct bench_backend *b = bench_backends; b->name; b++) {
		if (bench_backend_is_available(b))
			printf("%s\n", b->name);
	}
	exit(0);
}

static const struct option long_options[] = {
	{ "backend", required_argument, NULL, 'b' },
	{ "workers", required_argument, NULL, 'w' },
	{ "file", required_argument, NULL, 'f' },
	{ "size-mib", required_argument, NULL, 's' },
	{ "seconds", required_argument, NULL, 't' },
	{ "rounds", required_argument, NULL, 'r' },
	{ "small-pages", no_argument, NULL, 'p' },
	{ "quick", no_argument, NULL, 'q' },
	{ "fio", no_argument, NULL, 'F' },
	{ "bare", no_argument, NULL, 'B' },
	{ "alone", no_argument, NULL, 'A' },
	{ "list", no_argument, NULL, 'l' },
	{ "backends", no_argument, NULL, 'L' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void take_option(struct options *o, int c)
{
	switch (c) {
	case 'b':
		split_backends(o, optarg);
		break;
	case 'w':
		o->workers = (unsigned)number_arg(optarg, 0, BENCH_MAX_THREADS);
		break;
	case 'f':
		o->path = optarg;
		break;
	case 's':
		o->file_nbytes = (uint64_t)number_arg(optarg, 64, 1 << 20) * MIB;
		break;
	case 't':
		o->seconds = number_arg(optarg, 0.01, 60);
		break;
	case 'r':
		o->rounds = (unsigned)number_arg(optarg, 1, BENCH_MAX_ROUNDS);
		break;
	case 'q':
		o->seconds = 0.2;
		o->rounds = 3;
		break;
	case 'p':
		o->has_small_pages = true;
		break;
	case 'F':
		o->with_fio = bench_have_fio();
		break;
	case 'B':
		o->is_bare_only = true;
		break;
	case 'A':
		o->is_alone = true;
		break;
	case 'l':
		list_workloads();
		break;
	case 'L':
		list_backends();
		break;
	case 'h':
		fputs(usage, stdout);
		exit(0);
	default:
		fputs(usage, stderr);
		exit(2);
	}
}

static void parse_options(struct options *o, int argc, char **argv)
{
	int c;

	for (const struct bench_backend *b = bench_backends; b->name && o->nr_backends < 8; b++) {
		if (bench_backend_is_available(b))
			o->backends[o->nr_backends++] = b->name;
	}
	while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1)
		take_option(o, c);
	if (o->is_bare_only)
		o->nr_backends = 0;
}

static bool is_wanted(const struct entry *e, char **names, int count)
{
	if (!count)
		return e->plan != PLAN_SWEEP;
	for (int i = 0; i < count; i++) {
		if (!fnmatch(names[i], e->w.name, 0))
			return true;
	}
	return false;
}

static void prepare(const struct bench_env *env, enum bench_cache cache)
{
	double share = 0;

	if (cache != BENCH_CACHED) {
		bench_file_drop(&env->file);
		if (cache == BENCH_HALF)
			bench_file_warm_half(&env->file);
		return;
	}
	for (int tries = 0; share < 0.9999 && tries < 3; tries++) {
		bench_file_warm(&env->file);
		share = bench_file_cached_share(&env->file);
	}
	if (share < 0.9999)
		fprintf(stderr, "only %.1f %% of %s stays in the page cache\n", share * 100,
			env->file.path);
}

static void make_arena(struct bench_env *env)
{
	env->arena_nbytes = (size_t)64 * MIB;
	env->arena = mmap(NULL, env->arena_nbytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (env->arena == MAP_FAILED)
		bench_die("buffers", "no memory");
	madvise(env->arena, env->arena_nbytes,
		env->has_small_pages ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
	memset(env->arena, 0, env->arena_nbytes); /* there already, not at first use */
}

int main(int argc, char **argv)
{
	struct options o = { .file_nbytes = (uint64_t)1024 * MIB, .seconds = 0.7, .rounds = 5 };
	struct bench_env env = { .prepare = prepare };
	unsigned nr_run = 0;

	parse_options(&o, argc, argv);
	env.run_ns = (uint64_t)(o.seconds * 1e9);
	env.rounds = o.rounds;
	env.has_small_pages = o.has_small_pages;
	make_arena(&env);
	bench_file_open(&env.file, o.path, o.file_nbytes);
	for (size_t i = 0; i < NR_ENTRIES; i++) {
		if (!is_wanted(&entries[i], argv + optind, argc - optind))
			continue;
		run_entry(&env, &entries[i], &o);
		nr_run++;
	}
	bench_file_close(&env.file);
	munmap(env.arena, env.arena_nbytes);
	if (!nr_run)
		bench_die("bench_io", "no workload of that name; see --list");
	return 0;
}
