/* SPDX-License-Identifier: MIT */
/*
 * fuzz_gdeflate_pipe.c: a stream that passes through a codec with threads gives what the same
 * stream in memory gives; a damaged one gives what lies before the damage.
 *
 * Input: the stream.
 */
#include <stdlib.h>
#include <string.h>

#include "ds_gdeflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);

enum {
	MAX_OUT = 8 * 65536
};

struct ends {
	const uint8_t *in;
	size_t in_left;
	uint8_t *out;
	size_t out_nbytes;
};

static ds_result read_some(void *user, void *to, size_t nbytes, size_t *got)
{
	struct ends *e = user;

	*got = nbytes < e->in_left ? nbytes : e->in_left;
	memcpy(to, e->in, *got);
	e->in += *got;
	e->in_left -= *got;
	return DS_OK;
}

static ds_result write_some(void *user, const void *from, size_t nbytes, uint64_t offset)
{
	struct ends *e = user;

	if (offset != e->out_nbytes || nbytes > MAX_OUT - e->out_nbytes)
		abort();
	memcpy(e->out + e->out_nbytes, from, nbytes);
	e->out_nbytes += nbytes;
	return DS_OK;
}

static struct ds_gdeflate_codec *codec_of(unsigned nr_threads)
{
	struct ds_gdeflate_codec_config cfg = DS_GDEFLATE_CODEC_CONFIG_INIT;
	struct ds_gdeflate_codec *codec;

	cfg.nr_threads = nr_threads;
	if (ds_gdeflate_codec_create(&cfg, &codec))
		abort();
	return codec;
}

static ds_result pass(struct ds_gdeflate_codec *codec, struct ends *e)
{
	struct ds_gdeflate_passage passage = DS_GDEFLATE_PASSAGE_INIT;
	struct ds_gdeflate_pipe pipe = DS_GDEFLATE_PIPE_INIT;
	ds_result ret;

	pipe.read = read_some;
	pipe.write = write_some;
	pipe.user = e;
	ret = ds_gdeflate_codec_decompress_pipe(codec, &pipe, &passage);
	if (passage.out_nbytes != e->out_nbytes)
		abort();
	return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes)
{
	static struct ds_gdeflate_codec *codecs[2];
	static uint8_t plain[MAX_OUT], out[2][MAX_OUT];
	struct ds_gdeflate_info info = DS_GDEFLATE_INFO_INIT;
	struct ends ends[2];
	ds_result expected, ret[2];

	if (ds_gdeflate_parse_header(data, nbytes, &info) || info.uncompressed_nbytes > MAX_OUT)
		return 0;
	expected = ds_gdeflate_decompress(data, nbytes, plain, (size_t)info.uncompressed_nbytes);
	for (unsigned i = 0; i < 2; i++) {
		if (!codecs[i])
			codecs[i] = codec_of(1 + 2 * i);
		ends[i] = (struct ends){ .in = data, .in_left = nbytes, .out = out[i] };
		ret[i] = pass(codecs[i], &ends[i]);
	}
	/* What is refused in memory is refused here; threads change nothing. */
	if (ret[0] != ret[1] || ends[0].out_nbytes != ends[1].out_nbytes ||
	    memcmp(out[0], out[1], ends[0].out_nbytes) != 0)
		abort();
	if ((expected != DS_OK && ret[0] == DS_OK) ||
	    (ret[0] == DS_OK && (ends[0].out_nbytes != info.uncompressed_nbytes ||
				 memcmp(out[0], plain, ends[0].out_nbytes) != 0)))
		abort();
	/* The other way round, but for tiles of a size that none has. */
	if (expected == DS_OK && ret[0] != DS_OK && nbytes < DS_GDEFLATE_PIPE_TILE_NBYTES)
		abort();
	return 0;
}
