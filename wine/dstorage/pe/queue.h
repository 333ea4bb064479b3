/* SPDX-License-Identifier: MIT */
/*
 * queue.h: a queue's slots, requests and markers, below its COM methods.
 *
 * Everything that is enqueued takes a slot until it has ended. Requests end in any order.
 * Markers (status, signal, event) cut the queue into segments: a marker fires when all
 * requests of its segment have ended, it was submitted, and no earlier marker is left.
 *
 * A request's stages:
 *
 *	PENDING   enqueued, not submitted
 *	WAITING   submitted; a fence of the program's has not reached its value, or a resource is
 *		  not ready for the runtime
 *	READY     submitted; waits for staging memory, or for room in the Unix half
 *	READING   the Unix half has it
 *	PLACING   read; the pump, or the GPU, decodes it and brings it to where it belongs
 *	OFFERED   the program decompresses it
 *
 * READING and PLACING are "busy": the runtime may touch the program's memory.
 */
#ifndef DSTORAGE_QUEUE_H
#define DSTORAGE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "dstorage/include/dstorage.h"
#include "decode.h"

struct file;
struct gpu;
struct gpu_range;
struct fence_wait;
struct share;
struct status_array;

enum stage {
	STAGE_FREE,
	STAGE_PENDING,
	STAGE_WAITING,
	STAGE_READY,
	STAGE_READING,
	STAGE_PLACING,
	STAGE_OFFERED,
};

struct request {
	struct ds_list link; /* of the list of its stage */
	struct queue *queue;
	enum stage stage;
	UINT8 transform;    /* DSTORAGE_GACL_SHUFFLE_TRANSFORM_TYPE */
	UINT8 nr_tries;	    /* reads that ended with an unwritable destination */
	bool is_gpu;	    /* the destination is the GPU's */
	bool is_custom;	    /* the program decompresses it */
	bool is_native;	    /* the runtime brings it into the GPU's buffer itself; see share.h */
	bool needs_staging; /* has to wait for staging memory before it starts */
	bool can_be_gpus;   /* the GPU could decode it */
	bool must_be_gpus;  /* and the CPU shall not */
	bool is_gpus;	    /* the GPU decodes it: its range gets the stream */
	bool is_cpus;	    /* counted as what the CPU has to decode */
	bool is_handed_out; /* OFFERED, and the program has it */
	bool is_cancelled;  /* to end as soon as nothing is under way for it */
	UINT32 segment;	    /* index of the segment that it belongs to */
	UINT64 sequence;    /* its place in the queue's order, over its whole life */
	UINT64 unix_id;	    /* READING: its id in the Unix half */
	UINT64 custom_id;   /* OFFERED: its id for the program */
	HRESULT result;	    /* what was wrong with it when enqueued; later, how its copy went */
	UINT64 nbytes;	    /* that arrive, decompressed */
	void *read_block;   /* staging memory for what is read, or NULL */
	UINT64 read_nbytes;
	void *block; /* staging memory for what arrives, or NULL */
	struct gpu_range *range;
	UINT64 vk_buffer; /* is_native: where it goes, and the offset there */
	UINT64 vk_offset;
	UINT64 settle_value; /* of the GPU's fence, when its resource can be written there */
	struct decode_place decoded;
	struct file *file;
	ID3D12Resource *resource;
	struct fence_wait *wait;
	DSTORAGE_REQUEST desc;
	CHAR name[DSTORAGE_REQUEST_MAX_NAME];
};

enum marker_kind {
	MARKER_STATUS,
	MARKER_SIGNAL,
	MARKER_EVENT,
};

struct marker {
	enum marker_kind kind;
	HRESULT refused; /* what was wrong with it when it was enqueued */
	UINT64 sequence;
	UINT64 value;			   /* SIGNAL */
	UINT32 index;			   /* STATUS */
	IDStorageStatusArray *array_param; /* as the program gave it; for the error record */
	struct status_array *array;
	ID3D12Fence *fence;
	HANDLE event_param;
	HANDLE event; /* a duplicate: the program may close its own */
};

struct segment {
	UINT32 nr_requests; /* that have not ended */
	bool is_submitted;
	HRESULT error; /* of the first request to fail, in the queue's order */
	UINT64 error_sequence;
	struct marker marker;
};

struct queue {
	IDStorageQueue3 iface;
	LONG refs;
	struct ds_list link; /* of the core's list */
	uint64_t unix_queue;
	uint64_t native_queue; /* on the program's own Vulkan device, or 0 */
	struct gpu *gpu;       /* or NULL */
	DSTORAGE_QUEUE_DESC desc;
	CHAR name[64];
	HANDLE error_event;

	SRWLOCK lock;		    /* guards all that follows */
	CONDITION_VARIABLE changed; /* a slot was freed, or something is busy no longer */
	bool is_closed;
	bool is_released; /* and the program has no reference any more */
	bool is_firing;	  /* a thread is signalling markers */
	bool is_starved;  /* READY requests wait for room in the Unix half */
	UINT32 nr_used;	  /* slots */
	UINT32 nr_unsubmitted;
	UINT32 nr_busy;
	UINT32 nr_handed_out; /* once closed: requests that the program still decompresses */
	UINT64 next_sequence;
	struct request *requests;
	UINT32 nr_touched; /* requests[] from here on were never used */
	struct ds_list free;
	struct ds_list pending;
	struct ds_list waiting;
	struct ds_list settling; /* WAITING too, but for nothing of the program's */
	struct ds_list ready;	 /* can start at once */
	struct ds_list native;	 /* the same, is_native */
	struct ds_list staged;	 /* READY too, but needs staging memory; in order */

	UINT64 settle_value; /* what requests of this pass wait for, or 0 */

	struct segment *segments;
	UINT32 nr_segments;
	UINT64 head, submitted, open; /* segments, counted over the queue's life */
	HRESULT status_error;	      /* of the segments fired since the last status marker */

	UINT64 failure_sequence; /* of record.FirstFailure */
	DSTORAGE_ERROR_RECORD record;
};

/* queue.c */
HRESULT queue_create(const DSTORAGE_QUEUE_DESC *desc, REFIID riid, void **ppv);
/* With nothing in it any more, and without its lock. */
void queue_free(struct queue *q);

/* slots.c: with the lock */
struct request *queue_take_slot(struct queue *q);
bool queue_take_marker_slot(struct queue *q);
void queue_add_request(struct queue *q, struct request *r);
void queue_add_marker(struct queue *q, const struct marker *m);
void queue_submit(struct queue *q);
/* The CPU has decoded the request, or will not. */
void queue_uncount_decoding(struct request *r);
/* The request has ended, well, or with a failure; or cancelled, which is neither. */
void queue_end_request(struct request *r, HRESULT hr);
/* Fires what is due. Drops the lock meanwhile. */
void queue_fire(struct queue *q);
void marker_release(struct marker *m);

/* failures.c: with the lock */
void queue_note_request_failure(struct request *r, HRESULT hr);
void queue_note_marker_failure(struct queue *q, const struct marker *m, HRESULT hr);
void queue_reset_record(struct queue *q);

/* check.c: fills in what follows from the description, or says what is wrong with it. */
HRESULT request_check(struct request *r);

/* start.c: with the lock */
void queue_start(struct queue *q);
/* The request, which is on no list, is READY; or waits for its resource. */
void queue_make_ready(struct request *r);
/* WAITING requests that wait no more become READY. */
void queue_wake_waiting(struct queue *q);

/* place.c: without locks; the request is PLACING and nobody else's. */
void request_place(struct request *r);
/* After the program has decompressed it. */
void request_place_custom(struct request *r, HRESULT hr);
/* Ends it and fires what that allows. */
void request_finish(struct request *r, HRESULT hr);

/* cancel.c: without locks */
void queue_cancel_tagged(struct queue *q, UINT64 mask, UINT64 value);
/* Cancels everything, waits until nothing is busy, and drops all markers. */
void queue_close(struct queue *q);
/* Waits until everything submitted has ended, but for what waits for the program. */
void queue_drain(struct queue *q);

/* pump.c */
HRESULT pump_start(void);
/* A queue has requests that wait for room in the Unix half, which no event announces. */
void pump_note_starved(void);

#endif /* DSTORAGE_QUEUE_H */
