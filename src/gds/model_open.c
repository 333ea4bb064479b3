/* SPDX-License-Identifier: MIT */
/* model_open.c: a model from its path: one file, an index of several, or the folder that they are in. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gds/internal.h"
#include "gds/json.h"
#include "gds/model.h"

#define INDEX_NAME    "model.safetensors.index.json"
#define SUFFIX	      ".safetensors"
#define MAX_FILES     4096u
#define LENGTH_NBYTES 8u

/* ------------------------------------------------------------------ reading */

static ds_result open_failed(const struct ds_why *why, const char *path, int err)
{
	ds_why_set(why, "%s: %s", path, strerror(err));
	return err == ENOENT   ? DS_ERR_NOT_FOUND
	       : err == EACCES ? DS_ERR_PERMISSION
	       : err == ENOMEM ? DS_ERR_NO_MEMORY
			       : DS_ERR_BAD_FILE;
}

static bool read_fully(int fd, void *to, size_t nbytes, uint64_t offset)
{
	size_t done = 0;

	while (done < nbytes) {
		ssize_t n = pread(fd, (char *)to + done, nbytes - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

/* The first nbytes of a file, in memory of malloc(). */
static ds_result read_head(int fd, const char *path, size_t nbytes, void **out,
			   const struct ds_why *why)
{
	void *p = malloc(nbytes + 1);

	if (!p)
		return DS_ERR_NO_MEMORY;
	if (!read_fully(fd, p, nbytes, 0)) {
		free(p);
		ds_why_set(why, "%s: it cannot be read, or got shorter", path);
		return DS_ERR_IO;
	}
	*out = p;
	return DS_OK;
}

static ds_result open_regular(const char *path, int *fd, uint64_t *nbytes, const struct ds_why *why)
{
	struct stat st;

	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (*fd < 0)
		return open_failed(why, path, errno);
	if (fstat(*fd, &st) || !S_ISREG(st.st_mode)) {
		close(*fd);
		ds_why_set(why, "%s: it is no regular file", path);
		return DS_ERR_BAD_FILE;
	}
	*nbytes = (uint64_t)st.st_size;
	return DS_OK;
}

/* How much of the file its header takes, as far as that can be true. */
static size_t header_nbytes(int fd, uint64_t file_nbytes)
{
	unsigned char p[LENGTH_NBYTES];
	uint64_t length = 0;

	if (file_nbytes < sizeof(p) || !read_fully(fd, p, sizeof(p), 0))
		return (size_t)(file_nbytes < sizeof(p) ? file_nbytes : sizeof(p));
	for (unsigned i = 0; i < sizeof(p); i++)
		length |= (uint64_t)p[i] << 8 * i;
	if (length > DS_MODEL_MAX_HEADER || length > file_nbytes - sizeof(p))
		return sizeof(p);
	return sizeof(p) + (size_t)length;
}

static ds_result add_path(struct ds_safetensors *st, const char *path, const struct ds_why *why)
{
	uint64_t nbytes = 0;
	void *header = NULL;
	size_t n;
	int fd;
	ds_result ret = open_regular(path, &fd, &nbytes, why);

	if (ret)
		return ret;
	n = header_nbytes(fd, nbytes);
	ret = read_head(fd, path, n, &header, why);
	close(fd);
	if (!ret)
		ret = ds_model_add(st, path, header, n, nbytes, why);
	free(header);
	return ret;
}

/* -------------------------------------------------------------------- index */

struct entry {
	const char *tensor;
	const char *file;
};

struct weight_map {
	struct entry *entries;
	size_t nr;
	size_t room;
};

static bool add_entry(struct weight_map *m, const char *tensor, const char *file)
{
	if (m->nr == m->room) {
		size_t want = m->room ? 2 * m->room : 64;
		struct entry *more = realloc(m->entries, want * sizeof(*more));

		if (!more)
			return false;
		m->entries = more;
		m->room = want;
	}
	m->entries[m->nr++] = (struct entry){ tensor, file };
	return true;
}

/* A name in the index's own folder, and nothing else. */
static bool is_plain_name(const char *name)
{
	return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool read_map(struct ds_json *j, char **room, struct weight_map *m)
{
	bool first = true;
	const char *tensor, *file;

	if (!ds_json_need(j, '{'))
		return false;
	while (ds_json_member(j, &first, room, &tensor)) {
		if (!ds_json_string(j, room, &file))
			return false;
		if (!is_plain_name(file))
			return ds_json_fail(j, "a file's name is none, or leads elsewhere");
		if (!add_entry(m, tensor, file))
			return ds_json_fail(j, "there is not enough memory");
	}
	return !j->error;
}

static bool read_index(struct ds_json *j, char *room, struct weight_map *m)
{
	bool first = true, has_map = false;
	const char *key;

	if (!ds_json_need(j, '{'))
		return false;
	while (ds_json_member(j, &first, &room, &key)) {
		bool is_map = !strcmp(key, "weight_map") && !has_map;

		has_map = has_map || is_map;
		if (is_map ? !read_map(j, &room, m) : !ds_json_skip(j))
			return false;
	}
	if (!j->error && !has_map)
		return ds_json_fail(j, "it has no weight_map");
	return !j->error && (ds_json_ends(j) || ds_json_fail(j, "something follows its end"));
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = strcmp(x->file, y->file);

	return order ? order : strcmp(x->tensor, y->tensor);
}

static bool is_wanted(const struct weight_map *m, const char *file, const char *tensor)
{
	const struct entry key = { tensor, file };

	return m->nr && bsearch(&key, m->entries, m->nr, sizeof(key), compare_entries);
}

/* Of the file just added, only what the index assigns to it. */
static uint32_t keep_wanted(struct ds_safetensors *st, uint32_t first, const struct weight_map *m,
			    const char *file)
{
	uint32_t to = first;

	for (uint32_t i = first; i < st->nr_tensors; i++) {
		if (is_wanted(m, file, st->tensors[i].name))
			st->tensors[to++] = st->tensors[i];
	}
	st->nr_tensors = to;
	return to - first;
}

static ds_result add_indexed(struct ds_safetensors *st, const char *folder,
			     const struct weight_map *m, const struct ds_why *why)
{
	size_t last;

	for (size_t first = 0; first < m->nr; first = last) {
		const char *file = m->entries[first].file;
		uint32_t before = st->nr_tensors;
		char path[4096];
		ds_result ret;

		for (last = first; last < m->nr && !strcmp(m->entries[last].file, file); last++)
			;
		if (st->nr_files == MAX_FILES)
			return DS_ERR_OUT_OF_RANGE;
		if ((size_t)snprintf(path, sizeof(path), "%s%s", folder, file) >= sizeof(path))
			return DS_ERR_INVALID_ARGUMENT;
		ret = add_path(st, path, why);
		if (ret)
			return ret;
		if (keep_wanted(st, before, m, file) != last - first) {
			ds_why_set(why, "%s: it lacks tensors that the index says are there", path);
			return DS_ERR_CORRUPT_DATA;
		}
	}
	return DS_OK;
}

/* The path up to its last slash, inclusive; "" without one. False: too long. */
static bool folder_of(const char *path, char *folder, size_t room)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) + 1 : 0;

	if (n >= room)
		return false;
	memcpy(folder, path, n);
	folder[n] = '\0';
	return true;
}

static ds_result parse_index(struct ds_safetensors *st, const char *path, void *text, size_t nbytes,
			     const struct ds_why *why)
{
	struct weight_map m = { 0 };
	char folder[4096];
	struct ds_json j;
	char *room = malloc(nbytes + 1);
	ds_result ret = DS_OK;

	if (!room)
		return DS_ERR_NO_MEMORY;
	ds_json_init(&j, text, nbytes);
	if (!read_index(&j, room, &m)) {
		ds_why_set(why, "%s: the index is damaged: %s", path, j.error);
		ret = DS_ERR_CORRUPT_DATA;
	} else if (!folder_of(path, folder, sizeof(folder))) {
		ret = DS_ERR_INVALID_ARGUMENT;
	}
	if (!ret && m.nr)
		qsort(m.entries, m.nr, sizeof(*m.entries), compare_entries);
	if (!ret)
		ret = add_indexed(st, folder, &m, why);
	free(m.entries);
	free(room);
	return ret;
}

static ds_result add_index(struct ds_safetensors *st, const char *path, const struct ds_why *why)
{
	uint64_t nbytes = 0;
	void *text = NULL;
	int fd;
	ds_result ret = open_regular(path, &fd, &nbytes, why);

	if (ret)
		return ret;
	if (nbytes > DS_MODEL_MAX_HEADER) {
		close(fd);
		ds_why_set(why, "%s: it is too large for an index", path);
		return DS_ERR_CORRUPT_DATA;
	}
	ret = read_head(fd, path, (size_t)nbytes, &text, why);
	close(fd);
	if (!ret)
		ret = parse_index(st, path, text, (size_t)nbytes, why);
	free(text);
	return ret;
}

/* ------------------------------------------------------------------- folder */

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && !strcmp(name + n - m, end);
}

static int is_model_file(const struct dirent *d)
{
	return ends_with(d->d_name, SUFFIX);
}

static ds_result add_folder(struct ds_safetensors *st, const char *path, const struct ds_why *why)
{
	struct dirent **names = NULL;
	char file[4096];
	ds_result ret = DS_OK;
	int nr;

	snprintf(file, sizeof(file), "%s/%s", path, INDEX_NAME);
	if (!access(file, F_OK))
		return add_index(st, file, why);
	nr = scandir(path, &names, is_model_file, alphasort);
	if (nr < 0)
		return open_failed(why, path, errno);
	if (!nr) {
		ds_why_set(why, "%s: there is neither %s nor any file *%s", path, INDEX_NAME,
			   SUFFIX);
		ret = DS_ERR_NOT_FOUND;
	}
	for (int i = 0; i < nr; i++) {
		if (!ret && (size_t)snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name) >=
				    sizeof(file))
			ret = DS_ERR_INVALID_ARGUMENT;
		if (!ret)
			ret = add_path(st, file, why);
		free(names[i]);
	}
	free(names);
	return ret;
}

static ds_result add_any(struct ds_safetensors *st, const char *path, const struct ds_why *why)
{
	struct stat info;

	if (stat(path, &info))
		return open_failed(why, path, errno);
	if (S_ISDIR(info.st_mode))
		return add_folder(st, path, why);
	return ends_with(path, ".json") ? add_index(st, path, why) : add_path(st, path, why);
}

/* --------------------------------------------------------------- public calls */

ds_result ds_safetensors_open(const char *path, char *text, size_t nbytes,
			      struct ds_safetensors **out)
{
	const struct ds_why why = { text, nbytes };
	struct ds_safetensors *st;
	ds_result ret;

	if (!path || !out)
		return DS_ERR_INVALID_ARGUMENT;
	st = calloc(1, sizeof(*st));
	if (!st)
		return DS_ERR_NO_MEMORY;
	atomic_init(&st->refs, 1);
	ret = add_any(st, path, &why);
	if (!ret)
		ret = ds_model_finish(st, &why);
	if (ret)
		ds_safetensors_close(st);
	else
		*out = st;
	return ret;
}

ds_result ds_safetensors_get(const struct ds_safetensors *st, uint32_t index,
			     struct ds_safetensors_tensor *out)
{
	struct ds_safetensors_tensor info = { .size = sizeof(info) };
	const struct ds_model_tensor *t;

	if (!st)
		return DS_ERR_INVALID_ARGUMENT;
	if (index >= st->nr_tensors)
		return DS_ERR_NOT_FOUND;
	t = &st->tensors[index];
	info.file = t->file;
	info.name = t->name;
	info.dtype = t->dtype;
	info.nr_dims = t->nr_dims;
	info.bits = t->bits;
	memcpy(info.dims, t->dims, sizeof(info.dims));
	info.offset = t->offset;
	info.nbytes = t->nbytes;
	return ds_copy_out(out, &info, sizeof(info), sizeof(info));
}
