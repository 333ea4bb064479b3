/* SPDX-License-Identifier: MIT */
/* host.h: host memory as a device. */
#ifndef DS_DEVICE_HOST_H
#define DS_DEVICE_HOST_H

#include "core/device.h"

/* One for the whole process; it has no state. */
struct ds_device *ds_host_device(void);

#endif /* DS_DEVICE_HOST_H */
