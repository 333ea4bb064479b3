/* SPDX-License-Identifier: MIT */
/* device_decompress.h: decompressing on a GPU. */
#ifndef DSTOOL_DEVICE_DECOMPRESS_H
#define DSTOOL_DEVICE_DECOMPRESS_H

#include "format.h"

/* As a format's decompress(), of a regular input. Which device: see backends_set_vulkan(). */
int device_decompress(struct transfer *t);

#endif /* DSTOOL_DEVICE_DECOMPRESS_H */
