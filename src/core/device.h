/* SPDX-License-Identifier: MIT */
/*
 * device.h: where destination memory lives, and how bytes reach it.
 *
 * Host memory is a device too: the simplest one, whose memory has an address.
 */
#ifndef DS_CORE_DEVICE_H
#define DS_CORE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ds_runtime.h"

struct ds_device;

/* A destination that a device has accepted. */
struct ds_target {
	/*
	 * Where the CPU and the kernel may write it; NULL when it has no address: then bytes
	 * go through staging memory and place().
	 */
	void *address;
	bool is_readable; /* address can be read at memory speed: codecs decode straight into it */
	uint64_t object;
	uint64_t offset;
	uint64_t nbytes; /* how many bytes will arrive */
};

/*
 * Bytes on their way from staging memory to a target without an address. Owned by
 * the core; the device uses `next` and `device_data` until done() is called.
 */
struct ds_place_op {
	struct ds_place_op *next;
	uintptr_t device_data;
	const void *src; /* in staging memory */
	uint64_t nbytes;
	const struct ds_target *target;
	uint64_t target_offset; /* relative to the target's own offset */
	void (*done)(struct ds_place_op *op, ds_result result, int32_t code);
};

struct ds_device_ops {
	const char *name;

	void (*destroy)(struct ds_device *d);

	/*
	 * Checks a destination for nbytes bytes and fills in *target. The kinds that it does
	 * not know: DS_ERR_UNSUPPORTED. Any thread, with no lock held; does not wait.
	 */
	ds_result (*resolve)(struct ds_device *d, const struct ds_location *loc, uint64_t nbytes,
			     struct ds_target *target);

	/* Starts a list of placements; NULL for devices whose memory always has an address. */
	void (*place)(struct ds_device *d, struct ds_place_op *list);
};

struct ds_device {
	const struct ds_device_ops *ops;
};

#endif /* DS_CORE_DEVICE_H */
