/* SPDX-License-Identifier: MIT */
/*
 * bench_wine.h: "dstool bench wine": the same loads by the runtime itself, through dstorage.dll in
 * Wine, and by overlapped ReadFile in Wine.
 *
 *	cmd_bench_wine.c	options, rounds, what is printed
 *	bench_wine_files.c	the files that all read
 *	bench_wine_native.c	the runtime itself
 *	bench_wine_windows.c	programs in Wine
 */
#ifndef DSTOOL_BENCH_WINE_H
#define DSTOOL_BENCH_WINE_H

#include <stdbool.h>
#include <stdint.h>

#include "bench_wine_workload.h"

#define BENCH_WINE_MAX_ROUNDS 99
#define BENCH_WINE_PATH_ROOM  4096

struct bench_wine {
	/* Options. */
	const char *wine;   /* NULL: looked for */
	const char *dlls;   /* the same */
	const char *prefix; /* NULL: one of our own */
	uint64_t size_mib;
	uint64_t run_ns;
	uint64_t nr_rounds;
	bool is_cold;
	bool json;

	char folder[BENCH_WINE_PATH_ROOM]; /* of the files, and our prefix */
	char program[BENCH_WINE_PATH_ROOM + 32];
	bool has_server; /* that we have to end */
};

/* What one run gave. */
struct bench_wine_figure {
	double gb_per_s;
	double cpu_s_per_gb; /* of the process; wineserver's is not in it */
};

/* All return TOOL_OK, or have said what is wrong. */

/* Makes the files, unless they are there. */
int bench_wine_make_files(struct bench_wine *b);
/* Into the page cache, or out of it. */
int bench_wine_set_cached(const struct bench_wine *b);

int bench_wine_run_native(const struct bench_wine *b, const struct workload *w,
			  struct bench_wine_figure *out);

/* Finds Wine and the DLLs, and makes the prefix. */
int bench_wine_set_up(struct bench_wine *b);
void bench_wine_tear_down(struct bench_wine *b);
/* peer: "dstorage" or "readfile". */
int bench_wine_run_windows(const struct bench_wine *b, const char *peer, const struct workload *w,
			   struct bench_wine_figure *out);

/* FOLDER/NAME; valid until the next call. */
const char *bench_wine_path(const struct bench_wine *b, const char *name);

#endif /* DSTOOL_BENCH_WINE_H */
