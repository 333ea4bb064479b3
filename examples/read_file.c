/* SPDX-License-Identifier: MIT */
/*
 * read_file.c: reads one file into memory with one request, and writes it to stdout.
 *
 *	read_file FILE >copy
 */
#include <stdio.h>
#include <stdlib.h>

#include "ds_runtime.h"

static int report(const char *what, ds_result result)
{
	fprintf(stderr, "read_file: %s: %s\n", what, ds_result_message(result));
	return EXIT_FAILURE;
}

static int read_whole(struct ds_queue *q, struct ds_file *file, void *buffer, uint64_t nbytes)
{
	struct ds_request r = DS_REQUEST_INIT;
	struct ds_completion c = DS_COMPLETION_INIT;
	char why[200];
	ds_result ret;

	r.source.kind = DS_LOCATION_FILE;
	r.source.file = file;
	r.source.nbytes = nbytes;
	r.destination.kind = DS_LOCATION_MEMORY;
	r.destination.data = buffer;
	r.destination.nbytes = nbytes;
	ret = ds_queue_enqueue(q, &r, NULL);
	if (ret != DS_OK)
		return report("enqueue", ret);
	ds_queue_submit(q);
	/* A program with something better to do would do it here. */
	ret = ds_queue_wait(q, &c, 1, 1, DS_WAIT_FOREVER, NULL);
	if (ret != DS_OK)
		return report("wait", ret);
	if (c.status == DS_STATUS_COMPLETE)
		return EXIT_SUCCESS;
	fprintf(stderr, "read_file: %s\n", ds_completion_describe(&c, why, sizeof(why)));
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct ds_file_info info = DS_FILE_INFO_INIT;
	struct ds_backend *be = NULL;
	struct ds_queue *q = NULL;
	struct ds_file *file = NULL;
	void *buffer = NULL;
	int exit_code = EXIT_FAILURE;
	ds_result ret;

	if (argc != 2) {
		fputs("usage: read_file FILE\n", stderr);
		return 2;
	}
	if ((ret = ds_make_cpu_backend(NULL, &be)) || (ret = ds_queue_create(be, NULL, &q)) ||
	    (ret = ds_file_open(be, argv[1], DS_FILE_READ, &file)) ||
	    (ret = ds_file_get_info(file, &info)))
		report(argv[1], ret);
	else if (!(buffer = malloc(info.nbytes + 1)))
		report(argv[1], DS_ERR_NO_MEMORY);
	else
		exit_code = read_whole(q, file, buffer, info.nbytes);
	if (exit_code == EXIT_SUCCESS &&
	    (fwrite(buffer, 1, info.nbytes, stdout) != info.nbytes || fflush(stdout) != 0))
		exit_code = EXIT_FAILURE;
	/* The queue first: after it, nothing touches the buffer. */
	ds_queue_destroy(q);
	ds_file_close(file);
	ds_backend_destroy(be);
	free(buffer);
	return exit_code;
}
