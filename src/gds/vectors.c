/* SPDX-License-Identifier: MIT */
/*
 * vectors.c: vectors by their index.
 *
 * Small ones are gathered: a batch of indices is sorted, those that lie close together in the
 * file are read by one preadv(), which puts each at its place in the result. For device memory
 * the result is made in host memory first, and a whole batch goes to the device in one request,
 * while the next batch is gathered. What is small in all is copied by the thread that runs the
 * job. Large vectors are requests of their own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "gds/internal.h"

#define LARGE_NBYTES  (256u << 10) /* a vector from which on gathering gains nothing */
/* The driver takes that much along with the call. */
#define LITTLE_NBYTES (64u << 10)
/* To read over a gap costs less than another system call. */
#define MAX_GAP	      4096u
#define MAX_IOVECS    128u
#define MAX_RUN	      (1u << 20)
#define PART_NBYTES   (256u << 10)
#define MIN_PART      64u /* vectors */
#define RADIX_BITS    11u
#define RADIX	      (1u << RADIX_BITS)

struct entry {
	uint64_t index;
	uint64_t position; /* in the batch */
};

/* A batch on its way: what the crew's parts share. */
struct batch {
	struct ds_gds_job *job;
	const struct ds_vector_job *v;
	struct entry *entries;
	uint64_t nr;
	uint64_t part_nr; /* entries of a part */
	unsigned char *out;
	_Atomic uint64_t nr_reads;
	atomic_int result; /* ds_result */
	atomic_int error;  /* errno */
};

/* ------------------------------------------------------------------ sorting */

/* By index, in as many passes as indices have digits; the result is in *entries. */
static void sort(struct entry **entries, struct entry **spare, uint64_t nr)
{
	uint64_t all = 0;

	for (uint64_t i = 0; i < nr; i++)
		all |= (*entries)[i].index;
	for (unsigned shift = 0; shift < 64 && all >> shift; shift += RADIX_BITS) {
		uint64_t counts[RADIX] = { 0 }, sum = 0;
		struct entry *from = *entries, *to = *spare;

		for (uint64_t i = 0; i < nr; i++)
			counts[from[i].index >> shift & (RADIX - 1)]++;
		for (unsigned d = 0; d < RADIX; d++) {
			uint64_t n = counts[d];

			counts[d] = sum;
			sum += n;
		}
		for (uint64_t i = 0; i < nr; i++)
			to[counts[from[i].index >> shift & (RADIX - 1)]++] = from[i];
		*entries = to;
		*spare = from;
	}
}

/* ------------------------------------------------------------------ reading */

static void batch_failed(struct batch *b, ds_result result, int err)
{
	int none = DS_OK;

	if (atomic_compare_exchange_strong(&b->result, &none, result))
		atomic_store(&b->error, err);
}

static uint64_t file_offset(const struct ds_vector_job *v, uint64_t index)
{
	return v->offset + index * v->stride_nbytes;
}

static unsigned char *place_of(const struct batch *b, const struct entry *e)
{
	return b->out + e->position * b->v->vector_nbytes;
}

/* One vector, however many pieces the kernel gives it in. */
static bool read_one(struct batch *b, int fd, const struct entry *e)
{
	unsigned char *to = place_of(b, e);
	uint64_t offset = file_offset(b->v, e->index), left = b->v->vector_nbytes;

	while (left) {
		ssize_t n = pread(fd, to, left, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			batch_failed(b, n ? DS_ERR_IO : DS_ERR_END_OF_FILE, n ? errno : 0);
			return false;
		}
		to += n;
		offset += (uint64_t)n;
		left -= (uint64_t)n;
	}
	return true;
}

/* What a run of entries reads: their vectors, and the gaps between, into nothing of use. */
struct run {
	struct iovec iov[MAX_IOVECS];
	int nr_iov;
	uint64_t begin;
	uint64_t end;
};

/* Whether the entry can be part of the run; then it is. */
static bool add_to_run(struct run *r, const struct batch *b, const struct entry *e,
		       unsigned char *waste)
{
	uint64_t at = file_offset(b->v, e->index), gap = at - r->end;

	if (r->nr_iov) {
		if (at < r->end || gap > MAX_GAP || at + b->v->vector_nbytes - r->begin > MAX_RUN ||
		    (unsigned)r->nr_iov + 2 > MAX_IOVECS)
			return false;
		if (gap)
			r->iov[r->nr_iov++] = (struct iovec){ waste, gap };
	} else {
		r->begin = at;
	}
	r->iov[r->nr_iov++] = (struct iovec){ place_of(b, e), b->v->vector_nbytes };
	r->end = at + b->v->vector_nbytes;
	return true;
}

/*
 * Reads entries from `first` on that make a run, and copies duplicates. Returns where the next run
 * begins; 0 after a failure.
 */
static uint64_t read_run(struct batch *b, int fd, uint64_t first, uint64_t last)
{
	unsigned char waste[MAX_GAP];
	struct run r = { .nr_iov = 0 };
	const struct entry *e = b->entries;
	uint64_t i;
	ssize_t n;

	for (i = first; i < last; i++) {
		bool is_duplicate = i > first && e[i].index == e[i - 1].index;

		if (!is_duplicate && !add_to_run(&r, b, &e[i], waste))
			break;
	}
	n = preadv(fd, r.iov, r.nr_iov, (off_t)r.begin);
	atomic_fetch_add_explicit(&b->nr_reads, 1, memory_order_relaxed);
	for (uint64_t k = first; k < i; k++) {
		bool is_duplicate = k > first && e[k].index == e[k - 1].index;

		/* A short one may have ended anywhere. */
		if (is_duplicate)
			memcpy(place_of(b, &e[k]), place_of(b, &e[k - 1]), b->v->vector_nbytes);
		else if (n < 0 || (uint64_t)n != r.end - r.begin)
			if (!read_one(b, fd, &e[k]))
				return 0;
	}
	return i;
}

static void read_part(void *arg, uint32_t part)
{
	struct batch *b = arg;
	int fd = ds_manager_file_lane(b->v->file, part);
	uint64_t first = part * b->part_nr;
	uint64_t last = ds_min_u64(first + b->part_nr, b->nr);

	while (first < last && !atomic_load_explicit(&b->result, memory_order_relaxed) &&
	       !atomic_load_explicit(&b->job->wants_cancel, memory_order_relaxed)) {
		first = read_run(b, fd, first, last);
		if (!first)
			return;
	}
}

/* ----------------------------------------------------------------- gathering */

/* The two buffers that batches take turns in. */
static ds_result need_buffers(struct ds_workspace *w, size_t nbytes)
{
	if (w->buffer_nbytes >= nbytes)
		return DS_OK;
	for (unsigned i = 0; i < 2; i++) {
		if (w->buffers[i])
			ds_pages_unmap(w->buffers[i], w->buffer_nbytes);
		w->buffers[i] = NULL;
	}
	w->buffer_nbytes = 0;
	for (unsigned i = 0; i < 2; i++) {
		w->buffers[i] = ds_pages_map(nbytes);
		if (!w->buffers[i]) {
			if (i)
				ds_pages_unmap(w->buffers[0], nbytes);
			w->buffers[0] = NULL;
			return DS_ERR_NO_MEMORY;
		}
	}
	w->buffer_nbytes = nbytes;
	return DS_OK;
}

/* A batch of indices in their order, which is made while the batch before is read. */
struct sorted {
	struct entry *entries;
	struct entry *spare;
	uint64_t first;
	uint64_t nr; /* 0: there is none left */
};

struct gather {
	struct ds_gds_job *job;
	struct ds_queue *queue;
	bool is_device;
	uint64_t batch_nr; /* vectors of a batch */
	struct sorted sorted[2];
	uint64_t ids[2]; /* of the requests out of the buffers; 0: none */
};

/* Waits for the request that reads a buffer. */
static void wait_for_buffer(struct gather *ga, unsigned i)
{
	while (ga->ids[i]) {
		struct ds_completion c = DS_COMPLETION_INIT;
		uint32_t nr = 0;

		ds_queue_wait(ga->queue, &c, 1, 1, DS_WAIT_FOREVER, &nr);
		if (!nr)
			return;
		for (unsigned k = 0; k < 2; k++) {
			if (ga->ids[k] == c.id)
				ga->ids[k] = 0;
		}
		ds_job_ended(ga->job, &c);
		ga->job->report.operations--;
		ga->job->report.path_nbytes[DS_GDS_PATH_GATHERED] += c.bytes_transferred;
		if (c.bytes_transferred)
			ds_job_progress(ga->job, c.bytes_transferred);
	}
}

static void upload(struct gather *ga, unsigned i, uint64_t first, uint64_t nr)
{
	struct ds_gds_job *job = ga->job;
	const struct ds_vector_job *v = &job->vectors;
	uint64_t nbytes = nr * v->vector_nbytes;
	struct ds_request r = DS_REQUEST_INIT;
	ds_result ret;

	r.source.kind = DS_LOCATION_MEMORY;
	r.source.data = job->space->buffers[i];
	r.source.nbytes = nbytes;
	r.destination = ds_job_destination(job, v->destination + first * v->vector_nbytes, nbytes);
	r.priority = job->cfg.priority;
	ret = ds_queue_enqueue(ga->queue, &r, &ga->ids[i]);
	if (ret) {
		ga->ids[i] = 0;
		ds_job_fail(job, ret, "the copy to the device was refused: %s",
			    ds_result_message(ret));
		return;
	}
	ds_queue_submit(ga->queue);
	/* Cancelled since the last look: then nobody has seen this request. */
	if (atomic_load(&job->wants_cancel))
		ds_queue_cancel_all(ga->queue);
}

/* The batch from `first` on. */
static void prepare(struct gather *ga, struct sorted *to, uint64_t first)
{
	const struct ds_vector_job *v = &ga->job->vectors;

	to->first = first;
	to->nr = first < v->nr ? ds_min_u64(ga->batch_nr, v->nr - first) : 0;
	for (uint64_t i = 0; i < to->nr; i++)
		to->entries[i] =
			(struct entry){ v->indices ? v->indices[first + i] : v->first + first + i,
					i };
	if (v->indices)
		sort(&to->entries, &to->spare, to->nr);
}

/* Reads a batch, and prepares the next one meanwhile. */
static void gather_batch(struct gather *ga, const struct sorted *now, struct sorted *next,
			 unsigned char *out)
{
	struct ds_gds_job *job = ga->job;
	const struct ds_vector_job *v = &job->vectors;
	uint64_t part = PART_NBYTES / v->vector_nbytes;
	struct batch b = {
		.job = job,
		.v = v,
		.entries = now->entries,
		.nr = now->nr,
		.part_nr = part > MIN_PART ? part : MIN_PART,
		.out = out,
	};
	struct ds_crew_task task = {
		.run = read_part,
		.arg = &b,
		.nr_parts = (uint32_t)((now->nr + b.part_nr - 1) / b.part_nr),
	};

	ds_crew_begin(&job->g->crew, &task);
	prepare(ga, next, now->first + now->nr);
	ds_crew_finish(&job->g->crew, &task);
	job->report.operations += atomic_load(&b.nr_reads);
	if (atomic_load(&job->wants_cancel))
		ds_job_fail(job, DS_ERR_CANCELLED, "the job was cancelled");
	else if (atomic_load(&b.result))
		ds_job_fail(job, atomic_load(&b.result), "vectors could not be read: %s",
			    atomic_load(&b.error) ? strerror(atomic_load(&b.error))
						  : "the file ends before");
}

/* So little that to hand it over would take longer than to wait for its copy. */
static void deliver_little(struct gather *ga, const void *from, const struct sorted *s)
{
	struct ds_gds_job *job = ga->job;
	const struct ds_vector_job *v = &job->vectors;
	uint64_t nbytes = s->nr * v->vector_nbytes;
	ds_result ret = ds_gds_memory_write(
		job->g->be, v->destination + s->first * v->vector_nbytes, from, nbytes);

	if (ret) {
		ds_job_fail(job, ret, "the copy to the device failed: %s", ds_result_message(ret));
		return;
	}
	job->report.path_nbytes[DS_GDS_PATH_GATHERED] += nbytes;
	ds_job_progress(job, nbytes);
}

static void deliver(struct gather *ga, unsigned turn, const struct sorted *s)
{
	struct ds_gds_job *job = ga->job;
	uint64_t nbytes = s->nr * job->vectors.vector_nbytes;

	if (!ga->is_device) {
		job->report.path_nbytes[DS_GDS_PATH_HOST] += nbytes;
		ds_job_progress(job, nbytes);
	} else if (job->total_nbytes <= LITTLE_NBYTES) {
		deliver_little(ga, job->space->buffers[turn], s);
	} else {
		upload(ga, turn, s->first, s->nr);
	}
}

static void gather_all(struct gather *ga)
{
	struct ds_gds_job *job = ga->job;
	const struct ds_vector_job *v = &job->vectors;
	unsigned turn = 0;

	prepare(ga, &ga->sorted[0], 0);
	for (; ga->sorted[turn].nr && !job->report.result; turn ^= 1) {
		const struct sorted *now = &ga->sorted[turn];
		unsigned char *out =
			(unsigned char *)(uintptr_t)v->destination + now->first * v->vector_nbytes;

		if (ga->is_device) {
			wait_for_buffer(ga, turn);
			out = job->space->buffers[turn];
		}
		if (!job->report.result)
			gather_batch(ga, now, &ga->sorted[turn ^ 1], out);
		if (!job->report.result)
			deliver(ga, turn, now);
	}
	if (job->report.result)
		ds_queue_cancel_all(ga->queue);
	wait_for_buffer(ga, 0);
	wait_for_buffer(ga, 1);
}

static uint64_t choose_batch(const struct ds_gds_job *job)
{
	const struct ds_vector_job *v = &job->vectors;
	uint64_t limit = job->g->batch_nbytes / v->vector_nbytes;
	/* So that there are some, and the copy of one overlaps with the gathering of the next. */
	uint64_t some = v->nr / 8 + 1;
	uint64_t least = (4u << 20) / v->vector_nbytes + 1;

	return ds_min_u64(limit ? limit : 1, some > least ? some : least);
}

static ds_result need_entries(struct gather *ga)
{
	for (unsigned i = 0; i < 2; i++) {
		struct sorted *s = &ga->sorted[i];

		s->entries = malloc(ga->batch_nr * sizeof(*s->entries));
		s->spare = malloc(ga->batch_nr * sizeof(*s->spare));
		if (!s->entries || !s->spare)
			return DS_ERR_NO_MEMORY;
	}
	return DS_OK;
}

void ds_job_gather(struct ds_gds_job *job)
{
	struct gather ga = {
		.job = job,
		.queue = job->space->queue,
		.is_device = job->cfg.memory == DS_GDS_MEMORY_DEVICE,
		.batch_nr = ds_min_u64(choose_batch(job), job->vectors.nr),
	};
	ds_result ret = need_entries(&ga);

	if (!ret && ga.is_device)
		ret = need_buffers(job->space,
				   ds_manager_round_up(ga.batch_nr * job->vectors.vector_nbytes,
						       LITTLE_NBYTES));
	if (ret)
		ds_job_fail(job, ret, "there is no memory to gather vectors in");
	else
		gather_all(&ga);
	if (ga.is_device)
		ds_job_why(job, job->vectors.file->why);
	for (unsigned i = 0; i < 2; i++) {
		free(ga.sorted[i].entries);
		free(ga.sorted[i].spare);
	}
}

/* --------------------------------------------------------------- public calls */

/* Checks the set; fills in all but the indices. */
static ds_result read_set(struct ds_gds *g, const struct ds_gds_vectors *user, uint64_t nr,
			  uint64_t destination, struct ds_vector_job *v, uint64_t *nr_vectors)
{
	struct ds_gds_vectors set;
	uint64_t room, stride, fit;
	ds_result ret = user ? ds_copy_config(&set, sizeof(set), user, sizeof(set))
			     : DS_ERR_INVALID_ARGUMENT;

	if (ret)
		return ret;
	stride = set.stride_nbytes ? set.stride_nbytes : set.vector_nbytes;
	if (!set.file || set.file->g != g || set.reserved || !set.vector_nbytes ||
	    stride < set.vector_nbytes || (nr && !destination))
		return DS_ERR_INVALID_ARGUMENT;
	if (nr > UINT64_MAX / 2 / set.vector_nbytes ||
	    nr * set.vector_nbytes > UINT64_MAX - destination || nr > UINT32_MAX)
		return DS_ERR_OUT_OF_RANGE;
	room = set.file->nbytes > set.offset ? set.file->nbytes - set.offset : 0;
	fit = room < set.vector_nbytes ? 0 : (room - set.vector_nbytes) / stride + 1;
	if (set.nr_vectors > fit)
		return DS_ERR_OUT_OF_RANGE;
	*nr_vectors = set.nr_vectors ? set.nr_vectors : fit;
	*v = (struct ds_vector_job){
		.file = set.file,
		.offset = set.offset,
		.vector_nbytes = set.vector_nbytes,
		.stride_nbytes = stride,
		.nr = nr,
		.destination = destination,
	};
	return DS_OK;
}

/* Requests instead of gathering: one for each stretch that is adjacent in file and result. */
static ds_result make_ranges(struct ds_gds_job *job)
{
	const struct ds_vector_job *v = &job->vectors;

	job->ranges = calloc((size_t)v->nr + 1, sizeof(*job->ranges));
	if (!job->ranges)
		return DS_ERR_NO_MEMORY;
	for (uint64_t i = 0; i < v->nr; i++) {
		uint64_t index = v->indices ? v->indices[i] : v->first + i;
		uint64_t offset = file_offset(v, index);
		struct ds_job_range *r = &job->ranges[job->nr_ranges];

		if (job->nr_ranges && r[-1].offset + r[-1].nbytes == offset) {
			r[-1].nbytes += v->vector_nbytes;
			continue;
		}
		*r = (struct ds_job_range){
			.file = v->file,
			.offset = offset,
			.nbytes = v->vector_nbytes,
			.address = v->destination + i * v->vector_nbytes,
		};
		job->nr_ranges++;
	}
	return DS_OK;
}

static bool is_worth_gathering(const struct ds_vector_job *v)
{
	return v->nr && v->vector_nbytes < LARGE_NBYTES &&
	       (v->indices || v->stride_nbytes != v->vector_nbytes ||
		v->nr * v->vector_nbytes <= LITTLE_NBYTES);
}

/* Takes over v->indices. One item: the result. */
static ds_result begin(struct ds_gds *g, struct ds_vector_job *v,
		       const struct ds_gds_job_config *cfg, struct ds_gds_job **out)
{
	struct ds_gds_job *job;
	ds_result ret = ds_job_create(g, cfg, 1, &job);

	if (ret) {
		free(v->indices);
		return ret;
	}
	ds_manager_file_ref(v->file);
	job->vectors = *v;
	job->total_nbytes = v->nr * v->vector_nbytes;
	job->items[0].address = v->destination;
	job->items[0].out_nbytes = job->total_nbytes;
	job->nr_items = 1;
	job->is_vectors = is_worth_gathering(v);
	if (!job->is_vectors)
		ret = make_ranges(job);
	if (ret) {
		ds_job_unref(job);
		return ret;
	}
	return ds_job_begin(job, out);
}

ds_result ds_gds_prefetch_vectors(struct ds_gds *g, const struct ds_gds_vectors *set,
				  const uint64_t *indices, uint64_t nr, uint64_t destination,
				  const struct ds_gds_job_config *cfg, struct ds_gds_job **out)
{
	struct ds_vector_job v;
	uint64_t nr_vectors;
	ds_result ret;

	if (!g || !out || (nr && !indices))
		return DS_ERR_INVALID_ARGUMENT;
	ret = read_set(g, set, nr, destination, &v, &nr_vectors);
	for (uint64_t i = 0; !ret && i < nr; i++)
		ret = indices[i] < nr_vectors ? DS_OK : DS_ERR_OUT_OF_RANGE;
	if (ret)
		return ret;
	v.indices = malloc((nr + 1) * sizeof(*indices));
	if (!v.indices)
		return DS_ERR_NO_MEMORY;
	if (nr)
		memcpy(v.indices, indices, nr * sizeof(*indices));
	return begin(g, &v, cfg, out);
}

ds_result ds_gds_read_vectors(struct ds_gds *g, const struct ds_gds_vectors *set, uint64_t first,
			      uint64_t nr, uint64_t destination,
			      const struct ds_gds_job_config *cfg, struct ds_gds_job **out)
{
	struct ds_vector_job v;
	uint64_t nr_vectors;
	ds_result ret;

	if (!g || !out)
		return DS_ERR_INVALID_ARGUMENT;
	ret = read_set(g, set, nr, destination, &v, &nr_vectors);
	if (!ret && (first > nr_vectors || nr > nr_vectors - first))
		ret = DS_ERR_OUT_OF_RANGE;
	if (ret)
		return ret;
	v.first = first;
	return begin(g, &v, cfg, out);
}
