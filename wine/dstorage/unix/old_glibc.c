/* SPDX-License-Identifier: MIT */
/*
 * old_glibc.c: asks glibc for functions under the names that old ones have too.
 *
 * Steam's containers come with a glibc as old as 2.31. Since 2.34 the functions of libpthread
 * live in libc and carry new versions, though they are the same functions, and fstat() has
 * become one only in 2.33. The same goes for libdl. The linker sends every call of them here (--wrap), those of the
 * runtime's archive included, and from here they go to the versions of old.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

/* What __fxstat() calls today's struct stat. */
#define STAT_VERSION 1

#define OLD(name, version) __asm__(".symver old_" #name "," #name "@GLIBC_" version)

OLD(pthread_create, "2.2.5");
OLD(pthread_join, "2.2.5");
OLD(pthread_sigmask, "2.2.5");
OLD(pthread_getcpuclockid, "2.2.5");
OLD(pthread_condattr_setclock, "2.3.3");
OLD(pthread_setname_np, "2.12");
OLD(__fxstat, "2.2.5");
OLD(dlopen, "2.2.5");
OLD(dlsym, "2.2.5");
OLD(dlerror, "2.2.5");

int old_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
int old_pthread_join(pthread_t t, void **result);
int old_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
int old_pthread_getcpuclockid(pthread_t t, clockid_t *clock);
int old_pthread_condattr_setclock(pthread_condattr_t *attr, clockid_t clock);
int old_pthread_setname_np(pthread_t t, const char *name);
int old___fxstat(int version, int fd, struct stat *st);
void *old_dlopen(const char *name, int flags);
void *old_dlsym(void *library, const char *name);
char *old_dlerror(void);

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
int __wrap_pthread_join(pthread_t t, void **result);
int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
int __wrap_pthread_getcpuclockid(pthread_t t, clockid_t *clock);
int __wrap_pthread_condattr_setclock(pthread_condattr_t *attr, clockid_t clock);
int __wrap_pthread_setname_np(pthread_t t, const char *name);
int __wrap_fstat(int fd, struct stat *st);
void *__wrap_dlopen(const char *name, int flags);
void *__wrap_dlsym(void *library, const char *name);
char *__wrap_dlerror(void);

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	return old_pthread_create(t, attr, fn, arg);
}

int __wrap_pthread_join(pthread_t t, void **result)
{
	return old_pthread_join(t, result);
}

int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	return old_pthread_sigmask(how, set, old);
}

int __wrap_pthread_getcpuclockid(pthread_t t, clockid_t *clock)
{
	return old_pthread_getcpuclockid(t, clock);
}

int __wrap_pthread_condattr_setclock(pthread_condattr_t *attr, clockid_t clock)
{
	return old_pthread_condattr_setclock(attr, clock);
}

int __wrap_pthread_setname_np(pthread_t t, const char *name)
{
	return old_pthread_setname_np(t, name);
}

int __wrap_fstat(int fd, struct stat *st)
{
	return old___fxstat(STAT_VERSION, fd, st);
}

void *__wrap_dlopen(const char *name, int flags)
{
	return old_dlopen(name, flags);
}

void *__wrap_dlsym(void *library, const char *name)
{
	return old_dlsym(library, name);
}

char *__wrap_dlerror(void)
{
	return old_dlerror();
}
