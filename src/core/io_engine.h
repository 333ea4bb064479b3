/* SPDX-License-Identifier: MIT */
/*
 * io_engine.h: how file bytes are read and written.
 *
 * An engine executes single operations, in any order, and reports each exactly
 * once. It knows nothing of requests, codecs or devices. What a result means
 * (short reads, EINTR, end of file) is the pipeline's business, so an engine
 * makes one attempt and passes on what the kernel said.
 */
#ifndef DS_CORE_IO_ENGINE_H
#define DS_CORE_IO_ENGINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ds_io_engine;

enum ds_io_opcode {
	DS_IO_READ,
	DS_IO_WRITE,
};

/*
 * One operation. The core owns it and its fields; from start() until done the
 * engine may use `next`, `prev` and `engine_data` as it likes, and reads the rest.
 */
struct ds_io_op {
	struct ds_io_op *next;
	struct ds_io_op *prev;
	_Atomic uintptr_t engine_data; /* 0 when it is started */

	uint8_t opcode;	  /* enum ds_io_opcode */
	bool is_direct;	  /* fd is open with O_DIRECT, and the operation is aligned for it */
	bool is_staging;  /* buf lies in the backend's staging memory */
	bool is_for_peer; /* a read; buf is an address in a device's memory: see takes_peer() */
	uint8_t priority; /* 0 low to 3 realtime */
	/* Set by the engine: */
	bool used_fixed_buffer;
	bool used_fixed_file;
	bool used_peer; /* storage to device, without host memory */
	int fd;
	int32_t file_slot; /* of fd: what register_file() gave, or negative */
	uint32_t nbytes;
	uint64_t offset;
	void *buf;
	/*
	 * The same file through the page cache, or -1. The engine may read there instead when
	 * the range is cached: it then sets fd, file_slot and is_direct accordingly.
	 */
	int cached_fd;
	int32_t cached_slot;

	/*
	 * Reports the end: res is the number of bytes or -errno. Called once, by any
	 * thread, with no lock of the engine's held; may call start() again, for
	 * this very operation too.
	 */
	void (*done)(struct ds_io_op *op, int res);
};

struct ds_io_config {
	unsigned nr_workers; /* 0: the engine's default */
	void *staging;	     /* the backend's staging memory, for registration */
	size_t staging_nbytes;
	/* Called on each of the engine's threads, at its start and before its end. */
	void (*thread_start)(void *arg);
	void (*thread_stop)(void *arg);
	void *thread_arg;
	/*
	 * Around a row of done() calls on one thread: who waits for results is then woken once
	 * and not for each. Do not nest.
	 */
	void (*batch_begin)(void);
	void (*batch_end)(void);
	/* Where to write one sentence about why the engine cannot be made. */
	char *why;
	size_t why_nbytes;
};

struct ds_io_engine_ops {
	const char *name;

	/* Waits until all threads have ended. Only called when no operation is in flight. */
	void (*destroy)(struct ds_io_engine *e);

	/*
	 * Starts a list of operations, linked by `next`. Any thread, also inside done();
	 * never waits for I/O. Cannot fail: an operation that cannot be started is reported
	 * through its done().
	 */
	void (*start)(struct ds_io_engine *e, struct ds_io_op *list);

	/*
	 * Optional (NULL). Takes back an operation that has not begun. True: it
	 * is the caller's again, and done() is not called for it. False: done() will be
	 * called, or is being called. Any thread; never waits for I/O.
	 */
	bool (*cancel)(struct ds_io_engine *e, struct ds_io_op *op);

	/*
	 * Optional. A slot for an open descriptor, or -errno: then it is used without. Given
	 * back before the descriptor is closed, when no operation uses it. Do not wait for I/O.
	 */
	int (*register_file)(struct ds_io_engine *e, int fd);
	void (*unregister_file)(struct ds_io_engine *e, int slot);

	/*
	 * Optional; an engine that has it honours cached_fd. Whether a range can be read from
	 * the page cache. May be wrong in both directions; does not wait for I/O.
	 */
	bool (*is_cached)(struct ds_io_engine *e, int fd, uint64_t offset, uint64_t nbytes);

	/*
	 * Optional. Reads on the calling thread what the page cache has, if that takes no waiting. The
	 * number of bytes, fewer than asked for where the rest is not cached, or -errno: then
	 * the range is to be read by start(). Any thread.
	 */
	int (*read_cached)(struct ds_io_engine *e, int fd, void *buf, uint32_t nbytes,
			   uint64_t offset);

	/*
	 * Optional. Memory that will often be read into: pinned once instead of by each
	 * operation. 0 or -errno. Given back when no operation uses it.
	 */
	int (*register_memory)(struct ds_io_engine *e, void *data, size_t nbytes);
	int (*unregister_memory)(struct ds_io_engine *e, void *data);

	/*
	 * Optional. Whether reads of this descriptor (of O_DIRECT) may be for a device's memory. Those
	 * that turn out not to work go through host memory in the engine. Any thread; does not wait.
	 */
	bool (*takes_peer)(struct ds_io_engine *e, int fd);
};

/* Embedded first in each engine; container_of leads back. Constant after creation. */
struct ds_io_engine {
	const struct ds_io_engine_ops *ops;
	unsigned nr_workers;
	unsigned max_ops;	/* operations that it wants in flight at most */
	uint64_t max_nbytes;	/* and their bytes */
	bool has_fixed_buffers; /* staging memory is registered */
	bool has_fixed_files;
};

#endif /* DS_CORE_IO_ENGINE_H */
