/* SPDX-License-Identifier: MIT */
/*
 * test_gds_decode.c: GDeflate streams decoded by the device: every vector, damaged ones, and
 * many at once. What the CPU's decoder says is right. On a real device it also tells how fast
 * each is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ds_gdeflate.h"
#include "gds/frame.h"
#include "support/random.h"

#define CANARY	    0xa5
#define MARGIN	    64u
#define NR_DAMAGED  200u
#define BIG_NBYTES  (48 * MIB)
#define NR_BIG	    24u
#define MAX_COLUMNS 8

struct rig {
	struct ds_backend *be;
	struct ds_queue *q;
	uint64_t memory;
	uint64_t room;
	unsigned nr_good, nr_bad;
};

static bool has_kernels(struct frame *f)
{
	struct ds_gds_info info = DS_GDS_INFO_INIT;

	REQUIRE_OK(ds_gds_get_info(&f->gds, &info));
	if (!info.has_decoder)
		printf("this build has no kernels\n");
	return info.has_decoder;
}

static void rig_up(struct frame *f, struct rig *r, uint64_t room)
{
	memset(r, 0, sizeof(*r));
	f->gds.gpu_decode = DS_GDS_REQUIRED;
	REQUIRE_OK(ds_make_gds_backend(NULL, &f->gds, &r->be));
	REQUIRE_OK(ds_queue_create(r->be, NULL, &r->q));
	REQUIRE_OK(ds_gds_memory_alloc(r->be, room + 2 * MARGIN, &r->memory));
	r->room = room;
}

static void rig_down(struct rig *r)
{
	REQUIRE_OK(ds_gds_memory_free(r->be, r->memory));
	REQUIRE_OK(ds_queue_destroy(r->q));
	ds_backend_destroy(r->be);
}

/* One stream, on the device and on the CPU; around its output nothing may change. */
static void check(struct rig *r, const char *name, const void *stream, size_t stream_nbytes,
		  size_t nbytes)
{
	unsigned char *want = malloc(nbytes + 1), *got = malloc(nbytes + 2 * MARGIN);
	bool is_good = !ds_gdeflate_decompress(stream, stream_nbytes, want, nbytes);
	struct ds_completion c = DS_COMPLETION_INIT;
	struct ds_request q = DS_REQUEST_INIT;
	uint32_t nr = 0;

	REQUIRE(want && got);
	REQUIRE_CMP(nbytes, <=, r->room);
	memset(got, CANARY, nbytes + 2 * MARGIN);
	REQUIRE_OK(ds_gds_memory_write(r->be, r->memory, got, nbytes + 2 * MARGIN));
	q.source.kind = DS_LOCATION_MEMORY;
	q.source.data = (void *)(uintptr_t)stream;
	q.source.nbytes = stream_nbytes;
	q.destination.kind = DS_LOCATION_CUDA;
	q.destination.object = r->memory;
	q.destination.offset = MARGIN;
	q.destination.nbytes = nbytes;
	q.codec = DS_CODEC_GDEFLATE;
	q.uncompressed_nbytes = nbytes;
	REQUIRE_OK(ds_queue_enqueue(r->q, &q, NULL));
	REQUIRE_OK(ds_queue_submit(r->q));
	REQUIRE_OK(ds_queue_wait(r->q, &c, 1, 1, DS_WAIT_FOREVER, &nr));
	REQUIRE_CMP(nr, ==, 1);
	if ((c.result == DS_OK) != is_good) {
		printf("%s: %s on the device, %s on the CPU\n", name, ds_result_name(c.result),
		       is_good ? "good" : "bad");
		REQUIRE(false);
	}
	REQUIRE_OK(ds_gds_memory_read(r->be, got, r->memory, nbytes + 2 * MARGIN));
	if (is_good && memcmp(got + MARGIN, want, nbytes) != 0) {
		printf("%s: other bytes than on the CPU\n", name);
		REQUIRE(false);
	}
	REQUIRE(bytes_are(got, MARGIN, CANARY));
	REQUIRE(bytes_are(got + MARGIN + nbytes, MARGIN, CANARY));
	r->nr_good += is_good;
	r->nr_bad += !is_good;
	free(want);
	free(got);
}

/* ----------------------------------------------------------------- vectors */

static unsigned split_line(char *line, char **columns)
{
	unsigned n = 0;

	for (char *p = line; p && n < MAX_COLUMNS; n++) {
		columns[n] = p;
		p = strchr(p, '\t');
		if (p)
			*p++ = '\0';
	}
	return n;
}

typedef void (*vector_visit)(struct rig *r, const char *name, unsigned char *stream,
			     uint64_t stream_nbytes, size_t nbytes);

static void visit_table(struct rig *r, const char *table, unsigned size_column, vector_visit visit)
{
	char path[4096];
	uint64_t text_nbytes;
	char *text, *copy, *line;

	snprintf(path, sizeof(path), "%s/gdeflate/%s", DS_TEST_DATA, table);
	text = file_read_all(path, &text_nbytes);
	copy = malloc(text_nbytes + 1);
	memcpy(copy, text, text_nbytes);
	copy[text_nbytes] = '\0';
	free(text);
	for (char *next = copy; (line = strtok_r(next, "\r\n", &next));) {
		char *columns[MAX_COLUMNS];
		unsigned char *stream;
		uint64_t stream_nbytes;

		if (line[0] == '#' || split_line(line, columns) <= size_column)
			continue;
		snprintf(path, sizeof(path), "%s/gdeflate/%s", DS_TEST_DATA, columns[0]);
		stream = file_read_all(path, &stream_nbytes);
		visit(r, columns[0], stream, stream_nbytes,
		      strtoul(columns[size_column], NULL, 10));
		free(stream);
	}
	free(copy);
}

static void visit_all(struct rig *r, vector_visit visit)
{
	visit_table(r, "manifest.tsv", 3, visit);
	visit_table(r, "synthetic.tsv", 1, visit);
	visit_table(r, "hostile.tsv", 2, visit);
}

static void visit_plain(struct rig *r, const char *name, unsigned char *stream,
			uint64_t stream_nbytes, size_t nbytes)
{
	if (nbytes && nbytes <= r->room && stream_nbytes)
		check(r, name, stream, stream_nbytes, nbytes);
}

static void visit_damaged(struct rig *r, const char *name, unsigned char *stream,
			  uint64_t stream_nbytes, size_t nbytes)
{
	uint64_t seed = stream_nbytes;

	if (!nbytes || nbytes > 300000 || stream_nbytes < 64)
		return;
	for (unsigned i = 0; i < NR_DAMAGED / 20; i++) {
		uint64_t at = random_below(&seed, random_chance(&seed, 500) && stream_nbytes > 400
							  ? 400
							  : stream_nbytes);
		unsigned char bit = (unsigned char)(1u << random_below(&seed, 8));

		stream[at] ^= bit;
		check(r, name, stream, stream_nbytes, nbytes);
		stream[at] ^= bit;
	}
}

static void decodes_vectors(struct frame *f)
{
	struct rig r;

	if (!has_kernels(f))
		return;
	if (f->fake)
		atomic_store(&f->fake->delay_us, 0);
	rig_up(f, &r, 8 * MIB);
	visit_all(&r, visit_plain);
	printf("%u good vectors, %u bad ones\n", r.nr_good, r.nr_bad);
	REQUIRE_CMP(r.nr_good, >, 20);
	REQUIRE_CMP(r.nr_bad, >, 20);
	r.nr_good = 0;
	r.nr_bad = 0;
	visit_all(&r, visit_damaged);
	printf("damaged: %u good, %u bad\n", r.nr_good, r.nr_bad);
	REQUIRE_CMP(r.nr_bad, >, 20);
	rig_down(&r);
}

/* ------------------------------------------------------------- many at once */

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void load_many(struct frame *f, int32_t gpu_decode, const char *path, uint64_t stream_nbytes,
		      unsigned nr, uint64_t nbytes)
{
	struct ds_gds_manager_config cfg = DS_GDS_MANAGER_CONFIG_INIT;
	struct ds_gds_range ranges[NR_BIG] = { 0 };
	struct ds_gds_file *file;
	struct ds_gds *g;
	uint64_t memory;

	f->gds.gpu_decode = gpu_decode;
	cfg.gds = &f->gds;
	cfg.enabled = DS_GDS_REQUIRED;
	REQUIRE_OK(ds_gds_create(&cfg, &g));
	REQUIRE_OK(ds_gds_file_open(g, path, &file));
	REQUIRE_OK(ds_gds_alloc(g, nr * nbytes, &memory));
	for (unsigned round = 0; round < 3; round++) {
		struct ds_gds_report report = DS_GDS_REPORT_INIT;
		struct ds_gds_job *job;
		double begin = now_s();

		for (unsigned i = 0; i < nr; i++)
			ranges[i] = (struct ds_gds_range){
				.file = file,
				.offset = i * stream_nbytes,
				.nbytes = stream_nbytes,
				.destination = memory + i * nbytes,
				.codec = DS_CODEC_GDEFLATE,
				.uncompressed_nbytes = nbytes,
			};
		REQUIRE_OK(ds_gds_load(g, ranges, nr, NULL, &job));
		REQUIRE_OK(ds_gds_job_wait(job, DS_WAIT_FOREVER));
		REQUIRE_OK(ds_gds_job_get_report(job, &report));
		printf("%u streams by the %s: %.1f GB/s of output, %.3f CPU s/GB\n", nr,
		       gpu_decode == DS_GDS_NEVER ? "CPU" : "device",
		       (double)(nr * nbytes) * 1e-9 / (now_s() - begin),
		       (double)report.cpu_ns / (double)(nr * nbytes));
		ds_gds_job_destroy(job);
		/* All of the first, some of the others. */
		frame_require_pattern(ds_gds_backend(g), memory, nbytes, 7, 0);
		for (unsigned i = 1; i < nr; i++)
			frame_require_pattern(ds_gds_backend(g), memory + i * nbytes + nbytes / 2,
					      100000, 7, nbytes / 2);
	}
	ds_gds_file_close(file);
	ds_gds_destroy(g);
}

static void decodes_many(struct frame *f)
{
	/* The simulated device is slow. */
	uint64_t nbytes = f->fake ? 4 * MIB : BIG_NBYTES;
	unsigned nr = f->fake ? 2 : NR_BIG;
	unsigned char *bytes = malloc(nbytes), *stream = malloc(nr * ds_gdeflate_bound(nbytes));
	size_t n;

	if (f->fake)
		atomic_store(&f->fake->delay_us, 0);
	pattern_fill(bytes, nbytes, 7, 0);
	REQUIRE_OK(ds_gdeflate_compress(1, bytes, nbytes, stream, ds_gdeflate_bound(nbytes), &n));
	for (unsigned i = 1; i < nr; i++)
		memcpy(stream + i * n, stream, n);
	file_write_bytes(frame_path(f, "streams"), stream, nr * n);
	printf("ratio %.2f\n", (double)nbytes / (double)n);
	free(bytes);
	free(stream);
	if (has_kernels(f))
		load_many(f, DS_GDS_REQUIRED, f->path, n, nr, nbytes);
	load_many(f, DS_GDS_NEVER, f->path, n, nr, nbytes);
}

int main(int argc, char **argv)
{
	static const struct frame_entry tests[] = {
		TEST(decodes_vectors),
		TEST(decodes_many),
	};

	return frame_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
