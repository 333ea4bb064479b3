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
};

/* The i-th of the table, NULL after the last. The first is the default. */
const struct tool_backend *backend_at(size_t i);

#endif /* DSTOOL_BACKENDS_H */
