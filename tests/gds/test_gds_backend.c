/* SPDX-License-Identifier: MIT */
/* test_gds_backend.c: requests to and from device memory, and what happens when the driver fails. */
#include <stdlib.h>
#include <string.h>

#include "ds_gdeflate.h"
#include "gds/frame.h"

#define DATA_NBYTES (9 * MIB + 1237)
#define SEED	    42

struct rig {
	struct ds_backend *be;
	struct ds_queue *q;
	struct ds_file *file;
	uint64_t memory; /* DATA_NBYTES and a page */
};

static struct ds_backend_config small_staging(void)
{
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;

	cfg.staging_nbytes = 8 * MIB;
	cfg.chunk_nbytes = 256 * KIB;
	return cfg;
}

static void rig_up(struct frame *f, struct rig *r)
{
	struct ds_backend_config cfg = small_staging();

	memset(r, 0, sizeof(*r));
	REQUIRE_OK(ds_make_gds_backend(&cfg, &f->gds, &r->be));
	REQUIRE(!strcmp(ds_backend_name(r->be), "gds"));
	REQUIRE_OK(ds_queue_create(r->be, NULL, &r->q));
	REQUIRE_OK(ds_file_open(r->be, frame_pattern_file(f, "data", DATA_NBYTES, SEED),
				DS_FILE_READ, &r->file));
	REQUIRE_OK(ds_gds_memory_alloc(r->be, DATA_NBYTES + 4096, &r->memory));
}

static void rig_down(struct rig *r)
{
	ds_result ret = ds_gds_memory_free(r->be, r->memory);

	REQUIRE(!ret || ret == DS_ERR_IO);
	ds_file_close(r->file);
	REQUIRE_OK(ds_queue_destroy(r->q));
	ds_backend_destroy(r->be);
}

static struct ds_request read_to_device(struct rig *r, uint64_t offset, uint64_t nbytes,
					uint64_t at)
{
	struct ds_request q = DS_REQUEST_INIT;

	q.source.kind = DS_LOCATION_FILE;
	q.source.file = r->file;
	q.source.offset = offset;
	q.source.nbytes = nbytes;
	q.destination.kind = DS_LOCATION_CUDA;
	q.destination.object = r->memory;
	q.destination.offset = at;
	q.destination.nbytes = nbytes;
	return q;
}

static struct ds_completion run(struct rig *r, const struct ds_request *q)
{
	struct ds_completion c = DS_COMPLETION_INIT;
	uint32_t nr = 0;

	REQUIRE_OK(ds_queue_enqueue(r->q, q, NULL));
	REQUIRE_OK(ds_queue_submit(r->q));
	REQUIRE_OK(ds_queue_wait(r->q, &c, 1, 1, UINT64_C(60000000000), &nr));
	REQUIRE_CMP(nr, ==, 1);
	return c;
}

static void reads_anywhere(struct frame *f)
{
	static const struct {
		uint64_t offset, nbytes, at;
	} cases[] = {
		{ 0, DATA_NBYTES, 0 }, { 1, 1, 3 },	    { 4096, 4096, 4096 },
		{ 4095, 2, 4095 },     { 777, 3 * MIB, 9 }, { DATA_NBYTES - 5, 5, 1 },
		{ 8, 4 * MIB, 512 },
	};
	struct rig r;

	rig_up(f, &r);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ds_request q =
			read_to_device(&r, cases[i].offset, cases[i].nbytes, cases[i].at);
		struct ds_completion c = run(&r, &q);

		REQUIRE_CMP(c.result, ==, DS_OK);
		REQUIRE_CMP(c.bytes_transferred, ==, cases[i].nbytes);
		REQUIRE(c.path == DS_PATH_BUFFERED_STAGED || c.path == DS_PATH_DIRECT_STAGED);
		frame_require_pattern(r.be, r.memory + cases[i].at, cases[i].nbytes, SEED,
				      cases[i].offset);
	}
	rig_down(&r);
}

static void writes_from_device(struct frame *f)
{
	struct ds_request q;
	struct ds_file *out;
	unsigned char *bytes;
	uint64_t nbytes;
	struct rig r;

	rig_up(f, &r);
	q = read_to_device(&r, 0, DATA_NBYTES, 0);
	REQUIRE_CMP(run(&r, &q).result, ==, DS_OK);
	REQUIRE_OK(ds_file_open(r.be, frame_path(f, "out"), DS_FILE_WRITE | DS_FILE_CREATE, &out));
	q = (struct ds_request)DS_REQUEST_INIT;
	q.source.kind = DS_LOCATION_CUDA;
	q.source.object = r.memory;
	q.source.offset = 100;
	q.source.nbytes = DATA_NBYTES - 100;
	q.destination.kind = DS_LOCATION_FILE;
	q.destination.file = out;
	q.destination.nbytes = q.source.nbytes;
	REQUIRE_CMP(run(&r, &q).result, ==, DS_OK);
	ds_file_close(out);
	bytes = file_read_all(frame_path(f, "out"), &nbytes);
	REQUIRE_CMP(nbytes, ==, DATA_NBYTES - 100);
	pattern_require(bytes, nbytes, SEED, 100);
	free(bytes);
	rig_down(&r);
}

/* A pattern as a GDeflate stream in a file. */
static uint64_t write_stream(struct frame *f, const char *name, uint64_t nbytes, bool is_damaged)
{
	unsigned char *bytes = malloc(nbytes), *stream = malloc(ds_gdeflate_bound(nbytes));
	size_t stream_nbytes;

	pattern_fill(bytes, nbytes, 7, 0);
	REQUIRE_OK(ds_gdeflate_compress(0, bytes, nbytes, stream, ds_gdeflate_bound(nbytes),
					&stream_nbytes));
	if (is_damaged)
		memset(stream + stream_nbytes / 2, 0xff, 64);
	file_write_bytes(frame_path(f, name), stream, stream_nbytes);
	free(bytes);
	free(stream);
	return stream_nbytes;
}

static void decode(struct frame *f, int32_t gpu_decode, bool is_damaged)
{
	const uint64_t nbytes = 9 * MIB + 77;
	uint64_t stream_nbytes = write_stream(f, "stream", nbytes, is_damaged);
	struct ds_completion c;
	struct ds_request q;
	struct ds_file *stream;
	struct rig r;

	f->gds.gpu_decode = gpu_decode;
	rig_up(f, &r);
	REQUIRE_OK(ds_file_open(r.be, frame_path(f, "stream"), DS_FILE_READ, &stream));
	q = read_to_device(&r, 0, stream_nbytes, 11);
	q.source.file = stream;
	q.codec = DS_CODEC_GDEFLATE;
	q.uncompressed_nbytes = nbytes;
	q.destination.nbytes = nbytes;
	c = run(&r, &q);
	REQUIRE_CMP(c.result, ==, is_damaged ? DS_ERR_CORRUPT_DATA : DS_OK);
	if (!is_damaged) {
		REQUIRE_CMP(c.bytes_device_decoded, ==, gpu_decode == DS_GDS_NEVER ? 0 : nbytes);
		frame_require_pattern(r.be, r.memory + 11, nbytes, 7, 0);
	}
	ds_file_close(stream);
	rig_down(&r);
}

/* Whether this build has kernels. */
static bool has_kernels(struct frame *f)
{
	struct ds_gds_info info = DS_GDS_INFO_INIT;

	REQUIRE_OK(ds_gds_get_info(&f->gds, &info));
	return info.has_decoder;
}

static void decodes(struct frame *f)
{
	decode(f, DS_GDS_NEVER, false);
	decode(f, DS_GDS_NEVER, true);
	if (!has_kernels(f))
		return;
	decode(f, DS_GDS_REQUIRED, false);
	decode(f, DS_GDS_REQUIRED, true);
}

static void checksums_and_measures(struct frame *f)
{
	struct ds_gds_info info = DS_GDS_INFO_INIT;
	unsigned char *bytes = malloc(DATA_NBYTES);
	uint64_t sum = 0, other = 0, rate = 0;
	struct ds_request q;
	struct rig r;

	rig_up(f, &r);
	q = read_to_device(&r, 0, DATA_NBYTES, 0);
	REQUIRE_CMP(run(&r, &q).result, ==, DS_OK);
	pattern_fill(bytes, DATA_NBYTES, SEED, 0);
	for (uint64_t n = DATA_NBYTES; n > DATA_NBYTES - 9; n--) {
		REQUIRE_OK(ds_gds_checksum(r.be, r.memory, n, &sum));
		REQUIRE_CMP(sum, ==, ds_gds_checksum_host(bytes, n));
	}
	/* At an odd address too, and of nothing. */
	REQUIRE_OK(ds_gds_checksum(r.be, r.memory + 3, 100003, &sum));
	REQUIRE_CMP(sum, ==, ds_gds_checksum_host(bytes + 3, 100003));
	REQUIRE_OK(ds_gds_checksum(r.be, r.memory, 0, &sum));
	REQUIRE_CMP(sum, ==, ds_gds_checksum_host(NULL, 0));
	/* Each bit, its place, and the length count. */
	sum = ds_gds_checksum_host(bytes, 1000);
	bytes[500] ^= 0x80;
	REQUIRE_CMP(ds_gds_checksum_host(bytes, 1000), !=, sum);
	memset(bytes, 0, 64);
	other = ds_gds_checksum_host(bytes, 63);
	REQUIRE_CMP(ds_gds_checksum_host(bytes, 64), !=, other);
	free(bytes);
	REQUIRE_OK(ds_gds_measure_ceiling(r.be, &rate));
	REQUIRE_CMP(rate, >, 0);
	REQUIRE_OK(ds_gds_backend_info(r.be, &info));
	REQUIRE_CMP(info.cuda_state, ==, DS_GDS_STATE_READY);
	rig_down(&r);
}

static void refuses_bad_memory(struct frame *f)
{
	unsigned char host[64];
	struct ds_request q;
	struct rig r;

	rig_up(f, &r);
	q = read_to_device(&r, 0, sizeof(host), 0);
	q.destination.object = (uintptr_t)host;
	REQUIRE_CMP(ds_queue_enqueue(r.q, &q, NULL), ==, DS_ERR_BAD_ADDRESS);
	q.destination.object = 0;
	REQUIRE_CMP(ds_queue_enqueue(r.q, &q, NULL), ==, DS_ERR_INVALID_ARGUMENT);
	q.destination.object = UINT64_MAX - 10;
	REQUIRE_CMP(ds_queue_enqueue(r.q, &q, NULL), ==, DS_ERR_OUT_OF_RANGE);
	q = read_to_device(&r, 0, DATA_NBYTES, 64 * MIB);
	REQUIRE_CMP(ds_queue_enqueue(r.q, &q, NULL), ==, DS_ERR_BAD_ADDRESS);
	q = read_to_device(&r, 0, 64, 0);
	q.destination.kind = DS_LOCATION_CUDA + 1;
	REQUIRE_CMP(ds_queue_enqueue(r.q, &q, NULL), ==, DS_ERR_UNSUPPORTED);
	/* Host memory is as good as ever. */
	q.destination.kind = DS_LOCATION_MEMORY;
	q.destination.offset = 0;
	q.destination.data = host;
	REQUIRE_CMP(run(&r, &q).result, ==, DS_OK);
	pattern_require(host, sizeof(host), SEED, 0);
	rig_down(&r);
}

/* ------------------------------------------------------------- without a GPU */

static void require_unavailable(struct frame *f, uint32_t state, const char *part_of_why)
{
	struct ds_gds_info info = DS_GDS_INFO_INIT;
	struct ds_backend *be = NULL;
	char why[256] = "";

	REQUIRE_CMP(ds_gds_available(&f->gds, why, sizeof(why)), ==, DS_ERR_UNAVAILABLE);
	REQUIRE(strstr(why, part_of_why));
	REQUIRE_CMP(ds_make_gds_backend(NULL, &f->gds, &be), ==, DS_ERR_UNAVAILABLE);
	REQUIRE(!be);
	REQUIRE_OK(ds_gds_get_info(&f->gds, &info));
	REQUIRE_CMP(info.cuda_state, ==, state);
	REQUIRE(strstr(info.why_no_cuda, part_of_why));
	REQUIRE_CMP(info.cufile_state, ==, DS_GDS_STATE_NO_CUDA);
}

static void says_what_is_missing(struct frame *f)
{
	struct ds_backend *be = NULL;

	f->gds.cuda_library = "/nonexistent/libcuda.so.1";
	require_unavailable(f, DS_GDS_STATE_NO_LIBRARY, "no CUDA driver library");
	f->gds.cuda_library = "libm.so.6";
	require_unavailable(f, DS_GDS_STATE_BAD_LIBRARY, "has no cuInit");
	f->gds.cuda_library = DS_FAKE_CUDA;
	atomic_store(&f->fake->init_result, 34);
	require_unavailable(f, DS_GDS_STATE_BAD_LIBRARY, "stub");
	atomic_store(&f->fake->init_result, 999);
	require_unavailable(f, DS_GDS_STATE_NO_DRIVER, "CUDA_ERROR_UNKNOWN");
	atomic_store(&f->fake->init_result, 100);
	require_unavailable(f, DS_GDS_STATE_NO_DEVICE, "CUDA_ERROR_NO_DEVICE");
	atomic_store(&f->fake->init_result, 0);
	atomic_store(&f->fake->nr_devices, 0);
	require_unavailable(f, DS_GDS_STATE_NO_DEVICE, "no CUDA device 0");
	atomic_store(&f->fake->nr_devices, 2);
	f->gds.device = 2;
	require_unavailable(f, DS_GDS_STATE_NO_DEVICE, "no CUDA device 2");
	f->gds.device = 1;
	REQUIRE_OK(ds_gds_available(&f->gds, NULL, 0));
	/* What is only found out while the backend is made. */
	atomic_store(&f->fake->context_result, 2);
	REQUIRE_CMP(ds_make_gds_backend(NULL, &f->gds, &be), ==, DS_ERR_UNAVAILABLE);
	atomic_store(&f->fake->context_result, 0);
	atomic_store(&f->fake->stream_result, 2);
	REQUIRE_CMP(ds_make_gds_backend(NULL, &f->gds, &be), ==, DS_ERR_NO_MEMORY);
	atomic_store(&f->fake->stream_result, 0);
	atomic_store(&f->fake->event_result, 2);
	REQUIRE_CMP(ds_make_gds_backend(NULL, &f->gds, &be), ==, DS_ERR_NO_MEMORY);
	REQUIRE(!be);
}

static void refuses_bad_configurations(struct frame *f)
{
	struct ds_gds_config bad[6];
	struct ds_backend *be = NULL;

	for (size_t i = 0; i < 6; i++)
		bad[i] = f->gds;
	bad[0].flags = 1;
	bad[1].device = -1;
	bad[2].cufile = 3;
	bad[3].gpu_decode = -1;
	bad[4].cufile_threads = 65;
	bad[5].size = 8;
	for (size_t i = 0; i < 6; i++)
		REQUIRE_CMP(ds_make_gds_backend(NULL, &bad[i], &be), ==, DS_ERR_INVALID_ARGUMENT);
	REQUIRE_OK(ds_make_cpu_backend(NULL, &be));
	REQUIRE_CMP(ds_gds_memory_free(be, 4096), ==, DS_ERR_UNSUPPORTED);
	ds_backend_destroy(be);
}

/* -------------------------------------------------------------------- faults */

static void count_warnings(void *counter, const struct ds_log_record *record)
{
	if (record->level == DS_LOG_WARNING && strstr(record->message, "pinned"))
		atomic_fetch_add((atomic_uint *)counter, 1);
}

/* Memory that cannot be registered is allocated by the driver; or not pinned, and that is said. */
static void works_without_registration(struct frame *f)
{
	struct ds_request q;
	struct rig r;

	atomic_store(&f->fake->register_result, 304);
	rig_up(f, &r);
	REQUIRE_CMP(atomic_load(&f->fake->host_allocations), >, 0);
	q = read_to_device(&r, 5, DATA_NBYTES - 5, 0);
	REQUIRE_CMP(run(&r, &q).result, ==, DS_OK);
	frame_require_pattern(r.be, r.memory, DATA_NBYTES - 5, SEED, 5);
	rig_down(&r);
}

static void works_without_pinning(struct frame *f)
{
	struct ds_backend_config cfg = small_staging();
	atomic_uint warnings = 0;
	struct ds_request q;
	struct rig r;

	atomic_store(&f->fake->register_result, 304);
	atomic_store(&f->fake->host_alloc_result, 2);
	f->gds.gpu_decode = DS_GDS_NEVER;
	cfg.log_callback = count_warnings;
	cfg.log_user_data = &warnings;
	memset(&r, 0, sizeof(r));
	REQUIRE_OK(ds_make_gds_backend(&cfg, &f->gds, &r.be));
	REQUIRE_OK(ds_queue_create(r.be, NULL, &r.q));
	REQUIRE_OK(
		ds_file_open(r.be, frame_pattern_file(f, "data", DATA_NBYTES, SEED), 0, &r.file));
	REQUIRE_OK(ds_gds_memory_alloc(r.be, DATA_NBYTES, &r.memory));
	q = read_to_device(&r, 0, DATA_NBYTES, 0);
	REQUIRE_CMP(run(&r, &q).result, ==, DS_OK);
	frame_require_pattern(r.be, r.memory, DATA_NBYTES, SEED, 0);
	rig_down(&r);
	REQUIRE_CMP(atomic_load(&warnings), ==, 1);
}

static void reports_failed_copies(struct frame *f)
{
	struct ds_completion c;
	struct ds_request q;
	struct rig r;

	rig_up(f, &r);
	q = read_to_device(&r, 0, DATA_NBYTES, 0);
	atomic_store(&f->fake->copies_before, 5);
	atomic_store(&f->fake->copy_result, 999);
	c = run(&r, &q);
	REQUIRE_CMP(c.result, ==, DS_ERR_IO);
	REQUIRE_CMP(c.sys_errno, ==, 999);
	REQUIRE_CMP(c.bytes_transferred, <, DATA_NBYTES);
	atomic_store(&f->fake->copy_result, 0);
	REQUIRE_CMP(run(&r, &q).result, ==, DS_OK);
	/* An event that cannot be recorded: the stream is waited for instead. */
	atomic_store(&f->fake->record_result, 2);
	REQUIRE_CMP(run(&r, &q).result, ==, DS_OK);
	frame_require_pattern(r.be, r.memory, DATA_NBYTES, SEED, 0);
	atomic_store(&f->fake->record_result, 0);
	rig_down(&r);
}

static void survives_a_lost_device(struct frame *f)
{
	struct ds_completion c;
	struct ds_request q;
	struct rig r;

	rig_up(f, &r);
	q = read_to_device(&r, 0, DATA_NBYTES, 0);
	atomic_store(&f->fake->until_lost, 4);
	c = run(&r, &q);
	REQUIRE_CMP(c.result, ==, DS_ERR_IO);
	REQUIRE_CMP(c.sys_errno, ==, 719);
	/* It stays so, and everything still ends. */
	REQUIRE_CMP(ds_queue_enqueue(r.q, &q, NULL), !=, DS_OK);
	rig_down(&r);
}

static void survives_failed_kernels(struct frame *f)
{
	struct ds_gds_config gds = f->gds;

	if (!has_kernels(f))
		return;
	/* It cannot be made: the CPU decodes. */
	atomic_store(&f->fake->module_result, 209);
	decode(f, DS_GDS_NEVER, false);
	f->gds = gds;
	atomic_store(&f->fake->module_result, 0);
	atomic_store(&f->fake->launch_result, 701);
	{
		uint64_t stream_nbytes = write_stream(f, "stream", MIB, false);
		struct ds_file *stream;
		struct ds_request q;
		struct rig r;

		f->gds.gpu_decode = DS_GDS_REQUIRED;
		rig_up(f, &r);
		REQUIRE_OK(ds_file_open(r.be, frame_path(f, "stream"), DS_FILE_READ, &stream));
		q = read_to_device(&r, 0, stream_nbytes, 0);
		q.source.file = stream;
		q.codec = DS_CODEC_GDEFLATE;
		q.uncompressed_nbytes = MIB;
		q.destination.nbytes = MIB;
		REQUIRE_CMP(run(&r, &q).result, ==, DS_ERR_IO);
		ds_file_close(stream);
		rig_down(&r);
	}
}

int main(int argc, char **argv)
{
	static const struct frame_entry tests[] = {
		TEST(reads_anywhere),
		TEST(writes_from_device),
		TEST(decodes),
		TEST(checksums_and_measures),
		TEST(refuses_bad_memory),
		FAKE_TEST(says_what_is_missing),
		FAKE_TEST(refuses_bad_configurations),
		FAKE_TEST(works_without_registration),
		FAKE_TEST(works_without_pinning),
		FAKE_TEST(reports_failed_copies),
		FAKE_TEST(survives_a_lost_device),
		FAKE_TEST(survives_failed_kernels),
	};

	return frame_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
