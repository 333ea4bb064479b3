/* SPDX-License-Identifier: MIT */
/* test_gdeflate_util.c: guarded memory, files, digests and random numbers for tests. */
#include "test_gdeflate_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guarded guarded_alloc(size_t nbytes, bool at_begin)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t inner = (nbytes + page - 1) / page * page;
	struct guarded g = { .nbytes = nbytes, .mapping_nbytes = inner + 2 * page };
	uint8_t *p;

	if (inner == 0)
		inner = page, g.mapping_nbytes = 3 * page;
	p = mmap(NULL, g.mapping_nbytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || mprotect(p + page, inner, PROT_READ | PROT_WRITE)) {
		perror("mmap");
		exit(1);
	}
	g.mapping = p;
	g.data = p + page + (at_begin ? 0 : inner - nbytes);
	return g;
}

struct guarded guarded_copy(const void *data, size_t nbytes, bool at_begin)
{
	struct guarded g = guarded_alloc(nbytes, at_begin);

	if (nbytes)
		memcpy(g.data, data, nbytes);
	return g;
}

void guarded_free(struct guarded *g)
{
	munmap(g->mapping, g->mapping_nbytes);
}

uint8_t *read_file(const char *path, size_t *nbytes)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	long size;

	if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET)) {
		perror(path);
		exit(1);
	}
	*nbytes = (size_t)size;
	data = malloc(*nbytes + 1);
	if (!data || fread(data, 1, *nbytes, f) != *nbytes) {
		fprintf(stderr, "%s: cannot read\n", path);
		exit(1);
	}
	fclose(f);
	return data;
}

static uint32_t rotr(uint32_t v, unsigned n)
{
	return v >> n | v << (32 - n);
}

static void sha256_block(uint32_t *h, const uint8_t *p)
{
	static const uint32_t k[64] = {
		0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
		0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
		0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
		0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
		0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
		0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
		0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
		0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
		0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
		0xc67178f2,
	};
	uint32_t w[64], v[8], t1, t2;

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
		       (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (int i = 16; i < 64; i++) {
		t1 = rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
		t2 = rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
		w[i] = w[i - 16] + t1 + w[i - 7] + t2;
	}
	memcpy(v, h, sizeof(v));
	for (int i = 0; i < 64; i++) {
		t1 = v[7] + (rotr(v[4], 6) ^ rotr(v[4], 11) ^ rotr(v[4], 25)) +
		     ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
		t2 = (rotr(v[0], 2) ^ rotr(v[0], 13) ^ rotr(v[0], 22)) +
		     ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (int i = 0; i < 8; i++)
		h[i] += v[i];
}

void sha256_hex(const void *data, size_t nbytes, char *hex)
{
	uint32_t h[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};
	const uint8_t *p = data;
	uint8_t last[128] = { 0 };
	size_t left = nbytes, nr_last;

	for (; left >= 64; left -= 64, p += 64)
		sha256_block(h, p);
	if (left)
		memcpy(last, p, left);
	last[left] = 0x80;
	nr_last = left < 56 ? 64 : 128;
	for (unsigned i = 0; i < 8; i++)
		last[nr_last - 1 - i] = (uint8_t)((uint64_t)nbytes * 8 >> (8 * i));
	for (size_t i = 0; i < nr_last; i += 64)
		sha256_block(h, last + i);
	for (int i = 0; i < 8; i++)
		sprintf(hex + 8 * i, "%08x", h[i]);
}

uint32_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}
