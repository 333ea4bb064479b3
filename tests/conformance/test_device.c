/* SPDX-License-Identifier: MIT */
/* test_device.c: what only devices without addresses have: writes out of them, last operations. */
#include <stdlib.h>
#include <string.h>

#include "conformance/suite.h"
#include "fake/fake_device.h"

static struct ds_location on_device(void *memory, uint64_t offset, uint64_t nbytes,
				    struct fake_watch *watch)
{
	return (struct ds_location){
		.kind = DS_LOCATION_FAKE,
		.object = (uintptr_t)memory,
		.offset = offset,
		.nbytes = nbytes,
		.detail = watch,
	};
}

/* Out of the device into a file, and that file back to another place. */
static void there_and_back(struct suite *s)
{
	static const uint64_t sizes[] = { 1, 4096, 65537, MIB, 3 * MIB + 11 };
	uint64_t most = 3 * MIB + 11;
	uint8_t *from = malloc(most), *to = malloc(most + 8);

	pattern_fill(from, most, 9, 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct fake_watch watch = { 0 };
		struct ds_file *f = suite_pattern_file(s, "out", 7, 1, DS_FILE_WRITE);
		struct ds_request r = req_write(f, 7, sizes[i], NULL);
		struct ds_completion c;

		r.source = on_device(from, 0, sizes[i], &watch);
		c = run_ok(s->q, &r);
		REQUIRE_CMP(c.bytes_transferred, ==, sizes[i]);
		REQUIRE_CMP(c.path, ==, DS_PATH_BUFFERED_STAGED);
		REQUIRE_CMP(atomic_load(&watch.fetched), >, 0);
		REQUIRE_CMP(atomic_load(&watch.finished), ==, 0);

		memset(to, 0xcc, most + 8);
		r = req_read(f, 7, sizes[i], NULL);
		r.destination = on_device(to, 3, sizes[i], &watch);
		run_ok(s->q, &r);
		pattern_require(to + 3, sizes[i], 9, 0);
		REQUIRE_CMP(to[2], ==, 0xcc);
		REQUIRE_CMP(to[3 + sizes[i]], ==, 0xcc);
		REQUIRE_CMP(atomic_load(&watch.finished), ==, 1);
		REQUIRE_CMP(atomic_load(&watch.released), ==, 2);
		ds_file_close(f);
	}
	free(from);
	free(to);
}

/* The last operation comes once, after everything, and its failure is the request's. */
static void last_operation(struct suite *s)
{
	uint64_t nbytes = 2 * MIB + 5;
	uint8_t *to = malloc(nbytes);
	struct fake_watch watch = { 0 };
	struct ds_request r = req_read(s->data, 0, nbytes, NULL);
	struct ds_completion c;
	unsigned placed;

	r.destination = on_device(to, 0, nbytes, &watch);
	run_ok(s->q, &r);
	placed = atomic_load(&watch.placed);
	REQUIRE_CMP(placed, >, 0);
	REQUIRE_CMP(atomic_load(&watch.finished), ==, 1);

	/* As many operations work as bring the bytes, and not the last. */
	memset(&watch, 0, sizeof(watch));
	watch.fail_after = (int)placed;
	c = run_fails(s->q, &r, DS_ERR_IO);
	REQUIRE_CMP(c.bytes_transferred, ==, nbytes);
	REQUIRE_CMP(atomic_load(&watch.finished), ==, 0);
	REQUIRE_CMP(atomic_load(&watch.released), ==, 1);
	free(to);
}

static void device_fails(struct suite *s)
{
	uint8_t *to = malloc(MIB);
	struct fake_watch watch = { .fail_after = -1 };
	struct ds_request r = req_read(s->data, 0, MIB, NULL);
	struct ds_completion c;
	char text[256];

	r.destination = on_device(to, 0, MIB, &watch);
	c = run_fails(s->q, &r, DS_ERR_IO);
	REQUIRE_CMP(c.sys_errno, ==, 77);
	REQUIRE(strstr(ds_completion_describe(&c, text, sizeof(text)), "upload"));
	REQUIRE_CMP(atomic_load(&watch.placed), ==, 0);
	REQUIRE_CMP(atomic_load(&watch.finished), ==, 0);
	REQUIRE_CMP(atomic_load(&watch.released), ==, 1);
	free(to);
}

/* Requests that never run give their target back too. */
static void refused_and_cancelled(struct suite *s)
{
	uint8_t *to = malloc(MIB);
	struct fake_watch watch = { 0 };
	struct ds_request r = req_read(s->data, 0, MIB, NULL);
	uint64_t id;

	r.destination = on_device(to, 0, MIB, &watch);
	id = enqueue(s->q, &r);
	REQUIRE(ds_queue_cancel(s->q, id));
	REQUIRE_CMP(take(s->q).status, ==, DS_STATUS_CANCELLED);
	REQUIRE_CMP(atomic_load(&watch.released), ==, 1);
	r.source.file = NULL;
	REQUIRE(ds_queue_enqueue(s->q, &r, NULL) != DS_OK);
	REQUIRE_CMP(atomic_load(&watch.released), ==, 2);
	free(to);
}

/* Who decodes is told, and both give the same. */
static void says_who_decoded(struct suite *s)
{
	uint64_t nbytes = 9 * MIB + 3;
	uint8_t *to = malloc(nbytes);
	struct stream st;
	struct ds_file *f;
	struct ds_request r;
	struct ds_completion c;
	uint64_t by_device;

	REQUIRE(stream_make(&st, DS_CODEC_GDEFLATE, nbytes, 3));
	f = suite_bytes_file(s, "stream", st.bytes, st.nbytes, 0);
	r = req_decode(f, 0, st.nbytes, DS_CODEC_GDEFLATE, NULL, nbytes);
	r.destination = on_device(to, 0, nbytes, NULL);
	c = run_ok(s->q, &r);
	pattern_require(to, nbytes, 3, 0);
	by_device = c.bytes_device_decoded;
	REQUIRE_CMP(queue_stats(s->q).bytes_device_decoded, ==, by_device);
	REQUIRE_CMP(queue_stats(s->q).bytes_decoded, ==, nbytes);
	r.source = (struct ds_location){ .kind = DS_LOCATION_MEMORY, .nbytes = st.nbytes };
	r.source.data = st.bytes;
	memset(to, 0, nbytes);
	c = run_ok(s->q, &r);
	pattern_require(to, nbytes, 3, 0);
	REQUIRE(c.bytes_device_decoded == 0 || c.bytes_device_decoded <= nbytes);
	REQUIRE(by_device <= nbytes);
	ds_file_close(f);
	stream_free(&st);
	free(to);
}

int main(int argc, char **argv)
{
	static const struct suite_entry tests[] = {
		TEST(there_and_back),	     TEST(last_operation),   TEST(device_fails),
		TEST(refused_and_cancelled), TEST(says_who_decoded),
	};

	return suite_main(argc, argv, "device", tests, sizeof(tests) / sizeof(tests[0]));
}
