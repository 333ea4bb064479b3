/* SPDX-License-Identifier: MIT */
/*
 * transfer.h: what compress and decompress have in common: IN, OUT, and the last line.
 */
#ifndef DSTOOL_TRANSFER_H
#define DSTOOL_TRANSFER_H

#include <stdbool.h>

#include "format.h"

#define TRANSFER_MAX_THREADS 256

struct transfer_end {
	const char *in_path;
	const char *out_path;
	bool force;
	bool is_compressing; /* for the ratio, which is uncompressed to compressed */
};

/*
 * Opens both ends, calls run(), commits the output when that was well, and prints sizes,
 * ratio and speed. TOOL_OK, or TOOL_FAILED and it was said why.
 */
int transfer_run(struct transfer *t, const struct transfer_end *end,
		 int (*run)(struct transfer *t));

#endif /* DSTOOL_TRANSFER_H */
