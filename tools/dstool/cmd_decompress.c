/* SPDX-License-Identifier: MIT */
/*
 * cmd_decompress.c: "dstool decompress".
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "backends.h"
#include "device_decompress.h"
#include "format.h"
#include "options.h"
#include "tool.h"
#include "transfer.h"

struct decompress_options {
	uint64_t nr_threads;
	uint64_t size;
	bool has_size;
	bool force;
	const char *device;
	struct tool_vulkan vulkan;
};

static const char *const device_names[] = { "cpu", "vulkan", NULL };

static bool parse(int argc, char **argv, struct decompress_options *o, int *exit_code)
{
	const struct option_spec options[] = {
		{ .name = "threads",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "threads that decompress GDeflate; one per CPU. Zstandard has one",
		  .value = &o->nr_threads,
		  .min = 1,
		  .max = TRANSFER_MAX_THREADS },
		{ .name = "size",
		  .kind = OPTION_BYTES,
		  .argument = "N",
		  .help = "the size that OUT must have: any other is an error.\n"
			  "With K, M, G or T: times a power of 1024",
		  .value = &o->size,
		  .is_given = &o->has_size,
		  .max = UINT64_MAX },
		{ .name = "device",
		  .kind = OPTION_CHOICE,
		  .argument = "NAME",
		  .help = "cpu (the default), or vulkan: through a GPU's memory and its decoder "
			  "of\n"
			  "GDeflate; OUT has to fit there",
		  .value = &o->device,
		  .choices = device_names },
		{ .name = "gpu",
		  .kind = OPTION_TEXT,
		  .argument = "NAME",
		  .help = "vulkan: a device with that in its name; without it, the best one",
		  .value = &o->vulkan.gpu },
		{ .name = "force",
		  .kind = OPTION_FLAG,
		  .help = "overwrite OUT when it is there",
		  .value = &o->force },
	};
	const struct command_spec spec = {
		.name = "decompress",
		.operands = "IN OUT",
		.min_operands = 2,
		.max_operands = 2,
		.about = "Decompresses IN, a GDeflate tile stream or Zstandard frames, to OUT. '-' "
			 "is\n"
			 "standard input or output. A file OUT appears when it is whole, or not at "
			 "all.",
		.options = options,
		.nr_options = sizeof(options) / sizeof(options[0]),
	};
	int nr_operands;

	return options_parse(&spec, argc, argv, &nr_operands, exit_code);
}

/* A device reads anywhere in the file: a pipe's bytes become one first. */
static int make_regular(struct input *in)
{
	int ret = input_make_regular(in, UINT64_MAX - 1);

	if (ret == TOOL_OK && lseek(in->fd, 0, SEEK_SET) < 0)
		ret = tool_error_errno(in->name, "cannot read it", errno);
	return ret;
}

static int run_transfer(struct transfer *t, int (*decompress)(struct transfer *t))
{
	const struct format *format;
	int ret;

	if (input_peek(t->in) < 0)
		return tool_error_errno(t->in->name, "cannot read it", errno);
	format = format_by_head(t->in->head, t->in->head_nbytes);
	if (!format) {
		tool_error("%s: neither a GDeflate stream nor a Zstandard frame", t->in->name);
		return TOOL_FAILED;
	}
	if (!format->decompress) {
		tool_error("%s: this build lacks the %s format", t->in->name, format->name);
		return TOOL_FAILED;
	}
	t->format = format;
	progress_begin(t->progress, "decompressing", t->in->nbytes);
	ret = decompress ? decompress(t) : format->decompress(t);
	progress_end(t->progress);
	return ret;
}

static int decompress_on_cpu(struct transfer *t)
{
	return run_transfer(t, NULL);
}

static int decompress_on_device(struct transfer *t)
{
	int ret = make_regular(t->in);

	return ret == TOOL_OK ? run_transfer(t, device_decompress) : ret;
}

int cmd_decompress(int argc, char **argv)
{
	struct decompress_options o = {
		.nr_threads = tool_nr_cpus(),
		.device = "cpu",
		.vulkan = { .decode = "gpu" },
	};
	struct transfer t = { 0 };
	struct transfer_end end = { 0 };
	int exit_code;

	if (!parse(argc, argv, &o, &exit_code))
		return exit_code;
	t.nr_threads = (unsigned)o.nr_threads;
	t.has_expected_nbytes = o.has_size;
	t.expected_nbytes = o.size;
	end.in_path = argv[0];
	end.out_path = argv[1];
	end.force = o.force;
	backends_set_vulkan(&o.vulkan);
	return transfer_run(&t, &end,
			    strcmp(o.device, "vulkan") == 0 ? decompress_on_device
							    : decompress_on_cpu);
}
