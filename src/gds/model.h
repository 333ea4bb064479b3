/* SPDX-License-Identifier: MIT */
/* model.h: a model of safetensors files, in memory. */
#ifndef DS_GDS_MODEL_H
#define DS_GDS_MODEL_H

#include <stdatomic.h>

#include "ds_runtime_gds.h"

/* No header is larger; the reference implementation has the same limit. */
#define DS_MODEL_MAX_HEADER 100000000u

struct ds_model_tensor {
	const char *name;
	const char *dtype; /* static */
	uint32_t file;
	uint32_t bits;
	uint32_t nr_dims;
	uint64_t dims[DS_SAFETENSORS_MAX_DIMS];
	uint64_t offset; /* in the file */
	uint64_t nbytes;
};

struct ds_model_file {
	char *path;
	char *strings; /* of its tensors' names */
};

/* Constant but for its references: the caller's, and one a job. */
struct ds_safetensors {
	atomic_uint refs;
	struct ds_model_file *files;
	uint32_t nr_files;
	struct ds_model_tensor *tensors; /* by file, then by offset */
	uint32_t nr_tensors;
	uint32_t *by_name; /* indices, sorted by name */
};

/* A place for one sentence about what is wrong. */
struct ds_why {
	char *text;
	size_t nbytes;
};
__attribute__((format(printf, 2, 3))) void ds_why_set(const struct ds_why *why, const char *format,
						      ...);

void ds_model_ref(struct ds_safetensors *st);

/* Adds a file and the tensors of its header: nbytes from the file's beginning. */
ds_result ds_model_add(struct ds_safetensors *st, const char *path, const void *header,
		       size_t nbytes, uint64_t file_nbytes, const struct ds_why *why);
/* Once all files are there: sorts names. Refuses those that occur twice. */
ds_result ds_model_finish(struct ds_safetensors *st, const struct ds_why *why);

#endif /* DS_GDS_MODEL_H */
