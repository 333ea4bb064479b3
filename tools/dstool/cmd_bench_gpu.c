/* SPDX-License-Identifier: MIT */
/* cmd_bench_gpu.c: "dstool bench gpu": its options. */
#include "bench_gpu.h"
#include "options.h"
#include "tool.h"

#define MIB ((uint64_t)1 << 20)
#define SEC UINT64_C(1000000000)

static bool parse(int argc, char **argv, struct gpu_options *o, int *exit_code)
{
	uint64_t mib = o->nbytes / MIB;
	const struct option_spec options[] = {
		{ .name = "gpu",
		  .kind = OPTION_TEXT,
		  .argument = "NAME",
		  .help = "a Vulkan device with that in its name; without it, the best one",
		  .value = &o->gpu },
		{ .name = "data",
		  .kind = OPTION_TEXT,
		  .argument = "FILE",
		  .help = "take the first 32 MiB of this file, again and again; without it, made\n"
			  "text and numbers",
		  .value = &o->data },
		{ .name = "only",
		  .kind = OPTION_TEXT,
		  .argument = "TEXT",
		  .help = "only the workloads with that in their names, such as raw or cold",
		  .value = &o->only },
		{ .name = "size-mib",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "size of the files, decompressed; 1024. They have to fit into memory",
		  .value = &mib,
		  .min = 32,
		  .max = 1 << 20 },
		{ .name = "level",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "of compression, 1 to 12; 6",
		  .value = &o->level,
		  .min = 1,
		  .max = 12 },
		{ .name = "seconds",
		  .kind = OPTION_TIME,
		  .argument = "S",
		  .help = "length of one round; 0.5. Cold ones load the file once instead",
		  .value = &o->run_ns,
		  .min = SEC / 100,
		  .max = 60 * SEC },
		{ .name = "rounds",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "rounds of each contestant; 3",
		  .value = &o->nr_rounds,
		  .min = 1,
		  .max = GPU_MAX_ROUNDS },
		{ .name = "workers",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "threads that read; the backend's own default",
		  .value = &o->nr_io_workers,
		  .min = 1,
		  .max = 256 },
		{ .name = "decode-workers",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "threads that decompress; the backend's own default",
		  .value = &o->nr_decode_workers,
		  .min = 1,
		  .max = 256 },
		{ .name = "json",
		  .kind = OPTION_FLAG,
		  .help = "print JSON instead of tables",
		  .value = &o->json },
	};
	const struct command_spec spec = {
		.name = "bench gpu",
		.operands = "",
		.about = "Loads files into a GPU's memory in every way that there is, raw and "
			 "compressed,\n"
			 "from the page cache and from the disk, and into host memory to compare. "
			 "Reads back\n"
			 "and compares what arrived. Prints GB/s delivered, CPU time, latency, and "
			 "how often\n"
			 "each byte was copied by the CPU and by the device.",
		.options = options,
		.nr_options = sizeof(options) / sizeof(options[0]),
	};
	int nr_operands;
	bool is_to_run = options_parse(&spec, argc, argv, &nr_operands, exit_code);

	o->nbytes = mib * MIB;
	return is_to_run;
}

int cmd_bench_gpu(int argc, char **argv)
{
	struct gpu_options o = {
		.nbytes = 1024 * MIB,
		.level = 6,
		.run_ns = SEC / 2,
		.nr_rounds = 3,
	};
	int ret;

	if (!parse(argc, argv, &o, &ret))
		return ret;
	return bench_gpu(&o);
}
