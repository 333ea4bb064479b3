/* SPDX-License-Identifier: MIT */
/*
 * fake_device.h: a device whose memory has no address, made of host memory.
 *
 * DS_LOCATION_MEMORY works as with host memory, but its bytes go through staging memory and
 * this device's thread, which runs operations in random order. So every test of the
 * public API can be run on it, under every sanitizer.
 */
#ifndef TESTS_FAKE_FAKE_DEVICE_H
#define TESTS_FAKE_FAKE_DEVICE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "ds_runtime.h"

/* Also as the source of a write: object is the address; detail, which may be NULL, is this. */
#define DS_LOCATION_FAKE 30

struct fake_watch {
	atomic_uint placed;   /* operations that brought bytes */
	atomic_uint fetched;  /* or took them */
	atomic_uint finished; /* last operations; asked for by giving a watch */
	atomic_uint released;
	int fail_after; /* operations that work before the others fail with DS_ERR_IO; -1: all do */
};

enum fake_decoder {
	FAKE_DECODER_NONE,
	FAKE_DECODER_ALWAYS,
	FAKE_DECODER_SOMETIMES,
};

/* The pread engine with this device. */
ds_result fake_device_make_backend(const struct ds_backend_config *cfg, enum fake_decoder decoder,
				   struct ds_backend **out);

#endif /* TESTS_FAKE_FAKE_DEVICE_H */
