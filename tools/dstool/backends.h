/* SPDX-License-Identifier: MIT */
/*
 * backends.h: the backends that dstool can use, in one table.
 */
#ifndef DSTOOL_BACKENDS_H
#define DSTOOL_BACKENDS_H

#include <stddef.h>

#include "ds_runtime.h"

struct tool_backend {
	const char *name;
	/* On failure a sentence in why, if there is more to say than the result does. */
	ds_result (*make)(const struct ds_backend_config *cfg, struct ds_backend **out, char *why,
			  size_t why_nbytes);
};

#define BACKEND_WHY_NBYTES 256

/* The i-th of the table, NULL after the last; in the order in which "auto" tries them. */
const struct tool_backend *backend_at(size_t i);

/* The names of all, with "auto" first; ends with NULL. For options. */
extern const char *const backend_names[];
/* The same without those that have a device of their own. */
extern const char *const host_backend_names[];

/* What the Vulkan backend is made with from now on. */
struct tool_vulkan {
	const char *gpu;    /* part of its name; NULL: the best one */
	const char *decode; /* auto, cpu, gpu */
	const char *path;   /* auto, mapped, staged, staged-mapped */
};
extern const char *const vulkan_decode_names[];
extern const char *const vulkan_path_names[];
void backends_set_vulkan(const struct tool_vulkan *vulkan);

/*
 * Makes the backend of that name. With "auto": the first of the table that works here; when
 * that is not the very first, why says what is wrong with those before it, else it is "".
 *
 * On failure why says what is wrong.
 */
ds_result backend_make(const char *name, const struct ds_backend_config *cfg,
		       struct ds_backend **out, char *why, size_t why_nbytes);

#endif /* DSTOOL_BACKENDS_H */
