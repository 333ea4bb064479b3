/* SPDX-License-Identifier: MIT */
/*
 * share.h: the runtime's Vulkan backend on the program's own device, instead of the ring and the
 * copy queue of gpu.h. By DS_VULKAN_SHARE=1, where the D3D12 device tells its Vulkan handles and the
 * Vulkan layer (ds_vulkan_layer.h) is in the process.
 *
 * The backend reads, decodes and copies into buffers, and says so when the bytes are there. Everything
 * else, textures above all, goes the other way.
 */
#ifndef DSTORAGE_SHARE_H
#define DSTORAGE_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "dstorage/include/dstorage.h"

struct request;
struct share;

/* NULL: it cannot be, or nobody asks for it. */
struct share *share_create(ID3D12Device *device);
/* After the queues on it. NULL is a no-op. */
void share_destroy(struct share *s);

/* For DSW_QUEUE_CREATE. */
uint64_t share_handle(const struct share *s);

/* The GPU decodes GDeflate. */
bool share_decodes(const struct share *s);

/*
 * Whether the request goes to the backend, and if so, where to. Its other fields have been
 * checked. s may be NULL.
 */
bool share_takes(const struct share *s, struct request *r);

/*
 * vkd3d-proton clears the memory of a new resource when it next runs a command list: what the
 * runtime writes before that is lost. So a resource is settled once, and marked.
 */
bool share_is_settled(ID3D12Resource *resource);
void share_note_settled(ID3D12Resource *resource);

#endif /* DSTORAGE_SHARE_H */
