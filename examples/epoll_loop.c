/* SPDX-License-Identifier: MIT */
/*
 * epoll_loop.c: an event loop in which the queue is one descriptor among others.
 *
 *	epoll_loop FILE...
 *
 * Loads the first 64 KiB of each file. The loop sleeps until results are there or
 * its timer ticks; it never waits for the disk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "ds_runtime.h"

#define PIECE_NBYTES 65536u

static int enqueue_piece(struct ds_backend *be, struct ds_queue *q, const char *path, void *buffer)
{
	struct ds_file_info info = DS_FILE_INFO_INIT;
	struct ds_request r = DS_REQUEST_INIT;
	ds_result ret = ds_file_open(be, path, DS_FILE_READ, &r.source.file);

	if (ret == DS_OK)
		ret = ds_file_get_info(r.source.file, &info);
	r.source.kind = DS_LOCATION_FILE;
	r.source.nbytes = info.nbytes < PIECE_NBYTES ? info.nbytes : PIECE_NBYTES;
	r.destination.kind = DS_LOCATION_MEMORY;
	r.destination.data = buffer;
	r.destination.nbytes = PIECE_NBYTES;
	r.name = path;
	if (ret == DS_OK)
		ret = ds_queue_enqueue(q, &r, NULL);
	if (ret != DS_OK)
		fprintf(stderr, "%s: %s\n", path, ds_result_message(ret));
	ds_file_close(r.source.file);
	return ret == DS_OK;
}

/* Takes all results that are there; that makes the descriptor quiet again. */
static int take_results(struct ds_queue *q, int *failed)
{
	struct ds_completion c = DS_COMPLETION_INIT;
	int taken = 0;

	for (; ds_queue_poll(q, &c, 1); taken++) {
		printf("%s: %s, %llu bytes\n", c.name, ds_result_name(c.result),
		       (unsigned long long)c.bytes_transferred);
		*failed += c.status != DS_STATUS_COMPLETE;
	}
	return taken;
}

static void run_loop(struct ds_queue *q, int in_flight, int *failed)
{
	const struct itimerspec tick = { { 0, 10000000 }, { 0, 10000000 } };
	struct epoll_event event = { .events = EPOLLIN };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	int loop = epoll_create1(EPOLL_CLOEXEC);
	uint64_t ticks = 0;

	timerfd_settime(timer, 0, &tick, NULL);
	event.data.fd = timer;
	epoll_ctl(loop, EPOLL_CTL_ADD, timer, &event);
	event.data.fd = ds_queue_event_fd(q);
	epoll_ctl(loop, EPOLL_CTL_ADD, event.data.fd, &event);
	while (in_flight > 0 && epoll_wait(loop, &event, 1, -1) == 1) {
		uint64_t n;

		if (event.data.fd != timer)
			in_flight -= take_results(q, failed);
		else if (read(timer, &n, sizeof(n)) == (ssize_t)sizeof(n))
			ticks += n;
	}
	printf("timer ticks meanwhile: %llu\n", (unsigned long long)ticks);
	close(loop);
	close(timer);
}

int main(int argc, char **argv)
{
	char *buffers;
	struct ds_backend *be;
	struct ds_queue *q;
	int in_flight = 0;
	int failed = 0;

	if (argc < 2 || argc > 1000) {
		fputs("usage: epoll_loop FILE...\n", stderr);
		return 2;
	}
	buffers = calloc((size_t)argc, PIECE_NBYTES);
	if (!buffers || ds_make_cpu_backend(NULL, &be) || ds_queue_create(be, NULL, &q))
		return EXIT_FAILURE;
	for (int i = 1; i < argc; i++)
		in_flight += enqueue_piece(be, q, argv[i], buffers + (size_t)i * PIECE_NBYTES);
	failed = argc - 1 - in_flight;
	ds_queue_submit(q);
	run_loop(q, in_flight, &failed);
	ds_queue_destroy(q);
	ds_backend_destroy(be);
	free(buffers);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
