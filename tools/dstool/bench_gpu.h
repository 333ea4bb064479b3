/* SPDX-License-Identifier: MIT */
/*
 * bench_gpu.h: "dstool bench gpu", in four parts: the command (cmd_bench_gpu.c), its files
 * (bench_gpu_data.c), one run of one contestant (bench_gpu_run.c), and the matrix with its
 * report (bench_gpu.c).
 */
#ifndef DSTOOL_BENCH_GPU_H
#define DSTOOL_BENCH_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends.h"
#include "ds_runtime_vulkan.h"

#define GPU_MAX_ROUNDS 99

struct gpu_options {
	const char *gpu;
	const char *data; /* a file to take bytes from; NULL: they are made */
	const char *only; /* part of a workload's name; NULL: all */
	uint64_t nbytes;  /* of each file, decompressed */
	uint64_t level;	  /* of compression */
	uint64_t run_ns;
	uint64_t nr_rounds;
	uint64_t nr_io_workers; /* 0: the backend's own */
	uint64_t nr_decode_workers;
	bool json;
};

/* ------------------------------------------------------- bench_gpu_data.c */

/* One request's worth of a file. */
struct gpu_part {
	uint64_t offset;
	uint64_t src_nbytes;
	uint64_t dst_nbytes;
	uint64_t at; /* of its first byte in the bytes that all files are made of */
};

struct gpu_data {
	int fd;
	char path[64]; /* through /proc, as it has no name */
	uint64_t nbytes;
	uint64_t dst_nbytes;
	struct gpu_part *parts;
	size_t nr_parts;
	uint32_t codec;
};

/* What the files are made of. */
struct gpu_source {
	uint8_t *bytes;
	uint64_t nbytes;
};

/* TOOL_OK, or it was said why not. */
int gpu_source_make(struct gpu_source *s, const struct gpu_options *o);
void gpu_source_free(struct gpu_source *s);
/* A file of parts of dst_nbytes each, compressed one by one or as they are. */
int gpu_data_make(struct gpu_data *d, const struct gpu_source *s, const struct gpu_options *o,
		  uint64_t part_nbytes, uint32_t codec);
void gpu_data_free(struct gpu_data *d);
/* Into the page cache, or out of it. 0 or errno. */
int gpu_data_warm(const struct gpu_data *d);
int gpu_data_drop(const struct gpu_data *d);

/* -------------------------------------------------------- bench_gpu_run.c */

struct gpu_contestant {
	const char *name;
	const char *backend;
	struct tool_vulkan vulkan;
};

struct gpu_figures {
	uint64_t nbytes; /* delivered */
	uint64_t nr_requests;
	uint64_t wall_ns, cpu_ns;
	uint64_t p50_ns, p99_ns;
	uint64_t host_copied; /* bytes that the CPU copied, decoding left out */
	uint64_t device_copied;
	uint64_t decoded, device_decoded;
	uint64_t staging_nbytes; /* used at most */
	uint64_t device_nbytes;	 /* of the backend's own */
};

struct gpu_run {
	const struct gpu_options *options;
	const struct gpu_source *source;
	const struct gpu_data *data;
	const struct gpu_contestant *contestant;
	bool is_cold; /* each part once, nothing of it cached before */
	/* What comes of it. */
	struct gpu_figures rounds[GPU_MAX_ROUNDS];
	uint64_t checked_nbytes;	  /* what arrived and was read back */
	uint64_t checksum;		  /* of these; equal for all contestants of a workload */
	char missing[BACKEND_WHY_NBYTES]; /* why it cannot be done here, or "" */
};

/* TOOL_OK, also where the contestant is missing; TOOL_FAILED, and it was said what failed. */
int gpu_run(struct gpu_run *r);

/* ------------------------------------------------------------ bench_gpu.c */

int bench_gpu(const struct gpu_options *o);

#endif /* DSTOOL_BENCH_GPU_H */
