/* SPDX-License-Identifier: MIT */
/*
 * fuzz_safetensors.c: headers of safetensors files. The input is a file's beginning; if its
 * length field makes no sense, it is made to. What is accepted must hold together.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ds_runtime_gds.h"

#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);

/* Every tensor inside of the file, behind the one before, and found by its name. */
static void check(const struct ds_safetensors *st, uint64_t file_nbytes)
{
	uint64_t end = 8;

	for (uint32_t i = 0; i < ds_safetensors_count(st); i++) {
		struct ds_safetensors_tensor t = DS_SAFETENSORS_TENSOR_INIT;
		uint64_t bits;
		uint32_t index = UINT32_MAX;

		MUST(!ds_safetensors_get(st, i, &t));
		MUST(t.offset >= end && t.nbytes <= file_nbytes);
		MUST(t.offset <= file_nbytes - t.nbytes);
		end = t.offset + t.nbytes;
		MUST(t.nr_dims <= DS_SAFETENSORS_MAX_DIMS);
		bits = t.bits;
		for (uint32_t k = 0; k < t.nr_dims; k++)
			bits *= t.dims[k];
		MUST(bits == 8 * t.nbytes);
		MUST(!ds_safetensors_find(st, t.name, &index) && index == i);
	}
}

static void parse(const uint8_t *data, size_t nbytes, uint64_t file_nbytes)
{
	struct ds_safetensors *st = NULL;
	char why[80] = "";
	ds_result ret = ds_safetensors_parse(data, nbytes, file_nbytes, why, sizeof(why), &st);

	MUST(strlen(why) < sizeof(why));
	MUST(!ret == (st != NULL));
	if (st)
		check(st, file_nbytes);
	ds_safetensors_close(st);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes)
{
	uint8_t *copy = malloc(nbytes + 8);

	if (!copy)
		return 0;
	parse(data, nbytes, nbytes);
	parse(data, nbytes, UINT64_MAX);
	/* The input as the header alone. */
	for (unsigned i = 0; i < 8; i++)
		copy[i] = (uint8_t)((uint64_t)nbytes >> 8 * i);
	memcpy(copy + 8, data, nbytes);
	parse(copy, nbytes + 8, nbytes + 8 + 4096);
	free(copy);
	return 0;
}
