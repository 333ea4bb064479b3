/* SPDX-License-Identifier: MIT */
/*
 * device.h: where the memory of requests lives, and how bytes reach it.
 *
 * Host memory is a device too: the simplest one, whose memory has an address. Memory
 * without one (a GPU's) is reached through staging memory: the core has the engine read into
 * it, and hands it to the device as an operation, which the device runs in its own time, many
 * in one submit, and reports once.
 */
#ifndef DS_CORE_DEVICE_H
#define DS_CORE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/codec.h"
#include "ds_runtime.h"

struct ds_device;

/* The memory side of a request: a destination, or the source of a write, that a device has accepted. */
struct ds_target {
	/*
	 * Where the CPU and the kernel may write it; NULL when it has no address, or when the
	 * device prefers staging memory: then bytes go through that and start().
	 */
	void *address;
	bool is_readable;  /* address can be read at memory speed: codecs decode straight into it */
	bool takes_direct; /* the kernel can pin address: O_DIRECT works */
	bool needs_finish; /* a DS_DEVICE_FINISH has to run once all bytes are there */
	uint64_t object;
	uint64_t offset;
	uint64_t nbytes; /* how many bytes will arrive, or be taken */
	/* For an engine that can read a file straight into a device's memory; 0: there is none. */
	uint64_t peer_address;
	void *state; /* the device's own, until release() */
};

enum ds_device_opcode {
	DS_DEVICE_PLACE,  /* staging memory -> target */
	DS_DEVICE_DECODE, /* units of a stream in staging memory -> target, decoded by the device */
	DS_DEVICE_FETCH,  /* target -> staging memory */
	DS_DEVICE_FINISH, /* all bytes are there: what the target needs at its end */
};

/*
 * One operation. Owned by the core; the device uses `next` and `device_data` until it calls
 * done(), and reads the rest.
 */
struct ds_device_op {
	struct ds_device_op *next;
	uintptr_t device_data[4];
	enum ds_device_opcode opcode;
	bool is_by_driver; /* DECODE: set by the device: decoded with no checks at all */
	bool is_whole; /* PLACE, DECODE, FETCH: the whole of the target, in this one operation */
	const struct ds_target *target;
	void *host;		/* in staging memory, at any address */
	uint64_t host_nbytes;	/* PLACE, FETCH: as many as there are in the target */
	uint64_t target_offset; /* PLACE, FETCH: relative to the target's own */
	/*
	 * DECODE: units [first_unit, first_unit + nr_units) of a stream whose head was
	 * checked; host is where byte stream_offset of the stream lies. codec->unit(head,
	 * all_units, target->nbytes, i, &u) tells where unit i lies; all that it names is inside.
	 */
	const struct ds_codec *codec;
	const void *head;
	uint64_t stream_offset;
	uint64_t decoded_nbytes; /* sum of the units' */
	uint32_t first_unit;
	uint32_t nr_units;
	uint32_t all_units;
	/*
	 * Reports the end, once. By any thread of the device's, or inside start(); no lock held.
	 * The bytes are then where they belong, for the host and for every queue of the device that waits
	 * for what the host has seen. code: the device's own error number, for messages.
	 */
	void (*done)(struct ds_device_op *op, ds_result result, int32_t code);
};

/* What a device gets from the backend that it belongs to. */
struct ds_device_env {
	void *staging;
	size_t staging_nbytes;
	/* Called on each of the device's threads, at its start and before its end. */
	void (*thread_start)(void *arg);
	void (*thread_stop)(void *arg);
	/* Around a row of done() calls on one thread; see ds_io_config. */
	void (*batch_begin)(void);
	void (*batch_end)(void);
	/* One sentence for the log callback. */
	void (*log)(void *arg, int32_t level, ds_result result, int32_t code, const char *message);
	void *arg; /* of all of them that have one */
};

/* All but name, destroy and resolve may be NULL in a device whose memory always has an address. */
struct ds_device_ops {
	const char *name;

	/* The last call. No thread of the device's runs any more. */
	void (*destroy)(struct ds_device *d);

	/*
	 * The backend's staging memory, as the device likes it best: imported, pinned or its own. At
	 * least page-aligned, readable and writable at memory speed. NULL ops: anonymous memory.
	 */
	ds_result (*staging_map)(struct ds_device *d, size_t nbytes, void **base);
	void (*staging_unmap)(struct ds_device *d, void *base, size_t nbytes);

	/* Before the first operation: starts the device's threads. */
	ds_result (*attach)(struct ds_device *d, const struct ds_device_env *env);
	/*
	 * After the last done(): waits until the device's threads have ended. Threads of others may
	 * still be on their way out of start().
	 */
	void (*detach)(struct ds_device *d);

	/*
	 * The pieces in which large reads are cut for this device; 0: it does not care. Asked once,
	 * between attach() and the first operation. May wait for what attach() began.
	 */
	uint64_t (*chunk_nbytes)(struct ds_device *d);

	/*
	 * Checks the memory side of a request for nbytes bytes and fills in *target. The kinds that it
	 * does not know: DS_ERR_UNSUPPORTED. Any thread, with no lock held; does not wait.
	 */
	ds_result (*resolve)(struct ds_device *d, const struct ds_location *loc, uint64_t nbytes,
			     bool is_source, struct ds_target *target);
	/* Gives back target->state; called once for each target that has one. Any thread. */
	void (*release)(struct ds_device *d, struct ds_target *target);

	/*
	 * Starts a list of operations, linked by `next`. Any thread, also inside done(); never waits for
	 * the device. Cannot fail: an operation that cannot be started is reported through done().
	 */
	void (*start)(struct ds_device *d, struct ds_device_op *list);

	/*
	 * In how many nanoseconds a DECODE of so many bytes, in units of this codec, would be done if it
	 * came now; UINT64_MAX: the device cannot, or shall not, decode it; 0: nobody else shall. The core compares that with
	 * what it expects of its own workers. Any thread, with locks held; does not wait.
	 */
	uint64_t (*decode_eta_ns)(struct ds_device *d, const struct ds_codec *codec,
				  const struct ds_target *target, uint64_t decoded_nbytes);
};

struct ds_device {
	const struct ds_device_ops *ops;
};

#endif /* DS_CORE_DEVICE_H */
