/* SPDX-License-Identifier: MIT */
/*
 * cufile_library.c: libcufile found, told what not to do, and opened.
 *
 * There is one cuFile a process, and it cannot be unloaded: so its state is the process's. It
 * is loaded only after the CUDA driver works, or else it writes to stdout. Its log it makes in
 * the working directory (there is a parameter for that, which is ignored), so it gets another
 * one: see open_elsewhere().
 */
#include "io/cufile_library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/thread.h"
#include "base/util.h"
#include "io/cufile.h"

#if defined(__aarch64__)
#define CUDA_TARGET "sbsa-linux"
#else
#define CUDA_TARGET "x86_64-linux"
#endif

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the next two */
static struct cufile_library library;
static unsigned nr_opened;

const struct cufile_library *ds_cufile_library(void)
{
	return &library;
}

const char *ds_cufile_error_text(int error)
{
	static const struct {
		int error;
		const char *text;
	} texts[] = {
		{ 5001, "the driver is not initialised: nvidia-fs is not loaded" },
		{ 5002, "a property in cufile.json is not valid" },
		{ 5003, "a value in cufile.json is out of range" },
		{ 5004, "library and nvidia-fs do not fit each other" },
		{ 5005, "the version of nvidia-fs cannot be read" },
		{ 5007, "the platform is not supported" },
		{ 5008, "this file or its file system is not supported" },
		{ 5009, "this GPU is not supported" },
		{ 5010, "nvidia-fs failed; the kernel's log may say why" },
		{ 5011, "the CUDA driver failed" },
		{ 5012, "the address is no device memory" },
		{ 5013, "memory of this type is not supported" },
		{ 5014, "the range passes the end of its allocation" },
		{ 5015, "the memory belongs to another context" },
		{ 5016, "the limit of pinned device memory is reached" },
		{ 5018, "it is no regular file" },
		{ 5019, "the file was opened with flags that it does not take" },
		{ 5020, "the file was not opened with O_DIRECT" },
		{ 5022, "a value is not valid" },
		{ 5025, "permission is denied" },
		{ 5026, "the program has opened cuFile itself" },
		{ 5028, "the descriptor is registered already" },
		{ 5030, "an internal error" },
		{ 5031, "no descriptor is left" },
		{ 5033, "its set-up failed" },
		{ 5034, "the configuration excludes this" },
		{ 5036, "no device memory could be pinned: BAR1 or the limit is exhausted" },
		{ 5043, "it has no memory left" },
		{ 5044, "the device reports an error" },
		{ 5047, "there is no context on the thread" },
	};

	for (size_t i = 0; i < DS_ARRAY_SIZE(texts); i++) {
		if (texts[i].error == error)
			return texts[i].text;
	}
	return "an unknown error";
}

/* ------------------------------------------------------------------ loading */

#define FUNCTION(field, symbol)                                \
	{                                                      \
		symbol, offsetof(struct cufile_library, field) \
	}

static const struct function {
	const char *symbol;
	size_t offset;
} needed[] = {
	FUNCTION(driver_open, "cuFileDriverOpen"),
	FUNCTION(get_properties, "cuFileDriverGetProperties"),
	FUNCTION(handle_register, "cuFileHandleRegister"),
	FUNCTION(handle_deregister, "cuFileHandleDeregister"),
	FUNCTION(read, "cuFileRead"),
}, optional[] = {
	FUNCTION(get_version, "cuFileGetVersion"),
	FUNCTION(set_bool, "cuFileSetParameterBool"),
	FUNCTION(set_string, "cuFileSetParameterString"),
	FUNCTION(driver_close, "cuFileDriverClose"),
	/* The newer one counts. */
	FUNCTION(driver_close, "cuFileDriverClose_v2"),
};

static bool find_function(struct cufile_library *lib, const struct function *f)
{
	void *symbol = dlsym(lib->library, f->symbol);

	if (symbol)
		memcpy((char *)lib + f->offset, &symbol, sizeof(symbol));
	return symbol;
}

static void *open_library(const char *path)
{
	static const char *const paths[] = {
		"libcufile.so.0",
		"/usr/local/cuda/targets/" CUDA_TARGET "/lib/libcufile.so.0",
		"/usr/local/cuda/lib64/libcufile.so.0",
	};
	void *p = NULL;

	if (path)
		return dlopen(path, RTLD_NOW | RTLD_LOCAL);
	for (size_t i = 0; !p && i < DS_ARRAY_SIZE(paths); i++)
		p = dlopen(paths[i], RTLD_NOW | RTLD_LOCAL);
	return p;
}

static void look_failed(struct ds_cufile_info *info, enum ds_cufile_state state, int code,
			const char *why)
{
	info->state = state;
	info->code = code;
	snprintf(info->why, sizeof(info->why), "%s", why);
}

static bool load(struct cufile_library *lib, const char *path, struct ds_cufile_info *info)
{
	memset(lib, 0, sizeof(*lib));
	lib->library = open_library(path);
	if (!lib->library) {
		snprintf(info->why, sizeof(info->why),
			 "cuFile is not there: %s was not found by the loader, nor in "
			 "/usr/local/cuda",
			 path ? path : "libcufile.so.0");
		info->state = DS_CUFILE_NO_LIBRARY;
		return false;
	}
	for (size_t i = 0; i < DS_ARRAY_SIZE(needed); i++) {
		if (find_function(lib, &needed[i]))
			continue;
		snprintf(info->why, sizeof(info->why), "libcufile has no %s", needed[i].symbol);
		info->state = DS_CUFILE_BAD_LIBRARY;
		return false;
	}
	for (size_t i = 0; i < DS_ARRAY_SIZE(optional); i++)
		find_function(lib, &optional[i]);
	if (lib->get_version && lib->get_version(&info->version).error)
		info->version = 0;
	return true;
}

/* ------------------------------------------------------------------ opening */

/* Whether anything could make the direct path work: cuFile takes long to find out by itself. */
static bool has_direct_path(void)
{
	char line[512];
	bool found = !access("/proc/driver/nvidia-fs/version", F_OK);
	FILE *f = found ? NULL : fopen("/proc/driver/nvidia/params", "re");

	/* P2PDMA needs all of the device's memory in BAR1 for good. */
	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, "RMForceStaticBar1=1");
	if (f)
		fclose(f);
	return found;
}

/* No compatibility mode, and no log where that is heeded. False: it cannot be told. */
static bool set_parameters(const struct cufile_library *lib, struct ds_cufile_info *info)
{
	struct cufile_error e;

	if (!lib->set_bool || !lib->set_string) {
		look_failed(info, DS_CUFILE_OLD_LIBRARY, 0,
			    "this libcufile (before 1.14) cannot be told not to use its "
			    "compatibility mode");
		return false;
	}
	lib->set_string(CUFILE_STRING_LOG_PATH, "/dev/null");
	e = lib->set_bool(CUFILE_BOOL_ALLOW_COMPAT, false);
	if (!e.error)
		return true;
	info->state = DS_CUFILE_FAILED;
	info->code = e.error;
	snprintf(info->why, sizeof(info->why),
		 "cuFile does not take its compatibility mode to be off: %s (%d)",
		 ds_cufile_error_text(e.error), e.error);
	return false;
}

static void driver_refused(struct ds_cufile_info *info, int error)
{
	if (error == CUFILE_DRIVER_NOT_INITIALIZED) {
		look_failed(info, DS_CUFILE_COMPATIBILITY, error,
			    "cuFile works in its compatibility mode only: nvidia-fs is not loaded");
		return;
	}
	info->state = DS_CUFILE_FAILED;
	info->code = error;
	snprintf(info->why, sizeof(info->why), "cuFile's driver does not open: %s (%d)",
		 ds_cufile_error_text(error), error);
}

static bool check_properties(const struct cufile_library *lib, struct ds_cufile_info *info)
{
	struct cufile_properties p;

	memset(&p, 0, sizeof(p));
	if (lib->get_properties(&p).error)
		return true;
	info->nvfs_version = p.nvfs_major << 16 | (p.nvfs_minor & 0xffff);
	if (info->nvfs_version || !(p.control_flags & CUFILE_CONTROL_COMPATIBLE))
		return true;
	look_failed(info, DS_CUFILE_COMPATIBILITY, 0,
		    "cuFile works in its compatibility mode only, although it was told not to");
	return false;
}

static void close_driver(const struct cufile_library *lib)
{
	if (lib->driver_close)
		lib->driver_close();
}

struct opening {
	const struct cufile_library *lib;
	struct cufile_error result;
};

/*
 * In a folder that is gone afterwards, on a thread with a working directory of its own: so the log
 * has no name any more, and the program's directory stays as it is.
 */
static void *open_elsewhere(void *arg)
{
	struct opening *o = arg;
	const char *tmp = getenv("TMPDIR");
	char dir[512] = "";
	bool is_elsewhere = false;

	snprintf(dir, sizeof(dir), "%.400s/ds-cufile-XXXXXX", tmp ? tmp : "/tmp");
	if (!getenv("CUFILE_LOGFILE_PATH") && !unshare(CLONE_FS) && mkdtemp(dir))
		is_elsewhere = !chdir(dir);
	o->result = o->lib->driver_open();
	if (is_elsewhere) {
		unlink("cufile.log");
		rmdir(dir);
	}
	return NULL;
}

static struct cufile_error open_quietly(const struct cufile_library *lib)
{
	struct opening o = { .lib = lib };
	pthread_t thread;

	if (ds_thread_start(&thread, "ds-cufile-open", open_elsewhere, &o))
		return lib->driver_open();
	pthread_join(thread, NULL);
	return o.result;
}

static void open_driver(const struct cufile_library *lib, struct ds_cufile_info *info)
{
	struct cufile_error e;

	/* Parameters cannot be set any more once it is open. */
	if (!nr_opened && !set_parameters(lib, info))
		return;
	e = open_quietly(lib);
	if (e.error) {
		driver_refused(info, e.error);
	} else if (!check_properties(lib, info)) {
		close_driver(lib);
	} else {
		info->state = DS_CUFILE_READY;
		nr_opened++;
	}
}

void ds_cufile_look(const char *path, bool asks_itself, struct ds_cufile_info *info)
{
	struct cufile_library lib;

	memset(info, 0, sizeof(*info));
	pthread_mutex_lock(&lock);
	if (load(&lib, path, info)) {
		if (!asks_itself && !has_direct_path()) {
			look_failed(info, DS_CUFILE_COMPATIBILITY, 0,
				    "cuFile works in its compatibility mode only: nvidia-fs is not "
				    "loaded, and the NVIDIA driver is not set up for P2PDMA");
		} else {
			open_driver(&lib, info);
			if (info->state == DS_CUFILE_READY)
				library = lib;
		}
	}
	pthread_mutex_unlock(&lock);
}

void ds_cufile_close(void)
{
	pthread_mutex_lock(&lock);
	close_driver(&library);
	nr_opened--;
	pthread_mutex_unlock(&lock);
}
