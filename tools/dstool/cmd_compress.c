/* SPDX-License-Identifier: MIT */
/*
 * cmd_compress.c: "dstool compress".
 */
#include <inttypes.h>
#include <string.h>

#include "format.h"
#include "options.h"
#include "tool.h"
#include "transfer.h"

struct compress_options {
	uint64_t level;
	uint64_t nr_threads;
	bool force;
	const char *format;
};

static bool parse(int argc, char **argv, struct compress_options *o, int *exit_code)
{
	const struct option_spec options[] = {
		{ .name = "level",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "1 (fastest) to 12 (smallest), for zstd to 19;\n"
			  "without it the format's own default, 6 for gdeflate",
		  .value = &o->level,
		  .min = 1,
		  .max = 19 },
		{ .name = "threads",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "threads that compress; one per CPU. OUT does not depend on it",
		  .value = &o->nr_threads,
		  .min = 1,
		  .max = TRANSFER_MAX_THREADS },
		{ .name = "force",
		  .kind = OPTION_FLAG,
		  .help = "overwrite OUT when it is there",
		  .value = &o->force },
		{ .name = "format",
		  .kind = OPTION_TEXT,
		  .argument = "NAME",
		  .help = "gdeflate (the default) or zstd",
		  .value = &o->format },
	};
	const struct command_spec spec = {
		.name = "compress",
		.operands = "IN OUT",
		.min_operands = 2,
		.max_operands = 2,
		.about = "Compresses IN to OUT, a GDeflate tile stream or a Zstandard frame. '-' "
			 "is\n"
			 "standard input or output. OUT appears when it is whole, or not at all.",
		.options = options,
		.nr_options = sizeof(options) / sizeof(options[0]),
	};
	int nr_operands;

	return options_parse(&spec, argc, argv, &nr_operands, exit_code);
}

/* The format that was asked for, or NULL with *exit_code. */
static const struct format *choose_format(const struct compress_options *o, int *exit_code)
{
	const struct format *format = format_by_name(o->format);

	*exit_code = TOOL_USAGE;
	if (!format) {
		tool_error("compress: --format: '%s' is neither gdeflate nor zstd", o->format);
		return NULL;
	}
	if (o->level > (uint64_t)format->max_level) {
		tool_error("compress: --level: %s has the levels 1 to %d", format->name,
			   format->max_level);
		return NULL;
	}
	if (!format->compress) {
		tool_error("compress: this build lacks the %s format", format->name);
		*exit_code = TOOL_FAILED;
		return NULL;
	}
	return format;
}

/* What the format cannot hold is said before time is spent on it. */
static int prepare(struct transfer *t)
{
	const struct format *format = t->format;

	if (input_make_regular(t->in, format->max_nbytes) != TOOL_OK)
		return TOOL_FAILED;
	if (t->in->nbytes > format->max_nbytes) {
		tool_error("%s: too large: one %s stream holds at most %" PRIu64 " bytes",
			   t->in->name, format->name, format->max_nbytes);
		return TOOL_FAILED;
	}
	return output_make_seekable(t->out);
}

static int compress_transfer(struct transfer *t)
{
	int ret = prepare(t);

	if (ret != TOOL_OK)
		return ret;
	progress_begin(t->progress, "compressing", t->in->nbytes);
	ret = t->format->compress(t);
	progress_end(t->progress);
	return ret;
}

int cmd_compress(int argc, char **argv)
{
	struct compress_options o = { .format = "gdeflate", .nr_threads = tool_nr_cpus() };
	struct transfer t = { 0 };
	struct transfer_end end = { .is_compressing = true };
	int exit_code;

	if (!parse(argc, argv, &o, &exit_code))
		return exit_code;
	t.format = choose_format(&o, &exit_code);
	if (!t.format)
		return exit_code;
	t.level = (int)o.level;
	t.nr_threads = (unsigned)o.nr_threads;
	end.in_path = argv[0];
	end.out_path = argv[1];
	end.force = o.force;
	return transfer_run(&t, &end, compress_transfer);
}
