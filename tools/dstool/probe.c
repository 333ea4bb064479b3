/* SPDX-License-Identifier: MIT */
/*
 * probe.c: what all probes share.
 */
#include "probe.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void probe_add(struct probe *p, const char *key, const char *fmt, ...)
{
	struct probe_item *item;
	va_list args;

	if (p->nr_items == PROBE_MAX_ITEMS)
		return;
	item = &p->items[p->nr_items++];
	item->key = key;
	va_start(args, fmt);
	vsnprintf(item->value, sizeof(item->value), fmt, args);
	va_end(args);
}

void probe_missing(struct probe *p, const char *fmt, ...)
{
	va_list args;

	p->is_present = false;
	va_start(args, fmt);
	vsnprintf(p->reason, sizeof(p->reason), fmt, args);
	va_end(args);
}

void probe_read_line(const char *path, char *buf, size_t nbytes)
{
	FILE *f = fopen(path, "re");

	buf[0] = '\0';
	if (!f)
		return;
	if (!fgets(buf, (int)nbytes, f))
		buf[0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	fclose(f);
}

void *probe_library(struct probe *p, const char *name)
{
	void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	const char *why;

	if (library)
		return library;
	why = dlerror();
	probe_missing(p, "%s", why ? why : name);
	return NULL;
}

bool probe_function(void *library, const char *name, void *function)
{
	void *symbol = dlsym(library, name);

	/* ISO C has no cast from an object pointer to a function pointer; POSIX gives both
	 * the same representation. */
	if (symbol)
		memcpy(function, &symbol, sizeof(symbol));
	return symbol;
}
