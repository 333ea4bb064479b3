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
	ds_result (*make)(const struct ds_backend_config *cfg, struct ds_backend **out);
	/* Whether it works here, and a sentence on why not. NULL: it always does. */
	ds_result (*is_available)(char *why, size_t nbytes);
};

#define BACKEND_WHY_NBYTES 256

/* The i-th of the table, NULL after the last; in the order in which "auto" tries them. */
const struct tool_backend *backend_at(size_t i);

/* The names of all, with "auto" first; ends with NULL. For options. */
extern const char *const backend_names[];

/*
 * Makes the backend of that name. With "auto": the first of the table that works here; when
 * that is not the very first, why says what is wrong with those before it, else it is "".
 *
 * On failure why says what is wrong.
 */
ds_result backend_make(const char *name, const struct ds_backend_config *cfg,
		       struct ds_backend **out, char *why, size_t why_nbytes);

#endif /* DSTOOL_BACKENDS_H */
