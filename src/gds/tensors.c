/* SPDX-License-Identifier: MIT */
/* tensors.c: tensors of a model as jobs: into one arena, or each into memory of its own. */
#include <fnmatch.h>
#include <stdlib.h>

#include "gds/internal.h"
#include "gds/model.h"

static bool matches(const struct ds_model_tensor *t, const char *pattern)
{
	return !pattern || !fnmatch(pattern, t->name, 0);
}

/*
 * Where the tensors that match come in an arena. What is adjacent in the file stays adjacent,
 * so that it is read at once; what begins anew, or after a gap, begins at a multiple of the
 * alignment.
 */
struct layout {
	uint64_t alignment;
	uint64_t end; /* of the arena so far */
	bool has_last;
	uint32_t last_file;
	uint64_t last_end; /* in that file */
};

static uint64_t place(struct layout *l, const struct ds_model_tensor *t)
{
	bool is_adjacent = l->has_last && l->last_file == t->file && l->last_end == t->offset;
	uint64_t at = is_adjacent ? l->end : ds_manager_round_up(l->end, l->alignment);

	l->has_last = true;
	l->last_file = t->file;
	l->last_end = t->offset + t->nbytes;
	l->end = at + t->nbytes;
	return at;
}

/* Offsets in files add up to less than 2^64 only if files are real. */
static ds_result plan(const struct ds_gds *g, const struct ds_safetensors *st, const char *pattern,
		      uint64_t *nbytes, uint32_t *nr)
{
	struct layout l = { .alignment = g->alignment };

	*nr = 0;
	for (uint32_t i = 0; i < st->nr_tensors; i++) {
		if (!matches(&st->tensors[i], pattern))
			continue;
		if (st->tensors[i].nbytes > UINT64_MAX / 2 - l.end - l.alignment)
			return DS_ERR_OUT_OF_RANGE;
		place(&l, &st->tensors[i]);
		(*nr)++;
	}
	*nbytes = ds_manager_round_up(l.end, l.alignment);
	return DS_OK;
}

ds_result ds_gds_plan_tensors(struct ds_gds *g, struct ds_safetensors *st, const char *pattern,
			      uint64_t *arena_nbytes, uint32_t *nr_tensors)
{
	uint64_t nbytes;
	uint32_t nr;
	ds_result ret;

	if (!g || !st)
		return DS_ERR_INVALID_ARGUMENT;
	ret = plan(g, st, pattern, &nbytes, &nr);
	if (ret)
		return ret;
	if (arena_nbytes)
		*arena_nbytes = nbytes;
	if (nr_tensors)
		*nr_tensors = nr;
	return DS_OK;
}

/* ------------------------------------------------------------------- the job */

/* The model's file, opened for the job's items that come from it: one reference an item. */
static ds_result open_file(struct ds_gds *g, struct ds_gds_job *job, uint32_t first,
			   const char *path)
{
	struct ds_gds_file *f;
	ds_result ret = ds_gds_file_open(g, path, &f);

	if (ret)
		return ret;
	for (uint32_t i = first; i < job->nr_items; i++) {
		ds_manager_file_ref(f);
		job->items[i].file = f;
	}
	ds_gds_file_close(f);
	return DS_OK;
}

/* Items in the order of the model; addresses relative to the arena. */
static ds_result add_items(struct ds_gds *g, struct ds_gds_job *job, const char *pattern)
{
	const struct ds_safetensors *st = job->model;
	struct layout l = { .alignment = g->alignment };
	uint32_t first = 0;

	for (uint32_t i = 0; i < st->nr_tensors; i++) {
		const struct ds_model_tensor *t = &st->tensors[i];
		bool ends_file = i + 1 == st->nr_tensors || t[1].file != t->file;
		ds_result ret;

		if (matches(t, pattern))
			job->items[job->nr_items++] = (struct ds_job_item){
				.offset = t->offset,
				.nbytes = t->nbytes,
				.address = place(&l, t),
				.out_nbytes = t->nbytes,
				.tensor = i,
			};
		if (!ends_file || first == job->nr_items)
			continue;
		ret = open_file(g, job, first, st->files[t->file].path);
		if (ret)
			return ret;
		first = job->nr_items;
	}
	return DS_OK;
}

static ds_result set_addresses(struct ds_gds *g, struct ds_gds_job *job, uint64_t arena)
{
	for (uint32_t i = 0; i < job->nr_items; i++) {
		struct ds_job_item *item = &job->items[i];
		ds_result ret;

		if (!(job->cfg.flags & DS_GDS_JOB_SEPARATE)) {
			item->address += arena;
			continue;
		}
		item->address = 0;
		ret = ds_pool_alloc(&g->pool, item->nbytes, &item->address);
		if (ret)
			return ret;
		item->is_ours = true;
	}
	return DS_OK;
}

/* Whether an item goes on where a range ends, in the file and in memory. */
static bool goes_on(const struct ds_job_range *r, const struct ds_job_item *item)
{
	return r->file == item->file && r->offset + r->nbytes == item->offset &&
	       r->address + r->nbytes == item->address;
}

static ds_result make_ranges(struct ds_gds_job *job)
{
	job->ranges = calloc((size_t)job->nr_items + 1, sizeof(*job->ranges));
	if (!job->ranges)
		return DS_ERR_NO_MEMORY;
	for (uint32_t i = 0; i < job->nr_items; i++) {
		const struct ds_job_item *item = &job->items[i];
		struct ds_job_range *r = &job->ranges[job->nr_ranges];

		if (!item->nbytes)
			continue;
		job->total_nbytes += item->nbytes;
		if (job->nr_ranges && goes_on(r - 1, item)) {
			r[-1].nbytes += item->nbytes;
			r[-1].out_nbytes += item->nbytes;
			continue;
		}
		*r = (struct ds_job_range){
			.file = item->file,
			.offset = item->offset,
			.nbytes = item->nbytes,
			.address = item->address,
			.out_nbytes = item->nbytes,
		};
		job->nr_ranges++;
	}
	return DS_OK;
}

static ds_result fill_job(struct ds_gds *g, struct ds_gds_job *job, const char *pattern,
			  uint64_t destination, uint64_t arena_nbytes)
{
	bool is_separate = job->cfg.flags & DS_GDS_JOB_SEPARATE;
	uint64_t arena = destination;
	ds_result ret = add_items(g, job, pattern);

	if (!ret && !arena && !is_separate && arena_nbytes) {
		ret = ds_pool_alloc(&g->pool, arena_nbytes, &arena);
		if (!ret)
			job->arena = arena;
	}
	if (!ret)
		ret = set_addresses(g, job, arena);
	return ret ? ret : make_ranges(job);
}

ds_result ds_gds_load_tensors(struct ds_gds *g, struct ds_safetensors *st, const char *pattern,
			      uint64_t destination, uint64_t room_nbytes,
			      const struct ds_gds_job_config *cfg, struct ds_gds_job **out)
{
	struct ds_gds_job_config mine;
	struct ds_gds_job *job;
	uint64_t nbytes;
	uint32_t nr;
	ds_result ret;

	if (!g || !st || !out)
		return DS_ERR_INVALID_ARGUMENT;
	ret = ds_copy_config(&mine, sizeof(mine), cfg, sizeof(mine));
	if (!ret && mine.flags & DS_GDS_JOB_SEPARATE && destination)
		ret = DS_ERR_INVALID_ARGUMENT;
	if (!ret)
		ret = plan(g, st, pattern, &nbytes, &nr);
	if (!ret && destination && room_nbytes < nbytes)
		ret = DS_ERR_DESTINATION_TOO_SMALL;
	if (ret)
		return ret;
	/* The pool's memory is of one kind. */
	if (!destination)
		mine.memory = g->has_device ? DS_GDS_MEMORY_DEVICE : DS_GDS_MEMORY_HOST;
	ret = ds_job_create(g, &mine, nr, &job);
	if (ret)
		return ret;
	ds_model_ref(st);
	job->model = st;
	ret = fill_job(g, job, pattern, destination, nbytes);
	if (ret) {
		ds_job_unref(job);
		return ret;
	}
	return ds_job_begin(job, out);
}
