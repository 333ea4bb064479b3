/* SPDX-License-Identifier: MIT */
/*
 * footprint.c: see footprint.h.
 *
 * What lies where in the source is D3D12's own answer, GetCopyableFootprints(), for exactly
 * the part that is written: for a box of a texture, that of a texture of the box's size.
 */
#include "footprint.h"

#include <stdint.h>
#include <string.h>

#include "core.h"

#define TILE_NBYTES UINT64_C(65536)

ID3D12Resource *footprint_resource(const DSTORAGE_REQUEST *desc)
{
	switch (desc->Options.DestinationType) {
	case DSTORAGE_REQUEST_DESTINATION_BUFFER:
		return desc->Destination.Buffer.Resource;
	case DSTORAGE_REQUEST_DESTINATION_TEXTURE_REGION:
		return desc->Destination.Texture.Resource;
	case DSTORAGE_REQUEST_DESTINATION_MULTIPLE_SUBRESOURCES:
		return desc->Destination.MultipleSubresources.Resource;
	case DSTORAGE_REQUEST_DESTINATION_MULTIPLE_SUBRESOURCES_RANGE:
		return desc->Destination.MultipleSubresourcesRange.Resource;
	case DSTORAGE_REQUEST_DESTINATION_TILES:
		return desc->Destination.Tiles.Resource;
	default:
		return NULL;
	}
}

static UINT nr_planes(ID3D12Device *device, DXGI_FORMAT format)
{
	D3D12_FEATURE_DATA_FORMAT_INFO info = { format, 0 };

	if (FAILED(ID3D12Device_CheckFeatureSupport(device, D3D12_FEATURE_FORMAT_INFO, &info,
						    sizeof(info))))
		return 1;
	return info.PlaneCount ? info.PlaneCount : 1;
}

static bool is_block_compressed(DXGI_FORMAT format)
{
	return (format >= DXGI_FORMAT_BC1_TYPELESS && format <= DXGI_FORMAT_BC5_SNORM) ||
	       (format >= DXGI_FORMAT_BC6H_TYPELESS && format <= DXGI_FORMAT_BC7_UNORM_SRGB);
}

/* What a part of a texture is copied by: count placed footprints from subresource first. */
struct part {
	D3D12_RESOURCE_DESC desc; /* whose footprints they are */
	UINT first_of_desc;
	UINT first;
	UINT count;
	UINT x, y, z;
};

struct texture {
	D3D12_RESOURCE_DESC desc;
	UINT nr_planes;
	UINT nr_subresources;
};

static HRESULT look_at(ID3D12Device *device, ID3D12Resource *resource, struct texture *t)
{
	UINT layers;

	resource->lpVtbl->GetDesc(resource, &t->desc);
	if (t->desc.Dimension == D3D12_RESOURCE_DIMENSION_BUFFER || !t->desc.MipLevels)
		return E_INVALIDARG;
	layers = t->desc.Dimension == D3D12_RESOURCE_DIMENSION_TEXTURE3D ? 1
									 : t->desc.DepthOrArraySize;
	t->nr_planes = nr_planes(device, t->desc.Format);
	t->nr_subresources = t->desc.MipLevels * layers * t->nr_planes;
	return S_OK;
}

static UINT mip_of(UINT64 nbytes, UINT mip)
{
	UINT64 n = nbytes >> mip;

	return n ? (UINT)n : 1;
}

static UINT round_up(UINT n, UINT to)
{
	return (n + to - 1) / to * to;
}

static bool is_inside(const D3D12_BOX *box, UINT width, UINT height, UINT depth)
{
	return box->left < box->right && box->right <= width && box->top < box->bottom &&
	       box->bottom <= height && box->front < box->back && box->back <= depth;
}

static bool is_all(const D3D12_BOX *box, UINT width, UINT height, UINT depth)
{
	return !box->left && !box->top && !box->front && box->right >= width &&
	       box->bottom >= height && box->back >= depth;
}

/* A texture of the box's size. */
static void describe_box(ID3D12Device *device, const struct texture *t, struct part *p,
			 const D3D12_BOX *box, UINT unit)
{
	D3D12_PLACED_SUBRESOURCE_FOOTPRINT whole;

	/* The format of this plane, where there are several. */
	if (t->nr_planes > 1) {
		ID3D12Device_GetCopyableFootprints(device, &t->desc, p->first, 1, 0, &whole, NULL,
						   NULL, NULL);
		p->desc.Format = whole.Footprint.Format;
	}
	p->desc.Alignment = 0;
	p->desc.Width = round_up(box->right - box->left, unit);
	p->desc.Height = round_up(box->bottom - box->top, unit);
	p->desc.DepthOrArraySize = 1;
	if (p->desc.Dimension == D3D12_RESOURCE_DIMENSION_TEXTURE3D)
		p->desc.DepthOrArraySize = (UINT16)(box->back - box->front);
	if (p->desc.Dimension == D3D12_RESOURCE_DIMENSION_TEXTURE1D)
		p->desc.Height = 1;
	p->desc.MipLevels = 1;
	p->desc.Layout = D3D12_TEXTURE_LAYOUT_UNKNOWN;
	p->desc.Flags = D3D12_RESOURCE_FLAG_NONE;
	p->first_of_desc = 0;
}

static HRESULT part_of_region(ID3D12Device *device, const struct texture *t,
			      const DSTORAGE_DESTINATION_TEXTURE_REGION *to, struct part *p)
{
	UINT unit = is_block_compressed(t->desc.Format) ? 4 : 1;
	UINT mip, width, height, depth = 1;

	if (to->SubresourceIndex >= t->nr_subresources)
		return E_INVALIDARG;
	mip = to->SubresourceIndex % t->desc.MipLevels;
	width = mip_of(t->desc.Width, mip);
	height = mip_of(t->desc.Height, mip);
	if (t->desc.Dimension == D3D12_RESOURCE_DIMENSION_TEXTURE3D)
		depth = mip_of(t->desc.DepthOrArraySize, mip);
	if (!is_inside(&to->Region, round_up(width, unit), round_up(height, unit), depth))
		return E_INVALIDARG;
	p->desc = t->desc;
	p->first = p->first_of_desc = to->SubresourceIndex;
	p->count = 1;
	p->x = to->Region.left;
	p->y = to->Region.top;
	p->z = to->Region.front;
	if (!is_all(&to->Region, width, height, depth))
		describe_box(device, t, p, &to->Region, unit);
	return S_OK;
}

static HRESULT part_of_range(const struct texture *t, UINT first, UINT count, struct part *p)
{
	if (!count || first >= t->nr_subresources || count > t->nr_subresources - first)
		return E_INVALIDARG;
	memset(p, 0, sizeof(*p));
	p->desc = t->desc;
	p->first = p->first_of_desc = first;
	p->count = count;
	return S_OK;
}

static HRESULT part_of(ID3D12Device *device, const DSTORAGE_REQUEST *desc, struct part *p)
{
	const DSTORAGE_DESTINATION *to = &desc->Destination;
	struct texture t;
	HRESULT hr = look_at(device, footprint_resource(desc), &t);
	UINT first;

	if (FAILED(hr))
		return hr;
	switch (desc->Options.DestinationType) {
	case DSTORAGE_REQUEST_DESTINATION_TEXTURE_REGION:
		return part_of_region(device, &t, &to->Texture, p);
	case DSTORAGE_REQUEST_DESTINATION_MULTIPLE_SUBRESOURCES:
		first = to->MultipleSubresources.FirstSubresource;
		return first < t.nr_subresources
			       ? part_of_range(&t, first, t.nr_subresources - first, p)
			       : E_INVALIDARG;
	default:
		return part_of_range(&t, to->MultipleSubresourcesRange.FirstSubresource,
				     to->MultipleSubresourcesRange.NumSubresources, p);
	}
}

static HRESULT check_buffer(const DSTORAGE_DESTINATION_BUFFER *to, UINT64 *nbytes)
{
	D3D12_RESOURCE_DESC desc;

	to->Resource->lpVtbl->GetDesc(to->Resource, &desc);
	if (desc.Dimension != D3D12_RESOURCE_DIMENSION_BUFFER)
		return E_INVALIDARG;
	if (to->Offset > desc.Width || to->Size > desc.Width - to->Offset)
		return E_DSTORAGE_INVALID_DESTINATION_SIZE;
	*nbytes = to->Size;
	return S_OK;
}

static HRESULT check_tiles(const DSTORAGE_DESTINATION_TILES *to, UINT64 *nbytes)
{
	if (!to->TileRegionSize.NumTiles)
		return E_INVALIDARG;
	*nbytes = TILE_NBYTES * to->TileRegionSize.NumTiles;
	return S_OK;
}

HRESULT footprint_check(ID3D12Device *device, const DSTORAGE_REQUEST *desc, UINT64 *nbytes)
{
	struct part p;
	HRESULT hr;

	switch (desc->Options.DestinationType) {
	case DSTORAGE_REQUEST_DESTINATION_BUFFER:
		return check_buffer(&desc->Destination.Buffer, nbytes);
	case DSTORAGE_REQUEST_DESTINATION_TILES:
		return check_tiles(&desc->Destination.Tiles, nbytes);
	default:
		hr = part_of(device, desc, &p);
		if (FAILED(hr))
			return hr;
		ID3D12Device_GetCopyableFootprints(device, &p.desc, p.first_of_desc, p.count, 0,
						   NULL, NULL, NULL, nbytes);
		/* D3D12's way to say that the description makes no sense. */
		return *nbytes == UINT64_MAX ? E_INVALIDARG : S_OK;
	}
}

static void copy_subresources(ID3D12GraphicsCommandList *list, ID3D12Resource *resource,
			      const struct part *p, ID3D12Resource *upload,
			      const D3D12_PLACED_SUBRESOURCE_FOOTPRINT *layouts)
{
	D3D12_TEXTURE_COPY_LOCATION to, from;

	memset(&to, 0, sizeof(to));
	memset(&from, 0, sizeof(from));
	to.pResource = resource;
	to.Type = D3D12_TEXTURE_COPY_TYPE_SUBRESOURCE_INDEX;
	from.pResource = upload;
	from.Type = D3D12_TEXTURE_COPY_TYPE_PLACED_FOOTPRINT;
	for (UINT i = 0; i < p->count; i++) {
		to.SubresourceIndex = p->first + i;
		from.PlacedFootprint = layouts[i];
		ID3D12GraphicsCommandList_CopyTextureRegion(list, &to, p->x, p->y, p->z, &from,
							    NULL);
	}
}

static HRESULT record_texture(ID3D12Device *device, ID3D12GraphicsCommandList *list,
			      const DSTORAGE_REQUEST *desc, ID3D12Resource *upload, UINT64 offset)
{
	D3D12_PLACED_SUBRESOURCE_FOOTPRINT *layouts;
	struct part p;
	HRESULT hr = part_of(device, desc, &p);

	if (FAILED(hr))
		return hr;
	layouts = core_alloc(p.count * sizeof(*layouts));
	if (!layouts)
		return E_OUTOFMEMORY;
	ID3D12Device_GetCopyableFootprints(device, &p.desc, p.first_of_desc, p.count, offset,
					   layouts, NULL, NULL, NULL);
	copy_subresources(list, footprint_resource(desc), &p, upload, layouts);
	core_free(layouts);
	return S_OK;
}

HRESULT footprint_record(ID3D12Device *device, ID3D12GraphicsCommandList *list,
			 const DSTORAGE_REQUEST *desc, ID3D12Resource *upload, UINT64 offset)
{
	const DSTORAGE_DESTINATION_BUFFER *buffer = &desc->Destination.Buffer;
	const DSTORAGE_DESTINATION_TILES *tiles = &desc->Destination.Tiles;

	switch (desc->Options.DestinationType) {
	case DSTORAGE_REQUEST_DESTINATION_BUFFER:
		ID3D12GraphicsCommandList_CopyBufferRegion(list, buffer->Resource, buffer->Offset,
							   upload, offset, buffer->Size);
		return S_OK;
	case DSTORAGE_REQUEST_DESTINATION_TILES:
		ID3D12GraphicsCommandList_CopyTiles(
			list, tiles->Resource, &tiles->TiledRegionStartCoordinate,
			&tiles->TileRegionSize, upload, offset,
			D3D12_TILE_COPY_FLAG_LINEAR_BUFFER_TO_SWIZZLED_TILED_RESOURCE);
		return S_OK;
	default:
		return record_texture(device, list, desc, upload, offset);
	}
}
