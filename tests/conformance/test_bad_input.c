/* SPDX-License-Identifier: MIT */
/* test_bad_input.c: whatever makes no sense is a named error; nothing hangs, nothing is lost. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conformance/suite.h"

enum {
	SMALL = 4096
};

static void refuses(struct suite *s, const struct ds_request *r, ds_result want)
{
	uint64_t id = 4711;

	REQUIRE_RESULT(ds_queue_enqueue(s->q, r, &id), want);
	REQUIRE_CMP(id, ==, 4711);
}

/* ------------------------------------------------------------------ sizes */

static void sizes_that_overflow(struct suite *s)
{
	uint8_t buf[SMALL];
	struct ds_request r;

	r = req_read(s->data, UINT64_MAX - 10, SMALL, buf);
	refuses(s, &r, DS_ERR_OUT_OF_RANGE);
	r = req_read(s->data, UINT64_MAX, 1, buf);
	refuses(s, &r, DS_ERR_OUT_OF_RANGE);
	/* Beyond what an off_t holds. */
	r = req_read(s->data, INT64_MAX, SMALL, buf);
	refuses(s, &r, DS_ERR_OUT_OF_RANGE);
	r = req_read(s->data, 0, SMALL, buf);
	r.source.nbytes = UINT64_MAX;
	r.destination.nbytes = UINT64_MAX;
	refuses(s, &r, DS_ERR_OUT_OF_RANGE);
	/* Memory that would wrap round. */
	r = req_copy(buf, UINT64_MAX - 100, buf);
	REQUIRE_CMP(ds_queue_enqueue(s->q, &r, NULL), !=, DS_OK);
	r = req_write(s->data, UINT64_MAX - 5, 10, buf);
	REQUIRE_CMP(ds_queue_enqueue(s->q, &r, NULL), !=, DS_OK);
}

static void room_too_small(struct suite *s)
{
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);

	r.destination.nbytes = SMALL - 1;
	refuses(s, &r, DS_ERR_DESTINATION_TOO_SMALL);
	r = req_decode(s->data, 0, 1000, DS_CODEC_GDEFLATE, buf, SMALL);
	r.destination.nbytes = SMALL - 1;
	refuses(s, &r, DS_ERR_DESTINATION_TOO_SMALL);
}

static void contradictions(struct suite *s)
{
	uint8_t buf[SMALL];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);

	r.uncompressed_nbytes = SMALL - 1;
	refuses(s, &r, DS_ERR_INVALID_ARGUMENT);
}

/* ---------------------------------------------------------------- pointers */

static void null_pointers(struct suite *s)
{
	uint8_t buf[SMALL];
	struct ds_request r;
	struct ds_queue *q;
	struct ds_file *file;

	r = req_read(s->data, 0, SMALL, NULL);
	refuses(s, &r, DS_ERR_INVALID_ARGUMENT);
	r = req_read(NULL, 0, SMALL, buf);
	refuses(s, &r, DS_ERR_INVALID_ARGUMENT);
	r = req_copy(NULL, SMALL, buf);
	refuses(s, &r, DS_ERR_INVALID_ARGUMENT);
	r = req_write(NULL, 0, SMALL, buf);
	refuses(s, &r, DS_ERR_INVALID_ARGUMENT);
	refuses(s, NULL, DS_ERR_INVALID_ARGUMENT);
	REQUIRE_RESULT(ds_queue_create(NULL, NULL, &q), DS_ERR_INVALID_ARGUMENT);
	REQUIRE_RESULT(ds_queue_create(s->be, NULL, NULL), DS_ERR_INVALID_ARGUMENT);
	REQUIRE_RESULT(ds_file_open(s->be, NULL, 0, &file), DS_ERR_INVALID_ARGUMENT);
	REQUIRE_RESULT(ds_file_open(NULL, s->data_path, 0, &file), DS_ERR_INVALID_ARGUMENT);
	REQUIRE_RESULT(ds_make_cpu_backend(NULL, NULL), DS_ERR_INVALID_ARGUMENT);
	REQUIRE_RESULT(ds_status_array_create(1, NULL), DS_ERR_INVALID_ARGUMENT);
	REQUIRE_RESULT(ds_fence_create(0, NULL), DS_ERR_INVALID_ARGUMENT);
	REQUIRE_RESULT(ds_queue_enqueue_signal(s->q, NULL, 1), DS_ERR_INVALID_ARGUMENT);
	ds_backend_destroy(NULL);
	ds_file_close(NULL);
	REQUIRE_OK(ds_queue_destroy(NULL));
}

static void overlapping_memory(struct suite *s)
{
	uint8_t buf[3 * SMALL] = { 0 };
	struct ds_request r;

	/* Whether places of a device overlap the core cannot know. */
	if (s->has_device)
		return;
	r = req_copy(buf, SMALL, buf);
	refuses(s, &r, DS_ERR_INVALID_ARGUMENT);
	r = req_copy(buf, SMALL, buf + SMALL - 1);
	refuses(s, &r, DS_ERR_INVALID_ARGUMENT);
	r = req_copy(buf + SMALL - 1, SMALL, buf);
	refuses(s, &r, DS_ERR_INVALID_ARGUMENT);
	/* Side by side is no overlap. */
	memset(buf, 3, sizeof(buf));
	r = req_copy(buf, SMALL, buf + SMALL);
	run_ok(s->q, &r);
}

/* Memory that the kernel cannot write: its own answer, for this request only. */
static void bad_address(struct suite *s)
{
	struct guarded g;
	uint8_t buf[SMALL];
	struct ds_request r;

	/* The fakes copy with the CPU, where this is a fault. */
	if (s->fake || s->has_device)
		return;
	guarded_map(&g, SMALL, false);
	guarded_poison(&g);
	r = req_read(s->data, 0, SMALL, g.data);
	run_fails(s->q, &r, DS_ERR_BAD_ADDRESS);
	guarded_unmap(&g);
	r = req_read(s->data, 0, SMALL, buf);
	run_ok(s->q, &r);
}

/* ---------------------------------------------------------- unknown values */

static void unknown_values(struct suite *s)
{
	uint8_t buf[SMALL];
	const struct ds_request good = req_read(s->data, 0, SMALL, buf);
	struct ds_request r;

	r = good;
	r.flags = 1;
	refuses(s, &r, DS_ERR_INVALID_ARGUMENT);
	r = good;
	r.priority = 5;
	refuses(s, &r, DS_ERR_INVALID_ARGUMENT);
	r = good;
	r.priority = -1;
	refuses(s, &r, DS_ERR_INVALID_ARGUMENT);
	r = good;
	r.codec = 99;
	r.uncompressed_nbytes = SMALL;
	refuses(s, &r, DS_ERR_UNSUPPORTED);
	REQUIRE(!ds_backend_has_codec(s->be, 99));
	r = good;
	r.source.kind = 14;
	refuses(s, &r, DS_ERR_UNSUPPORTED);
	r = good;
	r.destination.kind = DS_LOCATION_DEVICE_FIRST + 1000; /* nobody's */
	refuses(s, &r, DS_ERR_UNSUPPORTED);
	r = good;
	r.destination.kind = DS_LOCATION_NONE;
	REQUIRE_CMP(ds_queue_enqueue(s->q, &r, NULL), !=, DS_OK);
	r = good;
	r.source.kind = DS_LOCATION_NONE;
	REQUIRE_CMP(ds_queue_enqueue(s->q, &r, NULL), !=, DS_OK);
	/* File to file, and a write with a codec, are not offered. */
	r = req_write(s->data, 0, SMALL, buf);
	r.source = good.source;
	REQUIRE_CMP(ds_queue_enqueue(s->q, &r, NULL), !=, DS_OK);
	r = req_write(s->data, 0, SMALL, buf);
	r.codec = DS_CODEC_GDEFLATE;
	r.uncompressed_nbytes = SMALL;
	REQUIRE_CMP(ds_queue_enqueue(s->q, &r, NULL), !=, DS_OK);
}

/* Results are named, whatever the number. */
static void names(struct suite *s)
{
	(void)s;
	REQUIRE(strcmp(ds_result_name(DS_OK), "DS_OK") == 0);
	REQUIRE(strcmp(ds_result_name(DS_ERR_IO), "DS_ERR_IO") == 0);
	REQUIRE(strcmp(ds_result_name(1), "DS_ERR_?") == 0);
	REQUIRE(strcmp(ds_result_name(INT32_MIN), "DS_ERR_?") == 0);
	for (ds_result i = DS_ERR_SYSTEM - 3; i < 3; i++) {
		REQUIRE(ds_result_name(i) != NULL);
		REQUIRE(ds_result_message(i) != NULL && ds_result_message(i)[0] != '\0');
		if (i >= DS_ERR_SYSTEM && i <= DS_OK)
			REQUIRE(strncmp(ds_result_name(i), "DS_", 3) == 0 &&
				strcmp(ds_result_name(i), "DS_ERR_?") != 0);
	}
	REQUIRE_CMP(ds_version(), ==,
		    DS_VERSION_MAJOR << 16 | DS_VERSION_MINOR << 8 | DS_VERSION_PATCH);
}

/* ------------------------------------------------------------ struct sizes */

static void backend_config_sizes(struct suite *s)
{
	struct {
		struct ds_backend_config cfg;
		uint64_t later;
	} big = { .cfg = DS_BACKEND_CONFIG_INIT };
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;
	struct ds_backend *be = NULL;

	(void)s;
	cfg.size = 0;
	REQUIRE_RESULT(ds_make_cpu_backend(&cfg, &be), DS_ERR_INVALID_ARGUMENT);
	cfg.size = 3;
	REQUIRE_RESULT(ds_make_cpu_backend(&cfg, &be), DS_ERR_INVALID_ARGUMENT);
	REQUIRE(be == NULL);
	big.cfg.size = sizeof(big);
	REQUIRE_OK(ds_make_cpu_backend(&big.cfg, &be));
	ds_backend_destroy(be);
	be = NULL;
	big.later = 1;
	REQUIRE_RESULT(ds_make_cpu_backend(&big.cfg, &be), DS_ERR_INVALID_ARGUMENT);
	REQUIRE(be == NULL);
}

static void bad_backend(const struct ds_backend_config *cfg)
{
	struct ds_backend *be = NULL;

	REQUIRE_RESULT(ds_make_cpu_backend(cfg, &be), DS_ERR_INVALID_ARGUMENT);
	REQUIRE(be == NULL);
}

static void backend_config_values(struct suite *s)
{
	const struct ds_backend_config good = DS_BACKEND_CONFIG_INIT;
	struct ds_backend_config cfg;

	(void)s;
	cfg = good;
	cfg.flags = 1;
	bad_backend(&cfg);
	cfg = good;
	cfg.staging_nbytes = MIB - 1;
	bad_backend(&cfg);
	cfg = good;
	cfg.chunk_nbytes = 100000;
	bad_backend(&cfg);
	cfg = good;
	cfg.chunk_nbytes = 32 * KIB;
	bad_backend(&cfg);
	cfg = good;
	cfg.chunk_nbytes = 32 * MIB;
	bad_backend(&cfg);
	cfg = good;
	cfg.io_workers = 257;
	bad_backend(&cfg);
	cfg = good;
	cfg.decode_workers = 257;
	bad_backend(&cfg);
	cfg = good;
	cfg.direct = 3;
	bad_backend(&cfg);
	cfg = good;
	cfg.direct = -1;
	bad_backend(&cfg);
	cfg = good;
	cfg.log_level = 5;
	bad_backend(&cfg);
}

/* More staging memory than there are addresses: refused, not died of. */
static void absurd_staging(struct suite *s)
{
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;
	struct ds_backend *be = NULL;

	(void)s;
	cfg.staging_nbytes = UINT64_MAX;
	REQUIRE_CMP(ds_make_cpu_backend(&cfg, &be), !=, DS_OK);
	cfg.staging_nbytes = UINT64_C(1) << 60;
	REQUIRE_CMP(ds_make_cpu_backend(&cfg, &be), !=, DS_OK);
	REQUIRE(be == NULL);
}

static void queue_config(struct suite *s)
{
	struct {
		struct ds_queue_config cfg;
		uint64_t later;
	} big = { .cfg = DS_QUEUE_CONFIG_INIT };
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	struct ds_queue *q = NULL;

	cfg.flags = 1u << 31;
	REQUIRE_RESULT(ds_queue_create(s->be, &cfg, &q), DS_ERR_INVALID_ARGUMENT);
	cfg.flags = 0;
	cfg.priority = 9;
	REQUIRE_RESULT(ds_queue_create(s->be, &cfg, &q), DS_ERR_INVALID_ARGUMENT);
	cfg.priority = 0;
	cfg.size = 0;
	REQUIRE_RESULT(ds_queue_create(s->be, &cfg, &q), DS_ERR_INVALID_ARGUMENT);
	REQUIRE(q == NULL);
	big.cfg.size = sizeof(big);
	big.later = 1;
	REQUIRE_RESULT(ds_queue_create(s->be, &big.cfg, &q), DS_ERR_INVALID_ARGUMENT);
	REQUIRE(q == NULL);
	big.later = 0;
	REQUIRE_OK(ds_queue_create(s->be, &big.cfg, &q));
	REQUIRE_OK(ds_queue_destroy(q));
}

static void request_sizes(struct suite *s)
{
	uint8_t buf[SMALL];
	struct {
		struct ds_request r;
		uint64_t later;
	} big[2];
	struct ds_request r = req_read(s->data, 0, SMALL, buf);
	uint32_t enqueued = 0;

	r.size = 0;
	refuses(s, &r, DS_ERR_INVALID_ARGUMENT);
	r.size = 8;
	refuses(s, &r, DS_ERR_INVALID_ARGUMENT);
	memset(big, 0, sizeof(big));
	for (unsigned i = 0; i < 2; i++) {
		big[i].r = req_read(s->data, i * 100, 10, buf + i * 100);
		big[i].r.size = sizeof(big[0]);
	}
	/* An array of larger ones is stepped through at their size. */
	REQUIRE_OK(ds_queue_enqueue_many(s->q, &big[0].r, 2, NULL, &enqueued));
	REQUIRE_CMP(enqueued, ==, 2);
	REQUIRE_OK(ds_queue_submit(s->q));
	take(s->q);
	take(s->q);
	pattern_require(buf, 10, DATA_SEED, 0);
	pattern_require(buf + 100, 10, DATA_SEED, 100);
	big[0].later = 1;
	refuses(s, &big[0].r, DS_ERR_INVALID_ARGUMENT);
}

/* ------------------------------------------------------------------- files */

static ds_result open_result(struct suite *s, const char *path, uint32_t flags)
{
	struct ds_file *file = NULL;
	ds_result ret = ds_file_open(s->be, path, flags, &file);

	REQUIRE((ret == DS_OK) == (file != NULL));
	ds_file_close(file);
	return ret;
}

static void files(struct suite *s)
{
	char path[128];

	tempdir_path(&s->dir, "none", path, sizeof(path));
	REQUIRE_RESULT(open_result(s, path, 0), DS_ERR_NOT_FOUND);
	REQUIRE_RESULT(open_result(s, path, DS_FILE_WRITE), DS_ERR_NOT_FOUND);
	REQUIRE_RESULT(open_result(s, s->dir.path, 0), DS_ERR_BAD_FILE);
	REQUIRE_RESULT(open_result(s, "/dev/zero", 0), DS_ERR_BAD_FILE);
	REQUIRE_RESULT(open_result(s, s->data_path, 1u << 30), DS_ERR_INVALID_ARGUMENT);
	REQUIRE_RESULT(open_result(s, s->data_path, DS_FILE_DIRECT | DS_FILE_BUFFERED),
		       DS_ERR_INVALID_ARGUMENT);
	REQUIRE_RESULT(open_result(s, path, DS_FILE_CREATE), DS_ERR_INVALID_ARGUMENT);
	REQUIRE_RESULT(open_result(s, s->data_path, DS_FILE_TRUNCATE), DS_ERR_INVALID_ARGUMENT);
	/* A FIFO without a writer must not make open() wait. */
	tempdir_path(&s->dir, "fifo", path, sizeof(path));
	REQUIRE_CMP(mkfifo(path, 0600), ==, 0);
	REQUIRE_RESULT(open_result(s, path, 0), DS_ERR_BAD_FILE);
	REQUIRE_CMP(symlink("loop", suite_path(s, "loop")), ==, 0);
	REQUIRE_CMP(open_result(s, suite_path(s, "loop"), 0), !=, DS_OK);
}

static void no_permission(struct suite *s)
{
	char path[128];

	tempdir_path(&s->dir, "locked", path, sizeof(path));
	file_write_bytes(path, "x", 1);
	REQUIRE_CMP(chmod(path, 0), ==, 0);
	/* Root may read it all the same. */
	REQUIRE_RESULT(open_result(s, path, 0), geteuid() ? DS_ERR_PERMISSION : DS_OK);
}

static void descriptors(struct suite *s)
{
	struct ds_file *file = NULL;
	int pipes[2];
	int fd;

	REQUIRE_RESULT(ds_file_from_fd(s->be, -1, 0, &file), DS_ERR_BAD_FILE);
	REQUIRE_RESULT(ds_file_from_fd(s->be, 1000000, 0, &file), DS_ERR_BAD_FILE);
	REQUIRE_CMP(pipe(pipes), ==, 0);
	REQUIRE_RESULT(ds_file_from_fd(s->be, pipes[0], 0, &file), DS_ERR_BAD_FILE);
	close(pipes[0]);
	close(pipes[1]);
	fd = open(".", O_RDONLY | O_CLOEXEC);
	REQUIRE_RESULT(ds_file_from_fd(s->be, fd, 0, &file), DS_ERR_BAD_FILE);
	close(fd);
	fd = open(s->data_path, O_RDONLY | O_CLOEXEC);
	REQUIRE_RESULT(ds_file_from_fd(s->be, fd, DS_FILE_WRITE, &file), DS_ERR_BAD_FILE);
	REQUIRE_RESULT(ds_file_from_fd(s->be, fd, DS_FILE_CREATE, &file), DS_ERR_INVALID_ARGUMENT);
	close(fd);
	fd = open(s->data_path, O_WRONLY | O_CLOEXEC);
	REQUIRE_RESULT(ds_file_from_fd(s->be, fd, DS_FILE_READ, &file), DS_ERR_BAD_FILE);
	close(fd);
	REQUIRE(file == NULL);
}

/* A descriptor in a request: refused at once, or the request's own failure. */
static void fd_ends_badly(struct suite *s, int fd)
{
	uint8_t buf[SMALL];
	struct ds_request r = req_read(NULL, 0, SMALL, buf);
	struct ds_completion c;
	ds_result ret;

	r.source.kind = DS_LOCATION_FD;
	r.source.file = NULL;
	r.source.fd = fd;
	ret = ds_queue_enqueue(s->q, &r, NULL);
	if (ret) {
		REQUIRE_RESULT(ret, DS_ERR_BAD_FILE);
		return;
	}
	REQUIRE_OK(ds_queue_submit(s->q));
	c = take(s->q);
	require_failed_with(&c, DS_ERR_BAD_FILE);
}

static void bad_descriptors_in_requests(struct suite *s)
{
	uint8_t byte = 1;
	struct ds_request r = req_write(NULL, 0, 1, &byte);
	int pipes[2];
	int fd;

	fd_ends_badly(s, -1);
	fd_ends_badly(s, 1000000);
	fd = open(".", O_RDONLY | O_CLOEXEC);
	fd_ends_badly(s, fd);
	close(fd);
	REQUIRE_CMP(pipe(pipes), ==, 0);
	fd_ends_badly(s, pipes[0]);
	close(pipes[0]);
	close(pipes[1]);
	fd = open(s->data_path, O_WRONLY | O_CLOEXEC);
	fd_ends_badly(s, fd);
	close(fd);
	/* Written, but not open for that. */
	fd = open(s->data_path, O_RDONLY | O_CLOEXEC);
	r.destination.kind = DS_LOCATION_FD;
	r.destination.file = NULL;
	r.destination.fd = fd;
	if (ds_queue_enqueue(s->q, &r, NULL) == DS_OK) {
		struct ds_completion c;

		REQUIRE_OK(ds_queue_submit(s->q));
		c = take(s->q);
		require_failed_with(&c, DS_ERR_BAD_FILE);
	}
	close(fd);
}

static void write_to_a_read_only_file(struct suite *s)
{
	uint8_t byte = 1;
	struct ds_request r = req_write(s->data, 0, 1, &byte);

	refuses(s, &r, DS_ERR_BAD_FILE);
}

/* A file belongs to its backend. */
static void file_of_another_backend(struct suite *s)
{
	uint8_t buf[SMALL];
	struct ds_backend *be;
	struct ds_file *file;
	struct ds_request r;

	REQUIRE_OK(ds_make_cpu_backend(NULL, &be));
	REQUIRE_OK(ds_file_open(be, s->data_path, 0, &file));
	r = req_read(file, 0, SMALL, buf);
	REQUIRE_CMP(ds_queue_enqueue(s->q, &r, NULL), !=, DS_OK);
	ds_file_close(file);
	ds_backend_destroy(be);
}

/* It shrinks while it is read: an end of file, with what there was. */
static void file_that_shrinks(struct suite *s)
{
	struct ds_file *file = suite_pattern_file(s, "shrinks", 100000, 6, 0);
	uint8_t *buf = malloc(100000);
	struct ds_request r = req_read(file, 0, 100000, buf);
	struct ds_completion c;

	REQUIRE_CMP(truncate(suite_path(s, "shrinks"), 50001), ==, 0);
	c = run_fails(s->q, &r, DS_ERR_END_OF_FILE);
	REQUIRE_CMP(c.bytes_transferred, ==, 50001);
	pattern_require(buf, 50001, 6, 0);
	ds_file_close(file);
	free(buf);
}

/* ------------------------------------------------------------------ misuse */

/* One bad request between good ones harms none of them. */
static void good_among_bad(struct suite *s)
{
	enum {
		N = 90
	};
	uint8_t *buf = malloc((size_t)N * SMALL);
	uint8_t garbage[100];
	unsigned complete = 0, failed = 0;

	pattern_fill(garbage, sizeof(garbage), 8, 0);
	for (unsigned i = 0; i < N; i++) {
		struct ds_request r = req_read(s->data, i, SMALL, buf + (size_t)i * SMALL);

		if (i % 3 == 1)
			r.source.offset = DATA_NBYTES + i;
		if (i % 3 == 2) {
			r = req_copy(garbage, sizeof(garbage), buf + (size_t)i * SMALL);
			r.codec = DS_CODEC_GDEFLATE;
			r.uncompressed_nbytes = SMALL;
			r.destination.nbytes = SMALL;
		}
		r.tag = i;
		enqueue(s->q, &r);
	}
	REQUIRE_OK(ds_queue_submit(s->q));
	for (unsigned i = 0; i < N; i++) {
		struct ds_completion c = take(s->q);

		REQUIRE_CMP(c.status == DS_STATUS_COMPLETE, ==, c.tag % 3 == 0);
		complete += c.status == DS_STATUS_COMPLETE;
		failed += c.status == DS_STATUS_FAILED;
	}
	REQUIRE_CMP(complete, ==, N / 3);
	REQUIRE_CMP(failed, ==, 2 * N / 3);
	for (unsigned i = 0; i < N; i += 3)
		pattern_require(buf + (size_t)i * SMALL, SMALL, DATA_SEED, i);
	free(buf);
}

/* A queue goes while its requests are in every state. */
static void destroyed_with_work(struct suite *s)
{
	enum {
		N = 300
	};
	uint8_t *buf = malloc((size_t)N * SMALL);
	struct stream st;

	REQUIRE(stream_make(&st, DS_CODEC_GDEFLATE, SMALL, 3));
	for (unsigned round = 0; round < 10; round++) {
		struct ds_queue *q;

		REQUIRE_OK(ds_queue_create(s->be, NULL, &q));
		for (unsigned i = 0; i < N; i++) {
			struct ds_request r = req_read(s->data, i, SMALL, buf + (size_t)i * SMALL);

			if (i % 2) {
				r = req_copy(st.bytes, st.nbytes, buf + (size_t)i * SMALL);
				r.codec = DS_CODEC_GDEFLATE;
				r.uncompressed_nbytes = SMALL;
				r.destination.nbytes = SMALL;
			}
			r.timeout_ns = i % 7 ? 0 : 1000;
			enqueue(q, &r);
			if (i == N * 2 / 3)
				REQUIRE_OK(ds_queue_submit(q));
		}
		REQUIRE_OK(ds_queue_destroy(q));
		memset(buf, 0x5a, (size_t)N * SMALL);
	}
	REQUIRE_CMP(backend_stats(s->be).requests_in_flight, ==, 0);
	REQUIRE(bytes_are(buf, (uint64_t)N * SMALL, 0x5a));
	stream_free(&st);
	free(buf);
}

struct user {
	struct suite *s;
	uint64_t seed;
};

static void *user_main(void *arg)
{
	struct user *user = arg;
	struct suite *s = user->s;
	uint8_t buf[SMALL];

	for (uint64_t i = 0; i < 200; i++) {
		uint64_t offset = (user->seed * 977 + i * 131) % (DATA_NBYTES - SMALL);
		struct ds_request r = req_read(s->data, offset, SMALL, buf);
		struct ds_completion c = DS_COMPLETION_INIT;
		uint64_t id = start(s->q, &r);

		/* Its result is nobody's to take until all threads are done. */
		REQUIRE_OK(ds_queue_wait_request(s->q, id, PATIENCE, &c));
		require_complete(&c, SMALL);
		pattern_require(buf, SMALL, DATA_SEED, offset);
	}
	return NULL;
}

/* One queue, used by many threads at once. */
static void many_threads(struct suite *s)
{
	enum {
		N = 8
	};
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	pthread_t threads[N];
	struct user users[N];

	cfg.capacity = N * 200;
	suite_remake_queue(s, &cfg);
	for (unsigned i = 0; i < N; i++) {
		users[i] = (struct user){ .s = s, .seed = i };
		REQUIRE_CMP(pthread_create(&threads[i], NULL, user_main, &users[i]), ==, 0);
	}
	for (unsigned i = 0; i < N; i++)
		pthread_join(threads[i], NULL);
	REQUIRE_CMP(queue_stats(s->q).requests_completed, ==, N * 200);
}

int main(int argc, char **argv)
{
	static const struct suite_entry entries[] = {
		TEST(sizes_that_overflow),
		TEST(room_too_small),
		TEST(contradictions),
		TEST(null_pointers),
		TEST(overlapping_memory),
		TEST(bad_address),
		TEST(unknown_values),
		TEST(names),
		TEST(backend_config_sizes),
		TEST(backend_config_values),
		TEST(absurd_staging),
		TEST(queue_config),
		TEST(request_sizes),
		TEST(files),
		TEST(no_permission),
		TEST(descriptors),
		TEST(bad_descriptors_in_requests),
		TEST(write_to_a_read_only_file),
		TEST(file_of_another_backend),
		TEST(file_that_shrinks),
		TEST(good_among_bad),
		TEST(destroyed_with_work),
		TEST(many_threads),
	};

	return suite_main(argc, argv, "bad_input", entries, sizeof(entries) / sizeof(entries[0]));
}
