/* SPDX-License-Identifier: MIT */
/* file.c: files open for the manager, and which way their bytes will take. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "gds/internal.h"

#define PAGE_NBYTES	  4096u
#define CACHE_PART_NBYTES (1u << 30)

void ds_manager_file_ref(struct ds_gds_file *f)
{
	atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
}

void ds_manager_file_unref(struct ds_gds_file *f)
{
	if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
		return;
	ds_file_close(f->file);
	for (unsigned i = 0; i < DS_FILE_LANES; i++) {
		if (atomic_load(&f->lanes[i]) >= 0)
			close(atomic_load(&f->lanes[i]));
	}
	close(f->fd);
	free(f);
}

int ds_manager_file_lane(struct ds_gds_file *f, uint32_t number)
{
	atomic_int *lane = &f->lanes[number % DS_FILE_LANES];
	int fd = atomic_load_explicit(lane, memory_order_acquire), none = -1;
	char path[40];

	if (fd >= 0)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return f->fd;
	if (atomic_compare_exchange_strong(lane, &none, fd))
		return fd;
	close(fd);
	return none;
}

void ds_gds_file_close(struct ds_gds_file *f)
{
	if (f)
		ds_manager_file_unref(f);
}

static void name_file_system(int fd, char *name, size_t room)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} known[] = {
		{ 0xef53, "ext4" },	    { 0x58465342, "xfs" },  { 0x9123683e, "btrfs" },
		{ 0x01021994, "tmpfs" },    { 0x6969, "nfs" },	    { 0x794c7630, "overlay" },
		{ 0x0bd00bd0, "lustre" },   { 0x2fc12fc1, "zfs" },  { 0x65735546, "fuse" },
		{ 0x858458f6, "ramfs" },    { 0xf2f52010, "f2fs" }, { 0xff534d42, "cifs" },
		{ 0x47504653, "gpfs" },	    { 0x01021997, "9p" },   { 0xca451a4e, "bcachefs" },
		{ 0x6a656a63, "virtiofs" },
	};
	struct statfs fs;

	snprintf(name, room, "?");
	if (fstatfs(fd, &fs))
		return;
	snprintf(name, room, "%#lx", (unsigned long)fs.f_type);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].magic == (unsigned long)fs.f_type)
			snprintf(name, room, "%s", known[i].name);
	}
}

/* Why not the fastest path, as far as that is known without reading. */
static void explain(struct ds_gds_file *f)
{
	const struct ds_gds *g = f->g;

	if (!g->has_device)
		snprintf(f->why, sizeof(f->why), "no CUDA device is used: %.200s",
			 g->info.why_no_cuda);
	else if (g->info.cufile_state != DS_GDS_STATE_READY)
		snprintf(f->why, sizeof(f->why), "%s", g->info.why_no_cufile);
	else if (!f->alignment)
		snprintf(f->why, sizeof(f->why), "%s has no direct I/O here", f->file_system);
}

static ds_result from_errno(int err)
{
	switch (err) {
	case ENOENT:
	case ENOTDIR:
		return DS_ERR_NOT_FOUND;
	case EACCES:
	case EPERM:
		return DS_ERR_PERMISSION;
	case ENOMEM:
		return DS_ERR_NO_MEMORY;
	case EISDIR:
	case ENXIO:
		return DS_ERR_BAD_FILE;
	default:
		return DS_ERR_SYSTEM;
	}
}

ds_result ds_gds_file_open(struct ds_gds *g, const char *path, struct ds_gds_file **out)
{
	struct ds_file_info info = DS_FILE_INFO_INIT;
	struct ds_gds_file *f;
	ds_result ret;

	if (!g || !path || !out)
		return DS_ERR_INVALID_ARGUMENT;
	f = calloc(1, sizeof(*f));
	if (!f)
		return DS_ERR_NO_MEMORY;
	atomic_init(&f->refs, 1);
	for (unsigned i = 0; i < DS_FILE_LANES; i++)
		atomic_init(&f->lanes[i], -1);
	f->g = g;
	/* Not to wait for who opens the other end of a pipe. */
	f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ret = f->fd < 0 ? from_errno(errno) : ds_file_from_fd(g->be, f->fd, 0, &f->file);
	if (!ret)
		ret = ds_file_get_info(f->file, &info);
	if (ret) {
		ds_file_close(f->file);
		if (f->fd >= 0)
			close(f->fd);
		free(f);
		return ret;
	}
	f->nbytes = info.nbytes;
	f->alignment = info.is_direct ? info.offset_alignment : 0;
	name_file_system(f->fd, f->file_system, sizeof(f->file_system));
	explain(f);
	*out = f;
	return DS_OK;
}

/* Of [offset, offset + nbytes), by what mincore() tells. */
static uint64_t count_cached(int fd, uint64_t offset, uint64_t nbytes)
{
	size_t nr_pages = (size_t)((nbytes + PAGE_NBYTES - 1) / PAGE_NBYTES);
	void *p = mmap(NULL, nbytes, PROT_READ, MAP_SHARED, fd, (off_t)offset);
	unsigned char *pages = malloc(nr_pages);
	uint64_t cached = 0;

	if (p != MAP_FAILED && pages && !mincore(p, nbytes, pages)) {
		for (size_t i = 0; i < nr_pages; i++)
			cached += pages[i] & 1 ? PAGE_NBYTES : 0;
	}
	free(pages);
	if (p != MAP_FAILED)
		munmap(p, nbytes);
	return ds_min_u64(cached, nbytes);
}

static uint32_t expect_path(const struct ds_gds_file *f, uint64_t cached)
{
	const struct ds_gds *g = f->g;

	if (!g->has_device)
		return DS_GDS_PATH_HOST;
	if (!f->alignment || cached > f->nbytes / 2)
		return DS_GDS_PATH_BUFFERED;
	return g->info.cufile_state == DS_GDS_STATE_READY ? DS_GDS_PATH_GDS : DS_GDS_PATH_DIRECT;
}

ds_result ds_gds_file_get_info(struct ds_gds_file *f, struct ds_gds_file_info *out)
{
	struct ds_gds_file_info info = { .size = sizeof(info) };
	struct stat st;

	if (!f)
		return DS_ERR_INVALID_ARGUMENT;
	if (fstat(f->fd, &st))
		return DS_ERR_SYSTEM;
	info.nbytes = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : f->nbytes;
	for (uint64_t at = 0; at < info.nbytes; at += CACHE_PART_NBYTES)
		info.cached_nbytes +=
			count_cached(f->fd, at, ds_min_u64(CACHE_PART_NBYTES, info.nbytes - at));
	info.alignment = f->alignment;
	info.path = expect_path(f, info.cached_nbytes);
	memcpy(info.file_system, f->file_system, sizeof(info.file_system));
	memcpy(info.why, f->why, sizeof(info.why));
	return ds_copy_out(out, &info, sizeof(info), sizeof(info));
}
