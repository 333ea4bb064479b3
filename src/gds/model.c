/* SPDX-License-Identifier: MIT */
/*
 * model.c: headers of safetensors files.
 *
 * A file begins with the length of its header, 8 bytes, little-endian. The header is a JSON
 * object: each member is a tensor with its type, its shape and where it begins and ends,
 * relative to the end of the header; but "__metadata__", which is of no interest here. Nobody
 * vouches for any of it.
 */
#include "gds/model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gds/json.h"

#define PREFIX_NBYTES 8u

static const struct dtype {
	const char *name;
	uint32_t bits;
} dtypes[] = {
	{ "BOOL", 8 },	    { "U8", 8 },	  { "I8", 8 },		{ "F8_E5M2", 8 },
	{ "F8_E4M3", 8 },   { "F8_E8M0", 8 },	  { "I16", 16 },	{ "U16", 16 },
	{ "F16", 16 },	    { "BF16", 16 },	  { "I32", 32 },	{ "U32", 32 },
	{ "F32", 32 },	    { "F64", 64 },	  { "I64", 64 },	{ "U64", 64 },
	{ "C64", 64 },	    { "F4", 4 },	  { "F6_E2M3", 6 },	{ "F6_E3M2", 6 },
	{ "F8_E4M3FN", 8 }, { "F8_E4M3FNUZ", 8 }, { "F8_E5M2FNUZ", 8 },
};

void ds_why_set(const struct ds_why *why, const char *format, ...)
{
	va_list args;

	if (!why->text || !why->nbytes)
		return;
	va_start(args, format);
	vsnprintf(why->text, why->nbytes, format, args);
	va_end(args);
}

/* ------------------------------------------------------------------ members */

static const struct dtype *find_dtype(const char *name)
{
	for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++) {
		if (!strcmp(dtypes[i].name, name))
			return &dtypes[i];
	}
	return NULL;
}

static bool read_shape(struct ds_json *j, struct ds_model_tensor *t)
{
	bool first = true;

	t->nr_dims = 0;
	if (!ds_json_need(j, '['))
		return false;
	while (ds_json_element(j, &first)) {
		if (t->nr_dims == DS_SAFETENSORS_MAX_DIMS)
			return ds_json_fail(j, "a tensor has more than 8 dimensions");
		if (!ds_json_number(j, &t->dims[t->nr_dims++]))
			return false;
	}
	return !j->error;
}

static bool read_offsets(struct ds_json *j, uint64_t *begin, uint64_t *end)
{
	return ds_json_need(j, '[') && ds_json_number(j, begin) && ds_json_need(j, ',') &&
	       ds_json_number(j, end) && ds_json_need(j, ']');
}

/* The object of one tensor; which of its three members were there. */
enum {
	HAS_DTYPE = 1,
	HAS_SHAPE = 2,
	HAS_OFFSETS = 4,
	HAS_ALL = 7,
};

static bool read_member(struct ds_json *j, const char *key, char **room, struct ds_model_tensor *t,
			uint64_t *end, unsigned *has)
{
	const char *name;

	if (!strcmp(key, "dtype")) {
		const struct dtype *d;

		*has |= HAS_DTYPE;
		if (!ds_json_string(j, room, &name))
			return false;
		d = find_dtype(name);
		if (!d)
			return ds_json_fail(j, "a tensor's type is not known");
		t->dtype = d->name;
		t->bits = d->bits;
		return true;
	}
	if (!strcmp(key, "shape")) {
		*has |= HAS_SHAPE;
		return read_shape(j, t);
	}
	if (!strcmp(key, "data_offsets")) {
		*has |= HAS_OFFSETS;
		return read_offsets(j, &t->offset, end);
	}
	return ds_json_skip(j);
}

/* Elements times bits, in bytes; false if it overflows, or is no whole number of bytes. */
static bool count_bytes(const struct ds_model_tensor *t, uint64_t *nbytes)
{
	uint64_t n = t->bits;

	for (uint32_t i = 0; i < t->nr_dims; i++) {
		if (t->dims[i] && n > UINT64_MAX / t->dims[i])
			return false;
		n *= t->dims[i];
	}
	*nbytes = n / 8;
	return n % 8 == 0;
}

static bool read_tensor(struct ds_json *j, char **room, struct ds_model_tensor *t,
			uint64_t data_nbytes)
{
	uint64_t end = 0;
	unsigned has = 0;
	bool first = true;
	char *scratch;
	const char *key;

	if (!ds_json_need(j, '{'))
		return false;
	/* What comes here is only looked at. */
	scratch = *room;
	while (ds_json_member(j, &first, &scratch, &key)) {
		if (!read_member(j, key, &scratch, t, &end, &has))
			return false;
		scratch = *room;
	}
	if (j->error)
		return false;
	if (has != HAS_ALL)
		return ds_json_fail(j, "a tensor lacks its dtype, shape or data_offsets");
	if (t->offset > end || end > data_nbytes)
		return ds_json_fail(j, "a tensor lies outside of the file");
	if (!count_bytes(t, &t->nbytes) || t->nbytes != end - t->offset)
		return ds_json_fail(j, "a tensor's size is not that of its shape and type");
	return true;
}

/* ------------------------------------------------------------------ headers */

static bool grow(struct ds_safetensors *st, size_t *room)
{
	size_t want = *room ? 2 * *room : 64;
	struct ds_model_tensor *more = realloc(st->tensors, want * sizeof(*more));

	if (!more)
		return false;
	st->tensors = more;
	*room = want;
	return true;
}

/* DS_OK with j->error set is damage. */
static ds_result read_tensors(struct ds_safetensors *st, struct ds_json *j, char *room,
			      uint64_t data_begin, uint64_t data_nbytes)
{
	size_t capacity = st->nr_tensors;
	bool first = true;
	const char *key;

	if (!ds_json_need(j, '{'))
		return DS_OK;
	while (ds_json_member(j, &first, &room, &key)) {
		struct ds_model_tensor *t;

		if (!strcmp(key, "__metadata__")) {
			if (!ds_json_skip(j))
				return DS_OK;
			continue;
		}
		if (st->nr_tensors == UINT32_MAX)
			return DS_ERR_OUT_OF_RANGE;
		if (st->nr_tensors == capacity && !grow(st, &capacity))
			return DS_ERR_NO_MEMORY;
		t = &st->tensors[st->nr_tensors];
		memset(t, 0, sizeof(*t));
		t->name = key;
		t->file = st->nr_files - 1;
		if (!read_tensor(j, &room, t, data_nbytes))
			return DS_OK;
		t->offset += data_begin;
		st->nr_tensors++;
	}
	if (!j->error && !ds_json_ends(j))
		ds_json_fail(j, "something follows the header");
	return DS_OK;
}

static int compare_offsets(const void *a, const void *b)
{
	const struct ds_model_tensor *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	/* Empty ones come before what begins at the same place. */
	return x->nbytes < y->nbytes ? -1 : x->nbytes > y->nbytes;
}

static ds_result check_overlaps(struct ds_safetensors *st, uint32_t first, const char *path,
				const struct ds_why *why)
{
	if (st->nr_tensors - first > 1)
		qsort(st->tensors + first, st->nr_tensors - first, sizeof(*st->tensors),
		      compare_offsets);
	for (uint32_t i = first; i + 1 < st->nr_tensors; i++) {
		const struct ds_model_tensor *t = &st->tensors[i];

		if (t->offset + t->nbytes > t[1].offset) {
			ds_why_set(why, "%s: the tensors '%.60s' and '%.60s' overlap", path,
				   t->name, t[1].name);
			return DS_ERR_CORRUPT_DATA;
		}
	}
	return DS_OK;
}

static ds_result add_file(struct ds_safetensors *st, const char *path, size_t header_nbytes)
{
	struct ds_model_file *more = realloc(st->files, (st->nr_files + 1) * sizeof(*more));

	if (!more)
		return DS_ERR_NO_MEMORY;
	st->files = more;
	more += st->nr_files;
	more->path = strdup(path);
	/* Decoded strings are never longer than in the text. */
	more->strings = malloc(header_nbytes + 1);
	st->nr_files++;
	return more->path && more->strings ? DS_OK : DS_ERR_NO_MEMORY;
}

static uint64_t read_length(const unsigned char *p)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < PREFIX_NBYTES; i++)
		n |= (uint64_t)p[i] << 8 * i;
	return n;
}

ds_result ds_model_add(struct ds_safetensors *st, const char *path, const void *header,
		       size_t nbytes, uint64_t file_nbytes, const struct ds_why *why)
{
	uint32_t first = st->nr_tensors;
	struct ds_json j;
	uint64_t length;
	ds_result ret;

	if (nbytes < PREFIX_NBYTES || file_nbytes < nbytes) {
		ds_why_set(why, "%s: it is too short for a safetensors file", path);
		return DS_ERR_CORRUPT_DATA;
	}
	length = read_length(header);
	if (length > DS_MODEL_MAX_HEADER || length > nbytes - PREFIX_NBYTES) {
		ds_why_set(why, "%s: a header of %llu bytes is more than there is or may be", path,
			   (unsigned long long)length);
		return DS_ERR_CORRUPT_DATA;
	}
	ret = add_file(st, path, (size_t)length);
	if (ret)
		return ret;
	ds_json_init(&j, (const char *)header + PREFIX_NBYTES, (size_t)length);
	ret = read_tensors(st, &j, st->files[st->nr_files - 1].strings, PREFIX_NBYTES + length,
			   file_nbytes - PREFIX_NBYTES - length);
	if (!ret && j.error) {
		ds_why_set(why, "%s: the header is damaged: %s", path, j.error);
		return DS_ERR_CORRUPT_DATA;
	}
	return ret ? ret : check_overlaps(st, first, path, why);
}

/* -------------------------------------------------------------------- names */

/* qsort_r() is not everywhere the same. */
struct name_index {
	const char *name;
	uint32_t index;
};

static int compare_names(const void *a, const void *b)
{
	const struct name_index *x = a, *y = b;

	return strcmp(x->name, y->name);
}

ds_result ds_model_finish(struct ds_safetensors *st, const struct ds_why *why)
{
	size_t nr = st->nr_tensors;
	struct name_index *names = malloc((nr + 1) * sizeof(*names));
	ds_result ret = DS_OK;

	st->by_name = malloc((nr + 1) * sizeof(*st->by_name));
	if (!names || !st->by_name) {
		free(names);
		return DS_ERR_NO_MEMORY;
	}
	for (uint32_t i = 0; i < nr; i++)
		names[i] = (struct name_index){ st->tensors[i].name, i };
	if (nr)
		qsort(names, nr, sizeof(*names), compare_names);
	for (size_t i = 0; i < nr && !ret; i++) {
		st->by_name[i] = names[i].index;
		if (i && !strcmp(names[i].name, names[i - 1].name)) {
			ds_why_set(why, "the tensor '%.100s' is there twice", names[i].name);
			ret = DS_ERR_CORRUPT_DATA;
		}
	}
	free(names);
	return ret;
}

/* --------------------------------------------------------------- public calls */

void ds_model_ref(struct ds_safetensors *st)
{
	atomic_fetch_add_explicit(&st->refs, 1, memory_order_relaxed);
}

void ds_safetensors_close(struct ds_safetensors *st)
{
	if (!st || atomic_fetch_sub_explicit(&st->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (uint32_t i = 0; i < st->nr_files; i++) {
		free(st->files[i].path);
		free(st->files[i].strings);
	}
	free(st->files);
	free(st->tensors);
	free(st->by_name);
	free(st);
}

ds_result ds_safetensors_parse(const void *header, size_t nbytes, uint64_t file_nbytes, char *why,
			       size_t why_nbytes, struct ds_safetensors **out)
{
	const struct ds_why place = { why, why_nbytes };
	struct ds_safetensors *st;
	ds_result ret;

	if ((!header && nbytes) || !out)
		return DS_ERR_INVALID_ARGUMENT;
	st = calloc(1, sizeof(*st));
	if (!st)
		return DS_ERR_NO_MEMORY;
	atomic_init(&st->refs, 1);
	ret = ds_model_add(st, "header", header, nbytes, file_nbytes, &place);
	if (!ret)
		ret = ds_model_finish(st, &place);
	if (ret)
		ds_safetensors_close(st);
	else
		*out = st;
	return ret;
}

uint32_t ds_safetensors_count(const struct ds_safetensors *st)
{
	return st ? st->nr_tensors : 0;
}

uint32_t ds_safetensors_count_files(const struct ds_safetensors *st)
{
	return st ? st->nr_files : 0;
}

const char *ds_safetensors_file(const struct ds_safetensors *st, uint32_t index)
{
	return st && index < st->nr_files ? st->files[index].path : NULL;
}

ds_result ds_safetensors_find(const struct ds_safetensors *st, const char *name, uint32_t *index)
{
	uint32_t low = 0, high;

	if (!st || !name || !index)
		return DS_ERR_INVALID_ARGUMENT;
	high = st->nr_tensors;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = strcmp(name, st->tensors[st->by_name[middle]].name);

		if (!order) {
			*index = st->by_name[middle];
			return DS_OK;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return DS_ERR_NOT_FOUND;
}
