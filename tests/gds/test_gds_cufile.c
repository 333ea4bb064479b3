/* SPDX-License-Identifier: MIT */
/* test_gds_cufile.c: the direct path: when it is there, what goes that way, and what happens when it fails. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ds_runtime_uring.h"
#include "fake/fake_cufile.h"
#include "gds/frame.h"

#define DATA_NBYTES (6 * MIB + 1000)
#define SEED	    42

static struct fake_cufile *set_up(struct frame *f)
{
	f->gds.cufile_library = DS_FAKE_CUFILE_NEW;
	f->gds.cufile = DS_GDS_REQUIRED;
	return fake_cufile_open(DS_FAKE_CUFILE_NEW);
}

static void require_state(struct frame *f, uint32_t state, const char *part_of_why)
{
	struct ds_gds_info info = DS_GDS_INFO_INIT;
	struct ds_backend *be = NULL;
	char why[256] = "";

	REQUIRE_OK(ds_gds_get_info(&f->gds, &info));
	REQUIRE_CMP(info.cuda_state, ==, DS_GDS_STATE_READY);
	REQUIRE_CMP(info.cufile_state, ==, state);
	REQUIRE(strstr(info.why_no_cufile, part_of_why));
	if (f->gds.cufile == DS_GDS_REQUIRED) {
		REQUIRE_CMP(ds_gds_available(&f->gds, why, sizeof(why)), ==, DS_ERR_UNAVAILABLE);
		REQUIRE(strstr(why, part_of_why));
		REQUIRE_CMP(ds_make_gds_backend(NULL, &f->gds, &be), ==, DS_ERR_UNAVAILABLE);
		f->gds.cufile = DS_GDS_AUTO;
	}
	/* Without it everything is staged, and the reason is kept. */
	REQUIRE_OK(ds_gds_available(&f->gds, NULL, 0));
	REQUIRE_OK(ds_make_gds_backend(NULL, &f->gds, &be));
	REQUIRE_OK(ds_gds_backend_info(be, &info));
	REQUIRE_CMP(info.cufile_state, !=, DS_GDS_STATE_READY);
	REQUIRE(info.why_no_cufile[0]);
	ds_backend_destroy(be);
	f->gds.cufile = DS_GDS_REQUIRED;
}

static void tells_what_is_missing(struct frame *f)
{
	struct fake_cufile *fake = set_up(f);
	struct ds_gds_info info = DS_GDS_INFO_INIT;

	f->gds.cufile_library = "/nonexistent/libcufile.so.0";
	require_state(f, DS_GDS_STATE_NO_LIBRARY, "not there");
	f->gds.cufile_library = "libm.so.6";
	require_state(f, DS_GDS_STATE_BAD_LIBRARY, "has no cuFileDriverOpen");
	fake_cufile_open(DS_FAKE_CUFILE_OLD);
	f->gds.cufile_library = DS_FAKE_CUFILE_OLD;
	require_state(f, DS_GDS_STATE_OLD_LIBRARY, "before 1.14");
	f->gds.cufile_library = DS_FAKE_CUFILE_NEW;
	atomic_store(&fake->open_result, 5001);
	require_state(f, DS_GDS_STATE_COMPATIBILITY, "nvidia-fs is not loaded");
	atomic_store(&fake->open_result, 5033);
	require_state(f, DS_GDS_STATE_FAILED, "set-up failed (5033)");
	atomic_store(&fake->open_result, 0);
	atomic_store(&fake->parameter_result, 5026);
	require_state(f, DS_GDS_STATE_FAILED, "opened cuFile itself");
	atomic_store(&fake->parameter_result, 0);
	atomic_store(&fake->is_compatible, true);
	require_state(f, DS_GDS_STATE_COMPATIBILITY, "although it was told not to");
	atomic_store(&fake->is_compatible, false);
	f->gds.cufile = DS_GDS_NEVER;
	require_state(f, DS_GDS_STATE_OFF, "switched off");

	/* Where nothing could make it work, it is not even asked. */
	f->gds.cufile = DS_GDS_AUTO;
	if (access("/proc/driver/nvidia-fs/version", F_OK) != 0) {
		unsigned before = atomic_load(&fake->nr_opened);

		REQUIRE_OK(ds_gds_get_info(&f->gds, &info));
		REQUIRE_CMP(info.cufile_state, ==, DS_GDS_STATE_COMPATIBILITY);
		REQUIRE_CMP(atomic_load(&fake->nr_opened), ==, before);
	}
	f->gds.cufile = DS_GDS_REQUIRED;
	REQUIRE_OK(ds_gds_get_info(&f->gds, &info));
	REQUIRE_CMP(info.cufile_state, ==, DS_GDS_STATE_READY);
	REQUIRE_CMP(info.nvidia_fs_version, ==, 2 << 16 | 26);
	REQUIRE_CMP(info.cufile_version, ==, 1150);
	REQUIRE(!atomic_load(&fake->allows_compatibility));
	REQUIRE(!atomic_load(&fake->has_log));
	REQUIRE_CMP(atomic_load(&fake->drivers), ==, 0);
	REQUIRE(access("cufile.log", F_OK) != 0);
}

/* -------------------------------------------------------------------- reads */

struct rig {
	struct ds_backend *be;
	struct ds_queue *q;
	struct ds_file *file;
	uint64_t memory;
};

/* False: no direct I/O in the test's folder. */
static bool rig_up(struct frame *f, struct rig *r, int32_t direct, int32_t io_uring)
{
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;
	struct ds_file_info info = DS_FILE_INFO_INIT;

	cfg.staging_nbytes = 8 * MIB;
	cfg.chunk_nbytes = 256 * KIB;
	cfg.direct = direct;
	f->gds.io_uring = io_uring;
	REQUIRE_OK(ds_make_gds_backend(&cfg, &f->gds, &r->be));
	REQUIRE_OK(ds_queue_create(r->be, NULL, &r->q));
	REQUIRE_OK(
		ds_file_open(r->be, frame_pattern_file(f, "data", DATA_NBYTES, SEED), 0, &r->file));
	REQUIRE_OK(ds_gds_memory_alloc(r->be, DATA_NBYTES + 8192, &r->memory));
	REQUIRE_OK(ds_file_get_info(r->file, &info));
	if (!info.is_direct)
		printf("no direct I/O here\n");
	return info.is_direct;
}

static void rig_down(struct rig *r, struct fake_cufile *fake)
{
	REQUIRE_OK(ds_gds_memory_free(r->be, r->memory));
	ds_file_close(r->file);
	REQUIRE_OK(ds_queue_destroy(r->q));
	REQUIRE_CMP(atomic_load(&fake->handles), ==, 0);
	ds_backend_destroy(r->be);
	REQUIRE_CMP(atomic_load(&fake->drivers), ==, 0);
}

static struct ds_completion load(struct rig *r, uint64_t offset, uint64_t nbytes, uint64_t at)
{
	struct ds_completion c = DS_COMPLETION_INIT;
	struct ds_request q = DS_REQUEST_INIT;
	uint32_t nr = 0;

	q.source.kind = DS_LOCATION_FILE;
	q.source.file = r->file;
	q.source.offset = offset;
	q.source.nbytes = nbytes;
	q.destination.kind = DS_LOCATION_CUDA;
	q.destination.object = r->memory;
	q.destination.offset = at;
	q.destination.nbytes = nbytes;
	REQUIRE_OK(ds_queue_enqueue(r->q, &q, NULL));
	REQUIRE_OK(ds_queue_submit(r->q));
	REQUIRE_OK(ds_queue_wait(r->q, &c, 1, 1, DS_WAIT_FOREVER, &nr));
	REQUIRE_CMP(c.result, ==, DS_OK);
	REQUIRE_CMP(c.bytes_transferred, ==, nbytes);
	frame_require_pattern(r->be, r->memory + at, nbytes, SEED, offset);
	return c;
}

static void reads_directly(struct frame *f)
{
	static const int32_t engines[] = { DS_GDS_NEVER, DS_GDS_AUTO };

	for (unsigned i = 0; i < 2; i++) {
		struct fake_cufile *fake = set_up(f);
		struct rig r;

		if (rig_up(f, &r, DS_DIRECT_ON, engines[i])) {
			REQUIRE_CMP(load(&r, 0, DATA_NBYTES, 0).path, ==, DS_PATH_PEER);
			/* What is aligned, and not the last bytes. */
			REQUIRE_CMP(atomic_load(&fake->nr_reads), ==, 24);
			REQUIRE_CMP(load(&r, 4096, 4 * MIB, 4096).path, ==, DS_PATH_PEER);
			/* Another offset in the page: everything is staged. */
			atomic_store(&fake->nr_reads, 0);
			REQUIRE_CMP(load(&r, 100, 4 * MIB, 0).path, ==, DS_PATH_DIRECT_STAGED);
			REQUIRE_CMP(load(&r, 4096, MIB, 8).path, ==, DS_PATH_DIRECT_STAGED);
			REQUIRE_CMP(atomic_load(&fake->nr_reads), ==, 0);
			atomic_store(&fake->is_short, true);
			REQUIRE_CMP(load(&r, 0, 4 * MIB, 0).path, ==, DS_PATH_PEER);
		}
		rig_down(&r, fake);
	}
}

/* What is in the page cache is sooner had from there. */
static void prefers_the_page_cache(struct frame *f)
{
	struct fake_cufile *fake = set_up(f);
	struct rig r;

	if (!ds_io_uring_available(NULL, 0) && rig_up(f, &r, DS_DIRECT_AUTO, DS_GDS_REQUIRED)) {
		REQUIRE_CMP(load(&r, 0, 4 * MIB, 0).path, ==, DS_PATH_BUFFERED_STAGED);
		REQUIRE_CMP(atomic_load(&fake->nr_reads), ==, 0);
		rig_down(&r, fake);
	}
}

static void falls_back_when_reads_fail(struct frame *f)
{
	struct fake_cufile *fake = set_up(f);
	struct rig r;

	if (rig_up(f, &r, DS_DIRECT_ON, DS_GDS_NEVER)) {
		atomic_store(&fake->reads_before, 5);
		atomic_store(&fake->read_result, 5030);
		REQUIRE_CMP(load(&r, 0, DATA_NBYTES, 0).path, !=, DS_PATH_PEER);
		/* The file has had its chance. */
		atomic_store(&fake->nr_reads, 0);
		REQUIRE_CMP(load(&r, 0, DATA_NBYTES, 0).path, ==, DS_PATH_DIRECT_STAGED);
		REQUIRE_CMP(atomic_load(&fake->nr_reads), ==, 0);
	}
	rig_down(&r, fake);
}

static void falls_back_when_a_file_is_refused(struct frame *f)
{
	struct fake_cufile *fake = set_up(f);
	struct rig r;

	atomic_store(&fake->register_result, 5008);
	if (rig_up(f, &r, DS_DIRECT_ON, DS_GDS_NEVER)) {
		REQUIRE_CMP(load(&r, 0, DATA_NBYTES, 0).path, ==, DS_PATH_DIRECT_STAGED);
		REQUIRE_CMP(atomic_load(&fake->nr_reads), ==, 0);
	}
	rig_down(&r, fake);
}

/* Many requests, cancelled while some wait and some are read. */
static void cancels(struct frame *f)
{
	struct fake_cufile *fake = set_up(f);
	struct rig r;

	f->gds.cufile_threads = 1;
	if (rig_up(f, &r, DS_DIRECT_ON, DS_GDS_NEVER)) {
		for (unsigned i = 0; i < 6; i++) {
			struct ds_request q = DS_REQUEST_INIT;

			q.source.kind = DS_LOCATION_FILE;
			q.source.file = r.file;
			q.source.offset = i * MIB;
			q.source.nbytes = MIB;
			q.destination.kind = DS_LOCATION_CUDA;
			q.destination.object = r.memory;
			q.destination.offset = i * MIB;
			q.destination.nbytes = MIB;
			REQUIRE_OK(ds_queue_enqueue(r.q, &q, NULL));
		}
		REQUIRE_OK(ds_queue_submit(r.q));
		ds_queue_cancel_all(r.q);
		REQUIRE_OK(ds_queue_wait_idle(r.q, DS_WAIT_FOREVER));
	}
	rig_down(&r, fake);
}

static void manager_says_gds(struct frame *f)
{
	struct fake_cufile *fake = set_up(f);
	struct ds_gds_manager_config cfg = DS_GDS_MANAGER_CONFIG_INIT;
	struct ds_gds_report report = DS_GDS_REPORT_INIT;
	struct ds_gds_range range = { .nbytes = DATA_NBYTES };
	struct ds_gds_file_info info = DS_GDS_FILE_INFO_INIT;
	struct ds_gds_job *job;
	struct ds_gds *g;

	cfg.gds = &f->gds;
	cfg.enabled = DS_GDS_REQUIRED;
	cfg.staging_nbytes = 8 * MIB;
	cfg.chunk_nbytes = 256 * KIB;
	cfg.direct = DS_DIRECT_ON;
	REQUIRE_OK(ds_gds_create(&cfg, &g));
	REQUIRE_OK(
		ds_gds_file_open(g, frame_pattern_file(f, "data", DATA_NBYTES, SEED), &range.file));
	REQUIRE_OK(ds_gds_file_get_info(range.file, &info));
	REQUIRE_OK(ds_gds_alloc(g, DATA_NBYTES, &range.destination));
	REQUIRE_OK(ds_gds_load(g, &range, 1, NULL, &job));
	REQUIRE_OK(ds_gds_job_wait(job, DS_WAIT_FOREVER));
	REQUIRE_OK(ds_gds_job_get_report(job, &report));
	frame_require_pattern(ds_gds_backend(g), range.destination, DATA_NBYTES, SEED, 0);
	if (info.alignment)
		REQUIRE_CMP(report.path_nbytes[DS_GDS_PATH_GDS], >, DATA_NBYTES / 2);
	else
		REQUIRE(strstr(report.why, "direct I/O"));
	ds_gds_job_destroy(job);
	ds_gds_file_close(range.file);
	ds_gds_destroy(g);
	REQUIRE_CMP(atomic_load(&fake->drivers), ==, 0);
}

int main(int argc, char **argv)
{
	static const struct frame_entry tests[] = {
		FAKE_TEST(tells_what_is_missing),
		FAKE_TEST(reads_directly),
		FAKE_TEST(prefers_the_page_cache),
		FAKE_TEST(falls_back_when_reads_fail),
		FAKE_TEST(falls_back_when_a_file_is_refused),
		FAKE_TEST(cancels),
		FAKE_TEST(manager_says_gds),
	};

	return frame_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
