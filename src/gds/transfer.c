/* SPDX-License-Identifier: MIT */
/*
 * transfer.c: a job's ranges as requests of its queue.
 *
 * Large ranges are cut into pieces, so that there is progress to tell, and a way taken for
 * each. There are never more requests than the queue takes, so enqueueing never waits.
 */
#include <stdio.h>

#include "gds/internal.h"

#define MIN_PIECE_NBYTES (4u << 20)
#define MAX_PIECE_NBYTES (64u << 20)
#define NR_PIECES	 64u /* of a large range, roughly */
#define MAX_IN_FLIGHT	 (DS_QUEUE_ROOM / 2)
#define MAX_BYTES	 (512u << 20) /* in flight; more would only keep a cancel busy */
#define TELL_EVERY_NS	 10000000u
#define MAX_TAKEN	 32u

struct transfer {
	struct ds_gds_job *job;
	struct ds_queue *queue;
	uint32_t range; /* the next piece is of this one */
	uint64_t at;	/* and begins there */
	uint64_t piece_nbytes;
	unsigned in_flight;
	uint64_t nbytes_in_flight;
	uint64_t untold_nbytes;
	uint64_t told_ns;
	bool is_stopped; /* nothing more is begun */
};

struct ds_location ds_job_destination(const struct ds_gds_job *job, uint64_t address,
				      uint64_t nbytes)
{
	struct ds_location to = { .nbytes = nbytes };

	if (job->cfg.memory == DS_GDS_MEMORY_HOST) {
		to.kind = DS_LOCATION_MEMORY;
		to.data = (void *)(uintptr_t)address;
	} else {
		to.kind = DS_LOCATION_CUDA;
		to.object = address;
	}
	return to;
}

static uint32_t path_of(const struct ds_gds_job *job, const struct ds_completion *c)
{
	if (job->cfg.memory == DS_GDS_MEMORY_HOST)
		return DS_GDS_PATH_HOST;
	switch (c->path) {
	case DS_PATH_DIRECT_STAGED:
		return DS_GDS_PATH_DIRECT;
	case DS_PATH_PEER:
		return DS_GDS_PATH_GDS;
	default:
		return DS_GDS_PATH_BUFFERED;
	}
}

void ds_job_ended(struct ds_gds_job *job, const struct ds_completion *c)
{
	char text[200];

	job->report.operations++;
	if (c->status == DS_STATUS_COMPLETE)
		return;
	if (c->status == DS_STATUS_CANCELLED && atomic_load(&job->wants_cancel))
		ds_job_fail(job, DS_ERR_CANCELLED, "the job was cancelled");
	else
		ds_job_fail(job, c->result, "%s", ds_completion_describe(c, text, sizeof(text)));
}

/* ------------------------------------------------------------------ beginning */

static uint64_t choose_piece(const struct ds_gds_job *job)
{
	uint64_t n = ds_manager_round_up(job->total_nbytes / NR_PIECES + 1, MIN_PIECE_NBYTES);

	return ds_min_u64(n, MAX_PIECE_NBYTES);
}

/* The request of the next piece; false when there is none left. */
static bool next_piece(struct transfer *t, struct ds_request *r)
{
	const struct ds_job_range *range;
	uint64_t n;

	if (t->range == t->job->nr_ranges)
		return false;
	range = &t->job->ranges[t->range];
	n = range->nbytes - t->at;
	/* Pieces end where those of the file do, for the sake of direct reads. */
	if (!range->codec)
		n = ds_min_u64(n, t->piece_nbytes - (range->offset + t->at) % t->piece_nbytes);
	*r = (struct ds_request)DS_REQUEST_INIT;
	r->source.kind = DS_LOCATION_FILE;
	r->source.file = range->file->file;
	r->source.offset = range->offset + t->at;
	r->source.nbytes = n;
	r->destination = ds_job_destination(t->job, range->address + t->at,
					    range->codec ? range->out_nbytes : n);
	r->codec = range->codec;
	r->uncompressed_nbytes = range->codec ? range->out_nbytes : 0;
	r->priority = t->job->cfg.priority;
	r->user_data = range->file;
	return true;
}

static void stop(struct transfer *t)
{
	if (t->is_stopped)
		return;
	t->is_stopped = true;
	ds_queue_cancel_all(t->queue);
}

static void begin_more(struct transfer *t)
{
	struct ds_request r;
	bool has_any = false;

	while (!t->is_stopped && t->in_flight < MAX_IN_FLIGHT && t->nbytes_in_flight < MAX_BYTES &&
	       next_piece(t, &r)) {
		const struct ds_job_range *range = &t->job->ranges[t->range];
		ds_result ret = ds_queue_enqueue(t->queue, &r, NULL);

		if (ret) {
			ds_job_fail(t->job, ret, "a read of %llu bytes at %llu was refused: %s",
				    (unsigned long long)r.source.nbytes,
				    (unsigned long long)r.source.offset, ds_result_message(ret));
			stop(t);
			return;
		}
		has_any = true;
		t->in_flight++;
		t->nbytes_in_flight += r.destination.nbytes;
		t->at += r.source.nbytes;
		if (t->at >= range->nbytes) {
			t->range++;
			t->at = 0;
		}
	}
	if (has_any)
		ds_queue_submit(t->queue);
}

/* -------------------------------------------------------------------- ending */

static void take_one(struct transfer *t, const struct ds_completion *c)
{
	struct ds_gds_job *job = t->job;
	const struct ds_gds_file *f = c->user_data;
	uint32_t path = path_of(job, c);

	t->in_flight--;
	t->nbytes_in_flight -= ds_min_u64(c->bytes_transferred, t->nbytes_in_flight);
	ds_job_ended(job, c);
	job->report.path_nbytes[path] += c->bytes_transferred;
	t->untold_nbytes += c->bytes_transferred;
	if (path != DS_GDS_PATH_GDS && path != DS_GDS_PATH_HOST)
		ds_job_why(job, f->why);
}

static void tell(struct transfer *t, bool is_last)
{
	uint64_t now = ds_now_ns();

	if (!t->untold_nbytes || (!is_last && now - t->told_ns < TELL_EVERY_NS))
		return;
	ds_job_progress(t->job, t->untold_nbytes);
	t->untold_nbytes = 0;
	t->told_ns = now;
}

static void take_some(struct transfer *t)
{
	struct ds_completion c[MAX_TAKEN];
	uint32_t nr = 0;

	for (unsigned i = 0; i < MAX_TAKEN; i++)
		c[i] = (struct ds_completion)DS_COMPLETION_INIT;
	ds_queue_wait(t->queue, c, MAX_TAKEN, 1, DS_WAIT_FOREVER, &nr);
	for (uint32_t i = 0; i < nr; i++)
		take_one(t, &c[i]);
	if (!t->in_flight)
		t->nbytes_in_flight = 0;
}

void ds_job_transfer(struct ds_gds_job *job)
{
	struct transfer t = {
		.job = job,
		.queue = job->space->queue,
		.piece_nbytes = choose_piece(job),
		.told_ns = ds_now_ns(),
	};

	for (;;) {
		if (job->report.result || atomic_load(&job->wants_cancel))
			stop(&t);
		begin_more(&t);
		if (!t.in_flight)
			break;
		take_some(&t);
		tell(&t, false);
	}
	tell(&t, true);
	/* Cancelled between two requests. */
	if (t.is_stopped)
		ds_job_fail(job, DS_ERR_CANCELLED, "the job was cancelled");
}
