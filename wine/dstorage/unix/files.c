/* SPDX-License-Identifier: MIT */
/*
 * files.c: files, each a descriptor that outlives backends.
 *
 * A program opens files before it sets the staging size and makes queues. So a file becomes
 * one of the runtime's when a request first uses it, and again after the backend was replaced.
 */
#include "unix.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct unix_file {
	int fd;
	struct ds_file *file; /* on the present backend, or NULL; guarded by files_lock */
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

int32_t unix_file_close(void *args)
{
	const struct dsw_file_close *a = args;
	struct unix_file *f = unix_pointer(a->file);

	pthread_mutex_lock(&files_lock);
	*f->link = f->next;
	if (f->next)
		f->next->link = f->link;
	pthread_mutex_unlock(&files_lock);
	ds_file_close(f->file);
	close(f->fd);
	free(f);
	return DS_OK;
}

ds_result unix_file_get(struct unix_file *f, struct ds_file **out)
{
	ds_result ret = DS_OK;

	pthread_mutex_lock(&files_lock);
	if (!f->file)
		ret = ds_file_from_fd(unix_backend(), f->fd, 0, &f->file);
	*out = f->file;
	pthread_mutex_unlock(&files_lock);
	return ret;
}

void unix_files_leave_backend(void)
{
	pthread_mutex_lock(&files_lock);
	for (struct unix_file *f = files; f; f = f->next) {
		ds_file_close(f->file);
		f->file = NULL;
	}
	pthread_mutex_unlock(&files_lock);
}
