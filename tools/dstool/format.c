/* SPDX-License-Identifier: MIT */
/*
 * format.c: finds a format by name, by a file's name, or by its first bytes.
 */
#include "format.h"

#include <inttypes.h>
#include <string.h>

#include "tool.h"

const char format_stopped[] = "stopped";

static const struct format *const formats[] = {
	&format_gdeflate,
	&format_zstd,
};
#define NR_FORMATS (sizeof(formats) / sizeof(formats[0]))

const struct format *format_at(size_t i)
{
	return i < NR_FORMATS ? formats[i] : NULL;
}

const struct format *format_by_name(const char *name)
{
	for (size_t i = 0; i < NR_FORMATS; i++) {
		if (strcmp(formats[i]->name, name) == 0)
			return formats[i];
	}
	return NULL;
}

const struct format *format_by_path(const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < NR_FORMATS; i++) {
		size_t n = strlen(formats[i]->suffix);

		if (len > n && strcmp(path + len - n, formats[i]->suffix) == 0)
			return formats[i];
	}
	return NULL;
}

const struct format *format_by_head(const void *head, size_t nbytes)
{
	for (size_t i = 0; i < NR_FORMATS; i++) {
		if (formats[i]->matches(head, nbytes))
			return formats[i];
	}
	return NULL;
}

int format_size_error(const struct transfer *t, uint64_t nbytes)
{
	tool_error("%s: holds %" PRIu64 " bytes, but --size expects %" PRIu64, t->in->name, nbytes,
		   t->expected_nbytes);
	return TOOL_FAILED;
}
