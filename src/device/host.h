/* SPDX-License-Identifier: MIT */
/* host.h: host memory as a device. */
#ifndef DS_DEVICE_HOST_H
#define DS_DEVICE_HOST_H

#include "core/device.h"

/* One for the whole process; it has no state. */
struct ds_device *ds_host_device(void);

/* Resolves a DS_LOCATION_MEMORY, for every device that takes host memory too. */
ds_result ds_host_resolve(const struct ds_location *loc, uint64_t nbytes, struct ds_target *target);

#endif /* DS_DEVICE_HOST_H */
