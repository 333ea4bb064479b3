/* SPDX-License-Identifier: MIT */
/* frame.c: see frame.h. */
#include "gds/frame.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_SKIPPED 77

const char *frame_path(struct frame *f, const char *name)
{
	return tempdir_path(&f->dir, name, f->path, sizeof(f->path));
}

const char *frame_pattern_file(struct frame *f, const char *name, uint64_t nbytes, uint64_t seed)
{
	const char *path = frame_path(f, name);

	file_write_pattern(path, nbytes, seed);
	return path;
}

void frame_require_pattern(struct ds_backend *be, uint64_t address, uint64_t nbytes, uint64_t seed,
			   uint64_t offset)
{
	unsigned char *bytes = malloc(nbytes);

	REQUIRE(bytes);
	REQUIRE_OK(ds_gds_memory_read(be, bytes, address, nbytes));
	pattern_require(bytes, nbytes, seed, offset);
	free(bytes);
}

static void run_entry(const struct frame_entry *entry, bool is_real)
{
	struct frame f = { .gds = DS_GDS_CONFIG_INIT };
	unsigned threads = count_threads(), fds;

	if (!is_real) {
		f.fake = fake_cuda_open(DS_FAKE_CUDA);
		f.gds.cuda_library = DS_FAKE_CUDA;
		atomic_store(&f.fake->delay_us, 50);
	}
	fds = count_fds();
	printf("%s\n", entry->name);
	fflush(stdout);
	tempdir_create(&f.dir);
	entry->run(&f);
	tempdir_remove(&f.dir);
	/* A real driver keeps threads and descriptors of its own. */
	if (is_real)
		return;
	require_no_more_threads(threads);
	REQUIRE_CMP(count_fds(), ==, fds);
	fake_cuda_require_clean(f.fake);
}

static void *nothing(void *arg)
{
	return arg;
}

/* A sanitizer makes a thread of its own when there is a first one. */
static void have_had_a_thread(void)
{
	pthread_t t;

	REQUIRE_CMP(pthread_create(&t, NULL, nothing, NULL), ==, 0);
	pthread_join(t, NULL);
}

int frame_main(int argc, char **argv, const struct frame_entry *entries, size_t nr)
{
	bool is_real = getenv("CHECK_REAL_CUDA");
	char why[256] = "";

	if (is_real && ds_gds_available(NULL, why, sizeof(why))) {
		printf("skipped: %s\n", why);
		return EXIT_SKIPPED;
	}
	have_had_a_thread();
	for (size_t i = 0; i < nr; i++) {
		if (argc > 1 && strcmp(argv[1], entries[i].name) != 0)
			continue;
		if (!is_real || !entries[i].needs_fake)
			run_entry(&entries[i], is_real);
	}
	return 0;
}
