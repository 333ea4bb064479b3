/* SPDX-License-Identifier: MIT */
/* uring.c: the io_uring backend: io_uring, and host memory. */
#include "backend/codecs.h"
#include "core/backend.h"
#include "base/copy_struct.h"
#include "device/host.h"
#include "ds_runtime_uring.h"
#include "io/uring.h"

static bool is_choice(int32_t value)
{
	return value >= DS_URING_DEFAULT_AUTO && value <= DS_URING_REQUIRED;
}

static int to_choice(int32_t value)
{
	return value == DS_URING_NEVER	    ? DS_URING_OFF
	       : value == DS_URING_REQUIRED ? DS_URING_ON
					    : DS_URING_AUTO;
}

ds_result ds_make_io_uring_backend(const struct ds_backend_config *cfg,
				   const struct ds_uring_config *user, struct ds_backend **out)
{
	struct ds_uring_config uring;
	struct ds_uring_settings set;
	struct ds_backend_parts parts = {
		.name = "io_uring",
		.engine_create = ds_uring_create,
		.engine_arg = &set,
		.device = ds_host_device(),
		.codecs = ds_codecs,
	};
	ds_result ret = ds_copy_config(&uring, sizeof(uring), user, sizeof(struct ds_uring_config));

	if (ret)
		return ret;
	if (uring.entries > 4096 || !is_choice(uring.fixed_buffers) ||
	    !is_choice(uring.fixed_files) || uring.pin_workers > 1 || uring.reserved)
		return DS_ERR_INVALID_ARGUMENT;
	set = (struct ds_uring_settings){
		.entries = uring.entries,
		.max_nbytes = uring.in_flight_nbytes,
		.fixed_buffers = to_choice(uring.fixed_buffers),
		.fixed_files = to_choice(uring.fixed_files),
		.pins_workers = uring.pin_workers,
	};
	return ds_backend_create(cfg, &parts, out);
}

ds_result ds_io_uring_available(char *why, size_t nbytes)
{
	return ds_uring_probe(why, why ? nbytes : 0) ? DS_ERR_UNAVAILABLE : DS_OK;
}
