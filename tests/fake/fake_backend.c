/* SPDX-License-Identifier: MIT */
/* fake_backend.c: the fault engine paired with host memory and every codec of the build. */
#include "backend/codecs.h"
#include "core/backend.h"
#include "device/host.h"
#include "fake/fake_engine.h"

ds_result fake_make_backend(const struct ds_backend_config *cfg, struct fake_control *ctl,
			    struct ds_backend **out)
{
	const struct ds_backend_parts parts = {
		.name = "fake",
		.engine_create = fake_engine_create,
		.engine_arg = &ctl,
		.device = ds_host_device(),
		.codecs = ds_codecs,
	};

	return ds_backend_create(cfg, &parts, out);
}
