/* SPDX-License-Identifier: MIT */
/* kernels_missing.c: a build without nvcc has no kernels: the CPU decodes. */
#include "device/cuda/cuda.h"

const void *const ds_cuda_image = NULL;
