/* SPDX-License-Identifier: MIT */
/*
 * unshuffle.c: see unshuffle.h.
 *
 * A shuffled part is a number of streams, each with one field of all blocks in their order. A
 * stream begins where the fields before it in a block end, times the number of blocks: so one
 * list of field sizes describes both the block and the streams. The shuffled part is the
 * largest whole number of groups of blocks; what is behind it was left alone.
 */
#include "unshuffle.h"

#include <string.h>

#define MAX_FIELDS 6

struct layout {
	size_t block_nbytes;
	size_t group_blocks;
	size_t fields[MAX_FIELDS]; /* bytes; 0 ends the list */
};

static const struct layout layouts[] = {
	{ 8, 2, { 2, 2, 4 } },		 /* BC1: colour 0, colour 1, indices */
	{ 16, 4, { 1, 1, 6, 2, 2, 4 } }, /* BC3: alpha 0, alpha 1, indices; then as BC1 */
	{ 8, 4, { 1, 1, 6 } },		 /* BC4: red 0, red 1, indices */
	{ 16, 4, { 1, 1, 6, 1, 1, 6 } }, /* BC5: as BC4, for red and for green */
};

static void unshuffle_block(const struct layout *l, const unsigned char *in, unsigned char *out,
			    size_t index, size_t nr_blocks)
{
	size_t before = 0;

	for (size_t f = 0; f < MAX_FIELDS && l->fields[f]; f++) {
		memcpy(out + before, in + before * nr_blocks + index * l->fields[f], l->fields[f]);
		before += l->fields[f];
	}
}

void unshuffle(unsigned int type, const void *in, void *out, size_t nbytes)
{
	const unsigned char *from = in;
	unsigned char *to = out;
	size_t done = 0;

	if (type >= 1 && type <= sizeof(layouts) / sizeof(layouts[0])) {
		const struct layout *l = &layouts[type - 1];
		size_t nr_blocks = nbytes / (l->block_nbytes * l->group_blocks) * l->group_blocks;

		for (size_t i = 0; i < nr_blocks; i++)
			unshuffle_block(l, from, to + i * l->block_nbytes, i, nr_blocks);
		done = nr_blocks * l->block_nbytes;
	}
	memcpy(to + done, from + done, nbytes - done);
}
