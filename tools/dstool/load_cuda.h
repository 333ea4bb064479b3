/* SPDX-License-Identifier: MIT */
/* load_cuda.h: "dstool load --to cuda": files and models into the memory of a CUDA device. */
#ifndef DSTOOL_LOAD_CUDA_H
#define DSTOOL_LOAD_CUDA_H

#include "load.h"

/* Exit code. Each path: a file, a safetensors model (file, index or folder). */
int load_cuda(const struct load_options *options, int nr_paths, char **paths);

#endif /* DSTOOL_LOAD_CUDA_H */
