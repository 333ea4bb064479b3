/* SPDX-License-Identifier: MIT */
/*
 * test_gdeflate_vectors.c: the conformance vectors, on every decoder that runs here.
 *
 * The argument is a folder with manifest.tsv, synthetic.tsv and hostile.tsv. Every
 * stream is decoded between guard pages, at both ends of them, by each decoder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/gdeflate/decode.h"
#include "test_gdeflate_util.h"

static const char *folder;

enum {
	MAX_FIELDS = 10,
};

static uint8_t *read_in_folder(const char *name, size_t *nbytes)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return read_file(path, nbytes);
}

/* Splits a line at its tabs, in place; returns the number of fields. */
static unsigned split_line(char *line, char **fields)
{
	unsigned n = 0;

	line[strcspn(line, "\r\n")] = 0;
	for (char *p = line; p && n < MAX_FIELDS; n++) {
		fields[n] = p;
		p = strchr(p, '\t');
		if (p)
			*p++ = 0;
	}
	return n;
}

/* Calls row() for each line that is no comment; there must be some. */
static void for_each_row(const char *table, unsigned nr_fields, void (*row)(char **fields))
{
	size_t nbytes;
	char *text = (char *)read_in_folder(table, &nbytes);
	char *fields[MAX_FIELDS], *next;
	unsigned nr_rows = 0;

	text[nbytes] = 0;
	for (char *line = text; *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		if (line[0] == '#')
			continue;
		assert_true(split_line(line, fields) >= nr_fields);
		row(fields);
		nr_rows++;
	}
	assert_true(nr_rows > 0);
	print_message("%s: %u vectors\n", table, nr_rows);
	free(text);
}

/* What each decoder must do with a stream. */
struct expectation {
	const char *name;
	size_t nbytes;
	bool may_fail;
	bool may_succeed;
	const char *sha256; /* of the output, on success */
};

static void check_once(const struct expectation *e, enum gd_path path, const uint8_t *stream,
		       size_t stream_nbytes, bool at_begin)
{
	struct guarded in = guarded_copy(stream, stream_nbytes, at_begin);
	struct guarded out = guarded_alloc(e->nbytes, at_begin);
	struct ds_gdeflate_decoder *dec;
	char hex[65] = "";
	ds_result ret;

	assert_int_equal(ds_gd_decoder_create(path, &dec), DS_OK);
	ret = ds_gd_decompress(dec, in.data, in.nbytes, out.data, out.nbytes);
	if (ret == DS_OK)
		sha256_hex(out.data, out.nbytes, hex);
	if (ret != DS_OK ? !e->may_fail : !e->may_succeed || strcmp(hex, e->sha256) != 0)
		fail_msg("%s, %s: result %d, digest %s", e->name, ds_gd_path_name(path), (int)ret,
			 hex);
	if (ret != DS_OK)
		assert_true(ret == DS_ERR_CORRUPT_DATA || ret == DS_ERR_SIZE_MISMATCH);
	ds_gdeflate_decoder_destroy(dec);
	guarded_free(&in);
	guarded_free(&out);
}

static void check(const struct expectation *e)
{
	size_t nbytes;
	uint8_t *stream = read_in_folder(e->name, &nbytes);

	for (unsigned path = 0; path < GD_NR_PATHS; path++) {
		if (!ds_gd_has_path(path))
			continue;
		check_once(e, path, stream, nbytes, false);
		check_once(e, path, stream, nbytes, true);
	}
	free(stream);
}

/* An original: a file, or "recipe:byte:0xNN:SIZE". */
static uint8_t *read_original(const char *name, size_t *nbytes)
{
	unsigned byte;
	size_t size;
	uint8_t *data;

	if (sscanf(name, "recipe:byte:%x:%zu", &byte, &size) != 2)
		return read_in_folder(name, nbytes);
	data = malloc(size);
	assert_non_null(data);
	memset(data, (int)byte, size);
	*nbytes = size;
	return data;
}

static void valid_row(char **f)
{
	struct expectation e = {
		.name = f[0],
		.nbytes = strtoul(f[3], NULL, 10),
		.may_succeed = true,
		.sha256 = f[4],
	};
	size_t nbytes;
	uint8_t *original = read_original(f[2], &nbytes);
	char hex[65];

	/* The digest stands for the original, so it must be the original's. */
	sha256_hex(original, nbytes, hex);
	assert_int_equal(nbytes, e.nbytes);
	assert_string_equal(hex, e.sha256);
	free(original);
	check(&e);
}

static void synthetic_row(char **f)
{
	struct expectation e = {
		.name = f[0],
		.nbytes = strtoul(f[1], NULL, 10),
		.may_succeed = true,
		.sha256 = f[2],
	};

	check(&e);
}

static void hostile_row(char **f)
{
	struct expectation e = {
		.name = f[0],
		.nbytes = strtoul(f[2], NULL, 10),
		.may_fail = strcmp(f[3], "ok") != 0,
		.may_succeed = strcmp(f[3], "fail") != 0,
		.sha256 = f[4],
	};

	assert_true(!strcmp(f[3], "ok") || !strcmp(f[3], "fail") || !strcmp(f[3], "either"));
	check(&e);
}

static void test_valid(void **state)
{
	(void)state;
	for_each_row("manifest.tsv", 7, valid_row);
}

static void test_synthetic(void **state)
{
	(void)state;
	for_each_row("synthetic.tsv", 5, synthetic_row);
}

static void test_hostile(void **state)
{
	(void)state;
	for_each_row("hostile.tsv", 7, hostile_row);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid),
		cmocka_unit_test(test_synthetic),
		cmocka_unit_test(test_hostile),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	folder = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
