/* SPDX-License-Identifier: MIT */
/* test_faults.c: what the engine reports, and what becomes of it. Needs the fake engine. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/suite.h"

enum {
	SMALL = 4096
};

static void rule(struct suite *s, uint32_t what, int error, uint64_t at_most, unsigned times)
{
	const struct fake_rule r = {
		.what = what, .error = error, .at_most = at_most, .times = times
	};

	fake_add_rule(s->fake, &r);
}

/* Fails what touches one byte of the file. */
static void rule_at(struct suite *s, uint32_t what, int error, uint64_t offset)
{
	const struct fake_rule r = {
		.what = what, .error = error, .begin = offset, .end = offset + 1
	};

	fake_add_rule(s->fake, &r);
}

/* ------------------------------------------------------------- short ones */

static void short_reads_of_every_size(struct suite *s)
{
	enum {
		N = 600
	};
	uint8_t buf[N];

	for (uint64_t at_most = 1; at_most <= N; at_most++) {
		struct ds_request r = req_read(s->data, 13, N, buf);
		uint64_t before = fake_nr_started(s->fake);

		fake_clear_rules(s->fake);
		rule(s, FAKE_READS, 0, at_most, 0);
		memset(buf, 0, N);
		run_ok(s->q, &r);
		pattern_require(buf, N, DATA_SEED, 13);
		REQUIRE_CMP(fake_nr_started(s->fake) - before, ==, (N + at_most - 1) / at_most);
	}
}

static void short_writes_of_every_size(struct suite *s)
{
	enum {
		N = 300
	};
	uint8_t buf[N];
	struct ds_file *file = suite_pattern_file(s, "out", 0, 0, DS_FILE_WRITE);

	for (uint64_t at_most = 1; at_most <= N; at_most++) {
		struct ds_request r = req_write(file, 0, N, buf);
		uint64_t got;
		uint8_t *bytes;

		pattern_fill(buf, N, at_most, 0);
		fake_clear_rules(s->fake);
		rule(s, FAKE_WRITES, 0, at_most, 0);
		run_ok(s->q, &r);
		bytes = file_read_all(suite_path(s, "out"), &got);
		REQUIRE_CMP(got, ==, N);
		pattern_require(bytes, N, at_most, 0);
		free(bytes);
	}
	ds_file_close(file);
}

/* In the middle of large, staged and compressed ones. */
static void short_reads_everywhere(struct suite *s)
{
	const struct fake_chaos chaos = { .seed = 4, .short_permille = 700 };
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	uint32_t codecs[4];
	unsigned n = suite_codecs(s, codecs);
	uint8_t *buf = malloc(DATA_NBYTES);
	struct ds_request r = req_read(s->data, 0, DATA_NBYTES, buf);

	fake_set_chaos(s->fake, &chaos);
	run_ok(s->q, &r);
	pattern_require(buf, DATA_NBYTES, DATA_SEED, 0);
	cfg.flags = DS_QUEUE_ALWAYS_STAGE;
	suite_remake_queue(s, &cfg);
	memset(buf, 0, DATA_NBYTES);
	run_ok(s->q, &r);
	pattern_require(buf, DATA_NBYTES, DATA_SEED, 0);
	for (unsigned k = 0; k < n; k++) {
		struct stream st;
		struct ds_file *file;

		REQUIRE(stream_make(&st, codecs[k], DATA_NBYTES, 2));
		file = suite_bytes_file(s, "stream", st.bytes, st.nbytes, 0);
		r = req_decode(file, 0, st.nbytes, codecs[k], buf, DATA_NBYTES);
		run_ok(s->q, &r);
		pattern_require(buf, DATA_NBYTES, 2, 0);
		ds_file_close(file);
		stream_free(&st);
	}
	free(buf);
}

/* 0 bytes: the file ends there. What came before it counts. */
static void zero_is_the_end(struct suite *s)
{
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);
	struct ds_completion c;

	rule(s, FAKE_READS, 0, 0, 1);
	c = run_fails(s->q, &r, DS_ERR_END_OF_FILE);
	REQUIRE_CMP(c.bytes_transferred, ==, 0);
	rule(s, FAKE_READS, 0, 1000, 1);
	rule(s, FAKE_READS, 0, 0, 1);
	memset(buf, 0xa5, SMALL);
	c = run_fails(s->q, &r, DS_ERR_END_OF_FILE);
	REQUIRE_CMP(c.bytes_transferred, ==, 1000);
	pattern_require(buf, 1000, DATA_SEED, 0);
	REQUIRE(bytes_are(buf + 1000, SMALL - 1000, 0xa5));
}

static void zero_inside_a_stream(struct suite *s)
{
	uint32_t codecs[4];
	unsigned n = suite_codecs(s, codecs);
	uint8_t *out = malloc(300000);

	for (unsigned k = 0; k < n; k++) {
		struct stream st;
		struct ds_file *file;
		struct ds_request r;

		REQUIRE(stream_make(&st, codecs[k], 300000, 2));
		file = suite_bytes_file(s, "stream", st.bytes, st.nbytes, 0);
		r = req_decode(file, 0, st.nbytes, codecs[k], out, 300000);
		fake_clear_rules(s->fake);
		rule(s, FAKE_READS, 0, st.nbytes / 2, 1);
		rule(s, FAKE_READS, 0, 0, 0);
		run_fails(s->q, &r, DS_ERR_END_OF_FILE);
		ds_file_close(file);
		stream_free(&st);
	}
	free(out);
}

/* A write that takes nothing must not be tried for ever. */
static void write_that_takes_nothing(struct suite *s)
{
	uint8_t byte = 1;
	struct ds_file *file = suite_pattern_file(s, "out", 0, 0, DS_FILE_WRITE);
	struct ds_request r = req_write(file, 0, 1, &byte);
	struct ds_completion c;

	rule(s, FAKE_WRITES, 0, 0, 0);
	c = run(s->q, &r);
	REQUIRE_CMP(c.status, ==, DS_STATUS_FAILED);
	ds_file_close(file);
}

/* -------------------------------------------------------------- transient */

static void transient(struct suite *s, int error)
{
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);
	struct ds_completion c;

	for (unsigned times = 1; times <= 3; times++) {
		memset(buf, 0, SMALL);
		rule(s, FAKE_READS, error, 0, times);
		run_ok(s->q, &r);
		pattern_require(buf, SMALL, DATA_SEED, 0);
	}
	REQUIRE_CMP(queue_stats(s->q).io_retries, ==, 6);
	/* For ever: it gives up, and says what it saw. */
	rule(s, FAKE_READS, error, 0, 0);
	c = run(s->q, &r);
	REQUIRE_CMP(c.status, ==, DS_STATUS_FAILED);
	REQUIRE_CMP(c.sys_errno, ==, error);
}

static void eagain(struct suite *s)
{
	transient(s, EAGAIN);
}

static void eintr(struct suite *s)
{
	transient(s, EINTR);
}

/* ----------------------------------------------------------------- errors */

/* The errno, the result, the place and a sentence. */
static void errors_are_named(struct suite *s)
{
	static const struct {
		int error;
		ds_result result;
		const char *name;
	} cases[] = {
		{ EIO, DS_ERR_IO, "EIO" },
		{ ENOSPC, DS_ERR_NO_SPACE, "ENOSPC" },
		{ EDQUOT, DS_ERR_NO_SPACE, "EDQUOT" },
		{ EFBIG, DS_ERR_NO_SPACE, "EFBIG" },
		{ EFAULT, DS_ERR_BAD_ADDRESS, "EFAULT" },
		{ EBADF, DS_ERR_BAD_FILE, "EBADF" },
		{ EISDIR, DS_ERR_BAD_FILE, "EISDIR" },
		{ ENOMEM, DS_ERR_NO_MEMORY, "ENOMEM" },
		{ EPERM, DS_ERR_PERMISSION, "EPERM" },
		{ EACCES, DS_ERR_PERMISSION, "EACCES" },
		{ ESTALE, DS_ERR_SYSTEM, "ESTALE" },
	};
	uint8_t buf[SMALL];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ds_request r = req_read(s->data, 65536, SMALL, buf);
		struct ds_completion c;
		char text[256];

		rule(s, FAKE_READS, cases[i].error, 0, 1);
		c = run_fails(s->q, &r, cases[i].result);
		REQUIRE_CMP(c.sys_errno, ==, cases[i].error);
		REQUIRE_CMP(c.failed_offset, ==, 65536);
		REQUIRE_CMP(c.failed_nbytes, ==, SMALL);
		REQUIRE(ds_completion_describe(&c, text, sizeof(text)) == text);
		REQUIRE(strstr(text, cases[i].name) != NULL);
		REQUIRE(strstr(text, "4096") != NULL);
		REQUIRE(strstr(text, "65536") != NULL);
		REQUIRE(strstr(text, ds_result_name(cases[i].result)) != NULL);
	}
}

/* However little room there is for the sentence, it ends. */
static void description_in_little_room(struct suite *s)
{
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);
	struct ds_completion c;
	char text[64];

	rule(s, FAKE_READS, EIO, 0, 1);
	c = run_fails(s->q, &r, DS_ERR_IO);
	for (size_t room = 1; room <= sizeof(text); room++) {
		memset(text, 'x', sizeof(text));
		ds_completion_describe(&c, text, room);
		REQUIRE(memchr(text, '\0', room) != NULL);
		REQUIRE(bytes_are(text + room, sizeof(text) - room, 'x'));
	}
}

/* One of many chunks fails: the request does, once, when none of them runs any more. */
static void one_chunk_fails(struct suite *s)
{
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;
	struct fake_setup setup = { 0 };

	cfg.chunk_nbytes = 64 * KIB;
	suite_remake_fake(s, &setup, &cfg, NULL);
	for (unsigned i = 0; i < 20; i++) {
		struct guarded g;
		struct ds_request r;
		struct ds_completion c;
		uint64_t at = i * 100000;

		guarded_map(&g, 2 * MIB, true);
		fake_clear_rules(s->fake);
		rule_at(s, FAKE_READS, EIO, at);
		r = req_read(s->data, 0, 2 * MIB, g.data);
		c = run_fails(s->q, &r, DS_ERR_IO);
		guarded_poison(&g);
		REQUIRE_CMP(c.failed_offset, <=, at);
		REQUIRE_CMP(c.failed_offset + c.failed_nbytes, >, at);
		wait_idle(s->q);
		guarded_unmap(&g);
	}
}

/* The memory is free as soon as the failure is known, although other chunks are held. */
static void failure_waits_for_its_chunks(struct suite *s)
{
	struct guarded g;
	struct ds_request r;
	struct ds_completion c;
	uint64_t id;

	guarded_map(&g, 3 * MIB, true);
	r = req_read(s->data, 0, 3 * MIB, g.data);
	rule_at(s, FAKE_READS, EIO, 0);
	fake_hold(s->fake, FAKE_HOLD_BEFORE);
	id = start(s->q, &r);
	fake_wait_held(s->fake, 3);
	fake_release(s->fake, 1);
	REQUIRE_RESULT(ds_queue_wait_request(s->q, id, 20 * MS, NULL), DS_ERR_TIMEOUT);
	fake_release(s->fake, 2);
	c = take(s->q);
	guarded_poison(&g);
	require_failed_with(&c, DS_ERR_IO);
	REQUIRE_CMP(c.failed_offset, ==, 0);
	wait_idle(s->q);
	guarded_unmap(&g);
}

static void writes_fail(struct suite *s)
{
	uint8_t *buf = calloc(1, 3 * MIB);
	struct ds_file *file = suite_pattern_file(s, "out", 0, 0, DS_FILE_WRITE);
	struct ds_request r = req_write(file, 0, 3 * MIB, buf);
	struct ds_completion c;

	rule_at(s, FAKE_WRITES, ENOSPC, 2 * MIB + 5);
	c = run_fails(s->q, &r, DS_ERR_NO_SPACE);
	REQUIRE_CMP(c.sys_errno, ==, ENOSPC);
	REQUIRE_CMP(c.bytes_transferred, <, 3 * MIB);
	ds_file_close(file);
	free(buf);
}

static void streams_fail(struct suite *s)
{
	uint32_t codecs[4];
	unsigned n = suite_codecs(s, codecs);
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;
	struct fake_setup setup = { 0 };
	uint8_t *out = malloc(3 * MIB);

	cfg.staging_nbytes = MIB;
	cfg.chunk_nbytes = 64 * KIB;
	suite_remake_fake(s, &setup, &cfg, NULL);
	for (unsigned k = 0; k < n; k++) {
		struct stream st;
		struct ds_file *file;

		REQUIRE(stream_make(&st, codecs[k], 3 * MIB, 2));
		file = suite_bytes_file(s, "stream", st.bytes, st.nbytes, 0);
		for (uint64_t at = 0; at < st.nbytes; at += st.nbytes / 7) {
			struct ds_request r =
				req_decode(file, 0, st.nbytes, codecs[k], out, 3 * MIB);
			struct ds_completion c;

			fake_clear_rules(s->fake);
			rule_at(s, FAKE_READS, EIO, at);
			c = run_fails(s->q, &r, DS_ERR_IO);
			REQUIRE_CMP(c.sys_errno, ==, EIO);
		}
		wait_idle(s->q);
		REQUIRE_CMP(backend_stats(s->be).staging_in_use, ==, 0);
		ds_file_close(file);
		stream_free(&st);
	}
	free(out);
}

/* Refused as direct, it goes through the page cache instead. */
static void direct_refused(struct suite *s)
{
	uint8_t *buf = aligned_alloc(4096, MIB);
	struct ds_file_info info = DS_FILE_INFO_INIT;
	struct ds_file *file;
	struct ds_request r;
	struct ds_completion c;
	struct fake_started op;

	REQUIRE_OK(ds_file_open(s->be, s->data_path, DS_FILE_DIRECT, &file));
	REQUIRE_OK(ds_file_get_info(file, &info));
	rule(s, FAKE_READS | FAKE_DIRECT_ONLY, EINVAL, 0, 0);
	r = req_read(file, 0, MIB, buf);
	run_ok(s->q, &r);
	pattern_require(buf, MIB, DATA_SEED, 0);
	if (info.is_direct) {
		REQUIRE_CMP(backend_stats(s->be).direct_refused, >, 0);
		fake_get_started(s->fake, 0, &op);
		REQUIRE(op.is_direct);
	}
	/* Unaligned ones too, and a real EINVAL without O_DIRECT is an error. */
	r = req_read(file, 77, 100001, buf + 1);
	run_ok(s->q, &r);
	pattern_require(buf + 1, 100001, DATA_SEED, 77);
	ds_file_close(file);
	rule(s, FAKE_READS, EINVAL, 0, 1);
	r = req_read(s->data, 0, SMALL, buf);
	c = run_fails(s->q, &r, DS_ERR_INVALID_ARGUMENT);
	REQUIRE_CMP(c.sys_errno, ==, EINVAL);
	free(buf);
}

/* A direct read that comes back short off a block boundary is the end of the file. */
static void direct_short_is_the_end(struct suite *s)
{
	uint8_t *buf = aligned_alloc(4096, MIB);
	struct ds_file_info info = DS_FILE_INFO_INIT;
	struct ds_file *file;
	struct ds_request r;
	struct ds_completion c;

	REQUIRE_OK(ds_file_open(s->be, s->data_path, DS_FILE_DIRECT, &file));
	REQUIRE_OK(ds_file_get_info(file, &info));
	if (info.is_direct) {
		/* On one: the rest follows. */
		rule(s, FAKE_READS | FAKE_DIRECT_ONLY, 0, 8192, 1);
		r = req_read(file, 0, 65536, buf);
		run_ok(s->q, &r);
		pattern_require(buf, 65536, DATA_SEED, 0);
		c = run_ok(s->q, &r);
		REQUIRE_CMP(c.bytes_transferred, ==, 65536);
	}
	ds_file_close(file);
	free(buf);
}

/* ------------------------------------------------------------- reordering */

static void chaos(struct suite *s)
{
	enum {
		N = 400,
		EACH = 30000
	};
	const struct fake_chaos wild = {
		.seed = 11,
		.short_permille = 200,
		.transient_permille = 200,
		.reorder_permille = 500,
		.late_permille = 300,
	};
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;
	struct fake_setup setup = { .nr_threads = 4 };
	uint8_t *buf = malloc((size_t)N * EACH);

	cfg.chunk_nbytes = 64 * KIB;
	suite_remake_fake(s, &setup, &cfg, NULL);
	fake_set_chaos(s->fake, &wild);
	for (size_t i = 0; i < N; i++) {
		struct ds_request r = req_read(s->data, i * 10007, EACH, buf + i * EACH);

		enqueue(s->q, &r);
	}
	REQUIRE_OK(ds_queue_submit(s->q));
	for (unsigned i = 0; i < N; i++) {
		struct ds_completion c = take(s->q);

		require_complete(&c, EACH);
	}
	for (size_t i = 0; i < N; i++)
		pattern_require(buf + i * EACH, EACH, DATA_SEED, i * 10007);
	free(buf);
}

/* --------------------------------------------------------------- callbacks */

struct logged {
	struct suite *s;
	atomic_uint calls;
	uint64_t request;
	ds_result result;
	int32_t sys_errno;
	int32_t level;
	char message[256];
	char subsystem[32];
	bool was_unknown;
};

static void error_callback(void *arg, const struct ds_log_record *record)
{
	struct logged *logged = arg;

	REQUIRE_CMP(record->size, ==, sizeof(*record));
	REQUIRE(record->source_file != NULL && record->function != NULL);
	REQUIRE(record->subsystem != NULL && record->operation != NULL);
	logged->request = record->request;
	logged->result = record->result;
	logged->sys_errno = record->sys_errno;
	logged->level = record->level;
	strncpy(logged->message, record->message, sizeof(logged->message) - 1);
	/* Before its result can be seen in any other way. */
	logged->was_unknown =
		ds_queue_request_status(logged->s->q, record->request) < DS_STATUS_COMPLETE;
	atomic_fetch_add(&logged->calls, 1);
}

/* The error callback has each failure, once, before anybody else, and no cancelled ones. */
static void error_callback_first(struct suite *s)
{
	struct logged logged = { .s = s };
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;
	struct fake_setup setup = { 0 };
	uint8_t buf[SMALL];
	struct ds_request r;
	struct ds_completion c;
	uint64_t id;

	cfg.error_callback = error_callback;
	cfg.error_user_data = &logged;
	suite_remake_fake(s, &setup, &cfg, NULL);
	rule(s, FAKE_READS, EIO, 0, 1);
	r = req_read(s->data, 8192, SMALL, buf);
	c = run_fails(s->q, &r, DS_ERR_IO);
	/* Taking the result proves that the callback has been. */
	REQUIRE_CMP(atomic_load(&logged.calls), ==, 1);
	REQUIRE_CMP(logged.request, ==, c.id);
	REQUIRE_RESULT(logged.result, DS_ERR_IO);
	REQUIRE_CMP(logged.sys_errno, ==, EIO);
	REQUIRE_CMP(logged.level, ==, DS_LOG_ERROR);
	REQUIRE(logged.was_unknown);
	REQUIRE(strstr(logged.message, "EIO") != NULL);
	REQUIRE(strstr(logged.message, "8192") != NULL);
	run_ok(s->q, &r);
	id = enqueue(s->q, &r);
	REQUIRE(ds_queue_cancel(s->q, id));
	wait_idle(s->q);
	REQUIRE_CMP(atomic_load(&logged.calls), ==, 1);
}

static void log_callback(void *arg, const struct ds_log_record *record)
{
	struct logged *logged = arg;

	REQUIRE(record->message != NULL && record->message[0] != '\0');
	REQUIRE_CMP(record->level, >=, DS_LOG_ERROR);
	REQUIRE_CMP(record->level, <=, DS_LOG_DEBUG);
	atomic_fetch_add(&logged->calls, 1);
}

/* With everything logged nothing breaks, and a fall-back to the page cache is told. */
static void log_everything(struct suite *s)
{
	struct logged logged = { .s = s };
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;
	struct fake_setup setup = { 0 };
	struct ds_file_info info = DS_FILE_INFO_INIT;
	struct ds_file *file;
	uint8_t *buf = aligned_alloc(4096, SMALL);
	struct ds_request r;

	cfg.log_callback = log_callback;
	cfg.log_user_data = &logged;
	cfg.log_level = DS_LOG_DEBUG;
	suite_remake_fake(s, &setup, &cfg, NULL);
	r = req_read(s->data, 0, SMALL, buf);
	for (unsigned i = 0; i < 50; i++) {
		rule(s, FAKE_READS, i % 2 ? EIO : EAGAIN, 0, 1);
		run(s->q, &r);
	}
	REQUIRE_OK(ds_file_open(s->be, s->data_path, DS_FILE_DIRECT, &file));
	REQUIRE_OK(ds_file_get_info(file, &info));
	rule(s, FAKE_READS | FAKE_DIRECT_ONLY, EINVAL, 0, 0);
	r = req_read(file, 0, SMALL, buf);
	run_ok(s->q, &r);
	ds_file_close(file);
	/* Records are delivered before the backend's threads end. */
	suite_close(s);
	REQUIRE_CMP(atomic_load(&logged.calls), >=, info.is_direct);
	fake_clear_rules(s->fake);
	REQUIRE_OK(fake_make_backend(NULL, s->fake, &s->be));
	REQUIRE_OK(ds_queue_create(s->be, NULL, &s->q));
	REQUIRE_OK(ds_file_open(s->be, s->data_path, DS_FILE_READ, &s->data));
	free(buf);
}

int main(int argc, char **argv)
{
	static const struct suite_entry entries[] = {
		FAKE_TEST(short_reads_of_every_size),
		FAKE_TEST(short_writes_of_every_size),
		FAKE_TEST(short_reads_everywhere),
		FAKE_TEST(zero_is_the_end),
		FAKE_TEST(zero_inside_a_stream),
		FAKE_TEST(write_that_takes_nothing),
		FAKE_TEST(eagain),
		FAKE_TEST(eintr),
		FAKE_TEST(errors_are_named),
		FAKE_TEST(description_in_little_room),
		FAKE_TEST(one_chunk_fails),
		FAKE_TEST(failure_waits_for_its_chunks),
		FAKE_TEST(writes_fail),
		FAKE_TEST(streams_fail),
		FAKE_TEST(direct_refused),
		FAKE_TEST(direct_short_is_the_end),
		FAKE_TEST(chaos),
		FAKE_TEST(error_callback_first),
		FAKE_TEST(log_everything),
	};

	return suite_main(argc, argv, "faults", entries, sizeof(entries) / sizeof(entries[0]));
}
