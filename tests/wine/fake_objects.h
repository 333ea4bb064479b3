/* SPDX-License-Identifier: MIT */
/* fake_objects.h: what the files of the fake device know of each other. */
#ifndef TESTS_WINE_FAKE_OBJECTS_H
#define TESTS_WINE_FAKE_OBJECTS_H

#include "win.h"

/* Zeroed, with one reference; every object begins with its vtable and its count of references. */
void *fake_new_object(const void *vtbl, size_t nbytes);
ULONG STDMETHODCALLTYPE fake_add_ref(void *self);
ULONG STDMETHODCALLTYPE fake_release(void *self);

/* Answer instead of the device and its lists, which know no interface but their own. */
extern HRESULT (*fake_device_extension)(ID3D12Device *device, REFIID riid, void **out);
extern HRESULT (*fake_list_extension)(ID3D12GraphicsCommandList *list, REFIID riid, void **out);
extern HRESULT (*fake_device_feature)(UINT feature, void *data, UINT nbytes);

/* Their vtables; and longer ones that begin alike, if there are. */
extern const ID3D12DeviceVtbl *const fake_device_vtbl;
extern const ID3D12GraphicsCommandListVtbl *const fake_list_vtbl;
extern const void *fake_longer_device_vtbl, *fake_longer_list_vtbl;

/* Has the list call run(args) when its turn comes; args is copied. Not on a copy queue. */
void fake_record_call(void *list, void (*run)(const void *args), const void *args, size_t nbytes);

/*
 * The bytes at an address of the GPU's, of which nbytes lie in one resource that is in this state
 * now. Else the test fails.
 */
unsigned char *fake_at(UINT64 address, uint64_t nbytes, D3D12_RESOURCE_STATES state);

/* How many bytes follow an address in its resource. */
uint64_t fake_nbytes_from(UINT64 address);

#endif /* TESTS_WINE_FAKE_OBJECTS_H */
