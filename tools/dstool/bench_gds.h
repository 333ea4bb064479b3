/* SPDX-License-Identifier: MIT */
/*
 * bench_gds.h: "dstool bench gds", in three parts: options and order (cmd_bench_gds.c), loads of a
 * file in many ways (bench_gds_load.c), vectors (bench_gds_vectors.c).
 */
#ifndef DSTOOL_BENCH_GDS_H
#define DSTOOL_BENCH_GDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ds_runtime_gds.h"
#include "json.h"

#define BENCH_GDS_MAX_ROUNDS 32

struct bench_gds_options {
	const char *path; /* NULL: one is made */
	const char *dir;
	uint64_t size_mib;
	uint64_t nr_rounds;
	uint64_t device;
	bool is_quick; /* the default settings alone */
	bool no_cold;
	bool json;
};

struct bench_gds {
	struct bench_gds_options options;
	struct ds_gds_config gds;
	const char *path;
	int fd;
	uint64_t nbytes;
	struct ds_gds *holder; /* keeps the context, and the memory loaded into */
	uint64_t memory;
	uint64_t ceiling;	 /* bytes a second */
	uint64_t *sums;		 /* of the file's parts */
	uint64_t create_ns;	 /* of the first manager, with its context */
	struct ds_gds_info info; /* of its backend, which chose its sizes by itself */
	struct json json;
};

/* What is varied. */
struct bench_gds_way {
	uint32_t threads;
	uint64_t chunk_nbytes;
	uint64_t staging_nbytes;
	int32_t io_uring; /* DS_GDS_* */
	bool is_cold;
};

/* Each: TOOL_OK, or TOOL_FAILED and it was said why. */
int bench_gds_load(struct bench_gds *b);
int bench_gds_vectors(struct bench_gds *b);

/* A manager like that; NULL: it was said why. */
struct ds_gds *bench_gds_make(struct bench_gds *b, const struct bench_gds_way *way);

int cmd_bench_gds(int argc, char **argv);

#endif /* DSTOOL_BENCH_GDS_H */
