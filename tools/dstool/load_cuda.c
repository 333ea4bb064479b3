/* SPDX-License-Identifier: MIT */
/* load_cuda.c: see load_cuda.h. */
#include "load_cuda.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ds_runtime_gds.h"
#include "file_io.h"
#include "json.h"
#include "tool.h"

#define POLL_NS	      UINT64_C(50000000)
#define VERIFY_NBYTES ((uint64_t)64 << 20)

/* One operand on its way. */
struct load_cuda {
	const struct load_options *options;
	struct ds_gds *gds;
	const char *path;
	struct ds_safetensors *model; /* NULL: a plain file */
	struct ds_gds_job *job;
	struct ds_gds_report report;
	struct json *json;
	uint64_t nr_verified; /* bytes */
	struct ds_gds_info info;
};

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

static bool is_model(const char *path)
{
	struct stat st;

	return ends_with(path, ".safetensors") || ends_with(path, ".safetensors.index.json") ||
	       (!stat(path, &st) && S_ISDIR(st.st_mode));
}

/* ------------------------------------------------------------------ loading */

static ds_result begin(struct load_cuda *l)
{
	char why[256] = "";
	ds_result ret;

	if (!is_model(l->path)) {
		ret = ds_gds_load_models(l->gds, &l->path, 1, NULL, &l->job);
	} else {
		ret = ds_safetensors_open(l->path, why, sizeof(why), &l->model);
		if (!ret)
			ret = ds_gds_load_tensors(l->gds, l->model, NULL, 0, 0, NULL, &l->job);
	}
	if (ret)
		tool_error("%s: %s", l->path, *why ? why : ds_result_message(ret));
	return ret;
}

static ds_result finish(struct load_cuda *l)
{
	ds_result ret;

	do {
		ret = ds_gds_job_wait(l->job, POLL_NS);
		if (ret == DS_ERR_TIMEOUT && load_is_stopped())
			ds_gds_job_cancel(l->job);
	} while (ret == DS_ERR_TIMEOUT);
	l->report = (struct ds_gds_report)DS_GDS_REPORT_INIT;
	ds_gds_job_get_report(l->job, &l->report);
	if (ret)
		tool_error("%s: %s", l->path,
			   *l->report.error ? l->report.error : ds_result_message(ret));
	return ret;
}

/* ---------------------------------------------------------------- verifying */

/* Device memory against the file, part by part. */
static bool is_same(struct load_cuda *l, int fd, uint64_t offset, uint64_t address, uint64_t nbytes)
{
	uint64_t room = nbytes < VERIFY_NBYTES ? nbytes : VERIFY_NBYTES;
	unsigned char *want = malloc(room + 1), *got = malloc(room + 1);
	bool is_good = want && got;

	for (uint64_t at = 0; is_good && at < nbytes; at += room) {
		uint64_t n = nbytes - at < room ? nbytes - at : room;

		is_good = pread_full(fd, want, n, offset + at) == (ssize_t)n &&
			  !ds_gds_memory_read(ds_gds_backend(l->gds), got, address + at, n) &&
			  !memcmp(want, got, n);
	}
	free(want);
	free(got);
	l->nr_verified += is_good ? nbytes : 0;
	return is_good;
}

static bool verify_item(struct load_cuda *l, const struct ds_gds_item *item)
{
	struct ds_safetensors_tensor t = DS_SAFETENSORS_TENSOR_INIT;
	const char *path = l->path, *name = l->path;
	bool is_good;
	int fd;

	if (l->model) {
		ds_safetensors_get(l->model, item->tensor, &t);
		path = ds_safetensors_file(l->model, t.file);
		name = t.name;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	is_good = fd >= 0 && is_same(l, fd, t.offset, item->address, item->nbytes);
	if (fd >= 0)
		close(fd);
	if (!is_good)
		tool_error("%s: other bytes on the device than in the file", name);
	return is_good;
}

static ds_result verify(struct load_cuda *l)
{
	for (uint32_t i = 0; i < ds_gds_job_count(l->job); i++) {
		struct ds_gds_item item = DS_GDS_ITEM_INIT;

		if (ds_gds_job_get_item(l->job, i, &item) || !verify_item(l, &item))
			return DS_ERR_IO;
	}
	return DS_OK;
}

/* ---------------------------------------------------------------- reporting */

static const char *const path_names[DS_GDS_PATH_COUNT] = {
	[DS_GDS_PATH_GDS] = "gds",
	[DS_GDS_PATH_DIRECT] = "direct",
	[DS_GDS_PATH_BUFFERED] = "page_cache",
	[DS_GDS_PATH_GATHERED] = "gathered",
	[DS_GDS_PATH_HOST] = "host",
};

static void print_text(const struct load_cuda *l)
{
	const struct ds_gds_report *r = &l->report;
	char bytes[TOOL_BYTES_ROOM];

	printf("%s: %s in %.3f s, %.2f of %.1f GB/s\n", l->path,
	       tool_format_bytes(r->done_nbytes, bytes, sizeof(bytes)),
	       (double)r->elapsed_ns * 1e-9, (double)r->bytes_per_second * 1e-9,
	       (double)r->ceiling_bytes_per_second * 1e-9);
	if (l->model)
		printf("  tensors          %" PRIu32 " in %" PRIu32 " files\n",
		       ds_gds_job_count(l->job), ds_safetensors_count_files(l->model));
	for (unsigned p = 0; p < DS_GDS_PATH_COUNT; p++) {
		if (r->path_nbytes[p] && path_names[p])
			printf("  by %-13s %s\n", path_names[p],
			       tool_format_bytes(r->path_nbytes[p], bytes, sizeof(bytes)));
	}
	if (*r->why)
		printf("  why not faster   %s\n", r->why);
	printf("  chunk            %.3g MiB (%s)\n", (double)l->info.chunk_nbytes / (1 << 20),
	       l->info.why_chunk);
	printf("  CPU              %.3f s\n", (double)r->cpu_ns * 1e-9);
	if (l->options->verify)
		printf("  verified         %s\n",
		       tool_format_bytes(l->nr_verified, bytes, sizeof(bytes)));
}

static void print_json(const struct load_cuda *l)
{
	const struct ds_gds_report *r = &l->report;
	struct json *j = l->json;

	json_begin_object(j, NULL);
	json_string(j, "path", l->path);
	json_string(j, "result", ds_result_name(r->result));
	json_string(j, "error", *r->error ? r->error : NULL);
	json_number(j, "bytes", r->done_nbytes);
	json_number(j, "tensors", l->model ? ds_gds_job_count(l->job) : 0);
	json_real(j, "seconds", (double)r->elapsed_ns * 1e-9);
	json_real(j, "gb_per_s", (double)r->bytes_per_second * 1e-9);
	json_real(j, "ceiling_gb_per_s", (double)r->ceiling_bytes_per_second * 1e-9);
	json_real(j, "cpu_seconds", (double)r->cpu_ns * 1e-9);
	json_begin_object(j, "bytes_by_path");
	for (unsigned p = 0; p < DS_GDS_PATH_COUNT; p++) {
		if (path_names[p])
			json_number(j, path_names[p], r->path_nbytes[p]);
	}
	json_end_object(j);
	json_string(j, "why_not_faster", *r->why ? r->why : NULL);
	json_number(j, "chunk_bytes", l->info.chunk_nbytes);
	json_string(j, "why_chunk", l->info.why_chunk);
	json_number(j, "verified_bytes", l->nr_verified);
	json_end_object(j);
}

static void free_items(struct load_cuda *l)
{
	struct ds_gds_item item = DS_GDS_ITEM_INIT;

	/* A model's arena begins where its first tensor does. */
	if (!l->report.result && !ds_gds_job_get_item(l->job, 0, &item))
		ds_gds_free(l->gds, item.address);
}

static bool load_one(struct load_cuda *l)
{
	ds_result ret = begin(l);

	if (!ret)
		ret = finish(l);
	if (!ret && l->options->verify)
		ret = verify(l);
	if (l->job) {
		if (l->json)
			print_json(l);
		else if (!ret)
			print_text(l);
		free_items(l);
	}
	ds_gds_job_destroy(l->job);
	ds_safetensors_close(l->model);
	return !ret;
}

/* ------------------------------------------------------------------- set-up */

static int32_t direct_mode(const char *name)
{
	if (strcmp(name, "on") == 0)
		return DS_DIRECT_ON;
	return strcmp(name, "off") == 0 ? DS_DIRECT_OFF : DS_DIRECT_AUTO;
}

static struct ds_gds *make_manager(const struct load_options *o)
{
	struct ds_gds_manager_config cfg = DS_GDS_MANAGER_CONFIG_INIT;
	struct ds_gds_config gds = DS_GDS_CONFIG_INIT;
	struct ds_gds *g = NULL;
	char why[256] = "";
	ds_result ret;

	gds.device = (int32_t)o->device;
	gds.cuda_library = getenv("DSTOOL_LIBCUDA");
	gds.cufile_library = getenv("DSTOOL_LIBCUFILE");
	cfg.enabled = DS_GDS_REQUIRED;
	cfg.gds = &gds;
	cfg.threads = (uint32_t)o->nr_io_workers;
	cfg.direct = direct_mode(o->direct);
	ret = ds_gds_create(&cfg, &g);
	if (ret == DS_OK)
		return g;
	ds_gds_available(&gds, why, sizeof(why));
	tool_error("%s", *why ? why : ds_result_message(ret));
	return NULL;
}

int load_cuda(const struct load_options *options, int nr_paths, char **paths)
{
	struct json json = { .to = stdout };
	struct ds_gds *g = make_manager(options);
	bool is_good = true;

	if (!g)
		return TOOL_FAILED;
	ds_gds_calibrate(g, NULL);
	if (options->json)
		json_begin_array(&json, NULL);
	for (int i = 0; i < nr_paths && !load_is_stopped(); i++) {
		struct load_cuda l = {
			.options = options,
			.gds = g,
			.path = paths[i],
			.json = options->json ? &json : NULL,
			.info = DS_GDS_INFO_INIT,
		};

		ds_gds_backend_info(ds_gds_backend(g), &l.info);
		is_good = load_one(&l) && is_good;
	}
	if (options->json)
		json_end_array(&json);
	ds_gds_destroy(g);
	return is_good && !load_is_stopped() ? TOOL_OK : TOOL_FAILED;
}
