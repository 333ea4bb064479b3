/* SPDX-License-Identifier: MIT */
/* guids.c: the IIDs that the tests use. */
#define INITGUID
#include "dstorage/include/dstorage.h"
