/* SPDX-License-Identifier: MIT */
/* rig.c: see rig.h. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define SKIPPED 77

static void on_log(void *user, const struct ds_log_record *record)
{
	struct rig *g = user;

	if (atomic_load(&g->has_log))
		return;
	snprintf(g->log, sizeof(g->log), "%s", record->message);
	atomic_store(&g->has_log, true);
}

const char *rig_log(struct rig *g)
{
	uint64_t deadline = ds_now_ns() + PATIENCE;

	while (!atomic_load(&g->has_log))
		REQUIRE_CMP(ds_now_ns(), <, deadline);
	return g->log;
}

void rig_open(struct rig *g, const struct ds_vulkan_config *vulkan,
	      const struct ds_backend_config *cfg)
{
	struct ds_vulkan_config v = DS_VULKAN_CONFIG_INIT;
	struct ds_backend_config c = DS_BACKEND_CONFIG_INIT;
	char why[256] = "";
	ds_result ret;

	memset(g, 0, sizeof(*g));
	g->threads_before = count_threads();
	g->fds_before = count_fds();
	tempdir_create(&g->dir);
	if (vulkan)
		v = *vulkan;
	g->is_shared = v.device;
	if (cfg)
		c = *cfg;
	if (!c.staging_nbytes)
		c.staging_nbytes = 32 * MIB;
	if (!c.log_callback) {
		c.log_callback = on_log;
		c.log_user_data = g;
	}
	v.get_instance_proc_addr = watch_get_instance_proc_addr;
	v.why = why;
	v.why_nbytes = sizeof(why);
	ret = ds_make_vulkan_backend(&c, &v, &g->be);
	if (ret)
		fprintf(stderr, "%s\n", why);
	REQUIRE_OK(ret);
	REQUIRE_OK(ds_queue_create(g->be, NULL, &g->q));
}

void rig_close(struct rig *g)
{
	REQUIRE_OK(ds_queue_destroy(g->q));
	ds_backend_destroy(g->be);
	tempdir_remove(&g->dir);
	/* A device that goes on has threads and descriptors of its own. */
	if (!g->is_shared) {
		require_no_more_threads(g->threads_before);
		REQUIRE_CMP(count_fds(), ==, g->fds_before);
	}
	REQUIRE_CMP(atomic_load(&watch.messages), ==, 0);
}

static const char *path_of(struct rig *g, const char *name)
{
	static char path[256];

	return tempdir_path(&g->dir, name, path, sizeof(path));
}

struct ds_file *rig_file(struct rig *g, const char *name, const void *bytes, uint64_t nbytes,
			 uint32_t flags)
{
	struct ds_file *file;

	file_write_bytes(path_of(g, name), bytes, nbytes);
	REQUIRE_OK(ds_file_open(g->be, path_of(g, name), flags, &file));
	return file;
}

struct ds_file *rig_pattern_file(struct rig *g, const char *name, uint64_t nbytes, uint64_t seed,
				 uint32_t flags)
{
	struct ds_file *file;

	file_write_pattern(path_of(g, name), nbytes, seed);
	REQUIRE_OK(ds_file_open(g->be, path_of(g, name), flags, &file));
	return file;
}

struct ds_vulkan_buffer rig_buffer(struct rig *g, uint64_t nbytes)
{
	struct ds_vulkan_buffer buf = DS_VULKAN_BUFFER_INIT;

	REQUIRE_OK(ds_vulkan_buffer_create(g->be, nbytes, 0, DS_VULKAN_MEMORY_DEVICE, &buf));
	REQUIRE_CMP(buf.nbytes, ==, nbytes);
	return buf;
}

static struct ds_location in_buffer(const struct ds_vulkan_buffer *buf, uint64_t offset,
				    uint64_t nbytes)
{
	return (struct ds_location){
		.kind = DS_LOCATION_VULKAN_BUFFER,
		.object = ds_vulkan_object(buf->buffer),
		.offset = offset,
		.nbytes = nbytes,
	};
}

struct ds_request to_buffer(struct ds_file *file, uint64_t file_offset, uint64_t nbytes,
			    const struct ds_vulkan_buffer *buf, uint64_t offset)
{
	struct ds_request r = req_read(file, file_offset, nbytes, NULL);

	r.destination = in_buffer(buf, offset, nbytes);
	return r;
}

uint8_t *rig_read_back(struct rig *g, const struct ds_vulkan_buffer *buf, uint64_t offset,
		       uint64_t nbytes)
{
	struct ds_request r = DS_REQUEST_INIT;
	struct ds_file *file;
	uint8_t *bytes;
	uint64_t got;

	REQUIRE_OK(ds_file_open(g->be, path_of(g, "read_back"),
				DS_FILE_WRITE | DS_FILE_CREATE | DS_FILE_TRUNCATE, &file));
	r.source = in_buffer(buf, offset, nbytes);
	r.destination.kind = DS_LOCATION_FILE;
	r.destination.file = file;
	run_ok(g->q, &r);
	ds_file_close(file);
	bytes = file_read_all(path_of(g, "read_back"), &got);
	REQUIRE_CMP(got, ==, nbytes);
	return bytes;
}

void rig_require_pattern(struct rig *g, const struct ds_vulkan_buffer *buf, uint64_t offset,
			 uint64_t nbytes, uint64_t seed, uint64_t pattern_offset)
{
	uint8_t *bytes = rig_read_back(g, buf, offset, nbytes);

	pattern_require(bytes, nbytes, seed, pattern_offset);
	free(bytes);
}

void rig_fill(struct rig *g, const struct ds_vulkan_buffer *buf, uint8_t value)
{
	struct ds_request r = DS_REQUEST_INIT;
	void *bytes = malloc(buf->nbytes);

	REQUIRE(bytes);
	memset(bytes, value, buf->nbytes);
	r.source.kind = DS_LOCATION_MEMORY;
	r.source.data = bytes;
	r.source.nbytes = buf->nbytes;
	r.destination = in_buffer(buf, 0, buf->nbytes);
	run_ok(g->q, &r);
	free(bytes);
}

struct ds_vulkan_stats rig_stats(struct rig *g)
{
	struct ds_vulkan_stats stats = DS_VULKAN_STATS_INIT;

	REQUIRE_OK(ds_vulkan_get_stats(g->be, &stats));
	return stats;
}

static bool has_device(void)
{
	struct ds_vulkan_config v = DS_VULKAN_CONFIG_INIT;
	struct ds_backend *be;
	char why[256] = "";
	ds_result ret;

	v.get_instance_proc_addr = watch_get_instance_proc_addr;
	v.why = why;
	v.why_nbytes = sizeof(why);
	ret = ds_make_vulkan_backend(NULL, &v, &be);
	if (ret) {
		fprintf(stderr, "%s\n", why);
		REQUIRE_RESULT(ret, DS_ERR_UNAVAILABLE);
		return false;
	}
	ds_backend_destroy(be);
	if (!atomic_load(&watch.has_layers))
		fprintf(stderr, "without validation layers\n");
	return true;
}

/* argv[1] and on name what is to run; nobody: all. */
static bool is_wanted(int argc, char **argv, const char *name)
{
	bool found = argc < 2;

	for (int i = 1; i < argc; i++)
		found = found || !strcmp(argv[i], name);
	return found;
}

int rig_main(int argc, char **argv, const struct rig_entry *tests, size_t nr)
{
	if (!watch_open() || !has_device())
		return SKIPPED;
	for (size_t i = 0; i < nr; i++) {
		if (!is_wanted(argc, argv, tests[i].name))
			continue;
		printf("%s\n", tests[i].name);
		fflush(stdout);
		tests[i].run();
		REQUIRE_CMP(atomic_load(&watch.messages), ==, 0);
		REQUIRE_CMP(atomic_load(&watch.allocations), ==, 0);
		REQUIRE_CMP(atomic_load(&watch.devices), ==, 0);
		REQUIRE_CMP(atomic_load(&watch.instances), ==, 0);
	}
	return 0;
}
