/* SPDX-License-Identifier: MIT */
/* kernels.c: gdeflate_decode.cu, compiled: machine code for some devices, PTX for all later ones. */
#include "device/cuda/cuda.h"

static const uint32_t image[] __attribute__((aligned(16))) =
#include "gdeflate_decode.fatbin.inc"
	;

const void *const ds_cuda_image = image;
