/* SPDX-License-Identifier: MIT */
/* fence.h: fences that raise something of a device's along with them. */
#ifndef DS_CORE_FENCE_H
#define DS_CORE_FENCE_H

#include "ds_runtime.h"

/* Both with no lock of the runtime's held but the fence's own: do not call the fence. */
struct ds_fence_hook {
	/* The value has grown to this. Calls come one at a time, and values rise. */
	void (*raised)(void *arg, uint64_t value);
	/* The fence is freed: its owner and the last marker are gone. */
	void (*gone)(void *arg);
	void *arg;
};

/* As ds_fence_create(); hook is copied, NULL: none. */
ds_result ds_fence_create_hooked(uint64_t initial_value, const struct ds_fence_hook *hook,
				 struct ds_fence **out);

#endif /* DS_CORE_FENCE_H */
