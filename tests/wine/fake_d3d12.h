/* SPDX-License-Identifier: MIT */
/*
 * fake_d3d12.h: a D3D12 device that can copy, and nothing else, on the CPU.
 *
 * Commands run on a thread of their own, in order, as a GPU's do; it can be held up, and
 * removed. What D3D12 forbids (resetting an allocator in use, a misplaced footprint, a copy out
 * of bounds) ends the test. Textures are kept as GetCopyableFootprints() lays them out.
 */
#ifndef TESTS_WINE_FAKE_D3D12_H
#define TESTS_WINE_FAKE_D3D12_H

#include "win.h"

ID3D12Device *fake_device(void);

/* What the device answers QueryInterface() with for this interface; it is AddRef'd. */
void fake_offer(REFIID riid, void *object);

/* Called on the GPU's thread before each command list, for what a device does there itself. */
void fake_before_lists(void (*call)(void));

/* While it is held, nothing runs. */
void fake_hold(bool is_held);

/* From now on the device is removed for this reason, and all its fences read all ones. */
void fake_remove(HRESULT reason);

/* Heaps of type CUSTOM are refused: then only upload heaps are left. */
void fake_refuse_custom_heaps(bool refused);

/* The bytes of a resource. */
unsigned char *fake_bytes(ID3D12Resource *resource, uint64_t *nbytes);

/* References of all objects of the fake's, together. */
LONG fake_references(void);

#endif /* TESTS_WINE_FAKE_D3D12_H */
