/* SPDX-License-Identifier: MIT */
/* uring_missing.c: the io_uring backend of a build without liburing. */
#include <stdio.h>

#include "ds_runtime_uring.h"

ds_result ds_make_io_uring_backend(const struct ds_backend_config *cfg,
				   const struct ds_uring_config *uring, struct ds_backend **out)
{
	(void)cfg;
	(void)uring;
	(void)out;
	return DS_ERR_UNAVAILABLE;
}

ds_result ds_io_uring_available(char *why, size_t nbytes)
{
	if (why && nbytes)
		snprintf(why, nbytes, "the library was built without liburing");
	return DS_ERR_UNAVAILABLE;
}
