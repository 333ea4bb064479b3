/* SPDX-License-Identifier: MIT */
/*
 * vk.h: what a Vulkan device is made of, for the files of this folder.
 *
 *	load.c	    the loader
 *	table.c	    the table of functions
 *	choose.c    which device; what it has
 *	open.c	    instance, device and queues: made, or taken over
 *	memory.c    buffers, staging memory, scratch memory
 *	probe.c	    what is measured when the device is made
 *	target.c    the memory side of requests
 *	record.c    image.c   commands
 *	pipeline.c  the pipelines that decode
 *	decoder.c   what that needs; who shall decode
 *	batch.c     a command buffer full of operations
 *	submit.c    the thread that makes and submits batches
 *	complete.c  a thread for each queue, that waits for them
 *	vulkan.c    the device's table of operations
 *
 * Operations wait in lists until the submitting thread takes them. It fills a command buffer with
 * as many as there are and submits that once; each queue raises a timeline semaphore of its own with each
 * submit, and one thread for each queue waits for that. Nothing else waits for the GPU.
 *
 * Locks, in this order: lock; queue_lock. The others are taken alone.
 */
#ifndef DS_DEVICE_VULKAN_VK_H
#define DS_DEVICE_VULKAN_VK_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/device.h"
#include "device/vulkan/api.h"
#include "base/arena.h"
#include "device/vulkan/pipeline.h"
#include "device/vulkan/record.h"
#include "device/vulkan/vulkan.h"

#define DS_VK_MAX_QUEUES      4
#define DS_VK_NR_BATCHES      8 /* command buffers in flight on a queue */
#define DS_VK_MAX_BATCH_OPS   512
#define DS_VK_TABLE_TILES     131072 /* a stream has at most 65535 */
#define DS_VK_TABLE_SLAB      64
#define DS_VK_MAX_BATCH_TILES 16384

/* What a physical device has, and what of it is used. */
struct ds_vk_caps {
	VkPhysicalDevice physical;
	VkPhysicalDeviceProperties properties;
	VkPhysicalDeviceMemoryProperties memory;
	uint8_t uuid[16];
	char driver[64];
	uint32_t subgroup_min, subgroup_max;
	VkShaderStageFlags required_size_stages; /* whose subgroups' size can be required */
	uint32_t nr_multiprocessors;		 /* a guess where the driver does not say */
	uint64_t import_alignment;
	uint32_t features; /* DS_VULKAN_FEATURE_* */
	uint32_t compute_family, transfer_family;
	uint32_t nr_compute_queues, nr_transfer_queues; /* that the families offer */
	bool has_sm_count;
	bool is_unified;
	uint64_t device_nbytes, mapped_nbytes;
};

struct ds_vk_memory {
	VkBuffer buffer;
	VkDeviceMemory memory;
	uint64_t nbytes;
	uint64_t address; /* 0: the device has no addresses */
	unsigned char *mapped;
	uint32_t type;
	VkMemoryPropertyFlags flags;
};

struct ds_vk_queue;

/* A command buffer with operations, from the first one recorded to the last one reported. */
struct ds_vk_batch {
	struct ds_vk_queue *queue;
	VkCommandPool pool;
	VkCommandBuffer commands;
	struct ds_vk_recorder recorder;
	struct ds_device_op *first, **end; /* operations that end with it */
	unsigned nr_ops;
	uint64_t nbytes; /* copied */
	uint64_t submit_ns;
	/* Tiles. */
	uint32_t nr_tiles;    /* for the shader */
	uint32_t nr_regions;  /* for the driver */
	uint32_t table_tiles; /* room for both; 0: none */
	uint64_t table_at;    /* the first one's place in the tables */
	uint64_t decoded_nbytes;
	bool is_few;
};

struct ds_vk_queue {
	struct ds_vk_device *d;
	VkQueue queue;
	uint32_t family;
	bool can_compute;
	VkPipelineStageFlags2 stages; /* that its family has */
	VkSemaphore timeline;
	pthread_t completer;
	pthread_cond_t submitted_more;
	_Atomic uint64_t completed;		      /* written by the completing thread */
	struct ds_vk_batch batches[DS_VK_NR_BATCHES]; /* value % DS_VK_NR_BATCHES */

	/* Of the submitting thread alone. */
	struct ds_device_op *unsent, **unsent_end;
	uint64_t waited[DS_VK_MAX_QUEUES]; /* for the other queues' values */
	bool is_narrow;			   /* its last batch was not for all stages */

	/* Guarded by the device's lock. */
	uint64_t submitted;
	uint64_t retired;  /* completed, and its batch free again */
	unsigned nr_limit; /* batches in flight */
	bool is_stopping;
	uint64_t last_done_ns;
};

/* The memory side of a request that needs more than struct ds_target has room for. */
struct ds_vk_target {
	struct ds_vk_target *next; /* free list */
	VkBuffer buffer;	   /* images: the temporary one, once it is needed */
	uint64_t address;	   /* of the target's first byte; 0: none */
	bool is_image;
	bool is_concurrent;
	bool is_trusted;	 /* the driver may decode what goes there */
	bool is_placed;		 /* an image whose bytes have gone straight into it */
	uint32_t release_family; /* DS_VULKAN_NO_FAMILY: no release */
	struct ds_vk_consumer consumer;
	struct ds_vk_image image;
	struct ds_vk_memory temporary;
};

/* Buffers of ds_vulkan_buffer_create(), by handle. */
struct ds_vk_registry {
	pthread_mutex_t lock;		/* guards all below */
	struct ds_vulkan_buffer *slots; /* open addressing; a NULL buffer is free */
	uint32_t nr_slots, nr_used;
};

/* Rates of decoding, as they were seen last. */
struct ds_vk_rates {
	_Atomic uint64_t bytes_per_us; /* of large dispatches */
	_Atomic uint64_t few_ns;       /* that a small dispatch takes */
	_Atomic uint64_t pending_nbytes;
};

struct ds_vk_counters {
	_Atomic uint64_t submits, copies, copied_nbytes, decodes, decoded_nbytes, tiles, few, many,
		memory_nbytes, mapped_targets, staged_targets, driver_decodes,
		driver_decoded_nbytes;
};

struct ds_vk_device {
	struct ds_device base;
	struct ds_vk_api vk;
	struct ds_vulkan_config cfg;
	struct ds_vk_caps caps;
	VkInstance instance;
	VkDevice device;
	bool is_own;
	struct ds_device_env env;
	bool is_attached;
	_Atomic int lost; /* the VkResult that ended it, or 0 */
	struct ds_vk_counters counters;

	/* Queues: those that compute come first. */
	struct ds_vk_queue queues[DS_VK_MAX_QUEUES];
	unsigned nr_queues, nr_compute;
	pthread_mutex_t queue_lock; /* guards vkQueueSubmit2 on queues of our own */

	/* Memory. */
	uint64_t staging_nbytes;
	struct ds_vk_memory staging;
	bool staging_is_imported;
	uint32_t direct_types;	    /* memory types that the kernel can read files into directly */
	uint64_t mapped_max_nbytes; /* targets up to that size are written through their address */
	struct ds_vk_registry registry;
	pthread_mutex_t targets_lock; /* guards the next one */
	struct ds_vk_target *free_targets;

	/* Decoding. */
	bool can_decode;
	bool is_native;
	bool copies_streams; /* else they are decoded where they lie in staging memory */
	struct ds_vk_pipelines pipelines;
	struct ds_vk_memory scratch, table, status;
	struct ds_vk_tile *tiles; /* of the submitting thread: a batch's table is made here */
	VkDecompressMemoryRegionNV *regions; /* the same for the driver; NULL: it does not decode */
	struct ds_vk_rates rates;

	/* The submitting thread. */
	pthread_t submitter;
	struct ds_device_op *decodes, **decodes_end; /* its own */
	unsigned next_transfer;			     /* its own */
	pthread_mutex_t lock;			     /* guards all below */
	pthread_cond_t wake;
	struct ds_device_op *incoming, **incoming_end;
	uint64_t last_decode_ns; /* when a dispatch was last seen done */
	bool is_kicked;		 /* there is something new to look at */
	bool is_stopping;
	struct ds_arena scratch_arena, table_arena;
};

/* What device_data of an operation holds. */
enum {
	DS_VK_OP_SCRATCH = 0, /* DECODE: offset in scratch memory */
	DS_VK_OP_SCRATCH_NBYTES = 1,
	DS_VK_OP_TILE = 2,   /* DECODE: its first tile's place in the tables */
	DS_VK_OP_RESULT = 3, /* -ds_result that it is going to end with */
};

/* choose.c */
struct ds_vk_caps_list {
	struct ds_vk_caps *all;
	uint32_t nr;
};
ds_result ds_vk_instance_create(struct ds_vk_api *vk, VkInstance *out, char *why,
				size_t why_nbytes);
/* All devices, best first. *list is to be freed. */
ds_result ds_vk_list_devices(const struct ds_vk_api *vk, VkInstance instance,
			     struct ds_vk_caps_list *list);
void ds_vk_get_caps(const struct ds_vk_api *vk, VkPhysicalDevice physical, struct ds_vk_caps *caps);
/* 0: there is no such family. */
VkQueueFlags ds_vk_family_flags(const struct ds_vk_api *vk, VkPhysicalDevice physical,
				uint32_t family);
/* NULL: it will do; else what it lacks. */
const char *ds_vk_lacks(const struct ds_vk_caps *caps);
void ds_vk_describe_caps(const struct ds_vk_caps *caps, struct ds_vulkan_device_info *info);

/* open.c */
ds_result ds_vk_open(struct ds_vk_device *d, char *why, size_t why_nbytes);
void ds_vk_close(struct ds_vk_device *d);

/* memory.c */
enum ds_vk_memory_kind {
	DS_VK_MEMORY_DEVICE, /* the device's; not mapped */
	DS_VK_MEMORY_BAR,    /* the device's, mapped; fails where there is none */
	DS_VK_MEMORY_UPLOAD, /* mapped; the device's if possible */
	DS_VK_MEMORY_HOST,   /* mapped, cached if possible */
};
ds_result ds_vk_memory_create(struct ds_vk_device *d, enum ds_vk_memory_kind kind, uint64_t nbytes,
			      VkBufferUsageFlags extra_usage, struct ds_vk_memory *out);
void ds_vk_memory_destroy(struct ds_vk_device *d, struct ds_vk_memory *m);
ds_result ds_vk_staging_create(struct ds_vk_device *d, size_t nbytes, void **base);
void ds_vk_staging_destroy(struct ds_vk_device *d, void *base, size_t nbytes);
bool ds_vk_registry_find(struct ds_vk_device *d, VkBuffer buffer, struct ds_vulkan_buffer *out);

/* Whether pages of the process can be imported; tried with a few. */
bool ds_vk_can_import(struct ds_vk_device *d);

/* probe.c */
void ds_vk_probe_direct(struct ds_vk_device *d);
/* How large a request may be so that the host writes it faster than it could be staged. */
void ds_vk_probe_mapped(struct ds_vk_device *d);

/* target.c */
ds_result ds_vk_resolve(struct ds_device *base, const struct ds_location *loc, uint64_t nbytes,
			bool is_source, struct ds_target *target);
void ds_vk_release(struct ds_device *base, struct ds_target *target);
void ds_vk_targets_fini(struct ds_vk_device *d);

/* decoder.c */
ds_result ds_vk_decoder_init(struct ds_vk_device *d);
void ds_vk_decoder_fini(struct ds_vk_device *d);
uint64_t ds_vk_decode_eta_ns(struct ds_device *base, const struct ds_codec *codec,
			     const struct ds_target *target, uint64_t decoded_nbytes);
void ds_vk_decode_measured(struct ds_vk_device *d, const struct ds_vk_batch *b, uint64_t busy_ns,
			   uint64_t latency_ns);

/* batch.c */
ds_result ds_vk_batches_init(struct ds_vk_queue *q);
void ds_vk_batches_fini(struct ds_vk_queue *q);
/* The next free one, recording. NULL: none is free, or *result says what failed. */
struct ds_vk_batch *ds_vk_batch_begin(struct ds_vk_queue *q, VkResult *result);
/* Records PLACE, FETCH or FINISH. Not DS_OK: it is not in the batch. */
ds_result ds_vk_batch_add(struct ds_vk_batch *b, struct ds_device_op *op);
/*
 * Takes operations from the device's list of decodes, as many as fit, and records their copies
 * into `copies` (which may be b itself). Those that fail go to *failed.
 */
void ds_vk_batch_take_decodes(struct ds_vk_batch *b, struct ds_vk_batch *copies,
			      struct ds_device_op **failed);
void ds_vk_batch_dispatch(struct ds_vk_batch *b);
/* Submits it. after: a queue whose newest value is to be waited for, or NULL. */
VkResult ds_vk_batch_submit(struct ds_vk_batch *b, const struct ds_vk_queue *after);
/* Takes all operations out; gives back what they hold. With the lock. */
struct ds_device_op *ds_vk_batch_retire(struct ds_vk_batch *b, bool check_status);

/* submit.c */
ds_result ds_vk_submitter_start(struct ds_vk_device *d);
void ds_vk_submitter_stop(struct ds_vk_device *d);
void ds_vk_start(struct ds_device *base, struct ds_device_op *list);
/* Something has become free. With the lock. */
void ds_vk_kick(struct ds_vk_device *d);
/* Reports a list of operations. No lock held. */
void ds_vk_report(struct ds_vk_device *d, struct ds_device_op *list, ds_result result,
		  VkResult code);
ds_result ds_vk_result(VkResult result);
/* Notes that the device is gone; says so once. */
void ds_vk_lose(struct ds_vk_device *d, VkResult result, const char *what);

/* complete.c */
ds_result ds_vk_completer_start(struct ds_vk_queue *q);
void ds_vk_completer_stop(struct ds_vk_queue *q);

static inline unsigned ds_vk_index(const struct ds_vk_queue *q)
{
	return (unsigned)(q - q->d->queues);
}

static inline void ds_vk_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

#endif /* DS_DEVICE_VULKAN_VK_H */
