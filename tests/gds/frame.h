/* SPDX-License-Identifier: MIT */
/*
 * frame.h: what the tests of GDS share: a simulated CUDA driver, a folder, and that nothing is left
 * over at the end.
 *
 * With CHECK_REAL_CUDA in the environment the same tests run on the machine's own driver, as
 * far as they do not need a simulated one.
 */
#ifndef TESTS_GDS_FRAME_H
#define TESTS_GDS_FRAME_H

#include "ds_runtime_gds.h"
#include "fake/fake_cuda.h"
#include "support/require.h"
#include "support/testdata.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)

struct frame {
	struct fake_cuda *fake; /* NULL: the real one */
	struct ds_gds_config gds;
	struct tempdir dir;
	char path[128]; /* of the last frame_path() */
};

typedef void (*frame_test)(struct frame *f);

struct frame_entry {
	const char *name;
	frame_test run;
	bool needs_fake;
};
#define TEST(f)              \
	{                    \
#f, f, false \
	}
#define FAKE_TEST(f)        \
	{                   \
#f, f, true \
	}

int frame_main(int argc, char **argv, const struct frame_entry *entries, size_t nr);

/* A path in the test's folder, valid until the next call. */
const char *frame_path(struct frame *f, const char *name);
/* The same, of a file of pattern bytes. */
const char *frame_pattern_file(struct frame *f, const char *name, uint64_t nbytes, uint64_t seed);

/* Device memory must hold a pattern. */
void frame_require_pattern(struct ds_backend *be, uint64_t address, uint64_t nbytes, uint64_t seed,
			   uint64_t offset);

#endif /* TESTS_GDS_FRAME_H */
