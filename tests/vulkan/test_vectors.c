/* SPDX-License-Identifier: MIT */
/*
 * test_vectors.c: all streams of the tables through the backend, decoded on the GPU, on each of its
 * ways: the verdict and the bytes must be those of the decoder on the CPU.
 *
 *	vulkan_vectors FOLDER [all | half]
 *
 * Without "all" the larger ones are left out: llvmpipe decodes a few MB a second. "half": on one way
 * only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

#define MAX_VECTORS  1024
#define SMALL_NBYTES 70000

struct vector {
	uint8_t *stream;
	uint64_t stream_nbytes;
	uint64_t nbytes;
	char name[96];
};

static struct vector vectors[MAX_VECTORS];
static unsigned nr_vectors;
static const char *folder;
static bool takes_all, takes_half;

static void add(const char *name, uint64_t nbytes)
{
	struct vector *v = &vectors[nr_vectors];
	char path[512];

	if (!nbytes || (!takes_all && nbytes > SMALL_NBYTES))
		return;
	snprintf(v->name, sizeof(v->name), "%.90s", name);
	v->nbytes = nbytes;
	snprintf(path, sizeof(path), "%s/%.90s", folder, name);
	v->stream = file_read_all(path, &v->stream_nbytes);
	if (v->stream_nbytes)
		nr_vectors++;
	else
		free(v->stream);
	REQUIRE_CMP(nr_vectors, <, MAX_VECTORS);
}

/* Of each line the name, which comes first, and the size that is asked for. */
static void read_table(const char *table, unsigned size_column)
{
	char path[512], line[2048];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, table);
	f = fopen(path, "r");
	REQUIRE(f);
	while (fgets(line, sizeof(line), f)) {
		char *field = line, *name = line;

		for (unsigned i = 0; i < size_column; i++) {
			field = strchr(field, '\t');
			REQUIRE(field);
			*field++ = 0;
		}
		if (line[0] != '#')
			add(name, strtoull(field, NULL, 10));
	}
	fclose(f);
}

/* What the CPU says to it; *out gets the bytes. */
static ds_result decode_on_cpu(const struct vector *v, uint8_t *out)
{
	return ds_gdeflate_decompress(v->stream, v->stream_nbytes, out, v->nbytes);
}

static void check(struct rig *g, const struct vector *v, const struct ds_completion *c,
		  const struct ds_vulkan_buffer *buf, uint64_t offset)
{
	uint8_t *expected = malloc(v->nbytes), *got;
	ds_result ret;

	REQUIRE(expected);
	ret = decode_on_cpu(v, expected);
	if (!ret != !c->result) {
		fprintf(stderr, "%s: %s, on the CPU %s\n", v->name, ds_result_name(c->result),
			ds_result_name(ret));
		REQUIRE_RESULT(c->result, ret);
	}
	if (!ret) {
		got = rig_read_back(g, buf, offset, v->nbytes);
		if (memcmp(got, expected, v->nbytes) != 0) {
			fprintf(stderr, "%s: other bytes than on the CPU\n", v->name);
			REQUIRE(memcmp(got, expected, v->nbytes) == 0);
		}
		free(got);
	}
	free(expected);
}

static void enqueue_all(struct rig *g, const struct ds_vulkan_buffer *buf)
{
	uint64_t at = 0;

	for (unsigned i = 0; i < nr_vectors; i++) {
		struct ds_request r = to_buffer(NULL, 0, vectors[i].stream_nbytes, buf, at);

		r.source = (struct ds_location){ .kind = DS_LOCATION_MEMORY,
						 .nbytes = vectors[i].stream_nbytes };
		r.source.data = vectors[i].stream;
		r.codec = DS_CODEC_GDEFLATE;
		r.uncompressed_nbytes = vectors[i].nbytes;
		r.destination.nbytes = vectors[i].nbytes;
		r.user_data = &vectors[i];
		r.tag = at;
		enqueue(g->q, &r);
		at += vectors[i].nbytes;
	}
}

/* All at once, so that good and bad ones are in the same dispatches. */
static void decode_all(int32_t path)
{
	struct ds_vulkan_config v = DS_VULKAN_CONFIG_INIT;
	struct ds_completion *ends = calloc(nr_vectors, sizeof(*ends));
	struct ds_vulkan_buffer buf;
	uint64_t nbytes = 0;
	struct rig g;

	REQUIRE(ends);
	for (unsigned i = 0; i < nr_vectors; i++)
		nbytes += vectors[i].nbytes;
	v.decode = DS_VULKAN_DECODE_GPU;
	v.path = path;
	rig_open(&g, &v, NULL);
	buf = rig_buffer(&g, nbytes);
	enqueue_all(&g, &buf);
	REQUIRE_OK(ds_queue_submit(g.q));
	for (unsigned i = 0; i < nr_vectors; i++)
		ends[i] = take(g.q);
	for (unsigned i = 0; i < nr_vectors; i++)
		check(&g, ends[i].user_data, &ends[i], &buf, ends[i].tag);
	REQUIRE_CMP(rig_stats(&g).decodes, >, nr_vectors / 4);
	printf("%u streams, %llu of them on the GPU\n", nr_vectors,
	       (unsigned long long)rig_stats(&g).decodes);
	ds_vulkan_buffer_destroy(g.be, &buf);
	free(ends);
	rig_close(&g);
}

static void as_they_lie(void)
{
	decode_all(DS_VULKAN_PATH_AUTO);
}

static void copied_first(void)
{
	decode_all(DS_VULKAN_PATH_STAGED);
}

int main(int argc, char **argv)
{
	static const struct rig_entry tests[] = {
		RIG_TEST(as_they_lie),
		RIG_TEST(copied_first),
	};
	int ret;

	if (argc < 2) {
		fprintf(stderr, "usage: vulkan_vectors FOLDER [all | half]\n");
		return 2;
	}
	folder = argv[1];
	takes_all = argc > 2 && !strcmp(argv[2], "all");
	takes_half = argc > 2 && !strcmp(argv[2], "half");
	read_table("manifest.tsv", 3);
	read_table("synthetic.tsv", 1);
	read_table("hostile.tsv", 2);
	ret = rig_main(1, argv, tests, takes_half ? 1 : sizeof(tests) / sizeof(tests[0]));
	for (unsigned i = 0; i < nr_vectors; i++)
		free(vectors[i].stream);
	return ret;
}
