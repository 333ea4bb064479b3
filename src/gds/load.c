/* SPDX-License-Identifier: MIT */
/* load.c: ranges of files, and whole models, as jobs. */
#include <stdlib.h>

#include "gds/internal.h"

static ds_result check_range(struct ds_gds *g, const struct ds_gds_range *r)
{
	uint64_t out = r->codec ? r->uncompressed_nbytes : r->nbytes;

	if (!r->file || r->file->g != g || r->reserved || (!r->codec && r->uncompressed_nbytes) ||
	    (out && !r->destination))
		return DS_ERR_INVALID_ARGUMENT;
	if (r->nbytes > UINT64_MAX - r->offset || out > UINT64_MAX - r->destination)
		return DS_ERR_OUT_OF_RANGE;
	return DS_OK;
}

/* One range for each item. */
static ds_result make_ranges(struct ds_gds_job *job)
{
	job->ranges = calloc((size_t)job->nr_items + 1, sizeof(*job->ranges));
	if (!job->ranges)
		return DS_ERR_NO_MEMORY;
	for (uint32_t i = 0; i < job->nr_items; i++) {
		const struct ds_job_item *item = &job->items[i];

		if (!item->out_nbytes && !item->codec)
			continue;
		job->ranges[job->nr_ranges++] = (struct ds_job_range){
			.file = item->file,
			.offset = item->offset,
			.nbytes = item->nbytes,
			.address = item->address,
			.out_nbytes = item->out_nbytes,
			.codec = item->codec,
		};
		job->total_nbytes += item->out_nbytes;
	}
	return DS_OK;
}

ds_result ds_gds_load(struct ds_gds *g, const struct ds_gds_range *ranges, uint32_t nr,
		      const struct ds_gds_job_config *cfg, struct ds_gds_job **out)
{
	struct ds_gds_job *job;
	ds_result ret = DS_OK;

	if (!g || (nr && !ranges) || !out)
		return DS_ERR_INVALID_ARGUMENT;
	for (uint32_t i = 0; i < nr && !ret; i++)
		ret = check_range(g, &ranges[i]);
	if (!ret)
		ret = ds_job_create(g, cfg, nr, &job);
	if (ret)
		return ret;
	for (uint32_t i = 0; i < nr; i++) {
		const struct ds_gds_range *r = &ranges[i];

		ds_manager_file_ref(r->file);
		job->items[job->nr_items++] = (struct ds_job_item){
			.file = r->file,
			.offset = r->offset,
			.nbytes = r->nbytes,
			.address = r->destination,
			.out_nbytes = r->codec ? r->uncompressed_nbytes : r->nbytes,
			.codec = r->codec,
		};
	}
	ret = make_ranges(job);
	if (ret) {
		ds_job_unref(job);
		return ret;
	}
	return ds_job_begin(job, out);
}

/* ------------------------------------------------------------------- models */

static ds_result open_models(struct ds_gds *g, struct ds_gds_job *job, const char *const *paths,
			     uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		struct ds_job_item *item = &job->items[i];
		ds_result ret = ds_gds_file_open(g, paths[i], &item->file);

		if (ret)
			return ret;
		item->nbytes = item->file->nbytes;
		item->out_nbytes = item->nbytes;
		job->nr_items++;
	}
	return DS_OK;
}

static ds_result allocate_items(struct ds_gds *g, struct ds_gds_job *job)
{
	for (uint32_t i = 0; i < job->nr_items; i++) {
		struct ds_job_item *item = &job->items[i];
		ds_result ret = ds_pool_alloc(&g->pool, item->out_nbytes, &item->address);

		if (ret)
			return ret;
		item->is_ours = true;
	}
	return DS_OK;
}

ds_result ds_gds_load_models(struct ds_gds *g, const char *const *paths, uint32_t nr,
			     const struct ds_gds_job_config *cfg, struct ds_gds_job **out)
{
	struct ds_gds_job_config mine;
	struct ds_gds_job *job;
	ds_result ret;

	if (!g || (nr && !paths) || !out)
		return DS_ERR_INVALID_ARGUMENT;
	ret = ds_copy_config(&mine, sizeof(mine), cfg, sizeof(mine));
	if (ret)
		return ret;
	/* The pool's memory is of one kind. */
	mine.memory = g->has_device ? DS_GDS_MEMORY_DEVICE : DS_GDS_MEMORY_HOST;
	ret = ds_job_create(g, &mine, nr, &job);
	if (ret)
		return ret;
	ret = open_models(g, job, paths, nr);
	if (!ret)
		ret = allocate_items(g, job);
	if (!ret)
		ret = make_ranges(job);
	if (ret) {
		ds_job_unref(job);
		return ret;
	}
	return ds_job_begin(job, out);
}
