/* SPDX-License-Identifier: MIT */
/*
 * uring_priv.h: the io_uring engine's insides.
 *
 *	uring.c		the engine: sharding, cancelling, files and memory
 *	uring_worker.c	a worker: its ring, its loop
 *	uring_batch.c	how many completions it waits for at once
 *	uring_probe.c	is it there, and if not why
 *
 * Each worker thread makes its ring and is the only one to touch it. Operations wait
 * in the worker's queue, under its lock, where they can be taken back; only as many as
 * its budget allows are given to the kernel, which cannot be talked out of a file read.
 */
#ifndef DS_IO_URING_PRIV_H
#define DS_IO_URING_PRIV_H

#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>

#include "io/uring.h"
#include "io/uring_batch.h"

#define DS_URING_FILES	       4096 /* slots of registered files */
#define DS_URING_BUFFERS       64   /* slots of registered memory; 0 is the staging memory */
/* The kernel registers at most 1 GiB as one buffer. */
#define DS_URING_BUFFER_NBYTES (UINT64_C(1) << 30)

/* engine_data while an operation waits: worker index * 2 + this. Changed under its lock. */
#define DS_URING_WAITING 1u

#define DS_URING_SHARE_ONE 65536u

/* Something that only the ring's own thread may do. */
enum uring_command_kind {
	URING_SET_FILE,
	URING_SET_BUFFER,
};

struct uring_command {
	struct uring_command *next;
	enum uring_command_kind kind;
	unsigned slot;
	int fd;		  /* SET_FILE; -1 empties the slot */
	struct iovec iov; /* SET_BUFFER; NULL empties it */
	/* SET_BUFFER: who waits for it owns the command. SET_FILE: the worker frees it. */
	struct uring_wait *wait;
};

struct uring_wait {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t done;
	unsigned nr_left;
	int err;
};

struct uring_region {
	unsigned char *data;
	size_t nbytes;
};

struct uring_worker {
	struct uring_engine *engine;
	unsigned index;
	pthread_t thread;
	int wake_fd;
	_Atomic uint64_t load_nbytes; /* waiting and in flight: for sharding */
	atomic_uint load_ops;

	pthread_mutex_t lock; /* guards down to is_stopping */
	pthread_cond_t made;
	struct ds_io_op *first;
	struct ds_io_op *last;
	struct uring_command *commands; /* in order */
	struct uring_command *last_command;
	/* The thread is, or will be, inside the kernel, and new operations wake it through wake_fd. */
	bool wants_wake;
	bool is_made;
	int make_err;
	bool is_stopping;

	/* The thread's own. */
	struct io_uring ring;
	uint64_t wake_value;
	bool is_wake_armed;
	bool has_timeout; /* the kernel can wait for several completions with a timeout */
	bool has_fixed_buffers;
	bool has_fixed_files;
	unsigned in_flight;
	uint64_t bytes_in_flight;
	unsigned level; /* see uring_batch.h */
	struct uring_region regions[DS_URING_BUFFERS];
	unsigned nr_regions; /* slots above are empty */
};

struct uring_engine {
	struct ds_io_engine base;
	struct ds_io_config cfg;
	struct ds_uring_settings set;
	struct uring_worker *workers;
	unsigned nr_workers;

	/* How much of what might be cached has been lately; DS_URING_SHARE_ONE: all. */
	atomic_uint cached_share;

	pthread_mutex_t lock; /* guards the tables below */
	unsigned char file_used[DS_URING_FILES];
	unsigned file_hint;
	struct uring_region regions[DS_URING_BUFFERS];
};

/* Starts the thread and waits until its ring is there. 0 or -errno. */
int ds_uring_worker_start(struct uring_worker *w);
/* Ends the thread. Its queue is empty and nothing is in flight. */
void ds_uring_worker_stop(struct uring_worker *w);
/* Once all threads have ended: until then another one may be about to wake this one. */
void ds_uring_worker_fini(struct uring_worker *w);
/* Adds operations (linked by next), and wakes the thread if need be. */
void ds_uring_worker_push(struct uring_worker *w, struct ds_io_op *list);
void ds_uring_worker_command(struct uring_worker *w, struct uring_command *c);
/* The worker that the calling thread is, or NULL. */
struct uring_worker *ds_uring_worker_current(void);

/* Says in one sentence why setting up a ring gave -err. */
void ds_uring_explain(int err, char *why, size_t why_nbytes);

#endif /* DS_IO_URING_PRIV_H */
