/* SPDX-License-Identifier: MIT */
/*
 * decode_meta.c: the driver's decoder, which D3D12 has as the metacommand "DirectStorage".
 *
 * It reports nothing: what its words of status mean is not documented, and vkd3d-proton writes
 * none. Nor does it promise anything for damaged tiles. What can be done about that is done by
 * decode.c, and said in docs/wine_integration_guide.md.
 */
#include <string.h>

#include "core.h"
#include "d3d12_meta.h"
#include "decode_method.h"
#include "log.h"

#define MIN_SCRATCH 4096

struct metacommand {
	struct decode_method base;
	ID3D12Pageable *command;
	ID3D12Resource *scratch;
	UINT64 scratch_nbytes;
	bool is_initialized;
};

static struct metacommand *impl(struct decode_method *m)
{
	return CONTAINING_RECORD(m, struct metacommand, base);
}

static UINT32 make_table(struct decode_method *m, const struct decode_job *job, void *table)
{
	struct meta_dstorage_stream *streams = (void *)((UINT32 *)table + 1);

	(void)m;
	*(UINT32 *)table = job->nr_streams;
	for (UINT32 i = 0; i < job->nr_streams; i++) {
		streams[i].in_offset = job->streams[i].in_offset;
		streams[i].out_offset = job->streams[i].out_offset;
	}
	return (UINT32)(sizeof(UINT32) + job->nr_streams * sizeof(*streams));
}

static HRESULT record(struct decode_method *m, ID3D12GraphicsCommandList *list,
		      const struct decode_job *job)
{
	struct metacommand *c = impl(m);
	UINT64 input = ID3D12Resource_GetGPUVirtualAddress(job->input);
	UINT64 output = ID3D12Resource_GetGPUVirtualAddress(job->output);
	const struct meta_dstorage_execute args = {
		.input = input,
		.input_nbytes = job->table_offset,
		.output = output,
		.output_nbytes = job->status_offset,
		.control = input + job->table_offset,
		.control_nbytes = job->table_nbytes,
		.scratch = ID3D12Resource_GetGPUVirtualAddress(c->scratch),
		.scratch_nbytes = c->scratch_nbytes,
		.nr_streams = job->nr_streams,
		.status = output + job->status_offset,
		.status_nbytes = job->status_nbytes,
	};
	meta_list *list4;
	HRESULT hr =
		ID3D12GraphicsCommandList_QueryInterface(list, &meta_iid_list, (void **)&list4);

	if (FAILED(hr))
		return hr;
	/* Also waits until the job before has done with it. */
	decode_barrier(list, c->scratch, D3D12_RESOURCE_STATE_COMMON,
		       D3D12_RESOURCE_STATE_UNORDERED_ACCESS);
	if (!c->is_initialized)
		list4->lpVtbl->InitializeMetaCommand(list4, c->command, NULL, 0);
	c->is_initialized = true;
	list4->lpVtbl->ExecuteMetaCommand(list4, c->command, &args, sizeof(args));
	IUnknown_Release((IUnknown *)list4);
	return S_OK;
}

static void destroy(struct decode_method *m)
{
	struct metacommand *c = impl(m);

	if (c->scratch)
		ID3D12Resource_Release(c->scratch);
	if (c->command)
		c->command->lpVtbl->Release(c->command);
	core_free(c);
}

static const struct decode_method_ops ops = {
	.name = "the driver's metacommand",
	.support = DSTORAGE_COMPRESSION_SUPPORT_GPU_OPTIMIZED,
	.make_table = make_table,
	.record = record,
	.destroy = destroy,
};

/* ----------------------------------------------------------------- making */

static bool is_listed(meta_device *device)
{
	struct meta_desc *descs;
	bool is_there = false;
	UINT nr = 0;

	if (FAILED(device->lpVtbl->EnumerateMetaCommands(device, &nr, NULL)) || !nr)
		return false;
	descs = core_alloc(nr * sizeof(*descs));
	if (!descs)
		return false;
	if (SUCCEEDED(device->lpVtbl->EnumerateMetaCommands(device, &nr, descs))) {
		for (UINT i = 0; i < nr; i++)
			is_there |= IsEqualGUID(&descs[i].id, &meta_id_dstorage);
	}
	core_free(descs);
	return is_there;
}

/* How many streams it takes at a time, and what scratch memory it wants for them. */
static HRESULT ask(ID3D12Device *device, struct metacommand *c)
{
	const struct meta_dstorage_query query = {
		.one = 1,
		.nr_streams = DECODE_MAX_STREAMS,
		.format = META_DSTORAGE_GDEFLATE,
	};
	struct meta_dstorage_answer answer;
	struct meta_feature_query q = {
		.id = meta_id_dstorage,
		.input = &query,
		.input_nbytes = sizeof(query),
		.output = &answer,
		.output_nbytes = sizeof(answer),
	};
	HRESULT hr;

	memset(&answer, 0, sizeof(answer));
	hr = ID3D12Device_CheckFeatureSupport(device, (D3D12_FEATURE)META_FEATURE_QUERY, &q,
					      sizeof(q));
	if (FAILED(hr))
		return hr;
	if (!answer.max_streams)
		return E_NOTIMPL;
	c->base.max_streams =
		answer.max_streams < DECODE_MAX_STREAMS ? answer.max_streams : DECODE_MAX_STREAMS;
	c->scratch_nbytes =
		answer.scratch_nbytes < MIN_SCRATCH ? MIN_SCRATCH : answer.scratch_nbytes;
	return S_OK;
}

static HRESULT make(ID3D12Device *device, meta_device *device5, struct metacommand *c)
{
	struct meta_dstorage_create args = {
		.version = META_DSTORAGE_VERSION,
		.format = META_DSTORAGE_GDEFLATE,
	};
	HRESULT hr = ask(device, c);

	if (FAILED(hr))
		return hr;
	args.max_streams = c->base.max_streams;
	hr = device5->lpVtbl->CreateMetaCommand(device5, &meta_id_dstorage, 0, &args, sizeof(args),
						&meta_iid_command, (void **)&c->command);
	if (FAILED(hr))
		return hr;
	return decode_create_buffer(device, D3D12_HEAP_TYPE_DEFAULT, c->scratch_nbytes,
				    &c->scratch);
}

static HRESULT create(ID3D12Device *device, meta_device *device5, struct decode_method **out)
{
	struct metacommand *c = core_alloc(sizeof(*c));
	HRESULT hr;

	if (!c)
		return E_OUTOFMEMORY;
	c->base.ops = &ops;
	hr = make(device, device5, c);
	if (FAILED(hr)) {
		log_warn("the metacommand is listed, but does not work: %08lx\n", hr);
		destroy(&c->base);
		return hr;
	}
	*out = &c->base;
	return S_OK;
}

HRESULT decode_metacommand_create(ID3D12Device *device, struct decode_method **out)
{
	meta_device *device5;
	HRESULT hr = S_FALSE;

	if (FAILED(ID3D12Device_QueryInterface(device, &meta_iid_device, (void **)&device5)))
		return S_FALSE;
	if (is_listed(device5))
		hr = create(device, device5, out);
	IUnknown_Release((IUnknown *)device5);
	return hr;
}
