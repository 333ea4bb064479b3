/* SPDX-License-Identifier: MIT */
/*
 * gdeflate_codec.c: compresses a file of any size to GDeflate, or decompresses it again, with
 * all cores and in constant memory. Only ds_gdeflate.h is used: no queue, no backend.
 *
 *	gdeflate_codec c IN OUT
 *	gdeflate_codec d IN OUT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ds_gdeflate.h"

struct files {
	FILE *in;
	FILE *out;
};

static ds_result read_some(void *user, void *data, size_t nbytes, size_t *got)
{
	struct files *f = user;

	*got = fread(data, 1, nbytes, f->in);
	return ferror(f->in) ? DS_ERR_IO : DS_OK;
}

static ds_result write_some(void *user, const void *data, size_t nbytes, uint64_t offset)
{
	struct files *f = user;

	/* Only the head of a compressed stream, at the very end, goes back to the beginning. */
	if (fseeko(f->out, (off_t)offset, SEEK_SET) || fwrite(data, 1, nbytes, f->out) != nbytes)
		return DS_ERR_IO;
	return DS_OK;
}

static ds_result pass(struct files *f, int is_compressing)
{
	struct ds_gdeflate_pipe pipe = DS_GDEFLATE_PIPE_INIT;
	struct ds_gdeflate_passage passage = DS_GDEFLATE_PASSAGE_INIT;
	struct ds_gdeflate_codec *codec;
	struct stat st;
	ds_result ret = ds_gdeflate_codec_create(NULL, &codec);

	if (ret)
		return ret;
	pipe.read = read_some;
	pipe.write = write_some;
	pipe.user = f;
	if (!is_compressing)
		ret = ds_gdeflate_codec_decompress_pipe(codec, &pipe, &passage);
	else if (fstat(fileno(f->in), &st))
		ret = DS_ERR_IO;
	else
		ret = ds_gdeflate_codec_compress_pipe(codec, &pipe, (uint64_t)st.st_size, &passage);
	ds_gdeflate_codec_destroy(codec);
	if (!ret)
		printf("%llu -> %llu bytes\n", (unsigned long long)passage.in_nbytes,
		       (unsigned long long)passage.out_nbytes);
	return ret;
}

int main(int argc, char **argv)
{
	struct files f;
	ds_result ret = DS_ERR_IO;

	if (argc != 4 || (strcmp(argv[1], "c") != 0 && strcmp(argv[1], "d") != 0)) {
		fputs("usage: gdeflate_codec c|d IN OUT\n", stderr);
		return 2;
	}
	f.in = fopen(argv[2], "rb");
	f.out = fopen(argv[3], "wb");
	if (!f.in || !f.out) {
		perror(f.in ? argv[3] : argv[2]);
		return EXIT_FAILURE;
	}
	ret = pass(&f, argv[1][0] == 'c');
	if (fclose(f.out) && !ret)
		ret = DS_ERR_IO;
	fclose(f.in);
	if (ret)
		fprintf(stderr, "gdeflate_codec: %s: %s\n", argv[2], ds_result_message(ret));
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
