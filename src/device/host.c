/* SPDX-License-Identifier: MIT */
/* host.c: host memory. It has an address, so nothing is ever placed. */
#include "device/host.h"

static void host_destroy(struct ds_device *d)
{
	(void)d;
}

ds_result ds_host_resolve(const struct ds_location *loc, uint64_t nbytes, struct ds_target *target)
{
	if (!loc->data && nbytes)
		return DS_ERR_INVALID_ARGUMENT;
	if (nbytes > UINTPTR_MAX - (uintptr_t)loc->data)
		return DS_ERR_OUT_OF_RANGE;
	*target = (struct ds_target){
		.address = loc->data,
		.is_readable = true,
		.takes_direct = true,
		.nbytes = nbytes,
	};
	return DS_OK;
}

static ds_result host_resolve(struct ds_device *d, const struct ds_location *loc, uint64_t nbytes,
			      bool is_source, struct ds_target *target)
{
	(void)d;
	(void)is_source;
	if (loc->kind == DS_LOCATION_NONE)
		return DS_ERR_INVALID_ARGUMENT;
	if (loc->kind != DS_LOCATION_MEMORY)
		return DS_ERR_UNSUPPORTED;
	return ds_host_resolve(loc, nbytes, target);
}

static const struct ds_device_ops host_ops = {
	.name = "host",
	.destroy = host_destroy,
	.resolve = host_resolve,
};

struct ds_device *ds_host_device(void)
{
	static struct ds_device host = { .ops = &host_ops };

	return &host;
}
