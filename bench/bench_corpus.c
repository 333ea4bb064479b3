/* SPDX-License-Identifier: MIT */
/*
 * bench_corpus.c: see bench_corpus.h.
 */
#include "bench_corpus.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "ds_gdeflate.h"

/* Files below this are headers and links rather than data. */
#define MIN_FILE_NBYTES 4096
#define MAX_FILES	4096u

static void *must_alloc(size_t nbytes)
{
	void *p = calloc(1, nbytes ? nbytes : 1);

	if (!p)
		bench_die("corpus", "no memory");
	return p;
}

/* ---------------------------------------------------------------- reading */

/* Where raw bytes came from; becomes the "files" set. */
struct collector {
	struct corpus *corpus;
	uint64_t max_nbytes;
};

static bool read_file(const char *path, uint8_t *into, uint64_t nbytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t done = 0;
	ssize_t n = 1;

	if (fd < 0)
		return false;
	while (done < nbytes && n > 0) {
		n = pread(fd, into + done, nbytes - done, (off_t)done);
		if (n > 0)
			done += (uint64_t)n;
	}
	close(fd);
	return done == nbytes;
}

static void take_file(struct collector *col, const char *path, uint64_t nbytes)
{
	struct corpus *c = col->corpus;
	struct corpus_set *set = &c->files;
	struct corpus_item *item = &set->items[set->nr_items];

	if (nbytes < MIN_FILE_NBYTES || nbytes > col->max_nbytes - c->nbytes)
		return;
	if (set->nr_items == MAX_FILES || !read_file(path, c->bytes + c->nbytes, nbytes))
		return;
	item->raw_path = set->nr_paths;
	item->nbytes = nbytes;
	item->out_offset = c->nbytes;
	set->paths[set->nr_paths++] = strdup(path);
	set->nr_items++;
	c->nbytes += nbytes;
}

static void take_folder(struct collector *col, const char *path);

static void take_path(struct collector *col, const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		return;
	if (S_ISREG(st.st_mode))
		take_file(col, path, (uint64_t)st.st_size);
	else if (S_ISDIR(st.st_mode))
		take_folder(col, path);
}

static int is_visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void take_folder(struct collector *col, const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, is_visible, alphasort);

	for (int i = 0; i < n; i++) {
		char *child = must_alloc(strlen(path) + strlen(names[i]->d_name) + 2);

		sprintf(child, "%s/%s", path, names[i]->d_name);
		take_path(col, child);
		free(child);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

/* ------------------------------------------------------------ compressing */

struct encode_job {
	const struct corpus *corpus;
	struct corpus_set *set;
	int level;
	_Atomic unsigned next;
};

static void encode_item(const struct encode_job *job, struct corpus_item *item)
{
	size_t room = (size_t)ds_gdeflate_bound(item->nbytes);
	size_t nbytes = 0;
	ds_result ret;

	if (!room)
		bench_die("corpus", "a file exceeds what one stream can hold");
	item->stream = must_alloc(room);
	ret = ds_gdeflate_compress(job->level, job->corpus->bytes + item->out_offset,
				   (size_t)item->nbytes, item->stream, room, &nbytes);
	if (ret)
		bench_die("compress", ds_result_message(ret));
	item->stream_nbytes = nbytes;
}

static void *encode_main(void *arg)
{
	struct encode_job *job = arg;
	unsigned i;

	while ((i = atomic_fetch_add(&job->next, 1)) < job->set->nr_items)
		encode_item(job, &job->set->items[i]);
	return NULL;
}

static void encode_set(struct corpus *c, struct corpus_set *set, int level)
{
	struct encode_job job = { .corpus = c, .set = set, .level = level };
	pthread_t threads[BENCH_MAX_THREADS];
	unsigned n = bench_cpu_count();

	if (n > BENCH_MAX_THREADS)
		n = BENCH_MAX_THREADS;
	for (unsigned i = 0; i < n; i++) {
		if (pthread_create(&threads[i], NULL, encode_main, &job))
			bench_die("corpus", "cannot start a thread");
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < set->nr_items; i++)
		set->stream_nbytes += set->items[i].stream_nbytes;
}

/* ---------------------------------------------------------------- writing */

static void write_whole(int fd, const uint8_t *p, uint64_t nbytes, const char *path)
{
	while (nbytes) {
		ssize_t n = write(fd, p, nbytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			bench_die(path, strerror(errno));
		p += n;
		nbytes -= (uint64_t)n;
	}
}

static int open_output(struct corpus_set *set, const char *name)
{
	char path[4096];
	int fd;

	bench_cache_dir(path, sizeof(path) - 64);
	snprintf(path + strlen(path), 64, "/%s", name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		bench_die(path, strerror(errno));
	set->paths[set->nr_paths++] = strdup(path);
	return fd;
}

static void close_output(int fd, const char *path)
{
	if (fsync(fd) || close(fd))
		bench_die(path, strerror(errno));
}

static void write_files(struct corpus_set *set)
{
	for (unsigned i = 0; i < set->nr_items; i++) {
		struct corpus_item *item = &set->items[i];
		char name[64];
		int fd;

		snprintf(name, sizeof(name), "load-%04u.gdeflate", i);
		item->stream_path = set->nr_paths;
		fd = open_output(set, name);
		write_whole(fd, item->stream, item->stream_nbytes, name);
		close_output(fd, name);
	}
}

/* The pieces begin where the one before ends, aligned to 4 bytes as all streams are. */
static void write_pack(struct corpus_set *set)
{
	unsigned index = set->nr_paths;
	int fd = open_output(set, "load-assets.pak");
	uint64_t at = 0;

	for (unsigned i = 0; i < set->nr_items; i++) {
		struct corpus_item *item = &set->items[i];

		item->stream_path = index;
		item->stream_offset = at;
		write_whole(fd, item->stream, item->stream_nbytes, set->paths[index]);
		at += item->stream_nbytes;
	}
	close_output(fd, set->paths[index]);
}

/* --------------------------------------------------------------- the sets */

static void cut_into_assets(struct corpus *c)
{
	struct corpus_set *files = &c->files, *set = &c->assets;
	uint64_t most = c->nbytes / CORPUS_ASSET_NBYTES + files->nr_items;

	set->items = must_alloc(most * sizeof(*set->items));
	set->paths = must_alloc((files->nr_items + 1) * sizeof(*set->paths));
	for (unsigned f = 0; f < files->nr_items; f++) {
		const struct corpus_item *file = &files->items[f];

		set->paths[set->nr_paths++] = strdup(files->paths[file->raw_path]);
		for (uint64_t at = 0; at < file->nbytes; at += CORPUS_ASSET_NBYTES) {
			struct corpus_item *item = &set->items[set->nr_items++];
			uint64_t left = file->nbytes - at;

			item->raw_path = f;
			item->raw_offset = at;
			item->nbytes = left < CORPUS_ASSET_NBYTES ? left : CORPUS_ASSET_NBYTES;
			item->out_offset = file->out_offset + at;
		}
	}
}

void corpus_create(struct corpus *c, char **paths, unsigned nr_paths, uint64_t max_nbytes,
		   int level)
{
	struct collector col = { .corpus = c, .max_nbytes = max_nbytes };

	memset(c, 0, sizeof(*c));
	c->files.name = "files";
	c->assets.name = "assets";
	c->bytes = must_alloc(max_nbytes);
	c->files.items = must_alloc(MAX_FILES * sizeof(*c->files.items));
	c->files.paths = must_alloc(2 * MAX_FILES * sizeof(*c->files.paths));
	for (unsigned i = 0; i < nr_paths; i++)
		take_path(&col, paths[i]);
	if (!c->files.nr_items)
		bench_die("corpus", "no file of at least 4 KiB that fits the limit");
	cut_into_assets(c);
	encode_set(c, &c->files, level);
	encode_set(c, &c->assets, level);
	write_files(&c->files);
	write_pack(&c->assets);
}

static void set_destroy(struct corpus_set *set)
{
	for (unsigned i = 0; i < set->nr_items; i++)
		free(set->items[i].stream);
	for (unsigned i = 0; i < set->nr_paths; i++)
		free(set->paths[i]);
	free(set->items);
	free(set->paths);
}

void corpus_destroy(struct corpus *c)
{
	set_destroy(&c->files);
	set_destroy(&c->assets);
	free(c->bytes);
}

void corpus_prepare(const struct corpus_set *set, bool is_cached)
{
	for (unsigned i = 0; i < set->nr_paths; i++) {
		struct bench_file f = { .direct_fd = -1 };

		f.fd = open(set->paths[i], O_RDONLY | O_CLOEXEC);
		if (f.fd < 0)
			bench_die(set->paths[i], strerror(errno));
		if (is_cached)
			bench_file_warm(&f);
		else
			bench_file_drop(&f);
		bench_file_close(&f);
	}
}
