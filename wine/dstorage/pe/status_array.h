/* SPDX-License-Identifier: MIT */
/* status_array.h: IDStorageStatusArray. */
#ifndef DSTORAGE_STATUS_ARRAY_H
#define DSTORAGE_STATUS_ARRAY_H

#include "dstorage/include/dstorage.h"

struct status_array {
	IDStorageStatusArray iface;
	LONG refs; /* the program's, and one of each queued status entry */
	UINT32 capacity;
	LONG entries[]; /* HRESULTs, changed atomically */
};

HRESULT status_array_create(UINT32 capacity, const char *name, REFIID riid, void **ppv);

/* The object behind an interface pointer, or NULL when it is none of ours. */
struct status_array *status_array_of(IDStorageStatusArray *iface);

void status_array_set(struct status_array *a, UINT32 index, HRESULT hr);

#endif /* DSTORAGE_STATUS_ARRAY_H */
