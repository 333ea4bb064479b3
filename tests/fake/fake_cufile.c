/* SPDX-License-Identifier: MIT */
/* fake_cufile.c: the library; see fake_cufile.h. FAKE_CUFILE_OLD: one from before parameters. */
#include "fake/fake_cufile.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/cuda/driver.h"
#include "io/cufile_library.h"

#define MAX_HANDLES 64u

#define EXPORT(type, name, ...)                                        \
	__attribute__((visibility("default"))) type name(__VA_ARGS__); \
	type name(__VA_ARGS__)

static struct fake_cufile control;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the next */
static int fds[MAX_HANDLES];				 /* + 1; 0: free */

static struct cufile_error result(int error)
{
	return (struct cufile_error){ error, 0 };
}

EXPORT(struct fake_cufile *, fake_cufile_reset, void)
{
	memset(&control, 0, offsetof(struct fake_cufile, drivers));
	atomic_store(&control.allows_compatibility, true);
	atomic_store(&control.has_log, true);
	return &control;
}

EXPORT(struct cufile_error, cuFileDriverOpen, void)
{
	int error = atomic_load(&control.open_result);
	int log = open("cufile.log", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	/* As the real one does, whatever its parameters say. */
	if (log >= 0)
		close(log);
	atomic_fetch_add(&control.nr_opened, 1);
	if (!error)
		atomic_fetch_add(&control.drivers, 1);
	return result(error);
}

EXPORT(struct cufile_error, cuFileDriverClose_v2, void)
{
	atomic_fetch_sub(&control.drivers, 1);
	return result(0);
}

EXPORT(struct cufile_error, cuFileDriverGetProperties, struct cufile_properties *p)
{
	bool is_compatible = atomic_load(&control.is_compatible);

	memset(p, 0, sizeof(*p));
	p->nvfs_major = is_compatible ? 0 : 2;
	p->nvfs_minor = is_compatible ? 0 : 26;
	p->control_flags = is_compatible ? CUFILE_CONTROL_COMPATIBLE : 0;
	return result(0);
}

EXPORT(struct cufile_error, cuFileGetVersion, int *version)
{
#ifdef FAKE_CUFILE_OLD
	*version = 1090;
#else
	*version = 1150;
#endif
	return result(0);
}

#ifndef FAKE_CUFILE_OLD
EXPORT(struct cufile_error, cuFileSetParameterBool, int parameter, bool value)
{
	int error = atomic_load(&control.drivers) ? CUFILE_DRIVER_ALREADY_OPEN
						  : atomic_load(&control.parameter_result);

	if (!error && parameter == CUFILE_BOOL_ALLOW_COMPAT)
		atomic_store(&control.allows_compatibility, value);
	return result(error);
}

EXPORT(struct cufile_error, cuFileSetParameterString, int parameter, const char *value)
{
	if (parameter == CUFILE_STRING_LOG_PATH && !strcmp(value, "/dev/null"))
		atomic_store(&control.has_log, false);
	return result(0);
}
#endif

/* One registration a descriptor; direct ones only. */
EXPORT(struct cufile_error, cuFileHandleRegister, cufile_handle *out, struct cufile_description *d)
{
	int flags = fcntl(d->fd, F_GETFL), error = atomic_load(&control.register_result);
	unsigned free_slot = MAX_HANDLES;

	if (error || d->type != CUFILE_TYPE_FD || flags < 0 || !(flags & O_DIRECT))
		return result(error ? error : 5020);
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < MAX_HANDLES; i++) {
		if (fds[i] == d->fd + 1)
			error = 5028;
		if (!fds[i])
			free_slot = i;
	}
	if (!error && free_slot < MAX_HANDLES) {
		fds[free_slot] = d->fd + 1;
		*out = &fds[free_slot];
		atomic_fetch_add(&control.handles, 1);
	}
	pthread_mutex_unlock(&lock);
	return result(error);
}

EXPORT(void, cuFileHandleDeregister, cufile_handle handle)
{
	pthread_mutex_lock(&lock);
	*(int *)handle = 0;
	pthread_mutex_unlock(&lock);
	atomic_fetch_sub(&control.handles, 1);
}

/* Through the driver's copy, which fails on a thread without a context. */
static int to_device(cuda_address to, const void *from, size_t nbytes)
{
	static cuda_result (*copy_in)(cuda_address, const void *, size_t);
	void *driver, *symbol;

	pthread_mutex_lock(&lock);
	if (!copy_in) {
		driver = dlopen(DS_FAKE_CUDA, RTLD_NOW | RTLD_NOLOAD);
		symbol = driver ? dlsym(driver, "cuMemcpyHtoD_v2") : NULL;
		if (symbol)
			memcpy(&copy_in, &symbol, sizeof(symbol));
	}
	pthread_mutex_unlock(&lock);
	return copy_in && !copy_in(to, from, nbytes) ? 0 : 5011;
}

EXPORT(ssize_t, cuFileRead, cufile_handle handle, void *base, size_t nbytes, off_t file_offset,
       off_t buffer_offset)
{
	int left = atomic_load(&control.reads_before), error = atomic_load(&control.read_result),
	    fd;
	void *bytes;
	ssize_t n;

	atomic_fetch_add(&control.nr_reads, 1);
	if (error && left <= 0)
		return -error;
	if (error)
		atomic_store(&control.reads_before, left - 1);
	pthread_mutex_lock(&lock);
	fd = *(int *)handle - 1;
	pthread_mutex_unlock(&lock);
	if (fd < 0 || ((uintptr_t)base | nbytes | (uint64_t)file_offset) % 4096 || buffer_offset)
		return -5022;
	if (atomic_load(&control.is_short) && nbytes > 4096)
		nbytes = nbytes / 2 / 4096 * 4096;
	bytes = aligned_alloc(4096, nbytes);
	n = bytes ? pread(fd, bytes, nbytes, file_offset) : -1;
	if (n > 0 && to_device((uintptr_t)base, bytes, (size_t)n))
		n = -5011;
	free(bytes);
	return n;
}
