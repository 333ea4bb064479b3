/* SPDX-License-Identifier: MIT */
/* fake_d3d12.c: see fake_d3d12.h. */
#include "fake_d3d12.h"

#include <stdlib.h>
#include <string.h>

#include "fake_objects.h"

#define MAX_COMMANDS  4096
#define MAX_EVENTS    64
#define TILE_NBYTES   65536u
#define MAX_ARGS      128
#define MAX_RESOURCES 512

static LONG references;
static LONG is_custom_refused;
static LONG removed_reason;
static SRWLOCK gpu_hold = SRWLOCK_INIT; /* held while commands run, and by fake_hold() */

/* Every object begins so; what is behind it depends. */
struct object {
	const void *vtbl;
	LONG refs;
};

void *fake_new_object(const void *vtbl, size_t nbytes)
{
	struct object *o = calloc(1, nbytes);

	REQUIRE(o);
	o->vtbl = vtbl;
	o->refs = 1;
	InterlockedIncrement(&references);
	return o;
}

static HRESULT STDMETHODCALLTYPE query_interface(void *self, REFIID riid, void **ppv)
{
	(void)self;
	(void)riid;
	*ppv = NULL;
	return E_NOINTERFACE;
}

ULONG STDMETHODCALLTYPE fake_add_ref(void *self)
{
	struct object *o = self;

	InterlockedIncrement(&references);
	return (ULONG)InterlockedIncrement(&o->refs);
}

/* Objects are never freed, so that a use after the last release is seen. */
ULONG STDMETHODCALLTYPE fake_release(void *self)
{
	struct object *o = self;
	LONG left = InterlockedDecrement(&o->refs);

	REQUIRE_CMP(left, >=, 0);
	InterlockedDecrement(&references);
	return (ULONG)left;
}

#define UNKNOWN_BUT(type, query)                                                             \
	.QueryInterface = query, .AddRef = (ULONG(STDMETHODCALLTYPE *)(type *))fake_add_ref, \
	.Release = (ULONG(STDMETHODCALLTYPE *)(type *))fake_release

#define UNKNOWN(type) \
	UNKNOWN_BUT(type, (HRESULT(STDMETHODCALLTYPE *)(type *, REFIID, void **))query_interface)

HRESULT (*fake_device_extension)(ID3D12Device *device, REFIID riid, void **out);
HRESULT (*fake_list_extension)(ID3D12GraphicsCommandList *list, REFIID riid, void **out);
HRESULT (*fake_device_feature)(UINT feature, void *data, UINT nbytes);

/* ------------------------------------------------------------------ layout */

struct format {
	UINT block; /* texels along a side */
	UINT nbytes;
};

static struct format format_of(DXGI_FORMAT format)
{
	switch (format) {
	case DXGI_FORMAT_R8G8B8A8_UNORM:
		return (struct format){ 1, 4 };
	case DXGI_FORMAT_R8_UNORM:
		return (struct format){ 1, 1 };
	case DXGI_FORMAT_BC1_UNORM:
		return (struct format){ 4, 8 };
	case DXGI_FORMAT_BC3_UNORM:
		return (struct format){ 4, 16 };
	default:
		fail(__FILE__, __LINE__, "a format that the fake knows");
	}
}

static UINT round_up(UINT n, UINT to)
{
	return (n + to - 1) / to * to;
}

static UINT at_mip(UINT64 n, UINT mip)
{
	return n >> mip ? (UINT)(n >> mip) : 1;
}

static bool is_3d(const D3D12_RESOURCE_DESC *d)
{
	return d->Dimension == D3D12_RESOURCE_DIMENSION_TEXTURE3D;
}

static void footprint(const D3D12_RESOURCE_DESC *d, UINT sub, D3D12_SUBRESOURCE_FOOTPRINT *f)
{
	struct format format = format_of(d->Format);
	UINT mip = sub % d->MipLevels;

	f->Format = d->Format;
	f->Width = round_up(at_mip(d->Width, mip), format.block);
	f->Height = round_up(at_mip(d->Height, mip), format.block);
	f->Depth = is_3d(d) ? at_mip(d->DepthOrArraySize, mip) : 1;
	f->RowPitch = round_up(f->Width / format.block * format.nbytes, 256);
}

static UINT64 footprint_nbytes(const D3D12_SUBRESOURCE_FOOTPRINT *f)
{
	struct format format = format_of(f->Format);
	UINT rows = f->Height / format.block * f->Depth;

	return (UINT64)f->RowPitch * (rows - 1) + f->Width / format.block * format.nbytes;
}

static void STDMETHODCALLTYPE device_GetCopyableFootprints(
	ID3D12Device *self, const D3D12_RESOURCE_DESC *desc, UINT first, UINT count, UINT64 base,
	D3D12_PLACED_SUBRESOURCE_FOOTPRINT *layouts, UINT *rows, UINT64 *row_size, UINT64 *total)
{
	UINT64 at = 0, end = 0;

	(void)self;
	REQUIRE(!rows && !row_size);
	for (UINT i = 0; i < count; i++) {
		D3D12_PLACED_SUBRESOURCE_FOOTPRINT p;

		at = (end + 511) / 512 * 512;
		footprint(desc, first + i, &p.Footprint);
		p.Offset = base + at;
		end = at + footprint_nbytes(&p.Footprint);
		if (layouts)
			layouts[i] = p;
	}
	if (total)
		*total = end;
}

/* --------------------------------------------------------------- resources */

struct resource {
	ID3D12Resource iface;
	LONG refs;
	D3D12_RESOURCE_DESC desc;
	UINT64 nbytes;
	unsigned char *data;
	GUID mark; /* of the private data; there is room for one of one byte */
	UINT8 mark_value;
	bool is_marked;
	/* Of GPU memory, as a running list has it; the others' never changes. */
	D3D12_RESOURCE_STATES state;
	bool is_fixed;
};

static SRWLOCK resources_lock = SRWLOCK_INIT; /* guards what follows */
static struct resource *resources[MAX_RESOURCES];
static unsigned int nr_resources;

static struct resource *resource_of(ID3D12Resource *iface)
{
	return (struct resource *)(void *)iface;
}

static D3D12_RESOURCE_DESC *STDMETHODCALLTYPE resource_GetDesc(ID3D12Resource *self,
							       D3D12_RESOURCE_DESC *ret)
{
	*ret = resource_of(self)->desc;
	return ret;
}

static HRESULT STDMETHODCALLTYPE resource_Map(ID3D12Resource *self, UINT sub,
					      const D3D12_RANGE *read, void **data)
{
	(void)read;
	REQUIRE(!sub);
	*data = resource_of(self)->data;
	return S_OK;
}

static void STDMETHODCALLTYPE resource_Unmap(ID3D12Resource *self, UINT sub,
					     const D3D12_RANGE *written)
{
	(void)self;
	(void)sub;
	(void)written;
}

static HRESULT STDMETHODCALLTYPE resource_GetPrivateData(ID3D12Resource *self, REFGUID guid,
							 UINT *nbytes, void *data)
{
	struct resource *r = resource_of(self);

	if (!r->is_marked || !IsEqualGUID(guid, &r->mark))
		return DXGI_ERROR_NOT_FOUND;
	REQUIRE_CMP(*nbytes, ==, 1);
	*(UINT8 *)data = r->mark_value;
	return S_OK;
}

static HRESULT STDMETHODCALLTYPE resource_SetPrivateData(ID3D12Resource *self, REFGUID guid,
							 UINT nbytes, const void *data)
{
	struct resource *r = resource_of(self);

	REQUIRE_CMP(nbytes, ==, 1);
	r->mark = *guid;
	r->mark_value = *(const UINT8 *)data;
	r->is_marked = true;
	return S_OK;
}

/* An address of the GPU's is one of the CPU's here. */
static D3D12_GPU_VIRTUAL_ADDRESS STDMETHODCALLTYPE
resource_GetGPUVirtualAddress(ID3D12Resource *self)
{
	return (UINT64)(UINT_PTR)resource_of(self)->data;
}

static struct resource *resource_at(UINT64 address)
{
	struct resource *found = NULL;

	AcquireSRWLockShared(&resources_lock);
	for (unsigned int i = 0; i < nr_resources; i++) {
		UINT64 begin = (UINT64)(UINT_PTR)resources[i]->data;

		if (address >= begin && address - begin < resources[i]->nbytes)
			found = resources[i];
	}
	ReleaseSRWLockShared(&resources_lock);
	REQUIRE(found);
	return found;
}

uint64_t fake_nbytes_from(UINT64 address)
{
	const struct resource *r = resource_at(address);

	return r->nbytes - (address - (UINT64)(UINT_PTR)r->data);
}

unsigned char *fake_at(UINT64 address, uint64_t nbytes, D3D12_RESOURCE_STATES state)
{
	REQUIRE_CMP(nbytes, <=, fake_nbytes_from(address));
	REQUIRE_CMP(resource_at(address)->state, ==, state);
	return (unsigned char *)(UINT_PTR)address;
}

static void keep(struct resource *r)
{
	AcquireSRWLockExclusive(&resources_lock);
	REQUIRE_CMP(nr_resources, <, MAX_RESOURCES);
	resources[nr_resources++] = r;
	ReleaseSRWLockExclusive(&resources_lock);
}

static ID3D12ResourceVtbl resource_vtbl = {
	UNKNOWN(ID3D12Resource),
	.GetPrivateData = resource_GetPrivateData,
	.SetPrivateData = resource_SetPrivateData,
	.GetDesc = resource_GetDesc,
	.GetGPUVirtualAddress = resource_GetGPUVirtualAddress,
	.Map = resource_Map,
	.Unmap = resource_Unmap,
};

static UINT nr_subresources(const D3D12_RESOURCE_DESC *d)
{
	return d->MipLevels * (is_3d(d) ? 1u : d->DepthOrArraySize);
}

static HRESULT STDMETHODCALLTYPE device_CreateCommittedResource(
	ID3D12Device *self, const D3D12_HEAP_PROPERTIES *heap, D3D12_HEAP_FLAGS flags,
	const D3D12_RESOURCE_DESC *desc, D3D12_RESOURCE_STATES state,
	const D3D12_CLEAR_VALUE *clear, REFIID riid, void **out)
{
	struct resource *r;

	(void)flags;
	(void)clear;
	(void)riid;
	if (heap->Type == D3D12_HEAP_TYPE_CUSTOM && is_custom_refused)
		return E_INVALIDARG;
	if (heap->Type == D3D12_HEAP_TYPE_UPLOAD)
		REQUIRE_CMP(state, ==, D3D12_RESOURCE_STATE_GENERIC_READ);
	r = fake_new_object(&resource_vtbl, sizeof(*r));
	r->desc = *desc;
	r->state = state;
	r->is_fixed =
		heap->Type == D3D12_HEAP_TYPE_UPLOAD || heap->Type == D3D12_HEAP_TYPE_READBACK;
	r->nbytes = desc->Width;
	if (desc->Dimension != D3D12_RESOURCE_DIMENSION_BUFFER)
		device_GetCopyableFootprints(self, desc, 0, nr_subresources(desc), 0, NULL, NULL,
					     NULL, &r->nbytes);
	r->data = pages(r->nbytes, PAGE_READWRITE);
	keep(r);
	*out = r;
	return S_OK;
}

unsigned char *fake_bytes(ID3D12Resource *resource, uint64_t *nbytes)
{
	if (nbytes)
		*nbytes = resource_of(resource)->nbytes;
	return resource_of(resource)->data;
}

/* ------------------------------------------------------------------ fences */

struct fence {
	ID3D12Fence iface;
	LONG refs;
	SRWLOCK lock;
	UINT64 value;
	struct {
		UINT64 value;
		HANDLE event;
	} events[MAX_EVENTS];
	unsigned int nr_events;
};

static struct fence *fence_of(ID3D12Fence *iface)
{
	return (struct fence *)(void *)iface;
}

static UINT64 STDMETHODCALLTYPE fence_GetCompletedValue(ID3D12Fence *self)
{
	struct fence *f = fence_of(self);
	UINT64 value;

	if (removed_reason)
		return UINT64_MAX;
	AcquireSRWLockShared(&f->lock);
	value = f->value;
	ReleaseSRWLockShared(&f->lock);
	return value;
}

static HRESULT STDMETHODCALLTYPE fence_Signal(ID3D12Fence *self, UINT64 value)
{
	struct fence *f = fence_of(self);

	AcquireSRWLockExclusive(&f->lock);
	f->value = value;
	for (unsigned int i = 0; i < f->nr_events;) {
		if (f->events[i].value > value) {
			i++;
			continue;
		}
		SetEvent(f->events[i].event);
		f->events[i] = f->events[--f->nr_events];
	}
	ReleaseSRWLockExclusive(&f->lock);
	return S_OK;
}

static HRESULT STDMETHODCALLTYPE fence_SetEventOnCompletion(ID3D12Fence *self, UINT64 value,
							    HANDLE event)
{
	struct fence *f = fence_of(self);

	AcquireSRWLockExclusive(&f->lock);
	if (f->value >= value) {
		SetEvent(event);
	} else {
		REQUIRE_CMP(f->nr_events, <, MAX_EVENTS);
		f->events[f->nr_events].value = value;
		f->events[f->nr_events++].event = event;
	}
	ReleaseSRWLockExclusive(&f->lock);
	return S_OK;
}

static ID3D12FenceVtbl fence_vtbl = {
	UNKNOWN(ID3D12Fence),
	.GetCompletedValue = fence_GetCompletedValue,
	.SetEventOnCompletion = fence_SetEventOnCompletion,
	.Signal = fence_Signal,
};

static HRESULT STDMETHODCALLTYPE device_CreateFence(ID3D12Device *self, UINT64 value,
						    D3D12_FENCE_FLAGS flags, REFIID riid,
						    void **out)
{
	struct fence *f = fake_new_object(&fence_vtbl, sizeof(*f));

	(void)self;
	(void)flags;
	(void)riid;
	InitializeSRWLock(&f->lock);
	f->value = value;
	*out = f;
	return S_OK;
}

/* ------------------------------------------------------------------- lists */

enum command_kind {
	COPY_BUFFER,
	COPY_TEXTURE,
	COPY_TILES,
	BARRIER,
	CALL,
};

struct command {
	enum command_kind kind;
	struct resource *to, *from;
	UINT64 to_offset, from_offset, nbytes;
	D3D12_TEXTURE_COPY_LOCATION dst, src;
	UINT x, y, z;
	D3D12_RESOURCE_STATES before, after;
	void (*run)(const void *args);
	unsigned char args[MAX_ARGS];
};

struct allocator {
	ID3D12CommandAllocator iface;
	LONG refs;
	LONG nr_running;
};

struct list {
	ID3D12GraphicsCommandList iface;
	LONG refs;
	bool is_open;
	bool is_copy;
	struct allocator *allocator;
	struct command *commands;
	unsigned int nr_commands;
};

static struct list *list_of(ID3D12GraphicsCommandList *iface)
{
	return (struct list *)(void *)iface;
}

static HRESULT STDMETHODCALLTYPE allocator_Reset(ID3D12CommandAllocator *self)
{
	REQUIRE_CMP(((struct allocator *)(void *)self)->nr_running, ==, 0);
	return S_OK;
}

static ID3D12CommandAllocatorVtbl allocator_vtbl = {
	UNKNOWN(ID3D12CommandAllocator),
	.Reset = allocator_Reset,
};

static HRESULT STDMETHODCALLTYPE device_CreateCommandAllocator(ID3D12Device *self,
							       D3D12_COMMAND_LIST_TYPE type,
							       REFIID riid, void **out)
{
	(void)self;
	(void)riid;
	REQUIRE(type == D3D12_COMMAND_LIST_TYPE_COPY || type == D3D12_COMMAND_LIST_TYPE_COMPUTE);
	*out = fake_new_object(&allocator_vtbl, sizeof(struct allocator));
	return S_OK;
}

static HRESULT STDMETHODCALLTYPE list_Close(ID3D12GraphicsCommandList *self)
{
	REQUIRE(list_of(self)->is_open);
	list_of(self)->is_open = false;
	return S_OK;
}

static HRESULT STDMETHODCALLTYPE list_Reset(ID3D12GraphicsCommandList *self,
					    ID3D12CommandAllocator *allocator,
					    ID3D12PipelineState *state)
{
	struct list *l = list_of(self);

	(void)state;
	REQUIRE(!l->is_open);
	l->is_open = true;
	l->allocator = (struct allocator *)(void *)allocator;
	l->nr_commands = 0;
	return S_OK;
}

static struct command *new_command(ID3D12GraphicsCommandList *self, enum command_kind kind)
{
	struct list *l = list_of(self);
	struct command *c;

	REQUIRE(l->is_open);
	REQUIRE_CMP(l->nr_commands, <, MAX_COMMANDS);
	c = &l->commands[l->nr_commands++];
	memset(c, 0, sizeof(*c));
	c->kind = kind;
	return c;
}

static void STDMETHODCALLTYPE list_CopyBufferRegion(ID3D12GraphicsCommandList *self,
						    ID3D12Resource *dst, UINT64 dst_offset,
						    ID3D12Resource *src, UINT64 src_offset,
						    UINT64 nbytes)
{
	struct command *c = new_command(self, COPY_BUFFER);

	c->to = resource_of(dst);
	c->from = resource_of(src);
	c->to_offset = dst_offset;
	c->from_offset = src_offset;
	c->nbytes = nbytes;
	REQUIRE_CMP(dst_offset + nbytes, <=, c->to->nbytes);
	REQUIRE_CMP(src_offset + nbytes, <=, c->from->nbytes);
}

static void STDMETHODCALLTYPE list_CopyTextureRegion(ID3D12GraphicsCommandList *self,
						     const D3D12_TEXTURE_COPY_LOCATION *dst, UINT x,
						     UINT y, UINT z,
						     const D3D12_TEXTURE_COPY_LOCATION *src,
						     const D3D12_BOX *box)
{
	struct command *c = new_command(self, COPY_TEXTURE);

	REQUIRE(!box);
	REQUIRE_CMP(src->Type, ==, D3D12_TEXTURE_COPY_TYPE_PLACED_FOOTPRINT);
	REQUIRE_CMP(dst->Type, ==, D3D12_TEXTURE_COPY_TYPE_SUBRESOURCE_INDEX);
	REQUIRE_CMP(src->PlacedFootprint.Offset % 512, ==, 0);
	REQUIRE_CMP(src->PlacedFootprint.Footprint.RowPitch % 256, ==, 0);
	c->dst = *dst;
	c->src = *src;
	c->x = x;
	c->y = y;
	c->z = z;
}

static void STDMETHODCALLTYPE list_CopyTiles(ID3D12GraphicsCommandList *self, ID3D12Resource *tiled,
					     const D3D12_TILED_RESOURCE_COORDINATE *start,
					     const D3D12_TILE_REGION_SIZE *size,
					     ID3D12Resource *buffer, UINT64 offset,
					     D3D12_TILE_COPY_FLAGS flags)
{
	struct command *c = new_command(self, COPY_TILES);

	REQUIRE_CMP(flags, ==, D3D12_TILE_COPY_FLAG_LINEAR_BUFFER_TO_SWIZZLED_TILED_RESOURCE);
	REQUIRE(!size->UseBox && !start->Y && !start->Z && !start->Subresource);
	c->to = resource_of(tiled);
	c->from = resource_of(buffer);
	c->to_offset = (UINT64)start->X * TILE_NBYTES;
	c->from_offset = offset;
	c->nbytes = (UINT64)size->NumTiles * TILE_NBYTES;
	REQUIRE_CMP(c->from_offset + c->nbytes, <=, c->from->nbytes);
}

static void STDMETHODCALLTYPE list_ResourceBarrier(ID3D12GraphicsCommandList *self, UINT count,
						   const D3D12_RESOURCE_BARRIER *barriers)
{
	for (UINT i = 0; i < count; i++) {
		struct command *c = new_command(self, BARRIER);

		REQUIRE_CMP(barriers[i].Type, ==, D3D12_RESOURCE_BARRIER_TYPE_TRANSITION);
		c->to = resource_of(barriers[i].Transition.pResource);
		c->before = barriers[i].Transition.StateBefore;
		c->after = barriers[i].Transition.StateAfter;
		REQUIRE(c->after != D3D12_RESOURCE_STATE_UNORDERED_ACCESS ||
			c->to->desc.Flags & D3D12_RESOURCE_FLAG_ALLOW_UNORDERED_ACCESS);
	}
}

void fake_record_call(void *list, void (*run)(const void *args), const void *args, size_t nbytes)
{
	struct command *c = new_command(list, CALL);

	REQUIRE(!list_of(list)->is_copy);
	REQUIRE_CMP(nbytes, <=, MAX_ARGS);
	c->run = run;
	memcpy(c->args, args, nbytes);
}

static HRESULT STDMETHODCALLTYPE list_QueryInterface(ID3D12GraphicsCommandList *self, REFIID riid,
						     void **out)
{
	if (fake_list_extension)
		return fake_list_extension(self, riid, out);
	return query_interface(self, riid, out);
}

static ID3D12GraphicsCommandListVtbl list_vtbl = {
	UNKNOWN_BUT(ID3D12GraphicsCommandList, list_QueryInterface),
	.Close = list_Close,
	.Reset = list_Reset,
	.CopyBufferRegion = list_CopyBufferRegion,
	.CopyTextureRegion = list_CopyTextureRegion,
	.CopyTiles = list_CopyTiles,
	.ResourceBarrier = list_ResourceBarrier,
};

const ID3D12GraphicsCommandListVtbl *const fake_list_vtbl = &list_vtbl;
const void *fake_longer_list_vtbl;

static HRESULT STDMETHODCALLTYPE device_CreateCommandList(ID3D12Device *self, UINT node,
							  D3D12_COMMAND_LIST_TYPE type,
							  ID3D12CommandAllocator *allocator,
							  ID3D12PipelineState *state, REFIID riid,
							  void **out)
{
	struct list *l = fake_new_object(fake_longer_list_vtbl ? fake_longer_list_vtbl : &list_vtbl,
					 sizeof(*l));

	(void)self;
	(void)node;
	(void)state;
	(void)riid;
	REQUIRE(type == D3D12_COMMAND_LIST_TYPE_COPY || type == D3D12_COMMAND_LIST_TYPE_COMPUTE);
	l->is_copy = type == D3D12_COMMAND_LIST_TYPE_COPY;
	l->is_open = true;
	l->allocator = (struct allocator *)(void *)allocator;
	l->commands = calloc(MAX_COMMANDS, sizeof(*l->commands));
	*out = l;
	return S_OK;
}

/* ----------------------------------------------------------------- running */

static void run_texture(const struct command *c)
{
	const struct resource *to = resource_of(c->dst.pResource);
	const struct resource *from = resource_of(c->src.pResource);
	const D3D12_SUBRESOURCE_FOOTPRINT *part = &c->src.PlacedFootprint.Footprint;
	struct format format = format_of(part->Format);
	D3D12_PLACED_SUBRESOURCE_FOOTPRINT whole[64];
	UINT sub = c->dst.SubresourceIndex, rows = part->Height / format.block;
	UINT row_nbytes = part->Width / format.block * format.nbytes;
	const D3D12_SUBRESOURCE_FOOTPRINT *w = &whole[sub].Footprint;

	device_GetCopyableFootprints(NULL, &to->desc, 0, nr_subresources(&to->desc), 0, whole, NULL,
				     NULL, NULL);
	REQUIRE(c->x + part->Width <= w->Width && c->y + part->Height <= w->Height &&
		c->z + part->Depth <= w->Depth);
	for (UINT z = 0; z < part->Depth; z++) {
		for (UINT y = 0; y < rows; y++) {
			UINT64 in = c->src.PlacedFootprint.Offset +
				    (UINT64)part->RowPitch * (z * rows + y);
			UINT64 row = (UINT64)(c->z + z) * (w->Height / format.block) +
				     c->y / format.block + y;
			UINT64 out = whole[sub].Offset + w->RowPitch * row +
				     c->x / format.block * format.nbytes;

			REQUIRE_CMP(in + row_nbytes, <=, from->nbytes);
			REQUIRE_CMP(out + row_nbytes, <=, to->nbytes);
			memcpy(to->data + out, from->data + in, row_nbytes);
		}
	}
}

/* What is COMMON becomes what it is used as; all else has to be that already. */
static void use(struct resource *r, D3D12_RESOURCE_STATES state)
{
	if (r->state == D3D12_RESOURCE_STATE_COMMON && !r->is_fixed)
		r->state = state;
	REQUIRE(r->state & state);
}

static void run_copy(const struct command *c)
{
	use(c->to, D3D12_RESOURCE_STATE_COPY_DEST);
	use(c->from, D3D12_RESOURCE_STATE_COPY_SOURCE);
	memcpy(c->to->data + c->to_offset, c->from->data + c->from_offset, (size_t)c->nbytes);
}

static void run_barrier(const struct command *c)
{
	REQUIRE_CMP(c->to->state, ==, c->before);
	c->to->state = c->after;
}

static void run_command(const struct command *c)
{
	switch (c->kind) {
	case COPY_TEXTURE:
		run_texture(c);
		break;
	case BARRIER:
		run_barrier(c);
		break;
	case CALL:
		c->run(c->args);
		break;
	default:
		run_copy(c);
	}
}

/* After a list all is COMMON again: buffers always, textures after a copy queue's. */
static void decay(void)
{
	AcquireSRWLockShared(&resources_lock);
	for (unsigned int i = 0; i < nr_resources; i++)
		if (!resources[i]->is_fixed)
			resources[i]->state = D3D12_RESOURCE_STATE_COMMON;
	ReleaseSRWLockShared(&resources_lock);
}

/* What a queue was told to do: run commands, signal a fence, or wait for one. */
struct order {
	struct command *commands;
	unsigned int nr_commands;
	struct allocator *allocator;
	struct fence *fence;
	UINT64 value;
	bool is_wait;
	struct order *next;
};

struct command_queue {
	ID3D12CommandQueue iface;
	LONG refs;
	bool is_copy;
	SRWLOCK lock;
	CONDITION_VARIABLE changed;
	struct order *first, **last;
};

static void (*before_lists)(void);

void fake_before_lists(void (*call)(void))
{
	before_lists = call;
}

static void run_order(struct order *o)
{
	while (o->is_wait && fence_GetCompletedValue(&o->fence->iface) < o->value)
		Sleep(1);
	AcquireSRWLockExclusive(&gpu_hold);
	if (o->allocator && before_lists)
		before_lists();
	for (unsigned int i = 0; i < o->nr_commands; i++)
		run_command(&o->commands[i]);
	if (o->nr_commands)
		decay();
	if (o->allocator)
		InterlockedDecrement(&o->allocator->nr_running);
	if (o->fence && !o->is_wait)
		fence_Signal(&o->fence->iface, o->value);
	ReleaseSRWLockExclusive(&gpu_hold);
	free(o->commands);
	free(o);
}

static DWORD WINAPI run_queue(void *arg)
{
	struct command_queue *q = arg;

	for (;;) {
		struct order *o;

		AcquireSRWLockExclusive(&q->lock);
		while (!q->first)
			SleepConditionVariableSRW(&q->changed, &q->lock, INFINITE, 0);
		o = q->first;
		q->first = o->next;
		if (!q->first)
			q->last = &q->first;
		ReleaseSRWLockExclusive(&q->lock);
		run_order(o);
	}
	return 0;
}

static void give_order(ID3D12CommandQueue *self, struct order *o)
{
	struct command_queue *q = (struct command_queue *)(void *)self;

	AcquireSRWLockExclusive(&q->lock);
	*q->last = o;
	q->last = &o->next;
	ReleaseSRWLockExclusive(&q->lock);
	WakeConditionVariable(&q->changed);
}

static void STDMETHODCALLTYPE queue_ExecuteCommandLists(ID3D12CommandQueue *self, UINT count,
							ID3D12CommandList *const *lists)
{
	for (UINT i = 0; i < count; i++) {
		struct list *l = (struct list *)(void *)lists[i];
		struct order *o = calloc(1, sizeof(*o));

		REQUIRE(!l->is_open);
		REQUIRE_CMP(l->is_copy, ==, ((struct command_queue *)(void *)self)->is_copy);
		o->nr_commands = l->nr_commands;
		o->commands = malloc(l->nr_commands * sizeof(*o->commands) + 1);
		memcpy(o->commands, l->commands, l->nr_commands * sizeof(*o->commands));
		o->allocator = l->allocator;
		InterlockedIncrement(&l->allocator->nr_running);
		give_order(self, o);
	}
}

static HRESULT give_fence(ID3D12CommandQueue *self, ID3D12Fence *fence, UINT64 value, bool is_wait)
{
	struct order *o;

	if (removed_reason)
		return (HRESULT)removed_reason;
	o = calloc(1, sizeof(*o));
	o->fence = fence_of(fence);
	o->value = value;
	o->is_wait = is_wait;
	give_order(self, o);
	return S_OK;
}

static HRESULT STDMETHODCALLTYPE queue_Signal(ID3D12CommandQueue *self, ID3D12Fence *fence,
					      UINT64 value)
{
	return give_fence(self, fence, value, false);
}

static HRESULT STDMETHODCALLTYPE queue_Wait(ID3D12CommandQueue *self, ID3D12Fence *fence,
					    UINT64 value)
{
	return give_fence(self, fence, value, true);
}

static ID3D12CommandQueueVtbl queue_vtbl = {
	UNKNOWN(ID3D12CommandQueue),
	.ExecuteCommandLists = queue_ExecuteCommandLists,
	.Signal = queue_Signal,
	.Wait = queue_Wait,
};

static HRESULT STDMETHODCALLTYPE device_CreateCommandQueue(ID3D12Device *self,
							   const D3D12_COMMAND_QUEUE_DESC *desc,
							   REFIID riid, void **out)
{
	struct command_queue *q = fake_new_object(&queue_vtbl, sizeof(*q));

	(void)self;
	(void)riid;
	q->is_copy = desc->Type == D3D12_COMMAND_LIST_TYPE_COPY;
	REQUIRE(q->is_copy || desc->Type == D3D12_COMMAND_LIST_TYPE_COMPUTE);
	InitializeSRWLock(&q->lock);
	InitializeConditionVariable(&q->changed);
	q->last = &q->first;
	CloseHandle(CreateThread(NULL, 0, run_queue, q, 0, NULL));
	*out = q;
	return S_OK;
}

/* ------------------------------------------------------------------ device */

static HRESULT STDMETHODCALLTYPE device_CheckFeatureSupport(ID3D12Device *self,
							    D3D12_FEATURE feature, void *data,
							    UINT nbytes)
{
	(void)self;
	if (feature != D3D12_FEATURE_FORMAT_INFO)
		return fake_device_feature ? fake_device_feature(feature, data, nbytes)
					   : E_INVALIDARG;
	((D3D12_FEATURE_DATA_FORMAT_INFO *)data)->PlaneCount = 1;
	return S_OK;
}

static HRESULT STDMETHODCALLTYPE device_GetDeviceRemovedReason(ID3D12Device *self)
{
	(void)self;
	return (HRESULT)removed_reason;
}

static const GUID *offered_iid;
static IUnknown *offered;

static HRESULT STDMETHODCALLTYPE device_QueryInterface(ID3D12Device *self, REFIID riid, void **out)
{
	if (offered && IsEqualGUID(riid, offered_iid)) {
		offered->lpVtbl->AddRef(offered);
		*out = offered;
		return S_OK;
	}
	if (fake_device_extension)
		return fake_device_extension(self, riid, out);
	return query_interface(self, riid, out);
}

void fake_offer(REFIID riid, void *object)
{
	offered_iid = riid;
	offered = object;
}

static ID3D12DeviceVtbl device_vtbl = {
	UNKNOWN_BUT(ID3D12Device, device_QueryInterface),
	.CreateCommandQueue = device_CreateCommandQueue,
	.CreateCommandAllocator = device_CreateCommandAllocator,
	.CreateCommandList = device_CreateCommandList,
	.CheckFeatureSupport = device_CheckFeatureSupport,
	.CreateCommittedResource = device_CreateCommittedResource,
	.CreateFence = device_CreateFence,
	.GetDeviceRemovedReason = device_GetDeviceRemovedReason,
	.GetCopyableFootprints = device_GetCopyableFootprints,
};

const ID3D12DeviceVtbl *const fake_device_vtbl = &device_vtbl;
const void *fake_longer_device_vtbl;

ID3D12Device *fake_device(void)
{
	struct device {
		ID3D12Device iface;
		LONG refs;
	} *d = fake_new_object(fake_longer_device_vtbl ? fake_longer_device_vtbl : &device_vtbl,
			       sizeof(*d));

	return &d->iface;
}

void fake_hold(bool is_held)
{
	if (is_held)
		AcquireSRWLockExclusive(&gpu_hold);
	else
		ReleaseSRWLockExclusive(&gpu_hold);
}

void fake_remove(HRESULT reason)
{
	InterlockedExchange(&removed_reason, reason);
}

void fake_refuse_custom_heaps(bool refused)
{
	InterlockedExchange(&is_custom_refused, refused);
}

LONG fake_references(void)
{
	return references;
}
