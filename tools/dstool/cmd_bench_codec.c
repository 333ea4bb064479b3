/* SPDX-License-Identifier: MIT */
/*
 * cmd_bench_codec.c: the options of "dstool bench codec".
 */
#include "bench_codec.h"
#include "options.h"
#include "tool.h"

#define MIB ((uint64_t)1 << 20)

int cmd_bench_codec(int argc, char **argv)
{
	struct bench_codec_options o = { .nr_rounds = 3 };
	uint64_t max_mib = 32;
	const struct option_spec options[] = {
		{ .name = "formats",
		  .kind = OPTION_TEXT,
		  .argument = "LIST",
		  .help = "of gdeflate, libdeflate, zlib, zstd, with commas; all that are here",
		  .value = &o.formats },
		{ .name = "levels",
		  .kind = OPTION_TEXT,
		  .argument = "LIST",
		  .help = "numbers with commas, for every format that has them; a choice of each",
		  .value = &o.levels },
		{ .name = "size-mib",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "of more input than this, chunks are taken evenly; 32",
		  .value = &max_mib,
		  .min = 1,
		  .max = 4096 },
		{ .name = "threads",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "measured beside one thread; one per CPU",
		  .value = &o.nr_threads,
		  .min = 1,
		  .max = BENCH_CODEC_MAX_THREADS },
		{ .name = "rounds",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "runs of each contestant, in turn with the others; 3",
		  .value = &o.nr_rounds,
		  .min = 1,
		  .max = BENCH_CODEC_MAX_ROUNDS },
		{ .name = "json",
		  .kind = OPTION_FLAG,
		  .help = "print JSON instead of a table",
		  .value = &o.json },
	};
	const struct command_spec spec = {
		.name = "bench codec",
		.operands = "[PATH...]",
		.max_operands = -1,
		.about = "Compresses files, and all files below directories, in memory and in "
			 "chunks of\n"
			 "64 KiB, with GDeflate and with what the system has of libdeflate, zlib "
			 "and zstd.\n"
			 "Without PATH: the corpus that scripts/bench_corpus.sh fetches and "
			 "caches.",
		.options = options,
		.nr_options = sizeof(options) / sizeof(options[0]),
	};
	int exit_code;

	if (!options_parse(&spec, argc, argv, &o.nr_paths, &exit_code))
		return exit_code;
	o.paths = argv;
	o.max_nbytes = max_mib * MIB;
	return bench_codec(&o);
}
