/* SPDX-License-Identifier: MIT */
/*
 * bench_wine_workload.h: what both sides of "dstool bench wine" do, the native one and the
 * Windows program (wine/bench); compiled by each one's compiler.
 *
 * A workload keeps a fixed number of reads outstanding, in groups: when the oldest group is
 * done it is checked and started anew. Blocks come in a scattered order.
 */
#ifndef DSTOOL_BENCH_WINE_WORKLOAD_H
#define DSTOOL_BENCH_WINE_WORKLOAD_H

#include <stdint.h>
#include <string.h>

#define GROUPS 4u

struct workload {
	const char *name;
	uint32_t nbytes;    /* of a block, decompressed */
	uint32_t per_group; /* blocks */
	uint32_t is_gdeflate;
};

static const struct workload workloads[] = {
	{ "read-64k", 64u << 10, 16, 0 },
	/* More of them to a marker, whose event costs trips to wineserver. */
	{ "read-64k-wide", 64u << 10, 64, 0 },
	{ "read-1m", 1u << 20, 4, 0 },
	{ "gdeflate-1m", 1u << 20, 4, 1 },
};

static inline const struct workload *find_workload(const char *name)
{
	for (unsigned int i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++)
		if (!strcmp(workloads[i].name, name))
			return &workloads[i];
	return NULL;
}

/* The file of compressed blocks begins with their number, and where each one lies. */
struct block_index {
	uint32_t offset;
	uint32_t nbytes;
};

/* The first 8 bytes of block i of a file. */
static inline uint64_t block_mark(uint64_t i)
{
	return (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

/* A permutation of count blocks: a stride that has no divisor in common with the count. */
static inline uint64_t scattered(uint64_t i, uint64_t count)
{
	return (i * UINT64_C(7919)) % count;
}

#endif /* DSTOOL_BENCH_WINE_WORKLOAD_H */
