/* SPDX-License-Identifier: MIT */
/*
 * transfer.c: the frame round compressing and decompressing one file.
 */
#include "transfer.h"

#include <inttypes.h>
#include <stdio.h>

#include "tool.h"

/* MB/s are of uncompressed bytes, in both directions. */
static void print_summary(const struct transfer *t, const struct transfer_end *end,
			  uint64_t elapsed_ns)
{
	uint64_t whole = end->is_compressing ? t->in_nbytes : t->out_nbytes;
	uint64_t packed = end->is_compressing ? t->out_nbytes : t->in_nbytes;
	double seconds = (double)(elapsed_ns ? elapsed_ns : 1) / 1e9;
	double ratio = packed ? (double)whole / (double)packed : 0;

	fprintf(stderr, "%s: %" PRIu64 " -> %" PRIu64 " bytes, ratio %.3f, %.2f s, %.1f MB/s\n",
		t->in->name, t->in_nbytes, t->out_nbytes, ratio, seconds,
		(double)whole / 1e6 / seconds);
}

int transfer_run(struct transfer *t, const struct transfer_end *end, int (*run)(struct transfer *t))
{
	struct progress progress = { 0 };
	struct output out;
	struct input in;
	uint64_t begin;
	int ret;

	if (input_open(&in, end->in_path) != TOOL_OK)
		return TOOL_FAILED;
	if (output_open(&out, end->out_path, end->force, in.mode) != TOOL_OK) {
		input_close(&in);
		return TOOL_FAILED;
	}
	t->in = &in;
	t->out = &out;
	t->progress = &progress;
	begin = tool_now_ns();
	ret = run(t);
	if (ret == TOOL_OK)
		ret = output_commit(&out);
	if (ret == TOOL_OK)
		print_summary(t, end, tool_now_ns() - begin);
	output_close(&out);
	input_close(&in);
	return ret;
}
