/* SPDX-License-Identifier: MIT */
/*
 * bench_gds_vectors.c: vectors by their index: how long one takes, and how many come in a second.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_gds.h"
#include "file_io.h"
#include "tool.h"

#define ONE_NBYTES  4096u
#define NR_SINGLE   4000u
#define MANY_NBYTES 1024u
#define NR_MANY	    1000000u
#define NR_CHECKED  1000u
#define DATA_OFFSET 4096u

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static int compare_ns(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

	return a < b ? -1 : a > b;
}

/* From the call to its end, seen by the caller. To the device unless host is there. */
static int prefetch(struct bench_gds *b, const struct ds_gds_vectors *set, const uint64_t *indices,
		    uint64_t nr, void *host, uint64_t *ns)
{
	uint64_t begin = tool_now_ns();
	struct ds_gds_job_config cfg = DS_GDS_JOB_CONFIG_INIT;
	struct ds_gds_job *job = NULL;
	ds_result ret;

	cfg.memory = host ? DS_GDS_MEMORY_HOST : DS_GDS_MEMORY_DEVICE;
	ret = ds_gds_prefetch_vectors(b->holder, set, indices, nr,
				      host ? (uintptr_t)host : b->memory, &cfg, &job);
	if (ret == DS_OK)
		ret = ds_gds_job_wait(job, DS_WAIT_FOREVER);
	*ns = tool_now_ns() - begin;
	if (ret != DS_OK)
		tool_error("vectors: %s", ds_result_message(ret));
	ds_gds_job_destroy(job);
	return ret == DS_OK ? TOOL_OK : TOOL_FAILED;
}

/* Some of them, byte by byte. */
static int check(struct bench_gds *b, const struct ds_gds_vectors *set, const uint64_t *indices,
		 uint64_t nr)
{
	unsigned char *want = malloc(set->vector_nbytes), *got = malloc(set->vector_nbytes);
	uint64_t step = nr > NR_CHECKED ? nr / NR_CHECKED : 1;
	bool is_good = want && got;

	for (uint64_t i = 0; is_good && i < nr; i += step) {
		uint64_t offset = set->offset + indices[i] * set->vector_nbytes;

		is_good = pread_full(b->fd, want, set->vector_nbytes, offset) ==
				  (ssize_t)set->vector_nbytes &&
			  !ds_gds_memory_read(ds_gds_backend(b->holder), got,
					      b->memory + i * set->vector_nbytes,
					      set->vector_nbytes) &&
			  !memcmp(want, got, set->vector_nbytes);
	}
	if (!is_good)
		tool_error("vectors: wrong bytes on the device");
	free(want);
	free(got);
	return is_good ? TOOL_OK : TOOL_FAILED;
}

static int measure_single(struct bench_gds *b, struct ds_gds_file *file)
{
	struct ds_gds_vectors set = DS_GDS_VECTORS_INIT;
	uint64_t *ns = calloc(NR_SINGLE, sizeof(*ns)), state = 1, index = 0;
	uint64_t there = (b->nbytes - DATA_OFFSET) / ONE_NBYTES;
	int ret = ns ? TOOL_OK : tool_error_memory();

	set.file = file;
	set.offset = DATA_OFFSET;
	set.vector_nbytes = ONE_NBYTES;
	for (unsigned i = 0; ret == TOOL_OK && i < NR_SINGLE; i++) {
		index = next_random(&state) % there;
		ret = prefetch(b, &set, &index, 1, NULL, &ns[i]);
	}
	if (ret == TOOL_OK)
		ret = check(b, &set, &index, 1);
	if (ret == TOOL_OK) {
		qsort(ns, NR_SINGLE, sizeof(*ns), compare_ns);
		if (b->options.json) {
			json_real(&b->json, "vector_4k_p50_us", (double)ns[NR_SINGLE / 2] * 1e-3);
			json_real(&b->json, "vector_4k_p99_us",
				  (double)ns[NR_SINGLE * 99 / 100] * 1e-3);
		} else {
			printf("\none vector of 4 KiB, call to end: p50 %.1f us, p99 %.1f us\n",
			       (double)ns[NR_SINGLE / 2] * 1e-3,
			       (double)ns[NR_SINGLE * 99 / 100] * 1e-3);
		}
	}
	free(ns);
	return ret;
}

static int measure_many(struct bench_gds *b, struct ds_gds_file *file)
{
	struct ds_gds_vectors set = DS_GDS_VECTORS_INIT;
	uint64_t *indices, state = 2, ns, best = UINT64_MAX, first = 0;
	uint64_t best_host = UINT64_MAX;
	uint64_t there = (b->nbytes - DATA_OFFSET) / MANY_NBYTES, nr = NR_MANY;
	void *host;
	int ret = TOOL_OK;

	if (nr * MANY_NBYTES > b->nbytes)
		nr = b->nbytes / MANY_NBYTES;
	indices = calloc(nr, sizeof(*indices));
	host = malloc(nr * MANY_NBYTES);
	if (!indices || !host) {
		free(indices);
		free(host);
		return tool_error_memory();
	}
	set.file = file;
	set.offset = DATA_OFFSET;
	set.vector_nbytes = MANY_NBYTES;
	for (uint64_t i = 0; i < nr; i++)
		indices[i] = next_random(&state) % there;
	for (unsigned round = 0; ret == TOOL_OK && round < b->options.nr_rounds; round++) {
		ret = prefetch(b, &set, indices, nr, NULL, &ns);
		first = round ? first : ns;
		best = ns < best ? ns : best;
	}
	/* What the bus has no part in: what is left is reading. */
	for (unsigned round = 0; ret == TOOL_OK && round < b->options.nr_rounds + 1; round++) {
		ret = prefetch(b, &set, indices, nr, host, &ns);
		best_host = ns < best_host ? ns : best_host;
	}
	if (ret == TOOL_OK)
		ret = check(b, &set, indices, nr);
	if (ret == TOOL_OK && b->options.json) {
		json_number(&b->json, "vectors_1k", nr);
		json_real(&b->json, "vectors_1k_per_s", (double)nr * 1e9 / (double)best);
		json_real(&b->json, "vectors_1k_gb_per_s", (double)nr * MANY_NBYTES / (double)best);
		json_real(&b->json, "vectors_1k_to_host_per_s",
			  (double)nr * 1e9 / (double)best_host);
	} else if (ret == TOOL_OK) {
		printf("%" PRIu64 " random vectors of 1 KiB: %.1f million/s, %.1f GB/s (first time "
		       "%.1f)\n",
		       nr, (double)nr * 1e3 / (double)best, (double)nr * MANY_NBYTES / (double)best,
		       (double)nr * MANY_NBYTES / (double)first);
		printf("the same to host memory: %.1f million/s\n",
		       (double)nr * 1e3 / (double)best_host);
	}
	free(host);
	free(indices);
	return ret;
}

int bench_gds_vectors(struct bench_gds *b)
{
	struct ds_gds_file *file = NULL;
	ds_result ret;
	int status;

	/* What the loads may have dropped. */
	for (uint64_t at = 0; at < b->nbytes; at += ONE_NBYTES << 8) {
		static unsigned char bytes[ONE_NBYTES << 8];

		if (pread_full(b->fd, bytes, sizeof(bytes), at) < 0)
			break;
	}
	ret = ds_gds_file_open(b->holder, b->path, &file);
	if (ret != DS_OK) {
		tool_error("%s: %s", b->path, ds_result_message(ret));
		return TOOL_FAILED;
	}
	status = measure_single(b, file);
	if (status == TOOL_OK)
		status = measure_many(b, file);
	ds_gds_file_close(file);
	return status;
}
