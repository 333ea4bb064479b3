/* SPDX-License-Identifier: MIT */
/* file.h: IDStorageFile. */
#ifndef DSTORAGE_FILE_H
#define DSTORAGE_FILE_H

#include <stdint.h>

#include "dstorage/include/dstorage.h"

struct file {
	IDStorageFile iface;
	LONG refs;	      /* the program's, and one of each request on it */
	LONG is_closed;	      /* by Close(): for good */
	SRWLOCK lock;	      /* guards handle */
	HANDLE handle;	      /* keeps Wine's share mode, and answers GetFileInformation() */
	uint64_t unix_file;   /* of the Unix half; as long as the object */
	WCHAR name[MAX_PATH]; /* as the program wrote it, cut */
};

HRESULT file_open(const WCHAR *path, REFIID riid, void **ppv);

/* The object behind an interface pointer, or NULL when it is none of ours. */
struct file *file_of(IDStorageFile *iface);

#endif /* DSTORAGE_FILE_H */
