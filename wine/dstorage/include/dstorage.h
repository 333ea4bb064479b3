/* SPDX-License-Identifier: MIT */
/*
 * dstorage.h: the interface of dstorage.dll, for C and C++.
 *
 * Binary compatible with DirectStorage 1.0 to 1.3, and with what is known of the 1.4
 * previews. Needs windows.h and d3d12.h of any Windows SDK or of mingw-w64. In C, methods are
 * called through lpVtbl; in one source file INITGUID gives the IIDs a definition.
 *
 * What the functions do is Microsoft's to document; docs/wine_integration_guide.md says
 * where this implementation differs.
 */
#ifndef DSTORAGE_H
#define DSTORAGE_H

#include <stddef.h>
#ifndef __cplusplus
#include <stdbool.h>
#endif

#include <windows.h>
#include <objbase.h>
#include <d3d12.h>

#include "dstorageerr.h"

#define DSTORAGE_SDK_VERSION			   300
#define DSTORAGE_MIN_QUEUE_CAPACITY		   0x80
#define DSTORAGE_MAX_QUEUE_CAPACITY		   0x2000
#define DSTORAGE_REQUEST_MAX_NAME		   64
#define DSTORAGE_DISABLE_BUILTIN_CPU_DECOMPRESSION -1

/* An enum of a given width: C has only the constants, and a type beside them. */
#ifdef __cplusplus
#define DSTORAGE_ENUM_(name, type) enum name : type
#define DSTORAGE_FLAGS_(name)	   DEFINE_ENUM_FLAG_OPERATORS(name)
#else
#define DSTORAGE_ENUM_(name, type) \
	typedef type name;         \
	enum
#define DSTORAGE_FLAGS_(name)
#endif

/* ------------------------------------------------------------------ enums */

DSTORAGE_ENUM_(DSTORAGE_PRIORITY, INT8){
	DSTORAGE_PRIORITY_LOW = -1,
	DSTORAGE_PRIORITY_NORMAL = 0,
	DSTORAGE_PRIORITY_HIGH = 1,
	DSTORAGE_PRIORITY_REALTIME = 2,
	DSTORAGE_PRIORITY_FIRST = DSTORAGE_PRIORITY_LOW,
	DSTORAGE_PRIORITY_LAST = DSTORAGE_PRIORITY_REALTIME,
	DSTORAGE_PRIORITY_COUNT = 4,
};

DSTORAGE_ENUM_(DSTORAGE_REQUEST_SOURCE_TYPE, UINT64){
	DSTORAGE_REQUEST_SOURCE_FILE = 0,
	DSTORAGE_REQUEST_SOURCE_MEMORY = 1,
};

DSTORAGE_ENUM_(DSTORAGE_REQUEST_DESTINATION_TYPE, UINT64){
	DSTORAGE_REQUEST_DESTINATION_MEMORY = 0,
	DSTORAGE_REQUEST_DESTINATION_BUFFER = 1,
	DSTORAGE_REQUEST_DESTINATION_TEXTURE_REGION = 2,
	DSTORAGE_REQUEST_DESTINATION_MULTIPLE_SUBRESOURCES = 3,
	DSTORAGE_REQUEST_DESTINATION_TILES = 4,
	DSTORAGE_REQUEST_DESTINATION_MULTIPLE_SUBRESOURCES_RANGE = 5,
};

/* 0x80 to 0xFF are the program's own formats. */
DSTORAGE_ENUM_(DSTORAGE_COMPRESSION_FORMAT, UINT8){
	DSTORAGE_COMPRESSION_FORMAT_NONE = 0,
	DSTORAGE_COMPRESSION_FORMAT_GDEFLATE = 1,
	DSTORAGE_COMPRESSION_FORMAT_ZSTD = 2,
	DSTORAGE_CUSTOM_COMPRESSION_0 = 0x80,
};

DSTORAGE_ENUM_(DSTORAGE_GACL_SHUFFLE_TRANSFORM_TYPE, UINT8){
	DSTORAGE_GACL_SHUFFLE_TRANSFORM_TYPE_NONE = 0, DSTORAGE_GACL_SHUFFLE_TRANSFORM_TYPE_BC1 = 1,
	DSTORAGE_GACL_SHUFFLE_TRANSFORM_TYPE_BC3 = 2,  DSTORAGE_GACL_SHUFFLE_TRANSFORM_TYPE_BC4 = 3,
	DSTORAGE_GACL_SHUFFLE_TRANSFORM_TYPE_BC5 = 4,
};

DSTORAGE_ENUM_(DSTORAGE_DEBUG, int){
	DSTORAGE_DEBUG_NONE = 0,
	DSTORAGE_DEBUG_SHOW_ERRORS = 1,
	DSTORAGE_DEBUG_BREAK_ON_ERROR = 2,
	DSTORAGE_DEBUG_RECORD_OBJECT_NAMES = 4,
};
DSTORAGE_FLAGS_(DSTORAGE_DEBUG)

DSTORAGE_ENUM_(DSTORAGE_COMMAND_TYPE, int){
	DSTORAGE_COMMAND_TYPE_NONE = -1,  DSTORAGE_COMMAND_TYPE_REQUEST = 0,
	DSTORAGE_COMMAND_TYPE_STATUS = 1, DSTORAGE_COMMAND_TYPE_SIGNAL = 2,
	DSTORAGE_COMMAND_TYPE_EVENT = 3,
};

/* Two sizes among those that may be asked for. */
DSTORAGE_ENUM_(DSTORAGE_STAGING_BUFFER_SIZE, UINT32){
	DSTORAGE_STAGING_BUFFER_SIZE_0 = 0,
	DSTORAGE_STAGING_BUFFER_SIZE_32MB = 32 * 1024 * 1024,
};

DSTORAGE_ENUM_(DSTORAGE_GET_REQUEST_FLAGS, UINT32){
	DSTORAGE_GET_REQUEST_FLAG_SELECT_CUSTOM = 1,
	DSTORAGE_GET_REQUEST_FLAG_SELECT_BUILTIN = 2,
	DSTORAGE_GET_REQUEST_FLAG_SELECT_ALL = 3,
};
DSTORAGE_FLAGS_(DSTORAGE_GET_REQUEST_FLAGS)

DSTORAGE_ENUM_(DSTORAGE_CUSTOM_DECOMPRESSION_FLAGS, UINT32){
	DSTORAGE_CUSTOM_DECOMPRESSION_FLAG_NONE = 0,
	DSTORAGE_CUSTOM_DECOMPRESSION_FLAG_DEST_IN_UPLOAD_HEAP = 1,
};
DSTORAGE_FLAGS_(DSTORAGE_CUSTOM_DECOMPRESSION_FLAGS)

DSTORAGE_ENUM_(DSTORAGE_COMPRESSION_SUPPORT, UINT32){
	DSTORAGE_COMPRESSION_SUPPORT_NONE = 0,
	DSTORAGE_COMPRESSION_SUPPORT_GPU_OPTIMIZED = 1,
	DSTORAGE_COMPRESSION_SUPPORT_GPU_FALLBACK = 2,
	DSTORAGE_COMPRESSION_SUPPORT_CPU_FALLBACK = 4,
	DSTORAGE_COMPRESSION_SUPPORT_USES_COMPUTE_QUEUE = 8,
	DSTORAGE_COMPRESSION_SUPPORT_USES_COPY_QUEUE = 0x10,
};
DSTORAGE_FLAGS_(DSTORAGE_COMPRESSION_SUPPORT)

DSTORAGE_ENUM_(DSTORAGE_ENQUEUE_REQUEST_FLAGS, UINT32){
	DSTORAGE_ENQUEUE_REQUEST_FLAG_NONE = 0,
	DSTORAGE_ENQUEUE_REQUEST_FLAG_FENCE_WAIT_BEFORE_GPU_WORK = 1,
	DSTORAGE_ENQUEUE_REQUEST_FLAG_FENCE_WAIT_BEFORE_SOURCE_ACCESS = 2,
};
DSTORAGE_FLAGS_(DSTORAGE_ENQUEUE_REQUEST_FLAGS)

DSTORAGE_ENUM_(DSTORAGE_COMPRESSION, INT32){
	DSTORAGE_COMPRESSION_FASTEST = -1,
	DSTORAGE_COMPRESSION_DEFAULT = 0,
	DSTORAGE_COMPRESSION_BEST_RATIO = 1,
};

/* ------------------------------------------------------------- interfaces */

#undef INTERFACE
#define INTERFACE IDStorageFile
DECLARE_INTERFACE_IID_(IDStorageFile, IUnknown, "5de95e7b-955a-4868-a73c-243b29f4b8da")
{
	STDMETHOD(QueryInterface)(THIS_ REFIID riid, void **ppv) PURE;
	STDMETHOD_(ULONG, AddRef)(THIS) PURE;
	STDMETHOD_(ULONG, Release)(THIS) PURE;

	STDMETHOD_(void, Close)(THIS) PURE;
	STDMETHOD(GetFileInformation)(THIS_ BY_HANDLE_FILE_INFORMATION * info) PURE;
};

#undef INTERFACE
#define INTERFACE IDStorageStatusArray
DECLARE_INTERFACE_IID_(IDStorageStatusArray, IUnknown, "82397587-7cd5-453b-a02e-31379bd64656")
{
	STDMETHOD(QueryInterface)(THIS_ REFIID riid, void **ppv) PURE;
	STDMETHOD_(ULONG, AddRef)(THIS) PURE;
	STDMETHOD_(ULONG, Release)(THIS) PURE;

	STDMETHOD_(bool, IsComplete)(THIS_ UINT32 index) PURE;
	STDMETHOD(GetHResult)(THIS_ UINT32 index) PURE;
};

/* ---------------------------------------------------------------- structs */

typedef struct DSTORAGE_QUEUE_DESC {
	DSTORAGE_REQUEST_SOURCE_TYPE SourceType;
	UINT16 Capacity;
	DSTORAGE_PRIORITY Priority;
	const CHAR *Name;
	ID3D12Device *Device;
} DSTORAGE_QUEUE_DESC;

typedef struct DSTORAGE_QUEUE_INFO {
	DSTORAGE_QUEUE_DESC Desc;
	UINT16 EmptySlotCount;
	UINT16 RequestCountUntilAutoSubmit;
} DSTORAGE_QUEUE_INFO;

typedef struct DSTORAGE_REQUEST_OPTIONS {
	DSTORAGE_COMPRESSION_FORMAT CompressionFormat : 8;
	DSTORAGE_GACL_SHUFFLE_TRANSFORM_TYPE GaclTransformType : 8;
	UINT8 Reserved1[6];
	DSTORAGE_REQUEST_SOURCE_TYPE SourceType : 1;
	DSTORAGE_REQUEST_DESTINATION_TYPE DestinationType : 7;
	UINT64 Reserved : 48;
} DSTORAGE_REQUEST_OPTIONS;

typedef struct DSTORAGE_SOURCE_MEMORY {
	const void *Source;
	UINT32 Size;
} DSTORAGE_SOURCE_MEMORY;

typedef struct DSTORAGE_SOURCE_FILE {
	IDStorageFile *Source;
	UINT64 Offset;
	UINT32 Size;
} DSTORAGE_SOURCE_FILE;

typedef union DSTORAGE_SOURCE {
	DSTORAGE_SOURCE_MEMORY Memory;
	DSTORAGE_SOURCE_FILE File;
} DSTORAGE_SOURCE;

typedef struct DSTORAGE_DESTINATION_MEMORY {
	void *Buffer;
	UINT32 Size;
} DSTORAGE_DESTINATION_MEMORY;

typedef struct DSTORAGE_DESTINATION_BUFFER {
	ID3D12Resource *Resource;
	UINT64 Offset;
	UINT32 Size;
} DSTORAGE_DESTINATION_BUFFER;

typedef struct DSTORAGE_DESTINATION_TEXTURE_REGION {
	ID3D12Resource *Resource;
	UINT32 SubresourceIndex;
	D3D12_BOX Region;
} DSTORAGE_DESTINATION_TEXTURE_REGION;

typedef struct DSTORAGE_DESTINATION_MULTIPLE_SUBRESOURCES {
	ID3D12Resource *Resource;
	UINT32 FirstSubresource;
} DSTORAGE_DESTINATION_MULTIPLE_SUBRESOURCES;

typedef struct DSTORAGE_DESTINATION_MULTIPLE_SUBRESOURCES_RANGE {
	ID3D12Resource *Resource;
	UINT32 FirstSubresource;
	UINT32 NumSubresources;
} DSTORAGE_DESTINATION_MULTIPLE_SUBRESOURCES_RANGE;

typedef struct DSTORAGE_DESTINATION_TILES {
	ID3D12Resource *Resource;
	D3D12_TILED_RESOURCE_COORDINATE TiledRegionStartCoordinate;
	D3D12_TILE_REGION_SIZE TileRegionSize;
} DSTORAGE_DESTINATION_TILES;

typedef union DSTORAGE_DESTINATION {
	DSTORAGE_DESTINATION_MEMORY Memory;
	DSTORAGE_DESTINATION_BUFFER Buffer;
	DSTORAGE_DESTINATION_TEXTURE_REGION Texture;
	DSTORAGE_DESTINATION_MULTIPLE_SUBRESOURCES MultipleSubresources;
	DSTORAGE_DESTINATION_TILES Tiles;
	DSTORAGE_DESTINATION_MULTIPLE_SUBRESOURCES_RANGE MultipleSubresourcesRange;
} DSTORAGE_DESTINATION;

typedef struct DSTORAGE_REQUEST {
	DSTORAGE_REQUEST_OPTIONS Options;
	DSTORAGE_SOURCE Source;
	DSTORAGE_DESTINATION Destination;
	UINT32 UncompressedSize;
	UINT64 CancellationTag;
	const CHAR *Name;
} DSTORAGE_REQUEST;

typedef struct DSTORAGE_ERROR_PARAMETERS_REQUEST {
	WCHAR Filename[MAX_PATH];
	CHAR RequestName[DSTORAGE_REQUEST_MAX_NAME];
	DSTORAGE_REQUEST Request;
} DSTORAGE_ERROR_PARAMETERS_REQUEST;

typedef struct DSTORAGE_ERROR_PARAMETERS_STATUS {
	IDStorageStatusArray *StatusArray;
	UINT32 Index;
} DSTORAGE_ERROR_PARAMETERS_STATUS;

typedef struct DSTORAGE_ERROR_PARAMETERS_SIGNAL {
	ID3D12Fence *Fence;
	UINT64 Value;
} DSTORAGE_ERROR_PARAMETERS_SIGNAL;

typedef struct DSTORAGE_ERROR_PARAMETERS_EVENT {
	HANDLE Handle;
} DSTORAGE_ERROR_PARAMETERS_EVENT;

typedef struct DSTORAGE_ERROR_FIRST_FAILURE {
	HRESULT HResult;
	DSTORAGE_COMMAND_TYPE CommandType;
	union {
		DSTORAGE_ERROR_PARAMETERS_REQUEST Request;
		DSTORAGE_ERROR_PARAMETERS_STATUS Status;
		DSTORAGE_ERROR_PARAMETERS_SIGNAL Signal;
		DSTORAGE_ERROR_PARAMETERS_EVENT Event;
	};
} DSTORAGE_ERROR_FIRST_FAILURE;

typedef struct DSTORAGE_ERROR_RECORD {
	UINT32 FailureCount;
	DSTORAGE_ERROR_FIRST_FAILURE FirstFailure;
} DSTORAGE_ERROR_RECORD;

typedef struct DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST {
	UINT64 Id;
	DSTORAGE_COMPRESSION_FORMAT CompressionFormat;
	UINT8 Reserved[3];
	DSTORAGE_CUSTOM_DECOMPRESSION_FLAGS Flags;
	UINT64 SrcSize;
	const void *SrcBuffer;
	UINT64 DstSize;
	void *DstBuffer;
} DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST;

typedef struct DSTORAGE_CUSTOM_DECOMPRESSION_RESULT {
	UINT64 Id;
	HRESULT Result;
} DSTORAGE_CUSTOM_DECOMPRESSION_RESULT;

/* In all three, all zero means all defaults. */
typedef struct DSTORAGE_CONFIGURATION {
	UINT32 NumSubmitThreads;
	INT32 NumBuiltInCpuDecompressionThreads;
	BOOL ForceMappingLayer;
	BOOL DisableBypassIO;
	BOOL DisableTelemetry;
	BOOL DisableGpuDecompressionMetacommand;
	BOOL DisableGpuDecompression;
} DSTORAGE_CONFIGURATION;

typedef struct DSTORAGE_CONFIGURATION1 {
	UINT32 NumSubmitThreads;
	INT32 NumBuiltInCpuDecompressionThreads;
	BOOL ForceMappingLayer;
	BOOL DisableBypassIO;
	BOOL DisableTelemetry;
	BOOL DisableGpuDecompressionMetacommand;
	BOOL DisableGpuDecompression;
	BOOL ForceFileBuffering;
} DSTORAGE_CONFIGURATION1;

typedef struct DSTORAGE_CONFIGURATION2 {
	UINT32 NumSubmitThreads;
	INT32 NumBuiltInCpuDecompressionThreads;
	BOOL ForceMappingLayer;
	BOOL DisableBypassIO;
	BOOL DisableTelemetry;
	BOOL DisableGpuDecompressionMetacommand;
	BOOL DisableGpuDecompression;
	BOOL ForceFileBuffering;
	GUID CreatorID;
} DSTORAGE_CONFIGURATION2;

/* ------------------------------------------- interfaces that use the above */

#undef INTERFACE
#define INTERFACE IDStorageFactory
DECLARE_INTERFACE_IID_(IDStorageFactory, IUnknown, "6924ea0c-c3cd-4826-b10a-f64f4ed927c1")
{
	STDMETHOD(QueryInterface)(THIS_ REFIID riid, void **ppv) PURE;
	STDMETHOD_(ULONG, AddRef)(THIS) PURE;
	STDMETHOD_(ULONG, Release)(THIS) PURE;

	STDMETHOD(CreateQueue)(THIS_ const DSTORAGE_QUEUE_DESC *desc, REFIID riid, void **ppv) PURE;
	STDMETHOD(OpenFile)(THIS_ const WCHAR *path, REFIID riid, void **ppv) PURE;
	STDMETHOD(CreateStatusArray)
	(THIS_ UINT32 capacity, const CHAR *name, REFIID riid, void **ppv) PURE;
	STDMETHOD_(void, SetDebugFlags)(THIS_ UINT32 flags) PURE;
	STDMETHOD(SetStagingBufferSize)(THIS_ UINT32 size) PURE;
};

/* The methods of a queue, which its three successors repeat. */
#define DSTORAGE_QUEUE_METHODS_                                                                 \
	STDMETHOD(QueryInterface)(THIS_ REFIID riid, void **ppv) PURE;                          \
	STDMETHOD_(ULONG, AddRef)(THIS) PURE;                                                   \
	STDMETHOD_(ULONG, Release)(THIS) PURE;                                                  \
	STDMETHOD_(void, EnqueueRequest)(THIS_ const DSTORAGE_REQUEST *request) PURE;           \
	STDMETHOD_(void, EnqueueStatus)(THIS_ IDStorageStatusArray * array, UINT32 index) PURE; \
	STDMETHOD_(void, EnqueueSignal)(THIS_ ID3D12Fence * fence, UINT64 value) PURE;          \
	STDMETHOD_(void, Submit)(THIS) PURE;                                                    \
	STDMETHOD_(void, CancelRequestsWithTag)(THIS_ UINT64 mask, UINT64 value) PURE;          \
	STDMETHOD_(void, Close)(THIS) PURE;                                                     \
	STDMETHOD_(HANDLE, GetErrorEvent)(THIS) PURE;                                           \
	STDMETHOD_(void, RetrieveErrorRecord)(THIS_ DSTORAGE_ERROR_RECORD * record) PURE;       \
	STDMETHOD_(void, Query)(THIS_ DSTORAGE_QUEUE_INFO * info) PURE

#undef INTERFACE
#define INTERFACE IDStorageQueue
DECLARE_INTERFACE_IID_(IDStorageQueue, IUnknown, "cfdbd83f-9e06-4fda-8ea5-69042137f49b")
{
	DSTORAGE_QUEUE_METHODS_;
};

#undef INTERFACE
#define INTERFACE IDStorageQueue1
DECLARE_INTERFACE_IID_(IDStorageQueue1, IDStorageQueue, "dd2f482c-5eff-41e8-9c9e-d2374b278128")
{
	DSTORAGE_QUEUE_METHODS_;
	STDMETHOD_(void, EnqueueSetEvent)(THIS_ HANDLE handle) PURE;
};

#undef INTERFACE
#define INTERFACE IDStorageQueue2
DECLARE_INTERFACE_IID_(IDStorageQueue2, IDStorageQueue1, "b1c9d643-3a49-44a2-b46f-653649470d18")
{
	DSTORAGE_QUEUE_METHODS_;
	STDMETHOD_(void, EnqueueSetEvent)(THIS_ HANDLE handle) PURE;
	STDMETHOD_(DSTORAGE_COMPRESSION_SUPPORT, GetCompressionSupport)
	(THIS_ DSTORAGE_COMPRESSION_FORMAT format) PURE;
};

#undef INTERFACE
#define INTERFACE IDStorageQueue3
DECLARE_INTERFACE_IID_(IDStorageQueue3, IDStorageQueue2, "deb54c52-eca8-46b3-82a7-031b72262653")
{
	DSTORAGE_QUEUE_METHODS_;
	STDMETHOD_(void, EnqueueSetEvent)(THIS_ HANDLE handle) PURE;
	STDMETHOD_(DSTORAGE_COMPRESSION_SUPPORT, GetCompressionSupport)
	(THIS_ DSTORAGE_COMPRESSION_FORMAT format) PURE;
	STDMETHOD_(void, EnqueueRequests)
	(THIS_ const DSTORAGE_REQUEST *requests, UINT count, ID3D12Fence *fence, UINT64 value,
	 DSTORAGE_ENQUEUE_REQUEST_FLAGS flag) PURE;
};

#undef INTERFACE
#define INTERFACE IDStorageCompressionCodec
DECLARE_INTERFACE_IID_(IDStorageCompressionCodec, IUnknown, "84ef5121-9b43-4d03-b5c1-cc34606b262d")
{
	STDMETHOD(QueryInterface)(THIS_ REFIID riid, void **ppv) PURE;
	STDMETHOD_(ULONG, AddRef)(THIS) PURE;
	STDMETHOD_(ULONG, Release)(THIS) PURE;

	STDMETHOD(CompressBuffer)
	(THIS_ const void *src, size_t src_size, DSTORAGE_COMPRESSION setting, void *dst,
	 size_t dst_size, size_t *written) PURE;
	STDMETHOD(DecompressBuffer)
	(THIS_ const void *src, size_t src_size, void *dst, size_t dst_size, size_t *written) PURE;
	STDMETHOD_(size_t, CompressBufferBound)(THIS_ size_t src_size) PURE;
};

#define DSTORAGE_CUSTOM_QUEUE_METHODS_                                                             \
	STDMETHOD(QueryInterface)(THIS_ REFIID riid, void **ppv) PURE;                             \
	STDMETHOD_(ULONG, AddRef)(THIS) PURE;                                                      \
	STDMETHOD_(ULONG, Release)(THIS) PURE;                                                     \
	STDMETHOD_(HANDLE, GetEvent)(THIS) PURE;                                                   \
	STDMETHOD(GetRequests)                                                                     \
	(THIS_ UINT32 max, DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST * requests, UINT32 * count) PURE; \
	STDMETHOD(SetRequestResults)                                                               \
	(THIS_ UINT32 count, DSTORAGE_CUSTOM_DECOMPRESSION_RESULT * results) PURE

#undef INTERFACE
#define INTERFACE IDStorageCustomDecompressionQueue
DECLARE_INTERFACE_IID_(IDStorageCustomDecompressionQueue, IUnknown,
		       "97179b2f-2c21-49ca-8291-4e1bf4a160df")
{
	DSTORAGE_CUSTOM_QUEUE_METHODS_;
};

#undef INTERFACE
#define INTERFACE IDStorageCustomDecompressionQueue1
DECLARE_INTERFACE_IID_(IDStorageCustomDecompressionQueue1, IDStorageCustomDecompressionQueue,
		       "0d47c6c9-e61a-4706-93b4-68bfe3f4aa4a")
{
	DSTORAGE_CUSTOM_QUEUE_METHODS_;
	STDMETHOD(GetRequests1)
	(THIS_ DSTORAGE_GET_REQUEST_FLAGS flags, UINT32 max,
	 DSTORAGE_CUSTOM_DECOMPRESSION_REQUEST * requests, UINT32 * count) PURE;
};

#undef INTERFACE
#undef DSTORAGE_QUEUE_METHODS_
#undef DSTORAGE_CUSTOM_QUEUE_METHODS_
#undef DSTORAGE_ENUM_
#undef DSTORAGE_FLAGS_

/* -------------------------------------------------------------------- IIDs */

DEFINE_GUID(IID_IDStorageFactory, 0x6924ea0c, 0xc3cd, 0x4826, 0xb1, 0x0a, 0xf6, 0x4f, 0x4e, 0xd9,
	    0x27, 0xc1);
DEFINE_GUID(IID_IDStorageFile, 0x5de95e7b, 0x955a, 0x4868, 0xa7, 0x3c, 0x24, 0x3b, 0x29, 0xf4, 0xb8,
	    0xda);
DEFINE_GUID(IID_IDStorageStatusArray, 0x82397587, 0x7cd5, 0x453b, 0xa0, 0x2e, 0x31, 0x37, 0x9b,
	    0xd6, 0x46, 0x56);
DEFINE_GUID(IID_IDStorageQueue, 0xcfdbd83f, 0x9e06, 0x4fda, 0x8e, 0xa5, 0x69, 0x04, 0x21, 0x37,
	    0xf4, 0x9b);
DEFINE_GUID(IID_IDStorageQueue1, 0xdd2f482c, 0x5eff, 0x41e8, 0x9c, 0x9e, 0xd2, 0x37, 0x4b, 0x27,
	    0x81, 0x28);
DEFINE_GUID(IID_IDStorageQueue2, 0xb1c9d643, 0x3a49, 0x44a2, 0xb4, 0x6f, 0x65, 0x36, 0x49, 0x47,
	    0x0d, 0x18);
DEFINE_GUID(IID_IDStorageQueue3, 0xdeb54c52, 0xeca8, 0x46b3, 0x82, 0xa7, 0x03, 0x1b, 0x72, 0x26,
	    0x26, 0x53);
DEFINE_GUID(IID_IDStorageCompressionCodec, 0x84ef5121, 0x9b43, 0x4d03, 0xb5, 0xc1, 0xcc, 0x34, 0x60,
	    0x6b, 0x26, 0x2d);
DEFINE_GUID(IID_IDStorageCustomDecompressionQueue, 0x97179b2f, 0x2c21, 0x49ca, 0x82, 0x91, 0x4e,
	    0x1b, 0xf4, 0xa1, 0x60, 0xdf);
DEFINE_GUID(IID_IDStorageCustomDecompressionQueue1, 0x0d47c6c9, 0xe61a, 0x4706, 0x93, 0xb4, 0x68,
	    0xbf, 0xe3, 0xf4, 0xaa, 0x4a);

/* __uuidof() outside Microsoft's compiler. */
#if defined(__cplusplus) && defined(__CRT_UUID_DECL)
__CRT_UUID_DECL(IDStorageFactory, 0x6924ea0c, 0xc3cd, 0x4826, 0xb1, 0x0a, 0xf6, 0x4f, 0x4e, 0xd9,
		0x27, 0xc1)
__CRT_UUID_DECL(IDStorageFile, 0x5de95e7b, 0x955a, 0x4868, 0xa7, 0x3c, 0x24, 0x3b, 0x29, 0xf4, 0xb8,
		0xda)
__CRT_UUID_DECL(IDStorageStatusArray, 0x82397587, 0x7cd5, 0x453b, 0xa0, 0x2e, 0x31, 0x37, 0x9b,
		0xd6, 0x46, 0x56)
__CRT_UUID_DECL(IDStorageQueue, 0xcfdbd83f, 0x9e06, 0x4fda, 0x8e, 0xa5, 0x69, 0x04, 0x21, 0x37,
		0xf4, 0x9b)
__CRT_UUID_DECL(IDStorageQueue1, 0xdd2f482c, 0x5eff, 0x41e8, 0x9c, 0x9e, 0xd2, 0x37, 0x4b, 0x27,
		0x81, 0x28)
__CRT_UUID_DECL(IDStorageQueue2, 0xb1c9d643, 0x3a49, 0x44a2, 0xb4, 0x6f, 0x65, 0x36, 0x49, 0x47,
		0x0d, 0x18)
__CRT_UUID_DECL(IDStorageQueue3, 0xdeb54c52, 0xeca8, 0x46b3, 0x82, 0xa7, 0x03, 0x1b, 0x72, 0x26,
		0x26, 0x53)
__CRT_UUID_DECL(IDStorageCompressionCodec, 0x84ef5121, 0x9b43, 0x4d03, 0xb5, 0xc1, 0xcc, 0x34, 0x60,
		0x6b, 0x26, 0x2d)
__CRT_UUID_DECL(IDStorageCustomDecompressionQueue, 0x97179b2f, 0x2c21, 0x49ca, 0x82, 0x91, 0x4e,
		0x1b, 0xf4, 0xa1, 0x60, 0xdf)
__CRT_UUID_DECL(IDStorageCustomDecompressionQueue1, 0x0d47c6c9, 0xe61a, 0x4706, 0x93, 0xb4, 0x68,
		0xbf, 0xe3, 0xf4, 0xaa, 0x4a)
#endif

/* --------------------------------------------------------------- functions */

#ifdef __cplusplus
extern "C" {
#endif

HRESULT WINAPI DStorageSetConfiguration(const DSTORAGE_CONFIGURATION *configuration);
HRESULT WINAPI DStorageSetConfiguration1(const DSTORAGE_CONFIGURATION1 *configuration);
HRESULT WINAPI DStorageSetConfiguration2(const DSTORAGE_CONFIGURATION2 *configuration);
HRESULT WINAPI DStorageGetFactory(REFIID riid, void **ppv);
HRESULT WINAPI DStorageCreateCompressionCodec(DSTORAGE_COMPRESSION_FORMAT format,
					      UINT32 num_threads, REFIID riid, void **ppv);

#ifdef __cplusplus
}
#endif

#endif /* DSTORAGE_H */
