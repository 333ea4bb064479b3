/* SPDX-License-Identifier: MIT */
/*
 * cmd_bench_gds.c: "dstool bench gds": options, the file, and the order of things.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench_gds.h"
#include "file_io.h"
#include "options.h"
#include "tool.h"

#define MIB	    ((uint64_t)1 << 20)
#define NR_TENSORS  64u
#define PART_NBYTES (4u << 20)

static bool parse(int argc, char **argv, struct bench_gds_options *o, int *exit_code)
{
	const struct option_spec options[] = {
		{ .name = "file",
		  .kind = OPTION_TEXT,
		  .argument = "FILE",
		  .help = "load this file; without it one of 64 tensors is made, which is gone at\n"
			  "the end",
		  .value = &o->path },
		{ .name = "dir",
		  .kind = OPTION_TEXT,
		  .argument = "DIR",
		  .help = "where to make it; $TMPDIR or /var/tmp",
		  .value = &o->dir },
		{ .name = "size-mib",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "its size in MiB; 1024",
		  .value = &o->size_mib,
		  .min = 64,
		  .max = 1 << 20 },
		{ .name = "rounds",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "loads in each way; 3",
		  .value = &o->nr_rounds,
		  .min = 1,
		  .max = BENCH_GDS_MAX_ROUNDS },
		{ .name = "device",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "the CUDA device; 0",
		  .value = &o->device,
		  .max = 255 },
		{ .name = "quick",
		  .kind = OPTION_FLAG,
		  .help = "only with what is chosen by itself, instead of a sweep",
		  .value = &o->is_quick },
		{ .name = "no-cold",
		  .kind = OPTION_FLAG,
		  .help = "only from the page cache",
		  .value = &o->no_cold },
		{ .name = "json",
		  .kind = OPTION_FLAG,
		  .help = "print JSON instead of tables",
		  .value = &o->json },
	};
	const struct command_spec spec = {
		.name = "bench gds",
		.operands = "",
		.about = "Loads a file into the memory of a CUDA device in many ways: threads, "
			 "size of chunks\n"
			 "and of pinned memory, engine, from the page cache and without it. All "
			 "bytes are verified\n"
			 "by a checksum on the device. Then reads vectors by their index. Prints "
			 "the best settings.",
		.options = options,
		.nr_options = sizeof(options) / sizeof(options[0]),
	};
	int nr_operands;

	return options_parse(&spec, argc, argv, &nr_operands, exit_code);
}

/* ----------------------------------------------------------------- the file */

/* Words that are different everywhere, fast to make. */
static void fill(uint64_t *words, size_t nr, uint64_t first)
{
	for (size_t i = 0; i < nr; i++) {
		uint64_t v = (first + i) * UINT64_C(0x9e3779b97f4a7c15);

		words[i] = v ^ v >> 29;
	}
}

static char *make_header(uint64_t data_nbytes, size_t *nbytes)
{
	uint64_t each = data_nbytes / NR_TENSORS;
	size_t room = 65536, n = 8;
	char *head = calloc(1, room);

	if (!head)
		return NULL;
	for (unsigned i = 0; i < NR_TENSORS; i++)
		n += (size_t)snprintf(
			head + n, room - n,
			"%s\"layers.%u.weight\":{\"dtype\":\"BF16\",\"shape\":[%" PRIu64
			"],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}",
			i ? "," : "{", i, each / 2, i * each, (i + 1) * each);
	head[n++] = '}';
	while (n % 8)
		head[n++] = ' ';
	for (unsigned i = 0; i < 8; i++)
		head[i] = (char)((n - 8) >> 8 * i);
	*nbytes = n;
	return head;
}

static int write_file(int fd, const char *path, uint64_t data_nbytes)
{
	uint64_t *part = malloc(PART_NBYTES);
	size_t head_nbytes = 0;
	char *head = make_header(data_nbytes, &head_nbytes);
	int ret = part && head ? TOOL_OK : tool_error_memory();

	if (ret == TOOL_OK && write_full(fd, head, head_nbytes) != 0)
		ret = tool_error_errno(path, "write", errno);
	for (uint64_t at = 0; ret == TOOL_OK && at < data_nbytes; at += PART_NBYTES) {
		fill(part, PART_NBYTES / 8, at / 8);
		if (write_full(fd, part, PART_NBYTES) != 0)
			ret = tool_error_errno(path, "write", errno);
	}
	/* Or else it could not be dropped from the cache. */
	if (ret == TOOL_OK)
		fsync(fd);
	free(part);
	free(head);
	return ret;
}

/* Without a name from the start: it goes with its descriptor. */
static int make_file(struct bench_gds *b)
{
	const char *dir = b->options.dir ? b->options.dir : getenv("TMPDIR");
	static char path[64];

	dir = dir ? dir : "/var/tmp";
	b->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (b->fd < 0)
		return tool_error_errno(dir, "open", errno);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", b->fd);
	b->path = path;
	if (!b->options.json)
		printf("making a file of %" PRIu64 " MiB in %s\n", b->options.size_mib, dir);
	fflush(stdout);
	return write_file(b->fd, dir, b->options.size_mib * MIB);
}

static int open_file(struct bench_gds *b)
{
	struct stat st;
	int ret = TOOL_OK;

	if (!b->options.path) {
		ret = make_file(b);
	} else {
		b->path = b->options.path;
		b->fd = open(b->path, O_RDONLY | O_CLOEXEC);
		if (b->fd < 0)
			ret = tool_error_errno(b->path, "open", errno);
	}
	if (ret == TOOL_OK && fstat(b->fd, &st) != 0)
		ret = tool_error_errno(b->path, "stat", errno);
	if (ret != TOOL_OK)
		return ret;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < MIB) {
		tool_error("%s: not a regular file of 1 MiB at least", b->path);
		return TOOL_FAILED;
	}
	b->nbytes = (uint64_t)st.st_size;
	return TOOL_OK;
}

/* ------------------------------------------------------------------ managers */

struct ds_gds *bench_gds_make(struct bench_gds *b, const struct bench_gds_way *way)
{
	struct ds_gds_manager_config cfg = DS_GDS_MANAGER_CONFIG_INIT;
	struct ds_gds_config gds = b->gds;
	char why[256] = "";
	struct ds_gds *g = NULL;
	ds_result ret;

	gds.io_uring = way->io_uring;
	cfg.enabled = DS_GDS_REQUIRED;
	cfg.gds = &gds;
	cfg.threads = way->threads;
	cfg.chunk_nbytes = way->chunk_nbytes;
	cfg.staging_nbytes = way->staging_nbytes;
	ret = ds_gds_create(&cfg, &g);
	if (ret == DS_OK)
		return g;
	ds_gds_available(&gds, why, sizeof(why));
	tool_error("%s", *why ? why : ds_result_message(ret));
	return NULL;
}

static int make_holder(struct bench_gds *b)
{
	const struct bench_gds_way defaults = { 0 };
	uint64_t begin = tool_now_ns();
	ds_result ret;

	b->holder = bench_gds_make(b, &defaults);
	b->create_ns = tool_now_ns() - begin;
	if (!b->holder)
		return TOOL_FAILED;
	ds_gds_backend_info(ds_gds_backend(b->holder), &b->info);
	ret = ds_gds_alloc(b->holder, b->nbytes, &b->memory);
	if (ret != DS_OK)
		tool_error("device memory of %" PRIu64 " bytes: %s", b->nbytes,
			   ds_result_message(ret));
	return ret == DS_OK ? TOOL_OK : TOOL_FAILED;
}

static void print_machine(struct bench_gds *b)
{
	const struct ds_gds_info *info = &b->info;
	char bytes[TOOL_BYTES_ROOM];

	if (b->options.json) {
		json_string(&b->json, "device", info->device_name);
		json_string(&b->json, "why_no_cufile", info->why_no_cufile);
		json_number(&b->json, "file_nbytes", b->nbytes);
		json_real(&b->json, "create_seconds", (double)b->create_ns * 1e-9);
		json_number(&b->json, "chosen_chunk_nbytes", info->chunk_nbytes);
		json_string(&b->json, "why_chunk", info->why_chunk);
		json_real(&b->json, "chunk_measured_seconds",
			  (double)info->chunk_measured_ns * 1e-9);
		return;
	}
	printf("%s, %s; %u cores\n", info->device_name,
	       tool_format_bytes(b->nbytes, bytes, sizeof(bytes)), tool_nr_cpus());
	printf("direct path: %s\n", *info->why_no_cufile ? info->why_no_cufile : "by cuFile");
	printf("manager, context and pinned memory made in %.3f s\n", (double)b->create_ns * 1e-9);
	printf("chosen: chunk %.3g MiB (%s)\n", (double)info->chunk_nbytes / MIB, info->why_chunk);
}

static int run(struct bench_gds *b)
{
	int ret = open_file(b);

	if (ret == TOOL_OK)
		ret = make_holder(b);
	if (ret != TOOL_OK)
		return ret;
	b->json.to = stdout;
	if (b->options.json)
		json_begin_object(&b->json, NULL);
	print_machine(b);
	ret = bench_gds_load(b);
	if (ret == TOOL_OK)
		ret = bench_gds_vectors(b);
	if (b->options.json)
		json_end_object(&b->json);
	return ret;
}

int cmd_bench_gds(int argc, char **argv)
{
	struct bench_gds b = {
		.options = { .size_mib = 1024, .nr_rounds = 3 },
		.gds = DS_GDS_CONFIG_INIT,
		.info = DS_GDS_INFO_INIT,
		.fd = -1,
	};
	int ret;

	if (!parse(argc, argv, &b.options, &ret))
		return ret;
	b.gds.device = (int32_t)b.options.device;
	b.gds.cuda_library = getenv("DSTOOL_LIBCUDA");
	b.gds.cufile_library = getenv("DSTOOL_LIBCUFILE");
	ret = run(&b);
	ds_gds_destroy(b.holder);
	free(b.sums);
	if (b.fd >= 0)
		close(b.fd);
	return ret;
}
