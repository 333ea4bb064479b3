/* SPDX-License-Identifier: MIT */
/*
 * walk.h: which files a list of paths means.
 */
#ifndef DSTOOL_WALK_H
#define DSTOOL_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct walk_file {
	char *path;
	uint64_t nbytes; /* when it was found */
};

struct walk {
	struct walk_file *files;
	size_t nr_files;
	size_t room;
	uint64_t nbytes;
	uint64_t nr_skipped; /* in directories: links, pipes, sockets, devices */

	/* Called for each path that cannot be looked at. */
	void (*failed)(void *arg, const char *path, const char *why);
	void *arg;

	/* Asked now and then: true ends the walk with what was found so far. */
	bool (*is_stopped)(void);
};

/*
 * Adds a file, or all regular files below a directory, in the order of their names' bytes.
 * Symbolic links are followed where they are given as the path itself, not below it.
 *
 * TOOL_OK also when some were reported to failed(); TOOL_FAILED when no memory is left.
 */
int walk_add(struct walk *w, const char *path);
void walk_fini(struct walk *w);

#endif /* DSTOOL_WALK_H */
