/* SPDX-License-Identifier: MIT */
/*
 * gds_safetensors.c: loads the tensors of a model into the memory of a CUDA device, each to its
 * place in one arena, and lists them with their addresses and checksums.
 *
 *	gds_safetensors MODEL [PATTERN]
 *
 * MODEL: a .safetensors file, a model.safetensors.index.json, or a folder; PATTERN: such as
 * 'layers.0.*'. Without a CUDA device the model comes into host memory.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ds_runtime_gds.h"

static int report(const char *what, const char *why)
{
	fprintf(stderr, "gds_safetensors: %s: %s\n", what, why);
	return EXIT_FAILURE;
}

static void on_progress(void *user_data, struct ds_gds_job *job, uint64_t done, uint64_t total)
{
	(void)user_data;
	(void)job;
	fprintf(stderr, "\r%3.0f %%", total ? 100.0 * (double)done / (double)total : 100.0);
}

static void list_tensors(struct ds_safetensors *st, struct ds_gds_job *job)
{
	for (uint32_t i = 0; i < ds_gds_job_count(job); i++) {
		struct ds_safetensors_tensor t = DS_SAFETENSORS_TENSOR_INIT;
		struct ds_gds_item item = DS_GDS_ITEM_INIT;

		ds_gds_job_get_item(job, i, &item);
		ds_safetensors_get(st, item.tensor, &t);
		printf("%#" PRIx64 " %12" PRIu64 " %016" PRIx64 " %-5s %s\n", item.address,
		       item.nbytes, item.checksum, t.dtype, t.name);
	}
}

/* How it went: how fast, which way, and why not a faster one. */
static void print_report(struct ds_gds_job *job)
{
	struct ds_gds_report r = DS_GDS_REPORT_INIT;

	if (ds_gds_job_get_report(job, &r))
		return;
	fprintf(stderr, "\n%" PRIu64 " bytes in %.3f s, %.2f GB/s\n", r.done_nbytes,
		(double)r.elapsed_ns * 1e-9, (double)r.bytes_per_second * 1e-9);
	if (*r.why)
		fprintf(stderr, "not faster, because: %s\n", r.why);
	if (*r.error)
		fprintf(stderr, "gds_safetensors: %s\n", r.error);
}

static int load(struct ds_gds *g, struct ds_safetensors *st, const char *pattern)
{
	struct ds_gds_job_config cfg = DS_GDS_JOB_CONFIG_INIT;
	struct ds_gds_job *job = NULL;
	ds_result ret;

	cfg.flags = DS_GDS_JOB_CHECKSUM;
	cfg.progress = on_progress;
	/* No destination: the manager's pool gives the arena, which is ours afterwards. */
	ret = ds_gds_load_tensors(g, st, pattern, 0, 0, &cfg, &job);
	if (ret)
		return report("load", ds_result_message(ret));
	/* A program with something better to do would do it here. */
	ret = ds_gds_job_wait(job, DS_WAIT_FOREVER);
	print_report(job);
	if (!ret)
		list_tensors(st, job);
	ds_gds_job_destroy(job);
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct ds_safetensors *st = NULL;
	struct ds_gds *g = NULL;
	char why[256] = "";
	int exit_code;
	ds_result ret;

	if (argc != 2 && argc != 3) {
		fputs("usage: gds_safetensors MODEL [PATTERN]\n", stderr);
		return 2;
	}
	ret = ds_safetensors_open(argv[1], why, sizeof(why), &st);
	if (ret)
		return report(argv[1], *why ? why : ds_result_message(ret));
	ret = ds_gds_create(NULL, &g);
	if (ret) {
		ds_safetensors_close(st);
		return report("manager", ds_result_message(ret));
	}
	exit_code = load(g, st, argc == 3 ? argv[2] : NULL);
	ds_gds_destroy(g);
	ds_safetensors_close(st);
	return exit_code;
}
