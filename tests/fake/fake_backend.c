/* SPDX-License-Identifier: MIT */
/* fake_backend.c: the fault engine paired with host memory and every codec of the build. */
#include "codec/gdeflate/gdeflate_codec.h"
#include "core/backend.h"
#include "device/host.h"
#include "fake/fake_engine.h"
#if DS_HAVE_ZSTD
#include "codec/zstd.h"
#endif

static const struct ds_codec *const codecs[] = {
	&ds_gdeflate_codec,
#if DS_HAVE_ZSTD
	&ds_zstd_codec,
#endif
	NULL,
};

ds_result fake_make_backend(const struct ds_backend_config *cfg, struct fake_control *ctl,
			    struct ds_backend **out)
{
	const struct ds_backend_parts parts = {
		.name = "fake",
		.engine_create = fake_engine_create,
		.engine_arg = &ctl,
		.device = ds_host_device(),
		.codecs = codecs,
	};

	return ds_backend_create(cfg, &parts, out);
}
