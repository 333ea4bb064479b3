/* SPDX-License-Identifier: MIT */
/* test_plain.c: parts of the Windows half that are plain C: the transforms and the log switch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dstorage/pe/log.h"
#include "dstorage/pe/unshuffle.h"
#include "support/require.h"
#include "support/testdata.h"

/* Where each byte of a block goes: the first byte of its stream in sixteenths or eighths of the
 * whole, how many bytes the stream has of each block, and which of them it is. Written out from
 * the format's description, independently of the code under test. */
struct byte_place {
	unsigned int start, width, index;
};

struct format {
	unsigned int type, block, group;
	struct byte_place places[16];
};

static const struct format formats[] = {
	{ 1,
	  8,
	  2,
	  { { 0, 2, 0 },
	    { 0, 2, 1 },
	    { 2, 2, 0 },
	    { 2, 2, 1 },
	    { 4, 4, 0 },
	    { 4, 4, 1 },
	    { 4, 4, 2 },
	    { 4, 4, 3 } } },
	{ 2,
	  16,
	  4,
	  { { 0, 1, 0 },
	    { 1, 1, 0 },
	    { 2, 6, 0 },
	    { 2, 6, 1 },
	    { 2, 6, 2 },
	    { 2, 6, 3 },
	    { 2, 6, 4 },
	    { 2, 6, 5 },
	    { 8, 2, 0 },
	    { 8, 2, 1 },
	    { 10, 2, 0 },
	    { 10, 2, 1 },
	    { 12, 4, 0 },
	    { 12, 4, 1 },
	    { 12, 4, 2 },
	    { 12, 4, 3 } } },
	{ 3,
	  8,
	  4,
	  { { 0, 1, 0 },
	    { 1, 1, 0 },
	    { 2, 6, 0 },
	    { 2, 6, 1 },
	    { 2, 6, 2 },
	    { 2, 6, 3 },
	    { 2, 6, 4 },
	    { 2, 6, 5 } } },
	{ 4,
	  16,
	  4,
	  { { 0, 1, 0 },
	    { 1, 1, 0 },
	    { 2, 6, 0 },
	    { 2, 6, 1 },
	    { 2, 6, 2 },
	    { 2, 6, 3 },
	    { 2, 6, 4 },
	    { 2, 6, 5 },
	    { 8, 1, 0 },
	    { 9, 1, 0 },
	    { 10, 6, 0 },
	    { 10, 6, 1 },
	    { 10, 6, 2 },
	    { 10, 6, 3 },
	    { 10, 6, 4 },
	    { 10, 6, 5 } } },
};

static void shuffle(const struct format *f, const unsigned char *in, unsigned char *out,
		    size_t nbytes)
{
	size_t blocks = nbytes / (f->block * f->group) * f->group, shuffled = blocks * f->block;

	memcpy(out, in, nbytes);
	for (size_t b = 0; b < blocks; b++) {
		for (unsigned int i = 0; i < f->block; i++) {
			const struct byte_place *p = &f->places[i];

			out[shuffled / f->block * p->start + b * p->width + p->index] =
				in[b * f->block + i];
		}
	}
}

static void test_unshuffle(const struct format *f, size_t nbytes)
{
	unsigned char *plain = malloc(nbytes + 1), *shuffled = malloc(nbytes + 1);
	unsigned char *out = malloc(nbytes + 1);

	pattern_fill(plain, nbytes, 2, 0);
	shuffle(f, plain, shuffled, nbytes);
	out[nbytes] = 0x5a;
	unshuffle(f->type, shuffled, out, nbytes);
	REQUIRE(!memcmp(out, plain, nbytes));
	REQUIRE_CMP(out[nbytes], ==, 0x5a);
	if (nbytes >= 8 * f->block)
		REQUIRE(memcmp(shuffled, plain, nbytes) != 0);
	free(out);
	free(shuffled);
	free(plain);
}

static void test_transforms(void)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 31, 32, 63, 64, 65, 1000, 4096, 65543 };

	for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++)
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
			test_unshuffle(&formats[f], sizes[s]);
}

static void test_log_switch(void)
{
	const unsigned int all = LOG_ERR | LOG_WARN | LOG_TRACE;

	REQUIRE_CMP(log_parse("", LOG_ERR), ==, LOG_ERR);
	REQUIRE_CMP(log_parse("+dstorage", LOG_ERR), ==, all);
	REQUIRE_CMP(log_parse("dstorage", LOG_ERR), ==, all);
	REQUIRE_CMP(log_parse("-all", LOG_ERR), ==, 0);
	REQUIRE_CMP(log_parse("warn+dstorage", LOG_ERR), ==, LOG_ERR | LOG_WARN);
	REQUIRE_CMP(log_parse("warn+all,trace+dstorage,err-dstorage", LOG_ERR), ==,
		    LOG_WARN | LOG_TRACE);
	REQUIRE_CMP(log_parse("-all,trace+dstorage", LOG_ERR), ==, LOG_TRACE);
	REQUIRE_CMP(log_parse("+file,+relay,fixme-all", LOG_ERR), ==, LOG_ERR);
	REQUIRE_CMP(log_parse(",,+,-,nonsense+dstorage,", LOG_ERR), ==, LOG_ERR);
}

int main(void)
{
	test_transforms();
	test_log_switch();
	return 0;
}
