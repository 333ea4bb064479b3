/* SPDX-License-Identifier: MIT */
/* file.c: opening files, with a second descriptor for O_DIRECT where that is wanted and works. */
#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/backend_priv.h"
#include "base/copy_struct.h"
#include "core/result.h"

#define KNOWN_FLAGS \
	(DS_FILE_WRITE | DS_FILE_CREATE | DS_FILE_TRUNCATE | DS_FILE_DIRECT | DS_FILE_BUFFERED)
/* Suits every file system that does not say what it wants. */
#define DEFAULT_ALIGNMENT 4096u

void ds_file_ref(struct ds_file *f)
{
	atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
}

static int32_t register_fd(struct ds_file *f, int fd)
{
	struct ds_io_engine *e = f->be->pipeline.engine;

	return fd >= 0 && e->ops->register_file ? e->ops->register_file(e, fd) : -1;
}

static void unregister(struct ds_file *f, int32_t slot)
{
	struct ds_io_engine *e = f->be->pipeline.engine;

	if (slot >= 0)
		e->ops->unregister_file(e, slot);
}

void ds_file_unref(struct ds_file *f)
{
	if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
		return;
	unregister(f, f->slot);
	unregister(f, f->direct_slot);
	if (f->direct_fd >= 0)
		close(f->direct_fd);
	close(f->fd);
	ds_backend_unref(f->be);
	free(f);
}

void ds_file_close(struct ds_file *f)
{
	if (f)
		ds_file_unref(f);
}

static bool is_usable_alignment(uint32_t a)
{
	return a && !(a & (a - 1)) && a <= DS_STAGING_ALIGNMENT;
}

/* What direct I/O on the descriptor asks for; false: it does not work there. */
static bool get_alignment(int fd, uint32_t *memory, uint32_t *offset)
{
	*memory = DEFAULT_ALIGNMENT;
	*offset = DEFAULT_ALIGNMENT;
#ifdef STATX_DIOALIGN
	{
		struct statx stx;

		if (!statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) &&
		    stx.stx_mask & STATX_DIOALIGN) {
			*memory = stx.stx_dio_mem_align;
			*offset = stx.stx_dio_offset_align;
		}
	}
#endif
	return is_usable_alignment(*memory) && is_usable_alignment(*offset);
}

/* A second descriptor on the same file, with O_DIRECT; -1 where that is not possible. */
static int open_direct(int fd, bool is_writable)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, (is_writable ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC);
}

static bool wants_direct(const struct ds_backend *be, uint32_t flags)
{
	if (flags & (DS_FILE_DIRECT | DS_FILE_BUFFERED))
		return flags & DS_FILE_DIRECT;
	return be->direct == DS_DIRECT_ON ||
	       (be->direct == DS_DIRECT_AUTO && be->pipeline.engine->ops->is_cached);
}

static void setup_direct(struct ds_file *f)
{
	struct ds_service *sv = &f->be->service;

	if (!get_alignment(f->fd, &f->memory_alignment, &f->offset_alignment)) {
		ds_log(sv, DS_LOG_INFO, "file", "open", DS_OK, 0, 0,
		       "fd %d: the file system has no direct I/O; using the page cache", f->fd);
	} else {
		f->direct_fd = open_direct(f->fd, f->is_writable);
		if (f->direct_fd < 0)
			ds_log(sv, DS_LOG_INFO, "file", "open", DS_OK, errno, 0,
			       "fd %d: O_DIRECT is refused; using the page cache", f->fd);
	}
	if (f->direct_fd < 0) {
		f->memory_alignment = 0;
		f->offset_alignment = 0;
	}
}

static bool has_known_type(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

/* Takes over fd, also on failure. */
static ds_result make_file(struct ds_backend *be, int fd, uint32_t flags, struct ds_file **out)
{
	struct ds_file *f;

	if (!has_known_type(fd)) {
		close(fd);
		return DS_ERR_BAD_FILE;
	}
	f = calloc(1, sizeof(*f));
	if (!f) {
		close(fd);
		return DS_ERR_NO_MEMORY;
	}
	atomic_init(&f->refs, 1);
	f->be = be;
	f->fd = fd;
	f->direct_fd = -1;
	f->is_writable = flags & DS_FILE_WRITE;
	ds_backend_ref(be);
	if (wants_direct(be, flags))
		setup_direct(f);
	f->finds_cached = be->direct == DS_DIRECT_AUTO && !(flags & DS_FILE_DIRECT);
	f->slot = register_fd(f, f->fd);
	f->direct_slot = register_fd(f, f->direct_fd);
	*out = f;
	return DS_OK;
}

static bool are_flags_good(uint32_t flags)
{
	uint32_t both = DS_FILE_DIRECT | DS_FILE_BUFFERED;

	return !(flags & ~(uint32_t)KNOWN_FLAGS) && (flags & both) != both &&
	       (flags & DS_FILE_WRITE || !(flags & (DS_FILE_CREATE | DS_FILE_TRUNCATE)));
}

ds_result ds_file_open(struct ds_backend *be, const char *path, uint32_t flags,
		       struct ds_file **out)
{
	/* O_NONBLOCK: opening a FIFO must not hang. It means nothing to regular files. */
	int oflags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd;

	if (!be || !path || !out || !are_flags_good(flags))
		return DS_ERR_INVALID_ARGUMENT;
	oflags |= flags & DS_FILE_WRITE ? O_RDWR : O_RDONLY;
	oflags |= flags & DS_FILE_CREATE ? O_CREAT : 0;
	oflags |= flags & DS_FILE_TRUNCATE ? O_TRUNC : 0;
	fd = open(path, oflags, 0666);
	if (fd < 0)
		return ds_result_from_errno(errno);
	return make_file(be, fd, flags, out);
}

ds_result ds_file_from_fd(struct ds_backend *be, int fd, uint32_t flags, struct ds_file **out)
{
	int copy, mode;

	if (!be || !out || !are_flags_good(flags) || flags & (DS_FILE_CREATE | DS_FILE_TRUNCATE))
		return DS_ERR_INVALID_ARGUMENT;
	mode = fcntl(fd, F_GETFL);
	if (mode < 0)
		return DS_ERR_BAD_FILE;
	if ((mode & O_ACCMODE) == O_WRONLY && !(flags & DS_FILE_WRITE))
		return DS_ERR_BAD_FILE;
	if ((mode & O_ACCMODE) == O_RDONLY && flags & DS_FILE_WRITE)
		return DS_ERR_BAD_FILE;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return ds_result_from_errno(errno);
	return make_file(be, copy, flags, out);
}

ds_result ds_file_get_info(struct ds_file *f, struct ds_file_info *out)
{
	struct ds_file_info info = { .size = sizeof(info) };
	struct stat st;

	if (!f)
		return DS_ERR_INVALID_ARGUMENT;
	if (fstat(f->fd, &st))
		return ds_result_from_errno(errno);
	info.nbytes = (uint64_t)st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(f->fd, BLKGETSIZE64, &info.nbytes))
		return ds_result_from_errno(errno);
	info.is_direct = f->direct_fd >= 0 && !atomic_load(&f->is_direct_refused);
	info.memory_alignment = f->memory_alignment;
	info.offset_alignment = f->offset_alignment;
	return ds_copy_out(out, &info, sizeof(info), DS_FILE_INFO_SIZE_0);
}

static ds_result init_from_file(struct ds_io_target *io, struct ds_backend *be, struct ds_file *f,
				bool for_writing)
{
	if (!f || f->be != be)
		return DS_ERR_INVALID_ARGUMENT;
	if (for_writing && !f->is_writable)
		return DS_ERR_BAD_FILE;
	ds_file_ref(f);
	io->file = f;
	io->fd = f->fd;
	io->direct_fd = atomic_load_explicit(&f->is_direct_refused, memory_order_relaxed)
				? -1
				: f->direct_fd;
	io->slot = f->slot;
	io->direct_slot = f->direct_slot;
	io->finds_cached = f->finds_cached;
	io->memory_alignment = f->memory_alignment;
	io->offset_alignment = f->offset_alignment;
	return DS_OK;
}

static ds_result init_from_fd(struct ds_io_target *io, int fd, bool for_writing)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return DS_ERR_BAD_FILE;
	if ((flags & O_ACCMODE) == (for_writing ? O_RDONLY : O_WRONLY) || flags & O_PATH)
		return DS_ERR_BAD_FILE;
	/* A pipe or the like would keep an engine, and who cancels, waiting for ever. */
	if (!has_known_type(fd))
		return DS_ERR_BAD_FILE;
	io->file = NULL;
	io->fd = fd;
	io->direct_fd = -1;
	io->slot = -1;
	io->direct_slot = -1;
	io->finds_cached = false;
	/* The caller's own choice; then there is no page cache to fall back to. */
	if (flags & O_DIRECT) {
		io->direct_fd = fd;
		if (!get_alignment(fd, &io->memory_alignment, &io->offset_alignment))
			io->direct_fd = -1;
	}
	return DS_OK;
}

ds_result ds_io_target_init(struct ds_io_target *io, struct ds_backend *be,
			    const struct ds_location *loc, bool for_writing)
{
	if (loc->kind == DS_LOCATION_FILE)
		return init_from_file(io, be, loc->file, for_writing);
	return init_from_fd(io, loc->fd, for_writing);
}
