/* SPDX-License-Identifier: MIT */
/*
 * rig.h: what the tests of the Vulkan backend share: a backend on a watched device, a queue, a
 * folder, and bytes to and from buffers.
 */
#ifndef TESTS_VULKAN_RIG_H
#define TESTS_VULKAN_RIG_H

#include "conformance/suite.h"
#include "ds_runtime_vulkan.h"
#include "watch.h"

struct rig {
	struct ds_backend *be;
	struct ds_queue *q;
	struct tempdir dir;
	unsigned threads_before;
	unsigned fds_before;
	bool is_shared; /* the device */
	atomic_bool has_log;
	char log[512]; /* the first record, from then on */
};

typedef void (*rig_test)(void);
struct rig_entry {
	const char *name;
	rig_test run;
};
#define RIG_TEST(f)   \
	{             \
#f, f \
	}

/* main() of each program. Exit code 77: no device. argv[1] and on: only these tests. */
int rig_main(int argc, char **argv, const struct rig_entry *tests, size_t nr);

/* Either may be NULL. The watch is put into the configuration. */
void rig_open(struct rig *g, const struct ds_vulkan_config *vulkan,
	      const struct ds_backend_config *cfg);
/* Also checks that nothing is left, and that the layers were content. */
void rig_close(struct rig *g);

struct ds_file *rig_file(struct rig *g, const char *name, const void *bytes, uint64_t nbytes,
			 uint32_t flags);
struct ds_file *rig_pattern_file(struct rig *g, const char *name, uint64_t nbytes, uint64_t seed,
				 uint32_t flags);
struct ds_vulkan_buffer rig_buffer(struct rig *g, uint64_t nbytes);

/* A read into a buffer. */
struct ds_request to_buffer(struct ds_file *file, uint64_t file_offset, uint64_t nbytes,
			    const struct ds_vulkan_buffer *buf, uint64_t offset);
/* Writes the buffer's bytes to a file, and reads that. The caller frees them. */
uint8_t *rig_read_back(struct rig *g, const struct ds_vulkan_buffer *buf, uint64_t offset,
		       uint64_t nbytes);
void rig_require_pattern(struct rig *g, const struct ds_vulkan_buffer *buf, uint64_t offset,
			 uint64_t nbytes, uint64_t seed, uint64_t pattern_offset);
/* Fills the whole buffer with one value, through the runtime. */
void rig_fill(struct rig *g, const struct ds_vulkan_buffer *buf, uint8_t value);
struct ds_vulkan_stats rig_stats(struct rig *g);
/* Waits for the first record of the log. */
const char *rig_log(struct rig *g);

#endif /* TESTS_VULKAN_RIG_H */
