/* SPDX-License-Identifier: MIT */
/* test_layout.c: sizes, offsets, values, vtable slots and IIDs, as the compiler of C sees them. */
#include "win.h"

#include <string.h>

#define LAYOUT_SIZE(type, size)		 _Static_assert(sizeof(type) == (size), #type);
#define LAYOUT_WIDTH(type, size)	 LAYOUT_SIZE(type, size)
#define LAYOUT_FIELD(type, field, place) _Static_assert(offsetof(type, field) == (place), #field);
#define LAYOUT_VALUE(name, value)	 _Static_assert((name) == (value), #name);
#include "layout.h"

#define SLOT(iface, method, slot) \
	_Static_assert(offsetof(iface##Vtbl, method) == (slot) * sizeof(void *), #method)
#define SLOTS(iface, slots) _Static_assert(sizeof(iface##Vtbl) == (slots) * sizeof(void *), #iface)

SLOT(IDStorageFactory, Release, 2);
SLOT(IDStorageFactory, CreateQueue, 3);
SLOT(IDStorageFactory, OpenFile, 4);
SLOT(IDStorageFactory, CreateStatusArray, 5);
SLOT(IDStorageFactory, SetDebugFlags, 6);
SLOT(IDStorageFactory, SetStagingBufferSize, 7);
SLOTS(IDStorageFactory, 8);
SLOT(IDStorageFile, Close, 3);
SLOT(IDStorageFile, GetFileInformation, 4);
SLOTS(IDStorageFile, 5);
SLOT(IDStorageStatusArray, IsComplete, 3);
SLOT(IDStorageStatusArray, GetHResult, 4);
SLOTS(IDStorageStatusArray, 5);
SLOT(IDStorageQueue, EnqueueRequest, 3);
SLOT(IDStorageQueue, Query, 11);
SLOTS(IDStorageQueue, 12);
SLOT(IDStorageQueue3, EnqueueRequest, 3);
SLOT(IDStorageQueue3, EnqueueStatus, 4);
SLOT(IDStorageQueue3, EnqueueSignal, 5);
SLOT(IDStorageQueue3, Submit, 6);
SLOT(IDStorageQueue3, CancelRequestsWithTag, 7);
SLOT(IDStorageQueue3, Close, 8);
SLOT(IDStorageQueue3, GetErrorEvent, 9);
SLOT(IDStorageQueue3, RetrieveErrorRecord, 10);
SLOT(IDStorageQueue3, Query, 11);
SLOT(IDStorageQueue3, EnqueueSetEvent, 12);
SLOT(IDStorageQueue3, GetCompressionSupport, 13);
SLOT(IDStorageQueue3, EnqueueRequests, 14);
SLOTS(IDStorageQueue1, 13);
SLOTS(IDStorageQueue2, 14);
SLOTS(IDStorageQueue3, 15);
SLOT(IDStorageCompressionCodec, CompressBuffer, 3);
SLOT(IDStorageCompressionCodec, DecompressBuffer, 4);
SLOT(IDStorageCompressionCodec, CompressBufferBound, 5);
SLOTS(IDStorageCompressionCodec, 6);
SLOT(IDStorageCustomDecompressionQueue1, GetEvent, 3);
SLOT(IDStorageCustomDecompressionQueue1, GetRequests, 4);
SLOT(IDStorageCustomDecompressionQueue1, SetRequestResults, 5);
SLOT(IDStorageCustomDecompressionQueue1, GetRequests1, 6);
SLOTS(IDStorageCustomDecompressionQueue, 6);
SLOTS(IDStorageCustomDecompressionQueue1, 7);

static void test_iids(void)
{
	static const struct {
		const IID *iid;
		const WCHAR *text;
	} ids[] = {
		{ &IID_IDStorageFactory, L"{6924EA0C-C3CD-4826-B10A-F64F4ED927C1}" },
		{ &IID_IDStorageFile, L"{5DE95E7B-955A-4868-A73C-243B29F4B8DA}" },
		{ &IID_IDStorageStatusArray, L"{82397587-7CD5-453B-A02E-31379BD64656}" },
		{ &IID_IDStorageQueue, L"{CFDBD83F-9E06-4FDA-8EA5-69042137F49B}" },
		{ &IID_IDStorageQueue1, L"{DD2F482C-5EFF-41E8-9C9E-D2374B278128}" },
		{ &IID_IDStorageQueue2, L"{B1C9D643-3A49-44A2-B46F-653649470D18}" },
		{ &IID_IDStorageQueue3, L"{DEB54C52-ECA8-46B3-82A7-031B72262653}" },
		{ &IID_IDStorageCompressionCodec, L"{84EF5121-9B43-4D03-B5C1-CC34606B262D}" },
		{ &IID_IDStorageCustomDecompressionQueue,
		  L"{97179B2F-2C21-49CA-8291-4E1BF4A160DF}" },
		{ &IID_IDStorageCustomDecompressionQueue1,
		  L"{0D47C6C9-E61A-4706-93B4-68BFE3F4AA4A}" },
	};

	for (unsigned int i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		WCHAR text[64];

		REQUIRE(StringFromGUID2(ids[i].iid, text, 64));
		REQUIRE(!wcscmp(text, ids[i].text));
	}
}

/* Where the bit-fields lie. */
static void test_options(void)
{
	union {
		DSTORAGE_REQUEST_OPTIONS options;
		unsigned char bytes[16];
	} u;

	memset(&u, 0, sizeof(u));
	u.options.CompressionFormat = 0x81;
	u.options.GaclTransformType = DSTORAGE_GACL_SHUFFLE_TRANSFORM_TYPE_BC3;
	u.options.SourceType = DSTORAGE_REQUEST_SOURCE_MEMORY;
	u.options.DestinationType = DSTORAGE_REQUEST_DESTINATION_TILES;
	REQUIRE_CMP(u.bytes[0], ==, 0x81);
	REQUIRE_CMP(u.bytes[1], ==, 2);
	REQUIRE_CMP(u.bytes[8], ==, 1 | 4 << 1);
	memset(&u, 0, sizeof(u));
	u.options.Reserved = 0xff00000000ffu;
	REQUIRE_CMP(u.bytes[8], ==, 0);
	REQUIRE_CMP(u.bytes[9], ==, 0xff);
	REQUIRE_CMP(u.bytes[14], ==, 0xff);
	REQUIRE_CMP(u.bytes[15], ==, 0);
}

static const struct test tests[] = {
	{ "iids", test_iids },
	{ "options", test_options },
};

int wmain(int argc, WCHAR **argv)
{
	return run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
