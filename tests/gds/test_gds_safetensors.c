/* SPDX-License-Identifier: MIT */
/* test_gds_safetensors.c: headers good and hostile, indices, folders, and tensors to device memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gds/frame.h"

/* A file of a header and data_nbytes bytes of a pattern. Returns its size. */
static uint64_t make_file(const char *path, const char *json, uint64_t data_nbytes, uint64_t seed)
{
	uint64_t length = strlen(json), nbytes = 8 + length + data_nbytes;
	unsigned char *bytes = malloc(nbytes);

	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(length >> 8 * i);
	memcpy(bytes + 8, json, length);
	pattern_fill(bytes + 8 + length, data_nbytes, seed, 0);
	file_write_bytes(path, bytes, nbytes);
	free(bytes);
	return nbytes;
}

/* What the parser says of a header before data_nbytes bytes of data. */
static ds_result parse(const char *json, uint64_t data_nbytes, char *why,
		       struct ds_safetensors **out)
{
	uint64_t length = strlen(json);
	/* Just as large as it is, so that a sanitizer sees a look beyond. */
	unsigned char *bytes = malloc(8 + length);
	ds_result ret;

	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(length >> 8 * i);
	memcpy(bytes + 8, json, length);
	ret = ds_safetensors_parse(bytes, 8 + length, 8 + length + data_nbytes, why, 256, out);
	free(bytes);
	return ret;
}

static void parses(struct frame *f)
{
	static const char json[] =
		"{\"__metadata__\":{\"format\":\"pt\",\"x\":\"\\u00e9\"},\n"
		" \"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[16,40],\"new\":[{"
		"\"a\":1.5e3}]},"
		"\"a\\u00e9\\ud83d\\ude00\\n\":{\"shape\":[4,2],\"data_offsets\":[0,16],\"dtype\":"
		"\"BF16\"},"
		"\"e\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[40,40]},"
		"\"s\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[40,48]}}   ";
	struct ds_safetensors_tensor t = DS_SAFETENSORS_TENSOR_INIT;
	struct ds_safetensors *st;
	uint32_t index = 99;
	char why[256] = "";

	(void)f;
	REQUIRE_OK(parse(json, 48, why, &st));
	REQUIRE_CMP(ds_safetensors_count(st), ==, 4);
	REQUIRE_CMP(ds_safetensors_count_files(st), ==, 1);
	REQUIRE_OK(ds_safetensors_get(st, 0, &t));
	REQUIRE(!strcmp(t.name, "a\xc3\xa9\xf0\x9f\x98\x80\n"));
	REQUIRE(!strcmp(t.dtype, "BF16"));
	REQUIRE_CMP(t.bits, ==, 16);
	REQUIRE_CMP(t.nr_dims, ==, 2);
	REQUIRE_CMP(t.dims[0], ==, 4);
	REQUIRE_CMP(t.nbytes, ==, 16);
	REQUIRE_CMP(t.offset, ==, 8 + strlen(json));
	REQUIRE_OK(ds_safetensors_find(st, "s", &index));
	REQUIRE_CMP(index, ==, 3);
	REQUIRE_OK(ds_safetensors_get(st, index, &t));
	REQUIRE_CMP(t.nr_dims, ==, 0);
	REQUIRE_CMP(ds_safetensors_find(st, "z", &index), ==, DS_ERR_NOT_FOUND);
	REQUIRE_CMP(ds_safetensors_get(st, 4, &t), ==, DS_ERR_NOT_FOUND);
	ds_safetensors_close(st);
	REQUIRE_OK(parse("{}", 0, why, &st));
	REQUIRE_CMP(ds_safetensors_count(st), ==, 0);
	ds_safetensors_close(st);
}

#define TENSOR(dtype, shape, offsets) \
	"{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void refuses_hostile_headers(struct frame *f)
{
	static const struct {
		const char *json;
		const char *why;
	} bad[] = {
		{ "", "missing" },
		{ "[]", "missing" },
		{ "{", "missing" },
		{ "{\"a\"", "missing" },
		{ "{\"a", "does not end" },
		{ "{\"a\":{}}", "lacks" },
		{ "{\"a\":1}", "missing" },
		{ "{\"a\":" TENSOR("F32", "[4]", "[0,16]") "}x", "follows" },
		{ "{\"a\":" TENSOR("F32", "[4]", "[0,16]") ",}", "missing" },
		{ "{\"a\":" TENSOR("F32", "[4]", "[0,15]") "}", "size" },
		{ "{\"a\":" TENSOR("F32", "[4]", "[8,24]") "}", "outside" },
		{ "{\"a\":" TENSOR("F32", "[4]", "[16,0]") "}", "outside" },
		{ "{\"a\":" TENSOR("F32", "[4]", "[0,18446744073709551616]") "}", "too large" },
		{ "{\"a\":" TENSOR("F32", "[4]", "[-1,15]") "}", "missing" },
		{ "{\"a\":" TENSOR("F32", "[4.0]", "[0,16]") "}", "not whole" },
		{ "{\"a\":" TENSOR("F32", "[04]", "[0,16]") "}", "begins with 0" },
		{ "{\"a\":" TENSOR("F33", "[4]", "[0,16]") "}", "not known" },
		{ "{\"a\":" TENSOR("F4", "[3]", "[0,1]") "}", "size" },
		/* 2^62 * 4 elements of 4 bytes are 0 modulo 2^64. */
		{ "{\"a\":" TENSOR("F32", "[4611686018427387904,4]", "[0,0]") "}", "size" },
		{ "{\"a\":" TENSOR("U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]") "}", "dimensions" },
		{ "{\"a\":" TENSOR("U8", "[8]", "[0,8]") ",\"b\":" TENSOR("U8", "[9]",
									  "[7,16]") "}",
		  "overlap" },
		{ "{\"a\":" TENSOR("U8", "[8]", "[0,8]") ",\"a\":" TENSOR("U8", "[8]",
									  "[8,16]") "}",
		  "twice" },
		{ "{\"\\ud800\":1}", "surrogate" },
		{ "{\"\\ud800\\u0041\":1}", "surrogate" },
		{ "{\"\\udc00\":1}", "surrogate" },
		{ "{\"\\u0000\":1}", "zero" },
		{ "{\"\\x\":1}", "unknown escape" },
		{ "{\"\\u12g4\":1}", "hexadecimal" },
		{ "{\"\xff\":1}", "UTF-8" },
		{ "{\"\xc0\x80\":1}", "UTF-8" },
		{ "{\"\xed\xa0\x80\":1}", "UTF-8" },
		{ "{\"a\nb\":1}", "control" },
		{ "{\"__metadata__\":[}", "missing" },
		{ "{\"__metadata__\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
		  "[[[[",
		  "deeply" },
	};
	struct ds_safetensors *st = NULL;
	unsigned char short_file[16] = { 200 };
	char why[256];

	(void)f;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why[0] = '\0';
		if (parse(bad[i].json, 16, why, &st) != DS_ERR_CORRUPT_DATA ||
		    !strstr(why, bad[i].why)) {
			printf("%s: %s\n", bad[i].json, why);
			REQUIRE(false);
		}
	}
	REQUIRE_CMP(ds_safetensors_parse(short_file, 7, 7, why, 256, &st), ==, DS_ERR_CORRUPT_DATA);
	REQUIRE_CMP(ds_safetensors_parse(short_file, 16, 16, why, 256, &st), ==,
		    DS_ERR_CORRUPT_DATA);
	memset(short_file, 0xff, 8);
	REQUIRE_CMP(ds_safetensors_parse(short_file, 16, 1 << 30, why, 256, &st), ==,
		    DS_ERR_CORRUPT_DATA);
	REQUIRE_CMP(ds_safetensors_parse(NULL, 0, 0, NULL, 0, &st), ==, DS_ERR_CORRUPT_DATA);
	REQUIRE(!st);
}

/* Two files with four tensors, an index over them. */
static void make_model(struct frame *f, const char *index)
{
	make_file(frame_path(f, "model-1.safetensors"),
		  "{\"x.w\":" TENSOR("U8", "[1000000]", "[0,1000000]") ",\"x.b\":" TENSOR(
			  "F16", "[25]", "[1000000,1000050]") "}",
		  1000050, 11);
	make_file(frame_path(f, "model-2.safetensors"),
		  "{\"y.w\":" TENSOR("I32", "[50,20]", "[0,4000]") ",\"y.b\":" TENSOR(
			  "F64", "[3]", "[4008,4032]") "}",
		  4100, 13);
	file_write_bytes(frame_path(f, "model.safetensors.index.json"), index, strlen(index));
}

static const char good_index[] =
	"{\"metadata\":{\"total_size\":1004074},\"weight_map\":{\"y.b\":\"model-2.safetensors\","
	"\"x.w\":\"model-1.safetensors\",\"x.b\":\"model-1.safetensors\","
	"\"y.w\":\"model-2.safetensors\"}}";

static void opens_models(struct frame *f)
{
	static const struct {
		const char *index;
		const char *why;
	} bad[] = {
		{ "{}", "weight_map" },
		{ "{\"weight_map\":{\"a\":\"../secret\"}}", "elsewhere" },
		{ "{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "elsewhere" },
		{ "{\"weight_map\":{\"a\":\"\"}}", "elsewhere" },
		{ "{\"weight_map\":{\"x.nothing\":\"model-1.safetensors\"}}", "lacks" },
		{ "{\"weight_map\":{\"x.w\":1}}", "missing" },
	};
	struct ds_safetensors *st;
	uint32_t index;
	char why[256];

	make_model(f, good_index);
	REQUIRE_OK(ds_safetensors_open(f->path, why, sizeof(why), &st));
	REQUIRE_CMP(ds_safetensors_count(st), ==, 4);
	REQUIRE_CMP(ds_safetensors_count_files(st), ==, 2);
	REQUIRE_OK(ds_safetensors_find(st, "y.b", &index));
	REQUIRE(strstr(ds_safetensors_file(st, 1), "model-2"));
	REQUIRE(!ds_safetensors_file(st, 2));
	ds_safetensors_close(st);
	/* Only what the index names. */
	make_model(f, "{\"weight_map\":{\"x.b\":\"model-1.safetensors\"}}");
	REQUIRE_OK(ds_safetensors_open(f->dir.path, why, sizeof(why), &st));
	REQUIRE_CMP(ds_safetensors_count(st), ==, 1);
	ds_safetensors_close(st);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		make_model(f, bad[i].index);
		REQUIRE_CMP(ds_safetensors_open(f->path, why, sizeof(why), &st), ==,
			    DS_ERR_CORRUPT_DATA);
		REQUIRE(strstr(why, bad[i].why));
	}
	/* Without an index: all files there are. */
	REQUIRE_CMP(unlink(f->path), ==, 0);
	REQUIRE_OK(ds_safetensors_open(f->dir.path, why, sizeof(why), &st));
	REQUIRE_CMP(ds_safetensors_count(st), ==, 4);
	ds_safetensors_close(st);
	REQUIRE_OK(ds_safetensors_open(frame_path(f, "model-2.safetensors"), NULL, 0, &st));
	REQUIRE_CMP(ds_safetensors_count(st), ==, 2);
	ds_safetensors_close(st);
	REQUIRE_CMP(ds_safetensors_open(frame_path(f, "none"), why, sizeof(why), &st), ==,
		    DS_ERR_NOT_FOUND);
}

static struct ds_gds *make_manager(struct frame *f)
{
	struct ds_gds_manager_config cfg = DS_GDS_MANAGER_CONFIG_INIT;
	struct ds_gds *g;

	cfg.enabled = DS_GDS_REQUIRED;
	cfg.staging_nbytes = 4 * MIB;
	cfg.chunk_nbytes = 256 * KIB;
	cfg.gds = &f->gds;
	REQUIRE_OK(ds_gds_create(&cfg, &g));
	return g;
}

/* Every byte of every item, against the patterns of the two files. */
static void require_items(struct ds_gds *g, struct ds_safetensors *st, struct ds_gds_job *job)
{
	for (uint32_t i = 0; i < ds_gds_job_count(job); i++) {
		struct ds_safetensors_tensor t = DS_SAFETENSORS_TENSOR_INIT;
		struct ds_safetensors_tensor first = DS_SAFETENSORS_TENSOR_INIT;
		struct ds_gds_item item = DS_GDS_ITEM_INIT;
		uint64_t sum;

		REQUIRE_OK(ds_gds_job_get_item(job, i, &item));
		REQUIRE_OK(ds_safetensors_get(st, item.tensor, &t));
		/* The first tensor of each file begins where its data does. */
		REQUIRE_OK(ds_safetensors_get(st, t.file * 2, &first));
		REQUIRE_CMP(item.nbytes, ==, t.nbytes);
		frame_require_pattern(ds_gds_backend(g), item.address, t.nbytes, t.file ? 13 : 11,
				      t.offset - first.offset);
		REQUIRE_OK(ds_gds_checksum(ds_gds_backend(g), item.address, t.nbytes, &sum));
		REQUIRE_CMP(item.checksum, ==, sum);
	}
}

static void loads_tensors(struct frame *f)
{
	struct ds_gds *g = make_manager(f);
	struct ds_gds_job_config cfg = DS_GDS_JOB_CONFIG_INIT;
	struct ds_gds_item item = DS_GDS_ITEM_INIT;
	struct ds_gds_stats stats = DS_GDS_STATS_INIT;
	struct ds_safetensors *st;
	struct ds_gds_job *job;
	uint64_t nbytes = 0, arena = 0;
	uint32_t nr = 0;

	make_model(f, good_index);
	REQUIRE_OK(ds_safetensors_open(f->dir.path, NULL, 0, &st));
	REQUIRE_OK(ds_gds_plan_tensors(g, st, NULL, &nbytes, &nr));
	REQUIRE_CMP(nr, ==, 4);
	REQUIRE_CMP(nbytes, >=, 1000050 + 4024);
	cfg.flags = DS_GDS_JOB_CHECKSUM;
	/* An arena of the pool. */
	REQUIRE_OK(ds_gds_load_tensors(g, st, NULL, 0, 0, &cfg, &job));
	REQUIRE_OK(ds_gds_job_wait(job, DS_WAIT_FOREVER));
	REQUIRE_CMP(ds_gds_job_count(job), ==, 4);
	require_items(g, st, job);
	REQUIRE_OK(ds_gds_job_get_item(job, 0, &item));
	ds_gds_job_destroy(job);
	REQUIRE_OK(ds_gds_free(g, item.address));
	/* The caller's. */
	REQUIRE_OK(ds_gds_alloc(g, nbytes, &arena));
	REQUIRE_CMP(ds_gds_load_tensors(g, st, NULL, arena, nbytes - 1, &cfg, &job), ==,
		    DS_ERR_DESTINATION_TOO_SMALL);
	REQUIRE_OK(ds_gds_load_tensors(g, st, NULL, arena, nbytes, &cfg, &job));
	REQUIRE_OK(ds_gds_job_wait(job, DS_WAIT_FOREVER));
	require_items(g, st, job);
	ds_gds_job_destroy(job);
	/* Some of them, each for itself. The model may be closed meanwhile. */
	cfg.flags |= DS_GDS_JOB_SEPARATE;
	REQUIRE_OK(ds_gds_load_tensors(g, st, "*.b", 0, 0, &cfg, &job));
	REQUIRE_OK(ds_gds_job_wait(job, DS_WAIT_FOREVER));
	REQUIRE_CMP(ds_gds_job_count(job), ==, 2);
	require_items(g, st, job);
	for (uint32_t i = 0; i < 2; i++) {
		REQUIRE_OK(ds_gds_job_get_item(job, i, &item));
		REQUIRE_CMP(item.address % 4096, ==, 0);
		REQUIRE_OK(ds_gds_free(g, item.address));
	}
	ds_gds_job_destroy(job);
	/* What fails leaves nothing in the pool; the model is closed while its job waits. */
	REQUIRE_OK(ds_gds_load_tensors(g, st, "x*", 0, 0, NULL, &job));
	ds_safetensors_close(st);
	ds_gds_job_cancel(job);
	if (ds_gds_job_wait(job, DS_WAIT_FOREVER) == DS_OK) {
		REQUIRE_OK(ds_gds_job_get_item(job, 0, &item));
		REQUIRE_OK(ds_gds_free(g, item.address));
	}
	ds_gds_job_destroy(job);
	REQUIRE_OK(ds_gds_free(g, arena));
	REQUIRE_OK(ds_gds_get_stats(g, &stats));
	REQUIRE_CMP(stats.pool_in_use, ==, 0);
	ds_gds_destroy(g);
}

int main(int argc, char **argv)
{
	static const struct frame_entry tests[] = {
		TEST(parses),
		TEST(refuses_hostile_headers),
		TEST(opens_models),
		TEST(loads_tensors),
	};

	return frame_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
