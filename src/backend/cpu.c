/* SPDX-License-Identifier: MIT */
/* cpu.c: the CPU backend: a pool of threads that pread, and host memory. */
#include "backend/codecs.h"
#include "core/backend.h"
#include "device/host.h"
#include "io/pread_pool.h"

ds_result ds_make_cpu_backend(const struct ds_backend_config *cfg, struct ds_backend **out)
{
	struct ds_backend_parts parts = {
		.name = "cpu",
		.engine_create = ds_pread_pool_create,
		.device = ds_host_device(),
		.codecs = ds_codecs,
	};

	return ds_backend_create(cfg, &parts, out);
}
