/* SPDX-License-Identifier: MIT */
/*
 * pipeline.h: what happens to a request between its submit and its end.
 *
 * Submitted requests wait in the scheduler, by priority. The scheduler cuts them
 * into operations for the engine, as many as the engine wants in flight, and takes
 * staging memory for those that need it. Bytes that have arrived in staging memory
 * go to the workers, who decode or copy them to the destination; little that only has to
 * be copied is copied by the thread that has read it.
 *
 *	scheduler.c  which request is next, and who may start now
 *	issue.c	     the next operation or window of one request
 *	cold_choice.c  whether what is not cached goes straight or through staging memory
 *	io_done.c    what an operation's result means
 *	window.c     windows: staging memory on its way through a worker
 *	handoff.c    windows on their way through a device without addresses
 *	decode_choice.c	 whether the workers or the device decode
 *	workers.c    the threads that decode and copy
 *
 * Locks, in this order, each may be taken while the earlier ones are held:
 *	backend's queue list, queue, pipeline, (engine's), workers; markers.
 */
#ifndef DS_CORE_PIPELINE_H
#define DS_CORE_PIPELINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "core/backend.h"
#include "core/request.h"
#include "core/staging.h"
#include "core/stats.h"

#define DS_NR_LEVELS	      4
#define DS_NR_WINDOWS	      256 /* staging windows and memory copies at one time */
#define DS_NR_STREAMS	      16  /* streams larger than a window at one time */
#define DS_NR_PART_STREAMS    4	  /* of those, with a decoder that keeps a window of its own */
#define DS_MAX_STREAM_WINDOWS 4	  /* windows in flight for one of them */
#define DS_MAX_LATE	      128 /* windows that wait to be read by their worker, of DS_NR_WINDOWS */
#define DS_MAX_RETRIES	      64 /* EINTR and EAGAIN in a row, for one operation */
#define DS_MAX_WINDOW_OPS     32
#define DS_MAX_WINDOW_UNITS   512
#define DS_STAGING_ALIGNMENT  4096u
/* The largest head of a stream of units: GDeflate's 65535 tiles. */
#define DS_STREAM_HEAD_NBYTES DS_CODEC_MAX_HEAD_NBYTES

/* For smaller reads there is no choice: they go straight. */
#define DS_COLD_MIN_NBYTES (64u << 10)

/* See cold_choice.c. All zero is a valid start: what has been seen of neither way is staged. */
struct ds_cold_choice {
	uint32_t span;	  /* of the reads that are made now */
	bool is_straight; /* this span's way */
	bool is_try;
	uint64_t turn_nbytes;  /* the last turn's length; 0 before the first decision */
	uint64_t left_nbytes;  /* of the turn */
	unsigned nr_open;      /* reads under way, of any span */
	unsigned nr_open_here; /* of this span */
	unsigned nr_staged;    /* of any span, that hold staging memory */
	uint64_t last_ns;      /* one was done */
	/* What has been measured of this span, while only its own reads were under way. */
	bool is_measuring;
	bool is_measured; /* once at least */
	uint64_t begin_ns;
	uint64_t idle_ns; /* the caller wanted nothing */
	uint64_t nbytes;
	double ns_per_byte[2]; /* lately; staged, straight */
};

/* A read whose way was chosen, until its bytes are where they belong. */
struct ds_cold_read {
	struct ds_cold_choice *choice; /* NULL: there was none */
	uint32_t span;
	bool is_staged;
};

/* One operation of the engine. The pipeline's lock guards the free list and is_out. */
struct ds_op {
	struct ds_io_op io;
	struct ds_list link; /* in the free list */
	struct ds_op *next;  /* of those that a thread has to free */
	bool is_out;	     /* made for slot, and not free again */
	struct ds_pipeline *pl;
	struct ds_slot *slot;
	struct ds_window *window; /* NULL: straight between the file and the caller's memory */
	uint32_t wanted;	  /* bytes of io.nbytes that must be there; the rest is alignment */
	uint32_t skipped;	  /* of those, before the request's own: alignment as well */
	uint32_t all_nbytes;	  /* io.nbytes at the start; io moves on with short results */
	uint32_t done_nbytes;
	uint32_t retries;
	bool is_head;		  /* reads the head of a stream */
	struct ds_cold_read cold; /* straight */
};

enum ds_window_kind {
	DS_WINDOW_COPY,	 /* bytes as they are */
	DS_WINDOW_WHOLE, /* a whole stream, decoded at once or by its units */
	DS_WINDOW_UNITS, /* some units of a stream */
	DS_WINDOW_FEED,	 /* the next part of a stream without units */
	DS_WINDOW_FETCH, /* bytes from a device, to be written to a file */
};

/*
 * Bytes on their way to the destination: in staging memory, or in the source
 * memory itself. Owned by the request; passed from the scheduler to the engine to
 * the workers, never held by two at a time but for the workers' shared counters.
 */
struct ds_window {
	struct ds_list link; /* free list (pipeline lock), or workers' queue (workers' lock) */
	struct ds_slot *slot;
	enum ds_window_kind kind;
	unsigned char *staging; /* NULL: bytes lie in the caller's source memory */
	size_t staging_nbytes;
	const unsigned char *bytes; /* where the wanted bytes begin */
	uint64_t src_offset;	    /* relative to the source's beginning */
	uint64_t src_nbytes;
	atomic_uint reads;	       /* outstanding */
	_Atomic uint64_t valid_nbytes; /* COPY: of src_nbytes, up to where a read stopped */
	const void *head;	       /* units: the stream's head */
	/*
	 * Decoded bytes on their way to a target that codecs cannot write; NULL: they write to
	 * the target.
	 */
	unsigned char *out;
	uint64_t out_room;
	uint64_t out_offset; /* of what is in there now, relative to the target */
	uint64_t out_nbytes;
	bool on_device;		    /* WHOLE, UNITS: the device decodes */
	bool is_late;		    /* WHOLE: its worker reads it, when it has its turn */
	bool is_fed;		    /* FEED: all of it has been taken, and given out */
	bool is_touching;	    /* FETCH: until the write is done */
	size_t fed_nbytes;	    /* FEED: how much has been taken */
	struct ds_op *write;	    /* FETCH: what comes next */
	struct ds_cold_read cold;   /* COPY */
	uint64_t cpu_decode_nbytes; /* counted in the pipeline's cpu_decode_queued */
	uint32_t first_unit;
	uint32_t nr_units;  /* of the window */
	uint32_t all_units; /* of the stream */
	uint64_t sequence;  /* FEED: order */
	struct ds_device_op device_op;
	/* Workers. */
	atomic_uint next_unit;
	unsigned nr_joined; /* guarded by the workers' lock */
	unsigned max_join;
};

/* A stream that does not fit a window. Taken and given back under the pipeline's lock. */
struct ds_stream {
	bool is_used;
	bool is_in_parts;	   /* counted in nr_part_streams */
	unsigned char *head;	   /* mapped; touched only as far as a stream's head reaches */
	unsigned char *head_bytes; /* where it begins, after alignment */
	void *context;		   /* of codec */
	const struct ds_codec *codec;
	/* FEED order; guarded by the pipeline's lock. */
	uint64_t next_issue;
	uint64_t next_feed;
	struct ds_window *ready[DS_MAX_STREAM_WINDOWS];
	/* Of the one feeding worker: */
	bool is_begun;
	size_t produced;
};

struct ds_workers {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t wake;
	struct ds_list queue; /* windows that want a worker */
	unsigned nr_idle;
	bool is_stopping;
	unsigned nr;
	pthread_t *threads;
	struct ds_pipeline *pl;
};

/* A share of the engine that a priority level has left in this round, in bytes. */
struct ds_level {
	struct ds_list slots;
	int64_t credit;
};

struct ds_pipeline {
	struct ds_backend *be;
	struct ds_io_engine *engine;
	struct ds_device *device;
	const struct ds_codec *const *codecs;
	uint64_t chunk_nbytes;
	uint64_t window_nbytes; /* the most staging memory that a window takes, normally */
	/* Staging memory beyond which no more bytes are read that a device only has to copy. */
	uint64_t copy_limit_nbytes;

	pthread_mutex_t lock; /* guards all below, and each slot's progress fields */
	struct ds_level levels[DS_NR_LEVELS];
	unsigned nr_waiting;	       /* slots on the levels' lists */
	struct ds_cold_choice cold[2]; /* of smaller and of large reads */
	unsigned ops_in_flight;
	uint64_t bytes_in_flight;
	struct ds_list free_ops;
	struct ds_list free_windows;
	unsigned nr_late;    /* windows that their workers read, until they end */
	unsigned late_pause; /* so many requests are read by the engine before a worker tries */
	struct ds_staging staging;
	struct ds_slot *hungry; /* wants more than a window; nobody else gets staging before it */
	struct ds_op *ops;
	unsigned nr_ops;
	struct ds_window *windows;
	struct ds_stream streams[DS_NR_STREAMS];
	unsigned nr_part_streams;

	struct ds_workers workers;

	/* What the workers have to decode, and how fast one of them is; see decode_choice.c. */
	_Atomic uint64_t cpu_decode_queued; /* bytes that come out */
	_Atomic uint64_t cpu_ns_per_mib;
};

ds_result ds_pipeline_init(struct ds_pipeline *pl, struct ds_backend *be,
			   const struct ds_backend_config *cfg,
			   const struct ds_backend_parts *parts);
void ds_pipeline_fini(struct ds_pipeline *pl);

/* scheduler.c */

/* Takes a list of SUBMITTED slots, linked by `link`; the pipeline then owns one hold of each. */
void ds_scheduler_add(struct ds_pipeline *pl, struct ds_list *slots);
/* Starts what may start. No lock held. */
void ds_scheduler_run(struct ds_pipeline *pl);
/*
 * A slot of this generation was cancelled after its submit: takes it off the scheduler's list, and back
 * from the engine what that has not begun. No lock held but queues'.
 */
void ds_pipeline_drop(struct ds_pipeline *pl, struct ds_slot *s, uint32_t generation);
/* Drops one unit of work; the last one ends the request. No lock held. */
void ds_pipeline_work_done(struct ds_slot *s);
/* Ends a touch; ends the request if that was what it waited for. No lock held. */
void ds_pipeline_touch_end(struct ds_slot *s);
/* Back on the list after parking. With the lock. */
void ds_scheduler_unpark(struct ds_pipeline *pl, struct ds_slot *s);
/* Back on the list, with a unit of work, as the next one of its level. With the lock. */
void ds_scheduler_put_first(struct ds_pipeline *pl, struct ds_slot *s);

/* issue.c */

enum ds_issue {
	DS_ISSUE_MORE,	  /* something was made; there is more */
	DS_ISSUE_LAST,	  /* nothing more will come of this request */
	DS_ISSUE_PARK,	  /* nothing more until one of its windows or its head is done */
	DS_ISSUE_PASSED,  /* nothing more, and the scheduler's unit of work is the window's now */
	DS_ISSUE_BLOCKED, /* staging memory, a window or a stream is missing */
};

/* What one round of the scheduler makes; started once the lock is released. */
struct ds_batch {
	struct ds_io_op *first;
	struct ds_io_op *last;
	struct ds_list windows; /* without reads */
	uint64_t nbytes;
};

/* Makes the next operation or window of a RUNNING slot. With the lock. */
enum ds_issue ds_issue_next(struct ds_pipeline *pl, struct ds_slot *s, struct ds_batch *batch);

/* cold_choice.c; with the lock. */

/* The one for reads of that size. */
struct ds_cold_choice *ds_cold_choice_of(struct ds_pipeline *pl, uint64_t nbytes);
/* Whether the next read is to go straight. */
bool ds_cold_is_straight(struct ds_cold_choice *c);
/* It sets out so. */
void ds_cold_start(struct ds_cold_choice *c, struct ds_cold_read *r, uint64_t nbytes,
		   uint64_t now_ns);
/* So many bytes of it have come where they belong. The clock was read with the lock: it goes forward. */
void ds_cold_done(struct ds_cold_read *r, uint64_t nbytes, uint64_t now_ns);
/* Whether any that was made so holds staging memory. */
bool ds_cold_has_staged(const struct ds_pipeline *pl);

/* io_done.c */

/*
 * Around a row of ds_op_done() calls on one thread: operations are freed, and waiters woken, once
 * and not for each. See ds_io_config.
 */
void ds_io_batch_begin(void);
void ds_io_batch_end(void);
void ds_op_done(struct ds_io_op *io, int res);
/* The engine gave the operation back unbegun; it is on no list. No lock held. */
void ds_op_dropped(struct ds_op *op);

/* window.c */
struct ds_window *ds_window_alloc(struct ds_pipeline *pl, struct ds_slot *s,
				  enum ds_window_kind kind, size_t staging_nbytes);
/*
 * By a late window's worker: reads its bytes, or finds that nobody wants them any more. False: the
 * window is gone, and its request back with the scheduler, to be read by the engine. No lock held.
 */
bool ds_window_read_late(struct ds_window *w);
/* One without reads sets out. No lock held. */
void ds_window_begin(struct ds_window *w);
/* Copies what has arrived of a COPY window to the target, by whoever touches its request. */
void ds_window_copy(struct ds_window *w);
/* One of its reads has ended. No lock held. */
void ds_window_read_done(struct ds_window *w);
/*
 * Checks the head of a stream that is in the window as a whole, and notes its units; 0 of them on
 * failure.
 */
ds_result ds_window_plan(struct ds_window *w);
/* A worker has done its part. No lock held. */
void ds_window_worked(struct ds_window *w);
/* Nobody uses it any more: frees it, and goes on with its request. No lock held. */
void ds_window_end(struct ds_window *w);
/* A FEED window has been decoded, or skipped: the next one's turn. No lock held. */
void ds_window_fed(struct ds_window *w);
/* The head of a stream has been read. No lock held. */
void ds_stream_head_done(struct ds_slot *s);
/* Gives a stream back. With the lock. */
void ds_stream_free(struct ds_pipeline *pl, struct ds_stream *st);

/* handoff.c: no lock held. */

/* Whether the device does something with the window once its bytes are in staging memory. */
bool ds_window_is_for_device(const struct ds_window *w);
/* Whether a worker has to copy it from the source memory into staging memory before that. */
bool ds_window_is_copied_in(const struct ds_window *w);
/* Starts what the device does; ends the window when there is nothing to do. */
void ds_window_hand_over(struct ds_window *w);
/* Begins a FETCH window. */
void ds_window_fetch(struct ds_window *w);
/* The write of a FETCH window has ended, or will not be. */
void ds_window_written(struct ds_window *w);
/*
 * All bytes of the slot are where they belong. True: its target needed a last operation, which was
 * started, and whose end drops one more unit of work.
 */
bool ds_target_finish(struct ds_slot *s);
/* Gives back what the device and the core keep for a slot's target. */
void ds_target_release(struct ds_pipeline *pl, struct ds_slot *s);

/* decode_choice.c: any thread. */

/* Whether the device is to decode the next nbytes that come out of the slot's codec. */
bool ds_decode_on_device(struct ds_pipeline *pl, const struct ds_slot *s, uint64_t nbytes);
/* The workers have to decode so much of this window; and it has ended. */
void ds_decode_queued(struct ds_pipeline *pl, struct ds_window *w, uint64_t nbytes);
void ds_decode_unqueued(struct ds_pipeline *pl, struct ds_window *w);
/* One worker took so long for so much. */
void ds_decode_measured(struct ds_pipeline *pl, uint64_t nbytes, uint64_t ns);

/* workers.c */
ds_result ds_workers_init(struct ds_workers *wk, struct ds_pipeline *pl, unsigned nr);
void ds_workers_fini(struct ds_workers *wk);
void ds_workers_push(struct ds_workers *wk, struct ds_window *w);

#endif /* DS_CORE_PIPELINE_H */
