/* SPDX-License-Identifier: MIT */
/*
 * stream_assets.c: many files at once, with priorities and cancelling.
 *
 *	stream_assets FILE...
 *
 * The first file is needed now; the rest is prefetched, by turns for the room on the left
 * and the one on the right. Once the first is there the player goes left: what belongs to
 * the right and has not ended yet is cancelled, and its memory is free at once.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ds_runtime.h"

enum {
	TAG_NOW = 1,
	TAG_LEFT = 2,
	TAG_RIGHT = 3
};

static const char *const tag_names[] = { "", "now", "left", "right" };

/* The id, or 0 when this file cannot be loaded; *buffer is the caller's to free. */
static uint64_t enqueue_asset(struct ds_backend *be, struct ds_queue *q, const char *path, int i,
			      void **buffer)
{
	struct ds_file_info info = DS_FILE_INFO_INIT;
	struct ds_request r = DS_REQUEST_INIT;
	uint64_t id = 0;
	ds_result ret;

	ret = ds_file_open(be, path, DS_FILE_READ, &r.source.file);
	if (ret == DS_OK)
		ret = ds_file_get_info(r.source.file, &info);
	if (ret == DS_OK) {
		*buffer = malloc(info.nbytes + 1);
		r.source.kind = DS_LOCATION_FILE;
		r.source.nbytes = info.nbytes;
		r.destination.kind = DS_LOCATION_MEMORY;
		r.destination.data = *buffer;
		r.destination.nbytes = info.nbytes;
		r.tag = i == 0 ? TAG_NOW : i % 2 ? TAG_LEFT : TAG_RIGHT;
		r.priority = i == 0 ? DS_PRIORITY_REALTIME : DS_PRIORITY_LOW;
		r.name = path;
		ret = *buffer ? ds_queue_enqueue(q, &r, &id) : DS_ERR_NO_MEMORY;
	}
	if (ret != DS_OK)
		fprintf(stderr, "%s: %s\n", path, ds_result_message(ret));
	/* The request keeps the file open for as long as it needs it. */
	ds_file_close(r.source.file);
	return id;
}

int main(int argc, char **argv)
{
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	struct ds_completion c = DS_COMPLETION_INIT;
	struct ds_backend *be;
	struct ds_queue *q;
	void **buffers;
	uint64_t first = 0;
	uint32_t taken;
	int failed = 0;

	if (argc < 2 || argc > 10000) {
		fputs("usage: stream_assets FILE...\n", stderr);
		return 2;
	}
	buffers = calloc((size_t)argc, sizeof(*buffers));
	cfg.capacity = (uint32_t)argc;
	if (!buffers || ds_make_cpu_backend(NULL, &be) || ds_queue_create(be, &cfg, &q))
		return EXIT_FAILURE;
	for (int i = 1; i < argc; i++) {
		uint64_t id = enqueue_asset(be, q, argv[i], i - 1, &buffers[i]);

		first = i == 1 ? id : first;
		failed += id == 0;
	}
	ds_queue_submit(q);
	ds_queue_wait_request(q, first, DS_WAIT_FOREVER, NULL);
	printf("cancelled: %u\n", ds_queue_cancel_tagged(q, UINT64_MAX, TAG_RIGHT));
	/* Every request appears exactly once, the cancelled ones too. */
	while (!ds_queue_wait(q, &c, 1, 1, DS_WAIT_FOREVER, &taken) && taken) {
		printf("%s, %s: %s, %llu bytes\n", c.name, tag_names[c.tag],
		       ds_result_name(c.result), (unsigned long long)c.bytes_transferred);
		failed += c.status == DS_STATUS_FAILED;
	}
	ds_queue_destroy(q);
	ds_backend_destroy(be);
	for (int i = 1; i < argc; i++)
		free(buffers[i]);
	free(buffers);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
