/* SPDX-License-Identifier: MIT */
/*
 * unix_calls.h: how the PE half of dstorage.dll calls its Unix half.
 *
 * Both halves compile this header, each with its own compiler and its own idea of `long`
 * and of calling conventions: so there are fixed widths only, pointers travel as uint64_t,
 * and padding is written out. The halves share one address space. A call returns 0 or a
 * negative ds_result; its further results are fields of its struct.
 */
#ifndef DSTORAGE_UNIX_CALLS_H
#define DSTORAGE_UNIX_CALLS_H

#include <stdint.h>

/* Changes with every change of this file: halves of different builds refuse each other. */
#define DSW_VERSION 4

enum dsw_code {
	DSW_INIT,
	DSW_PRINT,
	DSW_BACKEND_CREATE,
	DSW_BACKEND_DESTROY,
	DSW_FILE_FROM_FD,
	DSW_FILE_FROM_PATH,
	DSW_FILE_CLOSE,
	DSW_QUEUE_CREATE,
	DSW_QUEUE_DESTROY,
	DSW_QUEUE_START,
	DSW_QUEUE_CANCEL,
	DSW_WAIT,
	DSW_CODEC_BOUND,
	DSW_CODEC_COMPRESS,
	DSW_CODEC_DECOMPRESS,
	DSW_SHARE_WATCH,
	DSW_SHARE_OPEN,
	DSW_SHARE_CLOSE,
	DSW_SHARE_CHECK,
	DSW_GDEFLATE_TILES,
	DSW_NR_CODES,
};

/* The numbers of DSTORAGE_COMPRESSION_FORMAT. */
enum dsw_format {
	DSW_FORMAT_NONE = 0,
	DSW_FORMAT_GDEFLATE = 1,
	DSW_FORMAT_ZSTD = 2,
};

enum dsw_engine {
	DSW_ENGINE_AUTO = 0, /* io_uring where it works, else the thread pool */
	DSW_ENGINE_CPU = 1,
	DSW_ENGINE_URING = 2,
};

struct dsw_init {
	uint32_t version;  /* in */
	uint32_t has_zstd; /* out */
};

/* Writes text to standard error as it is. */
struct dsw_print {
	uint64_t text;
	uint32_t nbytes;
	uint32_t pad;
};

/* There is one backend at a time; it goes only when no queue uses it. */
struct dsw_backend_create {
	uint64_t staging_nbytes; /* 0: the runtime's default */
	uint32_t decode_workers; /* 0: the runtime's default */
	uint32_t buffered;	 /* 1: all files through the page cache */
	uint32_t engine;	 /* enum dsw_engine */
	uint32_t used_engine;	 /* out */
};

struct dsw_file_from_fd {
	int32_t fd; /* the Unix half's from here on, whatever the result */
	uint32_t pad;
	uint64_t file; /* out */
};

struct dsw_file_from_path {
	uint64_t path; /* zero-terminated, as the Unix side spells it */
	uint64_t file; /* out */
};

struct dsw_file_close {
	uint64_t file;
};

struct dsw_queue_create {
	uint64_t name;	   /* zero-terminated, or 0 */
	uint32_t capacity; /* requests that may be started at the same time */
	int32_t priority;  /* DSTORAGE_PRIORITY */
	uint64_t queue;	   /* out */
	uint64_t share;	   /* of DSW_SHARE_OPEN, or 0: the one backend */
};

struct dsw_queue_destroy {
	uint64_t queue;
};

/* One transfer into memory, or into a buffer of a shared device. */
struct dsw_request {
	uint64_t cookie; /* comes back with the completion */
	uint64_t file;	 /* 0: the source is memory at `source` */
	uint64_t source; /* an address, or the offset in the file */
	uint64_t source_nbytes;
	uint64_t destination; /* an address, or the offset in the buffer */
	uint64_t destination_nbytes;
	uint64_t buffer; /* a VkBuffer, on a queue of a shared device, or 0 */
	uint32_t format; /* enum dsw_format; with one, destination_nbytes is the decoded size */
	int32_t result;	 /* out: why this one was refused, else 0 */
	uint64_t id;	 /* out: names it for DSW_QUEUE_CANCEL */
	uint64_t name;	 /* zero-terminated, for messages, or 0 */
};

/* Hands over and starts requests. Ends early, without an error, when the runtime has no room. */
struct dsw_queue_start {
	uint64_t queue;
	uint64_t requests; /* struct dsw_request[count] */
	uint32_t count;
	uint32_t taken; /* out: the first so many were started, or refused by their result */
};

/* Returns when none of them can touch memory any more. All of them are still reported. */
struct dsw_queue_cancel {
	uint64_t queue;
	uint64_t ids; /* uint64_t[count] */
	uint32_t count;
	uint32_t pad;
};

struct dsw_completion {
	uint64_t cookie;
	int32_t result; /* ds_result */
	uint32_t is_cancelled;
};

/* Waits for completions of any queue. */
struct dsw_wait {
	uint64_t completions; /* struct dsw_completion[max] */
	uint32_t max;
	uint32_t count;	    /* out */
	int32_t timeout_ms; /* -1: for ever */
	uint32_t pad;
};

struct dsw_codec_bound {
	uint32_t format;
	uint32_t pad;
	uint64_t nbytes;
	uint64_t bound; /* out; 0: no such format, or too large */
};

struct dsw_codec_run {
	uint32_t format;
	int32_t setting;     /* DSTORAGE_COMPRESSION, to compress */
	uint32_t nr_threads; /* 0: one for each core */
	uint32_t pad;
	uint64_t source;
	uint64_t source_nbytes;
	uint64_t destination;
	uint64_t room;
	uint64_t written; /* out */
};

/* ------------------------------------------------- the program's own device */

/*
 * Finds the Vulkan layer in the process. From here on the layer watches what this thread calls:
 * the next vkGetDeviceBufferMemoryRequirements() tells DSW_SHARE_OPEN which device is meant.
 */
struct dsw_share_watch {
	uint64_t pad;
};

/* Who decodes GDeflate. The numbers of DS_VULKAN_DECODE_*. */
enum dsw_decode {
	DSW_DECODE_AUTO = 0,
	DSW_DECODE_CPU = 1,
	DSW_DECODE_GPU = 2,
};

/* Makes a backend on the device that was watched on this thread. */
struct dsw_share_open {
	uint64_t staging_nbytes; /* as in struct dsw_backend_create */
	uint32_t decode_workers;
	uint32_t buffered;
	uint64_t why; /* where to write a sentence about why not */
	uint64_t why_nbytes;
	uint32_t decode; /* enum dsw_decode */
	uint32_t pad;
	uint64_t share;		/* out */
	uint32_t has_own_queue; /* out: 0: it shares one with the program */
	uint32_t decodes;	/* out: 1: the GPU decodes GDeflate */
};

/* After its queues. */
struct dsw_share_close {
	uint64_t share;
	uint64_t copied_nbytes;	 /* out: by the GPU */
	uint64_t decoded_nbytes; /* out: on the GPU */
};

/* Whether requests can name that part of that buffer. */
struct dsw_share_check {
	uint64_t share;
	uint64_t buffer;
	uint64_t offset;
	uint64_t nbytes;
};

/* A tile of a GDeflate stream. */
struct dsw_tile {
	uint32_t offset; /* in the stream; a multiple of 4, as the size is */
	uint32_t nbytes;
	uint32_t decoded_nbytes;
};

/*
 * Checks a stream's header and its table of tiles, and lists the tiles: none passes the end of
 * the stream, and together they decode to decoded_nbytes. What is in the tiles is not looked at.
 */
struct dsw_gdeflate_tiles {
	uint64_t stream;
	uint64_t stream_nbytes;
	uint64_t decoded_nbytes;
	uint64_t tiles; /* struct dsw_tile[max] */
	uint32_t max;
	uint32_t count; /* out */
};

#endif /* DSTORAGE_UNIX_CALLS_H */
