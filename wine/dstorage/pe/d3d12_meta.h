/* SPDX-License-Identifier: MIT */
/*
 * d3d12_meta.h: what D3D12 has of metacommands, for headers that are older than they are.
 *
 * ID3D12Device5 and ID3D12GraphicsCommandList4 begin as the interfaces before them; of what
 * they add, the slots that are not called have no type.
 */
#ifndef DSTORAGE_D3D12_META_H
#define DSTORAGE_D3D12_META_H

#include "dstorage/include/dstorage.h"

#define META_FEATURE_QUERY 31 /* D3D12_FEATURE_QUERY_META_COMMAND */

struct meta_desc {
	GUID id;
	const WCHAR *name;
	UINT initialization_dirty_state, execution_dirty_state;
};

struct meta_feature_query {
	GUID id;
	UINT node_mask;
	const void *input;
	SIZE_T input_nbytes;
	void *output;
	SIZE_T output_nbytes;
};

typedef struct meta_device meta_device; /* ID3D12Device5 */

struct meta_device_vtbl {
	ID3D12Device1Vtbl of_device1;
	void *of_device2[1];
	void *of_device3[3];
	void *of_device4[6];
	void *CreateLifetimeTracker;
	void *RemoveDevice;
	HRESULT(STDMETHODCALLTYPE *EnumerateMetaCommands)
	(meta_device *self, UINT *nr, struct meta_desc *descs);
	void *EnumerateMetaCommandParameters;
	HRESULT(STDMETHODCALLTYPE *CreateMetaCommand)
	(meta_device *self, REFGUID id, UINT node_mask, const void *parameters, SIZE_T nbytes,
	 REFIID riid, void **out);
};

struct meta_device {
	const struct meta_device_vtbl *lpVtbl;
};

typedef struct meta_list meta_list; /* ID3D12GraphicsCommandList4 */

struct meta_list_vtbl {
	ID3D12GraphicsCommandList2Vtbl of_list2;
	void *of_list3[1];
	void *BeginRenderPass;
	void *EndRenderPass;
	void(STDMETHODCALLTYPE *InitializeMetaCommand)(meta_list *self, ID3D12Pageable *command,
						       const void *parameters, SIZE_T nbytes);
	void(STDMETHODCALLTYPE *ExecuteMetaCommand)(meta_list *self, ID3D12Pageable *command,
						    const void *parameters, SIZE_T nbytes);
};

struct meta_list {
	const struct meta_list_vtbl *lpVtbl;
};

/* Of our own name: newer headers and libraries have them too. */
static const GUID meta_iid_device = {
	0x8b4f173b, 0x2fea, 0x4b80, { 0x8f, 0x58, 0x43, 0x07, 0x19, 0x1a, 0xb9, 0x5d }
};
static const GUID meta_iid_list = {
	0x8754318e, 0xd3a9, 0x4541, { 0x98, 0xcf, 0x64, 0x5b, 0x50, 0xdc, 0x48, 0x74 }
};
static const GUID meta_iid_command = {
	0xdbb84c27, 0x36ce, 0x4fc9, { 0xb8, 0x01, 0xf0, 0x48, 0xc4, 0x6a, 0xc5, 0x70 }
};

/* -------------------------------------------- the command "DirectStorage" */

static const GUID meta_id_dstorage = {
	0x1bddd090, 0xc47e, 0x459c, { 0x8f, 0x81, 0x42, 0xc9, 0xf9, 0x7a, 0x53, 0x08 }
};

#define META_DSTORAGE_VERSION  1
#define META_DSTORAGE_GDEFLATE 1

struct meta_dstorage_query {
	UINT16 one;
	UINT16 nr_streams; /* wanted */
	UINT32 zero;
	UINT64 format;
};

struct meta_dstorage_answer {
	UINT16 one;
	UINT16 max_streams;
	UINT32 unknown;
	UINT64 scratch_nbytes;
	UINT64 unknown_too;
};

struct meta_dstorage_create {
	UINT64 version, format, max_streams, flags;
};

struct meta_dstorage_execute {
	UINT64 input, input_nbytes;
	UINT64 output, output_nbytes;
	UINT64 control, control_nbytes;
	UINT64 scratch, scratch_nbytes;
	UINT64 nr_streams;
	UINT64 status, status_nbytes;
};

/* In the control buffer, behind the number of streams. Relative to input and output. */
struct meta_dstorage_stream {
	UINT32 in_offset, out_offset;
};

#endif /* DSTORAGE_D3D12_META_H */
