/* SPDX-License-Identifier: MIT */
/*
 * fake_gds_backend.h: the CUDA device on the simulated driver library, for which host memory
 * counts as device memory: so every test of the public API can be run on it.
 */
#ifndef TESTS_FAKE_FAKE_GDS_BACKEND_H
#define TESTS_FAKE_FAKE_GDS_BACKEND_H

#include <stdbool.h>

#include "ds_runtime.h"

/* The pread engine, and the device; which decodes always or never. */
ds_result fake_gds_make_backend(const struct ds_backend_config *cfg, bool decodes,
				struct ds_backend **out);

#endif /* TESTS_FAKE_FAKE_GDS_BACKEND_H */
