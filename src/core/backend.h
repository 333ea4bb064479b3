/* SPDX-License-Identifier: MIT */
/*
 * backend.h: how a factory puts a backend together.
 */
#ifndef DS_CORE_BACKEND_H
#define DS_CORE_BACKEND_H

#include "core/codec.h"
#include "core/device.h"
#include "core/io_engine.h"
#include "ds_runtime.h"

/* A pairing of parts under a public name. */
struct ds_backend_parts {
	const char *name; /* static */
	/* Makes the engine once staging memory is there; arg is passed through. 0 or -errno. */
	int (*engine_create)(const void *arg, const struct ds_io_config *cfg,
			     struct ds_io_engine **out);
	const void *engine_arg;
	struct ds_device *device; /* the backend's from then on, also on failure */
	/* What a configuration's 0 means here; 0: what it means for host memory. */
	uint64_t default_staging_nbytes;
	uint64_t default_chunk_nbytes;
	const struct ds_codec *const *codecs; /* static, NULL-terminated */
};

/* cfg may be NULL. */
ds_result ds_backend_create(const struct ds_backend_config *cfg,
			    const struct ds_backend_parts *parts, struct ds_backend **out);

#endif /* DS_CORE_BACKEND_H */
