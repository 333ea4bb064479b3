/* SPDX-License-Identifier: MIT */
/*
 * probe.h: finds out what this machine offers, part by part.
 *
 * Each probe only looks: nothing is started, and a part that is missing is a finding
 * like any other.
 */
#ifndef DSTOOL_PROBE_H
#define DSTOOL_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#define PROBE_MAX_ITEMS	    64
#define PROBE_TEXT_NBYTES   160
#define PROBE_REASON_NBYTES 240

/* A key may stand in several items that follow each other: then it is a list. */
struct probe_item {
	const char *key; /* static */
	char value[PROBE_TEXT_NBYTES];
};

struct probe {
	bool is_present;
	char reason[PROBE_REASON_NBYTES]; /* why not, when it is not */
	size_t nr_items;
	struct probe_item items[PROBE_MAX_ITEMS];
};

__attribute__((format(printf, 3, 4))) void probe_add(struct probe *p, const char *key,
						     const char *fmt, ...);
__attribute__((format(printf, 2, 3))) void probe_missing(struct probe *p, const char *fmt, ...);

/* The first line of a small file without its end, or "" where it cannot be read. */
void probe_read_line(const char *path, char *buf, size_t nbytes);

/*
 * Loads a library. NULL: it is not there, and the probe says so. It is never unloaded:
 * drivers leave threads and exit handlers behind.
 */
void *probe_library(struct probe *p, const char *name);

/* Stores a library's function in *function, a function pointer. False: it lacks it. */
bool probe_function(void *library, const char *name, void *function);

/* Each fills in a zeroed probe. */
void probe_system(struct probe *p);
void probe_cpu(struct probe *p);
void probe_limits(struct probe *p);
void probe_uring(struct probe *p);
void probe_vulkan(struct probe *p);
void probe_cuda(struct probe *p);
void probe_cufile(struct probe *p);
void probe_build(struct probe *p);

#endif /* DSTOOL_PROBE_H */
