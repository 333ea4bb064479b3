/* SPDX-License-Identifier: MIT */
/* fake_meta.c: see fake_meta.h. */
#include "fake_meta.h"

#include <stdlib.h>
#include <string.h>

#include "dstorage/pe/d3d12_meta.h"
#include "fake_objects.h"

#define SCRATCH_NBYTES 12345
#define TILE_NBYTES    65536u

static LONG max_streams = 256;
static LONG is_refused;
static LONG nr_streams, nr_calls, most_streams;

struct command {
	const void *vtbl;
	LONG refs;
	UINT64 max_streams;
	LONG is_initialized;
};

/* --------------------------------------------------------------- decoding */

static IDStorageCompressionCodec *codec(void)
{
	static IDStorageCompressionCodec *one;

	/* Commands of one device run one after another. */
	if (!one)
		REQUIRE_OK(DStorageCreateCompressionCodec(DSTORAGE_COMPRESSION_FORMAT_GDEFLATE, 1,
							  &IID_IDStorageCompressionCodec,
							  (void **)&one));
	return one;
}

/* What a decoder may write for a stream: whole tiles. */
static void decode(const unsigned char *stream, uint64_t nbytes, unsigned char *to, uint64_t room)
{
	UINT nr_tiles = stream[2] | (UINT)stream[3] << 8;
	unsigned char *out = malloc((size_t)nr_tiles * TILE_NBYTES);
	size_t written = 0;

	REQUIRE_CMP(stream[0], ==, 4);
	REQUIRE_CMP((uint64_t)nr_tiles * TILE_NBYTES, <=, room);
	memset(out, FAKE_META_GARBAGE, (size_t)nr_tiles * TILE_NBYTES);
	if (FAILED(codec()->lpVtbl->DecompressBuffer(codec(), stream, (size_t)nbytes, out,
						     (size_t)nr_tiles * TILE_NBYTES, &written)))
		memset(out, FAKE_META_GARBAGE, (size_t)nr_tiles * TILE_NBYTES);
	memcpy(to, out, (size_t)nr_tiles * TILE_NBYTES);
	free(out);
}

static void run(const void *args)
{
	const struct meta_dstorage_execute *a = args;
	const D3D12_RESOURCE_STATES uav = D3D12_RESOURCE_STATE_UNORDERED_ACCESS;
	const unsigned char *input = fake_at(a->input, a->input_nbytes, uav);
	unsigned char *output = fake_at(a->output, a->output_nbytes, uav);
	const UINT32 *control = (const void *)fake_at(a->control, a->control_nbytes, uav);
	const struct meta_dstorage_stream *streams = (const void *)(control + 1);

	fake_at(a->scratch, a->scratch_nbytes, uav);
	fake_at(a->status, a->status_nbytes, uav);
	REQUIRE_CMP(a->scratch_nbytes, >=, SCRATCH_NBYTES);
	REQUIRE_CMP(control[0], ==, a->nr_streams);
	REQUIRE_CMP(a->control_nbytes, ==, 4 + 8 * a->nr_streams);
	for (UINT64 i = 0; i < a->nr_streams; i++) {
		REQUIRE_CMP(streams[i].in_offset % 4, ==, 0);
		REQUIRE_CMP(streams[i].out_offset % 16, ==, 0);
		REQUIRE_CMP(streams[i].in_offset, <, a->input_nbytes);
		REQUIRE_CMP(streams[i].out_offset, <, a->output_nbytes);
		decode(input + streams[i].in_offset, a->input_nbytes - streams[i].in_offset,
		       output + streams[i].out_offset, a->output_nbytes - streams[i].out_offset);
	}
	InterlockedIncrement(&nr_calls);
	InterlockedExchangeAdd(&nr_streams, (LONG)a->nr_streams);
	if ((LONG)a->nr_streams > most_streams)
		InterlockedExchange(&most_streams, (LONG)a->nr_streams);
}

/* ------------------------------------------------------------------ lists */

static void STDMETHODCALLTYPE list_InitializeMetaCommand(meta_list *self, ID3D12Pageable *command,
							 const void *parameters, SIZE_T nbytes)
{
	(void)self;
	REQUIRE(!parameters && !nbytes);
	InterlockedExchange(&((struct command *)(void *)command)->is_initialized, 1);
}

static void STDMETHODCALLTYPE list_ExecuteMetaCommand(meta_list *self, ID3D12Pageable *command,
						      const void *parameters, SIZE_T nbytes)
{
	const struct command *c = (struct command *)(void *)command;
	const struct meta_dstorage_execute *a = parameters;

	REQUIRE(c->is_initialized);
	REQUIRE_CMP(nbytes, ==, 88);
	REQUIRE_CMP(a->nr_streams, >, 0);
	REQUIRE_CMP(a->nr_streams, <=, c->max_streams);
	fake_record_call(self, run, parameters, nbytes);
}

static HRESULT answer(void *self, REFIID riid, REFIID known, void **out)
{
	if (!IsEqualGUID(riid, known)) {
		*out = NULL;
		return E_NOINTERFACE;
	}
	fake_add_ref(self);
	*out = self;
	return S_OK;
}

static HRESULT list_extension(ID3D12GraphicsCommandList *list, REFIID riid, void **out)
{
	return answer(list, riid, &meta_iid_list, out);
}

/* ----------------------------------------------------------------- device */

static HRESULT STDMETHODCALLTYPE device_EnumerateMetaCommands(meta_device *self, UINT *nr,
							      struct meta_desc *descs)
{
	UINT there = max_streams ? 2 : 1;

	(void)self;
	if (descs) {
		REQUIRE_CMP(*nr, ==, there);
		memset(descs, 0x11, there * sizeof(*descs));
		if (max_streams)
			descs[1].id = meta_id_dstorage;
	}
	*nr = there;
	return S_OK;
}

static HRESULT device_feature(UINT feature, void *data, UINT nbytes)
{
	const struct meta_feature_query *q = data;
	const struct meta_dstorage_query *in;
	struct meta_dstorage_answer *out;

	if (feature != META_FEATURE_QUERY)
		return E_INVALIDARG;
	REQUIRE_CMP(nbytes, ==, sizeof(*q));
	REQUIRE(IsEqualGUID(&q->id, &meta_id_dstorage));
	REQUIRE_CMP(q->input_nbytes, ==, 16);
	REQUIRE_CMP(q->output_nbytes, ==, 24);
	in = q->input;
	out = q->output;
	REQUIRE(in->one == 1 && !in->zero && in->format == META_DSTORAGE_GDEFLATE);
	memset(out, 0, sizeof(*out));
	out->one = 1;
	out->max_streams = in->nr_streams < max_streams ? in->nr_streams : (UINT16)max_streams;
	out->scratch_nbytes = SCRATCH_NBYTES;
	return S_OK;
}

static HRESULT STDMETHODCALLTYPE command_QueryInterface(ID3D12Pageable *self, REFIID riid,
							void **out)
{
	return answer(self, riid, &meta_iid_command, out);
}

static ID3D12PageableVtbl command_vtbl = {
	.QueryInterface = command_QueryInterface,
	.AddRef = (ULONG(STDMETHODCALLTYPE *)(ID3D12Pageable *))fake_add_ref,
	.Release = (ULONG(STDMETHODCALLTYPE *)(ID3D12Pageable *))fake_release,
};

static HRESULT STDMETHODCALLTYPE device_CreateMetaCommand(meta_device *self, REFGUID id,
							  UINT node_mask, const void *parameters,
							  SIZE_T nbytes, REFIID riid, void **out)
{
	const struct meta_dstorage_create *a = parameters;
	struct command *c;

	(void)self;
	REQUIRE(IsEqualGUID(id, &meta_id_dstorage));
	REQUIRE(IsEqualGUID(riid, &meta_iid_command));
	REQUIRE(!node_mask && nbytes == sizeof(*a));
	REQUIRE(a->version == 1 && a->format == META_DSTORAGE_GDEFLATE && !a->flags);
	REQUIRE_CMP(a->max_streams, <=, max_streams);
	if (is_refused)
		return E_OUTOFMEMORY;
	c = fake_new_object(&command_vtbl, sizeof(*c));
	c->max_streams = a->max_streams;
	*out = c;
	return S_OK;
}

static HRESULT device_extension(ID3D12Device *device, REFIID riid, void **out)
{
	return answer(device, riid, &meta_iid_device, out);
}

/* ------------------------------------------------------------- the rest */

void fake_meta_install(void)
{
	static struct meta_device_vtbl device_vtbl;
	static struct meta_list_vtbl list_vtbl;

	memcpy(&device_vtbl, fake_device_vtbl, sizeof(*fake_device_vtbl));
	device_vtbl.EnumerateMetaCommands = device_EnumerateMetaCommands;
	device_vtbl.CreateMetaCommand = device_CreateMetaCommand;
	memcpy(&list_vtbl, fake_list_vtbl, sizeof(*fake_list_vtbl));
	list_vtbl.InitializeMetaCommand = list_InitializeMetaCommand;
	list_vtbl.ExecuteMetaCommand = list_ExecuteMetaCommand;
	fake_longer_device_vtbl = &device_vtbl;
	fake_longer_list_vtbl = &list_vtbl;
	fake_device_extension = device_extension;
	fake_list_extension = list_extension;
	fake_device_feature = device_feature;
}

void fake_meta_set_max_streams(unsigned int max)
{
	InterlockedExchange(&max_streams, (LONG)max);
}

void fake_meta_refuse(bool refuses)
{
	InterlockedExchange(&is_refused, refuses);
}

unsigned int fake_meta_streams(void)
{
	return (unsigned int)nr_streams;
}

unsigned int fake_meta_calls(void)
{
	return (unsigned int)nr_calls;
}

unsigned int fake_meta_most_streams(void)
{
	return (unsigned int)InterlockedExchange(&most_streams, 0);
}
