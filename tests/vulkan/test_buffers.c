/* SPDX-License-Identifier: MIT */
/* test_buffers.c: bytes into buffers and out of them, on every path. */
#include <stdlib.h>
#include <string.h>

#include "rig.h"

static const struct ds_vulkan_config ways[] = {
	{ .size = sizeof(ways[0]) },
	{ .size = sizeof(ways[0]), .path = DS_VULKAN_PATH_MAPPED },
	{ .size = sizeof(ways[0]), .path = DS_VULKAN_PATH_STAGED },
	{ .size = sizeof(ways[0]),
	  .path = DS_VULKAN_PATH_STAGED,
	  .staging = DS_VULKAN_STAGING_MAPPED },
};
#define NR_WAYS (sizeof(ways) / sizeof(ways[0]))

/* Sizes and offsets of all kinds; nothing beside the range changes. */
static void read_one_way(const struct ds_vulkan_config *way, uint32_t flags)
{
	static const uint64_t sizes[] = { 1, 511, 4096, 65537, MIB, 5 * MIB + 3 };
	const uint64_t room = 5 * MIB + 8192;
	struct rig g;
	struct ds_vulkan_buffer buf;
	struct ds_file *file;

	rig_open(&g, way, NULL);
	file = rig_pattern_file(&g, "data", 6 * MIB, 2, flags);
	buf = rig_buffer(&g, room);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t offset = i % 2 ? 4096 : 37;
		struct ds_request r = to_buffer(file, 100 * i, sizes[i], &buf, offset);
		uint8_t *all;

		rig_fill(&g, &buf, 0xcd);
		run_ok(g.q, &r);
		all = rig_read_back(&g, &buf, 0, room);
		pattern_require(all + offset, sizes[i], 2, 100 * i);
		REQUIRE(bytes_are(all, offset, 0xcd));
		REQUIRE(bytes_are(all + offset + sizes[i], room - offset - sizes[i], 0xcd));
		free(all);
	}
	ds_vulkan_buffer_destroy(g.be, &buf);
	ds_file_close(file);
	rig_close(&g);
}

static void read_all_ways(void)
{
	for (size_t i = 0; i < NR_WAYS; i++) {
		read_one_way(&ways[i], DS_FILE_BUFFERED);
		read_one_way(&ways[i], DS_FILE_DIRECT);
	}
}

/* What was chosen is told, and was done. */
static void tells_the_path(void)
{
	struct rig g;

	for (size_t i = 0; i < NR_WAYS; i++) {
		struct ds_vulkan_device_info info = DS_VULKAN_DEVICE_INFO_INIT;
		struct ds_vulkan_buffer buf;
		struct ds_request r;
		struct ds_file *file;
		struct ds_completion c;
		bool is_mapped;

		rig_open(&g, &ways[i], NULL);
		REQUIRE_OK(ds_vulkan_get_device_info(g.be, &info));
		REQUIRE_CMP(info.path, ==, ways[i].path);
		REQUIRE(info.is_usable && info.name[0] && info.nr_heaps);
		if (ways[i].staging)
			REQUIRE_CMP(info.staging, ==, ways[i].staging);
		buf = rig_buffer(&g, MIB);
		file = rig_pattern_file(&g, "data", MIB, 2, DS_FILE_BUFFERED);
		r = to_buffer(file, 0, MIB, &buf, 0);
		c = run_ok(g.q, &r);
		is_mapped = ways[i].path != DS_VULKAN_PATH_STAGED && buf.mapped &&
			    info.mapped_max_nbytes >= MIB;
		REQUIRE_CMP(c.path, ==, is_mapped ? DS_PATH_BUFFERED : DS_PATH_BUFFERED_STAGED);
		REQUIRE_CMP(rig_stats(&g).mapped_targets, ==, is_mapped);
		REQUIRE_CMP(rig_stats(&g).staged_targets, ==, !is_mapped);
		REQUIRE_CMP(rig_stats(&g).copied_nbytes, ==, is_mapped ? 0 : MIB);
		ds_file_close(file);
		ds_vulkan_buffer_destroy(g.be, &buf);
		rig_close(&g);
	}
}

int main(int argc, char **argv)
{
	static const struct rig_entry tests[] = {
		RIG_TEST(read_all_ways),
		RIG_TEST(tells_the_path),
	};

	return rig_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
