/* SPDX-License-Identifier: MIT */
/* libraries.c: dlopen(3) of what is loaded, with RTLD_NODELETE. */
#include "support/libraries.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

static int keep(struct dl_phdr_info *info, size_t size, void *arg)
{
	const char *but = arg, *path = info->dlpi_name, *slash;

	(void)size;
	if (!path || !*path)
		return 0;
	slash = strrchr(path, '/');
	/* The handle is not needed: it would only be closed. */
	if (!but || strcmp(slash ? slash + 1 : path, but))
		(void)dlopen(path, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
	return 0;
}

void libraries_keep(const char *but)
{
	dl_iterate_phdr(keep, (void *)(uintptr_t)but);
}
