/* SPDX-License-Identifier: MIT */
/*
 * cmd_bench_wine.c: "dstool bench wine": options, rounds in which the peers take turns, and what
 * is printed: medians, and medians of the ratios within a round.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bench_wine.h"
#include "json.h"
#include "options.h"
#include "tool.h"

enum peer {
	NATIVE,
	DSTORAGE,
	READFILE,
	NR_PEERS,
};

static const char *const peer_names[NR_PEERS] = { "native", "dstorage", "readfile" };

/* Of one workload. */
struct result {
	struct bench_wine_figure figures[NR_PEERS][BENCH_WINE_MAX_ROUNDS];
	uint64_t nr; /* rounds */
};

static bool parse(int argc, char **argv, struct bench_wine *b, int *exit_code)
{
	const struct option_spec options[] = {
		{ .name = "rounds",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "runs of each peer, in turn; 7",
		  .value = &b->nr_rounds,
		  .min = 1,
		  .max = BENCH_WINE_MAX_ROUNDS },
		{ .name = "seconds",
		  .kind = OPTION_TIME,
		  .argument = "S",
		  .help = "length of a run; 1",
		  .value = &b->run_ns,
		  .min = 10000000,
		  .max = UINT64_C(60000000000) },
		{ .name = "size-mib",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "size in MiB of the file that is made and kept in ~/.cache; 512",
		  .value = &b->size_mib,
		  .min = 64,
		  .max = 4096 },
		{ .name = "cold",
		  .kind = OPTION_FLAG,
		  .help = "from the disk, instead of from the page cache",
		  .value = &b->is_cold },
		{ .name = "wine",
		  .kind = OPTION_TEXT,
		  .argument = "PROGRAM",
		  .help = "the Wine to use; the first in $PATH",
		  .value = &b->wine },
		{ .name = "prefix",
		  .kind = OPTION_TEXT,
		  .argument = "DIR",
		  .help = "the Wine prefix to use; one of its own",
		  .value = &b->prefix },
		{ .name = "dlls",
		  .kind = OPTION_TEXT,
		  .argument = "DIR",
		  .help = "where dstorage.dll was built or installed; beside dstool",
		  .value = &b->dlls },
		{ .name = "json",
		  .kind = OPTION_FLAG,
		  .help = "print JSON instead of a table",
		  .value = &b->json },
	};
	const struct command_spec spec = {
		.name = "bench wine",
		.operands = "",
		.about = "Reads the same blocks, as many outstanding, by the runtime itself, by a "
			 "Windows program\n"
			 "through dstorage.dll in Wine, and by one with overlapped ReadFile.",
		.options = options,
		.nr_options = sizeof(options) / sizeof(options[0]),
	};
	int nr_operands;

	return options_parse(&spec, argc, argv, &nr_operands, exit_code);
}

static double speed(const struct result *r, uint64_t round, enum peer p)
{
	return r->figures[p][round].gb_per_s;
}

static double cpu(const struct result *r, uint64_t round, enum peer p)
{
	return r->figures[p][round].cpu_s_per_gb;
}

/* How many times as fast as that peer the DLL is. */
static double ratio(const struct result *r, uint64_t round, enum peer p)
{
	return speed(r, round, DSTORAGE) / speed(r, round, p);
}

static double median(const struct result *r, enum peer p,
		     double (*of)(const struct result *r, uint64_t round, enum peer p))
{
	double values[BENCH_WINE_MAX_ROUNDS];

	for (uint64_t i = 0; i < r->nr; i++)
		values[i] = of(r, i, p);
	return tool_median(values, r->nr);
}

/* Compressed blocks have no such thing as ReadFile. */
static bool has_peer(const struct workload *w, enum peer p)
{
	return p != READFILE || !w->is_gdeflate;
}

static int run_peer(const struct bench_wine *b, const struct workload *w, enum peer p,
		    struct bench_wine_figure *out)
{
	int ret = b->is_cold ? bench_wine_set_cached(b) : TOOL_OK;

	if (ret != TOOL_OK)
		return ret;
	return p == NATIVE ? bench_wine_run_native(b, w, out)
			   : bench_wine_run_windows(b, peer_names[p], w, out);
}

static int run_workload(const struct bench_wine *b, const struct workload *w, struct result *r)
{
	int ret = TOOL_OK;

	for (r->nr = 0; ret == TOOL_OK && r->nr < b->nr_rounds; r->nr++) {
		for (unsigned p = 0; ret == TOOL_OK && p < NR_PEERS; p++) {
			if (has_peer(w, p))
				ret = run_peer(b, w, p, &r->figures[p][r->nr]);
		}
	}
	return ret;
}

static void print_heading(const struct bench_wine *b)
{
	printf("%s, %" PRIu64 " rounds of %.2f s; medians, ratios within a round\n",
	       b->is_cold ? "from the disk" : "from the page cache", b->nr_rounds,
	       (double)b->run_ns * 1e-9);
	printf("%-14s %28s %12s %12s %26s\n", "", "GB/s", "DLL of", "DLL times", "CPU s/GB");
	printf("%-14s %8s %9s %9s %12s %12s %8s %8s %8s\n", "", "native", "DLL", "ReadFile",
	       "native", "ReadFile", "native", "DLL", "ReadFile");
}

static void print_result(const struct workload *w, const struct result *r)
{
	printf("%-14s %8.2f %9.2f", w->name, median(r, NATIVE, speed), median(r, DSTORAGE, speed));
	if (has_peer(w, READFILE))
		printf(" %9.2f %12.2f %12.2f", median(r, READFILE, speed), median(r, NATIVE, ratio),
		       median(r, READFILE, ratio));
	else
		printf(" %9s %12.2f %12s", "", median(r, NATIVE, ratio), "");
	printf(" %8.3f %8.3f", median(r, NATIVE, cpu), median(r, DSTORAGE, cpu));
	if (has_peer(w, READFILE))
		printf(" %8.3f", median(r, READFILE, cpu));
	putchar('\n');
	fflush(stdout);
}

static void json_result(struct json *j, const struct workload *w, const struct result *r)
{
	json_begin_object(j, NULL);
	json_string(j, "workload", w->name);
	for (unsigned p = 0; p < NR_PEERS; p++) {
		if (!has_peer(w, p))
			continue;
		json_begin_object(j, peer_names[p]);
		json_real(j, "gb_per_s", median(r, p, speed));
		json_real(j, "cpu_s_per_gb", median(r, p, cpu));
		if (p != DSTORAGE)
			json_real(j, "dstorage_is_times", median(r, p, ratio));
		json_end_object(j);
	}
	json_end_object(j);
}

static int run_all(struct bench_wine *b)
{
	struct json j = { .to = stdout };
	struct result *r = calloc(1, sizeof(*r));
	int ret = r ? TOOL_OK : tool_error_memory();

	if (ret == TOOL_OK && b->json)
		json_begin_array(&j, NULL);
	else if (ret == TOOL_OK)
		print_heading(b);
	for (size_t i = 0; ret == TOOL_OK && i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		ret = run_workload(b, &workloads[i], r);
		if (ret != TOOL_OK)
			break;
		if (b->json)
			json_result(&j, &workloads[i], r);
		else
			print_result(&workloads[i], r);
	}
	if (r && b->json)
		json_end_array(&j);
	free(r);
	return ret;
}

/* ~/.cache/ds-runtime-bench/wine */
static int make_folder(struct bench_wine *b)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (cache && *cache == '/')
		snprintf(b->folder, sizeof(b->folder), "%s/ds-runtime-bench/wine", cache);
	else
		snprintf(b->folder, sizeof(b->folder), "%s/.cache/ds-runtime-bench/wine",
			 home ? home : "/tmp");
	for (char *c = b->folder + 1; *c; c++) {
		if (*c != '/')
			continue;
		*c = 0;
		mkdir(b->folder, 0777);
		*c = '/';
	}
	if (mkdir(b->folder, 0777) && errno != EEXIST)
		return tool_error_errno(b->folder, "make the folder", errno);
	return TOOL_OK;
}

int cmd_bench_wine(int argc, char **argv)
{
	struct bench_wine b = { .size_mib = 512, .run_ns = 1000000000, .nr_rounds = 7 };
	int ret;

	if (!parse(argc, argv, &b, &ret))
		return ret;
	ret = make_folder(&b);
	if (ret == TOOL_OK)
		ret = bench_wine_set_up(&b);
	if (ret == TOOL_OK)
		ret = bench_wine_make_files(&b);
	if (ret == TOOL_OK && !b.is_cold)
		ret = bench_wine_set_cached(&b);
	if (ret == TOOL_OK)
		ret = run_all(&b);
	bench_wine_tear_down(&b);
	return ret;
}
