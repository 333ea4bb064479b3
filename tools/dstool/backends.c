/* SPDX-License-Identifier: MIT */
/*
 * backends.c: the table of backends.
 */
#include "backends.h"

/* A new backend is one line here. */
static const struct tool_backend backends[] = {
	{ "cpu", ds_make_cpu_backend },
};
#define NR_BACKENDS (sizeof(backends) / sizeof(backends[0]))

const struct tool_backend *backend_at(size_t i)
{
	return i < NR_BACKENDS ? &backends[i] : NULL;
}
