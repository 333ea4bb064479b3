/* SPDX-License-Identifier: MIT */
/*
 * files.c: files, each a descriptor that outlives backends.
 *
 * A program opens files before it sets the staging size and makes queues. So a file becomes
 * one of the runtime's when a request first uses it, on each backend that it is used on.
 */
#include "unix.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* On one backend; there are few of these. */
struct opened {
	struct ds_backend *be;
	struct ds_file *file;
	struct opened *next;
};

struct unix_file {
	int fd;
	struct opened *opened; /* guarded by files_lock */
	struct unix_file *next;
	struct unix_file **link; /* what points at this file */
};

static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the list and its files */
static struct unix_file *files;

static bool is_readable_file(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

static ds_result add(int fd, uint64_t *out)
{
	struct unix_file *f;

	if (!is_readable_file(fd))
		return DS_ERR_BAD_FILE;
	f = calloc(1, sizeof(*f));
	if (!f)
		return DS_ERR_NO_MEMORY;
	f->fd = fd;
	pthread_mutex_lock(&files_lock);
	f->next = files;
	f->link = &files;
	if (files)
		files->link = &f->next;
	files = f;
	pthread_mutex_unlock(&files_lock);
	*out = unix_address(f);
	return DS_OK;
}

int32_t unix_file_from_fd(void *args)
{
	struct dsw_file_from_fd *a = args;
	ds_result ret = add(a->fd, &a->file);

	if (ret)
		close(a->fd);
	return ret;
}

int32_t unix_file_from_path(void *args)
{
	struct dsw_file_from_path *a = args;
	/* Not to wait for a writer should it be a named pipe. */
	int fd = open(unix_pointer(a->path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ds_result ret;

	if (fd < 0)
		return DS_ERR_BAD_FILE;
	ret = add(fd, &a->file);
	if (ret)
		close(fd);
	return ret;
}

static void close_opened(struct opened **at)
{
	struct opened *o = *at;

	*at = o->next;
	ds_file_close(o->file);
	free(o);
}

int32_t unix_file_close(void *args)
{
	const struct dsw_file_close *a = args;
	struct unix_file *f = unix_pointer(a->file);

	pthread_mutex_lock(&files_lock);
	*f->link = f->next;
	if (f->next)
		f->next->link = f->link;
	pthread_mutex_unlock(&files_lock);
	while (f->opened)
		close_opened(&f->opened);
	close(f->fd);
	free(f);
	return DS_OK;
}

/* With the lock. */
static ds_result open_on(struct unix_file *f, struct ds_backend *be)
{
	struct opened *o = calloc(1, sizeof(*o));
	ds_result ret = o ? ds_file_from_fd(be, f->fd, 0, &o->file) : DS_ERR_NO_MEMORY;

	if (ret) {
		free(o);
		return ret;
	}
	o->be = be;
	o->next = f->opened;
	f->opened = o;
	return DS_OK;
}

/* With the lock. */
static struct opened **find_opened(struct unix_file *f, const struct ds_backend *be)
{
	struct opened **at = &f->opened;

	while (*at && (*at)->be != be)
		at = &(*at)->next;
	return at;
}

ds_result unix_file_get(struct unix_file *f, struct ds_backend *be, struct ds_file **out)
{
	ds_result ret = DS_OK;

	pthread_mutex_lock(&files_lock);
	if (!*find_opened(f, be))
		ret = open_on(f, be);
	if (!ret)
		*out = (*find_opened(f, be))->file;
	pthread_mutex_unlock(&files_lock);
	return ret;
}

void unix_files_leave_backend(struct ds_backend *be)
{
	pthread_mutex_lock(&files_lock);
	for (struct unix_file *f = files; f; f = f->next) {
		struct opened **at = find_opened(f, be);

		if (*at)
			close_opened(at);
	}
	pthread_mutex_unlock(&files_lock);
}
