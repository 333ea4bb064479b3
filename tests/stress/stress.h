/* SPDX-License-Identifier: MIT */
/*
 * stress.h: what the two halves of the stress test share.
 *
 * job.c knows what one request looks like, what may become of it and what its memory must
 * hold; stress.c drives threads, queues and cancels.
 */
#ifndef TESTS_STRESS_STRESS_H
#define TESTS_STRESS_STRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ds_runtime.h"
#include "support/testdata.h"

enum {
	SLOT_NBYTES = 160 * 1024,   /* memory of a usual request */
	LARGE_NBYTES = 2560 * 1024, /* and of a large one */
	NR_SLOTS = 60,		    /* of each thread; the last of them are large */
	NR_LARGE = 4,
	RING = 16384, /* jobs that a thread remembers, to see late callbacks */
	CANARY = 0x5a,
};

enum job_kind {
	JOB_READ,
	JOB_READ_LARGE,
	JOB_READ_PAST_END,
	JOB_DECODE,
	JOB_DECODE_CORRUPT,
	JOB_WRITE,
	JOB_COPY,
	NR_JOB_KINDS,
};

/* What all threads work on. Constant while they run. */
struct world {
	struct ds_backend *be;
	bool is_fake;
	struct tempdir dir;
	struct ds_file *data;	 /* pattern bytes, buffered */
	struct ds_file *direct;	 /* the same file, direct */
	struct ds_file *chosen;	 /* and as the runtime likes */
	struct ds_file *streams; /* compressed ones behind each other */
	struct ds_file *out;	 /* each thread writes a part of its own */
	int out_fd;
	struct {
		uint64_t offset;
		uint64_t nbytes;
		uint64_t uncompressed_nbytes;
		uint64_t seed;
		uint32_t codec;
		bool is_corrupt;
	} stream[32];
	unsigned nr_streams;
	unsigned nr_good_streams; /* these come first */
};

/* One request and all that is known of it. Lives in its thread's ring. */
struct job {
	struct worker *worker;
	struct ds_queue *q;
	uint64_t id;
	enum job_kind kind;
	int slot; /* -1: given back */
	uint64_t nbytes;
	uint64_t seed;
	uint64_t offset;
	bool has_callback;
	bool is_strong; /* a cancel call has said that it is over; the memory is ours */
	uint8_t *src;	/* what was written or copied from, inside the slot */
	uint8_t *dst;
	struct job *victim; /* the callback cancels this one */
	uint64_t victim_id;

	/* Set by whoever takes the result; ends is released last. */
	uint32_t status;
	ds_result result;
	int32_t sys_errno;
	uint64_t bytes_transferred;
	atomic_uint ends;
	atomic_uint callbacks;
	atomic_bool is_gone; /* its queue has been destroyed */
};

struct slot {
	uint8_t *data;
	uint64_t nbytes;
	bool is_used;
	bool is_unmapped;
	uint64_t canary_nbytes; /* 0: no canary lies there */
};

struct worker {
	struct world *world;
	unsigned index;
	uint64_t random;
	struct slot slots[NR_SLOTS];
	struct job *ring;
	uint64_t nr_jobs;
	uint64_t by_kind[NR_JOB_KINDS];
	uint64_t by_status[DS_STATUS_CANCELLED + 1];
};

void world_create(struct world *w, unsigned nr_threads);
void world_destroy(struct world *w);

void worker_init(struct worker *wk, struct world *w, unsigned index, uint64_t seed);
void worker_fini(struct worker *wk);

/* A new job of a random kind with its request; NULL when all memory is in use. */
struct job *job_new(struct worker *wk, struct ds_request *r);
/* It was refused: as if it had never been. */
void job_drop(struct job *job);
/* Records a result from a completion list. */
void job_ended(const struct ds_completion *c);
/* A cancel call has returned true: nothing may touch the memory from now on. */
void job_seal(struct job *job);
/* All is known: checks it, and gives the memory back. */
void job_check(struct job *job);
/* The queue is gone, with or without a result. */
void job_check_gone(struct job *job);

#endif /* TESTS_STRESS_STRESS_H */
