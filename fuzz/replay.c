/* SPDX-License-Identifier: MIT */
/*
 * replay.c: a main() for fuzz targets that are built without libFuzzer.
 *
 * Feeds every file that it is given, and every file in the folders that it is
 * given, to the target once. Finds nothing new; shows that what is known still
 * holds. Fails when there is nothing to feed.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);

static unsigned long nr_inputs;

/* The bytes get a block of exactly their size: a sanitizer then sees reads past the end. */
static int replay_file(const char *path, size_t nbytes)
{
	uint8_t *data = malloc(nbytes ? nbytes : 1);
	FILE *f = fopen(path, "rb");
	int ret = -1;

	if (!f || !data) {
		perror(path);
		goto out;
	}
	if (fread(data, 1, nbytes, f) != nbytes) {
		fprintf(stderr, "%s: cannot read all of it\n", path);
		goto out;
	}
	LLVMFuzzerTestOneInput(data, nbytes);
	nr_inputs++;
	ret = 0;
out:
	if (f)
		fclose(f);
	free(data);
	return ret;
}

static int replay_path(const char *path);

static int replay_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char child[4096];
	int ret = 0;

	if (!dir) {
		perror(path);
		return -1;
	}
	while (!ret && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(child, sizeof(child), "%s/%s", path, entry->d_name) >=
		    (int)sizeof(child)) {
			fprintf(stderr, "%s: name too long\n", path);
			ret = -1;
		} else {
			ret = replay_path(child);
		}
	}
	closedir(dir);
	return ret;
}

static int replay_path(const char *path)
{
	struct stat st;

	if (stat(path, &st)) {
		perror(path);
		return -1;
	}
	return S_ISDIR(st.st_mode) ? replay_folder(path) : replay_file(path, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (replay_path(argv[i]))
			return 1;
	}
	if (!nr_inputs) {
		fprintf(stderr, "usage: %s FILE-OR-FOLDER...\n", argv[0]);
		return 2;
	}
	printf("%lu inputs replayed\n", nr_inputs);
	return 0;
}
