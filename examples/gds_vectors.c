/* SPDX-License-Identifier: MIT */
/*
 * gds_vectors.c: gathers vectors by their index from a file into the memory of a CUDA device
 * (without one: of the host), in the order asked for.
 *
 *	gds_vectors FILE VECTOR-BYTES INDEX...
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ds_runtime_gds.h"

static int report(const char *what, ds_result result)
{
	fprintf(stderr, "gds_vectors: %s: %s\n", what, ds_result_message(result));
	return EXIT_FAILURE;
}

static int prefetch(struct ds_gds *g, const struct ds_gds_vectors *set, const uint64_t *indices,
		    uint64_t nr)
{
	struct ds_gds_job_config cfg = DS_GDS_JOB_CONFIG_INIT;
	struct ds_gds_report r = DS_GDS_REPORT_INIT;
	struct ds_gds_item item = DS_GDS_ITEM_INIT;
	struct ds_gds_job *job = NULL;
	uint64_t memory;
	ds_result ret;

	ret = ds_gds_alloc(g, nr * set->vector_nbytes, &memory);
	if (ret)
		return report("memory", ret);
	cfg.memory = ds_gds_has_device(g) ? DS_GDS_MEMORY_DEVICE : DS_GDS_MEMORY_HOST;
	cfg.flags = DS_GDS_JOB_CHECKSUM;
	ret = ds_gds_prefetch_vectors(g, set, indices, nr, memory, &cfg, &job);
	if (ret)
		return report("prefetch", ret);
	ret = ds_gds_job_wait(job, DS_WAIT_FOREVER);
	ds_gds_job_get_report(job, &r);
	ds_gds_job_get_item(job, 0, &item);
	if (ret)
		fprintf(stderr, "gds_vectors: %s\n", r.error);
	else
		printf("%" PRIu64 " bytes at %#" PRIx64 ", checksum %016" PRIx64
		       ", in %.1f us by %" PRIu64 " reads\n",
		       r.done_nbytes, item.address, item.checksum, (double)r.elapsed_ns * 1e-3,
		       r.operations);
	ds_gds_job_destroy(job);
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct ds_gds_vectors set = DS_GDS_VECTORS_INIT;
	uint64_t *indices, nr = argc > 3 ? (uint64_t)argc - 3 : 0;
	struct ds_gds *g = NULL;
	int exit_code;
	ds_result ret;

	if (!nr) {
		fputs("usage: gds_vectors FILE VECTOR-BYTES INDEX...\n", stderr);
		return 2;
	}
	indices = calloc(nr, sizeof(*indices));
	if (!indices)
		return report("indices", DS_ERR_NO_MEMORY);
	for (uint64_t i = 0; i < nr; i++)
		indices[i] = strtoull(argv[3 + i], NULL, 10);
	set.vector_nbytes = strtoull(argv[2], NULL, 10);
	ret = ds_gds_create(NULL, &g);
	if (!ret)
		ret = ds_gds_file_open(g, argv[1], &set.file);
	exit_code = ret ? report(argv[1], ret) : prefetch(g, &set, indices, nr);
	ds_gds_file_close(set.file);
	ds_gds_destroy(g);
	free(indices);
	return exit_code;
}
