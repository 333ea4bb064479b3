/* SPDX-License-Identifier: MIT */
/*
 * cmd_load.c: "dstool load": options, backends, signals, set-up and clean-up.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "backends.h"
#include "load.h"
#include "load_cuda.h"
#include "options.h"
#include "tool.h"

#define DEFAULT_QUEUE_DEPTH 128
#define DEFAULT_MEMORY	    ((uint64_t)256 << 20)

/* Descriptors for everything but requests: the standard ones, the runtime's, verifying. */
#define OTHER_FILES 32

/* -------------------------------------------------------------- stopping */

static volatile sig_atomic_t stop_requested;

bool load_is_stopped(void)
{
	return stop_requested;
}

static void on_stop(int signal_number)
{
	(void)signal_number;
	stop_requested = 1;
}

/* The second Ctrl-C ends the process as if nothing had been caught. */
static void catch_stop_signals(void)
{
	tool_catch_signal(SIGINT, on_stop);
	tool_catch_signal(SIGTERM, on_stop);
}

/* --------------------------------------------------------------- options */

static const char *const direct_names[] = { "auto", "on", "off", NULL };
static const char *const to_names[] = { "memory", "cuda", NULL };

static bool parse(int argc, char **argv, struct load_options *o, int *nr_paths, int *exit_code)
{
	const struct option_spec options[] = {
		{ .name = "backend",
		  .kind = OPTION_CHOICE,
		  .argument = "NAME",
		  .help = "cpu: pread and pwrite on a pool of threads; io_uring; vulkan: into a\n"
			  "GPU's memory; or auto (the default): io_uring where it works, else "
			  "cpu,\nwhich is then said",
		  .value = &o->backend,
		  .choices = backend_names },
		{ .name = "verify",
		  .kind = OPTION_FLAG,
		  .help = "compare every byte with what plain reads and a separate decode give;\n"
			  "the seconds then contain that too",
		  .value = &o->verify },
		{ .name = "workers",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "threads that read; the backend's own default",
		  .value = &o->nr_io_workers,
		  .min = 1,
		  .max = 256 },
		{ .name = "decode-workers",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "threads that decompress; the backend's own default",
		  .value = &o->nr_decode_workers,
		  .min = 1,
		  .max = 256 },
		{ .name = "queue-depth",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "requests in flight at most; 128",
		  .value = &o->queue_depth,
		  .min = 1,
		  .max = 65536 },
		{ .name = "memory",
		  .kind = OPTION_BYTES,
		  .argument = "N",
		  .help = "memory for the destinations of requests in flight; 256M. A compressed\n"
			  "file that is larger when decompressed is loaded alone",
		  .value = &o->memory_nbytes,
		  .min = 1 << 20,
		  .max = (uint64_t)1 << 46 },
		{ .name = "direct",
		  .kind = OPTION_CHOICE,
		  .argument = "WHEN",
		  .help = "bypass the page cache (O_DIRECT): on, where the file system can; off; "
			  "or\n"
			  "auto (the default): io_uring for what is not cached, cpu never",
		  .value = &o->direct,
		  .choices = direct_names },
		{ .name = "to",
		  .kind = OPTION_CHOICE,
		  .argument = "WHERE",
		  .help = "memory (the default), or cuda: whole files, and safetensors models "
			  "(a file,\n"
			  "an index, a folder), into the memory of a CUDA device, one after the "
			  "other.\n"
			  "Of the other options, verify, workers, direct and json count",
		  .value = &o->to,
		  .choices = to_names },
		{ .name = "device",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "the CUDA device; 0",
		  .value = &o->device,
		  .max = 255 },
		{ .name = "gpu",
		  .kind = OPTION_TEXT,
		  .argument = "NAME",
		  .help = "vulkan: a device with that in its name; without it, the best one",
		  .value = &o->vulkan.gpu },
		{ .name = "decode",
		  .kind = OPTION_CHOICE,
		  .argument = "WHO",
		  .help = "vulkan: who decompresses GDeflate: cpu, gpu, or auto (the default)",
		  .value = &o->vulkan.decode,
		  .choices = vulkan_decode_names },
		{ .name = "path",
		  .kind = OPTION_CHOICE,
		  .argument = "PATH",
		  .help = "vulkan: mapped: the CPU writes into the GPU's memory wherever it can;\n"
			  "staged: through imported memory and a copy by the GPU; staged-mapped:\n"
			  "the same with memory of the driver's; or auto (the default)",
		  .value = &o->vulkan.path,
		  .choices = vulkan_path_names },
		{ .name = "json",
		  .kind = OPTION_FLAG,
		  .help = "print the report as JSON",
		  .value = &o->json },
	};
	const struct command_spec spec = {
		.name = "load",
		.operands = "PATH...",
		.min_operands = 1,
		.max_operands = -1,
		.about = "Loads files, and all regular files below directories, through one queue "
			 "of\n"
			 "the runtime into memory. What ends in .gdeflate or .zst is decompressed "
			 "on the\n"
			 "way. Prints what was moved, how fast, and at what cost. Ctrl-C cancels.",
		.options = options,
		.nr_options = sizeof(options) / sizeof(options[0]),
	};

	return options_parse(&spec, argc, argv, nr_paths, exit_code);
}

/* ---------------------------------------------------------------- set-up */

/* Failures of single requests are told with their file's name, so not here. */
static void on_log(void *user_data, const struct ds_log_record *record)
{
	(void)user_data;
	if (record->request == 0)
		fprintf(stderr, "dstool: %s: %s\n", record->subsystem, record->message);
}

static int32_t direct_mode(const char *name)
{
	if (strcmp(name, "on") == 0)
		return DS_DIRECT_ON;
	return strcmp(name, "off") == 0 ? DS_DIRECT_OFF : DS_DIRECT_AUTO;
}

static int make_backend(struct load *l)
{
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;
	ds_result ret;

	cfg.io_workers = (uint32_t)l->options.nr_io_workers;
	cfg.decode_workers = (uint32_t)l->options.nr_decode_workers;
	cfg.direct = direct_mode(l->options.direct);
	cfg.log_callback = on_log;
	backends_set_vulkan(&l->options.vulkan);
	ret = backend_make(l->options.backend, &cfg, &l->backend, l->fell_back,
			   sizeof(l->fell_back));
	if (ret != DS_OK) {
		tool_error("%s", l->fell_back);
		return TOOL_FAILED;
	}
	if (*l->fell_back)
		tool_note("%s; using %s", l->fell_back, ds_backend_name(l->backend));
	return TOOL_OK;
}

static bool is_on_device(const struct load *l)
{
	return strcmp(l->options.backend, "vulkan") == 0;
}

static int make_queue(struct load *l)
{
	struct ds_queue_config cfg = DS_QUEUE_CONFIG_INIT;
	ds_result ret;

	cfg.capacity = (uint32_t)l->options.queue_depth;
	cfg.name = "dstool load";
	ret = ds_queue_create(l->backend, &cfg, &l->queue);
	if (ret == DS_OK && l->options.verify && is_on_device(l))
		ret = ds_queue_create(l->backend, NULL, &l->fetch_queue);
	if (ret == DS_OK)
		return TOOL_OK;
	tool_error("queue: %s", ds_result_message(ret));
	return TOOL_FAILED;
}

static int make_slots(struct load *l)
{
	size_t n = (size_t)l->options.queue_depth;

	l->slots = calloc(n, sizeof(*l->slots));
	l->completions = calloc(n, sizeof(*l->completions));
	if (!l->slots || !l->completions)
		return tool_error_memory();
	for (size_t i = 0; i < n; i++) {
		l->slots[i].next_free = l->free_slots;
		l->free_slots = &l->slots[i];
		l->completions[i] = (struct ds_completion)DS_COMPLETION_INIT;
	}
	return TOOL_OK;
}

static bool may_be_direct(const struct load_options *o)
{
	bool is_auto = strcmp(o->direct, "auto") == 0;

	return strcmp(o->direct, "on") == 0 || (is_auto && strcmp(o->backend, "cpu") != 0);
}

/*
 * Each request in flight may hold a file open, twice where direct I/O may be. Where that is more
 * than the system allows, fewer are in flight.
 */
static void fit_file_limit(struct load *l)
{
	uint64_t each = may_be_direct(&l->options) ? 2 : 1;
	uint64_t wanted = each * l->options.queue_depth + OTHER_FILES;
	struct rlimit limit;
	uint64_t depth;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0 && getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	depth = limit.rlim_cur > OTHER_FILES ? (limit.rlim_cur - OTHER_FILES) / each : 0;
	if (depth == 0)
		depth = 1;
	if (depth >= l->options.queue_depth)
		return;
	tool_note("queue depth %" PRIu64 " instead of %" PRIu64 ": no more than %" PRIu64
		  " files may be open",
		  depth, l->options.queue_depth, (uint64_t)limit.rlim_cur);
	l->options.queue_depth = depth;
}

static void walk_failed(void *arg, const char *path, const char *why)
{
	load_fail(arg, path, why);
}

static int set_up(struct load *l, int nr_paths, char **paths)
{
	int ret = TOOL_OK;

	fit_file_limit(l);
	l->walk.failed = walk_failed;
	l->walk.is_stopped = load_is_stopped;
	l->walk.arg = l;
	for (int i = 0; i < nr_paths && ret == TOOL_OK; i++)
		ret = walk_add(&l->walk, paths[i]);
	if (ret == TOOL_OK)
		ret = make_slots(l);
	if (ret == TOOL_OK)
		ret = make_backend(l);
	if (ret == TOOL_OK)
		ret = make_queue(l);
	load_buffers_init(&l->buffers, is_on_device(l) ? l->backend : NULL,
			  l->options.memory_nbytes);
	return ret;
}

static void clean_up(struct load *l)
{
	/* First the queue: it may still know buffers. */
	ds_queue_destroy(l->queue);
	ds_queue_destroy(l->fetch_queue);
	load_buffers_fini(&l->buffers);
	ds_backend_destroy(l->backend);
	walk_fini(&l->walk);
	for (size_t i = 0; i < l->nr_failures; i++) {
		free(l->failures[i].path);
		free(l->failures[i].why);
	}
	free(l->failures);
	free(l->completions);
	free(l->slots);
}

int cmd_load(int argc, char **argv)
{
	struct load l = {
		.options = {
			.backend = "auto",
			.direct = "auto",
			.to = "memory",
			.queue_depth = DEFAULT_QUEUE_DEPTH,
			.memory_nbytes = DEFAULT_MEMORY,
		},
	};
	int nr_paths;
	int ret;

	if (!parse(argc, argv, &l.options, &nr_paths, &ret))
		return ret;
	catch_stop_signals();
	if (strcmp(l.options.to, "cuda") == 0)
		return load_cuda(&l.options, nr_paths, argv);
	ret = set_up(&l, nr_paths, argv);
	if (ret == TOOL_OK)
		ret = load_run(&l);
	if (ret == TOOL_OK)
		load_report(&l);
	if (l.has_failed || l.result.was_interrupted)
		ret = TOOL_FAILED;
	clean_up(&l);
	return ret;
}
