/* SPDX-License-Identifier: MIT */
/* waits.h: waiting for D3D12 fences, the program's and our own, on one thread. */
#ifndef DSTORAGE_WAITS_H
#define DSTORAGE_WAITS_H

#include <stdbool.h>

#include "dstorage/include/dstorage.h"

struct fence_wait;

/* Starts the thread if it does not run yet. With the core's list of queues locked. */
HRESULT waits_start(void);

/* An event for SetEventOnCompletion(): it makes the thread look at all fences. */
HANDLE waits_event(void);

/* With a reference for the caller. Once it is over, waiting requests are woken. */
HRESULT wait_create(ID3D12Fence *fence, UINT64 value, struct fence_wait **out);
void wait_ref(struct fence_wait *w);
void wait_unref(struct fence_wait *w);
bool wait_is_over(const struct fence_wait *w);

#endif /* DSTORAGE_WAITS_H */
