/* SPDX-License-Identifier: MIT */
/*
 * ds_runtime_vulkan.h: the Vulkan backend.
 *
 * Brings file bytes into Vulkan buffers and images and back, and decodes GDeflate on the GPU. It
 * works on a device of its own, or on one that the caller shares. Requests into
 * host memory are as on the other backends. docs/vulkan.md tells how to fit it into a
 * renderer.
 *
 *	struct ds_backend *be;
 *	struct ds_vulkan_buffer buf = DS_VULKAN_BUFFER_INIT;
 *
 *	ds_make_vulkan_backend(NULL, NULL, &be);
 *	ds_vulkan_buffer_create(be, nbytes, 0, DS_VULKAN_MEMORY_DEVICE, &buf);
 *	...
 *	r.destination.kind = DS_LOCATION_VULKAN_BUFFER;
 *	r.destination.object = ds_vulkan_object(buf.buffer);
 *	r.destination.nbytes = nbytes;
 *
 * Needs a device of Vulkan 1.3. The Vulkan loader is opened at run time; a program that
 * includes this header needs neither it nor the Vulkan headers.
 */
#ifndef DS_RUNTIME_VULKAN_H
#define DS_RUNTIME_VULKAN_H

#include "ds_runtime.h"

/* The same types as in vulkan/vulkan_core.h, before or after which this may be included. */
#if !defined(VULKAN_CORE_H_)
#if !defined(__LP64__) && !defined(__x86_64__)
#error "include vulkan/vulkan_core.h before ds_runtime_vulkan.h"
#endif
typedef struct VkInstance_T *VkInstance;
typedef struct VkPhysicalDevice_T *VkPhysicalDevice;
typedef struct VkDevice_T *VkDevice;
typedef struct VkQueue_T *VkQueue;
typedef struct VkSemaphore_T *VkSemaphore;
typedef struct VkBuffer_T *VkBuffer;
typedef struct VkDeviceMemory_T *VkDeviceMemory;
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A handle as ds_location.object holds it. */
#define ds_vulkan_object(handle) ((uint64_t)(uintptr_t)(handle))

/* ------------------------------------------------------------- the backend */

/* Who decodes GDeflate. Zstandard is always decoded on the CPU. */
enum {
	DS_VULKAN_DECODE_AUTO = 0, /* whoever is expected to be done first */
	DS_VULKAN_DECODE_CPU = 1,
	DS_VULKAN_DECODE_GPU =
		2, /* wherever it can: buffers without a device address go by the CPU */
};

/* How bytes get into device memory. */
enum {
	/*
	 * Memory that the host has mapped: always where the device has no memory of its own, else up
	 * to the size at which staging memory is faster (measured when the backend is made).
	 */
	DS_VULKAN_PATH_AUTO = 0,
	DS_VULKAN_PATH_MAPPED = 1, /* written by the host wherever the memory is mapped */
	DS_VULKAN_PATH_STAGED = 2, /* always through staging memory and the device's copy queue */
};

/* What staging memory is. */
enum {
	DS_VULKAN_STAGING_AUTO = 0,	/* imported where the device can, else mapped */
	DS_VULKAN_STAGING_IMPORTED = 1, /* pages of the process, VK_EXT_external_memory_host */
	DS_VULKAN_STAGING_MAPPED = 2,	/* the driver's host-visible memory */
};

/* What was enabled on a shared device. */
enum {
	/* timelineSemaphore and synchronization2. There is no backend without. */
	DS_VULKAN_FEATURE_SYNC = 1u << 0,
	/*
	 * bufferDeviceAddress, shaderInt8, shaderInt16, shaderInt64, storageBuffer8BitAccess and
	 * scalarBlockLayout. Without, GDeflate is decoded on the CPU.
	 */
	DS_VULKAN_FEATURE_DECODE = 1u << 1,
	/* subgroupSizeControl and computeFullSubgroups. Without, decoding is slower. */
	DS_VULKAN_FEATURE_SUBGROUPS = 1u << 2,
	/* The extension VK_EXT_external_memory_host. Without, staging memory is the driver's. */
	DS_VULKAN_FEATURE_IMPORT = 1u << 3,
	/*
	 * The extension VK_NV_memory_decompression, with memoryDecompression, on a device whose
	 * decompressionMethods have GDeflate. Without, DS_VULKAN_TRUSTED changes nothing.
	 */
	DS_VULKAN_FEATURE_DRIVER_DECODE = 1u << 4,
};

/* Of ds_vulkan_config. */
enum {
	/*
	 * GDeflate may be decoded by the driver's own decompression, where it is decoded on the GPU and the
	 * request's destination is DS_VULKAN_TRUSTED. Nothing else uses it.
	 */
	DS_VULKAN_USE_DRIVER_DECODE = 1u << 0,
};

/* A queue of the caller's. */
struct ds_vulkan_queue {
	VkQueue queue;
	uint32_t family;
	uint32_t reserved;
};

/*
 * All fields: zero means the default.
 *
 * A device of its own is made when `device` is NULL: of all devices of Vulkan 1.3 whose name
 * contains device_name and whose deviceUUID is device_uuid (where those are given) the first
 * discrete GPU, else integrated, else virtual, else a CPU.
 *
 * A shared device: instance, physical_device, device, compute_queue and features are then
 * required. Instance and device must have been created for Vulkan 1.3. They stay the caller's, who
 * keeps them until the backend is gone (see ds_backend_destroy()). Around each
 * submit to a queue of the caller's, lock_queue and unlock_queue are called, on a thread of the
 * backend's; they may be NULL if nobody else submits to these queues. They must not call the
 * runtime.
 */
struct ds_vulkan_config {
	uint32_t size;
	int32_t decode;	 /* DS_VULKAN_DECODE_* */
	int32_t path;	 /* DS_VULKAN_PATH_* */
	int32_t staging; /* DS_VULKAN_STAGING_* */
	const char *device_name;
	const uint8_t *device_uuid; /* 16 bytes */
	/* PFN_vkGetInstanceProcAddr. NULL: that of libvulkan.so.1. For both kinds of devices. */
	void (*(*get_instance_proc_addr)(VkInstance instance, const char *name))(void);
	VkInstance instance;
	VkPhysicalDevice physical_device;
	VkDevice device;
	struct ds_vulkan_queue compute_queue;  /* of a family with compute (or graphics too) */
	struct ds_vulkan_queue transfer_queue; /* of a transfer-only family; optional */
	uint32_t features;		       /* DS_VULKAN_FEATURE_* */
	uint32_t flags;			       /* DS_VULKAN_USE_* */
	void (*lock_queue)(void *user_data, VkQueue queue);
	void (*unlock_queue)(void *user_data, VkQueue queue);
	void *lock_user_data;
	/* Where to write one sentence about why the backend cannot be made; may be NULL. */
	char *why;
	uint64_t why_nbytes;
};
#define DS_VULKAN_CONFIG_INIT DS_INIT_(struct ds_vulkan_config)

/*
 * ds_make_vulkan_backend() - a backend for a Vulkan device.
 *
 * Reads with io_uring where that works, else with a pool of threads. Unless configured,
 * staging_nbytes is 256 MiB and chunk_nbytes 4 MiB. Both configurations may be NULL.
 *
 * On a GPU with memory of its own, the device holds as much memory again as there is staging
 * memory, for compressed bytes on their way to the decoder (not with DS_VULKAN_DECODE_CPU).
 *
 * Returns DS_ERR_UNAVAILABLE when there is no loader, no device that will do, or the library was
 * built without Vulkan, DS_ERR_NO_MEMORY, or as ds_make_cpu_backend().
 */
DS_API ds_result ds_make_vulkan_backend(const struct ds_backend_config *cfg,
					const struct ds_vulkan_config *vulkan,
					struct ds_backend **out);

/* ------------------------------------------------------------ destinations */

/*
 * DS_LOCATION_VULKAN_BUFFER  object: the VkBuffer; offset: in it; detail: a
 *	struct ds_vulkan_buffer_detail, or NULL for a buffer of ds_vulkan_buffer_create().
 *	As a destination, with or without a codec; as a source of writes to files and memory.
 * DS_LOCATION_VULKAN_IMAGE   object: the VkImage; offset: 0; detail: a struct
 *	ds_vulkan_image_detail. As a destination only.
 *
 * Of an object that requests are in flight for, the caller keeps its hands, on all queues, but for
 * parts of buffers that no request names. What is in it from before must have been waited for.
 *
 * When a request has ended COMPLETE its bytes are there for every command that is
 * submitted afterwards, and for those that wait for a fence of ds_vulkan_fence_create(): the caller
 * needs no barrier of its own, but for the acquiring half of an ownership transfer that it asked for.
 * They are there for the stages and accesses that the detail names, and for all (those
 * of the host too) if it names none. Naming them lets commands behind the load on the same queue begin before it
 * has ended, where they have other stages.
 *
 *	stages	  VkPipelineStageFlags2 of the commands that use the bytes first; 0: all, and then
 *		  accesses must be 0 too
 *	accesses  VkAccessFlags2 of theirs; 0: all that these stages have
 *
 * They stand in a barrier as they are: what is valid there is Vulkan's to say. Stages that the
 * queue of the backend's lacks (the commands are then on another one) count as 0. So they do
 * with RELEASE: the acquiring barrier has them. Bytes that the host writes through the
 * mapping need no barrier. Sources have no use for them.
 */
enum {
	DS_LOCATION_VULKAN_BUFFER = DS_LOCATION_DEVICE_FIRST,
	DS_LOCATION_VULKAN_IMAGE = DS_LOCATION_DEVICE_FIRST + 1,
};

enum {
	/*
	 * The buffer was created with VK_SHARING_MODE_CONCURRENT for all queue families of the backend
	 * (ds_vulkan_get_handles() tells them) and of its other users. Others are only used
	 * on the family of the compute queue.
	 */
	DS_VULKAN_CONCURRENT = 1u << 0,
	/*
	 * At the end the object is released from the compute queue's family to queue_family:
	 * a barrier over the request's range of the buffer, or over the subresources of the
	 * image (oldLayout TRANSFER_DST_OPTIMAL, newLayout new_layout, a barrier for each layer).
	 * The caller records the identical acquiring barriers. Without effect
	 * when the families are the same, or with CONCURRENT.
	 */
	DS_VULKAN_RELEASE = 1u << 1,
	/*
	 * The caller vouches for the compressed bytes: they are as an encoder has made them. With
	 * DS_VULKAN_USE_DRIVER_DECODE the driver may then decode them. It reports no errors, and
	 * what it does with other bytes is undefined: it may write anywhere in the device's
	 * memory. Only the stream's head is checked. ds_completion.bytes_driver_decoded tells whether it was so.
	 */
	DS_VULKAN_TRUSTED = 1u << 2,
};

/*
 * With nbytes, usage and all else 0 but stages, accesses and the flag TRUSTED, it is a buffer of
 * ds_vulkan_buffer_create(), of which the backend knows the rest.
 */
struct ds_vulkan_buffer_detail {
	uint32_t size;
	uint32_t flags;	 /* DS_VULKAN_* */
	uint64_t nbytes; /* the buffer's size */
	/*
	 * VkBufferUsageFlags. TRANSFER_DST is needed of a destination, TRANSFER_SRC of a
	 * source; SHADER_DEVICE_ADDRESS for decoding on the GPU.
	 */
	uint32_t usage;
	uint32_t queue_family; /* for RELEASE */
	void *mapped;	       /* where the host has the buffer's first byte, or NULL */
	uint32_t memory_type;  /* of the memory bound to it; with mapped only */
	uint32_t reserved;
	uint64_t device_address; /* of the first byte; 0: it is asked for when needed */
	uint64_t stages;	 /* who uses the bytes: see above */
	uint64_t accesses;
};
#define DS_VULKAN_BUFFER_DETAIL_INIT DS_INIT_(struct ds_vulkan_buffer_detail)

/* What part of an image the bytes are. */
enum {
	/*
	 * All subresources from (mip, layer) on to the image's last, in the order of their numbers:
	 * mip + layer * nr_mips.
	 */
	DS_VULKAN_IMAGE_ALL = 0,
	DS_VULKAN_IMAGE_REGION = 1, /* x, y, z, width, height, depth of one subresource */
};

/* How the bytes are laid out. Rows are rows of blocks where the format has blocks. */
enum {
	DS_VULKAN_DATA_TIGHT = 0, /* rows, slices and subresources one after another */
	/*
	 * As D3D12's copyable footprints: rows begin 256-aligned, subresources 512-aligned, both
	 * counted from the first byte; the last row ends with its last block.
	 */
	DS_VULKAN_DATA_D3D12 = 1,
};

/*
 * VkImageUsageFlags must include TRANSFER_DST. Its samples are 1. An image is written on the
 * family of the compute queue. The bytes must be as many as the part takes in that layout.
 *
 * The subresources that are written are in old_layout before (UNDEFINED, the default: their old contents
 * may be lost, also outside of a region) and in new_layout afterwards.
 */
struct ds_vulkan_image_detail {
	uint32_t size;
	uint32_t flags;	       /* DS_VULKAN_* */
	uint32_t block_nbytes; /* of a texel block: 4 for RGBA8, 8 for BC1; 1 to 32 */
	uint32_t block_width;  /* in texels; 0: 1 */
	uint32_t block_height;
	uint32_t aspect; /* one VkImageAspectFlagBits; 0: color */
	/* The image: extent of mip 0 in texels; 0: 1. */
	uint32_t image_width;
	uint32_t image_height;
	uint32_t image_depth;
	uint32_t nr_mips;   /* 0: 1 */
	uint32_t nr_layers; /* 0: 1 */
	uint32_t part;	    /* DS_VULKAN_IMAGE_* */
	uint32_t mip;
	uint32_t layer;
	/* REGION: in texels of that mip. Width 0: the whole subresource. */
	uint32_t x, y, z;
	uint32_t width, height, depth;
	uint32_t data;	       /* DS_VULKAN_DATA_* */
	uint32_t old_layout;   /* VkImageLayout */
	uint32_t new_layout;   /* VkImageLayout; 0: SHADER_READ_ONLY_OPTIMAL */
	uint32_t queue_family; /* for RELEASE */
	uint64_t stages;       /* who uses the image, in new_layout: see above */
	uint64_t accesses;
};
#define DS_VULKAN_IMAGE_DETAIL_INIT DS_INIT_(struct ds_vulkan_image_detail)

/*
 * ds_vulkan_image_nbytes() - how many bytes that part of the image takes in that layout.
 *
 * 0: the description makes no sense.
 */
DS_API uint64_t ds_vulkan_image_nbytes(const struct ds_vulkan_image_detail *detail);

/* ----------------------------------------------------------------- buffers */

enum {
	DS_VULKAN_MEMORY_DEVICE = 0, /* the GPU's; mapped where that can be of use */
	DS_VULKAN_MEMORY_HOST = 1,   /* for reading results: mapped, and cached if possible */
};

/* A buffer made by ds_vulkan_buffer_create(). The caller changes nothing in it. */
struct ds_vulkan_buffer {
	uint32_t size;
	uint32_t memory_type;
	VkBuffer buffer;
	VkDeviceMemory memory;
	uint64_t nbytes;
	void *mapped;		 /* NULL: not mapped */
	uint64_t device_address; /* 0: the device lacks bufferDeviceAddress */
	uint32_t usage;
	uint32_t memory_flags; /* VkMemoryPropertyFlags */
};
#define DS_VULKAN_BUFFER_INIT DS_INIT_(struct ds_vulkan_buffer)

/*
 * ds_vulkan_buffer_create() - a buffer that suits the backend, on its device.
 *
 * For reading, writing and decoding (usage TRANSFER_SRC, TRANSFER_DST, STORAGE_BUFFER and, where the
 * device has it, SHADER_DEVICE_ADDRESS) and for what extra_usage (VkBufferUsageFlags) adds.
 * Concurrent between the backend's queue families. Requests need no detail for it.
 *
 * DS_ERR_NO_MEMORY, DS_ERR_INVALID_ARGUMENT (also: the backend is no Vulkan backend).
 * The caller gives it back with ds_vulkan_buffer_destroy(), before the backend, when no request
 * uses it.
 */
DS_API ds_result ds_vulkan_buffer_create(struct ds_backend *be, uint64_t nbytes,
					 uint32_t extra_usage, int32_t memory,
					 struct ds_vulkan_buffer *out);
/* A zeroed buffer is a no-op. *buffer is zeroed but for its size. */
DS_API void ds_vulkan_buffer_destroy(struct ds_backend *be, struct ds_vulkan_buffer *buffer);

/* --------------------------------------------------------- synchronisation */

/*
 * ds_vulkan_fence_create() - a fence that also raises a timeline semaphore.
 *
 * For ds_queue_enqueue_signal(): once the marker fires, the semaphore has that value, and what
 * waits for it on the GPU goes on, without a thread of the caller's. The semaphore
 * stays the caller's. Both are kept until the last marker on the fence has fired; the fence is
 * destroyed before the backend. Values that the semaphore has passed by other means are skipped.
 *
 * DS_ERR_INVALID_ARGUMENT if it is not of a Vulkan backend; DS_ERR_DEVICE_LOST.
 */
DS_API ds_result ds_vulkan_fence_create(struct ds_backend *be, VkSemaphore timeline,
					struct ds_fence **out);

/* ------------------------------------------------------------- information */

#define DS_VULKAN_NO_FAMILY UINT32_MAX

struct ds_vulkan_heap {
	uint64_t nbytes;
	uint32_t flags; /* VkMemoryHeapFlags */
	uint32_t reserved;
};

/* What is known of a device. */
struct ds_vulkan_device_info {
	uint32_t size;
	uint32_t type; /* VkPhysicalDeviceType */
	uint32_t api_version;
	uint32_t driver_version;
	uint32_t vendor_id;
	uint32_t device_id;
	uint8_t uuid[16];
	char name[256];
	char driver[64];
	uint32_t nr_heaps;
	uint32_t features; /* DS_VULKAN_FEATURE_* that it has (enumerated) or that are in use */
	struct ds_vulkan_heap heaps[16];
	uint64_t device_nbytes; /* memory of its own: the largest heap that is DEVICE_LOCAL */
	uint64_t mapped_nbytes; /* of that heap, how much the host can map; 256 MiB or all */
	uint32_t is_unified;	/* 1: there is no memory but the host's */
	uint32_t subgroup_min;
	uint32_t subgroup_max;
	uint32_t compute_family;
	uint32_t transfer_family; /* DS_VULKAN_NO_FAMILY: the compute queue copies */
	uint32_t is_usable;	  /* 0: `reason` says what it lacks */
	char reason[128];
	/* Of a backend's device only: */
	int32_t path;		    /* DS_VULKAN_PATH_*: what it was made for */
	int32_t staging;	    /* DS_VULKAN_STAGING_*: what was got */
	int32_t decode;		    /* DS_VULKAN_DECODE_*: CPU where the GPU cannot */
	uint32_t decode_is_native;  /* 1: with subgroups of 32 */
	uint64_t mapped_max_nbytes; /* requests up to this size are written by the host */
	uint32_t nr_compute_queues;
	uint32_t nr_transfer_queues;
	uint32_t takes_direct; /* 1: O_DIRECT reads work into mapped device memory */
	uint32_t reserved;
};
#define DS_VULKAN_DEVICE_INFO_INIT DS_INIT_(struct ds_vulkan_device_info)

/*
 * ds_vulkan_enumerate_devices() - the devices of this machine, whether or not they will do.
 *
 * Writes up to max of them (all have the size of out[0]) and their number to *count. Makes an
 * instance, but no device. DS_ERR_UNAVAILABLE: there are none, and why (of why_nbytes, may be
 * NULL) gets a sentence. The order is that in which a backend would choose.
 */
DS_API ds_result ds_vulkan_enumerate_devices(struct ds_vulkan_device_info *out, uint32_t max,
					     uint32_t *count, char *why, size_t why_nbytes);

/* The device of a backend. */
DS_API ds_result ds_vulkan_get_device_info(struct ds_backend *be,
					   struct ds_vulkan_device_info *info);

/*
 * What a backend works with, so that a program can use its device. The
 * handles are the backend's (or those that it was given) and live as long as it.
 */
struct ds_vulkan_handles {
	uint32_t size;
	uint32_t nr_families; /* of the backend's queues; for CONCURRENT buffers */
	uint32_t families[4];
	VkInstance instance;
	VkPhysicalDevice physical_device;
	VkDevice device;
	/* The compute queue. Submit to it between ds_vulkan_lock_queue() and _unlock_queue(). */
	VkQueue queue;
	uint32_t queue_family;
	uint32_t reserved;
	void (*(*get_instance_proc_addr)(VkInstance instance, const char *name))(void);
};
#define DS_VULKAN_HANDLES_INIT DS_INIT_(struct ds_vulkan_handles)

DS_API ds_result ds_vulkan_get_handles(struct ds_backend *be, struct ds_vulkan_handles *handles);

/* With a shared device these call the caller's own lock. */
DS_API void ds_vulkan_lock_queue(struct ds_backend *be);
DS_API void ds_vulkan_unlock_queue(struct ds_backend *be);

/* What the GPU has done. Fields may be a few operations apart. */
struct ds_vulkan_stats {
	uint32_t size;
	uint32_t reserved;
	uint64_t submits;
	uint64_t copies;	/* operations that copied between staging and device memory */
	uint64_t copied_nbytes; /* by the device, compressed bytes included */
	uint64_t decodes;	/* operations that were decoded on the GPU */
	uint64_t decoded_nbytes;
	uint64_t tiles;
	uint64_t dispatches_few; /* by the variant for few tiles, and that for many */
	uint64_t dispatches_many;
	uint64_t device_memory_nbytes; /* that the backend itself holds now */
	uint64_t mapped_targets; /* requests that the host wrote straight into device memory */
	uint64_t staged_targets;
	uint64_t driver_decodes; /* of `decodes`, by the driver's own decompression */
	uint64_t driver_decoded_nbytes;
};
#define DS_VULKAN_STATS_INIT DS_INIT_(struct ds_vulkan_stats)

DS_API ds_result ds_vulkan_get_stats(struct ds_backend *be, struct ds_vulkan_stats *stats);

#ifdef __cplusplus
}
#endif

#endif /* DS_RUNTIME_VULKAN_H */
