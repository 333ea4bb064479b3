/* SPDX-License-Identifier: MIT */
/* test_stats.c: the counters add up. */
#include <stdlib.h>
#include <string.h>

#include "conformance/suite.h"

enum {
	SMALL = 5000
};

static void require_sums(const struct ds_stats *st)
{
	uint64_t path_requests = 0, path_bytes = 0;

	REQUIRE_CMP(st->size, ==, sizeof(*st));
	for (unsigned i = 0; i < DS_PATH_COUNT; i++) {
		path_requests += st->path_requests[i];
		path_bytes += st->path_bytes[i];
	}
	REQUIRE_CMP(path_requests, ==, st->requests_completed);
	REQUIRE_CMP(path_bytes, ==, st->bytes_delivered);
	REQUIRE_CMP(st->requests_in_flight, ==, 0);
	REQUIRE_CMP(st->requests_timed_out, <=, st->requests_cancelled);
	REQUIRE_CMP(st->requests_submitted, <=, st->requests_enqueued);
	REQUIRE_CMP(st->bytes_decoded, <=, st->bytes_delivered);
	REQUIRE_CMP(st->latency_p50_ns, <=, st->latency_p90_ns);
	REQUIRE_CMP(st->latency_p90_ns, <=, st->latency_p99_ns);
	REQUIRE_CMP(st->latency_p99_ns, <=, st->latency_p999_ns);
	REQUIRE_CMP(st->latency_p999_ns, <=, st->latency_max_ns + st->latency_max_ns / 30);
	REQUIRE_CMP(st->latency_mean_ns, <=, st->latency_max_ns);
}

static void nothing_yet(struct suite *s)
{
	struct ds_stats st = queue_stats(s->q);

	require_sums(&st);
	REQUIRE_CMP(st.requests_enqueued, ==, 0);
	REQUIRE_CMP(st.latency_max_ns, ==, 0);
	REQUIRE_CMP(st.latency_p50_ns, ==, 0);
	st = backend_stats(s->be);
	require_sums(&st);
	REQUIRE_CMP(st.requests_enqueued, ==, 0);
	REQUIRE_CMP(st.io_workers, >, 0);
	REQUIRE_CMP(st.decode_workers, >, 0);
	REQUIRE_CMP(st.staging_nbytes, >=, 32 * MIB);
	REQUIRE_CMP(st.staging_in_use, ==, 0);
}

/* One of each kind, and what each must have counted. */
static void one_of_each(struct suite *s)
{
	/* Never aligned: else direct I/O would take a part of it, in an operation of its own. */
	_Alignas(4096) uint8_t bytes[SMALL + 1];
	uint8_t *buf = bytes + 1, out[3 * SMALL];
	struct ds_file *file = suite_pattern_file(s, "out", 0, 0, DS_FILE_WRITE);
	struct ds_request r;
	struct ds_stats st;
	struct stream stream;
	uint64_t id;

	r = req_read(s->data, 0, SMALL, buf);
	run_ok(s->q, &r);
	st = queue_stats(s->q);
	REQUIRE_CMP(st.requests_enqueued, ==, 1);
	REQUIRE_CMP(st.requests_submitted, ==, 1);
	REQUIRE_CMP(st.requests_completed, ==, 1);
	REQUIRE_CMP(st.bytes_read, ==, SMALL);
	REQUIRE_CMP(st.bytes_delivered, ==, SMALL);
	REQUIRE_CMP(st.bytes_written, ==, 0);
	REQUIRE_CMP(st.io_operations, ==, 1);
	REQUIRE_CMP(st.path_requests[suite_path_taken(s, DS_PATH_BUFFERED)], ==, 1);
	REQUIRE_CMP(st.path_bytes[suite_path_taken(s, DS_PATH_BUFFERED)], ==, SMALL);
	require_sums(&st);

	r = req_write(file, 0, SMALL, buf);
	run_ok(s->q, &r);
	st = queue_stats(s->q);
	REQUIRE_CMP(st.bytes_written, ==, SMALL);
	REQUIRE_CMP(st.bytes_read, ==, SMALL);
	REQUIRE_CMP(st.bytes_delivered, ==, 2 * SMALL);
	require_sums(&st);

	r = req_copy(buf, SMALL, out);
	run_ok(s->q, &r);
	st = queue_stats(s->q);
	REQUIRE_CMP(st.path_requests[DS_PATH_MEMORY], ==, 1);
	REQUIRE_CMP(st.path_bytes[DS_PATH_MEMORY], ==, SMALL);
	REQUIRE_CMP(st.bytes_read, ==, SMALL);
	REQUIRE_CMP(st.io_operations, ==, 2);
	require_sums(&st);

	REQUIRE(stream_make(&stream, DS_CODEC_GDEFLATE, 3 * SMALL, 5));
	r = req_copy(stream.bytes, stream.nbytes, out);
	r.codec = DS_CODEC_GDEFLATE;
	r.uncompressed_nbytes = 3 * SMALL;
	r.destination.nbytes = 3 * SMALL;
	run_ok(s->q, &r);
	st = queue_stats(s->q);
	REQUIRE_CMP(st.bytes_decoded, ==, 3 * SMALL);
	REQUIRE_CMP(st.bytes_delivered, ==, 6 * SMALL);
	require_sums(&st);
	stream_free(&stream);

	r = req_read(s->data, DATA_NBYTES, SMALL, buf);
	run_fails(s->q, &r, DS_ERR_END_OF_FILE);
	r = req_read(s->data, 0, SMALL, buf);
	id = enqueue(s->q, &r);
	REQUIRE(ds_queue_cancel(s->q, id));
	st = queue_stats(s->q);
	REQUIRE_CMP(st.requests_enqueued, ==, 6);
	REQUIRE_CMP(st.requests_submitted, ==, 5);
	REQUIRE_CMP(st.requests_completed, ==, 4);
	REQUIRE_CMP(st.requests_failed, ==, 1);
	REQUIRE_CMP(st.requests_cancelled, ==, 1);
	REQUIRE_CMP(st.requests_timed_out, ==, 0);
	REQUIRE_CMP(st.bytes_delivered, ==, 6 * SMALL);
	REQUIRE_CMP(st.cpu_ns, ==, 0);
	require_sums(&st);
	ds_file_close(file);
}

/* The backend's counters are the sums of its queues', also of those that are gone. */
static void backend_sums(struct suite *s)
{
	uint8_t *buf = malloc(100 * SMALL);
	struct ds_stats st;

	for (unsigned i = 0; i < 3; i++) {
		struct ds_queue *q;

		REQUIRE_OK(ds_queue_create(s->be, NULL, &q));
		for (unsigned j = 0; j < 100; j++) {
			struct ds_request r = req_read(s->data, j, SMALL, buf + (size_t)j * SMALL);

			enqueue(q, &r);
		}
		REQUIRE_OK(ds_queue_submit(q));
		wait_idle(q);
		st = queue_stats(q);
		REQUIRE_CMP(st.requests_completed, ==, 100);
		require_sums(&st);
		REQUIRE_OK(ds_queue_destroy(q));
	}
	st = backend_stats(s->be);
	require_sums(&st);
	REQUIRE_CMP(st.requests_enqueued, ==, 300);
	REQUIRE_CMP(st.requests_completed, ==, 300);
	REQUIRE_CMP(st.bytes_delivered, ==, 300 * SMALL);
	REQUIRE_CMP(st.cpu_ns, >, 0);
	free(buf);
}

/* Latencies are those that the completions tell, within 3 percent. */
static void latencies(struct suite *s)
{
	enum {
		N = 1000
	};
	uint8_t buf[SMALL];
	uint64_t sum = 0, max = 0, min = UINT64_MAX;
	struct ds_stats st;

	for (unsigned i = 0; i < N; i++) {
		struct ds_request r = req_read(s->data, i, SMALL, buf);
		struct ds_completion c = run_ok(s->q, &r);
		uint64_t ns = c.end_ns - c.submit_ns;

		sum += ns;
		max = ns > max ? ns : max;
		min = ns < min ? ns : min;
	}
	st = queue_stats(s->q);
	require_sums(&st);
	REQUIRE_CMP(st.latency_max_ns, >=, max - max / 30);
	REQUIRE_CMP(st.latency_max_ns, <=, max + max / 30);
	REQUIRE_CMP(st.latency_mean_ns, >=, sum / N - sum / N / 30);
	REQUIRE_CMP(st.latency_mean_ns, <=, sum / N + sum / N / 30);
	REQUIRE_CMP(st.latency_p50_ns, >=, min - min / 30);
	REQUIRE_CMP(st.latency_p999_ns, <=, max + max / 30);
}

/* In flight is what was submitted and has not ended. */
static void in_flight(struct suite *s)
{
	uint8_t buf[5][SMALL];

	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	for (unsigned i = 0; i < 5; i++) {
		struct ds_request r = req_read(s->data, i, SMALL, buf[i]);

		enqueue(s->q, &r);
		if (i == 2)
			REQUIRE_OK(ds_queue_submit(s->q));
	}
	REQUIRE_CMP(queue_stats(s->q).requests_in_flight, ==, 3);
	REQUIRE_CMP(backend_stats(s->be).requests_in_flight, ==, 3);
	REQUIRE_CMP(queue_stats(s->q).requests_enqueued, ==, 5);
	fake_hold(s->fake, FAKE_GATE_OPEN);
	wait_idle(s->q);
	REQUIRE_CMP(queue_stats(s->q).requests_in_flight, ==, 0);
}

static void struct_sizes(struct suite *s)
{
	struct ds_stats st = DS_STATS_INIT;
	struct {
		struct ds_stats st;
		uint64_t later;
	} big;

	st.size = 0;
	REQUIRE_RESULT(ds_queue_get_stats(s->q, &st), DS_ERR_INVALID_ARGUMENT);
	REQUIRE_RESULT(ds_backend_get_stats(s->be, &st), DS_ERR_INVALID_ARGUMENT);
	REQUIRE_RESULT(ds_queue_get_stats(s->q, NULL), DS_ERR_INVALID_ARGUMENT);
	/* A newer program's struct is larger: what this library does not know is 0. */
	memset(&big, 0xff, sizeof(big));
	big.st.size = sizeof(big);
	REQUIRE_OK(ds_queue_get_stats(s->q, &big.st));
	REQUIRE_CMP(big.st.requests_enqueued, ==, 0);
	REQUIRE_CMP(big.later, ==, 0);
}

static void short_reads_count(struct suite *s)
{
	const struct fake_rule rule = { .what = FAKE_READS, .at_most = 1000 };
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);

	fake_add_rule(s->fake, &rule);
	run_ok(s->q, &r);
	REQUIRE_CMP(queue_stats(s->q).io_retries, ==, 4);
	REQUIRE_CMP(queue_stats(s->q).bytes_read, ==, SMALL);
}

int main(int argc, char **argv)
{
	static const struct suite_entry entries[] = {
		TEST(nothing_yet),
		TEST(one_of_each),
		TEST(backend_sums),
		TEST(latencies),
		FAKE_TEST(in_flight),
		TEST(struct_sizes),
		FAKE_TEST(short_reads_count),
	};

	return suite_main(argc, argv, "stats", entries, sizeof(entries) / sizeof(entries[0]));
}
