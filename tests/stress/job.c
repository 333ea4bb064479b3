/* SPDX-License-Identifier: MIT */
/* job.c: random requests, what may become of them, and what their memory must hold then. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ds_gdeflate.h"
#include "stress/stress.h"
#include "support/random.h"
#include "support/require.h"
#if DS_HAVE_ZSTD
#include <zstd.h>
#endif

#define DATA_NBYTES (UINT64_C(8) << 20)
#define DATA_SEED   UINT64_C(42)
/* Where each thread writes; its slots have a place each. */
#define OUT_STRIDE  ((uint64_t)SLOT_NBYTES * NR_SLOTS)

/* ------------------------------------------------------------------ world */

static size_t compress(uint32_t codec, const void *plain, uint64_t nbytes, uint8_t **out)
{
	size_t got = 0;

	if (codec == DS_CODEC_GDEFLATE) {
		uint64_t room = ds_gdeflate_bound(nbytes);

		*out = malloc(room);
		REQUIRE(*out != NULL);
		REQUIRE_OK(ds_gdeflate_compress(1, plain, nbytes, *out, room, &got));
	}
#if DS_HAVE_ZSTD
	if (codec == DS_CODEC_ZSTD) {
		*out = malloc(ZSTD_compressBound(nbytes));
		REQUIRE(*out != NULL);
		got = ZSTD_compress(*out, ZSTD_compressBound(nbytes), plain, nbytes, 1);
		REQUIRE(!ZSTD_isError(got));
	}
#endif
	return got;
}

/* Corrupt ones are cut: that is an error whatever the bytes are. */
static void add_stream(struct world *w, int fd, uint32_t codec, uint64_t nbytes, bool is_corrupt)
{
	uint64_t seed = 100 + w->nr_streams;
	uint8_t *plain = malloc(nbytes), *bytes = NULL;
	off_t at = lseek(fd, 0, SEEK_END);
	size_t got;

	REQUIRE_CMP(w->nr_streams, <, 32);
	pattern_fill(plain, nbytes, seed, 0);
	got = compress(codec, plain, nbytes, &bytes);
	REQUIRE_CMP(got, >, 0);
	REQUIRE_CMP(write(fd, bytes, got), ==, got);
	w->stream[w->nr_streams].offset = (uint64_t)at;
	w->stream[w->nr_streams].nbytes = is_corrupt ? got - 8 : got;
	w->stream[w->nr_streams].uncompressed_nbytes = nbytes;
	w->stream[w->nr_streams].seed = seed;
	w->stream[w->nr_streams].codec = codec;
	w->stream[w->nr_streams].is_corrupt = is_corrupt;
	w->nr_streams++;
	free(bytes);
	free(plain);
}

static void make_streams(struct world *w, const char *path)
{
	static const uint64_t sizes[] = { 1, 3000, 65536, 70000, 150000 };
	static const uint32_t codecs[] = { DS_CODEC_GDEFLATE, DS_CODEC_ZSTD };
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	REQUIRE_CMP(fd, >=, 0);
	for (unsigned pass = 0; pass < 2; pass++) {
		for (size_t k = 0; k < 2; k++) {
#if !DS_HAVE_ZSTD
			if (codecs[k] == DS_CODEC_ZSTD)
				continue;
#endif
			if (!ds_backend_has_codec(w->be, codecs[k]))
				continue;
			for (size_t i = pass ? 2 : 0; i < 5; i++)
				add_stream(w, fd, codecs[k], sizes[i], pass == 1);
		}
		if (pass == 0)
			w->nr_good_streams = w->nr_streams;
	}
	close(fd);
}

void world_create(struct world *w, unsigned nr_threads)
{
	char path[128];

	tempdir_create(&w->dir);
	tempdir_path(&w->dir, "data", path, sizeof(path));
	file_write_pattern(path, DATA_NBYTES, DATA_SEED);
	REQUIRE_OK(ds_file_open(w->be, path, DS_FILE_BUFFERED, &w->data));
	REQUIRE_OK(ds_file_open(w->be, path, DS_FILE_DIRECT, &w->direct));
	REQUIRE_OK(ds_file_open(w->be, path, DS_FILE_READ, &w->chosen));
	tempdir_path(&w->dir, "streams", path, sizeof(path));
	make_streams(w, path);
	REQUIRE_OK(ds_file_open(w->be, path, DS_FILE_READ, &w->streams));
	tempdir_path(&w->dir, "out", path, sizeof(path));
	REQUIRE_OK(ds_file_open(w->be, path, DS_FILE_WRITE | DS_FILE_CREATE, &w->out));
	w->out_fd = open(path, O_RDWR | O_CLOEXEC);
	REQUIRE_CMP(w->out_fd, >=, 0);
	REQUIRE_CMP(ftruncate(w->out_fd, (off_t)(OUT_STRIDE * nr_threads)), ==, 0);
}

void world_destroy(struct world *w)
{
	ds_file_close(w->data);
	ds_file_close(w->direct);
	ds_file_close(w->chosen);
	ds_file_close(w->streams);
	ds_file_close(w->out);
	close(w->out_fd);
	tempdir_remove(&w->dir);
}

/* ------------------------------------------------------------------ slots */

static void slot_map(struct slot *s, int protection)
{
	int fixed = s->data ? MAP_FIXED : 0;
	void *p = mmap(s->data, s->nbytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0);

	REQUIRE(p != MAP_FAILED);
	s->data = p;
	s->is_unmapped = protection == PROT_NONE;
}

static int slot_take(struct worker *wk, bool is_large)
{
	int begin = is_large ? NR_SLOTS - NR_LARGE : 0;
	int end = is_large ? NR_SLOTS : NR_SLOTS - NR_LARGE;

	for (int i = begin; i < end; i++)
		if (!wk->slots[i].is_used) {
			wk->slots[i].is_used = true;
			return i;
		}
	return -1;
}

/* What was sealed must still be as it was. */
static void slot_give(struct worker *wk, struct job *job)
{
	struct slot *s;

	if (job->slot < 0)
		return;
	s = &wk->slots[job->slot];
	if (s->is_unmapped)
		slot_map(s, PROT_READ | PROT_WRITE);
	else if (s->canary_nbytes)
		REQUIRE(bytes_are(s->data, s->canary_nbytes, CANARY));
	s->canary_nbytes = 0;
	s->is_used = false;
	job->slot = -1;
}

void worker_init(struct worker *wk, struct world *w, unsigned index, uint64_t seed)
{
	memset(wk, 0, sizeof(*wk));
	wk->world = w;
	wk->index = index;
	wk->random = seed * 1000003 + index;
	wk->ring = calloc(RING, sizeof(*wk->ring));
	REQUIRE(wk->ring != NULL);
	for (int i = 0; i < NR_SLOTS; i++) {
		wk->slots[i].nbytes = i < NR_SLOTS - NR_LARGE ? SLOT_NBYTES : LARGE_NBYTES;
		slot_map(&wk->slots[i], PROT_READ | PROT_WRITE);
	}
}

/* The rule for callbacks, seen as late as possible: when the job is forgotten. */
static void check_callbacks(const struct job *job)
{
	unsigned calls = atomic_load(&job->callbacks);

	if (!job->has_callback || job->is_strong || job->status == DS_STATUS_CANCELLED)
		REQUIRE_CMP(calls, ==, 0);
	else if (job->status)
		REQUIRE_CMP(calls, ==, 1);
	else
		REQUIRE_CMP(calls, <=, 1);
	REQUIRE_CMP(atomic_load(&job->ends), <=, 1);
}

void worker_fini(struct worker *wk)
{
	uint64_t first = wk->nr_jobs > RING ? wk->nr_jobs - RING : 0;

	for (uint64_t i = first; i < wk->nr_jobs; i++)
		check_callbacks(&wk->ring[i % RING]);
	for (int i = 0; i < NR_SLOTS; i++) {
		REQUIRE(!wk->slots[i].is_used);
		munmap(wk->slots[i].data, wk->slots[i].nbytes);
	}
	free(wk->ring);
}

/* ------------------------------------------------------------------- jobs */

static void from_memory(struct ds_location *loc, const void *data, uint64_t nbytes)
{
	loc->kind = DS_LOCATION_MEMORY;
	loc->data = (void *)(uintptr_t)data;
	loc->nbytes = nbytes;
}

static void to_memory(struct ds_request *r, struct job *job)
{
	from_memory(&r->destination, job->dst, job->nbytes);
}

static void from_file(struct ds_request *r, struct ds_file *file, uint64_t offset, uint64_t nbytes)
{
	r->source.kind = DS_LOCATION_FILE;
	r->source.file = file;
	r->source.offset = offset;
	r->source.nbytes = nbytes;
}

static void make_read(struct worker *wk, struct job *job, struct ds_request *r, uint64_t most)
{
	struct world *w = wk->world;
	bool is_direct = random_chance(&wk->random, 200);
	bool is_chosen = random_chance(&wk->random, 300);

	job->nbytes = 1 + random_below(&wk->random, most);
	job->seed = DATA_SEED;
	job->offset = random_below(&wk->random, DATA_NBYTES - job->nbytes);
	if (random_chance(&wk->random, 300))
		job->offset &= ~UINT64_C(4095);
	if (job->kind == JOB_READ_PAST_END)
		job->offset = DATA_NBYTES - job->nbytes / 2;
	from_file(r,
		  is_direct   ? w->direct
		  : is_chosen ? w->chosen
			      : w->data,
		  job->offset, job->nbytes);
	to_memory(r, job);
}

static void make_decode(struct worker *wk, struct job *job, struct ds_request *r)
{
	struct world *w = wk->world;
	uint64_t i = random_below(&wk->random, w->nr_good_streams);

	if (job->kind == JOB_DECODE_CORRUPT)
		i = w->nr_good_streams +
		    random_below(&wk->random, w->nr_streams - w->nr_good_streams);
	job->nbytes = w->stream[i].uncompressed_nbytes;
	job->seed = w->stream[i].seed;
	from_file(r, w->streams, w->stream[i].offset, w->stream[i].nbytes);
	r->codec = w->stream[i].codec;
	r->uncompressed_nbytes = job->nbytes;
	to_memory(r, job);
}

static void make_write(struct worker *wk, struct job *job, struct ds_request *r)
{
	job->nbytes = 1 + random_below(&wk->random, 50000);
	job->seed = random_next(&wk->random) & 0xffff;
	job->offset = wk->index * OUT_STRIDE + (uint64_t)job->slot * SLOT_NBYTES;
	job->src = job->dst;
	pattern_fill(job->src, job->nbytes, job->seed, 0);
	from_memory(&r->source, job->src, job->nbytes);
	r->destination.kind = DS_LOCATION_FILE;
	r->destination.file = wk->world->out;
	r->destination.offset = job->offset;
}

static void make_copy(struct worker *wk, struct job *job, struct ds_request *r)
{
	job->nbytes = 1 + random_below(&wk->random, SLOT_NBYTES / 2);
	job->seed = random_next(&wk->random) & 0xffff;
	job->src = job->dst + SLOT_NBYTES / 2;
	pattern_fill(job->src, job->nbytes, job->seed, 0);
	from_memory(&r->source, job->src, job->nbytes);
	to_memory(r, job);
}

static enum job_kind random_kind(uint64_t *random)
{
	uint64_t n = random_below(random, 100);

	if (n < 45)
		return JOB_READ;
	if (n < 47)
		return JOB_READ_LARGE;
	if (n < 51)
		return JOB_READ_PAST_END;
	if (n < 73)
		return JOB_DECODE;
	if (n < 78)
		return JOB_DECODE_CORRUPT;
	return n < 90 ? JOB_WRITE : JOB_COPY;
}

/* Runs on the backend's thread, with nothing held; it may call whatever it likes. */
static void job_callback(void *user_data, const struct ds_completion *c)
{
	struct job *job = user_data;

	REQUIRE(!atomic_load(&job->is_gone));
	REQUIRE(c->status == DS_STATUS_COMPLETE || c->status == DS_STATUS_FAILED);
	REQUIRE_CMP(atomic_load(&job->callbacks), ==, 0);
	if (job->victim)
		ds_queue_try_cancel(job->q, job->victim_id);
	REQUIRE(!ds_queue_cancel(job->q, c->id));
	atomic_fetch_add(&job->callbacks, 1);
}

struct job *job_new(struct worker *wk, struct ds_request *r)
{
	struct job *job = &wk->ring[wk->nr_jobs % RING];
	enum job_kind kind = random_kind(&wk->random);
	int slot = slot_take(wk, kind == JOB_READ_LARGE);

	if (slot < 0)
		return NULL;
	if (wk->nr_jobs >= RING)
		check_callbacks(job);
	wk->nr_jobs++;
	memset(job, 0, sizeof(*job));
	job->worker = wk;
	job->kind = kind;
	job->slot = slot;
	job->dst = wk->slots[slot].data;
	*r = (struct ds_request)DS_REQUEST_INIT;
	if (kind == JOB_DECODE || kind == JOB_DECODE_CORRUPT)
		make_decode(wk, job, r);
	else if (kind == JOB_WRITE)
		make_write(wk, job, r);
	else if (kind == JOB_COPY)
		make_copy(wk, job, r);
	else
		make_read(wk, job, r, kind == JOB_READ_LARGE ? LARGE_NBYTES : 40000);
	r->user_data = job;
	r->tag = wk->index << 8 | random_below(&wk->random, 4);
	r->priority = (int32_t)random_below(&wk->random, 5);
	if (random_chance(&wk->random, 50))
		r->timeout_ns = 1 + random_below(&wk->random, 3000000);
	job->has_callback = random_chance(&wk->random, 500);
	if (job->has_callback)
		r->callback = job_callback;
	return job;
}

void job_drop(struct job *job)
{
	job->has_callback = false;
	slot_give(job->worker, job);
}

void job_ended(const struct ds_completion *c)
{
	struct job *job = c->user_data;

	REQUIRE_CMP(c->size, ==, sizeof(*c));
	REQUIRE_CMP(atomic_load(&job->ends), ==, 0);
	job->status = c->status;
	job->result = c->result;
	job->sys_errno = c->sys_errno;
	job->bytes_transferred = c->bytes_transferred;
	REQUIRE_CMP(atomic_fetch_add(&job->ends, 1), ==, 0);
}

void job_seal(struct job *job)
{
	struct slot *s;

	job->is_strong = true;
	/* It may have been harvested between; then its memory is another job's. */
	if (job->slot < 0)
		return;
	s = &job->worker->slots[job->slot];
	if (s->is_unmapped || s->canary_nbytes)
		return;
	if (random_chance(&job->worker->random, 500)) {
		slot_map(s, PROT_NONE);
	} else {
		s->canary_nbytes = s->nbytes;
		memset(s->data, CANARY, s->nbytes);
	}
}

static void check_bytes(const struct job *job)
{
	uint8_t *bytes;

	switch (job->kind) {
	case JOB_WRITE:
		bytes = malloc(job->nbytes);
		REQUIRE_CMP(
			pread(job->worker->world->out_fd, bytes, job->nbytes, (off_t)job->offset),
			==, job->nbytes);
		pattern_require(bytes, job->nbytes, job->seed, 0);
		free(bytes);
		break;
	case JOB_READ:
	case JOB_READ_LARGE:
		pattern_require(job->dst, job->nbytes, job->seed, job->offset);
		break;
	default:
		pattern_require(job->dst, job->nbytes, job->seed, 0);
		break;
	}
}

/* Which failures are right: the bad ones' own, and those that the fake engine makes up. */
static void check_failure(const struct job *job)
{
	if (job->worker->world->is_fake && job->result != DS_ERR_END_OF_FILE && job->sys_errno) {
		REQUIRE(job->sys_errno == EIO || job->sys_errno == EAGAIN ||
			job->sys_errno == EINTR);
		return;
	}
	if (job->kind == JOB_READ_PAST_END) {
		REQUIRE_RESULT(job->result, DS_ERR_END_OF_FILE);
		/* A chunk before the end may have met an error of the fake engine's. */
		if (job->worker->world->is_fake)
			REQUIRE_CMP(job->bytes_transferred, <=, job->nbytes / 2);
		else
			REQUIRE_CMP(job->bytes_transferred, ==, job->nbytes / 2);
		if (job->bytes_transferred == job->nbytes / 2)
			pattern_require(job->dst, job->nbytes / 2, job->seed, job->offset);
		return;
	}
	if (job->kind != JOB_DECODE_CORRUPT || job->result != DS_ERR_CORRUPT_DATA)
		fprintf(stderr, "a job of kind %d failed with %s (errno %d)\n", (int)job->kind,
			ds_result_name(job->result), job->sys_errno);
	REQUIRE_CMP(job->kind, ==, JOB_DECODE_CORRUPT);
	REQUIRE_RESULT(job->result, DS_ERR_CORRUPT_DATA);
}

void job_check(struct job *job)
{
	struct worker *wk = job->worker;

	REQUIRE_CMP(atomic_load(&job->ends), ==, 1);
	REQUIRE_CMP(job->status, >=, DS_STATUS_COMPLETE);
	REQUIRE_CMP(job->status, <=, DS_STATUS_CANCELLED);
	if (job->is_strong)
		REQUIRE_CMP(job->status, ==, DS_STATUS_CANCELLED);
	if (job->status == DS_STATUS_COMPLETE) {
		REQUIRE_RESULT(job->result, DS_OK);
		REQUIRE_CMP(job->kind, !=, JOB_READ_PAST_END);
		REQUIRE_CMP(job->kind, !=, JOB_DECODE_CORRUPT);
		REQUIRE_CMP(job->bytes_transferred, ==, job->nbytes);
		check_bytes(job);
	} else if (job->status == DS_STATUS_FAILED) {
		check_failure(job);
	} else {
		REQUIRE_RESULT(job->result, DS_ERR_CANCELLED);
	}
	wk->by_kind[job->kind]++;
	wk->by_status[job->status]++;
	slot_give(wk, job);
}

void job_check_gone(struct job *job)
{
	atomic_store(&job->is_gone, true);
	if (atomic_load(&job->ends)) {
		job_check(job);
		return;
	}
	job->worker->by_kind[job->kind]++;
	job->worker->by_status[0]++;
	/* Its memory is ours again in any case: see that nobody else thinks so. */
	if (!job->is_strong) {
		job_seal(job);
		job->is_strong = false;
	}
	slot_give(job->worker, job);
}
