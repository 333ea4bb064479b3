/* SPDX-License-Identifier: MIT */
/*
 * copy_struct.c: size-stamped structs in and out, by the rule that Linux uses for
 * its own extensible structs.
 */
#include "base/copy_struct.h"

#include <string.h>

#include "base/util.h"

static bool is_zero(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i])
			return false;
	}
	return true;
}

ds_result ds_copy_config(void *dst, size_t dst_nbytes, const void *src, size_t min_size)
{
	uint32_t size, own = (uint32_t)dst_nbytes;

	memset(dst, 0, dst_nbytes);
	if (src) {
		memcpy(&size, src, sizeof(size));
		if (size < min_size || size > 4096)
			return DS_ERR_INVALID_ARGUMENT;
		if (size > dst_nbytes &&
		    !is_zero((const unsigned char *)src + dst_nbytes, size - dst_nbytes))
			return DS_ERR_INVALID_ARGUMENT;
		memcpy(dst, src, ds_min_u64(size, dst_nbytes));
	}
	memcpy(dst, &own, sizeof(own));
	return DS_OK;
}

ds_result ds_copy_out(void *dst, const void *src, size_t src_nbytes, size_t min_size)
{
	uint32_t size;

	if (!dst)
		return DS_ERR_INVALID_ARGUMENT;
	memcpy(&size, dst, sizeof(size));
	if (size < min_size || size > 4096)
		return DS_ERR_INVALID_ARGUMENT;
	memcpy(dst, src, ds_min_u64(size, src_nbytes));
	if (size > src_nbytes)
		memset((unsigned char *)dst + src_nbytes, 0, size - src_nbytes);
	memcpy(dst, &size, sizeof(size));
	return DS_OK;
}
