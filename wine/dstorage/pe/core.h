/* SPDX-License-Identifier: MIT */
/*
 * core.h: what the process has once: the configuration, the backend on the Unix side, the
 * staging budget, the list of queues, and the two threads.
 *
 * Locks, in the order in which they nest: the core's list of queues, a queue, the list of
 * GPUs, a GPU, its decoder, the custom decompression queue, the core's settings. No lock is held
 * while a fence or an event of the program is signalled.
 */
#ifndef DSTORAGE_CORE_H
#define DSTORAGE_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "dstorage/include/dstorage.h"

struct queue;

/* Zeroed memory of the process heap. */
void *core_alloc(size_t nbytes);
void core_free(void *p);

/* --------------------------------------------------------------- settings */

HRESULT core_set_configuration(const DSTORAGE_CONFIGURATION2 *cfg);
HRESULT core_set_staging_size(UINT32 nbytes);
UINT64 core_staging_size(void);
/* A new factory begins with the staging size and debug flags of a new process. */
void core_reset_factory_settings(void);
void core_set_debug_flags(UINT32 flags);
UINT32 core_debug_flags(void);
/* Built-in formats are the program's to decompress. */
bool core_offers_builtin(void);
/* Who decodes GDeflate for GPU destinations; by the configuration and DS_WINE_GPU_DECODE. */
struct core_gpu_decoding {
	bool is_off;
	bool always; /* else by who has less to do, and never by a CPU that plays a GPU */
	bool use_vulkan, use_metacommand;
};
struct core_gpu_decoding core_gpu_decoding(void);
/* Requests that exceed the staging size fail, as on Windows; by DS_WINE_STRICT_STAGING=1. */
bool core_is_strict(void);

/* Buffers are loaded on the program's own Vulkan device; by DS_VULKAN_SHARE=1. */
bool core_shares_device(void);
/* Who decodes there, enum dsw_decode; by the configuration and DS_WINE_GPU_DECODE=on|off. */
uint32_t core_native_decode(void);
/* What the settings say of a backend. */
void core_fill_backend(uint64_t *staging_nbytes, uint32_t *decode_workers, uint32_t *buffered);

void core_file_opened(void);
void core_file_closed(void);

/* ------------------------------------------------------------------ queues */

/* Before a queue makes its Unix side: the backend and the threads are there afterwards. */
HRESULT core_queue_opening(struct queue *q);
/* Afterwards no thread of ours looks at the queue. */
void core_queue_gone(struct queue *q);

/* ----------------------------------------------------------------- staging */

/*
 * Memory for bytes on their way, within the staging size as far as possible: a block that is
 * larger than all of it is given when there is no other. S_FALSE: none now; core_kick() will
 * try again.
 */
HRESULT core_take_block(UINT64 nbytes, void **out);
void core_give_block(void *block, UINT64 nbytes);

/* Something was given back that a queue may wait for; core_kick() has to follow. */
void core_note_space(void);
/* Lets queues start what waited for space. Without locks. */
void core_kick(void);

/* Decoded bytes that the CPU has been told to make and has not made yet. */
void core_note_decoding(INT64 nbytes);
UINT64 core_decoding_nbytes(void);

#endif /* DSTORAGE_CORE_H */
