/* SPDX-License-Identifier: MIT */
/* unixlib.h: finding the Unix half, and calling it; and what else only Wine has. */
#ifndef DSTORAGE_UNIXLIB_H
#define DSTORAGE_UNIXLIB_H

#include <stdbool.h>
#include <stdint.h>
#include <windows.h>

#include "dstorage/shared/unix_calls.h"

/* The DLL's own handle, for DllMain to leave. */
extern HINSTANCE unixlib_instance;

/*
 * Finds the Unix half at the first call and says whether it is there. Any thread; not from
 * DllMain. Without Wine, or without the .so beside the DLL, it is not.
 */
bool unixlib_load(void);

/* The same without looking for it. */
bool unixlib_is_loaded(void);

/* Calls it. Returns a ds_result. Only after unixlib_load() was true. */
int32_t unix_call(enum dsw_code code, void *args);

bool unixlib_has_zstd(void);

/*
 * A Unix descriptor for a file handle, for reading. The caller owns it; only the Unix half
 * can do anything with it. Returns -1 where this Wine cannot do that.
 */
int unixlib_fd_of_handle(HANDLE handle);

/* The Unix name of a path, or NULL. Freed with HeapFree on the process heap. */
char *unixlib_path_of(const WCHAR *path);

/* The process is ending: the other threads are dead, whatever locks they held. */
bool is_process_ending(void);

#endif /* DSTORAGE_UNIXLIB_H */
