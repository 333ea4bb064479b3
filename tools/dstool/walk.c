/* SPDX-License-Identifier: MIT */
/*
 * walk.c: finds the regular files below directories, in an order that is always the same.
 */
#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tool.h"

/* Deeper than any real tree; keeps a hostile one from using up the stack. */
#define MAX_DEPTH 512

struct name_list {
	char **names;
	size_t nr;
	size_t room;
};

static int walk_directory(struct walk *w, const char *path, int depth);

static bool list_append(struct name_list *list, const char *name)
{
	char *copy;

	if (list->nr == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		char **grown = realloc(list->names, room * sizeof(*grown));

		if (!grown)
			return false;
		list->names = grown;
		list->room = room;
	}
	copy = strdup(name);
	if (!copy)
		return false;
	list->names[list->nr++] = copy;
	return true;
}

static void list_fini(struct name_list *list)
{
	for (size_t i = 0; i < list->nr; i++)
		free(list->names[i]);
	free(list->names);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_file(struct walk *w, const char *path, uint64_t nbytes)
{
	struct walk_file *f;

	if (w->nr_files == w->room) {
		size_t room = w->room ? 2 * w->room : 256;
		struct walk_file *grown = realloc(w->files, room * sizeof(*grown));

		if (!grown)
			return tool_error_memory();
		w->files = grown;
		w->room = room;
	}
	f = &w->files[w->nr_files];
	f->path = strdup(path);
	if (!f->path)
		return tool_error_memory();
	f->nbytes = nbytes;
	w->nr_files++;
	w->nbytes += nbytes;
	return TOOL_OK;
}

static int visit(struct walk *w, const char *path, int depth)
{
	struct stat st;

	if (fstatat(AT_FDCWD, path, &st, depth ? AT_SYMLINK_NOFOLLOW : 0) != 0) {
		w->failed(w->arg, path, strerror(errno));
		return TOOL_OK;
	}
	if (S_ISREG(st.st_mode))
		return add_file(w, path, (uint64_t)st.st_size);
	if (S_ISDIR(st.st_mode))
		return walk_directory(w, path, depth);
	if (depth)
		w->nr_skipped++;
	else
		w->failed(w->arg, path, "neither a regular file nor a directory");
	return TOOL_OK;
}

/* Reads the whole directory first, so that only one is open at any time. */
static int read_names(struct walk *w, const char *path, struct name_list *list)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int ret = TOOL_OK;

	if (!dir) {
		w->failed(w->arg, path, strerror(errno));
		return TOOL_OK;
	}
	while (ret == TOOL_OK && (errno = 0, entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (!list_append(list, entry->d_name))
			ret = tool_error_memory();
	}
	if (ret == TOOL_OK && errno)
		w->failed(w->arg, path, strerror(errno));
	closedir(dir);
	return ret;
}

static int visit_below(struct walk *w, const char *path, const char *name, int depth)
{
	size_t len = strlen(path);
	char *child;
	int ret;

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (asprintf(&child, "%.*s%s%s", (int)len, path, path[len - 1] == '/' ? "" : "/", name) < 0)
		return tool_error_memory();
	ret = visit(w, child, depth);
	free(child);
	return ret;
}

static int walk_directory(struct walk *w, const char *path, int depth)
{
	struct name_list list = { 0 };
	int ret;

	if (depth >= MAX_DEPTH) {
		w->failed(w->arg, path, "too many directories inside each other");
		return TOOL_OK;
	}
	ret = read_names(w, path, &list);
	if (list.nr > 1)
		qsort(list.names, list.nr, sizeof(*list.names), compare_names);
	for (size_t i = 0; i < list.nr && ret == TOOL_OK && !w->is_stopped(); i++)
		ret = visit_below(w, path, list.names[i], depth + 1);
	list_fini(&list);
	return ret;
}

int walk_add(struct walk *w, const char *path)
{
	return visit(w, path, 0);
}

void walk_fini(struct walk *w)
{
	for (size_t i = 0; i < w->nr_files; i++)
		free(w->files[i].path);
	free(w->files);
	w->files = NULL;
	w->nr_files = 0;
}
