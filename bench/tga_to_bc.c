/* SPDX-License-Identifier: MIT */
/*
 * tga_to_bc.c: turns TGA images into BC1 or BC3 blocks, for the corpus of bench_codec.
 *
 *	tga_to_bc OUTPUT FILE...
 *
 * Games ship block-compressed textures, free packages of games ship TGA. The blocks are
 * those of a quick encoder (end points at the corners of the colours' bounding box):
 * not beautiful, but distributed like others. Images that are no multiples of 4 or not of
 * 24 or 32 bits are left out. Blocks of all images follow one another, without headers.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct image {
	unsigned width, height, channels;
	uint8_t *pixels; /* B, G, R, and A if there are four */
};

static unsigned le16(const uint8_t *p)
{
	return p[0] | (unsigned)p[1] << 8;
}

/* Runs of equal pixels and runs of different ones, as type 10 has them. */
static bool read_runs(FILE *f, uint8_t *to, size_t nbytes, unsigned channels)
{
	size_t at = 0, n;
	int head;

	while (at < nbytes) {
		head = getc(f);
		n = ((size_t)(head & 127) + 1) * channels;
		if (head == EOF || n > nbytes - at)
			return false;
		if (head < 128) {
			if (fread(to + at, 1, n, f) != n)
				return false;
		} else {
			if (fread(to + at, 1, channels, f) != channels)
				return false;
			for (size_t i = channels; i < n; i++)
				to[at + i] = to[at + i - channels];
		}
		at += n;
	}
	return true;
}

static bool read_tga(const char *path, struct image *im)
{
	uint8_t head[18];
	FILE *f = fopen(path, "rb");
	bool ok = false;
	size_t nbytes;

	im->pixels = NULL;
	if (!f)
		return false;
	if (fread(head, 1, sizeof(head), f) != sizeof(head) || (head[2] != 2 && head[2] != 10) ||
	    fseek(f, head[0], SEEK_CUR))
		goto out;
	im->width = le16(head + 12);
	im->height = le16(head + 14);
	im->channels = head[16] / 8;
	if (!im->width || !im->height || im->width % 4 || im->height % 4 || im->channels < 3 ||
	    im->channels > 4)
		goto out;
	nbytes = (size_t)im->width * im->height * im->channels;
	im->pixels = malloc(nbytes);
	if (!im->pixels)
		goto out;
	ok = head[2] == 2 ? fread(im->pixels, 1, nbytes, f) == nbytes
			  : read_runs(f, im->pixels, nbytes, im->channels);
out:
	fclose(f);
	if (!ok)
		free(im->pixels);
	return ok;
}

static void put16(uint8_t *to, unsigned v)
{
	to[0] = (uint8_t)v;
	to[1] = (uint8_t)(v >> 8);
}

/* Which of n values between least and most (from the largest down) is nearest. */
static unsigned nearest(int v, int least, int most, int n)
{
	if (most == least)
		return 0;
	return (unsigned)(((most - v) * (n - 1) * 2 + (most - least)) / (2 * (most - least)));
}

static void pack_colour(const uint8_t block[16][4], uint8_t *to)
{
	/* Of four steps from the first end to the second: the codes in their order. */
	static const unsigned code[4] = { 0, 2, 3, 1 };
	uint8_t least[3] = { 255, 255, 255 }, most[3] = { 0, 0, 0 };
	unsigned first, second;
	uint32_t bits = 0;
	int low, high;

	for (unsigned i = 0; i < 16; i++)
		for (unsigned c = 0; c < 3; c++) {
			least[c] = block[i][c] < least[c] ? block[i][c] : least[c];
			most[c] = block[i][c] > most[c] ? block[i][c] : most[c];
		}
	first = (unsigned)(most[2] >> 3) << 11 | (unsigned)(most[1] >> 2) << 5 | most[0] >> 3;
	second = (unsigned)(least[2] >> 3) << 11 | (unsigned)(least[1] >> 2) << 5 | least[0] >> 3;
	low = least[0] + 2 * least[1] + least[2];
	high = most[0] + 2 * most[1] + most[2];
	for (unsigned i = 0; i < 16 && first != second; i++)
		bits |= (uint32_t)code[nearest(block[i][0] + 2 * block[i][1] + block[i][2], low,
					       high, 4)]
			<< 2 * i;
	put16(to, first);
	put16(to + 2, second);
	put16(to + 4, bits & 0xffff);
	put16(to + 6, bits >> 16);
}

static void pack_alpha(const uint8_t block[16][4], uint8_t *to)
{
	/* Of eight steps from the first end to the second: the codes in their order. */
	static const unsigned code[8] = { 0, 2, 3, 4, 5, 6, 7, 1 };
	uint8_t least = 255, most = 0;
	uint64_t bits = 0;

	for (unsigned i = 0; i < 16; i++) {
		least = block[i][3] < least ? block[i][3] : least;
		most = block[i][3] > most ? block[i][3] : most;
	}
	for (unsigned i = 0; i < 16; i++)
		bits |= (uint64_t)code[nearest(block[i][3], least, most, 8)] << 3 * i;
	to[0] = most;
	to[1] = least;
	for (unsigned i = 0; i < 6; i++)
		to[2 + i] = (uint8_t)(bits >> 8 * i);
}

static void take_block(const struct image *im, unsigned x, unsigned y, uint8_t block[16][4])
{
	for (unsigned i = 0; i < 16; i++) {
		size_t at = (size_t)(y + i / 4) * im->width + x + i % 4;

		memcpy(block[i], im->pixels + at * im->channels, im->channels);
	}
}

static void write_blocks(const struct image *im, FILE *out)
{
	uint8_t block[16][4], packed[16];

	for (unsigned y = 0; y < im->height; y += 4)
		for (unsigned x = 0; x < im->width; x += 4) {
			take_block(im, x, y, block);
			if (im->channels == 4)
				pack_alpha(block, packed);
			pack_colour(block, packed + (im->channels == 4 ? 8 : 0));
			fwrite(packed, 1, im->channels == 4 ? 16 : 8, out);
		}
}

int main(int argc, char **argv)
{
	struct image im;
	FILE *out;

	if (argc < 3) {
		fprintf(stderr, "usage: tga_to_bc OUTPUT FILE...\n");
		return 2;
	}
	out = fopen(argv[1], "wb");
	if (!out) {
		perror(argv[1]);
		return 1;
	}
	for (int i = 2; i < argc; i++) {
		if (!read_tga(argv[i], &im))
			continue;
		write_blocks(&im, out);
		free(im.pixels);
	}
	if (fclose(out)) {
		perror(argv[1]);
		return 1;
	}
	return 0;
}
