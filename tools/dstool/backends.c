/* SPDX-License-Identifier: MIT */
/*
 * backends.c: the table of backends, and which one "auto" means.
 */
#include "backends.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "ds_runtime_uring.h"
#include "ds_runtime_vulkan.h"

static struct tool_vulkan vulkan;

const char *const vulkan_decode_names[] = { "auto", "cpu", "gpu", NULL };
const char *const vulkan_path_names[] = { "auto", "mapped", "staged", "staged-mapped", NULL };

void backends_set_vulkan(const struct tool_vulkan *set)
{
	vulkan = *set;
}

static int32_t index_of(const char *name, const char *const *names)
{
	int32_t i = 0;

	while (name && names[i] && strcmp(name, names[i]) != 0)
		i++;
	return name && names[i] ? i : 0;
}

static ds_result make_vulkan(const struct ds_backend_config *cfg, struct ds_backend **out,
			     char *why, size_t why_nbytes)
{
	struct ds_vulkan_config v = DS_VULKAN_CONFIG_INIT;
	int32_t path = index_of(vulkan.path, vulkan_path_names);

	v.device_name = vulkan.gpu;
	v.decode = index_of(vulkan.decode, vulkan_decode_names);
	v.path = path > DS_VULKAN_PATH_STAGED ? DS_VULKAN_PATH_STAGED : path;
	if (path > DS_VULKAN_PATH_STAGED)
		v.staging = DS_VULKAN_STAGING_MAPPED;
	v.why = why;
	v.why_nbytes = why_nbytes;
	return ds_make_vulkan_backend(cfg, &v, out);
}

static ds_result make_host_uring(const struct ds_backend_config *cfg, struct ds_backend **out,
				 char *why, size_t why_nbytes)
{
	ds_result ret = ds_io_uring_available(why, why_nbytes);

	return ret ? ret : ds_make_io_uring_backend(cfg, NULL, out);
}

static ds_result make_host_cpu(const struct ds_backend_config *cfg, struct ds_backend **out,
			       char *why, size_t why_nbytes)
{
	(void)why;
	(void)why_nbytes;
	return ds_make_cpu_backend(cfg, out);
}

/* A new backend is one line here, and its name one below. The first ones that work are "auto". */
static const struct tool_backend backends[] = {
	{ "io_uring", make_host_uring },
	{ "cpu", make_host_cpu },
	{ "vulkan", make_vulkan },
};
#define NR_BACKENDS (sizeof(backends) / sizeof(backends[0]))

const char *const backend_names[] = { "auto", "cpu", "io_uring", "vulkan", NULL };
const char *const host_backend_names[] = { "auto", "cpu", "io_uring", NULL };

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
	ds_result ret = b->make(cfg, out, reason, sizeof(reason));

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
