/* SPDX-License-Identifier: MIT */
/*
 * reader.c: a program of somebody who uses the library; C11, and C++ as well.
 *
 * Loads a file twice through one queue, as it is and out of a GDeflate stream, and
 * compares both with what stdio reads. It is built against the installed tree only.
 */
#include <ds_gdeflate.h>
#include <ds_runtime.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *what, ds_result result)
{
	fprintf(stderr, "%s: %s (%s)\n", what, ds_result_name(result), ds_result_message(result));
	return 1;
}

static unsigned char *read_with_stdio(const char *path, size_t *nbytes)
{
	unsigned char *data = NULL;
	FILE *f = fopen(path, "rb");
	long end;

	if (!f)
		return NULL;
	if (!fseek(f, 0, SEEK_END) && (end = ftell(f)) > 0 && !fseek(f, 0, SEEK_SET)) {
		*nbytes = (size_t)end;
		data = (unsigned char *)malloc(*nbytes);
		if (data && fread(data, 1, *nbytes, f) != *nbytes) {
			free(data);
			data = NULL;
		}
	}
	fclose(f);
	return data;
}

/* Submits one request, waits for it, and compares what arrived. */
static int load(struct ds_queue *q, const char *what, struct ds_request *r, const void *expected,
		size_t nbytes)
{
	struct ds_completion c = DS_COMPLETION_INIT;
	void *out = calloc(1, nbytes);
	uint32_t taken = 0;
	ds_result ret;
	int err = 1;

	if (!out)
		return fail(what, DS_ERR_NO_MEMORY);
	r->destination.kind = DS_LOCATION_MEMORY;
	r->destination.data = out;
	r->destination.nbytes = nbytes;
	ret = ds_queue_enqueue(q, r, NULL);
	if (!ret)
		ret = ds_queue_submit(q);
	if (!ret)
		ret = ds_queue_wait(q, &c, 1, 1, DS_WAIT_FOREVER, &taken);
	if (!ret && taken == 1)
		ret = c.result;
	if (ret || taken != 1)
		fail(what, ret);
	else if (c.bytes_transferred != nbytes || memcmp(out, expected, nbytes))
		fprintf(stderr, "%s: other bytes than stdio reads\n", what);
	else
		err = 0;
	free(out);
	return err;
}

static int load_raw(struct ds_backend *be, struct ds_queue *q, const char *path,
		    const unsigned char *expected, size_t nbytes)
{
	struct ds_request r = DS_REQUEST_INIT;
	struct ds_file *f = NULL;
	ds_result ret = ds_file_open(be, path, DS_FILE_READ, &f);
	int err;

	if (ret)
		return fail(path, ret);
	r.source.kind = DS_LOCATION_FILE;
	r.source.file = f;
	r.source.nbytes = nbytes;
	err = load(q, "raw", &r, expected, nbytes);
	ds_file_close(f);
	return err;
}

static int load_gdeflate(struct ds_queue *q, const unsigned char *expected, size_t nbytes)
{
	struct ds_request r = DS_REQUEST_INIT;
	size_t room = (size_t)ds_gdeflate_bound(nbytes);
	size_t packed_nbytes = 0;
	void *packed = malloc(room);
	ds_result ret;
	int err = 1;

	if (!packed)
		return fail("gdeflate", DS_ERR_NO_MEMORY);
	ret = ds_gdeflate_compress(DS_GDEFLATE_LEVEL_DEFAULT, expected, nbytes, packed, room,
				   &packed_nbytes);
	if (ret) {
		fail("ds_gdeflate_compress", ret);
	} else {
		r.source.kind = DS_LOCATION_MEMORY;
		r.source.data = packed;
		r.source.nbytes = packed_nbytes;
		r.codec = DS_CODEC_GDEFLATE;
		r.uncompressed_nbytes = nbytes;
		err = load(q, "gdeflate", &r, expected, nbytes);
	}
	free(packed);
	return err;
}

int main(int argc, char **argv)
{
	struct ds_backend *be = NULL;
	struct ds_queue *q = NULL;
	unsigned char *expected;
	size_t nbytes = 0;
	ds_result ret;
	int err;

	if (argc != 2) {
		fprintf(stderr, "usage: %s FILE\n", argv[0]);
		return 2;
	}
	expected = read_with_stdio(argv[1], &nbytes);
	if (!expected) {
		fprintf(stderr, "%s: cannot be read\n", argv[1]);
		return 1;
	}
	ret = ds_make_cpu_backend(NULL, &be);
	if (!ret)
		ret = ds_queue_create(be, NULL, &q);
	if (ret)
		err = fail("backend and queue", ret);
	else
		err = load_raw(be, q, argv[1], expected, nbytes) ||
		      load_gdeflate(q, expected, nbytes);
	ds_queue_destroy(q);
	ds_backend_destroy(be);
	free(expected);
	if (!err)
		printf("%zu bytes of %s are the same both ways (library %u.%u)\n", nbytes, argv[1],
		       (unsigned)(ds_version() >> 16), (unsigned)(ds_version() >> 8 & 0xff));
	return err;
}
