/* SPDX-License-Identifier: MIT */
/*
 * keep.c: drivers stay in memory.
 *
 * The loader unloads a driver when the last instance goes, and loads it again for the next one. That takes longer
 * than all the rest, and some drivers can be loaded only a few times: what they leave behind, such
 * as thread-local memory, is not given back. So all libraries that came with the first instance are
 * kept. All of them: a driver whose parts are kept but for one does not survive that.
 */
#include "device/vulkan/keep.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

static int count(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct ds_vk_libraries *l = arg;

	(void)info;
	(void)size;
	l->nr++;
	return 0;
}

static int note(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct ds_vk_libraries *l = arg;

	(void)size;
	if (l->nr < l->room)
		l->bases[l->nr++] = info->dlpi_addr;
	return 0;
}

void ds_vk_note_libraries(struct ds_vk_libraries *l)
{
	memset(l, 0, sizeof(*l));
	dl_iterate_phdr(count, l);
	/* Other threads may be loading some as well. */
	l->room = l->nr + 64;
	l->nr = 0;
	l->bases = calloc(l->room, sizeof(*l->bases));
	if (l->bases)
		dl_iterate_phdr(note, l);
}

/* The names of those that were not noted; they stay where they are while the driver is in use. */
struct newcomers {
	const struct ds_vk_libraries *before;
	const char *names[256];
	unsigned nr;
};

static int compare(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct newcomers *n = arg;

	(void)size;
	for (unsigned i = 0; i < n->before->nr; i++) {
		if (n->before->bases[i] == info->dlpi_addr)
			return 0;
	}
	if (info->dlpi_name && info->dlpi_name[0] && n->nr < sizeof(n->names) / sizeof(n->names[0]))
		n->names[n->nr++] = info->dlpi_name;
	return 0;
}

void ds_vk_keep_new_libraries(struct ds_vk_libraries *before)
{
	struct newcomers n = { .before = before };

	if (before->bases)
		dl_iterate_phdr(compare, &n);
	/* The handles are not needed: they would only be closed. */
	for (unsigned i = 0; i < n.nr; i++)
		(void)dlopen(n.names[i], RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
	free(before->bases);
	before->bases = NULL;
}
