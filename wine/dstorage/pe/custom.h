/* SPDX-License-Identifier: MIT */
/* custom.h: the custom decompression queue, one for the process. */
#ifndef DSTORAGE_CUSTOM_H
#define DSTORAGE_CUSTOM_H

#include <stdbool.h>

#include "dstorage/include/dstorage.h"

struct queue;
struct request;

/* With the queue's lock: the request, whose source is there, becomes OFFERED. */
void custom_offer(struct request *r);

/* With the queue's lock: takes it back, unless the program has it already. */
bool custom_take_back(struct request *r);

HANDLE custom_event(void);
HRESULT custom_get(UINT32 flags, UINT32 max, DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST *requests,
		   UINT32 *count);
HRESULT custom_set_results(UINT32 count, const DSTORAGE_CUSTOM_DECOMPRESSION_RESULT *results);

#endif /* DSTORAGE_CUSTOM_H */
