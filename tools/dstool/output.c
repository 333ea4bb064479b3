/* SPDX-License-Identifier: MIT */
/*
 * output.c: writes beside OUT, then takes its name.
 */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_io.h"
#include "tool.h"

#define COPY_NBYTES (256u * 1024)

/* ------------------------------------------------------------ the signals */

/*
 * What a signal has to remove. The text is never changed while the flag is set, so that
 * the handler, on any thread, sees a whole name.
 */
static char doomed_path[PATH_MAX];
static atomic_bool is_doomed;

static const int deadly_signals[] = { SIGINT, SIGTERM, SIGHUP };
#define NR_DEADLY (sizeof(deadly_signals) / sizeof(deadly_signals[0]))

/* Only async-signal-safe calls. Caught once: raised again, the signal ends the process. */
static void on_deadly_signal(int signal_number)
{
	static const char text[] = "\ndstool: interrupted; the output was not written\n";
	bool is_mine = atomic_exchange_explicit(&is_doomed, false, memory_order_acq_rel);

	/* Once the file has its final name, there is nothing here to remove. */
	if (is_mine && unlink(doomed_path) == 0) {
		if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0) {
			/* Nobody is left to tell. */
		}
	}
	raise(signal_number);
}

static void catch_signals(void)
{
	for (size_t i = 0; i < NR_DEADLY; i++)
		tool_catch_signal(deadly_signals[i], on_deadly_signal);
}

static void remove_on_signal(const char *path)
{
	snprintf(doomed_path, sizeof(doomed_path), "%s", path);
	atomic_store_explicit(&is_doomed, true, memory_order_release);
}

static void keep_on_signal(void)
{
	atomic_store_explicit(&is_doomed, false, memory_order_release);
}

/* ---------------------------------------------------------------- opening */

static void reset(struct output *out)
{
	memset(out, 0, sizeof(*out));
	out->fd = -1;
	out->stream_fd = -1;
}

static int open_stream(struct output *out, const char *path)
{
	out->is_stream = true;
	out->fd = open(path, O_WRONLY | O_CLOEXEC);
	if (out->fd < 0)
		return tool_error_errno(out->name, "cannot open it", errno);
	return TOOL_OK;
}

/* With a directory that is a slash longer than it has to be, never shorter. */
static char *temp_path_beside(const char *path)
{
	const char *slash = strrchr(path, '/');
	int dir_len = slash ? (int)(slash - path) + 1 : 0;
	char *temp;

	if (asprintf(&temp, "%.*s.dstool-XXXXXX", dir_len, path) < 0)
		return NULL;
	return temp;
}

static int open_temp(struct output *out)
{
	sigset_t deadly;
	sigset_t old;
	int err;

	out->temp_path = temp_path_beside(out->path);
	if (!out->temp_path)
		return tool_error_memory();
	if (strlen(out->temp_path) >= sizeof(doomed_path)) {
		free(out->temp_path);
		out->temp_path = NULL;
		return tool_error_errno(out->name, "cannot create it", ENAMETOOLONG);
	}
	catch_signals();
	/* No signal between the file's creation and the note that it is to be removed. */
	sigemptyset(&deadly);
	for (size_t i = 0; i < NR_DEADLY; i++)
		sigaddset(&deadly, deadly_signals[i]);
	sigprocmask(SIG_BLOCK, &deadly, &old);
	out->fd = mkostemp(out->temp_path, O_CLOEXEC);
	err = errno;
	if (out->fd >= 0)
		remove_on_signal(out->temp_path);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (out->fd >= 0)
		return TOOL_OK;
	free(out->temp_path);
	out->temp_path = NULL;
	return tool_error_errno(out->name, "cannot create a file beside it", err);
}

/* OUT's own name: a symbolic link stays one, its target is what is replaced. */
static char *real_name(const char *path)
{
	char *real = realpath(path, NULL);

	return real ? real : strdup(path);
}

static int open_file(struct output *out, const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0) {
		if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))
			return open_stream(out, path);
		if (!S_ISREG(st.st_mode))
			return tool_error_errno(out->name, "cannot be replaced by a file",
						S_ISDIR(st.st_mode) ? EISDIR : EINVAL);
		if (!out->overwrites) {
			tool_error("%s: exists already; --force overwrites it", out->name);
			return TOOL_FAILED;
		}
	}
	out->path = real_name(path);
	if (!out->path)
		return tool_error_memory();
	return open_temp(out);
}

int output_open(struct output *out, const char *path, bool force, unsigned mode)
{
	int ret;

	reset(out);
	out->name = path;
	out->overwrites = force;
	out->mode = mode;
	if (!*path)
		return tool_error_errno("OUT", "an empty name", ENOENT);
	if (strcmp(path, "-") == 0) {
		out->name = "standard output";
		out->is_stream = true;
		out->fd = STDOUT_FILENO;
		return TOOL_OK;
	}
	ret = open_file(out, path);
	if (ret != TOOL_OK)
		output_close(out);
	return ret;
}

int output_make_seekable(struct output *out)
{
	int spool;

	if (!out->is_stream)
		return TOOL_OK;
	spool = spool_create("/tmp");
	if (spool < 0)
		return TOOL_FAILED;
	out->stream_fd = out->fd;
	out->fd = spool;
	return TOOL_OK;
}

/* ---------------------------------------------------------------- writing */

int output_append(struct output *out, const void *data, size_t nbytes)
{
	if (write_full(out->fd, data, nbytes) != 0)
		return tool_error_errno(out->name, "cannot write it", errno);
	out->nbytes += nbytes;
	return TOOL_OK;
}

int output_write_at(struct output *out, const void *data, size_t nbytes, uint64_t offset)
{
	if (pwrite_full(out->fd, data, nbytes, offset) != 0)
		return tool_error_errno(out->name, "cannot write it", errno);
	return TOOL_OK;
}

/* ----------------------------------------------------------------- ending */

static int copy_spool(struct output *out)
{
	char *buf = malloc(COPY_NBYTES);
	uint64_t at = 0;
	int ret = TOOL_OK;

	if (!buf)
		return tool_error_memory();
	while (ret == TOOL_OK) {
		ssize_t n = pread_full(out->fd, buf, COPY_NBYTES, at);

		if (n < 0)
			ret = tool_error_errno("temporary file", "cannot read it", errno);
		if (n <= 0)
			break;
		if (write_full(out->stream_fd, buf, (size_t)n) != 0)
			ret = tool_error_errno(out->name, "cannot write it", errno);
		at += (uint64_t)n;
	}
	free(buf);
	return ret;
}

/*
 * Gives the file its name unless there is one already, in one step. link() serves file
 * systems that do not know RENAME_NOREPLACE.
 */
static int rename_without_replacing(const char *from, const char *to)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (link(from, to) != 0)
		return -1;
	unlink(from);
	return 0;
}

/* Everything that can fail on a full disk or a network file system comes before the rename. */
static int finish_file(struct output *out)
{
	mode_t mask = umask(0);
	int fd = out->fd;

	umask(mask);
	if (fchmod(fd, out->mode & ~mask & 0666) != 0)
		return tool_error_errno(out->name, "cannot set its permissions", errno);
	out->fd = -1;
	if (close(fd) != 0)
		return tool_error_errno(out->name, "cannot finish it", errno);
	return TOOL_OK;
}

static int take_name(struct output *out)
{
	int ret;

	ret = out->overwrites ? rename(out->temp_path, out->path)
			      : rename_without_replacing(out->temp_path, out->path);
	if (ret != 0)
		return tool_error_errno(out->name, "cannot give the finished file its name", errno);
	keep_on_signal();
	free(out->temp_path);
	out->temp_path = NULL;
	return TOOL_OK;
}

int output_commit(struct output *out)
{
	if (out->stream_fd >= 0)
		return copy_spool(out);
	if (out->is_stream)
		return TOOL_OK;
	if (finish_file(out) != TOOL_OK)
		return TOOL_FAILED;
	return take_name(out);
}

void output_close(struct output *out)
{
	if (out->temp_path) {
		unlink(out->temp_path);
		keep_on_signal();
	}
	if (out->fd > STDERR_FILENO)
		close(out->fd);
	if (out->stream_fd > STDERR_FILENO)
		close(out->stream_fd);
	free(out->temp_path);
	free(out->path);
	reset(out);
}
