/* SPDX-License-Identifier: MIT */
/* guids.c: the IIDs that the DLL compares with, and asks D3D12 for. */
#define INITGUID
#include "dstorage/include/dstorage.h"
