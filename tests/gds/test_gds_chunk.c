/* SPDX-License-Identifier: MIT */
/*
 * test_gds_chunk.c: the size of chunks follows what copies cost on the device, unless it is given.
 *
 * What is measured once is kept for the process: so each test has simulated devices of its own.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gds/frame.h"

#define NR_DEVICES  32
#define NR_TOGETHER 4
#define SEED	    3

/* Two workers, and pinned memory with room for chunks of 8 MiB. */
static struct ds_backend_config large_staging(void)
{
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;

	cfg.staging_nbytes = 48 * MIB;
	cfg.io_workers = 2;
	cfg.decode_workers = 1;
	return cfg;
}

/* A device that nothing is known of. */
static void take_new_device(struct frame *f)
{
	static int32_t next;

	if (!f->fake)
		return;
	REQUIRE_CMP(next, <, NR_DEVICES);
	atomic_store(&f->fake->nr_devices, NR_DEVICES);
	f->gds.device = next++;
}

static struct ds_gds_info info_of(struct ds_backend *be)
{
	struct ds_gds_info info = DS_GDS_INFO_INIT;

	REQUIRE_OK(ds_gds_backend_info(be, &info));
	return info;
}

/* What a backend chooses. */
static struct ds_gds_info choose(struct frame *f, const struct ds_backend_config *cfg)
{
	struct ds_gds_info info;
	struct ds_backend *be;

	REQUIRE_OK(ds_make_gds_backend(cfg, &f->gds, &be));
	info = info_of(be);
	ds_backend_destroy(be);
	printf("  chunk %" PRIu64 " KiB (%s)\n", info.chunk_nbytes / KIB, info.why_chunk);
	return info;
}

static void require_usual(const struct ds_gds_info *info, uint64_t nbytes, const char *part_of_why)
{
	REQUIRE_CMP(info->chunk_origin, ==, DS_GDS_CHUNK_USUAL);
	REQUIRE_CMP(info->chunk_nbytes, ==, nbytes);
	REQUIRE_CMP(info->chunk_measured_ns, ==, 0);
	REQUIRE(!strncmp(info->why_chunk, "not measured: ", 14));
	REQUIRE(strstr(info->why_chunk, part_of_why));
}

/* Also on a real device, where the size is what it is. */
static void is_measured(struct frame *f)
{
	struct ds_gds_info info, again;

	take_new_device(f);
	info = choose(f, NULL);
	REQUIRE_CMP(info.chunk_origin, ==, DS_GDS_CHUNK_MEASURED);
	REQUIRE_CMP(info.chunk_nbytes, >=, MIB);
	REQUIRE_CMP(info.chunk_nbytes, <=, 8 * MIB);
	REQUIRE_CMP(info.chunk_measured_ns, >, 0);
	REQUIRE_CMP(info.staging_nbytes, ==, 128 * MIB);
	REQUIRE_CMP(info.io_workers, >=, 8);
	REQUIRE(strstr(info.why_chunk, "measured: 1 MiB "));
	REQUIRE(strstr(info.why_chunk, ", 8 MiB "));
	again = choose(f, NULL);
	REQUIRE_CMP(again.chunk_nbytes, ==, info.chunk_nbytes);
	REQUIRE_CMP(again.chunk_measured_ns, ==, info.chunk_measured_ns);
	REQUIRE(!strcmp(again.why_chunk, info.why_chunk));
}

static void follows_the_device(struct frame *f)
{
	static const struct {
		unsigned copy_ns, ps_per_byte;
		uint64_t chunk_nbytes;
	} cases[] = {
		{ 0, 20, MIB },
		{ 1000, 20, 2 * MIB },
		{ 2000, 20, 4 * MIB },
		{ 6000, 20, 8 * MIB },
		{ 50000, 20, 8 * MIB },
		/* The slower the bus, the less a copy's own cost matters. */
		{ 2000, 80, MIB },
	};
	const struct ds_backend_config cfg = large_staging();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ds_gds_info info;

		take_new_device(f);
		atomic_store(&f->fake->copy_ns, cases[i].copy_ns);
		atomic_store(&f->fake->copy_ps_per_byte, cases[i].ps_per_byte);
		info = choose(f, &cfg);
		REQUIRE_CMP(info.chunk_origin, ==, DS_GDS_CHUNK_MEASURED);
		REQUIRE_CMP(info.chunk_nbytes, ==, cases[i].chunk_nbytes);
	}
}

static void tells_rates(struct frame *f)
{
	const struct ds_backend_config cfg = large_staging();
	struct ds_gds_info info;

	take_new_device(f);
	/* 20.97 us for 1 MiB, and 4 for each copy. */
	atomic_store(&f->fake->copy_ns, 4000);
	info = choose(f, &cfg);
	REQUIRE(strstr(info.why_chunk,
		       "measured: 1 MiB 42.0, 2 MiB 45.6, 4 MiB 47.7, 8 MiB 48.8 GB/s, in "));
}

/* Copies of a load have the size that was chosen. */
static uint32_t count_copies(struct frame *f, uint64_t nbytes)
{
	const struct ds_backend_config cfg = large_staging();
	struct ds_request q = DS_REQUEST_INIT;
	struct ds_completion c = DS_COMPLETION_INIT;
	struct ds_backend *be;
	struct ds_queue *queue;
	uint32_t nr = 0, before;

	REQUIRE_OK(ds_make_gds_backend(&cfg, &f->gds, &be));
	REQUIRE_OK(ds_queue_create(be, NULL, &queue));
	q.source.kind = DS_LOCATION_FILE;
	REQUIRE_OK(ds_file_open(be, frame_pattern_file(f, "data", nbytes, SEED), DS_FILE_READ,
				&q.source.file));
	q.source.nbytes = nbytes;
	q.destination.kind = DS_LOCATION_CUDA;
	q.destination.nbytes = nbytes;
	REQUIRE_OK(ds_gds_memory_alloc(be, nbytes, &q.destination.object));
	before = atomic_load(&f->fake->nr_copies_in);
	REQUIRE_OK(ds_queue_enqueue(queue, &q, NULL));
	REQUIRE_OK(ds_queue_submit(queue));
	REQUIRE_OK(ds_queue_wait(queue, &c, 1, 1, UINT64_C(60000000000), &nr));
	REQUIRE_CMP(c.result, ==, DS_OK);
	nr = atomic_load(&f->fake->nr_copies_in) - before;
	frame_require_pattern(be, q.destination.object, nbytes, SEED, 0);
	REQUIRE_OK(ds_gds_memory_free(be, q.destination.object));
	ds_file_close(q.source.file);
	REQUIRE_OK(ds_queue_destroy(queue));
	ds_backend_destroy(be);
	return nr;
}

static void is_used(struct frame *f)
{
	take_new_device(f);
	REQUIRE_CMP(count_copies(f, 8 * MIB), ==, 8);
	take_new_device(f);
	atomic_store(&f->fake->copy_ns, 2000);
	REQUIRE_CMP(count_copies(f, 8 * MIB), ==, 2);
}

static void keeps_what_is_given(struct frame *f)
{
	struct ds_gds_manager_config mgr = DS_GDS_MANAGER_CONFIG_INIT;
	struct ds_backend_config cfg = large_staging();
	struct ds_gds_info info;
	struct ds_gds *g;

	take_new_device(f);
	atomic_store(&f->fake->copy_ns, 50000);
	cfg.chunk_nbytes = 512 * KIB;
	info = choose(f, &cfg);
	REQUIRE_CMP(info.chunk_origin, ==, DS_GDS_CHUNK_GIVEN);
	REQUIRE_CMP(info.chunk_nbytes, ==, 512 * KIB);
	REQUIRE(!strcmp(info.why_chunk, "given"));
	/* Nor does a manager measure then; but else it does. */
	mgr.gds = &f->gds;
	mgr.chunk_nbytes = 2 * MIB;
	REQUIRE_OK(ds_gds_create(&mgr, &g));
	REQUIRE_CMP(info_of(ds_gds_backend(g)).chunk_nbytes, ==, 2 * MIB);
	ds_gds_destroy(g);
	REQUIRE_CMP(atomic_load(&f->fake->nr_timing_events), ==, 0);
	mgr.chunk_nbytes = 0;
	REQUIRE_OK(ds_gds_create(&mgr, &g));
	REQUIRE_CMP(info_of(ds_gds_backend(g)).chunk_origin, ==, DS_GDS_CHUNK_MEASURED);
	ds_gds_destroy(g);
	REQUIRE_CMP(atomic_load(&f->fake->nr_timing_events), ==, 2);
}

static void can_be_switched_off(struct frame *f)
{
	const struct ds_backend_config cfg = large_staging();
	struct ds_gds_info info;
	struct ds_backend *be;

	take_new_device(f);
	f->gds.measure = DS_GDS_NEVER;
	info = choose(f, &cfg);
	require_usual(&info, 4 * MIB, "the configuration says so");
	REQUIRE_CMP(atomic_load(&f->fake->nr_timing_events), ==, 0);
	f->gds.measure = DS_GDS_REQUIRED;
	REQUIRE_CMP(ds_make_gds_backend(&cfg, &f->gds, &be), ==, DS_ERR_INVALID_ARGUMENT);
}

/* A piece for each worker and four on their way. */
static void leaves_room_for_workers(struct frame *f)
{
	struct ds_backend_config cfg = large_staging();
	struct ds_gds_info info;
	struct ds_backend *be;

	take_new_device(f);
	atomic_store(&f->fake->copy_ns, 50000);
	cfg.io_workers = 4;
	cfg.staging_nbytes = 16 * MIB;
	info = choose(f, &cfg);
	REQUIRE_CMP(info.chunk_origin, ==, DS_GDS_CHUNK_MEASURED);
	REQUIRE_CMP(info.chunk_nbytes, ==, 2 * MIB);
	REQUIRE(strstr(info.why_chunk, "too small for more"));
	/* The rates are known by now; another backend has room for more. */
	cfg = large_staging();
	REQUIRE_CMP(choose(f, &cfg).chunk_nbytes, ==, 8 * MIB);
	REQUIRE_CMP(atomic_load(&f->fake->nr_timing_events), ==, 2);
	/* Not even enough to measure with. */
	cfg.staging_nbytes = 7 * MIB;
	info = choose(f, &cfg);
	require_usual(&info, MIB, "too small");
	/* More than there can be. */
	cfg.staging_nbytes = UINT64_MAX;
	REQUIRE_CMP(ds_make_gds_backend(&cfg, &f->gds, &be), ==, DS_ERR_INVALID_ARGUMENT);
}

static void count_warnings(void *counter, const struct ds_log_record *record)
{
	if (record->level == DS_LOG_WARNING && strstr(record->message, "not measured"))
		atomic_fetch_add((atomic_uint *)counter, 1);
}

/* What fails is said, and tried again by the next backend. */
static void survives_failures(struct frame *f)
{
	struct ds_backend_config cfg = large_staging();
	atomic_int *const results[] = {
		&f->fake->copy_result,
		&f->fake->elapsed_result,
		&f->fake->alloc_result,
	};
	atomic_uint warnings = 0;
	struct ds_gds_info info;

	take_new_device(f);
	cfg.log_callback = count_warnings;
	cfg.log_user_data = &warnings;
	for (unsigned i = 0; i < 3; i++) {
		atomic_store(results[i], 2);
		/* The first few copies still work: some are on their way when one fails. */
		atomic_store(&f->fake->copies_before, 20);
		info = choose(f, &cfg);
		require_usual(&info, 4 * MIB, "CUDA_ERROR_OUT_OF_MEMORY");
		REQUIRE_CMP(atomic_load(&warnings), ==, i + 1);
		atomic_store(results[i], 0);
	}
	atomic_store(&f->fake->copies_before, 0);
	info = choose(f, &cfg);
	REQUIRE_CMP(info.chunk_origin, ==, DS_GDS_CHUNK_MEASURED);
	REQUIRE_CMP(info.chunk_nbytes, ==, MIB);
	REQUIRE_CMP(atomic_load(&warnings), ==, 3);
}

/* A bus on which it would take too long, or a clock that stands still. */
static void gives_up(struct frame *f)
{
	const struct ds_backend_config cfg = large_staging();
	struct ds_gds_info info;

	take_new_device(f);
	atomic_store(&f->fake->copy_ps_per_byte, 1000);
	info = choose(f, &cfg);
	require_usual(&info, 4 * MIB, "8 MiB take 8.4 ms");
	atomic_store(&f->fake->copy_ps_per_byte, 0);
	info = choose(f, &cfg);
	require_usual(&info, 4 * MIB, "8 MiB take 0.0 ms");
}

static void wants_pinned_memory(struct frame *f)
{
	const struct ds_backend_config cfg = large_staging();
	struct ds_gds_info info;

	take_new_device(f);
	atomic_store(&f->fake->register_result, 304);
	REQUIRE_CMP(choose(f, &cfg).chunk_origin, ==, DS_GDS_CHUNK_MEASURED);
	take_new_device(f);
	atomic_store(&f->fake->host_alloc_result, 2);
	info = choose(f, &cfg);
	require_usual(&info, 4 * MIB, "cannot be pinned");
}

struct maker {
	struct frame *f;
	pthread_barrier_t *barrier;
	pthread_t thread;
	struct ds_backend *be;
};

static void *make_together(void *arg)
{
	const struct ds_backend_config cfg = large_staging();
	struct maker *m = arg;
	struct ds_gds_config gds = m->f->gds;

	/* TSan does not see that a ring's memory was unmapped before another thread gets it. */
	gds.io_uring = DS_GDS_NEVER;
	pthread_barrier_wait(m->barrier);
	REQUIRE_OK(ds_make_gds_backend(&cfg, &gds, &m->be));
	return NULL;
}

/* Makes some backends at once; how many of them have the first one's sizes for the first one's reasons. */
static unsigned make_some_together(struct frame *f, struct ds_gds_info *first)
{
	struct maker makers[NR_TOGETHER];
	pthread_barrier_t barrier;
	unsigned nr_alike = 0;

	pthread_barrier_init(&barrier, NULL, NR_TOGETHER);
	for (unsigned i = 0; i < NR_TOGETHER; i++) {
		makers[i] = (struct maker){ .f = f, .barrier = &barrier };
		REQUIRE_CMP(pthread_create(&makers[i].thread, NULL, make_together, &makers[i]), ==,
			    0);
	}
	for (unsigned i = 0; i < NR_TOGETHER; i++)
		pthread_join(makers[i].thread, NULL);
	*first = info_of(makers[0].be);
	for (unsigned i = 0; i < NR_TOGETHER; i++) {
		nr_alike += !strcmp(info_of(makers[i].be).why_chunk, first->why_chunk);
		ds_backend_destroy(makers[i].be);
	}
	pthread_barrier_destroy(&barrier);
	return nr_alike;
}

static void is_measured_once(struct frame *f)
{
	struct ds_gds_info info;

	take_new_device(f);
	atomic_store(&f->fake->copy_ns, 2000);
	REQUIRE_CMP(make_some_together(f, &info), ==, NR_TOGETHER);
	REQUIRE_CMP(atomic_load(&f->fake->nr_timing_events), ==, 2);
	REQUIRE_CMP(info.chunk_nbytes, ==, 4 * MIB);
}

/* Each tries for itself, and none is left waiting for another. */
static void fails_together(struct frame *f)
{
	struct ds_gds_info info;

	take_new_device(f);
	atomic_store(&f->fake->elapsed_result, 2);
	REQUIRE_CMP(make_some_together(f, &info), ==, NR_TOGETHER);
	REQUIRE_CMP(atomic_load(&f->fake->nr_timing_events), ==, 2 * NR_TOGETHER);
	require_usual(&info, 4 * MIB, "CUDA_ERROR_OUT_OF_MEMORY");
}

int main(int argc, char **argv)
{
	static const struct frame_entry tests[] = {
		TEST(is_measured),
		FAKE_TEST(follows_the_device),
		FAKE_TEST(tells_rates),
		FAKE_TEST(is_used),
		FAKE_TEST(keeps_what_is_given),
		FAKE_TEST(can_be_switched_off),
		FAKE_TEST(leaves_room_for_workers),
		FAKE_TEST(survives_failures),
		FAKE_TEST(gives_up),
		FAKE_TEST(wants_pinned_memory),
		FAKE_TEST(is_measured_once),
		FAKE_TEST(fails_together),
	};

	return frame_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
