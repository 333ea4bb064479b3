/* SPDX-License-Identifier: MIT */
/*
 * test_unix_half.c: the Unix half of dstorage.dll without Wine, called through its table as the
 * Windows half calls it: so that sanitizers see it too.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dstorage/unix/unix.h"
#include "support/require.h"
#include "support/testdata.h"

enum {
	NBYTES = 3000000,
	EACH = 4096,
	COUNT = NBYTES / EACH
};

static struct tempdir dir;
static char path[128];

static int32_t call(enum dsw_code code, void *args)
{
	return __wine_unix_call_funcs[code](args);
}

static void create_backend(void)
{
	struct dsw_backend_create a = { .staging_nbytes = 4 << 20 };

	REQUIRE_OK(call(DSW_BACKEND_CREATE, &a));
	REQUIRE(a.used_engine == DSW_ENGINE_CPU || a.used_engine == DSW_ENGINE_URING);
}

static uint64_t open_it(void)
{
	struct dsw_file_from_path a = { unix_address(path), 0 };

	REQUIRE_OK(call(DSW_FILE_FROM_PATH, &a));
	return a.file;
}

static void close_it(uint64_t file)
{
	struct dsw_file_close a = { file };

	REQUIRE_OK(call(DSW_FILE_CLOSE, &a));
}

static uint64_t create_queue(uint32_t capacity)
{
	struct dsw_queue_create a = { .name = unix_address("test"), .capacity = capacity };

	REQUIRE_OK(call(DSW_QUEUE_CREATE, &a));
	return a.queue;
}

static void destroy_queue(uint64_t queue)
{
	struct dsw_queue_destroy a = { queue };

	REQUIRE_OK(call(DSW_QUEUE_DESTROY, &a));
}

static void test_init(void)
{
	struct dsw_init a = { DSW_VERSION, 99 };

	REQUIRE_OK(call(DSW_INIT, &a));
	REQUIRE_CMP(a.has_zstd, ==, DS_HAVE_ZSTD);
	a.version++;
	REQUIRE_RESULT(call(DSW_INIT, &a), DS_ERR_UNSUPPORTED);
}

static void test_files(void)
{
	struct dsw_file_from_fd from_fd = { open(dir.path, O_RDONLY), 0, 0 };
	struct dsw_file_from_path from_path = { unix_address("/nowhere/at/all"), 0 };
	unsigned int before;

	/* The descriptor is theirs, whatever comes of it. */
	REQUIRE_RESULT(call(DSW_FILE_FROM_FD, &from_fd), DS_ERR_BAD_FILE);
	before = count_fds();
	REQUIRE_RESULT(call(DSW_FILE_FROM_PATH, &from_path), DS_ERR_BAD_FILE);
	from_fd.fd = open(path, O_RDONLY);
	REQUIRE_OK(call(DSW_FILE_FROM_FD, &from_fd));
	close_it(from_fd.file);
	REQUIRE_CMP(count_fds(), ==, before);
}

/* Takes completions until there are n; counts the cancelled ones. */
static uint32_t take(uint32_t n, int32_t *results)
{
	struct dsw_completion c[64];
	struct dsw_wait a = { unix_address(c), 64, 0, 10000, 0 };
	uint32_t nr_cancelled = 0;

	while (n) {
		REQUIRE_OK(call(DSW_WAIT, &a));
		REQUIRE_CMP(a.count, >, 0);
		REQUIRE_CMP(a.count, <=, n);
		n -= a.count;
		for (uint32_t i = 0; i < a.count; i++) {
			nr_cancelled += c[i].is_cancelled;
			if (results)
				results[c[i].cookie] = c[i].result;
		}
	}
	return nr_cancelled;
}

static struct dsw_request read_request(uint64_t file, uint32_t i, unsigned char *to)
{
	return (struct dsw_request){
		.cookie = i,
		.file = file,
		.source = (uint64_t)i * EACH,
		.source_nbytes = EACH,
		.destination = unix_address(to + (size_t)i * EACH),
		.destination_nbytes = EACH,
	};
}

static void start(uint64_t queue, struct dsw_request *requests, uint32_t count)
{
	struct dsw_queue_start a = { queue, unix_address(requests), count, 0 };

	REQUIRE_OK(call(DSW_QUEUE_START, &a));
	REQUIRE_CMP(a.taken, ==, count);
}

static void test_read(void)
{
	uint64_t file = open_it(), queue = create_queue(COUNT), other = create_queue(COUNT);
	struct dsw_request *r = calloc(COUNT, sizeof(*r));
	unsigned char *buf = malloc(NBYTES);

	for (uint32_t i = 0; i < COUNT; i++)
		r[i] = read_request(file, i, buf);
	start(queue, r, COUNT / 2);
	start(other, r + COUNT / 2, COUNT - COUNT / 2);
	REQUIRE_CMP(take(COUNT, NULL), ==, 0);
	pattern_require(buf, COUNT * EACH, 2, 0);
	free(buf);
	free(r);
	destroy_queue(other);
	destroy_queue(queue);
	close_it(file);
}

/* One that is refused says why; those round it go on. One that fails reports it later. */
static void test_refused(void)
{
	uint64_t file = open_it(), queue = create_queue(16);
	unsigned char *buf = malloc(NBYTES);
	int32_t results[4] = { 1, 1, 1, 1 };
	struct dsw_request r[4];

	for (uint32_t i = 0; i < 4; i++)
		r[i] = read_request(file, i, buf);
	r[1].destination_nbytes = 1;
	r[2].source = NBYTES;
	start(queue, r, 4);
	REQUIRE_OK(r[0].result);
	REQUIRE_RESULT(r[1].result, DS_ERR_DESTINATION_TOO_SMALL);
	take(3, results);
	REQUIRE_OK(results[0]);
	REQUIRE_RESULT(results[2], DS_ERR_END_OF_FILE);
	REQUIRE_OK(results[3]);
	free(buf);
	destroy_queue(queue);
	close_it(file);
}

/* A queue without room takes what it can. */
static void test_full(void)
{
	uint64_t file = open_it(), queue = create_queue(8);
	struct dsw_request r[20];
	unsigned char *buf = malloc(NBYTES);
	uint32_t done = 0;

	for (uint32_t i = 0; i < 20; i++)
		r[i] = read_request(file, i, buf);
	while (done < 20) {
		struct dsw_queue_start a = { queue, unix_address(r + done), 20 - done, 0 };

		REQUIRE_OK(call(DSW_QUEUE_START, &a));
		REQUIRE_CMP(a.taken, <=, 8);
		REQUIRE_CMP(a.taken, >, 0);
		take(a.taken, NULL);
		done += a.taken;
	}
	pattern_require(buf, 20 * EACH, 2, 0);
	free(buf);
	destroy_queue(queue);
	close_it(file);
}

/* All are reported, cancelled or not, and the memory may go at once. */
static void test_cancel(void)
{
	uint64_t file = open_it(), queue = create_queue(COUNT);
	struct dsw_request *r = calloc(COUNT, sizeof(*r));
	uint64_t *ids = calloc(COUNT, sizeof(*ids));
	struct dsw_queue_cancel a = { queue, unix_address(ids), COUNT, 0 };

	for (unsigned int round = 0; round < 20; round++) {
		unsigned char *buf = malloc(NBYTES);

		for (uint32_t i = 0; i < COUNT; i++)
			r[i] = read_request(file, i, buf);
		start(queue, r, COUNT);
		for (uint32_t i = 0; i < COUNT; i++)
			ids[i] = r[i].id;
		REQUIRE_OK(call(DSW_QUEUE_CANCEL, &a));
		free(buf);
		take(COUNT, NULL);
	}
	free(ids);
	free(r);
	destroy_queue(queue);
	close_it(file);
}

/* Files stay while the backend is replaced. */
static void test_backends(void)
{
	uint64_t file = open_it();
	unsigned char buf[EACH];

	for (unsigned int round = 0; round < 3; round++) {
		uint64_t queue = create_queue(16);
		struct dsw_request r = read_request(file, 0, buf);

		start(queue, &r, 1);
		take(1, NULL);
		pattern_require(buf, EACH, 2, 0);
		destroy_queue(queue);
		REQUIRE_OK(call(DSW_BACKEND_DESTROY, NULL));
		create_backend();
	}
	close_it(file);
}

static void round_trip(uint32_t format, int32_t setting, uint32_t nr_threads)
{
	struct dsw_codec_bound b = { format, 0, NBYTES, 0 };
	unsigned char *in = malloc(NBYTES), *out = malloc(NBYTES), *stream;
	struct dsw_codec_run a = { .format = format, .setting = setting, .nr_threads = nr_threads };

	pattern_fill(in, NBYTES, 3, 0);
	REQUIRE_OK(call(DSW_CODEC_BOUND, &b));
	stream = malloc(b.bound);
	a.source = unix_address(in);
	a.source_nbytes = NBYTES;
	a.destination = unix_address(stream);
	a.room = b.bound;
	REQUIRE_OK(call(DSW_CODEC_COMPRESS, &a));
	REQUIRE_CMP(a.written, <, NBYTES);
	a.source = unix_address(stream);
	a.source_nbytes = a.written;
	a.destination = unix_address(out);
	a.room = NBYTES - 1;
	REQUIRE_RESULT(call(DSW_CODEC_DECOMPRESS, &a), DS_ERR_DESTINATION_TOO_SMALL);
	a.room = NBYTES;
	REQUIRE_OK(call(DSW_CODEC_DECOMPRESS, &a));
	REQUIRE_CMP(a.written, ==, NBYTES);
	REQUIRE(!memcmp(in, out, NBYTES));
	a.source_nbytes /= 2;
	REQUIRE_RESULT(call(DSW_CODEC_DECOMPRESS, &a), DS_ERR_CORRUPT_DATA);
	free(stream);
	free(out);
	free(in);
}

static void test_codecs(void)
{
	struct dsw_codec_bound none = { 77, 0, NBYTES, 1 };

	for (uint32_t nr_threads = 0; nr_threads < 5; nr_threads++)
		round_trip(DSW_FORMAT_GDEFLATE, -1, nr_threads);
	round_trip(DSW_FORMAT_GDEFLATE, 0, 2);
#if DS_HAVE_ZSTD
	round_trip(DSW_FORMAT_ZSTD, -1, 1);
	round_trip(DSW_FORMAT_ZSTD, 0, 1);
#endif
	REQUIRE_OK(call(DSW_CODEC_BOUND, &none));
	REQUIRE_CMP(none.bound, ==, 0);
}

/* What a GPU decoder is told about a stream; and streams that it is told nothing about. */
static void test_tiles(void)
{
	enum {
		MAX_TILES = 64
	};
	struct dsw_codec_run c = { .format = DSW_FORMAT_GDEFLATE, .setting = -1 };
	unsigned char *in = malloc(NBYTES), *stream = malloc(2 * NBYTES);
	struct dsw_tile tiles[MAX_TILES];
	struct dsw_gdeflate_tiles a = { .stream = unix_address(stream), .max = MAX_TILES };
	uint32_t end = 8;

	pattern_fill(in, NBYTES, 3, 0);
	c.source = unix_address(in);
	c.source_nbytes = NBYTES;
	c.destination = unix_address(stream);
	c.room = 2 * NBYTES;
	REQUIRE_OK(call(DSW_CODEC_COMPRESS, &c));
	a.stream_nbytes = c.written;
	a.decoded_nbytes = NBYTES;
	a.tiles = unix_address(tiles);
	REQUIRE_OK(call(DSW_GDEFLATE_TILES, &a));
	REQUIRE_CMP(a.count, ==, (NBYTES + 65535) / 65536);
	end += 4 * a.count;
	for (uint32_t i = 0; i < a.count; i++) {
		REQUIRE_CMP(tiles[i].offset, ==, end);
		REQUIRE_CMP(tiles[i].decoded_nbytes, ==,
			    i + 1 < a.count ? 65536 : (NBYTES - 1) % 65536 + 1);
		end += tiles[i].nbytes;
	}
	REQUIRE_CMP(end, ==, c.written);
	a.max = a.count - 1;
	REQUIRE_RESULT(call(DSW_GDEFLATE_TILES, &a), DS_ERR_OUT_OF_RANGE);
	a.max = MAX_TILES;
	a.decoded_nbytes++;
	REQUIRE_RESULT(call(DSW_GDEFLATE_TILES, &a), DS_ERR_SIZE_MISMATCH);
	a.decoded_nbytes--;
	a.stream_nbytes--;
	REQUIRE_RESULT(call(DSW_GDEFLATE_TILES, &a), DS_ERR_CORRUPT_DATA);
	a.stream_nbytes = 7;
	REQUIRE_RESULT(call(DSW_GDEFLATE_TILES, &a), DS_ERR_CORRUPT_DATA);
	a.stream_nbytes = c.written;
	stream[8 + 4] ^= 1;
	REQUIRE_RESULT(call(DSW_GDEFLATE_TILES, &a), DS_ERR_CORRUPT_DATA);
	free(stream);
	free(in);
}

struct pump {
	pthread_t thread;
	atomic_uint nr_taken;
	atomic_bool stop;
};

static void *pump_all(void *arg)
{
	struct pump *p = arg;
	struct dsw_completion c[64];
	struct dsw_wait a = { unix_address(c), 64, 0, 20, 0 };

	while (!atomic_load(&p->stop)) {
		REQUIRE_OK(call(DSW_WAIT, &a));
		atomic_fetch_add(&p->nr_taken, a.count);
	}
	return NULL;
}

/* Queues come and go while the one thread waits for all of them. */
static void test_pump(void)
{
	uint64_t file = open_it();
	struct pump p = { .nr_taken = 0 };
	unsigned char *buf = malloc(NBYTES);
	uint32_t nr_started = 0;

	REQUIRE_CMP(pthread_create(&p.thread, NULL, pump_all, &p), ==, 0);
	for (unsigned int round = 0; round < 50; round++) {
		uint64_t queue = create_queue(64);
		struct dsw_request r[32];

		for (uint32_t i = 0; i < 32; i++)
			r[i] = read_request(file, i, buf);
		start(queue, r, 32);
		nr_started += 32;
		while (atomic_load(&p.nr_taken) != nr_started)
			usleep(100);
		destroy_queue(queue);
	}
	atomic_store(&p.stop, true);
	pthread_join(p.thread, NULL);
	pattern_require(buf, 32 * EACH, 2, 0);
	free(buf);
	close_it(file);
}

int main(void)
{
	tempdir_create(&dir);
	tempdir_path(&dir, "data", path, sizeof(path));
	file_write_pattern(path, NBYTES, 2);
	test_init();
	test_files();
	create_backend();
	test_read();
	test_refused();
	test_full();
	test_cancel();
	test_backends();
	test_codecs();
	test_tiles();
	test_pump();
	REQUIRE_OK(call(DSW_BACKEND_DESTROY, NULL));
	tempdir_remove(&dir);
	return 0;
}
