/* SPDX-License-Identifier: MIT */
/*
 * cmd_bench.c: "dstool bench": which one, and the options of io; those of the others are in
 * cmd_bench_gpu.c, cmd_bench_gds.c, cmd_bench_codec.c and cmd_bench_wine.c.
 */
#include <string.h>

#include "bench_codec.h"
#include "bench_gds.h"
#include "bench_io.h"
#include "options.h"
#include "tool.h"

#define MIB ((uint64_t)1 << 20)
#define SEC UINT64_C(1000000000)

static bool parse_io(int argc, char **argv, struct bench_options *o, int *exit_code)
{
	uint64_t file_mib = o->file_nbytes / MIB;
	const struct option_spec options[] = {
		{ .name = "file",
		  .kind = OPTION_TEXT,
		  .argument = "FILE",
		  .help = "read this file, of 8 MiB at least; without it one is made in $TMPDIR "
			  "or\n"
			  "/var/tmp, which is gone at the end",
		  .value = &o->path },
		{ .name = "size-mib",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "size of the file that is made, or how much of FILE is read at most, in\n"
			  "MiB; 512. It has to fit into memory",
		  .value = &file_mib,
		  .min = BENCH_MIN_FILE_NBYTES / MIB,
		  .max = 1 << 20 },
		{ .name = "seconds",
		  .kind = OPTION_TIME,
		  .argument = "S",
		  .help = "length of one run; 0.5",
		  .value = &o->run_ns,
		  .min = SEC / 100,
		  .max = 60 * SEC },
		{ .name = "rounds",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "runs of each contestant, in turn with the others; 5",
		  .value = &o->nr_rounds,
		  .min = 1,
		  .max = BENCH_MAX_ROUNDS },
		{ .name = "backend",
		  .kind = OPTION_CHOICE,
		  .argument = "NAME",
		  .help = "measure only this one: cpu, io_uring; auto (the default): all that\n"
			  "work here",
		  .value = &o->backend,
		  .choices = host_backend_names },
		{ .name = "json",
		  .kind = OPTION_FLAG,
		  .help = "print JSON instead of tables",
		  .value = &o->json },
	};
	const struct command_spec spec = {
		.name = "bench io",
		.operands = "",
		.about = "Reads a file through the runtime in several ways, with each backend in "
			 "turn:\n"
			 "directly, from the page cache, half from it, and with reads cancelled "
			 "meanwhile.\n"
			 "Prints speed, latency and CPU time, and how the backends compare.",
		.options = options,
		.nr_options = sizeof(options) / sizeof(options[0]),
	};
	int nr_operands;
	bool is_to_run = options_parse(&spec, argc, argv, &nr_operands, exit_code);

	o->file_nbytes = file_mib * MIB;
	return is_to_run;
}

static bool is_help(const char *text)
{
	return strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0;
}

int cmd_bench(int argc, char **argv)
{
	struct bench_options o = {
		.backend = "auto",
		.file_nbytes = 512 * MIB,
		.run_ns = SEC / 2,
		.nr_rounds = 5,
	};
	int ret;

	if (argc < 2) {
		tool_error("bench: what is to be measured? There are: io, gpu, gds, codec, wine");
		return TOOL_USAGE;
	}
	if (strcmp(argv[1], "gpu") == 0)
		return cmd_bench_gpu(argc - 1, argv + 1);
	if (strcmp(argv[1], "gds") == 0)
		return cmd_bench_gds(argc - 1, argv + 1);
	if (strcmp(argv[1], "codec") == 0)
		return cmd_bench_codec(argc - 1, argv + 1);
	if (strcmp(argv[1], "wine") == 0)
		return cmd_bench_wine(argc - 1, argv + 1);
	if (strcmp(argv[1], "io") == 0) {
		argc--;
		argv++;
	} else if (!is_help(argv[1])) {
		tool_error(
			"bench: no benchmark is called '%s'; there are: io, gpu, gds, codec, wine",
			argv[1]);
		return TOOL_USAGE;
	}
	if (!parse_io(argc, argv, &o, &ret))
		return ret;
	return bench_io(&o);
}
