/* SPDX-License-Identifier: MIT */
/* fake_gds_backend.c: see fake_gds_backend.h. */
#include "fake/fake_gds_backend.h"

#include "backend/codecs.h"
#include "core/backend.h"
#include "device/cuda/cuda.h"
#include "fake/fake_cuda.h"
#include "io/pread_pool.h"
#include "support/require.h"

ds_result fake_gds_make_backend(const struct ds_backend_config *cfg, bool decodes,
				struct ds_backend **out)
{
	static const char image[] = "kernels";
	struct fake_cuda *fake = fake_cuda_open(DS_FAKE_CUDA);
	struct ds_cuda_info info;
	const struct ds_cuda_settings set = {
		.library = DS_FAKE_CUDA,
		.decode = decodes ? DS_CUDA_DECODE_ALWAYS : DS_CUDA_DECODE_NEVER,
		.image = image,
		.kind = DS_LOCATION_MEMORY,
	};
	struct ds_backend_parts parts = {
		.name = "fake_gds",
		.engine_create = ds_pread_pool_create,
		.codecs = ds_codecs,
	};

	atomic_store(&fake->any_address, true);
	REQUIRE_OK(ds_cuda_create(&set, &info, &parts.device));
	return ds_backend_create(cfg, &parts, out);
}
