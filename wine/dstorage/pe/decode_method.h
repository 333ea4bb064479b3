/* SPDX-License-Identifier: MIT */
/*
 * decode_method.h: the ways in which a GPU decodes tiles of GDeflate. decode.c does all that
 * they have in common, and makes sure that a job's streams and tables are sound: tiles lie
 * within their streams, and each has 64 KiB of the output to itself.
 */
#ifndef DSTORAGE_DECODE_METHOD_H
#define DSTORAGE_DECODE_METHOD_H

#include <stdbool.h>

#include "dstorage/include/dstorage.h"
#include "dstorage/shared/unix_calls.h"

#define DECODE_TILE_NBYTES UINT64_C(65536)

struct decode_stream {
	UINT32 in_offset;  /* in the job's input; a multiple of 256 */
	UINT32 out_offset; /* in its output; a multiple of a tile */
	UINT32 first_tile; /* of the job's tiles */
	UINT32 nr_tiles;
};

/* What one dispatch decodes. */
struct decode_job {
	ID3D12Resource *input;	/* streams, and from table_offset on the method's table */
	ID3D12Resource *output; /* decoded bytes, and from status_offset on a word for each tile */
	UINT64 table_offset, table_nbytes;
	UINT64 status_offset, status_nbytes;
	struct decode_stream *streams;
	UINT32 nr_streams;
	struct dsw_tile *tiles;
	UINT32 nr_tiles;
};

struct decode_method {
	const struct decode_method_ops *ops;
	UINT32 max_streams; /* in one job */
};

struct decode_method_ops {
	const char *name;
	DSTORAGE_COMPRESSION_SUPPORT support;
	/* A tile's word of status is 0 once it is decoded. Without, nobody says what is damaged. */
	bool has_status;
	/* Fills in the table, of at most DECODE_TABLE_NBYTES; returns its size, 0 after a failure. */
	UINT32(*make_table)
	(struct decode_method *m, const struct decode_job *job, void *table);
	/* Input and output are in the state UNORDERED_ACCESS. */
	HRESULT(*record)
	(struct decode_method *m, ID3D12GraphicsCommandList *list, const struct decode_job *job);
	void (*destroy)(struct decode_method *m);
};

#define DECODE_MAX_STREAMS  256u
#define DECODE_MAX_TILES    1024u
#define DECODE_TABLE_NBYTES 32768u /* 32 for each tile */

/* A buffer that the GPU alone uses, in the state COMMON. */
HRESULT decode_create_buffer(ID3D12Device *device, D3D12_HEAP_TYPE type, UINT64 nbytes,
			     ID3D12Resource **out);

void decode_barrier(ID3D12GraphicsCommandList *list, ID3D12Resource *resource,
		    D3D12_RESOURCE_STATES before, D3D12_RESOURCE_STATES after);

/* S_FALSE: the device does not have it. */
HRESULT decode_vulkan_create(ID3D12Device *device, struct decode_method **out);
HRESULT decode_metacommand_create(ID3D12Device *device, struct decode_method **out);

/* A device that is the CPU all the same: it decodes more slowly than the CPU does without. */
bool decode_vulkan_is_software(ID3D12Device *device);

#endif /* DSTORAGE_DECODE_METHOD_H */
