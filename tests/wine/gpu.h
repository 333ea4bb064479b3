/* SPDX-License-Identifier: MIT */
/* gpu.h: resources to load into, and how their contents are seen, on a real or a fake device. */
#ifndef TESTS_WINE_GPU_H
#define TESTS_WINE_GPU_H

#include "win.h"

/* The device of this program: Wine's, or the fake. Ends the program as skipped without one. */
ID3D12Device *gpu_device(void);
void gpu_use_fake(void);

ID3D12Resource *gpu_buffer(uint64_t nbytes);
ID3D12Resource *gpu_texture(DXGI_FORMAT format, UINT width, UINT height, UINT layers, UINT mips);
ID3D12Resource *gpu_volume(DXGI_FORMAT format, UINT width, UINT height, UINT depth);

/* The bytes of a whole resource, as GetCopyableFootprints() lays them out. For free(). */
unsigned char *gpu_read(ID3D12Resource *resource, uint64_t *nbytes);

/* Where subresources lie in those, and how many bytes they take. */
uint64_t gpu_layout(ID3D12Resource *resource, UINT first, UINT count,
		    D3D12_PLACED_SUBRESOURCE_FOOTPRINT *layouts);

ID3D12Fence *gpu_fence(void);
void gpu_wait(ID3D12Fence *fence, UINT64 value);

#endif /* TESTS_WINE_GPU_H */
