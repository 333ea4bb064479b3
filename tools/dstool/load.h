/* SPDX-License-Identifier: MIT */
/*
 * load.h: "dstool load", in four parts: the command (cmd_load.c), the loop that keeps the
 * queue full (load_run.c), verification (load_verify.c) and the report (load_report.c).
 */
#ifndef DSTOOL_LOAD_H
#define DSTOOL_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends.h"
#include "ds_runtime.h"
#include "format.h"
#include "load_buffers.h"
#include "progress.h"
#include "walk.h"

struct load_options {
	const char *backend;
	bool verify;
	uint64_t nr_io_workers;
	uint64_t nr_decode_workers;
	uint64_t queue_depth;
	uint64_t memory_nbytes;
	const char *direct; /* auto, on or off */
	const char *to;	    /* memory or cuda */
	uint64_t device;    /* of CUDA */
	struct tool_vulkan vulkan;
	bool json;
};

struct load_failure {
	char *path;
	char *why;
};

/* One request in flight. */
struct load_slot {
	struct load_slot *next_free;
	const struct walk_file *file;
	const struct format *format; /* NULL: raw */
	uint64_t offset;	     /* in the file */
	uint64_t src_nbytes;
	uint64_t dst_nbytes;
	struct load_buffer *buffer;
};

/* The file whose requests are being enqueued. */
struct load_cursor {
	size_t index;	      /* in the walk */
	struct ds_file *file; /* NULL: not open */
	const struct format *format;
	uint64_t src_nbytes;
	uint64_t dst_nbytes;
	uint64_t offset; /* what was enqueued so far */
};

/* What load_run() finds out, beyond the queue's own statistics. */
struct load_result {
	uint64_t nr_verified; /* requests */
	uint64_t verified_nbytes;
	uint64_t nr_different;
	uint64_t elapsed_ns;
	uint64_t verify_ns; /* of elapsed_ns */
	uint64_t cpu_ns;    /* of the process, without verifying */
	bool was_interrupted;
	uint64_t nr_cancelled_by_us;
};

struct load {
	struct load_options options;
	struct ds_backend *backend;
	char fell_back[BACKEND_WHY_NBYTES]; /* why it is not the one wanted most, or "" */
	struct ds_queue *queue;
	struct walk walk;
	struct load_cursor cursor;
	struct load_buffers buffers;
	struct load_slot *slots;
	struct load_slot *free_slots;
	struct ds_queue *fetch_queue; /* reads device memory back, to verify; NULL: not needed */
	struct ds_completion *completions; /* room for queue_depth */
	uint64_t nr_in_flight;
	uint64_t done_nbytes; /* of the files' bytes, for the progress bar */
	struct progress progress;
	struct load_result result;

	struct load_failure *failures;
	size_t nr_failures;
	size_t failure_room;
	bool has_failed;
};

/* Says so on stderr, and keeps it for the report. */
void load_fail(struct load *l, const char *path, const char *why);

/* Loads all of l->walk. TOOL_FAILED only when nothing could go on; else see the failures. */
int load_run(struct load *l);

/* NULL when the slot's bytes are what plain reads and a separate decode give, else why not. */
const char *load_verify(struct load *l, const struct load_slot *slot);

/* Prints to stdout, as text or JSON. */
void load_report(struct load *l);

/* Set by SIGINT and SIGTERM. */
bool load_is_stopped(void);

#endif /* DSTOOL_LOAD_H */
