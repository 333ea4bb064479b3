/* SPDX-License-Identifier: MIT */
/* backends.c: one line for each backend. */
#include "conformance/backends.h"

#include <string.h>

#include "ds_runtime_uring.h"
#include "ds_runtime_vulkan.h"
#include "fake/fake_device.h"
#include "fake/fake_gds_backend.h"

static ds_result make_cpu(const struct ds_backend_config *cfg, struct fake_control *ctl,
			  struct ds_backend **out)
{
	(void)ctl;
	return ds_make_cpu_backend(cfg, out);
}

static ds_result make_io_uring(const struct ds_backend_config *cfg, struct fake_control *ctl,
			       struct ds_backend **out)
{
	(void)ctl;
	return ds_make_io_uring_backend(cfg, NULL, out);
}

static ds_result make_vulkan(const struct ds_backend_config *cfg, struct fake_control *ctl,
			     struct ds_backend **out)
{
	(void)ctl;
	return ds_make_vulkan_backend(cfg, NULL, out);
}

static ds_result make_device(const struct ds_backend_config *cfg, struct fake_control *ctl,
			     struct ds_backend **out)
{
	(void)ctl;
	return fake_device_make_backend(cfg, FAKE_DECODER_NONE, out);
}

static ds_result make_decoder(const struct ds_backend_config *cfg, struct fake_control *ctl,
			      struct ds_backend **out)
{
	(void)ctl;
	return fake_device_make_backend(cfg, FAKE_DECODER_ALWAYS, out);
}

static ds_result make_mixed(const struct ds_backend_config *cfg, struct fake_control *ctl,
			    struct ds_backend **out)
{
	(void)ctl;
	return fake_device_make_backend(cfg, FAKE_DECODER_SOMETIMES, out);
}

static ds_result make_gds(const struct ds_backend_config *cfg, struct fake_control *ctl,
			  struct ds_backend **out)
{
	(void)ctl;
	return fake_gds_make_backend(cfg, false, out);
}

static ds_result make_gds_decoder(const struct ds_backend_config *cfg, struct fake_control *ctl,
				  struct ds_backend **out)
{
	(void)ctl;
	return fake_gds_make_backend(cfg, true, out);
}

static const struct backend_maker makers[] = {
	{ "cpu", make_cpu, false, false },
	{ "io_uring", make_io_uring, false, false },
	{ "vulkan", make_vulkan, false, false },
	{ "fake", fake_make_backend, true, false },
	{ "fake_device", make_device, false, true },
	{ "fake_decoder", make_decoder, false, true },
	{ "fake_mixed", make_mixed, false, true },
	{ "fake_gds", make_gds, false, true },
	{ "fake_gds_decoder", make_gds_decoder, false, true },
};

const struct backend_maker *backend_find(const char *name)
{
	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++)
		if (strcmp(makers[i].name, name) == 0)
			return &makers[i];
	return NULL;
}
