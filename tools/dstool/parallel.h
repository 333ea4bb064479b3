/* SPDX-License-Identifier: MIT */
/*
 * parallel.h: blocks in, blocks out, in order, with the work between done by many threads.
 *
 * The calling thread fills blocks and drains them again in the same order; threads work on
 * them in between. What comes out does not depend on how many there are.
 */
#ifndef DSTOOL_PARALLEL_H
#define DSTOOL_PARALLEL_H

#include <stdbool.h>
#include <stddef.h>

struct parallel_ops {
	size_t block_nbytes; /* of the caller's block struct; begins zeroed */

	/* On the calling thread. false: there is no further block, or *ret is TOOL_FAILED. */
	bool (*fill)(void *arg, void *block, int *ret);
	/* On any thread, with that thread's coder. */
	void (*work)(void *coder, void *block);
	/* On the calling thread, in the order of fill(). TOOL_OK or TOOL_FAILED. */
	int (*drain)(void *arg, void *block);
	void (*block_fini)(void *block);

	/* One for each thread. NULL: it was said why not. */
	void *(*coder_create)(void *arg);
	void (*coder_destroy)(void *coder);
};

/* TOOL_OK, or TOOL_FAILED and it was said why. */
int parallel_run(const struct parallel_ops *ops, void *arg, unsigned nr_threads);

#endif /* DSTOOL_PARALLEL_H */
