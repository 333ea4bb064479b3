/* SPDX-License-Identifier: MIT */
/*
 * cufile.h: an I/O engine on cuFile: files straight into device memory.
 *
 * It wraps another engine, which does everything else. cuFile is told not to fall back by
 * itself to its compatibility mode, which is slower than the runtime's own staged path: so what
 * it reads, it reads directly. A file or a read that it refuses goes through host memory, and
 * that is said.
 */
#ifndef DS_IO_CUFILE_H
#define DS_IO_CUFILE_H

#include "core/io_engine.h"

enum ds_cufile_state {
	DS_CUFILE_READY,
	DS_CUFILE_NO_LIBRARY,
	DS_CUFILE_BAD_LIBRARY,
	DS_CUFILE_OLD_LIBRARY,	 /* it cannot be told to leave the compatibility mode alone */
	DS_CUFILE_COMPATIBILITY, /* nothing else would work here */
	DS_CUFILE_FAILED,
};

struct ds_cufile_info {
	enum ds_cufile_state state;
	int code;	       /* CUfileOpError of what failed, or 0 */
	int version;	       /* 1000 * major + 10 * minor */
	unsigned nvfs_version; /* major << 16 | minor; 0: nvidia-fs is not in use */
	char why[256];	       /* unless READY */
};

/*
 * Looks for cuFile. asks_itself: its driver is opened even where nothing on this machine could
 * make it work, which takes its time. The CUDA driver must have been initialised before. Only
 * READY leaves the driver open: one ds_cufile_close() for each.
 */
void ds_cufile_look(const char *library, bool asks_itself, struct ds_cufile_info *info);
void ds_cufile_close(void);

/* The engine's arg. */
struct ds_cufile_settings {
	unsigned nr_threads; /* 0: 16 */
	/* The engine that is wrapped, as in struct ds_backend_parts. */
	int (*inner_create)(const void *arg, const struct ds_io_config *cfg,
			    struct ds_io_engine **out);
	const void *inner_arg;
	/* Makes the device usable on an engine's thread. 0 or -errno. */
	int (*enter_thread)(void *device);
	/* Host memory to device memory; waits. 0 or -errno. */
	int (*copy_in)(void *device, uint64_t to, const void *from, size_t nbytes);
	/* One sentence for the log. */
	void (*note)(void *device, const char *message);
	void *device;
};

/* After a look that was READY; takes its opened driver over, also on failure. 0 or -errno. */
int ds_cufile_create(const void *arg, const struct ds_io_config *cfg, struct ds_io_engine **out);

#endif /* DS_IO_CUFILE_H */
