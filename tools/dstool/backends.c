/* SPDX-License-Identifier: MIT */
/*
 * backends.c: the table of backends, and which one "auto" means.
 */
#include "backends.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "ds_runtime_uring.h"

static ds_result make_io_uring(const struct ds_backend_config *cfg, struct ds_backend **out)
{
	return ds_make_io_uring_backend(cfg, NULL, out);
}

/* A new backend is one line here, and its name one below. */
static const struct tool_backend backends[] = {
	{ "io_uring", make_io_uring, ds_io_uring_available },
	{ "cpu", ds_make_cpu_backend, NULL },
};
#define NR_BACKENDS (sizeof(backends) / sizeof(backends[0]))

const char *const backend_names[] = { "auto", "cpu", "io_uring", NULL };

const struct tool_backend *backend_at(size_t i)
{
	return i < NR_BACKENDS ? &backends[i] : NULL;
}

/* Makes one, or appends to why what is wrong with it. */
static ds_result make_one(const struct tool_backend *b, const struct ds_backend_config *cfg,
			  struct ds_backend **out, char *why, size_t why_nbytes)
{
	char reason[BACKEND_WHY_NBYTES] = "";
	size_t len = strlen(why);
	ds_result ret = DS_OK;

	if (b->is_available)
		ret = b->is_available(reason, sizeof(reason));
	if (ret == DS_OK)
		ret = b->make(cfg, out);
	if (ret != DS_OK)
		snprintf(why + len, why_nbytes - len, "%sbackend %s: %s", len ? "; " : "", b->name,
			 *reason ? reason : ds_result_message(ret));
	return ret;
}

ds_result backend_make(const char *name, const struct ds_backend_config *cfg,
		       struct ds_backend **out, char *why, size_t why_nbytes)
{
	bool is_auto = strcmp(name, "auto") == 0;
	ds_result ret = DS_ERR_NOT_FOUND;

	why[0] = '\0';
	for (size_t i = 0; i < NR_BACKENDS && ret != DS_OK; i++) {
		if (is_auto || strcmp(name, backends[i].name) == 0)
			ret = make_one(&backends[i], cfg, out, why, why_nbytes);
	}
	return ret;
}
