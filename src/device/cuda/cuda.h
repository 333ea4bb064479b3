/* SPDX-License-Identifier: MIT */
/* cuda.h: the memory of a CUDA device, as a device of the core; host memory is accepted as well. */
#ifndef DS_DEVICE_CUDA_CUDA_H
#define DS_DEVICE_CUDA_CUDA_H

#include <stdbool.h>

#include "core/device.h"
#include "device/cuda/driver.h"

enum ds_cuda_decode {
	DS_CUDA_DECODE_AUTO,
	DS_CUDA_DECODE_NEVER,
	DS_CUDA_DECODE_ALWAYS,
};

/* The pieces in which files are read and copied. */
struct ds_cuda_chunk_settings {
	uint64_t given_nbytes; /* by the configuration; 0: to be chosen */
	uint64_t usual_nbytes; /* what is chosen without a measurement */
	uint64_t most_nbytes;  /* that may be chosen */
	bool is_measured;
};

struct ds_cuda_settings {
	const char *library; /* NULL: the usual one */
	int device;
	enum ds_cuda_decode decode;
	const void *image; /* of the kernels; NULL: there is none */
	uint32_t kind;	   /* of locations in the device's memory */
	struct ds_cuda_chunk_settings chunk;
};

enum ds_cuda_chunk_origin {
	DS_CUDA_CHUNK_GIVEN,
	DS_CUDA_CHUNK_MEASURED,
	DS_CUDA_CHUNK_USUAL,
};

struct ds_cuda_chunk {
	enum ds_cuda_chunk_origin origin;
	uint64_t nbytes;
	uint64_t measured_ns; /* what that took */
	char why[192];	      /* for people */
};

/* What is known of the way from storage to the device without host memory; for the backend to look up. */
struct ds_cuda_peer {
	bool is_ready; /* targets get a peer_address */
	uint32_t state;
	int code;
	int version;
	unsigned nvfs_version;
	char why[256];
};

enum ds_cuda_state {
	DS_CUDA_READY,
	DS_CUDA_NO_LIBRARY,
	DS_CUDA_BAD_LIBRARY,
	DS_CUDA_NO_DRIVER,
	DS_CUDA_NO_DEVICE,
	DS_CUDA_FAILED,
};

/* What is known of a device without using it. */
struct ds_cuda_info {
	enum ds_cuda_state state;
	cuda_result code;
	int version;
	int nr_devices;
	int compute_capability; /* 90: 9.0 */
	int nr_multiprocessors;
	int numa_node; /* -1: not known */
	uint64_t nbytes;
	char name[64];
	char bus_id[32];
	char why[256]; /* unless READY */
};

/* The kernels of this build, or NULL. */
extern const void *const ds_cuda_image;

/* Looks, and makes no context. Only READY leaves *driver usable. */
void ds_cuda_look(const struct ds_cuda_settings *set, struct cuda_driver *driver,
		  cuda_ordinal *ordinal, struct ds_cuda_info *info);

/* DS_ERR_UNAVAILABLE when there is no such device; info says why. */
ds_result ds_cuda_create(const struct ds_cuda_settings *set, struct ds_cuda_info *info,
			 struct ds_device **out);

/* Whether a device is one of these. */
bool ds_cuda_is(const struct ds_device *d);

/* What follows is for such devices alone. It waits. */
const struct ds_cuda_info *ds_cuda_info(struct ds_device *d);
int ds_cuda_number(struct ds_device *d); /* as CUDA counts */
bool ds_cuda_has_decoder(struct ds_device *d);
/* Before the backend is made. */
void ds_cuda_set_peer(struct ds_device *d, const struct ds_cuda_peer *peer);
const struct ds_cuda_peer *ds_cuda_peer(struct ds_device *d);
/* For the log, as information. */
void ds_cuda_note(struct ds_device *d, const char *message);
/* Once the backend is there. */
const struct ds_cuda_chunk *ds_cuda_chunk(struct ds_device *d);
ds_result ds_cuda_alloc(struct ds_device *d, uint64_t nbytes, uint64_t *address);
ds_result ds_cuda_free(struct ds_device *d, uint64_t address);
ds_result ds_cuda_read(struct ds_device *d, void *to, uint64_t from, uint64_t nbytes);
ds_result ds_cuda_write(struct ds_device *d, uint64_t to, const void *from, uint64_t nbytes);
ds_result ds_cuda_checksum(struct ds_device *d, uint64_t address, uint64_t nbytes, uint64_t *sum);
ds_result ds_cuda_measure(struct ds_device *d, uint64_t *bytes_per_second);

/* For an engine whose threads use the device: makes its context theirs. 0 or -errno. */
int ds_cuda_enter_thread(struct ds_device *d);

#endif /* DS_DEVICE_CUDA_CUDA_H */
